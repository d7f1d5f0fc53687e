//! Where a client stands: what it may send, who it is, and for how long.
//!
//! ```text
//!   sasl configured:  Unproven ─SaslHandshake─► Tokens ─good─► Proven ─SaslHandshake (KIP-368)─► Tokens …
//!                                                  └────bad──► Failed
//!   no sasl section:  Trusting ─SaslHandshake v0─► Relaying ─last token─► Trusting
//! ```
//!
//! Beside it stands whether the broker authenticates the client itself: only then brokers act for the client,
//! and for nobody else.

use crate::error::{ClientFault, Fault};
use crate::exchange::api::Admission;
use crate::limits;
use crate::sasl::identity::Identity;
use crate::sasl::{Authenticator, Mechanism, Server};
use crate::time::Millis;

/// An authentication that is under way.
pub(crate) struct Tokens {
    pub(crate) mechanism: Mechanism,
    pub(crate) server: Server,
    /// Tokens come without Kafka's headers (SaslHandshake v0).
    pub(crate) bare: bool,
    pub(crate) rounds: usize,
    /// The client was told that it failed, and may acknowledge it.
    pub(crate) rejected: bool,
}

/// What is kept of a name for [`Authentication::tried`].
pub(crate) fn kept(name: &str) -> Box<[u8]> {
    name.as_bytes().iter().take(limits::NAME_BYTES_KEPT).copied().collect()
}

pub(crate) enum State {
    /// The filter asks for no proof: the broker does, or nobody.
    Trusting,
    /// The broker authenticates, and so many bare tokens are due.
    Relaying(usize),
    Unproven,
    Tokens(Tokens),
    Proven,
    /// The last answer is on its way.
    Failed,
}

pub(crate) struct Authentication {
    pub(crate) state: State,
    /// Kept while a client authenticates again.
    pub(crate) identity: Option<Identity>,
    /// The broker took up a SaslHandshake of the client's on this connection. A broker does so only where it
    /// wants SASL, and then takes nothing else until SASL is complete: all requests from here on have the
    /// client's own identity.
    pub(crate) is_brokers_client: bool,
    /// The name by which the client tried to authenticate last, and was not let in: for the log. A part of a
    /// long one.
    pub(crate) tried: Option<Box<[u8]>>,
    /// When the token came whose verdict is waited for.
    pub(crate) waits_since: Option<Millis>,
}

impl Authentication {
    /// `wanted`: whether clients have to prove who they are by SASL.
    pub(crate) fn new(wanted: bool) -> Self {
        let state = if wanted { State::Unproven } else { State::Trusting };
        Self { state, identity: None, is_brokers_client: false, tried: None, waits_since: None }
    }

    /// Requests may go on without another look.
    pub(crate) fn is_open(&self, now: Millis) -> bool {
        match self.state {
            State::Trusting => true,
            State::Proven => !self.has_ended(now),
            _ => false,
        }
    }

    /// Nothing of the client's may reach a broker yet.
    pub(crate) fn is_closed(&self) -> bool {
        self.identity.is_none() && !matches!(self.state, State::Trusting | State::Relaying(_))
    }

    /// The next frame of the client is a token without Kafka's headers.
    pub(crate) fn is_token_due(&self) -> bool {
        matches!(self.state, State::Relaying(_) | State::Tokens(Tokens { bare: true, .. }))
    }

    /// Longest frame that is read, in bytes.
    pub(crate) fn frame_bytes_max(&self, configured: usize) -> usize {
        if self.is_closed() {
            configured.min(limits::UNAUTHENTICATED_FRAME_BYTES_MAX)
        } else {
            configured
        }
    }

    /// # Errors
    /// [`ClientFault::NotAuthenticated`], [`ClientFault::SessionExpired`]: a request for `api`, by its name
    /// and key, may not come now. Kafka closes, too.
    pub(crate) fn admit(&self, admission: Admission, api: (&'static str, i16), now: Millis) -> Result<(), Fault> {
        let admitted = match self.state {
            State::Trusting => true,
            State::Unproven => matches!(admission, Admission::Negotiation | Admission::Handshake),
            State::Tokens(_) => admission == Admission::Token,
            State::Proven if self.has_ended(now) && admission != Admission::Handshake => {
                return Err(Fault::Client(ClientFault::SessionExpired));
            }
            State::Proven => true,
            State::Relaying(_) | State::Failed => false,
        };
        let (api, key) = api;
        admitted.then_some(()).ok_or(Fault::Client(ClientFault::NotAuthenticated { api, key }))
    }

    /// Whether a token that waits for a verdict is worth another look.
    pub(crate) fn has_verdict(&self, authenticator: &Authenticator, now: Millis) -> bool {
        let State::Tokens(tokens) = &self.state else { return true };
        let has_waited = |since: Millis| now.saturating_sub(since) >= limits::VERDICT_MS_MAX;
        tokens.server.is_ready(authenticator, now) || self.waits_since.is_none_or(has_waited)
    }

    /// The connection ends. The mechanism of an authentication that was begun and came to nothing: neither a
    /// success nor a failure was told.
    pub(crate) fn abandon(&mut self) -> Option<Mechanism> {
        let mechanism = match &self.state {
            State::Tokens(tokens) if !tokens.rejected => tokens.mechanism,
            _ => return None,
        };
        self.state = State::Failed;
        Some(mechanism)
    }

    fn has_ended(&self, now: Millis) -> bool {
        self.identity.as_ref().and_then(|identity| identity.ends).is_some_and(|ends| ends <= now)
    }
}
