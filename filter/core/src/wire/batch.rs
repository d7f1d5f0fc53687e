//! The 61-byte header of a v2 record batch, and the lane that is written into it.
//!
//! Records stay as they are, compressed or not: the lane of a batch lives in its header, so tagging costs the
//! same for a batch of one record and for one of a megabyte. Layout: Kafka protocol guide, "Record Batch";
//! KIP-98 for producers.
use bytes::{Buf, BufMut, Bytes};
use std::ops::Range;

use crate::limits::LANES_MAX;
use crate::remapper::Lane;
use crate::wire::crc;

/// Bytes of a v2 batch before its records.
pub(crate) const HEADER_BYTES: usize = 61;
/// Bytes that `batch_length` does not count: the base offset and the length itself.
const PREFIX_BYTES: usize = 12;
/// Where the magic byte lies; message sets of magic 0 and 1 have theirs at the same place.
const MAGIC_AT: usize = 16;
/// Where the bytes that the CRC guards begin: behind base offset, length, leader epoch, magic and the CRC
/// itself.
const GUARDED_AT: usize = 21;
/// The smallest old message: offset, size, CRC, magic, attributes, and a key and a value of null.
const OLD_MESSAGE_BYTES_MIN: usize = 26;

const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;
/// The bits of `attributes` that hold the lane of a transactional batch. Kafka does not use them.
const ATTRIBUTES_LANE_SHIFT: u32 = 8;
/// An idempotent batch holds its lane above this bit of the producer id; brokers count ids up from 0.
const PRODUCER_LANE_SHIFT: u32 = 40;
const _: () = assert!((LANES_MAX as i64) <= i64::MAX >> PRODUCER_LANE_SHIFT);
/// No producer; a plain batch of lane 0.
const NO_PRODUCER: i64 = -1;

/// The header of a v2 record batch, field by field in wire order. Timestamps are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) base_offset: i64,
    /// Bytes behind this field: `HEADER_BYTES - 12` and the records.
    pub(crate) batch_length: i32,
    pub(crate) partition_leader_epoch: i32,
    pub(crate) magic: i8,
    /// CRC-32C over everything from `attributes` to the end of the records.
    pub(crate) crc: u32,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) record_count: i32,
}

/// Why bytes are not the batch that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchError {
    /// No bytes at all.
    Empty,
    /// Fewer bytes than the batch says it has.
    Truncated,
    /// More bytes than the batch says it has.
    TwoBatches,
    /// A message set from before Kafka 0.11 (magic 0 or 1).
    OldMagic(i8),
    /// A format that is not known.
    UnknownMagic(i8),
    /// A length that does not even cover the header.
    Length(i32),
}

/// Why a batch of a client cannot be given a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TagError {
    /// The client wrote into the places where lanes are kept: taken as it is, its batch could land in another
    /// lane.
    ClientTagged,
    /// A control batch: only brokers write these.
    Control,
    /// A transactional batch for a lane other than 0.
    Transactional,
    /// The lane does not fit into a producer id (at most `LANES_MAX`).
    LaneTooLarge,
}

/// Who reads a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// A control batch: each sibling needs the ends of transactions.
    EverySibling,
    Lane(Lane),
}

impl Header {
    /// Reads the header at the start of `bytes`; `None` if there are fewer than `HEADER_BYTES`. Checks no
    /// field.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Header> {
        let mut fields: &[u8] = bytes.first_chunk::<HEADER_BYTES>()?;
        Some(Header {
            base_offset: fields.get_i64(),
            batch_length: fields.get_i32(),
            partition_leader_epoch: fields.get_i32(),
            magic: fields.get_i8(),
            crc: fields.get_u32(),
            attributes: fields.get_i16(),
            last_offset_delta: fields.get_i32(),
            base_timestamp: fields.get_i64(),
            max_timestamp: fields.get_i64(),
            producer_id: fields.get_i64(),
            producer_epoch: fields.get_i16(),
            base_sequence: fields.get_i32(),
            record_count: fields.get_i32(),
        })
    }

    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut out: &mut [u8] = &mut bytes;
        out.put_i64(self.base_offset);
        out.put_i32(self.batch_length);
        out.put_i32(self.partition_leader_epoch);
        out.put_i8(self.magic);
        out.put_u32(self.crc);
        out.put_i16(self.attributes);
        out.put_i32(self.last_offset_delta);
        out.put_i64(self.base_timestamp);
        out.put_i64(self.max_timestamp);
        out.put_i64(self.producer_id);
        out.put_i16(self.producer_epoch);
        out.put_i32(self.base_sequence);
        out.put_i32(self.record_count);
        bytes
    }

    /// The bytes of the whole batch, header and records: at least `HEADER_BYTES`, or the length is a lie.
    pub(crate) fn total_bytes(&self) -> Result<usize, BatchError> {
        let total = usize::try_from(self.batch_length).ok().and_then(|length| length.checked_add(PREFIX_BYTES));
        total.filter(|total| *total >= HEADER_BYTES).ok_or(BatchError::Length(self.batch_length))
    }

    /// The offset of the last record, also of one that compaction took away.
    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    pub(crate) fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// The CRC of the guarded bytes of the header alone.
    fn head_crc(&self) -> u32 {
        self.encode().get(GUARDED_AT..).map_or(0, crc32c::crc32c)
    }
}

/// Reads the lane of a batch that a broker stored. A lane that no mapping can have stays one that matches
/// nobody.
pub(crate) fn lane(header: &Header) -> Whose {
    if header.is_control() {
        return Whose::EverySibling;
    }
    let lane = match header.producer_id {
        _ if header.is_transactional() => u64::from(header.attributes as u16 >> ATTRIBUTES_LANE_SHIFT),
        NO_PRODUCER => 0,
        plain if plain < NO_PRODUCER => plain.unsigned_abs() - 2,
        idempotent => idempotent.unsigned_abs() >> PRODUCER_LANE_SHIFT,
    };
    Whose::Lane(Lane(u32::try_from(lane).unwrap_or(u32::MAX)))
}

/// The lane of an idempotent producer by the id that a broker knows it by, and the id that it has itself.
/// Lane 0 is also that of transactional ones, whose ids tell no lane.
pub(crate) fn producer(id: i64) -> (Lane, i64) {
    let lane = u32::try_from(id >> PRODUCER_LANE_SHIFT).unwrap_or(u32::MAX);
    (Lane(lane), id & ((1 << PRODUCER_LANE_SHIFT) - 1))
}

/// The header that puts a client's batch into `lane`, its CRC patched so that the one that the producer
/// computed still guards the records; `None` if the batch stays as it is, as all of lane 0 does. `tail_len`:
/// bytes behind the header.
pub(crate) fn tag(header: &Header, tail_len: usize, lane: Lane) -> Result<Option<[u8; HEADER_BYTES]>, TagError> {
    if header.is_control() {
        return Err(TagError::Control);
    }
    let own_ids = NO_PRODUCER..1 << PRODUCER_LANE_SHIFT;
    if !own_ids.contains(&header.producer_id) || header.attributes as u16 >> ATTRIBUTES_LANE_SHIFT != 0 {
        return Err(TagError::ClientTagged);
    }
    if header.is_transactional() {
        return Err(TagError::Transactional);
    }
    if lane.0 == 0 {
        return Ok(None);
    }
    if lane.0 > LANES_MAX {
        return Err(TagError::LaneTooLarge);
    }
    let lane = i64::from(lane.0);
    let mut tagged = *header;
    if header.producer_id == NO_PRODUCER {
        tagged.producer_id = NO_PRODUCER - 1 - lane;
        // Epoch and sequence must not be -1: a broker that recompresses the batch would then drop the
        // producer id.
        tagged.producer_epoch = 0;
        tagged.base_sequence = 0;
    } else {
        tagged.producer_id |= lane << PRODUCER_LANE_SHIFT;
    }
    tagged.crc = patched_crc(header, &tagged, tail_len);
    Ok(Some(tagged.encode()))
}

/// CRCs are linear: what changes in the head changes the whole by the head's difference, shifted past the
/// tail.
fn patched_crc(old: &Header, new: &Header, tail_len: usize) -> u32 {
    crc::shift(old.head_crc() ^ new.head_crc(), tail_len) ^ old.crc
}

/// The header of `records` if they are exactly one whole v2 batch, as each partition of a Produce request
/// must be.
pub(crate) fn single_batch(records: &[u8]) -> Result<Header, BatchError> {
    if records.is_empty() {
        return Err(BatchError::Empty);
    }
    match records.get(MAGIC_AT).map(|magic| *magic as i8) {
        None | Some(2) => {}
        Some(old @ (0 | 1)) => return Err(BatchError::OldMagic(old)),
        Some(unknown) => return Err(BatchError::UnknownMagic(unknown)),
    }
    let header = Header::parse(records).ok_or(BatchError::Truncated)?;
    match header.total_bytes()?.cmp(&records.len()) {
        std::cmp::Ordering::Equal => Ok(header),
        std::cmp::Ordering::Less => Err(BatchError::TwoBatches),
        std::cmp::Ordering::Greater => Err(BatchError::Truncated),
    }
}

/// One complete entry of a fetched record set, and where it lies in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Batch {
        range: Range<usize>,
        header: Header,
    },
    /// A message of magic 0 or 1, or a compressed set of them: older than any mapping, so lane 0.
    /// `last_offset` is that of its last record (a compressed set carries the offset of its last message).
    Old {
        range: Range<usize>,
        last_offset: i64,
    },
}

impl Entry {
    /// The offset of its last record.
    pub(crate) fn last_offset(&self) -> i64 {
        match self {
            Entry::Batch { header, .. } => header.last_offset(),
            Entry::Old { last_offset, .. } => *last_offset,
        }
    }

    /// Where a consumer stands that has read it.
    pub(crate) fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }
}

/// The complete entries of a fetched record set, in order. Ends at the first one that is cut off (brokers cut
/// the last one at the fetch limit) or that is none.
#[derive(Clone, Debug)]
pub(crate) struct Batches<'a> {
    records: &'a [u8],
    position: usize,
}

impl<'a> Batches<'a> {
    pub(crate) fn new(records: &'a [u8]) -> Self {
        Batches { records, position: 0 }
    }

    /// Where the next entry starts: once the iterator has ended, the start of the cut-off tail, or the end of
    /// the set.
    #[cfg(test)]
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    fn entry(&self) -> Option<(Range<usize>, Entry)> {
        let rest = self.records.get(self.position..)?;
        let mut prefix: &[u8] = rest.first_chunk::<PREFIX_BYTES>()?;
        let offset = prefix.get_i64();
        let bytes = usize::try_from(prefix.get_i32()).ok()?.checked_add(PREFIX_BYTES)?;
        let magic = *rest.get(MAGIC_AT)?;
        if bytes > rest.len() {
            return None;
        }
        let range = self.position..self.position.checked_add(bytes)?;
        let entry = match magic {
            2 if bytes >= HEADER_BYTES => Entry::Batch { range: range.clone(), header: Header::parse(rest)? },
            0 | 1 if bytes >= OLD_MESSAGE_BYTES_MIN => Entry::Old { range: range.clone(), last_offset: offset },
            _ => return None,
        };
        Some((range, entry))
    }
}

impl Iterator for Batches<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        let (range, entry) = self.entry()?;
        self.position = range.end;
        Some(entry)
    }
}

/// A control batch that moves a consumer past `offset` without showing it a record, for where siblings'
/// batches were dropped: one COMMIT marker (KIP-98) of a producer that no broker knows. `timestamp` is in
/// milliseconds.
pub(crate) fn filler(offset: i64, leader_epoch: i32, timestamp: i64) -> Bytes {
    /// Length 16, attributes, timestamp and offset deltas 0; key: version 0, COMMIT; value: version 0, epoch
    /// 0; no headers.
    const MARKER: &[u8] = &[32, 0, 0, 0, 8, 0, 0, 0, 1, 12, 0, 0, 0, 0, 0, 0, 0];
    /// Higher than any id a broker hands out, so that it matches no aborted transaction of a consumer.
    const NOBODY: i64 = 1 << 62;
    let mut header = Header {
        base_offset: offset,
        batch_length: (HEADER_BYTES - PREFIX_BYTES + MARKER.len()) as i32,
        partition_leader_epoch: leader_epoch,
        magic: 2,
        crc: 0,
        attributes: CONTROL | TRANSACTIONAL,
        last_offset_delta: 0,
        base_timestamp: timestamp,
        max_timestamp: timestamp,
        producer_id: NOBODY,
        producer_epoch: 0,
        base_sequence: -1,
        record_count: 1,
    };
    header.crc = crc32c::crc32c_append(header.head_crc(), MARKER);
    [&header.encode(), MARKER].concat().into()
}

#[cfg(test)]
mod tests;
