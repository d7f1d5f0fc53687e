//! Marks that differ where configurations do.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The mark of a configuration: the same text has the same, and another text another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint of a configuration: the first eight bytes of the SHA-256 of its text.
    pub fn of(configuration: &str) -> Self {
        let digest = Sha256::digest(configuration);
        Self(digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first)))
    }

    /// Its first 12 hexadecimal digits, for people.
    pub(crate) fn short(self) -> String {
        format!("{:012x}", self.0 >> 16)
    }

    pub(crate) const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    pub(crate) fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}
