//! The list of stats in `docs/metrics.md` is that of `stats/list.rs`. With `UPDATE` in the environment (`make
//! docs`) it is written, without it is compared. And each bootstrap's `stats_tags` take the labels out of the
//! stats' names.

#![allow(clippy::panic, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::{env, fs};

use kafka_partition_remapper_core::stats::{AuthOutcome, BrokerLabel, HeldSide, Names, Outcome, Stat, TopicLabel};
use kafka_partition_remapper_core::stats_document;
use regex::Regex;

/// Between these lines the document is generated.
const BEGIN: &str = "<!-- Generated from filter/core/src/stats/list.rs, by `make docs`. -->\n";
const END: &str = "<!-- End of what is generated. -->\n";

#[test]
fn the_document_tells_of_each_stat() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let document = fs::read_to_string(&path).expect("docs/metrics.md is text");
    let (before, rest) = document.split_once(BEGIN).expect("docs/metrics.md has the mark of its generated part");
    let (_, behind) = rest.split_once(END).expect("docs/metrics.md has the end of its generated part");
    let wanted = format!("{before}{BEGIN}\n{}\n{END}{behind}", stats_document());
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, wanted).expect("docs/metrics.md can be written");
    } else {
        assert!(document == wanted, "docs/metrics.md is not what the list of stats says: `make docs` writes it");
    }
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry of the folder").path();
        if path.is_dir() {
            files_below(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// The bootstraps that have tags, ConfigMaps among them: their names, and what the tags are called and look
/// for.
fn bootstraps() -> Vec<(PathBuf, Vec<(String, Regex)>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = vec![];
    files_below(&root.join("envoy"), &mut files);
    files_below(&root.join("examples"), &mut files);
    let all = files.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "yaml")).filter_map(|path| {
        let text = fs::read_to_string(&path).expect("a configuration is text");
        let values = |field: &str| {
            let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix(field));
            lines.map(|value| value.trim_matches('\'').to_owned()).collect::<Vec<String>>()
        };
        let (names, regexes) = (values("- tag_name: "), values("regex: "));
        let regexes = regexes.into_iter().filter(|regex| regex.starts_with("^wasmcustom"));
        let regexes = regexes.map(|regex| Regex::new(&regex).expect("a regular expression"));
        text.contains("stats_tags").then(|| (path, names.into_iter().zip(regexes).collect()))
    });
    all.collect()
}

#[test]
fn every_bootstrap_takes_the_labels_out_of_every_name() {
    let odd =
        ["a.outcome.b", "x.api.Produce", "api.Fetch.outcome.ok", "remapper.q", "version.1", "error.E.topic.t", "t"];
    let names = Names::new("k-1", odd.iter().map(|topic| (*topic).to_owned()).collect());
    let labelled = (0u16..).zip(odd).map(|(number, topic)| (TopicLabel::Named(number), topic));
    let mut cases: Vec<(Stat, Vec<(&str, &str)>)> = vec![
        (Stat::BytesSent, vec![]),
        (Stat::Responses { api: "Fetch", outcome: Outcome::Ok }, vec![("api", "Fetch"), ("outcome", "ok")]),
        (
            Stat::ResponseErrors { api: "Fetch", code: 3 },
            vec![("api", "Fetch"), ("error", "UNKNOWN_TOPIC_OR_PARTITION")],
        ),
        (
            Stat::Auth { mechanism: "SCRAM-SHA-256", outcome: AuthOutcome::Failure },
            vec![("mechanism", "SCRAM-SHA-256"), ("outcome", "failure")],
        ),
        (Stat::Reconnects { reason: "busy" }, vec![("reason", "busy")]),
        (Stat::BrokerErrors { broker: BrokerLabel::Id(17) }, vec![("broker", "17")]),
        (Stat::HeldBack { side: HeldSide::Broker }, vec![("side", "broker")]),
        (Stat::BuildInfo, vec![("version", env!("CARGO_PKG_VERSION"))]),
    ];
    for (topic, name) in labelled.chain([(TopicLabel::Others, "(others)")]) {
        cases.push((Stat::TopicBytesSent { topic }, vec![("topic", name)]));
        cases.push((Stat::TopicRequests { api: "Produce", topic }, vec![("api", "Produce"), ("topic", name)]));
    }
    let bootstraps = bootstraps();
    assert!(bootstraps.len() >= 7, "{bootstraps:?}");
    for (path, tags) in &bootstraps {
        for (stat, labels) in &cases {
            let name = format!("wasmcustom.{}", names.of(*stat));
            let (mut found, mut rest) = (vec![], name.clone());
            for (tag, regex) in tags {
                let Some(captures) = regex.captures(&name) else { continue };
                let group = |number| captures.get(number).map_or("", |group| group.as_str());
                found.push((tag.as_str(), group(2)));
                rest = rest.replacen(group(1), "", 1);
            }
            found.sort_unstable();
            let mut wanted = [&[("remapper", "k-1")], labels.as_slice()].concat();
            wanted.sort_unstable();
            assert_eq!(found, wanted, "{}: {name}", path.display());
            assert!(!rest.trim_start_matches("wasmcustom.").contains('.'), "{}: {rest}", path.display());
        }
    }
}
