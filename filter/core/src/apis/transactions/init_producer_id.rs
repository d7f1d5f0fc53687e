//! InitProducerId (KIP-98, KIP-360): idempotent producers pass; a transactional id is refused until
//! transactions are rewritten. Its answers have no place for words: FindCoordinator, which clients ask first,
//! says them to those that show them.

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

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::*;
    use kafka_protocol::ResponseError;

    use crate::testing::{ask, ask_alone, text, MAPPED};

    #[test]
    fn transactions_are_refused_where_topics_are_mapped() {
        let code = ResponseError::UnsupportedVersion.code();
        let transactional = Some(TransactionalId(text("x")));
        for version in 0..=5 {
            let plain = InitProducerIdRequest::default().with_transactional_id(None);
            let given = InitProducerIdResponse::default().with_producer_id(ProducerId(5));
            for (config, message) in
                [(MAPPED, plain.clone()), ("", plain.clone().with_transactional_id(transactional.clone()))]
            {
                let (seen, answer) = ask(config, version, &message, |seen| seen.answer(&given));
                assert_eq!((seen[0].message::<InitProducerIdRequest>(), &answer), (message, &given));
            }
            let refused = ask_alone(MAPPED, version, &plain.with_transactional_id(transactional.clone()));
            assert_eq!((refused.error_code, refused.producer_id, refused.producer_epoch), (code, ProducerId(-1), -1));
        }
    }
}
