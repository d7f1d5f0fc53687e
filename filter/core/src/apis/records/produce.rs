//! Produce: virtual partitions to physical ones, each batch tagged with its lane.
//!
//! A record set is only referred to, and its 61-byte header replaced; records are never looked at. Siblings
//! go up in rounds, since a broker takes each partition once per request; their answers are merged. What
//! cannot be stored safely is refused here, partition by partition, without disturbing the rest of the
//! request.
//!
//! Between the Metadata answer by which a topic was known to fit its mapping and a Produce request the topic
//! may be deleted and made again, with another number of partitions. So brokers that can are asked by the id
//! of the topic that was known (KIP-516): they store nothing in another one. Older brokers are asked by name.
//!
//! A request for unmapped topics goes by as it is. Its answer is read all the same where brokers have other
//! addresses for clients: since version 10 it names the new leader of a partition that has moved (KIP-951).

use std::collections::{HashMap, HashSet, VecDeque};

use bytes::Bytes;
use kafka_protocol::messages::produce_response::{NodeEndpoint, PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::brokers::Advertise;
use crate::error::{ClientFault, Fault};
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::exchange::located::{detached, Located, Place, Topic};
use crate::exchange::rounds::{self, Awaited, Turns};
use crate::memory::facts::TopicId;
use crate::own::topics::PRODUCE_BY_ID;
use crate::remapper::{Lane, PhysicalPartition, VirtualPartition};
use crate::shared::Shared;
use crate::stats::Stat;
use crate::wire::batch::{self, TagError};
use crate::wire::header::RequestHead;
use crate::wire::rope::Rope;
use crate::wire::types::Reader;

/// The first flexible version (KIP-482).
const FLEXIBLE: i16 = 9;
/// The first version whose answers hold error messages (KIP-467).
const ERROR_MESSAGES: i16 = 8;
/// The first version whose answers name brokers by address (KIP-951).
const NODE_ENDPOINTS: i16 = 10;

/// Requests for a single topic, which is not mapped, may stream.
pub(crate) fn early(head: RequestHead, rest: &[u8], shared: &Shared) -> Option<Passing> {
    let flexible = head.version >= FLEXIBLE;
    let mut reader = Reader::new(rest);
    reader.nullable_string(false)?;
    if flexible && reader.uvarint()? != 0 {
        return None;
    }
    reader.nullable_string(flexible)?;
    let acks = reader.i16()?;
    reader.i32()?;
    if reader.array_len(flexible)? != 1 {
        return None;
    }
    let topic = std::str::from_utf8(reader.nullable_string(flexible)??).ok()?;
    shared.topics.remapper(topic).is_none().then(|| passing(shared, head.version, acks))
}

/// The request half.
///
/// # Errors
/// [`Fault::Client`]: the client's fault; [`Fault::Bug`].
pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: ProduceRequest = request.decode()?;
    if !message.topic_data.iter().any(|topic| cx.is_mapped(&topic.name)) {
        return Ok(Plan::Pass(passing(cx.shared, request.version, message.acks)));
    }
    if let Some(plan) = cx.ask_first(message.topic_data.iter().map(|topic| &topic.name))? {
        return Ok(plan);
    }
    let mut turns = Turns::new();
    let mut rounds: Vec<Vec<Part>> = vec![];
    let version = request.version;
    let mut merged = Merged { version, throttle_time_ms: 0, answered: vec![], node_endpoints: vec![] };
    let mut named = HashSet::new();
    for topic_data in &message.topic_data {
        let topic = cx.topic(&detached(&topic_data.name));
        cx.count_named(&mut named, &topic);
        // Version 12 has begun to take a transactional id for more than before.
        let id = if message.transactional_id.is_none() { known_id(cx, &topic.name) } else { None };
        for data in &topic_data.partition_data {
            match Part::new(cx, &topic, data.index, data.records.clone()) {
                Ok(part) => {
                    let part = Part { id, ..part };
                    cx.count(Stat::BatchesTagged, usize::from(part.header.is_some()));
                    cx.count_remapped(&part.located);
                    let bytes = part.records.as_ref().map_or(0, Bytes::len);
                    cx.tally_topic(part.located.label, |topic| Stat::TopicBytesReceived { topic }, bytes);
                    let round = turns.next(part.located.place.clone());
                    if rounds.len() == round {
                        rounds.push(vec![]);
                    }
                    if let Some(round) = rounds.get_mut(round) {
                        round.push(part);
                    }
                }
                Err(refusal) => merged.refuse(cx, &topic.name, VirtualPartition(data.index), refusal),
            }
        }
    }
    let mut requests = vec![];
    let mut awaited = VecDeque::new();
    for parts in rounds {
        let (by_id, by_name): (Vec<Part>, Vec<Part>) = parts.into_iter().partition(|part| part.id.is_some());
        for (parts, version) in [(by_id, PRODUCE_BY_ID), (by_name, version)] {
            if !parts.is_empty() {
                requests.push(upstream(&message, &parts, version));
                awaited.push_back(Round::new(parts, version));
            }
        }
    }
    if message.acks == 0 {
        let refused = merged.answered.first().map(|(topic, _)| topic.0.to_string());
        let then = refused.map(|topic| Fault::Client(ClientFault::UnacknowledgedRefusal { topic }));
        return Ok(Plan::Forget { requests, then });
    }
    if requests.is_empty() {
        return Plan::answer(&merged.into_answer(), version);
    }
    let pending = Box::new(Waiting { rounds: awaited, merged, doubtful: HashSet::new() });
    Ok(Plan::Send { requests, pending, barrier: false })
}

/// The id of a mapped topic, where the broker can be asked by it.
fn known_id(cx: &Context<'_>, topic: &TopicName) -> Option<TopicId> {
    let asks_by_id = cx.session.produces_by_id && cx.is_mapped(topic);
    cx.shared.facts.of(&topic.0, cx.now).filter(|_| asks_by_id)?.id
}

/// What becomes of the answer to a request that passes.
fn passing(shared: &Shared, version: i16, acks: i16) -> Passing {
    let names_brokers = version >= NODE_ENDPOINTS && shared.config.advertise != Advertise::Unchanged;
    match acks {
        0 => Passing::Unanswered,
        _ if names_brokers => Passing::Read(Box::new(PassingAnswer { version })),
        _ => Passing::Untouched,
    }
}

/// Waits for the answer to a request that passed: only the addresses of brokers are changed.
struct PassingAnswer {
    version: i16,
}

impl Pending for PassingAnswer {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let mut answer: ProduceResponse = read_answer(&body, self.version)?;
        answer.responses.iter().flat_map(|topic| &topic.partition_responses).for_each(|part| cx.note(part.error_code));
        if answer.node_endpoints.is_empty() {
            let mut out = Rope::new();
            out.put_bytes(&body);
            return Ok(Next::Answer(out));
        }
        answer.node_endpoints.retain_mut(|node| cx.readdress(node.node_id.0, &mut node.host, &mut node.port));
        Next::answer(&answer, self.version)
    }
}

/// Why a partition's records are not sent to the broker.
struct Refusal {
    error: ResponseError,
    words: &'static str,
}

/// One partition of one round.
struct Part {
    located: Located,
    /// Of the topic. None: it goes by its name.
    id: Option<TopicId>,
    /// Replaces the header of `records`.
    header: Option<[u8; batch::HEADER_BYTES]>,
    records: Option<Bytes>,
}

impl Part {
    fn new(cx: &mut Context<'_>, topic: &Topic, partition: i32, records: Option<Bytes>) -> Result<Self, Refusal> {
        let located = cx
            .locate(topic, partition)
            .map_err(|misplaced| Refusal { error: ResponseError::UnknownTopicOrPartition, words: misplaced.words() })?;
        let header =
            if located.is_mapped() { tag(records.as_deref().unwrap_or_default(), located.lane)? } else { None };
        Ok(Self { located, id: None, header, records })
    }
}

/// The header that tags `records` with `lane`. None: they stay as they are.
fn tag(records: &[u8], lane: Lane) -> Result<Option<[u8; batch::HEADER_BYTES]>, Refusal> {
    let invalid = |words| Refusal { error: ResponseError::InvalidRecord, words };
    let header = batch::single_batch(records)
        .map_err(|_| invalid("a partition of a Produce request must hold exactly one record batch of magic 2"))?;
    let tail = records.len().saturating_sub(batch::HEADER_BYTES);
    batch::tag(&header, tail, lane).map_err(|error| match error {
        TagError::Transactional => Refusal {
            error: ResponseError::PolicyViolation,
            words: "transactional records are not supported on a virtual partition",
        },
        TagError::Control => invalid("clients may not write control batches"),
        TagError::ClientTagged => invalid("the producer id or the attributes use bits that mark virtual partitions"),
        TagError::LaneTooLarge => invalid("the lane does not fit into the batch header"),
    })
}

/// A round's request, written by hand: record sets are referred to, not copied.
fn upstream(message: &ProduceRequest, parts: &[Part], version: i16) -> Upstream {
    let flexible = version >= FLEXIBLE;
    let mut body = Rope::new();
    body.put_nullable_string(flexible, message.transactional_id.as_ref().map(|id| id.0.as_str()));
    body.put_i16(message.acks);
    body.put_i32(message.timeout_ms);
    let topics = rounds::group(parts.iter().map(|part| (part.located.place.topic.clone(), part)));
    body.put_array_len(flexible, topics.len());
    for (topic, parts) in topics {
        match parts.first().and_then(|part| part.id).filter(|_| version >= PRODUCE_BY_ID) {
            Some(id) => body.put_slice(&id),
            None => body.put_nullable_string(flexible, Some(topic.0.as_str())),
        }
        body.put_array_len(flexible, parts.len());
        for part in parts {
            body.put_i32(part.located.place.partition.0);
            put_records(&mut body, flexible, part);
            body.put_no_tags(flexible);
        }
        body.put_no_tags(flexible);
    }
    body.put_no_tags(flexible);
    Upstream::written::<ProduceRequest>(version, body)
}

fn put_records(body: &mut Rope, flexible: bool, part: &Part) {
    let Some(records) = &part.records else { return body.put_bytes_len(flexible, None) };
    body.put_bytes_len(flexible, Some(records.len()));
    match &part.header {
        Some(header) if records.len() >= header.len() => {
            body.put_slice(header);
            body.put_bytes(&records.slice(header.len()..));
        }
        _ => body.put_bytes(records),
    }
}

/// What was asked in one request.
struct Round {
    version: i16,
    /// The topics that went by their ids.
    topics: HashMap<TopicId, TopicName>,
    located: Vec<Located>,
}

impl Round {
    fn new(parts: Vec<Part>, version: i16) -> Self {
        let topics = parts.iter().filter_map(|part| Some((part.id?, part.located.place.topic.clone()))).collect();
        Self { version, topics, located: parts.into_iter().map(|part| part.located).collect() }
    }

    /// The name of a topic in the broker's answer.
    fn name(&self, answered: &TopicProduceResponse) -> Result<TopicName, Fault> {
        if self.version < PRODUCE_BY_ID {
            return Ok(answered.name.clone());
        }
        let named = self.topics.get(answered.topic_id.as_bytes());
        named.cloned().ok_or(Fault::answer("Produce", "it has a topic that nobody asked for"))
    }
}

/// The broker has no topic of this id or name.
fn is_unknown(error_code: i16) -> bool {
    let unknown =
        [ResponseError::UnknownTopicOrPartition, ResponseError::UnknownTopicId, ResponseError::InconsistentTopicId];
    unknown.iter().any(|error| error.code() == error_code)
}

/// What the client's answer will hold, as far as it is known.
struct Merged {
    version: i16,
    throttle_time_ms: i32,
    answered: Vec<(TopicName, PartitionProduceResponse)>,
    node_endpoints: Vec<NodeEndpoint>,
}

impl Merged {
    fn refuse(&mut self, cx: &mut Context<'_>, topic: &TopicName, partition: VirtualPartition, refusal: Refusal) {
        let code = refusal.error.code();
        cx.note_refusal(code);
        let words = Some(refusal.words).filter(|_| self.version >= ERROR_MESSAGES);
        let answer = PartitionProduceResponse::default()
            .with_index(partition.0)
            .with_error_code(code)
            .with_error_message(words.map(StrBytes::from_static_str))
            .with_base_offset(-1);
        self.answered.push((topic.clone(), answer));
    }

    /// Adds the broker's answer as the client has to see it.
    fn add(&mut self, cx: &mut Context<'_>, located: &Located, mut answer: PartitionProduceResponse) {
        let (topic, partition) = (&located.place.topic, located.partition);
        answer.index = partition.0;
        if located.is_mapped() {
            // Brokers' words name the partition as they know it.
            let texts = answer.record_errors.iter_mut().map(|error| &mut error.batch_index_error_message);
            for text in texts.chain([&mut answer.error_message]).flatten() {
                let (theirs, ours) = (located.place.partition, partition);
                let (theirs, ours) = (format!("{}-{theirs}", topic.0), format!("{}-{ours}", topic.0));
                *text = StrBytes::from_string(text.replace(&theirs, &ours));
            }
            let offset = |offset| located.offset_for_client(offset);
            match (offset(answer.base_offset), offset(answer.log_start_offset)) {
                (Ok(base_offset), Ok(log_start_offset)) => {
                    answer.base_offset = base_offset;
                    answer.log_start_offset = log_start_offset;
                }
                (Err(error), _) | (_, Err(error)) => {
                    cx.warn(format!("topic {}: {error}", topic.0));
                    let words = "stored, but its offset lies beyond offset_range";
                    let refusal = Refusal { error: ResponseError::UnknownServerError, words };
                    return self.refuse(cx, topic, partition, refusal);
                }
            }
        }
        cx.note(answer.error_code);
        self.answered.push((topic.clone(), answer));
    }

    fn add_endpoints(&mut self, cx: &mut Context<'_>, endpoints: Vec<NodeEndpoint>) {
        if self.version < NODE_ENDPOINTS {
            return;
        }
        for mut endpoint in endpoints {
            let known = self.node_endpoints.iter().any(|known| known.node_id == endpoint.node_id);
            if !known && cx.readdress(endpoint.node_id.0, &mut endpoint.host, &mut endpoint.port) {
                self.node_endpoints.push(endpoint);
            }
        }
    }

    fn into_answer(self) -> ProduceResponse {
        let topics = rounds::group(self.answered).into_iter().map(|(name, partitions)| {
            TopicProduceResponse::default().with_name(name).with_partition_responses(partitions)
        });
        ProduceResponse::default()
            .with_responses(topics.collect())
            .with_throttle_time_ms(self.throttle_time_ms)
            .with_node_endpoints(self.node_endpoints)
    }
}

/// The response half: waits for the answers to `rounds`, which come in this order.
struct Waiting {
    rounds: VecDeque<Round>,
    merged: Merged,
    /// Topics that the broker does not have.
    doubtful: HashSet<TopicName>,
}

impl Pending for Waiting {
    fn response(mut self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let mut round = self.rounds.pop_front().ok_or(Fault::bug("an answer to Produce without a round"))?;
        let answer: ProduceResponse = read_answer(&body, round.version)?;
        self.merged.throttle_time_ms = self.merged.throttle_time_ms.max(answer.throttle_time_ms);
        let asked = std::mem::take(&mut round.located);
        let mut awaited = Awaited::new(asked.into_iter().map(|located| (located.place.clone(), located)));
        for topic in answer.responses {
            let name = round.name(&topic)?;
            for mut answer in topic.partition_responses {
                let place = Place { topic: name.clone(), partition: PhysicalPartition(answer.index) };
                let located = awaited.take(cx.api.name, place)?;
                if is_unknown(answer.error_code) {
                    self.doubtful.insert(name.clone());
                    // Clients of these versions know of no ids.
                    answer.error_code = ResponseError::UnknownTopicOrPartition.code();
                }
                self.merged.add(cx, &located, answer);
            }
        }
        awaited.finish(cx.api.name)?;
        self.merged.add_endpoints(cx, answer.node_endpoints);
        if !self.rounds.is_empty() {
            return Ok(Next::Wait(self));
        }
        cx.doubt(self.doubtful);
        let version = self.merged.version;
        Next::answer(&self.merged.into_answer(), version)
    }
}

#[cfg(test)]
mod tests;
