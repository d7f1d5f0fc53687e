"""Builds and runs the client programs of tests/e2e/clients (its README gives their command line)."""

import fcntl
import queue
import re
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .client_security import NONE, Security
from .kafka import JAVA
from .paths import BUILD, CLIENTS, KAFKA_JARS

AUTHENTICATION_FAILED = r"authenticat\w* (failed|error)|SaslAuthentication|AuthenticationFailed"
ALL_CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


@dataclass(frozen=True)
class Library:
    """A Kafka library as a client program. `tells_position`: whether the library's consumer shows
    its position, and can be moved to the end behind siblings' records. The filter moves only
    consumers of libraries that tell their name in ApiVersions (KIP-511), since not every library
    steps over control batches."""

    name: str
    argv: tuple
    tells_position: bool
    codecs: tuple = ALL_CODECS


class Record(NamedTuple):
    offset: int
    value: str


def _python(file: str) -> tuple:
    return (sys.executable, CLIENTS / "python" / file)


LIBRARIES = {
    library.name: library
    for library in (
        Library("java", (*JAVA, "-Xmx256m", "-cp", f"{KAFKA_JARS}/*:{BUILD}/java", "Client"), True),
        Library("librdkafka", _python("librdkafka.py"), True),
        Library("kafka-python", _python("kafka_python.py"), True),
        Library("aiokafka", _python("aio_kafka.py"), False),  # shows its position, but tells no name
        Library("kafkajs", ("node", CLIENTS / "node/client.js"), False),
        Library("franz-go", (BUILD / "goclient", "franz"), False),
        Library("sarama", (BUILD / "goclient", "sarama"), False),
    )
}


def build() -> None:
    """Compiles the programs that are not compiled yet, or are older than their source. One process at a time
    does so: tests may run in several."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _build()


def _build() -> None:
    java = sorted((CLIENTS / "java").iterdir())
    if any(_stale(BUILD / f"java/{source.stem}.class", source) for source in java):
        _run("javac", "-cp", f"{KAFKA_JARS}/*", "-d", BUILD / "java", *java)
    if _stale(BUILD / "goclient", *(CLIENTS / "go").iterdir()):
        _run("go", "build", "-o", BUILD / "goclient", ".", cwd=CLIENTS / "go")
    if _stale(CLIENTS / "node/node_modules/.package-lock.json", CLIENTS / "node/package-lock.json"):
        _run("npm", "ci", "--no-audit", "--no-fund", cwd=CLIENTS / "node")


def produce(
    library: Library,
    bootstrap: str,
    topic: str,
    partitions: int,
    count: int,
    codec: str,
    idempotent: bool,
    run: str,
    seconds: float = 60,
    security: Security = NONE,
    pause_ms: int = 0,
) -> dict[int, list[Record]]:
    """Writes `count` records to each partition, and gives partition → acknowledged records by offset. Every
    record must be acknowledged. `pause_ms`: between two rounds of a record for each partition."""
    command = [*library.argv, "produce", bootstrap, topic, partitions, count, codec, int(idempotent), run, pause_ms]
    done = subprocess.run([str(a) for a in command], capture_output=True, text=True, timeout=seconds, env=security.environment())
    acks, refused, ended = parse_acks(done.stdout)
    errors = f"{library.name} {codec}: {done.stderr[-2000:]}"
    assert ended and not refused, f"{refused[:3]} {errors}"
    wanted = {v: [f"{run}-{v}-{seq}" for seq in range(count)] for v in range(partitions)}
    got = {v: [r.value for r in acks[v]] for v in range(partitions)}
    assert got == wanted, f"not each record acknowledged once and in order of its offset; {errors}"
    return acks


def refused(library: Library, bootstrap: str, topic: str, security: Security, says: str | None = None, seconds: float = 30) -> str:
    """The line in which the library tells that a login has failed, as it must; `says` is a pattern for
    libraries that use other words. A program that goes on trying is ended then."""
    tells = re.compile(f"{says}|{AUTHENTICATION_FAILED}" if says else AUTHENTICATION_FAILED, re.I)
    command = [*library.argv, "produce", bootstrap, topic, 1, 1, "none", 0, "refused"]
    child = subprocess.Popen(
        [str(a) for a in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=security.environment(),
    )
    timer = threading.Timer(seconds, child.kill)
    timer.start()
    said = []
    try:
        for line in child.stdout:
            if tells.search(line):
                return line
            said.append(line)
    finally:
        timer.cancel()
        child.kill()
        child.wait()
    raise AssertionError(f"{library.name} tells of no failed authentication: {''.join(said)[-2000:]}")


def parse_acks(stdout: str) -> tuple[dict[int, list[Record]], list[str], bool]:
    """(partition → acknowledged records by offset, refusals, whether the program came to its end)."""
    acks, refused, ended = defaultdict(list), [], False
    for line in stdout.splitlines():
        kind, *words = line.split(" ", 3)
        if kind == "A":
            acks[int(words[0])].append(Record(int(words[1]), words[2]))
        elif kind == "E":
            refused.append(line)
        elif kind == "END":
            ended = True
    for records in acks.values():
        records.sort()
    return acks, refused, ended


def talk_to(command: list, log: Path, security: Security) -> subprocess.Popen:
    """Starts a client program that reads from its standard input and writes to its standard
    output; errors go to the log."""
    with log.open("a") as errors:
        return subprocess.Popen(
            [str(a) for a in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
            env=security.environment(),
        )


class Consumer:
    """A running consumer program, assigned to one partition at a time."""

    def __init__(
        self,
        library: Library,
        bootstrap: str,
        topic: str,
        partition: int,
        log: Path,
        read_committed: bool = False,
        max_bytes: int = 0,
        security: Security = NONE,
    ):
        self.library = library
        self.log = log
        command = [*library.argv, "consume", bootstrap, topic, partition, int(read_committed), max_bytes]
        self._child = talk_to(command, log, security)
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._pump, daemon=True).start()
        self._begin(partition)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._child.kill()
        self._child.wait()

    def assign(self, topic: str, partition: int) -> None:
        """Reads this partition, from its beginning, and no other."""
        self._child.stdin.write(f"{topic} {partition}\n")
        self._child.stdin.flush()
        self._begin(partition)

    def each(self, topic: str, partitions: int) -> Iterator[int]:
        """Assigns one partition after the other, from 0 on, with which the program must
        have been started; yields each."""
        for partition in range(partitions):
            if partition > 0:
                self.assign(topic, partition)
            yield partition

    def expect(self, wanted: list[Record], seconds: float = 30) -> None:
        """Waits until as many records as `wanted` have come since the assignment. They must be just
        these records, in this order."""
        self._take_until(lambda: len(self.records) >= len(wanted), seconds)
        if self.records == wanted:
            return
        missing, extra = sorted(set(wanted) - set(self.records)), sorted(set(self.records) - set(wanted))
        raise AssertionError(
            f"{self._who()}: {len(self.records)} records for {len(wanted)}; missing {len(missing)} {missing[:3]}, "
            f"extra {len(extra)} {extra[:3]}{self._errors()}"
        )

    def expect_position(self, wanted: int, seconds: float = 10) -> None:
        """Waits until the consumer's position is `wanted`; for libraries that tell their position."""
        self._take_until(lambda: self.position == wanted, seconds)
        assert self.position == wanted, f"{self._who()}: position {self.position}, not {wanted}{self._errors()}"

    def expect_nothing_more(self, seconds: float = 0.3) -> None:
        before = len(self.records)
        self._take_until(lambda: len(self.records) > before, seconds)
        assert len(self.records) == before, f"{self._who()}: unexpected {self.records[before:][:3]}"

    def _who(self) -> str:
        return f"{self.library.name} on partition {self.partition}"

    def _errors(self) -> str:
        tail = self.log.read_text(errors="replace")[-1500:]
        return f"; its stderr:\n{tail}" if tail else ""

    def _begin(self, partition: int) -> None:
        self.partition, self.records, self.position = partition, [], None
        deadline = time.monotonic() + 30
        while (line := self._next(deadline)) != f"S {partition}":
            assert line is not None, f"{self._who()} does not start{self._errors()}"

    def _take_until(self, condition, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            line = self._next(deadline)
            if line is None:
                return
            kind, *words = line.split(" ", 3)
            if kind == "P":
                self.position = int(words[0])
            elif kind == "R":
                assert int(words[0]) == self.partition, f"{self._who()} got a record of {words[0]}"
                self.records.append(Record(int(words[1]), words[2]))

    def _next(self, deadline: float) -> str | None:
        """The next line, or None when the time is over or the program has ended."""
        try:
            return self._lines.get(timeout=max(deadline - time.monotonic(), 0.001)) or None
        except queue.Empty:
            return None

    def _pump(self) -> None:
        for line in self._child.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put("")


def _stale(target: Path, *sources: Path) -> bool:
    return not target.exists() or any(s.stat().st_mtime > target.stat().st_mtime for s in sources)


def _run(*command, cwd: Path | None = None) -> None:
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command[0]}: {done.stderr[-3000:]}"
