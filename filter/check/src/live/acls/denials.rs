//! Rules that deny: a shadow has another name than its group, so a rule may be for one of the two.

use std::collections::BTreeMap;

use kafka_partition_remapper_core::remapper::Lane;
use kafka_partition_remapper_core::shadow;

use super::{Judge, Rule, OPERATIONS, OPERATION_ALL};
use crate::report::{name, Level, Report, Section};

/// A denial of one operation, by what a command to take it away names.
type Denials<'a> = BTreeMap<(&'a str, Denied<'a>), Vec<&'static str>>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Denied<'a> {
    pattern: &'a str,
    is_prefix: bool,
    principal: &'a str,
    host: &'a str,
    /// Somebody uses the group, and may be meant by the rule.
    is_problem: bool,
}

/// Says which denials are for a group or for its shadows only. True if there are any.
pub(super) fn check(judge: &Judge<'_>, report: &mut Report) -> bool {
    let (mut of_shadows, mut of_groups) = (Denials::new(), Denials::new());
    for rule in judge.denied {
        for (operation, word) in denied_operations(rule.operation) {
            if let Some((group, lane)) = shadows_of(rule) {
                let is_denied_too = judge.denied.iter().any(|other| {
                    other.covers_name(group) && other.is_for(rule.principal, rule.host) && other.denies(operation)
                });
                let allows =
                    |other: &Rule<'_>| other.covers_name(group) && other.may_be_for(rule) && grants(other, operation);
                let is_used = judge.readers.contains(group) && judge.allowed.iter().any(allows);
                if !is_denied_too {
                    let denied = Denied::of(rule, is_used && lane.0 < judge.lanes_max);
                    of_shadows.entry((group, denied)).or_default().push(word);
                }
            } else if rule.is_of_one_group() {
                let prefix = format!("{}~", rule.pattern);
                let is_denied_too = judge.denied.iter().any(|other| {
                    other.covers_prefix(&prefix) && other.is_for(rule.principal, rule.host) && other.denies(operation)
                });
                let allows = |other: &Rule<'_>| {
                    other.covers_prefix(&prefix) && other.may_be_for(rule) && grants(other, operation)
                };
                if !is_denied_too && judge.allowed.iter().any(allows) {
                    of_groups.entry((rule.pattern, Denied::of(rule, false))).or_default().push(word);
                }
            }
        }
    }
    for ((group, denied), words) in &of_shadows {
        let level = if denied.is_problem { Level::Problem } else { Level::Note };
        let which = if denied.is_prefix { "whose names begin with" } else { "by the name of" };
        let text = format!(
            "{}: {} on shadows of the group, {which} {}, and not on the group: offsets of lanes above 0 fail. {}; or deny the \
             group as well",
            name(group),
            denied.who(words),
            name(denied.pattern),
            denied.command("--remove", judge.bootstrap, words, denied.pattern, denied.is_prefix)
        );
        report.add(Section::Acls, level, text);
    }
    for ((group, denied), words) in &of_groups {
        let text = format!(
            "{}: {} on the group, and not on its shadows, which hold the offsets of lanes above 0. {}",
            name(group),
            denied.who(words),
            denied.command("--add", judge.bootstrap, words, &format!("{group}~"), true)
        );
        report.add(Section::Acls, Level::Note, text);
    }
    !of_shadows.is_empty() || !of_groups.is_empty()
}

impl<'a> Denied<'a> {
    fn of(rule: &Rule<'a>, is_problem: bool) -> Self {
        let Rule { pattern, is_prefix, principal, host, .. } = *rule;
        Self { pattern, is_prefix, principal, host, is_problem }
    }

    fn who(&self, words: &[&str]) -> String {
        let from = if self.host == "*" { String::new() } else { format!(" from {}", name(self.host)) };
        format!("{}{from} is denied {}", name(self.principal), words.join(" and "))
    }

    fn command(&self, verb: &str, bootstrap: &str, words: &[&str], pattern: &str, is_prefix: bool) -> String {
        let principal = self.principal;
        let from = if self.host == "*" { String::new() } else { format!(" --deny-host {}", self.host) };
        let operations: Vec<String> = words.iter().map(|word| format!("--operation {word}")).collect();
        let kind = if is_prefix { " --resource-pattern-type prefixed" } else { "" };
        format!(
            "kafka-acls.sh --bootstrap-server {bootstrap} {verb} --deny-principal '{principal}'{from} {} --group \
             '{pattern}'{kind}",
            operations.join(" ")
        )
    }
}

/// What a rule denies of that which clients need. Unlike one that allows, it implies nothing.
fn denied_operations(operation: i8) -> impl Iterator<Item = (i8, &'static str)> {
    let all = (operation == OPERATION_ALL).then_some((OPERATION_ALL, "All"));
    let one = OPERATIONS.iter().filter(move |(id, ..)| *id == operation).map(|(id, word, _)| (*id, *word));
    all.into_iter().chain(one)
}

/// Whether the rule allows something of what another one denies.
fn grants(rule: &Rule<'_>, denied: i8) -> bool {
    let mut operations = OPERATIONS.iter().filter(|(id, ..)| denied == OPERATION_ALL || denied == *id);
    operations.any(|(id, _, implied_by)| rule.allows(*id, implied_by))
}

/// The group whose shadows the rule is for, by name or by the beginning of their names, and the lowest lane
/// of theirs. Not where the rule is for the group as well.
fn shadows_of<'a>(rule: &Rule<'a>) -> Option<(&'a str, Lane)> {
    if !rule.is_prefix {
        return shadow::parse(rule.pattern);
    }
    let (rest, last) = rule.pattern.rsplit_once('~')?;
    // group~lane~ with more or less of the suffix.
    if let Some((group, lane)) = rest.rsplit_once('~').and_then(|(group, lane)| Some((group, lane_of(lane)?))) {
        if shadow::name(group, lane).starts_with(rule.pattern) {
            return Some((group, lane));
        }
    }
    // group~ with more or less of the lane.
    match last {
        "" => Some((rest, Lane(1))),
        lane => Some((rest, lane_of(lane)?)),
    }
}

/// A lane as it is written in names.
fn lane_of(text: &str) -> Option<Lane> {
    let lane: u32 = text.parse().ok()?;
    (lane > 0 && lane.to_string() == text).then_some(Lane(lane))
}
