//! DescribeGroups: passes, and looks again for a group that the broker does not know: it may have offsets in shadows only, of
//! a simple consumer of higher lanes, or because those of lane 0 have expired. Then it is empty, not dead. Many unknown groups
//! have very many shadows: these are asked for piece by piece.

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
use crate::wire::rope::Rope;

const EMPTY: StrBytes = StrBytes::from_static_str("Empty");

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let lanes = cx.shared.topics.lanes_max();
    if !(2..=limits::LANES_LISTED_MAX).contains(&lanes) {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let message: DescribeGroupsRequest = request.decode()?;
    let requests = vec![Upstream::new(request.version, &message)?];
    let answers = Answers {
        version: request.version,
        lanes,
        answer: DescribeGroupsResponse::default(),
        shadows: None,
        alive: HashSet::new(),
    };
    Ok(Plan::Send { requests, pending: Box::new(answers), barrier: true })
}

struct Answers {
    version: i16,
    lanes: u32,
    /// The broker's answer for the groups themselves.
    answer: DescribeGroupsResponse,
    /// Those of the groups that it does not know, once it has said so.
    shadows: Option<Shadows>,
    /// Unknown groups that have a shadow.
    alive: HashSet<GroupId>,
}

impl Answers {
    /// Asks for the next shadows; answers when there are none.
    fn go_on(mut self: Box<Self>, cx: &mut Context<'_>) -> Result<Next, Fault> {
        let piece = self.shadows.as_mut().map(Shadows::next_piece).unwrap_or_default();
        if piece.is_empty() {
            return Ok(Next::Answer(self.merge(cx)?));
        }
        let message = DescribeGroupsRequest::default().with_groups(piece);
        let upstream = Upstream::new(self.version, &message)?;
        Ok(Next::Send(vec![upstream], self))
    }

    fn merge(&mut self, cx: &mut Context<'_>) -> Result<Rope, Fault> {
        let unknown = self.answer.groups.iter_mut().filter(|group| is_unknown(group));
        for group in unknown.filter(|group| self.alive.contains(&group.group_id)) {
            (group.error_code, group.error_message, group.group_state) = (0, None, EMPTY);
        }
        self.answer.groups.iter().for_each(|group| cx.note(group.error_code));
        let mut out = Rope::new();
        out.put_message(&self.answer, self.version)?;
        Ok(out)
    }
}

/// Dead, or from version 6 on an error (KIP-1043).
fn is_unknown(group: &DescribedGroup) -> bool {
    let not_found = ResponseError::GroupIdNotFound.code();
    group.error_code == not_found || (group.error_code == 0 && group.group_state.as_str() == "Dead")
}

impl Pending for Answers {
    fn response(mut self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let answer: DescribeGroupsResponse = read_answer(&body, self.version)?;
        match &self.shadows {
            Some(shadows) => {
                let found = answer.groups.iter().filter(|shadow| shadow.error_code == 0 && !is_unknown(shadow));
                self.alive.extend(found.filter_map(|shadow| shadows.group(&shadow.group_id).cloned()));
            }
            None => {
                let unknown = answer.groups.iter().filter(|group| is_unknown(group));
                let unknown: HashSet<GroupId> = unknown.map(|group| group.group_id.clone()).collect();
                self.shadows = Some(Shadows::new(unknown.into_iter().collect(), self.lanes));
                self.answer = answer;
            }
        }
        self.go_on(cx)
    }
}

#[cfg(test)]
mod tests;
