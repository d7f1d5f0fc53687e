//! Sessions by themselves: their bounds, their cost, and Kafka's rules against a plain model of them.

use std::time::{Duration, Instant};

use super::*;
use crate::shared::sessions::SessionRoom;
use crate::testing::{topic, Random};

const WORKER_BYTES: usize = 512 << 20;

fn room() -> SessionRoom {
    SessionRoom::new(WORKER_BYTES)
}

/// Offset 10 of each.
fn of(name: &str, partitions: impl IntoIterator<Item = i32>) -> FetchTopic {
    let wanted = |partition| FetchPartition::default().with_partition(partition).with_fetch_offset(10);
    FetchTopic::default().with_topic(topic(name)).with_partitions(partitions.into_iter().map(wanted).collect())
}

fn forgotten(name: &str, partitions: impl IntoIterator<Item = i32>) -> ForgottenTopic {
    ForgottenTopic::default().with_topic(topic(name)).with_partitions(partitions.into_iter().collect())
}

fn data(partition: i32) -> PartitionData {
    PartitionData::default().with_partition_index(partition).with_high_watermark(20).with_log_start_offset(0)
}

fn opened(room: &SessionRoom, topics: &[FetchTopic]) -> FetchSessions {
    let mut sessions = FetchSessions::default();
    sessions.begin(FetchSession::open(7, topics, room.open()));
    sessions
}

#[test]
fn epochs_go_on_behind_the_last_one_from_1() {
    let mut sessions = opened(&room(), &[of("t", [0])]);
    assert_eq!(sessions.own(7).unwrap().epoch(), 1);
    sessions.own.as_mut().unwrap().epoch = i32::MAX;
    assert!(sessions.go_on(vec![], &[], 12).is_some());
    assert_eq!(sessions.own(7).unwrap().epoch(), 1);
}

#[test]
fn a_version_is_told_what_it_knows() {
    let mut wanted = of("t", [0]);
    wanted.partitions[0].last_fetched_epoch = 3;
    let mut sessions = opened(&room(), &[wanted]);
    for (version, epoch) in [(11, -1), (12, 3)] {
        assert_eq!(sessions.go_on(vec![], &[], version).unwrap()[0].partitions[0].last_fetched_epoch, epoch);
    }
}

#[test]
fn no_session_takes_more_than_there_is_room_for() {
    let per_session = i32::try_from(limits::FETCH_SESSION_BYTES_MAX / limits::FETCH_SESSION_PARTITION_BYTES).unwrap();
    let room = room();
    assert!(FetchSession::open(7, &[of("t", 0..per_session)], room.open()).is_none(), "the topic takes some, too");
    let mut sessions = opened(&room, &[of("t", 0..per_session - 10)]);
    assert_eq!(sessions.answered_id(), 7);
    assert!(sessions.go_on(vec![of("t", 0..per_session - 5)], &[], 12).is_some(), "most are there already");
    assert!(sessions.go_on(vec![of("u", 0..10)], &[], 12).is_none());
    assert!(sessions.own(7).is_none() && sessions.answered_id() == NO_SESSION);
    // What one gives up is there for others.
    let mut full: Vec<FetchSessions> = vec![];
    while full.last().is_none_or(|last| last.own.is_some()) {
        full.push(opened(&room, &[of("t", 0..per_session - 10)]));
        assert!(full.len() < 100);
    }
    assert_eq!(full.len() - 1, WORKER_BYTES / limits::FETCH_SESSION_PARTS / limits::FETCH_SESSION_BYTES_MAX);
    full.remove(0);
    assert!(opened(&room, &[of("t", 0..per_session - 10)]).own.is_some());
}

#[test]
fn what_is_forgotten_takes_no_room() {
    let room = room();
    let mut sessions = opened(&room, &[of("kept", [0])]);
    let name = "x".repeat(200);
    for round in 0..100 {
        let topics = (0..1_000).map(|n| of(&format!("{name}{n}"), [round])).collect();
        let forgotten: Vec<_> = (0..1_000).map(|n| forgotten(&format!("{name}{n}"), [round])).collect();
        assert_eq!(sessions.go_on(topics, &forgotten, 12).unwrap(), [of("kept", [0])]);
    }
}

#[test]
fn a_topic_s_name_is_there_once_and_keeps_no_frame() {
    let frame = bytes::Bytes::from(b"a frame with a topic".to_vec());
    let name = || {
        let text = kafka_protocol::protocol::StrBytes::try_from(frame.slice(15..)).unwrap();
        of("t", [1]).with_topic(TopicName(text))
    };
    let mut sessions = opened(&room(), &[name()]);
    sessions.go_on(vec![of("topic", [2])], &[], 12).unwrap();
    assert!(frame.is_unique());
    let own = sessions.own.unwrap();
    let at: Vec<_> = own.partitions.values().map(|kept| kept.topic.as_ptr()).collect();
    assert_eq!(at[0], at[1]);
}

#[test]
fn what_the_broker_was_not_heard_of_is_no_news() {
    let mut sessions = opened(&room(), &[of("t", [0])]);
    assert!(sessions.tells(&topic("t"), &data(0), false));
    sessions.go_on(vec![], &[], 12).unwrap();
    let unheard = PartitionData::default().with_partition_index(0).with_high_watermark(11);
    assert!(!sessions.tells(&topic("t"), &unheard, false));
    assert!(!sessions.tells(&topic("t"), &data(0), false), "what was told last is not forgotten");
    assert!(sessions.tells(&topic("t"), &unheard, true));
}

/// What a request of 200,000 partitions may take, with room for a debug build.
#[test]
#[cfg(not(target_arch = "wasm32"))]
fn what_is_named_200_000_times_takes_linear_time() {
    let start = Instant::now();
    let mut sessions = opened(&room(), &[of("t", [0])]);
    let again = || std::iter::repeat_n(of("u", [1]), 100_000).collect::<Vec<_>>();
    sessions.go_on(again(), &[], 12).unwrap();
    let gone: Vec<_> = std::iter::repeat_n(forgotten("u", [1]), 100_000).collect();
    assert_eq!(sessions.go_on(again(), &gone, 12).unwrap(), [of("t", [0])]);
    sessions.go_on(vec![], &[forgotten("u", 0..5_000_000)], 12).unwrap();
    assert!(sessions.go_on((0..200_000).map(|n| of("v", [n])).collect(), &[], 12).is_none());
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

/// Topic, partition, offset, and the high watermark and log start that were told last.
type Modelled = (String, i32, i64, Option<(i64, i64)>);

/// Kafka's rules in the plainest words.
#[derive(Default)]
struct Model {
    epoch: i32,
    partitions: Vec<Modelled>,
}

impl Model {
    fn at(&self, name: &str, partition: i32) -> Option<usize> {
        self.partitions.iter().position(|(topic, number, ..)| topic == name && *number == partition)
    }

    fn want(&mut self, name: &str, partition: i32, offset: i64) {
        match self.at(name, partition) {
            Some(at) => self.partitions[at].2 = offset,
            None => self.partitions.push((name.to_owned(), partition, offset, None)),
        }
    }
}

const TOPICS: [&str; 3] = ["t", "u", "v"];

fn wanted(topics: &[FetchTopic]) -> Vec<(String, i32, i64)> {
    let parts = |topic: &FetchTopic| {
        let name = topic.topic.to_string();
        topic.partitions.clone().into_iter().map(move |part| (name.clone(), part.partition, part.fetch_offset))
    };
    topics.iter().flat_map(parts).collect()
}

fn play(seed: u64) {
    let mut random = Random::new(seed);
    let room = room();
    let mut sessions = FetchSessions::default();
    let mut model = Model::default();
    for step in 0..200 {
        let place = |random: &mut Random| (random.one_of(&TOPICS), random.below(4) as i32);
        let mut topics = vec![];
        for _ in 0..random.below(5) {
            let (name, partition) = place(&mut random);
            let mut named = of(name, [partition]);
            named.partitions[0].fetch_offset = random.below(3) as i64;
            topics.push(named);
        }
        let named = wanted(&topics);
        let opens = sessions.own(7).is_none() || random.once_in(20);
        let asked = if opens {
            topics.push(of("t", [9]));
            sessions.close();
            sessions.begin(FetchSession::open(7, &topics, room.open()));
            model = Model { epoch: 1, ..Model::default() };
            wanted(&topics).iter().for_each(|(name, partition, offset)| model.want(name, *partition, *offset));
            sessions.own(7).map(|own| wanted(&own.wanted(12))).unwrap()
        } else {
            let gone: Vec<_> = (0..random.below(4)).map(|_| place(&mut random)).collect();
            let gone: Vec<_> = if random.once_in(30) {
                model.partitions.iter().map(|(name, partition, ..)| (name.clone(), *partition)).collect()
            } else {
                gone.into_iter().map(|(name, partition)| (name.to_owned(), partition)).collect()
            };
            let forgotten: Vec<_> = gone.iter().map(|(name, partition)| forgotten(name, [*partition])).collect();
            named.iter().for_each(|(name, partition, offset)| model.want(name, *partition, *offset));
            model.partitions.retain(|(name, partition, ..)| !gone.contains(&(name.clone(), *partition)));
            model.epoch += 1;
            let asked = wanted(&sessions.go_on(topics, &forgotten, 12).unwrap());
            if model.partitions.is_empty() {
                assert_eq!((asked, sessions.own(7).is_none(), sessions.answered_id()), (named, true, NO_SESSION));
                continue;
            }
            asked
        };
        assert_eq!(sessions.own(7).unwrap().epoch(), model.epoch);
        let expected = model.partitions.iter().map(|(name, part, offset, _)| (name.clone(), *part, *offset));
        assert_eq!(asked, expected.collect::<Vec<_>>(), "seed {seed}, step {step}");
        // The answer.
        for (name, partition, _) in asked {
            let mut told = data(partition).with_high_watermark(random.below(2) as i64);
            let mut has_records = random.once_in(4);
            let mut news = has_records;
            match random.below(12) {
                0 => {
                    (told.error_code, told.high_watermark, told.log_start_offset) = (6, -1, -1);
                    (has_records, news) = (false, true);
                }
                1 => (told.preferred_read_replica.0, news) = (2, true),
                2 => (told.diverging_epoch.epoch, news) = (0, true),
                3 => told.log_start_offset = 1,
                _ => {}
            }
            let at = model.at(&name, partition).unwrap();
            let before = model.partitions[at].3.replace((told.high_watermark, told.log_start_offset));
            news |= before != model.partitions[at].3 || opens;
            if has_records && !opens {
                let moved = model.partitions.remove(at);
                model.partitions.push(moved);
            }
            assert_eq!(sessions.tells(&topic(&name), &told, has_records), news, "seed {seed}, step {step}: {told:?}");
        }
    }
}

#[test]
fn sessions_keep_kafka_s_rules() {
    (0..100).for_each(play);
}
