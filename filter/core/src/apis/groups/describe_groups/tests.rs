//! DescribeGroups in every version: a group that lives in shadows only is empty, not dead.

use kafka_protocol::messages::*;

use crate::apis::groups::testing::*;
use crate::testing::{ask, text, MAPPED};

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
