//! Who may log in with a password, and how a password is checked without telling who is known.
//!
//! To a stranger a name that is unknown looks like one that is known: it gets a salt that stays the same, it costs as
//! many PBKDF2 (none, or one when the name or password is new to this worker), and it fails at the same step. So each
//! unknown name imitates one of the users, picked by a keyed digest of the name: [`Store::face`].

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::rc::Rc;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::keyed::{Digest, Key, Memory};
use super::scram::{Credentials, Hash};
use super::secret::Secret;
use crate::limits::{
    CHECKED_ENTRIES_MAX, SCRAM_ITERATIONS_MAX, SCRAM_ITERATIONS_MIN, SCRAM_SALT_BYTES, USER_NAME_BYTES_MAX,
};

/// One user as configured. It has a password, or SCRAM credentials, or several of them.
#[derive(Clone, Debug)]
pub struct User {
    /// Prepared by SASLprep (RFC 4013).
    pub name: String,
    pub password: Option<Secret>,
    pub scram_sha_256: Option<Credentials>,
    pub scram_sha_512: Option<Credentials>,
}

impl User {
    fn credentials(&self, hash: Hash) -> Option<&Credentials> {
        match hash {
            Hash::Sha256 => self.scram_sha_256.as_ref(),
            Hash::Sha512 => self.scram_sha_512.as_ref(),
        }
    }

    /// Whether the user can use SCRAM with `hash`.
    fn speaks(&self, hash: Hash) -> bool {
        self.password.is_some() || self.credentials(hash).is_some()
    }

    /// Whether the credentials for `hash` have to be made from the password. Given ones go before it.
    fn derives(&self, hash: Hash) -> bool {
        self.password.is_some() && self.credentials(hash).is_none()
    }

    /// What a PLAIN password is checked against when there is no other password.
    fn plain_credentials(&self) -> Option<&Credentials> {
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

/// All users of a listener, as one worker sees them.
pub struct Store {
    /// Sorted by name, so that every worker picks the same for an unknown name.
    users: Vec<Rc<User>>,
    /// By keyed digest of the name: how long a search takes says nothing about names.
    by_digest: BTreeMap<Digest, Rc<User>>,
    sha_256: Speakers,
    sha_512: Speakers,
    /// Some user has SCRAM credentials only, so PLAIN costs a PBKDF2.
    is_plain_costly: bool,
    /// For digests of this worker.
    local: Key,
    /// For what a client sees: salts.
    shown: Key,
    /// Credentials by name and hash; used when some have to be derived.
    derived: RefCell<Memory<Rc<Credentials>>>,
    /// Verdicts on name and password; used when PLAIN is costly.
    verdicts: RefCell<Memory<bool>>,
}

/// The users of one hash function.
struct Speakers {
    users: Vec<Rc<User>>,
    /// Some user's credentials are derived, so the first use of any name costs a PBKDF2.
    any_derives: bool,
}

impl Speakers {
    fn new(users: &[Rc<User>], hash: Hash) -> Self {
        let any_derives = users.iter().any(|user| user.derives(hash));
        Self { users: users.iter().filter(|user| user.speaks(hash)).cloned().collect(), any_derives }
    }
}

/// What a SCRAM server gets for a name.
pub(super) struct Found {
    pub(super) credentials: Rc<Credentials>,
    /// False: the credentials are made up, and nobody may log in with them.
    pub(super) is_known: bool,
}

impl Store {
    /// `users`: names are prepared and occur once. `seed`: random; workers may have different ones.
    pub fn new(mut users: Vec<User>, seed: [u8; 32]) -> Self {
        users.sort_by(|left, right| left.name.cmp(&right.name));
        let shown = shown_key(&users, &seed);
        let users: Vec<Rc<User>> = users.into_iter().map(Rc::new).collect();
        let local = Key::new(&seed, "users");
        let by_digest = users.iter().map(|user| (local.digest(&[b"name", user.name.as_bytes()]), user.clone()));
        Self {
            by_digest: by_digest.collect(),
            sha_256: Speakers::new(&users, Hash::Sha256),
            sha_512: Speakers::new(&users, Hash::Sha512),
            is_plain_costly: users.iter().any(|user| user.plain_credentials().is_some()),
            users,
            local,
            shown,
            derived: RefCell::new(Memory::new(CHECKED_ENTRIES_MAX)),
            verdicts: RefCell::new(Memory::new(CHECKED_ENTRIES_MAX)),
        }
    }

    /// Whether `password` is that of `name` (prepared). A user's password decides, and if there is none its credentials.
    pub fn check_plain(&self, name: &str, password: &str) -> bool {
        let user = self.find(name);
        let is_password = self.is_password(user, name, password);
        if !self.is_plain_costly {
            return is_password;
        }
        let digest = self.local.digest(&[b"verdict", name.as_bytes(), password.as_bytes()]);
        if let Some(verdict) = self.verdicts.borrow().get(&digest) {
            return verdict;
        }
        let verdict = self.fits_credentials(user, name, password) | is_password;
        self.verdicts.borrow_mut().insert(digest, verdict);
        verdict
    }

    /// What SCRAM with `hash` works on for `name` (prepared), known or not.
    pub(super) fn scram(&self, name: &str, hash: Hash) -> Found {
        let user = self.find(name);
        let is_known = user.is_some_and(|user| user.speaks(hash));
        if !self.speakers(hash).any_derives {
            let made_up = self.make_up(name, hash);
            let credentials = user.and_then(|user| user.credentials(hash)).cloned().unwrap_or(made_up);
            return Found { credentials: Rc::new(credentials), is_known };
        }
        let digest = self.local.digest(&[b"derived", name.as_bytes(), &[hash.bytes() as u8]]);
        if let Some(credentials) = self.derived.borrow().get(&digest) {
            return Found { credentials, is_known };
        }
        let credentials = Rc::new(self.derive(user, name, hash));
        self.derived.borrow_mut().insert(digest, credentials.clone());
        Found { credentials, is_known }
    }

    fn find(&self, name: &str) -> Option<&User> {
        self.by_digest.get(&self.local.digest(&[b"name", name.as_bytes()])).map(|user| user.as_ref())
    }

    fn speakers(&self, hash: Hash) -> &Speakers {
        match hash {
            Hash::Sha256 => &self.sha_256,
            Hash::Sha512 => &self.sha_512,
        }
    }

    /// The user that an unknown `name` imitates among `users`.
    fn pick<'a>(&self, users: &'a [Rc<User>], name: &str) -> Option<&'a User> {
        let digest = self.shown.digest(&[b"model", name.as_bytes()]);
        let number = digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
        let index = number.checked_rem(users.len() as u64)?;
        users.get(index as usize).map(|user| user.as_ref())
    }

    /// The user of this name, or the one that it imitates. None: there are no users.
    fn face(&self, name: &str) -> Option<&User> {
        self.find(name).or_else(|| self.pick(&self.users, name))
    }

    /// Credentials that look like those of a user and fit no password. A user of the other hash function only is unknown
    /// for this one, and so is who imitates it: they imitate another one.
    fn make_up(&self, name: &str, hash: Hash) -> Credentials {
        let face = self.face(name).filter(|user| user.speaks(hash));
        let model = face.or_else(|| self.pick(&self.speakers(hash).users, name));
        self.made_up_like(model.and_then(|user| user.credentials(hash)), name, hash)
    }

    /// `model`: None gives the form of derived credentials.
    fn made_up_like(&self, model: Option<&Credentials>, name: &str, hash: Hash) -> Credentials {
        let salt_bytes = model.map_or(SCRAM_SALT_BYTES, |model| model.salt.len());
        let bytes =
            |what: &str, length| self.shown.bytes(&[what.as_bytes(), &[hash.bytes() as u8], name.as_bytes()], length);
        Credentials {
            hash,
            salt: bytes("salt", salt_bytes),
            iterations: model.map_or(SCRAM_ITERATIONS_MIN, |model| model.iterations),
            stored_key: bytes("stored key", hash.bytes()),
            server_key: bytes("server key", hash.bytes()),
        }
    }

    /// Costs one PBKDF2 of `SCRAM_ITERATIONS_MIN` whoever `name` is, also when its result is not needed.
    fn derive(&self, user: Option<&User>, name: &str, hash: Hash) -> Credentials {
        let made_up = self.make_up(name, hash);
        let password = user.and_then(|user| user.password.as_ref()).map_or("", Secret::expose);
        let derived = black_box(Credentials::derive(hash, password, &made_up.salt, SCRAM_ITERATIONS_MIN));
        let given = user.and_then(|user| user.credentials(hash)).cloned();
        match user {
            Some(user) if user.derives(hash) => derived,
            _ => given.unwrap_or(made_up),
        }
    }

    /// Compares digests: of passwords, the time of a comparison would tell the length.
    fn is_password(&self, user: Option<&User>, name: &str, password: &str) -> bool {
        let digest = |text: &str| self.local.digest(&[b"password", name.as_bytes(), text.as_bytes()]);
        let known = user.and_then(|user| user.password.as_ref());
        let is_same = digest(password).ct_eq(&digest(known.map_or("", Secret::expose)));
        bool::from(is_same) & known.is_some()
    }

    /// Costs one PBKDF2 whoever `name` is, of as many iterations as SCRAM shows for it.
    fn fits_credentials(&self, user: Option<&User>, name: &str, password: &str) -> bool {
        let own = user.and_then(User::plain_credentials);
        let model = self.face(name).and_then(User::plain_credentials);
        let made_up = self.made_up_like(model, name, model.map_or(Hash::Sha256, |model| model.hash));
        let asked = own.unwrap_or(&made_up);
        let derived = Credentials::derive(asked.hash, password, &asked.salt, asked.iterations);
        bool::from(derived.stored_key.ct_eq(&asked.stored_key)) & own.is_some()
    }
}

/// The key behind the salts that the filter makes up.
///
/// Derived salts and made-up ones come from it alike, so it may differ between workers as long as nothing else is shown.
/// But a salt that is configured is the same in every worker: if the made-up ones changed from worker to worker, a client
/// would only have to come twice to tell who is known. Then the key has to be the same everywhere and still secret, and all
/// that workers share are the configured secrets. A made-up salt thereby allows to try out passwords without asking the
/// filter, though only those of all users at once; PBKDF2 makes each try cost what Kafka allows at most.
fn shown_key(users: &[User], seed: &[u8; 32]) -> Key {
    let given = |user: &User| user.scram_sha_256.is_some() || user.scram_sha_512.is_some();
    if !users.iter().any(given) {
        return Key::new(seed, "salts");
    }
    let digest_key = Key::new(&[0; 32], "secrets of all users");
    let digest = users.iter().fold(Digest::default(), |before, user| {
        let password = user.password.as_ref().map_or("", Secret::expose);
        let keys = [Hash::Sha256, Hash::Sha512].map(|hash| match user.credentials(hash) {
            Some(given) => digest_key.digest(&[&given.salt, &given.stored_key, &given.server_key]),
            None => Digest::default(),
        });
        digest_key.digest(&[&before, user.name.as_bytes(), password.as_bytes(), &keys.concat()])
    });
    let mut key = Zeroizing::new(Digest::default());
    pbkdf2::pbkdf2_hmac::<sha2::Sha256>(&digest, b"salts", SCRAM_ITERATIONS_MAX, &mut *key);
    Key::new(&key, "salts")
}

#[cfg(test)]
mod tests;
