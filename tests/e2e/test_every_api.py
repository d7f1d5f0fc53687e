"""Every API that Kafka's newest library knows, in the lowest and highest version that Envoy offers, coded by
Kafka's own classes: no answer names a broker's own address, a physical partition or a shadow group. What is
hidden ends its connection, and nothing else."""

import base64
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.harness import apis, topics
from tests.harness.api_table import TABLE
from tests.harness.every_request import CASES, Scene
from tests.harness.envoy import Envoy
from tests.harness.fixtures import cluster_fixture
from tests.harness.kafka import other_versions
from tests.harness.messages import EveryApi, Key, json_name, schemas
from tests.harness.process import wait_until
from tests.harness.raw import Raw

pytestmark = pytest.mark.remap
NEWEST = other_versions()[-1]
API_VERSIONS, UNSUPPORTED_VERSION = 18, 35
INDEXES = ("partitionIndex", "partition", "index", "partitions", "partitionIndexes", "partitionId", "numPartitions")
"""Where answers have numbers of partitions, or how many there are."""
OTHER_INDEXES = ("batchIndex",)
NOT_OFFERED = r'client "every-api"\] the client asks for \w+ version \d+ \(API key \d+\), which is not offered'
SHADOW = re.compile(r"~\d+~[A-Za-z0-9]{8}\b")

PLAIN_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"
CLUSTER_AUTHORIZATION_FAILED = "CLUSTER_AUTHORIZATION_FAILED"

cluster = cluster_fixture(
    version=NEWEST,
    listeners={"INSIDE": "PLAINTEXT", "SASL": "SASL_PLAINTEXT"},
    overrides={
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl.plain.sasl.jaas.config": f'{PLAIN_MODULE} required user_alice="alice-secret";',
    },
)


@pytest.fixture(scope="module")
def shared_envoy(tmp_path_factory, cluster):
    """Whose broker calls itself kafka-1.localhost, where Envoy reaches it."""
    config = {**topics.MAPPING, "upstream": {"shared_administration": True}}
    with Envoy(tmp_path_factory.mktemp("envoy"), cluster, config, listener="INSIDE") as envoy:
        yield envoy


@pytest.fixture(scope="module")
def program(programs, tmp_path_factory):
    with EveryApi(NEWEST, tmp_path_factory.mktemp("every-api") / "stderr") as program:
        yield program


@pytest.fixture(scope="module")
def offered(program, shared_envoy) -> dict[str, range]:
    """Name → versions, of what Envoy offers."""
    answer = program.call("scene", shared_envoy.port(1), API_VERSIONS, "ApiVersions", 0, {})["answer"]
    return {TABLE[api["apiKey"]].name: range(api["minVersion"], api["maxVersion"] + 1) for api in answer["apiKeys"]}


@pytest.fixture(scope="module")
def scene(program, shared_envoy, cluster, offered) -> Scene:
    def make_topic() -> topics.Topic:
        topic = topics.Topic(topics.MODULO, topics.unique(topics.MODULO.name))
        cluster.create_topic(topic.name, topic.family.physical)
        with Raw(shared_envoy.port(1)) as raw:
            producer, epoch = raw.init_producer_id()
            for v in range(topic.virtual):
                raw.append(topic.name, v, [b"value"], producer=(producer, epoch, 0))
        return topic

    keys = {line.name: line.key for line in TABLE.values()}
    return Scene(program, shared_envoy.port(1), make_topic, offered, keys)


def test_the_library_knows_no_other_keys_than_the_table(program):
    undecided = [key for key in program.keys() if key.key not in TABLE]
    assert not undecided, f"undecided: {undecided}. Give each a line in filter/core/src/apis.rs: Hide, if nobody has looked at it"
    assert [(key.key, key.name) for key in program.keys()] == [(line.key, line.name) for line in TABLE.values()]


def test_numbers_of_partitions_are_found_where_they_are(offered):
    """Were another field's name added to an answer, the tests below would not look at it."""
    unknown = set()
    for name in offered:
        fields = integers(schemas("Response", NEWEST)[name])
        unknown |= {field for field in fields if re.search("partition|index", field, re.I)}
    assert unknown <= {*INDEXES, *OTHER_INDEXES}


def integers(schema: dict) -> Iterator[str]:
    """Names of the fields that hold int32."""
    fields = [*schema["fields"], *schema.get("commonStructs", [])]
    while fields:
        field = fields.pop()
        fields += field.get("fields", [])
        if field.get("type") in ("int32", "[]int32"):
            yield json_name(field)


@pytest.mark.parametrize("line", [line for line in TABLE.values() if line.is_offered], ids=lambda line: line.name)
def test_no_answer_tells_what_clients_must_not_know(line, program, envoy, cluster, scene, offered):
    name = line.name
    assert name in CASES, f"give {name} a request in tests/harness/every_request.py"
    versions = offered.get(name, line.versions)  # Brokers answer some APIs that they do not list.
    everything, highest = list(range(scene.topic.virtual)), [scene.topic.virtual - 1]
    for version in sorted({versions[0], versions[-1]}):
        for scene.partitions in (everything, highest):
            case = CASES[name](scene, version)
            said = program.call(name, envoy.port(1), line.key, name, version, case.values)
            assert "answer" in said, f"{name} {version}: {said}"
            print(name, version, len(scene.partitions), said["errors"])
            assert sorted(said["errors"]) == sorted(case.errors), said
            named = scene.partitions if case.told is None else list(case.told)
            assert_tells_nothing(said["answer"], cluster, scene, named)


@pytest.fixture(scope="module")
def alice(tmp_path_factory, program, cluster):
    """How alice calls an API, who may do nothing at all, and logs in at the broker through Envoy."""
    with Envoy(tmp_path_factory.mktemp("alice"), cluster, topics.MAPPING, listener="SASL") as envoy:

        def call(name: str, version: int, values: dict) -> dict:
            """On a connection of its own: Envoy may end those from which it learns."""
            nonlocal calls
            calls += 1
            who = f"alice-{calls}"
            key = {line.name: line.key for line in TABLE.values()}
            token = base64.b64encode(b"\0alice\0alice-secret").decode()
            said = {}
            try:
                for login, body in (("SaslHandshake", {"mechanism": "PLAIN"}), ("SaslAuthenticate", {"authBytes": token})):
                    said = program.call(who, envoy.port(1), key[login], login, 1, body)
                    if "answer" not in said:
                        return said
                return program.call(who, envoy.port(1), key[name], name, version, values)
            finally:
                if "answer" in said:
                    program.close(who)

        calls = 0
        wait_until("the broker is known", lambda: "answer" in call("Metadata", 1, {"topics": []}))
        yield call


@pytest.mark.parametrize(
    "line", [line for line in TABLE.values() if line.is_offered and line.word != "SASL"], ids=lambda line: line.name
)
def test_nobody_without_rights_is_told_where_brokers_are(line, alice, cluster, scene, offered):
    """Brokers tell whom they deny a right on the cluster all that they hold of the request."""
    versions = offered.get(line.name, line.versions)
    for version in sorted({versions[0], versions[-1]}):
        scene.partitions = list(range(scene.topic.virtual))
        values = CASES[line.name](scene, version).values
        if line.name == "DescribeUserScramCredentials":
            # Of all users Kafka never answers whom it denies the right, without Envoy neither.
            values = {"users": [{"name": "somebody"}]}
        if line.name == "AlterPartitionReassignments":
            # Of a mapped topic that she may not see nothing gets as far as to the controller.
            values = {**values, "topics": [{**topic, "name": "unmapped"} for topic in values["topics"]]}
        said = alice(line.name, version, values)
        assert "answer" in said, f"{line.name} {version}: {said}"
        print(line.name, version, said["errors"])
        assert_names_no_broker(said["answer"], cluster)
        if line.name in OF_THE_CLUSTER:
            assert CLUSTER_AUTHORIZATION_FAILED in said["errors"], said


OF_THE_CLUSTER = (
    "DescribeAcls",
    "CreateAcls",
    "DeleteAcls",
    "ElectLeaders",
    "AlterPartitionReassignments",
    "ListPartitionReassignments",
    "AlterUserScramCredentials",
)
"""To whose requests brokers answer with a dump of them, wherever Envoy is not in between."""


def test_what_is_not_offered_ends_its_connection_and_nothing_else(program, envoy):
    """Every hidden API in each version that Kafka has, and of each that is offered, or answered with an error, the
    versions below and above: also the next that Kafka may bring."""
    refused = list(requests_not_offered(program))
    assert len(refused) > 120
    faults = envoy.stat("kafka_remapper_errors_total", blame="client")
    with Raw(envoy.port(1)) as neighbour:
        neighbour.metadata([])
        for key, version, shift in refused:
            said = program.call("refused", envoy.port(1), key.key, key.name, version, {}, shift)
            assert said == {"closed": True}, (key, version + shift)
        assert neighbour.metadata([])["brokers"]
    wait_until("all counted", lambda: envoy.stat("kafka_remapper_errors_total", blame="client") == faults + len(refused))
    assert re.search(NOT_OFFERED, envoy.log.read_text())


def requests_not_offered(program) -> Iterator[tuple[Key, int, int]]:
    """Each with the version that Kafka codes the request in, and what is to be added to the version in its
    header: Kafka does not code versions that are still to come."""
    answered = {line.name: line.versions for line in TABLE.values() if line.is_offered or line.word == "refused"}
    for key in program.keys():
        known = range(key.lowest, key.highest + 1)
        ours = answered.get(key.name, range(0))
        # An answer to ApiVersions in a version that is too new says which one is known.
        if key.key != API_VERSIONS:
            yield from ((key, version, 0) for version in known if version not in ours)
            yield from ((key, key.highest, 1) for _ in known[:1])


def test_api_versions_that_are_too_new_are_answered(envoy, program, offered):
    """In version 0, which every client knows, and with the versions that it may try next."""
    for version in (offered["ApiVersions"][-1] + 1, 100):
        with Raw(envoy.port(1)) as raw:
            correlation = raw.send_body(replace(apis.API_VERSIONS, flexible_from=0), version, b"\1\1\0")
            answer = raw.receive(apis.API_VERSIONS, 0, correlation)
        assert answer["error_code"] == UNSUPPORTED_VERSION
        (ours,) = [api for api in answer["api_keys"] if api["key"] == API_VERSIONS]
        assert ours["max"] == offered["ApiVersions"][-1]


def assert_tells_nothing(answer: dict, cluster, scene: Scene, named: list[int]) -> None:
    assert_names_no_broker(answer, cluster)
    told = sorted(partitions_of(answer, {scene.topic.name, scene.topic_id}, False))
    assert told == named, answer


def assert_names_no_broker(answer: dict, cluster) -> None:
    """Nor a shadow group."""
    # PLAINTEXT, CONTROLLER, INSIDE and SASL have ports in a row.
    ports = set(range(cluster.port("INSIDE") - 2, cluster.port("SASL") + 1))
    own = re.compile("|".join([r"kafka-1\.localhost", "connectionId=", *(rf":{port}\b" for port in ports)]))
    for value in leaves(answer):
        if isinstance(value, str):
            assert not own.search(value) and not SHADOW.search(value), answer
        elif not isinstance(value, bool):
            assert value not in ports, answer


def leaves(node) -> Iterator:
    """All values that are no objects or lists; of objects the names too."""
    if isinstance(node, dict):
        yield from node
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from leaves(inner)
    elif node is not None:
        yield node


def partitions_of(node, topic: set[str], inside: bool) -> Iterator[int]:
    """Numbers of partitions inside objects that name the topic."""
    if isinstance(node, list):
        for inner in node:
            yield from partitions_of(inner, topic, inside)
    if not isinstance(node, dict):
        return
    inside = inside or any(isinstance(value, str) and value in topic for value in node.values())
    for key, value in node.items():
        if inside and key in INDEXES and not isinstance(value, list):
            yield value
        elif inside and key in INDEXES and all(isinstance(inner, int) for inner in value):
            yield from value
        else:
            yield from partitions_of(value, topic, inside)
