//! ListOffsets for siblings, in every version.

use std::collections::BTreeMap;

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest};

use crate::apis::records::testing::{list_offsets, ASKED, RANGE, UNKNOWN};
use crate::testing::{ask, topic, MAPPED};

#[test]
fn list_offsets_answers_every_sibling() {
    for version in 1..=10 {
        let part = |partition: &i32| {
            let part = ListOffsetsPartition::default().with_partition_index(*partition).with_timestamp(-2);
            let part = if *partition == 4 { part.with_timestamp(99) } else { part };
            if version >= 4 {
                part.with_current_leader_epoch(3)
            } else {
                part
            }
        };
        let topics = ASKED.map(|(name, partitions)| {
            ListOffsetsTopic::default().with_name(topic(name)).with_partitions(partitions.iter().map(part).collect())
        });
        let mut message = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(topics.to_vec());
        if version >= 2 {
            message.isolation_level = 1;
        }
        let (seen, told) = ask(MAPPED, version, &message, list_offsets);
        assert_eq!(seen.len(), 2, "v{version}: siblings with the same question share it");
        assert!(seen
            .iter()
            .all(|seen| seen.message::<ListOffsetsRequest>().isolation_level == message.isolation_level));
        let told: BTreeMap<(String, i32), &ListOffsetsPartitionResponse> = told
            .topics
            .iter()
            .flat_map(|t| t.partitions.iter().map(|p| ((t.name.to_string(), p.partition_index), p)))
            .collect();
        assert_eq!(told.len(), 12);
        for ((name, partition), offset, timestamp) in [
            (("t", 0), 100, -2),
            (("t", 2), 100, -2),
            (("t", 4), 100, 99),
            (("t", 1), 101, -2),
            (("u", 7), 107, -2),
            (("l", 3), 101 + RANGE, -2),
        ] {
            let part = told[&(name.to_owned(), partition)];
            assert_eq!(
                (part.error_code, part.offset, part.timestamp),
                (0, offset, timestamp),
                "v{version} {name} {partition}"
            );
            assert_eq!(part.leader_epoch, if version >= 4 { 3 } else { -1 });
        }
        for partition in [6, -1] {
            let part = told[&("t".to_owned(), partition)];
            assert_eq!((part.error_code, part.offset, part.timestamp), (UNKNOWN, -1, -1));
        }
    }
}
