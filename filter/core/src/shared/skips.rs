//! What a worker knows of lanes that are absent: "nothing of this lane lies between these two offsets". A
//! consumer in there may be fetched for from behind it, whoever it is: so the way behind siblings' batches is
//! scanned once, not once per connection.
//!
//! A log is only a name here, and a name can come to stand for another log (a topic that is deleted and made
//! again, a log that was cut). So each range carries a [`Mark`] of the entry that it ends with. The broker is
//! asked for that entry before anything that was found behind a range is told to a client: if it is still
//! there, all that was seen before it is taken to be. This works with every version of Kafka and of Fetch,
//! and needs neither leader epochs nor clocks. A topic id that is known to be another one
//! ([`crate::shared::facts`]) saves the question. What it cannot tell: another log with the very same batch
//! at the same offset, times and CRC included, and others before it.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use kafka_protocol::messages::TopicName;

use crate::limits;
use crate::memory::facts::TopicId;
use crate::remapper::Lane;
use crate::time::Millis;
use crate::wire::batch::HEADER_BYTES;

/// By what an entry of a log is known again: its offset, epoch, times, count and CRC, which its head holds in
/// both formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    head: u64,
    /// The entry's length.
    pub(crate) bytes: usize,
}

impl Mark {
    /// `entry`: all of its bytes.
    pub(crate) fn of(entry: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        entry.get(..HEADER_BYTES).unwrap_or(entry).hash(&mut hasher);
        Self { head: hasher.finish(), bytes: entry.len() }
    }
}

/// Nothing of a lane lies from `start` on and before `end`. Offsets are physical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// Of the entry whose last offset is `end - 1`.
    pub(crate) mark: Mark,
    /// When the entry was last seen.
    pub(crate) seen: Millis,
    /// The topic's id, as far as it was known when the range was scanned.
    pub(crate) id: Option<TopicId>,
}

/// A lane of a topic's physical partition. The name is a copy of its own: a slice would keep a client's frame
/// in memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SkipKey {
    pub(crate) topic: TopicName,
    pub(crate) partition: i32,
    pub(crate) lane: Lane,
}

/// The skips of one worker, bounded by [`limits::SKIP_LANES_MAX`] and [`limits::SKIPS_PER_LANE_MAX`].
#[derive(Debug, Default)]
pub(crate) struct Skips {
    lanes: RefCell<Halves>,
}

impl Skips {
    /// The skip that leads farthest from `position`; `id`: of the topic, if it is known now.
    pub(crate) fn find(&self, key: &SkipKey, position: i64, id: Option<TopicId>, now: Millis) -> Option<Skip> {
        let mut lanes = self.lanes.borrow_mut();
        let known = lanes.get(key)?;
        known.retain(|known| id.is_none() || known.skip.id.is_none() || known.skip.id == id);
        let around = |known: &&mut Known| (known.skip.start..known.skip.end).contains(&position);
        let known = known.iter_mut().filter(around).max_by_key(|known| known.skip.end)?;
        known.used = now;
        Some(known.skip)
    }

    /// Takes note of a range that was scanned, or seen to be as it was.
    pub(crate) fn note(&self, key: &SkipKey, skip: Skip) {
        if skip.start >= skip.end {
            return;
        }
        let mut lanes = self.lanes.borrow_mut();
        let new = Known { skip, used: skip.seen };
        match lanes.get(key) {
            Some(known) => put(known, new),
            None => lanes.insert(key.clone(), vec![new]),
        }
    }

    /// Forgets what turned out to be of another log.
    pub(crate) fn forget(&self, key: &SkipKey, skip: &Skip) {
        if let Some(known) = self.lanes.borrow_mut().get(key) {
            known.retain(|known| known.skip.end != skip.end);
        }
    }

    /// The topics are gone, and all lanes of theirs.
    pub(crate) fn forget_topics(&self, topics: &HashSet<TopicName>) {
        let lanes = &mut *self.lanes.borrow_mut();
        for half in [&mut lanes.young, &mut lanes.old] {
            half.retain(|key, _| !topics.contains(&key.topic));
        }
    }

    /// The log is not there any more.
    pub(crate) fn forget_all(&self, key: &SkipKey) {
        if let Some(known) = self.lanes.borrow_mut().get(key) {
            known.clear();
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Known {
    skip: Skip,
    used: Millis,
}

/// Adds a range. Ranges inside it go. Where there are too many, the longer half stays, which cost most to
/// find; of the others the one goes that was used longest ago, so that a new range lives long enough to grow.
fn put(known: &mut Vec<Known>, new: Known) {
    known.retain(|old| old.skip.start < new.skip.start || new.skip.end < old.skip.end);
    if known.len() >= limits::SKIPS_PER_LANE_MAX {
        known.sort_unstable_by_key(|known| Reverse(known.skip.end.saturating_sub(known.skip.start)));
        let shorter = known.iter().enumerate().skip(limits::SKIPS_PER_LANE_MAX / 2);
        if let Some((at, _)) = shorter.min_by_key(|(_, known)| known.used) {
            known.swap_remove(at);
        }
    }
    known.push(new);
}

/// Lanes in two generations: what is used moves to the younger, and when that is full it becomes the older,
/// whose place is free.
#[derive(Debug, Default)]
struct Halves {
    young: HashMap<SkipKey, Vec<Known>>,
    old: HashMap<SkipKey, Vec<Known>>,
}

impl Halves {
    fn get(&mut self, key: &SkipKey) -> Option<&mut Vec<Known>> {
        if !self.young.contains_key(key) {
            let (key, known) = self.old.remove_entry(key)?;
            self.insert(key, known);
        }
        self.young.get_mut(key)
    }

    fn insert(&mut self, key: SkipKey, known: Vec<Known>) {
        if self.young.len() >= limits::SKIP_LANES_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::topic;

    fn key(lane: u32) -> SkipKey {
        SkipKey { topic: topic("t"), partition: 0, lane: Lane(lane) }
    }

    fn skip(start: i64, end: i64, seen: Millis) -> Skip {
        Skip { start, end, mark: Mark::of(&end.to_be_bytes()), seen, id: None }
    }

    #[test]
    fn an_entry_is_known_by_its_head_and_its_length() {
        let entry = [7; 80];
        let mut other = entry;
        other[HEADER_BYTES - 1] = 8;
        assert_eq!(Mark::of(&entry), Mark::of(&[7; 80]));
        assert_ne!(Mark::of(&entry), Mark::of(&other));
        assert_ne!(Mark::of(&entry), Mark::of(&entry[..79]));
        assert_ne!(Mark::of(&entry[..30]), Mark::of(&entry[..31]), "an entry of the old format is shorter");
    }

    #[test]
    fn the_farthest_way_from_a_position_is_found() {
        let skips = Skips::default();
        skips.note(&key(1), skip(10, 20, 0));
        skips.note(&key(1), skip(15, 30, 0));
        skips.note(&key(1), skip(40, 40, 0));
        for (position, end) in [(9, None), (10, Some(20)), (15, Some(30)), (29, Some(30)), (30, None), (40, None)] {
            assert_eq!(skips.find(&key(1), position, None, 1).map(|skip| skip.end), end, "from {position}");
        }
        assert_eq!(skips.find(&key(2), 15, None, 1), None, "another lane");
        skips.note(&key(1), skip(10, 50, 2));
        assert_eq!(skips.find(&key(1), 15, None, 3), Some(skip(10, 50, 2)));
        skips.forget(&key(1), &skip(10, 50, 2));
        assert_eq!(skips.find(&key(1), 15, None, 3), None, "what lay inside it went with it");
    }

    #[test]
    fn what_is_known_of_another_topic_of_the_name_goes() {
        for (then, now, found) in
            [(None, Some(2), true), (Some(1), None, true), (Some(1), Some(1), true), (Some(1), Some(2), false)]
        {
            let skips = Skips::default();
            skips.note(&key(1), Skip { id: then.map(|id| [id; 16]), ..skip(0, 10, 0) });
            assert_eq!(skips.find(&key(1), 0, now.map(|id| [id; 16]), 0).is_some(), found, "{then:?}, {now:?}");
            assert_eq!(skips.find(&key(1), 0, None, 0).is_some(), found);
        }
    }

    #[test]
    fn long_ways_stay_and_a_new_one_lives_long_enough_to_grow() {
        let skips = Skips::default();
        skips.note(&key(1), skip(0, 100_000, 0));
        // A consumer that is far behind, among one at the end of the log that leaves short ranges.
        let mut far = 200_000;
        for n in 1..1_000 {
            let tail = 1_000_000 + 10 * n;
            skips.note(&key(1), skip(tail, tail + 3, n as Millis));
            if n % 3 == 0 {
                let grown = skips.find(&key(1), 200_000, None, n as Millis);
                assert_eq!(grown.map(|skip| skip.end), (n > 3).then_some(far));
                far += 2;
                skips.note(&key(1), skip(200_000, far, n as Millis));
            }
        }
        assert_eq!(skips.find(&key(1), 5, None, 1_000).map(|skip| skip.end), Some(100_000));
        assert!(skips.lanes.borrow().young[&key(1)].len() <= limits::SKIPS_PER_LANE_MAX);
    }

    #[test]
    fn lanes_are_bounded_and_those_in_use_stay() {
        let skips = Skips::default();
        for lane in 0..3 * limits::SKIP_LANES_MAX as u32 {
            skips.note(&key(lane), skip(0, 10, 0));
            assert!(skips.find(&key(0), 0, None, 0).is_some(), "lane 0 is in use, at {lane}");
        }
        let lanes = skips.lanes.borrow();
        assert!(lanes.young.len() + lanes.old.len() <= limits::SKIP_LANES_MAX);
    }
}
