//! SASL on both sides: clients prove to the filter who they are, and the filter proves to brokers who it is.
//!
//! ```text
//!   client ──token──► Server::step ──► Step::Challenge / Done / Failed ──► client
//!   broker ◄─token─── Client::step ◄── challenge ──────────────────────── broker
//! ```
//!
//! Nothing here knows of frames: `apis/sasl_handshake.rs` and `apis/sasl_authenticate.rs` carry the tokens of clients,
//! `upstream.rs` those for brokers.

pub mod client;
pub mod identities;
mod keyed;
pub mod oauthbearer;
pub(crate) mod plain;
pub(crate) mod saslname;
pub mod scram;
pub mod secret;
pub mod users;
pub(crate) mod vault;

use base64::prelude::{Engine, BASE64_STANDARD};
use sha2::{Digest, Sha256};

use self::client::SaltedCache;
use self::oauthbearer::{Checker, Verifier};
use self::scram::Hash;
use self::users::Store;
use crate::config::Config;
use crate::time::Millis;

/// The mechanisms that are spoken, under their registered names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// RFC 4616
    Plain,
    /// RFC 7677
    ScramSha256,
    /// RFC 5802 with SHA-512, as Kafka has it (KIP-84)
    ScramSha512,
    /// RFC 7628, KIP-255
    OauthBearer,
}

impl Mechanism {
    pub const ALL: [Self; 4] = [Self::Plain, Self::ScramSha256, Self::ScramSha512, Self::OauthBearer];

    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }

    /// The mechanism that is called `name`, exactly: names are in capitals (RFC 4422, section 3.1).
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }
}

/// What a client's token leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// These bytes go to the client, which has to send one more token.
    Challenge(Vec<u8>),
    /// It is refused, and told so by these bytes; whatever it sends next ends the authentication.
    Rejected(Vec<u8>),
    /// The client is who it says; `last` goes with the success. `expires`: when its credentials end, by Envoy's clock.
    Done { principal: String, expires: Option<Millis>, last: Vec<u8> },
    /// It is not, or it does not speak the mechanism. Why is told to nobody.
    Failed,
    /// It cannot be told now; the client should come again. The text is for the log.
    Unavailable(&'static str),
    /// It will be known in a moment: the same token is to be handed in again once [`Server::is_ready`].
    Later,
    /// Too many wait for the same: the client should come again.
    Busy,
}

/// What all connections of a plugin judge and prove identities with.
pub(crate) struct Authenticator {
    pub(crate) users: Store,
    pub(crate) tokens: Option<Checker>,
    verifier: Box<dyn Verifier>,
    pub(crate) salted: SaltedCache,
}

impl Authenticator {
    /// `seed`: unpredictable bytes for the keys of the caches. `salts`: as many for salts, where the configuration has no
    /// secret for them; the same in all workers of the process.
    pub(crate) fn new(config: &Config, seed: [u8; 32], salts: [u8; 32], verifier: Box<dyn Verifier>) -> Self {
        let sasl = config.sasl.as_ref();
        let salts = sasl.and_then(|sasl| sasl.salt_secret.as_ref()).map_or(salts, |secret| {
            let digest = Sha256::digest(secret.expose());
            digest.into()
        });
        let (users, mechanisms) = sasl.map(|sasl| (sasl.users.clone(), &sasl.mechanisms[..])).unwrap_or_default();
        Self {
            users: Store::new(users, mechanisms, seed, salts),
            tokens: sasl.and_then(|sasl| sasl.oauthbearer.clone()).map(Checker::new),
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
    pub(crate) fn step(&mut self, judge: &Authenticator, token: &[u8], now: Millis) -> Step {
        match self {
            Self::Plain(server) => server.step(&judge.users, token),
            Self::Scram(server) => server.step(&judge.users, token),
            Self::OauthBearer(server) => match &judge.tokens {
                Some(checker) => server.step(checker, &*judge.verifier, token, now),
                None => Step::Failed,
            },
        }
    }

    /// After [`Step::Later`]: the same token may be handed in again.
    pub(crate) fn is_ready(&self, judge: &Authenticator, now: Millis) -> bool {
        match self {
            Self::Plain(server) => server.is_ready(),
            Self::Scram(server) => server.is_ready(&judge.users),
            Self::OauthBearer(_) => judge.tokens.as_ref().is_none_or(|checker| checker.has_time(now)),
        }
    }

    /// Why the client was refused, where more can be said than that its credentials are wrong. For the log only.
    pub(crate) fn why(&self) -> Option<&'static str> {
        match self {
            Self::OauthBearer(server) => server.why(),
            Self::Plain(_) | Self::Scram(_) => None,
        }
    }
}

/// Nonces of one connection, from entropy that no other has.
pub(crate) struct Nonces {
    entropy: [u8; 32],
    count: u64,
}

impl Nonces {
    pub(crate) fn new(entropy: [u8; 32]) -> Self {
        Self { entropy, count: 0 }
    }

    /// 32 characters of `[A-Za-z0-9+/]`: 192 bits.
    pub(crate) fn next(&mut self) -> String {
        self.count += 1;
        let digest = Sha256::new().chain_update(self.entropy).chain_update(self.count.to_be_bytes()).finalize();
        BASE64_STANDARD.encode(digest.get(..24).unwrap_or_default())
    }
}
