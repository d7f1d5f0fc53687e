//! DeleteTopics: goes by as it is, and its answer as well. But what was remembered of a mapped topic is
//! forgotten with the topic: one of the same name may be made at once, with other records and another number
//! of partitions.

use std::collections::HashSet;

use bytes::Bytes;
use kafka_protocol::messages::DeleteTopicsResponse;
use kafka_protocol::ResponseError;

use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request};
use crate::wire::rope::Rope;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    Ok(Plan::Pass(Passing::Read(Box::new(Answer { version: request.version }))))
}

/// Waits for the broker's answer.
struct Answer {
    version: i16,
}

impl Pending for Answer {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let answer: DeleteTopicsResponse = read_answer(&body, self.version)?;
        // A deletion that takes longer than the client waits goes on all the same.
        let over = [0, ResponseError::RequestTimedOut.code()];
        let (mut gone, mut absent) = (HashSet::new(), HashSet::new());
        for topic in answer.responses {
            cx.note(topic.error_code);
            // A broker gives names to the ids of topics that it deletes.
            let Some(name) = topic.name.filter(|name| cx.is_mapped(name)) else { continue };
            if over.contains(&topic.error_code) {
                gone.insert(name);
            } else if topic.error_code == ResponseError::UnknownTopicOrPartition.code() {
                absent.insert(name);
            }
        }
        cx.shared.forget_topics(&gone, cx.now);
        cx.doubt(absent);
        let mut out = Rope::new();
        out.put_bytes(&body);
        Ok(Next::Answer(out))
    }
}

#[cfg(test)]
mod tests;
