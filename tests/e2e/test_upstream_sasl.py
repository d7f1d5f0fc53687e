"""The filter logs in at brokers: as one, or for each client as that client's own user there."""

import time

import pytest
from confluent_kafka import KafkaError, Producer
from harness import clients, topics
from harness.envoy import Envoy
from harness.process import wait_until
from harness.raw import Raw
from harness.raw_sasl import Refused, log_in
from harness.secured import REAUTHENTICATION_MS, USERS, reserve
from harness.security import PASSWORD_MECHANISMS, Security

pytestmark = pytest.mark.remap
FAILED = KafkaError.SASL_AUTHENTICATION_FAILED
CLIENT_USERS = [{"username": u, "password": f"{u}-here"} for u in ("alice", "bob", "carol")]
"""At the filter, where passwords are others than at the brokers."""


def identity(user: str, password: str | None = None) -> dict:
    return {"username": user, "password": password or USERS[user]}


def one(mechanism: str = "SCRAM-SHA-512", user: str = "gateway", password: str | None = None) -> dict:
    return {"upstream": {"sasl": {"mechanism": mechanism, **identity(user, password)}}}


def each_its_own(mechanism: str = "PLAIN") -> dict:
    return {
        "sasl": {"mechanisms": ["PLAIN", "SCRAM-SHA-256"], "users": CLIENT_USERS},
        "upstream": {"sasl": {"mechanism": mechanism, "per_principal": {u: identity(u) for u in ("alice", "bob")}}},
    }


@pytest.fixture
def start(tmp_path, secured):
    """start(config, listener) gives an Envoy that ends with the test."""
    running = []

    def begin(config: dict, listener: str = "SASL", kind: type[Envoy] = Envoy) -> Envoy:
        envoy = kind(tmp_path / f"envoy-{len(running)}", secured, {**topics.MAPPING, **config}, listener=listener)
        running.append(envoy)
        return envoy

    yield begin
    for envoy in running:
        envoy.stop()


class OnlyTheFirst(Envoy):
    """Is told of one broker."""

    def _complete(self, config: dict) -> dict:
        self._brokers = self._brokers[:1]
        return super()._complete(config)


def connect(port: int, user: str | None = None, tries: int = 4) -> Raw:
    """A connection on which everything works. One that teaches the filter something may be closed for it."""
    while True:
        raw, tries = Raw(port), tries - 1
        try:
            raw.announce("apache-kafka-java")
            if user:
                log_in(raw, "PLAIN", user, f"{user}-here")
            raw.metadata([])
            return raw
        except ConnectionError:
            raw.close()
            if not tries:
                raise


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


def test_a_principal_without_an_identity_is_refused(start):
    envoy = start(each_its_own())
    connect(envoy.base, "alice").close()
    with Raw(envoy.base) as raw, pytest.raises(Refused) as refusal:
        log_in(raw, "PLAIN", "carol", "carol-here")
    assert refusal.value.answer["error_code"] == FAILED


@pytest.mark.parametrize("mechanism", PASSWORD_MECHANISMS)
def test_a_wrong_password_for_the_broker_shows_in_the_clients_login(mechanism, start):
    config = each_its_own(mechanism)
    config["upstream"]["sasl"]["per_principal"]["bob"] = identity("bob", "wrong")
    envoy = start(config)
    connect(envoy.base, "alice").close()
    with Raw(envoy.base) as raw:
        with pytest.raises(Refused) as refusal:
            log_in(raw, "PLAIN", "bob", "bob-here")
        assert raw.is_closed_by_peer()
    assert refusal.value.answer["error_code"] == FAILED
    assert "wrong" not in envoy.log.read_text()
    wait_until("the failure in the stats", lambda: auth_stat(envoy, mechanism, "failure") == 1, 5)


@pytest.mark.parametrize("mechanism", PASSWORD_MECHANISMS)
def test_a_wrong_password_for_the_broker_shows_in_api_versions(mechanism, start):
    """To a client that does not log in, nothing else can be said so early."""
    envoy = start(one(mechanism, password="wrong"))
    refused = False
    for _ in range(2):  # the first one may be closed, as the filter learns from it
        with Raw(envoy.base) as raw:
            try:
                raw.announce("apache-kafka-java")
            except AssertionError:
                refused = True
                assert raw.is_closed_by_peer()
            except ConnectionError:
                pass
    assert refused
    wait_until("the failure in the stats", lambda: auth_stat(envoy, mechanism, "failure") >= 1, 5)


@pytest.mark.parametrize("client_logs_in", [True, False], ids=["own", "one"])
def test_the_brokers_sessions_are_renewed(client_logs_in, start, secured_topic):
    """A client goes on over several of them, busy and idle, and hears of none."""
    envoy = start(each_its_own() if client_logs_in else one("SCRAM-SHA-256"), "SHORT")
    user = "alice" if client_logs_in else None
    mechanism = "PLAIN" if client_logs_in else "SCRAM-SHA-256"
    with connect(envoy.base, user) as raw:
        before = auth_stat(envoy, mechanism, "success")
        deadline = time.monotonic() + 2.5 * REAUTHENTICATION_MS / 1000
        while time.monotonic() < deadline:
            assert raw.metadata([secured_topic.name])["topics"]
            time.sleep(0.1)
        time.sleep(1.5 * REAUTHENTICATION_MS / 1000)
        assert raw.metadata([secured_topic.name])["topics"], "after a silence longer than a session"
        assert auth_stat(envoy, mechanism, "success") >= before + 3


def test_a_producer_notices_nothing_of_renewals(start, secured_topic):
    envoy = start(one("SCRAM-SHA-512"), "SHORT")
    connect(envoy.base).close()
    trouble, acked = [], []
    producer = Producer({"bootstrap.servers": envoy.bootstrap, "error_cb": trouble.append, "linger.ms": 0})
    deadline = time.monotonic() + 3.5 * REAUTHENTICATION_MS / 1000
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
    """Only broker 1 is configured; the filter asks, logged in, where broker 2 is."""
    envoy = start(each_its_own() if client_logs_in else one(), kind=OnlyTheFirst)
    with connect(envoy.port(2), "alice" if client_logs_in else None) as raw:
        brokers = {b["node_id"]: b["port"] for b in raw.metadata([])["brokers"]}
        assert brokers == {i: envoy.port(i) for i in secured.ids}
