//! A table of rules and names with what Kafka's `SslPrincipalMapper` makes of them, and the rules here beside
//! it.
//!
//! `tests/tools/principal-rules/Rules.java` fills in what Kafka says, and makes up rules for comparisons in
//! bulk:
//! `KAFKA_RULES=<file> cargo test -p kafka-partition-remapper-core made_up_rules -- --ignored --nocapture`.

use serde::Deserialize;

use crate::principal::{Nameless, Rules};

#[derive(Deserialize)]
struct Case {
    rules: Vec<String>,
    name: String,
    /// Absent or null: no rule fits.
    kafka: Option<Kafka>,
    here: Option<Here>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Kafka {
    Principal(String),
    /// It takes the rules not at all, or throws when they are used.
    Nothing {},
}

/// What is done here instead.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Here {
    /// The rules are refused.
    Refused,
    /// The client is.
    Nobody,
}

/// What differs from Kafka; None if nothing does.
fn difference(case: &Case) -> Result<Option<Here>, String> {
    let Ok(rules) = Rules::parse(&case.rules) else { return Ok(Some(Here::Refused)) };
    match (rules.principal(&case.name), &case.kafka) {
        (Ok(here), Some(Kafka::Principal(kafka))) if here == *kafka => Ok(None),
        (Err(Nameless::NoRule), None) => Ok(None),
        (Err(Nameless::Empty), Some(Kafka::Principal(kafka))) if kafka.is_empty() => Ok(None),
        (Err(Nameless::NoRule), Some(Kafka::Principal(kafka))) => Err(format!("no rule fits here, {kafka:?} in Kafka")),
        (Err(Nameless::Empty), Some(Kafka::Principal(kafka))) => Err(format!("empty here, {kafka:?} in Kafka")),
        (Err(_), _) => Ok(Some(Here::Nobody)),
        (Ok(here), Some(Kafka::Principal(kafka))) => Err(format!("{here:?} here, {kafka:?} in Kafka")),
        (Ok(here), _) => Err(format!("{here:?} here, nothing in Kafka")),
    }
}

#[test]
fn names_are_kafkas() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("kafka.json")).unwrap();
    for case in &cases {
        let refused = matches!(case.kafka, Some(Kafka::Nothing {}));
        let difference =
            difference(case).unwrap_or_else(|problem| panic!("{:?} {:?}: {problem}", case.rules, case.name));
        let expected = case.here.as_ref().or(refused.then_some(&Here::Refused));
        assert_eq!(difference.as_ref(), expected, "{:?} {:?}", case.rules, case.name);
    }
}

#[test]
#[ignore = "needs a file of made-up rules"]
fn made_up_rules() {
    let file = std::fs::read_to_string(std::env::var("KAFKA_RULES").unwrap()).unwrap();
    let (mut same, mut refused, mut nobody, mut both, mut wrong) = (0, 0, 0, 0, 0);
    for line in file.lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        match (difference(&case), &case.kafka) {
            (Ok(None), _) => same += 1,
            (Ok(Some(_)), Some(Kafka::Nothing {})) => both += 1,
            (Ok(Some(Here::Refused)), _) => refused += 1,
            (Ok(Some(Here::Nobody)), _) => nobody += 1,
            (Err(problem), _) => {
                wrong += 1;
                if wrong <= 20 {
                    eprintln!("{line}\n  {problem}");
                }
            }
        }
    }
    eprintln!(
        "{same} alike, {both} refused by both, {refused} rules and {nobody} names refused here only, {wrong} wrong"
    );
    assert_eq!(wrong, 0);
}
