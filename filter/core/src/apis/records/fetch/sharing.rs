//! What a Fetch has of other connections' Fetches, and they of it; see [`crate::shared::reads`].
//!
//! A Fetch that finds that its physical partitions are being read by others, just where it stands, is parked:
//! nothing of it is at the broker. When something comes for its lanes, it asks the broker whether its client
//! may have that (a doorbell), in a Fetch of its own that brings nothing as a rule: so the broker judges this
//! client's rights, quota and leader epoch, and says high watermark and last stable offset.
//!
//! An answer is what the log was at some time since the broker was asked. So it may be given to those whose
//! requests came before that, or so little later that there was no time for another log of the name
//! ([`limits::SHARED_FRESH_MS`]). Who comes later asks for the last entry of what it wants instead. If the
//! entry is still what it was, the log is the same one up to there, since a log is known by offset and leader
//! epoch of any of its batches.
//!
//! In any other case a Fetch reads for itself, and others may wait for what it brings.

use std::rc::Rc;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::ResponseError;

use super::ask::{Ask, SharedLog};
use super::client_fetch::{remaining, ClientFetch, Read};
use super::partitions::by_topic;
use super::sibling::Sibling;
use super::siblings::{self, Verdict};
use super::{share, status::PartitionStatus};
use crate::error::Fault;
use crate::exchange::handler::{Context, Upstream};
use crate::exchange::rounds::Awaited;
use crate::limits;
use crate::remapper::Layout;
use crate::shared::reads::{Flight, LogKey, Segment, Visit, Wish};
use crate::stats::Stat;
use crate::time::Millis;

/// `isolation_level` of clients that are shown nothing before its transaction is through (KIP-98).
const COMMITTED: i8 = 1;

/// The first version in which brokers say where the log starts: nothing before that is shown any more.
const LOG_STARTS: i16 = 5;

/// `replica_id` of consumers.
const CONSUMER_ID: i32 = -1;

/// What comes next.
pub(super) enum Round {
    Ask(Upstream, Awaited<Read>),
    /// Others ask.
    Park,
}

/// A question for a round.
struct Question {
    at: usize,
    asked: FetchPartition,
    ask: Ask,
    /// Others ask the same.
    is_covered: bool,
}

/// The question whether the client may have these.
fn joined(at: usize, mut asked: FetchPartition, segments: Vec<Rc<Segment>>) -> Question {
    if let Some(last) = segments.last() {
        // There was nothing behind this when the segment was read.
        asked.fetch_offset = last.data.high_watermark.max(last.end);
    }
    asked.partition_max_bytes = 1;
    Question { at, asked, ask: Ask::Joined(segments), is_covered: false }
}

impl ClientFetch {
    /// Looks who else reads the Fetch's physical partitions.
    pub(super) fn look_for_others(&mut self, cx: &Context<'_>) {
        let Some(broker) = cx.session.broker.as_ref().filter(|_| self.may_share()) else { return };
        let (connection, is_committed) = (self.sharing.connection, self.frame.isolation_level == COMMITTED);
        let (min_bytes, max_wait_ms) = (self.frame.min_bytes, self.frame.max_wait_ms);
        for at in 0..self.reads.len() {
            let Ok((place, siblings)) = self.siblings_at(at) else { continue };
            if siblings.first().is_none_or(|sibling| sibling.mapped().is_none()) {
                continue;
            }
            let (topic, partition) = (place.topic.clone(), place.partition.0);
            let key = LogKey { broker: Rc::clone(broker), topic, partition, is_committed };
            let Some(stands_at) = siblings::first_cursor(siblings) else { continue };
            let visit = Visit { connection, at: stands_at, min_bytes, max_wait_ms };
            let readers = cx.shared.reads.visit(&key, visit, cx.now);
            if let Some(read) = self.reads.get_mut(at).filter(|_| readers > 0) {
                read.log = Some(SharedLog { key, readers, found: None });
            }
        }
    }

    fn may_share(&self) -> bool {
        // Others than consumers are shown what is above the high watermark.
        let is_consumer = self.frame.replica_id.0 == CONSUMER_ID;
        !self.sharing.is_alone && is_consumer && self.reads.len() <= limits::SHARED_PLACES_MAX
    }

    /// Others read the physical partition as well.
    pub(super) fn is_shared(&self, at: usize) -> bool {
        self.log(at).is_some_and(|log| log.readers > 1)
    }

    fn log(&self, at: usize) -> Option<&SharedLog> {
        self.reads.get(at)?.log.as_ref()
    }

    /// What the Fetch does next for its records.
    ///
    /// # Errors
    /// [`Fault::Bug`]
    pub(super) fn next_round(&mut self, cx: &mut Context<'_>) -> Result<Round, Fault> {
        self.settle();
        self.kept = self.kept_bytes();
        let mut questions = self.questions(cx);
        let is_bell = questions.iter().any(|question| !matches!(question.ask, Ask::Read(_)));
        if !is_bell && (self.park(cx, &questions) || self.hold(cx, &questions)) {
            return Ok(Round::Park);
        }
        self.promise(cx);
        self.sharing.owes_read &= is_bell;
        if is_bell {
            return self.ring(&mut questions).map(|(upstream, awaited)| Round::Ask(upstream, awaited));
        }
        let may_wait = self.in_turn().all(|(_, _, siblings)| siblings::may_wait(siblings)) && !self.urgent;
        let mut wait_ms = if may_wait { self.remaining_ms(cx.now) } else { 0 };
        let max_bytes = remaining(self.frame.max_bytes, self.kept).max(1);
        let mut min_bytes = remaining(self.frame.min_bytes, self.kept);
        for question in questions.iter().filter(|question| self.is_shared(question.at)) {
            // Others have something to hear as soon as what they wait for comes.
            let patience = self.log(question.at).and_then(|log| cx.shared.reads.patience(&log.key));
            let (bytes, ms) = patience.unwrap_or((min_bytes, wait_ms));
            (min_bytes, wait_ms) = (min_bytes.min(bytes.max(1)), wait_ms.min(ms.max(limits::SHARED_WAIT_MS_MIN)));
        }
        let overdue_at = cx.now + Millis::try_from(wait_ms).unwrap_or(0) + limits::SHARED_GRACE_MS;
        for Question { at, asked, ask, .. } in &mut questions {
            let Some(log) = self.log(*at) else { continue };
            // What is read for several may be so many times as long.
            let readers = cx.shared.reads.companions(&log.key, asked.fetch_offset, cx.now);
            let readers = i32::try_from(readers).unwrap_or(1);
            let most = asked.partition_max_bytes.max(limits::SHARED_READ_BYTES_MAX).min(max_bytes);
            asked.partition_max_bytes = asked.partition_max_bytes.saturating_mul(readers).min(most);
            let (connection, times) = (self.sharing.connection, (cx.now, overdue_at));
            let flight = cx.shared.reads.begin(&log.key, connection, asked.fetch_offset, min_bytes, times);
            *ask = Ask::Read(Some(flight));
        }
        let frame = self.frame.clone();
        let frame = frame.with_max_wait_ms(wait_ms).with_min_bytes(min_bytes);
        let (upstream, awaited) = self.send(frame.with_max_bytes(max_bytes), questions)?;
        Ok(Round::Ask(upstream, awaited))
    }

    fn questions(&mut self, cx: &Context<'_>) -> Vec<Question> {
        let asked = self
            .in_turn()
            .filter_map(|(at, place, siblings)| Some((at, siblings::next_read(siblings, place.partition, self.turn)?)));
        let asked: Vec<(usize, FetchPartition)> = asked.collect();
        asked.into_iter().map(|(at, asked)| self.question(cx, at, asked)).collect()
    }

    fn question(&mut self, cx: &Context<'_>, at: usize, mut asked: FetchPartition) -> Question {
        let is_alone = self.sharing.is_alone;
        let plain = |asked| Question { at, asked, ask: Ask::Read(None), is_covered: false };
        let found = self.reads.get_mut(at).and_then(|read| read.log.as_mut()?.found.take()).filter(|_| !is_alone);
        if let Some(segment) = found {
            asked.last_fetched_epoch = -1;
            return joined(at, asked, vec![segment]);
        }
        // A client that lets the broker compare its log with the broker's asks for more than records.
        let Some(log) = self.log(at).filter(|_| !is_alone && asked.last_fetched_epoch < 0) else {
            return plain(asked);
        };
        let segments = self.segments(cx, log, at, asked.fetch_offset);
        if segments.iter().all(|segment| segment.is_new_to(self.started)) && !segments.is_empty() {
            return joined(at, asked, segments);
        }
        if let Some(last) = segments.last() {
            asked.fetch_offset = last.end - 1;
            asked.partition_max_bytes = i32::try_from(last.mark.bytes).unwrap_or(i32::MAX);
            return Question { ask: Ask::Late(segments), ..plain(asked) };
        }
        let min_bytes = remaining(self.frame.min_bytes, self.kept);
        let is_covered = cx.shared.reads.is_read_at(&log.key, asked.fetch_offset, min_bytes, cx.now);
        Question { is_covered, ..plain(asked) }
    }

    /// What was read of late from `offset` on, as much of it as the client wants.
    fn segments(&self, cx: &Context<'_>, log: &SharedLog, at: usize, offset: i64) -> Vec<Rc<Segment>> {
        if self.version < LOG_STARTS {
            return vec![];
        }
        let siblings = self.siblings_of(at);
        let (lanes, wanted) = (siblings::lanes(siblings), siblings::bytes_max(siblings).min(self.room()));
        let mut segments: Vec<Rc<Segment>> = vec![];
        let (mut bytes, mut offset) = (0, offset);
        while let Some(segment) = cx.shared.reads.find(&log.key, offset, cx.now) {
            let follows = segments.last().is_none_or(|before| segment.follows(before));
            if !follows || segments.len() >= limits::SHARED_SEGMENTS_MAX {
                // The broker gives more at once than can be proven to be of one log.
                return if bytes < wanted / 2 { vec![] } else { segments };
            }
            (bytes, offset) = (bytes + segment.bytes_for(&lanes), segment.end);
            segments.push(segment);
            if bytes >= wanted {
                break;
            }
        }
        segments
    }

    /// Waits for others, if they read all that the Fetch wants.
    fn park(&mut self, cx: &mut Context<'_>, questions: &[Question]) -> bool {
        let is_read = |question: &Question| {
            let cursor = siblings::one_cursor(self.siblings_of(question.at));
            question.is_covered && cursor == Some(question.asked.fetch_offset)
        };
        let waits = !self.urgent && self.remaining_ms(cx.now) >= limits::SHARED_PARK_MS_MIN as i32;
        if self.sharing.is_alone || !waits || questions.is_empty() || !questions.iter().all(is_read) {
            return false;
        }
        self.wait(cx, questions, self.deadline)
    }

    /// Waits until `until` at most for what others do where the Fetch stands. False: too many wait.
    fn wait(&mut self, cx: &mut Context<'_>, questions: &[Question], until: Millis) -> bool {
        let wishes = questions.iter().filter_map(|question| {
            let lanes = siblings::lanes(self.siblings_of(question.at)).into();
            Some(Wish { key: self.log(question.at)?.key.clone(), offset: question.asked.fetch_offset, lanes })
        });
        let wishes = wishes.collect();
        let at = questions.iter().map(|question| question.at).collect();
        let parked = cx.shared.reads.park(self.sharing.connection, self.started, until, wishes);
        self.sharing.parked = parked.map(|parked| (parked, at));
        if self.sharing.parked.is_some() {
            self.take_promise_back();
            cx.count(Stat::SharedParked, 1);
        }
        self.sharing.parked.is_some()
    }

    /// Lets others catch up that read the same and are not far behind, so that what they want is still there.
    fn hold(&mut self, cx: &mut Context<'_>, questions: &[Question]) -> bool {
        let (connection, now) = (self.sharing.connection, cx.now);
        let until = now.saturating_add(limits::SHARED_HOLD_MS);
        let is_ahead = |question: &Question| {
            let log = self.log(question.at).filter(|log| log.readers > 1);
            log.is_some_and(|log| cx.shared.reads.is_ahead(&log.key, connection, question.asked.fetch_offset, cx.now))
        };
        let is_free = !self.sharing.is_alone && !self.sharing.has_held && !self.urgent && until < self.deadline;
        if !is_free || !questions.iter().all(is_ahead) || !self.wait(cx, questions, until) {
            return false;
        }
        let logs = questions.iter().filter_map(|question| Some((self.log(question.at)?, question.asked.fetch_offset)));
        let holds =
            logs.map(|(log, offset)| cx.shared.reads.hold(&log.key, connection, offset, (now, until))).collect();
        (self.sharing.holds, self.sharing.has_held) = (holds, true);
        true
    }

    /// Ends the wait for others, with what it has brought.
    ///
    /// # Errors
    /// [`Fault::Bug`]
    pub(super) fn unpark(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        let Some((parked, at)) = self.sharing.parked.take() else { return Ok(()) };
        let (news, is_alone) = parked.end();
        std::mem::take(&mut self.sharing.holds).into_iter().for_each(|hold| hold.end_hold(cx.now));
        self.sharing.is_alone |= is_alone;
        let mut is_woken = false;
        for (at, news) in at.into_iter().zip(news) {
            if let Some(passed) = &news.passed {
                siblings::pass(self.siblings_at(at)?.1, passed);
            }
            is_woken |= news.found.is_some();
            if is_alone {
                // What came by may be of a log that is there no more.
                self.siblings_at(at)?.1.iter_mut().for_each(Sibling::start_again);
            }
            if let Some(log) = self.reads.get_mut(at).and_then(|read| read.log.as_mut()) {
                log.found = news.found;
            }
        }
        cx.count(Stat::SharedWoken, usize::from(is_woken));
        Ok(())
    }

    /// The round that asks whether the client may have what others have read. What nobody has read is asked
    /// for beside it.
    fn ring(&mut self, questions: &mut Vec<Question>) -> Result<(Upstream, Awaited<Read>), Fault> {
        let (mut bells, mut reads) = (0i32, 0i32);
        for question in &mut *questions {
            if matches!(question.ask, Ask::Read(_)) {
                if question.is_covered {
                    // It is not in the way of who reads it.
                    question.asked.partition_max_bytes = 1;
                }
                reads = reads.saturating_add(question.asked.partition_max_bytes);
            } else {
                bells = bells.saturating_add(question.asked.partition_max_bytes);
            }
        }
        let most = bells.saturating_add(reads.min(remaining(self.frame.max_bytes, self.kept)));
        let frame = self.frame.clone().with_max_wait_ms(0).with_min_bytes(0).with_max_bytes(most.max(1));
        self.send(frame, std::mem::take(questions))
    }

    fn send(&self, frame: FetchRequest, questions: Vec<Question>) -> Result<(Upstream, Awaited<Read>), Fault> {
        let (mut asked, mut reads) = (vec![], vec![]);
        for Question { at, asked: question, ask, .. } in questions {
            let place = self.reads.get(at).map(|read| read.place.clone());
            let place = place.ok_or(Fault::bug("a question of Fetch without its place"))?;
            asked.push((place.topic.clone(), question.clone()));
            reads.push((place, Read { at, offset: question.fetch_offset, ask }));
        }
        Ok((Upstream::new(self.version, &frame.with_topics(by_topic(asked)))?, Awaited::new(reads)))
    }

    /// Gives others what a flight has brought.
    pub(super) fn land(
        &mut self,
        cx: &Context<'_>,
        flight: Flight,
        at: usize,
        offset: i64,
        data: &PartitionData,
        frame_bytes: usize,
    ) {
        let status = PartitionStatus::of(data);
        if status.error_code != 0 || status.redirects() {
            // That a client may not read says nothing of the log.
            return flight.fail(status.error_code != ResponseError::TopicAuthorizationFailed.code());
        }
        if !self.log(at).is_some_and(|log| cx.shared.reads.is_shared(&log.key)) {
            return;
        }
        let mut data = data.clone();
        if let Some(records) = data.records.as_mut().filter(|records| records.len() < frame_bytes / 2) {
            *records = Bytes::copy_from_slice(records);
        }
        let Some(segment) = Segment::new(offset, data, flight.asked_at(), cx.now) else { return };
        let mapping = self.siblings_of(at).first().and_then(|sibling| sibling.mapped()?.mapping());
        let stops = mapping.filter(|mapping| mapping.layout() != Layout::Modulo);
        // There a lane that the mapping does not have stops who reads it.
        if stops.is_some_and(|mapping| segment.foreign_lane(mapping.lanes()).is_some()) {
            return flight.fail(false);
        }
        flight.land(segment);
    }

    /// Hears whether the client may have what came while it waited, or just before.
    pub(super) fn join(
        &mut self,
        cx: &mut Context<'_>,
        at: usize,
        offset: i64,
        data: PartitionData,
        segments: &[Rc<Segment>],
    ) -> Result<(), Fault> {
        let Some(last) = segments.last() else { return Ok(()) };
        if self.may_have(cx, at, offset, &data, last.end)? {
            self.serve(cx, at, segments)?;
            if siblings::one_cursor(self.siblings_of(at)) == Some(offset) {
                self.take(cx, at, offset, data)?;
            }
        }
        Ok(())
    }

    /// Hears whether the client may have what was read before it came.
    pub(super) fn catch_up(
        &mut self,
        cx: &mut Context<'_>,
        at: usize,
        offset: i64,
        data: PartitionData,
        segments: &[Rc<Segment>],
    ) -> Result<(), Fault> {
        let Some(last) = segments.last() else { return Ok(()) };
        let records = data.records.clone().unwrap_or_default();
        let is_there = siblings::first_mark(&records) == Some(last.mark)
            && last.has_same_ends(data.aborted_transactions.as_deref());
        if !self.may_have(cx, at, offset, &data, last.end)? {
            return Ok(());
        }
        if is_there {
            return self.serve(cx, at, segments);
        }
        // No entry at all tells nothing: the client's limits may have left no room for it.
        self.doubt(cx, at, !records.is_empty())
    }

    /// Reads for itself from where the client stands, since the log may not be what others have read.
    /// `is_other`: it is not.
    fn doubt(&mut self, cx: &Context<'_>, at: usize, is_other: bool) -> Result<(), Fault> {
        if let Some(log) = self.log(at).filter(|_| is_other) {
            cx.shared.reads.forget(&log.key);
        }
        self.siblings_at(at)?.1.iter_mut().for_each(Sibling::start_again);
        (self.sharing.is_alone, self.sharing.owes_read) = (true, true);
        Ok(())
    }

    fn may_have(
        &mut self,
        cx: &mut Context<'_>,
        at: usize,
        offset: i64,
        data: &PartitionData,
        end: i64,
    ) -> Result<bool, Fault> {
        cx.count(Stat::SharedDoorbellBytes, data.records.as_ref().map_or(0, Bytes::len));
        let is_committed = self.frame.isolation_level == COMMITTED;
        let siblings = self.siblings_at(at)?.1;
        match siblings::hear(siblings, data, offset, end, is_committed, &cx.shared.skips) {
            Verdict::Yes => return Ok(true),
            Verdict::No => self.doubt(cx, at, true)?,
            Verdict::Told(shares) => self.note(cx, at, &shares, false)?,
        }
        Ok(false)
    }

    fn serve(&mut self, cx: &mut Context<'_>, at: usize, segments: &[Rc<Segment>]) -> Result<(), Fault> {
        let mut left = siblings::bytes_max(self.siblings_at(at)?.1).min(self.room());
        let mut given = 0;
        for segment in segments {
            let shares = share::share_segment(self.siblings_at(at)?.1, segment, left);
            (left, given) = (left.saturating_sub(shares.kept_bytes), given + shares.kept_bytes);
            self.note(cx, at, &shares, true)?;
            if left == 0 {
                break;
            }
        }
        cx.count(Stat::SharedHits, usize::from(given > 0));
        Ok(())
    }
}
