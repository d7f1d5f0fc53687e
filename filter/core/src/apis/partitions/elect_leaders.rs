//! ElectLeaders (KIP-460): siblings have one leader, so an election for one of them is an election for all.
//!
//! Each physical partition is named once, and answered under the numbers that the client has named. Where the
//! client asks for all partitions, each that the broker answers for stands for all its siblings.

use std::collections::HashSet;

use bytes::Bytes;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use kafka_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::apis::partitions::siblings::{self, Gathered};
use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::exchange::located::{Located, Place};
use crate::exchange::rounds::{self, Awaited};
use crate::limits;
use crate::own::topics::About;
use crate::remapper::PhysicalPartition;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let message: ElectLeadersRequest = request.decode()?;
    let version = request.version;
    let Some(topics) = message.topic_partitions.clone() else {
        let requests = vec![Upstream::new(version, &message)?];
        return Ok(Plan::Send { requests, pending: Box::new(AwaitsAll { version }), barrier: true });
    };
    let (mapped, mut asked): (Vec<_>, Vec<_>) = topics.into_iter().partition(|topic| cx.is_mapped(&topic.topic));
    if mapped.is_empty() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    if let Some(plan) = cx.ask_first(mapped.iter().map(|topic| &topic.topic))? {
        return Ok(plan);
    }
    let named = |topic: TopicPartitions| (topic.topic, topic.partitions.into_iter().map(|partition| (partition, ())));
    let Gathered { places, misplaced } = siblings::gather(cx, mapped.into_iter().map(named));
    let mut results = vec![];
    for (at, (topic, partition, why)) in misplaced.into_iter().enumerate() {
        let words = (at < limits::REFUSAL_WORDS_MAX).then(|| StrBytes::from_static_str(why.words()));
        let error = ResponseError::UnknownTopicOrPartition.code();
        let result = PartitionResult::default().with_partition_id(partition).with_error_code(error);
        results.push((topic, result.with_error_message(words)));
    }
    places.iter().flat_map(|siblings| siblings.named()).for_each(|located| cx.count_remapped(located));
    let numbers = places.iter().map(|siblings| (siblings.place.topic.clone(), siblings.place.partition.0));
    asked.extend(
        rounds::group(numbers)
            .into_iter()
            .map(|(topic, partitions)| TopicPartitions::default().with_topic(topic).with_partitions(partitions)),
    );
    if asked.is_empty() {
        return Plan::answer(&answer(cx, ElectLeadersResponse::default(), results), version);
    }
    let requests = vec![Upstream::new(version, &message.with_topic_partitions(Some(asked)))?];
    let askers = Awaited::new(places.into_iter().map(|siblings| siblings.into_askers()));
    Ok(Plan::Send { requests, pending: Box::new(AwaitsNamed { version, askers, results }), barrier: false })
}

/// The client's answer: `found`, which holds what is said of topics that are not mapped, and `results` of
/// those that are.
fn answer(
    cx: &mut Context<'_>,
    mut found: ElectLeadersResponse,
    results: Vec<(TopicName, PartitionResult)>,
) -> ElectLeadersResponse {
    let topic = |(topic, results)| ReplicaElectionResult::default().with_topic(topic).with_partition_result(results);
    found.replica_election_results.extend(rounds::group(results).into_iter().map(topic));
    cx.note(found.error_code);
    let results = found.replica_election_results.iter().flat_map(|topic| &topic.partition_result);
    results.for_each(|result| cx.note(result.error_code));
    found
}

/// Takes the mapped topics out of an answer.
fn take_mapped(cx: &Context<'_>, found: &mut ElectLeadersResponse) -> Vec<ReplicaElectionResult> {
    let topics = std::mem::take(&mut found.replica_election_results).into_iter();
    let (mapped, others) = topics.partition(|topic| cx.is_mapped(&topic.topic));
    found.replica_election_results = others;
    mapped
}

/// `result`, of the physical partition, as a client has it of a virtual one on it.
fn for_client(located: &Located, result: &PartitionResult) -> (TopicName, PartitionResult) {
    let words = siblings::words(result.error_message.clone(), &located.place);
    let result = result.clone().with_partition_id(located.partition.0).with_error_message(words);
    (located.place.topic.clone(), result)
}

/// The response half for partitions that the client has named.
struct AwaitsNamed {
    version: i16,
    askers: Awaited<Vec<Located>>,
    /// What is answered already.
    results: Vec<(TopicName, PartitionResult)>,
}

impl Pending for AwaitsNamed {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self { version, mut askers, mut results } = *self;
        let mut found: ElectLeadersResponse = read_answer(&body, version)?;
        for ReplicaElectionResult { topic, partition_result, .. } in take_mapped(cx, &mut found) {
            for result in partition_result {
                let place = Place { topic: topic.clone(), partition: PhysicalPartition(result.partition_id) };
                let askers = askers.take(cx.api.name, place)?;
                results.extend(askers.iter().map(|asker| for_client(asker, &result)));
            }
        }
        // A request that is refused as a whole need not have an answer for each partition.
        if found.error_code == 0 {
            askers.finish(cx.api.name)?;
        }
        Next::answer(&answer(cx, found, results), version)
    }
}

/// The response half for all partitions of the cluster.
struct AwaitsAll {
    version: i16,
}

impl Pending for AwaitsAll {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let version = self.version;
        let mut found: ElectLeadersResponse = read_answer(&body, version)?;
        let mapped = take_mapped(cx, &mut found);
        let fitting: HashSet<TopicName> = match cx.ask_about(mapped.iter().map(|topic| &topic.topic))? {
            About::Ask(question) => return Ok(question.before(body, self)),
            About::Known(fitting) => fitting,
        };
        let mut results = vec![];
        for ReplicaElectionResult { topic, partition_result, .. } in mapped {
            let Some(topic) = fitting.get(&topic).map(|name| cx.topic(name)) else { continue };
            for result in partition_result {
                let siblings = topic.siblings(PhysicalPartition(result.partition_id));
                results.extend(siblings.map(|located| for_client(&located, &result)));
            }
        }
        Next::answer(&answer(cx, found, results), version)
    }
}

#[cfg(test)]
mod tests;
