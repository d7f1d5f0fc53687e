//! What must be true of a request that reaches the broker.

use std::collections::HashSet;

use bytes::Bytes;
use kafka_partition_remapper_core::fuzzing;
use kafka_protocol::messages::{ApiKey, FetchRequest, ListOffsetsRequest, OffsetCommitRequest, ProduceRequest};

use super::broker::Asked;
use super::script::{PHYSICAL, TOPICS};

/// A request without its length: the table offers its API in its version, and no partition of a mapped topic
/// is another than a physical one, or stands there twice.
pub(super) fn check(request: &Bytes, maps: bool) {
    let (key, version, _) = fuzzing::request_head(request).expect("a head");
    let (min, max) = fuzzing::offered_versions(key);
    let is_carrier = key == ApiKey::ApiVersions as i16;
    assert!(is_carrier || (min..=max).contains(&version), "API {key} in version {version} went to the broker");
    if !maps {
        return;
    }
    let asked = Asked::parse(request).expect("a header");
    let mut places = HashSet::new();
    for (topic, partition) in named(&asked) {
        if topic == TOPICS[0] {
            assert!((0..PHYSICAL).contains(&partition), "partition {partition} of {PHYSICAL}, API {key}");
            // A client that commits twice to one place means the last: as Kafka takes it.
            let is_once = places.insert(partition) || key == ApiKey::OffsetCommit as i16;
            assert!(is_once, "partition {partition} stands twice, API {key}");
        }
    }
}

/// The topics and partitions that a request of some APIs names.
fn named(asked: &Asked) -> Vec<(String, i32)> {
    macro_rules! named {
        ($message:ty, $topics:ident, $name:ident, $partitions:ident, $index:ident) => {{
            let message: Option<$message> = asked.decode();
            let topics = message.into_iter().flat_map(|message| message.$topics);
            let parts = topics.flat_map(|topic| {
                let name = topic.$name.to_string();
                topic.$partitions.into_iter().map(move |part| (name.clone(), part.$index))
            });
            parts.collect()
        }};
    }
    match asked.key {
        0 => named!(ProduceRequest, topic_data, name, partition_data, index),
        1 => named!(FetchRequest, topics, topic, partitions, partition),
        2 => named!(ListOffsetsRequest, topics, name, partitions, partition_index),
        8 => named!(OffsetCommitRequest, topics, name, partitions, partition_index),
        _ => vec![],
    }
}
