//! Shadows of many groups are named in pieces.

use std::collections::HashSet;

use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::*;

use super::Shadows;
use crate::apis::groups::testing::*;
use crate::limits;
use crate::remapper::Lane;
use crate::shadow;
use crate::testing::{ask, text};

#[test]
fn shadows_are_named_in_pieces_that_hold_each_once() {
    let long = "x".repeat(5_000);
    let named: Vec<GroupId> = ["a", "b", &long].map(|name| GroupId(text(name))).to_vec();
    let mut shadows = Shadows::new(named.clone(), 2_000);
    let mut all = HashSet::new();
    loop {
        let piece = shadows.next_piece();
        let bytes: usize = piece.iter().map(|shadow| shadow.len()).sum();
        assert!(piece.len() <= limits::PIECE_GROUPS_MAX && bytes <= limits::PIECE_NAMES_BYTES_MAX + long.len() * 2);
        if piece.is_empty() {
            break;
        }
        for shadow in piece {
            let group = shadows.group(&shadow).unwrap().clone();
            assert_eq!(shadow::parse(&shadow).unwrap().0, group.as_str());
            assert!(all.insert(shadow));
        }
    }
    assert_eq!(all.len(), 3 * 1_999);
    assert!(Shadows::new(named, 1).next_piece().is_empty(), "a single lane has no shadow");
}

/// A hundred lanes.
const WIDE: &str = r#"{"mapping": {"topics": [{"name": "t", "virtual_partitions": 200, "physical_partitions": 2}]}}"#;

#[test]
fn shadows_of_many_groups_are_asked_for_in_pieces() {
    let names: Vec<GroupId> = (0..200).map(|n| GroupId(text(&format!("group-{n}")))).collect();
    let slot = |n: u32, lane| ((shadow::name(&format!("group-{n}"), Lane(lane)), "t".to_owned(), 0), 7);
    let held = [slot(3, 99), slot(100, 0), slot(150, 1), slot(199, 50)];
    let mut store = Store { offsets: held.into(), ..Store::default() };
    let pieces = 200 * 99 / limits::PIECE_GROUPS_MAX + 1;

    let message = DescribeGroupsRequest::default().with_groups(names.clone());
    let (seen, told) = ask(WIDE, 5, &message, |seen| store.answer(seen));
    assert_eq!(seen.len(), 2 + 199 * 99 / limits::PIECE_GROUPS_MAX);
    let empty = told.groups.iter().filter(|group| group.group_state.as_str() == "Empty");
    let mut empty: Vec<&str> = empty.map(|group| group.group_id.as_str()).collect();
    empty.sort_unstable();
    assert_eq!((empty, told.groups.len()), (vec!["group-100", "group-150", "group-199", "group-3"], 200));

    let all = |id: &GroupId| OffsetFetchRequestGroup::default().with_group_id(id.clone()).with_topics(None);
    let message = OffsetFetchRequest::default().with_groups(names.iter().map(all).collect());
    let (seen, told) = ask(WIDE, 8, &message, |seen| store.answer(seen));
    assert_eq!(seen.len(), pieces);
    let found = told.groups.iter().filter(|group| !group.topics.is_empty());
    let found: Vec<_> = found.map(|g| (g.group_id.as_str(), g.topics[0].partitions[0].partition_index)).collect();
    assert_eq!(found, [("group-3", 198), ("group-100", 0), ("group-150", 2), ("group-199", 100)]);

    let message = DeleteGroupsRequest::default().with_groups_names(names);
    let (_, told) = ask(WIDE, 2, &message, |seen| store.answer(seen));
    let deleted = told.results.iter().filter(|result| result.error_code == 0);
    assert_eq!((deleted.count(), told.results.len(), store.offsets.len()), (4, 200, 0));
    assert!(store.names_max <= limits::PIECE_GROUPS_MAX, "{}", store.names_max);
}
