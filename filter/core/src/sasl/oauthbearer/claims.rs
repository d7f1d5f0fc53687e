//! What a token with the right signature says, held against the [`Settings`] (RFC 7519, section 4.1; RFC
//! 9068, section 4).

use serde_json::Value;

use super::object::{texts, Object};
use super::settings::Settings;
use crate::limits::OAUTH_TIME_S_MAX;
use crate::time::Millis;

/// Whom a token names, and until when.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) principal: String,
    /// Unix time in milliseconds at which the token ends, with the clock skew added.
    pub(crate) expires: Millis,
}

/// Why a token is not accepted, for the log. The client gets to know which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    InvalidToken(&'static str),
    /// The token is good, but lacks a scope that it needs here.
    InsufficientScope,
}

impl From<&'static str> for Refusal {
    fn from(why: &'static str) -> Self {
        Self::InvalidToken(why)
    }
}

/// # Errors
/// The first claim that is wrong.
pub(crate) fn check(claims: &Object, settings: &Settings, now: Millis) -> Result<Bearer, Refusal> {
    let skew = settings.clock_skew_s.saturating_mul(1000);
    let expires = time(claims, "exp")?.ok_or("exp is missing")?.saturating_add(skew);
    if now >= expires {
        return Err("the token is expired".into());
    }
    let latest = now.saturating_add(skew);
    if time(claims, "nbf")?.is_some_and(|not_before| not_before > latest) {
        return Err("the token is not valid yet".into());
    }
    if time(claims, "iat")?.is_some_and(|issued_at| issued_at > latest) {
        return Err("the token was issued in the future".into());
    }
    let issuer = claims.text("iss").ok_or("iss must be text")?;
    if settings.issuer.is_some() && settings.issuer.as_deref() != issuer {
        return Err("iss is another one".into());
    }
    if let Some(audience) = &settings.audience {
        let audiences = one_or_more(claims.get("aud")).ok_or("aud must be text or texts")?;
        if !audiences.contains(&audience.as_str()) {
            return Err("aud does not hold ours".into());
        }
    }
    let principal = claims.text(&settings.principal_claim).flatten().ok_or("the principal's claim is not text")?;
    // Names end up in logs, line by line.
    let ends_line = |c: char| c.is_control() || ['\u{2028}', '\u{2029}'].contains(&c);
    if principal.trim().is_empty() || principal.contains(ends_line) {
        return Err("the principal's claim is not a name".into());
    }
    let scopes = scopes(claims).ok_or("scope must be text or texts")?;
    if !settings.required_scopes.iter().all(|required| scopes.contains(&required.as_str())) {
        return Err(Refusal::InsufficientScope);
    }
    Ok(Bearer { principal: principal.to_owned(), expires })
}

/// A NumericDate (RFC 7519, section 2), which may have a fraction, in milliseconds.
fn time(claims: &Object, name: &str) -> Result<Option<Millis>, &'static str> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().ok_or("exp, nbf and iat must be numbers")?;
    // Saturates: a time before 1970 is 0.
    Ok(Some((seconds.min(OAUTH_TIME_S_MAX as f64) * 1000.0) as Millis))
}

/// A claim that is one text or an array of them; absent: none.
fn one_or_more(value: Option<&Value>) -> Option<Vec<&str>> {
    match value {
        None => Some(vec![]),
        Some(Value::String(text)) => Some(vec![text]),
        Some(Value::Array(array)) => texts(array),
        Some(_) => None,
    }
}

/// `scope` (RFC 8693, section 4.2), or `scp` where a provider calls it so: texts, or one text with spaces
/// between them.
fn scopes(claims: &Object) -> Option<Vec<&str>> {
    let written = one_or_more(claims.get("scope").or_else(|| claims.get("scp")))?;
    Some(written.into_iter().flat_map(|scopes| scopes.split(' ')).collect())
}
