"""A worker's VM has 1 GiB for all of its connections. Each test would fill this memory, with real bytes;
no other client may notice."""

import resource
import selectors
import signal
import socket
import struct
import threading
import time

import pytest

from tests.harness import apis, batch, topics
from tests.harness.envoy import OneWorker
from tests.harness.fixtures import cluster_fixture
from tests.harness.guarded_envoy import GuardedEnvoy, section
from tests.harness.raw import EARLIEST, Raw, decode, encode, fetch_body, framed, partitions_of, produce_body, request_frame, request_header

pytestmark = pytest.mark.remap
MIB = 1 << 20
NOTICED_S = 5
"""No other client may wait longer than this."""
STARTING = 200
SLOW_BYTES_PER_S, SLOW_BUFFER = 1_000_000, 64 << 10
STARTING_MIB_MAX = 2048
"""Resident memory of Envoy: the VM's, and some MiB for each client, which lie in Envoy's own buffers until
the network has taken them."""


class OneGuardedWorker(GuardedEnvoy):
    workers = 1


@pytest.fixture(scope="module", autouse=True)
def enough_sockets():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


# With memory of its own for what is sent here.
cluster = cluster_fixture(heap="2g")


@pytest.fixture
def new_topic(cluster):
    def create(family=topics.MODULO) -> topics.Topic:
        topic = topics.Topic(family, topics.unique(family.name))
        cluster.create_topic(topic.name, family.physical, config={"max.message.bytes": "2000000"})
        return topic

    return create


@pytest.fixture
def worker(tmp_path, cluster):
    """An Envoy with one worker; its VM must not have failed at the end."""
    with OneWorker(tmp_path / "envoy", cluster, topics.MAPPING) as envoy:
        yield envoy


def check_others(envoy, topic) -> None:
    """Another client writes and reads, and does not wait for long."""
    started = time.monotonic()
    with Raw(envoy.port(1), timeout=NOTICED_S) as raw:
        value = str(started).encode()
        offset = raw.append(topic.name, 3, [value])
        answer = raw.fetch_one(topic.name, 3, offset)
        assert [v for b in batch.parse(answer["records"]) for _, v in b.records()] == [value]
    assert time.monotonic() - started < NOTICED_S


class Watch:
    """Within a `with`: the most resident memory that Envoy has, and whether others notice."""

    def __init__(self, envoy, topic):
        self._envoy, self._topic, self.most_mib = envoy, topic, 0.0
        self._failed: BaseException | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        if self._failed:
            raise self._failed

    def _run(self) -> None:
        try:
            while not self._over.wait(0.05):
                self.most_mib = max(self.most_mib, self._envoy.memory_mib())
                check_others(self._envoy, self._topic)
        except BaseException as error:  # the test must hear of it
            self._failed = error


def exchange(sockets: list[socket.socket], requests: list[bytes], seconds: float) -> list[bytes]:
    """Sends each request to its socket, all at once, and gives the answers, without their lengths. Fails when
    the other side closes a socket."""
    poll = selectors.DefaultSelector()
    state = {}
    for sock, request in zip(sockets, requests, strict=True):
        sock.setblocking(False)
        state[sock] = {"out": memoryview(request), "in": bytearray()}
        poll.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
    deadline, open_sockets = time.monotonic() + seconds, len(sockets)
    while open_sockets and time.monotonic() < deadline:
        for key, events in poll.select(1):
            sock, mine, done = key.fileobj, state[key.fileobj], False
            try:
                if events & selectors.EVENT_WRITE:
                    mine["out"] = mine["out"][sock.send(mine["out"][: 1 << 18]) :]
                    if not mine["out"]:
                        poll.modify(sock, selectors.EVENT_READ)
                if events & selectors.EVENT_READ:
                    piece = sock.recv(1 << 20)
                    if not piece:
                        raise ConnectionError
                    mine["in"] += piece
                    done = len(mine["in"]) >= 4 and len(mine["in"]) == 4 + struct.unpack_from(">i", mine["in"])[0]
            except ConnectionError:
                mine["in"], done = bytearray(), True
            if done:
                poll.unregister(sock)
                open_sockets -= 1
    assert not open_sockets, f"{open_sockets} of {len(sockets)} have no answer after {seconds} s"
    answers = [bytes(mine["in"][4:]) for mine in state.values()]
    assert all(answers), f"{answers.count(b'')} of {len(answers)} were closed"
    return answers


def slowly(sockets: list[socket.socket], requests: list[bytes], bytes_per_s: int, seconds: float) -> int:
    """As `exchange`, over a slow network: from each socket so many bytes are taken a second. Of the answers
    it gives the length of the shortest only."""
    for sock, request in zip(sockets, requests, strict=True):
        sock.sendall(request)
        sock.setblocking(False)
    taken = dict.fromkeys(sockets, 0)
    head: dict[socket.socket, bytes] = dict.fromkeys(sockets, b"")
    waiting, began = set(sockets), time.monotonic()
    while waiting:
        time.sleep(0.05)
        now = time.monotonic() - began
        assert now < seconds, f"{len(waiting)} of {len(sockets)} have no whole answer after {seconds} s"
        for sock in list(waiting):
            try:
                while (room := int(now * bytes_per_s) - taken[sock]) > 0:
                    piece = sock.recv(min(room, 1 << 18))
                    assert piece, "a connection was closed"
                    taken[sock] += len(piece)
                    head[sock] = (head[sock] + piece)[:4] if len(head[sock]) < 4 else head[sock]
                    if len(head[sock]) == 4 and taken[sock] == 4 + struct.unpack(">i", head[sock])[0]:
                        waiting.discard(sock)
                        break
            except BlockingIOError:
                pass
    return min(taken.values())


def connect(envoy, count: int, buffered: int | None = None) -> list[socket.socket]:
    """Opens connections, some at a time: Envoy connects to the broker with the first request, and the
    broker's queue of new connections has 50 places. `buffered`: the size of this side's
    buffers, if it matters."""

    def one() -> socket.socket:
        sock = socket.socket()
        sock.settimeout(30)
        if buffered:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffered)
        sock.connect(("127.0.0.1", envoy.port(1)))
        return sock

    sockets = []
    for start in range(0, count, 40):
        some = [one() for _ in range(min(40, count - start))]
        for sock in some:
            sock.sendall(request_frame(apis.API_VERSIONS, 0, {}))
        for sock in some:
            head = sock.recv(4, socket.MSG_WAITALL)
            sock.recv(struct.unpack(">i", head)[0], socket.MSG_WAITALL)
        sockets += some
    return sockets


def close(sockets: list[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


@pytest.mark.parametrize("network", ["fast", "slow"])
def test_consumers_that_all_start_at_once(network, worker, new_topic, direct):
    topic = new_topic(topics.ONE)
    for _ in range(40):
        direct.append(topic.name, 0, [bytes(450_000)])
    sockets = connect(worker, STARTING, SLOW_BUFFER if network == "slow" else None)
    fetch = request_frame(apis.FETCH, 11, fetch_body(topic.name, {0: 0}, max_bytes=50 * MIB, partition_max_bytes=50 * MIB))
    with Watch(worker, topic) as watch:
        for _ in range(2):
            if network == "slow":
                shortest = slowly(sockets, [fetch] * len(sockets), SLOW_BYTES_PER_S, 80)
            else:
                shortest = min(map(len, exchange(sockets, [fetch] * len(sockets), 60)))
            assert shortest > 900_000
    print(f"{watch.most_mib:.0f} MiB at most")
    assert watch.most_mib < STARTING_MIB_MAX
    close(sockets)


def test_producers_while_the_broker_stands_still(worker, new_topic, cluster):
    topic = new_topic()
    sockets = connect(worker, 950)
    produce = request_frame(apis.PRODUCE, 9, produce_body(topic.name, {7: batch.build([bytes(600_000)])}))
    cluster.signal(1, signal.SIGSTOP)
    going_on = threading.Timer(5, cluster.signal, [1, signal.SIGCONT])
    going_on.start()
    try:
        answers = exchange(sockets, [produce] * len(sockets), 90)
    finally:
        going_on.join()
    for answer in answers:
        (part,) = partitions_of(decode(apis.PRODUCE, 9, answer[4:])).values()
        assert part["error_code"] == 0, part
    close(sockets)
    with Raw(worker.port(1)) as raw:
        end = raw.list_offset(topic.name, 7, -1)
        assert end - raw.list_offset(topic.name, 7, EARLIEST) == 950


def test_producers_whose_frames_come_slowly(tmp_path, cluster, new_topic):
    """There are more producers than there is room for: they take turns, and nobody is told to go."""
    topic = new_topic()
    envoy = OneWorker(tmp_path / "envoy", cluster, {**topics.MAPPING, "limits": {"worker_bytes": 16 * MIB}})
    sockets = connect(envoy, 90)
    produce = request_frame(apis.PRODUCE, 9, produce_body(topic.name, {7: batch.build([bytes(120_000)])}))
    pieces = [produce[at : at + len(produce) // 20 + 1] for at in range(0, len(produce), len(produce) // 20 + 1)]
    began = time.monotonic()
    for piece in pieces[:-1]:
        for sock in sockets:
            sock.sendall(piece)
        time.sleep(0.05)
    check_others(envoy, topic)
    for answer in exchange(sockets, [pieces[-1]] * len(sockets), 30):
        (part,) = partitions_of(decode(apis.PRODUCE, 9, answer[4:])).values()
        assert part["error_code"] == 0, part
    assert time.monotonic() - began < 3 * NOTICED_S
    close(sockets)
    envoy.stop()


def test_large_frames_that_never_end(worker, new_topic):
    """Most of 95 MiB from each of twelve clients; those that are taken in are told to go once others wait."""
    topic = new_topic()
    produce = request_header(apis.PRODUCE, 9, 1) + encode(apis.PRODUCE, 9, produce_body(topic.name, {7: batch.build([b"x"])}))
    start = struct.pack(">i", 95 * MIB) + produce + bytes(MIB - len(produce))
    sockets = connect(worker, 12)
    for sock in sockets:
        sock.setblocking(False)
    left = {sock: 90 * MIB for sock in sockets}
    closed, began = 0, time.monotonic()
    check_others(worker, topic)
    while time.monotonic() - began < 14:
        for sock in list(left):
            try:
                sent = sock.send(start[: left[sock]] if left[sock] == 90 * MIB else bytes(min(MIB, left[sock])) or b"")
                left[sock] -= sent
                if left[sock] <= 0:
                    if sock.recv(1) == b"":
                        raise ConnectionError
            except BlockingIOError:
                pass
            except ConnectionError:
                closed += 1
                del left[sock]
        if closed == 0:
            check_others(worker, topic)
        time.sleep(0.02)
    assert closed > 0, "nobody was told to go"
    assert worker.stat("kafka_remapper_errors_total", blame="client") >= closed
    check_others(worker, topic)
    close(sockets)


def test_what_clients_say_of_themselves_is_not_kept(worker, new_topic):
    """ApiVersions with a tagged field of 60 MiB, on connections that stay."""
    topic = new_topic()
    tag = 60 * MIB
    body = encode(apis.API_VERSIONS, 3, {"client_software_name": "n", "client_software_version": "1"})[:-1]
    size = bytes([tag & 127 | 128, tag >> 7 & 127 | 128, tag >> 14 & 127 | 128, tag >> 21])
    data = request_header(apis.API_VERSIONS, 3, 1) + body + b"\1\x64" + size + bytes(tag)
    sockets = []
    for _ in range(24):
        sock = socket.create_connection(("127.0.0.1", worker.port(1)), timeout=30)
        sockets.append(sock)
        exchange([sock], [framed(data)], 30)
    check_others(worker, topic)
    close(sockets)


def test_millions_of_tags_in_a_header(worker, new_topic):
    topic = new_topic()
    count = 10_000_000
    varint = bytes([count & 127 | 128, count >> 7 & 127 | 128, count >> 14 & 127 | 128, count >> 21])
    head = struct.pack(">hhih", 3, 9, 1, -1) + varint + bytes(2 * count)
    data = head + encode(apis.METADATA, 9, {"topics": [{"name": topic.name}]})
    (sock,) = connect(worker, 1)
    before = time.monotonic()
    exchange([sock], [framed(data)], 20)
    assert time.monotonic() - before < NOTICED_S
    check_others(worker, topic)
    sock.close()


@pytest.mark.parametrize("what", ["api versions", "heartbeat", "fetch", "produce"])
def test_requests_without_end_whose_answers_nobody_reads(what, worker, new_topic):
    topic = new_topic()
    request = {
        "api versions": bytes.fromhex("0000000a001200000000 0001ffff".replace(" ", "")),
        "heartbeat": struct.pack(">ihhih", 24, 12, 0, 1, -1) + struct.pack(">h1sih1s", 1, b"g", 1, 1, b"m") + bytes(4),
        "fetch": request_frame(apis.FETCH, 11, fetch_body(topic.name, {0: 0, 4: 0}, max_wait_ms=1)),
        "produce": request_frame(apis.PRODUCE, 9, produce_body(topic.name, {0: batch.build([b"x"]), 4: batch.build([b"y"])})),
    }[what]
    flood = request * (MIB // len(request))
    sockets = [socket.create_connection(("127.0.0.1", worker.port(1)), timeout=10) for _ in range(5)]
    began, open_sockets = time.monotonic(), set(sockets)
    for sock in sockets:
        sock.setblocking(False)
    position = dict.fromkeys(sockets, 0)
    while time.monotonic() - began < 6 and open_sockets:
        for sock in list(open_sockets):
            try:
                position[sock] = (position[sock] + sock.send(flood[position[sock] :])) % len(flood)
            except BlockingIOError:
                pass
            except ConnectionError:
                open_sockets.discard(sock)
        time.sleep(0.002)
    check_others(worker, topic)
    assert worker.memory_mib() < 900
    close(sockets)


def test_strangers_with_large_frames(tmp_path, cluster):
    worker = OneGuardedWorker(tmp_path / "envoy", cluster, section())
    start = struct.pack(">i", 500 * 1024) + request_header(apis.API_VERSIONS, 3, 1) + bytes(490 * 1024)
    sockets = []
    for _ in range(900):  # Envoy lets no more than 1,024 through to one cluster
        sock = socket.create_connection(("127.0.0.1", worker.port(1)), timeout=10)
        sock.setblocking(False)
        sockets.append(sock)
    left = dict.fromkeys(sockets, start)
    began = time.monotonic()
    while time.monotonic() - began < 8:
        for sock in list(left):
            try:
                left[sock] = left[sock][sock.send(left[sock]) :]
                if not left[sock]:
                    del left[sock]
            except BlockingIOError:
                pass
            except ConnectionError:
                del left[sock]
        time.sleep(0.01)
    before = time.monotonic()
    with Raw(worker.port(1), timeout=NOTICED_S) as raw:
        raw.announce("apache-kafka-java")
    assert time.monotonic() - before < NOTICED_S
    close(sockets)
    worker.stop()
