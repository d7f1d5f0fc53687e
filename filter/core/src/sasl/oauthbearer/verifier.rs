//! What the filter asks of its host: cryptography of public keys.

/// Checks signatures. Cryptography of public keys is Envoy's.
pub trait Verifier {
    /// `key`: DER of a SubjectPublicKeyInfo (RFC 5280). RSA signatures are PKCS #1 v1.5, ECDSA ones DER (RFC
    /// 3279).
    fn verify(&self, key: &[u8], hash: SignatureHash, signature: &[u8], text: &[u8]) -> bool;
}

/// The hash functions of JSON Web Signatures (RFC 7518, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureHash {
    /// SHA-256, of RS256 and ES256.
    Sha256,
    /// SHA-384, of RS384 and ES384.
    Sha384,
    /// SHA-512, of RS512 and ES512.
    Sha512,
}
