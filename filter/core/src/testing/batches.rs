//! Record sets as clients write and read them. Reading goes by `kafka-protocol`, which checks the CRC.

use bytes::Bytes;
use kafka_protocol::records::RecordBatchDecoder;

use crate::wire::batch::{Header, HEADER_BYTES};

const GUARDED_AT: usize = 21;

/// A batch of these values, as a producer sends it.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    batch_of(plain(), values)
}

/// The header of a plain batch; lengths, counts and CRC come with its records.
pub(crate) fn plain() -> Header {
    Header {
        base_offset: 0,
        batch_length: 0,
        partition_leader_epoch: 0,
        magic: 2,
        crc: 0,
        attributes: 0,
        last_offset_delta: 0,
        base_timestamp: 1_000,
        max_timestamp: 1_000,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        record_count: 0,
    }
}

/// A batch of these values with this header's kind, producer and base offset.
pub(crate) fn batch_of(header: Header, values: &[&str]) -> Bytes {
    let mut records = vec![];
    for (delta, value) in values.iter().enumerate() {
        let mut record = vec![0, 0];
        put_varint(&mut record, delta as i32);
        put_varint(&mut record, -1);
        put_varint(&mut record, value.len() as i32);
        record.extend_from_slice(value.as_bytes());
        record.push(0);
        put_varint(&mut records, record.len() as i32);
        records.extend(record);
    }
    sealed(header, values.len(), &records)
}

/// An end-of-transaction marker of a broker (KIP-98).
pub(crate) fn marker(base_offset: i64, producer_id: i64, commit: bool) -> Bytes {
    marker_of(Header { base_offset, producer_id, producer_epoch: 0, ..plain() }, commit)
}

/// As [`marker`], with this header's producer, times and base offset.
pub(crate) fn marker_of(header: Header, commit: bool) -> Bytes {
    let record = [32, 0, 0, 0, 8, 0, 0, 0, u8::from(commit), 12, 0, 0, 0, 0, 0, 0, 0];
    sealed(Header { attributes: 0x30, ..header }, 1, &record)
}

/// A message of magic 0 or 1, which had no batches.
pub(crate) fn old_message(offset: i64, magic: u8) -> Bytes {
    let body = [&[0; 4][..], &[magic, 0], &[0; 16]].concat();
    [&offset.to_be_bytes()[..], &(body.len() as i32).to_be_bytes(), &body].concat().into()
}

fn sealed(header: Header, count: usize, records: &[u8]) -> Bytes {
    let header = Header {
        batch_length: (HEADER_BYTES - 12 + records.len()) as i32,
        last_offset_delta: count as i32 - 1,
        record_count: count as i32,
        ..header
    };
    let mut bytes = [&header.encode(), records].concat();
    let crc = crc32c::crc32c(&bytes[GUARDED_AT..]);
    bytes[17..GUARDED_AT].copy_from_slice(&crc.to_be_bytes());
    bytes.into()
}

/// The same batch at another base offset, which lies outside the CRC.
pub(crate) fn at(batch: &[u8], base_offset: i64) -> Bytes {
    [&base_offset.to_be_bytes(), &batch[8..]].concat().into()
}

/// What a consumer gets out of a record set: offset and value of each record, and the position behind it.
pub(crate) fn read(records: &[u8]) -> (Vec<(i64, String)>, Option<i64>) {
    let mut rest = Bytes::copy_from_slice(records);
    let mut seen = vec![];
    let mut position = None;
    for set in RecordBatchDecoder::decode_all(&mut rest).unwrap() {
        for record in set.records {
            position = Some(record.offset + 1);
            if !record.control {
                let value = record.value.unwrap_or_default();
                seen.push((record.offset, String::from_utf8(value.to_vec()).unwrap()));
            }
        }
    }
    (seen, position)
}

/// The offsets of the control batches in a record set.
pub(crate) fn controls(records: &[u8]) -> Vec<i64> {
    let mut rest = Bytes::copy_from_slice(records);
    let sets = RecordBatchDecoder::decode_all(&mut rest).unwrap();
    sets.iter().flat_map(|set| &set.records).filter(|record| record.control).map(|record| record.offset).collect()
}

fn put_varint(out: &mut Vec<u8>, value: i32) {
    let mut zigzag = ((value << 1) ^ (value >> 31)) as u32;
    while zigzag >= 0x80 {
        out.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}
