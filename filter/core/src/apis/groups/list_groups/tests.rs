//! Offsets that are deleted, groups in great number, and lists of them.

use super::*;

#[test]
fn a_group_is_deleted_with_its_shadows() {
    for version in 0..=2 {
        let mut store = committed("g");
        store.offsets.extend(committed("busy").offsets);
        let busy = committed("busy").offsets.len();
        let names = ["g", "busy", "none"].map(|name| GroupId(text(name))).to_vec();
        let message = DeleteGroupsRequest::default().with_groups_names(names);
        let (_, told) = ask(MAPPED, version, &message, |seen| store.answer(seen));
        let mut results: Vec<_> = told.results.iter().map(|one| (one.group_id.as_str(), one.error_code)).collect();
        results.sort_unstable();
        assert_eq!(results, [("busy", 68), ("g", 0), ("none", NOT_FOUND)], "v{version}");
        assert_eq!(store.offsets.len(), busy, "nothing is left of g, and everything of busy");
    }
}

pub(super) fn delete(group: &str, parts: &[(&str, i32)]) -> OffsetDeleteRequest {
    let topics = parts.iter().map(|(name, partition)| {
        let part = OffsetDeleteRequestPartition::default().with_partition_index(*partition);
        OffsetDeleteRequestTopic::default().with_name(topic(name)).with_partitions(vec![part])
    });
    OffsetDeleteRequest::default().with_group_id(GroupId(text(group))).with_topics(topics.collect())
}

/// Deletes offsets of `t`, `l` and `u`, of all lanes and of one that is not. Gives the error codes by topic and partition.
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

fn listed(id: &str, state: &str, kind: &str) -> ListedGroup {
    let group = ListedGroup::default().with_group_id(GroupId(text(id))).with_group_state(text(state));
    let protocol = if state == "Stable" { "consumer" } else { "" };
    group.with_group_type(text(kind)).with_protocol_type(text(protocol))
}

/// An active group with shadows, a group of shadows only, one that is empty, and one of the consumer protocol.
fn all_kinds() -> Vec<ListedGroup> {
    let shadow = |group: &str, lane| listed(&shadow::name(group, Lane(lane)), "Empty", "classic");
    vec![
        shadow("active", 2),
        listed("active", "Stable", "classic"),
        shadow("active", 1),
        shadow("higher", 1),
        shadow("higher", 2),
        listed("idle", "Empty", "classic"),
        listed("new", "Stable", "consumer"),
    ]
}

#[test]
fn lists_are_filtered_without_shadows() {
    let everything = vec!["active", "higher", "idle", "new"];
    for (version, states, types, wanted) in [
        (3, vec![], vec![], everything.clone()),
        (4, vec![], vec![], everything.clone()),
        (4, vec!["empty"], vec![], vec!["higher", "idle"]),
        (5, vec![" EMPTY "], vec![], vec!["higher", "idle"]),
        (5, vec!["Stable", "Dead"], vec![], vec!["active", "new"]),
        (5, vec!["nonsense"], vec![], vec![]),
        (5, vec![], vec!["Classic"], vec!["active", "higher", "idle"]),
        (5, vec![], vec![" classic "], vec![]),
        (5, vec!["Stable"], vec!["consumer", "share"], vec!["new"]),
    ] {
        let texts = |words: &[&str]| words.iter().map(|word| text(word)).collect::<Vec<_>>();
        let message = ListGroupsRequest::default().with_states_filter(texts(&states)).with_types_filter(texts(&types));
        let (seen, told) = ask(MAPPED, version, &message, |seen| {
            let asked: ListGroupsRequest = seen.message();
            assert!(asked.states_filter.is_empty() && asked.types_filter.is_empty(), "brokers do not know shadows");
            let groups = all_kinds().into_iter().map(|group| match version {
                ..4 => group.with_group_state(text("")).with_group_type(text("")),
                4 => group.with_group_type(text("")),
                _ => group,
            });
            seen.answer(&ListGroupsResponse::default().with_throttle_time_ms(9).with_groups(groups.collect()))
        });
        assert_eq!((seen.len(), told.throttle_time_ms), (1, 9));
        let mut names: Vec<&str> = told.groups.iter().map(|group| group.group_id.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, wanted, "v{version}: {states:?} {types:?}");
        if version >= 5 {
            let kinds = all_kinds();
            let of_shadows = listed("higher", "Empty", "classic");
            assert!(told.groups.iter().all(|group| kinds.contains(group) || *group == of_shadows));
        }
    }
}

#[cfg(not(target_arch = "wasm32"))] // which has no clock
#[test]
fn a_list_of_groups_without_number_is_walked() {
    // More than the codec is allowed to decode for a stranger.
    let shadow =
        |n: u32| listed(&shadow::name(&format!("group-{}", n % 30_000), Lane(1 + n / 30_000)), "Empty", "classic");
    let groups: Vec<ListedGroup> = (0..210_000)
        .map(|n| if n % 3 == 0 { listed(&format!("group-{n}"), "Stable", "classic") } else { shadow(n) })
        .collect();
    let mut started = std::time::Instant::now();
    let (_, told) = ask(MAPPED, 5, &ListGroupsRequest::default(), |seen| {
        let answer = seen.answer(&ListGroupsResponse::default().with_groups(groups.clone()));
        started = std::time::Instant::now();
        answer
    });
    // Every third group under its own name, and those below 30,000 that shadows alone stand for.
    assert_eq!(told.groups.len(), 70_000 + 20_000);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[test]
fn a_list_that_ends_too_early_is_the_brokers_fault() {
    let whole = answer(5, 77, &ListGroupsResponse::default().with_groups(all_kinds()));
    for end in 9..whole.len() {
        let mut proxy = Proxy::new(&shared(MAPPED), Feeding::Handed, None);
        proxy.client(&request(5, 77, &ListGroupsRequest::default()));
        let mut cut = whole[..end].to_vec();
        cut[..4].copy_from_slice(&(end as i32 - 4).to_be_bytes());
        proxy.broker(&cut);
        assert!(proxy.closed && proxy.blamed(Blame::Broker) == 1, "{end} of {} bytes", whole.len());
    }
}
