"""The cases: a name, what it measures, the setup that it asks for, and the load."""

from dataclasses import dataclass, replace

from loads import Load
from origin import SIZES
from setup import Setup, hosts

LABEL = {"h1": "HTTP/1.1", "h2": "HTTP/2", "h3": "HTTP/3"}
# Connections and streams on each. Requests in flight: 64 over HTTP/1.1 and 256 otherwise for what
# is small, 32 for what is large.
SMALL = {"h1": (64, 1), "h2": (16, 16), "h3": (16, 16)}
LARGE = {"h1": (32, 1), "h2": (8, 4), "h3": (8, 4)}
ANSWER = 7  # bytes of the origin's answer to an upload: its length, six digits and a newline
MANY = 10_000


@dataclass(frozen=True)
class Case:
    """`kind` names the measurement in `measure`; `load` is what `kind` "load" drives."""

    name: str
    title: str
    protocol: str
    kind: str = "load"
    setup: Setup = Setup()
    load: Load | None = None
    variant: str = ""
    count: int = 0
    most_rounds: int = 1000


def table(upload):
    """Every case by name, in the order in which `make bench` takes them."""
    cases = []
    for protocol, label in LABEL.items():
        cases += _proxied(protocol, label, upload)
        cases += _dressed(protocol, label)
        cases += _connections(protocol, label)
    cases += _growth()
    return {case.name: case for case in cases}


def _proxied(protocol, label, upload):
    """The plain reverse proxy."""
    small = Load(protocol, "/1k", SIZES["1k"], *SMALL[protocol])
    large = Load(protocol, "/100k", SIZES["100k"], *LARGE[protocol])
    huge = Load(protocol, "/256m", SIZES["256m"], 1, 1, count=3)
    up = Load(protocol, "/up", ANSWER, *LARGE[protocol], upload=upload)
    one = replace(small, connections=1, streams=1)
    return [
        Case(f"{protocol}-1k", f"{label}, 1 KiB", protocol, load=small),
        Case(f"{protocol}-100k", f"{label}, 100 KiB", protocol, load=large),
        Case(f"{protocol}-256m", f"{label}, 256 MiB, one at a time", protocol, load=huge),
        Case(f"{protocol}-up", f"{label}, 100 KiB uploaded", protocol, load=up),
        Case(f"{protocol}-one", f"{label}, 1 KiB, one request in flight", protocol, load=one),
    ]


def _dressed(protocol, label):
    """More than a bare proxy, or no proxy at all."""
    small = Load(protocol, "/1k", SIZES["1k"], *SMALL[protocol])
    large = Load(protocol, "/100k", SIZES["100k"], *LARGE[protocol])
    text = replace(large, path="/page.html", length=None, count=320, fields=("Accept-Encoding: gzip",))
    static, gzip, logged = Setup(static=True), Setup(gzip=True), Setup(log_and_header=True)
    files, page = f"{label}, file of", f"{label}, page of 100 KiB compressed by gzip"
    return [
        Case(f"{protocol}-static-1k", f"{files} 1 KiB", protocol, setup=static, load=small),
        Case(f"{protocol}-static-100k", f"{files} 100 KiB", protocol, setup=static, load=large),
        Case(f"{protocol}-gzip", page, protocol, setup=gzip, load=text),
        Case(f"{protocol}-log", f"{label}, 1 KiB, access log and a header field", protocol,
             setup=logged, load=small),
    ]


def _connections(protocol, label):
    """New connections, and idle ones. HTTP/2 has the handshakes of HTTP/1.1."""
    shakes = [
        Case(f"{protocol}-{how}", f"{label}, new connection with one request, {how} handshake",
             protocol, "handshakes", variant=how)
        for how in ("full", "resumed")
        if protocol != "h2"
    ]
    idle = [
        Case(f"{protocol}-idle-{name}", f"{label}, {count:,} idle connections", protocol, "idle",
             count=count, most_rounds=rounds)
        for name, count, rounds in (("1k", 1000, 3), ("10k", MANY, 1))
    ]
    return shakes + idle


def _growth():
    """What changes as a server has more of something."""
    cases = []
    for protocol, label in LABEL.items():
        small = Load(protocol, "/1k", SIZES["1k"], *SMALL[protocol])
        cases.append(Case(f"{protocol}-1k-2w", f"{label}, 1 KiB, two workers on both cores",
                          protocol, setup=Setup(workers=2), load=small))
    small = Load("h2", "/1k", SIZES["1k"], *SMALL["h2"])
    for sites in (1, 1000, MANY):
        setup = Setup(sites=sites)
        last = replace(small, host=hosts(setup)[-1])
        name, title = f"sites-{sites}", f"{sites:,} sites" if sites > 1 else "one site"
        cases.append(Case(name, f"{title}: HTTP/2, 1 KiB from the last", "h2", setup=setup, load=last))
        cases.append(Case(f"start-{name}", f"{title}: start to the first 200", "h1", "start",
                          setup=setup, most_rounds=3 if sites == MANY else 1000))
    for directives in (1, 50):
        name = f"directives-{directives}"
        title = f"{directives} directive{'s' * (directives > 1)} on the site: HTTP/2, 1 KiB"
        cases.append(Case(name, title, "h2", setup=Setup(directives=directives), load=small))
    return cases
