//! Each API in every version that is offered: what goes up to the broker, and what the client is told of its answer.

use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Message;
use kafka_protocol::ResponseError;

use super::{Decision, Line, TABLE};
use crate::testing::broker::api_versions;
use crate::testing::{ask, ask_alone, shared, text, MAPPED};

#[test]
fn the_table_has_every_key_at_its_place() {
    for (index, Line { api, decision, .. }) in TABLE.lines.iter().enumerate() {
        assert_eq!(usize::try_from(api.key), Ok(index), "{}", api.name);
        let offered = api.version_min <= api.version_max;
        assert!(!offered || ApiKey::try_from(api.key).is_ok(), "{}: headers cannot be read", api.name);
        assert_eq!(offered, !matches!(decision, Decision::Hide), "{}", api.name);
        assert!(api.version_min >= 0, "{}", api.name);
    }
}

#[test]
fn what_is_rewritten_is_known_to_the_codec() {
    let is_read = |line: &&Line| {
        matches!(
            line.decision,
            Decision::Rewrite(_) | Decision::Authenticate(_) | Decision::Administer(_) | Decision::Delegate(_)
        )
    };
    for Line { api, .. } in TABLE.lines.iter().filter(is_read) {
        let versions = match ApiKey::try_from(api.key).unwrap() {
            ApiKey::Produce => ProduceRequest::VERSIONS,
            ApiKey::Fetch => FetchRequest::VERSIONS,
            ApiKey::ListOffsets => ListOffsetsRequest::VERSIONS,
            ApiKey::Metadata => MetadataRequest::VERSIONS,
            ApiKey::OffsetCommit => OffsetCommitRequest::VERSIONS,
            ApiKey::OffsetFetch => OffsetFetchRequest::VERSIONS,
            ApiKey::FindCoordinator => FindCoordinatorRequest::VERSIONS,
            ApiKey::JoinGroup => JoinGroupRequest::VERSIONS,
            ApiKey::Heartbeat => HeartbeatRequest::VERSIONS,
            ApiKey::DescribeGroups => DescribeGroupsRequest::VERSIONS,
            ApiKey::ListGroups => ListGroupsRequest::VERSIONS,
            ApiKey::ApiVersions => ApiVersionsRequest::VERSIONS,
            ApiKey::InitProducerId => InitProducerIdRequest::VERSIONS,
            ApiKey::OffsetForLeaderEpoch => OffsetForLeaderEpochRequest::VERSIONS,
            ApiKey::DeleteGroups => DeleteGroupsRequest::VERSIONS,
            ApiKey::OffsetDelete => OffsetDeleteRequest::VERSIONS,
            ApiKey::DescribeCluster => DescribeClusterRequest::VERSIONS,
            ApiKey::SaslHandshake => SaslHandshakeRequest::VERSIONS,
            ApiKey::SaslAuthenticate => SaslAuthenticateRequest::VERSIONS,
            ApiKey::DescribeAcls => DescribeAclsRequest::VERSIONS,
            ApiKey::CreateAcls => CreateAclsRequest::VERSIONS,
            ApiKey::DeleteAcls => DeleteAclsRequest::VERSIONS,
            ApiKey::AlterConfigs => AlterConfigsRequest::VERSIONS,
            ApiKey::IncrementalAlterConfigs => IncrementalAlterConfigsRequest::VERSIONS,
            ApiKey::DescribeClientQuotas => DescribeClientQuotasRequest::VERSIONS,
            ApiKey::AlterClientQuotas => AlterClientQuotasRequest::VERSIONS,
            ApiKey::DescribeUserScramCredentials => DescribeUserScramCredentialsRequest::VERSIONS,
            ApiKey::AlterUserScramCredentials => AlterUserScramCredentialsRequest::VERSIONS,
            ApiKey::CreateDelegationToken => CreateDelegationTokenRequest::VERSIONS,
            ApiKey::RenewDelegationToken => RenewDelegationTokenRequest::VERSIONS,
            ApiKey::ExpireDelegationToken => ExpireDelegationTokenRequest::VERSIONS,
            ApiKey::DescribeDelegationToken => DescribeDelegationTokenRequest::VERSIONS,
            other => panic!("{other:?} is rewritten, and not tested here"),
        };
        assert!(versions.min <= api.version_min && api.version_max <= versions.max, "{}: {versions:?}", api.name);
    }
}

#[test]
fn what_cannot_be_rewritten_is_offered_only_where_it_does_no_harm() {
    let upstream = r#"{"upstream": {"sasl": {"mechanism": "PLAIN", "username": "u", "password": "p"}}}"#;
    let sasl = r#"{"sasl": {"mechanisms": ["PLAIN"], "users": [{"username": "u", "password": "p"}]}}"#;
    for (config, mapped, ends) in [
        ("", false, false),
        (r#"{"mapping": {"topics": [{"name": "t", "passthrough": true}]}}"#, false, false),
        (MAPPED, true, false),
        (r#"{"mapping": {"virtual_partitions": 4, "physical_partitions": 2}}"#, true, false),
        (upstream, false, true),
        (sasl, false, true),
        (r#"{"upstream": {"shared_administration": true}}"#, false, false),
        (r#"{"principal": {}}"#, false, false),
    ] {
        let shared = shared(config);
        for Line { api, decision, .. } in TABLE.lines {
            let expected = match decision {
                Decision::Rewrite(_) | Decision::Refuse(_) | Decision::Administer(_) | Decision::Pass => true,
                Decision::Authenticate(_) => true,
                Decision::PassUnmapped => !mapped,
                Decision::Delegate(_) => !ends,
                Decision::Hide => false,
            };
            assert_eq!(api.is_offered(&shared), expected, "{}", api.name);
            let is_filters_own = matches!(decision, Decision::Authenticate(_)) && config == upstream;
            assert_eq!(api.is_listed(&shared), expected && !is_filters_own, "{}", api.name);
        }
    }
}

fn features() -> [&'static str; 6] {
    ["group.version", "kraft.version", "metadata.version", "share.version", "streams.version", "transaction.version"]
}

#[test]
fn api_versions_tells_what_broker_and_table_have_in_common() {
    let supported = |name| SupportedFeatureKey::default().with_name(text(name)).with_max_version(1);
    let finalized = |name| FinalizedFeatureKey::default().with_name(text(name)).with_max_version_level(1);
    for version in 0..=4 {
        let mut broker = api_versions();
        // An old broker for some APIs, a new one for others, and keys from the future.
        for (key, min, max) in [(0, 0, 5), (1, 13, 18), (3, 2, 2), (9, 10, 11), (12, 4, 4)] {
            let offer = broker.api_keys.iter_mut().find(|offer| offer.api_key == key).unwrap();
            (offer.min_version, offer.max_version) = (min, max);
        }
        broker.api_keys.push(ApiVersion::default().with_api_key(93).with_max_version(3));
        if version >= 3 {
            broker.supported_features = features().map(supported).to_vec();
            broker.finalized_features = features().map(finalized).to_vec();
        }
        for (config, mapped) in [("", false), (MAPPED, true)] {
            let (seen, answer) = ask(config, version, &ApiVersionsRequest::default(), |seen| seen.answer(&broker));
            assert_eq!((seen.len(), seen[0].version), (1, version));
            check_offers(&answer, mapped);
            let names: Vec<_> = answer.finalized_features.iter().map(|feature| feature.name.to_string()).collect();
            let expected: Vec<&str> = match (version, mapped) {
                (..3, _) => vec![],
                (_, true) => vec!["kraft.version", "metadata.version"],
                (_, false) => vec!["kraft.version", "metadata.version", "transaction.version"],
            };
            assert_eq!(names, expected);
            assert_eq!(answer.supported_features.len(), expected.len());
        }
    }
}

fn check_offers(answer: &ApiVersionsResponse, mapped: bool) {
    let offers: Vec<_> =
        answer.api_keys.iter().map(|offer| (offer.api_key, offer.min_version, offer.max_version)).collect();
    assert!(offers.iter().all(|(_, min, max)| (0..=*max).contains(min)));
    for expected in [(0, 3, 5), (3, 2, 2), (12, 4, 4), (8, 2, 9), (18, 0, 4)] {
        assert!(offers.contains(&expected), "{expected:?} of {offers:?}");
    }
    let is_offered = |key| offers.iter().any(|offer| offer.0 == key);
    // Nothing in common, hidden, or unknown.
    assert!(![1, 9, 4, 68, 69, 78, 93].into_iter().any(is_offered));
    assert_eq!(is_offered(37), !mapped);
    assert_eq!(is_offered(28), !mapped);
}

/// Others say by themselves that it is missing.
#[test]
fn the_consumer_protocol_is_offered_to_librdkafka_alone() {
    for (software, offered) in [("librdkafka", true), ("confluent-kafka-python", true), ("apache-kafka-java", false)] {
        let message = ApiVersionsRequest::default()
            .with_client_software_name(text(software))
            .with_client_software_version(text("1"));
        let (_, answer) = ask(MAPPED, 3, &message, |seen| seen.answer(&api_versions()));
        assert_eq!(answer.api_keys.iter().any(|offer| offer.api_key == 68), offered, "{software}");
    }
}

#[test]
fn the_consumer_protocol_is_refused_with_words() {
    for config in ["", MAPPED] {
        for version in 0..=1 {
            let message = ConsumerGroupHeartbeatRequest::default().with_group_id(GroupId(text("g")));
            let refused = ask_alone(config, version, &message);
            assert_eq!(refused.error_code, ResponseError::UnsupportedVersion.code());
            assert!(refused.error_message.unwrap().contains("group.protocol=classic"));
        }
    }
}

#[test]
fn transactions_are_refused_where_topics_are_mapped() {
    let code = ResponseError::InvalidRequest.code();
    let transactional = Some(TransactionalId(text("x")));
    for version in 0..=5 {
        let plain = InitProducerIdRequest::default().with_transactional_id(None);
        let given = InitProducerIdResponse::default().with_producer_id(ProducerId(5));
        for (config, message) in
            [(MAPPED, plain.clone()), ("", plain.clone().with_transactional_id(transactional.clone()))]
        {
            let (seen, answer) = ask(config, version, &message, |seen| seen.answer(&given));
            assert_eq!((seen[0].message::<InitProducerIdRequest>(), &answer), (message, &given));
        }
        let refused = ask_alone(MAPPED, version, &plain.with_transactional_id(transactional.clone()));
        assert_eq!((refused.error_code, refused.producer_id, refused.producer_epoch), (code, ProducerId(-1), -1));
    }
}
