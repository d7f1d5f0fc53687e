//! Metadata: every virtual partition, with what the broker says of its physical one; brokers under the
//! addresses that clients reach.
//!
//! A topic whose real partition count is not the configured P is answered as INVALID_TOPIC_EXCEPTION, which
//! clients show at once instead of retrying: every virtual partition number would be a guess. Where all
//! topics are asked for, such a topic is left out: many programs give up when any topic of the cluster has an
//! error, also a topic that they do not use (Kafka Connect, `kafka-topics --describe`, sarama, kafkajs).
//!
//! A mapped topic is never created by asking for it: a broker would give it `num.partitions` partitions, and
//! the filter would refuse the topic from then on. So mapped names go up without leave to create (version 4;
//! older requests imply it), apart from the others.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use bytes::Bytes;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::ResponseError;

use crate::brokers::{Advertise, Route};
use crate::error::Fault;
use crate::exchange::action::Action;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::exchange::located::Topic;
use crate::own::brokers;
use crate::remapper::PartitionRemapper;
use crate::stats::Stat;

/// The first version that can ask without leave to create a topic.
const NO_CREATION: i16 = 4;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: MetadataRequest = request.decode()?;
    // Version 0 has no null list: there an empty one asks for all topics.
    let all = message.topics.as_ref().is_none_or(|topics| request.version == 0 && topics.is_empty());
    let named = message.topics.as_deref().unwrap_or_default();
    let is_mapped = |topic: &MetadataRequestTopic| topic.name.as_ref().is_some_and(|name| cx.is_mapped(name));
    let creates = message.allow_auto_topic_creation && named.iter().any(is_mapped);
    if !creates {
        let answer = Answer { version: request.version, asked: request.version, all, creates };
        return Ok(Plan::Pass(Passing::Read(Box::new(answer))));
    }
    // Where ids are named a broker looks at them alone, and creates nothing.
    let by_id = named.iter().any(|topic| topic.name.is_none());
    let (mapped, others): (Vec<_>, Vec<_>) = named.iter().cloned().partition(|topic| by_id || is_mapped(topic));
    let answer = Answer { version: request.version, asked: request.version.max(NO_CREATION), all, creates };
    let without_leave = message.clone().with_topics(Some(mapped)).with_allow_auto_topic_creation(false);
    let without_leave = Upstream::new(answer.asked, &without_leave)?;
    if others.is_empty() {
        return Ok(Plan::Send { requests: vec![without_leave], pending: Box::new(answer), barrier: false });
    }
    let order = named.iter().zip(0..).filter_map(|(topic, at)| Some((topic.name.clone()?, at))).collect();
    let others = Upstream::new(request.version, &message.with_topics(Some(others)))?;
    let pending = Box::new(AwaitsOthers { order, answer });
    Ok(Plan::Send { requests: vec![others, without_leave], pending, barrier: false })
}

/// Waits for the answer for topics that are not mapped, of the client's version.
struct AwaitsOthers {
    /// Where the client named each topic.
    order: HashMap<TopicName, usize>,
    answer: Answer,
}

impl Pending for AwaitsOthers {
    fn response(self: Box<Self>, _cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self { order, answer } = *self;
        let others = read_answer(&body, answer.version)?;
        Ok(Next::Wait(Box::new(AwaitsMapped { others, order, answer })))
    }
}

/// Waits for the answer for the mapped topics.
struct AwaitsMapped {
    others: MetadataResponse,
    order: HashMap<TopicName, usize>,
    answer: Answer,
}

impl Pending for AwaitsMapped {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self { others, order, answer } = *self;
        let mut found: MetadataResponse = read_answer(&body, answer.asked)?;
        found.topics.extend(others.topics);
        found.topics.sort_by_key(|topic| topic.name.as_ref().and_then(|name| order.get(name)).copied());
        found.throttle_time_ms = found.throttle_time_ms.max(others.throttle_time_ms);
        found.error_code = if found.error_code == 0 { others.error_code } else { found.error_code };
        answer.rewrite(cx, found)
    }
}

/// Waits for the only answer, or stands behind the last one.
struct Answer {
    version: i16,
    /// The version in which the broker is asked.
    asked: i16,
    /// All topics are asked for.
    all: bool,
    /// The client gave leave to create a mapped topic, which the broker was not given.
    creates: bool,
}

impl Pending for Answer {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let found = read_answer(&body, self.asked)?;
        self.rewrite(cx, found)
    }
}

impl Answer {
    /// What the client is answered.
    fn rewrite(&self, cx: &mut Context<'_>, mut answer: MetadataResponse) -> Result<Next, Fault> {
        brokers::note_addresses(cx, &answer);
        self.note_leaders(cx, &answer);
        answer.brokers.retain_mut(|broker| cx.readdress(broker.node_id.0, &mut broker.host, &mut broker.port));
        let mut moved = HashSet::new();
        answer.topics.retain_mut(|topic| {
            let of_broker = topic.error_code;
            let stays = self.virtualize(cx, topic, &mut moved) || !self.all;
            match topic.error_code {
                code if !stays || code == of_broker => cx.note(if stays { code } else { 0 }),
                code => cx.note_refusal(code),
            }
            stays
        });
        cx.shared.forget_logs(&moved);
        Next::answer(&answer, self.version)
    }

    /// Notes which brokers the client is sent to: the leaders of what it asked for by name.
    fn note_leaders(&self, cx: &mut Context<'_>, answer: &MetadataResponse) {
        if self.all || cx.shared.config.advertise == Advertise::Unchanged {
            return;
        }
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        let leaders: HashSet<i32> = partitions.map(|partition| partition.leader_id.0).collect();
        let routed = matches!(cx.shared.config.route, Route::Dynamic(_));
        let named: Vec<i32> = answer.brokers.iter().map(|broker| broker.node_id.0).collect();
        for broker in answer.brokers.iter().filter(|broker| leaders.contains(&broker.node_id.0)) {
            let id = broker.node_id.0;
            let Some((host, port)) = cx.shared.config.advertise.address(id, &broker.host, broker.port) else {
                continue;
            };
            if cx.shared.reach.told(id, &named, routed, cx.now) {
                cx.actions.push_back(Action::Unreached { broker: id, advertised: format!("{host}:{port}") });
            }
        }
    }

    /// False if the topic does not fit its mapping. `moved`: gets topics that are others than they were.
    fn virtualize(
        &self,
        cx: &mut Context<'_>,
        topic: &mut MetadataResponseTopic,
        moved: &mut HashSet<TopicName>,
    ) -> bool {
        let Some(name) = topic.name.clone() else { return true };
        let Some(remapper) = cx.shared.topics.remapper(&name.0) else { return true };
        if cx.shared.facts.note(topic, cx.now) {
            moved.insert(name.clone());
        }
        if topic.error_code != 0 {
            if self.creates && topic.error_code == ResponseError::UnknownTopicOrPartition.code() {
                cx.warn(format!(
                    "topic {} is mapped and does not exist: it is not created by asking for it, since it would get \
                     num.partitions; create it through Envoy with {} partitions (kafka-topics --create, or any admin \
                     client), or on the brokers with {}",
                    name.0,
                    remapper.virtual_partitions(),
                    remapper.physical_partitions()
                ));
            }
            return true;
        }
        if let Some(partitions) = virtual_partitions(&topic.partitions, name.clone(), &remapper) {
            cx.count(Stat::RemappedPartitions { api: cx.api.name }, partitions.len());
            topic.partitions = partitions;
            return true;
        }
        cx.refuse_misfit(&name.0, topic.partitions.len(), &remapper);
        topic.error_code = ResponseError::InvalidTopicException.code();
        topic.partitions.clear();
        false
    }
}

/// The virtual partitions of the topic called `name`, or None when `physical` is not exactly 0..P.
fn virtual_partitions(
    physical: &[MetadataResponsePartition],
    name: TopicName,
    remapper: &Rc<PartitionRemapper>,
) -> Option<Vec<MetadataResponsePartition>> {
    let mut by_index: Vec<&MetadataResponsePartition> = physical.iter().collect();
    by_index.sort_by_key(|partition| partition.partition_index);
    let indexes = by_index.iter().map(|partition| partition.partition_index);
    if !indexes.eq(0..remapper.physical_partitions()) {
        return None;
    }
    let topic = Topic::new(name, Some(Rc::clone(remapper)), None);
    let virtual_partition = |partition| {
        let located = topic.place(partition)?;
        let found = by_index.get(usize::try_from(located.place.partition.0).ok()?)?;
        Some((*found).clone().with_partition_index(partition))
    };
    (0..remapper.virtual_partitions()).map(virtual_partition).collect()
}

#[cfg(test)]
mod tests;
