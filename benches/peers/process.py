"""Child processes: pinned to cores, in sessions of their own, and always stopped by pid.

Every child leads a session, so that whatever it forks is found by the session's id and Ctrl-C
reaches the bench alone, which then stops everything in order. Should the bench itself be killed,
the kernel sends each child TERM.
"""

import ctypes
import os
import resource
import select
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_running = []


class Failed(Exception):
    """What stops a run: a failed request, a wrong length, a server that does not start."""


class Child:
    def __init__(self, name, argv, cores, directory, env=None):
        self.name = name
        self.log = os.path.join(directory, f"{name}.log")
        parent = os.getpid()

        def prepare():
            os.setsid()
            os.sched_setaffinity(0, cores)
            raise_open_files()
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=directory,
                env={**os.environ, **(env or {})},
                preexec_fn=prepare,
            )
        _running.append(self)

    def pids(self):
        """The processes of this child's session, itself included."""
        return session(self.process.pid)

    def alive(self):
        return self.process.poll() is None

    def tail(self):
        with open(self.log, errors="replace") as log:
            return log.read()[-2000:]

    def stop(self, patience=5.0):
        """TERM, and KILL to what is left of the session after `patience` seconds."""
        pids = self.pids()
        if self.alive():
            self.process.terminate()
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if not self.alive() and not self.pids():
                break
            time.sleep(0.01)
        for pid in set(pids + self.pids()) & set(self.pids()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        if self in _running:
            _running.remove(self)


def raise_open_files(wanted=65536):
    """As many open files as are wanted, or as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for soft, limit in ((wanted, max(wanted, hard)), (hard, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, limit))
            return soft
        except (ValueError, OSError):
            continue
    return hard


def stop_all():
    for child in list(_running):
        child.stop(patience=2.0)


def session(leader):
    """The processes in the session that `leader` opened."""
    pids = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            pids.append(int(entry))
    return pids


def run(argv, cores, timeout, env=None):
    """Runs a load generator to its end; (standard output, standard error)."""

    def prepare():
        os.sched_setaffinity(0, cores)
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
        preexec_fn=prepare,
        text=True,
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failed(f"{argv[0]} did not end within {timeout} s") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise Failed(f"{' '.join(argv)}: exit code {process.returncode}\n{out[-1000:]}{err[-1000:]}")
    return out, err


class Held:
    """A client that prints READY and holds its connections while the `with` block runs."""

    def __init__(self, argv, cores, patience=150.0):
        def prepare():
            os.sched_setaffinity(0, cores)
            raise_open_files()
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

        pipe = subprocess.PIPE
        self.patience = patience
        self.process = subprocess.Popen(
            argv, stdin=pipe, stdout=pipe, stderr=pipe, preexec_fn=prepare, text=True
        )

    def __enter__(self):
        ready, _, _ = select.select([self.process.stdout], [], [], self.patience)
        if not ready or self.process.stdout.readline().strip() != "READY":
            self.process.kill()
            _, err = self.process.communicate()
            raise Failed(f"connections cannot be held: {err[-1000:] or 'no answer in time'}")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
