//! AlterPartitionReassignments (KIP-455): siblings have the same replicas, so they move together or not at
//! all.
//!
//! A physical partition's reassignment is begun, or cancelled, where the request says the same of all its
//! siblings. Anything else would be a guess: those that are named are answered INVALID_REPLICA_ASSIGNMENT,
//! with words that say which siblings are missing or differ.

use bytes::Bytes;
use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, BrokerId, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::apis::partitions::siblings::{self, Gathered, Siblings};
use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::exchange::located::{Located, Place};
use crate::exchange::rounds::{self, Awaited};
use crate::limits;
use crate::remapper::PhysicalPartition;

/// Where the replicas go. None: a reassignment is cancelled.
type Replicas = Option<Vec<BrokerId>>;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let mut message: AlterPartitionReassignmentsRequest = request.decode()?;
    let topics = std::mem::take(&mut message.topics);
    let (mapped, mut asked): (Vec<_>, Vec<_>) = topics.into_iter().partition(|topic| cx.is_mapped(&topic.name));
    if mapped.is_empty() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    if let Some(plan) = cx.ask_for_certain(mapped.iter().map(|topic| &topic.name))? {
        return Ok(plan);
    }
    let said = |asked: ReassignablePartition| (asked.partition_index, asked.replicas);
    let Gathered { places, misplaced } =
        siblings::gather(cx, mapped.into_iter().map(|topic| (topic.name, topic.partitions.into_iter().map(said))));
    let mut answered = Answered { responses: vec![] };
    for (topic, partition, why) in misplaced {
        let words = StrBytes::from_static_str(why.words());
        answered.refuse(topic, partition, why.error(), &words);
    }
    let (mut moves, mut askers, mut is_warned) = (vec![], vec![], false);
    for siblings in places {
        let topic = &siblings.place.topic;
        if let Some(replicas) = agreed(&siblings) {
            siblings.named().for_each(|located| cx.count_remapped(located));
            let partition = ReassignablePartition::default().with_partition_index(siblings.place.partition.0);
            moves.push((topic.clone(), partition.with_replicas(replicas)));
            askers.push(siblings.into_askers());
        } else {
            let error = ResponseError::InvalidReplicaAssignment;
            let words = StrBytes::from_string(if answered.has_words() { why(&siblings) } else { String::new() });
            if !std::mem::replace(&mut is_warned, true) {
                cx.warn_refused(&format!("topic {}: {words}", topic.0));
            }
            let partitions = siblings.named().map(|located| located.partition.0);
            partitions.for_each(|partition| answered.refuse(topic.clone(), partition, error, &words));
        }
    }
    let topic = |(name, partitions)| ReassignableTopic::default().with_name(name).with_partitions(partitions);
    asked.extend(rounds::group(moves).into_iter().map(topic));
    if asked.is_empty() {
        let found = AlterPartitionReassignmentsResponse::default().with_error_message(None);
        let found = found.with_allow_replication_factor_change(message.allow_replication_factor_change);
        return Plan::answer(&answered.into_answer(cx, found), request.version);
    }
    let requests = vec![Upstream::new(request.version, &message.with_topics(asked))?];
    let pending = Box::new(Waiting { version: request.version, askers: Awaited::new(askers), answered });
    Ok(Plan::Send { requests, pending, barrier: false })
}

/// What the request says of all siblings alike.
fn agreed(siblings: &Siblings<Replicas>) -> Option<Replicas> {
    let mut said = siblings.said().map(|(_, replicas)| replicas);
    let first = said.next()?;
    (said.all(|replicas| replicas == first) && siblings.missing().next().is_none()).then(|| first.clone())
}

/// Why the siblings cannot move.
fn why(siblings: &Siblings<Replicas>) -> String {
    let named = siblings::list(siblings.named().map(|located| located.partition.0));
    let why = if siblings.missing().next().is_some() {
        format!("{} to be named with the same replicas", siblings::list(siblings.missing()))
    } else {
        "the same replicas for all of them".to_owned()
    };
    format!("partitions {named} of this topic lie in one log and move together: it takes {why}")
}

/// What the client's answer will hold of mapped topics, as far as it is known.
struct Answered {
    responses: Vec<(TopicName, ReassignablePartitionResponse)>,
}

impl Answered {
    /// Whether the next refusal has words.
    fn has_words(&self) -> bool {
        self.responses.len() < limits::REFUSAL_WORDS_MAX
    }

    /// To be called before any other answer is added.
    fn refuse(&mut self, topic: TopicName, partition: i32, error: ResponseError, words: &StrBytes) {
        let words = self.has_words().then(|| words.clone());
        let response = ReassignablePartitionResponse::default().with_partition_index(partition);
        self.responses.push((topic, response.with_error_code(error.code()).with_error_message(words)));
    }

    /// The client's answer: `found`, which holds what is said of topics that are not mapped, and the others.
    fn into_answer(
        self,
        cx: &mut Context<'_>,
        mut found: AlterPartitionReassignmentsResponse,
    ) -> AlterPartitionReassignmentsResponse {
        let topic =
            |(name, partitions)| ReassignableTopicResponse::default().with_name(name).with_partitions(partitions);
        found.responses.extend(rounds::group(self.responses).into_iter().map(topic));
        cx.note(found.error_code);
        let partitions = found.responses.iter().flat_map(|topic| &topic.partitions);
        partitions.for_each(|partition| cx.note(partition.error_code));
        found
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
        let mut found: AlterPartitionReassignmentsResponse = read_answer(&body, version)?;
        let topics = std::mem::take(&mut found.responses);
        let (mapped, others): (Vec<_>, Vec<_>) = topics.into_iter().partition(|topic| cx.is_mapped(&topic.name));
        found.responses = others;
        for ReassignableTopicResponse { name, partitions, .. } in mapped {
            for response in partitions {
                let place = Place { topic: name.clone(), partition: PhysicalPartition(response.partition_index) };
                let words = siblings::words(response.error_message.clone(), &place);
                let response = response.with_error_message(words);
                let asker = |asker: Located| (name.clone(), response.clone().with_partition_index(asker.partition.0));
                answered.responses.extend(askers.take(cx.api.name, place)?.into_iter().map(asker));
            }
        }
        // A request that is refused as a whole need not have an answer for each partition.
        if found.error_code == 0 {
            askers.finish(cx.api.name)?;
        }
        Next::answer(&answered.into_answer(cx, found), version)
    }
}

#[cfg(test)]
mod tests;
