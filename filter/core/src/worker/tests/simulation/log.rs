//! A physical partition's log as Kafka keeps it, without disks and replicas: batches of all lanes,
//! transactions, leader epochs, and the offsets that say what consumers may see.

use std::rc::Rc;

use bytes::Bytes;

use crate::testing::batches::{batch_of, marker_of, plain};
use crate::wire::batch::Header;

/// Bits of a batch's attributes: it is of a transaction, and where its lane stands then.
const TRANSACTIONAL: i16 = 0x10;
const LANE_SHIFT: u32 = 8;
/// An idempotent batch has its lane above this bit of the producer id.
const PRODUCER_SHIFT: u32 = 40;

/// One batch.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) base: i64,
    pub(super) last: i64,
    /// None: a control batch.
    pub(super) lane: Option<u32>,
    producer: Option<i64>,
    pub(super) bytes: Bytes,
}

/// How a batch is produced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Idempotent(i64),
    Transactional(i64),
}

#[derive(Debug, Clone)]
struct Transaction {
    producer: i64,
    first: i64,
    /// Where its marker is, and whether that commits.
    end: Option<(i64, bool)>,
}

/// The log at one moment.
#[derive(Debug, Clone)]
pub(super) struct Log {
    /// How often a topic of this name was made before.
    pub(super) incarnation: u32,
    /// Those before `start` as well, of which nobody is told any more.
    pub(super) entries: Vec<Rc<Entry>>,
    transactions: Vec<Transaction>,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) high_watermark: i64,
    /// Leader epochs, and the offsets at which they begin.
    epochs: Vec<(i32, i64)>,
}

impl Log {
    pub(super) fn new(incarnation: u32) -> Self {
        Self {
            incarnation,
            entries: vec![],
            transactions: vec![],
            start: 0,
            end: 0,
            high_watermark: 0,
            epochs: vec![(0, 0)],
        }
    }

    pub(super) fn epoch(&self) -> i32 {
        self.epochs.last().unwrap().0
    }

    /// Another leader: its epoch begins at the end of the log.
    pub(super) fn raise_epoch(&mut self) {
        let (epoch, start) = *self.epochs.last().unwrap();
        if start == self.end {
            self.epochs.pop();
        }
        self.epochs.push((epoch + 1, self.end));
    }

    /// The last epoch that is not above `epoch`, and where it ends.
    pub(super) fn end_of_epoch(&self, epoch: i32) -> (i32, i64) {
        let above = self.epochs.iter().position(|(other, _)| *other > epoch).unwrap_or(self.epochs.len());
        let end = self.epochs.get(above).map_or(self.end, |(_, start)| *start);
        (above.checked_sub(1).map_or(-1, |at| self.epochs[at].0), end)
    }

    /// Where readers of committed records have to stop.
    pub(super) fn last_stable_offset(&self) -> i64 {
        let unstable =
            |transaction: &&Transaction| transaction.end.is_none_or(|(marker, _)| marker >= self.high_watermark);
        let first = self.transactions.iter().filter(unstable).map(|transaction| transaction.first).min();
        first.unwrap_or(self.high_watermark).clamp(self.start, self.high_watermark.max(self.start))
    }

    /// The offset before which a reader has to stop.
    pub(super) fn limit(&self, committed: bool) -> i64 {
        if committed {
            self.last_stable_offset()
        } else {
            self.high_watermark
        }
    }

    /// Producers with an open transaction.
    pub(super) fn open(&self) -> Vec<i64> {
        self.transactions.iter().filter(|open| open.end.is_none()).map(|open| open.producer).collect()
    }

    pub(super) fn is_aborted(&self, entry: &Entry) -> bool {
        let holds = |transaction: &Transaction| {
            let end = transaction.end.filter(|(_, commits)| !commits);
            Some(transaction.producer) == entry.producer
                && end.is_some_and(|(marker, _)| (transaction.first..marker).contains(&entry.base))
        };
        self.transactions.iter().any(holds)
    }

    /// Aborted transactions that a reader needs to know for what lies from `offset` on and before `end`:
    /// producer and first offset.
    pub(super) fn aborted(&self, offset: i64, end: i64) -> Vec<(i64, i64)> {
        let listed = |transaction: &&Transaction| {
            let end_of_it = transaction.end.filter(|(_, commits)| !commits);
            end_of_it.is_some_and(|(marker, _)| marker >= offset) && transaction.first < end
        };
        self.transactions.iter().filter(listed).map(|aborted| (aborted.producer, aborted.first)).collect()
    }

    /// `stamp`: another one for each batch, so that no two are alike.
    pub(super) fn append(&mut self, lane: u32, kind: Kind, values: &[&str], stamp: i64) {
        let tagged = i64::from(lane);
        let (producer_id, attributes) = match kind {
            Kind::Plain if lane == 0 => (-1, 0),
            Kind::Plain => (-2 - tagged, 0),
            Kind::Idempotent(producer) => (producer | tagged << PRODUCER_SHIFT, 0),
            Kind::Transactional(producer) => (producer, TRANSACTIONAL | (lane as i16) << LANE_SHIFT),
        };
        let numbers = if producer_id == -1 { (-1, -1) } else { (0, 0) };
        let header = Header { producer_id, attributes, producer_epoch: numbers.0, base_sequence: numbers.1, ..plain() };
        if let Kind::Transactional(producer) = kind {
            if !self.open().contains(&producer) {
                self.transactions.push(Transaction { producer, first: self.end, end: None });
            }
        }
        let bytes = batch_of(self.stamped(header, stamp), values);
        let producer = Some(producer_id).filter(|_| attributes != 0);
        self.push(Entry {
            base: self.end,
            last: self.end + values.len() as i64 - 1,
            lane: Some(lane),
            producer,
            bytes,
        });
    }

    pub(super) fn end_transaction(&mut self, producer: i64, commits: bool, stamp: i64) {
        let marker = self.end;
        let header = Header { producer_id: producer, producer_epoch: 0, ..plain() };
        let bytes = marker_of(self.stamped(header, stamp), commits);
        let open = |transaction: &&mut Transaction| transaction.producer == producer && transaction.end.is_none();
        if let Some(transaction) = self.transactions.iter_mut().find(open) {
            transaction.end = Some((marker, commits));
        }
        self.push(Entry { base: marker, last: marker, lane: None, producer: None, bytes });
    }

    fn stamped(&self, header: Header, stamp: i64) -> Header {
        let partition_leader_epoch = self.epoch();
        Header { base_offset: self.end, partition_leader_epoch, base_timestamp: stamp, max_timestamp: stamp, ..header }
    }

    fn push(&mut self, entry: Entry) {
        self.end = entry.last + 1;
        self.entries.push(Rc::new(entry));
    }

    /// An unclean election: the new leader has nothing from `end` on.
    pub(super) fn truncate(&mut self, end: i64) {
        self.entries.retain(|entry| entry.last < end);
        self.transactions.retain(|transaction| transaction.first < end);
        for transaction in &mut self.transactions {
            transaction.end = transaction.end.filter(|(marker, _)| *marker < end);
        }
        let (epoch, _) = *self.epochs.last().unwrap();
        self.epochs.retain(|(_, start)| *start < end);
        self.epochs.push((epoch + 1, end));
        (self.end, self.high_watermark) = (end, self.high_watermark.min(end));
    }

    /// Retention, or DeleteRecords.
    pub(super) fn delete_before(&mut self, start: i64) {
        self.start = start;
    }

    /// Offsets at which a batch begins, from `from` on, and the end.
    pub(super) fn borders(&self, from: i64) -> Vec<i64> {
        let bases = self.entries.iter().map(|entry| entry.base).chain([self.end]);
        bases.filter(|base| *base >= from).collect()
    }

    /// Whole batches from the one that holds `offset` on, all before `limit`. The one that reaches beyond
    /// `bytes_max` is cut off, unless it is the first: then it is whole (`whole_first`), or nothing comes.
    pub(super) fn read(&self, offset: i64, limit: i64, bytes_max: usize, whole_first: bool) -> Vec<u8> {
        let mut out = vec![];
        for entry in self.entries.iter().filter(|entry| entry.last >= offset && entry.last < limit) {
            if out.len() + entry.bytes.len() > bytes_max && !(whole_first && out.is_empty()) {
                if !out.is_empty() {
                    out.extend_from_slice(&entry.bytes[..bytes_max.saturating_sub(out.len())]);
                }
                break;
            }
            out.extend_from_slice(&entry.bytes);
        }
        out
    }
}
