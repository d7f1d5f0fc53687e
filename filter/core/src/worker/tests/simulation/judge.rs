//! Whether what a client was told can be true: some log that its broker held between the client's request and
//! its answer, or several in turn, as if the client had asked several times.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bytes::Bytes;
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::FetchResponse;
use kafka_protocol::records::RecordBatchDecoder;
use kafka_protocol::ResponseError;

use super::log::{Entry, Log};
use super::world::World;
use crate::wire::batch::Header;
use crate::Millis;

/// Longest time between a Fetch's end of wait and its answer, ms: some rounds to a broker that is far away,
/// and what is held back because of an error that lasts.
const LATE_MS: Millis = 3_000;
/// Behind that, ms for each batch of a log that has to be gone through one by one.
const BATCH_MS: Millis = 100;
/// The record of a control batch ends with its type; an abort is 0 (KIP-98).
const ABORT: i16 = 0;

/// One partition of a client's Fetch. Offsets are the broker's.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) topic: usize,
    pub(super) partition: usize,
    pub(super) lane: u32,
    pub(super) position: i64,
    pub(super) epoch: i32,
}

/// A client's Fetch.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) client: usize,
    /// To which broker the client's connection goes.
    pub(super) broker: usize,
    pub(super) version: i16,
    pub(super) committed: bool,
    pub(super) max_wait: Millis,
    pub(super) min_bytes: usize,
    pub(super) asked: Vec<Asked>,
    /// Batches come one by one: the client takes few bytes at once.
    pub(super) is_narrow: bool,
    /// The moment and the time at which the filter had all of it.
    pub(super) arrived: Option<(u64, Millis)>,
    /// Since when there is something for the client.
    pub(super) ready: Option<Millis>,
}

/// What became of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The client reads on from here.
    Position(i64),
    Diverging(i64),
    Error(ResponseError),
}

impl Question {
    /// Fails where the answer is overdue, or could have been there: a wait ends when something comes.
    /// `stalled_until`: when the broker began to answer this connection again.
    pub(super) fn check_time(&mut self, world: &World, stalled_until: Millis) {
        let Some((_, arrived)) = self.arrived else { return };
        let batches = if self.max_wait > LATE_MS { self.batches_for(world) } else { None };
        self.ready = batches.map(|_| self.ready.unwrap_or(world.now));
        let end = arrived + self.max_wait;
        let scan = BATCH_MS * batches.filter(|_| self.is_narrow).unwrap_or(0) as Millis;
        let end = self.ready.map_or(end, |ready| end.min(ready + scan));
        let late = end.max(stalled_until) + LATE_MS;
        assert!(world.now <= late, "client {} waits for an answer: {self:?}", self.client);
    }

    /// How many batches there are in a log in which something is for the client, as far as that is enough.
    fn batches_for(&self, world: &World) -> Option<usize> {
        let is_there = |asked: &&Asked| {
            let topic = &world.topics[asked.topic];
            let Some(log) = world.log(asked.topic, asked.partition) else { return false };
            // Who may not read is told so when its wait is over: rights that come back meanwhile do not
            // count.
            let from = self.arrived.map_or(0, |(moment, _)| moment);
            if topic.denied[self.client].since(from).any(|is_denied| *is_denied) {
                return false;
            }
            // A range that was seen in another log may lead the filter astray until it is to answer.
            let is_first = log.incarnation == 0 && log.epoch() == 0;
            let (lane, limit) = (topic.is_mapped.then_some(asked.lane), log.limit(self.committed));
            let at = log.entries.partition_point(|entry| entry.last < asked.position);
            let mut rest = log.entries[at..].iter().take_while(|entry| entry.last < limit);
            is_first && asked.position >= log.start && rest.any(|entry| is_for(log, entry, lane, self.committed))
        };
        let found = self.asked.iter().find(is_there).filter(|_| self.min_bytes <= 1)?;
        world.log(found.topic, found.partition).map(|log| log.entries.len())
    }

    /// What the client makes of its answer.
    pub(super) fn judge(&self, world: &World, answer: &FetchResponse) -> Vec<Told> {
        let (moment, at) = self.arrived.expect("an answer to a request that is still on its way");
        assert_eq!(answer.error_code, 0, "client {}", self.client);
        let told: Vec<(&str, &PartitionData)> = answer
            .responses
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|data| (topic.topic.0.as_str(), data)))
            .collect();
        assert_eq!(told.len(), self.asked.len(), "client {} is answered for all it asked", self.client);
        let outcomes: Vec<Told> = self
            .asked
            .iter()
            .map(|asked| {
                let topic = &world.topics[asked.topic];
                let partition = topic.partition_for_client(asked.partition, asked.lane);
                let found = told.iter().find(|(name, data)| *name == topic.name && data.partition_index == partition);
                let (_, data) = found.expect("a partition without an answer");
                self.judge_partition(world, asked, data, moment)
            })
            .collect();
        let bytes: usize = told.iter().map(|(_, data)| data.records.as_ref().map_or(0, Bytes::len)).sum();
        let idle = bytes == 0 && outcomes.iter().all(|told| matches!(told, Told::Position(_)));
        if idle && self.min_bytes > 0 && self.asked.iter().all(|asked| self.is_untroubled(world, asked, moment)) {
            assert!(world.now >= at + self.max_wait, "client {} hears nothing too soon: {self:?}", self.client);
        }
        outcomes
    }

    fn judge_partition(&self, world: &World, asked: &Asked, data: &PartitionData, moment: u64) -> Told {
        let topic = &world.topics[asked.topic];
        let logs: Vec<Option<Rc<Log>>> = topic.logs[asked.partition].since(moment).cloned().collect();
        let mut denied = topic.denied[self.client].since(moment);
        let who =
            || format!("client {}, {}/{} lane {}: {asked:?}", self.client, topic.name, asked.partition, asked.lane);
        if data.error_code != 0 {
            let error = ResponseError::try_from_code(data.error_code).expect("a known error");
            assert!(data.records.as_ref().is_none_or(Bytes::is_empty), "records with an error: {}", who());
            assert!(self.is_explained(world, asked, error, moment), "{error:?} is not true: {}", who());
            return Told::Error(error);
        }
        let shift = topic.offset_shift(asked.lane);
        if data.diverging_epoch.end_offset >= 0 {
            return Told::Diverging(data.diverging_epoch.end_offset - shift);
        }
        let given = Given::read(data, shift, self.committed, asked.position, &who);
        if given.position > asked.position {
            assert!(denied.any(|denied| !denied), "may not read: {}", who());
            let leads = |leader: &usize| *leader == self.broker;
            assert!(world.leader.since(moment).any(leads), "the broker does not lead: {}", who());
            let knows = |log: &Log| asked.epoch < 0 || log.epoch() == asked.epoch;
            assert!(logs.iter().flatten().any(|log| knows(log)), "of another leader epoch: {}", who());
        }
        let lane = topic.is_mapped.then_some(asked.lane);
        let logs: Vec<&Log> = logs.iter().flatten().map(Rc::as_ref).collect();
        explain(&logs, lane, self.committed, asked.position, &given, &who);
        let watermark = data.high_watermark - shift;
        let highest = logs.iter().map(|log| log.high_watermark).max().unwrap_or(0);
        assert!(watermark <= highest.max(asked.position + 1), "high watermark {watermark}: {}", who());
        let lowest = logs.iter().map(|log| log.high_watermark).min().unwrap_or(0);
        let least = given.position.min(lowest);
        assert!(watermark >= least, "high watermark {watermark} < {least}: {}", who());
        Told::Position(given.position)
    }

    /// Since the request was there nothing has happened that can end a broker's wait but new batches.
    fn is_untroubled(&self, world: &World, asked: &Asked, moment: u64) -> bool {
        let topic = &world.topics[asked.topic];
        let about = |log: &Option<Rc<Log>>| log.as_ref().map(|log| (log.incarnation, log.epoch(), log.start));
        let mut logs = topic.logs[asked.partition].since(moment).map(about);
        let first = logs.next().flatten();
        first.is_some()
            && logs.all(|log| log == first)
            && topic.denied[self.client].since(moment).all(|denied| !denied)
            && world.leader.since(moment).all(|leader| *leader == self.broker)
    }

    /// Whether the broker may have answered so since the request was there.
    fn is_explained(&self, world: &World, asked: &Asked, error: ResponseError, moment: u64) -> bool {
        let topic = &world.topics[asked.topic];
        let mut logs = topic.logs[asked.partition].since(moment);
        let mut held = topic.logs[asked.partition].since(moment).flatten();
        match error {
            ResponseError::UnknownTopicOrPartition => logs.any(Option::is_none),
            ResponseError::TopicAuthorizationFailed => topic.denied[self.client].since(moment).any(|denied| *denied),
            ResponseError::NotLeaderOrFollower => world.leader.since(moment).any(|leader| *leader != self.broker),
            ResponseError::OffsetOutOfRange => held.any(|log| asked.position < log.start || asked.position > log.end),
            ResponseError::FencedLeaderEpoch => asked.epoch >= 0 && held.any(|log| log.epoch() > asked.epoch),
            ResponseError::UnknownLeaderEpoch => held.any(|log| log.epoch() < asked.epoch),
            _ => false,
        }
    }
}

/// What a client takes out of an answer. Offsets are the broker's.
struct Given {
    /// Batches that the application sees: last offset, and bytes behind the base offset; by base offset.
    seen: BTreeMap<i64, (i64, Bytes)>,
    /// Where the client reads on.
    position: i64,
}

impl Given {
    /// As Kafka's own consumer does it.
    fn read(data: &PartitionData, shift: i64, committed: bool, asked: i64, who: &impl Fn() -> String) -> Self {
        let mut rest = data.records.clone().unwrap_or_default();
        let (mut seen, mut position) = (BTreeMap::new(), asked);
        let mut aborted: Vec<(i64, i64)> = data
            .aborted_transactions
            .iter()
            .flatten()
            .map(|aborted| (aborted.first_offset - shift, aborted.producer_id.0))
            .collect();
        aborted.sort_unstable();
        let (mut aborted, mut aborting) = (aborted.into_iter().peekable(), BTreeSet::new());
        while let Some(header) = Header::parse(&rest) {
            let len = header.total_bytes().unwrap();
            if rest.len() < len {
                break;
            }
            let batch = rest.split_to(len);
            let (base, last) = (header.base_offset - shift, header.last_offset() - shift);
            assert!(last >= position, "{base}..={last} comes behind {position}: {}", who());
            position = last + 1;
            let is_data = !header.is_control();
            if committed && header.producer_id > -1 {
                while let Some((_, producer)) = aborted.next_if(|(first, _)| *first <= last) {
                    aborting.insert(producer);
                }
                if header.is_control() {
                    if control_type(&batch) == ABORT {
                        aborting.remove(&header.producer_id);
                    }
                } else if header.is_transactional() && aborting.contains(&header.producer_id) {
                    continue;
                }
            }
            if is_data {
                RecordBatchDecoder::decode_all(&mut batch.clone()).unwrap();
                seen.insert(base, (last, batch.slice(8..)));
            }
        }
        Self { seen, position }
    }
}

/// Of the only record in a control batch.
fn control_type(batch: &Bytes) -> i16 {
    let sets = RecordBatchDecoder::decode_all(&mut batch.clone()).unwrap();
    let key = sets[0].records[0].key.clone().unwrap();
    i16::from_be_bytes([key[2], key[3]])
}

/// Fails where no logs, one behind the other, give a client at `position` what it was `given`. `lane`: None
/// where all that is in the log is the client's.
fn explain(logs: &[&Log], lane: Option<u32>, committed: bool, position: i64, given: &Given, who: &impl Fn() -> String) {
    // Offsets that the client may have read up to.
    let mut reached = BTreeSet::from([position]);
    for log in logs {
        let limit = log.limit(committed);
        let mut next = reached.first().copied();
        while let Some(offset) = next.filter(|offset| *offset < given.position) {
            if let Some(after) = step(log, lane, committed, offset, limit, given) {
                reached.insert(after);
            }
            next = reached.range(offset + 1..).next().copied();
        }
    }
    assert!(reached.contains(&given.position), "{}", {
        let seen: Vec<i64> = given.seen.keys().copied().collect();
        format!("nothing explains {seen:?} up to {}: {}", given.position, who())
    });
}

/// Where a client at `offset` is behind the log's next batch, if it was given just what it must get of it.
fn step(log: &Log, lane: Option<u32>, committed: bool, offset: i64, limit: i64, given: &Given) -> Option<i64> {
    let at = log.entries.partition_point(|entry| entry.last < offset);
    let entry = log.entries.get(at).filter(|entry| entry.last < limit)?;
    let fits = if is_for(log, entry, lane, committed) {
        // A client may be led past deleted batches of others.
        offset >= log.start && given.seen.get(&entry.base).is_some_and(|(_, bytes)| *bytes == entry.bytes[8..])
    } else {
        // Of another log a batch may begin here that a client behind this one is given whole.
        given.seen.range(..=entry.last).next_back().is_none_or(|(_, (last, _))| *last < offset || *last > entry.last)
    };
    fits.then_some(entry.last + 1)
}

/// The application of a client of this lane sees the batch.
pub(super) fn is_for(log: &Log, entry: &Entry, lane: Option<u32>, committed: bool) -> bool {
    let of_lane = entry.lane.is_some_and(|own| lane.is_none_or(|lane| lane == own));
    of_lane && !(committed && log.is_aborted(entry))
}
