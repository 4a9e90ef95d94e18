"""The roads that are measured, and what is loaded over them."""

from dataclasses import asdict, dataclass

KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class Cell:
    """A road: ms, Mbit/s, percent, bytes. `queue` is 0 for one bandwidth-delay product."""

    rtt: float
    rate: float
    loss: float = 0.0
    queue: int = 0
    burst: float = 1.0
    jitter: float = 0.0
    reorder: float = 0.0
    mtu: int = 1500
    move_after: int | None = None
    udp_dies_after: int | None = None

    @property
    def product(self):
        """Bytes that are on the way when the link is full."""
        return int(self.rate * 1e6 / 8 * self.rtt / 1e3)

    def arguments(self, seed):
        """Those of roadlink."""
        values = asdict(self) | {"queue": self.queue or self.product, "seed": seed}
        pairs = [(name, value) for name, value in values.items() if value is not None]
        return [word for name, value in pairs for word in (f"--{name.replace('_', '-')}", str(value))]


@dataclass(frozen=True)
class Load:
    """What is done over a road, in one run. `kind` says who does it and what is noted."""

    title: str
    kind: str = "fetch"
    path: str = ""
    length: int = 0
    resumed: bool = False
    upload: int = 0
    # Asks over HTTP/3 and is served over TCP, where UDP does not pass.
    fallback: bool = False
    users: int = 1
    seconds: float = 120.0


def cells():
    """Every cell by name: RTT, rate, loss, and what else is special."""
    table = {}
    for rtt in (16, 50, 150):
        for rate in (20, 100):
            for loss in (0, 0.5, 2):
                table[f"{rtt}ms-{rate}m-{loss}"] = Cell(rtt, rate, loss)
    return table | {
        "50ms-20m-1": Cell(50, 20, 1),
        "50ms-100m-0.2": Cell(50, 100, 0.2),
        "50ms-20m-2-burst": Cell(50, 20, 2, burst=8),
        "50ms-20m-0-30k": Cell(50, 20, queue=30 * KIB),
        "50ms-20m-0-2m": Cell(50, 20, queue=2 * MIB),
        "50ms-20m-0-4bdp": Cell(50, 20, queue=4 * Cell(50, 20).product),
        "16ms-1000m-0": Cell(16, 1000),
        "50ms-20m-0-jitter": Cell(50, 20, jitter=10),
        "50ms-20m-0-reorder": Cell(50, 20, reorder=1),
        "50ms-20m-0-mtu": Cell(50, 20, mtu=1400),
        "50ms-20m-0-move": Cell(50, 20, move_after=256 * KIB),
        "50ms-20m-0-dead": Cell(50, 20, udp_dies_after=0),
    }


def loads():
    sizes = {"10k": 10 * KIB, "100k": 100 * KIB, "1m": MIB, "10m": 10 * MIB}
    names = {"10k": "10 KiB", "100k": "100 KiB", "1m": "1 MiB", "10m": "10 MiB"}
    table = {
        name: Load(f"{names[name]}, new connection", path=f"/{name}", length=length)
        for name, length in sizes.items()
    }
    for name, length in sizes.items():
        title = f"{names[name]}, resumed connection"
        table[f"{name}-resumed"] = Load(title, path=f"/{name}", length=length, resumed=True)
    table["fallback"] = Load("1 MiB, HTTP/3 asked for", path="/1m", length=MIB, fallback=True)
    table["up"] = Load("upload of 10 MiB", path="/up", upload=10 * MIB)
    table["users"] = Load(
        "20 users, 100 KiB each", kind="users", path="/100k", length=100 * KIB, users=20
    )
    table["page"] = Load("page of 42 files in Chromium", kind="page", path="/page/")
    table["late"] = Load("script behind 60 images in Chromium", kind="late", path="/late/")
    table["fair"] = Load(
        "60 s beside one cubic TCP flow", kind="fair", path="/1g", length=1 << 30, seconds=60.0
    )
    table["ping"] = Load(
        "ping beside a download of 20 s", kind="ping", path="/1g", length=1 << 30, seconds=20.0
    )
    table["rate"] = Load("100 MiB, rate", kind="rate", path="/100m", length=100 * MIB)
    return table
