"""Strangers can make a worker do little work, whatever they send, and get no answer that
tells which users there are."""

import base64
import collections
import concurrent.futures
import os
import random
import re
import statistics
import struct
import threading
import time
from collections.abc import Callable

import pytest

from tests.harness import tokens as jwt
from tests.harness.guarded_envoy import PASSWORDS, GuardedEnvoy, scram_credentials, section
from tests.harness.process import wait_until
from tests.harness.raw import Raw
from tests.harness.raw_sasl import AUTHENTICATE, HANDSHAKE, Refused, authenticate, bearer, log_in, log_in_bare, offer, plain, tokens

pytestmark = pytest.mark.remap

SASL_AUTHENTICATION_FAILED = 58
SLICE_S = 0.03
"""Longer than a worker works on passwords in one go (4 ms), by as much as a
machine with two cores takes away."""
FRAME_S = 0.0004
"""What a stranger's frame and its answer take, twice as long as measured; a
derivation takes ten times that."""
DEAR = 16384
"""The most iterations that credentials may have."""


class OneWorker(GuardedEnvoy):
    """One worker, so that all clients are served by the same one."""

    workers = 1


@pytest.fixture(scope="module")
def by_password(tmp_path_factory, cluster):
    """Users with passwords, and others with credentials."""
    with OneWorker(tmp_path_factory.mktemp("strangers"), cluster, section()) as envoy:
        yield envoy


def dear_users() -> list[dict]:
    users = [{"username": f"user-{n}", "scram_sha_256": scram_credentials("SCRAM-SHA-256", f"pass-{n}", DEAR)} for n in range(30)]
    return [*users, {"username": "alice", "password": "alice's own"}]


@pytest.fixture(scope="module")
def by_credentials(tmp_path_factory, cluster):
    """Users whose PLAIN password costs the dearest PBKDF2, and one with a password."""
    sasl = {"mechanisms": ["PLAIN", "SCRAM-SHA-256"], "users": dear_users()}
    with OneWorker(tmp_path_factory.mktemp("strangers"), cluster, sasl) as envoy:
        yield envoy


def client_first(name: str) -> bytes:
    return f"n,,n={name},r={base64.b64encode(os.urandom(18)).decode()}".encode()


class Patience:
    """A client that has logged in and asks all the time; how long it waits for its answers."""

    def __init__(self, envoy: GuardedEnvoy, mechanism: str, user: str, password: str):
        self._raw = Raw(envoy.port(1), timeout=60)
        log_in(self._raw, mechanism, user, password)
        self.seconds: list[float] = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self):
        self._thread.start()
        time.sleep(0.5)
        self.seconds.clear()
        return self

    def __exit__(self, *_):
        time.sleep(0.3)
        self._ends.set()
        self._thread.join()
        self._raw.close()
        ordered = sorted(self.seconds)
        worst, usual = ordered[-1] * 1000, statistics.median(ordered) * 1000
        most = ordered[len(ordered) * 99 // 100] * 1000
        print(f"  {len(ordered)} requests: median {usual:.1f} ms, 99 % {most:.1f} ms, worst {worst:.1f} ms")

    def _ask(self) -> None:
        while not self._ends.is_set():
            started = time.monotonic()
            self._raw.metadata([])
            self.seconds.append(time.monotonic() - started)
            time.sleep(0.001)


def offered(envoy: GuardedEnvoy, mechanism: str, number: int) -> list[Raw]:
    raws = [Raw(envoy.port(1), timeout=60) for _ in range(number)]
    for raw in raws:
        offer(raw, mechanism, 1)
    return raws


def leave(envoy: GuardedEnvoy, raws: list[Raw]) -> None:
    """Closes the connections, and waits until Envoy has closed them too: Envoy has room for about a
    thousand connections to a broker."""
    for raw in raws:
        raw.close()
    wait_until("the connections' end", lambda: envoy.stat("kafka_remapper_connections_active") == 0, 15)


def how_they_end(raws: list[Raw]) -> collections.Counter:
    """How the attempts ended: `refused` were answered, `busy` were sent away."""
    ends = collections.Counter()
    for raw in raws:
        try:
            raw.receive_frame()
            ends["refused"] += 1
        except ConnectionError:
            ends["busy"] += 1
    return ends


def least(worst: Callable[[], float]) -> float:
    """The least value of three attempts: the machine may be busy with other programs."""
    return min(worst() for _ in range(3))


@pytest.mark.parametrize("number", [20, 800])
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_new_names_cost_no_derivation(mechanism, number, by_password):
    def worst() -> float:
        raws = offered(by_password, mechanism, number)
        with Patience(by_password, mechanism, "alice", PASSWORDS["alice"]) as patience:
            started = time.monotonic()
            for raw in raws:
                raw.send(AUTHENTICATE, 2, {"auth_bytes": client_first(os.urandom(8).hex())})
            for raw in raws:
                assert raw.receive_frame()
            print(f"\n{mechanism}, {number} names: all answered after {(time.monotonic() - started) * 1000:.0f} ms")
        leave(by_password, raws)
        return max(patience.seconds)

    # Frames that come at once are handled one after the other.
    assert least(worst) < SLICE_S + number * FRAME_S


@pytest.mark.parametrize("number", [20, 400])
def test_wrong_passwords_wait_for_each_other_and_nobody_else(number, by_credentials):
    def worst() -> float:
        raws = offered(by_credentials, "PLAIN", number)
        with Patience(by_credentials, "SCRAM-SHA-256", "user-1", "pass-1") as patience:
            started = time.monotonic()
            for n, raw in enumerate(raws):
                raw.send(AUTHENTICATE, 2, {"auth_bytes": plain(f"user-{n % 60}", os.urandom(8).hex())})
            ends = how_they_end(raws)
            print(f"\n{number} wrong passwords: {dict(ends)} after {time.monotonic() - started:.1f} s")
        assert ends["refused"] >= min(number, 64)
        leave(by_credentials, raws)
        return max(patience.seconds)

    assert least(worst) < SLICE_S + number * FRAME_S


def test_tokens_without_a_key_id_wait_for_each_other_and_nobody_else(tmp_path_factory, tmp_path, cluster):
    """Each takes a check by each key, of Envoy's dearest algorithm."""
    keys = [jwt.Key(tmp_path, "ES512", f"key-{n}") for n in range(16)]
    number = 100
    with OneWorker(tmp_path_factory.mktemp("strangers"), cluster, section({"jwks": {"inline": jwt.jwk_set(*keys)}})) as envoy:

        def worst() -> float:
            raws = offered(envoy, "OAUTHBEARER", number)
            signed = jwt.signing_input({"alg": "ES512"}, {"sub": "x", "exp": int(time.time()) + 999})
            with Patience(envoy, "PLAIN", "alice", PASSWORDS["alice"]) as patience:
                for raw in raws:
                    # 521 bits for each number: the first byte has one of them.
                    halves = [b"\0" + os.urandom(65) for _ in range(2)]
                    raw.send(AUTHENTICATE, 2, {"auth_bytes": bearer(jwt.join(signed, b"".join(halves)))})
                ends = how_they_end(raws)
                print(f"\n{number} tokens: {dict(ends)}")
            assert ends["refused"] > 10
            leave(envoy, raws)
            return max(patience.seconds)

        assert least(worst) < SLICE_S + number * FRAME_S


def varint(number: int) -> bytes:
    return bytes([number & 127 | 128]) + varint(number >> 7) if number > 127 else bytes([number])


def test_frames_full_of_tags_cost_their_bytes(by_password):
    """As many as a stranger's frame has room for: the broker ignores them as well."""
    tags = varint(32_000) + b"".join(varint(tag) + b"\0" for tag in range(32_000))
    body = struct.pack(">hhih", 18, 3, 7, 3) + b"raw\0" + b"\x05abcd\x05abcd" + tags
    frame, number = struct.pack(">i", len(body)) + body, 100

    def worst() -> float:
        raws = [Raw(by_password.port(1), timeout=60) for _ in range(number)]
        with Patience(by_password, "PLAIN", "alice", PASSWORDS["alice"]) as patience:
            for raw in raws:
                raw.socket.sendall(frame[:-1])
            time.sleep(1)
            for raw in raws:
                raw.socket.sendall(frame[-1:])
            for raw in raws:
                assert raw.receive_frame()
        leave(by_password, raws)
        return max(patience.seconds)

    # 3 ms each where tags are decoded.
    assert least(worst) < SLICE_S + number * 0.0012


def test_a_right_password_is_checked_once_in_all_workers_and_configurations(tmp_path, cluster):
    """The check is not repeated while strangers fill the queue either."""
    envoy = GuardedEnvoy(tmp_path / "right", cluster, {"mechanisms": ["PLAIN"], "users": dear_users()}, live=True)

    def seconds(user: str, password: str) -> float:
        with Raw(envoy.port(1)) as raw:
            offer(raw, "PLAIN", 1)
            started = time.monotonic()
            assert authenticate(raw, plain(user, password))["error_code"] == 0
            return time.monotonic() - started

    try:
        print("\nfirst, then again:", seconds("user-1", "pass-1"), seconds("user-1", "pass-1"))
        time.sleep(5)  # until the other worker has heard: each looks once a second, on a busy machine later
        strangers = [raw for _ in range(3) for raw in offered(envoy, "PLAIN", 100)]
        for n, raw in enumerate(strangers):
            raw.send(AUTHENTICATE, 2, {"auth_bytes": plain(f"user-{n % 30}", f"wrong {n}")})
        assert statistics.median(seconds("user-1", "pass-1") for _ in range(20)) < SLICE_S
        changed = {"mechanisms": ["PLAIN"], "users": [*dear_users()[5:], *envoy.filter_config["sasl"]["users"][:5]]}
        envoy.take("sasl", changed)
        assert statistics.median(seconds("user-1", "pass-1") for _ in range(20)) < SLICE_S
        for raw in strangers:
            raw.close()
    finally:
        envoy.stop()


def challenge(envoy: GuardedEnvoy, mechanism: str, user: str) -> tuple[str, str]:
    """Salt and iterations, as a stranger sees them."""
    with Raw(envoy.port(1)) as raw:
        offer(raw, mechanism, 1)
        answer = authenticate(raw, next(tokens(mechanism, user, "x")))["auth_bytes"].decode()
    parts = dict(part.split("=", 1) for part in answer.split(","))
    return parts["s"], parts["i"]


@pytest.mark.parametrize("secret", [None, "a secret of sixteen bytes"])
def test_salts_stay_when_the_list_of_users_changes(secret, tmp_path, cluster):
    """Real ones and made-up ones, in both workers; with a secret for them also in another process."""
    names = ["alice", "bob", "carol", *(f"stranger-{n}" for n in range(8))]
    own = {"salt_secret": secret} if secret else {}
    envoy = GuardedEnvoy(tmp_path / "salts", cluster, section(**own), live=True)

    def seen() -> dict:
        every = [{(m, name): challenge(envoy, m, name) for m in ("SCRAM-SHA-256", "SCRAM-SHA-512") for name in names} for _ in range(3)]
        assert every[0] == every[1] == every[2]
        return every[0]

    try:
        before = seen()
        changed = section(**own)
        changed["users"] = [*envoy.filter_config["sasl"]["users"][1:4], {"username": "dave", "password": "just came"}]
        changed["users"][1] = {"username": "carol", "password": "another"}
        envoy.take("sasl", changed)
        after = seen()
        assert {key for key in before if before[key] != after[key]} == set(), "alice, who has gone, looks as before"
        envoy.restart()
        again = seen()
        strange = [key for key in before if key[1] != "bob"]
        assert all((before[key] == again[key]) == bool(secret) for key in strange)
    finally:
        envoy.stop()


def assert_alike(known: Callable[[int], float], unknown: Callable[[int], float], times: int) -> None:
    """The seconds that the two take, measured `times` times each, must not tell which is which.

    Answers leave on the worker's ticks, so the two are measured in random order and at
    random moments. Where chance makes them look unlike, more is measured: a difference
    stays, chance does not."""
    measured = {known: [], unknown: []}
    for more in (times, 3 * times):
        for n in range(len(measured[known]), len(measured[known]) + more):
            for measure in random.sample((known, unknown), 2):
                time.sleep(random.uniform(0, 0.02))
                measured[measure].append(measure(n))
        print("\nquartiles, ms:", [[round(1000 * q, 2) for q in statistics.quantiles(m, n=4)] for m in measured.values()])
        # How often a time of the one is below a time of the other: a half, if they are alike.
        pairs = [(k, u) for k in measured[known] for u in measured[unknown]]
        below = sum(k < u for k, u in pairs) / len(pairs)
        if 0.3 < below < 0.7:
            return
    raise AssertionError(f"the one is below the other in {below:.0%} of all pairs")


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_the_time_of_a_challenge_does_not_tell_who_has_logged_in_here(mechanism, by_password):
    with Raw(by_password.port(1)) as raw:
        log_in(raw, mechanism, "alice", PASSWORDS["alice"])

    def seconds(user: str) -> float:
        with Raw(by_password.port(1)) as raw:
            offer(raw, mechanism, 1)
            started = time.monotonic()
            authenticate(raw, client_first(user))
            return time.monotonic() - started

    assert_alike(lambda _: seconds("alice"), lambda n: seconds(f"nobody-{n}"), 60)


def test_the_time_of_a_refusal_does_not_tell_who_is_known(by_credentials):
    """A user with credentials who has logged in, a user with a password, and nobody."""
    for user, password in (("user-2", "pass-2"), ("alice", "alice's own")):
        with Raw(by_credentials.port(1)) as raw:
            log_in(raw, "PLAIN", user, password)
    forms = {name: challenge(by_credentials, "SCRAM-SHA-256", name)[1] for name in (f"nobody-{n}" for n in range(99))}

    def seconds(user: str, n: int) -> float:
        with Raw(by_credentials.port(1)) as raw:
            offer(raw, "PLAIN", 1)
            started = time.monotonic()
            answer = authenticate(raw, plain(user, f"wrong {n}"))
            assert answer["error_code"] == SASL_AUTHENTICATION_FAILED
            return time.monotonic() - started

    for user in ("user-2", "alice"):
        alike = challenge(by_credentials, "SCRAM-SHA-256", user)[1]
        unknown = [name for name, iterations in forms.items() if iterations == alike]
        assert len(unknown) >= 20
        assert_alike(lambda n, user=user: seconds(user, n), lambda n, names=unknown: seconds(names[n % len(names)], n), 30)


def test_a_thousand_users_with_passwords(tmp_path, cluster):
    users = [{"username": f"user-{n}", "password": f"pass-{n}"} for n in range(1000)]
    started = time.monotonic()
    with OneWorker(tmp_path / "thousand", cluster, {"mechanisms": ["SCRAM-SHA-512"], "users": users}) as envoy:
        print(f"\nready after {time.monotonic() - started:.1f} s")
        started = time.monotonic()
        for n in (0, 500, 999):
            with Raw(envoy.port(1)) as raw:
                log_in(raw, "SCRAM-SHA-512", f"user-{n}", f"pass-{n}")
        print(f"three logins after {time.monotonic() - started:.3f} s")
        with Patience(envoy, "SCRAM-SHA-512", "user-1", "pass-1") as patience:
            time.sleep(1)
        assert statistics.quantiles(patience.seconds, n=100)[97] < SLICE_S


@pytest.mark.parametrize("user", ["user-7", "alice"])
@pytest.mark.parametrize("together", [True, False])
def test_a_client_that_ends_its_stream_with_its_token(together, user, by_credentials):
    """Its requests come in one piece or in two, and the verdict has to be waited for, or not."""
    password = "alice's own" if user == "alice" else f"pass-{7 + together}"
    name = user if user == "alice" else f"user-{7 + together}"
    with Raw(by_credentials.port(1)) as raw:
        offering = Recorded(raw)
        offering.send_offer("PLAIN")
        if not together:
            raw.socket.sendall(offering.take())
            raw.receive_frame()
        offering.send_token(plain(name, password))
        raw.socket.sendall(offering.take())
        raw.socket.shutdown(1)
        if together:
            raw.receive_frame()
        assert raw.receive_frame()[4:6] == b"\0\0", "no error"


class Recorded:
    """The requests that a client would send, in one piece."""

    def __init__(self, raw: Raw):
        self._raw, self._bytes = raw, b""

    def send_offer(self, mechanism: str) -> None:
        self._record(lambda: self._raw.send(HANDSHAKE, 1, {"mechanism": mechanism}))

    def send_token(self, token: bytes) -> None:
        self._record(lambda: self._raw.send(AUTHENTICATE, 1, {"auth_bytes": token}))

    def take(self) -> bytes:
        taken, self._bytes = self._bytes, b""
        return taken

    def _record(self, send) -> None:
        real, self._raw.send_frame = self._raw.send_frame, lambda frame: self._add(struct.pack(">i", len(frame)) + frame)
        try:
            send()
        finally:
            self._raw.send_frame = real

    def _add(self, frame: bytes) -> None:
        self._bytes += frame


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_bare_tokens_wait_for_their_verdict(mechanism, by_credentials):
    with Raw(by_credentials.port(1)) as raw:
        log_in_bare(raw, mechanism, "user-9", "pass-9")
        assert raw.metadata([])["brokers"]
        log_in(raw, mechanism, "user-9", "pass-9")
        assert raw.metadata([])["brokers"]
        with pytest.raises(Refused):
            log_in(raw, mechanism, "user-9", "wrong")


def test_what_came_to_nothing_is_counted_and_logged_within_bounds(guarded, issuer):
    """Guesses with names that do not repeat, by all mechanisms, and exchanges that are not finished."""

    def count(mechanism: str, outcome: str) -> float:
        return guarded.stat("kafka_remapper_auth_total", mechanism=mechanism, outcome=outcome)

    outcomes = [("PLAIN", "failure"), ("SCRAM-SHA-256", "failure"), ("SCRAM-SHA-256", "abandoned"), ("OAUTHBEARER", "failure")]
    before, lines = {o: count(*o) for o in outcomes}, len(guarded.log.read_text(errors="replace").splitlines())
    number, started = 250, time.monotonic()

    def guess(n: int) -> None:
        for mechanism in ("PLAIN", "SCRAM-SHA-256", "OAUTHBEARER"):
            secret = issuer.token(aud=f"other-{n}") if mechanism == "OAUTHBEARER" else f"secret-{n}"
            with Raw(guarded.port(1)) as raw, pytest.raises(Refused):
                log_in(raw, mechanism, f"guessed-{n}", secret)
        with Raw(guarded.port(1)) as raw:
            offer(raw, "SCRAM-SHA-256", 1)
            authenticate(raw, client_first(f"left-{n}"))

    with concurrent.futures.ThreadPoolExecutor(25) as pool:
        list(pool.map(guess, range(number)))
    for outcome in outcomes:
        wait_until(f"the count of {outcome}", lambda o=outcome: count(*o) - before[o] >= number, 5)
        assert count(*outcome) - before[outcome] == number
    minutes = int((time.monotonic() - started) / 60) + 2
    new = guarded.log.read_text(errors="replace").splitlines()[lines:]
    assert len(new) <= 2 * 20 * minutes, "\n".join(new[:50])
    assert any("SCRAM-SHA-256 and did not finish" in line for line in new)
    assert any("failed to authenticate by SCRAM-SHA-256" in line for line in new)
    assert not any("secret-" in line for line in new)
    assert any(re.search(r'tried "guessed-\d+"\] a client failed', line) for line in new), "who it was"
