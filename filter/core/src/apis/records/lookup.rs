//! Lookups: APIs that ask one question per partition and get one offset back (ListOffsets, OffsetForLeaderEpoch).
//!
//! Siblings with the same question share one place upstream; those with different ones go up in rounds. The answers are
//! merged, each under the virtual partition's number and in its offsets. A partition that is named twice is refused, as a
//! broker refuses it in ListOffsets: so a request has no more rounds than a physical partition has siblings.

use std::collections::HashSet;
use std::hash::Hash;

use bytes::Bytes;
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::{self, Encodable};
use kafka_protocol::ResponseError;

use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::exchange::located::{Located, Place};
use crate::exchange::rounds::{self, Round, Rounds};
use crate::remapper::PhysicalPartition;
use crate::wire::rope::Rope;
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

    /// Takes the questions out of a request; what is left of it goes for all.
    fn questions(request: &mut Self::Request) -> Topics<(i32, Self::Question)>;
    /// Puts questions into (what is left of) the request.
    fn ask(frame: &Self::Request, topics: Topics<(PhysicalPartition, Self::Question)>) -> Self::Request;
    /// Throttle time in milliseconds, and what was found.
    fn found(answer: Self::Response) -> (i32, Topics<Self::Found>);
    fn answer(throttle_time_ms: i32, topics: Topics<Self::Found>) -> Self::Response;
    fn partition(found: &mut Self::Found) -> &mut i32;
    fn error_code(found: &mut Self::Found) -> &mut i16;
    fn offset(found: &mut Self::Found) -> &mut i64;
}

/// The request half.
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
    let mut answers =
        Answers::<L> { version: request.version, rounds: vec![], next: 0, throttle_time_ms: 0, told: vec![] };
    let repeated = repeated(&topics);
    for (topic, partition) in &repeated {
        answers.refuse(cx, topic, *partition, ResponseError::InvalidRequest);
    }
    for (name, questions) in topics {
        let topic = cx.topic(&name);
        for (partition, question) in questions {
            if !repeated.is_empty() && repeated.contains(&(name.clone(), partition)) {
                continue;
            }
            match cx.locate(&topic, partition) {
                Ok(located) => rounds.ask(located.place.clone(), question, located),
                Err(_) => answers.refuse(cx, &name, partition, ResponseError::UnknownTopicOrPartition),
            }
        }
    }
    answers.rounds = rounds.into_rounds();
    if answers.rounds.is_empty() {
        return Ok(Plan::Answer(answers.merge()?));
    }
    let upstream =
        |round: &Round<L::Question, Located>| Upstream::new(request.version, &L::ask(&frame, round.by_topic()));
    let requests = answers.rounds.iter().map(upstream).collect::<Result<_, _>>()?;
    Ok(Plan::Send { requests, pending: Box::new(answers), barrier: false })
}

/// The partitions that are named more than once.
fn repeated<Q>(topics: &Topics<(i32, Q)>) -> HashSet<(TopicName, i32)> {
    let mut named = HashSet::new();
    let all = topics.iter().flat_map(|(topic, questions)| questions.iter().map(|asked| (topic.clone(), asked.0)));
    all.filter(|place| !named.insert(place.clone())).collect()
}

struct Answers<L: Lookup> {
    version: i16,
    rounds: Vec<Round<L::Question, Located>>,
    /// The round whose answer comes next.
    next: usize,
    throttle_time_ms: i32,
    told: Vec<(TopicName, L::Found)>,
}

impl<L: Lookup> Answers<L> {
    fn refuse(&mut self, cx: &mut Context<'_>, topic: &TopicName, partition: i32, error: ResponseError) {
        let mut refused = L::Found::default();
        *L::partition(&mut refused) = partition;
        *L::error_code(&mut refused) = error.code();
        *L::offset(&mut refused) = -1;
        cx.note(error.code());
        self.told.push((topic.clone(), refused));
    }

    fn tell(&mut self, cx: &mut Context<'_>, asker: &Located, mut found: L::Found) {
        let (topic, partition) = (&asker.place.topic, asker.partition.0);
        *L::partition(&mut found) = partition;
        let offset = L::offset(&mut found);
        match asker.offset_for_client(*offset) {
            Ok(told) => *offset = told,
            Err(error) => {
                cx.warn(format!("topic {}: {error}", topic.0));
                return self.refuse(cx, topic, partition, ResponseError::UnknownServerError);
            }
        }
        cx.note(*L::error_code(&mut found));
        self.told.push((topic.clone(), found));
    }

    fn merge(&mut self) -> Result<Rope, Fault> {
        let topics = rounds::group(std::mem::take(&mut self.told));
        let mut out = Rope::new();
        out.put_message(&L::answer(self.throttle_time_ms, topics), self.version)?;
        Ok(out)
    }
}

impl<L: Lookup> Pending for Answers<L> {
    fn response(mut self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let answer: L::Response = read_answer(&body, self.version)?;
        let (throttle_time_ms, topics) = L::found(answer);
        self.throttle_time_ms = self.throttle_time_ms.max(throttle_time_ms);
        for (topic, partitions) in topics {
            for mut found in partitions {
                let partition = PhysicalPartition(*L::partition(&mut found));
                let place = Place { topic: topic.clone(), partition };
                let askers = self.rounds.get_mut(self.next).map(|round| round.take_askers(&place));
                for asker in askers.unwrap_or_default() {
                    self.tell(cx, &asker, found.clone());
                }
            }
        }
        if self.rounds.get(self.next).is_none_or(Round::is_open) {
            return Err(Fault::Answer { api: L::Request::API, what: "a partition is missing" });
        }
        self.next += 1;
        if self.next < self.rounds.len() {
            return Ok(Next::Wait(self));
        }
        Ok(Next::Answer(self.merge()?))
    }
}

#[cfg(test)]
mod tests;
