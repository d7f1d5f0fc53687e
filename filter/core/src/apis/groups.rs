//! What the group APIs have in common: shadow groups, and proofs that a caller may touch a group's offsets.
//!
//! A group has one offset slot per physical partition. Lane 0 has it in the group itself, every other lane in a shadow group
//! of its own (see `shadow.rs`), written without membership. So the filter first makes the broker say that the caller
//! may commit: the fence.

use bytes::Bytes;
use kafka_protocol::messages::{
    ApiKey, DescribeGroupsRequest, DescribeGroupsResponse, GroupId, HeartbeatRequest, HeartbeatResponse,
};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::error::Fault;
use crate::exchange::Upstream;
use crate::limits;
use crate::remapper::Lane;
use crate::shadow;
use crate::shape;

/// Knows static members (KIP-345), and is the last one before flexible versions.
const HEARTBEAT_VERSION: i16 = 3;
/// Answers an unknown group as Dead; later ones with an error.
const DESCRIBE_GROUPS_VERSION: i16 = 1;

/// The group that holds `lane`'s offsets of `group`. None when its name does not fit the protocol.
pub(crate) fn holder(group: &GroupId, lane: Lane) -> Option<GroupId> {
    if lane.0 == 0 {
        return Some(group.clone());
    }
    let name = shadow::name(&group.0, lane);
    (name.len() <= limits::GROUP_ID_BYTES_MAX).then(|| GroupId(StrBytes::from_string(name)))
}

/// A client that names a shadow would read or write another group's offsets.
pub(crate) fn is_shadow(group: &GroupId) -> bool {
    of_shadow(group).is_some()
}

/// The group that a shadow belongs to.
pub(crate) fn of_shadow(shadow: &GroupId) -> Option<GroupId> {
    shadow::parse(&shadow.0).map(|(group, _)| GroupId(StrBytes::from_string(group.to_owned())))
}

/// Who wants to touch a group's offsets.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) group: GroupId,
    pub(crate) generation: i32,
    pub(crate) member: StrBytes,
    pub(crate) instance: Option<StrBytes>,
}

impl Caller {
    /// Somebody without membership: only an empty group lets them.
    pub(crate) fn outsider(group: &GroupId) -> Self {
        Self { group: group.clone(), generation: -1, member: StrBytes::default(), instance: None }
    }

    /// Without a generation a broker lets anybody commit while the group is empty, whatever member id they send.
    fn is_member(&self) -> bool {
        self.generation >= 0
    }

    /// The request whose answer tells whether the caller may commit now.
    ///
    /// # Errors
    /// [`Fault::Encode`]
    pub(crate) fn fence(&self) -> Result<Upstream, Fault> {
        if self.is_member() {
            let heartbeat = HeartbeatRequest::default()
                .with_group_id(self.group.clone())
                .with_generation_id(self.generation)
                .with_member_id(self.member.clone())
                .with_group_instance_id(self.instance.clone());
            return Upstream::new(ApiKey::Heartbeat as i16, HEARTBEAT_VERSION, &heartbeat);
        }
        let describe = DescribeGroupsRequest::default().with_groups(vec![self.group.clone()]);
        Upstream::new(ApiKey::DescribeGroups as i16, DESCRIBE_GROUPS_VERSION, &describe)
    }

    /// What the fence's answer says: the error code that refuses the caller, or None.
    ///
    /// # Errors
    /// [`Fault::Answer`]
    pub(crate) fn refused_by(&self, mut body: Bytes) -> Result<Option<i16>, Fault> {
        if self.is_member() {
            let answer: HeartbeatResponse = shape::decode(&shape::responses::HEARTBEAT, &mut body, HEARTBEAT_VERSION)
                .map_err(|_| Fault::Answer { api: "Heartbeat", what: "it is malformed" })?;
            // While a group prepares a rebalance its members may still commit.
            let allowed = [0, ResponseError::RebalanceInProgress.code()];
            return Ok(Some(answer.error_code).filter(|code| !allowed.contains(code)));
        }
        let answer: DescribeGroupsResponse =
            shape::decode(&shape::responses::DESCRIBE_GROUPS, &mut body, DESCRIBE_GROUPS_VERSION)
                .map_err(|_| Fault::Answer { api: "DescribeGroups", what: "it is malformed" })?;
        let group = answer.groups.first();
        let group = group.ok_or(Fault::Answer { api: "DescribeGroups", what: "the group is missing" })?;
        if group.error_code != 0 {
            return Ok(Some(group.error_code));
        }
        let idle = matches!(group.group_state.as_str(), "Empty" | "Dead");
        Ok((!idle).then_some(ResponseError::UnknownMemberId.code()))
    }
}
