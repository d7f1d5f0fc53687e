//! Who may use a group, and not its shadows: `G` is covered, the prefix `G~` is not, or denied.

mod denials;

use std::collections::{BTreeMap, BTreeSet};

use kafka_partition_remapper_core::shadow;
use kafka_protocol::messages::describe_acls_response::DescribeAclsResource;
use kafka_protocol::messages::{ApiKey, DescribeAclsRequest};
use kafka_protocol::ResponseError;

use super::groups::Readers;
use super::Checker;
use crate::net::{error_name, Trouble};
use crate::report::{counted, name, Level, Report, Section};

const VERSION: i16 = 3;
const GROUP: i8 = 3;
const ANY: i8 = 1;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const DENY: i8 = 2;
const ALLOW: i8 = 3;
const EVERYBODY: &str = "User:*";
const ANY_HOST: &str = "*";
const OPERATION_ALL: i8 = 2;
/// What clients need of a group, with its number; and all that allows it beside `All` and itself.
const OPERATIONS: [(i8, &str, &[i8]); 3] = [
    (3, "Read", &[]),
    // Read, Write, Delete and Alter imply it.
    (8, "Describe", &[3, 4, 6, 7]),
    (6, "Delete", &[]),
];

pub(super) fn check(checker: &mut Checker<'_>, readers: &Readers) {
    checker.progress.step("reading ACLs of groups");
    let result = ask(checker, readers);
    checker.settle(Section::Acls, result);
}

fn ask(checker: &mut Checker<'_>, readers: &Readers) -> Result<(), Trouble> {
    let request = |_| {
        DescribeAclsRequest::default()
            .with_resource_type_filter(GROUP)
            .with_resource_name_filter(None)
            .with_pattern_type_filter(ANY)
            .with_principal_filter(None)
            .with_host_filter(None)
            .with_operation(ANY)
            .with_permission_type(ANY)
    };
    let broker = checker.cluster.any()?;
    if !checker.cluster.connection(broker)?.knows(ApiKey::DescribeAcls as i16) {
        checker.report.add(Section::Acls, Level::Note, "the brokers tell no ACLs: not checked");
        return Ok(());
    }
    let answer = checker.cluster.ask(broker, VERSION, request)?;
    let note = |text: &str| (Section::Acls, Level::Note, text.to_owned());
    let (section, level, text) = match answer.error_code {
        0 => {
            let lanes_max = checker.lanes_max();
            judge(&answer.resources, (readers, lanes_max), &checker.bootstrap, &mut checker.report);
            return Ok(());
        }
        code if code == ResponseError::SecurityDisabled.code() => {
            note("the brokers have no authorizer: nothing to check")
        }
        code if code == ResponseError::ClusterAuthorizationFailed.code() => {
            note("this user may not see ACLs (Describe on the cluster): not checked")
        }
        code => {
            let error = error_name(code).unwrap_or_default();
            return Err(Trouble::new(format!("ACLs are not told: {error}")));
        }
    };
    checker.report.add(section, level, text);
    Ok(())
}

/// One rule on groups.
struct Rule<'a> {
    pattern: &'a str,
    is_prefix: bool,
    principal: &'a str,
    host: &'a str,
    operation: i8,
}

impl Rule<'_> {
    /// Whether the rule is for all groups whose name begins so.
    fn covers_prefix(&self, prefix: &str) -> bool {
        if self.is_prefix {
            prefix.starts_with(self.pattern)
        } else {
            self.pattern == "*"
        }
    }

    fn covers_name(&self, group: &str) -> bool {
        self.covers_prefix(group) || (!self.is_prefix && self.pattern == group)
    }

    /// Whether the rule is for one group, which is no shadow.
    fn is_of_one_group(&self) -> bool {
        !self.is_prefix && self.pattern != "*" && shadow::parse(self.pattern).is_none()
    }

    /// Whether the rule is for everybody that `principal` and `host` of another rule mean.
    fn is_for(&self, principal: &str, host: &str) -> bool {
        [principal, EVERYBODY].contains(&self.principal) && [host, ANY_HOST].contains(&self.host)
    }

    /// Whether somebody is meant by both rules.
    fn may_be_for(&self, other: &Rule<'_>) -> bool {
        let principal = self.principal == EVERYBODY || [self.principal, EVERYBODY].contains(&other.principal);
        let host = self.host == ANY_HOST || [self.host, ANY_HOST].contains(&other.host);
        principal && host
    }

    fn allows(&self, operation: i8, implied_by: &[i8]) -> bool {
        self.denies(operation) || implied_by.contains(&self.operation)
    }

    /// What denies implies nothing, but that `All` is all.
    fn denies(&self, operation: i8) -> bool {
        self.operation == operation || self.operation == OPERATION_ALL
    }
}

/// What rules are judged by.
struct Judge<'a> {
    allowed: &'a [Rule<'a>],
    denied: &'a [Rule<'a>],
    readers: &'a Readers,
    lanes_max: u32,
    /// host:port that commands name.
    bootstrap: &'a str,
}

fn rules(resources: &[DescribeAclsResource], permission: i8) -> Vec<Rule<'_>> {
    let resources = resources.iter().filter(|resource| [LITERAL, PREFIXED].contains(&resource.pattern_type));
    let rules = resources.flat_map(|resource| {
        resource.acls.iter().filter(move |acl| acl.permission_type == permission).map(|acl| Rule {
            pattern: &resource.resource_name,
            is_prefix: resource.pattern_type == PREFIXED,
            principal: &acl.principal,
            host: &acl.host,
            operation: acl.operation,
        })
    });
    rules.collect()
}

fn judge(
    resources: &[DescribeAclsResource],
    (readers, lanes_max): (&Readers, u32),
    bootstrap: &str,
    report: &mut Report,
) {
    let (allowed, denied) = (rules(resources, ALLOW), rules(resources, DENY));
    let judge = Judge { allowed: &allowed, denied: &denied, readers, lanes_max, bootstrap };
    let has_denials = denials::check(&judge, report);
    let has_gaps = gaps(&judge, report);
    if !has_gaps && !has_denials {
        let count = counted(allowed.len() + denied.len(), "rule");
        let text = format!("{count} on groups: whoever may use a group may use its shadows");
        report.add(Section::Acls, Level::Fine, text);
    }
}

/// Says who is allowed a group and not its shadows. True if there is anybody.
fn gaps(judge: &Judge<'_>, report: &mut Report) -> bool {
    let Judge { allowed: rules, readers, bootstrap, .. } = judge;
    // Only those that are for all names or for beginnings of them can cover a prefix.
    let wide: Vec<&Rule<'_>> = rules.iter().filter(|rule| rule.is_prefix || rule.pattern == "*").collect();
    let mut gaps: BTreeMap<(&str, &str, &str), BTreeSet<&str>> = BTreeMap::new();
    for rule in rules.iter().filter(|rule| rule.is_of_one_group()) {
        let prefix = format!("{}~", rule.pattern);
        for (operation, word, implied_by) in OPERATIONS.iter().filter(|(id, _, implied)| rule.allows(*id, implied)) {
            let is_covered = wide.iter().any(|wide| {
                wide.covers_prefix(&prefix)
                    && wide.is_for(rule.principal, rule.host)
                    && wide.allows(*operation, implied_by)
            });
            if !is_covered {
                gaps.entry((rule.pattern, rule.principal, rule.host)).or_default().insert(word);
            }
        }
    }
    for ((group, principal, host), operations) in &gaps {
        // Read brings Describe along.
        let needed = operations.iter().filter(|word| !(**word == "Describe" && operations.len() > 1));
        let needed: Vec<String> = needed.map(|word| format!("--operation {word}")).collect();
        let from = if *host == "*" { String::new() } else { format!(" --allow-host {host}") };
        let command = format!(
            "kafka-acls.sh --bootstrap-server {bootstrap} --add --allow-principal '{principal}'{from} {} --group '{group}~' \
             --resource-pattern-type prefixed",
            needed.join(" ")
        );
        let who = name(principal);
        if readers.contains(*group) {
            let text = format!("{}: {who} may use the group and not its shadows. {command}", name(group));
            report.add(Section::Acls, Level::Problem, text);
        } else {
            let text = format!(
                "{}: {who} may use the group, and could not use shadows. If it reads mapped topics: {command}",
                name(group)
            );
            report.add(Section::Acls, Level::Note, text);
        }
    }
    !gaps.is_empty()
}

#[cfg(test)]
mod tests;
