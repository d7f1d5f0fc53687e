//! A small broker: logs of real batches, one request per connection at a time, long polls.
//!
//! It panics where a real one would do the wrong thing in silence, as with a partition that is named twice.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt::Debug;
use std::hash::Hash;

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::*;
use kafka_protocol::ResponseError;

use super::{batches, take_frames, text, topic, Seen};
use crate::wire::batch::{single_batch, Header};
use crate::Millis;

/// One physical partition.
#[derive(Debug, Default, Clone)]
pub(crate) struct Log {
    batches: Vec<Bytes>,
    pub(crate) start: i64,
    pub(crate) end: i64,
}

impl Log {
    /// Stores a batch under the next offsets; gives the first.
    pub(crate) fn append(&mut self, batch: &[u8]) -> i64 {
        let base = self.end;
        let batch = batches::at(batch, base);
        self.end = Header::parse(&batch).unwrap().last_offset() + 1;
        self.batches.push(batch);
        base
    }

    /// Whole batches from the one that holds `offset` on. The one that reaches beyond `bytes_max` is cut off,
    /// unless it is the first and `whole_first`.
    fn read(&self, offset: i64, bytes_max: usize, whole_first: bool) -> Option<Bytes> {
        if !(self.start..=self.end).contains(&offset) {
            return None;
        }
        let mut out = vec![];
        let wanted = |batch: &&Bytes| Header::parse(batch).unwrap().last_offset() >= offset;
        for batch in self.batches.iter().filter(wanted) {
            if out.len() + batch.len() > bytes_max && !(whole_first && out.is_empty()) {
                out.extend_from_slice(&batch[..bytes_max.saturating_sub(out.len())]);
                break;
            }
            out.extend_from_slice(batch);
        }
        Some(out.into())
    }
}

/// The broker's side of one connection.
#[derive(Default)]
pub(crate) struct Session {
    input: Vec<u8>,
    queue: VecDeque<Seen>,
    /// Since when the first of the queue waits.
    since: Option<Millis>,
}

#[derive(Default)]
pub(crate) struct Broker {
    pub(crate) topics: BTreeMap<String, Vec<Log>>,
    /// Fetches answered, over all connections.
    pub(crate) fetches: usize,
}

impl Broker {
    pub(crate) fn new(topics: &[(&str, usize)]) -> Self {
        let topics = topics.iter().map(|(name, partitions)| ((*name).to_owned(), vec![Log::default(); *partitions]));
        Self { topics: topics.collect(), fetches: 0 }
    }

    pub(crate) fn log(&mut self, topic: &str, partition: i32) -> Option<&mut Log> {
        self.topics.get_mut(topic)?.get_mut(usize::try_from(partition).ok()?)
    }

    /// Takes bytes of a connection, and gives what is answered by now.
    pub(crate) fn serve(&mut self, session: &mut Session, bytes: &[u8], now: Millis) -> Vec<u8> {
        session.input.extend_from_slice(bytes);
        session.queue.extend(take_frames(&mut session.input).iter().map(Seen::parse));
        let mut out = vec![];
        while let Some(seen) = session.queue.front() {
            let waited = now - *session.since.get_or_insert(now);
            let Some(answer) = self.answer(seen, waited) else { break };
            out.extend(answer);
            session.queue.pop_front();
            session.since = None;
        }
        out
    }

    /// None: not yet. Some of nothing: never (acks=0).
    pub(crate) fn answer(&mut self, seen: &Seen, waited: Millis) -> Option<Vec<u8>> {
        match ApiKey::try_from(seen.key).unwrap() {
            ApiKey::Produce => Some(self.produce(seen)),
            ApiKey::Fetch => self.fetch(seen, waited),
            ApiKey::Metadata => Some(seen.answer(&self.metadata(&seen.message()))),
            ApiKey::ApiVersions => Some(seen.answer(&api_versions())),
            ApiKey::Heartbeat => Some(seen.answer(&HeartbeatResponse::default())),
            other => panic!("the small broker does not know {other:?}"),
        }
    }

    fn produce(&mut self, seen: &Seen) -> Vec<u8> {
        let message: ProduceRequest = seen.message();
        let mut once = Once::default();
        let mut responses = vec![];
        for data in &message.topic_data {
            let mut partitions = vec![];
            for part in &data.partition_data {
                once.name((data.name.clone(), part.index));
                let records = part.records.clone().unwrap();
                single_batch(&records).unwrap();
                batches::read(&records);
                let answer = PartitionProduceResponse::default().with_index(part.index);
                partitions.push(match self.log(&data.name, part.index) {
                    Some(log) => answer.with_base_offset(log.append(&records)).with_log_start_offset(log.start),
                    None => answer.with_base_offset(-1).with_error_code(UNKNOWN),
                });
            }
            responses.push(
                TopicProduceResponse::default().with_name(data.name.clone()).with_partition_responses(partitions),
            );
        }
        if message.acks == 0 {
            return vec![];
        }
        seen.answer(&ProduceResponse::default().with_responses(responses))
    }

    fn fetch(&mut self, seen: &Seen, waited: Millis) -> Option<Vec<u8>> {
        let message: FetchRequest = seen.message();
        assert!(message.session_id == 0 && (seen.version < 7 || message.session_epoch == -1));
        let mut once = Once::default();
        let mut left = usize::try_from(message.max_bytes).unwrap();
        let (mut bytes, mut failed) = (0, false);
        let mut responses = vec![];
        for asked in &message.topics {
            let mut partitions = vec![];
            for part in &asked.partitions {
                once.name((asked.topic.clone(), part.partition));
                let bytes_max = left.min(usize::try_from(part.partition_max_bytes).unwrap());
                let data = self.read(&asked.topic, part.partition, part.fetch_offset, bytes_max, bytes == 0);
                let len = data.records.as_ref().map_or(0, Bytes::len);
                (bytes, left) = (bytes + len, left.saturating_sub(len));
                failed |= data.error_code != 0;
                partitions.push(data);
            }
            let topic = FetchableTopicResponse::default().with_topic(asked.topic.clone());
            responses.push(topic.with_partitions(partitions));
        }
        let enough = failed || bytes >= usize::try_from(message.min_bytes).unwrap();
        if !enough && waited < Millis::try_from(message.max_wait_ms).unwrap() {
            return None;
        }
        self.fetches += 1;
        Some(seen.answer(&FetchResponse::default().with_responses(responses)))
    }

    fn read(&mut self, topic: &str, partition: i32, offset: i64, bytes_max: usize, whole_first: bool) -> PartitionData {
        let data = PartitionData::default().with_partition_index(partition).with_high_watermark(-1);
        let Some(log) = self.log(topic, partition) else { return data.with_error_code(UNKNOWN) };
        match log.read(offset, bytes_max, whole_first) {
            None => data.with_error_code(ResponseError::OffsetOutOfRange.code()),
            Some(records) => data
                .with_high_watermark(log.end)
                .with_last_stable_offset(log.end)
                .with_log_start_offset(log.start)
                .with_records(Some(records)),
        }
    }

    fn metadata(&self, message: &MetadataRequest) -> MetadataResponse {
        let wanted = |name: &str| {
            let named = |topics: &Vec<metadata_request::MetadataRequestTopic>| {
                topics.iter().any(|topic| topic.name.as_ref().is_some_and(|asked| asked.0.as_str() == name))
            };
            message.topics.as_ref().is_none_or(named)
        };
        let topics = self.topics.iter().filter(|(name, _)| wanted(name));
        let partition = |index| {
            MetadataResponsePartition::default()
                .with_partition_index(index)
                .with_leader_id(BrokerId(1))
                .with_leader_epoch(-1)
                .with_replica_nodes(vec![BrokerId(1)])
                .with_isr_nodes(vec![BrokerId(1)])
        };
        let topics = topics.map(|(name, logs)| {
            MetadataResponseTopic::default()
                .with_name(Some(topic(name)))
                .with_partitions((0..logs.len() as i32).map(partition).collect())
        });
        MetadataResponse::default().with_brokers(vec![node(1)]).with_topics(topics.collect())
    }
}

const UNKNOWN: i16 = 3;

/// The brokers of a cluster; for the third one [`MAPPED`](super::MAPPED) has no address, so that it must not
/// be named.
pub(crate) const BROKERS: [i32; 3] = [1, 2, 3];

/// Broker `id` under the address that it gives itself.
pub(crate) fn node(id: i32) -> MetadataResponseBroker {
    MetadataResponseBroker::default()
        .with_node_id(BrokerId(id))
        .with_host(text(&format!("kafka-{id}.internal")))
        .with_port(9092)
}

/// A broker that knows everything: all keys and all versions up to 20, but takes no Produce by topic ids.
pub(crate) fn api_versions() -> ApiVersionsResponse {
    let max = |api_key| if api_key == ApiKey::Produce as i16 { 12 } else { 20 };
    let offer = |api_key| ApiVersion::default().with_api_key(api_key).with_max_version(max(api_key));
    ApiVersionsResponse::default().with_api_keys((0..=92).map(offer).collect())
}

/// Sees to it that nothing is named twice.
#[derive(Debug)]
pub(crate) struct Once<T>(HashSet<T>);

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(HashSet::new())
    }
}

impl<T: Hash + Eq + Debug + Clone> Once<T> {
    pub(crate) fn name(&mut self, item: T) {
        assert!(self.0.insert(item.clone()), "{item:?} is named twice");
    }
}
