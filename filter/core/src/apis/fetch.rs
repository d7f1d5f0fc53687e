//! Fetch: each virtual partition gets the batches of its own lane, and only those.
//!
//! A physical partition is asked once per round, at one position; what comes back serves every sibling whose position lies
//! inside it. Siblings at other positions are asked in further rounds, and the one that starts rotates, so that none starves.
//! Rounds follow each other while nothing of the client's own came back and its wait is not over: so the filter moves past
//! siblings' batches upstream (a skip), where a client would ask for the same offset for ever. How far it got is remembered
//! per connection; a client known to handle control batches is moved there with a filler, so that its position is right.
//!
//! Fetch sessions (KIP-227) would make the broker remember physical partitions: every answer is a full one, with session 0.

mod answer;
mod place;
mod share;

use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{FetchResponse, PartitionData};
use kafka_protocol::messages::{ApiKey, FetchRequest, TopicName};
use kafka_protocol::ResponseError;

use crate::config::FillerMode;
use crate::error::{Blame, Fault};
use crate::exchange::{Context, Millis, Next, Pending, Plan, Request, Session, Skip, Upstream};
use crate::limits;
use crate::remapper::PartitionRemapper;
use crate::rounds;
use crate::shape;
use crate::stats::Stat;
use place::{Place, Sibling};

const API: &str = "Fetch";

/// `client_software_name`s (KIP-511) of clients that step over a control batch and take its offset as consumed, each seen
/// doing so on real brokers (the bindings of librdkafka give names of their own). Others, and clients that give no name, get
/// no filler under `fetch.filler: auto`.
const FILLER_CLIENTS: [&str; 9] = [
    "apache-kafka-java",
    "librdkafka",
    "confluent-kafka-python",
    "confluent-kafka-go",
    "confluent-kafka-dotnet",
    "confluent-kafka-javascript",
    "kafka-python",
    "kgo",
    "sarama",
];

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: FetchRequest = request.decode(&shape::requests::FETCH)?;
    if !message.topics.iter().any(|topic| cx.is_mapped(&topic.topic)) {
        return Ok(Plan::Pass { answered: true });
    }
    if message.session_id != 0 {
        cx.note(ResponseError::FetchSessionIdNotFound.code());
        return Ok(Plan::Answer(answer::top_level_error(
            ResponseError::FetchSessionIdNotFound.code(),
            request.version,
        )?));
    }
    if let Some(plan) = cx.ask_first(message.topics.iter().map(|topic| &topic.topic)) {
        return Ok(plan);
    }
    cx.session.turn = cx.session.turn.wrapping_add(1);
    let mut round = Rounds::new(cx, &message, request.version);
    if round.places.is_empty() {
        return Ok(Plan::Answer(round.answer(cx)?));
    }
    let upstream = round.ask(cx)?;
    Ok(Plan::Send { requests: vec![upstream], pending: Box::new(round), barrier: true })
}

/// Whether this client is moved past siblings with a control batch.
fn takes_filler(cx: &Context<'_>) -> bool {
    match cx.shared.config.filler {
        FillerMode::Always => true,
        FillerMode::Never => false,
        FillerMode::Auto => {
            cx.session.software.as_ref().is_some_and(|software| FILLER_CLIENTS.contains(&software.as_str()))
        }
    }
}

/// One client Fetch, over all its rounds.
struct Rounds {
    version: i16,
    /// The client's request without its topics; its limits apply to all rounds together.
    frame: FetchRequest,
    deadline: Millis,
    turn: usize,
    filler: bool,
    /// Answer after the first round, whatever it brings: some partition was refused here.
    urgent: bool,
    siblings: Vec<Sibling>,
    places: Vec<Place>,
    place_at: HashMap<rounds::Place, usize>,
    throttle_time_ms: i32,
}

impl Rounds {
    fn new(cx: &mut Context<'_>, message: &FetchRequest, version: i16) -> Self {
        let mut frame = message.clone();
        frame.topics.clear();
        frame.forgotten_topics_data.clear();
        frame.session_id = 0;
        frame.session_epoch = SESSIONLESS_EPOCH;
        frame.max_bytes = frame.max_bytes.min(cx.shared.config.limits.fetch_max_bytes);
        let wait = u64::try_from(frame.max_wait_ms).unwrap_or(0);
        let mut this = Self {
            version,
            frame,
            deadline: cx.now.saturating_add(wait),
            turn: cx.session.turn,
            filler: takes_filler(cx),
            urgent: false,
            siblings: vec![],
            places: vec![],
            place_at: HashMap::new(),
            throttle_time_ms: 0,
        };
        for topic in &message.topics {
            let remapper = cx.shared.topics.remapper(&topic.topic.0);
            for asked in &topic.partitions {
                this.add(cx, &topic.topic, asked, remapper.as_ref());
            }
        }
        this
    }

    fn add(
        &mut self,
        cx: &mut Context<'_>,
        topic: &TopicName,
        asked: &FetchPartition,
        remapper: Option<&Rc<PartitionRemapper>>,
    ) {
        let mut sibling = Sibling::new(topic, asked);
        let mut physical = asked.partition;
        if let Some(remapper) = remapper {
            let found = cx.locate(topic, remapper, asked.partition);
            let Ok((p, lane)) = found else { return self.refuse(sibling, ResponseError::UnknownTopicOrPartition) };
            let Ok(position) = remapper.virtual_to_physical_offset(lane, asked.fetch_offset) else {
                return self.refuse(sibling, ResponseError::OffsetOutOfRange);
            };
            cx.count(Stat::RemappedPartitions { api: API }, 1);
            physical = p.0;
            sibling.start(position, Rc::clone(remapper), lane);
            sibling.cursor = remembered(cx.session, &sibling);
        }
        let key = (topic.clone(), physical);
        let at = *self.place_at.entry(key).or_insert(self.places.len());
        if at == self.places.len() {
            self.places.push(Place::new(topic.clone(), physical));
        }
        if let Some(place) = self.places.get_mut(at) {
            place.siblings.push(self.siblings.len());
        }
        self.siblings.push(sibling);
    }

    fn refuse(&mut self, mut sibling: Sibling, error: ResponseError) {
        self.urgent = true;
        sibling.fail(PartitionData::default().with_error_code(error.code()).with_high_watermark(-1));
        self.siblings.push(sibling);
    }

    /// The next round's request.
    fn ask(&mut self, cx: &mut Context<'_>) -> Result<Upstream, Fault> {
        let mut asked = vec![];
        let mut may_wait = true;
        for place in &mut self.places {
            let Some(question) = place.question(&self.siblings, self.turn) else { continue };
            may_wait &= place.may_wait(&self.siblings);
            asked.push((place.topic.clone(), question));
        }
        let kept = self.kept_bytes();
        let mut message = self.frame.clone();
        message.max_wait_ms = if may_wait && !self.urgent { self.remaining_ms(cx.now) } else { 0 };
        message.min_bytes = remaining(self.frame.min_bytes, kept);
        message.max_bytes = remaining(self.frame.max_bytes, kept).max(1);
        message.topics = rounds::group(asked)
            .into_iter()
            .map(|(topic, partitions)| FetchTopic::default().with_topic(topic).with_partitions(partitions))
            .collect();
        Upstream::new(ApiKey::Fetch as i16, self.version, &message)
    }

    fn remaining_ms(&self, now: Millis) -> i32 {
        let left = i32::try_from(self.deadline.saturating_sub(now)).unwrap_or(i32::MAX);
        // A clock that was set back must not make the broker wait longer than the client said.
        left.min(self.frame.max_wait_ms)
    }

    fn kept_bytes(&self) -> usize {
        self.siblings.iter().map(|sibling| sibling.kept_bytes).sum()
    }

    fn take(&mut self, cx: &mut Context<'_>, answer: FetchResponse) -> Result<(), Fault> {
        self.throttle_time_ms = self.throttle_time_ms.max(answer.throttle_time_ms);
        for topic in answer.responses {
            for data in topic.partitions {
                let key = (topic.topic.clone(), data.partition_index);
                let place = self.place_at.get(&key).and_then(|at| self.places.get_mut(*at));
                let place =
                    place.ok_or(Fault::Answer { api: API, what: "it names a partition that was not asked for" })?;
                let records = data.records.as_ref().map_or(0, Bytes::len);
                cx.count(Stat::FetchBytesUpstream, records);
                let shared = place.take(&mut self.siblings, data, cx.session);
                cx.count(Stat::BatchesDropped, shared.dropped);
                if let Some(lane) = shared.alien {
                    cx.count(Stat::Errors { blame: Blame::Config }, 1);
                    cx.warn(format!(
                        "topic {}, partition {}: a record batch is of lane {lane}, which the mapping does not have: \
                         its virtual_partitions were more when it was written",
                        key.0 .0, key.1
                    ));
                }
            }
        }
        if self.places.iter_mut().any(|place| place.asked.take().is_some()) {
            return Err(Fault::Answer { api: API, what: "a partition is missing" });
        }
        Ok(())
    }

    /// Whether the client is answered now.
    fn is_done(&self, now: Millis) -> bool {
        let kept = self.kept_bytes();
        self.urgent
            || now >= self.deadline
            || kept >= usize::try_from(self.frame.min_bytes).unwrap_or(0)
            || kept >= usize::try_from(self.frame.max_bytes).unwrap_or(0)
            || self.siblings.iter().any(Sibling::is_final)
    }

    fn answer(&mut self, cx: &mut Context<'_>) -> Result<crate::rope::Rope, Fault> {
        let mut told = vec![];
        for sibling in &mut self.siblings {
            let filler = self.filler && sibling.fill();
            cx.count(Stat::FillerBatches, usize::from(filler));
            cx.count(Stat::FetchBytesDownstream, sibling.kept_bytes);
            remember(cx.session, sibling);
            told.push(sibling);
        }
        answer::encode(cx, told, self.throttle_time_ms, self.version)
    }
}

impl Pending for Rounds {
    fn response(&mut self, cx: &mut Context<'_>, mut body: Bytes) -> Result<Next, Fault> {
        let answer: FetchResponse = shape::decode(&shape::responses::FETCH, &mut body, self.version)
            .map_err(|_| Fault::Answer { api: API, what: "it is malformed" })?;
        if answer.error_code != 0 {
            cx.note(answer.error_code);
            return Ok(Next::Answer(answer::top_level_error(answer.error_code, self.version)?));
        }
        self.take(cx, answer)?;
        if self.is_done(cx.now) {
            return Ok(Next::Answer(self.answer(cx)?));
        }
        Ok(Next::Send(vec![self.ask(cx)?]))
    }
}

/// `session_epoch` of a full Fetch that opens no session (KIP-227).
const SESSIONLESS_EPOCH: i32 = -1;

fn remaining(limit: i32, used: usize) -> i32 {
    limit.saturating_sub(i32::try_from(used).unwrap_or(i32::MAX)).max(0)
}

/// Where to ask for a sibling: behind what is known to hold nothing of its own.
fn remembered(session: &Session, sibling: &Sibling) -> i64 {
    let skip = session.skips.get(&sibling.key());
    let skip = skip.filter(|skip| skip.client_offset == sibling.position && skip.leader_epoch == sibling.leader_epoch);
    skip.map_or(sibling.position, |skip| skip.upstream_offset.max(sibling.position))
}

fn remember(session: &mut Session, sibling: &Sibling) {
    if sibling.lane.is_none() {
        return;
    }
    let key = sibling.key();
    if sibling.cursor <= sibling.told || sibling.is_final() {
        session.skips.remove(&key);
        return;
    }
    let skip =
        Skip { client_offset: sibling.told, upstream_offset: sibling.cursor, leader_epoch: sibling.leader_epoch };
    if session.skips.len() < limits::SKIP_POSITIONS_MAX || session.skips.contains_key(&key) {
        session.skips.insert(key, skip);
    }
}

#[cfg(test)]
mod tests;
