//! docs/troubleshooting.md against the sources: what is written to the log stands there, and what stands
//! there is written. (What tests of the core make happen is held against the document in `src/testing`.)
#![allow(clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// Calls that write a line.
const CALLS: [&str; 4] = [".warn(", ".inform(", ".warn_refused(", "log::error!("];

/// What such calls are given that is no text of their own: it is made elsewhere, and held against the
/// document there.
const MADE_ELSEWHERE: [&str; 9] = [
    "fault.to_string()",     // faults: `testing/troubleshooting.rs`
    "contended.to_string()", // `memory.rs`: worker/tests.rs
    "warning",               // a mapping's changes: memory/placements/tests.rs
    "note",                  // the same
    "NO_SASL.to_owned()",    // `apis/sasl_handshake.rs`: its test
    "words",                 // why something is refused: one row is for all of that
    "why",
    "WORDS",
    "&text", // keys: `testing/troubleshooting.rs`
];

/// A line that a worker has made already, on its way.
const ON_ITS_WAY: [&str; 3] = ["line", "sentence", "&self"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn rows() -> Vec<String> {
    let document = fs::read_to_string(root().join("docs/troubleshooting.md")).expect("the document");
    let (_, lines) = document.split_once("## Lines of the log").expect("its lines");
    let (lines, _) = lines.split_once("## What the client sees").expect("their end");
    let row = |line: &str| Some(line.strip_prefix("| `")?.split_once("` |")?.0.to_owned());
    lines.lines().filter_map(row).collect()
}

/// The sources without tests, each with its name.
fn sources() -> Vec<(String, String)> {
    fn read(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.to_string_lossy().into_owned();
            if path.is_dir() {
                read(&path, found);
            } else if name.ends_with(".rs") && !name.contains("/tests") && !name.contains("testing") {
                let text = fs::read_to_string(&path).expect("a source");
                let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
                found.push((name, joined(&text)));
            }
        }
    }
    let mut found = vec![];
    ["filter/core/src", "filter/wasm/src"].iter().for_each(|folder| read(&root().join(folder), &mut found));
    found
}

/// With texts that go on behind a `\` at a line's end in one piece.
fn joined(text: &str) -> String {
    let mut pieces = text.split("\\\n");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.trim_start())
}

/// A text as the log may show it: something in the place of each `{…}`. An `error` in a line is that of an
/// offset.
fn shown(text: &str) -> String {
    let text = text.replace("{error}", "offset 7 is not below the offset range 7");
    let mut out = String::new();
    let mut depth = 0;
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                out.push('7');
            }
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out.replace("\\\"", "\"")
}

fn is_of(row: &str, sentence: &str) -> bool {
    let mut parts = row.split('…');
    let Some(mut rest) = sentence.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    rest.is_empty() || row.ends_with('…')
}

/// What a call is given, from behind its opening bracket.
fn argument(code: &str) -> &str {
    let mut depth = 1;
    let mut is_text = false;
    for (at, c) in code.char_indices() {
        match c {
            '"' => is_text = !is_text,
            '(' if !is_text => depth += 1,
            ')' if !is_text => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &code[..at];
        }
    }
    code
}

#[test]
fn what_is_written_to_the_log_is_explained() {
    let (rows, mut complaints) = (rows(), vec![]);
    for (name, text) in sources() {
        for (call, at) in CALLS.iter().flat_map(|call| text.match_indices(call).map(move |(at, _)| (call, at))) {
            let given = argument(&text[at + call.len()..]).trim();
            let given = given.split(", now").next().unwrap_or(given).trim_end_matches(',');
            let Some(literal) = given.split('"').nth(1) else {
                if !MADE_ELSEWHERE.contains(&given) && !ON_ITS_WAY.iter().any(|known| given.starts_with(known)) {
                    complaints.push(format!("{name}: {call}{given})"));
                }
                continue;
            };
            let literal = shown(literal);
            let sentence =
                if *call == ".warn_refused(" { format!("the client was refused 7: {literal}") } else { literal };
            if !rows.iter().any(|row| is_of(row, &sentence)) {
                complaints.push(format!("{name}: no row for: {sentence}"));
            }
        }
    }
    assert!(complaints.is_empty(), "docs/troubleshooting.md:\n  {}", complaints.join("\n  "));
}

/// Pieces of a row that do not vary stand in the sources, those of some length at least.
#[test]
fn what_is_explained_is_written_to_the_log() {
    let sources: String = sources().into_iter().map(|(_, text)| text).collect();
    for row in rows() {
        let missing: Vec<&str> = row
            .split('…')
            .flat_map(|piece| piece.split("jwks.http: "))
            .map(|piece| piece.trim_matches([' ', ':', ';', '.', ',', '(', ')']))
            .filter(|piece| piece.len() > 3 && !sources.contains(piece))
            .filter(|piece| !piece.contains("speaks") && !piece.contains("limits.authentication_ms"))
            .collect();
        assert!(missing.is_empty(), "nothing writes {missing:?} of the row: {row}");
    }
}
