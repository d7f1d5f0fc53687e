//! What stats tell of workers and configurations that come and go.

use super::*;

/// Topic `t` with so many virtual partitions, and one that `u` names.
fn mapped(virtual_partitions: usize, other: &str) -> String {
    let other = format!(r#"{{"name": "{other}", "virtual_partitions": 4, "physical_partitions": 4}}"#);
    ROUTED.replace(
        r#""virtual_partitions": 6, "physical_partitions": 2}"#,
        &format!(r#""virtual_partitions": {virtual_partitions}, "physical_partitions": 2}}, {other}"#),
    )
}

fn hash(config: &str) -> String {
    format!("configuration_info.remapper.k.hash.{}", Fingerprint::of(config))
}

impl Process {
    /// The value of a stat, its labels in its name.
    fn stat(&self, name: &str) -> i64 {
        self.metrics.borrow().get(&format!("kafka_remapper_{name}")).copied().unwrap_or(-1_000)
    }

    fn stats(&self, names: &[&str]) -> Vec<i64> {
        names.iter().map(|name| self.stat(name)).collect()
    }
}

const TOPICS: [&str; 4] = [
    "topic_virtual_partitions.remapper.k.topic.t",
    "topic_physical_partitions.remapper.k.topic.t",
    "topic_virtual_partitions.remapper.k.topic.a.b",
    "topic_virtual_partitions.remapper.k.topic.c",
];

#[test]
fn series_whose_labels_are_known_are_there_from_the_start() {
    let process = Process::default();
    Site::of(&process, &mapped(6, "a.b"), 0).unwrap();
    for name in [
        "build_info.remapper.k.version.0.1.0",
        "connections_active.remapper.k",
        "errors_total.remapper.k.blame.bug",
        "reconnects_total.remapper.k.reason.configuration",
        "held_back_total.remapper.k.side.broker",
        "held_bytes_limit.remapper.k",
        "shadow_commits_failed_total.remapper.k",
        "topic_requests_total.remapper.k.api.Fetch.topic.a.b",
        "topic_bytes_sent_total.remapper.k.topic.t",
        "broker_requests_total.remapper.k.broker.2",
        "broker_errors_total.remapper.k.broker.bootstrap",
    ] {
        assert_eq!(process.stat(&name.replace("0.1.0", env!("CARGO_PKG_VERSION"))), 0, "{name}");
    }
    let names: Vec<String> = process.metrics.borrow().keys().cloned().collect();
    assert!(!names.iter().any(|name| name.contains("(others)") || name.contains("auth_total")), "{names:?}");
    Site::of(&process, SASL, 0).unwrap();
    assert_eq!(process.stat("auth_total.remapper.k.mechanism.PLAIN.outcome.failure"), 0);
    Site::of(&process, r#"{"stat_prefix": "k", "mapping": {"virtual_partitions": 4, "physical_partitions": 2}}"#, 0)
        .unwrap();
    assert_eq!(process.stat("topic_refused_total.remapper.k.topic.(others)"), 0);
}

/// Two workers, a change of the configuration, and back again, for which the host does not call.
#[test]
fn gauges_show_the_configuration_in_force_whichever_worker_says_so() {
    let process = Process::default();
    let (first, second) = (mapped(6, "a.b"), mapped(12, "c"));
    let mut old: Vec<Site> = (0..2).map(|_| Site::of(&process, &first, 0).unwrap()).collect();
    assert_eq!(process.stats(&TOPICS)[..3], [0, 0, 0]);
    old.iter_mut().for_each(|site| drop(site.tick(1_000)));
    assert_eq!(process.stats(&TOPICS), [6, 2, 4, -1_000]);
    assert_eq!(process.stat(&hash(&first)), 1);
    // The host's main thread tries a configuration, and no more than that.
    let mut new: Vec<Site> = (0..2).map(|_| Site::of(&process, &second, 1_500).unwrap()).collect();
    assert_eq!((process.stats(&TOPICS), process.stat(&hash(&second))), (vec![6, 2, 4, 0], 0));
    for now in [2_000, 3_000, 4_000, 60_000] {
        new.iter_mut().chain(&mut old).for_each(|site| drop(site.tick(now)));
        assert_eq!(process.stats(&TOPICS), [12, 2, 0, 4], "{now}");
        assert_eq!([process.stat(&hash(&first)), process.stat(&hash(&second))], [0, 1]);
    }
    old[1].envoy.now.set(61_000);
    old[1].connect(1, 9092);
    for now in [61_000, 62_000] {
        new.iter_mut().chain(&mut old).for_each(|site| drop(site.tick(now)));
    }
    assert_eq!((process.stats(&TOPICS), process.stat(&hash(&second))), (vec![6, 2, 4, 0], 0));
    let version = format!("build_info.remapper.k.version.{}", env!("CARGO_PKG_VERSION"));
    assert_eq!([process.stat(&hash(&first)), process.stat(&version)], [1, 1]);
}

#[test]
fn memory_is_the_sum_of_those_in_force_and_those_that_are_gone_take_theirs_away() {
    let process = Process::default();
    let limit = i64::try_from(WORKER_BYTES_DEFAULT).unwrap();
    let held = || (process.stat("held_bytes.remapper.k"), process.stat("held_bytes_limit.remapper.k") / limit);
    let mut sites: Vec<Site> = (0..3).map(|_| Site::of(&process, ROUTED, 0).unwrap()).collect();
    sites.iter().zip([100, 20, 3]).for_each(|(site, live)| site.live.set(live));
    sites.iter_mut().for_each(|site| drop(site.tick(1_000)));
    assert_eq!(held(), (0, 0), "that is the main thread's memory, as far as anybody knows");
    for site in &mut sites {
        site.connect(1, 9092);
        site.end(1);
        site.tick(2_000);
    }
    assert_eq!(held(), (123, 3));
    sites[0].live.set(50);
    // A VM fails, and another one takes its place.
    sites.pop();
    for now in [3_000, 8_000, 14_000] {
        sites.iter_mut().for_each(|site| drop(site.tick(now)));
    }
    assert_eq!(held(), (70, 2));
    // In one sandbox the former instance sees the same bytes.
    let newer = ROUTED.replace("\"k\",", "\"k\", ");
    let mut new = Site::of(&process, &newer, 14_000).unwrap();
    new.live.set(50);
    new.connect(1, 9092);
    new.tick(15_000);
    sites.iter_mut().for_each(|site| drop(site.tick(15_000)));
    assert_eq!(held(), (50, 1));
}

#[test]
fn connections_are_counted_by_the_broker_that_they_stand_for() {
    let process = Process::default();
    let mut site = Site::of(&process, ROUTED, 0).unwrap();
    let active = |process: &Process| {
        ["1", "2", "bootstrap"]
            .map(|broker| process.stat(&format!("broker_connections_active.remapper.k.broker.{broker}")))
    };
    site.connect(1, 9092);
    // Where broker 1 is nobody knows yet.
    site.connect(2, 9101);
    assert_eq!(active(&process), [0, 0, 2]);
    site.client(2, &[hello(), metadata(2)].concat());
    site.serve(2);
    site.connect(3, 9101);
    site.connect(4, 9101);
    assert_eq!(active(&process), [2, 0, 2]);
    site.client(3, &[hello(), metadata(2)].concat());
    site.serve(3);
    site.tick(1_000);
    assert_eq!(process.stat("broker_requests_total.remapper.k.broker.1"), 2);
    (1..=4).for_each(|id| site.end(id));
    assert_eq!(active(&process), [0, 0, 0]);
    assert_eq!(process.stat("broker_errors_total.remapper.k.broker.1"), 0);
}

#[test]
fn a_client_that_asks_for_many_brokers_makes_few_series() {
    let config = r#"{"stat_prefix": "k", "advertise": {"sni": {"host": "b{id}.example", "port": 9093}}}"#;
    let process = Process::default();
    let mut site = Site::of(&process, config, 0).unwrap();
    let many = 2 * BROKER_STATS_MAX as u32;
    let connect = |site: &mut Site, context_id: u32, id: u32| {
        let handle = site.worker.announce(context_id);
        site.worker.accept(&handle, &site.envoy, Some(9093), Some(&format!("b{id}.example")));
        site.settle();
    };
    let series = || {
        let names: Vec<String> = process.metrics.borrow().keys().cloned().collect();
        names.iter().filter(|name| name.contains("broker_connections_active")).count()
    };
    let active = |broker: &str| process.stat(&format!("broker_connections_active.remapper.k.broker.{broker}"));
    (0..many).for_each(|id| connect(&mut site, id, id));
    assert_eq!((series(), active("bootstrap")), (2, i64::from(many)), "nobody knows of such brokers");
    // The cluster tells of brokers, on whichever connection.
    let seen: Vec<_> = (0..many as i32).map(|id| (id, "inner:9092".parse().unwrap())).collect();
    site.worker.plugin.brokers_seen(&seen[..1]);
    connect(&mut site, many, 0);
    assert_eq!((series(), active("0")), (3, 1));
    site.worker.plugin.brokers_seen(&seen);
    (0..many).for_each(|id| connect(&mut site, many + 1 + id, id));
    assert_eq!((series(), active("0"), active("unknown")), (BROKER_STATS_MAX + 2, 2, BROKER_STATS_MAX as i64));
}

#[test]
fn a_broker_that_speaks_before_it_is_asked_is_told_apart() {
    let process = Process::default();
    let mut site = Site::of(&process, ROUTED, 0).unwrap();
    site.connect(1, 9092);
    site.broker(1, b"\0\0\0\x04abcd");
    site.tick(1_000);
    let errors = ["bootstrap", "unknown"].map(|broker| format!("broker_errors_total.remapper.k.broker.{broker}"));
    assert_eq!(errors.map(|name| process.stat(&name)), [1, 0]);
}

#[test]
fn who_waits_for_room_or_is_sent_away_is_counted() {
    let process = Process::default();
    let mut site = Site::of(&process, ROUTED, 0).unwrap();
    (1..=2).for_each(|id| drop(site.connect(id, 9092)));
    site.live.set(WORKER_BYTES_DEFAULT);
    (1..=2).for_each(|id| site.client(id, &metadata(1)));
    site.tick_until(2_000);
    let held_back = ["held_back_total.remapper.k.side.client", "held_back_total.remapper.k.side.broker"];
    assert_eq!(process.stats(&held_back), [2, 0], "once for each request, however often it is looked at");
    site.live.set(0);
    site.tick_until(3_000);
    assert_eq!((site.serve(1), site.serve(2)), (1, 1));
    site.worker.plugin.shared.budget.note_answer(3, 40 << 20);
    site.live.set(WORKER_BYTES_DEFAULT - (10 << 20));
    site.client(1, &metadata(2));
    site.tick_until(5_000);
    assert_eq!(process.stats(&held_back), [2, 1], "there is room for the request, and none for its answer");
    site.live.set(0);
    site.tick_until(6_000);
    assert_eq!(site.serve(1), 1);
    // Another configuration is in force.
    let mut new = Site::of(&process, &mapped(6, "c"), 6_000).unwrap();
    new.tick(7_000);
    let closed = closes(&site.tick_until(7_000 + RETIRE_GRACE_MS + RETIRE_SPREAD_MS + 3_000));
    assert_eq!(closed.len(), 2);
    assert_eq!(process.stat("reconnects_total.remapper.k.reason.configuration"), 2);
}

#[test]
fn who_ends_for_the_others_sake_is_blamed_and_comes_back() {
    let process = Process::default();
    let mut site = Site::of(&process, ROUTED, 0).unwrap();
    (1..=2).for_each(|id| drop(site.connect(id, 9092)));
    site.client(2, &produce(100_000)[..50_000]);
    site.live.set(WORKER_BYTES_DEFAULT);
    site.client(1, &metadata(1));
    assert_eq!(closes(&site.tick_until(TIGHT_MS_MAX + 100)).len(), 1);
    site.end(2);
    let names = ["reconnects_total.remapper.k.reason.memory", "errors_total.remapper.k.blame.client"];
    assert_eq!(process.stats(&names), [1, 1]);
}
