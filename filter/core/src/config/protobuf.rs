//! A configuration that Envoy holds as a `google.protobuf.Struct`. Envoy says that it hands one over as JSON;
//! Envoy 1.40 hands over its bytes on the wire. They are never taken for JSON, nor JSON for them: behind each
//! key stands a byte that no JSON text may hold.

use serde_json::{Map, Number, Value};

use crate::limits::CONFIG_DEPTH_MAX;

/// The fields of the messages, as they stand on the wire: number and type.
const ENTRY: u8 = 0x0a;
const KEY: u8 = 0x0a;
const VALUE: u8 = 0x12;
const ITEM: u8 = 0x0a;

/// The JSON text of a Struct, with its keys in order: the bytes may come in any. None: these bytes are none.
pub(super) fn json_of(bytes: &[u8]) -> Option<String> {
    let object = object(bytes, CONFIG_DEPTH_MAX).filter(|_| !bytes.is_empty())?;
    serde_json::to_string(&object).ok()
}

fn object(mut bytes: &[u8], depth: usize) -> Option<Map<String, Value>> {
    let mut object = Map::new();
    while !bytes.is_empty() {
        let mut entry = delimited(&mut bytes, ENTRY)?;
        let key = text(delimited(&mut entry, KEY)?)?;
        let value = value(delimited(&mut entry, VALUE)?, depth.checked_sub(1)?)?;
        (entry.is_empty() && object.insert(key, value).is_none()).then_some(())?;
    }
    Some(object)
}

fn list(mut bytes: &[u8], depth: usize) -> Option<Vec<Value>> {
    let mut list = vec![];
    while !bytes.is_empty() {
        list.push(value(delimited(&mut bytes, ITEM)?, depth.checked_sub(1)?)?);
    }
    Some(list)
}

/// A Value: one of several fields.
fn value(bytes: &[u8], depth: usize) -> Option<Value> {
    let (field, mut rest) = bytes.split_first()?;
    match field {
        0x08 => (rest == [0]).then_some(Value::Null),
        0x11 => Number::from_f64(f64::from_le_bytes(rest.try_into().ok()?)).map(Value::Number),
        0x1a => text(only(&mut rest)?).map(Value::String),
        0x20 => [false, true].into_iter().find(|flag| rest == [u8::from(*flag)]).map(Value::Bool),
        0x2a => object(only(&mut rest)?, depth).map(Value::Object),
        0x32 => list(only(&mut rest)?, depth).map(Value::Array),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

/// What stands behind `field` and a length, taken off `bytes`.
fn delimited<'a>(bytes: &mut &'a [u8], field: u8) -> Option<&'a [u8]> {
    *bytes = bytes.strip_prefix(&[field])?;
    let len = length(bytes)?;
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}

/// What stands behind a length, and is all that there is.
fn only<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = length(bytes)?;
    (bytes.len() == len).then_some(*bytes)
}

/// A varint, of at most five bytes.
fn length(bytes: &mut &[u8]) -> Option<usize> {
    let mut len = 0_usize;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        len |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(len);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
        let mut len = bytes.len();
        let mut out = vec![tag];
        while len > 0x7f {
            out.push(len as u8 | 0x80);
            len >>= 7;
        }
        out.push(len as u8);
        [out, bytes.to_vec()].concat()
    }

    /// As Envoy writes it.
    fn written(value: &Value) -> Vec<u8> {
        match value {
            Value::Null => vec![0x08, 0],
            Value::Number(number) => [&[0x11][..], &number.as_f64().unwrap().to_le_bytes()].concat(),
            Value::String(text) => field(0x1a, text.as_bytes()),
            Value::Bool(flag) => vec![0x20, u8::from(*flag)],
            Value::Object(_) => field(0x2a, &structure(value)),
            Value::Array(items) => {
                let items: Vec<u8> = items.iter().flat_map(|item| field(ITEM, &written(item))).collect();
                field(0x32, &items)
            }
        }
    }

    fn structure(value: &Value) -> Vec<u8> {
        let entry = |(key, value): (&String, &Value)| {
            field(ENTRY, &[field(KEY, key.as_bytes()), field(VALUE, &written(value))].concat())
        };
        value.as_object().unwrap().iter().flat_map(entry).collect()
    }

    const EVERY_KIND: &str = r#"{"stat_prefix": "a\u00e4\"", "x": null, "flags": [true, false], "mapping": {"virtual_partitions": 2e1,
        "offset_range": 1099511627776.0, "topics": [{"name": "orders", "list": []}, {}]}}"#;

    #[test]
    fn a_struct_is_the_json_that_it_stands_for() {
        let value: Value = serde_json::from_str(EVERY_KIND).unwrap();
        let bytes = structure(&value);
        let found: Value = serde_json::from_str(&json_of(&bytes).unwrap()).unwrap();
        assert_eq!(found, value);
    }

    /// Whatever is wrong with it: never half of a configuration.
    #[test]
    fn what_is_no_struct_is_none() {
        let bytes = structure(&serde_json::from_str(EVERY_KIND).unwrap());
        let ends: Vec<usize> = (0..bytes.len()).filter(|end| json_of(&bytes[..*end]).is_some()).collect();
        // Only where an entry of the outermost object ends.
        assert!(ends.len() <= 3, "{ends:?}");
        for text in ["{}", "\n{\n  \"stat_prefix\": \"a\"\n}", "\n", "", "\n\n{}", "stat_prefix: a\n"] {
            assert_eq!(json_of(text.as_bytes()), None, "{text:?}");
        }
        let twice = [structure(&serde_json::json!({"a": 1.0})), structure(&serde_json::json!({"a": 2.0}))].concat();
        assert_eq!(json_of(&twice), None);
        let infinite = field(ENTRY, &[field(KEY, b"a"), field(VALUE, &written_number(f64::INFINITY))].concat());
        assert_eq!(json_of(&infinite), None);
    }

    fn written_number(number: f64) -> Vec<u8> {
        [&[0x11][..], &number.to_le_bytes()].concat()
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| (0..depth).fold(serde_json::json!({}), |inner, _| serde_json::json!({"a": inner}));
        assert!(json_of(&structure(&nested(CONFIG_DEPTH_MAX))).is_some());
        assert!(json_of(&structure(&nested(CONFIG_DEPTH_MAX + 1))).is_none());
    }
}
