//! Which topics are mapped, and how, as the configuration has it.

use std::fmt;

use regex::Regex;

use crate::pattern;
use crate::remapper::PartitionRemapper;

/// Which topics are mapped, and how.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    /// For topics that no entry of `topics` matches; `None` lets them pass through.
    pub default: Option<PartitionRemapper>,
    /// In the order of the configuration.
    pub topics: Vec<TopicMapping>,
}

/// One entry of `mapping.topics`.
#[derive(Clone, Debug)]
pub struct TopicMapping {
    /// Which topics the entry is for.
    pub matches: TopicMatch,
    /// `None` passes through.
    pub remapper: Option<PartitionRemapper>,
}

/// Which topics an entry is for.
#[derive(Clone, Debug)]
pub enum TopicMatch {
    /// The topic of this name.
    Name(String),
    /// Anchored: it matches whole names only.
    Regex(Regex),
}

/// The name or pattern as the configuration has it; a pattern has the word `regex` before it.
impl fmt::Display for TopicMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Regex(regex) => write!(f, "regex {}", pattern::written(regex)),
        }
    }
}
