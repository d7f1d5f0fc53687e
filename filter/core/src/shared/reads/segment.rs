//! What one Fetch brought of a log, as the broker sent it.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use bytes::Bytes;
use kafka_protocol::messages::fetch_response::{AbortedTransaction, PartitionData};

use crate::limits;
use crate::remapper::Lane;
use crate::shared::skips::Mark;
use crate::time::Millis;
use crate::wire::batch::{self, Batches, Entry, Header, Whose};

/// An entry of a record set, and where it lies in it.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) range: Range<usize>,
    pub(crate) base_offset: i64,
    /// Where a consumer stands that has read it.
    pub(crate) next: i64,
    pub(crate) whose: Whose,
    /// None: a message from before batches.
    pub(crate) header: Option<Header>,
}

impl From<Entry> for Item {
    fn from(entry: Entry) -> Self {
        let next = entry.next_offset();
        let (range, base_offset, header) = match entry {
            Entry::Batch { range, header } => (range, header.base_offset, Some(header)),
            Entry::Old { range, last_offset } => (range, last_offset, None),
        };
        let whose = header.as_ref().map_or(Whose::Lane(Lane(0)), batch::lane);
        Self { range, base_offset, next, whose, header }
    }
}

/// A lane's entries in a segment.
#[derive(Default)]
struct Own {
    bytes: usize,
    /// Which ones, in order.
    at: Vec<usize>,
}

/// All that lies in a log from `start` on and before `end`, as it was at one moment.
pub(crate) struct Segment {
    /// The offset that was asked for.
    pub(crate) start: i64,
    /// Behind the last whole entry.
    pub(crate) end: i64,
    /// Of the last whole entry.
    pub(crate) mark: Mark,
    /// What the broker said of the log, with the whole entries that it sent.
    pub(crate) data: PartitionData,
    /// When the broker was asked for it: it is what the log was then, or became since.
    pub(crate) asked: Millis,
    /// When the answer was here.
    landed: Millis,
    items: Vec<Item>,
    lanes: HashMap<Lane, Own>,
    /// For every lane: the ends of transactions.
    for_all: Own,
}

impl Segment {
    /// What a Fetch from `start` on brought. None: not one whole entry that lies behind `start`.
    pub(crate) fn new(start: i64, mut data: PartitionData, asked: Millis, landed: Millis) -> Option<Self> {
        let records = data.records.take()?;
        let items: Vec<Item> = Batches::new(&records).map(Item::from).collect();
        let last = items.last().filter(|last| last.next > start)?;
        let (end, mark) = (last.next, Mark::of(records.get(last.range.clone())?));
        data.records = Some(records.slice(..last.range.end));
        let (mut lanes, mut for_all): (HashMap<Lane, Own>, Own) = Default::default();
        for (at, item) in items.iter().enumerate() {
            let own = match item.whose {
                Whose::Lane(lane) => lanes.entry(lane).or_default(),
                Whose::EverySibling => &mut for_all,
            };
            own.bytes += item.range.len();
            own.at.push(at);
        }
        Some(Self { start, end, mark, data, asked, landed, items, lanes, for_all })
    }

    /// What it holds is no older than a request that came at `since`, or by so little that the log is the
    /// same one.
    pub(crate) fn is_new_to(&self, since: Millis) -> bool {
        since <= self.asked.saturating_add(limits::SHARED_FRESH_MS)
    }

    /// What lies before this, and was read as `before`, was read of the same log: no other leader has been
    /// there since, which a log is cut for, and there was no time to make the topic again.
    pub(crate) fn follows(&self, before: &Self) -> bool {
        let is_near = self.landed <= before.asked.saturating_add(limits::SHARED_FRESH_MS);
        is_near && before.last_epoch() == self.first_epoch()
    }

    /// Bytes that it takes in memory, more or less.
    pub(crate) fn bytes(&self) -> usize {
        let index = std::mem::size_of::<Item>() + std::mem::size_of::<usize>();
        std::mem::size_of::<Self>() + self.record_bytes() + self.items.len() * index
    }

    /// Bytes of the record set.
    pub(crate) fn record_bytes(&self) -> usize {
        self.last().map_or(0, |last| last.range.end)
    }

    /// The record set.
    pub(crate) fn records(&self) -> Bytes {
        self.data.records.clone().unwrap_or_default()
    }

    /// Whether readers of these lanes have anything to hear of it.
    pub(crate) fn concerns(&self, lanes: &[Lane]) -> bool {
        !self.for_all.at.is_empty() || lanes.iter().any(|lane| self.lanes.contains_key(lane))
    }

    /// Bytes of the entries that readers of these lanes are given.
    pub(crate) fn bytes_for(&self, lanes: &[Lane]) -> usize {
        let own = lanes.iter().filter_map(|lane| self.lanes.get(lane)).map(|own| own.bytes);
        self.for_all.bytes + own.sum::<usize>()
    }

    /// What the broker says of transactions now, `told` beside the last entry, is what it said when this was
    /// read: of those that go on behind it, an unclean election may have cut the end, and then another one
    /// was written. `None` is an empty list.
    pub(crate) fn has_same_ends(&self, told: Option<&[AbortedTransaction]>) -> bool {
        let key = |aborted: &AbortedTransaction| (aborted.producer_id.0, aborted.first_offset);
        let here: HashSet<(i64, i64)> = self.data.aborted_transactions.iter().flatten().map(key).collect();
        let told: HashSet<(i64, i64)> = told.unwrap_or_default().iter().map(key).collect();
        // By producer, where the last end is that came with this.
        let mut ends: HashMap<i64, i64> = HashMap::new();
        for header in self.for_all.at.iter().filter_map(|at| self.items.get(*at)?.header) {
            ends.insert(header.producer_id, header.base_offset);
        }
        let goes_on = |(producer, first): &&(i64, i64)| ends.get(producer).is_none_or(|end| end < first);
        let began = told.iter().filter(|(_, first)| *first < self.end);
        began.clone().all(|aborted| here.contains(aborted)) && here.iter().filter(goes_on).all(|it| told.contains(it))
    }

    /// A lane that is in it and not among the first `lanes`.
    pub(crate) fn foreign_lane(&self, lanes: u32) -> Option<Lane> {
        self.lanes.keys().copied().find(|lane| lane.0 >= lanes)
    }

    /// The entries that readers of these lanes are given, with their numbers, in order.
    pub(crate) fn items_for(&self, lanes: &[Lane]) -> impl Iterator<Item = (usize, Item)> + '_ {
        let own = lanes.iter().filter_map(|lane| self.lanes.get(lane)).chain([&self.for_all]);
        let mut at: Vec<usize> = own.flat_map(|own| own.at.iter().copied()).collect();
        at.sort_unstable();
        at.into_iter().filter_map(|at| Some((at, self.items.get(at)?.clone())))
    }

    /// Leader epoch of the first entry's batch; -1: it is from before batches.
    pub(crate) fn first_epoch(&self) -> i32 {
        self.item(0).and_then(|first| first.header).map_or(-1, |header| header.partition_leader_epoch)
    }

    /// As [`Self::first_epoch`], of the last entry.
    pub(crate) fn last_epoch(&self) -> i32 {
        self.last().and_then(|last| last.header).map_or(-1, |header| header.partition_leader_epoch)
    }

    /// The entry of this number.
    pub(crate) fn item(&self, at: usize) -> Option<&Item> {
        self.items.get(at)
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Option<&Item> {
        self.items.last()
    }
}
