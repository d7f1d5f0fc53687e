//! What is counted of Produce by topic, broker and error.

use super::*;
use crate::testing::{ask_of, counted, shared};

fn counts(expected: &[(&str, u64)]) -> BTreeMap<String, u64> {
    expected.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect()
}

#[test]
fn each_topic_counts_its_bytes_and_each_request_once() {
    let shared = shared(MAPPED);
    let mut message = produce(-1);
    // A topic that stands twice in a request is named once.
    message.topic_data.push(TopicProduceData::default().with_name(topic("t")));
    ask_of(&shared, 9, &message, |seen| seen.answer(&produced(seen, 0)));
    let bytes = |name: &str| {
        let data = message.topic_data.iter().filter(|data| data.name.0.as_str() == name);
        let parts = data.flat_map(|data| &data.partition_data).filter(|part| (0..6).contains(&part.index));
        parts.map(|part| part.records.as_ref().unwrap().len() as u64).sum::<u64>()
    };
    let expected = [
        ("topic_requests_total.api.Produce.topic.t", 1),
        ("topic_requests_total.api.Produce.topic.b", 1),
        ("topic_requests_total.api.Produce.topic.l", 1),
        ("topic_bytes_received_total.topic.t", bytes("t")),
        ("topic_bytes_received_total.topic.b", bytes("b")),
        ("topic_bytes_received_total.topic.l", bytes("l")),
        ("broker_requests_total.broker.unknown", 3),
        // As the broker says of each partition, and the filter of two that do not exist.
        ("response_errors_total.api.Produce.error.INVALID_RECORD", 10),
        ("response_errors_total.api.Produce.error.UNKNOWN_TOPIC_OR_PARTITION", 2),
        ("broker_errors_total.broker.unknown", 10),
    ];
    assert_eq!(counted(&shared), counts(&expected));
}

#[test]
fn topics_that_the_configuration_does_not_name_are_counted_together() {
    let config = r#"{"mapping": {"virtual_partitions": 6, "physical_partitions": 2,
        "topics": [{"name": "p", "passthrough": true}]}}"#;
    let shared = shared(config);
    for name in ["x", "y"] {
        let told = crate::testing::ask_of(&shared, 9, &produce_to(name), |seen| match seen.key {
            3 => crate::testing::broker::Broker::new(&[("x", 2), ("y", 2)]).answer(seen, 0).unwrap(),
            _ => seen.answer(&produced(seen, 0)),
        });
        assert!(!told.0.is_empty());
    }
    let counted = counted(&shared);
    assert_eq!(counted["topic_requests_total.api.Produce.topic.(others)"], 2);
    assert_eq!(counted["topic_bytes_received_total.topic.(others)"], 2 * batch(&["x"]).len() as u64);
    // What passes is not counted by topic.
    ask_of(&shared, 9, &produce_to("p"), |seen| seen.answer(&produced(seen, 0)));
    let counted = crate::testing::counted(&shared);
    assert!(counted.keys().all(|name| !name.contains("topic")), "{counted:?}");
}

fn produce_to(name: &str) -> ProduceRequest {
    let part = PartitionProduceData::default().with_index(3).with_records(Some(batch(&["x"])));
    let data = TopicProduceData::default().with_name(topic(name)).with_partition_data(vec![part]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(4321).with_topic_data(vec![data])
}
