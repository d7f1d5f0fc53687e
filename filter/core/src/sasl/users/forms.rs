//! What strangers see of users without asking for a name: salt lengths and iterations. Whoever is unknown imitates one of
//! the kinds of users there are.
//!
//! Which one depends on the name, a secret, and the kinds that occur, not on who the users are or how many: a change of the
//! list changes nothing that is shown for an unknown name, as long as the kinds stay. When one comes or goes, some unknown
//! names change with it (rendezvous hashing: only those that win or lose by it).

use std::collections::BTreeSet;
use std::rc::Rc;

use super::User;
use crate::limits::{FORMS_MAX, SCRAM_ITERATIONS_MIN, SCRAM_SALT_BYTES};
use crate::sasl::keyed::Key;
use crate::sasl::scram::{Credentials, Hash};

/// Of SCRAM credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Form {
    pub(super) salt_bytes: usize,
    pub(super) iterations: u32,
}

impl Form {
    /// Of credentials that are derived from a password.
    pub(super) const DERIVED: Self = Self { salt_bytes: SCRAM_SALT_BYTES, iterations: SCRAM_ITERATIONS_MIN };

    fn of(credentials: &Credentials) -> Self {
        Self { salt_bytes: credentials.salt.len(), iterations: credentials.iterations }
    }
}

/// All that shows of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    sha_256: Option<Form>,
    sha_512: Option<Form>,
    /// What a wrong password costs where PLAIN takes a PBKDF2.
    pub(super) plain: (Hash, Form),
}

impl Kind {
    /// Of a user with a password, and of everyone where there are no users.
    const DERIVED: Self =
        Self { sha_256: Some(Form::DERIVED), sha_512: Some(Form::DERIVED), plain: (Hash::Sha256, Form::DERIVED) };

    pub(super) fn of(user: &User) -> Self {
        let form = |hash| user.credentials(hash).map(Form::of).or(user.password.as_ref().map(|_| Form::DERIVED));
        let plain = user.plain_credentials().map(|given| (given.hash, Form::of(given)));
        Self { sha_256: form(Hash::Sha256), sha_512: form(Hash::Sha512), plain: plain.unwrap_or(Self::DERIVED.plain) }
    }

    pub(super) fn form(&self, hash: Hash) -> Option<Form> {
        match hash {
            Hash::Sha256 => self.sha_256,
            Hash::Sha512 => self.sha_512,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let form = |form: Option<Form>| {
            let Form { salt_bytes, iterations } = form.unwrap_or(Form { salt_bytes: 0, iterations: 0 });
            [(salt_bytes as u64).to_be_bytes(), u64::from(iterations).to_be_bytes()].concat()
        };
        let (hash, plain) = self.plain;
        [form(self.sha_256), form(self.sha_512), form(Some(plain)), vec![hash.bytes() as u8]].concat()
    }
}

/// The kinds of users that there are.
pub(super) struct Forms(Vec<Kind>);

impl Forms {
    pub(super) fn new(users: &[Rc<User>], key: &Key) -> Self {
        let kinds: BTreeSet<Kind> = users.iter().map(|user| Kind::of(user)).collect();
        let mut kinds: Vec<Kind> = kinds.into_iter().collect();
        // Which are kept must not depend on the others more than it has to.
        kinds.sort_by_cached_key(|kind| key.digest(&[b"kind", &kind.bytes()]));
        kinds.truncate(FORMS_MAX);
        Self(kinds)
    }

    #[cfg(test)]
    pub(super) fn kinds(&self) -> usize {
        self.0.len()
    }

    /// The kind that an unknown `name` imitates.
    pub(super) fn imitated(&self, name: &str, key: &Key) -> Kind {
        self.pick(name, key, |_| true).unwrap_or(Kind::DERIVED)
    }

    /// The form of SCRAM with `hash` for `name`, which is of `kind`. Who has nothing for this hash imitates those who do.
    pub(super) fn form(&self, kind: Kind, name: &str, hash: Hash, key: &Key) -> Form {
        let other = || self.pick(name, key, |kind| kind.form(hash).is_some())?.form(hash);
        kind.form(hash).or_else(other).unwrap_or(Form::DERIVED)
    }

    fn pick(&self, name: &str, key: &Key, may: impl Fn(&Kind) -> bool) -> Option<Kind> {
        let score = |kind: &&Kind| key.digest(&[b"imitate", name.as_bytes(), &kind.bytes()]);
        self.0.iter().filter(|kind| may(kind)).max_by_key(score).copied()
    }
}
