//! Rules that are for a group and its shadows, or for one of the two.

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

fn denying(pattern: &'static str, pattern_type: i8, acls: &[(&'static str, i8)]) -> DescribeAclsResource {
    let mut resource = resource(pattern, pattern_type, acls);
    resource.acls.iter_mut().for_each(|acl| acl.permission_type = DENY);
    resource
}

fn judged(resources: &[DescribeAclsResource]) -> (u8, String) {
    let mut report = Report::default();
    judge(resources, (&["payments".to_owned()].into(), 12), "k:1", &mut report);
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
        let command = "kafka-acls.sh --bootstrap-server k:1 --add --allow-principal 'User:a' --operation Read --group \
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

/// `payments` and its shadows, allowed.
fn whole() -> Vec<DescribeAclsResource> {
    vec![resource("payments", LITERAL, &[("User:a", 3)]), resource("payments~", PREFIXED, &[("User:a", 3)])]
}

#[test]
fn shadows_that_are_denied_and_their_group_is_not() {
    let second: &'static str = shadow::name("payments", kafka_partition_remapper_core::remapper::Lane(2)).leak();
    for (denial, operations, pattern) in [
        (denying("payments~", PREFIXED, &[("User:a", 3)]), "Read", "begin with payments~, and"),
        (denying("payments~", PREFIXED, &[("User:*", OPERATION_ALL)]), "All", "begin with payments~, and"),
        (denying("payments~1", PREFIXED, &[("User:a", 8)]), "Describe", "begin with payments~1, and"),
        (denying(&second[..14], PREFIXED, &[("User:a", 3)]), "Read", &format!("with {}, and", &second[..14])),
        (denying(second, LITERAL, &[("User:a", 3)]), "Read", &format!("by the name of {second}, and")),
    ] {
        let principal = denial.acls[0].principal.clone();
        let (pattern_name, is_prefix) = (denial.resource_name.clone(), denial.pattern_type == PREFIXED);
        let (code, text) = judged(&[whole(), vec![denial]].concat());
        assert!(code == 1 && text.contains(pattern) && !text.contains("whoever"), "{text}");
        let says = format!("payments: {principal} is denied {operations} on shadows of the group, ");
        let kind = if is_prefix { " --resource-pattern-type prefixed" } else { "" };
        let command = format!(
            "--remove --deny-principal '{principal}' --operation {operations} --group '{pattern_name}'{kind}; or deny"
        );
        assert!(text.contains(&says) && text.contains(&command), "{text}");
    }
}

#[test]
fn denials_of_shadows_that_hurt_nobody_are_noted() {
    for denial in [
        denying("payments~", PREFIXED, &[("User:b", 3)]),
        denying("payments~", PREFIXED, &[("User:a", 6)]),
        denying("payments~12", PREFIXED, &[("User:a", 3)]),
        denying("other~", PREFIXED, &[("User:a", 3)]),
    ] {
        let (code, text) = judged(&[whole(), vec![denial]].concat());
        let is_noted = text.contains(" on shadows of the group, ") && !text.contains("whoever");
        assert!(code == 0 && is_noted, "{text}");
    }
}

/// As the filter makes them.
#[test]
fn denials_of_both_are_as_they_should_be() {
    for denials in [
        vec![denying("payments", LITERAL, &[("User:a", 3)]), denying("payments~", PREFIXED, &[("User:a", 3)])],
        vec![denying("payments~", PREFIXED, &[("User:a", 3)]), denying("pay", PREFIXED, &[("User:*", 2)])],
        vec![denying("*", LITERAL, &[("User:b", 3)])],
        vec![denying("payments~", PREFIXED, &[("User:a", 4)])],
        vec![denying("pay~ments", PREFIXED, &[("User:a", 3)])],
        vec![denying("payments~0", PREFIXED, &[("User:a", 3)])],
    ] {
        let count = denials.len() + 2;
        let (code, text) = judged(&[whole(), denials].concat());
        let fine = format!("  {count} rules on groups: whoever may use a group may use its shadows\n");
        assert!(code == 0 && text.contains(&fine) && !text.contains("note"), "{text}");
    }
    let (_, text) = judged(&[resource("pay", PREFIXED, &[("User:a", 3)])]);
    assert!(text.contains("  1 rule on groups: "), "{text}");
}

#[test]
fn a_group_that_is_denied_and_its_shadows_are_not() {
    let everybody = resource("*", LITERAL, &[("User:*", 3)]);
    let denied = denying("payments", LITERAL, &[("User:a", 3)]);
    let (code, text) = judged(&[everybody.clone(), denied.clone()]);
    let command = "--add --deny-principal 'User:a' --operation Read --group 'payments~' --resource-pattern-type \
        prefixed\n";
    let says = "note: payments: User:a is denied Read on the group, and not on its shadows";
    assert!(code == 0 && text.contains(says) && text.contains(command) && !text.contains("whoever"), "{text}");
    let (_, text) = judged(&[everybody, denied.clone(), denying("payments~", PREFIXED, &[("User:a", 3)])]);
    assert!(!text.contains("note"), "{text}");
    // Nobody allows it.
    let (_, text) = judged(&[denied]);
    assert!(!text.contains("note"), "{text}");
}
