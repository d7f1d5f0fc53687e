//! Facts of one worker, and of several over one memory.

use kafka_protocol::messages::metadata_response::MetadataResponsePartition;

use super::*;
use crate::memory::facts::slot_of;
use crate::testing::memory::Process;
use crate::testing::topic;

const HALF: Millis = limits::TOPIC_FACT_MS_MAX / 2;
const LOOK: Millis = limits::TOPIC_LOOK_MS;

fn answer(name: &str, partitions: usize, id: u8) -> MetadataResponseTopic {
    MetadataResponseTopic::default()
        .with_name(Some(topic(name)))
        .with_topic_id(uuid::Uuid::from_bytes([id; 16]))
        .with_partitions(vec![MetadataResponsePartition::default(); partitions])
}

fn error(name: &str, code: i16) -> MetadataResponseTopic {
    answer(name, 0, 0).with_error_code(code)
}

fn fact(id: u8, partitions: usize, seen: Millis) -> Option<Fact> {
    Some(Fact { id: Some([id; 16]).filter(|_| id > 0), partitions, seen })
}

/// Two workers of a process.
fn workers(process: &Process) -> [Facts; 2] {
    [(); 2].map(|()| Facts::new(Rc::new(process.worker())))
}

#[test]
fn the_last_answer_counts() {
    let facts = Facts::default();
    assert!(!facts.note(&answer("t", 4, 1), 10));
    assert_eq!(facts.of("t", 10), fact(1, 4, 10));
    assert!(facts.note(&answer("t", 3, 0), 11), "another count, and no id");
    assert_eq!(facts.of("t", 11), fact(0, 3, 11));
    assert!(facts.note(&error("t", 3), 12));
    assert_eq!(facts.of("t", 12), None);
    assert!(!facts.note(&error("t", 3), 12));
}

#[test]
fn another_id_is_another_topic_and_no_id_is_none() {
    let facts = Facts::default();
    for (told, is_other, known) in [
        (answer("t", 4, 1), false, 1),
        (answer("t", 4, 0), false, 1),
        (answer("t", 5, 1), false, 1),
        (answer("t", 5, 2), true, 2),
    ] {
        assert_eq!(facts.note(&told, 5), is_other, "{told:?}");
        assert_eq!(facts.of("t", 5).unwrap().id, Some([known; 16]));
    }
}

/// Or an id that is none any more would be believed in for as long as old clients ask.
#[test]
fn answers_without_ids_keep_an_id_for_no_longer() {
    let facts = Facts::default();
    facts.note(&answer("t", 4, 1), 10);
    for now in 11..100 {
        assert!(!facts.note(&answer("t", 4, 0), now));
        assert_eq!(facts.of("t", now), fact(1, 4, 10));
    }
    facts.note(&answer("t", 4, 1), 100);
    assert_eq!(facts.of("t", 100), fact(1, 4, 100));
    // Who cannot ask for ids must not have to ask for each request then.
    let over = 100 + limits::TOPIC_FACT_MS_MAX;
    facts.note(&answer("t", 4, 0), over);
    assert_eq!(facts.of("t", over), fact(0, 4, over));
}

#[test]
fn who_may_not_see_a_topic_takes_it_from_nobody() {
    let facts = Facts::default();
    facts.note(&answer("t", 4, 1), 10);
    for code in [29, 5, 17, -1] {
        assert!(!facts.note(&error("t", code), 11));
        assert_eq!(facts.of("t", 11), fact(1, 4, 10));
    }
}

#[test]
fn what_one_worker_has_seen_another_one_knows() {
    let process = Process::default();
    let [one, other] = workers(&process);
    one.note(&answer("t", 4, 1), 10);
    assert_eq!(other.of("t", 11), fact(1, 4, 10));
    assert_eq!(other.of("u", 11), None);
    one.note(&answer("t", 6, 2), 12);
    assert_eq!(other.of("t", 10 + LOOK), fact(1, 4, 10), "not looked at yet");
    assert_eq!(other.of("t", 11 + LOOK), fact(2, 6, 12));
    assert!(!other.note(&answer("t", 6, 2), 12 + LOOK));
}

#[test]
fn what_was_forgotten_by_one_is_forgotten_by_all_within_a_second() {
    let process = Process::default();
    let [one, other] = workers(&process);
    one.note(&answer("t", 4, 1), 10);
    assert_eq!(other.of("t", 10), fact(1, 4, 10));
    one.forget("t", 10);
    assert_eq!((one.of("t", 10), other.of("t", 10 + LOOK)), (None, None));
    // Made again.
    assert!(!other.note(&answer("t", 6, 2), 11 + LOOK));
    assert_eq!(one.of("t", 11 + LOOK), fact(2, 6, 11 + LOOK));
    one.note(&error("t", 3), 12 + LOOK);
    assert_eq!(other.of("t", 12 + 2 * LOOK), None);
}

#[test]
fn a_name_that_nobody_knew_leaves_no_trace() {
    let process = Process::default();
    let [one, _] = workers(&process);
    assert!(!one.note(&error("t", 3), 10));
    assert_eq!(process.names(), [""; 0]);
}

/// Or each Metadata answer for 10,000 topics would be as many calls of the host.
#[test]
fn what_is_known_is_told_again_only_when_it_gets_old() {
    let process = Process::default();
    let [one, _] = workers(&process);
    for now in 0..HALF {
        one.note(&answer("t", 4, 1), now);
    }
    assert_eq!(process.writes.get(), 1);
    one.note(&answer("t", 4, 1), HALF);
    assert_eq!(process.writes.get(), 2);
}

#[test]
fn a_slot_that_was_lost_to_another_topic_costs_nothing_but_the_others_news() {
    let names = (0..).map(|n| format!("t{n}"));
    let twin = names.skip(1).find(|name| slot_of(name) == slot_of("t0")).unwrap();
    let process = Process::default();
    let [one, other] = workers(&process);
    one.note(&answer("t0", 4, 1), 10);
    one.note(&answer(&twin, 5, 2), 10);
    assert_eq!(process.names().len(), 1);
    assert_eq!((one.of("t0", 10 + LOOK), one.of(&twin, 10 + LOOK)), (fact(1, 4, 10), fact(2, 5, 10)));
    assert_eq!((other.of("t0", 10), other.of(&twin, 10)), (None, fact(2, 5, 10)));
}

#[test]
fn a_worker_knows_a_bounded_number_of_topics() {
    let facts = Facts::default();
    for n in 0..2 * limits::TOPIC_FACTS_MAX + 1 {
        facts.note(&answer(&format!("t{n}"), 4, 1), 10);
        assert!(facts.topics.borrow().len() <= limits::TOPIC_FACTS_MAX);
    }
}
