//! Replacements as Kafka and `Matcher.appendReplacement` read them.

use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

/// A piece of a replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::principal) enum Part {
    Text(String),
    /// The text of a group; 0 is the whole match.
    Group(usize),
}

/// Reads a replacement: `$1`, `${name}`, and `\` before a character that stands for itself. A number beyond
/// the groups is text if there are groups at all, as Kafka has it.
///
/// # Errors
/// On what Java fails on when the rule is used.
pub(in crate::principal) fn replacement(java: &str, pattern: &Regex) -> Result<Vec<Part>, String> {
    let escaped = with_text_escaped(java, pattern.captures_len() - 1)?;
    let mut parts = vec![];
    let mut text = String::new();
    let mut rest = escaped.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => text.extend(rest.next()),
            '$' => {
                let group = reference(&mut rest, pattern)?;
                parts.extend([Part::Text(std::mem::take(&mut text)), Part::Group(group)]);
            }
            _ => text.push(c),
        }
    }
    parts.push(Part::Text(text));
    parts.retain(|part| *part != Part::Text(String::new()));
    Ok(parts)
}

/// Kafka puts a backslash before a `$` whose number no group has. It counts places in the text as it was
/// before, so that the second such number, and one that has a backslash already, end in a reference that Java
/// fails on: [`reference()`] finds those.
fn with_text_escaped(java: &str, groups: usize) -> Result<String, String> {
    let mut out: Vec<char> = java.chars().collect();
    if groups == 0 {
        return Ok(java.to_owned());
    }
    let before = out.clone();
    let mut at = 0;
    while let Some(c) = before.get(at) {
        at += 1;
        if *c != '$' {
            continue;
        }
        let digits: String = before.iter().skip(at).take_while(|c| c.is_ascii_digit()).collect();
        if digits.is_empty() || digits.starts_with('0') {
            continue;
        }
        let number: i32 = digits.parse().map_err(|_| format!("names group {digits}, which is too large a number"))?;
        let mut number = usize::try_from(number).unwrap_or(usize::MAX);
        while number > groups && number >= 10 {
            number /= 10;
        }
        if number > groups {
            out.insert(at - 1, '\\');
        }
        at += digits.len();
    }
    Ok(out.into_iter().collect())
}

/// The group that follows a `$`.
fn reference(rest: &mut Peekable<Chars<'_>>, pattern: &Regex) -> Result<usize, String> {
    if rest.next_if_eq(&'{').is_some() {
        let name: String = std::iter::from_fn(|| rest.next_if(|c| *c != '}')).collect();
        let group = pattern.capture_names().position(|group| group == Some(name.as_str()));
        return match (rest.next(), group) {
            (Some(_), Some(group)) => Ok(group),
            _ => Err(format!("names {name:?}, and the pattern has no such group")),
        };
    }
    let groups = pattern.captures_len() - 1;
    let digit = |rest: &mut Peekable<Chars<'_>>| rest.peek().and_then(|c| c.to_digit(10)).map(|digit| digit as usize);
    let Some(mut group) = digit(rest) else {
        return Err(r"has a $ without a number or {name} behind it; \$ is a dollar sign".to_owned());
    };
    if group > groups {
        return Err(format!("names group {group}, and the pattern has {groups}"));
    }
    rest.next();
    while let Some(longer) = digit(rest).map(|digit| group * 10 + digit).filter(|longer| *longer <= groups) {
        group = longer;
        rest.next();
    }
    Ok(group)
}
