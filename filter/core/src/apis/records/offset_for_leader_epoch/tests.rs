//! OffsetForLeaderEpoch for siblings, in every version.

use std::collections::BTreeMap;

use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::offset_for_leader_epoch_response::EpochEndOffset;
use kafka_protocol::messages::OffsetForLeaderEpochRequest;

use crate::apis::records::testing::{epoch_ends, ASKED, RANGE, UNKNOWN};
use crate::testing::{ask, topic, MAPPED};

#[test]
fn leader_epochs_end_where_the_physical_partitions_do() {
    for version in 2..=4 {
        let part = |partition: &i32| {
            let epoch = if *partition == 4 { 8 } else { 9 };
            OffsetForLeaderPartition::default()
                .with_partition(*partition)
                .with_current_leader_epoch(9)
                .with_leader_epoch(epoch)
        };
        let topics = ASKED.map(|(name, partitions)| {
            OffsetForLeaderTopic::default()
                .with_topic(topic(name))
                .with_partitions(partitions.iter().map(part).collect())
        });
        let message = OffsetForLeaderEpochRequest::default().with_topics(topics.to_vec());
        let (seen, told) = ask(MAPPED, version, &message, epoch_ends);
        assert_eq!(seen.len(), 2, "v{version}");
        let told: BTreeMap<(String, i32), &EpochEndOffset> = told
            .topics
            .iter()
            .flat_map(|t| t.partitions.iter().map(|p| ((t.topic.to_string(), p.partition), p)))
            .collect();
        assert_eq!(told.len(), 12);
        for ((name, partition), epoch, end) in
            [(("t", 0), 9, 90), (("t", 4), 8, 80), (("t", 1), 9, 91), (("l", 3), 9, 91 + RANGE)]
        {
            let part = told[&(name.to_owned(), partition)];
            assert_eq!(
                (part.error_code, part.leader_epoch, part.end_offset),
                (0, epoch, end),
                "v{version} {name} {partition}"
            );
        }
        let refused = told[&("t".to_owned(), 6)];
        assert_eq!((refused.error_code, refused.leader_epoch, refused.end_offset), (UNKNOWN, -1, -1));
    }
}
