"""Child processes in sessions of their own, with their output in a log file; CPU time and
memory; free ports; waiting."""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path


class Process:
    """A server that runs until it is stopped. Its stdout and stderr are appended to `log`."""

    def __init__(self, argv: list, log: Path, env: dict | None = None):
        self.log = log
        with log.open("ab") as out:
            self.child = subprocess.Popen(
                [str(a) for a in argv],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(env or {})},
            )

    def alive(self) -> bool:
        return self.child.poll() is None

    def stop(self, seconds: float = 15) -> None:
        """SIGTERM, then SIGKILL when it has not ended after `seconds`."""
        if self.alive():
            self.child.terminate()
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """SIGKILL: no chance to flush or to say goodbye."""
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def cpu_s(self) -> float:
        """User and system time in seconds, of all threads since the process started."""
        return cpu_s(Path(f"/proc/{self.child.pid}"))

    def threads_cpu_s(self) -> float:
        """As `cpu_s`, but of the threads that live now, and by the scheduler's clock in nanoseconds, where
        `cpu_s` counts hundredths of a second."""
        ran_ns = 0
        for task in Path(f"/proc/{self.child.pid}/task").iterdir():
            ran_ns += int((task / "schedstat").read_text().split()[0])
        return ran_ns / 1e9

    def memory_mib(self) -> float:
        """Resident memory in MiB."""
        pages = int(Path(f"/proc/{self.child.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def log_tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(directory: Path) -> float:
    """User and system time in seconds of the process, or of the thread, that has this directory in /proc."""
    fields = (directory / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


XDIST = (("PYTEST_XDIST_WORKER", "gw0"), ("PYTEST_XDIST_WORKER_COUNT", "1"))
"""Several processes may run tests side by side, each with ports of its own: the number of this
process, and how many there are."""
_given: set[int] = set()
"""Ports that `free_ports` has returned: their servers may not listen yet."""


def free_ports(count: int) -> int:
    """The first of `count` consecutive free ports, below the range that the kernel
    gives to outgoing connections."""
    worker, workers = (int(os.environ.get(name, default).removeprefix("gw")) for name, default in XDIST)
    width = 17000 // workers
    for _ in range(200):
        first = 15000 + width * worker + random.randrange(width - count)
        ports = range(first, first + count)
        if _given.isdisjoint(ports) and all(map(is_free, ports)):
            _given.update(ports)
            return first
    raise RuntimeError(f"no {count} consecutive free ports found")


def is_free(port: int) -> bool:
    """Whether a server could listen at this port of 127.0.0.1. Connections of an earlier
    server that linger do not count."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until(what: str, condition: Callable[[], object], seconds: float = 30, every: float = 0.05):
    """Polls until `condition()` is true, and returns that value. AssertionError that
    names `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for: {what}"
        time.sleep(every)
