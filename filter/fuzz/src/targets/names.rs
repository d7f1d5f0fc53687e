//! Names: SASLprep, the escapes of GS2, and text that is not UTF-8.

use kafka_partition_remapper_core::fuzzing::{saslname_escape, saslname_unescape, text_as_java};
use kafka_partition_remapper_core::limits::USER_NAME_BYTES_MAX;
use kafka_partition_remapper_core::sasl::users::prepare;

use crate::bounds::bounded;
use crate::second;

pub fn names(data: &[u8]) {
    let text = bounded(data, 8, || text_as_java(data).into_owned());
    assert!(text.len() <= 3 * data.len());
    if let Ok(same) = std::str::from_utf8(data) {
        assert_eq!(text, same);
    }
    let unescaped = bounded(text.as_bytes(), 8, || saslname_unescape(&text));
    assert_eq!(unescaped, second::saslname(&text));
    let escaped = saslname_escape(&text);
    assert!(!escaped.contains(','));
    let comes_back = !text.is_empty() && !text.contains('\0');
    assert_eq!(saslname_unescape(&escaped), comes_back.then(|| text.clone()));
    prepared(&text);
}

/// A name that is accepted is bounded, can be told to a log, and is what it would be prepared to.
fn prepared(text: &str) {
    // Unicode's longest decomposition takes 18 characters for one, before what is too long is refused.
    let Some(name) = bounded(text.as_bytes(), 256, || prepare(text)) else { return };
    assert!((1..=USER_NAME_BYTES_MAX).contains(&name.len()) && text.len() <= USER_NAME_BYTES_MAX);
    assert!(!name.chars().any(char::is_control), "{name:?}");
    assert_eq!(prepare(&name).as_ref(), Some(&name));
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        assert_eq!(name, text, "printable ASCII is what it is");
    }
}
