//! The JSON Schema of the configuration, generated from the types that read it. Only with the feature
//! `schema`, which the filter for Envoy is built without.

use std::borrow::Cow;

use schemars::transform::{transform_subschemas, Transform};
use schemars::{json_schema, JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::json::{Entries, Given, Object, Whole};
use super::raw::Root;
use super::security::SecretText;
use crate::limits::{PRINCIPAL_RULE_BYTES_MAX, USER_NAME_BYTES_MAX};
use crate::principal::Source;
use crate::sasl::Mechanism;

/// The whole schema (draft 2020-12), as `envoy/filter-config.schema.json` has it.
pub fn schema() -> Value {
    let mut schema = SchemaGenerator::default().into_root_schema_for::<Root>();
    OneLine.transform(&mut schema);
    schema.to_value()
}

/// Comments are wrapped where lines of code are; descriptions are not.
struct OneLine;

impl Transform for OneLine {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(Value::String(text)) = schema.get_mut("description") {
            *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        }
        transform_subschemas(self, schema);
    }
}

/// A type whose JSON is that of the type inside.
macro_rules! transparent {
    ($outer:ident) => {
        impl<T: JsonSchema> JsonSchema for $outer<T> {
            fn inline_schema() -> bool {
                T::inline_schema()
            }

            fn schema_name() -> Cow<'static, str> {
                T::schema_name()
            }

            fn schema_id() -> Cow<'static, str> {
                T::schema_id()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                T::json_schema(generator)
            }
        }
    };
}

transparent!(Given);
transparent!(Object);

impl<T: JsonSchema> JsonSchema for Entries<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "entries".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "additionalProperties": generator.subschema_for::<T>()})
    }
}

impl JsonSchema for Whole {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "whole".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer"})
    }
}

impl JsonSchema for SecretText {
    fn schema_name() -> Cow<'static, str> {
        "secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "${NAME} in it is the environment variable NAME, which host_env_keys must list.",
            "type": "string",
            "minLength": 1,
        })
    }
}

fn address() -> Schema {
    json_schema!({
        "description": "host:port, an IPv6 address in brackets.",
        "type": "string",
        "pattern": r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]+$",
    })
}

pub(super) fn addresses(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": address()})
}

/// Brokers by their ids, each id in its one decimal spelling.
pub(super) fn table(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": false,
        "patternProperties": {"^(0|[1-9][0-9]{0,9})$": address()},
    })
}

/// The whole set is read by `sasl::oauthbearer`.
pub(super) fn key_set(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "required": ["keys"],
        "properties": {"keys": {"description": "At least one.", "type": "array", "minItems": 1}},
    })
}

fn names(mechanisms: &[Mechanism]) -> Vec<&'static str> {
    mechanisms.iter().map(|mechanism| mechanism.name()).collect()
}

pub(super) fn mechanisms(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": {"enum": names(&Mechanism::ALL)}})
}

/// Those that a filter can log in by.
pub(super) fn password_mechanism(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"enum": names(&[Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512])})
}

/// Mechanisms, and the certificate.
pub(super) fn proofs(_: &mut SchemaGenerator) -> Schema {
    let proofs: Vec<&str> = names(&Mechanism::ALL).into_iter().chain(["TLS"]).collect();
    json_schema!({"type": "array", "items": {"enum": proofs}})
}

pub(super) fn user_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "At most 1024 bytes, without what SASLprep (RFC 4013) prohibits.",
        "type": "string",
        "minLength": 1,
        "maxLength": USER_NAME_BYTES_MAX,
    })
}

pub(super) fn scopes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": {"type": "string", "pattern": r"^\S+$"}, "default": []})
}

pub(super) fn mapping_rules(_: &mut SchemaGenerator) -> Schema {
    let rule = r"^\s*(DEFAULT|RULE:(\\.|[^\\/])*/(\\.|[^\\/])*/[LU]?)\s*$";
    json_schema!({
        "type": "array",
        "items": {"type": "string", "maxLength": PRINCIPAL_RULE_BYTES_MAX, "pattern": rule},
    })
}

pub(super) fn source(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"enum": Source::ALL.map(Source::name), "default": Source::default().name()})
}
