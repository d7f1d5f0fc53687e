//! The partitions that Fetch messages name: out of the client's request, into a round's, and out of its
//! answer.

use std::collections::HashMap;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::{FetchResponse, TopicName};

use crate::exchange::located::{detached, Place};
use crate::remapper::PhysicalPartition;

/// Each partition once, as Kafka takes it: where it was named first, with what was said last.
pub(super) fn once(topics: Vec<FetchTopic>) -> Vec<(TopicName, FetchPartition)> {
    let mut at: HashMap<(TopicName, i32), usize> = HashMap::new();
    let mut named: Vec<(TopicName, FetchPartition)> = vec![];
    for topic in topics {
        let name = detached(&topic.topic);
        for wanted in topic.partitions {
            let at = *at.entry((name.clone(), wanted.partition)).or_insert(named.len());
            match named.get_mut(at) {
                Some((_, before)) => *before = wanted,
                None => named.push((name.clone(), wanted)),
            }
        }
    }
    named
}

/// Neighbours of one topic together, in the order of `questions`.
pub(super) fn by_topic(questions: Vec<(TopicName, FetchPartition)>) -> Vec<FetchTopic> {
    let mut topics: Vec<FetchTopic> = vec![];
    for (topic, question) in questions {
        match topics.last_mut() {
            Some(last) if last.topic == topic => last.partitions.push(question),
            _ => topics.push(FetchTopic::default().with_topic(topic).with_partitions(vec![question])),
        }
    }
    topics
}

/// The partitions of an answer, and where they are.
pub(super) fn by_place(answer: FetchResponse) -> impl Iterator<Item = (Place, PartitionData)> {
    answer.responses.into_iter().flat_map(|topic| {
        let place = move |partition| Place { topic: topic.topic.clone(), partition: PhysicalPartition(partition) };
        topic.partitions.into_iter().map(move |data| (place(data.partition_index), data))
    })
}
