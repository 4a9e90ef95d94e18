"""What a case asks of a server, in words that every peer's configuration can be written from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Setup:
    """How the server is set up; the default is a bare reverse proxy with one worker."""

    workers: int = 1
    static: bool = False
    gzip: bool = False
    log_and_header: bool = False
    sites: int = 1
    directives: int = 1


@dataclass(frozen=True)
class Place:
    """Where one server lives: its files, its ports, its certificate, and the origin."""

    home: str
    www: str
    port: int
    spare_port: int
    origin_port: int
    cert: str
    key: str
    both: str
    address: str = "127.0.0.1"


def hosts(setup):
    """The names of the sites; the first is the one that is usually asked for."""
    return ["localhost", *(f"s{n:05}.bench.test" for n in range(1, setup.sites))]
