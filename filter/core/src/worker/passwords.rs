//! PBKDF2 for clients' passwords: a share of the worker's time, and what the workers of a process tell each other of it.
//!
//! Envoy's main thread tries each configuration first, in a VM of its own that serves nobody. So it does most of the work
//! there is with a new configuration; workers find the outcome in shared data, and go on beside their other work.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use bytes::Bytes;
use kafka_partition_remapper_core::fingerprint::Fingerprint;
use kafka_partition_remapper_core::{limits, Millis, Shared};

use crate::host;

thread_local! {
    /// Plugins of this VM that have work: they share the time.
    static BUSY: Cell<u64> = const { Cell::new(0) };
}

pub(crate) struct Work {
    /// Where in shared data the outcome is, and how often it has changed: a look at that is cheap.
    key: String,
    changes_key: String,
    /// How often it had changed when it was looked at last.
    changes: RefCell<Bytes>,
    /// Connections whose tokens wait for a verdict, by their contexts.
    waiting: RefCell<BTreeSet<u32>>,
    /// When shared data was last looked at.
    looked: Cell<Millis>,
    is_busy: Cell<bool>,
}

impl Work {
    /// `identity`: of the plugin.
    pub(crate) fn begin(shared: &Shared, identity: &str, configuration: Fingerprint) -> Self {
        let key = format!("kafka_remapper.users.{identity}");
        if !shared.uses_vault() {
            return Self::new(key);
        }
        // Made first, so that there is a value with which workers can take turns.
        host::create_shared(&key, &[]);
        let work = Self::new(key);
        let key = &work.key;
        let is_first = host::change_shared(key, |stored| shared.begin_with(stored, configuration, host::now()));
        if is_first == Some(true) && shared.is_deriving() {
            let end = host::now().saturating_add(limits::DERIVE_MS_MAX);
            while shared.is_deriving() && host::now() < end {
                shared.work();
            }
            let left = shared.credentials_left();
            if left > 0 {
                log::info!("sasl.users: {left} SCRAM credentials are still to be derived from passwords; until then SCRAM waits");
            }
            work.exchange(shared);
        }
        work
    }

    fn new(key: String) -> Self {
        let changes_key = format!("{key}.changes");
        host::create_shared(&changes_key, &[]);
        Self {
            key,
            changes_key,
            changes: RefCell::default(),
            waiting: RefCell::default(),
            looked: Cell::new(0),
            is_busy: Cell::new(false),
        }
    }

    pub(crate) fn wait(&self, context_id: u32) {
        self.waiting.borrow_mut().insert(context_id);
    }

    pub(crate) fn forget(&self, context_id: u32) {
        self.waiting.borrow_mut().remove(&context_id);
    }

    /// [`Self::tick`] should be called soon.
    pub(crate) fn is_waiting(&self, shared: &Shared) -> bool {
        shared.has_work() || !self.waiting.borrow().is_empty()
    }

    /// Works for a while, and tells others what came of it.
    pub(crate) fn tick(&self, shared: &Shared, now: Millis) {
        self.note_busy(shared.has_work());
        let share = limits::WORK_MS * 1_000 / BUSY.get().max(1);
        let end = host::micros().saturating_add(share);
        for _ in 0..limits::WORK_PIECES_MAX {
            if !shared.has_work() || host::micros() >= end {
                break;
            }
            shared.work();
        }
        if shared.uses_vault() && now.abs_diff(self.looked.get()) >= limits::VAULT_MS {
            self.looked.set(now);
            let changes = host::shared(&self.changes_key).unwrap_or_default();
            if shared.has_news() || changes != *self.changes.borrow() {
                self.exchange(shared);
            }
        }
    }

    /// Takes what others have found out, and tells them what is new.
    fn exchange(&self, shared: &Shared) {
        let had_news = shared.has_news();
        // As it was before: what changes meanwhile is looked at next time.
        let mut changes = host::shared(&self.changes_key).unwrap_or_default();
        host::change_shared(&self.key, |stored| (shared.exchange_with(stored), ()));
        if had_news {
            let next = |stored: &[u8]| {
                let count = stored.first_chunk().map_or(0, |count| u64::from_be_bytes(*count)).wrapping_add(1);
                (count.to_be_bytes().to_vec(), stored == &changes[..])
            };
            if host::change_shared(&self.changes_key, next) == Some(true) {
                let count = changes.first_chunk().map_or(0, |count| u64::from_be_bytes(*count)).wrapping_add(1);
                changes = Bytes::copy_from_slice(&count.to_be_bytes());
            }
        }
        self.changes.replace(changes);
    }

    fn note_busy(&self, is_busy: bool) {
        match (self.is_busy.replace(is_busy), is_busy) {
            (false, true) => BUSY.set(BUSY.get() + 1),
            (true, false) => BUSY.set(BUSY.get().saturating_sub(1)),
            _ => {}
        }
    }

    /// Connections that wait no longer, some of them: `is_judged` tells of each whether it has to.
    pub(crate) fn take_judged(&self, is_judged: impl Fn(u32) -> bool) -> Vec<u32> {
        let judged: Vec<u32> =
            self.waiting.borrow().iter().copied().filter(|id| is_judged(*id)).take(limits::WOKEN_MAX).collect();
        let mut waiting = self.waiting.borrow_mut();
        judged.iter().for_each(|id| {
            waiting.remove(id);
        });
        judged
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.note_busy(false);
    }
}
