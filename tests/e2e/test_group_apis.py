"""The group APIs by hand, in every version: one group to its clients, a shadow group
for each lane on the broker."""

import random
import struct
import threading
import time

import pytest
from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient

from tests.harness import apis, groups, topics
from tests.harness.groups import NOTHING, Member, Membership, Offset, commit, fetch, fetch_groups, shadow_name
from tests.harness.process import wait_until
from tests.harness.raw import Raw, fetch_body

BEYOND = 20
SOME = [1, 5, 9, 13, 17, 0, 2, 6, 19]
"""All siblings of one physical partition, and some others."""
LANES = range(5)
OFFSETS_PARTITIONS = 3
"""offsets.topic.num.partitions of the harness's brokers."""


@pytest.fixture
def group(raw):
    name = topics.unique("group")
    groups.wait_for_coordinator(raw, name)
    return name


@pytest.fixture
def plain(cluster):
    """A topic that no mapping names."""
    name = topics.unique("plain")
    cluster.create_topic(name, 4)
    return name


@pytest.fixture
def member(envoy):
    """member(group, instance, topics) makes a member that has a connection of its
    own and has not joined yet."""
    connections = []

    def make(group: str, instance: str | None = None, topics: list[str] = ()) -> Member:
        connections.append(Raw(envoy.port(1)))
        return Member(connections[-1], group, instance, list(topics))

    yield make
    for c in connections:
        c.close()


def offsets_of(topic, partitions=SOME, base=100) -> groups.Offsets:
    """An offset of its own for each partition, as a client sees it."""
    return {(topic.name, v): Offset(topic.client_offset(v, base + v), f"meta-{v}") for v in partitions}


def all_lanes(topic) -> dict:
    return {topic.name: list(range(topic.virtual))}


# Mapped, unmapped and mixed, in every version.


@pytest.mark.parametrize("version", range(2, 10))
@pytest.mark.parametrize("family", [topics.MODULO, topics.BLOCK_LANE], ids=lambda f: f.name)
def test_every_version_commits_what_every_version_fetches(version, family, raw, group, plain, new_topic):
    topic, other = new_topic(family), new_topic(topics.ONE)
    epoch = 3 if version >= 6 else -1
    lane_0 = next(v for v in range(20) if topic.lane_of(v) == 0 and v not in SOME)
    wanted = {
        **offsets_of(topic),
        **offsets_of(other, range(4)),
        **{(plain, p): Offset(7 + p, "plain", epoch) for p in (1, 3)},
        (topic.name, lane_0): Offset(33, "lane 0", epoch),
    }
    errors = commit(raw, group, wanted, version)
    assert errors == dict.fromkeys(wanted, 0)
    everywhere = {**all_lanes(topic), other.name: [0, 1, 2, 3], plain: [0, 1, 2, 3]}
    expected = {(t, p): wanted.get((t, p), NOTHING) for t, parts in everywhere.items() for p in parts}
    for reading in range(1, 10):
        epochs = reading >= 5
        told = {place: o if epochs else Offset(o.offset, o.metadata) for place, o in expected.items()}
        assert fetch(raw, group, everywhere, reading) == told, f"OffsetFetch v{reading}"


@pytest.mark.remap
def test_epochs_hold_on_lane_0_only(raw, group, new_topic):
    topic = new_topic()
    epochs = {(topic.name, v): Offset(v, "", 5) for v in (0, 4)}
    commit(raw, group, epochs, 9)
    assert fetch(raw, group, {topic.name: [0, 4]}) == {(topic.name, 0): Offset(0, "", 5), (topic.name, 4): Offset(4, "", -1)}


@pytest.mark.parametrize("version", range(1, 10))
def test_nothing_committed(version, raw, new_topic):
    topic, group = new_topic(), topics.unique("group")
    groups.wait_for_coordinator(raw, group)
    assert fetch(raw, group, all_lanes(topic), version) == {(topic.name, v): NOTHING for v in range(20)}


@pytest.mark.parametrize("version", range(2, 10))
def test_all_topics_are_merged_over_lanes(version, raw, group, plain, new_topic):
    topic, other = new_topic(), new_topic(topics.LANE)
    wanted = {**offsets_of(topic), **offsets_of(other, [0, 4, 19]), (plain, 2): Offset(5, "p")}
    commit(raw, group, wanted)
    assert fetch(raw, group, None, version, stable=version >= 7) == wanted
    assert fetch(raw, topics.unique("group"), None, version) == {}


@pytest.mark.parametrize("version", [8, 9])
def test_several_groups_in_one_request(version, raw, plain, new_topic):
    topic, names = new_topic(), [topics.unique("group") for _ in range(4)]
    wanted = {name: {**offsets_of(topic, base=100 * i), (plain, 1): Offset(i)} for i, name in enumerate(names[:3])}
    for name in names:
        groups.wait_for_coordinator(raw, name)
    for name, offsets in wanted.items():
        commit(raw, name, offsets)
    asked = {names[0]: None, names[1]: {topic.name: SOME, plain: [1]}, names[2]: {plain: [1]}, names[3]: {topic.name: [0, 5]}}
    found = fetch_groups(raw, asked, version, stable=True)
    assert {name: found[name][0] for name in names} == {
        names[0]: (0, wanted[names[0]]),
        names[1]: (0, wanted[names[1]]),
        names[2]: (0, {(plain, 1): Offset(2)}),
        names[3]: (0, {(topic.name, 0): NOTHING, (topic.name, 5): NOTHING}),
    }


def test_unusual_metadata_and_offsets(raw, group, new_topic):
    topic = new_topic()
    odd = {0: Offset(0, ""), 4: Offset(0, "ü" * 100), 8: Offset(2**40 - 1, None), 12: Offset(-1, "gone"), 16: Offset(5, "x" * 4096)}
    offsets = {(topic.name, v): o for v, o in odd.items()}
    assert commit(raw, group, offsets) == dict.fromkeys(offsets, 0)
    told = {place: Offset(o.offset, o.metadata or "") for place, o in offsets.items()}
    assert fetch(raw, group, {topic.name: list(odd)}) == told


@pytest.mark.remap
@pytest.mark.parametrize("version", [2, 5, 8, 9])
def test_errors_of_one_partition_leave_the_others(version, raw, group, plain, new_topic):
    topic = new_topic()
    good = offsets_of(topic, [1, 5])
    bad = {(topic.name, BEYOND): Offset(1), (topic.name, -1): Offset(1), (plain, 9): Offset(1), ("absent", 0): Offset(1)}
    long = {(topic.name, v): Offset(1, "x" * 5000) for v in (3, 9)}
    wanted = {**dict.fromkeys(good, 0), **dict.fromkeys(bad, groups.UNKNOWN_TOPIC_OR_PARTITION)}
    wanted |= dict.fromkeys(long, groups.OFFSET_METADATA_TOO_LARGE)
    assert commit(raw, group, {**good, **bad, **long}, version) == wanted
    assert commit(raw, group, bad, version) == dict.fromkeys(bad, groups.UNKNOWN_TOPIC_OR_PARTITION)
    places = {topic.name: [1, 5, 3, 9, BEYOND, -1], plain: [9], "absent": [0]}
    assert fetch(raw, group, places, version) == {
        **good,
        **{(t, p): NOTHING for t, parts in places.items() for p in parts if (t, p) not in good},
    }


@pytest.mark.remap
def test_a_bad_partition_of_lane_0_alone_does_not_hold_the_others_up(raw, group, new_topic):
    """The topic is gone: the broker's error for lane 0 then proves nothing about the caller."""
    gone, name = topics.unique("modulo"), new_topic().name
    errors = commit(raw, group, {(gone, 3): Offset(1), (name, 4): Offset(2)})
    assert errors == {(gone, 3): groups.UNKNOWN_TOPIC_OR_PARTITION, (name, 4): 0}
    assert fetch(raw, group, {gone: [3], name: [4]}) == {(gone, 3): NOTHING, (name, 4): Offset(2)}


@pytest.mark.remap
def test_nothing_is_committed_for_a_topic_that_does_not_fit(raw, group, misfit):
    offsets = {(misfit, v): Offset(1) for v in (1, 5)}
    assert commit(raw, group, offsets) == dict.fromkeys(offsets, groups.UNKNOWN_TOPIC_OR_PARTITION)
    assert fetch(raw, group, None) == {}


@pytest.mark.remap
def test_offsets_of_another_lane_are_refused(raw, group, new_topic):
    topic = new_topic(topics.LANE)
    good = offsets_of(topic, [5])
    foreign = {(topic.name, 9): Offset(topic.client_offset(5, 1)), (topic.name, 1): Offset(topic.client_offset(5, 1))}
    too_large = {(topic.name, 19): Offset(5 * topics.OFFSET_RANGE)}
    wanted = {**dict.fromkeys(good, 0), **dict.fromkeys({**foreign, **too_large}, groups.OFFSET_OUT_OF_RANGE)}
    assert commit(raw, group, {**good, **foreign, **too_large}) == wanted
    assert fetch(raw, group, None) == good
    identity = new_topic()
    assert commit(raw, group, {(identity.name, 4): Offset(topics.OFFSET_RANGE)}) == {(identity.name, 4): groups.OFFSET_OUT_OF_RANGE}


@pytest.mark.parametrize("version", [2, 5, 8, 9])
def test_empty_requests(version, raw, direct, group, new_topic):
    topic = new_topic()
    assert commit(raw, group, {}, version) == {}
    body = {**groups.commit_body(group, {}), "topics": [{"name": topic.name, "partitions": []}]}
    through, around = (c.call(groups.OFFSET_COMMIT, version, body) for c in (raw, direct))
    assert groups.committed(through) == groups.committed(around) == {}
    assert fetch(raw, group, {}, version) == fetch(direct, group, {}, version) == {}
    assert fetch(raw, group, {topic.name: []}, version) == {}
    assert raw.call(groups.OFFSET_FETCH, 8, {"groups": []})["groups"] == []


def test_a_partition_that_is_asked_for_twice(raw, group, new_topic):
    topic = new_topic()
    commit(raw, group, offsets_of(topic))
    answer = raw.call(groups.OFFSET_FETCH, 5, {"group_id": group, "topics": [{"name": topic.name, "partitions": [5, 1, 5]}]})
    (told,) = answer["topics"]
    assert {(p["index"], p["offset"], p["error_code"]) for p in told["partitions"]} == {(1, 101, 0), (5, 105, 0)}


# On the broker.


@pytest.mark.remap
def test_lanes_lie_in_shadow_groups(raw, direct, group, new_topic):
    topic = new_topic(topics.BLOCK_LANE)
    wanted = offsets_of(topic, range(20))
    commit(raw, group, wanted)
    for lane in LANES:
        stored = fetch(direct, shadow_name(group, lane), None)
        of_lane = [v for v in range(20) if topic.lane_of(v) == lane]
        assert stored == {(topic.name, topic.physical_of(v)): Offset(100 + v, f"meta-{v}") for v in of_lane}, f"lane {lane}"
    listed = groups.list_groups(direct)
    assert {name for name in listed if name.startswith(group + "~")} == {shadow_name(group, lane) for lane in LANES[1:]}
    assert {listed[shadow_name(group, lane)]["state"] for lane in LANES} == {"Empty"}


@pytest.mark.remap
@pytest.mark.parametrize("group", ["", "größe-𝄞-", "x" * 249, "a~1~b"], ids=["empty", "non-ascii", "long", "like a shadow"])
def test_unusual_group_names(group, raw, direct, new_topic):
    topic = new_topic()
    name = group and topics.unique(group)  # only the empty id is nobody's
    groups.wait_for_coordinator(raw, name)
    wanted = offsets_of(topic)
    assert commit(raw, name, wanted) == dict.fromkeys(wanted, 0)
    assert fetch(raw, name, {topic.name: SOME}) == wanted
    assert fetch(direct, shadow_name(name, 1), {topic.name: [1]}) == {(topic.name, 1): Offset(105, "meta-5")}


@pytest.mark.remap
def test_shadows_share_their_groups_partition_of_the_offsets_topic(raw, direct, new_topic):
    """A transaction, and a connection to the coordinator, must cover the lanes together."""
    topic, names = new_topic(), [topics.unique("coordinated") for _ in range(4)]
    for name in names:
        groups.wait_for_coordinator(raw, name)
        commit(raw, name, offsets_of(topic, [0, 4, 8, 12, 16]))
    logs = {p: log_of(direct, p) for p in range(OFFSETS_PARTITIONS)}
    for name in names:
        for lane in LANES:
            holder = shadow_name(name, lane).encode()
            key = struct.pack(">h", len(holder)) + holder + struct.pack(">h", len(topic.name)) + topic.name.encode()
            signed = (groups.java_hash(name) + 2**31) % 2**32 - 2**31
            home = abs(signed) % OFFSETS_PARTITIONS  # GroupMetadataManager.partitionFor
            assert [p for p, log in logs.items() if key in log] == [home], holder


def log_of(connection: Raw, partition: int) -> bytes:
    """The batches of a partition of the offsets topic, as the broker stores them."""
    log, position = b"", 0
    end = connection.list_offset("__consumer_offsets", partition, -1)
    while position < end:
        part = connection.fetch_one("__consumer_offsets", partition, position, partition_max_bytes=1 << 24)
        assert part["error_code"] == 0
        assert part["records"]
        log += part["records"]
        at = 0
        while at < len(part["records"]):
            base, size = struct.unpack_from(">qi", part["records"], at)
            position = base + struct.unpack_from(">i", part["records"], at + 23)[0] + 1
            at += 12 + size
    return log


@pytest.mark.remap
def test_shadows_expire_as_their_groups_do_unless_a_client_says_otherwise(raw, direct, new_topic):
    """A commit that leaves the retention to the broker is stored without an expiry time of its own."""
    topic, group = new_topic(), "retained.0"  # one group, so that its partition of the offsets topic does not change
    groups.wait_for_coordinator(raw, group)
    for version, retention_ms in [(2, -1), (4, 3_600_000), (5, -1), (9, -1)]:
        marks = {v: f"{topic.name}/{version}/{v}/mark" for v in (0, 4, 17)}
        body = groups.commit_body(group, {(topic.name, v): Offset(version, mark) for v, mark in marks.items()})
        answer = raw.call(groups.OFFSET_COMMIT, version, {**body, "retention_time_ms": retention_ms})
        assert set(groups.committed(answer).values()) == {0}
        home = next(p for p in range(OFFSETS_PARTITIONS) if marks[0].encode() in log_of(direct, p))
        values = [value for _, value in direct.read_all("__consumer_offsets", home)]
        for mark in marks.values():
            (stored,) = [value for value in values if mark.encode() in value]
            if retention_ms < 0:
                assert stored[:2] > b"\0\1"
            else:
                at = stored.index(mark.encode()) + len(mark)
                committed_ms, expires_ms = struct.unpack_from(">qq", stored, at)
                assert (stored[:2], expires_ms - committed_ms) == (b"\0\1", retention_ms)


@pytest.mark.remap
def test_what_it_costs(raw, envoy, group, member, new_topic):
    """One OffsetFetch whatever the lanes, a commit for each lane that is named, and a
    fence only where lane 0 is not."""
    topic = new_topic()
    me = member(group, topics=[topic.name]).join()
    commit(raw, group, offsets_of(topic, range(20)), who=me)

    def sent(act) -> dict[str, int]:
        apis_counted = ("OffsetCommit", "OffsetFetch", "Heartbeat", "DescribeGroups")
        before = {api: envoy.stat("kafka_remapper_upstream_requests_total", api=api) for api in apis_counted}
        act()
        after = {api: envoy.stat("kafka_remapper_upstream_requests_total", api=api) for api in apis_counted}
        return {api: after[api] - n for api, n in before.items() if after[api] != n}

    assert sent(lambda: fetch(raw, group, all_lanes(topic))) == {"OffsetFetch": 1}
    assert sent(lambda: fetch(raw, group, None)) == {"OffsetFetch": 1}
    assert sent(lambda: commit(raw, group, offsets_of(topic, range(20)), who=me)) == {"OffsetCommit": 5}
    assert sent(lambda: commit(raw, group, offsets_of(topic, [0, 3, 9, 10]), who=me)) == {"OffsetCommit": 2}
    assert sent(lambda: commit(raw, group, offsets_of(topic, [4, 9]), who=me)) == {"OffsetCommit": 2, "DescribeGroups": 1, "Heartbeat": 1}
    simple = topics.unique("group")
    assert sent(lambda: commit(raw, simple, offsets_of(topic, [4]))) == {"OffsetCommit": 1, "DescribeGroups": 1}


@pytest.mark.remap
@pytest.mark.parametrize("version", [2, 6, 9])
def test_a_client_that_names_a_shadow_is_refused(version, raw, direct, group, new_topic):
    topic = new_topic()
    commit(raw, group, offsets_of(topic))
    shadow = shadow_name(group, 1)
    before = fetch(direct, shadow, None)
    wanted = dict.fromkeys(offsets_of(topic), groups.INVALID_GROUP_ID)
    assert commit(raw, shadow, offsets_of(topic, base=900), version) == wanted
    assert commit(raw, shadow, {("unmapped", 0): Offset(1)}, version) == {("unmapped", 0): groups.INVALID_GROUP_ID}
    for reading in range(1, 10):
        for places in [{topic.name: SOME}, *([None] if reading >= 2 else [])]:
            (error, _), errors = fetch_groups(raw, {shadow: places}, reading)[shadow]
            assert error == groups.INVALID_GROUP_ID if reading >= 2 else set(errors.values()) == {groups.INVALID_GROUP_ID}
    assert groups.delete_groups(raw, [shadow, group[:-1]]) == {
        shadow: groups.INVALID_GROUP_ID,
        group[:-1]: groups.GROUP_ID_NOT_FOUND,
    }
    assert groups.offset_delete(raw, shadow, {topic.name: SOME}) == (groups.INVALID_GROUP_ID, {})
    for join_version in range(10):
        body = {"group_id": shadow, "session_timeout_ms": 30_000, "rebalance_timeout_ms": 30_000, "member_id": "",
                "protocol_type": "consumer", "protocols": [{"name": "range", "metadata": b""}]}
        assert raw.call(groups.JOIN_GROUP, join_version, body)["error_code"] == groups.INVALID_GROUP_ID
    assert fetch(direct, shadow, None) == before


# Fencing.


LANES_0_AND_UP = [0, 1, 4, 9, 17]
LANES_ABOVE_0 = [4, 9, 13, 17]


@pytest.mark.parametrize("partitions", [LANES_0_AND_UP, LANES_ABOVE_0], ids=["with lane 0", "without lane 0"])
@pytest.mark.parametrize("version", [2, 5, 7, 9])
def test_only_a_member_commits(version, partitions, raw, group, member, new_topic):
    topic = new_topic()
    one = member(group, topics=[topic.name])
    old = one.join()
    current = one.join()
    assert current.generation > old.generation
    assert set(commit(raw, group, offsets_of(topic, partitions), version, current).values()) == {0}
    before = fetch(raw, group, None)
    assert before == offsets_of(topic, partitions)
    strangers = {
        groups.ILLEGAL_GENERATION: [old, Membership(current.member_id, current.generation + 1)],
        groups.UNKNOWN_MEMBER_ID: [Membership("nobody", current.generation), Membership()],
    }
    for error, who in strangers.items():
        for stranger in who:
            errors = commit(raw, group, offsets_of(topic, partitions, 900), version, stranger)
            assert set(errors.values()) == {error}, stranger
    assert fetch(raw, group, None) == before
    one.leave()
    errors = commit(raw, group, offsets_of(topic, partitions, 900), version, current)
    assert set(errors.values()) == {groups.UNKNOWN_MEMBER_ID}, "who has left"
    assert fetch(raw, group, None) == before
    simple = offsets_of(topic, partitions, 300)
    assert set(commit(raw, group, simple, version).values()) == {0}
    assert fetch(raw, group, None) == simple, "the group is empty: simple consumers may commit"


@pytest.mark.parametrize("partitions", [LANES_0_AND_UP, LANES_ABOVE_0], ids=["with lane 0", "without lane 0"])
@pytest.mark.parametrize("version", [7, 9])
def test_a_fenced_static_member(version, partitions, raw, group, member, new_topic):
    topic = new_topic()
    zombie = member(group, "instance", [topic.name]).join()
    successor = member(group, "instance", [topic.name]).join()
    assert successor.member_id != zombie.member_id
    errors = commit(raw, group, offsets_of(topic, partitions), version, zombie)
    assert set(errors.values()) == {groups.FENCED_INSTANCE_ID}
    assert fetch(raw, group, None) == {}
    errors = commit(raw, group, offsets_of(topic, partitions), version, successor)
    assert set(errors.values()) == {0}
    assert fetch(raw, group, None) == offsets_of(topic, partitions)


@pytest.mark.parametrize("partitions", [LANES_0_AND_UP, LANES_ABOVE_0], ids=["with lane 0", "without lane 0"])
def test_members_commit_while_a_rebalance_is_prepared(partitions, raw, group, member, new_topic):
    topic = new_topic()
    one, two = member(group, topics=[topic.name]), member(group, topics=[topic.name])
    one.join()
    two.begin_join()
    # The broker answers once with the member id that `two` has to come back with, and then waits for `one`.
    answer = two.connection.receive(groups.JOIN_GROUP, 7, two._joining)
    assert answer["error_code"] == groups.MEMBER_ID_REQUIRED
    two.membership.member_id = answer["member_id"]
    two.begin_join()
    wait_until("the rebalance", lambda: groups.list_groups(raw, 5)[group]["state"] == "PreparingRebalance")
    for version, base in ((2, 100), (9, 200)):
        errors = commit(raw, group, offsets_of(topic, partitions, base), version, one.membership)
        assert set(errors.values()) == {0}
        assert fetch(raw, group, None) == offsets_of(topic, partitions, base)
    old = one.membership
    one.begin_join()
    two.end_join()
    one.end_join()
    # Between JoinGroup and SyncGroup no member has partitions.
    errors = commit(raw, group, offsets_of(topic, partitions, 900), 9, old)
    assert set(errors.values()) == {groups.ILLEGAL_GENERATION}
    leader, follower = (one, two) if one.members else (two, one)
    leader.sync()
    follower.sync()
    assert fetch(raw, group, None) == offsets_of(topic, partitions, 200)


def test_members_do_not_commit_before_the_assignment_is_known(raw, group, member, new_topic):
    """As in Kafka where lane 0 is named too. Otherwise the filter can ask by a Heartbeat
    only, which succeeds by now."""
    topic = new_topic()
    one = member(group, topics=[topic.name])
    one.begin_join()
    one.end_join()
    errors = commit(raw, group, offsets_of(topic, LANES_0_AND_UP), 9, one.membership)
    assert set(errors.values()) == {groups.REBALANCE_IN_PROGRESS}
    assert fetch(raw, group, None) == {}


@pytest.mark.parametrize("partitions", [LANES_0_AND_UP, LANES_ABOVE_0], ids=["with lane 0", "without lane 0"])
def test_a_member_id_without_a_generation(partitions, raw, group, member, new_topic):
    """Some simple consumers send a member id: an empty group takes such a commit, as it
    takes one without a member id."""
    topic = new_topic()
    errors = commit(raw, group, offsets_of(topic, partitions), 7, Membership("stale"))
    assert set(errors.values()) == {0}
    assert fetch(raw, group, None) == offsets_of(topic, partitions)
    member(group, topics=[topic.name]).join()
    errors = commit(raw, group, offsets_of(topic, partitions, 900), 7, Membership("stale"))
    assert set(errors.values()) == {groups.UNKNOWN_MEMBER_ID}
    assert fetch(raw, group, None) == offsets_of(topic, partitions)


@pytest.mark.parametrize("joined", [True, False], ids=["member", "simple consumer"])
def test_pipelined_commits_keep_their_order(joined, raw, group, member, new_topic):
    topic = new_topic()
    who = member(group, topics=[topic.name]).join() if joined else None
    rounds = [SOME, [4, 8], [1], SOME, [5, 9, 13, 17, 19], [0], SOME, [4, 5]]
    sent, wanted = [], {}
    for i, partitions in enumerate(rounds):
        offsets = offsets_of(topic, partitions, 1000 * (i + 1))
        wanted |= offsets
        version = 5 + i % 5
        sent.append((groups.OFFSET_COMMIT, version, raw.send(groups.OFFSET_COMMIT, version, groups.commit_body(group, offsets, who))))
        body = {"group_id": group, "topics": [{"name": topic.name, "partitions": sorted(v for _, v in wanted)}]}
        sent.append((groups.OFFSET_FETCH, 5, raw.send(groups.OFFSET_FETCH, 5, body)))
    for api, version, correlation in sent:
        answer = raw.receive(api, version, correlation)
        codes = [p["error_code"] for t in answer["topics"] for p in t["partitions"]]
        assert set(codes) == {0}
        if api is groups.OFFSET_FETCH:
            last = {(topic.name, p["index"]): Offset(p["offset"], p["metadata"]) for t in answer["topics"] for p in t["partitions"]}
    assert last == fetch(raw, group, None) == wanted


def test_whatever_is_pipelined_is_answered_in_order(raw, envoy, group, new_topic):
    """Commits and long polls, which hold later requests back, among requests that pass,
    sent while answers come in."""
    topic, dice, sent = new_topic(), random.Random(1), []
    requests = 300

    def send(api, version: int, body: dict) -> None:
        sent.append((api, version, raw.send(api, version, body)))

    def commit_some(i: int) -> None:
        offsets = {(topic.name, v): Offset(i) for v in dice.sample(range(20), dice.randint(1, 4))}
        send(groups.OFFSET_COMMIT, dice.randint(2, 9), groups.commit_body(group, offsets))

    kinds = [
        commit_some,
        lambda i: send(apis.FETCH, 11, fetch_body(topic.name, {v: 0 for v in range(i % 20)}, min_bytes=1 << 20, max_wait_ms=20)),
        lambda i: send(groups.LIST_GROUPS, 4, {}),
        lambda i: send(groups.FIND_COORDINATOR, 2, {"key": group, "key_type": 0}),
    ]

    def send_all() -> None:
        for i in range(requests):
            dice.choices(kinds, [4, 3, 1, 2])[0](i)
            time.sleep(dice.random() * 0.01)

    with Raw(envoy.port(1)) as other:
        for v in range(20):
            other.append(topic.name, v, [b"x"])
    sender = threading.Thread(target=send_all)
    sender.start()
    for i in range(requests):
        wait_until("the next request", lambda: len(sent) > i, every=0.001)
        raw.receive(*sent[i])
    sender.join()


# Administration.


@pytest.mark.parametrize("version", range(6))
def test_list_groups_hides_shadows(version, raw, group, member, new_topic):
    topic, idle, above = new_topic(), topics.unique("group"), topics.unique("group")
    me = member(group, topics=[topic.name]).join()
    commit(raw, idle, offsets_of(topic))
    commit(raw, above, offsets_of(topic, [9]))  # offsets in a shadow only, if at all
    own = {group, idle, above}

    def listed(**filters) -> set:
        return {name for name in groups.list_groups(raw, version, **filters) if name in own or "~" in name and name.split("~")[0] in own}

    assert listed() == own
    if version >= 4:
        assert listed(states=["Stable"]) == {group}
        assert listed(states=["Empty"]) == {idle, above}
        assert listed(states=["Dead"]) == set()
        # In shadows of an active group there is nothing that is Empty to clients.
        commit(raw, group, offsets_of(topic), who=me)
        assert listed(states=["EMPTY"]) == {idle, above}
        assert listed(states=["nonsense"]) == set()
    if version >= 5:
        assert listed(types=["classic"]) == own
        assert listed(types=["consumer"]) == set()
        assert listed(types=["Classic"], states=["Stable"]) == {group}


def test_filters_are_read_as_a_broker_reads_them(raw, direct, group, member, plain):
    """Groups without shadow groups: the answers are those of the broker."""
    member(group, topics=[plain]).join()
    idle = topics.unique("group")
    commit(raw, idle, {(plain, 1): Offset(1)})
    words = [[], ["Stable"], ["sTABLE", "Dead"], [" Empty "], ["nonsense"], ["nonsense", "Empty"], [""]]
    kinds = [[], ["classic"], ["CLASSIC"], [" classic "], ["consumer", "share"], ["nonsense"], ["nonsense", "classic"]]
    for filters in [*({"states": w} for w in words), *({"types": k} for k in kinds), {"states": ["Stable"], "types": ["classic"]}]:
        through, around = ({n: g for n, g in groups.list_groups(c, 5, **filters).items() if n in (group, idle)} for c in (raw, direct))
        assert through == around, filters


def test_a_group_of_higher_lanes_is_described_as_empty(raw, envoy, group, new_topic):
    topic, above, absent = new_topic(), group, topics.unique("group")
    assert commit(raw, above, offsets_of(topic, [9])) == {(topic.name, 9): 0}
    admin = AdminClient({"bootstrap.servers": envoy.bootstrap})
    wanted = {above: ConsumerGroupState.EMPTY, absent: ConsumerGroupState.DEAD}

    def described() -> bool:
        try:
            found = {name: future.result(15).state for name, future in admin.describe_consumer_groups(list(wanted)).items()}
        except KafkaException:  # a coordinator that is still loading
            return False
        assert found == wanted
        return True

    wait_until("the groups' description", described, 20)


@pytest.mark.parametrize("version", range(3))
def test_delete_groups_reaches_every_lane(version, raw, direct, group, member, new_topic, passthrough):
    topic, busy, above, absent = new_topic(), *(topics.unique("group") for _ in range(3))
    one = member(busy, topics=[topic.name])
    me = one.join()
    commit(raw, group, offsets_of(topic))
    commit(raw, above, offsets_of(topic, [9]))
    commit(raw, busy, offsets_of(topic), who=me)
    wanted = {group: 0, busy: groups.NON_EMPTY_GROUP, above: 0, absent: groups.GROUP_ID_NOT_FOUND}
    assert groups.delete_groups(raw, list(wanted), version) == wanted
    for gone in (group, above):
        assert fetch(raw, gone, None) == {}
        assert fetch(raw, gone, {topic.name: SOME}) == {(topic.name, v): NOTHING for v in SOME}
    assert fetch(raw, busy, None) == offsets_of(topic), "refused, so nothing may be lost"
    one.leave()
    assert groups.delete_groups(raw, [busy], version) == {busy: 0}
    left = [name for name in groups.list_groups(direct) if name.split("~")[0] in wanted]
    assert left == []


@pytest.mark.remap
def test_a_half_done_deletion_is_finished_by_the_next(raw, direct, group, new_topic):
    topic = new_topic()
    commit(raw, group, offsets_of(topic))
    assert groups.delete_groups(direct, [group]) == {group: 0}
    assert len(fetch(raw, group, None)) == len([v for v in SOME if topic.lane_of(v) > 0])
    assert groups.delete_groups(raw, [group]) == {group: 0}
    assert fetch(raw, group, None) == {}
    assert groups.delete_groups(raw, [group]) == {group: groups.GROUP_ID_NOT_FOUND}


def test_offset_delete_reaches_every_lane(raw, group, plain, new_topic):
    topic = new_topic()
    wanted = {**offsets_of(topic), (plain, 1): Offset(1), (plain, 2): Offset(2)}
    commit(raw, group, wanted)
    gone = [(topic.name, 1), (topic.name, 5), (topic.name, 19), (topic.name, 18), (plain, 1)]
    assert groups.offset_delete(raw, group, {topic.name: [1, 5, 19, 18, BEYOND], plain: [1]}) == (
        0,
        {**dict.fromkeys(gone, 0), (topic.name, BEYOND): groups.UNKNOWN_TOPIC_OR_PARTITION},
    )
    left = {place: o for place, o in wanted.items() if place not in gone}
    assert fetch(raw, group, None) == left
    assert groups.offset_delete(raw, topics.unique("group"), {topic.name: [1, 5]}) == (groups.GROUP_ID_NOT_FOUND, {})


def test_offset_delete_of_a_group_with_members(raw, group, member, new_topic):
    topic, other = new_topic(), new_topic()
    one = member(group, topics=[topic.name])
    me = one.join()
    wanted = {**offsets_of(topic), **offsets_of(other)}
    commit(raw, group, wanted, who=me)
    error, errors = groups.offset_delete(raw, group, {topic.name: [1, 5]})
    assert (error, errors) == (0, {(topic.name, v): groups.GROUP_SUBSCRIBED_TO_TOPIC for v in (1, 5)})
    assert fetch(raw, group, None) == wanted
    # A topic that no member is subscribed to is deleted in all lanes, and beside it the other one in none.
    both = {other.name: [1, 5, 19], topic.name: [1, 5, 19]}
    refused = {(topic.name, v): groups.GROUP_SUBSCRIBED_TO_TOPIC for v in both[topic.name]}
    deleted = {(other.name, v): 0 for v in both[other.name]}
    assert groups.offset_delete(raw, group, both) == (0, {**refused, **deleted})
    wanted = {place: o for place, o in wanted.items() if place not in deleted}
    assert fetch(raw, group, None) == wanted
    # While the group rebalances its subscriptions are unknown.
    two = member(group, topics=[topic.name])
    two.begin_join()
    two.membership.member_id = two.connection.receive(groups.JOIN_GROUP, 7, two._joining)["member_id"]
    two.begin_join()
    wait_until("the rebalance", lambda: groups.list_groups(raw, 5)[group]["state"] == "PreparingRebalance")
    error, errors = groups.offset_delete(raw, group, {other.name: [0, 9], topic.name: [1]})
    assert (error, set(errors.values())) == (0, {groups.GROUP_SUBSCRIBED_TO_TOPIC})
    assert fetch(raw, group, None) == wanted
    one.begin_join()
    two.end_join()
    one.end_join()
    for each in sorted([one, two], key=lambda m: not m.members):
        each.sync()
    two.leave()
    one.leave()
    errors = {(topic.name, v): 0 for v in (1, 5)}
    assert groups.offset_delete(raw, group, {topic.name: [1, 5]}) == (0, {(topic.name, v): 0 for v in (1, 5)})
    assert fetch(raw, group, None) == {place: o for place, o in wanted.items() if place not in errors}
