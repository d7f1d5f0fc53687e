//! Heartbeat: passes. Now and then a Heartbeat is the occasion to renew what the member's partitions have in
//! shadow groups: shadows have no members that would keep their offsets alive, as the group's own do.
//!
//! A renewal writes offsets again as they are: the filter reads them from the shadows, and commits them there
//! when the broker has accepted the member's own Heartbeat in between. A client sends its commits over the
//! same connection, and what the client sends behind the Heartbeat waits; so no commit of this member is
//! overtaken. A member that its group throws out in the moment between the two may set a successor's first
//! commit back by a few records, which then are delivered twice: none is lost. Whatever goes wrong with a
//! renewal, the client is told the broker's answer to its Heartbeat.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use kafka_protocol::messages::{
    GroupId, HeartbeatRequest, HeartbeatResponse, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
    TopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::apis::groups::lanes;
use crate::apis::groups::members::{self, Description};
use crate::apis::groups::offset_commit::{self, BROKERS_RETENTION, SHADOW_VERSION};
use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::exchange::renewals::MemberKey;
use crate::exchange::rounds;
use crate::limits;
use crate::remapper::Lane;
use crate::stats::Stat;
use crate::wire::rope::Rope;

/// Asks for several groups, and is the last one without membership (KIP-709).
const OFFSET_FETCH_VERSION: i16 = 8;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let pass = Plan::Pass(Passing::Untouched);
    if !cx.shared.topics.maps_anything() {
        return Ok(pass);
    }
    // What cannot be read is the broker's to refuse.
    let Ok(message) = request.decode::<HeartbeatRequest>() else { return Ok(pass) };
    let key = MemberKey::new(&message.group_id, &message.member_id);
    if !cx.session.renewals.begin(key, cx.now, cx.shared.config.shadow_renew_ms) || cx.shared.topics.lanes_max() < 2 {
        return Ok(pass);
    }
    let requests = vec![members::describe(&message.group_id)?];
    let member = Member {
        key,
        group: message.group_id,
        id: message.member_id,
        version: request.version,
        heartbeat: request.body.clone(),
    };
    Ok(Plan::Send { requests, pending: Box::new(AwaitsDescription(member)), barrier: true })
}

/// The member that sent a Heartbeat, as far as a renewal needs it until the client's own Heartbeat goes on.
struct Member {
    key: MemberKey,
    group: GroupId,
    id: StrBytes,
    version: i16,
    /// The body of the client's request.
    heartbeat: Bytes,
}

/// The member's partitions on the broker, by lane.
type Owned = BTreeMap<Lane, Vec<(TopicName, i32)>>;

impl Member {
    /// What the member owns in lanes above 0, as far as this renewal does it.
    fn owned(&self, cx: &mut Context<'_>, described: &Description) -> Owned {
        if !described.is_stable() {
            retry(cx, self.key);
        }
        let mut owned: Vec<(Lane, TopicName, i32)> = vec![];
        for (topic, partition) in described.assigned(&self.id).unwrap_or_default() {
            // Also where the topic is not known to fit its mapping just now: what is not renewed is lost.
            let located = cx.topic(&topic).place(partition).filter(|located| located.lane > Lane(0));
            owned.extend(located.map(|located| (located.lane, topic, located.place.partition.0)));
        }
        owned.sort_unstable();
        owned.dedup();
        let done = cx.session.renewals.done(self.key);
        let end = done.saturating_add(limits::RENEWED_PARTITIONS_MAX);
        cx.session.renewals.go_on(self.key, if end < owned.len() { end } else { 0 });
        let mut lanes = Owned::new();
        for (lane, topic, partition) in owned.into_iter().skip(done).take(limits::RENEWED_PARTITIONS_MAX) {
            lanes.entry(lane).or_default().push((topic, partition));
        }
        lanes
    }

    /// Asks for what the shadows hold; without any, the Heartbeat goes on at once.
    fn fetch(self, owned: Owned) -> Result<Next, Fault> {
        let topic =
            |(name, partitions)| OffsetFetchRequestTopics::default().with_name(name).with_partition_indexes(partitions);
        let mut asked = vec![];
        for (lane, places) in owned {
            let Some(shadow) = lanes::holder(&self.group, lane) else { continue };
            let topics = rounds::group(places).into_iter().map(topic).collect();
            let mut group = OffsetFetchRequestGroup::default().with_group_id(shadow).with_topics(Some(topics));
            group.member_epoch = -1;
            asked.push(group);
        }
        if asked.is_empty() {
            return Ok(self.beat(vec![]));
        }
        // Offsets of open transactions are no one's to write again.
        let message = OffsetFetchRequest::default().with_groups(asked).with_require_stable(true);
        Ok(Next::Send(vec![Upstream::new(OFFSET_FETCH_VERSION, &message)?], Box::new(AwaitsOffsets(self))))
    }

    /// Lets the client's own Heartbeat go on.
    fn beat(self, commits: Vec<Upstream>) -> Next {
        let mut body = Rope::new();
        body.put_bytes(&self.heartbeat);
        let heartbeat = Upstream::written::<HeartbeatRequest>(self.version, body);
        Next::Send(vec![heartbeat], Box::new(AwaitsHeartbeat { key: self.key, version: self.version, commits }))
    }

    /// The commits that write again what was found.
    fn commits(&self, cx: &mut Context<'_>, found: OffsetFetchResponse) -> Result<Vec<Upstream>, Fault> {
        let asked = cx.session.renewals.retention_ms(self.key).unwrap_or(BROKERS_RETENTION);
        let retention_ms = cx.shared.config.shadow_retention_ms.unwrap_or(asked);
        let mut commits = vec![];
        for group in found.groups {
            let failed = |group: &OffsetFetchResponseGroup| {
                let mut partitions = group.topics.iter().flat_map(|topic| &topic.partitions);
                group.error_code != 0 || partitions.any(|partition| partition.error_code != 0)
            };
            if failed(&group) {
                retry(cx, self.key);
            }
            let mut committed = vec![];
            for topic in group.topics {
                let found = topic.partitions.into_iter();
                for offset in found.filter(|found| found.error_code == 0 && found.committed_offset >= 0) {
                    let commit = OffsetCommitRequestPartition::default()
                        .with_partition_index(offset.partition_index)
                        .with_committed_offset(offset.committed_offset)
                        .with_committed_metadata(offset.metadata);
                    committed.push((topic.name.clone(), commit));
                }
            }
            if group.error_code == 0 && !committed.is_empty() {
                let topics = offset_commit::topics(committed);
                commits.push(offset_commit::shadow_commit(group.group_id, topics, retention_ms)?);
            }
        }
        Ok(commits)
    }
}

/// The renewal could not be done now, or not wholly.
fn retry(cx: &mut Context<'_>, key: MemberKey) {
    cx.session.renewals.retry(key, cx.now);
}

/// Waits for the group's description.
struct AwaitsDescription(Member);

impl Pending for AwaitsDescription {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self(member) = *self;
        let Ok(described) = Description::read(&body) else {
            retry(cx, member.key);
            return Ok(member.beat(vec![]));
        };
        let owned = member.owned(cx, &described);
        member.fetch(owned)
    }
}

/// Waits for the offsets in the member's shadows.
struct AwaitsOffsets(Member);

impl Pending for AwaitsOffsets {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self(member) = *self;
        let found = read_answer(&body, OFFSET_FETCH_VERSION);
        let commits = member.commits(cx, found.unwrap_or_default())?;
        Ok(member.beat(commits))
    }
}

/// Waits for the answer to the client's own Heartbeat.
struct AwaitsHeartbeat {
    key: MemberKey,
    version: i16,
    /// What is written if the broker accepts the Heartbeat.
    commits: Vec<Upstream>,
}

impl Pending for AwaitsHeartbeat {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let answer = read_answer(&body, self.version);
        let accepted = answer.is_ok_and(|answer: HeartbeatResponse| answer.error_code == 0);
        let mut answer = Rope::new();
        answer.put_bytes(&body);
        if !accepted {
            retry(cx, self.key);
        }
        if !accepted || self.commits.is_empty() {
            return Ok(Next::Answer(answer));
        }
        let pending = AwaitsCommits { key: self.key, due: self.commits.len(), answer };
        Ok(Next::Send(self.commits, Box::new(pending)))
    }
}

/// Waits for the answers to the commits; then the client is answered.
struct AwaitsCommits {
    key: MemberKey,
    due: usize,
    /// The broker's answer to the client's Heartbeat.
    answer: Rope,
}

impl Pending for AwaitsCommits {
    fn response(mut self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let answer = read_answer(&body, SHADOW_VERSION);
        let all_good = |answer: &OffsetCommitResponse| {
            let mut committed = answer.topics.iter().flat_map(|topic| &topic.partitions);
            committed.all(|partition| partition.error_code == 0)
        };
        if !answer.as_ref().is_ok_and(all_good) {
            cx.shared.tally.add(Stat::ShadowCommitsFailed, 1);
            retry(cx, self.key);
        }
        if self.due <= 1 {
            return Ok(Next::Answer(self.answer));
        }
        self.due -= 1;
        Ok(Next::Wait(self))
    }
}

#[cfg(test)]
mod tests;
