//! FindCoordinator (KIP-699): the coordinator's address as clients reach it.
//!
//! Transactions are not supported yet, so a transaction coordinator is refused here, with words, before a
//! client tries: where the client shows them. To others InitProducerId says it.

use bytes::Bytes;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request};

/// FindCoordinator key type 1 (KIP-98).
const TRANSACTION: i8 = 1;
const NO_TRANSACTIONS: &str = "transactions are not supported while the partition remapper maps topics";

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: FindCoordinatorRequest = request.decode()?;
    let is_refused = message.key_type == TRANSACTION && cx.shared.topics.maps_anything();
    if is_refused && !cx.session.hides_coordinator_errors() {
        let code = cx.refuse_transactions();
        return Plan::answer(&refusal(&message, request.version, code), request.version);
    }
    Ok(Plan::Pass(Passing::Read(Box::new(Answer { version: request.version }))))
}

fn refusal(message: &FindCoordinatorRequest, version: i16, code: i16) -> FindCoordinatorResponse {
    let words = Some(StrBytes::from_static_str(NO_TRANSACTIONS));
    let mut answer = FindCoordinatorResponse::default();
    if version >= 4 {
        let refused = |key: &StrBytes| {
            Coordinator::default()
                .with_key(key.clone())
                .with_node_id((-1).into())
                .with_port(-1)
                .with_error_code(code)
                .with_error_message(words.clone())
        };
        answer.coordinators = message.coordinator_keys.iter().map(refused).collect();
        return answer;
    }
    answer = answer.with_error_code(code).with_node_id((-1).into()).with_port(-1);
    if version >= 1 {
        answer.error_message = words;
    }
    answer
}

struct Answer {
    version: i16,
}

impl Pending for Answer {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let mut answer: FindCoordinatorResponse = read_answer(&body, self.version)?;
        let unavailable = ResponseError::CoordinatorNotAvailable.code();
        if self.version >= 4 {
            for found in &mut answer.coordinators {
                cx.note(found.error_code);
                if found.error_code == 0 && !cx.readdress(found.node_id.0, &mut found.host, &mut found.port) {
                    found.error_code = unavailable;
                }
            }
        } else {
            cx.note(answer.error_code);
            if answer.error_code == 0 && !cx.readdress(answer.node_id.0, &mut answer.host, &mut answer.port) {
                answer.error_code = unavailable;
            }
        }
        Next::answer(&answer, self.version)
    }
}

#[cfg(test)]
mod tests;
