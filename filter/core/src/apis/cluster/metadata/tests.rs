//! Metadata in every version: virtual partitions, and brokers where clients reach them.

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::*;
use kafka_protocol::ResponseError;

use crate::stats::Stat;
use crate::testing::broker::{node, BROKERS};
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{ask, request, shared, take_frames, topic, Seen, ADVERTISED, MAPPED};

fn partition(version: i16, index: i32) -> MetadataResponsePartition {
    let partition = MetadataResponsePartition::default()
        .with_partition_index(index)
        .with_error_code(5 * index as i16)
        .with_leader_id(BrokerId(index + 1))
        .with_replica_nodes(vec![BrokerId(1), BrokerId(3)])
        .with_isr_nodes(vec![BrokerId(index + 1)]);
    match version {
        ..5 => partition,
        5..7 => partition.with_offline_replicas(vec![BrokerId(3)]),
        7.. => partition.with_offline_replicas(vec![BrokerId(3)]).with_leader_epoch(20 + index),
    }
}

/// A topic with partitions in any order, as brokers give them.
fn described(version: i16, name: &str, partitions: i32) -> MetadataResponseTopic {
    let partitions = (0..partitions).rev().map(|index| partition(version, index)).collect();
    MetadataResponseTopic::default().with_name(Some(topic(name))).with_partitions(partitions)
}

#[test]
fn metadata_shows_the_virtual_partitions() {
    for version in 0..=13 {
        let unknown = MetadataResponseTopic::default().with_name(Some(topic("l"))).with_error_code(3);
        let found =
            vec![described(version, "t", 2), described(version, "b", 2), described(version, "u", 3), unknown.clone()];
        let broker = MetadataResponse::default().with_brokers(BROKERS.map(node).to_vec()).with_topics(found);
        let (seen, told) = ask(MAPPED, version, &MetadataRequest::default(), |seen| seen.answer(&broker));
        assert_eq!(seen[0].message::<MetadataRequest>(), MetadataRequest::default());
        let brokers: Vec<_> =
            told.brokers.iter().map(|broker| (broker.node_id.0, broker.host.as_str(), broker.port)).collect();
        assert_eq!(brokers, ADVERTISED, "v{version}");
        let spread = |physical: [i32; 6]| -> Vec<MetadataResponsePartition> {
            physical.iter().zip(0..).map(|(p, v)| partition(version, *p).with_partition_index(v)).collect()
        };
        assert_eq!(told.topics[0].partitions, spread([0, 1, 0, 1, 0, 1]), "v{version}");
        assert_eq!(told.topics[1].partitions, spread([0, 0, 0, 1, 1, 1]), "v{version}");
        assert_eq!(told.topics[2], described(version, "u", 3));
        assert_eq!(told.topics[3], unknown);
    }
}

#[test]
fn a_topic_with_another_partition_count_is_refused() {
    let gap = MetadataResponseTopic::default()
        .with_name(Some(topic("t")))
        .with_partitions(vec![partition(0, 0), partition(0, 2)]);
    for found in [described(0, "t", 1), described(0, "t", 3), described(0, "t", 0), gap] {
        let broker = MetadataResponse::default().with_topics(vec![found]);
        let (_, told) = ask(MAPPED, 1, &MetadataRequest::default(), |seen| seen.answer(&broker));
        assert_eq!(told.topics[0].error_code, ResponseError::InvalidTopicException.code());
        assert!(told.topics[0].partitions.is_empty());
        // Who asks for all topics may be a client that would give up on this one's account.
        let all = MetadataRequest::default().with_topics(None);
        let (_, told) = ask(MAPPED, 1, &all, |seen| seen.answer(&broker));
        assert!(told.topics.is_empty());
    }
}

/// The names of a Metadata request, and its leave to create them.
fn named(seen: &Seen) -> (i16, Vec<String>, bool) {
    let message: MetadataRequest = seen.message();
    let names = message.topics.iter().flatten().map(|topic| topic.name.as_ref().unwrap().0.to_string());
    (seen.version, names.collect(), message.allow_auto_topic_creation)
}

fn asking(names: &[&str]) -> MetadataRequest {
    let topics = names.iter().map(|name| MetadataRequestTopic::default().with_name(Some(topic(name))));
    MetadataRequest::default().with_topics(Some(topics.collect()))
}

/// Has `t` and `u`, and creates what it may: `l` as well if it is allowed.
fn creator(seen: &Seen) -> Vec<u8> {
    let (version, names, create) = named(seen);
    // In an order of its own, as brokers have.
    let topics = names.iter().rev().map(|name| match name.as_str() {
        "t" => described(version, "t", 2),
        "l" if !create => MetadataResponseTopic::default().with_name(Some(topic("l"))).with_error_code(3),
        other => described(version, other, 3),
    });
    seen.answer(&MetadataResponse::default().with_brokers(BROKERS.map(node).to_vec()).with_topics(topics.collect()))
}

#[test]
fn a_mapped_topic_is_not_created_by_asking_for_it() {
    for version in 0..=13 {
        let since = version.max(4);
        let both = vec![
            (version, vec!["u".to_owned(), "w".to_owned()], true),
            (since, vec!["l".to_owned(), "t".to_owned()], false),
        ];
        for (names, expected) in [
            (&["l", "u", "t", "w"][..], both),
            (&["t", "l"], vec![(since, vec!["t".to_owned(), "l".to_owned()], false)]),
            (&["w", "u"], vec![(version, vec!["w".to_owned(), "u".to_owned()], true)]),
        ] {
            let (seen, told) = ask(MAPPED, version, &asking(names), creator);
            assert_eq!(seen.iter().map(named).collect::<Vec<_>>(), expected, "v{version}");
            let mut found: Vec<_> = told.topics.iter().map(|topic| topic.name.as_ref().unwrap().0.as_str()).collect();
            if seen.len() == 1 {
                found.reverse();
            }
            assert_eq!(found, names, "v{version}: in the client's order");
            for found in &told.topics {
                let name = found.name.as_ref().unwrap().0.as_str();
                let expected = [("t", (0, 6)), ("l", (3, 0)), ("u", (0, 3)), ("w", (0, 3))]
                    .into_iter()
                    .find(|(of, _)| *of == name);
                assert_eq!((found.error_code, found.partitions.len()), expected.unwrap().1, "v{version}: {name}");
            }
            let brokers: Vec<_> =
                told.brokers.iter().map(|broker| (broker.node_id.0, broker.host.as_str(), broker.port)).collect();
            assert_eq!(brokers, ADVERTISED);
        }
    }
}

#[test]
fn who_wants_nothing_created_asks_as_before() {
    let ids = MetadataRequestTopic::default().with_name(None).with_topic_id(uuid::Uuid::from_bytes([1; 16]));
    for (version, message, create) in [
        (4, asking(&["l", "u"]).with_allow_auto_topic_creation(false), false),
        (9, MetadataRequest::default().with_topics(None), true),
        (9, MetadataRequest::default().with_topics(Some(vec![])), true),
        (12, MetadataRequest::default().with_topics(Some(vec![ids])), true),
    ] {
        let (seen, _) = ask(MAPPED, version, &message, |seen| seen.answer(&MetadataResponse::default()));
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].message::<MetadataRequest>(), message);
        assert_eq!(message.allow_auto_topic_creation, create);
    }
}

#[test]
fn brokers_that_nobody_comes_for_are_noticed() {
    let shared = shared(MAPPED);
    shared.broker_reached(1);
    let mut unreached = vec![];
    for (id, now) in (0..40).map(|n| (n, u64::try_from(n).unwrap() * 5_000)) {
        let mut proxy = Proxy::new(&shared, Feeding::Passing, None);
        proxy.now = now;
        // t's partitions are led by 1 and 2; 2 and 3 lead others, which nobody asks for by name.
        let message = if id % 2 == 0 { asking(&["t"]) } else { MetadataRequest::default().with_topics(None) };
        proxy.client(&request(9, id, &message));
        let seen = Seen::parse(&take_frames(&mut proxy.up)[0]);
        let named = vec![described(9, "t", 2)];
        let all = vec![described(9, "t", 2), described(9, "u", 3)];
        let found = MetadataResponse::default().with_brokers(BROKERS.map(node).to_vec());
        proxy.broker(&seen.answer(&found.with_topics(if id % 2 == 0 { named } else { all })));
        unreached.extend(proxy.unreached.iter().map(|broker| (now, *broker)));
    }
    // The first answer from the 60th second on that is the tenth or later.
    assert_eq!(unreached, [(90_000, 2)]);
}

#[test]
fn a_broker_that_is_named_by_its_own_address_is_counted() {
    let config = MAPPED.replace("one.example:9101", "Kafka-1.internal:9092");
    for (config, expected) in [(config.as_str(), 1), (MAPPED, 0)] {
        let mut proxy = Proxy::new(&shared(config), Feeding::Passing, None);
        proxy.client(&request(9, 1, &asking(&["u"])));
        let seen = Seen::parse(&take_frames(&mut proxy.up)[0]);
        proxy.broker(&seen.answer(&MetadataResponse::default().with_brokers(vec![node(1), node(2)])));
        let counted = proxy.counts.get(&Stat::AdvertisedAround.name("")).copied().unwrap_or(0);
        assert_eq!(counted, expected);
        assert_eq!(proxy.warnings.iter().filter(|text| text.contains("around the filter")).count() as u64, expected);
    }
}
