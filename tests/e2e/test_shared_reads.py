"""What several connections of a worker read of a physical partition is read once for all of them, and each
gets what is its own: its virtual partition, as far as transactions have got, and only what it may read. Every
test runs with `fetch.share: never` too.
"""

import random
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AclBinding, AclBindingFilter, AclOperation, AclPermissionType, ResourcePatternType, ResourceType,
)  # fmt: skip

from tests.harness import topics
from tests.harness.clients import Consumer, Record
from tests.harness.envoy import OneWorker
from tests.harness.followers import Follower, stop_all
from tests.harness.load import Load, LoneReader
from tests.harness.process import wait_until
from tests.harness.raw import LATEST, Raw, partitions_of
from tests.harness.raw_sasl import log_in
from tests.harness.secured_brokers import USERS, at_filter, connect

pytestmark = pytest.mark.remap
TOPIC_AUTHORIZATION_FAILED = 29
C = topics.MODULO.virtual // topics.MODULO.physical
SHARED_MAX = 1.3
"""What may be fetched for each byte that clients get, where they share: what readers fetch before they
have come to one place, and what is asked for each client, are more than 1."""
SHARED_STATS = ("hits_total", "parked_total", "woken_total", "bytes", "doorbell_bytes_total")
STORE_MAX_BYTES = 16 << 20
"""A worker keeps no more of what was read."""


def shared_stats(envoy: OneWorker) -> dict[str, float]:
    return {name: envoy.stat(f"kafka_remapper_shared_{name}") for name in SHARED_STATS}


def assert_used(envoy: OneWorker, share: str) -> None:
    """Sharing has happened, or none has where it may not."""
    found = shared_stats(envoy)
    if share == "never":
        assert not any(found.values()), found
    else:
        assert all(found[name] > 0 for name in ("hits_total", "parked_total", "woken_total")), found
        assert found["bytes"] <= STORE_MAX_BYTES


def test_every_library_reads_only_its_own(one_worker, programs, new_topic, tmp_path):
    """Two programs of each library, each with a sibling of its own, all from the beginning at once and then
    at the end, while a producer goes on. Some begin anew meanwhile, on others' partitions, and some are
    killed."""
    topic, libraries = new_topic(topics.CROWD), list(programs.values())
    written = defaultdict(list)
    plan = [(v, [f"{v}-old-{n}-{i}-{'x' * 200}".encode() for i in range(3)]) for n in range(60) for v in range(topic.virtual)]
    random.Random(1).shuffle(plan)
    with Raw(one_worker.port(1)) as raw:
        for (v, values), base in zip(plan, raw.append_each(topic.name, plan), strict=True):
            written[v] += [Record(base + i, value.decode()) for i, value in enumerate(values)]

    def start(v: int) -> Consumer:
        return Consumer(libraries[v % len(libraries)], one_worker.bootstrap, topic.name, v, tmp_path / f"stderr-{v}")

    with ExitStack() as stack:
        with ThreadPoolExecutor(topic.virtual) as pool:
            consumers = list(pool.map(start, range(topic.virtual)))
        for consumer in consumers:
            stack.push(consumer)
        with Load(one_worker.bootstrap, topic.name, topic.virtual, True, per_second=700) as load:
            time.sleep(2)
            for v in (0, 4, 9):
                consumers[v].assign(topic.name, (v + 1) % topic.virtual)
            for v in (2, 7):
                consumers.pop(v).__exit__()
            time.sleep(2)
        for consumer in consumers:
            consumer.expect(written[consumer.partition] + load.acked[consumer.partition])
        consumers[0].expect_nothing_more()
    assert load.acked_count() == load.sent and not load.failed


def test_how_often_a_physical_partition_is_read(one_worker, share, new_topic):
    """A lone librdkafka consumer for each virtual partition: at the end of the log, and then again, all of
    them from its beginning."""
    topic = new_topic()

    def read(until: Callable[[], dict[int, list[Record]]]) -> float:
        readers = [LoneReader(one_worker.bootstrap, topic.name, v) for v in range(topic.virtual)]
        before = fetched_bytes(one_worker)
        try:
            wanted = until()
            wait_until("all records", lambda: all(len(r.records) >= len(wanted[v]) for v, r in enumerate(readers)), 30)
            upstream, downstream = (after - then for after, then in zip(fetched_bytes(one_worker), before, strict=True))
        finally:
            for reader in readers:
                reader.stop()
        assert {v: r.records for v, r in enumerate(readers)} == wanted
        return upstream / downstream

    def go_on() -> dict[int, list[Record]]:
        with Load(one_worker.bootstrap, topic.name, topic.virtual, True, per_second=2000, record_bytes=1000) as load:
            time.sleep(6)
        assert not load.failed
        return dict(load.acked)

    written: dict[int, list[Record]] = {}
    at_the_end = read(lambda: written.update(go_on()) or written)
    from_the_start = read(lambda: written)
    print(f"read amplification, fetch.share {share}: {at_the_end:.2f} at the end, {from_the_start:.2f} from the start")
    print(shared_stats(one_worker))
    assert_used(one_worker, share)
    for found in (at_the_end, from_the_start):
        if share == "never":
            assert C - 1.5 < found < C + 1
        else:
            assert found <= SHARED_MAX


def fetched_bytes(envoy: OneWorker) -> tuple[float, float]:
    return tuple(envoy.stat(f"kafka_remapper_fetch_bytes_{way}_total") for way in ("upstream", "downstream"))


def test_transactions(one_worker, cluster, programs, new_topic, tmp_path):
    """They are written around Envoy, and so lie on lane 0. Consumers of both isolation levels read them, and
    siblings' records between."""
    topic = new_topic(topics.ONE)
    committed, everything, sibling = [], [], []
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "transactional.id": topic.name, "linger.ms": 0})
    producer.init_transactions(30)

    def transaction(name: str, *into: list[Record]) -> None:
        def answered(error, message) -> None:
            assert not error, error
            for records in into:
                records.append(Record(message.offset(), message.value().decode()))

        producer.begin_transaction()
        for n in range(3):
            producer.produce(topic.name, f"{name}-{n}", partition=0, on_delivery=answered)
        producer.flush(20)

    def start(name: str, partition: int, read_committed: bool) -> Consumer:
        log = tmp_path / f"stderr-{name}-{partition}-{read_committed}"
        return Consumer(programs[name], one_worker.bootstrap, topic.name, partition, log, read_committed)

    with Raw(one_worker.port(1)) as raw, ExitStack() as stack:

        def append(value: str) -> None:
            sibling.append(Record(raw.append(topic.name, 2, [value.encode()]), value))

        names = ["java", "librdkafka", "franz-go"]
        with ThreadPoolExecutor(8) as pool:
            strict = list(pool.map(lambda n: stack.enter_context(start(n, 0, True)), names))
            lax = list(pool.map(lambda n: stack.enter_context(start(n, 0, False)), names))
            beside = list(pool.map(lambda c: stack.enter_context(start("librdkafka", 2, c)), (True, False)))
        for number in range(6):
            append(f"before-{number}")
            fate = ("commit", "abort")[number % 2]
            transaction(f"{fate}-{number}", everything, *([committed] if fate == "commit" else []))
            append(f"while-{number}")
            for consumer in lax:
                consumer.expect(everything)
            beside[1].expect(sibling)
            done = committed[:-3] if fate == "commit" else committed
            for consumer in strict:
                consumer.expect(done)
                consumer.expect_nothing_more(0.2)
            beside[0].expect(sibling[:-1])  # the last one lies behind an open transaction
            getattr(producer, f"{fate}_transaction")(20)
            for consumer in strict:
                consumer.expect(committed)
            beside[0].expect(sibling)
        for consumer, wanted in [*((c, committed) for c in strict), *((c, everything) for c in lax)]:
            consumer.assign(topic.name, 0)
            consumer.expect(wanted)
            consumer.expect_nothing_more(0.2)


@pytest.fixture(scope="module")
def own_identities(tmp_path_factory, secured, share):
    """An Envoy with one worker, whose clients are themselves at the brokers."""
    users = ("alice", "bob")
    config = {
        **topics.MAPPING,
        "fetch": {"share": share},
        "sasl": {"mechanisms": ["PLAIN"], "users": [{"username": u, "password": at_filter(u)} for u in users]},
        "upstream": {"sasl": {"mechanism": "PLAIN", "per_principal": {u: {"username": u, "password": USERS[u]} for u in users}}},
    }
    with OneWorker(tmp_path_factory.mktemp("own-identities"), secured, config, listener="SASL") as envoy:
        yield envoy


def right_to(operation: AclOperation, topic: str, user: str) -> AclBinding:
    allow = (f"User:{user}", "*", operation, AclPermissionType.ALLOW)
    return AclBinding(ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, *allow)


def same_right(right: AclBinding) -> AclBindingFilter:
    where = (right.restype, right.name, right.resource_pattern_type)
    return AclBindingFilter(*where, right.principal, right.host, right.operation, right.permission_type)


def test_nobody_gets_what_only_others_may_read(own_identities, secured):
    """Alice reads and writes; Bob, on the same worker, may not read, then may, then may no more. He asks for
    siblings' positions at which Alice has read just now, and where she waits."""
    envoy, admin, topic = own_identities, secured.admin, topics.Topic(topics.ONE, topics.unique(topics.ONE.name))
    secured.create_topic(topic.name, 1, 1)
    grants = [right_to(o, topic.name, u) for o, u in ((AclOperation.ALL, "alice"), (AclOperation.DESCRIBE, "bob"))]
    for done in admin.create_acls(grants).values():
        done.result(10)
    with connect(envoy.base, "alice") as raw:

        def leader() -> int:
            (found,) = raw.metadata([topic.name])["topics"]
            return 0 if found["error_code"] else found["partitions"][0]["leader_id"]

        broker = wait_until("alice's topic", leader, 10)
    port = envoy.port(broker)
    with connect(port, "alice") as alice, connect(port, "bob") as bob, Raw(secured.port("SASL", broker)) as direct:
        direct.announce("apache-kafka-java")
        log_in(direct, "PLAIN", "bob", USERS["bob"])
        written: dict[int, list[str]] = {v: [] for v in range(topic.virtual)}

        def write(count: int) -> None:
            for _ in range(count):
                for v, values in written.items():
                    values.append(f"{v}-{len(values)}")
                    alice.append(topic.name, v, [values[-1].encode()])

        write(40)
        followers = [Follower(connect(port, "alice"), topic.name, v) for v in (1, 2, 3)]
        try:
            for follower in followers:
                follower.wait_for(written[follower.partition])
            refused_everywhere(bob, direct, topic, lambda: write(1), alice.list_offset(topic.name, 0, LATEST))
            grant = right_to(AclOperation.READ, topic.name, "bob")
            admin.create_acls([grant])[grant].result(10)
            wait_until("bob's right", lambda: direct.fetch_one(topic.name, 0, 0, max_wait_ms=0)["error_code"] == 0, 10)
            assert [value.decode() for _, value in bob.read_all(topic.name, 2)] == written[2]
            admin.delete_acls([same_right(grant)])
            wait_until("the end of bob's right", lambda: direct.fetch_one(topic.name, 0, 0, max_wait_ms=0)["error_code"] != 0, 10)
            refused_everywhere(bob, direct, topic, lambda: write(1), alice.list_offset(topic.name, 0, LATEST))
            for follower in followers:
                follower.wait_for(written[follower.partition])
        finally:
            stop_all(followers)


def refused_everywhere(bob: Raw, direct: Raw, topic: topics.Topic, write: Callable[[], None], end: int) -> None:
    """Whatever Bob asks for, he is told what the broker tells him, and nothing else."""
    refusal = direct.fetch_one(topic.name, 0, 0)
    assert refusal["error_code"] == TOPIC_AUTHORIZATION_FAILED and not refusal["records"]
    offsets = [0, 1, end // 2, end - 4, end - 1, end, end + 1, end + 4, end + 1000]
    for version in (4, 11, 12):
        for max_wait_ms in (0, 100):
            for offset in offsets:
                answer = bob.fetch(topic.name, {0: offset, 1: offset, 2: 0, 3: end}, version=version, max_wait_ms=max_wait_ms)
                write()
                assert partitions_of(answer) == {v: {**told(refusal, version), "index": v} for v in range(topic.virtual)}


def told(part: dict, version: int) -> dict:
    """A partition's part of an answer without the fields that this version does not have."""
    since = {"log_start_offset": 5, "preferred_read_replica": 11}
    return {name: value for name, value in part.items() if since.get(name, 0) <= version}
