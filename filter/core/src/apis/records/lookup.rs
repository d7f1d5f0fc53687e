//! Lookups: APIs that ask one question per partition and get one offset back (ListOffsets,
//! OffsetForLeaderEpoch).
//!
//! Siblings with the same question share one place upstream; those with different ones go up in rounds. The
//! answers are merged, each under the virtual partition's number and in its offsets. A partition that is
//! named twice is refused, as a broker refuses it in ListOffsets: so a request has no more rounds than a
//! physical partition has siblings.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

use bytes::Bytes;
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::{self, Encodable};
use kafka_protocol::ResponseError;

use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::exchange::located::{Located, Place};
use crate::exchange::rounds::{self, Round, Rounds};
use crate::remapper::{PhysicalPartition, VirtualPartition};
use crate::wire::shape::Shaped;

/// Topics, each with something per partition.
pub(crate) type Topics<T> = Vec<(TopicName, Vec<T>)>;

/// What is particular to one API.
pub(crate) trait Lookup: 'static {
    type Request: Shaped + protocol::Request;
    type Response: Shaped + Encodable;
    /// What makes two siblings' questions equal.
    type Question: Hash + Eq + Copy + 'static;
    /// The answer for one partition.
    type Found: Clone + Default + 'static;

    /// Takes the questions out of a request; what is left of the request goes for all rounds.
    fn questions(request: &mut Self::Request) -> Topics<(VirtualPartition, Self::Question)>;
    /// A request for `topics`; `frame`: what [`Self::questions`] left.
    fn ask(frame: &Self::Request, topics: Topics<(PhysicalPartition, Self::Question)>) -> Self::Request;
    /// Throttle time in milliseconds, and what was found.
    fn found(answer: Self::Response) -> (i32, Topics<Self::Found>);
    /// The client's answer.
    fn answer(throttle_time_ms: i32, topics: Topics<Self::Found>) -> Self::Response;
    /// Partition, error code and offset: physical in the broker's answer, virtual in the client's.
    fn fields(found: &mut Self::Found) -> (&mut i32, &mut i16, &mut i64);
}

/// The request half of an `L`.
///
/// # Errors
/// [`Fault::Client`]: the client's fault; [`Fault::Bug`].
pub(crate) fn request<L: Lookup>(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let mut frame: L::Request = request.decode()?;
    let topics = L::questions(&mut frame);
    if !topics.iter().any(|(topic, _)| cx.is_mapped(topic)) {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    if let Some(plan) = cx.ask_first(topics.iter().map(|(topic, _)| topic))? {
        return Ok(plan);
    }
    let mut rounds: Rounds<L::Question, Located> = Rounds::new();
    let mut merged = Merged::<L> { throttle_time_ms: 0, answered: vec![] };
    let repeated = repeated(&topics);
    for (topic, partition) in &repeated {
        merged.refuse(cx, topic, *partition, ResponseError::InvalidRequest);
    }
    for (name, questions) in topics {
        let topic = cx.topic(&name);
        for (partition, question) in questions {
            if !repeated.is_empty() && repeated.contains(&(name.clone(), partition)) {
                continue;
            }
            match cx.locate(&topic, partition.0) {
                Ok(located) => {
                    cx.count_remapped(&located);
                    rounds.ask(located.place.clone(), question, located);
                }
                Err(_) => merged.refuse(cx, &name, partition, ResponseError::UnknownTopicOrPartition),
            }
        }
    }
    let version = request.version;
    let rounds = rounds.into_rounds();
    if rounds.is_empty() {
        return Plan::answer(&merged.into_answer(), version);
    }
    let requests = rounds.iter().map(|round| Upstream::new(version, &L::ask(&frame, round.by_topic())));
    let requests = requests.collect::<Result<_, _>>()?;
    Ok(Plan::Send { requests, pending: Box::new(Waiting { version, rounds, merged }), barrier: false })
}

/// The partitions that a request names more than once.
fn repeated<Q>(topics: &Topics<(VirtualPartition, Q)>) -> HashSet<(TopicName, VirtualPartition)> {
    let mut named = HashSet::new();
    let all = topics.iter().flat_map(|(topic, questions)| questions.iter().map(|asked| (topic.clone(), asked.0)));
    all.filter(|partition| !named.insert(partition.clone())).collect()
}

/// What the client's answer will hold, as far as it is known.
struct Merged<L: Lookup> {
    throttle_time_ms: i32,
    answered: Vec<(TopicName, L::Found)>,
}

impl<L: Lookup> Merged<L> {
    fn refuse(&mut self, cx: &mut Context<'_>, topic: &TopicName, partition: VirtualPartition, error: ResponseError) {
        let mut refused = L::Found::default();
        let (index, error_code, offset) = L::fields(&mut refused);
        (*index, *error_code, *offset) = (partition.0, error.code(), -1);
        cx.note_refusal(error.code());
        self.answered.push((topic.clone(), refused));
    }

    /// Adds the broker's answer as `asker` has to see it.
    fn add(&mut self, cx: &mut Context<'_>, asker: &Located, mut found: L::Found) {
        let topic = &asker.place.topic;
        let (index, error_code, offset) = L::fields(&mut found);
        *index = asker.partition.0;
        match asker.offset_for_client(*offset) {
            Ok(for_client) => *offset = for_client,
            Err(error) => {
                cx.warn(format!("topic {}: {error}", topic.0));
                return self.refuse(cx, topic, asker.partition, ResponseError::UnknownServerError);
            }
        }
        cx.note(*error_code);
        self.answered.push((topic.clone(), found));
    }

    fn into_answer(self) -> L::Response {
        L::answer(self.throttle_time_ms, rounds::group(self.answered))
    }
}

/// The response half: waits for the answers to `rounds`, which come in this order.
struct Waiting<L: Lookup> {
    version: i16,
    rounds: VecDeque<Round<L::Question, Located>>,
    merged: Merged<L>,
}

impl<L: Lookup> Pending for Waiting<L> {
    fn response(mut self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let (throttle_time_ms, topics) = L::found(read_answer(&body, self.version)?);
        self.merged.throttle_time_ms = self.merged.throttle_time_ms.max(throttle_time_ms);
        let mut awaited = self.rounds.pop_front().ok_or(Fault::bug("an answer to a lookup without a round"))?.awaited();
        for (topic, partitions) in topics {
            for mut found in partitions {
                let partition = PhysicalPartition(*L::fields(&mut found).0);
                // Partitions that nobody asked for, or asked for once only, are no client's.
                let askers = awaited.take(cx.api.name, Place { topic: topic.clone(), partition });
                for asker in askers.unwrap_or_default() {
                    self.merged.add(cx, &asker, found.clone());
                }
            }
        }
        awaited.finish(cx.api.name)?;
        if !self.rounds.is_empty() {
            return Ok(Next::Wait(self));
        }
        Next::answer(&self.merged.into_answer(), self.version)
    }
}

#[cfg(test)]
mod tests;
