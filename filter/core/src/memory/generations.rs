//! Which configuration of a filter is in force, and by which version of the filter, where Envoy tells nobody
//! that one was replaced.
//!
//! Envoy takes a new configuration for new connections and leaves the old filter instance to the open ones.
//! Filter instances of one identity (plugin name, root id, `stat_prefix`) therefore keep a [`Generations`] in
//! the memory that all workers of the process share: whichever was loaded last is current, and the others'
//! connections are to end.
//!
//! Two listeners may have one identity and two configurations, both in force. So the state corrects itself: a
//! configuration that gets a new connection some time after it was replaced is evidently in force, as after a
//! roll-back. When that happens repeatedly there are two, and for a long while nobody is outdated.

use serde::{Deserialize, Serialize};

use crate::fingerprint::{Fingerprint, VERSION};
use crate::limits::{RETIRE_GRACE_MS, TURNS_MAX, TURNS_MS};
use crate::time::Millis;

/// What the workers of a process know of one identity's configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generations {
    current: Option<Fingerprint>,
    /// When `current` became that.
    since: Millis,
    /// When an outdated configuration last turned out to be in force, oldest first; at most [`TURNS_MAX`].
    turns: Vec<Millis>,
}

impl Generations {
    /// From shared memory. What cannot be read counts as nothing known.
    pub fn read(stored: &[u8]) -> Self {
        serde_json::from_slice(stored).unwrap_or_default()
    }

    /// For shared memory.
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// A worker has begun to work with this configuration.
    pub fn loaded(&mut self, mine: Fingerprint, now: Millis) {
        let mine = this_build_with(mine);
        if self.current != Some(mine) {
            (self.current, self.since) = (Some(mine), now);
        }
    }

    /// A new connection came to this configuration.
    pub fn connected(&mut self, mine: Fingerprint, now: Millis) {
        let mine = this_build_with(mine);
        // For a moment connections still come to the former one: accepted before, or by a worker that is
        // late.
        if self.current == Some(mine) || now < self.since.saturating_add(RETIRE_GRACE_MS) {
            return;
        }
        (self.current, self.since) = (Some(mine), now);
        self.turns.push(now);
        let surplus = self.turns.len().saturating_sub(TURNS_MAX);
        self.turns.drain(..surplus);
    }

    /// This configuration is the one in force, as far as can be told.
    pub(crate) fn is_current(&self, mine: Fingerprint) -> bool {
        self.current == Some(this_build_with(mine))
    }

    /// Since when this configuration's connections are to end. None: it is in force, or it is not certain
    /// which one is.
    pub fn outdated_since(&self, mine: Fingerprint, now: Millis) -> Option<Millis> {
        let ended = self.since.saturating_add(RETIRE_GRACE_MS);
        (self.is_replaced(mine, now) && ended <= now).then_some(ended)
    }

    /// Another configuration is in force, or will be when those that come to this one for a moment have come.
    /// False where it is not certain which one is.
    pub(crate) fn is_replaced(&self, mine: Fingerprint, now: Millis) -> bool {
        let mine = this_build_with(mine);
        let lately = |turn: &&Millis| now.saturating_sub(**turn) < TURNS_MS;
        let is_ambiguous = self.turns.iter().filter(lately).count() >= TURNS_MAX;
        self.current.is_some_and(|current| current != mine) && !is_ambiguous
    }
}

/// With the version in it: else connections would stay with an old build for as long as their clients do.
fn this_build_with(configuration: Fingerprint) -> Fingerprint {
    configuration.with_version(VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Fingerprint = Fingerprint::from_bytes([1; 8]);
    const NEW: Fingerprint = Fingerprint::from_bytes([2; 8]);
    const NEWEST: Fingerprint = Fingerprint::from_bytes([3; 8]);
    const GRACE: Millis = RETIRE_GRACE_MS;

    /// After each step through the memory that workers share.
    fn step(generations: &mut Generations, change: impl FnOnce(&mut Generations)) {
        change(generations);
        *generations = Generations::read(&generations.write());
    }

    fn loaded(configurations: &[(Fingerprint, Millis)]) -> Generations {
        let mut generations = Generations::default();
        for (mine, now) in configurations {
            step(&mut generations, |g| g.loaded(*mine, *now));
        }
        generations
    }

    #[test]
    fn fingerprints_differ_as_texts_do() {
        assert_eq!(Fingerprint::of("{}"), Fingerprint::of("{}"));
        assert_ne!(Fingerprint::of("{}"), Fingerprint::of("{ }"));
    }

    #[test]
    fn what_cannot_be_read_makes_nobody_outdated() {
        for stored in ["", "{", "[]", r#"{"current": "x"}"#] {
            let generations = Generations::read(stored.as_bytes());
            assert_eq!(generations, Generations::default(), "{stored}");
            assert_eq!(generations.outdated_since(OLD, 1 << 40), None);
        }
    }

    #[test]
    fn a_new_configuration_makes_others_outdated_after_a_grace() {
        let generations = loaded(&[(OLD, 0), (OLD, 10), (NEW, 1000), (NEW, 1500)]);
        assert_eq!([OLD, NEW].map(|mine| generations.is_replaced(mine, 1000)), [true, false], "at once");
        assert_eq!(generations.outdated_since(OLD, 1000 + GRACE - 1), None);
        assert_eq!(generations.outdated_since(OLD, 1000 + GRACE), Some(1000 + GRACE));
        assert_eq!(generations.outdated_since(NEW, 1 << 40), None);
    }

    #[test]
    fn the_newest_of_three_is_in_force() {
        let generations = loaded(&[(OLD, 0), (NEW, 1000), (NEWEST, 2000)]);
        for outdated in [OLD, NEW] {
            assert_eq!(generations.outdated_since(outdated, 1 << 40), Some(2000 + GRACE));
        }
        assert_eq!(generations.outdated_since(NEWEST, 1 << 40), None);
    }

    #[test]
    fn connections_that_were_on_their_way_prove_nothing() {
        let mut generations = loaded(&[(OLD, 0), (NEW, 1000)]);
        step(&mut generations, |g| g.connected(OLD, 1000 + GRACE - 1));
        step(&mut generations, |g| g.connected(NEW, 9000));
        assert_eq!(generations.outdated_since(OLD, 9000), Some(1000 + GRACE));
    }

    #[test]
    fn a_roll_back_shows_by_a_new_connection() {
        let mut generations = loaded(&[(OLD, 0), (NEW, 1000)]);
        step(&mut generations, |g| g.connected(OLD, 8000));
        assert_eq!(generations.outdated_since(OLD, 1 << 40), None);
        assert_eq!(generations.outdated_since(NEW, 8000 + GRACE), Some(8000 + GRACE));
    }

    #[test]
    fn two_that_take_turns_are_both_in_force_for_a_long_while() {
        let mut generations = loaded(&[(OLD, 0), (NEW, 1000)]);
        let mut now = 10_000;
        for turn in 0..10 {
            step(&mut generations, |g| g.connected([OLD, NEW][turn % 2], now));
            assert_eq!(generations.outdated_since(OLD, now + GRACE), None, "turn {turn}");
            assert_eq!(generations.outdated_since(NEW, now + GRACE).is_some(), turn == 0, "turn {turn}");
            now += 60_000;
        }
        assert_eq!(generations.turns.len(), TURNS_MAX, "the memory is bounded");
        let last = now - 60_000;
        // Also when one of them is replaced.
        step(&mut generations, |g| g.loaded(NEWEST, last + 1000));
        assert_eq!(generations.outdated_since(OLD, last + TURNS_MS - 60_001), None);
        assert!(generations.outdated_since(OLD, last + TURNS_MS).is_some(), "it is tried again");
    }

    #[test]
    fn a_clock_that_is_set_back_ends_nothing() {
        let generations = loaded(&[(OLD, 5_000_000), (NEW, 6_000_000)]);
        assert_eq!(generations.outdated_since(OLD, 1000), None);
    }
}
