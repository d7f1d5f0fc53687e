//! Fetch: each virtual partition gets the batches of its own lane, and only those.
//!
//! A physical partition is asked once per round, at one position; what comes back serves every sibling whose position lies
//! inside it. Siblings at other positions are asked in further rounds, and the one that starts rotates, so that none starves.
//! Rounds follow each other while nothing of the client's own came back and its wait is not over: so the filter moves past
//! siblings' batches upstream (a skip), where a client would ask for the same offset for ever. How far it got the worker remembers
//! (`skips.rs`); a client known to handle control batches is moved there with a filler, so that its position is right.
//!
//! Before a client is told of anything that lies behind a remembered skip, or is moved past it, a round of its own asks for the entry
//! that the skip ends with: if that is no more what it was, the log is another one, and what was found behind the skip is dropped.
//!
//! Fetch sessions (KIP-227) would make the broker remember physical partitions: every answer is a full one, with session 0.

mod answer;
mod filler;
mod share;
mod sibling;
mod siblings;

use std::collections::HashMap;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::FetchResponse;
use kafka_protocol::messages::{FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::error::{Blame, Fault};
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::exchange::located::{self, Located, Topic};
use crate::limits;
use crate::remapper::PhysicalPartition;
use crate::shared::budget::Promise;
use crate::shared::facts::TopicId;
use crate::shared::skips::Skip;
use crate::stats::{Outcome, Stat};
use crate::time::Millis;
use crate::wire::rope::Rope;
use sibling::{Sibling, Word};
use siblings::Place;

const API: &str = "Fetch";

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: FetchRequest = request.decode()?;
    if !message.topics.iter().any(|topic| cx.is_mapped(&topic.topic)) {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    if message.session_id != 0 {
        cx.note(ResponseError::FetchSessionIdNotFound.code());
        return Ok(Plan::Answer(answer::top_level_error(
            ResponseError::FetchSessionIdNotFound.code(),
            request.version,
        )?));
    }
    if let Some(plan) = cx.ask_first(message.topics.iter().map(|topic| &topic.topic))? {
        return Ok(plan);
    }
    cx.session.turn = cx.session.turn.wrapping_add(1);
    let mut round = Rounds::new(cx, message, request.version);
    if round.places.is_empty() {
        return Ok(match round.answer(cx)? {
            (answer, 0) => Plan::Answer(answer),
            (answer, delay_ms) => Plan::AnswerLater { answer, delay_ms },
        });
    }
    let upstream = round.ask(cx)?;
    Ok(Plan::Send { requests: vec![upstream], pending: Box::new(round), barrier: true })
}

/// How many bytes of records a Fetch gets that wants `max_bytes`.
fn share(cx: &Context<'_>, max_bytes: i32) -> (i32, Option<Promise>) {
    let wanted = max_bytes.min(cx.shared.config.limits.fetch_max_bytes);
    let Ok(bytes) = usize::try_from(wanted) else { return (wanted, None) };
    let (share, promise) = cx.shared.budget.share(bytes, cx.now);
    (i32::try_from(share).unwrap_or(wanted), Some(promise))
}

/// What the answer is to that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A round that brings records.
    Reading,
    /// The so-many-th round that proves skips.
    Proving(usize),
}

/// One client Fetch, over all its rounds.
struct Rounds {
    version: i16,
    /// The client's request without its topics; its limits apply to all rounds together.
    frame: FetchRequest,
    started: Millis,
    deadline: Millis,
    turn: usize,
    filler: bool,
    /// Answer after this round, whatever it brings: the client has another offset, replica or leader to ask for.
    urgent: bool,
    stage: Stage,
    siblings: Vec<Sibling>,
    places: Vec<Place>,
    place_at: HashMap<located::Place, usize>,
    /// The place that is named first in the next round.
    first: usize,
    kept_bytes: usize,
    throttle_time_ms: i32,
    /// Dropped with the Fetch.
    _promise: Option<Promise>,
}

impl Rounds {
    fn new(cx: &mut Context<'_>, mut message: FetchRequest, version: i16) -> Self {
        let named = once(std::mem::take(&mut message.topics));
        let wait = u64::try_from(message.max_wait_ms).unwrap_or(0);
        let (max_bytes, promise) = share(cx, message.max_bytes);
        let frame = FetchRequest::default()
            .with_replica_id(message.replica_id)
            .with_max_wait_ms(message.max_wait_ms)
            .with_min_bytes(message.min_bytes)
            .with_max_bytes(max_bytes)
            .with_isolation_level(message.isolation_level)
            .with_session_epoch(SESSIONLESS_EPOCH)
            .with_rack_id(own(&message.rack_id));
        let mut this = Self {
            version,
            frame,
            started: cx.now,
            deadline: cx.now.saturating_add(wait),
            turn: cx.session.turn,
            filler: filler::is_taken(cx),
            urgent: false,
            stage: Stage::Reading,
            siblings: Vec::with_capacity(named.len()),
            places: vec![],
            place_at: HashMap::new(),
            first: 0,
            kept_bytes: 0,
            throttle_time_ms: 0,
            _promise: promise,
        };
        let mut topic: Option<Topic> = None;
        for (name, asked) in named {
            let topic = match &mut topic {
                Some(last) if last.name == name => last,
                other => other.insert(cx.topic(&name)),
            };
            this.add(cx, topic, &asked);
        }
        for place in &mut this.places {
            place.sort(&this.siblings);
        }
        let last = cx.session.fetched_last.as_ref().and_then(|last| this.place_at.get(last));
        this.first = last.map_or(0, |last| last + 1);
        this
    }

    fn add(&mut self, cx: &mut Context<'_>, topic: &Topic, asked: &FetchPartition) {
        let mut sibling = Sibling::new(&topic.name, asked);
        let (located, position) = match locate(cx, topic, asked) {
            Ok(found) => found,
            Err(error) => return self.refuse(sibling, error),
        };
        let key = located.place.clone();
        if located.is_mapped() {
            sibling.start(position, located);
            let id = topic_id(cx, &topic.name);
            let skip = sibling.key().and_then(|key| cx.shared.skips.find(&key, position, id, cx.now));
            skip.into_iter().for_each(|skip| sibling.jump(skip));
        }
        let at = *self.place_at.entry(key.clone()).or_insert(self.places.len());
        if at == self.places.len() {
            self.places.push(Place::new(key));
        }
        if let Some(place) = self.places.get_mut(at) {
            place.siblings.push(self.siblings.len());
        }
        self.siblings.push(sibling);
    }

    fn refuse(&mut self, mut sibling: Sibling, error: ResponseError) {
        let word = Word::error(error);
        self.urgent |= !word.lasts();
        sibling.fail(word);
        self.siblings.push(sibling);
    }

    /// The places, from the one behind that which brought something last: what fits into an answer would else always come from the
    /// same ones.
    fn in_turn(&self) -> impl Iterator<Item = usize> {
        let (first, count) = (self.first.checked_rem(self.places.len()).unwrap_or(0), self.places.len());
        (first..count).chain(0..first)
    }

    /// The next round's request.
    fn ask(&mut self, cx: &mut Context<'_>) -> Result<Upstream, Fault> {
        let mut asked = vec![];
        let mut may_wait = true;
        for at in self.in_turn() {
            let Some(place) = self.places.get_mut(at) else { continue };
            let Some(question) = place.question(&self.siblings, self.turn) else { continue };
            may_wait &= place.may_wait(&self.siblings);
            asked.push((place.at.topic.clone(), question));
        }
        self.stage = Stage::Reading;
        let frame = self.frame.clone();
        let message = frame
            .with_max_wait_ms(if may_wait && !self.urgent { self.remaining_ms(cx.now) } else { 0 })
            .with_min_bytes(remaining(self.frame.min_bytes, self.kept_bytes))
            .with_max_bytes(remaining(self.frame.max_bytes, self.kept_bytes).max(1))
            .with_topics(by_topic(asked));
        Upstream::new(self.version, &message)
    }

    /// A round that proves skips, if the client may not be answered without.
    fn doubt(&mut self, now: Millis) -> Result<Option<Upstream>, Fault> {
        let (mut asked, mut bytes) = (vec![], 0i32);
        for at in self.in_turn() {
            let Some(place) = self.places.get_mut(at).filter(|_| bytes < limits::SKIP_PROOF_BYTES_MAX) else { break };
            let Some(question) = place.doubt(&self.siblings, self.turn, self.filler, now) else { continue };
            bytes = bytes.saturating_add(question.partition_max_bytes);
            asked.push((place.at.topic.clone(), question));
        }
        if asked.is_empty() {
            return Ok(None);
        }
        let before = if let Stage::Proving(rounds) = self.stage { rounds } else { 0 };
        self.stage = Stage::Proving(before + 1);
        let frame = self.frame.clone();
        let message =
            frame.with_max_wait_ms(0).with_min_bytes(0).with_max_bytes(bytes.max(1)).with_topics(by_topic(asked));
        Ok(Some(Upstream::new(self.version, &message)?))
    }

    fn remaining_ms(&self, now: Millis) -> i32 {
        let left = i32::try_from(self.deadline.saturating_sub(now)).unwrap_or(i32::MAX);
        // A clock that was set back must not make the broker wait longer than the client said.
        left.min(self.frame.max_wait_ms)
    }

    /// Takes the answer to [`Self::ask`]; `frame_bytes`: its length.
    fn take(&mut self, cx: &mut Context<'_>, answer: FetchResponse, frame_bytes: usize) -> Result<(), Fault> {
        let (mut given, mut kept_bytes) = (vec![], 0);
        let max_bytes = usize::try_from(self.frame.max_bytes).unwrap_or(0);
        for topic in answer.responses {
            for data in topic.partitions {
                let key =
                    located::Place { topic: topic.topic.clone(), partition: PhysicalPartition(data.partition_index) };
                let (at, place) = asked_place(&self.place_at, &mut self.places, &key)?;
                let records = data.records.as_ref().map_or(0, Bytes::len);
                cx.count(Stat::FetchBytesUpstream, records);
                let room = max_bytes.saturating_sub(self.kept_bytes + kept_bytes);
                let shared = place.take(&mut self.siblings, data, room, &cx.shared.skips);
                if records > 0 {
                    self.first = at + 1;
                    cx.session.fetched_last = Some(place.at.clone());
                }
                cx.count(Stat::BatchesDropped, shared.dropped);
                cx.count(Stat::BatchesUnknownLane, shared.unknown);
                self.urgent |= shared.urgent;
                kept_bytes += shared.kept_bytes;
                given.extend_from_slice(&shared.given);
                tell_of_lanes(cx, &key, &shared);
            }
        }
        // A frame of which little is told must not wait in memory for the client's answer.
        let copy = kept_bytes < frame_bytes / 2;
        for at in given {
            if let Some(sibling) = self.siblings.get_mut(at) {
                sibling.settle(copy);
            }
        }
        Ok(())
    }

    /// Takes the answer to [`Self::doubt`].
    fn judge(&mut self, cx: &mut Context<'_>, answer: FetchResponse) -> Result<(), Fault> {
        for topic in answer.responses {
            for data in topic.partitions {
                let key =
                    located::Place { topic: topic.topic.clone(), partition: PhysicalPartition(data.partition_index) };
                let (_, place) = asked_place(&self.place_at, &mut self.places, &key)?;
                place.judge(&mut self.siblings, &data, cx.now, &cx.shared.skips);
            }
        }
        Ok(())
    }

    /// Whether the client is answered now.
    fn is_done(&self, now: Millis) -> bool {
        self.urgent
            || now >= self.deadline
            || self.kept_bytes >= usize::try_from(self.frame.min_bytes).unwrap_or(0)
            || self.kept_bytes >= usize::try_from(self.frame.max_bytes).unwrap_or(0)
            || self.siblings.iter().all(Sibling::is_final)
    }

    /// The client's answer, and for how many milliseconds it is held back.
    fn answer(&mut self, cx: &mut Context<'_>) -> Result<(Rope, Millis), Fault> {
        for place in &self.places {
            for at in &place.siblings {
                if let Some(sibling) = self.siblings.get_mut(*at) {
                    if sibling.needs_proof(self.filler, cx.now) {
                        // There was no round left to prove its skip: its turn comes with another Fetch.
                        sibling.reset();
                    }
                    remember(cx, sibling, self.filler);
                }
            }
        }
        for sibling in &mut self.siblings {
            let filler = self.filler && sibling.fill();
            cx.count(Stat::FillerBatches, usize::from(filler));
            cx.count(Stat::FetchBytesDownstream, sibling.kept_bytes);
        }
        let answer = answer::encode(cx, self.siblings.iter_mut().collect(), self.throttle_time_ms, self.version)?;
        Ok((answer, self.delay_ms(cx)))
    }

    /// Who is told of nothing but errors that last would ask again at once.
    fn delay_ms(&self, cx: &Context<'_>) -> Millis {
        if self.urgent || cx.outcome == Outcome::Ok || self.siblings.iter().any(|sibling| !sibling.records.is_empty()) {
            return 0;
        }
        let wait = self.deadline.saturating_sub(self.started);
        let until = self.started + wait.clamp(limits::FETCH_ERROR_MS_MIN, limits::FETCH_ERROR_MS_MAX);
        until.saturating_sub(cx.now)
    }
}

impl Pending for Rounds {
    fn response(mut self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let frame_bytes = body.len();
        let answer: FetchResponse = read_answer(&body, self.version)?;
        if answer.error_code != 0 {
            cx.note(answer.error_code);
            return Ok(Next::Answer(answer::top_level_error(answer.error_code, self.version)?));
        }
        self.throttle_time_ms = self.throttle_time_ms.max(answer.throttle_time_ms);
        match self.stage {
            Stage::Reading => self.take(cx, answer, frame_bytes)?,
            Stage::Proving(_) => self.judge(cx, answer)?,
        }
        if self.places.iter_mut().any(|place| place.asked.take().is_some()) {
            return Err(Fault::Answer { api: API, what: "a partition is missing" });
        }
        self.kept_bytes = self.siblings.iter().map(|sibling| sibling.kept_bytes).sum();
        let may_prove = self.stage != Stage::Proving(limits::SKIP_PROOF_ROUNDS_MAX);
        if may_prove && (self.stage != Stage::Reading || self.is_done(cx.now)) {
            if let Some(upstream) = self.doubt(cx.now)? {
                return Ok(Next::Send(vec![upstream], self));
            }
        }
        if self.is_done(cx.now) {
            return Ok(match self.answer(cx)? {
                (answer, 0) => Next::Answer(answer),
                (answer, delay_ms) => Next::AnswerLater { answer, delay_ms },
            });
        }
        let upstream = self.ask(cx)?;
        Ok(Next::Send(vec![upstream], self))
    }
}

/// `session_epoch` of a full Fetch that opens no session (KIP-227).
const SESSIONLESS_EPOCH: i32 = -1;

fn remaining(limit: i32, used: usize) -> i32 {
    limit.saturating_sub(i32::try_from(used).unwrap_or(i32::MAX)).max(0)
}

/// A copy that keeps no frame in memory.
fn own(text: &StrBytes) -> StrBytes {
    StrBytes::from_string(text.as_str().to_owned())
}

/// Each partition once, as Kafka takes it: where it was named first, with what was said last.
fn once(topics: Vec<FetchTopic>) -> Vec<(TopicName, FetchPartition)> {
    let mut at: HashMap<(TopicName, i32), usize> = HashMap::new();
    let mut named: Vec<(TopicName, FetchPartition)> = vec![];
    for topic in topics {
        let name = TopicName(own(&topic.topic.0));
        for asked in topic.partitions {
            let at = *at.entry((name.clone(), asked.partition)).or_insert(named.len());
            match named.get_mut(at) {
                Some((_, before)) => *before = asked,
                None => named.push((name.clone(), asked)),
            }
        }
    }
    named
}

/// Neighbours of one topic together, in the order of `asked`.
fn by_topic(asked: Vec<(TopicName, FetchPartition)>) -> Vec<FetchTopic> {
    let mut topics: Vec<FetchTopic> = vec![];
    for (topic, question) in asked {
        match topics.last_mut() {
            Some(last) if last.topic == topic => last.partitions.push(question),
            _ => topics.push(FetchTopic::default().with_topic(topic).with_partitions(vec![question])),
        }
    }
    topics
}

/// The place of a partition in an answer, and where it stands.
fn asked_place<'a>(
    place_at: &HashMap<located::Place, usize>,
    places: &'a mut [Place],
    key: &located::Place,
) -> Result<(usize, &'a mut Place), Fault> {
    let at = place_at.get(key).copied();
    let place = at.and_then(|at| Some((at, places.get_mut(at)?)));
    place.ok_or(Fault::Answer { api: API, what: "it names a partition that was not asked for" })
}

/// Where a partition is, and the client's position in it; or why it cannot be read.
fn locate(cx: &mut Context<'_>, topic: &Topic, asked: &FetchPartition) -> Result<(Located, i64), ResponseError> {
    let located = cx.locate(topic, asked.partition).map_err(|_| ResponseError::UnknownTopicOrPartition)?;
    let position = located.offset_for_broker(asked.fetch_offset).map_err(|_| ResponseError::OffsetOutOfRange)?;
    Ok((located, position))
}

fn tell_of_lanes(cx: &mut Context<'_>, place: &located::Place, shared: &share::Shared) {
    if let Some(lane) = shared.unknown_lane {
        cx.warn(format!(
            "topic {}: dropped a record batch of lane {lane}, which the mapping does not have: elsewhere virtual_partitions \
             are more, or were",
            place.topic.0
        ));
    }
    if let Some(lane) = shared.alien {
        cx.count(Stat::Errors { blame: Blame::Config }, 1);
        cx.warn(format!(
            "topic {}, partition {}: a record batch is of lane {lane}, which the mapping does not have: \
             its virtual_partitions were more when it was written",
            place.topic.0, place.partition
        ));
    }
}

fn topic_id(cx: &Context<'_>, topic: &TopicName) -> Option<TopicId> {
    cx.shared.facts.of(&topic.0)?.id
}

/// Keeps for the worker what this Fetch has found, or found to be as it was; see [`crate::shared::skips`].
fn remember(cx: &Context<'_>, sibling: &Sibling, filler: bool) {
    let Some(key) = sibling.key().filter(|_| !sibling.is_final()) else { return };
    let start = match &sibling.skip {
        Some(skip) if sibling.proven => {
            cx.shared.skips.note(&key, *skip);
            skip.start
        }
        Some(_) => return,
        None => sibling.position,
    };
    let Some(mark) = sibling.mark else { return };
    let id = topic_id(cx, &sibling.topic);
    let trailing = Skip { start: sibling.told, end: sibling.cursor, mark, seen: cx.now, id };
    if sibling.told == sibling.position {
        // Nothing came: the whole way.
        cx.shared.skips.note(&key, Skip { start, ..trailing });
    } else if !filler {
        // The client will ask from where its last record was.
        cx.shared.skips.note(&key, trailing);
    }
}

#[cfg(test)]
mod tests;
