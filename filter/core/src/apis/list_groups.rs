//! ListGroups: without the shadow groups, which are the filter's own way of keeping offsets. A group that has offsets in
//! shadows only (simple consumers of higher lanes) is listed in their place.

use bytes::Bytes;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::ListGroupsResponse;

use crate::apis::groups;
use crate::error::Fault;
use crate::exchange::{Context, Next, Pending, Plan, Request};
use crate::rope::Rope;
use crate::shape;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    if !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass { answered: true });
    }
    Ok(Plan::PassUp(Box::new(Answer { version: request.version })))
}

struct Answer {
    version: i16,
}

impl Pending for Answer {
    fn response(&mut self, cx: &mut Context<'_>, mut body: Bytes) -> Result<Next, Fault> {
        let mut answer: ListGroupsResponse = shape::decode(&shape::responses::LIST_GROUPS, &mut body, self.version)
            .map_err(|_| Fault::Answer { api: "ListGroups", what: "it is malformed" })?;
        cx.note(answer.error_code);
        let (shadows, mut listed): (Vec<ListedGroup>, _) =
            answer.groups.into_iter().partition(|group| groups::is_shadow(&group.group_id));
        for mut shadow in shadows {
            let group = groups::of_shadow(&shadow.group_id).unwrap_or_default();
            if !listed.iter().any(|other| other.group_id == group) {
                shadow.group_id = group;
                listed.push(shadow);
            }
        }
        answer.groups = listed;
        let mut out = Rope::new();
        out.put_message(&answer, self.version)?;
        Ok(Next::Answer(out))
    }
}
