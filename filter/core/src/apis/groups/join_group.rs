//! JoinGroup: passes, unless the group is a shadow. Shadows are written without membership, which a broker
//! accepts only while they have no members: a client that joined a shadow would stop the commits of its
//! group.

use kafka_protocol::messages::{GroupId, JoinGroupResponse};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::apis::groups::lanes;
use crate::error::{ClientFault, Fault};
use crate::exchange::handler::{Context, Passing, Plan, Request};
use crate::text::as_java;
use crate::wire::types::Reader;

/// The first flexible version (KIP-482).
const FLEXIBLE: i16 = 6;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let group = Reader::new(&request.body).nullable_string(request.version >= FLEXIBLE).flatten();
    let group = group.ok_or(Fault::Client(ClientFault::Request { api: request.api.name, at: 0 }))?;
    // What the broker will take the name for: other bytes may become a shadow's.
    let group = GroupId(StrBytes::from_string(as_java(group).into_owned()));
    if !cx.shared.topics.maps_anything() || !lanes::is_shadow(&group) {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let code = ResponseError::InvalidGroupId.code();
    cx.note(code);
    lanes::warn_of_shadow(cx);
    let refusal = JoinGroupResponse::default().with_error_code(code).with_protocol_name(Some(StrBytes::default()));
    Plan::answer(&refusal, request.version)
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::JoinGroupRequest;

    use super::*;
    use crate::remapper::Lane;
    use crate::shadow;
    use crate::testing::{ask, ask_alone, text, MAPPED};

    #[test]
    fn a_client_that_names_a_shadow_is_refused() {
        let name = shadow::name("g", Lane(2));
        for version in 0..=9 {
            let told = ask_alone(MAPPED, version, &JoinGroupRequest::default().with_group_id(GroupId(text(&name))));
            assert_eq!(told.error_code, ResponseError::InvalidGroupId.code(), "v{version}");
            let other = JoinGroupRequest::default().with_group_id(GroupId(text("g")));
            let answer = JoinGroupResponse::default().with_protocol_name(Some(text("p")));
            let (seen, _) = ask(MAPPED, version, &other, |seen| seen.answer(&answer));
            assert_eq!(seen[0].message::<JoinGroupRequest>().group_id, other.group_id);
        }
    }
}
