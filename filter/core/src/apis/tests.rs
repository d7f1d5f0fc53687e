//! The table: every key at its place, and what is offered where.

mod passed;
mod words;

use kafka_protocol::messages::ApiKey;

use super::{Decision, Line, TABLE};
use crate::testing::{shared, MAPPED};

#[test]
fn the_table_has_every_key_at_its_place() {
    for (index, Line { api, decision, .. }) in TABLE.lines.iter().enumerate() {
        assert_eq!(usize::try_from(api.key), Ok(index), "{}", api.name);
        let offered = api.version_min <= api.version_max;
        assert_eq!(offered, !matches!(decision, Decision::Hide), "{}", api.name);
        assert!(api.version_min >= 0, "{}", api.name);
    }
}

#[test]
fn what_is_read_is_known_to_the_codec() {
    let passes = |line: &&Line| matches!(line.decision, Decision::Pass | Decision::PassUnmapped | Decision::Hide);
    for Line { api, .. } in TABLE.lines.iter().filter(|line| !passes(line)) {
        let versions = ApiKey::try_from(api.key).unwrap().valid_versions();
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
