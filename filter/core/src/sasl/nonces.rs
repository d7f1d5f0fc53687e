//! The nonces that the filter puts into its messages of SCRAM.

use base64::prelude::{Engine, BASE64_STANDARD};
use sha2::{Digest, Sha256};

/// Nonces of one connection, from entropy that no other has.
pub(crate) struct Nonces {
    entropy: [u8; 32],
    count: u64,
}

impl Nonces {
    pub(crate) fn new(entropy: [u8; 32]) -> Self {
        Self { entropy, count: 0 }
    }

    /// 32 characters of `[A-Za-z0-9+/]`: 192 bits.
    pub(crate) fn next(&mut self) -> String {
        self.count += 1;
        let digest = Sha256::new().chain_update(self.entropy).chain_update(self.count.to_be_bytes()).finalize();
        BASE64_STANDARD.encode(digest.get(..24).unwrap_or_default())
    }
}
