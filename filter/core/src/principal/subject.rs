//! A certificate's subject as Envoy writes it, turned into the text that Kafka's rules were written for.
//!
//! Both are RFC 2253. Envoy's is BoringSSL's `X509_NAME_print_ex` with `XN_FLAG_RFC2253`, Kafka's is Java's
//! `X500Principal.getName()`:
//!
//! | | Envoy | Java, and here |
//! |---|---|---|
//! | letters beyond ASCII | `J\C3\B6rg` | `Jörg` |
//! | `=` and `#` inside a value | as they are | `\=`, `\#` |
//! | several attributes in one name | last first: `CN=c+OU=b` | `OU=b+CN=c` |
//! | values of unknown kinds | `#0C01AB` | `#0c01ab` |
//! | the street | `street=` | `STREET=` |
//!
//! One thing stays apart. Attributes that RFC 2253 does not name keep BoringSSL's name and their text
//! (`emailAddress=a@b.example`, where Java has `1.2.840.113549.1.9.1=#1609…`), since their encoding is not
//! known here.

/// What Java escapes wherever it stands.
const SPECIAL: &str = ",=+<>#;\"\\";

/// The subject as Java would write it.
pub(crate) fn as_java(subject: &str) -> String {
    // BoringSSL ends no subject with a backslash that escapes nothing. Moved before another attribute, it
    // would escape the `+`.
    let slashes = subject.len() - subject.trim_end_matches('\\').len();
    let subject = if slashes % 2 == 1 { subject.strip_suffix('\\').unwrap_or_default() } else { subject };
    let names = split(subject, b',').into_iter().map(|name| {
        let attributes = split(name, b'+').into_iter().rev().map(attribute);
        attributes.collect::<Vec<_>>().join("+")
    });
    names.collect::<Vec<_>>().join(",")
}

/// The parts between separators that no backslash precedes.
fn split(text: &str, separator: u8) -> Vec<&str> {
    let mut parts = vec![];
    let (mut rest, mut at, mut escaped) = (text, 0, false);
    for byte in text.bytes() {
        let ends = byte == separator && !escaped;
        escaped = byte == b'\\' && !escaped;
        match rest.split_at_checked(at) {
            Some((part, behind)) if ends => {
                parts.push(part);
                rest = behind.get(1..).unwrap_or_default();
                at = 0;
            }
            _ => at += 1,
        }
    }
    parts.push(rest);
    parts
}

fn attribute(text: &str) -> String {
    let Some((name, value)) = text.split_once('=') else { return text.to_owned() };
    let name = if name == "street" { "STREET" } else { name };
    if value.starts_with('#') {
        return format!("{name}={}", value.to_ascii_lowercase());
    }
    // A value that is not UTF-8 when it is unescaped stays as it is.
    let value = String::from_utf8(unescaped(value)).map_or_else(|_| value.to_owned(), |value| escaped(&value));
    format!("{name}={value}")
}

/// A backslash stands before two hexadecimal digits, or before a character that means itself.
fn unescaped(value: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'\\' {
            out.push(byte);
        } else if let Some(([high, low], behind)) = behind.split_first_chunk().and_then(digits) {
            out.push(high << 4 | low);
            rest = behind;
        } else if let Some((&literal, behind)) = behind.split_first() {
            out.push(literal);
            rest = behind;
        }
    }
    out
}

fn digits<'a>((pair, behind): (&[u8; 2], &'a [u8])) -> Option<([u8; 2], &'a [u8])> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let [high, low] = *pair;
    Some(([digit(high)?, digit(low)?], behind))
}

fn escaped(value: &str) -> String {
    let start = value.len() - value.trim_start_matches(' ').len();
    let end = value.trim_end_matches(' ').len();
    let mut out = String::with_capacity(value.len());
    for (at, c) in value.char_indices() {
        if SPECIAL.contains(c) || at < start || at >= end {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs of what Envoy 1.40 and Java 17 told about the same certificates.
    #[test]
    fn java_and_envoy_mean_the_same() {
        let pairs = [
            ("CN=alice", "CN=alice"),
            (
                r##"CN=J\C3\B6rg #1,OU=Team \+ \"Q\",O=Example\, Inc.,L=M\C3\BCnchen,ST=Bayern,C=DE"##,
                r##"CN=Jörg \#1,OU=Team \+ \"Q\",O=Example\, Inc.,L=München,ST=Bayern,C=DE"##,
            ),
            (r"O=\E6\97\A5\E6\9C\AC,CN=\ lead\;\<x\>=\\y\ ", r"O=日本,CN=\ lead\;\<x\>\=\\y\ "),
            (r"CN=\F0\9F\98\80\C3\A9,DC=x,OU=B+OU=A+CN=c", "CN=😀é,DC=x,CN=c+OU=A+OU=B"),
            (r"UID=\  u \ ,OU=A\, B\;C\<D\>E", r"UID=\ \ u\ \ ,OU=A\, B\;C\<D\>E"),
            (r#"O=q\"r\\s,OU=\ ,O=x#y=z,CN=\#lead"#, r#"O=q\"r\\s,OU=\ ,O=x\#y\=z,CN=\#lead"#),
            (r"CN=a  b,street=Main \+ 1", r"CN=a  b,STREET=Main \+ 1"),
        ];
        for (envoy, java) in pairs {
            assert_eq!(as_java(envoy), java);
        }
    }

    #[test]
    fn what_java_would_encode_keeps_its_text() {
        assert_eq!(as_java("UID=u1,emailAddress=a@b.de,OU=A"), "UID=u1,emailAddress=a@b.de,OU=A");
        assert_eq!(as_java("1.2.3.4=#0C01AB"), "1.2.3.4=#0c01ab");
    }

    #[test]
    fn control_characters_are_bare() {
        assert_eq!(as_java(r"OU=tab\09and\0Anewline\00\7F\0D"), "OU=tab\tand\nnewline\0\x7F\r");
    }

    #[test]
    fn an_escaped_separator_starts_no_other_attribute() {
        assert_eq!(as_java(r"CN=eve\,CN=admin\2CO=x\\,O=y"), r"CN=eve\,CN\=admin\,O\=x\\,O=y");
        assert_eq!(as_java(r"CN=eve\+CN=admin"), r"CN=eve\+CN\=admin");
    }

    #[test]
    fn whatever_comes_something_comes_out() {
        assert_eq!(as_java(r"CN=a+b\"), "b+CN=a", "the backslash escapes nothing");
        for odd in ["", ",", "+", "=", "\\", "CN", r"CN=\", r"CN=\C3", r"CN=\C", "é+,é=é", r"CN=é\é"] {
            let once = as_java(odd);
            assert!(once.len() <= 3 * odd.len() + 3, "{odd:?} {once:?}");
        }
        assert_eq!(as_java(r"CN=\FF"), r"CN=\FF");
    }
}
