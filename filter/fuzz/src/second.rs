//! Second implementations of what the filter parses: written for reading along with the specification, not
//! for speed, and without a line of the filter's.

/// Reads big-endian numbers and the protocol guide's primitive types.
#[derive(Clone, Copy)]
pub struct Wire<'a>(pub &'a [u8]);

impl<'a> Wire<'a> {
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        if self.0.len() < n {
            return None;
        }
        let (taken, rest) = self.0.split_at(n);
        self.0 = rest;
        Some(taken)
    }

    /// A signed number of `n` bytes.
    pub fn number(&mut self, n: usize) -> Option<i64> {
        let bytes = self.take(n)?;
        let first = if bytes[0] < 0x80 { 0 } else { -1 };
        Some(bytes.iter().fold(first, |number, byte| number << 8 | i64::from(*byte)))
    }

    /// UNSIGNED_VARINT: seven bits a byte, the lowest first; a fifth byte is the last.
    pub fn varint(&mut self) -> Option<u32> {
        let mut value = 0u64;
        for place in 0..5 {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Some(value as u32);
            }
        }
        None
    }

    /// A length of `bytes` bytes, or a compact one; None within: null.
    pub fn length(&mut self, bytes: usize, compact: bool) -> Option<Option<usize>> {
        let length = if compact { i64::from((self.varint()? as i32).wrapping_sub(1)) } else { self.number(bytes)? };
        Some(usize::try_from(length).ok())
    }

    /// Tagged fields (KIP-482): a tag, a length, and so many bytes each. Gives the tags.
    pub fn tags(&mut self) -> Option<Vec<u32>> {
        let mut tags = vec![];
        for _ in 0..self.varint()? {
            tags.push(self.varint()?);
            let size = self.varint()? as usize;
            self.take(size)?;
        }
        Some(tags)
    }
}

/// The whole frames at the front of `stream`, and whether the next length is none that may be.
pub fn frames(stream: &[u8], frame_bytes_max: usize) -> (Vec<&[u8]>, bool) {
    let (mut wire, mut frames) = (Wire(stream), vec![]);
    loop {
        let start = wire;
        let Some(length) = wire.number(4) else { return (frames, false) };
        if length < 0 || length as usize > frame_bytes_max {
            return (frames, true);
        }
        if wire.take(length as usize).is_none() {
            return (frames, false);
        }
        frames.push(&start.0[..4 + length as usize]);
    }
}

/// Base64 (RFC 4648): padded with the common alphabet, or not padded with the URL's. One text for each value.
pub fn base64(text: &str, is_url: bool) -> Option<Vec<u8>> {
    let others = if is_url { b"-_" } else { b"+/" };
    let body = if is_url { text } else { text.trim_end_matches('=') };
    let padding = text.len() - body.len();
    if !is_url && (text.len() & 3 != 0 || padding > 2) {
        return None;
    }
    let (mut bytes, mut bits, mut count) = (vec![], 0u32, 0);
    for byte in body.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            _ => 62 + u8::try_from(others.iter().position(|other| *other == byte)?).ok()?,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    // No bit may be left that means something, and no character that means nothing.
    (count < 6 && bits & ((1 << count) - 1) == 0).then_some(bytes)
}

/// `saslname` (RFC 5802, section 7).
pub fn saslname(text: &str) -> Option<String> {
    let mut name = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\0' => return None,
            '=' => match [rest.next()?, rest.next()?] {
                ['2', 'C'] => name.push(','),
                ['3', 'D'] => name.push('='),
                _ => return None,
            },
            c => name.push(c),
        }
    }
    (!name.is_empty()).then_some(name)
}

/// The header of a GS2 message without channel binding (RFC 5801, section 4): the authorization id, and what
/// follows.
pub fn gs2(text: &str) -> Option<(Option<String>, &str)> {
    let rest = text.strip_prefix(['n', 'y'])?.strip_prefix(',')?;
    let comma = rest.find(',')?;
    let authzid = match &rest[..comma] {
        "" => None,
        named => Some(saslname(named.strip_prefix("a=")?)?),
    };
    Some((authzid, &rest[comma + 1..]))
}

/// `attr-val` of SCRAM's extensions, with names as long as Kafka's.
fn is_extension(part: &str) -> bool {
    let Some(at) = part.find('=') else { return false };
    let (name, value) = (&part[..at], &part[at + 1..]);
    let letters = name.chars().all(|c| c.is_ascii_alphabetic());
    !name.is_empty() && letters && name != "m" && !value.is_empty() && !value.contains('\0')
}

/// A SCRAM message: the values of `names` in their order, and after them nothing but extensions.
pub fn scram<'a>(text: &'a str, names: &str) -> Option<(Vec<&'a str>, Vec<&'a str>)> {
    let parts: Vec<&str> = text.split(',').collect();
    if parts.len() < names.len() {
        return None;
    }
    let (first, others) = parts.split_at(names.len());
    let mut values = vec![];
    for (part, name) in first.iter().zip(names.chars()) {
        values.push(part.strip_prefix(name)?.strip_prefix('=')?);
    }
    others.iter().all(|part| is_extension(part)).then(|| (values, others.to_vec()))
}

/// `printable` (RFC 5802, section 7), not empty, and not longer than `bytes_max`.
pub fn is_nonce(text: &str, bytes_max: usize) -> bool {
    let printable = |c| matches!(c, '\u{21}'..='\u{2b}' | '\u{2d}'..='\u{7e}');
    !text.is_empty() && text.len() <= bytes_max && text.chars().all(printable)
}
