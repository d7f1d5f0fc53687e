//! ShareGroupHeartbeat (KIP-932): refused, since the broker would assign physical partitions.
//!
//! Offered to librdkafka alone, for the reason of `consumer_group_heartbeat.rs`: its share consumer waits in
//! silence, for ever, for a broker that offers the API. Other libraries say by themselves that it is missing.

use kafka_protocol::messages::ShareGroupHeartbeatResponse;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::error::Fault;
use crate::exchange::handler::{Context, Plan, Request};

const WORDS: &str = "the partition remapper does not support share groups; use a consumer group";

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let code = ResponseError::UnsupportedVersion.code();
    cx.note(code);
    cx.warn_refused(WORDS);
    let answer = ShareGroupHeartbeatResponse::default()
        .with_error_code(code)
        .with_error_message(Some(StrBytes::from_static_str(WORDS)));
    Plan::answer(&answer, request.version)
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{GroupId, ShareGroupHeartbeatRequest};
    use kafka_protocol::ResponseError;

    use crate::testing::{ask_alone, text, MAPPED};

    #[test]
    fn share_groups_are_refused_with_words() {
        for config in ["", MAPPED] {
            let message = ShareGroupHeartbeatRequest::default().with_group_id(GroupId(text("g")));
            let refused = ask_alone(config, 1, &message);
            assert_eq!(refused.error_code, ResponseError::UnsupportedVersion.code());
            assert!(refused.error_message.unwrap().contains("share groups"));
        }
    }
}
