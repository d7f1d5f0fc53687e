//! Workers on their own clock: what they tell their shells, and when.

mod gauges;
mod simulation;

use std::collections::HashMap;

use bytes::Bytes;
use kafka_protocol::messages::*;

use super::*;
use crate::limits::*;
use crate::stats::{BrokerLabel, Stat};
use crate::testing::broker::Broker;
use crate::testing::envoy::Envoy;
use crate::testing::memory::Process;
use crate::testing::troubleshooting::assert_line_explained;
use crate::testing::{request, take_frames, text, topic, NoKeys, Seen};

/// Two bootstrap brokers; broker 1 stands behind port 9101, broker 2 behind 9102.
const ROUTED: &str = r#"{
    "stat_prefix": "k",
    "mapping": {"topics": [{"name": "t", "virtual_partitions": 6, "physical_partitions": 2}]},
    "advertise": {"table": {"1": "kafka.example:9101", "2": "kafka.example:9102"}},
    "route": {"dynamic": {"bootstrap": ["boot-a:9092", "boot-b:9092"]}}
}"#;

const SASL: &str = r#"{
    "stat_prefix": "k",
    "sasl": {"mechanisms": ["PLAIN"], "users": [{"username": "alice", "password": "secret"}]}
}"#;

/// A worker, and the host around it.
struct Site {
    process: Process,
    envoy: Envoy,
    worker: Worker,
    live: Rc<Cell<usize>>,
    handles: HashMap<u32, Handle>,
    period: Millis,
    commands: Vec<Command>,
    /// What was told for access logs: connections, keys and values.
    described: Vec<(u32, &'static str, String)>,
    /// Bytes to the broker that nobody has answered.
    up: HashMap<u32, Vec<u8>>,
}

impl Site {
    /// The first worker of a process.
    fn new(config: &str) -> Self {
        Self::of(&Process::default(), config, 0).unwrap()
    }

    /// A worker of `process` that begins at `now`.
    fn of(process: &Process, config: &str, now: Millis) -> Result<Self, String> {
        let envoy = Envoy::default();
        envoy.now.set(now);
        Self::at(envoy, process, config)
    }

    /// A worker of `process` on this host.
    fn at(envoy: Envoy, process: &Process, config: &str) -> Result<Self, String> {
        let live = Rc::new(Cell::new(0));
        envoy.drawn.set(process.begin());
        let bytes = Rc::clone(&live);
        let surroundings = Surroundings {
            memory: Box::new(process.clone()),
            verifier: Box::new(NoKeys),
            live_bytes: Box::new(move || bytes.get()),
            plugin_name: "ingress".to_owned(),
            root_id: "r".to_owned(),
            variables: vec!["WHO=alice".to_owned()],
            busy: Busy::default(),
            has_served: Rc::default(),
        };
        let worker = Worker::new(config.into(), surroundings, &envoy)?;
        let (handles, commands, described, up) = (HashMap::new(), vec![], vec![], HashMap::new());
        let process = process.clone();
        let mut site = Self { process, envoy, worker, live, handles, period: 0, commands, described, up };
        site.settle();
        Ok(site)
    }

    /// Takes commands as a shell does. Counts are left out, and so are gauges, but for corrections, and the
    /// line with which a configuration begins.
    fn settle(&mut self) {
        while let Some(command) = self.worker.poll_command() {
            match command {
                Command::Tick(period) => self.period = period,
                Command::Count(Stat::RequestDurationMs { .. }, _) => {}
                Command::Count(stat, n) => self.note(stat, |value| value + n),
                Command::Set(stat, n) => self.note(stat, |_| n as i64),
                Command::Clear(name) => drop(self.process.metrics.borrow_mut().insert(name, 0)),
                Command::Correct(stat, n) => {
                    self.note(stat, |value| value + n);
                    self.commands.push(Command::Correct(stat, n));
                }
                Command::Log(Level::Info, line) if line.contains("] kafka partition remapper ") => {}
                Command::Log(level, line) => {
                    assert_line_explained(&line);
                    self.commands.push(Command::Log(level, line));
                }
                Command::Describe { context_id, key, value } => self.described.push((context_id, key, value)),
                command => self.commands.push(command),
            }
        }
    }

    /// As a shell does it to a metric.
    fn note(&self, stat: Stat, change: impl FnOnce(i64) -> i64) {
        let mut metrics = self.process.metrics.borrow_mut();
        let value = metrics.entry(self.worker.names().of(stat)).or_default();
        *value = change(*value);
    }

    fn take(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }

    fn connect(&mut self, id: u32, port: u16) -> Vec<Command> {
        let handle = self.worker.announce(id);
        self.worker.accept(&handle, &self.envoy, Some(port), None);
        self.handles.insert(id, handle);
        self.settle();
        self.take()
    }

    fn client(&mut self, id: u32, bytes: &[u8]) {
        self.client_with(id, bytes, false);
    }

    fn client_with(&mut self, id: u32, bytes: &[u8], ends: bool) {
        let (worker, envoy, handle) = (&self.worker, &self.envoy, &self.handles[&id]);
        envoy.client(id, bytes, ends, |len, ends| worker.client_data(handle, envoy, len, ends));
        self.settle();
    }

    fn broker(&mut self, id: u32, bytes: &[u8]) {
        let (worker, envoy, handle) = (&self.worker, &self.envoy, &self.handles[&id]);
        envoy.broker(id, bytes, |len| worker.broker_data(handle, envoy, len));
        self.settle();
    }

    fn end(&mut self, id: u32) {
        let handle = self.handles.remove(&id).unwrap();
        self.envoy.select(id);
        self.worker.end(&handle, &self.envoy);
        self.settle();
    }

    /// Ticks once at `now`.
    fn tick(&mut self, now: Millis) -> Vec<Command> {
        self.envoy.now.set(now);
        self.envoy.timer(|| self.worker.tick(&self.envoy));
        self.settle();
        self.take()
    }

    /// Ticks as often as it is told, until `end`; gives what was commanded with its time.
    fn tick_until(&mut self, end: Millis) -> Vec<(Millis, Command)> {
        let mut told = vec![];
        while self.envoy.now.get() < end {
            let now = end.min(self.envoy.now.get() + self.period);
            told.extend(self.tick(now).into_iter().map(|command| (now, command)));
        }
        told
    }

    /// Requests that reached the broker.
    fn requests(&mut self, id: u32) -> Vec<Seen> {
        let up = self.up.entry(id).or_default();
        up.extend(self.envoy.take(id, Side::Client));
        take_frames(up).iter().map(Seen::parse).collect()
    }

    /// The broker answers all that reaches it; gives how many requests that were.
    fn serve(&mut self, id: u32) -> usize {
        let mut served = 0;
        loop {
            let requests = self.requests(id);
            if requests.is_empty() {
                return served;
            }
            served += requests.len();
            requests.iter().for_each(|seen| self.broker(id, &respond(seen)));
        }
    }

    fn answers(&self, id: u32) -> Vec<Bytes> {
        take_frames(&mut self.envoy.take(id, Side::Broker))
    }
}

fn respond(seen: &Seen) -> Vec<u8> {
    match (seen.key, seen.version) {
        (18, 0) if seen.body.is_empty() => seen.answer(&ApiVersionsResponse::default()),
        _ => Broker::new(&[("t", 2), ("u", 3)]).answer(seen, u64::MAX).unwrap(),
    }
}

fn hello() -> Vec<u8> {
    request(3, 1, &ApiVersionsRequest::default().with_client_software_name(text("test")))
}

fn metadata(correlation_id: i32) -> Vec<u8> {
    use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
    let asked = MetadataRequestTopic::default().with_name(Some(topic("t")));
    request(9, correlation_id, &MetadataRequest::default().with_topics(Some(vec![asked])))
}

fn login(password: &str) -> Vec<u8> {
    let handshake = request(1, 2, &SaslHandshakeRequest::default().with_mechanism(text("PLAIN")));
    let token = Bytes::from(format!("\0alice\0{password}"));
    [handshake, request(2, 3, &SaslAuthenticateRequest::default().with_auth_bytes(token))].concat()
}

fn route(address: &str) -> Vec<Command> {
    vec![Command::Route(address.parse().unwrap())]
}

fn lines(commands: Vec<Command>) -> Vec<(Level, String)> {
    let line = |command| match command {
        Command::Log(level, line) => Some((level, line)),
        _ => None,
    };
    commands.into_iter().filter_map(line).collect()
}

fn closes(told: &[(Millis, Command)]) -> Vec<(Millis, u32)> {
    let close = |(at, command): &(Millis, Command)| match command {
        Command::Close(id) => Some((*at, *id)),
        _ => None,
    };
    told.iter().filter_map(close).collect()
}

#[test]
fn bootstrap_brokers_take_turns_until_a_process_knows_the_broker() {
    let process = Process::default();
    let mut first = Site::of(&process, ROUTED, 0).unwrap();
    // A dead one is passed over at the next attempt.
    assert_eq!(first.connect(1, 9092), route("boot-b:9092"));
    assert_eq!(first.connect(2, 9101), route("boot-a:9092"));
    assert_eq!(first.connect(3, 9101), route("boot-b:9092"));
    // A connection that stands for a broker asks where that is, and ends where it was sent wrongly.
    first.client(3, &[hello(), metadata(2)].concat());
    first.serve(3);
    let told = lines(first.take());
    assert!(told.iter().any(|(level, line)| *level == Level::Info && line.contains("broker 1")), "{told:?}");
    assert_eq!(closes(&first.tick_until(CLOSE_DELAY_MS)), [(CLOSE_DELAY_MS, 3)]);
    // Now all workers of the process know, and no other process.
    assert_eq!(first.connect(4, 9101), route("kafka-1.internal:9092"));
    let mut second = Site::of(&process, ROUTED, 0).unwrap();
    assert_eq!(second.connect(1, 9101), route("kafka-1.internal:9092"));
    assert_eq!(second.connect(2, 9199), route("boot-a:9092"));
    assert_eq!(Site::new(ROUTED).connect(1, 9101), route("boot-b:9092"));
    // Envoy's own cluster is not interfered with.
    assert_eq!(Site::new(SASL).connect(1, 9101), []);
}

#[test]
fn a_broker_that_nobody_comes_for_is_told_of_once_in_a_process() {
    let process = Process::default();
    let sites: Vec<Site> = (0..2).map(|_| Site::of(&process, ROUTED, 0).unwrap()).collect();
    let said = |site: &Site| {
        site.worker.plugin.broker_unreached(2, "kafka.example:9102");
        std::iter::from_fn(|| site.worker.poll_command()).collect::<Vec<Command>>()
    };
    let first = said(&sites[0]);
    assert!(matches!(&first[..], [.., Command::Count(Stat::AdvertisedUnreached, 1), Command::Log(Level::Warn, line)]
        if line.contains("broker 2 is at kafka.example:9102")));
    lines(first).iter().for_each(|(_, line)| assert_line_explained(line));
    assert_eq!((said(&sites[0]), said(&sites[1])), (vec![], vec![]));
    let mut reached = Site::new(ROUTED);
    reached.connect(1, 9102);
    assert_eq!(said(&reached), []);
}

/// What was logged at the end of a connection that came to nothing.
fn said_at_the_end(site: &mut Site, failure: Option<Failure>) -> Vec<String> {
    site.envoy.failure.replace(failure);
    let handle = site.handles.remove(&1).unwrap();
    site.worker.end(&handle, &site.envoy);
    let commands = std::iter::from_fn(|| site.worker.poll_command());
    let lines =
        commands.filter_map(|command| if let Command::Log(Level::Warn, line) = command { Some(line) } else { None });
    lines.inspect(|line| assert_line_explained(line)).collect()
}

#[test]
fn why_a_broker_is_not_reached_is_said() {
    let failure = Failure::Unreached("delayed connect error: Connection\n refused".to_owned());
    for (asks, config, expected) in [
        (
            true,
            ROUTED,
            Some(
                "no connection to the broker at boot-b:9092 came about, and its client got no answer: \
            Envoy says delayed connect error: Connection refused. Does a broker listen there",
            ),
        ),
        (true, SASL, Some("no connection to the broker where Envoy's cluster leads came about")),
        (false, ROUTED, None),
    ] {
        let mut site = Site::new(config);
        site.connect(1, 9092);
        if asks {
            site.client(1, &request(3, 1, &ApiVersionsRequest::default()));
        }
        let said = said_at_the_end(&mut site, Some(failure.clone()));
        assert_eq!(said.len(), usize::from(asks));
        assert!(said.iter().all(|line| line.contains(expected.unwrap())), "{said:?}");
    }
    // Envoy tried again, and then there was a connection.
    let mut site = Site::new(ROUTED);
    site.connect(1, 9092);
    site.client(1, &request(3, 1, &ApiVersionsRequest::default()));
    site.serve(1);
    assert_eq!(said_at_the_end(&mut site, Some(failure)), Vec::<String>::new());
}

#[test]
fn why_a_tls_handshake_failed_is_said() {
    for (why, hint) in [("TLS_error:WRONG_VERSION_NUMBER", true), ("TLS_error:CERTIFICATE_UNKNOWN", false)] {
        let mut site = Site::new(ROUTED);
        site.connect(1, 9092);
        let said = said_at_the_end(&mut site, Some(Failure::Handshake(why.to_owned())));
        assert_eq!(said.len(), 1);
        assert!(said[0].contains("TLS handshake failed") && said[0].contains(why));
        assert_eq!(said[0].contains("security.protocol has to be SSL or SASL_SSL"), hint);
    }
    // Its client was served, and is gone without a word of TLS.
    let mut site = Site::new(ROUTED);
    site.connect(1, 9092);
    site.client(1, &request(3, 1, &ApiVersionsRequest::default()));
    assert_eq!(said_at_the_end(&mut site, Some(Failure::Handshake("closed".to_owned()))), Vec::<String>::new());
}

#[test]
fn a_broker_that_closes_instead_of_answering_is_told_of() {
    for (answers, ends, half_closes, says) in
        [(1, true, false, true), (1, false, false, false), (2, true, false, false), (1, true, true, false)]
    {
        let mut site = Site::new(ROUTED);
        site.connect(1, 9092);
        let asked = [
            request(3, 1, &ApiVersionsRequest::default()),
            request(9, 2, &MetadataRequest::default().with_topics(None)),
            request(9, 3, &MetadataRequest::default().with_topics(None)),
        ];
        for frame in &asked[..answers] {
            site.client(1, frame);
            site.serve(1);
        }
        site.client_with(1, &asked[answers], half_closes);
        if ends {
            site.worker.broker_ended(&site.handles[&1]);
            // As a client does that sees it.
            site.client_with(1, &[], true);
        }
        let said = said_at_the_end(&mut site, None);
        assert_eq!(said.len(), usize::from(says), "{said:?}");
        let expected =
            "the broker ended the connection instead of answering the first Metadata: does its listener want";
        assert!(said.iter().all(|line| line.contains(expected)), "{said:?}");
    }
}

#[test]
fn a_failed_login_is_answered_late_and_closed_later() {
    let mut site = Site::new(SASL);
    site.connect(1, 9092);
    assert_eq!(site.period, SLOW_TICK_MS, "nothing waits");
    site.client(1, &login("wrong"));
    assert_eq!((site.serve(1), site.answers(1).len(), site.period), (1, 1, TICK_MS));
    let told = site.tick_until(FAILURE_DELAY_MS - 1);
    assert!(told.is_empty() && site.serve(1) == 0 && site.answers(1).is_empty(), "{told:?}");
    site.tick_until(FAILURE_DELAY_MS);
    assert_eq!((site.serve(1), site.answers(1).len()), (1, 1));
    assert_eq!(lines(site.take()).len(), 1, "one line says who failed");
    let told = closes(&site.tick_until(2 * FAILURE_DELAY_MS));
    assert!(matches!(told[..], [(at, 1)] if at >= FAILURE_DELAY_MS + CLOSE_DELAY_MS), "{told:?}");
    site.end(1);
    site.tick_until(1_000);
    assert_eq!(site.period, SLOW_TICK_MS);
}

#[test]
fn a_line_says_whose_connection_it_is_about() {
    let mut site = Site::new(SASL);
    let head = |id: u32, rest: &str| format!("[k 10.0.0.7:{}{rest}] ", 50_000 + id);
    let said = |id: u32, site: &mut Site, rest: &str, sentence: &str| {
        let told = lines(site.take());
        assert!(matches!(&told[..], [(_, line)] if *line == head(id, rest) + sentence), "{told:?}");
    };
    (1..=5).for_each(|id| drop(site.connect(id, 9092)));
    // In the connection's own calls, whoever else is there.
    site.client(1, &login("wrong"));
    site.client(2, &login("secret"));
    assert_eq!((site.serve(1), site.serve(2)), (1, 2));
    assert_eq!(lines(site.take()), []);
    site.tick_until(FAILURE_DELAY_MS);
    site.serve(1);
    let failed = "a client failed to authenticate by PLAIN: wrong credentials";
    said(1, &mut site, r#" client "test" tried "alice""#, failed);
    site.client(2, b"\0\0\0\x0f\0\x4b\0\0\0\0\0\x09\0\x05other");
    let sentence =
        "the client asks for DescribeTopicPartitions version 0 (API key 75), which is not offered; ApiVersions lists \
                    what is";
    said(2, &mut site, r#" client "test" as "alice""#, sentence);
    // In the timer's, and in the last one of all.
    site.client(3, &login("x")[..40]);
    site.end(3);
    said(3, &mut site, r#" client "test""#, "a client began to authenticate by PLAIN and did not finish");
    site.client(4, b"GET / HTTP/1.1\r\n\r\n");
    let sentence = "the client speaks HTTP where Kafka's protocol is expected: is this a browser, a health check or a \
                    scanner? Envoy's own health is at its admin port, /ready";
    said(4, &mut site, "", sentence);
    let told: Vec<Command> =
        site.tick_until(AUTHENTICATION_MS_DEFAULT + SLOW_TICK_MS).into_iter().map(|(_, told)| told).collect();
    let late = "a connection is closed after 30000 ms (limits.authentication_ms): its client did not authenticate";
    assert_eq!(lines(told), [(Level::Info, head(5, "") + late)]);
    // For access logs each is told once.
    let of = |id| move |(of, key, value): &(u32, &'static str, String)| (*of == id).then(|| (*key, value.clone()));
    let described: Vec<_> = site.described.iter().filter_map(of(2)).collect();
    assert_eq!(described, [("kafka_client_id", "test".to_owned())]);
    assert_eq!(site.described.iter().filter_map(of(4)).count(), 0);
}

#[test]
fn a_crowd_makes_one_line() {
    let mut site = Site::new(SASL);
    let mut told = vec![];
    for id in 1..=500 {
        site.connect(id, 9092);
        site.client(id, b"GET / HTTP/1.1\r\n\r\n");
        told.extend(lines(site.take()));
        site.end(id);
    }
    site.envoy.now.set(WARNING_MS_MIN);
    site.connect(501, 9092);
    site.client(501, b"GET / HTTP/1.1\r\n\r\n");
    told.extend(lines(site.take()));
    assert!(
        matches!(&told[..], [_, (_, last)] if last.starts_with("[k 10.0.0.7:50501] the client speaks HTTP")
        && last.ends_with(" (and 499 more like it in 60 s)")),
        "{told:?}"
    );
}

/// Where nothing was asked, an answer cannot be anybody's.
#[test]
fn a_broker_that_speaks_first_is_told_of() {
    for (bytes, sentence) in [
        (
            &b"\x15\x03\x03\0\x02\x02\x28"[..],
            "the broker speaks TLS where Kafka's protocol is expected: Envoy's cluster lacks",
        ),
        (b"SSH-2.0-x\r\n", "the broker sent an answer that nobody asked for"),
    ] {
        let mut site = Site::new(ROUTED);
        site.connect(1, 9102);
        site.broker(1, bytes);
        site.broker(1, bytes);
        let told = lines(site.take());
        assert!(
            matches!(&told[..], [(Level::Warn, line)]
            if line.starts_with(&format!("[k 10.0.0.7:50001] {sentence}"))),
            "{told:?}"
        );
        assert_eq!(closes(&site.tick_until(CLOSE_DELAY_MS + TICK_MS)).len(), 1);
        assert!(site.answers(1).is_empty());
    }
}

#[test]
fn access_logs_are_told_the_broker_where_the_filter_knows_it() {
    let mut site = Site::new(ROUTED);
    [(1, 9092), (2, 9102)].into_iter().for_each(|(id, port)| drop(site.connect(id, port)));
    let told = |id, value: &str| (id, "kafka_broker", value.to_owned());
    assert_eq!(site.described, [told(1, "bootstrap"), told(2, "2")]);
    let mut sidecar = Site::new(SASL);
    sidecar.connect(1, 9092);
    assert_eq!(sidecar.described, []);
}

#[test]
fn a_crowd_is_closed_some_at_a_time_and_each_once() {
    let crowd = 3 * CLOSED_MAX as u32 + 1;
    let mut site = Site::new(SASL);
    (0..crowd).for_each(|id| drop(site.connect(id, 9092)));
    let told = closes(&site.tick_until(AUTHENTICATION_MS_DEFAULT));
    let mut at: Vec<Millis> = told.iter().map(|(at, _)| *at).collect();
    at.dedup();
    assert!(at.iter().all(|at| told.iter().filter(|(when, _)| when == at).count() <= CLOSED_MAX), "{at:?}");
    assert_eq!(site.period, TICK_MS, "the rest does not wait for long");
    // Who is gone by himself need not be closed any more.
    let first: Vec<u32> = told.iter().map(|(_, id)| *id).collect();
    let gone = (0..crowd).find(|id| !first.contains(id)).unwrap();
    site.end(gone);
    let rest = closes(&site.tick_until(AUTHENTICATION_MS_DEFAULT + 10 * TICK_MS));
    let mut closed: Vec<u32> = first.into_iter().chain(rest.into_iter().map(|(_, id)| id)).collect();
    closed.sort_unstable();
    assert_eq!(closed, (0..crowd).filter(|id| *id != gone).collect::<Vec<u32>>());
}

#[test]
fn who_is_gone_is_sent_nothing_and_closed_by_nobody() {
    let mut site = Site::new(SASL);
    site.connect(1, 9092);
    site.client(1, &login("wrong"));
    site.serve(1);
    site.end(1);
    site.take();
    assert_eq!(site.tick_until(60_000), []);
    assert_eq!(site.serve(1), 0);
}

#[test]
fn a_login_is_told_and_ends_the_deadline() {
    let mut site = Site::new(SASL);
    site.connect(1, 9092);
    site.connect(2, 9092);
    site.client(1, &login("secret"));
    let principal = "alice".to_owned();
    assert_eq!(site.take(), [Command::Identify { context_id: 1, principal, mechanism: "PLAIN" }]);
    assert!(site.tick_until(AUTHENTICATION_MS_DEFAULT - 1).is_empty());
    let told = site.tick_until(AUTHENTICATION_MS_DEFAULT + SLOW_TICK_MS);
    assert_eq!(closes(&told).len(), 1);
    assert!(told.iter().any(|(_, command)| *command == Command::Close(2)));
}

#[test]
fn without_random_bytes_there_is_no_connection() {
    let mut site = Site::new(SASL);
    site.connect(1, 9092);
    site.envoy.has_entropy.set(false);
    site.client(1, &login("secret"));
    assert!(site.requests(1).is_empty());
    assert_eq!(closes(&site.tick_until(CLOSE_DELAY_MS + TICK_MS)).len(), 1);
    let refused = || {
        let process = Process::default();
        let surroundings = Surroundings {
            memory: Box::new(process),
            verifier: Box::new(NoKeys),
            live_bytes: Box::new(|| 0),
            plugin_name: String::new(),
            root_id: String::new(),
            variables: vec![],
            busy: Busy::default(),
            has_served: Rc::default(),
        };
        Worker::new(SASL.into(), surroundings, &site.envoy).err()
    };
    assert_eq!(refused().as_deref(), Some("Envoy gives no random bytes"));
}

#[test]
fn held_bytes_go_on_when_there_is_room() {
    let mut site = Site::new(ROUTED);
    (1..=3).for_each(|id| drop(site.connect(id, 9092)));
    site.live.set(WORKER_BYTES_DEFAULT);
    site.client(1, &metadata(1));
    assert_eq!((site.period, site.envoy.held(1)), (TICK_MS, metadata(1).len()));
    assert!(site.tick_until(100).is_empty() && site.requests(1).is_empty());
    site.live.set(0);
    site.tick_until(120);
    assert_eq!((site.requests(1).len(), site.envoy.held(1)), (1, 0));
    site.tick(140);
    assert_eq!(site.period, SLOW_TICK_MS);
}

/// A Produce request to a mapped topic with so many bytes of records.
fn produce(bytes: usize) -> Vec<u8> {
    use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
    let data = PartitionProduceData::default().with_records(Some(vec![0; bytes].into()));
    let data = TopicProduceData::default().with_name(topic("t")).with_partition_data(vec![data]);
    request(9, 1, &ProduceRequest::default().with_acks(-1).with_topic_data(vec![data]))
}

#[test]
fn who_has_waited_for_room_the_longest_gets_it_first() {
    let mut site = Site::new(ROUTED);
    (1..=3).for_each(|id| drop(site.connect(id, 9092)));
    site.live.set(WORKER_BYTES_DEFAULT);
    let frame = produce(5_000_000);
    for id in [2, 3, 1] {
        site.client(id, &frame[..50_000]);
    }
    site.tick_until(100);
    let held = |site: &Site| [2, 3, 1].map(|id| site.envoy.held(id) > 0);
    assert_eq!(held(&site), [true; 3]);
    // What is left for frames is enough for one of them.
    site.live.set(WORKER_BYTES_DEFAULT - WORKER_BYTES_DEFAULT / FETCH_SHARES - 5_500_000);
    site.tick_until(120);
    assert_eq!(held(&site), [false, true, true]);
    site.end(2);
    site.tick_until(140);
    assert_eq!(held(&site)[1..], [false, true]);
}

#[test]
fn who_holds_the_most_ends_where_others_wait_for_long() {
    let mut site = Site::new(ROUTED);
    (1..=3).for_each(|id| drop(site.connect(id, 9092)));
    // A frame of 100 KB that does not get together.
    let frame = produce(100_000);
    site.client(2, &frame[..50_000]);
    site.live.set(WORKER_BYTES_DEFAULT);
    site.client(1, &metadata(1));
    let told = site.tick_until(TIGHT_MS_MAX);
    assert!(told.is_empty(), "{told:?}");
    let told = site.tick_until(TIGHT_MS_MAX + 100);
    assert_eq!(closes(&told).iter().map(|(_, id)| *id).collect::<Vec<u32>>(), [2]);
    assert_eq!(told.iter().filter(|(_, command)| matches!(command, Command::Log(Level::Warn, _))).count(), 1);
    // What it still sends is thrown away.
    site.client(2, &frame[50_000..]);
    assert!(site.envoy.held(2) == 0 && site.requests(2).is_empty());
}

/// Bob's password has to be checked against credentials of SCRAM, which takes time.
#[test]
fn a_token_waits_for_its_verdict_while_others_are_served() {
    use crate::sasl::scram::{Credentials, Hash};
    use base64::prelude::{Engine, BASE64_STANDARD};
    let known = Credentials::derive(Hash::Sha256, "secret", b"a salt of bob's", 16_384);
    let [salt, stored_key, server_key] =
        [&known.salt[..], &known.stored_key[..], &known.server_key[..]].map(|bytes| BASE64_STANDARD.encode(bytes));
    let config = format!(
        r#"{{"stat_prefix": "k", "sasl": {{"mechanisms": ["PLAIN"], "users": [{{"username": "alice", "scram_sha_256":
            {{"salt": "{salt}", "iterations": 16384, "stored_key": "{stored_key}", "server_key": "{server_key}"}}}}]}}}}"#
    );
    let process = Process::default();
    let mut site = Site::of(&process, &config, 0).unwrap();
    site.connect(1, 9092);
    site.client(1, &login("secret"));
    assert_eq!((site.serve(1), site.period), (1, TICK_MS));
    // Each look at the clock costs as much as a piece of work does: a tick does a few.
    site.envoy.look_us.set(500);
    let mut ticks = 0;
    let told = loop {
        ticks += 1;
        let told = site.tick(ticks * TICK_MS);
        if !told.is_empty() {
            break told;
        }
        assert!(ticks < 200 && site.requests(1).is_empty());
    };
    assert!(matches!(&told[..], [Command::Identify { context_id: 1, principal, .. }] if principal == "alice"));
    assert!(ticks > 5, "{ticks} ticks");
    assert_eq!((site.serve(1), site.answers(1).len()), (1, 2));
    // Another worker of the process need not compute it again, once both have looked.
    let now = ticks * TICK_MS + 2 * VAULT_MS;
    site.tick(now);
    let mut second = Site::of(&process, &config, now).unwrap();
    second.connect(1, 9092);
    second.client(1, &login("secret"));
    assert!(matches!(&second.take()[..], [Command::Identify { .. }]), "at once");
}

#[test]
fn connections_of_a_former_configuration_end_one_by_one() {
    let process = Process::default();
    let mut old = Site::of(&process, ROUTED, 0).unwrap();
    (1..=20).for_each(|id| drop(old.connect(id, 9092)));
    let newer = ROUTED.replace("\"k\",", "\"k\", ");
    let mut new = Site::of(&process, &newer, 10_000).unwrap();
    old.envoy.now.set(10_000);
    assert_eq!(old.tick_until(11_000), [], "nobody works with it yet");
    new.tick(11_000);
    let told = old.tick_until(11_000 + RETIRE_GRACE_MS + RETIRE_SPREAD_MS + 3_000);
    let closed = closes(&told);
    assert_eq!(closed.len(), 20);
    assert!(closed.iter().all(|(at, _)| *at >= 11_000 + RETIRE_GRACE_MS + RETIRE_QUIET_MS));
    let words = "[k] a newer configuration is in force: 20 connections of this worker end one by one";
    assert_eq!(told[0].1, Command::Log(Level::Info, words.to_owned()));
    let told = new.tick(12_000);
    assert!(told.iter().all(|command| matches!(command, Command::Correct(..))), "it was silent for long: {told:?}");
    (1..=20).for_each(|id| old.end(id));
    old.tick_until(40_000);
    assert_eq!(old.period, SLOW_TICK_MS);
}

#[test]
fn a_mapping_that_contradicts_what_the_process_accepted_is_refused() {
    let config = |layout: &str| {
        format!(
            r#"{{"mapping": {{"topics": [{{"name": "t", "virtual_partitions": 6, "physical_partitions": 2, "layout": "{layout}"}}]}}}}"#
        )
    };
    let process = Process::default();
    assert!(Site::of(&process, &config("modulo"), 0).is_ok());
    let refusal = Site::of(&process, &config("block"), 0).err().unwrap();
    assert!(refusal.starts_with("mapping.topics[0].layout: "), "{refusal}");
    let accepted = Site::new(&config("block")).take();
    assert_eq!(lines(accepted).len(), 1, "the layout must stay");
    let variable = SASL.replace("\"secret\"", "\"${WHO}\"");
    assert!(Site::of(&process, &variable, 0).is_ok());
    assert!(Site::of(&process, &variable.replace("WHO", "NOBODY"), 0).is_err());
}

/// A VM that fails takes no leave: another worker takes its connections from the gauge.
#[test]
fn connections_of_a_worker_that_is_silent_are_taken_from_the_gauge() {
    let process = Process::default();
    let mut dead = Site::of(&process, ROUTED, 0).unwrap();
    (1..=3).for_each(|id| drop(dead.connect(id, 9092)));
    // Gauges but for connections are reported with the tick.
    dead.tick(INSTANCES_LOOK_MS);
    let mut alive = Site::of(&process, ROUTED, 0).unwrap();
    assert_eq!(alive.tick_until(CENSUS_SILENT_MS - 1), []);
    let told = alive.tick_until(CENSUS_SILENT_MS + 2 * SLOW_TICK_MS);
    let of_connections = |commands: Vec<Command>| {
        let is_wanted = |command: &Command| {
            matches!(command, Command::Correct(Stat::ConnectionsActive | Stat::BrokerConnectionsActive { .. }, _))
        };
        commands.into_iter().filter(is_wanted).collect::<Vec<_>>()
    };
    let corrected = of_connections(told.into_iter().map(|(_, command)| command).collect());
    let both = |n| {
        let broker = BrokerLabel::Bootstrap;
        [Command::Correct(Stat::ConnectionsActive, n), Command::Correct(Stat::BrokerConnectionsActive { broker }, n)]
    };
    assert_eq!(corrected, both(-3));
    // It was only late, and takes them back.
    assert_eq!(of_connections(dead.tick(CENSUS_SILENT_MS + 3_000)), both(3));
    // What stands in shared memory may be nonsense.
    process.set("kafka_remapper.k.connections", b"[", None);
    process.set("kafka_remapper.k.gauges", b"[", None);
    process.set("kafka_remapper.generations.k.ingress.r", b"[", None);
    assert_eq!(of_connections(dead.tick(CENSUS_SILENT_MS + 4_000)), both(3));
}

#[test]
fn changes_that_others_are_always_faster_with_are_told() {
    let process = Process::default();
    let mut site = Site::of(&process, ROUTED, 0).unwrap();
    process.races.set(SHARED_TRIES_MAX);
    let told = lines(site.tick(1_000));
    let words = "[k] kafka_remapper.generations.k.ingress.r in shared data is changed by others all the time";
    assert_eq!(told, [(Level::Warn, words.to_owned())]);
    let told: usize = (0..100)
        .map(|id| {
            process.races.set(SHARED_TRIES_MAX);
            site.connect(id, 9092).len() + lines(site.take()).len()
        })
        .sum();
    assert!(told <= 100 + 7, "a connection each, and few lines: {told}");
}

/// Where the host's clock says that it takes too long.
#[test]
fn credentials_that_are_still_to_be_derived_are_told_of() {
    let envoy = Envoy::default();
    envoy.look_us.set(1_000 * DERIVE_MS_MAX);
    let config = SASL.replace("PLAIN", "SCRAM-SHA-256");
    let mut site = Site::at(envoy, &Process::default(), &config).unwrap();
    let words = "[k] sasl.users: 1 SCRAM credentials are still to be derived from passwords; until then SCRAM waits";
    assert_eq!(lines(site.take()), [(Level::Info, words.to_owned())]);
}

#[test]
fn keys_are_asked_for_once_and_again_after_a_failure() {
    let config = r#"{"stat_prefix": "k", "sasl": {"mechanisms": ["OAUTHBEARER"], "oauthbearer": {
        "jwks": {"http": {"cluster": "idp", "authority": "idp.example", "path": "/keys"}}, "issuer": "i", "audience": "kafka"}}}"#;
    let mut site = Site::new(config);
    let asks = |commands: Vec<Command>| {
        commands.into_iter().filter(|command| matches!(command, Command::FetchKeys(at) if at.cluster == "idp")).count()
    };
    assert_eq!(asks(site.tick(1_000)), 1);
    assert_eq!(asks(site.tick(2_000)), 0, "the answer is under way");
    site.worker.keys_fetched(&site.envoy, Err("the answer's status is 503"));
    site.settle();
    let told = lines(site.take());
    assert!(
        matches!(&told[..], [(Level::Warn, line)]
        if line.starts_with("[k] sasl.oauthbearer.jwks.http: the answer's status is 503; no keys are in use")),
        "{told:?}"
    );
    assert_eq!(asks(site.tick(2_500)), 0);
    assert_eq!(asks(site.tick(2_000 + JWKS_RETRY_MS_MIN)), 1);
    site.worker.keys_fetched(&site.envoy, Ok(br#"{"keys": []}"#));
    site.settle();
    assert!(matches!(&lines(site.take())[..], [(Level::Warn, line)] if line.contains("every token is refused")));
    // Keys that come stay in use while the provider fails; each line stands for a minute.
    let keys = br#"{"keys": [{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
    for (outcome, said) in [
        (Ok(&keys[..]), "[k] sasl.oauthbearer.jwks.http: 1 keys are in use now"),
        (Ok(&keys[..]), "[k] sasl.oauthbearer.jwks.http: 1 keys are in use, as before"),
        (Err("no answer"), "[k] sasl.oauthbearer.jwks.http: no answer; keys that were fetched before stay in use for"),
    ] {
        site.envoy.now.set(site.envoy.now.get() + WARNING_MS_MIN);
        site.worker.keys_fetched(&site.envoy, outcome);
        site.settle();
        let told = lines(site.take());
        assert!(matches!(&told[..], [(_, line)] if line.starts_with(said)), "{told:?}");
    }
}
