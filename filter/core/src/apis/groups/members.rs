//! What a broker says of a group and its members, and what that proves: who may touch the group's offsets,
//! what a member is assigned, what the members are subscribed to. Fields: Kafka's
//! `ConsumerProtocolSubscription` and `ConsumerProtocolAssignment`, which all clients share (KIP-429 and the
//! KIPs that it names).

use std::collections::HashSet;

use bytes::Bytes;
use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::{
    DescribeGroupsRequest, DescribeGroupsResponse, GroupId, HeartbeatRequest, HeartbeatResponse, OffsetCommitRequest,
    TopicName,
};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::apis::groups::lanes;
use crate::error::Fault;
use crate::exchange::handler::{read_answer, Upstream};
use crate::remapper::Lane;
use crate::wire::shape::Shaped as _;
use crate::wire::types::Reader;

/// Knows static members (KIP-345), and is the last one before flexible versions.
const HEARTBEAT_VERSION: i16 = 3;
/// The last one before flexible versions. Answers an unknown group as Dead; from 6 on it is an error.
const DESCRIBE_GROUPS_VERSION: i16 = 4;
/// The protocol type of consumers (`ConsumerProtocol.PROTOCOL_TYPE`).
const CONSUMER: &str = "consumer";

/// The question that [`Description`] reads the answer of.
///
/// # Errors
/// [`Fault::Bug`]
pub(crate) fn describe(group: &GroupId) -> Result<Upstream, Fault> {
    let describe = DescribeGroupsRequest::default().with_groups(vec![group.clone()]);
    Upstream::new(DESCRIBE_GROUPS_VERSION, &describe)
}

/// A group as its coordinator described it.
pub(crate) struct Description(DescribedGroup);

impl Description {
    /// # Errors
    /// [`Fault::Broker`]
    pub(crate) fn read(body: &Bytes) -> Result<Self, Fault> {
        let answer: DescribeGroupsResponse = read_answer(body, DESCRIBE_GROUPS_VERSION)?;
        let group = answer.groups.into_iter().next();
        group.map(Self).ok_or(Fault::answer(DescribeGroupsResponse::API, "the group is missing"))
    }

    /// Why nothing is known of the group, 0 if it is known; as a code that commits and deletions of offsets
    /// may answer: a coordinator translates what its log says in the same way.
    pub(crate) fn error_code(&self) -> i16 {
        match ResponseError::try_from_code(self.0.error_code) {
            Some(ResponseError::NotLeaderOrFollower | ResponseError::KafkaStorageError) => {
                ResponseError::NotCoordinator.code()
            }
            Some(ResponseError::RequestTimedOut | ResponseError::UnknownTopicOrPartition) => {
                ResponseError::CoordinatorNotAvailable.code()
            }
            _ => self.0.error_code,
        }
    }

    fn is(&self, state: &str) -> bool {
        self.0.group_state.as_str() == state
    }

    /// Nobody is a member.
    pub(crate) fn is_idle(&self) -> bool {
        self.is("Empty") || self.is("Dead")
    }

    pub(crate) fn is_stable(&self) -> bool {
        self.is("Stable")
    }

    /// Its members, if it has any, are no consumers but, say, workers of Kafka Connect.
    pub(crate) fn is_of_others(&self) -> bool {
        self.0.protocol_type.as_str() != CONSUMER
    }

    /// What a member of a stable group of consumers is assigned, in the partitions that clients see. None
    /// while the group is not stable, or when it cannot be told.
    pub(crate) fn assigned(&self, member_id: &StrBytes) -> Option<Vec<(TopicName, i32)>> {
        if self.0.error_code != 0 || !self.is_stable() || self.is_of_others() {
            return None;
        }
        let member = self.0.members.iter().find(|member| member.member_id == *member_id)?;
        let mut reader = Reader::new(&member.member_assignment);
        reader.i16()?;
        let mut assigned = vec![];
        for _ in 0..reader.array_len(false)? {
            let topic = TopicName(StrBytes::from_string(text(&mut reader)?.to_owned()));
            for _ in 0..reader.array_len(false)? {
                assigned.push((topic.clone(), reader.i32()?));
            }
        }
        Some(assigned)
    }

    /// The topics that members of a stable group of consumers are subscribed to. None while the group is not
    /// stable, or when it cannot be told: a broker then takes the group to be subscribed to every topic.
    pub(crate) fn subscribed(&self) -> Option<HashSet<&str>> {
        if !self.is_stable() || self.is_of_others() {
            return None;
        }
        let mut topics = HashSet::new();
        for member in &self.0.members {
            let mut reader = Reader::new(&member.member_metadata);
            reader.i16()?;
            for _ in 0..reader.array_len(false)? {
                topics.insert(text(&mut reader)?);
            }
        }
        Some(topics)
    }
}

fn text<'a>(reader: &mut Reader<'a>) -> Option<&'a str> {
    std::str::from_utf8(reader.nullable_string(false)??).ok()
}

/// Who wants to touch a group's offsets.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    group: GroupId,
    generation: i32,
    member: StrBytes,
    instance: Option<StrBytes>,
}

/// What a broker's answers prove of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    /// The caller may commit.
    Granted,
    /// The caller may not, for this error code.
    Refused(i16),
}

impl Caller {
    /// Who sends a commit.
    pub(crate) fn new(commit: &OffsetCommitRequest) -> Self {
        Self {
            group: commit.group_id.clone(),
            generation: commit.generation_id_or_member_epoch,
            member: commit.member_id.clone(),
            instance: commit.group_instance_id.clone(),
        }
    }

    /// What proves whether the caller may commit now.
    ///
    /// # Errors
    /// [`Fault::Bug`]
    pub(crate) fn fence(&self) -> Result<(Vec<Upstream>, Fence), Fault> {
        // Without a generation a broker lets anybody commit while the group is empty, whatever member id they
        // send.
        if self.generation < 0 {
            return Ok((vec![describe(&self.group)?], Fence::Anybody));
        }
        let shadow = lanes::holder(&self.group, Lane(1));
        let heartbeat = HeartbeatRequest::default()
            .with_group_id(self.group.clone())
            .with_generation_id(self.generation)
            .with_member_id(self.member.clone())
            .with_group_instance_id(self.instance.clone());
        let heartbeat = Upstream::new(HEARTBEAT_VERSION, &heartbeat)?;
        Ok((vec![describe(shadow.as_ref().unwrap_or(&self.group))?, heartbeat], Fence::Member))
    }
}

/// The proof that a caller may commit now: for a member a Heartbeat, behind a proof that it is worth
/// something; for everybody else the group's description, which has to show no members.
///
/// A coordinator that is still loading its groups answers every Heartbeat with NONE, so that members do not
/// rejoin. It describes no group then (COORDINATOR_LOAD_IN_PROGRESS), so a group is described before the
/// Heartbeat, in one go. The order makes the proof: a coordinator that has loaded judges the Heartbeat by
/// what it knows, while behind the Heartbeat it could have finished loading in between. The described group
/// is a shadow of the caller's. It lies in the same partition of the coordinator's log, so it is loaded with
/// it; and it has no members, while a description of the group itself is as long as its members are many, for
/// each commit of each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fence {
    /// Waits for the group's description.
    Anybody,
    /// Waits for the description of a shadow, and then for the Heartbeat's answer.
    Member,
    /// Waits for the Heartbeat's answer. The description failed with this code, 0 for nothing.
    Described(i16),
}

impl Fence {
    /// Takes the broker's answers in turn. None while another one is due.
    ///
    /// # Errors
    /// [`Fault::Broker`]
    pub(crate) fn response(&mut self, body: &Bytes) -> Result<Option<Permission>, Fault> {
        let permission =
            |error_code| if error_code == 0 { Permission::Granted } else { Permission::Refused(error_code) };
        match *self {
            Self::Anybody => {
                let described = Description::read(body)?;
                Ok(Some(match described.error_code() {
                    0 if !described.is_idle() => Permission::Refused(ResponseError::UnknownMemberId.code()),
                    error_code => permission(error_code),
                }))
            }
            Self::Member => {
                *self = Self::Described(Description::read(body)?.error_code());
                Ok(None)
            }
            Self::Described(failed) => {
                let answer: HeartbeatResponse = read_answer(body, HEARTBEAT_VERSION)?;
                Ok(Some(match answer.error_code {
                    _ if failed != 0 => Permission::Refused(failed),
                    // While a group prepares a rebalance its members may still commit.
                    code if code == ResponseError::RebalanceInProgress.code() => Permission::Granted,
                    code => permission(code),
                }))
            }
        }
    }
}
