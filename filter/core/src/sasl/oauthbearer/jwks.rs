//! The keys that sign tokens: JSON Web Key Sets (RFC 7517) and PEM.

use crate::exchange::Millis;

/// Public keys.
#[derive(Clone, Debug, Default)]
pub struct KeySet {}

impl KeySet {
    /// # Errors
    /// What is wrong with the text, for the configuration's author.
    pub fn parse(_json: &str) -> Result<Self, String> {
        Err("not built yet".to_owned())
    }

    /// One key, any key id. # Errors: as [`Self::parse`].
    pub fn of_pem(_pem: &str) -> Result<Self, String> {
        Err("not built yet".to_owned())
    }
}

/// Where keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    Fixed(KeySet),
    Http(Endpoint),
}

/// Where an identity provider publishes its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Envoy's name of the cluster.
    pub cluster: String,
    pub authority: String,
    pub path: String,
    /// Milliseconds between two fetches.
    pub refresh_ms: Millis,
}
