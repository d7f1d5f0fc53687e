//! The ports that clients are told, and the ports that Envoy listens at.

use std::collections::BTreeSet;

use kafka_partition_remapper_core::brokers::Advertise;

use super::{Filter, Group};
use crate::limits::NAMED_MAX;
use crate::report::{named, Level, Report, Section};

/// Whether each broker that is known from the files has a port. Listeners of one `stat_prefix` that advertise
/// the same are one gateway: each may have the port of another broker.
pub(super) fn check(groups: &[Group], report: &mut Report) {
    let mut seen: Vec<(&str, &Advertise)> = vec![];
    for group in groups {
        let identity = (group.config.stat_prefix.as_str(), &group.config.advertise);
        if seen.contains(&identity) {
            continue;
        }
        seen.push(identity);
        let same =
            groups.iter().filter(|other| (other.config.stat_prefix.as_str(), &other.config.advertise) == identity);
        let same: Vec<&Group> = same.collect();
        let Some(filter) = group.filters.iter().find(|filter| filter.place.is_some()) else { continue };
        let ports = ports(&same);
        match &group.config.advertise {
            Advertise::Ports { host, base } => of_ports(filter, host, *base, &ports, report),
            Advertise::Table(_) => of_table(group, filter, &ports, report),
            Advertise::Sni { .. } | Advertise::Unchanged => {}
        }
        loopback_alone(group, filter, &same, report);
    }
}

fn ports(groups: &[&Group]) -> BTreeSet<u16> {
    let listeners = groups.iter().flat_map(|group| &group.filters).filter_map(Filter::listener);
    listeners.flat_map(|listener| &listener.addresses).map(|(_, port)| *port).filter(|port| *port > 0).collect()
}

fn add(report: &mut Report, level: Level, filter: &Filter, field: &str, text: String) {
    report.add(Section::Envoy, level, filter.says(field, text));
}

fn of_ports(filter: &Filter, host: &str, base: u16, ports: &BTreeSet<u16>, report: &mut Report) {
    if ports.is_empty() {
        return;
    }
    let mine: Vec<u16> = ports.range(base..).copied().collect();
    let (Some(first), Some(last)) = (mine.first(), mine.last()) else {
        let own: Vec<String> = ports.iter().map(u16::to_string).collect();
        let text = format!(
            "is {base}: clients are told {host}:{base} + id, and the ports that are listened at, {}, are all below. \
             Add an entry of additional_addresses with port_value {} for broker 1, and so on for each",
            named(&own),
            u32::from(base) + 1
        );
        return add(report, Level::Problem, filter, "advertise.ports.base", text);
    };
    let missing: Vec<String> =
        (*first..*last).filter(|port| !mine.contains(port)).take(NAMED_MAX + 1).map(|port| port.to_string()).collect();
    if usize::from(last - first) < 2 * mine.len() && !missing.is_empty() {
        let text = format!("no listener has port {}, for the broker of id port - {base}", named(&missing));
        add(report, Level::Note, filter, "advertise.ports.base", text);
    }
    let (least, most) = (first - base, last - base);
    let text = match first == last {
        true => format!("port {first} stands for broker {least}"),
        false => format!("ports {first} to {last} stand for brokers {least} to {most}"),
    };
    add(report, Level::Fine, filter, "advertise.ports", text);
}

fn of_table(group: &Group, filter: &Filter, ports: &BTreeSet<u16>, report: &mut Report) {
    let Advertise::Table(table) = &group.config.advertise else { return };
    let by_name = group.filters.iter().any(|filter| filter.place.as_ref().is_some_and(|(_, chain, _)| chain.ends_tls));
    if by_name || ports.is_empty() {
        return;
    }
    for (id, address) in table {
        let field = format!("advertise.table.{id}");
        if !ports.contains(&address.port) {
            let text = format!(
                "is {address}, and no listener has port {}. Add an entry of additional_addresses with that port_value",
                address.port
            );
            add(report, Level::Problem, filter, &field, text);
        }
        let twin = table.iter().find(|(other, at)| **other < *id && at.port == address.port);
        if let Some((other, _)) = twin {
            let text = format!(
                "has the port {} of broker {other}: without TLS only ports tell brokers apart. Give it another one",
                address.port
            );
            add(report, Level::Problem, filter, &field, text);
        }
    }
}

/// Listeners that only this machine reaches, behind a name that others are told.
fn loopback_alone(group: &Group, filter: &Filter, same: &[&Group], report: &mut Report) {
    let Some((host, _)) = group.config.advertise.address(1, "", 0).filter(|(host, _)| !host.is_empty()) else { return };
    let is_local = |host: &str| host == "localhost" || host == "::1" || host.starts_with("127.");
    let listeners = same.iter().flat_map(|group| &group.filters).filter_map(Filter::listener);
    let mut hosts = listeners.flat_map(|listener| &listener.addresses).map(|(host, _)| host).peekable();
    if hosts.peek().is_some() && hosts.all(|host| is_local(host)) && !is_local(&host) {
        let text = format!("clients are told {host}, and Envoy listens at addresses of this machine only");
        add(report, Level::Note, filter, "advertise", text);
    }
}

/// Whether clients reach each of these brokers, which the cluster has.
pub(super) fn reaches(group: &Group, brokers: &[i32], report: &mut Report) {
    let Some(filter) = group.filters.iter().find(|filter| filter.place.is_some()) else { return };
    let ports = ports(&[group]);
    let advertise = &group.config.advertise;
    let by_port = match advertise {
        Advertise::Ports { .. } => true,
        Advertise::Table(_) => {
            !group.filters.iter().any(|filter| filter.place.as_ref().is_some_and(|(_, chain, _)| chain.ends_tls))
        }
        Advertise::Sni { .. } | Advertise::Unchanged => false,
    };
    for id in brokers {
        let text = match advertise.address(*id, "", 1) {
            None => format!("broker {id} of the cluster has no address in advertise: clients are never told of it"),
            Some((host, port)) => {
                let is_there = u16::try_from(port).is_ok_and(|port| ports.contains(&port));
                if !by_port || ports.is_empty() || is_there {
                    continue;
                }
                format!(
                    "broker {id} of the cluster is advertised as {host}:{port}, and no listener has that port. Add \
                     \"- address: {{socket_address: {{address: 0.0.0.0, port_value: {port}}}}}\" to additional_addresses"
                )
            }
        };
        add(report, Level::Problem, filter, "advertise", text);
    }
}
