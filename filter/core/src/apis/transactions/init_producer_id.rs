//! InitProducerId (KIP-98, KIP-360): idempotent producers pass; a transactional id is refused until transactions are rewritten.
//! Its answers have no place for words: FindCoordinator, which clients ask first, says them.

use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};

use crate::error::Fault;
use crate::exchange::handler::{Context, Passing, Plan, Request};

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: InitProducerIdRequest = request.decode()?;
    if message.transactional_id.is_none() || !cx.shared.topics.maps_anything() {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let code = cx.refuse_transactions();
    let answer =
        InitProducerIdResponse::default().with_error_code(code).with_producer_id((-1).into()).with_producer_epoch(-1);
    Plan::answer(&answer, request.version)
}
