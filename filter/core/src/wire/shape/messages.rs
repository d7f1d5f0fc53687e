//! Which message has which shape.

use kafka_protocol::messages::*;

use super::{requests, responses, Shape, Shaped};

macro_rules! shaped {
    ($($api:literal: $message:ident as $shape:expr;)*) => {
        $(impl Shaped for $message {
            const API: &'static str = $api;
            const SHAPE: Shape = $shape;
        })*
    };
}

shaped! {
    "Produce": ProduceRequest as requests::PRODUCE;
    "Fetch": FetchRequest as requests::FETCH;
    "ListOffsets": ListOffsetsRequest as requests::LIST_OFFSETS;
    "Metadata": MetadataRequest as requests::METADATA;
    "OffsetCommit": OffsetCommitRequest as requests::OFFSET_COMMIT;
    "OffsetFetch": OffsetFetchRequest as requests::OFFSET_FETCH;
    "FindCoordinator": FindCoordinatorRequest as requests::FIND_COORDINATOR;
    "Heartbeat": HeartbeatRequest as requests::HEARTBEAT;
    "DescribeGroups": DescribeGroupsRequest as requests::DESCRIBE_GROUPS;
    "ListGroups": ListGroupsRequest as requests::LIST_GROUPS;
    "SaslHandshake": SaslHandshakeRequest as requests::SASL_HANDSHAKE;
    "ApiVersions": ApiVersionsRequest as requests::API_VERSIONS;
    "CreateTopics": CreateTopicsRequest as requests::CREATE_TOPICS;
    "InitProducerId": InitProducerIdRequest as requests::INIT_PRODUCER_ID;
    "DeleteRecords": DeleteRecordsRequest as requests::DELETE_RECORDS;
    "OffsetForLeaderEpoch": OffsetForLeaderEpochRequest as requests::OFFSET_FOR_LEADER_EPOCH;
    "DescribeLogDirs": DescribeLogDirsRequest as requests::DESCRIBE_LOG_DIRS;
    "SaslAuthenticate": SaslAuthenticateRequest as requests::SASL_AUTHENTICATE;
    "CreatePartitions": CreatePartitionsRequest as requests::CREATE_PARTITIONS;
    "DeleteGroups": DeleteGroupsRequest as requests::DELETE_GROUPS;
    "ElectLeaders": ElectLeadersRequest as requests::ELECT_LEADERS;
    "AlterPartitionReassignments": AlterPartitionReassignmentsRequest as requests::ALTER_PARTITION_REASSIGNMENTS;
    "ListPartitionReassignments": ListPartitionReassignmentsRequest as requests::LIST_PARTITION_REASSIGNMENTS;
    "OffsetDelete": OffsetDeleteRequest as requests::OFFSET_DELETE;
    "DescribeCluster": DescribeClusterRequest as requests::DESCRIBE_CLUSTER;
    "DescribeProducers": DescribeProducersRequest as requests::DESCRIBE_PRODUCERS;
    "CreateAcls": CreateAclsRequest as requests::CREATE_ACLS;
    "DeleteAcls": DeleteAclsRequest as requests::DELETE_ACLS;
    "DescribeConfigs": DescribeConfigsRequest as requests::DESCRIBE_CONFIGS;
    "AlterConfigs": AlterConfigsRequest as requests::ALTER_CONFIGS;
    "IncrementalAlterConfigs": IncrementalAlterConfigsRequest as requests::INCREMENTAL_ALTER_CONFIGS;
    "AlterClientQuotas": AlterClientQuotasRequest as requests::ALTER_CLIENT_QUOTAS;
    "AlterUserScramCredentials": AlterUserScramCredentialsRequest as requests::ALTER_USER_SCRAM_CREDENTIALS;
}

shaped! {
    "Produce": ProduceResponse as responses::PRODUCE;
    "Fetch": FetchResponse as responses::FETCH;
    "ListOffsets": ListOffsetsResponse as responses::LIST_OFFSETS;
    "Metadata": MetadataResponse as responses::METADATA;
    "OffsetCommit": OffsetCommitResponse as responses::OFFSET_COMMIT;
    "OffsetFetch": OffsetFetchResponse as responses::OFFSET_FETCH;
    "FindCoordinator": FindCoordinatorResponse as responses::FIND_COORDINATOR;
    "Heartbeat": HeartbeatResponse as responses::HEARTBEAT;
    "DescribeGroups": DescribeGroupsResponse as responses::DESCRIBE_GROUPS;
    "ListGroups": ListGroupsResponse as responses::LIST_GROUPS;
    "SaslHandshake": SaslHandshakeResponse as responses::SASL_HANDSHAKE;
    "ApiVersions": ApiVersionsResponse as responses::API_VERSIONS;
    "CreateTopics": CreateTopicsResponse as responses::CREATE_TOPICS;
    "DeleteTopics": DeleteTopicsResponse as responses::DELETE_TOPICS;
    "InitProducerId": InitProducerIdResponse as responses::INIT_PRODUCER_ID;
    "DeleteRecords": DeleteRecordsResponse as responses::DELETE_RECORDS;
    "OffsetForLeaderEpoch": OffsetForLeaderEpochResponse as responses::OFFSET_FOR_LEADER_EPOCH;
    "CreateAcls": CreateAclsResponse as responses::CREATE_ACLS;
    "DeleteAcls": DeleteAclsResponse as responses::DELETE_ACLS;
    "DescribeConfigs": DescribeConfigsResponse as responses::DESCRIBE_CONFIGS;
    "AlterConfigs": AlterConfigsResponse as responses::ALTER_CONFIGS;
    "DescribeLogDirs": DescribeLogDirsResponse as responses::DESCRIBE_LOG_DIRS;
    "SaslAuthenticate": SaslAuthenticateResponse as responses::SASL_AUTHENTICATE;
    "CreatePartitions": CreatePartitionsResponse as responses::CREATE_PARTITIONS;
    "DeleteGroups": DeleteGroupsResponse as responses::DELETE_GROUPS;
    "ElectLeaders": ElectLeadersResponse as responses::ELECT_LEADERS;
    "IncrementalAlterConfigs": IncrementalAlterConfigsResponse as responses::INCREMENTAL_ALTER_CONFIGS;
    "AlterPartitionReassignments": AlterPartitionReassignmentsResponse as responses::ALTER_PARTITION_REASSIGNMENTS;
    "ListPartitionReassignments": ListPartitionReassignmentsResponse as responses::LIST_PARTITION_REASSIGNMENTS;
    "OffsetDelete": OffsetDeleteResponse as responses::OFFSET_DELETE;
    "DescribeCluster": DescribeClusterResponse as responses::DESCRIBE_CLUSTER;
    "DescribeProducers": DescribeProducersResponse as responses::DESCRIBE_PRODUCERS;
    "DescribeAcls": DescribeAclsResponse as responses::DESCRIBE_ACLS;
    "DescribeClientQuotas": DescribeClientQuotasResponse as responses::DESCRIBE_CLIENT_QUOTAS;
    "AlterClientQuotas": AlterClientQuotasResponse as responses::ALTER_CLIENT_QUOTAS;
    "DescribeUserScramCredentials": DescribeUserScramCredentialsResponse as responses::DESCRIBE_USER_SCRAM_CREDENTIALS;
    "AlterUserScramCredentials": AlterUserScramCredentialsResponse as responses::ALTER_USER_SCRAM_CREDENTIALS;
}
