//! The table of APIs as people read it, in Markdown.

use crate::exchange::table::{Decision, Line, Table};

/// How the document calls each decision, and what that means.
const DECISIONS: [(&str, &str); 8] = [
    ("read", "read, and rewritten where the request or the answer names mapped topics, brokers, or groups"),
    (
        "SASL",
        "read, and judged by the filter where the configuration has `sasl`; not listed, and answered with an error, where \
         it has `upstream.sasl` alone",
    ),
    (
        "refused",
        "offered to librdkafka alone, which would wait for it in silence, and answered with an error; hidden from others",
    ),
    ("passes", "passes untouched, in both directions"),
    ("passes unmapped", "passes untouched where the configuration maps no topic, hidden where it maps one"),
    (
        "administration",
        "let through where brokers know the client by a name of its own, or with `upstream.shared_administration`; \
         answered with an error elsewhere",
    ),
    (
        "delegation",
        "passes where the client authenticates by SASL at the broker; answered with an error elsewhere, and hidden where \
         the configuration has `sasl` or `upstream.sasl`",
    ),
    ("hidden", "not listed in ApiVersions, and never let through"),
];

impl Decision {
    /// How the document calls it, and what that means.
    fn words(self) -> (&'static str, &'static str) {
        let [read, sasl, refused, passes, passes_unmapped, administration, delegation, hidden] = DECISIONS;
        match self {
            Self::Rewrite(_) => read,
            Self::Authenticate(_) => sasl,
            Self::Refuse(_) => refused,
            Self::Pass => passes,
            Self::PassUnmapped => passes_unmapped,
            Self::Administer(_) => administration,
            Self::Delegate(_) => delegation,
            Self::Hide => hidden,
        }
    }
}

impl Table {
    /// What becomes of each API, as two tables: the words of the second are explained by the first.
    pub(crate) fn document(self) -> String {
        let words = DECISIONS.iter().map(|(word, meaning)| format!("| {word} | {meaning} |\n"));
        let rows = self.lines.iter().map(row);
        format!(
            "| word | what becomes of the API |\n|---|---|\n{}\n| key | API | versions | | why |\n|---|---|---|---|---|\n{}",
            words.collect::<String>(),
            rows.collect::<String>()
        )
    }
}

fn row(Line { api, decision, note, .. }: &Line) -> String {
    let versions = match (api.version_min, api.version_max) {
        (min, max) if min > max => String::new(),
        (min, max) if min == max => min.to_string(),
        (min, max) => format!("{min}–{max}"),
    };
    format!("| {} | {} | {versions} | {} | {note} |\n", api.key, api.name, decision.words().0)
}
