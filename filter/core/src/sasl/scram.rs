//! SCRAM (RFC 5802, RFC 7677): what both sides compute, and the server's side.

mod server;

pub(super) mod derivation;

pub(super) mod credentials;
pub(crate) mod messages;

pub use self::credentials::{Credentials, Hash};
pub(crate) use self::server::Server;

#[cfg(test)]
pub(super) mod tests;
