//! The mechanisms by which clients prove who they are to the filter, and the filter to brokers.

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
    /// All mechanisms.
    pub const ALL: [Self; 4] = [Self::Plain, Self::ScramSha256, Self::ScramSha512, Self::OauthBearer];

    /// The name in SaslHandshake and in the registry of IANA; OAUTHBEARER and SCRAM-SHA-512 as in Kafka.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }

    /// The mechanism that is called `name`, exactly: names are in capitals (RFC 4422, section 3.1).
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }
}
