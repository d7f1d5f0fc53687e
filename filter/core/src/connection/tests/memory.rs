//! What a connection takes of the worker's memory, and what it does when there is none.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::*;

use super::{fetch_message, heartbeat, hello, metadata, produce, respond};
use crate::connection::{Connection, Opening};
use crate::error::Blame;
use crate::limits;
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{framed, ignorant_with, request, shared, shared_with, take_frames, text, topic, Seen, MAPPED};

const MIB: usize = 1 << 20;

/// A Produce request to a mapped topic whose record set is `bytes` long, and is none.
fn large_produce(correlation_id: i32, name: &str, bytes: usize) -> Vec<u8> {
    produce_of(correlation_id, name, 2, vec![0; bytes].into())
}

fn produce_of(correlation_id: i32, name: &str, partition: i32, records: Bytes) -> Vec<u8> {
    use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(records));
    let data = TopicProduceData::default().with_name(topic(name)).with_partition_data(vec![data]);
    request(9, correlation_id, &ProduceRequest::default().with_acks(-1).with_topic_data(vec![data]))
}

/// Where the bytes wait: handed in, or in the host's buffer.
fn waits_for_room(proxy: &Proxy) -> bool {
    match proxy.feeding {
        Feeding::Handed => proxy.stream.connection.waits_for_room() && !proxy.stream.connection.wants_client_bytes(),
        Feeding::Passing => proxy.stream.is_holding() && proxy.stream.connection.held_bytes() == 0,
    }
}

#[test]
fn a_frame_that_has_to_be_whole_waits_for_room() {
    for feeding in [Feeding::Handed, Feeding::Passing] {
        let live = Rc::new(Cell::new(512 * MIB - 100));
        let shared = shared_with(MAPPED, &live);
        let mut proxy = Proxy::new(&shared, feeding, None);
        let frame = large_produce(1, "t", 100_000);
        assert!(!proxy.stream.connection.has_room_for(&frame[..16]));
        proxy.client(&frame);
        assert!(waits_for_room(&proxy) && proxy.up.is_empty());
        proxy.retry();
        assert!(waits_for_room(&proxy) && proxy.up.is_empty());
        live.set(0);
        assert!(proxy.stream.connection.has_room_for(&frame[..16]));
        proxy.retry();
        assert!(!waits_for_room(&proxy) && !proxy.up.is_empty(), "the frame was handled");
    }
}

#[test]
fn a_frame_that_can_never_have_room_is_refused() {
    let config = MAPPED.replacen('{', r#"{"limits": {"worker_bytes": 16777216}, "#, 1);
    for (length, closed) in [(8 * MIB, false), (8 * MIB + 1, true), (100 * MIB + 1, true)] {
        let mut proxy = Proxy::new(&shared(&config), Feeding::Passing, None);
        let frame = [&(length as i32).to_be_bytes()[..], &large_produce(1, "t", 1000)[4..]].concat();
        assert!(proxy.stream.connection.has_room_for(&frame));
        proxy.client(&frame);
        assert_eq!((proxy.closed, proxy.blamed(Blame::Client)), (closed, u64::from(closed)), "{length}");
    }
    let proxy = Proxy::new(&shared(&config), Feeding::Passing, None);
    assert!(proxy.stream.connection.has_room_for(b"GET / HTTP/1.1"), "no frame at all");
}

/// It is counted as alive by then, and going on lets it go. Otherwise many that wait for one answer would
/// wait for each other's room.
#[test]
fn a_frame_that_is_there_needs_no_more_room() {
    let live = Rc::new(Cell::new(0));
    let mut proxy = Proxy::new(&ignorant_with(MAPPED, &live), Feeding::Passing, None);
    let records = crate::testing::batches::batch(&[&"x".repeat(300_000)]);
    let frame = produce_of(1, "t", 2, records);
    proxy.client(&frame);
    let question = take_frames(&mut proxy.up);
    assert_eq!(Seen::parse(&question[0]).key, 3, "the topic is asked for first");
    // Others hold all that is left.
    live.set(512 * MIB - frame.len());
    proxy.broker(&respond(&Seen::parse(&question[0])));
    assert_eq!(Seen::parse(&take_frames(&mut proxy.up)[0]).key, 0, "the request goes up");
}

#[test]
fn small_requests_wait_only_while_nothing_is_left() {
    let live = Rc::new(Cell::new(511 * MIB));
    let shared = shared_with(MAPPED, &live);
    let mut proxy = Proxy::new(&shared, Feeding::Passing, None);
    proxy.client(&metadata(9, 1, &["t"]));
    assert_eq!(take_frames(&mut proxy.up).len(), 1);
    live.set(512 * MIB);
    let mut others = [Feeding::Handed, Feeding::Passing].map(|feeding| Proxy::new(&shared, feeding, None));
    for other in &mut others {
        other.client(&metadata(9, 1, &["t"]));
        assert!(waits_for_room(other) && other.up.is_empty());
    }
    // Nothing is put together for what passes.
    let mut passing = Proxy::new(&shared, Feeding::Passing, None);
    passing.client(&[hello(), heartbeat(2)].concat()[hello().len()..]);
    live.set(0);
    for other in &mut others {
        other.retry();
        assert!(!waits_for_room(other) && !other.up.is_empty());
    }
}

#[test]
fn what_is_announced_counts_until_it_is_handled() {
    let live = Rc::new(Cell::new(0));
    let shared = shared_with(r#"{"mapping": {"virtual_partitions": 4, "physical_partitions": 1}}"#, &live);
    let announced = |n: usize| (n as i32).to_be_bytes();
    let head = [&announced(90 * MIB)[..], &large_produce(1, "t", 5000)[4..]].concat();
    let mut holders: Vec<Connection> = (0..4)
        .map(|_| {
            let mut connection = Connection::new(Rc::clone(&shared), Opening::default());
            connection.handle_client_bytes(Bytes::from(head.clone()), 7);
            assert!(connection.wants_client_bytes());
            connection
        })
        .collect();
    let mut fifth = Connection::new(Rc::clone(&shared), Opening::default());
    fifth.handle_client_bytes(Bytes::from(head.clone()), 7);
    assert!(fifth.waits_for_room() && fifth.gathers_since().is_none());
    assert_eq!(holders[0].gathers_since(), Some(7));
    assert_eq!(holders[0].held_bytes(), limits::FRAME_AHEAD_TIMES * head.len());
    // Somebody has to go.
    holders[0].evict();
    assert!(!holders[0].wants_client_bytes() && holders[0].held_bytes() == 0);
    fifth.resume(8);
    assert!(!fifth.waits_for_room());
    drop(holders);
}

/// The frame of a request, and whether it is still in memory.
fn watched(frame: Vec<u8>) -> (Bytes, Arc<AtomicBool>) {
    struct Watched(Vec<u8>, Arc<AtomicBool>);
    impl AsRef<[u8]> for Watched {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Watched {
        fn drop(&mut self) {
            self.1.store(false, Ordering::Relaxed);
        }
    }
    let alive = Arc::new(AtomicBool::new(true));
    (Bytes::from_owner(Watched(frame, Arc::clone(&alive))), alive)
}

#[test]
fn what_waits_for_an_answer_keeps_no_large_frame_alive() {
    let fat_hello = {
        let mut message = ApiVersionsRequest::default().with_client_software_name(text("apache-kafka-java"));
        message.unknown_tagged_fields.insert(9, Bytes::from(vec![1; 100_000]));
        request(3, 1, &message)
    };
    let whole = produce(9, 2, -1, &[("t", 0), ("t", 2), ("u", 1), ("t", 77)]);
    let padded = framed(&[&whole[4..], &[0; 100_000]].concat());
    let fetch = request(12, 3, &fetch_message(&[("t", 0, 0), ("t", 2, 0)]));
    // A small frame at the front of a large chunk.
    let behind = [&fetch[..], &(90_000i32).to_be_bytes(), &[0; 80_000]].concat();
    for (what, frame) in [("ApiVersions", fat_hello), ("Produce", padded), ("Fetch", behind)] {
        let (bytes, alive) = watched(frame);
        let mut connection = Connection::new(shared(MAPPED), Opening::default());
        connection.handle_client_bytes(bytes, 0);
        let mut sent = 0;
        while let Some(action) = connection.poll_action() {
            sent += usize::from(matches!(action, crate::connection::Action::ToBroker(_)));
        }
        assert!(sent > 0, "{what}");
        if what == "Fetch" {
            // The rest of the chunk is the next frame's.
            connection.evict();
        }
        assert!(!alive.load(Ordering::Relaxed), "{what}");
    }
}

#[test]
fn a_client_may_pipeline_so_much_behind_a_barrier() {
    let barrier = request(12, 1, &fetch_message(&[("t", 0, 0), ("t", 2, 0)]));
    for (bytes, closed) in [(limits::PIPELINED_BYTES_MAX, false), (limits::PIPELINED_BYTES_MAX + MIB, true)] {
        let mut proxy = Proxy::new(&shared(MAPPED), Feeding::Handed, None);
        proxy.client(&barrier);
        let one = heartbeat(2);
        let many = one.repeat(bytes / one.len());
        many.chunks(100_000).for_each(|piece| proxy.client(piece));
        assert_eq!(proxy.closed, closed, "{bytes}");
        assert_eq!(proxy.blamed(Blame::Client), u64::from(closed));
    }
    // One long request behind it is none of these.
    let mut proxy = Proxy::new(&shared(MAPPED), Feeding::Handed, None);
    proxy.client(&barrier);
    proxy.client(&large_produce(2, "t", 3 * limits::PIPELINED_BYTES_MAX));
    assert!(!proxy.closed);
}

#[test]
fn strangers_may_not_pipeline() {
    let config = r#"{"sasl": {"mechanisms": ["PLAIN"], "users": [{"username": "a", "password": "b"}]}}"#;
    let one = hello();
    let mut proxy = Proxy::new(&shared(config), Feeding::Passing, None);
    proxy.client(&one.repeat(limits::STRANGER_REQUESTS_MAX));
    assert!(!proxy.closed && take_frames(&mut proxy.up).len() == limits::STRANGER_REQUESTS_MAX);
    proxy.client(&one);
    assert!(proxy.closed);
    assert_eq!(proxy.blamed(Blame::Client), 1);
}

#[test]
fn an_answer_without_room_ends_its_connection() {
    let live = Rc::new(Cell::new(0));
    let mut proxy = Proxy::new(&shared_with(MAPPED, &live), Feeding::Passing, None);
    proxy.client(&metadata(9, 1, &["t"]));
    let answer = respond(&Seen::parse(&take_frames(&mut proxy.up)[0]));
    live.set(1000 * MIB);
    proxy.broker(&answer[..answer.len() - 1]);
    assert!(proxy.closed);
    assert_eq!(proxy.blamed(Blame::Config), 1);
}

#[test]
fn a_fetch_asks_for_its_share() {
    let shared = shared_with(MAPPED, &Rc::new(Cell::new(496 * MIB)));
    let mut proxy = Proxy::new(&shared, Feeding::Passing, None);
    proxy.client(&request(12, 1, &fetch_message(&[("t", 0, 0)]).with_max_bytes(50 << 20)));
    let asked: FetchRequest = Seen::parse(&take_frames(&mut proxy.up)[0]).message();
    assert_eq!(asked.max_bytes, (2 * MIB) as i32);
}
