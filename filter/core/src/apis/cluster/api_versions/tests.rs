//! ApiVersions in every version: what broker, codec and table have in common.

use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use kafka_protocol::messages::*;

use crate::testing::broker::api_versions;
use crate::testing::{ask, text, MAPPED};

/// A key that the table does not have.
const UNKNOWN: i16 = i16::MAX;

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
        broker.api_keys.push(ApiVersion::default().with_api_key(UNKNOWN).with_max_version(3));
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
    assert!(![1, 9, 4, 68, 69, 78, UNKNOWN].into_iter().any(is_offered));
    assert!(is_offered(37));
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
