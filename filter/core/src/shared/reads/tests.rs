//! Who is rung, what is kept, and the bounds of both.

use bytes::Bytes;
use kafka_protocol::messages::fetch_response::PartitionData;

use super::*;
use crate::remapper::Lane;
use crate::testing::batches::{batch_of, plain};
use crate::testing::topic;
use crate::wire::batch::Header;

const SECOND: i64 = 1_000;

fn key(partition: i32) -> LogKey {
    LogKey { broker: "b".into(), topic: topic("t"), partition, is_committed: false }
}

fn reads() -> Rc<Reads> {
    Reads::new(limits::WORKER_BYTES_DEFAULT)
}

/// One record of `bytes` bytes at this offset.
fn segment(offset: i64, bytes: usize, now: Millis) -> Segment {
    let entry = batch_of(Header { base_offset: offset, ..plain() }, &["x".repeat(bytes).as_str()]);
    let data = PartitionData::default().with_high_watermark(SECOND).with_records(Some(entry));
    Segment::new(offset, data, now, now).unwrap()
}

fn wish(partition: i32, offset: i64, lane: u32) -> Wish {
    Wish { key: key(partition), offset, lanes: [Lane(lane)].into() }
}

/// A visit at an offset.
fn at(connection: u32, at: i64) -> Visit {
    Visit { connection, at, min_bytes: 1, max_wait_ms: 500 }
}

fn rung(reads: &Reads) -> Vec<u32> {
    std::iter::from_fn(|| reads.next_rung()).collect()
}

#[test]
fn a_segment_is_the_whole_entries_of_an_answer() {
    let entry = |offset| batch_of(Header { base_offset: offset, ..plain() }, &["a", "b"]);
    let records = |parts: &[&[u8]]| PartitionData::default().with_records(Some(Bytes::from(parts.concat())));
    let whole = Segment::new(4, records(&[&entry(3), &entry(5), &entry(7)[..70]]), 0, 0).unwrap();
    assert_eq!((whole.start, whole.end, whole.records().len()), (4, 7, 2 * entry(3).len()));
    assert_eq!(whole.mark, crate::shared::skips::Mark::of(&entry(5)));
    assert!(whole.concerns(&[Lane(0)]) && !whole.concerns(&[Lane(1)]));
    assert_eq!((whole.bytes_for(&[Lane(0), Lane(1)]), whole.bytes_for(&[Lane(1)])), (2 * entry(3).len(), 0));
    assert_eq!(whole.items_for(&[Lane(0)]).map(|(at, item)| (at, item.next)).collect::<Vec<_>>(), [(0, 5), (1, 7)]);
    for nothing in [records(&[]), records(&[&entry(3)[..70]]), records(&[&entry(2)]), PartitionData::default()] {
        assert!(Segment::new(4, nothing, 0, 0).is_none());
    }
}

#[test]
fn the_store_keeps_what_was_read_last() {
    let reads = reads();
    reads.visit(&key(0), at(1, 0), 0);
    let bytes = 1 << 20;
    for offset in 0..200 {
        reads.begin(&key(0), 9, offset, 1, (0, 100)).land(segment(offset, bytes, 0));
        assert!(reads.state.borrow().stored_bytes <= limits::SHARED_BYTES_MAX);
    }
    let first = (0..200).find(|offset| reads.find(&key(0), *offset, 0).is_some()).unwrap();
    assert!((200 - 64..200 - 55).contains(&first), "{first}");
    assert!((first..200).all(|offset| reads.find(&key(0), offset, 0).is_some_and(|found| found.start == offset)));
    assert!(reads.find(&key(0), 199, limits::SHARED_MS_MAX).is_none() && reads.find(&key(1), 199, 0).is_none());
    reads.forget(&key(0));
    assert!(reads.find(&key(0), 199, 0).is_none());
    reads.tick(1, true);
    assert_eq!((reads.state.borrow().stored_bytes, reads.has_work()), (0, false), "where memory is short, it goes");
}

#[test]
fn what_a_log_that_was_cut_cannot_have_is_forgotten() {
    let reads = reads();
    reads.visit(&key(0), at(1, 0), 0);
    reads.begin(&key(0), 9, 5, 1, (0, 100)).land(segment(5, 10, 0));
    let entry = batch_of(Header { base_offset: 3, ..plain() }, &["a"]);
    let cut = PartitionData::default().with_high_watermark(4).with_records(Some(entry));
    reads.begin(&key(0), 9, 3, 1, (0, 100)).land(Segment::new(3, cut, 0, 0).unwrap());
    assert!(reads.find(&key(0), 3, 0).is_some() && reads.find(&key(0), 5, 0).is_none());
}

#[test]
fn logs_readers_and_who_waits_are_bounded() {
    let reads = reads();
    let last = limits::SHARED_LOGS_MAX as i32;
    (0..last).for_each(|partition| assert_eq!(reads.visit(&key(partition), at(1, 0), 0), 1));
    assert_eq!((reads.visit(&key(last), at(1, 0), 0), reads.visit(&key(0), at(1, 0), 0)), (0, 1));
    for connection in 2..1_000 {
        assert_eq!(reads.visit(&key(0), at(connection, 0), 0), limits::SHARED_READERS_MAX.min(connection as usize));
    }
    let waiting: Vec<Parked> =
        (0..limits::SHARED_PARKED_MAX as u32).filter_map(|id| reads.park(id, 0, 9, vec![wish(0, 0, 0)])).collect();
    assert_eq!(waiting.len(), limits::SHARED_PARKED_MAX);
    assert!(reads.park(1 << 20, 0, 9, vec![wish(0, 0, 0)]).is_none());
    drop(waiting);
    assert!(!reads.has_work());
    reads.tick(limits::SHARED_READER_MS, false);
    assert!(reads.state.borrow().logs.is_empty());
}

#[test]
fn whoever_waits_longest_reads_where_nobody_does() {
    let reads = reads();
    reads.visit(&key(0), at(1, 0), 0);
    let flight = reads.begin(&key(0), 9, 5, 1, (0, 100));
    let [one, two, three] = [(1, 5, 30), (2, 5, 50), (3, 5, 40)]
        .map(|(connection, offset, until)| reads.park(connection, 0, until, vec![wish(0, offset, 1)]).unwrap());
    assert!(rung(&reads).is_empty());
    // Nothing of lane 1 came: all of them move on, and one of them reads.
    flight.land(segment(5, 10, 0));
    assert_eq!(rung(&reads), [2]);
    let (news, is_alone) = two.end();
    assert_eq!((news[0].passed.map(|passed| passed.end), news[0].found.is_some(), is_alone), (Some(6), false, false));
    let next = reads.begin(&key(0), 9, 6, 1, (0, 100));
    assert!(rung(&reads).is_empty());
    drop(next);
    assert_eq!(rung(&reads), [3]);
    drop(three);
    assert_eq!(rung(&reads), [1]);
    drop(one);
    assert!(rung(&reads).is_empty());
}

#[test]
fn nobody_reads_alone_while_another_reader_is_there() {
    let reads = reads();
    reads.visit(&key(0), at(1, 0), 0);
    let (one, two) = (reads.begin(&key(0), 9, 5, 1, (0, 100)), reads.begin(&key(0), 9, 5, 1, (0, 200)));
    let parked = reads.park(3, 0, 1_000, vec![wish(0, 5, 1)]).unwrap();
    one.fail(true);
    reads.tick(100, false);
    assert!(rung(&reads).is_empty());
    reads.tick(200, false);
    assert_eq!(rung(&reads), [3]);
    assert!(parked.end().1);
    two.land(segment(5, 10, 0));
}

#[test]
fn who_is_slow_costs_who_is_fast_a_tenth_of_its_pace() {
    let reads = reads();
    [(1, 8), (2, 0)].into_iter().for_each(|(connection, offset)| {
        reads.visit(&key(0), at(connection, offset), 0);
    });
    (0..8).for_each(|offset| reads.begin(&key(0), 9, offset, 1, (0, 100)).land(segment(offset, 1 << 20, 0)));
    assert!(reads.is_ahead(&key(0), 1, 8, 0) && !reads.is_ahead(&key(0), 1, 3, 0) && !reads.is_ahead(&key(0), 2, 0, 0));
    // At the end of a log nobody waits.
    let end = PartitionData::default().with_high_watermark(9).with_records(segment(8, 10, 0).data.records);
    reads.begin(&key(0), 9, 8, 1, (0, 100)).land(Segment::new(8, end, 0, 0).unwrap());
    assert!(!reads.is_ahead(&key(0), 1, 9, 0));
    let hold = reads.hold(&key(0), 1, 8, (0, 50));
    assert!(reads.is_read_at(&key(0), 8, 1, 0), "others who stand there wait with it");
    let _parked = reads.park(1, 0, 50, vec![wish(0, 8, 1)]);
    reads.visit(&key(0), at(2, 1), 1);
    assert!(rung(&reads).is_empty());
    reads.visit(&key(0), at(2, 7), 2);
    assert_eq!(rung(&reads), [1], "it has caught up");
    hold.end_hold(2);
    // One that is slow for ever.
    let mut waited = 0;
    for now in 10_000..30_000 {
        reads.visit(&key(0), at(2, 0), now);
        if reads.is_ahead(&key(0), 1, 8, now) {
            reads.hold(&key(0), 1, 8, (now, now + 1)).end_hold(now + 1);
            waited += 1;
        }
    }
    let saved = limits::SHARED_HOLD_SAVED_MS / limits::SHARED_HOLD_COST;
    assert!((1_900..=2_000 + saved + 10).contains(&waited), "{waited} of 20,000 ms");
}

#[test]
fn nobody_waits_for_a_connection_whose_answers_come_late() {
    let reads = reads();
    reads.visit(&key(0), at(1, 5), 0);
    let _late = reads.begin(&key(0), 1, 5, 1, (0, 100));
    let [_one, _two] =
        [(1, 900), (2, 500)].map(|(connection, until)| reads.park(connection, 0, until, vec![wish(0, 5, 1)]));
    assert!(reads.is_read_at(&key(0), 5, 1, 0));
    reads.tick(100, false);
    assert_eq!(rung(&reads), [1, 2], "both read for themselves");
    drop(reads.begin(&key(0), 1, 5, 1, (100, 900)));
    assert_eq!(rung(&reads), [2], "although the other one would wait longer");
    let _again = reads.begin(&key(0), 1, 5, 1, (100, 900));
    assert!(!reads.is_read_at(&key(0), 5, 1, 100));
    reads.tick(100 + limits::SHARED_SLOW_MS, false);
    reads.visit(&key(0), at(1, 5), 30_000);
    let _later = reads.begin(&key(0), 1, 5, 1, (30_000, 31_000));
    assert!(reads.is_read_at(&key(0), 5, 1, 30_000));
}

#[test]
fn pieces_are_of_one_log_where_there_was_no_time_and_no_leader_for_another() {
    let piece = |offset, epoch, asked, landed| {
        let header = Header { base_offset: offset, partition_leader_epoch: epoch, ..plain() };
        let data = PartitionData::default().with_records(Some(batch_of(header, &["a"])));
        Segment::new(offset, data, asked, landed).unwrap()
    };
    let before = piece(0, 3, 100, 105);
    assert!(piece(1, 3, 105, 130).follows(&before));
    assert!(!piece(1, 3, 105, 131).follows(&before) && !piece(1, 4, 105, 110).follows(&before));
    assert!(before.is_new_to(130) && !before.is_new_to(131));
}
