"""In whose name brokers do what clients ask for: Kafka's own tools for tokens, ACLs and configurations,
through every way of being somebody to a broker."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import AclBinding, AclBindingFilter, AclOperation, AclPermissionType, ResourcePatternType, ResourceType
from kafka import KafkaProducer
from kafka.errors import IncompatibleBrokerVersion

from tests.harness import topics
from tests.harness.envoy import Envoy
from tests.harness.kafka import run_tool
from tests.harness.process import wait_until
from tests.harness.raw import Raw
from tests.harness.raw_sasl import Refused, log_in
from tests.harness.secured_brokers import USERS, learn_brokers
from tests.harness.shipped_envoy import BOOTSTRAP, ShippedEnvoy

pytestmark = pytest.mark.remap
TOKENS = "org.apache.kafka.tools.DelegationTokenCommand"
ACLS = "org.apache.kafka.tools.AclCommand"
CONFIGS = "kafka.admin.ConfigCommand"
GROUP_SETTING = "consumer.session.timeout.ms=50000"
WORDS = "brokers would do it in a name that clients of the partition remapper share"
REMEDY = "or upstream.shared_administration"
NOT_ALLOWED = "Delegation Token requests are not allowed"


@dataclass
class Door:
    """A way to a broker through an Envoy, and the settings with which Kafka's tools take it."""

    envoy: Envoy
    bootstrap: str
    settings: dict[str, str]
    directory: Path
    java: tuple[str, ...] = ()
    """Options of the tools' JVM."""

    def tool(self, name: str, *arguments: str) -> subprocess.CompletedProcess:
        config = self.directory / "client.properties"
        config.write_text("".join(f"{key}={value}\n" for key, value in {**self.settings, "retries": "1"}.items()))
        server = ("--bootstrap-server", self.bootstrap, "--command-config", config)
        return run_tool(name, *server, *arguments, options=self.java, seconds=90)


def said(done: subprocess.CompletedProcess) -> str:
    return done.stdout + done.stderr


def by_password(user: str, password: str) -> dict[str, str]:
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    return {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.jaas.config": f'{module} required username="{user}" password="{password}";',
    }


@pytest.fixture(scope="module")
def doors(tmp_path_factory, secured, trust, service):
    """doors(name) starts the door's Envoy at the first call."""
    opened: dict[str, Door] = {}

    def mutual(directory: Path, change: Callable[[dict], None] = lambda config: None) -> Door:
        envoy = ShippedEnvoy(directory, secured, "mutual-tls.yaml", trust, "TLS", change)
        learn_brokers(envoy, trust, service)
        settings = {
            "security.protocol": "SSL",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(trust.clients.certificate),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(service.store),
        }
        return Door(envoy, f"{BOOTSTRAP}:{envoy.base}", settings, directory, (envoy.java_hosts(directory),))

    def filters(directory: Path, config: dict, settings: dict, user: tuple[str, str] | None = None) -> Door:
        envoy = Envoy(directory, secured, {**topics.MAPPING, **config}, listener="SASL")
        for _ in range(3):
            for port in (envoy.base, *map(envoy.port, secured.ids)):
                with Raw(port) as raw:
                    try:
                        raw.announce("apache-kafka-java")
                        if user:
                            log_in(raw, "PLAIN", *user)
                        raw.metadata([])
                    except ConnectionError:
                        pass
        return Door(envoy, envoy.bootstrap, settings, directory)

    def open_administration(config: dict) -> None:
        config["upstream"] = {"shared_administration": True}

    here = {"alice": "alice-here", "bob": "bob-here"}
    sasl = {"mechanisms": ["PLAIN"], "users": [{"username": u, "password": p} for u, p in here.items()]}
    gateway = {"mechanism": "PLAIN", "username": "gateway", "password": USERS["gateway"]}
    each = {name: {"username": name, "password": USERS[name]} for name in here}
    makers = {
        "certificate": mutual,
        "open": lambda directory: mutual(directory, open_administration),
        "gateway": lambda directory: filters(directory, {"upstream": {"sasl": gateway}}, {}),
        "each": lambda directory: filters(
            directory,
            {"sasl": sasl, "upstream": {"sasl": {"mechanism": "PLAIN", "per_principal": each}}},
            by_password("alice", here["alice"]),
            ("alice", here["alice"]),
        ),
        "own": lambda directory: filters(
            directory, {}, by_password("alice", USERS["alice"]), ("alice", USERS["alice"])
        ),
    }

    def door(name: str) -> Door:
        if name not in opened:
            opened[name] = makers[name](tmp_path_factory.mktemp(name))
        return opened[name]

    yield door
    for way in opened.values():
        way.envoy.stop()


def create_token(door: Door) -> subprocess.CompletedProcess:
    return door.tool(TOKENS, "--create", "--max-life-time-period", "-1")


def test_no_client_gets_a_token_of_the_gateway(doors):
    """envoy/mutual-tls.yaml: what the brokers know of the client is Envoy's certificate."""
    for name in ("certificate", "open"):
        door = doors(name)
        for arguments in (
            ("--create", "--max-life-time-period", "-1"),
            ("--describe",),
            ("--renew", "--hmac", "AAAA", "--renew-time-period", "-1"),
            ("--expire", "--hmac", "AAAA", "--expiry-time-period", "-1"),
        ):
            refused = door.tool(TOKENS, *arguments)
            assert refused.returncode != 0
            assert NOT_ALLOWED in said(refused), said(refused)
        assert "delegation tokens need clients that authenticate by SASL at the broker itself" in door.envoy.log.read_text()


def test_clients_of_the_broker_get_tokens_of_their_own(doors):
    door = doors("own")
    made = create_token(door)
    assert made.returncode == 0, said(made)
    assert "User:alice" in made.stdout
    assert "gateway" not in made.stdout
    tokens_of_alice = ("--describe", "--owner-principal", "User:alice")
    wait_until("the token at every broker", lambda: "User:alice" in door.tool(TOKENS, *tokens_of_alice).stdout, 30)


@pytest.mark.parametrize("name", ["gateway", "each"])
def test_tokens_are_hidden_where_the_filter_logs_in(name, doors):
    refused = create_token(doors(name))
    assert refused.returncode != 0
    assert "UnsupportedVersionException" in said(refused)


def acts(topic: str, door: str) -> dict[str, tuple[str, ...]]:
    """What administrators do; all of it harmless to the other tests. One of each kind where
    another door has shown the rest."""
    every = {
        "list ACLs": (ACLS, "--list"),
        "add an ACL": (ACLS, "--add", "--allow-principal", "User:eve", "--operation", "Read", "--topic", topic, "--force"),
        "remove ACLs": (ACLS, "--remove", "--allow-principal", "User:eve", "--operation", "Read", "--topic", topic, "--force"),
        "a quota": (CONFIGS, "--alter", "--entity-type", "users", "--entity-name", "eve", "--add-config", "consumer_byte_rate=1e9"),
        "quotas": (CONFIGS, "--describe", "--entity-type", "users"),
        "a user": (CONFIGS, "--alter", "--entity-type", "users", "--entity-name", "eve", "--add-config", "SCRAM-SHA-256=[password=eve]"),
        "a broker": (CONFIGS, "--alter", "--entity-type", "brokers", "--entity-name", "1", "--add-config", "background.threads=9"),
        "all brokers": (CONFIGS, "--alter", "--entity-type", "brokers", "--entity-default", "--add-config", "background.threads=9"),
        "a group": (CONFIGS, "--alter", "--entity-type", "groups", "--entity-name", "g", "--add-config", GROUP_SETTING),
    }
    few = ("list ACLs", "a user", "a broker")
    return every if door in ("certificate", "open") else {act: every[act] for act in few}


@pytest.mark.parametrize("name", ["certificate", "gateway"])
def test_nobody_administers_in_a_shared_name(name, doors, secured_topic):
    door = doors(name)
    for act, (command, *arguments) in acts(secured_topic.name, name).items():
        refused = door.tool(command, *arguments)
        # The tool for ACLs prints failures, but exits with 0.
        assert refused.returncode != 0 or command == ACLS, act
        assert WORDS in said(refused) and REMEDY in said(refused), f"{act}: {said(refused)}"
    assert f"was refused AlterUserScramCredentials: {WORDS}" in door.envoy.log.read_text()
    configured = door.tool(
        CONFIGS, "--alter", "--entity-type", "topics", "--entity-name", secured_topic.name, "--add-config", "retention.ms=999999999"
    )
    assert configured.returncode == 0, said(configured)


@pytest.mark.parametrize("name", ["open", "each", "own"])
def test_who_may_administer(name, doors, secured_topic):
    door = doors(name)
    for act, (command, *arguments) in acts(secured_topic.name, name).items():
        done = door.tool(command, *arguments)
        assert done.returncode == 0, f"{act}: {said(done)}"
        assert "rror" not in said(done), f"{act}: {said(done)}"


def test_the_broker_knows_who_administers(doors, secured):
    """Bob may not look at ACLs: the broker itself says so."""

    def acl(user: str, permission: AclPermissionType) -> AclBinding:
        cluster = (ResourceType.BROKER, "kafka-cluster", ResourcePatternType.LITERAL)
        return AclBinding(*cluster, f"User:{user}", "*", AclOperation.ALL, permission)

    acls = [acl("*", AclPermissionType.ALLOW), acl("bob", AclPermissionType.DENY)]
    admin = secured.admin
    for made in admin.create_acls(acls).values():
        made.result(10)
    try:
        each = doors("each")
        alice = each.tool(ACLS, "--list")
        assert "User:bob" in alice.stdout, said(alice)
        bob = Door(each.envoy, each.bootstrap, by_password("bob", "bob-here"), each.directory)
        wait_until("the deny", lambda: "ClusterAuthorizationException" in said(bob.tool(ACLS, "--list")), 30)
    finally:
        for gone in admin.delete_acls([*map(filter_of, acls)]).values():
            gone.result(10)


def filter_of(acl: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        acl.restype, acl.name, acl.resource_pattern_type, acl.principal, acl.host, acl.operation, acl.permission_type
    )


def test_what_clients_with_sasl_say_where_the_filter_logs_in(doors):
    """Libraries say within seconds that their configuration is wrong, and have sent no password; the
    broker hears nothing of them."""
    door = doors("gateway")
    mine = Door(door.envoy, door.bootstrap, by_password("alice", "a-secret"), door.directory)
    java = mine.tool(ACLS, "--list")
    assert "Unexpected handshake request with client mechanism PLAIN" in said(java), said(java)
    failures = []
    settings = {"bootstrap.servers": door.bootstrap, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"}
    producer = Producer({**settings, "sasl.username": "alice", "sasl.password": "a-secret", "error_cb": failures.append})
    wait_until("a word of librdkafka", lambda: producer.poll(0.1) or failures, 15)
    assert failures[0].code() == KafkaError._AUTHENTICATION and "SASL" in failures[0].str(), failures
    plain = {"sasl_mechanism": "PLAIN", "sasl_plain_username": "alice", "sasl_plain_password": "a-secret"}
    with pytest.raises(IncompatibleBrokerVersion):
        KafkaProducer(bootstrap_servers=door.bootstrap, security_protocol="SASL_PLAINTEXT", **plain)
    with Raw(door.envoy.base) as raw:
        raw.announce("apache-kafka-java")
        with pytest.raises(Refused) as refusal:
            log_in(raw, "PLAIN", "gateway", USERS["gateway"])
    assert refusal.value.answer["error_code"] == KafkaError.ILLEGAL_SASL_STATE
    assert "add a sasl section for them to prove themselves to the filter" in door.envoy.log.read_text()


def test_what_kafka_answers_to_a_handshake_without_sasl(secured):
    """The answer by which the filter learns whether the broker authenticates clients itself."""
    with Raw(secured.ports[1]) as raw, pytest.raises(Refused) as refusal:
        log_in(raw, "PLAIN", "alice", USERS["alice"])
    assert refusal.value.answer["error_code"] == KafkaError.ILLEGAL_SASL_STATE
