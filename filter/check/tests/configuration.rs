//! `docs/configuration.md` tells all fields of the configuration as their types do, and its examples have
//! each of them. `UPDATE=1 cargo test -p kafka-remapper-check --test configuration` (`make docs`) writes the
//! fields anew.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

use kafka_partition_remapper_core::config::schema;
use serde_json::Value;

/// What is generated stands between these, with the name of a section.
const BEGIN: &str = "<!-- Fields of ";
const END: &str = "<!-- End of fields -->";
/// What stands for any name in a path, where names are the user's own.
const ANY: &str = "NAME";
const COLUMNS: usize = 110;

struct Field {
    /// As `mapping.topics[].name`.
    path: String,
    rules: Value,
    required: bool,
}

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md")
}

/// The rules with those that they refer to: what stands beside `$ref` wins.
fn resolved(all: &Value, rules: &Value) -> Value {
    let Some(name) = rules.get("$ref").and_then(Value::as_str) else { return rules.clone() };
    let mut whole = resolved(all, all.pointer(name.strip_prefix('#').unwrap()).unwrap());
    let own = rules.as_object().unwrap().iter().filter(|(key, _)| *key != "$ref");
    whole.as_object_mut().unwrap().extend(own.map(|(key, value)| (key.clone(), value.clone())));
    whole
}

/// The fields of an object and of what is in it, below `path`, which is empty or ends in a dot.
fn fields(all: &Value, rules: &Value, path: &str, found: &mut Vec<Field>) {
    let required = |name: &str| {
        let names = rules.get("required").and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|it| it == name))
    };
    for (name, rule) in rules.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let (rule, path) = (resolved(all, rule), format!("{path}{name}"));
        found.push(Field { path: path.clone(), rules: rule.clone(), required: required(name) });
        let items = rule.get("items").map(|items| resolved(all, items)).filter(Value::is_object);
        let values = rule.get("additionalProperties").map(|it| resolved(all, it)).filter(Value::is_object);
        fields(all, &rule, &format!("{path}."), found);
        items.iter().for_each(|rules| fields(all, rules, &format!("{path}[]."), found));
        values.iter().for_each(|rules| fields(all, rules, &format!("{path}.{ANY}."), found));
    }
}

/// All fields of a section of the configuration; those of no section, if `section` is "the whole".
fn fields_of(section: &str) -> Vec<Field> {
    let all = schema();
    let mut found = vec![];
    fields(&all, &all, "", &mut found);
    let inside = |field: &Field| match section {
        "the whole" => !field.path.contains('.'),
        name => field.path.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')),
    };
    found.into_iter().filter(inside).collect()
}

fn with_separators(digits: &str) -> String {
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A value as the document shows it.
fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) => with_separators(&number.to_string()),
        other => format!("`{other}`"),
    }
}

/// What a field may hold.
fn kind(rules: &Value) -> String {
    let number = |name: &str| rules.get(name).filter(|value| value.is_number()).map(shown);
    let values = |list: &Value| list.as_array().unwrap().iter().map(shown).collect::<Vec<_>>().join(", ");
    if let Some(list) = rules.get("enum") {
        return format!("one of {}", values(list));
    }
    if rules.get("oneOf").is_some() && rules.get("properties").is_none() {
        return "one of the words below".to_owned();
    }
    let name = match rules.get("type").and_then(Value::as_str).unwrap() {
        "integer" => "integer",
        "string" => "text",
        "boolean" => "`true` or `false`",
        "array" => match rules["items"].get("enum") {
            Some(list) => return format!("list of {}", values(list)),
            None => "list",
        },
        "object" => "object",
        other => panic!("the type {other} has no name in the document"),
    };
    match (number("minimum"), number("maximum")) {
        (Some(least), Some(most)) => format!("{name}, {least} to {most}"),
        _ => name.to_owned(),
    }
}

/// The choices among words, each with what it means.
fn choices(rules: &Value) -> Vec<String> {
    let words = rules.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let words = words.filter(|word| word.get("const").is_some());
    words.map(|word| format!("  - `{}`: {}", word["const"].as_str().unwrap(), told(word))).collect()
}

fn told(rules: &Value) -> &str {
    rules.get("description").and_then(Value::as_str).unwrap_or_default()
}

/// Breaks a text into lines of [`COLUMNS`], the first as it is indented, the others by two columns more.
fn wrapped(text: &str) -> String {
    let indent = text.len() - text.trim_start().len() + 2;
    let (mut lines, mut line) = (vec![], " ".repeat(indent - 2));
    for word in text.split_whitespace() {
        if line.trim().is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= COLUMNS {
            line = format!("{line} {word}");
        } else {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent) + word));
        }
    }
    lines.push(line);
    lines.join("\n")
}

fn generated(section: &str) -> String {
    let mut lines = vec![];
    for Field { path, rules, required } in fields_of(section) {
        let text = told(&rules);
        assert!(!text.is_empty(), "{path} has no documentation comment");
        let default = match rules.get("default") {
            _ if required => "; required".to_owned(),
            Some(value) => format!("; default {}", shown(value)),
            None => String::new(),
        };
        lines.push(wrapped(&format!("- **`{path}`** ({}{default}): {text}", kind(&rules))));
        lines.extend(choices(&rules).iter().map(|choice| wrapped(choice)));
    }
    lines.join("\n") + "\n"
}

#[test]
fn the_document_tells_all_fields() {
    let stored = fs::read_to_string(document()).unwrap();
    let mut parts = stored.split(BEGIN);
    let mut wanted = parts.next().unwrap().to_owned();
    let mut told = vec!["the whole".to_owned()];
    for part in parts {
        let (section, rest) = part.split_once(" -->\n").unwrap();
        let (_, behind) = rest.split_once(END).unwrap();
        wanted += &format!("{BEGIN}{section} -->\n{}{END}{behind}", generated(section));
        told.push(section.to_owned());
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(document(), &wanted).unwrap();
    } else {
        assert!(stored == wanted, "docs/configuration.md is not what the types say: `make docs` writes it");
    }
    let sections = fields_of("the whole").into_iter().map(|field| field.path);
    let missing: Vec<_> = sections.filter(|name| !fields_of(name).is_empty() && !told.contains(name)).collect();
    assert_eq!(missing, [""; 0], "sections without their fields in docs/configuration.md");
}

/// The JSON of the document: whole configurations, or sections.
fn examples() -> Vec<Value> {
    let text = fs::read_to_string(document()).unwrap();
    let blocks = text.split("```json\n").skip(1).map(|block| block.split("```").next().unwrap());
    let parse = |text: &str| serde_json::from_str(text).or_else(|_| serde_json::from_str(&format!("{{{text}}}")));
    blocks.map(|block| parse(block).unwrap_or_else(|error| panic!("{error}: {block}"))).collect()
}

/// Whether something stands at this path of a value.
fn has(value: &Value, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    if *first == ANY {
        return value.as_object().is_some_and(|it| it.values().any(|value| has(value, rest)));
    }
    match first.strip_suffix("[]") {
        Some(name) => value[name].as_array().is_some_and(|items| items.iter().any(|item| has(item, rest))),
        None => value.get(first).is_some_and(|value| has(value, rest)),
    }
}

#[test]
fn each_field_is_in_an_example() {
    let (all, examples) = (schema(), examples());
    let mut known = vec![];
    fields(&all, &all, "", &mut known);
    let shown = |field: &&Field| {
        let path: Vec<&str> = field.path.split('.').collect();
        examples.iter().any(|example| has(example, &path))
    };
    let missing: Vec<&str> = known.iter().filter(|field| !shown(field)).map(|field| field.path.as_str()).collect();
    assert_eq!(missing, [""; 0], "fields without an example in docs/configuration.md");
}
