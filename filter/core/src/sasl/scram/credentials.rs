//! The keys of SCRAM, and what a server stores of a password (RFC 5802, sections 3 and 5).

use hmac::Hmac;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::sasl::keyed;

/// The hash functions of SCRAM-SHA-256 and SCRAM-SHA-512.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hash {
    /// SHA-256, of SCRAM-SHA-256 (RFC 7677).
    Sha256,
    /// SHA-512, of SCRAM-SHA-512 (KIP-84).
    Sha512,
}

impl Hash {
    /// Bytes of a digest.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }

    /// `key`: a digest.
    fn hmac(self, key: &[u8], text: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => keyed::hmac::<Hmac<Sha256>>(key, &[text]).to_vec(),
            Self::Sha512 => keyed::hmac::<Hmac<Sha512>>(key, &[text]).to_vec(),
        }
    }

    /// `Hi(password, salt, iterations)` of RFC 5802, section 2.2: PBKDF2, the costly step.
    pub(in crate::sasl) fn salted_password(self, password: &str, salt: &[u8], iterations: u32) -> Zeroizing<Vec<u8>> {
        #[cfg(test)]
        super::tests::DERIVATIONS.with(|count| count.set(count.get() + 1));
        let mut salted = Zeroizing::new(vec![0; self.bytes()]);
        match self {
            Self::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, iterations, &mut salted),
            Self::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password.as_bytes(), salt, iterations, &mut salted),
        }
        salted
    }
}

/// What a server stores of a password (RFC 5802, section 5): enough to check a proof, not to make one.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The hash function, whose length both keys have.
    pub(crate) hash: Hash,
    /// What PBKDF2 salts the password with; `SCRAM_SALT_BYTES_MIN..=SCRAM_SALT_BYTES_MAX` bytes where it is
    /// configured.
    pub salt: Vec<u8>,
    /// Iterations of PBKDF2, `SCRAM_ITERATIONS_MIN..=SCRAM_ITERATIONS_MAX`.
    pub iterations: u32,
    /// The digest of the client key.
    pub stored_key: Vec<u8>,
    /// What the server proves itself with.
    pub server_key: Vec<u8>,
}

impl Credentials {
    /// The credentials of `password`. `iterations`: `SCRAM_ITERATIONS_MIN..=SCRAM_ITERATIONS_MAX` of
    /// `limits.rs`.
    ///
    /// The password is taken as it is, in UTF-8. RFC 5802 wants it prepared by SASLprep, but Kafka's
    /// `ScramFormatter` and its clients do not do that: a server that does locks out their users with
    /// passwords that preparation changes.
    pub fn derive(hash: Hash, password: &str, salt: &[u8], iterations: u32) -> Self {
        let keys = Keys::new(hash, &hash.salted_password(password, salt, iterations));
        Self { hash, salt: salt.to_vec(), iterations, stored_key: keys.stored_key, server_key: keys.server_key }
    }

    /// Whether `proof` was made with the password, for these messages. In constant time.
    pub(super) fn accept(&self, auth_message: &str, proof: &[u8]) -> bool {
        let client_signature = self.hash.hmac(&self.stored_key, auth_message.as_bytes());
        // A proof of another length gives a key of another length, or none that fits.
        let right_length = proof.len() == client_signature.len();
        let stored_key = self.hash.digest(&xor(&client_signature, proof));
        right_length & bool::from(stored_key.ct_eq(&self.stored_key))
    }

    /// Shows the client that the server has the credentials.
    pub(super) fn server_signature(&self, auth_message: &str) -> Vec<u8> {
        self.hash.hmac(&self.server_key, auth_message.as_bytes())
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// The keys that come from a salted password (RFC 5802, section 3).
pub(in crate::sasl) struct Keys {
    hash: Hash,
    client_key: Zeroizing<Vec<u8>>,
    pub(super) stored_key: Vec<u8>,
    pub(super) server_key: Vec<u8>,
}

impl Keys {
    pub(in crate::sasl) fn new(hash: Hash, salted_password: &[u8]) -> Self {
        let client_key = Zeroizing::new(hash.hmac(salted_password, b"Client Key"));
        let stored_key = hash.digest(&client_key);
        let server_key = hash.hmac(salted_password, b"Server Key");
        Self { hash, client_key, stored_key, server_key }
    }

    /// Shows the server that the client has the password.
    pub(in crate::sasl) fn proof(&self, auth_message: &str) -> Vec<u8> {
        xor(&self.client_key, &self.hash.hmac(&self.stored_key, auth_message.as_bytes()))
    }

    /// What the server has to answer to the proof.
    pub(in crate::sasl) fn server_signature(&self, auth_message: &str) -> Vec<u8> {
        self.hash.hmac(&self.server_key, auth_message.as_bytes())
    }
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(left, right)| left ^ right).collect()
}
