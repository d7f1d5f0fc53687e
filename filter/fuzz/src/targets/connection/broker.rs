//! What a broker answers that speaks the protocol, to a request of the filter's or one that passed.

use bytes::{Bytes, BytesMut};
use kafka_partition_remapper_core::wire::shape::{self, Shaped};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Encodable, HeaderVersion};

use super::due;
use super::script::{batch, framed, text, PHYSICAL, TOPICS};
use crate::second::Wire;

/// Where every log ends.
const LOG_END: i64 = 4;

/// The request's key, version, correlation id and body.
pub(super) struct Asked {
    pub(super) key: i16,
    pub(super) version: i16,
    pub(super) correlation_id: i32,
    body: Bytes,
    /// The broker says something to it.
    pub(super) is_answered: bool,
}

impl Asked {
    /// Of a request without its length.
    pub(super) fn parse(request: &Bytes) -> Option<Self> {
        let mut wire = Wire(request);
        let (key, version, correlation_id) = (wire.number(2)? as i16, wire.number(2)? as i16, wire.number(4)? as i32);
        let is_answered = key != 0 || due::acks(version.into(), wire) != Some(0);
        // A broker would close where the rest of the header is none. This one has no words for it, but goes
        // on.
        let body = behind_header(key, version, wire).unwrap_or_default();
        let body = request.slice(request.len() - body.len()..);
        Some(Self { key, version, correlation_id, body, is_answered })
    }

    pub(super) fn decode<M: Shaped>(&self) -> Option<M> {
        shape::decode_request(&self.body, self.version).ok()
    }

    /// The broker's answer as a frame; to what nobody has words for here nothing but zeros.
    pub(super) fn answer(&self) -> Vec<u8> {
        self.answer_well().unwrap_or_else(|| self.with(&[0; 14]))
    }

    /// The broker's answer as a frame, if it has words for it.
    pub(super) fn answer_well(&self) -> Option<Vec<u8>> {
        match self.key {
            0 => self.decode().map(|message| self.encoded(&produce(&message))),
            1 => self.decode().map(|message| self.encoded(&fetch(&message))),
            2 => self.decode().map(|message| self.encoded(&list_offsets(&message))),
            3 => self.decode().map(|message| self.encoded(&metadata(&message))),
            8 => self.decode().map(|message| self.encoded(&offset_commit(&message))),
            9 => self.decode().map(|message| self.encoded(&offset_fetch(&message))),
            10 => self.decode().map(|message| self.encoded(&find_coordinator(&message))),
            12 => Some(self.encoded(&HeartbeatResponse::default())),
            15 => self.decode().map(|message| self.encoded(&describe_groups(&message))),
            16 => Some(self.encoded(&ListGroupsResponse::default())),
            17 => Some(self.encoded(&SaslHandshakeResponse::default())),
            18 => Some(self.encoded(&api_versions(self.version))),
            22 => Some(self.encoded(&InitProducerIdResponse::default().with_producer_id(ProducerId(7)))),
            23 => self.decode().map(|message| self.encoded(&epochs(&message))),
            36 => Some(self.encoded(&SaslAuthenticateResponse::default())),
            42 => self.decode().map(|message| self.encoded(&delete_groups(&message))),
            47 => self.decode().map(|message| self.encoded(&offset_delete(&message))),
            60 => Some(self.encoded(&DescribeClusterResponse::default())),
            _ => None,
        }
    }

    /// Anything as an answer.
    pub(super) fn with(&self, body: &[u8]) -> Vec<u8> {
        framed(&[&self.correlation_id.to_be_bytes()[..], body].concat())
    }

    /// A message as the answer; where the version has no room for it, something shorter.
    fn encoded<M: Encodable + HeaderVersion>(&self, message: &M) -> Vec<u8> {
        // A version of ApiVersions that the broker does not know is answered in version 0.
        let version = if self.key == 18 && !(0..=4).contains(&self.version) { 0 } else { self.version };
        let mut body = BytesMut::new();
        let header = ResponseHeader::default().with_correlation_id(self.correlation_id);
        header.encode(&mut body, M::header_version(version)).expect("a header");
        match message.encode(&mut body, version) {
            Ok(()) => framed(&body),
            Err(_) => self.with(&[]),
        }
    }
}

fn behind_header<'a>(key: i16, version: i16, mut wire: Wire<'a>) -> Option<&'a [u8]> {
    if let Some(client_id) = wire.length(2, false)? {
        wire.take(client_id)?;
    }
    // A carrier of a version that nobody knows is all header.
    if ApiKey::try_from(key).is_ok_and(|known| known.request_header_version(version) > 1) && !wire.0.is_empty() {
        wire.tags()?;
    }
    Some(wire.0)
}

fn api_versions(version: i16) -> ApiVersionsResponse {
    let offers = (0..93).map(|key| ApiVersion::default().with_api_key(key).with_max_version(20));
    let code = if (0..=4).contains(&version) { 0 } else { 35 };
    ApiVersionsResponse::default().with_error_code(code).with_api_keys(offers.collect())
}

fn produce(message: &ProduceRequest) -> ProduceResponse {
    let topics = message.topic_data.iter().map(|topic| {
        let parts = topic.partition_data.iter().map(|part| PartitionProduceResponse::default().with_index(part.index));
        TopicProduceResponse::default().with_name(topic.name.clone()).with_partition_responses(parts.collect())
    });
    ProduceResponse::default().with_responses(topics.collect())
}

/// Each offset below [`LOG_END`] holds a batch of one record; the lanes take turns.
fn fetch(message: &FetchRequest) -> FetchResponse {
    let topics = message.topics.iter().map(|topic| {
        let parts = topic.partitions.iter().map(|part| {
            let data = PartitionData::default().with_partition_index(part.partition);
            let data = data.with_high_watermark(LOG_END).with_last_stable_offset(LOG_END).with_log_start_offset(0);
            match part.fetch_offset {
                offset @ 0..LOG_END => data.with_records(Some(batch(offset, lane_of(offset)))),
                LOG_END => data.with_records(Some(Bytes::new())),
                _ => data.with_error_code(1).with_high_watermark(-1),
            }
        });
        FetchableTopicResponse::default().with_topic(topic.topic.clone()).with_partitions(parts.collect())
    });
    FetchResponse::default().with_responses(topics.collect())
}

fn lane_of(offset: i64) -> i64 {
    offset % 3
}

fn list_offsets(message: &ListOffsetsRequest) -> ListOffsetsResponse {
    let topics = message.topics.iter().map(|topic| {
        let parts = topic.partitions.iter().map(|part| {
            let offset = if part.timestamp == -2 { 0 } else { LOG_END };
            ListOffsetsPartitionResponse::default().with_partition_index(part.partition_index).with_offset(offset)
        });
        ListOffsetsTopicResponse::default().with_name(topic.name.clone()).with_partitions(parts.collect())
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

fn metadata(message: &MetadataRequest) -> MetadataResponse {
    let broker = MetadataResponseBroker::default().with_node_id(BrokerId(1)).with_host(text("own")).with_port(9092);
    let names: Vec<TopicName> = match &message.topics {
        Some(topics) => topics.iter().filter_map(|topic| topic.name.clone()).collect(),
        None => TOPICS.map(|name| TopicName(text(name))).to_vec(),
    };
    let partition =
        |index| MetadataResponsePartition::default().with_partition_index(index).with_leader_id(BrokerId(1));
    let topic = |name: TopicName| {
        let known = TOPICS.contains(&name.as_str());
        let parts = if known { (0..PHYSICAL).map(partition).collect() } else { vec![] };
        let topic = MetadataResponseTopic::default().with_error_code(if known { 0 } else { 3 });
        topic.with_name(Some(name)).with_partitions(parts)
    };
    MetadataResponse::default().with_brokers(vec![broker]).with_topics(names.into_iter().map(topic).collect())
}

fn offset_commit(message: &OffsetCommitRequest) -> OffsetCommitResponse {
    let topics = message.topics.iter().map(|topic| {
        let parts = topic.partitions.iter();
        let parts =
            parts.map(|part| OffsetCommitResponsePartition::default().with_partition_index(part.partition_index));
        OffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(parts.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

fn offset_fetch(message: &OffsetFetchRequest) -> OffsetFetchResponse {
    let topics = message.topics.iter().flatten().map(|topic| {
        let part = |index: &i32| OffsetFetchResponsePartition::default().with_partition_index(*index);
        let parts = topic.partition_indexes.iter().map(part).collect();
        OffsetFetchResponseTopic::default().with_name(topic.name.clone()).with_partitions(parts)
    });
    let groups = message.groups.iter().map(|group| {
        let topics = group.topics.iter().flatten().map(|topic| {
            let part = |index: &i32| OffsetFetchResponsePartitions::default().with_partition_index(*index);
            let parts = topic.partition_indexes.iter().map(part).collect();
            OffsetFetchResponseTopics::default().with_name(topic.name.clone()).with_partitions(parts)
        });
        OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone()).with_topics(topics.collect())
    });
    OffsetFetchResponse::default().with_topics(topics.collect()).with_groups(groups.collect())
}

fn find_coordinator(message: &FindCoordinatorRequest) -> FindCoordinatorResponse {
    let coordinator = |key: &kafka_protocol::protocol::StrBytes| {
        let found = Coordinator::default().with_key(key.clone()).with_node_id(BrokerId(1));
        found.with_host(text("own")).with_port(9092)
    };
    if message.coordinator_keys.is_empty() {
        return FindCoordinatorResponse::default().with_node_id(BrokerId(1)).with_host(text("own")).with_port(9092);
    }
    FindCoordinatorResponse::default().with_coordinators(message.coordinator_keys.iter().map(coordinator).collect())
}

fn describe_groups(message: &DescribeGroupsRequest) -> DescribeGroupsResponse {
    let group = |id: &GroupId| {
        let group = describe_groups_response::DescribedGroup::default().with_group_id(id.clone());
        group.with_group_state(text("Empty"))
    };
    DescribeGroupsResponse::default().with_groups(message.groups.iter().map(group).collect())
}

fn delete_groups(message: &DeleteGroupsRequest) -> DeleteGroupsResponse {
    let result = |id: &GroupId| delete_groups_response::DeletableGroupResult::default().with_group_id(id.clone());
    DeleteGroupsResponse::default().with_results(message.groups_names.iter().map(result).collect())
}

fn offset_delete(message: &OffsetDeleteRequest) -> OffsetDeleteResponse {
    let topics = message.topics.iter().map(|topic| {
        let part = |part: &offset_delete_request::OffsetDeleteRequestPartition| {
            OffsetDeleteResponsePartition::default().with_partition_index(part.partition_index)
        };
        let parts = topic.partitions.iter().map(part).collect();
        OffsetDeleteResponseTopic::default().with_name(topic.name.clone()).with_partitions(parts)
    });
    OffsetDeleteResponse::default().with_topics(topics.collect())
}

fn epochs(message: &OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
    let topics = message.topics.iter().map(|topic| {
        let parts = topic.partitions.iter();
        let parts = parts.map(|part| EpochEndOffset::default().with_partition(part.partition).with_end_offset(LOG_END));
        OffsetForLeaderTopicResult::default().with_topic(topic.topic.clone()).with_partitions(parts.collect())
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}
