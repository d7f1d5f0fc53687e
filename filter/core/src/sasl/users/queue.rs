//! Passwords of PLAIN that have to be checked against SCRAM credentials: each costs a PBKDF2, so they wait in
//! a queue and get a share of the worker's time.
//!
//! An attempt takes the same place and the same time whether its name is known or not: for unknown names the
//! work is done all the same, on credentials that are made up. Anything cheaper would show in when others are
//! answered.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use subtle::ConstantTimeEq;

use crate::limits::{QUEUED_ITERATIONS_MAX, WORK_ITERATIONS};
use crate::sasl::keyed::KeyedDigest;
use crate::sasl::scram::credentials::Credentials;
use crate::sasl::scram::derivation::Derivation;

/// What is being found out about one name and password. All connections that ask the same wait for one of
/// these; when the last of them is gone, so is its place in the queue.
pub(crate) struct Job {
    /// The digest of name and password, by which equal attempts find each other.
    digest: KeyedDigest,
    credentials: Credentials,
    /// False: the credentials are made up.
    is_known: bool,
    /// Under which a good verdict is remembered: the account, and the password.
    pub(super) remembered: (KeyedDigest, KeyedDigest),
    derivation: RefCell<Derivation>,
    verdict: Cell<Option<bool>>,
}

impl Job {
    pub(super) fn new(
        digest: KeyedDigest,
        password: &str,
        credentials: Credentials,
        is_known: bool,
        remembered: (KeyedDigest, KeyedDigest),
    ) -> Self {
        let derivation = Derivation::new(credentials.hash, password, &credentials.salt, credentials.iterations);
        let derivation = RefCell::new(derivation);
        Self { digest, credentials, is_known, remembered, derivation, verdict: Cell::new(None) }
    }

    /// Whether the password is right, once that is known.
    pub(crate) fn verdict(&self) -> Option<bool> {
        self.verdict.get()
    }

    fn advance(&self) {
        if let Some(derived) = self.derivation.borrow_mut().advance(WORK_ITERATIONS) {
            let fits = derived.stored_key.ct_eq(&self.credentials.stored_key);
            self.verdict.set(Some(bool::from(fits) & self.is_known));
        }
    }

    fn left(&self) -> u32 {
        self.derivation.borrow().left()
    }
}

#[derive(Default)]
pub(super) struct Queue {
    jobs: RefCell<VecDeque<Weak<Job>>>,
}

impl Queue {
    /// A place for `digest`: one that there is already, or a new one for what `make` gives. None: the queue
    /// is full.
    pub(super) fn join(&self, digest: &KeyedDigest, iterations: u32, make: impl FnOnce() -> Job) -> Option<Rc<Job>> {
        let mut jobs = self.jobs.borrow_mut();
        jobs.retain(|job| job.strong_count() > 0);
        let live = || jobs.iter().filter_map(Weak::upgrade);
        if let Some(job) = live().find(|job| job.digest == *digest) {
            return Some(job);
        }
        let left: u32 = live().map(|job| job.left()).sum();
        if left.saturating_add(iterations) > QUEUED_ITERATIONS_MAX {
            return None;
        }
        let job = Rc::new(make());
        jobs.push_back(Rc::downgrade(&job));
        Some(job)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.jobs.borrow().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.borrow().is_empty()
    }

    /// Goes on by [`WORK_ITERATIONS`] with the oldest. Gives it when it is done, and whether there was
    /// anything to do.
    pub(super) fn work(&self) -> (bool, Option<Rc<Job>>) {
        let mut jobs = self.jobs.borrow_mut();
        while let Some(job) = jobs.front().map(Weak::upgrade) {
            let Some(job) = job else {
                jobs.pop_front();
                continue;
            };
            job.advance();
            let is_done = job.verdict().is_some();
            if is_done {
                jobs.pop_front();
            }
            return (true, Some(job).filter(|_| is_done));
        }
        (false, None)
    }
}
