//! DeleteGroups: a group and all its shadows, as one result.
//!
//! The group goes first: a broker refuses it while it has members, and then nothing may be lost. Its shadows follow when it
//! is gone, piece by piece. If one of them cannot be deleted, its error is the group's; asking again finishes the work, since
//! shadows of an unknown group are deleted too.

use std::collections::HashMap;

use bytes::Bytes;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse, GroupId};
use kafka_protocol::ResponseError;

use crate::apis::groups::lanes::{self, Shadows};
use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::limits;
use crate::wire::rope::Rope;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let message: DeleteGroupsRequest = request.decode()?;
    let lanes = cx.shared.topics.lanes_max();
    let mut answers = Answers {
        version: request.version,
        lanes,
        results: vec![],
        at: HashMap::new(),
        shadows: None,
        throttle_time_ms: 0,
    };
    let (refused, wanted): (Vec<GroupId>, Vec<GroupId>) =
        message.groups_names.into_iter().partition(|group| lanes::is_shadow(group) || lanes > limits::LANES_LISTED_MAX);
    for group in refused {
        let code = ResponseError::InvalidGroupId.code();
        cx.note(code);
        answers.results.push(DeletableGroupResult::default().with_group_id(group).with_error_code(code));
    }
    if wanted.is_empty() {
        return Ok(Plan::Answer(answers.merge(cx)?));
    }
    let requests = vec![delete(wanted, request.version)?];
    Ok(Plan::Send { requests, pending: Box::new(answers), barrier: true })
}

fn delete(groups: Vec<GroupId>, version: i16) -> Result<Upstream, Fault> {
    let message = DeleteGroupsRequest::default().with_groups_names(groups);
    Upstream::new(version, &message)
}

struct Answers {
    version: i16,
    lanes: u32,
    results: Vec<DeletableGroupResult>,
    /// Where the result of each group lies whose shadows are to be deleted.
    at: HashMap<GroupId, usize>,
    /// Their shadows, once the groups themselves are gone.
    shadows: Option<Shadows>,
    throttle_time_ms: i32,
}

impl Answers {
    fn take_groups(&mut self, found: Vec<DeletableGroupResult>) {
        for result in found {
            if result.error_code == 0 || result.error_code == ResponseError::GroupIdNotFound.code() {
                self.at.insert(result.group_id.clone(), self.results.len());
            }
            self.results.push(result);
        }
        self.shadows = Some(Shadows::new(self.at.keys().cloned().collect(), self.lanes));
    }

    /// A group that held offsets in shadows only was there all the same.
    fn take_shadows(&mut self, shadows: &Shadows, found: Vec<DeletableGroupResult>) {
        let unknown = ResponseError::GroupIdNotFound.code();
        for shadow in found {
            let at = shadows.group(&shadow.group_id).and_then(|group| self.at.get(group));
            let Some(result) = at.and_then(|at| self.results.get_mut(*at)) else { continue };
            if shadow.error_code == 0 && result.error_code == unknown {
                result.error_code = 0;
            } else if shadow.error_code != 0 && shadow.error_code != unknown {
                result.error_code = shadow.error_code;
            }
        }
    }

    /// Deletes the next shadows; answers when there are none.
    fn go_on(mut self: Box<Self>, cx: &mut Context<'_>) -> Result<Next, Fault> {
        let piece = self.shadows.as_mut().map(Shadows::next_piece).unwrap_or_default();
        if piece.is_empty() {
            return Ok(Next::Answer(self.merge(cx)?));
        }
        let upstream = delete(piece, self.version)?;
        Ok(Next::Send(vec![upstream], self))
    }

    fn merge(&mut self, cx: &mut Context<'_>) -> Result<Rope, Fault> {
        let results = std::mem::take(&mut self.results);
        results.iter().for_each(|result| cx.note(result.error_code));
        let answer = DeleteGroupsResponse::default().with_throttle_time_ms(self.throttle_time_ms).with_results(results);
        let mut out = Rope::new();
        out.put_message(&answer, self.version)?;
        Ok(out)
    }
}

impl Pending for Answers {
    fn response(mut self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let found: DeleteGroupsResponse = read_answer(&body, self.version)?;
        self.throttle_time_ms = self.throttle_time_ms.max(found.throttle_time_ms);
        match self.shadows.take() {
            Some(shadows) => {
                self.take_shadows(&shadows, found.results);
                self.shadows = Some(shadows);
            }
            None => self.take_groups(found.results),
        }
        self.go_on(cx)
    }
}

#[cfg(test)]
mod tests;
