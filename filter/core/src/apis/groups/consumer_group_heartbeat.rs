//! ConsumerGroupHeartbeat (KIP-848): refused, since the broker would assign physical partitions.
//!
//! The API is offered to librdkafka all the same, and answered as a broker does that has the protocol turned
//! off: that library waits without a word, for ever, for a broker that offers the API, but stops with a fatal
//! error when the API is refused. Other libraries say by themselves that the API is missing.

use kafka_protocol::messages::ConsumerGroupHeartbeatResponse;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::error::Fault;
use crate::exchange::handler::{Context, Plan, Request};

const WORDS: &str = "the partition remapper does not support group.protocol=consumer; use group.protocol=classic";

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let code = ResponseError::UnsupportedVersion.code();
    cx.note(code);
    cx.warn_refused(WORDS);
    let answer = ConsumerGroupHeartbeatResponse::default()
        .with_error_code(code)
        .with_error_message(Some(StrBytes::from_static_str(WORDS)));
    Plan::answer(&answer, request.version)
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, GroupId};
    use kafka_protocol::ResponseError;

    use crate::testing::{ask_alone, text, MAPPED};

    #[test]
    fn the_consumer_protocol_is_refused_with_words() {
        for config in ["", MAPPED] {
            for version in 0..=1 {
                let message = ConsumerGroupHeartbeatRequest::default().with_group_id(GroupId(text("g")));
                let refused = ask_alone(config, version, &message);
                assert_eq!(refused.error_code, ResponseError::UnsupportedVersion.code());
                assert!(refused.error_message.unwrap().contains("group.protocol=classic"));
            }
        }
    }
}
