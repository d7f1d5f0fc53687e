//! What a process has computed for its users, for the memory that its workers share: derived credentials, and
//! which passwords were found to fit. So it is computed once, and outlives changes of the configuration.
//!
//! Entries stand under digests by a secret key, so that one is found by nobody but a filter with the same
//! secret, user, password and credentials. A changed password has another digest; the entry of the old one
//! goes with the first configuration that has no use for it.

use std::collections::BTreeMap;

use super::keyed::KeyedDigest;
use crate::fingerprint::Fingerprint;
use crate::limits::{TRIED_MS, VAULT_ENTRIES_MAX, VAULT_TRIED_MAX};
use crate::time::Millis;

const FORMAT: u8 = 1;
/// Bytes of a fingerprint and the time when its configuration was tried.
const TRIED_BYTES: usize = 16;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vault {
    /// Configurations that were tried last, oldest first; at most [`VAULT_TRIED_MAX`].
    tried: Vec<(Fingerprint, Millis)>,
    entries: BTreeMap<KeyedDigest, Vec<u8>>,
}

impl Vault {
    /// From shared memory. What cannot be read counts as nothing known.
    pub(crate) fn read(stored: &[u8]) -> Self {
        Self::parse(stored).unwrap_or_default()
    }

    fn parse(stored: &[u8]) -> Option<Self> {
        let (format, rest) = stored.split_first()?;
        let (count, mut rest) = rest.split_first()?;
        if *format != FORMAT {
            return None;
        }
        let mut vault = Self::default();
        for _ in 0..*count {
            let (tried, after) = rest.split_at_checked(TRIED_BYTES)?;
            let (fingerprint, at) = tried.split_at_checked(8)?;
            let fingerprint = Fingerprint::from_bytes(*fingerprint.first_chunk()?);
            vault.tried.push((fingerprint, u64::from_be_bytes(*at.first_chunk()?)));
            rest = after;
        }
        while let Some((id, after)) = rest.split_first_chunk::<32>() {
            let (length, after) = after.split_first()?;
            let (value, after) = after.split_at_checked(usize::from(*length))?;
            vault.entries.insert(*id, value.to_vec());
            rest = after;
        }
        Some(vault)
    }

    /// For shared memory.
    pub(crate) fn write(&self) -> Vec<u8> {
        let entries_bytes: usize = self.entries.values().map(|value| 33 + value.len()).sum();
        let mut out = Vec::with_capacity(2 + self.tried.len() * TRIED_BYTES + entries_bytes);
        out.extend([FORMAT, self.tried.len() as u8]);
        for (fingerprint, at) in &self.tried {
            out.extend(fingerprint.to_bytes());
            out.extend(at.to_be_bytes());
        }
        for (id, value) in &self.entries {
            out.extend(id);
            out.push(value.len() as u8);
            out.extend(value);
        }
        out
    }

    /// A filter begins with a configuration. True: it is the first one of the process to do so, Envoy's main
    /// thread, where it may take its time; workers follow within moments.
    pub(crate) fn is_first_try(&mut self, mine: Fingerprint, now: Millis) -> bool {
        let is_recent = |at: Millis| now.abs_diff(at) < TRIED_MS;
        if self.tried.iter().any(|(other, at)| *other == mine && is_recent(*at)) {
            return false;
        }
        self.tried.retain(|(other, _)| *other != mine);
        if self.tried.len() >= VAULT_TRIED_MAX {
            self.tried.remove(0);
        }
        self.tried.push((mine, now));
        true
    }

    pub(crate) fn get(&self, id: &KeyedDigest) -> Option<&[u8]> {
        self.entries.get(id).map(Vec::as_slice)
    }

    /// `value`: at most 255 bytes.
    pub(crate) fn insert(&mut self, id: KeyedDigest, value: &[u8]) {
        let is_new = !self.entries.contains_key(&id);
        if value.len() <= usize::from(u8::MAX) && !(is_new && self.entries.len() >= VAULT_ENTRIES_MAX) {
            self.entries.insert(id, value.to_vec());
        }
    }

    pub(crate) fn retain(&mut self, is_wanted: impl Fn(&KeyedDigest) -> bool) {
        self.entries.retain(|id, _| is_wanted(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut vault = Vault::default();
        assert!(vault.is_first_try(Fingerprint::of("one"), 5));
        vault.insert([1; 32], b"");
        vault.insert([2; 32], &[7; 128]);
        let written = vault.write();
        assert_eq!(Vault::read(&written), vault);
        for cut in 0..written.len() {
            // Half of a value is no value.
            assert!(Vault::read(&written[..cut]).get(&[2; 32]).is_none(), "{cut}");
        }
        assert_eq!(Vault::read(b"\x02\0"), Vault::default(), "another format");
    }

    #[test]
    fn the_first_to_try_a_configuration_is_told_apart() {
        let (one, other) = (Fingerprint::of("one"), Fingerprint::of("other"));
        let mut vault = Vault::default();
        let tries = [(one, 0), (one, 10), (other, 20), (other, 30), (one, 40), (one, TRIED_MS), (one, TRIED_MS + 1)];
        let first = tries.map(|(fingerprint, now)| vault.is_first_try(fingerprint, now));
        assert_eq!(first, [true, false, true, false, false, true, false]);
        for number in 0..100 {
            vault.is_first_try(Fingerprint::of(&number.to_string()), 0);
            assert!(vault.tried.len() <= VAULT_TRIED_MAX);
        }
    }

    #[test]
    fn a_full_vault_takes_nothing_new() {
        let mut vault = Vault::default();
        let id = |number: usize| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&(number as u64).to_be_bytes());
            id
        };
        for number in 0..VAULT_ENTRIES_MAX + 10 {
            vault.insert(id(number), b"old");
        }
        assert_eq!(vault.entries.len(), VAULT_ENTRIES_MAX);
        vault.insert(id(0), b"new");
        assert_eq!(vault.get(&id(0)), Some(b"new".as_slice()));
    }
}
