//! PLAIN (RFC 4616): one token with name and password.

use std::rc::Rc;

use super::step::Step;
use super::users::queue::Job;
use super::users::user::prepare;
use super::users::{PasswordCheck, Store};
use crate::limits::PLAIN_TOKEN_BYTES_MAX;

/// One exchange with one client.
#[derive(Default)]
pub(crate) struct Server {
    /// What is being found out about the token that came before, which is still to be answered.
    waits_for: Option<Rc<Job>>,
    /// As which the client tries to authenticate.
    pub(super) name: Option<String>,
}

impl Server {
    /// Takes the only token: `[authzid] NUL authcid NUL passwd`. The password is taken as it is, see
    /// [`Credentials::derive`](super::scram::Credentials::derive).
    ///
    /// After [`Step::Later`] the same token is to be handed in again.
    pub(crate) fn step(&mut self, store: &Store, token: &[u8]) -> Step {
        let Some((principal, password)) = parse(token) else { return Step::Failed };
        self.name = Some(principal.clone());
        let answer = match self.waits_for.take() {
            Some(job) => job.verdict().map_or(PasswordCheck::Later(job), PasswordCheck::Known),
            None => store.check_plain(&principal, password),
        };
        match answer {
            PasswordCheck::Known(true) => Step::Done { principal, expires: None, last: vec![] },
            PasswordCheck::Known(false) => Step::Failed,
            PasswordCheck::Later(job) => {
                self.waits_for = Some(job);
                Step::Later
            }
            PasswordCheck::Full => Step::Busy,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.waits_for.as_ref().is_none_or(|job| job.verdict().is_some())
    }
}

/// The name, prepared, and the password.
pub(crate) fn parse(token: &[u8]) -> Option<(String, &str)> {
    let text = std::str::from_utf8(token).ok().filter(|text| text.len() <= PLAIN_TOKEN_BYTES_MAX)?;
    let mut parts = text.split('\0');
    let (authzid, name, password) = (parts.next()?, parts.next()?, parts.next()?);
    let principal = prepare(name)?;
    let is_same = authzid.is_empty() || prepare(authzid).as_ref() == Some(&principal);
    (is_same && !password.is_empty() && parts.next().is_none()).then_some((principal, password))
}

#[cfg(test)]
mod tests;
