"""The messages about partitions as things of the cluster, for the raw client: their records, leaders,
replicas, sizes and producers."""

from .apis import Api

_RESULTS = [("name", "string"), ("partitions", [("index", "int32"), ("error_code", "int16"), ("error_message", "string?")])]
_NAMED = [("name", "string"), ("partitions", ["int32"])]

DELETE_RECORDS = Api(
    21, 2,
    [("topics", [("name", "string"), ("partitions", [("index", "int32"), ("offset", "int64")])]), ("timeout_ms", "int32")],
    [("throttle_time_ms", "int32"),
     ("topics", [("name", "string"), ("partitions", [("index", "int32"), ("low_watermark", "int64"), ("error_code", "int16")])])],
)

DESCRIBE_LOG_DIRS = Api(
    35, 2,
    [("topics", _NAMED)],
    [("throttle_time_ms", "int32"), ("error_code", "int16", 3),
     ("results", [
         ("error_code", "int16"), ("log_dir", "string"),
         ("topics", [("name", "string"), ("partitions", [
             ("index", "int32"), ("size", "int64"), ("offset_lag", "int64"), ("is_future", "bool")])]),
         ("total_bytes", "int64", 4), ("usable_bytes", "int64", 4)])],
)

ELECT_LEADERS = Api(
    43, 2,
    [("election_type", "int8", 1), ("topics", _NAMED), ("timeout_ms", "int32")],
    [("throttle_time_ms", "int32"), ("error_code", "int16", 1), ("topics", _RESULTS)],
)

ALTER_PARTITION_REASSIGNMENTS = Api(
    45, 0,
    [("timeout_ms", "int32"), ("allow_replication_factor_change", "bool", 1),
     ("topics", [("name", "string"), ("partitions", [("index", "int32"), ("replicas", ["int32"])])])],
    [("throttle_time_ms", "int32"), ("allow_replication_factor_change", "bool", 1), ("error_code", "int16"),
     ("error_message", "string?"), ("topics", _RESULTS)],
)

LIST_PARTITION_REASSIGNMENTS = Api(
    46, 0,
    [("timeout_ms", "int32"), ("topics", _NAMED)],
    [("throttle_time_ms", "int32"), ("error_code", "int16"), ("error_message", "string?"),
     ("topics", [("name", "string"), ("partitions", [
         ("index", "int32"), ("replicas", ["int32"]), ("adding", ["int32"]), ("removing", ["int32"])])])],
)

DESCRIBE_PRODUCERS = Api(
    61, 0,
    [("topics", _NAMED)],
    [("throttle_time_ms", "int32"),
     ("topics", [("name", "string"), ("partitions", [
         ("index", "int32"), ("error_code", "int16"), ("error_message", "string?"),
         ("producers", [
             ("producer_id", "int64"), ("producer_epoch", "int32"), ("last_sequence", "int32"),
             ("last_timestamp", "int64"), ("coordinator_epoch", "int32"), ("txn_start_offset", "int64")])])])],
)
