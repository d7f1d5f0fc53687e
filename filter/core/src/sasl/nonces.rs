//! What has to be unpredictable: the nonces of the filter's messages of SCRAM, and ids of fetch sessions.

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
        BASE64_STANDARD.encode(self.digest().get(..24).unwrap_or_default())
    }

    /// A number from 1 to 2^30 - 1.
    pub(crate) fn positive(&mut self) -> i32 {
        let number = self.digest().first_chunk().map_or(0, |first| i32::from_be_bytes(*first));
        (number & (i32::MAX >> 1)).max(1)
    }

    fn digest(&mut self) -> [u8; 32] {
        self.count += 1;
        Sha256::new().chain_update(self.entropy).chain_update(self.count.to_be_bytes()).finalize().into()
    }
}
