//! OffsetCommit in every version: lane 0 is kept in the group, the others in its shadows, and only who may
//! commit does.

use std::collections::BTreeMap;

use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::*;
use kafka_protocol::ResponseError;

use crate::apis::groups::testing::*;
use crate::remapper::Lane;
use crate::shadow;
use crate::testing::{ask, ask_alone, ask_of, counted, shared, text, topic, Seen, MAPPED};

fn codes(answer: &OffsetCommitResponse) -> BTreeMap<(String, i32), i16> {
    let parts =
        answer.topics.iter().flat_map(|topic| topic.partitions.iter().map(|part| (topic.name.to_string(), part)));
    parts.map(|(name, part)| ((name, part.partition_index), part.error_code)).collect()
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

/// A coordinator that loads takes every Heartbeat: it has to describe a group of its log first, and that is
/// none whose members make the answer long.
#[test]
fn commits_that_a_broker_refuses_for_shadows_are_counted() {
    let shared = shared(MAPPED);
    let mut store = Store::default();
    let refused = |seen: &Seen, store: &mut Store| {
        let answer = store.answer(seen);
        let is_shadow = seen.key == 8 && shadow::parse(&seen.message::<OffsetCommitRequest>().group_id).is_some();
        if !is_shadow {
            return answer;
        }
        let message: OffsetCommitRequest = seen.message();
        let part = |commit: &OffsetCommitRequestPartition| {
            OffsetCommitResponsePartition::default().with_partition_index(commit.partition_index).with_error_code(30)
        };
        let topics = message.topics.iter().map(|topic| {
            let parts = topic.partitions.iter().map(part).collect();
            OffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(parts)
        });
        seen.answer(&OffsetCommitResponse::default().with_topics(topics.collect()))
    };
    ask_of(&shared, 7, &commit("g", -1, &COMMITS), |seen| refused(seen, &mut store));
    let counted = counted(&shared);
    assert_eq!(counted["shadow_commits_failed_total"], 2, "lanes 1 and 2");
    assert_eq!(counted["response_errors_total.api.OffsetCommit.error.GROUP_AUTHORIZATION_FAILED"], 5);
    ask_of(&shared, 7, &commit("g", -1, &COMMITS), |seen| store.answer(seen));
    assert!(!crate::testing::counted(&shared).contains_key("shadow_commits_failed_total"));
}

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
fn a_client_that_names_a_shadow_is_refused() {
    let name = shadow::name("g", Lane(2));
    for version in 2..=9 {
        let told = ask_alone(MAPPED, version, &commit(&name, -1, &COMMITS));
        assert!(codes(&told).values().all(|code| *code == INVALID_GROUP) && codes(&told).len() == 8, "v{version}");
    }
}

#[test]
fn groups_go_by_untouched_where_nothing_is_mapped() {
    let name = shadow::name("g", Lane(2));
    let answer = OffsetCommitResponse::default();
    let (seen, _) = ask("", 8, &commit(&name, -1, &COMMITS), |seen| seen.answer(&answer));
    assert_eq!(seen[0].message::<OffsetCommitRequest>(), commit(&name, -1, &COMMITS));
    assert_eq!(ResponseError::InvalidGroupId.code(), INVALID_GROUP);
}
