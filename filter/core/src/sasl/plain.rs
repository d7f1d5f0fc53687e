//! PLAIN (RFC 4616): one token with name and password.

use super::users::{prepare, Store};
use super::Step;
use crate::limits::PLAIN_TOKEN_BYTES_MAX;

/// Takes the only token: `[authzid] NUL authcid NUL passwd`. The password is taken as it is, see
/// [`Credentials::derive`](super::scram::Credentials::derive).
pub(crate) fn step(store: &Store, token: &[u8]) -> Step {
    match parse(token) {
        Some((principal, password)) if store.check_plain(&principal, password) => {
            Step::Done { principal, expires: None, last: vec![] }
        }
        _ => Step::Failed,
    }
}

/// The name, prepared, and the password.
pub(crate) fn parse(token: &[u8]) -> Option<(String, &str)> {
    let text = std::str::from_utf8(token).ok().filter(|text| text.len() <= PLAIN_TOKEN_BYTES_MAX)?;
    let mut parts = text.split('\0');
    let (authzid, name, password) = (parts.next()?, parts.next()?, parts.next()?);
    let principal = prepare(name)?;
    let is_same = authzid.is_empty() || prepare(authzid).as_ref() == Some(&principal);
    (is_same && !password.is_empty() && parts.next().is_none()).then_some((principal, password))
}

#[cfg(test)]
mod tests;
