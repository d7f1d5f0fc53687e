//! The shapes of the responses that are decoded, field by field as `kafka-protocol` 0.18 reads them.
//! Fields: Kafka's message definitions, `clients/src/main/resources/common/message/*Response.json`.
use super::{
    Field::{self, Array, Bytes, List, NullArray, NullBytes, NullStr, Since, Str, Struct, Tagged, Until},
    Shape, BOOL, INT16, INT32, INT64, INT8, UUID,
};

/// No version of the message is flexible.
const NEVER: i16 = i16::MAX;

/// KIP-951: where the leaders moved to. `(id, host, port, rack)`.
const NODE_ENDPOINTS: Field = Array(&[INT32, Str, INT32, NullStr]);
/// KIP-951: `(leader id, leader epoch)`.
const CURRENT_LEADER: Field = Struct(&[INT32, INT32]);

/// Produce, API key 0.
pub const PRODUCE: Shape = Shape {
    flexible_since: 9,
    fields: &[
        Array(&[
            Until(12, &Str),
            Since(13, &UUID),
            Array(&[
                INT32,
                INT16,
                INT64,
                INT64,
                Since(5, &INT64),
                Since(8, &Array(&[INT32, NullStr])),
                Since(8, &NullStr),
                Since(10, &Tagged(0, &CURRENT_LEADER)),
            ]),
        ]),
        INT32,
        Since(10, &Tagged(0, &NODE_ENDPOINTS)),
    ],
};

/// Fetch, API key 1.
pub const FETCH: Shape = Shape {
    flexible_since: 12,
    fields: &[
        INT32,
        Since(7, &INT16),
        Since(7, &INT32),
        Array(&[
            Str,
            Array(&[
                INT32,
                INT16,
                INT64,
                INT64,
                Since(5, &INT64),
                NullArray(&[INT64, INT64]),
                Since(11, &INT32),
                NullBytes,
                Tagged(0, &Struct(&[INT32, INT64])),
                Tagged(1, &CURRENT_LEADER),
                Tagged(2, &Struct(&[INT64, INT32])),
            ]),
        ]),
    ],
};

/// ListOffsets, API key 2.
pub const LIST_OFFSETS: Shape = Shape {
    flexible_since: 6,
    fields: &[Since(2, &INT32), Array(&[Str, Array(&[INT32, INT16, INT64, INT64, Since(4, &INT32)])])],
};

const METADATA_PARTITION: &[Field] =
    &[INT16, INT32, INT32, Since(7, &INT32), List(&INT32), List(&INT32), Since(5, &List(&INT32))];

/// Metadata, API key 3.
pub const METADATA: Shape = Shape {
    flexible_since: 9,
    fields: &[
        Since(3, &INT32),
        Array(&[INT32, Str, INT32, Since(1, &NullStr)]),
        Since(2, &NullStr),
        Since(1, &INT32),
        Array(&[INT16, NullStr, Since(10, &UUID), Since(1, &BOOL), Array(METADATA_PARTITION), Since(8, &INT32)]),
        Since(8, &Until(10, &INT32)),
        Since(13, &INT16),
    ],
};

/// OffsetCommit, API key 8.
pub const OFFSET_COMMIT: Shape =
    Shape { flexible_since: 8, fields: &[Since(3, &INT32), Array(&[Str, Array(&[INT32, INT16])])] };

/// OffsetFetch, API key 9.
pub const OFFSET_FETCH: Shape = Shape {
    flexible_since: 6,
    fields: &[
        Since(3, &INT32),
        Until(7, &Array(&[Str, Array(&[INT32, INT64, Since(5, &INT32), NullStr, INT16])])),
        Since(2, &Until(7, &INT16)),
        Since(8, &Array(&[Str, Array(&[Str, Array(&[INT32, INT64, INT32, NullStr, INT16])]), INT16])),
    ],
};

/// FindCoordinator, API key 10.
pub const FIND_COORDINATOR: Shape = Shape {
    flexible_since: 3,
    fields: &[
        Since(1, &INT32),
        Until(3, &INT16),
        Since(1, &Until(3, &NullStr)),
        Until(3, &INT32),
        Until(3, &Str),
        Until(3, &INT32),
        Since(4, &Array(&[Str, INT32, Str, INT32, INT16, NullStr])),
    ],
};

/// Heartbeat, API key 12.
pub const HEARTBEAT: Shape = Shape { flexible_since: 4, fields: &[Since(1, &INT32), INT16] };

const GROUP_MEMBER: &[Field] = &[Str, Since(4, &NullStr), Str, Str, Bytes, Bytes];

/// DescribeGroups, API key 15.
pub const DESCRIBE_GROUPS: Shape = Shape {
    flexible_since: 5,
    fields: &[
        Since(1, &INT32),
        Array(&[INT16, Since(6, &NullStr), Str, Str, Str, Str, Array(GROUP_MEMBER), Since(3, &INT32)]),
    ],
};

/// ListGroups, API key 16.
pub const LIST_GROUPS: Shape =
    Shape { flexible_since: 3, fields: &[Since(1, &INT32), INT16, Array(&[Str, Str, Since(4, &Str), Since(5, &Str)])] };

/// SaslHandshake, API key 17.
pub const SASL_HANDSHAKE: Shape = Shape { flexible_since: NEVER, fields: &[INT16, List(&Str)] };

/// ApiVersions, API key 18.
pub const API_VERSIONS: Shape = Shape {
    flexible_since: 3,
    fields: &[
        INT16,
        Array(&[INT16, INT16, INT16]),
        Since(1, &INT32),
        Tagged(0, &Array(&[Str, INT16, INT16])),
        Tagged(1, &INT64),
        Tagged(2, &Array(&[Str, INT16, INT16])),
        Tagged(3, &BOOL),
    ],
};

/// CreateTopics, API key 19.
pub(crate) const CREATE_TOPICS: Shape = Shape {
    flexible_since: 5,
    fields: &[
        INT32,
        Array(&[
            Str,
            Since(7, &UUID),
            INT16,
            NullStr,
            Since(5, &INT32),
            Since(5, &INT16),
            Since(5, &NullArray(&[Str, NullStr, BOOL, INT8, BOOL])),
            Since(5, &Tagged(0, &INT16)),
        ]),
    ],
};

/// DeleteTopics, API key 20.
pub(crate) const DELETE_TOPICS: Shape =
    Shape { flexible_since: 4, fields: &[INT32, Array(&[NullStr, Since(6, &UUID), INT16, Since(5, &NullStr)])] };

/// InitProducerId, API key 22.
pub const INIT_PRODUCER_ID: Shape = Shape { flexible_since: 2, fields: &[INT32, INT16, INT64, INT16] };

/// DeleteRecords, API key 21.
pub(crate) const DELETE_RECORDS: Shape =
    Shape { flexible_since: 2, fields: &[INT32, Array(&[Str, Array(&[INT32, INT64, INT16])])] };

/// OffsetForLeaderEpoch, API key 23.
pub const OFFSET_FOR_LEADER_EPOCH: Shape =
    Shape { flexible_since: 4, fields: &[INT32, Array(&[Str, Array(&[INT16, INT32, INT32, INT64])])] };

/// DescribeAcls, API key 29.
pub(crate) const DESCRIBE_ACLS: Shape = Shape {
    flexible_since: 2,
    fields: &[INT32, INT16, NullStr, Array(&[INT8, Str, INT8, Array(&[Str, Str, INT8, INT8])])],
};

/// CreateAcls, API key 30.
pub const CREATE_ACLS: Shape = Shape { flexible_since: 2, fields: &[INT32, Array(&[INT16, NullStr])] };

/// DeleteAcls, API key 31.
pub const DELETE_ACLS: Shape = Shape {
    flexible_since: 2,
    fields: &[
        INT32,
        Array(&[INT16, NullStr, Array(&[INT16, NullStr, INT8, Str, Since(1, &INT8), Str, Str, INT8, INT8])]),
    ],
};

/// DescribeConfigs, API key 32.
pub const DESCRIBE_CONFIGS: Shape = Shape {
    flexible_since: 4,
    fields: &[
        INT32,
        Array(&[
            INT16,
            NullStr,
            INT8,
            Str,
            Array(&[Str, NullStr, BOOL, INT8, BOOL, Array(&[Str, NullStr, INT8]), Since(3, &INT8), Since(3, &NullStr)]),
        ]),
    ],
};

/// AlterConfigs, API key 33.
pub const ALTER_CONFIGS: Shape = Shape { flexible_since: 2, fields: &[INT32, Array(&[INT16, NullStr, INT8, Str])] };

/// DescribeLogDirs, API key 35.
pub(crate) const DESCRIBE_LOG_DIRS: Shape = Shape {
    flexible_since: 2,
    fields: &[
        INT32,
        Since(3, &INT16),
        Array(&[INT16, Str, Array(&[Str, Array(&[INT32, INT64, INT64, BOOL])]), Since(4, &INT64), Since(4, &INT64)]),
    ],
};

/// SaslAuthenticate, API key 36.
pub const SASL_AUTHENTICATE: Shape = Shape { flexible_since: 2, fields: &[INT16, NullStr, Bytes, Since(1, &INT64)] };

/// CreatePartitions, API key 37.
pub(crate) const CREATE_PARTITIONS: Shape =
    Shape { flexible_since: 2, fields: &[INT32, Array(&[Str, INT16, NullStr])] };

/// DeleteGroups, API key 42.
pub const DELETE_GROUPS: Shape = Shape { flexible_since: 2, fields: &[INT32, Array(&[Str, INT16])] };

/// ElectLeaders, API key 43.
pub(crate) const ELECT_LEADERS: Shape =
    Shape { flexible_since: 2, fields: &[INT32, Since(1, &INT16), Array(&[Str, Array(&[INT32, INT16, NullStr])])] };

/// IncrementalAlterConfigs, API key 44.
pub const INCREMENTAL_ALTER_CONFIGS: Shape =
    Shape { flexible_since: 1, fields: &[INT32, Array(&[INT16, NullStr, INT8, Str])] };

/// AlterPartitionReassignments, API key 45.
pub(crate) const ALTER_PARTITION_REASSIGNMENTS: Shape = Shape {
    flexible_since: 0,
    fields: &[INT32, Since(1, &BOOL), INT16, NullStr, Array(&[Str, Array(&[INT32, INT16, NullStr])])],
};

/// ListPartitionReassignments, API key 46.
pub(crate) const LIST_PARTITION_REASSIGNMENTS: Shape = Shape {
    flexible_since: 0,
    fields: &[INT32, INT16, NullStr, Array(&[Str, Array(&[INT32, List(&INT32), List(&INT32), List(&INT32)])])],
};

/// OffsetDelete, API key 47.
pub const OFFSET_DELETE: Shape =
    Shape { flexible_since: NEVER, fields: &[INT16, INT32, Array(&[Str, Array(&[INT32, INT16])])] };

/// The name and value of what a quota is for.
const QUOTA_ENTITY: Field = Array(&[Str, NullStr]);

/// DescribeClientQuotas, API key 48.
pub(crate) const DESCRIBE_CLIENT_QUOTAS: Shape =
    Shape { flexible_since: 1, fields: &[INT32, INT16, NullStr, NullArray(&[QUOTA_ENTITY, Array(&[Str, INT64])])] };

/// AlterClientQuotas, API key 49.
pub(crate) const ALTER_CLIENT_QUOTAS: Shape =
    Shape { flexible_since: 1, fields: &[INT32, Array(&[INT16, NullStr, QUOTA_ENTITY])] };

/// DescribeUserScramCredentials, API key 50.
pub(crate) const DESCRIBE_USER_SCRAM_CREDENTIALS: Shape =
    Shape { flexible_since: 0, fields: &[INT32, INT16, NullStr, Array(&[Str, INT16, NullStr, Array(&[INT8, INT32])])] };

/// AlterUserScramCredentials, API key 51.
pub(crate) const ALTER_USER_SCRAM_CREDENTIALS: Shape =
    Shape { flexible_since: 0, fields: &[INT32, Array(&[Str, INT16, NullStr])] };

/// DescribeCluster, API key 60.
pub const DESCRIBE_CLUSTER: Shape = Shape {
    flexible_since: 0,
    fields: &[
        INT32,
        INT16,
        NullStr,
        Since(1, &INT8),
        Str,
        INT32,
        Array(&[INT32, Str, INT32, NullStr, Since(2, &BOOL)]),
        INT32,
    ],
};

/// DescribeProducers, API key 61.
pub(crate) const DESCRIBE_PRODUCERS: Shape = Shape {
    flexible_since: 0,
    fields: &[
        INT32,
        Array(&[Str, Array(&[INT32, INT16, NullStr, Array(&[INT64, INT32, INT32, INT64, INT32, INT64])])]),
    ],
};
