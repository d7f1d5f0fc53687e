"""Bytes that no client should send: they cost their own connection, a stat counts them,
and no other client notices."""

import random
import struct

import pytest

from tests.harness import apis, batch
from tests.harness.process import wait_until
from tests.harness.raw import Raw, encode, fetch_body, framed, produce_body, request_header

pytestmark = pytest.mark.remap
MEMORY_SLACK_MIB = 50
TWO_GIB = 2**31 - 1


def request(api: apis.Api, version: int, body: bytes) -> bytes:
    return framed(request_header(api, version, 1) + body)


def int32(n: int) -> bytes:
    return struct.pack(">i", n)


PRODUCE = encode(apis.PRODUCE, 7, produce_body("modulo.x", {1: batch.build([b"x"])}))
PRODUCE_FLEXIBLE = encode(apis.PRODUCE, 9, produce_body("modulo.x", {1: batch.build([b"x"])}))
FETCH = encode(apis.FETCH, 11, fetch_body("modulo.x", {1: 0}))
VARINT_MAX = b"\xff\xff\xff\xff\x07"
CLIENT = struct.pack(">h", 3) + b"raw"

CLOSING = {
    "http": b"GET / HTTP/1.1\r\nHost: kafka\r\n\r\n",
    "tls": bytes.fromhex("1603010200010001fc0303") + bytes(64),
    "negative length": int32(-1) + b"x" * 100,
    "least length": int32(-(2**31)),
    "huge length": int32(TWO_GIB) + b"x" * 100,
    "length over the limit": int32(100 * 2**20 + 1) + b"x" * 100,
    "zero length": int32(0) * 3,
    "shorter than a header": framed(b"\0\0\0"),
    "header cut off in the client id": framed(struct.pack(">hhih", 3, 1, 1, 500) + b"raw"),
    "unknown key": framed(struct.pack(">hhi", 999, 0, 1) + CLIENT),
    "negative key": framed(struct.pack(">hhi", -5, 0, 1) + CLIENT),
    "unknown version": framed(struct.pack(">hhi", 0, 99, 1) + CLIENT + PRODUCE),
    "negative version": framed(struct.pack(">hhi", 1, -1, 1) + CLIENT + FETCH),
    "hidden api": framed(struct.pack(">hhi", 27, 1, 1) + CLIENT + b"\0\1"),
    "produce too old": framed(struct.pack(">hhi", 0, 2, 1) + CLIENT + PRODUCE[2:]),
    "produce cut off": request(apis.PRODUCE, 7, PRODUCE[:-20]),
    "produce cut off in the topic": request(apis.PRODUCE, 7, PRODUCE[:14]),
    "fetch cut off": request(apis.FETCH, 11, FETCH[:-12]),
    "empty produce": request(apis.PRODUCE, 7, b""),
    "topics claimed": request(apis.PRODUCE, 7, PRODUCE[:8] + int32(TWO_GIB) + PRODUCE[12:]),
    "topics claimed, flexible": request(apis.PRODUCE, 9, PRODUCE_FLEXIBLE[:7] + VARINT_MAX + PRODUCE_FLEXIBLE[8:]),
    "partitions claimed": request(apis.PRODUCE, 7, PRODUCE[:22] + int32(TWO_GIB) + PRODUCE[26:]),
    "records claimed": request(apis.PRODUCE, 7, PRODUCE[:30] + int32(TWO_GIB) + PRODUCE[34:]),
    "fetch topics claimed": request(apis.FETCH, 11, FETCH[:25] + int32(TWO_GIB) + FETCH[29:]),
    "tags claimed": framed(struct.pack(">hhi", 3, 9, 1) + CLIENT + VARINT_MAX),
    "unending varint": request(apis.PRODUCE, 9, b"\xff" * 50),
    "metadata topics claimed": request(apis.METADATA, 4, int32(TWO_GIB)),
    "metadata topics claimed, flexible": request(apis.METADATA, 9, VARINT_MAX),
}


@pytest.fixture
def bystander(envoy, raw, new_topic):
    """Another connection, which must go on working, while Envoy's memory stays as it was."""
    topic = new_topic()
    raw.append(topic.name, 1, [b"before"])
    before = envoy.memory_mib()
    yield raw
    raw.append(topic.name, 1, [b"after"])
    assert [value for _, value in raw.read_all(topic.name, 1)] == [b"before", b"after"]
    assert envoy.memory_mib() - before < MEMORY_SLACK_MIB


@pytest.mark.parametrize("what", CLOSING)
def test_nonsense_closes_its_connection_and_is_counted(what, envoy, bystander):
    before = envoy.stat("kafka_remapper_errors_total", blame="client")
    with Raw(envoy.port(1)) as victim:
        victim.socket.sendall(CLOSING[what])
        assert victim.is_closed_by_peer(), "still open"
    wait_until("the error's count", lambda: envoy.stat("kafka_remapper_errors_total", blame="client") > before, 10)


def test_random_bytes(envoy, bystander):
    dice = random.Random(7)
    for _ in range(100):
        with Raw(envoy.port(1)) as victim:
            data = dice.randbytes(dice.randrange(1, 3000))
            if dice.random() < 0.7:  # with a right length, so that more than the length is looked at
                data = framed(data)
            try:
                victim.socket.sendall(data)
                victim.is_closed_by_peer(0.02)
            except ConnectionError:
                pass


def test_mutated_requests(envoy, bystander):
    """Real requests with some bytes changed behind the header: an answer, or the end of the connection."""
    dice = random.Random(11)
    bodies = [(apis.PRODUCE, 7, PRODUCE), (apis.PRODUCE, 9, PRODUCE_FLEXIBLE), (apis.FETCH, 11, FETCH)]
    for _ in range(150):
        api, version, body = dice.choice(bodies)
        changed = bytearray(body)
        for _ in range(dice.randrange(1, 6)):
            changed[dice.randrange(len(changed))] = dice.choice([0, 1, 127, 128, 255, dice.randrange(256)])
        with Raw(envoy.port(1)) as victim:
            victim.socket.sendall(request(api, version, bytes(changed)))
            victim.is_closed_by_peer(0.02)


def test_a_frame_that_never_ends(envoy, bystander):
    """Many connections that claim a large frame and send little of it must not cost
    the memory that they claim."""
    victims = [Raw(envoy.port(1)) for _ in range(30)]
    for victim in victims:
        victim.socket.sendall(int32(90 * 2**20) + struct.pack(">hhi", 0, 7, 1) + CLIENT + PRODUCE)
    bystander.metadata(None)
    for victim in victims:
        victim.close()


def test_a_client_that_leaves_amid_a_request(envoy, bystander):
    for cut in (1, 3, 4, 7, 12, 30):
        with Raw(envoy.port(1)) as victim:
            victim.socket.sendall(request(apis.PRODUCE, 7, PRODUCE)[:cut])


def test_a_client_that_leaves_with_answers_on_their_way(envoy, bystander):
    for _ in range(20):
        with Raw(envoy.port(1)) as victim:
            for _ in range(10):
                victim.send(apis.FETCH, 11, fetch_body("modulo.absent", {1: 0, 5: 0}, max_wait_ms=200))
                victim.send(apis.METADATA, 9, {"topics": None})
