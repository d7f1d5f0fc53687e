//! DeleteRecords (KIP-107): a physical partition's log is cut for all its siblings, or not at all.
//!
//! Siblings lie in one log, which a broker cuts at one offset. So records go only where the request names all
//! siblings, and up to the lowest of their offsets: no sibling loses a record that it did not give up. Each
//! is told where its log starts now, which may be before the offset that it named.
//!
//! Where a sibling is missing, those that are named are answered POLICY_VIOLATION, which no client tries
//! again. The answer has no room for words: the log says which siblings are missing.
//!
//! What is deleted under a wrong mapping is gone. So the broker is asked afresh for each request whether its
//! topics fit, and a connection under a configuration that was replaced, which may count too few siblings
//! since V has grown, deletes nothing. What another Envoy's configuration says nobody can know here.

use std::collections::HashSet;

use bytes::Bytes;
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse, TopicName};
use kafka_protocol::ResponseError;

use crate::apis::partitions::siblings::{self, Gathered, Siblings};
use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::exchange::located::{Located, Misplaced, Place};
use crate::exchange::rounds::{self, Awaited};
use crate::limits;
use crate::remapper::{PhysicalPartition, RemapError};

/// The offset that stands for the high watermark.
const HIGH_WATERMARK: i64 = -1;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let mut message: DeleteRecordsRequest = request.decode()?;
    let topics = std::mem::take(&mut message.topics);
    let (mapped, unmapped): (Vec<_>, Vec<_>) = topics.into_iter().partition(|topic| cx.is_mapped(&topic.name));
    if mapped.is_empty() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    if let Some(plan) = cx.ask_for_certain(mapped.iter().map(|topic| &topic.name))? {
        return Ok(plan);
    }
    let is_replaced = cx.shared.is_replaced(cx.now);
    let said = |asked: DeleteRecordsPartition| (asked.partition_index, asked.offset);
    let Gathered { places, misplaced } =
        siblings::gather(cx, mapped.into_iter().map(|topic| (topic.name, topic.partitions.into_iter().map(said))));
    let mut answered = Answered { throttle_time_ms: 0, results: vec![] };
    let (mut asked, mut askers, mut warned) = (vec![], vec![], HashSet::new());
    for (topic, partition, why) in misplaced {
        if why == Misplaced::Misfit {
            warn_once(cx, &topic, why.words(), &mut warned);
        }
        answered.refuse(cx, &topic, partition, why.error());
    }
    for siblings in places {
        match cut(cx, &siblings, is_replaced, &mut warned) {
            Ok(offset) => {
                siblings.named().for_each(|located| cx.count_remapped(located));
                let (place, located) = siblings.into_askers();
                let partition = DeleteRecordsPartition::default().with_partition_index(place.partition.0);
                asked.push((place.topic.clone(), partition.with_offset(offset)));
                askers.push((place, located));
            }
            Err(error) => {
                let topic = &siblings.place.topic;
                siblings.named().for_each(|located| answered.refuse(cx, topic, located.partition.0, error));
            }
        }
    }
    if asked.is_empty() && unmapped.is_empty() {
        return Plan::answer(&answered.into_answer(vec![]), request.version);
    }
    let topic = |(name, partitions)| DeleteRecordsTopic::default().with_name(name).with_partitions(partitions);
    let topics = unmapped.into_iter().chain(rounds::group(asked).into_iter().map(topic)).collect();
    let requests = vec![Upstream::new(request.version, &message.with_topics(topics))?];
    let pending = Box::new(Waiting { version: request.version, askers: Awaited::new(askers), answered });
    Ok(Plan::Send { requests, pending, barrier: false })
}

/// Up to which physical offset all siblings give their records up.
///
/// `is_replaced`: another configuration is in force, in which there may be more siblings.
///
/// # Errors
/// For each sibling that is named. One line of the log for each topic says why.
fn cut(
    cx: &mut Context<'_>,
    siblings: &Siblings<i64>,
    is_replaced: bool,
    warned: &mut HashSet<TopicName>,
) -> Result<i64, ResponseError> {
    let topic = &siblings.place.topic;
    let (error, why) = if is_replaced {
        let why = "no records were deleted, since a newer configuration than this connection's is in force: connect \
                   again, and then delete them";
        (ResponseError::PolicyViolation, why.to_owned())
    } else if siblings.missing().next().is_some() {
        let (named, missing) = (siblings.named().map(|located| located.partition.0), siblings.missing());
        let why = format!(
            "records of partitions {} were not deleted, since they lie in one log with those of {}: name all of these \
             in one request",
            siblings::list(named),
            siblings::list(missing)
        );
        (ResponseError::PolicyViolation, why)
    } else {
        match lowest(siblings) {
            Ok(offset) => return Ok(offset),
            Err(error) => (ResponseError::OffsetOutOfRange, error.to_string()),
        }
    };
    warn_once(cx, topic, &why, warned);
    Err(error)
}

/// A line of the log for `topic`, unless there is one in `warned`, or enough for others.
fn warn_once(cx: &mut Context<'_>, topic: &TopicName, why: &str, warned: &mut HashSet<TopicName>) {
    if warned.len() < limits::REFUSAL_WORDS_MAX && warned.insert(topic.clone()) {
        cx.warn_refused(&format!("topic {}: {why}", topic.0));
    }
}

/// The lowest offset that is named. The high watermark lies behind all others; what is below it, and no
/// offset, is the broker's to refuse.
fn lowest(siblings: &Siblings<i64>) -> Result<i64, RemapError> {
    let mut lowest = None;
    for (located, offset) in siblings.said() {
        let offset = located.offset_for_broker(*offset)?;
        if offset != HIGH_WATERMARK {
            lowest = Some(lowest.map_or(offset, |lowest: i64| lowest.min(offset)));
        }
    }
    Ok(lowest.unwrap_or(HIGH_WATERMARK))
}

/// What the client's answer will hold of mapped topics, as far as it is known.
struct Answered {
    throttle_time_ms: i32,
    results: Vec<(TopicName, DeleteRecordsPartitionResult)>,
}

impl Answered {
    fn refuse(&mut self, cx: &mut Context<'_>, topic: &TopicName, partition: i32, error: ResponseError) {
        cx.note_refusal(error.code());
        let result = DeleteRecordsPartitionResult::default().with_partition_index(partition).with_low_watermark(-1);
        self.results.push((topic.clone(), result.with_error_code(error.code())));
    }

    /// Adds what the broker says of a place as `asker` has to see it.
    fn add(&mut self, cx: &mut Context<'_>, asker: &Located, result: DeleteRecordsPartitionResult) {
        let topic = &asker.place.topic;
        match asker.offset_for_client(result.low_watermark) {
            Ok(offset) => {
                cx.note(result.error_code);
                let result = result.with_partition_index(asker.partition.0).with_low_watermark(offset);
                self.results.push((topic.clone(), result));
            }
            Err(error) => {
                cx.warn(format!("topic {}: {error}", topic.0));
                self.refuse(cx, topic, asker.partition.0, ResponseError::UnknownServerError);
            }
        }
    }

    /// `unmapped`: what the broker says of other topics.
    fn into_answer(self, unmapped: Vec<DeleteRecordsTopicResult>) -> DeleteRecordsResponse {
        let topic =
            |(name, partitions)| DeleteRecordsTopicResult::default().with_name(name).with_partitions(partitions);
        let mapped = rounds::group(self.results).into_iter().map(topic);
        DeleteRecordsResponse::default()
            .with_throttle_time_ms(self.throttle_time_ms)
            .with_topics(mapped.chain(unmapped).collect())
    }
}

/// The response half.
struct Waiting {
    version: i16,
    askers: Awaited<Vec<Located>>,
    answered: Answered,
}

impl Pending for Waiting {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self { version, mut askers, mut answered } = *self;
        let found: DeleteRecordsResponse = read_answer(&body, version)?;
        answered.throttle_time_ms = found.throttle_time_ms;
        let (mapped, unmapped): (Vec<_>, Vec<_>) =
            found.topics.into_iter().partition(|topic| cx.is_mapped(&topic.name));
        for DeleteRecordsTopicResult { name, partitions, .. } in mapped {
            for result in partitions {
                let place = Place { topic: name.clone(), partition: PhysicalPartition(result.partition_index) };
                for asker in askers.take(cx.api.name, place)? {
                    answered.add(cx, &asker, result.clone());
                }
            }
        }
        askers.finish(cx.api.name)?;
        let partitions = unmapped.iter().flat_map(|topic| &topic.partitions);
        partitions.for_each(|result| cx.note(result.error_code));
        Next::answer(&answered.into_answer(unmapped), version)
    }
}

#[cfg(test)]
mod tests;
