"""A writer, a reader per virtual partition and a consumer group, all through Envoy, and a ledger of every
record."""

import json
import threading
import time
import zlib
from collections import deque

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

CUSTOMERS = 1000
RECENT = 6000
"""Latencies that the live view looks back on: two seconds."""
GROUP = "billing"
REFRESH = {"topic.metadata.refresh.interval.ms": 1000}
"""How soon clients notice that a topic has grown. librdkafka's default is five minutes."""


def home(key: bytes, partitions: int) -> int:
    """The partition that librdkafka's default partitioner (`consistent_random`) chooses for a key."""
    return zlib.crc32(key) % partitions


class Ledger:
    """What was written where, and what was read where. Records are numbered
    from 0 in the order of writing."""

    def __init__(self, partitions: int, most: int):
        """`partitions`: V. It may grow to `most`."""
        self.partitions = partitions
        self._sizes = {partitions}
        """What V has been: a client goes by the one that it knows."""
        self.homes: list[tuple[bytes, int | None]] = []
        """By record: its key, and the virtual partition where it was seen first."""
        self.written = [0] * most
        """Acknowledged, by the virtual partition that the client was told."""
        self.read = [0] * most
        self.by_group = bytearray()
        """By record: how often the group got it."""
        self.latencies_ms: list[float] = []
        self.recent_ms: deque[float] = deque(maxlen=RECENT)
        self.acked = bytearray()
        self.errors: deque[str] = deque(maxlen=5)
        self.leaked = self.repeated = self.disordered = 0
        self._times_read = bytearray()
        self._last = [-1] * most
        self._lock = threading.Lock()

    def sending(self, key: bytes) -> None:
        """The next record is about to be written."""
        with self._lock:
            self.homes.append((key, None))
            self.acked.append(0)
            self.by_group.append(0)
            self._times_read.append(0)

    def acknowledged(self, number: int, partition: int) -> None:
        with self._lock:
            self.acked[number] = 1
            self.written[partition] += 1
            self.leaked += not self._is_home(number, partition)

    def arrived(self, number: int, partition: int, latency_ms: float) -> None:
        with self._lock:
            self.read[partition] += 1
            self.leaked += not self._is_home(number, partition)
            self.repeated += self._times_read[number] > 0
            self.disordered += number < self._last[partition]
            self._times_read[number] = 1
            self._last[partition] = max(self._last[partition], number)
            self.latencies_ms.append(latency_ms)
            self.recent_ms.append(latency_ms)

    def delivered_to_group(self, number: int) -> None:
        with self._lock:
            self.by_group[number] = min(self.by_group[number] + 1, 255)

    def grows(self, partitions: int) -> None:
        """From now on a client may know so many partitions."""
        with self._lock:
            self.partitions = partitions
            self._sizes.add(partitions)

    def _is_home(self, number: int, partition: int) -> bool:
        """Whether a record may be seen there: where it was seen first it belongs by its key, and it is never
        seen elsewhere."""
        key, first = self.homes[number]
        if first is None:
            self.homes[number] = (key, partition)
            return any(partition == home(key, size) for size in self._sizes)
        return partition == first

    def missing(self) -> int:
        """Acknowledged and not read by anybody (yet)."""
        with self._lock:
            return sum(acked and not read for acked, read in zip(self.acked, self._times_read))

    def missing_in_group(self) -> int:
        """Acknowledged and not given to the group (yet)."""
        with self._lock:
            return sum(acked and not times for acked, times in zip(self.acked, self.by_group))


class Writer(threading.Thread):
    """Writes keyed records at a steady rate; the client library picks the partition by the key."""

    def __init__(self, bootstrap: str, topic: str, ledger: Ledger, per_second: int):
        super().__init__(daemon=True)
        self._topic, self._ledger = topic, ledger
        self._per_second = per_second
        self._stopping = threading.Event()
        self._sent = 0
        self._producer = Producer({
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "linger.ms": 20,
            "error_cb": lambda e: ledger.errors.append(f"writer: {e}"),
            **REFRESH,
        })

    def warm_up(self) -> None:
        """A record of every customer: what a fresh broker and fresh connections
        cost at first is over then."""
        self._send_up_to(CUSTOMERS)
        self._producer.flush(30)

    def run(self) -> None:
        started, first = time.monotonic(), self._sent
        while not self._stopping.is_set():
            self._send_up_to(first + int((time.monotonic() - started) * self._per_second))
            self._producer.poll(0.005)
        self._producer.flush(30)

    def stop(self) -> None:
        self._stopping.set()
        if self.is_alive():
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


class Reading(threading.Thread):
    """A consumer, which hands each record to `note`."""

    def __init__(self, bootstrap: str, name: str, ledger: Ledger, **config):
        super().__init__(daemon=True)
        self.name, self._ledger = name, ledger
        self._stopping = threading.Event()
        self._consumer = Consumer({
            "bootstrap.servers": bootstrap,
            "client.id": name,
            "check.crcs": True,
            "error_cb": lambda e: ledger.errors.append(f"{name}: {e}"),
            **REFRESH,
            **config,
        })

    def run(self) -> None:
        while not self._stopping.is_set():
            message = self._consumer.poll(0.1)
            if message is None:
                continue
            if message.error():
                self._ledger.errors.append(f"{self.name}: {message.error()}")
                continue
            self.note(json.loads(message.value()), message.partition())
        self._consumer.close()

    def stop(self) -> None:
        self._stopping.set()
        if self.is_alive():
            self.join()


class Reader(Reading):
    """A consumer of one virtual partition and no other."""

    def __init__(self, bootstrap: str, topic: str, partition: int, ledger: Ledger):
        name = f"reader-{partition}"
        super().__init__(bootstrap, name, ledger, **{"group.id": f"quickstart-{partition}", "enable.auto.commit": False})
        self._consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])

    def note(self, order: dict, partition: int) -> None:
        self._ledger.arrived(order["order"], partition, (time.monotonic_ns() - order["sent_ns"]) / 1e6)


class Member(Reading):
    """A member of the group, to which the group's assignor gives some of the virtual partitions."""

    def __init__(self, bootstrap: str, topic: str, number: int, ledger: Ledger):
        config = {"group.id": GROUP, "auto.offset.reset": "earliest", "auto.commit.interval.ms": 1000}
        super().__init__(bootstrap, f"member-{number}", ledger, **config)
        self._consumer.subscribe([topic])

    def note(self, order: dict, _partition: int) -> None:
        self._ledger.delivered_to_group(order["order"])
