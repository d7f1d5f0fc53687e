//! DeleteRecords for siblings, in every version.

use std::collections::BTreeMap;
use std::rc::Rc;

use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{ApiVersionsResponse, DeleteRecordsRequest, DeleteRecordsResponse, MetadataResponse};
use kafka_protocol::ResponseError;

use crate::apis::partitions::testing::{ask, ask_alone, ask_ignorant, passes, MANY, RANGE, UNKNOWN};
use crate::fingerprint::Fingerprint;
use crate::memory::generations::Generations;
use crate::shared::Shared;
use crate::testing::broker::Once;
use crate::testing::memory::Process;
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{ignorant, read_answer, request, shared, take_frames, topic, Seen, MAPPED};

/// Partitions of the lists' topics, each with the offset that is named.
type Asked<'a> = &'a [(&'a str, &'a [(i32, i64)])];

fn message(asked: Asked<'_>) -> DeleteRecordsRequest {
    let topics = asked.iter().map(|(name, partitions)| {
        let partition = |(partition, offset): &(i32, i64)| {
            DeleteRecordsPartition::default().with_partition_index(*partition).with_offset(*offset)
        };
        DeleteRecordsTopic::default().with_name(topic(name)).with_partitions(partitions.iter().map(partition).collect())
    });
    DeleteRecordsRequest::default().with_topics(topics.collect()).with_timeout_ms(1_234)
}

/// The log starts at the offset that was named, or at 1000 for the high watermark.
fn cut(seen: &Seen) -> Vec<u8> {
    let message: DeleteRecordsRequest = seen.message();
    assert_eq!(message.timeout_ms, 1_234);
    let mut once = Once::default();
    let topics = message.topics.iter().map(|asked| {
        let results = asked.partitions.iter().map(|part| {
            once.name((asked.name.clone(), part.partition_index));
            let result = DeleteRecordsPartitionResult::default().with_partition_index(part.partition_index);
            match part.offset {
                -1 => result.with_low_watermark(1_000),
                offset if offset < 0 => result.with_low_watermark(-1).with_error_code(1),
                offset => result.with_low_watermark(offset),
            }
        });
        DeleteRecordsTopicResult::default().with_name(asked.name.clone()).with_partitions(results.collect())
    });
    let answer = DeleteRecordsResponse::default().with_throttle_time_ms(7).with_topics(topics.collect());
    seen.answer(&answer)
}

fn asked_upstream(seen: &[Seen]) -> Vec<(String, i32, i64)> {
    let topics = seen.iter().flat_map(|seen| seen.message::<DeleteRecordsRequest>().topics);
    let parts = topics.flat_map(|topic| {
        let name = topic.name.to_string();
        topic.partitions.into_iter().map(move |part| (name.clone(), part.partition_index, part.offset))
    });
    parts.collect()
}

/// Low watermark and error by partition, each of which is there once.
fn told(answer: &DeleteRecordsResponse) -> BTreeMap<(String, i32), (i64, i16)> {
    let mut told = BTreeMap::new();
    for found in &answer.topics {
        for part in &found.partitions {
            let place = (found.name.to_string(), part.partition_index);
            assert_eq!(told.insert(place, (part.low_watermark, part.error_code)), None);
        }
    }
    told
}

const POLICY: i16 = 44;
const OUT_OF_RANGE: i16 = 1;

#[test]
fn a_log_is_cut_at_the_lowest_offset_of_all_its_siblings() {
    for version in 0..=2 {
        let asked: Asked<'_> = &[
            // Both physical partitions of `t`: one at the lowest, one at the high watermark.
            ("t", &[(0, 70), (2, -1), (4, 50), (1, -1), (3, -1), (5, -1)]),
            ("u", &[(7, 9), (0, -1)]),
            // Twice, in two entries, the lower one first; two of three siblings beside.
            ("b", &[(0, 30), (1, 40), (4, 0)]),
            ("b", &[(0, 60), (2, 50), (5, 0)]),
            // Offsets of clients hold the lane: 8 is the lowest.
            ("l", &[(0, 10), (2, RANGE + 8), (4, 2 * RANGE + 9)]),
        ];
        let (seen, answer) = ask(MAPPED, version, &message(asked), cut);
        let up = [("u", 7, 9), ("u", 0, -1), ("t", 0, 50), ("t", 1, -1), ("b", 0, 30), ("l", 0, 8)];
        assert_eq!(seen.len(), 1, "v{version}");
        assert_eq!(asked_upstream(&seen), up.map(|(name, p, offset)| (name.to_owned(), p, offset)));
        assert_eq!(answer.throttle_time_ms, 7);
        let expected = [
            ("t", 0, 50, 0),
            ("t", 2, 50, 0),
            ("t", 4, 50, 0),
            ("t", 1, 1_000, 0),
            ("t", 3, 1_000, 0),
            ("t", 5, 1_000, 0),
            ("u", 7, 9, 0),
            ("u", 0, 1_000, 0),
            ("b", 0, 30, 0),
            ("b", 1, 30, 0),
            ("b", 2, 30, 0),
            ("b", 4, -1, POLICY),
            ("b", 5, -1, POLICY),
            ("l", 0, 8, 0),
            ("l", 2, RANGE + 8, 0),
            ("l", 4, 2 * RANGE + 8, 0),
        ];
        let expected = expected.map(|(name, partition, offset, error)| ((name.to_owned(), partition), (offset, error)));
        assert_eq!(told(&answer), expected.into(), "v{version}");
    }
}

#[test]
fn nothing_is_cut_where_a_sibling_is_missing_and_the_log_says_which() {
    let message = message(&[("t", &[(0, 70), (4, 50), (1, 1), (6, 0), (-1, 0), (6, 1)])]);
    for version in 0..=2 {
        let answer = told(&ask_alone(MAPPED, version, &message));
        let expected = [(0, POLICY), (4, POLICY), (1, POLICY), (6, UNKNOWN), (-1, UNKNOWN)];
        let expected = expected.map(|(partition, error)| (("t".to_owned(), partition), (-1, error)));
        assert_eq!(answer, expected.into(), "v{version}");
    }
    let mut proxy = Proxy::new(&shared(MAPPED), Feeding::Passing, None);
    proxy.client(&request(2, 7, &message));
    let question = Seen::parse(&take_frames(&mut proxy.up)[0]);
    proxy.broker(&told_of(&question, 0, 2));
    let why = "the client was refused DeleteRecords: topic t: records of partitions 0, 4 were not deleted, since they lie in one log with those of 2: name \
               all of these in one request";
    assert_eq!(proxy.warnings, [why], "one line for the topic");
}

#[test]
fn an_offset_that_no_sibling_can_have_had_cuts_nothing() {
    // What is below the high watermark's -1 the broker refuses; an offset of another lane none of ours knows.
    let (seen, answer) = ask(MAPPED, 1, &message(&[("t", &[(0, 70), (2, -2), (4, 50)])]), cut);
    assert_eq!(asked_upstream(&seen), [("t".to_owned(), 0, -2)]);
    let errors = |answer: &DeleteRecordsResponse| told(answer).into_values().collect::<Vec<_>>();
    assert_eq!(errors(&answer), [(-1, OUT_OF_RANGE); 3]);
    for offset in [RANGE + 8, 5 * RANGE] {
        let answer = ask_alone(MAPPED, 1, &message(&[("l", &[(0, offset), (2, RANGE + 8), (4, 2 * RANGE)])]));
        assert_eq!(errors(&answer), [(-1, OUT_OF_RANGE); 3]);
    }
}

#[test]
fn a_brokers_error_is_every_siblings() {
    let message = message(&[("t", &[(0, 70), (2, 60), (4, 50)]), ("u", &[(0, 5)])]);
    let (_, answer) = ask(MAPPED, 2, &message, |seen| {
        let result = |p| DeleteRecordsPartitionResult::default().with_partition_index(p).with_low_watermark(-1);
        let result = |p| result(p).with_error_code(ResponseError::NotLeaderOrFollower.code());
        let topics = ["t", "u"]
            .map(|name| DeleteRecordsTopicResult::default().with_name(topic(name)).with_partitions(vec![result(0)]));
        seen.answer(&DeleteRecordsResponse::default().with_topics(topics.to_vec()))
    });
    let expected = [("t", 0), ("t", 2), ("t", 4), ("u", 0)];
    let expected = expected.map(|(name, partition)| ((name.to_owned(), partition), (-1, 6)));
    assert_eq!(told(&answer), expected.into());
}

#[test]
fn a_topic_that_does_not_fit_loses_nothing() {
    let asked = message(&[("t", &[(0, 70), (2, 60), (4, 50)])]);
    let carrier = |seen: &Seen| seen.answer(&kafka_protocol::messages::ApiVersionsResponse::default());
    let (seen, answer, warnings) = ask_ignorant(2, &asked, 3, carrier);
    assert_eq!(seen.iter().map(|seen| seen.key).collect::<Vec<_>>(), [3, 18], "a question, and a carrier");
    assert_eq!(told(&answer).into_values().collect::<Vec<_>>(), [(-1, UNKNOWN); 3]);
    assert!(warnings[0].starts_with("topic t has 3 partitions on the cluster"), "{warnings:?}");
    let (seen, answer, _) = ask_ignorant(2, &asked, 2, cut);
    assert_eq!(seen.iter().map(|seen| seen.key).collect::<Vec<_>>(), [3, 21]);
    assert_eq!(told(&answer).into_values().collect::<Vec<_>>(), [(50, 0); 3]);
}

/// The broker's word on topic `t`: an error, or so many partitions.
fn told_of(question: &Seen, error: i16, partitions: usize) -> Vec<u8> {
    let found = MetadataResponseTopic::default().with_name(Some(topic("t"))).with_error_code(error);
    let found = found.with_partitions(vec![MetadataResponsePartition::default(); partitions]);
    question.answer(&MetadataResponse::default().with_topics(vec![found]))
}

/// Sends a request for all siblings of partition 0 of `t`, in pieces of so many bytes, and answers what goes
/// up. Gives the keys of that, the codes that the client got, and what was warned of.
fn whole(
    shared: &Rc<Shared>,
    piece: usize,
    has_ended: bool,
    question: impl Fn(&Seen) -> Vec<u8>,
) -> (Vec<i16>, Vec<i16>, Vec<String>) {
    let mut proxy = Proxy::new(shared, Feeding::Passing, None);
    if has_ended {
        proxy.stream.connection.handle_client_end();
    }
    request(2, 7, &message(&[("t", &[(0, 70), (2, 60), (4, 50)])])).chunks(piece).for_each(|part| proxy.client(part));
    let mut keys = vec![];
    while !proxy.up.is_empty() {
        for up in take_frames(&mut proxy.up).iter().map(Seen::parse) {
            keys.push(up.key);
            let answer = match up.key {
                3 => question(&up),
                18 => up.answer(&ApiVersionsResponse::default()),
                _ => cut(&up),
            };
            answer.chunks(piece).for_each(|part| proxy.broker(part));
        }
    }
    let answer = read_answer::<DeleteRecordsResponse>(&take_frames(&mut proxy.down)[0], 2).1;
    (keys, told(&answer).into_values().map(|(_, error)| error).collect(), proxy.warnings.clone())
}

/// Remembered: 2 partitions, which fit. In the meantime the topic was made again, with 3.
#[test]
fn what_is_remembered_of_a_topic_is_not_enough_to_delete_by() {
    for piece in [1, 7, 1_000] {
        let (keys, errors, warnings) = whole(&shared(MAPPED), piece, false, |up| told_of(up, 0, 3));
        assert_eq!((keys, errors), (vec![3, 18], vec![UNKNOWN; 3]));
        assert!(warnings[0].starts_with("topic t has 3 partitions"), "{warnings:?}");
        let (keys, errors, _) = whole(&shared(MAPPED), piece, false, |up| told_of(up, 0, 2));
        assert_eq!((keys, errors), (vec![3, 21], vec![0; 3]));
    }
}

#[test]
fn what_cannot_be_asked_any_more_is_not_deleted() {
    for shared in [shared(MAPPED), ignorant(MAPPED)] {
        let (keys, errors, warnings) = whole(&shared, 1_000, true, |up| told_of(up, 0, 2));
        assert_eq!((keys, errors), (vec![18], vec![UNKNOWN; 3]));
        assert!(warnings[0].contains("refused DeleteRecords: topic t: the topic's partitions"), "{warnings:?}");
    }
}

/// Nothing goes up for it: it could be made meanwhile, with any number of partitions.
#[test]
fn a_topic_that_the_broker_does_not_tell_of_has_the_brokers_own_code() {
    for (error, expected) in [(3, 3), (29, 29), (17, 17), (5, UNKNOWN)] {
        let (keys, errors, _) = whole(&shared(MAPPED), 1_000, false, |up| told_of(up, error, 0));
        assert_eq!((keys, errors), (vec![3, 18], vec![expected; 3]), "{error}");
    }
}

#[test]
fn nothing_is_deleted_under_a_configuration_that_was_replaced() {
    let (process, mine, newer) = (Process::default(), Fingerprint::of("mine"), Fingerprint::of("newer"));
    let memory = Rc::new(process.worker());
    let shared = Rc::new(Rc::into_inner(shared(MAPPED)).unwrap().sharing(&memory, mine));
    let load = |configuration| {
        memory.change(&memory.generations(), |known: &mut Generations| known.loaded(configuration, 0)).unwrap();
    };
    load(mine);
    assert_eq!(whole(&shared, 1_000, false, |up| told_of(up, 0, 2)).1, [0; 3]);
    load(newer);
    let (keys, errors, warnings) = whole(&shared, 1_000, false, |up| told_of(up, 0, 2));
    assert_eq!((keys, errors), (vec![3, 18], vec![POLICY; 3]));
    assert!(warnings[0].contains("newer configuration") && warnings[0].contains("connect again"), "{warnings:?}");
    load(mine);
    assert_eq!(whole(&shared, 1_000, false, |up| told_of(up, 0, 2)).1, [0; 3]);
}

#[test]
fn other_topics_alone_pass_byte_for_byte() {
    for version in 0..=2 {
        passes(MAPPED, version, &message(&[("u", &[(7, 9)]), ("v", &[])]), cut);
        passes("", version, &message(&[("t", &[(0, 9)])]), cut);
    }
}

#[test]
fn very_many_partitions_take_linear_time() {
    let all: Vec<(i32, i64)> = (0..100_000).map(|v| (v, i64::from(v))).collect();
    let (seen, answer) = ask(MANY, 2, &message(&[("many", &all)]), cut);
    assert_eq!(asked_upstream(&seen).len(), 50_000);
    assert!(told(&answer).into_iter().all(|((_, v), told)| told == (i64::from(v % 50_000), 0)));
    // All of a crowd of siblings but the last; and one sibling of very many physical partitions.
    let crowd = MANY.replace("50000", "1");
    let answer = ask_alone(&crowd, 2, &message(&[("many", &all[..99_999])]));
    assert!(told(&answer).into_values().all(|told| told == (-1, POLICY)));
    let answer = ask_alone(MANY, 2, &message(&[("many", &all[..50_000])]));
    assert!(told(&answer).into_values().all(|told| told == (-1, POLICY)));
}
