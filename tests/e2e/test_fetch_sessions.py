"""Fetch sessions (KIP-227): what an idle consumer costs, sessions by hand against a
broker's own, and a consumer whose session changes all the time."""

import queue
import random
import threading
import time
from collections import defaultdict

import pytest

from tests.harness import apis, batch, topics
from tests.harness.client_security import NONE
from tests.harness.clients import talk_to
from tests.harness.envoy import Envoy
from tests.harness.kafka import JAVA, run_tool
from tests.harness.paths import BUILD, KAFKA_JARS
from tests.harness.raw import Raw, fetch_body

IDLE = topics.Family("idle", 1000, 10)
IDLE_S = 8
UNKNOWN_TOPIC_OR_PARTITION, NOT_FOUND = 3, 70


class Reader:
    """A running clients/java/Reader.java."""

    def __init__(self, bootstrap: str, log):
        command = [*JAVA, "-Xmx400m", "-cp", f"{KAFKA_JARS}/*:{BUILD}/java", "Reader", bootstrap]
        self.records = defaultdict(list)
        """Partition (`topic:number`) → (offset, value)."""
        self._child = talk_to(command, log, NONE)
        self._obeyed: queue.Queue[bool] = queue.Queue()
        threading.Thread(target=self._pump, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._child.kill()
        self._child.wait()

    def tell(self, command: str) -> None:
        self._child.stdin.write(command + "\n")
        self._child.stdin.flush()
        assert self._obeyed.get(timeout=30)

    def expect(self, wanted: dict[str, list[bytes]], seconds: float = 30) -> None:
        """Waits for these values, which must come in this order, and nothing else; forgets them."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and any(len(self.records[p]) < len(values) for p, values in wanted.items()):
            time.sleep(0.02)
        got = {p: [value.encode() for _, value in records] for p, records in self.records.items() if records}
        assert got == {p: values for p, values in wanted.items() if values}
        self.records.clear()

    def _pump(self) -> None:
        for line in self._child.stdout:
            kind, *words = line.rstrip("\n").split(" ", 3)
            if kind == "OK":
                self._obeyed.put(True)
            elif kind == "R":
                self.records[words[0]].append((int(words[1]), words[2]))
        self._obeyed.put(False)


@pytest.fixture(scope="module")
def idle_envoy(cluster, tmp_path_factory, passthrough):
    config = {"stat_prefix": topics.STAT_PREFIX, "mapping": {"topics": [IDLE.entry()]}}
    with Envoy(tmp_path_factory.mktemp("idle"), cluster, config, "passthrough" if passthrough else "dynamic") as envoy:
        yield envoy


def bytes_of_idle(envoy: Envoy, topic: str, log) -> tuple[float, float]:
    """Bytes per second from, and to, a Java consumer of all 1,000 partitions of an empty topic."""

    def total() -> tuple[float, float]:
        return envoy.stat("envoy_tcp_downstream_cx_rx_bytes_total"), envoy.stat("envoy_tcp_downstream_cx_tx_bytes_total")

    with Reader(envoy.bootstrap, log) as reader:
        reader.tell("assign " + ",".join(f"{topic}:{p}" for p in range(IDLE.virtual)))
        time.sleep(6)  # until it is idle
        before, start = total(), time.monotonic()
        time.sleep(IDLE_S)
        after, seconds = total(), time.monotonic() - start
    return tuple((b - a) / seconds for a, b in zip(before, after, strict=True))


def test_an_idle_consumer_costs_what_it_does_without_a_mapping(programs, cluster, idle_envoy, tmp_path):
    mapped, plain = topics.unique(IDLE.name), topics.unique("plain")
    cluster.create_topic(mapped, IDLE.physical)
    cluster.create_topic(plain, IDLE.virtual)
    for _ in range(3):  # a refresh of Metadata may fall into the time
        by_mapped, by_plain = (bytes_of_idle(idle_envoy, topic, tmp_path / "stderr") for topic in (mapped, plain))
        print(f"bytes per second from and to an idle client: mapped {by_mapped}, not mapped {by_plain}")
        if all(m <= 2 * p for m, p in zip(by_mapped, by_plain, strict=True)):
            break
    assert all(0 < m <= 2 * p for m, p in zip(by_mapped, by_plain, strict=True))
    idle_envoy.assert_well()
    cluster.delete_topic(plain)


def shown(answer: dict) -> tuple:
    """An answer as it must be on both ways: the session's id only as being there, and of records only offsets and values."""
    parts = []
    for topic in answer["topics"]:
        for part in topic["partitions"]:
            records = [(b.base_offset, [v for _, v in b.records()]) for b in batch.parse(part["records"] or b"")]
            # A broker has no list, or an empty one, as its code goes.
            parts.append({**part, "records": records, "aborted": part["aborted"] or []})
    # A broker tells of partitions that there are not behind all others.
    parts.sort(key=lambda part: part["error_code"] == UNKNOWN_TOPIC_OR_PARTITION)
    return answer["error_code"], answer["session_id"] != 0, parts


class Session:
    """A session on one connection, of the partitions of one topic."""

    def __init__(self, raw: Raw, topic: str, version: int):
        self.raw, self.topic, self.version, self.id, self.epoch = raw, topic, version, 0, 0

    def fetch(self, offsets: dict[int, int], forget: list[int], odd: str | None) -> tuple:
        id, epoch = self.id, self.epoch
        if odd == "open":
            epoch = 0
        elif odd == "close":
            epoch = -1
        elif odd == "epoch":
            epoch += 5
        elif odd == "id":
            id = id ^ 1 or 5
        body = fetch_body(self.topic, offsets, max_wait_ms=0, session=(id, epoch))
        body["topics"] = body["topics"] if offsets else []
        body["forgotten"] = [{"name": self.topic, "partitions": forget}] if forget else []
        answer = self.raw.call(apis.FETCH, self.version, body)
        if answer["error_code"] == 0:
            self.id, self.epoch = answer["session_id"], epoch + 1
        return shown(answer)


@pytest.mark.remap
@pytest.mark.parametrize("version", [7, 11, 12])
@pytest.mark.parametrize("seed", range(4))
def test_sessions_are_as_a_broker_s(seed, version, anonymous, direct, cluster, new_topic):
    """Lane 0 of four physical partitions, and a topic that is as they are; what a client does with
    its session is drawn by lot."""
    lot, mapped, plain = random.Random(seed), new_topic(), topics.unique("plain")
    cluster.create_topic(plain, 4)
    ways = Session(anonymous, mapped.name, version), Session(direct, plain, version)
    ends = dict.fromkeys(range(4), 0)
    for step in range(80):
        for _ in range(lot.choice([0, 0, 1, 2])):
            p, values = lot.randrange(4), [b"%d" % n for n in range(lot.randint(1, 3))]
            ends[p] += len(values)
            for way in ways:
                way.raw.append(way.topic, p, values)
        offsets = {p: lot.choice([0, ends[p], ends[p], ends[p] + 50]) for p in lot.sample(range(4), lot.choice([0, 0, 1, 2, 4]))}
        if lot.random() < 0.1:
            offsets[99] = 0
        forget = lot.sample([0, 1, 2, 3, 99], lot.choice([0, 0, 0, 1, 5]))
        odd = lot.choice([None] * 8 + ["open", "close", "epoch", "id"])
        if ways[1].epoch == 0 or ways[1].id == 0:
            # A full Fetch of no topic goes by, and its session is the broker's.
            odd, offsets = "open", offsets or {0: ends[0]}
        if odd == "open":
            offsets, forget = offsets or {0: ends[0]}, []
        envoy, broker = (way.fetch(offsets, forget, odd) for way in ways)
        assert envoy == broker, f"step {step}: {offsets}, forget {forget}, {odd}"
    cluster.delete_topic(plain)


@pytest.mark.remap
def test_a_session_of_the_broker_s_ends_where_a_mapped_topic_comes(anonymous, envoy, cluster, new_topic):
    mapped, plain = new_topic(), topics.unique("plain")
    cluster.create_topic(plain, 1)
    session = Session(anonymous, plain, 12)
    assert session.fetch({0: 0}, [], "open")[:2] == (0, True)
    assert session.fetch({}, [], None) == (0, True, [])
    broker_s = session.id, session.epoch
    session.topic = mapped.name
    assert session.fetch({5: 0}, [], None) == (NOT_FOUND, False, [])
    (part,) = session.fetch({5: 0}, [], "open")[2]
    assert part["index"] == 5 and session.id != broker_s[0]
    assert session.fetch({}, [], None) == (0, True, [])
    # Such a session is its connection's own: elsewhere its topics may have been mapped since.
    with Raw(envoy.port(1)) as other:
        session = Session(other, plain, 12)
        session.id, session.epoch = broker_s
        assert session.fetch({}, [], None) == (NOT_FOUND, False, [])


def test_a_consumer_reads_all_while_its_session_changes(programs, envoy, raw, direct, cluster, new_topic, tmp_path):
    """Java seeks, pauses, resumes, and reads other partitions of mapped topics and of one that is not."""
    mapped, one, plain = new_topic(), new_topic(topics.ONE), topics.unique("plain")
    cluster.create_topic(plain, 2)
    every = [f"{mapped.name}:{v}" for v in range(mapped.virtual)] + [f"{one.name}:{v}" for v in range(4)]
    others = [f"{plain}:{p}" for p in range(2)]
    number = 0

    def append(partitions: list[str]) -> dict[str, list[bytes]]:
        nonlocal number
        wanted = {}
        for partition in partitions:
            topic, _, p = partition.rpartition(":")
            number += 1
            wanted[partition] = [b"%d" % number]
            (direct if topic == plain else raw).append(topic, int(p), wanted[partition])
        return wanted

    with Reader(envoy.bootstrap, tmp_path / "stderr") as reader:
        # Not mapped alone: the session is the broker's, until mapped ones come.
        reader.tell("assign " + ",".join(others))
        for _ in range(3):
            reader.expect(append(others))
            time.sleep(0.2)
        reader.tell("assign " + ",".join(others + every))
        for _ in range(3):
            reader.expect(append(every + others))
        time.sleep(1.5)  # idle
        reader.expect(append(every[::3]))
        # Paused ones leave the session, and come back where they were.
        reader.tell("pause " + ",".join(every[::2]))
        waiting = append(every[::2])
        reader.expect(append(every[1::2] + others))
        time.sleep(0.5)
        assert not reader.records
        reader.tell("resume " + ",".join(every[::2]))
        reader.expect(waiting)
        # Back to where the first records are: all come again.
        reader.tell(f"seek {every[3]} 0")
        deadline = time.monotonic() + 20
        while len(reader.records[every[3]]) < 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        again = [int(value) for _, value in reader.records.pop(every[3])]
        assert len(again) == 5 and again == sorted(again) and not reader.records
        # Fewer, others, none that is mapped, and all again from their ends.
        reader.tell("assign " + ",".join(every[:5] + others[:1]))
        append(every[5:])
        reader.expect(append(every[:5] + others[:1]))
        reader.tell("assign " + others[0])
        append(every[:1])
        reader.expect(append(others[:1]))
        reader.tell("assign " + ",".join([others[0], every[23]]))
        deadline = time.monotonic() + 20
        while len(reader.records[every[23]]) < 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(reader.records.pop(every[23])) == 5 and not reader.records
        reader.expect(append([every[23], others[0]]))
    cluster.delete_topic(plain)


@pytest.mark.remap
def test_a_client_above_its_quota_is_throttled_and_not_cut_off(raw, envoy, cluster, new_topic):
    """The broker then answers without any partition (KIP-219)."""
    topic, name = new_topic(), topics.unique("slow")
    quota = ["--bootstrap-server", cluster.bootstrap, "--alter", "--entity-type", "clients", "--entity-name", name]
    done = run_tool("kafka.admin.ConfigCommand", *quota, "--add-config", "consumer_byte_rate=20000")
    assert done.returncode == 0, done.stderr
    for _ in range(5):
        raw.append(topic.name, 5, [b"x" * 50_000])
    with Raw(envoy.port(1)) as slow:
        position, throttled, found, session = 0, 0, 0, (0, 0)
        deadline = time.monotonic() + 60
        while found < 5 and time.monotonic() < deadline:
            body = fetch_body(topic.name, {5: position}, max_bytes=60_000, max_wait_ms=100, session=session)
            answer = slow.call(apis.FETCH, 11, body, client_id=name.encode())
            assert answer["error_code"] == 0 and answer["session_id"] != 0
            session = answer["session_id"], session[1] + 1
            throttled += answer["throttle_time_ms"] > 0
            for part in (p for t in answer["topics"] for p in t["partitions"]):
                for b in batch.parse(part["records"]):
                    found, position = found + 1, b.last_offset + 1
    assert (found, throttled > 0) == (5, True)
