//! Output as a list of slices: what is new is written here, what came in a frame is only referred to.
//!
//! The host takes output in any number of pieces, so a record set crosses the filter without being copied
//! inside it.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::Encodable;

use crate::error::Fault;
use crate::limits;

/// Bytes to be sent, as slices in order.
#[derive(Debug, Default, Clone)]
pub struct Rope {
    parts: Vec<Bytes>,
    tail: BytesMut,
    len: usize,
}

impl Rope {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The number of all bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Copies `bytes` in.
    pub(crate) fn put_slice(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Refers to `bytes` when they are many enough to be worth a piece of their own, else copies them.
    pub(crate) fn put_bytes(&mut self, bytes: &Bytes) {
        if bytes.len() < limits::SHARED_BYTES_MIN {
            return self.put_slice(bytes);
        }
        self.close_tail();
        self.len += bytes.len();
        self.parts.push(bytes.clone());
    }

    /// Puts another rope behind this one.
    pub(crate) fn append(&mut self, other: Rope) {
        for part in other.into_parts() {
            self.put_bytes(&part);
        }
    }

    /// Puts a message, coded by `kafka-protocol`.
    ///
    /// # Errors
    /// [`Fault::Bug`] when the message cannot be written in that version.
    pub(crate) fn put_message<M: Encodable>(&mut self, message: &M, version: i16) -> Result<(), Fault> {
        let before = self.tail.len();
        message.encode(&mut self.tail, version).map_err(|_| Fault::encoding::<M>())?;
        self.len += self.tail.len() - before;
        Ok(())
    }

    /// An unsigned varint (protocol guide: UNSIGNED_VARINT).
    pub(crate) fn put_uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.put_slice(&[(value & 0x7f) as u8 | 0x80]);
            value >>= 7;
        }
        self.put_slice(&[value as u8]);
    }

    pub(crate) fn put_i16(&mut self, value: i16) {
        self.tail.put_i16(value);
        self.len += 2;
    }

    pub(crate) fn put_i32(&mut self, value: i32) {
        self.tail.put_i32(value);
        self.len += 4;
    }

    /// The slices in order; none is empty.
    pub fn into_parts(mut self) -> Vec<Bytes> {
        self.close_tail();
        self.parts
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.parts.push(self.tail.split().freeze());
        }
    }

    /// All bytes in one piece (a copy where the rope has several).
    pub fn into_bytes(self) -> Bytes {
        let len = self.len;
        let mut parts = self.into_parts();
        if parts.len() <= 1 {
            return parts.pop().unwrap_or_default();
        }
        let mut out = BytesMut::with_capacity(len);
        for part in &parts {
            out.extend_from_slice(part);
        }
        out.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds the same rope from shared and from copied pieces; both must be the same bytes.
    fn check(pieces: &[&[u8]], parts: usize) {
        let (mut shared, mut copied) = (Rope::new(), Rope::new());
        for piece in pieces {
            shared.put_bytes(&Bytes::copy_from_slice(piece));
            copied.put_slice(piece);
        }
        let expected = pieces.concat();
        assert_eq!(shared.len(), expected.len());
        assert_eq!(copied.clone().into_parts().len(), usize::from(!expected.is_empty()));
        assert_eq!(copied.into_bytes(), expected);
        assert_eq!(shared.clone().into_bytes(), expected);
        let mut outer = Rope::new();
        outer.put_i16(7);
        outer.append(shared.clone());
        outer.put_i32(8);
        assert_eq!(outer.len(), expected.len() + 6);
        assert_eq!(outer.into_bytes(), [&[0, 7][..], &expected, &[0, 0, 0, 8]].concat());
        let slices = shared.into_parts();
        assert_eq!(slices.len(), parts);
        assert!(slices.iter().all(|slice| !slice.is_empty()));
    }

    #[test]
    fn large_pieces_are_shared_and_small_ones_gathered() {
        let (large, small) = (vec![1; limits::SHARED_BYTES_MIN], vec![2; limits::SHARED_BYTES_MIN - 1]);
        for (pieces, parts) in [
            (vec![], 0),
            (vec![&[][..]], 0),
            (vec![&small[..], &small, b"x"], 1),
            (vec![&large[..]], 1),
            (vec![&large[..], &large], 2),
            (vec![b"a", &large[..], &[], b"b", &small, &large, b"c"], 5),
        ] {
            check(&pieces, parts);
        }
    }

    #[test]
    fn a_shared_piece_is_not_copied() {
        let piece = Bytes::from(vec![1; limits::SHARED_BYTES_MIN]);
        let mut rope = Rope::new();
        rope.put_i32(1);
        rope.put_bytes(&piece);
        assert_eq!(rope.into_parts()[1].as_ptr(), piece.as_ptr());
    }
}
