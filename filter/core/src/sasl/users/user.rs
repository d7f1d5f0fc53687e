//! One user, and names of users.

use crate::limits::USER_NAME_BYTES_MAX;
use crate::sasl::scram::credentials::{Credentials, Hash};
use crate::sasl::secret::Secret;

/// One user as configured, with a password, or SCRAM credentials, or several of these.
#[derive(Clone, Debug)]
pub struct User {
    /// Prepared by SASLprep (RFC 4013).
    pub(crate) name: String,
    pub(crate) password: Option<Secret>,
    pub(crate) scram_sha_256: Option<Credentials>,
    pub(crate) scram_sha_512: Option<Credentials>,
}

impl User {
    pub(super) fn credentials(&self, hash: Hash) -> Option<&Credentials> {
        match hash {
            Hash::Sha256 => self.scram_sha_256.as_ref(),
            Hash::Sha512 => self.scram_sha_512.as_ref(),
        }
    }

    /// Whether the credentials for `hash` have to be made from the password. Given ones go before it.
    pub(super) fn derives(&self, hash: Hash) -> bool {
        self.password.is_some() && self.credentials(hash).is_none()
    }

    /// The credentials that a password of PLAIN is checked against where the user has no password.
    pub(super) fn plain_credentials(&self) -> Option<&Credentials> {
        let credentials = self.scram_sha_256.as_ref().or(self.scram_sha_512.as_ref());
        credentials.filter(|_| self.password.is_none())
    }
}

/// `name` prepared by SASLprep (RFC 4013). None: it has what a name must not have, or is empty or too long.
pub fn prepare(name: &str) -> Option<String> {
    let is_bounded = |name: &str| (1..=USER_NAME_BYTES_MAX).contains(&name.len());
    let name = Some(name).filter(|name| is_bounded(name))?;
    stringprep::saslprep(name).ok().filter(|name| is_bounded(name)).map(|name| name.into_owned())
}
