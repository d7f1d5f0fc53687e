//! What was found, in sections, problems first.

use std::fmt::Write;

use crate::limits::{LINES_MAX, NAMED_MAX};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Something is wrong, and should be mended.
    Problem,
    /// A question that could not be answered.
    Unknown,
    /// Nothing is wrong, and it is good to know.
    Note,
    /// As it should be.
    Fine,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Envoy,
    Topics,
    Brokers,
    Groups,
    Acls,
    Lanes,
    Growth,
    Probe,
}

impl Section {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Envoy, "Envoy's configuration around the filter"),
        (Self::Topics, "Topics"),
        (Self::Brokers, "Brokers"),
        (Self::Groups, "Groups and their shadows"),
        (Self::Acls, "ACLs of groups"),
        (Self::Lanes, "Which virtual partitions share a physical one, and how they are filled"),
        (Self::Growth, "If virtual_partitions changed"),
        (Self::Probe, "Does the broker keep the tags of lanes"),
    ];
}

/// All findings, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Report {
    findings: Vec<(Section, Level, String)>,
}

impl Report {
    /// What could not be told is told once: a broker that is down answers none of many questions.
    pub(crate) fn add(&mut self, section: Section, level: Level, text: impl Into<String>) {
        let text = text.into();
        let is_known = |(_, other, known): &(Section, Level, String)| *other == level && *known == text;
        if level != Level::Unknown || !self.findings.iter().any(is_known) {
            self.findings.push((section, level, text));
        }
    }

    fn of(&self, level: Level) -> Vec<&str> {
        let found = self.findings.iter().filter(|(_, other, _)| *other == level);
        found.map(|(_, _, text)| text.as_str()).collect()
    }

    /// 1 if there is a problem, else 2 if something could not be told, else 0.
    pub(crate) fn exit_code(&self) -> u8 {
        match (self.of(Level::Problem).len(), self.of(Level::Unknown).len()) {
            (0, 0) => 0,
            (0, _) => 2,
            _ => 1,
        }
    }

    /// The whole text, below a line that says what was looked at.
    pub(crate) fn text(&self, head: &str) -> String {
        let (problems, unknown) = (self.of(Level::Problem), self.of(Level::Unknown));
        let mut text = format!("{head}\n{}", verdict(problems.len(), unknown.len()));
        lines(&mut text, "Problems", &problems);
        lines(&mut text, "Could not be told", &unknown);
        for (section, title) in Section::ALL {
            let here = |wanted| {
                let found = self.findings.iter().filter(move |(at, level, _)| *at == section && *level == wanted);
                found.map(|(_, _, text)| text.as_str()).collect::<Vec<_>>()
            };
            let notes: Vec<String> = here(Level::Note).into_iter().map(|text| format!("note: {text}")).collect();
            let mut shown: Vec<&str> = notes.iter().map(String::as_str).collect();
            shown.extend(here(Level::Fine));
            lines(&mut text, title, &shown);
        }
        text
    }
}

fn verdict(problems: usize, unknown: usize) -> String {
    let unknown = match unknown {
        0 => String::new(),
        count => format!("; {} could not be answered", counted(count, "question")),
    };
    match problems {
        0 => format!("no problem was found{unknown}\n"),
        count => format!("{}{unknown}\n", counted(count, "problem")),
    }
}

fn lines(text: &mut String, title: &str, lines: &[&str]) {
    if lines.is_empty() {
        return;
    }
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\n{title}");
    for line in lines.iter().take(LINES_MAX) {
        let _ = writeln!(text, "  {line}");
    }
    if lines.len() > LINES_MAX {
        let _ = writeln!(text, "  and {} more", lines.len() - LINES_MAX);
    }
}

/// A number with its noun.
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{} {what}{}", grouped(count as i64), if count == 1 { "" } else { "s" })
}

/// A number with a comma after each thousand.
pub(crate) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", groups.collect::<Vec<_>>().join(","))
}

/// The first few, and how many more there are.
pub(crate) fn named(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMED_MAX).map(String::as_str).collect();
    match names.len().saturating_sub(NAMED_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A name that somebody else chose, as it is if a terminal can show it.
pub(crate) fn name(text: &str) -> String {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic()) {
        return text.to_owned();
    }
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_come_first_and_decide_the_code() {
        let mut report = Report::default();
        report.add(Section::Topics, Level::Fine, "orders: fine");
        assert_eq!(report.exit_code(), 0);
        report.add(Section::Acls, Level::Unknown, "not allowed");
        report.add(Section::Groups, Level::Unknown, "not allowed");
        assert_eq!(report.exit_code(), 2);
        report.add(Section::Brokers, Level::Note, "auto creation");
        report.add(Section::Topics, Level::Problem, "audit: misfit");
        assert_eq!(report.exit_code(), 1);
        let expected =
            "cluster\n1 problem; 1 question could not be answered\n\nProblems\n  audit: misfit\n\nCould not be \
            told\n  not allowed\n\nTopics\n  orders: fine\n\nBrokers\n  note: auto creation\n";
        assert_eq!(report.text("cluster"), expected);
    }

    #[test]
    fn long_lists_end() {
        let mut report = Report::default();
        (0..LINES_MAX + 5).for_each(|n| report.add(Section::Topics, Level::Problem, n.to_string()));
        assert!(report.text("").ends_with(&format!("  {}\n  and 5 more\n", LINES_MAX - 1)));
        let names: Vec<String> = (0..NAMED_MAX + 2).map(|n| n.to_string()).collect();
        assert!(named(&names).ends_with("11 and 2 more"));
    }

    #[test]
    fn numbers_and_names_as_people_read_them() {
        let numbers = [0, 999, 1_000, -1_234_567, i64::MAX].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "-1,234,567", "9,223,372,036,854,775,807"]);
        assert_eq!(["a~1", "", "a b", "\u{1b}[2J"].map(name), ["a~1", "\"\"", "\"a b\"", "\"\\u{1b}[2J\""]);
        assert_eq!((counted(1, "topic"), counted(2_000, "topic")), ("1 topic".into(), "2,000 topics".into()));
    }
}
