//! Labels whose values are not known when the filter is compiled.

use serde::{Deserialize, Serialize};

/// Which topic a stat is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TopicLabel {
    /// One that the configuration names: the number of its name in [`Names`].
    Named(u16),
    /// All other mapped topics together.
    Others,
}

/// Which broker a stat is of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BrokerLabel {
    /// The broker of this id.
    #[serde(rename = "i")]
    Id(i32),
    /// A connection that stands for no broker, or for one of which nothing is known yet.
    #[serde(rename = "b")]
    Bootstrap,
    /// Nothing tells brokers apart here.
    #[default]
    #[serde(rename = "u")]
    Unknown,
}

/// For whose bytes there was no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeldSide {
    /// A client's request.
    Client,
    /// A broker's answer to one.
    Broker,
}

impl BrokerLabel {
    pub(super) fn text(self) -> String {
        match self {
            Self::Id(id) => id.to_string(),
            Self::Bootstrap => "bootstrap".to_owned(),
            Self::Unknown => "unknown".to_owned(),
        }
    }
}

impl HeldSide {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Broker => "broker",
        }
    }
}

/// The names of a configuration's stats.
#[derive(Debug, Default)]
pub struct Names {
    pub(super) prefix: String,
    topics: Vec<String>,
}

impl Names {
    /// `prefix`: the configuration's `stat_prefix`. `topics`: those that have stats of their own, in the
    /// order of their labels.
    pub fn new(prefix: &str, topics: Vec<String>) -> Self {
        Self { prefix: prefix.to_owned(), topics }
    }

    /// The name of a topic, which may have dots in it.
    pub(super) fn topic(&self, label: TopicLabel) -> &str {
        match label {
            TopicLabel::Named(number) => self.topics.get(usize::from(number)).map_or(OTHERS, String::as_str),
            TopicLabel::Others => OTHERS,
        }
    }
}

/// No topic has such a name.
const OTHERS: &str = "(others)";
