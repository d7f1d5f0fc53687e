//! DescribeProducers (KIP-664): who writes to a partition, as far as a broker can tell.
//!
//! A broker knows an idempotent producer to a lane above 0 by an id with the lane in it (see the tags of
//! `wire/batch.rs`): such a producer is shown to its own lane alone, and by the id that it has itself. The
//! ids of transactional producers tell no lane: these are those of the physical partition, and are shown to
//! all siblings, as far as [`limits::PRODUCERS_COPIED_MAX`] goes: siblings beyond get POLICY_VIOLATION, with
//! words. Of writers without idempotence brokers know nothing.

use std::collections::HashMap;

use bytes::Bytes;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use kafka_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId, TopicName};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::apis::partitions::siblings::{self, Gathered};
use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::exchange::located::{Located, Place};
use crate::exchange::rounds::{self, Awaited};
use crate::limits;
use crate::remapper::{Lane, PhysicalPartition, RemapError};
use crate::wire::batch;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let mut message: DescribeProducersRequest = request.decode()?;
    let topics = std::mem::take(&mut message.topics);
    let (mapped, mut asked): (Vec<_>, Vec<_>) = topics.into_iter().partition(|topic| cx.is_mapped(&topic.name));
    if mapped.is_empty() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    if let Some(plan) = cx.ask_first(mapped.iter().map(|topic| &topic.name))? {
        return Ok(plan);
    }
    let named =
        |topic: TopicRequest| (topic.name, topic.partition_indexes.into_iter().map(|partition| (partition, ())));
    let Gathered { places, misplaced } = siblings::gather(cx, mapped.into_iter().map(named));
    let mut found = vec![];
    for (at, (topic, partition, why)) in misplaced.into_iter().enumerate() {
        let words = (at < limits::REFUSAL_WORDS_MAX).then(|| StrBytes::from_static_str(why.words()));
        found.push((topic, refusal(partition, why.error()).with_error_message(words)));
    }
    places.iter().flat_map(|siblings| siblings.named()).for_each(|located| cx.count_remapped(located));
    let numbers = places.iter().map(|siblings| (siblings.place.topic.clone(), siblings.place.partition.0));
    asked.extend(
        rounds::group(numbers)
            .into_iter()
            .map(|(name, partitions)| TopicRequest::default().with_name(name).with_partition_indexes(partitions)),
    );
    if asked.is_empty() {
        return Plan::answer(&answer(cx, DescribeProducersResponse::default(), found), request.version);
    }
    let requests = vec![Upstream::new(request.version, &message.with_topics(asked))?];
    let askers = Awaited::new(places.into_iter().map(|siblings| siblings.into_askers()));
    Ok(Plan::Send { requests, pending: Box::new(Waiting { version: request.version, askers, found }), barrier: false })
}

fn refusal(partition: i32, error: ResponseError) -> PartitionResponse {
    PartitionResponse::default().with_partition_index(partition).with_error_code(error.code())
}

/// The client's answer: `others`, which holds what is said of topics that are not mapped, and what was found
/// of those that are.
fn answer(
    cx: &mut Context<'_>,
    mut others: DescribeProducersResponse,
    found: Vec<(TopicName, PartitionResponse)>,
) -> DescribeProducersResponse {
    let topic = |(name, partitions)| TopicResponse::default().with_name(name).with_partitions(partitions);
    others.topics.extend(rounds::group(found).into_iter().map(topic));
    let partitions = others.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.for_each(|partition| cx.note(partition.error_code));
    others
}

/// The response half.
struct Waiting {
    version: i16,
    askers: Awaited<Vec<Located>>,
    /// What is answered already.
    found: Vec<(TopicName, PartitionResponse)>,
}

impl Pending for Waiting {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self { version, mut askers, found: mut all } = *self;
        let mut others: DescribeProducersResponse = read_answer(&body, version)?;
        let topics = std::mem::take(&mut others.topics);
        let (mapped, unmapped): (Vec<_>, Vec<_>) = topics.into_iter().partition(|topic| cx.is_mapped(&topic.name));
        others.topics = unmapped;
        let mut copies_left = limits::PRODUCERS_COPIED_MAX;
        for TopicResponse { name, partitions, .. } in mapped {
            for found in partitions {
                let place = Place { topic: name.clone(), partition: PhysicalPartition(found.partition_index) };
                let (askers, producers) = (askers.take(cx.api.name, place)?, Producers::of(&found));
                for (at, asker) in askers.iter().enumerate() {
                    let copies = if at == 0 { 0 } else { producers.shared.len() };
                    let told = match copies_left.checked_sub(copies) {
                        Some(left) => {
                            copies_left = left;
                            for_client(cx, asker, &found, &producers)
                        }
                        None => refusal(asker.partition.0, ResponseError::PolicyViolation)
                            .with_error_message(Some(TOO_MANY)),
                    };
                    all.push((name.clone(), told));
                }
            }
        }
        askers.finish(cx.api.name)?;
        Next::answer(&answer(cx, others, all), version)
    }
}

/// What a sibling is told whose producers do not fit the answer.
const TOO_MANY: StrBytes = StrBytes::from_static_str(
    "so many transactional producers are not shown to so many virtual partitions at once: ask for fewer of them",
);

/// Who writes to a physical partition: each producer, by its place in the broker's answer.
struct Producers<'f> {
    /// Those of all siblings.
    shared: Vec<(usize, &'f ProducerState)>,
    by_lane: HashMap<Lane, Vec<(usize, &'f ProducerState)>>,
}

impl<'f> Producers<'f> {
    fn of(found: &'f PartitionResponse) -> Self {
        let mut producers = Self { shared: vec![], by_lane: HashMap::new() };
        for (at, state) in found.active_producers.iter().enumerate() {
            let (lane, _) = batch::producer(state.producer_id.0);
            // One with an open transaction, or that has ended one: then a coordinator has written a marker
            // for it.
            let is_transactional =
                lane == Lane(0) && (state.current_txn_start_offset >= 0 || state.coordinator_epoch >= 0);
            let of = if is_transactional { &mut producers.shared } else { producers.by_lane.entry(lane).or_default() };
            of.push((at, state));
        }
        producers
    }

    /// Those of `lane`, in the broker's order.
    fn of_lane(&self, lane: Lane) -> Vec<(usize, &'f ProducerState)> {
        let own = self.by_lane.get(&lane).into_iter().flatten();
        let mut all: Vec<_> = self.shared.iter().chain(own).copied().collect();
        all.sort_unstable_by_key(|(at, _)| *at);
        all
    }
}

/// What was found at a place, as the client has it of a virtual partition there.
fn for_client(
    cx: &mut Context<'_>,
    asker: &Located,
    found: &PartitionResponse,
    producers: &Producers<'_>,
) -> PartitionResponse {
    let partition = asker.partition.0;
    let producers = producers.of_lane(asker.lane).into_iter().map(|(_, state)| producer(asker, state));
    match producers.collect() {
        Ok(producers) => PartitionResponse::default()
            .with_partition_index(partition)
            .with_error_code(found.error_code)
            .with_error_message(siblings::words(found.error_message.clone(), &asker.place))
            .with_active_producers(producers),
        Err(error) => {
            cx.warn(format!("topic {}: {error}", asker.place.topic.0));
            refusal(partition, ResponseError::UnknownServerError)
        }
    }
}

/// A producer as the client has it.
fn producer(asker: &Located, state: &ProducerState) -> Result<ProducerState, RemapError> {
    let (_, id) = batch::producer(state.producer_id.0);
    let offset = asker.offset_for_client(state.current_txn_start_offset)?;
    Ok(state.clone().with_producer_id(ProducerId(id)).with_current_txn_start_offset(offset))
}

#[cfg(test)]
mod tests;
