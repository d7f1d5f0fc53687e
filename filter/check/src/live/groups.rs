//! Groups, and the shadow groups that hold the offsets of their lanes above 0.

use std::collections::{BTreeMap, BTreeSet};

use kafka_partition_remapper_core::remapper::Lane;
use kafka_partition_remapper_core::shadow;
use kafka_partition_remapper_core::topics::TopicRegistry;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{GroupId, ListGroupsRequest, OffsetFetchRequest};
use kafka_protocol::protocol::StrBytes;

use super::Checker;
use crate::limits::{GROUPS_ASKED_MAX, GROUPS_MAX};
use crate::net::{error_name, Trouble};
use crate::report::{counted, name, named, Level, Report, Section};

const LIST_VERSION: i16 = 5;
/// The last version that names topics; the first that asks for several groups is 8.
const FETCH_VERSION: i16 = 9;
const SEVERAL_GROUPS_VERSION: i16 = 8;
/// Characters at the end of a shadow's name.
const SUFFIX_CHARS: usize = 8;

/// What a group holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Offsets of partitions of mapped topics.
    mapped: usize,
    /// Those of them whose topic has the lane.
    in_lane: usize,
    /// Offsets of topics that are not mapped.
    unmapped: usize,
}

/// A group of the cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    coordinator: i32,
    /// Empty where the broker does not tell.
    state: String,
    /// None: not told.
    held: Option<Held>,
}

/// Groups that read mapped topics through the filter, as far as can be told: those with offsets of mapped
/// topics, or with shadows.
pub(super) type Readers = BTreeSet<String>;

pub(super) fn check(checker: &mut Checker<'_>) -> Readers {
    let mut groups = BTreeMap::new();
    for broker in checker.cluster.brokers() {
        checker.progress.step(format!("listing groups of broker {broker}"));
        let listed = list(checker, broker, &mut groups);
        checker.settle(Section::Groups, listed);
    }
    if groups.len() > GROUPS_MAX {
        let text = format!("of {}, only {GROUPS_MAX} were looked at", counted(groups.len(), "group"));
        checker.report.add(Section::Groups, Level::Unknown, text);
        groups = groups.into_iter().take(GROUPS_MAX).collect();
    }
    hold(checker, &mut groups);
    judge(&groups, &checker.registry, &mut checker.report)
}

fn list(checker: &mut Checker<'_>, broker: i32, groups: &mut BTreeMap<String, Group>) -> Result<(), Trouble> {
    let request = |_| ListGroupsRequest::default();
    let answer = checker.cluster.ask_coordinator(broker, LIST_VERSION, request, |answer| answer.error_code)?;
    if let Some(error) = error_name(answer.error_code) {
        return Err(Trouble::new(format!("broker {broker} does not list its groups: {error}")));
    }
    // A share group has no offsets of this kind, nor shadows.
    for group in answer.groups.iter().filter(|group| &*group.protocol_type != "share") {
        let state = group.group_state.to_string();
        groups.insert(group.group_id.to_string(), Group { coordinator: broker, state, held: None });
    }
    Ok(())
}

/// Asks for all offsets of all groups.
fn hold(checker: &mut Checker<'_>, groups: &mut BTreeMap<String, Group>) {
    let mut by_coordinator: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    groups.iter().for_each(|(id, group)| by_coordinator.entry(group.coordinator).or_default().push(id.clone()));
    let total = groups.len();
    for (broker, ids) in by_coordinator {
        for ids in ids.chunks(GROUPS_ASKED_MAX) {
            checker.progress.step(format!("reading offsets of {}", counted(total, "group")));
            match offsets(checker, broker, ids) {
                Ok(held) => held.into_iter().for_each(|(id, held)| {
                    if let Some(group) = groups.get_mut(&id) {
                        group.held = held;
                    }
                }),
                Err(trouble) => checker.report.add(Section::Groups, Level::Unknown, trouble.what),
            }
        }
    }
}

fn offsets(checker: &mut Checker<'_>, broker: i32, ids: &[String]) -> Result<Vec<(String, Option<Held>)>, Trouble> {
    let group = |id: &String| {
        let id = GroupId(StrBytes::from_string(id.clone()));
        OffsetFetchRequestGroup::default().with_group_id(id).with_topics(None)
    };
    let has_several = checker.cluster.connection(broker)?.offers(9, SEVERAL_GROUPS_VERSION);
    let mut found = vec![];
    if has_several {
        let request = |_| OffsetFetchRequest::default().with_groups(ids.iter().map(group).collect());
        let answer = checker.cluster.ask(broker, FETCH_VERSION, request)?;
        for group in answer.groups {
            let offsets = group.topics.iter().map(|topic| {
                let held = topic.partitions.iter().filter(|partition| partition.committed_offset >= 0);
                (topic.name.to_string(), held.count())
            });
            let id = group.group_id.0.to_string();
            let held = held(&checker.registry, &id, offsets);
            found.push((id, (group.error_code == 0).then_some(held)));
        }
        return Ok(found);
    }
    for id in ids {
        let group = GroupId(StrBytes::from_string(id.clone()));
        let request = |_| OffsetFetchRequest::default().with_group_id(group.clone()).with_topics(None);
        let answer = checker.cluster.ask(broker, SEVERAL_GROUPS_VERSION - 1, request)?;
        let offsets = answer.topics.iter().map(|topic| {
            let held = topic.partitions.iter().filter(|partition| partition.committed_offset >= 0);
            (topic.name.to_string(), held.count())
        });
        let held = held(&checker.registry, id, offsets);
        found.push((id.clone(), (answer.error_code == 0).then_some(held)));
    }
    Ok(found)
}

fn held(registry: &TopicRegistry, group: &str, offsets: impl Iterator<Item = (String, usize)>) -> Held {
    let lane = shadow::parse(group).map_or(Lane(0), |(_, lane)| lane);
    let mut held = Held::default();
    for (topic, count) in offsets {
        match registry.remapper(&topic) {
            Some(remapper) => {
                held.mapped += count;
                held.in_lane += if lane.0 < remapper.lanes() { count } else { 0 };
            }
            None => held.unmapped += count,
        }
    }
    held
}

/// What the groups are to each other.
fn judge(groups: &BTreeMap<String, Group>, registry: &TopicRegistry, report: &mut Report) -> Readers {
    let mut shadows: BTreeMap<&str, BTreeMap<u32, &Group>> = BTreeMap::new();
    for (id, group) in groups {
        match shadow::parse(id) {
            Some((of, lane)) => {
                shadows.entry(of).or_default().insert(lane.0, group);
                shadow_itself(id, lane, group, registry, report);
            }
            None if looks_like_one(id) => {
                let text = format!("{}: looks like a shadow group and is none; its name is nobody's shadow", name(id));
                report.add(Section::Groups, Level::Note, text);
            }
            None => {}
        }
    }
    let mut readers = Readers::new();
    let untold: Vec<String> = groups.iter().filter(|(_, group)| group.held.is_none()).map(|(id, _)| name(id)).collect();
    if !untold.is_empty() {
        let text = format!("offsets of {} are not told: {}", counted(untold.len(), "group"), named(&untold));
        report.add(Section::Groups, Level::Unknown, text);
    }
    for (id, group) in groups.iter().filter(|(id, _)| shadow::parse(id).is_none()) {
        let mapped = group.held.as_ref().map_or(0, |held| held.mapped);
        let lanes = shadows.remove(id.as_str());
        if mapped == 0 && lanes.is_none() {
            continue;
        }
        readers.insert(id.clone());
        let lanes = lanes.map_or("no shadows".to_owned(), |lanes| by_lane(&lanes));
        report.add(Section::Groups, Level::Fine, format!("{}: lane 0 holds {mapped}; {lanes}", name(id)));
    }
    for (id, lanes) in shadows {
        readers.insert(id.to_owned());
        let text = format!(
            "{}: has shadows and is not there itself ({}). A group of higher lanes only is as it should be; one that was \
             deleted around Envoy leaves its shadows behind: kafka-consumer-groups.sh --delete through Envoy takes them away",
            name(id),
            by_lane(&lanes)
        );
        report.add(Section::Groups, Level::Note, text);
    }
    readers
}

/// A shadow that is used as if it were a group, or holds what nobody reads.
fn shadow_itself(id: &str, lane: Lane, group: &Group, registry: &TopicRegistry, report: &mut Report) {
    if !["", "Empty", "Dead"].contains(&group.state.as_str()) {
        let text = format!(
            "{}: is a shadow group and has members ({}): the filter cannot write to it. Its members must come through Envoy, \
             by the group's own name",
            name(id),
            group.state
        );
        report.add(Section::Groups, Level::Problem, text);
    }
    let Some(held) = &group.held else { return };
    if lane.0 >= registry.lanes_max() {
        let text = format!("{}: is of lane {lane}, which no mapping has: nobody reads what it holds", name(id));
        report.add(Section::Groups, Level::Note, text);
    } else if held.in_lane < held.mapped {
        let text =
            format!("{}: {} of its offsets are of topics without lane {lane}", name(id), held.mapped - held.in_lane);
        report.add(Section::Groups, Level::Note, text);
    }
    if held.unmapped > 0 {
        let text = format!("{}: {} of its offsets are of topics that are not mapped", name(id), held.unmapped);
        report.add(Section::Groups, Level::Note, text);
    }
}

fn by_lane(lanes: &BTreeMap<u32, &Group>) -> String {
    let told = lanes.iter().map(|(lane, group)| match &group.held {
        Some(held) => format!("lane {lane} holds {}", held.mapped),
        None => format!("lane {lane} is not told"),
    });
    named(&told.collect::<Vec<_>>())
}

/// Whether a name has a shadow's form.
fn looks_like_one(id: &str) -> bool {
    let Some((rest, suffix)) = id.rsplit_once('~') else { return false };
    let lane = rest.rsplit_once('~').map(|(_, lane)| lane).unwrap_or_default();
    let is_lane = !lane.is_empty() && lane.bytes().all(|byte| byte.is_ascii_digit());
    is_lane && suffix.len() == SUFFIX_CHARS && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_partition_remapper_core::config::Config;

    fn registry() -> TopicRegistry {
        let text = r#"{"mapping": {"topics": [
            {"name": "orders", "virtual_partitions": 12, "physical_partitions": 4},
            {"name": "small", "virtual_partitions": 4, "physical_partitions": 2}]}}"#;
        TopicRegistry::new(&Config::parse(text, &|_| None).unwrap().mapping)
    }

    /// Id, state, and how many offsets of which topics.
    type Given<'a> = (&'a str, &'a str, &'a [(&'a str, usize)]);

    fn judged(groups: &[Given<'_>]) -> (String, Vec<String>) {
        let registry = registry();
        let group = |(id, state, offsets): &Given<'_>| {
            let offsets = offsets.iter().map(|(topic, count)| ((*topic).to_owned(), *count));
            let held = Some(held(&registry, id, offsets));
            ((*id).to_owned(), Group { coordinator: 1, state: (*state).to_owned(), held })
        };
        let mut report = Report::default();
        let readers = judge(&groups.iter().map(group).collect(), &registry, &mut report);
        (report.text(""), readers.into_iter().collect())
    }

    #[test]
    fn each_group_with_its_shadows_by_lane() {
        let (one, two) = (shadow::name("payments", Lane(1)), shadow::name("payments", Lane(2)));
        let (text, readers) = judged(&[
            ("payments", "Stable", &[("orders", 4), ("audit", 7)]),
            (&one, "Empty", &[("orders", 3)]),
            (&two, "Empty", &[("orders", 2)]),
            ("other", "Stable", &[("audit", 1)]),
        ]);
        assert!(text.contains("\n  payments: lane 0 holds 4; lane 1 holds 3, lane 2 holds 2\n"), "{text}");
        assert_eq!(readers, ["payments"]);
        assert!(!text.contains("other") && text.contains("no problem"), "{text}");
    }

    #[test]
    fn what_is_odd_about_shadows() {
        let (gone, high) = (shadow::name("gone", Lane(1)), shadow::name("g", Lane(7)));
        let (small, busy) = (shadow::name("g", Lane(2)), shadow::name("busy", Lane(1)));
        let (text, _) = judged(&[
            ("g", "Empty", &[("orders", 1)]),
            (&gone, "Empty", &[("orders", 1)]),
            (&high, "Empty", &[("orders", 1)]),
            (&small, "Empty", &[("small", 2), ("orders", 1), ("audit", 1)]),
            (&busy, "Stable", &[]),
            ("g~1~abcdefgh", "Empty", &[]),
        ]);
        for line in [
            format!("  {busy}: is a shadow group and has members (Stable)"),
            "note: gone: has shadows and is not there itself (lane 1 holds 1)".to_owned(),
            format!("note: {high}: is of lane 7, which no mapping has"),
            format!("note: {small}: 2 of its offsets are of topics without lane 2"),
            format!("note: {small}: 1 of its offsets are of topics that are not mapped"),
            "note: g~1~abcdefgh: looks like a shadow group and is none".to_owned(),
        ] {
            assert!(text.contains(&line), "{line}\n{text}");
        }
        assert!(text.contains("1 problem\n"), "{text}");
    }
}
