"""All topics listed, and topics subscribed to by a pattern, by every library:
Metadata requests without topics."""

import pytest

from tests.harness import apis, clients, groups, topics
from tests.harness.clients import Record
from tests.harness.group_members import PatternMember
from tests.harness.process import wait_until

BINARY_METADATA_AS_READ = "\ufffd\0\ufffd\ufffd"
"""The text that brokers make of the metadata which the program of sarama commits."""


@pytest.fixture
def written(raw, new_topic):
    """(topics, (partition, record) of each record in them): two mapped topics with
    two records in each partition."""
    names, records = [], set()
    for family in (topics.MODULO, topics.LANE):
        topic = new_topic(family)
        names.append(topic.name)
        for v in range(topic.virtual):
            values = [f"{topic.name}-{v}-{i}" for i in range(2)]
            base = raw.append(topic.name, v, [value.encode() for value in values])
            records |= {(v, Record(base + i, value)) for i, value in enumerate(values)}
    return names, records


@pytest.mark.parametrize("name", clients.LIBRARIES)
def test_all_topics_are_listed_and_subscribed_to_by_a_pattern(
    name, programs, envoy, raw, cluster, written, new_topic, misfit, tmp_path
):
    wanted, records = written
    other, plain = new_topic(), topics.unique("plain")
    cluster.create_topic(plain, 2)
    raw.append(other.name, 1, [b"of a topic that does not match"])
    pattern = f"^({'|'.join(wanted)})$".replace(".", "\\.")
    group = f"listing-{name}"
    member = PatternMember(programs[name], envoy.bootstrap, pattern, group, tmp_path / "stderr")
    try:

        def listed() -> bool:
            member.assert_alive()
            return member.has_listed

        wait_until("the list of topics", listed, 30)
        assert {*wanted, other.name, plain} <= set(member.topics) and len(set(member.topics)) == len(member.topics)
        wait_until(f"records ({member.errors()})", lambda: len(set(member.delivered)) >= len(records), 30)
        member.stop()
        assert set(member.delivered) == records
    finally:
        member.kill()
    if name == "sarama":
        offsets = groups.fetch(raw, group, {topic: list(range(20)) for topic in wanted})
        assert {o.metadata for o in offsets.values()} == {BINARY_METADATA_AS_READ}
        assert all(o.offset > 0 for o in offsets.values())


def call(raw, version: int, body: bytes) -> dict:
    return raw.receive(apis.METADATA, version, raw.send_body(apis.METADATA, version, body))


@pytest.mark.parametrize("version", range(9, 14))
def test_librdkafkas_bytes_too_many_are_no_harm(version, raw, new_topic):
    """librdkafka 2.2 to 2.16 asks for all topics so: no topics, three booleans, no tags, and bytes
    that it forgot to take off."""
    topic = new_topic()
    booleans = b"\0" * (3 if version <= 10 else 2)
    found = call(raw, version, b"\0" + booleans + b"\0" + b"\1\0\0")
    (listed,) = [t for t in found["topics"] if t["name"] == topic.name]
    assert (listed["error_code"], len(listed["partitions"])) == (0, topic.virtual)
    as_sent = call(raw, version, bytes.fromhex("00000000010000"))
    assert as_sent["topics"] == found["topics"]
