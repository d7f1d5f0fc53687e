//! The `mapping` section: which topics are mapped, and how.

use std::collections::HashMap;

use regex::Regex;

use super::error::ConfigError;
use super::json::{within, Given, Object, Whole};
use super::raw::{MappingSection, TopicEntry};
use crate::limits::{OFFSET_RANGE_DEFAULT, OFFSET_RANGE_MIN, TOPIC_NAME_BYTES_MAX};
use crate::pattern;
use crate::remapper::{Layout, OffsetEncoding, PartitionRemapper};
use crate::topics::mapping::{Mapping, TopicMapping, TopicMatch};

/// The values that make a mapping, some perhaps still missing.
#[derive(Clone, Copy)]
struct Numbers {
    virtual_partitions: Option<i32>,
    physical_partitions: Option<i32>,
    offset_range: i64,
    layout: Layout,
    offset_encoding: OffsetEncoding,
}

pub(super) fn mapping(raw: MappingSection) -> Result<Mapping, ConfigError> {
    let top = Numbers {
        virtual_partitions: partitions("mapping.virtual_partitions", raw.virtual_partitions)?,
        physical_partitions: partitions("mapping.physical_partitions", raw.physical_partitions)?,
        offset_range: offset_range("mapping", raw.offset_range, OFFSET_RANGE_DEFAULT)?,
        layout: raw.layout.0.unwrap_or_default(),
        offset_encoding: raw.offset_encoding.0.unwrap_or_default(),
    };
    let topics = topics(raw.topics, top)?;
    let none_listed = topics.iter().all(|topic| topic.remapper.is_none());
    let default = match (top.virtual_partitions, top.physical_partitions) {
        (None, None) => None,
        // One of them alone is there to be inherited; if nothing inherits it, the other was forgotten.
        (None, Some(_)) | (Some(_), None) if !none_listed => None,
        _ => Some(remapper("mapping", top, "is missing")?),
    };
    Ok(Mapping { default, topics })
}

fn topics(entries: Vec<Object<TopicEntry>>, top: Numbers) -> Result<Vec<TopicMapping>, ConfigError> {
    let mut seen = HashMap::new();
    let mut topics = Vec::with_capacity(entries.len());
    for (index, Object(entry)) in entries.into_iter().enumerate() {
        let path = format!("mapping.topics[{index}]");
        let topic = topic(&path, entry, top)?;
        if let TopicMatch::Name(name) = &topic.matches {
            if let Some(earlier) = seen.insert(name.clone(), index) {
                let problem = format_args!("{name:?} is listed already, by mapping.topics[{earlier}]");
                return Err(ConfigError::at(&format!("{path}.name"), problem));
            }
        }
        topics.push(topic);
    }
    Ok(topics)
}

fn topic(path: &str, entry: TopicEntry, top: Numbers) -> Result<TopicMapping, ConfigError> {
    let remapper = if entry.passthrough { passthrough(path, &entry)? } else { Some(inherit(path, &entry, top)?) };
    let matches = match (entry.name.0, entry.regex.0) {
        (Some(name), None) => TopicMatch::Name(topic_name(&format!("{path}.name"), name)?),
        (None, Some(regex)) => TopicMatch::Regex(whole(&format!("{path}.regex"), &regex)?),
        (Some(_), Some(_)) => return Err(ConfigError::at(path, "has both name and regex; one of them is needed")),
        (None, None) => return Err(ConfigError::at(path, "has no name and no regex; one of them is needed")),
    };
    Ok(TopicMapping { matches, remapper })
}

/// An entry that exempts topics has nothing to say about how they are mapped.
fn passthrough(path: &str, entry: &TopicEntry) -> Result<Option<PartitionRemapper>, ConfigError> {
    let fields = [
        ("virtual_partitions", entry.virtual_partitions.0.is_some()),
        ("physical_partitions", entry.physical_partitions.0.is_some()),
        ("offset_range", entry.offset_range.0.is_some()),
        ("layout", entry.layout.0.is_some()),
        ("offset_encoding", entry.offset_encoding.0.is_some()),
    ];
    match fields.iter().find(|(_, given)| *given) {
        Some((field, _)) => Err(ConfigError::at(&format!("{path}.{field}"), "cannot stand beside passthrough: true")),
        None => Ok(None),
    }
}

fn inherit(path: &str, entry: &TopicEntry, top: Numbers) -> Result<PartitionRemapper, ConfigError> {
    let own_virtual = partitions(&format!("{path}.virtual_partitions"), entry.virtual_partitions)?;
    let own_physical = partitions(&format!("{path}.physical_partitions"), entry.physical_partitions)?;
    let numbers = Numbers {
        virtual_partitions: own_virtual.or(top.virtual_partitions),
        physical_partitions: own_physical.or(top.physical_partitions),
        offset_range: offset_range(path, entry.offset_range, top.offset_range)?,
        layout: entry.layout.0.unwrap_or(top.layout),
        offset_encoding: entry.offset_encoding.0.unwrap_or(top.offset_encoding),
    };
    remapper(path, numbers, "is missing, also at the top of mapping")
}

fn remapper(path: &str, numbers: Numbers, missing: &str) -> Result<PartitionRemapper, ConfigError> {
    let missing = |field| ConfigError::at(&format!("{path}.{field}"), missing);
    PartitionRemapper::new(
        numbers.virtual_partitions.ok_or_else(|| missing("virtual_partitions"))?,
        numbers.physical_partitions.ok_or_else(|| missing("physical_partitions"))?,
        numbers.offset_range,
        numbers.layout,
        numbers.offset_encoding,
    )
    // The error's text begins with the field.
    .map_err(|error| ConfigError::new(format!("{path}.{error}")))
}

fn offset_range(path: &str, given: Given<Whole>, default: i64) -> Result<i64, ConfigError> {
    within(&format!("{path}.offset_range"), given, default, OFFSET_RANGE_MIN..=i64::MAX)
}

fn partitions(path: &str, given: Given<Whole>) -> Result<Option<i32>, ConfigError> {
    match given.0 {
        Some(_) => within(path, given, 1, 1..=i32::MAX).map(Some),
        None => Ok(None),
    }
}

/// A name that Kafka accepts and that the filter may map. Any other would never match.
fn topic_name(path: &str, name: String) -> Result<String, ConfigError> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let length = 1..=TOPIC_NAME_BYTES_MAX;
    if !length.contains(&name.len()) || !name.bytes().all(legal) || name == "." || name == ".." {
        let problem = format_args!(
            "{name:?} is no topic name, which is 1 to {TOPIC_NAME_BYTES_MAX} of A-Z a-z 0-9 . _ -; a pattern goes into regex"
        );
        return Err(ConfigError::at(path, problem));
    }
    if name.starts_with("__") {
        let problem = format_args!("{name:?} starts with __; such topics are never mapped and need no entry");
        return Err(ConfigError::at(path, problem));
    }
    Ok(name)
}

fn whole(path: &str, regex: &str) -> Result<Regex, ConfigError> {
    pattern::compile_whole(regex).map_err(|problem| ConfigError::at(path, format_args!("{regex:?} {problem}")))
}
