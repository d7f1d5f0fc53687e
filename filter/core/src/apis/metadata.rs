//! Metadata: every virtual partition, with what the broker says of its physical one; brokers under the addresses that
//! clients reach.
//!
//! A topic whose real partition count is not the configured P is answered as INVALID_TOPIC_EXCEPTION, which clients show
//! at once instead of retrying: every virtual partition number would be a guess.

use bytes::Bytes;
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{MetadataRequest, MetadataResponse};
use kafka_protocol::ResponseError;

use crate::brokers::{Address, Route};
use crate::connection::Action;
use crate::error::{Blame, Fault};
use crate::exchange::{Context, Next, Pending, Plan, Request};
use crate::limits;
use crate::remapper::{PartitionRemapper, VirtualPartition};
use crate::rope::Rope;
use crate::shape;
use crate::stats::Stat;

/// Clients (by `client_software_name`, KIP-511) that give up when any topic of the cluster has an error, also one that
/// they do not use. kafkajs does as well, and is among those that tell no name.
const FRAIL_CLIENTS: [&str; 1] = ["sarama"];

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: MetadataRequest = request.decode(&shape::requests::METADATA)?;
    // Version 0 has no null list: there an empty one asks for all topics.
    let all = message.topics.is_none_or(|topics| request.version == 0 && topics.is_empty());
    let frail = cx.session.software.as_ref().is_none_or(|software| FRAIL_CLIENTS.contains(&software.as_str()));
    Ok(Plan::PassUp(Box::new(Answer { version: request.version, omit_misfits: all && frail })))
}

struct Answer {
    version: i16,
    /// Topics that do not fit their mapping are left out instead of refused.
    omit_misfits: bool,
}

impl Pending for Answer {
    fn response(&mut self, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let mut answer = decode(body, self.version)?;
        learn(cx, &answer);
        answer.brokers.retain_mut(|broker| cx.readdress(broker.node_id.0, &mut broker.host, &mut broker.port));
        answer.topics.retain_mut(|topic| {
            cx.note(topic.error_code);
            virtualize(cx, topic) || !self.omit_misfits
        });
        let mut out = Rope::new();
        out.put_message(&answer, self.version)?;
        Ok(Next::Answer(out))
    }
}

/// # Errors
/// [`Fault::Answer`]
pub(crate) fn decode(body: Bytes, version: i16) -> Result<MetadataResponse, Fault> {
    shape::decode_answer(&shape::responses::METADATA, &body, version)
        .map_err(|_| Fault::Answer { api: "Metadata", what: "it is malformed" })
}

/// Tells the process who the brokers are, where connections are routed by broker id.
pub(crate) fn learn(cx: &mut Context<'_>, answer: &MetadataResponse) {
    if matches!(cx.shared.config.route, Route::Envoy) {
        return;
    }
    let known = answer.brokers.iter();
    let known = known.filter_map(|broker| Some((broker.node_id.0, Address::of(&broker.host, broker.port)?)));
    cx.actions.push_back(Action::Learn(known.take(limits::LEARNED_BROKERS_MAX).collect()));
}

/// False if the topic does not fit its mapping.
fn virtualize(cx: &mut Context<'_>, topic: &mut MetadataResponseTopic) -> bool {
    let Some(name) = topic.name.as_ref().map(|name| name.0.clone()) else { return true };
    let Some(remapper) = cx.shared.topics.remapper(&name) else { return true };
    cx.shared.facts.note(topic, cx.now);
    if topic.error_code != 0 {
        return true;
    }
    match spread(&topic.partitions, &remapper) {
        Some(partitions) => {
            cx.count(Stat::RemappedPartitions { api: "Metadata" }, partitions.len());
            topic.partitions = partitions;
            true
        }
        None => {
            let (found, physical) = (topic.partitions.len(), remapper.physical_partitions());
            cx.count(Stat::TopicMismatch, 1);
            cx.count(Stat::Errors { blame: Blame::Config }, 1);
            cx.warn(format!(
                "topic {name} has {found} partitions on the cluster, the mapping says physical_partitions {physical}: \
                 it is refused until one of the two is changed"
            ));
            topic.error_code = ResponseError::InvalidTopicException.code();
            cx.note(topic.error_code);
            topic.partitions.clear();
            false
        }
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
