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

/// A name that a stranger may have chosen, in quotes for the log: on one line, escaped, and no longer than
/// [`limits::NAME_CHARS_SHOWN`] characters.
pub(crate) fn quoted(name: &[u8]) -> String {
    format!("\"{}\"", bounded(name, |c| matches!(c, '"' | '\\') || is_odd(c)))
}

/// As [`quoted`], without quotes, and without escapes where nothing but quotes would need them: for the
/// host's access log, which has an escaping of its own.
pub(crate) fn shown(name: &[u8]) -> String {
    bounded(name, is_odd)
}

/// A sentence as it stands in the log, which may hold names of strangers: line ends, terminals' control
/// sequences and what would turn the direction of writing are escaped.
pub(crate) fn on_one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_odd) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_odd(c) {
            out.extend(c.escape_debug());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// `name` with the characters escaped that `escapes` picks. Work grows with what is shown, not with the name.
fn bounded(name: &[u8], escapes: impl Fn(char) -> bool) -> String {
    let head = name.get(..limits::NAME_BYTES_KEPT).unwrap_or(name);
    let (mut out, mut chars) = (String::new(), 0);
    for c in String::from_utf8_lossy(head).chars() {
        let piece = if escapes(c) { c.escape_debug().collect() } else { String::from(c) };
        chars += piece.chars().count();
        if chars > limits::NAME_CHARS_SHOWN {
            out.push('…');
            break;
        }
        out.push_str(&piece);
    }
    out
}

/// Not to be shown as it is.
fn is_odd(c: char) -> bool {
    !matches!(c, '"' | '\'' | '\\') && c.escape_debug().len() > 1
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
    fn a_name_stands_on_one_line_between_two_quotes() {
        let long = vec![b'x'; 40_000];
        let cut = format!("{}…", "x".repeat(limits::NAME_CHARS_SHOWN));
        for (name, in_quotes, without) in [
            (&b""[..], r#""""#, ""),
            (b"orders", r#""orders""#, "orders"),
            ("Größe O'Neil".as_bytes(), r#""Größe O'Neil""#, "Größe O'Neil"),
            (br#"a"b\c"#, r#""a\"b\\c""#, r#"a"b\c"#),
            (b"a\nb\r\x1b[31m\0\xff", "\"a\\nb\\r\\u{1b}[31m\\0\u{fffd}\"", "a\\nb\\r\\u{1b}[31m\\0\u{fffd}"),
            ("a\u{202e}b\u{2028}c\u{85}".as_bytes(), r#""a\u{202e}b\u{2028}c\u{85}""#, r"a\u{202e}b\u{2028}c\u{85}"),
            (&long, &format!("\"{cut}\""), &cut),
        ] {
            assert_eq!((quoted(name).as_str(), shown(name).as_str()), (in_quotes, without));
        }
        for long in ["\u{1b}", "\u{10ffff}", "\"", "é", "\u{1f600}"].map(|c| c.repeat(40_000)) {
            let chars = quoted(long.as_bytes()).chars().count();
            assert!(chars <= limits::NAME_CHARS_SHOWN + "\"…\"".chars().count(), "{chars}");
        }
    }

    #[test]
    fn a_sentence_stays_one_line() {
        for (text, shown) in [
            (r#"topic "t\u" isn't Größe"#, r#"topic "t\u" isn't Größe"#),
            ("topic a\nb\x1b[2J\u{202e}: no", r"topic a\nb\u{1b}[2J\u{202e}: no"),
        ] {
            assert_eq!(on_one_line(text), shown);
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
        fn no_bytes_end_a_line_or_the_quotes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let name = quoted(&bytes);
            let inside = name[1..name.len() - 1].replace("\\\\", "").replace("\\\"", "");
            prop_assert!(!inside.contains('"') && !name.contains(char::is_control), "{}", name);
            prop_assert!(!on_one_line(&String::from_utf8_lossy(&bytes)).contains(char::is_control));
        }

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
