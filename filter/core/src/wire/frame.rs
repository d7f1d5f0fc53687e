//! Bytes to length-prefixed frames (protocol guide: every request and response is `INT32 size` and that many
//! bytes).
//!
//! A chunk that holds whole frames is only referred to. A longer frame is put together where its bytes come
//! to lie at once ([`Input::fill`]), so that none but those of its first chunk are copied here. Chunks that
//! nobody asked to be put together are kept as they came, and joined when they are taken.

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
    /// The frame that is being put together, or chunks too small to keep one by one. Stands behind `chunks`.
    tail: BytesMut,
    /// What is put together in `tail` has so many bytes when it is whole. Then there are no `chunks`.
    gathered: Option<usize>,
    len: usize,
    frame_bytes_max: usize,
}

impl Input {
    /// `frame_bytes_max`: the longest frame that is accepted, in bytes without its length field.
    pub fn new(frame_bytes_max: usize) -> Self {
        Self { chunks: VecDeque::new(), tail: BytesMut::new(), gathered: None, len: 0, frame_bytes_max }
    }

    /// From the next frame on.
    pub(crate) fn limit_frames(&mut self, frame_bytes_max: usize) {
        self.frame_bytes_max = frame_bytes_max;
    }

    /// Bytes held.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory for it: those held, and those reserved for the frame that is being put together.
    pub(crate) fn held_bytes(&self) -> usize {
        self.len + self.gathered.map_or(0, |_| self.tail.capacity() - self.tail.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.frame_bytes_max);
    }

    /// Adds what arrived.
    pub fn push(&mut self, mut chunk: Bytes) {
        self.len += chunk.len();
        if self.gathered.is_some() {
            let part = chunk.split_to(self.missing().min(chunk.len()));
            self.reserve(part.len());
            self.tail.extend_from_slice(&part);
            self.close_whole();
        }
        if chunk.len() < limits::CHUNK_BYTES_MIN {
            self.tail.extend_from_slice(&chunk);
        } else {
            self.close_tail();
            self.chunks.push_back(chunk);
        }
    }

    /// Puts the next frame together from now on, of which some of the `whole` bytes are still to come. The
    /// caller has found room for all of them.
    pub fn gather(&mut self, whole: usize) {
        if self.gathered.is_some() || self.len >= whole {
            return;
        }
        let mut joined = BytesMut::with_capacity(reserved(self.len, whole));
        self.chunks.drain(..).for_each(|chunk| joined.extend_from_slice(&chunk));
        joined.extend_from_slice(&self.tail);
        self.tail = joined;
        self.gathered = Some(whole);
    }

    /// Lets `read` put bytes that arrived behind those of the frame that is being put together, of
    /// `available` ones as many as it is told. Gives how many it has put there: what is left is to be pushed.
    pub fn fill(&mut self, available: usize, read: impl FnOnce(&mut BytesMut, usize)) -> usize {
        let wanted = self.missing().min(available);
        if wanted == 0 {
            return 0;
        }
        self.reserve(wanted);
        let before = self.tail.len();
        read(&mut self.tail, wanted);
        let filled = self.tail.len().saturating_sub(before);
        self.len += filled;
        self.close_whole();
        filled
    }

    /// How many bytes of the frame that is being put together are still to come.
    fn missing(&self) -> usize {
        self.gathered.map_or(0, |whole| whole.saturating_sub(self.tail.len()))
    }

    /// Makes room for `n` bytes of the frame that is being put together.
    fn reserve(&mut self, n: usize) {
        let needed = self.tail.len() + n;
        if self.tail.capacity() < needed {
            let whole = self.gathered.unwrap_or(needed);
            let mut larger = BytesMut::with_capacity(reserved(needed, whole));
            larger.extend_from_slice(&self.tail);
            self.tail = larger;
        }
    }

    fn close_whole(&mut self) {
        if self.missing() == 0 {
            self.close_tail();
        }
    }

    /// Puts back what was taken from the front.
    pub(crate) fn push_front(&mut self, chunk: Bytes) {
        self.close_tail();
        self.len += chunk.len();
        self.chunks.push_front(chunk);
    }

    /// Nothing of the tail's memory is kept: it would live as long as this.
    fn close_tail(&mut self) {
        self.gathered = None;
        if !self.tail.is_empty() {
            self.chunks.push_back(std::mem::take(&mut self.tail).freeze());
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
        if self.gathered.is_some() {
            return self.tail.get(..n).map(Bytes::copy_from_slice);
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
        self.close_tail();
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

/// How many bytes to reserve for a frame of `whole` bytes of which so many are here.
fn reserved(here: usize, whole: usize) -> usize {
    here.saturating_mul(limits::FRAME_AHEAD_TIMES).min(whole).max(here)
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

    /// Puts together what is not whole, as a connection does, and hands in what comes: by `fill`, where
    /// `fills` says so and it is asked for, else by `push`.
    fn gathered(stream: &[u8], cuts: &[usize], fills: bool) -> Vec<Bytes> {
        let mut input = Input::new(6000);
        let mut seen = vec![];
        let ends = cuts.iter().copied().chain([stream.len()]);
        let mut start = 0;
        for end in ends {
            let mut part = &stream[start..end];
            start = end;
            if fills {
                let filled = input.fill(part.len(), |out, n| out.extend_from_slice(&part[..n]));
                part = &part[filled..];
            }
            input.push(Bytes::copy_from_slice(part));
            seen.extend(drain(&mut input));
            if let Some(len) = input.frame_len().unwrap() {
                input.gather(len);
                assert!(input.held_bytes() <= len.min(limits::FRAME_AHEAD_TIMES * input.len()), "{cuts:?}");
                assert_eq!(input.frame_len(), Ok(Some(len)));
            }
        }
        assert!(input.is_empty() && input.held_bytes() == 0 && input.tail.capacity() == 0);
        seen
    }

    #[test]
    fn frames_that_are_put_together_are_the_same_however_the_bytes_are_split() {
        let frames = [frame(b"abcdefghij"), frame(b""), frame(&[7; 2000]), frame(b"xyz")];
        let stream: Vec<u8> = frames.concat();
        let far = stream.len() - 1;
        for cut in 0..=stream.len() {
            for cuts in [vec![cut], vec![cut, (cut + 3).min(far + 1)], vec![cut.min(1500), 1500, far.max(cut)]] {
                for fills in [false, true] {
                    assert_eq!(gathered(&stream, &cuts, fills), frames, "cut at {cuts:?}");
                }
            }
        }
        let every: Vec<usize> = (1..stream.len()).collect();
        for fills in [false, true] {
            assert_eq!(gathered(&stream, &every, fills), frames);
        }
    }

    #[test]
    fn what_is_put_together_can_be_looked_at_and_taken_before_it_is_whole() {
        let whole = frame(&[7; 3000]);
        for taken in [1, 4, 100, 2000] {
            let mut input = Input::new(6000);
            input.push(Bytes::copy_from_slice(&whole[..1500]));
            input.gather(whole.len());
            assert_eq!(input.fill(500, |out, n| out.extend_from_slice(&whole[1500..1500 + n])), 500);
            assert_eq!(input.peek(1800).unwrap(), whole[..1800]);
            assert_eq!((input.peek(2001), input.take(2001), input.len()), (None, None, 2000));
            let head = input.take(taken).unwrap();
            assert_eq!(input.fill(500, |_, _| panic!("nothing is put together now")), 0);
            input.push(Bytes::copy_from_slice(&whole[2000..]));
            input.push_front(head);
            assert_eq!(drain(&mut input), std::slice::from_ref(&whole));
        }
    }

    #[test]
    fn a_host_that_gives_less_than_it_was_asked_for_is_heard() {
        let whole = frame(&[7; 3000]);
        let mut input = Input::new(6000);
        input.push(Bytes::copy_from_slice(&whole[..1500]));
        input.gather(whole.len());
        assert_eq!(input.fill(1000, |out, n| out.extend_from_slice(&whole[1500..1499 + n])), 999);
        assert_eq!(input.fill(1000, |_, _| ()), 0);
        assert_eq!(input.len(), 2499);
        input.push(Bytes::copy_from_slice(&whole[2499..]));
        assert_eq!(drain(&mut input), [whole]);
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
