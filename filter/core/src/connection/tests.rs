//! Scenarios of one connection. Each is played with the bytes whole, cut in two at every place, byte by byte,
//! and with what may pass not handed in: what comes out must not differ.

mod authentication;
mod deadline;
mod hostile;
mod logins;
mod memory;
mod names;
mod retirement;
mod simulation;
mod topics;
mod verdicts;

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::*;
use kafka_protocol::ResponseError;

use crate::brokers::Address;
use crate::error::Blame;
use crate::own::brokers::Bootstrapped;
use crate::stats::Stat;
use crate::testing::batches::batch;
use crate::testing::broker::{api_versions, node, Broker};
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{framed, read_answer, request, shared, take_frames, text, topic, Random, Seen, MAPPED};

/// What a broker says to a request.
type Respond<'a> = &'a dyn Fn(&Seen) -> Vec<u8>;

/// Where bytes are cut.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Nowhere,
    Client(usize),
    Broker(usize),
    Everywhere,
}

/// What came out of a scenario.
#[derive(Debug, PartialEq)]
struct Outcome {
    up: Vec<u8>,
    down: Vec<u8>,
    counts: BTreeMap<String, u64>,
    closed: bool,
    idle: bool,
}

impl Outcome {
    fn requests(&self) -> Vec<Seen> {
        take_frames(&mut self.up.clone()).iter().map(Seen::parse).collect()
    }

    fn answers(&self) -> Vec<Bytes> {
        take_frames(&mut self.down.clone())
    }

    fn blamed(&self, blame: Blame) -> u64 {
        self.counts.get(&Stat::Errors { blame }.name("")).copied().unwrap_or(0)
    }

    fn blames(&self) -> [u64; 4] {
        [Blame::Client, Blame::Broker, Blame::Config, Blame::Bug].map(|blame| self.blamed(blame))
    }
}

fn play(
    config: &str,
    learn: Option<&Bootstrapped>,
    client: &[u8],
    respond: Respond<'_>,
    (feeding, cut): (Feeding, Cut),
) -> Outcome {
    let mut proxy = Proxy::new(&shared(config), feeding, learn.cloned());
    let up = exchange(&mut proxy, client, respond, cut);
    let idle = proxy.is_idle();
    Outcome { up, down: proxy.down, counts: proxy.counts, closed: proxy.closed, idle }
}

/// Sends the client's bytes, and the broker's answers as they become due; gives what went up.
fn exchange(proxy: &mut Proxy, client: &[u8], respond: Respond<'_>, cut: Cut) -> Vec<u8> {
    let (mut up, mut pending, mut answered) = (vec![], vec![], 0);
    let client_pieces = match cut {
        Cut::Client(at) => pieces(client, at),
        Cut::Everywhere => client.chunks(1).collect(),
        _ => vec![client],
    };
    for piece in client_pieces {
        proxy.client(piece);
        while !proxy.up.is_empty() {
            pending.extend_from_slice(&proxy.up);
            up.append(&mut proxy.up);
            let answers: Vec<u8> = take_frames(&mut pending).iter().flat_map(|f| respond(&Seen::parse(f))).collect();
            let answer_pieces = match cut {
                Cut::Broker(at) => pieces(&answers, at.saturating_sub(answered)),
                Cut::Everywhere => answers.chunks(1).collect(),
                _ => vec![&answers[..]],
            };
            answer_pieces.into_iter().filter(|piece| !piece.is_empty()).for_each(|piece| proxy.broker(piece));
            answered += answers.len();
        }
    }
    assert!(pending.is_empty() || proxy.closed, "part of a frame went up");
    up
}

fn pieces(bytes: &[u8], at: usize) -> Vec<&[u8]> {
    let (head, tail) = bytes.split_at(at.min(bytes.len()));
    vec![head, tail]
}

/// Plays the scenario in all ways. One that ends well must leave nothing behind and come out the same in all
/// of them; one that ends in a fault must end in the same fault.
fn check(config: &str, learn: Option<&Bootstrapped>, client: &[u8], respond: Respond<'_>) -> Outcome {
    let expected = play(config, learn, client, respond, (Feeding::Handed, Cut::Nowhere));
    assert!(expected.closed || expected.idle, "something is left behind");
    let answers = expected.down.len() + 64;
    let cuts = (0..client.len()).map(Cut::Client).chain((0..answers).map(Cut::Broker));
    for cut in cuts.chain([Cut::Nowhere, Cut::Everywhere]) {
        for feeding in [Feeding::Handed, Feeding::Passing] {
            let outcome = play(config, learn, client, respond, (feeding, cut));
            if expected.closed {
                assert!(outcome.closed, "{feeding:?}, {cut:?}");
                assert_eq!(outcome.blames(), expected.blames(), "{feeding:?}, {cut:?}");
            } else {
                assert_eq!(outcome, expected, "{feeding:?}, {cut:?}");
            }
        }
    }
    expected
}

fn produce(version: i16, correlation_id: i32, acks: i16, parts: &[(&str, i32)]) -> Vec<u8> {
    let topics = parts.iter().map(|(name, partition)| {
        let records = Some(batch(&[&format!("{name}-{partition}")]));
        let data = PartitionProduceData::default().with_index(*partition).with_records(records);
        TopicProduceData::default().with_name(topic(name)).with_partition_data(vec![data])
    });
    let message = ProduceRequest::default().with_acks(acks).with_timeout_ms(1000).with_topic_data(topics.collect());
    request(version, correlation_id, &message)
}

fn fetch_message(parts: &[(&str, i32, i64)]) -> FetchRequest {
    let topics = parts.iter().map(|(name, partition, offset)| {
        let part = FetchPartition::default().with_partition(*partition).with_fetch_offset(*offset);
        FetchTopic::default().with_topic(topic(name)).with_partitions(vec![part.with_partition_max_bytes(1 << 20)])
    });
    FetchRequest::default().with_max_wait_ms(0).with_min_bytes(1).with_topics(topics.collect())
}

fn metadata(version: i16, correlation_id: i32, names: &[&str]) -> Vec<u8> {
    let asked = |name: &&str| MetadataRequestTopic::default().with_name(Some(topic(name)));
    let message = MetadataRequest::default().with_topics(Some(names.iter().map(asked).collect()));
    request(version, correlation_id, &message)
}

fn heartbeat(correlation_id: i32) -> Vec<u8> {
    request(4, correlation_id, &HeartbeatRequest::default().with_group_id(GroupId(text("g"))))
}

fn hello() -> Vec<u8> {
    let message = ApiVersionsRequest::default()
        .with_client_software_name(text("apache-kafka-java"))
        .with_client_software_version(text("4.3.1"));
    request(3, 1, &message)
}

/// A broker with one batch in each partition, and no memory.
fn respond(seen: &Seen) -> Vec<u8> {
    let mut broker = Broker::new(&[("t", 2), ("l", 2), ("u", 3)]);
    for (name, partition) in [("t", 0), ("t", 1), ("l", 0), ("u", 0)] {
        broker.log(name, partition).unwrap().append(&batch(&["old"]));
    }
    match (seen.key, seen.version) {
        // Carriers' answers: what stands in them is nobody's business.
        (18, 0) if seen.body.is_empty() => seen.answer(&ApiVersionsResponse::default()),
        _ => broker.answer(seen, u64::MAX).unwrap(),
    }
}

fn ids(outcome: &Outcome) -> Vec<i32> {
    outcome.answers().iter().map(|answer| i32::from_be_bytes(*answer.first_chunk().unwrap())).collect()
}

#[test]
fn pipelined_requests_of_all_kinds_are_answered_in_order() {
    let session = fetch_message(&[("t", 0, 0)]).with_session_id(7).with_session_epoch(3);
    let transactional = InitProducerIdRequest::default().with_transactional_id(Some(TransactionalId(text("x"))));
    let stream = [
        hello(),
        metadata(9, 2, &["t", "u"]),
        produce(9, 3, -1, &[("t", 0), ("t", 2), ("t", 1), ("t", 9)]),
        produce(7, 4, 1, &[("u", 0)]),
        request(12, 5, &fetch_message(&[("t", 2, 0), ("u", 0, 0), ("t", 0, 0)])),
        heartbeat(6),
        request(4, 7, &transactional),
        request(11, 8, &session),
        produce(3, 0, 0, &[("t", 5)]),
        produce(3, 0, 0, &[("u", 1)]),
        request(4, 9, &fetch_message(&[("u", 0, 0)])),
        heartbeat(10),
    ]
    .concat();
    let outcome = check(MAPPED, None, &stream, &respond);
    assert_eq!(ids(&outcome), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    let keys: Vec<i16> = outcome.requests().iter().map(|seen| seen.key).collect();
    // Metadata apart for mapped and unmapped names; two rounds of Produce; carriers in the place of 7 and 8.
    assert_eq!(keys, [18, 3, 3, 0, 0, 0, 1, 12, 18, 18, 0, 0, 1, 12]);
    assert!(outcome.requests().iter().all(|seen| seen.client_id.as_deref() == Some("test")));
    assert_eq!(outcome.blames(), [0; 4]);
    let (_, refused): (_, InitProducerIdResponse) = read_answer(&outcome.answers()[6], 4);
    assert_eq!(refused.error_code, ResponseError::UnsupportedVersion.code());
    let (_, refused): (_, FetchResponse) = read_answer(&outcome.answers()[7], 11);
    assert_eq!(refused.error_code, ResponseError::FetchSessionIdNotFound.code());
    assert_eq!(outcome.counts[&Stat::BytesReceived.name("")], stream.len() as u64);
    assert_eq!(outcome.counts[&Stat::BytesSent.name("")], outcome.down.len() as u64);
}

#[test]
fn what_is_not_mapped_goes_by_byte_for_byte() {
    let configure = request(1, 9, &DescribeConfigsRequest::default());
    let stream =
        [heartbeat(1), produce(9, 2, -1, &[("u", 0)]), request(12, 3, &fetch_message(&[("u", 0, 0)])), configure]
            .concat();
    let answer = |seen: &Seen| match seen.key {
        32 => seen.answer(&DescribeConfigsResponse::default()),
        _ => respond(seen),
    };
    let outcome = check(MAPPED, None, &stream, &answer);
    assert_eq!(outcome.up, stream);
    let answers: Vec<u8> = outcome.requests().iter().flat_map(answer).collect();
    assert_eq!(outcome.down, answers);
    assert_eq!(check("", None, &[&stream[..], &produce(9, 5, 1, &[("t", 5)])].concat(), &answer).down.len(), {
        answers.len() + respond(&Seen::parse(&take_frames(&mut produce(9, 5, 1, &[("t", 5)]))[0])).len()
    });
}

/// Such a request streams, its answer is read: the new leaders that it names have other addresses for
/// clients.
#[test]
fn an_answer_that_names_brokers_does_not_go_by() {
    let moved = |seen: &Seen| match seen.key {
        0 => {
            let endpoint = |id: i32| {
                let node = produce_response::NodeEndpoint::default().with_node_id(BrokerId(id)).with_port(9092);
                node.with_host(text(&format!("kafka-{id}.internal")))
            };
            seen.answer(&ProduceResponse::default().with_node_endpoints(vec![endpoint(2), endpoint(3)]))
        }
        _ => respond(seen),
    };
    let nodes = |config, frame: &[u8], version| {
        let outcome = check(config, None, &[frame, &heartbeat(2)].concat(), &moved);
        assert_eq!((ids(&outcome), &outcome.up), (vec![1, 2], &[frame, &heartbeat(2)].concat()), "v{version}");
        let (_, told): (_, ProduceResponse) = read_answer(&outcome.answers()[0], version);
        told.node_endpoints.iter().map(|node| (node.host.to_string(), node.port)).collect::<Vec<_>>()
    };
    let unchanged = [2, 3].map(|id| (format!("kafka-{id}.internal"), 9092));
    for version in 10..=12 {
        for parts in [&[("u", 0)][..], &[("u", 0), ("w", 1)]] {
            let frame = produce(version, 1, 1, parts);
            assert_eq!(nodes(MAPPED, &frame, version), [("two.example".to_owned(), 9102)], "v{version}");
            assert_eq!(nodes("", &frame, version), unchanged, "v{version}");
        }
    }
}

/// Read as the head of a Produce request, this Fetch names one topic, the empty one, which is not mapped.
#[test]
fn a_fetch_that_looks_like_a_produce_request_is_rewritten_all_the_same() {
    let message = fetch_message(&[("t", 5, 0)]).with_max_bytes(1024).with_min_bytes(1);
    let outcome = check(MAPPED, None, &request(4, 1, &message), &respond);
    let upstream: FetchRequest = outcome.requests()[0].message();
    assert_eq!(upstream.topics[0].partitions[0].partition, 1);
}

#[test]
fn a_barrier_holds_back_what_comes_behind_it() {
    for feeding in [Feeding::Handed, Feeding::Passing] {
        let mut proxy = Proxy::new(&shared(MAPPED), feeding, None);
        let fetch = request(12, 1, &fetch_message(&[("t", 2, 0)]));
        proxy.client(&[fetch, heartbeat(2), produce(9, 3, 1, &[("u", 0)])].concat());
        let up = take_frames(&mut proxy.up);
        assert_eq!(up.len(), 1, "{feeding:?}");
        assert!(!proxy.stream.connection.wants_client_bytes());
        proxy.broker(&respond(&Seen::parse(&up[0])));
        assert_eq!(take_frames(&mut proxy.up).len(), 2, "{feeding:?}");
        assert!(proxy.stream.connection.wants_client_bytes());
        assert!(!proxy.is_idle());
    }
}

/// No more is read then; what was read is handled.
#[test]
fn reading_stops_at_so_many_requests_in_flight() {
    let config = r#"{"limits": {"in_flight_requests": 2}}"#;
    let mut proxy = Proxy::new(&shared(config), Feeding::Passing, None);
    (1..=5).for_each(|id| proxy.client(&heartbeat(id)));
    let sent = take_frames(&mut proxy.up);
    assert_eq!((sent.len(), proxy.stream.connection.wants_client_bytes()), (2, false));
    proxy.broker(&respond(&Seen::parse(&sent[0])));
    let sent = [sent, take_frames(&mut proxy.up)].concat();
    assert_eq!((sent.len(), proxy.stream.connection.wants_client_bytes()), (5, false));
    sent[1..].iter().for_each(|frame| proxy.broker(&respond(&Seen::parse(frame))));
    assert!(proxy.is_idle() && proxy.stream.connection.wants_client_bytes());
}

/// The request that fills the queue is let through to its last byte.
#[test]
fn one_request_in_flight_is_enough() {
    let config = MAPPED.replacen('{', r#"{"limits": {"in_flight_requests": 1}, "#, 1);
    let fetch = request(12, 3, &fetch_message(&[("t", 0, 0), ("t", 2, 0)]));
    let stream = [heartbeat(1), produce(9, 2, -1, &[("u", 0)]), fetch, produce(9, 4, -1, &[("t", 0), ("t", 2)])];
    for frame in &stream {
        assert_eq!(check(&config, None, frame, &respond).answers().len(), 1);
    }
    assert_eq!(ids(&check(&config, None, &stream.concat(), &respond)), [1, 2, 3, 4]);
}

/// Client and broker bytes in pieces of any size, in any order between the two sides.
#[test]
fn more_requests_than_may_be_in_flight_keep_their_order() {
    let config = MAPPED.replacen('{', r#"{"limits": {"in_flight_requests": 4}, "#, 1);
    for seed in 0..100 {
        let mut random = Random::new(seed);
        let feeding = random.one_of(&[Feeding::Handed, Feeding::Passing]);
        let mut proxy = Proxy::new(&shared(&config), feeding, None);
        let one = |id| match random.below(6) {
            0 => request(12, id, &fetch_message(&[("t", 0, 0), ("t", 2, 0)])),
            1 => produce(9, id, -1, &[("t", 0), ("t", 2)]),
            2 => produce(9, id, -1, &[("u", 0)]),
            3 => metadata(9, id, &["t"]),
            _ => heartbeat(id),
        };
        let mut client: Vec<u8> = (1..=40).flat_map(one).collect();
        let (mut pending, mut broker) = (vec![], vec![]);
        while !client.is_empty() || !broker.is_empty() {
            if random.once_in(2) {
                let piece = random.below(client.len() + 1).min(900);
                proxy.client(&client.drain(..piece).collect::<Vec<u8>>());
            } else {
                let piece = random.below(broker.len() + 1);
                proxy.broker(&broker.drain(..piece).collect::<Vec<u8>>());
            }
            pending.append(&mut proxy.up);
            broker.extend(take_frames(&mut pending).iter().flat_map(|frame| respond(&Seen::parse(frame))));
        }
        assert!(proxy.is_idle() && !proxy.closed, "seed {seed}: {:?}", proxy.warnings);
        let answers = take_frames(&mut proxy.down);
        let ids = answers.iter().map(|answer| i32::from_be_bytes(*answer.first_chunk().unwrap()));
        assert!(ids.eq(1..=40), "seed {seed}");
    }
}

#[test]
fn requests_that_nobody_answers_leave_no_exchange() {
    let stream = [produce(3, 1, 0, &[("t", 0)]), produce(9, 2, 0, &[("t", 2), ("t", 4)]), heartbeat(3)].concat();
    let outcome = check(MAPPED, None, &stream, &respond);
    assert_eq!(ids(&outcome), [3]);
    assert_eq!(outcome.requests().len(), 4);
}

#[test]
fn an_unanswered_request_that_is_refused_ends_the_connection_behind_what_is_good() {
    let outcome = check(MAPPED, None, &produce(3, 1, 0, &[("t", 0), ("t", 6)]), &respond);
    assert!(outcome.closed);
    assert_eq!(outcome.blames(), [1, 0, 0, 0]);
    assert_eq!(outcome.requests().len(), 1, "partition 0 is written all the same");
}

#[test]
fn a_version_of_api_versions_that_nobody_knows_is_answered() {
    for version in [5, 99, i16::MAX, -1] {
        let mut frame = request(4, 1, &ApiVersionsRequest::default());
        frame[6..8].copy_from_slice(&version.to_be_bytes());
        let outcome = check(MAPPED, None, &frame, &|seen| seen.answer(&api_versions()));
        let (id, answer): (_, ApiVersionsResponse) = read_answer(&outcome.answers()[0], 0);
        assert_eq!((id, answer.error_code), (1, ResponseError::UnsupportedVersion.code()));
        assert!(answer.api_keys.iter().any(|offer| (offer.api_key, offer.max_version) == (18, 4)));
    }
}

/// Every fault ends the connection, once, and blames one side, once.
fn check_fault(what: &str, client: &[u8], respond: Respond<'_>, blame: Blame) {
    let outcome = check(MAPPED, None, client, respond);
    assert!(outcome.closed, "{what}");
    assert_eq!((outcome.blamed(blame), outcome.blames().iter().sum()), (1, 1), "{what}: {:?}", outcome.counts);
}

/// Kafka reads what it knows and leaves the rest; librdkafka 2.2 to 2.16 asks for all topics with three bytes
/// too many.
#[test]
fn bytes_behind_the_last_field_are_dropped() {
    let padded = |frame: &[u8]| framed(&[&frame[4..], &[1, 0, 0xff]].concat());
    let requests = [
        hello(),
        metadata(12, 2, &["t", "u"]),
        produce(9, 3, -1, &[("t", 0), ("t", 2)]),
        request(12, 4, &fetch_message(&[("t", 2, 0), ("u", 0, 0)])),
    ];
    let plain = check(MAPPED, None, &requests.concat(), &respond);
    let odd: Vec<u8> = requests.iter().flat_map(|frame| padded(frame)).collect();
    let outcome = check(MAPPED, None, &odd, &|seen| padded(&respond(&unpadded(seen))));
    let requests = |outcome: &Outcome| outcome.requests().iter().map(|seen| unpadded(seen).body).collect::<Vec<_>>();
    assert_eq!(requests(&outcome), requests(&plain));
    // Of librdkafka itself.
    let all = request(12, 1, &MetadataRequest::default().with_topics(None));
    let body_at = all.len() - 4;
    let librdkafka = framed(&[&all[4..body_at], &[0, 0, 0, 0, 1, 0, 0]].concat());
    let reads = |seen: &Seen| respond(&Seen { body: seen.body.slice(..4), ..seen.clone() });
    assert_eq!(ids(&check(MAPPED, None, &librdkafka, &reads)), [1]);
}

/// Without the bytes behind the message, which pass where the whole request passes.
fn unpadded(seen: &Seen) -> Seen {
    let end = seen.body.len() - if seen.body.ends_with(&[1, 0, 0xff]) { 3 } else { 0 };
    Seen { body: seen.body.slice(..end), ..seen.clone() }
}

#[test]
fn text_that_is_not_utf_8_goes_on_as_a_broker_reads_it() {
    let named = |mut frame: Vec<u8>, id: &[u8]| {
        frame.splice(12..18, [&(id.len() as i16).to_be_bytes()[..], id].concat());
        framed(&frame[4..])
    };
    for id in [&b"caf\xe9"[..], b"\xff\xfe", b"\xed\xa0\x80", b""] {
        let stream = [named(produce(9, 1, -1, &[("t", 2), ("t", 4)]), id), named(heartbeat(2), id)].concat();
        let mut proxy = Proxy::new(&shared(MAPPED), Feeding::Passing, None);
        proxy.client(&stream);
        let frames = take_frames(&mut proxy.up);
        assert_eq!((frames.len(), proxy.closed), (3, false), "{:?}", proxy.warnings);
        for frame in frames {
            assert_eq!(frame[8..10 + id.len()], [&(id.len() as i16).to_be_bytes()[..], id].concat());
        }
    }
}

#[test]
fn clients_that_break_the_protocol_are_closed() {
    let head = |key: i16, version: i16| [&key.to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 1]].concat();
    let call = |key, version, body: &[u8]| framed(&[&head(key, version), &[0xff, 0xff][..], body].concat());
    let cut = |mut frame: Vec<u8>, by: usize| {
        frame.truncate(frame.len() - by);
        framed(&frame[4..])
    };
    let most: &[u8] = &[0x7f, 0xff, 0xff, 0xff];
    let most_compact: &[u8] = &[0, 0xff, 0xff, 0xff, 0xff, 0x0f];
    let lie = |front: &[u8], count: &[u8]| [front, count].concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a negative length", (-5i32).to_be_bytes().to_vec()),
        ("a length beyond the limit", [0x7f, 0, 0, 0].to_vec()),
        ("no header", framed(&[])),
        ("half a header", framed(&head(3, 9)[..7])),
        ("a header without its client id", framed(&head(3, 9))),
        ("an unknown key", call(crate::apis::TABLE.lines.len() as i16, 0, &[])),
        ("the last key", call(i16::MAX, 0, &[])),
        ("a negative key", call(-1, 0, &[])),
        ("a hidden key", call(69, 0, &[])),
        ("a key that is hidden where topics are mapped", call(37, 1, &[])),
        ("a version that is too new", call(0, 13, &[])),
        ("a version that is too old", call(1, 3, &[])),
        ("a negative version", call(3, -1, &[])),
        ("a cut Produce", cut(produce(8, 1, -1, &[("t", 0)]), 1)),
        ("a cut Fetch", cut(request(12, 1, &fetch_message(&[("t", 0, 0)])), 3)),
        ("2^31 - 1 topics in Produce", call(0, 3, &lie(&[0xff, 0xff, 0, 1, 0, 0, 0, 1], most))),
        ("2^31 - 1 topics in Fetch", call(1, 4, &lie(&[0; 17], most))),
        ("2^31 - 1 topics in ListOffsets", call(2, 1, &lie(&[0; 4], most))),
        ("2^32 - 2 topics in OffsetForLeaderEpoch", call(23, 4, &lie(&[0, 0, 0, 0], &most_compact[1..]))),
        ("2^31 - 1 coordinator keys", call(10, 4, &lie(&[0, 0], &most_compact[1..]))),
    ];
    for (what, frame) in cases {
        check_fault(what, &frame, &respond, Blame::Client);
        check_fault(what, &[&heartbeat(1)[..], &frame, &heartbeat(2)].concat(), &respond, Blame::Client);
    }
}

#[test]
fn brokers_that_break_the_protocol_are_closed() {
    let produce = produce(9, 1, -1, &[("t", 0), ("t", 2)]);
    let fetch = request(11, 1, &fetch_message(&[("t", 0, 0)]));
    let with = |at: usize, byte: u8| {
        move |seen: &Seen| {
            let mut answer = respond(seen);
            answer[at] = byte;
            answer
        }
    };
    let empty = |seen: &Seen| framed(&[&seen.correlation_id.to_be_bytes()[..], &[0]].concat());
    let nobody = |seen: &Seen| match seen.key {
        0 => seen.answer(&ProduceResponse::default()),
        _ => seen.answer(&FetchResponse::default()),
    };
    let twice = |seen: &Seen| [respond(seen), respond(seen), respond(seen)].concat();
    let cases: [(&str, Respond<'_>); 7] = [
        ("another correlation id", &with(7, 9)),
        ("a negative length", &with(0, 0xff)),
        ("an answer without a header", &|_| framed(&[1])),
        ("an empty frame", &|_| framed(&[])),
        ("an empty body", &empty),
        ("no partition", &nobody),
        ("an answer too many", &twice),
    ];
    for (what, respond) in cases {
        for frame in [&produce, &fetch] {
            check_fault(what, frame, respond, Blame::Broker);
        }
    }
    check_fault("an answer too many", &heartbeat(1), &twice, Blame::Broker);
    check_fault("another correlation id", &heartbeat(1), &with(7, 9), Blame::Broker);
    check_fault(
        "2^31 - 1 topics",
        &fetch,
        &|seen| {
            let id = seen.correlation_id.to_be_bytes();
            framed(&[&id[..], &[0; 10], &[0x7f, 0xff, 0xff, 0xff]].concat())
        },
        Blame::Broker,
    );
}

const DYNAMIC: &str = r#"{
    "mapping": {"topics": [{"name": "t", "virtual_partitions": 6, "physical_partitions": 2}]},
    "advertise": {"ports": {"host": "kafka.example", "base": 9100}},
    "route": {"dynamic": {"bootstrap": ["kafka-1.internal:9092"]}}
}"#;

/// Each is a listener that a newcomer takes for a broker's.
#[test]
fn a_broker_that_speaks_no_kafka_is_told_by_its_first_bytes() {
    for (bytes, words) in [
        (&b"\x15\x03\x03\0\x02\x02\x46"[..], "the broker speaks TLS where"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the broker speaks HTTP where"),
        (b"\xff\xff\xff\xff", "its frame length is out of range"),
    ] {
        for at in 0..bytes.len() {
            let mut proxy = Proxy::new(&shared(MAPPED), Feeding::Passing, None);
            proxy.client(&hello());
            pieces(bytes, at).into_iter().for_each(|piece| proxy.broker(piece));
            assert!(proxy.closed && proxy.warnings[0].contains(words), "{:?}", proxy.warnings);
        }
    }
}

fn learn(broker: i32, connected: &str) -> Bootstrapped {
    Bootstrapped { broker, connected: Address::of(connected, 9092).unwrap() }
}

#[test]
fn the_filter_asks_first_who_the_brokers_are() {
    let stream = [heartbeat(5), heartbeat(6)].concat();
    let outcome = check(DYNAMIC, Some(&learn(1, "kafka-1.internal")), &stream, &respond);
    let own = &outcome.requests()[0];
    assert_eq!((own.key, own.client_id.as_deref()), (3, Some("kafka-partition-remapper")));
    assert_eq!(own.message::<MetadataRequest>().topics, Some(vec![]), "about no topic");
    assert_eq!(&outcome.up[outcome.up.len() - stream.len()..], stream);
    assert_eq!(ids(&outcome), [5, 6], "the client sees nothing of it");
}

#[test]
fn what_is_learned_is_told() {
    let mut proxy = Proxy::new(&shared(DYNAMIC), Feeding::Passing, Some(learn(1, "kafka-1.internal")));
    assert!(proxy.up.is_empty(), "nothing goes up before the client speaks");
    proxy.client(&metadata(1, 5, &["t"]));
    for _ in 0..2 {
        let up = take_frames(&mut proxy.up);
        assert_eq!(up.len(), 1);
        proxy.broker(&respond(&Seen::parse(&up[0])));
    }
    let one = (1, Address::of("kafka-1.internal", 9092).unwrap());
    assert_eq!(proxy.learned, [vec![one.clone()], vec![one]]);
    let (_, answer): (_, MetadataResponse) = read_answer(&take_frames(&mut proxy.down)[0], 1);
    assert_eq!((answer.brokers[0].host.as_str(), answer.brokers[0].port), ("kafka.example", 9101));
    assert!(proxy.is_idle());
}

#[test]
fn a_connection_at_the_wrong_broker_is_closed() {
    let two = |seen: &Seen| match seen.key {
        3 => seen.answer(&MetadataResponse::default().with_brokers(vec![node(1), node(2)])),
        _ => respond(seen),
    };
    let outcome = check(DYNAMIC, Some(&learn(2, "kafka-1.internal")), &heartbeat(5), &two);
    assert!(outcome.closed);
    assert_eq!(outcome.blames(), [0; 4], "nobody has to act");
    assert_eq!(outcome.counts[&Stat::Reconnects { reason: "misrouted" }.name("")], 1);
    assert_eq!((outcome.requests().len(), outcome.down.len()), (1, 0));
    // One that the cluster does not know, or that has come to the right place, stays.
    for (broker, connected) in [(7, "kafka-1.internal"), (2, "kafka-2.internal")] {
        let outcome = check(DYNAMIC, Some(&learn(broker, connected)), &heartbeat(5), &two);
        assert_eq!(ids(&outcome), [5]);
    }
}

#[test]
fn an_old_broker_answers_a_new_api_versions_request_in_version_0() {
    let old = |seen: &Seen| {
        let answer = api_versions().with_error_code(ResponseError::UnsupportedVersion.code());
        crate::testing::answer(0, seen.correlation_id, &answer)
    };
    let outcome = check(MAPPED, None, &hello(), &old);
    let (_, answer): (_, ApiVersionsResponse) = read_answer(&outcome.answers()[0], 0);
    assert_eq!(answer.error_code, ResponseError::UnsupportedVersion.code());
    assert!(answer.api_keys.iter().all(|offer| offer.api_key != 69));
}
