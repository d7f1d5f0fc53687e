//! Which mapping a topic has: the entry with its exact name, else the first regex that matches the whole
//! name, else the default.

pub mod mapping;
pub(crate) mod replica_list;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use regex::Regex;

use self::mapping::{Mapping, TopicMatch};
use crate::limits::{TOPIC_CACHE_ENTRIES_MAX, TOPIC_NAME_BYTES_MAX, TOPIC_STATS_MAX};
use crate::remapper::PartitionRemapper;
use crate::stats::TopicLabel;

/// What a topic is mapped by; `None` passes through untouched.
type Resolved = Option<Rc<PartitionRemapper>>;

/// The mapping section of the configuration, made ready for lookups by topic name.
#[derive(Debug)]
pub struct TopicRegistry {
    names: HashMap<String, Resolved>,
    /// In the order of the configuration: the first match counts.
    regexes: Vec<(Regex, Resolved)>,
    default: Resolved,
    /// What regexes and default have answered, since every request asks again.
    cache: RefCell<HashMap<String, Resolved>>,
    /// Of the mapped topics that have stats of their own: those that are named, in the configuration's order.
    labels: HashMap<String, TopicLabel>,
}

impl TopicRegistry {
    /// Ready for lookups.
    pub fn new(mapping: &Mapping) -> Self {
        let shared = |remapper: &Option<PartitionRemapper>| remapper.clone().map(Rc::new);
        let mut names = HashMap::new();
        let mut regexes = Vec::new();
        for topic in &mapping.topics {
            match &topic.matches {
                TopicMatch::Name(name) => {
                    names.insert(name.clone(), shared(&topic.remapper));
                }
                TopicMatch::Regex(regex) => regexes.push((regex.clone(), shared(&topic.remapper))),
            }
        }
        let default = shared(&mapping.default);
        let labelled =
            labelled(mapping).zip(0..).map(|((name, _), number)| (name.to_owned(), TopicLabel::Named(number)));
        Self { names, regexes, default, cache: RefCell::default(), labels: labelled.collect() }
    }

    /// Under which label a mapped topic is counted.
    pub(crate) fn label(&self, topic: &str) -> TopicLabel {
        self.labels.get(topic).copied().unwrap_or(TopicLabel::Others)
    }

    /// Whether any topic that has no stats of its own can be mapped.
    pub(crate) fn maps_others(&self) -> bool {
        let mapped = self.names.values().filter(|resolved| resolved.is_some()).count();
        let by_regex = self.regexes.iter().any(|(_, resolved)| resolved.is_some());
        mapped > self.labels.len() || by_regex || self.default.is_some()
    }

    /// The mapping of a topic, or `None` if it passes through. Topics that start with `__` are Kafka's own
    /// and are never mapped.
    pub fn remapper(&self, topic: &str) -> Option<Rc<PartitionRemapper>> {
        if topic.starts_with("__") {
            return None;
        }
        if let Some(named) = self.names.get(topic) {
            return named.clone();
        }
        if self.regexes.is_empty() {
            return self.default.clone();
        }
        if let Some(cached) = self.cache.borrow().get(topic) {
            return cached.clone();
        }
        let resolved = self.by_regex_or_default(topic);
        let mut cache = self.cache.borrow_mut();
        // No topic has a longer name: whoever asks for one means to fill the memory.
        if cache.len() < TOPIC_CACHE_ENTRIES_MAX && topic.len() <= TOPIC_NAME_BYTES_MAX {
            cache.insert(topic.to_owned(), resolved.clone());
        }
        resolved
    }

    /// Whether any topic can be mapped. If not, no frame needs to be read for partitions.
    pub(crate) fn maps_anything(&self) -> bool {
        let mut listed = self.names.values().chain(self.regexes.iter().map(|(_, resolved)| resolved));
        self.default.is_some() || listed.any(Option::is_some)
    }

    /// The most lanes that any mapping has; 0 when nothing is mapped.
    pub fn lanes_max(&self) -> u32 {
        let listed = self.names.values().chain(self.regexes.iter().map(|(_, resolved)| resolved));
        listed.chain([&self.default]).flatten().map(|remapper| remapper.lanes()).max().unwrap_or(0)
    }

    fn by_regex_or_default(&self, topic: &str) -> Resolved {
        let matching = self.regexes.iter().find(|(regex, _)| regex.is_match(topic));
        matching.map_or_else(|| self.default.clone(), |(_, resolved)| resolved.clone())
    }
}

/// The topics that have stats of their own, and their mappings, in the order of the configuration.
pub(crate) fn labelled(mapping: &Mapping) -> impl Iterator<Item = (&str, &PartitionRemapper)> {
    let named = mapping.topics.iter().filter_map(|topic| match &topic.matches {
        TopicMatch::Name(name) => Some((name.as_str(), topic.remapper.as_ref()?)),
        TopicMatch::Regex(_) => None,
    });
    named.take(TOPIC_STATS_MAX)
}

#[cfg(test)]
mod tests;
