//! CreatePartitions: a mapped topic keeps its physical partitions, whatever a client asks for.
//!
//! V grows by configuration alone; on the brokers nothing has to be done for it, and another count there than
//! `physical_partitions` would make the filter refuse the topic. So the broker is asked for what it never
//! does, a single partition, which is no increase for any topic. That a topic does not exist, is named twice,
//! or may not be altered, is told by the broker; what it says of the count becomes the filter's words. They
//! come with Kafka's code for a count that is no increase where the client's is none, and else with
//! POLICY_VIOLATION: MirrorMaker takes the former for a topic that has grown meanwhile, and says nothing.

use std::collections::HashMap;

use bytes::Bytes;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::limits;
use crate::remapper::{Layout, PartitionRemapper};

/// The broker's code for a count that is no increase.
const NO_INCREASE_ERROR: ResponseError = ResponseError::InvalidPartitions;

/// A count to which no topic can be increased: each has so many partitions at least.
const NO_INCREASE: i32 = 1;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let mut message: CreatePartitionsRequest = request.decode()?;
    let mut counts = HashMap::new();
    for topic in message.topics.iter_mut().filter(|topic| cx.is_mapped(&topic.name)) {
        counts.insert(topic.name.clone(), topic.count);
        (topic.count, topic.assignments) = (NO_INCREASE, None);
    }
    if counts.is_empty() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let version = request.version;
    let requests = vec![Upstream::new(version, &message)?];
    let pending = Box::new(Waiting { version, counts });
    Ok(Plan::Send { requests, pending, barrier: false })
}

/// Waits for what the broker says of the topics.
struct Waiting {
    version: i16,
    /// What the client asked for, of mapped topics.
    counts: HashMap<TopicName, i32>,
}

impl Pending for Waiting {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let mut answer: CreatePartitionsResponse = read_answer(&body, self.version)?;
        let mut refused = 0;
        for topic in &mut answer.results {
            let count = self.counts.get(&topic.name).filter(|_| is_of_count(topic));
            if let (Some(count), Some(mapping)) = (count, cx.shared.topics.remapper(&topic.name.0)) {
                let fits = !cx.is_misfit(&topic.name);
                let words = (refused < limits::REFUSAL_WORDS_MAX).then(|| words(&topic.name.0, &mapping, *count, fits));
                if let Some(words) = words.as_deref().filter(|_| refused == 0) {
                    cx.warn_refused(words);
                }
                let is_increase = *count > mapping.virtual_partitions();
                let error = if is_increase { ResponseError::PolicyViolation } else { NO_INCREASE_ERROR };
                topic.error_code = error.code();
                topic.error_message = words.map(StrBytes::from_string);
                refused += 1;
            }
            cx.note(topic.error_code);
        }
        Next::answer(&answer, self.version)
    }
}

/// The broker would have gone by the count that it was asked for.
fn is_of_count(topic: &CreatePartitionsTopicResult) -> bool {
    topic.error_code == 0 || topic.error_code == NO_INCREASE_ERROR.code()
}

/// Why a topic that `fits` its mapping, or does not, gets no `count` partitions.
fn words(topic: &str, mapping: &PartitionRemapper, count: i32, fits: bool) -> String {
    let (v, p) = (mapping.virtual_partitions(), mapping.physical_partitions());
    if !fits {
        return format!(
            "topic {topic} does not fit its mapping in the partition remapper, which shows {p} partitions as {v}: give it \
             {p} on the brokers themselves, or delete it, or change physical_partitions"
        );
    }
    let mapped = format!(
        "topic {topic} is mapped by the partition remapper: clients see {v} virtual partitions on {p} physical ones"
    );
    match mapping.layout() {
        _ if count <= v => format!("{mapped}, so {count} is no increase"),
        Layout::Modulo => format!(
            "{mapped}; for more of them raise virtual_partitions, to a multiple of {p}, in the configuration of the \
             partition remapper (keys then meet other partitions, as in any topic that grows); the physical ones must stay"
        ),
        Layout::Block => format!("{mapped}, in the block layout, in which neither number can change"),
    }
}

#[cfg(test)]
mod tests;
