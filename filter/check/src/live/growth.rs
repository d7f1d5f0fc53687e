//! `--grow-to TOPIC=V`: what another number of virtual partitions would do. Needs no cluster.

use kafka_partition_remapper_core::memory::placements::Placements;
use kafka_partition_remapper_core::remapper::{Layout, PartitionRemapper, VirtualPartition};
use kafka_partition_remapper_core::topics::mapping::{Mapping, TopicMapping, TopicMatch};
use kafka_partition_remapper_core::topics::TopicRegistry;

use crate::report::{Level, Report, Section};

pub(crate) fn check(mapping: &Mapping, registry: &TopicRegistry, topic: &str, number: i32, report: &mut Report) {
    let add = |report: &mut Report, level, text: String| report.add(Section::Growth, level, format!("{topic}: {text}"));
    let Some(now) = registry.remapper(topic) else {
        return add(report, Level::Problem, "is not mapped".to_owned());
    };
    let names = |entry: &TopicMapping| match &entry.matches {
        TopicMatch::Name(name) => name == topic,
        TopicMatch::Regex(regex) => regex.is_match(topic),
    };
    if !mapping.topics.iter().any(names) {
        add(report, Level::Note, "no entry of the mapping names it: it is mapped by the default".to_owned());
    }
    let (v, p, range) = (now.virtual_partitions(), now.physical_partitions(), now.offset_range());
    let step = format!("from {v} to {number}");
    let then = match PartitionRemapper::new(number, p, range, now.layout(), now.offset_encoding()) {
        Ok(then) => then,
        Err(error) => return add(report, Level::Problem, format!("{step}: not possible: {error}")),
    };
    if number == v {
        return add(report, Level::Fine, format!("{step}: nothing changes"));
    }
    let mut placements = Placements::default();
    let accepted = placements.accept(&alone(topic, &now), 0).and_then(|_| placements.accept(&alone(topic, &then), 0));
    let warnings = match accepted {
        Ok(accepted) => accepted.warnings,
        Err(error) => {
            let text = error.to_string();
            // The path is that of a configuration made here.
            let problem = text.split_once(": ").map_or(text.as_str(), |(_, problem)| problem);
            return add(report, Level::Problem, format!("{step}: the filter refuses it: {problem}"));
        }
    };
    let kept = (0..v.min(number)).filter(|v| place(&now, *v) == place(&then, *v)).count();
    let lanes = (now.lanes(), then.lanes());
    let grown = if number > v { format!("; {v} to {} are new and empty", number - 1) } else { String::new() };
    add(
        report,
        Level::Fine,
        format!(
            "{step}: allowed while Envoy runs, lanes from {} to {}; {kept} of the partitions 0 to {} keep their place, records \
             and committed offsets{grown}",
            lanes.0,
            lanes.1,
            v.min(number) - 1
        ),
    );
    warnings.into_iter().for_each(|warning| report.add(Section::Growth, Level::Note, warning));
    add(report, Level::Note, keys(&now, &then));
    if lanes.1 > 256 && lanes.0 <= 256 {
        add(report, Level::Note, format!("{} lanes: transactional batches have room for 256", lanes.1));
    }
}

/// A mapping of this topic alone.
fn alone(topic: &str, remapper: &PartitionRemapper) -> Mapping {
    let matches = TopicMatch::Name(topic.to_owned());
    Mapping { default: None, topics: vec![TopicMapping { matches, remapper: Some(remapper.clone()) }] }
}

/// Physical partition and lane.
fn place(remapper: &PartitionRemapper, v: i32) -> Option<(i32, u32)> {
    remapper.virtual_to_physical(VirtualPartition(v)).ok().map(|(partition, lane)| (partition.0, lane.0))
}

/// Default partitioners take a hash modulo V. Of the hashes below the least common multiple of both numbers,
/// those below the smaller number, and only those, have the same remainder by both.
fn keys(now: &PartitionRemapper, then: &PartitionRemapper) -> String {
    let (a, b) = (i64::from(now.virtual_partitions()), i64::from(then.virtual_partitions()));
    let common = a / divisor(a, b) * b;
    let stay = 100.0 * a.min(b) as f64 / common as f64;
    let physical = match now.layout() {
        Layout::Modulo => "; every key stays on its physical partition",
        Layout::Block => "",
    };
    format!(
        "with the default partitioner {stay:.1} % of keys stay on their virtual partition and {:.1} % move{physical}. A key that \
         moves has its older records on the former virtual partition: their order relative to newer ones is no longer kept",
        100.0 - stay
    )
}

/// Euclid's greatest common divisor.
fn divisor(a: i64, b: i64) -> i64 {
    if b == 0 {
        a
    } else {
        divisor(b, a % b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_partition_remapper_core::config::Config;

    #[track_caller]
    fn told(entry: &str, number: i32) -> (u8, String) {
        let text = format!(r#"{{"mapping": {{"topics": [{{"regex": "ord.*", {entry}}}]}}}}"#);
        let mapping = Config::parse(&text, &|_| None).unwrap().mapping;
        let mut report = Report::default();
        check(&mapping, &TopicRegistry::new(&mapping), "orders", number, &mut report);
        (report.exit_code(), report.text(""))
    }

    const MODULO: &str = r#""virtual_partitions": 20, "physical_partitions": 4"#;

    #[test]
    fn growing_keeps_every_place() {
        let (code, text) = told(MODULO, 40);
        assert_eq!(code, 0);
        assert!(text.contains("lanes from 5 to 10; 20 of the partitions 0 to 19 keep their place"), "{text}");
        assert!(text.contains("20 to 39 are new and empty") && text.contains("50.0 % of keys stay"), "{text}");
        let (_, text) = told(MODULO, 24);
        assert!(
            text.contains("16.7 % of keys stay") && text.contains("83.3 % move; every key stays on its ph"),
            "{text}"
        );
    }

    /// As a name that was mistyped is.
    #[test]
    fn what_only_the_default_maps_is_said() {
        let default = format!(r#"{{"mapping": {{{MODULO}, "topics": [{{"name": "audit", "passthrough": true}}]}}}}"#);
        let mapping = Config::parse(&default, &|_| None).unwrap().mapping;
        let mut report = Report::default();
        check(&mapping, &TopicRegistry::new(&mapping), "oders", 40, &mut report);
        let text = report.text("");
        let line = "note: oders: no entry of the mapping names it: it is mapped by the default\n";
        assert!(report.exit_code() == 0 && text.contains(line) && text.contains("from 20 to 40: allowed"), "{text}");
        assert!(!told(MODULO, 40).1.contains("by the default"));
    }

    #[test]
    fn shrinking_leaves_records_unread() {
        let (code, text) = told(MODULO, 8);
        assert!(code == 0 && text.contains("what partitions 8 to 19 hold stays unread"), "{text}");
    }

    #[test]
    fn what_cannot_be() {
        for (entry, number, problem) in [
            (MODULO, 22, "not possible"),
            (MODULO, 0, "not possible"),
            (
                r#""virtual_partitions": 20, "physical_partitions": 4, "layout": "block""#,
                40,
                "the filter refuses it: 20 is in",
            ),
            (
                r#""virtual_partitions": 4, "physical_partitions": 4, "offset_range": 9223372036854775807"#,
                8,
                "not possible",
            ),
            (r#""passthrough": true"#, 8, "is not mapped"),
        ] {
            let (code, text) = told(entry, number);
            assert!(code == 1 && text.contains(problem), "{text}");
        }
    }

    /// The fraction, counted out.
    #[test]
    fn keys_that_stay_are_counted_right() {
        for (a, b) in [(20, 40), (20, 24), (12, 8), (6, 4), (5, 7)] {
            let (a, b): (i64, i64) = (a, b);
            let stay = (0..a * b).filter(|hash| hash % a == hash % b).count() as f64 / (a * b) as f64;
            assert!((stay - a.min(b) as f64 / (a / divisor(a, b) * b) as f64).abs() < 1e-9);
        }
    }
}
