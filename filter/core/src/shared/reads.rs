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

mod log;
mod segment;
mod state;

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use kafka_protocol::messages::TopicName;

pub(crate) use self::log::{LogKey, News, Passed, Visit, Wish};
pub(crate) use self::segment::{Item, Segment};

use self::log::{is_fresh, is_late, Asked, Holding, Reader, Ticket, Waiting};
use self::state::State;
use crate::limits;
use crate::time::Millis;

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

    /// A connection reads a log. Gives how many have done so of late, this one included; 0 where so many logs
    /// are read that this one is not looked after.
    pub(crate) fn visit(&self, key: &LogKey, visit: Visit, now: Millis) -> usize {
        let state = &mut *self.state.borrow_mut();
        if !state.logs.contains_key(key) && state.logs.len() >= limits::SHARED_LOGS_MAX {
            return 0;
        }
        let log = state.logs.entry(key.clone()).or_default();
        let known = log.readers.iter().find(|reader| reader.visit.connection == visit.connection);
        let charged_until = known.map_or(0, |reader| reader.charged_until);
        log.readers.retain(|reader| reader.visit.connection != visit.connection && is_late(reader.seen, now));
        if log.readers.len() < limits::SHARED_READERS_MAX {
            log.readers.push(Reader { seen: now, visit, charged_until });
        }
        let readers = log.readers.len();
        let holding = log.holding.as_ref().map(|holding| (holding.connection, holding.offset));
        if let Some((ahead, _)) = holding.filter(|(ahead, offset)| !log.is_ahead(*ahead, *offset, now)) {
            state.ring(ahead, false);
        }
        readers
    }

    /// How many read what lies from `offset` on, at this moment.
    pub(crate) fn companions(&self, key: &LogKey, offset: i64, now: Millis) -> usize {
        let state = self.state.borrow();
        let is_there = |reader: &&Reader| reader.is_active(now) && reader.visit.at <= offset;
        state.logs.get(key).map_or(1, |log| log.readers.iter().filter(is_there).count().max(1))
    }

    /// The least bytes for which a reader of the log waits, and the least milliseconds.
    pub(crate) fn patience(&self, key: &LogKey) -> Option<(i32, i32)> {
        let state = self.state.borrow();
        let readers = || state.logs.get(key).into_iter().flat_map(|log| log.readers.iter().map(|reader| reader.visit));
        let bytes = readers().map(|visit| visit.min_bytes).min()?;
        Some((bytes, readers().map(|visit| visit.max_wait_ms).min()?))
    }

    /// The connection's answers come late for `ms` from now on: for so long others do not wait for them, but
    /// for no more than [`limits::SHARED_SLOW_MS`].
    pub(crate) fn mute(&self, connection: u32, ms: Millis, now: Millis) {
        let until = now.saturating_add(ms.min(limits::SHARED_SLOW_MS));
        self.state.borrow_mut().slow.insert(connection, until);
    }

    /// A connection that would read on at `offset` had better wait a moment: others are not far behind, and
    /// what they will want is still here.
    pub(crate) fn is_ahead(&self, key: &LogKey, connection: u32, offset: i64, now: Millis) -> bool {
        let state = self.state.borrow();
        let log = state.logs.get(key);
        log.is_some_and(|log| log.holding.is_none() && log.is_ahead(connection, offset, now))
    }

    /// The connection lets others catch up, from `since` until `until` at most; others wait for it meanwhile.
    pub(crate) fn hold(self: &Rc<Self>, key: &LogKey, connection: u32, offset: i64, times: (Millis, Millis)) -> Flight {
        let (since, until) = times;
        let overdue_at = until.saturating_add(limits::SHARED_GRACE_MS);
        let flight = self.begin(key, connection, offset, 0, (since, overdue_at));
        if let Some(log) = self.state.borrow_mut().logs.get_mut(key) {
            let behind = log.behind(connection, offset, since);
            log.holding = Some(Holding { connection, offset, number: flight.ticket.number, since, behind });
        }
        flight
    }

    /// A connection asks the broker for what lies from `offset` on, at least `min_bytes`, now, and its answer
    /// must be there at `overdue_at`, or others do not wait for it any longer: `times` is both.
    pub(crate) fn begin(
        self: &Rc<Self>,
        key: &LogKey,
        connection: u32,
        offset: i64,
        min_bytes: i32,
        times: (Millis, Millis),
    ) -> Flight {
        let state = &mut *self.state.borrow_mut();
        let (asked_at, overdue_at) = times;
        state.flights += 1;
        let number = state.flights;
        if let Some(log) = state.logs.get_mut(key) {
            log.flights.push(Asked { number, connection, offset, min_bytes, overdue_at });
        }
        let ticket = Ticket { key: key.clone(), number, offset };
        Flight { reads: Rc::clone(self), ticket, asked_at, is_over: false }
    }

    /// Somebody is asking the broker for what lies from `offset` on, and for no more than `min_bytes` at
    /// least; and its answers come in time.
    pub(crate) fn is_read_at(&self, key: &LogKey, offset: i64, min_bytes: i32, now: Millis) -> bool {
        let state = self.state.borrow();
        let is_there = |asked: &Asked| {
            let is_it = asked.offset == offset && asked.min_bytes <= min_bytes.max(1);
            let is_slow = state.slow.get(&asked.connection).is_some_and(|until| now < *until);
            is_it && now < asked.overdue_at && !is_slow
        };
        state.logs.get(key).is_some_and(|log| log.flights.iter().any(is_there))
    }

    /// Whether more than one connection reads the log.
    pub(crate) fn is_shared(&self, key: &LogKey) -> bool {
        let state = self.state.borrow();
        state.logs.get(key).is_some_and(|log| log.readers.len() > 1 || !log.parked.is_empty())
    }

    /// The connection waits for what others read, until `until` at most, for the sake of a request that came
    /// at `since`. None: too many wait.
    pub(crate) fn park(
        self: &Rc<Self>,
        connection: u32,
        since: Millis,
        until: Millis,
        wishes: Vec<Wish>,
    ) -> Option<Parked> {
        let state = &mut *self.state.borrow_mut();
        if state.parked >= limits::SHARED_PARKED_MAX {
            return None;
        }
        state.parked += 1;
        let mut keys = Vec::with_capacity(wishes.len());
        for Wish { key, offset, lanes } in wishes {
            if let Some(log) = state.logs.get_mut(&key) {
                log.parked.insert(connection, Waiting { offset, lanes, since, until, news: News::default() });
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

    /// What was read of a log may be of another one.
    pub(crate) fn forget(&self, key: &LogKey) {
        if let Some(log) = self.state.borrow_mut().logs.get_mut(key) {
            log.segments.clear();
        }
    }

    /// As [`Self::forget`], for all logs of the topics.
    pub(crate) fn forget_topics(&self, topics: &HashSet<TopicName>) {
        let logs = &mut self.state.borrow_mut().logs;
        logs.iter_mut().filter(|(key, _)| topics.contains(&key.topic)).for_each(|(_, log)| log.segments.clear());
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
                state.slow.insert(asked.connection, now.saturating_add(limits::SHARED_SLOW_MS));
                due.extend(log.forsaken(asked.offset).into_iter().map(|connection| (connection, true)));
            }
            let over = log.parked.iter().filter(|(_, waiting)| waiting.until <= now);
            due.extend(over.map(|(connection, _)| (*connection, false)));
        }
        due.into_iter().for_each(|(connection, is_alone)| state.ring(connection, is_alone));
        while state.stored.front().is_some_and(|(_, oldest)| is_tight || !is_fresh(oldest, now)) {
            state.drop_oldest();
        }
        state.slow.retain(|_, until| *until > now);
        state.logs.retain(|_, log| !log.is_idle(now));
    }

    /// [`Self::tick`] has something to do before long.
    pub(crate) fn has_work(&self) -> bool {
        let state = self.state.borrow();
        state.parked > 0 || !state.stored.is_empty() || !state.is_rung.is_empty()
    }

    /// Bytes that are kept.
    pub(crate) fn stored_bytes(&self) -> usize {
        self.state.borrow().stored_bytes
    }
}

/// A question to the broker for what lies from an offset on. Dropped before its answer: others ask.
pub(crate) struct Flight {
    reads: Rc<Reads>,
    ticket: Ticket,
    asked_at: Millis,
    is_over: bool,
}

impl Flight {
    /// When the broker was asked.
    pub(crate) fn asked_at(&self) -> Millis {
        self.asked_at
    }

    /// What it brought, for all.
    pub(crate) fn land(mut self, segment: Segment) {
        self.is_over = true;
        let mut state = self.reads.state.borrow_mut();
        state.land(&self.ticket, Rc::new(segment), self.reads.bytes_max);
    }

    /// It brought an answer that is for its own client only. `log_moved`: what was read before is not to be
    /// relied on.
    pub(crate) fn fail(mut self, log_moved: bool) {
        self.is_over = true;
        self.reads.state.borrow_mut().fail(&self.ticket, log_moved);
    }
}

impl Flight {
    /// The flight has asked nothing, and has let others catch up until `now`.
    pub(crate) fn end_hold(self, now: Millis) {
        let mut state = self.reads.state.borrow_mut();
        let Some(log) = state.logs.get_mut(&self.ticket.key) else { return };
        if let Some(holding) = log.holding.take_if(|holding| holding.number == self.ticket.number) {
            log.charge(&holding, now);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.is_over {
            self.reads.state.borrow_mut().end(&self.ticket);
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
            state.unread.insert(key);
        }
        (news, is_alone)
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests;
