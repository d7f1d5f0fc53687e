"""Consumer groups by hand: the messages of their APIs, requests in every version, and
the names of shadow groups."""

import struct
from dataclasses import dataclass, field

from .apis import Api
from .process import wait_until
from .raw import Raw

UNKNOWN_TOPIC_OR_PARTITION, OFFSET_OUT_OF_RANGE = 3, 1
ILLEGAL_GENERATION, INVALID_GROUP_ID, UNKNOWN_MEMBER_ID, REBALANCE_IN_PROGRESS = 22, 24, 25, 27
NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND, FENCED_INSTANCE_ID, GROUP_SUBSCRIBED_TO_TOPIC = 68, 69, 82, 86
MEMBER_ID_REQUIRED, COORDINATOR_NOT_AVAILABLE, COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR = 79, 15, 14, 16
OFFSET_METADATA_TOO_LARGE = 12

FIND_COORDINATOR = Api(
    10, 3,
    [("key", "string"), ("key_type", "int8", 1)],
    [("throttle_time_ms", "int32", 1), ("error_code", "int16"), ("error_message", "string?", 1), ("node_id", "int32"),
     ("host", "string"), ("port", "int32")],
)

OFFSET_COMMIT = Api(
    8, 8,
    [("group_id", "string"), ("generation_id", "int32"), ("member_id", "string"), ("group_instance_id", "string?", 7),
     ("retention_time_ms", "int64", 2, 4),
     ("topics", [("name", "string"), ("partitions", [
         ("index", "int32"), ("offset", "int64"), ("leader_epoch", "int32", 6), ("metadata", "string?")])])],
    [("throttle_time_ms", "int32", 3),
     ("topics", [("name", "string"), ("partitions", [("index", "int32"), ("error_code", "int16")])])],
)

_FETCHED = [("name", "string"), ("partitions", [
    ("index", "int32"), ("offset", "int64"), ("leader_epoch", "int32", 5), ("metadata", "string?"), ("error_code", "int16")])]

OFFSET_FETCH = Api(
    9, 6,
    [("group_id", "string", 0, 7), ("topics", [("name", "string"), ("partitions", ["int32"])], 0, 7),
     ("groups", [("group_id", "string"), ("member_id", "string?", 9), ("member_epoch", "int32", 9),
                 ("topics", [("name", "string"), ("partitions", ["int32"])])], 8),
     ("require_stable", "bool", 7)],
    [("throttle_time_ms", "int32", 3), ("topics", _FETCHED, 0, 7), ("error_code", "int16", 2, 7),
     ("groups", [("group_id", "string"), ("topics", _FETCHED), ("error_code", "int16")], 8)],
)

JOIN_GROUP = Api(
    11, 6,
    [("group_id", "string"), ("session_timeout_ms", "int32"), ("rebalance_timeout_ms", "int32", 1), ("member_id", "string"),
     ("group_instance_id", "string?", 5), ("protocol_type", "string"),
     ("protocols", [("name", "string"), ("metadata", "bytes")]), ("reason", "string?", 8)],
    [("throttle_time_ms", "int32", 2), ("error_code", "int16"), ("generation_id", "int32"), ("protocol_type", "string?", 7),
     ("protocol_name", "string?"), ("leader", "string"), ("skip_assignment", "bool", 9), ("member_id", "string"),
     ("members", [("member_id", "string"), ("group_instance_id", "string?", 5), ("metadata", "bytes")])],
)

SYNC_GROUP = Api(
    14, 4,
    [("group_id", "string"), ("generation_id", "int32"), ("member_id", "string"), ("group_instance_id", "string?", 3),
     ("protocol_type", "string?", 5), ("protocol_name", "string?", 5),
     ("assignments", [("member_id", "string"), ("assignment", "bytes")])],
    [("throttle_time_ms", "int32", 1), ("error_code", "int16"), ("protocol_type", "string?", 5),
     ("protocol_name", "string?", 5), ("assignment", "bytes")],
)

HEARTBEAT = Api(
    12, 4,
    [("group_id", "string"), ("generation_id", "int32"), ("member_id", "string"), ("group_instance_id", "string?", 3)],
    [("throttle_time_ms", "int32", 1), ("error_code", "int16")],
)

LEAVE_GROUP = Api(
    13, 4,
    [("group_id", "string"), ("members", [("member_id", "string"), ("group_instance_id", "string?")])],
    [("throttle_time_ms", "int32"), ("error_code", "int16"),
     ("members", [("member_id", "string"), ("group_instance_id", "string?"), ("error_code", "int16")])],
)

LIST_GROUPS = Api(
    16, 3,
    [("states", ["string"], 4), ("types", ["string"], 5)],
    [("throttle_time_ms", "int32", 1), ("error_code", "int16"),
     ("groups", [("group_id", "string"), ("protocol_type", "string"), ("state", "string", 4), ("type", "string", 5)])],
)

DESCRIBE_GROUPS = Api(
    15, 5,
    [("groups", ["string"]), ("include_authorized_operations", "bool", 3)],
    [("throttle_time_ms", "int32", 1),
     ("groups", [("error_code", "int16"), ("error_message", "string?", 6), ("group_id", "string"), ("state", "string"),
                 ("protocol_type", "string"), ("protocol_data", "string"),
                 ("members", [("member_id", "string"), ("group_instance_id", "string?", 4), ("client_id", "string"),
                              ("client_host", "string"), ("metadata", "bytes"), ("assignment", "bytes")]),
                 ("authorized_operations", "int32", 3)])],
)

DELETE_GROUPS = Api(
    42, 2,
    [("groups", ["string"])],
    [("throttle_time_ms", "int32"), ("results", [("group_id", "string"), ("error_code", "int16")])],
)

OFFSET_DELETE = Api(
    47, 99,
    [("group_id", "string"), ("topics", [("name", "string"), ("partitions", [("index", "int32")])])],
    [("error_code", "int16"), ("throttle_time_ms", "int32"),
     ("topics", [("name", "string"), ("partitions", [("index", "int32"), ("error_code", "int16")])])],
)

Places = dict[str, list[int]]
"""Topic → partitions."""


@dataclass(frozen=True)
class Offset:
    """What is committed for a partition; an offset of −1 says that nothing is committed."""

    offset: int
    metadata: str | None = ""
    leader_epoch: int = -1


NOTHING = Offset(-1)
Offsets = dict[tuple[str, int], Offset]
Errors = dict[tuple[str, int], int]


@dataclass
class Membership:
    """The member in whose name a commit is made; without arguments a simple consumer, which is no member."""

    member_id: str = ""
    generation: int = -1
    instance: str | None = None


@dataclass
class Member:
    """A member of a group, on a connection of its own."""

    connection: Raw
    group: str
    instance: str | None = None
    topics: list[str] = field(default_factory=list)
    assigned: Places = field(default_factory=dict)
    """The partitions that this member assigns to itself when it is the leader."""
    membership: Membership = field(default_factory=Membership)
    members: list[str] = field(default_factory=list)
    _joining: int = 0

    def join(self) -> Membership:
        """Joins, as the group's only member or the last of the members that
        rejoin, and takes its assignment."""
        self.begin_join()
        self.end_join()
        self.sync()
        return self.membership

    def begin_join(self) -> None:
        """Sends a JoinGroup, which the broker answers when all others have joined."""
        self._joining = self.connection.send(JOIN_GROUP, 7, self._join_body())

    def end_join(self) -> None:
        answer = self.connection.receive(JOIN_GROUP, 7, self._joining)
        if answer["error_code"] == MEMBER_ID_REQUIRED:
            self.membership.member_id = answer["member_id"]
            self.begin_join()
            return self.end_join()
        assert answer["error_code"] == 0, answer
        self.membership = Membership(answer["member_id"], answer["generation_id"], self.instance)
        self.members = [m["member_id"] for m in answer["members"]]

    def sync(self) -> None:
        me = self.membership
        body = {"group_id": self.group, "generation_id": me.generation, "member_id": me.member_id, "group_instance_id": me.instance,
                "protocol_type": "consumer", "protocol_name": "range",
                "assignments": [{"member_id": m, "assignment": self._assignment() if m == me.member_id else b""} for m in self.members]}
        answer = self.connection.call(SYNC_GROUP, 5, body)
        assert answer["error_code"] == 0, answer

    def beat(self, version: int = 4) -> int:
        """Sends a heartbeat; gives the error code."""
        me = self.membership
        body = {"group_id": self.group, "generation_id": me.generation, "member_id": me.member_id, "group_instance_id": me.instance}
        return self.connection.call(HEARTBEAT, version, body)["error_code"]

    def leave(self) -> None:
        body = {"group_id": self.group, "members": [{"member_id": self.membership.member_id, "group_instance_id": self.instance}]}
        answer = self.connection.call(LEAVE_GROUP, 4, body)
        assert answer["error_code"] == 0, answer

    def _assignment(self) -> bytes:
        """ConsumerProtocolAssignment v0."""
        if not self.assigned:
            return b""
        parts = b""
        for topic, partitions in self.assigned.items():
            parts += struct.pack(">h", len(topic)) + topic.encode() + struct.pack(f">i{len(partitions)}i", len(partitions), *partitions)
        return struct.pack(">hi", 0, len(self.assigned)) + parts + b"\xff\xff\xff\xff"

    def _join_body(self) -> dict:
        # What a consumer of these topics sends (ConsumerProtocolSubscription v0): a broker
        # looks into it for OffsetDelete.
        names = b"".join(len(t).to_bytes(2, "big") + t.encode() for t in self.topics)
        subscription = b"\0\0" + len(self.topics).to_bytes(4, "big") + names + b"\xff\xff\xff\xff"
        return {"group_id": self.group, "session_timeout_ms": 30_000, "rebalance_timeout_ms": 30_000,
                "member_id": self.membership.member_id, "group_instance_id": self.instance, "protocol_type": "consumer",
                "protocols": [{"name": "range", "metadata": subscription}]}


def find_coordinator(connection: Raw, group: str) -> dict:
    """Waits for a coordinator: the first FindCoordinator makes the broker create the offsets topic."""

    def found():
        answer = connection.call(FIND_COORDINATOR, 2, {"key": group, "key_type": 0})
        assert answer["error_code"] in (0, COORDINATOR_NOT_AVAILABLE), answer
        return answer if answer["error_code"] == 0 else None

    return wait_until(f"a coordinator of {group}", found)


def wait_for_coordinator(connection: Raw, group: str) -> None:
    """Until the broker of this connection, the only one, coordinates the group: the broker has to
    load the group's offsets first."""
    find_coordinator(connection, group)
    loading = (COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR)

    def ready() -> bool:
        (error, _), _ = fetch_groups(connection, {group: {}})[group]
        assert error == 0 or error in loading, error
        return error == 0

    wait_until(f"the offsets of {group}", ready)


def commit(connection: Raw, group: str, offsets: Offsets, version: int = 8, who: Membership | None = None) -> Errors:
    """Commits, and gives the error code of each partition."""
    return committed(connection.call(OFFSET_COMMIT, version, commit_body(group, offsets, who)))


def commit_body(group: str, offsets: Offsets, who: Membership | None = None) -> dict:
    who = who or Membership()
    topics: dict[str, list] = {}
    for (topic, partition), o in offsets.items():
        part = {"index": partition, "offset": o.offset, "leader_epoch": o.leader_epoch, "metadata": o.metadata}
        topics.setdefault(topic, []).append(part)
    return {"group_id": group, "generation_id": who.generation, "member_id": who.member_id, "group_instance_id": who.instance,
            "retention_time_ms": -1, "topics": [{"name": t, "partitions": p} for t, p in topics.items()]}


def committed(answer: dict) -> Errors:
    return {(t["name"], p["index"]): p["error_code"] for t in answer["topics"] for p in t["partitions"]}


def fetch(connection: Raw, group: str, places: Places | None, version: int = 8, stable: bool = False) -> Offsets:
    """What the group has committed for these places, None for all; every error code must be 0."""
    (error, offsets), errors = fetch_groups(connection, {group: places}, version, stable)[group]
    assert (error, set(errors.values()) - {0}) == (0, set()), (error, errors)
    return offsets


def fetch_groups(connection: Raw, groups: dict[str, Places | None], version: int = 8, stable: bool = False) -> dict:
    """For each group: ((its error code, its offsets), the error code of each partition)."""
    asked = [
        {"group_id": g, "member_id": None, "member_epoch": -1, "topics": _named(places)} for g, places in groups.items()
    ]
    body = {"groups": asked, "require_stable": stable}
    if version < 8:
        (group,) = asked
        body |= {"group_id": group["group_id"], "topics": group["topics"]}
    answer = connection.call(OFFSET_FETCH, version, body)
    found = answer["groups"] if version >= 8 else [{**answer, "group_id": asked[0]["group_id"]}]
    assert [g["group_id"] for g in found] == list(groups)
    return {g["group_id"]: ((g.get("error_code", 0), _offsets(g)), _errors(g)) for g in found}


def _named(places: Places | None) -> list | None:
    return None if places is None else [{"name": t, "partitions": p} for t, p in places.items()]


def _offsets(group: dict) -> Offsets:
    parts = [((t["name"], p["index"]), p) for t in group["topics"] for p in t["partitions"]]
    assert len({place for place, _ in parts}) == len(parts), f"a partition twice in {group}"
    return {place: Offset(p["offset"], p["metadata"], p.get("leader_epoch", -1)) for place, p in parts}


def _errors(group: dict) -> Errors:
    return {(t["name"], p["index"]): p["error_code"] for t in group["topics"] for p in t["partitions"]}


def list_groups(connection: Raw, version: int = 5, states: list[str] = (), types: list[str] = ()) -> dict[str, dict]:
    answer = connection.call(LIST_GROUPS, version, {"states": states, "types": types})
    assert answer["error_code"] == 0, answer
    listed = {g["group_id"]: g for g in answer["groups"]}
    assert len(listed) == len(answer["groups"]), "a group is listed twice"
    return listed


def delete_groups(connection: Raw, groups: list[str], version: int = 2) -> dict[str, int]:
    answer = connection.call(DELETE_GROUPS, version, {"groups": groups})
    assert sorted(r["group_id"] for r in answer["results"]) == sorted(groups), answer
    return {r["group_id"]: r["error_code"] for r in answer["results"]}


def offset_delete(connection: Raw, group: str, places: Places) -> tuple[int, Errors]:
    """(error code of the request, of each partition)."""
    topics = [{"name": t, "partitions": [{"index": p} for p in parts]} for t, parts in places.items()]
    answer = connection.call(OFFSET_DELETE, 0, {"group_id": group, "topics": topics})
    return answer["error_code"], committed(answer)


def java_hash(text: str) -> int:
    """String.hashCode of Java, as an unsigned number of 32 bits."""
    units = text.encode("utf-16-be")
    h = 0
    for i in range(0, len(units), 2):
        h = (h * 31 + int.from_bytes(units[i : i + 2], "big")) % 2**32
    return h


def shadow_name(group: str, lane: int) -> str:
    """The group that the filter must commit a lane's offsets to: written from the filter's
    documentation, not from its code."""
    if lane == 0:
        return group
    prefix = f"{group}~{lane}~"
    wanted = (java_hash(group) - java_hash(prefix) * 31**8) % 2**32
    alphabet = [c for c in range(128) if chr(c).isalnum()]

    def digits(value: int, places: int) -> list[int] | None:
        """`places` characters whose number in base 31 is `value`, the last one chosen
        first and as low as possible."""
        if places == 0:
            return [] if value == 0 else None
        ones = (31**places - 1) // 30
        if not alphabet[0] * ones <= value <= alphabet[-1] * ones:
            return None
        for c in alphabet:
            if value >= c and (value - c) % 31 == 0 and (rest := digits((value - c) // 31, places - 1)) is not None:
                return [*rest, c]
        return None

    # The largest number of 8 characters is below 31^8 * 5.
    found = next(d for k in range(31**8 * 5 // 2**32 + 1) if (d := digits(wanted + k * 2**32, 8)))
    return prefix + "".join(map(chr, found))
