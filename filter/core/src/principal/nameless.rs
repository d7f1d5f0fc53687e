//! Why a certificate gives no principal.

use std::fmt;

/// Why a certificate gives no principal. Its text is meant for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nameless {
    /// No rule of `principal.mapping_rules` fits the name.
    NoRule,
    /// The principal would be empty.
    Empty,
    /// The name or the principal is longer than [`PRINCIPAL_BYTES_MAX`](crate::limits::PRINCIPAL_BYTES_MAX)
    /// bytes.
    TooLong,
    /// The principal would have line ends or other control characters, and stands in logs.
    Control,
    /// What Java does with the name cannot be repeated here.
    Unlike,
    /// The certificate has no name of the kind that `principal.source` asks for.
    NoSource,
    /// Envoy did not give the name, or not as UTF-8.
    NotGiven,
}

impl fmt::Display for Nameless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRule => "no rule of principal.mapping_rules fits it; add DEFAULT to take any",
            Self::Empty => {
                "its principal would be empty; name it by a rule (RULE:^$/nameless/), or by principal.source after the \
                 SAN that such certificates have"
            }
            Self::TooLong => "its name or its principal is too long",
            Self::Control => "its principal would have control characters",
            Self::Unlike => {
                "what Kafka's rules make of its name cannot be repeated here: of a line end, of a character beyond U+FFFF, or of \
                 a letter whose other case versions of Java disagree about"
            }
            Self::NoSource => "it has no name of the kind that principal.source asks for",
            Self::NotGiven => "Envoy does not tell its name, or not as UTF-8",
        })
    }
}
