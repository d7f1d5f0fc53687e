//! Which virtual partitions share a physical one, and how evenly they are filled: by a sample of batches, of
//! which only headers are looked at, or by offsets alone.

use std::collections::BTreeMap;

use kafka_partition_remapper_core::remapper::{Lane, PartitionRemapper, PhysicalPartition};
use kafka_partition_remapper_core::wire::inspection::batches;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::offsets::{self, Place};
use super::topics::Mapped;
use super::Checker;
use crate::limits::{SAMPLED_PARTITIONS_MAX, SAMPLE_SPOTS};
use crate::net::cluster::Cluster;
use crate::net::{error_name, Trouble};
use crate::report::{counted, grouped, named, Level, Report, Section};

/// The last version that names topics.
pub(super) const FETCH_VERSION: i16 = 12;
/// Records of a topic's sample for each of its virtual partitions, from which on a share says something.
const RECORDS_ENOUGH: u64 = 20;
/// How many times the even share the fullest virtual partition may have before it is worth a note.
const UNEVEN: f64 = 2.0;

/// What a sample found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    batches: u64,
    records: u64,
    bytes: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.batches += other.batches;
        self.records += other.records;
        self.bytes += other.bytes;
    }
}

/// By lane.
type Tallies = BTreeMap<u32, Tally>;

pub(super) fn check(checker: &mut Checker<'_>, topics: &[Mapped], sample_bytes: i32) {
    let mut left = SAMPLED_PARTITIONS_MAX;
    for topic in topics.iter().filter(|topic| topic.fits() && topic.remapper.lanes() > 1) {
        checker.progress.step(format!("looking at the lanes of {}", topic.name));
        let starts = offsets::starts(&mut checker.cluster, &topic.places);
        let mut by_partition: BTreeMap<i32, Tallies> = BTreeMap::new();
        for place in &topic.places {
            let end = topic.ends.get(&place.partition).copied();
            let start =
                starts.get(&(topic.name.clone(), place.partition)).and_then(|start| start.as_ref().ok()).copied();
            let Some((start, end)) = start.zip(end) else { continue };
            let sampled = match (sample_bytes, left) {
                (0, _) | (_, 0) => None,
                _ => {
                    left -= 1;
                    match sample(&mut checker.cluster, place, (start, end), sample_bytes) {
                        Ok(tallies) => Some(tallies),
                        Err(trouble) => {
                            let text = format!("{}: its batches are not read: {trouble}", topic.name);
                            checker.report.add(Section::Lanes, Level::Unknown, text);
                            None
                        }
                    }
                }
            };
            let line = partition(topic, place.partition, (start, end), sampled.as_ref());
            checker.report.add(Section::Lanes, Level::Fine, line);
            by_partition.extend(sampled.map(|tallies| (place.partition, tallies)));
        }
        judge(&topic.name, &topic.remapper, &by_partition, &mut checker.report);
    }
    if left == 0 && sample_bytes > 0 {
        let text = format!("batches of {} were sampled, and of no more", counted(SAMPLED_PARTITIONS_MAX, "partition"));
        checker.report.add(Section::Lanes, Level::Note, text);
    }
}

/// Reads at several places, evenly apart, until so many bytes have come.
fn sample(cluster: &mut Cluster, place: &Place, (start, end): (i64, i64), bytes: i32) -> Result<Tallies, Trouble> {
    let mut tallies = Tallies::new();
    let mut next = start;
    for spot in 0..SAMPLE_SPOTS {
        let offset = next.max(start + (end - start) / SAMPLE_SPOTS * spot);
        if offset >= end {
            break;
        }
        let most = (bytes / SAMPLE_SPOTS as i32).max(1);
        let records = fetch(cluster, &place.topic, place.partition, place.leader, offset, most)?;
        for batch in batches(&records).filter(|batch| batch.last_offset() >= offset) {
            next = batch.last_offset().saturating_add(1);
            let Some(lane) = batch.lane() else { continue };
            let found = Tally { batches: 1, records: batch.records(), bytes: batch.bytes.len() as u64 };
            tallies.entry(lane.0).or_default().add(found);
        }
    }
    Ok(tallies)
}

/// Records of a partition from `offset` on; one batch at least, if there is one.
pub(super) fn fetch(
    cluster: &mut Cluster,
    topic: &str,
    partition: i32,
    leader: i32,
    offset: i64,
    bytes: i32,
) -> Result<bytes::Bytes, Trouble> {
    let request = |_| {
        let asked = FetchPartition::default()
            .with_partition(partition)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(bytes);
        let name = TopicName(StrBytes::from_string(topic.to_owned()));
        let asked = FetchTopic::default().with_topic(name).with_partitions(vec![asked]);
        FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_bytes(bytes)
            .with_session_epoch(-1)
            .with_topics(vec![asked])
    };
    let answer = cluster.ask(leader, FETCH_VERSION, request)?;
    let told = answer.responses.into_iter().flat_map(|topic| topic.partitions).next();
    let code = told.as_ref().map_or(answer.error_code, |partition| partition.error_code);
    match error_name(code) {
        Some(error) => Err(Trouble::new(error)),
        None => Ok(told.and_then(|partition| partition.records).unwrap_or_default()),
    }
}

/// A line about one physical partition.
fn partition(topic: &Mapped, number: i32, (start, end): (i64, i64), tallies: Option<&Tallies>) -> String {
    let lanes = 0..topic.remapper.lanes();
    let siblings: Vec<Option<i32>> = lanes.map(|lane| sibling(&topic.remapper, number, lane)).collect();
    let offsets = format!("offsets {} to {}", grouped(start), grouped(end));
    let plain = || named(&siblings.iter().flatten().map(ToString::to_string).collect::<Vec<_>>());
    let Some(tallies) = tallies else {
        return format!("{} partition {number} ({offsets}) is virtual {}", topic.name, plain());
    };
    let all = sum(tallies);
    if all.records == 0 {
        return format!("{} partition {number} ({offsets}, no records found) is virtual {}", topic.name, plain());
    }
    let share = |lane: usize| {
        let records = u32::try_from(lane).ok().and_then(|lane| tallies.get(&lane)).map_or(0, |tally| tally.records);
        100.0 * records as f64 / all.records as f64
    };
    let shares = siblings.iter().enumerate().filter_map(|(lane, v)| Some(format!("{} {:.0} %", (*v)?, share(lane))));
    format!(
        "{} partition {number} ({offsets}; sample of {} in {}, {} bytes) is virtual {}",
        topic.name,
        counted(all.records as usize, "record"),
        if all.batches == 1 { "1 batch".to_owned() } else { format!("{} batches", grouped(all.batches as i64)) },
        grouped(all.bytes as i64),
        named(&shares.collect::<Vec<_>>())
    )
}

fn sibling(remapper: &PartitionRemapper, partition: i32, lane: u32) -> Option<i32> {
    remapper.physical_to_virtual(PhysicalPartition(partition), Lane(lane)).ok().map(|v| v.0)
}

fn sum(tallies: &Tallies) -> Tally {
    tallies.values().fold(Tally::default(), |mut all, tally| {
        all.add(*tally);
        all
    })
}

/// Lanes that the mapping does not have, and how far the fullest and the emptiest are from even.
fn judge(name: &str, remapper: &PartitionRemapper, by_partition: &BTreeMap<i32, Tallies>, report: &mut Report) {
    let unknown: BTreeMap<u32, u64> = by_partition
        .values()
        .flatten()
        .filter(|(lane, _)| **lane >= remapper.lanes())
        .fold(BTreeMap::new(), |mut unknown, (lane, tally)| {
            *unknown.entry(*lane).or_default() += tally.records;
            unknown
        });
    if !unknown.is_empty() {
        let lanes: Vec<String> = unknown.keys().map(ToString::to_string).collect();
        let records = counted(unknown.values().sum::<u64>() as usize, "record");
        let has = remapper.lanes();
        let text = format!(
            "{name}: {records} of the sample are of lanes {}, and the mapping has {has}: nobody reads them here. \
             virtual_partitions is larger elsewhere, or was",
            named(&lanes)
        );
        report.add(Section::Lanes, Level::Problem, text);
    }
    let mut shares: Vec<(u64, i32)> = vec![];
    for (partition, tallies) in by_partition {
        let records = |lane| tallies.get(&lane).map_or(0, |tally: &Tally| tally.records);
        let known =
            (0..remapper.lanes()).filter_map(|lane| Some((records(lane), sibling(remapper, *partition, lane)?)));
        shares.extend(known);
    }
    let total: u64 = shares.iter().map(|(records, _)| records).sum();
    let (Some(least), Some(most)) = (shares.iter().min(), shares.iter().max()) else { return };
    if total < RECORDS_ENOUGH * shares.len() as u64 {
        return;
    }
    let percent = |records: f64| 100.0 * records / total as f64;
    let even = total as f64 / shares.len() as f64;
    let empty = shares.iter().filter(|(records, _)| *records == 0).count();
    let empty = if empty > 0 { format!("; {} had none", counted(empty, "virtual partition")) } else { String::new() };
    let text = format!(
        "{name}: of {} sampled, virtual partition {} has the most, {:.1} %, and {} the least, {:.1} %; even would be {:.1} %{empty}",
        counted(total as usize, "record"),
        most.1,
        percent(most.0 as f64),
        least.1,
        percent(least.0 as f64),
        percent(even)
    );
    let level = if most.0 as f64 > UNEVEN * even { Level::Note } else { Level::Fine };
    report.add(Section::Lanes, level, text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_partition_remapper_core::remapper::{Layout, OffsetEncoding};

    fn judged(shares: &[(i32, &[(u32, u64)])]) -> (u8, String) {
        let remapper = PartitionRemapper::new(6, 2, 1 << 40, Layout::Modulo, OffsetEncoding::Identity).unwrap();
        let tally = |(lane, records): &(u32, u64)| (*lane, Tally { batches: 1, records: *records, bytes: 1 });
        let tallies = shares.iter().map(|(p, lanes)| (*p, lanes.iter().map(tally).collect())).collect();
        let mut report = Report::default();
        judge("t", &remapper, &tallies, &mut report);
        (report.exit_code(), report.text(""))
    }

    #[test]
    fn shares_are_those_of_virtual_partitions() {
        let (code, text) = judged(&[(0, &[(0, 50), (1, 50), (2, 50)]), (1, &[(0, 60), (1, 50), (2, 40)])]);
        let line =
            "t: of 300 records sampled, virtual partition 1 has the most, 20.0 %, and 5 the least, 13.3 %; even would \
            be 16.7 %\n";
        assert!(code == 0 && text.contains(line) && !text.contains("note"), "{text}");
        let (_, text) = judged(&[(0, &[(0, 290), (1, 50)]), (1, &[(0, 60)])]);
        assert!(text.contains("note: t: of 400") && text.contains("; 3 virtual partitions had none"), "{text}");
    }

    #[test]
    fn few_records_say_nothing_and_unknown_lanes_all() {
        let (code, text) = judged(&[(0, &[(0, 5)]), (1, &[])]);
        assert!(code == 0 && !text.contains("sampled"), "{text}");
        let (code, text) = judged(&[(0, &[(7, 5), (8, 1)])]);
        assert!(
            code == 1 && text.contains("6 records of the sample are of lanes 7, 8, and the mapping has 3"),
            "{text}"
        );
    }
}
