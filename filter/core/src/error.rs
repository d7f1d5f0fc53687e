//! What ends a connection, by who is to blame: the type says it. Everything milder is a Kafka error code in
//! an answer.

mod reconnect;

use std::fmt;

pub use self::reconnect::Reconnect;
use self::reconnect::{Late, MEMORY, SESSION, STALLED, UNACKNOWLEDGED};
pub(crate) use self::reconnect::{CONFIGURATION, RECONNECT_REASONS};
use crate::foreign::Foreign;
use crate::limits::WHOLE_FRAME_BYTES_MAX;
use crate::principal::Nameless;

/// Who has to change something for the error to go away; the tag of the stat `errors_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// Whoever runs the client.
    Client,
    /// Whoever runs the brokers.
    Broker,
    /// Whoever wrote the filter's configuration.
    Config,
    /// Whoever wrote the filter.
    Bug,
}

impl Blame {
    /// The tag's value.
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
    /// The client's doing.
    Client(ClientFault),
    /// The broker's doing.
    Broker(BrokerFault),
    /// The configuration does not fit what it is used for.
    Config(ConfigFault),
    /// The filter's own doing: what should never be.
    Bug(Bug),
    /// Nobody's: the client comes back, and is then served.
    Reconnect(Reconnect),
}

/// What a client does wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientFault {
    /// The first bytes are not Kafka's protocol.
    Foreign(Foreign),
    /// A frame length below zero (or none at all).
    FrameLength {
        /// Bytes that the client announced.
        claimed: i32,
    },
    /// A frame length above what is read of this client.
    FrameTooLarge {
        /// Bytes that the client announced.
        claimed: i32,
        /// Most bytes of a frame: `limits.frame_bytes`, or less before the client has proved who it is.
        limit: usize,
    },
    /// A request frame that ends within its header.
    RequestHeader,
    /// An API key or version that the table does not offer (Kafka closes the connection as well).
    NotOffered {
        /// The API's name in the protocol guide.
        api: &'static str,
        /// The API key.
        key: i16,
        /// The API version.
        version: i16,
    },
    /// A request body that is not what its version says.
    Request {
        /// The API's name in the protocol guide.
        api: &'static str,
        /// The byte of the body where it goes wrong.
        at: usize,
    },
    /// acks=0 leaves no answer to carry an error, so the connection is closed, as a broker does.
    UnacknowledgedRefusal {
        /// The first topic of which something was refused.
        topic: String,
    },
    /// The worker's memory is used up, and this connection holds the most of it, or waits for the rest of a
    /// frame the longest.
    Evicted {
        /// Bytes that the connection held.
        held: usize,
    },
    /// Too much waits behind a request that has to be answered first, or came before authentication.
    Pipelined {
        /// Bytes that wait.
        bytes: usize,
    },
    /// A frame that has to be whole, and is too long for that.
    NoRoomForFrame {
        /// Bytes of the frame.
        bytes: usize,
        /// Most bytes of one that is put together.
        limit: usize,
    },
    /// A request that may not come before the client has authenticated, or while it does.
    NotAuthenticated {
        /// The API's name in the protocol guide.
        api: &'static str,
        /// The API key.
        key: i16,
    },
    /// A mechanism that is not enabled; its name is the client's and not repeated.
    UnsupportedMechanism,
    /// SaslHandshake v0 for a mechanism whose bare tokens the filter cannot follow.
    BareTokens,
    /// Wrong credentials, a token that is not accepted, or messages that are not the mechanism's.
    Authentication {
        /// The mechanism's registered name.
        mechanism: &'static str,
        /// What can be said of it in the log.
        why: &'static str,
    },
    /// The session's time is over, and the client has not authenticated again (KIP-368).
    SessionExpired,
    /// The client's certificate gives no principal.
    UnmappedCertificate(Nameless),
}

/// What a broker does wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerFault {
    /// The first bytes are not Kafka's protocol.
    Foreign(Foreign),
    /// An answer that nobody asked for.
    UnsolicitedAnswer,
    /// Answers come in the order of the requests (protocol guide); this one is for another request.
    CorrelationId {
        /// The name of the oldest request's API in the protocol guide.
        api: &'static str,
        /// Of the oldest request that is not answered.
        expected: i32,
        /// Of the answer.
        got: i32,
    },
    /// An answer body that is not what its version says, or does not speak of what was asked.
    Answer {
        /// The API's name in the protocol guide.
        api: &'static str,
        /// What is wrong with the answer.
        what: &'static str,
    },
    /// `limits.authentication_ms` is over, and the broker has owed an answer for most of the time.
    Stalled {
        /// The limit, in milliseconds.
        ms: u64,
    },
}

/// What the configuration does not allow for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigFault {
    /// The worker's memory is used up, and an answer cannot be made to wait.
    NoRoomForAnswer {
        /// Bytes of the answer.
        bytes: usize,
    },
    /// The broker does not take the filter's login, or `upstream.sasl` has none for the client's principal.
    Login {
        /// The mechanism's registered name.
        mechanism: &'static str,
        /// Why, in the broker's words or the filter's.
        why: String,
    },
}

/// What should never be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A message that the filter made could not be encoded.
    Encode {
        /// Which message.
        message: &'static str,
    },
    /// Something that holds by construction does not.
    State {
        /// What does not hold.
        what: &'static str,
    },
}

impl Fault {
    /// What the fault means for those who run the filter.
    pub fn cause(&self) -> Cause {
        match self {
            Fault::Client(_) => Cause::Blamed(Blame::Client),
            Fault::Broker(_) => Cause::Blamed(Blame::Broker),
            Fault::Config(_) => Cause::Blamed(Blame::Config),
            Fault::Bug(_) => Cause::Blamed(Blame::Bug),
            Fault::Reconnect(why) => Cause::Reconnect(why.reason()),
        }
    }

    /// Why the client comes back behind the fault, whoever is to blame for it, if it is served then: the tag
    /// of the stat `reconnects_total`.
    pub(crate) fn sends_back(&self) -> Option<&'static str> {
        match self {
            Fault::Reconnect(why) => Some(why.reason()),
            Fault::Client(ClientFault::Evicted { .. }) | Fault::Config(ConfigFault::NoRoomForAnswer { .. }) => {
                Some(MEMORY)
            }
            Fault::Client(ClientFault::SessionExpired) => Some(SESSION),
            Fault::Client(ClientFault::UnacknowledgedRefusal { .. }) => Some(UNACKNOWLEDGED),
            Fault::Broker(BrokerFault::Stalled { .. }) => Some(STALLED),
            _ => None,
        }
    }

    /// Something that holds by construction does not.
    pub(crate) const fn bug(what: &'static str) -> Self {
        Fault::Bug(Bug::State { what })
    }

    /// A message of type `M`, which the filter made, could not be encoded.
    pub(crate) fn encoding<M>() -> Self {
        let name = std::any::type_name::<M>();
        Fault::Bug(Bug::Encode { message: name.rsplit("::").next().unwrap_or(name) })
    }

    /// A broker's answer is not what it should be.
    pub(crate) const fn answer(api: &'static str, what: &'static str) -> Self {
        Fault::Broker(BrokerFault::Answer { api, what })
    }
}

macro_rules! faults {
    ($($fault:ident: $of:ident;)*) => {
        $(impl From<$of> for Fault {
            fn from(fault: $of) -> Self {
                Fault::$fault(fault)
            }
        })*
    };
}

faults! {
    Client: ClientFault;
    Broker: BrokerFault;
    Config: ConfigFault;
    Bug: Bug;
    Reconnect: Reconnect;
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Client(fault) => fault.fmt(f),
            Fault::Broker(fault) => fault.fmt(f),
            Fault::Config(fault) => fault.fmt(f),
            Fault::Bug(fault) => fault.fmt(f),
            Fault::Reconnect(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for Fault {}

/// What HTTP or TLS look like to the filter is a frame of an odd length.
const NO_KAFKA: &str = "is this a Kafka client, and TLS terminated by Envoy?";

impl fmt::Display for ClientFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign(foreign) => {
                write!(f, "the client speaks {foreign} where Kafka's protocol is expected: {}", foreign.at_client())
            }
            Self::FrameLength { claimed } => write!(f, "a frame of {claimed} bytes was announced: {NO_KAFKA}"),
            Self::FrameTooLarge { claimed, limit } => {
                write!(f, "a frame of {claimed} bytes was announced (limits.frame_bytes: {limit}): {NO_KAFKA}")
            }
            Self::RequestHeader => write!(f, "a request frame has no whole Kafka request header: {NO_KAFKA}"),
            Self::NotOffered { api, key, version } => write!(
                f,
                "the client asks for {api} version {version} (API key {key}), which is not offered; ApiVersions lists what is"
            ),
            Self::Request { api, at } => write!(f, "the {api} request is malformed at byte {at} of its body"),
            Self::UnacknowledgedRefusal { topic } => {
                write!(f, "a Produce request with acks=0 was refused in part for topic {topic}")
            }
            Self::Evicted { held } => write!(
                f,
                "limits.worker_bytes is used up, and others wait for what this connection holds, {held} bytes: it is \
                 closed"
            ),
            Self::Pipelined { bytes } => {
                write!(f, "a client sent {bytes} bytes of requests behind one that has to be answered first")
            }
            Self::NoRoomForFrame { bytes, limit } => write!(
                f,
                "a frame of {bytes} bytes has to be put together, and at most {limit} can be: \
                 half of limits.worker_bytes, and never more than {} MiB",
                WHOLE_FRAME_BYTES_MAX >> 20
            ),
            Self::NotAuthenticated { api, key } => {
                write!(f, "a request for {api} (API key {key}) came before authentication was complete")
            }
            Self::UnsupportedMechanism => {
                write!(f, "the client wants a SASL mechanism that sasl.mechanisms does not list")
            }
            Self::BareTokens => {
                write!(f, "SaslHandshake v0 is let through for PLAIN and SCRAM only; other mechanisms need v1")
            }
            Self::Authentication { mechanism, why } => {
                write!(f, "a client failed to authenticate by {mechanism}: {why}")
            }
            Self::SessionExpired => {
                write!(f, "a session is over and was not renewed: the client has to authenticate again")
            }
            Self::UnmappedCertificate(why) => write!(f, "a client's certificate gives no principal: {why}"),
        }
    }
}

impl fmt::Display for BrokerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign(foreign) => {
                write!(f, "the broker speaks {foreign} where Kafka's protocol is expected: {}", foreign.at_broker())
            }
            Self::UnsolicitedAnswer => write!(f, "the broker sent an answer that nobody asked for"),
            Self::CorrelationId { api, expected, got } => {
                write!(f, "the broker answered correlation id {got} where {expected} was due, that of {api}")
            }
            Self::Answer { api, what } => write!(f, "the broker's {api} answer cannot be used: {what}"),
            Self::Stalled { ms } => {
                write!(f, "{}: its broker does not answer, and so the client came to nothing", Late { ms: *ms })
            }
        }
    }
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoomForAnswer { bytes } => write!(
                f,
                "limits.worker_bytes is used up: there is no room for an answer of {bytes} bytes; the client reconnects"
            ),
            Self::Login { mechanism, why } => write!(f, "the login at the broker by {mechanism} failed: {why}"),
        }
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode { message } => write!(f, "a {message} could not be encoded"),
            Self::State { what } => write!(f, "the filter is out of step: {what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_to_come_back_is_listed_once() {
        let ms = 1;
        let faults: [Fault; 11] = [
            Reconnect::Misrouted { broker: 1 }.into(),
            Reconnect::Versions { api: "Fetch", version: 18, min: 4, max: 17 }.into(),
            Reconnect::Unavailable { what: "" }.into(),
            Reconnect::Busy.into(),
            Reconnect::Unproven { ms }.into(),
            Reconnect::Silent { ms }.into(),
            BrokerFault::Stalled { ms }.into(),
            ClientFault::Evicted { held: 1 }.into(),
            ConfigFault::NoRoomForAnswer { bytes: 1 }.into(),
            ClientFault::SessionExpired.into(),
            ClientFault::UnacknowledgedRefusal { topic: String::new() }.into(),
        ];
        let mut given: Vec<&str> = faults.iter().filter_map(Fault::sends_back).chain([CONFIGURATION]).collect();
        let mut listed = RECONNECT_REASONS.map(|(reason, _)| reason);
        given.sort_unstable();
        given.dedup();
        listed.sort_unstable();
        assert_eq!(given, listed);
        assert_eq!(Fault::from(ClientFault::RequestHeader).sends_back(), None);
    }
}
