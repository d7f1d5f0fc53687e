//! Bytes that nobody sane sends, from both sides: the connection goes on or closes, once, and does neither
//! without end.

use bytes::{Buf, Bytes};
use kafka_protocol::messages::fetch_response::{AbortedTransaction, FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::*;
use proptest::prelude::*;

use super::{fetch_message, heartbeat, hello, metadata, produce};
use crate::error::Blame;
use crate::testing::batches::{batch_of, marker, old_message, plain};
use crate::testing::broker::{api_versions, node};
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{framed, request, shared, take_frames, Random, Seen, MAPPED};
use crate::wire::batch::Header;
use crate::wire::shape;

/// Streams per test; wasm is some ten times slower.
const CASES: u64 = if cfg!(target_arch = "wasm32") { 300 } else { 6_000 };

/// Requests of what is rewritten, and some that pass.
fn requests() -> Vec<Vec<u8>> {
    vec![
        hello(),
        heartbeat(2),
        metadata(12, 3, &["t", "u"]),
        metadata(1, 3, &["t"]),
        produce(9, 4, -1, &[("t", 0), ("t", 2), ("u", 0), ("l", 5)]),
        produce(3, 4, 1, &[("t", 3), ("t", 77)]),
        produce(3, 4, 0, &[("t", 3)]),
        request(12, 5, &fetch_message(&[("t", 0, 0), ("t", 2, 0), ("t", 4, 1), ("l", 4, 1 << 21), ("u", 0, 0)])),
        request(4, 5, &fetch_message(&[("t", 1, 0), ("t", 3, 0)]).with_max_wait_ms(3)),
        request(11, 5, &fetch_message(&[("t", 1, 5), ("t", 5, 0)]).with_max_wait_ms(9).with_min_bytes(100_000)),
        request(4, 6, &InitProducerIdRequest::default()),
        request(4, 7, &OffsetForLeaderEpochRequest::default()),
        request(10, 8, &ListOffsetsRequest::default()),
        request(9, 9, &OffsetFetchRequest::default()),
        request(8, 10, &OffsetCommitRequest::default()),
    ]
}

fn spoil(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len());
    match random.below(5) {
        0 => bytes[at] = random.below(256) as u8,
        1 => bytes[at] ^= 1 << random.below(8),
        2 => bytes[at] = random.one_of(&[0, 1, 0x7f, 0x80, 0xff]),
        3 => bytes.truncate(at),
        _ => bytes.insert(at, random.below(256) as u8),
    }
}

/// As [`spoil`], with a length in front that is right again, so that the change gets as far as the body.
fn spoil_body(frame: &[u8], random: &mut Random) -> Vec<u8> {
    let mut body = frame[4..].to_vec();
    spoil(&mut body, random);
    framed(&body)
}

/// Like `Seen::parse`, of what may be nonsense: frames that pass are as the client wrote them.
fn parse(frame: &Bytes) -> Seen {
    let mut body = frame.clone();
    let (key, version, correlation_id) = (body.get_i16(), body.get_i16(), body.get_i32());
    let header_version = ApiKey::try_from(key).map_or(1, |api| api.request_header_version(version));
    let mut body = frame.clone();
    let _ = kafka_protocol::protocol::Decodable::decode(&mut body, header_version).map(|_: RequestHeader| ());
    Seen { key, version, correlation_id, client_id: None, body }
}

fn records(offset: i64, random: &mut Random) -> Bytes {
    let mut out = vec![];
    let mut base_offset = offset.saturating_sub(random.below(3) as i64);
    for _ in 0..random.below(5) {
        let producer_id = random.one_of(&[-1, -3, -4, 7, 7 | 1 << 40, 7 | 2 << 40, i64::MIN, i64::MAX]);
        let entry = match random.below(8) {
            0 => marker(base_offset, 7, random.once_in(2)),
            1 => old_message(base_offset, random.below(2) as u8),
            _ => batch_of(Header { base_offset, producer_id, ..plain() }, &["a", "b"]),
        };
        out.extend_from_slice(&entry);
        base_offset = base_offset.saturating_add(if random.once_in(50) { i64::MAX } else { 2 });
    }
    if random.once_in(3) {
        spoil(&mut out, random);
    }
    out.into()
}

fn partition(index: i32, offset: i64, random: &mut Random) -> PartitionData {
    let number = |random: &mut Random| random.one_of(&[-1, 0, 4, offset, 1 << 20, 1 << 40, i64::MAX]);
    let aborted = AbortedTransaction::default().with_producer_id(ProducerId(7)).with_first_offset(number(random));
    PartitionData::default()
        .with_partition_index(index)
        .with_error_code(random.one_of(&[0, 0, 0, 0, 0, 0, 1, 6, 74]))
        .with_high_watermark(number(random))
        .with_last_stable_offset(number(random))
        .with_log_start_offset(number(random))
        .with_aborted_transactions(random.once_in(2).then(|| vec![aborted]))
        .with_records(Some(records(offset, random)))
}

fn answer_fetch(message: &FetchRequest, seen: &Seen, random: &mut Random) -> Vec<u8> {
    let topics = message.topics.iter().map(|asked| {
        let parts = asked.partitions.iter().map(|part| partition(part.partition, part.fetch_offset, random));
        FetchableTopicResponse::default().with_topic(asked.topic.clone()).with_partitions(parts.collect())
    });
    let mut answer = FetchResponse::default().with_responses(topics.collect());
    if seen.version < 5 {
        answer.responses.iter_mut().flat_map(|topic| &mut topic.partitions).for_each(|part| part.log_start_offset = -1);
    }
    seen.answer(&answer)
}

fn answer_produce(message: &ProduceRequest, seen: &Seen, random: &mut Random) -> Vec<u8> {
    if message.acks == 0 {
        return vec![];
    }
    let part =
        |index, random: &mut Random| {
            let code = random.one_of(&[0, 0, 6, 87]);
            PartitionProduceResponse::default()
                .with_index(index)
                .with_error_code(code)
                .with_base_offset(random.one_of(&[-1, 0, 1 << 20, 1 << 40, i64::MAX]))
        };
    let topics = message.topic_data.iter().map(|asked| {
        let parts = asked.partition_data.iter().map(|data| part(data.index, random));
        TopicProduceResponse::default().with_name(asked.name.clone()).with_partition_responses(parts.collect())
    });
    seen.answer(&ProduceResponse::default().with_responses(topics.collect()))
}

/// What a broker with a loose mind says, now and then spoilt on the way.
fn respond(seen: &Seen, random: &mut Random) -> Vec<u8> {
    let body = &seen.body;
    let nothing = || framed(&[&seen.correlation_id.to_be_bytes()[..], &[0; 14]].concat());
    let answer = match seen.key {
        0 => shape::decode_request(body, seen.version)
            .map_or_else(|_| nothing(), |message| answer_produce(&message, seen, random)),
        1 => shape::decode_request(body, seen.version)
            .map_or_else(|_| nothing(), |message| answer_fetch(&message, seen, random)),
        3 => seen.answer(&MetadataResponse::default().with_brokers(vec![node(1), node(7)])),
        18 if (0..=4).contains(&seen.version) => seen.answer(&api_versions()),
        _ => nothing(),
    };
    if answer.is_empty() || !random.once_in(10) {
        return answer;
    }
    spoil_body(&answer, random)
}

/// Rounds in which the broker is asked for one stream; the longest poll here is of 9 ms, and a round takes 1.
const ROUNDS_MAX: usize = 2_000;

fn play(stream: &[u8], random: &mut Random) {
    let feeding = random.one_of(&[Feeding::Handed, Feeding::Passing]);
    let mut proxy = Proxy::new(&shared(MAPPED), feeding, None);
    let (mut pending, mut rest, mut rounds) = (vec![], stream, 0);
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(1 + random.below(rest.len()));
        rest = behind;
        proxy.client(piece);
        while !proxy.up.is_empty() {
            rounds += 1;
            assert!(rounds < ROUNDS_MAX, "rounds without end");
            proxy.now += 1;
            pending.append(&mut proxy.up);
            let answers: Vec<u8> = take_frames(&mut pending).iter().flat_map(|f| respond(&parse(f), random)).collect();
            proxy.broker(&answers);
        }
    }
    assert_eq!(proxy.blamed(Blame::Bug), 0, "{:?}", proxy.warnings);
    let progress = proxy.closed || proxy.stream.connection.wants_client_bytes() || !proxy.is_idle();
    assert!(progress, "neither closed nor open");
    let memory = proxy.down.len() <= 200_000;
    assert!(memory, "{} bytes for {}", proxy.down.len(), stream.len());
}

#[test]
fn spoilt_requests_and_answers_end_in_progress_or_in_one_close() {
    let requests = requests();
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let mut stream = vec![];
        for _ in 0..1 + random.below(6) {
            let frame = &requests[random.below(requests.len())];
            match random.below(3) {
                0 => stream.extend(spoil_body(frame, &mut random)),
                _ => stream.extend_from_slice(frame),
            }
        }
        if random.once_in(4) {
            spoil(&mut stream, &mut random);
        }
        play(&stream, &mut random);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(target_arch = "wasm32") { 64 } else { 512 }))]

    #[test]
    fn arbitrary_bytes_end_in_progress_or_in_one_close(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4),
        key in 0u8..100,
        version in 0u8..14,
        seed in any::<u32>(),
    ) {
        let bodies = bodies.iter().map(|body| framed(&[&[0, key, 0, version, 0, 0, 0, 1, 0xff, 0xff], &body[..]].concat()));
        play(&bodies.flatten().collect::<Vec<u8>>(), &mut Random::new(seed.into()));
    }

    #[test]
    fn noise_ends_in_progress_or_in_one_close(noise in prop::collection::vec(any::<u8>(), 0..60), seed in any::<u32>()) {
        let mut random = Random::new(seed.into());
        play(&noise, &mut random);
        let mut proxy = Proxy::new(&shared(MAPPED), Feeding::Passing, None);
        proxy.client(&heartbeat(1));
        proxy.broker(&noise);
    }
}
