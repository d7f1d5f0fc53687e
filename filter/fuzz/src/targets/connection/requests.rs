//! What clients ask for that have work to do: records, offsets and groups of topics of which some are mapped.

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::*;

use super::script::{batch, frame, text, TOPICS};
use crate::input::Input;

/// A partition's number within `-1..=7`: two are none of the six virtual ones.
fn partition(input: &mut Input<'_>) -> i32 {
    input.below(9) as i32 - 1
}

/// Some topics with some partitions each.
fn places(input: &mut Input<'_>) -> Vec<(TopicName, Vec<i32>)> {
    let count = 1 + input.below(2);
    let place = |input: &mut Input<'_>| {
        let name = TopicName(text(input.one_of::<&str>(&TOPICS)));
        let partitions = 1 + input.below(4);
        (name, (0..partitions).map(|_| partition(input)).collect())
    };
    (0..count).map(|_| place(input)).collect()
}

/// One of the requests that [`super::script::request`] has no words for.
pub(super) fn work(input: &mut Input<'_>) -> Vec<u8> {
    let (kind, version) = (input.below(14), i16::from(input.byte()));
    let group = GroupId(text(input.one_of::<&str>(&["g", "h", "g~1~0"])));
    match kind {
        0 | 1 => frame(3 + version % 10, &produce(input)),
        2 | 3 => {
            let version = 4 + version % 9;
            frame(version, &fetch(version, input))
        }
        4 => frame(1 + version % 10, &list_offsets(input)),
        5 => frame(2 + version % 8, &offset_commit(input, group)),
        6 => {
            let version = 1 + version % 9;
            frame(version, &offset_fetch(version, input, group))
        }
        7 => {
            let version = version % 7;
            let message = FindCoordinatorRequest::default();
            let message = match version {
                4.. => message.with_coordinator_keys(vec![group.0]),
                _ => message.with_key(group.0),
            };
            frame(version, &message)
        }
        8 => frame(version % 7, &DescribeGroupsRequest::default().with_groups(vec![group])),
        9 => frame(version % 6, &ListGroupsRequest::default()),
        10 => frame(version % 3, &DeleteGroupsRequest::default().with_groups_names(vec![group])),
        11 => frame(0, &offset_delete(input, group)),
        12 => frame(2 + version % 3, &epochs(input)),
        _ => frame(version % 6, &InitProducerIdRequest::default().with_transaction_timeout_ms(1_000)),
    }
}

fn produce(input: &mut Input<'_>) -> ProduceRequest {
    let acks = *input.one_of(&[-1, 1, 0]);
    let topics = places(input).into_iter().map(|(name, partitions)| {
        let data = partitions.into_iter().map(|index| {
            let records = match input.below(8) {
                0 => None,
                1 => Some(input.some().to_vec().into()),
                _ => Some(batch(0, 0)),
            };
            PartitionProduceData::default().with_index(index).with_records(records)
        });
        TopicProduceData::default().with_name(name).with_partition_data(data.collect())
    });
    let topics = topics.collect();
    ProduceRequest::default().with_acks(acks).with_timeout_ms(1_000).with_topic_data(topics)
}

fn fetch(version: i16, input: &mut Input<'_>) -> FetchRequest {
    let (wait_ms, min_bytes) = (100 * input.below(4) as i32, input.below(2) as i32);
    let topics = places(input).into_iter().map(|(name, partitions)| {
        let part = |partition| {
            let part = FetchPartition::default().with_partition(partition).with_fetch_offset(input.below(6) as i64);
            part.with_partition_max_bytes(1 << 20)
        };
        FetchTopic::default().with_topic(name).with_partitions(partitions.into_iter().map(part).collect())
    });
    let message = FetchRequest::default().with_topics(topics.collect()).with_max_bytes(1 << 20);
    let message = message.with_max_wait_ms(wait_ms).with_min_bytes(min_bytes);
    if version < 7 {
        return message;
    }
    message.with_session_epoch(*input.one_of(&[-1, 0]))
}

fn list_offsets(input: &mut Input<'_>) -> ListOffsetsRequest {
    let timestamp = *input.one_of(&[-1, -2, 0, 1_000]);
    let topics = places(input).into_iter().map(|(name, partitions)| {
        let part = |index| ListOffsetsPartition::default().with_partition_index(index).with_timestamp(timestamp);
        ListOffsetsTopic::default().with_name(name).with_partitions(partitions.into_iter().map(part).collect())
    });
    ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(topics.collect())
}

fn offset_commit(input: &mut Input<'_>, group: GroupId) -> OffsetCommitRequest {
    let generation = *input.one_of(&[-1, 1]);
    let topics = places(input).into_iter().map(|(name, partitions)| {
        let part = |index| OffsetCommitRequestPartition::default().with_partition_index(index).with_committed_offset(3);
        OffsetCommitRequestTopic::default().with_name(name).with_partitions(partitions.into_iter().map(part).collect())
    });
    let topics = topics.collect();
    let message = OffsetCommitRequest::default().with_group_id(group).with_topics(topics);
    let member = if generation < 0 { "" } else { "m" };
    message.with_generation_id_or_member_epoch(generation).with_member_id(text(member))
}

fn offset_fetch(version: i16, input: &mut Input<'_>, group: GroupId) -> OffsetFetchRequest {
    let places = places(input).into_iter();
    if version < 8 {
        let topic = |(name, parts)| OffsetFetchRequestTopic::default().with_name(name).with_partition_indexes(parts);
        return OffsetFetchRequest::default().with_group_id(group).with_topics(Some(places.map(topic).collect()));
    }
    let topic = |(name, parts)| OffsetFetchRequestTopics::default().with_name(name).with_partition_indexes(parts);
    let group = OffsetFetchRequestGroup::default().with_group_id(group);
    OffsetFetchRequest::default().with_groups(vec![group.with_topics(Some(places.map(topic).collect()))])
}

fn offset_delete(input: &mut Input<'_>, group: GroupId) -> OffsetDeleteRequest {
    let topics = places(input).into_iter().map(|(name, partitions)| {
        let part = |index| OffsetDeleteRequestPartition::default().with_partition_index(index);
        OffsetDeleteRequestTopic::default().with_name(name).with_partitions(partitions.into_iter().map(part).collect())
    });
    OffsetDeleteRequest::default().with_group_id(group).with_topics(topics.collect())
}

fn epochs(input: &mut Input<'_>) -> OffsetForLeaderEpochRequest {
    let topics = places(input).into_iter().map(|(name, partitions)| {
        let part = |index| OffsetForLeaderPartition::default().with_partition(index).with_leader_epoch(1);
        OffsetForLeaderTopic::default().with_topic(name).with_partitions(partitions.into_iter().map(part).collect())
    });
    OffsetForLeaderEpochRequest::default().with_replica_id(BrokerId(-1)).with_topics(topics.collect())
}
