"""Every client library, with every codec it has, writes to and reads from each virtual partition alone."""

import pytest

from tests.harness import raw as raw_client
from tests.harness.clients import LIBRARIES, Consumer, Record, produce
from tests.harness.raw import Raw

COUNT = 50


@pytest.mark.parametrize("name", LIBRARIES)
def test_each_virtual_partition_has_its_own_records(name, programs, envoy, raw, direct, new_topic, tmp_path, passthrough):
    library, topic = programs[name], new_topic()
    written = {v: [] for v in range(topic.virtual)}
    for i, codec in enumerate(library.codecs):
        idempotent = i % 2 == 0
        acks = produce(library, envoy.bootstrap, topic.name, topic.virtual, COUNT, codec, idempotent, f"{name}.{codec}")
        for v, records in acks.items():
            written[v] += records
    if not passthrough:
        assert_stored_once(direct, topic, written)
    with Consumer(library, envoy.bootstrap, topic.name, 0, tmp_path / "stderr") as consumer:
        for v in consumer.each(topic.name, topic.virtual):
            consumer.expect(written[v])
            goes_on(consumer, raw, topic, v, written)


@pytest.mark.parametrize("reader", ["java", "librdkafka"])
def test_a_client_reads_what_the_others_wrote(reader, programs, envoy, new_topic, tmp_path):
    topic = new_topic()
    written = {v: [] for v in range(topic.virtual)}
    for i, library in enumerate(programs.values()):
        codec = library.codecs[i % len(library.codecs)]
        acks = produce(library, envoy.bootstrap, topic.name, topic.virtual, 10, codec, i % 2 == 0, f"{library.name}.{codec}")
        for v, records in acks.items():
            written[v] += records
    with Consumer(programs[reader], envoy.bootstrap, topic.name, 0, tmp_path / "stderr") as consumer:
        for v in consumer.each(topic.name, topic.virtual):
            consumer.expect(written[v])


@pytest.mark.remap
@pytest.mark.parametrize("name", LIBRARIES)
def test_a_topic_that_does_not_fit_its_mapping_disturbs_no_other(name, programs, envoy, new_topic, misfit, tmp_path):
    """Some libraries ask for all topics when they start, and must bear a topic
    that the filter cannot show."""
    library, topic = programs[name], new_topic()
    written = produce(library, envoy.bootstrap, topic.name, topic.virtual, 2, "none", False, name)
    with Consumer(library, envoy.bootstrap, topic.name, 5, tmp_path / "stderr") as consumer:
        consumer.expect(written[5])


def assert_stored_once(direct: Raw, topic, written: dict[int, list[Record]]) -> None:
    """The broker's own log holds each acknowledged offset of all siblings together, and no more."""
    for p in range(topic.family.physical):
        acked = sorted(r.offset for v, records in written.items() if topic.physical_of(v) == p for r in records)
        end = direct.list_offset(topic.name, p, raw_client.LATEST)
        assert acked == list(range(end)), f"physical partition {p}: {len(acked)} acknowledged, {end} stored"


def goes_on(consumer: Consumer, raw: Raw, topic, v: int, written: dict[int, list[Record]]) -> None:
    """A consumer at the end gets what comes next, and is told to have reached the
    end, siblings' records or not."""

    def append(partition: int, *values: str) -> None:
        base = raw.append(topic.name, partition, [x.encode() for x in values])
        written[partition] += [Record(base + i, x) for i, x in enumerate(values)]

    sibling = topic.siblings_of(v)[0]
    append(sibling, "before-1", "before-2")
    append(v, "own-1", "own-2")
    append(sibling, "after")
    consumer.expect(written[v])
    if consumer.library.tells_position:
        consumer.expect_position(raw.list_offset(topic.name, v, raw_client.LATEST))
