//! THE TABLE: every API key of Kafka 4.3, with the versions offered to clients and what becomes of it.
//!
//! It fails closed: a key or version that does not stand here, or that is hidden, is neither listed in the
//! ApiVersions answer nor let through, since a message that nobody has looked at could carry a physical
//! partition number past the filter. The order below is the order of Kafka's protocol guide.

pub(crate) mod admin;
pub(crate) mod cluster;
pub(crate) mod groups;
pub(crate) mod records;
pub(crate) mod sasl_authenticate;
pub(crate) mod sasl_handshake;
pub(crate) mod topics;
pub(crate) mod transactions;

use admin::{administration, delegation_tokens};
use cluster::{api_versions, describe_cluster, find_coordinator, metadata};
use groups::{
    consumer_group_heartbeat, delete_groups, describe_groups, heartbeat, join_group, list_groups, offset_commit,
    offset_delete, offset_fetch,
};
use records::{fetch, list_offsets, offset_for_leader_epoch, produce};
use topics::{create_partitions, create_topics, delete_topics};
use transactions::init_producer_id;

use crate::exchange::api::{Api, Apis};
use crate::exchange::table::{api, apis_of, Decision, Line, Table};
use Decision::{Administer, Authenticate, Delegate, Hide, Pass, PassUnmapped, Refuse, Rewrite};

/// What connections look requests up in.
pub(crate) const TABLE: Table = Table { lines: LINES, apis: Apis(&APIS) };

static APIS: [Api; LINES.len()] = apis_of(LINES);

#[rustfmt::skip]
const LINES: &[Line] = &[
    api(0, "Produce", 3, 12, Rewrite(produce::request)).early(produce::early).lets_frame_go(), // 13 names topics by id
    api(1, "Fetch", 4, 12, Rewrite(fetch::request)),                       // 13 names topics by id
    api(2, "ListOffsets", 1, 10, Rewrite(list_offsets::request)),          // 11 is unknown to the codec
    api(3, "Metadata", 0, 13, Rewrite(metadata::request)),                 // the virtual partitions, and the brokers' addresses
    api(4, "LeaderAndIsr", 0, -1, Hide),                                   // controller to broker
    api(5, "StopReplica", 0, -1, Hide),                                    // controller to broker
    api(6, "UpdateMetadata", 0, -1, Hide),                                 // controller to broker
    api(7, "ControlledShutdown", 0, -1, Hide),                             // broker to controller
    api(8, "OffsetCommit", 2, 9, Rewrite(offset_commit::request)),         // lanes into shadow groups
    api(9, "OffsetFetch", 1, 9, Rewrite(offset_fetch::request)),           // lanes from shadow groups
    api(10, "FindCoordinator", 0, 6, Rewrite(find_coordinator::request)),  // the coordinator's address
    api(11, "JoinGroup", 0, 9, Rewrite(join_group::request)),              // not into a shadow; assignors run in the clients
    api(12, "Heartbeat", 0, 4, Rewrite(heartbeat::request)),               // keeps the member's offsets in shadow groups alive
    api(13, "LeaveGroup", 0, 5, Pass),                                     // names no partition
    api(14, "SyncGroup", 0, 5, Pass),                                      // the assignment is opaque to the broker
    api(15, "DescribeGroups", 0, 6, Rewrite(describe_groups::request)),    // one that lives in shadows only is not dead
    api(16, "ListGroups", 0, 5, Rewrite(list_groups::request)),            // without shadows
    api(17, "SaslHandshake", 0, 1, Authenticate(sasl_handshake::request)).begins_proof(), // answered here with a sasl section; 0 goes on with bare tokens
    api(18, "ApiVersions", 0, 4, Rewrite(api_versions::request)).negotiates(api_versions::NEGOTIATION), // broker, codec and this table in common
    api(19, "CreateTopics", 2, 7, Rewrite(create_topics::request)),        // V asked for, P created
    api(20, "DeleteTopics", 1, 6, Rewrite(delete_topics::request)),        // what is remembered of a topic goes with it
    api(21, "DeleteRecords", 0, 2, PassUnmapped),                          // would cut siblings off
    api(22, "InitProducerId", 0, 5, Rewrite(init_producer_id::request)),   // idempotence passes, transactions do not yet
    api(23, "OffsetForLeaderEpoch", 2, 4, Rewrite(offset_for_leader_epoch::request)), // maps partitions and end offsets
    api(24, "AddPartitionsToTxn", 0, 3, PassUnmapped).feature("transaction.version"), // names partitions; 4 and 5 are broker to broker
    api(25, "AddOffsetsToTxn", 0, 4, PassUnmapped),                        // belongs to transactions
    api(26, "EndTxn", 0, 5, PassUnmapped),                                 // belongs to transactions
    api(27, "WriteTxnMarkers", 0, -1, Hide),                               // broker to broker
    api(28, "TxnOffsetCommit", 0, 5, PassUnmapped),                        // names partitions
    api(29, "DescribeAcls", 1, 3, Administer(administration::describe_acls)), // who may do what
    api(30, "CreateAcls", 1, 3, Administer(administration::create_acls)),  // who may do what
    api(31, "DeleteAcls", 1, 3, Administer(administration::delete_acls)),  // who may do what
    api(32, "DescribeConfigs", 1, 4, Pass),                                // names no partition; a broker's listeners, to administrators
    api(33, "AlterConfigs", 0, 2, Administer(administration::alter_configs)), // of topics it passes; of brokers and groups it is cluster administration
    api(34, "AlterReplicaLogDirs", 0, -1, Hide),                           // moves physical partitions
    api(35, "DescribeLogDirs", 0, -1, Hide),                               // sizes of physical partitions
    api(36, "SaslAuthenticate", 0, 2, Authenticate(sasl_authenticate::request)).carries_tokens(sasl_authenticate::bare_token), // judged here with a sasl section
    api(37, "CreatePartitions", 0, 3, Rewrite(create_partitions::request)), // V grows by configuration
    api(38, "CreateDelegationToken", 1, 3, Delegate(delegation_tokens::create)), // stands for the identity at the broker
    api(39, "RenewDelegationToken", 1, 2, Delegate(delegation_tokens::renew)), // the token outlives its owner
    api(40, "ExpireDelegationToken", 1, 2, Delegate(delegation_tokens::expire)), // takes it from its owner
    api(41, "DescribeDelegationToken", 1, 3, Delegate(delegation_tokens::describe)), // whose tokens there are
    api(42, "DeleteGroups", 0, 2, Rewrite(delete_groups::request)),        // with all shadows
    api(43, "ElectLeaders", 0, 2, PassUnmapped),                           // names physical partitions
    api(44, "IncrementalAlterConfigs", 0, 1, Administer(administration::incremental_alter_configs)), // as AlterConfigs
    api(45, "AlterPartitionReassignments", 0, -1, Hide),                   // moves physical partitions
    api(46, "ListPartitionReassignments", 0, -1, Hide),                    // names physical partitions
    api(47, "OffsetDelete", 0, 0, Rewrite(offset_delete::request)),        // from the group that holds the lane
    api(48, "DescribeClientQuotas", 0, 1, Administer(administration::describe_client_quotas)), // names users
    api(49, "AlterClientQuotas", 0, 1, Administer(administration::alter_client_quotas)), // what each may use
    api(50, "DescribeUserScramCredentials", 0, 0, Administer(administration::describe_scram_credentials)), // names users
    api(51, "AlterUserScramCredentials", 0, 0, Administer(administration::alter_scram_credentials)), // users' passwords
    api(52, "Vote", 0, -1, Hide),                                          // quorum
    api(53, "BeginQuorumEpoch", 0, -1, Hide),                              // quorum
    api(54, "EndQuorumEpoch", 0, -1, Hide),                                // quorum
    api(55, "DescribeQuorum", 0, -1, Hide),                                // quorum; names controllers by address
    api(56, "AlterPartition", 0, -1, Hide),                                // broker to controller
    api(57, "UpdateFeatures", 0, -1, Hide),                                // could turn on features that need hidden APIs
    api(58, "Envelope", 0, -1, Hide),                                      // broker to controller
    api(59, "FetchSnapshot", 0, -1, Hide),                                 // quorum
    api(60, "DescribeCluster", 0, 2, Rewrite(describe_cluster::request)),  // the brokers' addresses
    api(61, "DescribeProducers", 0, 0, PassUnmapped),                      // names partitions
    api(62, "BrokerRegistration", 0, -1, Hide),                            // broker to controller
    api(63, "BrokerHeartbeat", 0, -1, Hide),                               // broker to controller
    api(64, "UnregisterBroker", 0, -1, Hide),                              // cluster administration
    api(65, "DescribeTransactions", 0, 0, PassUnmapped),                   // names partitions
    api(66, "ListTransactions", 0, 2, Pass),                               // names no partition
    api(67, "AllocateProducerIds", 0, -1, Hide),                           // broker to controller
    api(68, "ConsumerGroupHeartbeat", 0, 1, Refuse(consumer_group_heartbeat::request)), // KIP-848: the broker would assign physical partitions
    api(69, "ConsumerGroupDescribe", 0, -1, Hide).feature("group.version"), // KIP-848
    api(70, "ControllerRegistration", 0, -1, Hide),                        // quorum
    api(71, "GetTelemetrySubscriptions", 0, 0, Pass),                      // names no partition
    api(72, "PushTelemetry", 0, 0, Pass),                                  // names no partition
    api(73, "AssignReplicasToDirs", 0, -1, Hide),                          // broker to controller
    api(74, "ListConfigResources", 0, 1, Pass),                            // names no partition
    api(75, "DescribeTopicPartitions", 0, -1, Hide),                       // clients fall back to Metadata
    api(76, "ShareGroupHeartbeat", 0, -1, Hide),                           // KIP-932: the broker would assign physical partitions
    api(77, "ShareGroupDescribe", 0, -1, Hide),                            // KIP-932
    api(78, "ShareFetch", 0, -1, Hide).feature("share.version"),           // KIP-932
    api(79, "ShareAcknowledge", 0, -1, Hide),                              // KIP-932
    api(80, "AddRaftVoter", 0, -1, Hide),                                  // quorum
    api(81, "RemoveRaftVoter", 0, -1, Hide),                               // quorum
    api(82, "UpdateRaftVoter", 0, -1, Hide),                               // quorum
    api(83, "InitializeShareGroupState", 0, -1, Hide),                     // broker to broker
    api(84, "ReadShareGroupState", 0, -1, Hide),                           // broker to broker
    api(85, "WriteShareGroupState", 0, -1, Hide),                          // broker to broker
    api(86, "DeleteShareGroupState", 0, -1, Hide),                         // broker to broker
    api(87, "ReadShareGroupStateSummary", 0, -1, Hide),                    // broker to broker
    api(88, "StreamsGroupHeartbeat", 0, -1, Hide).feature("streams.version"), // KIP-1071: the broker would assign physical partitions
    api(89, "StreamsGroupDescribe", 0, -1, Hide),                          // KIP-1071
    api(90, "DescribeShareGroupOffsets", 0, -1, Hide),                     // KIP-932
    api(91, "AlterShareGroupOffsets", 0, -1, Hide),                        // KIP-932
    api(92, "DeleteShareGroupOffsets", 0, -1, Hide),                       // KIP-932
];

#[cfg(test)]
mod tests;
