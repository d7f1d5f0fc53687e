"""Steady load from a producer in a thread, and how its records fared: for tests
that break something meanwhile."""

import threading
import time
from collections import defaultdict

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from .clients import Record


class Load:
    """Writes to all partitions in turn, some records per second, from the beginning of a `with` to its end,
    and then waits until all records are answered."""

    def __init__(self, bootstrap: str, topic: str, partitions: int, idempotent: bool, per_second: int = 1500, record_bytes: int = 0):
        """`record_bytes`: what a value has at least."""
        self.topic, self.partitions, self.per_second, self.record_bytes = topic, partitions, per_second, record_bytes
        self.sent = 0
        self.acked: dict[int, list[Record]] = defaultdict(list)
        self.failed: list[str] = []
        self._producer = Producer({
            "bootstrap.servers": bootstrap,
            "enable.idempotence": idempotent,
            "acks": "all",
            "linger.ms": 10,
            "message.timeout.ms": 90_000,
            "request.timeout.ms": 8_000,
            "reconnect.backoff.max.ms": 500,
        })
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join()

    def acked_count(self) -> int:
        return sum(len(records) for records in self.acked.values())

    def _run(self) -> None:
        started = time.monotonic()
        while not self._stopping.is_set():
            while self.sent < (time.monotonic() - started) * self.per_second:
                v = self.sent % self.partitions
                value = f"{v}-{self.sent}".ljust(self.record_bytes, ".")
                self._producer.produce(self.topic, value, partition=v, on_delivery=self._answered)
                self.sent += 1
            self._producer.poll(0.01)
        self._producer.flush(100)

    def _answered(self, error, message) -> None:
        if error:
            self.failed.append(str(error))
        else:
            self.acked[message.partition()].append(Record(message.offset(), message.value().decode()))


def read_to_the_end(bootstrap: str, topic: str, partitions: int, seconds: float = 60) -> dict[int, list[Record]]:
    """Every record of every partition, by one consumer that is assigned to all."""
    consumer = Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": "unused",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "check.crcs": True,
    })
    consumer.assign([TopicPartition(topic, v, OFFSET_BEGINNING) for v in range(partitions)])
    found: dict[int, list[Record]] = {v: [] for v in range(partitions)}
    open_ends, deadline = set(range(partitions)), time.monotonic() + seconds
    while open_ends:
        assert time.monotonic() < deadline, f"no end of {sorted(open_ends)} after {seconds} s"
        for m in consumer.consume(1000, 0.2):
            if m.error():
                open_ends.discard(m.partition())
            else:
                found[m.partition()].append(Record(m.offset(), m.value().decode()))
    consumer.close()
    return found


class LoneReader(threading.Thread):
    """A librdkafka consumer of one partition and no other, from its beginning until `stop`."""

    def __init__(self, bootstrap: str, topic: str, partition: int):
        super().__init__(daemon=True)
        self.records: list[Record] = []
        self._stopping = threading.Event()
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False, "check.crcs": True})
        self._consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
        self.start()

    def run(self) -> None:
        while not self._stopping.is_set():
            for m in self._consumer.consume(1000, 0.1):
                if not m.error():
                    self.records.append(Record(m.offset(), m.value().decode()))
        self._consumer.close()

    def stop(self) -> None:
        self._stopping.set()
        self.join()
