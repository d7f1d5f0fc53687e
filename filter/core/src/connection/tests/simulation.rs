//! Producers and consumers on virtual partitions, a broker with real logs, and everything between them at
//! random: batch sizes, limits, delays, cuts, lost connections. In the end each consumer has its own records
//! and no others, in order and at the offsets that the producers were told; the broker panics if a request
//! names a partition twice.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::*;
use kafka_protocol::ResponseError;

use super::hello;
use crate::testing::batches::{batch_of, plain, read};
use crate::testing::broker::{Broker, Session};
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{ignorant, read_answer, request, take_frames, topic, Random};
use crate::wire::batch::Header;
use crate::{Millis, Shared};

const SEEDS: u64 = if cfg!(target_arch = "wasm32") { 25 } else { 200 };
const RECORDS_MAX: usize = 60;
/// Virtual time in which a run must come to its end, ms.
const END_MS: Millis = 400_000;
/// When producers stop, at the latest.
const PRODUCE_MS: Millis = 30_000;

/// One virtual partition's truth: what producers were told.
type Truth = Vec<Vec<(i64, String)>>;

/// A connection through the filter to the broker, with bytes on their way in both directions.
struct Link {
    proxy: Proxy,
    session: Session,
    up: VecDeque<(Millis, Vec<u8>)>,
    down: VecDeque<(Millis, Vec<u8>)>,
    answers: Vec<u8>,
}

impl Link {
    fn new(shared: &Rc<Shared>, random: &mut Random) -> Self {
        let feeding = random.one_of(&[Feeding::Handed, Feeding::Passing]);
        let proxy = Proxy::new(shared, feeding, None);
        Self { proxy, session: Session::default(), up: VecDeque::new(), down: VecDeque::new(), answers: vec![] }
    }

    fn send(&mut self, frame: &[u8], now: Millis, random: &mut Random) {
        cut(&mut self.up, frame, now, random);
    }

    /// Moves what has arrived by now; gives the client's answers.
    fn step(&mut self, broker: &mut Broker, now: Millis, random: &mut Random) -> Vec<bytes::Bytes> {
        self.proxy.now = now;
        while let Some(bytes) = arrived(&mut self.up, now) {
            self.proxy.client(&bytes);
        }
        let up = std::mem::take(&mut self.proxy.up);
        let answered = broker.serve(&mut self.session, &up, now);
        cut(&mut self.down, &answered, now, random);
        while let Some(bytes) = arrived(&mut self.down, now) {
            self.proxy.broker(&bytes);
        }
        assert!(!self.proxy.closed, "{:?}", self.proxy.warnings);
        self.answers.append(&mut self.proxy.down);
        take_frames(&mut self.answers)
    }

    /// When something arrives next.
    fn next(&self) -> Option<Millis> {
        self.up.front().into_iter().chain(self.down.front()).map(|(at, _)| *at).min()
    }
}

/// Sends bytes in up to three pieces, each a little later.
fn cut(way: &mut VecDeque<(Millis, Vec<u8>)>, bytes: &[u8], now: Millis, random: &mut Random) {
    let mut at = way.back().map_or(now, |(at, _)| *at).max(now);
    let mut rest = bytes;
    while !rest.is_empty() {
        let n = if random.once_in(2) { rest.len() } else { 1 + random.below(rest.len()) };
        at += random.below(20) as Millis;
        way.push_back((at, rest[..n].to_vec()));
        rest = &rest[n..];
    }
}

fn arrived(way: &mut VecDeque<(Millis, Vec<u8>)>, now: Millis) -> Option<Vec<u8>> {
    way.front().filter(|(at, _)| *at <= now)?;
    way.pop_front().map(|(_, bytes)| bytes)
}

/// Writes to virtual partitions, one request at a time.
struct Producer {
    link: Link,
    version: i16,
    written: Vec<(i32, Vec<String>)>,
    left: usize,
    id: i64,
}

impl Producer {
    fn step(&mut self, world: &mut World) {
        for frame in self.link.step(&mut world.broker, world.now, &mut world.random) {
            let (_, answer): (_, ProduceResponse) = read_answer(&frame, self.version);
            for told in &answer.responses[0].partition_responses {
                assert_eq!(told.error_code, 0);
                let at = self.written.iter().position(|(partition, _)| *partition == told.index).unwrap();
                let (partition, values) = self.written.swap_remove(at);
                let offsets = told.base_offset..;
                world.truth[partition as usize].extend(offsets.zip(values));
            }
            assert!(self.written.is_empty(), "a partition is not answered");
        }
        if self.written.is_empty() && self.left > 0 && world.random.once_in(3) {
            let frame = self.produce(world);
            self.link.send(&frame, world.now, &mut world.random);
        }
    }

    fn produce(&mut self, world: &mut World) -> Vec<u8> {
        let partitions = world.truth.len();
        let (first, count) = (world.random.below(partitions), 1 + world.random.below(partitions));
        let mut data = vec![];
        for partition in (0..count).map(|n| ((first + n) % partitions) as i32) {
            let values: Vec<String> = (0..1 + world.random.below(4)).map(|_| world.value(partition, self.id)).collect();
            self.left = self.left.saturating_sub(values.len());
            let producer =
                if self.id < 0 { plain() } else { Header { producer_id: self.id, producer_epoch: 0, ..plain() } };
            let borrowed: Vec<&str> = values.iter().map(String::as_str).collect();
            let part = PartitionProduceData::default().with_index(partition);
            data.push(part.with_records(Some(batch_of(producer, &borrowed))));
            self.written.push((partition, values));
        }
        let topics = vec![TopicProduceData::default().with_name(topic("t")).with_partition_data(data)];
        let message = ProduceRequest::default().with_acks(-1).with_timeout_ms(1000).with_topic_data(topics);
        request(self.version, 1, &message)
    }
}

/// A virtual partition that a consumer reads.
#[derive(Debug)]
struct Part {
    partition: i32,
    position: i64,
    seen: Vec<(i64, String)>,
}

/// Reads some virtual partitions; forgets nothing but its connection.
struct Consumer {
    link: Option<Link>,
    fetching: bool,
    version: i16,
    parts: Vec<Part>,
    known: bool,
    limits: (i32, i32, i32, i32),
    session: Option<FetchSession>,
}

/// A consumer's fetch session (KIP-227): id, next epoch, and where each partition was asked for last.
#[derive(Default)]
struct FetchSession {
    id: i32,
    epoch: i32,
    asked: BTreeMap<i32, i64>,
}

impl FetchSession {
    /// Takes out of `parts` what the filter knows already; gives what it is to forget.
    fn changes(&mut self, parts: &mut Vec<FetchPartition>) -> Vec<i32> {
        if self.epoch == 0 {
            self.asked.clear();
        }
        let gone = |partition: &i32| parts.iter().all(|part| part.partition != *partition);
        let forgotten: Vec<i32> = self.asked.keys().copied().filter(gone).collect();
        self.asked.retain(|partition, _| !forgotten.contains(partition));
        let asked = &mut self.asked;
        parts.retain(|part| asked.insert(part.partition, part.fetch_offset) != Some(part.fetch_offset));
        forgotten
    }

    /// Takes an answer. Says whether it is to have all partitions.
    fn is_whole(&mut self, answer: &FetchResponse) -> bool {
        let whole = self.epoch == 0;
        assert!(answer.session_id > 0 && (whole || answer.session_id == self.id));
        (self.id, self.epoch) = (answer.session_id, self.epoch + 1);
        whole
    }
}

impl Consumer {
    fn step(&mut self, world: &mut World) {
        if self.link.is_some() && world.random.once_in(150) {
            self.link = None;
        }
        let link = self.link.get_or_insert_with(|| {
            let mut link = Link::new(&world.shared, &mut world.random);
            if self.known {
                link.send(&hello(), world.now, &mut world.random);
            }
            self.fetching = false;
            self.session = self.session.take().map(|former| FetchSession { id: former.id, ..FetchSession::default() });
            link
        });
        for frame in link.step(&mut world.broker, world.now, &mut world.random) {
            if frame[..4] == [0, 0, 0, 1] {
                continue;
            }
            self.fetching = false;
            let (_, answer): (_, FetchResponse) = read_answer(&frame, self.version);
            assert_eq!(answer.error_code, 0);
            let told: Vec<_> = answer.responses.iter().flat_map(|topic| &topic.partitions).collect();
            let is_whole = self.session.as_mut().is_none_or(|session| session.is_whole(&answer));
            let asked = self.session.as_ref().map_or(self.parts.len(), |session| session.asked.len());
            assert!(told.len() == asked || (!is_whole && told.len() < asked), "each partition is answered once");
            let is_asked = |data: &&&fetch_response::PartitionData| {
                self.session.as_ref().is_none_or(|session| session.asked.contains_key(&data.partition_index))
            };
            assert_eq!(told.iter().filter(is_asked).count(), told.len());
            for data in told {
                let part = self.parts.iter_mut().find(|part| part.partition == data.partition_index).unwrap();
                take(part, data);
            }
        }
        if !self.fetching {
            self.fetching = true;
            let frame = self.fetch(&mut world.random);
            self.link.as_mut().unwrap().send(&frame, world.now, &mut world.random);
        }
    }

    fn fetch(&mut self, random: &mut Random) -> Vec<u8> {
        let (max_wait, min_bytes, max_bytes, partition_max_bytes) = self.limits;
        let start = random.below(self.parts.len());
        let part = |part: &Part| {
            let asked = FetchPartition::default().with_partition(part.partition).with_fetch_offset(part.position);
            asked.with_partition_max_bytes(partition_max_bytes)
        };
        let mut parts: Vec<_> = self.parts.iter().cycle().skip(start).take(self.parts.len()).map(part).collect();
        let mut message =
            FetchRequest::default().with_max_wait_ms(max_wait).with_min_bytes(min_bytes).with_max_bytes(max_bytes);
        if let Some(session) = &mut self.session {
            // Some rest for a while.
            parts.truncate(if random.once_in(4) { 1 + random.below(parts.len()) } else { parts.len() });
            session.epoch = if random.once_in(50) { 0 } else { session.epoch };
            let forgotten = session.changes(&mut parts);
            let forgotten = ForgottenTopic::default().with_topic(topic("t")).with_partitions(forgotten);
            message = message.with_session_id(session.id).with_session_epoch(session.epoch);
            message = message.with_forgotten_topics_data(vec![forgotten]);
        }
        let topics = vec![FetchTopic::default().with_topic(topic("t")).with_partitions(parts)];
        request(self.version, 2, &message.with_topics(topics))
    }
}

/// As a consumer does: what lies before its position is skipped, and its position follows what it was given.
fn take(part: &mut Part, data: &fetch_response::PartitionData) {
    let Part { partition, position, seen } = part;
    assert_eq!(
        data.error_code,
        0,
        "{}",
        ResponseError::try_from_code(data.error_code).map_or(String::new(), |e| e.to_string())
    );
    let (records, end) = read(data.records.as_deref().unwrap_or_default());
    for (offset, value) in records {
        assert!(value.starts_with(&format!("{partition}:")), "{value} was given to {partition}");
        if offset >= *position {
            seen.push((offset, value));
        }
    }
    *position = end.unwrap_or(*position).max(*position);
    assert!(data.high_watermark >= *position, "{} < {position}", data.high_watermark);
}

struct World {
    random: Random,
    now: Millis,
    shared: Rc<Shared>,
    broker: Broker,
    truth: Truth,
    values: usize,
}

impl World {
    fn value(&mut self, partition: i32, producer: i64) -> String {
        self.values += 1;
        format!("{partition}:{producer}:{}", self.values)
    }
}

fn config(random: &mut Random) -> (String, i32, i32, &'static str) {
    let physical = 1 + random.below(3) as i32;
    let lanes = 1 + random.below(4) as i32;
    let layout = random.one_of(&["modulo", "block"]);
    let encoding = random.one_of(&["identity", "lane"]);
    let filler = random.one_of(&["auto", "never", "always"]);
    let config = format!(
        r#"{{"mapping": {{"topics": [{{"name": "t", "virtual_partitions": {}, "physical_partitions": {physical},
            "layout": "{layout}", "offset_encoding": "{encoding}", "offset_range": 1048576}}]}},
            "fetch": {{"filler": "{filler}"}}}}"#,
        physical * lanes
    );
    (config, physical, physical * lanes, filler)
}

fn consumers(partitions: i32, random: &mut Random) -> Vec<Consumer> {
    let mut left: Vec<i32> = (0..partitions).collect();
    let mut consumers = vec![];
    while !left.is_empty() {
        let parts = (0..1 + random.below(left.len())).map(|_| left.swap_remove(random.below(left.len())));
        let parts = parts.map(|partition| Part { partition, position: -1, seen: vec![] }).collect();
        let version = random.one_of(&[4, 7, 11, 12]);
        consumers.push(Consumer {
            parts,
            link: None,
            fetching: false,
            version,
            session: (version >= 7 && random.once_in(2)).then(FetchSession::default),
            known: random.once_in(2),
            limits: (
                random.one_of(&[0, 10, 500]),
                random.one_of(&[0, 1, 300]),
                random.one_of(&[1, 200, 1 << 20]),
                random.one_of(&[1, 150, 1 << 20]),
            ),
        });
    }
    consumers
}

fn run(seed: u64) {
    let mut random = Random::new(seed);
    let (config, physical, partitions, filler) = config(&mut random);
    let shared = ignorant(&config);
    let mut consumers = consumers(partitions, &mut random);
    let mut producers: Vec<Producer> = (0..1 + random.below(3))
        .map(|id| Producer {
            link: Link::new(&shared, &mut random),
            version: random.one_of(&[3, 8, 9, 12]),
            written: vec![],
            left: random.below(RECORDS_MAX),
            id: random.one_of(&[-1, id as i64]),
        })
        .collect();
    let broker = Broker::new(&[("t", physical as usize)]);
    let truth = vec![vec![]; partitions as usize];
    let mut world = World { random, now: 0, shared, broker, truth, values: 0 };
    for Part { partition, position, .. } in consumers.iter_mut().flat_map(|consumer| &mut consumer.parts) {
        *position = first_offset(&world.shared, *partition);
    }
    loop {
        producers.iter_mut().for_each(|producer| producer.step(&mut world));
        consumers.iter_mut().for_each(|consumer| consumer.step(&mut world));
        if world.now > PRODUCE_MS {
            producers.iter_mut().for_each(|producer| producer.left = 0);
        }
        let produced = producers.iter().all(|producer| producer.left == 0 && producer.written.is_empty());
        if produced && consumers.iter().all(|consumer| is_done(consumer, &mut world, filler)) {
            break;
        }
        assert!(world.now < END_MS, "seed {seed}: {:?}", consumers.iter().map(|c| &c.parts).collect::<Vec<_>>());
        let links = producers.iter().map(|p| &p.link).chain(consumers.iter().filter_map(|c| c.link.as_ref()));
        let next = links.filter_map(Link::next).min().unwrap_or(world.now);
        world.now = next.clamp(world.now + 1, world.now + 50);
    }
    // Acknowledgements reach different producers in any order.
    world.truth.iter_mut().for_each(|records| records.sort());
    for Part { partition, seen, .. } in consumers.iter().flat_map(|consumer| &consumer.parts) {
        assert_eq!(seen, &world.truth[*partition as usize], "seed {seed}, partition {partition}");
    }
}

fn first_offset(shared: &Shared, partition: i32) -> i64 {
    let remapper = shared.topics.remapper("t").unwrap();
    let (_, lane) = remapper.virtual_to_physical(crate::remapper::VirtualPartition(partition)).unwrap();
    remapper.physical_to_virtual_offset(lane, 0).unwrap()
}

/// Everything is read; where the consumer is moved by fillers, it stands at the end.
fn is_done(consumer: &Consumer, world: &mut World, filler: &str) -> bool {
    let filled = filler == "always" || (filler == "auto" && consumer.known);
    let remapper = world.shared.topics.remapper("t").unwrap();
    consumer.parts.iter().all(|Part { partition, position, seen }| {
        let (p, lane) = remapper.virtual_to_physical(crate::remapper::VirtualPartition(*partition)).unwrap();
        let end = remapper.physical_to_virtual_offset(lane, world.broker.log("t", p.0).unwrap().end).unwrap();
        seen.len() == world.truth[*partition as usize].len() && (!filled || *position == end)
    })
}

#[test]
fn every_consumer_gets_its_own_records_in_order() {
    (0..SEEDS).for_each(run);
}
