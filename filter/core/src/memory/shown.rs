//! Which gauges say what is configured: who puts another configuration in force sets those right that it does
//! not have. They live in the host and outlive the filter's instances.

use serde::{Deserialize, Serialize};

/// The full names of the gauges that the configuration in force has set.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shown(pub(crate) Vec<String>);

impl Shown {
    /// From shared memory. What cannot be read counts as no gauge.
    pub(crate) fn read(stored: &[u8]) -> Self {
        serde_json::from_slice(stored).unwrap_or_default()
    }

    /// For shared memory.
    pub(crate) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}
