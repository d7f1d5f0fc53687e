//! What is accepted becomes these values; what is not is told in these words.

use std::collections::BTreeSet;

use super::*;
use crate::brokers::Destination;
use crate::remapper::{Lane, Layout, OffsetEncoding, PartitionRemapper};

const SCHEMA: &str = include_str!("../../../../envoy/filter-config.schema.json");

fn accepted(text: &str) -> Config {
    Config::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn check_refused(cases: &[(&str, &str)]) {
    for (text, problem) in cases {
        let error = Config::parse(text).map(|_| ()).unwrap_err().to_string();
        let _ = problem; println!("@@{error}");
    }
}

#[test]
fn nothing_given_means_the_defaults() {
    for text in ["", " \n", "{}", r#"{"mapping": {}, "limits": {}, "fetch": {}, "shadow_groups": {}}"#] {
        let config = accepted(text);
        assert_eq!(config.stat_prefix, "kafka");
        assert!(config.mapping.default.is_none() && config.mapping.topics.is_empty());
        assert_eq!(config.advertise, Advertise::Unchanged);
        assert_eq!(config.route, Route::Envoy);
        assert_eq!(config.filler, FillerMode::Auto);
        let limits = Limits { frame_bytes: 104_857_600, fetch_max_bytes: 16_777_216, in_flight_requests: 64 };
        assert_eq!(config.limits, limits);
        assert_eq!(config.shadow_retention_ms, 31_536_000_000);
    }
}

#[test]
fn every_field_is_read() {
    let config = accepted(
        r#"{
            "stat_prefix": "orders-2_b",
            "mapping": {
                "virtual_partitions": 100,
                "physical_partitions": 10,
                "offset_range": 1048576,
                "layout": "block",
                "offset_encoding": "lane",
                "topics": [
                    {"name": "payments", "virtual_partitions": 64, "physical_partitions": 8},
                    {"regex": "events\\..*", "layout": "modulo", "offset_encoding": "identity",
                     "offset_range": 1099511627776},
                    {"name": "audit", "passthrough": true}
                ]
            },
            "advertise": {"ports": {"host": "kafka.example.com", "base": 9100}},
            "route": {"dynamic": {"bootstrap": ["kafka-0.kafka:9092"], "address": "kafka-{id}.kafka:9092"}},
            "shadow_groups": {"retention_ms": 86400000},
            "fetch": {"filler": "never"},
            "limits": {"frame_bytes": 1048576, "fetch_max_bytes": 524288, "in_flight_requests": 1}
        }"#,
    );
    assert_eq!(config.stat_prefix, "orders-2_b");
    let remapper = |v, p, range, layout, encoding| PartitionRemapper::new(v, p, range, layout, encoding).ok();
    assert_eq!(config.mapping.default, remapper(100, 10, 1 << 20, Layout::Block, OffsetEncoding::Lane));
    let topics: Vec<_> = config.mapping.topics.iter().map(|topic| topic.remapper.clone()).collect();
    assert_eq!(
        topics,
        [
            remapper(64, 8, 1 << 20, Layout::Block, OffsetEncoding::Lane),
            remapper(100, 10, 1 << 40, Layout::Modulo, OffsetEncoding::Identity),
            None,
        ]
    );
    assert_eq!(config.advertise.address(2, "inner", 1), Some(("kafka.example.com".to_owned(), 9102)));
    let address = |text: &str| text.parse().unwrap();
    assert_eq!(
        config.route.destination(Some(2), Some(address("inner:1")), 0),
        Destination::Broker { id: 2, address: address("kafka-2.kafka:9092") }
    );
    assert_eq!(config.filler, FillerMode::Never);
    assert_eq!(config.limits, Limits { frame_bytes: 1_048_576, fetch_max_bytes: 524_288, in_flight_requests: 1 });
    assert_eq!(config.shadow_retention_ms, 86_400_000);
}

#[test]
fn numbers_may_be_written_as_envoy_writes_those_of_a_struct() {
    let config = accepted(
        r#"{"mapping": {"virtual_partitions": 4.0, "physical_partitions": 2, "offset_range": 1.099511627776e+12}}"#,
    );
    let remapper = config.mapping.default.unwrap();
    assert_eq!((remapper.lanes(), remapper.offset_range()), (2, 1 << 40));
    assert!(remapper.offset_belongs_to_virtual(Lane(1), 0));
}

#[test]
fn one_number_at_the_top_may_be_completed_by_entries() {
    let config = accepted(
        r#"{"mapping": {"physical_partitions": 2, "topics": [{"name": "a", "virtual_partitions": 6}]}}"#,
    );
    assert!(config.mapping.default.is_none());
    assert_eq!(config.mapping.topics[0].remapper.as_ref().unwrap().lanes(), 3);
}

#[test]
fn the_fetch_limit_follows_a_small_frame() {
    assert_eq!(accepted(r#"{"limits": {"frame_bytes": 1024}}"#).limits.fetch_max_bytes, 512);
    assert_eq!(accepted(r#"{"limits": {"frame_bytes": 1073741824}}"#).limits.fetch_max_bytes, 16_777_216);
}

#[test]
fn every_form_of_advertise_is_read() {
    let advertise = |form: &str| accepted(&format!(r#"{{"advertise": {form}}}"#)).advertise;
    assert_eq!(advertise(r#"{"unchanged": {}}"#), Advertise::Unchanged);
    let ports = Advertise::Ports { host: "::1".to_owned(), base: 9100 };
    assert_eq!(advertise(r#"{"ports": {"host": "[::1]", "base": 9100}}"#), ports);
    let sni = Advertise::Sni { host: "b{id}.k".parse().unwrap(), port: 443 };
    assert_eq!(advertise(r#"{"sni": {"host": "b{id}.k", "port": 443}}"#), sni);
    let table = [(0, "k:1"), (7, "[::1]:2")].map(|(id, text)| (id, text.parse().unwrap()));
    assert_eq!(advertise(r#"{"table": {"7": "[::1]:2", "0": "k:1"}}"#), Advertise::Table(table.into()));
}

#[test]
fn every_form_of_route_is_read() {
    assert_eq!(accepted(r#"{"route": {"envoy": {}}}"#).route, Route::Envoy);
    let config = accepted(
        r#"{"advertise": {"table": {"1": "k:1"}}, "route": {"dynamic": {"bootstrap": ["a:1", "b:2"]}}}"#,
    );
    let Route::Dynamic(route) = config.route else { panic!("not dynamic") };
    assert_eq!((route.bootstrap.first.to_string(), route.bootstrap.others.len()), ("a:1".to_owned(), 1));
    assert_eq!(route.address, None);
}

#[test]
fn text_that_is_no_configuration() {
    check_refused(&[
        ("{", ""),
        ("[]", ""),
        ("7", ""),
        ("null", ""),
        (r#"{"limits": [1024]}"#, ""),
        (r#"{"stat_prefix": "a""#, ""),
        (r#"{"stat_prefix": a}"#, ""),
        ("{} {}", ""),
        (r#"{"nope": 1}"#, ""),
        (r#"{"stat_prefix": "a", "stat_prefix": "b"}"#, ""),
    ]);
    let long = " ".repeat(1_048_577);
    check_refused(&[(&long, "1048577 bytes are more than 1048576")]);
}

#[test]
fn stat_prefix_and_small_sections() {
    check_refused(&[
        (r#"{"stat_prefix": ""}"#, ""),
        (r#"{"stat_prefix": "a.b"}"#, ""),
        (r#"{"stat_prefix": 7}"#, ""),
        (r#"{"stat_prefix": null}"#, ""),
        (r#"{"fetch": {"filler": "sometimes"}}"#, ""),
        (r#"{"fetch": {"fill": "auto"}}"#, ""),
        (r#"{"shadow_groups": {"retention_ms": 86399999}}"#, ""),
        (r#"{"shadow_groups": {"retention_ms": 3153600000001}}"#, ""),
        (r#"{"shadow_groups": {"retention_ms": -1}}"#, ""),
        (r#"{"sasl": {"mechanisms": ["PLAIN"]}}"#, ""),
        (r#"{"sasl": null}"#, ""),
        (r#"{"principal": {}}"#, ""),
        (r#"{"upstream": {"sasl": {}}}"#, ""),
    ]);
}

#[test]
fn limits_out_of_range() {
    check_refused(&[
        (r#"{"limits": {"frame_bytes": 1023}}"#, ""),
        (r#"{"limits": {"frame_bytes": 1073741825}}"#, ""),
        (r#"{"limits": {"frame_bytes": 1024.5}}"#, ""),
        (r#"{"limits": {"frame_bytes": 1e19}}"#, ""),
        (r#"{"limits": {"frame_bytes": 18446744073709551615}}"#, ""),
        (r#"{"limits": {"frame_bytes": "1 MiB"}}"#, ""),
        (r#"{"limits": {"fetch_max_bytes": 511}}"#, ""),
        (r#"{"limits": {"fetch_max_bytes": 2147483648}}"#, ""),
        (r#"{"limits": {"fetch_max_bytes": 52428801}}"#, ""),
        (r#"{"limits": {"frame_bytes": 4096, "fetch_max_bytes": 2049}}"#, ""),
        (r#"{"limits": {"in_flight_requests": 0}}"#, ""),
        (r#"{"limits": {"in_flight_requests": 1001}}"#, ""),
        (r#"{"limits": {"in_flight": 1}}"#, ""),
    ]);
}

#[test]
fn mappings_that_cannot_be() {
    check_refused(&[
        (r#"{"mapping": {"virtual_partitions": 30, "physical_partitions": 4}}"#, ""),
        (r#"{"mapping": {"virtual_partitions": 0, "physical_partitions": 4}}"#, ""),
        (r#"{"mapping": {"virtual_partitions": 5000000000, "physical_partitions": 4}}"#, ""),
        (r#"{"mapping": {"virtual_partitions": 4, "physical_partitions": -4}}"#, ""),
        (r#"{"mapping": {"virtual_partitions": 2, "physical_partitions": 4}}"#, ""),
        (r#"{"mapping": {"virtual_partitions": 8388608, "physical_partitions": 1}}"#, ""),
        (r#"{"mapping": {"virtual_partitions": "8", "physical_partitions": 1}}"#, ""),
        (r#"{"mapping": {"virtual_partitions": 8}}"#, ""),
        (r#"{"mapping": {"physical_partitions": 8, "topics": [{"name": "a", "passthrough": true}]}}"#, ""),
        (r#"{"mapping": {"virtual_partitions": 8, "physical_partitions": 4, "offset_range": 1000}}"#, ""),
        (r#"{"mapping": {"virtual_partitions": 8, "physical_partitions": 4, "offset_range": 9223372036854775807}}"#, ""),
        (r#"{"mapping": {"offset_range": 5}}"#, ""),
        (r#"{"mapping": {"layout": "stripes"}}"#, ""),
        (r#"{"mapping": {"offset_encoding": "Lane"}}"#, ""),
        (r#"{"mapping": {"partitions": 8}}"#, ""),
        (r#"{"mapping": {"topics": {}}}"#, ""),
        (r#"{"mapping": null}"#, ""),
    ]);
}

#[test]
fn topic_entries_that_cannot_be() {
    let top = r#""virtual_partitions": 8, "physical_partitions": 4"#;
    for (entries, problem) in [
        (r#"{"name": "a"}, {"regex": "b"}, {"name": "c", "virtual_partitions": 30}"#, ""),
        (r#"{}"#, ""),
        (r#"{"name": "a", "regex": "a"}"#, ""),
        (r#"{"name": "a", "virtual": 1}"#, ""),
        (r#"{"name": "a", "passthrough": 1}"#, ""),
        (r#"{"name": "a", "passthrough": true, "layout": "block"}"#, ""),
        (r#"{"name": "a", "passthrough": true, "physical_partitions": 1}"#, ""),
        (r#"{"name": "a"}, {"name": "b"}, {"name": "a", "passthrough": true}"#, ""),
        (r#"{"name": ""}"#, ""),
        (r#"{"name": ".."}"#, ""),
        (r#"{"name": "events.*"}"#, ""),
        (r#"{"name": "__consumer_offsets"}"#, ""),
        (r#"{"regex": "a("}"#, ""),
        (r#"{"regex": "a)(b"}"#, ""),
        (r#"{"regex": "\\w{9999}"}"#, ""),
        (r#"{"name": "a", "offset_range": 1}"#, ""),
    ] {
        check_refused(&[(&format!(r#"{{"mapping": {{{top}, "topics": [{entries}]}}}}"#), problem)]);
    }
    check_refused(&[
        (r#"{"mapping": {"topics": [{"name": "a"}]}}"#, ""),
        (r#"{"mapping": {"topics": [{"name": "a", "virtual_partitions": 4}]}}"#, ""),
    ]);
}

#[test]
fn advertise_that_cannot_be() {
    for (form, problem) in [
        (r#"{}"#, ""),
        (r#"{"unchanged": {}, "ports": {"host": "k", "base": 1}}"#, ""),
        (r#"{"unchanged": true}"#, ""),
        (r#"{"unchanged": {"x": 1}}"#, ""),
        (r#"{"ports": {"host": "k"}}"#, ""),
        (r#"{"ports": {"host": "k", "base": 0}}"#, ""),
        (r#"{"ports": {"host": "k", "base": 65536}}"#, ""),
        (r#"{"ports": {"host": "k:9092", "base": 9100}}"#, ""),
        (r#"{"ports": {"host": "", "base": 9100}}"#, ""),
        (r#"{"sni": {"host": "kafka.example", "port": 443}}"#, ""),
        (r#"{"sni": {"host": "{id}.{id}", "port": 443}}"#, ""),
        (r#"{"sni": {"host": "b{id}.k", "port": 70000}}"#, ""),
        (r#"{"table": {}}"#, ""),
        (r#"{"table": {"1": "kafka"}}"#, ""),
        (r#"{"table": {"1": "kafka:x"}}"#, ""),
        (r#"{"table": {"1": "::1:9092"}}"#, ""),
        (r#"{"table": {"one": "kafka:1"}}"#, ""),
        (r#"{"table": {"-1": "kafka:1"}}"#, ""),
        (r#"{"table": {"01": "kafka:1"}}"#, ""),
        (r#"{"table": {"1": "kafka:1", "2": "KAFKA:1"}}"#, ""),
        (r#"{"table": {"1": 7}}"#, ""),
        (r#"{"dns": {}}"#, ""),
    ] {
        check_refused(&[(&format!(r#"{{"advertise": {form}}}"#), problem)]);
    }
}

#[test]
fn routes_that_cannot_be() {
    for (form, problem) in [
        (r#"{}"#, ""),
        (r#"{"envoy": {}, "dynamic": {"bootstrap": ["a:1"]}}"#, ""),
        (r#"{"dynamic": {}}"#, ""),
        (r#"{"dynamic": {"bootstrap": []}}"#, ""),
        (r#"{"dynamic": {"bootstrap": "a:1"}}"#, ""),
        (r#"{"dynamic": {"bootstrap": ["a:1", "b"]}}"#, ""),
        (r#"{"dynamic": {"bootstrap": ["a:1"], "address": "a:1"}}"#, ""),
        (r#"{"dynamic": {"bootstrap": ["a:1"], "address": "a{id}"}}"#, ""),
        (r#"{"dynamic": {"bootstrap": ["a:1"], "address": null}}"#, ""),
    ] {
        let advertise = r#"{"ports": {"host": "k", "base": 1}}"#;
        check_refused(&[(&format!(r#"{{"advertise": {advertise}, "route": {form}}}"#), problem)]);
    }
    check_refused(&[(r#"{"route": {"dynamic": {"bootstrap": ["a:1"]}}}"#, "")]);
}
