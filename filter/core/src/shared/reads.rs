//! What the connections of a worker read together: a physical partition that several of them read is asked
//! for once.
//!
//! For each log there is who is reading it, at which offset ([`Flight`]); who is waiting for what another one
//! reads there ([`Parked`]); and what was read of late ([`Segment`]), for those who come a little later. None
//! of this is a right to anything: whoever is served of it has asked the broker on a connection of its own
//! before, see `apis/records/fetch/sharing.rs`.
//!
//! Nothing is sent from here. Connections that have to go on are put into a list, which the worker goes
//! through behind each of its calls ([`Reads::next_rung`]).

mod segment;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::rc::Rc;

use kafka_protocol::messages::TopicName;

pub(crate) use self::segment::{Item, Segment};

use crate::limits;
use crate::remapper::Lane;
use crate::shared::skips::Mark;
use crate::time::Millis;

/// A log as one broker shows it to readers of one isolation level.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LogKey {
    /// Where the readers' connections go.
    pub(crate) broker: Rc<str>,
    /// No slice of a frame.
    pub(crate) topic: TopicName,
    pub(crate) partition: i32,
    pub(crate) is_committed: bool,
}

/// Who waits for what others read of a log.
pub(crate) struct Wish {
    pub(crate) key: LogKey,
    /// The offset from which on it is wanted.
    pub(crate) offset: i64,
    pub(crate) lanes: Rc<[Lane]>,
}

/// What came by while somebody waited.
#[derive(Default)]
pub(crate) struct News {
    /// The end of what was read, and held nothing of the lanes.
    pub(crate) passed: Option<Passed>,
    /// What was read behind that, and holds something.
    pub(crate) found: Option<Rc<Segment>>,
}

/// Nothing of some lanes came before `end`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passed {
    pub(crate) end: i64,
    /// Of the last entry before `end`.
    pub(crate) mark: Mark,
    /// Leader epoch and timestamp (ms) of the last batch before `end`, if that is one.
    pub(crate) last_batch: Option<(i32, i64)>,
}

struct Waiting {
    offset: i64,
    lanes: Rc<[Lane]>,
    until: Millis,
    news: News,
}

/// What was asked of the broker.
struct Asked {
    number: u64,
    offset: i64,
    /// How many bytes the broker waits for.
    min_bytes: i32,
    overdue_at: Millis,
}

#[derive(Default)]
struct Log {
    flights: Vec<Asked>,
    /// By connection.
    parked: BTreeMap<u32, Waiting>,
    /// By their starts.
    segments: BTreeMap<i64, Rc<Segment>>,
    /// Connections that have read it of late.
    readers: Vec<Reader>,
    /// Who lets others catch up, and where it stands; and its flight.
    holding: Option<(u32, i64, u64)>,
}

/// A connection that has read a log of late.
struct Reader {
    connection: u32,
    /// When its last Fetch came, and for which offset.
    seen: Millis,
    at: i64,
    /// Nobody waits for it before: it was waited for in vain.
    left_until: Millis,
}

#[derive(Default)]
struct State {
    logs: HashMap<LogKey, Log>,
    /// What the store holds, oldest first.
    stored: VecDeque<(LogKey, Rc<Segment>)>,
    stored_bytes: usize,
    /// `stored_bytes` as it was told last.
    told_bytes: usize,
    flights: u64,
    parked: usize,
    /// Connections that have to go on, in order; those that are out of the set are through.
    rung: VecDeque<u32>,
    is_rung: HashSet<u32>,
    /// Of those, the ones that had better read for themselves.
    alone: HashSet<u32>,
    /// Logs in which somebody may wait whom nobody reads for.
    unread: Vec<LogKey>,
}

/// The shared reads of a worker.
pub(crate) struct Reads {
    state: RefCell<State>,
    bytes_max: usize,
}

impl Reads {
    /// `worker_bytes`: `limits.worker_bytes`.
    pub(crate) fn new(worker_bytes: usize) -> Rc<Self> {
        let bytes_max = limits::SHARED_BYTES_MAX.min(worker_bytes / limits::SHARED_PARTS);
        Rc::new(Self { state: RefCell::default(), bytes_max })
    }

    /// A connection reads a log at offset `at`. Gives how many have done so of late, this one included; 0
    /// where so many logs are read that this one is not looked after.
    pub(crate) fn visit(&self, key: &LogKey, connection: u32, at: i64, now: Millis) -> usize {
        let state = &mut *self.state.borrow_mut();
        if !state.logs.contains_key(key) && state.logs.len() >= limits::SHARED_LOGS_MAX {
            return 0;
        }
        let log = state.logs.entry(key.clone()).or_default();
        let known = log.readers.iter().find(|reader| reader.connection == connection);
        let left_until = known.map_or(0, |reader| reader.left_until);
        log.readers.retain(|reader| reader.connection != connection && is_late(reader.seen, now));
        if log.readers.len() < limits::SHARED_READERS_MAX {
            log.readers.push(Reader { connection, seen: now, at, left_until });
        }
        let readers = log.readers.len();
        let caught_up = log.holding.filter(|(ahead, offset, _)| !log.is_ahead(*ahead, *offset, now));
        if let Some((ahead, ..)) = caught_up {
            state.ring(ahead, false);
        }
        readers
    }

    /// A connection that would read on at `offset` had better wait a moment: others are not far behind, and
    /// what they will want is still here.
    pub(crate) fn is_ahead(&self, key: &LogKey, connection: u32, offset: i64, now: Millis) -> bool {
        let state = self.state.borrow();
        let log = state.logs.get(key);
        log.is_some_and(|log| log.holding.is_none() && log.is_ahead(connection, offset, now))
    }

    /// The connection lets others catch up; others wait for it meanwhile.
    pub(crate) fn hold(self: &Rc<Self>, key: &LogKey, connection: u32, offset: i64, until: Millis) -> Flight {
        let flight = self.begin(key, offset, 0, until.saturating_add(limits::SHARED_GRACE_MS));
        if let Some(log) = self.state.borrow_mut().logs.get_mut(key) {
            log.holding = Some((connection, offset, flight.number));
        }
        flight
    }

    /// A connection asks the broker for what lies from `offset` on, at least `min_bytes`; `overdue_at`: by
    /// when the answer must be there, or others do not wait for it any longer.
    pub(crate) fn begin(self: &Rc<Self>, key: &LogKey, offset: i64, min_bytes: i32, overdue_at: Millis) -> Flight {
        let state = &mut *self.state.borrow_mut();
        state.flights += 1;
        let number = state.flights;
        if let Some(log) = state.logs.get_mut(key) {
            log.flights.push(Asked { number, offset, min_bytes, overdue_at });
        }
        Flight { reads: Rc::clone(self), key: key.clone(), number, offset, is_over: false }
    }

    /// Somebody is asking the broker for what lies from `offset` on, and for no more than `min_bytes` at
    /// least.
    pub(crate) fn is_read_at(&self, key: &LogKey, offset: i64, min_bytes: i32, now: Millis) -> bool {
        let is_there =
            |asked: &Asked| asked.offset == offset && asked.min_bytes <= min_bytes.max(1) && now < asked.overdue_at;
        self.state.borrow().logs.get(key).is_some_and(|log| log.flights.iter().any(is_there))
    }

    /// Whether more than one connection reads the log.
    pub(crate) fn is_shared(&self, key: &LogKey) -> bool {
        let state = self.state.borrow();
        state.logs.get(key).is_some_and(|log| log.readers.len() > 1 || !log.parked.is_empty())
    }

    /// The connection waits for what others read, until `until` at most. None: too many do.
    pub(crate) fn park(self: &Rc<Self>, connection: u32, until: Millis, wishes: Vec<Wish>) -> Option<Parked> {
        let state = &mut *self.state.borrow_mut();
        if state.parked >= limits::SHARED_PARKED_MAX {
            return None;
        }
        state.parked += 1;
        let mut keys = Vec::with_capacity(wishes.len());
        for Wish { key, offset, lanes } in wishes {
            if let Some(log) = state.logs.get_mut(&key) {
                log.parked.insert(connection, Waiting { offset, lanes, until, news: News::default() });
            }
            keys.push(key);
        }
        Some(Parked { reads: Rc::clone(self), connection, keys })
    }

    /// What was read of late around `offset`.
    pub(crate) fn find(&self, key: &LogKey, offset: i64, now: Millis) -> Option<Rc<Segment>> {
        let state = self.state.borrow();
        let (_, segment) = state.logs.get(key)?.segments.range(..=offset).next_back()?;
        (segment.end > offset && is_fresh(segment, now)).then(|| Rc::clone(segment))
    }

    /// The segments were read just now, and somebody waits for more behind them.
    pub(crate) fn is_at_end(&self, key: &LogKey, segments: &[Rc<Segment>], now: Millis) -> bool {
        let is_new = |segment: &Rc<Segment>| now.saturating_sub(segment.read) < limits::SHARED_FRESH_MS;
        let Some(last) = segments.last().filter(|_| segments.iter().all(is_new)) else { return false };
        self.is_read_at(key, last.end, i32::MAX, now)
    }

    /// What was read of a log may be of another one.
    pub(crate) fn forget(&self, key: &LogKey) {
        if let Some(log) = self.state.borrow_mut().logs.get_mut(key) {
            log.segments.clear();
        }
    }

    /// The next connection that has to go on with its Fetch.
    pub(crate) fn next_rung(&self) -> Option<u32> {
        let state = &mut *self.state.borrow_mut();
        if state.is_rung.is_empty() {
            state.hand_on();
        }
        loop {
            let connection = state.rung.pop_front()?;
            if state.is_rung.remove(&connection) {
                return Some(connection);
            }
        }
    }

    /// Rings those whose wait is over or in vain, and drops what is old, or in the way: `is_tight`.
    pub(crate) fn tick(&self, now: Millis, is_tight: bool) {
        let state = &mut *self.state.borrow_mut();
        let mut due: Vec<(u32, bool)> = vec![];
        for log in state.logs.values_mut() {
            let overdue: Vec<Asked> = log.flights.extract_if(.., |asked| asked.overdue_at <= now).collect();
            for asked in overdue {
                due.extend(log.forsaken(asked.offset).into_iter().map(|connection| (connection, true)));
            }
            let over = log.parked.iter().filter(|(_, waiting)| waiting.until <= now);
            due.extend(over.map(|(connection, _)| (*connection, false)));
        }
        due.into_iter().for_each(|(connection, is_alone)| state.ring(connection, is_alone));
        while state.stored.front().is_some_and(|(_, oldest)| is_tight || !is_fresh(oldest, now)) {
            state.drop_oldest();
        }
        state.logs.retain(|_, log| !log.is_idle(now));
    }

    /// [`Self::tick`] has something to do before long.
    pub(crate) fn has_work(&self) -> bool {
        let state = self.state.borrow();
        state.parked > 0 || !state.stored.is_empty() || !state.is_rung.is_empty()
    }

    /// By how many bytes the store has grown since the last call.
    pub(crate) fn take_growth(&self) -> i64 {
        let state = &mut *self.state.borrow_mut();
        let told = std::mem::replace(&mut state.told_bytes, state.stored_bytes);
        state.stored_bytes as i64 - told as i64
    }
}

fn is_late(seen: Millis, now: Millis) -> bool {
    now.saturating_sub(seen) < limits::SHARED_READER_MS
}

fn is_fresh(segment: &Segment, now: Millis) -> bool {
    now.saturating_sub(segment.read) < limits::SHARED_MS_MAX
}

impl Log {
    fn is_idle(&self, now: Millis) -> bool {
        let is_used = !self.flights.is_empty() || !self.parked.is_empty() || !self.segments.is_empty();
        !is_used && !self.readers.iter().any(|reader| is_late(reader.seen, now))
    }

    /// Another connection is in the middle of reading what lies before `offset`, and far behind.
    fn is_ahead(&self, connection: u32, offset: i64, now: Millis) -> bool {
        self.readers.iter().any(|reader| self.is_behind(reader, connection, offset, now))
    }

    fn is_behind(&self, reader: &Reader, connection: u32, offset: i64, now: Millis) -> bool {
        let is_active = now.saturating_sub(reader.seen) < limits::SHARED_PACE_MS && reader.left_until <= now;
        let is_other = reader.connection != connection && !self.parked.contains_key(&reader.connection);
        let is_before = is_active && is_other && reader.at < offset;
        is_before && self.bytes_between(reader.at, offset) >= limits::SHARED_LEAD_BYTES
    }

    /// Nobody waits for those who are behind for a while.
    fn leave_behind(&mut self, connection: u32, offset: i64, now: Millis) {
        let behind = self.readers.iter().filter(|reader| self.is_behind(reader, connection, offset, now));
        let behind: Vec<u32> = behind.map(|reader| reader.connection).collect();
        for reader in self.readers.iter_mut().filter(|reader| behind.contains(&reader.connection)) {
            reader.left_until = now.saturating_add(limits::SHARED_LEFT_MS);
        }
    }

    /// Bytes of what is kept from one offset to another; 0 where it does not begin there.
    fn bytes_between(&self, from: i64, to: i64) -> usize {
        let first = self.segments.range(..=from).next_back();
        let Some((start, _)) = first.filter(|(_, segment)| segment.end > from) else { return 0 };
        self.segments.range(*start..to.max(*start)).map(|(_, segment)| segment.records().len()).sum()
    }

    /// Who waits at an offset where nobody reads any more.
    fn forsaken(&self, offset: i64) -> Vec<u32> {
        let there = self.parked.iter().filter(|(_, waiting)| waiting.offset == offset && !self.is_read_at(offset));
        there.map(|(connection, _)| *connection).collect()
    }

    fn is_read_at(&self, offset: i64) -> bool {
        self.flights.iter().any(|asked| asked.offset == offset)
    }
}

impl State {
    fn ring(&mut self, connection: u32, is_alone: bool) {
        if self.is_rung.insert(connection) {
            self.rung.push_back(connection);
        }
        if is_alone {
            self.alone.insert(connection);
        }
    }

    /// Where nobody reads for those who wait at an offset, the one that waits longest reads for all of them.
    fn hand_on(&mut self) {
        for key in std::mem::take(&mut self.unread) {
            let Some(log) = self.logs.get(&key) else { continue };
            let mut longest: BTreeMap<i64, (Millis, u32)> = BTreeMap::new();
            for (connection, waiting) in &log.parked {
                let candidate = (waiting.until, *connection);
                let best = longest.entry(waiting.offset).or_insert(candidate);
                *best = candidate.max(*best);
            }
            longest.retain(|offset, _| !log.is_read_at(*offset));
            longest.into_values().for_each(|(_, connection)| self.ring(connection, false));
        }
    }

    fn drop_oldest(&mut self) {
        let Some((key, segment)) = self.stored.pop_front() else { return };
        self.stored_bytes -= segment.bytes();
        let Some(log) = self.logs.get_mut(&key) else { return };
        if log.segments.get(&segment.start).is_some_and(|held| Rc::ptr_eq(held, &segment)) {
            log.segments.remove(&segment.start);
        }
    }

    /// Ends a flight; gives its log.
    fn end(&mut self, flight: &Flight) -> Option<&mut Log> {
        self.unread.push(flight.key.clone());
        let log = self.logs.get_mut(&flight.key)?;
        log.flights.retain(|asked| asked.number != flight.number);
        log.holding = log.holding.filter(|(.., number)| *number != flight.number);
        Some(log)
    }

    /// Takes what a flight brought: gives it to those who wait there, and keeps it.
    fn land(&mut self, flight: &Flight, segment: Rc<Segment>, bytes_max: usize) {
        let Some(log) = self.end(flight) else { return };
        let last = segment.last().and_then(|last| last.header);
        let last_batch = last.map(|header| (header.partition_leader_epoch, header.max_timestamp));
        let mut rung = vec![];
        for (connection, waiting) in log.parked.iter_mut().filter(|(_, waiting)| waiting.offset == segment.start) {
            if segment.concerns(&waiting.lanes) {
                waiting.news.found.get_or_insert_with(|| Rc::clone(&segment));
                rung.push(*connection);
            } else if waiting.news.found.is_none() {
                waiting.offset = segment.end;
                waiting.news.passed = Some(Passed { end: segment.end, mark: segment.mark, last_batch });
            }
        }
        let high_watermark = segment.data.high_watermark;
        log.segments.retain(|_, held| held.end <= high_watermark);
        log.segments.insert(segment.start, Rc::clone(&segment));
        self.stored_bytes += segment.bytes();
        self.stored.push_back((flight.key.clone(), segment));
        while self.stored_bytes > bytes_max {
            self.drop_oldest();
        }
        rung.into_iter().for_each(|connection| self.ring(connection, false));
    }

    /// What a flight was for cannot be had in common: who waits there, and for nobody else, reads for itself.
    fn fail(&mut self, flight: &Flight, log_moved: bool) {
        let Some(log) = self.end(flight) else { return };
        if log_moved {
            log.segments.clear();
        }
        let there = log.forsaken(flight.offset);
        there.into_iter().for_each(|connection| self.ring(connection, true));
    }
}

/// A question to the broker for what lies from an offset on. Dropped before its answer: others ask.
pub(crate) struct Flight {
    reads: Rc<Reads>,
    key: LogKey,
    number: u64,
    offset: i64,
    is_over: bool,
}

impl Flight {
    /// What it brought, for all.
    pub(crate) fn land(mut self, segment: Segment) {
        self.is_over = true;
        let mut state = self.reads.state.borrow_mut();
        state.land(&self, Rc::new(segment), self.reads.bytes_max);
    }

    /// It brought an answer that is for its own client only. `log_moved`: what was read before is not to be
    /// relied on.
    pub(crate) fn fail(mut self, log_moved: bool) {
        self.is_over = true;
        self.reads.state.borrow_mut().fail(&self, log_moved);
    }
}

impl Flight {
    /// The flight has asked nothing, and has let others catch up until `now`; `in_vain`: for as long as it
    /// may.
    pub(crate) fn end_hold(self, in_vain: bool, now: Millis) {
        let mut state = self.reads.state.borrow_mut();
        if let Some(log) = state.logs.get_mut(&self.key).filter(|_| in_vain) {
            let ahead = log.holding.map_or(0, |(connection, ..)| connection);
            log.leave_behind(ahead, self.offset, now);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.is_over {
            self.reads.state.borrow_mut().end(self);
        }
    }
}

/// A connection waits for what others read.
pub(crate) struct Parked {
    reads: Rc<Reads>,
    connection: u32,
    keys: Vec<LogKey>,
}

impl Parked {
    /// Ends the wait: what came by, in the order of the wishes, and whether the connection had better read
    /// for itself.
    pub(crate) fn end(mut self) -> (Vec<News>, bool) {
        self.leave()
    }

    fn leave(&mut self) -> (Vec<News>, bool) {
        let keys = std::mem::take(&mut self.keys);
        if keys.is_empty() {
            return (vec![], false);
        }
        let state = &mut *self.reads.state.borrow_mut();
        state.parked -= 1;
        state.is_rung.remove(&self.connection);
        let is_alone = state.alone.remove(&self.connection);
        let mut news = Vec::with_capacity(keys.len());
        for key in keys {
            let waited = state.logs.get_mut(&key).and_then(|log| log.parked.remove(&self.connection));
            news.push(waited.map(|waiting| waiting.news).unwrap_or_default());
            state.unread.push(key);
        }
        (news, is_alone)
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.leave();
    }
}
