//! OffsetDelete: offsets go from the group and its shadows, topic by topic, as the group's members allow.

use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_protocol::messages::*;

use crate::apis::groups::testing::*;
use crate::remapper::Lane;
use crate::shadow;
use crate::testing::{ask, ask_alone, text, topic, MAPPED};

pub(super) fn delete(group: &str, parts: &[(&str, i32)]) -> OffsetDeleteRequest {
    let topics = parts.iter().map(|(name, partition)| {
        let part = OffsetDeleteRequestPartition::default().with_partition_index(*partition);
        OffsetDeleteRequestTopic::default().with_name(topic(name)).with_partitions(vec![part])
    });
    OffsetDeleteRequest::default().with_group_id(GroupId(text(group))).with_topics(topics.collect())
}

/// Deletes offsets of `t`, `l` and `u`, of all lanes and of one that is not. Gives the error codes by topic
/// and partition.
fn delete_some(store: &mut Store, group: &str) -> (i16, Vec<(String, i32, i16)>) {
    let parts = [("t", 0), ("t", 3), ("t", 9), ("l", 3), ("u", 1)];
    let (_, told) = ask(MAPPED, 0, &delete(group, &parts), |seen| store.answer(seen));
    let parts = told.topics.iter().flat_map(|topic| topic.partitions.iter().map(|part| (topic.name.to_string(), part)));
    let mut codes: Vec<_> = parts.map(|(name, part)| (name, part.partition_index, part.error_code)).collect();
    codes.sort_unstable();
    (told.error_code, codes)
}

fn codes(codes: [i16; 5]) -> Vec<(String, i32, i16)> {
    let places = [("l", 3), ("t", 0), ("t", 3), ("t", 9), ("u", 1)];
    places.iter().zip(codes).map(|((name, p), code)| ((*name).to_owned(), *p, code)).collect()
}

#[test]
fn offsets_are_deleted_in_all_lanes_of_a_topic_or_in_none() {
    for (group, state, wanted, left) in [
        ("g", "", [0, 0, 0, 3, 0], 4),
        ("busy", "", [0, SUBSCRIBED, SUBSCRIBED, 3, 0], 6),
        // Nobody can tell what a group is subscribed to while it rebalances.
        ("busy", "PreparingRebalance", [SUBSCRIBED, SUBSCRIBED, SUBSCRIBED, 3, SUBSCRIBED], 8),
    ] {
        let mut store = committed(group);
        store.state = state;
        assert_eq!(delete_some(&mut store, group), (0, codes(wanted)), "{group} {state}");
        assert_eq!(store.offsets.len(), left, "{group} {state}");
    }
    assert_eq!(delete_some(&mut Store::default(), "none"), (NOT_FOUND, vec![]));
}

#[test]
fn nothing_is_deleted_while_nobody_knows_the_group() {
    let mut store = Store { describe_error: LOADING, ..committed("g") };
    assert_eq!(delete_some(&mut store, "g"), (LOADING, vec![]));
    assert_eq!(store.offsets.len(), 8);
}

#[test]
fn what_the_broker_says_of_lane_0_holds_for_the_topic() {
    // A member subscribes behind the description.
    let mut store = committed("busy");
    let message = delete("busy", &[("t", 0), ("t", 3), ("l", 3)]);
    let (seen, told) = ask(MAPPED, 0, &message, |seen| match seen.key {
        15 => {
            let group = DescribedGroup::default().with_group_id(GroupId(text("busy"))).with_group_state(text("Empty"));
            seen.answer(&DescribeGroupsResponse::default().with_groups(vec![group]))
        }
        _ => store.answer(seen),
    });
    assert_eq!(seen.iter().map(|seen| seen.key).collect::<Vec<_>>(), [15, 47, 47], "and one for l, in its shadow");
    assert!(told.topics.iter().all(|topic| {
        let wanted = if topic.name.0.as_str() == "t" { SUBSCRIBED } else { 0 };
        topic.partitions.iter().all(|part| part.error_code == wanted)
    }));
    assert_eq!(store.offsets.len(), 7);
}

#[test]
fn a_deletion_that_ends_in_the_middle_says_what_was_done() {
    let mut store = Store { delete_error: LOADING, ..committed("g") };
    assert_eq!(delete_some(&mut store, "g"), (0, codes([LOADING, 0, LOADING, 3, 0])));
    assert_eq!(store.offsets.len(), 6);
}

#[test]
fn a_client_that_names_a_shadow_is_refused() {
    let message = delete(&shadow::name("g", Lane(2)), &[("t", 0)]);
    assert_eq!(ask_alone(MAPPED, 0, &message).error_code, INVALID_GROUP);
}
