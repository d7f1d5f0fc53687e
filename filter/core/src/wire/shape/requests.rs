//! The shapes of the requests that are decoded, field by field as `kafka-protocol` 0.18 reads them.
//! Fields: Kafka's message definitions, `clients/src/main/resources/common/message/*Request.json`.
use super::{
    Field::{Array, Bytes, List, NullArray, NullBytes, NullList, NullStr, Partitions, Since, Str, Tagged, Until},
    Shape, BOOL, INT16, INT32, INT64, INT8, UUID,
};

/// No version of the message is flexible.
const NEVER: i16 = i16::MAX;

/// Produce, API key 0.
pub const PRODUCE: Shape = Shape {
    flexible_since: 9,
    fields: &[NullStr, INT16, INT32, Array(&[Until(12, &Str), Since(13, &UUID), Array(&[INT32, NullBytes])])],
};

/// Fetch, API key 1.
pub const FETCH: Shape = Shape {
    flexible_since: 12,
    fields: &[
        Tagged(0, &NullStr),
        INT32,
        INT32,
        INT32,
        INT32,
        INT8,
        Since(7, &INT32),
        Since(7, &INT32),
        Array(&[Str, Array(&[INT32, Since(9, &INT32), INT64, Since(12, &INT32), Since(5, &INT64), INT32])]),
        Since(7, &Array(&[Str, Partitions])),
        Since(11, &Str),
    ],
};

/// ListOffsets, API key 2.
pub const LIST_OFFSETS: Shape = Shape {
    flexible_since: 6,
    fields: &[INT32, Since(2, &INT8), Array(&[Str, Array(&[INT32, Since(4, &INT32), INT64])]), Since(10, &INT32)],
};

/// Metadata, API key 3.
pub const METADATA: Shape = Shape {
    flexible_since: 9,
    fields: &[NullArray(&[Since(10, &UUID), NullStr]), Since(4, &BOOL), Since(8, &Until(10, &BOOL)), Since(8, &BOOL)],
};

/// OffsetCommit, API key 8.
pub const OFFSET_COMMIT: Shape = Shape {
    flexible_since: 8,
    fields: &[
        Str,
        INT32,
        Str,
        Since(7, &NullStr),
        Until(4, &INT64),
        Array(&[Str, Array(&[INT32, INT64, Since(6, &INT32), NullStr])]),
    ],
};

/// OffsetFetch, API key 9.
pub const OFFSET_FETCH: Shape = Shape {
    flexible_since: 6,
    fields: &[
        Until(7, &Str),
        Until(7, &NullArray(&[Str, Partitions])),
        Since(8, &Array(&[Str, Since(9, &NullStr), Since(9, &INT32), NullArray(&[Str, Partitions])])),
        Since(7, &BOOL),
    ],
};

/// FindCoordinator, API key 10.
pub const FIND_COORDINATOR: Shape =
    Shape { flexible_since: 3, fields: &[Until(3, &Str), Since(1, &INT8), Since(4, &List(&Str))] };

/// Heartbeat, API key 12.
pub const HEARTBEAT: Shape = Shape { flexible_since: 4, fields: &[Str, INT32, Str, Since(3, &NullStr)] };

/// DescribeGroups, API key 15.
pub const DESCRIBE_GROUPS: Shape = Shape { flexible_since: 5, fields: &[List(&Str), Since(3, &BOOL)] };

/// ListGroups, API key 16.
pub const LIST_GROUPS: Shape = Shape { flexible_since: 3, fields: &[Since(4, &List(&Str)), Since(5, &List(&Str))] };

/// SaslHandshake, API key 17.
pub const SASL_HANDSHAKE: Shape = Shape { flexible_since: NEVER, fields: &[Str] };

/// ApiVersions, API key 18.
pub const API_VERSIONS: Shape = Shape { flexible_since: 3, fields: &[Since(3, &Str), Since(3, &Str)] };

/// CreateTopics, API key 19.
pub(crate) const CREATE_TOPICS: Shape = Shape {
    flexible_since: 5,
    fields: &[Array(&[Str, INT32, INT16, Array(&[INT32, List(&INT32)]), Array(&[Str, NullStr])]), INT32, BOOL],
};

/// InitProducerId, API key 22.
pub const INIT_PRODUCER_ID: Shape =
    Shape { flexible_since: 2, fields: &[NullStr, INT32, Since(3, &INT64), Since(3, &INT16)] };

/// DeleteRecords, API key 21.
pub(crate) const DELETE_RECORDS: Shape =
    Shape { flexible_since: 2, fields: &[Array(&[Str, Array(&[INT32, INT64])]), INT32] };

/// OffsetForLeaderEpoch, API key 23.
pub const OFFSET_FOR_LEADER_EPOCH: Shape =
    Shape { flexible_since: 4, fields: &[Since(3, &INT32), Array(&[Str, Array(&[INT32, INT32, INT32])])] };

/// DescribeLogDirs, API key 35.
pub(crate) const DESCRIBE_LOG_DIRS: Shape = Shape { flexible_since: 2, fields: &[NullArray(&[Str, List(&INT32)])] };

/// SaslAuthenticate, API key 36.
pub const SASL_AUTHENTICATE: Shape = Shape { flexible_since: 2, fields: &[Bytes] };

/// CreatePartitions, API key 37.
pub(crate) const CREATE_PARTITIONS: Shape =
    Shape { flexible_since: 2, fields: &[Array(&[Str, INT32, NullArray(&[List(&INT32)])]), INT32, BOOL] };

/// DeleteGroups, API key 42.
pub const DELETE_GROUPS: Shape = Shape { flexible_since: 2, fields: &[List(&Str)] };

/// ElectLeaders, API key 43.
pub(crate) const ELECT_LEADERS: Shape =
    Shape { flexible_since: 2, fields: &[Since(1, &INT8), NullArray(&[Str, Partitions]), INT32] };

/// AlterPartitionReassignments, API key 45.
pub(crate) const ALTER_PARTITION_REASSIGNMENTS: Shape =
    Shape { flexible_since: 0, fields: &[INT32, Since(1, &BOOL), Array(&[Str, Array(&[INT32, NullList(&INT32)])])] };

/// ListPartitionReassignments, API key 46.
pub(crate) const LIST_PARTITION_REASSIGNMENTS: Shape =
    Shape { flexible_since: 0, fields: &[INT32, NullArray(&[Str, Partitions])] };

/// OffsetDelete, API key 47.
pub const OFFSET_DELETE: Shape = Shape { flexible_since: NEVER, fields: &[Str, Array(&[Str, Array(&[INT32])])] };

/// DescribeCluster, API key 60.
pub const DESCRIBE_CLUSTER: Shape = Shape { flexible_since: 0, fields: &[BOOL, Since(1, &INT8), Since(2, &BOOL)] };

/// DescribeProducers, API key 61.
pub(crate) const DESCRIBE_PRODUCERS: Shape = Shape { flexible_since: 0, fields: &[Array(&[Str, Partitions])] };

/// CreateAcls, API key 30.
pub(crate) const CREATE_ACLS: Shape =
    Shape { flexible_since: 2, fields: &[Array(&[INT8, Str, Since(1, &INT8), Str, Str, INT8, INT8])] };

/// DeleteAcls, API key 31.
pub(crate) const DELETE_ACLS: Shape =
    Shape { flexible_since: 2, fields: &[Array(&[INT8, NullStr, Since(1, &INT8), NullStr, NullStr, INT8, INT8])] };

/// DescribeConfigs, API key 32.
pub(crate) const DESCRIBE_CONFIGS: Shape =
    Shape { flexible_since: 4, fields: &[Array(&[INT8, Str, NullList(&Str)]), BOOL, Since(3, &BOOL)] };

/// AlterConfigs, API key 33.
pub(crate) const ALTER_CONFIGS: Shape =
    Shape { flexible_since: 2, fields: &[Array(&[INT8, Str, Array(&[Str, NullStr])]), BOOL] };

/// IncrementalAlterConfigs, API key 44.
pub(crate) const INCREMENTAL_ALTER_CONFIGS: Shape =
    Shape { flexible_since: 1, fields: &[Array(&[INT8, Str, Array(&[Str, INT8, NullStr])]), BOOL] };

/// AlterClientQuotas, API key 49.
pub(crate) const ALTER_CLIENT_QUOTAS: Shape = Shape {
    flexible_since: 1,
    // A quota is a float of 64 bits.
    fields: &[Array(&[Array(&[Str, NullStr]), Array(&[Str, INT64, BOOL])]), BOOL],
};

/// AlterUserScramCredentials, API key 51.
pub(crate) const ALTER_USER_SCRAM_CREDENTIALS: Shape =
    Shape { flexible_since: 0, fields: &[Array(&[Str, INT8]), Array(&[Str, INT8, INT32, Bytes, Bytes])] };
