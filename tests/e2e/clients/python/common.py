"""What the Python client programs share: the command line, the lines they print,
the assignments from stdin."""

import queue
import sys
import threading
import time
from dataclasses import dataclass


@dataclass
class ProduceArgs:
    bootstrap: str
    topic: str
    partitions: int
    count: int
    codec: str
    idempotent: bool
    run: str
    pause_s: float

    def records(self):
        """(partition, value) of every record, interleaved over the partitions."""
        for seq in range(self.count):
            for v in range(self.partitions):
                yield v, f"{self.run}-{v}-{seq}".encode()
            if self.pause_s:
                time.sleep(self.pause_s)


@dataclass
class ConsumeArgs:
    bootstrap: str
    topic: str
    partition: int
    read_committed: bool
    max_bytes: int

    @property
    def isolation_level(self) -> str:
        return "read_committed" if self.read_committed else "read_uncommitted"


@dataclass
class GroupArgs:
    bootstrap: str
    topic: str
    group: str
    assignor: str
    instance: str | None
    auto_commit: bool


@dataclass
class PatternArgs:
    bootstrap: str
    pattern: str
    group: str


def parse(argv):
    """The arguments as ../README.md gives them."""
    command, *a = argv[1:]
    if command == "produce":
        return ProduceArgs(a[0], a[1], int(a[2]), int(a[3]), a[4], a[5] == "1", a[6], int(a[7]) / 1000 if a[7:] else 0)
    if command == "consume":
        return ConsumeArgs(a[0], a[1], int(a[2]), a[3] == "1", int(a[4]))
    if command == "group":
        return GroupArgs(a[0], a[1], a[2], a[3], None if a[4] == "-" else a[4], a[5] == "auto")
    if command == "pattern":
        return PatternArgs(a[0], a[1], a[2])
    raise SystemExit(f"unknown command {command}")


def run(args, produce, consume, group, pattern):
    """Does what the command line says."""
    return {ProduceArgs: produce, ConsumeArgs: consume, GroupArgs: group, PatternArgs: pattern}[type(args)](args)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def flush() -> None:
    sys.stdout.flush()


class Printer:
    """Prints one assignment's records, and its position when that changed."""

    def __init__(self, partition: int):
        self.last_position = None
        say(f"S {partition}")

    def record(self, partition: int, offset: int, value: bytes) -> None:
        say(f"R {partition} {offset} {value.decode()}")

    def position(self, position) -> None:
        if position is not None and position != self.last_position:
            say(f"P {position}")
            self.last_position = position
        flush()


def assignments(first: ConsumeArgs) -> "queue.Queue[tuple[str, int] | None]":
    """The assignment of the command line, then those of stdin, then None."""
    q: queue.Queue = queue.Queue()
    q.put((first.topic, first.partition))

    def read() -> None:
        for line in sys.stdin:
            topic, partition = line.split()
            q.put((topic, int(partition)))
        q.put(None)

    threading.Thread(target=read, daemon=True).start()
    return q


def stdin_end() -> threading.Event:
    """Set when stdin has ended."""
    ended = threading.Event()

    def read() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    return ended


def say_topics(topics) -> None:
    for topic in topics:
        say(f"T {topic}")
    say("L")
    flush()


def say_assignment(partitions) -> None:
    say("G " + ",".join(str(p) for p in sorted(partitions)))
    flush()
