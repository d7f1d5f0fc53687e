//! THE TABLE: every API key of Kafka 4.4, with the versions offered to clients and what becomes of it.
//!
//! It fails closed: a key or version that does not stand here, or that is hidden, is neither listed in the
//! ApiVersions answer nor let through, since a message that nobody has looked at could carry a physical
//! partition number past the filter. The order below is the order of Kafka's protocol guide.

pub(crate) mod admin;
pub(crate) mod cluster;
pub(crate) mod groups;
pub(crate) mod partitions;
pub(crate) mod records;
pub(crate) mod sasl_authenticate;
pub(crate) mod sasl_handshake;
pub(crate) mod topics;
pub(crate) mod transactions;

use kafka_protocol::messages::*;

use admin::{acls, administration, alter_configs, delegation_tokens, describe_configs};
use cluster::{api_versions, describe_cluster, find_coordinator, metadata};
use groups::{
    consumer_group_heartbeat, delete_groups, describe_groups, heartbeat, join_group, list_groups, offset_commit,
    offset_delete, offset_fetch, share_group_heartbeat,
};
use partitions::{
    alter_partition_reassignments, delete_records, describe_log_dirs, describe_producers, elect_leaders,
    list_partition_reassignments,
};
use records::{fetch, list_offsets, offset_for_leader_epoch, produce};
use topics::{create_partitions, create_topics, delete_topics};
use transactions::init_producer_id;

use crate::exchange::api::{Api, Apis};
use crate::exchange::table::{api, apis_of, Decision, Line, Table};
use Decision::{Administer, Authenticate, Delegate, Hide, Pass, PassUnmapped, Refuse, Rewrite};

/// What connections look requests up in.
pub(crate) const TABLE: Table = Table { lines: LINES, apis: Apis(&APIS) };

/// The table as it stands in `docs/protocol.md`, in Markdown.
#[must_use]
pub fn apis_document() -> String {
    TABLE.document()
}

static APIS: [Api; LINES.len()] = apis_of(LINES);

#[rustfmt::skip]
const LINES: &[Line] = &[
    api(0, "Produce", 3, 12, Rewrite(produce::request),                  "13 names topics by id").early(produce::early).lets_frame_go(),
    api(1, "Fetch", 4, 12, Rewrite(fetch::request),                      "13 names topics by id"),
    api(2, "ListOffsets", 1, 10, Rewrite(list_offsets::request),         "11 is unknown to the codec"),
    api(3, "Metadata", 0, 13, Rewrite(metadata::request),                "the virtual partitions, and the brokers' addresses"),
    api(4, "LeaderAndIsr", 0, -1, Hide,                                  "controller to broker"),
    api(5, "StopReplica", 0, -1, Hide,                                   "controller to broker"),
    api(6, "UpdateMetadata", 0, -1, Hide,                                "controller to broker"),
    api(7, "ControlledShutdown", 0, -1, Hide,                            "broker to controller"),
    api(8, "OffsetCommit", 2, 9, Rewrite(offset_commit::request),        "lanes into shadow groups; 10 names topics by id"),
    api(9, "OffsetFetch", 1, 9, Rewrite(offset_fetch::request),          "lanes from shadow groups; 10 names topics by id"),
    api(10, "FindCoordinator", 0, 6, Rewrite(find_coordinator::request), "the coordinator's address").worded::<FindCoordinatorResponse>(),
    api(11, "JoinGroup", 0, 9, Rewrite(join_group::request),             "not into a shadow; assignors run in the clients"),
    api(12, "Heartbeat", 0, 4, Rewrite(heartbeat::request),              "keeps the member's offsets in shadow groups alive"),
    api(13, "LeaveGroup", 0, 5, Pass,                                    "names no partition; shadow groups have no members"),
    api(14, "SyncGroup", 0, 5, Pass,                                     "the assignment is opaque to the broker; shadow groups have no members"),
    api(15, "DescribeGroups", 0, 6, Rewrite(describe_groups::request),   "one that lives in shadows only is not dead").worded::<DescribeGroupsResponse>(),
    api(16, "ListGroups", 0, 5, Rewrite(list_groups::request),           "without shadows"),
    api(17, "SaslHandshake", 0, 1, Authenticate(sasl_handshake::request), "answered here with a sasl section; 0 goes on with bare tokens").begins_proof(),
    api(18, "ApiVersions", 0, 4, Rewrite(api_versions::request),         "broker, codec and this table in common; 5 (KIP-1242) is unknown to the codec: such a client is told to ask in an older version").negotiates(api_versions::NEGOTIATION),
    api(19, "CreateTopics", 2, 7, Rewrite(create_topics::request),       "of a mapped topic V partitions are asked for, and P created").worded::<CreateTopicsResponse>(),
    api(20, "DeleteTopics", 1, 6, Rewrite(delete_topics::request),       "passes; what is remembered of a topic goes with it").worded::<DeleteTopicsResponse>(),
    api(21, "DeleteRecords", 0, 2, Rewrite(delete_records::request),     "of all siblings, at the lowest offset, or of none; grow V on all Envoys before"),
    api(22, "InitProducerId", 0, 5, Rewrite(init_producer_id::request),  "idempotence passes, transactions do not yet; 6 (KIP-939) is not stable"),
    api(23, "OffsetForLeaderEpoch", 2, 4, Rewrite(offset_for_leader_epoch::request), "maps partitions and end offsets"),
    api(24, "AddPartitionsToTxn", 0, 3, PassUnmapped,                    "names partitions; 4 and 5 are broker to broker").feature("transaction.version"),
    api(25, "AddOffsetsToTxn", 0, 4, PassUnmapped,                       "belongs to transactions"),
    api(26, "EndTxn", 0, 5, PassUnmapped,                                "belongs to transactions"),
    api(27, "WriteTxnMarkers", 0, -1, Hide,                              "broker to broker"),
    api(28, "TxnOffsetCommit", 0, 5, PassUnmapped,                       "names partitions; 6 names topics by id"),
    api(29, "DescribeAcls", 1, 3, Administer(administration::describe_acls), "who may do what: as it is, with the prefixes for shadow groups").worded::<DescribeAclsResponse>(),
    api(30, "CreateAcls", 1, 3, Administer(administration::create_acls), "who may do what; an ACL of a group's literal name brings one of the prefix `group~` with it, for shadows").administered(acls::create).worded::<CreateAclsResponse>(),
    api(31, "DeleteAcls", 1, 3, Administer(administration::delete_acls), "who may do what; an ACL of a group's literal name goes with that of the prefix `group~`").administered(acls::delete).worded::<DeleteAclsResponse>(),
    api(32, "DescribeConfigs", 1, 4, Rewrite(describe_configs::request), "addresses of brokers and controllers are told as sensitive, unless `advertise` is `unchanged`; throttled replicas are of virtual partitions"),
    api(33, "AlterConfigs", 0, 2, Administer(administration::alter_configs), "of topics for everybody: throttled replicas are of virtual partitions; of brokers, groups and clients' metrics it is administration").administered(alter_configs::alter).worded::<AlterConfigsResponse>(),
    api(34, "AlterReplicaLogDirs", 0, -1, Hide,                          "moves physical partitions between disks: to be done on the cluster itself"),
    api(35, "DescribeLogDirs", 1, 4, Rewrite(describe_log_dirs::request), "a physical partition has one size, told as that of its lane 0; 5 is unknown to the codec"),
    api(36, "SaslAuthenticate", 0, 2, Authenticate(sasl_authenticate::request), "judged here with a sasl section").carries_tokens(sasl_authenticate::bare_token),
    api(37, "CreatePartitions", 0, 3, Rewrite(create_partitions::request), "a mapped topic keeps its physical partitions: V grows by configuration").worded::<CreatePartitionsResponse>(),
    api(38, "CreateDelegationToken", 1, 3, Delegate(delegation_tokens::create), "stands for the identity at the broker; names no topic and no group"),
    api(39, "RenewDelegationToken", 1, 2, Delegate(delegation_tokens::renew), "the token outlives its owner"),
    api(40, "ExpireDelegationToken", 1, 2, Delegate(delegation_tokens::expire), "takes it from its owner"),
    api(41, "DescribeDelegationToken", 1, 3, Delegate(delegation_tokens::describe), "whose tokens there are"),
    api(42, "DeleteGroups", 0, 2, Rewrite(delete_groups::request),       "with all shadows; 3 has words for errors, and is unknown to the codec"),
    api(43, "ElectLeaders", 0, 2, Rewrite(elect_leaders::request),       "siblings have one leader").worded::<ElectLeadersResponse>(),
    api(44, "IncrementalAlterConfigs", 0, 1, Administer(administration::incremental_alter_configs), "as AlterConfigs").administered(alter_configs::alter_incrementally).worded::<IncrementalAlterConfigsResponse>(),
    api(45, "AlterPartitionReassignments", 0, 1, Rewrite(alter_partition_reassignments::request), "moves all siblings, or none").worded::<AlterPartitionReassignmentsResponse>(),
    api(46, "ListPartitionReassignments", 0, 0, Rewrite(list_partition_reassignments::request), "siblings move together").worded::<ListPartitionReassignmentsResponse>(),
    api(47, "OffsetDelete", 0, 0, Rewrite(offset_delete::request),       "from the group that holds the lane"),
    api(48, "DescribeClientQuotas", 0, 1, Administer(administration::describe_client_quotas), "names users, client ids and addresses of clients: no topic, no group. An address that the broker sees is Envoy's").worded::<DescribeClientQuotasResponse>(),
    api(49, "AlterClientQuotas", 0, 1, Administer(administration::alter_client_quotas), "what users, client ids and addresses of clients may use; what the filter asks for a client counts as the client's").worded::<AlterClientQuotasResponse>(),
    api(50, "DescribeUserScramCredentials", 0, 0, Administer(administration::describe_scram_credentials), "names users of the brokers: not those of the `sasl` section").worded::<DescribeUserScramCredentialsResponse>(),
    api(51, "AlterUserScramCredentials", 0, 0, Administer(administration::alter_scram_credentials), "passwords of users of the brokers: not of those of the `sasl` section").worded::<AlterUserScramCredentialsResponse>(),
    api(52, "Vote", 0, -1, Hide,                                         "quorum"),
    api(53, "BeginQuorumEpoch", 0, -1, Hide,                             "quorum"),
    api(54, "EndQuorumEpoch", 0, -1, Hide,                               "quorum"),
    api(55, "DescribeQuorum", 0, 1, Pass,                                "of `__cluster_metadata` alone, which is never mapped; 2 names controllers by address"),
    api(56, "AlterPartition", 0, -1, Hide,                               "broker to controller"),
    api(57, "UpdateFeatures", 0, -1, Hide,                               "could turn on features that need hidden APIs"),
    api(58, "Envelope", 0, -1, Hide,                                     "broker to controller"),
    api(59, "FetchSnapshot", 0, -1, Hide,                                "quorum"),
    api(60, "DescribeCluster", 0, 2, Rewrite(describe_cluster::request), "the brokers' addresses").worded::<DescribeClusterResponse>(),
    api(61, "DescribeProducers", 0, 0, Rewrite(describe_producers::request), "idempotent producers to higher lanes are known to brokers by ids with the lane in them").worded::<DescribeProducersResponse>(),
    api(62, "BrokerRegistration", 0, -1, Hide,                           "broker to controller"),
    api(63, "BrokerHeartbeat", 0, -1, Hide,                              "broker to controller"),
    api(64, "UnregisterBroker", 0, -1, Hide,                             "takes a broker out of the cluster: to be done on the cluster itself"),
    api(65, "DescribeTransactions", 0, 0, PassUnmapped,                  "names partitions"),
    api(66, "ListTransactions", 0, 2, Pass,                              "names no partition"),
    api(67, "AllocateProducerIds", 0, -1, Hide,                          "broker to controller"),
    api(68, "ConsumerGroupHeartbeat", 0, 1, Refuse(consumer_group_heartbeat::request), "KIP-848: the broker would assign physical partitions"),
    api(69, "ConsumerGroupDescribe", 0, -1, Hide,                        "KIP-848").feature("group.version"),
    api(70, "ControllerRegistration", 0, -1, Hide,                       "quorum"),
    api(71, "GetTelemetrySubscriptions", 0, 0, Pass,                     "names no partition and no broker: which metrics are wanted, and how often").optional(),
    api(72, "PushTelemetry", 0, 0, Pass,                                 "the client's own metrics, opaque to the broker: partitions in them are virtual").optional(),
    api(73, "AssignReplicasToDirs", 0, -1, Hide,                         "broker to controller"),
    api(74, "ListConfigResources", 0, 1, Pass,                           "names of topics, brokers and groups that have settings: shadow groups have none"),
    api(75, "DescribeTopicPartitions", 0, -1, Hide,                      "clients fall back to Metadata"),
    api(76, "ShareGroupHeartbeat", 1, 1, Refuse(share_group_heartbeat::request), "KIP-932: the broker would assign physical partitions"),
    api(77, "ShareGroupDescribe", 0, -1, Hide,                           "KIP-932"),
    api(78, "ShareFetch", 0, -1, Hide,                                   "KIP-932").feature("share.version"),
    api(79, "ShareAcknowledge", 0, -1, Hide,                             "KIP-932"),
    api(80, "AddRaftVoter", 0, -1, Hide,                                 "names a controller's addresses: to be done on the cluster itself"),
    api(81, "RemoveRaftVoter", 0, -1, Hide,                              "changes the quorum: to be done on the cluster itself"),
    api(82, "UpdateRaftVoter", 0, -1, Hide,                              "controller to controller; names a controller's addresses"),
    api(83, "InitializeShareGroupState", 0, -1, Hide,                    "broker to broker"),
    api(84, "ReadShareGroupState", 0, -1, Hide,                          "broker to broker"),
    api(85, "WriteShareGroupState", 0, -1, Hide,                         "broker to broker"),
    api(86, "DeleteShareGroupState", 0, -1, Hide,                        "broker to broker"),
    api(87, "ReadShareGroupStateSummary", 0, -1, Hide,                   "broker to broker"),
    api(88, "StreamsGroupHeartbeat", 0, -1, Hide,                        "KIP-1071: the broker would assign physical partitions").feature("streams.version"),
    api(89, "StreamsGroupDescribe", 0, -1, Hide,                         "KIP-1071"),
    api(90, "DescribeShareGroupOffsets", 0, -1, Hide,                    "KIP-932"),
    api(91, "AlterShareGroupOffsets", 0, -1, Hide,                       "KIP-932"),
    api(92, "DeleteShareGroupOffsets", 0, -1, Hide,                      "KIP-932"),
    api(93, "StreamsGroupTopologyDescriptionUpdate", 0, -1, Hide,        "KIP-1071: streams groups are hidden"),
    api(94, "UnregisterController", 0, -1, Hide,                         "takes a controller out of the cluster: to be done on the cluster itself"),
];

#[cfg(test)]
mod tests;
