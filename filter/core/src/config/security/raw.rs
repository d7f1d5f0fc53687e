//! `sasl`, `principal` and `upstream` as they are written, before any value is checked.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::secret::SecretText;
use crate::config::json::{Entries, Given, Object, Whole};

#[cfg(feature = "schema")]
use crate::limits::*;

#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "sasl"))]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct SaslSection {
    /// What clients may use. All but OAUTHBEARER need users.
    #[cfg_attr(feature = "schema", schemars(
        length(min = 1), extend("uniqueItems" = true), schema_with = "crate::config::schema::mechanisms",
    ))]
    pub(super) mechanisms: Vec<String>,
    /// Who may log in by name and password.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = USERS_MAX)))]
    #[serde(default)]
    pub(super) users: Given<Vec<Object<UserEntry>>>,
    /// Whose tokens are taken. Needed by OAUTHBEARER.
    #[serde(default)]
    pub(super) oauthbearer: Given<Object<OauthBearerSection>>,
    /// At least 16 bytes from which salts are made, the same for all Envoys of a cluster and after restarts.
    /// Default: each process draws its own.
    #[cfg_attr(feature = "schema", schemars(extend(
        "anyOf" = [{"minLength": SALT_SECRET_BYTES_MIN}, {"pattern": "\\$\\{"}]
    )))]
    #[serde(default)]
    pub(super) salt_secret: Given<SecretText>,
    /// Seconds after which a client has to authenticate again (KIP-368). Default: when its credentials end.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = SESSION_S_MAX)))]
    #[serde(default)]
    pub(super) max_session_s: Given<Whole>,
}

/// A user with a password, or with SCRAM credentials (kafka-remapper-check scram makes them), or several of
/// them.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "user", extend(
    "anyOf" = [{"required": ["password"]}, {"required": ["scram_sha_256"]}, {"required": ["scram_sha_512"]}]
)))]
#[serde(deny_unknown_fields)]
pub(super) struct UserEntry {
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::config::schema::user_name"))]
    pub(super) username: String,
    /// At most 4096 bytes. ${NAME} in it is the environment variable NAME, which host_env_keys must list.
    #[serde(default)]
    pub(super) password: Given<SecretText>,
    /// What kafka-remapper-check scram prints for SCRAM-SHA-256.
    #[serde(default)]
    pub(super) scram_sha_256: Given<Object<ScramSection>>,
    /// What kafka-remapper-check scram prints for SCRAM-SHA-512.
    #[serde(default)]
    pub(super) scram_sha_512: Given<Object<ScramSection>>,
}

/// What a server stores of a password (RFC 5802, RFC 7677). Salt and keys are in Base64.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "scram"))]
#[serde(deny_unknown_fields)]
pub(super) struct ScramSection {
    /// In Base64.
    pub(super) salt: SecretText,
    /// How often the password was hashed.
    #[cfg_attr(feature = "schema", schemars(range(min = SCRAM_ITERATIONS_MIN, max = SCRAM_ITERATIONS_MAX)))]
    pub(super) iterations: Whole,
    /// In Base64.
    pub(super) stored_key: SecretText,
    /// In Base64.
    pub(super) server_key: SecretText,
}

#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "oauthbearer", extend(
    "oneOf" = [{"required": ["jwks"]}, {"required": ["public_key"]}]
)))]
#[serde(default, deny_unknown_fields)]
pub(super) struct OauthBearerSection {
    /// The issuer's keys, a JWK Set (RFC 7517).
    pub(super) jwks: Given<Object<JwksSection>>,
    /// One key in PEM (BEGIN PUBLIC KEY) instead of jwks.
    pub(super) public_key: Given<SecretText>,
    /// What iss must be. Default: it is not looked at.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub(super) issuer: Given<String>,
    /// What aud must hold. Default: it is not looked at.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub(super) audience: Given<String>,
    /// What scope or scp must hold.
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::config::schema::scopes"))]
    pub(super) required_scopes: Vec<String>,
    /// Seconds that the issuer's clock may differ from Envoy's.
    #[cfg_attr(feature = "schema", schemars(
        range(min = 0, max = OAUTH_CLOCK_SKEW_S_MAX), extend("default" = OAUTH_CLOCK_SKEW_S_DEFAULT),
    ))]
    pub(super) clock_skew_s: Given<Whole>,
    /// The claim that names the principal.
    #[cfg_attr(feature = "schema", schemars(length(min = 1), extend("default" = "sub")))]
    pub(super) principal_claim: Given<String>,
}

#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(
    inline, extend("minProperties" = 1, "maxProperties" = 1),
))]
#[serde(default, deny_unknown_fields)]
pub(super) struct JwksSection {
    /// The set itself, as the issuer publishes it.
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::config::schema::key_set"))]
    pub(super) inline: Given<Object<Map<String, Value>>>,
    /// Where Envoy fetches them.
    pub(super) http: Given<Object<HttpSection>>,
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
#[serde(deny_unknown_fields)]
pub(super) struct HttpSection {
    /// A cluster of Envoy's configuration.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub(super) cluster: String,
    /// The Host header.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub(super) authority: String,
    /// Path, and query if there is one.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^/")))]
    pub(super) path: String,
    /// Seconds between two fetches.
    #[cfg_attr(feature = "schema", schemars(
        range(min = JWKS_REFRESH_MS_MIN / 1_000, max = JWKS_REFRESH_MS_MAX / 1_000),
        extend("default" = JWKS_REFRESH_MS_DEFAULT / 1_000),
    ))]
    #[serde(default)]
    pub(super) refresh_s: Given<Whole>,
    /// Seconds after the last good fetch for which its keys are used while the provider does not answer with
    /// a JWK Set; at least refresh_s. After that clients are told to come again.
    #[cfg_attr(feature = "schema", schemars(
        range(min = JWKS_REFRESH_MS_MIN / 1_000, max = JWKS_AGE_MS_MAX / 1_000),
        extend("default" = JWKS_AGE_MS_DEFAULT / 1_000),
    ))]
    #[serde(default)]
    pub(super) max_age_s: Given<Whole>,
}

#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "principal"))]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct PrincipalSection {
    /// As ssl.principal.mapping.rules of Kafka, one rule per item: `DEFAULT` or
    /// `RULE:pattern/replacement/[LU]`. The first that matches the whole name decides; who matches none is
    /// refused.
    #[cfg_attr(feature = "schema", schemars(
        length(min = 1, max = PRINCIPAL_RULES_MAX),
        extend("default" = ["DEFAULT"]),
        schema_with = "crate::config::schema::mapping_rules",
    ))]
    pub(super) mapping_rules: Given<Vec<String>>,
    /// Which name of the certificate the rules take: the subject (RFC 2253, as Java writes it), or the first
    /// URI or DNS name among the subject alternative names, as it is. Who shows a certificate without such a
    /// name is refused.
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::config::schema::source"))]
    pub(super) source: Given<String>,
}

#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "upstream"))]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct UpstreamSection {
    /// One identity, or one per principal, or both: then the one is for whoever has none. Without it the
    /// filter does not authenticate.
    pub(super) sasl: Given<Object<UpstreamSaslSection>>,
    /// Clients may administer users, ACLs, quotas and brokers in the name that brokers see for all of them.
    /// Without it they may only where that name is their own: by SASL at the broker, or by an identity in
    /// per_principal that nobody else has.
    pub(super) shared_administration: bool,
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline, extend(
    "anyOf" = [
        {"required": ["username"]},
        {"required": ["per_principal"], "properties": {"per_principal": {"minProperties": 1}}},
    ],
    "if" = {"properties": {"per_principal_only": {"const": true}}, "required": ["per_principal_only"]},
    "then" = {"required": ["per_principal"], "properties": {"per_principal": {"minProperties": 1}}},
    "dependentRequired" = {"username": ["password"], "password": ["username"]},
)))]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamSaslSection {
    /// How the filter logs in.
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::config::schema::password_mechanism"))]
    pub(super) mechanism: String,
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::config::schema::user_name"))]
    #[serde(default)]
    pub(super) username: Given<String>,
    /// At most 4096 bytes. ${NAME} in it is the environment variable NAME, which host_env_keys must list.
    #[serde(default)]
    pub(super) password: Given<SecretText>,
    /// Each principal with its identity on the broker. Needs a sasl or principal section. A user's name may
    /// be typed in any way that SASLprep takes for the same; names in tokens and certificates are compared
    /// byte for byte.
    #[serde(default)]
    pub(super) per_principal: Entries<Object<PrincipalLoginSection>>,
    /// Refuses principals that per_principal has no identity for, although there is one for all.
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
#[serde(deny_unknown_fields)]
pub(super) struct PrincipalLoginSection {
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::config::schema::user_name"))]
    pub(super) username: String,
    /// At most 4096 bytes. ${NAME} in it is the environment variable NAME, which host_env_keys must list.
    pub(super) password: SecretText,
    /// How the principal has to have proved itself: names of users, tokens and certificates share one name
    /// space. Left out: in any way.
    #[cfg_attr(feature = "schema", schemars(
        length(min = 1), extend("uniqueItems" = true), schema_with = "crate::config::schema::proofs",
    ))]
    #[serde(default)]
    pub(super) mechanisms: Given<Vec<String>>,
}
