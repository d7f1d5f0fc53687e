//! SaslHandshake (KIP-43, KIP-152): which mechanism a client will speak.
//!
//! With a `sasl` section the filter answers; on an authenticated connection it begins anew (KIP-368). Without one the broker
//! answers. Version 0 is followed by tokens without Kafka's headers, so the filter has to know how many there will be.

use bytes::Bytes;
use kafka_protocol::messages::{ApiKey, SaslHandshakeRequest, SaslHandshakeResponse};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::authentication::{State, Tokens};
use crate::error::Fault;
use crate::exchange::{Context, Next, Pending, Plan, Request, Upstream};
use crate::rope::Rope;
use crate::sasl::{Mechanism, Server};
use crate::shape;
use crate::stats::{AuthOutcome, Stat};

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: SaslHandshakeRequest = request.decode(&shape::requests::SASL_HANDSHAKE)?;
    let Some(sasl) = &cx.shared.config.sasl else {
        return if request.version == 0 {
            relay(request, &message.mechanism)
        } else {
            Ok(Plan::Pass { answered: true })
        };
    };
    // A renewal may not change the mechanism, as on a broker.
    let before = cx.session.authentication.identity.as_ref().and_then(|identity| identity.mechanism);
    let enabled: Vec<Mechanism> =
        sasl.mechanisms.iter().copied().filter(|mechanism| before.is_none_or(|before| before == *mechanism)).collect();
    let Some(mechanism) = enabled.iter().copied().find(|mechanism| mechanism.name() == &message.mechanism[..]) else {
        cx.session.authentication.state = State::Failed;
        cx.count(Stat::Auth { mechanism: "other", outcome: AuthOutcome::Failure }, 1);
        let answer = answer(&enabled, ResponseError::UnsupportedSaslMechanism.code(), request.version)?;
        return Ok(Plan::Refuse { answer: Some(answer), fault: Fault::UnsupportedMechanism });
    };
    let server = Server::new(mechanism, cx.session.nonces.next());
    let bare = request.version == 0;
    cx.session.authentication.state = State::Tokens(Tokens { mechanism, server, bare, rounds: 0, rejected: false });
    Ok(Plan::Answer(answer(&enabled, 0, request.version)?))
}

fn answer(mechanisms: &[Mechanism], error_code: i16, version: i16) -> Result<Rope, Fault> {
    let names = mechanisms.iter().map(|mechanism| StrBytes::from_static_str(mechanism.name()));
    let message = SaslHandshakeResponse::default().with_error_code(error_code).with_mechanisms(names.collect());
    let mut out = Rope::new();
    out.put_message(&message, version)?;
    Ok(out)
}

/// How many tokens a client sends after SaslHandshake v0. None: the tokens' end cannot be told.
fn bare_tokens(mechanism: &str) -> Option<usize> {
    match Mechanism::named(mechanism)? {
        Mechanism::Plain => Some(1),
        Mechanism::ScramSha256 | Mechanism::ScramSha512 => Some(2),
        // Its failure takes one more, and nobody speaks it without SaslAuthenticate.
        Mechanism::OauthBearer => None,
    }
}

/// To the broker, whose answer says whether bare tokens follow: what comes behind the request has to wait for it.
fn relay(request: &Request, mechanism: &str) -> Result<Plan, Fault> {
    let tokens = bare_tokens(mechanism).ok_or(Fault::BareTokens)?;
    let mut body = Rope::new();
    body.put_bytes(&request.body);
    let upstream = Upstream { key: ApiKey::SaslHandshake as i16, version: 0, body };
    Ok(Plan::Send { requests: vec![upstream], pending: Box::new(Relay { tokens }), barrier: true })
}

struct Relay {
    tokens: usize,
}

impl Pending for Relay {
    fn response(&mut self, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let answer: SaslHandshakeResponse = shape::decode_answer(&shape::responses::SASL_HANDSHAKE, &body, 0)
            .map_err(|_| Fault::Answer { api: "SaslHandshake", what: "it is malformed" })?;
        cx.note(answer.error_code);
        if answer.error_code == 0 {
            cx.session.authentication.state = State::Relaying(self.tokens);
        }
        let mut out = Rope::new();
        out.put_bytes(&body);
        Ok(Next::Answer(out))
    }
}
