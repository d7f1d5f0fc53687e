//! OAUTHBEARER (RFC 7628, KIP-255): one token that an identity provider has signed.
//!
//! ```text
//!   message ─► ClientResponse ─► Jwt ─► Supply's keys, Verifier ─► claims ─► Done
//!      │ malformed                ╰───────── anything wrong ─────────┴─────► Challenge ─► (any token) ─► Failed
//!      └─► Failed                            no keys yet ──────────────────► Unavailable
//! ```

mod claims;
pub mod jwks;
mod jwt;
mod key;
pub(crate) mod message;
pub(crate) mod object;
mod share;
mod supply;
#[cfg(test)]
mod tests;

use std::cell::RefCell;

use serde::Serialize;

use self::claims::{Bearer, Refusal};
use self::jwks::{Endpoint, KeySource};
use self::jwt::Jwt;
use self::message::ClientResponse;
use self::share::Share;
pub use self::supply::Fetched;
use self::supply::Supply;
use super::Step;
use crate::limits::OAUTH_MESSAGE_BYTES_MAX;
use crate::time::Millis;

/// How tokens are judged.
#[derive(Clone, Debug)]
pub struct Settings {
    pub keys: KeySource,
    /// `iss` must be this. None: not looked at.
    pub issuer: Option<String>,
    /// `aud` must hold this. None: not looked at.
    pub audience: Option<String>,
    /// `scope` (or `scp`) must hold all of these.
    pub required_scopes: Vec<String>,
    /// Seconds that the issuer's clock may differ from ours.
    pub clock_skew_s: u64,
    /// The claim that names the principal.
    pub principal_claim: String,
}

/// Asks the host whether `signature` is `key`'s over `text`. Cryptography of public keys is Envoy's.
pub trait Verifier {
    /// `key`: DER of a SubjectPublicKeyInfo (RFC 5280). RSA signatures are PKCS #1 v1.5, ECDSA ones DER (RFC 3279).
    fn verify(&self, key: &[u8], digest: Digest, signature: &[u8], text: &[u8]) -> bool;
}

/// The hash functions of JSON Web Signatures (RFC 7518, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    Sha256,
    Sha384,
    Sha512,
}

/// What all connections have in common: how tokens are judged, and by which keys.
///
/// The clock of all its methods is Unix time in milliseconds.
#[derive(Debug)]
pub struct Checker {
    settings: Settings,
    supply: RefCell<Supply>,
    share: Share,
}

/// What a token turned out to be.
enum Verdict {
    Good(Bearer),
    Bad(Refusal),
    /// The keys that it takes are not there yet.
    Unknown(&'static str),
}

impl Checker {
    pub fn new(settings: Settings) -> Self {
        let supply = RefCell::new(Supply::new(settings.keys.clone()));
        Self { settings, supply, share: Share::default() }
    }

    /// Where keys are to be fetched now. The fetch is under way from then on; [`Self::fetched`] ends it, or 10 s without.
    pub fn fetch_due(&self, now: Millis) -> Option<Endpoint> {
        self.supply.borrow_mut().fetch_due(now)
    }

    /// Takes what a fetch brought, a JWK Set or why there is none.
    pub fn fetched(&self, now: Millis, outcome: Result<&[u8], &str>) -> Fetched {
        self.supply.borrow_mut().fetched(now, outcome)
    }

    /// Whether a token may be checked now. Each takes time of the worker, whoever sends it.
    pub(crate) fn has_time(&self, now: Millis) -> bool {
        self.share.has_some(now)
    }

    fn judge(&self, token: &str, verifier: &dyn Verifier, now: Millis) -> Verdict {
        let token = match Jwt::parse(token) {
            Ok(token) => token,
            Err(why) => return Verdict::Bad(why.into()),
        };
        let keys = match self.supply.borrow_mut().keys(now) {
            Ok(keys) => keys,
            Err(why) => return Verdict::Unknown(why),
        };
        let unknown = token.key_id.as_ref().is_some_and(|id| !keys.knows(id));
        if unknown && self.supply.borrow_mut().missed(now) {
            return Verdict::Unknown("the token's key is not known yet");
        }
        self.share.spend(token.check_us(&keys));
        let claims = token.verified(&keys, verifier).map_err(Refusal::from);
        match claims.and_then(|claims| claims::judge(&claims, &self.settings, now)) {
            Ok(bearer) => Verdict::Good(bearer),
            Err(refusal) => Verdict::Bad(refusal),
        }
    }

    /// What a client is told whose token is not accepted (RFC 7628, section 3.2.2; brokers answer the same), and no more.
    fn challenge(&self, refusal: Refusal) -> Vec<u8> {
        #[derive(Serialize)]
        struct Error {
            status: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            scope: Option<String>,
        }

        let error = match refusal {
            Refusal::InvalidToken(_) => Error { status: "invalid_token", scope: None },
            Refusal::InsufficientScope => {
                Error { status: "insufficient_scope", scope: Some(self.settings.required_scopes.join(" ")) }
            }
        };
        serde_json::to_vec(&error).unwrap_or_default()
    }
}

/// One client's authentication.
#[derive(Debug, Default)]
pub(crate) struct Server {
    state: State,
    why: Option<&'static str>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    AwaitToken,
    /// The client was told what is wrong, and has to say that it understood (RFC 7628, section 3.2.3).
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
        checker.share.spend(share::reading_us(message.len()));
        let Some(response) = ClientResponse::parse(message) else {
            return self.failed("the message is malformed");
        };
        match checker.judge(response.token, verifier, now) {
            Verdict::Good(Bearer { principal, expires }) => {
                if !response.authzid.is_empty() && response.authzid != principal {
                    return self.failed("the authorization id is not the token's principal");
                }
                Step::Done { principal, expires: Some(expires), last: vec![] }
            }
            Verdict::Bad(refusal) => {
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
