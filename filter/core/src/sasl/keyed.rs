//! Digests under a secret key, and a bounded memory of what was computed for a secret. Nobody can foresee
//! such a digest, so neither the place of an entry nor the time that it takes to find it says anything about
//! the secret.

use std::collections::BTreeMap;

use hmac::digest::{Key as MacKey, KeyInit, Output};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

pub(super) type KeyedDigest = [u8; 32];

/// HMAC (RFC 2104). `key`: at most 64 bytes, a block of SHA-256.
pub(super) fn hmac<M: KeyInit + Mac>(key: &[u8], parts: &[&[u8]]) -> Output<M> {
    // A key of a block's length cannot be refused; shorter ones are filled with zeros anyway.
    let mut block = MacKey::<M>::default();
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let mut mac = <M as KeyInit>::new(&block);
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes()
}

/// A secret key for one purpose.
pub(super) struct PurposeKey(Zeroizing<KeyedDigest>);

impl PurposeKey {
    /// `purpose` keeps the digests of keys from one seed apart.
    pub(super) fn new(seed: &KeyedDigest, purpose: &str) -> Self {
        Self(Zeroizing::new(hmac::<Hmac<Sha256>>(seed, &[purpose.as_bytes()]).into()))
    }

    /// HMAC-SHA-256 of `parts`. The length goes before each part, so that no two lists are the same bytes.
    pub(super) fn digest(&self, parts: &[&[u8]]) -> KeyedDigest {
        let lengths: Vec<[u8; 8]> = parts.iter().map(|part| (part.len() as u64).to_be_bytes()).collect();
        let whole: Vec<&[u8]> =
            lengths.iter().zip(parts).flat_map(|(length, part)| [length.as_slice(), part]).collect();
        hmac::<Hmac<Sha256>>(&*self.0, &whole).into()
    }

    /// `length` bytes that depend on `parts`, up to 255 digests of them (HKDF-Expand, RFC 5869, without the
    /// chain).
    pub(super) fn bytes(&self, parts: &[&[u8]], length: usize) -> Vec<u8> {
        let block = |number: u8| self.digest(&[&[number], parts.concat().as_slice(), &self.digest(parts)]);
        let mut bytes: Vec<u8> = (1..=u8::MAX).take(length.div_ceil(32)).flat_map(block).collect();
        bytes.truncate(length);
        bytes
    }
}

/// At most `entries_max` values by digest.
pub(super) struct Memory<V> {
    values: BTreeMap<KeyedDigest, V>,
    entries_max: usize,
}

impl<V: Clone> Memory<V> {
    pub(super) fn new(entries_max: usize) -> Self {
        Self { values: BTreeMap::new(), entries_max }
    }

    pub(super) fn get(&self, digest: &KeyedDigest) -> Option<V> {
        self.values.get(digest).cloned()
    }

    /// Forgets everything when it is full: simple, and what is still in use is soon back, at the price of one
    /// PBKDF2.
    pub(super) fn insert(&mut self, digest: KeyedDigest, value: V) {
        if self.values.len() >= self.entries_max {
            self.values.clear();
        }
        self.values.insert(digest, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        let digest = hmac::<Hmac<Sha256>>(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), expected);
    }

    #[test]
    fn parts_seeds_and_purposes_keep_digests_apart() {
        let key = PurposeKey::new(&[7; 32], "test");
        let digests = [
            key.digest(&[b"ab", b"c"]),
            key.digest(&[b"a", b"bc"]),
            key.digest(&[b"abc"]),
            PurposeKey::new(&[8; 32], "test").digest(&[b"abc"]),
            PurposeKey::new(&[7; 32], "tests").digest(&[b"abc"]),
        ];
        for (index, digest) in digests.iter().enumerate() {
            assert!(!digests[..index].contains(digest), "{index}");
        }
    }

    #[test]
    fn bytes_come_in_any_length_and_do_not_repeat() {
        let key = PurposeKey::new(&[7; 32], "test");
        assert_eq!(key.bytes(&[b"a"], 0), b"");
        let long = key.bytes(&[b"a"], 100);
        assert_eq!(long.len(), 100);
        assert_eq!(key.bytes(&[b"a"], 16), long[..16]);
        assert_ne!(long[..32], long[32..64]);
        assert_ne!(key.bytes(&[b"b"], 100), long);
    }

    #[test]
    fn a_memory_stays_within_its_bound() {
        let mut memory = Memory::new(3);
        for number in 0..10_u8 {
            memory.insert([number; 32], number);
            assert!(memory.values.len() <= 3);
            assert_eq!(memory.get(&[number; 32]), Some(number));
        }
        assert_eq!(memory.get(&[0; 32]), None);
    }
}
