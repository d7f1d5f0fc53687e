//! DescribeGroups: passes, and looks again for a group that the broker does not know: it may have offsets in shadows only, of
//! a simple consumer of higher lanes, or because those of lane 0 have expired. Then it is empty, not dead.

use std::collections::HashMap;

use bytes::Bytes;
use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::{ApiKey, DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::apis::groups;
use crate::error::Fault;
use crate::exchange::{Context, Next, Pending, Plan, Request, Upstream};
use crate::limits;
use crate::remapper::Lane;
use crate::rope::Rope;
use crate::shape;

const EMPTY: StrBytes = StrBytes::from_static_str("Empty");

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let lanes = cx.shared.topics.lanes_max();
    if !(2..=limits::LANES_LISTED_MAX).contains(&lanes) {
        return Ok(Plan::Pass { answered: true });
    }
    let message: DescribeGroupsRequest = request.decode(&shape::requests::DESCRIBE_GROUPS)?;
    let requests = vec![Upstream::new(ApiKey::DescribeGroups as i16, request.version, &message)?];
    let answers =
        Answers { version: request.version, lanes, answer: DescribeGroupsResponse::default(), shadows: HashMap::new() };
    Ok(Plan::Send { requests, pending: Box::new(answers), barrier: true })
}

struct Answers {
    version: i16,
    lanes: u32,
    answer: DescribeGroupsResponse,
    /// Shadows that are asked for, and the group in `answer` that each belongs to; empty at first.
    shadows: HashMap<GroupId, usize>,
}

impl Answers {
    fn take_groups(&mut self, answer: DescribeGroupsResponse) -> Vec<GroupId> {
        for (at, group) in answer.groups.iter().enumerate().filter(|(_, group)| is_unknown(group)) {
            let shadows = (1..self.lanes).filter_map(|lane| groups::holder(&group.group_id, Lane(lane)));
            self.shadows.extend(shadows.map(|shadow| (shadow, at)));
        }
        self.answer = answer;
        self.shadows.keys().cloned().collect()
    }

    fn take_shadows(&mut self, answer: &DescribeGroupsResponse) {
        for shadow in answer.groups.iter().filter(|shadow| shadow.error_code == 0 && !is_unknown(shadow)) {
            let group = self.shadows.get(&shadow.group_id).and_then(|at| self.answer.groups.get_mut(*at));
            if let Some(group) = group {
                (group.error_code, group.error_message, group.group_state) = (0, None, EMPTY);
            }
        }
    }

    fn merge(&mut self, cx: &mut Context<'_>) -> Result<Rope, Fault> {
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
    fn response(&mut self, cx: &mut Context<'_>, mut body: Bytes) -> Result<Next, Fault> {
        let answer: DescribeGroupsResponse = shape::decode(&shape::responses::DESCRIBE_GROUPS, &mut body, self.version)
            .map_err(|_| Fault::Answer { api: "DescribeGroups", what: "it is malformed" })?;
        if !self.shadows.is_empty() {
            self.take_shadows(&answer);
            return Ok(Next::Answer(self.merge(cx)?));
        }
        let shadows = self.take_groups(answer);
        if shadows.is_empty() {
            return Ok(Next::Answer(self.merge(cx)?));
        }
        let message = DescribeGroupsRequest::default().with_groups(shadows);
        Ok(Next::Send(vec![Upstream::new(ApiKey::DescribeGroups as i16, self.version, &message)?]))
    }
}
