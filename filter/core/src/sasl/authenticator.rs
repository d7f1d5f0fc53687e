//! What all connections of a plugin have in common to check clients and to log in at brokers, and the
//! server's side of one authentication, whatever its mechanism.

use sha2::{Digest, Sha256};

use super::client::SaltedCache;
use super::mechanism::Mechanism;
use super::oauthbearer::checker::Checker;
use super::oauthbearer::verifier::Verifier;
use super::scram::credentials::Hash;
use super::settings::Sasl;
use super::step::Step;
use super::users::Store;
use super::{oauthbearer, plain, scram};
use crate::time::Millis;

/// What all connections of a plugin check and prove identities with.
pub(crate) struct Authenticator {
    pub(crate) users: Store,
    pub(crate) tokens: Option<Checker>,
    verifier: Box<dyn Verifier>,
    pub(crate) salted: SaltedCache,
}

impl Authenticator {
    /// `seed`: unpredictable bytes for the keys of the caches. `salts`: as many for salts, where the
    /// configuration has no secret for them; the same in all workers of the process.
    pub(crate) fn new(settings: Option<&Sasl>, seed: [u8; 32], salts: [u8; 32], verifier: Box<dyn Verifier>) -> Self {
        let salts = settings.and_then(|sasl| sasl.salt_secret.as_ref()).map_or(salts, |secret| {
            let digest = Sha256::digest(secret.expose());
            digest.into()
        });
        let (users, mechanisms) = settings.map(|sasl| (sasl.users.clone(), &sasl.mechanisms[..])).unwrap_or_default();
        Self {
            users: Store::new(users, mechanisms, seed, salts),
            tokens: settings.and_then(|sasl| sasl.oauthbearer.clone()).map(Checker::new),
            verifier,
            salted: SaltedCache::new(seed),
        }
    }
}

/// The server's side of one authentication.
pub(crate) enum Server {
    Plain(plain::Server),
    Scram(scram::Server),
    OauthBearer(oauthbearer::Server),
}

impl Server {
    /// `nonce`: printable, without commas, never seen before.
    pub(crate) fn new(mechanism: Mechanism, nonce: String) -> Self {
        match mechanism {
            Mechanism::Plain => Self::Plain(plain::Server::default()),
            Mechanism::ScramSha256 => Self::Scram(scram::Server::new(Hash::Sha256, nonce)),
            Mechanism::ScramSha512 => Self::Scram(scram::Server::new(Hash::Sha512, nonce)),
            Mechanism::OauthBearer => Self::OauthBearer(oauthbearer::Server::new()),
        }
    }

    /// Takes the client's next token.
    pub(crate) fn step(&mut self, authenticator: &Authenticator, token: &[u8], now: Millis) -> Step {
        match self {
            Self::Plain(server) => server.step(&authenticator.users, token),
            Self::Scram(server) => server.step(&authenticator.users, token),
            Self::OauthBearer(server) => match &authenticator.tokens {
                Some(checker) => server.step(checker, &*authenticator.verifier, token, now),
                None => Step::Failed,
            },
        }
    }

    /// After [`Step::Later`]: the same token may be handed in again.
    pub(crate) fn is_ready(&self, authenticator: &Authenticator, now: Millis) -> bool {
        match self {
            Self::Plain(server) => server.is_ready(),
            Self::Scram(server) => server.is_ready(&authenticator.users),
            Self::OauthBearer(_) => authenticator.tokens.as_ref().is_none_or(|checker| checker.has_time(now)),
        }
    }

    /// As whom the client tries to authenticate, as far as its tokens have told. For the log only.
    pub(crate) fn tried(&self) -> Option<&str> {
        let name = match self {
            Self::Plain(server) => &server.name,
            Self::Scram(server) => &server.name,
            Self::OauthBearer(server) => &server.name,
        };
        name.as_deref()
    }

    /// Why the client was refused, where more can be said than that its credentials are wrong. For the log
    /// only.
    pub(crate) fn why(&self) -> Option<&'static str> {
        match self {
            Self::OauthBearer(server) => server.why(),
            Self::Plain(_) | Self::Scram(_) => None,
        }
    }
}
