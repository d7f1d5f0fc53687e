//! `fetch.share`.

use serde::Deserialize;

/// Whether connections of a worker read a physical partition once for all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
#[serde(rename_all = "lowercase")]
pub(crate) enum ShareMode {
    /// Where several read it.
    #[default]
    Auto,
    /// Each connection reads for itself.
    Never,
}
