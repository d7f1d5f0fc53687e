//! Whether connections come in for the brokers that clients are told of. Where none does for one of them,
//! Envoy does not listen where `advertise` says, or what listens there is not Envoy: then a part of the keys
//! times out, or goes around the filter.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use crate::limits;
use crate::time::Millis;

/// What one worker has seen. Other workers may have seen more.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// Brokers that lead partitions which clients asked for by name, as long as no connection came in for
    /// them.
    told: RefCell<HashMap<i32, Announced>>,
    /// Brokers that connections came in for, at most [`limits::LEARNED_BROKERS_MAX`].
    came: RefCell<HashSet<i32>>,
}

#[derive(Debug, Clone, Copy)]
struct Announced {
    since: Millis,
    answers: u32,
}

impl Reach {
    /// A connection came in for broker `id`, which need not exist. True: the first one.
    pub(crate) fn came(&self, id: i32) -> bool {
        let mut came = self.came.borrow_mut();
        let first = came.len() < limits::LEARNED_BROKERS_MAX && came.insert(id);
        if first {
            self.told.borrow_mut().remove(&id);
        }
        first
    }

    /// A client was told that broker `id` leads a partition that it asked for. True, once: clients were told
    /// so for long, no connection has come in for it, and some have for another of the brokers in `named`, or
    /// connections are `routed` by the broker that they stand for, so that some would have to.
    pub(crate) fn told(&self, id: i32, named: &[i32], routed: bool, now: Millis) -> bool {
        let came = self.came.borrow();
        if came.contains(&id) || came.len() >= limits::LEARNED_BROKERS_MAX {
            return false;
        }
        let mut all = self.told.borrow_mut();
        if all.len() >= limits::LEARNED_BROKERS_MAX && !all.contains_key(&id) {
            return false;
        }
        let told = all.entry(id).or_insert(Announced { since: now, answers: 0 });
        told.answers = told.answers.saturating_add(1);
        let long = now.saturating_sub(told.since) >= limits::UNREACHED_MS_MIN;
        let tells_apart = routed || named.iter().any(|other| came.contains(other));
        let due = long && told.answers >= limits::UNREACHED_ANSWERS_MIN && tells_apart;
        drop(came);
        // Asked no more: the process knows better by now, or has said so.
        due && self.came.borrow_mut().insert(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Millis = limits::UNREACHED_MS_MIN;

    fn tell(reach: &Reach, id: i32, times: u32, now: Millis) -> usize {
        (0..times).filter(|_| reach.told(id, &[1, 2, 3], false, now)).count()
    }

    #[test]
    fn a_broker_that_nobody_comes_for_is_noticed_once() {
        let reach = Reach::default();
        assert!(reach.came(1) && !reach.came(1));
        assert_eq!(tell(&reach, 3, 100, 5), 0, "a fresh start");
        assert_eq!(tell(&reach, 3, 1, 4 + LONG), 0);
        assert_eq!(tell(&reach, 3, 100, 5 + LONG), 1);
        assert_eq!(tell(&reach, 3, 100, 5 + 9 * LONG), 0);
    }

    #[test]
    fn a_broker_that_somebody_comes_for_is_not() {
        let reach = Reach::default();
        assert_eq!(tell(&reach, 2, 3, 0), 0);
        assert_eq!(tell(&reach, 2, 3, LONG), 0, "told a few times");
        assert_eq!(tell(&reach, 3, 100, 0), 0);
        assert_eq!(tell(&reach, 3, 100, LONG), 0, "nobody comes for any broker: ports do not tell them apart");
        reach.came(9);
        assert_eq!(tell(&reach, 3, 100, LONG), 0, "nor do these ports");
        reach.came(2);
        reach.came(3);
        assert_eq!(tell(&reach, 2, 100, LONG) + tell(&reach, 3, 100, LONG), 0);
    }

    /// Where the filter sends connections to brokers by their ports, ports have to tell brokers apart.
    #[test]
    fn that_nobody_comes_for_any_broker_is_noticed_where_connections_are_routed() {
        let reach = Reach::default();
        let tell = |now| (0..10).filter(|_| reach.told(1, &[1, 2], true, now)).count();
        assert_eq!((tell(0), tell(LONG - 1), tell(LONG), tell(2 * LONG)), (0, 0, 1, 0));
    }

    /// Server names with made-up ids.
    #[test]
    fn strangers_fill_no_memory() {
        let reach = Reach::default();
        let first = (0..).take(2 * limits::LEARNED_BROKERS_MAX).filter(|id| reach.came(*id)).count();
        assert_eq!(first, limits::LEARNED_BROKERS_MAX);
        assert_eq!(reach.came.borrow().len(), limits::LEARNED_BROKERS_MAX);
        assert_eq!(tell(&reach, i32::MAX, 1, 0) + tell(&reach, i32::MAX, 100, LONG), 0, "then nothing is said");
    }
}
