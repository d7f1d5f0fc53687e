//! The siblings of one physical partition, in the order of their lanes: what the broker is asked for them,
//! and how an answer serves all of them. Of a topic that is not mapped they are one.

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::ResponseError;

use super::share::{share_out, Shares};
use super::sibling::Sibling;
use super::status::PartitionStatus;
use crate::remapper::{Lane, PhysicalPartition};
use crate::shared::reads::Passed;
use crate::shared::skips::{Mark, Skip, Skips};
use crate::time::Millis;
use crate::wire::batch::{Batches, Entry};

fn live(siblings: &[Sibling]) -> impl Iterator<Item = &Sibling> {
    siblings.iter().filter(|sibling| !sibling.is_final())
}

fn live_mut(siblings: &mut [Sibling]) -> impl Iterator<Item = &mut Sibling> {
    siblings.iter_mut().filter(|sibling| !sibling.is_final())
}

/// The next question: for the sibling that was covered least, starting with another sibling at every Fetch
/// (`turn`). None: all siblings are final.
pub(super) fn next_read(siblings: &[Sibling], partition: PhysicalPartition, turn: usize) -> Option<FetchPartition> {
    let mut cursors: Vec<i64> = live(siblings).map(|sibling| sibling.cursor).collect();
    cursors.sort_unstable();
    cursors.dedup();
    let first = turn.checked_rem(cursors.len())?;
    let rank = |cursor: i64| {
        let at = cursors.binary_search(&cursor).unwrap_or(0);
        (at + cursors.len() - first) % cursors.len()
    };
    let next = live(siblings).min_by_key(|sibling| (sibling.rounds_covered, rank(sibling.cursor)))?;
    let max_bytes = live(siblings).map(|sibling| sibling.partition_max_bytes).max();
    let last_fetched_epoch = if next.cursor == next.position { next.last_fetched_epoch } else { -1 };
    let question = question(next, partition, next.cursor).with_last_fetched_epoch(last_fetched_epoch);
    Some(question.with_partition_max_bytes(max_bytes.unwrap_or(0)))
}

fn question(sibling: &Sibling, partition: PhysicalPartition, offset: i64) -> FetchPartition {
    FetchPartition::default()
        .with_partition(partition.0)
        .with_current_leader_epoch(sibling.leader_epoch)
        .with_fetch_offset(offset)
        .with_log_start_offset(sibling.log_start_offset)
}

/// Whether the broker may wait for data: siblings all stand at one position, or nothing comes at any of
/// theirs.
pub(super) fn may_wait(siblings: &[Sibling]) -> bool {
    let mut cursors = live(siblings).map(|sibling| sibling.cursor);
    let first = cursors.next();
    cursors.all(|cursor| Some(cursor) == first) || live(siblings).all(|sibling| sibling.dry)
}

/// Shares out the answer to [`next_read`], which asked at `asked_offset`. Siblings are given about `room`
/// bytes at most.
pub(super) fn take(
    siblings: &mut [Sibling],
    asked_offset: i64,
    mut data: PartitionData,
    room: usize,
    skips: &Skips,
) -> Shares {
    let records = data.records.take().unwrap_or_default();
    let status = PartitionStatus::of(&data);
    if status.error_code != 0 {
        return fail(siblings, asked_offset, status, skips);
    }
    if status.redirects() {
        return finish(siblings, |sibling| sibling.cursor == asked_offset, status);
    }
    let shares = share_out(siblings, asked_offset, &records, &data, room);
    if shares.blocking_lane.is_some() {
        let refused = status.with_error(ResponseError::UnknownServerError);
        finish(siblings, |sibling| sibling.cursor == asked_offset, refused);
        return shares;
    }
    live_mut(siblings).for_each(|sibling| sibling.status = status);
    shares
}

/// Where the siblings stand, if all of them stand at one place.
pub(super) fn one_cursor(siblings: &[Sibling]) -> Option<i64> {
    let mut cursors = live(siblings).map(|sibling| sibling.cursor);
    let first = cursors.next()?;
    cursors.all(|cursor| cursor == first).then_some(first)
}

/// Where the first of the siblings stands. None: nothing is asked for any of them.
pub(super) fn first_cursor(siblings: &[Sibling]) -> Option<i64> {
    live(siblings).map(|sibling| sibling.cursor).min()
}

/// The lanes that are read.
pub(super) fn lanes(siblings: &[Sibling]) -> Vec<Lane> {
    live(siblings).filter_map(Sibling::lane).collect()
}

/// Most bytes of records that the client wants of the physical partition in one answer.
pub(super) fn bytes_max(siblings: &[Sibling]) -> usize {
    let wanted = live(siblings).map(|sibling| usize::try_from(sibling.partition_max_bytes).unwrap_or(0));
    wanted.fold(0, usize::saturating_add)
}

/// Another connection has read on, and nothing of the siblings' lanes came.
pub(super) fn pass(siblings: &mut [Sibling], passed: &Passed) {
    for sibling in live_mut(siblings).filter(|sibling| sibling.cursor < passed.end) {
        sibling.dry = true;
        sibling.read_on(passed.end, Some(passed.mark), passed.first_epoch, passed.last_batch);
    }
}

/// What the broker says to the question whether clients may have what other connections have read.
pub(super) enum Verdict {
    /// They may.
    Yes,
    /// That is not the log that was read, or not all of it may be shown yet, or any more.
    No,
    /// The question itself has settled what they are told.
    Told(Shares),
}

/// Hears the answer to a question at `asked_offset` whether the siblings may have all that lies before `end`.
/// `is_committed`: they are shown nothing before its transaction is through.
pub(super) fn hear(
    siblings: &mut [Sibling],
    data: &PartitionData,
    asked_offset: i64,
    end: i64,
    is_committed: bool,
    skips: &Skips,
) -> Verdict {
    let status = PartitionStatus::of(data);
    if status.error_code == ResponseError::OffsetOutOfRange.code() {
        return Verdict::No;
    }
    if status.error_code != 0 {
        return Verdict::Told(fail(siblings, asked_offset, status, skips));
    }
    if status.redirects() {
        return Verdict::Told(finish(siblings, |_| true, status));
    }
    let shown = if is_committed { data.last_stable_offset } else { data.high_watermark };
    if shown < end || first_cursor(siblings).is_none_or(|first| first < data.log_start_offset) {
        return Verdict::No;
    }
    live_mut(siblings).for_each(|sibling| sibling.status = status);
    Verdict::Yes
}

/// Ends the part of some siblings, `whom`, in this Fetch.
fn finish(siblings: &mut [Sibling], whom: impl Fn(&Sibling) -> bool, status: PartitionStatus) -> Shares {
    let mut urgent = false;
    for sibling in live_mut(siblings).filter(|sibling| whom(sibling)) {
        sibling.fail(status);
        // A broker answers at once; without a mapping that is left as it is.
        urgent |= !status.lasts() || sibling.mapped().is_none();
    }
    Shares { urgent, ..Shares::default() }
}

/// An offset out of range concerns those who stand there; behind a skip the error means that the log was cut,
/// so what was remembered is forgotten. Any other error concerns the whole physical partition.
fn fail(siblings: &mut [Sibling], asked_offset: i64, status: PartitionStatus, skips: &Skips) -> Shares {
    if status.error_code == ResponseError::UnknownTopicOrPartition.code() {
        siblings.iter().filter_map(Sibling::key).for_each(|key| skips.forget_all(&key));
    }
    if status.error_code != ResponseError::OffsetOutOfRange.code() {
        return finish(siblings, |_| true, status);
    }
    let mut urgent = false;
    for sibling in siblings.iter_mut().filter(|sibling| sibling.cursor == asked_offset) {
        if sibling.skip.is_some() && !sibling.proven {
            sibling.forget_skip(skips);
        } else if sibling.position_after < sibling.cursor {
            (sibling.cursor, sibling.dry) = (sibling.position_after, false);
        } else if !sibling.is_final() {
            sibling.fail(status);
            urgent = true;
        }
    }
    Shares { urgent, ..Shares::default() }
}

/// The question for the entry that a skip ends with, no longer than that entry; and the skip. None: no skip
/// has to be proven.
pub(super) fn next_proof(
    siblings: &[Sibling],
    partition: PhysicalPartition,
    turn: usize,
    filler: bool,
    now: Millis,
) -> Option<(FetchPartition, Skip)> {
    let first = turn.checked_rem(siblings.len())?;
    let mut rotated = siblings.iter().cycle().skip(first).take(siblings.len());
    let unproven = rotated.find(|sibling| sibling.needs_proof(filler, now))?;
    let skip = unproven.skip?;
    let question = question(unproven, partition, skip.end.saturating_sub(1)).with_last_fetched_epoch(-1);
    Some((question.with_partition_max_bytes(i32::try_from(skip.mark.bytes).unwrap_or(i32::MAX)), skip))
}

/// Takes the answer to [`next_proof`], for all siblings who came by the same skip.
pub(super) fn check_proof(siblings: &mut [Sibling], skip: &Skip, data: &PartitionData, now: Millis, skips: &Skips) {
    let records = data.records.clone().unwrap_or_default();
    let is_there = data.error_code == 0 && first_mark(&records) == Some(skip.mark);
    for sibling in siblings {
        let Some(own) = sibling.skip.filter(|own| (own.end, own.mark) == (skip.end, skip.mark)) else { continue };
        if is_there {
            sibling.proven = true;
            sibling.skip = Some(Skip { seen: now, ..own });
            if !sibling.is_final() {
                // Where no round of records came to the sibling, this is all that the broker has said.
                sibling.status = PartitionStatus::of(data);
            }
        } else {
            sibling.forget_skip(skips);
        }
    }
}

pub(super) fn first_mark(records: &Bytes) -> Option<Mark> {
    let (Entry::Batch { range, .. } | Entry::Old { range, .. }) = Batches::new(records).next()?;
    records.get(range).map(Mark::of)
}
