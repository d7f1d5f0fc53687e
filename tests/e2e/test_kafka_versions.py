"""Brokers of other versions than the one of all other tests, and of that one, behind the same filter: a cut
through records, groups, administration and what is offered; and Kafka's verifiable programs of the broker's own
version."""

import json
import subprocess

import pytest
from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.harness import apis, topics
from tests.harness.api_table import TABLE
from tests.harness.clients import Consumer, Record, produce
from tests.harness.envoy import Envoy
from tests.harness.group_members import Group
from tests.harness.kafka import KafkaCluster, other_versions, run_tool
from tests.harness.process import wait_until
from tests.harness.raw import LATEST, Raw
from tests.harness.raw_sasl import log_in

pytestmark = pytest.mark.remap
CODECS = ("none", "zstd")
LIBRARIES = {"java": "cooperative-sticky", "librdkafka": "range"}
"""Each with an assignor."""
LOGIN = {
    "sasl": {"mechanisms": ["PLAIN"], "users": [{"username": "alice", "password": "of alice"}]},
    "upstream": {"sasl": {"mechanism": "PLAIN", "username": "gateway", "password": "of the gateway"}},
}
SOME = (0, 6, 13, 19)
"""What one consumer reads alone, one after the other."""


@pytest.fixture(scope="module", params=[None, *other_versions()], ids=lambda version: version or "default")
def cluster(request, tmp_path_factory):
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    settings = {
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl.plain.sasl.jaas.config": f'{module} required user_gateway="of the gateway";',
    }
    listeners = {"SASL": "SASL_PLAINTEXT"}
    with KafkaCluster(tmp_path_factory.mktemp("kafka"), version=request.param, overrides=settings, listeners=listeners) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def shared_envoy(tmp_path_factory, cluster):
    with Envoy(tmp_path_factory.mktemp("envoy"), cluster, topics.MAPPING) as envoy:
        yield envoy


def test_what_is_offered_is_what_broker_and_table_have_in_common(raw, direct):
    ours, brokers, wanted = offered(raw), offered(direct), {}
    for line in TABLE.values():
        first, last = brokers.get(line.key, (0, -1))
        common = range(max(first, line.versions.start), min(last + 1, line.versions.stop))
        if line.is_offered and common:
            wanted[line.key] = (common.start, common.stop - 1)
    assert ours == wanted


def offered(raw: Raw) -> dict[int, tuple[int, int]]:
    body = {"client_software_name": "raw", "client_software_version": "1"}
    return {a["key"]: (a["min"], a["max"]) for a in raw.call(apis.API_VERSIONS, 3, body)["api_keys"]}


def test_records_by_hand(raw, direct, new_topic):
    """Each virtual partition has its own, idempotent ones among them."""
    topic = new_topic()
    producer, epoch = raw.init_producer_id()
    written = {v: [] for v in range(topic.virtual)}
    for sequence in range(3):
        for v in written:
            values = [b"%d-%d" % (v, sequence)]
            written[v] += [(raw.append(topic.name, v, values), values[0])]
            values = [b"%d-%d-idempotent" % (v, sequence)]
            written[v] += [(raw.append(topic.name, v, values, producer=(producer, epoch, sequence)), values[0])]
    for v in written:
        assert raw.read_all(topic.name, v) == written[v]
    for p in range(topic.family.physical):
        stored = [r for v, records in written.items() if topic.physical_of(v) == p for r in records]
        assert direct.read_all(topic.name, p) == sorted(stored)


@pytest.mark.parametrize("name", LIBRARIES)
def test_records_of_libraries(name, programs, envoy, raw, new_topic, tmp_path):
    topic = new_topic()
    written = {v: [] for v in range(topic.virtual)}
    for codec in CODECS:
        acks = produce(programs[name], envoy.bootstrap, topic.name, topic.virtual, 20, codec, codec != "none", f"{name}.{codec}")
        for v, records in acks.items():
            written[v] += records
    with Consumer(programs[name], envoy.bootstrap, topic.name, SOME[0], tmp_path / "stderr") as consumer:
        for v in SOME:
            if v != SOME[0]:
                consumer.assign(topic.name, v)
            consumer.expect(written[v])
            consumer.expect_position(raw.list_offset(topic.name, v, LATEST))


@pytest.mark.parametrize("name", LIBRARIES)
def test_groups_go_on_where_they_were(name, programs, envoy, raw, new_topic, tmp_path):
    topic = new_topic()
    with Group(programs[name], envoy.bootstrap, topic.name, topics.unique(name), LIBRARIES[name], tmp_path) as group:
        for run in range(2):
            group.start(2)
            values = {v: f"{run}-{v}" for v in range(topic.virtual)}
            wanted = {(v, Record(raw.append(topic.name, v, [value.encode()]), value)) for v, value in values.items()}
            group.wait_for(wanted)
            group.stop()
            delivered = [record for member in group.members[-2:] for record in member.delivered]
            assert sorted(delivered) == sorted(wanted)


def test_administration(envoy, raw, cluster):
    topic = topics.Topic(topics.MODULO, topics.unique(topics.MODULO.name))
    admin = AdminClient({"bootstrap.servers": envoy.bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(topic.name, topic.virtual, 1)])[topic.name].result(30)
    cluster.wait_for_leaders(topic.name, topic.family.physical)
    assert len(admin.list_topics(topic.name, timeout=10).topics[topic.name].partitions) == topic.virtual
    assert len(cluster.admin.list_topics(topic.name, timeout=10).topics[topic.name].partitions) == topic.family.physical
    for v in range(topic.virtual):
        raw.append(topic.name, v, [b"old"])
    wanted = [TopicPartition(topic.name, v, OFFSET_END) for v in range(topic.virtual)]
    for deleted in admin.delete_records(wanted).values():
        deleted.result(30)
    assert raw.append(topic.name, 7, [b"new"]) == topic.virtual // topic.family.physical
    assert raw.read_all(topic.name, 7) == [(5, b"new")]
    assert all(raw.read_all(topic.name, v) == [] for v in range(topic.virtual) if v != 7)
    admin.delete_topics([topic.name])[topic.name].result(30)


def test_the_first_login_of_all(cluster, direct, tmp_path):
    """The filter cannot ask a broker before it has logged in, and so guesses what the first client may use: all
    of it, with a broker that has it; else the client is sent away with words, and the next one is told right."""
    brokers = offered(direct)
    older = brokers[apis.METADATA.key][1] < TABLE[apis.METADATA.key].versions.stop - 1
    with Envoy(tmp_path, cluster, {**topics.MAPPING, **LOGIN}, listener="SASL") as envoy:
        for first in (True, False):
            with Raw(envoy.base) as raw:
                version = offered(raw)[apis.METADATA.key][1]
                log_in(raw, "PLAIN", "alice", "of alice")
                if first and older:
                    with pytest.raises(ConnectionError):
                        raw.metadata(None, version)
                else:
                    assert raw.metadata(None, version)["brokers"]
                    assert raw.metadata(None, version)["brokers"]
        assert envoy.stat("kafka_remapper_reconnects_total", reason="versions") == older
        low, high = brokers[apis.METADATA.key]
        words = f"a client uses Metadata version {version + 1}, as it was told before the broker could be asked; the broker offers {low} to {high}"
        wait_until("the line in the log", lambda: (words in envoy.log.read_text()) == older, 5)


def test_kafkas_verifiable_programs(envoy, cluster, new_topic):
    topic, count = new_topic(), 500

    def tool(name: str, *arguments: object) -> list[dict]:
        common = ("--bootstrap-server", envoy.bootstrap, "--topic", topic.name, "--max-messages", count)
        done = run_tool(f"org.apache.kafka.tools.{name}", *common, *arguments, version=cluster.version)
        assert done.returncode == 0, said(done)
        return [json.loads(line) for line in done.stdout.splitlines()]

    written = [e for e in tool("VerifiableProducer", "--acks", -1, "--repeating-keys", 100) if e["name"] == "producer_send_success"]
    assert len(written) == count and {e["partition"] for e in written} == set(range(topic.virtual))
    read = tool("VerifiableConsumer", "--group-id", topics.unique("verifiable"), "--reset-policy", "earliest", "--verbose")
    assert sorted(place(e) for e in read if e["name"] == "record_data") == sorted(map(place, written))
    committed = [e for e in read if e["name"] == "offsets_committed"]
    assert committed and all(e["success"] for e in committed)


def place(event: dict) -> tuple:
    return event["partition"], event["offset"], event["value"]


def said(done: subprocess.CompletedProcess) -> str:
    return done.stdout + done.stderr
