"""Topics that do not exist, or have another number of partitions than their mapping says: nothing is
created, written or read where virtual partition numbers would be a guess, and nobody is stopped by a
topic that it does not use."""

import subprocess
from dataclasses import replace

import pytest

from tests.harness import batch, clients, topics
from tests.harness.apis import METADATA, PRODUCE
from tests.harness.envoy import Envoy
from tests.harness.fixtures import cluster_fixture, envoy_fixture
from tests.harness.groups import Offset, commit
from tests.harness.kafka import KafkaCluster, run_tool
from tests.harness.process import wait_until
from tests.harness.raw import LATEST, Raw, partitions_of, produce_body

pytestmark = pytest.mark.remap
UNKNOWN_TOPIC, INVALID_TOPIC = 3, 17
TOPICS = "org.apache.kafka.tools.TopicCommand"


# A cluster that creates topics that somebody asks for, as Kafka does by default.
creating = cluster_fixture(overrides={"auto.create.topics.enable": "true", "num.partitions": "3"})
gateway = envoy_fixture(before="creating")


def partitions(cluster: KafkaCluster) -> dict[str, int]:
    """Topic → its partitions on the cluster."""
    return {name: len(t.partitions) for name, t in cluster.admin.list_topics(timeout=10).topics.items()}


@pytest.mark.parametrize("version", range(14))
def test_only_unmapped_topics_are_created_by_asking_for_them(version, creating, gateway):
    mapped, unmapped = topics.unique(topics.MODULO.name), topics.unique("unmapped")
    creating.create_topic(there := topics.unique(topics.MODULO.name), topics.MODULO.physical)
    names = [mapped, unmapped, there]

    def ask() -> dict:
        named = [{"name": name} for name in names]
        with Raw(gateway.port(1)) as raw:
            return raw.call(METADATA, version, {"topics": named, "allow_auto_topic_creation": True})

    wait_until("the unmapped topic", lambda: [t["error_code"] for t in ask()["topics"]] == [UNKNOWN_TOPIC, 0, 0], 20)
    answer = ask()
    assert [t["name"] for t in answer["topics"]] == names
    assert [len(t["partitions"]) for t in answer["topics"]] == [0, 3, topics.MODULO.virtual]
    assert [b["port"] for b in answer["brokers"]] == [gateway.port(1)]
    found = partitions(creating)
    assert mapped not in found
    assert found[unmapped] == 3
    assert f"topic {mapped} is mapped and does not exist" in gateway.log.read_text()


@pytest.mark.parametrize("name", ["java", "librdkafka", "sarama"])
def test_libraries_create_no_mapped_topic_and_go_on_with_others(name, programs, creating, gateway):
    mapped, unmapped = topics.unique(topics.MODULO.name), topics.unique("unmapped")
    command = [*programs[name].argv, "produce", gateway.bootstrap, mapped, 1, 1, "none", 0, "run"]
    with pytest.raises(subprocess.TimeoutExpired):
        done = subprocess.run([str(a) for a in command], capture_output=True, text=True, timeout=8)
        assert "E " in done.stdout or done.returncode, done
        raise subprocess.TimeoutExpired(command, 8)
    clients.produce(programs[name], gateway.bootstrap, unmapped, 3, 2, "none", False, "run")
    found = partitions(creating)
    assert mapped not in found
    assert found[unmapped] == 3


def mapping(physical: int) -> dict:
    return {"stat_prefix": topics.STAT_PREFIX, "mapping": {"topics": [replace(topics.MODULO, physical=physical).entry()]}}


@pytest.fixture
def slipped(tmp_path, cluster):
    """slipped(P) starts an Envoy that was started with `P` physical partitions for the
    topics of MODULO, which have 4."""
    started = []

    def start(physical: int) -> Envoy:
        started.append(Envoy(tmp_path / f"slipped-{physical}", cluster, mapping(physical)))
        return started[-1]

    yield start
    for envoy in started:
        envoy.stop()


@pytest.mark.parametrize("physical", [2, 5])
def test_nothing_is_written_or_read_while_the_mapping_does_not_fit(physical, slipped, cluster, raw, new_topic):
    """Tried by a client that asks for no metadata: it had them before Envoy was
    restarted with an operator's slip."""
    topic = new_topic()
    for v in range(topic.virtual):
        raw.append(topic.name, v, [b"before"])
    ends = cluster.end_offsets(topic.name, topic.family.physical)
    envoy = slipped(physical)
    with Raw(envoy.port(1)) as client:
        answers = client.produce(topic.name, {v: batch.build([b"x"]) for v in range(topic.virtual)})
        assert {a["error_code"] for a in answers.values()} == {UNKNOWN_TOPIC}
        fetched = partitions_of(client.fetch(topic.name, dict.fromkeys(range(topic.virtual), 0)))
        assert {(a["error_code"], a["records"] or b"") for a in fetched.values()} == {(UNKNOWN_TOPIC, b"")}
        listed = client.list_offsets(topic.name, dict.fromkeys(range(topic.virtual), LATEST))
        assert {a["error_code"] for a in listed.values()} == {UNKNOWN_TOPIC}
        offsets = {(topic.name, v): Offset(7) for v in range(topic.virtual)}
        assert set(commit(client, topic.name, offsets).values()) == {UNKNOWN_TOPIC}
        with pytest.raises(ConnectionError):  # without acknowledgement there is no other way to refuse
            client.send(PRODUCE, 9, produce_body(topic.name, {7: batch.build([b"x"])}, 0))
            client.metadata([])
    assert envoy.stat("kafka_remapper_upstream_requests_total", api="Metadata") == 2, "who is who, and the topic once"
    assert envoy.stat("kafka_remapper_topic_mismatch_total") >= 5
    assert cluster.end_offsets(topic.name, topic.family.physical) == ends
    assert [value for _, value in raw.read_all(topic.name, 7)] == [b"before"]


@pytest.mark.parametrize("name", ["java", "librdkafka"])
def test_libraries_say_what_is_wrong_when_envoy_comes_back_with_a_mapping_that_does_not_fit(name, programs, tmp_path, cluster, new_topic):
    topic = new_topic()
    with Envoy(tmp_path / "envoy", cluster, topics.MAPPING) as envoy:
        command = [*programs[name].argv, "produce", envoy.bootstrap, topic.name, topic.virtual, 1000, "none", 0, "run", 100]
        producer = subprocess.Popen([str(a) for a in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            said = [producer.stdout.readline() for _ in range(40)]
            assert all(line.startswith("A ") for line in said), said
            envoy.restart_with(mapping(2))
            ends = cluster.end_offsets(topic.name, topic.family.physical)
            says = ("E ", "INVALID_TOPIC", "Invalid topic", "Unknown topic")
            assert any(any(word in line for word in says) for line in producer.stdout)
            assert cluster.end_offsets(topic.name, topic.family.physical) == ends
        finally:
            producer.kill()
            producer.wait()


def test_a_misfit_stops_no_program_that_asks_for_all_topics(envoy, new_topic, misfit):
    """Kafka Connect asks so when it starts, and would throw for any topic that has an error."""
    topic = new_topic()
    described = run_tool(TOPICS, "--bootstrap-server", envoy.bootstrap, "--describe")
    assert described.returncode == 0, described.stderr
    assert described.stdout.count(f"Topic: {topic.name}\t") == topic.virtual + 1
    assert misfit not in described.stdout
    ends = run_tool("org.apache.kafka.tools.GetOffsetShell", "--bootstrap-server", envoy.bootstrap)
    assert ends.returncode == 0, ends.stderr
    assert sorted(line for line in ends.stdout.split() if line.startswith(f"{topic.name}:")) == sorted(
        f"{topic.name}:{v}:0" for v in range(topic.virtual)
    )


def test_a_misfit_is_refused_by_name(envoy, new_topic, misfit):
    new_topic()
    named = run_tool(TOPICS, "--bootstrap-server", envoy.bootstrap, "--describe", "--topic", misfit)
    assert named.returncode != 0
    with Raw(envoy.port(1)) as raw:
        assert [t["error_code"] for t in raw.metadata([misfit])["topics"]] == [INVALID_TOPIC]
        assert misfit not in [t["name"] for t in raw.metadata(None)["topics"]]
