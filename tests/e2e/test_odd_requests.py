"""Odd requests that Kafka takes, or refuses in its own way: the filter is no stricter, and answers the same.

Each request goes to the broker and to Envoy, for the same topic and partition, which is of lane 0."""

import itertools
import struct

import pytest

from tests.harness import apis, batch, groups, topics
from tests.harness.comparison import CLOSED, REWRITTEN, UNKNOWN_TAGS, Pair, body_of, outcome, structures, verbatim, with_field
from tests.harness.fixtures import cluster_fixture, envoy_fixture
from tests.harness.groups import NOTHING, Offset
from tests.harness.raw import Raw, encode, produce_body

BAD_BYTES = [b"caf\xe9", b"\xff\xfe", b"\xed\xa0\x80"]
"""Latin-1, bytes that are never UTF-8, and an encoded surrogate."""
INVALID_REQUEST = 42
METADATA = b"\xff\x00\x80\x90"

pytestmark = pytest.mark.remap
_groups = (f"odd-{i}" for i in itertools.count())


# Of this file's own: lists of groups are compared, and other tests leave groups and shadows behind.
cluster = cluster_fixture()
shared_envoy = envoy_fixture()


@pytest.fixture(scope="module")
def topic(cluster) -> str:
    name = topics.unique(topics.MODULO.name)
    cluster.create_topic(name, topics.MODULO.physical)
    with Raw(cluster.ports[1]) as connection:
        groups.wait_for_coordinator(connection, "odd")
        connection.append(name, 1, [b"x"] * 10)
        connection.init_producer_id()
    return name


@pytest.fixture
def pair(cluster, envoy) -> Pair:
    return Pair(cluster.ports[1], envoy.port(1))


def body(api, topic: str) -> dict:
    return body_of(api, topic, next(_groups))


def differences(pair: Pair, cases) -> list[str]:
    """Those of the cases (name, API, version, body[, options]) that the broker
    and Envoy answer differently."""
    found = []
    for name, api, version, request, *odd in cases:
        if difference := pair.compare(api, version, request, **(odd[0] if odd else {})):
            found.append(f"{name}, v{version}: {difference}")
    return found


@pytest.mark.parametrize("name", REWRITTEN)
def test_bytes_behind_the_last_field_are_nobodys(name, pair, topic):
    api, versions = REWRITTEN[name]
    for version in versions:
        plain = outcome(pair.envoy, api, version, body(api, topic))
        assert plain != CLOSED
        request = body(api, topic)
        joins = body(api, topic) if api is groups.JOIN_GROUP else None
        assert pair.compare(api, version, request, joins, behind=b"\1\0\0") is None, f"v{version}"


@pytest.mark.parametrize("name", REWRITTEN)
def test_tagged_fields_that_nobody_knows(name, pair, topic):
    api, versions = REWRITTEN[name]
    cases = []
    for version in {max(versions[0], api.flexible_from), versions[-1]} - set(range(api.flexible_from)):
        request = body(api, topic)
        for (what, tags), way in itertools.product(UNKNOWN_TAGS.items(), structures(request)):
            cases.append((f"{what} at {way}", api, version, with_field(body(api, topic), way, "tags", tags)))
        cases += [(f"{what} in the header", api, version, body(api, topic), {"tags": t}) for what, t in UNKNOWN_TAGS.items()]
    assert not (found := differences(pair, cases)), "\n".join(found)


DIFFERENT = {
    ("Produce", "partitions"): "a partition named twice is stored twice, where a broker takes the last",
    ("Fetch", "max_bytes"): "below 0 it is taken for 1, where a broker fails",
    ("Fetch", "isolation_level"): "the broker's error is told for the whole request, not again for each partition",
    ("Fetch", "session_id"): "one that no broker gives means nothing in a full Fetch, where a broker fails",
    ("OffsetForLeaderEpoch", "partitions"): "a topic without partitions is not in the answer; a partition has one question",
    ("OffsetFetch", "partitions"): "a topic without partitions is not in the answer",
    ("OffsetFetch", "topics"): "null is taken before version 2, too",
}
"""Where the filter answers otherwise than a broker, by API and field, and why."""


def odd_fields():
    """Yields (API, versions, path to a structure, field, the field's value or its bytes on the wire)."""
    first, part = ["topics", 0], ["topics", 0, "partitions", 0]
    beyond = 2**31 - 1
    null_array = {v: verbatim(b) for v, b in (("old", "fffffffe"), ("compact", "8180808008"))}
    null_string = {v: verbatim(b) for v, b in (("old", "fffe"), ("compact", "ffffffff0f"))}

    def in_forms(api, versions, way, field, forms):
        for form, value in forms.items():
            yield api, [v for v in versions if (v >= api.flexible_from) == (form == "compact")], way, field, value

    for api, versions in REWRITTEN.values():
        if api is groups.JOIN_GROUP:
            versions = versions[4:]  # before it one can join without an id of a member, and then each waits for the other
        some = sorted({versions[0], versions[-1], *[v for v in (api.flexible_from - 1, api.flexible_from) if v in versions]})
        request = body(api, "t")
        for way in structures(request):
            structure = request
            for step in way:
                structure = structure[step]
            for field, value in structure.items():
                if isinstance(value, list):
                    yield api, some, way, field, []
                    yield api, some, way, field, None
                    yield from in_forms(api, some, way, field, null_array)
                    yield api, [v for v in some if v >= api.flexible_from], way, field, verbatim("8100")  # none, in two bytes
                    if value:
                        yield api, some, way, field, value * 2
                elif isinstance(value, str) or field in ("transactional_id", "member_id", "group_instance_id", "name"):
                    yield api, some, way, field, None
                    yield api, some, way, field, ""
                    yield api, some, way, field, "x" * 300
                    yield from in_forms(api, some, way, field, null_string)
                    yield api, [v for v in some if v >= api.flexible_from], way, field, verbatim("828000" "61")
                    yield api, [v for v in some if v >= api.flexible_from], way, field, b"x" * 32768
                    for text in BAD_BYTES:
                        yield api, some, way, field, text
                elif isinstance(value, int):
                    small = field in ("key_type", "isolation_level", "endpoint_type", "acks", "producer_epoch")
                    for number in (-1, -2, -7, 0, 77, *(() if small else (-(2**31), beyond))):
                        if field != "acks" or number not in (0, -1):
                            yield api, some, way, field, number
    yield apis.PRODUCE, [3, 9, 12], [], "transactional_id", None
    yield apis.PRODUCE, [3, 9, 12], part, "records", b""
    yield apis.PRODUCE, [3, 9, 12], part, "records", b"abc"
    yield apis.FETCH, [7, 11, 12], [], "rack_id", None
    yield apis.FETCH, [7, 11, 12], [], "forgotten", None
    yield apis.FETCH, [7, 12], [], "forgotten", [{"name": "t", "partitions": [-1]}]
    # The cluster's id: as long as it says, longer, shorter, null.
    for tags in (b"\1\0\3\2ab", b"\1\0\3\3ab", b"\1\0\1\0", b"\1\0\0\2a", b"\1\0\7\3ab", b"\2\0\3\3ab\0\3\3cd", b"\1\1\0"):
        yield apis.FETCH, [12], [], "tags", tags
    for api, last, field in (
        (apis.METADATA, 12, "allow_auto_topic_creation"), (apis.METADATA, 12, "include_topic_authorized_operations"),
        (groups.OFFSET_FETCH, 9, "require_stable"), (groups.DESCRIBE_GROUPS, 6, "include_authorized_operations"),
        (apis.DESCRIBE_CLUSTER, 2, "include_cluster_authorized_operations"),
    ):  # fmt: skip
        yield api, [last], [], field, verbatim("ff")
    yield apis.METADATA, [10, 12, 13], first, "topic_id", b"\x01" * 16
    yield groups.OFFSET_COMMIT, [2, 3, 4], [], "retention_time_ms", -9
    yield groups.OFFSET_COMMIT, [2, 8, 9], part, "metadata", None
    yield groups.OFFSET_COMMIT, [2, 8, 9], part, "metadata", "x" * 5000


@pytest.mark.parametrize("name", REWRITTEN)
def test_odd_fields(name, pair, topic):
    cases = []
    for api, versions, way, field, value in odd_fields():
        if api is REWRITTEN[name][0] and (name, field) not in DIFFERENT:
            what = f"{field} {value!r:.40} at {way}"
            cases += [(what, api, v, with_field(body(api, topic), way, field, value)) for v in versions]
    assert not (found := differences(pair, cases)), "\n".join(found)


def test_what_differs_is_answered_all_the_same(pair, topic):
    closed = []
    for api, versions, way, field, value in odd_fields():
        (name,) = [name for name, (other, _) in REWRITTEN.items() if other is api]
        if (name, field) in DIFFERENT:
            for version in versions:
                request = with_field(body(api, topic), way, field, value)
                if outcome(pair.envoy, api, version, request) == CLOSED and outcome(pair.direct, api, version, request) != CLOSED:
                    closed.append(f"{name} v{version}: {field} {value!r:.40} at {way}")
    assert not closed, "\n".join(closed)


HEADER_FIELDS = (
    "base_offset", "batch_length", "partition_leader_epoch", "magic", "crc", "attributes", "last_offset_delta",
    "base_timestamp", "max_timestamp", "producer_id", "producer_epoch", "base_sequence", "record_count",
)  # fmt: skip
LEAST, MOST = -(2**31), 2**31 - 1
ODD_HEADERS = [
    {field: value}
    for field, values in {
        "base_offset": (1, -1, 2**63 - 1, -(2**63)),
        "batch_length": (0, -1, 48, 49, 1000, LEAST, MOST),
        "partition_leader_epoch": (0, 7, -7, LEAST, MOST),
        "magic": (-1, 0, 1, 3, 127),
        "attributes": (1, 5, 6, 7, 0x08, 0x10, 0x20, 0x30, 0x40, 0x80),
        "last_offset_delta": (0, -1, 7, LEAST, MOST),
        "base_timestamp": (-1, -7, 0, 2**63 - 1, -(2**63)),
        "max_timestamp": (-1, -7, 0, 2**63 - 1, -(2**63)),
        "producer_id": (0, 123, -2, -(2**63)),
        "producer_epoch": (0, -2, 32767),
        "base_sequence": (0, -2, LEAST, MOST),
        "record_count": (0, -1, 1, 3, LEAST, MOST),
    }.items()
    for value in values
] + [
    {"producer_id": 70, "producer_epoch": 0, "base_sequence": 0},
    {"producer_id": 71, "producer_epoch": 0, "base_sequence": -1},
    {"producer_id": 72, "producer_epoch": -1, "base_sequence": 0},
    {"producer_id": 73, "producer_epoch": 0, "base_sequence": MOST},
    {"producer_id": 74, "producer_epoch": 0, "base_sequence": 0, "attributes": 0x40},
]


def odd_batch(fields: dict, crc: bool = True) -> bytes:
    """Two records under a header with these fields, and its checksum unless `crc` is false."""
    plain = batch.build([b"x", b"y"])
    values = dict(zip(HEADER_FIELDS, batch.HEADER.unpack_from(plain), strict=True)) | fields
    data = batch.HEADER.pack(*values.values()) + plain[batch.HEADER.size :]
    checksum = batch.crc32c(data[batch.CRC_FROM :]) ^ (not crc)
    return data[:17] + checksum.to_bytes(4, "big") + data[21:]


STRICTER = {
    "{'producer_id': -2}": "the filter keeps the lane there",
    "{'producer_id': -9223372036854775808}": "the filter keeps the lane there",
    "a byte more": "a broker drops what is too short for a batch; no client sends it",
}
"""Record sets that a broker takes and the filter refuses, and why."""


@pytest.mark.parametrize("partition", [1, 13])
def test_odd_record_batches(partition, pair, topic):
    """Each batch goes to partition 1 of the broker, and through Envoy to a partition of lane 0 or of another
    lane: both are stored, or neither is."""
    batches = {str(fields): odd_batch(fields) for fields in ODD_HEADERS}
    whole = odd_batch({})
    batches |= {
        "a wrong checksum": odd_batch({}, crc=False),
        "two batches": whole * 2,
        "a byte more": whole + b"x",
        "a byte less": whole[:-1],
        "a header alone": whole[: batch.HEADER.size],
        "less than a header": whole[:40],
        "a byte": b"x",
        "magic 1": batch.build_magic_1(b"x"),
    }

    def taken(port: int, version: int, partition: int, data: bytes) -> bool:
        answer = outcome(port, apis.PRODUCE, version, produce_body(topic, {partition: data}))
        (part,) = answer["topics"][0]["partitions"]
        return part["error_code"] == 0

    taken_by = {
        (name, version): (taken(pair.direct, version, 1, data), taken(pair.envoy, version, partition, data))
        for (name, data), version in itertools.product(batches.items(), (3, 9, 12))
    }
    different = {name for (name, _), (broker, envoy) in taken_by.items() if broker != envoy}
    assert different == STRICTER.keys(), taken_by
    assert taken_by["{'attributes': 64}", 9] == (True, True) and taken_by["a wrong checksum", 9] == (False, False)


def test_many_questions_about_one_partition_are_one_request(envoy, raw, topic):
    """Each mention would be a request of its own to the broker, in rounds without end. A partition that is
    named again is refused, as brokers do in ListOffsets."""
    before = envoy.stat("kafka_remapper_upstream_requests_total", api="OffsetForLeaderEpoch")
    parts = [{"index": 1, "current_leader_epoch": -1, "leader_epoch": epoch} for epoch in range(20_000)]
    body = {"replica_id": -1, "topics": [{"name": topic, "partitions": parts}]}
    answer = raw.call(apis.OFFSET_FOR_LEADER_EPOCH, 4, body)
    codes = [p["error_code"] for t in answer["topics"] for p in t["partitions"]]
    assert codes == [INVALID_REQUEST]
    assert envoy.stat("kafka_remapper_upstream_requests_total", api="OffsetForLeaderEpoch") <= before + 1


@pytest.mark.parametrize("name", ["Produce", "Fetch", "Metadata", "OffsetCommit", "ApiVersions", "FindCoordinator"])
def test_client_ids_are_any_bytes(name, pair, topic):
    api, versions = REWRITTEN[name]
    cases = [
        (f"client id {client_id!r}", api, version, body(api, topic), {"client_id": client_id})
        for version, client_id in itertools.product((versions[0], versions[-1]), BAD_BYTES)
    ]
    assert not (found := differences(pair, cases)), "\n".join(found)


def test_a_client_id_reaches_the_broker_as_it_is(raw, direct, topic):
    for lane, client_id in enumerate(BAD_BYTES):
        group, request = f"client-{lane}", body_of(groups.JOIN_GROUP, topic, f"client-{lane}")
        assert raw.call(groups.JOIN_GROUP, 3, request, client_id=client_id)["error_code"] == 0
        for connection in (raw, direct):
            (described,) = connection.call(groups.DESCRIBE_GROUPS, 6, {"groups": [group]})["groups"]
            assert [m["client_id"] for m in described["members"]] == [as_java(client_id)]


@pytest.mark.parametrize("name", ["Produce", "Fetch", "Metadata", "ListOffsets", "OffsetForLeaderEpoch", "OffsetCommit", "OffsetFetch"])
def test_topics_named_by_any_bytes_beside_mapped_ones(name, pair, topic):
    """No topic can have such a name; the mapped topic beside it makes the filter read the request."""
    api, versions = REWRITTEN[name]
    cases = []
    for version, text in itertools.product(versions, [*BAD_BYTES, b"modulo.caf\xe9"]):
        request = body(api, topic)
        for way, holder in [([], request), *[(["groups", 0], g) for g in request.get("groups", [])]]:
            request = with_field(request, way, "topics", [*holder["topics"], {**holder["topics"][0], "name": text}])
        cases.append((f"topic {text!r}", api, version, request))
    assert not (found := differences(pair, cases)), "\n".join(found)


@pytest.mark.parametrize("version", range(2, 10))
def test_binary_metadata_is_kept_in_every_lane(version, raw, direct, topic):
    """A broker makes U+FFFD of bytes that are not UTF-8; the filter gets U+FFFD back from the broker."""
    group = next(_groups)
    assert groups.commit(direct, f"{group}-direct", {(topic, 1): Offset(3, METADATA)}, version) == {(topic, 1): 0}
    wanted = groups.fetch(direct, f"{group}-direct", {topic: [1]})[topic, 1]
    assert wanted.metadata == "\ufffd\0\ufffd\ufffd"
    lanes = [1, 5, 9, 17]
    errors = groups.commit(raw, group, {(topic, v): Offset(3, METADATA) for v in lanes}, version)
    assert set(errors.values()) == {0}
    for fetched in (3, 5, 7, 8):
        assert groups.fetch(raw, group, {topic: lanes}, fetched) == {
            (topic, v): Offset(3, wanted.metadata, wanted.leader_epoch if fetched >= 5 else -1) for v in lanes
        }
    assert groups.fetch(raw, group, {topic: [13]}) == {(topic, 13): NOTHING}


@pytest.mark.parametrize("name", BAD_BYTES)
def test_groups_named_by_any_bytes(name, raw, direct, topic):
    """Offsets of lanes above 0 are in shadow groups, whose names are made of the group's name."""
    group, lanes = b"text-" + name, [1, 5, 9]
    offsets = {(topic, v): Offset(v) for v in lanes}
    for version in (2, 7, 9):
        assert groups.commit(raw, group, offsets, version) == dict.fromkeys(offsets, 0)
    asked = [{"name": topic, "partitions": lanes}]
    for version in (1, 5, 7):
        answer = raw.call(groups.OFFSET_FETCH, version, {"group_id": group, "topics": asked})
        assert {p["index"]: p["offset"] for p in answer["topics"][0]["partitions"]} == {v: v for v in lanes}
    for version in (8, 9):
        body = {"groups": [{"group_id": group, "member_epoch": -1, "topics": asked}]}
        (answer,) = raw.call(groups.OFFSET_FETCH, version, body)["groups"]
        assert {p["index"]: p["offset"] for p in answer["topics"][0]["partitions"]} == {v: v for v in lanes}
    # It is the group whose name has U+FFFD, to the broker and to the filter.
    text = as_java(group)
    assert set(groups.list_groups(direct)) >= {text, *(groups.shadow_name(text, lane) for lane in (1, 2))}
    assert text in groups.list_groups(raw)
    assert groups.fetch(raw, text, {topic: lanes}) == {place: Offset(o.offset) for place, o in offsets.items()}
    answer = raw.call(groups.DELETE_GROUPS, 2, {"groups": [group]})
    assert [(r["group_id"], r["error_code"]) for r in answer["results"]] == [(text, 0)]
    assert not any(g.startswith(text) for g in groups.list_groups(direct))


def as_java(data: bytes) -> str:
    """Each malformed sequence becomes one U+FFFD, an encoded surrogate too; Python makes three of that."""
    return data.replace(b"\xed\xa0\x80", b"\xff").decode(errors="replace")


@pytest.mark.parametrize("name", ["Produce", "Fetch", "Metadata", "OffsetCommit"])
def test_odd_headers(name, pair, topic):
    """Any correlation id, and a client id that is null in any way, empty, or as long as can be."""
    api, versions = REWRITTEN[name]
    ids = [(-1, b""), (-7, b""), (-(2**15), b""), (0, b""), (2**15 - 1, b"x" * (2**15 - 1))]
    for version, (length, client_id), correlation in itertools.product((versions[0], versions[-1]), ids, (0, -1, LEAST, MOST)):
        header = struct.pack(">hhih", api.key, version, correlation, length) + client_id
        tags = b"\0" if version >= api.flexible_from else b""
        for port in (pair.direct, pair.envoy):
            with Raw(port) as connection:
                connection.send_frame(header + tags + encode(api, version, body(api, topic)))
                assert set(codes(connection.receive(api, version, correlation))) == {0}, (version, length, correlation)


def codes(value):
    """Every error code in an answer."""
    if isinstance(value, dict):
        yield from [value["error_code"]] if "error_code" in value else []
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from codes(inner)
