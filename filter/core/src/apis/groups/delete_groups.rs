//! DeleteGroups: a group and all its shadows, as one result.
//!
//! The group goes first: a broker refuses to delete a group that has members, and then nothing may be lost.
//! Its shadows follow when the group is gone, piece by piece. If a shadow cannot be deleted, its error is the
//! group's; asking again finishes the work, since shadows of an unknown group are deleted too.

use std::collections::HashMap;

use bytes::Bytes;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse, GroupId};
use kafka_protocol::ResponseError;

use crate::apis::groups::lanes::{self, Shadows};
use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::limits;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let message: DeleteGroupsRequest = request.decode()?;
    let lanes = cx.shared.topics.lanes_max();
    let (refused, wanted): (Vec<GroupId>, Vec<GroupId>) =
        message.groups_names.into_iter().partition(|group| lanes::is_shadow(group) || lanes > limits::LANES_LISTED_MAX);
    if refused.iter().any(lanes::is_shadow) {
        lanes::warn_of_shadow(cx);
    }
    let refusal = |group| {
        let code = ResponseError::InvalidGroupId.code();
        DeletableGroupResult::default().with_group_id(group).with_error_code(code)
    };
    let refused = refused.into_iter().map(refusal).collect();
    if wanted.is_empty() {
        return Plan::answer(&answer(cx, refused, 0), request.version);
    }
    let requests = vec![delete(wanted, request.version)?];
    let pending = Box::new(AwaitsGroups { version: request.version, lanes, refused });
    Ok(Plan::Send { requests, pending, barrier: true })
}

fn delete(groups: Vec<GroupId>, version: i16) -> Result<Upstream, Fault> {
    let message = DeleteGroupsRequest::default().with_groups_names(groups);
    Upstream::new(version, &message)
}

fn answer(cx: &mut Context<'_>, results: Vec<DeletableGroupResult>, throttle_time_ms: i32) -> DeleteGroupsResponse {
    results.iter().for_each(|result| cx.note(result.error_code));
    DeleteGroupsResponse::default().with_throttle_time_ms(throttle_time_ms).with_results(results)
}

/// Waits for the results of the groups themselves.
struct AwaitsGroups {
    version: i16,
    lanes: u32,
    refused: Vec<DeletableGroupResult>,
}

impl Pending for AwaitsGroups {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let Self { version, lanes, refused: mut results } = *self;
        let found: DeleteGroupsResponse = read_answer(&body, version)?;
        let mut at = HashMap::new();
        for result in found.results {
            if result.error_code == 0 || result.error_code == ResponseError::GroupIdNotFound.code() {
                at.insert(result.group_id.clone(), results.len());
            }
            results.push(result);
        }
        let shadows = Shadows::new(at.keys().cloned().collect(), lanes);
        let throttle_time_ms = found.throttle_time_ms.max(0);
        Box::new(AwaitsShadows { version, results, at, shadows, throttle_time_ms }).go_on(cx)
    }
}

/// Waits for the results of some shadows: the groups themselves are gone.
struct AwaitsShadows {
    version: i16,
    results: Vec<DeletableGroupResult>,
    /// Where the result of each group lies whose shadows are to be deleted.
    at: HashMap<GroupId, usize>,
    shadows: Shadows,
    throttle_time_ms: i32,
}

impl AwaitsShadows {
    /// Deletes the next shadows; answers when there are none.
    fn go_on(mut self: Box<Self>, cx: &mut Context<'_>) -> Result<Next, Fault> {
        let piece = self.shadows.next_piece();
        if piece.is_empty() {
            return Next::answer(&answer(cx, self.results, self.throttle_time_ms), self.version);
        }
        let upstream = delete(piece, self.version)?;
        Ok(Next::Send(vec![upstream], self))
    }
}

impl Pending for AwaitsShadows {
    fn response(mut self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let found: DeleteGroupsResponse = read_answer(&body, self.version)?;
        self.throttle_time_ms = self.throttle_time_ms.max(found.throttle_time_ms);
        let unknown = ResponseError::GroupIdNotFound.code();
        for shadow in found.results {
            let at = self.shadows.group(&shadow.group_id).and_then(|group| self.at.get(group));
            let Some(result) = at.and_then(|at| self.results.get_mut(*at)) else { continue };
            if shadow.error_code == 0 && result.error_code == unknown {
                // A group that held offsets in shadows only was there all the same.
                result.error_code = 0;
            } else if shadow.error_code != 0 && shadow.error_code != unknown {
                result.error_code = shadow.error_code;
            }
        }
        self.go_on(cx)
    }
}

#[cfg(test)]
mod tests;
