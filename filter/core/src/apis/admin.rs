//! Who may do what, and how brokers are set up.

pub(crate) mod administration;
pub(crate) mod delegation_tokens;

#[cfg(test)]
mod testing;
