//! One answer's record set, shared out among the siblings that it covers.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use kafka_protocol::messages::fetch_response::PartitionData;

use super::sibling::Sibling;
use crate::remapper::{Lane, Layout};
use crate::shared::reads::{Item, Segment};
use crate::shared::skips::Mark;
use crate::wire::batch::{self, Batches, Whose};

/// What became of an answer's entries.
#[derive(Debug, Default)]
pub(super) struct Shares {
    /// Batches that nobody wanted.
    pub(super) dropped: usize,
    /// Those of them whose lane the mapping does not have, and the first such lane.
    pub(super) unknown: usize,
    pub(super) unknown_lane: Option<Lane>,
    /// The first entry belongs to this lane, which the mapping does not have, and whose the entry is would be
    /// a guess.
    pub(super) blocking_lane: Option<Lane>,
    /// Bytes that siblings were given.
    pub(super) kept_bytes: usize,
    /// A client has something to hear at once.
    pub(super) urgent: bool,
}

/// Gives each covered sibling its own entries from its cursor on, and moves the cursors behind what came: at
/// most up to an entry of a lane that would be a guess, and at most until about `room` bytes are given, since
/// control batches go to each sibling. A cut-off last batch is left for the next Fetch. `siblings`: in the
/// order of their lanes.
pub(super) fn share_out(
    siblings: &mut [Sibling],
    asked_offset: i64,
    records: &Bytes,
    data: &PartitionData,
    room: usize,
) -> Shares {
    let mut sharing = Sharing::new(siblings, asked_offset, room);
    sharing.share(Batches::new(records).map(Item::from).enumerate());
    sharing.finish(records, data)
}

/// As [`share_out`], of what another connection has read: only the siblings' own entries are looked at.
pub(super) fn share_segment(siblings: &mut [Sibling], segment: &Segment, room: usize) -> Shares {
    let lanes: Vec<Lane> = siblings.iter().filter_map(Sibling::lane).collect();
    let mut sharing = Sharing::new(siblings, segment.start, room);
    sharing.first_epoch = segment.first_epoch();
    let stopped_at = sharing.share(segment.items_for(&lanes));
    let last = match stopped_at {
        Some(at) => at.checked_sub(1).and_then(|before| segment.item(before)),
        None => segment.last(),
    };
    if let Some(last) = last {
        sharing.pass(last);
    }
    sharing.finish(&segment.records(), &segment.data)
}

/// The siblings whose cursor lies inside what came back.
fn covered(siblings: &[Sibling], asked_offset: i64, end: i64) -> Vec<usize> {
    let inside =
        |sibling: &Sibling| !sibling.is_final() && (asked_offset..=end.max(asked_offset)).contains(&sibling.cursor);
    siblings.iter().enumerate().filter(|(_, sibling)| inside(sibling)).map(|(at, _)| at).collect()
}

/// Entries that a sibling is given.
struct Run {
    at: usize,
    range: Range<usize>,
    base_offset: i64,
}

/// What is known while an answer's entries are gone through.
struct Sharing<'a> {
    siblings: &'a mut [Sibling],
    asked_offset: i64,
    room: usize,
    /// The mapping's number of lanes, and whether others can be nobody's here.
    lanes: Option<(u32, bool)>,
    /// Siblings that can be given something, by cursor; the first `reached` stand before the end of the entry
    /// that is looked at.
    by_cursor: Vec<usize>,
    reached: usize,
    runs: Vec<Run>,
    end: i64,
    last_entry: Option<Range<usize>>,
    last_batch: Option<(i32, i64)>,
    /// Of the first entry's batch.
    first_epoch: i32,
    aborts: Aborts,
    shares: Shares,
}

impl<'a> Sharing<'a> {
    fn new(siblings: &'a mut [Sibling], asked_offset: i64, room: usize) -> Self {
        let mut by_cursor = covered(siblings, asked_offset, i64::MAX);
        by_cursor.sort_by_key(|at| siblings.get(*at).map(|sibling| sibling.cursor));
        let mapping = siblings.first().and_then(|sibling| sibling.mapped()?.mapping());
        // Where V can grow and nothing moves, a higher lane is that of a partition which is not known here
        // yet.
        let lanes = mapping.map(|mapping| (mapping.lanes(), mapping.layout() == Layout::Modulo));
        Self {
            siblings,
            asked_offset,
            room,
            lanes,
            by_cursor,
            reached: 0,
            runs: vec![],
            end: asked_offset,
            last_entry: None,
            last_batch: None,
            first_epoch: -1,
            aborts: Aborts::default(),
            shares: Shares::default(),
        }
    }

    /// Gives entries to those who want them, each with its number. Gives the number of the first one that is
    /// not given, for want of room or because it would be a guess.
    fn share(&mut self, items: impl Iterator<Item = (usize, Item)>) -> Option<usize> {
        for (number, item) in items {
            if let Some(header) = item.header.filter(|_| number == 0) {
                self.first_epoch = header.partition_leader_epoch;
            }
            match (item.whose, self.lanes) {
                (Whose::Lane(lane), Some((lanes, true))) if lane.0 >= lanes => {
                    self.shares.unknown += 1;
                    self.shares.unknown_lane.get_or_insert(lane);
                }
                (Whose::Lane(lane), Some((lanes, false))) if lane.0 >= lanes => {
                    self.shares.blocking_lane = (item.range.start == 0).then_some(lane);
                    return Some(number);
                }
                _ => {}
            }
            self.reach(item.next);
            let given = self.wanting(item.whose, item.next);
            let bytes = given.len().saturating_mul(item.range.len());
            if self.shares.kept_bytes > 0 && self.shares.kept_bytes.saturating_add(bytes) > self.room {
                return Some(number);
            }
            self.shares.kept_bytes = self.shares.kept_bytes.saturating_add(bytes);
            self.shares.dropped += usize::from(given.is_empty());
            if let Some(header) = &item.header {
                self.aborts.note(header, &given);
            }
            for at in given {
                self.give(at, item.range.clone(), item.base_offset, item.next);
            }
            self.pass(&item);
        }
        None
    }

    /// All up to this entry is shared out.
    fn pass(&mut self, item: &Item) {
        if let Some(header) = &item.header {
            self.last_batch = Some((header.partition_leader_epoch, header.max_timestamp));
        }
        (self.end, self.last_entry) = (item.next, Some(item.range.clone()));
    }

    fn reach(&mut self, next: i64) {
        let stands_before = |at: &usize| self.siblings.get(*at).is_some_and(|sibling| sibling.cursor < next);
        while self.by_cursor.get(self.reached).is_some_and(stands_before) {
            self.reached += 1;
        }
    }

    /// Who is given an entry. On a topic that is not mapped everything is everybody's.
    fn wanting(&self, whose: Whose, next: i64) -> Vec<usize> {
        match (whose, self.lanes) {
            (Whose::Lane(lane), Some(_)) => {
                let wants =
                    |sibling: &Sibling| !sibling.is_final() && (self.asked_offset..next).contains(&sibling.cursor);
                let at = self.siblings.binary_search_by_key(&Some(lane), Sibling::lane).ok();
                at.filter(|at| self.siblings.get(*at).is_some_and(wants)).into_iter().collect()
            }
            _ => self.by_cursor.get(..self.reached).unwrap_or_default().to_vec(),
        }
    }

    /// Neighbouring entries of a sibling become one run, where none has to be changed.
    fn give(&mut self, at: usize, range: Range<usize>, base_offset: i64, next: i64) {
        let Some(sibling) = self.siblings.get_mut(at) else { return };
        sibling.position_after = next;
        match self.runs.last_mut() {
            Some(last) if last.at == at && last.range.end == range.start && sibling.is_verbatim() => {
                last.range.end = range.end;
            }
            _ => self.runs.push(Run { at, range, base_offset }),
        }
    }

    /// Gives the runs out, and moves the cursors.
    fn finish(self, records: &Bytes, data: &PartitionData) -> Shares {
        let Self { siblings, asked_offset, runs, end, last_entry, last_batch, first_epoch, aborts, shares, .. } = self;
        for run in runs {
            if let Some(sibling) = siblings.get_mut(run.at) {
                sibling.keep(&records.slice(run.range), run.base_offset);
            }
        }
        aborts.list(siblings, data);
        let mark = last_entry.and_then(|range| records.get(range)).map(Mark::of);
        for at in covered(siblings, asked_offset, end) {
            if let Some(sibling) = siblings.get_mut(at) {
                sibling.rounds_covered += 1;
                sibling.dry = end <= sibling.cursor;
                sibling.read_on(end, mark, first_epoch, last_batch);
            }
        }
        shares
    }
}

/// Transactions in an answer: their markers, and the batches in them that were given to somebody.
#[derive(Default)]
struct Aborts {
    /// Offsets of the markers by producer, in order, each with whom it was given to.
    markers: HashMap<i64, Vec<(i64, Vec<usize>)>>,
    /// Sibling, producer, offset.
    batches: Vec<(usize, i64, i64)>,
}

impl Aborts {
    fn note(&mut self, header: &batch::Header, given: &[usize]) {
        if header.is_control() {
            let markers = self.markers.entry(header.producer_id).or_default();
            markers.push((header.base_offset, given.to_vec()));
        } else if header.is_transactional() {
            self.batches.extend(given.iter().map(|at| (*at, header.producer_id, header.base_offset)));
        }
    }

    /// Lists the aborted transactions for the siblings that were given their marker or their batches, and for
    /// no others. A transaction whose marker lies before a sibling's cursor must not be listed: the client
    /// would take the producer's next transaction for it. Each is said to begin with the first entry of it
    /// that the sibling was given: if the log was cut between two rounds, its true beginning may lie before
    /// a marker of the other log, at which the client would forget it.
    fn list(self, siblings: &mut [Sibling], data: &PartitionData) {
        let Some(listed) = data.aborted_transactions.as_ref().filter(|listed| !listed.is_empty()) else { return };
        if let Some(sibling) = siblings.first_mut().filter(|sibling| sibling.mapped().is_none()) {
            listed.iter().for_each(|aborted| sibling.abort((aborted.first_offset, aborted.producer_id.0), i64::MIN));
            return;
        }
        // By producer: where each begins, and where its marker is, if that came.
        let mut aborted: HashMap<i64, Vec<(i64, Option<i64>)>> = HashMap::new();
        for transaction in listed {
            let (producer, first) = (transaction.producer_id.0, transaction.first_offset);
            let markers = self.markers.get(&producer).map(Vec::as_slice).unwrap_or_default();
            let marker = markers.get(markers.partition_point(|(offset, _)| *offset < first));
            for at in marker.iter().flat_map(|(_, given)| given) {
                let offset = marker.map_or(first, |(offset, _)| *offset);
                siblings.get_mut(*at).into_iter().for_each(|sibling| sibling.abort((first, producer), offset));
            }
            aborted.entry(producer).or_default().push((first, marker.map(|(offset, _)| *offset)));
        }
        aborted.values_mut().for_each(|transactions| transactions.sort_unstable());
        for (at, producer, offset) in self.batches {
            let transactions = aborted.get(&producer).map(Vec::as_slice).unwrap_or_default();
            let before = transactions.partition_point(|(first, _)| *first <= offset);
            let around = before.checked_sub(1).and_then(|at| transactions.get(at));
            if let Some((first, _)) = around.filter(|(_, marker)| marker.is_none_or(|marker| marker > offset)) {
                siblings.get_mut(at).into_iter().for_each(|sibling| sibling.abort((*first, producer), offset));
            }
        }
    }
}
