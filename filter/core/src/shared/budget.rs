//! What a worker's memory may be used for: one budget, `limits.worker_bytes`, for all of its connections.
//!
//! All connections of a worker live in one VM of 1 GiB, and one that runs out ends every connection. So the
//! host says how many bytes are alive, whoever holds them; and what is about to come is counted before it
//! comes:
//!
//! - **A client's frame** that has to be whole is admitted by its length before its bytes are taken; else it
//!   waits where it is, in Envoy's buffer. Small frames are taken unasked: connections are few enough for
//!   them.
//! - **An answer** cannot be made to wait. So a request waits until there is room for what its answer will
//!   probably be, and a Fetch asks for no more than its share. An answer for which there is no room all the
//!   same ends its own connection.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use crate::limits;
use crate::time::Millis;

/// Bytes of a worker: those that are alive, those that are announced, and those that may come.
pub struct Budget {
    /// `limits.worker_bytes`.
    limit: usize,
    /// As much as answers may fill, which nobody can hold back.
    answers_limit: usize,
    /// How many bytes are alive in the worker's memory.
    live: Box<dyn Fn() -> usize>,
    announced: Cell<usize>,
    /// Of `announced`, and of what has come of it: by clients that have not proved who they are.
    strangers: Cell<usize>,
    promised: RefCell<Promises>,
    /// The largest answer of late, by API key.
    answers: RefCell<HashMap<i16, usize>>,
    /// Since when nothing is left, and when that was seen last.
    tight: Cell<Option<(Millis, Millis)>>,
}

impl Budget {
    /// `limit`: `limits.worker_bytes`; `frame_bytes`: `limits.frame_bytes`; `live` tells how many bytes are
    /// alive.
    pub fn new(limit: usize, frame_bytes: usize, live: Box<dyn Fn() -> usize>) -> Rc<Self> {
        let answers_limit = limits::worker_bytes_max(frame_bytes).max(limit);
        Rc::new(Self {
            limit,
            answers_limit,
            live,
            announced: Cell::new(0),
            strangers: Cell::new(0),
            promised: RefCell::default(),
            answers: RefCell::default(),
            tight: Cell::new(None),
        })
    }

    /// Bytes that are alive, and those that were announced.
    pub(crate) fn held_bytes(&self) -> usize {
        (self.live)().saturating_add(self.announced.get())
    }

    /// Nothing more is taken from clients until something is gone: what is alive leaves no room even for a
    /// small answer.
    pub fn is_tight(&self) -> bool {
        (self.live)().saturating_add(limits::FETCH_SHARE_BYTES_MIN) > self.limit
    }

    /// Bytes that nobody uses or waits for.
    fn free(&self, now: Millis) -> usize {
        self.limit.saturating_sub(self.held_bytes()).saturating_sub(self.promised.borrow_mut().sum(now))
    }

    /// Whether a client's frame of `bytes` can be taken now.
    pub(crate) fn has_room(&self, bytes: usize, is_stranger: bool) -> bool {
        let strangers = self.strangers.get().saturating_add(bytes);
        // Frames leave something for the answers to others.
        let fits = self.held_bytes().saturating_add(bytes) <= self.limit - self.limit / limits::FETCH_SHARES;
        bytes <= limits::SMALL_FRAME_BYTES || (fits && (!is_stranger || strangers <= limits::STRANGERS_BYTES_MAX))
    }

    /// Counts a client's frame of `bytes` as announced. None: it has to wait.
    pub(crate) fn admit(self: &Rc<Self>, bytes: usize, is_stranger: bool) -> Option<Announced> {
        self.has_room(bytes, is_stranger).then(|| self.announce(bytes, is_stranger))
    }

    /// Counts an answer of `bytes` as announced. None: it would end the worker.
    pub(crate) fn admit_answer(self: &Rc<Self>, bytes: usize) -> Option<Announced> {
        let fits = self.held_bytes().saturating_add(bytes) <= self.answers_limit;
        fits.then(|| self.announce(bytes, false))
    }

    fn announce(self: &Rc<Self>, bytes: usize, is_stranger: bool) -> Announced {
        self.announced.set(self.announced.get() + bytes);
        let stranger_bytes = if is_stranger { bytes } else { 0 };
        self.strangers.set(self.strangers.get() + stranger_bytes);
        Announced { budget: Rc::clone(self), left: bytes, stranger_bytes }
    }

    /// Whether a request whose answer has to be whole may go up now, which lets `freed` bytes go.
    pub(crate) fn has_room_for_answer(&self, key: i16, freed: usize, now: Millis) -> bool {
        self.free(now).saturating_add(freed) >= self.expected(key)
    }

    fn expected(&self, key: i16) -> usize {
        let expected = self.answers.borrow().get(&key).copied().unwrap_or(limits::FETCH_SHARE_BYTES_MIN);
        expected.min(self.limit / limits::ANSWER_PARTS)
    }

    /// Remembers how long an answer was. Large ones are forgotten slowly.
    pub(crate) fn note_answer(&self, key: i16, bytes: usize) {
        let mut answers = self.answers.borrow_mut();
        let largest = answers.entry(key).or_insert(limits::FETCH_SHARE_BYTES_MIN);
        *largest = bytes.max(*largest - *largest / 8).max(limits::FETCH_SHARE_BYTES_MIN);
    }

    /// What a Fetch that wants `bytes` may ask for, at least [`limits::FETCH_SHARE_BYTES_MIN`] if it wants as
    /// much. Counted for a moment as if the answer were to come, with as much again for what of it is kept
    /// while more is asked for; at most until the promise is dropped.
    pub(crate) fn share(self: &Rc<Self>, bytes: usize, now: Millis) -> (usize, Promise) {
        let share = (self.free(now) / limits::FETCH_SHARES).max(limits::FETCH_SHARE_BYTES_MIN).min(bytes);
        let stretch = self.promised.borrow_mut().add(2 * share, now);
        (share, Promise { budget: Rc::clone(self), stretch, bytes: 2 * share })
    }
}

/// A connection of the worker, as far as its memory goes.
pub struct Holder {
    /// Which connection.
    pub context_id: u32,
    /// [`crate::connection::Connection::held_bytes`].
    pub held_bytes: usize,
    /// [`crate::connection::Connection::gathers_since`].
    pub gathers_since: Option<Millis>,
}

impl Budget {
    /// The connection that has to end for the others' sake, while some wait for room: the one that holds the
    /// most where nothing has been left for [`limits::TIGHT_MS_MAX`], else the one that holds the most of
    /// those that do not get their frame together. To be asked again and again while somebody waits.
    pub fn culprit(&self, holders: impl Iterator<Item = Holder>, now: Millis) -> Option<u32> {
        let is_slow = |holder: &Holder| {
            let since = holder.gathers_since;
            since.is_some_and(|since| now.saturating_sub(since) >= limits::FRAME_MS_MAX)
        };
        let is_tight = self.stays_tight(now);
        // Of a slow frame next to nothing may be here: what counts is the room that it keeps from others.
        let blamed = |holder: &Holder| is_slow(holder) || (is_tight && holder.held_bytes > limits::SMALL_FRAME_BYTES);
        holders.filter(blamed).max_by_key(|holder| holder.held_bytes).map(|holder| holder.context_id)
    }
}

impl Budget {
    fn stays_tight(&self, now: Millis) -> bool {
        let since = match self.tight.get() {
            // Nobody may have looked for a while.
            Some((since, seen)) if now.saturating_sub(seen) < limits::TIGHT_MS_MAX => since,
            _ => now,
        };
        self.tight.set(self.is_tight().then_some((since, now)));
        self.is_tight() && now.saturating_sub(since) >= limits::TIGHT_MS_MAX
    }
}

/// Bytes that were announced and have not come yet.
pub(crate) struct Announced {
    budget: Rc<Budget>,
    left: usize,
    stranger_bytes: usize,
}

impl Announced {
    /// So many are still to come: the others are alive by now.
    pub(crate) fn set_left(&mut self, left: usize) {
        let announced = &self.budget.announced;
        announced.set(announced.get() - self.left + left);
        self.left = left;
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.set_left(0);
        self.budget.strangers.set(self.budget.strangers.get() - self.stranger_bytes);
    }
}

/// What one Fetch may still bring.
pub(crate) struct Promise {
    budget: Rc<Budget>,
    stretch: Millis,
    bytes: usize,
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.budget.promised.borrow_mut().take_back(self.stretch, self.bytes);
    }
}

/// What Fetches may bring. A broker that has something answers at once; one that has not will answer with
/// what comes then, which is little. So a promise counts for [`limits::PROMISE_MS`], whether it is kept or
/// not.
#[derive(Default)]
struct Promises {
    slots: [Slot; limits::PROMISE_SLOTS],
}

const SLOT_MS: Millis = limits::PROMISE_MS / limits::PROMISE_SLOTS as Millis;

#[derive(Clone, Copy, Default)]
struct Slot {
    /// Which stretch of [`SLOT_MS`] it is for.
    stretch: Millis,
    bytes: usize,
}

impl Promises {
    /// Gives the stretch that [`Self::take_back`] wants to know.
    fn add(&mut self, bytes: usize, now: Millis) -> Millis {
        let stretch = now / SLOT_MS;
        if let Some(slot) = self.slot(stretch) {
            if slot.stretch != stretch {
                *slot = Slot { stretch, bytes: 0 };
            }
            slot.bytes = slot.bytes.saturating_add(bytes);
        }
        stretch
    }

    fn take_back(&mut self, stretch: Millis, bytes: usize) {
        if let Some(slot) = self.slot(stretch).filter(|slot| slot.stretch == stretch) {
            slot.bytes = slot.bytes.saturating_sub(bytes);
        }
    }

    fn slot(&mut self, stretch: Millis) -> Option<&mut Slot> {
        self.slots.get_mut((stretch % limits::PROMISE_SLOTS as Millis) as usize)
    }

    fn sum(&self, now: Millis) -> usize {
        let stretch = now / SLOT_MS;
        let counts = |slot: &&Slot| slot.stretch <= stretch && stretch - slot.stretch < limits::PROMISE_SLOTS as Millis;
        self.slots.iter().filter(counts).fold(0, |sum, slot| sum.saturating_add(slot.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;
    const FETCH: i16 = 1;

    fn budget(live: &Rc<Cell<usize>>) -> Rc<Budget> {
        let live = Rc::clone(live);
        Budget::new(512 * MIB, 100 * MIB, Box::new(move || live.get()))
    }

    #[test]
    fn frames_wait_until_there_is_room_and_small_ones_do_not() {
        let live = Rc::new(Cell::new(80 * MIB));
        let budget = budget(&live);
        let mut admitted: Vec<Announced> = (0..4).map(|_| budget.admit(90 * MIB, false).unwrap()).collect();
        assert!(budget.admit(90 * MIB, false).is_none());
        assert!(!budget.has_room(90 * MIB, false) && budget.has_room(limits::SMALL_FRAME_BYTES, true));
        assert!(!budget.is_tight());
        // What has come is alive, and counted once.
        live.set(170 * MIB);
        admitted[0].set_left(0);
        assert!(budget.admit(90 * MIB, false).is_none());
        assert!(budget.has_room_for_answer(FETCH, 0, 0), "frames leave room for answers");
        live.set(80 * MIB);
        assert!(budget.admit(90 * MIB, false).is_some());
        drop(admitted);
        assert_eq!((budget.announced.get(), budget.strangers.get()), (0, 0));
        live.set(512 * MIB - limits::FETCH_SHARE_BYTES_MIN);
        assert!(!budget.is_tight());
        live.set(live.get() + 1);
        assert!(budget.is_tight());
    }

    #[test]
    fn strangers_share_a_small_part() {
        let budget = budget(&Rc::default());
        let bytes = limits::UNAUTHENTICATED_FRAME_BYTES_MAX;
        let mut admitted: Vec<Announced> = std::iter::from_fn(|| budget.admit(bytes, true)).take(10_000).collect();
        assert_eq!(admitted.len(), limits::STRANGERS_BYTES_MAX / bytes);
        // Also what has come of it.
        admitted.iter_mut().for_each(|announced| announced.set_left(0));
        assert!(budget.admit(bytes, true).is_none());
        assert!(budget.admit(bytes, false).is_some());
        admitted.pop();
        assert!(budget.admit(bytes, true).is_some());
    }

    #[test]
    fn answers_have_room_of_their_own_but_no_more_than_there_is() {
        let live = Rc::new(Cell::new(512 * MIB));
        let budget = budget(&live);
        assert!(budget.is_tight() && budget.admit_answer(100 * MIB).is_some());
        live.set(750 * MIB);
        assert!(budget.admit_answer(100 * MIB).is_none());
    }

    #[test]
    fn many_fetches_at_once_ask_for_less_and_then_wait() {
        let budget = budget(&Rc::default());
        let mut asked = 0;
        let mut fetches = vec![];
        while budget.has_room_for_answer(FETCH, 0, 1_000) {
            let (share, promise) = budget.share(16 * MIB, 1_000);
            asked += share;
            fetches.push(promise);
            assert!(fetches.len() < 1_000);
        }
        assert!((20..60).contains(&fetches.len()), "{}", fetches.len());
        assert!(2 * asked <= 512 * MIB + 16 * MIB, "{asked}");
        // Nobody waits for those that were answered, or whose broker has nothing for them.
        let half = fetches.split_off(fetches.len() / 2);
        drop(fetches);
        assert!(budget.has_room_for_answer(FETCH, 0, 1_000));
        drop(half);
        assert_eq!(budget.promised.borrow().sum(1_000), 0);
        let kept = budget.share(512 * MIB, 1_000);
        assert!(budget.has_room_for_answer(FETCH, 0, 1_000 + limits::PROMISE_MS));
        assert_eq!(budget.share(16 * MIB, 1_000 + limits::PROMISE_MS).0, 16 * MIB);
        assert_eq!(budget.share(1000, 1_000 + limits::PROMISE_MS).0, 1000);
        drop(kept);
    }

    #[test]
    fn who_holds_the_most_or_is_slow_has_to_go() {
        let live = Rc::new(Cell::new(0));
        let budget = budget(&live);
        let holders = [(1, 20 * MIB, None), (2, 50 * MIB, Some(5_000)), (3, MIB, Some(0)), (4, 90 * MIB, Some(9_000))];
        let culprit = |now| {
            let holder = |(context_id, held_bytes, gathers_since)| Holder { context_id, held_bytes, gathers_since };
            budget.culprit(holders.into_iter().map(holder), now)
        };
        assert_eq!(
            (culprit(9_999), culprit(10_000), culprit(15_000), culprit(19_000)),
            (None, Some(3), Some(2), Some(4))
        );
        live.set(512 * MIB);
        // Nobody has to go for a moment's sake.
        assert_eq!([100, 300, 599, 600, 620].map(&culprit), [None, None, None, Some(4), Some(4)]);
        let small = |gathers_since| Holder { context_id: 1, held_bytes: limits::SMALL_FRAME_BYTES, gathers_since };
        assert_eq!(budget.culprit([small(None)].into_iter(), 640), None);
        live.set(0);
        assert_eq!(culprit(660), None);
        // Who has sent next to nothing of a long frame keeps the room for all of it.
        assert_eq!(budget.culprit([small(Some(0))].into_iter(), limits::FRAME_MS_MAX), Some(1));
        live.set(512 * MIB);
        assert_eq!([680, 900, 5_000, 5_499].map(&culprit), [None; 4]);
    }

    #[test]
    fn answers_are_expected_to_be_as_long_as_they_were() {
        let live = Rc::new(Cell::new(0));
        let budget = budget(&live);
        budget.note_answer(3, 40 * MIB);
        live.set(500 * MIB);
        assert!(!budget.has_room_for_answer(3, 0, 0) && budget.has_room_for_answer(10, 0, 0));
        assert!(budget.has_room_for_answer(3, 40 * MIB, 0), "its request takes as much");
        // One that was longer than all there is stops nobody.
        budget.note_answer(10, 600 * MIB);
        live.set(300 * MIB);
        assert!(budget.has_room_for_answer(10, 0, 0));
        live.set(500 * MIB);
        (0..40).for_each(|_| budget.note_answer(3, 100));
        assert!(budget.has_room_for_answer(3, 0, 0));
    }
}
