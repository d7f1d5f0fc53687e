"""The messages that the raw client knows, from the protocol guide: kafka.apache.org/protocol."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Api:
    key: int
    flexible_from: int
    request: list
    response: list
    response_tags: dict = field(default_factory=dict)


PRODUCE = Api(
    0, 9,
    [("transactional_id", "string?"), ("acks", "int16"), ("timeout_ms", "int32"),
     ("topics", [("name", "string"), ("partitions", [("index", "int32"), ("records", "bytes?")])])],
    [("topics", [("name", "string"), ("partitions", [
        ("index", "int32"), ("error_code", "int16"), ("base_offset", "int64"), ("log_append_time_ms", "int64", 2),
        ("log_start_offset", "int64", 5),
        ("record_errors", [("batch_index", "int32"), ("message", "string?")], 8), ("error_message", "string?", 8)])]),
     ("throttle_time_ms", "int32", 1)],
    {0: ("node_endpoints", [("node_id", "int32"), ("host", "string"), ("port", "int32"), ("rack", "string?")])},
)

FETCH = Api(
    1, 12,
    [("replica_id", "int32"), ("max_wait_ms", "int32"), ("min_bytes", "int32"), ("max_bytes", "int32"),
     ("isolation_level", "int8"), ("session_id", "int32", 7), ("session_epoch", "int32", 7),
     ("topics", [("name", "string"), ("partitions", [
         ("index", "int32"), ("current_leader_epoch", "int32", 9), ("fetch_offset", "int64"),
         ("last_fetched_epoch", "int32", 12), ("log_start_offset", "int64", 5), ("partition_max_bytes", "int32")])]),
     ("forgotten", [("name", "string"), ("partitions", ["int32"])], 7), ("rack_id", "string", 11)],
    [("throttle_time_ms", "int32", 1), ("error_code", "int16", 7), ("session_id", "int32", 7),
     ("topics", [("name", "string"), ("partitions", [
         ("index", "int32"), ("error_code", "int16"), ("high_watermark", "int64"), ("last_stable_offset", "int64"),
         ("log_start_offset", "int64", 5), ("aborted", [("producer_id", "int64"), ("first_offset", "int64")]),
         ("preferred_read_replica", "int32", 11), ("records", "bytes?")])])],
)

LIST_OFFSETS = Api(
    2, 6,
    [("replica_id", "int32"), ("isolation_level", "int8", 2),
     ("topics", [("name", "string"), ("partitions", [
         ("index", "int32"), ("current_leader_epoch", "int32", 4), ("timestamp", "int64")])]),
     ("timeout_ms", "int32", 10)],
    [("throttle_time_ms", "int32", 2),
     ("topics", [("name", "string"), ("partitions", [
         ("index", "int32"), ("error_code", "int16"), ("timestamp", "int64"), ("offset", "int64"),
         ("leader_epoch", "int32", 4)])])],
)

METADATA = Api(
    3, 9,
    [("topics", [("topic_id", "uuid", 10), ("name", "string?")]), ("allow_auto_topic_creation", "bool", 4),
     ("include_cluster_authorized_operations", "bool", 8, 10), ("include_topic_authorized_operations", "bool", 8)],
    [("throttle_time_ms", "int32", 3),
     ("brokers", [("node_id", "int32"), ("host", "string"), ("port", "int32"), ("rack", "string?", 1)]),
     ("cluster_id", "string?", 2), ("controller_id", "int32", 1),
     ("topics", [("error_code", "int16"), ("name", "string?"), ("topic_id", "uuid", 10), ("is_internal", "bool", 1),
                 ("partitions", [
                     ("error_code", "int16"), ("index", "int32"), ("leader_id", "int32"), ("leader_epoch", "int32", 7),
                     ("replicas", ["int32"]), ("isr", ["int32"]), ("offline", ["int32"], 5)]),
                 ("authorized_operations", "int32", 8)]),
     ("cluster_authorized_operations", "int32", 8, 10), ("error_code", "int16", 13)],
)

API_VERSIONS = Api(
    18, 3,
    [("client_software_name", "string", 3), ("client_software_version", "string", 3)],
    [("error_code", "int16"), ("api_keys", [("key", "int16"), ("min", "int16"), ("max", "int16")]),
     ("throttle_time_ms", "int32", 1)],
    {0: ("supported_features", [("name", "string"), ("min", "int16"), ("max", "int16")]),
     2: ("finalized_features", [("name", "string"), ("max", "int16"), ("min", "int16")])},
)

DESCRIBE_CLUSTER = Api(
    60, 0,
    [("include_cluster_authorized_operations", "bool"), ("endpoint_type", "int8", 1), ("include_fenced_brokers", "bool", 2)],
    [("throttle_time_ms", "int32"), ("error_code", "int16"), ("error_message", "string?"), ("endpoint_type", "int8", 1),
     ("cluster_id", "string"), ("controller_id", "int32"),
     ("brokers", [("node_id", "int32"), ("host", "string"), ("port", "int32"), ("rack", "string?"), ("is_fenced", "bool", 2)]),
     ("cluster_authorized_operations", "int32")],
)

INIT_PRODUCER_ID = Api(
    22, 2,
    [("transactional_id", "string?"), ("transaction_timeout_ms", "int32"), ("producer_id", "int64", 3), ("producer_epoch", "int16", 3)],
    [("throttle_time_ms", "int32"), ("error_code", "int16"), ("producer_id", "int64"), ("producer_epoch", "int16")],
)

OFFSET_FOR_LEADER_EPOCH = Api(
    23, 4,
    [("replica_id", "int32", 3),
     ("topics", [("name", "string"), ("partitions", [
         ("index", "int32"), ("current_leader_epoch", "int32", 2), ("leader_epoch", "int32")])])],
    [("throttle_time_ms", "int32", 2),
     ("topics", [("name", "string"), ("partitions", [
         ("error_code", "int16"), ("index", "int32"), ("leader_epoch", "int32", 1), ("end_offset", "int64")])])],
)

CREATE_TOPICS = Api(
    19, 5,
    [("topics", [("name", "string"), ("num_partitions", "int32"), ("replication_factor", "int16"),
                 ("assignments", [("index", "int32"), ("broker_ids", ["int32"])]),
                 ("configs", [("name", "string"), ("value", "string?")])]),
     ("timeout_ms", "int32"), ("validate_only", "bool")],
    [("throttle_time_ms", "int32"),
     ("topics", [("name", "string"), ("topic_id", "uuid", 7), ("error_code", "int16"), ("error_message", "string?"),
                 ("num_partitions", "int32", 5), ("replication_factor", "int16", 5),
                 ("configs", [("name", "string"), ("value", "string?"), ("read_only", "bool"), ("config_source", "int8"),
                              ("is_sensitive", "bool")], 5)])],
)

DELETE_TOPICS = Api(
    20, 4,
    [("topics", [("name", "string?"), ("topic_id", "uuid")], 6), ("topic_names", ["string"], 1, 5), ("timeout_ms", "int32")],
    [("throttle_time_ms", "int32"),
     ("responses", [("name", "string?"), ("topic_id", "uuid", 6), ("error_code", "int16"), ("error_message", "string?", 5)])],
)

CREATE_PARTITIONS = Api(
    37, 2,
    [("topics", [("name", "string"), ("count", "int32"), ("assignments", [("broker_ids", ["int32"])])]),
     ("timeout_ms", "int32"), ("validate_only", "bool")],
    [("throttle_time_ms", "int32"), ("results", [("name", "string"), ("error_code", "int16"), ("error_message", "string?")])],
)
