//! What clients are told of settings that hold addresses or partitions.

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{DescribeConfigsResult, DescribeConfigsSynonym};
use kafka_protocol::messages::*;

use super::*;
use crate::testing::{ask, text, MAPPED};

const UNCHANGED: &str =
    r#"{"mapping": {"topics": [{"name": "t", "virtual_partitions": 6, "physical_partitions": 2}]}}"#;
const LIST: &str = "follower.replication.throttled.replicas";

fn setting(name: &str, value: Option<&str>) -> DescribeConfigsResourceResult {
    let synonym = DescribeConfigsSynonym::default().with_name(text(name)).with_value(value.map(text)).with_source(5);
    DescribeConfigsResourceResult::default()
        .with_name(text(name))
        .with_value(value.map(text))
        .with_synonyms(vec![synonym.clone(), synonym])
}

fn result(kind: i8, name: &str, configs: Vec<DescribeConfigsResourceResult>) -> DescribeConfigsResult {
    DescribeConfigsResult::default().with_resource_type(kind).with_resource_name(text(name)).with_configs(configs)
}

/// What becomes of an answer: the same resources are asked for, all settings of each.
fn told(config: &str, version: i16, found: &DescribeConfigsResponse) -> DescribeConfigsResponse {
    let asked = found.results.iter().map(|result| {
        DescribeConfigsResource::default()
            .with_resource_type(result.resource_type)
            .with_resource_name(result.resource_name.clone())
            .with_configuration_keys(None)
    });
    let request = DescribeConfigsRequest::default().with_resources(asked.collect()).with_include_synonyms(true);
    let (seen, told) = ask(config, version, &request, |seen| seen.answer(found));
    assert_eq!((seen.len(), seen[0].message::<DescribeConfigsRequest>()), (1, request), "asked as the client did");
    told
}

fn is_hidden(config: &DescribeConfigsResourceResult) -> bool {
    config.is_sensitive && config.value.is_none() && config.synonyms.iter().all(|synonym| synonym.value.is_none())
}

#[test]
fn brokers_addresses_are_told_as_secrets_are() {
    let plugin = "confluent.metrics.reporter.bootstrap.servers";
    let mut configs: Vec<_> = ADDRESSES.iter().map(|name| setting(name, Some("INSIDE://kafka-1:9092"))).collect();
    configs.push(setting(plugin, Some("kafka-1:9092")));
    let others = [setting("listener.security.protocol.map", Some("A:PLAINTEXT")), setting("broker.id", Some("1"))];
    configs.extend(others.clone());
    for version in 1..=4 {
        let found = DescribeConfigsResponse::default().with_results(vec![
            result(BROKER, "1", configs.clone()),
            result(TOPIC, "listeners", vec![setting("listeners", Some("a topic's"))]),
        ]);
        let answer = told(MAPPED, version, &found);
        let (brokers, topics) = (&answer.results[0], &answer.results[1]);
        let (hidden, shown) = brokers.configs.split_at(ADDRESSES.len() + 1);
        assert!(hidden.iter().all(is_hidden) && hidden.iter().all(|config| config.synonyms.len() == 2), "v{version}");
        assert_eq!(shown, others);
        assert_eq!(topics, &found.results[1]);
        assert_eq!(told(UNCHANGED, version, &found), found, "clients know these addresses");
    }
}

#[test]
fn throttled_replicas_are_those_of_virtual_partitions() {
    for (topic, list, expected) in [
        ("t", Some("0:1,1:2"), Some("0:1,2:1,4:1,1:2,3:2,5:2")),
        ("b", Some("1:2"), Some("3:2,4:2,5:2")),
        ("t", Some("*"), Some("*")),
        ("t", Some(""), Some("")),
        ("t", None, None),
        ("other", Some("7:1"), Some("7:1")),
    ] {
        for version in 1..=4 {
            let others = setting("retention.ms", Some("0:1"));
            let found = DescribeConfigsResponse::default().with_results(vec![result(
                TOPIC,
                topic,
                vec![others.clone(), setting(LIST, list)],
            )]);
            let answer = told(MAPPED, version, &found);
            assert_eq!(answer.results[0].configs, [others, setting(LIST, expected)], "{topic} {list:?}");
        }
    }
}

#[test]
fn lists_that_cannot_be_told_are_hidden() {
    for list in ["2:1", "0:1,x", "all"] {
        let found =
            DescribeConfigsResponse::default().with_results(vec![result(TOPIC, "t", vec![setting(LIST, Some(list))])]);
        assert!(is_hidden(&told(MAPPED, 4, &found).results[0].configs[0]), "{list}");
    }
}

/// A topic's list may be asked for again and again.
#[test]
fn lists_do_not_grow_without_end() {
    let list = (0..800).map(|broker| format!("0:{broker}")).collect::<Vec<_>>().join(",");
    let one = result(TOPIC, "t", vec![setting(LIST, Some(&list))]);
    let found = DescribeConfigsResponse::default().with_results(vec![one; 100]);
    let answer = told(MAPPED, 4, &found);
    let lists = answer.results.iter().filter_map(|result| result.configs[0].value.as_ref());
    let bytes: usize = lists.map(|list| list.len()).sum();
    assert!(bytes <= limits::REPLICA_LISTS_BYTES_MAX && bytes > limits::REPLICA_LISTS_BYTES_MAX / 4, "{bytes}");
    assert!(is_hidden(&answer.results[99].configs[0]));
}

/// A list that no string has room for is written up to there, and that is work for each time it is asked for.
#[test]
fn lists_that_are_too_long_take_of_the_same_room() {
    let list = (0..2_500).map(|broker| format!("0:{broker}")).collect::<Vec<_>>().join(",");
    let (long, short) = (setting(LIST, Some(&list)), setting(LIST, Some("0:1")));
    let last = |long_ones| {
        let mut configs = vec![long.clone(); long_ones];
        configs.push(short.clone());
        let found = DescribeConfigsResponse::default().with_results(vec![result(TOPIC, "t", configs)]);
        told(MAPPED, 4, &found).results.remove(0).configs
    };
    let few = last(3);
    assert!(is_hidden(&few[0]) && few[3].value.as_deref() == Some("0:1,2:1,4:1"));
    let many = last(limits::REPLICA_LISTS_BYTES_MAX / limits::STRING_BYTES_MAX + 1);
    assert!(many.iter().all(is_hidden));
}

#[test]
fn what_concerns_nobody_is_not_read() {
    let resource = |kind, name: &str, keys: Option<&str>| {
        DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configuration_keys(keys.map(|key| vec![text(key)]))
    };
    for (config, resource) in [
        ("", resource(BROKER, "1", None)),
        (UNCHANGED, resource(BROKER, "1", None)),
        (MAPPED, resource(8, "1", None)),
        (MAPPED, resource(TOPIC, "other", None)),
        (MAPPED, resource(TOPIC, "other", Some("retention.ms"))),
    ] {
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let odd = result(BROKER, "1", vec![setting("listeners", Some("x"))]);
        let found = DescribeConfigsResponse::default().with_results(vec![odd]);
        let (_, told) = ask(config, 4, &request, |seen| seen.answer(&found));
        assert_eq!(told, found, "{config}");
    }
}

#[test]
fn whichever_settings_are_named_lists_are_of_virtual_partitions() {
    for keys in [None, Some(vec![]), Some(vec![text("throttled")]), Some(vec![text(LIST)])] {
        let resource = DescribeConfigsResource::default().with_resource_type(TOPIC).with_resource_name(text("t"));
        let request = DescribeConfigsRequest::default().with_resources(vec![resource.with_configuration_keys(keys)]);
        let found = vec![result(TOPIC, "t", vec![setting(LIST, Some("0:1"))])];
        let found = DescribeConfigsResponse::default().with_results(found);
        let (_, told) = ask(MAPPED, 4, &request, |seen| seen.answer(&found));
        assert_eq!(told.results[0].configs[0].value.as_deref(), Some("0:1,2:1,4:1"));
    }
}
