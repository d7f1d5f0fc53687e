//! OffsetDelete (KIP-496): each lane's offsets from the group that holds them.
//!
//! A broker refuses it for topics that a group's members are subscribed to. Shadows have no members, so the filter finds out
//! before it deletes anything: the members' subscriptions are in the group's description, and what the broker says of lane
//! 0 and a topic holds for the topic's other lanes, which follow. While nobody can tell the subscriptions, all is refused,
//! as a broker does that cannot read them.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::{GroupId, OffsetDeleteRequest, OffsetDeleteResponse, TopicName};
use kafka_protocol::ResponseError;

use crate::apis::groups::lanes;
use crate::apis::groups::members::{self, Described};
use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::exchange::located::{Located, Place};
use crate::exchange::rounds::{self, Awaited};
use crate::remapper::{Lane, PhysicalPartition};
use crate::wire::rope::Rope;

const API: &str = "OffsetDelete";

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let message: OffsetDeleteRequest = request.decode()?;
    let mut answers = Answers::new(&message, request.version);
    if lanes::is_shadow(&message.group_id) {
        answers.error_code = ResponseError::InvalidGroupId.code();
        return Ok(Plan::Answer(answers.merge(cx)?));
    }
    if !message.topics.iter().any(|topic| cx.is_mapped(&topic.name)) {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    if let Some(plan) = cx.ask_first(message.topics.iter().map(|topic| &topic.name))? {
        return Ok(plan);
    }
    answers.sort(cx, &message);
    let requests = vec![members::describe(&message.group_id)?];
    Ok(Plan::Send { requests, pending: Box::new(answers), barrier: true })
}

/// Which answer comes next.
enum Stage {
    Describe,
    /// The group's own: lane 0, and topics that are not mapped.
    Group,
    Lanes,
}

struct Answers {
    version: i16,
    group: GroupId,
    stage: Stage,
    /// What is deleted from the group itself, and from each lane's shadow.
    own: Vec<Located>,
    lanes: BTreeMap<Lane, Vec<Located>>,
    /// What was asked of shadows, in the order of the answers.
    awaited: VecDeque<Vec<Located>>,
    /// Whether some holder of offsets was known to the broker.
    known: bool,
    error_code: i16,
    throttle_time_ms: i32,
    answered: Vec<(TopicName, OffsetDeleteResponsePartition)>,
}

impl Answers {
    fn new(message: &OffsetDeleteRequest, version: i16) -> Self {
        Self {
            version,
            group: message.group_id.clone(),
            stage: Stage::Describe,
            own: vec![],
            lanes: BTreeMap::new(),
            awaited: VecDeque::new(),
            known: false,
            error_code: 0,
            throttle_time_ms: 0,
            answered: vec![],
        }
    }

    fn sort(&mut self, cx: &mut Context<'_>, message: &OffsetDeleteRequest) {
        for topic in &message.topics {
            let at = cx.topic(&topic.name);
            for asked in &topic.partitions {
                let partition = asked.partition_index;
                match cx.locate(&at, partition) {
                    Ok(located) if located.lane == Lane(0) => self.own.push(located),
                    Ok(located) => self.lanes.entry(located.lane).or_default().push(located),
                    Err(_) => self.tell(cx, &topic.name, partition, ResponseError::UnknownTopicOrPartition.code()),
                }
            }
        }
    }

    fn tell(&mut self, cx: &mut Context<'_>, topic: &TopicName, partition: i32, error_code: i16) {
        cx.note(error_code);
        let told = OffsetDeleteResponsePartition::default().with_partition_index(partition).with_error_code(error_code);
        self.answered.push((topic.clone(), told));
    }

    fn tell_all(&mut self, cx: &mut Context<'_>, slots: Vec<Located>, error_code: i16) {
        for located in slots {
            self.tell(cx, &located.place.topic, located.partition.0, error_code);
        }
    }

    /// Refuses the partitions of every topic for which there is a code.
    fn refuse(&mut self, cx: &mut Context<'_>, code: impl Fn(&TopicName) -> Option<i16>) {
        let own = std::mem::take(&mut self.own);
        self.own = self.refuse_of(cx, own, &code);
        for (lane, slots) in std::mem::take(&mut self.lanes) {
            let left = self.refuse_of(cx, slots, &code);
            if !left.is_empty() {
                self.lanes.insert(lane, left);
            }
        }
    }

    fn refuse_of(
        &mut self,
        cx: &mut Context<'_>,
        slots: Vec<Located>,
        code: &impl Fn(&TopicName) -> Option<i16>,
    ) -> Vec<Located> {
        let mut left = vec![];
        for located in slots {
            match code(&located.place.topic) {
                Some(error_code) => self.tell(cx, &located.place.topic, located.partition.0, error_code),
                None => left.push(located),
            }
        }
        left
    }

    fn take_description(mut self: Box<Self>, cx: &mut Context<'_>, described: &Described) -> Result<Next, Fault> {
        self.error_code = described.error_code();
        if self.error_code != 0 {
            return Ok(Next::Answer(self.merge(cx)?));
        }
        let subscribed = ResponseError::GroupSubscribedToTopic.code();
        if !described.is_idle() {
            match described.subscribed() {
                Some(topics) => self.refuse(cx, |topic| topics.contains(topic.0.as_str()).then_some(subscribed)),
                // Members of another kind than consumers: the broker has an answer for the whole group.
                None if described.is_of_others() => {}
                None => self.refuse(cx, |_| Some(subscribed)),
            }
            if self.own.is_empty() && self.lanes.is_empty() {
                return Ok(Next::Answer(self.merge(cx)?));
            }
        }
        // The group itself is always asked: its errors are the answer's.
        self.stage = Stage::Group;
        let request = self.delete(self.group.clone(), &self.own)?;
        Ok(Next::Send(vec![request], self))
    }

    /// Behind the group's own answer: every lane's request.
    fn send_lanes(mut self: Box<Self>, cx: &mut Context<'_>) -> Result<Next, Fault> {
        self.stage = Stage::Lanes;
        let mut requests = vec![];
        for (lane, slots) in std::mem::take(&mut self.lanes) {
            match lanes::holder(&self.group, lane) {
                Some(holder) => {
                    requests.push(self.delete(holder, &slots)?);
                    self.awaited.push_back(slots);
                }
                // No such group can have been written.
                None => self.tell_all(cx, slots, 0),
            }
        }
        if requests.is_empty() {
            return self.finish(cx);
        }
        Ok(Next::Send(requests, self))
    }

    fn finish(&mut self, cx: &mut Context<'_>) -> Result<Next, Fault> {
        if !self.known && self.error_code == 0 {
            self.error_code = ResponseError::GroupIdNotFound.code();
        }
        Ok(Next::Answer(self.merge(cx)?))
    }

    fn delete(&self, holder: GroupId, slots: &[Located]) -> Result<Upstream, Fault> {
        let partition = |at: PhysicalPartition| OffsetDeleteRequestPartition::default().with_partition_index(at.0);
        let places = slots.iter().map(|located| (located.place.topic.clone(), located.place.partition));
        let topics = rounds::group(places).into_iter().map(|(name, partitions)| {
            let partitions = partitions.into_iter().map(partition).collect();
            OffsetDeleteRequestTopic::default().with_name(name).with_partitions(partitions)
        });
        let message = OffsetDeleteRequest::default().with_group_id(holder).with_topics(topics.collect());
        Upstream::new(self.version, &message)
    }

    /// Takes one holder's answer for `slots`. Gives its error code, and the topics that it refused as such.
    fn take(
        &mut self,
        cx: &mut Context<'_>,
        slots: Vec<Located>,
        body: Bytes,
    ) -> Result<(i16, HashMap<TopicName, i16>), Fault> {
        let found: OffsetDeleteResponse = read_answer(&body, self.version)?;
        self.throttle_time_ms = self.throttle_time_ms.max(found.throttle_time_ms);
        if found.error_code != 0 {
            // A holder that was never written holds nothing to delete.
            let unknown = found.error_code == ResponseError::GroupIdNotFound.code();
            self.tell_all(cx, slots, if unknown { 0 } else { found.error_code });
            self.known |= !unknown;
            return Ok((if unknown { 0 } else { found.error_code }, HashMap::new()));
        }
        self.known = true;
        let of_topic = [ResponseError::GroupSubscribedToTopic.code(), ResponseError::TopicAuthorizationFailed.code()];
        let mut refused = HashMap::new();
        let mut awaited = Awaited::new(slots.into_iter().map(|located| (located.place.clone(), located)));
        for topic in found.topics {
            for deleted in topic.partitions {
                let partition = PhysicalPartition(deleted.partition_index);
                let located = awaited.take(API, Place { topic: topic.name.clone(), partition })?;
                self.tell(cx, &topic.name, located.partition.0, deleted.error_code);
                if of_topic.contains(&deleted.error_code) {
                    refused.insert(topic.name.clone(), deleted.error_code);
                }
            }
        }
        awaited.finish(API)?;
        Ok((0, refused))
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
    fn response(mut self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        match self.stage {
            Stage::Describe => {
                let described = Described::read(body)?;
                self.take_description(cx, &described)
            }
            Stage::Group => {
                let own = std::mem::take(&mut self.own);
                let (error_code, refused) = self.take(cx, own, body)?;
                self.error_code = error_code;
                if error_code != 0 {
                    return Ok(Next::Answer(self.merge(cx)?));
                }
                self.refuse(cx, |topic| refused.get(topic).copied());
                self.send_lanes(cx)
            }
            // What fails from here on is told of its partitions: others are deleted by now.
            Stage::Lanes => {
                let slots = self.awaited.pop_front().ok_or(Fault::Exchange)?;
                self.take(cx, slots, body)?;
                if self.awaited.is_empty() {
                    return self.finish(cx);
                }
                Ok(Next::Wait(self))
            }
        }
    }
}

#[cfg(test)]
mod tests;
