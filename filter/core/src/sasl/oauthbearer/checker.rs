//! Whether a token is good, now.

use std::cell::RefCell;

use serde::Serialize;

use super::claims::{self, Bearer, Refusal};
use super::jwks::Endpoint;
use super::jwt::Jwt;
use super::settings::Settings;
use super::share::{self, Share};
use super::supply::{Fetched, Supply};
use super::verifier::Verifier;
use crate::time::Millis;

/// How tokens are checked, and by which keys: all connections of a worker share one checker.
///
/// The clock of all its methods is Unix time in milliseconds.
#[derive(Debug)]
pub struct Checker {
    settings: Settings,
    supply: RefCell<Supply>,
    share: Share,
}

/// What a token turned out to be.
pub(super) enum Verdict {
    Good(Bearer),
    /// With whom the token names, if one of the keys signed it.
    Bad(Refusal, Option<String>),
    /// The keys that the token takes are not there yet.
    Unknown(&'static str),
}

impl Checker {
    /// A checker without keys, unless the settings give them.
    pub fn new(settings: Settings) -> Self {
        let supply = RefCell::new(Supply::new(settings.keys.clone()));
        Self { settings, supply, share: Share::default() }
    }

    /// Where keys are to be fetched now. The fetch is under way from then on; [`Self::fetched`] ends it, or
    /// 10 s without.
    pub(crate) fn fetch_due(&self, now: Millis) -> Option<Endpoint> {
        self.supply.borrow_mut().fetch_due(now)
    }

    /// Takes what a fetch brought, a JWK Set or why there is none.
    pub(crate) fn fetched(&self, now: Millis, outcome: Result<&[u8], &str>) -> Fetched {
        self.supply.borrow_mut().fetched(now, outcome)
    }

    /// Whether a token may be checked now. Each check takes time of the worker, and strangers ask for checks.
    pub(crate) fn has_time(&self, now: Millis) -> bool {
        self.share.has_some(now)
    }

    /// Spends the time that it takes to read a message of so many bytes.
    pub(super) fn spend_reading(&self, bytes: usize) {
        self.share.spend(share::reading_us(bytes));
    }

    pub(super) fn check(&self, token: &str, verifier: &dyn Verifier, now: Millis) -> Verdict {
        let token = match Jwt::parse(token) {
            Ok(token) => token,
            Err(why) => return Verdict::Bad(why.into(), None),
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
        let claims = match token.verified(&keys, verifier) {
            Ok(claims) => claims,
            Err(why) => return Verdict::Bad(why.into(), None),
        };
        match claims::check(&claims, &self.settings, now) {
            Ok(bearer) => Verdict::Good(bearer),
            Err(refusal) => {
                let name = claims.text(&self.settings.principal_claim).flatten();
                Verdict::Bad(refusal, name.map(str::to_owned))
            }
        }
    }

    /// The answer to a client whose token is not accepted (RFC 7628, section 3.2.2; brokers answer the same),
    /// and no more.
    pub(super) fn challenge(&self, refusal: Refusal) -> Vec<u8> {
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
