//! DescribeProducers for siblings.

use std::collections::BTreeMap;

use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use kafka_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};

use crate::apis::partitions::testing::{ask_ignorant, passes, MANY, RANGE, UNKNOWN};
use crate::limits;
use crate::testing::broker::Once;
use crate::testing::{ask, ask_alone, text, topic, Seen, MAPPED};

const POLICY: i16 = 44;

type Asked<'a> = &'a [(&'a str, &'a [i32])];

fn message(asked: Asked<'_>) -> DescribeProducersRequest {
    let topic = |(name, partitions): &(&str, &[i32])| {
        TopicRequest::default().with_name(topic(name)).with_partition_indexes(partitions.to_vec())
    };
    DescribeProducersRequest::default().with_topics(asked.iter().map(topic).collect())
}

/// Idempotent producers 1001 of lanes 0 and 1, 1002 of lanes 1 and 2, and one of a lane that no mapping here
/// has; transactional ones 1000, whose transaction began at offset 50, and 1004, which has ended its own. Of
/// partition 1 of `t` this is not the leader.
fn describe(seen: &Seen) -> Vec<u8> {
    let message: DescribeProducersRequest = seen.message();
    let mut once = Once::default();
    let producer =
        |(lane, id): (i64, i64)| {
            let state = ProducerState::default().with_producer_id(ProducerId(id | lane << 40)).with_last_sequence(7);
            state
                .with_current_txn_start_offset(if id == 1_000 { 50 } else { -1 })
                .with_coordinator_epoch(if id == 1_004 { 0 } else { -1 })
        };
    let producers = [(0, 1_000), (0, 1_001), (1, 1_001), (1, 1_002), (2, 1_002), (9, 1_003), (0, 1_004)].map(producer);
    let topics = message.topics.into_iter().map(|asked| {
        let partitions = asked.partition_indexes.into_iter().map(|partition| {
            once.name((asked.name.clone(), partition));
            let found = PartitionResponse::default().with_partition_index(partition);
            match (asked.name.0.as_str(), partition) {
                ("t", 1) => found.with_error_code(6).with_error_message(Some(text("not the leader of t-1"))),
                _ => found.with_active_producers(producers.to_vec()),
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
    let producers = |offset, own: &[i64]| {
        let own = own.iter().map(|id| (*id, -1));
        [(1_000, offset)].into_iter().chain(own).chain([(1_004, -1)]).collect::<Vec<_>>()
    };
    let outside = Some("the topic has fewer virtual partitions".to_owned());
    let wanted = [
        (("t", 0), (0, None, producers(50, &[1_001]))),
        (("t", 2), (0, None, producers(50, &[1_001, 1_002]))),
        (("t", 5), (6, None, vec![])), // the broker's words name partition 1
        (("t", 6), (UNKNOWN, outside, vec![])),
        (("l", 3), (0, None, producers(RANGE + 50, &[1_001, 1_002]))),
        (("l", 5), (0, None, producers(2 * RANGE + 50, &[1_002]))),
        (("b", 2), (0, None, producers(50, &[1_002]))),
    ];
    let mut answered = told(&answer);
    assert_eq!(answered.remove(&("u".to_owned(), 7)).unwrap().2.len(), 7, "as the broker says");
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

/// 100 siblings, all named, and 3,000 transactional producers, of which each would have a copy.
#[test]
fn copies_of_producers_are_bounded() {
    let config = r#"{"mapping": {"topics": [{"name": "c", "virtual_partitions": 100, "physical_partitions": 1}]}}"#;
    let crowd = |named: &[i32]| {
        let (_, answer) = ask(config, 0, &message(&[("c", named)]), |seen| {
            let producers = (0..3_000).map(|id| ProducerState::default().with_producer_id(ProducerId(id)));
            let producers = producers.map(|state| state.with_coordinator_epoch(0).with_current_txn_start_offset(-1));
            let found = PartitionResponse::default().with_active_producers(producers.collect());
            let found = TopicResponse::default().with_name(topic("c")).with_partitions(vec![found]);
            seen.answer(&DescribeProducersResponse::default().with_topics(vec![found]))
        });
        told(&answer).into_values().map(|(error, words, producers)| (error, words.is_some(), producers.len())).collect()
    };
    let all: Vec<i32> = (0..100).collect();
    let answered: Vec<(i16, bool, usize)> = crowd(&all);
    let shown = 1 + limits::PRODUCERS_COPIED_MAX / 3_000;
    assert_eq!(answered[..shown], vec![(0, false, 3_000); shown]);
    assert_eq!(answered[shown..], vec![(POLICY, true, 0); 100 - shown]);
    assert_eq!(crowd(&all[70..]), vec![(0, false, 3_000); 30]);
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
