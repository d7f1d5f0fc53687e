//! `sasl`, `principal` and `upstream` as they are written, before any value is checked.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::secret::SecretText;
use crate::config::json::{Entries, Given, Object, Whole};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct SaslSection {
    pub(super) mechanisms: Vec<String>,
    #[serde(default)]
    pub(super) users: Given<Vec<Object<UserEntry>>>,
    #[serde(default)]
    pub(super) oauthbearer: Given<Object<OauthBearerSection>>,
    #[serde(default)]
    pub(super) salt_secret: Given<SecretText>,
    #[serde(default)]
    pub(super) max_session_s: Given<Whole>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserEntry {
    pub(super) username: String,
    #[serde(default)]
    pub(super) password: Given<SecretText>,
    #[serde(default)]
    pub(super) scram_sha_256: Given<Object<ScramSection>>,
    #[serde(default)]
    pub(super) scram_sha_512: Given<Object<ScramSection>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScramSection {
    pub(super) salt: SecretText,
    pub(super) iterations: Whole,
    pub(super) stored_key: SecretText,
    pub(super) server_key: SecretText,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OauthBearerSection {
    pub(super) jwks: Given<Object<JwksSection>>,
    pub(super) public_key: Given<SecretText>,
    pub(super) issuer: Given<String>,
    pub(super) audience: Given<String>,
    pub(super) required_scopes: Vec<String>,
    pub(super) clock_skew_s: Given<Whole>,
    pub(super) principal_claim: Given<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct JwksSection {
    /// Any object: `sasl::oauthbearer` reads it.
    pub(super) inline: Given<Object<Map<String, Value>>>,
    pub(super) http: Given<Object<HttpSection>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpSection {
    pub(super) cluster: String,
    pub(super) authority: String,
    pub(super) path: String,
    #[serde(default)]
    pub(super) refresh_s: Given<Whole>,
    #[serde(default)]
    pub(super) max_age_s: Given<Whole>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct PrincipalSection {
    pub(super) mapping_rules: Given<Vec<String>>,
    pub(super) source: Given<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct UpstreamSection {
    pub(super) sasl: Given<Object<UpstreamSaslSection>>,
    pub(super) shared_administration: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamSaslSection {
    pub(super) mechanism: String,
    #[serde(default)]
    pub(super) username: Given<String>,
    #[serde(default)]
    pub(super) password: Given<SecretText>,
    #[serde(default)]
    pub(super) per_principal: Entries<Object<PrincipalLoginSection>>,
    #[serde(default)]
    pub(super) per_principal_only: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginSection {
    pub(super) username: String,
    pub(super) password: SecretText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PrincipalLoginSection {
    pub(super) username: String,
    pub(super) password: SecretText,
    #[serde(default)]
    pub(super) mechanisms: Given<Vec<String>>,
}
