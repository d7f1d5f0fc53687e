//! Requests for mapped topics of which the worker knows nothing yet, or that do not fit their mapping.

use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::*;

use super::{exchange, fetch_message, heartbeat, hello, ids, metadata, produce, respond, Cut, Outcome, Respond};
use crate::error::Blame;
use crate::limits;
use crate::stats::Stat;
use crate::testing::broker::Broker;
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{ignorant, read_answer, request, take_frames, text, topic, Seen, MAPPED};

const UNKNOWN: i16 = 3;

/// One request of each API that names partitions, here `topic` 5.
fn requests(name: &str) -> Vec<Vec<u8>> {
    let name = || topic(name);
    let list = ListOffsetsTopic::default()
        .with_name(name())
        .with_partitions(vec![ListOffsetsPartition::default().with_partition_index(5)]);
    let epoch = OffsetForLeaderTopic::default()
        .with_topic(name())
        .with_partitions(vec![OffsetForLeaderPartition::default().with_partition(5)]);
    let commit = OffsetCommitRequestTopic::default()
        .with_name(name())
        .with_partitions(vec![OffsetCommitRequestPartition::default().with_partition_index(5)]);
    let fetch = OffsetFetchRequestTopics::default().with_name(name()).with_partition_indexes(vec![5]);
    let group = OffsetFetchRequestGroup::default().with_group_id(GroupId(text("g"))).with_topics(Some(vec![fetch]));
    let delete = OffsetDeleteRequestTopic::default()
        .with_name(name())
        .with_partitions(vec![OffsetDeleteRequestPartition::default().with_partition_index(5)]);
    let (name, group_id) = (name(), GroupId(text("g")));
    let name = name.0.as_str();
    vec![
        produce(9, 1, -1, &[(name, 5)]),
        request(11, 1, &fetch_message(&[(name, 5, 0)])),
        request(7, 1, &ListOffsetsRequest::default().with_topics(vec![list])),
        request(4, 1, &OffsetForLeaderEpochRequest::default().with_topics(vec![epoch])),
        request(7, 1, &OffsetCommitRequest::default().with_group_id(group_id.clone()).with_topics(vec![commit])),
        request(8, 1, &OffsetFetchRequest::default().with_groups(vec![group])),
        request(0, 1, &OffsetDeleteRequest::default().with_group_id(group_id).with_topics(vec![delete])),
    ]
}

fn play(client: &[u8], respond: Respond<'_>, (feeding, cut): (Feeding, Cut)) -> Outcome {
    let mut proxy = Proxy::new(&ignorant(MAPPED), feeding, None);
    let up = exchange(&mut proxy, client, respond, cut);
    let idle = proxy.is_idle();
    Outcome { up, down: proxy.down, counts: proxy.counts, closed: proxy.closed, idle }
}

/// As [`super::check`], in a worker that knows nothing.
fn check(client: &[u8], respond: Respond<'_>) -> Outcome {
    let expected = play(client, respond, (Feeding::Handed, Cut::Nowhere));
    assert!(expected.closed || expected.idle, "something is left behind");
    let cuts = (0..client.len()).map(Cut::Client).chain((0..expected.down.len() + 200).map(Cut::Broker));
    for cut in cuts.chain([Cut::Nowhere, Cut::Everywhere]) {
        for feeding in [Feeding::Handed, Feeding::Passing] {
            let outcome = play(client, respond, (feeding, cut));
            assert_eq!(
                (outcome.closed, outcome.blames()),
                (expected.closed, expected.blames()),
                "{feeding:?}, {cut:?}"
            );
            assert!(expected.closed || outcome == expected, "{feeding:?}, {cut:?}");
        }
    }
    expected
}

/// Answers Metadata by a topic `t` as given, and carriers; nothing else may be asked.
fn only_metadata(seen: &Seen, found: &MetadataResponseTopic) -> Vec<u8> {
    match seen.key {
        3 => {
            let message: MetadataRequest = seen.message();
            assert!(!message.allow_auto_topic_creation);
            seen.answer(&MetadataResponse::default().with_topics(vec![found.clone()]))
        }
        18 => seen.answer(&ApiVersionsResponse::default()),
        // A group is asked all the same, since its errors are the answer's.
        9 => {
            let message: OffsetFetchRequest = seen.message();
            assert!(message.groups.iter().all(|group| group.topics.as_ref().is_some_and(Vec::is_empty)));
            let group = OffsetFetchResponseGroup::default().with_group_id(GroupId(text("g")));
            seen.answer(&OffsetFetchResponse::default().with_groups(vec![group]))
        }
        15 => {
            let group = DescribedGroup::default().with_group_id(GroupId(text("g"))).with_group_state(text("Empty"));
            seen.answer(&DescribeGroupsResponse::default().with_groups(vec![group]))
        }
        47 => {
            assert!(seen.message::<OffsetDeleteRequest>().topics.is_empty());
            seen.answer(&OffsetDeleteResponse::default())
        }
        other => panic!("key {other} went up"),
    }
}

fn described(partitions: usize) -> MetadataResponseTopic {
    let partitions = vec![MetadataResponsePartition::default(); partitions];
    MetadataResponseTopic::default().with_name(Some(topic("t"))).with_partitions(partitions)
}

fn keys(outcome: &Outcome) -> Vec<i16> {
    outcome.requests().iter().map(|seen| seen.key).collect()
}

#[test]
fn what_is_not_known_is_asked_once_and_the_request_goes_on() {
    let fetch = |id| request(12, id, &fetch_message(&[("t", 2, 0), ("u", 0, 0), ("l", 0, 0)]));
    let stream = [
        heartbeat(2),
        produce(9, 3, -1, &[("t", 0), ("t", 2)]),
        produce(3, 0, 0, &[("t", 5)]),
        fetch(4),
        heartbeat(5),
        metadata(9, 6, &["b"]),
        fetch(7),
    ]
    .concat();
    let outcome = check(&stream, &respond);
    assert_eq!(ids(&outcome), [2, 3, 4, 5, 6, 7]);
    // Metadata for t; later for l.
    assert_eq!(keys(&outcome), [12, 3, 0, 0, 0, 3, 1, 12, 3, 1]);
    let asked: Vec<(i16, String)> = outcome.requests().iter().filter(|seen| seen.key == 3).map(named).collect();
    assert_eq!(asked, [(4, "t".to_owned()), (4, "l".to_owned()), (9, "b".to_owned())]);
    let count = |stat: Stat| outcome.counts.get(&stat.name("")).copied();
    assert_eq!(count(Stat::Requests { api: "Produce" }), Some(2), "a request that had to wait is one request");
    assert_eq!(count(Stat::Requests { api: "Fetch" }), Some(2));
    assert_eq!(count(Stat::Requests { api: "Metadata" }), Some(1), "the client's own");
    assert_eq!(outcome.blames(), [0; 4]);
}

/// So that the worker knows it again when it comes back as another topic.
#[test]
fn a_broker_that_knows_topic_ids_is_asked_for_them() {
    let mut proxy = Proxy::new(&ignorant(MAPPED), Feeding::Passing, None);
    let mut up = exchange(&mut proxy, &hello(), &respond, Cut::Nowhere);
    up.extend(exchange(&mut proxy, &produce(9, 2, -1, &[("t", 5)]), &respond, Cut::Nowhere));
    let up: Vec<Seen> = take_frames(&mut up).iter().map(Seen::parse).collect();
    assert_eq!(named(&up[1]), (10, "t".to_owned()));
}

fn named(seen: &Seen) -> (i16, String) {
    let message: MetadataRequest = seen.message();
    let names: Vec<_> =
        message.topics.iter().flatten().map(|topic| topic.name.as_ref().unwrap().0.to_string()).collect();
    (seen.version, names.join(","))
}

#[test]
fn nothing_is_asked_of_a_topic_that_does_not_fit() {
    for partitions in [1, 4] {
        for frame in requests("t") {
            let outcome = check(&frame, &|seen| only_metadata(seen, &described(partitions)));
            assert!(!outcome.closed, "{:?}", keys(&outcome));
            assert_eq!(outcome.blamed(Blame::Config), 1);
            assert_eq!(outcome.counts[&Stat::TopicMismatch.name("")], 1);
            assert_eq!(outcome.counts.get(&Stat::RemappedPartitions { api: "Produce" }.name("")), None);
            assert_eq!(ids(&outcome), [1]);
        }
    }
}

#[test]
fn a_topic_that_does_not_fit_is_refused_with_words_or_by_closing() {
    let respond = |seen: &Seen| only_metadata(seen, &described(4));
    let outcome = check(&produce(8, 1, -1, &[("t", 5)]), &respond);
    let (_, told): (_, ProduceResponse) = read_answer(&outcome.answers()[0], 8);
    let part = &told.responses[0].partition_responses[0];
    assert_eq!((part.index, part.error_code), (5, UNKNOWN));
    assert!(part.error_message.as_ref().unwrap().contains("mapping"));
    let outcome = check(&produce(8, 1, 0, &[("t", 5)]), &respond);
    assert!(outcome.closed && outcome.down.is_empty());
    assert_eq!(keys(&outcome), [3]);
}

#[test]
fn what_the_broker_does_not_know_is_left_to_the_broker() {
    for error_code in [3, 17, 29] {
        let absent = described(0).with_error_code(error_code);
        let stream = [produce(9, 1, -1, &[("t", 5)]), produce(9, 2, -1, &[("t", 5)])].concat();
        let outcome = check(&stream, &|seen| match seen.key {
            0 => respond(seen),
            _ => only_metadata(seen, &absent),
        });
        assert_eq!(keys(&outcome), [3, 0, 3, 0], "known of this request only: the topic may come into being");
    }
    // Neither there nor not there.
    for found in [described(0).with_error_code(5), described(2).with_name(Some(topic("other")))] {
        let outcome = check(&produce(9, 1, -1, &[("t", 5)]), &|seen| only_metadata(seen, &found));
        assert_eq!(keys(&outcome), [3, 18]);
    }
}

#[test]
fn what_is_known_grows_old() {
    let shared = ignorant(MAPPED);
    let mut asked = vec![];
    for now in [0, 1, limits::TOPIC_FACT_MS_MAX - 1, limits::TOPIC_FACT_MS_MAX, 2 * limits::TOPIC_FACT_MS_MAX - 1] {
        let mut proxy = Proxy::new(&shared, Feeding::Passing, None);
        proxy.now = now;
        let up = exchange(&mut proxy, &produce(9, 1, -1, &[("t", 5)]), &respond, Cut::Nowhere);
        asked.push(take_frames(&mut up.clone()).len() == 2);
    }
    assert_eq!(asked, [true, false, false, true, false]);
}

/// Else the question would take the end with it, and the request could not follow: a client may write without
/// acknowledgements, and be gone.
#[test]
fn nothing_is_asked_once_the_client_has_ended() {
    let mut proxy = Proxy::new(&ignorant(MAPPED), Feeding::Passing, None);
    proxy.stream.connection.handle_client_end();
    let up = exchange(&mut proxy, &produce(9, 1, 0, &[("t", 5)]), &respond, Cut::Nowhere);
    assert_eq!(take_frames(&mut up.clone()).iter().map(|frame| Seen::parse(frame).key).collect::<Vec<_>>(), [0]);
}

#[test]
fn many_topics_are_asked_for_in_a_bounded_number_of_questions() {
    let config = r#"{"mapping": {"virtual_partitions": 4, "physical_partitions": 2}}"#;
    let topics = limits::TOPICS_ASKED_MAX * limits::TOPIC_QUESTIONS_MAX + 3;
    let names: Vec<String> = (0..topics).map(|n| format!("t{n}")).collect();
    let parts: Vec<(&str, i32, i64)> = names.iter().map(|name| (name.as_str(), 3, 0)).collect();
    let mut proxy = Proxy::new(&ignorant(config), Feeding::Passing, None);
    let found: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 2)).collect();
    let broker = std::cell::RefCell::new(Broker::new(&found));
    let respond = |seen: &Seen| broker.borrow_mut().answer(seen, u64::MAX).unwrap();
    let up = exchange(&mut proxy, &request(11, 1, &fetch_message(&parts)), &respond, Cut::Nowhere);
    let mut up: Vec<Seen> = take_frames(&mut up.clone()).iter().map(Seen::parse).collect();
    // An answer with refusals and no records is held back, on a carrier.
    assert_eq!(up.pop().map(|carrier| carrier.key), Some(18));
    let fetch: FetchRequest = up.pop().unwrap().message();
    assert_eq!(fetch.topics.len(), topics - 3);
    assert_eq!(up.len(), limits::TOPIC_QUESTIONS_MAX);
    let (_, told): (_, FetchResponse) = read_answer(&take_frames(&mut proxy.down)[0], 11);
    let refused = told.responses.iter().filter(|topic| topic.partitions[0].error_code == UNKNOWN).count();
    assert_eq!((told.responses.len(), refused), (topics, 3));
}

/// A name that stands a thousand times in a request is asked for once.
#[test]
fn a_name_is_asked_for_once() {
    let parts = vec![("t", 5, 0); 1000];
    let outcome = play(&request(11, 1, &fetch_message(&parts)), &respond, (Feeding::Passing, Cut::Nowhere));
    assert_eq!(named(&outcome.requests()[0]), (4, "t".to_owned()));
}
