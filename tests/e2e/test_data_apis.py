"""Every version of the data APIs, spoken by hand: details that libraries hide, and requests
that only some library sends."""

import struct

import pytest

from tests.harness import apis, batch, topics
from tests.harness.raw import EARLIEST, LATEST, MAX_TIMESTAMP, Raw, fetch_body, partitions_of, produce_body, request_header

UNKNOWN_TOPIC_OR_PARTITION, OUT_OF_ORDER_SEQUENCE, UNSUPPORTED_VERSION = 3, 45, 35
SIBLINGS = [1, 5, 9, 13, 17]
"""All virtual partitions of physical partition 1."""
SOME = [*SIBLINGS, 0, 2, 6, 19]
BEYOND = 20


@pytest.mark.parametrize("version", range(3, 13))
def test_siblings_in_one_produce_request_are_all_stored(version, raw, new_topic):
    topic = new_topic()
    values = {v: [f"{v}-{i}".encode() for i in range(3)] for v in SOME}
    for acks in (-1, 1):
        answer = raw.produce(topic.name, {v: batch.build(values[v]) for v in SOME}, acks, version)
        assert {v: p["error_code"] for v, p in answer.items()} == dict.fromkeys(SOME, 0)
        for v in SOME:
            assert raw.read_all(topic.name, v)[-3:] == [(answer[v]["base_offset"] + i, x) for i, x in enumerate(values[v])]
    assert [len(raw.read_all(topic.name, v)) for v in range(20)] == [6 if v in SOME else 0 for v in range(20)]


@pytest.mark.parametrize("version", range(3, 13))
def test_produce_beyond_the_virtual_partitions_fails_alone(version, raw, new_topic):
    topic = new_topic()
    answer = raw.produce(topic.name, {v: batch.build([b"x"]) for v in (1, BEYOND, 5)}, version=version)
    assert {v: p["error_code"] for v, p in answer.items()} == {1: 0, BEYOND: UNKNOWN_TOPIC_OR_PARTITION, 5: 0}
    only = raw.produce(topic.name, {BEYOND: batch.build([b"x"])}, version=version)
    assert only[BEYOND]["error_code"] == UNKNOWN_TOPIC_OR_PARTITION
    assert len(raw.read_all(topic.name, 1)) == len(raw.read_all(topic.name, 5)) == 1


@pytest.mark.parametrize("version", [3, 7, 9, 12])
def test_produce_without_acks_gets_no_answer(version, raw, new_topic):
    topic = new_topic()
    raw.send(apis.PRODUCE, version, produce_body(topic.name, {v: batch.build([b"%d" % v]) for v in SOME}, acks=0))
    raw.metadata([topic.name])  # an answer to Produce would be taken for the answer to this request
    for v in SOME:
        assert [value for _, value in raw.read_all(topic.name, v)] == [b"%d" % v]


@pytest.mark.parametrize("version", [9, 12])
def test_several_topics_mapped_or_not_in_one_produce_request(version, raw, cluster, new_topic):
    one, other, plain = new_topic(), new_topic(topics.ONE), topics.unique("plain")
    cluster.create_topic(plain, 2)
    bodies = [produce_body(one.name, {v: batch.build([b"a"]) for v in SIBLINGS}), produce_body(plain, {1: batch.build([b"b"])})]
    bodies.append(produce_body(other.name, {v: batch.build([b"c"]) for v in range(4)}))
    body = {**bodies[0], "topics": [t for b in bodies for t in b["topics"]]}
    answer = raw.call(apis.PRODUCE, version, body)
    errors = {(t["name"], p["index"]): p["error_code"] for t in answer["topics"] for p in t["partitions"]}
    assert errors == {(t["name"], p["index"]): 0 for t in body["topics"] for p in t["partitions"]}
    for v in SIBLINGS:
        assert len(raw.read_all(one.name, v)) == 1
    for v in range(4):
        assert [value for _, value in raw.read_all(other.name, v)] == [b"c"]
    assert [value for _, value in raw.read_all(plain, 1)] == [b"b"]


def test_pipelined_requests_are_answered_in_order(raw, new_topic):
    topic = new_topic()
    sent = []
    for i in range(30):
        body = produce_body(topic.name, {v: batch.build([b"%d" % i]) for v in SIBLINGS})
        sent.append((apis.PRODUCE, 9, raw.send(apis.PRODUCE, 9, body)))
        sent.append((apis.API_VERSIONS, 3, raw.send(apis.API_VERSIONS, 3, {})))
        sent.append((apis.METADATA, 9, raw.send(apis.METADATA, 9, {"topics": [{"name": topic.name}]})))
    for api, version, correlation in sent:
        raw.receive(api, version, correlation)
    for v in SIBLINGS:
        assert [value for _, value in raw.read_all(topic.name, v)] == [b"%d" % i for i in range(30)]


def test_more_requests_on_their_way_than_the_filter_takes_at_once(envoy):
    """Beyond limits.in_flight_requests (64) client bytes wait in Envoy: none may be lost or overtaken. Tried
    often, since this is a race."""
    for _ in range(60):
        with Raw(envoy.port(1)) as connection:
            sent = [connection.send(apis.API_VERSIONS, 3, {}) for _ in range(90)]
            for correlation in sent:
                connection.receive(apis.API_VERSIONS, 3, correlation)


def test_a_stray_transactional_batch_is_refused(raw, new_topic):
    topic = new_topic()
    stray = batch.build([b"x"], attributes=batch.TRANSACTIONAL, producer=(7, 0, 0))
    answer = raw.produce(topic.name, {1: stray, 5: batch.build([b"y"])})
    assert answer[1]["error_code"] != 0
    assert raw.read_all(topic.name, 1) == []
    assert [value for _, value in raw.read_all(topic.name, 5)] in ([b"y"], [])  # brokers refuse such a request as a whole


def test_a_batch_of_an_old_format_is_refused(raw, new_topic):
    topic = new_topic()
    answer = raw.produce(topic.name, {v: batch.build_magic_1(b"x") for v in (1, 5)}, version=3)
    assert 0 not in [p["error_code"] for p in answer.values()]
    assert raw.produce(topic.name, {1: batch.build([b"y"])}, version=3)[1]["error_code"] == 0
    assert [value for _, value in raw.read_all(topic.name, 1)] == [b"y"]


def test_a_batch_with_a_wrong_checksum_is_refused(raw, new_topic):
    topic = new_topic()
    for v in (1, 5):  # lane 0 and another one, where the checksum is changed on the way
        broken = bytearray(batch.build([b"payload"]))
        broken[-3] ^= 1
        assert raw.produce(topic.name, {v: bytes(broken)})[v]["error_code"] == 2  # CORRUPT_MESSAGE
        assert raw.read_all(topic.name, v) == []


@pytest.mark.remap
@pytest.mark.parametrize("version", range(4, 13))
def test_fetch_shows_each_sibling_its_own(version, client, new_topic):
    topic = new_topic()
    for i in range(4):
        for v in SIBLINGS:
            client.append(topic.name, v, [f"{v}-{i}".encode()])
    starts = {v: client.list_offset(topic.name, v, EARLIEST) for v in SIBLINGS}
    offsets = {**starts, BEYOND: 0}
    seen = {v: [] for v in SIBLINGS}
    for _ in range(40):  # a fetch may show some siblings only: go on as a client would
        answer = client.fetch(topic.name, offsets, version, session=(0, 0))
        assert (answer.get("session_id", 0) > 0) == (version >= 7)
        parts = partitions_of(answer)
        assert parts[BEYOND]["error_code"] == UNKNOWN_TOPIC_OR_PARTITION
        for v in SIBLINGS:
            assert parts[v]["error_code"] == 0
            for b in batch.parse(parts[v]["records"]):
                seen[v] += [] if b.is_control else [value for offset, value in b.records() if offset >= offsets[v]]
                offsets[v] = b.last_offset + 1
        if all(len(values) >= 4 for values in seen.values()):
            break
    assert seen == {v: [f"{v}-{i}".encode() for i in range(4)] for v in SIBLINGS}


def test_siblings_at_different_positions_in_one_fetch(client, new_topic):
    topic = new_topic(topics.ONE)
    written = {v: [] for v in range(4)}
    for i in range(50):
        for v in range(4):
            written[v].append(client.append(topic.name, v, [b"%d" % i]))
    offsets = {0: written[0][0], 1: written[1][25], 2: written[2][49], 3: written[3][40]}
    seen = {v: [] for v in range(4)}
    for _ in range(60):
        for v, part in partitions_of(client.fetch(topic.name, offsets, partition_max_bytes=2000)).items():
            for b in batch.parse(part["records"]):
                seen[v] += [] if b.is_control else [offset for offset, _ in b.records() if offset >= offsets[v]]
                offsets[v] = b.last_offset + 1
        if all(seen[v] and seen[v][-1] == written[v][-1] for v in range(4)):
            break
    assert seen == {0: written[0], 1: written[1][25:], 2: written[2][49:], 3: written[3][40:]}


def test_fetch_waits_at_the_end(client, envoy, new_topic):
    """A long poll returns when a record of its own partition comes: not for a
    sibling's record, and not too early."""
    topic = new_topic(topics.ONE)
    start = client.append(topic.name, 1, [b"first"]) + 1
    correlation = client.send(apis.FETCH, 11, fetch_body(topic.name, {1: start}, max_wait_ms=5000))
    with Raw(envoy.port(1)) as other:
        other.append(topic.name, 2, [b"sibling"])
        own = other.append(topic.name, 1, [b"own"])
    part = partitions_of(client.receive(apis.FETCH, 11, correlation))[1]
    assert [r for b in batch.parse(part["records"]) if not b.is_control for r in b.records()] == [(own, b"own")]


@pytest.mark.remap
@pytest.mark.parametrize("version", range(1, 11))
def test_list_offsets(version, raw, new_topic):
    topic = new_topic()
    stamps = {1: 1000, 5: 2000, 9: 3000}
    base = {v: raw.append(topic.name, v, [b"x", b"y"], timestamp=t) for v, t in stamps.items()}
    end = base[9] + 2
    wanted = {v: raw.list_offset(topic.name, v, EARLIEST) for v in SIBLINGS}
    parts = raw.list_offsets(topic.name, {**dict.fromkeys(SIBLINGS, EARLIEST), BEYOND: EARLIEST}, version)
    assert parts[BEYOND]["error_code"] == UNKNOWN_TOPIC_OR_PARTITION
    assert {v: parts[v]["offset"] for v in SIBLINGS} == wanted
    latest = raw.list_offsets(topic.name, {v: LATEST for v in SIBLINGS}, version)
    assert {v: (p["error_code"], p["offset"]) for v, p in latest.items()} == dict.fromkeys(SIBLINGS, (0, end))
    for v, t in stamps.items():  # a lower bound: nothing of one's own before it may be as young
        found = raw.list_offsets(topic.name, {v: t for v in SIBLINGS}, version)[v]
        assert found["error_code"] == 0
        assert 0 <= found["offset"] <= base[v]
    beyond = raw.list_offsets(topic.name, {v: 4000 for v in SIBLINGS}, version)
    assert {p["offset"] for p in beyond.values()} == {-1}
    if version >= 7:
        youngest = raw.list_offsets(topic.name, {v: MAX_TIMESTAMP for v in SIBLINGS}, version)
        assert {p["error_code"] for p in youngest.values()} == {0}


@pytest.mark.remap
@pytest.mark.parametrize("version", range(2, 5))
def test_offset_for_leader_epoch(version, raw, new_topic):
    topic = new_topic()
    end = raw.append(topic.name, 5, [b"x", b"y"]) + 2
    asked = [{"index": v, "current_leader_epoch": -1, "leader_epoch": 0} for v in (*SIBLINGS, BEYOND)]
    body = {"replica_id": -1, "topics": [{"name": topic.name, "partitions": asked}]}
    parts = partitions_of(raw.call(apis.OFFSET_FOR_LEADER_EPOCH, version, body))
    assert parts.pop(BEYOND)["error_code"] == UNKNOWN_TOPIC_OR_PARTITION
    wanted = dict.fromkeys(SIBLINGS, (0, end))
    assert {v: (p["error_code"], p["end_offset"]) for v, p in parts.items()} == wanted


@pytest.mark.parametrize("version", range(13))
def test_metadata_shows_virtual_partitions_behind_envoy(version, raw, envoy, new_topic, passthrough):
    topic = new_topic()
    for asked in ([topic.name], None):
        answer = raw.metadata(asked, version)
        found = {t["name"]: t for t in answer["topics"]}[topic.name]
        assert found["error_code"] == 0
        assert sorted(p["index"] for p in found["partitions"]) == list(range(topic.virtual))
        assert {(p["error_code"], p["leader_id"], tuple(p["isr"])) for p in found["partitions"]} == {(0, 1, (1,))}
        if not passthrough:
            assert [(b["node_id"], b["host"], b["port"]) for b in answer["brokers"]] == [(1, "127.0.0.1", envoy.port(1))]


@pytest.mark.parametrize("version", [0, 1, 9, 12])
def test_metadata_of_a_topic_that_is_not_there(version, raw):
    (topic,) = raw.metadata([topics.unique("modulo.absent")], version)["topics"]
    assert topic["error_code"] == UNKNOWN_TOPIC_OR_PARTITION
    assert topic["partitions"] == []


@pytest.mark.remap
def test_metadata_by_id_never_shows_physical_partitions(raw, new_topic):
    topic = new_topic()
    by_name = raw.metadata([topic.name], 12)["topics"][0]
    (by_id,) = raw.call(apis.METADATA, 12, {"topics": [{"topic_id": by_name["topic_id"], "name": None}]})["topics"]
    assert by_id["error_code"] != 0 or by_id["partitions"] == by_name["partitions"]


@pytest.mark.remap
def test_a_topic_whose_partitions_do_not_fit_its_mapping_is_an_error(raw, envoy, new_topic, misfit):
    right = new_topic()
    found = {t["name"]: t for t in raw.metadata([right.name, misfit])["topics"]}
    assert (found[right.name]["error_code"], len(found[right.name]["partitions"])) == (0, 20)
    assert found[misfit]["error_code"] != 0
    assert found[misfit]["partitions"] == []
    assert envoy.stat("kafka_remapper_topic_mismatch_total") >= 1


@pytest.mark.remap
@pytest.mark.parametrize("version", range(5))
def test_api_versions_offers_only_what_the_filter_knows(version, raw):
    answer = raw.call(apis.API_VERSIONS, version, {"client_software_name": "raw", "client_software_version": "1"})
    assert answer["error_code"] == 0
    offered = {a["key"]: (a["min"], a["max"]) for a in answer["api_keys"]}
    assert all(low <= high for low, high in offered.values())
    caps = {0: 12, 1: 12, 8: 9, 9: 9}
    assert {key: offered[key][1] for key in caps if key in offered} == {key: cap for key, cap in caps.items() if key in offered}
    assert {0, 1, 2, 3, 18, 22, 23} <= offered.keys()
    write_txn_markers, alter_log_dirs, update_features, describe_group, topic_partitions = 27, 34, 57, 69, 75
    hidden = {write_txn_markers, alter_log_dirs, update_features, describe_group, topic_partitions, *range(76, 93)}
    assert hidden & offered.keys() == set()
    features = {f["name"] for kind in ("supported_features", "finalized_features") for f in answer.get(kind, [])}
    assert features & {"group.version", "share.version", "streams.version"} == set()


def test_api_versions_of_an_unknown_version_is_answered_as_version_0(raw):
    raw.send_frame(request_header(apis.API_VERSIONS, 99, 7))
    frame = raw.receive_frame()
    correlation, error, count = struct.unpack_from(">ihi", frame)
    assert (correlation, error) == (7, UNSUPPORTED_VERSION)
    keys = {struct.unpack_from(">h", frame, 10 + 6 * i)[0] for i in range(count)}
    assert apis.API_VERSIONS.key in keys
    assert raw.call(apis.API_VERSIONS, 0, {})["error_code"] == 0  # and the connection goes on


def test_an_idempotent_retry_is_stored_once(raw, envoy, new_topic):
    topic = new_topic()
    pid, epoch = raw.init_producer_id()
    for v in SIBLINGS:
        first = batch.build([b"%d" % v, b"+"], producer=(pid, epoch, 0))
        stored = raw.produce(topic.name, {v: first})[v]
        with Raw(envoy.port(1)) as other:
            again = other.produce(topic.name, {v: first})[v]
        assert (stored["error_code"], again["error_code"]) == (0, 0)
        assert stored["base_offset"] == again["base_offset"]
        assert raw.read_all(topic.name, v) == [(stored["base_offset"], b"%d" % v), (stored["base_offset"] + 1, b"+")]


def test_siblings_have_sequences_of_their_own(raw, new_topic):
    topic = new_topic()
    pid, epoch = raw.init_producer_id()

    def produce(sequences: dict[int, int]) -> dict[int, int]:
        batches = {v: batch.build([b"x"], producer=(pid, epoch, s)) for v, s in sequences.items()}
        return {v: p["error_code"] for v, p in raw.produce(topic.name, batches).items()}

    assert produce({1: 0, 5: 0, 9: 0}) == {1: 0, 5: 0, 9: 0}
    assert produce({1: 1, 5: 1}) == {1: 0, 5: 0}
    assert produce({1: 2, 5: 7, 9: 1}) == {1: 0, 5: OUT_OF_ORDER_SEQUENCE, 9: 0}
    assert produce({5: 2, 13: 0}) == {5: 0, 13: 0}
    assert {v: len(raw.read_all(topic.name, v)) for v in (1, 5, 9, 13)} == {1: 3, 5: 3, 9: 2, 13: 1}
