//! Which name of a client's certificate counts, and what the filter knows of a client from its TLS handshake.

use super::nameless::Nameless;
use super::rules::Rules;
use super::subject::as_java;

/// Who a client is that proved nothing (Kafka: `User:ANONYMOUS`).
const ANONYMOUS: &str = "ANONYMOUS";

/// Where in a certificate a client's name stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The distinguished name of the subject.
    #[default]
    Subject,
    /// The first URI of the subject alternative names. SPIFFE has exactly one.
    SanUri,
    /// The first DNS name of the subject alternative names.
    SanDns,
}

impl Source {
    pub(crate) const ALL: [Self; 3] = [Self::Subject, Self::SanUri, Self::SanDns];

    /// The name of the source in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::SanUri => "san_uri",
            Self::SanDns => "san_dns",
        }
    }
}

/// What the filter knows of a client from its TLS handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Peer {
    /// The client showed no certificate, or there was no TLS.
    #[default]
    Anonymous,
    /// The client showed a certificate, with this name at the [`Source`] that counts, as Envoy writes it.
    /// Empty: with none.
    Certified(String),
    /// Envoy did not give the name, or not as UTF-8.
    Unknown,
}

/// How clients are named after their certificates.
#[derive(Clone, Debug, Default)]
pub struct Principals {
    /// Which name of a certificate counts (`principal.source`).
    pub source: Source,
    /// What the name is turned into (`principal.mapping_rules`).
    pub(crate) rules: Rules,
}

impl Principals {
    /// The principal of a client.
    ///
    /// # Errors
    /// The client has to be refused.
    pub(crate) fn of(&self, peer: &Peer) -> Result<String, Nameless> {
        let name = match peer {
            Peer::Anonymous => return Ok(ANONYMOUS.to_owned()),
            Peer::Unknown => return Err(Nameless::NotGiven),
            Peer::Certified(name) => name,
        };
        match self.source {
            Source::Subject => self.rules.principal(&as_java(name)),
            Source::SanUri | Source::SanDns if name.is_empty() => Err(Nameless::NoSource),
            Source::SanUri | Source::SanDns => self.rules.principal(name),
        }
    }
}
