//! OffsetDelete (KIP-496): each lane's offsets from the group that holds them.
//!
//! A broker refuses to delete offsets of topics that a group's members are subscribed to. Shadows have no
//! members, so the filter finds out before it deletes anything: the members' subscriptions are in the group's
//! description, and what the broker says of lane 0 and a topic holds for the topic's other lanes, which
//! follow. While nobody can tell the subscriptions, the filter refuses all, as a broker does that cannot read
//! them.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::{GroupId, OffsetDeleteRequest, OffsetDeleteResponse, TopicName};
use kafka_protocol::ResponseError;

use crate::apis::groups::codes::Codes;
use crate::apis::groups::lanes;
use crate::apis::groups::members::{self, Description};
use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::exchange::located::Located;
use crate::exchange::rounds;
use crate::remapper::{Lane, PhysicalPartition};

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let message: OffsetDeleteRequest = request.decode()?;
    let mut codes = Codes::new(request.version);
    if lanes::is_shadow(&message.group_id) {
        lanes::warn_of_shadow(cx);
        return Plan::answer(&answer(cx, &codes, ResponseError::InvalidGroupId.code()), request.version);
    }
    if !message.topics.iter().any(|topic| cx.is_mapped(&topic.name)) {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    if let Some(plan) = cx.ask_first(message.topics.iter().map(|topic| &topic.name))? {
        return Ok(plan);
    }
    let lanes = by_lane(cx, &mut codes, &message.topics);
    let requests = vec![members::describe(&message.group_id)?];
    let pending = Box::new(AwaitsDescription(Deletion { group: message.group_id, codes, lanes }));
    Ok(Plan::Send { requests, pending, barrier: true })
}

/// What is to be deleted by lane; lane 0 has the partitions of topics that are not mapped, too.
fn by_lane(
    cx: &mut Context<'_>,
    codes: &mut Codes,
    topics: &[OffsetDeleteRequestTopic],
) -> BTreeMap<Lane, Vec<Located>> {
    let mut lanes: BTreeMap<Lane, Vec<Located>> = BTreeMap::new();
    for OffsetDeleteRequestTopic { name, partitions, .. } in topics {
        let topic = cx.topic(name);
        for partition in partitions.iter().map(|partition| partition.partition_index) {
            match cx.locate(&topic, partition) {
                Ok(located) => {
                    cx.count_remapped(&located);
                    lanes.entry(located.lane).or_default().push(located);
                }
                Err(_) => codes.put(cx, name, partition, ResponseError::UnknownTopicOrPartition.code()),
            }
        }
    }
    lanes
}

/// What is still to be deleted of a group's offsets, and what the client is answered for the others.
struct Deletion {
    group: GroupId,
    codes: Codes,
    lanes: BTreeMap<Lane, Vec<Located>>,
}

impl Deletion {
    /// Refuses the partitions of every topic for which there is a code.
    fn refuse(&mut self, cx: &mut Context<'_>, code: impl Fn(&TopicName) -> Option<i16>) {
        for partitions in self.lanes.values_mut() {
            partitions.retain(|located| {
                let topic = &located.place.topic;
                let refused = code(topic);
                refused.into_iter().for_each(|code| self.codes.put(cx, topic, located.partition.0, code));
                refused.is_none()
            });
        }
        self.lanes.retain(|_, partitions| !partitions.is_empty());
    }
}

/// Waits for the group's description.
struct AwaitsDescription(Deletion);

impl Pending for AwaitsDescription {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self(mut deletion) = *self;
        let version = deletion.codes.version;
        let described = Description::read(&body)?;
        let error_code = described.error_code();
        if error_code != 0 {
            return Next::answer(&answer(cx, &deletion.codes, error_code), version);
        }
        let subscribed = ResponseError::GroupSubscribedToTopic.code();
        if !described.is_idle() {
            match described.subscribed() {
                Some(topics) => deletion.refuse(cx, |topic| topics.contains(topic.0.as_str()).then_some(subscribed)),
                // Members of another kind than consumers: the broker has an answer for the whole group.
                None if described.is_of_others() => {}
                None => deletion.refuse(cx, |_| Some(subscribed)),
            }
            if deletion.lanes.is_empty() {
                return Next::answer(&answer(cx, &deletion.codes, 0), version);
            }
        }
        // The group itself is always asked: its errors are the answer's.
        let partitions = deletion.lanes.remove(&Lane(0)).unwrap_or_default();
        let request = delete(deletion.group.clone(), &partitions, version)?;
        Ok(Next::Send(vec![request], Box::new(AwaitsGroup { partitions, deletion })))
    }
}

/// Waits for the group's own answer: of lane 0.
struct AwaitsGroup {
    partitions: Vec<Located>,
    /// The other lanes.
    deletion: Deletion,
}

impl Pending for AwaitsGroup {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self { partitions, mut deletion } = *self;
        let version = deletion.codes.version;
        let Deleted { is_known, error_code, refused } = take(cx, &mut deletion.codes, partitions, &body)?;
        if error_code != 0 {
            return Next::answer(&answer(cx, &deletion.codes, error_code), version);
        }
        deletion.refuse(cx, |topic| refused.get(topic).copied());
        let Deletion { group, mut codes, lanes } = deletion;
        let (mut requests, mut due) = (vec![], VecDeque::new());
        for (lane, partitions) in lanes {
            match lanes::holder(&group, lane) {
                Some(shadow) => {
                    requests.push(delete(shadow, &partitions, version)?);
                    due.push_back(partitions);
                }
                // No such group can have been written.
                None => codes.put_all(cx, partitions, 0),
            }
        }
        let shadows = AwaitsShadows { codes, is_known, due };
        if requests.is_empty() {
            return shadows.finish(cx);
        }
        Ok(Next::Send(requests, Box::new(shadows)))
    }
}

/// Waits for the shadows' answers. What fails from here on is told of its partitions: others are deleted by
/// now.
struct AwaitsShadows {
    codes: Codes,
    /// Whether the broker knew the group, or a shadow of it.
    is_known: bool,
    /// What was asked of each shadow, in the order of the answers.
    due: VecDeque<Vec<Located>>,
}

impl AwaitsShadows {
    fn finish(self, cx: &mut Context<'_>) -> Result<Next, Fault> {
        let error_code = if self.is_known { 0 } else { ResponseError::GroupIdNotFound.code() };
        Next::answer(&answer(cx, &self.codes, error_code), self.codes.version)
    }
}

impl Pending for AwaitsShadows {
    fn response(mut self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let partitions = self.due.pop_front().ok_or(Fault::bug("an answer to OffsetDelete without a request"))?;
        self.is_known |= take(cx, &mut self.codes, partitions, &body)?.is_known;
        if self.due.is_empty() {
            return self.finish(cx);
        }
        Ok(Next::Wait(self))
    }
}

fn delete(holder: GroupId, partitions: &[Located], version: i16) -> Result<Upstream, Fault> {
    let partition = |at: PhysicalPartition| OffsetDeleteRequestPartition::default().with_partition_index(at.0);
    let places = partitions.iter().map(|located| (located.place.topic.clone(), partition(located.place.partition)));
    let topic = |(name, partitions)| OffsetDeleteRequestTopic::default().with_name(name).with_partitions(partitions);
    let topics = rounds::group(places).into_iter().map(topic).collect();
    Upstream::new(version, &OffsetDeleteRequest::default().with_group_id(holder).with_topics(topics))
}

/// What the answer of one holder of offsets says.
struct Deleted {
    /// The broker knows the holder.
    is_known: bool,
    /// Of the holder as a whole.
    error_code: i16,
    /// The topics that were refused as such.
    refused: HashMap<TopicName, i16>,
}

/// Takes one holder's answer for `partitions`.
fn take(cx: &mut Context<'_>, codes: &mut Codes, partitions: Vec<Located>, body: &Bytes) -> Result<Deleted, Fault> {
    let found: OffsetDeleteResponse = read_answer(body, codes.version)?;
    codes.throttle_time_ms = codes.throttle_time_ms.max(found.throttle_time_ms);
    if found.error_code != 0 {
        // A holder that was never written holds nothing to delete.
        let is_known = found.error_code != ResponseError::GroupIdNotFound.code();
        let error_code = if is_known { found.error_code } else { 0 };
        codes.put_all(cx, partitions, error_code);
        return Ok(Deleted { is_known, error_code, refused: HashMap::new() });
    }
    let found = found.topics.into_iter().flat_map(|topic| {
        let deleted = topic.partitions.into_iter();
        deleted.map(move |at| (topic.name.clone(), PhysicalPartition(at.partition_index), at.error_code))
    });
    let of_topic = [ResponseError::GroupSubscribedToTopic.code(), ResponseError::TopicAuthorizationFailed.code()];
    let refused = codes.take(cx, partitions, found)?.into_iter().filter(|(_, code)| of_topic.contains(code)).collect();
    Ok(Deleted { is_known: true, error_code: 0, refused })
}

/// `error_code`: of the group as a whole; then nothing is said of partitions.
fn answer(cx: &mut Context<'_>, codes: &Codes, error_code: i16) -> OffsetDeleteResponse {
    cx.note(error_code);
    let partition = |partition, error_code| {
        OffsetDeleteResponsePartition::default().with_partition_index(partition).with_error_code(error_code)
    };
    let topic = |(name, partitions)| OffsetDeleteResponseTopic::default().with_name(name).with_partitions(partitions);
    let topics = if error_code == 0 { codes.by_topic(partition) } else { vec![] };
    OffsetDeleteResponse::default()
        .with_error_code(error_code)
        .with_throttle_time_ms(codes.throttle_time_ms)
        .with_topics(topics.into_iter().map(topic).collect())
}

#[cfg(test)]
mod tests;
