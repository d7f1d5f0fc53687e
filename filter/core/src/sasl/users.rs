//! Who may log in with a password, and how a password is checked without telling who is known.

use super::scram::Credentials;
use super::secret::Secret;

/// One user as configured. It has a password, or SCRAM credentials, or several of them.
#[derive(Clone, Debug)]
pub struct User {
    /// Prepared by SASLprep (RFC 4013).
    pub name: String,
    pub password: Option<Secret>,
    pub scram_sha_256: Option<Credentials>,
    pub scram_sha_512: Option<Credentials>,
}
