//! Listeners, filters and clusters, wherever a file has them.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{wasm, Filter, Spot};
use crate::limits::{DISCOVERY_DEPTH_MAX, ENVOY_FILE_BYTES_MAX};
use crate::report::{Level, Report, Section};
use crate::yaml::{self, Node};

/// A listener, and what matters of it here.
pub(crate) struct Listener {
    pub(crate) name: String,
    pub(crate) spot: Spot,
    /// All its addresses: host and port.
    pub(crate) addresses: Vec<(String, u16)>,
    /// Whether something reads the name that a TLS handshake asks for, before it.
    pub(crate) reads_server_name: bool,
    pub(crate) chains: Vec<Rc<Chain>>,
}

/// A filter chain.
pub(crate) struct Chain {
    /// Its `filter_chain_match`.
    pub(crate) matches: Option<Rc<Node>>,
    /// Whether Envoy ends clients' TLS.
    pub(crate) ends_tls: bool,
    pub(crate) filters: Vec<NetworkFilter>,
}

/// A filter of a chain.
pub(crate) struct NetworkFilter {
    pub(crate) name: String,
    /// The type of its settings, without the host before it.
    pub(crate) kind: String,
    pub(crate) settings: Option<Rc<Node>>,
    pub(crate) spot: Spot,
}

#[derive(Default)]
pub(crate) struct Places {
    pub(crate) listeners: Vec<Rc<Listener>>,
    /// Filters that stand in no listener.
    loose: Vec<NetworkFilter>,
    /// Clusters by their names.
    clusters: Vec<(String, Rc<Node>)>,
}

impl Places {
    /// Takes what a document has, and the files that it names.
    pub(crate) fn look_through(&mut self, file: &str, document: &Rc<Node>, report: &mut Report) {
        for (key, inner) in in_config_map(document) {
            Walk { places: self, report, file, depth: 0 }.visit(&inner, &format!("data[{key}]"));
        }
        Walk { places: self, report, file, depth: 0 }.visit(document, "");
    }

    /// All filters that are this one.
    pub(crate) fn filters(&self) -> Vec<Filter> {
        let mut found = vec![];
        for listener in &self.listeners {
            for chain in &listener.chains {
                let ours = chain.filters.iter().enumerate().filter_map(|(index, filter)| {
                    let place = Some((Rc::clone(listener), Rc::clone(chain), index));
                    ours(filter, place)
                });
                found.extend(ours);
            }
        }
        found.extend(self.loose.iter().filter_map(|filter| ours(filter, None)));
        found
    }

    pub(crate) fn cluster(&self, name: &str) -> Option<&Node> {
        self.clusters.iter().find(|(other, _)| other == name).map(|(_, node)| &**node)
    }
}

fn ours(filter: &NetworkFilter, place: Option<(Rc<Listener>, Rc<Chain>, usize)>) -> Option<Filter> {
    let settings = filter.settings.as_ref().filter(|settings| wasm::is_this(filter, settings))?;
    Some(Filter { spot: filter.spot.clone(), name: filter.name.clone(), settings: Rc::clone(settings), place })
}

/// A walk through a document.
struct Walk<'a> {
    places: &'a mut Places,
    report: &'a mut Report,
    file: &'a str,
    /// How many files have led here.
    depth: usize,
}

impl Walk<'_> {
    fn spot(&self, node: &Node, path: &str) -> Spot {
        Spot { file: self.file.to_owned(), line: node.line, path: path.to_owned() }
    }

    fn visit(&mut self, node: &Rc<Node>, path: &str) {
        if node.get("filter_chains").is_some() || node.get("default_filter_chain").is_some() {
            return self.listener(node, path);
        }
        if node.get("typed_config").and_then(|settings| kind(settings)).is_some_and(|kind| kind == wasm::KIND) {
            let filter = self.filter(node, path);
            return self.places.loose.push(filter);
        }
        let is_cluster = node.get("load_assignment").is_some() || node.get("connect_timeout").is_some();
        let is_cluster = is_cluster || node.get("cluster_type").is_some() || node.get("lb_policy").is_some();
        if let Some(name) = node.text_at("name").filter(|_| is_cluster) {
            self.places.clusters.push((name.to_owned(), Rc::clone(node)));
        }
        let watched = node.get("lds_config").and_then(|source| source.text_at("path_config_source.path"));
        if let Some(resources) = watched.and_then(|watched| self.follow(watched, &format!("{path}.lds_config"))) {
            let file = resources.0;
            for document in &resources.1 {
                let depth = self.depth + 1;
                Walk { places: self.places, report: self.report, file: &file, depth }.visit(document, "");
            }
        }
        for (key, value) in node.entries() {
            self.visit(value, &below(path, key));
        }
        for (index, item) in node.items().iter().enumerate() {
            self.visit(item, &format!("{path}[{index}]"));
        }
    }

    fn listener(&mut self, node: &Rc<Node>, path: &str) {
        let mut addresses: Vec<(String, u16)> = node.get("address").and_then(|at| address(at)).into_iter().collect();
        let others = node.get("additional_addresses").into_iter().flat_map(|list| list.items());
        addresses.extend(others.filter_map(|item| item.get("address").and_then(|at| address(at))));
        let filters = node.get("listener_filters").into_iter().flat_map(|list| list.items());
        let inspects = |filter: &Rc<Node>| {
            filter
                .get("typed_config")
                .and_then(|settings| kind(settings))
                .is_some_and(|kind| kind.contains("tls_inspector"))
        };
        let mut reads_server_name = filters.into_iter().any(inspects);
        let listed = node.get("filter_chains").into_iter().flat_map(|list| list.items()).enumerate();
        let listed = listed.map(|(index, chain)| (chain, format!("{}[{index}]", below(path, "filter_chains"))));
        let default = node.get("default_filter_chain").map(|chain| (chain, below(path, "default_filter_chain")));
        let mut chains = vec![];
        for (chain, path) in listed.chain(default) {
            let matches = chain.get("filter_chain_match").cloned();
            // With these Envoy puts the inspector in by itself.
            let by_match = |matches: &Rc<Node>| {
                matches.get("server_names").is_some() || matches.get("transport_protocol").is_some()
            };
            reads_server_name |= matches.as_ref().is_some_and(by_match);
            let tls = chain.at("transport_socket.typed_config").and_then(|settings| kind(settings));
            let filters = chain.get("filters").into_iter().flat_map(|list| list.items()).enumerate();
            let filters = filters.map(|(index, filter)| self.filter(filter, &format!("{path}.filters[{index}]")));
            chains.push(Rc::new(Chain { filters: filters.collect(), matches, ends_tls: tls.is_some_and(is_tls) }));
        }
        let name = node.text_at("name").map_or_else(|| shown_addresses(&addresses), str::to_owned);
        let spot = self.spot(node, path);
        self.places.listeners.push(Rc::new(Listener { name, spot, addresses, reads_server_name, chains }));
    }

    fn filter(&mut self, node: &Rc<Node>, path: &str) -> NetworkFilter {
        let name = node.text_at("name").unwrap_or("without a name").to_owned();
        let discovered = node.at("config_discovery.config_source.path_config_source").and_then(|at| at.text_at("path"));
        if let Some((file, documents)) = discovered.and_then(|watched| self.follow(watched, path)) {
            if let Some(found) = resource(&documents, &name) {
                let spot = Spot { file, line: found.line, path: "resources".to_owned() };
                return network_filter(name, found.get("typed_config"), spot);
            }
        }
        network_filter(name, node.get("typed_config"), self.spot(node, path))
    }

    /// The documents of a file that another one names: where it says, or beside that one.
    fn follow(&mut self, named: &str, path: &str) -> Option<(String, Vec<Rc<Node>>)> {
        let beside = Path::new(self.file).parent().map(Path::to_owned).unwrap_or_default();
        let beside = beside.join(Path::new(named).file_name().unwrap_or_default());
        let read = |path: &PathBuf| {
            let is_small = std::fs::metadata(path).is_ok_and(|found| found.len() <= ENVOY_FILE_BYTES_MAX);
            is_small.then(|| std::fs::read_to_string(path).ok()).flatten()
        };
        let found = [PathBuf::from(named), beside].into_iter().find_map(|path| Some((read(&path)?, path)));
        let problem = match found {
            Some(_) if self.depth >= DISCOVERY_DEPTH_MAX => "files name each other without end".to_owned(),
            None => "cannot be read, nor a file of this name beside. What is in it was not looked at".to_owned(),
            Some((text, path)) => match yaml::documents(&text, 1) {
                Ok(mut documents) => {
                    let inner: Vec<_> = documents.iter().flat_map(in_config_map).map(|(_, inner)| inner).collect();
                    documents.extend(inner);
                    return Some((path.display().to_string(), documents));
                }
                Err(problem) => format!("is no YAML: {problem}"),
            },
        };
        self.report.add(Section::Envoy, Level::Unknown, format!("{}: {path}: {named} {problem}", self.file));
        None
    }
}

/// The documents in a ConfigMap, by their keys; none of anything else.
fn in_config_map(document: &Rc<Node>) -> Vec<(String, Rc<Node>)> {
    let is_one = document.text_at("kind") == Some("ConfigMap");
    let data = document.get("data").filter(|_| is_one).into_iter().flat_map(|data| data.entries());
    let parsed = |value: &Node| value.text().and_then(|text| yaml::documents(text, value.line).ok());
    data.flat_map(|(key, value)| {
        parsed(value).into_iter().flatten().map(|inner| (key.to_owned(), inner)).collect::<Vec<_>>()
    })
    .collect()
}

fn network_filter(name: String, settings: Option<&Rc<Node>>, spot: Spot) -> NetworkFilter {
    let kind = settings.and_then(|settings| kind(settings)).unwrap_or_default().to_owned();
    let is_wrapped =
        settings.and_then(|settings| settings.text_at("@type")).is_some_and(|t| t.ends_with("TypedStruct"));
    let inner = settings.and_then(|settings| settings.get("value")).filter(|_| is_wrapped);
    NetworkFilter { name, kind, settings: inner.or(settings).cloned(), spot }
}

/// The resource of this name in a file of discovery.
fn resource<'a>(documents: &'a [Rc<Node>], name: &str) -> Option<&'a Rc<Node>> {
    let resources = documents.iter().filter_map(|document| document.get("resources")).flat_map(|list| list.items());
    resources.into_iter().find(|resource| resource.text_at("name") == Some(name))
}

/// The type of settings, also of those in a TypedStruct, without what stands before the slash.
pub(crate) fn kind(settings: &Node) -> Option<&str> {
    let outer = settings.text_at("@type")?;
    let kind = if outer.ends_with("TypedStruct") { settings.text_at("type_url")? } else { outer };
    Some(kind.rsplit('/').next().unwrap_or(kind))
}

fn is_tls(kind: &str) -> bool {
    kind.ends_with("DownstreamTlsContext")
}

fn address(node: &Node) -> Option<(String, u16)> {
    let socket = node.get("socket_address")?;
    Some((socket.text_at("address").unwrap_or_default().to_owned(), socket.get("port_value")?.port()?))
}

fn shown_addresses(addresses: &[(String, u16)]) -> String {
    addresses.first().map_or_else(|| "without a name".to_owned(), |(host, port)| format!("{host}:{port}"))
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
