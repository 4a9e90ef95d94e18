"""The servers under test: how each is found, started and spoken to."""

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import Callable

import configs
import envoy
from account import cpu_ns
from clients import client_context, connect
from process import Child, Failed

HTTP1, HTTP2, HTTP3 = "h1", "h2", "h3"
TLS = (HTTP1, HTTP2)
ALL = (HTTP1, HTTP2, HTTP3)


@dataclass(frozen=True)
class Peer:
    """One program. `cannot` names the parts of a `Setup` that it has no way to do, or that have
    not been written for it; `most_sites` is how many it starts with in reasonable time."""

    name: str
    program: str
    arguments: Callable
    config: Callable
    protocols: tuple
    cannot: tuple = ()
    most_sites: int = 1
    environment: Callable = lambda setup: {}
    is_ours: bool = False

    def able(self, protocol, setup):
        asked = {"static": setup.static, "directives": setup.directives > 1}
        able = not any(asked[part] for part in self.cannot) and setup.sites <= self.most_sites
        return able and protocol in self.protocols


def table(binaries, bench, default_binary):
    """Every peer by name. `bench` is where `setup.sh` puts them; `binaries` is a list of
    (name, path) of builds of this project."""
    caddy, envoy_path = (os.path.join(bench, "venv/bin", name) for name in ("caddy", "envoy"))
    nginx, haproxy = (os.path.join(bench, name) for name in ("nginx", "haproxy"))
    one_kind = ("directives",)
    peers = [
        Peer("nginx", "nginx", _nginx, configs.nginx, TLS, one_kind, most_sites=10_000),
        Peer("nginx-quic", nginx, _nginx, configs.nginx_quic, ALL, one_kind, most_sites=10_000),
        Peer("haproxy", "haproxy", _haproxy, configs.haproxy, TLS, ("static", *one_kind)),
        Peer("h2o", "h2o", _h2o, configs.h2o, TLS, one_kind),
        Peer("caddy", caddy, _caddy, configs.caddy, ALL, one_kind, 1000, _go),
        Peer("envoy", envoy_path, _envoy, envoy.envoy, ALL, ("static", *one_kind)),
    ]
    # Of a distribution that is newer than the machine's, where it can be had.
    if os.path.exists(haproxy):
        cannot = ("static", *one_kind)
        peers.append(
            Peer("haproxy-quic", haproxy, _haproxy, configs.haproxy_quic, ALL, cannot)
        )
    for name, path in binaries or [("ours", default_binary)]:
        path = os.path.abspath(path)
        peers.append(Peer(name, path, _ours, configs.ours, ALL, most_sites=10_000, is_ours=True))
    return {peer.name: peer for peer in peers}


def versions(names, table):
    """What the programs of these peers say they are: {name: version}."""
    found = {}
    for name in names:
        program = shutil.which(table[name].program)
        if program is None or table[name].is_ours:
            continue
        flag = {"caddy": "version", "envoy": "--version"}.get(name, "-v")
        asked = subprocess.run([program, flag], capture_output=True, text=True, check=False)
        number = re.search(r"\d+\.\d+\.\d+", asked.stdout + asked.stderr)
        found[name] = number[0] if number else "unknown"
    return found


def prepare(peer, setup, place, installer):
    """Writes the configuration of a peer; returns the path of its program."""
    program = shutil.which(peer.program)
    if program is None:
        raise Failed(f"{peer.name}: {peer.program} is missing; `{installer}` installs it")
    os.makedirs(place.home, exist_ok=True)
    for name, text in peer.config(place, setup).items():
        with open(os.path.join(place.home, name), "w") as file:
            file.write(text)
    return program


class Server:
    """A peer that runs, with one `Setup`."""

    def __init__(self, peer, setup, place, cores):
        self.peer, self.setup, self.place = peer, setup, place
        self.compressed = 0  # length of a body by gzip, once it has been checked
        program = prepare(peer, setup, place, "make bench")
        environment = peer.environment(setup)
        self.started = time.monotonic()
        self.child = Child(
            peer.name, [program, *peer.arguments(place, setup)], cores, place.home, environment
        )

    @property
    def name(self):
        return self.peer.name

    def pids(self):
        pids = self.child.pids()
        if not self.child.alive():
            raise Failed(f"{self.name} has ended: {self.child.tail()}")
        return pids

    def cpu_ns(self):
        return cpu_ns(self.pids())

    def wait_for_200(self, path="/1k", host="localhost", patience=180.0):
        """Seconds from the start of the process to the first 200."""
        deadline = self.started + patience
        while True:
            try:
                status = self.ask(path, host)[0]
                if status == 200:
                    return time.monotonic() - self.started
                problem = f"status {status}"
            except (OSError, ValueError) as error:
                problem = str(error)
            if not self.child.alive() or time.monotonic() > deadline:
                raise Failed(f"{self.name} does not start: {problem}\n{self.child.tail()}")
            time.sleep(0.0005)

    def ask(self, path, host="localhost", fields=(), upload=b""):
        """One request over HTTP/1.1 on a connection of its own: (status, fields, body)."""
        with connect(client_context("http/1.1"), self.place.port, host=host) as stream:
            lines = [f"{'POST' if upload else 'GET'} {path} HTTP/1.1", "Connection: close"]
            lines += [f"Host: {host}:{self.place.port}"]
            lines += [f"Content-Length: {len(upload)}"] if upload else []
            stream.sendall("\r\n".join([*lines, *fields, "", ""]).encode() + upload)
            parts = []
            while part := stream.recv(1 << 18):
                parts.append(part)
        head, _, body = b"".join(parts).partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        pairs = [line.partition(":") for line in rest]
        found = {name.lower(): value.strip() for name, _, value in pairs}
        if found.get("transfer-encoding") == "chunked":
            body = _unchunked(body)
        return int(first.split()[1]), found, body

    def stop(self):
        self.child.stop()


def _unchunked(body):
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        if length == 0:
            return whole
        whole, body = whole + body[:length], body[length + 2 :]
    raise ValueError("a chunked body that breaks off")


def _nginx(place, setup):
    return ["-e", f"{place.home}/nginx-error.log", "-c", f"{place.home}/nginx.conf"]


def _haproxy(place, setup):
    return ["-db", "-f", f"{place.home}/haproxy.cfg"]


def _h2o(place, setup):
    return ["-m", "worker", "-c", f"{place.home}/h2o.conf"]


def _caddy(place, setup):
    return ["run", "--adapter", "caddyfile", "--config", f"{place.home}/Caddyfile"]


def _go(setup):
    """Go's runtime has as many threads for its own work as this says."""
    return {"GOMAXPROCS": str(setup.workers)}


def _envoy(place, setup):
    options = ["--concurrency", str(setup.workers), "--use-dynamic-base-id", "-l", "warn"]
    return ["-c", f"{place.home}/envoy.json", *options]


def _ours(place, setup):
    return ["-conf", f"{place.home}/Caddyfile", "-cpu", str(setup.workers), "-quiet", "-log", "stderr"]
