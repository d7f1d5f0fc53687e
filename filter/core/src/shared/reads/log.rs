//! One log: who reads it, who waits for what others read, and what was read of late.

use std::collections::BTreeMap;
use std::rc::Rc;

use kafka_protocol::messages::TopicName;

use super::segment::Segment;
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
    /// Leader epoch of the first batch that came by.
    pub(crate) first_epoch: i32,
    /// Leader epoch and timestamp (ms) of the last batch before `end`, if that is one.
    pub(crate) last_batch: Option<(i32, i64)>,
}

pub(super) struct Waiting {
    pub(super) offset: i64,
    pub(super) lanes: Rc<[Lane]>,
    /// When the client's request came.
    pub(super) since: Millis,
    pub(super) until: Millis,
    pub(super) news: News,
}

/// By which a question to the broker is known, and what it asks for.
pub(super) struct Ticket {
    pub(super) key: LogKey,
    pub(super) number: u64,
    pub(super) offset: i64,
}

/// What was asked of the broker.
pub(super) struct Asked {
    pub(super) number: u64,
    pub(super) connection: u32,
    pub(super) offset: i64,
    /// How many bytes the broker waits for.
    pub(super) min_bytes: i32,
    pub(super) overdue_at: Millis,
}

#[derive(Default)]
pub(super) struct Log {
    pub(super) flights: Vec<Asked>,
    /// By connection.
    pub(super) parked: BTreeMap<u32, Waiting>,
    /// By their starts.
    pub(super) segments: BTreeMap<i64, Rc<Segment>>,
    /// Connections that have read it of late.
    pub(super) readers: Vec<Reader>,
    pub(super) holding: Option<Holding>,
}

/// A connection lets others catch up.
pub(super) struct Holding {
    pub(super) connection: u32,
    pub(super) offset: i64,
    /// Of its flight.
    pub(super) number: u64,
    pub(super) since: Millis,
    /// For whom.
    pub(super) behind: Vec<u32>,
}

/// A connection that has read a log of late.
pub(super) struct Reader {
    /// When its last Fetch came, and what that asked for.
    pub(super) seen: Millis,
    pub(super) visit: Visit,
    /// Until when it has had its share of others' waiting for it.
    pub(super) charged_until: Millis,
}

/// What a Fetch asks a log for.
#[derive(Clone, Copy)]
pub(crate) struct Visit {
    pub(crate) connection: u32,
    pub(crate) at: i64,
    pub(crate) min_bytes: i32,
    pub(crate) max_wait_ms: i32,
}

pub(super) fn is_late(seen: Millis, now: Millis) -> bool {
    now.saturating_sub(seen) < limits::SHARED_READER_MS
}

pub(super) fn is_fresh(segment: &Segment, now: Millis) -> bool {
    now.saturating_sub(segment.asked) < limits::SHARED_MS_MAX
}

impl Reader {
    /// It is in the middle of reading.
    pub(super) fn is_active(&self, now: Millis) -> bool {
        now.saturating_sub(self.seen) < limits::SHARED_PACE_MS
    }
}

impl Log {
    pub(super) fn is_idle(&self, now: Millis) -> bool {
        let is_used = !self.flights.is_empty() || !self.parked.is_empty() || !self.segments.is_empty();
        !is_used && !self.readers.iter().any(|reader| is_late(reader.seen, now))
    }

    /// Another connection is in the middle of reading what lies before `offset`, and far behind. At the end
    /// of the log nobody is ahead: there it counts how soon something new is told.
    pub(super) fn is_ahead(&self, connection: u32, offset: i64, now: Millis) -> bool {
        let before = self.segments.range(..offset).next_back().map(|(_, segment)| segment);
        let goes_on = before.is_some_and(|before| before.end == offset && before.data.high_watermark > offset);
        goes_on && self.readers.iter().any(|reader| self.is_behind(reader, connection, offset, now))
    }

    pub(super) fn is_behind(&self, reader: &Reader, connection: u32, offset: i64, now: Millis) -> bool {
        let Visit { connection: other, at, .. } = reader.visit;
        let is_active = reader.is_active(now) && reader.charged_until <= now;
        let is_before = is_active && other != connection && !self.parked.contains_key(&other) && at < offset;
        is_before && self.bytes_between(at, offset) >= limits::SHARED_LEAD_BYTES
    }

    /// The connections that are behind, so that one which stands at `offset` might wait for them.
    pub(super) fn behind(&self, connection: u32, offset: i64, now: Millis) -> Vec<u32> {
        let behind = self.readers.iter().filter(|reader| self.is_behind(reader, connection, offset, now));
        behind.map(|reader| reader.visit.connection).collect()
    }

    /// Ends a hold: those who were waited for have had so much of their share.
    pub(super) fn charge(&mut self, holding: &Holding, now: Millis) {
        let cost = limits::SHARED_HOLD_COST.saturating_mul(now.saturating_sub(holding.since));
        let behind = |reader: &&mut Reader| holding.behind.contains(&reader.visit.connection);
        for reader in self.readers.iter_mut().filter(behind) {
            let saved = now.saturating_sub(limits::SHARED_HOLD_SAVED_MS);
            reader.charged_until = reader.charged_until.max(saved).saturating_add(cost);
        }
    }

    /// Bytes of what is kept from one offset to another; 0 where it does not begin there.
    pub(super) fn bytes_between(&self, from: i64, to: i64) -> usize {
        let first = self.segments.range(..=from).next_back();
        let Some((start, _)) = first.filter(|(_, segment)| segment.end > from) else { return 0 };
        self.segments.range(*start..to.max(*start)).map(|(_, segment)| segment.record_bytes()).sum()
    }

    /// Who waits at an offset where nobody reads any more.
    pub(super) fn forsaken(&self, offset: i64) -> Vec<u32> {
        let there = self.parked.iter().filter(|(_, waiting)| waiting.offset == offset && !self.is_read_at(offset));
        there.map(|(connection, _)| *connection).collect()
    }

    pub(super) fn is_read_at(&self, offset: i64) -> bool {
        self.flights.iter().any(|asked| asked.offset == offset)
    }
}
