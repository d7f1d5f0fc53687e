//! SaslAuthenticate (KIP-152, KIP-368): a token of the client's, and the answer of the mechanism.
//!
//! With a `sasl` section the filter checks the token, and logs in at the broker when the client has proved
//! itself; without a section the broker checks, or nobody does where the filter logs in all the same: the
//! session is the filter's own. Tokens that came without Kafka's headers (SaslHandshake v0) are taken here as
//! well.

use bytes::Bytes;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::apis::sasl_handshake::NO_SASL;
use crate::error::{ClientFault, Fault, Reconnect};
use crate::exchange::action::Action;
use crate::exchange::authentication::{kept, State, Tokens};
use crate::exchange::handler::{encode, Context, Next, Passing, Pending, Plan, Request};
use crate::limits;
use crate::own::login::{Login, Progress};
use crate::sasl::identity::{Identity, Proof};
use crate::sasl::{Mechanism, Step};
use crate::stats::{AuthOutcome, Stat};
use crate::wire::rope::Rope;

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let (has_sasl, logs_in) = (cx.shared.config.sasl.is_some(), cx.shared.config.upstream.is_some());
    if !has_sasl && !logs_in {
        return Ok(Plan::Pass(Passing::Untouched));
    }
    let framing = Framing::Message(request.version);
    if !has_sasl {
        cx.note(ResponseError::IllegalSaslState.code());
        cx.warn(NO_SASL.to_owned());
        let text = "SaslAuthenticate where clients do not authenticate by SASL".to_owned();
        return framing
            .refusal(ResponseError::IllegalSaslState, text)?
            .map(Plan::Answer)
            .ok_or(Fault::bug("a refusal of a token without a body"));
    }
    let message: SaslAuthenticateRequest = request.decode()?;
    take_token(cx, &message.auth_bytes, framing)
}

/// A token without Kafka's headers.
pub(crate) fn bare_token(cx: &mut Context<'_>, token: &Bytes) -> Result<Plan, Fault> {
    take_token(cx, token, Framing::Bare)
}

/// How tokens and answers are framed.
#[derive(Clone, Copy)]
enum Framing {
    /// SaslAuthenticate in this version.
    Message(i16),
    Bare,
}

impl Framing {
    /// A token of the filter's; the client's proof is good for `lifetime_ms` if this is the last one.
    fn token(self, auth_bytes: Vec<u8>, lifetime_ms: i64) -> Result<Rope, Fault> {
        let Self::Message(version) = self else {
            let mut out = Rope::new();
            out.put_bytes(&auth_bytes.into());
            return Ok(out);
        };
        let lifetime_ms = if version >= 1 { lifetime_ms } else { 0 };
        let message = SaslAuthenticateResponse::default().with_auth_bytes(auth_bytes.into());
        encode(&message.with_session_lifetime_ms(lifetime_ms), version)
    }

    /// None where there are no words for a refusal: the connection just ends.
    fn refusal(self, error: ResponseError, text: String) -> Result<Option<Rope>, Fault> {
        let Self::Message(version) = self else { return Ok(None) };
        let message = SaslAuthenticateResponse::default()
            .with_error_code(error.code())
            .with_error_message(Some(StrBytes::from_string(text)));
        encode(&message, version).map(Some)
    }
}

fn take_token(cx: &mut Context<'_>, token: &Bytes, framing: Framing) -> Result<Plan, Fault> {
    let authentication = &mut cx.session.authentication;
    let State::Tokens(Tokens { mechanism, server, rounds, rejected, .. }) = &mut authentication.state else {
        let text = "SaslAuthenticate without a SaslHandshake before it".to_owned();
        let answer = framing.refusal(ResponseError::IllegalSaslState, text)?;
        return answer.map(Plan::Answer).ok_or(Fault::bug("a refusal of a token without a body"));
    };
    let mechanism = *mechanism;
    let since = authentication.waits_since;
    *rounds += usize::from(since.is_none());
    let step = if *rounds > limits::SASL_ROUNDS_MAX {
        Step::Failed
    } else {
        server.step(&cx.shared.authenticator, token, cx.now)
    };
    authentication.tried = server.tried().map(kept);
    match step {
        Step::Challenge(bytes) => Ok(Plan::Answer(framing.token(bytes, 0)?)),
        Step::Rejected(bytes) => {
            *rejected = true;
            let fault = Fault::Client(ClientFault::Authentication {
                mechanism: mechanism.name(),
                why: server.why().unwrap_or(WRONG),
            });
            cx.warn(fault.to_string());
            count_failure(cx, mechanism);
            Ok(Plan::AnswerLater { answer: framing.token(bytes, 0)?, delay_ms: limits::FAILURE_DELAY_MS })
        }
        Step::Done { principal, expires, last } => {
            authentication.tried = Some(kept(&principal));
            proven(cx, Identity { principal, proof: Proof::Sasl(mechanism), ends: expires }, last, framing)
        }
        Step::Failed => {
            let (why, counted) = (server.why().unwrap_or(WRONG), *rejected);
            if !counted {
                count_failure(cx, mechanism);
            }
            failed(cx, mechanism, why, framing)
        }
        Step::Later if cx.now.saturating_sub(since.unwrap_or(cx.now)) < limits::VERDICT_MS_MAX => {
            authentication.waits_since = Some(since.unwrap_or(cx.now));
            Ok(Plan::Wait)
        }
        // Without words: those that there are would tell the client that its credentials are wrong.
        Step::Later | Step::Busy => {
            cx.session.authentication.state = State::Failed;
            Ok(Plan::Refuse { answer: None, fault: Fault::Reconnect(Reconnect::Busy) })
        }
        Step::Unavailable(what) => {
            cx.session.authentication.state = State::Failed;
            Err(Fault::Reconnect(Reconnect::Unavailable { what }))
        }
    }
}

const WRONG: &str = "wrong credentials";

fn count_failure(cx: &mut Context<'_>, mechanism: Mechanism) {
    cx.count(Stat::Auth { mechanism: mechanism.name(), outcome: AuthOutcome::Failure }, 1);
}

/// What is said of every failure: not which part of the credentials was wrong, nor whether the user is known.
fn failed(cx: &mut Context<'_>, mechanism: Mechanism, why: &'static str, framing: Framing) -> Result<Plan, Fault> {
    let mechanism = mechanism.name();
    cx.session.authentication.state = State::Failed;
    let text = format!("Authentication failed: the credentials for {mechanism} are not valid");
    let answer = framing.refusal(ResponseError::SaslAuthenticationFailed, text)?;
    Ok(Plan::Refuse { answer, fault: Fault::Client(ClientFault::Authentication { mechanism, why }) })
}

fn proven(cx: &mut Context<'_>, mut identity: Identity, last: Vec<u8>, framing: Framing) -> Result<Plan, Fault> {
    let Some(mechanism) = identity.proof.mechanism() else {
        return Err(Fault::bug("a proof by SASL without a mechanism"));
    };
    // A renewal may not change who the client is: requests of the former are still on their way (KIP-368).
    let before = cx.session.authentication.identity.as_ref();
    let renewed = before.is_some();
    if before.is_some_and(|before| before.principal != identity.principal) {
        count_failure(cx, mechanism);
        return failed(cx, mechanism, "another principal than before", framing);
    }
    let longest = cx.shared.config.sasl.as_ref().and_then(|sasl| sasl.max_session_ms).map(|ms| cx.now + ms);
    identity.ends = longest.into_iter().chain(identity.ends).min();
    let lifetime = identity.ends.map_or(0, |ends| ends.saturating_sub(cx.now).max(1));
    cx.count(Stat::Auth { mechanism: mechanism.name(), outcome: AuthOutcome::Success }, 1);
    if !renewed {
        let principal = identity.principal.clone();
        cx.actions.push_back(Action::Authenticated { principal, mechanism: mechanism.name() });
    }
    cx.session.authentication.state = State::Proven;
    cx.session.authentication.tried = None;
    cx.session.authentication.identity = Some(identity);
    let answer = framing.token(last, i64::try_from(lifetime).unwrap_or(i64::MAX))?;
    if !cx.is_before_login() {
        return Ok(Plan::Answer(answer));
    }
    match Login::start(cx) {
        Ok((request, login)) => {
            let pending = Box::new(AwaitsLogin { login, answer, framing });
            Ok(Plan::Send { requests: vec![request], pending, barrier: true })
        }
        Err(fault) => Ok(Plan::Refuse { answer: no_login(framing)?, fault }),
    }
}

fn no_login(framing: Framing) -> Result<Option<Rope>, Fault> {
    let text =
        "Authentication failed: the partition remapper could not log in at the broker for this client".to_owned();
    framing.refusal(ResponseError::SaslAuthenticationFailed, text)
}

/// The client has proved itself; the broker has to take the filter's login before it is told.
struct AwaitsLogin {
    login: Login,
    answer: Rope,
    framing: Framing,
}

impl Pending for AwaitsLogin {
    fn response(mut self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        Ok(match self.login.response(cx, body)? {
            Progress::Send(request) => Next::Send(vec![request], self),
            Progress::Done => Next::Answer(self.answer),
            Progress::Refused(fault) => Next::Refuse { answer: no_login(self.framing)?, fault },
        })
    }
}
