//! OAUTHBEARER (RFC 7628, KIP-255): one token that an identity provider has signed.
//!
//! ```text
//!   message ─► ClientResponse ─► Jwt ─► keys, Verifier ──────────► claims ─► Done
//!      │ malformed                ╰──────── anything wrong ────────┴────► Rejected ─► (any token) ─► Failed
//!      └─► Failed                           no keys yet ────────────────► Unavailable
//! ```

mod server;

pub(crate) mod checker;

mod claims;
mod jwt;
mod share;
mod supply;

pub(crate) mod message;
pub(crate) mod settings;

pub mod jwks;
mod key;
pub(crate) mod object;
pub(crate) mod verifier;

pub use self::checker::Checker;
pub(crate) use self::server::Server;
pub use self::settings::Settings;
pub use self::supply::Fetched;
pub use self::verifier::{SignatureHash, Verifier};

#[cfg(test)]
mod tests;
