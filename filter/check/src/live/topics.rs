//! Topics that the mapping is for: do they fit, which of their settings matter, how much room is left.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use kafka_partition_remapper_core::remapper::PartitionRemapper;
use kafka_partition_remapper_core::topics::mapping::TopicMatch;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::offsets::{self, Place};
use super::settings::{self, Settings};
use super::Checker;
use crate::limits::TOPICS_ASKED_MAX;
use crate::net::cluster::{leader, METADATA_VERSION};
use crate::net::{error_name, Trouble};
use crate::report::{counted, grouped, named, Level, Section};

/// Lanes that a transactional batch has room for: eight bits of its attributes.
const TRANSACTIONAL_LANES: u32 = 256;
/// Percent of `offset_range` from which on it is time to act.
const NEARLY_FULL: i128 = 90;
/// `UNKNOWN_TOPIC_OR_PARTITION`.
const UNKNOWN_TOPIC: i16 = 3;
const SETTINGS: [&str; 3] = ["cleanup.policy", "compression.type", "message.timestamp.type"];

/// A topic of the cluster that is mapped.
pub(super) struct Mapped {
    pub(super) name: String,
    pub(super) remapper: Rc<PartitionRemapper>,
    /// How many partitions the topic has on the cluster.
    count: usize,
    /// Those with a leader.
    pub(super) places: Vec<Place>,
    /// The end of each physical partition, where it was told.
    pub(super) ends: BTreeMap<i32, i64>,
}

impl Mapped {
    pub(super) fn fits(&self) -> bool {
        usize::try_from(self.remapper.physical_partitions()) == Ok(self.count)
    }
}

/// The mapped ones among the topics of the cluster, by name.
pub(super) fn listed(checker: &mut Checker<'_>, metadata: &MetadataResponse) -> Vec<Mapped> {
    let mut topics: Vec<Mapped> = metadata.topics.iter().filter_map(|topic| mapped(checker, topic)).collect();
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    topics
}

fn mapped(checker: &mut Checker<'_>, topic: &MetadataResponseTopic) -> Option<Mapped> {
    let name = topic.name.as_ref()?.to_string();
    let remapper = checker.registry.remapper(&name)?;
    if let Some(error) = error_name(topic.error_code) {
        checker.report.add(Section::Topics, Level::Unknown, format!("{name}: {error}"));
        return None;
    }
    let place = |partition: i32, leader| Place { topic: name.clone(), partition, leader };
    let led = topic.partitions.iter();
    let places = led.filter_map(|p| leader(p.leader_id).map(|leader| place(p.partition_index, leader))).collect();
    Some(Mapped { name: name.clone(), remapper, count: topic.partitions.len(), places, ends: BTreeMap::new() })
}

pub(super) fn check(checker: &mut Checker<'_>, topics: &mut [Mapped]) {
    checker.progress.step("looking for topics of the mapping");
    missing(checker, topics);
    patterns(checker, topics);
    checker.progress.step(format!("reading ends of {}", counted(topics.len(), "topic")));
    read_ends(checker, topics);
    checker.progress.step(format!("reading settings of {}", counted(topics.len(), "topic")));
    let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
    let mut settings = settings::of_topics(&mut checker.cluster, &names, &SETTINGS);
    for topic in topics.iter() {
        fit(checker, topic);
        match settings.remove(&topic.name) {
            Some(Ok(settings)) => told(checker, topic, &settings),
            Some(Err(problem)) => {
                let text = format!("{}: its settings are not told: {problem}", topic.name);
                checker.report.add(Section::Topics, Level::Unknown, text);
            }
            None => {}
        }
    }
}

/// Names of the mapping that the cluster did not list. It lists only what this user may see, so each is asked
/// for.
fn missing(checker: &mut Checker<'_>, topics: &[Mapped]) {
    let there: BTreeSet<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    let listed = checker.config.mapping.topics.iter();
    let absent: Vec<(String, i32, i32)> = listed
        .filter_map(|topic| match (&topic.matches, &topic.remapper) {
            (TopicMatch::Name(name), Some(mapped)) => {
                Some((name.clone(), mapped.virtual_partitions(), mapped.physical_partitions()))
            }
            _ => None,
        })
        .filter(|(name, ..)| !there.contains(name.as_str()))
        .collect();
    for absent in absent.chunks(TOPICS_ASKED_MAX) {
        let names: Vec<&str> = absent.iter().map(|(name, ..)| name.as_str()).collect();
        let codes = match codes(checker, &names) {
            Ok(codes) => codes,
            Err(trouble) => return checker.report.add(Section::Topics, Level::Unknown, trouble.what),
        };
        for (name, virtual_count, physical) in absent {
            let code = codes.get(name).copied().unwrap_or(UNKNOWN_TOPIC);
            if code == UNKNOWN_TOPIC {
                let make = format!("kafka-topics.sh --bootstrap-server {} --create", checker.bootstrap);
                let text = format!(
                    "{name}: is in the mapping, and does not exist. {make} --topic {name} --partitions {physical}, or through \
                     Envoy with --partitions {virtual_count}"
                );
                checker.report.add(Section::Topics, Level::Problem, text);
            } else if let Some(error) = error_name(code) {
                checker.report.add(Section::Topics, Level::Unknown, format!("{name}: {error}"));
            }
        }
    }
}

/// What brokers say to each of these topics. Creates none.
fn codes(checker: &mut Checker<'_>, names: &[&str]) -> Result<BTreeMap<String, i16>, Trouble> {
    let request = |_| {
        let named = names.iter().map(|name| {
            let name = TopicName(StrBytes::from_string((*name).to_owned()));
            MetadataRequestTopic::default().with_name(Some(name))
        });
        MetadataRequest::default().with_topics(Some(named.collect())).with_allow_auto_topic_creation(false)
    };
    let answer = checker.cluster.ask_any(METADATA_VERSION, request)?;
    Ok(answer.topics.iter().filter_map(|t| Some((t.name.as_ref()?.to_string(), t.error_code))).collect())
}

/// Says of a topic whose growth is asked for that it is not there: perhaps a slip.
pub(super) fn grows(checker: &mut Checker<'_>, topic: &str) {
    let (level, text) = match codes(checker, &[topic]) {
        Ok(codes) => match codes.get(topic).copied().unwrap_or(UNKNOWN_TOPIC) {
            UNKNOWN_TOPIC => (Level::Note, format!("{topic}: does not exist on the cluster")),
            code => match error_name(code) {
                Some(error) => (Level::Unknown, format!("{topic}: {error}")),
                None => return,
            },
        },
        Err(trouble) => (Level::Unknown, trouble.what),
    };
    checker.report.add(Section::Growth, level, text);
}

/// Patterns that no topic matches: perhaps a slip.
fn patterns(checker: &mut Checker<'_>, topics: &[Mapped]) {
    for entry in &checker.config.mapping.topics {
        let TopicMatch::Regex(regex) = &entry.matches else { continue };
        if entry.remapper.is_some() && !topics.iter().any(|topic| regex.is_match(&topic.name)) {
            let text = format!("{}: matches no topic of the cluster", entry.matches);
            checker.report.add(Section::Topics, Level::Note, text);
        }
    }
}

fn read_ends(checker: &mut Checker<'_>, topics: &mut [Mapped]) {
    let places: Vec<Place> = topics.iter().flat_map(|topic| topic.places.iter().cloned()).collect();
    let ends = offsets::ends(&mut checker.cluster, &places);
    for topic in topics.iter_mut() {
        let mut untold: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for place in &topic.places {
            match ends.get(&(place.topic.clone(), place.partition)) {
                Some(Ok(end)) => _ = topic.ends.insert(place.partition, *end),
                Some(Err(problem)) => untold.entry(problem.clone()).or_default().push(place.partition.to_string()),
                None => untold.entry("no answer".to_owned()).or_default().push(place.partition.to_string()),
            }
        }
        if topic.places.len() < topic.count {
            let text =
                format!("{}: {} without a leader", topic.name, counted(topic.count - topic.places.len(), "partition"));
            checker.report.add(Section::Topics, Level::Unknown, text);
        }
        for (problem, partitions) in untold {
            let text = format!("{}: ends of partitions {} are not told: {problem}", topic.name, named(&partitions));
            checker.report.add(Section::Topics, Level::Unknown, text);
        }
    }
}

/// Whether the topic has P partitions, and room for offsets.
fn fit(checker: &mut Checker<'_>, topic: &Mapped) {
    let (v, p) = (topic.remapper.virtual_partitions(), topic.remapper.physical_partitions());
    if !topic.fits() {
        let text = misfit(&topic.name, topic.count, (v, p), &checker.bootstrap);
        return checker.report.add(Section::Topics, Level::Problem, text);
    }
    let (lanes, range) = (topic.remapper.lanes(), topic.remapper.offset_range());
    let highest = topic.ends.iter().max_by_key(|(partition, end)| (**end, Reverse(**partition)));
    let Some((partition, end)) = highest.map(|(partition, end)| (*partition, *end)) else { return };
    let tenths = i128::from(end) * 1_000 / i128::from(range);
    let room = format!(
        "partition {partition} ends at {}, {}.{} % of offset_range {}",
        grouped(end),
        tenths / 10,
        tenths % 10,
        grouped(range)
    );
    let name = &topic.name;
    if end >= range {
        let text =
            format!("{name}: {room}: records from there on cannot be read through the filter; raise offset_range");
        checker.report.add(Section::Topics, Level::Problem, text);
    } else if tenths >= NEARLY_FULL * 10 {
        let text = format!("{name}: {room}: raise offset_range before it is used up");
        checker.report.add(Section::Topics, Level::Problem, text);
    } else {
        let text =
            format!("{name}: {v} virtual partitions on {p}, {} on each; {room}", counted(lanes as usize, "lane"));
        checker.report.add(Section::Topics, Level::Fine, text);
    }
}

fn misfit(name: &str, count: usize, (v, p): (i32, i32), bootstrap: &str) -> String {
    let is = format!("{name}: has {}, and its mapping says physical_partitions {p}", counted(count, "partition"));
    let has = i32::try_from(count).unwrap_or(i32::MAX);
    if has < p {
        let alter = format!("kafka-topics.sh --bootstrap-server {bootstrap} --alter --topic {name} --partitions {p}");
        return format!(
            "{is}: the filter refuses it. {alter} adds the missing ones; or set physical_partitions to {count}"
        );
    }
    let made = if has == v { " (as many as virtual_partitions: made for clients' eyes?)" } else { "" };
    let multiple =
        if v % has == 0 { String::new() } else { format!(" and virtual_partitions to a multiple of {count}") };
    format!(
        "{is}{made}: the filter refuses it. Set physical_partitions to {count}{multiple} if the topic has always had so many; \
         partitions cannot be taken away, so else make the topic anew with {p}"
    )
}

/// Settings that tags of lanes do not survive, or that mean something else where siblings share a log.
fn told(checker: &mut Checker<'_>, topic: &Mapped, settings: &Settings) {
    let lanes = topic.remapper.lanes();
    if lanes < 2 {
        return;
    }
    let value = |key: &str| settings.get(key).map(String::as_str).unwrap_or_default();
    let transactional =
        "the filter takes no transactional batch here above lane 0, whose lane brokers would lose (other \
        batches keep theirs)";
    let mut notes = vec![];
    if value("message.timestamp.type") == "LogAppendTime" {
        notes.push(format!("message.timestamp.type=LogAppendTime: brokers write into each batch; {transactional}"));
    }
    if !["", "producer"].contains(&value("compression.type")) {
        let codec = value("compression.type");
        notes.push(format!(
            "compression.type={codec}: brokers write batches anew that come in another codec; {transactional}"
        ));
    }
    if value("cleanup.policy").split(',').any(|policy| policy.trim() == "compact") {
        notes.push(format!(
            "cleanup.policy={}: of all virtual partitions on a physical one together the last record of each key is kept, which \
             is right as long as a key always goes to the same virtual partition; {transactional}",
            value("cleanup.policy")
        ));
    }
    if lanes > TRANSACTIONAL_LANES {
        notes.push(format!(
            "{lanes} lanes: a transactional batch has room for {TRANSACTIONAL_LANES}; none is taken above"
        ));
    }
    for note in notes {
        checker.report.add(Section::Topics, Level::Note, format!("{}: {note}", topic.name));
    }
}

#[cfg(test)]
mod tests {
    use super::misfit;

    #[test]
    fn a_misfit_names_both_numbers_and_a_remedy_that_is_possible() {
        for (count, numbers, remedy) in [
            (3, (20, 4), "--alter --topic t --partitions 4 adds the missing ones; or set physical_partitions to 3"),
            (5, (20, 4), "Set physical_partitions to 5 if"),
            (6, (20, 4), "Set physical_partitions to 6 and virtual_partitions to a multiple of 6 if"),
            (20, (20, 4), "(as many as virtual_partitions: made for clients' eyes?)"),
        ] {
            let text = misfit("t", count, numbers, "k:1");
            assert!(text.starts_with(&format!("t: has {count} partitions, and its mapping says physical_partitions 4")));
            assert!(text.contains(remedy), "{text}");
        }
    }
}
