//! Who a client is by its certificate.

mod peer;

mod rules;
pub(crate) mod subject;

mod java;
mod nameless;

pub use self::nameless::Nameless;
pub use self::peer::{Peer, Principals, Source};
pub use self::rules::Rules;
