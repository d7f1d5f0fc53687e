"""The filter logs in at brokers: as one user for all clients, or for each client as
that client's own user there."""

import json
import time

import pytest
from confluent_kafka import KafkaError, Producer

from tests.harness import apis, clients, topics
from tests.harness.client_security import PASSWORD_MECHANISMS, Security
from tests.harness.envoy import Envoy
from tests.harness.process import wait_until
from tests.harness.raw import Raw
from tests.harness.raw_sasl import Refused, log_in
from tests.harness.secured_brokers import REAUTHENTICATION_MS, USERS, OnlyTheFirst, at_filter, connect, reserve

pytestmark = pytest.mark.remap
WRONG = "a-wrong-password"
FAILED = KafkaError.SASL_AUTHENTICATION_FAILED
CLIENT_USERS = [{"username": u, "password": at_filter(u)} for u in ("alice", "bob", "carol", "dave")]
"""At the filter, where passwords are others than at the brokers."""


def identity(user: str, password: str | None = None) -> dict:
    return {"username": user, "password": password or USERS[user]}


def one(mechanism: str = "SCRAM-SHA-512", user: str = "gateway", password: str | None = None) -> dict:
    return {"upstream": {"sasl": {"mechanism": mechanism, **identity(user, password)}}}


def each_its_own(mechanism: str = "PLAIN") -> dict:
    """There is nobody at the broker for carol, and dave's password there is wrong."""
    identities = {"alice": identity("alice"), "bob": identity("bob"), "dave": identity("bob", WRONG)}
    return {
        "sasl": {"mechanisms": ["PLAIN", "SCRAM-SHA-256"], "users": CLIENT_USERS},
        "upstream": {"sasl": {"mechanism": mechanism, "per_principal": identities}},
    }


@pytest.fixture(scope="module")
def start(tmp_path_factory, secured):
    """start(config, listener) gives an Envoy, the same to all tests that want the same."""
    running: dict[str, Envoy] = {}

    def begin(config: dict, listener: str = "SASL", kind: type[Envoy] = Envoy) -> Envoy:
        key = json.dumps([config, listener, kind.__name__])
        if key not in running:
            directory = tmp_path_factory.mktemp("upstream")
            running[key] = kind(directory, secured, {**topics.MAPPING, **config}, listener=listener)
        return running[key]

    yield begin
    for envoy in running.values():
        envoy.stop()


def auth_stat(envoy: Envoy, mechanism: str, outcome: str) -> float:
    return envoy.stat("kafka_remapper_upstream_auth_total", mechanism=mechanism, outcome=outcome)


@pytest.mark.parametrize("mechanism", PASSWORD_MECHANISMS)
def test_one_identity_for_all(mechanism, start, secured, secured_topic, programs, tmp_path):
    """The brokers see the gateway, whose topic it is; clients prove nothing."""
    reserve(secured, secured_topic.name, "gateway")
    envoy = start(one(mechanism))
    connect(envoy.base).close()
    library = programs["librdkafka"]
    acked = clients.produce(library, envoy.bootstrap, secured_topic.name, 8, 5, "none", True, "one")
    with clients.Consumer(library, envoy.bootstrap, secured_topic.name, 7, tmp_path / "log") as consumer:
        consumer.expect(acked[7])
    assert auth_stat(envoy, mechanism, "success") >= 2
    assert auth_stat(envoy, mechanism, "failure") == 0


@pytest.mark.parametrize("mechanism", PASSWORD_MECHANISMS)
def test_each_client_is_its_own_user_at_the_broker(mechanism, start, secured, secured_topic):
    reserve(secured, secured_topic.name, "alice")
    envoy = start(each_its_own(mechanism))

    def error_seen_by(user: str) -> int:
        with connect(envoy.base, user) as raw:
            return raw.metadata([secured_topic.name])["topics"][0]["error_code"]

    wait_until("alice's leave to see her topic", lambda: error_seen_by("alice") == 0, 5)
    assert error_seen_by("bob") == KafkaError.TOPIC_AUTHORIZATION_FAILED


@pytest.mark.parametrize("library", ["java", "librdkafka", "kafka-python", "franz-go"])
def test_libraries_as_their_own_users(library, start, secured, secured_topic, programs, tmp_path):
    reserve(secured, secured_topic.name, "bob")
    envoy = start(each_its_own("SCRAM-SHA-256"))
    security = Security("SCRAM-SHA-256", "bob", "bob-here")
    program = programs[library]
    acked = clients.produce(program, envoy.bootstrap, secured_topic.name, 8, 5, "none", False, "own", security=security)
    with clients.Consumer(program, envoy.bootstrap, secured_topic.name, 7, tmp_path / "log", security=security) as consumer:
        consumer.expect(acked[7])


def test_a_client_that_does_not_come_again(secured, secured_topic, tmp_path):
    """Not even the first connection to an Envoy that has just started is closed."""
    reserve(secured, secured_topic.name, "alice")
    with Envoy(tmp_path, secured, {**topics.MAPPING, **each_its_own()}, listener="SASL") as envoy:
        for port in (envoy.base, envoy.base):
            with Raw(port) as raw:
                raw.announce("apache-kafka-java")
                log_in(raw, "PLAIN", "alice", at_filter("alice"))
                assert {b["node_id"] for b in raw.metadata([])["brokers"]} == set(secured.ids)
        assert envoy.stat("kafka_remapper_reconnects_total") == 0


def test_a_principal_without_an_identity_is_refused(start):
    envoy = start(each_its_own())
    connect(envoy.base, "alice").close()
    with Raw(envoy.base) as raw, pytest.raises(Refused) as refusal:
        log_in(raw, "PLAIN", "carol", "carol-here")
    assert refusal.value.answer["error_code"] == FAILED


@pytest.mark.parametrize("mechanism", PASSWORD_MECHANISMS)
def test_a_wrong_password_for_the_broker_shows_in_the_clients_login(mechanism, start):
    envoy = start(each_its_own(mechanism))
    connect(envoy.base, "alice").close()
    with Raw(envoy.base) as raw:
        with pytest.raises(Refused) as refusal:
            log_in(raw, "PLAIN", "dave", "dave-here")
        assert raw.is_closed_by_peer()
    assert refusal.value.answer["error_code"] == FAILED
    assert WRONG not in envoy.log.read_text()
    wait_until("the failure in the stats", lambda: auth_stat(envoy, mechanism, "failure") == 1, 5)


def test_a_wrong_password_for_the_broker_shows_in_api_versions(start):
    """A client that does not log in can be told in no other answer so early."""
    mechanism = "SCRAM-SHA-512"
    envoy = start(one(mechanism, password=WRONG))
    body = {"client_software_name": "raw", "client_software_version": "1"}
    answers = []
    for _ in range(2):  # the first one may be closed, as the filter learns from it
        with Raw(envoy.base) as raw:
            try:
                answers.append(raw.call(apis.API_VERSIONS, 3, body))
                assert raw.is_closed_by_peer()
            except ConnectionError:
                pass
    assert answers
    assert all(answer["error_code"] == FAILED for answer in answers)
    wait_until("the failure in the stats", lambda: auth_stat(envoy, mechanism, "failure") >= 1, 5)


def test_the_brokers_sessions_are_renewed(start, secured_topic):
    """A client goes on over several of the broker's sessions, busy and idle, and hears of none."""
    envoy = start(each_its_own(), "SHORT")
    session = REAUTHENTICATION_MS / 1000
    with connect(envoy.base, "alice") as raw:
        before = auth_stat(envoy, "PLAIN", "success")
        deadline = time.monotonic() + 2.2 * session
        while time.monotonic() < deadline:
            assert raw.metadata([secured_topic.name])["topics"]
            time.sleep(0.1)
        time.sleep(1.2 * session)
        assert raw.metadata([secured_topic.name])["topics"], "after a silence longer than a session"
        assert auth_stat(envoy, "PLAIN", "success") >= before + 3


def test_a_producer_notices_nothing_of_renewals(start, secured_topic):
    envoy = start(one("SCRAM-SHA-512"), "SHORT")
    connect(envoy.base).close()
    trouble, acked = [], []
    producer = Producer({"bootstrap.servers": envoy.bootstrap, "error_cb": trouble.append, "linger.ms": 0})
    deadline = time.monotonic() + 2.5 * REAUTHENTICATION_MS / 1000
    sent = 0
    while time.monotonic() < deadline:
        producer.produce(secured_topic.name, b"x", partition=sent % 8, on_delivery=lambda error, _: acked.append(error))
        sent += 1
        producer.poll(0.05)
    assert producer.flush(10) == 0
    assert acked == [None] * sent
    assert not trouble, trouble


@pytest.mark.parametrize("client_logs_in", [True, False], ids=["own", "one"])
def test_a_client_that_comes_to_a_broker_nobody_knows(client_logs_in, start, secured):
    """Only broker 1 is configured; the filter logs in there and asks where broker 2 is."""
    envoy = start(each_its_own() if client_logs_in else one(), kind=OnlyTheFirst)
    with connect(envoy.port(2), "alice" if client_logs_in else None) as raw:
        brokers = {b["node_id"]: b["port"] for b in raw.metadata([])["brokers"]}
        assert brokers == {i: envoy.port(i) for i in secured.ids}
