//! The memory that the fetch sessions of a worker's clients may take together.

use std::cell::Cell;
use std::rc::Rc;

use crate::limits;

/// What is left of it.
pub(crate) struct SessionRoom {
    left: Rc<Cell<usize>>,
}

impl SessionRoom {
    /// `worker_bytes`: all that the worker may hold.
    pub(crate) fn new(worker_bytes: usize) -> Self {
        Self { left: Rc::new(Cell::new(worker_bytes / limits::FETCH_SESSION_PARTS)) }
    }

    /// For one more session, which holds nothing yet.
    pub(crate) fn open(&self) -> SessionBytes {
        SessionBytes { left: Rc::clone(&self.left), held: 0 }
    }
}

/// What one session holds of a [`SessionRoom`], and gives back when it is dropped.
pub(crate) struct SessionBytes {
    left: Rc<Cell<usize>>,
    held: usize,
}

impl SessionBytes {
    /// Whether the session may hold so many bytes more; if so, it does.
    #[must_use]
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.left.get() && self.held.saturating_add(bytes) <= limits::FETCH_SESSION_BYTES_MAX;
        if fits {
            self.left.set(self.left.get() - bytes);
            self.held += bytes;
        }
        fits
    }

    /// The session holds so many bytes less.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.held);
        self.left.set(self.left.get() + bytes);
        self.held -= bytes;
    }
}

impl Drop for SessionBytes {
    fn drop(&mut self) {
        self.shrink(self.held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_share_what_there_is_and_none_takes_it_all() {
        let room = SessionRoom::new(2 * limits::FETCH_SESSION_PARTS * limits::FETCH_SESSION_BYTES_MAX);
        let (mut one, mut two, mut three) = (room.open(), room.open(), room.open());
        assert!(one.grow(limits::FETCH_SESSION_BYTES_MAX) && !one.grow(1));
        assert!(two.grow(limits::FETCH_SESSION_BYTES_MAX - 10));
        assert!(!three.grow(11) && three.grow(10) && !three.grow(1));
        two.shrink(5);
        assert!(three.grow(5));
        drop(one);
        assert!(three.grow(limits::FETCH_SESSION_BYTES_MAX - 15));
        drop((two, three));
        assert_eq!(room.left.get(), 2 * limits::FETCH_SESSION_BYTES_MAX);
    }
}
