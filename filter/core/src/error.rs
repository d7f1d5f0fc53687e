//! What ends a connection, sorted by who is to blame. Everything milder is a Kafka error code in an answer.

use std::fmt;

use crate::principal::Nameless;

/// Who has to change something for the error to go away; the tag of the stat `errors_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    Client,
    Broker,
    Config,
    Bug,
}

impl Blame {
    pub fn as_str(self) -> &'static str {
        match self {
            Blame::Client => "client",
            Blame::Broker => "broker",
            Blame::Config => "config",
            Blame::Bug => "bug",
        }
    }
}

/// What a [`Fault`] means for those who run the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Somebody has to act.
    Blamed(Blame),
    /// Nobody: the client comes back, and is then served. The tag of the stat `reconnects_total`.
    Reconnect(&'static str),
}

/// A fault after which the connection cannot go on: it is closed and the fault counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A frame length below zero (or none at all).
    FrameLength { claimed: i32 },
    /// A frame length above `limits.frame_bytes`; `limit` in bytes.
    FrameTooLarge { claimed: i32, limit: usize },
    /// A request frame that ends within its header.
    RequestHeader,
    /// An API key or version that the table does not offer (Kafka closes the connection as well).
    NotOffered { key: i16, version: i16 },
    /// A request body that is not what its version says; `at`: byte of the body where it goes wrong.
    Request { api: &'static str, at: usize },
    /// acks=0 leaves no answer to carry an error, so the connection is closed, as a broker does.
    UnacknowledgedRefusal { topic: String },
    /// The worker's memory is used up, and this connection holds the most of it, or waits for the rest of a
    /// frame the longest.
    Evicted { held: usize },
    /// So many bytes wait behind a request that has to be answered first, or requests before authentication.
    Pipelined { bytes: usize },
    /// A frame that has to be whole, and is longer than `limit` bytes.
    NoRoomForFrame { bytes: usize, limit: usize },
    /// The worker's memory is used up, and an answer cannot be made to wait.
    NoRoomForAnswer { bytes: usize },
    /// An answer that nobody asked for.
    UnsolicitedAnswer,
    /// Answers come in the order of the requests (protocol guide); this one is for another request.
    CorrelationId { expected: i32, got: i32 },
    /// An answer body that is not what its version says, or does not speak of what was asked.
    Answer { api: &'static str, what: &'static str },
    /// The connection reached another broker than the one that its address names.
    Misrouted { broker: i32 },
    /// A request that may not come before the client has authenticated, or while it does.
    NotAuthenticated { key: i16 },
    /// A mechanism that is not enabled; its name is the client's and not repeated.
    UnsupportedMechanism,
    /// SaslHandshake v0 for a mechanism whose bare tokens the filter cannot follow.
    BareTokens,
    /// Wrong credentials, a token that is not accepted, or messages that are not the mechanism's.
    Authentication { mechanism: &'static str, why: &'static str },
    /// The session's time is over, and the client has not authenticated again (KIP-368).
    SessionExpired,
    /// The client's certificate gives no principal.
    UnmappedCertificate(Nameless),
    /// `limits.authentication_ms` is over, in milliseconds, and the connection is nobody's yet.
    Late { ms: u64, why: Late },
    /// Credentials cannot be judged now; the client reconnects.
    Unavailable { what: &'static str },
    /// More clients wait for their passwords to be checked than can be within seconds; the client reconnects.
    Busy,
    /// The broker does not take the filter's login, or `upstream.sasl` has none for the client's principal.
    Login { mechanism: &'static str, why: String },
    /// The broker's API versions were not known, or have changed: the client has to begin again.
    VersionsLearned,
    /// A message that we made could not be encoded.
    Encode,
    /// The exchange queue is in a state that it should never reach.
    Exchange,
}

/// What a connection lacks that has taken too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// The client's login.
    Unproven,
    /// A whole request, where clients need not log in.
    Silent,
    /// Either, but the broker has owed an answer for most of the time.
    Stalled,
}

impl Late {
    fn words(self) -> &'static str {
        match self {
            Late::Unproven => "its client did not authenticate",
            Late::Silent => "it brought no request",
            Late::Stalled => "its broker does not answer, and so the client came to nothing",
        }
    }
}

impl Fault {
    pub fn cause(&self) -> Cause {
        Cause::Blamed(match self {
            Fault::FrameLength { .. }
            | Fault::FrameTooLarge { .. }
            | Fault::RequestHeader
            | Fault::NotOffered { .. }
            | Fault::Request { .. }
            | Fault::UnacknowledgedRefusal { .. }
            | Fault::Evicted { .. }
            | Fault::Pipelined { .. }
            | Fault::NoRoomForFrame { .. }
            | Fault::NotAuthenticated { .. }
            | Fault::UnsupportedMechanism
            | Fault::BareTokens
            | Fault::Authentication { .. }
            | Fault::SessionExpired
            | Fault::UnmappedCertificate(_) => Blame::Client,
            Fault::UnsolicitedAnswer
            | Fault::CorrelationId { .. }
            | Fault::Answer { .. }
            | Fault::Late { why: Late::Stalled, .. } => Blame::Broker,
            Fault::NoRoomForAnswer { .. } | Fault::Login { .. } => Blame::Config,
            Fault::Encode | Fault::Exchange => Blame::Bug,
            Fault::Misrouted { .. } => return Cause::Reconnect("misrouted"),
            Fault::VersionsLearned => return Cause::Reconnect("versions"),
            Fault::Unavailable { .. } => return Cause::Reconnect("keys"),
            Fault::Busy => return Cause::Reconnect("busy"),
            Fault::Late { why: Late::Unproven | Late::Silent, .. } => return Cause::Reconnect("unproven"),
        })
    }
}

/// What HTTP or TLS look like to the filter is a frame of an odd length.
const NO_KAFKA: &str = "is this a Kafka client, and TLS terminated by Envoy?";

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::FrameLength { claimed } => write!(f, "a frame of {claimed} bytes was announced: {NO_KAFKA}"),
            Fault::FrameTooLarge { claimed, limit } => {
                write!(f, "a frame of {claimed} bytes was announced (limits.frame_bytes: {limit}): {NO_KAFKA}")
            }
            Fault::RequestHeader => write!(f, "a request frame has no whole Kafka request header: {NO_KAFKA}"),
            Fault::NotOffered { key, version } => {
                write!(f, "API key {key} version {version} is not offered; ApiVersions lists what is")
            }
            Fault::Request { api, at } => write!(f, "the {api} request is malformed at byte {at} of its body"),
            Fault::UnacknowledgedRefusal { topic } => {
                write!(f, "a Produce request with acks=0 was refused in part for topic {topic}")
            }
            Fault::Evicted { held } => {
                write!(f, "limits.worker_bytes is used up, and others wait for what this connection holds, {held} bytes: it is closed")
            }
            Fault::Pipelined { bytes } => {
                write!(f, "a client sent {bytes} bytes of requests behind one that has to be answered first")
            }
            Fault::NoRoomForFrame { bytes, limit } => write!(
                f,
                "a frame of {bytes} bytes has to be put together, and at most {limit} can be: \
                 half of limits.worker_bytes, and never more than 256 MiB"
            ),
            Fault::NoRoomForAnswer { bytes } => {
                write!(f, "limits.worker_bytes is used up: there is no room for an answer of {bytes} bytes; the client reconnects")
            }
            Fault::UnsolicitedAnswer => write!(f, "the broker sent an answer that nobody asked for"),
            Fault::CorrelationId { expected, got } => {
                write!(f, "the broker answered correlation id {got} where {expected} was due")
            }
            Fault::Answer { api, what } => write!(f, "the broker's {api} answer cannot be used: {what}"),
            Fault::Misrouted { broker } => {
                write!(f, "this connection was meant for broker {broker}, whose address is known only now; the client reconnects")
            }
            Fault::NotAuthenticated { key } => {
                write!(f, "a request of API key {key} came before authentication was complete")
            }
            Fault::UnsupportedMechanism => {
                write!(f, "the client wants a SASL mechanism that sasl.mechanisms does not list")
            }
            Fault::BareTokens => {
                write!(f, "SaslHandshake v0 is let through for PLAIN and SCRAM only; other mechanisms need v1")
            }
            Fault::Authentication { mechanism, why } => {
                write!(f, "a client failed to authenticate by {mechanism}: {why}")
            }
            Fault::SessionExpired => {
                write!(f, "a session is over and was not renewed: the client has to authenticate again")
            }
            Fault::UnmappedCertificate(why) => {
                write!(f, "a client's certificate gives no principal: {why}")
            }
            Fault::Late { ms, why } => {
                write!(f, "a connection is closed after {ms} ms (limits.authentication_ms): {}", why.words())
            }
            Fault::Unavailable { what } => write!(f, "a client cannot be authenticated now: {what}; it reconnects"),
            Fault::Busy => write!(
                f,
                "a client cannot be authenticated now: too many passwords wait for their PBKDF2; it reconnects"
            ),
            Fault::Login { mechanism, why } => write!(f, "the login at the broker by {mechanism} failed: {why}"),
            Fault::VersionsLearned => {
                write!(f, "the broker's API versions are known only now; the client reconnects")
            }
            Fault::Encode => write!(f, "a message could not be encoded"),
            Fault::Exchange => write!(f, "the exchange queue is out of step"),
        }
    }
}

impl std::error::Error for Fault {}
