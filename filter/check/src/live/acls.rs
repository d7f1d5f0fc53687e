//! Who may use a group, and not its shadows: `G` is covered, the prefix `G~` is not.

use std::collections::{BTreeMap, BTreeSet};

use kafka_partition_remapper_core::shadow;
use kafka_protocol::messages::describe_acls_response::DescribeAclsResource;
use kafka_protocol::messages::{ApiKey, DescribeAclsRequest};
use kafka_protocol::ResponseError;

use super::groups::Readers;
use super::Checker;
use crate::net::{error_name, Trouble};
use crate::report::{name, Level, Report, Section};

const VERSION: i16 = 3;
const GROUP: i8 = 3;
const ANY: i8 = 1;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const ALLOW: i8 = 3;
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
            judge(&answer.resources, readers, &checker.bootstrap, &mut checker.report);
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

/// One rule that allows something on groups.
struct Rule<'a> {
    pattern: &'a str,
    is_prefix: bool,
    principal: &'a str,
    host: &'a str,
    operation: i8,
}

impl Rule<'_> {
    /// Whether the rule allows the operation on all groups whose name begins so.
    fn covers(&self, prefix: &str, principal: &str, host: &str, operation: i8, implied_by: &[i8]) -> bool {
        let names = if self.is_prefix { prefix.starts_with(self.pattern) } else { self.pattern == "*" };
        let who = [principal, "User:*"].contains(&self.principal) && [host, "*"].contains(&self.host);
        names && who && self.allows(operation, implied_by)
    }

    fn allows(&self, operation: i8, implied_by: &[i8]) -> bool {
        self.operation == operation || self.operation == OPERATION_ALL || implied_by.contains(&self.operation)
    }
}

fn judge(resources: &[DescribeAclsResource], readers: &Readers, bootstrap: &str, report: &mut Report) {
    let rules: Vec<Rule<'_>> = resources
        .iter()
        .filter(|resource| [LITERAL, PREFIXED].contains(&resource.pattern_type))
        .flat_map(|resource| {
            resource.acls.iter().filter(|acl| acl.permission_type == ALLOW).map(|acl| Rule {
                pattern: &resource.resource_name,
                is_prefix: resource.pattern_type == PREFIXED,
                principal: &acl.principal,
                host: &acl.host,
                operation: acl.operation,
            })
        })
        .collect();
    // Only those that are for all names or for beginnings of them can cover a prefix.
    let wide: Vec<&Rule<'_>> = rules.iter().filter(|rule| rule.is_prefix || rule.pattern == "*").collect();
    let mut gaps: BTreeMap<(&str, &str, &str), BTreeSet<&str>> = BTreeMap::new();
    let of_groups = |rule: &&Rule<'_>| !rule.is_prefix && rule.pattern != "*" && shadow::parse(rule.pattern).is_none();
    for rule in rules.iter().filter(of_groups) {
        let prefix = format!("{}~", rule.pattern);
        for (operation, word, implied_by) in OPERATIONS.iter().filter(|(id, _, implied)| rule.allows(*id, implied)) {
            let is_covered = wide.iter().any(|w| w.covers(&prefix, rule.principal, rule.host, *operation, implied_by));
            if !is_covered {
                gaps.entry((rule.pattern, rule.principal, rule.host)).or_default().insert(word);
            }
        }
    }
    let count = rules.len();
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
    if gaps.is_empty() {
        report.add(
            Section::Acls,
            Level::Fine,
            format!("{count} rules on groups: whoever may use a group may use its shadows"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages::describe_acls_response::AclDescription;
    use kafka_protocol::protocol::StrBytes;

    fn resource(pattern: &'static str, pattern_type: i8, acls: &[(&'static str, i8)]) -> DescribeAclsResource {
        let acl = |(principal, operation): &(&'static str, i8)| {
            AclDescription::default()
                .with_principal(StrBytes::from_static_str(principal))
                .with_host(StrBytes::from_static_str("*"))
                .with_operation(*operation)
                .with_permission_type(ALLOW)
        };
        DescribeAclsResource::default()
            .with_resource_type(GROUP)
            .with_resource_name(StrBytes::from_static_str(pattern))
            .with_pattern_type(pattern_type)
            .with_acls(acls.iter().map(acl).collect())
    }

    fn judged(resources: &[DescribeAclsResource]) -> (u8, String) {
        let mut report = Report::default();
        judge(resources, &["payments".to_owned()].into(), "k:1", &mut report);
        (report.exit_code(), report.text(""))
    }

    #[test]
    fn a_group_without_its_prefix_is_a_gap() {
        for covering in [
            vec![],
            vec![resource("payments~", LITERAL, &[("User:a", 3)])],
            vec![resource("payments~1", PREFIXED, &[("User:a", 3)])],
            vec![resource("payments~", PREFIXED, &[("User:b", 3)])],
            vec![resource("payments~", PREFIXED, &[("User:a", 8)])],
        ] {
            let resources = [vec![resource("payments", LITERAL, &[("User:a", 3)])], covering].concat();
            let (code, text) = judged(&resources);
            assert_eq!(code, 1, "{text}");
            let command =
                "kafka-acls.sh --bootstrap-server k:1 --add --allow-principal 'User:a' --operation Read --group \
                'payments~' --resource-pattern-type prefixed\n";
            assert!(text.contains(command), "{text}");
        }
    }

    #[test]
    fn what_covers_the_prefix() {
        for covering in [
            resource("payments~", PREFIXED, &[("User:a", 3)]),
            resource("pay", PREFIXED, &[("User:*", 2)]),
            resource("*", LITERAL, &[("User:a", 3)]),
        ] {
            let (code, text) = judged(&[resource("payments", LITERAL, &[("User:a", 3)]), covering]);
            assert_eq!(code, 0, "{text}");
            assert!(!text.contains("note"), "{text}");
        }
    }

    #[test]
    fn all_operations_are_named_and_groups_that_read_nothing_mapped_are_no_problem() {
        let (code, text) = judged(&[resource("payments", LITERAL, &[("User:a", OPERATION_ALL)])]);
        assert!(code == 1 && text.contains("--operation Delete --operation Read --group"), "{text}");
        // A rule for a shadow itself is no rule for a group.
        let (code, text) = judged(&[resource("orders~1~0ANCIBzZ", LITERAL, &[("User:a", 3)])]);
        assert!(code == 0 && !text.contains("note"), "{text}");
        let (code, text) = judged(&[resource("other", LITERAL, &[("User:a", 8)])]);
        assert!(code == 0 && text.contains("note: other: User:a") && text.contains("--operation Describe"), "{text}");
    }
}
