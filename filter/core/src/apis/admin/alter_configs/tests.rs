//! Lists of replicas in both kinds of requests, and what is refused.

use kafka_protocol::messages::alter_configs_request::{AlterConfigsResource as Resource, AlterableConfig};
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource as IncrementalResource, AlterableConfig as IncrementalConfig,
};

use super::*;
use crate::apis::admin::testing::opened;
use crate::testing::{ask, ask_alone, text, MAPPED};

const LEADERS: &str = "leader.replication.throttled.replicas";
const FOLLOWERS: &str = "follower.replication.throttled.replicas";

/// `(topic, [(setting, value)])`
type Topics<'t> = &'t [(&'t str, &'t [(&'t str, Option<&'t str>)])];

fn whole(topics: Topics<'_>) -> AlterConfigsRequest {
    let config = |(name, value): &(&str, Option<&str>)| {
        AlterableConfig::default().with_name(text(name)).with_value(value.map(text))
    };
    let resource = |(topic, settings): &(&str, &[(&str, Option<&str>)])| {
        let configs = settings.iter().map(config).collect();
        Resource::default().with_resource_type(TOPIC).with_resource_name(text(topic)).with_configs(configs)
    };
    AlterConfigsRequest::default().with_resources(topics.iter().map(resource).collect()).with_validate_only(true)
}

fn incremental(operation: i8, topics: Topics<'_>) -> IncrementalAlterConfigsRequest {
    let config = |(name, value): &(&str, Option<&str>)| {
        let config = IncrementalConfig::default().with_name(text(name)).with_value(value.map(text));
        config.with_config_operation(operation)
    };
    let resource = |(topic, settings): &(&str, &[(&str, Option<&str>)])| {
        let configs = settings.iter().map(config).collect();
        IncrementalResource::default().with_resource_type(TOPIC).with_resource_name(text(topic)).with_configs(configs)
    };
    IncrementalAlterConfigsRequest::default().with_resources(topics.iter().map(resource).collect())
}

/// What the broker sees of each.
fn check(asked: Topics<'_>, expected: Topics<'_>) {
    for config in [MAPPED, &opened()] {
        for version in 0..=2 {
            let found = AlterConfigsResponse::default().with_throttle_time_ms(7);
            let (seen, told) = ask(config, version, &whole(asked), |seen| seen.answer(&found));
            assert_eq!(seen[0].message::<AlterConfigsRequest>(), whole(expected), "v{version}");
            assert_eq!(told, found);
        }
        for (version, operation) in [0, 1].into_iter().flat_map(|version| (0..=3).map(move |kind| (version, kind))) {
            let found = IncrementalAlterConfigsResponse::default().with_throttle_time_ms(7);
            let (seen, told) = ask(config, version, &incremental(operation, asked), |seen| seen.answer(&found));
            let message: IncrementalAlterConfigsRequest = seen[0].message();
            let expected = if operation == DELETE { asked } else { expected };
            assert_eq!(message, incremental(operation, expected), "v{version}");
            assert_eq!(told, found);
        }
    }
}

#[test]
fn replicas_of_virtual_partitions_are_those_of_physical_ones() {
    check(
        &[
            ("t", &[("retention.ms", Some("0:1")), (LEADERS, Some("0:1,2:1,5:2")), (FOLLOWERS, Some("3:3"))]),
            ("b", &[(LEADERS, Some("0:1,5:2"))]),
            ("other", &[(LEADERS, Some("7:1,7:1"))]),
        ],
        &[
            ("t", &[("retention.ms", Some("0:1")), (LEADERS, Some("0:1,1:2")), (FOLLOWERS, Some("1:3"))]),
            ("b", &[(LEADERS, Some("0:1,1:2"))]),
            ("other", &[(LEADERS, Some("7:1,7:1"))]),
        ],
    );
}

#[test]
fn all_none_and_no_value_go_on_as_they_are() {
    for value in [None, Some(""), Some("*"), Some(" * ")] {
        let topics: Topics<'_> = &[("t", &[(LEADERS, value), (FOLLOWERS, value)])];
        check(topics, topics);
    }
    check(&[], &[]);
}

#[test]
fn what_is_no_replica_is_refused_in_words_and_the_rest_goes_on() {
    for wrong in ["6:1", "0", "x", "0:1,-1:1", "0:1:2"] {
        let bad: (&str, &[(&str, Option<&str>)]) = ("t", &[(LEADERS, Some(wrong))]);
        let good: (&str, &[(&str, Option<&str>)]) = ("other", &[("retention.ms", Some("1"))]);
        let is_refusal = |code: i16, words: &Option<StrBytes>, topic: &StrBytes| {
            code == ERROR.code()
                && words.as_ref().is_some_and(|words| words.starts_with(&format!("{LEADERS} of topic t,")))
                && &**topic == "t"
        };
        let alone = ask_alone(&opened(), 1, &whole(&[bad]));
        assert!(is_refusal(
            alone.responses[0].error_code,
            &alone.responses[0].error_message,
            &alone.responses[0].resource_name
        ));
        let alone = ask_alone(&opened(), 1, &incremental(0, &[bad]));
        assert!(is_refusal(
            alone.responses[0].error_code,
            &alone.responses[0].error_message,
            &alone.responses[0].resource_name
        ));

        let done = AlterConfigsResourceResponse::default().with_resource_type(TOPIC).with_resource_name(text("other"));
        let found = AlterConfigsResponse::default().with_responses(vec![done.clone()]);
        let (seen, told) = ask(MAPPED, 2, &whole(&[bad, good]), |seen| seen.answer(&found));
        assert_eq!(seen[0].message::<AlterConfigsRequest>(), whole(&[good]));
        assert_eq!((told.responses.len(), &told.responses[0]), (2, &done));

        let done = IncrementalResponse::default().with_resource_type(TOPIC).with_resource_name(text("other"));
        let found = IncrementalAlterConfigsResponse::default().with_responses(vec![done.clone()]);
        let (seen, told) = ask(MAPPED, 1, &incremental(2, &[bad, good]), |seen| seen.answer(&found));
        assert_eq!(seen[0].message::<IncrementalAlterConfigsRequest>(), incremental(2, &[good]));
        assert_eq!((told.responses.len(), &told.responses[0]), (2, &done));
    }
}

/// As Kafka takes it, which ignores the value.
#[test]
fn a_setting_is_taken_away_whatever_its_value() {
    for value in [None, Some("6:1"), Some("x"), Some("0:1"), Some("*")] {
        let message = incremental(DELETE, &[("t", &[(LEADERS, value)])]);
        let found = IncrementalAlterConfigsResponse::default().with_throttle_time_ms(7);
        let (seen, told) = ask(MAPPED, 1, &message, |seen| seen.answer(&found));
        assert_eq!((seen[0].message::<IncrementalAlterConfigsRequest>(), told), (message, found));
    }
}

#[test]
fn a_long_refusal_has_few_words() {
    let bad: (&str, &[(&str, Option<&str>)]) = ("t", &[(LEADERS, Some("9:9"))]);
    let answer = ask_alone(MAPPED, 1, &incremental(0, &[bad; 1_000]));
    let with_words = answer.responses.iter().filter(|response| response.error_message.is_some()).count();
    assert_eq!((answer.responses.len(), with_words), (1_000, limits::REFUSAL_WORDS_MAX));
}
