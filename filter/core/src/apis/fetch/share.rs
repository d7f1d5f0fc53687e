//! One answer's record set, shared out among the siblings that it covers.

use std::ops::Range;

use bytes::Bytes;
use kafka_protocol::messages::fetch_response::PartitionData;

use super::place::Sibling;
use crate::batch::{self, Batches, Entry, Whose};
use crate::remapper::Lane;

/// Entries that a sibling is given.
struct Run {
    at: usize,
    range: Range<usize>,
    base_offset: i64,
}

/// What became of an answer's entries.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Batches that nobody wanted.
    pub(super) dropped: usize,
    /// The first entry belongs to this lane, which the mapping does not have. Whose it is would be a guess.
    pub(super) alien: Option<Lane>,
}

/// Gives each of the `covered` siblings its own entries from its cursor on, and moves the cursors behind what came, at
/// most up to an entry of a lane that the mapping does not have. A cut-off last batch is left for the next Fetch.
pub(super) fn out(
    siblings: &mut [Sibling],
    covered: &[usize],
    asked: i64,
    records: &Bytes,
    data: &PartitionData,
) -> Shared {
    let by_lane = ByLane::new(siblings, covered);
    let mut runs: Vec<Run> = vec![];
    let lanes = covered.iter().find_map(|at| siblings.get(*at)?.lane.as_ref()).map(|(remapper, _)| remapper.lanes());
    let mut shared = Shared { dropped: 0, alien: None };
    let mut end = asked;
    let mut last_batch = None;
    let mut ends: Vec<TransactionEnd> = vec![];
    for entry in Batches::new(records) {
        let next = entry.next_offset();
        let (range, base_offset, whose) = match entry {
            Entry::Batch { range, header } => {
                last_batch = Some((header.partition_leader_epoch, header.max_timestamp));
                if header.is_control() {
                    ends.push(TransactionEnd { producer_id: header.producer_id, offset: header.base_offset });
                }
                (range, header.base_offset, batch::lane(&header))
            }
            Entry::Old { range, last_offset } => (range, last_offset, Whose::Lane(Lane(0))),
        };
        if let (Whose::Lane(lane), Some(lanes)) = (whose, lanes) {
            if lane.0 >= lanes {
                shared.alien = (range.start == 0).then_some(lane);
                break;
            }
        }
        end = next;
        let before = runs.len();
        for at in by_lane.wanting(whose) {
            if let Some(sibling) = siblings.get_mut(at).filter(|sibling| end > sibling.cursor) {
                sibling.told = end;
                runs.push(Run { at, range: range.clone(), base_offset });
            }
        }
        shared.dropped += usize::from(runs.len() == before);
    }
    give(siblings, runs, records);
    for at in covered {
        if let Some(sibling) = siblings.get_mut(*at).filter(|sibling| sibling.told > sibling.cursor) {
            tell_aborted(sibling, &ends, data);
        }
    }
    for at in covered {
        if let Some(sibling) = siblings.get_mut(*at) {
            sibling.asked += 1;
            sibling.dry = end <= sibling.cursor;
            sibling.cursor = sibling.cursor.max(end);
            sibling.last_batch = last_batch.unwrap_or(sibling.last_batch);
        }
    }
    shared
}

fn give(siblings: &mut [Sibling], runs: Vec<Run>, records: &Bytes) {
    let runs = join(siblings, runs);
    let kept_bytes: usize = runs.iter().map(|run| run.range.len()).sum();
    // A frame of which little is kept is not held in memory for it.
    let copy = kept_bytes < records.len() / 4;
    for run in runs {
        let Some(sibling) = siblings.get_mut(run.at) else { continue };
        let entry = records.slice(run.range);
        let entry = if copy { Bytes::copy_from_slice(&entry) } else { entry };
        sibling.keep(&entry, run.base_offset);
    }
}

/// A transaction's marker.
struct TransactionEnd {
    producer_id: i64,
    offset: i64,
}

/// Tells a sibling of the aborted transactions that concern what it was given. One that ended before its cursor must not
/// be among them: the sibling does not get the marker, and would take the producer's next transaction for that one.
fn tell_aborted(sibling: &mut Sibling, ends: &[TransactionEnd], data: &PartitionData) {
    for aborted in data.aborted_transactions.iter().flatten() {
        let over = ends.iter().any(|end| {
            end.producer_id == aborted.producer_id.0 && (aborted.first_offset..sibling.cursor).contains(&end.offset)
        });
        if !over && !sibling.aborted.contains(aborted) {
            sibling.aborted.push(aborted.clone());
        }
    }
}

/// Neighbouring entries of a sibling become one run, where none has to be changed.
fn join(siblings: &[Sibling], mut runs: Vec<Run>) -> Vec<Run> {
    runs.sort_by_key(|run| run.at);
    let mut joined: Vec<Run> = Vec::with_capacity(runs.len());
    for run in runs {
        let verbatim = siblings.get(run.at).is_some_and(Sibling::is_verbatim);
        match joined.last_mut() {
            Some(last) if verbatim && last.at == run.at && last.range.end == run.range.start => {
                last.range.end = run.range.end
            }
            _ => joined.push(run),
        }
    }
    joined
}

/// The covered siblings, by lane.
struct ByLane<'a> {
    lanes: Vec<(Lane, usize)>,
    all: &'a [usize],
}

impl<'a> ByLane<'a> {
    fn new(siblings: &[Sibling], covered: &'a [usize]) -> Self {
        let lane = |at: &usize| Some((siblings.get(*at)?.lane.as_ref()?.1, *at));
        let mut lanes: Vec<(Lane, usize)> = covered.iter().filter_map(lane).collect();
        lanes.sort_unstable();
        Self { lanes, all: covered }
    }

    /// On a topic that is not mapped everything is everybody's.
    fn wanting(&self, whose: Whose) -> Vec<usize> {
        match whose {
            Whose::Lane(lane) if !self.lanes.is_empty() => {
                let from = self.lanes.partition_point(|(other, _)| *other < lane);
                let same = self.lanes.iter().skip(from).take_while(|(other, _)| *other == lane);
                same.map(|(_, at)| *at).collect()
            }
            _ => self.all.to_vec(),
        }
    }
}
