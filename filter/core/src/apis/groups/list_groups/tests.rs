//! ListGroups in every version: groups without their shadows, filtered as the client asks.

use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::*;

use crate::apis::groups::testing::*;
use crate::error::Blame;
use crate::remapper::Lane;
use crate::shadow;
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{answer, ask, request, shared, text, MAPPED};

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

fn listed(id: &str, state: &str, kind: &str) -> ListedGroup {
    let group = ListedGroup::default().with_group_id(GroupId(text(id))).with_group_state(text(state));
    let protocol = if state == "Stable" { "consumer" } else { "" };
    group.with_group_type(text(kind)).with_protocol_type(text(protocol))
}

/// An active group with shadows, a group of shadows only, one that is empty, and one of the consumer
/// protocol.
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
