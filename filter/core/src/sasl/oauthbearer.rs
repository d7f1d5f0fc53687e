//! OAUTHBEARER (RFC 7628, KIP-255): one token that an identity provider has signed.

pub mod jwks;

use self::jwks::KeySource;

/// How tokens are judged.
#[derive(Clone, Debug)]
pub struct Settings {
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

/// Asks the host whether `signature` is `key`'s over `text`. Cryptography of public keys is Envoy's.
pub trait Verifier {
    /// `key`: DER of a SubjectPublicKeyInfo (RFC 5280). RSA signatures are PKCS #1 v1.5, ECDSA ones DER (RFC 3279).
    fn verify(&self, key: &[u8], digest: Digest, signature: &[u8], text: &[u8]) -> bool;
}

/// The hash functions of JSON Web Signatures (RFC 7518, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    Sha256,
    Sha384,
    Sha512,
}
