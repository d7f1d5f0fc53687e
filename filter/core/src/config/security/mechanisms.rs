//! Mechanisms by their names.

use crate::config::error::ConfigError;
use crate::sasl::Mechanism;

/// The mechanism called `name`, if it is one of `known`.
pub(super) fn mechanism(path: &str, name: &str, known: &[Mechanism]) -> Result<Mechanism, ConfigError> {
    let named = Mechanism::named(name).filter(|mechanism| known.contains(mechanism));
    named.ok_or_else(|| {
        let known: Vec<&str> = known.iter().map(|mechanism| mechanism.name()).collect();
        ConfigError::at(path, format_args!("{name:?} is none of {}", known.join(", ")))
    })
}
