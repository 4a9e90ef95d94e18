"""What is measured: a server, the protocol it is asked over, and who controls its congestion."""

import os
import shutil
import tempfile
import time
from dataclasses import dataclass

import origin
import peers
from process import Child, Failed
from roads import SERVER
from setup import Place, Setup

# HAProxy and Caddy answer to any name or to all of them; the second site's name is in the
# certificate and is not special to browsers, as localhost is.
SETUP = Setup(sites=2)
HOST = "s00001.bench.test"
PATIENCE = 60.0
NAMES = {"caddy": "Caddy 2.11", "nginx-quic": "nginx 1.28", "haproxy-quic": "HAProxy 3.2"}
PROTOCOLS = {"h2": "HTTP/2", "h3": "HTTP/3"}
ORIGIN_PORT, FIRST_PORT = 9000, 9100


@dataclass(frozen=True)
class Target:
    """`server` names one of `servers`; `tcp` is the kernel's controller where it matters."""

    name: str
    server: str
    protocol: str
    controller: str
    is_ours: bool = False

    @property
    def tcp(self):
        return self.controller if self.protocol == "h2" else "cubic"

    @property
    def title(self):
        server = self.server.partition("/")[0]
        return f"{NAMES.get(server, server)} {PROTOCOLS[self.protocol]}, {self.controller}"


def targets(builds):
    """Every target by name; `builds` are the names of builds of this project."""
    found = []
    for build in builds:
        for controller in ("bbr", "cubic"):
            server = f"{build}/{controller}"
            found.append(Target(f"{build}-h3-{controller}", server, "h3", controller, True))
        for controller in ("bbr", "cubic"):
            found.append(Target(f"{build}-h2-{controller}", f"{build}/bbr", "h2", controller, True))
    found += [
        Target("caddy-h3", "caddy", "h3", "cubic"),
        Target("nginx-h3", "nginx-quic", "h3", "cubic"),
        Target("haproxy-h3", "haproxy-quic", "h3", "bbr"),
        Target("caddy-h2-bbr", "caddy", "h2", "bbr"),
        Target("nginx-h2-bbr", "nginx-quic", "h2", "bbr"),
        Target("nginx-h2-cubic", "nginx-quic", "h2", "cubic"),
        Target("haproxy-h2-bbr", "haproxy-quic", "h2", "bbr"),
    ]
    return {target.name: target for target in found}


class Servers:
    """The servers that some targets need, before one origin, at the far end of a road."""

    def __init__(self, road, known, wanted, home, www):
        self.ports, self.children = {}, {}
        cert, key = origin.certificate(home)
        cores = os.sched_getaffinity(0)
        here = self.home = tempfile.mkdtemp(prefix="road-", dir=home)
        os.chmod(here, 0o755)
        prefix = road.servers.command(*road.priority("servers"))
        self.children["origin"] = origin.start(here, www, ORIGIN_PORT, cores, prefix)
        for number, name in enumerate(sorted({target.server for target in wanted})):
            peer_name, _, controller = name.partition("/")
            peer = known[peer_name]
            port = FIRST_PORT + number
            place = Place(
                os.path.join(here, name.replace("/", "-")), www, port, port + 100, ORIGIN_PORT,
                cert, key, os.path.join(home, "both.pem"), address=SERVER,
            )
            arguments = peer.arguments(place, SETUP)
            if controller:
                arguments = [*arguments, "-quic-congestion", controller]
            self.children[name] = self._start(road, peer, place, arguments, cores)
            self.ports[name] = port
        self._wait({ORIGIN_PORT, *self.ports.values()})

    def _start(self, road, peer, place, arguments, cores):
        program = peers.prepare(peer, SETUP, place, "make bench-road")
        argv = road.servers.command(*road.priority("servers"), program, *arguments)
        return Child(peer.name, argv, cores, place.home, peer.environment(SETUP))

    def _wait(self, ports):
        """Until all listen; the kernel's table of the namespace says so."""
        deadline = time.monotonic() + PATIENCE
        while missing := ports - self._listening():
            for name, child in self.children.items():
                if not child.alive():
                    raise Failed(f"{name} has ended: {child.tail()}")
            if time.monotonic() > deadline:
                raise Failed(f"nobody listens at {sorted(missing)}")
            time.sleep(0.05)

    def _listening(self):
        try:
            with open(f"/proc/{self.children['origin'].process.pid}/net/tcp") as table:
                rows = [line.split() for line in table.readlines()[1:]]
        except FileNotFoundError:
            return set()
        return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A"}

    def stop(self):
        for child in self.children.values():
            child.stop()
        shutil.rmtree(self.home, ignore_errors=True)


def available(known, wanted):
    """Splits targets by whether their program is there."""
    is_there = {
        name: shutil.which(known[name].program) is not None if name in known else False
        for name in {target.server.partition("/")[0] for target in wanted}
    }
    able = [target for target in wanted if is_there[target.server.partition("/")[0]]]
    return able, [target for target in wanted if target not in able]
