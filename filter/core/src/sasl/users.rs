//! Who may log in with a password, and how a password is checked without telling who is known, and without
//! letting strangers buy the worker's time.
//!
//! To a stranger a name that is unknown looks like one that is known: it gets a salt that stays the same,
//! waits as long, and fails at the same step. So each unknown name imitates one of the kinds of users:
//! [`forms`].
//!
//! PBKDF2 runs for what is configured, once, and not for what strangers ask: credentials of users with
//! passwords are [`derived`] beforehand. Where PLAIN takes a PBKDF2 there is a [`queue`], and a memory of the
//! passwords that were right. Both get a share of the worker's time, which is [`Store::work`].

mod derived;
mod forms;
pub(super) mod queue;
pub(super) mod user;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use subtle::ConstantTimeEq;

use self::derived::{Derived, Task};
use self::forms::{Form, Forms, Kind};
use self::queue::{Job, Queue};
pub use self::user::{prepare, User};
use super::keyed::{KeyedDigest, PurposeKey};
use super::mechanism::Mechanism;
use super::scram::credentials::{Credentials, Hash};
use super::secret::Secret;
use super::vault::Vault;
use crate::limits::SCRAM_SALT_BYTES;

/// All users of a listener, as one worker sees them.
pub(crate) struct Store {
    /// By keyed digest of the name: how long a search takes says nothing about names.
    by_digest: BTreeMap<KeyedDigest, Rc<User>>,
    forms: Forms,
    /// Some user has SCRAM credentials only, so PLAIN costs a PBKDF2.
    is_plain_costly: bool,
    /// For digests of this worker.
    local: PurposeKey,
    /// For what a client sees: salts.
    shown: PurposeKey,
    /// For digests that the workers of a process share.
    vault: PurposeKey,
    /// Hash functions for which some user's credentials are derived.
    derives: Vec<Hash>,
    derived: Derived,
    queue: Queue,
    /// Whose turn is next: that of the queue, or of what is to be derived.
    is_queues_turn: Cell<bool>,
    /// Passwords that were right, by account: one each, so that strangers cannot fill it.
    right: RefCell<BTreeMap<KeyedDigest, KeyedDigest>>,
    /// This store has credentials or right passwords that other workers do not know.
    has_news: Cell<bool>,
}

/// The credentials that a SCRAM server checks a name against.
pub(super) struct Found {
    pub(super) credentials: Rc<Credentials>,
    /// False: the credentials are made up, and nobody may log in with them.
    pub(super) is_known: bool,
}

/// Whether a password is that of a name.
pub(super) enum PasswordCheck {
    Known(bool),
    /// The store decides in a moment, when the job is done.
    Later(Rc<Job>),
    /// The queue is full: too many passwords wait for their PBKDF2.
    Full,
}

impl Store {
    /// `users`: names are prepared and occur once. `seed`: random, each worker's own. `salts`: secret, and
    /// the same in all workers, however the configuration changes.
    pub(crate) fn new(users: Vec<User>, mechanisms: &[Mechanism], seed: [u8; 32], salts: [u8; 32]) -> Self {
        let users: Vec<Rc<User>> = users.into_iter().map(Rc::new).collect();
        let [shown, vault] = ["salts", "vault"].map(|purpose| PurposeKey::new(&salts, purpose));
        let local = PurposeKey::new(&seed, "users");
        let by_digest = users.iter().map(|user| (local.digest(&[b"name", user.name.as_bytes()]), user.clone()));
        let enabled = [(Mechanism::ScramSha256, Hash::Sha256), (Mechanism::ScramSha512, Hash::Sha512)];
        let enabled = enabled.into_iter().filter(|(mechanism, _)| mechanisms.contains(mechanism));
        let mut store = Self {
            by_digest: by_digest.collect(),
            forms: Forms::new(&users, &shown),
            is_plain_costly: mechanisms.contains(&Mechanism::Plain)
                && users.iter().any(|user| user.plain_credentials().is_some()),
            local,
            shown,
            vault,
            derives: enabled
                .map(|(_, hash)| hash)
                .filter(|hash| users.iter().any(|user| user.derives(*hash)))
                .collect(),
            derived: Derived::new(vec![]),
            queue: Queue::default(),
            is_queues_turn: Cell::new(false),
            right: RefCell::default(),
            has_news: Cell::new(false),
        };
        store.derived = Derived::new(store.tasks(&users));
        store
    }

    /// Each worker begins with another user, so that they share the work.
    fn tasks(&self, users: &[Rc<User>]) -> Vec<Task> {
        let task = |user: &Rc<User>, hash: Hash| {
            let salt = self.salt(&user.name, hash, SCRAM_SALT_BYTES);
            Task { id: self.derived_id(Some(user), &user.name, hash), user: user.clone(), hash, salt }
        };
        let of = |hash: Hash| users.iter().filter(move |user| user.derives(hash)).map(move |user| task(user, hash));
        let mut tasks: Vec<Task> = self.derives.iter().flat_map(|hash| of(*hash)).collect();
        tasks.sort_by_cached_key(|task| self.local.digest(&[b"order", &task.id]));
        tasks
    }

    /// Whether `password` is that of `name` (prepared). A user's password decides, and if there is none its
    /// credentials.
    ///
    /// Who knows the right password may be answered at once: only they can see it. Everything else waits
    /// alike.
    pub(super) fn check_plain(&self, name: &str, password: &str) -> PasswordCheck {
        let user = self.find(name);
        let is_password = self.is_password(user, name, password);
        if !self.is_plain_costly {
            return PasswordCheck::Known(is_password);
        }
        let own = user.and_then(User::plain_credentials);
        let made_up = self.made_up_for_plain(user, name);
        let asked = own.unwrap_or(&made_up);
        let account = self.account(name, asked);
        let proof = self.vault.digest(&[b"right", &account, password.as_bytes()]);
        let before = self.right.borrow().get(&account).copied().unwrap_or_default();
        if is_password | bool::from(before.ct_eq(&proof)) {
            return PasswordCheck::Known(true);
        }
        let digest = self.local.digest(&[b"attempt", name.as_bytes(), password.as_bytes()]);
        let job = self.queue.join(&digest, asked.iterations, || {
            Job::new(digest, password, asked.clone(), own.is_some(), (account, proof))
        });
        job.map_or(PasswordCheck::Full, PasswordCheck::Later)
    }

    /// What SCRAM with `hash` works on for `name` (prepared), known or not. None: not everything that is to
    /// be derived for it is, and until then everybody waits. Costs some digests.
    pub(super) fn scram(&self, name: &str, hash: Hash) -> Option<Found> {
        if !self.is_ready(hash) {
            return None;
        }
        let user = self.find(name);
        let made_up = self.made_up(user, name, hash);
        let derived = self.derived.get(&self.derived_id(user, name, hash));
        let given = user.and_then(|user| user.credentials(hash)).map(|given| Rc::new(given.clone()));
        let own = given.or(derived);
        let is_known = own.is_some();
        Some(Found { credentials: own.unwrap_or_else(|| Rc::new(made_up)), is_known })
    }

    /// All credentials for SCRAM with `hash` are there.
    pub(super) fn is_ready(&self, hash: Hash) -> bool {
        self.derived.is_ready(hash)
    }

    /// [`Self::work`] has something to do.
    pub(crate) fn has_work(&self) -> bool {
        self.derived.left() > 0 || !self.queue.is_empty()
    }

    /// Credentials that are not derived yet.
    pub(crate) fn credentials_left(&self) -> usize {
        self.derived.left()
    }

    /// Does a piece of the work that waits, [`WORK_ITERATIONS`](crate::limits::WORK_ITERATIONS) of PBKDF2: in
    /// turns for who waits with a password, and for users whose credentials are to be derived.
    pub(crate) fn work(&self) {
        let is_queues_turn = self.is_queues_turn.replace(!self.is_queues_turn.get());
        if is_queues_turn && self.serve_queue() {
            return;
        }
        if !self.derive() {
            self.serve_queue();
        }
    }

    fn derive(&self) -> bool {
        let worked = self.derived.work();
        self.has_news.set(self.has_news.get() | worked);
        worked
    }

    fn serve_queue(&self) -> bool {
        let (worked, done) = self.queue.work();
        if let Some(job) = done.filter(|job| job.verdict() == Some(true)) {
            let (account, proof) = job.remembered;
            self.right.borrow_mut().insert(account, proof);
            self.has_news.set(true);
        }
        worked
    }

    /// Other workers may have a use for what this store finds out: credentials are derived, or passwords
    /// checked against some.
    pub(crate) fn uses_vault(&self) -> bool {
        self.is_plain_costly || !self.derives.is_empty()
    }

    /// [`Self::exchange`] would put something new into the vault.
    pub(crate) fn has_news(&self) -> bool {
        self.has_news.get()
    }

    /// Takes from a vault what this store can use, and puts into it what it has.
    pub(crate) fn exchange(&self, vault: &mut Vault) {
        if self.derived.left() > 0 {
            self.derived.adopt(|id| vault.get(id).map(<[u8]>::to_vec));
        }
        for account in self.accounts() {
            if let Some(proof) = vault.get(&account).and_then(|proof| proof.first_chunk()) {
                self.right.borrow_mut().entry(account).or_insert(*proof);
            }
        }
        self.derived.each(|id, own| vault.insert(*id, &[&own.stored_key[..], &own.server_key].concat()));
        self.right.borrow().iter().for_each(|(account, proof)| vault.insert(*account, proof));
        self.has_news.set(false);
    }

    /// Takes out of a vault what this store has no use for: what belongs to passwords and users that are no
    /// more.
    pub(crate) fn tidy(&self, vault: &mut Vault) {
        let users = self.by_digest.values();
        let derived = users.flat_map(|user| {
            let hashes = self.derives.iter().filter(|hash| user.derives(**hash));
            hashes.map(|hash| self.derived_id(Some(user.as_ref()), &user.name, *hash))
        });
        let wanted: std::collections::BTreeSet<KeyedDigest> = derived.chain(self.accounts()).collect();
        vault.retain(|id| wanted.contains(id));
    }

    /// Users whose password PLAIN checks against credentials.
    fn accounts(&self) -> Vec<KeyedDigest> {
        let users = self.by_digest.values().filter(|_| self.is_plain_costly);
        users.filter_map(|user| Some(self.account(&user.name, user.plain_credentials()?))).collect()
    }

    fn find(&self, name: &str) -> Option<&User> {
        self.by_digest.get(&self.local.digest(&[b"name", name.as_bytes()])).map(|user| user.as_ref())
    }

    /// Where derived credentials stand in a vault. Of an unknown name: nowhere.
    fn derived_id(&self, user: Option<&User>, name: &str, hash: Hash) -> KeyedDigest {
        let password = user.filter(|user| user.derives(hash)).and_then(|user| user.password.as_ref());
        let known = [u8::from(password.is_some())];
        let password = password.map_or("", Secret::expose).as_bytes();
        self.vault.digest(&[b"derived", &known, &[hash.bytes() as u8], name.as_bytes(), password])
    }

    /// Where the right password for `credentials` stands in a vault.
    fn account(&self, name: &str, credentials: &Credentials) -> KeyedDigest {
        let Credentials { hash, salt, iterations, stored_key, .. } = credentials;
        let hash = [hash.bytes() as u8];
        self.vault.digest(&[b"account", name.as_bytes(), &hash, salt, &iterations.to_be_bytes(), stored_key])
    }

    fn salt(&self, name: &str, hash: Hash, length: usize) -> Vec<u8> {
        self.shown.bytes(&[b"salt", &[hash.bytes() as u8], name.as_bytes()], length)
    }

    /// The kind of user that `name` is, or imitates.
    fn kind(&self, user: Option<&User>, name: &str) -> Kind {
        let imitated = self.forms.imitated(name, &self.shown);
        user.map_or(imitated, Kind::of)
    }

    /// Credentials that look like those of a user and fit no password.
    fn made_up(&self, user: Option<&User>, name: &str, hash: Hash) -> Credentials {
        let form = self.forms.form(self.kind(user, name), name, hash, &self.shown);
        self.made_up_in(form, name, hash)
    }

    /// As many iterations as SCRAM shows for the name.
    fn made_up_for_plain(&self, user: Option<&User>, name: &str) -> Credentials {
        let (hash, form) = self.kind(user, name).plain;
        self.made_up_in(form, name, hash)
    }

    fn made_up_in(&self, form: Form, name: &str, hash: Hash) -> Credentials {
        let bytes = |what: &str| {
            let parts = [what.as_bytes(), &[hash.bytes() as u8], name.as_bytes()];
            self.shown.bytes(&parts, hash.bytes())
        };
        Credentials {
            hash,
            salt: form.salt.make(|length| self.salt(name, hash, length)),
            iterations: form.iterations,
            stored_key: bytes("stored key"),
            server_key: bytes("server key"),
        }
    }

    /// Compares digests: the time that it takes to compare passwords would reveal their length.
    fn is_password(&self, user: Option<&User>, name: &str, password: &str) -> bool {
        let digest = |text: &str| self.local.digest(&[b"password", name.as_bytes(), text.as_bytes()]);
        let known = user.and_then(|user| user.password.as_ref());
        let is_same = digest(password).ct_eq(&digest(known.map_or("", Secret::expose)));
        bool::from(is_same) & known.is_some()
    }
}

#[cfg(test)]
mod tests;
