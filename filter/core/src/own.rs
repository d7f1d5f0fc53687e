//! What the filter asks brokers in its own name.

pub(crate) mod brokers;
pub(crate) mod login;
pub(crate) mod topics;
pub(crate) mod versions;
