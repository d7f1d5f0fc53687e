//! What the tests of this folder have in common: what they ask for, and what their brokers answer to lookups.

use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_protocol::messages::{
    ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};

use crate::testing::broker::Once;
use crate::testing::Seen;

/// What is asked: siblings of both layouts and encodings, a topic that is not mapped, and partitions that do
/// not exist.
pub(super) const ASKED: [(&str, &[i32]); 4] =
    [("t", &[0, 2, 1, 4, 6, -1]), ("u", &[7, 0]), ("b", &[5, 2, 4]), ("l", &[3])];
pub(super) const UNKNOWN: i16 = 3;
/// `offset_range` of topic `l`.
pub(super) const RANGE: i64 = 1 << 20;

/// Whether clients see offsets of this partition moved.
pub(super) fn shift(name: &str) -> i64 {
    if name == "l" {
        RANGE
    } else {
        0
    }
}

/// Offset 100 + partition; the timestamp and the epoch that were asked for.
pub(super) fn list_offsets(seen: &Seen) -> Vec<u8> {
    let message: ListOffsetsRequest = seen.message();
    let mut once = Once::default();
    let topics = message.topics.iter().map(|asked| {
        let parts = asked.partitions.iter().map(|part| {
            once.name((asked.name.clone(), part.partition_index));
            let found = ListOffsetsPartitionResponse::default()
                .with_partition_index(part.partition_index)
                .with_offset(100 + i64::from(part.partition_index))
                .with_timestamp(part.timestamp);
            if seen.version >= 4 {
                found.with_leader_epoch(part.current_leader_epoch)
            } else {
                found
            }
        });
        ListOffsetsTopicResponse::default().with_name(asked.name.clone()).with_partitions(parts.collect())
    });
    seen.answer(&ListOffsetsResponse::default().with_topics(topics.collect()))
}

/// Epoch e of partition p ends at 10 * e + p.
pub(super) fn epoch_ends(seen: &Seen) -> Vec<u8> {
    let message: OffsetForLeaderEpochRequest = seen.message();
    let mut once = Once::default();
    let topics = message.topics.iter().map(|asked| {
        let parts = asked.partitions.iter().map(|part| {
            once.name((asked.topic.clone(), part.partition));
            EpochEndOffset::default()
                .with_partition(part.partition)
                .with_leader_epoch(part.leader_epoch)
                .with_end_offset(10 * i64::from(part.leader_epoch) + i64::from(part.partition))
        });
        OffsetForLeaderTopicResult::default().with_topic(asked.topic.clone()).with_partitions(parts.collect())
    });
    seen.answer(&OffsetForLeaderEpochResponse::default().with_topics(topics.collect()))
}
