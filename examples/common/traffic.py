"""An application that writes, groups that read, and a ledger of every record."""

import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from tests.harness.load import read_to_the_end

from .stage import Stage

CUSTOMERS = 500
BEGAN_MS = int(time.time() * 1000) - 60_000
"""The timestamp of record 0; each record is a millisecond later than the one before."""


@dataclass
class Ledger:
    """What was written: records are numbered from 0 in the order of writing."""

    home: dict[int, int] = field(default_factory=dict)
    """By number: the partition that acknowledged the record."""
    sent: int = 0
    failed: list[str] = field(default_factory=list)
    moved: int = 0
    """Records whose key had met another partition before. `settle` begins anew."""
    _homes: dict[bytes, int] = field(default_factory=dict)

    @staticmethod
    def key(number: int) -> bytes:
        # A stride that is prime to their number takes the customers in a mixed order.
        return b"customer-%d" % (number * 7919 % CUSTOMERS)

    def acknowledged(self, number: int, partition: int) -> None:
        self.home[number] = partition
        self.moved += self._homes.setdefault(self.key(number), partition) != partition

    def settle(self) -> None:
        """From now on keys may meet other partitions than before: there are more."""
        self._homes.clear()

    def all_acknowledged(self) -> bool:
        return not self.failed and len(self.home) == self.sent


class Reading:
    """What one group has read, over all its members and wherever they were connected. Members are threads."""

    def __init__(self, group: str, ledger: Ledger):
        self.group, self.ledger = group, ledger
        self.seen: dict[int, int] = {}
        """By number: the partition where the record was read first."""
        self.repeated = self.elsewhere = self.disordered = self.disordered_keys = self.changed = 0
        self._last: dict[int, int] = defaultdict(lambda: -1)
        self._last_of_key: dict[bytes, int] = defaultdict(lambda: -1)
        self._lock = threading.Lock()

    def arrived(self, message) -> None:
        number, partition, key = int(message.value()), message.partition(), message.key()
        with self._lock:
            self.changed += message.timestamp()[1] != BEGAN_MS + number or key != Ledger.key(number)
            self.changed += message.headers() != [("number", message.value())]
            if number in self.seen:
                self.repeated += 1
                self.elsewhere += self.seen[number] != partition
                return
            self.seen[number] = partition
            self.disordered += number < self._last[partition]
            self.disordered_keys += number < self._last_of_key[key]
            self._last[partition] = number
            self._last_of_key[key] = number

    def missing(self) -> int:
        """Acknowledged, and not read (yet)."""
        with self._lock:
            return sum(number not in self.seen for number in list(self.ledger.home))

    def leaked(self) -> int:
        """Read on another partition than the one that acknowledged the record."""
        with self._lock:
            return self.elsewhere + sum(self.ledger.home.get(n, p) != p for n, p in self.seen.items())

    def verdict(self) -> str:
        """What `is_good` judges, in words; repeated records are left to the example."""
        order = "in order" if not self.disordered else f"{self.disordered} out of order"
        return (
            f"group {self.group}: {len(self.seen):,} of {len(self.ledger.home):,} records read, {self.missing()} lost, "
            f"{self.leaked()} leaked, {self.changed} changed, {self.repeated:,} repeated, {order}"
        )

    def is_good(self) -> bool:
        return not any((self.missing(), self.leaked(), self.changed, self.disordered))


class Writer(threading.Thread):
    """Writes keyed records at a steady rate until `stop`; the client library picks the partition by the key,
    as Java's default partitioner does."""

    def __init__(self, bootstrap: str, topic: str, ledger: Ledger, per_second: int):
        super().__init__(daemon=True)
        self._topic, self._ledger, self._per_second = topic, ledger, per_second
        self._stopping = threading.Event()
        self._producer = Producer({
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "linger.ms": 10,
            "topic.metadata.refresh.interval.ms": 2000,
        })

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def run(self) -> None:
        started, first = time.monotonic(), self._ledger.sent
        while not self._stopping.is_set():
            self.write(first + int((time.monotonic() - started) * self._per_second) - self._ledger.sent)
            self._producer.poll(0.01)
        self._producer.flush(60)

    def write(self, count: int) -> None:
        """Writes so many records now."""
        for number in range(self._ledger.sent, self._ledger.sent + count):
            self._producer.produce(
                self._topic,
                b"%d" % number,
                Ledger.key(number),
                timestamp=BEGAN_MS + number,
                headers={"number": b"%d" % number},
                on_delivery=lambda error, m, n=number: self._answered(n, error, m),
            )
            self._ledger.sent += 1
            self._producer.poll(0)

    def write_now(self, count: int) -> None:
        """Writes so many records, and returns when they are acknowledged."""
        self.write(count)
        self._producer.flush(60)

    def stop(self) -> None:
        """Returns when all records are acknowledged."""
        self._stopping.set()
        if self.is_alive():
            self.join()

    def _answered(self, number: int, error, message) -> None:
        if error:
            self._ledger.failed.append(str(error))
        else:
            self._ledger.acknowledged(number, message.partition())


class Member(threading.Thread):
    """A member of a group: commits what it has read, batch by batch. `at_most`: how many records it reads."""

    def __init__(self, bootstrap: str, topic: str, reading: Reading, at_most: int | None = None):
        super().__init__(daemon=True)
        self.partitions: set[int] = set()
        self._reading, self._left = reading, at_most
        self._uncommitted = False
        self._stopping = threading.Event()
        self._consumer = Consumer({
            "bootstrap.servers": bootstrap,
            "group.id": reading.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "partition.assignment.strategy": "cooperative-sticky",
            "topic.metadata.refresh.interval.ms": 2000,
            "session.timeout.ms": 10_000,
            "check.crcs": True,
        })
        self._consumer.subscribe([topic])
        self.start()

    def run(self) -> None:
        while not self._stopping.is_set() and self._left != 0:
            messages = [m for m in self._consumer.consume(min(self._left or 500, 500), 0.1) if not m.error()]
            for message in messages:
                self._reading.arrived(message)
            if self._left is not None:
                self._left -= len(messages)
            if messages or self._uncommitted:
                self._uncommitted = not self._commit()
            self.partitions = {p.partition for p in self._consumer.assignment()}
        self._consumer.close()

    def stop(self) -> None:
        """Leaves the group."""
        self._stopping.set()
        self.join()

    def _commit(self) -> bool:
        """Whether nothing is left to be committed: a group that shares its partitions anew takes no commits."""
        try:
            self._consumer.commit(asynchronous=False)
        except KafkaException as e:
            return e.args[0].code() == KafkaError._NO_OFFSET
        return True


def stored(bootstrap: str, topic: str, partitions: int) -> dict[int, list[int]]:
    """By partition, the numbers of all records there, in the order of their offsets."""
    found = read_to_the_end(bootstrap, topic, partitions)
    return {v: [int(record.value) for record in records] for v, records in found.items()}


def check_stored(stage: Stage, bootstrap: str, topic: str, partitions: int, ledger: Ledger) -> None:
    """Each record must be stored once, on the partition that acknowledged it, in the order of writing."""
    wanted: dict[int, list[int]] = {v: [] for v in range(partitions)}
    for number, partition in sorted(ledger.home.items()):
        wanted[partition].append(number)
    there = stored(bootstrap, topic, partitions) == wanted
    stage.check(f"read from the start, each of the {partitions} partitions holds its own records, each once, in order", there)
