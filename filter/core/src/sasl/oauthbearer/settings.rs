//! Which tokens are accepted, as the configuration has it.

use super::jwks::KeySource;

/// Which tokens are accepted.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the keys come from that sign tokens.
    pub keys: KeySource,
    /// `iss` must be this. None: not looked at.
    pub issuer: Option<String>,
    /// `aud` must hold this. None: not looked at.
    pub audience: Option<String>,
    /// `scope` (or `scp`) must hold all of these.
    pub required_scopes: Vec<String>,
    /// Seconds that the issuer's clock may differ from ours.
    pub clock_skew_s: u64,
    /// The claim that names the principal.
    pub principal_claim: String,
}
