//! DescribeLogDirs for siblings and for all partitions, in every version.

use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};

use crate::apis::partitions::testing::{ask_ignorant, passes, MANY};
use crate::testing::{ask, text, topic, Seen, MAPPED};

type Asked<'a> = &'a [(&'a str, &'a [i32])];

fn message(asked: Option<Asked<'_>>) -> DescribeLogDirsRequest {
    let topics = |asked: Asked<'_>| {
        let topic = |(name, partitions): &(&str, &[i32])| {
            DescribableLogDirTopic::default().with_topic(topic(name)).with_partitions(partitions.to_vec())
        };
        asked.iter().map(topic).collect()
    };
    DescribeLogDirsRequest::default().with_topics(asked.map(topics))
}

fn asked_upstream(seen: &Seen) -> Option<Vec<(String, Vec<i32>)>> {
    let topics = seen.message::<DescribeLogDirsRequest>().topics;
    topics.map(|topics| topics.into_iter().map(|topic| (topic.topic.to_string(), topic.partitions)).collect())
}

/// Two directories: one of all that is asked for, or of all that there is; one that is broken. A partition
/// has 100 + p bytes.
fn describe(seen: &Seen, all: Asked<'_>) -> Vec<u8> {
    let asked = asked_upstream(seen)
        .unwrap_or_else(|| all.iter().map(|(name, parts)| ((*name).to_owned(), parts.to_vec())).collect());
    let topics = asked.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|partition| {
            DescribeLogDirsPartition::default()
                .with_partition_index(partition)
                .with_partition_size(100 + i64::from(partition))
                .with_offset_lag(5)
        });
        DescribeLogDirsTopic::default().with_name(topic(&name)).with_partitions(partitions.collect())
    });
    let mut good = DescribeLogDirsResult::default().with_log_dir(text("/good")).with_topics(topics.collect());
    let bad = DescribeLogDirsResult::default().with_log_dir(text("/bad")).with_error_code(56);
    if seen.version >= 4 {
        (good.total_bytes, good.usable_bytes) = (1_000, 500);
    }
    let answer = DescribeLogDirsResponse::default().with_throttle_time_ms(7).with_results(vec![good, bad]);
    seen.answer(&answer)
}

/// Topic, partition and size.
fn told(answer: &DescribeLogDirsResponse, version: i16) -> Vec<(String, i32, i64)> {
    let [good, bad] = &answer.results[..] else { panic!("two directories") };
    assert_eq!((bad.error_code, bad.topics.len()), (56, 0));
    assert_eq!((good.total_bytes, good.usable_bytes), if version >= 4 { (1_000, 500) } else { (-1, -1) });
    let mut told = vec![];
    for found in &good.topics {
        assert!(found.partitions.iter().all(|part| part.offset_lag == 5 && !part.is_future_key));
        let part =
            |part: &DescribeLogDirsPartition| (found.name.to_string(), part.partition_index, part.partition_size);
        told.extend(found.partitions.iter().map(part));
    }
    told
}

fn expected(told: &[(&str, i32, i64)]) -> Vec<(String, i32, i64)> {
    told.iter().map(|(name, partition, size)| ((*name).to_owned(), *partition, *size)).collect()
}

#[test]
fn the_size_of_a_physical_partition_is_told_once() {
    for version in 1..=4 {
        let asked: Asked<'_> = &[("t", &[1, 2, 3, 6, -1]), ("u", &[7, 1]), ("b", &[0, 1, 3]), ("l", &[4])];
        let (seen, answer) = ask(MAPPED, version, &message(Some(asked)), |seen| describe(seen, &[]));
        let up: Asked<'_> = &[("t", &[1]), ("u", &[7, 1]), ("b", &[0, 1]), ("l", &[])];
        let up: Vec<_> = up.iter().map(|(name, parts)| ((*name).to_owned(), parts.to_vec())).collect();
        assert_eq!(seen.iter().map(asked_upstream).collect::<Vec<_>>(), [Some(up)], "v{version}");
        let wanted = [("t", 1, 101), ("u", 7, 107), ("u", 1, 101), ("b", 0, 100), ("b", 3, 101)];
        assert_eq!(told(&answer, version), expected(&wanted), "v{version}");
        assert_eq!(answer.throttle_time_ms, 7);
    }
}

#[test]
fn all_partitions_are_lane_0_of_topics_that_fit() {
    let all: Asked<'_> = &[("t", &[0, 1, 2]), ("u", &[0, 2]), ("b", &[0, 1]), ("l", &[1])];
    let wanted = [("t", 0, 100), ("t", 1, 101), ("u", 0, 100), ("u", 2, 102), ("b", 0, 100), ("b", 3, 101)];
    for version in 1..=4 {
        let (seen, answer) = ask(MAPPED, version, &message(None), |seen| describe(seen, all));
        assert_eq!(seen.iter().map(asked_upstream).collect::<Vec<_>>(), [None]);
        assert_eq!(told(&answer, version), expected(&[&wanted[..], &[("l", 1, 101)]].concat()), "v{version}");
        let (seen, answer, _) = ask_ignorant(version, &message(None), 2, |seen| describe(seen, all));
        assert_eq!(seen.iter().map(|seen| seen.key).collect::<Vec<_>>(), [35, 3]);
        assert_eq!(told(&answer, version), expected(&wanted), "of `l` the broker tells nothing");
        let (_, answer, warnings) = ask_ignorant(version, &message(None), 3, |seen| describe(seen, all));
        assert_eq!(told(&answer, version), expected(&[("u", 0, 100), ("u", 2, 102)]));
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    }
}

#[test]
fn a_topic_that_does_not_fit_has_no_sizes() {
    let (seen, answer, warnings) =
        ask_ignorant(4, &message(Some(&[("t", &[0]), ("u", &[0])])), 3, |seen| describe(seen, &[]));
    assert_eq!(asked_upstream(&seen[1]).unwrap()[0], ("t".to_owned(), vec![]));
    assert_eq!((told(&answer, 4), warnings.len()), (expected(&[("u", 0, 100)]), 1));
}

#[test]
fn other_topics_alone_pass_byte_for_byte() {
    for version in 1..=4 {
        passes(MAPPED, version, &message(Some(&[("u", &[7, 7])])), |seen| describe(seen, &[]));
        passes(MAPPED, version, &message(Some(&[])), |seen| describe(seen, &[]));
        passes("", version, &message(Some(&[("t", &[7])])), |seen| describe(seen, &[]));
        passes("", version, &message(None), |seen| describe(seen, &[("t", &[7])]));
    }
}

#[test]
fn very_many_partitions_take_linear_time() {
    let all: Vec<i32> = (0..100_000).collect();
    let (_, answer) = ask(MANY, 4, &message(Some(&[("many", &all)])), |seen| describe(seen, &[]));
    assert_eq!(told(&answer, 4).len(), 50_000);
    let (_, answer) = ask(MANY, 4, &message(None), |seen| describe(seen, &[("many", &all[..50_000])]));
    assert_eq!(told(&answer, 4).len(), 50_000);
}
