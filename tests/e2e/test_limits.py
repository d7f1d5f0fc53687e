"""Each limit of the configuration at its lowest and its highest: clients are
served, or refused in clear words."""

import time

import pytest

from tests.harness import apis, batch, clients, groups, topics
from tests.harness.envoy import Envoy
from tests.harness.process import wait_until
from tests.harness.raw import LATEST, Raw, fetch_body, partitions_of, produce_body, request_frame

pytestmark = pytest.mark.remap
KIB, MIB = 1 << 10, 1 << 20
EXTREMES = {
    "least frame_bytes": {"frame_bytes": KIB},
    "most frame_bytes and fetch_max_bytes": {"frame_bytes": 1 << 30, "fetch_max_bytes": 1 << 29},
    "least fetch_max_bytes and worker_bytes": {"fetch_max_bytes": 512, "worker_bytes": 16 * MIB},
    "least in_flight_requests": {"in_flight_requests": 1},
    "most in_flight_requests and worker_bytes": {"in_flight_requests": 1000, "worker_bytes": 768 * MIB},
}
SMALL = {"least frame_bytes"}
"""Limits under which a producer must keep its batches small."""


class OneWorker(Envoy):
    workers = 1


@pytest.fixture(scope="module")
def limited(tmp_path_factory, cluster):
    """limited(limits) gives an Envoy with these limits, which is started once. None of
    these Envoys may end, or trap."""
    started = {}

    def envoy(limits: dict) -> Envoy:
        key = repr(limits)
        if key not in started:
            started[key] = OneWorker(tmp_path_factory.mktemp("limits"), cluster, {**topics.MAPPING, "limits": limits})
        return started[key]

    yield envoy
    for one in started.values():
        one.stop()


@pytest.fixture
def one_request(limited) -> Envoy:
    return limited({"in_flight_requests": 1})


def send_in_pieces(connection: Raw, data: bytes, pieces: int) -> None:
    """Sends the data so that each piece comes to the filter by itself."""
    step = -(-len(data) // pieces)
    for at in range(0, len(data), step):
        connection.socket.sendall(data[at : at + step])
        time.sleep(0.01)


@pytest.mark.parametrize("name", EXTREMES)
def test_a_library_at_the_ends_of_each_limit(name, programs, limited, new_topic, tmp_path):
    envoy, topic, library = limited(EXTREMES[name]), new_topic(), programs["librdkafka"]
    partitions, count = (4, 1) if name in SMALL else (20, 50)
    acked = clients.produce(library, envoy.bootstrap, topic.name, partitions, count, "none", True, "limits")
    with clients.Consumer(library, envoy.bootstrap, topic.name, 1, tmp_path / "stderr") as consumer:
        consumer.expect(acked[1])
        consumer.assign(topic.name, partitions - 1)
        consumer.expect(acked[partitions - 1])


@pytest.mark.parametrize("name", EXTREMES)
def test_large_requests_and_answers_at_the_ends_of_each_limit(name, limited, new_topic):
    envoy, topic = limited(EXTREMES[name]), new_topic()
    value = bytes(100 * KIB)
    if name in SMALL:
        with Raw(envoy.port(1)) as raw:
            raw.send(apis.PRODUCE, 9, produce_body(topic.name, {v: batch.build([value]) for v in (1, 5)}))
            assert raw.is_closed_by_peer()
        wait_until("a line in the log", lambda: "limits.frame_bytes: 1024" in envoy.log.read_text(errors="replace"))
        return
    with Raw(envoy.port(1)) as raw:
        for _ in range(4):
            answer = raw.produce(topic.name, {v: batch.build([value]) for v in (1, 5, 9, 13, 17)})
            assert {p["error_code"] for p in answer.values()} == {0}
        for v in (1, 13):
            assert [data for _, data in raw.read_all(topic.name, v)] == [value] * 4


@pytest.mark.parametrize("pieces", [1, 2, 3, 40])
def test_a_large_request_that_passes_comes_in_pieces(pieces, one_request, cluster):
    plain = topics.unique("plain")
    cluster.create_topic(plain, 2)
    body = produce_body(plain, {1: batch.build([bytes(450 * KIB)])})  # 900 KiB with its key
    with Raw(one_request.port(1)) as raw:
        for version in (3, 9):
            send_in_pieces(raw, request_frame(apis.PRODUCE, version, body), pieces)
            answer = raw.receive(apis.PRODUCE, version, 7)
            assert partitions_of(answer)[1]["error_code"] == 0
        send_in_pieces(raw, request_frame(apis.PRODUCE, 9, {**body, "acks": 0}), pieces)
        wait_until("the request without an answer", lambda: raw.list_offset(plain, 1, LATEST) == 3)


def test_a_small_request_that_passes_is_cut_everywhere(one_request):
    whole = request_frame(groups.HEARTBEAT, 3, {"group_id": "g", "generation_id": 1, "member_id": "m"})
    with Raw(one_request.port(1)) as raw:
        groups.wait_for_coordinator(raw, "g")
        for cut in range(1, len(whole)):
            raw.socket.sendall(whole[:cut])
            time.sleep(0.003)
            raw.socket.sendall(whole[cut:])
            assert raw.receive(groups.HEARTBEAT, 3, 7)["error_code"] == groups.UNKNOWN_MEMBER_ID


def test_one_request_at_a_time_of_all_kinds(one_request, new_topic):
    topic = new_topic()
    with Raw(one_request.port(1)) as raw:
        values = {v: b"%d" % v for v in range(20)}
        send_in_pieces(raw, request_frame(apis.PRODUCE, 9, produce_body(topic.name, {v: batch.build([x]) for v, x in values.items()})), 3)
        answer = partitions_of(raw.receive(apis.PRODUCE, 9, 7))
        assert {p["error_code"] for p in answer.values()} == {0}
        send_in_pieces(raw, request_frame(apis.FETCH, 11, fetch_body(topic.name, {5: answer[5]["base_offset"]})), 2)
        found = partitions_of(raw.receive(apis.FETCH, 11, 7))
        assert [r[1] for b in batch.parse(found[5]["records"]) for r in b.records()] == [b"5"]
        for v in (1, 17):
            assert [data for _, data in raw.read_all(topic.name, v)] == [values[v]]
        (listed,) = raw.metadata([topic.name])["topics"]
        assert len(listed["partitions"]) == 20
        groups.wait_for_coordinator(raw, "one-request")
        offsets = {(topic.name, v): groups.Offset(v) for v in (1, 5, 9)}
        assert groups.commit(raw, "one-request", offsets) == dict.fromkeys(offsets, 0)
        assert groups.fetch(raw, "one-request", {topic.name: [1, 5, 9]}) == offsets
        assert "one-request" in groups.list_groups(raw)
        assert groups.delete_groups(raw, ["one-request"]) == {"one-request": 0}


def test_what_a_client_pipelines_is_answered_in_order(one_request, cluster, new_topic):
    """Requests for mapped topics, requests that pass, and requests without an answer, by
    turns, all sent in one piece."""
    topic, plain = new_topic(), topics.unique("plain")
    cluster.create_topic(plain, 2)
    data, wanted = b"", []
    for number in range(20):
        body = produce_body(topic.name, {number % 20: batch.build([b"x"])})
        data += request_frame(apis.PRODUCE, 9, body, 4 * number) + request_frame(apis.PRODUCE, 9, {**body, "acks": 0}, 4 * number + 1)
        data += request_frame(apis.PRODUCE, 9, produce_body(plain, {1: batch.build([bytes(10 * KIB)])}), 4 * number + 2)
        data += request_frame(apis.METADATA, 9, {"topics": [{"name": topic.name}]}, 4 * number + 3)
        wanted += [(apis.PRODUCE, 4 * number), (apis.PRODUCE, 4 * number + 2), (apis.METADATA, 4 * number + 3)]
    for pieces in (1, 50):
        with Raw(one_request.port(1)) as raw:
            send_in_pieces(raw, data, pieces)
            for api, correlation in wanted:
                raw.receive(api, 9, correlation)
    with Raw(one_request.port(1)) as raw:
        wait_until("all records", lambda: sum(raw.list_offset(topic.name, v, LATEST) for v in range(4)) == 80)
        assert [value for _, value in raw.read_all(topic.name, 7)] == [b"x"] * 4
