//! A physical partition in a Fetch, the siblings that the client asks for in it, and how what comes back is shared out.

use std::rc::Rc;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::{AbortedTransaction, EpochEndOffset, PartitionData};
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use super::share::{self, Shared};
use crate::batch::{self, Batches};
use crate::exchange::Session;
use crate::remapper::{Lane, OffsetEncoding, PartitionRemapper, RemapError, VirtualPartition};

/// One partition of the client's request. All offsets are physical.
pub(super) struct Sibling {
    pub(super) topic: TopicName,
    /// As the client names it.
    pub(super) partition: i32,
    /// None: the topic is not mapped.
    pub(super) lane: Option<(Rc<PartitionRemapper>, Lane)>,
    pub(super) leader_epoch: i32,
    last_fetched_epoch: i32,
    log_start_offset: i64,
    partition_max_bytes: i32,
    /// Where the client stands.
    pub(super) position: i64,
    /// Nothing of its own lies between what it was given and here.
    pub(super) cursor: i64,
    /// Where the client will stand after this answer.
    pub(super) told: i64,
    /// Rounds that covered it.
    pub(super) asked: usize,
    /// The last round at this cursor brought nothing.
    pub(super) dry: bool,
    /// Leader epoch and timestamp (ms) of the last batch before the cursor.
    pub(super) last_batch: (i32, i64),
    pub(super) records: Vec<Bytes>,
    pub(super) kept_bytes: usize,
    pub(super) aborted: Vec<AbortedTransaction>,
    /// The broker's last word on its physical partition, without records.
    pub(super) data: PartitionData,
    finished: bool,
    pub(super) overflow: Option<RemapError>,
}

impl Sibling {
    pub(super) fn new(topic: &TopicName, asked: &FetchPartition) -> Self {
        Self {
            topic: topic.clone(),
            partition: asked.partition,
            lane: None,
            leader_epoch: asked.current_leader_epoch,
            last_fetched_epoch: asked.last_fetched_epoch,
            log_start_offset: asked.log_start_offset,
            partition_max_bytes: asked.partition_max_bytes,
            position: asked.fetch_offset,
            cursor: asked.fetch_offset,
            told: asked.fetch_offset,
            asked: 0,
            dry: false,
            last_batch: (-1, -1),
            records: vec![],
            kept_bytes: 0,
            aborted: vec![],
            data: PartitionData::default(),
            finished: false,
            overflow: None,
        }
    }

    pub(super) fn start(&mut self, position: i64, remapper: Rc<PartitionRemapper>, lane: Lane) {
        self.lane = Some((remapper, lane));
        (self.position, self.cursor, self.told) = (position, position, position);
        // Until the broker is heard, its log may well go on: an end told too early would end a client's reading.
        let end = position.saturating_add(1);
        self.data = PartitionData::default().with_high_watermark(end).with_last_stable_offset(end);
    }

    pub(super) fn key(&self) -> (StrBytes, VirtualPartition) {
        (self.topic.0.clone(), VirtualPartition(self.partition))
    }

    /// Ends its part in this Fetch. What it was given already goes first: the client meets the error when it asks again.
    pub(super) fn fail(&mut self, data: PartitionData) {
        if self.records.is_empty() {
            self.data = data;
        }
        self.finished = true;
    }

    /// The client must hear of it at once: an error, another replica, a diverging epoch.
    pub(super) fn is_final(&self) -> bool {
        self.finished
    }

    /// Whether its entries go on as they are: then neighbours go on as one.
    pub(super) fn is_verbatim(&self) -> bool {
        self.lane.as_ref().is_none_or(|(remapper, _)| remapper.offset_encoding() == OffsetEncoding::Identity)
    }

    /// Moves the client to the cursor with a control batch, if it stands before it. Tells whether it did.
    pub(super) fn fill(&mut self) -> bool {
        if self.finished || self.lane.is_none() || self.cursor <= self.told {
            return false;
        }
        let (leader_epoch, timestamp) = self.last_batch;
        let filler = batch::filler(self.cursor - 1, leader_epoch, timestamp);
        self.told = self.cursor;
        self.keep(&filler, self.cursor - 1);
        true
    }

    /// Adds an entry, its base offset as the client sees it.
    pub(super) fn keep(&mut self, entry: &Bytes, base_offset: i64) {
        self.kept_bytes += entry.len();
        let Some((remapper, lane)) = &self.lane else { return self.records.push(entry.clone()) };
        match remapper.physical_to_virtual_offset(*lane, base_offset) {
            Ok(_) if remapper.offset_encoding() == OffsetEncoding::Identity => self.records.push(entry.clone()),
            Ok(offset) => {
                let mut head = BytesMut::new();
                head.put_i64(offset);
                self.records.push(head.freeze());
                self.records.push(entry.slice(entry.len().min(BASE_OFFSET_BYTES)..));
            }
            Err(error) => self.overflow = Some(error),
        }
    }
}

/// The base offset at the front of a batch; it lies outside the CRC.
const BASE_OFFSET_BYTES: usize = 8;

pub(super) struct Place {
    pub(super) topic: TopicName,
    physical: i32,
    /// Indexes into the Fetch's siblings.
    pub(super) siblings: Vec<usize>,
    /// The offset asked for, while the answer is due.
    pub(super) asked: Option<i64>,
}

impl Place {
    pub(super) fn new(topic: TopicName, physical: i32) -> Self {
        Self { topic, physical, siblings: vec![], asked: None }
    }

    fn live<'a>(&'a self, siblings: &'a [Sibling]) -> impl Iterator<Item = &'a Sibling> + 'a {
        self.siblings.iter().filter_map(|at| siblings.get(*at)).filter(|sibling| !sibling.finished)
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
            .with_partition(self.physical)
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

    /// Shares out one answer.
    pub(super) fn take(&mut self, siblings: &mut [Sibling], mut data: PartitionData, session: &mut Session) -> Shared {
        let Some(asked) = self.asked.take() else { return Shared::default() };
        let records = data.records.take().unwrap_or_default();
        if data.error_code != 0 {
            self.fail(siblings, asked, &data, session);
            return Shared::default();
        }
        let redirected = data.preferred_read_replica.0 >= 0 || data.diverging_epoch != EpochEndOffset::default();
        if redirected {
            self.finish(siblings, |sibling| sibling.cursor == asked, &data);
            return Shared::default();
        }
        let covered = self.covered(siblings, asked, &records);
        let shared = share::out(siblings, &covered, asked, &records, &data);
        if shared.alien.is_some() {
            let refused = data.with_error_code(ResponseError::UnknownServerError.code());
            self.finish(siblings, |sibling| sibling.cursor == asked, &refused);
            return shared;
        }
        for at in &self.siblings {
            if let Some(sibling) = siblings.get_mut(*at).filter(|sibling| !sibling.finished) {
                sibling.data = data.clone();
            }
        }
        shared
    }

    /// The siblings whose cursor lies inside what came back.
    fn covered(&self, siblings: &[Sibling], asked: i64, records: &Bytes) -> Vec<usize> {
        let end = Batches::new(records).last().map_or(asked, |entry| entry.next_offset());
        let inside = |sibling: &Sibling| !sibling.finished && (asked..=end.max(asked)).contains(&sibling.cursor);
        self.siblings.iter().copied().filter(|at| siblings.get(*at).is_some_and(inside)).collect()
    }

    fn finish(&self, siblings: &mut [Sibling], whom: impl Fn(&Sibling) -> bool, data: &PartitionData) {
        for at in &self.siblings {
            if let Some(sibling) = siblings.get_mut(*at).filter(|sibling| !sibling.finished && whom(sibling)) {
                sibling.fail(data.clone());
            }
        }
    }

    /// An offset out of range concerns those who stand there; behind a skip it means that the log was cut, so what was
    /// remembered is forgotten. Any other error concerns the whole physical partition.
    fn fail(&self, siblings: &mut [Sibling], asked: i64, data: &PartitionData, session: &mut Session) {
        if data.error_code != ResponseError::OffsetOutOfRange.code() {
            return self.finish(siblings, |_| true, data);
        }
        for at in &self.siblings {
            let Some(sibling) = siblings.get_mut(*at).filter(|sibling| sibling.cursor == asked) else { continue };
            if sibling.told < sibling.cursor {
                session.skips.remove(&sibling.key());
                (sibling.cursor, sibling.dry) = (sibling.told, false);
            } else if !sibling.finished {
                sibling.fail(data.clone());
            }
        }
    }
}
