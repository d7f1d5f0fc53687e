//! The error of a configuration that cannot be.

use std::fmt;

/// What is wrong with a configuration: the path of the field, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    /// A problem that names its field itself, or has none.
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }

    pub(crate) fn at(path: &str, problem: impl fmt::Display) -> Self {
        Self(format!("{path}: {problem}"))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}
