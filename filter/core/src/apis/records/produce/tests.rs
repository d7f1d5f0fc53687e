//! Produce requests that name siblings: split into rounds, tagged, merged again, and refused in parts.

mod by_id;
mod counts;

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::*;
use kafka_protocol::ResponseError;

use crate::apis::records::testing::{shift, ASKED, UNKNOWN};
use crate::remapper::Lane;
use crate::testing::batches::{batch, batch_of, old_message, plain, read};
use crate::testing::broker::Once;
use crate::testing::{ask, ask_alone};
use crate::testing::{text, topic, Seen, MAPPED};
use crate::wire::batch::{lane, Header, Whose};

fn produce(acks: i16) -> ProduceRequest {
    let topics = ASKED.map(|(name, partitions)| {
        let part = |partition: &i32| {
            let records = batch(&[&format!("{name}-{partition}")]);
            PartitionProduceData::default().with_index(*partition).with_records(Some(records))
        };
        TopicProduceData::default().with_name(topic(name)).with_partition_data(partitions.iter().map(part).collect())
    });
    ProduceRequest::default().with_acks(acks).with_timeout_ms(4321).with_topic_data(topics.to_vec())
}

/// A broker's answer with every field set that the version has; offset 10 * round + partition.
fn produced(seen: &Seen, round: i64) -> ProduceResponse {
    let message: ProduceRequest = seen.message();
    let answer = |name: &TopicName, data: &PartitionProduceData| {
        let offset = 10 * round + i64::from(data.index);
        let mut part = PartitionProduceResponse::default()
            .with_index(data.index)
            .with_base_offset(offset)
            .with_log_append_time_ms(1_000 + offset);
        if seen.version >= 5 {
            part.log_start_offset = round;
        }
        if seen.version >= 8 {
            // As brokers say it: with the partition as they know it.
            let words = Some(text(&format!("of {}-{}", name.0, data.index)));
            let error =
                BatchIndexAndErrorMessage::default().with_batch_index(3).with_batch_index_error_message(words.clone());
            part = part.with_error_code(87).with_record_errors(vec![error]).with_error_message(words);
        }
        if seen.version >= 10 {
            part.current_leader = LeaderIdAndEpoch::default().with_leader_id(BrokerId(2)).with_leader_epoch(7);
        }
        part
    };
    let topics = message.topic_data.iter().map(|data| {
        let parts = data.partition_data.iter().map(|part| answer(&data.name, part)).collect();
        TopicProduceResponse::default().with_name(data.name.clone()).with_partition_responses(parts)
    });
    let mut told = ProduceResponse::default().with_responses(topics.collect()).with_throttle_time_ms(50 - round as i32);
    if seen.version >= 10 {
        let node = |id| NodeEndpoint::default().with_node_id(BrokerId(id)).with_host(text("inside")).with_port(1);
        told.node_endpoints = vec![node(2), node(3)];
    }
    told
}

/// Each place once per request; the values in the order in which they went up, by place.
fn by_place(requests: &[Seen]) -> BTreeMap<(String, i32), Vec<(u32, String)>> {
    let mut places: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for seen in requests {
        let message: ProduceRequest = seen.message();
        assert_eq!((message.timeout_ms, message.transactional_id), (4321, None));
        let mut once = Once::default();
        for data in &message.topic_data {
            for part in &data.partition_data {
                let place = (data.name.to_string(), part.index);
                once.name(place.clone());
                let records = part.records.as_ref().unwrap();
                let Whose::Lane(lane) = lane(&Header::parse(records).unwrap()) else { panic!("a control batch") };
                places.entry(place).or_default().push((lane.0, read(records).0.remove(0).1));
            }
        }
    }
    places
}

#[test]
fn produce_tags_lanes_and_merges_rounds() {
    for version in 3..=12 {
        let mut round = -1;
        let (seen, told) = ask(MAPPED, version, &produce(-1), |seen| {
            round += 1;
            seen.answer(&produced(seen, round))
        });
        assert_eq!(seen.len(), 3, "v{version}: as many rounds as siblings at most");
        let expected = |values: &[(u32, &str)]| values.iter().map(|(l, v)| (*l, (*v).to_owned())).collect::<Vec<_>>();
        let places = by_place(&seen);
        assert_eq!(places[&("t".to_owned(), 0)], expected(&[(0, "t-0"), (1, "t-2"), (2, "t-4")]));
        assert_eq!(places[&("t".to_owned(), 1)], expected(&[(0, "t-1")]));
        assert_eq!(places[&("b".to_owned(), 1)], expected(&[(2, "b-5"), (1, "b-4")]));
        assert_eq!(places[&("l".to_owned(), 1)], expected(&[(1, "l-3")]));
        assert_eq!(places[&("u".to_owned(), 7)], expected(&[(0, "u-7")]));
        check_produced(&told, version);
    }
}

fn check_produced(told: &ProduceResponse, version: i16) {
    assert_eq!(told.throttle_time_ms, 50, "the longest of all");
    let nodes: Vec<_> = told.node_endpoints.iter().map(|n| (n.node_id.0, n.host.as_str(), n.port)).collect();
    assert_eq!(nodes, if version >= 10 { vec![(2, "two.example", 9102)] } else { vec![] });
    let mut parts = BTreeMap::new();
    for topic in &told.responses {
        for part in &topic.partition_responses {
            assert!(parts.insert((topic.name.to_string(), part.index), part).is_none(), "answered twice");
        }
    }
    assert_eq!(parts.len(), ASKED.iter().map(|(_, partitions)| partitions.len()).sum::<usize>());
    for ((name, partition), round, p) in
        [(("t", 0), 0, 0), (("t", 2), 1, 0), (("t", 4), 2, 0), (("l", 3), 0, 1), (("u", 7), 0, 7)]
    {
        let part = parts[&(name.to_owned(), partition)];
        assert_eq!(part.base_offset, 10 * round + p + shift(name), "v{version} {name} {partition}");
        assert_eq!(part.log_append_time_ms, 1_000 + 10 * round + p);
        if version >= 5 {
            assert_eq!(part.log_start_offset, round + shift(name));
        }
        if version >= 8 {
            assert_eq!((part.error_code, part.record_errors[0].batch_index), (87, 3));
            let words = format!("of {name}-{partition}");
            assert_eq!(part.error_message.as_deref(), Some(&words[..]));
            assert_eq!(part.record_errors[0].batch_index_error_message.as_deref(), Some(&words[..]));
        }
        if version >= 10 {
            assert_eq!((part.current_leader.leader_id.0, part.current_leader.leader_epoch), (2, 7));
        }
    }
    for partition in [6, -1] {
        let part = parts[&("t".to_owned(), partition)];
        assert_eq!((part.error_code, part.base_offset, part.log_append_time_ms), (UNKNOWN, -1, -1));
        assert_eq!(part.error_message.is_some(), version >= 8);
    }
}

#[test]
fn what_cannot_be_stored_safely_is_refused_alone() {
    let invalid = ResponseError::InvalidRecord.code();
    let transactional = Header { attributes: 0x10, producer_id: 9, producer_epoch: 0, base_sequence: 0, ..plain() };
    let two = Bytes::from([&batch(&["a"])[..], &batch(&["b"])].concat());
    let mut cut = batch(&["a"]);
    cut.truncate(cut.len() - 1);
    let tagged = |producer_id| batch_of(Header { producer_id, producer_epoch: 0, ..plain() }, &["a"]);
    let cases: [(&str, Option<Bytes>, i16); 9] = [
        ("no records", None, invalid),
        ("two batches", Some(two), invalid),
        ("a cut batch", Some(cut), invalid),
        ("an old message", Some(old_message(0, 1)), invalid),
        ("a control batch", Some(batch_of(Header { attributes: 0x20, ..plain() }, &["a"])), invalid),
        ("a lane of the client's own, plain", Some(tagged(-3)), invalid),
        ("a lane of the client's own, idempotent", Some(tagged(7 | 1 << 40)), invalid),
        ("attributes that nobody uses", Some(batch_of(Header { attributes: 0x100, ..plain() }, &["a"])), invalid),
        ("a transaction", Some(batch_of(transactional, &["a"])), ResponseError::PolicyViolation.code()),
    ];
    for (what, records, code) in cases {
        let part = |partition, records| PartitionProduceData::default().with_index(partition).with_records(records);
        let data = |parts| vec![TopicProduceData::default().with_name(topic("t")).with_partition_data(parts)];
        let message = ProduceRequest::default().with_acks(-1);
        let alone = message.clone().with_topic_data(data(vec![part(2, records.clone())]));
        let told = ask_alone(MAPPED, 9, &alone);
        assert_eq!(told.responses[0].partition_responses[0].error_code, code, "{what}");
        let beside = message.with_topic_data(data(vec![part(2, records), part(0, Some(batch(&["good"])))]));
        let (seen, told) = ask(MAPPED, 9, &beside, |seen| seen.answer(&produced(seen, 0)));
        assert_eq!(by_place_len(&seen), 1, "{what}");
        let told: BTreeMap<_, _> =
            told.responses[0].partition_responses.iter().map(|part| (part.index, part.error_code)).collect();
        assert_eq!(told, BTreeMap::from([(0, 87), (2, code)]), "{what}");
    }
}

fn by_place_len(seen: &[Seen]) -> usize {
    seen.iter().map(|seen| seen.message::<ProduceRequest>().topic_data.len()).sum()
}

#[test]
fn idempotent_lanes_get_producers_of_their_own() {
    let records = batch_of(Header { producer_id: 7, producer_epoch: 2, base_sequence: 40, ..plain() }, &["a"]);
    let parts = (0..6).map(|v| PartitionProduceData::default().with_index(v).with_records(Some(records.clone())));
    let data = TopicProduceData::default().with_name(topic("t")).with_partition_data(parts.collect());
    let message = ProduceRequest::default().with_acks(-1).with_topic_data(vec![data]);
    let (seen, _) = ask(MAPPED, 9, &message, |seen| seen.answer(&produced(seen, 0)));
    for (round, seen) in seen.iter().enumerate() {
        for part in &seen.message::<ProduceRequest>().topic_data[0].partition_data {
            let header = Header::parse(part.records.as_ref().unwrap()).unwrap();
            assert_eq!(lane(&header), Whose::Lane(Lane(round as u32)));
            assert_eq!((header.producer_id, header.producer_epoch), (7 | (round as i64) << 40, 2));
            assert_eq!(header.base_sequence, 40);
        }
    }
}
