//! Offsets of groups, against a store that does what a group coordinator does: lane 0 is kept in the group, the others in
//! its shadows, and clients see one group.

#[path = "list_groups/tests.rs"]
mod administration;
#[path = "heartbeat/tests.rs"]
mod renewals;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::*;
use kafka_protocol::ResponseError;

use crate::error::Blame;
use crate::limits;
use crate::remapper::Lane;
use crate::shadow;
use crate::testing::broker::Once;
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{answer, framed, read_answer, request, shared, take_frames, text, topic, Seen, MAPPED};
use crate::testing::{ask, ask_alone};

const RANGE: i64 = 1 << 20;
const ILLEGAL_GENERATION: i16 = 22;
const UNKNOWN_MEMBER: i16 = 25;
const INVALID_GROUP: i16 = 24;
const NOT_FOUND: i16 = 69;
const SUBSCRIBED: i16 = 86;
const LOADING: i16 = 14;

/// A coordinator: topics have two partitions; group `busy` has a member of generation 5, a consumer of `t`.
#[derive(Default, Clone)]
struct Store {
    /// By group, topic and partition.
    offsets: BTreeMap<(String, String, i32), i64>,
    /// The retention times that shadows were written with.
    retention_ms: BTreeSet<i64>,
    /// What `busy` is doing; empty: Stable.
    state: &'static str,
    /// What DescribeGroups fails with.
    describe_error: i16,
    /// What OffsetDelete fails with for shadows.
    delete_error: i16,
    /// The most names that a request had.
    names_max: usize,
}

/// The consumer protocol's version 1 of what a member of `busy` says and gets.
fn subscription() -> Bytes {
    Bytes::from_static(b"\0\x01\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\0")
}

fn assignment(parts: &[(&str, &[i32])]) -> Bytes {
    let mut bytes = vec![0, 1];
    bytes.extend((parts.len() as i32).to_be_bytes());
    for (name, partitions) in parts {
        bytes.extend((name.len() as i16).to_be_bytes());
        bytes.extend(name.as_bytes());
        bytes.extend((partitions.len() as i32).to_be_bytes());
        bytes.extend(partitions.iter().flat_map(|partition| partition.to_be_bytes()));
    }
    bytes.extend((-1i32).to_be_bytes());
    bytes.into()
}

impl Store {
    fn groups(&self) -> Vec<String> {
        let mut groups: Vec<_> = self.offsets.keys().map(|(group, ..)| group.clone()).collect();
        groups.dedup();
        groups
    }

    fn answer(&mut self, seen: &Seen) -> Vec<u8> {
        match ApiKey::try_from(seen.key).unwrap() {
            ApiKey::OffsetCommit => self.commit(seen),
            ApiKey::OffsetFetch => self.fetch(seen),
            ApiKey::DeleteGroups => self.delete_groups(seen),
            ApiKey::OffsetDelete => self.delete(seen),
            ApiKey::Heartbeat => {
                let message: HeartbeatRequest = seen.message();
                let code = refusal(&message.group_id, message.generation_id);
                seen.answer(&HeartbeatResponse::default().with_error_code(code))
            }
            ApiKey::DescribeGroups => {
                let message: DescribeGroupsRequest = seen.message();
                self.names_max = self.names_max.max(message.groups.len());
                let groups = message.groups.iter().map(|id| self.describe(seen.version, id)).collect();
                seen.answer(&DescribeGroupsResponse::default().with_groups(groups))
            }
            ApiKey::ListGroups => {
                let listed = |id: &String| ListedGroup::default().with_group_id(GroupId(text(id)));
                let groups = self.groups().iter().map(listed).collect();
                seen.answer(&ListGroupsResponse::default().with_groups(groups))
            }
            other => panic!("the store does not know {other:?}"),
        }
    }

    fn describe(&self, version: i16, id: &GroupId) -> DescribedGroup {
        let group = DescribedGroup::default().with_group_id(id.clone()).with_error_code(self.describe_error);
        let known = self.offsets.range((id.to_string(), String::new(), 0)..).next();
        let known = known.is_some_and(|((group, ..), _)| *group == id.as_str());
        match id.as_str() {
            _ if self.describe_error != 0 => group,
            "busy" => {
                let member = DescribedGroupMember::default().with_member_id(text("member"));
                let group = group.with_protocol_type(text("consumer"));
                if !self.state.is_empty() {
                    return group.with_group_state(text(self.state)).with_members(vec![member]);
                }
                let member = member
                    .with_member_metadata(subscription())
                    .with_member_assignment(assignment(&[("t", &[0, 3, 5]), ("u", &[1])]));
                group.with_group_state(text("Stable")).with_members(vec![member])
            }
            _ if known => group.with_group_state(text("Empty")),
            _ if version >= 6 => group.with_error_code(NOT_FOUND),
            _ => group.with_group_state(text("Dead")),
        }
    }

    fn commit(&mut self, seen: &Seen) -> Vec<u8> {
        let message: OffsetCommitRequest = seen.message();
        let refused = refusal(&message.group_id, message.generation_id_or_member_epoch);
        if shadow::parse(&message.group_id).is_some() {
            assert!((2..=4).contains(&seen.version), "no other version holds a retention time");
            self.retention_ms.insert(message.retention_time_ms);
        }
        let mut once = Once::default();
        let topics = message.topics.iter().map(|commits| {
            let parts = commits.partitions.iter().map(|commit| {
                once.name((commits.name.clone(), commit.partition_index));
                let code = if refused != 0 {
                    refused
                } else if commit.partition_index > 1 {
                    3
                } else {
                    0
                };
                if code == 0 {
                    let slot = (message.group_id.to_string(), commits.name.to_string(), commit.partition_index);
                    self.offsets.insert(slot, commit.committed_offset);
                }
                OffsetCommitResponsePartition::default()
                    .with_partition_index(commit.partition_index)
                    .with_error_code(code)
            });
            OffsetCommitResponseTopic::default().with_name(commits.name.clone()).with_partitions(parts.collect())
        });
        seen.answer(&OffsetCommitResponse::default().with_topics(topics.collect()))
    }

    /// Only the form for several groups: the filter asks in no other.
    fn fetch(&mut self, seen: &Seen) -> Vec<u8> {
        let message: OffsetFetchRequest = seen.message();
        assert!(seen.version >= 8 && !message.groups.is_empty());
        self.names_max = self.names_max.max(message.groups.len());
        let mut once = Once::default();
        let groups = message.groups.iter().map(|asked| {
            once.name(asked.group_id.clone());
            let id = asked.group_id.to_string();
            let places: Vec<(String, i32)> = match &asked.topics {
                None => self.offsets.keys().filter(|key| key.0 == id).map(|key| (key.1.clone(), key.2)).collect(),
                Some(topics) => topics
                    .iter()
                    .flat_map(|topic| topic.partition_indexes.iter().map(|p| (topic.name.to_string(), *p)))
                    .collect(),
            };
            let topics = places.into_iter().map(|(name, partition)| {
                let offset = self.offsets.get(&(id.clone(), name.clone(), partition)).copied().unwrap_or(-1);
                let found = OffsetFetchResponsePartitions::default()
                    .with_partition_index(partition)
                    .with_committed_offset(offset)
                    .with_metadata(Some(text("m")));
                OffsetFetchResponseTopics::default().with_name(topic(&name)).with_partitions(vec![found])
            });
            OffsetFetchResponseGroup::default().with_group_id(asked.group_id.clone()).with_topics(topics.collect())
        });
        seen.answer(&OffsetFetchResponse::default().with_groups(groups.collect()))
    }

    fn delete_groups(&mut self, seen: &Seen) -> Vec<u8> {
        let message: DeleteGroupsRequest = seen.message();
        self.names_max = self.names_max.max(message.groups_names.len());
        let results = message.groups_names.iter().map(|id| {
            let known = self.offsets.keys().any(|key| key.0 == id.as_str());
            let code = if id.as_str() == "busy" {
                68
            } else if known {
                0
            } else {
                NOT_FOUND
            };
            if code == 0 {
                self.offsets.retain(|key, _| key.0 != id.as_str());
            }
            DeletableGroupResult::default().with_group_id(id.clone()).with_error_code(code)
        });
        seen.answer(&DeleteGroupsResponse::default().with_results(results.collect()))
    }

    fn delete(&mut self, seen: &Seen) -> Vec<u8> {
        let message: OffsetDeleteRequest = seen.message();
        let id = message.group_id.to_string();
        if self.delete_error != 0 && shadow::parse(&id).is_some() {
            return seen.answer(&OffsetDeleteResponse::default().with_error_code(self.delete_error));
        }
        if !self.offsets.keys().any(|key| key.0 == id) {
            return seen.answer(&OffsetDeleteResponse::default().with_error_code(NOT_FOUND));
        }
        let topics = message.topics.iter().map(|asked| {
            let parts = asked.partitions.iter().map(|part| {
                let code = if id == "busy" && asked.name.as_str() == "t" { SUBSCRIBED } else { 0 };
                if code == 0 {
                    self.offsets.remove(&(id.clone(), asked.name.to_string(), part.partition_index));
                }
                OffsetDeleteResponsePartition::default()
                    .with_partition_index(part.partition_index)
                    .with_error_code(code)
            });
            OffsetDeleteResponseTopic::default().with_name(asked.name.clone()).with_partitions(parts.collect())
        });
        seen.answer(&OffsetDeleteResponse::default().with_topics(topics.collect()))
    }
}

/// What a coordinator says to a member of this generation, -1 for none.
fn refusal(group: &GroupId, generation: i32) -> i16 {
    match (group.as_str(), generation) {
        ("busy", 5) => 0,
        ("busy", -1) => UNKNOWN_MEMBER,
        ("busy", _) => ILLEGAL_GENERATION,
        (_, -1) => 0,
        _ => ILLEGAL_GENERATION,
    }
}

fn commit(group: &str, generation: i32, parts: &[(&str, i32, i64)]) -> OffsetCommitRequest {
    let topics = parts.iter().map(|(name, partition, offset)| {
        let part = OffsetCommitRequestPartition::default().with_partition_index(*partition);
        let part = part.with_committed_offset(*offset).with_committed_metadata(Some(text("m")));
        OffsetCommitRequestTopic::default().with_name(topic(name)).with_partitions(vec![part])
    });
    OffsetCommitRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(text(if generation < 0 { "" } else { "member" }))
        .with_topics(topics.collect())
}

/// What is committed to: all of `t`, an offset of lane 1 of `l`, and a topic that is not mapped.
const COMMITS: [(&str, i32, i64); 8] = [
    ("t", 0, 10),
    ("t", 1, 11),
    ("t", 2, 12),
    ("t", 3, 13),
    ("t", 4, 14),
    ("t", 5, 15),
    ("l", 3, RANGE + 7),
    ("u", 1, 99),
];

fn codes(answer: &OffsetCommitResponse) -> BTreeMap<(String, i32), i16> {
    let parts =
        answer.topics.iter().flat_map(|topic| topic.partitions.iter().map(|part| (topic.name.to_string(), part)));
    parts.map(|(name, part)| ((name, part.partition_index), part.error_code)).collect()
}

fn committed(group: &str) -> Store {
    let mut store = Store::default();
    let generation = if group == "busy" { 5 } else { -1 };
    ask(MAPPED, 9, &commit(group, generation, &COMMITS), |seen| store.answer(seen));
    store
}

#[test]
fn each_lane_has_slots_of_its_own() {
    for (version, (group, generation)) in (2..=9).flat_map(|version| [("g", -1), ("busy", 5)].map(|who| (version, who)))
    {
        let mut store = Store::default();
        let (_, told) = ask(MAPPED, version, &commit(group, generation, &COMMITS), |seen| store.answer(seen));
        assert_eq!(codes(&told).values().copied().collect::<Vec<_>>(), [0; 8], "v{version}, {group}");
        let slot = |lane, name: &str, p| (shadow::name(group, Lane(lane)), name.to_owned(), p);
        let expected = [
            (slot(0, "t", 0), 10),
            (slot(0, "t", 1), 11),
            (slot(1, "t", 0), 12),
            (slot(1, "t", 1), 13),
            (slot(2, "t", 0), 14),
            (slot(2, "t", 1), 15),
            (slot(1, "l", 1), 7),
            (slot(0, "u", 1), 99),
        ];
        assert_eq!(store.offsets, BTreeMap::from(expected), "v{version}, {group}");
    }
}

#[test]
fn who_may_not_commit_changes_no_lane() {
    for version in 2..=9 {
        for (generation, code) in [(4, ILLEGAL_GENERATION), (-1, UNKNOWN_MEMBER)] {
            // With lane 0, its own commit is the fence; without, a question is.
            for parts in [&COMMITS[..], &COMMITS[2..7]] {
                let mut store = Store::default();
                let (seen, told) = ask(MAPPED, version, &commit("busy", generation, parts), |seen| store.answer(seen));
                let keys: Vec<i16> = seen.iter().map(|seen| seen.key).collect();
                let fence = match (parts.len(), generation) {
                    (8, _) => &[8][..],
                    (_, -1) => &[15],
                    // The description first: a Heartbeat alone proves nothing.
                    _ => &[15, 12],
                };
                assert_eq!(keys, fence, "nothing follows a fence that holds");
                assert!(codes(&told).values().all(|told| *told == code), "v{version}: {told:?}");
                assert_eq!((codes(&told).len(), store.offsets.len()), (parts.len(), 0));
            }
        }
    }
}

/// A coordinator that loads takes every Heartbeat: it has to describe a group of its log first, and that is none whose
/// members make the answer long.
#[test]
fn a_heartbeat_alone_proves_nothing() {
    for (describe_error, verdict, wanted) in [
        (LOADING, 0, LOADING),
        (16, 0, 16),
        (6, 0, 16),
        (7, 0, 15),
        (30, 0, 30),
        (LOADING, ILLEGAL_GENERATION, LOADING),
        (0, ILLEGAL_GENERATION, ILLEGAL_GENERATION),
        (0, 82, 82),
        (0, 27, 0),
        (0, 0, 0),
    ] {
        let mut store = Store { describe_error, ..Store::default() };
        // The group's own commit, of a partition that the broker does not know, proves nothing either.
        for (parts, before) in [(&COMMITS[2..7], &[][..]), (&[COMMITS[2], ("u", 9, 1)], &[8])] {
            let message = commit("busy", 5, parts).with_group_instance_id(Some(text("instance")));
            let (seen, told) = ask(MAPPED, 7, &message, |seen| match seen.key {
                12 => {
                    let asked: HeartbeatRequest = seen.message();
                    assert_eq!((asked.group_id.as_str(), asked.generation_id), ("busy", 5));
                    assert_eq!(asked.group_instance_id, Some(text("instance")));
                    seen.answer(&HeartbeatResponse::default().with_error_code(verdict))
                }
                15 => {
                    let asked: DescribeGroupsRequest = seen.message();
                    assert_eq!(asked.groups, [GroupId(text(&shadow::name("busy", Lane(1))))]);
                    store.answer(seen)
                }
                _ => store.answer(seen),
            });
            let keys: Vec<i16> = seen.iter().map(|seen| seen.key).collect();
            assert!(keys.starts_with(&[before, &[15, 12]].concat()), "{keys:?}");
            let codes = codes(&told);
            let of_lanes = codes.iter().filter(|((name, _), _)| name != "u").map(|(_, code)| *code);
            assert!(of_lanes.clone().all(|code| code == wanted), "{describe_error} {verdict}: {told:?}");
        }
        assert_eq!(store.offsets.len(), if wanted == 0 { 5 } else { 0 }, "{describe_error} {verdict}");
    }
}

#[cfg(not(target_arch = "wasm32"))] // which has no clock
#[test]
fn a_commit_takes_time_by_its_bytes() {
    let config =
        r#"{"mapping": {"topics": [{"name": "t", "virtual_partitions": 190000, "physical_partitions": 95000}]}}"#;
    let part = |v| OffsetCommitRequestPartition::default().with_partition_index(v).with_committed_offset(7);
    let topics =
        OffsetCommitRequestTopic::default().with_name(topic("t")).with_partitions((0..190_000).map(part).collect());
    let message = OffsetCommitRequest::default().with_group_id(GroupId(text("g"))).with_topics(vec![topics]);
    let started = std::time::Instant::now();
    let (seen, told) = ask(config, 8, &message, |seen| {
        let commits: OffsetCommitRequest = seen.message();
        let told = |part: &OffsetCommitRequestPartition| {
            OffsetCommitResponsePartition::default().with_partition_index(part.partition_index)
        };
        // Backwards: the worst case of a search from the front.
        let parts = commits.topics[0].partitions.iter().rev().map(told).collect();
        let topic = OffsetCommitResponseTopic::default().with_name(topic("t")).with_partitions(parts);
        seen.answer(&OffsetCommitResponse::default().with_topics(vec![topic]))
    });
    assert_eq!((seen.len(), told.topics[0].partitions.len()), (2, 190_000));
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[test]
fn what_cannot_be_committed_is_refused_alone() {
    let mut store = Store::default();
    let message = commit("g", -1, &[("t", 6, 1), ("l", 3, 5), ("t", 2, 12), ("u", 7, 1)]);
    let (_, told) = ask(MAPPED, 8, &message, |seen| store.answer(seen));
    let expected = [(("l", 3), 1), (("t", 2), 0), (("t", 6), 3), (("u", 7), 3)];
    assert_eq!(codes(&told), expected.map(|((name, p), code)| ((name.to_owned(), p), code)).into());
    assert_eq!(store.offsets.len(), 1);
}

#[test]
fn offsets_are_one_group_s_again() {
    let store = committed("g");
    for version in 1..=9 {
        let parts = || COMMITS.iter().map(|(name, partition, _)| (*name, *partition)).chain([("t", 6)]);
        let old = |(name, p)| OffsetFetchRequestTopic::default().with_name(topic(name)).with_partition_indexes(vec![p]);
        let new =
            |(name, p)| OffsetFetchRequestTopics::default().with_name(topic(name)).with_partition_indexes(vec![p]);
        let group = OffsetFetchRequestGroup::default().with_group_id(GroupId(text("g"))).with_member_epoch(-1);
        for all in [false, true] {
            let message = match (version, all) {
                (1, true) => continue,
                (8.., false) => OffsetFetchRequest::default()
                    .with_groups(vec![group.clone().with_topics(Some(parts().map(new).collect()))]),
                (8.., true) => OffsetFetchRequest::default().with_groups(vec![group.clone().with_topics(None)]),
                (_, false) => OffsetFetchRequest::default()
                    .with_group_id(GroupId(text("g")))
                    .with_topics(Some(parts().map(old).collect())),
                (_, true) => OffsetFetchRequest::default().with_group_id(GroupId(text("g"))).with_topics(None),
            };
            let (seen, told) = ask(MAPPED, version, &message, |seen| store.clone().answer(seen));
            assert_eq!(seen.len(), 1);
            let mut expected = BTreeMap::from(COMMITS.map(|(name, p, offset)| ((name.to_owned(), p), offset)));
            if !all {
                expected.insert(("t".to_owned(), 6), -1);
            }
            assert_eq!(offsets(&told, version), expected, "v{version}, all topics: {all}");
        }
    }
}

fn offsets(told: &OffsetFetchResponse, version: i16) -> BTreeMap<(String, i32), i64> {
    assert_eq!(told.error_code, 0);
    if version >= 8 {
        assert_eq!((told.groups.len(), told.groups[0].group_id.as_str(), told.groups[0].error_code), (1, "g", 0));
        let topics = &told.groups[0].topics;
        let parts = topics.iter().flat_map(|t| t.partitions.iter().map(|p| (t.name.to_string(), p)));
        return parts.map(|(name, p)| ((name, p.partition_index), p.committed_offset)).collect();
    }
    let parts = told.topics.iter().flat_map(|t| t.partitions.iter().map(|p| (t.name.to_string(), p)));
    parts.map(|(name, p)| ((name, p.partition_index), p.committed_offset)).collect()
}

#[test]
fn groups_are_listed_without_their_shadows() {
    let mut store = committed("g");
    for version in 0..=5 {
        let names = |store: &mut Store| -> Vec<String> {
            let (_, told) = ask(MAPPED, version, &ListGroupsRequest::default(), |seen| store.answer(seen));
            told.groups.iter().map(|group| group.group_id.to_string()).collect()
        };
        assert_eq!(names(&mut store), ["g"], "v{version}");
        // One that has offsets in shadows only is a group all the same.
        let mut without = store.clone();
        without.offsets.retain(|key, _| key.0 != "g");
        assert_eq!(names(&mut without), ["g"], "v{version}");
    }
}

#[test]
fn a_group_that_lives_in_shadows_only_is_described_as_empty() {
    for version in 0..=6 {
        let mut store = committed("g");
        store.offsets.extend(committed("higher").offsets);
        store.offsets.retain(|key, _| key.0 != "higher");
        let message = DescribeGroupsRequest::default()
            .with_groups(["g", "higher", "none", "busy"].map(|name| GroupId(text(name))).to_vec());
        let (_, told) = ask(MAPPED, version, &message, |seen| store.answer(seen));
        let described: Vec<_> =
            told.groups.iter().map(|one| (one.group_id.as_str(), one.group_state.as_str(), one.error_code)).collect();
        let none = if version >= 6 { ("none", "", NOT_FOUND) } else { ("none", "Dead", 0) };
        assert_eq!(described, [("g", "Empty", 0), ("higher", "Empty", 0), none, ("busy", "Stable", 0)], "v{version}");
    }
}

#[test]
fn a_client_that_names_a_shadow_is_refused() {
    let name = shadow::name("g", Lane(2));
    for version in 2..=9 {
        let told = ask_alone(MAPPED, version, &commit(&name, -1, &COMMITS));
        assert!(codes(&told).values().all(|code| *code == INVALID_GROUP) && codes(&told).len() == 8, "v{version}");
    }
    for version in 0..=9 {
        let told = ask_alone(MAPPED, version, &JoinGroupRequest::default().with_group_id(GroupId(text(&name))));
        assert_eq!(told.error_code, INVALID_GROUP, "v{version}");
        let other = JoinGroupRequest::default().with_group_id(GroupId(text("g")));
        let answer = JoinGroupResponse::default().with_protocol_name(Some(text("p")));
        let (seen, _) = ask(MAPPED, version, &other, |seen| seen.answer(&answer));
        assert_eq!(seen[0].message::<JoinGroupRequest>().group_id, other.group_id);
    }
    for version in 0..=2 {
        let message = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text(&name))]);
        assert_eq!(ask_alone(MAPPED, version, &message).results[0].error_code, INVALID_GROUP);
    }
    assert_eq!(ask_alone(MAPPED, 0, &administration::delete(&name, &[("t", 0)])).error_code, INVALID_GROUP);
    let group = OffsetFetchRequestGroup::default().with_group_id(GroupId(text(&name))).with_topics(None);
    let told = ask_alone(MAPPED, 8, &OffsetFetchRequest::default().with_groups(vec![group]));
    assert_eq!((told.groups[0].error_code, told.groups[0].topics.len()), (INVALID_GROUP, 0));
}

#[test]
fn groups_go_by_untouched_where_nothing_is_mapped() {
    let name = shadow::name("g", Lane(2));
    let answer = OffsetCommitResponse::default();
    let (seen, _) = ask("", 8, &commit(&name, -1, &COMMITS), |seen| seen.answer(&answer));
    assert_eq!(seen[0].message::<OffsetCommitRequest>(), commit(&name, -1, &COMMITS));
    assert_eq!(ResponseError::InvalidGroupId.code(), INVALID_GROUP);
}
