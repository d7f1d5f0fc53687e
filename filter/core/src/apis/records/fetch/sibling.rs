//! One partition of a client's Fetch: where it stands, what it was given, and what it is told.

use std::collections::BTreeSet;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::{AbortedTransaction, EpochEndOffset, LeaderIdAndEpoch, PartitionData};
use kafka_protocol::messages::{BrokerId, ProducerId, TopicName};
use kafka_protocol::ResponseError;

use crate::exchange::located::Located;
use crate::limits;
use crate::remapper::RemapError;
use crate::shared::skips::{Key, Mark, Skip};
use crate::time::Millis;
use crate::wire::batch;

/// What the broker said of a partition beside its records. Offsets are physical.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub(super) error_code: i16,
    pub(super) high_watermark: i64,
    pub(super) last_stable_offset: i64,
    log_start_offset: i64,
    /// Epoch and end offset.
    diverging: (i32, i64),
    /// Id and epoch.
    leader: (i32, i32),
    preferred_read_replica: i32,
    /// There is a list of aborted transactions, be it empty.
    lists_aborted: bool,
}

impl Word {
    pub(super) fn of(data: &PartitionData) -> Self {
        Self {
            error_code: data.error_code,
            high_watermark: data.high_watermark,
            last_stable_offset: data.last_stable_offset,
            log_start_offset: data.log_start_offset,
            diverging: (data.diverging_epoch.epoch, data.diverging_epoch.end_offset),
            leader: (data.current_leader.leader_id.0, data.current_leader.leader_epoch),
            preferred_read_replica: data.preferred_read_replica.0,
            lists_aborted: data.aborted_transactions.is_some(),
        }
    }

    pub(super) fn error(error: ResponseError) -> Self {
        Self::of(&PartitionData::default().with_error_code(error.code()).with_high_watermark(-1))
    }

    /// The same with an error.
    pub(super) fn refused(self, error: ResponseError) -> Self {
        Self { error_code: error.code(), ..self }
    }

    /// The client is sent elsewhere: to another replica, or back to where the log is still its own.
    pub(super) fn redirects(&self) -> bool {
        self.preferred_read_replica >= 0 || self.diverging != Self::of(&PartitionData::default()).diverging
    }

    /// An error that will still be there when the client asks again, and that no client asks about elsewhere: asking again at once
    /// brings nothing. Of the others the client moves on, to another offset or to another broker.
    pub(super) fn lasts(&self) -> bool {
        let lasting = [
            ResponseError::UnknownTopicOrPartition,
            ResponseError::TopicAuthorizationFailed,
            ResponseError::UnknownServerError,
            ResponseError::CorruptMessage,
        ];
        lasting.iter().any(|lasting| lasting.code() == self.error_code)
    }

    /// The word about `partition`, its offsets as they are seen by `offset`.
    pub(super) fn told(
        &self,
        partition: i32,
        offset: impl Fn(i64) -> Result<i64, RemapError>,
    ) -> Result<PartitionData, RemapError> {
        let diverging =
            EpochEndOffset::default().with_epoch(self.diverging.0).with_end_offset(offset(self.diverging.1)?);
        let leader =
            LeaderIdAndEpoch::default().with_leader_id(BrokerId(self.leader.0)).with_leader_epoch(self.leader.1);
        Ok(PartitionData::default()
            .with_partition_index(partition)
            .with_error_code(self.error_code)
            .with_high_watermark(offset(self.high_watermark)?)
            .with_last_stable_offset(offset(self.last_stable_offset)?)
            .with_log_start_offset(offset(self.log_start_offset)?)
            .with_diverging_epoch(diverging)
            .with_current_leader(leader)
            .with_preferred_read_replica(BrokerId(self.preferred_read_replica))
            .with_aborted_transactions(self.lists_aborted.then(Vec::new)))
    }
}

/// One partition of the client's request. All offsets are physical.
pub(super) struct Sibling {
    /// A copy of its own: what a Fetch remembers must not keep the client's frame in memory.
    pub(super) topic: TopicName,
    /// As the client names it.
    pub(super) partition: i32,
    /// None: the topic is not mapped.
    pub(super) located: Option<Located>,
    pub(super) leader_epoch: i32,
    pub(super) last_fetched_epoch: i32,
    pub(super) log_start_offset: i64,
    pub(super) partition_max_bytes: i32,
    /// Where the client stands.
    pub(super) position: i64,
    /// Nothing of its own lies between what it was given and here.
    pub(super) cursor: i64,
    /// Where the client will stand after this answer.
    pub(super) told: i64,
    /// The way by which the cursor came behind the position without a look at what lies between.
    pub(super) skip: Option<Skip>,
    /// The broker has shown that the skip is of this log.
    pub(super) proven: bool,
    /// Of the last entry before the cursor, if one came.
    pub(super) mark: Option<Mark>,
    /// Rounds that covered it.
    pub(super) asked: usize,
    /// The last round at this cursor brought nothing.
    pub(super) dry: bool,
    /// Leader epoch and timestamp (ms) of the last batch before the cursor.
    pub(super) last_batch: (i32, i64),
    pub(super) records: Vec<Bytes>,
    /// How many of `records`, from the front, may stay as they are.
    settled: usize,
    pub(super) kept_bytes: usize,
    /// First offset and producer id.
    pub(super) aborted: BTreeSet<(i64, i64)>,
    pub(super) word: Word,
    finished: bool,
    pub(super) overflow: Option<RemapError>,
}

impl Sibling {
    pub(super) fn new(topic: &TopicName, asked: &FetchPartition) -> Self {
        Self {
            topic: topic.clone(),
            partition: asked.partition,
            located: None,
            leader_epoch: asked.current_leader_epoch,
            last_fetched_epoch: asked.last_fetched_epoch,
            log_start_offset: asked.log_start_offset,
            partition_max_bytes: asked.partition_max_bytes,
            position: asked.fetch_offset,
            cursor: asked.fetch_offset,
            told: asked.fetch_offset,
            skip: None,
            proven: false,
            mark: None,
            asked: 0,
            dry: false,
            last_batch: (-1, -1),
            records: vec![],
            settled: 0,
            kept_bytes: 0,
            aborted: BTreeSet::new(),
            word: Word::of(&PartitionData::default()),
            finished: false,
            overflow: None,
        }
    }

    pub(super) fn start(&mut self, position: i64, located: Located) {
        self.located = Some(located);
        (self.position, self.cursor, self.told) = (position, position, position);
        // Until the broker is heard, its log may well go on: an end told too early would end a client's reading.
        let end = position.saturating_add(1);
        self.word = Word::of(&PartitionData::default().with_high_watermark(end).with_last_stable_offset(end));
    }

    /// Goes on behind what is known to hold nothing of its own.
    pub(super) fn jump(&mut self, skip: Skip) {
        self.cursor = skip.end;
        self.skip = Some(skip);
    }

    /// Under what the worker remembers skips for it. None: not mapped.
    pub(super) fn key(&self) -> Option<Key> {
        let located = self.located.as_ref()?;
        Some(Key { topic: self.topic.clone(), partition: located.place.partition.0, lane: located.lane })
    }

    /// Ends its part in this Fetch. What it was given already goes first: the client meets the error when it asks again.
    pub(super) fn fail(&mut self, word: Word) {
        if self.records.is_empty() {
            self.word = word;
        }
        self.finished = true;
    }

    /// Nothing more is asked for it: it has an error, or the client is sent elsewhere.
    pub(super) fn is_final(&self) -> bool {
        self.finished
    }

    /// Whether its skip has to be proven before the client is answered: it would be moved past it, or more would be remembered
    /// on top of it, or it was not looked at for long.
    pub(super) fn needs_proof(&self, filler: bool, now: Millis) -> bool {
        let Some(skip) = self.skip.filter(|_| !self.proven) else { return false };
        let moves = self.told > self.position || (filler && !self.finished);
        let old = now.saturating_sub(skip.seen) >= limits::SKIP_UNSEEN_MS_MAX;
        moves || (!self.finished && (self.cursor > skip.end || old))
    }

    /// Back to where the client stands: what was found behind the skip does not count.
    pub(super) fn reset(&mut self) {
        (self.cursor, self.told, self.dry) = (self.position, self.position, false);
        (self.skip, self.mark, self.overflow) = (None, None, None);
        self.records.clear();
        self.aborted.clear();
        (self.settled, self.kept_bytes) = (0, 0);
    }

    /// Whether its entries go on as they are: then neighbours go on as one.
    pub(super) fn is_verbatim(&self) -> bool {
        self.located.as_ref().is_none_or(Located::keeps_offsets)
    }

    /// Moves the client to the cursor with a control batch, if it stands before it. Tells whether it did.
    pub(super) fn fill(&mut self) -> bool {
        if self.finished || self.located.is_none() || self.cursor <= self.told {
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

    /// Takes what was added since the last call out of its frame, if `copy`, so that the frame need not stay in memory.
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

    /// What the client is told beside the records.
    pub(super) fn translate(&mut self) -> Result<PartitionData, RemapError> {
        let mut word = self.word;
        if let Some(error) = self.overflow.take() {
            return Err(error);
        }
        if self.located.is_some() && word.error_code == 0 && self.records.is_empty() && self.cursor > self.position {
            // The client stays before its siblings' batches: to it the log ends there. Some reconnect on the real end.
            word.high_watermark = self.position;
            word.last_stable_offset = word.last_stable_offset.min(self.position);
        }
        let offset = |offset| self.located.as_ref().map_or(Ok(offset), |located| located.offset_for_client(offset));
        let mut data = word.told(self.partition, offset)?;
        if let Some(listed) = &mut data.aborted_transactions {
            for (first_offset, producer_id) in &self.aborted {
                let aborted = AbortedTransaction::default().with_producer_id(ProducerId(*producer_id));
                listed.push(aborted.with_first_offset(offset(*first_offset)?));
            }
        }
        Ok(data)
    }
}

/// The base offset at the front of a batch; it lies outside the CRC.
const BASE_OFFSET_BYTES: usize = 8;
