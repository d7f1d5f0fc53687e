//! Checks that a message is as long as it claims, before anything decodes it.
//!
//! `kafka-protocol` reserves memory for as many elements as an array claims to have, before it reads one of them: a
//! frame of ten bytes could reserve gigabytes, or trap the VM and with it every connection of the worker. So each body
//! is first walked along a small static description of its message, which allocates nothing.
//! Wire types: Kafka protocol guide, "Protocol Primitive Types"; flexible versions and tagged fields: KIP-482.
use bytes::Bytes;
use kafka_protocol::protocol::Decodable;

pub mod requests;
pub mod responses;

/// Structs, strings and tagged fields that the arrays and tag sections of one message may have in sum. Each costs up to
/// some 200 bytes once decoded, so this bounds what a frame can turn into at about 40 MB; a Metadata answer for a
/// cluster of 150,000 partitions still passes. Arrays of numbers don't count: they take no more memory than wire.
pub const ELEMENTS_MAX: usize = 200_000;

// The protocol's names for fixed sizes: what a number means is no business of this check.
pub const INT8: Field = Field::Fixed(1);
pub const INT16: Field = Field::Fixed(2);
pub const INT32: Field = Field::Fixed(4);
pub const INT64: Field = Field::Fixed(8);
pub const BOOL: Field = Field::Fixed(1);
pub const UUID: Field = Field::Fixed(16);

/// One field on the wire. Lengths and counts are compact in flexible versions, as KIP-482 has it.
#[derive(Debug)]
pub enum Field {
    /// So many bytes.
    Fixed(usize),
    Str,
    NullStr,
    Bytes,
    NullBytes,
    /// Structs: in flexible versions each ends with a tag section.
    Array(&'static [Field]),
    NullArray(&'static [Field]),
    /// Elements that are no structs, so without tag sections.
    List(&'static Field),
    /// A single struct; stands only in `Tagged`.
    Struct(&'static [Field]),
    /// Present from this version on.
    Since(i16, &'static Field),
    /// Present up to this version, inclusive.
    Until(i16, &'static Field),
    /// Not here, but maybe in the tag section of this struct, under this tag.
    Tagged(u32, &'static Field),
}

/// A message: its fields, and the first version with compact lengths and tag sections.
#[derive(Debug)]
pub struct Shape {
    pub fields: &'static [Field],
    pub flexible_since: i16,
}

/// Where, in bytes from the start of the body, and why a body is not the message that it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShapeError {
    pub at: usize,
    pub what: Misshape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misshape {
    /// The body ends inside a field, or an array claims more elements than there are bytes left.
    Truncated,
    /// Bytes are left behind the last field.
    TrailingBytes,
    /// A null or negative length where the protocol has no null.
    NegativeLength,
    /// More than `ELEMENTS_MAX`.
    TooManyElements,
    /// A variable-length number of more than 32 bits.
    Varint,
    /// A tagged field whose content does not end where its size says.
    TagSize,
    /// The shape is right, but not the content (say, a string that is not UTF-8) or the version.
    Undecodable,
}

impl Shape {
    /// Walks `body` once, in time linear in its length, without allocating. `Ok` says that decoding it at `version`
    /// reserves no more memory than its real content deserves.
    pub fn check(&self, version: i16, body: &[u8]) -> Result<(), ShapeError> {
        self.walk(version, body, ELEMENTS_MAX)
    }

    fn walk(&self, version: i16, body: &[u8], elements_left: usize) -> Result<(), ShapeError> {
        let flexible = version >= self.flexible_since;
        let mut walk = Walk { rest: body, version, flexible, elements_left };
        let outcome = walk.message(self.fields);
        outcome.map_err(|what| ShapeError { at: body.len() - walk.rest.len(), what })
    }
}

/// Checks `body` against the shape of `M`, then decodes it.
pub fn decode<M: Decodable>(shape: &Shape, body: &mut Bytes, version: i16) -> Result<M, ShapeError> {
    shape.check(version, body)?;
    let bytes = body.len();
    M::decode(body, version).map_err(|_| ShapeError { at: bytes - body.len(), what: Misshape::Undecodable })
}

/// As [`decode`], for an answer of the own broker: what the filter has asked for may be as long as a frame.
pub fn decode_answer<M: Decodable>(shape: &Shape, body: &mut Bytes, version: i16) -> Result<M, ShapeError> {
    shape.walk(version, body, usize::MAX)?;
    let bytes = body.len();
    M::decode(body, version).map_err(|_| ShapeError { at: bytes - body.len(), what: Misshape::Undecodable })
}

type Outcome<T = ()> = Result<T, Misshape>;

/// A position in a body. Recursion is as deep as the static shape is, whatever the bytes say.
struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    elements_left: usize,
}

impl Walk<'_> {
    fn message(&mut self, fields: &'static [Field]) -> Outcome {
        self.structure(fields)?;
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Misshape::TrailingBytes)
        }
    }

    fn structure(&mut self, fields: &'static [Field]) -> Outcome {
        fields.iter().try_for_each(|field| self.field(field))?;
        if self.flexible {
            self.tag_section(fields)?;
        }
        Ok(())
    }

    fn field(&mut self, field: &'static Field) -> Outcome {
        match *field {
            Field::Fixed(bytes) => self.skip(bytes),
            Field::Str => self.string_length()?.ok_or(Misshape::NegativeLength).and_then(|bytes| self.skip(bytes)),
            Field::NullStr => self.string_length()?.map_or(Ok(()), |bytes| self.skip(bytes)),
            Field::Bytes => self.length()?.ok_or(Misshape::NegativeLength).and_then(|bytes| self.skip(bytes)),
            Field::NullBytes => self.length()?.map_or(Ok(()), |bytes| self.skip(bytes)),
            Field::Array(fields) => self.length()?.ok_or(Misshape::NegativeLength).and_then(|n| self.array(n, fields)),
            Field::NullArray(fields) => self.length()?.map_or(Ok(()), |count| self.array(count, fields)),
            Field::List(element) => self.length()?.ok_or(Misshape::NegativeLength).and_then(|n| self.list(n, element)),
            Field::Struct(fields) => self.structure(fields),
            Field::Since(version, field) if self.version >= version => self.field(field),
            Field::Until(version, field) if self.version <= version => self.field(field),
            Field::Since(..) | Field::Until(..) | Field::Tagged(..) => Ok(()),
        }
    }

    fn array(&mut self, count: usize, fields: &'static [Field]) -> Outcome {
        self.count(count)?;
        (0..count).try_for_each(|_| self.structure(fields))
    }

    fn list(&mut self, count: usize, element: &'static Field) -> Outcome {
        if let Field::Fixed(bytes) = element {
            return self.skip(count.checked_mul(*bytes).ok_or(Misshape::Truncated)?);
        }
        self.count(count)?;
        (0..count).try_for_each(|_| self.field(element))
    }

    /// The tags of one struct (KIP-482): a count, then for each its tag, its size and its content.
    fn tag_section(&mut self, fields: &'static [Field]) -> Outcome {
        let count = to_usize(self.varint()?)?;
        self.count(count)?;
        for _ in 0..count {
            let tag = self.varint()?;
            let bytes = to_usize(self.varint()?)?;
            let Some(known) = fields.iter().find_map(|field| self.tagged(field, tag)) else {
                self.skip(bytes)?;
                continue;
            };
            // The decoder reads a field that it knows without a look at its size, so the size must be right.
            let end = self.rest.len().checked_sub(bytes).ok_or(Misshape::Truncated)?;
            self.field(known)?;
            if self.rest.len() != end {
                return Err(Misshape::TagSize);
            }
        }
        Ok(())
    }

    /// What `field` holds if it stands for `tag` in this version.
    fn tagged(&self, field: &'static Field, tag: u32) -> Option<&'static Field> {
        match *field {
            Field::Tagged(this, content) if this == tag => Some(content),
            Field::Since(version, field) if self.version >= version => self.tagged(field, tag),
            Field::Until(version, field) if self.version <= version => self.tagged(field, tag),
            _ => None,
        }
    }

    /// Admits `count` elements: each has at least one byte.
    fn count(&mut self, count: usize) -> Outcome {
        if count > self.rest.len() {
            return Err(Misshape::Truncated);
        }
        self.elements_left = self.elements_left.checked_sub(count).ok_or(Misshape::TooManyElements)?;
        Ok(())
    }

    /// The length of a string, `None` for null.
    fn string_length(&mut self) -> Outcome<Option<usize>> {
        if self.flexible {
            return self.compact_length();
        }
        self.take().and_then(|bytes| length(i16::from_be_bytes(bytes).into()))
    }

    /// The length of bytes or of an array, `None` for null.
    fn length(&mut self) -> Outcome<Option<usize>> {
        if self.flexible {
            return self.compact_length();
        }
        self.take().and_then(|bytes| length(i32::from_be_bytes(bytes)))
    }

    /// One more than the length; 0 is null.
    fn compact_length(&mut self) -> Outcome<Option<usize>> {
        self.varint()?.checked_sub(1).map(to_usize).transpose()
    }

    fn varint(&mut self) -> Outcome<u32> {
        let mut value = 0;
        for shift in (0..u32::BITS).step_by(7) {
            let [byte] = self.take()?;
            let bits = u32::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                return Err(Misshape::Varint);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Misshape::Varint)
    }

    fn take<const N: usize>(&mut self) -> Outcome<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Misshape::Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn skip(&mut self, bytes: usize) -> Outcome {
        self.rest = self.rest.get(bytes..).ok_or(Misshape::Truncated)?;
        Ok(())
    }
}

fn length(wire: i32) -> Outcome<Option<usize>> {
    match wire {
        -1 => Ok(None),
        _ => usize::try_from(wire).map(Some).map_err(|_| Misshape::NegativeLength),
    }
}

fn to_usize(wire: u32) -> Outcome<usize> {
    usize::try_from(wire).map_err(|_| Misshape::Truncated)
}

#[cfg(test)]
mod tests;
