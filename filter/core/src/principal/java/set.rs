//! Sets of characters: what a class of Java's matches, written out.

use std::fmt::Write;

/// The last code point.
const LAST: u32 = 0x10_FFFF;

/// What ends a line in Java, but for the pair `\r\n`.
pub(in crate::principal) const LINE_ENDS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

/// Code points, as ranges in order that neither touch nor overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set(Vec<(u32, u32)>);

impl Set {
    pub(super) fn of(ranges: &[(char, char)]) -> Self {
        Self::joined(ranges.iter().map(|(first, last)| (u32::from(*first), u32::from(*last))).collect())
    }

    pub(super) fn one(c: char) -> Self {
        Self::of(&[(c, c)])
    }

    fn joined(mut ranges: Vec<(u32, u32)>) -> Self {
        ranges.sort_unstable();
        let mut joined: Vec<(u32, u32)> = vec![];
        for (first, last) in ranges {
            match joined.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    pub(super) fn or(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        Self::joined(self.0)
    }

    pub(super) fn and(self, other: Self) -> Self {
        self.not().or(other.not()).not()
    }

    pub(super) fn not(self) -> Self {
        let mut ranges = vec![];
        let mut next = 0;
        for (first, last) in self.0 {
            if next < first {
                ranges.push((next, first - 1));
            }
            next = last + 1;
        }
        if next <= LAST {
            ranges.push((next, LAST));
        }
        Self(ranges)
    }

    /// The same with ASCII letters in both cases: Java's flag i. Other letters have no case to it.
    pub(super) fn in_any_case(self) -> Self {
        let swapped = self.0.iter().flat_map(|(first, last)| {
            let within = |from: u8, to: u8, shift: fn(u32) -> u32| {
                let (from, to) = ((*first).max(from.into()), (*last).min(to.into()));
                (from <= to).then(|| (shift(from), shift(to)))
            };
            [within(b'a', b'z', |c| c - 32), within(b'A', b'Z', |c| c + 32)].into_iter().flatten()
        });
        let swapped = swapped.collect();
        self.or(Self(swapped))
    }

    /// A class of the crate regex.
    pub(super) fn written(&self) -> String {
        // Texts hold no surrogates here, and the crate takes none.
        let texts = [(0, 0xD7FF), (0xE000, LAST)];
        let parts = texts.iter().flat_map(|(from, to)| {
            let within = |(first, last): &(u32, u32)| ((*first).max(*from), (*last).min(*to));
            self.0.iter().map(within).filter(|(first, last)| first <= last)
        });
        let mut out = "[".to_owned();
        for (first, last) in parts {
            // Writing to a String does not fail.
            let _ = write!(out, r"\x{{{first:x}}}-\x{{{last:x}}}");
        }
        match out.as_str() {
            "[" => r"[^\x{0}-\x{10ffff}]".to_owned(),
            _ => out + "]",
        }
    }
}

/// The classes that have a letter in Java, without the flag U: of ASCII, but for those of white space.
pub(super) fn lettered(letter: char) -> Option<Set> {
    let set = match letter.to_ascii_lowercase() {
        'd' => Set::of(&[('0', '9')]),
        'w' => Set::of(&[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')]),
        's' => Set::of(&[('\t', '\r'), (' ', ' ')]),
        'v' => Set::of(&[('\n', '\r'), ('\u{85}', '\u{85}'), ('\u{2028}', '\u{2029}')]),
        'h' => Set::of(&[
            ('\t', '\t'),
            (' ', ' '),
            ('\u{A0}', '\u{A0}'),
            ('\u{1680}', '\u{1680}'),
            ('\u{180E}', '\u{180E}'),
            ('\u{2000}', '\u{200A}'),
            ('\u{202F}', '\u{202F}'),
            ('\u{205F}', '\u{205F}'),
            ('\u{3000}', '\u{3000}'),
        ]),
        _ => return None,
    };
    Some(if letter.is_ascii_uppercase() { set.not() } else { set })
}

/// The classes of `\p{…}` that are ASCII's in Java: POSIX names. All others follow the version of Unicode
/// that a Java has.
pub(super) fn named(name: &str) -> Option<Set> {
    let ranges: &[(char, char)] = match name {
        "Lower" => &[('a', 'z')],
        "Upper" => &[('A', 'Z')],
        "ASCII" => &[('\0', '\x7F')],
        "Alpha" => &[('A', 'Z'), ('a', 'z')],
        "Digit" => &[('0', '9')],
        "Alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "Punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "Graph" => &[('!', '~')],
        "Print" => &[(' ', '~')],
        "Blank" => &[('\t', '\t'), (' ', ' ')],
        "Cntrl" => &[('\0', '\x1F'), ('\x7F', '\x7F')],
        "XDigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        "Space" => &[('\t', '\r'), (' ', ' ')],
        _ => return None,
    };
    Some(Set::of(ranges))
}

/// `.` in Java, without the flag s.
pub(super) fn dot(unix_lines: bool) -> Set {
    let ends: &[char] = if unix_lines { &['\n'] } else { &LINE_ENDS };
    ends.iter().fold(Set::default(), |set, end| set.or(Set::one(*end))).not()
}
