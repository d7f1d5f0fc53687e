"""The admin clients of nine libraries on a mapped topic, through Envoy: each creates it with V partitions, finds
it with V, reads its settings, deletes records of all siblings, and deletes it."""

import pytest

from tests.harness import raw as raw_client
from tests.harness import topics
from tests.harness.admin import PROGRAMS, AdminProgram
from tests.harness.process import wait_until
from tests.harness.raw import Raw

pytestmark = pytest.mark.remap
CANNOT_DELETE_RECORDS = {"kafka-go"}
RETENTION_MS = "604800000"
CACHED_S = 30
"""franz-go and kafka-go keep what they have listed for some seconds."""


def topic_of(library: str) -> topics.Topic:
    return topics.Topic(topics.MODULO, topics.unique(f"{topics.MODULO.name}.{library}"))


@pytest.fixture(params=PROGRAMS)
def program(request, programs, envoy, tmp_path):
    with AdminProgram(request.param, envoy.bootstrap, tmp_path / "stderr") as program:
        yield program


def test_a_mapped_topic_from_its_creation_to_its_deletion(program, cluster, raw, direct):
    topic = topic_of(program.library)
    assert program.does("create", topic.name, topic.virtual) == str(topic.virtual)
    assert on_the_brokers(cluster, topic.name) == topic.family.physical
    assert topic.name in program.does("list").split()
    assert program.does("describe", topic.name) == str(topic.virtual)
    assert program.does("configs", topic.name) == RETENTION_MS
    if program.library not in CANNOT_DELETE_RECORDS:
        cluster.wait_for_leaders(topic.name, topic.family.physical)
        deletes_records_of_all_siblings(program, topic, raw, direct)
    program.does("delete", topic.name)
    wait_until("the topic is gone", lambda: on_the_brokers(cluster, topic.name) is None, 10)
    wait_until("no list has it", lambda: topic.name not in program.does("list").split(), CACHED_S)


def test_kafka_go_creates_and_deletes_by_older_versions(programs, envoy, cluster, tmp_path):
    topic = topic_of("kafka-go-conn")
    with AdminProgram("kafka-go", envoy.bootstrap, tmp_path / "stderr") as program:
        assert program.does("create-old", topic.name, topic.virtual) == str(topic.virtual)
        assert on_the_brokers(cluster, topic.name) == topic.family.physical
        program.does("delete-old", topic.name)
        wait_until("the topic is gone", lambda: on_the_brokers(cluster, topic.name) is None, 10)


def deletes_records_of_all_siblings(program: AdminProgram, topic: topics.Topic, raw: Raw, direct: Raw) -> None:
    siblings = [1, *topic.siblings_of(1)]
    for sibling in siblings:
        raw.append(topic.name, sibling, [b"a", b"b"])
    program.does("delete-records", topic.name, 3, ",".join(str(sibling) for sibling in siblings))
    assert direct.list_offset(topic.name, topic.physical_of(1), raw_client.EARLIEST) == 3
    assert raw.list_offset(topic.name, siblings[-1], raw_client.EARLIEST) == 3


def on_the_brokers(cluster, name: str) -> int | None:
    """The topic's partitions, told by the brokers around Envoy."""
    found = cluster.admin.list_topics(timeout=10).topics.get(name)
    return len(found.partitions) if found else None
