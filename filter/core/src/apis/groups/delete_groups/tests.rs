//! DeleteGroups in every version: a group goes with all its shadows, or stays with them.

use kafka_protocol::messages::*;

use crate::apis::groups::testing::*;
use crate::remapper::Lane;
use crate::shadow;
use crate::testing::{ask, ask_alone, text, MAPPED};

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

#[test]
fn a_client_that_names_a_shadow_is_refused() {
    for version in 0..=2 {
        let names = vec![GroupId(text(&shadow::name("g", Lane(2))))];
        let message = DeleteGroupsRequest::default().with_groups_names(names);
        assert_eq!(ask_alone(MAPPED, version, &message).results[0].error_code, INVALID_GROUP);
    }
}
