//! Filters of one file beside each other: what is the same and should differ, and what differs and should be
//! the same.

use std::collections::BTreeSet;

use kafka_partition_remapper_core::brokers::Route;
use kafka_partition_remapper_core::config::Config;
use kafka_partition_remapper_core::remapper::PartitionRemapper;
use kafka_partition_remapper_core::topics::mapping::{Mapping, TopicMatch};
use kafka_partition_remapper_core::topics::TopicRegistry;

use super::Group;
use crate::report::{Level, Report, Section};

const UNMAPPED: &str = "not mapped";

pub(super) fn check(groups: &[Group], report: &mut Report) {
    for (index, group) in groups.iter().enumerate() {
        for other in groups.iter().skip(index + 1) {
            pair(group, other, report);
        }
    }
}

fn pair(one: &Group, other: &Group, report: &mut Report) {
    let (Some(filter), Some(second)) = (one.filters.first(), other.filters.first()) else { return };
    let mut add = |level, field: &str, text: String| {
        let text = format!("{text}; the other is {}", second.title());
        report.add(Section::Envoy, level, filter.says(field, text));
    };
    let is_one_prefix = one.config.stat_prefix == other.config.stat_prefix;
    let brokers = (brokers(&one.config), brokers(&other.config));
    let (is_one_cluster, are_two_clusters) = match &brokers {
        (Some(one), Some(other)) => (!one.is_disjoint(other), one.is_disjoint(other)),
        // Envoy's clusters may stand for brokers of one Kafka cluster: then stat_prefix says which.
        _ => (is_one_prefix, false),
    };
    if is_one_prefix && are_two_clusters {
        let prefix = &one.config.stat_prefix;
        let text = format!(
            "{prefix:?} is that of two filters with other brokers: what is learned of one cluster would be believed of \
             the other. Each cluster needs its own"
        );
        add(Level::Problem, "stat_prefix", text);
    }
    if !is_one_cluster {
        return;
    }
    match difference(&one.config.mapping, &other.config.mapping) {
        Some((topic, [here, there])) => {
            // One way in with the mapping and one without is what a migration needs.
            let is_one_unmapped = [&here, &there].iter().any(|shown| *shown == UNMAPPED);
            let level = if is_one_unmapped { Level::Note } else { Level::Problem };
            let text = format!(
                "{topic} is {here} here and {there} there: what is written through one is read on other partitions \
                 through the other. Map the topic alike"
            );
            add(level, "mapping", text);
        }
        None if is_one_prefix => add(
            Level::Note,
            "stat_prefix",
            format!(
                "{:?} is that of two filters with other configurations: each takes the other's for a newer one of its \
                 own, and ends some connections. Give each a stat_prefix",
                one.config.stat_prefix
            ),
        ),
        None => {}
    }
}

/// Where the filter itself finds brokers.
fn brokers(config: &Config) -> Option<BTreeSet<String>> {
    let Route::Dynamic(route) = &config.route else { return None };
    let all = std::iter::once(&route.bootstrap.first).chain(&route.bootstrap.others);
    Some(all.map(ToString::to_string).collect())
}

/// The first topic that both know and map in two ways. Patterns are compared as they are written.
fn difference(one: &Mapping, other: &Mapping) -> Option<(String, [String; 2])> {
    let registries = [TopicRegistry::new(one), TopicRegistry::new(other)];
    let names = one.topics.iter().chain(&other.topics).filter_map(|topic| match &topic.matches {
        TopicMatch::Name(name) => Some(name),
        TopicMatch::Regex(_) => None,
    });
    for name in names {
        let shown = [0, 1].map(|index| registries.get(index).and_then(|registry| registry.remapper(name)));
        let [here, there] = shown.map(|remapper| shown_mapping(remapper.as_deref()));
        if here != there {
            return Some((name.clone(), [here, there]));
        }
    }
    for topic in &one.topics {
        let pattern = topic.matches.to_string();
        let same = other.topics.iter().find(|other| other.matches.to_string() == pattern);
        let [here, there] =
            [Some(topic), same].map(|topic| shown_mapping(topic.and_then(|topic| topic.remapper.as_ref())));
        if same.is_some() && here != there {
            return Some((pattern, [here, there]));
        }
    }
    let [here, there] = [&one.default, &other.default].map(|remapper| shown_mapping(remapper.as_ref()));
    (here != there).then(|| ("any other topic".to_owned(), [here, there]))
}

fn shown_mapping(remapper: Option<&PartitionRemapper>) -> String {
    let Some(remapper) = remapper else { return UNMAPPED.to_owned() };
    let (v, p) = (remapper.virtual_partitions(), remapper.physical_partitions());
    format!("{v} on {p} ({:?}, {:?})", remapper.layout(), remapper.offset_encoding()).to_lowercase()
}
