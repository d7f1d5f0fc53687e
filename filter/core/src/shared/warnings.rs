//! Which warnings are worth a line of the log: the first of a kind at once, and then one a minute with how
//! many there were. Whoever causes a warning, client or broker, may cause it with every request, and for
//! ever.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::limits;
use crate::time::Millis;

/// The warnings of one worker.
#[derive(Debug)]
pub(crate) struct Warnings {
    log: RefCell<Log>,
    /// Lines in [`limits::WARNING_MS_MIN`].
    lines_max: usize,
}

#[derive(Debug, Default)]
struct Log {
    /// By kind.
    said: HashMap<String, Said>,
    /// Lines since `minute` began.
    lines: usize,
    minute: Millis,
}

#[derive(Debug)]
struct Said {
    at: Millis,
    /// Warnings of the kind since then.
    since: usize,
}

impl Warnings {
    pub(crate) fn new(lines_max: usize) -> Self {
        Self { log: RefCell::default(), lines_max }
    }

    /// The line to write for a warning, or None for now.
    pub(crate) fn line(&self, warning: &str, now: Millis) -> Option<String> {
        // Names in it are clients', and may be long.
        let end = warning.char_indices().nth(limits::WARNING_CHARS_MAX).map_or(warning.len(), |(at, _)| at);
        let warning = warning.get(..end).unwrap_or_default();
        let mut log = self.log.borrow_mut();
        let has_room = log.has_room(now, self.lines_max);
        let kind = kind(warning);
        let line = match log.said.get_mut(&kind) {
            Some(said) if !has_room || now < said.at.saturating_add(limits::WARNING_MS_MIN) => {
                said.since += 1;
                return None;
            }
            Some(said) => {
                let before = std::mem::replace(said, Said { at: now, since: 0 });
                match before.since {
                    0 => warning.to_owned(),
                    n => format!("{warning} (and {n} more like it in {} s)", now.saturating_sub(before.at) / 1_000),
                }
            }
            None if !has_room => return None,
            None => {
                log.make_room(now);
                log.said.insert(kind, Said { at: now, since: 0 });
                warning.to_owned()
            }
        };
        log.lines += 1;
        Some(line)
    }
}

impl Log {
    fn has_room(&mut self, now: Millis, lines_max: usize) -> bool {
        // Also when the clock was set back.
        if !(self.minute..self.minute.saturating_add(limits::WARNING_MS_MIN)).contains(&now) {
            (self.minute, self.lines) = (now, 0);
        }
        self.lines < lines_max
    }

    /// Kinds that were not met for a while go first.
    fn make_room(&mut self, now: Millis) {
        if self.said.len() >= limits::WARNING_KINDS_MAX {
            self.said.retain(|_, said| now < said.at.saturating_add(limits::WARNING_MS_MIN));
        }
        if self.said.len() >= limits::WARNING_KINDS_MAX {
            self.said.clear();
        }
    }
}

/// What warnings of one kind have in common: all but what stands in quotes, which are names of somebody's
/// choice, and the numbers that stand alone and are longer than two digits, which count or measure (offsets,
/// bytes). Shorter ones tell apart (API keys, versions, brokers), and so do numbers in a topic's name.
fn kind(warning: &str) -> String {
    let measures = |word: &&str| {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        digits > 2 && !word.bytes().any(|byte| byte.is_ascii_alphabetic())
    };
    let unquoted: String = warning.split('"').step_by(2).collect();
    let words: Vec<&str> = unquoted.split(' ').map(|word| if measures(&word) { "#" } else { word }).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_make_no_kind_and_names_do() {
        for (one, other, same) in [
            ("topic t: offset 7000 is too large", "topic t: offset 81123 is too large", true),
            ("a frame of -500 bytes, (1223) of", "a frame of 9000 bytes, (304) of", true),
            ("topic t.1: no", "topic t.2: no", false),
            ("API key 68 version 0 is", "API key 69 version 0 is", false),
            ("no identity for \"a\"", "no identity for \"a b\"", true),
            ("the client was refused JoinGroup", "the client was refused OffsetCommit", false),
        ] {
            assert_eq!(kind(one) == kind(other), same, "{one} / {other}");
        }
    }

    #[test]
    fn the_first_is_said_at_once_and_then_one_a_minute_with_a_count() {
        let warnings = Warnings::new(limits::WARNINGS_MAX);
        let lines: Vec<String> =
            (0..=1_300).filter_map(|n| warnings.line(&format!("offset {} is bad", 1_000 + n), n * 100)).collect();
        let expected = [
            "offset 1000 is bad",
            "offset 1600 is bad (and 599 more like it in 60 s)",
            "offset 2200 is bad (and 599 more like it in 60 s)",
        ];
        assert_eq!(lines, expected);
        assert_eq!(warnings.line("another", 130_000).as_deref(), Some("another"));
        assert_eq!(warnings.line("another", 500_000).as_deref(), Some("another"), "there were no more of it");
    }

    #[test]
    fn however_many_kinds_there_are_the_log_and_the_memory_are_bounded() {
        let warnings = Warnings::new(limits::WARNINGS_MAX);
        let mut lines = 0;
        for n in 0..20_000u64 {
            lines += usize::from(warnings.line(&format!("topic t.{n}: no"), n * 10).is_some());
        }
        let minutes = 20_000 * 10 / 60_000 + 1;
        assert!(lines <= minutes * limits::WARNINGS_MAX, "{lines}");
        assert!(lines >= (minutes - 1) * limits::WARNINGS_MAX, "{lines}");
        assert!(warnings.log.borrow().said.len() <= limits::WARNING_KINDS_MAX);
    }

    #[test]
    fn a_clock_that_goes_back_silences_nobody() {
        let warnings = Warnings::new(limits::WARNINGS_MAX);
        for n in 0..2 * limits::WARNINGS_MAX {
            warnings.line(&format!("topic t.{n}: no"), 1_000_000);
        }
        assert_eq!(warnings.line("new", 1_000_000), None);
        assert_eq!(warnings.line("new", 5).as_deref(), Some("new"));
    }
}
