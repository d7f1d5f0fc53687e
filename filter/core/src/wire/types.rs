//! The protocol guide's primitive types by hand, where a message is read before it is whole, or written
//! around record sets that stay where they are.

use crate::wire::rope::Rope;

/// Reads from the front of a slice; None when it ends too early.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes that were not read.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(taken)
    }

    /// Leaves out a struct's tagged fields; versions that are not flexible have none.
    pub(crate) fn skip_tags(&mut self, flexible: bool) -> Option<()> {
        let count = if flexible { self.uvarint()? } else { 0 };
        for _ in 0..count {
            self.uvarint()?;
            let bytes = self.uvarint()?;
            self.take(usize::try_from(bytes).ok()?)?;
        }
        Some(())
    }

    pub(crate) fn i16(&mut self) -> Option<i16> {
        self.take(2)?.first_chunk().map(|bytes| i16::from_be_bytes(*bytes))
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.take(4)?.first_chunk().map(|bytes| i32::from_be_bytes(*bytes))
    }

    pub(crate) fn uvarint(&mut self) -> Option<u32> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let byte = u32::from(*self.take(1)?.first()?);
            value |= (byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A NULLABLE_STRING or COMPACT_NULLABLE_STRING; Some(None) is null.
    pub(crate) fn nullable_string(&mut self, flexible: bool) -> Option<Option<&'a [u8]>> {
        let len = if flexible { self.compact()? } else { self.i16()?.into() };
        if len < 0 {
            return Some(None);
        }
        self.take(usize::try_from(len).ok()?).map(Some)
    }

    /// The length of an ARRAY or COMPACT_ARRAY; below 0 is null.
    pub(crate) fn array_len(&mut self, flexible: bool) -> Option<i32> {
        if flexible {
            return self.compact();
        }
        self.i32()
    }

    /// A compact length (KIP-482); as in Kafka's own readers, one beyond 2^31 is negative, which is null.
    fn compact(&mut self) -> Option<i32> {
        self.uvarint().map(|wire| (wire as i32).wrapping_sub(1))
    }
}

/// `flexible`: in the compact forms of flexible versions (KIP-482).
impl Rope {
    pub(crate) fn put_nullable_string(&mut self, flexible: bool, value: Option<&str>) {
        let bytes = value.unwrap_or_default().as_bytes();
        match (flexible, value) {
            (true, None) => self.put_uvarint(0),
            (true, Some(_)) => self.put_uvarint(bytes.len() as u32 + 1),
            (false, None) => self.put_i16(-1),
            (false, Some(_)) => self.put_i16(bytes.len() as i16),
        }
        self.put_slice(bytes);
    }

    /// A NULLABLE_STRING of any bytes, of which there are at most 32,767.
    pub(crate) fn put_nullable_bytes_as_string(&mut self, value: Option<&[u8]>) {
        self.put_i16(value.map_or(-1, |bytes| bytes.len() as i16));
        self.put_slice(value.unwrap_or_default());
    }

    pub(crate) fn put_array_len(&mut self, flexible: bool, len: usize) {
        match flexible {
            true => self.put_uvarint(len as u32 + 1),
            false => self.put_i32(len as i32),
        }
    }

    /// The length of NULLABLE_BYTES or COMPACT_NULLABLE_BYTES; None is null.
    pub(crate) fn put_bytes_len(&mut self, flexible: bool, len: Option<usize>) {
        match (flexible, len) {
            (true, None) => self.put_uvarint(0),
            (true, Some(len)) => self.put_uvarint(len as u32 + 1),
            (false, None) => self.put_i32(-1),
            (false, Some(len)) => self.put_i32(len as i32),
        }
    }

    /// The end of a structure without tagged fields.
    pub(crate) fn put_no_tags(&mut self, flexible: bool) {
        if flexible {
            self.put_uvarint(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::{Bytes, BytesMut};
    use kafka_protocol::messages::{InitProducerIdRequest, TransactionalId};
    use kafka_protocol::protocol::{Encodable, StrBytes};
    use proptest::prelude::*;

    /// A nullable string as `kafka-protocol` writes it: the first field of a request that ends in an INT32
    /// and, where it is flexible, no tags.
    fn encoded(flexible: bool, value: Option<&str>) -> Bytes {
        let id = value.map(|text| TransactionalId(StrBytes::from_string(text.to_owned())));
        let mut bytes = BytesMut::new();
        let request = InitProducerIdRequest::default().with_transactional_id(id);
        request.encode(&mut bytes, if flexible { 2 } else { 0 }).unwrap();
        bytes.truncate(bytes.len() - 4 - usize::from(flexible));
        bytes.freeze()
    }

    /// What is written is what `kafka-protocol` writes, and what is read from every shorter piece is nothing.
    fn check_string(value: Option<&str>) {
        for flexible in [false, true] {
            let mut rope = Rope::new();
            rope.put_nullable_string(flexible, value);
            let written = rope.into_bytes();
            assert_eq!(written, encoded(flexible, value), "{value:?}");
            let read = |bytes: &[u8]| Reader::new(bytes).nullable_string(flexible).map(|text| text.map(<[u8]>::to_vec));
            assert_eq!(read(&written), Some(value.map(|text| text.as_bytes().to_vec())));
            for end in 0..written.len() {
                assert_eq!(read(&written[..end]), None, "{value:?}, {end} bytes");
            }
        }
    }

    #[test]
    fn strings_are_as_the_codec_has_them() {
        let long = "x".repeat(300);
        [None, Some(""), Some("topic"), Some("\u{e4}"), Some(&long)].into_iter().for_each(check_string);
    }

    #[test]
    fn lengths_are_as_the_protocol_guide_has_them() {
        let written = |put: &dyn Fn(&mut Rope)| {
            let mut rope = Rope::new();
            put(&mut rope);
            rope.into_bytes().to_vec()
        };
        for (len, plain, compact) in [(0, [0, 0, 0, 0], &[1][..]), (127, [0, 0, 0, 127], &[0x80, 1])] {
            assert_eq!(written(&|rope| rope.put_array_len(false, len)), plain);
            assert_eq!(written(&|rope| rope.put_array_len(true, len)), compact);
            assert_eq!(written(&|rope| rope.put_bytes_len(false, Some(len))), plain);
            assert_eq!(written(&|rope| rope.put_bytes_len(true, Some(len))), compact);
            assert_eq!(Reader::new(&plain).array_len(false), Some(len as i32));
            assert_eq!(Reader::new(compact).array_len(true), Some(len as i32));
        }
        assert_eq!(written(&|rope| rope.put_bytes_len(false, None)), [0xff; 4]);
        assert_eq!(written(&|rope| rope.put_bytes_len(true, None)), [0]);
        assert_eq!((Reader::new(&[0xff; 4]).array_len(false), Reader::new(&[0]).array_len(true)), (Some(-1), Some(-1)));
        assert!(written(&|rope| rope.put_no_tags(false)).is_empty());
        assert_eq!(written(&|rope| rope.put_no_tags(true)), [0]);
    }

    #[test]
    fn varints_are_as_the_protocol_guide_has_them() {
        for (value, bytes) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (16_383, &[0xff, 0x7f]),
            (16_384, &[0x80, 0x80, 1]),
            (u32::MAX, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            let mut rope = Rope::new();
            rope.put_uvarint(value);
            assert_eq!(rope.into_bytes(), bytes);
            assert_eq!(Reader::new(bytes).uvarint(), Some(value));
            assert_eq!(Reader::new(&bytes[1..]).uvarint().is_none(), bytes.len() == 1);
        }
        assert_eq!(Reader::new(&[0x80; 6]).uvarint(), None, "a varint has five bytes at most");
    }

    proptest! {
        #[test]
        fn varints_come_back(value in any::<u32>(), shift in 0u32..32) {
            let mut rope = Rope::new();
            rope.put_uvarint(value >> shift);
            prop_assert_eq!(Reader::new(&rope.into_bytes()).uvarint(), Some(value >> shift));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..20), flexible in any::<bool>()) {
            let mut reader = Reader::new(&bytes);
            while reader.nullable_string(flexible).is_some() && reader.array_len(flexible).is_some() {}
        }
    }
}
