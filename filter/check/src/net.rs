//! Connections to brokers: blocking, with timeouts, one request at a time.

pub(crate) mod cluster;
pub(crate) mod connection;
pub(crate) mod login;
pub(crate) mod transport;

use std::fmt;

/// Why a question has no answer, in words for the report.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) what: String,
    /// The connection is of no use any more; another one may be.
    pub(crate) is_lost: bool,
}

impl Trouble {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_lost: false }
    }

    pub(crate) fn lost(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_lost: true }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// A code of an answer by its name in Kafka's protocol guide; `None` for no error.
pub(crate) fn error_name(code: i16) -> Option<String> {
    use kafka_protocol::ResponseError;
    (code != 0).then(|| match ResponseError::try_from_code(code) {
        Some(error) => format!("{error:?}"),
        None => format!("error {code}"),
    })
}
