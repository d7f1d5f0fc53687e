//! DescribeProducers for siblings.

use std::collections::BTreeMap;

use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use kafka_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};

use crate::apis::partitions::testing::{ask_ignorant, passes, MANY, RANGE, UNKNOWN};
use crate::testing::broker::Once;
use crate::testing::{ask, ask_alone, text, topic, Seen, MAPPED};

type Asked<'a> = &'a [(&'a str, &'a [i32])];

fn message(asked: Asked<'_>) -> DescribeProducersRequest {
    let topic = |(name, partitions): &(&str, &[i32])| {
        TopicRequest::default().with_name(topic(name)).with_partition_indexes(partitions.to_vec())
    };
    DescribeProducersRequest::default().with_topics(asked.iter().map(topic).collect())
}

/// Producers 1000 of lane 0, 1001 of lane 1, 1002 of lanes 1 and 2, and one of a lane that no mapping here
/// has; a transaction of 1000 began at offset 50. Of partition 1 of `t` this is not the leader.
fn describe(seen: &Seen) -> Vec<u8> {
    let message: DescribeProducersRequest = seen.message();
    let mut once = Once::default();
    let producer = |(lane, id): (i64, i64)| {
        let state = ProducerState::default().with_producer_id(ProducerId(id | lane << 40)).with_last_sequence(7);
        state.with_current_txn_start_offset(if id == 1_000 { 50 } else { -1 })
    };
    let producers: Vec<_> = [(0, 1_000), (1, 1_001), (1, 1_002), (2, 1_002), (9, 1_003)].map(producer).to_vec();
    let topics = message.topics.into_iter().map(|asked| {
        let partitions = asked.partition_indexes.into_iter().map(|partition| {
            once.name((asked.name.clone(), partition));
            let found = PartitionResponse::default().with_partition_index(partition);
            match (asked.name.0.as_str(), partition) {
                ("t", 1) => found.with_error_code(6).with_error_message(Some(text("not the leader of t-1"))),
                _ => found.with_active_producers(producers.clone()),
            }
        });
        TopicResponse::default().with_name(asked.name.clone()).with_partitions(partitions.collect())
    });
    seen.answer(&DescribeProducersResponse::default().with_throttle_time_ms(7).with_topics(topics.collect()))
}

/// Error, words, and producers with the offsets at which their transactions began, by topic and partition.
type Told = BTreeMap<(String, i32), (i16, Option<String>, Vec<(i64, i64)>)>;

fn told(answer: &DescribeProducersResponse) -> Told {
    let mut told = BTreeMap::new();
    for found in &answer.topics {
        for part in &found.partitions {
            let words = part.error_message.as_ref().map(ToString::to_string);
            let producers = part.active_producers.iter();
            let producers = producers.map(|state| (state.producer_id.0, state.current_txn_start_offset)).collect();
            let place = (found.name.to_string(), part.partition_index);
            assert_eq!(told.insert(place, (part.error_code, words, producers)), None);
        }
    }
    told
}

#[test]
fn producers_are_shown_to_their_lanes_by_their_own_ids() {
    let asked: Asked<'_> = &[("t", &[0, 2, 5, 2, 6]), ("u", &[7]), ("l", &[3, 5]), ("b", &[2])];
    let (seen, answer) = ask(MAPPED, 0, &message(asked), describe);
    let up: Asked<'_> = &[("u", &[7]), ("t", &[0, 1]), ("l", &[1]), ("b", &[0])];
    assert_eq!(seen.iter().map(Seen::message).collect::<Vec<DescribeProducersRequest>>(), [message(up)]);
    let all = |offset| vec![(1_000, offset)];
    let outside = Some("the topic has fewer virtual partitions".to_owned());
    let wanted = [
        (("t", 0), (0, None, all(50))),
        (("t", 2), (0, None, [all(50), vec![(1_001, -1), (1_002, -1)]].concat())),
        (("t", 5), (6, None, vec![])), // the broker's words name partition 1
        (("t", 6), (UNKNOWN, outside, vec![])),
        (("l", 3), (0, None, [all(RANGE + 50), vec![(1_001, -1), (1_002, -1)]].concat())),
        (("l", 5), (0, None, [all(2 * RANGE + 50), vec![(1_002, -1)]].concat())),
        (("b", 2), (0, None, [all(50), vec![(1_002, -1)]].concat())),
    ];
    let mut answered = told(&answer);
    assert_eq!(answered.remove(&("u".to_owned(), 7)).unwrap().2.len(), 5, "as the broker says");
    let wanted = wanted.map(|((name, partition), told)| ((name.to_owned(), partition), told));
    assert_eq!(answered, wanted.into());
    assert_eq!(answer.throttle_time_ms, 7);
}

#[test]
fn what_has_no_place_is_refused() {
    let answer = ask_alone(MAPPED, 0, &message(&[("t", &[6, -1])]));
    assert!(told(&answer).values().all(|told| told.0 == UNKNOWN));
    let (seen, answer, warnings) = ask_ignorant(0, &message(&[("t", &[0]), ("u", &[0])]), 3, describe);
    assert_eq!(seen[1].message::<DescribeProducersRequest>(), message(&[("u", &[0])]));
    assert_eq!(told(&answer).into_values().map(|told| told.0).collect::<Vec<_>>(), [UNKNOWN, 0]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[test]
fn other_topics_alone_pass_byte_for_byte() {
    passes(MAPPED, 0, &message(&[("u", &[7])]), describe);
    passes("", 0, &message(&[("t", &[7])]), describe);
}

#[test]
fn very_many_partitions_take_linear_time() {
    let all: Vec<i32> = (0..100_000).collect();
    let (seen, answer) = ask(MANY, 0, &message(&[("many", &all)]), describe);
    assert_eq!(seen[0].message::<DescribeProducersRequest>().topics[0].partition_indexes.len(), 50_000);
    assert_eq!(told(&answer).len(), 100_000);
}
