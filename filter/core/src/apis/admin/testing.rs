//! What the tests of administration have in common.

use crate::testing::MAPPED;

/// Configurations in which clients share a name at the brokers.
pub(super) const SHARED: [&str; 4] =
    ["", MAPPED, r#"{"principal": {"mapping_rules": ["DEFAULT"]}}"#, r#"{"upstream": {}, "principal": {}}"#];

pub(super) const OPENED: &str = r#"{"upstream": {"shared_administration": true}}"#;

/// [`MAPPED`], where clients may administer.
pub(in crate::apis) fn opened() -> String {
    let mapped = MAPPED.trim_end().strip_suffix('}').unwrap();
    format!(r#"{mapped}, "upstream": {{"shared_administration": true}}}}"#)
}
