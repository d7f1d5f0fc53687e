//! All logs of a worker, what is kept of them, and which connections have to go on.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::rc::Rc;

use super::log::{Log, LogKey, Passed, Ticket};
use super::segment::Segment;
use crate::time::Millis;

#[derive(Default)]
pub(super) struct State {
    pub(super) logs: HashMap<LogKey, Log>,
    /// What the store holds, oldest first.
    pub(super) stored: VecDeque<(LogKey, Rc<Segment>)>,
    pub(super) stored_bytes: usize,
    pub(super) flights: u64,
    pub(super) parked: usize,
    /// Connections that have to go on, in order; those that are out of the set are through.
    pub(super) rung: VecDeque<u32>,
    pub(super) is_rung: HashSet<u32>,
    /// Of those, the ones that had better read for themselves.
    pub(super) alone: HashSet<u32>,
    /// Logs in which somebody may wait whom nobody reads for.
    pub(super) unread: HashSet<LogKey>,
    /// Connections whose answers come late, and until when others do not wait for them.
    pub(super) slow: HashMap<u32, Millis>,
}

impl State {
    pub(super) fn ring(&mut self, connection: u32, is_alone: bool) {
        if self.is_rung.insert(connection) {
            self.rung.push_back(connection);
        }
        if is_alone {
            self.alone.insert(connection);
        }
    }

    /// Where nobody reads for those who wait at an offset, the one that waits longest reads for all of them.
    pub(super) fn hand_on(&mut self) {
        for key in std::mem::take(&mut self.unread) {
            let Some(log) = self.logs.get(&key) else { continue };
            let mut longest: BTreeMap<i64, (bool, Millis, u32)> = BTreeMap::new();
            for (connection, waiting) in &log.parked {
                let candidate = (!self.slow.contains_key(connection), waiting.until, *connection);
                let best = longest.entry(waiting.offset).or_insert(candidate);
                *best = candidate.max(*best);
            }
            longest.retain(|offset, _| !log.is_read_at(*offset));
            longest.into_values().for_each(|(.., connection)| self.ring(connection, false));
        }
    }

    pub(super) fn drop_oldest(&mut self) {
        let Some((key, segment)) = self.stored.pop_front() else { return };
        self.stored_bytes -= segment.bytes();
        let Some(log) = self.logs.get_mut(&key) else { return };
        if log.segments.get(&segment.start).is_some_and(|held| Rc::ptr_eq(held, &segment)) {
            log.segments.remove(&segment.start);
        }
    }

    /// Ends a flight; gives its log.
    pub(super) fn end(&mut self, ticket: &Ticket) -> Option<&mut Log> {
        self.unread.insert(ticket.key.clone());
        let log = self.logs.get_mut(&ticket.key)?;
        log.flights.retain(|asked| asked.number != ticket.number);
        log.holding.take_if(|holding| holding.number == ticket.number);
        Some(log)
    }

    /// Takes what a flight brought: gives it to those who wait there, and keeps it.
    pub(super) fn land(&mut self, ticket: &Ticket, segment: Rc<Segment>, bytes_max: usize) {
        let Some(log) = self.end(ticket) else { return };
        let last = segment.last().and_then(|last| last.header);
        let last_batch = last.map(|header| (header.partition_leader_epoch, header.max_timestamp));
        let (mut rung, mut doubtful) = (vec![], vec![]);
        for (connection, waiting) in log.parked.iter_mut().filter(|(_, waiting)| waiting.offset == segment.start) {
            if !segment.is_new_to(waiting.since) {
                // The broker may have said this before the request came: it has to be asked.
                rung.push(*connection);
            } else if segment.concerns(&waiting.lanes) {
                waiting.news.found.get_or_insert_with(|| Rc::clone(&segment));
                rung.push(*connection);
            } else if waiting.news.found.is_none() {
                let passed = waiting.news.passed.map_or(segment.first_epoch(), |passed| passed.first_epoch);
                let seen_last = waiting.news.passed.and_then(|passed| Some(passed.last_batch?.0));
                if seen_last.is_some_and(|epoch| epoch != segment.first_epoch()) {
                    // The log may have been cut in between.
                    doubtful.push(*connection);
                }
                waiting.offset = segment.end;
                let (end, mark) = (segment.end, segment.mark);
                waiting.news.passed = Some(Passed { end, mark, first_epoch: passed, last_batch });
            }
        }
        let high_watermark = segment.data.high_watermark;
        log.segments.retain(|_, held| held.end <= high_watermark);
        log.segments.insert(segment.start, Rc::clone(&segment));
        self.stored_bytes += segment.bytes();
        self.stored.push_back((ticket.key.clone(), segment));
        while self.stored_bytes > bytes_max {
            self.drop_oldest();
        }
        rung.into_iter().for_each(|connection| self.ring(connection, false));
        doubtful.into_iter().for_each(|connection| self.ring(connection, true));
    }

    /// What a flight was for cannot be had in common: who waits there, and for nobody else, reads for itself.
    pub(super) fn fail(&mut self, ticket: &Ticket, log_moved: bool) {
        let Some(log) = self.end(ticket) else { return };
        if log_moved {
            log.segments.clear();
        }
        let there = log.forsaken(ticket.offset);
        there.into_iter().for_each(|connection| self.ring(connection, true));
    }
}
