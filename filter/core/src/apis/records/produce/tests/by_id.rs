//! Brokers that take topics by their ids are asked so: they store nothing in a topic that was made again.

use std::rc::Rc;

use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use uuid::Uuid;

use super::*;
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{read_answer, request, shared, take_frames};
use crate::Shared;

fn id(of: u8) -> Uuid {
    Uuid::from_bytes([of; 16])
}

/// A mapped topic, as Metadata of version 10 and later tells it.
fn described(name: &str, of: u8, partitions: usize) -> MetadataResponseTopic {
    let partitions = vec![MetadataResponsePartition::default(); partitions];
    MetadataResponseTopic::default().with_name(Some(topic(name))).with_topic_id(id(of)).with_partitions(partitions)
}

/// A connection to a broker that offers Produce up to this version, and knows topics `t` and `b` by ids.
fn connected(produce_max: i16) -> (Rc<Shared>, Proxy) {
    let shared = shared(MAPPED);
    shared.facts.note(&described("t", 1, 2), 0);
    shared.facts.note(&described("b", 2, 2), 0);
    let mut proxy = Proxy::new(&shared, Feeding::Passing, None);
    proxy.client(&request(0, 1, &ApiVersionsRequest::default()));
    let offer = |key, max| ApiVersion::default().with_api_key(key).with_max_version(max);
    let offers = ApiVersionsResponse::default().with_api_keys(vec![offer(0, produce_max), offer(3, 13)]);
    let seen = up(&mut proxy).remove(0);
    proxy.broker(&seen.answer(&offers));
    proxy.down.clear();
    (shared, proxy)
}

fn up(proxy: &mut Proxy) -> Vec<Seen> {
    take_frames(&mut proxy.up).iter().map(Seen::parse).collect()
}

fn told(proxy: &mut Proxy, version: i16) -> ProduceResponse {
    assert!(proxy.is_idle() && !proxy.closed);
    read_answer(&take_frames(&mut proxy.down)[0], version).1
}

/// Stores what comes by these ids, or by name.
fn answer(seen: &Seen, ids: &[u8]) -> Vec<u8> {
    let message: ProduceRequest = seen.message();
    let topics = message.topic_data.iter().map(|data| {
        let is_there = seen.version < 13 || ids.iter().any(|of| id(*of) == data.topic_id);
        let part = |part: &PartitionProduceData| {
            PartitionProduceResponse::default()
                .with_index(part.index)
                .with_error_code(if is_there { 0 } else { 100 })
                .with_base_offset(if is_there { 7 } else { -1 })
        };
        TopicProduceResponse::default()
            .with_name(data.name.clone())
            .with_topic_id(data.topic_id)
            .with_partition_responses(data.partition_data.iter().map(part).collect())
    });
    let node = NodeEndpoint::default().with_node_id(BrokerId(2)).with_host(text("inside"));
    let answer = ProduceResponse::default().with_responses(topics.collect());
    seen.answer(&if seen.version < 10 { answer } else { answer.with_node_endpoints(vec![node]) })
}

/// Error codes by topic and partition.
fn codes(answer: &ProduceResponse) -> BTreeMap<(String, i32), i16> {
    let parts =
        answer.responses.iter().flat_map(|topic| topic.partition_responses.iter().map(move |part| (topic, part)));
    parts.map(|(topic, part)| ((topic.name.to_string(), part.index), part.error_code)).collect()
}

/// All is stored but what lies outside of the virtual partitions.
fn check_codes(answer: &ProduceResponse) {
    for ((name, partition), code) in codes(answer) {
        let is_outside = name != "u" && !(0..6).contains(&partition);
        assert_eq!(code, if is_outside { UNKNOWN } else { 0 }, "{name} {partition}");
    }
}

#[test]
fn mapped_topics_go_by_the_ids_that_are_known() {
    for version in 3..=12 {
        let (_, mut proxy) = connected(13);
        proxy.client(&request(version, 9, &produce(-1)));
        // Of `l` no id is known, and the broker offers to tell it.
        let question = up(&mut proxy).remove(0);
        assert_eq!((question.key, question.version), (3, 10));
        proxy.broker(&question.answer(&MetadataResponse::default().with_topics(vec![described("l", 3, 2)])));
        let seen = up(&mut proxy);
        let mut rounds = vec![];
        for seen in &seen {
            let message: ProduceRequest = seen.message();
            assert_eq!((message.timeout_ms, message.acks), (4321, -1));
            let ids: Vec<_> = message.topic_data.iter().map(|data| data.topic_id.as_bytes()[0]).collect();
            rounds.push((seen.version, ids));
            assert!(message.topic_data.iter().all(|data| (data.name.as_str() == "u") == (seen.version < 13)));
        }
        let expected = [(13, vec![1, 3, 2]), (version, vec![0]), (13, vec![1, 2]), (13, vec![1])];
        assert_eq!(rounds.len(), expected.len(), "{rounds:?}");
        for (round, expected) in rounds.iter_mut().zip(expected) {
            round.1.sort_unstable();
            let mut expected = expected;
            expected.1.sort_unstable();
            assert_eq!(*round, expected, "v{version}");
        }
        seen.iter().for_each(|seen| proxy.broker(&answer(seen, &[1, 2, 3])));
        let answer = told(&mut proxy, version);
        check_codes(&answer);
        assert_eq!(codes(&answer).len(), ASKED.iter().map(|(_, partitions)| partitions.len()).sum::<usize>());
        assert_eq!(answer.node_endpoints.len(), usize::from(version >= 10));
    }
}

#[test]
fn nothing_is_stored_in_a_topic_that_was_made_again() {
    for version in 3..=12 {
        let (shared, mut proxy) = connected(13);
        let parts = |name: &str| {
            let part = PartitionProduceData::default().with_index(3).with_records(Some(batch(&["x"])));
            TopicProduceData::default().with_name(topic(name)).with_partition_data(vec![part])
        };
        let message = ProduceRequest::default().with_acks(1).with_topic_data(vec![parts("t"), parts("b")]);
        proxy.client(&request(version, 9, &message));
        let seen = up(&mut proxy).remove(0);
        proxy.broker(&answer(&seen, &[2]));
        let expected = [(("b".to_owned(), 3), 0), (("t".to_owned(), 3), UNKNOWN)];
        assert_eq!(codes(&told(&mut proxy, version)).into_iter().collect::<Vec<_>>(), expected, "v{version}");
        assert_eq!(shared.facts.of("t", 0), None, "it is forgotten");
        assert!(shared.facts.of("b", 0).is_some());
        // The client tries again: first the filter asks what the topic is now.
        proxy.client(&request(version, 9, &message));
        let question = up(&mut proxy).remove(0);
        proxy.broker(&question.answer(&MetadataResponse::default().with_topics(vec![described("t", 9, 5)])));
        let seen = up(&mut proxy);
        let message: ProduceRequest = seen[0].message();
        assert_eq!(message.topic_data.iter().map(|data| data.topic_id).collect::<Vec<_>>(), [id(2)], "5 are not 2");
        proxy.broker(&answer(&seen[0], &[2]));
        assert_eq!(codes(&told(&mut proxy, version)).into_iter().collect::<Vec<_>>(), expected, "v{version}");
    }
}

#[test]
fn older_brokers_and_transactional_clients_ask_by_name() {
    for (produce_max, transactional_id) in [(12, None), (13, Some(TransactionalId(text("x"))))] {
        let (shared, mut proxy) = connected(produce_max);
        shared.facts.note(&described("l", 3, 2), 0);
        proxy.client(&request(9, 9, &produce(-1).with_transactional_id(transactional_id)));
        let seen = up(&mut proxy);
        assert_eq!(seen.iter().map(|seen| (seen.key, seen.version)).collect::<Vec<_>>(), [(0, 9); 3]);
        seen.iter().for_each(|seen| proxy.broker(&answer(seen, &[])));
        check_codes(&told(&mut proxy, 9));
    }
}

#[test]
fn a_topic_that_nobody_asked_for_ends_the_connection() {
    let (_, mut proxy) = connected(13);
    let part = PartitionProduceData::default().with_index(3).with_records(Some(batch(&["x"])));
    let data = TopicProduceData::default().with_name(topic("t")).with_partition_data(vec![part]);
    proxy.client(&request(9, 9, &ProduceRequest::default().with_acks(1).with_topic_data(vec![data])));
    let seen = up(&mut proxy).remove(0);
    let other = TopicProduceResponse::default().with_topic_id(id(4));
    proxy.broker(&seen.answer(&ProduceResponse::default().with_responses(vec![other])));
    assert!(proxy.closed && proxy.down.is_empty());
}
