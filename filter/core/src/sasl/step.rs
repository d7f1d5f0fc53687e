//! What each mechanism's server makes of a client's token.

use crate::time::Millis;

/// What a client's token leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// These bytes go to the client, which has to send one more token.
    Challenge(Vec<u8>),
    /// It is refused, and told so by these bytes; whatever it sends next ends the authentication.
    Rejected(Vec<u8>),
    /// The client is who it says; `last` goes with the success. `expires`: when its credentials end, by
    /// Envoy's clock.
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
