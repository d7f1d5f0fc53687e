"""Without a `sasl` section clients log in at the broker, and the filter only looks on."""

import time

import pytest
from confluent_kafka import KafkaError, Producer

from tests.harness import clients, topics
from tests.harness.client_security import PASSWORD_MECHANISMS, Security
from tests.harness.envoy import Envoy
from tests.harness.raw import Raw
from tests.harness.raw_sasl import Refused, log_in, log_in_bare
from tests.harness.secured_brokers import REAUTHENTICATION_MS, USERS, OnlyTheFirst, reserve

pytestmark = pytest.mark.remap


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, secured):
    with Envoy(tmp_path_factory.mktemp("passthrough"), secured, topics.MAPPING, listener="SASL") as envoy:
        learn(envoy)
        yield envoy


def learn(envoy: Envoy) -> None:
    """From a client's Metadata the filter learns where the brokers are: it has no identity
    of its own with which to ask."""
    with Raw(envoy.base) as raw:
        log_in(raw, "PLAIN", "alice", USERS["alice"])
        raw.metadata([])


@pytest.mark.parametrize("mechanism", PASSWORD_MECHANISMS)
@pytest.mark.parametrize("library", clients.LIBRARIES)
def test_libraries_log_in_at_the_broker(library, mechanism, gateway, programs, secured, secured_topic, tmp_path):
    reserve(secured, secured_topic.name, "alice")
    security = Security(mechanism, "alice", USERS["alice"])
    program = programs[library]
    acked = clients.produce(program, gateway.bootstrap, secured_topic.name, 6, 5, "none", False, "sasl", security=security)
    with clients.Consumer(program, gateway.bootstrap, secured_topic.name, 5, tmp_path / "log", security=security) as consumer:
        consumer.expect(acked[5])


def test_a_wrong_password_is_the_brokers_to_refuse(gateway):
    with Raw(gateway.base) as raw, pytest.raises(Refused) as refusal:
        log_in(raw, "PLAIN", "alice", "wrong")
    assert refusal.value.answer["error_code"] == KafkaError.SASL_AUTHENTICATION_FAILED


@pytest.mark.parametrize("mechanism", PASSWORD_MECHANISMS)
def test_bare_tokens_of_old_clients(mechanism, gateway, secured_topic):
    """SaslHandshake v0: what follows has no Kafka header, until the broker is content."""
    with Raw(gateway.base) as bootstrap:
        log_in_bare(bootstrap, mechanism, "bob", USERS["bob"])
        leader = bootstrap.metadata([secured_topic.name])["topics"][0]["partitions"][7]["leader_id"]
    with Raw(gateway.port(leader)) as raw:
        log_in_bare(raw, mechanism, "bob", USERS["bob"])
        offset = raw.append(secured_topic.name, 7, [b"old"])
        assert raw.read_all(secured_topic.name, 7) == [(offset, b"old")]


@pytest.mark.parametrize("mechanism", PASSWORD_MECHANISMS)
def test_bare_tokens_with_a_wrong_password(mechanism, gateway):
    with Raw(gateway.base) as raw, pytest.raises(ConnectionError):
        log_in_bare(raw, mechanism, "bob", "wrong")


def test_librdkafka_as_an_old_client(gateway, secured_topic):
    settings = {
        "bootstrap.servers": gateway.bootstrap,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "bob",
        "sasl.password": USERS["bob"],
        "api.version.request": "false",
        "broker.version.fallback": "0.10.0",
    }
    failures = []
    producer = Producer({**settings, "error_cb": failures.append})
    topic_known = producer.list_topics(secured_topic.name, timeout=10).topics[secured_topic.name]
    assert len(topic_known.partitions) == secured_topic.virtual
    assert not failures


def test_a_session_is_renewed_through_the_filter(tmp_path, secured, secured_topic):
    """The broker closes connections whose session is over at their next request (KIP-368)."""
    with Envoy(tmp_path / "envoy", secured, topics.MAPPING, listener="SHORT") as envoy:
        with Raw(envoy.base) as renewing, Raw(envoy.base) as idle:
            for raw in (renewing, idle):
                assert 0 < log_in(raw, "SCRAM-SHA-256", "alice", USERS["alice"])["session_lifetime_ms"] <= REAUTHENTICATION_MS
                raw.metadata([secured_topic.name])
            for _ in range(2):
                time.sleep(REAUTHENTICATION_MS / 1000 * 0.7)
                log_in(renewing, "SCRAM-SHA-256", "alice", USERS["alice"])
            assert renewing.metadata([secured_topic.name])["topics"]
            with pytest.raises(ConnectionError):
                idle.metadata([secured_topic.name])


def test_a_client_that_comes_to_a_broker_nobody_knows(tmp_path, secured):
    """Only broker 1 is configured: until a client's Metadata tells, broker 2's port leads to
    it, and no further than that."""
    with OnlyTheFirst(tmp_path / "envoy", secured, topics.MAPPING, listener="SASL") as envoy:
        with Raw(envoy.port(2)) as misled:
            try:
                log_in(misled, "PLAIN", "alice", USERS["alice"])
                misled.metadata([])
                assert misled.is_closed_by_peer()
            except ConnectionError:
                pass
        with Raw(envoy.port(2)) as raw:
            log_in(raw, "PLAIN", "alice", USERS["alice"])
            assert {b["node_id"] for b in raw.metadata([])["brokers"]} == set(secured.ids)
