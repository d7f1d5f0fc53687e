//! Headers are checked against hand-made bytes, CRCs against a full recompute, and the iterator against
//! hostile bytes.
use super::*;
use proptest::prelude::*;

fn header() -> Header {
    Header {
        base_offset: 0x0102_0304_0506_0708,
        batch_length: 49,
        partition_leader_epoch: 9,
        magic: 2,
        crc: 0xdead_beef,
        attributes: 0,
        last_offset_delta: 2,
        base_timestamp: 1_700_000_000_000,
        max_timestamp: 1_700_000_000_001,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        record_count: 3,
    }
}

/// A batch with a right length and CRC.
fn batch(header: Header, tail: &[u8]) -> Vec<u8> {
    let batch_length = 49 + tail.len() as i32;
    let mut bytes = [&Header { batch_length, ..header }.encode(), tail].concat();
    let crc = crc32c::crc32c(&bytes[GUARDED_AT..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn assert_crc(batch: &[u8]) {
    assert_eq!(Header::parse(batch).unwrap().crc, crc32c::crc32c(&batch[GUARDED_AT..]));
}

fn tagged(batch: &[u8], lane: u32) -> Vec<u8> {
    let head = tag(&single_batch(batch).unwrap(), batch.len() - HEADER_BYTES, Lane(lane)).unwrap();
    head.map_or(batch.to_vec(), |head| [&head, &batch[HEADER_BYTES..]].concat())
}

fn old_message(offset: i64, magic: u8, body: usize) -> Vec<u8> {
    let mut bytes = [&offset.to_be_bytes()[..], &(body as i32).to_be_bytes(), &[0; 4], &[magic]].concat();
    bytes.resize(PREFIX_BYTES + body, 0);
    bytes
}

#[test]
fn header_lies_on_the_wire_as_the_protocol_guide_says() {
    let bytes = header().encode();
    assert_eq!(bytes[..8], [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(bytes[8..12], [0, 0, 0, 49]);
    assert_eq!(bytes[12..17], [0, 0, 0, 9, 2]);
    assert_eq!(bytes[17..21], [0xde, 0xad, 0xbe, 0xef]);
    assert_eq!(bytes[21..27], [0, 0, 0, 0, 0, 2]);
    assert_eq!(bytes[43..57], [0xff; 14]);
    assert_eq!(bytes[57..], [0, 0, 0, 3]);
    assert_eq!(Header::parse(&bytes), Some(header()));
    assert_eq!(Header::parse(&bytes[..60]), None);
}

#[test]
fn length_must_cover_the_header() {
    let total = |batch_length| Header { batch_length, ..header() }.total_bytes();
    assert_eq!(total(49), Ok(61));
    assert_eq!(total(48), Err(BatchError::Length(48)));
    assert_eq!(total(-1), Err(BatchError::Length(-1)));
    assert_eq!(total(i32::MAX), Ok(0x8000_000b));
}

#[test]
fn lanes_by_kind_of_batch() {
    let of = |attributes, producer_id| lane(&Header { attributes, producer_id, ..header() });
    let is = |lane| Whose::Lane(Lane(lane));
    assert_eq!(of(0, -1), is(0));
    assert_eq!(of(0, -2), is(0)); // nobody writes it; lane 1 starts at -3
    assert_eq!(of(0, -3), is(1));
    assert_eq!(of(0, 7), is(0));
    assert_eq!(of(0, 7 | 5 << 40), is(5));
    assert_eq!(of(0, i64::MAX), is((1 << 23) - 1));
    assert_eq!(of(0, i64::MIN), is(u32::MAX)); // nobody's
    assert_eq!(of(TRANSACTIONAL, 7), is(0));
    assert_eq!(of(TRANSACTIONAL | 3 << 8, 7), is(3));
    assert_eq!(of(TRANSACTIONAL | (0xff00_u16 as i16), 7), is(255));
    assert_eq!(of(TRANSACTIONAL | CONTROL, 7), Whose::EverySibling);
    assert_eq!(of(CONTROL, -3), Whose::EverySibling);
}

#[test]
fn plain_batch_of_a_lane() {
    let header = single_batch(&tagged(&batch(header(), b"records"), 4)).unwrap();
    assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (-6, 0, 0));
}

#[test]
fn idempotent_batch_keeps_epoch_and_sequence() {
    let plain = Header { producer_id: 77, producer_epoch: 3, base_sequence: 12, ..header() };
    let header = single_batch(&tagged(&batch(plain, b"records"), 4)).unwrap();
    assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (77 | 4 << 40, 3, 12));
}

#[test]
fn what_a_client_must_not_send() {
    let refused = |attributes, producer_id, lane| {
        tag(&Header { attributes, producer_id, ..header() }, 10, Lane(lane)).unwrap_err()
    };
    for lane in [0, 1] {
        assert_eq!(refused(0, -2, lane), TagError::ClientTagged);
        assert_eq!(refused(0, i64::MIN, lane), TagError::ClientTagged);
        assert_eq!(refused(0, 1 << 40, lane), TagError::ClientTagged);
        assert_eq!(refused(0x100, -1, lane), TagError::ClientTagged);
        assert_eq!(refused(TRANSACTIONAL | i16::MIN, 1, lane), TagError::ClientTagged);
        assert_eq!(refused(CONTROL, 1, lane), TagError::Control);
        assert_eq!(refused(TRANSACTIONAL, 1, lane), TagError::Transactional);
    }
    assert_eq!(refused(0, -1, 1 << 23), TagError::LaneTooLarge);
    assert_eq!(refused(0, 5, u32::MAX), TagError::LaneTooLarge);
}

#[test]
fn one_batch_fills_the_slice() {
    let one = batch(header(), b"records");
    assert_eq!(single_batch(&one).map(|header| header.batch_length), Ok(56));
    assert_eq!(single_batch(&[]), Err(BatchError::Empty));
    for end in 1..one.len() {
        assert_eq!(single_batch(&one[..end]), Err(BatchError::Truncated), "{end} bytes");
    }
    assert_eq!(single_batch(&[&one[..], &one].concat()), Err(BatchError::TwoBatches));
    assert_eq!(single_batch(&[&one[..], b"x"].concat()), Err(BatchError::TwoBatches));
    assert_eq!(single_batch(&old_message(0, 1, 40)), Err(BatchError::OldMagic(1)));
    assert_eq!(single_batch(&old_message(0, 0, 14)), Err(BatchError::OldMagic(0)));
    assert_eq!(single_batch(&old_message(0, 255, 70)), Err(BatchError::UnknownMagic(-1)));
    let short = Header { batch_length: 48, ..header() };
    assert_eq!(single_batch(&short.encode()), Err(BatchError::Length(48)));
}

#[test]
fn a_fetched_set_cut_anywhere() {
    let first = batch(Header { base_offset: 40, ..header() }, b"some records");
    let old = old_message(43, 1, 30);
    let last = batch(Header { base_offset: 44, producer_id: -3, ..header() }, b"x");
    let set = [&first[..], &old, &last].concat();
    let ends = [first.len(), first.len() + old.len(), set.len()];
    for cut in 0..=set.len() {
        let mut batches = Batches::new(&set[..cut]);
        let entries: Vec<_> = batches.by_ref().collect();
        let whole = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(entries.len(), whole, "cut at {cut}");
        assert_eq!(batches.position(), if whole == 0 { 0 } else { ends[whole - 1] });
        if whole == 3 {
            let parsed = |at: usize| Header::parse(&set[at..]).unwrap();
            assert_eq!(entries[0], Entry::Batch { range: 0..ends[0], header: parsed(0) });
            assert_eq!(entries[1], Entry::Old { range: ends[0]..ends[1], last_offset: 43 });
            assert_eq!(entries[2], Entry::Batch { range: ends[1]..ends[2], header: parsed(ends[1]) });
            assert_eq!(parsed(0).last_offset(), 42);
        }
    }
}

#[test]
fn lengths_that_lie_end_the_set() {
    for (magic, length) in [(2, 48), (2, 0), (2, -1), (2, i32::MIN), (2, i32::MAX), (0, 13), (1, 0), (3, 60)] {
        let mut bytes = batch(Header { magic, ..header() }, &[0; 40]);
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        assert_eq!(Batches::new(&bytes).next(), None, "magic {magic}, length {length}");
    }
}

#[test]
fn filler_is_one_commit_marker() {
    let bytes = filler(99, 7, 1_700_000_000_000);
    let header = single_batch(&bytes).unwrap();
    assert_crc(&bytes);
    assert!(header.is_control() && header.is_transactional());
    assert_eq!((header.base_offset, header.last_offset(), header.record_count), (99, 99, 1));
    assert_eq!((header.partition_leader_epoch, header.attributes), (7, 0x30));
    assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (1 << 62, 0, -1));
    assert_eq!(bytes[HEADER_BYTES..], [0x20, 0, 0, 0, 8, 0, 0, 0, 1, 12, 0, 0, 0, 0, 0, 0, 0]);
}

prop_compose! {
    fn any_header()(
        (base_offset, batch_length, partition_leader_epoch, magic, crc) in any::<(i64, i32, i32, i8, u32)>(),
        (attributes, last_offset_delta, base_timestamp, max_timestamp) in any::<(i16, i32, i64, i64)>(),
        (producer_id, producer_epoch, base_sequence, record_count) in any::<(i64, i16, i32, i32)>(),
    ) -> Header {
        Header {
            base_offset, batch_length, partition_leader_epoch, magic, crc, attributes, last_offset_delta,
            base_timestamp, max_timestamp, producer_id, producer_epoch, base_sequence, record_count,
        }
    }
}

proptest! {
    #[test]
    fn headers_round_trip(header in any_header()) {
        prop_assert_eq!(Header::parse(&header.encode()), Some(header));
        header.last_offset();
        lane(&header);
    }

    #[test]
    fn a_tag_reads_back_and_keeps_the_crc(
        any in any_header(),
        producer_id in prop_oneof![Just(-1_i64), 0..1_i64 << 40],
        compression in 0..=4_i16,
        lane_written in prop_oneof![0..300_u32, 0..1_u32 << 23],
        tail in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let bytes = batch(Header { magic: 2, producer_id, attributes: compression, ..any }, &tail);
        let tagged = tagged(&bytes, lane_written);
        assert_crc(&tagged);
        let header = single_batch(&tagged).unwrap();
        prop_assert_eq!(lane(&header), Whose::Lane(Lane(lane_written)));
        prop_assert_eq!(&tagged[..17], &bytes[..17]);
        prop_assert_eq!(&tagged[21..43], &bytes[21..43]);
        prop_assert_eq!(&tagged[57..], &bytes[57..]);
        prop_assert_eq!(tagged == bytes, lane_written == 0);
    }

    /// A batch that was damaged before it came here must not leave with a CRC that blesses the damage.
    #[test]
    fn a_wrong_crc_stays_wrong(
        tail in proptest::collection::vec(any::<u8>(), 1..100), at in any::<prop::sample::Index>(), lane in 0..99_u32,
    ) {
        let mut bytes = batch(header(), &tail);
        let at = HEADER_BYTES + at.index(tail.len());
        bytes[at] ^= 0x40;
        let tagged = tagged(&bytes, lane);
        prop_assert_ne!(Header::parse(&tagged).unwrap().crc, crc32c::crc32c(&tagged[GUARDED_AT..]));
    }

    #[test]
    fn hostile_bytes_end_and_never_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..400), length in 0..80_i32, magic in 0..4_u8,
    ) {
        for plausible in [false, true] {
            if let (true, Some(prefix)) = (plausible, bytes.get_mut(8..17)) {
                prefix[..4].copy_from_slice(&length.to_be_bytes());
                prefix[8] = magic;
            }
            let _ = single_batch(&bytes);
            let mut position = 0;
            for entry in Batches::new(&bytes) {
                let (Entry::Batch { range, .. } | Entry::Old { range, .. }) = entry;
                prop_assert_eq!(range.start, position);
                prop_assert!(range.end > range.start && range.end <= bytes.len());
                position = range.end;
            }
        }
    }
}
