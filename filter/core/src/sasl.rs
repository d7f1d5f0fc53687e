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
pub mod oauthbearer;
pub(crate) mod plain;
pub mod scram;
pub mod secret;
pub mod users;

use crate::exchange::Millis;

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
    /// The client is who it says; `last` goes with the success. `expires`: when its credentials end, by Envoy's clock.
    Done { principal: String, expires: Option<Millis>, last: Vec<u8> },
    /// It is not, or it does not speak the mechanism. Why is told to nobody.
    Failed,
    /// It cannot be told now; the client should come again. The text is for the log.
    Unavailable(&'static str),
}
