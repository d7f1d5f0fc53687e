//! What tells programs and their configurations apart: the version, and marks that differ where
//! configurations do.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The mark of a configuration: the same text has the same, and another text another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint of a configuration: the first eight bytes of the SHA-256 of its text.
    pub fn of(configuration: &str) -> Self {
        let digest = Sha256::digest(configuration);
        Self(digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first)))
    }

    /// The mark of this configuration as a version of the filter has read it. Another version takes the place
    /// of the former one as another configuration does.
    pub(crate) fn with_version(self, version: &str) -> Self {
        Self::of(&format!("{version} {:x?}", self.to_bytes()))
    }

    pub(crate) const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    pub(crate) fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

/// As logs and stats show it: 12 hexadecimal digits, with which the SHA-256 of the text begins.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0 >> 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_as_sha256sum_begins() {
        // printf '{}' | sha256sum
        assert_eq!(Fingerprint::of("{}").to_string(), "44136fa355b3");
    }

    #[test]
    fn another_version_is_another_configuration() {
        let [old, new] = ["{}", "{ }"].map(Fingerprint::of);
        assert_eq!(old.with_version("1.0.0"), old.with_version("1.0.0"));
        assert_ne!(old.with_version("1.0.0"), old.with_version("1.0.1"));
        assert_ne!(old.with_version("1.0.0"), new.with_version("1.0.0"));
    }
}
