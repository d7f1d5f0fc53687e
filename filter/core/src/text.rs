//! Strings that are not UTF-8. Kafka takes them: Java puts U+FFFD in the place of each malformed sequence.

use std::borrow::Cow;

use crate::limits;

/// Stands for a malformed sequence.
const REPLACEMENT: &str = "\u{fffd}";

/// What Java's `new String(bytes, UTF_8)` makes of `bytes`: each longest malformed sequence becomes one
/// U+FFFD. Unlike in Rust's own conversion, the three bytes of an encoded surrogate (CESU-8) are one such
/// sequence.
pub(crate) fn as_java(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(replaced(bytes)),
    }
}

/// A client in a line of the log, by the id that its requests carry. The id stands in quotes, and has none of
/// its own: it is part of no kind of warning (`shared/warnings.rs`).
pub(crate) fn client(id: Option<&[u8]>) -> String {
    let Some(id) = id else { return "a client".to_owned() };
    let id = String::from_utf8_lossy(id.get(..limits::CLIENT_ID_BYTES_SHOWN).unwrap_or(id));
    format!("client \"{}\"", id.replace(|c: char| c == '"' || c.is_control(), "?"))
}

/// What another program says, in a line of the log.
pub(crate) fn words(said: &str) -> String {
    said.chars().filter(|c| !c.is_control()).take(limits::BROKER_MESSAGE_CHARS_MAX).collect()
}

fn replaced(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let surrogate = surrogate_len(rest);
        if surrogate > 0 {
            out.push_str(REPLACEMENT);
            rest = rest.get(surrogate..).unwrap_or_default();
            continue;
        }
        let (good, bad) = match std::str::from_utf8(rest) {
            Ok(_) => (rest.len(), 0),
            // Where the error has no length, the rest of the input is one cut-off sequence.
            Err(error) => (error.valid_up_to(), error.error_len().unwrap_or(rest.len() - error.valid_up_to())),
        };
        out.push_str(rest.get(..good).and_then(|good| std::str::from_utf8(good).ok()).unwrap_or_default());
        rest = rest.get(good..).unwrap_or_default();
        if bad > 0 && surrogate_len(rest) == 0 {
            out.push_str(REPLACEMENT);
            rest = rest.get(bad..).unwrap_or_default();
        }
    }
    out
}

/// Bytes of the encoded surrogate at the front of `bytes`, also of one that lacks its third; 0 if there is
/// none.
fn surrogate_len(bytes: &[u8]) -> usize {
    match bytes {
        [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => 3,
        [0xed, 0xa0..=0xbf, ..] => 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_client_is_named_on_one_line_between_two_quotes() {
        let long = vec![b'x'; 40_000];
        for (id, shown) in [
            (None, "a client".to_owned()),
            (Some(&b""[..]), "client \"\"".to_owned()),
            (Some(b"orders"), "client \"orders\"".to_owned()),
            (Some(b"a\"b\nc\x1b\xff"), "client \"a?b?c?\u{fffd}\"".to_owned()),
            (Some(&long), format!("client \"{}\"", "x".repeat(limits::CLIENT_ID_BYTES_SHOWN))),
        ] {
            assert_eq!(client(id), shown);
        }
    }

    /// Each seen in Java 17.
    #[test]
    fn malformed_sequences_are_replaced_as_in_java() {
        for (bytes, text) in [
            (&b"caf\xe9"[..], "caf\u{fffd}"),
            (b"caf\xc3\xa9", "caf\u{e9}"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            (b"\xff\x00\x80\x90", "\u{fffd}\0\u{fffd}\u{fffd}"),
            (b"\xed\xa0\x80", "\u{fffd}"),
            (b"a\xed\xa0\x80\xed\xb0\x80b", "a\u{fffd}\u{fffd}b"),
            (b"\xed\xa0", "\u{fffd}"),
            (b"\xed\xa0a", "\u{fffd}a"),
            (b"\xed", "\u{fffd}"),
            (b"\xe0\x80\x80", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xe2\x82", "\u{fffd}"),
            (b"\xe2\x82a", "\u{fffd}a"),
            (b"\xf0\x9f\x98", "\u{fffd}"),
            (b"\xf0\x9f\x98a\xf0\x9f\x98\x80", "\u{fffd}a\u{1f600}"),
            (b"\xf4\x90\x80\x80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xc0\xaf", "\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(as_java(bytes), text, "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_become_text(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let text = as_java(&bytes);
            prop_assert!(text.len() <= 3 * bytes.len());
            if let Ok(good) = std::str::from_utf8(&bytes) {
                prop_assert_eq!(text, good);
            }
        }
    }
}
