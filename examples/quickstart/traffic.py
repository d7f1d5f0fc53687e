"""One writer and a reader per virtual partition, all through Envoy, and a ledger of every record."""

import json
import threading
import time
import zlib
from collections import deque

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

CUSTOMERS = 1000
RECENT = 6000
"""Latencies that the live view looks back on: two seconds."""


def home(key: bytes, partitions: int) -> int:
    """The partition that librdkafka's default partitioner (`consistent_random`) chooses for a key."""
    return zlib.crc32(key) % partitions


class Ledger:
    """What was written where, and what was read where. Records are numbered
    from 0 in the order of writing."""

    def __init__(self, partitions: int):
        self.partitions = partitions
        self.home: list[int] = []
        """By record: the virtual partition that its key belongs to."""
        self.written = [0] * partitions
        """Acknowledged, by the virtual partition that the client was told."""
        self.read = [0] * partitions
        self.latencies_ms: list[float] = []
        self.recent_ms: deque[float] = deque(maxlen=RECENT)
        self.acked = bytearray()
        self.errors: deque[str] = deque(maxlen=5)
        self.leaked = self.repeated = self.disordered = 0
        self._times_read = bytearray()
        self._last = [-1] * partitions
        self._lock = threading.Lock()

    def sending(self, key: bytes) -> None:
        """The next record is about to be written."""
        with self._lock:
            self.home.append(home(key, self.partitions))
            self.acked.append(0)
            self._times_read.append(0)

    def acknowledged(self, number: int, partition: int) -> None:
        with self._lock:
            self.acked[number] = 1
            self.written[partition] += 1
            self.leaked += partition != self.home[number]

    def arrived(self, number: int, partition: int, latency_ms: float) -> None:
        with self._lock:
            self.read[partition] += 1
            self.leaked += partition != self.home[number]
            self.repeated += self._times_read[number] > 0
            self.disordered += number < self._last[partition]
            self._times_read[number] = 1
            self._last[partition] = max(self._last[partition], number)
            self.latencies_ms.append(latency_ms)
            self.recent_ms.append(latency_ms)

    def missing(self) -> int:
        """Acknowledged and not read by anybody (yet)."""
        with self._lock:
            return sum(acked and not read for acked, read in zip(self.acked, self._times_read))


class Writer(threading.Thread):
    """Writes keyed records at a steady rate; the client library picks the partition by the key."""

    def __init__(self, bootstrap: str, topic: str, ledger: Ledger, per_second: int, seconds: float):
        super().__init__(daemon=True)
        self._topic, self._ledger = topic, ledger
        self._per_second, self._count = per_second, int(per_second * seconds)
        self._stopping = threading.Event()
        self._sent = 0
        self._producer = Producer({
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "linger.ms": 20,
            "error_cb": lambda e: ledger.errors.append(f"writer: {e}"),
        })

    def warm_up(self) -> None:
        """A record of every customer: what a fresh broker and fresh connections
        cost at first is over then."""
        self._send_up_to(CUSTOMERS)
        self._producer.flush(30)

    def run(self) -> None:
        started, first = time.monotonic(), self._sent
        while self._sent < self._count and not self._stopping.is_set():
            due = first + int((time.monotonic() - started) * self._per_second)
            self._send_up_to(min(self._count, due))
            self._producer.poll(0.005)
        self._producer.flush(30)

    def stop(self) -> None:
        self._stopping.set()
        self.join()

    def _send_up_to(self, count: int) -> None:
        while self._sent < count:
            # A stride that is prime to their number takes the customers in a mixed order.
            key = b"customer-%d" % (self._sent * 7919 % CUSTOMERS)
            number = self._sent
            self._ledger.sending(key)
            value = json.dumps({"order": number, "sent_ns": time.monotonic_ns(), "note": "x" * 60})
            self._producer.produce(self._topic, value, key, on_delivery=lambda error, m, n=number: self._answered(n, error, m))
            self._sent += 1

    def _answered(self, number: int, error, message) -> None:
        if error:
            self._ledger.errors.append(f"writer: {error}")
        else:
            self._ledger.acknowledged(number, message.partition())


class Reader(threading.Thread):
    """A consumer of one virtual partition and no other."""

    def __init__(self, bootstrap: str, topic: str, partition: int, ledger: Ledger):
        super().__init__(daemon=True)
        self._ledger = ledger
        self._stopping = threading.Event()
        self._consumer = Consumer({
            "bootstrap.servers": bootstrap,
            "group.id": f"quickstart-{partition}",
            "enable.auto.commit": False,
            "check.crcs": True,
            "error_cb": lambda e: ledger.errors.append(f"reader of {partition}: {e}"),
        })
        self._consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])

    def run(self) -> None:
        while not self._stopping.is_set():
            message = self._consumer.poll(0.1)
            if message is None:
                continue
            if message.error():
                self._ledger.errors.append(f"reader: {message.error()}")
                continue
            order = json.loads(message.value())
            latency_ms = (time.monotonic_ns() - order["sent_ns"]) / 1e6
            self._ledger.arrived(order["order"], message.partition(), latency_ms)
        self._consumer.close()

    def stop(self) -> None:
        self._stopping.set()
        self.join()
