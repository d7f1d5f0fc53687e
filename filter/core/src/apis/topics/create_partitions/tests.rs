//! CreatePartitions in every version: mapped topics keep what they have.

use kafka_protocol::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::*;

use crate::apis::topics::testing::{Cluster, INVALID_PARTITIONS, INVALID_REQUEST, POLICY_VIOLATION, UNKNOWN};
use crate::limits;
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{ask, request, shared, take_frames, topic, Seen, MAPPED};

fn increase(name: &str, count: i32) -> CreatePartitionsTopic {
    CreatePartitionsTopic::default().with_name(topic(name)).with_count(count).with_assignments(None)
}

fn asking(topics: &[CreatePartitionsTopic]) -> CreatePartitionsRequest {
    CreatePartitionsRequest::default().with_timeout_ms(77).with_topics(topics.to_vec())
}

fn cluster() -> Cluster {
    let topics = [("t", 2), ("b", 2), ("u", 3), ("w", 3)].map(|(name, count)| (name.to_owned(), count));
    Cluster { topics: topics.into() }
}

fn told(results: &[CreatePartitionsTopicResult]) -> Vec<(&str, i16)> {
    let mut told: Vec<_> = results.iter().map(|result| (result.name.as_str(), result.error_code)).collect();
    told.sort_unstable();
    told
}

#[test]
fn what_names_no_mapped_topic_passes() {
    for version in 0..=3 {
        let assigned = increase("u", 4).with_assignments(Some(vec![CreatePartitionsAssignment::default()]));
        for topics in [vec![], vec![assigned, increase("w", 2), increase("none", 3)]] {
            let mut cluster = cluster();
            let message = asking(&topics);
            let (seen, answer) = ask(MAPPED, version, &message, |seen| cluster.increase(seen));
            assert_eq!(seen.iter().map(Seen::message::<CreatePartitionsRequest>).collect::<Vec<_>>(), [message]);
            let expected = [("none", UNKNOWN), ("u", 0), ("w", INVALID_PARTITIONS)];
            assert_eq!(told(&answer.results), &expected[..topics.len()], "v{version}");
        }
    }
}

#[test]
fn mapped_topics_keep_what_they_have() {
    let assigned = increase("t", 9).with_assignments(Some(vec![CreatePartitionsAssignment::default()]));
    let topics = [assigned, increase("w", 5), increase("l", 8), increase("b", 12), increase("u", 3)];
    let expected =
        [("b", POLICY_VIOLATION), ("l", UNKNOWN), ("t", POLICY_VIOLATION), ("u", INVALID_PARTITIONS), ("w", 0)];
    for version in 0..=3 {
        for validate_only in [true, false] {
            let asked = request(version, 77, &asking(&topics).with_validate_only(validate_only));
            for (feeding, size) in [(Feeding::Handed, 1), (Feeding::Passing, 1), (Feeding::Passing, asked.len())] {
                let (mut cluster, mut proxy) = (cluster(), Proxy::new(&shared(MAPPED), feeding, None));
                asked.chunks(size).for_each(|bytes| proxy.client(bytes));
                let up: Vec<Seen> = take_frames(&mut proxy.up).iter().map(Seen::parse).collect();
                assert_eq!(up[0].message::<CreatePartitionsRequest>().validate_only, validate_only);
                let answers: Vec<u8> = up.iter().flat_map(|seen| cluster.increase(seen)).collect();
                answers.chunks(size).for_each(|bytes| proxy.broker(bytes));
                let down = take_frames(&mut proxy.down);
                let (_, answer): (_, CreatePartitionsResponse) = crate::testing::read_answer(&down[0], version);
                assert_eq!(told(&answer.results), expected, "v{version}");
                assert_eq!((cluster.topics["t"], cluster.topics["b"]), (2, 2));
                assert_eq!(cluster.topics["w"], if validate_only { 3 } else { 5 });
                assert!(proxy.is_idle() && !proxy.closed);
            }
        }
    }
}

#[test]
fn who_is_refused_is_told_how_it_is_done() {
    let (_, answer) = ask(MAPPED, 3, &asking(&[increase("t", 12), increase("b", 12), increase("u", 2)]), |seen| {
        cluster().increase(seen)
    });
    let words = |name: &str| {
        let result = answer.results.iter().find(|result| result.name.as_str() == name).unwrap();
        result.error_message.as_deref().unwrap().to_owned()
    };
    for part in ["topic t", "6 virtual partitions on 2 physical", "raise virtual_partitions, to a multiple of 2"] {
        assert!(words("t").contains(part), "{}", words("t"));
    }
    assert!(words("b").contains("neither number can change"), "{}", words("b"));
    assert_eq!(words("u"), "the broker's words");
}

#[test]
fn a_count_that_is_no_increase_is_refused_as_kafka_refuses_it() {
    for count in [6, 5, 2, 1, 0, -1] {
        let (_, answer) = ask(MAPPED, 3, &asking(&[increase("t", count)]), |seen| cluster().increase(seen));
        assert_eq!(told(&answer.results), [("t", INVALID_PARTITIONS)], "{count}");
        let words = answer.results[0].error_message.as_deref().unwrap().to_owned();
        assert!(
            words.contains(&format!("6 virtual partitions on 2 physical ones, so {count} is no increase")),
            "{words}"
        );
    }
}

#[test]
fn what_is_named_twice_is_refused_by_the_broker() {
    for version in 0..=3 {
        let topics = [increase("t", 12), increase("t", 6), increase("u", 5)];
        let (_, answer) = ask(MAPPED, version, &asking(&topics), |seen| cluster().increase(seen));
        assert_eq!(told(&answer.results), [("t", INVALID_REQUEST), ("u", 0)]);
    }
}

#[test]
fn a_hundred_thousand_topics_take_linear_time_and_few_words() {
    let config = r#"{"mapping": {"virtual_partitions": 6, "physical_partitions": 2}}"#;
    let names: Vec<String> = (0..100_000).map(|n| format!("t{n}")).collect();
    let mut cluster = Cluster { topics: names.iter().map(|name| (name.clone(), 2)).collect() };
    let topics: Vec<_> = names.iter().map(|name| increase(name, 12)).collect();
    let (_, answer) = ask(config, 3, &asking(&topics), |seen| cluster.increase(seen));
    assert!(answer.results.iter().all(|result| result.error_code == POLICY_VIOLATION));
    let with_words = answer.results.iter().filter(|result| result.error_message.is_some()).count();
    assert_eq!((answer.results.len(), with_words), (100_000, limits::REFUSAL_WORDS_MAX));
}
