//! Fields that hold secrets: what is said about them never shows them, and `${NAME}` in them is an
//! environment variable.

use std::fmt;

use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::config::error::ConfigError;
use crate::limits::{PASSWORD_BYTES_MAX, SECRET_BYTES_MAX};
use crate::sasl::secret::Secret;

/// The value of an environment variable, if it is set.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A secret as it is written. Anything but a text is refused without a word of it.
pub(in crate::config) struct SecretText(Zeroizing<String>);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not deserialize_string: there serde_json itself reports other types, with their value.
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl Visitor<'_> for SecretVisitor {
    type Value = SecretText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SecretText, E> {
        Ok(SecretText(Zeroizing::new(text.to_owned())))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<SecretText, E> {
        Ok(SecretText(Zeroizing::new(text)))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<SecretText, E> {
        Err(E::invalid_type(Unexpected::Other("boolean"), &self))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<SecretText, E> {
        Err(E::invalid_type(Unexpected::Other("number"), &self))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<SecretText, E> {
        Err(E::invalid_type(Unexpected::Other("number"), &self))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<SecretText, E> {
        Err(E::invalid_type(Unexpected::Other("number"), &self))
    }
}

/// A secret with its environment variables put in.
pub(super) fn secret(path: &str, text: &SecretText, environment: Environment<'_>) -> Result<Secret, ConfigError> {
    let filled = fill(path, &text.0, environment)?;
    if filled.is_empty() {
        return Err(ConfigError::at(path, "is empty"));
    }
    Ok(Secret::new(filled))
}

pub(super) fn password(path: &str, text: &SecretText, environment: Environment<'_>) -> Result<Secret, ConfigError> {
    let secret = secret(path, text, environment)?;
    if secret.expose().len() > PASSWORD_BYTES_MAX {
        return Err(ConfigError::at(path, format_args!("is longer than {PASSWORD_BYTES_MAX} bytes")));
    }
    // NUL separates the parts of PLAIN's token (RFC 4616).
    if secret.expose().contains('\0') {
        return Err(ConfigError::at(path, "holds a NUL character, which no password may"));
    }
    Ok(secret)
}

fn fill(path: &str, text: &str, environment: Environment<'_>) -> Result<String, ConfigError> {
    let (before, mut rest) = text.split_once("${").map_or((text, None), |(before, rest)| (before, Some(rest)));
    let mut filled = before.to_owned();
    while let Some(reference) = rest {
        let (name, after) = reference.split_once('}').filter(|(name, _)| is_name(name)).ok_or_else(|| {
            let problem = "has a ${ that is not ${NAME}; a secret with ${ in it can only come from the environment";
            ConfigError::at(path, problem)
        })?;
        let value = environment(name).map(Zeroizing::new).ok_or_else(|| {
            let problem = "is not set; Envoy passes on only those that host_env_keys of its vm_config lists";
            ConfigError::at(path, format_args!("the environment variable {name} {problem}"))
        })?;
        filled.push_str(&value);
        let (before, next) = after.split_once("${").map_or((after, None), |(before, next)| (before, Some(next)));
        filled.push_str(before);
        rest = next;
        if filled.len() > SECRET_BYTES_MAX {
            return Err(ConfigError::at(path, format_args!("is longer than {SECRET_BYTES_MAX} bytes")));
        }
    }
    Ok(filled)
}

/// A name that every shell can set. Others are taken for a part of the secret, which must not be shown.
fn is_name(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !text.is_empty() && text.bytes().all(legal) && !text.starts_with(|c: char| c.is_ascii_digit())
}
