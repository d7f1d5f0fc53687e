//! Java's regular expressions and replacements (`java.util.regex`), read for the crate regex.
//!
//! What means something else there is translated, and what cannot be matched alike is refused: a rule that matches
//! other names than it does in Kafka would give clients other principals.

use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

/// A piece of a replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// The text of a group; 0 is the whole match.
    Group(usize),
}

/// Java's classes know ASCII only, this crate's all of Unicode.
const CLASSES: [(char, &str); 7] = [
    ('d', "[0-9]"),
    ('D', "[^0-9]"),
    ('w', "[0-9A-Za-z_]"),
    ('W', "[^0-9A-Za-z_]"),
    ('s', r"[ \t\n\x0B\f\r]"),
    ('S', r"[^ \t\n\x0B\f\r]"),
    ('v', r"[\n\x0B\f\r\x{85}\x{2028}\x{2029}]"),
];

/// The same pattern for the crate regex.
///
/// # Errors
/// On what it has no equal for and would take for something else. What it does not take at all, it says itself.
pub(super) fn pattern(java: &str) -> Result<String, String> {
    let mut reader = Reader { rest: java.chars().peekable(), read: String::with_capacity(java.len()) };
    let mut quantified = Quantified::No;
    while let Some(c) = reader.rest.next() {
        quantified = match c {
            '*' | '+' | '?' | '{' => {
                reader.quantifier(c);
                quantified.then(c)?
            }
            _ => {
                reader.item(c)?;
                Quantified::No
            }
        };
    }
    Ok(reader.read)
}

/// What stands before the next character.
#[derive(Clone, Copy)]
enum Quantified {
    No,
    Greedy,
    Lazy,
}

impl Quantified {
    /// This crate takes `a*+` for `(a*)+`, which matches more.
    fn then(self, quantifier: char) -> Result<Self, String> {
        match (self, quantifier) {
            (Self::No, _) => Ok(Self::Greedy),
            (Self::Greedy, '?') => Ok(Self::Lazy),
            _ => Err("has a possessive or doubled quantifier, which is not supported".to_owned()),
        }
    }
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    read: String,
}

impl Reader<'_> {
    fn quantifier(&mut self, c: char) {
        self.read.push(c);
        if c == '{' {
            while let Some(c) = self.rest.next_if(|c| c.is_ascii_digit() || matches!(c, ',' | '}')) {
                self.read.push(c);
                if c == '}' {
                    break;
                }
            }
        }
    }

    /// Anything but a quantifier.
    fn item(&mut self, c: char) -> Result<(), String> {
        match c {
            '\\' => self.escape(),
            '[' => return self.class(),
            '(' => return self.group(),
            _ => self.read.push(c),
        }
        Ok(())
    }

    fn escape(&mut self) {
        let Some(c) = self.rest.next() else {
            // Left to the crate, which says that something is missing.
            return self.read.push('\\');
        };
        match CLASSES.iter().find(|(name, _)| *name == c) {
            Some((_, class)) => self.read.push_str(class),
            // Letters that are no escape in Java either are refused by the crate; anything else stands for itself.
            None if c.is_ascii() && !matches!(c, '<' | '>') => self.read.extend(['\\', c]),
            None => self.read.push(c),
        }
    }

    fn class(&mut self) -> Result<(), String> {
        self.read.push('[');
        self.read.extend(self.rest.next_if_eq(&'^'));
        self.read.extend(self.rest.next_if_eq(&']'));
        while let Some(c) = self.rest.next() {
            match (c, self.rest.peek()) {
                ('-', Some('-')) | ('~', Some('~')) | ('[', Some(':')) => {
                    return Err("has -- or ~~ or [: in a class, which is not supported".to_owned());
                }
                ('[', _) => self.class()?,
                ('\\', _) => self.escape(),
                _ => self.read.push(c),
            }
            if c == ']' {
                break;
            }
        }
        Ok(())
    }

    /// The start of a group. Its `?` is no quantifier.
    fn group(&mut self) -> Result<(), String> {
        self.read.push('(');
        let Some(mark) = self.rest.next_if_eq(&'?') else { return Ok(()) };
        self.read.push(mark);
        while let Some(flag) = self.rest.next_if(|c| c.is_ascii_alphabetic() || *c == '-') {
            // (?U), say, is about classes in Java, and about greed here.
            if !matches!(flag, 'i' | 'm' | 's' | '-') {
                return Err(format!("has the flag {flag}, which is not supported"));
            }
            self.read.push(flag);
        }
        Ok(())
    }
}

/// Reads a replacement as `Matcher.appendReplacement` does: `$1`, `${name}`, and `\` before a character that stands for
/// itself. A number beyond the groups is text if there are groups at all, as Kafka has it.
///
/// # Errors
/// On references that Java would fail on when the rule is used.
pub(super) fn replacement(java: &str, pattern: &Regex) -> Result<Vec<Part>, String> {
    let mut parts = vec![];
    let mut text = String::new();
    let mut rest = java.chars().peekable();
    while let Some(c) = rest.next() {
        let group = match c {
            '\\' => {
                text.extend(rest.next());
                continue;
            }
            '$' => reference(&mut rest, pattern)?,
            _ => None,
        };
        match group {
            Some(group) => parts.extend([Part::Text(std::mem::take(&mut text)), Part::Group(group)]),
            None => text.push(c),
        }
    }
    parts.push(Part::Text(text));
    parts.retain(|part| *part != Part::Text(String::new()));
    Ok(parts)
}

/// What follows a `$`. None: it is text.
fn reference(rest: &mut Peekable<Chars<'_>>, pattern: &Regex) -> Result<Option<usize>, String> {
    if rest.next_if_eq(&'{').is_some() {
        let name: String = std::iter::from_fn(|| rest.next_if(|c| *c != '}')).collect();
        let group = pattern.capture_names().position(|group| group == Some(name.as_str()));
        return match (rest.next(), group) {
            (Some(_), Some(group)) => Ok(Some(group)),
            _ => Err(format!("names {name:?}, and the pattern has no such group")),
        };
    }
    let groups = pattern.captures_len() - 1;
    let digit = |rest: &mut Peekable<Chars<'_>>| rest.peek().and_then(|c| c.to_digit(10)).map(|digit| digit as usize);
    let Some(mut group) = digit(rest) else {
        return Err(r"has a $ without a number or {name} behind it; \$ is a dollar sign".to_owned());
    };
    if group > groups {
        // The digits are read next, as text.
        return if groups > 0 { Ok(None) } else { Err(format!("names group {group}, and the pattern has no group")) };
    }
    rest.next();
    while let Some(longer) = digit(rest).map(|digit| group * 10 + digit).filter(|longer| *longer <= groups) {
        group = longer;
        rest.next();
    }
    Ok(Some(group))
}
