"""A road: two network namespaces, a TUN device in each, and `roadlink` between them.

The namespaces have no names and belong to this process: whatever ends it, they vanish with it.
"""

import ctypes
import fcntl
import json
import os
import signal
import struct
import subprocess
import time
from contextlib import contextmanager

from process import Failed

CLIENT, BESIDE, SERVER = "10.99.0.1", "10.99.0.4", "10.99.0.2"
NETWORK = "10.99.0.0/24"
DEVICE = "road"
# Whoever stands for another machine than the client's does not wait for what the client calculates.
_REALTIME = {"clients": 1, "servers": 2, "link": 3}

_CLONE_NEWNET, _TUNSETIFF, _IFF_TUN_NO_PI = 0x40000000, 0x400454CA, 0x1001
_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A network namespace with an address of its own on `lo` and one TUN device."""

    def __init__(self, addresses):
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _call(_libc.unshare(_CLONE_NEWNET), "namespaces are refused")
            self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            self.tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self.tun, _TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), _IFF_TUN_NO_PI))
        finally:
            _call(_libc.setns(home, _CLONE_NEWNET), "no way back from a namespace")
            os.close(home)
        self.sysctl("net.ipv6.conf.all.disable_ipv6=1", "net.ipv4.tcp_no_metrics_save=1")
        lines = ["link set lo up", *(f"address add {address}/32 dev lo" for address in addresses)]
        self.ip(*lines, f"link set {DEVICE} mtu 1500 txqueuelen 10000 up")

    def command(self, *argv):
        """A command line that runs within."""
        return ["nsenter", f"--net=/proc/{os.getpid()}/fd/{self.fd}", "--", *argv]

    def run(self, *argv, text=""):
        done = subprocess.run(
            self.command(*argv), input=text, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise Failed(f"{' '.join(argv)}: {done.stderr.strip()}\n{text}")
        return done.stdout

    def ip(self, *lines):
        self.run("ip", "-batch", "-", text="\n".join([*lines, ""]))

    def sysctl(self, *settings):
        self.run("sysctl", "-q", *settings)

    def close(self):
        os.close(self.tun)
        os.close(self.fd)


class Road:
    """The two ends. Clients run in `clients`, servers in `servers`, at the addresses above."""

    def __init__(self, link, realtime=False):
        if os.geteuid() != 0:
            raise Failed("root is needed: the road is made of network namespaces")
        if not os.access(link, os.X_OK):
            raise Failed(f"{link} is not there; benches/road/setup.sh builds it")
        self.link_program = link
        self.realtime = realtime
        self.clients = Namespace([CLIENT, BESIDE])
        self.servers = Namespace([SERVER])
        self.clients.ip(f"route add {SERVER}/32 dev {DEVICE} src {CLIENT}")
        self.use_controller("cubic")
        self.servers.ip(
            # A flow to this client is always cubic, whatever the others have.
            f"route add {BESIDE}/32 dev {DEVICE} src {SERVER} congctl cubic",
        )

    def use_controller(self, name):
        """The congestion controller of connections that are accepted from now on."""
        # The kernel keeps the setting of a namespace from choosing cubic where bbr is the default.
        self.servers.ip(f"route replace {NETWORK} dev {DEVICE} src {SERVER} congctl {name}")

    def priority(self, part):
        """Put before a command line; see the option --realtime."""
        return ("chrt", "--rr", str(_REALTIME[part])) if self.realtime else ()

    @contextmanager
    def link(self, arguments, drain):
        """Packets pass while the block runs and for `drain` seconds; what was counted is in the
        dictionary that it gets, afterwards."""
        for end in (self.clients, self.servers):
            end.ip("route flush cache", "tcp_metrics flush all")
        process = subprocess.Popen(
            [*self.priority("link"), self.link_program, *arguments],
            stdin=self.clients.tun,
            stdout=self.servers.tun,
            stderr=subprocess.PIPE,
            text=True,
        )
        counts = {}
        try:
            if process.stderr.readline() != "up\n":
                raise Failed(f"{self.link_program} does not start: {' '.join(arguments)}")
            yield counts
            # Lets the connections say goodbye, so that nothing of them is left for the next run.
            time.sleep(drain)
        finally:
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate()
        if process.returncode != 0:
            raise Failed(f"{self.link_program}: {said.strip()}")
        counts.update(json.loads(said))

    def close(self):
        self.clients.close()
        self.servers.close()


def _call(result, problem):
    if result != 0:
        raise Failed(f"{problem}: {os.strerror(ctypes.get_errno())}")
