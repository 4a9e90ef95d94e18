"""The kinds of measurement: each takes one server for one case and gives {metric: value}."""

import gzip
from dataclasses import dataclass
from typing import Callable

import account
from process import Failed


@dataclass(frozen=True)
class Kind:
    """`keeps_server`: all rounds go to one process; otherwise each starts its own from a peer."""

    measure: Callable
    keeps_server: bool = True


def load(bench, server, case):
    """Drives a server and charges what it spent to the requests that were answered."""
    account.forget_peak(server.pids())
    before = server.cpu_ns()
    sample = bench.generators.drive(case.load, server.place.port, bench.seconds)
    spent = server.cpu_ns() - before
    return {
        "cpu_us": spent / 1000 / sample.requests,
        "rps": sample.requests / sample.seconds,
        "p50_ms": sample.p50_us / 1000,
        "p99_ms": sample.p99_us / 1000,
        "peak_mib": account.peak_kib(server.pids()) / 1024,
        "busy": spent / 1e9 / sample.seconds,
    }


def decoded(fields, body, wanted):
    """The body as the origin has it; gzip must have been used if and only if the case asks."""
    coding = fields.get("content-encoding", "identity")
    if coding != ("identity" if wanted.length is not None else "gzip"):
        raise Failed(f"content-encoding of {wanted.path} is {coding}")
    return gzip.decompress(body) if coding == "gzip" else body


KINDS = {"load": Kind(load)}
