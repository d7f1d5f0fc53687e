//! Where logs begin and end.

use std::collections::{BTreeMap, HashMap};

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::limits::PARTITIONS_ASKED_MAX;
use crate::net::cluster::Cluster;
use crate::net::error_name;

const VERSION: i16 = 7;
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

/// A partition, and who leads it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) leader: i32,
}

/// Offsets by topic and partition, or why they are not told.
pub(super) type Offsets = HashMap<(String, i32), Result<i64, String>>;

/// The offsets of first records.
pub(super) fn starts(cluster: &mut Cluster, places: &[Place]) -> Offsets {
    ask(cluster, places, EARLIEST)
}

/// The offsets behind last records.
pub(super) fn ends(cluster: &mut Cluster, places: &[Place]) -> Offsets {
    ask(cluster, places, LATEST)
}

fn ask(cluster: &mut Cluster, places: &[Place], timestamp: i64) -> Offsets {
    let mut by_leader: BTreeMap<i32, Vec<&Place>> = BTreeMap::new();
    places.iter().for_each(|place| by_leader.entry(place.leader).or_default().push(place));
    let mut found = HashMap::new();
    for (leader, places) in by_leader {
        for places in places.chunks(PARTITIONS_ASKED_MAX) {
            match cluster.ask(leader, VERSION, |_| request(places, timestamp)) {
                Ok(answer) => {
                    for topic in answer.topics {
                        for partition in topic.partitions {
                            let told = error_name(partition.error_code).map_or(Ok(partition.offset), Err);
                            found.insert((topic.name.to_string(), partition.partition_index), told);
                        }
                    }
                }
                Err(trouble) => {
                    let told =
                        places.iter().map(|place| ((place.topic.clone(), place.partition), Err(trouble.what.clone())));
                    found.extend(told);
                }
            }
        }
    }
    found
}

fn request(places: &[&Place], timestamp: i64) -> ListOffsetsRequest {
    let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for place in places {
        let partition = ListOffsetsPartition::default().with_partition_index(place.partition).with_timestamp(timestamp);
        topics.entry(&place.topic).or_default().push(partition);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        let name = TopicName(StrBytes::from_string(name.to_owned()));
        ListOffsetsTopic::default().with_name(name).with_partitions(partitions)
    });
    ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(topics.collect())
}
