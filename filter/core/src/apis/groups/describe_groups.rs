//! DescribeGroups: passes, and looks again for a group that the broker does not know: the group may have
//! offsets in shadows only, of a simple consumer of higher lanes, or because those of lane 0 have expired.
//! Such a group is empty, not dead. Many unknown groups have very many shadows: the filter asks for these
//! piece by piece.

use std::collections::HashSet;

use bytes::Bytes;
use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::apis::groups::lanes::Shadows;
use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::limits;

const EMPTY: StrBytes = StrBytes::from_static_str("Empty");

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let lanes = cx.shared.topics.lanes_max();
    if !(2..=limits::LANES_LISTED_MAX).contains(&lanes) {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let message: DescribeGroupsRequest = request.decode()?;
    let requests = vec![Upstream::new(request.version, &message)?];
    let pending = Box::new(AwaitsGroups { version: request.version, lanes });
    Ok(Plan::Send { requests, pending, barrier: true })
}

/// Dead, or from version 6 on an error (KIP-1043).
fn is_unknown(group: &DescribedGroup) -> bool {
    let not_found = ResponseError::GroupIdNotFound.code();
    group.error_code == not_found || (group.error_code == 0 && group.group_state.as_str() == "Dead")
}

/// Waits for the description of the groups themselves.
struct AwaitsGroups {
    version: i16,
    lanes: u32,
}

impl Pending for AwaitsGroups {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self { version, lanes } = *self;
        let answer: DescribeGroupsResponse = read_answer(&body, version)?;
        let unknown = answer.groups.iter().filter(|group| is_unknown(group));
        let unknown: HashSet<GroupId> = unknown.map(|group| group.group_id.clone()).collect();
        let shadows = Shadows::new(unknown.into_iter().collect(), lanes);
        Box::new(AwaitsShadows { version, answer, shadows, alive: HashSet::new() }).go_on(cx)
    }
}

/// Waits for the description of some shadows.
struct AwaitsShadows {
    version: i16,
    /// The broker's answer for the groups themselves.
    answer: DescribeGroupsResponse,
    /// Those of the groups that the broker does not know.
    shadows: Shadows,
    /// Unknown groups that have a shadow.
    alive: HashSet<GroupId>,
}

impl AwaitsShadows {
    /// Asks for the next shadows; answers when there are none.
    fn go_on(mut self: Box<Self>, cx: &mut Context<'_>) -> Result<Next, Fault> {
        let piece = self.shadows.next_piece();
        if !piece.is_empty() {
            let message = DescribeGroupsRequest::default().with_groups(piece);
            return Ok(Next::Send(vec![Upstream::new(self.version, &message)?], self));
        }
        let unknown = self.answer.groups.iter_mut().filter(|group| is_unknown(group));
        for group in unknown.filter(|group| self.alive.contains(&group.group_id)) {
            (group.error_code, group.error_message, group.group_state) = (0, None, EMPTY);
        }
        self.answer.groups.iter().for_each(|group| cx.note(group.error_code));
        Next::answer(&self.answer, self.version)
    }
}

impl Pending for AwaitsShadows {
    fn response(mut self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let answer: DescribeGroupsResponse = read_answer(&body, self.version)?;
        let found = answer.groups.iter().filter(|shadow| shadow.error_code == 0 && !is_unknown(shadow));
        self.alive.extend(found.filter_map(|shadow| self.shadows.group(&shadow.group_id).cloned()));
        self.go_on(cx)
    }
}

#[cfg(test)]
mod tests;
