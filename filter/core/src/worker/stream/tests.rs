//! A stream between buffers that behave as Envoy's do.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use kafka_protocol::messages::*;

use super::*;
use crate::connection::Opening;
use crate::limits;
use crate::testing::envoy::Envoy;
use crate::testing::proxy::Recorder;
use crate::testing::{answer, request, shared, shared_with, take_frames, text, topic, Seen, MAPPED};
use crate::Shared;

const ID: u32 = 1;

struct Play {
    envoy: Envoy,
    stream: Stream,
    effects: Recorder,
}

impl Play {
    fn new(shared: &Rc<Shared>) -> Self {
        let connection = Connection::new(Rc::clone(shared), Opening::default());
        Self { envoy: Envoy::default(), stream: Stream::new(connection), effects: Recorder::default() }
    }

    fn client(&mut self, bytes: &[u8], ends: bool) {
        let (envoy, stream, effects) = (&self.envoy, &mut self.stream, &mut self.effects);
        envoy.client(ID, bytes, ends, |len, ends| stream.client_data(envoy, effects, len, ends));
    }

    fn broker(&mut self, bytes: &[u8]) {
        let (envoy, stream, effects) = (&self.envoy, &mut self.stream, &mut self.effects);
        envoy.broker(ID, bytes, |len| stream.broker_data(envoy, effects, len));
    }

    fn resume(&mut self) {
        let (envoy, stream, effects) = (&self.envoy, &mut self.stream, &mut self.effects);
        envoy.timer(|| stream.resume(envoy, effects));
    }

    fn send_delayed(&mut self) {
        let (envoy, stream, effects) = (&self.envoy, &mut self.stream, &mut self.effects);
        let (bytes, _) = effects.delayed.pop().unwrap();
        envoy.timer(|| stream.send(envoy, effects, bytes));
    }

    /// What reached the broker since this was asked last.
    fn up(&self) -> Vec<Seen> {
        take_frames(&mut self.envoy.take(ID, Side::Client)).iter().map(Seen::parse).collect()
    }

    fn keys(&self) -> Vec<i16> {
        self.up().iter().map(|seen| seen.key).collect()
    }

    fn answers(&self) -> usize {
        take_frames(&mut self.envoy.take(ID, Side::Broker)).len()
    }
}

fn heartbeat(correlation_id: i32) -> Vec<u8> {
    request(4, correlation_id, &HeartbeatRequest::default().with_group_id(GroupId(text("g"))))
}

/// A request that is a barrier: what is behind it waits for its answer.
fn commit(correlation_id: i32) -> Vec<u8> {
    use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
    let partition = OffsetCommitRequestPartition::default().with_partition_index(2).with_committed_offset(5);
    let named = OffsetCommitRequestTopic::default().with_name(topic("t")).with_partitions(vec![partition]);
    let message = OffsetCommitRequest::default().with_group_id(GroupId(text("g"))).with_topics(vec![named]);
    request(8, correlation_id, &message.with_generation_id_or_member_epoch(3).with_member_id(text("m")))
}

/// Nothing that passes is handed in: each piece costs a look at a frame's head at most.
#[test]
fn bytes_that_pass_stay_in_the_host_s_buffer() {
    let mut play = Play::new(&shared(MAPPED));
    play.client(&heartbeat(1), false);
    play.broker(&answer(4, 1, &HeartbeatResponse::default()));
    play.up();
    let before = (play.envoy.read_bytes.get(), play.envoy.writes.get());
    // A frame of a megabyte to a topic that is not mapped, in pieces of 16 KiB.
    use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
    let data = PartitionProduceData::default().with_records(Some(vec![7; 1 << 20].into()));
    let data = TopicProduceData::default().with_name(topic("u")).with_partition_data(vec![data]);
    let frame = request(9, 2, &ProduceRequest::default().with_acks(-1).with_topic_data(vec![data]));
    let mut up = vec![];
    for piece in frame.chunks(16 << 10) {
        play.client(piece, false);
        up.extend(play.envoy.take(ID, Side::Client));
        assert_eq!(play.envoy.held(ID), 0);
    }
    assert!(up == frame, "byte for byte");
    let read = play.envoy.read_bytes.get() - before.0;
    assert!(read <= WINDOW_BYTES, "{read} bytes were read");
    assert_eq!(play.envoy.writes.get(), before.1, "and none written");
}

/// What is rewritten crosses into the core once, and out once.
#[test]
fn bytes_that_are_rewritten_are_read_once_and_written_once() {
    let mut play = Play::new(&shared(MAPPED));
    play.client(&heartbeat(1), false);
    play.broker(&answer(4, 1, &HeartbeatResponse::default()));
    play.up();
    let (before, writes) = (play.envoy.read_bytes.get(), play.envoy.writes.get());
    let frame = commit(2);
    play.client(&frame, false);
    assert!(play.envoy.read_bytes.get() - before <= frame.len() + WINDOW_BYTES);
    assert_eq!(play.envoy.writes.get() - writes, play.up().len(), "a piece for each request");
}

/// Chunks of a frame that has to be whole are read to where they belong; only those of the first one are
/// copied again.
#[test]
fn a_frame_in_many_chunks_is_put_together_where_it_is_read() {
    let mut play = Play::new(&shared(MAPPED));
    play.client(&heartbeat(1), false);
    play.broker(&answer(4, 1, &HeartbeatResponse::default()));
    play.up();
    use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
    let records = crate::testing::batches::batch(&[&"x".repeat(300_000)]);
    let data = PartitionProduceData::default().with_index(2).with_records(Some(records.clone()));
    let data = TopicProduceData::default().with_name(topic("t")).with_partition_data(vec![data]);
    let frame = request(9, 2, &ProduceRequest::default().with_acks(-1).with_topic_data(vec![data]));
    let behind = heartbeat(3);
    for cut in [1, 5, 40, 600, 20_000] {
        let (read, placed) = (play.envoy.read_bytes.get(), play.envoy.placed_bytes.get());
        let pieces = [&frame[..cut], &frame[cut..150_000], &[&frame[150_000..], &behind[..]].concat()];
        pieces.iter().for_each(|piece| play.client(piece, false));
        let up = play.up();
        assert_eq!(up.iter().map(|seen| seen.key).collect::<Vec<_>>(), [0, 12], "cut at {cut}");
        let sent: ProduceRequest = up[0].message();
        let sent = sent.topic_data[0].partition_data[0].records.clone().unwrap();
        assert_eq!(sent[61..], records[61..]);
        let placed = play.envoy.placed_bytes.get() - placed;
        let first = if cut < WINDOW_BYTES { 150_000 } else { cut };
        assert_eq!(placed, frame.len() - first, "cut at {cut}");
        // Each byte is read once, but for the windows.
        let read = play.envoy.read_bytes.get() - read;
        assert!(read <= frame.len() + behind.len() + 2 * WINDOW_BYTES, "cut at {cut}: {read}");
    }
}

#[test]
fn what_is_behind_a_barrier_is_left_in_the_buffer_until_the_answer() {
    let mut play = Play::new(&shared(MAPPED));
    play.client(&commit(1), false);
    let first = play.up();
    assert!(!first.is_empty(), "the question that comes first");
    play.client(&heartbeat(2), false);
    play.client(&heartbeat(3), false);
    assert_eq!((play.envoy.held(ID), play.keys()), (2 * heartbeat(2).len(), vec![]));
    assert!(!play.effects.waits_for_room, "an answer will come, and no tick is needed");
    // Whatever the broker answers, in as many rounds as it takes.
    let (mut asked, mut rest) = (first, vec![]);
    while rest.is_empty() {
        for seen in std::mem::take(&mut asked) {
            play.broker(&reply(&seen));
        }
        for seen in play.up() {
            if seen.key == 12 && seen.correlation_id > 1 {
                rest.push(seen.correlation_id);
            } else {
                asked.push(seen);
            }
        }
        assert!(!asked.is_empty() || !rest.is_empty(), "the stream stands still");
    }
    assert_eq!((rest, play.envoy.held(ID), play.effects.closed), (vec![2, 3], 0, false));
}

fn reply(seen: &Seen) -> Vec<u8> {
    match seen.key {
        8 => {
            use kafka_protocol::messages::offset_commit_response::*;
            let asked: OffsetCommitRequest = seen.message();
            let topics = asked.topics.iter().map(|named| {
                let partition = |index| OffsetCommitResponsePartition::default().with_partition_index(index);
                let partitions = named.partitions.iter().map(|asked| partition(asked.partition_index)).collect();
                OffsetCommitResponseTopic::default().with_name(named.name.clone()).with_partitions(partitions)
            });
            seen.answer(&OffsetCommitResponse::default().with_topics(topics.collect()))
        }
        12 => seen.answer(&HeartbeatResponse::default()),
        15 => {
            use kafka_protocol::messages::describe_groups_response::DescribedGroup;
            let group = DescribedGroup::default().with_group_id(GroupId(text("g"))).with_group_state(text("Stable"));
            seen.answer(&DescribeGroupsResponse::default().with_groups(vec![group]))
        }
        18 => seen.answer(&ApiVersionsResponse::default()),
        key => panic!("nobody asks for {key} here"),
    }
}

#[test]
fn a_half_close_goes_up_behind_the_last_request() {
    let mut play = Play::new(&shared(MAPPED));
    play.client(&heartbeat(1), false);
    assert_eq!((play.keys(), play.envoy.end_at_broker(ID)), (vec![12], false));
    play.client(&heartbeat(2), true);
    assert_eq!((play.keys(), play.envoy.end_at_broker(ID)), (vec![12], true));
    for id in [1, 2] {
        play.broker(&answer(4, id, &HeartbeatResponse::default()));
    }
    assert_eq!((play.answers(), play.effects.closed), (2, false), "answers still come");
}

#[test]
fn a_half_close_of_its_own_goes_up_at_once() {
    let mut play = Play::new(&shared(MAPPED));
    play.client(&heartbeat(1), false);
    play.client(&[], true);
    assert!(play.envoy.end_at_broker(ID) && !play.effects.closed);
}

/// A request that is cut off by its client's end goes nowhere, and nobody else would close.
#[test]
fn a_client_that_ends_before_anything_went_up_is_closed() {
    for bytes in [vec![], commit(1)[..20].to_vec()] {
        let mut play = Play::new(&shared(MAPPED));
        play.client(&bytes, true);
        assert!(play.effects.closed && play.keys().is_empty() && !play.envoy.end_at_broker(ID), "{bytes:?}");
        // What comes while the connection closes is thrown away.
        play.client(&heartbeat(1), false);
        play.broker(&answer(4, 1, &HeartbeatResponse::default()));
        assert_eq!((play.keys().len(), play.answers(), play.envoy.held(ID)), (0, 0, 0));
    }
}

/// The end would go with whatever is sent first, so what a barrier still has to send must be that.
#[test]
fn a_half_close_behind_a_barrier_waits_for_what_the_barrier_sends_last() {
    let mut play = Play::new(&shared(MAPPED));
    play.client(&commit(1), false);
    let mut asked = VecDeque::from(play.up());
    play.client(&[], true);
    assert!(play.keys().is_empty() && !play.envoy.end_at_broker(ID));
    let mut later = vec![];
    while let Some(seen) = asked.pop_front() {
        assert_eq!(play.envoy.end_at_broker(ID), !later.is_empty());
        play.broker(&reply(&seen));
        let more = play.up();
        later.extend(more.iter().map(|seen| seen.key));
        asked.extend(more);
    }
    assert_eq!((later, play.answers()), (vec![8], 1));
    assert!(play.envoy.end_at_broker(ID) && !play.effects.closed);
}

#[test]
fn bytes_that_lack_room_are_looked_at_again() {
    let live = Rc::new(Cell::new(limits::WORKER_BYTES_DEFAULT));
    let mut play = Play::new(&shared_with(MAPPED, &live));
    play.client(&commit(1), false);
    assert!(play.effects.waits_for_room && play.keys().is_empty());
    assert_eq!(play.envoy.held(ID), commit(1).len());
    play.effects.waits_for_room = false;
    play.resume();
    assert!(play.effects.waits_for_room && play.keys().is_empty(), "it goes on waiting");
    live.set(0);
    play.effects.waits_for_room = false;
    play.resume();
    assert!(!play.effects.waits_for_room && !play.keys().is_empty());
    assert_eq!(play.envoy.held(ID), 0);
}

/// An answer that is made here, and held back: a version of ApiVersions that does not exist is answered at
/// once, a failed login is not.
#[test]
fn what_was_put_off_is_sent_and_what_came_meanwhile_waits_behind_it() {
    let config = r#"{"sasl": {"mechanisms": ["PLAIN"], "users": [{"username": "a", "password": "secret"}]}}"#;
    let login = |token: &'static [u8]| {
        let handshake = request(1, 1, &SaslHandshakeRequest::default().with_mechanism(text("PLAIN")));
        let token = SaslAuthenticateRequest::default().with_auth_bytes(bytes::Bytes::from_static(token));
        [handshake, request(2, 2, &token)].concat()
    };
    let mut play = Play::new(&shared(config));
    play.client(&login(b"\0a\0wrong"), false);
    let carriers = play.up();
    assert_eq!((carriers.len(), play.effects.delayed.len()), (1, 1));
    assert_eq!(play.effects.delayed[0].1, limits::FAILURE_DELAY_MS);
    play.client(&heartbeat(3), false);
    assert!(play.envoy.held(ID) > 0 && play.keys().is_empty());
    play.broker(&reply(&carriers[0]));
    assert_eq!((play.answers(), play.keys().len()), (1, 0));
    play.send_delayed();
    let carriers = play.up();
    assert_eq!((carriers.len(), carriers[0].key, play.envoy.held(ID)), (1, 18, 0));
    play.broker(&reply(&carriers[0]));
    assert_eq!((play.answers(), play.effects.closed), (1, true), "the answer goes before the close");
    assert!(play.keys().is_empty(), "nothing of who did not log in goes up");
    // Where too many wait already, who guesses must not be answered sooner.
    let mut play = Play::new(&shared(config));
    play.effects.is_full = true;
    play.client(&login(b"\0a\0wrong"), false);
    assert!(play.effects.closed && play.effects.delayed.is_empty());
}

#[test]
fn who_is_evicted_or_late_says_so_and_moves_nothing_more() {
    for late in [false, true] {
        let mut play = Play::new(&shared(MAPPED));
        play.client(&commit(1)[..30], false);
        if late {
            assert!(play.stream.expire(&mut play.effects, 30_000));
            assert!(!play.stream.expire(&mut play.effects, 30_000), "once");
        } else {
            play.stream.evict(&mut play.effects);
        }
        assert!(play.effects.actions.iter().any(|action| matches!(action, Action::Warn(_) | Action::Inform(_))));
        assert!(play.stream.holder(ID).is_none() && !play.effects.closed, "the caller closes");
        play.client(&commit(1)[30..], false);
        play.resume();
        assert!(play.keys().is_empty() && play.envoy.held(ID) == 0);
    }
}
