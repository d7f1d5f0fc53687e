//! OffsetCommit: each lane's offsets go where they cannot overwrite a sibling's: lane 0 into the group, the others into
//! shadow groups.
//!
//! Shadows are written without membership, so a member that was thrown out must be stopped before: its own commit of lane
//! 0 (or, without one, the fence of `members`) goes first, and only when the broker has accepted it the other lanes follow.
//!
//! A shadow's offsets expire as those of any group without members: `offsets.retention.minutes` after they were written.
//! `heartbeat` writes them again while the group has members. `shadow_groups.retention_ms`, or a client that asks for a
//! retention time of its own, sets another time; versions 2 to 4 alone can say it.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, OffsetCommitResponse, TopicName};
use kafka_protocol::ResponseError;

use crate::apis::groups::lanes;
use crate::apis::groups::members::{Caller, Fence};
use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::exchange::located::{Located, Place, Topic};
use crate::exchange::renewals::MemberKey;
use crate::exchange::rounds::{self, Awaited};
use crate::remapper::{Lane, PhysicalPartition};
use crate::wire::rope::Rope;

const API: &str = "OffsetCommit";
/// The last version with a retention time.
pub(crate) const SHADOW_VERSION: i16 = 4;
/// The retention time of a commit that leaves it to the broker (`OffsetCommitRequest.DEFAULT_RETENTION_TIME`).
pub(crate) const BROKERS_RETENTION: i64 = -1;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let mut message: OffsetCommitRequest = request.decode()?;
    let mut answers = Answers::new(&message, request.version);
    if lanes::is_shadow(&message.group_id) {
        for topic in &message.topics {
            for commit in &topic.partitions {
                answers.refuse(cx, &topic.name, commit.partition_index, ResponseError::InvalidGroupId.code());
            }
        }
        return Ok(Plan::Answer(answers.merge()?));
    }
    if !message.topics.iter().any(|topic| cx.is_mapped(&topic.name)) {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    if let Some(plan) = cx.ask_first(message.topics.iter().map(|topic| &topic.name))? {
        return Ok(plan);
    }
    if message.retention_time_ms != BROKERS_RETENTION {
        let member = MemberKey::new(&message.group_id, &message.member_id);
        cx.session.renewals.keep_for(member, message.retention_time_ms);
    }
    let lanes = answers.sort(cx, std::mem::take(&mut message.topics));
    answers.plan(cx, message, lanes)
}

/// A commit under its physical partition and offset, and who made it.
type Commit = (Located, OffsetCommitRequestPartition);

/// Where a commit goes.
fn locate(
    cx: &mut Context<'_>,
    topic: &Topic,
    commit: &mut OffsetCommitRequestPartition,
) -> Result<Located, ResponseError> {
    let located = cx.locate(topic, commit.partition_index).map_err(|_| ResponseError::UnknownTopicOrPartition)?;
    let offset = located.offset_for_broker(commit.committed_offset);
    commit.committed_offset = offset.map_err(|_| ResponseError::OffsetOutOfRange)?;
    commit.partition_index = located.place.partition.0;
    Ok(located)
}

/// Which answer comes next.
enum Stage {
    /// The group's own commit, as the client asked for it.
    Group,
    Fence,
    /// The shadows' commits, in the order of `lanes`.
    Lanes,
}

struct Answers {
    version: i16,
    fence: Fence,
    stage: Stage,
    group: Vec<Located>,
    /// What is written to shadows once the fence is passed; emptied from the front while their answers come.
    lanes: VecDeque<(Vec<Located>, Option<Upstream>)>,
    throttle_time_ms: i32,
    answered: Vec<(TopicName, OffsetCommitResponsePartition)>,
}

impl Answers {
    fn new(message: &OffsetCommitRequest, version: i16) -> Self {
        let caller = Caller {
            group: message.group_id.clone(),
            generation: message.generation_id_or_member_epoch,
            member: message.member_id.clone(),
            instance: message.group_instance_id.clone(),
        };
        let (group, lanes, answered) = (vec![], VecDeque::new(), vec![]);
        Self { version, fence: Fence::new(caller), stage: Stage::Group, group, lanes, throttle_time_ms: 0, answered }
    }

    /// The commits by lane; what cannot be committed is refused.
    fn sort(&mut self, cx: &mut Context<'_>, topics: Vec<OffsetCommitRequestTopic>) -> BTreeMap<Lane, Vec<Commit>> {
        let mut lanes: BTreeMap<Lane, Vec<Commit>> = BTreeMap::new();
        for topic in topics {
            let at = cx.topic(&topic.name);
            for mut commit in topic.partitions {
                let partition = commit.partition_index;
                match locate(cx, &at, &mut commit) {
                    Ok(located) => lanes.entry(located.lane).or_default().push((located, commit)),
                    Err(error) => self.refuse(cx, &topic.name, partition, error.code()),
                }
            }
        }
        lanes
    }

    /// `message`: the client's, without its topics.
    fn plan(
        mut self,
        cx: &mut Context<'_>,
        message: OffsetCommitRequest,
        mut lanes: BTreeMap<Lane, Vec<Commit>>,
    ) -> Result<Plan, Fault> {
        let own = lanes.remove(&Lane(0)).unwrap_or_default();
        let retention_ms = cx.shared.config.shadow_retention_ms.unwrap_or(message.retention_time_ms);
        for (lane, commits) in lanes {
            let Some(shadow) = lanes::holder(&message.group_id, lane) else {
                for (located, _) in commits {
                    self.answer(cx, &located, ResponseError::InvalidGroupId.code());
                }
                continue;
            };
            let (slots, topics) = by_topic(commits, SHADOW_VERSION);
            self.lanes.push_back((slots, Some(shadow_commit(shadow, topics, retention_ms)?)));
        }
        if own.is_empty() && self.lanes.is_empty() {
            return Ok(Plan::Answer(self.merge()?));
        }
        let requests = if own.is_empty() {
            self.stage = Stage::Fence;
            self.fence.requests()?
        } else {
            let (slots, topics) = by_topic(own, self.version);
            self.group = slots;
            vec![Upstream::new(self.version, &message.with_topics(topics))?]
        };
        let barrier = !self.lanes.is_empty();
        Ok(Plan::Send { requests, pending: Box::new(self), barrier })
    }

    fn refuse(&mut self, cx: &mut Context<'_>, topic: &TopicName, partition: i32, error_code: i16) {
        cx.note(error_code);
        let answer =
            OffsetCommitResponsePartition::default().with_partition_index(partition).with_error_code(error_code);
        self.answered.push((topic.clone(), answer));
    }

    fn answer(&mut self, cx: &mut Context<'_>, located: &Located, error_code: i16) {
        self.refuse(cx, &located.place.topic, located.partition.0, error_code);
    }

    fn refuse_lanes(&mut self, cx: &mut Context<'_>, error_code: i16) -> Result<Next, Fault> {
        for (slots, _) in std::mem::take(&mut self.lanes) {
            for located in slots {
                self.answer(cx, &located, error_code);
            }
        }
        Ok(Next::Answer(self.merge()?))
    }

    fn send_lanes(mut self: Box<Self>) -> Next {
        self.stage = Stage::Lanes;
        let requests = self.lanes.iter_mut().filter_map(|(_, upstream)| upstream.take()).collect();
        Next::Send(requests, self)
    }

    /// Takes one answer for `slots`; gives the broker's error codes.
    fn take(
        &mut self,
        cx: &mut Context<'_>,
        slots: Vec<Located>,
        body: Bytes,
        version: i16,
    ) -> Result<Vec<i16>, Fault> {
        let answer: OffsetCommitResponse = read_answer(&body, version)?;
        self.throttle_time_ms = self.throttle_time_ms.max(answer.throttle_time_ms);
        let mut awaited = Awaited::new(slots.into_iter().map(|located| (located.place.clone(), located)));
        let mut codes = vec![];
        for topic in answer.topics {
            for committed in topic.partitions {
                let partition = PhysicalPartition(committed.partition_index);
                let located = awaited.take(API, Place { topic: topic.name.clone(), partition })?;
                codes.push(committed.error_code);
                self.answer(cx, &located, committed.error_code);
            }
        }
        awaited.finish(API)?;
        Ok(codes)
    }

    fn merge(&mut self) -> Result<Rope, Fault> {
        let topics = rounds::group(std::mem::take(&mut self.answered))
            .into_iter()
            .map(|(name, partitions)| OffsetCommitResponseTopic::default().with_name(name).with_partitions(partitions));
        let mut answer = OffsetCommitResponse::default().with_topics(topics.collect());
        if self.version >= 3 {
            answer.throttle_time_ms = self.throttle_time_ms;
        }
        let mut out = Rope::new();
        out.put_message(&answer, self.version)?;
        Ok(out)
    }
}

impl Pending for Answers {
    fn response(mut self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        match self.stage {
            Stage::Group => {
                let slots = std::mem::take(&mut self.group);
                let codes = self.take(cx, slots, body, self.version)?;
                if self.lanes.is_empty() {
                    return Ok(Next::Answer(self.merge()?));
                }
                match verdict(&codes) {
                    Verdict::Accepted => Ok(self.send_lanes()),
                    Verdict::Refused(error_code) => self.refuse_lanes(cx, error_code),
                    Verdict::Unknown => {
                        self.stage = Stage::Fence;
                        Ok(Next::Send(self.fence.requests()?, self))
                    }
                }
            }
            Stage::Fence => match self.fence.response(body)? {
                None => Ok(Next::Wait(self)),
                Some(Ok(())) => Ok(self.send_lanes()),
                Some(Err(error_code)) => self.refuse_lanes(cx, error_code),
            },
            Stage::Lanes => {
                let (slots, _) = self.lanes.pop_front().ok_or(Fault::Exchange)?;
                self.take(cx, slots, body, SHADOW_VERSION)?;
                if self.lanes.is_empty() {
                    return Ok(Next::Answer(self.merge()?));
                }
                Ok(Next::Wait(self))
            }
        }
    }
}

/// What the answer to the group's own commit proves about the caller.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Refused(i16),
    /// Every partition failed before the broker looked at the caller.
    Unknown,
}

fn verdict(codes: &[i16]) -> Verdict {
    // Said of a partition after the caller was accepted.
    let accepted = [0, ResponseError::OffsetMetadataTooLarge.code()];
    // Said of a partition whoever the caller is.
    let unknown = [
        ResponseError::UnknownTopicOrPartition.code(),
        ResponseError::TopicAuthorizationFailed.code(),
        ResponseError::InvalidCommitOffsetSize.code(),
    ];
    let about_caller = codes.iter().find(|code| !accepted.contains(code) && !unknown.contains(code));
    match about_caller {
        Some(code) => Verdict::Refused(*code),
        None if codes.iter().any(|code| accepted.contains(code)) => Verdict::Accepted,
        None => Verdict::Unknown,
    }
}

fn by_topic(commits: Vec<Commit>, version: i16) -> (Vec<Located>, Vec<OffsetCommitRequestTopic>) {
    let mut slots = vec![];
    let mut named = vec![];
    for (located, mut commit) in commits {
        if version < LEADER_EPOCH_SINCE {
            commit.committed_leader_epoch = -1;
        }
        named.push((located.place.topic.clone(), commit));
        slots.push(located);
    }
    (slots, topics(named))
}

/// The first version that holds leader epochs (KIP-320).
const LEADER_EPOCH_SINCE: i16 = 6;

pub(crate) fn topics(commits: Vec<(TopicName, OffsetCommitRequestPartition)>) -> Vec<OffsetCommitRequestTopic> {
    let topic = |(name, partitions)| OffsetCommitRequestTopic::default().with_name(name).with_partitions(partitions);
    rounds::group(commits).into_iter().map(topic).collect()
}

/// A commit of nobody's membership to a shadow.
///
/// # Errors
/// [`Fault::Encode`]
pub(crate) fn shadow_commit(
    shadow: GroupId,
    topics: Vec<OffsetCommitRequestTopic>,
    retention_ms: i64,
) -> Result<Upstream, Fault> {
    let commit = OffsetCommitRequest::default()
        .with_group_id(shadow)
        .with_generation_id_or_member_epoch(-1)
        .with_retention_time_ms(retention_ms)
        .with_topics(topics);
    Upstream::new(SHADOW_VERSION, &commit)
}

#[cfg(test)]
mod tests;
