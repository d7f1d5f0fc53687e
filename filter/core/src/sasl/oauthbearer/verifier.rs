//! What the filter asks of its host: cryptography of public keys.

/// Asks the host whether `signature` is `key`'s over `text`. Cryptography of public keys is Envoy's.
pub trait Verifier {
    /// `key`: DER of a SubjectPublicKeyInfo (RFC 5280). RSA signatures are PKCS #1 v1.5, ECDSA ones DER (RFC
    /// 3279).
    fn verify(&self, key: &[u8], hash: SignatureHash, signature: &[u8], text: &[u8]) -> bool;
}

/// The hash functions of JSON Web Signatures (RFC 7518, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureHash {
    /// Of RS256 and ES256.
    Sha256,
    /// Of RS384 and ES384.
    Sha384,
    /// Of RS512 and ES512.
    Sha512,
}
