//! DescribeLogDirs (KIP-113): the size of a physical partition is told once, under the number of its lane 0,
//! so that sums over partitions are what the disks hold. A broker cannot tell what each sibling takes of it.
//!
//! Lane 0 of physical partition p is virtual partition p, or C·p in the block layout. Other partitions have
//! no size: a request that names them goes up without them. (No partitions are none to a broker; only where
//! the list of topics is null it describes all.)

use std::collections::HashSet;

use bytes::Bytes;
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};

use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::own::topics::About;
use crate::remapper::{Lane, PhysicalPartition};

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let mut message: DescribeLogDirsRequest = request.decode()?;
    let version = request.version;
    let is_all = message.topics.is_none();
    if let Some(topics) = &mut message.topics {
        if !topics.iter().any(|topic| cx.is_mapped(&topic.topic)) {
            return Ok(Plan::Pass(Passing::Untouched));
        }
        if let Some(plan) = cx.ask_first(topics.iter().map(|topic| &topic.topic))? {
            return Ok(plan);
        }
        topics.iter_mut().for_each(|topic| to_physical(cx, topic));
    }
    let requests = vec![Upstream::new(version, &message)?];
    Ok(Plan::Send { requests, pending: Box::new(Waiting { version, is_all }), barrier: is_all })
}

/// Leaves the partitions that stand for their physical ones, under the broker's numbers.
fn to_physical(cx: &mut Context<'_>, named: &mut DescribableLogDirTopic) {
    if !cx.is_mapped(&named.topic) {
        return;
    }
    let topic = cx.topic(&named.topic);
    named.partitions.retain_mut(|partition| {
        let Some(located) = cx.locate(&topic, *partition).ok().filter(|located| located.lane == Lane(0)) else {
            return false;
        };
        cx.count_remapped(&located);
        *partition = located.place.partition.0;
        true
    });
}

/// The response half.
struct Waiting {
    version: i16,
    /// The client has named no topics.
    is_all: bool,
}

impl Pending for Waiting {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self { version, is_all } = *self;
        let mut found: DescribeLogDirsResponse = read_answer(&body, version)?;
        let mut fitting: Option<HashSet<TopicName>> = None;
        if is_all {
            let topics = found.results.iter().flat_map(|dir| &dir.topics);
            match cx.ask_about(topics.map(|topic| &topic.name))? {
                About::Ask(question) => return Ok(question.before(body, self)),
                About::Known(topics) => fitting = Some(topics),
            }
        }
        cx.note(found.error_code);
        for dir in &mut found.results {
            cx.note(dir.error_code);
            dir.topics.retain_mut(|found| {
                if !cx.is_mapped(&found.name) {
                    return true;
                }
                let topic = cx.topic(&found.name);
                found.partitions.retain_mut(|partition| {
                    let located = topic.at(PhysicalPartition(partition.partition_index), Lane(0));
                    located.map(|located| partition.partition_index = located.partition.0).is_some()
                });
                fitting.as_ref().is_none_or(|fitting| fitting.contains(&found.name))
            });
        }
        Next::answer(&found, version)
    }
}

#[cfg(test)]
mod tests;
