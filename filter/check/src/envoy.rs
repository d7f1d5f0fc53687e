//! Envoy's own files: bootstraps, listeners and filters in files of discovery, and what other programs wrap
//! around these (a ConfigMap, an EnvoyFilter, a dump of Envoy's admin page). All filters in them that are
//! this one, and what stands around each.

mod chain;
mod pairs;
mod places;
mod ports;
mod tags;
mod wasm;

use std::rc::Rc;

use kafka_partition_remapper_core::config::Config;
use serde_json::Value;

use self::places::{Chain, Listener, Places};
use crate::report::{counted, Level, Report, Section};
use crate::yaml::{self, Node};

/// Fields that only Envoy's files have at their top; the filter's configuration has none of them.
const ENVOYS: [&str; 17] = [
    "static_resources",
    "dynamic_resources",
    "admin",
    "node",
    "resources",
    "listeners",
    "filter_chains",
    "address",
    "typed_config",
    "@type",
    "filters",
    "apiVersion",
    "kind",
    "configs",
    "config_discovery",
    "layered_runtime",
    "data",
];

/// What a file is.
pub(crate) enum Form {
    /// The filter's own configuration, or nothing that can be told from it.
    Filter,
    /// Something of Envoy's.
    Envoy(Vec<Rc<Node>>),
    /// No YAML, and nothing that begins as JSON does.
    Broken(String),
}

/// Tells the two apart, by what stands at the top of the text.
pub(crate) fn form(text: &str) -> Form {
    let begins_as_json = text.trim_start().starts_with('{') || text.trim().is_empty();
    match yaml::documents(text, 1) {
        Ok(documents) if documents.iter().any(|document| is_envoys(document)) => Form::Envoy(documents),
        Ok(_) if begins_as_json => Form::Filter,
        Ok(documents) => Form::Broken(not_envoys(&documents)),
        Err(_) if begins_as_json => Form::Filter,
        Err(problem) => Form::Broken(format!("it is no YAML: {problem}")),
    }
}

fn is_envoys(document: &Node) -> bool {
    ENVOYS.iter().any(|key| document.get(key).is_some())
}

fn not_envoys(documents: &[Rc<Node>]) -> String {
    let own = ["mapping", "advertise", "route", "sasl", "upstream", "stat_prefix"];
    if documents.iter().any(|document| own.iter().any(|key| document.get(key).is_some())) {
        return "this is the filter's own configuration as YAML, and the filter reads JSON. Write JSON, or put it \
                into Envoy's YAML as a google.protobuf.Struct"
            .to_owned();
    }
    "it is neither the filter's own configuration, as JSON, nor a file of Envoy's: a bootstrap, or listeners or \
     filters"
        .to_owned()
}

/// A filter in a file, and what is around it there.
pub(crate) struct Filter {
    /// Where its settings stand: file, line and path.
    spot: Spot,
    name: String,
    /// Its `envoy.extensions.filters.network.wasm.v3.Wasm`.
    settings: Rc<Node>,
    /// The listener, its filter chain, and which of the chain's filters this is. None: the file has it alone.
    place: Option<(Rc<Listener>, Rc<Chain>, usize)>,
}

/// A place in a file.
#[derive(Clone, Debug)]
struct Spot {
    file: String,
    line: usize,
    path: String,
}

impl Filter {
    /// file:line, listener, filter.
    fn title(&self) -> String {
        let Spot { file, line, .. } = &self.spot;
        match &self.place {
            Some((listener, ..)) => format!("{file}:{line}: listener {}, filter {}", listener.name, self.name),
            None => format!("{file}:{line}: filter {}", self.name),
        }
    }

    /// A finding about a field of the filter's settings.
    fn says(&self, field: &str, text: impl std::fmt::Display) -> String {
        format!("{}: {field}: {text}", self.title())
    }

    fn listener(&self) -> Option<&Listener> {
        self.place.as_ref().map(|(listener, ..)| &**listener)
    }
}

/// A configuration, and the filters that have it.
pub(crate) struct Group {
    pub(crate) config: Config,
    /// The configuration as it is written, to tell it from others.
    written: Value,
    filters: Vec<Filter>,
    /// Variables that Envoy passes on, and that are not set here: stand-ins were taken for them.
    pub(crate) unseen: Vec<String>,
}

impl Group {
    /// Where it stands.
    pub(crate) fn title(&self) -> String {
        let mut listeners: Vec<&str> =
            self.filters.iter().filter_map(Filter::listener).map(|listener| listener.name.as_str()).collect();
        listeners.dedup();
        let Some(first) = self.filters.first() else { return String::new() };
        let Spot { file, line, .. } = &first.spot;
        match listeners.as_slice() {
            [] => format!("{file}:{line}: filter {}", first.name),
            listeners => format!("{file}:{line}: filter {} of listener {}", first.name, listeners.join(", ")),
        }
    }

    /// Looks whether clients reach each of these brokers.
    pub(crate) fn reaches(&self, brokers: &[i32], report: &mut Report) {
        ports::reaches(self, brokers, report);
    }
}

/// Everything of a file of Envoy's that concerns this filter.
pub(crate) struct Gateway {
    /// What the file was taken for.
    pub(crate) took: String,
    pub(crate) groups: Vec<Group>,
    pub(crate) report: Report,
}

/// Finds the filters, judges each, and what is around them. `environment`: the variables that are set here.
///
/// # Errors
/// There is no filter of this kind in the file.
pub(crate) fn gateway(
    file: &str,
    documents: &[Rc<Node>],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Gateway, String> {
    let mut report = Report::default();
    let mut places = Places::default();
    documents.iter().for_each(|document| places.look_through(file, document, &mut report));
    let found = places.filters();
    let took = took(file, documents, &places, found.len());
    if found.is_empty() {
        let elsewhere = if report.exit_code() == 0 { "" } else { ". What it refers to could not be read" };
        return Err(format!("{took}: none is this one{elsewhere}"));
    }
    let mut groups: Vec<Group> = vec![];
    for filter in found {
        wasm::check(&filter, &mut report);
        if let Some(judged) = wasm::configuration(&filter, environment, &mut report) {
            chain::check(&filter, &judged.config, &places, &mut report);
            match groups.iter_mut().find(|group| group.written == judged.written) {
                Some(group) => group.filters.push(filter),
                None => {
                    let wasm::Judged { config, written, unseen } = judged;
                    groups.push(Group { config, written, filters: vec![filter], unseen });
                }
            }
        }
    }
    ports::check(&groups, &mut report);
    pairs::check(&groups, &mut report);
    documents.iter().for_each(|document| tags::check(file, document, &mut report));
    if places.listeners.is_empty() {
        let text = format!("{file}: no listener is in this file, so ports and the filters around were not looked at");
        report.add(Section::Envoy, Level::Note, text);
    }
    Ok(Gateway { took, groups, report })
}

fn took(file: &str, documents: &[Rc<Node>], places: &Places, filters: usize) -> String {
    let has = |key: &str| documents.iter().any(|document| document.get(key).is_some());
    let what = if has("static_resources") || has("dynamic_resources") {
        "a bootstrap of Envoy"
    } else if has("kind") {
        "a manifest with a configuration of Envoy"
    } else {
        "a file of Envoy's"
    };
    let file = if file == "-" { "standard input" } else { file };
    let listeners = counted(places.listeners.len(), "listener");
    format!("{file} is {what} with {listeners}, and {} of this kind", counted(filters, "filter"))
}
