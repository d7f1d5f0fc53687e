//! THE TABLE: every API key of Kafka 4.3, with the versions offered to clients and what becomes of it.
//!
//! It fails closed: a key or version that does not stand here, or that is hidden, is neither listed in the ApiVersions
//! answer nor let through, since a message that nobody has looked at could carry a physical partition number past the
//! filter. The order below is the order of Kafka's protocol guide.

pub(crate) mod admin;
pub(crate) mod cluster;
pub(crate) mod groups;
pub(crate) mod records;
pub(crate) mod sasl_authenticate;
pub(crate) mod sasl_handshake;
pub(crate) mod transactions;

use admin::{administration, delegation_tokens};
use cluster::{api_versions, describe_cluster, find_coordinator, metadata};
use groups::{
    consumer_group_heartbeat, delete_groups, describe_groups, heartbeat, join_group, list_groups, offset_commit,
    offset_delete, offset_fetch,
};
use records::{fetch, list_offsets, offset_for_leader_epoch, produce};
use transactions::init_producer_id;

use crate::error::Fault;
use crate::exchange::handler::{Context, Plan, Request, Session};
use crate::Shared;
use Decision::{Administer, Authenticate, Delegate, Hide, Pass, PassUnmapped, Refuse, Rewrite};

/// A request half: one of `apis/<name>.rs`.
pub(crate) type RequestHalf = fn(&mut Context<'_>, &Request) -> Result<Plan, Fault>;

/// What becomes of the requests of an API key.
#[derive(Clone, Copy)]
pub(crate) enum Decision {
    /// `apis/<name>.rs` reads the request, and the answer where it must.
    Rewrite(RequestHalf),
    /// SASL of clients, read as `Rewrite`. Where the filter logs in for clients that prove nothing it is not listed, and answered
    /// with an error all the same: some clients ask without looking.
    Authenticate(RequestHalf),
    /// Offered, and answered by `apis/<name>.rs` with an error: a client for which it was hidden would not say why it waits.
    Refuse(RequestHalf),
    /// Names neither partitions nor brokers: goes by untouched in both directions.
    Pass,
    /// Has no rewriting: passes where the configuration maps no topic, is hidden where it maps one.
    PassUnmapped,
    /// Says who may do what, or sets brokers up, in the name that brokers see. Passes where that name is the client's own, or
    /// the configuration lets clients administer in a name that they share; else `apis/admin/administration.rs` reads it.
    Administer(RequestHalf),
    /// Gives the identity that brokers see away. Passes where that was seen to be the client's own, and is answered by
    /// `apis/admin/delegation_tokens.rs` with an error elsewhere; hidden where it never can be: where SASL ends in the filter, or
    /// the filter logs in.
    Delegate(RequestHalf),
    /// Neither listed nor let through.
    Hide,
}

/// One line of the table.
pub(crate) struct Api {
    pub(crate) key: i16,
    /// The name in the protocol guide; also the stats' tag.
    pub(crate) name: &'static str,
    pub(crate) version_min: i16,
    /// Below `version_min` where nothing is offered.
    pub(crate) version_max: i16,
    pub(crate) decision: Decision,
}

const fn api(key: i16, name: &'static str, version_min: i16, version_max: i16, decision: Decision) -> Api {
    Api { key, name, version_min, version_max, decision }
}

#[rustfmt::skip]
pub(crate) static TABLE: [Api; 93] = [
    api(0, "Produce", 3, 12, Rewrite(produce::request)),                      // 13 names topics by id
    api(1, "Fetch", 4, 12, Rewrite(fetch::request)),                          // 13 names topics by id
    api(2, "ListOffsets", 1, 10, Rewrite(list_offsets::request)),             // 11 is unknown to the codec
    api(3, "Metadata", 0, 13, Rewrite(metadata::request)),                    // the virtual partitions, and the brokers' addresses
    api(4, "LeaderAndIsr", 0, -1, Hide),                                      // controller to broker
    api(5, "StopReplica", 0, -1, Hide),                                       // controller to broker
    api(6, "UpdateMetadata", 0, -1, Hide),                                    // controller to broker
    api(7, "ControlledShutdown", 0, -1, Hide),                                // broker to controller
    api(8, "OffsetCommit", 2, 9, Rewrite(offset_commit::request)),            // lanes into shadow groups
    api(9, "OffsetFetch", 1, 9, Rewrite(offset_fetch::request)),              // lanes from shadow groups
    api(10, "FindCoordinator", 0, 6, Rewrite(find_coordinator::request)),     // the coordinator's address
    api(11, "JoinGroup", 0, 9, Rewrite(join_group::request)),                 // not into a shadow; assignors run in the clients
    api(12, "Heartbeat", 0, 4, Rewrite(heartbeat::request)),                  // keeps the member's offsets in shadow groups alive
    api(13, "LeaveGroup", 0, 5, Pass),                                        // names no partition
    api(14, "SyncGroup", 0, 5, Pass),                                         // the assignment is opaque to the broker
    api(15, "DescribeGroups", 0, 6, Rewrite(describe_groups::request)),       // one that lives in shadows only is not dead
    api(16, "ListGroups", 0, 5, Rewrite(list_groups::request)),               // without shadows
    api(17, "SaslHandshake", 0, 1, Authenticate(sasl_handshake::request)),         // answered here with a sasl section; 0 goes on with bare tokens
    api(18, "ApiVersions", 0, 4, Rewrite(api_versions::request)),             // broker, codec and this table in common
    api(19, "CreateTopics", 2, 7, PassUnmapped),                              // counts physical partitions
    api(20, "DeleteTopics", 1, 6, Pass),                                      // names no partition
    api(21, "DeleteRecords", 0, 2, PassUnmapped),                             // would cut siblings off
    api(22, "InitProducerId", 0, 5, Rewrite(init_producer_id::request)),      // idempotence passes, transactions do not yet
    api(23, "OffsetForLeaderEpoch", 2, 4, Rewrite(offset_for_leader_epoch::request)),// maps partitions and end offsets
    api(24, "AddPartitionsToTxn", 0, 3, PassUnmapped),                        // names partitions; 4 and 5 are broker to broker
    api(25, "AddOffsetsToTxn", 0, 4, PassUnmapped),                           // belongs to transactions
    api(26, "EndTxn", 0, 5, PassUnmapped),                                    // belongs to transactions
    api(27, "WriteTxnMarkers", 0, -1, Hide),                                  // broker to broker
    api(28, "TxnOffsetCommit", 0, 5, PassUnmapped),                           // names partitions
    api(29, "DescribeAcls", 1, 3, Administer(administration::describe_acls)), // who may do what
    api(30, "CreateAcls", 1, 3, Administer(administration::create_acls)),     // who may do what
    api(31, "DeleteAcls", 1, 3, Administer(administration::delete_acls)),     // who may do what
    api(32, "DescribeConfigs", 1, 4, Pass),                                   // names no partition; a broker's listeners, to administrators
    api(33, "AlterConfigs", 0, 2, Administer(administration::alter_configs)), // of topics it passes; of brokers and groups it is cluster administration
    api(34, "AlterReplicaLogDirs", 0, -1, Hide),                              // moves physical partitions
    api(35, "DescribeLogDirs", 0, -1, Hide),                                  // sizes of physical partitions
    api(36, "SaslAuthenticate", 0, 2, Authenticate(sasl_authenticate::request)),   // judged here with a sasl section
    api(37, "CreatePartitions", 0, 3, PassUnmapped),                          // counts physical partitions
    api(38, "CreateDelegationToken", 1, 3, Delegate(delegation_tokens::create)), // stands for the identity at the broker
    api(39, "RenewDelegationToken", 1, 2, Delegate(delegation_tokens::renew)), // the token outlives its owner
    api(40, "ExpireDelegationToken", 1, 2, Delegate(delegation_tokens::expire)), // takes it from its owner
    api(41, "DescribeDelegationToken", 1, 3, Delegate(delegation_tokens::describe)), // whose tokens there are
    api(42, "DeleteGroups", 0, 2, Rewrite(delete_groups::request)),           // with all shadows
    api(43, "ElectLeaders", 0, 2, PassUnmapped),                              // names physical partitions
    api(44, "IncrementalAlterConfigs", 0, 1, Administer(administration::incremental_alter_configs)), // as AlterConfigs
    api(45, "AlterPartitionReassignments", 0, -1, Hide),                      // moves physical partitions
    api(46, "ListPartitionReassignments", 0, -1, Hide),                       // names physical partitions
    api(47, "OffsetDelete", 0, 0, Rewrite(offset_delete::request)),           // from the group that holds the lane
    api(48, "DescribeClientQuotas", 0, 1, Administer(administration::describe_client_quotas)), // names users
    api(49, "AlterClientQuotas", 0, 1, Administer(administration::alter_client_quotas)), // what each may use
    api(50, "DescribeUserScramCredentials", 0, 0, Administer(administration::describe_scram_credentials)), // names users
    api(51, "AlterUserScramCredentials", 0, 0, Administer(administration::alter_scram_credentials)), // users' passwords
    api(52, "Vote", 0, -1, Hide),                                             // quorum
    api(53, "BeginQuorumEpoch", 0, -1, Hide),                                 // quorum
    api(54, "EndQuorumEpoch", 0, -1, Hide),                                   // quorum
    api(55, "DescribeQuorum", 0, -1, Hide),                                   // quorum; names controllers by address
    api(56, "AlterPartition", 0, -1, Hide),                                   // broker to controller
    api(57, "UpdateFeatures", 0, -1, Hide),                                   // could turn on features that need hidden APIs
    api(58, "Envelope", 0, -1, Hide),                                         // broker to controller
    api(59, "FetchSnapshot", 0, -1, Hide),                                    // quorum
    api(60, "DescribeCluster", 0, 2, Rewrite(describe_cluster::request)),     // the brokers' addresses
    api(61, "DescribeProducers", 0, 0, PassUnmapped),                         // names partitions
    api(62, "BrokerRegistration", 0, -1, Hide),                               // broker to controller
    api(63, "BrokerHeartbeat", 0, -1, Hide),                                  // broker to controller
    api(64, "UnregisterBroker", 0, -1, Hide),                                 // cluster administration
    api(65, "DescribeTransactions", 0, 0, PassUnmapped),                      // names partitions
    api(66, "ListTransactions", 0, 2, Pass),                                  // names no partition
    api(67, "AllocateProducerIds", 0, -1, Hide),                              // broker to controller
    api(68, "ConsumerGroupHeartbeat", 0, 1, Refuse(consumer_group_heartbeat::request)),// KIP-848: the broker would assign physical partitions
    api(69, "ConsumerGroupDescribe", 0, -1, Hide),                            // KIP-848
    api(70, "ControllerRegistration", 0, -1, Hide),                           // quorum
    api(71, "GetTelemetrySubscriptions", 0, 0, Pass),                         // names no partition
    api(72, "PushTelemetry", 0, 0, Pass),                                     // names no partition
    api(73, "AssignReplicasToDirs", 0, -1, Hide),                             // broker to controller
    api(74, "ListConfigResources", 0, 1, Pass),                               // names no partition
    api(75, "DescribeTopicPartitions", 0, -1, Hide),                          // clients fall back to Metadata
    api(76, "ShareGroupHeartbeat", 0, -1, Hide),                              // KIP-932: the broker would assign physical partitions
    api(77, "ShareGroupDescribe", 0, -1, Hide),                               // KIP-932
    api(78, "ShareFetch", 0, -1, Hide),                                       // KIP-932
    api(79, "ShareAcknowledge", 0, -1, Hide),                                 // KIP-932
    api(80, "AddRaftVoter", 0, -1, Hide),                                     // quorum
    api(81, "RemoveRaftVoter", 0, -1, Hide),                                  // quorum
    api(82, "UpdateRaftVoter", 0, -1, Hide),                                  // quorum
    api(83, "InitializeShareGroupState", 0, -1, Hide),                        // broker to broker
    api(84, "ReadShareGroupState", 0, -1, Hide),                              // broker to broker
    api(85, "WriteShareGroupState", 0, -1, Hide),                             // broker to broker
    api(86, "DeleteShareGroupState", 0, -1, Hide),                            // broker to broker
    api(87, "ReadShareGroupStateSummary", 0, -1, Hide),                       // broker to broker
    api(88, "StreamsGroupHeartbeat", 0, -1, Hide),                            // KIP-1071: the broker would assign physical partitions
    api(89, "StreamsGroupDescribe", 0, -1, Hide),                             // KIP-1071
    api(90, "DescribeShareGroupOffsets", 0, -1, Hide),                        // KIP-932
    api(91, "AlterShareGroupOffsets", 0, -1, Hide),                           // KIP-932
    api(92, "DeleteShareGroupOffsets", 0, -1, Hide),                          // KIP-932
];

/// The line of `key`.
pub(crate) fn find(key: i16) -> Option<&'static Api> {
    usize::try_from(key).ok().and_then(|index| TABLE.get(index))
}

/// The protocol guide's name of `key`.
pub(crate) fn name(key: i16) -> &'static str {
    find(key).map_or("unknown", |api| api.name)
}

/// Whether requests of this line are let through under the configuration.
pub(crate) fn is_offered(api: &Api, shared: &Shared) -> bool {
    match api.decision {
        Rewrite(_) | Authenticate(_) | Refuse(_) | Administer(_) | Pass => true,
        PassUnmapped => !shared.topics.maps_anything(),
        Delegate(_) => shared.config.sasl.is_none() && shared.config.upstream.is_none(),
        Hide => false,
    }
}

/// Whether clients are told of this line.
pub(crate) fn is_listed(api: &Api, shared: &Shared) -> bool {
    let is_the_filters = shared.config.upstream.is_some() && shared.config.sasl.is_none();
    is_offered(api, shared) && !(is_the_filters && matches!(api.decision, Authenticate(_)))
}

impl Decision {
    /// Who reads a request that is let through. None: nobody, it passes whatever it holds.
    pub(crate) fn reader(self, session: &Session, shared: &Shared) -> Option<RequestHalf> {
        match self {
            Rewrite(half) | Authenticate(half) | Refuse(half) => Some(half),
            Administer(half) => Some(half).filter(|_| !session.may_administer(&shared.config)),
            Delegate(half) => Some(half).filter(|_| !session.authentication.is_brokers_client),
            Pass | PassUnmapped | Hide => None,
        }
    }
}

/// The line of `key` if `version` of it is let through.
pub(crate) fn offered(key: i16, version: i16, shared: &Shared) -> Option<&'static Api> {
    let api = find(key)?;
    (is_offered(api, shared) && (api.version_min..=api.version_max).contains(&version)).then_some(api)
}

/// The start of a request frame, behind its length field (protocol guide: request header v0).
pub(crate) struct RequestHead<'a> {
    pub(crate) key: i16,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    /// What of the frame is there behind the correlation id.
    pub(crate) rest: &'a [u8],
}

impl<'a> RequestHead<'a> {
    /// None when `frame` is too short.
    pub(crate) fn parse(frame: &'a [u8]) -> Option<Self> {
        let (key, rest) = frame.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (correlation_id, rest) = rest.split_first_chunk()?;
        Some(Self {
            key: i16::from_be_bytes(*key),
            version: i16::from_be_bytes(*version),
            correlation_id: i32::from_be_bytes(*correlation_id),
            rest,
        })
    }
}

#[cfg(test)]
mod tests;
