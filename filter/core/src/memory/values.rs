//! How values are written for the memory that workers share, and read from it.

use bytes::Bytes;

use super::census::Census;
use super::generations::Generations;
use super::placements::Placements;
use super::shown::Shown;
use crate::brokers::Address;

/// A value in the memory that workers share.
pub(crate) trait Value: Sized {
    /// None: that is no such value.
    fn read(stored: &[u8]) -> Option<Self>;

    fn write(&self) -> Vec<u8>;
}

/// Whether connections come in for a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReachMark {
    /// One did.
    Reached,
    /// None did, and that was said.
    Said,
}

impl Value for ReachMark {
    fn read(stored: &[u8]) -> Option<Self> {
        match stored {
            b"reached" => Some(Self::Reached),
            b"said" => Some(Self::Said),
            _ => None,
        }
    }

    fn write(&self) -> Vec<u8> {
        match self {
            Self::Reached => b"reached".to_vec(),
            Self::Said => b"said".to_vec(),
        }
    }
}

/// Values that nothing makes unreadable: what cannot be read counts as nothing known.
macro_rules! always_readable {
    ($($value:ident),*) => {
        $(impl Value for $value {
            fn read(stored: &[u8]) -> Option<Self> {
                Some(Self::read(stored))
            }

            fn write(&self) -> Vec<u8> {
                self.write()
            }
        })*
    };
}

always_readable!(Census, Generations, Placements, Shown);

impl Value for Address {
    fn read(stored: &[u8]) -> Option<Self> {
        std::str::from_utf8(stored).ok()?.parse().ok()
    }

    fn write(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

/// As it is: whoever reads it knows what it means.
impl Value for Bytes {
    fn read(stored: &[u8]) -> Option<Self> {
        Some(Self::copy_from_slice(stored))
    }

    fn write(&self) -> Vec<u8> {
        self.to_vec()
    }
}

/// A count; none of anything that is no count.
impl Value for u64 {
    fn read(stored: &[u8]) -> Option<Self> {
        stored.first_chunk().map(|count| Self::from_be_bytes(*count))
    }

    fn write(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }
}

impl Value for [u8; 32] {
    fn read(stored: &[u8]) -> Option<Self> {
        stored.first_chunk().copied()
    }

    fn write(&self) -> Vec<u8> {
        self.to_vec()
    }
}
