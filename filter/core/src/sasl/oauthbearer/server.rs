//! The server's side of OAUTHBEARER: one message of the client's, and an acknowledgement where it was
//! refused.

use super::checker::{Checker, Verdict};
use super::claims::{Bearer, Refusal};
use super::message::ClientResponse;
use super::verifier::Verifier;
use crate::limits::OAUTH_MESSAGE_BYTES_MAX;
use crate::sasl::step::Step;
use crate::time::Millis;

/// One client's authentication.
#[derive(Debug, Default)]
pub(crate) struct Server {
    state: State,
    why: Option<&'static str>,
    /// Whom the client's token names, if one of the keys signed it; else whom the client names beside it.
    pub(in crate::sasl) name: Option<String>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    AwaitToken,
    /// The client got an answer that says what is wrong, and has to acknowledge it (RFC 7628, section 3.2.3).
    AwaitAcknowledgement,
    Over,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Why the client was refused, for a log that only operators see. Holds nothing of the token.
    pub(crate) fn why(&self) -> Option<&'static str> {
        self.why
    }

    /// Takes a token of the client's. `now`: Unix time in milliseconds.
    pub(crate) fn step(&mut self, checker: &Checker, verifier: &dyn Verifier, token: &[u8], now: Millis) -> Step {
        match std::mem::replace(&mut self.state, State::Over) {
            State::AwaitToken if !checker.has_time(now) => {
                self.state = State::AwaitToken;
                Step::Later
            }
            State::AwaitToken => self.first(checker, verifier, token, now),
            State::AwaitAcknowledgement | State::Over => Step::Failed,
        }
    }

    fn first(&mut self, checker: &Checker, verifier: &dyn Verifier, message: &[u8], now: Millis) -> Step {
        if message.len() > OAUTH_MESSAGE_BYTES_MAX {
            return self.failed("the message is too long");
        }
        checker.spend_reading(message.len());
        let Some(response) = ClientResponse::parse(message) else {
            return self.failed("the message is malformed");
        };
        self.name = Some(response.authzid.clone()).filter(|name| !name.is_empty());
        match checker.check(response.token, verifier, now) {
            Verdict::Good(Bearer { principal, expires }) => {
                if !response.authzid.is_empty() && response.authzid != principal {
                    return self.failed("the authorization id is not the token's principal");
                }
                Step::Done { principal, expires: Some(expires), last: vec![] }
            }
            Verdict::Bad(refusal, bearer) => {
                self.name = bearer.or(self.name.take());
                self.why = Some(match refusal {
                    Refusal::InvalidToken(why) => why,
                    Refusal::InsufficientScope => "a required scope is missing",
                });
                self.state = State::AwaitAcknowledgement;
                Step::Rejected(checker.challenge(refusal))
            }
            Verdict::Unknown(why) => Step::Unavailable(why),
        }
    }

    fn failed(&mut self, why: &'static str) -> Step {
        self.why = Some(why);
        Step::Failed
    }
}
