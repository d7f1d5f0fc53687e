"""MirrorMaker 2 with its defaults, both ways between a cluster behind Envoy, whose topics are mapped, and one that
has as many partitions as clients see: records, settings of topics and offsets of groups, each to the partition of
the same number. All topics on the other side, its own included, are MirrorMaker's to create."""

from dataclasses import dataclass

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import NewPartitions

from tests.harness import groups, topics
from tests.harness.connect import MirrorMaker, own_topics
from tests.harness.envoy import Envoy
from tests.harness.fixtures import cluster_fixture
from tests.harness.kafka import KafkaCluster
from tests.harness.raw import LATEST, Raw

PAIR = topics.Family("pair", 20, 4)
COPY = topics.Family("far\\.pair", 20, 4, layout="block", offset_encoding="lane")
MAPPING = {"virtual_partitions": PAIR.virtual, "physical_partitions": PAIR.physical, "topics": [COPY.entry(), *own_topics()]}
CONFIG = {"stat_prefix": "mirror", "mapping": MAPPING}
RECORDS = 3000
RETENTION = "123456789"
ONE_BROKER = {
    name: 1
    for name in (
        "replication.factor",
        "checkpoints.topic.replication.factor",
        "heartbeats.topic.replication.factor",
        "offset-syncs.topic.replication.factor",
        "offset.storage.replication.factor",
        "status.storage.replication.factor",
        "config.storage.replication.factor",
    )
}
SOON = {
    "refresh.topics.interval.seconds": 1,
    "refresh.groups.interval.seconds": 1,
    "sync.topic.configs.interval.seconds": 1,
    "emit.checkpoints.interval.seconds": 1,
    "sync.group.offsets.enabled": "true",
    "sync.group.offsets.interval.seconds": 1,
}

near = cluster_fixture()
far = cluster_fixture()


@pytest.fixture(scope="module")
def gateway(near, tmp_path_factory, passthrough):
    with Envoy(tmp_path_factory.mktemp("gateway"), near, CONFIG, "passthrough" if passthrough else "dynamic") as envoy:
        yield envoy


@dataclass
class Side:
    """A cluster, and how clients reach it."""

    name: str
    cluster: KafkaCluster
    raw: Raw
    partitions: int
    """That each topic has on the brokers."""


@dataclass
class Way:
    """A topic that is mirrored, and a group that has read it."""

    source: Side
    target: Side
    topic: str
    group: str
    written: int = 0
    """How many records have been written to the topic."""

    def mirrored(self) -> str:
        return f"{self.source.name}.{self.topic}"

    def begin(self) -> None:
        """Records in every partition, which the group has read to the end."""
        self.write(RECORDS)
        self.commit()
        self.source.cluster.set_topic_config(self.topic, {"retention.ms": RETENTION})

    def commit(self) -> None:
        """The group has read everything."""
        ends = {(self.topic, v): groups.Offset(self.source.raw.list_offset(self.topic, v, LATEST)) for v in range(PAIR.virtual)}
        groups.wait_for_coordinator(self.source.raw, self.group)
        errors = groups.commit(self.source.raw, self.group, ends)
        assert set(errors.values()) == {0}, errors

    def write(self, count: int) -> None:
        numbers = range(self.written, self.written + count)
        self.source.raw.append_each(self.topic, [(i % PAIR.virtual, [self._value(i)]) for i in numbers])
        self.written += count

    def _value(self, i: int) -> bytes:
        return f"{self.source.name}-{i}".encode()

    def stored(self, v: int) -> list[tuple[int, bytes]]:
        return self.target.raw.read_all(self.mirrored(), v)

    def wanted(self, v: int) -> list[bytes]:
        return [self._value(i) for i in range(v, self.written, PAIR.virtual)]

    def has_arrived(self) -> bool:
        try:
            return sum(self.target.cluster.end_offsets(self.mirrored(), self.target.partitions)) >= self.written
        except KafkaException:  # it does not exist yet, or nobody leads it
            return False

    def has_settings(self) -> bool:
        return self.target.cluster.topic_config(self.mirrored())["retention.ms"] == RETENTION

    def offsets(self) -> dict[int, int]:
        """What the group has committed on the other side, by partition."""
        found = groups.fetch(self.target.raw, self.group, None)
        return {v: o.offset for (topic, v), o in found.items() if topic == self.mirrored()}

    def goes_on_well(self) -> bool:
        """The group's offsets are there, and none lies behind records that the group has not seen: all it had were
        there when they were committed. That none lies before the first record is what makes them worth having."""
        offsets = self.offsets()
        if len(offsets) < PAIR.virtual:
            return False
        for v, offset in offsets.items():
            records = [o for o, _ in self.stored(v)]
            assert offset <= records[-1] + 1, (v, offset, records[-1])
            if offset <= records[0]:
                return False
        return True


@pytest.fixture
def ways(near, far, gateway, passthrough):
    count = PAIR.virtual if passthrough else PAIR.physical
    near.create_topic("pair.near", count)
    far.create_topic("pair.far", PAIR.virtual)
    with Raw(gateway.port(1)) as through, Raw(far.ports[1]) as direct:
        for connection in (through, direct):
            connection.announce("apache-kafka-java")
        here, there = Side("near", near, through, count), Side("far", far, direct, PAIR.virtual)
        yield Way(here, there, "pair.near", "readers-near"), Way(there, here, "pair.far", "readers-far")


def test_both_ways(gateway, near, far, ways, tmp_path, passthrough):
    for way in ways:
        way.begin()
    settings = {**ONE_BROKER, **SOON, "near->far.enabled": "true", "far->near.enabled": "true"}
    clusters = {"near": gateway.bootstrap, "far": far.bootstrap}
    with MirrorMaker(tmp_path, "first", clusters, settings) as mirror:
        for way in ways:
            mirror.wait_until(f"all records of {way.topic}", way.has_arrived, 90)
            # MirrorMaker translates what is committed while its tasks run; of former offsets, what their
            # start allows.
            way.write(2 * PAIR.virtual)
            way.commit()
            mirror.wait_until(f"more records of {way.topic}", way.has_arrived)
            mirror.wait_until(f"settings of {way.mirrored()}", way.has_settings)
            mirror.wait_until(f"offsets of {way.group}", way.goes_on_well)
        mirror.wait_until("heartbeats", lambda: beats(near, "far") and beats(far, "near"))
        mirror.stop(60)
    for way in ways:
        way.write(PAIR.virtual)
    with MirrorMaker(tmp_path, "second", clusters, settings) as mirror:
        for way in ways:
            mirror.wait_until(f"new records of {way.topic}", way.has_arrived, 90)
    for way in ways:
        for v in range(PAIR.virtual):
            assert [value for _, value in way.stored(v)] == way.wanted(v)
    assert partitions(near, "far.pair.far") == (PAIR.virtual if passthrough else PAIR.physical)
    gateway.assert_well()


@pytest.mark.remap
def test_another_number_of_partitions_is_refused_in_words(gateway, near, far, tmp_path):
    """Where the mapping says 20, and the other cluster's topic has 7; other topics go on. One that grows beyond 20 is
    refused as well."""
    for name, count in (("pair.seven", 7), ("pair.other", 20)):
        far.create_topic(name, count)
    settings = {**ONE_BROKER, **SOON, "far->near.enabled": "true", "near->far.enabled": "false", "topics": "pair.seven, pair.other"}
    words = "topic far.pair.seven is mapped by the partition remapper: clients see 20 virtual partitions on 4 physical ones, and 7 were"
    with MirrorMaker(tmp_path, "refused", {"near": gateway.bootstrap, "far": far.bootstrap}, settings) as mirror:
        mirror.wait_until("the refusal", lambda: mirror.says(words))
        mirror.wait_until("the other topic", lambda: partitions(near, "far.pair.other") == PAIR.physical)
        admin = far.admin
        admin.create_partitions([NewPartitions("pair.other", 24)])["pair.other"].result(30)
        mirror.wait_until("what the growth meets", lambda: mirror.says("Could not create topic-partitions for far.pair.other"))
        mirror.wait_until("its words", lambda: mirror.says("in the block layout, in which neither number can change"))
    assert partitions(near, "far.pair.seven") is None


def partitions(cluster: KafkaCluster, topic: str) -> int | None:
    """On the brokers; None for a topic that does not exist."""
    found = cluster.admin.list_topics(timeout=10).topics
    return len(found[topic].partitions) if topic in found else None


def beats(cluster: KafkaCluster, other: str) -> bool:
    """Whether heartbeats of the other cluster have come here."""
    name = f"{other}.heartbeats"
    return name in cluster.admin.list_topics(timeout=10).topics and sum(cluster.end_offsets(name, 1)) > 0
