//! DeleteGroups: a group and all its shadows, as one result.
//!
//! The group goes first: a broker refuses it while it has members, and then nothing may be lost. Its shadows follow when it
//! is gone. If the connection breaks in between, asking again finishes the work: shadows of an unknown group are deleted too.

use std::collections::HashMap;

use bytes::Bytes;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{ApiKey, DeleteGroupsRequest, DeleteGroupsResponse, GroupId};
use kafka_protocol::ResponseError;

use crate::apis::groups;
use crate::error::Fault;
use crate::exchange::{Context, Next, Pending, Plan, Request, Upstream};
use crate::limits;
use crate::remapper::Lane;
use crate::rope::Rope;
use crate::shape;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass { answered: true });
    }
    let message: DeleteGroupsRequest = request.decode(&shape::requests::DELETE_GROUPS)?;
    let lanes = cx.shared.topics.lanes_max();
    let mut answers =
        Answers { version: request.version, lanes, results: vec![], shadows: HashMap::new(), throttle_time_ms: 0 };
    let (refused, wanted): (Vec<GroupId>, Vec<GroupId>) = message
        .groups_names
        .into_iter()
        .partition(|group| groups::is_shadow(group) || lanes > limits::LANES_LISTED_MAX);
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
    Upstream::new(ApiKey::DeleteGroups as i16, version, &message)
}

struct Answers {
    version: i16,
    lanes: u32,
    results: Vec<DeletableGroupResult>,
    /// Shadows that are being deleted, and the result that each belongs to; empty before the groups themselves are gone.
    shadows: HashMap<GroupId, usize>,
    throttle_time_ms: i32,
}

impl Answers {
    fn take_groups(&mut self, found: Vec<DeletableGroupResult>) -> Vec<GroupId> {
        for result in found {
            if result.error_code == 0 || result.error_code == ResponseError::GroupIdNotFound.code() {
                let shadows = (1..self.lanes).filter_map(|lane| groups::holder(&result.group_id, Lane(lane)));
                let at = self.results.len();
                self.shadows.extend(shadows.map(|shadow| (shadow, at)));
            }
            self.results.push(result);
        }
        self.shadows.keys().cloned().collect()
    }

    /// A group that held offsets in shadows only was there all the same.
    fn take_shadows(&mut self, found: Vec<DeletableGroupResult>) {
        let unknown = ResponseError::GroupIdNotFound.code();
        for shadow in found {
            let result = self.shadows.get(&shadow.group_id).and_then(|at| self.results.get_mut(*at));
            let Some(result) = result else { continue };
            if shadow.error_code == 0 && result.error_code == unknown {
                result.error_code = 0;
            } else if shadow.error_code != 0 && shadow.error_code != unknown {
                result.error_code = shadow.error_code;
            }
        }
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
    fn response(&mut self, cx: &mut Context<'_>, mut body: Bytes) -> Result<Next, Fault> {
        let found: DeleteGroupsResponse = shape::decode(&shape::responses::DELETE_GROUPS, &mut body, self.version)
            .map_err(|_| Fault::Answer { api: "DeleteGroups", what: "it is malformed" })?;
        self.throttle_time_ms = self.throttle_time_ms.max(found.throttle_time_ms);
        if !self.shadows.is_empty() {
            self.take_shadows(found.results);
            return Ok(Next::Answer(self.merge(cx)?));
        }
        let shadows = self.take_groups(found.results);
        if shadows.is_empty() {
            return Ok(Next::Answer(self.merge(cx)?));
        }
        Ok(Next::Send(vec![delete(shadows, self.version)?]))
    }
}
