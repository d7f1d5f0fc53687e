"""Until a client has proved who it is, only ApiVersions requests of the client reach a broker, whatever the
client sends, and in whatever pieces.

Counted at the broker's port, where a stand-in keeps every frame.
"""

import contextlib
import random
import socket
import struct
import time

import pytest

from tests.harness import apis
from tests.harness.counting_broker import CountingBroker
from tests.harness.guarded_envoy import PASSWORDS, GuardedEnvoy, section
from tests.harness.process import wait_until
from tests.harness.raw import Raw, encode, framed, request_header
from tests.harness.raw_sasl import AUTHENTICATE, HANDSHAKE, log_in, plain

pytestmark = pytest.mark.remap
KEYS = range(101)
VERSIONS = range(6)
BEFORE = {18: "ApiVersions", 17: "SaslHandshake"}
"""What a client may send before it authenticates."""
CLIENT = "intruder"
OURS = b"kafka-partition-remapper"
"""The filter's client id."""


@pytest.fixture(scope="module")
def broker():
    with CountingBroker() as broker:
        yield broker


@pytest.fixture(scope="module", params=["routed", "dynamic"])
def gate(request, broker, tmp_path_factory):
    with GuardedEnvoy(tmp_path_factory.mktemp("gate"), broker, section(), mode=request.param) as envoy:
        yield envoy


@pytest.fixture(autouse=True)
def nothing_gets_through(broker):
    yield
    time.sleep(0.2)  # what is on its way arrives
    assert broker.others() == []
    assert broker.broken == []
    # Neither do the client's names for itself.
    assert {frame.data[10 : 10 + len(OURS)] for frame in broker.frames} <= {OURS}
    assert not [frame for frame in broker.frames if CLIENT.encode() in frame.data]


def request(key: int, version: int, body: bytes = b"\0" * 40) -> bytes:
    return framed(struct.pack(">hhih", key, version, 7, len(CLIENT)) + CLIENT.encode() + body)


def message(api: apis.Api, version: int, body: dict) -> bytes:
    return framed(request_header(api, version, 1) + encode(api, version, body))


API_VERSIONS = message(apis.API_VERSIONS, 0, {})
OFFER = message(HANDSHAKE, 1, {"mechanism": "PLAIN"})
OFFER_SCRAM = message(HANDSHAKE, 1, {"mechanism": "SCRAM-SHA-256"})
OFFER_BARE = message(HANDSHAKE, 0, {"mechanism": "PLAIN"})
WRONG = message(AUTHENTICATE, 1, {"auth_bytes": plain("alice", "wrong")})
HALF = message(AUTHENTICATE, 1, {"auth_bytes": b"n,,n=alice,r=abcdefgh"})
BEHIND = {
    "nothing": b"",
    "ApiVersions": API_VERSIONS,
    "SaslHandshake": OFFER,
    "a failing SaslAuthenticate": OFFER + WRONG,
    "both": API_VERSIONS + OFFER + WRONG,
    "half of SCRAM": OFFER_SCRAM + HALF,
    "a bare token": OFFER_BARE + framed(plain("alice", "wrong")),
    "an unknown mechanism": message(HANDSHAKE, 1, {"mechanism": "GSSAPI"}),
}


@pytest.mark.parametrize("before", BEHIND)
def test_no_request_gets_through(before, gate):
    """Each API key in each version, in one piece with what comes before it."""
    versions = VERSIONS if before == "nothing" else [0]
    for version in versions:
        # ApiVersions may come again, with whatever bytes behind it.
        admitted = {"nothing": BEFORE, "ApiVersions": {apis.API_VERSIONS.key}}.get(before, ())
        refused = [BEHIND[before] + request(key, version) for key in KEYS if key not in admitted]
        assert_closed(gate, refused)


def test_split_into_bytes(gate):
    for what in (request(3, 0), API_VERSIONS + request(0, 3), OFFER + WRONG + request(1, 4)):
        with Raw(gate.base) as raw:
            with contextlib.suppress(ConnectionError):
                for i in range(len(what)):
                    raw.socket.sendall(what[i : i + 1])
            assert raw.is_closed_by_peer()


def test_junk(gate):
    dice = random.Random(18)
    junk = [b"\xff" * 100, b"\x80\0\0\0" + b"x" * 50, b"\x7f\xff\xff\xff" + b"x" * 50, struct.pack(">i", 600_000) + b"x" * 100]
    junk += [b"GET / HTTP/1.1\r\n\r\n", bytes.fromhex("1603010200010001fc0303") + bytes(64), b"\0\0\0\0" * 4]
    junk += [framed(dice.randbytes(n)) for n in range(60)]
    # ApiVersions that is none: a foreign header, trailing bytes in its body, and
    # versions that there are not yet.
    junk += [framed(struct.pack(">hhih", 18, 3, 1, 3) + b"raw\0" + dice.randbytes(30)) + request(3, 1)]
    for what in junk:
        with Raw(gate.base) as raw:
            raw.socket.sendall(what)
            raw.socket.shutdown(socket.SHUT_WR)  # what is not finished is never to be
            assert raw.is_closed_by_peer()


def test_many_api_versions_and_nothing_else(gate):
    """A client may ask ApiVersions as often as it likes, in every version, and each request is answered."""
    with Raw(gate.base) as raw:
        for version in (0, 1, 2, 3):
            body = {"client_software_name": "intruder", "client_software_version": "1"}
            answer = raw.call(apis.API_VERSIONS, version, body)
            assert {k["key"] for k in answer["api_keys"]} >= {17, 18, 36}
        raw.socket.sendall(request(3, 1))
        assert raw.is_closed_by_peer()


def test_who_has_logged_in_gets_through(gate, broker):
    """That the broker would notice."""
    with Raw(gate.base) as raw:
        log_in(raw, "PLAIN", "alice", PASSWORDS["alice"])
        raw.send(apis.METADATA, 1, {"topics": []})
        wait_until("the request at the broker", broker.others, 5)
        assert [f.key for f in broker.others()] == [apis.METADATA.key]
    broker.frames.clear()


def assert_closed(gate: GuardedEnvoy, inputs: list[bytes]) -> None:
    """Sends each of these over a connection of its own, all at once, and waits until each was closed."""
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(Raw(gate.base)) for _ in inputs]
        for raw, data in zip(opened, inputs, strict=True):
            raw.socket.sendall(data)
        still = [data[-50:] for raw, data in zip(opened, inputs, strict=True) if not raw.is_closed_by_peer(3)]
        assert not still, f"{len(still)} still open: {still[:5]}"
