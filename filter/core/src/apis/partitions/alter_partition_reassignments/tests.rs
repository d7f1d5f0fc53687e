//! AlterPartitionReassignments for siblings, in every version.

use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_protocol::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, BrokerId};

use crate::apis::partitions::testing::{ask, ask_alone, ask_ignorant, passes, MANY, UNKNOWN};
use crate::testing::broker::Once;
use crate::testing::{text, topic, Seen, MAPPED};

type Asked<'a> = &'a [(&'a str, &'a [(i32, Option<&'a [i32]>)])];

const INVALID: i16 = 39;

fn message(asked: Asked<'_>) -> AlterPartitionReassignmentsRequest {
    let topics = asked.iter().map(|(name, partitions)| {
        let partition = |(partition, replicas): &(i32, Option<&[i32]>)| {
            let replicas = replicas.map(|replicas| replicas.iter().map(|id| BrokerId(*id)).collect());
            ReassignablePartition::default().with_partition_index(*partition).with_replicas(replicas)
        };
        let partitions = partitions.iter().map(partition).collect();
        ReassignableTopic::default().with_name(topic(name)).with_partitions(partitions)
    });
    AlterPartitionReassignmentsRequest::default().with_timeout_ms(1_234).with_topics(topics.collect())
}

/// There is no broker 9, and no broker says so without naming the partition.
fn alter(seen: &Seen) -> Vec<u8> {
    let message: AlterPartitionReassignmentsRequest = seen.message();
    assert_eq!(message.timeout_ms, 1_234);
    let mut once = Once::default();
    let topics = message.topics.iter().map(|asked| {
        let responses = asked.partitions.iter().map(|part| {
            let partition = part.partition_index;
            once.name((asked.name.clone(), partition));
            let response = ReassignablePartitionResponse::default().with_partition_index(partition);
            if part.replicas.iter().flatten().any(|id| id.0 == 9) {
                let words = text(&format!("{}-{partition}: no broker 9", asked.name.0));
                return response.with_error_code(INVALID).with_error_message(Some(words));
            }
            response.with_error_message(None)
        });
        ReassignableTopicResponse::default().with_name(asked.name.clone()).with_partitions(responses.collect())
    });
    let answer = AlterPartitionReassignmentsResponse::default()
        .with_throttle_time_ms(7)
        .with_allow_replication_factor_change(message.allow_replication_factor_change)
        .with_error_message(None);
    seen.answer(&answer.with_responses(topics.collect()))
}

type Told = Vec<(String, i32, i16, Option<String>)>;

fn told(answer: &AlterPartitionReassignmentsResponse) -> Told {
    let mut told = vec![];
    for found in &answer.responses {
        told.extend(found.partitions.iter().map(|part| {
            let words = part.error_message.as_ref().map(ToString::to_string);
            (found.name.to_string(), part.partition_index, part.error_code, words)
        }));
    }
    told.sort();
    told
}

fn expected(told: &[(&str, i32, i16, Option<&str>)]) -> Told {
    let own = |(name, partition, error, words): &(&str, i32, i16, Option<&str>)| {
        ((*name).to_owned(), *partition, *error, words.map(ToOwned::to_owned))
    };
    let mut told: Vec<_> = told.iter().map(own).collect();
    told.sort();
    told
}

#[test]
fn siblings_move_together_where_all_are_named_alike() {
    let (there, back): (Option<&[i32]>, Option<&[i32]>) = (Some(&[2, 3]), Some(&[3, 2]));
    for version in 0..=1 {
        let asked: Asked<'_> = &[
            ("t", &[(0, there), (2, there), (4, there), (2, there), (1, None), (3, None), (5, None)]),
            ("u", &[(7, Some(&[9])), (6, None)]),
            ("b", &[(0, Some(&[9])), (1, Some(&[9])), (2, Some(&[9]))]),
            ("b", &[(3, there), (4, back), (5, there)]),
        ];
        let asked = message(asked).with_allow_replication_factor_change(version == 0);
        let (seen, answer) = ask(MAPPED, version, &asked, alter);
        let up: Asked<'_> =
            &[("u", &[(7, Some(&[9])), (6, None)]), ("t", &[(0, there), (1, None)]), ("b", &[(0, Some(&[9]))])];
        let up = message(up).with_allow_replication_factor_change(version == 0);
        assert_eq!(seen.iter().map(Seen::message).collect::<Vec<AlterPartitionReassignmentsRequest>>(), [up]);
        let differ = Some(
            "partitions 3, 4, 5 of this topic lie in one log and move together: it takes the same replicas for all of \
             them",
        );
        let wanted = [
            ("t", 0, 0, None),
            ("t", 2, 0, None),
            ("t", 4, 0, None),
            ("t", 1, 0, None),
            ("t", 3, 0, None),
            ("t", 5, 0, None),
            ("u", 7, INVALID, Some("u-7: no broker 9")),
            ("u", 6, 0, None),
            ("b", 0, INVALID, None), // the broker's words name physical partition 0
            ("b", 1, INVALID, None),
            ("b", 2, INVALID, None),
            ("b", 3, INVALID, differ),
            ("b", 4, INVALID, differ),
            ("b", 5, INVALID, differ),
        ];
        assert_eq!(told(&answer), expected(&wanted), "v{version}");
        assert_eq!((answer.throttle_time_ms, answer.allow_replication_factor_change), (7, version == 0));
    }
}

#[test]
fn words_say_which_siblings_are_missing() {
    for version in 0..=1 {
        let asked = message(&[("t", &[(4, None), (0, None), (3, None), (6, None), (6, None)])]);
        let asked = asked.with_allow_replication_factor_change(version == 0);
        let answer = ask_alone(MAPPED, version, &asked);
        let even = Some(
            "partitions 0, 4 of this topic lie in one log and move together: it takes 2 to be named with the same \
             replicas",
        );
        let odd = Some(
            "partitions 3 of this topic lie in one log and move together: it takes 1, 5 to be named with the same \
             replicas",
        );
        let outside = Some("the topic has fewer virtual partitions");
        let wanted =
            [("t", 0, INVALID, even), ("t", 4, INVALID, even), ("t", 3, INVALID, odd), ("t", 6, UNKNOWN, outside)];
        assert_eq!(told(&answer), expected(&wanted));
        assert_eq!(answer.allow_replication_factor_change, version == 0);
    }
}

#[test]
fn a_topic_that_does_not_fit_stays_where_it_is() {
    let asked = message(&[("t", &[(0, None), (2, None), (4, None)]), ("u", &[(0, None)])]);
    let (seen, answer, _) = ask_ignorant(1, &asked, 3, alter);
    assert_eq!(seen[1].message::<AlterPartitionReassignmentsRequest>(), message(&[("u", &[(0, None)])]));
    assert_eq!(told(&answer).iter().map(|told| told.2).collect::<Vec<_>>(), [UNKNOWN, UNKNOWN, UNKNOWN, 0]);
    // Of `l` the broker says that it does not exist.
    let (_, answer, _) = ask_ignorant(1, &message(&[("l", &[(0, None)]), ("u", &[(0, None)])]), 2, alter);
    let absent = Some("the broker knows no such topic, or none that this client may see");
    assert_eq!(told(&answer), expected(&[("l", 0, UNKNOWN, absent), ("u", 0, 0, None)]));
}

#[test]
fn a_refusal_of_the_whole_need_not_name_partitions() {
    let refused =
        AlterPartitionReassignmentsResponse::default().with_error_code(31).with_error_message(Some(text("no")));
    let asked = message(&[("t", &[(0, None), (2, None), (4, None)])]);
    let (_, answer) = ask(MAPPED, 1, &asked, |seen| seen.answer(&refused));
    assert_eq!(answer, refused);
}

#[test]
fn other_topics_alone_pass_byte_for_byte() {
    for version in 0..=1 {
        passes(MAPPED, version, &message(&[("u", &[(7, Some(&[1, 2])), (6, None)])]), alter);
        passes("", version, &message(&[("t", &[(7, Some(&[]))])]), alter);
    }
}

#[test]
fn very_many_partitions_take_linear_time() {
    let all: Vec<(i32, Option<&[i32]>)> = (0..100_000).map(|v| (v, Some(&[1, 2][..]))).collect();
    let (seen, answer) = ask(MANY, 1, &message(&[("many", &all)]), alter);
    assert_eq!(seen[0].message::<AlterPartitionReassignmentsRequest>().topics[0].partitions.len(), 50_000);
    assert_eq!(told(&answer).len(), 100_000);
    for (config, named) in [(MANY.replace("50000", "1"), 99_999), (MANY.to_owned(), 50_000)] {
        let answer = told(&ask_alone(&config, 1, &message(&[("many", &all[..named])])));
        assert!(answer.iter().all(|told| told.2 == INVALID));
        assert_eq!(answer.iter().filter(|told| told.3.is_some()).count(), 100, "words are bounded");
    }
}
