//! What the workers of a process know of topics on the cluster. The host never gives a key back, and names of
//! topics come and go: so a topic has one of [`limits::TOPIC_SLOTS`] slots, by its name's hash, which it may
//! have to leave to another one.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::values::Value;
use crate::limits;
use crate::time::Millis;

/// A topic's id (KIP-516), 16 bytes. All zeros on the wire stands for "not known".
pub(crate) type TopicId = [u8; 16];

/// One topic, as the last Metadata answer that named it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fact {
    /// None: no answer had ids.
    pub(crate) id: Option<TopicId>,
    /// Partitions on the cluster.
    pub(crate) partitions: usize,
    /// When the answer came.
    pub(crate) seen: Millis,
}

/// What stands in a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) topic: String,
    /// None: the topic was deleted, or was seen not to be there.
    pub(crate) fact: Option<Fact>,
    /// When that was so.
    pub(crate) seen: Millis,
}

/// The number of a topic's slot.
pub(crate) fn slot_of(topic: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    topic.hash(&mut hasher);
    hasher.finish() % limits::TOPIC_SLOTS
}

/// In the place of a number of partitions.
const ABSENT: i32 = -1;

/// When, how many partitions, id, name.
impl Value for Slot {
    fn read(stored: &[u8]) -> Option<Self> {
        let (seen, stored) = stored.split_first_chunk()?;
        let (partitions, stored) = stored.split_first_chunk()?;
        let (id, name) = stored.split_first_chunk::<16>()?;
        let (seen, partitions) = (Millis::from_be_bytes(*seen), i32::from_be_bytes(*partitions));
        let id = Some(*id).filter(|id| *id != TopicId::default());
        let fact = match partitions {
            ABSENT => None,
            partitions => Some(Fact { id, partitions: usize::try_from(partitions).ok()?, seen }),
        };
        Some(Self { topic: std::str::from_utf8(name).ok()?.to_owned(), fact, seen })
    }

    fn write(&self) -> Vec<u8> {
        let partitions = self.fact.map_or(ABSENT, |fact| i32::try_from(fact.partitions).unwrap_or(i32::MAX));
        let id = self.fact.and_then(|fact| fact.id).unwrap_or_default();
        [&self.seen.to_be_bytes()[..], &partitions.to_be_bytes(), &id, self.topic.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_read_as_they_were_written() {
        let fact = |id, partitions| Some(Fact { id, partitions, seen: 7 });
        for fact in [None, fact(None, 0), fact(Some([1; 16]), 4), fact(Some([0xff; 16]), i32::MAX as usize)] {
            let slot = Slot { topic: "t".to_owned(), fact, seen: 7 };
            assert_eq!(Slot::read(&slot.write()), Some(slot));
        }
    }

    #[test]
    fn what_is_no_slot_says_nothing() {
        let whole = Slot { topic: "t".to_owned(), fact: None, seen: 7 }.write();
        for cut in 0..28 {
            assert_eq!(Slot::read(&whole[..cut]), None, "{cut}");
        }
        let mut negative = whole;
        negative[8] = 0x80;
        assert_eq!(Slot::read(&negative), None);
        negative[8..12].copy_from_slice(&[0xff; 4]);
        negative.push(0xff);
        assert_eq!(Slot::read(&negative), None, "not UTF-8");
    }

    #[test]
    fn names_are_spread_over_the_slots() {
        let slots: std::collections::BTreeSet<_> = (0..1_000).map(|n| slot_of(&format!("t{n}"))).collect();
        assert!(slots.len() > 900 && slots.iter().all(|slot| *slot < limits::TOPIC_SLOTS), "{}", slots.len());
    }
}
