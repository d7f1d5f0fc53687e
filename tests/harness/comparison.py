"""Compares Envoy's answer to a request with the answer of a broker that is asked directly: both must have the
same errors, or both close the connection."""

from . import apis, batch, groups
from .raw import Raw, fetch_body, produce_body
from .wire import Verbatim

CLOSED = "closed"
_KEPT = ("name", "index", "error_code", "group_id")
"""The fields that must be the same in both answers; offsets and addresses differ."""
_OWN = ("brokers", "api_keys", "supported_features", "finalized_features", "record_errors")
"""Lists that the filter fills by itself, so that they differ."""


class Pair:
    """The ports of a broker and of Envoy before it."""

    def __init__(self, direct: int, envoy: int):
        self.direct, self.envoy = direct, envoy

    def compare(self, api: apis.Api, version: int, body: dict, again: dict | None = None, **odd) -> str | None:
        """None when both answer alike, else both answers in words. `again`: the body for Envoy, where a
        broker does not take the same body twice."""
        broker = outcome(self.direct, api, version, body, **odd)
        envoy = outcome(self.envoy, api, version, again or body, **odd)
        if broker == envoy:
            return None
        # Of long lists, only the elements that the other answer does not have.
        if isinstance(broker, dict) and isinstance(envoy, dict):
            for key in broker.keys() & envoy.keys():
                if isinstance(broker[key], list) and isinstance(envoy[key], list):
                    both = [v for v in broker[key] if v in envoy[key]]
                    broker, envoy = ({**d, key: [v for v in d[key] if v not in both] or d[key][:3]} for d in (broker, envoy))
        return f"broker {broker}, Envoy {envoy}"


def outcome(port: int, api: apis.Api, version: int, body: dict, **odd):
    """The errors in the answer to one request on a connection of its own, or CLOSED."""
    with Raw(port, timeout=5) as connection:
        if body.get("acks") == 0:  # an error shows only in the next answer, or in its absence
            connection.send(api, version, body, **odd)
            api, version, body, odd = apis.METADATA, 9, {"topics": []}, {}
        try:
            return errors(connection.call(api, version, body, **odd), api)
        except ConnectionError:
            return CLOSED
        except TimeoutError:
            return "no answer"


def errors(answer: dict, api: apis.Api):
    """The answer without the fields that differ between brokers and Envoy; its lists are sorted."""
    return _outline(answer, api is apis.METADATA)


def _outline(value, is_metadata: bool):
    if isinstance(value, list):
        shown = (v for v in value if isinstance(v, dict) and "~" not in v.get("group_id", ""))  # shadow groups are not shown
        return sorted((_outline(v, is_metadata) for v in shown), key=repr)
    kept = {k: v for k, v in value.items() if k in _KEPT}
    lists = {
        k: _outline(v, is_metadata)
        for k, v in value.items()
        if isinstance(v, list) and k not in _OWN and not (is_metadata and k == "partitions")
    }
    return {**kept, **{k: v for k, v in lists.items() if v}}


def tag(number: int, content: bytes, size: int | None = None) -> bytes:
    return bytes([number, len(content) if size is None else size]) + content


UNKNOWN_TAGS = {
    "an unknown tag": b"\1" + tag(90, b"abc"),
    "an empty unknown tag": b"\1" + tag(90, b""),
    "unknown tags out of order": b"\2" + tag(91, b"a") + tag(90, b"b"),
    "an unknown tag twice": b"\2" + tag(90, b"a") + tag(90, b"b"),
    "a count of tags in two bytes": b"\x81\0" + tag(90, b"a"),
    "no tags in two bytes": b"\x80\0",
    "a tag and its size in two bytes each": b"\1\xda\0\x81\0a",
    "a tag above 2^31": b"\1\xff\xff\xff\xff\x0f\1a",
    "a tag that says too much": b"\1" + tag(90, b"a", 100),
}
"""Tagged fields as they stand on the wire, for the end of any structure of a flexible version."""


def body_of(api: apis.Api, topic: str, group: str, partition: int = 1) -> dict:
    """A good request of this API for one partition."""
    place = {"index": partition, "current_leader_epoch": -1}
    at = lambda **fields: [{"name": topic, "partitions": [{**place, **fields}]}]  # noqa: E731
    return {
        apis.PRODUCE.key: produce_body(topic, {partition: batch.build([b"x"])}),
        apis.FETCH.key: fetch_body(topic, {partition: 0}, max_wait_ms=0),
        apis.LIST_OFFSETS.key: {"replica_id": -1, "topics": at(timestamp=-1), "timeout_ms": 1000},
        apis.METADATA.key: {"topics": [{"name": topic}]},
        apis.API_VERSIONS.key: {"client_software_name": "raw", "client_software_version": "1"},
        apis.INIT_PRODUCER_ID.key: {"transaction_timeout_ms": 1000, "producer_id": -1, "producer_epoch": -1},
        apis.OFFSET_FOR_LEADER_EPOCH.key: {"replica_id": -1, "topics": at(leader_epoch=0)},
        apis.DESCRIBE_CLUSTER.key: {"endpoint_type": 1},
        groups.OFFSET_COMMIT.key: groups.commit_body(group, {(topic, partition): groups.Offset(3)}),
        groups.OFFSET_FETCH.key: {
            "group_id": group,
            "topics": [{"name": topic, "partitions": [partition]}],
            "groups": [{"group_id": group, "member_epoch": -1, "topics": [{"name": topic, "partitions": [partition]}]}],
        },
        groups.FIND_COORDINATOR.key: {"key": group},
        groups.JOIN_GROUP.key: {
            "group_id": group, "session_timeout_ms": 6000, "rebalance_timeout_ms": 6000, "protocol_type": "consumer",
            "protocols": [{"name": "range", "metadata": b""}],
        },
        groups.DESCRIBE_GROUPS.key: {"groups": [group]},
        groups.LIST_GROUPS.key: {"states": ["Stable"], "types": []},
        groups.DELETE_GROUPS.key: {"groups": [group]},
        groups.OFFSET_DELETE.key: {"group_id": group, "topics": [{"name": topic, "partitions": [{"index": partition}]}]},
    }[api.key]  # fmt: skip


REWRITTEN = {
    "Produce": (apis.PRODUCE, range(3, 13)),
    "Fetch": (apis.FETCH, range(4, 13)),
    "ListOffsets": (apis.LIST_OFFSETS, range(1, 11)),
    "Metadata": (apis.METADATA, range(14)),
    "ApiVersions": (apis.API_VERSIONS, range(5)),
    "InitProducerId": (apis.INIT_PRODUCER_ID, range(6)),
    "OffsetForLeaderEpoch": (apis.OFFSET_FOR_LEADER_EPOCH, range(2, 5)),
    "DescribeCluster": (apis.DESCRIBE_CLUSTER, range(3)),
    "OffsetCommit": (groups.OFFSET_COMMIT, range(2, 10)),
    "OffsetFetch": (groups.OFFSET_FETCH, range(1, 10)),
    "FindCoordinator": (groups.FIND_COORDINATOR, range(4)),  # later ones ask for lists
    "JoinGroup": (groups.JOIN_GROUP, range(10)),
    "DescribeGroups": (groups.DESCRIBE_GROUPS, range(7)),
    "ListGroups": (groups.LIST_GROUPS, range(6)),
    "DeleteGroups": (groups.DELETE_GROUPS, range(3)),
    "OffsetDelete": (groups.OFFSET_DELETE, range(1)),
}
"""Each API that the filter reads, with its versions; SASL's are left out."""


def structures(body: dict) -> list[list]:
    """The path to each structure of a body: to the body itself, and to the first element
    of each list of structures."""
    ways = [[]]
    for key, value in body.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            ways += [[key, 0, *way] for way in structures(value[0])]
    return ways


def with_field(value, way: list, name: str, field):
    """A copy of `value` with one field of the structure at the end of `way` replaced."""
    if not way:
        return {**value, name: field}
    first, *rest = way
    changed = with_field(value[first], rest, name, field)
    if isinstance(value, list):
        return [changed if i == first else v for i, v in enumerate(value)]
    return {**value, first: changed}


def verbatim(text: str) -> Verbatim:
    """Bytes from hexadecimal digits."""
    return Verbatim(bytes.fromhex(text))
