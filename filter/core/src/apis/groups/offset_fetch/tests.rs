//! OffsetFetch in every version: what lies in the group and in its shadows is one group's again.

use std::collections::BTreeMap;

use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::*;

use crate::apis::groups::testing::*;
use crate::remapper::Lane;
use crate::shadow;
use crate::testing::{ask, ask_alone, text, topic, MAPPED};

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
fn a_client_that_names_a_shadow_is_refused() {
    let name = GroupId(text(&shadow::name("g", Lane(2))));
    let group = OffsetFetchRequestGroup::default().with_group_id(name).with_topics(None);
    let told = ask_alone(MAPPED, 8, &OffsetFetchRequest::default().with_groups(vec![group]));
    assert_eq!((told.groups[0].error_code, told.groups[0].topics.len()), (INVALID_GROUP, 0));
}

#[test]
fn what_cannot_be_told_is_an_error_and_not_a_guess() {
    let failed = kafka_protocol::ResponseError::UnknownServerError.code();
    let group = OffsetFetchRequestGroup::default().with_group_id(GroupId(text("g"))).with_member_epoch(-1);
    let all = OffsetFetchRequest::default().with_groups(vec![group.with_topics(None)]);
    // Nobody asks for 5,000 shadows.
    let many = r#"{"mapping": {"topics": [{"name": "m", "virtual_partitions": 5000, "physical_partitions": 1}]}}"#;
    let told = ask_alone(many, 8, &all);
    assert_eq!((told.groups[0].error_code, told.groups[0].topics.len()), (failed, 0));
    // Around the filter an offset was committed that no lane can show.
    let mut store = Store::default();
    store.offsets.insert(("g".to_owned(), "l".to_owned(), 0), 2 * RANGE);
    store.offsets.insert(("g".to_owned(), "u".to_owned(), 0), 7);
    let (_, told) = ask(MAPPED, 8, &all, |seen| store.clone().answer(seen));
    let parts = told.groups[0].topics.iter().flat_map(|t| t.partitions.iter().map(|p| (&*t.name.0, p)));
    let mut parts: Vec<_> = parts.map(|(name, p)| (name, p.committed_offset, p.error_code)).collect();
    parts.sort_unstable();
    assert_eq!(parts, [("l", -1, failed), ("u", 7, 0)]);
}
