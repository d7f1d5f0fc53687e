//! By when connections that are nobody's yet must have become somebody's: the worker closes those that are
//! late.

use std::collections::{BTreeSet, HashMap};

use crate::time::Millis;

/// The deadlines of a worker's connections, known by the ids of their contexts. Setting and clearing one
/// costs the logarithm of how many deadlines there are; taking those that are due costs their number.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    by_time: BTreeSet<(Millis, u32)>,
    times: HashMap<u32, Millis>,
}

impl Deadlines {
    /// From now on the connection is due at `due`.
    pub(crate) fn set(&mut self, context_id: u32, due: Millis) {
        self.clear(context_id);
        self.times.insert(context_id, due);
        self.by_time.insert((due, context_id));
    }

    /// The connection has no deadline any more.
    pub(crate) fn clear(&mut self, context_id: u32) {
        if let Some(due) = self.times.remove(&context_id) {
            self.by_time.remove(&(due, context_id));
        }
    }

    /// The connections whose time is over, the earliest first; each is told once.
    pub(crate) fn take_due(&mut self, now: Millis) -> Vec<u32> {
        let mut late = vec![];
        while let Some((due, context_id)) = self.by_time.pop_first() {
            if due > now {
                self.by_time.insert((due, context_id));
                break;
            }
            self.times.remove(&context_id);
            late.push(context_id);
        }
        late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_when_its_time_is_over() {
        let mut deadlines = Deadlines::default();
        [(7, 30), (3, 10), (5, 20), (4, 20)].into_iter().for_each(|(id, due)| deadlines.set(id, due));
        assert!(deadlines.take_due(9).is_empty());
        assert_eq!(deadlines.take_due(20), [3, 4, 5]);
        assert!(deadlines.take_due(29).is_empty());
        assert_eq!(deadlines.take_due(1_000), [7]);
        assert!(deadlines.take_due(u64::MAX).is_empty());
    }

    #[test]
    fn who_is_cleared_or_set_anew_is_not_due() {
        let mut deadlines = Deadlines::default();
        [(1, 10), (2, 10), (3, 10)].into_iter().for_each(|(id, due)| deadlines.set(id, due));
        deadlines.clear(2);
        deadlines.clear(9);
        deadlines.set(3, 40);
        assert_eq!(deadlines.take_due(39), [1]);
        assert_eq!(deadlines.take_due(40), [3]);
        assert!(deadlines.by_time.is_empty() && deadlines.times.is_empty(), "nothing is kept of who is gone");
    }
}
