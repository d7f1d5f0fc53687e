//! `--probe`: writes batches as the filter tags them, reads them back, and compares.

mod topic;

use std::time::{SystemTime, UNIX_EPOCH};

use kafka_partition_remapper_core::remapper::Lane;
use kafka_partition_remapper_core::wire::inspection::{batches, single_record, tagged, Producer, StoredBatch};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{InitProducerIdRequest, ProduceRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use self::topic::Topic;
use super::settings;
use super::{lanes, Checker};
use crate::net::{error_name, Trouble};
use crate::report::{Level, Section};

/// The last version that names topics.
const PRODUCE_VERSION: i16 = 12;
const PRODUCE_MS: i32 = 10_000;
/// One record, compressed by each codec: key `kafka-remapper-check`, value `probe`.
const RECORDS: [(&str, &[u8]); 5] = [
    ("none", b"\x3e\x00\x00\x00\x28kafka-remapper-check\x0aprobe\x00"),
    (
        "gzip",
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xb3\x63\x60\x60\xd0\xc8\x4e\x4c\xcb\x4e\xd4\x2d\x4a\xcd\x4d\x2c\x28\
          \x48\x2d\xd2\x4d\xce\x48\x4d\xce\xe6\x2a\x28\xca\x4f\x4a\x65\x00\x00\x6e\x19\x0b\x67\x20\x00\x00\x00",
    ),
    (
        "snappy",
        b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x22\x20\x7c\x3e\x00\x00\x00\x28kafka-remapper-check\
          \x0aprobe\x00",
    ),
    (
        "lz4",
        b"\x04\x22\x4d\x18\x60\x40\x82\x20\x00\x00\x80\x3e\x00\x00\x00\x28kafka-remapper-check\x0aprobe\x00\x00\x00\x00\x00",
    ),
    ("zstd", b"\x28\xb5\x2f\xfd\x00\x00\x01\x01\x00\x3e\x00\x00\x00\x28kafka-remapper-check\x0aprobe\x00"),
];
const NOBODY: Producer = Producer { id: -1, epoch: -1, sequence: -1 };

/// What became of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// All bytes but those that a broker sets.
    Untouched,
    /// Rewritten, and the lane is still there.
    Kept,
    /// The lane is another one, or the batch was altered beyond its CRC.
    Lost,
}

pub(super) fn check(checker: &mut Checker<'_>, given: Option<&str>) {
    checker.progress.step("probing whether tags of lanes are kept");
    let topic = match given {
        Some(name) => Topic::of(checker, name),
        None => Topic::make(checker),
    };
    let probed = topic.and_then(|topic| {
        let probed = probe(checker, &topic);
        // The topic of the tool's own goes whatever came of it.
        topic.remove(checker);
        probed
    });
    checker.settle(Section::Probe, probed);
}

fn probe(checker: &mut Checker<'_>, topic: &Topic) -> Result<(), Trouble> {
    let producer = match producer(checker, topic) {
        Ok(producer) => Some(producer),
        Err(trouble) if trouble.is_lost => return Err(trouble),
        Err(trouble) => {
            let text = format!("idempotent batches are not probed, since there is no producer id: {trouble}");
            checker.report.add(Section::Probe, Level::Note, text);
            None
        }
    };
    let high = checker.lanes_max().saturating_sub(1).max(255);
    let (mut untouched, mut rewritten, mut lost, mut refused) = (0, vec![], vec![], 0);
    let mut sequence = 0;
    for (codec, (word, record)) in RECORDS.iter().enumerate() {
        let idempotent = producer.map(|producer| ("idempotent", Producer { sequence, ..producer }, 1));
        let kinds = [("plain", NOBODY, 1), ("plain", NOBODY, high)].into_iter().chain(idempotent);
        for (kind, producer, lane) in kinds {
            let what = format!("{word} {kind} lane {lane}");
            let plain = single_record(codec as i16, record, now_ms(), producer);
            let batch = tagged(&plain, Lane(lane)).ok_or_else(|| Trouble::new(format!("{what}: no such tag")))?;
            let offset = match produce(checker, topic, &batch) {
                Ok(offset) => offset,
                Err(trouble) if trouble.is_lost => return Err(trouble),
                Err(trouble) => {
                    let text = format!("{what}: the broker does not take the batch: {trouble}");
                    checker.report.add(Section::Probe, Level::Problem, text);
                    refused += 1;
                    continue;
                }
            };
            // The sibling that idempotent batches are for has sequences of its own.
            sequence += i32::from(kind == "idempotent");
            let records = lanes::fetch(&mut checker.cluster, &topic.name, 0, topic.leader, offset, 1 << 20)?;
            let stored = batches(&records).find(|stored| stored.last_offset() >= offset);
            match verdict(stored.as_ref(), &batch, Lane(lane)) {
                Verdict::Untouched => untouched += 1,
                Verdict::Kept => rewritten.push((what, stored.map(|stored| change(&stored, codec as i16)))),
                Verdict::Lost => lost.push((what, stored.map(|stored| loss(&stored)))),
            }
        }
    }
    if lost.is_empty() && refused == 0 {
        let kinds = if producer.is_some() { "plain and idempotent" } else { "plain" };
        checker.report.add(Section::Probe, Level::Fine, kept(kinds, untouched, rewritten.len()));
    }
    told(checker, rewritten, lost);
    compaction(checker, topic);
    Ok(())
}

fn verdict(stored: Option<&StoredBatch<'_>>, sent: &[u8], lane: Lane) -> Verdict {
    match stored {
        Some(stored) if stored.is_same_as(sent) => Verdict::Untouched,
        Some(stored) if stored.lane() == Some(lane) && stored.is_intact() => Verdict::Kept,
        _ => Verdict::Lost,
    }
}

fn change(stored: &StoredBatch<'_>, codec: i16) -> String {
    let word =
        |codec: i16| usize::try_from(codec).ok().and_then(|codec| RECORDS.get(codec)).map_or("?", |(word, _)| word);
    let mut changes = vec![];
    if stored.codec() != codec {
        changes.push(format!("{} became {}", word(codec), word(stored.codec())));
    }
    if stored.has_append_time() {
        changes.push("the broker's time".to_owned());
    }
    if changes.is_empty() {
        changes.push("other bytes".to_owned());
    }
    changes.join(", ")
}

fn loss(stored: &StoredBatch<'_>) -> String {
    let lane = stored.lane().map_or("of all lanes".to_owned(), |lane| format!("lane {lane}"));
    let intact = if stored.is_intact() { "" } else { ", its CRC is wrong" };
    format!("came back as {lane}{intact}")
}

type Changed = Vec<(String, Option<String>)>;

fn kept(kinds: &str, untouched: usize, rewritten: usize) -> String {
    match rewritten {
        0 => format!("yes: {untouched} batches of all codecs, {kinds}, came back byte for byte"),
        _ => format!(
            "yes, though this topic's settings make the broker rewrite batches: {rewritten} were, and {untouched} came back \
             byte for byte. Transactional batches would lose their lanes here"
        ),
    }
}

fn told(checker: &mut Checker<'_>, rewritten: Changed, lost: Changed) {
    let report = &mut checker.report;
    for (what, how) in &rewritten {
        let how = how.as_deref().unwrap_or_default();
        report.add(
            Section::Probe,
            Level::Note,
            format!("{what}: rewritten by the broker ({how}), and the tag was kept"),
        );
    }
    for (what, how) in &lost {
        let how = how.as_deref().unwrap_or("was not there when it was read");
        report.add(Section::Probe, Level::Problem, format!("{what}: the tag is lost: it {how}"));
    }
    if !lost.is_empty() {
        let text =
            "records would be shown on other virtual partitions: do not map topics of this broker with these settings";
        report.add(Section::Probe, Level::Problem, text);
    }
}

/// What a compacted topic does to tags shows only when the cleaner has run.
fn compaction(checker: &mut Checker<'_>, topic: &Topic) {
    let names = [topic.name.clone()];
    let told = settings::of_topics(&mut checker.cluster, &names, &["cleanup.policy"]).remove(&topic.name);
    let policy =
        told.and_then(Result::ok).and_then(|settings| settings.get("cleanup.policy").cloned()).unwrap_or_default();
    if policy.contains("compact") {
        let text = format!(
            "{}: cleanup.policy={policy}: the cleaner rewrites batches later, which this probe does not wait for. Apache Kafka's \
             keeps the tags of plain and idempotent batches",
            topic.name
        );
        checker.report.add(Section::Probe, Level::Note, text);
    }
}

fn now_ms() -> i64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn producer(checker: &mut Checker<'_>, topic: &Topic) -> Result<Producer, Trouble> {
    let request = |_| InitProducerIdRequest::default().with_transactional_id(None);
    let answer = checker.cluster.ask_coordinator(topic.leader, 4, request, |answer| answer.error_code)?;
    match error_name(answer.error_code) {
        Some(error) => Err(Trouble::new(format!("no producer id: {error}"))),
        None => Ok(Producer { id: answer.producer_id.0, epoch: answer.producer_epoch, sequence: 0 }),
    }
}

/// The offset that the batch got.
fn produce(checker: &mut Checker<'_>, topic: &Topic, batch: &[u8]) -> Result<i64, Trouble> {
    let request = |_| {
        let data = PartitionProduceData::default().with_records(Some(bytes::Bytes::copy_from_slice(batch)));
        let name = TopicName(StrBytes::from_string(topic.name.clone()));
        let data = TopicProduceData::default().with_name(name).with_partition_data(vec![data]);
        ProduceRequest::default().with_acks(-1).with_timeout_ms(PRODUCE_MS).with_topic_data(vec![data])
    };
    let answer = checker.cluster.ask(topic.leader, PRODUCE_VERSION, request)?;
    let told = answer.responses.into_iter().flat_map(|topic| topic.partition_responses).next();
    let told = told.ok_or_else(|| Trouble::new("no answer for the partition"))?;
    match error_name(told.error_code) {
        Some(error) => {
            let words = told.error_message.map(|words| format!(": {words}")).unwrap_or_default();
            Err(Trouble::new(format!("{error}{words}")))
        }
        None => Ok(told.base_offset),
    }
}
