//! What ends a connection, sorted by who is to blame. Everything milder is a Kafka error code in an answer.

use std::fmt;

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

/// A fault after which the byte streams cannot be trusted any more: the connection is closed and the fault counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A frame length below zero (or none at all).
    FrameLength { claimed: i32 },
    /// A frame length above `limits.frame_bytes`; `limit` in bytes.
    FrameTooLarge { claimed: i32, limit: usize },
    /// A request frame too short for its header.
    RequestHeader,
    /// An API key or version that the table does not offer (Kafka closes the connection as well).
    NotOffered { key: i16, version: i16 },
    /// A request body that is not what its version says; `at`: byte of the body where it goes wrong.
    Request { api: &'static str, at: usize },
    /// acks=0 leaves no answer to carry an error, so the connection is closed, as a broker does.
    UnacknowledgedRefusal { topic: String },
    /// Too many bytes of incomplete frames wait in this worker.
    HeldBytes { held: usize },
    /// An answer that nobody asked for.
    UnsolicitedAnswer,
    /// Answers come in the order of the requests (protocol guide); this one is for another request.
    CorrelationId { expected: i32, got: i32 },
    /// An answer body that is not what its version says, or does not speak of what was asked.
    Answer { api: &'static str, what: &'static str },
    /// The connection reached another broker than the one that its address names.
    Misrouted { broker: i32 },
    /// A message that we made could not be encoded.
    Encode,
    /// The exchange queue is in a state that it should never reach.
    Exchange,
}

impl Fault {
    pub fn blame(&self) -> Blame {
        match self {
            Fault::FrameLength { .. }
            | Fault::FrameTooLarge { .. }
            | Fault::RequestHeader
            | Fault::NotOffered { .. }
            | Fault::Request { .. }
            | Fault::UnacknowledgedRefusal { .. }
            | Fault::HeldBytes { .. } => Blame::Client,
            Fault::UnsolicitedAnswer | Fault::CorrelationId { .. } | Fault::Answer { .. } => Blame::Broker,
            Fault::Misrouted { .. } => Blame::Config,
            Fault::Encode | Fault::Exchange => Blame::Bug,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::FrameLength { claimed } => {
                write!(
                    f,
                    "a frame of {claimed} bytes was announced: is this a Kafka client, and TLS terminated by Envoy?"
                )
            }
            Fault::FrameTooLarge { claimed, limit } => {
                write!(f, "a frame of {claimed} bytes was announced; limits.frame_bytes allows {limit}")
            }
            Fault::RequestHeader => write!(f, "a request frame is too short for a Kafka request header"),
            Fault::NotOffered { key, version } => {
                write!(f, "API key {key} version {version} is not offered; ApiVersions lists what is")
            }
            Fault::Request { api, at } => write!(f, "the {api} request is malformed at byte {at} of its body"),
            Fault::UnacknowledgedRefusal { topic } => {
                write!(f, "a Produce request with acks=0 was refused in part for topic {topic}")
            }
            Fault::HeldBytes { held } => {
                write!(f, "the connections of this worker hold {held} bytes of incomplete frames: this one is closed")
            }
            Fault::UnsolicitedAnswer => write!(f, "the broker sent an answer that nobody asked for"),
            Fault::CorrelationId { expected, got } => {
                write!(f, "the broker answered correlation id {got} where {expected} was due")
            }
            Fault::Answer { api, what } => write!(f, "the broker's {api} answer cannot be used: {what}"),
            Fault::Misrouted { broker } => {
                write!(f, "this connection was meant for broker {broker}, whose address is known only now; the client reconnects")
            }
            Fault::Encode => write!(f, "a message could not be encoded"),
            Fault::Exchange => write!(f, "the exchange queue is out of step"),
        }
    }
}

impl std::error::Error for Fault {}
