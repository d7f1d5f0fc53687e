//! Who a client is by its certificate: Kafka's `ssl.principal.mapping.rules` (KIP-371), applied as its
//! `SslPrincipalMapper` does.
//!
//! A rule is `DEFAULT`, which takes the distinguished name as it is, or `RULE:pattern/replacement/[LU]`. The first rule
//! whose pattern matches the whole name decides.

mod java;
pub mod subject;

use regex::{Captures, Regex};

use self::java::Part;
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
    /// Reads rules, one per item: 1 to [`PRINCIPAL_RULES_MAX`], each of at most [`PRINCIPAL_RULE_BYTES_MAX`] bytes.
    /// Patterns are Java's, as far as the crate regex can match the same.
    ///
    /// # Errors
    /// Begins with the index of the rule in brackets, if one is to blame, and a colon: a path may stand before it.
    pub fn parse(rules: &[String]) -> Result<Self, String> {
        if !(1..=PRINCIPAL_RULES_MAX).contains(&rules.len()) {
            return Err(format!(": {} rules are not in 1..={PRINCIPAL_RULES_MAX}", rules.len()));
        }
        let rules = rules.iter().enumerate();
        let rules = rules.map(|(index, text)| Rule::parse(text).map_err(|problem| format!("[{index}]: {problem}")));
        rules.collect::<Result<_, _>>().map(Self)
    }

    /// The principal of a certificate's subject, an RFC 2253 distinguished name. None: no rule matches, or what it makes
    /// is empty, or either name is longer than [`PRINCIPAL_BYTES_MAX`]; such a client has to be refused.
    pub fn principal(&self, subject: &str) -> Option<String> {
        let is_bounded = |name: &str| name.len() <= PRINCIPAL_BYTES_MAX;
        let subject = Some(subject).filter(|name| is_bounded(name))?;
        let name = self.0.iter().find(|rule| rule.matches(subject))?.apply(subject)?;
        Some(name).filter(|name| !name.is_empty() && is_bounded(name))
    }
}

impl Rule {
    fn parse(text: &str) -> Result<Self, String> {
        if text.len() > PRINCIPAL_RULE_BYTES_MAX {
            return Err(format!("{} bytes are more than {PRINCIPAL_RULE_BYTES_MAX}", text.len()));
        }
        let rule = text.trim();
        if rule == "DEFAULT" {
            return Ok(Self::Default);
        }
        let form =
            || format!("{rule:?} is neither DEFAULT nor RULE:pattern/replacement/, with L or U behind it or nothing");
        let (pattern, rest) = rule.strip_prefix("RULE:").and_then(until_slash).ok_or_else(form)?;
        let (replacement, end) = until_slash(rest).ok_or_else(form)?;
        let case = match end {
            "" => Case::Kept,
            "L" => Case::Lower,
            "U" => Case::Upper,
            _ => return Err(format!("{}; each rule is an item of its own", form())),
        };
        let wrong = |problem| format!("{pattern:?} {problem}");
        let translated = java::pattern(pattern).map_err(wrong)?;
        let compiled = pattern::compile(&translated).map_err(wrong)?;
        let replacement =
            java::replacement(replacement, &compiled).map_err(|problem| format!("{replacement:?} {problem}"))?;
        Ok(Self::Replace {
            whole: pattern::compile_whole(&translated).map_err(wrong)?,
            pattern: compiled,
            replacement,
            case,
        })
    }

    fn matches(&self, subject: &str) -> bool {
        match self {
            Self::Default => true,
            Self::Replace { whole, .. } => whole.is_match(subject),
        }
    }

    /// None: the name gets longer than it may.
    fn apply(&self, subject: &str) -> Option<String> {
        match self {
            Self::Default => Some(subject.to_owned()),
            Self::Replace { pattern, replacement, case, .. } => {
                let name = replace_all(pattern, replacement, subject)?;
                Some(match case {
                    Case::Kept => name,
                    Case::Lower => name.to_lowercase(),
                    Case::Upper => name.to_uppercase(),
                })
            }
        }
    }
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

/// Java's `String.replaceAll`. It also finds an empty match right behind another one, which this crate's does not:
/// `.*` matches a name twice. None: the result is too long.
fn replace_all(pattern: &Regex, replacement: &[Part], subject: &str) -> Option<String> {
    let mut result = String::new();
    let (mut copied, mut next) = (0, 0);
    while let Some(captures) = find(pattern, subject, next) {
        let found = captures.get(0)?;
        result.push_str(subject.get(copied..found.start())?);
        for part in replacement {
            result.push_str(match part {
                Part::Text(text) => text,
                Part::Group(group) => captures.get(*group).map_or("", |group| group.as_str()),
            });
            if result.len() > PRINCIPAL_BYTES_MAX {
                return None;
            }
        }
        copied = found.end();
        let skipped = subject.get(copied..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
        next = if found.is_empty() { copied + skipped } else { copied };
    }
    result.push_str(subject.get(copied..)?);
    Some(result)
}

fn find<'a>(pattern: &Regex, subject: &'a str, from: usize) -> Option<Captures<'a>> {
    (from <= subject.len()).then(|| pattern.captures_at(subject, from)).flatten()
}

#[cfg(test)]
mod tests;
