//! What the tests of group APIs have in common: a store that does what a group coordinator does, and commits
//! to it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::*;

use crate::shadow;
use crate::testing::broker::Once;
use crate::testing::{ask, text, topic, Seen, MAPPED};

pub(super) const RANGE: i64 = 1 << 20;
pub(super) const ILLEGAL_GENERATION: i16 = 22;
pub(super) const UNKNOWN_MEMBER: i16 = 25;
pub(super) const INVALID_GROUP: i16 = 24;
pub(super) const NOT_FOUND: i16 = 69;
pub(super) const SUBSCRIBED: i16 = 86;
pub(super) const LOADING: i16 = 14;

/// A coordinator: topics have two partitions; group `busy` has a member of generation 5, a consumer of `t`.
#[derive(Default, Clone)]
pub(super) struct Store {
    /// By group, topic and partition.
    pub(super) offsets: BTreeMap<(String, String, i32), i64>,
    /// The retention times that shadows were written with.
    pub(super) retention_ms: BTreeSet<i64>,
    /// What `busy` is doing; empty: Stable.
    pub(super) state: &'static str,
    /// What DescribeGroups fails with.
    pub(super) describe_error: i16,
    /// What OffsetDelete fails with for shadows.
    pub(super) delete_error: i16,
    /// The most names that a request had.
    pub(super) names_max: usize,
}

/// The consumer protocol's version 1 of what a member of `busy` says and gets.
pub(super) fn subscription() -> Bytes {
    Bytes::from_static(b"\0\x01\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\0")
}

pub(super) fn assignment(parts: &[(&str, &[i32])]) -> Bytes {
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

    pub(super) fn answer(&mut self, seen: &Seen) -> Vec<u8> {
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
pub(super) fn refusal(group: &GroupId, generation: i32) -> i16 {
    match (group.as_str(), generation) {
        ("busy", 5) => 0,
        ("busy", -1) => UNKNOWN_MEMBER,
        ("busy", _) => ILLEGAL_GENERATION,
        (_, -1) => 0,
        _ => ILLEGAL_GENERATION,
    }
}

pub(super) fn commit(group: &str, generation: i32, parts: &[(&str, i32, i64)]) -> OffsetCommitRequest {
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
pub(super) const COMMITS: [(&str, i32, i64); 8] = [
    ("t", 0, 10),
    ("t", 1, 11),
    ("t", 2, 12),
    ("t", 3, 13),
    ("t", 4, 14),
    ("t", 5, 15),
    ("l", 3, RANGE + 7),
    ("u", 1, 99),
];

pub(super) fn committed(group: &str) -> Store {
    let mut store = Store::default();
    let generation = if group == "busy" { 5 } else { -1 };
    ask(MAPPED, 9, &commit(group, generation, &COMMITS), |seen| store.answer(seen));
    store
}
