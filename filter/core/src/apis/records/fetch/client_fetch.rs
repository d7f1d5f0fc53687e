//! One client Fetch over all its rounds: what each round asks for, when the client is answered, and with
//! what.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::{FetchRequest, FetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use super::ask::{Ask, SharedLog, Sharing};
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
use crate::memory::facts::TopicId;
use crate::shared::budget::Promise;
use crate::shared::skips::Skip;
use crate::stats::{Outcome, Stat, TopicLabel};
use crate::time::Millis;
use crate::wire::rope::Rope;

/// `session_epoch` of a full Fetch that opens no session (KIP-227).
const SESSIONLESS_EPOCH: i32 = -1;

/// A physical partition that a Fetch reads, and which of the Fetch's siblings are on it.
pub(super) struct PhysicalRead {
    pub(super) place: Place,
    pub(super) siblings: Range<usize>,
    /// None: what is read there is for this client only.
    pub(super) log: Option<SharedLog>,
}

/// What a round asked of a physical partition.
pub(super) struct Read {
    /// Which of the Fetch's physical partitions it is.
    pub(super) at: usize,
    pub(super) offset: i64,
    pub(super) ask: Ask,
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
    pub(super) frame: FetchRequest,
    /// What the client wants at most.
    max_bytes: i32,
    pub(super) started: Millis,
    pub(super) deadline: Millis,
    pub(super) turn: usize,
    filler: bool,
    /// Answer after this round, whatever it brings: the client has another offset, replica or leader to ask
    /// for.
    pub(super) urgent: bool,
    /// First those that cannot be read, then the others by physical partition and lane.
    siblings: Vec<Sibling>,
    /// In the order in which the client named them first.
    pub(super) reads: Vec<PhysicalRead>,
    /// The physical partition that is named first in the next round.
    pub(super) first: usize,
    /// [`Self::kept_bytes`], as far as the round that is handled has come.
    pub(super) kept: usize,
    /// Little of what came last is for the client: it does not wait for more as a part of its frame.
    pub(super) keeps_little: bool,
    pub(super) sharing: Sharing,
    /// The longest time for which the broker would hold an answer back.
    pub(super) throttle_time_ms: i32,
    /// What the broker may send. None: nothing was asked for.
    promise: Option<Promise>,
}

impl ClientFetch {
    /// The Fetch before its first round.
    pub(super) fn new(cx: &mut Context<'_>, mut message: FetchRequest, version: i16) -> Self {
        let named = once(std::mem::take(&mut message.topics));
        let wait = u64::try_from(message.max_wait_ms).unwrap_or(0);
        let frame = FetchRequest::default()
            .with_replica_id(message.replica_id)
            .with_max_wait_ms(message.max_wait_ms)
            .with_min_bytes(message.min_bytes)
            .with_max_bytes(message.max_bytes)
            .with_isolation_level(message.isolation_level)
            .with_session_epoch(SESSIONLESS_EPOCH)
            .with_rack_id(StrBytes::from_string(message.rack_id.to_string()));
        let mut this = Self {
            version,
            frame,
            max_bytes: message.max_bytes,
            started: cx.now,
            deadline: cx.now.saturating_add(wait),
            turn: cx.session.turn,
            filler: filler::is_taken(cx),
            urgent: false,
            siblings: Vec::with_capacity(named.len()),
            reads: vec![],
            first: 0,
            kept: 0,
            keeps_little: false,
            sharing: Sharing::new(cx),
            throttle_time_ms: 0,
            promise: None,
        };
        let (mut topic, mut counted): (Option<Topic>, _) = (None, HashSet::new());
        for (name, wanted) in named {
            let topic = match &mut topic {
                Some(last) if last.name == name => last,
                other => {
                    let topic = other.insert(cx.topic(&name));
                    cx.count_named(&mut counted, topic);
                    topic
                }
            };
            this.add(cx, topic, &wanted);
        }
        this.sort(cx.session.fetched_last.as_ref());
        this.look_for_others(cx);
        this
    }

    /// Makes room for what the broker may send, if that was not done before.
    pub(super) fn promise(&mut self, cx: &Context<'_>) {
        if self.promise.is_none() {
            (self.frame.max_bytes, self.promise) = budgeted(cx, self.max_bytes);
        }
    }

    /// Nothing is asked of the broker for a while.
    pub(super) fn take_promise_back(&mut self) {
        self.promise = None;
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
            self.reads.extend(place.map(|place| PhysicalRead { place: place.clone(), siblings: range, log: None }));
        }
        self.first = fetched_last.and_then(|last| order.get(last)).map_or(0, |last| last + 1);
    }

    /// None of the partitions can be read: there is nothing to ask.
    pub(super) fn reads_nothing(&self) -> bool {
        self.reads.is_empty()
    }

    /// The physical partitions and their siblings, from the one behind that which brought something last:
    /// what fits into an answer would else always come from the same ones.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = (usize, &Place, &[Sibling])> {
        let (first, count) = (self.first.checked_rem(self.reads.len()).unwrap_or(0), self.reads.len());
        (first..count).chain(0..first).filter_map(|at| {
            let read = self.reads.get(at)?;
            Some((at, &read.place, self.siblings.get(read.siblings.clone())?))
        })
    }

    /// The siblings of the physical partition number `at`.
    pub(super) fn siblings_of(&self, at: usize) -> &[Sibling] {
        let range = self.reads.get(at).map(|read| read.siblings.clone());
        range.and_then(|range| self.siblings.get(range)).unwrap_or_default()
    }

    /// Under which label the topic of the physical partition number `at` is counted. None: it is not mapped.
    fn label(&self, at: usize) -> Option<TopicLabel> {
        self.siblings_of(at).first()?.label()
    }

    /// The physical partition number `at`, and its siblings.
    pub(super) fn siblings_at(&mut self, at: usize) -> Result<(&Place, &mut [Sibling]), Fault> {
        let read = self.reads.get(at);
        let found = read.and_then(|read| Some((&read.place, self.siblings.get_mut(read.siblings.clone())?)));
        found.ok_or(Fault::bug("a read of Fetch without its siblings"))
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

    /// Milliseconds that are left of the client's wait.
    pub(super) fn remaining_ms(&self, now: Millis) -> i32 {
        let left = i32::try_from(self.deadline.saturating_sub(now)).unwrap_or(i32::MAX);
        // A clock that was set back must not make the broker wait longer than the client said.
        left.min(self.frame.max_wait_ms)
    }

    /// Takes the answer to [`Self::next_round`]; `frame_bytes`: the answer's length.
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
        let before = self.kept_bytes();
        self.kept = before;
        for (place, data) in by_place(answer) {
            let bytes = data.records.as_ref().map_or(0, Bytes::len);
            cx.count(Stat::FetchBytesUpstream, bytes);
            let Some(Read { at, offset, ask }) = awaited.take_unless_answered(cx.api.name, place)? else { continue };
            cx.tally_topic(self.label(at), |topic| Stat::TopicFetchBytesUpstream { topic }, bytes);
            match ask {
                Ask::Read(flight) => {
                    if let Some(flight) = flight {
                        self.land(cx, flight, at, offset, &data, frame_bytes);
                    }
                    self.take(cx, at, offset, data)?;
                }
                Ask::Joined(segment) => self.join(cx, at, offset, data, &segment)?,
                Ask::Late(segments) => self.catch_up(cx, at, offset, data, &segments)?,
            }
        }
        self.keeps_little = self.kept - before < frame_bytes / 2;
        awaited.finish(cx.api.name)
    }

    /// Takes what the broker has sent of a physical partition.
    pub(super) fn take(
        &mut self,
        cx: &mut Context<'_>,
        at: usize,
        offset: i64,
        data: PartitionData,
    ) -> Result<(), Fault> {
        let (room, brought) = (self.room(), data.records.as_ref().is_some_and(|records| !records.is_empty()));
        let room = if self.is_shared(at) { room.min(siblings::bytes_max(self.siblings_at(at)?.1)) } else { room };
        let shares = siblings::take(self.siblings_at(at)?.1, offset, data, room, &cx.shared.skips);
        self.note(cx, at, &shares, brought)
    }

    /// Takes note of what became of a part of an answer that `brought` something or not.
    pub(super) fn note(
        &mut self,
        cx: &mut Context<'_>,
        at: usize,
        shares: &Shares,
        brought: bool,
    ) -> Result<(), Fault> {
        let label = self.label(at);
        let place = self.siblings_at(at)?.0;
        note_shares(cx, place, shares);
        cx.tally_topic(label, |topic| Stat::TopicUnknownLaneBatches { topic }, shares.unknown);
        if brought {
            cx.session.fetched_last = Some(place.clone());
            self.first = at + 1;
        }
        self.kept += shares.kept_bytes;
        self.urgent |= shares.urgent;
        Ok(())
    }

    /// Bytes of records that the client's answer has room for.
    pub(super) fn room(&self) -> usize {
        usize::try_from(self.frame.max_bytes).unwrap_or(0).saturating_sub(self.kept)
    }

    /// What the client was given waits for more: a frame of which little is told must not wait with it.
    pub(super) fn settle(&mut self) {
        let copy = self.keeps_little;
        self.siblings.iter_mut().for_each(|sibling| sibling.settle(copy));
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
    pub(super) fn kept_bytes(&self) -> usize {
        self.siblings.iter().map(|sibling| sibling.kept_bytes).sum()
    }

    /// Whether the client is answered now.
    pub(super) fn is_done(&self, now: Millis) -> bool {
        let enough = self.frame.min_bytes.min(self.frame.max_bytes);
        if self.sharing.owes_read && self.kept_bytes() == 0 && !self.urgent {
            return false;
        }
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
            cx.tally_topic(sibling.label(), |topic| Stat::TopicBytesSent { topic }, sibling.kept_bytes);
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

/// What is left of a limit.
pub(super) fn remaining(limit: i32, used: usize) -> i32 {
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
    cx.shared.facts.of(&topic.0, cx.now)?.id
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
    // Nothing came: the whole way. Else the client will ask from where its last record was, or from behind
    // the filler.
    let nothing_came = sibling.position_after == sibling.position;
    let start = if nothing_came { start } else { sibling.position_after };
    let seen = sibling.seen_from(start).filter(|_| nothing_came || !filler);
    if let Some((end, mark)) = seen {
        let id = topic_id(cx, &sibling.topic);
        cx.shared.skips.note(&key, Skip { start, end, mark, seen: cx.now, id });
    }
}
