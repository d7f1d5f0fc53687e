//! ACLs of groups and of their shadows.

use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::create_acls_response::AclCreationResult;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::delete_acls_response::{DeleteAclsFilterResult, DeleteAclsMatchingAcl};

use super::*;
use crate::apis::admin::testing::{opened, OPENED};
use crate::remapper::Lane;
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{ask, request, shared, take_frames, text, Seen};

const TOPIC: i8 = 2;
const DENY: i8 = 2;
const ALLOW: i8 = 3;

/// One physical partition for each virtual one: no shadows.
const ONE_LANE: &str = r#"{"mapping": {"virtual_partitions": 2, "physical_partitions": 2},
    "upstream": {"shared_administration": true}}"#;

fn creation(kind: i8, name: &str, pattern: i8, permission: i8) -> AclCreation {
    AclCreation::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_resource_pattern_type(pattern)
        .with_principal(text("User:alice"))
        .with_host(text("10.0.0.1"))
        .with_operation(3)
        .with_permission_type(permission)
}

fn filter(kind: i8, name: Option<&str>, pattern: i8) -> DeleteAclsFilter {
    DeleteAclsFilter::default()
        .with_resource_type_filter(kind)
        .with_resource_name_filter(name.map(text))
        .with_pattern_type_filter(pattern)
        .with_principal_filter(Some(text("User:alice")))
        .with_host_filter(None)
        .with_operation(3)
        .with_permission_type(1)
}

fn created(code: i16, words: Option<&str>) -> AclCreationResult {
    AclCreationResult::default().with_error_code(code).with_error_message(words.map(text))
}

/// The broker's results for what is asked, in one request or two, and the client's.
fn create_acls(
    config: &str,
    asked: &[AclCreation],
    found: &[AclCreationResult],
) -> (Vec<AclCreation>, Vec<AclCreationResult>) {
    let mut all = None;
    for version in 1..=3 {
        let message = CreateAclsRequest::default().with_creations(asked.to_vec());
        let mut found = found.to_vec();
        let (seen, told) = ask(config, version, &message, |seen| {
            let count = seen.message::<CreateAclsRequest>().creations.len();
            seen.answer(&CreateAclsResponse::default().with_results(found.drain(..count).collect()))
        });
        assert!(found.is_empty() && seen[0].message::<CreateAclsRequest>() == message, "the client's go first");
        let creations = seen.iter().flat_map(|seen| seen.message::<CreateAclsRequest>().creations).collect();
        let now = (creations, told.results);
        assert_eq!(all.get_or_insert(now.clone()), &mut now.clone(), "v{version}");
    }
    all.unwrap()
}

#[test]
fn an_acl_of_a_group_holds_for_its_shadows() {
    let prefix = shadows_of("payments").unwrap();
    for lane in [1, 2, 77, 1_000_000] {
        assert!(shadow::name("payments", Lane(lane)).starts_with(&*prefix), "{lane}");
    }
    for permission in [ALLOW, DENY] {
        let asked = [
            creation(TOPIC, "payments", LITERAL, permission),
            creation(GROUP, "payments", LITERAL, permission),
            creation(GROUP, "*", LITERAL, permission),
            creation(GROUP, "pay", PREFIXED, permission),
            creation(GROUP, "a", LITERAL, permission),
        ];
        let shadows = [creation(GROUP, "payments~", PREFIXED, permission), creation(GROUP, "a~", PREFIXED, permission)];
        let done = created(0, None);
        let (seen, told) = create_acls(&opened(), &asked, &vec![done.clone(); 7]);
        assert_eq!(seen, [&asked[..], &shadows].concat());
        assert_eq!(told, vec![done.clone(); 5], "one for each of the client's");
    }
}

#[test]
fn an_acl_that_was_not_created_for_shadows_is_not_created() {
    let asked = [creation(GROUP, "g", LITERAL, ALLOW), creation(GROUP, "h", LITERAL, ALLOW)];
    let (own, shadows) = (created(31, Some("own")), created(87, Some("shadows")));
    let done = created(0, None);
    let (_, told) = create_acls(&opened(), &asked, &[own.clone(), done.clone(), shadows.clone(), shadows.clone()]);
    assert_eq!(told, [own, shadows]);
}

#[test]
fn what_has_no_shadows_goes_on_as_it_is() {
    let shadow = shadow::name("payments", Lane(2));
    for (config, asked) in [
        (OPENED, creation(GROUP, "payments", LITERAL, ALLOW)),
        (ONE_LANE, creation(GROUP, "payments", LITERAL, ALLOW)),
        (&*opened(), creation(TOPIC, "payments", LITERAL, ALLOW)),
        (&*opened(), creation(GROUP, "*", LITERAL, ALLOW)),
        (&*opened(), creation(GROUP, "", LITERAL, ALLOW)),
        (&*opened(), creation(GROUP, &shadow, LITERAL, ALLOW)),
        (&*opened(), creation(GROUP, &"g".repeat(limits::STRING_BYTES_MAX), LITERAL, ALLOW)),
    ] {
        let (seen, _) = create_acls(config, std::slice::from_ref(&asked), &[created(0, None)]);
        assert_eq!(seen, [asked]);
    }
}

fn deleted(code: i16, names: &[&str]) -> DeleteAclsFilterResult {
    let acl = |name: &&str| DeleteAclsMatchingAcl::default().with_resource_name(text(name));
    DeleteAclsFilterResult::default().with_error_code(code).with_matching_acls(names.iter().map(acl).collect())
}

#[test]
fn an_acl_of_a_group_goes_with_that_of_its_shadows() {
    let asked = [
        filter(GROUP, Some("g"), LITERAL),
        filter(TOPIC, Some("g"), LITERAL),
        filter(GROUP, Some("g"), PREFIXED),
        filter(ANY_TYPE, Some("h"), ANY_PATTERN),
        filter(GROUP, Some("i"), MATCH),
        filter(GROUP, Some("*"), LITERAL),
        filter(GROUP, None, LITERAL),
    ];
    let shadows = ["g~", "h~", "i~"].map(|name| filter(GROUP, Some(name), PREFIXED));
    let found = [
        deleted(0, &["g"]),
        deleted(0, &[]),
        deleted(0, &[]),
        deleted(31, &[]),
        deleted(0, &["i", "i"]),
        deleted(0, &[]),
        deleted(0, &["x"]),
        deleted(0, &["g~"]),
        deleted(0, &["h~"]),
        deleted(87, &["i~"]),
    ];
    for version in 1..=3 {
        let message = DeleteAclsRequest::default().with_filters(asked.to_vec());
        let mut found = found.to_vec();
        let (seen, told) = ask(&opened(), version, &message, |seen| {
            let count = seen.message::<DeleteAclsRequest>().filters.len();
            seen.answer(&DeleteAclsResponse::default().with_filter_results(found.drain(..count).collect()))
        });
        let asked_for: Vec<_> = seen.iter().map(|seen| seen.message::<DeleteAclsRequest>().filters).collect();
        assert_eq!(asked_for, [asked.to_vec(), shadows.to_vec()], "v{version}");
        let told: Vec<_> = told
            .filter_results
            .iter()
            .map(|result| {
                (result.error_code, result.matching_acls.iter().map(|acl| &*acl.resource_name).collect::<Vec<_>>())
            })
            .collect();
        let expected = [
            (0, vec!["g", "g~"]),
            (0, vec![]),
            (0, vec![]),
            (31, vec!["h~"]),
            (87, vec!["i", "i", "i~"]),
            (0, vec![]),
            (0, vec!["x"]),
        ];
        assert_eq!(told, expected, "v{version}");
    }
}

/// A controller takes 10,000 in one request, and no more.
#[test]
fn no_request_grows() {
    let asked: Vec<_> = (0..10_000).map(|n| creation(GROUP, &format!("g{n}"), LITERAL, ALLOW)).collect();
    let message = CreateAclsRequest::default().with_creations(asked);
    let (seen, told) = ask(&opened(), 3, &message, |seen| {
        let count = seen.message::<CreateAclsRequest>().creations.len();
        seen.answer(&CreateAclsResponse::default().with_results(vec![created(0, None); count]))
    });
    let counts: Vec<_> = seen.iter().map(|seen| seen.message::<CreateAclsRequest>().creations.len()).collect();
    assert_eq!((counts, told.results.len()), (vec![10_000, 10_000], 10_000));
}

#[test]
fn an_answer_of_another_length_is_the_brokers_fault() {
    for (own, shadows) in [(0, 1), (2, 1), (1, 0), (1, 2)] {
        let mut proxy = Proxy::new(&shared(&opened()), Feeding::Passing, None);
        let message = CreateAclsRequest::default().with_creations(vec![creation(GROUP, "g", LITERAL, ALLOW)]);
        proxy.client(&request(3, 77, &message));
        for (seen, results) in take_frames(&mut proxy.up).iter().map(Seen::parse).zip([own, shadows]) {
            let results = vec![created(0, None); results];
            proxy.broker(&seen.answer(&CreateAclsResponse::default().with_results(results)));
        }
        assert!(proxy.closed && proxy.down.is_empty(), "{own} {shadows}");
    }
}
