"""One run of one load against one target over one road, and what is noted of it."""

import json
import os
import select
import statistics
import subprocess

from account import cpu_ns
from process import Failed
from roads import BESIDE, SERVER
from site_files import FILES
from targets import HOST, targets

HERE = os.path.dirname(os.path.abspath(__file__))
# What a run notes, by kind of load, before what the link counted.
FIGURES = {
    "fetch": ("ms", "first", "tls"),
    "users": ("ms", "slowest"),
    "page": ("load", "first", "paint"),
    "late": ("drawn", "load", "paint"),
    "fair": ("mbit", "beside"),
    "ping": ("mbit", "added", "added_p95"),
    "rate": ("mbit", "ms", "cpu_ms"),
}
# What a session begins with that another connection resumes.
FIRST_PATH = "/10k"
BESIDE_TARGET = "nginx-h2-cubic"
# Older results lack the last one.
COUNTED = ("sent", "again", "lost", "late", "up_sent", "unreachable")
# How long a road stays after its run, in round trips and in seconds: the least, and after a transfer
# that the client has broken off.
DRAIN_RTTS, DRAIN, BROKEN_OFF = 3, 0.1, 1.5


class Refused(Exception):
    """A run that did not come to its end, or brought something else than was asked for."""


class Client:
    """A client process on a road that answers lines of JSON."""

    def __init__(self, road, argv):
        pipe = subprocess.PIPE
        self.name = argv[1]
        # A client goes with the bench, whatever it waits for.
        mortal = ("setpriv", "--pdeathsig", "TERM")
        self.process = subprocess.Popen(
            road.clients.command(*road.priority("clients"), *mortal, *argv),
            stdin=pipe, stdout=pipe, text=True, cwd=HERE,
        )

    def ask(self, work, patience):
        self.process.stdin.write(json.dumps(work) + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], patience)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            raise Refused(f"{self.name} does not answer")
        return json.loads(line)

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Bench:
    """A road with its servers and clients."""

    def __init__(self, road, servers, python, sums, pin):
        self.road, self.servers, self.python = road, servers, python
        self.sums, self.pin = sums, pin
        self.clients = {}

    def run(self, cell, load, target, seed):
        """The figures of one run, in the order of `FIGURES`, and those of `COUNTED`."""
        self.road.use_controller(target.tcp)
        client = self._client(load, target)
        work = self._work(load, target)
        patience = load.seconds + 30
        before = self._cpu(target)
        drain = max(DRAIN_RTTS * cell.rtt / 1e3, BROKEN_OFF if load.kind in ("fair", "ping") else DRAIN)
        try:
            with self.road.link(cell.arguments(seed), drain) as counts:
                found = client.ask(work, patience)
        except Refused:
            self._drop(client)
            raise
        if "problem" in found:
            raise Refused(found["problem"])
        figures = getattr(self, f"_{load.kind}")(found, cell, load, target)
        if load.kind == "rate":
            figures.append(round((self._cpu(target) - before) / 1e6, 1))
        return figures, counted(counts)

    def _client(self, load, target):
        is_page = load.path in FILES
        name = f"page-{target.protocol}" if is_page else "fetch"
        if name not in self.clients:
            if is_page:
                quic = target.protocol == "h3"
                ports = [str(port) for port in self.servers.ports.values()] if quic else []
                argv = ["python3", "browser.py", HOST, SERVER, self.pin, *ports]
            else:
                argv = [self.python, "fetch.py"]
            self.clients[name] = Client(self.road, argv)
            if is_page:
                # Chromium's first page takes longer than those after it.
                with self.road.link(["--rtt", "1"], DRAIN):
                    self.clients[name].ask(self._work(load, target), load.seconds)
        return self.clients[name]

    def _drop(self, client):
        """A client that hangs gives way to a new one."""
        self.clients = {name: one for name, one in self.clients.items() if one is not client}
        client.process.terminate()
        client.stop()

    def _work(self, load, target):
        port = self.servers.ports[target.server]
        if load.path in FILES:
            return {"url": f"https://{HOST}:{port}{load.path}"}
        user = {
            "host": HOST, "server": SERVER, "port": port, "h3": target.protocol == "h3",
            "path": load.path, "timeout": load.seconds, "resumed": load.resumed,
            "upload": load.upload, "first_path": FIRST_PATH,
            "fallback": load.fallback,
        }
        users = [user] * load.users
        if load.kind == "fair":
            beside = self.servers.ports[targets([])[BESIDE_TARGET].server]
            users.append(user | {"port": beside, "h3": False, "from": BESIDE})
        return {"users": users} | ({"ping": SERVER} if load.kind == "ping" else {})

    def _cpu(self, target):
        return cpu_ns(self.servers.children[target.server].pids())

    def _fetch(self, found, cell, load, target):
        users = found["users"]
        for user in users:
            crc = None if load.upload else self.sums[load.path]
            check(user, "h2" if load.fallback else target.protocol, crc)
        return [users[0][name] for name in FIGURES["fetch"]]

    def _users(self, found, cell, load, target):
        self._fetch(found, cell, load, target)
        times = sorted(user["ms"] for user in found["users"])
        return [statistics.median(times), times[-1]]

    def _late(self, found, cell, load, target):
        return self._page(found, cell, load, target)

    def _page(self, found, cell, load, target):
        if found["protocol"] != target.protocol or found["protocols"] != [target.protocol]:
            raise Refused(f"the page came over {found['protocol']} and {found['protocols']}")
        if found["failed"] or found["length"] != FILES[load.path]:
            raise Refused(f"{found['length']} files, {found['failed']} of them failed")
        return [round(found[name], 1) if found[name] else None for name in FIGURES[load.kind]]

    def _fair(self, found, cell, load, target):
        return endless(found["users"], load.seconds)

    def _ping(self, found, cell, load, target):
        times = sorted(found["ping"])
        if not times:
            raise Refused("no ping came back")
        late = [round(times[int(len(times) * share)] - cell.rtt, 1) for share in (0.5, 0.95)]
        return [*endless(found["users"], load.seconds), *late]

    def _rate(self, found, cell, load, target):
        user = found["users"][0]
        check(user, target.protocol, self.sums[load.path])
        return [mbit(user["length"], user["ms"] / 1e3), user["ms"]]

    def close(self):
        for client in self.clients.values():
            client.stop()
        self.servers.stop()
        self.road.close()


def endless(users, seconds):
    """The rates of transfers that ran until their time was up."""
    for user in users:
        if user["status"] != 200:
            raise Refused(f"status {user['status']}: {user.get('problem')}")
    return [mbit(user["length"], seconds) for user in users]


def check(user, protocol, crc):
    """A run counts only if all came, right, over the protocol that was asked for."""
    if "problem" in user:
        raise Refused(user["problem"])
    if user["status"] != 200 or user["protocol"] != protocol:
        raise Refused(f"status {user['status']} over {user['protocol']}")
    if crc is not None and user["crc"] != crc:
        raise Refused(f"{user['length']} bytes came, and they are wrong")


def mbit(length, seconds):
    return round(length * 8 / seconds / 1e6, 2)


def counted(counts):
    """`again` are those towards the client that found the queue full: each was sent again.
    `unreachable` are those to an address that the client has left, and those of UDP that died."""
    up, down = counts["up"], counts["down"]
    late, unreachable = (up[name] + down[name] for name in ("late", "unreachable"))
    return [down["sent"], down["queue_full"], down["lost"], late, up["sent"], unreachable]
