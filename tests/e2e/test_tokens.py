"""OAUTHBEARER: which tokens of a test issuer are taken, from which keys, and what clients and the
log are told of other tokens."""

import json
import time

import pytest

from tests.harness.guarded_envoy import GuardedEnvoy, section
from tests.harness.process import wait_until
from tests.harness.raw import Raw
from tests.harness.raw_sasl import Refused, authenticate, bearer, log_in, offer
from tests.harness.tokens import ALGORITHMS, AUDIENCE, ISSUER, SCOPE, JwksServer, Key, signed_with_public_key, tampered, unsigned

pytestmark = pytest.mark.remap
SASL_AUTHENTICATION_FAILED = 58
LEAST_DELAY_S = 0.1
FOREVER = 4_102_444_800  # the year 2100
INVALID = {"status": "invalid_token"}
MISSING_SCOPE = {"status": "insufficient_scope", "scope": SCOPE}


def soon(seconds: float) -> int:
    return int(time.time() + seconds)


def impostor(issuer, algorithm: str) -> Key:
    """Another key under the name of the issuer's."""
    return Key(issuer.directory, algorithm, algorithm, f"impostor-{algorithm}")


GOOD = {
    "as it comes": lambda i: i.token(),
    "one of several audiences": lambda i: i.token(aud=["other", AUDIENCE]),
    "scopes in a list": lambda i: i.token(scope=None, scp=["openid", SCOPE]),
    "just expired, within the clock's skew": lambda i: i.token(exp=soon(-1)),
    "from now on, within the clock's skew": lambda i: i.token(nbf=soon(1)),
    "no kid": lambda i: i.token({"kid": None}),
    "no typ": lambda i: i.token({"typ": None}),
}
FORGED = {
    "alg none": lambda i: unsigned(i.keys["RS256"]),
    "alg None": lambda i: unsigned(i.keys["RS256"], {"alg": "None"}),
    "alg none, no kid": lambda i: unsigned(i.keys["RS256"], {"kid": None}),
    "alg none, with a signature": lambda i: i.token({"alg": "none"}),
    "no alg": lambda i: i.token({"alg": None}),
    "signature cut off": lambda i: i.token().rpartition(".")[0] + ".",
    "signature cut short": lambda i: i.token()[:-8],
    "HMAC by the PEM": lambda i: signed_with_public_key(i.keys["RS256"], i.keys["RS256"].public_pem().encode()),
    "HMAC by the PEM without its last newline": lambda i: signed_with_public_key(
        i.keys["RS256"], i.keys["RS256"].public_pem().strip().encode()
    ),
    "HMAC by the DER": lambda i: signed_with_public_key(i.keys["RS256"], i.keys["RS256"].public_der()),
    "HMAC by nothing": lambda i: signed_with_public_key(i.keys["RS256"], b""),
    "an EC key's signature under an RSA key's name": lambda i: i.keys["ES256"].token({"kid": "RS256", "alg": "ES256"}),
    "an RSA key with another hash than its own": lambda i: i.keys["RS256"].token({"alg": "RS512"}, "RS512"),
    "alg of another family": lambda i: i.token({"alg": "ES256"}),
    "PSS": lambda i: i.token({"alg": "PS256"}),
    "unknown kid": lambda i: i.token({"kid": "nobody's"}),
    "kid that is no text": lambda i: i.token({"kid": 7}),
    "another's kid": lambda i: i.token({"kid": "RS384"}),
    "another RSA key, same kid": lambda i: impostor(i, "RS256").token(),
    "another EC key, same kid": lambda i: impostor(i, "ES256").token(),
    "the key in the header": lambda i: (k := impostor(i, "RS256")).token({"jwk": k.jwk(), "kid": None}),
    "a key's address in the header": lambda i: impostor(i, "RS256").token({"jku": "http://127.0.0.1:1/", "kid": None}),
    "unknown crit": lambda i: i.token({"crit": ["b64"], "b64": False}),
    "tampered subject": lambda i: tampered(i.token(), sub="admin"),
    "tampered end": lambda i: tampered(i.token(exp=soon(-100)), exp=FOREVER),
    "zeros for an ECDSA signature": lambda i: i.token(algorithm="ES256").rpartition(".")[0] + "." + "A" * 86,
    "two parts": lambda i: i.token().rpartition(".")[0],
    "five parts": lambda i: i.token() + ".e30.e30",
    "no JSON": lambda i: "eyJ.e30.e30",
    "expired": lambda i: i.token(exp=soon(-10)),
    "no end": lambda i: i.token(exp=None),
    "end is no number": lambda i: i.token(exp="tomorrow"),
    "not yet": lambda i: i.token(nbf=soon(60)),
    "made in the future": lambda i: i.token(iat=soon(60)),
    "foreign issuer": lambda i: i.token(iss="https://elsewhere.test"),
    "longer issuer": lambda i: i.token(iss=ISSUER + "/"),
    "no issuer": lambda i: i.token(iss=None),
    "foreign audience": lambda i: i.token(aud="payroll"),
    "audience with a tail": lambda i: i.token(aud=AUDIENCE + "2"),
    "no audience": lambda i: i.token(aud=None),
    "no subject": lambda i: i.token(sub=None),
    "empty subject": lambda i: i.token(sub=""),
}
TOO_NARROW = {
    "other scopes": lambda i: i.token(scope="openid profile"),
    "no scope": lambda i: i.token(scope=None),
    "scope as a part of another": lambda i: i.token(scope=f"{SCOPE}-admin"),
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm(algorithm, guarded, issuer):
    with Raw(guarded.port(1)) as raw:
        answer = log_in(raw, "OAUTHBEARER", "", issuer.token(algorithm=algorithm))
        assert 500_000 < answer["session_lifetime_ms"] <= 602_000, "the token's own"
        assert raw.metadata([])["brokers"]


@pytest.mark.parametrize("what", GOOD)
def test_a_good_token(what, guarded, issuer):
    assert accepts(guarded, GOOD[what](issuer))


@pytest.mark.parametrize("what", [*FORGED, *TOO_NARROW])
def test_a_bad_token(what, guarded, issuer):
    """The client is told in RFC 7628's words, and when it has said that it understood, in
    Kafka's. Nobody is told more."""
    token = (FORGED.get(what) or TOO_NARROW[what])(issuer)
    with Raw(guarded.port(1)) as raw:
        offer(raw, "OAUTHBEARER", 1)
        answer = authenticate(raw, bearer(token))
        assert answer["error_code"] == 0, answer
        assert json.loads(answer["auth_bytes"]) == (MISSING_SCOPE if what in TOO_NARROW else INVALID)
        answer = authenticate(raw, b"\1")
        assert answer["error_code"] == SASL_AUTHENTICATION_FAILED
        assert "not valid" in answer["error_message"]
        assert raw.is_closed_by_peer()


def test_a_refusal_is_late_and_counted_at_once(guarded, issuer):
    """The delay also counts for clients that do not wait for its end."""

    def failures() -> float:
        return guarded.stat("kafka_remapper_auth_total", mechanism="OAUTHBEARER", outcome="failure")

    before = failures()
    with Raw(guarded.port(1)) as raw:
        offer(raw, "OAUTHBEARER", 1)
        started = time.monotonic()
        assert authenticate(raw, bearer(issuer.token(aud="payroll")))["auth_bytes"]
        assert time.monotonic() - started >= LEAST_DELAY_S
    assert failures() == before + 1


def test_who_is_told_what_is_wrong_may_not_try_again(guarded, issuer):
    with Raw(guarded.port(1)) as raw:
        offer(raw, "OAUTHBEARER", 1)
        assert authenticate(raw, bearer(issuer.token(aud="payroll")))["auth_bytes"]
        assert authenticate(raw, bearer(issuer.token()))["error_code"] == SASL_AUTHENTICATION_FAILED
        assert raw.is_closed_by_peer()


def test_one_public_key(tmp_path, cluster, issuer):
    """One key instead of a JWK Set. The key has no name, so a token needs none either; `HS256`
    by this key stays a forgery."""
    key = issuer.keys["RS256"]
    with GuardedEnvoy(tmp_path / "pem", cluster, section({"public_key": key.public_pem()})) as envoy:
        assert accepts(envoy, key.token({"kid": None}))
        assert accepts(envoy, key.token())
        assert not accepts(envoy, impostor(issuer, "RS256").token())
        assert not accepts(envoy, signed_with_public_key(key, key.public_pem().encode()))
        assert not accepts(envoy, unsigned(key))


def test_keys_over_http(tmp_path, cluster):
    """A new key is fetched when a token names it, and an old one is forgotten with the set that has it no
    more. No client can make the filter fetch as often as the client likes."""
    old, new, unknown = [Key(tmp_path, "RS256", kid) for kid in ("old", "new", "unknown")]
    with JwksServer(old) as server:
        http = {"cluster": "jwks", "authority": "issuer.test", "path": "/jwks.json", "refresh_s": 600}
        with GuardedEnvoy(tmp_path / "http", cluster, section({"jwks": {"http": http}}), jwks_port=server.port) as envoy:
            wait_until("the keys", lambda: each_worker_accepts(envoy, old.token()), 15, every=0.3)
            for _ in range(6):
                assert accepts(envoy, old.token())
                assert not accepts(envoy, unknown.token())
            # One at the start, and one for a key that is not there; in each worker and the main thread.
            assert 1 <= server.requests <= 6
            server.publish(new)
            wait_until("the new key", lambda: each_worker_accepts(envoy, new.token()), 25, every=0.5)
            assert not any(accepts(envoy, old.token()) for _ in range(8))
            assert server.requests <= 9


def test_withdrawn_keys(tmp_path, cluster):
    """A set without keys, or with none of an algorithm that is spoken, withdraws the former keys; a provider
    that fails withdraws them after `max_age_s` only. With the keys' return tokens are good again."""
    key = Key(tmp_path, "RS256", "key")
    with JwksServer(key) as server:
        http = {"cluster": "jwks", "authority": "issuer.test", "path": "/jwks.json", "refresh_s": 10, "max_age_s": 20}
        with GuardedEnvoy(tmp_path / "http", cluster, section({"jwks": {"http": http}}), jwks_port=server.port) as envoy:

            def none_accepts() -> bool:
                return not any(accepts(envoy, key.token()) for _ in range(8))

            def withdrawn(document: bytes) -> None:
                server.publish(key)
                wait_until("the key", lambda: each_worker_accepts(envoy, key.token()), 25, every=0.5)
                server.serve(document)
                wait_until("that the key is withdrawn", none_accepts, 25, every=0.5)

            withdrawn(b'{"keys": []}')
            assert "0 keys are in use, and every token is refused" in envoy.log.read_text()
            withdrawn(json.dumps({"keys": [{**key.jwk(), "alg": "PS256"}]}).encode())
            withdrawn(b"<html>")
            # The keys' age ends between two fetches; the log says it at the next one, which the backoff
            # puts off.
            said = "no keys are in use, and no token can be checked"
            wait_until("that the log says so", lambda: said in envoy.log.read_text(), 25, every=0.5)


def test_no_keys_yet(tmp_path, cluster, issuer):
    """As long as there are no keys, no token is taken; and the filter fetches keys again by itself."""
    with JwksServer(*issuer.keys.values()) as server:
        server.failing = True
        http = {"cluster": "jwks", "authority": "issuer.test", "path": "/jwks.json"}
        with GuardedEnvoy(tmp_path / "late", cluster, section({"jwks": {"http": http}}), jwks_port=server.port) as envoy:
            assert not accepts(envoy, issuer.token())
            assert not accepts(envoy, unsigned(issuer.keys["RS256"]))
            assert "a client cannot be authenticated now: no keys were fetched yet; it reconnects" in envoy.log.read_text()
            server.failing = False
            wait_until("the keys", lambda: accepts(envoy, issuer.token()), 15, every=0.3)


def each_worker_accepts(envoy: GuardedEnvoy, token: str) -> bool:
    """A worker has keys of its own, and which one takes a connection is chance."""
    return all(accepts(envoy, token) for _ in range(8))


def accepts(envoy: GuardedEnvoy, token: str) -> bool:
    with Raw(envoy.port(1)) as raw:
        try:
            log_in(raw, "OAUTHBEARER", "", token)
        except (Refused, ConnectionError):
            return False
        return bool(raw.metadata([])["brokers"])
