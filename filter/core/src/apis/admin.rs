//! Who may do what, and how brokers are set up.

pub(crate) mod acls;
pub(crate) mod administration;
pub(crate) mod alter_configs;
pub(crate) mod delegation_tokens;
pub(crate) mod describe_configs;

#[cfg(test)]
pub(super) mod testing;
