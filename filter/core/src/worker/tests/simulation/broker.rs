//! Two brokers of one cluster as connections see them: one request of a connection at a time, long polls, and
//! each partition's error as Kafka has it.

use std::collections::VecDeque;

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, PartitionData,
};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::*;
use kafka_protocol::ResponseError;

use super::log::Log;
use super::world::{Topic, World};
use crate::testing::broker::{node, Once};
use crate::testing::{request, take_frames, topic, Seen};
use crate::wire::batch::Header;
use crate::Millis;

/// A broker's side of one connection.
pub(super) struct Session {
    pub(super) client: usize,
    /// Which of the brokers it is.
    pub(super) broker: usize,
    input: Vec<u8>,
    queue: VecDeque<Seen>,
    /// Since when the first of the queue waits, and since which moment.
    since: Option<(Millis, u64)>,
    /// Until then nothing is done for this connection.
    pub(super) stalled_until: Millis,
}

/// A partition's answer, and whether it ends the wait.
struct Found {
    data: PartitionData,
    urgent: bool,
}

impl Session {
    pub(super) fn new(client: usize, broker: usize) -> Self {
        let (input, queue) = (vec![], VecDeque::new());
        Self { client, broker, input, queue, since: None, stalled_until: 0 }
    }

    pub(super) fn take_bytes(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.queue.extend(take_frames(&mut self.input).iter().map(Seen::parse));
    }

    /// Everything is answered.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// The next answer, if there is one by now.
    pub(super) fn serve(&mut self, world: &mut World) -> Option<Vec<u8>> {
        if world.now < self.stalled_until {
            return None;
        }
        let seen = self.queue.front()?;
        let (since, moment) = *self.since.get_or_insert((world.now, world.moment));
        let answer = match ApiKey::try_from(seen.key).unwrap() {
            ApiKey::Fetch => self.fetch(world, seen, world.now - since, moment)?,
            ApiKey::Metadata => seen.answer(&self.metadata(world, &seen.message())),
            ApiKey::ApiVersions => seen.answer(&api_versions(world)),
            other => panic!("the brokers do not know {other:?}"),
        };
        self.queue.pop_front();
        self.since = None;
        Some(answer)
    }

    fn fetch(&self, world: &mut World, seen: &Seen, waited: Millis, moment: u64) -> Option<Vec<u8>> {
        let message: FetchRequest = seen.message();
        assert!(message.session_id == 0 && (seen.version < 7 || message.session_epoch == -1), "a Fetch session");
        let committed = message.isolation_level == 1;
        let mut once = Once::default();
        let mut left = usize::try_from(message.max_bytes).unwrap();
        let (mut bytes, mut urgent, mut readable) = (0, false, 0);
        let (mut responses, mut told) = (vec![], vec![]);
        for asked in &message.topics {
            let mut partitions = vec![];
            for part in &asked.partitions {
                once.name((asked.topic.clone(), part.partition));
                let bytes_max = left.min(usize::try_from(part.partition_max_bytes).unwrap());
                let room = (bytes_max, bytes == 0);
                let found = self.read(world, &asked.topic, part, committed, room, moment);
                let len = found.data.records.as_ref().map_or(0, Bytes::len);
                (bytes, left, urgent) = (bytes + len, left.saturating_sub(len), urgent || found.urgent);
                readable += usize::from(found.urgent || found.data.error_code == 0);
                let (name, error) = (asked.topic.0.as_str(), found.data.error_code);
                told.push(format!("{name}/{}@{}: {len} bytes, error {error}", part.partition, part.fetch_offset));
                partitions.push(found.data);
            }
            let topic = FetchableTopicResponse::default().with_topic(asked.topic.clone());
            responses.push(topic.with_partitions(partitions));
        }
        let enough =
            urgent || readable == 0 || bytes >= usize::try_from(message.min_bytes.min(message.max_bytes)).unwrap();
        if !enough && waited < Millis::try_from(message.max_wait_ms).unwrap() {
            return None;
        }
        world.note(format!(
            "broker {} answers client {} after {waited} of {} ms: {}",
            self.broker,
            self.client,
            message.max_wait_ms,
            told.join("; ")
        ));
        Some(seen.answer(&FetchResponse::default().with_responses(responses)))
    }

    /// `room`: how many bytes may come, and whether a first batch may be larger. `moment`: since when the
    /// request waits. A topic that is deleted ends the wait, however soon it is made again.
    fn read(
        &self,
        world: &World,
        name: &TopicName,
        part: &FetchPartition,
        committed: bool,
        room: (usize, bool),
        moment: u64,
    ) -> Found {
        let data = PartitionData::default().with_partition_index(part.partition).with_high_watermark(-1);
        let failed = |error: ResponseError, urgent| Found { data: data.clone().with_error_code(error.code()), urgent };
        let topic = world.topics.iter().find(|topic| topic.name == name.0.as_str()).unwrap();
        let at = usize::try_from(part.partition).unwrap();
        if *topic.denied[self.client].now() {
            return failed(ResponseError::TopicAuthorizationFailed, false);
        }
        let Some(log) = topic.logs.get(at).and_then(|log| log.now().as_ref()) else {
            return failed(ResponseError::UnknownTopicOrPartition, false);
        };
        if topic.logs[at].since(moment).any(Option::is_none) {
            return failed(ResponseError::UnknownTopicOrPartition, true);
        }
        if *world.leader.now() != self.broker {
            return failed(ResponseError::NotLeaderOrFollower, true);
        }
        let (epoch, asked) = (log.epoch(), part.current_leader_epoch);
        if asked >= 0 && asked != epoch {
            let (old, new) = (ResponseError::FencedLeaderEpoch, ResponseError::UnknownLeaderEpoch);
            return failed(if asked < epoch { old } else { new }, true);
        }
        if part.last_fetched_epoch >= 0 {
            let (epoch, end) = log.end_of_epoch(part.last_fetched_epoch);
            if epoch < part.last_fetched_epoch || end < part.fetch_offset {
                let diverging = EpochEndOffset::default().with_epoch(epoch).with_end_offset(end);
                return Found { data: told(log, data).with_diverging_epoch(diverging), urgent: true };
            }
        }
        if !(log.start..=log.end).contains(&part.fetch_offset) {
            return failed(ResponseError::OffsetOutOfRange, true);
        }
        let limit = log.limit(committed);
        let records = log.read(part.fetch_offset, limit, room.0, room.1);
        let aborted = committed.then(|| aborted(log, part.fetch_offset, &records));
        Found {
            data: told(log, data).with_records(Some(records.into())).with_aborted_transactions(aborted),
            urgent: false,
        }
    }

    fn metadata(&self, world: &World, message: &MetadataRequest) -> MetadataResponse {
        let asked = message.topics.iter().flatten().filter_map(|topic| topic.name.as_ref());
        let topics = asked.map(|name| {
            let found = MetadataResponseTopic::default().with_name(Some(name.clone()));
            let Some(topic) = world.topics.iter().find(|topic| topic.name == name.0.as_str()) else {
                return found.with_error_code(ResponseError::UnknownTopicOrPartition.code());
            };
            if *topic.denied[self.client].now() {
                return found.with_error_code(ResponseError::TopicAuthorizationFailed.code());
            }
            let Some(incarnation) = topic.logs[0].now().as_ref().map(|log| log.incarnation) else {
                return found.with_error_code(ResponseError::UnknownTopicOrPartition.code());
            };
            let partition = |at: usize| {
                let leader = BrokerId(*world.leader.now() as i32 + 1);
                let epoch = topic.logs[at].now().as_ref().map_or(-1, |log| log.epoch());
                MetadataResponsePartition::default()
                    .with_partition_index(at as i32)
                    .with_leader_id(leader)
                    .with_leader_epoch(epoch)
                    .with_replica_nodes(vec![BrokerId(1), BrokerId(2)])
                    .with_isr_nodes(vec![BrokerId(1), BrokerId(2)])
            };
            let id = uuid::Uuid::from_bytes([topic.name.as_bytes()[0] ^ (incarnation as u8 + 1); 16]);
            found.with_topic_id(id).with_partitions((0..topic.logs.len()).map(partition).collect())
        });
        MetadataResponse::default().with_brokers(vec![node(1), node(2)]).with_topics(topics.collect())
    }
}

fn told(log: &Log, data: PartitionData) -> PartitionData {
    data.with_high_watermark(log.high_watermark)
        .with_last_stable_offset(log.last_stable_offset())
        .with_log_start_offset(log.start)
}

fn aborted(log: &Log, offset: i64, records: &[u8]) -> Vec<AbortedTransaction> {
    let mut end = offset;
    let mut rest = records;
    while let Some(header) = Header::parse(rest) {
        end = header.last_offset() + 1;
        rest = rest.get(header.total_bytes().unwrap()..).unwrap_or_default();
    }
    let listed = log.aborted(offset, end).into_iter();
    let aborted = |(producer, first)| {
        AbortedTransaction::default().with_producer_id(ProducerId(producer)).with_first_offset(first)
    };
    listed.map(aborted).collect()
}

fn api_versions(world: &World) -> ApiVersionsResponse {
    let offer = |api_key| {
        let before_ids = api_key == ApiKey::Metadata as i16 && !world.has_topic_ids;
        ApiVersion::default().with_api_key(api_key).with_max_version(if before_ids { 9 } else { 20 })
    };
    ApiVersionsResponse::default().with_api_keys((0..=92).map(offer).collect())
}

/// What a client sends behind a Fetch, of one kind or another: Metadata of all topics, or ApiVersions.
pub(super) fn other_request(world: &mut World, correlation_id: i32) -> Vec<u8> {
    if world.random.once_in(2) {
        return request(2, correlation_id, &ApiVersionsRequest::default());
    }
    let named = |topic: &Topic| MetadataRequestTopic::default().with_name(Some(name(topic.name)));
    let topics = world.topics.iter().map(named).collect();
    let version = if world.has_topic_ids { 12 } else { 9 };
    request(version, correlation_id, &MetadataRequest::default().with_topics(Some(topics)))
}

/// A Fetch names its topics so.
pub(super) fn name(of: &str) -> TopicName {
    topic(of)
}
