//! What must not change about a mapping while Envoy runs, since records or consumers' positions depend on it.
//!
//! The lane of a stored batch and its physical partition tell its virtual partition only together with the
//! layout: under `modulo` with P, so that V may grow; under `block` with C = V / P, so that it may not. And a
//! running consumer's position is an offset in the mapping's encoding. A configuration that changes one of
//! these for an entry of the mapping would show records on other partitions, or throw consumers back, in
//! silence: it is refused.
//!
//! Entries are remembered for as long as Envoy's process lives, in memory that its workers share; also those
//! that were removed, so that whatever was accepted once will be accepted again. Another P is not refused but
//! another story: the broker has only one, and with the wrong one nothing is written or read.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::fingerprint::Fingerprint;
use crate::limits::{CHANGES_LOGGED_MAX, MAPPINGS_MAX, MAPPING_LOGGED_MS, PLACEMENTS_MAX};
use crate::pattern;
use crate::remapper::{Layout, OffsetEncoding, PartitionRemapper};
use crate::time::Millis;
use crate::topics::mapping::{Mapping, TopicMapping, TopicMatch};
use crate::topics::TopicRegistry;

/// Mappings that this process has accepted, by entry.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placements {
    /// The entries of earlier mappings, and behind them the current mapping's in its order.
    known: Vec<Known>,
    /// Whole mappings and when they were last accepted, oldest first.
    mappings: Vec<(Fingerprint, Millis)>,
}

/// Lines for the log about an accepted mapping.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Lines for the log, of what may be a mistake.
    pub warnings: Vec<String>,
    /// Lines for the log, of what changes; at most [`CHANGES_LOGGED_MAX`], and one for the number of the
    /// others.
    pub notes: Vec<String>,
}

/// One entry of a mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    entry: Entry,
    /// None: passes through.
    numbers: Option<Numbers>,
    /// Whether the entry stands in the mapping that was accepted last.
    is_current: bool,
}

/// How an entry names its topics.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Entry {
    Name(String),
    Regex(String),
    /// The numbers at the top of `mapping`.
    Others,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Numbers {
    v: i32,
    p: i32,
    offset_range: i64,
    is_block: bool,
    is_lane_encoded: bool,
}

/// The field that changes what records or positions mean: its name, what it was, what it shall be, the
/// consequence.
type Conflict = (&'static str, String, String, &'static str);

impl Numbers {
    fn of(remapper: &PartitionRemapper) -> Self {
        Self {
            v: remapper.virtual_partitions(),
            p: remapper.physical_partitions(),
            offset_range: remapper.offset_range(),
            is_block: remapper.layout() == Layout::Block,
            is_lane_encoded: remapper.offset_encoding() == OffsetEncoding::Lane,
        }
    }

    fn remapper(self) -> Option<PartitionRemapper> {
        let layout = if self.is_block { Layout::Block } else { Layout::Modulo };
        let encoding = if self.is_lane_encoded { OffsetEncoding::Lane } else { OffsetEncoding::Identity };
        PartitionRemapper::new(self.v, self.p, self.offset_range, layout, encoding).ok()
    }

    /// V moves lanes when it changes. On a single partition both layouts are the same.
    fn is_fixed(self) -> bool {
        self.is_block && self.p > 1
    }

    fn conflict(self, new: Self) -> Option<Conflict> {
        const MOVES: &str = "would show its records on other partitions";
        const INVALID: &str = "would make running consumers' positions invalid";
        let layout = |numbers: Self| if numbers.is_block { "block" } else { "modulo" }.to_owned();
        let encoding = |numbers: Self| if numbers.is_lane_encoded { "lane" } else { "identity" }.to_owned();
        if self.is_fixed() != new.is_fixed() {
            Some(("layout", layout(self), layout(new), MOVES))
        } else if self.is_fixed() && self.v != new.v {
            Some(("virtual_partitions", self.v.to_string(), new.v.to_string(), MOVES))
        } else if self.is_lane_encoded != new.is_lane_encoded {
            Some(("offset_encoding", encoding(self), encoding(new), INVALID))
        } else if self.is_lane_encoded && self.offset_range != new.offset_range {
            Some(("offset_range", self.offset_range.to_string(), new.offset_range.to_string(), INVALID))
        } else {
            None
        }
    }
}

impl Placements {
    /// From shared memory. What cannot be read counts as nothing known.
    pub fn read(stored: &[u8]) -> Self {
        serde_json::from_slice(stored).unwrap_or_default()
    }

    /// For shared memory.
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Takes a mapping as the one in force. Each worker asks; only the first to ask gets the lines for the
    /// log.
    ///
    /// # Errors
    /// The mapping contradicts an earlier one; then nothing changes.
    pub fn accept(&mut self, mapping: &Mapping, now: Millis) -> Result<Accepted, ConfigError> {
        let new = entries(mapping);
        self.check(&new)?;
        let fingerprint = Fingerprint::of(&serde_json::to_string(&new).unwrap_or_default());
        let accepted = match self.mappings.iter().find(|(known, _)| *known == fingerprint) {
            Some((_, told)) if now.saturating_sub(*told) < MAPPING_LOGGED_MS => Accepted::default(),
            _ => Accepted { warnings: self.warnings(mapping, &new), notes: notes(&new) },
        };
        self.mappings.retain(|(known, _)| *known != fingerprint);
        self.mappings.push((fingerprint, now));
        self.mappings.drain(..self.mappings.len().saturating_sub(MAPPINGS_MAX));
        self.remember(new);
        Ok(accepted)
    }

    /// What an entry says now goes before what it said, unless that was for another P.
    fn remember(&mut self, new: Vec<Known>) {
        let replaced: HashSet<(&Entry, Option<i32>)> = new.iter().map(Known::key).collect();
        self.known.retain(|old| !replaced.contains(&old.key()));
        self.known.iter_mut().for_each(|old| old.is_current = false);
        let room = PLACEMENTS_MAX.saturating_sub(new.len());
        self.known.drain(..self.known.len().saturating_sub(room));
        self.known.extend(new);
    }

    fn check(&self, new: &[Known]) -> Result<(), ConfigError> {
        // Of equal regexes the first counts.
        let (mut olds, mut seen) = (HashMap::new(), HashSet::new());
        for old in &self.known {
            olds.entry(old.key()).or_insert(old.numbers);
        }
        for (index, known) in new.iter().enumerate().filter(|(_, known)| seen.insert(&known.entry)) {
            let old = olds.get(&known.key()).copied().flatten();
            if let Some(conflict) = old.zip(known.numbers).and_then(|(old, new)| old.conflict(new)) {
                return Err(refusal(index, &known.entry, conflict));
            }
        }
        Ok(())
    }

    /// What the step from the mapping in force to `new` does to clients and cannot be refused, since it may
    /// be meant.
    fn warnings(&self, mapping: &Mapping, new: &[Known]) -> Vec<String> {
        let olds: Vec<&Known> = self.known.iter().filter(|known| known.is_current).collect();
        let (before, after) = (registry(&olds), TopicRegistry::new(mapping));
        let by_entry: HashMap<&Entry, &Known> = new.iter().rev().map(|known| (&known.entry, known)).collect();
        let had: HashSet<&Entry> = olds.iter().map(|old| &old.entry).collect();
        let mut warnings = vec![];
        for old in &olds {
            let Some(was) = old.numbers else { continue };
            let is = match (by_entry.get(&old.entry), &old.entry) {
                (Some(known), _) => known.numbers,
                (None, Entry::Name(name)) => after.remapper(name).map(|remapper| Numbers::of(&remapper)),
                (None, _) => None,
            };
            warnings.extend(change(&old.entry, was, is));
        }
        for added in new.iter().filter(|known| !had.contains(&known.entry)) {
            let (Entry::Name(name), Some(before)) = (&added.entry, before.as_ref()) else { continue };
            let was = before.remapper(name).map(|remapper| Numbers::of(&remapper));
            warnings.extend(was.and_then(|was| change(&added.entry, was, added.numbers)));
        }
        let more = warnings.len().saturating_sub(CHANGES_LOGGED_MAX);
        warnings.truncate(CHANGES_LOGGED_MAX);
        if more > 0 {
            warnings.push(format!("mapping: {more} more changes of this kind"));
        }
        warnings
    }
}

fn refusal(index: usize, entry: &Entry, (field, was, is, consequence): Conflict) -> ConfigError {
    let path = match entry {
        Entry::Others => format!("mapping.{field}"),
        _ => format!("mapping.topics[{index}].{field}"),
    };
    let remedy = match field {
        "offset_encoding" | "offset_range" => "stop its consumers and restart Envoy",
        _ => "give a new topic the new value, or restart Envoy after the topic was made anew",
    };
    let what = entry.shown();
    let problem = format_args!(
        "{was} is in use for {what}, and {is} {consequence}: {remedy} (or is it another cluster, which needs its own stat_prefix?)"
    );
    ConfigError::at(&path, problem)
}

impl Known {
    /// Entries of one key must agree.
    fn key(&self) -> (&Entry, Option<i32>) {
        (&self.entry, self.numbers.map(|numbers| numbers.p))
    }
}

impl Entry {
    fn shown(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Regex(regex) => format!("topics like {regex}"),
            Self::Others => "topics that are not listed".to_owned(),
        }
    }
}

/// Of the default last, as it is looked at last.
fn entries(mapping: &Mapping) -> Vec<Known> {
    let known = |entry, remapper: &Option<PartitionRemapper>| {
        let numbers = remapper.as_ref().map(Numbers::of);
        Known { entry, numbers, is_current: true }
    };
    let listed = mapping.topics.iter().map(|topic| match &topic.matches {
        TopicMatch::Name(name) => known(Entry::Name(name.clone()), &topic.remapper),
        TopicMatch::Regex(regex) => known(Entry::Regex(pattern::written(regex).to_owned()), &topic.remapper),
    });
    let others = mapping.default.is_some().then(|| known(Entry::Others, &mapping.default));
    listed.chain(others).collect()
}

/// What topics were mapped by.
fn registry(olds: &[&Known]) -> Option<TopicRegistry> {
    let mut mapping = Mapping::default();
    for old in olds {
        let remapper = old.numbers.and_then(Numbers::remapper);
        let matches = match &old.entry {
            Entry::Name(name) => TopicMatch::Name(name.clone()),
            Entry::Regex(regex) => TopicMatch::Regex(pattern::compile_whole(regex).ok()?),
            Entry::Others => {
                mapping.default = remapper;
                continue;
            }
        };
        mapping.topics.push(TopicMapping { matches, remapper });
    }
    Some(TopicRegistry::new(&mapping))
}

fn change(entry: &Entry, was: Numbers, is: Option<Numbers>) -> Option<String> {
    let what = entry.shown();
    let Some(is) = is else {
        return Some(format!(
            "mapping: {what}: mapped before, as {} partitions over {}, and not any more. Clients see the brokers' partitions, each \
             with the records of all its lanes",
            was.v, was.p
        ));
    };
    if was.p != is.p {
        return Some(format!(
            "mapping: {what}: physical_partitions changes from {} to {}. That is right only if {} was a mistake: records of a \
             topic that has grown are shown on other partitions",
            was.p, is.p, was.p
        ));
    }
    if was.conflict(is).is_some() {
        return Some(format!(
            "mapping: {what}: mapped by another entry now, in another way. Records that are there already are shown on other \
             partitions, or at other offsets"
        ));
    }
    (is.v < was.v).then(|| {
        format!(
            "mapping: {what}: virtual_partitions shrinks from {} to {}; what partitions {} to {} hold stays unread until it \
             grows again",
            was.v,
            is.v,
            is.v,
            was.v - 1
        )
    })
}

fn notes(new: &[Known]) -> Vec<String> {
    let fixed = new.iter().filter(|known| known.numbers.is_some_and(Numbers::is_fixed));
    let shown: Vec<String> = fixed.clone().take(CHANGES_LOGGED_MAX).map(|known| known.entry.shown()).collect();
    let more = fixed.count() - shown.len();
    if shown.is_empty() {
        return vec![];
    }
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    vec![format!(
        "mapping: the layout of {}{more} is block: virtual_partitions must stay what it was when their first record was written",
        shown.join(", ")
    )]
}

#[cfg(test)]
mod tests;
