//! Steps from one mapping to the next: what is refused, what is warned of, and that what was accepted stays
//! acceptable.

use super::*;
use crate::config::Config;
use crate::testing::troubleshooting::assert_explained;

fn mapping(text: &str) -> Mapping {
    Config::parse(&format!(r#"{{"mapping": {text}}}"#), &|_| None)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .mapping
}

/// One topic's entry.
fn topic(numbers: &str) -> String {
    format!(r#"{{"topics": [{{"name": "t", {numbers}}}]}}"#)
}

fn numbers(v: i32, p: i32, more: &str) -> String {
    format!(r#""virtual_partitions": {v}, "physical_partitions": {p}{more}"#)
}

const BLOCK: &str = r#", "layout": "block""#;
const LANE: &str = r#", "offset_encoding": "lane""#;
const LANE_SHORT: &str = r#", "offset_encoding": "lane", "offset_range": 1048576"#;
const SHORT: &str = r#", "offset_range": 1048576"#;

/// Time enough between two steps that each is told anew.
const LATER: Millis = MAPPING_LOGGED_MS;

/// Takes the mappings one after the other, through the memory that workers share; what is said of the last
/// one.
fn step(mappings: &[&str]) -> Result<Accepted, String> {
    let mut placements = Placements::default();
    let mut last = Accepted::default();
    for (at, text) in mappings.iter().enumerate() {
        last = placements.accept(&mapping(text), at as Millis * LATER).map_err(|error| error.to_string())?;
        last.warnings.iter().chain(&last.notes).for_each(|line| assert_explained(line));
        placements = Placements::read(&placements.write());
    }
    Ok(last)
}

fn one(before: &str, after: &str) -> Result<Vec<String>, String> {
    step(&[&topic(before), &topic(after)]).map(|accepted| accepted.warnings)
}

#[test]
fn what_moves_records_or_positions_is_refused_by_field_with_both_values_and_a_remedy() {
    let cases = [
        (numbers(20, 4, BLOCK), numbers(40, 4, BLOCK), "virtual_partitions: 20 is in use for t, and 40", "a new topic"),
        (numbers(20, 4, BLOCK), numbers(8, 4, BLOCK), "virtual_partitions: 20 is in use for t, and 8", "a new topic"),
        (numbers(20, 4, ""), numbers(20, 4, BLOCK), "layout: modulo is in use for t, and block", "a new topic"),
        (numbers(20, 4, BLOCK), numbers(20, 4, ""), "layout: block is in use for t, and modulo", "a new topic"),
        (
            numbers(20, 4, ""),
            numbers(20, 4, LANE),
            "offset_encoding: identity is in use for t, and lane",
            "stop its consumers",
        ),
        (
            numbers(20, 4, LANE),
            numbers(20, 4, ""),
            "offset_encoding: lane is in use for t, and identity",
            "stop its consumers",
        ),
        (
            numbers(20, 4, LANE),
            numbers(20, 4, LANE_SHORT),
            "offset_range: 1099511627776 is in use for t",
            "stop its consumers",
        ),
    ];
    for (before, after, what, remedy) in cases {
        let error = one(&before, &after).unwrap_err();
        assert!(error.starts_with(&format!("mapping.topics[0].{what}")), "{error}");
        assert!(error.contains(remedy), "{error}");
    }
}

#[test]
fn what_moves_nothing_is_accepted_in_silence() {
    let cases = [
        (numbers(20, 4, ""), numbers(40, 4, "")),
        (numbers(20, 4, ""), numbers(20, 4, SHORT)),
        (numbers(20, 4, LANE), numbers(40, 4, LANE)),
        // On one physical partition the lane is the virtual partition, whatever the layout.
        (numbers(4, 1, BLOCK), numbers(8, 1, BLOCK)),
        (numbers(4, 1, BLOCK), numbers(4, 1, "")),
        (r#""passthrough": true"#.to_owned(), numbers(20, 4, BLOCK)),
    ];
    for (before, after) in cases {
        assert_eq!(one(&before, &after), Ok(vec![]), "{before} to {after}");
    }
}

#[test]
fn what_may_be_meant_is_accepted_with_a_warning() {
    let cases = [
        (numbers(40, 4, ""), numbers(20, 4, ""), "shrinks from 40 to 20; what partitions 20 to 39 hold"),
        (numbers(20, 4, ""), numbers(20, 2, ""), "physical_partitions changes from 4 to 2"),
        (numbers(20, 2, BLOCK), numbers(20, 4, BLOCK), "physical_partitions changes from 2 to 4"),
        (numbers(20, 4, ""), r#""passthrough": true"#.to_owned(), "not any more"),
    ];
    for (before, after, what) in cases {
        let warnings = one(&before, &after).unwrap();
        assert!(warnings.len() == 1 && warnings[0].contains(what), "{warnings:?}");
    }
}

#[test]
fn entries_are_told_apart_as_the_configuration_names_them() {
    let by_regex = |v| format!(r#"{{"topics": [{{"regex": "t.*", {}}}]}}"#, numbers(v, 4, BLOCK));
    let by_default = |v| format!("{{{}}}", numbers(v, 4, BLOCK));
    let error = step(&[&by_regex(20), &by_regex(40)]).unwrap_err();
    assert!(error.starts_with("mapping.topics[0].virtual_partitions: 20 is in use for topics like t.*"), "{error}");
    let error = step(&[&by_default(20), &by_default(40)]).unwrap_err();
    assert!(error.starts_with("mapping.virtual_partitions: 20 is in use for topics that are not listed"), "{error}");
    // A topic may be new, so that an entry of its own may say what it likes.
    for before in [by_regex(20), by_default(20)] {
        let warnings = step(&[&before, &topic(&numbers(40, 4, BLOCK))]).unwrap().warnings;
        assert!(warnings.iter().any(|warning| warning.contains("t: mapped by another entry now")), "{warnings:?}");
    }
    let own = |v| format!(r#"{{{}, "topics": [{{"name": "t", "virtual_partitions": {v}}}]}}"#, numbers(20, 4, BLOCK));
    assert_eq!(step(&[&by_default(20), &own(20)]).unwrap().warnings, [""; 0]);
    let removed = step(&[&own(40), &by_default(20)]).unwrap().warnings;
    assert!(removed.iter().any(|warning| warning.contains("t: mapped by another entry now")), "{removed:?}");
    let removed = step(&[&topic(&numbers(20, 4, "")), "{}"]).unwrap().warnings;
    assert!(removed.iter().any(|warning| warning.contains("t: mapped before, as 20 partitions over 4")), "{removed:?}");
}

#[test]
fn an_entry_that_was_removed_is_remembered() {
    let error = step(&[&topic(&numbers(20, 4, BLOCK)), "{}", &topic(&numbers(40, 4, BLOCK))]).unwrap_err();
    assert!(error.contains("20 is in use"), "{error}");
    // Also behind a slip with another P.
    let slip = topic(&numbers(20, 2, BLOCK));
    let error = step(&[&topic(&numbers(20, 4, BLOCK)), &slip, &topic(&numbers(40, 4, BLOCK))]).unwrap_err();
    assert!(error.contains("20 is in use"), "{error}");
    assert!(step(&[&topic(&numbers(20, 4, BLOCK)), &slip, &topic(&numbers(20, 4, BLOCK))]).is_ok());
}

/// A worker must never refuse what the main thread has accepted: Envoy would give up the VM of all workers.
#[test]
fn what_was_accepted_once_is_accepted_for_ever() {
    let choices = [
        numbers(20, 4, ""),
        numbers(40, 4, ""),
        numbers(20, 4, BLOCK),
        numbers(40, 4, BLOCK),
        numbers(20, 4, LANE),
        numbers(20, 2, ""),
        numbers(20, 2, BLOCK),
        numbers(4, 4, ""),
        numbers(4, 4, BLOCK),
        numbers(4, 1, BLOCK),
        numbers(8, 1, ""),
        r#""passthrough": true"#.to_owned(),
    ];
    let mut random = crate::testing::Random::new(1);
    for _ in 0..300 {
        let (mut placements, mut accepted) = (Placements::default(), vec![]);
        for at in 0..12 {
            let first = topic(&choices[random.below(choices.len())]);
            if placements.accept(&mapping(&first), at).is_ok() {
                accepted.push(first);
            }
            for earlier in &accepted {
                let again = placements.accept(&mapping(earlier), at);
                assert!(again.is_ok(), "{accepted:?}, then {earlier}: {again:?}");
            }
        }
    }
}

#[test]
fn workers_repeat_nothing() {
    let (before, after) = (topic(&numbers(40, 4, "")), topic(&numbers(20, 4, "")));
    let mut placements = Placements::default();
    let mut said = |text: &str, now| placements.accept(&mapping(text), now).unwrap().warnings.len();
    assert_eq!(said(&before, 0), 0);
    assert_eq!([said(&after, LATER), said(&after, LATER + 5), said(&after, LATER + 9)], [1, 0, 0]);
    // A roll-back and its repetition are told again.
    assert_eq!([said(&before, 3 * LATER), said(&after, 4 * LATER)], [0, 1]);
}

#[test]
fn it_is_said_which_topics_must_keep_their_number() {
    let notes = step(&[&topic(&numbers(20, 4, BLOCK))]).unwrap().notes;
    assert!(notes.len() == 1 && notes[0].contains("the layout of t is block"), "{notes:?}");
    for text in [topic(&numbers(20, 4, "")), topic(&numbers(4, 1, BLOCK)), "{}".to_owned()] {
        assert_eq!(step(&[&text]).unwrap().notes, [""; 0], "{text}");
    }
}

#[test]
fn of_equal_regexes_the_first_counts() {
    let twice = |first, second| {
        let entry = |v| format!(r#"{{"regex": "t.*", {}}}"#, numbers(v, 4, BLOCK));
        format!(r#"{{"topics": [{}, {}]}}"#, entry(first), entry(second))
    };
    assert!(step(&[&twice(20, 40), &twice(20, 8)]).is_ok());
    let error = step(&[&twice(20, 40), &twice(40, 20)]).unwrap_err();
    assert!(error.starts_with("mapping.topics[0].virtual_partitions: 20 is in use"), "{error}");
}

#[test]
fn what_is_said_and_what_is_remembered_is_bounded() {
    let many = |from: usize, v: i32| {
        let entries: Vec<String> =
            (from..from + 9_000).map(|n| format!(r#"{{"name": "t{n}", "virtual_partitions": {v}}}"#)).collect();
        format!(r#"{{"physical_partitions": 2, "topics": [{}]}}"#, entries.join(","))
    };
    let warnings = step(&[&many(0, 8), &many(0, 4)]).unwrap().warnings;
    assert_eq!(warnings.len(), CHANGES_LOGGED_MAX + 1);
    assert_eq!(warnings.last().unwrap(), &format!("mapping: {} more changes of this kind", 9_000 - CHANGES_LOGGED_MAX));
    let mut placements = Placements::default();
    for round in 0..8 {
        placements.accept(&mapping(&many(round * 9_000, 8)), 0).unwrap();
    }
    assert_eq!(placements.known.len(), PLACEMENTS_MAX);
}

#[test]
fn nonsense_is_nothing_known() {
    for stored in ["", "{", "[]", r#"{"known": 1}"#] {
        assert_eq!(Placements::read(stored.as_bytes()), Placements::default(), "{stored}");
    }
}
