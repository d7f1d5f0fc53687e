//! `sasl.users`: who may log in by name and password.

use std::collections::HashMap;

use base64::engine::general_purpose::STANDARD;
use base64::Engine;

use super::raw::{ScramSection, UserEntry};
use super::secret::{self, Environment, SecretText};
use crate::config::error::ConfigError;
use crate::config::json::{within, Given, Object};
use crate::limits::*;
use crate::sasl::scram::{Credentials, Hash};
use crate::sasl::users::{prepare, User};
use crate::sasl::Mechanism;

pub(super) fn users(
    given: Given<Vec<Object<UserEntry>>>,
    mechanisms: &[Mechanism],
    environment: Environment<'_>,
) -> Result<Vec<User>, ConfigError> {
    let needing = mechanisms.iter().find(|mechanism| **mechanism != Mechanism::OauthBearer);
    let entries = match (given.0, needing) {
        (None, None) => return Ok(vec![]),
        (Some(_), None) => return Err(ConfigError::at("sasl.users", "no mechanism uses them; OAUTHBEARER does not")),
        (None, Some(mechanism)) => {
            let problem = format_args!("is missing; {} needs it", mechanism.name());
            return Err(ConfigError::at("sasl.users", problem));
        }
        (Some(entries), Some(_)) => entries,
    };
    if !(1..=USERS_MAX).contains(&entries.len()) {
        return Err(ConfigError::at("sasl.users", format_args!("{} users are not in 1..={USERS_MAX}", entries.len())));
    }
    let mut seen = HashMap::new();
    let mut users = Vec::with_capacity(entries.len());
    for (index, Object(entry)) in entries.into_iter().enumerate() {
        let path = format!("sasl.users[{index}]");
        let user = user(&path, entry, environment)?;
        if let Some(earlier) = seen.insert(user.name.clone(), index) {
            let problem = format_args!("{:?} is listed already, by sasl.users[{earlier}]", user.name);
            return Err(ConfigError::at(&format!("{path}.username"), problem));
        }
        if !mechanisms.iter().any(|mechanism| fits(&user, *mechanism)) {
            let problem = "has no password, and no credentials of an enabled mechanism";
            return Err(ConfigError::at(&path, problem));
        }
        users.push(user);
    }
    Ok(users)
}

/// Whether the user can log in by `mechanism`.
fn fits(user: &User, mechanism: Mechanism) -> bool {
    let has = [user.password.is_some(), user.scram_sha_256.is_some(), user.scram_sha_512.is_some()];
    match mechanism {
        Mechanism::Plain => has.contains(&true),
        Mechanism::ScramSha256 => user.password.is_some() || user.scram_sha_256.is_some(),
        Mechanism::ScramSha512 => user.password.is_some() || user.scram_sha_512.is_some(),
        Mechanism::OauthBearer => false,
    }
}

fn user(path: &str, entry: UserEntry, environment: Environment<'_>) -> Result<User, ConfigError> {
    let password = entry.password.0.map(|text| secret::password(&format!("{path}.password"), &text, environment));
    let scram = |field: &str, hash, given: Given<Object<ScramSection>>| {
        given.0.map(|Object(raw)| credentials(&format!("{path}.{field}"), hash, &raw, environment)).transpose()
    };
    let user = User {
        name: name(&format!("{path}.username"), &entry.username)?,
        password: password.transpose()?,
        scram_sha_256: scram("scram_sha_256", Hash::Sha256, entry.scram_sha_256)?,
        scram_sha_512: scram("scram_sha_512", Hash::Sha512, entry.scram_sha_512)?,
    };
    if user.password.is_none() && user.scram_sha_256.is_none() && user.scram_sha_512.is_none() {
        return Err(ConfigError::at(path, "needs at least one of password, scram_sha_256 and scram_sha_512"));
    }
    Ok(user)
}

/// A name prepared by SASLprep, so that it is the same however it is typed.
pub(super) fn name(path: &str, text: &str) -> Result<String, ConfigError> {
    prepare(text).ok_or_else(|| {
        let problem = format_args!(
            "{text:?} is no user name: 1 to {USER_NAME_BYTES_MAX} bytes, without control characters and what else SASLprep prohibits"
        );
        ConfigError::at(path, problem)
    })
}

fn credentials(
    path: &str,
    hash: Hash,
    raw: &ScramSection,
    environment: Environment<'_>,
) -> Result<Credentials, ConfigError> {
    let bytes = |field: &str, text, most| bytes(&format!("{path}.{field}"), text, most, environment);
    let iterations = Given(Some(raw.iterations));
    let range = SCRAM_ITERATIONS_MIN..=SCRAM_ITERATIONS_MAX;
    Ok(Credentials {
        hash,
        salt: bytes("salt", &raw.salt, (SCRAM_SALT_BYTES_MIN, SCRAM_SALT_BYTES_MAX))?,
        iterations: within(&format!("{path}.iterations"), iterations, SCRAM_ITERATIONS_MIN, range)?,
        stored_key: bytes("stored_key", &raw.stored_key, (hash.bytes(), hash.bytes()))?,
        server_key: bytes("server_key", &raw.server_key, (hash.bytes(), hash.bytes()))?,
    })
}

/// Base64 of as many bytes as may be.
fn bytes(
    path: &str,
    text: &SecretText,
    (least, most): (usize, usize),
    environment: Environment<'_>,
) -> Result<Vec<u8>, ConfigError> {
    let text = secret::secret(path, text, environment)?;
    let decoded = STANDARD.decode(text.expose());
    // The decoder's error would show a character.
    let bytes = decoded.map_err(|_| ConfigError::at(path, "is no Base64 (RFC 4648, padded)"))?;
    match bytes.len() {
        length if (least..=most).contains(&length) => Ok(bytes),
        length if least == most => Err(ConfigError::at(path, format_args!("has {length} bytes instead of {least}"))),
        length => Err(ConfigError::at(path, format_args!("{length} bytes are not in {least}..={most}"))),
    }
}
