//! CreateTopics in every version: V asked for and P created, or words.

use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::*;

use crate::apis::topics::testing::*;
use crate::limits;
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{ask, request, shared, take_frames, text, topic, Seen, MAPPED};

fn asking(topics: &[CreatableTopic]) -> CreateTopicsRequest {
    CreateTopicsRequest::default().with_timeout_ms(77).with_topics(topics.to_vec())
}

/// Sends the request to a cluster. Gives what went up, and what came down.
fn create(
    version: i16,
    cluster: &mut Cluster,
    message: &CreateTopicsRequest,
) -> (Vec<Seen>, Vec<CreatableTopicResult>) {
    let (seen, answer) = ask(MAPPED, version, message, |seen| cluster.answer(seen));
    assert_eq!(answer.throttle_time_ms, 5);
    (seen, answer.topics)
}

fn told(results: &[CreatableTopicResult]) -> Vec<(&str, i16)> {
    results.iter().map(|result| (result.name.as_str(), result.error_code)).collect()
}

fn words(result: &CreatableTopicResult) -> &str {
    result.error_message.as_deref().unwrap_or_default()
}

fn setting(name: &str, value: &str) -> CreatableTopicConfig {
    CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
}

#[test]
fn v_is_asked_for_and_p_is_created() {
    for version in 2..=7 {
        for (asked, validate_only) in [(6, false), (-1, false), (6, true), (-1, true)] {
            let mut cluster = Cluster::default();
            let settings = vec![setting("retention.ms", "5"), setting("leader.replication.throttled.replicas", "*")];
            let wanted = creatable("t", asked).with_configs(settings.clone());
            let message = asking(std::slice::from_ref(&wanted)).with_validate_only(validate_only);
            let (seen, results) = create(version, &mut cluster, &message);
            let up: Vec<CreateTopicsRequest> = seen.iter().map(Seen::message).collect();
            let expected = asking(&[wanted.with_num_partitions(2)]).with_validate_only(validate_only);
            assert_eq!(up, [expected], "v{version}");
            assert_eq!(cluster.topics.get("t"), Some(&2).filter(|_| !validate_only), "v{version}");
            let result = &results[0];
            assert_eq!((result.name.as_str(), result.error_code, words(result)), ("t", 0, ""), "v{version}");
            let partitions = if version >= 5 { 6 } else { -1 };
            assert_eq!(result.num_partitions, partitions, "v{version}");
            assert_eq!(result.configs.as_ref().map(Vec::len), Some(if version >= 5 { 2 } else { 0 }));
            assert_eq!(result.topic_id.as_bytes(), &[if version >= 7 { 9 } else { 0 }; 16]);
        }
    }
}

#[test]
fn a_topic_that_is_created_is_not_the_one_that_was_known() {
    for (validate_only, known) in [(true, true), (false, false)] {
        let shared = shared(MAPPED);
        let mut proxy = Proxy::new(&shared, Feeding::Passing, None);
        proxy.client(&request(7, 77, &asking(&[creatable("t", 6)]).with_validate_only(validate_only)));
        let seen = Seen::parse(&take_frames(&mut proxy.up)[0]);
        proxy.broker(&Cluster::default().answer(&seen));
        assert_eq!(shared.facts.of("t", 0).is_some(), known);
        assert!(shared.facts.of("l", 0).is_some());
    }
}

#[test]
fn a_count_that_is_not_told_stays_so() {
    let mut respond = |seen: &Seen| {
        let hidden = CreatableTopicResult::default().with_name(topic("t")).with_topic_config_error_code(29);
        seen.answer(&CreateTopicsResponse::default().with_topics(vec![hidden.with_configs(None)]))
    };
    for version in 5..=7 {
        let (_, answer) = ask(MAPPED, version, &asking(&[creatable("t", 6)]), &mut respond);
        let result = &answer.topics[0];
        assert_eq!((result.num_partitions, result.topic_config_error_code, &result.configs), (-1, 29, &None));
    }
}

#[test]
fn what_names_no_mapped_topic_passes() {
    for version in 2..=7 {
        for topics in [vec![], vec![creatable("u", 4), creatable("u", 4), assigned("w", 3)]] {
            let mut cluster = Cluster::default();
            let (seen, results) = create(version, &mut cluster, &asking(&topics));
            assert_eq!(seen.iter().map(Seen::message::<CreateTopicsRequest>).collect::<Vec<_>>(), [asking(&topics)]);
            let expected = [("w", 0), ("u", INVALID_REQUEST)];
            assert_eq!(told(&results), &expected[..topics.len().min(2)], "v{version}");
        }
    }
}

#[test]
fn another_count_is_refused_in_words() {
    for version in 2..=7 {
        for count in [1, 2, 4, 7, 12, 0, -2, i32::MAX, i32::MIN] {
            let mut cluster = Cluster::default();
            let (seen, results) = create(version, &mut cluster, &asking(&[creatable("t", count)]));
            let up: Vec<CreateTopicsRequest> = seen.iter().map(Seen::message).collect();
            assert_eq!(up, [asking(&[creatable("t", 2)]).with_validate_only(true)], "nothing can come of it");
            assert_eq!(told(&results), [("t", INVALID_PARTITIONS)], "v{version}, {count}");
            let expected = [
                "topic t".to_owned(),
                "6 virtual partitions on 2 physical ones".to_owned(),
                format!("{count} were asked for"),
                "ask for 6".to_owned(),
            ];
            for part in expected {
                assert!(words(&results[0]).contains(&part), "{}", words(&results[0]));
            }
            assert_eq!(results[0].num_partitions, -1);
            assert!(cluster.topics.is_empty());
        }
    }
}

#[test]
fn assignments_and_settings_that_name_partitions_are_refused_in_words() {
    for version in 2..=7 {
        let throttled = |value| creatable("b", -1).with_configs(vec![setting(THROTTLED, value)]);
        let topics = [assigned("t", 6), assigned("l", 2), throttled("0:1,1:2"), throttled("*").with_name(topic("u"))];
        let mut cluster = Cluster::default();
        let (_, results) = create(version, &mut cluster, &asking(&topics));
        let expected = [("t", INVALID_ASSIGNMENT), ("l", INVALID_ASSIGNMENT), ("b", INVALID_CONFIG), ("u", 0)];
        assert_eq!(told(&results), expected, "v{version}");
        assert!(words(&results[0]).contains("replication factor"), "{}", words(&results[0]));
        assert!(words(&results[2]).contains(THROTTLED), "{}", words(&results[2]));
        assert_eq!(cluster.topics.keys().collect::<Vec<_>>(), ["u"]);
    }
}

const THROTTLED: &str = "follower.replication.throttled.replicas";

#[test]
fn a_broker_that_refuses_a_topic_itself_says_so() {
    // Programs create what may exist, and go by TOPIC_ALREADY_EXISTS, whatever count they ask for.
    for version in 2..=7 {
        let mut cluster = Cluster::default();
        cluster.topics.extend([("t".to_owned(), 2), ("l".to_owned(), 5)]);
        let topics = [creatable("t", 1), creatable("l", 6), assigned("b", 6)];
        let (_, results) = create(version, &mut cluster, &asking(&topics));
        assert_eq!(told(&results), [("t", EXISTS), ("l", EXISTS), ("b", INVALID_ASSIGNMENT)], "v{version}");
        assert_eq!(words(&results[0]), "the broker's words");
    }
}

#[test]
fn what_is_named_twice_is_refused_by_the_broker() {
    for version in 2..=7 {
        let mut cluster = Cluster::default();
        let topics = [creatable("t", 6), creatable("l", 6), creatable("t", 4), assigned("t", 6), creatable("b", 3)];
        let (seen, results) = create(version, &mut cluster, &asking(&topics));
        let up: Vec<CreateTopicsRequest> = seen.iter().map(Seen::message).collect();
        let counts: Vec<_> = up[0].topics.iter().map(|topic| (topic.name.as_str(), topic.num_partitions)).collect();
        assert_eq!(counts, [("t", 2), ("l", 2), ("t", 2), ("t", 2)], "never another count than P");
        assert_eq!(told(&results), [("t", INVALID_REQUEST), ("l", 0), ("b", INVALID_PARTITIONS)], "v{version}");
    }
}

#[test]
fn mixed_requests_are_answered_in_the_clients_order() {
    let topics = [creatable("u", 4), creatable("t", 5), creatable("l", 6), creatable("w", -1), assigned("b", 6)];
    let expected = [("u", 0), ("t", INVALID_PARTITIONS), ("l", 0), ("w", 0), ("b", INVALID_ASSIGNMENT)];
    for version in 2..=7 {
        let asked = request(version, 77, &asking(&topics));
        for feeding in [Feeding::Handed, Feeding::Passing] {
            for size in [1, 3, asked.len()] {
                let (mut cluster, mut proxy) = (Cluster::default(), Proxy::new(&shared(MAPPED), feeding, None));
                asked.chunks(size).for_each(|bytes| proxy.client(bytes));
                let up: Vec<Seen> = take_frames(&mut proxy.up).iter().map(Seen::parse).collect();
                assert_eq!(up.len(), 2);
                let answers: Vec<u8> = up.iter().flat_map(|seen| cluster.answer(seen)).collect();
                answers.chunks(size).for_each(|bytes| proxy.broker(bytes));
                let (_, answer): (_, CreateTopicsResponse) =
                    crate::testing::read_answer(&take_frames(&mut proxy.down)[0], version);
                assert_eq!(told(&answer.topics), expected, "v{version}");
                let counts = |of: &str| answer.topics.iter().find(|topic| topic.name.as_str() == of).unwrap();
                let expected = if version < 5 { [-1; 3] } else { [4, 6, NUM_PARTITIONS] };
                assert_eq!(["u", "l", "w"].map(|of| counts(of).num_partitions), expected);
                let made = [("l".to_owned(), 2), ("u".to_owned(), 4), ("w".to_owned(), NUM_PARTITIONS)];
                assert_eq!(cluster.topics.into_iter().collect::<Vec<_>>(), made);
                assert!(proxy.is_idle() && !proxy.closed);
            }
        }
    }
}

#[test]
fn a_topic_that_nobody_asked_for_is_told_to_nobody() {
    let respond = |seen: &Seen| {
        let found =
            ["t", "l"].map(|name| CreatableTopicResult::default().with_name(topic(name)).with_num_partitions(2));
        seen.answer(&CreateTopicsResponse::default().with_topics(found.to_vec()))
    };
    let (_, answer) = ask(MAPPED, 7, &asking(&[creatable("t", 6)]), respond);
    assert_eq!(told(&answer.topics), [("t", 0)]);
}

#[test]
fn a_hundred_thousand_topics_take_linear_time_and_few_words() {
    let names = |n: usize| format!("t{n}");
    let config = r#"{"mapping": {"virtual_partitions": 6, "physical_partitions": 2}}"#;
    let topics: Vec<_> = (0..100_000).map(|n| creatable(&names(n % 90_000), 6 + (n % 2) as i32)).collect();
    let mut cluster = Cluster::default();
    let (seen, answer) = ask(config, 7, &asking(&topics), |seen| cluster.answer(seen));
    assert_eq!((seen.len(), answer.topics.len()), (2, 90_000));
    let refused: Vec<_> = answer.topics.iter().filter(|topic| topic.error_code == INVALID_PARTITIONS).collect();
    // 10,000 are named twice.
    assert_eq!((refused.len(), cluster.topics.len()), (40_000, 40_000));
    let with_words = refused.iter().filter(|topic| topic.error_message.is_some()).count();
    assert_eq!(with_words, limits::REFUSAL_WORDS_MAX);
}
