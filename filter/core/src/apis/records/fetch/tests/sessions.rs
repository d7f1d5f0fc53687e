//! Fetch sessions (KIP-227) through a connection.

use kafka_protocol::messages::fetch_request::ForgottenTopic;

use super::*;
use crate::limits;

const NOT_FOUND: i16 = 70;
const INVALID_EPOCH: i16 = 71;

/// Of a session: id and epoch.
fn in_session(session: (i32, i32), parts: &[(&str, i32, i64)]) -> FetchRequest {
    fetch(parts).with_max_wait_ms(0).with_session_id(session.0).with_session_epoch(session.1)
}

fn forgets(message: FetchRequest, name: &str, partition: i32) -> FetchRequest {
    let forgotten = ForgottenTopic::default().with_topic(topic(name)).with_partitions(vec![partition]);
    message.with_forgotten_topics_data(vec![forgotten])
}

impl Client {
    /// The client's answer as it is.
    fn answer(&mut self) -> FetchResponse {
        assert!(self.proxy.up.is_empty(), "another round goes up");
        let answers = take_frames(&mut self.proxy.down);
        assert_eq!(answers.len(), 1, "{:?}", self.proxy.warnings);
        assert!(self.proxy.is_idle());
        read_answer(&answers[0], self.version).1
    }

    /// Asks for all of the given partitions in one round, and is answered.
    fn round(&mut self, message: &FetchRequest, parts: Vec<(&str, PartitionData)>) -> FetchResponse {
        let round = self.fetch(message);
        let named: Vec<_> = asked(&round).0.into_iter().map(|(name, partition, _)| (name, partition)).collect();
        let given: Vec<_> = parts.iter().map(|(name, data)| key(name, data.partition_index)).collect();
        assert_eq!(named, given, "what goes up is a full Fetch");
        self.reply(&round, parts);
        self.answer()
    }

    /// Is answered without the broker.
    fn alone(&mut self, message: &FetchRequest) -> FetchResponse {
        let carrier = self.fetch(message);
        assert_eq!(carrier.key, 18, "{carrier:?}");
        self.proxy.broker(&carrier.answer(&ApiVersionsResponse::default()));
        self.answer()
    }

    /// Opens a session of `t` 0 and `u` 7.
    fn open(&mut self) -> i32 {
        let message = in_session((0, 0), &[("t", 0, 10), ("u", 7, 1)]);
        let told = self.round(&message, vec![("t", data(0, &[])), ("u", data(7, &[]))]);
        assert_eq!(names(&told), [key("t", 0), key("u", 7)]);
        assert!(told.error_code == 0 && told.session_id > 0);
        told.session_id
    }

    /// Whether the Fetch goes to the broker as it is.
    fn passes(&mut self, message: &FetchRequest) -> bool {
        let bytes = request(self.version, 9, message);
        self.proxy.client(&bytes);
        let passed = self.proxy.up == bytes;
        let up = self.up();
        let answer = match up.key {
            18 => up.answer(&ApiVersionsResponse::default()),
            _ => up.answer(&FetchResponse::default().with_session_id(77)),
        };
        self.proxy.broker(&answer);
        self.proxy.down.clear();
        passed
    }
}

fn names(told: &FetchResponse) -> Vec<(String, i32)> {
    let parts = told.responses.iter().flat_map(|of| of.partitions.iter().map(|data| (&of.topic, data.partition_index)));
    parts.map(|(name, partition)| key(name, partition)).collect()
}

#[test]
fn an_idle_client_says_nothing_and_is_told_nothing() {
    for version in 7..=12 {
        let mut client = Client::new(MAPPED);
        client.version = version;
        let id = client.open();
        for epoch in 1..5 {
            let told = client.round(&in_session((id, epoch), &[]), vec![("t", data(0, &[])), ("u", data(7, &[]))]);
            assert_eq!((told.error_code, told.session_id, told.responses.len()), (0, id, 0), "v{version}");
        }
    }
}

#[test]
fn a_client_before_sessions_has_none() {
    for version in 4..=6 {
        let mut client = Client::new(MAPPED);
        client.version = version;
        let message = fetch(&[("t", 0, 10)]).with_max_wait_ms(0);
        let old = if version == 4 { data(0, &[]).with_log_start_offset(-1) } else { data(0, &[]) };
        let told = client.round(&message, vec![("t", old)]);
        assert_eq!((names(&told), told.session_id), (vec![key("t", 0)], 0));
    }
}

#[test]
fn what_has_changed_is_told() {
    let mut client = Client::new(MAPPED);
    let id = client.open();
    let mut epoch = 0;
    let mut told = |t: PartitionData, u: PartitionData| {
        epoch += 1;
        let told = client.round(&in_session((id, epoch), &[]), vec![("t", t), ("u", u)]);
        assert_eq!((told.error_code, told.session_id), (0, id));
        names(&told)
    };
    let (t, u) = (|| key("t", 0), || key("u", 7));
    assert_eq!(told(data(0, &[]).with_high_watermark(101), data(7, &[])), [t()]);
    assert_eq!(told(data(0, &[]), data(7, &[]).with_log_start_offset(1)), [t(), u()]);
    // The last stable offset alone is no news to Kafka.
    assert!(told(data(0, &[]).with_last_stable_offset(95), data(7, &[]).with_log_start_offset(1)).is_empty());
    assert_eq!(told(data(0, &[]), data(7, &[])), [u()]);
    let failed = data(0, &[]).with_error_code(6).with_high_watermark(-1).with_log_start_offset(-1);
    assert_eq!(told(failed.clone(), data(7, &[])), [t()]);
    assert_eq!(told(failed, data(7, &[])), [t()], "an error is told for as long as it lasts");
    assert_eq!(told(data(0, &[]), data(7, &[])), [t()], "and that it is over");
    assert!(told(data(0, &[]), data(7, &[])).is_empty());
    assert_eq!(told(data(0, &[]).with_preferred_read_replica(BrokerId(2)), data(7, &[])), [t()]);
    let diverging = EpochEndOffset::default().with_epoch(4).with_end_offset(8);
    assert_eq!(told(data(0, &[]).with_diverging_epoch(diverging), data(7, &[])), [t()]);
    assert_eq!(told(data(0, &[]), data(7, &[lane(0, 1, &["u"])])), [u()]);
}

#[test]
fn records_come_and_the_partition_goes_behind_the_others() {
    let mut client = Client::new(MAPPED);
    let message = in_session((0, 0), &[("t", 0, 0), ("t", 1, 0), ("u", 7, 0)]);
    let id = client.round(&message, vec![("t", data(0, &[])), ("t", data(1, &[])), ("u", data(7, &[]))]).session_id;
    let told = client.round(
        &in_session((id, 1), &[]),
        vec![("t", data(0, &[lane(0, 0, &["a"])])), ("t", data(1, &[])), ("u", data(7, &[]))],
    );
    assert_eq!(names(&told), [key("t", 0)]);
    assert_eq!(values(&told.responses[0].partitions[0]), valued(&[(0, "a")]));
    // The client has moved on; what it says replaces what it said.
    let round = client.fetch(&in_session((id, 2), &[("t", 0, 1)]));
    assert_eq!(asked(&round).0, [place("t", 1, 0), place("u", 7, 0), place("t", 0, 1)]);
    client.reply(&round, vec![("t", data(1, &[])), ("u", data(7, &[])), ("t", data(0, &[lane(1, 1, &["b"])]))]);
    // A sibling's records: to this client the log ends before them, which it is told once.
    let told = client.answer();
    assert_eq!((names(&told), told.responses[0].partitions[0].high_watermark), (vec![key("t", 0)], 1));
    let round = client.fetch(&in_session((id, 3), &[]));
    assert_eq!(asked(&round).0, [place("t", 1, 0), place("u", 7, 0), place("t", 0, 2)]);
    client.reply(&round, vec![("t", data(0, &[])), ("t", data(1, &[])), ("u", data(7, &[]))]);
    assert!(client.answer().responses.is_empty());
}

#[test]
fn partitions_come_and_go() {
    let mut client = Client::new(MAPPED);
    let id = client.open();
    let (all, added) = (|| vec![("t", data(0, &[])), ("u", data(7, &[]))], ("t", data(1, &[])));
    let told = client.round(&in_session((id, 1), &[("t", 3, 5)]), [all(), vec![added.clone()]].concat());
    assert_eq!(names(&told), [key("t", 3)]);
    let message = forgets(in_session((id, 2), &[]), "t", 3);
    assert!(client.round(&message, all()).responses.is_empty());
    let message = forgets(in_session((id, 3), &[("t", 3, 5)]), "t", 3);
    assert!(client.round(&message, all()).responses.is_empty(), "what is added and forgotten is forgotten");
    // One that comes back is new.
    let told = client.round(&in_session((id, 4), &[("t", 3, 5)]), [all(), vec![added]].concat());
    assert_eq!(names(&told), [key("t", 3)]);
    // A partition that there is not is an error, which is held back where nothing else is told.
    let round = client.fetch(&forgets(in_session((id, 5), &[("t", 6, 0)]), "t", 3));
    client.reply(&round, all());
    let carrier = client.up();
    client.proxy.broker(&carrier.answer(&ApiVersionsResponse::default()));
    let told = client.answer();
    assert_eq!((names(&told), told.responses[0].partitions[0].error_code), (vec![key("t", 6)], 3));
}

#[test]
fn a_session_that_is_left_empty_ends() {
    let mut client = Client::new(MAPPED);
    let id = client.open();
    let mut message = forgets(in_session((id, 1), &[]), "t", 0);
    let forgotten = ForgottenTopic::default().with_topic(topic("u")).with_partitions(vec![7]);
    message.forgotten_topics_data.push(forgotten);
    let told = client.alone(&message);
    assert_eq!((told.error_code, told.session_id, told.responses.len()), (0, 0, 0));
    assert_eq!(client.alone(&in_session((id, 2), &[("t", 0, 0)])).error_code, NOT_FOUND);
    // What the last Fetch names is read all the same.
    let id = client.open();
    let mut message = forgets(in_session((id, 1), &[("u", 7, 3)]), "t", 0);
    message.forgotten_topics_data.push(ForgottenTopic::default().with_topic(topic("u")).with_partitions(vec![7]));
    let told = client.round(&message, vec![("u", data(7, &[]))]);
    assert_eq!((names(&told), told.session_id), (vec![key("u", 7)], 0));
}

#[test]
fn epochs_and_ids_have_to_be_right() {
    let mut client = Client::new(MAPPED);
    let id = client.open();
    let all = || vec![("t", data(0, &[])), ("u", data(7, &[]))];
    for epoch in [2, 7, -2, i32::MAX] {
        let told = client.alone(&in_session((id, epoch), &[("t", 1, 0)]));
        assert_eq!((told.error_code, told.session_id, told.responses.len()), (INVALID_EPOCH, 0, 0));
    }
    for other in [0, id ^ 1, -id] {
        let told = client.alone(&in_session((other, 1), &[("t", 1, 0)]));
        assert_eq!((told.error_code, told.session_id, told.responses.len()), (NOT_FOUND, 0, 0));
    }
    assert!(client.round(&in_session((id, 1), &[]), all()).responses.is_empty(), "the session goes on");
    assert_eq!(client.alone(&in_session((id, 1), &[])).error_code, INVALID_EPOCH, "an epoch comes once");
    // A full Fetch without a session does not touch it, and one that opens another replaces it.
    let told = client.round(&in_session((0, -1), &[("t", 1, 0)]), vec![("t", data(1, &[]))]);
    assert_eq!((names(&told), told.session_id), (vec![key("t", 1)], 0));
    assert!(client.round(&in_session((id, 2), &[]), all()).responses.is_empty());
    for former in [id, 0, 12345] {
        let told = client.round(&in_session((former, 0), &[("t", 1, 0)]), vec![("t", data(1, &[]))]);
        assert!(told.session_id > 0 && told.session_id != id);
    }
    assert_eq!(client.alone(&in_session((id, 3), &[("t", 0, 0)])).error_code, NOT_FOUND);
    // One that closes it closes it.
    let id = client.open();
    let told = client.round(&in_session((id, -1), &[("t", 1, 0)]), vec![("t", data(1, &[]))]);
    assert_eq!((names(&told), told.session_id), (vec![key("t", 1)], 0));
    assert_eq!(client.alone(&in_session((id, 1), &[])).error_code, NOT_FOUND);
    let id = client.open();
    assert!(client.passes(&in_session((id, -1), &[])), "as Java's consumer does when it ends");
    assert_eq!(client.alone(&in_session((id, 1), &[])).error_code, NOT_FOUND);
}

#[test]
fn a_session_of_the_broker_s_passes_until_a_mapped_topic_comes() {
    let mut client = Client::new(MAPPED);
    assert!(!client.passes(&in_session((77, 1), &[])), "it may have been opened where t is not mapped");
    assert!(!client.passes(&in_session((77, 1), &[("u", 1, 0)])));
    assert!(client.passes(&in_session((0, -1), &[("u", 0, 0)])));
    assert!(!client.passes(&in_session((77, 1), &[])));
    assert!(client.passes(&in_session((0, 0), &[("u", 0, 0)])));
    assert!(client.passes(&in_session((77, 1), &[])) && client.passes(&in_session((77, 2), &[("u", 1, 0)])));
    let told = client.alone(&in_session((77, 3), &[("t", 0, 0)]));
    assert_eq!((told.error_code, told.session_id), (NOT_FOUND, 0));
    let id = client.open();
    assert!(client.passes(&in_session((77, 3), &[])));
    let told = client.round(&in_session((id, 1), &[]), vec![("t", data(0, &[])), ("u", data(7, &[]))]);
    assert_eq!((told.session_id, told.responses.len()), (id, 0));
}

#[test]
fn ids_differ_from_one_session_and_connection_to_the_next() {
    let shared = shared(MAPPED);
    let mut ids = std::collections::BTreeSet::new();
    for n in 0..20 {
        let mut client = Client::of(&shared);
        let opening = crate::connection::Opening { entropy: [n; 32], ..Default::default() };
        client.proxy = Proxy::opened(&shared, Feeding::Passing, opening);
        (0..5).for_each(|_| assert!(ids.insert(client.open())));
    }
    assert!(ids.iter().all(|id| (1..1 << 30).contains(id)), "{ids:?}");
}

#[test]
fn topics_of_a_session_are_asked_about_again_before_it_goes_on() {
    let mut client = Client::new(MAPPED);
    let id = client.open();
    client.proxy.now = limits::TOPIC_FACT_MS_MAX + 1;
    let question = client.fetch(&in_session((id, 1), &[]));
    assert_eq!(question.key, 3);
    let mut broker = crate::testing::broker::Broker::new(&[("t", 2)]);
    client.proxy.broker(&broker.answer(&question, 0).unwrap());
    let round = client.up();
    assert_eq!(asked(&round).0, [place("t", 0, 10), place("u", 7, 1)]);
    client.reply(&round, vec![("t", data(0, &[])), ("u", data(7, &[]))]);
    assert_eq!((client.answer().session_id, client.alone(&in_session((id, 3), &[])).error_code), (id, INVALID_EPOCH));
}

#[test]
fn a_client_beyond_its_room_has_no_session() {
    let many = i32::try_from(limits::FETCH_SESSION_BYTES_MAX / limits::FETCH_SESSION_PARTITION_BYTES).unwrap();
    let part = |partition| FetchPartition::default().with_partition(partition).with_partition_max_bytes(1);
    let of_u = |partitions: std::ops::Range<i32>| {
        FetchTopic::default().with_topic(topic("u")).with_partitions(partitions.map(part).collect())
    };
    let answer = |round: &Seen| {
        let message: FetchRequest = round.message();
        let answered = |of: &FetchTopic| {
            let parts = of.partitions.iter().map(|part| data(part.partition, &[])).collect();
            FetchableTopicResponse::default().with_topic(of.topic.clone()).with_partitions(parts)
        };
        round.answer(&FetchResponse::default().with_responses(message.topics.iter().map(answered).collect()))
    };
    for (partitions, has_session) in [(many - 10, true), (many, false)] {
        let mut client = Client::new(MAPPED);
        let mut message = in_session((0, 0), &[("t", 0, 0)]);
        message.topics.push(of_u(0..partitions));
        let round = client.fetch(&message);
        client.proxy.broker(&answer(&round));
        let told = client.answer();
        assert_eq!((told.session_id > 0, names(&told).len()), (has_session, partitions as usize + 1));
        if has_session {
            let mut message = in_session((told.session_id, 1), &[]);
            message.topics.push(of_u(many..many + 20));
            assert_eq!(client.alone(&message).error_code, NOT_FOUND, "and the client comes with a full Fetch");
            assert_eq!(client.alone(&in_session((told.session_id, 1), &[])).error_code, NOT_FOUND);
        }
    }
}

/// KIP-219: an answer without partitions, at once.
#[test]
fn a_client_above_its_quota_is_answered_without_partitions() {
    let throttled = |round: &Seen| round.answer(&FetchResponse::default().with_throttle_time_ms(300));
    let mut client = Client::new(MAPPED);
    let id = client.open();
    let round = client.fetch(&in_session((id, 1), &[("t", 0, 11)]).with_max_wait_ms(500));
    client.proxy.broker(&throttled(&round));
    let told = client.answer();
    assert_eq!((told.error_code, told.throttle_time_ms, told.session_id), (0, 300, id));
    assert!(told.responses.is_empty());
    let all = || vec![("t", data(0, &[])), ("u", data(7, &[]))];
    assert!(client.round(&in_session((id, 2), &[]), all()).responses.is_empty(), "the session goes on");
    // What came before is the client's.
    let round = client.fetch(&fetch(&[("t", 0, 0)]).with_min_bytes(10_000));
    let round = client.next(&round, vec![("t", data(0, &[lane(0, 0, &["a"])]))]);
    client.proxy.broker(&throttled(&round));
    let told = client.answer();
    assert_eq!((told.throttle_time_ms, names(&told)), (300, vec![key("t", 0)]));
    assert_eq!(values(&told.responses[0].partitions[0]), valued(&[(0, "a")]));
    // A full Fetch that brought nothing ends nobody's reading.
    let round = client.fetch(&fetch(&[("t", 0, 5)]));
    client.proxy.broker(&throttled(&round));
    let told = client.answer();
    assert!(told.responses[0].partitions[0].high_watermark > 5);
}

#[test]
fn a_session_through_any_cut_of_the_streams() {
    let mut streams = vec![];
    for cut in 0..2 {
        let mut client = Client::new(MAPPED);
        let id = client.open();
        let sent = request(client.version, 9, &in_session((id, 1), &[("t", 1, 0)]));
        let (one, two) = sent.split_at(cut * sent.len() / 2);
        client.proxy.client(one);
        client.proxy.client(two);
        let round = client.up();
        let parts = [("t", data(0, &[])), ("u", data(7, &[])), ("t", data(1, &[]))];
        let topics = parts
            .map(|(name, part)| FetchableTopicResponse::default().with_topic(topic(name)).with_partitions(vec![part]));
        let answer = round.answer(&FetchResponse::default().with_responses(topics.into()));
        for at in 0..answer.len() {
            client.proxy.broker(&answer[at..=at]);
        }
        streams.push(std::mem::take(&mut client.proxy.down));
    }
    assert_eq!(streams[0], streams[1]);
}
