//! The protocol guide's primitive types by hand, where a message is read before it is whole, or written around record
//! sets that stay where they are.

use crate::rope::Rope;

/// Reads from the front of a slice; None when it ends too early.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(taken)
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
        let len = if flexible { i64::from(self.uvarint()?) - 1 } else { i64::from(self.i16()?) };
        if len < 0 {
            return Some(None);
        }
        self.take(usize::try_from(len).ok()?).map(Some)
    }

    /// The length of an ARRAY or COMPACT_ARRAY; -1 is null.
    pub(crate) fn array_len(&mut self, flexible: bool) -> Option<i64> {
        if flexible {
            return Some(i64::from(self.uvarint()?) - 1);
        }
        self.i32().map(i64::from)
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
