//! One of a connection's two ways: bytes that came and are not handled, and how many more of a frame go on
//! untouched.

use bytes::Bytes;

use crate::foreign::{FirstBytes, Foreign};
use crate::shared::budget::Announced;
use crate::time::Millis;
use crate::wire::frame::Input;

pub(super) struct Way {
    pub(super) input: Input,
    /// Bytes of the current frame that still go on untouched.
    passing: usize,
    first: FirstBytes,
    /// Room in the worker's memory for the frame that is being put together, and since when that is.
    pub(super) room: Option<(Announced, Millis)>,
}

impl Way {
    /// `frame_bytes_max`: the longest frame that is put together, in bytes without its length field.
    pub(super) fn new(frame_bytes_max: usize) -> Self {
        Self { input: Input::new(frame_bytes_max), passing: 0, first: FirstBytes::default(), room: None }
    }

    /// These bytes came next, and are handed on or handed in.
    pub(super) fn note_first(&mut self, bytes: &[u8]) {
        self.first.add(bytes);
    }

    /// What is spoken here, where that is not Kafka's protocol.
    pub(super) fn foreign(&self) -> Option<Foreign> {
        self.first.foreign()
    }

    /// Inside a frame that goes on untouched.
    pub(super) fn is_streaming(&self) -> bool {
        self.passing > 0
    }

    /// A frame of `len` bytes, its length field included, goes on untouched, from the next bytes on.
    pub(super) fn stream(&mut self, len: usize) {
        self.passing = len;
    }

    /// Lets bytes of the frame go on that the host still holds, `available` of them at most. Tells how many.
    pub(super) fn pass(&mut self, available: usize) -> usize {
        let n = self.passing.min(available);
        self.passing -= n;
        n
    }

    /// Lets the bytes of the frame go on that were handed in.
    pub(super) fn pass_input(&mut self) -> Bytes {
        let bytes = self.input.take_up_to(self.passing);
        self.passing -= bytes.len();
        bytes
    }

    /// Of the frame of `len` bytes for which there is room, only what is neither here nor reserved is still
    /// to come.
    pub(super) fn note_left(&mut self, len: usize) {
        if let Some((room, _)) = &mut self.room {
            room.set_left(len.saturating_sub(self.input.held_bytes()));
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.input.clear();
        self.passing = 0;
        self.room = None;
    }
}
