//! The settings of one filter: is it this one, what is its configuration, and what Envoy does when it fails.

use std::cell::RefCell;
use std::collections::BTreeSet;

use base64::{engine::general_purpose::STANDARD, Engine};
use kafka_partition_remapper_core::config::Config;
use serde_json::{Number, Value};

use super::places::{kind, NetworkFilter};
use super::Filter;
use crate::report::{Level, Report, Section};
use crate::yaml::Node;

/// The type of a WebAssembly filter's settings.
pub(super) const KIND: &str = "envoy.extensions.filters.network.wasm.v3.Wasm";

/// Stands for a variable that is not set here: as long as a secret for salts has to be.
const STAND_IN: &str = "a-stand-in-for-a-variable-that-is-not-set-here-0123456789-abcdef";

/// Whether these are the settings of this filter: by the name of the code, of the filter or of the plugin, or
/// by what its configuration says.
pub(super) fn is_this(filter: &NetworkFilter, settings: &Node) -> bool {
    let named = |text: &str| text.replace('-', "_").contains("kafka_partition_remapper");
    let code = settings.at("config.vm_config.code");
    let places = ["local.filename", "remote.http_uri.uri"].map(|path| code.and_then(|code| code.text_at(path)));
    let names = [Some(filter.name.as_str()), settings.text_at("config.name"), settings.text_at("config.root_id")];
    let ours = ["mapping", "advertise", "route"];
    filter.kind == KIND
        && (places.into_iter().chain(names).flatten().any(named)
            || written(settings).ok().is_some_and(|(_, value)| ours.iter().any(|key| value.get(key).is_some())))
}

/// What Envoy does when the filter fails, and in what it runs.
pub(super) fn check(filter: &Filter, report: &mut Report) {
    let config = filter.settings.get("config");
    let policy = config.and_then(|config| config.text_at("failure_policy"));
    let is_open = config.is_some_and(|config| config.is_true_at("fail_open"));
    let mut add = |level, field: &str, text: &str| report.add(Section::Envoy, level, filter.says(field, text));
    let open = "when the filter fails, clients would talk to brokers around it, and take physical partitions for \
                virtual ones. Set failure_policy: FAIL_RELOAD";
    match policy {
        Some("FAIL_OPEN") => add(Level::Problem, "config.failure_policy", &format!("FAIL_OPEN: {open}")),
        _ if is_open => add(Level::Problem, "config.fail_open", &format!("true: {open}")),
        Some("FAIL_RELOAD") => {}
        _ => add(
            Level::Note,
            "config.failure_policy",
            "a VM that has failed is not started anew, and its worker closes all connections from then on. Set \
             FAIL_RELOAD",
        ),
    }
    let runtime = config.and_then(|config| config.text_at("vm_config.runtime"));
    if runtime.is_some_and(|runtime| runtime != "envoy.wasm.runtime.v8") {
        let text = format!("{}: tested is envoy.wasm.runtime.v8 alone", runtime.unwrap_or_default());
        add(Level::Note, "config.vm_config.runtime", &text);
    }
}

/// A configuration that the filter accepts.
pub(super) struct Judged {
    pub(super) config: Config,
    pub(super) written: Value,
    pub(super) unseen: Vec<String>,
}

/// The filter's configuration, as the filter reads it.
pub(super) fn configuration(
    filter: &Filter,
    environment: &dyn Fn(&str) -> Option<String>,
    report: &mut Report,
) -> Option<Judged> {
    let (text, written) = match written(&filter.settings) {
        Ok(found) => found,
        Err(problem) => {
            report.add(Section::Envoy, Level::Problem, filter.says("config.configuration", problem));
            return None;
        }
    };
    let passed = Passed::of(&filter.settings);
    let asked = RefCell::new(BTreeSet::new());
    let unseen = RefCell::new(BTreeSet::new());
    let variable = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        let value = passed.value(name, environment);
        if value.is_none() && passed.has(name) {
            unseen.borrow_mut().insert(name.to_owned());
        }
        // A stand-in also where Envoy passes nothing on: the rest of the configuration is looked at as well.
        Some(value.unwrap_or_else(|| STAND_IN.to_owned()))
    };
    let parsed = Config::parse(&text, &variable);
    let unseen: Vec<String> = unseen.into_inner().into_iter().collect();
    variables(filter, &passed, &asked.into_inner(), &unseen, &written, report);
    match parsed {
        Ok(config) => Some(Judged { config, written, unseen }),
        Err(error) => {
            let level = if unseen.is_empty() { Level::Problem } else { Level::Unknown };
            let doubt = if unseen.is_empty() { "" } else { " (with stand-ins for what is not set here)" };
            let text = format!("the filter refuses this configuration{doubt}: {error}");
            report.add(Section::Envoy, level, filter.says("config.configuration", text));
            None
        }
    }
}

/// What Envoy passes on of its environment.
struct Passed {
    host_env_keys: Vec<String>,
    key_values: Vec<(String, String)>,
}

const HOST_ENV_KEYS: &str = "config.vm_config.environment_variables.host_env_keys";
const KEY_VALUES: &str = "config.vm_config.environment_variables.key_values";

impl Passed {
    fn of(settings: &Node) -> Self {
        let keys = settings.at(HOST_ENV_KEYS).into_iter().flat_map(|list| list.items());
        let values = settings.at(KEY_VALUES).into_iter().flat_map(|map| map.entries());
        Self {
            host_env_keys: keys.filter_map(|key| key.text().map(str::to_owned)).collect(),
            key_values: values.filter_map(|(key, value)| Some((key.clone(), value.text()?.to_owned()))).collect(),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.host_env_keys.iter().any(|key| key == name) || self.key_values.iter().any(|(key, _)| key == name)
    }

    fn value(&self, name: &str, environment: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let written = self.key_values.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        written.or_else(|| environment(name).filter(|_| self.host_env_keys.iter().any(|key| key == name)))
    }
}

/// `asked`: the variables that the configuration names.
fn variables(
    filter: &Filter,
    passed: &Passed,
    asked: &BTreeSet<String>,
    unseen: &[String],
    written: &Value,
    report: &mut Report,
) {
    let mut add = |level, field: &str, text: String| report.add(Section::Envoy, level, filter.says(field, text));
    for name in asked.iter().filter(|name| !passed.has(name)) {
        let places = named_at(written, name, "").join(", ");
        let text = format!("does not list {name}, which {places} names: Envoy does not pass it on. Add {name}");
        add(Level::Problem, HOST_ENV_KEYS, text);
    }
    for name in unseen {
        add(Level::Unknown, HOST_ENV_KEYS, format!("{name} is not set here, so its value was not looked at"));
    }
    for name in passed.host_env_keys.iter().filter(|name| !asked.contains(*name)) {
        add(Level::Note, HOST_ENV_KEYS, format!("lists {name}, which the configuration does not name"));
    }
    for (name, _) in passed.key_values.iter().filter(|(name, _)| asked.contains(name)) {
        add(
            Level::Note,
            KEY_VALUES,
            format!("{name} is a secret that stands in this file, and in Envoy's config_dump"),
        );
    }
}

/// The fields whose text has `${NAME}` in it.
fn named_at(value: &Value, name: &str, path: &str) -> Vec<String> {
    match value {
        Value::String(text) if text.contains(&format!("${{{name}}}")) => vec![path.to_owned()],
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.flat_map(|(index, item)| named_at(item, name, &format!("{path}[{index}]"))).collect()
        }
        Value::Object(fields) => {
            let dot = if path.is_empty() { "" } else { "." };
            fields.iter().flat_map(|(key, value)| named_at(value, name, &format!("{path}{dot}{key}"))).collect()
        }
        _ => vec![],
    }
}

/// The configuration's text as Envoy hands it to the filter, and as a value (null if the text is no JSON).
fn written(settings: &Node) -> Result<(String, Value), String> {
    let Some(configuration) = settings.at("config.configuration") else {
        return Ok((String::new(), Value::Null));
    };
    let kind = kind(configuration).ok_or("has no @type: Envoy refuses it. Write google.protobuf.StringValue")?;
    let value = configuration.get("value");
    let text = match kind {
        "google.protobuf.StringValue" => value.and_then(|value| value.text()).unwrap_or_default().to_owned(),
        // Envoy keeps the numbers of a Struct as doubles.
        "google.protobuf.Struct" => {
            let fields = value.map_or_else(|| Value::Object(serde_json::Map::new()), |value| doubles(value.to_json()));
            serde_json::to_string(&fields).unwrap_or_default()
        }
        "google.protobuf.BytesValue" => {
            let bytes = STANDARD.decode(value.and_then(|value| value.text()).unwrap_or_default());
            let bytes = bytes.map_err(|_| "its value is no base64".to_owned())?;
            String::from_utf8(bytes).map_err(|_| "its value is not UTF-8".to_owned())?
        }
        other => return Err(format!("is of the type {other}. Write google.protobuf.StringValue or Struct")),
    };
    let value = serde_json::from_str(&text).unwrap_or(Value::Null);
    Ok((text, value))
}

fn doubles(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let double = number.as_f64().and_then(Number::from_f64);
            double.map_or(Value::Null, Value::Number)
        }
        Value::Array(items) => items.into_iter().map(doubles).collect(),
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(key, value)| (key, doubles(value))).collect()),
        other => other,
    }
}
