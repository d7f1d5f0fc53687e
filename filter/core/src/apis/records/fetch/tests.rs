//! One consumer's Fetches through a connection, round by round, against a scripted broker and a virtual
//! clock.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, PartitionData,
};
use kafka_protocol::messages::*;
use kafka_protocol::ResponseError;

mod counts;
mod errors;
mod logs;
mod sessions;
mod sharing;
mod skips;
// The clock is the machine's, which wasm has none of.
#[cfg(not(target_arch = "wasm32"))]
mod work;

use std::rc::Rc;

use super::filler::FILLER_CLIENTS;
use crate::testing::batches::{batch_of, controls, marker, old_message, plain, read};
use crate::testing::broker::Once;
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{read_answer, request, shared, take_frames, text, topic, Seen, MAPPED};
use crate::wire::batch::Header;
use crate::Shared;

const RANGE: i64 = 1 << 20;

/// `MAPPED` maps siblings 0, 2, 4 of `t` to partition 0: lanes 0, 1, 2.
struct Client {
    shared: Rc<Shared>,
    proxy: Proxy,
    version: i16,
}

impl Client {
    fn new(config: &str) -> Self {
        Self::of(&shared(config))
    }

    /// A further connection of a worker.
    fn of(shared: &Rc<Shared>) -> Self {
        Self { shared: Rc::clone(shared), proxy: Proxy::new(shared, Feeding::Passing, None), version: 12 }
    }

    fn named(mut self, software: &str) -> Self {
        let hello = ApiVersionsRequest::default()
            .with_client_software_name(text(software))
            .with_client_software_version(text("1"));
        self.proxy.client(&request(3, 1, &hello));
        let seen = self.up();
        self.proxy.broker(&seen.answer(&ApiVersionsResponse::default()));
        self.proxy.down.clear();
        self
    }

    /// Sends a Fetch; gives the first round.
    fn fetch(&mut self, message: &FetchRequest) -> Seen {
        self.proxy.client(&request(self.version, 9, message));
        self.up()
    }

    /// The one request that went up.
    fn up(&mut self) -> Seen {
        let mut up = take_frames(&mut self.proxy.up);
        assert_eq!(up.len(), 1, "requests that went up");
        Seen::parse(&up.remove(0))
    }

    /// Answers a round; gives the next one.
    fn next(&mut self, round: &Seen, parts: Vec<(&str, PartitionData)>) -> Seen {
        self.reply(round, parts);
        assert!(self.proxy.down.is_empty(), "the client was answered");
        self.up()
    }

    /// Answers the last round; gives the client's answer by partition.
    fn last(&mut self, round: &Seen, parts: Vec<(&str, PartitionData)>) -> BTreeMap<(String, i32), PartitionData> {
        self.reply(round, parts);
        self.told()
    }

    /// The client's answer by partition, once the filter has held it back for a while.
    fn told_later(&mut self) -> BTreeMap<(String, i32), PartitionData> {
        assert!(self.proxy.down.is_empty(), "the client is answered at once");
        let carrier = self.up();
        assert_eq!(carrier.key, 18);
        self.proxy.broker(&carrier.answer(&ApiVersionsResponse::default()));
        self.told()
    }

    fn told(&mut self) -> BTreeMap<(String, i32), PartitionData> {
        assert!(self.proxy.up.is_empty(), "another round goes up");
        let answers = take_frames(&mut self.proxy.down);
        assert_eq!(answers.len(), 1, "{:?}", self.proxy.warnings);
        let (id, answer): (_, FetchResponse) = read_answer(&answers[0], self.version);
        assert_eq!((id, answer.error_code, answer.session_id), (9, 0, 0));
        assert!(self.proxy.is_idle());
        let mut told = BTreeMap::new();
        for topic in answer.responses {
            for data in topic.partitions {
                let key = (topic.topic.to_string(), data.partition_index);
                assert!(told.insert(key, data).is_none(), "a partition is answered twice");
            }
        }
        told
    }

    fn reply(&mut self, round: &Seen, parts: Vec<(&str, PartitionData)>) {
        let topics = parts
            .into_iter()
            .map(|(name, data)| FetchableTopicResponse::default().with_topic(topic(name)).with_partitions(vec![data]));
        self.proxy.broker(&round.answer(&FetchResponse::default().with_responses(topics.collect())));
    }
}

/// A Fetch of these topics, partitions and offsets that waits for 500 ms, for a byte.
fn fetch(parts: &[(&str, i32, i64)]) -> FetchRequest {
    let topics = parts.iter().map(|(name, partition, offset)| {
        let part = FetchPartition::default().with_partition(*partition).with_fetch_offset(*offset);
        FetchTopic::default().with_topic(topic(name)).with_partitions(vec![part.with_partition_max_bytes(1 << 20)])
    });
    FetchRequest::default()
        .with_max_wait_ms(500)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_topics(topics.collect())
}

/// What a round asks for: topic, partition, offset; and how long it waits, ms.
fn asked(seen: &Seen) -> (Vec<(String, i32, i64)>, i32) {
    let message: FetchRequest = seen.message();
    let mut once = Once::default();
    let mut places = vec![];
    for topic in &message.topics {
        for part in &topic.partitions {
            once.name((topic.topic.to_string(), part.partition));
            places.push((topic.topic.to_string(), part.partition, part.fetch_offset));
        }
    }
    assert_eq!(message.session_id, 0);
    assert!(seen.version < 7 || message.session_epoch == -1, "it would open a session");
    (places, message.max_wait_ms)
}

fn place(name: &str, partition: i32, offset: i64) -> (String, i32, i64) {
    (name.to_owned(), partition, offset)
}

fn key(name: &str, partition: i32) -> (String, i32) {
    (name.to_owned(), partition)
}

/// A batch of a lane of plain producers at an offset, with one record per value.
fn lane(lane: i64, base_offset: i64, values: &[&str]) -> Bytes {
    let producer = if lane == 0 { plain() } else { Header { producer_id: -2 - lane, producer_epoch: 0, ..plain() } };
    batch_of(Header { base_offset, partition_leader_epoch: 5, ..producer }, values)
}

/// The broker's answer for a partition; the log ends at 100.
fn data(partition: i32, entries: &[Bytes]) -> PartitionData {
    PartitionData::default()
        .with_partition_index(partition)
        .with_high_watermark(100)
        .with_last_stable_offset(90)
        .with_log_start_offset(0)
        .with_records(Some(entries.concat().into()))
}

fn values(data: &PartitionData) -> Vec<(i64, String)> {
    assert_eq!(data.error_code, 0);
    read(data.records.as_deref().unwrap()).0
}

fn valued(records: &[(i64, &str)]) -> Vec<(i64, String)> {
    records.iter().map(|(offset, value)| (*offset, (*value).to_owned())).collect()
}

#[test]
fn siblings_at_one_position_share_one_entry() {
    for version in 4..=12 {
        let mut client = Client::new(MAPPED);
        client.version = version;
        let round = client.fetch(&fetch(&[("t", 0, 10), ("t", 4, 10), ("t", 1, 3), ("u", 7, 1), ("t", 2, 10)]));
        assert_eq!(asked(&round), (vec![place("t", 0, 10), place("t", 1, 3), place("u", 7, 1)], 500), "v{version}");
        let set = [
            lane(1, 8, &["b8", "b9", "b10"]),
            lane(0, 11, &["a11"]),
            lane(2, 12, &["c12", "c13"]),
            lane(1, 14, &["b14"]),
        ];
        let mut old = data(0, &set);
        let mut other = data(7, &[lane(3, 1, &["u1"])]);
        if version < 5 {
            (old.log_start_offset, other.log_start_offset) = (-1, -1);
        }
        let empty = data(1, &[]).with_log_start_offset(old.log_start_offset);
        let told = client.last(&round, vec![("t", old), ("t", empty), ("u", other.clone())]);
        assert_eq!(told.len(), 5);
        assert_eq!(values(&told[&key("t", 0)]), valued(&[(11, "a11")]));
        assert_eq!(values(&told[&key("t", 2)]), valued(&[(8, "b8"), (9, "b9"), (10, "b10"), (14, "b14")]));
        assert_eq!(values(&told[&key("t", 4)]), valued(&[(12, "c12"), (13, "c13")]));
        assert_eq!(values(&told[&key("t", 1)]), []);
        // Not mapped: nobody looks at whose it is.
        assert_eq!(told[&key("u", 7)], other);
        assert_eq!((told[&key("t", 2)].high_watermark, told[&key("t", 2)].last_stable_offset), (100, 90));
    }
}

#[test]
fn offsets_are_told_in_the_encoding_of_the_topic() {
    let mut client = Client::new(MAPPED);
    let round = client.fetch(&fetch(&[("l", 2, RANGE + 10), ("l", 4, 2 * RANGE + 10), ("l", 0, 10)]));
    assert_eq!(asked(&round).0, [place("l", 0, 10)]);
    let set = [lane(1, 10, &["b"]), lane(2, 11, &["c"]), lane(1, 12, &["b"]), lane(0, 13, &["a"])];
    let told = client.last(&round, vec![("l", data(0, &set))]);
    assert_eq!(values(&told[&key("l", 0)]), valued(&[(13, "a")]));
    assert_eq!(values(&told[&key("l", 2)]), valued(&[(RANGE + 10, "b"), (RANGE + 12, "b")]));
    assert_eq!(values(&told[&key("l", 4)]), valued(&[(2 * RANGE + 11, "c")]));
    let four = &told[&key("l", 4)];
    let ends = (four.high_watermark, four.last_stable_offset, four.log_start_offset);
    assert_eq!(ends, (2 * RANGE + 100, 2 * RANGE + 90, 2 * RANGE));
}

#[test]
fn what_does_not_exist_is_refused_at_once_beside_what_does() {
    let mut client = Client::new(MAPPED);
    // Offset 7 of lane 0 is none of lane 1's.
    let round = client.fetch(&fetch(&[("t", 6, 0), ("t", 0, 0), ("l", 2, 7), ("t", -1, 0)]));
    assert_eq!(asked(&round), (vec![place("t", 0, 0)], 0));
    let told = client.last(&round, vec![("t", data(0, &[]))]);
    let codes: Vec<_> =
        told.iter().map(|((name, partition), data)| (name.as_str(), *partition, data.error_code)).collect();
    assert_eq!(codes, [("l", 2, 1), ("t", -1, 3), ("t", 0, 0), ("t", 6, 3)]);
}

#[test]
fn rounds_go_behind_siblings_until_something_comes() {
    let mut client = Client::new(MAPPED);
    let round = client.fetch(&fetch(&[("t", 2, 0)]));
    client.proxy.now = 100;
    let round = client.next(&round, vec![("t", data(0, &[lane(0, 0, &["a", "a"]), lane(2, 2, &["c"])]))]);
    assert_eq!(asked(&round), (vec![place("t", 0, 3)], 400));
    client.proxy.now = 350;
    let round = client.next(&round, vec![("t", data(0, &[lane(0, 3, &["a"])]))]);
    assert_eq!(asked(&round), (vec![place("t", 0, 4)], 150));
    let told = client.last(&round, vec![("t", data(0, &[lane(1, 4, &["b"])]))]);
    assert_eq!(values(&told[&key("t", 2)]), valued(&[(4, "b")]));
}

#[test]
fn when_the_wait_is_over_the_way_is_remembered() {
    for (config, moved) in [(MAPPED.to_owned(), false), (with_filler("always"), true)] {
        let mut client = Client::new(&config);
        let round = client.fetch(&fetch(&[("t", 2, 0)]));
        let round = client.next(&round, vec![("t", data(0, &[lane(0, 0, &["a"; 7])]))]);
        client.proxy.now = 500;
        let told = client.last(&round, vec![("t", data(0, &[]))]);
        let two = &told[&key("t", 2)];
        assert_eq!(values(two), []);
        if moved {
            let records = two.records.as_deref().unwrap();
            assert_eq!((controls(records), read(records).1), (vec![6], Some(7)));
            assert_eq!((two.high_watermark, two.last_stable_offset), (100, 90));
        } else {
            // To the client the log ends where it stands.
            assert_eq!((two.records.as_deref(), two.high_watermark, two.last_stable_offset), (Some(&[][..]), 0, 0));
        }
        // Either way the next Fetch starts behind what was dropped.
        let round = client.fetch(&fetch(&[("t", 2, if moved { 7 } else { 0 })]));
        assert_eq!(asked(&round), (vec![place("t", 0, 7)], 500));
        let own = ("t", data(0, &[lane(1, 7, &["b"])]));
        let told = if moved {
            client.last(&round, vec![own])
        } else {
            // What was dropped must still be there before the client is moved past it.
            let proof = client.next(&round, vec![own]);
            assert_eq!(asked(&proof), (vec![place("t", 0, 6)], 0));
            client.last(&proof, vec![("t", data(0, &[lane(0, 0, &["a"; 7])]))])
        };
        assert_eq!(values(&told[&key("t", 2)]), valued(&[(7, "b")]));
    }
}

fn with_filler(mode: &str) -> String {
    MAPPED.replacen('{', &format!(r#"{{"fetch": {{"filler": "{mode}"}}, "#), 1)
}

#[test]
fn fillers_are_for_clients_that_are_known_to_take_them() {
    let cases = FILLER_CLIENTS.map(|name| ("auto", name, true));
    let others = [("auto", "kafkajs", false), ("auto", "", false), ("auto", "librdkafka2", false)];
    let forced = [("never", "librdkafka", false), ("always", "kafka-go", true)];
    for (mode, software, expected) in cases.into_iter().chain(others).chain(forced) {
        let mut client = Client::new(&with_filler(mode)).named(software);
        let round = client.fetch(&fetch(&[("t", 2, 0)]).with_max_wait_ms(0));
        let told = client.last(&round, vec![("t", data(0, &[lane(0, 0, &["a"])]))]);
        let two = told[&key("t", 2)].records.as_deref().unwrap();
        assert_eq!(controls(two), if expected { vec![0] } else { vec![] }, "{mode}, {software:?}");
    }
}

#[test]
fn a_filler_follows_the_records_and_carries_their_epoch() {
    for (name, lane_start) in [("t", 0), ("l", RANGE)] {
        let mut client = Client::new(&with_filler("always"));
        let round = client.fetch(&fetch(&[(name, 2, lane_start)]));
        let told = client.last(&round, vec![(name, data(0, &[lane(1, 0, &["b"]), lane(0, 1, &["a", "a", "a"])]))]);
        let records = told[&key(name, 2)].records.as_deref().unwrap();
        assert_eq!(read(records), (valued(&[(lane_start, "b")]), Some(lane_start + 4)));
        assert_eq!(controls(records), [lane_start + 3]);
        let filler = Header::parse(&records[records.len() - 78..]).unwrap();
        assert_eq!(
            (filler.base_offset, filler.partition_leader_epoch, filler.max_timestamp),
            (lane_start + 3, 5, 1_000)
        );
    }
}

#[test]
fn siblings_at_different_positions_take_turns() {
    let mut client = Client::new(MAPPED);
    let message = fetch(&[("t", 0, 0), ("t", 2, 40), ("t", 4, 80)]);
    let mut first = vec![];
    for _ in 0..3 {
        let mut round = client.fetch(&message);
        let (places, wait) = asked(&round);
        first.push(places[0].2);
        assert_eq!(wait, 0, "the others must not wait for this one's data");
        let mut seen = vec![];
        for _ in 0..3 {
            let (places, _) = asked(&round);
            seen.push(places[0].2);
            round = client.next(&round, vec![("t", data(0, &[]))]);
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 40, 80], "each is asked once before one is asked again");
        assert_eq!(asked(&round).1, 500, "nothing anywhere: now the broker waits");
        client.proxy.now += 500;
        client.last(&round, vec![("t", data(0, &[]))]);
    }
    first.sort_unstable();
    assert_eq!(first, [0, 40, 80], "each starts once");
}

#[test]
fn one_answer_serves_every_sibling_whose_position_lies_in_it() {
    let mut client = Client::new(MAPPED);
    let mut round = client.fetch(&fetch(&[("t", 0, 0), ("t", 2, 4), ("t", 4, 80)]).with_min_bytes(10_000));
    for _ in 0..8 {
        let entries = match asked(&round).0[0].2 {
            0 => vec![lane(0, 0, &["a", "a"]), lane(1, 2, &["b2", "b3"]), lane(1, 4, &["b4"])],
            4 => vec![lane(1, 4, &["b4"])],
            80 => vec![lane(2, 80, &["c"])],
            _ => vec![],
        };
        round = client.next(&round, vec![("t", data(0, &entries))]);
    }
    client.proxy.now = 500;
    let told = client.last(&round, vec![("t", data(0, &[]))]);
    assert_eq!(values(&told[&key("t", 0)]), valued(&[(0, "a"), (1, "a")]));
    assert_eq!(values(&told[&key("t", 2)]), valued(&[(4, "b4")]), "b2 and b3 lie before its position");
    assert_eq!(values(&told[&key("t", 4)]), valued(&[(80, "c")]));
}

#[test]
fn limits_hold_over_all_rounds() {
    let mut client = Client::new(&MAPPED.replacen('{', r#"{"limits": {"fetch_max_bytes": 1000}, "#, 1));
    let message = fetch(&[("t", 2, 0)]).with_min_bytes(300);
    let round = client.fetch(&message);
    let upstream: FetchRequest = round.message();
    assert_eq!((upstream.min_bytes, upstream.max_bytes), (300, 1000), "max_bytes is clamped");
    let batch = lane(1, 0, &["b"]);
    let kept = batch.len() as i32;
    let round = client.next(&round, vec![("t", data(0, &[batch, lane(0, 1, &["a"])]))]);
    let upstream: FetchRequest = round.message();
    assert_eq!((upstream.min_bytes, upstream.max_bytes), (300 - kept, 1000 - kept));
    let long = "x".repeat(300);
    let told = client.last(&round, vec![("t", data(0, &[lane(1, 2, &[&long])]))]);
    assert_eq!(values(&told[&key("t", 2)]).len(), 2);
}

#[test]
fn a_clock_that_goes_back_prolongs_no_wait() {
    let mut client = Client::new(MAPPED);
    client.proxy.now = 5_000;
    let round = client.fetch(&fetch(&[("t", 2, 0)]));
    client.proxy.now = 0;
    let round = client.next(&round, vec![("t", data(0, &[lane(0, 0, &["a"])]))]);
    assert_eq!(asked(&round).1, 500);
}

#[test]
fn a_cut_off_batch_is_asked_for_again() {
    let whole = lane(1, 3, &["b3", "b4"]);
    for cut in [1, 11, 12, 17, 60, 61, whole.len() - 1] {
        let mut client = Client::new(MAPPED);
        let round = client.fetch(&fetch(&[("t", 2, 0)]));
        let round = client.next(&round, vec![("t", data(0, &[lane(0, 0, &["a"; 3]), whole.slice(..cut)]))]);
        assert_eq!(asked(&round).0, [place("t", 0, 3)], "cut at {cut}");
        let told = client.last(&round, vec![("t", data(0, &[whole.clone(), lane(1, 5, &["b5", "b6"]).slice(..cut)]))]);
        assert_eq!(values(&told[&key("t", 2)]), valued(&[(3, "b3"), (4, "b4")]));
    }
}

#[test]
fn control_batches_are_for_every_sibling() {
    let mut client = Client::new(MAPPED);
    let round = client.fetch(&fetch(&[("t", 0, 0), ("t", 2, 0), ("t", 4, 0)]));
    let told =
        client.last(&round, vec![("t", data(0, &[lane(1, 0, &["b"]), marker(1, 7, true), marker(2, 8, false)]))]);
    for partition in [0, 2, 4] {
        assert_eq!(controls(told[&key("t", partition)].records.as_deref().unwrap()), [1, 2]);
    }
}

#[test]
fn messages_from_before_batches_are_of_lane_0() {
    let mut client = Client::new(MAPPED);
    let round = client.fetch(&fetch(&[("t", 0, 0), ("t", 2, 0)]));
    let set = [old_message(0, 0), old_message(1, 1), lane(1, 2, &["b"])];
    let told = client.last(&round, vec![("t", data(0, &set))]);
    assert_eq!(told[&key("t", 0)].records.as_deref(), Some(&set[..2].concat()[..]));
    assert_eq!(values(&told[&key("t", 2)]), valued(&[(2, "b")]));
}

#[test]
fn a_lane_that_the_mapping_does_not_have_is_nobody_s_where_v_may_grow() {
    let mut client = Client::new(MAPPED);
    let round = client.fetch(&fetch(&[("t", 0, 0), ("t", 2, 0)]));
    let set =
        [lane(4, 0, &["e"]), lane(0, 1, &["a"]), lane(3, 2, &["d"]), lane(0, 3, &["a"]), lane(0x7f_ffff, 4, &["z"])];
    let told = client.last(&round, vec![("t", data(0, &set))]);
    assert_eq!(values(&told[&key("t", 0)]), valued(&[(1, "a"), (3, "a")]));
    assert_eq!(values(&told[&key("t", 2)]), []);
    assert_eq!(client.proxy.counts["kafka_remapper_batches_unknown_lane_total.remapper."], 3);
    assert!(client.proxy.warnings.iter().any(|warning| warning.contains("topic t") && warning.contains("lane 4")));
    assert_eq!(client.proxy.blamed(crate::error::Blame::Config), 0, "it is not in the way of anybody");
}

#[test]
fn in_the_block_layout_it_stops_the_readers() {
    let mut client = Client::new(MAPPED);
    let round = client.fetch(&fetch(&[("b", 0, 0)]).with_max_wait_ms(0));
    let told = client.last(&round, vec![("b", data(0, &[lane(0, 0, &["a"]), lane(3, 1, &["d"]), lane(0, 2, &["a"])]))]);
    assert_eq!(values(&told[&key("b", 0)]), valued(&[(0, "a")]), "what lies before it is given");
    let round = client.fetch(&fetch(&[("b", 0, 1)]));
    client.reply(&round, vec![("b", data(0, &[lane(3, 1, &["d"]), lane(0, 2, &["a"])]))]);
    let told = client.told_later();
    assert_eq!(told[&key("b", 0)].error_code, ResponseError::UnknownServerError.code());
    assert!(client.proxy.warnings.iter().any(|warning| warning.contains("lane 3")));
}

#[test]
fn an_error_concerns_all_siblings_but_out_of_range_only_those_who_stand_there() {
    let out_of_range = ResponseError::OffsetOutOfRange.code();
    for (code, all) in [(6, true), (ResponseError::FencedLeaderEpoch.code(), true), (out_of_range, false)] {
        let mut client = Client::new(MAPPED);
        let round = client.fetch(&fetch(&[("t", 0, 5), ("t", 2, 5), ("t", 4, 80)]));
        let stands_there = asked(&round).0[0].2;
        let leader = LeaderIdAndEpoch::default().with_leader_id(BrokerId(2)).with_leader_epoch(9);
        let failed = data(0, &[]).with_error_code(code).with_high_watermark(-1).with_current_leader(leader.clone());
        let told = client.last(&round, vec![("t", failed)]);
        for (partition, position) in [(0, 5), (2, 5), (4, 80)] {
            let told = &told[&key("t", partition)];
            let concerned = all || position == stands_there;
            assert_eq!(told.error_code, if concerned { code } else { 0 }, "{code}, {partition}");
            if concerned {
                assert_eq!(told.current_leader, leader);
            } else {
                assert_eq!(told.records.as_deref(), Some(&[][..]));
                assert!(
                    told.high_watermark > position && told.last_stable_offset > position,
                    "{}",
                    told.high_watermark
                );
            }
        }
    }
}

#[test]
fn out_of_range_behind_a_skip_falls_back_to_the_client_s_offset() {
    let mut client = Client::new(MAPPED);
    let round = client.fetch(&fetch(&[("t", 2, 0)]).with_max_wait_ms(0));
    client.last(&round, vec![("t", data(0, &[lane(0, 0, &["a"; 7])]))]);
    let round = client.fetch(&fetch(&[("t", 2, 0)]));
    assert_eq!(asked(&round).0, [place("t", 0, 7)]);
    // The log was cut: offset 7 is no more.
    let out_of_range = || data(0, &[]).with_error_code(1).with_high_watermark(-1);
    let round = client.next(&round, vec![("t", out_of_range())]);
    assert_eq!(asked(&round).0, [place("t", 0, 0)]);
    let told = client.last(&round, vec![("t", out_of_range())]);
    assert_eq!(told[&key("t", 2)].error_code, 1, "at its own offset it is the client's business");
}

#[test]
fn what_a_broker_says_beside_the_records_is_passed_on() {
    let leader = LeaderIdAndEpoch::default().with_leader_id(BrokerId(2)).with_leader_epoch(9);
    let cases = [
        data(0, &[]).with_preferred_read_replica(BrokerId(3)),
        data(0, &[]).with_diverging_epoch(EpochEndOffset::default().with_epoch(4).with_end_offset(3)),
    ];
    for found in cases {
        let found = found.with_current_leader(leader.clone());
        let mut client = Client::new(MAPPED);
        let round = client.fetch(&fetch(&[("t", 0, 5), ("t", 2, 5)]));
        let told = client.last(&round, vec![("t", found.clone())]);
        for partition in [0, 2] {
            assert_eq!(told[&key("t", partition)], found.clone().with_partition_index(partition));
        }
    }
    let mut client = Client::new(MAPPED);
    let round = client.fetch(&fetch(&[("l", 2, RANGE + 5)]));
    let told = client.last(
        &round,
        vec![("l", data(0, &[]).with_diverging_epoch(EpochEndOffset::default().with_epoch(4).with_end_offset(3)))],
    );
    assert_eq!(told[&key("l", 2)].diverging_epoch.end_offset, RANGE + 3);
}

fn aborted(producer_id: i64, first_offset: i64) -> AbortedTransaction {
    AbortedTransaction::default().with_producer_id(ProducerId(producer_id)).with_first_offset(first_offset)
}

#[test]
fn aborted_transactions_are_told_to_those_whom_they_concern() {
    let transactional = |base_offset, value| {
        batch_of(Header { base_offset, producer_id: 7, producer_epoch: 0, attributes: 0x10, ..plain() }, &[value])
    };
    let set = [
        transactional(0, "aborted"),
        marker(1, 7, false),
        transactional(2, "committed"),
        marker(3, 7, true),
        transactional(4, "open"),
    ];
    let found = data(0, &set).with_aborted_transactions(Some(vec![aborted(7, 0)]));
    let mut client = Client::new(MAPPED);
    // Lane 0 stands behind the abort marker, lane 1 before it. One of the two turns asks at 0.
    let message = fetch(&[("t", 0, 2), ("t", 2, 0)]).with_isolation_level(1).with_max_wait_ms(0);
    for _ in 0..2 {
        let round = client.fetch(&message);
        if asked(&round).0[0].2 == 0 {
            let told = client.last(&round, vec![("t", found.clone())]);
            assert_eq!(told[&key("t", 0)].aborted_transactions, Some(vec![]), "it would lose what is committed");
            assert_eq!(told[&key("t", 2)].aborted_transactions, Some(vec![aborted(7, 1)]));
            assert_eq!(values(&told[&key("t", 0)]), valued(&[(2, "committed"), (4, "open")]));
        } else {
            client.last(&round, vec![("t", data(0, &[]))]);
        }
    }
}

#[test]
fn aborted_transactions_of_all_rounds_are_told() {
    for (name, partition, lane_start) in [("t", 0, 0), ("l", 2, RANGE), ("u", 0, 0)] {
        let mut client = Client::new(MAPPED);
        let lane_of = i64::from(partition) / 2;
        let message =
            fetch(&[(name, partition, lane_start), ("t", 1, 0)]).with_isolation_level(1).with_min_bytes(100_000);
        let round = client.fetch(&message);
        let nothing = || ("t", data(1, &[]).with_aborted_transactions(Some(vec![])));
        let first = data(0, &[lane(lane_of, 0, &["x"]), marker(1, 7, false)]);
        let round =
            client.next(&round, vec![(name, first.with_aborted_transactions(Some(vec![aborted(7, 0)]))), nothing()]);
        client.proxy.now = 500;
        let second = Header { base_offset: 2, producer_id: 8, producer_epoch: 0, ..plain() };
        let second = batch_of(Header { attributes: 0x10 | (lane_of as i16) << 8, ..second }, &["y"]);
        let second = data(0, &[second]).with_aborted_transactions(Some(vec![aborted(8, 2)]));
        let told = client.last(&round, vec![(name, second), nothing()]);
        // Of a mapped topic each is listed from where something of it was given.
        let first = if name == "u" { 0 } else { lane_start + 1 };
        let expected = vec![aborted(7, first), aborted(8, lane_start + 2)];
        assert_eq!(told[&key(name, partition)].aborted_transactions, Some(expected), "{name}");
    }
}

#[test]
fn an_aborted_transaction_is_not_ended_by_a_marker_of_a_log_that_was_cut() {
    let mut client = Client::new(MAPPED);
    let round = client.fetch(&fetch(&[("t", 0, 5)]).with_isolation_level(1).with_min_bytes(100));
    let first = data(0, &[marker(5, 7, true)]).with_aborted_transactions(Some(vec![]));
    let round = client.next(&round, vec![("t", first)]);
    assert_eq!(asked(&round).0, [place("t", 0, 6)]);
    // Another log: there the producer's transaction began before that offset.
    let batch = |base_offset| {
        batch_of(Header { base_offset, producer_id: 7, producer_epoch: 0, attributes: 0x10, ..plain() }, &["no"])
    };
    let second = data(0, &[batch(6), batch(7), marker(8, 7, false)]);
    let told = client.last(&round, vec![("t", second.with_aborted_transactions(Some(vec![aborted(7, 3)])))]);
    assert_eq!(told[&key("t", 0)].aborted_transactions, Some(vec![aborted(7, 6)]));
}

#[test]
fn an_offset_beyond_the_range_is_an_error_of_its_partition() {
    let mut client = Client::new(MAPPED);
    let round = client.fetch(&fetch(&[("l", 2, RANGE + 5), ("t", 0, 0)]));
    let beyond = data(0, &[]).with_high_watermark(RANGE);
    let told = client.last(&round, vec![("l", beyond), ("t", data(0, &[lane(0, 0, &["a"])]))]);
    assert_eq!(told[&key("l", 2)].error_code, ResponseError::UnknownServerError.code());
    assert_eq!(values(&told[&key("t", 0)]).len(), 1);
}

#[test]
fn an_error_of_the_whole_answer_is_the_client_s() {
    let mut client = Client::new(MAPPED);
    let round = client.fetch(&fetch(&[("t", 0, 0)]));
    client.proxy.broker(&round.answer(&FetchResponse::default().with_error_code(29)));
    let (_, told): (_, FetchResponse) = read_answer(&take_frames(&mut client.proxy.down)[0], 12);
    assert_eq!((told.error_code, told.responses.len()), (29, 0));
}
