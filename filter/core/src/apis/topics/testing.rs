//! A broker that creates topics as Kafka does, for the tests of administration of topics.

use std::collections::BTreeMap;

use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic};
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
};

use crate::testing::{text, topic, Seen};

/// `num.partitions` of the broker.
pub(super) const NUM_PARTITIONS: i32 = 3;
pub(super) const UNKNOWN: i16 = 3;
pub(super) const EXISTS: i16 = 36;
pub(super) const INVALID_REQUEST: i16 = 42;
pub(super) const INVALID_PARTITIONS: i16 = 37;
pub(super) const POLICY_VIOLATION: i16 = 44;
pub(super) const INVALID_ASSIGNMENT: i16 = 39;
pub(super) const INVALID_CONFIG: i16 = 40;

/// A request for a topic of so many partitions.
pub(super) fn creatable(name: &str, partitions: i32) -> CreatableTopic {
    CreatableTopic::default().with_name(topic(name)).with_num_partitions(partitions).with_replication_factor(1)
}

/// As [`creatable`], with the replicas of each partition.
pub(super) fn assigned(name: &str, partitions: i32) -> CreatableTopic {
    let assignment = |index| CreatableReplicaAssignment::default().with_partition_index(index);
    creatable(name, -1).with_replication_factor(-1).with_assignments((0..partitions).map(assignment).collect())
}

/// The topics of a cluster, with their partitions.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    pub(super) topics: BTreeMap<String, i32>,
}

impl Cluster {
    /// Answers a request for creation, in an order of its own.
    pub(super) fn answer(&mut self, seen: &Seen) -> Vec<u8> {
        let message: CreateTopicsRequest = seen.message();
        let mut times = BTreeMap::new();
        message.topics.iter().for_each(|topic| *times.entry(topic.name.clone()).or_insert(0) += 1);
        let mut results = BTreeMap::new();
        for topic in &message.topics {
            let failed = match () {
                () if times[&topic.name] > 1 => INVALID_REQUEST,
                () if self.topics.contains_key(topic.name.as_str()) => EXISTS,
                () if topic.num_partitions == 0 || topic.num_partitions < -1 => INVALID_PARTITIONS,
                () => 0,
            };
            let count = match topic.num_partitions {
                -1 if topic.assignments.is_empty() => NUM_PARTITIONS,
                -1 => topic.assignments.len() as i32,
                count => count,
            };
            results.insert(topic.name.clone(), result(seen.version, topic, failed, count));
            if failed == 0 && !message.validate_only {
                self.topics.insert(topic.name.to_string(), count);
            }
        }
        let results = results.into_values().rev().collect();
        seen.answer(&CreateTopicsResponse::default().with_throttle_time_ms(5).with_topics(results))
    }

    /// Answers a request for more partitions.
    pub(super) fn increase(&mut self, seen: &Seen) -> Vec<u8> {
        let message: CreatePartitionsRequest = seen.message();
        let mut times = BTreeMap::new();
        message.topics.iter().for_each(|topic| *times.entry(topic.name.clone()).or_insert(0) += 1);
        let mut results = BTreeMap::new();
        for topic in &message.topics {
            let count = self.topics.get_mut(topic.name.as_str());
            let failed = match count {
                _ if times[&topic.name] > 1 => INVALID_REQUEST,
                None => UNKNOWN,
                Some(count) if topic.count <= *count => INVALID_PARTITIONS,
                Some(_) if message.validate_only => 0,
                Some(count) => {
                    *count = topic.count;
                    0
                }
            };
            let words = (failed != 0).then(|| text("the broker's words"));
            let result = CreatePartitionsTopicResult::default().with_name(topic.name.clone());
            results.insert(topic.name.clone(), result.with_error_code(failed).with_error_message(words));
        }
        seen.answer(&CreatePartitionsResponse::default().with_results(results.into_values().rev().collect()))
    }
}

fn result(version: i16, topic: &CreatableTopic, failed: i16, count: i32) -> CreatableTopicResult {
    let result = CreatableTopicResult::default().with_name(topic.name.clone()).with_error_code(failed);
    if failed != 0 {
        return result.with_error_message(Some(text("the broker's words")));
    }
    let result = result.with_error_message(None);
    let configs = topic
        .configs
        .iter()
        .map(|config| CreatableTopicConfigs::default().with_name(config.name.clone()).with_value(config.value.clone()));
    let result = match version {
        ..5 => result,
        5.. => result.with_num_partitions(count).with_replication_factor(1).with_configs(Some(configs.collect())),
    };
    if version < 7 {
        result
    } else {
        result.with_topic_id(uuid::Uuid::from_bytes([9; 16]))
    }
}
