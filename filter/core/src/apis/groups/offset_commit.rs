//! OffsetCommit: each lane's offsets go where they cannot overwrite a sibling's: lane 0 into the group, the
//! others into shadow groups.
//!
//! Shadows are written without membership, so a member that was thrown out must be stopped before: its own
//! commit of lane 0 (or, without any, the fence of `members`) goes first, and only when the broker has
//! accepted that the other lanes follow.
//!
//! A shadow's offsets expire as those of any group without members: `offsets.retention.minutes` after they
//! were written. `heartbeat` writes them again while the group has members. `shadow_groups.retention_ms`, or
//! a client that asks for a retention time of its own, sets another time; only versions 2 to 4 have a field
//! for a retention time.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, OffsetCommitResponse, TopicName};
use kafka_protocol::ResponseError;

use crate::apis::groups::codes::Codes;
use crate::apis::groups::lanes;
use crate::apis::groups::members::{Caller, Fence, Permission};
use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::exchange::located::{Located, Topic};
use crate::exchange::renewals::MemberKey;
use crate::exchange::rounds;
use crate::remapper::{Lane, PhysicalPartition};
use crate::stats::Stat;

/// The last version with a retention time.
pub(crate) const SHADOW_VERSION: i16 = 4;
/// The retention time of a commit that leaves it to the broker
/// (`OffsetCommitRequest.DEFAULT_RETENTION_TIME`).
pub(crate) const BROKERS_RETENTION: i64 = -1;
/// The first version that holds leader epochs (KIP-320).
const LEADER_EPOCH_SINCE: i16 = 6;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let mut message: OffsetCommitRequest = request.decode()?;
    let mut codes = Codes::new(request.version);
    if lanes::is_shadow(&message.group_id) {
        lanes::warn_of_shadow(cx);
        for topic in &message.topics {
            for commit in &topic.partitions {
                codes.put(cx, &topic.name, commit.partition_index, ResponseError::InvalidGroupId.code());
            }
        }
        return Plan::answer(&answer(&codes), codes.version);
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
    let lanes = by_lane(cx, &mut codes, std::mem::take(&mut message.topics));
    plan(cx, message, codes, lanes)
}

/// A commit under its physical partition and offset, and who made it.
type Commit = (Located, OffsetCommitRequestPartition);

/// The commits by lane; what cannot be committed is refused.
fn by_lane(
    cx: &mut Context<'_>,
    codes: &mut Codes,
    topics: Vec<OffsetCommitRequestTopic>,
) -> BTreeMap<Lane, Vec<Commit>> {
    let mut lanes: BTreeMap<Lane, Vec<Commit>> = BTreeMap::new();
    for OffsetCommitRequestTopic { name, partitions, .. } in topics {
        let topic = cx.topic(&name);
        for mut commit in partitions {
            let partition = commit.partition_index;
            match for_broker(cx, &topic, &mut commit) {
                Ok(located) => lanes.entry(located.lane).or_default().push((located, commit)),
                Err(error) => codes.put(cx, &name, partition, error.code()),
            }
        }
    }
    lanes
}

/// Gives the commit its physical partition and offset.
fn for_broker(
    cx: &mut Context<'_>,
    topic: &Topic,
    commit: &mut OffsetCommitRequestPartition,
) -> Result<Located, ResponseError> {
    let located = cx.locate(topic, commit.partition_index).map_err(|_| ResponseError::UnknownTopicOrPartition)?;
    let offset = located.offset_for_broker(commit.committed_offset);
    commit.committed_offset = offset.map_err(|_| ResponseError::OffsetOutOfRange)?;
    commit.partition_index = located.place.partition.0;
    cx.count_remapped(&located);
    Ok(located)
}

/// `message`: the client's, without its topics.
fn plan(
    cx: &mut Context<'_>,
    message: OffsetCommitRequest,
    mut codes: Codes,
    mut lanes: BTreeMap<Lane, Vec<Commit>>,
) -> Result<Plan, Fault> {
    let own = lanes.remove(&Lane(0)).unwrap_or_default();
    let retention_ms = cx.shared.config.shadow_retention_ms.unwrap_or(message.retention_time_ms);
    let mut commits = vec![];
    for (lane, of_lane) in lanes {
        let (partitions, topics) = by_topic(of_lane, SHADOW_VERSION);
        match lanes::holder(&message.group_id, lane) {
            Some(shadow) => commits.push((partitions, shadow_commit(shadow, topics, retention_ms)?)),
            None => codes.put_all(cx, partitions, ResponseError::InvalidGroupId.code()),
        }
    }
    if own.is_empty() && commits.is_empty() {
        return Plan::answer(&answer(&codes), codes.version);
    }
    let (version, barrier) = (codes.version, !commits.is_empty());
    let shadows = ShadowCommits { codes, caller: Caller::new(&message), commits };
    if own.is_empty() {
        let (requests, pending) = shadows.fence()?;
        return Ok(Plan::Send { requests, pending, barrier });
    }
    let (partitions, topics) = by_topic(own, version);
    let requests = vec![Upstream::new(version, &message.with_topics(topics))?];
    Ok(Plan::Send { requests, pending: Box::new(AwaitsGroup { partitions, shadows }), barrier })
}

/// What is to be written to shadows as soon as the caller is known to be allowed.
struct ShadowCommits {
    codes: Codes,
    caller: Caller,
    commits: Vec<(Vec<Located>, Upstream)>,
}

impl ShadowCommits {
    /// Asks whether the caller may commit.
    fn fence(self) -> Result<(Vec<Upstream>, Box<dyn Pending>), Fault> {
        let (requests, fence) = self.caller.fence()?;
        Ok((requests, Box::new(AwaitsFence { fence, shadows: self })))
    }

    /// Commits, or refuses.
    fn proceed(mut self, cx: &mut Context<'_>, permission: Permission) -> Result<Next, Fault> {
        match permission {
            Permission::Granted => {
                let (due, requests): (_, Vec<_>) = self.commits.into_iter().unzip();
                Ok(Next::Send(requests, Box::new(AwaitsShadows { codes: self.codes, due })))
            }
            Permission::Refused(error_code) => {
                for (partitions, _) in self.commits {
                    self.codes.put_all(cx, partitions, error_code);
                }
                Next::answer(&answer(&self.codes), self.codes.version)
            }
        }
    }
}

/// Waits for the answer to the group's own commit, of the client's version.
struct AwaitsGroup {
    partitions: Vec<Located>,
    shadows: ShadowCommits,
}

impl Pending for AwaitsGroup {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self { partitions, mut shadows } = *self;
        let version = shadows.codes.version;
        let found = take(cx, &mut shadows.codes, partitions, &body, version)?;
        if shadows.commits.is_empty() {
            return Next::answer(&answer(&shadows.codes), version);
        }
        match permission(&found) {
            Some(permission) => shadows.proceed(cx, permission),
            None => shadows.fence().map(|(requests, pending)| Next::Send(requests, pending)),
        }
    }
}

/// Waits for the fence.
struct AwaitsFence {
    fence: Fence,
    shadows: ShadowCommits,
}

impl Pending for AwaitsFence {
    fn response(mut self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        match self.fence.response(&body)? {
            None => Ok(Next::Wait(self)),
            Some(permission) => self.shadows.proceed(cx, permission),
        }
    }
}

/// Waits for the answers to the shadows' commits.
struct AwaitsShadows {
    codes: Codes,
    /// What was committed, in the order of the answers.
    due: VecDeque<Vec<Located>>,
}

impl Pending for AwaitsShadows {
    fn response(mut self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let partitions = self.due.pop_front().ok_or(Fault::bug("an answer to OffsetCommit without a request"))?;
        let codes = take(cx, &mut self.codes, partitions, &body, SHADOW_VERSION)?;
        cx.shared.tally.add(Stat::ShadowCommitsFailed, usize::from(codes.iter().any(|(_, code)| *code != 0)));
        if self.due.is_empty() {
            return Next::answer(&answer(&self.codes), self.codes.version);
        }
        Ok(Next::Wait(self))
    }
}

/// Takes the answer to one commit of `partitions`. Gives its error codes by topic.
fn take(
    cx: &mut Context<'_>,
    codes: &mut Codes,
    partitions: Vec<Located>,
    body: &Bytes,
    version: i16,
) -> Result<Vec<(TopicName, i16)>, Fault> {
    let found: OffsetCommitResponse = read_answer(body, version)?;
    codes.throttle_time_ms = codes.throttle_time_ms.max(found.throttle_time_ms);
    let found = found.topics.into_iter().flat_map(|topic| {
        let committed = topic.partitions.into_iter();
        committed.map(move |at| (topic.name.clone(), PhysicalPartition(at.partition_index), at.error_code))
    });
    codes.take(cx, partitions, found)
}

fn answer(codes: &Codes) -> OffsetCommitResponse {
    let partition = |partition, error_code| {
        OffsetCommitResponsePartition::default().with_partition_index(partition).with_error_code(error_code)
    };
    let topic = |(name, partitions)| OffsetCommitResponseTopic::default().with_name(name).with_partitions(partitions);
    let topics = codes.by_topic(partition).into_iter().map(topic).collect();
    let throttle_time_ms = if codes.version >= 3 { codes.throttle_time_ms } else { 0 };
    OffsetCommitResponse::default().with_throttle_time_ms(throttle_time_ms).with_topics(topics)
}

/// What the answer to the group's own commit proves about the caller. None: every partition failed before the
/// broker looked at the caller.
fn permission(codes: &[(TopicName, i16)]) -> Option<Permission> {
    // Said of a partition after the caller was accepted.
    let accepted = [0, ResponseError::OffsetMetadataTooLarge.code()];
    // Said of a partition whoever the caller is.
    let unknown = [
        ResponseError::UnknownTopicOrPartition.code(),
        ResponseError::TopicAuthorizationFailed.code(),
        ResponseError::InvalidCommitOffsetSize.code(),
    ];
    let mut codes = codes.iter().map(|(_, code)| *code).filter(|code| !unknown.contains(code)).peekable();
    codes.peek()?;
    Some(codes.find(|code| !accepted.contains(code)).map_or(Permission::Granted, Permission::Refused))
}

/// The partitions that are committed, and the commits as a request of `version` names them.
fn by_topic(commits: Vec<Commit>, version: i16) -> (Vec<Located>, Vec<OffsetCommitRequestTopic>) {
    let mut partitions = vec![];
    let mut named = vec![];
    for (located, mut commit) in commits {
        if version < LEADER_EPOCH_SINCE {
            commit.committed_leader_epoch = -1;
        }
        named.push((located.place.topic.clone(), commit));
        partitions.push(located);
    }
    (partitions, topics(named))
}

pub(crate) fn topics(commits: Vec<(TopicName, OffsetCommitRequestPartition)>) -> Vec<OffsetCommitRequestTopic> {
    let topic = |(name, partitions)| OffsetCommitRequestTopic::default().with_name(name).with_partitions(partitions);
    rounds::group(commits).into_iter().map(topic).collect()
}

/// A commit of nobody's membership to a shadow.
///
/// # Errors
/// [`Fault::Bug`]
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
