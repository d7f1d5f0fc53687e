//! The keys that sign tokens: JSON Web Key Sets (RFC 7517) and PEM.

use der::Document;
use serde::Deserialize;

use super::key::{Algorithm, Key};
use super::object::{base64url, texts, Object};
use crate::limits::{JWKS_BYTES_MAX, JWKS_KEYS_MAX, OAUTH_KEYS_TRIED_MAX};
use crate::time::Millis;

/// Members of private keys (RFC 7518, sections 6.2.2 and 6.3.2).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// Public keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<Key>,
}

/// A JWK Set as it is written.
#[derive(Deserialize)]
struct Written {
    keys: Vec<Object>,
}

impl KeySet {
    /// The keys of a JWK Set that the configuration's author wrote. Keys for other things than signatures,
    /// and of kinds that are not known, are left out (RFC 7517, section 5).
    ///
    /// # Errors
    /// What is wrong with the text, for the configuration's author: also a key that is malformed, weak or
    /// private, and a set without a key for signatures.
    pub fn parse(json: &str) -> Result<Self, String> {
        let mut keys = vec![];
        for (index, written) in read(json.as_bytes())?.iter().enumerate() {
            keys.extend(key(written).map_err(|error| format!("keys[{index}]: {error}"))?);
        }
        if keys.is_empty() {
            return Err("the JWK Set holds no key for signatures".to_owned());
        }
        Ok(Self { keys })
    }

    /// The keys of a JWK Set that came from a provider, and what is wrong with the first bad one, for the
    /// log: it only costs this key. A provider may withdraw all of its keys: then there is none.
    ///
    /// # Errors
    /// What is wrong with the text, for the log.
    pub fn parse_tolerant(json: &[u8]) -> Result<(Self, Option<String>), String> {
        let (mut keys, mut first_error) = (vec![], None);
        for (index, written) in read(json)?.iter().enumerate() {
            match key(written) {
                Ok(key) => keys.extend(key),
                Err(error) => first_error = first_error.or(Some(format!("keys[{index}]: {error}"))),
            }
        }
        Ok((Self { keys }, first_error))
    }

    /// One key (`BEGIN PUBLIC KEY`, RFC 7468, section 13), for any key id.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn of_pem(pem: &str) -> Result<Self, String> {
        let label =
            pem.split_once("-----BEGIN ").and_then(|(_, rest)| rest.split_once("-----")).map(|(label, _)| label);
        match label {
            Some("PUBLIC KEY") => {}
            Some("CERTIFICATE") => {
                return Err("a certificate is not a public key: take it out with openssl x509 -pubkey".to_owned());
            }
            Some(label) if label.ends_with("PRIVATE KEY") => {
                return Err("a private key does not belong here: its public key does (BEGIN PUBLIC KEY)".to_owned());
            }
            _ => return Err("not a public key in PEM (BEGIN PUBLIC KEY)".to_owned()),
        }
        let (_, der) =
            Document::from_pem(pem.trim()).map_err(|_| "the PEM is malformed, or holds more than one key")?;
        Ok(Self { keys: vec![Key::of_spki(der.as_bytes())?] })
    }

    /// Keys for signatures.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether the set holds no key: then no token is accepted.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a key may be called `id`. One without a name goes by any if it is the only one.
    pub(crate) fn knows(&self, id: &str) -> bool {
        self.keys.iter().any(|key| self.goes_by(key, id))
    }

    fn goes_by(&self, key: &Key, id: &str) -> bool {
        key.id.as_ref().map_or(self.keys.len() == 1, |own| own == id)
    }

    /// The keys that may have signed a token with this `kid` and `alg`.
    pub(crate) fn candidates<'a>(
        &'a self,
        id: Option<&'a str>,
        algorithm: &'a Algorithm,
    ) -> impl Iterator<Item = &'a Key> {
        let named = move |key: &&Key| id.is_none_or(|id| self.goes_by(key, id));
        self.keys.iter().filter(named).filter(|key| key.fits(algorithm)).take(OAUTH_KEYS_TRIED_MAX)
    }
}

fn read(json: &[u8]) -> Result<Vec<Object>, String> {
    if json.len() > JWKS_BYTES_MAX {
        return Err(format!("the JWK Set has {} bytes: at most {JWKS_BYTES_MAX}", json.len()));
    }
    // Only where, not what: what stands there may be a private key.
    let at = |error: serde_json::Error| format!("not a JWK Set (line {}, column {})", error.line(), error.column());
    let written: Written = serde_json::from_slice(json).map_err(at)?;
    if written.keys.len() > JWKS_KEYS_MAX {
        return Err(format!("the JWK Set holds {} keys: at most {JWKS_KEYS_MAX}", written.keys.len()));
    }
    Ok(written.keys)
}

/// The key that a JWK describes. None: it is not for signatures, or of a kind that is not known.
fn key(jwk: &Object) -> Result<Option<Key>, String> {
    if jwk.repeats() {
        return Err("a member comes twice".to_owned());
    }
    let key_type = text(jwk, "kty")?.ok_or("kty is missing")?;
    if !["RSA", "EC", "OKP"].contains(&key_type) {
        return Ok(None);
    }
    if PRIVATE.iter().any(|member| jwk.has(member)) {
        return Err("a private key does not belong here".to_owned());
    }
    if !is_for_signatures(jwk)? {
        return Ok(None);
    }
    let algorithm = match text(jwk, "alg")?.map(Algorithm::named) {
        None => None,
        Some(None) => return Ok(None),
        Some(known) => known,
    };
    let key = match key_type {
        "RSA" => Some(Key::rsa(&number(jwk, "n")?, &number(jwk, "e")?)),
        "EC" => {
            let curve = text(jwk, "crv")?.ok_or("crv is missing")?;
            Key::ec(curve, &number(jwk, "x")?, &number(jwk, "y")?)
        }
        _ => None,
    };
    let Some(mut key) = key.transpose()? else { return Ok(None) };
    if algorithm.is_some_and(|algorithm| algorithm.key_type != key.key_type) {
        return Err("alg does not fit the key's type".to_owned());
    }
    key.id = text(jwk, "kid")?.map(str::to_owned);
    key.algorithm = algorithm;
    Ok(Some(key))
}

/// What `use` and `key_ops` say (RFC 7517, sections 4.2 and 4.3).
fn is_for_signatures(jwk: &Object) -> Result<bool, String> {
    if text(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Ok(false);
    }
    let Some(operations) = jwk.get("key_ops") else { return Ok(true) };
    let operations = operations.as_array().map(Vec::as_slice).and_then(texts).ok_or("key_ops must be texts")?;
    Ok(operations.contains(&"verify"))
}

fn text<'a>(jwk: &'a Object, name: &str) -> Result<Option<&'a str>, String> {
    jwk.text(name).ok_or_else(|| format!("{name} must be text"))
}

fn number(jwk: &Object, name: &str) -> Result<Vec<u8>, String> {
    let text = text(jwk, name)?.ok_or_else(|| format!("{name} is missing"))?;
    base64url(text).ok_or_else(|| format!("{name} must be base64url without padding"))
}

/// Where keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// From the configuration, once.
    Fixed(KeySet),
    /// From an identity provider, again and again.
    Http(Endpoint),
}

/// Where an identity provider publishes its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Envoy's name of the cluster.
    pub cluster: String,
    /// The `:authority` of the request; not empty.
    pub authority: String,
    /// The path of the request; begins with `/`.
    pub path: String,
    /// Milliseconds between two fetches.
    pub(crate) refresh_ms: Millis,
    /// Milliseconds after the last good fetch until its keys are not trusted any more; at least `refresh_ms`.
    pub(crate) max_age_ms: Millis,
}
