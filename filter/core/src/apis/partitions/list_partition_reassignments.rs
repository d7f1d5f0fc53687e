//! ListPartitionReassignments (KIP-455): a physical partition that moves is listed under the numbers that the
//! client has named, and under those of all siblings where the client asks for all partitions.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use kafka_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use kafka_protocol::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use kafka_protocol::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, TopicName};

use crate::apis::partitions::siblings::{self, Gathered};
use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::exchange::located::{Located, Place};
use crate::exchange::rounds;
use crate::own::topics::About;
use crate::remapper::PhysicalPartition;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let message: ListPartitionReassignmentsRequest = request.decode()?;
    let version = request.version;
    let Some(topics) = message.topics.clone() else {
        let requests = vec![Upstream::new(version, &message)?];
        return Ok(Plan::Send { requests, pending: Box::new(AwaitsAll { version }), barrier: true });
    };
    let (mapped, mut asked): (Vec<_>, Vec<_>) = topics.into_iter().partition(|topic| cx.is_mapped(&topic.name));
    if mapped.is_empty() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    if let Some(plan) = cx.ask_first(mapped.iter().map(|topic| &topic.name))? {
        return Ok(plan);
    }
    let named = |topic: ListPartitionReassignmentsTopics| {
        (topic.name, topic.partition_indexes.into_iter().map(|partition| (partition, ())))
    };
    // What does not exist does not move: a broker has no error for it here.
    let Gathered { places, .. } = siblings::gather(cx, mapped.into_iter().map(named));
    places.iter().flat_map(|siblings| siblings.named()).for_each(|located| cx.count_remapped(located));
    let numbers = places.iter().map(|siblings| (siblings.place.topic.clone(), siblings.place.partition.0));
    asked.extend(rounds::group(numbers).into_iter().map(|(name, partitions)| {
        ListPartitionReassignmentsTopics::default().with_name(name).with_partition_indexes(partitions)
    }));
    // Also where nothing is left: an empty list is none, and null is all.
    let requests = vec![Upstream::new(version, &message.with_topics(Some(asked)))?];
    let askers = places.into_iter().map(|siblings| siblings.into_askers()).collect();
    Ok(Plan::Send { requests, pending: Box::new(AwaitsNamed { version, askers }), barrier: false })
}

/// The client's answer: `found`, whose mapped topics become what `virtualize` makes of each physical
/// partition.
fn answer(
    cx: &mut Context<'_>,
    mut found: ListPartitionReassignmentsResponse,
    mut virtualize: impl FnMut(&Context<'_>, Place) -> Vec<Located>,
) -> ListPartitionReassignmentsResponse {
    cx.note(found.error_code);
    let topics = std::mem::take(&mut found.topics);
    let (mapped, others): (Vec<_>, Vec<_>) = topics.into_iter().partition(|topic| cx.is_mapped(&topic.name));
    found.topics = others;
    let mut moving: Vec<(TopicName, OngoingPartitionReassignment)> = vec![];
    for OngoingTopicReassignment { name, partitions, .. } in mapped {
        for partition in partitions {
            let place = Place { topic: name.clone(), partition: PhysicalPartition(partition.partition_index) };
            let located = virtualize(cx, place).into_iter();
            moving.extend(
                located.map(|located| (name.clone(), partition.clone().with_partition_index(located.partition.0))),
            );
        }
    }
    let topic = |(name, partitions)| OngoingTopicReassignment::default().with_name(name).with_partitions(partitions);
    found.topics.extend(rounds::group(moving).into_iter().map(topic));
    found
}

/// The response half for partitions that the client has named.
struct AwaitsNamed {
    version: i16,
    askers: HashMap<Place, Vec<Located>>,
}

impl Pending for AwaitsNamed {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self { version, mut askers } = *self;
        let found = read_answer(&body, version)?;
        Next::answer(&answer(cx, found, |_, place| askers.remove(&place).unwrap_or_default()), version)
    }
}

/// The response half for all partitions of the cluster.
struct AwaitsAll {
    version: i16,
}

impl Pending for AwaitsAll {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let version = self.version;
        let found: ListPartitionReassignmentsResponse = read_answer(&body, version)?;
        let fitting: HashSet<TopicName> = match cx.ask_about(found.topics.iter().map(|topic| &topic.name))? {
            About::Ask(question) => return Ok(question.before(body, self)),
            About::Known(fitting) => fitting,
        };
        let siblings = |cx: &Context<'_>, place: Place| {
            let topic = fitting.get(&place.topic).map(|name| cx.topic(name));
            topic.map_or(vec![], |topic| topic.siblings(place.partition).collect())
        };
        Next::answer(&answer(cx, found, siblings), version)
    }
}

#[cfg(test)]
mod tests;
