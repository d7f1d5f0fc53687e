"""Raw consumers that follow a partition while a test breaks something, and a producer for them: when each
record was sent, and when it came."""

import threading
import time

from . import batch
from .apis import PRODUCE
from .clients import Record
from .process import wait_until
from .raw import EARLIEST, LATEST, Raw, produce_body

OFFSET_OUT_OF_RANGE = 1


class Follower(threading.Thread):
    """Reads one partition from `offset` on until `stop`, as consumers do: goes on after each answer, begins
    anew where its position is out of range, and tries again after any other error."""

    def __init__(self, raw: Raw, topic: str, partition: int, offset: int = 0, max_wait_ms: int = 500):
        super().__init__(daemon=True)
        raw.announce("apache-kafka-java")
        self.partition, self.position = partition, offset
        self.records: list[Record] = []
        self.asked_s: list[float] = []
        """By record: when the Fetch was sent that brought it."""
        self.came_s: dict[str, float] = {}
        """By value: when it came first."""
        self.errors: list[int] = []
        self.failed: BaseException | None = None
        self._raw, self._topic, self._max_wait_ms = raw, topic, max_wait_ms
        self._stopping = threading.Event()
        self.start()

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._ask()
        except BaseException as error:  # the test must hear of it
            self.failed = error
        finally:
            self._raw.close()

    def stop(self) -> None:
        """Ends after the Fetch that waits now."""
        stop_all([self])

    def values(self) -> list[str]:
        return [r.value for r in self.records]

    def wait_for(self, wanted: list[str], seconds: float = 10) -> None:
        """These values must come, and no others, in this order."""
        wait_until(f"{len(wanted)} records of {self.partition}", lambda: self.failed or len(self.records) >= len(wanted), seconds)
        assert not self.failed, self.failed
        assert self.values() == wanted

    def _ask(self) -> None:
        asked = time.monotonic()
        part = self._raw.fetch_one(self._topic, self.partition, self.position, max_wait_ms=self._max_wait_ms)
        now = time.monotonic()
        if part["error_code"]:
            self.errors.append(part["error_code"])
            if part["error_code"] == OFFSET_OUT_OF_RANGE:
                found = self._raw.list_offsets(self._topic, {self.partition: EARLIEST})[self.partition]
                self.position = self.position if found["error_code"] else found["offset"]
            time.sleep(0.02)
            return
        for b in batch.parse(part["records"]):
            for offset, value in [] if b.is_control else b.records():
                if offset >= self.position:
                    self.records.append(Record(offset, value.decode()))
                    self.asked_s.append(asked)
                    self.came_s.setdefault(value.decode(), now)
            self.position = max(self.position, b.last_offset + 1)


def stop_all(followers: list[Follower]) -> None:
    """Ends them after the Fetches that wait now."""
    for follower in followers:
        follower._stopping.set()
    for follower in followers:
        follower.join()
        if follower.failed:
            raise follower.failed


class Ticker(threading.Thread):
    """Writes a record to each of `partitions` every `every_s`, each with a value of its own, from the
    beginning of a `with` to its end."""

    def __init__(self, port: int, topic: str, partitions: range, every_s: float = 0.02, name: str = "tick"):
        super().__init__(daemon=True)
        self.values: dict[int, list[str]] = {v: [] for v in partitions}
        self.sent_s: dict[str, float] = {}
        self._port, self._topic, self._every_s, self._name = port, topic, every_s, name
        self._failed: BaseException | None = None
        self._stopping = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self.join()
        if self._failed:
            raise self._failed

    def run(self) -> None:
        number = 0
        try:
            with Raw(self._port) as raw:
                while not self._stopping.wait(self._every_s):
                    values = {v: f"{self._name}-{v}-{number}" for v in self.values}
                    self.sent_s.update(dict.fromkeys(values.values(), time.monotonic()))
                    body = produce_body(self._topic, {v: batch.build([value.encode()]) for v, value in values.items()})
                    answer = raw.call(PRODUCE, 9, body)
                    assert not any(p["error_code"] for t in answer["topics"] for p in t["partitions"]), answer
                    for v, value in values.items():
                        self.values[v].append(value)
                    number += 1
        except BaseException as error:  # the test must hear of it
            self._failed = error


def latencies_s(ticker: Ticker, followers: list[Follower]) -> list[float]:
    """From a record's sending to its coming, of all that the followers' partitions were sent; in ascending
    order. All of them must have come."""
    return sorted(f.came_s[value] - ticker.sent_s[value] for f in followers for value in ticker.values[f.partition])


def follow_end(raw: Raw, topic: str, partition: int, **options) -> Follower:
    """A follower from the partition's end on."""
    return Follower(raw, topic, partition, raw.list_offset(topic, partition, LATEST), **options)
