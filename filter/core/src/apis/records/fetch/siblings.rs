//! A physical partition in a Fetch, the siblings that the client asks for in it, and how what comes back is shared out.

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::ResponseError;

use super::share::{self, Shared};
use super::sibling::{Sibling, Word};
use crate::exchange::located;
use crate::remapper::Lane;
use crate::shared::skips::{Mark, Skip, Skips};
use crate::time::Millis;
use crate::wire::batch::{Batches, Entry};

pub(super) struct Place {
    pub(super) at: located::Place,
    /// Indexes into the Fetch's siblings, by lane. Of a topic that is not mapped it is one.
    pub(super) siblings: Vec<usize>,
    /// The offset asked for, while the answer is due.
    pub(super) asked: Option<i64>,
    /// The skip that is being proven, while the answer is due.
    proving: Option<Skip>,
}

impl Place {
    pub(super) fn new(at: located::Place) -> Self {
        Self { at, siblings: vec![], asked: None, proving: None }
    }

    /// Sorts its siblings by lane, so that [`Self::of_lane`] finds them.
    pub(super) fn sort(&mut self, siblings: &[Sibling]) {
        self.siblings.sort_unstable_by_key(|at| lane(siblings, *at));
    }

    /// The sibling of `wanted`.
    pub(super) fn of_lane(&self, siblings: &[Sibling], wanted: Lane) -> Option<usize> {
        let found = self.siblings.binary_search_by_key(&Some(wanted), |at| lane(siblings, *at)).ok()?;
        self.siblings.get(found).copied()
    }

    fn live<'a>(&'a self, siblings: &'a [Sibling]) -> impl Iterator<Item = &'a Sibling> + 'a {
        self.siblings.iter().filter_map(|at| siblings.get(*at)).filter(|sibling| !sibling.is_final())
    }

    /// What to ask next: the sibling that was covered least, starting with another one at every Fetch (`turn`).
    pub(super) fn question(&mut self, siblings: &[Sibling], turn: usize) -> Option<FetchPartition> {
        let mut cursors: Vec<i64> = self.live(siblings).map(|sibling| sibling.cursor).collect();
        cursors.sort_unstable();
        cursors.dedup();
        let first = turn.checked_rem(cursors.len())?;
        let rank = |cursor: i64| {
            let at = cursors.binary_search(&cursor).unwrap_or(0);
            (at + cursors.len() - first) % cursors.len()
        };
        let next = self.live(siblings).min_by_key(|sibling| (sibling.asked, rank(sibling.cursor)))?;
        let cursor = next.cursor;
        let max_bytes = self.live(siblings).map(|sibling| sibling.partition_max_bytes).max();
        let last_fetched_epoch = if next.cursor == next.position { next.last_fetched_epoch } else { -1 };
        let question = FetchPartition::default()
            .with_partition(self.at.partition.0)
            .with_current_leader_epoch(next.leader_epoch)
            .with_fetch_offset(cursor)
            .with_last_fetched_epoch(last_fetched_epoch)
            .with_log_start_offset(next.log_start_offset)
            .with_partition_max_bytes(max_bytes.unwrap_or(0));
        self.asked = Some(cursor);
        Some(question)
    }

    /// Whether the broker may wait for data here: siblings all stand at one position, or nothing comes at any of theirs.
    pub(super) fn may_wait(&self, siblings: &[Sibling]) -> bool {
        let mut cursors = self.live(siblings).map(|sibling| sibling.cursor);
        let first = cursors.next();
        cursors.all(|cursor| Some(cursor) == first) || self.live(siblings).all(|sibling| sibling.dry)
    }

    /// Shares out one answer, of which siblings are given about `room` bytes at most.
    pub(super) fn take(
        &mut self,
        siblings: &mut [Sibling],
        mut data: PartitionData,
        room: usize,
        skips: &Skips,
    ) -> Shared {
        let Some(asked) = self.asked.take() else { return Shared::default() };
        let records = data.records.take().unwrap_or_default();
        let word = Word::of(&data);
        if word.error_code != 0 {
            return self.fail(siblings, asked, word, skips);
        }
        if word.redirects() {
            return self.finish(siblings, |sibling| sibling.cursor == asked, word);
        }
        let shared = share::out(siblings, self, asked, &records, &data, room);
        if shared.alien.is_some() {
            let refused = word.refused(ResponseError::UnknownServerError);
            self.finish(siblings, |sibling| sibling.cursor == asked, refused);
            return shared;
        }
        for at in &self.siblings {
            if let Some(sibling) = siblings.get_mut(*at).filter(|sibling| !sibling.is_final()) {
                sibling.word = word;
            }
        }
        shared
    }

    fn finish(&self, siblings: &mut [Sibling], whom: impl Fn(&Sibling) -> bool, word: Word) -> Shared {
        let mut urgent = false;
        for at in &self.siblings {
            if let Some(sibling) = siblings.get_mut(*at).filter(|sibling| !sibling.is_final() && whom(sibling)) {
                sibling.fail(word);
                // A broker answers at once; without a mapping that is left as it is.
                urgent |= !word.lasts() || sibling.located.is_none();
            }
        }
        Shared { urgent, ..Shared::default() }
    }

    /// An offset out of range concerns those who stand there; behind a skip it means that the log was cut, so what was
    /// remembered is forgotten. Any other error concerns the whole physical partition.
    fn fail(&self, siblings: &mut [Sibling], asked: i64, word: Word, skips: &Skips) -> Shared {
        if word.error_code == ResponseError::UnknownTopicOrPartition.code() {
            self.siblings.iter().filter_map(|at| siblings.get(*at)?.key()).for_each(|key| skips.forget_all(&key));
        }
        if word.error_code != ResponseError::OffsetOutOfRange.code() {
            return self.finish(siblings, |_| true, word);
        }
        let mut urgent = false;
        for at in &self.siblings {
            let Some(sibling) = siblings.get_mut(*at).filter(|sibling| sibling.cursor == asked) else { continue };
            if sibling.skip.is_some() && !sibling.proven {
                self.disprove(sibling, skips);
            } else if sibling.told < sibling.cursor {
                (sibling.cursor, sibling.dry) = (sibling.told, false);
            } else if !sibling.is_final() {
                sibling.fail(word);
                urgent = true;
            }
        }
        Shared { urgent, ..Shared::default() }
    }

    /// The skip is of another log: what was found behind it does not count.
    fn disprove(&self, sibling: &mut Sibling, skips: &Skips) {
        if let (Some(key), Some(skip)) = (sibling.key(), sibling.skip) {
            skips.forget(&key, &skip);
        }
        sibling.reset();
    }

    /// Asks for the entry that a skip ends with, if one has to be proven; and how long that entry is.
    pub(super) fn doubt(
        &mut self,
        siblings: &[Sibling],
        turn: usize,
        filler: bool,
        now: Millis,
    ) -> Option<FetchPartition> {
        let first = turn.checked_rem(self.siblings.len())?;
        let mut rotated = self.siblings.iter().cycle().skip(first).take(self.siblings.len());
        let doubted = rotated.find_map(|at| siblings.get(*at).filter(|sibling| sibling.needs_proof(filler, now)))?;
        let skip = doubted.skip?;
        let question = FetchPartition::default()
            .with_partition(self.at.partition.0)
            .with_current_leader_epoch(doubted.leader_epoch)
            .with_fetch_offset(skip.end.saturating_sub(1))
            .with_last_fetched_epoch(-1)
            .with_log_start_offset(doubted.log_start_offset)
            .with_partition_max_bytes(i32::try_from(skip.mark.bytes).unwrap_or(i32::MAX));
        self.asked = Some(skip.end.saturating_sub(1));
        self.proving = Some(skip);
        Some(question)
    }

    /// The answer to [`Self::doubt`], for all siblings who came by the same skip.
    pub(super) fn judge(&mut self, siblings: &mut [Sibling], data: &PartitionData, now: Millis, skips: &Skips) {
        self.asked = None;
        let Some(skip) = self.proving.take() else { return };
        let records = data.records.clone().unwrap_or_default();
        let is_there = data.error_code == 0 && first_mark(&records) == Some(skip.mark);
        for at in &self.siblings {
            let Some(sibling) = siblings.get_mut(*at) else { continue };
            let Some(own) = sibling.skip.filter(|own| (own.end, own.mark) == (skip.end, skip.mark)) else { continue };
            if is_there {
                sibling.proven = true;
                sibling.skip = Some(Skip { seen: now, ..own });
            } else {
                self.disprove(sibling, skips);
            }
        }
    }
}

fn lane(siblings: &[Sibling], at: usize) -> Option<Lane> {
    siblings.get(at)?.located.as_ref().map(|located| located.lane)
}

fn first_mark(records: &Bytes) -> Option<Mark> {
    let (Entry::Batch { range, .. } | Entry::Old { range, .. }) = Batches::new(records).next()?;
    records.get(range).map(Mark::of)
}
