//! A JSON Web Token in the compact form of a signed one (RFC 7519; RFC 7515, section 7.1).
//!
//! ```text
//!   base64url(header) . base64url(claims) . base64url(signature)
//!   ╰─────────── what is signed ────────╯
//! ```
//!
//! Nothing of the claims is read before the signature was found right.

use super::jwks::KeySet;
use super::key::{Algorithm, Key};
use super::object::{base64url, Object};
use super::verifier::Verifier;
use crate::limits::OAUTH_TOKEN_BYTES_MAX;

/// A token whose signature was not looked at yet.
#[derive(Debug)]
pub(crate) struct Jwt<'a> {
    algorithm: &'static Algorithm,
    /// The name of the key that signed it, as it says.
    pub(crate) key_id: Option<String>,
    signed: &'a str,
    claims: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jwt<'a> {
    /// # Errors
    /// Why it is none that could be accepted.
    pub(crate) fn parse(token: &'a str) -> Result<Self, &'static str> {
        if token.len() > OAUTH_TOKEN_BYTES_MAX {
            return Err("the token is too long");
        }
        let (signed, signature) = token.rsplit_once('.').ok_or("not a signed JWT")?;
        let (header, claims) = signed.split_once('.').ok_or("not a signed JWT")?;
        let header = base64url(header).and_then(|json| Object::parse(&json)).ok_or("the header is malformed")?;
        let signature = base64url(signature).ok_or("the signature is malformed")?;
        // Names what must be understood, and we understand nothing more (RFC 7515, section 4.1.11).
        if header.has("crit") {
            return Err("the header has crit");
        }
        if !header.text("typ").ok_or("typ must be text")?.is_none_or(is_jwt) {
            return Err("typ is not that of an access token");
        }
        let algorithm = header.text("alg").flatten().and_then(Algorithm::named).ok_or("alg is not accepted")?;
        let key_id = header.text("kid").ok_or("kid must be text")?.map(str::to_owned);
        Ok(Self { algorithm, key_id, signed, claims, signature })
    }

    /// What [`Self::verified`] takes at the most, in microseconds.
    pub(crate) fn check_us(&self, keys: &KeySet) -> i64 {
        keys.candidates(self.key_id.as_deref(), self.algorithm).map(Key::check_us).sum()
    }

    /// The claims, if one of `keys` signed them.
    ///
    /// # Errors
    /// Why they are not believed.
    pub(crate) fn verified(&self, keys: &KeySet, verifier: &dyn Verifier) -> Result<Object, &'static str> {
        let mut candidates = keys.candidates(self.key_id.as_deref(), self.algorithm).peekable();
        if candidates.peek().is_none() {
            return Err("no key fits kid and alg");
        }
        let right = candidates.any(|key| {
            key.signature(&self.signature).is_some_and(|signature| {
                verifier.verify(&key.der, self.algorithm.hash, &signature, self.signed.as_bytes())
            })
        });
        if !right {
            return Err("the signature is wrong");
        }
        base64url(self.claims).and_then(|json| Object::parse(&json)).ok_or("the claims are malformed")
    }
}

/// `JWT` (RFC 7519, section 5.1) or `at+jwt` (RFC 9068, section 2.1): other kinds, such as logout tokens,
/// prove nothing here.
fn is_jwt(media_type: &str) -> bool {
    let media_type = media_type.to_ascii_lowercase();
    ["jwt", "at+jwt"].contains(&media_type.strip_prefix("application/").unwrap_or(&media_type))
}
