//! Resolution order, and the cache's bound.

use super::*;
use crate::config::Config;

fn registry(mapping: &str) -> TopicRegistry {
    let config = Config::parse(&format!(r#"{{"mapping": {mapping}}}"#), &|_| None).unwrap();
    TopicRegistry::new(&config.mapping)
}

/// V of every topic, 0 where it passes through.
#[track_caller]
fn check(registry: &TopicRegistry, expected: &[(&str, i32)]) {
    // Twice: the second answer may come from the cache.
    for _ in 0..2 {
        for (topic, v) in expected {
            let found = registry.remapper(topic).map_or(0, |remapper| remapper.virtual_partitions());
            assert_eq!(found, *v, "{topic}");
        }
    }
}

#[test]
fn exact_name_then_regexes_in_order_then_default() {
    let registry = registry(
        r#"{
            "virtual_partitions": 2, "physical_partitions": 1,
            "topics": [
                {"regex": "pay.*", "virtual_partitions": 3},
                {"regex": "payments.*", "virtual_partitions": 4},
                {"name": "payments", "virtual_partitions": 5},
                {"regex": "a|ab", "virtual_partitions": 6},
                {"name": "audit", "passthrough": true},
                {"regex": "log-.*", "passthrough": true},
                {"regex": ".*offsets", "virtual_partitions": 7}
            ]
        }"#,
    );
    check(
        &registry,
        &[
            ("payments", 5),
            ("payments-eu", 3),
            ("my-pay", 2),
            ("a", 6),
            ("ab", 6),
            ("abc", 2),
            ("audit", 0),
            ("log-1", 0),
            ("offsets", 7),
            ("__consumer_offsets", 0),
            ("__anything", 0),
            ("_one", 2),
            ("", 2),
        ],
    );
    assert!(registry.maps_anything());
}

#[test]
fn without_a_default_only_listed_topics_are_mapped() {
    let registry = registry(r#"{"topics": [{"name": "a", "virtual_partitions": 8, "physical_partitions": 4}]}"#);
    check(&registry, &[("a", 8), ("b", 0)]);
    assert!(registry.maps_anything());
}

#[test]
fn nothing_is_mapped_when_no_entry_maps() {
    for mapping in ["{}", r#"{"topics": [{"name": "a", "passthrough": true}, {"regex": ".*", "passthrough": true}]}"#] {
        let registry = registry(mapping);
        assert!(!registry.maps_anything());
        check(&registry, &[("a", 0), ("b", 0)]);
    }
}

#[test]
fn a_default_alone_maps_everything_else() {
    let registry = registry(r#"{"virtual_partitions": 9, "physical_partitions": 3}"#);
    assert!(registry.maps_anything());
    check(&registry, &[("a", 9)]);
    assert!(registry.cache.borrow().is_empty(), "no regex ran, so there is nothing to remember");
}

#[test]
fn a_full_cache_still_resolves() {
    let registry = registry(r#"{"topics": [{"regex": "t.*", "virtual_partitions": 8, "physical_partitions": 4}]}"#);
    for n in 0..TOPIC_CACHE_ENTRIES_MAX + 10 {
        assert!(registry.remapper(&format!("t{n}")).is_some());
        assert!(registry.remapper(&format!("u{n}")).is_none());
    }
    assert_eq!(registry.cache.borrow().len(), TOPIC_CACHE_ENTRIES_MAX);
}

#[test]
fn names_that_no_topic_can_have_are_not_remembered() {
    let registry = registry(r#"{"topics": [{"regex": "t.*", "virtual_partitions": 8, "physical_partitions": 4}]}"#);
    for (bytes, remembered) in [(TOPIC_NAME_BYTES_MAX, 1), (TOPIC_NAME_BYTES_MAX + 1, 1), (32_000, 1)] {
        assert!(registry.remapper(&"t".repeat(bytes)).is_some());
        assert_eq!(registry.cache.borrow().len(), remembered);
    }
}
