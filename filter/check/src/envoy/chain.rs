//! What stands around the filter in its chain: before it, behind it, and in front of both.

use kafka_partition_remapper_core::brokers::{Advertise, Route};
use kafka_partition_remapper_core::config::Config;

use super::places::{Chain, Listener, NetworkFilter, Places};
use super::{wasm, Filter};
use crate::report::{Level, Report, Section};
use crate::yaml::Node;

const TCP_PROXY: &str = "tcp_proxy.v3.TcpProxy";
const FORWARD_PROXY: &str = "sni_dynamic_forward_proxy.v3.FilterConfig";

/// Looks at the chain of one filter.
pub(super) fn check(filter: &Filter, config: &Config, places: &Places, report: &mut Report) {
    let Some((listener, chain, index)) = &filter.place else { return };
    let mut findings = Findings { filter, report };
    let (before, behind) = chain.filters.split_at(*index);
    let behind = behind.get(1..).unwrap_or_default();
    findings.order(before, behind);
    let Some(proxy) = behind.iter().find(|filter| is(filter, TCP_PROXY)) else { return };
    findings.route(config, behind, proxy, places);
    if matches!(config.route, Route::Envoy) {
        findings.shared_cluster(config, listener, chain, proxy);
    }
    findings.server_names(config, listener, chain);
    let connects_late = proxy.settings.as_ref().and_then(|settings| settings.text_at("upstream_connect_mode"));
    if connects_late != Some("ON_DOWNSTREAM_DATA") {
        let text = "upstream_connect_mode is not ON_DOWNSTREAM_DATA: connections that send nothing reach brokers";
        findings.behind(Level::Note, proxy, text);
    }
}

fn is(filter: &NetworkFilter, kind: &str) -> bool {
    filter.kind.ends_with(kind)
}

struct Findings<'a> {
    filter: &'a Filter,
    report: &'a mut Report,
}

impl Findings<'_> {
    fn add(&mut self, level: Level, field: &str, text: impl std::fmt::Display) {
        self.report.add(Section::Envoy, level, self.filter.says(field, text));
    }

    /// A finding about another filter of the chain.
    fn behind(&mut self, level: Level, other: &NetworkFilter, text: impl std::fmt::Display) {
        let at = format!("{} (line {}, {})", other.name, other.spot.line, other.spot.path);
        self.report.add(Section::Envoy, level, format!("{}: {at}: {text}", self.filter.title()));
    }

    fn order(&mut self, before: &[NetworkFilter], behind: &[NetworkFilter]) {
        for other in before {
            if is(other, TCP_PROXY) || is(other, FORWARD_PROXY) {
                self.behind(
                    Level::Problem,
                    other,
                    "stands before this filter, which has to choose the broker and to see each byte first. Put this \
                     filter before it",
                );
            }
            if other.settings.as_ref().is_some_and(|settings| wasm::is_this(other, settings)) {
                self.behind(Level::Problem, other, "is this filter a second time in one chain. Take one of them out");
            }
        }
        let has_proxy = behind.iter().chain(before).any(|other| is(other, TCP_PROXY));
        if !has_proxy {
            self.add(Level::Problem, "filters", "no tcp_proxy stands behind this filter: nothing leads to brokers");
        }
    }

    /// Who chooses the broker, here and in Envoy.
    fn route(&mut self, config: &Config, behind: &[NetworkFilter], proxy: &NetworkFilter, places: &Places) {
        let forward = behind.iter().find(|filter| is(filter, FORWARD_PROXY));
        let name = proxy.settings.as_ref().and_then(|settings| settings.text_at("cluster")).unwrap_or_default();
        let cluster = places.cluster(name);
        let is_forward = |cluster: &Node| {
            let kind = cluster.at("cluster_type.typed_config").and_then(|settings| settings.text_at("@type"));
            kind.is_some_and(|kind| kind.contains("dynamic_forward_proxy"))
        };
        match (&config.route, forward) {
            (Route::Dynamic(_), None) => self.add(
                Level::Problem,
                "route.dynamic",
                "the filter chooses the broker, and no sni_dynamic_forward_proxy behind it connects there. Add one \
                 before tcp_proxy, or let Envoy choose by \"route\": {\"envoy\": {}}",
            ),
            (Route::Envoy, Some(other)) => self.behind(
                Level::Problem,
                other,
                "connects to the name that a client's TLS handshake asks for, since route.envoy leaves the choice to \
                 Envoy. Take it out, or let the filter choose by route.dynamic",
            ),
            _ => {}
        }
        match (&config.route, cluster.map(is_forward)) {
            (Route::Dynamic(_), Some(false)) => self.behind(
                Level::Problem,
                proxy,
                format!(
                    "cluster {name} is no dynamic_forward_proxy cluster: it ignores the broker that the filter chose"
                ),
            ),
            (Route::Envoy, Some(true)) => self.behind(
                Level::Problem,
                proxy,
                format!("cluster {name} needs a broker's name, and with route.envoy the filter chooses none"),
            ),
            (_, None) if !name.is_empty() => {
                self.behind(Level::Note, proxy, format!("cluster {name} is not in this file, so it was not looked at"))
            }
            _ => {}
        }
    }

    /// Ports of several brokers that Envoy leads to one cluster.
    fn shared_cluster(&mut self, config: &Config, listener: &Listener, chain: &Chain, proxy: &NetworkFilter) {
        let is_parted = chain.matches.as_ref().is_some_and(|matches| matches.get("destination_port").is_some());
        let brokers = |(_, port): &&(String, u16)| config.advertise.broker_of(Some(*port), None).is_some();
        let ports: Vec<String> = listener.addresses.iter().filter(brokers).map(|(_, port)| port.to_string()).collect();
        if ports.len() > 1 && !is_parted {
            let text = format!(
                "ports {} stand for different brokers, and all lead to this one cluster. Give each broker a listener \
                 and a cluster, or let the filter choose by route.dynamic",
                ports.join(", ")
            );
            self.behind(Level::Problem, proxy, text);
        }
    }

    /// Brokers that are told apart by the names that TLS handshakes ask for.
    fn server_names(&mut self, config: &Config, listener: &Listener, chain: &Chain) {
        let Advertise::Sni { host, port } = &config.advertise else { return };
        if !chain.ends_tls {
            let text = format!(
                "brokers are told apart by TLS server names, and the filter chain has no transport_socket with a \
                 DownstreamTlsContext: nobody could connect to {}:{port}",
                host.fill(0)
            );
            self.add(Level::Problem, "advertise.sni", text);
        }
        if !listener.reads_server_name {
            let text = format!(
                "listener {} ({}) has no envoy.filters.listener.tls_inspector in listener_filters: the server name \
                 is not known when the filter chooses the broker. Add it",
                listener.name, listener.spot.path
            );
            self.add(Level::Problem, "advertise.sni", text);
        }
        if !listener.addresses.iter().any(|(_, own)| own == port) {
            let own: Vec<String> = listener.addresses.iter().map(|(_, port)| port.to_string()).collect();
            let text = format!(
                "is {port}, and the listener has {}: right only if something before Envoy translates ports",
                own.join(", ")
            );
            self.add(Level::Note, "advertise.sni.port", text);
        }
        let names = chain.matches.as_ref().and_then(|matches| matches.get("server_names"));
        let names: Vec<&str> = names.into_iter().flat_map(|list| list.items()).filter_map(|name| name.text()).collect();
        let sample = host.fill(0);
        if !names.is_empty() && !names.iter().any(|name| fits(name, &sample)) {
            let text = format!(
                "filter_chain_match.server_names has {}, which fits no broker: they are advertised as {host}",
                names.join(", ")
            );
            self.add(Level::Problem, "advertise.sni.host", text);
        }
    }
}

/// Whether an entry of `server_names` takes this name.
fn fits(entry: &str, name: &str) -> bool {
    let (entry, name) = (entry.to_ascii_lowercase(), name.to_ascii_lowercase());
    entry == name || entry.strip_prefix('*').is_some_and(|end| name.len() > end.len() && name.ends_with(end))
}
