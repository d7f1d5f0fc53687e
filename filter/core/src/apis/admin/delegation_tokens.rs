//! Delegation tokens (KIP-48): credentials of the identity that brokers see, good for days and at any address
//! of the cluster.
//!
//! A client may ask for tokens only where the broker authenticates the client itself on this very connection.
//! On any other connection the identity may be Envoy's, so the filter refuses as a broker does where it does
//! not know who asks. The answers have no place for words: the log has them.

use kafka_protocol::messages::{
    CreateDelegationTokenResponse, DescribeDelegationTokenResponse, ExpireDelegationTokenResponse,
    RenewDelegationTokenResponse,
};
use kafka_protocol::protocol::Encodable;
use kafka_protocol::ResponseError;

use crate::error::Fault;
use crate::exchange::handler::{Context, Plan, Request};

const ERROR: ResponseError = ResponseError::DelegationTokenRequestNotAllowed;

/// No moment: as brokers say it.
const NEVER_MS: i64 = -1;

pub(crate) fn create(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let answer = CreateDelegationTokenResponse::default()
        .with_error_code(ERROR.code())
        .with_issue_timestamp_ms(NEVER_MS)
        .with_expiry_timestamp_ms(NEVER_MS)
        .with_max_timestamp_ms(NEVER_MS);
    refuse(cx, request, &answer)
}

pub(crate) fn renew(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let answer =
        RenewDelegationTokenResponse::default().with_error_code(ERROR.code()).with_expiry_timestamp_ms(NEVER_MS);
    refuse(cx, request, &answer)
}

pub(crate) fn expire(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let answer =
        ExpireDelegationTokenResponse::default().with_error_code(ERROR.code()).with_expiry_timestamp_ms(NEVER_MS);
    refuse(cx, request, &answer)
}

pub(crate) fn describe(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    refuse(cx, request, &DescribeDelegationTokenResponse::default().with_error_code(ERROR.code()))
}

fn refuse<M: Encodable>(cx: &mut Context<'_>, request: &Request, answer: &M) -> Result<Plan, Fault> {
    cx.note(ERROR.code());
    cx.warn_refused(
        "the identity that brokers see may not be its own; delegation tokens need clients that authenticate by SASL at \
         the broker itself, through the filter",
    );
    Plan::answer(answer, request.version)
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::*;

    use super::ERROR;
    use crate::apis::admin::testing::{OPENED, SHARED};
    use crate::testing::ask_alone;

    #[test]
    fn delegation_tokens_are_for_clients_of_the_broker_alone() {
        for config in [&SHARED[..], &[OPENED]].concat() {
            for version in 1..=3 {
                let answer = ask_alone(config, version, &CreateDelegationTokenRequest::default());
                assert!(answer.error_code == ERROR.code() && answer.hmac.is_empty() && answer.token_id.is_empty());
                let answer = ask_alone(config, version, &DescribeDelegationTokenRequest::default());
                assert!(answer.error_code == ERROR.code() && answer.tokens.is_empty());
            }
            for version in 1..=2 {
                let answer = ask_alone(config, version, &RenewDelegationTokenRequest::default());
                assert_eq!((answer.error_code, answer.expiry_timestamp_ms), (ERROR.code(), -1));
                let answer = ask_alone(config, version, &ExpireDelegationTokenRequest::default());
                assert_eq!((answer.error_code, answer.expiry_timestamp_ms), (ERROR.code(), -1));
            }
        }
    }
}
