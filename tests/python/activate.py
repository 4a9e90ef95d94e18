"""Passes listening sockets to a program as systemd does, and starts it again when it ends.

activate.py tcp:ADDRESS:PORT udp:ADDRESS:PORT ... -- PROGRAM ARGUMENTS
With after:FILE before them, the first start waits for the file.
The program's PID is written to the file `pid`, after each start. TERM ends both.
"""
import os
import signal
import socket
import sys
import time


def listening(spec):
    kind, rest = spec.split(":", 1)
    address, port = rest.rsplit(":", 1)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    passed = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        passed.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    passed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if kind == "udp":
        passed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    passed.bind((address.strip("[]"), int(port)))
    if kind == "tcp":
        passed.listen(1024)
    return passed


def start(sockets, command):
    pid = os.fork()
    if pid == 0:
        # Before the program can say anything.
        with open("pid.new", "w", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
        os.rename("pid.new", "pid")
        # Out of the way first: the numbers wanted may be taken by sockets that come later.
        high = [os.dup(each.fileno()) for each in sockets]
        high = [os.dup2(fd, 100 + at) for at, fd in enumerate(high)]
        for at, fd in enumerate(high):
            os.dup2(fd, 3 + at, inheritable=True)
        os.closerange(3 + len(high), 256)
        os.environ["LISTEN_FDS"], os.environ["LISTEN_PID"] = str(len(high)), str(os.getpid())
        os.execvp(command[0], command)
    return pid


def main():
    split = sys.argv.index("--")
    specs = sys.argv[1:split]
    after = specs.pop(0).removeprefix("after:") if specs[0].startswith("after:") else None
    sockets = [listening(spec) for spec in specs]
    while after and not os.path.exists(after):
        time.sleep(0.01)
    running = None

    def end(*_):
        os.kill(running, signal.SIGKILL)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    while True:
        running = start(sockets, sys.argv[split + 1:])
        os.waitpid(running, 0)


main()
