//! Stored batches as a tool looks at them that reads and writes around the filter: whose lane, which codec,
//! and whether a broker kept what it was given. Nothing here is on a connection's way.

use bytes::BufMut;

use super::batch::{self, Batches, Entry, Header, Whose, HEADER_BYTES};
use crate::remapper::Lane;

/// Where the bytes that the CRC guards begin.
const GUARDED_AT: usize = 21;
/// Where the CRC stands.
const CRC_AT: usize = 17;
const CODEC: i16 = 0b111;
const LOG_APPEND_TIME: i16 = 1 << 3;

/// One complete entry of a fetched record set.
#[derive(Clone, Copy, Debug)]
pub struct StoredBatch<'a> {
    /// The entry, its header included.
    pub bytes: &'a [u8],
    /// None: a message from before Kafka 0.11.
    header: Option<Header>,
    last_offset: i64,
}

impl StoredBatch<'_> {
    /// The offset of the entry's first record; of an old message, its last.
    pub fn base_offset(&self) -> i64 {
        self.header.map_or(self.last_offset, |header| header.base_offset)
    }

    /// The offset of the entry's last record.
    pub fn last_offset(&self) -> i64 {
        self.last_offset
    }

    /// Records of the entry, as its header says; an old message counts as one.
    pub fn records(&self) -> u64 {
        self.header.map_or(1, |header| u64::try_from(header.record_count).unwrap_or(0))
    }

    /// Whose records they are; `None` for a control batch, which is for every sibling.
    pub fn lane(&self) -> Option<Lane> {
        match self.header.as_ref().map(batch::lane) {
            Some(Whose::EverySibling) => None,
            Some(Whose::Lane(lane)) => Some(lane),
            None => Some(Lane(0)),
        }
    }

    /// The codec's number in `attributes`: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub fn codec(&self) -> i16 {
        self.header.map_or(0, |header| header.attributes & CODEC)
    }

    /// Whether the broker put its own time into the batch.
    pub fn has_append_time(&self) -> bool {
        self.header.is_some_and(|header| header.attributes & LOG_APPEND_TIME != 0)
    }

    /// Whether the CRC is that of the bytes. True for an old message, which is not looked at.
    pub fn is_intact(&self) -> bool {
        self.header.is_none_or(|header| self.bytes.get(GUARDED_AT..).map(crc32c::crc32c) == Some(header.crc))
    }

    /// Whether all but what a broker has to set (offset and leader epoch) is as it is in `other`.
    pub fn is_same_as(&self, other: &[u8]) -> bool {
        self.header.is_some() && self.bytes.get(CRC_AT - 1..) == other.get(CRC_AT - 1..)
    }
}

/// The complete entries of a fetched record set, in order. Ends at the first one that is cut off.
pub fn batches(records: &[u8]) -> impl Iterator<Item = StoredBatch<'_>> {
    Batches::new(records).filter_map(|entry| {
        let last_offset = entry.last_offset();
        let (range, header) = match entry {
            Entry::Batch { range, header } => (range, Some(header)),
            Entry::Old { range, .. } => (range, None),
        };
        Some(StoredBatch { bytes: records.get(range)?, header, last_offset })
    })
}

/// Who writes a batch: the id and the epoch that InitProducerId gave; with no producer, both are −1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Producer {
    /// The producer id.
    pub id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// The sequence of the batch's first record; −1 without a producer.
    pub sequence: i32,
}

/// A batch of one record as a producer sends it: `record` is compressed by the codec of that number;
/// `timestamp` is in milliseconds.
pub fn single_record(codec: i16, record: &[u8], timestamp: i64, producer: Producer) -> Vec<u8> {
    let length = HEADER_BYTES - 12 + record.len();
    let mut header = Header {
        base_offset: 0,
        batch_length: i32::try_from(length).unwrap_or(i32::MAX),
        partition_leader_epoch: -1,
        magic: 2,
        crc: 0,
        attributes: codec & CODEC,
        last_offset_delta: 0,
        base_timestamp: timestamp,
        max_timestamp: timestamp,
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        base_sequence: producer.sequence,
        record_count: 1,
    };
    let head = header.encode();
    header.crc = crc32c::crc32c_append(head.get(GUARDED_AT..).map_or(0, crc32c::crc32c), record);
    let mut bytes = Vec::with_capacity(HEADER_BYTES + record.len());
    bytes.put_slice(&header.encode());
    bytes.put_slice(record);
    bytes
}

/// The batch in `lane`, as the filter sends it to brokers; `None` if the filter would refuse it.
pub fn tagged(batch: &[u8], lane: Lane) -> Option<Vec<u8>> {
    let header = batch::single_batch(batch).ok()?;
    let records = batch.get(HEADER_BYTES..)?;
    match batch::tag(&header, records.len(), lane).ok()? {
        Some(head) => Some([head.as_slice(), records].concat()),
        None => Some(batch.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Producer = Producer { id: -1, epoch: -1, sequence: -1 };
    const SOMEBODY: Producer = Producer { id: 1_000, epoch: 3, sequence: 0 };

    #[test]
    fn what_is_tagged_is_read_back() {
        for producer in [NOBODY, SOMEBODY] {
            for lane in [0, 1, 255, 300] {
                let plain = single_record(4, b"records", 5, producer);
                let bytes = tagged(&plain, Lane(lane)).unwrap();
                let set = [bytes.as_slice(), &plain[..40]].concat();
                let found: Vec<_> = batches(&set).collect();
                let [batch] = found[..] else { panic!("{found:?}") };
                assert_eq!((batch.lane(), batch.codec(), batch.records()), (Some(Lane(lane)), 4, 1));
                assert!(batch.is_intact() && batch.is_same_as(&bytes) && !batch.has_append_time());
                assert_eq!(batch.is_same_as(&plain), lane == 0);
            }
        }
    }

    #[test]
    fn what_brokers_set_makes_no_difference_and_all_else_does() {
        let bytes = tagged(&single_record(0, b"records", 5, NOBODY), Lane(1)).unwrap();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            let Some(batch) = batches(&other).next() else { continue };
            let by_broker = at < 8 || (12..16).contains(&at);
            assert_eq!(batch.is_same_as(&bytes), by_broker, "{at}");
            assert_eq!(batch.is_intact(), by_broker, "{at}");
        }
    }

    #[test]
    fn old_messages_are_lane_0() {
        let old = crate::testing::batches::old_message(7, 1);
        let batch = batches(&old).next().unwrap();
        assert_eq!((batch.lane(), batch.base_offset(), batch.last_offset()), (Some(Lane(0)), 7, 7));
        assert!(!batch.is_same_as(&old));
    }
}
