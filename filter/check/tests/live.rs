//! `check --bootstrap` against brokers that answer as a test says: what no Apache Kafka does, and what would
//! take one long.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_partition_remapper_core::wire::inspection::{batches, single_record, Producer};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult};
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{decode_request_header_from_buffer, Decodable, Encodable, HeaderVersion, StrBytes};

const CONFIG: &str =
    r#"{"mapping": {"topics": [{"name": "orders", "virtual_partitions": 4, "physical_partitions": 2}]}}"#;
const INVALID_RECORD: i16 = 87;
const UNAUTHORIZED: i16 = 31;
const UNKNOWN_TOPIC: i16 = 3;
const REQUEST_TIMED_OUT: i16 = 7;
const TOPIC_UNAUTHORIZED: i16 = 29;
const TOPIC_ALREADY_EXISTS: i16 = 36;

/// What becomes of a batch that is produced.
#[derive(Clone, Copy, PartialEq)]
enum Store {
    AsItIs,
    /// Written anew, as by a broker with a format of its own.
    WithoutProducer,
    Damaged,
    Nothing,
    Refused,
}

#[derive(Clone, Copy)]
struct Script {
    store: Store,
    /// The end of each log.
    end: i64,
    /// The highest version of OffsetFetch.
    offset_fetch: i16,
    /// The code of answers about groups and ACLs.
    denied: i16,
    /// The code with which the creation of a topic is answered, after which it may be there or not.
    created: i16,
    /// The code of deletions of topics.
    deleted: i16,
    /// The code of Fetch.
    fetched: i16,
    /// Requests after which a connection is closed.
    requests_max: usize,
    /// How long the listing of groups takes.
    slowness: Duration,
    /// What is sent instead of any answer.
    instead: Option<&'static [u8]>,
}

const WELL: Script = Script {
    store: Store::AsItIs,
    end: 10,
    offset_fetch: 9,
    denied: 0,
    created: 0,
    deleted: 0,
    fetched: 0,
    requests_max: usize::MAX,
    slowness: Duration::ZERO,
    instead: None,
};

/// What the broker was asked and what it stored.
#[derive(Default)]
struct Seen {
    keys: BTreeSet<i16>,
    log: Vec<Bytes>,
    connections: usize,
}

struct Broker {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

impl Broker {
    fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, seen) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Seen>>::default());
        let shared = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                shared.lock().unwrap().connections += 1;
                // A client that goes away ends its thread.
                std::thread::spawn(move || serve(stream, port, script, &shared));
            }
        });
        Self { port, seen }
    }
}

fn serve(mut stream: TcpStream, port: u16, script: Script, seen: &Mutex<Seen>) -> std::io::Result<()> {
    for _ in 0..script.requests_max {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut frame)?;
        if let Some(instead) = script.instead {
            stream.write_all(instead)?;
            continue;
        }
        let mut frame = Bytes::from(frame);
        let head = decode_request_header_from_buffer(&mut frame).unwrap();
        let mut seen = seen.lock().unwrap();
        seen.keys.insert(head.request_api_key);
        let answer = answer(&head, &mut frame, port, script, &mut seen);
        drop(seen);
        // Byte by byte: the tool puts together what comes.
        stream.set_nodelay(true)?;
        let framed = [&(answer.len() as u32).to_be_bytes(), answer.as_ref()].concat();
        framed.iter().try_for_each(|byte| stream.write_all(&[*byte]))?;
    }
    Ok(())
}

fn encoded<T: Encodable + HeaderVersion>(head: &RequestHeader, message: &T) -> Bytes {
    let (mut out, version) = (BytesMut::new(), head.request_api_version);
    let header = ResponseHeader::default().with_correlation_id(head.correlation_id);
    header.encode(&mut out, T::header_version(version)).unwrap();
    message.encode(&mut out, version).unwrap();
    out.freeze()
}

fn answer(head: &RequestHeader, body: &mut Bytes, port: u16, script: Script, seen: &mut Seen) -> Bytes {
    let version = head.request_api_version;
    match ApiKey::try_from(head.request_api_key).unwrap() {
        ApiKey::ApiVersions => encoded(head, &versions(script)),
        ApiKey::Metadata => encoded(head, &metadata(&MetadataRequest::decode(body, version).unwrap(), port)),
        ApiKey::OffsetFetch => encoded(head, &OffsetFetchResponse::default()),
        ApiKey::ListOffsets => encoded(head, &ends(&ListOffsetsRequest::decode(body, version).unwrap(), script.end)),
        ApiKey::DescribeConfigs => encoded(head, &settings(&DescribeConfigsRequest::decode(body, version).unwrap())),
        ApiKey::ListGroups => {
            std::thread::sleep(script.slowness);
            encoded(head, &groups(script.denied))
        }
        ApiKey::DescribeAcls => {
            let asked = DescribeAclsRequest::decode(body, version).unwrap();
            let names = (asked.resource_name_filter, asked.principal_filter, asked.host_filter);
            assert_eq!(names, (None, None, None), "only all rules together tell of gaps");
            encoded(head, &DescribeAclsResponse::default().with_error_code(script.denied))
        }
        ApiKey::InitProducerId => {
            assert_eq!(InitProducerIdRequest::decode(body, version).unwrap().transactional_id, None);
            encoded(head, &InitProducerIdResponse::default().with_producer_id(ProducerId(7)).with_producer_epoch(0))
        }
        ApiKey::Produce => {
            let request = ProduceRequest::decode(body, version).unwrap();
            encoded(head, &produce(&request, script.store, seen))
        }
        ApiKey::Fetch => encoded(head, &fetched(&FetchRequest::decode(body, version).unwrap(), script.fetched, seen)),
        ApiKey::CreateTopics => {
            let names = CreateTopicsRequest::decode(body, version).unwrap().topics.into_iter().map(|topic| topic.name);
            let made =
                names.map(|name| CreatableTopicResult::default().with_name(name).with_error_code(script.created));
            encoded(head, &CreateTopicsResponse::default().with_topics(made.collect()))
        }
        ApiKey::DeleteTopics => {
            let told = DeletableTopicResult::default().with_name(Some(TopicName::default()));
            let told = told.with_error_code(script.deleted);
            encoded(head, &DeleteTopicsResponse::default().with_responses(vec![told]))
        }
        other => panic!("nobody should ask for {other:?}"),
    }
}

fn versions(script: Script) -> ApiVersionsResponse {
    let offered = [
        (0, 9),
        (1, 11),
        (2, 6),
        (3, 9),
        (8, 8),
        (9, script.offset_fetch),
        (12, 4),
        (15, 5),
        (16, 4),
        (18, 0),
        (19, 5),
        (20, 5),
        (22, 4),
        (29, 2),
        (32, 4),
    ];
    let api = |(key, most): (i16, i16)| ApiVersion::default().with_api_key(key).with_max_version(most);
    ApiVersionsResponse::default().with_api_keys(offered.into_iter().map(api).collect())
}

/// A share group, which has no offsets that could be asked for, or an error.
fn groups(code: i16) -> ListGroupsResponse {
    let name = |text| StrBytes::from_static_str(text);
    let share = ListedGroup::default().with_group_id(GroupId(name("sharing"))).with_protocol_type(name("share"));
    ListGroupsResponse::default().with_error_code(code).with_groups(vec![share])
}

/// One topic of two partitions, and any that is asked for by name, but `absent`.
fn metadata(request: &MetadataRequest, port: u16) -> MetadataResponse {
    assert!(!request.allow_auto_topic_creation, "asking would make topics");
    let names: Vec<TopicName> = match &request.topics {
        Some(topics) => topics.iter().filter_map(|topic| topic.name.clone()).collect(),
        None => vec![TopicName(StrBytes::from_static_str("orders"))],
    };
    let partition =
        |index| MetadataResponsePartition::default().with_partition_index(index).with_leader_id(BrokerId(1));
    let topic = |name: TopicName| {
        let told = MetadataResponseTopic::default().with_is_internal(name.starts_with("__"));
        let told = told.with_error_code(if &**name == "absent" { UNKNOWN_TOPIC } else { 0 });
        told.with_name(Some(name)).with_partitions((0..2).map(partition).collect())
    };
    let broker = MetadataResponseBroker::default()
        .with_node_id(BrokerId(1))
        .with_host(StrBytes::from_static_str("127.0.0.1"))
        .with_port(port.into());
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(StrBytes::from_static_str("scripted")))
        .with_topics(names.into_iter().map(topic).collect())
}

fn ends(request: &ListOffsetsRequest, end: i64) -> ListOffsetsResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let offset = if partition.timestamp == -2 { 0 } else { end };
            ListOffsetsPartitionResponse::default().with_partition_index(partition.partition_index).with_offset(offset)
        });
        ListOffsetsTopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

fn settings(request: &DescribeConfigsRequest) -> DescribeConfigsResponse {
    let value = |key: &str| match key {
        "auto.create.topics.enable" => "false",
        "offsets.retention.minutes" => "10080",
        "compression.type" => "producer",
        "cleanup.policy" => "delete",
        "message.timestamp.type" => "CreateTime",
        _ => "1",
    };
    let results = request.resources.iter().map(|resource| {
        let keys = resource.configuration_keys.iter().flatten();
        let configs = keys.map(|key| {
            DescribeConfigsResourceResult::default()
                .with_name(key.clone())
                .with_value(Some(StrBytes::from_string(value(key).to_owned())))
        });
        DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone())
            .with_configs(configs.collect())
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

/// Keeps what was produced for partition 0 of any topic, one batch after the other.
fn produce(request: &ProduceRequest, store: Store, seen: &mut Seen) -> ProduceResponse {
    let offset = seen.log.len() as i64;
    let sent = request.topic_data[0].partition_data[0].records.clone().unwrap();
    let batch = batches(&sent).next().unwrap();
    let nobody = Producer { id: -1, epoch: -1, sequence: -1 };
    let mut stored = match store {
        Store::WithoutProducer => single_record(batch.codec(), &sent[61..], 1_000, nobody),
        _ => sent.to_vec(),
    };
    stored[..8].copy_from_slice(&offset.to_be_bytes());
    if store == Store::Damaged {
        *stored.last_mut().unwrap() ^= 1;
    }
    if !matches!(store, Store::Refused | Store::Nothing) {
        seen.log.push(stored.into());
    }
    let code = if store == Store::Refused { INVALID_RECORD } else { 0 };
    let told = PartitionProduceResponse::default().with_error_code(code).with_base_offset(offset);
    let topic = TopicProduceResponse::default()
        .with_name(request.topic_data[0].name.clone())
        .with_partition_responses(vec![told]);
    ProduceResponse::default().with_responses(vec![topic])
}

fn fetched(request: &FetchRequest, code: i16, seen: &Seen) -> FetchResponse {
    let asked = &request.topics[0].partitions[0];
    let records = seen.log.get(asked.fetch_offset as usize).cloned();
    let told = PartitionData::default().with_partition_index(asked.partition).with_records(records);
    let told = told.with_error_code(code);
    let topic =
        FetchableTopicResponse::default().with_topic(request.topics[0].topic.clone()).with_partitions(vec![told]);
    FetchResponse::default().with_responses(vec![topic])
}

struct Outcome {
    code: Option<i32>,
    report: String,
    problem: String,
}

fn check(broker: &Broker, options: &[&str]) -> Outcome {
    checked(CONFIG, broker, options)
}

fn checked(config: &str, broker: &Broker, options: &[&str]) -> Outcome {
    let bootstrap = format!("127.0.0.1:{}", broker.port);
    let mut child = Command::new(env!("CARGO_BIN_EXE_kafka-remapper-check"))
        .args(["check", "-", "--bootstrap", &bootstrap])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading, and then the pipe is closed.
    let _ = child.stdin.take().unwrap().write_all(config.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome { code: output.status.code(), report: text(output.stdout), problem: text(output.stderr) }
}

#[track_caller]
fn told(script: Script, options: &[&str], code: i32, lines: &[&str]) -> Broker {
    let broker = Broker::start(script);
    let outcome = check(&broker, options);
    assert_eq!(outcome.code, Some(code), "{}\n{}", outcome.report, outcome.problem);
    for line in lines {
        let found = outcome.report.lines().chain(outcome.problem.lines()).any(|other| other.trim() == *line);
        assert!(found, "{line}\n{}\n{}", outcome.report, outcome.problem);
    }
    broker
}

#[test]
fn without_a_probe_nothing_is_asked_that_writes() {
    let lines = [
        "no problem was found",
        "orders: 4 virtual partitions on 2, 2 lanes on each; partition 0 ends at 10, 0.0 % of offset_range \
         1,099,511,627,776",
        "auto.create.topics.enable=false on 1",
    ];
    let broker = told(WELL, &["--grow-to", "orders=6"], 0, &lines);
    // Fetch, ListOffsets, Metadata, OffsetFetch (to tell Envoy from a broker), ListGroups, ApiVersions,
    // DescribeAcls, DescribeConfigs.
    assert_eq!(broker.seen.lock().unwrap().keys, BTreeSet::from([1, 2, 3, 9, 16, 18, 29, 32]));
}

#[test]
fn a_broker_that_keeps_tags() {
    let yes = "yes: 15 batches of all codecs, plain and idempotent, came back byte for byte";
    let broker = told(WELL, &["--probe"], 0, &[yes]);
    let seen = broker.seen.lock().unwrap();
    assert!(seen.keys.is_superset(&BTreeSet::from([0, 19, 20, 22])), "{:?}", seen.keys);
    // Its own topic is not one of the mapping's.
    assert_eq!(seen.log.len(), 15);
}

#[test]
fn a_topic_that_takes_a_probe() {
    let yes = "yes: 15 batches of all codecs, plain and idempotent, came back byte for byte";
    let stays = "note: scratch: what the probe wrote into partition 0 stays there";
    let broker = told(WELL, &["--probe", "--probe-topic", "scratch"], 0, &[yes, stays]);
    let seen = broker.seen.lock().unwrap();
    assert!(seen.log.len() == 15 && !seen.keys.contains(&19) && !seen.keys.contains(&20), "{:?}", seen.keys);
}

/// Consumers of its virtual partitions would read what was written.
#[test]
fn a_mapped_topic_takes_no_probe() {
    let words = "--probe-topic orders: the configuration maps this topic, and its consumers would read what the probe \
        writes. Name a topic that it does not map; see kafka-remapper-check --help";
    let broker = told(WELL, &["--probe", "--probe-topic", "orders"], 2, &[words]);
    assert_eq!(broker.seen.lock().unwrap().connections, 0);
    let default = r#"{"mapping": {"virtual_partitions": 4, "physical_partitions": 2,
        "topics": [{"name": "scratch", "passthrough": true}]}}"#;
    let outcome = checked(default, &broker, &["--probe", "--probe-topic", "any"]);
    assert!(outcome.code == Some(2) && outcome.problem.starts_with("--probe-topic any: "), "{}", outcome.problem);
    let outcome = checked(default, &broker, &["--probe", "--probe-topic", "scratch"]);
    assert_eq!(broker.seen.lock().unwrap().log.len(), 15, "{}\n{}", outcome.report, outcome.problem);
}

#[test]
fn brokers_own_topics_and_absent_ones_take_no_probe() {
    for (topic, line) in [
        ("__consumer_offsets", "__consumer_offsets: is a topic of the brokers' own, where nothing is written"),
        ("absent", "absent: UnknownTopicOrPartition"),
    ] {
        let broker = told(WELL, &["--probe", "--probe-topic", topic], 2, &[line]);
        assert!(!broker.seen.lock().unwrap().keys.contains(&0));
    }
}

/// The probe's own topic, as the report names it, and the report's line.
#[track_caller]
fn left(outcome: &Outcome) -> String {
    assert_eq!(outcome.code, Some(1), "{}\n{}", outcome.report, outcome.problem);
    let end = "kafka-topics.sh --bootstrap-server ";
    let line = outcome.report.lines().find(|line| line.contains(end)).expect(&outcome.report).trim();
    let name = line.split(':').next().unwrap();
    assert!(name.starts_with("kafka-remapper-check-") && line.ends_with(&format!("--delete --topic {name}")), "{line}");
    line.to_owned()
}

#[test]
fn a_topic_that_stays_is_named_beside_what_the_probe_failed_on() {
    let script = Script { deleted: TOPIC_UNAUTHORIZED, ..WELL };
    let line = left(&check(&Broker::start(script), &["--probe"]));
    assert!(line.contains(": the probe's own topic cannot be deleted: TopicAuthorizationFailed. "), "{line}");
    let outcome = check(&Broker::start(Script { store: Store::Refused, ..script }), &["--probe"]);
    left(&outcome);
    let refused = "none plain lane 1: the broker does not take the batch: InvalidRecord";
    assert!(outcome.report.contains(refused), "{}", outcome.report);
    // It never had a leader that could be read from, as it seems to who has no right to read.
    let outcome = check(&Broker::start(Script { fetched: TOPIC_UNAUTHORIZED, ..script }), &["--probe"]);
    left(&outcome);
    assert!(outcome.report.contains(": TopicAuthorizationFailed\n"), "{}", outcome.report);
}

#[test]
fn a_topic_whose_creation_is_in_doubt_is_deleted() {
    let words = "a topic for the probe cannot be made: RequestTimedOut; name one by --probe-topic";
    for deleted in [0, UNKNOWN_TOPIC] {
        let script = Script { created: REQUEST_TIMED_OUT, deleted, ..WELL };
        let broker = told(script, &["--probe"], 2, &[words]);
        assert!(broker.seen.lock().unwrap().keys.contains(&20));
    }
    let script = Script { created: TOPIC_UNAUTHORIZED, ..WELL };
    let broker = told(script, &["--probe"], 2, &[&words.replace("RequestTimedOut", "TopicAuthorizationFailed")]);
    assert!(!broker.seen.lock().unwrap().keys.contains(&20));
    // Asked twice, since the first answer was lost.
    let yes = "yes: 15 batches of all codecs, plain and idempotent, came back byte for byte";
    told(Script { created: TOPIC_ALREADY_EXISTS, ..WELL }, &["--probe"], 0, &[yes]);
}

#[test]
fn growth_of_a_topic_that_is_not_there() {
    let default = r#"{"mapping": {"virtual_partitions": 4, "physical_partitions": 2}}"#;
    let broker = Broker::start(WELL);
    let outcome = checked(default, &broker, &["--grow-to", "absent=8", "--grow-to", "orders=8"]);
    assert_eq!(outcome.code, Some(0), "{}\n{}", outcome.report, outcome.problem);
    for line in [
        "absent: no entry of the mapping names it: it is mapped by the default",
        "absent: does not exist on the cluster",
    ] {
        assert!(outcome.report.contains(&format!("note: {line}\n")), "{}", outcome.report);
    }
    assert!(!outcome.report.contains("orders: does not exist"));
}

#[test]
fn a_topic_that_is_missing_can_be_made_on_both_sides() {
    let config = r#"{"mapping": {"topics": [{"name": "absent", "virtual_partitions": 6, "physical_partitions": 3}]}}"#;
    let outcome = checked(config, &Broker::start(WELL), &[]);
    let words = "--create --topic absent --partitions 3, or through Envoy with --partitions 6\n";
    assert!(outcome.code == Some(1) && outcome.report.contains(words), "{}", outcome.report);
}

#[test]
fn brokers_that_lose_tags() {
    for (store, line) in [
        (Store::WithoutProducer, "none plain lane 1: the tag is lost: it came back as lane 0"),
        (Store::Damaged, "zstd idempotent lane 1: the tag is lost: it came back as lane 1, its CRC is wrong"),
        (Store::Nothing, "gzip plain lane 255: the tag is lost: it was not there when it was read"),
        (Store::Refused, "none plain lane 1: the broker does not take the batch: InvalidRecord"),
    ] {
        let broker = told(Script { store, ..WELL }, &["--probe"], 1, &[line]);
        let keys = broker.seen.lock().unwrap().keys.clone();
        assert!(keys.contains(&20), "the topic of the probe's own was left there");
    }
}

#[test]
fn offsets_that_are_nearly_used_up() {
    let line = "orders: partition 0 ends at 1,000,000,000,000, 90.9 % of offset_range 1,099,511,627,776: raise \
        offset_range before it is used up";
    told(Script { end: 1_000_000_000_000, ..WELL }, &["--sample-bytes", "0"], 1, &[line]);
    let line =
        "orders: partition 0 ends at 2,000,000,000,000, 181.8 % of offset_range 1,099,511,627,776: records from \
        there on cannot be read through the filter; raise offset_range";
    told(Script { end: 2_000_000_000_000, ..WELL }, &["--sample-bytes", "0"], 1, &[line]);
}

#[test]
fn a_broker_without_what_shadow_groups_need() {
    let line = "broker 1 does not offer what the filter needs: OffsetFetch 8, to read the offsets of all lanes at once";
    told(Script { offset_fetch: 7, ..WELL }, &[], 1, &[line]);
}

#[test]
fn what_is_not_allowed_is_said() {
    let lines = [
        "no problem was found; 1 question could not be answered",
        "broker 1 does not list its groups: ClusterAuthorizationFailed",
        "note: this user may not see ACLs (Describe on the cluster): not checked",
    ];
    told(Script { denied: UNAUTHORIZED, ..WELL }, &[], 2, &lines);
}

/// As those do whose sessions end.
#[test]
fn connections_that_end_are_made_anew() {
    let broker = told(Script { requests_max: 4, ..WELL }, &[], 0, &["no problem was found"]);
    assert!(broker.seen.lock().unwrap().connections > 3);
}

#[test]
fn what_takes_long_is_said() {
    let line = "… listing groups of broker 1";
    told(Script { slowness: Duration::from_millis(2_500), ..WELL }, &[], 0, &[line]);
    let outcome = check(&Broker::start(WELL), &[]);
    assert_eq!(outcome.problem, "");
}

#[test]
fn what_is_no_broker() {
    for (instead, words) in [
        (&b""[..], "no answer in time"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "what came is no frame of Kafka, or too long"),
        (b"\0\0\0\x04\0\0\0\x63", "what came is not the answer to what was asked"),
        (b"\0\0\0\x06\0\0\0\x01\0\0", "the answer of API 18 version 0 cannot be read"),
    ] {
        let broker = Broker::start(Script { instead: Some(instead), ..WELL });
        let outcome = check(&broker, &["--timeout-s", "1"]);
        assert_eq!((outcome.code, outcome.report.as_str()), (Some(2), ""), "{words}");
        assert!(outcome.problem.contains(words), "{words}\n{}", outcome.problem);
    }
}

#[test]
fn wrong_options_are_told_apart() {
    let broker = Broker { port: 1, seen: Arc::default() };
    for options in [
        &["--sample-bytes", "-1"][..],
        &["--grow-to", "orders"],
        &["--probe=yes"],
        &["--probe-topic", "a"],
        &["--sasl-username", "a"],
        &["--sasl-password-env", "HOME"],
        &["--sasl-username", "a", "--sasl-password", "b"],
        &["--timeout-s", "0"],
        &["--bootstrap", "b:1"],
        &["--ca-file"],
    ] {
        let outcome = check(&broker, options);
        assert_eq!((outcome.code, outcome.report.as_str()), (Some(2), ""), "{options:?}");
        assert!(outcome.problem.ends_with("; see kafka-remapper-check --help\n"), "{}", outcome.problem);
    }
}
