//! DeleteTopics in every version: nothing is changed, and what was remembered goes with the topic.

use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::*;
use uuid::Uuid;

use crate::remapper::Lane;
use crate::shared::skips::{Mark, Skip, SkipKey};
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{request, shared, take_frames, text, topic, Seen, MAPPED};
use crate::Shared;

fn by_name(version: i16, names: &[&str]) -> DeleteTopicsRequest {
    let message = DeleteTopicsRequest::default().with_timeout_ms(77);
    if version < 6 {
        return message.with_topic_names(names.iter().map(|name| topic(name)).collect());
    }
    let topics = names.iter().map(|name| DeleteTopicState::default().with_name(Some(topic(name))));
    message.with_topics(topics.collect())
}

fn result(version: i16, name: Option<&str>, error_code: i16) -> DeletableTopicResult {
    let result = DeletableTopicResult::default().with_name(name.map(topic)).with_error_code(error_code);
    let result = if version >= 5 { result.with_error_message(Some(text("words"))) } else { result };
    if version >= 6 {
        result.with_topic_id(Uuid::from_bytes([4; 16]))
    } else {
        result
    }
}

fn lane(name: &str) -> SkipKey {
    SkipKey { topic: topic(name), partition: 0, lane: Lane(1) }
}

/// A worker that remembers something of each mapped topic.
fn remembering() -> std::rc::Rc<Shared> {
    let shared = shared(MAPPED);
    for name in ["t", "l", "b"] {
        shared.skips.note(&lane(name), Skip { start: 0, end: 9, mark: Mark::of(b"x"), seen: 0, id: None });
    }
    shared
}

/// The topics of which facts are known, and those of which a skip is.
fn remembered(shared: &Shared) -> [Vec<&'static str>; 2] {
    let names = ["t", "l", "b"].into_iter();
    let facts = names.clone().filter(|name| shared.facts.of(name, 0).is_some()).collect();
    [facts, names.filter(|name| shared.skips.find(&lane(name), 3, None, 0).is_some()).collect()]
}

/// Plays a request and its answer, cut into pieces; both must be the same on both sides.
fn play(shared: &std::rc::Rc<Shared>, version: i16, message: &DeleteTopicsRequest, results: &[DeletableTopicResult]) {
    let asked = request(version, 77, message);
    for (feeding, size) in [(Feeding::Handed, 1), (Feeding::Passing, 1), (Feeding::Passing, usize::MAX)] {
        let mut proxy = Proxy::new(shared, feeding, None);
        asked.chunks(size).for_each(|bytes| proxy.client(bytes));
        assert_eq!(proxy.up, asked, "v{version}");
        let seen = Seen::parse(&take_frames(&mut proxy.up)[0]);
        let answer = DeleteTopicsResponse::default().with_throttle_time_ms(3).with_responses(results.to_vec());
        let answer = seen.answer(&answer);
        answer.chunks(size).for_each(|bytes| proxy.broker(bytes));
        assert_eq!(proxy.down, answer, "v{version}");
        assert!(proxy.is_idle() && !proxy.closed);
    }
}

#[test]
fn what_is_remembered_goes_with_the_topic() {
    for version in 1..=6 {
        // Gone, or about to be.
        for code in [0, 3, 7] {
            let shared = remembering();
            let results =
                [result(version, Some("t"), code), result(version, Some("u"), 0), result(version, Some("b"), 29)];
            play(&shared, version, &by_name(version, &["t", "u", "b"]), &results);
            assert_eq!(remembered(&shared), [["l", "b"], ["l", "b"]], "v{version}, {code}");
        }
    }
}

#[test]
fn a_topic_that_is_deleted_by_its_id_is_forgotten_by_its_name() {
    let by_id = DeleteTopicState::default().with_name(None).with_topic_id(Uuid::from_bytes([4; 16]));
    let message = DeleteTopicsRequest::default().with_topics(vec![by_id.clone(), by_id]);
    let shared = remembering();
    play(&shared, 6, &message, &[result(6, Some("l"), 0), result(6, None, 100)]);
    assert_eq!(remembered(&shared), [["t", "b"], ["t", "b"]]);
}

#[test]
fn nothing_else_is_forgotten() {
    for version in 1..=6 {
        let shared = remembering();
        let results = [result(version, Some("t"), 29), result(version, Some("l"), 41), result(version, Some("u"), 0)];
        play(&shared, version, &by_name(version, &["t", "l", "u"]), &results);
        play(&shared, version, &by_name(version, &[]), &[]);
        assert_eq!(remembered(&shared), [["t", "l", "b"], ["t", "l", "b"]], "v{version}");
    }
}

#[test]
fn where_nothing_is_mapped_nobody_looks() {
    for version in 1..=6 {
        let shared = shared("");
        play(&shared, version, &by_name(version, &["t"]), &[result(version, Some("t"), 0)]);
    }
}
