"""Fetch by hand: long ways behind siblings' records, topics that are made again,
turns, and errors that last."""

import time

import pytest

from tests.harness import apis, batch, topics
from tests.harness.clients import Consumer, Record
from tests.harness.raw import LATEST, Raw, fetch_body, partitions_of, produce_body

UNKNOWN_SERVER_ERROR, UNKNOWN_TOPIC_OR_PARTITION = -1, 3
BEYOND = 20
MIB = 1 << 20
LONG_WAY = 60
"""Siblings' batches of nearly 1 MB each: the harness writes a value also as the key."""


def lane(n: int) -> tuple[int, int, int]:
    """The producer of a plain batch of lane `n`, as the filter writes it."""
    return (-2 - n, 0, 0)


def follow(raw: Raw, topic: str, partition: int, position: int, count: int, version: int = 11, **options) -> list[bytes]:
    """The next `count` values of a partition, as they come to a client that goes on from each answer."""
    found: list[bytes] = []
    deadline = time.monotonic() + 20
    while len(found) < count and time.monotonic() < deadline:
        part = raw.fetch_one(topic, partition, position, version=version, **options)
        assert part["error_code"] == 0, part
        for b in batch.parse(part["records"]):
            found += [] if b.is_control else [value for offset, value in b.records() if offset >= position]
            position = max(position, b.last_offset + 1)
    return found


@pytest.mark.remap
def test_records_of_partitions_that_came_later_are_in_nobody_s_way(client, direct, envoy, new_topic):
    """V is 20 for these connections; another Envoy, or a later configuration, has more partitions."""
    topic = new_topic()
    before = envoy.stat("kafka_remapper_batches_unknown_lane_total")
    for n in range(5):
        direct.append(topic.name, 0, [b"of lane 7"], producer=lane(7))
        client.append(topic.name, 0, [b"own-%d" % n])
        client.append(topic.name, 4, [b"sibling-%d" % n])
    assert follow(client, topic.name, 0, 0, 5) == [b"own-%d" % n for n in range(5)]
    assert follow(client, topic.name, 4, 0, 5) == [b"sibling-%d" % n for n in range(5)]
    assert envoy.stat("kafka_remapper_batches_unknown_lane_total") > before
    lines = [line for line in envoy.log.read_text().splitlines() if f"topic {topic.name}: dropped" in line]
    assert 1 <= len(lines) <= 2, "once for each worker"


@pytest.mark.remap
@pytest.mark.parametrize("name", ["librdkafka", "java"])
def test_consumers_with_open_connections_go_on_past_them(name, programs, envoy, raw, direct, new_topic, tmp_path):
    topic = new_topic()
    written = []

    def append(n: int) -> None:
        value = f"own-{n}"
        written.append(Record(raw.append(topic.name, 1, [value.encode()]), value))

    append(0)
    with Consumer(programs[name], envoy.bootstrap, topic.name, 1, tmp_path / "stderr") as consumer:
        consumer.expect(written, 30)
        for n in range(1, 6):
            direct.append(topic.name, 1, [b"of lane 9"], producer=lane(9))
            append(n)
            consumer.expect(written, 10)


@pytest.mark.remap
@pytest.mark.parametrize("version", [4, 11, 12])
@pytest.mark.parametrize("again", [500, 600])
def test_a_topic_that_is_made_again_is_read_from_its_start(again, version, client, envoy, cluster, new_topic):
    """On the same connection, which asks no Metadata; the new topic has more records than
    the old one had, or as many."""
    topic = new_topic(topics.ONE)
    with Raw(envoy.port(1)) as other:
        for _ in range(5):
            other.append(topic.name, 0, [b"sibling"] * 100)
        for _ in range(3):
            part = client.fetch_one(topic.name, 3, 0, version=version, max_wait_ms=100)
            assert all(b.is_control for b in batch.parse(part["records"]))
        cluster.delete_topic(topic.name)
        cluster.create_topic(topic.name, 1)
        values = [b"%d" % n for n in range(again)]
        for first in range(0, again, 100):
            other.append(topic.name, 3, values[first : first + 100])
    assert follow(client, topic.name, 3, 0, again, version, max_wait_ms=100) == values


@pytest.fixture(scope="module")
def long_way(shared_envoy, cluster) -> topics.Topic:
    """A topic of one physical partition: siblings' records for 60 MB, then one of
    each other virtual partition."""
    topic = topics.Topic(topics.ONE, topics.unique(topics.ONE.name))
    cluster.create_topic(topic.name, 1)
    with Raw(shared_envoy.port(1)) as raw:
        raw.append_each(topic.name, [(0, [b"x" * 490_000])] * LONG_WAY, window=8)
        raw.append_each(topic.name, [(v, [b"own"]) for v in (1, 2, 3)])
    return topic


def own_of(part: dict) -> list[bytes]:
    assert part["error_code"] == 0
    return [value for b in batch.parse(part["records"]) if not b.is_control for _, value in b.records()]


@pytest.mark.remap
@pytest.mark.parametrize("partition, max_wait_ms", [(1, 0), (2, 20)])
def test_a_client_that_seeks_back_before_each_fetch_gets_there(partition, max_wait_ms, long_way, raw):
    for fetches in range(2 * LONG_WAY):
        part = raw.fetch_one(long_way.name, partition, 0, max_wait_ms=max_wait_ms, partition_max_bytes=MIB)
        if found := own_of(part):
            break
    assert found == [b"own"]
    # In 20 ms a fast machine reads some twenty times.
    assert fetches > 2 or max_wait_ms, "the way was not long enough to show anything"


@pytest.mark.remap
def test_a_client_that_connects_anew_for_each_fetch_gets_there(long_way, envoy):
    # Each of Envoy's two workers has to find the position by itself.
    for fetches in range(4 * LONG_WAY):
        with Raw(envoy.port(1)) as connection:
            part = connection.fetch_one(long_way.name, 3, 0, max_wait_ms=0, partition_max_bytes=MIB)
        if found := own_of(part):
            break
    assert found == [b"own"]
    assert fetches > 2, "the way was not long enough to show anything"


@pytest.mark.remap
def test_a_long_way_in_one_partition_does_not_hold_up_another(client, new_topic):
    topic = new_topic()
    client.append_each(topic.name, [(0, [b"x" * 450_000])] * 20, window=8)
    client.append(topic.name, 5, [b"own"])
    parts = partitions_of(client.fetch(topic.name, {4: 0, 5: 0}, max_bytes=64 << 10, max_wait_ms=2000))
    assert own_of(parts[5]) == [b"own"]


def test_a_partition_that_is_named_often_is_answered_once(client, direct, new_topic, passthrough):
    """As with Kafka, the last mention counts."""
    topic = new_topic()
    base = client.append(topic.name, 1, [b"a"])
    client.append(topic.name, 1, [b"b"])
    for connection in (client, direct):
        body = fetch_body(topic.name, {1: base})
        (part,) = body["topics"][0]["partitions"]
        last = {**part, "fetch_offset": base + 1}
        other = {**part, "index": 2, "fetch_offset": 0}
        body["topics"][0]["partitions"] = [part] * 1000 + [other] + [part] * 999 + [last]
        answer = connection.call(apis.FETCH, 11, body)
        (answered,) = answer["topics"]
        assert [p["index"] for p in answered["partitions"]] == [1, 2]
        assert own_of(answered["partitions"][0])[-1:] == [b"b"]
        assert len(batch.parse(answered["partitions"][0]["records"])) == 1


@pytest.mark.remap
def test_an_error_that_lasts_is_answered_after_the_client_s_wait(client, direct, envoy, new_topic):
    topic = new_topic(topics.BLOCK)
    direct.append(topic.name, 0, [b"of lane 7"], producer=lane(7))
    for max_wait_ms, least in [(500, 0.45), (0, 0.09), (0, 0.09)]:
        for partition, error in [(0, UNKNOWN_SERVER_ERROR), (BEYOND, UNKNOWN_TOPIC_OR_PARTITION)]:
            began = time.monotonic()
            part = client.fetch_one(topic.name, partition, 0, max_wait_ms=max_wait_ms)
            took = time.monotonic() - began
            assert part["error_code"] == error
            assert least <= took < 3
    lines = [line for line in envoy.log.read_text().splitlines() if f"topic {topic.name}, partition 0: a record batch is of lane 7" in line]
    assert len(lines) == 1


@pytest.mark.remap
def test_what_comes_meanwhile_is_answered_behind_it(client, new_topic):
    """Small requests and large ones, sent at once and while the error is held back."""
    topic = new_topic()
    values = [b"%d" % n + b"y" * 450_000 for n in range(4)]
    for pause in (0, 0.05, 0.3):
        start = client.list_offset(topic.name, 1, LATEST)
        sent = [(apis.FETCH, 11, client.send(apis.FETCH, 11, fetch_body(topic.name, {BEYOND: 0}, max_wait_ms=600)))]
        time.sleep(pause)
        for n, value in enumerate(values):
            sent.append((apis.PRODUCE, 9, client.send(apis.PRODUCE, 9, produce_body(topic.name, {1: batch.build([value])}))))
            sent.append((apis.API_VERSIONS, 3, client.send(apis.API_VERSIONS, 3, {})))
            if n == 2:
                sent.append((apis.FETCH, 11, client.send(apis.FETCH, 11, fetch_body(topic.name, {BEYOND: 0}, max_wait_ms=200))))
        for api, version, correlation in sent:
            client.receive(api, version, correlation)
        assert follow(client, topic.name, 1, start, 4) == values


@pytest.mark.remap
@pytest.mark.parametrize("name", ["java", "librdkafka", "franz-go", "sarama", "kafkajs"])
def test_an_error_that_lasts_makes_no_library_ask_all_the_time(name, programs, envoy, direct, new_topic, tmp_path):
    topic = new_topic(topics.BLOCK)
    direct.append(topic.name, 0, [b"of lane 7"], producer=lane(7))
    before = envoy.stat("kafka_remapper_requests_total", api="Fetch")
    with Consumer(programs[name], envoy.bootstrap, topic.name, 0, tmp_path / "stderr"):
        time.sleep(6)
        asked = envoy.stat("kafka_remapper_requests_total", api="Fetch") - before
    assert asked < 70
