//! What the core wants done.

use bytes::Bytes;

use crate::brokers::Address;
use crate::stats::Stat;
use crate::time::Millis;
use crate::wire::rope::Rope;

/// What has to be done for a connection, in this order.
#[derive(Debug)]
pub enum Action {
    /// These bytes go to the broker.
    ToBroker(Rope),
    /// As [`Self::ToBroker`], but later. What the client sends meanwhile does not go with these bytes: it is
    /// handed in when the connection wants it again.
    ToBrokerLater {
        /// What goes to the broker.
        bytes: Rope,
        /// After how many milliseconds.
        delay_ms: Millis,
        /// Where too many wait already: close the connection, instead of sending at once.
        or_close: bool,
    },
    /// These bytes go to the client.
    ToClient(Rope),
    /// The client has proved who it is.
    Authenticated {
        /// The client's name.
        principal: String,
        /// How the client proved it: a SASL mechanism's registered name, `TLS` or `NONE`.
        mechanism: &'static str,
    },
    /// The client says who it is, in its requests' client id: for access logs. Once, and in printable
    /// characters.
    Introduced(String),
    /// Brokers of the cluster under the addresses that they give themselves.
    BrokersSeen(Vec<(i32, Address)>),
    /// Clients are told of this broker, and no connection of this worker came in for it: if none of another
    /// worker did either, somebody should hear of it.
    Unreached {
        /// The broker's id.
        broker: i32,
        /// The address that clients are told, `host:port`.
        advertised: String,
    },
    /// The broker's API versions, for [`Opening::versions`](crate::connection::Opening) of later connections
    /// to it.
    VersionsSeen(Bytes),
    /// The stat goes up by so much; of a histogram, one value more.
    Count(Stat, u64),
    /// Normal life; to be logged as [`Shared::line_for`](crate::Shared) says.
    Inform(String),
    /// Somebody has to act; to be logged as [`Shared::line_for`](crate::Shared) says.
    Warn(String),
    /// As [`Self::Warn`], about a client that has not proved who it is; to be logged as
    /// [`Shared::line_for_stranger`](crate::Shared) says.
    WarnOfStranger(String),
    /// Close both sides; what was sent before is flushed. Nothing follows.
    Close,
}
