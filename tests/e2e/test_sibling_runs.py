"""Few records of one's own before, between and behind thousands of siblings'
batches, with fetches of any size.

A consumer that gets nothing back asks for the same offset again: what is tested
is that the filter moves it on. All connections are on one worker, which shares
what they read, and in a second run does not.
"""

from dataclasses import dataclass, field

import pytest

from tests.harness import topics
from tests.harness.clients import LIBRARIES, Consumer, Record
from tests.harness.raw import LATEST, Raw

OWN, SIBLING, OTHER_SIBLING = 1, 0, 3
LONG, SHORT, TAIL = 3000, 20, 200
"""Counts of batches: between the own ones, own ones in a row, behind the last own one."""


@dataclass
class Log:
    """A topic of one physical partition, and what each virtual one should show."""

    topic: topics.Topic
    written: dict[int, list[Record]] = field(default_factory=lambda: {v: [] for v in range(4)})
    batches: int = 0

    def append(self, raw: Raw, plan: list[int]) -> None:
        """A batch of three records for each virtual partition that the plan names, in its order."""
        work = []
        for v in plan:
            work.append((v, [f"{v}-{self.batches}-{i}-{'x' * 80}".encode() for i in range(3)]))
            self.batches += 1
        for (v, values), base in zip(work, raw.append_each(self.topic.name, work)):
            self.written[v] += [Record(base + i, value.decode()) for i, value in enumerate(values)]


@pytest.fixture(scope="module")
def shared_envoy(shared_one_worker):
    return shared_one_worker


@pytest.fixture(scope="module")
def log(shared_envoy, cluster, passthrough) -> Log:
    family = topics.ONE
    log = Log(topics.Topic(family, topics.unique(family.name)))
    cluster.create_topic(log.topic.name, family.virtual if passthrough else family.physical)
    siblings = [SIBLING, SIBLING, OTHER_SIBLING] * (LONG // 3)
    own = [OWN] * SHORT
    with Raw(shared_envoy.port(1)) as raw:
        log.append(raw, siblings + own + siblings + own + [SIBLING] * TAIL)
    return log


SIZES = [(name, 4096) for name in LIBRARIES] + [("java", 1), ("librdkafka", 1), ("franz-go", 1), ("aiokafka", 0)]


@pytest.mark.parametrize("name, max_bytes", SIZES)
def test_own_records_among_thousands_of_siblings(name, max_bytes, log, programs, envoy, raw, tmp_path):
    with Consumer(programs[name], envoy.bootstrap, log.topic.name, OWN, tmp_path / "stderr", max_bytes=max_bytes) as consumer:
        consumer.expect(log.written[OWN], 60)
        reaches_the_end(consumer, raw, log)
        log.append(raw, [SIBLING] * 3)
        reaches_the_end(consumer, raw, log)
        log.append(raw, [OWN, SIBLING])
        consumer.expect(log.written[OWN], 20)
        reaches_the_end(consumer, raw, log)
        consumer.expect_nothing_more()


@pytest.mark.parametrize("read_committed", [False, True])
def test_the_sibling_with_most_records_gets_them_all(read_committed, log, programs, envoy, tmp_path):
    with Consumer(
        programs["librdkafka"], envoy.bootstrap, log.topic.name, SIBLING, tmp_path / "stderr", read_committed=read_committed
    ) as consumer:
        consumer.expect(log.written[SIBLING], 60)


def test_a_sibling_without_records_gets_none(log, programs, envoy, raw, tmp_path):
    with Consumer(programs["java"], envoy.bootstrap, log.topic.name, 2, tmp_path / "stderr", max_bytes=4096) as consumer:
        reaches_the_end(consumer, raw, log)
        consumer.expect([])


def reaches_the_end(consumer: Consumer, raw: Raw, log: Log) -> None:
    if consumer.library.tells_position:
        consumer.expect_position(raw.list_offset(log.topic.name, consumer.partition, LATEST), 30)
