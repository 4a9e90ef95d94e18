"""The cases: a name, what it measures, the setup that it asks for, and the load."""

from dataclasses import dataclass

from loads import Load
from origin import SIZES
from setup import Setup

PROTOCOLS = ("h1", "h2", "h3")
LABEL = {"h1": "HTTP/1.1", "h2": "HTTP/2", "h3": "HTTP/3"}


@dataclass(frozen=True)
class Case:
    """`kind` names the measurement in `measure`; `load` is what `kind` "load" drives."""

    name: str
    title: str
    protocol: str
    kind: str = "load"
    setup: Setup = Setup()
    load: Load | None = None


def _loads(protocol):
    """The plain proxy over one protocol. Requests in flight: 64 over HTTP/1.1, else 256 (1 KiB)."""
    multiplexed = protocol != "h1"
    label = LABEL[protocol]
    small = (16, 16) if multiplexed else (64, 1)
    large = (8, 4) if multiplexed else (32, 1)
    return [
        _case(protocol, "1k", f"{label}, 1 KiB", "/1k", SIZES["1k"], *small),
        _case(protocol, "100k", f"{label}, 100 KiB", "/100k", SIZES["100k"], *large),
    ]


def _case(protocol, name, title, path, length, connections, streams, setup=Setup(), **more):
    load = Load(protocol, path, length, connections, streams, **more)
    return Case(f"{protocol}-{name}", title, protocol, setup=setup, load=load)


def table():
    """Every case by name, in the order in which `make bench` takes them."""
    cases = [case for protocol in PROTOCOLS for case in _loads(protocol)]
    return {case.name: case for case in cases}
