//! One client Fetch over all its rounds: what each round asks for, when the client is answered, and with
//! what.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::{FetchRequest, FetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use super::partitions::{by_place, by_topic, once};
use super::share::Shares;
use super::sibling::Sibling;
use super::status::PartitionStatus;
use super::{answer, filler, siblings};
use crate::error::{Blame, Fault};
use crate::exchange::handler::{Context, Upstream};
use crate::exchange::located::{Located, Place, Topic};
use crate::exchange::rounds::Awaited;
use crate::limits;
use crate::shared::budget::Promise;
use crate::shared::facts::TopicId;
use crate::shared::skips::Skip;
use crate::stats::{Outcome, Stat};
use crate::time::Millis;
use crate::wire::rope::Rope;

/// `session_epoch` of a full Fetch that opens no session (KIP-227).
const SESSIONLESS_EPOCH: i32 = -1;

/// A physical partition that a Fetch reads, and which of the Fetch's siblings are on it.
struct PhysicalRead {
    place: Place,
    siblings: Range<usize>,
}

/// What a round asked of a physical partition.
pub(super) struct Read {
    /// Which of the Fetch's physical partitions it is.
    at: usize,
    offset: i64,
}

/// The entry that a round asked for in a physical partition: the one that a skip ends with.
pub(super) struct Proof {
    /// Which of the Fetch's physical partitions it is.
    at: usize,
    skip: Skip,
}

/// What is known of a client's Fetch between its rounds.
pub(super) struct ClientFetch {
    pub(super) version: i16,
    /// The client's request without its topics; its limits apply to all rounds together.
    frame: FetchRequest,
    started: Millis,
    deadline: Millis,
    turn: usize,
    filler: bool,
    /// Answer after this round, whatever it brings: the client has another offset, replica or leader to ask
    /// for.
    urgent: bool,
    /// First those that cannot be read, then the others by physical partition and lane.
    siblings: Vec<Sibling>,
    /// In the order in which the client named them first.
    reads: Vec<PhysicalRead>,
    /// The physical partition that is named first in the next round.
    first: usize,
    /// The longest time for which the broker would hold an answer back.
    pub(super) throttle_time_ms: i32,
    /// Dropped with the Fetch.
    _promise: Option<Promise>,
}

impl ClientFetch {
    /// The Fetch before its first round.
    pub(super) fn new(cx: &mut Context<'_>, mut message: FetchRequest, version: i16) -> Self {
        let named = once(std::mem::take(&mut message.topics));
        let wait = u64::try_from(message.max_wait_ms).unwrap_or(0);
        let (max_bytes, promise) = budgeted(cx, message.max_bytes);
        let frame = FetchRequest::default()
            .with_replica_id(message.replica_id)
            .with_max_wait_ms(message.max_wait_ms)
            .with_min_bytes(message.min_bytes)
            .with_max_bytes(max_bytes)
            .with_isolation_level(message.isolation_level)
            .with_session_epoch(SESSIONLESS_EPOCH)
            .with_rack_id(StrBytes::from_string(message.rack_id.to_string()));
        let mut this = Self {
            version,
            frame,
            started: cx.now,
            deadline: cx.now.saturating_add(wait),
            turn: cx.session.turn,
            filler: filler::is_taken(cx),
            urgent: false,
            siblings: Vec::with_capacity(named.len()),
            reads: vec![],
            first: 0,
            throttle_time_ms: 0,
            _promise: promise,
        };
        let mut topic: Option<Topic> = None;
        for (name, wanted) in named {
            let topic = match &mut topic {
                Some(last) if last.name == name => last,
                other => other.insert(cx.topic(&name)),
            };
            this.add(cx, topic, &wanted);
        }
        this.sort(cx.session.fetched_last.as_ref());
        this
    }

    fn add(&mut self, cx: &mut Context<'_>, topic: &Topic, wanted: &FetchPartition) {
        let mut sibling = Sibling::new(self.siblings.len(), topic.name.clone(), wanted);
        match locate(cx, topic, wanted) {
            Ok((located, position)) => {
                sibling.start(located, position);
                let id = topic_id(cx, &topic.name);
                let skip = sibling.key().and_then(|key| cx.shared.skips.find(&key, position, id, cx.now));
                skip.into_iter().for_each(|skip| sibling.jump(skip));
            }
            Err(error) => {
                let status = PartitionStatus::error(error);
                self.urgent |= !status.lasts();
                sibling.fail(status);
            }
        }
        self.siblings.push(sibling);
    }

    /// Puts the siblings of each physical partition together. Physical partitions take turns from the one
    /// behind `fetched_last` on.
    fn sort(&mut self, fetched_last: Option<&Place>) {
        let mut order: HashMap<Place, usize> = HashMap::new();
        let mut rank = |sibling: &Sibling| {
            let (place, next) = (sibling.place()?.clone(), order.len());
            Some(*order.entry(place).or_insert(next))
        };
        let ranks: Vec<Option<usize>> = self.siblings.iter().map(&mut rank).collect();
        self.siblings.sort_by_cached_key(|sibling| (ranks.get(sibling.number).copied().flatten(), sibling.lane()));
        let mut start = 0;
        for siblings in self.siblings.chunk_by(|one, other| one.place() == other.place()) {
            let range = start..start + siblings.len();
            start = range.end;
            let place = siblings.first().and_then(Sibling::place);
            self.reads.extend(place.map(|place| PhysicalRead { place: place.clone(), siblings: range }));
        }
        self.first = fetched_last.and_then(|last| order.get(last)).map_or(0, |last| last + 1);
    }

    /// None of the partitions can be read: there is nothing to ask.
    pub(super) fn reads_nothing(&self) -> bool {
        self.reads.is_empty()
    }

    /// The physical partitions and their siblings, from the one behind that which brought something last:
    /// what fits into an answer would else always come from the same ones.
    fn in_turn(&self) -> impl Iterator<Item = (usize, &Place, &[Sibling])> {
        let (first, count) = (self.first.checked_rem(self.reads.len()).unwrap_or(0), self.reads.len());
        (first..count).chain(0..first).filter_map(|at| {
            let read = self.reads.get(at)?;
            Some((at, &read.place, self.siblings.get(read.siblings.clone())?))
        })
    }

    /// The physical partition number `at`, and its siblings.
    fn siblings_at(&mut self, at: usize) -> Result<(&Place, &mut [Sibling]), Fault> {
        let read = self.reads.get(at);
        let found = read.and_then(|read| Some((&read.place, self.siblings.get_mut(read.siblings.clone())?)));
        found.ok_or(Fault::bug("a read of Fetch without its siblings"))
    }

    /// The request of a round that brings records.
    ///
    /// # Errors
    /// [`Fault::Bug`]
    pub(super) fn next_reads(&self, now: Millis) -> Result<(Upstream, Awaited<Read>), Fault> {
        let (mut questions, mut reads, mut may_wait) = (vec![], vec![], true);
        for (at, place, siblings) in self.in_turn() {
            let Some(question) = siblings::next_read(siblings, place.partition, self.turn) else { continue };
            may_wait &= siblings::may_wait(siblings);
            reads.push((place.clone(), Read { at, offset: question.fetch_offset }));
            questions.push((place.topic.clone(), question));
        }
        let (frame, kept_bytes) = (self.frame.clone(), self.kept_bytes());
        let message = frame
            .with_max_wait_ms(if may_wait && !self.urgent { self.remaining_ms(now) } else { 0 })
            .with_min_bytes(remaining(self.frame.min_bytes, kept_bytes))
            .with_max_bytes(remaining(self.frame.max_bytes, kept_bytes).max(1))
            .with_topics(by_topic(questions));
        Ok((Upstream::new(self.version, &message)?, Awaited::new(reads)))
    }

    /// The request of a round that proves skips, if the client may not be answered without one.
    ///
    /// # Errors
    /// [`Fault::Bug`]
    pub(super) fn next_proofs(&self, now: Millis) -> Result<Option<(Upstream, Awaited<Proof>)>, Fault> {
        let (mut questions, mut proofs, mut bytes) = (vec![], vec![], 0i32);
        for (at, place, siblings) in self.in_turn() {
            if bytes >= limits::SKIP_PROOF_BYTES_MAX {
                break;
            }
            let proof = siblings::next_proof(siblings, place.partition, self.turn, self.filler, now);
            let Some((question, skip)) = proof else { continue };
            bytes = bytes.saturating_add(question.partition_max_bytes);
            proofs.push((place.clone(), Proof { at, skip }));
            questions.push((place.topic.clone(), question));
        }
        if questions.is_empty() {
            return Ok(None);
        }
        let frame = self.frame.clone().with_max_wait_ms(0).with_min_bytes(0).with_max_bytes(bytes.max(1));
        let upstream = Upstream::new(self.version, &frame.with_topics(by_topic(questions)))?;
        Ok(Some((upstream, Awaited::new(proofs))))
    }

    fn remaining_ms(&self, now: Millis) -> i32 {
        let left = i32::try_from(self.deadline.saturating_sub(now)).unwrap_or(i32::MAX);
        // A clock that was set back must not make the broker wait longer than the client said.
        left.min(self.frame.max_wait_ms)
    }

    /// Takes the answer to [`Self::next_reads`]; `frame_bytes`: the answer's length.
    ///
    /// # Errors
    /// [`Fault::Broker`]: it names other partitions than were asked for.
    pub(super) fn take_records(
        &mut self,
        cx: &mut Context<'_>,
        answer: FetchResponse,
        mut awaited: Awaited<Read>,
        frame_bytes: usize,
    ) -> Result<(), Fault> {
        let max_bytes = usize::try_from(self.frame.max_bytes).unwrap_or(0);
        let before = self.kept_bytes();
        let mut new_bytes = 0;
        for (place, data) in by_place(answer) {
            let records = data.records.as_ref().map_or(0, Bytes::len);
            cx.count(Stat::FetchBytesUpstream, records);
            let Some(Read { at, offset }) = awaited.take_unless_answered(cx.api.name, place)? else { continue };
            let room = max_bytes.saturating_sub(before + new_bytes);
            let (place, siblings) = self.siblings_at(at)?;
            let shares = siblings::take(siblings, offset, data, room, &cx.shared.skips);
            note_shares(cx, place, &shares);
            if records > 0 {
                cx.session.fetched_last = Some(place.clone());
                self.first = at + 1;
            }
            self.urgent |= shares.urgent;
            new_bytes += shares.kept_bytes;
        }
        // A frame of which little is told must not wait in memory for the client's answer.
        let copy = new_bytes < frame_bytes / 2;
        self.siblings.iter_mut().for_each(|sibling| sibling.settle(copy));
        awaited.finish(cx.api.name)
    }

    /// Takes the answer to [`Self::next_proofs`].
    ///
    /// # Errors
    /// [`Fault::Broker`]: it names other partitions than were asked for.
    pub(super) fn check_proofs(
        &mut self,
        cx: &mut Context<'_>,
        answer: FetchResponse,
        mut awaited: Awaited<Proof>,
    ) -> Result<(), Fault> {
        for (place, data) in by_place(answer) {
            let Some(Proof { at, skip }) = awaited.take_unless_answered(cx.api.name, place)? else { continue };
            siblings::check_proof(self.siblings_at(at)?.1, &skip, &data, cx.now, &cx.shared.skips);
        }
        awaited.finish(cx.api.name)
    }

    /// Bytes of records that the client's answer holds so far.
    fn kept_bytes(&self) -> usize {
        self.siblings.iter().map(|sibling| sibling.kept_bytes).sum()
    }

    /// Whether the client is answered now.
    pub(super) fn is_done(&self, now: Millis) -> bool {
        let enough = self.frame.min_bytes.min(self.frame.max_bytes);
        self.urgent
            || now >= self.deadline
            || self.kept_bytes() >= usize::try_from(enough).unwrap_or(0)
            || self.siblings.iter().all(Sibling::is_final)
    }

    /// The client's answer, and for how many milliseconds it is held back.
    ///
    /// # Errors
    /// [`Fault::Bug`]
    pub(super) fn into_answer(mut self, cx: &mut Context<'_>) -> Result<(Rope, Millis), Fault> {
        for sibling in &mut self.siblings {
            if sibling.needs_proof(self.filler, cx.now) {
                // There was no round left to prove its skip: its turn comes with another Fetch.
                sibling.reset();
            }
            note_skips(cx, sibling, self.filler);
            let is_filled = self.filler && sibling.fill();
            cx.count(Stat::FillerBatches, usize::from(is_filled));
            cx.count(Stat::FetchBytesDownstream, sibling.kept_bytes);
        }
        let mut siblings: Vec<&mut Sibling> = self.siblings.iter_mut().collect();
        siblings.sort_unstable_by_key(|sibling| sibling.number);
        let answer = answer::encode(cx, siblings, self.throttle_time_ms, self.version)?;
        Ok((answer, self.delay_ms(cx)))
    }

    /// For how long the answer is held back: a client that gets nothing but errors that last would ask again
    /// at once.
    fn delay_ms(&self, cx: &Context<'_>) -> Millis {
        if self.urgent || cx.outcome == Outcome::Ok || self.siblings.iter().any(|sibling| !sibling.records.is_empty()) {
            return 0;
        }
        let wait = self.deadline.saturating_sub(self.started);
        let until = self.started + wait.clamp(limits::FETCH_ERROR_MS_MIN, limits::FETCH_ERROR_MS_MAX);
        until.saturating_sub(cx.now)
    }
}

/// How many bytes of records a Fetch gets that wants `max_bytes`.
fn budgeted(cx: &Context<'_>, max_bytes: i32) -> (i32, Option<Promise>) {
    let wanted = max_bytes.min(cx.shared.config.limits.fetch_max_bytes);
    let Ok(bytes) = usize::try_from(wanted) else { return (wanted, None) };
    let (share, promise) = cx.shared.budget.share(bytes, cx.now);
    (i32::try_from(share).unwrap_or(wanted), Some(promise))
}

fn remaining(limit: i32, used: usize) -> i32 {
    limit.saturating_sub(i32::try_from(used).unwrap_or(i32::MAX)).max(0)
}

/// Where a partition is, and the client's position in it; or why it cannot be read.
fn locate(cx: &mut Context<'_>, topic: &Topic, wanted: &FetchPartition) -> Result<(Located, i64), ResponseError> {
    let located = cx.locate(topic, wanted.partition).map_err(|_| ResponseError::UnknownTopicOrPartition)?;
    let position = located.offset_for_broker(wanted.fetch_offset).map_err(|_| ResponseError::OffsetOutOfRange)?;
    cx.count_remapped(&located);
    Ok((located, position))
}

/// Counts what nobody was given, and warns of lanes that the mapping does not have.
fn note_shares(cx: &mut Context<'_>, place: &Place, shares: &Shares) {
    cx.count(Stat::BatchesDropped, shares.dropped);
    cx.count(Stat::BatchesUnknownLane, shares.unknown);
    if let Some(lane) = shares.unknown_lane {
        cx.warn(format!(
            "topic {}: dropped a record batch of lane {lane}, which the mapping does not have: elsewhere virtual_partitions \
             are more, or were",
            place.topic.0
        ));
    }
    if let Some(lane) = shares.blocking_lane {
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
fn note_skips(cx: &Context<'_>, sibling: &Sibling, filler: bool) {
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
    let trailing = Skip { start: sibling.position_after, end: sibling.cursor, mark, seen: cx.now, id };
    if sibling.position_after == sibling.position {
        // Nothing came: the whole way.
        cx.shared.skips.note(&key, Skip { start, ..trailing });
    } else if !filler {
        // The client will ask from where its last record was.
        cx.shared.skips.note(&key, trailing);
    }
}
