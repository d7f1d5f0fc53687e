//! ListOffsets (KIP-79, KIP-734): the physical partition's offsets, under the virtual partition's number.
//!
//! Earliest, latest and maximum timestamp are those of the physical partition. A lookup by timestamp gives
//! the first offset of any sibling at or after it: a lower bound, which is what a seek needs.

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};

use crate::apis::records::lookup::{self, Lookup, Topics};
use crate::error::Fault;
use crate::exchange::handler::{Context, Plan, Request};
use crate::remapper::{PhysicalPartition, VirtualPartition};

/// The request half.
///
/// # Errors
/// [`Fault::Client`]: the client's fault; [`Fault::Bug`].
pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    lookup::request::<ListOffsets>(cx, request)
}

struct ListOffsets;

impl Lookup for ListOffsets {
    type Request = ListOffsetsRequest;
    type Response = ListOffsetsResponse;
    /// Current leader epoch and timestamp.
    type Question = (i32, i64);
    type Found = ListOffsetsPartitionResponse;

    fn questions(request: &mut Self::Request) -> Topics<(VirtualPartition, Self::Question)> {
        let question = |asked: ListOffsetsPartition| {
            (VirtualPartition(asked.partition_index), (asked.current_leader_epoch, asked.timestamp))
        };
        let topics = std::mem::take(&mut request.topics).into_iter();
        topics.map(|topic| (topic.name, topic.partitions.into_iter().map(question).collect())).collect()
    }

    fn ask(frame: &Self::Request, topics: Topics<(PhysicalPartition, Self::Question)>) -> Self::Request {
        let partition = |(PhysicalPartition(partition), (leader_epoch, timestamp))| {
            ListOffsetsPartition::default()
                .with_partition_index(partition)
                .with_current_leader_epoch(leader_epoch)
                .with_timestamp(timestamp)
        };
        let topics = topics.into_iter().map(|(name, partitions)| {
            let partitions = partitions.into_iter().map(partition).collect();
            ListOffsetsTopic::default().with_name(name).with_partitions(partitions)
        });
        frame.clone().with_topics(topics.collect())
    }

    fn found(answer: Self::Response) -> (i32, Topics<Self::Found>) {
        let topics = answer.topics.into_iter().map(|topic| (topic.name, topic.partitions));
        (answer.throttle_time_ms, topics.collect())
    }

    fn answer(throttle_time_ms: i32, topics: Topics<Self::Found>) -> Self::Response {
        let topic =
            |(name, partitions)| ListOffsetsTopicResponse::default().with_name(name).with_partitions(partitions);
        ListOffsetsResponse::default()
            .with_throttle_time_ms(throttle_time_ms)
            .with_topics(topics.into_iter().map(topic).collect())
    }

    fn fields(found: &mut Self::Found) -> (&mut i32, &mut i16, &mut i64) {
        (&mut found.partition_index, &mut found.error_code, &mut found.offset)
    }
}

#[cfg(test)]
mod tests;
