//! One partition of a client's Fetch: where the client stands in it, what the partition was given, and its
//! answer.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::{AbortedTransaction, PartitionData};
use kafka_protocol::messages::{ProducerId, TopicName};

use super::status::PartitionStatus;
use crate::exchange::located::{Located, Place};
use crate::limits;
use crate::remapper::{Lane, RemapError, VirtualPartition};
use crate::shared::skips::{Mark, Skip, SkipKey, Skips};
use crate::stats::TopicLabel;
use crate::time::Millis;
use crate::wire::batch;

/// One partition of the client's request. All offsets are physical.
pub(super) struct Sibling {
    /// Counts the partitions of the request, from 0: the client is answered in this order.
    pub(super) number: usize,
    /// Detached: what a Fetch remembers must not keep the client's frame in memory.
    pub(super) topic: TopicName,
    pub(super) partition: VirtualPartition,
    /// None: the partition cannot be read.
    pub(super) located: Option<Located>,
    pub(super) leader_epoch: i32,
    pub(super) last_fetched_epoch: i32,
    pub(super) log_start_offset: i64,
    pub(super) partition_max_bytes: i32,
    /// The offset for which the client asks.
    pub(super) position: i64,
    /// Where the partition is read on: all of its lane before this offset was given to it, or lies before
    /// `position`.
    pub(super) cursor: i64,
    /// For which offset the client will ask when it has this answer.
    pub(super) position_after: i64,
    /// The skip by which the cursor came behind the position, without a look at the entries between them.
    pub(super) skip: Option<Skip>,
    /// The broker has shown that the skip is of this log.
    pub(super) proven: bool,
    /// The mark of the last entry before the cursor, if one came.
    pub(super) mark: Option<Mark>,
    /// Where the first look ended behind which the log may have been cut, and its mark: what was seen since
    /// is perhaps of another log than what lies before.
    pub(super) seam: Option<(i64, Mark)>,
    /// In how many rounds the cursor lay inside the answer.
    pub(super) rounds_covered: usize,
    /// The last round at this cursor brought nothing.
    pub(super) dry: bool,
    /// Leader epoch and timestamp (ms) of the last batch before the cursor.
    pub(super) last_batch: (i32, i64),
    pub(super) records: Vec<Bytes>,
    /// How many of `records`, from the front, may stay as they are.
    settled: usize,
    pub(super) kept_bytes: usize,
    /// By first offset and producer id: from which offset on a transaction is listed.
    pub(super) aborted: BTreeMap<(i64, i64), i64>,
    pub(super) status: PartitionStatus,
    is_final: bool,
    /// The first offset of an entry that the client cannot be told.
    overflow: Option<RemapError>,
}

impl Sibling {
    /// `topic` has to be detached.
    pub(super) fn new(number: usize, topic: TopicName, wanted: &FetchPartition) -> Self {
        Self {
            number,
            topic,
            partition: VirtualPartition(wanted.partition),
            located: None,
            leader_epoch: wanted.current_leader_epoch,
            last_fetched_epoch: wanted.last_fetched_epoch,
            log_start_offset: wanted.log_start_offset,
            partition_max_bytes: wanted.partition_max_bytes,
            position: wanted.fetch_offset,
            cursor: wanted.fetch_offset,
            position_after: wanted.fetch_offset,
            skip: None,
            proven: false,
            mark: None,
            seam: None,
            rounds_covered: 0,
            dry: false,
            last_batch: (-1, -1),
            records: vec![],
            settled: 0,
            kept_bytes: 0,
            aborted: BTreeMap::new(),
            status: PartitionStatus::of(&PartitionData::default()),
            is_final: false,
            overflow: None,
        }
    }

    /// The partition is `located`, and the client at this physical offset.
    pub(super) fn start(&mut self, located: Located, position: i64) {
        self.located = Some(located);
        (self.position, self.cursor, self.position_after) = (position, position, position);
        // Until the broker is heard, its log may well go on: an end told too early would end a client's
        // reading.
        let end = position.saturating_add(1);
        let begun = PartitionData::default().with_high_watermark(end).with_last_stable_offset(end);
        self.status = PartitionStatus::of(&begun);
    }

    /// Reads on behind a range that is known to hold nothing of the lane.
    pub(super) fn jump(&mut self, skip: Skip) {
        self.cursor = skip.end;
        self.skip = Some(skip);
    }

    pub(super) fn place(&self) -> Option<&Place> {
        Some(&self.located.as_ref()?.place)
    }

    /// None: the topic is not mapped, or the partition cannot be read.
    pub(super) fn mapped(&self) -> Option<&Located> {
        self.located.as_ref().filter(|located| located.is_mapped())
    }

    /// Under which label the topic is counted. None: it is not mapped, or the partition cannot be read.
    pub(super) fn label(&self) -> Option<TopicLabel> {
        self.located.as_ref()?.label
    }

    pub(super) fn lane(&self) -> Option<Lane> {
        Some(self.located.as_ref()?.lane)
    }

    /// Under what the worker remembers skips of the lane. None: the topic is not mapped.
    pub(super) fn key(&self) -> Option<SkipKey> {
        let located = self.mapped()?;
        Some(SkipKey { topic: self.topic.clone(), partition: located.place.partition.0, lane: located.lane })
    }

    /// Ends the partition's part in this Fetch. Entries that it was given already go first: the client meets
    /// the error when it asks again.
    pub(super) fn fail(&mut self, status: PartitionStatus) {
        if self.records.is_empty() {
            self.status = status;
        }
        self.is_final = true;
    }

    /// Nothing more is asked for the partition: it has an error, or the client is sent elsewhere.
    pub(super) fn is_final(&self) -> bool {
        self.is_final
    }

    /// Whether the skip has to be proven before the client is answered: the client would be moved past the
    /// skip, or more would be remembered on top of it, or nobody has looked at it for long.
    pub(super) fn needs_proof(&self, filler: bool, now: Millis) -> bool {
        let Some(skip) = self.skip.filter(|_| !self.proven) else { return false };
        let moves = self.position_after > self.position || (filler && !self.is_final);
        let old = now.saturating_sub(skip.seen) >= limits::SKIP_UNSEEN_MS_MAX;
        moves || (!self.is_final && (self.cursor > skip.end || old))
    }

    /// Back to where the client stands: entries that were found behind the skip do not count.
    pub(super) fn reset(&mut self) {
        (self.cursor, self.position_after, self.dry) = (self.position, self.position, false);
        (self.skip, self.mark, self.seam, self.overflow) = (None, None, None, None);
        self.records.clear();
        self.aborted.clear();
        (self.settled, self.kept_bytes) = (0, 0);
    }

    /// Back to where the client will stand: what came by behind it without anything for the client does not
    /// count.
    pub(super) fn start_again(&mut self) {
        if !self.is_final {
            let skipped = self.skip.map_or(self.position_after, |skip| skip.end);
            (self.cursor, self.mark, self.seam, self.dry) = (self.position_after.max(skipped), None, None, false);
        }
    }

    /// All of the lane before `end` was given; `mark`: of the last entry, whose batch and the first one of
    /// this look are of these leader epochs and time. A log that was cut goes on with another leader epoch:
    /// so two looks between which it may have been cut are told apart.
    pub(super) fn read_on(&mut self, end: i64, mark: Option<Mark>, first_epoch: i32, last_batch: Option<(i32, i64)>) {
        if end > self.cursor {
            if let Some(before) = self.mark.filter(|_| self.last_batch.0 != first_epoch) {
                let is_behind = self.seam.is_none_or(|(seam, _)| seam <= self.position_after);
                self.seam = if is_behind { Some((self.cursor, before)) } else { self.seam };
            }
            (self.cursor, self.mark) = (end, mark);
        }
        self.last_batch = last_batch.unwrap_or(self.last_batch);
    }

    /// Up to where the way from `start` on was seen at one time, and the mark of the last entry on it.
    pub(super) fn seen_from(&self, start: i64) -> Option<(i64, Mark)> {
        self.seam.filter(|(seam, _)| *seam > start).or(self.mark.map(|mark| (self.cursor, mark)))
    }

    /// The skip is of another log: no Fetch is led by it any more, and entries that were found behind it do
    /// not count.
    pub(super) fn forget_skip(&mut self, skips: &Skips) {
        if let (Some(key), Some(skip)) = (self.key(), self.skip) {
            skips.forget(&key, &skip);
        }
        self.reset();
    }

    /// Whether entries go on as they are: then neighbours go on as one.
    pub(super) fn is_verbatim(&self) -> bool {
        self.located.as_ref().is_none_or(Located::keeps_offsets)
    }

    /// Moves a client that stands before the cursor to it with a control batch. Says whether there is one.
    pub(super) fn fill(&mut self) -> bool {
        if self.is_final || self.mapped().is_none() || self.cursor <= self.position_after {
            return false;
        }
        let (leader_epoch, timestamp) = self.last_batch;
        let filler = batch::filler(self.cursor - 1, leader_epoch, timestamp);
        self.position_after = self.cursor;
        self.keep(&filler, self.cursor - 1);
        true
    }

    /// Lists an aborted transaction, a first offset and a producer id, of which the sibling is given
    /// something at `offset`.
    pub(super) fn abort(&mut self, transaction: (i64, i64), offset: i64) {
        let listed = self.aborted.entry(transaction).or_insert(offset);
        *listed = offset.min(*listed).max(transaction.0);
    }

    /// Adds an entry, its base offset as the client sees it.
    pub(super) fn keep(&mut self, entry: &Bytes, base_offset: i64) {
        self.kept_bytes += entry.len();
        let Some(located) = &self.located else { return self.records.push(entry.clone()) };
        match located.offset_for_client(base_offset) {
            Ok(_) if located.keeps_offsets() => self.records.push(entry.clone()),
            Ok(offset) => {
                let mut head = BytesMut::new();
                head.put_i64(offset);
                self.records.push(head.freeze());
                self.records.push(entry.slice(entry.len().min(BASE_OFFSET_BYTES)..));
            }
            Err(error) => self.overflow = Some(error),
        }
    }

    /// Copies the entries that were added since the last call, if `copy`: then their frame need not stay in
    /// memory.
    pub(super) fn settle(&mut self, copy: bool) {
        let new = self.records.get(self.settled..).unwrap_or_default();
        if copy && !new.is_empty() {
            let mut own = BytesMut::with_capacity(new.iter().map(Bytes::len).sum());
            new.iter().for_each(|part| own.extend_from_slice(part));
            self.records.truncate(self.settled);
            self.records.push(own.freeze());
        }
        self.settled = self.records.len();
    }

    /// The client's answer without the records.
    ///
    /// # Errors
    /// [`RemapError`]: an offset lies beyond `offset_range`.
    pub(super) fn for_client(&self) -> Result<PartitionData, RemapError> {
        if let Some(error) = self.overflow {
            return Err(error);
        }
        let mut status = self.status;
        if self.mapped().is_some() && status.error_code == 0 && self.records.is_empty() && self.cursor > self.position {
            // The client stays before its siblings' batches: to it the log ends there. Some reconnect on the
            // real end.
            status.high_watermark = self.position;
            status.last_stable_offset = status.last_stable_offset.min(self.position);
        }
        let offset = |offset| self.located.as_ref().map_or(Ok(offset), |located| located.offset_for_client(offset));
        let mut data = status.for_client(self.partition, offset)?;
        if let Some(listed) = &mut data.aborted_transactions {
            for ((_, producer_id), first_offset) in &self.aborted {
                let aborted = AbortedTransaction::default().with_producer_id(ProducerId(*producer_id));
                listed.push(aborted.with_first_offset(offset(*first_offset)?));
            }
        }
        Ok(data)
    }
}

/// The base offset at the front of a batch; it lies outside the CRC.
const BASE_OFFSET_BYTES: usize = 8;
