//! `check`: what the filter says to a configuration, and what the configuration means.

use std::fmt::Write;

use kafka_partition_remapper_core::brokers::{Advertise, Route};
use kafka_partition_remapper_core::config::Config;
use kafka_partition_remapper_core::principal::Source;
use kafka_partition_remapper_core::remapper::{Layout, OffsetEncoding, PartitionRemapper};
use kafka_partition_remapper_core::sasl::identities::BrokerIdentities;
use kafka_partition_remapper_core::sasl::Sasl;
use kafka_partition_remapper_core::topics::mapping::Mapping;
use kafka_partition_remapper_core::topics::TopicRegistry;

use crate::envoy::{self, Form, Gateway, Group};
use crate::live::{self, growth};
use crate::options::{Live, Options};
use crate::report::Report;
use crate::{options, Failure, Output};

/// Also says what the file was taken for.
const ACCEPTED: &str = "the filter accepts this configuration (it is the filter's own, as JSON)";

const HEAD: [&str; 6] = ["topic or pattern", "V", "P", "C", "layout", "offset encoding"];

pub(crate) fn run(arguments: &[String]) -> Result<Output, Failure> {
    let options = options::parse(arguments)?;
    let file = &options.file;
    let bytes = read(file).map_err(|error| Failure::Refused(format!("{file} cannot be read: {error}")))?;
    let refused = |problem: String| Failure::Refused(format!("the configuration is refused: {problem}"));
    let text = String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8".to_owned()))?;
    let environment = |name: &str| std::env::var(name).ok();
    match envoy::form(&text) {
        Form::Envoy(documents) => {
            let gateway = envoy::gateway(file, &documents, &environment).map_err(Failure::Refused)?;
            of_envoy(gateway, &options)
        }
        Form::Broken(problem) => Err(refused(problem)),
        Form::Filter => {
            let config = Config::parse(&text, &environment).map_err(|error| refused(error.to_string()))?;
            alone(&config, &options)
        }
    }
}

/// The filter's own configuration, without Envoy's around it.
fn alone(config: &Config, options: &Options) -> Result<Output, Failure> {
    if options.stat_prefix.as_ref().is_some_and(|prefix| *prefix != config.stat_prefix) {
        return Err(Failure::Refused(format!("the configuration's stat_prefix is {}", config.stat_prefix)));
    }
    if let Some(live) = &options.live {
        not_mapped(live.probe_topic.as_deref(), &config.mapping)?;
        return live::run(config, options, live, &|_, _| {});
    }
    let text = format!("{ACCEPTED}\n\n{}\n{}", mapping(&config.mapping), summary(config));
    if options.growth.is_empty() {
        return Ok(text.into());
    }
    let mut report = Report::default();
    grow(config, options, &mut report);
    Ok(Output { text: report.text(&text), code: report.exit_code() })
}

fn grow(config: &Config, options: &Options, report: &mut Report) {
    let registry = TopicRegistry::new(&config.mapping);
    for (topic, number) in &options.growth {
        growth::check(&config.mapping, &registry, topic, *number, report);
    }
}

/// All filters of a file of Envoy's: what they mean, what is around them, and then each beside the cluster.
fn of_envoy(mut gateway: Gateway, options: &Options) -> Result<Output, Failure> {
    if let Some(prefix) = &options.stat_prefix {
        gateway.groups.retain(|group| group.config.stat_prefix == *prefix);
        if gateway.groups.is_empty() {
            return Err(Failure::Refused(format!(
                "{}: none that can be read has the stat_prefix {prefix}",
                gateway.took
            )));
        }
    }
    let Gateway { took, groups, mut report } = gateway;
    let mut head = format!("{took}\n");
    for group in &groups {
        let (mapping, summary) = (mapping(&group.config.mapping), summary(&group.config));
        head.push_str(&format!("\n{}\n\n{mapping}\n{summary}", group.title()));
        if options.live.is_none() {
            grow(&group.config, options, &mut report);
        }
    }
    let mut output = Output { text: report.text(&head), code: report.exit_code() };
    for (group, live) in groups.iter().flat_map(|group| options.live.iter().map(move |live| (group, live))) {
        not_mapped(live.probe_topic.as_deref(), &group.config.mapping)?;
        let beside = beside_cluster(group, options, live)?;
        output.text.push_str(&format!("\n{}\n\n{}", group.title(), beside.text));
        output.code = match (output.code, beside.code) {
            (1, _) | (_, 1) => 1,
            (one, other) => one.max(other),
        };
    }
    Ok(output)
}

/// A filter's configuration beside the cluster. Not with a login of stand-ins.
fn beside_cluster(group: &Group, options: &Options, live: &Live) -> Result<Output, Failure> {
    let has_login = group.config.upstream.as_ref().is_some_and(|upstream| upstream.account.is_some());
    if live.login.is_none() && has_login && !group.unseen.is_empty() {
        let names = group.unseen.join(", ");
        return Err(Failure::Unknown(format!(
            "{}: the login at brokers is that of upstream.sasl, and {names} is not set here. Set it, or name a login \
             by --sasl-username",
            group.title()
        )));
    }
    live::run(&group.config, options, live, &|brokers, report| group.reaches(brokers, report))
}

/// A probe's records in a mapped topic would be read by its consumers, and lie in lanes that it may not have.
fn not_mapped(probe_topic: Option<&str>, mapping: &Mapping) -> Result<(), Failure> {
    match probe_topic.filter(|topic| TopicRegistry::new(mapping).remapper(topic).is_some()) {
        Some(topic) => Err(Failure::Usage(format!(
            "--probe-topic {topic}: the configuration maps this topic, and its consumers would read what the probe writes. \
             Name a topic that it does not map"
        ))),
        None => Ok(()),
    }
}

fn read(file: &str) -> std::io::Result<Vec<u8>> {
    if file == "-" {
        let mut bytes = vec![];
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(file)
}

/// One row per entry, in the order of the configuration, and one for all other topics.
fn mapping(mapping: &Mapping) -> String {
    let entries = mapping.topics.iter().map(|topic| (topic.matches.to_string(), topic.remapper.as_ref()));
    let others = if mapping.topics.is_empty() { "every topic" } else { "any other topic" };
    let default = (others.to_owned(), mapping.default.as_ref());
    let rows = entries.chain([default]).map(|(topic, remapper)| row(topic, remapper));
    aligned(&std::iter::once(HEAD.map(str::to_owned)).chain(rows).collect::<Vec<_>>())
}

fn row(topic: String, remapper: Option<&PartitionRemapper>) -> [String; 6] {
    let Some(remapper) = remapper else {
        let nothing = || "-".to_owned();
        return [topic, nothing(), nothing(), nothing(), "passes through".to_owned(), String::new()];
    };
    let layout = match remapper.layout() {
        Layout::Modulo => "modulo",
        Layout::Block => "block",
    };
    let encoding = match remapper.offset_encoding() {
        OffsetEncoding::Identity => "identity",
        OffsetEncoding::Lane => "lane",
    };
    [
        topic,
        remapper.virtual_partitions().to_string(),
        remapper.physical_partitions().to_string(),
        remapper.lanes().to_string(),
        layout.to_owned(),
        encoding.to_owned(),
    ]
}

/// Columns as wide as their widest cell, numbers to the right.
fn aligned(rows: &[[String; 6]]) -> String {
    let mut widths = [0; 6];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut table = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let padding = " ".repeat(width - cell.chars().count());
            let is_number = (1..=3).contains(&column);
            let (left, right) = if is_number { (padding.as_str(), "") } else { ("", padding.as_str()) };
            line.extend([left, cell, right, "  "]);
        }
        table.push_str(line.trim_end());
        table.push('\n');
    }
    table
}

/// Everything else that decides who reaches what.
fn summary(config: &Config) -> String {
    let mut lines = String::new();
    let sasl = match (&config.sasl, &config.upstream) {
        (Some(section), _) => sasl(section),
        (None, None) => "none; passes through to the broker".to_owned(),
        (None, Some(_)) => "none; clients' SASL is refused, since the filter logs in".to_owned(),
    };
    let principal = match (&config.sasl, &config.principal) {
        (Some(_), _) => "by sasl",
        (None, Some(principals)) => match principals.source {
            Source::Subject => "by the subject of the client's certificate",
            Source::SanUri => "by the first URI among the client's certificate's alternative names",
            Source::SanDns => "by the first DNS name among the client's certificate's alternative names",
        },
        (None, None) => "none",
    };
    let upstream = config.upstream.as_ref().map_or("none; the filter does not authenticate".to_owned(), upstream);
    for (name, text) in [
        ("advertise", advertise(&config.advertise)),
        ("route", route(&config.route)),
        ("sasl", sasl),
        ("principal", principal.to_owned()),
        ("upstream", upstream),
    ] {
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{name:<9}  {text}");
    }
    if config.shared_administration {
        lines.push_str(
            "users, ACLs, quotas and brokers  any client may administer them, in the name that brokers see\n",
        );
    }
    lines
}

fn advertise(advertise: &Advertise) -> String {
    match advertise {
        Advertise::Unchanged => "unchanged".to_owned(),
        Advertise::Ports { host, base } => format!("ports: broker n is {host}, port {base} + n"),
        Advertise::Sni { host, port } => format!("sni: brokers are {host}, port {port}"),
        Advertise::Table(table) => {
            let brokers: Vec<String> = table.iter().map(|(id, address)| format!("broker {id} is {address}")).collect();
            format!("table: {}", brokers.join(", "))
        }
    }
}

fn route(route: &Route) -> String {
    let Route::Dynamic(dynamic) = route else {
        return "envoy: its cluster decides".to_owned();
    };
    let bootstrap = std::iter::once(&dynamic.bootstrap.first).chain(&dynamic.bootstrap.others);
    let bootstrap: Vec<String> = bootstrap.map(ToString::to_string).collect();
    let brokers = match &dynamic.address {
        Some(address) => format!("brokers at {address}"),
        None => "brokers where they say they are".to_owned(),
    };
    format!("dynamic: {brokers}, bootstrap {}", bootstrap.join(", "))
}

fn sasl(sasl: &Sasl) -> String {
    let mechanisms: Vec<&str> = sasl.mechanisms.iter().map(|mechanism| mechanism.name()).collect();
    let session = sasl.max_session_ms.map(|ms| format!("; sessions of {} s", ms / 1_000)).unwrap_or_default();
    format!("{}; {}{session}", mechanisms.join(", "), counted(sasl.users.len(), "user"))
}

fn upstream(upstream: &BrokerIdentities) -> String {
    let own = upstream.account.as_ref().map(|account| format!("as {:?}", account.username));
    let others = match upstream.per_principal.len() {
        0 => None,
        count => Some(format!("with own logins for {}", counted(count, "principal"))),
    };
    let only = upstream.per_principal_only.then(|| "refusing all others".to_owned());
    let identities: Vec<String> = own.into_iter().chain(others).chain(only).collect();
    format!("{} {}", upstream.mechanism.name(), identities.join(", "))
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
