"""The kinds of measurement: each takes one server for one case and gives {metric: value}."""

import gzip
import os
import re
import sys
import time
from dataclasses import dataclass, replace
from typing import Callable

import account
import process
from process import Failed

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients.py")
HANDSHAKES = 1000
SETTLE_SECONDS = 1.0


@dataclass(frozen=True)
class Kind:
    """`keeps_server`: all rounds go to one process; otherwise each starts its own from a peer."""

    measure: Callable
    keeps_server: bool = True


def load(bench, server, case):
    """Drives a server and charges what it spent to the requests that were answered."""
    account.forget_peak(server.pids())
    before = server.cpu_ns()
    wanted = replace(case.load, least=server.compressed * 8 // 10)
    sample = bench.generators.drive(wanted, server.place.port, bench.seconds)
    spent = server.cpu_ns() - before
    body = {} if wanted.length else {"body_kib": server.compressed / 1024}
    return body | {
        "cpu_us": spent / 1000 / sample.requests,
        "rps": sample.requests / sample.seconds,
        "p50_ms": sample.p50_us / 1000,
        "p99_ms": sample.p99_us / 1000,
        "peak_mib": account.peak_kib(server.pids()) / 1024,
        "busy": spent / 1e9 / sample.seconds,
    }


def handshakes(bench, server, case):
    """New connections with one small request each; the client is slow, so it tells no rate."""
    port = str(server.place.port)
    how = "resumed" if case.variant == "resumed" else "full"
    if case.protocol == "h3":
        argv = [bench.generators.h3load, f"127.0.0.1:{port}", "localhost", "/1k", "--length", "1024"]
        argv += ["-n", str(HANDSHAKES), "--fresh", *(["--resume"] if how == "resumed" else [])]
    else:
        argv = [sys.executable, CLIENTS, "handshakes", port, str(HANDSHAKES), how]
    account.forget_peak(server.pids())
    before = server.cpu_ns()
    out, _ = process.run(argv, bench.load_cores, 120)
    spent = server.cpu_ns() - before
    found = dict(re.findall(r"(\w+)=([\d.]+)", out))
    if int(found.get("ok", 0)) != HANDSHAKES:
        raise Failed(f"{found.get('ok')} of {HANDSHAKES} connections: {out}")
    # The first connection of h3load has no session to resume yet.
    if case.protocol == "h3" and how == "resumed" and int(found["resumed"]) < HANDSHAKES - 1:
        raise Failed(f"only {found['resumed']} of {HANDSHAKES} connections were resumed")
    return {
        "cpu_us": spent / 1000 / HANDSHAKES,
        "p50_ms": float(found["p50us"]) / 1000,
        "p99_ms": float(found["p99us"]) / 1000,
        "peak_mib": account.peak_kib(server.pids()) / 1024,
    }


def idle(bench, peer, case):
    """What a new process has in memory, and what each connection adds that has had a request."""
    server = bench.server(peer, case.setup)
    try:
        server.wait_for_200()
        time.sleep(SETTLE_SECONDS)
        fresh = account.resident_kib(server.pids())
        with process.Held(_holder(bench, server, case), bench.load_cores):
            time.sleep(SETTLE_SECONDS)
            held = account.resident_kib(server.pids())
        return {"fresh_mib": fresh / 1024, "kib_each": (held - fresh) / case.count}
    finally:
        server.stop()


def _holder(bench, server, case):
    port, count = str(server.place.port), str(case.count)
    if case.protocol == "h3":
        argv = [bench.generators.h3load, f"127.0.0.1:{port}", "localhost", "/1k"]
        return [*argv, "-c", count, "--length", "1024", "--hold", "300"]
    return [sys.executable, CLIENTS, "idle", port, count, case.protocol]


def start(bench, peer, case):
    """From the start of the process to the first 200 over TLS."""
    server = bench.server(peer, case.setup)
    try:
        seconds = server.wait_for_200()
        time.sleep(SETTLE_SECONDS)
        fresh = account.resident_kib(server.pids())
        return {"start_ms": seconds * 1000, "fresh_mib": fresh / 1024}
    finally:
        server.stop()


def decoded(fields, body, wanted):
    """The body as the origin has it; gzip must have been used if and only if the case asks."""
    coding = fields.get("content-encoding", "identity")
    if coding != ("identity" if wanted.length is not None else "gzip"):
        raise Failed(f"content-encoding of {wanted.path} is {coding}")
    return gzip.decompress(body) if coding == "gzip" else body


KINDS = {
    "load": Kind(load),
    "handshakes": Kind(handshakes),
    "idle": Kind(idle, keeps_server=False),
    "start": Kind(start, keeps_server=False),
}
