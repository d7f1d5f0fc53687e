//! A certificate's subject as Envoy tells it, turned into Java's text.

use kafka_partition_remapper_core::fuzzing::subject_as_java as as_java;

use crate::bounds::bounded;

pub fn subject(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let java = bounded(text.as_bytes(), 128, || as_java(&text));
    assert!(java.len() <= 3 * text.len() + 3, "{text:?} {java:?}");
    // A backslash at the end escapes nothing, and goes.
    let lone = text.chars().rev().take_while(|c| *c == '\\').count() % 2;
    let (before, after) = (names(&text[..text.len() - lone]), names(&java));
    assert_eq!(after.len(), before.len(), "{text:?} {java:?}");
    for (before, after) in before.iter().zip(&after) {
        let attributes = |name| parts(name, '+');
        assert_eq!(attributes(after).len(), attributes(before).len(), "{text:?} {java:?}");
        for (before, after) in attributes(before).iter().zip(attributes(after).iter().rev()) {
            same_attribute(before, after);
        }
    }
}

fn names(text: &str) -> Vec<String> {
    parts(text, ',')
}

/// What stands between separators; a backslash takes the character behind it along.
fn parts(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c == separator {
            parts.push(String::new());
            continue;
        }
        let part = parts.last_mut().unwrap();
        part.push(c);
        if c == '\\' {
            part.extend(rest.next());
        }
    }
    parts
}

/// The same kind of attribute with the same value, whatever is escaped in it.
fn same_attribute(before: &str, after: &str) {
    let (Some((kind, value)), Some((java_kind, java_value))) = (before.split_once('='), after.split_once('=')) else {
        return assert_eq!(before, after);
    };
    assert_eq!(if kind == "street" { "STREET" } else { kind }, java_kind);
    if !value.starts_with('#') {
        assert_eq!(meaning(value), meaning(java_value), "{before:?} {after:?}");
    }
}

/// The bytes that a value stands for (RFC 2253, section 4).
fn meaning(value: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (vec![], value.as_bytes());
    let is_hex = |byte: &u8| byte.is_ascii_hexdigit();
    while let [first, behind @ ..] = rest {
        match (first, behind) {
            (b'\\', [high, low, behind @ ..]) if is_hex(high) && is_hex(low) => {
                let digits = String::from_utf8(vec![*high, *low]).unwrap();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap());
                rest = behind;
            }
            (b'\\', [literal, behind @ ..]) => {
                bytes.push(*literal);
                rest = behind;
            }
            (b'\\', []) => rest = behind,
            (byte, _) => {
                bytes.push(*byte);
                rest = behind;
            }
        }
    }
    bytes
}
