//! ElectLeaders for siblings and for all partitions, in every version.

use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use kafka_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};

use crate::apis::partitions::testing::{ask_ignorant, passes, MANY, UNKNOWN};
use crate::limits;
use crate::testing::broker::Once;
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{ask, ask_alone, request, shared, text, topic, Seen, MAPPED};

type Asked<'a> = &'a [(&'a str, &'a [i32])];

const NOT_NEEDED: i16 = 84;

fn message(version: i16, asked: Option<Asked<'_>>) -> ElectLeadersRequest {
    let topics = |asked: Asked<'_>| {
        let topic = |(name, partitions): &(&str, &[i32])| {
            TopicPartitions::default().with_topic(topic(name)).with_partitions(partitions.to_vec())
        };
        asked.iter().map(topic).collect()
    };
    ElectLeadersRequest::default()
        .with_election_type(i8::from(version > 0))
        .with_timeout_ms(1_234)
        .with_topic_partitions(asked.map(topics))
}

/// Partition 1 has its leader already, and the broker says so in words with its number and without.
fn result(name: &str, partition: i32) -> PartitionResult {
    let result = PartitionResult::default().with_partition_id(partition).with_error_message(None);
    match (name, partition) {
        ("t", 1) => result.with_error_code(NOT_NEEDED).with_error_message(Some(text("the leader of t-1 is preferred"))),
        (_, 1) => result.with_error_code(NOT_NEEDED).with_error_message(Some(text("all 10 leaders are preferred"))),
        _ => result,
    }
}

fn answered(seen: &Seen, asked: Asked<'_>) -> Vec<u8> {
    let mut once = Once::default();
    let topics = asked.iter().map(|(name, partitions)| {
        let results = partitions.iter().map(|partition| {
            once.name(((*name).to_owned(), *partition));
            result(name, *partition)
        });
        ReplicaElectionResult::default().with_topic(topic(name)).with_partition_result(results.collect())
    });
    let answer = ElectLeadersResponse::default().with_throttle_time_ms(7);
    seen.answer(&answer.with_replica_election_results(topics.collect()))
}

fn asked_upstream(seen: &Seen) -> Vec<(String, Vec<i32>)> {
    let topics = seen.message::<ElectLeadersRequest>().topic_partitions.unwrap();
    topics.into_iter().map(|topic| (topic.topic.to_string(), topic.partitions)).collect()
}

fn elect(seen: &Seen) -> Vec<u8> {
    let message: ElectLeadersRequest = seen.message();
    assert_eq!((message.timeout_ms, message.election_type), (1_234, i8::from(seen.version > 0)));
    let asked = asked_upstream(seen);
    let asked: Vec<(&str, &[i32])> = asked.iter().map(|(name, parts)| (name.as_str(), parts.as_slice())).collect();
    answered(seen, &asked)
}

/// Topic, partition, error and words, in order.
fn told(answer: &ElectLeadersResponse) -> Vec<(String, i32, i16, Option<String>)> {
    let mut told = vec![];
    for found in &answer.replica_election_results {
        told.extend(found.partition_result.iter().map(|part| {
            let words = part.error_message.as_ref().map(ToString::to_string);
            (found.topic.to_string(), part.partition_id, part.error_code, words)
        }));
    }
    told.sort();
    told
}

fn expected(told: &[(&str, i32, i16, Option<&str>)]) -> Vec<(String, i32, i16, Option<String>)> {
    let own = |(name, partition, error, words): &(&str, i32, i16, Option<&str>)| {
        ((*name).to_owned(), *partition, *error, words.map(ToOwned::to_owned))
    };
    let mut told: Vec<_> = told.iter().map(own).collect();
    told.sort();
    told
}

const OUTSIDE: Option<&str> = Some("the topic has fewer virtual partitions");
const PREFERRED: Option<&str> = Some("all 10 leaders are preferred");

#[test]
fn siblings_are_elected_once_and_answered_under_the_numbers_that_were_named() {
    for version in 0..=2 {
        let asked: Asked<'_> = &[("t", &[0, 4, 5, 0, 6]), ("u", &[7, 1]), ("b", &[3, 1]), ("t", &[2, 6])];
        let (seen, answer) = ask(MAPPED, version, &message(version, Some(asked)), elect);
        let up: Asked<'_> = &[("u", &[7, 1]), ("t", &[0, 1]), ("b", &[1, 0])];
        let up: Vec<_> = up.iter().map(|(name, parts)| ((*name).to_owned(), parts.to_vec())).collect();
        assert_eq!(seen.iter().map(asked_upstream).collect::<Vec<_>>(), [up], "v{version}");
        let wanted = [
            ("t", 0, 0, None),
            ("t", 2, 0, None),
            ("t", 4, 0, None),
            ("t", 5, NOT_NEEDED, None), // the broker's words name partition 1
            ("t", 6, UNKNOWN, OUTSIDE),
            ("u", 7, 0, None),
            ("u", 1, NOT_NEEDED, PREFERRED),
            ("b", 3, NOT_NEEDED, PREFERRED),
            ("b", 1, 0, None),
        ];
        assert_eq!((told(&answer), answer.throttle_time_ms), (expected(&wanted), 7), "v{version}");
    }
    let answer = ask_alone(MAPPED, 2, &message(2, Some(&[("t", &[6, -1])])));
    assert_eq!(told(&answer), expected(&[("t", 6, UNKNOWN, OUTSIDE), ("t", -1, UNKNOWN, OUTSIDE)]));
}

#[test]
fn all_partitions_are_all_siblings_of_topics_that_fit() {
    for version in 0..=2 {
        let all: Asked<'_> = &[("t", &[1]), ("u", &[0, 1]), ("b", &[0]), ("l", &[0])];
        let wanted = [
            ("t", 1, NOT_NEEDED, None),
            ("t", 3, NOT_NEEDED, None),
            ("t", 5, NOT_NEEDED, None),
            ("u", 0, 0, None),
            ("u", 1, NOT_NEEDED, PREFERRED),
            ("b", 0, 0, None),
            ("b", 1, 0, None),
            ("b", 2, 0, None),
        ];
        let of_l = [("l", 0, 0, None), ("l", 2, 0, None), ("l", 4, 0, None)];
        let (seen, answer) = ask(MAPPED, version, &message(version, None), |seen| answered(seen, all));
        assert_eq!(seen[0].message::<ElectLeadersRequest>(), message(version, None));
        assert_eq!(seen.len(), 1, "v{version}: the topics are known");
        assert_eq!(told(&answer), expected(&[&wanted[..], &of_l].concat()), "v{version}");
        // What is not known is asked. Of `l` the broker tells nothing: its numbers would be a guess.
        let (seen, answer, _) = ask_ignorant(version, &message(version, None), 2, |seen| answered(seen, all));
        assert_eq!(seen.iter().map(|seen| seen.key).collect::<Vec<_>>(), [43, 3]);
        assert_eq!(told(&answer), expected(&wanted), "v{version}");
        let (_, answer, warnings) = ask_ignorant(version, &message(version, None), 3, |seen| answered(seen, all));
        assert_eq!(told(&answer), expected(&[("u", 0, 0, None), ("u", 1, NOT_NEEDED, PREFERRED)]), "v{version}");
        assert_eq!(warnings.len(), 2, "one line for each topic that does not fit: {warnings:?}");
    }
}

#[test]
fn a_refusal_of_the_whole_need_not_name_partitions() {
    for version in 1..=2 {
        let refused = ElectLeadersResponse::default().with_error_code(31);
        let asked = message(version, Some(&[("t", &[0, 6])]));
        let (_, answer) = ask(MAPPED, version, &asked, |seen| seen.answer(&refused));
        assert_eq!(answer.error_code, 31);
    }
}

#[test]
fn other_topics_alone_pass_byte_for_byte() {
    for version in 0..=2 {
        passes(MAPPED, version, &message(version, Some(&[("u", &[7, 7])])), |seen| answered(seen, &[("u", &[7])]));
        passes(MAPPED, version, &message(version, Some(&[])), elect);
        passes("", version, &message(version, Some(&[("t", &[7])])), elect);
        passes("", version, &message(version, None), |seen| answered(seen, &[("t", &[7])]));
    }
}

/// Some 200 bytes for each of ten million numbers would end the worker, and all its connections.
#[test]
fn more_partitions_than_a_request_may_name_end_the_connection() {
    let twice: Vec<i32> = vec![0; limits::ELEMENTS_MAX];
    for topics in [[("t", &twice[..]), ("u", &[])], [("u", &twice[..]), ("t", &[0])]] {
        let mut proxy = Proxy::new(&shared(MAPPED), Feeding::Passing, None);
        proxy.client(&request(2, 7, &message(2, Some(&topics))));
        assert!(proxy.closed && proxy.up.is_empty());
        assert!(proxy.warnings[0].contains("ElectLeaders"), "{:?}", proxy.warnings);
    }
}

#[test]
fn very_many_partitions_take_linear_time() {
    let all: Vec<i32> = (0..100_000).collect();
    let (seen, answer) = ask(MANY, 2, &message(2, Some(&[("many", &all)])), elect);
    assert_eq!(asked_upstream(&seen[0])[0].1.len(), 50_000);
    assert_eq!(told(&answer).len(), 100_000);
    let (_, answer) = ask(MANY, 2, &message(2, None), |seen| answered(seen, &[("many", &all[..50_000])]));
    assert_eq!(told(&answer).len(), 100_000);
}
