//! PBKDF2 (RFC 8018) in pieces: a worker serves others between them.

use hmac::digest::{Digest, FixedOutput, Key as MacKey, KeyInit, Output};
use hmac::{Hmac, Mac};
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

use super::credentials::{Credentials, Hash, Keys};

/// Credentials in the making, the same as those of [`Credentials::derive`].
pub(in crate::sasl) struct Derivation {
    hash: Hash,
    salt: Vec<u8>,
    iterations: u32,
    left: u32,
    chain: HashChain,
}

enum HashChain {
    Sha256(Box<Chain<Hmac<Sha256>>>),
    Sha512(Box<Chain<Hmac<Sha512>>>),
}

impl Derivation {
    pub(in crate::sasl) fn new(hash: Hash, password: &str, salt: &[u8], iterations: u32) -> Self {
        #[cfg(test)]
        super::tests::DERIVATIONS.with(|count| count.set(count.get() + 1));
        let chain = match hash {
            Hash::Sha256 => HashChain::Sha256(Box::new(Chain::new::<Sha256>(password.as_bytes(), salt))),
            Hash::Sha512 => HashChain::Sha512(Box::new(Chain::new::<Sha512>(password.as_bytes(), salt))),
        };
        // The first iteration is what a chain begins with.
        Self { hash, salt: salt.to_vec(), iterations, left: iterations.saturating_sub(1), chain }
    }

    /// Iterations that are left.
    pub(in crate::sasl) fn left(&self) -> u32 {
        self.left
    }

    /// Goes on by at most `iterations`. The credentials, once there are none left.
    pub(in crate::sasl) fn advance(&mut self, iterations: u32) -> Option<Credentials> {
        let now = iterations.min(self.left);
        match &mut self.chain {
            HashChain::Sha256(chain) => chain.advance(now),
            HashChain::Sha512(chain) => chain.advance(now),
        }
        self.left -= now;
        (self.left == 0).then(|| self.credentials())
    }

    fn credentials(&self) -> Credentials {
        let salted: Zeroizing<Vec<u8>> = match &self.chain {
            HashChain::Sha256(chain) => Zeroizing::new(chain.sum.to_vec()),
            HashChain::Sha512(chain) => Zeroizing::new(chain.sum.to_vec()),
        };
        let keys = Keys::new(self.hash, &salted);
        Credentials {
            hash: self.hash,
            salt: self.salt.clone(),
            iterations: self.iterations,
            stored_key: keys.stored_key,
            server_key: keys.server_key,
        }
    }
}

/// `Hi` of RFC 5802, section 2.2: `U1 ^ U2 ^ …`, each the MAC of the one before it.
struct Chain<M: Mac> {
    mac: M,
    last: Output<M>,
    sum: Output<M>,
}

impl<M: Mac + KeyInit + FixedOutput + Clone> Chain<M> {
    fn new<D: Digest>(password: &[u8], salt: &[u8]) -> Self {
        // HMAC takes keys that are longer than a block by their digest (RFC 2104).
        let mut key = MacKey::<M>::default();
        let short = if password.len() > key.len() { D::digest(password).to_vec() } else { password.to_vec() };
        let short = Zeroizing::new(short);
        key.iter_mut().zip(short.iter()).for_each(|(to, from)| *to = *from);
        let mac = <M as KeyInit>::new(&key);
        let last = mac.clone().chain_update(salt).chain_update(1u32.to_be_bytes()).finalize_fixed();
        Self { sum: last.clone(), last, mac }
    }

    fn advance(&mut self, iterations: u32) {
        for _ in 0..iterations {
            let mut mac = self.mac.clone();
            Mac::update(&mut mac, &self.last);
            self.last = mac.finalize_fixed();
            self.sum.iter_mut().zip(&self.last).for_each(|(sum, last)| *sum ^= *last);
        }
    }
}
