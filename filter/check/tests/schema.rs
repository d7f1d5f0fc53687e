//! `envoy/filter-config.schema.json` is what the types of the configuration say, and what is shipped keeps
//! to it. `UPDATE=1 cargo test -p kafka-remapper-check --test schema` writes the file anew.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

use kafka_partition_remapper_core::config::{schema, Config};
use regex::Regex;
use serde_json::{Map, Value};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

#[test]
fn the_file_is_what_the_types_say() {
    let file = root().join("envoy/filter-config.schema.json");
    let generated = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &generated).unwrap();
    }
    let stored = fs::read_to_string(&file).unwrap();
    assert!(stored == generated, "the types have changed: run this test with UPDATE=1");
}

/// What is wrong with a value, by a schema of just the keywords that ours uses: one that is not known here
/// must not count as kept.
fn wrong(all: &Value, rules: &Value, value: &Value, path: &str) -> Vec<String> {
    let rules = match rules {
        Value::Bool(true) => return vec![],
        Value::Bool(false) => return vec![format!("{path} is not known")],
        rules => rules.as_object().unwrap(),
    };
    rules.iter().filter_map(|(keyword, rule)| Some((keyword, broken(all, rules, keyword, rule, value, path)?))).fold(
        vec![],
        |mut complaints, (keyword, found)| {
            complaints.push(format!("{path}: {keyword}"));
            complaints.extend(found);
            complaints
        },
    )
}

/// The complaints of one keyword, if the value does not keep to it.
fn broken(
    all: &Value,
    rules: &Map<String, Value>,
    keyword: &str,
    rule: &Value,
    value: &Value,
    path: &str,
) -> Option<Vec<String>> {
    let keeps = |rules: &Value| wrong(all, rules, value, path).is_empty();
    let found = match keyword {
        "$schema" | "$defs" | "title" | "description" | "default" | "format" | "then" => vec![],
        "properties" | "patternProperties" | "additionalProperties" | "propertyNames" => {
            return fields(all, rules, keyword, rule, value, path)
        }
        "$ref" => wrong(all, all.pointer(rule.as_str()?.strip_prefix('#')?)?, value, path),
        "items" => value.as_array()?.iter().flat_map(|item| wrong(all, rule, item, &format!("{path}[]"))).collect(),
        "oneOf" => return (rule.as_array()?.iter().filter(|rule| keeps(rule)).count() != 1).then(Vec::new),
        "anyOf" => return (!rule.as_array()?.iter().any(keeps)).then(Vec::new),
        "not" => return keeps(rule).then(Vec::new),
        "if" => return (keeps(rule) && !keeps(&rules["then"])).then(Vec::new),
        _ => return (!simple(keyword, rule, value)).then(Vec::new),
    };
    (!found.is_empty()).then_some(found)
}

fn fields(
    all: &Value,
    rules: &Map<String, Value>,
    keyword: &str,
    rule: &Value,
    value: &Value,
    path: &str,
) -> Option<Vec<String>> {
    let patterns = || rules.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
    let matches = |pattern: &str, name: &str| Regex::new(pattern).unwrap().is_match(name);
    let mut found = vec![];
    for (name, field) in value.as_object()? {
        let path = format!("{path}.{name}");
        let listed = rules.get("properties").and_then(|listed| listed.get(name));
        match keyword {
            "properties" => found.extend(listed.map(|rule| wrong(all, rule, field, &path)).into_iter().flatten()),
            "patternProperties" => {
                let fitting = patterns().filter(|(pattern, _)| matches(pattern, name));
                found.extend(fitting.flat_map(|(_, rule)| wrong(all, rule, field, &path)));
            }
            "propertyNames" => found.extend(wrong(all, rule, &Value::from(name.as_str()), &path)),
            _ if listed.is_none() && !patterns().any(|(pattern, _)| matches(pattern, name)) => {
                found.extend(wrong(all, rule, field, &path));
            }
            _ => {}
        }
    }
    (!found.is_empty()).then_some(found)
}

/// Keywords that need to know nothing but the value.
fn simple(keyword: &str, rule: &Value, value: &Value) -> bool {
    let characters = value.as_str().map(|text| text.chars().count() as u64);
    let (items, size) = (value.as_array().map(|items| items.len() as u64), value.as_object().map(|it| it.len() as u64));
    let at_least = |number: Option<u64>| number.is_none_or(|number| number >= rule.as_u64().unwrap());
    let at_most = |number: Option<u64>| number.is_none_or(|number| number <= rule.as_u64().unwrap());
    let whole = |number: &f64| number.fract() == 0.0;
    let has = |names: &Value| names.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some());
    match keyword {
        "type" => match rule.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.as_f64().is_some_and(|number| whole(&number)),
            other => panic!("the type {other} is not known to this test"),
        },
        "enum" => rule.as_array().unwrap().contains(value),
        "const" => rule == value,
        "required" => !value.is_object() || has(rule),
        "dependentRequired" => {
            rule.as_object().unwrap().iter().all(|(name, needs)| value.get(name).is_none() || has(needs))
        }
        "pattern" => value.as_str().is_none_or(|text| Regex::new(rule.as_str().unwrap()).unwrap().is_match(text)),
        "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
        "minLength" => at_least(characters),
        "maxLength" => at_most(characters),
        "minItems" => at_least(items),
        "maxItems" => at_most(items),
        "minProperties" => at_least(size),
        "maxProperties" => at_most(size),
        "uniqueItems" => value.as_array().is_none_or(|items| (1..items.len()).all(|n| !items[..n].contains(&items[n]))),
        other => panic!("the keyword {other} is not known to this test"),
    }
}

fn complaints(text: &str) -> Vec<String> {
    let all = schema();
    wrong(&all, &all, &serde_json::from_str(text).unwrap(), "")
}

/// The filter's configurations in a file for Envoy: block texts of YAML that are JSON objects.
fn configurations(yaml: &str) -> Vec<String> {
    let lines: Vec<&str> = yaml.lines().collect();
    let starts = (0..lines.len()).filter(|n| lines[*n].trim_end().ends_with("value: |"));
    let texts = starts.map(|start| {
        let indent = |line: &str| line.len() - line.trim_start().len();
        let inside = lines[start + 1..].iter();
        let inside = inside.take_while(|line| line.trim().is_empty() || indent(line) > indent(lines[start]));
        inside.copied().collect::<Vec<_>>().join("\n")
    });
    texts.filter(|text| text.trim_start().starts_with('{')).collect()
}

#[test]
fn shipped_configurations_keep_to_it() {
    let mut checked = 0;
    for folder in ["envoy", "examples/quickstart"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|ending| ending != "yaml") {
                continue;
            }
            for text in configurations(&fs::read_to_string(&path).unwrap()) {
                let environment = |name: &str| Some(format!("the value of {name}"));
                Config::parse(&text, &environment).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                assert_eq!(complaints(&text), [""; 0], "{}", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked >= 7, "{checked} configurations were found");
}

#[test]
fn what_the_filter_takes_keeps_to_it() {
    for text in [
        "{}",
        r#"{"mapping": {"virtual_partitions": 4.0, "physical_partitions": 2, "offset_range": 1.099511627776e+12}}"#,
        r#"{"mapping": {"topics": [{"name": "a", "passthrough": true},
            {"regex": "b|c", "virtual_partitions": 6, "physical_partitions": 2, "layout": "block"}]}}"#,
        r#"{"advertise": {"table": {"1": "k:1", "2": "[::1]:2"}}, "route": {"dynamic": {"bootstrap": ["k:1"]}}}"#,
        r#"{"sasl": {"mechanisms": ["PLAIN"], "users": [{"username": "a", "password": "b"}],
            "salt_secret": "${SALT_OF_MORE_THAN_16_BYTES}"}}"#,
        r#"{"principal": {"mapping_rules": ["RULE:^CN=([^,]+),.*$/$1/L", "DEFAULT"], "source": "san_uri"},
            "upstream": {"sasl": {"mechanism": "PLAIN", "per_principal": {"a": {"username": "b", "password": "c",
            "mechanisms": ["TLS"]}}, "per_principal_only": true}}}"#,
    ] {
        Config::parse(text, &|_| Some("0123456789abcdef".to_owned())).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(complaints(text), [""; 0], "{text}");
    }
}

#[test]
fn what_it_refuses_the_filter_refuses() {
    for text in [
        r#"{"mappings": {}}"#,
        r#"{"stat_prefix": "a b"}"#,
        r#"{"mapping": {"virtual_partitions": 0, "physical_partitions": 1}}"#,
        r#"{"mapping": {"virtual_partitions": 4, "physical_partitions": 2, "offset_range": 7}}"#,
        r#"{"mapping": {"topics": [{"virtual_partitions": 4, "physical_partitions": 2}]}}"#,
        r#"{"mapping": {"topics": [{"name": "__a", "virtual_partitions": 4, "physical_partitions": 2}]}}"#,
        r#"{"mapping": {"topics": [{"name": "..", "virtual_partitions": 4, "physical_partitions": 2}]}}"#,
        r#"{"mapping": {"topics": [{"name": "a", "passthrough": true, "virtual_partitions": 4}]}}"#,
        r#"{"mapping": {"topics": [{"name": "a", "regex": "a", "virtual_partitions": 4, "physical_partitions": 2}]}}"#,
        r#"{"mapping": {"layout": "other"}}"#,
        r#"{"mapping": null}"#,
        r#"{"advertise": {}}"#,
        r#"{"advertise": {"unchanged": {}, "table": {"1": "k:1"}}}"#,
        r#"{"advertise": {"table": {"01": "k:1"}}}"#,
        r#"{"advertise": {"ports": {"host": "k", "base": 65536}}}"#,
        r#"{"advertise": {"sni": {"host": "k", "port": 1}}}"#,
        r#"{"fetch": {"filler": "some"}}"#,
        r#"{"shadow_groups": {"renew_ms": 999}}"#,
        r#"{"sasl": {}}"#,
        r#"{"sasl": {"mechanisms": []}}"#,
        r#"{"sasl": {"mechanisms": ["PLAIN", "PLAIN"], "users": [{"username": "a", "password": "b"}]}}"#,
        r#"{"sasl": {"mechanisms": ["PLAIN"], "users": [{"username": "a"}]}}"#,
        r#"{"sasl": {"mechanisms": ["PLAIN"], "users": [{"username": "a", "password": "b"}], "salt_secret": "short"}}"#,
        r#"{"sasl": {"mechanisms": ["OAUTHBEARER"], "oauthbearer": {}}}"#,
        r#"{"upstream": {"sasl": {"mechanism": "PLAIN", "username": "a"}}}"#,
        r#"{"upstream": {"sasl": {"mechanism": "OAUTHBEARER", "username": "a", "password": "b"}}}"#,
        r#"{"limits": {"frame_bytes": 1}}"#,
    ] {
        assert!(Config::parse(text, &|_| None).is_err(), "{text}");
        assert!(!complaints(text).is_empty(), "{text}");
    }
}
