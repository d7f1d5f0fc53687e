"""Consumers that wait at the end of a physical partition, where one may read for all: what the others feel
when it goes away or stands still, and what they see when the log is cut or made again. Every test runs with
`fetch.share: never` too.
"""

import random
import socket
import struct
import threading
import time
from contextlib import ExitStack

import pytest
from confluent_kafka import TopicPartition

from tests.harness import apis, topics
from tests.harness.batch import parse
from tests.harness.followers import OFFSET_OUT_OF_RANGE, Follower, Ticker, follow_end, latencies_s, stop_all
from tests.harness.process import wait_until
from tests.harness.raw import LATEST, Raw, fetch_body, partitions_of, request_frame

pytestmark = pytest.mark.remap
LONG_WAIT_MS = 20_000
NOTICED_S = 1.0
"""Nobody may wait longer than this for a record that was written."""
STUCK_MIB_MAX = 10
"""Resident memory for each client that reads none of its answers, of 1 MiB each: an answer or two, and what
lies in Envoy's buffers."""


def connected(envoy) -> Raw:
    raw = Raw(envoy.port(1), timeout=60)
    raw.announce("apache-kafka-java")
    return raw


def wait_at(raw: Raw, topic: str, partition: int, offset: int, max_wait_ms: int = LONG_WAIT_MS) -> int:
    """Sends a Fetch, which waits; its correlation id."""
    return raw.send(apis.FETCH, 11, fetch_body(topic, {partition: offset}, max_wait_ms=max_wait_ms))


def values_of(part: dict) -> list[bytes]:
    assert part["error_code"] == 0, part
    return [value for b in parse(part["records"]) if not b.is_control for _, value in b.records()]


def reset(raw: Raw) -> None:
    """As when the client's machine goes away."""
    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()


GOODBYES = {"reset": reset, "closed": Raw.close, "half-closed": lambda raw: raw.socket.shutdown(socket.SHUT_WR)}


@pytest.mark.parametrize("goodbye", GOODBYES)
def test_whoever_reads_for_others_may_leave(goodbye, one_worker, new_topic):
    topic, chance = new_topic(topics.ONE), random.Random(goodbye)
    with connected(one_worker) as writer:
        for number in range(12):
            end = writer.list_offset(topic.name, 0, LATEST)
            first, others = connected(one_worker), [connected(one_worker) for _ in range(3)]
            wait_at(first, topic.name, 0, end)
            time.sleep(0.05)
            waiting = [wait_at(raw, topic.name, v, end) for v, raw in enumerate(others, 1)]
            time.sleep(0.05)
            GOODBYES[goodbye](first)
            time.sleep(chance.choice([0, 0.001, 0.02, 0.2]))
            began = time.monotonic()
            for v in (1, 2, 3):
                writer.append(topic.name, v, [b"%d-%d" % (number, v)])
            for v, (raw, correlation) in enumerate(zip(others, waiting, strict=True), 1):
                found = partitions_of(raw.receive(apis.FETCH, 11, correlation))[v]
                assert values_of(found) == [b"%d-%d" % (number, v)]
                assert time.monotonic() - began < NOTICED_S
                raw.close()
            first.close()


def test_a_wait_ends_when_the_client_said(one_worker, new_topic):
    """Each client has a wait of its own; nothing of theirs is written, or only siblings' records are."""
    topic = new_topic(topics.ONE)
    waits_ms = [100, 400, 700, 1500]
    for writing in (False, True):
        with ExitStack() as stack:
            raws = [stack.enter_context(connected(one_worker)) for _ in waits_ms]
            end = raws[0].list_offset(topic.name, 1, LATEST)
            if writing:
                stack.enter_context(Ticker(one_worker.port(1), topic.name, range(1)))
            took: dict[int, float] = {}

            def ask(raw: Raw, max_wait_ms: int) -> None:
                began = time.monotonic()
                part = raw.fetch_one(topic.name, 1, end, max_wait_ms=max_wait_ms)
                took[max_wait_ms] = time.monotonic() - began
                assert values_of(part) == []

            threads = [threading.Thread(target=ask, args=pair) for pair in zip(raws, waits_ms, strict=True)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        # Where siblings' records come, a client that is known to step over control batches may be moved on
        # sooner.
        assert len(took) == len(waits_ms)
        assert all((writing or took[ms] >= ms / 1000 - 0.05) and took[ms] < ms / 1000 + 0.5 for ms in waits_ms), took


def test_a_consumer_that_reads_no_answer_costs_itself_only(one_worker, direct, new_topic):
    """It asks on and on: for old records, and for what comes, with long waits."""
    topic = new_topic(topics.ONE)
    for n in range(40):
        direct.append(topic.name, 0, [bytes(400_000)], producer=(-1, -1, -1) if n % 4 == 0 else (-2 - n % 4, 0, 0))

    def measure() -> list[float]:
        """The siblings' latencies, with short waits and with long ones."""
        followers = [
            follow_end(connected(one_worker), topic.name, v, max_wait_ms=max_wait_ms)
            for v, max_wait_ms in [(0, 500), (1, 500), (2, 2500), (3, 2500), (1, 2500)]
        ]
        try:
            with Ticker(one_worker.port(1), topic.name, range(4)) as ticker:
                time.sleep(3)
            for follower in followers:
                follower.wait_for(ticker.values[follower.partition])
        finally:
            stop_all(followers)
        return latencies_s(ticker, followers)

    before = measure()
    memory = one_worker.memory_mib()
    with connected(one_worker) as raw:
        end = raw.list_offset(topic.name, 0, LATEST)
    stuck = []
    for v in (0, 1, 2):
        for offset in (0, end):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", one_worker.port(1)))
            stuck.append(sock)
            sock.setblocking(False)
            frame = request_frame(apis.FETCH, 11, fetch_body(topic.name, {v: offset}, max_wait_ms=LONG_WAIT_MS))
            sock.send(frame * 300)
    time.sleep(1)
    meanwhile = measure()
    grown = one_worker.memory_mib() - memory
    for sock in stuck:
        sock.close()
    p99, p99_before = (found[int(len(found) * 0.99)] for found in (meanwhile, before))
    print(f"p99 {p99_before:.3f} s before, {p99:.3f} s meanwhile, longest {meanwhile[-1]:.3f} s, {grown:.0f} MiB more")
    assert p99 < NOTICED_S and meanwhile[-1] < NOTICED_S
    assert grown < STUCK_MIB_MAX * len(stuck)


@pytest.mark.parametrize("more", [True, False], ids=["more-records", "fewer-records"])
def test_a_topic_that_is_made_again_while_it_is_read(more, one_worker, cluster, new_topic):
    """Once it is there again, no answer to a question that is asked then has a record of the old one."""
    topic = new_topic(topics.ONE)
    partitions = range(topic.virtual)
    with ExitStack() as stack:
        # Writes by the topic's name, which tells Envoy nothing of the new topic.
        raw = stack.enter_context(Raw(one_worker.port(1)))
        followers = [Follower(connected(one_worker), topic.name, v) for v in (*partitions, 1, 2)]
        stack.callback(stop_all, followers)
        stored: set[tuple[int, int, str]] = set()
        """(partition, offset, value) of all records that there ever were."""

        def write(generation: int, count: int) -> None:
            for n in range(count):
                for v in partitions:
                    value = f"{generation}-{v}-{n}"
                    stored.add((v, raw.append(topic.name, v, [value.encode()]), value))

        write(0, 30)
        for follower in followers:
            follower.wait_for([f"0-{follower.partition}-{n}" for n in range(30)])
        for generation in (1, 2):
            cluster.delete_topic(topic.name)
            cluster.create_topic(topic.name, 1)
            made_s = time.monotonic()
            write(generation, 60 * generation if more else 30 - 10 * generation)
            last = [max(r[1] for r in stored if r[0] == v and r[2].startswith(f"{generation}-")) for v in partitions]
            fresh = connected(one_worker)
            stack.callback(fresh.close)
            for v in partitions:
                wanted = sorted((o, value.encode()) for p, o, value in stored if p == v and value.startswith(f"{generation}-"))
                assert fresh.read_all(topic.name, v) == wanted
            for follower in followers:
                wait_until("the last record", lambda: follower.failed or follower.position > last[follower.partition], 10)
                for record, asked_s in zip(follower.records, follower.asked_s, strict=True):
                    assert (follower.partition, *record) in stored
                    assert asked_s < made_s or record.value.startswith(f"{generation}-"), record


def test_an_answer_that_lay_unread_is_told_to_nobody_who_came_since(one_worker, cluster, direct, new_topic):
    """A client does not read a large answer, so Envoy does not read the next one of its broker, in which lies a
    log that is another one when the client reads on."""
    topic, large = new_topic(topics.ONE), new_topic(topics.ONE)
    for _ in range(20):
        direct.append(large.name, 0, [bytes(450_000)])
    with ExitStack() as stack:
        fellow, patient, sluggish = (stack.enter_context(connected(one_worker)) for _ in range(3))
        # Writes by the topic's name, which tells Envoy nothing of the new topic.
        writer = stack.enter_context(Raw(one_worker.port(1)))
        for _ in range(12):
            writer.append(topic.name, 0, [b"old"])
        for raw in (fellow, patient):
            values_of(partitions_of(raw.receive(apis.FETCH, 11, wait_at(raw, topic.name, 1, 12, max_wait_ms=0)))[1])
        sluggish.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        body = fetch_body(large.name, {0: 0}, max_wait_ms=0, partition_max_bytes=1 << 24)
        first = sluggish.send(apis.FETCH, 11, body)
        second = wait_at(sluggish, topic.name, 0, 8, max_wait_ms=500)
        time.sleep(0.15)
        cluster.delete_topic(topic.name)
        cluster.create_topic(topic.name, 1)
        for _ in range(8):
            writer.append(topic.name, 1, [b"new"])
        asked = wait_at(patient, topic.name, 2, 8, max_wait_ms=1500)
        time.sleep(0.05)
        mine = [f"mine-{n}".encode() for n in range(4)]
        for value in mine:
            writer.append(topic.name, 2, [value])
        sluggish.receive(apis.FETCH, 11, first)
        sluggish.receive(apis.FETCH, 11, second)
        got, position = [], 8
        while got != mine:
            part = partitions_of(patient.receive(apis.FETCH, 11, asked))[2]
            got += values_of(part)
            assert got == mine[: len(got)], got
            position = max([position, *(b.last_offset + 1 for b in parse(part["records"]))])
            assert position < 12 or got == mine, f"{got} up to {position}"
            asked = wait_at(patient, topic.name, 2, position, max_wait_ms=500)


def test_records_that_are_deleted_are_gone(one_worker, cluster, direct, new_topic):
    """DeleteRecords, around Envoy: from the broker's answer on everybody hears what the broker says."""
    topic, admin = new_topic(topics.ONE), cluster.admin
    with ExitStack() as stack:
        raw = stack.enter_context(connected(one_worker))
        for n in range(50):
            for v in range(topic.virtual):
                raw.append(topic.name, v, [b"%d-%d" % (v, n)])
        followers = [Follower(connected(one_worker), topic.name, v) for v in range(topic.virtual)]
        stack.callback(stop_all, followers)
        for follower in followers:
            follower.wait_for([f"{follower.partition}-{n}" for n in range(50)])
        for before in (60, 120, 200):
            where = TopicPartition(topic.name, 0, before)
            admin.delete_records([where])[where].result(10)
            for offset in (0, before - 1, before, 199, 200):
                asked = {v: offset for v in range(topic.virtual)}
                answer = partitions_of(raw.fetch(topic.name, asked, max_wait_ms=50))
                truth = direct.fetch_one(topic.name, 0, offset, max_wait_ms=0)
                for v, part in answer.items():
                    deleted = [o for o in range(offset, before) if o % topic.virtual == v]
                    if part["error_code"] or deleted:
                        assert part["error_code"] == OFFSET_OUT_OF_RANGE and offset < before
                        assert {**part, "index": 0} == truth
                        continue
                    # Also before the start, where the filter knows that only siblings' records were between.
                    assert part["log_start_offset"] in (before, -1)  # -1: not asked in this round
                    own = [o for b in parse(part["records"]) if not b.is_control for o, _ in b.records() if o >= offset]
                    assert own == [o for o in range(max(offset, before), 200) if o % topic.virtual == v]
        raw.append(topic.name, 1, [b"after"])
        wait_until("the record behind", lambda: followers[1].values()[-1] == "after", 5)
        assert not any(follower.errors for follower in followers), "they were all at the end"
