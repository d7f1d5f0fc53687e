//! JSON objects as tokens and keys need them: a member that comes twice is noticed, since others may read the
//! other one (RFC 7515, section 4; RFC 7519, section 4; RFC 7517, section 4).

use std::collections::BTreeMap;
use std::fmt;

use base64::prelude::{Engine as _, BASE64_URL_SAFE_NO_PAD};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// The members of an object by name. Objects inside of it are not looked at.
#[derive(Debug, Default)]
pub(crate) struct Object {
    members: BTreeMap<String, Value>,
    repeats: bool,
}

impl Object {
    /// The object that `json` is, if it is one and no member comes twice.
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok().filter(|object: &Self| !object.repeats)
    }

    /// Whether a member comes twice.
    pub(crate) fn repeats(&self) -> bool {
        self.repeats
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// A member that must be text where it is present. None: it is something else.
    pub(crate) fn text(&self, name: &str) -> Option<Option<&str>> {
        match self.members.get(name) {
            None => Some(None),
            Some(value) => value.as_str().map(Some),
        }
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut object = Object::default();
                while let Some((name, value)) = map.next_entry()? {
                    object.repeats |= object.members.insert(name, value).is_some();
                }
                Ok(object)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// The texts of an array, if it holds nothing else.
pub(crate) fn texts(array: &[Value]) -> Option<Vec<&str>> {
    array.iter().map(Value::as_str).collect()
}

/// The bytes behind base64url without padding (RFC 7515, section 2). Each has one encoding only: stray bits
/// are refused.
pub(crate) fn base64url(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}
