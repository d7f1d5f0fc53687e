//! Bytes to length-prefixed frames (protocol guide: every request and response is `INT32 size` and that many
//! bytes).
//!
//! Chunks are kept as they came and joined only when a whole frame is there: one reservation of the exact
//! size, one copy, and none at all when a chunk holds the whole frame. Nothing is ever reserved for bytes
//! that were only claimed.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::error::{ClientFault, Fault};
use crate::limits;

/// Bytes of the length in front of a frame.
pub(crate) const LENGTH_BYTES: usize = 4;

/// One direction's bytes that have not been handled yet.
#[derive(Debug)]
pub struct Input {
    chunks: VecDeque<Bytes>,
    /// Chunks too small to keep one by one are collected here; it stands behind `chunks`.
    small: BytesMut,
    len: usize,
    frame_bytes_max: usize,
}

impl Input {
    /// `frame_bytes_max`: the longest frame that is accepted, in bytes without its length field.
    pub fn new(frame_bytes_max: usize) -> Self {
        Self { chunks: VecDeque::new(), small: BytesMut::new(), len: 0, frame_bytes_max }
    }

    /// From the next frame on.
    pub(crate) fn limit_frames(&mut self, frame_bytes_max: usize) {
        self.frame_bytes_max = frame_bytes_max;
    }

    /// Bytes held.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.frame_bytes_max);
    }

    /// Adds what arrived.
    pub fn push(&mut self, chunk: Bytes) {
        self.len += chunk.len();
        if chunk.len() < limits::CHUNK_BYTES_MIN {
            self.small.extend_from_slice(&chunk);
        } else {
            self.close_small();
            self.chunks.push_back(chunk);
        }
    }

    /// Puts back what was taken from the front.
    pub(crate) fn push_front(&mut self, chunk: Bytes) {
        self.len += chunk.len();
        self.chunks.push_front(chunk);
    }

    fn close_small(&mut self) {
        if !self.small.is_empty() {
            self.chunks.push_back(self.small.split().freeze());
        }
    }

    /// The length of the whole next frame with its length field, or None while that field is not complete.
    ///
    /// # Errors
    /// A negative length or one above the limit: the peer does not speak Kafka, or means harm.
    pub fn frame_len(&mut self) -> Result<Option<usize>, Fault> {
        let frame_bytes_max = self.frame_bytes_max;
        self.peek(LENGTH_BYTES).map(|prefix| checked_len(&prefix, frame_bytes_max)).transpose()
    }

    /// The first `n` bytes in one piece, or None when fewer are there. Joins chunks only as far as `n`
    /// reaches.
    pub(crate) fn peek(&mut self, n: usize) -> Option<Bytes> {
        if self.len < n {
            return None;
        }
        if self.chunks.front().is_none_or(|front| front.len() < n) {
            let head = self.take_up_to(n);
            self.len += head.len();
            self.chunks.push_front(head);
        }
        self.chunks.front().filter(|front| front.len() >= n).map(|front| front.slice(..n))
    }

    /// Exactly `n` bytes in one piece, or None (and nothing taken) while fewer are there.
    pub fn take(&mut self, n: usize) -> Option<Bytes> {
        (self.len >= n).then(|| self.take_up_to(n))
    }

    /// The first `n` bytes, or as many as there are, in one piece.
    pub(crate) fn take_up_to(&mut self, n: usize) -> Bytes {
        self.close_small();
        let n = n.min(self.len);
        self.len -= n;
        if let Some(front) = self.chunks.front_mut() {
            if front.len() > n {
                // A small frame that is remembered for long must not keep the whole chunk alive.
                let head = front.split_to(n);
                return if n <= limits::SMALL_FRAME_BYTES { Bytes::copy_from_slice(&head) } else { head };
            }
            if front.len() == n {
                return self.chunks.pop_front().unwrap_or_default();
            }
        }
        let mut joined = BytesMut::with_capacity(n);
        while joined.len() < n {
            let Some(mut front) = self.chunks.pop_front() else { break };
            let missing = n - joined.len();
            if front.len() > missing {
                joined.extend_from_slice(&front.split_to(missing));
                self.chunks.push_front(front);
            } else {
                joined.extend_from_slice(&front);
            }
        }
        joined.freeze()
    }
}

/// The whole length of the frame that starts with `prefix` (its length field included), bytes.
///
/// # Errors
/// As [`Input::frame_len`]; `prefix` shorter than the length field is a [`ClientFault::FrameLength`] of -1.
pub(crate) fn checked_len(prefix: &[u8], frame_bytes_max: usize) -> Result<usize, Fault> {
    let claimed = prefix.first_chunk().map_or(-1, |field| i32::from_be_bytes(*field));
    let body = usize::try_from(claimed).map_err(|_| Fault::Client(ClientFault::FrameLength { claimed }))?;
    if body > frame_bytes_max {
        return Err(Fault::Client(ClientFault::FrameTooLarge { claimed, limit: frame_bytes_max }));
    }
    Ok(LENGTH_BYTES + body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(body: &[u8]) -> Vec<u8> {
        let mut out = (body.len() as i32).to_be_bytes().to_vec();
        out.extend_from_slice(body);
        out
    }

    fn drain(input: &mut Input) -> Vec<Bytes> {
        let mut out = vec![];
        while let Some(len) = input.frame_len().unwrap() {
            match input.take(len) {
                Some(frame) => out.push(frame),
                None => break,
            }
        }
        out
    }

    #[test]
    fn frames_are_the_same_however_the_bytes_are_split() {
        let frames = [frame(b"abcdefghij"), frame(b""), frame(&[7; 5000])];
        let stream: Vec<u8> = frames.concat();
        for cut in 0..=stream.len() {
            let mut input = Input::new(6000);
            let mut seen = vec![];
            for part in [&stream[..cut], &stream[cut..]] {
                input.push(Bytes::copy_from_slice(part));
                seen.extend(drain(&mut input));
            }
            assert_eq!(seen, frames, "cut at {cut}");
            assert!(input.is_empty());
        }
    }

    #[test]
    fn frames_are_the_same_byte_by_byte() {
        let frames = [frame(b"abc"), frame(&[9; 300])];
        let mut input = Input::new(6000);
        let mut seen = vec![];
        for byte in frames.concat() {
            input.push(Bytes::copy_from_slice(&[byte]));
            seen.extend(drain(&mut input));
        }
        assert_eq!(seen, frames);
    }

    #[test]
    fn bad_lengths_are_refused() {
        for (claimed, limit, want) in [
            (-1, 10, Fault::Client(ClientFault::FrameLength { claimed: -1 })),
            (i32::MIN, 10, Fault::Client(ClientFault::FrameLength { claimed: i32::MIN })),
            (11, 10, Fault::Client(ClientFault::FrameTooLarge { claimed: 11, limit: 10 })),
            (i32::MAX, 100, Fault::Client(ClientFault::FrameTooLarge { claimed: i32::MAX, limit: 100 })),
        ] {
            let mut input = Input::new(limit);
            input.push(Bytes::copy_from_slice(&claimed.to_be_bytes()));
            assert_eq!(input.frame_len().unwrap_err(), want);
        }
        let mut input = Input::new(10);
        input.push(Bytes::copy_from_slice(&10i32.to_be_bytes()));
        assert_eq!(input.frame_len(), Ok(Some(14)));
    }
}
