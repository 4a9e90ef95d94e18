"""One run: starts the servers of a case, drives them in turn, A B A B …, and keeps the figures."""

import contextlib
import os
import platform
import shutil
import socket
import statistics
import tempfile
import time
from dataclasses import replace

import measure
import origin
from loads import Generators
from peers import Server
from process import Failed
from setup import Place, Setup


class Bench:
    """What all cases share: cores, scratch space, the origin, the load generators."""

    def __init__(self, directory, h3load, seconds):
        self.seconds = seconds
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise Failed("the bench needs two cores: one for the server, one for the load")
        self.server_cores, self.load_cores = {cores[0]}, {cores[1]}
        os.sched_setaffinity(0, self.load_cores)
        self.all_cores = set(cores)
        os.makedirs(directory, exist_ok=True)
        self.directory = directory
        remove_left_overs(directory)
        self.home = tempfile.mkdtemp(prefix=f"run-{os.getpid()}-", dir=directory)
        self.www = origin.files(directory)
        self.upload = os.path.join(directory, "upload")
        self.cert, self.key = origin.certificate(directory)
        self.generators = Generators(self.load_cores, self.home, h3load)
        self.origin_port = free_port()
        self.origin = origin.start(self.home, self.www, self.origin_port, self.load_cores)
        self.digests = {}

    def close(self):
        self.origin.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def server(self, peer, setup):
        """Starts a peer; the caller stops it."""
        cores = self.server_cores if setup.workers == 1 else self.all_cores
        home = tempfile.mkdtemp(prefix=f"{peer.name}-", dir=self.home)
        place = Place(
            home, self.www, free_port(), free_port(), self.origin_port, self.cert, self.key,
            os.path.join(self.directory, "both.pem"),
        )
        return Server(peer, setup, place, cores)

    def run(self, case, peers, rounds, progress):
        """Every metric of every peer that can do the case: {peer: {metric: [value, …]}}."""
        able = [peer for peer in peers if peer.able(case.protocol, case.setup)]
        figures = {peer.name: {} for peer in able}
        kind = measure.KINDS[case.kind]
        with contextlib.ExitStack() as stack:
            servers = {}
            if kind.keeps_server:
                for peer in able:
                    servers[peer.name] = self.server(peer, case.setup)
                    stack.callback(servers[peer.name].stop)
                for server in servers.values():
                    server.wait_for_200(host=case.load.host if case.load else "localhost")
                    self.prepare(server, case)
            for number in range(min(rounds, case.most_rounds)):
                for peer in able:
                    subject = servers.get(peer.name, peer)
                    try:
                        found = kind.measure(self, subject, case)
                    except Failed as error:
                        raise Failed(f"{case.name}, {peer.name}: {error}") from None
                    for metric, value in found.items():
                        figures[peer.name].setdefault(metric, []).append(value)
                    progress(case, peer, number, found)
        return figures

    def prepare(self, server, case):
        """Checks one answer byte by byte, and warms caches and connections."""
        if case.load is None:
            return
        try:
            self.check(server, case.load)
            if case.load.length is None or case.load.length < 1 << 20:
                warm = replace(case.load, count=max(4 * case.load.in_flight, 16))
                self.generators.drive(warm, server.place.port, 1)
        except Failed as error:
            raise Failed(f"{case.name}, {server.name}: {error}") from None

    def check(self, server, load):
        upload = b""
        if load.upload:
            with open(load.upload, "rb") as file:
                upload = file.read()
        status, fields, body = server.ask(load.path, load.host, load.fields, upload)
        if status != 200:
            raise Failed(f"{load.path} has status {status}")
        if upload:
            # The origin answers with the length of what came, head and body.
            if not body.strip().isdigit() or int(body) < len(upload):
                raise Failed(f"of an upload of {len(upload)} bytes, the origin got {body!r}")
            return
        server.compressed = len(body)
        body = measure.decoded(fields, body, load)
        want = self.digests.setdefault(load.path, origin.digest(self.www + load.path))
        if origin.digest_of(body) != want:
            raise Failed(f"the body of {load.path} is not the origin's ({len(body)} bytes)")


def summary(figures):
    """Medians and spans: {peer: {metric: {median, min, max, values}}}."""
    return {
        peer: {
            metric: {
                "median": statistics.median(values),
                "min": min(values),
                "max": max(values),
                "values": values,
            }
            for metric, values in metrics.items()
        }
        for peer, metrics in figures.items()
    }


def machine():
    """What the figures were taken on."""
    model = "unknown"
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "kernel": platform.release(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def remove_left_overs(directory):
    """Removes the scratch space of runs that were killed."""
    for name in os.listdir(directory):
        kind, _, rest = name.partition("-")
        pid = rest.partition("-")[0]
        if kind == "run" and not os.path.exists(f"/proc/{pid}"):
            shutil.rmtree(os.path.join(directory, name), ignore_errors=True)


def free_port():
    """A port of 127.0.0.1 that is free for TCP and for UDP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
