//! OffsetDelete (KIP-496): each lane's offsets from the group that holds them.
//!
//! A broker refuses it for topics that a group's members are subscribed to. Shadows have no members, so the filter asks for
//! the group first: while it has members, lanes above 0 are refused as subscribed.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::{ApiKey, GroupId, OffsetDeleteRequest, OffsetDeleteResponse, TopicName};
use kafka_protocol::ResponseError;

use crate::apis::groups::{self, Caller};
use crate::error::Fault;
use crate::exchange::{Context, Next, Pending, Plan, Request, Upstream};
use crate::remapper::Lane;
use crate::rope::Rope;
use crate::rounds;
use crate::shape;
use crate::stats::Stat;

const API: &str = "OffsetDelete";

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass { answered: true });
    }
    let message: OffsetDeleteRequest = request.decode(&shape::requests::OFFSET_DELETE)?;
    let mut answers = Answers::new(&message, request.version);
    if groups::is_shadow(&message.group_id) {
        answers.error_code = ResponseError::InvalidGroupId.code();
        return Ok(Plan::Answer(answers.merge(cx)?));
    }
    if !message.topics.iter().any(|topic| cx.is_mapped(&topic.name)) {
        return Ok(Plan::Pass { answered: true });
    }
    if let Some(plan) = cx.ask_first(message.topics.iter().map(|topic| &topic.name)) {
        return Ok(plan);
    }
    answers.sort(cx, &message);
    let fence = answers.caller.fence()?;
    Ok(Plan::Send { requests: vec![fence], pending: Box::new(answers), barrier: true })
}

/// A partition of the client's request and its place on the broker.
struct Slot {
    topic: TopicName,
    partition: i32,
    physical: i32,
}

struct Answers {
    version: i16,
    caller: Caller,
    fenced: bool,
    /// What is deleted from each lane's holder; the answers come in this order.
    lanes: BTreeMap<Lane, Vec<Slot>>,
    /// Requests sent, and how many of them met a group that the broker does not know.
    asked: usize,
    unknown: usize,
    error_code: i16,
    throttle_time_ms: i32,
    answered: Vec<(TopicName, OffsetDeleteResponsePartition)>,
}

impl Answers {
    fn new(message: &OffsetDeleteRequest, version: i16) -> Self {
        let caller = Caller::outsider(&message.group_id);
        let (lanes, answered) = (BTreeMap::new(), vec![]);
        Self {
            version,
            caller,
            fenced: false,
            lanes,
            asked: 0,
            unknown: 0,
            error_code: 0,
            throttle_time_ms: 0,
            answered,
        }
    }

    fn sort(&mut self, cx: &mut Context<'_>, message: &OffsetDeleteRequest) {
        // The group itself is always asked: its errors are the answer's.
        self.lanes.insert(Lane(0), vec![]);
        for topic in &message.topics {
            let remapper = cx.shared.topics.remapper(&topic.name.0);
            for asked in &topic.partitions {
                let partition = asked.partition_index;
                let (mut physical, mut lane) = (partition, Lane(0));
                if let Some(remapper) = &remapper {
                    let Ok(mapped) = cx.locate(&topic.name, remapper, partition) else {
                        self.tell(cx, &topic.name, partition, ResponseError::UnknownTopicOrPartition.code());
                        continue;
                    };
                    cx.count(Stat::RemappedPartitions { api: API }, 1);
                    (physical, lane) = (mapped.0 .0, mapped.1);
                }
                let slot = Slot { topic: topic.name.clone(), partition, physical };
                self.lanes.entry(lane).or_default().push(slot);
            }
        }
    }

    fn tell(&mut self, cx: &mut Context<'_>, topic: &TopicName, partition: i32, error_code: i16) {
        cx.note(error_code);
        let told = OffsetDeleteResponsePartition::default().with_partition_index(partition).with_error_code(error_code);
        self.answered.push((topic.clone(), told));
    }

    /// Behind the fence: every lane's request.
    fn send(&mut self, cx: &mut Context<'_>, refused: bool) -> Result<Next, Fault> {
        let mut requests = vec![];
        let mut kept = BTreeMap::new();
        for (lane, slots) in std::mem::take(&mut self.lanes) {
            let holder = groups::holder(&self.caller.group, lane).filter(|_| lane.0 == 0 || !refused);
            let Some(holder) = holder else {
                for slot in slots {
                    self.tell(cx, &slot.topic, slot.partition, ResponseError::GroupSubscribedToTopic.code());
                }
                continue;
            };
            requests.push(self.delete(holder, &slots)?);
            kept.insert(lane, slots);
        }
        self.lanes = kept;
        self.asked = requests.len();
        Ok(Next::Send(requests))
    }

    fn delete(&self, holder: GroupId, slots: &[Slot]) -> Result<Upstream, Fault> {
        let places = slots.iter().map(|slot| (slot.topic.clone(), slot.physical));
        let partition = |index| OffsetDeleteRequestPartition::default().with_partition_index(index);
        let topics = rounds::group(places).into_iter().map(|(name, partitions)| {
            let partitions = partitions.into_iter().map(partition).collect();
            OffsetDeleteRequestTopic::default().with_name(name).with_partitions(partitions)
        });
        let message = OffsetDeleteRequest::default().with_group_id(holder).with_topics(topics.collect());
        Upstream::new(ApiKey::OffsetDelete as i16, self.version, &message)
    }

    fn take(&mut self, cx: &mut Context<'_>, mut body: Bytes) -> Result<(), Fault> {
        let found: OffsetDeleteResponse = shape::decode(&shape::responses::OFFSET_DELETE, &mut body, self.version)
            .map_err(|_| Fault::Answer { api: API, what: "it is malformed" })?;
        self.throttle_time_ms = self.throttle_time_ms.max(found.throttle_time_ms);
        let (_, mut slots) = self.lanes.pop_first().ok_or(Fault::Exchange)?;
        let unknown = ResponseError::GroupIdNotFound.code();
        if found.error_code != 0 {
            // A holder that was never written holds nothing to delete; the group is unknown when all are.
            match found.error_code == unknown {
                true => self.unknown += 1,
                false => self.error_code = found.error_code,
            }
            for slot in std::mem::take(&mut slots) {
                self.tell(cx, &slot.topic, slot.partition, 0);
            }
        }
        for topic in found.topics {
            for deleted in topic.partitions {
                let asked = |slot: &Slot| slot.physical == deleted.partition_index && slot.topic == topic.name;
                let at = slots.iter().position(asked);
                let at = at.ok_or(Fault::Answer { api: API, what: "it names a partition that was not asked for" })?;
                let slot = slots.swap_remove(at);
                self.tell(cx, &slot.topic, slot.partition, deleted.error_code);
            }
        }
        if !slots.is_empty() {
            return Err(Fault::Answer { api: API, what: "a partition is missing" });
        }
        Ok(())
    }

    fn merge(&mut self, cx: &mut Context<'_>) -> Result<Rope, Fault> {
        cx.note(self.error_code);
        let answered = if self.error_code == 0 { std::mem::take(&mut self.answered) } else { vec![] };
        let topics = rounds::group(answered).into_iter();
        let topic =
            |(name, partitions)| OffsetDeleteResponseTopic::default().with_name(name).with_partitions(partitions);
        let answer = OffsetDeleteResponse::default()
            .with_error_code(self.error_code)
            .with_throttle_time_ms(self.throttle_time_ms)
            .with_topics(topics.map(topic).collect());
        let mut out = Rope::new();
        out.put_message(&answer, self.version)?;
        Ok(out)
    }
}

impl Pending for Answers {
    fn response(&mut self, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        if !self.fenced {
            self.fenced = true;
            let refused = self.caller.refused_by(body)?.is_some();
            return self.send(cx, refused);
        }
        self.take(cx, body)?;
        if self.lanes.is_empty() {
            if self.error_code == 0 && self.unknown == self.asked {
                self.error_code = ResponseError::GroupIdNotFound.code();
            }
            return Ok(Next::Answer(self.merge(cx)?));
        }
        Ok(Next::Wait)
    }
}
