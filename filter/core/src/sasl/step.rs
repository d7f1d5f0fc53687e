//! What each mechanism's server makes of a client's token.

use crate::time::Millis;

/// What a client's token leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// These bytes go to the client, which has to send one more token.
    Challenge(Vec<u8>),
    /// The client is refused, and learns so from these bytes; whatever the client sends next ends the
    /// authentication.
    Rejected(Vec<u8>),
    /// The client is who it says; `last` goes with the success. `expires`: when its credentials end, by
    /// Envoy's clock.
    Done { principal: String, expires: Option<Millis>, last: Vec<u8> },
    /// The client is not who it says, or does not speak the mechanism. Nobody but the log gets to know why.
    Failed,
    /// The filter cannot decide now; the client should come again. The text says why, for the log.
    Unavailable(&'static str),
    /// The filter decides in a moment: the same token is to be handed in again once the mechanism's server is
    /// ready.
    Later,
    /// Too many clients wait for a decision: the client should come again.
    Busy,
}
