//! SaslHandshake (KIP-43, KIP-152): which mechanism a client will speak.
//!
//! With a `sasl` section the filter answers; on an authenticated connection the proof begins anew (KIP-368).
//! Without a section the broker answers, and whether the broker takes the handshake up tells whom it acts
//! for. Version 0 is followed by tokens without Kafka's headers, so the filter has to know how many there
//! will be.
//!
//! Where the filter logs in for clients that prove nothing, the SASL session is the filter's own. A client's
//! SASL would ask the broker about that session, so the filter answers as a listener without SASL does:
//! clients say at once what is wrong with their configuration, and send no password. (Other clients stop
//! where the API is not listed; Java's client does not look, and where nobody answers it tries again for
//! ever.)

use bytes::Bytes;
use kafka_protocol::messages::{SaslHandshakeRequest, SaslHandshakeResponse};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::error::{ClientFault, Fault};
use crate::exchange::authentication::{State, Tokens};
use crate::exchange::handler::{encode, read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::sasl::{Mechanism, Server};
use crate::stats::{AuthOutcome, Stat};
use crate::wire::rope::Rope;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: SaslHandshakeRequest = request.decode()?;
    let Some(sasl) = &cx.shared.config.sasl else {
        return if cx.shared.config.upstream.is_some() {
            refuse(cx, request.version)
        } else {
            relay(request, &message.mechanism)
        };
    };
    // A renewal may not change the mechanism, as on a broker.
    let before = cx.session.authentication.identity.as_ref().and_then(|identity| identity.proof.mechanism());
    let enabled: Vec<Mechanism> =
        sasl.mechanisms.iter().copied().filter(|mechanism| before.is_none_or(|before| before == *mechanism)).collect();
    let Some(mechanism) = enabled.iter().copied().find(|mechanism| mechanism.name() == &message.mechanism[..]) else {
        cx.session.authentication.state = State::Failed;
        cx.count(Stat::Auth { mechanism: "other", outcome: AuthOutcome::Failure }, 1);
        let answer = answer(&enabled, ResponseError::UnsupportedSaslMechanism.code(), request.version)?;
        return Ok(Plan::Refuse { answer: Some(answer), fault: Fault::Client(ClientFault::UnsupportedMechanism) });
    };
    let server = Server::new(mechanism, cx.session.nonces.next());
    let bare = request.version == 0;
    cx.session.authentication.state = State::Tokens(Tokens { mechanism, server, bare, rounds: 0, rejected: false });
    Ok(Plan::Answer(answer(&enabled, 0, request.version)?))
}

fn answer(mechanisms: &[Mechanism], error_code: i16, version: i16) -> Result<Rope, Fault> {
    let names = mechanisms.iter().map(|mechanism| StrBytes::from_static_str(mechanism.name()));
    let message = SaslHandshakeResponse::default().with_error_code(error_code).with_mechanisms(names.collect());
    encode(&message, version)
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

/// What the log says to a client's SASL where the filter logs in for all that prove nothing.
pub(crate) const NO_SASL: &str = "a client wants to authenticate by SASL, but the filter logs in for all clients: \
     add a sasl section for them to prove themselves to the filter, or take upstream.sasl out for brokers to ask them";

fn refuse(cx: &mut Context<'_>, version: i16) -> Result<Plan, Fault> {
    let code = ResponseError::IllegalSaslState.code();
    cx.note(code);
    cx.warn(NO_SASL.to_owned());
    Ok(Plan::Answer(answer(&[], code, version)?))
}

/// To the broker. Behind version 0 its answer says whether bare tokens follow: what comes next has to wait
/// for it.
fn relay(request: &Request, mechanism: &str) -> Result<Plan, Fault> {
    if request.version > 0 {
        return Ok(Plan::Pass(Passing::Read(Box::new(Relay { version: request.version, tokens: None }))));
    }
    let tokens = bare_tokens(mechanism).ok_or(Fault::Client(ClientFault::BareTokens))?;
    let mut body = Rope::new();
    body.put_bytes(&request.body);
    let upstream = Upstream::written::<SaslHandshakeRequest>(0, body);
    let pending = Box::new(Relay { version: 0, tokens: Some(tokens) });
    Ok(Plan::Send { requests: vec![upstream], pending, barrier: true })
}

struct Relay {
    version: i16,
    /// How many bare tokens follow.
    tokens: Option<usize>,
}

impl Pending for Relay {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let answer: SaslHandshakeResponse = read_answer(&body, self.version)?;
        cx.note(answer.error_code);
        if answer.error_code == 0 {
            cx.session.authentication.is_brokers_client = true;
            if let Some(tokens) = self.tokens {
                cx.session.authentication.state = State::Relaying(tokens);
            }
        }
        let mut out = Rope::new();
        out.put_bytes(&body);
        Ok(Next::Answer(out))
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::*;

    use crate::testing::proxy::{Feeding, Proxy};
    use crate::testing::sasl_broker::SaslBroker;
    use crate::testing::{request, shared, take_frames, text, Seen};

    /// The filter's own session at the broker is none of the client's business.
    #[test]
    fn sasl_of_clients_does_not_reach_the_filters_own_session() {
        let config = r#"{"upstream": {"sasl": {"mechanism": "PLAIN", "username": "u", "password": "p"}}}"#;
        let handshake = |version| request(version, 1, &SaslHandshakeRequest::default().with_mechanism(text("PLAIN")));
        for own in [handshake(1), handshake(0), request(2, 1, &SaslAuthenticateRequest::default())] {
            let mut broker = SaslBroker::with(&["u\0p"]);
            let mut proxy = Proxy::new(&shared(config), Feeding::Passing, None);
            proxy.client(&own);
            let mut keys = vec![];
            while !proxy.up.is_empty() {
                for seen in take_frames(&mut proxy.up).iter().map(Seen::parse) {
                    keys.push((seen.key, seen.client_id.clone().unwrap().to_string()));
                    let answer = broker.answer(&seen);
                    proxy.broker(&answer.unwrap_or_else(|| seen.answer(&ApiVersionsResponse::default())));
                }
            }
            let ours = "kafka-partition-remapper".to_owned();
            assert_eq!(keys, [(17, ours.clone()), (36, ours), (18, "test".to_owned())], "a login, and a carrier");
            let answer = take_frames(&mut proxy.down).remove(0);
            let code_at = if own[5] == 36 { 5 } else { 4 };
            assert_eq!(answer[code_at..code_at + 2], [0, 34]);
            assert!(!proxy.closed && proxy.warnings[0].contains("add a sasl section"), "{:?}", proxy.warnings);
        }
    }
}
