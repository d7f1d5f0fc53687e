//! What connections count and the host hears of once or twice per second: a call of the host for each topic
//! of each request would cost more than the counting.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use crate::limits::TALLY_MS;
use crate::stats::Stat;
use crate::time::Millis;

/// Counts that the host has not heard of. Those of the last moment are lost where a VM fails.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// The two that were counted last: what is counted for each of 100,000 partitions is the same one, or one
    /// of two.
    recent: Cell<[Option<(Stat, u64)>; 2]>,
    others: RefCell<HashMap<Stat, u64>>,
    told: Cell<Millis>,
}

impl Tally {
    /// `stat`, a counter, goes up by `n`.
    pub(crate) fn add(&self, stat: Stat, n: usize) {
        if n == 0 {
            return;
        }
        let n = n as u64;
        let [first, second] = self.recent.get();
        self.recent.set(match (first, second) {
            (Some((same, sum)), second) if same == stat => [Some((stat, sum + n)), second],
            (first, Some((same, sum))) if same == stat => [Some((stat, sum + n)), first],
            (first, second) => {
                self.put_away(second);
                [Some((stat, n)), first]
            }
        });
    }

    /// All that was counted, unless some was taken less than [`TALLY_MS`] ago.
    pub(crate) fn take_due(&self, now: Millis) -> Vec<(Stat, u64)> {
        if now.abs_diff(self.told.get()) < TALLY_MS {
            return vec![];
        }
        self.told.set(now);
        self.take()
    }

    /// All that was counted.
    pub(crate) fn take(&self) -> Vec<(Stat, u64)> {
        self.recent.take().into_iter().for_each(|counted| self.put_away(counted));
        self.others.take().into_iter().collect()
    }

    fn put_away(&self, counted: Option<(Stat, u64)>) {
        if let Some((stat, n)) = counted {
            *self.others.borrow_mut().entry(stat).or_default() += n;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_counted_is_told_once_and_not_too_often() {
        let tally = Tally::default();
        let stats = [Stat::BytesSent, Stat::BytesReceived, Stat::SharedHits, Stat::SharedWoken];
        for round in 0..3 {
            stats.into_iter().enumerate().for_each(|(at, stat)| tally.add(stat, at * 10 + round));
            stats.into_iter().for_each(|stat| tally.add(stat, 1));
            tally.add(Stat::BytesSent, 5);
        }
        assert!(tally.take_due(TALLY_MS - 1).is_empty());
        let mut told = tally.take_due(TALLY_MS);
        told.sort_by_key(|(_, n)| *n);
        let expected = [(stats[0], 21), (stats[1], 36), (stats[2], 66), (stats[3], 96)];
        assert_eq!(told, expected);
        tally.add(Stat::BytesSent, 0);
        assert!(tally.take().is_empty());
        tally.add(Stat::BytesSent, 1);
        assert!(tally.take_due(2 * TALLY_MS - 1).is_empty());
        assert_eq!(tally.take_due(2 * TALLY_MS), [(Stat::BytesSent, 1)]);
    }
}
