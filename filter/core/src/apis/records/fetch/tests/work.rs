//! How the work and the memory of a Fetch grow with what it names and with what comes back.

use std::time::{Duration, Instant};

use super::*;
use crate::apis::records::fetch::partitions::once;

/// Generous: what is meant takes a tenth of it in a debug build, and what is not meant many times as long.
const TIME_MAX: Duration = Duration::from_secs(20);

/// One physical partition with 4,000 siblings.
const WIDE: &str = r#"{"mapping": {"topics": [{"name": "t", "virtual_partitions": 4000, "physical_partitions": 1}]}}"#;

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    let took = start.elapsed();
    println!("{what}: {took:?}");
    assert!(took < TIME_MAX, "{what} took {took:?}");
    done
}

/// A Fetch of these partitions and offsets of `t`, in one topic.
fn of_t(parts: impl Iterator<Item = (i32, i64)>) -> FetchRequest {
    let parts = parts.map(|(partition, offset)| {
        let part = FetchPartition::default().with_partition(partition).with_fetch_offset(offset);
        part.with_partition_max_bytes(1 << 20)
    });
    fetch(&[]).with_topics(vec![FetchTopic::default().with_topic(topic("t")).with_partitions(parts.collect())])
}

#[test]
fn a_partition_is_taken_once_where_it_was_named_first_as_it_was_named_last() {
    let parts = |parts: &[(i32, i64)]| {
        let part = |(partition, offset): &(i32, i64)| {
            FetchPartition::default().with_partition(*partition).with_fetch_offset(*offset)
        };
        parts.iter().map(part).collect::<Vec<_>>()
    };
    let topics = [("t", &[(0, 1), (2, 2), (0, 3)][..]), ("u", &[(0, 4)]), ("t", &[(4, 5), (2, 6)])];
    let topics =
        topics.map(|(name, named)| FetchTopic::default().with_topic(topic(name)).with_partitions(parts(named)));
    let taken: Vec<_> = once(topics.into())
        .into_iter()
        .map(|(name, part)| (name.0.to_string(), part.partition, part.fetch_offset))
        .collect();
    assert_eq!(taken, [place("t", 0, 3), place("t", 2, 6), place("u", 0, 4), place("t", 4, 5)]);
}

#[test]
fn a_partition_that_is_named_2000_times_is_answered_once() {
    let mut client = Client::new(MAPPED);
    let round = client.fetch(&of_t((0..2_000).map(|_| (2, 0))));
    assert_eq!(asked(&round).0, [place("t", 0, 0)]);
    let told = client.last(&round, vec![("t", data(0, &[lane(1, 0, &["b"])]))]);
    assert_eq!(values(&told[&key("t", 2)]), valued(&[(0, "b")]));
}

#[test]
fn what_fits_into_an_answer_comes_from_each_partition_in_turn() {
    let mut client = Client::new(MAPPED);
    let message = || fetch(&[("t", 2, 0), ("t", 3, 0), ("u", 0, 0)]).with_max_bytes(100);
    let all = |round: &Seen| asked(round).0.into_iter().map(|(name, p, _)| format!("{name}{p}")).collect::<Vec<_>>();
    let siblings = |partition| data(partition, &[lane(0, 0, &["a"])]);
    // Within one Fetch: what brought something last is named last.
    let round = client.fetch(&message());
    assert_eq!(all(&round), ["t0", "t1", "u0"]);
    let round = client.next(&round, vec![("t", siblings(0)), ("t", data(1, &[])), ("u", data(0, &[]))]);
    assert_eq!(all(&round), ["t1", "u0", "t0"], "and not put together by topic");
    let round = client.next(&round, vec![("t", siblings(1)), ("u", data(0, &[])), ("t", data(0, &[]))]);
    assert_eq!(all(&round), ["u0", "t0", "t1"]);
    client.proxy.now = 500;
    client.last(&round, vec![("u", data(0, &[])), ("t", data(0, &[])), ("t", data(1, &[]))]);
    // And from one Fetch to the next.
    let round = client.fetch(&message());
    assert_eq!(all(&round), ["u0", "t0", "t1"]);
}

#[test]
fn siblings_are_asked_and_told_in_linear_time() {
    // As many elements as a request may have, less the topic.
    timed("199,998 partitions", || {
        let config =
            r#"{"mapping": {"topics": [{"name": "t", "virtual_partitions": 199998, "physical_partitions": 99999}]}}"#;
        let mut client = Client::new(config);
        let round = client.fetch(&of_t((0..199_998).map(|v| (v, 0))));
        let parts: Vec<_> = (0..99_999).map(|p| data(p, &[])).collect();
        let answer = FetchableTopicResponse::default().with_topic(topic("t")).with_partitions(parts);
        client.proxy.now = 500;
        client.proxy.broker(&round.answer(&FetchResponse::default().with_responses(vec![answer])));
        assert_eq!(client.told().len(), 199_998);
    });
    timed("one partition, named 199,999 times", || {
        let mut client = Client::new(WIDE);
        let round = client.fetch(&of_t((0..199_999).map(|_| (7, 0))));
        client.proxy.now = 500;
        client.last(&round, vec![("t", data(0, &[]))]);
    });
}

#[test]
fn many_siblings_and_many_batches_do_not_multiply() {
    let batches = |lanes: i64| (0..100_000).map(|n| lane(n % lanes, n, &["x"])).collect::<Vec<_>>();
    for (what, lanes, offset) in [("lanes", 4_000, 0), ("lane", 1, 0), ("at different positions", 4_000, 10)] {
        let set = batches(lanes);
        timed(&format!("4,000 siblings and 100,000 batches, {what}"), || {
            let mut client = Client::new(WIDE);
            let round = client.fetch(&of_t((0..4_000).map(|v| (v, offset * i64::from(v)))).with_max_bytes(1 << 24));
            let from = asked(&round).0[0].2 as usize;
            client.reply(&round, vec![("t", data(0, &set[from..]).with_high_watermark(100_000))]);
            assert_eq!(client.told().len(), 4_000);
        });
    }
}

#[test]
fn markers_for_thousands_of_siblings_do_not_fill_the_memory() {
    let markers: Vec<Bytes> = (0..20_000).map(|n| marker(n, n, n % 2 == 0)).collect();
    let aborted = (0..20_000).filter(|n| n % 2 == 1).map(|n| aborted(n, n)).collect();
    let found = data(0, &markers).with_high_watermark(20_000).with_aborted_transactions(Some(aborted));
    timed("4,000 siblings and 20,000 markers", || {
        let mut client = Client::new(WIDE);
        let message = of_t((0..4_000).map(|v| (v, 0))).with_isolation_level(1);
        let round = client.fetch(&message);
        let told = client.last(&round, vec![("t", found)]);
        let bytes: usize = told.values().map(|data| data.records.as_ref().unwrap().len()).sum();
        assert!(bytes <= 1 << 20, "{bytes} bytes for a Fetch of 1 MiB");
        let markers: Vec<usize> = told.values().map(|data| controls(data.records.as_deref().unwrap()).len()).collect();
        assert!(markers.iter().all(|n| *n == markers[0] && *n > 0), "each is given the same ones");
        let listed: usize = told.values().map(|data| data.aborted_transactions.as_ref().unwrap().len()).sum();
        assert!(listed <= 4_000 * markers[0], "no more is listed than given");
    });
}

#[test]
fn thousands_of_aborted_transactions_are_told_in_linear_time() {
    // Each of lane 1's producers aborts each of its transactions.
    let transactional = |offset: i64| {
        let header = Header { base_offset: offset, producer_id: offset % 7, producer_epoch: 0, ..plain() };
        batch_of(Header { attributes: 0x10 | 1 << 8, ..header }, &["x"])
    };
    let mut set = vec![];
    let mut listed = vec![];
    for n in 0..20_000 {
        set.extend([transactional(2 * n), marker(2 * n + 1, 2 * n % 7, false)]);
        listed.push(aborted(2 * n % 7, 2 * n));
    }
    let found = data(0, &set).with_high_watermark(40_000).with_aborted_transactions(Some(listed.clone()));
    timed("20,000 aborted transactions", || {
        let mut client = Client::new(MAPPED);
        let round = client.fetch(&fetch(&[("t", 2, 0)]).with_isolation_level(1).with_max_bytes(1 << 24));
        let told = client.last(&round, vec![("t", found)]);
        assert_eq!(told[&key("t", 2)].aborted_transactions, Some(listed));
    });
}

#[test]
fn a_round_keeps_no_frame_in_memory_of_which_little_is_told() {
    let long = "x".repeat(5_000);
    for (own, sibling, kept) in [("", &long[..], false), (&long[..1_000], &long[..], false), (&long[..], "y", true)] {
        let mut client = Client::new(MAPPED);
        let round = client.fetch(&fetch(&[("t", 2, 0)]).with_min_bytes(100_000));
        let mut set = vec![lane(0, 0, &[sibling])];
        set.extend((!own.is_empty()).then(|| lane(1, 1, &[own])));
        let topics = FetchableTopicResponse::default().with_topic(topic("t")).with_partitions(vec![data(0, &set)]);
        let frame = Bytes::from(round.answer(&FetchResponse::default().with_responses(vec![topics])));
        client.proxy.stream.connection.handle_broker_bytes(frame.clone(), 0);
        client.proxy.broker(&[]);
        assert_eq!(!frame.is_unique(), kept, "{} of {} bytes", own.len(), frame.len());
        let round = client.up();
        client.proxy.now = 500;
        let told = client.last(&round, vec![("t", data(0, &[]))]);
        assert_eq!(values(&told[&key("t", 2)]).len(), usize::from(!own.is_empty()));
    }
}
