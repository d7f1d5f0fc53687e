"""Sessions end, and before that clients prove again who they are, on the same connection (KIP-368)."""

import concurrent.futures
import contextlib
import time

import pytest

from tests.harness import apis
from tests.harness.client_security import PASSWORD_MECHANISMS, Security
from tests.harness.clients import LIBRARIES, Consumer, produce
from tests.harness.guarded_envoy import PASSWORDS, GuardedEnvoy, section
from tests.harness.raw import Raw
from tests.harness.raw_sasl import Refused, log_in, log_in_bare, offer

pytestmark = pytest.mark.remap
SESSION_S = 3
RENEWING = [name for name in LIBRARIES if name != "aiokafka"]
"""All but aiokafka, which never authenticates again: it is disconnected when its
session has ended, and comes back."""
SASL_AUTHENTICATION_FAILED, UNSUPPORTED_SASL_MECHANISM = 58, 33


@pytest.fixture(scope="module")
def envoy(tmp_path_factory, cluster, issuer):
    oauthbearer = {"jwks": {"inline": issuer.jwk_set()}}
    with GuardedEnvoy(tmp_path_factory.mktemp("sessions"), cluster, section(oauthbearer, max_session_s=SESSION_S)) as envoy:
        yield envoy


@pytest.fixture
def alice(envoy):
    """A connection that has just logged in."""
    with Raw(envoy.port(1)) as raw:
        assert log_in(raw, "PLAIN", "alice", PASSWORDS["alice"])["session_lifetime_ms"] == 1000 * SESSION_S
        yield raw


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "OAUTHBEARER"])
def test_clients_outlast_their_sessions(mechanism, programs, envoy, issuer, new_topic, tmp_path):
    """Producers and consumers of all libraries at once, for three sessions: each record
    acknowledged once, and read."""
    token = tmp_path / "token"
    token.write_text(issuer.token())
    security = Security(mechanism, token=token) if mechanism == "OAUTHBEARER" else Security(mechanism, "bob", PASSWORDS["bob"])
    before = envoy.stat("kafka_remapper_auth_total", mechanism=mechanism, outcome="success")
    connections = envoy.stat("kafka_remapper_connections_total")
    topics = {name: new_topic() for name in LIBRARIES}

    def run(name: str) -> str | None:
        try:
            writes_and_reads(programs[name], envoy, topics[name].name, security, tmp_path)
        except Exception as e:  # told together with those of the others
            return f"{name}: {e}"
        return None

    failures = [failure for failure in in_parallel(run, LIBRARIES) if failure]
    assert not failures, "\n".join(failures)
    assert envoy.stat("kafka_remapper_auth_total", mechanism=mechanism, outcome="failure") == 0
    logins = envoy.stat("kafka_remapper_auth_total", mechanism=mechanism, outcome="success") - before
    opened = envoy.stat("kafka_remapper_connections_total") - connections
    assert logins - opened > 2 * len(RENEWING), f"{logins} logins on {opened} connections"


def writes_and_reads(library, envoy: GuardedEnvoy, topic: str, security: Security, directory) -> None:
    """For some three sessions; a consumer reads meanwhile, and what comes after them."""
    log = directory / f"{library.name}.{security.mechanism}.stderr"
    with Consumer(library, envoy.bootstrap, topic, 1, log, security=security) as consumer:
        written = produce(library, envoy.bootstrap, topic, 2, 50, "none", True, library.name, 120, security, pause_ms=200)[1]
        consumer.expect(written, 60)
        later = produce(library, envoy.bootstrap, topic, 2, 1, "none", True, "later", 60, security)[1]
        consumer.expect([*written, *later], 60)


def in_parallel(function, inputs) -> list:
    with concurrent.futures.ThreadPoolExecutor(len(inputs)) as pool:
        return list(pool.map(function, inputs))


def test_a_session_can_be_renewed_again_and_again(envoy):
    with contextlib.ExitStack() as stack:
        connections = {mechanism: stack.enter_context(Raw(envoy.port(1))) for mechanism in PASSWORD_MECHANISMS}
        started = time.monotonic()
        while time.monotonic() - started < SESSION_S + 1.5:
            for mechanism, raw in connections.items():
                assert log_in(raw, mechanism, "alice", PASSWORDS["alice"])["session_lifetime_ms"] == 1000 * SESSION_S
                assert raw.metadata([])["brokers"]
            time.sleep(1)


def test_who_goes_on_after_the_end_is_disconnected(alice):
    time.sleep(SESSION_S - 1)
    assert alice.metadata([])["brokers"]
    time.sleep(1.3)
    alice.send(apis.METADATA, 9, {"topics": []})
    assert alice.is_closed_by_peer()


def test_bare_tokens_have_sessions_too(envoy):
    """Their clients are told nothing of it: they are disconnected, and connect again."""
    with Raw(envoy.port(1)) as raw:
        log_in_bare(raw, "PLAIN", "alice", PASSWORDS["alice"])
        assert raw.metadata([])["brokers"]
        time.sleep(SESSION_S + 0.3)
        raw.send(apis.METADATA, 9, {"topics": []})
        assert raw.is_closed_by_peer()


def test_a_session_that_has_ended_can_still_be_renewed(alice):
    """As with a broker: only other requests are refused."""
    time.sleep(SESSION_S + 0.3)
    log_in(alice, "PLAIN", "alice", PASSWORDS["alice"])
    assert alice.metadata([])["brokers"]


def check_refusal(alice: Raw, error: int, mechanism: str, user: str, password: str) -> None:
    """A session that is renewed so is refused with this error, and its connection ends."""
    with pytest.raises(Refused) as refused:
        log_in(alice, mechanism, user, password)
    assert refused.value.answer["error_code"] == error
    assert alice.is_closed_by_peer()


def test_another_principal_is_refused(alice):
    check_refusal(alice, SASL_AUTHENTICATION_FAILED, "PLAIN", "carol", PASSWORDS["carol"])


def test_a_wrong_password_ends_the_session(alice):
    check_refusal(alice, SASL_AUTHENTICATION_FAILED, "PLAIN", "alice", "wrong")


def test_another_mechanism_is_refused(alice):
    check_refusal(alice, UNSUPPORTED_SASL_MECHANISM, "SCRAM-SHA-256", "alice", PASSWORDS["alice"])


def test_nothing_gets_through_in_the_middle_of_a_renewal(alice):
    offer(alice, "PLAIN", 1)
    alice.send(apis.METADATA, 9, {"topics": []})
    assert alice.is_closed_by_peer()


def test_a_token_ends_its_session(envoy, issuer):
    """A token that expires before max_session_s ends the session earlier."""
    with Raw(envoy.port(1)) as raw:
        # The issuer's clock may differ by clock_skew_s, so the session lasts for so much longer.
        answer = log_in(raw, "OAUTHBEARER", "", issuer.token(exp=int(time.time())))
        assert 0 < answer["session_lifetime_ms"] <= 2000
        time.sleep(2.2)
        raw.send(apis.METADATA, 9, {"topics": []})
        assert raw.is_closed_by_peer()


def test_a_newer_token_renews_a_session(envoy, issuer):
    with Raw(envoy.port(1)) as raw:
        log_in(raw, "OAUTHBEARER", "", issuer.token(exp=int(time.time())))
        log_in(raw, "OAUTHBEARER", "", issuer.token(algorithm="ES256"))
        time.sleep(2.2)
        assert raw.metadata([])["brokers"]


def test_a_fetch_that_waits_outlasts_its_session(new_topic, alice):
    """A request that was sent in time is answered: after its end a session takes no new requests."""
    topic = new_topic()
    log_in(alice, "PLAIN", "alice", PASSWORDS["alice"])  # a session anew, since making a topic takes its time
    assert alice.fetch_one(topic.name, 1, 0, max_wait_ms=1000 * SESSION_S + 500)["error_code"] == 0
    alice.send(apis.METADATA, 9, {"topics": []})
    assert alice.is_closed_by_peer()
