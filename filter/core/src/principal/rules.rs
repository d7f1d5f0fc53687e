//! Who a client is by its certificate: Kafka's `ssl.principal.mapping.rules` (KIP-371), applied as its
//! `SslPrincipalMapper` does.
//!
//! A rule is `DEFAULT`, which takes the distinguished name as it is, or `RULE:pattern/replacement/[LU]`. The
//! first rule whose pattern matches the whole name decides.

use regex::{Captures, Match, Regex};

use super::java::{self, Part, Translated, LINE_ENDS};
use super::nameless::Nameless;
use crate::limits::{PRINCIPAL_BYTES_MAX, PRINCIPAL_RULES_MAX, PRINCIPAL_RULE_BYTES_MAX};
use crate::pattern;

/// Rules in the order in which they are tried.
#[derive(Clone, Debug)]
pub struct Rules(Vec<Rule>);

#[derive(Clone, Debug)]
enum Rule {
    Default,
    Replace {
        /// Whether the rule applies.
        whole: Regex,
        /// What is replaced, wherever it occurs.
        pattern: Regex,
        has_dollar: bool,
        replacement: Vec<Part>,
        case: Case,
    },
}

#[derive(Clone, Copy, Debug)]
enum Case {
    Kept,
    Lower,
    Upper,
}

impl Default for Rules {
    /// `DEFAULT` alone, as Kafka has it.
    fn default() -> Self {
        Self(vec![Rule::Default])
    }
}

impl Rules {
    /// Reads rules, one per item: 1 to [`PRINCIPAL_RULES_MAX`], each of at most [`PRINCIPAL_RULE_BYTES_MAX`]
    /// bytes. Patterns are Java's, as far as the crate regex can match the same.
    ///
    /// # Errors
    /// Begins with the index of the rule in brackets, if one is to blame, and a colon: a path may stand
    /// before it.
    pub fn parse(rules: &[String]) -> Result<Self, String> {
        if !(1..=PRINCIPAL_RULES_MAX).contains(&rules.len()) {
            return Err(format!(": {} rules are not in 1..={PRINCIPAL_RULES_MAX}", rules.len()));
        }
        let rules = rules.iter().enumerate();
        let rules = rules.map(|(index, text)| Rule::parse(text).map_err(|problem| format!("[{index}]: {problem}")));
        rules.collect::<Result<_, _>>().map(Self)
    }

    /// The principal for a name that a certificate has: an RFC 2253 distinguished name, as Java writes it, or
    /// another.
    ///
    /// # Errors
    /// Why there is none, and how to get one: such a client has to be refused.
    pub fn principal(&self, name: &str) -> Result<String, Nameless> {
        if name.len() > PRINCIPAL_BYTES_MAX {
            return Err(Nameless::TooLong);
        }
        for rule in &self.0 {
            if let Some(principal) = rule.apply(name)? {
                return match principal {
                    empty if empty.is_empty() => Err(Nameless::Empty),
                    odd if odd.chars().any(|c| c.is_control() || LINE_ENDS.contains(&c)) => Err(Nameless::Control),
                    long if long.len() > PRINCIPAL_BYTES_MAX => Err(Nameless::TooLong),
                    good => Ok(good),
                };
            }
        }
        Err(Nameless::NoRule)
    }
}

impl Rule {
    fn parse(text: &str) -> Result<Self, String> {
        if text.len() > PRINCIPAL_RULE_BYTES_MAX {
            return Err(format!("{} bytes are more than {PRINCIPAL_RULE_BYTES_MAX}", text.len()));
        }
        let rule = text.trim_matches(|c| c <= ' ');
        if rule == "DEFAULT" {
            return Ok(Self::Default);
        }
        if rule.contains(LINE_ENDS) {
            return Err(format!(r"{rule:?} has a line end in it; \n and \u2028, say, stand for them"));
        }
        let form = || {
            format!("{rule:?} is neither DEFAULT nor RULE:pattern/replacement/, with L or U behind it or nothing (a / in a pattern is written \\/)")
        };
        let (pattern, rest) = rule.strip_prefix("RULE:").and_then(until_slash).ok_or_else(form)?;
        let (replacement, end) = until_slash(rest).ok_or_else(form)?;
        let case = match end {
            "" => Case::Kept,
            "L" => Case::Lower,
            "U" => Case::Upper,
            _ => return Err(format!("{}; each rule is an item of its own", form())),
        };
        let wrong = |problem| format!("{pattern:?} {problem}");
        let Translated { pattern: translated, has_dollar } = java::pattern(pattern).map_err(wrong)?;
        let compiled = pattern::compile(&translated).map_err(wrong)?;
        let replacement =
            java::replacement(replacement, &compiled).map_err(|problem| format!("{replacement:?} {problem}"))?;
        let whole = pattern::compile_whole(&translated).map_err(wrong)?;
        Ok(Self::Replace { whole, pattern: compiled, has_dollar, replacement, case })
    }

    /// What the rule makes of a name. None: it does not fit.
    fn apply(&self, name: &str) -> Result<Option<String>, Nameless> {
        match self {
            Self::Default => Ok(Some(name.to_owned())),
            Self::Replace { has_dollar: true, .. } if name.ends_with(LINE_ENDS) => Err(Nameless::Unlike),
            Self::Replace { whole, .. } if !whole.is_match(name) => Ok(None),
            Self::Replace { pattern, replacement, case, .. } => {
                in_case(&replace_all(pattern, replacement, name)?, *case).map(Some)
            }
        }
    }
}

/// Java's `toLowerCase` and `toUpperCase`, where they are known to give the same.
///
/// A sigma that ends a word becomes another letter, and Java finds words' ends in its own way: both agree
/// where letters, spaces, commas or = stand beside the sigma.
fn in_case(name: &str, case: Case) -> Result<String, Nameless> {
    let is_plain = |c: Option<char>| {
        c.is_none_or(|c| matches!(c, 'A'..='Z' | 'a'..='z' | 'Α'..='Ρ' | 'Σ'..='Ω' | 'α'..='ω' | ' ' | ',' | '='))
    };
    let sigmas = name.match_indices('Σ');
    let mut sigmas = sigmas.filter_map(|(at, sigma)| Some((name.get(..at)?, name.get(at + sigma.len()..)?)));
    let mut are_sigmas_plain =
        || sigmas.all(|(before, behind)| is_plain(before.chars().next_back()) && is_plain(behind.chars().next()));
    match case {
        Case::Kept => Ok(name.to_owned()),
        _ if name.chars().any(has_young_case) => Err(Nameless::Unlike),
        Case::Upper => Ok(name.to_uppercase()),
        Case::Lower if are_sigmas_plain() => Ok(name.to_lowercase()),
        Case::Lower => Err(Nameless::Unlike),
    }
}

/// Letters whose other case came with Unicode 14 to 17: Java 17, the oldest that brokers run on, has 13.
fn has_young_case(c: char) -> bool {
    matches!(c,
        '\u{19B}' | '\u{264}' | '\u{1C89}'..='\u{1C8A}' | '\u{2C2F}' | '\u{2C5F}' | '\u{A7C0}'..='\u{A7C1}'
        | '\u{A7CB}'..='\u{A7DF}' | '\u{10570}'..='\u{105BF}' | '\u{10D50}'..='\u{10D85}' | '\u{16EA0}'..='\u{16ED3}')
}

/// The text up to the next `/` that no backslash precedes, and what follows it.
fn until_slash(text: &str) -> Option<(&str, &str)> {
    let mut is_escaped = false;
    let slash = text.char_indices().find(|(_, c)| {
        let is_slash = *c == '/' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        is_slash
    });
    let (at, _) = slash?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Java's `String.replaceAll`. It also finds an empty match right behind another one, which this crate's does
/// not: `.*` matches a name twice.
fn replace_all(pattern: &Regex, replacement: &[Part], subject: &str) -> Result<String, Nameless> {
    let mut result = String::new();
    let (mut copied, mut next) = (0, 0);
    let between = |from: usize, to: usize| subject.get(from..to).unwrap_or_default();
    while let Some((captures, found)) = find(pattern, subject, next) {
        // From here on Java also looks for matches between the halves of a surrogate pair.
        if next == 0 && between(found.end(), subject.len()).chars().any(|c| c.len_utf16() > 1) {
            return Err(Nameless::Unlike);
        }
        result.push_str(between(copied, found.start()));
        for part in replacement {
            result.push_str(match part {
                Part::Text(text) => text,
                Part::Group(group) => captures.get(*group).map_or("", |group| group.as_str()),
            });
            if result.len() > PRINCIPAL_BYTES_MAX {
                return Err(Nameless::TooLong);
            }
        }
        copied = found.end();
        let skipped = between(copied, subject.len()).chars().next().map_or(1, char::len_utf8);
        next = if found.is_empty() { copied + skipped } else { copied };
    }
    result.push_str(between(copied, subject.len()));
    Ok(result)
}

fn find<'a>(pattern: &Regex, subject: &'a str, from: usize) -> Option<(Captures<'a>, Match<'a>)> {
    let captures = (from <= subject.len()).then(|| pattern.captures_at(subject, from)).flatten()?;
    let found = captures.get(0)?;
    Some((captures, found))
}

#[cfg(test)]
mod tests;
