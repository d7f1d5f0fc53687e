//! What is to be done for connections at a later time. Connections are known by the ids of their contexts.

use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::deadlines::Deadlines;
use crate::limits;
use crate::time::Millis;
use crate::wire::rope::Rope;

/// A worker's list of what has to wait.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    delayed: RefCell<Vec<Delayed>>,
    /// Connections whose bytes wait for room in the worker's memory.
    for_room: RefCell<Line>,
    /// Connections whose tokens wait for a verdict.
    for_verdict: RefCell<BTreeSet<u32>>,
    /// Connections that are nobody's yet.
    unproven: RefCell<Deadlines>,
    /// Connections that are over, and that the host was not told to close yet.
    closing: RefCell<BTreeSet<u32>>,
}

/// Connections one behind the other, in the order in which they came.
#[derive(Debug, Default)]
struct Line {
    /// By places, which count up.
    connections: BTreeMap<u64, u32>,
    places: HashMap<u32, u64>,
    next: u64,
}

impl Line {
    /// One that stands in the line already keeps its place.
    fn join(&mut self, context_id: u32) {
        if let Entry::Vacant(place) = self.places.entry(context_id) {
            place.insert(self.next);
            self.connections.insert(self.next, context_id);
            self.next += 1;
        }
    }

    fn leave(&mut self, context_id: u32) {
        if let Some(place) = self.places.remove(&context_id) {
            self.connections.remove(&place);
        }
    }
}

#[derive(Debug)]
struct Delayed {
    context_id: u32,
    due: Millis,
    step: Step,
}

/// What is done with a connection when its time has come.
#[derive(Debug)]
pub(crate) enum Step {
    /// These bytes go to the broker.
    Send(Rope),
    Close,
}

impl Agenda {
    /// Bytes go to the broker at `due`. Gives them back where [`limits::DELAYED_ANSWERS_MAX`] things wait
    /// already.
    pub(crate) fn send_later(&self, context_id: u32, due: Millis, bytes: Rope) -> Option<Rope> {
        let mut delayed = self.delayed.borrow_mut();
        if delayed.len() >= limits::DELAYED_ANSWERS_MAX {
            return Some(bytes);
        }
        delayed.push(Delayed { context_id, due, step: Step::Send(bytes) });
        None
    }

    /// The connection is closed at `due`.
    pub(crate) fn close_later(&self, context_id: u32, due: Millis) {
        self.delayed.borrow_mut().push(Delayed { context_id, due, step: Step::Close });
    }

    /// What is due, in the order in which it was put off.
    pub(crate) fn take_due(&self, now: Millis) -> Vec<(u32, Step)> {
        let is_due = |delayed: &Delayed| delayed.due <= now;
        let (due, rest): (Vec<Delayed>, Vec<Delayed>) = self.delayed.take().into_iter().partition(is_due);
        self.delayed.replace(rest);
        due.into_iter().map(|delayed| (delayed.context_id, delayed.step)).collect()
    }

    /// The connection is looked at again at the next tick.
    pub(crate) fn wait_for_room(&self, context_id: u32) {
        self.for_room.borrow_mut().join(context_id);
    }

    /// Some wait for room.
    pub(crate) fn is_short_of_room(&self) -> bool {
        !self.for_room.borrow().places.is_empty()
    }

    /// The connections that wait for room, who came first at the front. Who still has to says so again,
    /// before others can come.
    pub(crate) fn take_waiting_for_room(&self) -> Vec<u32> {
        self.for_room.take().connections.into_values().collect()
    }

    /// The connection goes on when its token's verdict is there.
    pub(crate) fn wait_for_verdict(&self, context_id: u32) {
        self.for_verdict.borrow_mut().insert(context_id);
    }

    /// Some of the connections whose verdict is there, as `has_verdict` tells: at most [`limits::WOKEN_MAX`].
    pub(crate) fn take_with_verdict(&self, has_verdict: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut waiting = self.for_verdict.borrow_mut();
        let ready: Vec<u32> = waiting.iter().copied().filter(|id| has_verdict(*id)).take(limits::WOKEN_MAX).collect();
        ready.iter().for_each(|id| {
            waiting.remove(id);
        });
        ready
    }

    /// The connection must be somebody's by `due`.
    pub(crate) fn set_deadline(&self, context_id: u32, due: Millis) {
        self.unproven.borrow_mut().set(context_id, due);
    }

    /// It is known whose connection it is: no deadline ends it any more.
    pub(crate) fn clear_deadline(&self, context_id: u32) {
        self.unproven.borrow_mut().clear(context_id);
    }

    /// The connections whose deadline is over.
    pub(crate) fn take_late(&self, now: Millis) -> Vec<u32> {
        self.unproven.borrow_mut().take_due(now)
    }

    /// The connection is over: the host is to close it as soon as may be.
    pub(crate) fn close(&self, context_id: u32) {
        self.closing.borrow_mut().insert(context_id);
    }

    /// Some of the connections that are to be closed now: at most [`limits::CLOSED_MAX`].
    pub(crate) fn take_closing(&self) -> Vec<u32> {
        let mut closing = self.closing.borrow_mut();
        std::iter::from_fn(|| closing.pop_first()).take(limits::CLOSED_MAX).collect()
    }

    /// The connection is gone.
    pub(crate) fn forget(&self, context_id: u32) {
        self.clear_deadline(context_id);
        self.delayed.borrow_mut().retain(|delayed| delayed.context_id != context_id);
        self.for_room.borrow_mut().leave(context_id);
        self.for_verdict.borrow_mut().remove(&context_id);
        self.closing.borrow_mut().remove(&context_id);
    }

    /// Something waits that has to be looked at soon; a deadline is none.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.delayed.borrow().is_empty()
            || !self.for_room.borrow().places.is_empty()
            || !self.for_verdict.borrow().is_empty()
            || !self.closing.borrow().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_waited_for_room_the_longest_comes_first_again_and_again() {
        let agenda = Agenda::default();
        [9, 3, 7, 9, 1].into_iter().for_each(|id| agenda.wait_for_room(id));
        assert!(agenda.is_waiting());
        agenda.forget(7);
        let waiting = agenda.take_waiting_for_room();
        assert_eq!(waiting, [9, 3, 1]);
        // The first gets room; the others go on waiting, and a new one stands behind them.
        waiting.into_iter().skip(1).for_each(|id| agenda.wait_for_room(id));
        agenda.wait_for_room(2);
        assert_eq!(agenda.take_waiting_for_room(), [3, 1, 2]);
        assert!(agenda.take_waiting_for_room().is_empty() && !agenda.is_waiting());
    }
}
