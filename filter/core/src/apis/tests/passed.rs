//! Requests that nobody reads: whatever they hold, they and their answers are the same on both sides. One
//! line for each API that the table lets pass.

use kafka_protocol::messages::*;
use kafka_protocol::protocol::Request;

use super::{Decision, TABLE};
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{answer, framed, request, shared, MAPPED};

#[test]
fn what_passes_is_the_same_on_both_sides() {
    let tested = [
        passes::<LeaveGroupRequest>(MAPPED),
        passes::<SyncGroupRequest>(MAPPED),
        passes::<DescribeQuorumRequest>(MAPPED),
        passes::<ListTransactionsRequest>(MAPPED),
        passes::<GetTelemetrySubscriptionsRequest>(MAPPED),
        passes::<PushTelemetryRequest>(MAPPED),
        passes::<ListConfigResourcesRequest>(MAPPED),
    ];
    assert_eq!(tested.to_vec(), keys(|decision| matches!(decision, Decision::Pass)), "a line for each, by its key");
}

#[test]
fn what_passes_unmapped_is_the_same_on_both_sides_where_nothing_is_mapped() {
    let tested = [
        passes::<AddPartitionsToTxnRequest>(""),
        passes::<AddOffsetsToTxnRequest>(""),
        passes::<EndTxnRequest>(""),
        passes::<TxnOffsetCommitRequest>(""),
        passes::<DescribeTransactionsRequest>(""),
    ];
    assert_eq!(tested.to_vec(), keys(|decision| matches!(decision, Decision::PassUnmapped)), "a line for each");
}

#[test]
fn nobody_looks_behind_the_head_of_what_passes() {
    for (config, decision) in [(MAPPED, Decision::Pass), ("", Decision::PassUnmapped)] {
        let is_meant = |other: &Decision| std::mem::discriminant(other) == std::mem::discriminant(&decision);
        for line in TABLE.lines.iter().filter(|line| is_meant(&line.decision)) {
            passes_unread(config, line.api.key);
        }
    }
}

/// The API keys with such a decision, as far as the codec knows them.
fn keys(is_meant: impl Fn(&Decision) -> bool) -> Vec<i16> {
    let keys = TABLE.lines.iter().filter(|line| is_meant(&line.decision)).map(|line| line.api.key);
    keys.filter(|key| ApiKey::try_from(*key).is_ok()).collect()
}

/// A request and an answer in every version that is offered, cut at every byte. Gives the API's key.
fn passes<R: Request + Default>(config: &str) -> i16
where
    R::Response: Default,
{
    // Bytes behind the last field are bytes that only a reader would miss.
    let frames = |version| {
        let answered = answer(version, 77, &R::Response::default());
        (longer(request(version, 77, &R::default())), longer(answered))
    };
    check(config, R::KEY, frames)
}

/// As [`passes`], with nothing behind the head that could be read.
fn passes_unread(config: &str, key: i16) -> i16 {
    let frames = |version: i16| {
        let head = [&key.to_be_bytes()[..], &version.to_be_bytes(), &77i32.to_be_bytes()].concat();
        (longer(framed(&head)), longer(framed(&77i32.to_be_bytes())))
    };
    check(config, key, frames)
}

fn check(config: &str, key: i16, frames: impl Fn(i16) -> (Vec<u8>, Vec<u8>)) -> i16 {
    let api = TABLE.apis.find(key).unwrap();
    for version in api.version_min..=api.version_max {
        let (asked, answered) = frames(version);
        for feeding in [Feeding::Handed, Feeding::Passing] {
            for size in 1..=asked.len().max(answered.len()) {
                let mut proxy = Proxy::new(&shared(config), feeding, None);
                asked.chunks(size).for_each(|bytes| proxy.client(bytes));
                assert_eq!(proxy.up, asked, "{} v{version}, {size} bytes at a time", api.name);
                answered.chunks(size).for_each(|bytes| proxy.broker(bytes));
                assert_eq!(proxy.down, answered, "{} v{version}, {size} bytes at a time", api.name);
                assert!(proxy.is_idle() && !proxy.closed);
            }
        }
    }
    key
}

/// The frame with some bytes behind its message.
fn longer(mut frame: Vec<u8>) -> Vec<u8> {
    frame.extend(*b"more");
    let length = (frame.len() as i32 - 4).to_be_bytes();
    frame[..4].copy_from_slice(&length);
    frame
}
