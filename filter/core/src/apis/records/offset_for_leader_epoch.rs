//! OffsetForLeaderEpoch (KIP-101, KIP-320): where a leader epoch of the physical partition ends, under the
//! virtual partition's number. Siblings share their physical partition's epochs.

use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use crate::apis::records::lookup::{self, Lookup, Topics};
use crate::error::Fault;
use crate::exchange::handler::{Context, Plan, Request};
use crate::remapper::{PhysicalPartition, VirtualPartition};

/// The request half.
///
/// # Errors
/// [`Fault::Client`]: the client's fault; [`Fault::Bug`].
pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    lookup::request::<OffsetForLeaderEpoch>(cx, request)
}

struct OffsetForLeaderEpoch;

impl Lookup for OffsetForLeaderEpoch {
    type Request = OffsetForLeaderEpochRequest;
    type Response = OffsetForLeaderEpochResponse;
    /// The current and the asked leader epoch.
    type Question = (i32, i32);
    type Found = EpochEndOffset;

    fn questions(request: &mut Self::Request) -> Topics<(VirtualPartition, Self::Question)> {
        let question = |asked: OffsetForLeaderPartition| {
            (VirtualPartition(asked.partition), (asked.current_leader_epoch, asked.leader_epoch))
        };
        let topics = std::mem::take(&mut request.topics).into_iter();
        topics.map(|topic| (topic.topic, topic.partitions.into_iter().map(question).collect())).collect()
    }

    fn ask(frame: &Self::Request, topics: Topics<(PhysicalPartition, Self::Question)>) -> Self::Request {
        let partition = |(PhysicalPartition(partition), (current, leader_epoch))| {
            OffsetForLeaderPartition::default()
                .with_partition(partition)
                .with_current_leader_epoch(current)
                .with_leader_epoch(leader_epoch)
        };
        let topics = topics.into_iter().map(|(name, partitions)| {
            let partitions = partitions.into_iter().map(partition).collect();
            OffsetForLeaderTopic::default().with_topic(name).with_partitions(partitions)
        });
        frame.clone().with_topics(topics.collect())
    }

    fn found(answer: Self::Response) -> (i32, Topics<Self::Found>) {
        let topics = answer.topics.into_iter().map(|topic| (topic.topic, topic.partitions));
        (answer.throttle_time_ms, topics.collect())
    }

    fn answer(throttle_time_ms: i32, topics: Topics<Self::Found>) -> Self::Response {
        let topic =
            |(name, partitions)| OffsetForLeaderTopicResult::default().with_topic(name).with_partitions(partitions);
        OffsetForLeaderEpochResponse::default()
            .with_throttle_time_ms(throttle_time_ms)
            .with_topics(topics.into_iter().map(topic).collect())
    }

    fn fields(found: &mut Self::Found) -> (&mut i32, &mut i16, &mut i64) {
        (&mut found.partition, &mut found.error_code, &mut found.end_offset)
    }
}

#[cfg(test)]
mod tests;
