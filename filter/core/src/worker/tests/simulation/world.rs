//! What is true: each physical partition's log at every moment, who leads it, who may read.

use std::collections::VecDeque;
use std::rc::Rc;

use super::log::{Kind, Log};
use crate::testing::Random;
use crate::Millis;

/// `offset_range` of topics whose offsets hold their lane.
const OFFSET_RANGE: i64 = 1 << 20;
/// Lines of what happened last that a failure prints.
const NOTES_MAX: usize = 1_500;
/// The world's parts of a run change each about this often, in steps; see [`World::pass_time`].
const RETENTION: usize = 250;
const TRUNCATION: usize = 250;
const DELETION: usize = 600;
const LEADERSHIP: usize = 500;
const RIGHTS: usize = 200;

/// A value over time: what it became, at which moment.
#[derive(Debug)]
pub(super) struct Course<T>(Vec<(u64, T)>);

impl<T> Course<T> {
    fn new(value: T) -> Self {
        Self(vec![(0, value)])
    }

    fn set(&mut self, moment: u64, value: T) {
        self.0.push((moment, value));
    }

    pub(super) fn now(&self) -> &T {
        &self.0.last().unwrap().1
    }

    /// What the value was at some moment from `from` on, in order.
    pub(super) fn since(&self, from: u64) -> impl Iterator<Item = &T> {
        let first = self.0.partition_point(|(moment, _)| *moment <= from).saturating_sub(1);
        self.0[first..].iter().map(|(_, value)| value)
    }
}

/// A topic, and how the filter maps it.
pub(super) struct Topic {
    pub(super) name: &'static str,
    pub(super) lanes: u32,
    is_block: bool,
    encodes_lanes: bool,
    pub(super) is_mapped: bool,
    /// None: the topic is not there.
    pub(super) logs: Vec<Course<Option<Rc<Log>>>>,
    /// By client: it may not read the topic.
    pub(super) denied: Vec<Course<bool>>,
    incarnations: u32,
    /// Once it is deleted: before that time it is not made again, and whether it is then.
    absent_until: Millis,
    is_awaited: bool,
}

impl Topic {
    fn physical(&self) -> i32 {
        self.logs.len() as i32
    }

    pub(super) fn partition_for_client(&self, partition: usize, lane: u32) -> i32 {
        let (partition, lane) = (partition as i32, lane as i32);
        if self.is_block {
            partition * self.lanes as i32 + lane
        } else {
            lane * self.physical() + partition
        }
    }

    /// What is added to a lane's offsets for its client.
    pub(super) fn offset_shift(&self, lane: u32) -> i64 {
        if self.encodes_lanes {
            i64::from(lane) * OFFSET_RANGE
        } else {
            0
        }
    }

    fn config(&self) -> String {
        format!(
            r#"{{"name": "{}", "virtual_partitions": {}, "physical_partitions": {}, "layout": "{}",
                "offset_encoding": "{}", "offset_range": {OFFSET_RANGE}}}"#,
            self.name,
            self.lanes as i32 * self.physical(),
            self.physical(),
            if self.is_block { "block" } else { "modulo" },
            if self.encodes_lanes { "lane" } else { "identity" },
        )
    }
}

/// Milliseconds that it takes to delete a topic and make it again, at least: half of what was seen.
const REMAKE_MS: Millis = 32;

/// Which troubles a run has.
struct Troubles {
    retention: bool,
    truncation: bool,
    deletion: bool,
    leadership: bool,
    rights: bool,
    transactions: bool,
    /// The high watermark may stay behind the end of the log.
    lag: bool,
    /// One in so many steps something is appended.
    pace: usize,
    bytes_max: usize,
}

pub(super) struct World {
    pub(super) random: Random,
    pub(super) now: Millis,
    /// Counts all that happens: two things at one time still come one behind the other.
    pub(super) moment: u64,
    pub(super) topics: Vec<Topic>,
    /// The broker that leads all partitions, 0 or 1.
    pub(super) leader: Course<usize>,
    pub(super) has_topic_ids: bool,
    pub(super) is_calm: bool,
    troubles: Troubles,
    stamps: i64,
    notes: VecDeque<String>,
    pub(super) seed: u64,
}

impl World {
    pub(super) fn new(seed: u64, clients: usize) -> Self {
        let mut random = Random::new(seed);
        let troubles = Troubles {
            retention: random.once_in(3),
            truncation: random.once_in(3),
            deletion: random.once_in(4),
            leadership: random.once_in(3),
            rights: random.once_in(3),
            transactions: random.once_in(2),
            lag: random.once_in(2),
            pace: random.one_of(&[10, 30, 100]),
            bytes_max: random.one_of(&[20, 300]),
        };
        let mut topics = vec![topic("t", true, clients, &mut random)];
        if random.once_in(3) {
            topics.push(topic("s", true, clients, &mut random));
        }
        if random.once_in(5) {
            topics.push(topic("u", false, clients, &mut random));
        }
        let has_topic_ids = !random.once_in(3);
        Self {
            random,
            now: 1,
            moment: 1,
            topics,
            leader: Course::new(0),
            has_topic_ids,
            is_calm: false,
            troubles,
            stamps: 1_000,
            notes: VecDeque::new(),
            seed,
        }
    }

    pub(super) fn config(&mut self) -> String {
        let mapped: Vec<String> = self.topics.iter().filter(|topic| topic.is_mapped).map(Topic::config).collect();
        let filler = self.random.one_of(&["auto", "auto", "never", "always"]);
        let share = self.random.one_of(&["auto", "auto", "auto", "never"]);
        format!(
            r#"{{"stat_prefix": "k", "mapping": {{"topics": [{}]}},
                "fetch": {{"filler": "{filler}", "share": "{share}"}}}}"#,
            mapped.join(", ")
        )
    }

    pub(super) fn note(&mut self, what: String) {
        if self.notes.len() >= NOTES_MAX {
            self.notes.pop_front();
        }
        self.notes.push_back(format!("{:>7} ms {:>6}  {what}", self.now, self.moment));
    }

    pub(super) fn log(&self, topic: usize, partition: usize) -> Option<&Rc<Log>> {
        self.topics[topic].logs[partition].now().as_ref()
    }

    fn change(&mut self, (topic, partition): (usize, usize), what: &str, change: impl FnOnce(&mut Log)) {
        let logs = &mut self.topics[topic].logs[partition];
        let Some(mut log) = logs.now().as_deref().cloned() else { return };
        change(&mut log);
        self.moment += 1;
        let Log { start, end, high_watermark, .. } = log;
        let stable = log.last_stable_offset();
        let name = self.topics[topic].name;
        let now = format!("{start}..{end}, hw {high_watermark}, lso {stable}, epoch {}", log.epoch());
        self.topics[topic].logs[partition].set(self.moment, Some(Rc::new(log)));
        self.note(format!("{name}/{partition}: {what}: {now}"));
    }

    fn places(&self) -> Vec<(usize, usize)> {
        let partitions = |(topic, data): (usize, &Topic)| (0..data.logs.len()).map(move |at| (topic, at));
        self.topics.iter().enumerate().flat_map(partitions).collect()
    }

    /// Some of what happens in a cluster.
    pub(super) fn pass_time(&mut self) {
        let place = {
            let places = self.places();
            self.random.one_of(&places)
        };
        if self.random.once_in(self.troubles.pace) {
            self.append(place);
        }
        if self.random.once_in(4) {
            self.advance(place);
        }
        if self.random.once_in(30) {
            self.end_transaction(place);
        }
        if self.troubles.retention && self.random.once_in(RETENTION) {
            self.delete_records(place);
        }
        if self.troubles.truncation && self.random.once_in(TRUNCATION) {
            self.truncate(place);
        }
        if self.troubles.deletion && self.random.once_in(DELETION) {
            self.delete_topic(place.0);
        }
        let Topic { absent_until, is_awaited, .. } = self.topics[place.0];
        let is_gone = self.topics[place.0].logs[0].now().is_none() && absent_until <= self.now;
        if is_gone && (is_awaited || self.random.once_in(25)) {
            self.create_topic(place.0);
        }
        if self.troubles.leadership && self.random.once_in(LEADERSHIP) {
            self.move_leader();
        }
        if self.troubles.rights && self.random.once_in(RIGHTS) {
            let client = self.random.below(self.topics[place.0].denied.len());
            self.deny(place.0, client, !*self.topics[place.0].denied[client].now());
        }
    }

    /// From now on there is no trouble, and everything that was written can be read.
    pub(super) fn calm_down(&mut self) {
        self.is_calm = true;
        for topic in 0..self.topics.len() {
            if self.topics[topic].logs[0].now().is_none() {
                self.create_topic(topic);
            }
            for client in 0..self.topics[topic].denied.len() {
                self.deny(topic, client, false);
            }
        }
        for place in self.places() {
            self.append(place);
            while self.log(place.0, place.1).is_some_and(|log| !log.open().is_empty()) {
                self.end_transaction(place);
            }
            self.change(place, "all is replicated", |log| log.high_watermark = log.end);
        }
    }

    fn append(&mut self, (topic, partition): (usize, usize)) {
        let lanes = self.topics[topic].lanes;
        // Elsewhere the topic may have more lanes already; in the block layout they would be a guess.
        let grown = self.topics[topic].is_mapped && !self.topics[topic].is_block && self.random.once_in(40);
        let lane = if grown { lanes } else { self.random.below(lanes as usize) as u32 };
        let batches = 1 + self.random.below(3);
        for _ in 0..batches {
            let producer = self.random.below(3) as i64;
            let kind = match self.random.below(3) {
                0 => Kind::Plain,
                1 if self.troubles.transactions => Kind::Transactional(producer),
                _ => Kind::Idempotent(producer + 10),
            };
            let values: Vec<String> = (0..1 + self.random.below(3)).map(|_| self.value(lane)).collect();
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            self.stamps += 1;
            let stamp = self.stamps;
            self.change((topic, partition), &format!("appends {kind:?} of lane {lane}"), |log| {
                log.append(lane, kind, &values, stamp);
            });
        }
        if !self.troubles.lag {
            self.change((topic, partition), "replicates", |log| log.high_watermark = log.end);
        }
    }

    fn value(&mut self, lane: u32) -> String {
        self.stamps += 1;
        format!("{lane}:{}:{}", self.stamps, "x".repeat(self.random.below(self.troubles.bytes_max)))
    }

    fn advance(&mut self, place: (usize, usize)) {
        let Some(log) = self.log(place.0, place.1) else { return };
        let (borders, before) = (log.borders(log.high_watermark), log.high_watermark);
        let border = self.random.one_of(&borders);
        if border > before {
            self.change(place, "replicates", |log| log.high_watermark = border);
        }
    }

    fn end_transaction(&mut self, place: (usize, usize)) {
        let open = self.log(place.0, place.1).map(|log| log.open()).unwrap_or_default();
        if open.is_empty() {
            return;
        }
        let (producer, commits) = (self.random.one_of(&open), self.random.once_in(2));
        self.stamps += 1;
        let stamp = self.stamps;
        let what = if commits { "commits" } else { "aborts" };
        self.change(place, &format!("{what} {producer}"), |log| log.end_transaction(producer, commits, stamp));
        if !self.troubles.lag {
            self.change(place, "replicates", |log| log.high_watermark = log.end);
        }
    }

    fn delete_records(&mut self, place: (usize, usize)) {
        let Some(log) = self.log(place.0, place.1) else { return };
        let (before, span) = (log.start, log.high_watermark - log.start);
        if span > 0 {
            let start = before + 1 + self.random.below(span as usize) as i64;
            self.change(place, "deletes records", |log| log.delete_before(start));
        }
    }

    /// An unclean election, and perhaps the new leader is written to at once.
    fn truncate(&mut self, place: (usize, usize)) {
        let Some(log) = self.log(place.0, place.1) else { return };
        let borders = log.borders(log.start);
        // Mostly not much is lost.
        let few = borders.len().saturating_sub(1 + self.random.below(4));
        let end = if self.random.once_in(3) { self.random.one_of(&borders) } else { borders[few] };
        self.change(place, "is cut", |log| log.truncate(end));
        self.refill(place);
    }

    fn refill(&mut self, place: (usize, usize)) {
        for _ in 0..self.random.one_of(&[0, 3, 25]) {
            self.append(place);
        }
        if self.random.once_in(2) {
            self.change(place, "replicates", |log| log.high_watermark = log.end);
        }
    }

    /// It may be made again as soon as that can be.
    fn delete_topic(&mut self, topic: usize) {
        self.moment += 1;
        let moment = self.moment;
        self.topics[topic].logs.iter_mut().for_each(|log| log.set(moment, None));
        self.note(format!("{} is deleted", self.topics[topic].name));
        let soon = self.random.once_in(2);
        self.topics[topic].absent_until = self.now + if soon { REMAKE_MS } else { 0 };
        self.topics[topic].is_awaited = soon;
    }

    fn create_topic(&mut self, topic: usize) {
        self.moment += 1;
        let moment = self.moment;
        self.topics[topic].incarnations += 1;
        let incarnation = self.topics[topic].incarnations;
        for log in &mut self.topics[topic].logs {
            log.set(moment, Some(Rc::new(Log::new(incarnation))));
        }
        self.note(format!("{} is made", self.topics[topic].name));
        for partition in 0..self.topics[topic].logs.len() {
            self.refill((topic, partition));
        }
    }

    fn move_leader(&mut self) {
        self.moment += 1;
        let leader = 1 - *self.leader.now();
        self.leader.set(self.moment, leader);
        self.note(format!("broker {leader} leads"));
        for place in self.places() {
            self.change(place, "has another leader", Log::raise_epoch);
        }
    }

    fn deny(&mut self, topic: usize, client: usize, denied: bool) {
        if *self.topics[topic].denied[client].now() != denied {
            self.moment += 1;
            self.topics[topic].denied[client].set(self.moment, denied);
            let may = if denied { "may not" } else { "may" };
            self.note(format!("client {client} {may} read {}", self.topics[topic].name));
        }
    }
}

/// What happened, for whoever has to find out why a run failed.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.notes.iter().for_each(|note| eprintln!("{note}"));
            eprintln!("seed {} failed; alone: SIMULATION_SEED={} SIMULATION_SEEDS=1", self.seed, self.seed);
        }
    }
}

fn topic(name: &'static str, is_mapped: bool, clients: usize, random: &mut Random) -> Topic {
    let log = |_| Course::new(Some(Rc::new(Log::new(0))));
    Topic {
        name,
        lanes: if is_mapped { 1 + random.below(4) as u32 } else { 1 },
        is_block: is_mapped && random.once_in(3),
        encodes_lanes: is_mapped && random.once_in(3),
        is_mapped,
        logs: (0..random.one_of(&[1, 1, 2])).map(log).collect(),
        denied: (0..clients).map(|_| Course::new(false)).collect(),
        incarnations: 0,
        absent_until: 0,
        is_awaited: false,
    }
}
