//! What holds for every lookup, whichever API it is of.

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest};
use kafka_protocol::ResponseError;

use crate::apis::records::testing::{epoch_ends, list_offsets};
use crate::error::Blame;
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{ask, request, shared, take_frames, topic, Seen, MAPPED};

/// A partition that is named again is refused: each question would be a request of its own.
#[test]
fn one_partition_has_one_question() {
    let invalid = ResponseError::InvalidRequest.code();
    let asked = [(4, -2), (4, -1), (2, 7), (4, -2)].map(|(partition, timestamp)| {
        ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(timestamp)
    });
    let topics = vec![ListOffsetsTopic::default().with_name(topic("t")).with_partitions(asked.to_vec())];
    let message = ListOffsetsRequest::default().with_topics(topics);
    let (seen, told) = ask(MAPPED, 1, &message, list_offsets);
    assert_eq!(seen.len(), 1);
    let mut errors: Vec<_> =
        told.topics[0].partitions.iter().map(|part| (part.partition_index, part.error_code)).collect();
    errors.sort_unstable();
    assert_eq!(errors, [(2, 0), (4, invalid)]);

    let part =
        |partition, epoch| OffsetForLeaderPartition::default().with_partition(partition).with_leader_epoch(epoch);
    let asked = (0..50_000).map(|epoch| part(4, epoch)).chain([part(2, 0)]);
    let topics = vec![OffsetForLeaderTopic::default().with_topic(topic("t")).with_partitions(asked.collect())];
    let message = OffsetForLeaderEpochRequest::default().with_topics(topics);
    let (seen, told) = ask(MAPPED, 2, &message, epoch_ends);
    assert_eq!(seen.len(), 1);
    let mut errors: Vec<_> = told.topics[0].partitions.iter().map(|part| (part.partition, part.error_code)).collect();
    errors.sort_unstable();
    assert_eq!(errors, [(2, 0), (4, invalid)]);
}

#[test]
fn an_answer_may_hold_more_partitions_than_were_asked_for_but_not_fewer() {
    let asked = ListOffsetsPartition::default().with_partition_index(2).with_timestamp(-1);
    let topics = vec![ListOffsetsTopic::default().with_name(topic("t")).with_partitions(vec![asked])];
    let message = ListOffsetsRequest::default().with_topics(topics);
    for named in [&[][..], &[0, 0], &[0, 1]] {
        let mut proxy = Proxy::new(&shared(MAPPED), Feeding::Passing, None);
        proxy.client(&request(1, 7, &message));
        let seen = Seen::parse(&take_frames(&mut proxy.up)[0]);
        let found = named.iter().map(|at| ListOffsetsPartitionResponse::default().with_partition_index(*at));
        let answer = ListOffsetsTopicResponse::default().with_name(topic("t")).with_partitions(found.collect());
        proxy.broker(&seen.answer(&ListOffsetsResponse::default().with_topics(vec![answer])));
        let is_whole = named.contains(&0);
        assert_eq!((proxy.closed, proxy.down.is_empty()), (!is_whole, !is_whole), "{named:?}");
        assert_eq!(proxy.blamed(Blame::Broker), u64::from(!is_whole), "{named:?}");
    }
}
