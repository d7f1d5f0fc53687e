//! `sasl.oauthbearer`: whose tokens are taken.

use super::raw::{HttpSection, JwksSection, OauthBearerSection};
use super::secret::{self, Environment};
use crate::config::error::ConfigError;
use crate::config::json::{within, Given, Object};
use crate::limits::*;
use crate::sasl::oauthbearer::jwks::{Endpoint, KeySet, KeySource};
use crate::sasl::oauthbearer::Settings;

pub(super) fn settings(raw: OauthBearerSection, environment: Environment<'_>) -> Result<Settings, ConfigError> {
    let keys = match (raw.jwks.0, raw.public_key.0) {
        (Some(Object(jwks)), None) => self::jwks(jwks)?,
        (None, Some(pem)) => {
            let path = "sasl.oauthbearer.public_key";
            let pem = secret::secret(path, &pem, environment)?;
            KeySource::Fixed(KeySet::of_pem(pem.expose()).map_err(|problem| ConfigError::at(path, problem))?)
        }
        _ => return Err(ConfigError::at("sasl.oauthbearer", "exactly one of jwks and public_key is needed")),
    };
    let skew = within(
        "sasl.oauthbearer.clock_skew_s",
        raw.clock_skew_s,
        OAUTH_CLOCK_SKEW_S_DEFAULT,
        0..=OAUTH_CLOCK_SKEW_S_MAX,
    )?;
    Ok(Settings {
        keys,
        issuer: text("sasl.oauthbearer.issuer", raw.issuer)?,
        audience: text("sasl.oauthbearer.audience", raw.audience)?,
        required_scopes: scopes(raw.required_scopes)?,
        clock_skew_s: skew,
        principal_claim: text("sasl.oauthbearer.principal_claim", raw.principal_claim)?
            .unwrap_or_else(|| "sub".to_owned()),
    })
}

fn jwks(raw: JwksSection) -> Result<KeySource, ConfigError> {
    match (raw.inline.0, raw.http.0) {
        (Some(Object(set)), None) => {
            let json = serde_json::Value::Object(set).to_string();
            let keys = KeySet::parse(&json);
            let keys = keys.map_err(|problem| ConfigError::at("sasl.oauthbearer.jwks.inline", problem))?;
            Ok(KeySource::Fixed(keys))
        }
        (None, Some(Object(http))) => endpoint(http).map(KeySource::Http),
        _ => Err(ConfigError::at("sasl.oauthbearer.jwks", "exactly one of inline and http is needed")),
    }
}

fn endpoint(raw: HttpSection) -> Result<Endpoint, ConfigError> {
    let path = |field: &str| format!("sasl.oauthbearer.jwks.http.{field}");
    if !raw.path.starts_with('/') {
        return Err(ConfigError::at(&path("path"), format_args!("{:?} does not start with /", raw.path)));
    }
    let seconds = JWKS_REFRESH_MS_MIN / 1_000..=JWKS_REFRESH_MS_MAX / 1_000;
    let refresh_s = within(&path("refresh_s"), raw.refresh_s, JWKS_REFRESH_MS_DEFAULT / 1_000, seconds)?;
    if raw.max_age_s.0.as_ref().is_some_and(|age| u64::try_from(age.0).is_ok_and(|age| age < refresh_s)) {
        let problem = format_args!("is less than refresh_s, which is {refresh_s}");
        return Err(ConfigError::at(&path("max_age_s"), problem));
    }
    let seconds = refresh_s..=JWKS_AGE_MS_MAX / 1_000;
    let max_age_s = within(&path("max_age_s"), raw.max_age_s, JWKS_AGE_MS_DEFAULT / 1_000, seconds)?;
    Ok(Endpoint {
        cluster: not_empty(&path("cluster"), raw.cluster)?,
        authority: not_empty(&path("authority"), raw.authority)?,
        path: raw.path,
        refresh_ms: refresh_s * 1_000,
        max_age_ms: max_age_s * 1_000,
    })
}

/// Tokens list scopes with spaces between them (RFC 8693, section 4.2), so one with a space is in no token.
fn scopes(scopes: Vec<String>) -> Result<Vec<String>, ConfigError> {
    match scopes.iter().position(|scope| scope.is_empty() || scope.contains(char::is_whitespace)) {
        Some(index) => {
            Err(ConfigError::at(&format!("sasl.oauthbearer.required_scopes[{index}]"), "is empty or has a space in it"))
        }
        None => Ok(scopes),
    }
}

fn text(path: &str, given: Given<String>) -> Result<Option<String>, ConfigError> {
    given.0.map(|text| not_empty(path, text)).transpose()
}

fn not_empty(path: &str, text: String) -> Result<String, ConfigError> {
    if text.is_empty() {
        return Err(ConfigError::at(path, "is empty"));
    }
    Ok(text)
}
