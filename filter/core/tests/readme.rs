//! The README's table of APIs is what the filter does: it is generated from the table in `apis.rs`, and
//! compared here.
//!
//! Both are read as text, since the table is private to the crate. On a difference the message holds the
//! lines to paste.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use regex::Regex;

const TABLE: &str = include_str!("../src/apis.rs");
const README: &str = include_str!("../../../README.md");

/// The decisions of `apis.rs`, and how the README calls them.
const DECISIONS: [(&str, &str); 8] = [
    ("Rewrite", "read, and rewritten where they name mapped topics, brokers or offsets"),
 (
        "Authenticate",
        "read, and judged here where the configuration has `sasl`; not listed, and answered with an error, where it has \
         `upstream.sasl` alone",
    ),
    ("Refuse", "offered to librdkafka alone, which would wait for it in silence, and answered with an error; hidden from others"),
    ("Pass", "pass untouched"),
    ("PassUnmapped", "pass untouched where the configuration maps no topic, hidden where it maps one"),
    (
        "Administer",
        "pass untouched where brokers know the client by a name of its own, or with `upstream.shared_administration`; \
         answered with an error elsewhere (configurations of topics pass)",
    ),
    (
        "Delegate",
        "pass untouched where the client authenticates by SASL at the broker; answered with an error elsewhere, and hidden \
         where the configuration has `sasl` or `upstream.sasl`",
    ),
    ("Hide", "hidden: not listed in ApiVersions, and never let through"),
];

#[test]
fn the_readme_tells_what_becomes_of_each_api() {
    let wanted = generated();
    assert!(README.contains(&wanted), "README.md must hold these lines:\n\n{wanted}\n");
}

fn generated() -> String {
    let line = Regex::new(r#"(?m)^    api\((\d+), "(\w+)", (\d+), (-?\d+), (\w+)"#).unwrap();
    let apis: Vec<[&str; 5]> = line.captures_iter(TABLE).map(|found| found.extract().1).collect();
    let keys: Vec<String> = apis.iter().map(|[key, ..]| (*key).to_owned()).collect();
    assert_eq!(
        keys,
        (0..apis.len()).map(|key| key.to_string()).collect::<Vec<_>>(),
        "a line of the table was not understood"
    );
    let unknown = apis.iter().find(|[.., decision]| !DECISIONS.iter().any(|(known, _)| known == decision));
    assert_eq!(unknown, None, "the README has no words for this decision");
    let rows = DECISIONS.map(|(decision, words)| {
        let mine = apis.iter().filter(|[.., other]| other == &decision);
        format!("| {words} | {} |", mine.map(shown).collect::<Vec<_>>().join(", "))
    });
    format!("| requests | APIs, with the versions that are offered |\n|---|---|\n{}", rows.join("\n"))
}

fn shown([_, name, min, max, _]: &[&str; 5]) -> String {
    match (min, max) {
        (_, &"-1") => (*name).to_owned(),
        (min, max) if min == max => format!("{name} {min}"),
        (min, max) => format!("{name} {min}–{max}"),
    }
}
