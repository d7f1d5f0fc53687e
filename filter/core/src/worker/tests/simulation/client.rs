//! Consumers as client libraries are: positions of their own, one Fetch at a time, what they do about errors,
//! and what applications do to them.

use std::collections::{BTreeMap, VecDeque};

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{ApiVersionsRequest, FetchRequest};
use kafka_protocol::ResponseError;

use super::broker::name;
use super::judge::{is_for, Asked, Question, Told};
use super::link::Link;
use super::world::World;
use crate::testing::{request, text, Random};
use crate::Millis;

/// Names of clients that take fillers, and of one that is not known to.
const SOFTWARE: [Option<&str>; 4] = [Some("apache-kafka-java"), Some("librdkafka"), Some("kafkajs"), None];

/// A virtual partition that a client reads. Offsets are the broker's.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) topic: usize,
    pub(super) partition: usize,
    pub(super) lane: u32,
    pub(super) position: i64,
    /// Of the last batch that was read before the position, as far as the client minds it.
    is_paused: bool,
}

/// A request whose answer has not come.
pub(super) enum Due {
    Fetch(Question),
    Other,
}

pub(super) struct Client {
    pub(super) number: usize,
    pub(super) parts: Vec<Part>,
    pub(super) link: Option<Link>,
    software: Option<&'static str>,
    version: i16,
    committed: bool,
    limits: Limits,
    /// Whether it says which leader epoch it knows, and those.
    minds_epochs: bool,
    epochs: BTreeMap<(usize, usize), i32>,
    /// By correlation id.
    pub(super) due: VecDeque<(i32, Due)>,
    /// Answers that have come, and when the client gets to them.
    pub(super) inbox: VecDeque<(Millis, Vec<(Asked, Told)>)>,
    pub(super) idle_until: Millis,
    correlation_id: i32,
    /// How long it works on what it was given, ms.
    work_ms: usize,
    /// It goes to another broker when it connects next.
    pub(super) is_misled: bool,
}

struct Limits {
    max_wait: Millis,
    min_bytes: i32,
    max_bytes: i32,
    partition_max_bytes: i32,
}

impl Limits {
    fn new(random: &mut Random) -> Self {
        Self {
            max_wait: random.one_of(&[0, 10, 100, 500, 500, 9_000]),
            min_bytes: random.one_of(&[0, 1, 1, 1, 300]),
            max_bytes: random.one_of(&[1, 500, 1 << 20, 1 << 20]),
            partition_max_bytes: random.one_of(&[1, 200, 1 << 20, 1 << 20]),
        }
    }
}

impl Client {
    pub(super) fn new(number: usize, world: &mut World) -> Self {
        let mut all = vec![];
        for (topic, data) in world.topics.iter().enumerate() {
            for partition in 0..data.logs.len() {
                all.extend((0..data.lanes).map(|lane| Part { topic, partition, lane, position: 0, is_paused: false }));
            }
        }
        let random = &mut world.random;
        let count = if random.once_in(2) { 1 } else { 1 + random.below(all.len()) };
        let parts = (0..count).map(|_| all.swap_remove(random.below(all.len()))).collect();
        Self {
            number,
            parts,
            link: None,
            software: random.one_of(&SOFTWARE),
            version: random.one_of(&[4, 7, 9, 11, 12, 12]),
            committed: random.once_in(3),
            limits: Limits::new(random),
            minds_epochs: random.once_in(2),
            epochs: BTreeMap::new(),
            due: VecDeque::new(),
            inbox: VecDeque::new(),
            idle_until: random.below(1_000) as Millis,
            correlation_id: 0,
            work_ms: random.one_of(&[1, 20, 20, 1_500]),
            is_misled: false,
        }
    }

    /// What it says of itself first, on each connection.
    pub(super) fn hello(&self) -> Option<Vec<u8>> {
        let hello = ApiVersionsRequest::default().with_client_software_name(text(self.software?));
        Some(request(3, 0, &hello.with_client_software_version(text("1"))))
    }

    pub(super) fn next_id(&mut self) -> i32 {
        self.correlation_id += 1;
        self.correlation_id
    }

    /// What an application does now and then. Some positions change under a Fetch that is on its way.
    pub(super) fn fidget(&mut self, world: &mut World) {
        let random = &mut world.random;
        let at = random.below(self.parts.len());
        if random.once_in(60) {
            self.parts[at].is_paused ^= true;
        }
        if random.once_in(120) {
            let back = random.below(self.parts[at].position as usize + 1);
            self.parts[at].position -= back as i64;
            world.note(format!("client {} seeks to {:?}", self.number, self.parts[at]));
        }
        if world.random.once_in(100) {
            self.limits = Limits::new(&mut world.random);
        }
    }

    /// From now on it reads all it can get.
    pub(super) fn calm_down(&mut self) {
        (self.limits.max_bytes, self.limits.partition_max_bytes) = (1 << 20, 1 << 20);
        self.parts.iter_mut().for_each(|part| part.is_paused = false);
    }

    /// Its next Fetch, and what that asks for. None: all is paused.
    pub(super) fn fetch(&mut self, world: &mut World, broker: usize) -> Option<(i32, Vec<u8>, Question)> {
        let mut parts: Vec<Part> = self.parts.iter().filter(|part| !part.is_paused).cloned().collect();
        if parts.is_empty() {
            return None;
        }
        let start = world.random.below(parts.len());
        parts.rotate_left(start);
        // Neighbours of a topic stand together, as clients have them.
        parts.sort_by_key(|part| part.topic);
        let (mut asked, mut topics) = (vec![], Vec::<FetchTopic>::new());
        for part in &parts {
            let Part { topic, partition, lane, position, .. } = *part;
            let epoch = self.epoch(world, topic, partition);
            asked.push(Asked { topic, partition, lane, position, epoch });
            let of = &world.topics[topic];
            let wanted = FetchPartition::default()
                .with_partition(of.partition_for_client(partition, lane))
                .with_fetch_offset(position + of.offset_shift(lane))
                .with_current_leader_epoch(epoch)
                .with_partition_max_bytes(self.limits.partition_max_bytes);
            match topics.last_mut().filter(|last| last.topic == name(of.name)) {
                Some(last) => last.partitions.push(wanted),
                None => topics.push(FetchTopic::default().with_topic(name(of.name)).with_partitions(vec![wanted])),
            }
        }
        let Limits { max_wait, min_bytes, max_bytes, .. } = self.limits;
        let message = FetchRequest::default()
            .with_max_wait_ms(max_wait as i32)
            .with_min_bytes(min_bytes)
            .with_max_bytes(max_bytes)
            .with_isolation_level(i8::from(self.committed))
            .with_session_epoch(-1)
            .with_topics(topics);
        let id = self.next_id();
        world.note(format!("client {} asks {id} for {}, {max_wait} ms", self.number, shown(&asked)));
        let question = Question {
            client: self.number,
            broker,
            version: self.version,
            committed: self.committed,
            max_wait,
            min_bytes: min_bytes.min(max_bytes) as usize,
            asked,
            is_narrow: max_bytes.min(self.limits.partition_max_bytes) < 1 << 20,
            arrived: None,
            ready: None,
        };
        Some((id, request(self.version, id, &message), question))
    }

    /// The epoch that the client knows of: it looks once, and again when it is told that it errs.
    fn epoch(&mut self, world: &World, topic: usize, partition: usize) -> i32 {
        if !self.minds_epochs || self.version < 9 {
            return -1;
        }
        let now = world.log(topic, partition).map_or(-1, |log| log.epoch());
        *self.epochs.entry((topic, partition)).or_insert(now)
    }

    /// Takes an answer as a client does. Answers to what it does not ask for any more are dropped.
    pub(super) fn take(&mut self, world: &mut World, told: Vec<(Asked, Told)>) {
        let mut failed = false;
        for (asked, told) in told {
            let Asked { topic, partition, lane, position, .. } = asked;
            let same = |part: &&mut Part| {
                (part.topic, part.partition, part.lane, part.position) == (topic, partition, lane, position)
            };
            let Some(part) = self.parts.iter_mut().find(same) else { continue };
            match told {
                Told::Position(position) | Told::Diverging(position) => part.position = position,
                Told::Error(error) => {
                    failed = true;
                    world.note(format!("client {} is told {error:?} of {asked:?}", self.number));
                    match error {
                        ResponseError::OffsetOutOfRange => {
                            let to = world.log(topic, partition).map(|log| (log.start, log.high_watermark));
                            let to = to.map(|(start, end)| world.random.one_of(&[start, start, end]));
                            part.position = to.unwrap_or(part.position);
                        }
                        ResponseError::NotLeaderOrFollower => self.is_misled = true,
                        _ => {}
                    }
                    self.epochs.remove(&(topic, partition));
                }
            }
        }
        let work = if world.is_calm { 20 } else { self.work_ms };
        self.idle_until = world.now + world.random.below(work) as Millis + if failed { 20 } else { 0 };
    }

    /// Nothing is left for this client to read; one that takes fillers stands at the end.
    pub(super) fn is_done(&self, world: &World, filler: &str) -> bool {
        let known = matches!(self.software, Some("apache-kafka-java" | "librdkafka"));
        let filled = filler == "always" || (filler == "auto" && known);
        self.parts.iter().all(|part| {
            let Some(log) = world.log(part.topic, part.partition) else { return false };
            let topic = &world.topics[part.topic];
            let lane = topic.is_mapped.then_some(part.lane);
            let limit = log.limit(self.committed);
            let mut rest = log.entries.iter().filter(|entry| entry.last >= part.position && entry.last < limit);
            if filled || lane.is_none() {
                part.position >= limit
            } else {
                part.position <= log.end && !rest.any(|entry| is_for(log, entry, lane, self.committed))
            }
        })
    }
}

fn shown(asked: &[Asked]) -> String {
    let shown = |asked: &Asked| {
        let Asked { topic, partition, lane, position, epoch } = asked;
        format!("{topic}/{partition} lane {lane}@{position} epoch {epoch}")
    };
    asked.iter().map(shown).collect::<Vec<String>>().join(", ")
}
