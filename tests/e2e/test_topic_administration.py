"""Topics that are created, resized and deleted through Envoy: clients count virtual partitions, and the
cluster has physical ones. And topics that are deleted and made again around Envoy, under producers' feet."""

import contextlib
import subprocess
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from tests.harness import batch, topics
from tests.harness.apis import CREATE_PARTITIONS, CREATE_TOPICS, DELETE_TOPICS
from tests.harness.envoy import Envoy
from tests.harness.kafka import KafkaCluster, run_tool
from tests.harness.process import wait_until
from tests.harness.raw import Raw

pytestmark = pytest.mark.remap
OK, UNKNOWN_TOPIC, EXISTS, INVALID_PARTITIONS, INVALID_ASSIGNMENT, INVALID_CONFIG, INVALID_REQUEST, POLICY = 0, 3, 36, 37, 39, 40, 42, 44
V, P = topics.MODULO.virtual, topics.MODULO.physical
TOPICS = "org.apache.kafka.tools.TopicCommand"
NUM_PARTITIONS = 1
"""Kafka's own default, which the tests' brokers have."""


def mapped() -> str:
    return topics.unique(topics.MODULO.name)


def on_cluster(cluster: KafkaCluster) -> dict[str, int]:
    """Topic → its partitions on the cluster."""
    return {name: len(t.partitions) for name, t in cluster.admin.list_topics(timeout=10).topics.items()}


def seen(envoy: Envoy, topic: str) -> int:
    """How many partitions clients of Envoy see."""
    with Raw(envoy.port(1)) as raw:
        (found,) = raw.metadata([topic])["topics"]
        return len(found["partitions"])


def creatable(name: str, partitions: int, **more) -> dict:
    return {"name": name, "num_partitions": partitions, "replication_factor": 1, **more}


@pytest.mark.parametrize("version", range(2, 8))
def test_each_version_creates_p_where_v_is_asked_for(version, cluster, envoy):
    fits, default, dry, few, other, odd, twice = (mapped() for _ in range(7))
    unmapped = topics.unique("unmapped")
    assigned = {"replication_factor": -1, "assignments": [{"index": v, "broker_ids": [1]} for v in range(V)]}
    throttled = {"configs": [{"name": "leader.replication.throttled.replicas", "value": "0:1"}]}
    asked = [
        creatable(fits, V), creatable(few, P), creatable(unmapped, 3), creatable(default, -1), creatable(other, -1, **assigned),
        creatable(odd, V, **throttled), creatable(twice, V), creatable(twice, V),
    ]  # fmt: skip
    with Raw(envoy.port(1)) as raw:
        answer = raw.call(CREATE_TOPICS, version, {"topics": asked, "timeout_ms": 30000})["topics"]
        told = {t["name"]: t for t in answer}
        again = raw.call(CREATE_TOPICS, version, {"topics": [creatable(fits, 3)], "timeout_ms": 30000})["topics"]
        body = {"topics": [creatable(dry, V)], "timeout_ms": 30000, "validate_only": True}
        (validated,) = raw.call(CREATE_TOPICS, version, body)["topics"]
    assert [t["name"] for t in answer] == [fits, few, unmapped, default, other, odd, twice], "in the client's order"
    assert {name: t["error_code"] for name, t in told.items()} == {
        fits: OK, few: INVALID_PARTITIONS, unmapped: OK, default: OK, other: INVALID_ASSIGNMENT, odd: INVALID_CONFIG, twice: INVALID_REQUEST,
    }  # fmt: skip
    for words in [few, str(V), str(P), f"ask for {V}"]:
        assert words in told[few]["error_message"]
    if version >= 5:
        assert {name: told[name]["num_partitions"] for name in (fits, default, unmapped)} == {fits: V, default: V, unmapped: 3}
        assert any(c["name"] == "retention.ms" for c in told[fits]["configs"])
    assert [t["error_code"] for t in again] == [EXISTS], "as Kafka says it, whatever the count"
    assert validated["error_code"] == OK
    wait_until("the topics", lambda: {fits, default, unmapped} <= on_cluster(cluster).keys(), 20)
    found = on_cluster(cluster)
    assert {name: found[name] for name in (fits, default, unmapped)} == {fits: P, default: P, unmapped: 3}
    assert not {dry, few, other, odd, twice} & found.keys()
    assert seen(envoy, fits) == seen(envoy, default) == V


@pytest.mark.parametrize("version", range(4))
def test_each_version_keeps_the_partitions_of_mapped_topics(version, cluster, envoy, new_topic):
    topic, unmapped, absent = new_topic().name, topics.unique("unmapped"), mapped()
    cluster.create_topic(unmapped, 2)
    grown = [{"name": name, "count": count, "assignments": None} for name, count in [(topic, 2 * V), (unmapped, 4), (absent, 2 * V)]]
    with Raw(envoy.port(1)) as raw:
        results = raw.call(CREATE_PARTITIONS, version, {"topics": grown, "timeout_ms": 30000})["results"]
    told = {r["name"]: r for r in results}
    assert {name: r["error_code"] for name, r in told.items()} == {topic: POLICY, unmapped: OK, absent: UNKNOWN_TOPIC}
    assert f"raise virtual_partitions, to a multiple of {P}" in told[topic]["error_message"]
    wait_until("more partitions", lambda: on_cluster(cluster)[unmapped] == 4, 20)
    assert on_cluster(cluster)[topic] == P


@pytest.mark.parametrize("version", range(1, 7))
def test_each_version_deletes(version, cluster, envoy, new_topic):
    by_name, by_id, absent = new_topic().name, new_topic().name, mapped()
    with Raw(envoy.port(1)) as raw:
        ids = {t["name"]: t["topic_id"] for t in raw.metadata([by_name, by_id], 10)["topics"]}
        if version < 6:
            body = {"topic_names": [by_name, by_id, absent]}
        else:
            nobody = bytes(16)
            named = [{"name": name, "topic_id": nobody} for name in (by_name, absent)]
            body = {"topics": [*named, {"name": None, "topic_id": ids[by_id]}]}
        told = raw.call(DELETE_TOPICS, version, {**body, "timeout_ms": 30000})["responses"]
    assert {r["name"]: r["error_code"] for r in told} == {by_name: OK, by_id: OK, absent: UNKNOWN_TOPIC}
    wait_until("the topics gone", lambda: not {by_name, by_id} & on_cluster(cluster).keys(), 20)


@pytest.mark.parametrize("partitions, made", [(V, P), (-1, P), (P, None), (V + 1, None)])
def test_librdkafkas_admin_creates_and_says_why_not(partitions, made, cluster, envoy):
    name, admin = mapped(), AdminClient({"bootstrap.servers": envoy.bootstrap})
    created = admin.create_topics([NewTopic(name, partitions, 1)])[name]
    if made:
        created.result(30)
        wait_until("the topic", lambda: on_cluster(cluster).get(name) == made, 20)
        assert seen(envoy, name) == V
        return
    with pytest.raises(KafkaException) as failure:
        created.result(30)
    assert failure.value.args[0].code() == KafkaError.INVALID_PARTITIONS
    assert f"{V} virtual partitions on {P} physical ones, and {partitions} were asked for" in failure.value.args[0].str()
    assert name not in on_cluster(cluster)


def test_librdkafkas_admin_resizes_no_mapped_topic_and_deletes_it(cluster, envoy, new_topic):
    name, admin = new_topic().name, AdminClient({"bootstrap.servers": envoy.bootstrap})
    with pytest.raises(KafkaException, match="raise virtual_partitions"):
        admin.create_partitions([NewPartitions(name, 2 * V)])[name].result(30)
    assert on_cluster(cluster)[name] == P
    admin.delete_topics([name])[name].result(30)
    wait_until("the topic gone", lambda: name not in on_cluster(cluster), 20)


def kafka_topics(envoy: Envoy, *arguments: object) -> tuple[int, str]:
    done = run_tool(TOPICS, "--bootstrap-server", envoy.bootstrap, *arguments)
    return done.returncode, done.stdout + done.stderr


def test_kafka_topics_creates_describes_and_deletes(cluster, envoy):
    counted, default, wrong = mapped(), mapped(), mapped()
    code, said = kafka_topics(envoy, "--create", "--topic", counted, "--partitions", V)
    assert (code, f"Created topic {counted}" in said) == (0, True), said
    code, said = kafka_topics(envoy, "--create", "--topic", default)
    assert code == 0, said
    code, said = kafka_topics(envoy, "--create", "--topic", wrong, "--partitions", P)
    assert code != 0 and f"{V} virtual partitions on {P} physical ones, and {P} were asked for" in said, said
    code, said = kafka_topics(envoy, "--create", "--topic", counted, "--partitions", 3, "--if-not-exists")
    assert code == 0, said
    code, said = kafka_topics(envoy, "--create", "--topic", wrong, "--replica-assignment", ",".join(["1"] * V))
    assert code != 0 and "replicas cannot be assigned" in said, said
    code, said = kafka_topics(envoy, "--describe", "--topic", counted)
    assert f"PartitionCount: {V}" in said, said
    code, said = kafka_topics(envoy, "--alter", "--topic", counted, "--partitions", 2 * V)
    assert code != 0 and "raise virtual_partitions" in said, said
    found = on_cluster(cluster)
    assert (found[counted], found[default], wrong in found) == (P, P, False)
    code, said = kafka_topics(envoy, "--delete", "--topic", counted)
    assert code == 0, said
    wait_until("the topic gone", lambda: counted not in on_cluster(cluster), 20)


def make_again(cluster: KafkaCluster, topic: str, partitions: int) -> None:
    """Around Envoy."""
    cluster.delete_topic(topic)
    cluster.create_topic(topic, partitions)


@pytest.mark.parametrize("partitions", [P - 1, P + 1])
def test_nothing_is_stored_in_a_topic_that_was_made_again_with_other_partitions(partitions, cluster, envoy, new_topic):
    """By a client that asks for no metadata, and so for a topic that Envoy takes for the old one."""
    topic = new_topic().name
    with Raw(envoy.port(1)) as raw:
        raw.announce("test")
        each = {v: batch.build([b"x"]) for v in range(V)}
        assert {a["error_code"] for a in raw.produce(topic, each).values()} == {OK}
        make_again(cluster, topic, partitions)
        for _ in range(3):
            assert {a["error_code"] for a in raw.produce(topic, each).values()} == {UNKNOWN_TOPIC}
        assert set(cluster.end_offsets(topic, partitions)) == {0}
        make_again(cluster, topic, P)
        wait_until("the topic", lambda: {a["error_code"] for a in raw.produce(topic, each).values()} == {OK}, 20, every=0.1)
        assert [value for _, value in raw.read_all(topic, V - 1)][:1] == [b"x"]


def test_a_client_that_asks_for_no_versions_stores_nothing_there_after_ten_seconds(cluster, envoy, new_topic):
    """Such a client's requests go by the topic's name."""
    topic = new_topic().name
    with Raw(envoy.port(1)) as raw:
        assert raw.produce(topic, {7: batch.build([b"x"])})[7]["error_code"] == OK
        make_again(cluster, topic, P + 1)
        time.sleep(10.5)
        assert raw.produce(topic, {7: batch.build([b"x"])})[7]["error_code"] == UNKNOWN_TOPIC
        assert set(cluster.end_offsets(topic, P + 1)) == {0}


@contextlib.contextmanager
def producing(program, envoy: Envoy, topic: str) -> Iterator[subprocess.Popen]:
    """A library's producer that goes on: a record for each partition every 50 ms."""
    command = [*program.argv, "produce", envoy.bootstrap, topic, V, 600, "none", 0, "run", 50]
    producer = subprocess.Popen([str(a) for a in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said = [producer.stdout.readline() for _ in range(3 * V)]
        assert all(line.startswith("A ") for line in said), said
        yield producer
    finally:
        producer.kill()
        producer.wait()


@pytest.mark.parametrize("name", ["java", "librdkafka", "franz-go"])
def test_no_librarys_record_lands_in_another_partition_of_a_topic_that_was_made_again(name, programs, cluster, envoy, new_topic):
    topic = new_topic().name
    with producing(programs[name], envoy, topic):
        make_again(cluster, topic, P + 1)
        time.sleep(3)
        assert set(cluster.end_offsets(topic, P + 1)) == {0}
    topic = new_topic().name
    with producing(programs[name], envoy, topic), Raw(envoy.port(1)) as raw:
        make_again(cluster, topic, P)
        # What a library does that was told of a topic without a partition is its own business.
        with contextlib.suppress(AssertionError):
            wait_until("records in the new topic", lambda: min(cluster.end_offsets(topic, P)) > V, 15)
        for v in range(V):
            assert all(value.decode().startswith(f"run-{v}-") for _, value in raw.read_all(topic, v))
