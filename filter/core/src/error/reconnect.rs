//! Why connections end so that their clients come back, and are then served.

use std::fmt;

/// Why a client has to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconnect {
    /// The connection reached another broker than the one that its address names.
    Misrouted {
        /// The broker's id.
        broker: i32,
    },
    /// The client was told of a version before the broker could be asked, and the broker does not offer it.
    Versions {
        /// The API's name in the protocol guide.
        api: &'static str,
        /// The version that the client used.
        version: i16,
        /// The lowest version that the broker offers.
        min: i16,
        /// The highest one; below `min` where the broker does not offer the API.
        max: i16,
    },
    /// Credentials cannot be judged now.
    Unavailable {
        /// What is missing.
        what: &'static str,
    },
    /// More clients wait for their passwords to be checked than can be within seconds.
    Busy,
    /// `limits.authentication_ms` is over without the client's login.
    Unproven {
        /// The limit, in milliseconds.
        ms: u64,
    },
    /// `limits.authentication_ms` is over without a whole request, where clients need not log in.
    Silent {
        /// The limit, in milliseconds.
        ms: u64,
    },
}

impl Reconnect {
    /// The tag's value.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Reconnect::Misrouted { .. } => "misrouted",
            Reconnect::Versions { .. } => "versions",
            Reconnect::Unavailable { .. } => "keys",
            Reconnect::Busy => "busy",
            Reconnect::Unproven { .. } | Reconnect::Silent { .. } => "unproven",
        }
    }
}

impl fmt::Display for Reconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misrouted { broker } => write!(
                f,
                "this connection was meant for broker {broker}, whose address is known only now; the client reconnects"
            ),
            Self::Versions { api, version, min, max } => {
                write!(f, "a client uses {api} version {version}, as it was told before the broker could be asked; ")?;
                let end = "the client reconnects, and is told so";
                if min > max {
                    write!(f, "the broker does not offer {api}: {end}")
                } else {
                    write!(f, "the broker offers {min} to {max}: {end}")
                }
            }
            Self::Unavailable { what } => write!(f, "a client cannot be authenticated now: {what}; it reconnects"),
            Self::Busy => write!(
                f,
                "a client cannot be authenticated now: too many passwords wait for their PBKDF2; it reconnects"
            ),
            Self::Unproven { ms } => write!(f, "{}: its client did not authenticate", Late { ms: *ms }),
            Self::Silent { ms } => write!(f, "{}: it brought no request", Late { ms: *ms }),
        }
    }
}

/// How a connection ends that is nobody's yet.
pub(super) struct Late {
    pub(super) ms: u64,
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a connection is closed after {} ms (limits.authentication_ms)", self.ms)
    }
}

/// The values of the tag of the stat `reconnects_total`: each reason, and what it means, in Markdown.
pub(crate) const RECONNECT_REASONS: [(&str, &str); 10] = [
    ("misrouted", "It reached another broker than the one that it was meant for, whose address was not known yet. Normal after a start"),
    ("versions", "The client used a version that its broker lacks, as it was told before the broker could be asked. Normal once after a start or a change of brokers"),
    ("keys", "The identity provider's keys are not there. Look at its cluster in Envoy"),
    ("busy", "Too many passwords wait for their PBKDF2. See [security.md](security.md)"),
    ("unproven", "No login, or no request, within `limits.authentication_ms`. Scanners and health checks do that"),
    (STALLED, "The broker owed an answer when `limits.authentication_ms` was over. Look at the broker, and at the way there"),
    (CONFIGURATION, "A newer configuration is in force. Normal after a live change"),
    (MEMORY, "`limits.worker_bytes` was used up. See `held_bytes` below"),
    (SESSION, "A session was over, and the client did not authenticate again (KIP-368). Old libraries do that"),
    (UNACKNOWLEDGED, "A Produce with acks=0 was refused in part: there is no other way to say so. The log names the topic"),
];

/// Another configuration is in force.
pub(crate) const CONFIGURATION: &str = "configuration";
pub(super) const STALLED: &str = "stalled";
pub(super) const MEMORY: &str = "memory";
pub(super) const SESSION: &str = "session";
pub(super) const UNACKNOWLEDGED: &str = "unacknowledged";
