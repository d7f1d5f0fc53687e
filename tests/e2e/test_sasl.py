"""Clients log in at the filter: each library by each mechanism, how a wrong login fails, and
what the filter does not tell."""

import concurrent.futures
import itertools
import re
import statistics
import time
import unicodedata

import pytest

from tests.harness import topics
from tests.harness.certificates import Authority
from tests.harness.client_security import MECHANISMS, PASSWORD_MECHANISMS, Security
from tests.harness.clients import LIBRARIES, Consumer, produce, refused
from tests.harness.guarded_envoy import COMPOSED, ODD, PASSWORDS, GuardedEnvoy, section
from tests.harness.process import wait_until
from tests.harness.raw import LATEST, Raw
from tests.harness.raw_sasl import AUTHENTICATE, HANDSHAKE, Refused, authenticate, bearer, log_in, log_in_bare, offer, plain, tokens

pytestmark = pytest.mark.remap
UNSUPPORTED_SASL_MECHANISM, SASL_AUTHENTICATION_FAILED = 33, 58
LEAST_DELAY_S = 0.1
KIP_368 = 1  # the first version of SaslAuthenticate that tells the session's lifetime
SILENT = {
    # These take RFC 7628's challenge for the success, and stumble over the next answer.
    ("aiokafka", "OAUTHBEARER"): r"Unable to (request|update) metadata",
    ("kafkajs", "OAUTHBEARER"): r"KafkaJS\w*Error|closed connection",
    ("franz-go", "OAUTHBEARER"): r"unexpected data in oauth response",
}
"""The words of libraries that do not say that a login has failed, which they do not say with
Kafka's own brokers either."""


@pytest.fixture
def token_file(tmp_path):
    return tmp_path / "token"


@pytest.fixture
def authentications(guarded):
    """authentications(mechanism, outcome): how many there were since the test began."""

    def now(mechanism: str, outcome: str) -> float:
        return guarded.stat("kafka_remapper_auth_total", mechanism=mechanism, outcome=outcome)

    before = {(m, o): now(m, o) for m in MECHANISMS for o in ("success", "failure")}
    return lambda mechanism, outcome: now(mechanism, outcome) - before[mechanism, outcome]


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("name", LIBRARIES)
def test_a_client_logs_in_and_works(name, mechanism, programs, guarded, issuer, authentications, new_topic, token_file, tmp_path):
    library, topic = programs[name], new_topic()
    security = Security(mechanism, "alice", PASSWORDS["alice"])
    if mechanism == "OAUTHBEARER":
        token_file.write_text(issuer.token())
        security = Security(mechanism, token=token_file)
    written = produce(library, guarded.bootstrap, topic.name, topic.virtual, 2, "none", False, name, security=security)
    with Consumer(library, guarded.bootstrap, topic.name, 5, tmp_path / "stderr", security=security) as consumer:
        consumer.expect(written[5])
    assert authentications(mechanism, "success") >= 2
    assert authentications(mechanism, "failure") == 0


@pytest.fixture(scope="module")
def tls(tmp_path_factory, cluster):
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with GuardedEnvoy(tmp_path_factory.mktemp("tls"), cluster, section(), tls=authority) as envoy:
        yield envoy, authority


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_client_logs_in_over_tls(name, programs, tls, new_topic, tmp_path):
    """With a certificate of its own as well."""
    (envoy, authority), library, topic = tls, programs[name], new_topic(topics.ONE)
    own = authority.issue(f"/CN={name}")
    security = Security("SCRAM-SHA-512", "bob", PASSWORDS["bob"], None, authority.certificate, own.certificate, own.key)
    written = produce(library, envoy.bootstrap, topic.name, topic.virtual, 2, "none", True, name, security=security)
    with Consumer(library, envoy.bootstrap, topic.name, 3, tmp_path / "stderr", security=security) as consumer:
        consumer.expect(written[3])


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("name", LIBRARIES)
def test_a_client_tells_of_a_failed_login(name, mechanism, programs, guarded, issuer, authentications, direct, new_topic, tmp_path):
    """A library says the same of a wrong password and of an unknown user; and the same of a foreign issuer's
    token and of a token for others. Nothing of these logins reaches the broker."""
    topic = new_topic(topics.ONE)
    wrong = [Security(mechanism, "alice", "wrong"), Security(mechanism, "nobody", PASSWORDS["alice"])]
    if mechanism == "OAUTHBEARER":
        bad = {"foreign": issuer.token(iss="https://elsewhere.test"), "audience": issuer.token(aud="other")}
        for file, token in bad.items():
            (tmp_path / file).write_text(token)
        wrong = [Security(mechanism, token=tmp_path / file) for file in bad]
    says = SILENT.get((name, mechanism))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        said = list(pool.map(lambda security: refused(programs[name], guarded.bootstrap, topic.name, security, says), wrong))
    assert without_numbers(said[0]) == without_numbers(said[1])
    assert authentications(mechanism, "success") == 0
    wait_until("the count", lambda: authentications(mechanism, "failure") >= 2, 5)
    assert direct.list_offset(topic.name, 0, LATEST) == 0


# kafka-python sends a name as it is in SCRAM, so that with a comma in it is no message of RFC 5802's.
@pytest.mark.parametrize(
    "name, mechanism", [(n, m) for n in LIBRARIES for m in ("PLAIN", "SCRAM-SHA-256") if (n, m) != ("kafka-python", "SCRAM-SHA-256")]
)
def test_names_and_passwords_that_are_escaped(name, mechanism, programs, guarded, new_topic):
    produce(programs[name], guarded.bootstrap, new_topic(topics.ONE).name, 1, 1, "none", False, name, security=Security(mechanism, *ODD))


def without_numbers(line: str) -> str:
    """Ports, times and durations are not what is compared."""
    return re.sub(r"\d+", "#", line)


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("user", PASSWORDS)
@pytest.mark.parametrize("mechanism", PASSWORD_MECHANISMS)
def test_every_version_of_sasl_authenticate(mechanism, user, version, guarded):
    """With a password or with SCRAM credentials alone."""
    with Raw(guarded.port(1)) as raw:
        answer = log_in(raw, mechanism, user, PASSWORDS[user], version)
        if version >= KIP_368:
            assert answer["session_lifetime_ms"] == 0, "there is no max_session_s"
        assert raw.metadata([])["brokers"]


@pytest.mark.parametrize("mechanism", PASSWORD_MECHANISMS)
def test_a_name_written_in_another_way(mechanism, guarded):
    name, password = COMPOSED
    with Raw(guarded.port(1)) as raw:
        log_in(raw, mechanism, unicodedata.normalize("NFD", name), password)


@pytest.mark.parametrize("mechanism", PASSWORD_MECHANISMS)
def test_bare_tokens(mechanism, guarded):
    """SaslHandshake v0: tokens without Kafka's headers, then Kafka's frames; a
    failure has no words (KIP-43)."""
    with Raw(guarded.port(1)) as raw:
        log_in_bare(raw, mechanism, "alice", PASSWORDS["alice"])
        assert raw.metadata([])["brokers"]
    for user, password in [("alice", "wrong"), ("nobody", "wrong")]:
        with Raw(guarded.port(1)) as raw, pytest.raises(ConnectionError):
            log_in_bare(raw, mechanism, user, password)


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("mechanism", ["GSSAPI", "plain", "", "SCRAM-SHA-1"])
def test_an_unknown_mechanism_is_told_which_there_are(mechanism, version, guarded):
    with Raw(guarded.port(1)) as raw:
        answer = raw.call(HANDSHAKE, version, {"mechanism": mechanism})
        assert answer == {"error_code": UNSUPPORTED_SASL_MECHANISM, "mechanisms": list(MECHANISMS)}
        assert raw.is_closed_by_peer()


@pytest.mark.parametrize("mechanism", PASSWORD_MECHANISMS)
def test_who_fails_is_not_told_why(mechanism, guarded):
    """The same bytes after the same time, whether the user is unknown or the password wrong; then the end."""
    answers, seconds = set(), {"alice": [], "bob": [], "nobody": []}
    for version, user in itertools.product((0, 1, 2), seconds):
        with Raw(guarded.port(1)) as raw:
            offer(raw, mechanism, 1)
            dialogue = tokens(mechanism, user, "wrong")
            token = next(dialogue)
            if mechanism != "PLAIN":
                token = dialogue.send(authenticate(raw, token, version)["auth_bytes"])
            started = time.monotonic()
            raw.send(AUTHENTICATE, version, {"auth_bytes": token})
            answers.add((version, raw.receive_frame()))
            seconds[user].append(time.monotonic() - started)
            assert raw.is_closed_by_peer()
    assert len(answers) == 3, answers
    least = [min(times) for times in seconds.values()]
    assert min(least) >= LEAST_DELAY_S
    assert max(least) - min(least) < 0.1, seconds


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_an_unknown_user_has_a_salt_like_others(mechanism, guarded):
    """A made-up salt is the same at each attempt, as a real salt is, with iterations that real users have."""

    def challenge(user: str) -> dict:
        with Raw(guarded.port(1)) as raw:
            offer(raw, mechanism, 1)
            answer = authenticate(raw, next(tokens(mechanism, user, "x")))["auth_bytes"].decode()
            return dict(part.split("=", 1) for part in answer.split(","))

    known, first, second, other = [challenge(user) for user in ("alice", "nobody", "nobody", "nobody-else")]
    assert first["s"] == second["s"] != other["s"]
    assert first["r"] != second["r"]
    assert len(first["s"]) == len(known["s"])
    assert first["i"] == known["i"]


def test_a_password_costs_its_derivation_only_once(guarded):
    """PLAIN against SCRAM credentials: PBKDF2 for the first connection, a look-up for those after it."""

    def seconds() -> float:
        with Raw(guarded.port(1)) as raw:
            offer(raw, "PLAIN", 1)
            started = time.monotonic()
            assert authenticate(raw, plain("bob", PASSWORDS["bob"]))["error_code"] == 0
            return time.monotonic() - started

    assert statistics.median(seconds() for _ in range(20)) < 0.02


def test_tokens_that_are_not_of_the_mechanism(guarded):
    nonsense = [b"", b"\0", b"alice", b"\0alice", b"\0alice\0", b"\0\0" + PASSWORDS["alice"].encode(), b"\xff" * 100, b"n,,n=alice"]
    nonsense += [b"bob" + plain("alice", PASSWORDS["alice"]), bearer("a.b"), b"y" * 200_000]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for result in [pool.submit(refuses, guarded, m, token) for m in MECHANISMS for token in nonsense]:
            result.result()


def refuses(envoy: GuardedEnvoy, mechanism: str, token: bytes) -> None:
    """Asserts that the token, sent twice if it is asked on, ends in a failure
    and the end of the connection."""
    with Raw(envoy.port(1)) as raw:
        offer(raw, mechanism, 1)
        answer = authenticate(raw, token)
        if answer["error_code"] == 0:
            assert answer["auth_bytes"], f"{mechanism} takes {token[:50]}"
            answer = authenticate(raw, token)
        assert answer["error_code"] == SASL_AUTHENTICATION_FAILED
        assert raw.is_closed_by_peer()


def test_credentials_change_while_envoy_runs(tmp_path, cluster):
    """New connections get the change; an open connection goes on for some seconds. A configuration that
    is refused changes nothing."""
    envoy = GuardedEnvoy(tmp_path / "live", cluster, section(), live=True)
    try:
        with Raw(envoy.port(1)) as before:
            log_in(before, "PLAIN", "carol", PASSWORDS["carol"])
            changed = section()
            changed["users"] = [{"username": "carol", "password": "new"}, {"username": "dave", "password": "just came"}]
            envoy.take("sasl", changed)
            assert before.metadata([])["brokers"]
            assert can_log_in(envoy, "carol", "new")
            assert can_log_in(envoy, "dave", "just came")
            assert not can_log_in(envoy, "carol", PASSWORDS["carol"])
            assert not can_log_in(envoy, "alice", PASSWORDS["alice"])

            envoy.refuse("sasl", {**changed, "users": [{"username": "carol", "password": "${NO_SUCH_SECRET}"}]})
            assert can_log_in(envoy, "dave", "just came")
            assert before.is_closed_by_peer(20)
    finally:
        envoy.stop(expected="failed to load")


def test_no_secret_is_logged(guarded):
    """Nor are secrets of clients whose login failed."""
    with Raw(guarded.port(1)) as raw, pytest.raises(Refused):
        log_in(raw, "PLAIN", "alice", "a-wrong-secret-here")
    log = guarded.log.read_text(errors="replace")
    assert "Authentication" in log or "authenticat" in log
    for secret in (*PASSWORDS.values(), "a-wrong-secret-here", "stored_key", "eyJ"):
        assert secret not in log, secret


def can_log_in(envoy: GuardedEnvoy, user: str, password: str) -> bool:
    with Raw(envoy.port(1)) as raw:
        try:
            log_in(raw, "SCRAM-SHA-256", user, password)
        except Refused as e:
            assert e.answer["error_code"] == SASL_AUTHENTICATION_FAILED
            return False
        return True
