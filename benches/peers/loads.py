"""The load generators: what they are told, and what they must report for a run to count.

wrk speaks HTTP/1.1, h2load HTTP/2, and h3load, in benches/h3load, HTTP/3. A failed request, a
status other than 200 or bodies of the wrong length end the run.
"""

import os
import re
import shutil
from dataclasses import dataclass

import process
from process import Failed

WRK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wrk.lua")


@dataclass(frozen=True)
class Load:
    """What is asked for. With `count`, that many requests; without, as many as fit the time."""

    protocol: str
    path: str
    length: int | None  # of the response's body; None: compressed, so each server has its own
    connections: int
    streams: int = 1
    count: int = 0
    upload: str = ""
    fields: tuple = ()
    host: str = "localhost"
    least: int = 1  # of a body whose length is not known

    @property
    def in_flight(self):
        return self.connections * self.streams


@dataclass
class Sample:
    """What one run of a load generator saw."""

    requests: int
    seconds: float
    p50_us: float
    p99_us: float


class Generators:
    """Runs load generators on `cores`, with `home` for their scratch files."""

    def __init__(self, cores, home, h3load):
        self.cores, self.home, self.h3load = cores, home, h3load

    def drive(self, load, port, seconds):
        run = {"h1": self._h1, "h2": self._h2load, "h3": self._h3load}[load.protocol]
        sample = run(load, port, seconds)
        if sample.requests < max(load.count, 1):
            raise Failed(f"{sample.requests} requests were answered")
        return sample

    def need(self, protocols):
        """Fails early when a load generator is missing."""
        for protocol, program in (("h1", "wrk"), ("h2", "h2load"), ("h3", self.h3load)):
            if protocol in protocols and shutil.which(program) is None:
                raise Failed(f"{program} is not there; `make bench` installs and builds it")

    def _h1(self, load, port, seconds):
        # wrk cannot send a number of requests, h2load can, but tells no latency while it lasts.
        return (self._h2load if load.count else self._wrk)(load, port, seconds)

    def _wrk(self, load, port, seconds):
        argv = ["wrk", "-t1", f"-c{load.connections}", f"-d{max(1, round(seconds))}s", "--timeout=30s"]
        argv += [part for field in load.fields for part in ("-H", field)]
        argv += ["-s", WRK, f"https://{load.host}:{port}{load.path}"]
        environment = {"BENCH_UPLOAD": load.upload}
        out, _ = process.run(argv, self.cores, seconds + 60, environment)
        found = dict(re.findall(r"(\w+)=([\d.]+)", out.rpartition("BENCH ")[2]))
        if "requests" not in found:
            raise Failed(f"wrk: no result in {out!r}")
        wrong = {kind: n for kind, n in found.items() if kind.endswith("_errors") and n != "0"}
        if wrong or int(found["requests"]) == 0:
            raise Failed(f"wrk over {load.path}: {found}")
        requests, received = int(found["requests"]), int(found["bytes"])
        self._lengths(load, requests, received, head=2048)
        return Sample(
            requests, int(found["us"]) / 1e6, float(found["p50_us"]), float(found["p99_us"])
        )

    def _h2load(self, load, port, seconds):
        rows = os.path.join(self.home, "h2load.log")
        if os.path.exists(rows):
            os.unlink(rows)
        argv = ["h2load", "-t1", f"-c{load.connections}", f"-m{load.streams}", f"--log-file={rows}"]
        argv += [f"-n{load.count}"] if load.count else ["-D", str(max(1, round(seconds)))]
        argv += ["--h1"] if load.protocol == "h1" else []
        argv += ["-d", load.upload] if load.upload else []
        argv += [part for field in load.fields for part in ("-H", field)]
        argv += [f"--connect-to=127.0.0.1:{port}", f"https://{load.host}:{port}{load.path}"]
        out, _ = process.run(argv, self.cores, seconds + 120)
        return self._h2load_result(load, out, rows)

    def _h2load_result(self, load, out, rows):
        counts = dict((kind, int(n)) for n, kind in re.findall(
            r"(\d+) (done|succeeded|failed|errored|timeout)", out))
        data = re.search(r"\((\d+)\) data", out)
        spent = re.search(r"finished in ([\d.]+)(us|ms|s)", out)
        if not counts or not data or not spent:
            raise Failed(f"h2load: no result in {out!r}")
        if counts["succeeded"] != counts["done"] or any(
            counts[kind] for kind in ("failed", "errored", "timeout")
        ):
            raise Failed(f"h2load over {load.path}: {out}")
        with open(rows) as file:
            table = [line.split() for line in file]
        os.unlink(rows)
        others = {row[1] for row in table} - {"200"}
        if others:
            raise Failed(f"h2load over {load.path}: statuses {others}")
        self._lengths(load, counts["done"], int(data[1]), head=0)
        times = sorted(int(row[2]) for row in table)
        scale = {"us": 1e-6, "ms": 1e-3, "s": 1}[spent[2]]
        return Sample(
            counts["done"], float(spent[1]) * scale, quantile(times, 0.5), quantile(times, 0.99)
        )

    def _h3load(self, load, port, seconds):
        argv = [self.h3load, f"127.0.0.1:{port}", load.host, load.path]
        argv += ["-c", str(load.connections), "-m", str(load.streams)]
        argv += ["-n", str(load.count)] if load.count else ["-d", str(seconds)]
        argv += ["--upload", load.upload] if load.upload else []
        argv += ["--length", str(load.length)] if load.length is not None else []
        argv += [part for field in load.fields for part in ("--field", field)]
        out, err = process.run(argv, self.cores, seconds + 120)
        found = dict(re.findall(r"(\w+)=([\d.]+)", out))
        if "ok" not in found or any(int(found.get(kind, 0)) for kind in ("bad", "non200")):
            raise Failed(f"h3load over {load.path}: {out}{err}")
        requests, received = int(found["ok"]), int(found["bytes"])
        self._lengths(load, requests, received, head=0)
        latencies = float(found["p50us"]), float(found["p99us"])
        return Sample(requests, float(found["secs"]), *latencies)

    @staticmethod
    def _lengths(load, requests, received, head):
        """Whole bodies were received, and no more than what was still under way at the end."""
        if load.length is None:
            # Compressed pieces differ a little with how the page came in.
            if received < requests * load.least:
                raise Failed(f"{requests} responses over {load.path} brought {received} bytes")
            return
        least = requests * load.length
        most = requests * (load.length + head) + load.in_flight * (load.length + head)
        if not least <= received <= most:
            raise Failed(
                f"{requests} responses of {load.length} bytes over {load.path} brought {received} bytes"
            )


def quantile(ordered, part):
    """The value below which `part` of an ordered list lies."""
    if not ordered:
        raise Failed("no latencies")
    return float(ordered[min(len(ordered) - 1, int(len(ordered) * part))])
