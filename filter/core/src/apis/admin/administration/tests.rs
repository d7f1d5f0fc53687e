//! Requests that act for the identity that brokers see: in whose name they go up, and what is said where that
//! is shared.

use std::fmt::Debug;

use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData};
use kafka_protocol::messages::alter_user_scram_credentials_request::*;
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::protocol::StrBytes;

use crate::apis::admin::testing::{OPENED, SHARED};
use crate::limits;
use crate::testing::proxy::{Feeding, Proxy};
use crate::testing::{ask, ask_alone, framed, request, shared, take_frames, text, Seen, MAPPED};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Request;

const REFUSED: i16 = 31;

/// `message` in all versions: refused where the name is shared, but not where the configuration says that it
/// may be.
fn refused<R: Request + Clone + PartialEq + Debug>(message: &R, check: impl Fn(R::Response, i16))
where
    R::Response: Default + Clone + PartialEq + Debug,
{
    let api = crate::apis::TABLE.apis.find(R::KEY).unwrap();
    for version in api.version_min..=api.version_max {
        for config in SHARED {
            check(ask_alone(config, version, message), version);
        }
        let (seen, _) = ask(OPENED, version, message, |seen| seen.answer(&R::Response::default()));
        assert_eq!((seen.len(), seen[0].key, seen[0].version), (1, R::KEY, version));
    }
}

fn has_words(code: i16, words: Option<&StrBytes>) -> bool {
    code == REFUSED && words.is_some_and(|words| words.contains("upstream.shared_administration"))
}

#[test]
fn acls_are_not_administered_in_a_shared_name() {
    refused(&DescribeAclsRequest::default().with_resource_type_filter(1), |answer, _| {
        assert!(has_words(answer.error_code, answer.error_message.as_ref()) && answer.resources.is_empty());
    });
    for count in [1, 3] {
        let creation = AclCreation::default().with_resource_name(text("t")).with_principal(text("User:me"));
        refused(&CreateAclsRequest::default().with_creations(vec![creation; count]), |answer, _| {
            assert_eq!(answer.results.len(), count);
            assert!(answer.results.iter().all(|result| has_words(result.error_code, result.error_message.as_ref())));
        });
        let filter =
            DeleteAclsFilter::default().with_resource_type_filter(2).with_resource_name_filter(Some(text("t")));
        refused(&DeleteAclsRequest::default().with_filters(vec![filter; count]), |answer, _| {
            let results = answer.filter_results;
            assert_eq!(results.len(), count);
            assert!(results.iter().all(|result| has_words(result.error_code, result.error_message.as_ref())));
        });
    }
}

#[test]
fn quotas_and_users_are_not_administered_in_a_shared_name() {
    refused(&DescribeClientQuotasRequest::default(), |answer, _| {
        assert!(has_words(answer.error_code, answer.error_message.as_ref()) && answer.entries.is_none());
    });
    let entity = |name| EntityData::default().with_entity_type(text("user")).with_entity_name(name);
    let entries = [Some(text("alice")), None].map(|name| EntryData::default().with_entity(vec![entity(name)]));
    refused(&AlterClientQuotasRequest::default().with_entries(entries.to_vec()), |answer, _| {
        let names = answer.entries.iter().map(|entry| entry.entity[0].entity_name.clone());
        assert_eq!(names.collect::<Vec<_>>(), [Some(text("alice")), None]);
        assert!(answer.entries.iter().all(|entry| has_words(entry.error_code, entry.error_message.as_ref())));
    });
    refused(&DescribeUserScramCredentialsRequest::default().with_users(None), |answer, _| {
        assert!(has_words(answer.error_code, answer.error_message.as_ref()));
    });
    let message = AlterUserScramCredentialsRequest::default()
        .with_deletions(vec![ScramCredentialDeletion::default().with_name(text("bob"))])
        .with_upsertions(vec![ScramCredentialUpsertion::default().with_name(text("alice"))]);
    refused(&message, |answer, _| {
        let users: Vec<_> = answer.results.iter().map(|result| &result.user[..]).collect();
        assert_eq!(users, ["bob", "alice"]);
        assert!(answer.results.iter().all(|result| has_words(result.error_code, result.error_message.as_ref())));
    });
}

/// Topics, which any client may have leave to set up, and the others: broker, its loggers, metrics of
/// clients, groups, and what is unknown.
const OTHERS: [i8; 6] = [0, 4, 8, 16, 32, 99];

#[test]
fn only_topics_are_set_up_in_a_shared_name() {
    use kafka_protocol::messages::{alter_configs_request, incremental_alter_configs_request};
    let old = |types: &[i8]| {
        let resource = |kind: &i8| {
            alter_configs_request::AlterConfigsResource::default()
                .with_resource_type(*kind)
                .with_resource_name(text("1"))
                .with_configs(vec![alter_configs_request::AlterableConfig::default()])
        };
        AlterConfigsRequest::default().with_resources(types.iter().map(resource).collect())
    };
    let new = |types: &[i8]| {
        let resource = |kind: &i8| {
            incremental_alter_configs_request::AlterConfigsResource::default()
                .with_resource_type(*kind)
                .with_resource_name(text("1"))
                .with_configs(vec![incremental_alter_configs_request::AlterableConfig::default()])
        };
        IncrementalAlterConfigsRequest::default().with_resources(types.iter().map(resource).collect())
    };
    for kind in OTHERS {
        for types in [vec![kind], vec![2, kind], vec![kind, 2, 2]] {
            let told = |results: Vec<(i16, Option<StrBytes>, i8)>| {
                assert!(results.iter().all(|(code, words, _)| has_words(*code, words.as_ref())));
                assert_eq!(results.iter().map(|result| result.2).collect::<Vec<_>>(), types);
            };
            refused(&old(&types), |answer, _| {
                let result = |r: alter_configs_response::AlterConfigsResourceResponse| {
                    (r.error_code, r.error_message, r.resource_type)
                };
                told(answer.responses.into_iter().map(result).collect());
            });
            refused(&new(&types), |answer, _| {
                let result = |r: incremental_alter_configs_response::AlterConfigsResourceResponse| {
                    (r.error_code, r.error_message, r.resource_type)
                };
                told(answer.responses.into_iter().map(result).collect());
            });
        }
    }
    for types in [&[][..], &[2], &[2, 2]] {
        for version in 0..=2 {
            let (seen, _) = ask(MAPPED, version, &old(types), |seen| seen.answer(&AlterConfigsResponse::default()));
            assert_eq!((seen.len(), seen[0].message::<AlterConfigsRequest>()), (1, old(types)));
        }
        for version in 0..=1 {
            let answer = IncrementalAlterConfigsResponse::default();
            let (seen, _) = ask(MAPPED, version, &new(types), |seen| seen.answer(&answer));
            assert_eq!((seen.len(), seen[0].message::<IncrementalAlterConfigsRequest>()), (1, new(types)));
        }
    }
}

/// The answer to a refused request of many entries is no larger than some times the request.
#[test]
fn a_long_request_is_not_answered_with_words_for_each_entry() {
    let creations = vec![AclCreation::default(); 40_000];
    let message = CreateAclsRequest::default().with_creations(creations);
    let answer = ask_alone("", 2, &message);
    assert_eq!(answer.results.len(), 40_000);
    let with_words = answer.results.iter().filter(|result| result.error_message.is_some()).count();
    assert_eq!(with_words, limits::REFUSAL_WORDS_MAX);
    assert!(answer.results.iter().all(|result| result.error_code == REFUSED));
}

fn handshake(version: i16) -> Vec<u8> {
    request(version, 1, &SaslHandshakeRequest::default().with_mechanism(text("PLAIN")))
}

fn handshake_answer(version: i16, code: i16) -> Vec<u8> {
    crate::testing::answer(version, 1, &SaslHandshakeResponse::default().with_error_code(code))
}

/// Requests of all kinds that act for the identity, in one version each.
fn acting() -> Vec<Vec<u8>> {
    let broker = incremental_alter_configs_request::AlterConfigsResource::default().with_resource_type(4);
    vec![
        request(2, 2, &CreateDelegationTokenRequest::default()),
        request(2, 2, &DescribeAclsRequest::default()),
        request(1, 2, &IncrementalAlterConfigsRequest::default().with_resources(vec![broker])),
        request(1, 2, &AlterClientQuotasRequest::default()),
    ]
}

#[test]
fn they_pass_where_the_broker_took_up_the_clients_own_sasl() {
    for acting in acting() {
        for version in 0..=1 {
            for feeding in [Feeding::Handed, Feeding::Passing] {
                let mut proxy = Proxy::new(&shared(MAPPED), feeding, None);
                proxy.client(&handshake(version));
                assert_eq!(proxy.up, handshake(version), "untouched");
                let answer = handshake_answer(version, 0);
                for byte in &answer {
                    proxy.broker(&[*byte]);
                }
                assert_eq!(proxy.down, answer, "untouched");
                let token = match version {
                    0 => framed(b"\0alice\0secret"),
                    _ => request(1, 5, &SaslAuthenticateRequest::default()),
                };
                proxy.client(&token);
                proxy.broker(&match version {
                    0 => framed(b""),
                    _ => crate::testing::answer(1, 5, &SaslAuthenticateResponse::default()),
                });
                proxy.up.clear();
                for byte in &acting {
                    proxy.client(&[*byte]);
                }
                assert_eq!(proxy.up, acting, "untouched");
            }
        }
    }
}

/// As on a listener without SASL, and as long as nobody knows.
#[test]
fn they_do_not_pass_where_the_broker_took_up_none() {
    for acting in acting() {
        for answer in [None, Some(34), Some(33)] {
            for feeding in [Feeding::Handed, Feeding::Passing] {
                let mut proxy = Proxy::new(&shared(MAPPED), feeding, None);
                proxy.client(&handshake(1));
                if let Some(code) = answer {
                    proxy.broker(&handshake_answer(1, code));
                }
                proxy.up.clear();
                proxy.client(&acting);
                let up = take_frames(&mut proxy.up);
                assert_eq!(up.iter().map(|frame| Seen::parse(frame).key).collect::<Vec<_>>(), [18], "a carrier");
                assert!(proxy.warnings[0].starts_with("the client was refused"), "{:?}", proxy.warnings);
            }
        }
    }
}
