//! The credentials of users that have a password only: each derived once, piece by piece, whoever asks for
//! what.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::user::User;
use crate::limits::{SCRAM_ITERATIONS_MIN, WORK_ITERATIONS};
use crate::sasl::keyed::KeyedDigest;
use crate::sasl::scram::credentials::{Credentials, Hash};
use crate::sasl::scram::derivation::Derivation;
use crate::sasl::secret::Secret;

/// One user's credentials for one hash function, not derived yet.
pub(super) struct Task {
    /// Where they stand in a [`Vault`](crate::sasl::vault::Vault).
    pub(super) id: KeyedDigest,
    pub(super) user: Rc<User>,
    pub(super) hash: Hash,
    pub(super) salt: Vec<u8>,
}

impl Task {
    fn begin(&self) -> Derivation {
        let password = self.user.password.as_ref().map_or("", Secret::expose);
        Derivation::new(self.hash, password, &self.salt, SCRAM_ITERATIONS_MIN)
    }
}

pub(super) struct Derived {
    ready: RefCell<BTreeMap<KeyedDigest, Rc<Credentials>>>,
    missing: RefCell<Vec<Task>>,
    current: RefCell<Option<(Task, Derivation)>>,
    /// Tasks that are missing or begun, of SHA-256 and of SHA-512.
    left: Cell<[usize; 2]>,
}

fn index(hash: Hash) -> usize {
    match hash {
        Hash::Sha256 => 0,
        Hash::Sha512 => 1,
    }
}

impl Derived {
    /// `tasks`: in the order in which this worker takes them, last first.
    pub(super) fn new(tasks: Vec<Task>) -> Self {
        let derived = Self {
            ready: RefCell::default(),
            missing: RefCell::new(tasks),
            current: RefCell::default(),
            left: Cell::default(),
        };
        derived.count();
        derived
    }

    fn count(&self) {
        let (missing, current) = (self.missing.borrow(), self.current.borrow());
        let mut left = [0; 2];
        for task in missing.iter().chain(current.as_ref().map(|(task, _)| task)) {
            if let Some(count) = left.get_mut(index(task.hash)) {
                *count += 1;
            }
        }
        self.left.set(left);
    }

    /// Nothing is missing for SCRAM with `hash`.
    pub(super) fn is_ready(&self, hash: Hash) -> bool {
        self.left.get().get(index(hash)).is_none_or(|left| *left == 0)
    }

    /// Tasks that are missing or begun.
    pub(super) fn left(&self) -> usize {
        self.left.get().iter().sum()
    }

    pub(super) fn get(&self, id: &KeyedDigest) -> Option<Rc<Credentials>> {
        self.ready.borrow().get(id).cloned()
    }

    /// Hands all derived credentials to `with`, by their ids.
    pub(super) fn each(&self, mut with: impl FnMut(&KeyedDigest, &Credentials)) {
        self.ready.borrow().iter().for_each(|(id, credentials)| with(id, credentials));
    }

    /// Takes credentials that other workers have derived: `find` gives the stored key, with the server key
    /// behind it.
    pub(super) fn adopt(&self, find: impl Fn(&KeyedDigest) -> Option<Vec<u8>>) {
        let adopt = |task: &Task| {
            let keys = find(&task.id).filter(|keys| keys.len() == 2 * task.hash.bytes());
            let Some(mut stored_key) = keys else { return false };
            let server_key = stored_key.split_off(task.hash.bytes());
            let (hash, salt) = (task.hash, task.salt.clone());
            let credentials = Credentials { hash, salt, iterations: SCRAM_ITERATIONS_MIN, stored_key, server_key };
            self.ready.borrow_mut().insert(task.id, Rc::new(credentials));
            true
        };
        self.missing.borrow_mut().retain(|task| !adopt(task));
        self.current.borrow_mut().take_if(|(task, _)| adopt(task));
        self.count();
    }

    /// Goes on by [`WORK_ITERATIONS`]. False: there is nothing to do.
    pub(super) fn work(&self) -> bool {
        let begun = self.current.take().or_else(|| {
            let task = self.missing.borrow_mut().pop()?;
            let derivation = task.begin();
            Some((task, derivation))
        });
        let Some((task, mut derivation)) = begun else { return false };
        match derivation.advance(WORK_ITERATIONS) {
            None => *self.current.borrow_mut() = Some((task, derivation)),
            Some(credentials) => {
                self.ready.borrow_mut().insert(task.id, Rc::new(credentials));
                let mut left = self.left.get();
                if let Some(count) = left.get_mut(index(task.hash)) {
                    *count = count.saturating_sub(1);
                }
                self.left.set(left);
            }
        }
        true
    }
}
