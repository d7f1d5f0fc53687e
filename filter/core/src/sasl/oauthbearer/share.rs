//! Time of a worker for what tokens cost, which strangers ask for: a check of a signature takes up to a
//! millisecond, and a token without `kid` may take one for each key.

use std::cell::Cell;

use crate::limits::{CHECKS_US_MAX, CHECKS_US_PER_MS};
use crate::time::Millis;

/// Microseconds that are free, and grow with the time.
#[derive(Debug)]
pub(super) struct Share {
    free_us: Cell<i64>,
    at: Cell<Millis>,
}

impl Default for Share {
    fn default() -> Self {
        Self { free_us: Cell::new(CHECKS_US_MAX), at: Cell::new(0) }
    }
}

impl Share {
    /// Whether there is any: the last of it may be spent on more than there is, and then is owed.
    pub(super) fn has_some(&self, now: Millis) -> bool {
        let passed = i64::try_from(now.saturating_sub(self.at.replace(now))).unwrap_or(i64::MAX);
        let more = passed.saturating_mul(CHECKS_US_PER_MS);
        self.free_us.set(self.free_us.get().saturating_add(more).min(CHECKS_US_MAX));
        self.free_us.get() > 0
    }

    pub(super) fn spend(&self, us: i64) {
        self.free_us.set(self.free_us.get().saturating_sub(us));
    }
}

/// What it takes to read a message of so many bytes, in microseconds: some 30 ns each.
pub(super) fn reading_us(bytes: usize) -> i64 {
    i64::try_from(bytes / 32).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_comes_back_up_to_a_bound() {
        let share = Share::default();
        assert!(share.has_some(1_000_000));
        share.spend(CHECKS_US_MAX + 1_000);
        for (ms, has_some) in [(0, false), (5, false), (6, true)] {
            assert_eq!(share.has_some(1_000_000 + ms), has_some, "{ms}");
        }
        assert!(share.has_some(90_000_000));
        share.spend(CHECKS_US_MAX);
        assert!(!share.has_some(90_000_000), "a long rest saves no more than the bound");
        assert!(!share.has_some(5), "a clock that goes back gives nothing");
        assert!(share.has_some(6), "and takes nothing");
    }
}
