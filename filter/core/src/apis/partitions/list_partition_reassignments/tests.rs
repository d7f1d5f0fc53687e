//! ListPartitionReassignments for siblings and for all partitions.

use kafka_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use kafka_protocol::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use kafka_protocol::messages::{BrokerId, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

use crate::apis::partitions::testing::{ask_ignorant, passes, MANY};
use crate::testing::broker::Once;
use crate::testing::{ask, topic, Seen, MAPPED};

type Asked<'a> = &'a [(&'a str, &'a [i32])];

fn message(asked: Option<Asked<'_>>) -> ListPartitionReassignmentsRequest {
    let topics = |asked: Asked<'_>| {
        let topic = |(name, partitions): &(&str, &[i32])| {
            ListPartitionReassignmentsTopics::default()
                .with_name(topic(name))
                .with_partition_indexes(partitions.to_vec())
        };
        asked.iter().map(topic).collect()
    };
    ListPartitionReassignmentsRequest::default().with_timeout_ms(1_234).with_topics(asked.map(topics))
}

/// Of what is asked for, or of all that there is, every partition but 1 moves: from 10 + p to 20 + p.
fn list(seen: &Seen, all: Asked<'_>) -> Vec<u8> {
    let message: ListPartitionReassignmentsRequest = seen.message();
    assert_eq!(message.timeout_ms, 1_234);
    let mut once = Once::default();
    let asked = message.topics.map_or_else(
        || all.iter().map(|(name, partitions)| (topic(name), partitions.to_vec())).collect::<Vec<_>>(),
        |topics| topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect(),
    );
    let topics = asked.into_iter().map(|(name, partitions)| {
        let moving = partitions.into_iter().filter(|partition| *partition != 1).map(|partition| {
            once.name((name.clone(), partition));
            OngoingPartitionReassignment::default()
                .with_partition_index(partition)
                .with_replicas(vec![BrokerId(10 + partition), BrokerId(20 + partition)])
                .with_adding_replicas(vec![BrokerId(20 + partition)])
                .with_removing_replicas(vec![BrokerId(10 + partition)])
        });
        OngoingTopicReassignment::default().with_name(name.clone()).with_partitions(moving.collect())
    });
    let answer = ListPartitionReassignmentsResponse::default().with_throttle_time_ms(7).with_error_message(None);
    seen.answer(&answer.with_topics(topics.collect()))
}

/// Topic, partition, and which physical partition the replicas are those of.
fn told(answer: &ListPartitionReassignmentsResponse) -> Vec<(String, i32, i32)> {
    let mut told = vec![];
    for found in &answer.topics {
        told.extend(found.partitions.iter().map(|part| {
            let physical = part.removing_replicas[0].0 - 10;
            assert_eq!(part.replicas, [BrokerId(10 + physical), BrokerId(20 + physical)]);
            assert_eq!(part.adding_replicas, [BrokerId(20 + physical)]);
            (found.name.to_string(), part.partition_index, physical)
        }));
    }
    told.sort();
    told
}

fn expected(told: &[(&str, i32, i32)]) -> Vec<(String, i32, i32)> {
    let mut told: Vec<_> = told.iter().map(|(name, v, p)| ((*name).to_owned(), *v, *p)).collect();
    told.sort();
    told
}

#[test]
fn what_moves_is_listed_under_the_numbers_that_were_named() {
    let asked: Asked<'_> = &[("t", &[4, 1, 0, 4, 6, -1]), ("u", &[7, 1]), ("b", &[2, 5])];
    let (seen, answer) = ask(MAPPED, 0, &message(Some(asked)), |seen| list(seen, &[]));
    let up: Asked<'_> = &[("u", &[7, 1]), ("t", &[0, 1]), ("b", &[0, 1])];
    assert_eq!(seen.iter().map(Seen::message).collect::<Vec<ListPartitionReassignmentsRequest>>(), [message(Some(up))]);
    assert_eq!(told(&answer), expected(&[("t", 0, 0), ("t", 4, 0), ("u", 7, 7), ("b", 2, 0)]));
    assert_eq!(answer.throttle_time_ms, 7);
    // Nothing that there is: not all that there is.
    let (seen, answer) = ask(MAPPED, 0, &message(Some(&[("t", &[6])])), |seen| list(seen, &[("t", &[0])]));
    assert_eq!(seen[0].message::<ListPartitionReassignmentsRequest>(), message(Some(&[])));
    assert_eq!(answer.topics, []);
}

#[test]
fn all_that_moves_is_all_siblings_of_topics_that_fit() {
    let all: Asked<'_> = &[("t", &[0, 1]), ("u", &[0, 3]), ("b", &[0]), ("l", &[0])];
    let wanted =
        [("t", 0, 0), ("t", 2, 0), ("t", 4, 0), ("u", 0, 0), ("u", 3, 3), ("b", 0, 0), ("b", 1, 0), ("b", 2, 0)];
    let of_l = [("l", 0, 0), ("l", 2, 0), ("l", 4, 0)];
    let (seen, answer) = ask(MAPPED, 0, &message(None), |seen| list(seen, all));
    assert_eq!((seen.len(), seen[0].message()), (1, message(None)));
    assert_eq!(told(&answer), expected(&[&wanted[..], &of_l].concat()));
    let (seen, answer, _) = ask_ignorant(0, &message(None), 2, |seen| list(seen, all));
    assert_eq!(seen.iter().map(|seen| seen.key).collect::<Vec<_>>(), [46, 3]);
    assert_eq!(told(&answer), expected(&wanted), "of `l` the broker tells nothing");
    let (_, answer, warnings) = ask_ignorant(0, &message(None), 3, |seen| list(seen, all));
    assert_eq!(told(&answer), expected(&[("u", 0, 0), ("u", 3, 3)]));
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

#[test]
fn a_topic_that_does_not_fit_is_left_out() {
    let (seen, answer, warnings) =
        ask_ignorant(0, &message(Some(&[("t", &[0]), ("u", &[0])])), 3, |seen| list(seen, &[]));
    assert_eq!(seen[1].message::<ListPartitionReassignmentsRequest>(), message(Some(&[("u", &[0])])));
    assert_eq!((told(&answer), warnings.len()), (expected(&[("u", 0, 0)]), 1));
}

#[test]
fn other_topics_alone_pass_byte_for_byte() {
    passes(MAPPED, 0, &message(Some(&[("u", &[7])])), |seen| list(seen, &[]));
    passes(MAPPED, 0, &message(Some(&[])), |seen| list(seen, &[]));
    passes("", 0, &message(Some(&[("t", &[7])])), |seen| list(seen, &[]));
    passes("", 0, &message(None), |seen| list(seen, &[("t", &[7])]));
}

#[test]
fn very_many_partitions_take_linear_time() {
    let all: Vec<i32> = (0..100_000).collect();
    let (_, answer) = ask(MANY, 0, &message(Some(&[("many", &all)])), |seen| list(seen, &[]));
    assert_eq!(told(&answer).len(), 99_998);
    let (_, answer) = ask(MANY, 0, &message(None), |seen| list(seen, &[("many", &all[..50_000])]));
    assert_eq!(told(&answer).len(), 99_998);
}
