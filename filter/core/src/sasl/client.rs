//! The filter as a SASL client of the broker: PLAIN and SCRAM.

use super::secret::Secret;

/// An identity on the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub username: String,
    pub password: Secret,
}
