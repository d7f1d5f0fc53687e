//! Metadata: every virtual partition, with what the broker says of its physical one; brokers under the addresses that
//! clients reach.
//!
//! A topic whose real partition count is not the configured P is answered as INVALID_TOPIC_EXCEPTION, which clients show
//! at once instead of retrying: every virtual partition number would be a guess. Where all topics are asked for, such a topic
//! is left out: many programs give up when any topic of the cluster has an error, also one that they do not use (Kafka Connect,
//! `kafka-topics --describe`, sarama, kafkajs).
//!
//! A mapped topic is never created by asking for it: a broker would give it `num.partitions` partitions, and it would be refused
//! from then on. So mapped names go up without leave to create (version 4; older requests imply it), apart from the others.

use std::collections::{HashMap, HashSet, VecDeque};

use bytes::Bytes;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::ResponseError;

use crate::brokers::Advertise;
use crate::error::Fault;
use crate::exchange::action::Action;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::own::brokers;
use crate::remapper::{PartitionRemapper, VirtualPartition};
use crate::stats::Stat;

/// The first version that can ask without leave to create a topic.
const NO_CREATION: i16 = 4;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: MetadataRequest = request.decode()?;
    // Version 0 has no null list: there an empty one asks for all topics.
    let all = message.topics.as_ref().is_none_or(|topics| request.version == 0 && topics.is_empty());
    let mut answers = Answers {
        version: request.version,
        all,
        creates: false,
        order: HashMap::new(),
        asked: [request.version].into(),
        gathered: None,
    };
    let named = message.topics.as_deref().unwrap_or_default();
    let is_mapped = |topic: &MetadataRequestTopic| topic.name.as_ref().is_some_and(|name| cx.is_mapped(name));
    answers.creates = message.allow_auto_topic_creation && named.iter().any(is_mapped);
    if !answers.creates {
        return Ok(Plan::Pass(Passing::Read(Box::new(answers))));
    }
    // Where ids are named a broker looks at them alone, and creates nothing.
    let by_id = named.iter().any(|topic| topic.name.is_none());
    let (mapped, others): (Vec<_>, Vec<_>) = named.iter().cloned().partition(|topic| by_id || is_mapped(topic));
    answers.order = named.iter().zip(0..).filter_map(|(topic, at)| Some((topic.name.clone()?, at))).collect();
    answers.asked.clear();
    let mut requests = vec![];
    let mut ask = |version: i16, message: MetadataRequest| -> Result<(), Fault> {
        answers.asked.push_back(version);
        requests.push(Upstream::new(version, &message)?);
        Ok(())
    };
    if !others.is_empty() {
        ask(request.version, message.clone().with_topics(Some(others)))?;
    }
    let mapped = message.clone().with_topics(Some(mapped)).with_allow_auto_topic_creation(false);
    ask(request.version.max(NO_CREATION), mapped)?;
    Ok(Plan::Send { requests, pending: Box::new(answers), barrier: false })
}

struct Answers {
    version: i16,
    /// All topics are asked for.
    all: bool,
    /// The client gave leave to create a mapped topic, which the broker was not given.
    creates: bool,
    /// Where the client named each topic.
    order: HashMap<TopicName, usize>,
    /// The versions of the answers that are due.
    asked: VecDeque<i16>,
    gathered: Option<MetadataResponse>,
}

impl Pending for Answers {
    fn response(mut self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let mut answer = read_answer::<MetadataResponse>(&body, self.asked.pop_front().ok_or(Fault::Exchange)?)?;
        if let Some(former) = self.gathered.take() {
            answer.topics.extend(former.topics);
            answer.topics.sort_by_key(|topic| topic.name.as_ref().and_then(|name| self.order.get(name)).copied());
            answer.throttle_time_ms = answer.throttle_time_ms.max(former.throttle_time_ms);
            answer.error_code = if answer.error_code == 0 { former.error_code } else { answer.error_code };
        }
        if !self.asked.is_empty() {
            self.gathered = Some(answer);
            return Ok(Next::Wait(self));
        }
        brokers::note_addresses(cx, &answer);
        self.watch(cx, &answer);
        answer.brokers.retain_mut(|broker| cx.readdress(broker.node_id.0, &mut broker.host, &mut broker.port));
        answer.topics.retain_mut(|topic| {
            let fits = self.virtualize(cx, topic);
            let told = fits || !self.all;
            cx.note(if told { topic.error_code } else { 0 });
            told
        });
        Next::answer(&answer, self.version)
    }
}

impl Answers {
    /// Notes which brokers the client is sent to: the leaders of what it asked for by name.
    fn watch(&self, cx: &mut Context<'_>, answer: &MetadataResponse) {
        if self.all || cx.shared.config.advertise == Advertise::Unchanged {
            return;
        }
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        let leaders: HashSet<i32> = partitions.map(|partition| partition.leader_id.0).collect();
        let named: Vec<i32> = answer.brokers.iter().map(|broker| broker.node_id.0).collect();
        for broker in answer.brokers.iter().filter(|broker| leaders.contains(&broker.node_id.0)) {
            let id = broker.node_id.0;
            let Some((host, port)) = cx.shared.config.advertise.address(id, &broker.host, broker.port) else {
                continue;
            };
            if cx.shared.reach.told(id, &named, cx.now) {
                cx.actions.push_back(Action::Unreached { broker: id, advertised: format!("{host}:{port}") });
            }
        }
    }

    /// False if the topic does not fit its mapping.
    fn virtualize(&self, cx: &mut Context<'_>, topic: &mut MetadataResponseTopic) -> bool {
        let Some(name) = topic.name.as_ref().map(|name| name.0.clone()) else { return true };
        let Some(remapper) = cx.shared.topics.remapper(&name) else { return true };
        cx.shared.facts.note(topic, cx.now);
        if topic.error_code != 0 {
            if self.creates && topic.error_code == ResponseError::UnknownTopicOrPartition.code() {
                cx.warn(format!(
                    "topic {name} is mapped and does not exist: it is not created by asking for it, since it would get \
                     num.partitions; create it on the brokers, with {} partitions",
                    remapper.physical_partitions()
                ));
            }
            return true;
        }
        if let Some(partitions) = spread(&topic.partitions, &remapper) {
            cx.count(Stat::RemappedPartitions { api: "Metadata" }, partitions.len());
            topic.partitions = partitions;
            return true;
        }
        cx.refuse_misfit(&name, topic.partitions.len(), &remapper);
        topic.error_code = ResponseError::InvalidTopicException.code();
        topic.partitions.clear();
        false
    }
}

/// The virtual partitions, or None when `physical` is not exactly 0..P.
fn spread(
    physical: &[MetadataResponsePartition],
    remapper: &PartitionRemapper,
) -> Option<Vec<MetadataResponsePartition>> {
    let mut by_index: Vec<&MetadataResponsePartition> = physical.iter().collect();
    by_index.sort_by_key(|partition| partition.partition_index);
    let indexes = by_index.iter().map(|partition| partition.partition_index);
    if !indexes.eq(0..remapper.physical_partitions()) {
        return None;
    }
    (0..remapper.virtual_partitions())
        .map(|v| {
            let (p, _) = remapper.virtual_to_physical(VirtualPartition(v)).ok()?;
            let found = by_index.get(usize::try_from(p.0).ok()?)?;
            Some((*found).clone().with_partition_index(v))
        })
        .collect()
}

#[cfg(test)]
mod tests;
