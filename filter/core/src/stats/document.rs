//! The stats as people read them, in Markdown.

use super::list::{Described, Kind, SECTIONS};
use crate::error::RECONNECT_REASONS;

/// Columns of the document's prose.
const COLUMNS: usize = 110;

/// The part of `docs/metrics.md` that is generated.
pub fn stats_document() -> String {
    let sections = SECTIONS.iter().map(|(title, stats)| {
        let stats: String = stats.iter().map(described).collect();
        let reasons = if *title == "Connections" { reasons() } else { String::new() };
        format!("### {title}\n\n{stats}{reasons}")
    });
    sections.collect::<Vec<_>>().join("\n")
}

fn described(stat: &Described) -> String {
    let kind = match stat.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let labels: String = stat.labels.iter().map(|label| format!(", `{label}`")).collect();
    let act = if stat.act.is_empty() { String::new() } else { format!(" *When it moves:* {}", stat.act) };
    wrapped(&format!("- **`kafka_remapper_{}`** ({kind}{labels}): {}{act}", stat.name, stat.tells))
}

/// The values of the label `reason`.
fn reasons() -> String {
    let rows = RECONNECT_REASONS.iter().map(|(reason, tells)| format!("| `{reason}` | {tells} |\n"));
    format!("\n| reason | why the connection ended, and what to do |\n|---|---|\n{}", rows.collect::<String>())
}

/// An entry of a list, in lines that are not too long.
fn wrapped(text: &str) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > COLUMNS {
            out.push_str("\n  ");
            column = 2;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out + "\n"
}
