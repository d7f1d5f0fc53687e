//! SASL on both sides: clients prove to the filter who they are, and the filter proves to brokers who it is.
//!
//! ```text
//!   client ──token──► Server::step ──► Step::Challenge / Done / Failed ──► client
//!   broker ◄─token─── Client::step ◄── challenge ──────────────────────── broker
//! ```
//!
//! Nothing here knows of frames: `apis/sasl_handshake.rs` and `apis/sasl_authenticate.rs` carry the tokens of
//! clients, `own/login.rs` those for brokers.

pub mod identities;
pub(crate) mod settings;

mod authenticator;
pub mod client;

pub mod oauthbearer;
pub(crate) mod plain;
pub mod scram;
pub mod users;
pub(crate) mod vault;

pub(crate) mod identity;
mod keyed;
mod mechanism;
mod nonces;
pub(crate) mod saslname;
pub mod secret;
mod step;

pub(crate) use self::authenticator::{Authenticator, Server};
pub use self::mechanism::Mechanism;
pub(crate) use self::nonces::Nonces;
pub use self::settings::Sasl;
pub(crate) use self::step::Step;
