//! Workers of one process, and of two.

use bytes::Bytes;

use super::*;
use crate::testing::memory::Process;

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

#[test]
fn keys_are_what_they_were() {
    let (process, secret) = (Process::default(), [7; 32]);
    let worker = process.worker();
    worker.create(&worker.connections(), &Census::default());
    worker.create(&worker.gauges(), &Census::default());
    worker.create(&worker.generations(), &Generations::default());
    worker.create(&worker.placements(), &Placements::default());
    worker.create(&worker.shown(), &Shown::default());
    worker.create(&worker.users(), &Bytes::new());
    worker.create(&worker.users_changes(), &0);
    worker.put(&worker.broker(3), &address("b3:9092"));
    worker.put(&worker.reach(3), &ReachMark::Said);
    worker.put(&worker.versions(Some(3)), &Bytes::from_static(b"3"));
    worker.put(&worker.versions(None), &Bytes::from_static(b"any"));
    worker.secret(|| Some(secret));
    let expected = [
        "kafka_remapper.generations.k.ingress.r",
        "kafka_remapper.k.broker.3",
        "kafka_remapper.k.connections",
        "kafka_remapper.k.gauges",
        "kafka_remapper.k.reach.3",
        "kafka_remapper.k.shown",
        "kafka_remapper.k.versions.3",
        "kafka_remapper.k.versions.any",
        "kafka_remapper.placements.k.ingress.r",
        "kafka_remapper.secret",
        "kafka_remapper.users.k.ingress.r",
        "kafka_remapper.users.k.ingress.r.changes",
    ];
    assert_eq!(process.names(), expected);
    assert_eq!(process.value("kafka_remapper.k.broker.3").unwrap(), "b3:9092");
    assert_eq!(process.value("kafka_remapper.k.reach.3").unwrap(), "said");
}

#[test]
fn workers_of_a_process_see_the_same_and_another_process_does_not() {
    let (process, other) = (Process::default(), Process::default());
    let (first, second, elsewhere) = (process.worker(), process.worker(), other.worker());
    first.put(&first.broker(1), &address("[::1]:9092"));
    assert_eq!(second.get(&second.broker(1)), Some(address("[::1]:9092")));
    assert_eq!(elsewhere.get(&elsewhere.broker(1)), None);
    assert_eq!(first.secret(|| Some([1; 32])), Some([1; 32]));
    assert_eq!(second.secret(|| Some([2; 32])), Some([1; 32]));
    assert_eq!(elsewhere.secret(|| Some([2; 32])), Some([2; 32]));
    assert_eq!(Process::default().worker().secret(|| None), None);
}

#[test]
fn plugins_share_a_cluster_by_prefix_and_a_configuration_by_name() {
    let process = Process::default();
    let first = process.worker();
    let second = ProcessMemory::new(Box::new(process.clone()), "k", "egress", "r");
    first.put(&first.broker(1), &address("b1:9092"));
    assert_eq!(second.get(&second.broker(1)), Some(address("b1:9092")));
    first.create(&first.users(), &Bytes::from_static(b"x"));
    assert_eq!(second.get(&second.users()), None);
}

#[test]
fn a_value_is_made_once_and_written_only_where_it_differs() {
    let process = Process::default();
    let worker = process.worker();
    assert!(worker.create(&worker.reach(1), &ReachMark::Said));
    assert!(!worker.create(&worker.reach(1), &ReachMark::Reached));
    assert_eq!(worker.get(&worker.reach(1)), Some(ReachMark::Said));
    let writes = process.writes.get();
    worker.put(&worker.reach(1), &ReachMark::Said);
    assert_eq!(process.writes.get(), writes);
    worker.put(&worker.reach(1), &ReachMark::Reached);
    assert_eq!((process.writes.get(), worker.get(&worker.reach(1))), (writes + 1, Some(ReachMark::Reached)));
}

#[test]
fn a_change_is_tried_again_while_others_are_faster() {
    let process = Process::default();
    let worker = process.worker();
    for races in [0, 1, limits::SHARED_TRIES_MAX - 1] {
        process.races.set(races);
        let mut tries = 0;
        let outcome = worker.change(&worker.users_changes(), |count| {
            tries += 1;
            *count += 1;
            *count
        });
        assert_eq!((outcome, tries), (Ok(worker.get(&worker.users_changes()).unwrap()), races + 1));
    }
    assert_eq!(worker.get(&worker.users_changes()), Some(3), "each change counts once");
    process.races.set(usize::MAX);
    let mut tries = 0;
    let outcome = worker.change(&worker.users_changes(), |count| {
        tries += 1;
        *count += 1;
    });
    let words = "kafka_remapper.users.k.ingress.r.changes in shared data is changed by others all the time";
    assert_eq!((outcome.unwrap_err().to_string().as_str(), tries), (words, limits::SHARED_TRIES_MAX));
}

#[test]
fn a_change_sees_what_another_worker_wrote_meanwhile() {
    let process = Process::default();
    let (first, second) = (process.worker(), process.worker());
    let mut seen = vec![];
    let outcome = first.change(&first.users_changes(), |count| {
        seen.push(*count);
        if seen.len() == 1 {
            second.change(&second.users_changes(), |count| *count = 40).unwrap();
        }
        *count += 2;
    });
    assert_eq!((outcome, seen, second.get(&second.users_changes())), (Ok(()), vec![0, 40], Some(42)));
}

#[test]
fn nonsense_counts_as_nothing() {
    let process = Process::default();
    let worker = process.worker();
    for name in ["k.broker.1", "k.reach.1", "users.k.ingress.r.changes", "secret", "k.gauges"] {
        process.set(&format!("kafka_remapper.{name}"), b"\xff[1", None);
    }
    assert_eq!((worker.get(&worker.broker(1)), worker.get(&worker.reach(1))), (None, None));
    assert_eq!(worker.secret(|| Some([1; 32])), None, "nobody's secret is overwritten");
    assert_eq!(worker.change(&worker.users_changes(), |count| *count += 1), Ok(()));
    assert_eq!(worker.get(&worker.users_changes()), Some(1));
    assert_eq!(worker.get(&worker.gauges()), Some(Census::default()));
    // A change that changes nothing writes nothing.
    let writes = process.writes.get();
    worker.change(&worker.users_changes(), |_| ()).unwrap();
    assert_eq!(process.writes.get(), writes);
}
