//! `fetch.filler`.

use serde::Deserialize;

/// Whether a fetch that dropped trailing siblings' records ends with a control batch that moves the
/// consumer past them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
#[serde(rename_all = "lowercase")]
pub(crate) enum FillerMode {
    /// For clients that are known to take it well.
    #[default]
    Auto,
    /// For every client.
    Always,
    /// For none.
    Never,
}
