"""Topics as they are apart from the filter: with older data, with other settings, without a mapping."""

import struct

import pytest

from tests.harness import apis, batch, topics
from tests.harness.clients import Consumer, Record, produce
from tests.harness.process import wait_until
from tests.harness.raw import EARLIEST, LATEST, Raw, encode, fetch_body, produce_body, request_header

ALL_MAPPINGS = [topics.MODULO, topics.BLOCK, topics.LANE, topics.BLOCK_LANE]
IDS = [f.name for f in ALL_MAPPINGS]
HOUR_MS = 3_600_000


@pytest.mark.remap
@pytest.mark.parametrize("family", ALL_MAPPINGS, ids=IDS)
def test_data_from_before_the_mapping_is_on_lane_0(family, cluster, programs, raw, new_topic):
    topic = new_topic(family)
    written = produce(programs["librdkafka"], cluster.bootstrap, topic.name, family.physical, 10, "gzip", True, "old")
    for v in range(topic.virtual):
        old = written[topic.physical_of(v)] if topic.lane_of(v) == 0 else []
        assert records(raw, topic, v) == old, f"virtual partition {v}"


@pytest.mark.remap
@pytest.mark.parametrize("family", ALL_MAPPINGS[1:], ids=IDS[1:])
def test_layouts_and_offset_encodings(family, programs, envoy, raw, direct, new_topic, tmp_path):
    topic, library = new_topic(family), programs["librdkafka"]
    written = produce(library, envoy.bootstrap, topic.name, topic.virtual, 20, "none", True, "new")
    for p in range(family.physical):
        wanted = sorted(
            (r.offset - topic.client_offset(v, 0), r.value) for v in written if topic.physical_of(v) == p for r in written[v]
        )
        assert [(o, value.decode()) for o, value in direct.read_all(topic.name, p)] == wanted
    with Consumer(library, envoy.bootstrap, topic.name, 0, tmp_path / "stderr") as consumer:
        for v in consumer.each(topic.name, topic.virtual):
            consumer.expect(written[v])
            end = direct.list_offset(topic.name, topic.physical_of(v), LATEST)
            assert raw.list_offset(topic.name, v, EARLIEST) == topic.client_offset(v, 0)
            assert raw.list_offset(topic.name, v, LATEST) == topic.client_offset(v, end)


@pytest.mark.remap
def test_lane_offsets_of_another_lane_are_out_of_range(raw, new_topic):
    topic = new_topic(topics.LANE)
    raw.append(topic.name, 4, [b"a"])
    answer = raw.fetch_one(topic.name, 4, topic.client_offset(8, 0))
    assert answer["error_code"] == 1  # OFFSET_OUT_OF_RANGE
    assert not answer["records"]


# Settings with which a broker rewrites what it stores, and the codec that the producer uses.
REWRITING = {
    "log-append-time": ({"message.timestamp.type": "LogAppendTime"}, "none"),
    "log-append-time-lz4": ({"message.timestamp.type": "LogAppendTime"}, "lz4"),
    "recompressing": ({"compression.type": "gzip"}, "none"),
    "recompressing-lz4": ({"compression.type": "gzip"}, "lz4"),
    "decompressing": ({"compression.type": "uncompressed"}, "zstd"),
}


@pytest.mark.parametrize("idempotent", [False, True], ids=["plain", "idempotent"])
@pytest.mark.parametrize("setting", REWRITING)
def test_topics_whose_batches_the_broker_rewrites(setting, idempotent, programs, envoy, new_topic, tmp_path):
    config, codec = REWRITING[setting]
    topic, library = new_topic(config=config), programs["librdkafka"]
    written = produce(library, envoy.bootstrap, topic.name, topic.virtual, 10, codec, idempotent, setting)
    with Consumer(library, envoy.bootstrap, topic.name, 0, tmp_path / "stderr") as consumer:
        for v in (0, 1, 4, 5, 13, 19):
            if v > 0:
                consumer.assign(topic.name, v)
            consumer.expect(written[v])


@pytest.mark.remap
@pytest.mark.parametrize("idempotent", [False, True], ids=["plain", "idempotent"])
def test_compaction_keeps_lanes_apart(idempotent, raw, direct, new_topic):
    """Keys that live on one virtual partition each, as default partitioners place them."""
    config = {"cleanup.policy": "compact", "segment.ms": str(HOUR_MS // 2), "min.cleanable.dirty.ratio": "0.001"}
    topic = new_topic(topics.ONE, config)
    producer, last, rounds = raw.init_producer_id() if idempotent else None, {}, 5
    for i in range(rounds):
        for v in range(topic.virtual):
            keys = [f"{v}-same".encode(), f"{v}-{i}".encode()]
            values = [f"{v}-{i}-same".encode(), f"{v}-{i}-own".encode()]
            header = (*producer, 2 * i) if producer else (-1, -1, -1)
            base = raw.append(topic.name, v, values, keys=keys, producer=header, timestamp=i * HOUR_MS)
            # Of the key that all rounds share, compaction leaves the last record.
            last[v] = [*last.get(v, [])[: 2 * i], (base, values[0]), (base + 1, values[1])]
    raw.append(topic.name, 0, [b"roll"], timestamp=(rounds + 1) * HOUR_MS)
    total = 2 * rounds * topic.virtual + 1
    gone = (rounds - 1) * topic.virtual
    wait_until("the cleaner", lambda: len(direct.read_all(topic.name, 0)) == total - gone, 60, every=0.5)
    for v in range(topic.virtual):
        wanted = [r for r in last[v] if not r[1].endswith(b"same")] + [last[v][-2]]
        extra = [(raw.list_offset(topic.name, 0, LATEST) - 1, b"roll")] if v == 0 else []
        assert raw.read_all(topic.name, v) == sorted(wanted) + extra, f"virtual partition {v}"


def test_an_unmapped_topic_passes_byte_for_byte(cluster, raw, direct):
    """The same requests to two equal topics, one through the filter: equal answers, equal logs."""
    name = topics.unique("plain")
    names = f"{name}.a", f"{name}.b"
    for name in names:
        cluster.create_topic(name, 2)
    through, around = (exchange(connection, name) for connection, name in zip((raw, direct), names))
    assert [a.replace(names[0].encode(), names[1].encode()) for a in through] == around


def exchange(connection: Raw, topic: str) -> list[bytes]:
    """The answers to a fixed sequence of requests, byte for byte."""
    pid = -9 << 20  # a producer id of no lane that the filter would give: it must not be touched either
    plain, gzip = batch.build([b"a", b"b"], timestamp=5), batch.build([b"c"] * 100, attributes=1, timestamp=6, producer=(pid, 0, 0))
    # Brokers answer all but Fetch in no certain order of partitions: name one in a request.
    offsets = [{"index": 1, "current_leader_epoch": -1, "timestamp": LATEST}]
    epochs = [{"index": 1, "current_leader_epoch": -1, "leader_epoch": 0}]
    requests = [
        (apis.PRODUCE, 3, produce_body(topic, {0: plain})),
        (apis.PRODUCE, 9, produce_body(topic, {1: gzip})),
        (apis.PRODUCE, 12, produce_body(topic, {1: plain}, acks=1)),
        (apis.PRODUCE, 12, produce_body(topic, {7: gzip})),
        (apis.FETCH, 4, fetch_body(topic, {0: 0, 1: 0})),
        (apis.FETCH, 11, fetch_body(topic, {0: 0, 1: 1}, partition_max_bytes=1)),
        (apis.FETCH, 12, fetch_body(topic, {0: 2, 1: 0, 7: 0})),
        (apis.LIST_OFFSETS, 7, {"replica_id": -1, "topics": [{"name": topic, "partitions": offsets}]}),
        (apis.OFFSET_FOR_LEADER_EPOCH, 4, {"replica_id": -1, "topics": [{"name": topic, "partitions": epochs}]}),
    ]
    answers = []
    for correlation, (api, version, body) in enumerate(requests):
        connection.send_frame(request_header(api, version, correlation) + encode(api, version, body))
        answers.append(connection.receive_frame())
        assert struct.unpack_from(">i", answers[-1]) == (correlation,)
    return answers


def records(raw: Raw, topic: topics.Topic, v: int) -> list[Record]:
    return [Record(offset, value.decode()) for offset, value in raw.read_all(topic.name, v)]
