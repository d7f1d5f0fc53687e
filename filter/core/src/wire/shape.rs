//! Checks that a message is as long as it claims, before anything decodes it.
//!
//! `kafka-protocol` reserves memory for as many elements as an array claims to have, before it reads one of
//! them: a frame of ten bytes could reserve gigabytes, or trap the VM and with it every connection of the
//! worker. So each body is first walked along a small static description of its message, which allocates
//! nothing. Wire types: Kafka protocol guide, "Protocol Primitive Types"; flexible versions and tagged
//! fields: KIP-482.
use std::borrow::Cow;

use bytes::Bytes;
use kafka_protocol::protocol::Decodable;

use crate::limits;
use crate::text::as_java;

mod messages;
pub mod requests;
pub mod responses;

// The protocol's names for fixed sizes: what a number means is no business of this check.
pub(crate) const INT8: Field = Field::Fixed(1);
pub(crate) const INT16: Field = Field::Fixed(2);
pub(crate) const INT32: Field = Field::Fixed(4);
pub(crate) const INT64: Field = Field::Fixed(8);
pub(crate) const BOOL: Field = Field::Fixed(1);
pub(crate) const UUID: Field = Field::Fixed(16);

/// One field on the wire. Lengths and counts are compact in flexible versions, as KIP-482 has it.
#[derive(Debug)]
pub(crate) enum Field {
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
    NullList(&'static Field),
    /// As a `List` of numbers of 32 bits, of partitions that become structs each: they count as elements.
    Partitions,
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
    pub(crate) fields: &'static [Field],
    pub(crate) flexible_since: i16,
}

/// A message that peers send, with its shape: nothing else is decoded.
pub trait Shaped: Decodable {
    /// The API's name in the protocol guide.
    const API: &'static str;
    /// Requests and answers of one API have shapes of their own.
    const SHAPE: Shape;
}

/// Where, in bytes from the start of the body, and why a body is not the message that it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShapeError {
    pub(crate) at: usize,
    pub(crate) what: Misshape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misshape {
    /// The body ends inside a field, or an array claims more elements than there are bytes left.
    Truncated,
    /// Null where the protocol has no null. As in Kafka, any negative length is null.
    Null,
    /// A string of more than 32,767 bytes: Kafka takes none in any version.
    StringTooLong,
    /// More elements, or more numbers in lists, than the caller allows.
    TooManyElements,
    /// A variable-length number of more than five bytes.
    Varint,
    /// Strings that are not UTF-8, and so many that putting them right takes more than
    /// [`limits::TEXT_GROWTH_MAX`].
    Growth,
    /// The shape is right, but not the version.
    Undecodable,
}

impl Shape {
    /// Walks `body` once, in time linear in its length, without allocating. `Ok` says that decoding it at
    /// `version` reserves no more memory than its real content deserves, and whether it is plain: written
    /// just as `kafka-protocol` would write it, as far as it can read it at all.
    ///
    /// # Errors
    /// Where Kafka would not read the body either, or where it has more than `elements_max` elements.
    pub fn check(&self, version: i16, body: &[u8], elements_max: usize) -> Result<bool, ShapeError> {
        self.is_plain(version, body, Bounds { elements: elements_max, ..Bounds::NONE })
    }

    fn is_plain(&self, version: i16, body: &[u8], bounds: Bounds) -> Result<bool, ShapeError> {
        let mut walk = Walk::new(self, version, body, bounds, None);
        walk.message(self.fields, body.len())?;
        Ok(!walk.odd)
    }

    /// `body` as `kafka-protocol` can read it, where Kafka can: without the bytes behind the last field, text
    /// in UTF-8 with U+FFFD for what is malformed, null written as null, and tagged fields as long as they
    /// say.
    ///
    /// # Errors
    /// As [`Self::check`].
    fn plain(&self, version: i16, body: &[u8], bounds: Bounds) -> Result<Bytes, ShapeError> {
        let mut walk = Walk::new(self, version, body, bounds, Some(Vec::with_capacity(body.len())));
        walk.message(self.fields, body.len())?;
        Ok(walk.out.map(Bytes::from).unwrap_or_default())
    }
}

/// A client's request: checks `body` against the shape of `M`, then decodes it. What Kafka takes is taken.
///
/// # Errors
/// As [`Shape::check`] with [`limits::ELEMENTS_MAX`], or where there are more than [`limits::NUMBERS_MAX`]
/// numbers in lists.
pub fn decode_request<M: Shaped>(body: &Bytes, version: i16) -> Result<M, ShapeError> {
    let bounds =
        Bounds { elements: limits::ELEMENTS_MAX, numbers: limits::NUMBERS_MAX, unknown_tags: limits::UNKNOWN_TAGS_MAX };
    decode_plain(body, version, bounds)
}

/// As [`decode_request`], for an answer of the own broker, whose size follows from the cluster's.
///
/// # Errors
/// As [`Shape::check`] with [`limits::ANSWER_ELEMENTS_MAX`].
pub fn decode_answer<M: Shaped>(body: &Bytes, version: i16) -> Result<M, ShapeError> {
    decode_plain(body, version, Bounds { elements: limits::ANSWER_ELEMENTS_MAX, ..Bounds::NONE })
}

fn decode_plain<M: Shaped>(body: &Bytes, version: i16, bounds: Bounds) -> Result<M, ShapeError> {
    let is_plain = M::SHAPE.is_plain(version, body, bounds)?;
    let mut rest = if is_plain { body.clone() } else { M::SHAPE.plain(version, body, bounds)? };
    let bytes = rest.len();
    M::decode(&mut rest, version).map_err(|_| ShapeError { at: bytes - rest.len(), what: Misshape::Undecodable })
}

type Outcome<T = ()> = Result<T, Misshape>;

/// Bounds on what a body may hold.
#[derive(Clone, Copy)]
struct Bounds {
    /// Structs, strings and tagged fields; a body with more is refused.
    elements: usize,
    /// Of fixed size, in lists; a body with more is refused.
    numbers: usize,
    /// Tagged fields that the shape does not have; more of them are left out, since nobody reads them.
    unknown_tags: usize,
}

impl Bounds {
    const NONE: Self = Self { elements: usize::MAX, numbers: usize::MAX, unknown_tags: usize::MAX };
}

/// A position in a body. Recursion is as deep as the static shape is, whatever the bytes say.
struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    elements_left: usize,
    numbers_left: usize,
    unknown_tags_left: usize,
    growth_left: usize,
    /// Something was not written as `kafka-protocol` reads it.
    odd: bool,
    /// What was read, written so that `kafka-protocol` reads it.
    out: Option<Vec<u8>>,
}

impl<'a> Walk<'a> {
    fn new(shape: &Shape, version: i16, rest: &'a [u8], bounds: Bounds, out: Option<Vec<u8>>) -> Self {
        Self {
            rest,
            version,
            flexible: version >= shape.flexible_since,
            elements_left: bounds.elements,
            numbers_left: bounds.numbers,
            unknown_tags_left: bounds.unknown_tags,
            growth_left: limits::TEXT_GROWTH_MAX,
            odd: false,
            out,
        }
    }

    /// Bytes behind the last field are nobody's, as in Kafka.
    fn message(&mut self, fields: &'static [Field], len: usize) -> Result<(), ShapeError> {
        let outcome = self.structure(fields);
        self.odd |= !self.rest.is_empty();
        outcome.map_err(|what| ShapeError { at: len - self.rest.len(), what })
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
            Field::Fixed(bytes) => self.copy(bytes),
            Field::Str => self.string(false),
            Field::NullStr => self.string(true),
            Field::Bytes => self.length(false)?.map_or(Ok(()), |bytes| self.copy(bytes)),
            Field::NullBytes => self.length(true)?.map_or(Ok(()), |bytes| self.copy(bytes)),
            Field::Array(fields) => self.length(false)?.map_or(Ok(()), |count| self.array(count, fields)),
            Field::NullArray(fields) => self.length(true)?.map_or(Ok(()), |count| self.array(count, fields)),
            Field::List(element) => self.length(false)?.map_or(Ok(()), |count| self.list(count, element)),
            Field::NullList(element) => self.length(true)?.map_or(Ok(()), |count| self.list(count, element)),
            Field::Partitions => self.length(false)?.map_or(Ok(()), |count| self.partitions(count)),
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
            self.numbers_left = self.numbers_left.checked_sub(count).ok_or(Misshape::TooManyElements)?;
            return self.copy(count.checked_mul(*bytes).ok_or(Misshape::Truncated)?);
        }
        self.count(count)?;
        (0..count).try_for_each(|_| self.field(element))
    }

    fn partitions(&mut self, count: usize) -> Outcome {
        self.count(count)?;
        self.list(count, &INT32)
    }

    /// The tags of one struct (KIP-482): a count, then for each its tag, its size and its content. Kafka
    /// reads a field that it knows without a look at its size.
    fn tag_section(&mut self, fields: &'static [Field]) -> Outcome {
        let count = self.varint()?;
        self.count(to_usize(count)?)?;
        let outer = self.out.as_mut().map(std::mem::take);
        let mut kept = 0;
        for _ in 0..count {
            let tag = self.varint()?;
            let size = to_usize(self.varint()?)?;
            // A negative tag to Java, and nobody's. `kafka-protocol` counts such tags when it writes, but
            // leaves them out.
            let is_nobodys = i32::try_from(tag).is_err();
            let known = fields.iter().find_map(|field| self.tagged(field, tag));
            if is_nobodys || (known.is_none() && self.unknown_tags_left == 0) {
                self.odd = true;
                self.take_slice(size)?;
                continue;
            }
            kept += 1;
            self.put_varint(tag);
            let Some(known) = known else {
                self.unknown_tags_left -= 1;
                self.put_varint(size as u32);
                self.copy(size)?;
                continue;
            };
            let before = self.rest.len();
            let outer = self.out.as_mut().map(std::mem::take);
            self.field(known)?;
            self.odd |= before - self.rest.len() != size;
            if let Some(content) = std::mem::replace(&mut self.out, outer) {
                self.put_varint(content.len() as u32);
                self.put(&content);
            }
        }
        if let Some(tags) = std::mem::replace(&mut self.out, outer) {
            self.put_varint(kept);
            self.put(&tags);
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

    fn string(&mut self, nullable: bool) -> Outcome {
        let wire = if self.flexible { self.compact()? } else { self.take().map(i16::from_be_bytes)?.into() };
        let Ok(bytes) = usize::try_from(wire) else { return self.null(wire, nullable, STRING_LENGTH_BYTES) };
        if bytes > limits::STRING_BYTES_MAX {
            return Err(Misshape::StringTooLong);
        }
        let text = as_java(self.take_slice(bytes)?);
        if matches!(text, Cow::Owned(_)) {
            self.odd = true;
            self.growth_left =
                self.growth_left.checked_sub(text.len().saturating_sub(bytes)).ok_or(Misshape::Growth)?;
            if text.len() > limits::STRING_BYTES_MAX {
                return Err(Misshape::StringTooLong);
            }
        }
        self.put_length(text.len(), STRING_LENGTH_BYTES);
        self.put(text.as_bytes());
        Ok(())
    }

    /// The length of bytes or of an array, `None` for null.
    fn length(&mut self, nullable: bool) -> Outcome<Option<usize>> {
        let wire = if self.flexible { self.compact()? } else { self.take().map(i32::from_be_bytes)? };
        let Ok(length) = usize::try_from(wire) else {
            return self.null(wire, nullable, ARRAY_LENGTH_BYTES).map(|()| None);
        };
        if length > self.rest.len() {
            return Err(Misshape::Truncated);
        }
        self.put_length(length, ARRAY_LENGTH_BYTES);
        Ok(Some(length))
    }

    /// One more than the length; 0, and what is beyond 2^31, is null.
    fn compact(&mut self) -> Outcome<i32> {
        self.varint().map(|wire| (wire as i32).wrapping_sub(1))
    }

    fn null(&mut self, wire: i32, nullable: bool, length_bytes: usize) -> Outcome {
        if !nullable {
            return Err(Misshape::Null);
        }
        self.odd |= wire != -1;
        match self.flexible {
            true => self.put_varint(0),
            false => self.put([0xff; ARRAY_LENGTH_BYTES].get(..length_bytes).unwrap_or_default()),
        }
        Ok(())
    }

    /// As Kafka reads it: what the fifth byte has beyond 32 bits is lost.
    fn varint(&mut self) -> Outcome<u32> {
        let mut value = 0u32;
        for shift in (0..u32::BITS).step_by(7) {
            let [byte] = self.take()?;
            value |= u32::from(byte & 0x7f) << shift;
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

    fn take_slice(&mut self, bytes: usize) -> Outcome<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(Misshape::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn copy(&mut self, bytes: usize) -> Outcome {
        let taken = self.take_slice(bytes)?;
        self.put(taken);
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) {
        if let Some(out) = &mut self.out {
            out.extend_from_slice(bytes);
        }
    }

    fn put_length(&mut self, length: usize, length_bytes: usize) {
        match self.flexible {
            true => self.put_varint(length as u32 + 1),
            false => {
                let bytes = (length as u32).to_be_bytes();
                self.put(bytes.get(ARRAY_LENGTH_BYTES - length_bytes..).unwrap_or_default());
            }
        }
    }

    fn put_varint(&mut self, mut value: u32) {
        let Some(out) = &mut self.out else { return };
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }
}

/// Bytes of the length of a string, and of bytes or an array, where they are not compact.
const STRING_LENGTH_BYTES: usize = 2;
const ARRAY_LENGTH_BYTES: usize = 4;

fn to_usize(wire: u32) -> Outcome<usize> {
    usize::try_from(wire).map_err(|_| Misshape::Truncated)
}

#[cfg(test)]
mod tests;
