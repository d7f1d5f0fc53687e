//! The bootstrap's `stats_tags`: without them labels stay in the names of stats.

use std::rc::Rc;

use crate::report::{Level, Report, Section};
use crate::yaml::{self, Node};

/// The bootstrap whose tags all others should have.
const SHIPPED: &str = include_str!("../../../../envoy/dynamic.yaml");

pub(super) fn check(file: &str, document: &Rc<Node>, report: &mut Report) {
    // Tags stand in a bootstrap, and in no file that listeners or filters come from.
    if document.get("static_resources").is_none() && document.get("dynamic_resources").is_none() {
        return;
    }
    let shipped = yaml::documents(SHIPPED, 1).unwrap_or_default();
    let wanted = shipped.first().map(tags).unwrap_or_default();
    let there = tags(document);
    let missing = wanted.iter().filter(|(name, _)| !there.iter().any(|(other, _)| other == name));
    let missing: Vec<&str> = missing.map(|(name, _)| name.as_str()).collect();
    let other = wanted.iter().filter(|tag| there.iter().any(|found| found.0 == tag.0) && !there.contains(tag));
    let other: Vec<&str> = other.map(|(name, _)| name.as_str()).collect();
    for (names, what) in [(missing, "has no tag"), (other, "has another regex than envoy/dynamic.yaml for the tag")] {
        if !names.is_empty() {
            let text = format!(
                "{file}: stats_config.stats_tags: {what} {}: these labels stay in the names of stats, where no \
                 dashboard finds them. Copy stats_tags from envoy/dynamic.yaml",
                names.join(", ")
            );
            report.add(Section::Envoy, Level::Note, text);
        }
    }
}

/// Names and patterns.
fn tags(document: &Rc<Node>) -> Vec<(String, String)> {
    let tags = document.at("stats_config.stats_tags").into_iter().flat_map(|list| list.items());
    tags.filter_map(|tag| Some((tag.text_at("tag_name")?.to_owned(), tag.text_at("regex")?.to_owned()))).collect()
}
