"""Administration of mapped topics and their groups by Kafka's own tools: settings, ACLs, the quorum."""

from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from tests.harness import topics
from tests.harness.apis import Api
from tests.harness.envoy import Envoy
from tests.harness.groups import list_groups, shadow_name
from tests.harness.kafka import KafkaCluster, run_tool
from tests.harness.process import wait_until
from tests.harness.raw import Raw
from tests.harness.raw_sasl import log_in

pytestmark = pytest.mark.remap
ACLS = "org.apache.kafka.tools.AclCommand"
CONFIGS = "kafka.admin.ConfigCommand"
QUORUM = "org.apache.kafka.tools.MetadataQuorumCommand"
LEADERS = "leader.replication.throttled.replicas"
FOLLOWERS = "follower.replication.throttled.replicas"


def tool(bootstrap: str, name: str, *arguments: object, config: Path | None = None) -> str:
    login = ("--command-config", config) if config else ()
    done = run_tool(name, "--bootstrap-server", bootstrap, *login, *arguments, seconds=90)
    return done.stdout + done.stderr


def settings(bootstrap: str, kind: str, name: str) -> str:
    return tool(bootstrap, CONFIGS, "--describe", "--entity-type", kind, "--entity-name", name, "--all")


def test_no_setting_of_a_broker_leads_around_envoy(envoy, cluster):
    ports = [str(port) for port in (*cluster.ports.values(), *cluster._controller_ports.values())]
    direct = settings(cluster.bootstrap, "brokers", "1")
    assert all(f":{port}" in direct for port in ports), "seen without the filter"
    through = settings(envoy.bootstrap, "brokers", "1")
    assert "listeners=null sensitive=true" in through and "controller.quorum.voters=null sensitive=true" in through, through
    assert not [port for port in ports if port in through], through
    shown = {line.split("=")[0].strip() for line in direct.splitlines()}
    assert shown == {line.split("=")[0].strip() for line in through.splitlines()}, "no setting is left out"


def test_throttled_replicas_are_those_of_virtual_partitions(envoy, cluster, new_topic):
    topic = new_topic(topics.MODULO)
    alter = ("--alter", "--entity-type", "topics", "--entity-name", topic.name, "--add-config")
    said = tool(envoy.bootstrap, CONFIGS, *alter, f"{LEADERS}=[1:1,5:1,18:1],{FOLLOWERS}=*")
    assert "Completed updating" in said, said

    def value(bootstrap: str, name: str) -> str:
        lines = [line.strip() for line in settings(bootstrap, "topics", topic.name).splitlines()]
        return next(line.removeprefix(f"{name}=").split(" sensitive")[0] for line in lines if line.startswith(f"{name}="))

    wait_until("the setting", lambda: value(cluster.bootstrap, LEADERS) == "1:1,2:1", 30)
    siblings = [v for v in range(topic.virtual) if topic.physical_of(v) == 1] + [v for v in range(topic.virtual) if topic.physical_of(v) == 2]
    assert value(envoy.bootstrap, LEADERS) == ",".join(f"{v}:1" for v in siblings)
    assert value(envoy.bootstrap, FOLLOWERS) == "*"
    said = tool(envoy.bootstrap, CONFIGS, *alter, f"{LEADERS}=[20:1]")
    assert "InvalidConfigurationException" in said and f"{LEADERS} of topic {topic.name}" in said, said
    gone = ("--alter", "--entity-type", "topics", "--entity-name", topic.name, "--delete-config", f"{LEADERS},{FOLLOWERS}")
    said = tool(envoy.bootstrap, CONFIGS, *gone)
    assert "Completed updating" in said, said
    wait_until("no setting", lambda: value(cluster.bootstrap, LEADERS) == "", 30)


def test_the_quorum_is_described_without_addresses(envoy, cluster):
    for what in ("--status", "--replication"):
        through, direct = tool(envoy.bootstrap, QUORUM, "describe", what), tool(cluster.bootstrap, QUORUM, "describe", what)
        assert ("LeaderId:" in through) if what == "--status" else ("Leader" in through), through
        assert not [p for p in cluster._controller_ports.values() if str(p) in through], (through, direct)


LIST_CONFIG_RESOURCES = Api(
    74, 0, [("types", ["int8"], 1)],
    [("throttle_time_ms", "int32"), ("error_code", "int16"), ("resources", [("name", "string"), ("type", "int8", 1)])],
)  # fmt: skip


def test_what_has_settings_is_listed_without_shadows(envoy, cluster, new_topic, raw, direct):
    """The filter passes ListConfigResources unread: brokers list no group that has no settings."""
    topic, (group, configured) = new_topic(topics.ONE), (topics.unique("listed"), topics.unique("configured"))
    consumer = Consumer({"bootstrap.servers": envoy.bootstrap, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic.name, v, 0) for v in range(topic.virtual)], asynchronous=False)
    consumer.close()
    assert shadow_name(group, 1) in list_groups(direct)
    setting = ("--add-config", "consumer.session.timeout.ms=50000")
    said = tool(cluster.bootstrap, CONFIGS, "--alter", "--entity-type", "groups", "--entity-name", configured, *setting)
    assert "Completed updating" in said, said
    for connection in (raw, direct):
        listed = connection.call(LIST_CONFIG_RESOURCES, 1, {"types": []})
        names = {resource["name"] for resource in listed["resources"]}
        assert listed["error_code"] == 0 and {topic.name, configured} <= names, listed
        assert not [name for name in names if "~" in name or name == group], names


USERS = {"admin": "admin-secret", "alice": "alice-secret"}
MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A broker whose users may do nothing without an ACL, but for admin."""
    users = " ".join(f'user_{name}="{password}"' for name, password in USERS.items())
    overrides = {
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl.plain.sasl.jaas.config": f"{MODULE} required {users};",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:admin",
    }
    directory = tmp_path_factory.mktemp("strict")
    with KafkaCluster(directory / "kafka", overrides=overrides, listeners={"SASL": "SASL_PLAINTEXT"}) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, strict):
    """Clients authenticate at the broker itself, through the filter."""
    with Envoy(tmp_path_factory.mktemp("gateway"), strict, topics.MAPPING, listener="SASL") as envoy:
        for port in (envoy.base, envoy.port(1), envoy.port(1)):
            with Raw(port) as raw:
                try:
                    raw.announce("apache-kafka-java")
                    log_in(raw, "PLAIN", "admin", USERS["admin"])
                    raw.metadata([])
                except ConnectionError:
                    pass
        yield envoy


def allowed(kind: ResourceType, name: str) -> AclBinding:
    """Alice may do anything with it."""
    return AclBinding(kind, name, ResourcePatternType.LITERAL, "User:alice", "*", AclOperation.ALL, AclPermissionType.ALLOW)


def group_acls(cluster: KafkaCluster, group: str) -> set[tuple]:
    """What stands on the broker for names that begin with the group's."""
    anything = AclBindingFilter(
        ResourceType.GROUP, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )
    admin = cluster.admin
    found = admin.describe_acls(anything).result(10)
    return {
        (a.name, a.resource_pattern_type.name, a.principal, a.operation.name, a.permission_type.name)
        for a in found
        if a.name.startswith(group)
    }


def commits_everywhere(envoy: Envoy, topic: topics.Topic, group: str) -> str | None:
    """The name of the error with which alice's group cannot commit, or None."""
    login = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "alice", "sasl.password": USERS["alice"]}
    consumer = Consumer({"bootstrap.servers": envoy.bootstrap, "group.id": group, **login})
    places = [TopicPartition(topic.name, v, v + 1) for v in range(topic.virtual)]
    try:
        for place in consumer.commit(offsets=places, asynchronous=False):
            if place.error:
                return place.error.name()
        found = consumer.committed([TopicPartition(topic.name, v) for v in range(topic.virtual)], timeout=10)
        assert [place.offset for place in found] == [v + 1 for v in range(topic.virtual)], found
        return None
    except KafkaException as failure:
        error: KafkaError = failure.args[0]
        return error.name()
    finally:
        consumer.close()


def test_who_may_use_a_group_may_use_all_of_it(strict, gateway, tmp_path):
    topic = topics.Topic(topics.MODULO, topics.unique(topics.MODULO.name))
    strict.create_topic(topic.name, topic.family.physical)
    admin = tmp_path / "admin.properties"
    admin.write_text(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n"
        f'sasl.jaas.config={MODULE} required username="admin" password="{USERS["admin"]}";\n'
    )

    def acls(*arguments: str) -> str:
        return tool(gateway.bootstrap, ACLS, *arguments, "--force", config=admin)

    around, through = topics.unique("around"), topics.unique("through")
    root = strict.admin
    for made in root.create_acls([allowed(ResourceType.TOPIC, topic.name), allowed(ResourceType.GROUP, around)]).values():
        made.result(10)
    wait_until("rights of lane 0", lambda: commits_everywhere(gateway, topic, around) == "GROUP_AUTHORIZATION_FAILED", 30)

    said = acls("--add", "--allow-principal", "User:alice", "--operation", "Read", "--group", through)
    assert "rror" not in said, said
    wait_until("rights of all lanes", lambda: commits_everywhere(gateway, topic, through) is None, 30)
    alice = ("User:alice", "READ", "ALLOW")
    granted = {(through, "LITERAL", *alice), (f"{through}~", "PREFIXED", *alice)}
    assert group_acls(strict, through) == granted
    listed = acls("--list", "--group", through)
    assert f"name={through}, patternType=LITERAL" in listed, listed

    said = acls("--add", "--deny-principal", "User:alice", "--operation", "Read", "--group", through)
    denied = {(*row[:-1], "DENY") for row in granted}
    wait_until("the deny", lambda: group_acls(strict, through) == granted | denied, 30)
    said = acls("--remove", "--deny-principal", "User:alice", "--operation", "Read", "--group", through)
    wait_until("no deny", lambda: group_acls(strict, through) == granted, 30)
    said = acls("--remove", "--group", through)
    assert "rror" not in said, said
    wait_until("no ACL", lambda: group_acls(strict, through) == set(), 30)
    assert group_acls(strict, around), "others stay"
