//! What the filter asks brokers in its own name.

pub mod brokers;
pub(crate) mod login;
