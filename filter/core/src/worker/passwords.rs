//! PBKDF2 for clients' passwords: a share of the worker's time, and its outcomes, which the workers of a
//! process tell each other.
//!
//! The host's main thread tries each configuration first, in a sandbox of its own that serves nobody. So it
//! does most of the work there is with a new configuration; workers find the outcome in the memory that they
//! share, and go on beside their other work.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;

use super::command::Commands;
use super::host::Host;
use crate::fingerprint::Fingerprint;
use crate::limits;
use crate::memory::ProcessMemory;
use crate::shared::Shared;
use crate::time::Millis;

/// How many plugins of one sandbox have work: they share the time. A clone counts the same plugins.
#[derive(Clone, Debug, Default)]
pub struct Busy(Rc<Cell<u64>>);

/// A plugin's share of the work for passwords.
pub(crate) struct Passwords {
    busy: Busy,
    is_busy: Cell<bool>,
    /// How often the outcome had changed when it was last looked at.
    changes: Cell<u64>,
    /// When that was.
    looked: Cell<Millis>,
}

impl Passwords {
    /// Takes what the process has computed already. The first of the process to try `configuration` serves
    /// nobody, and does what is left at once, for at most [`limits::DERIVE_MS_MAX`].
    pub(crate) fn begin(
        busy: Busy,
        shared: &Shared,
        memory: &ProcessMemory,
        configuration: Fingerprint,
        host: &impl Host,
        commands: &Commands,
    ) -> Self {
        let this = Self { busy, is_busy: Cell::new(false), changes: Cell::new(0), looked: Cell::new(0) };
        // Made first, so that there are values with which workers can take turns.
        memory.create(&memory.users_changes(), &0);
        if !shared.uses_vault() {
            return this;
        }
        memory.create(&memory.users(), &Bytes::new());
        let is_first = memory.change(&memory.users(), |stored: &mut Bytes| {
            let (after, is_first) = shared.begin_with(stored, configuration, host.now());
            *stored = after.into();
            is_first
        });
        if commands.changed(is_first) == Some(true) && shared.is_deriving() {
            let end = host.now().saturating_add(limits::DERIVE_MS_MAX);
            while shared.is_deriving() && host.now() < end {
                shared.work();
            }
            let left = shared.credentials_left();
            if left > 0 {
                commands.inform(format!(
                    "sasl.users: {left} SCRAM credentials are still to be derived from passwords; until then SCRAM waits"
                ));
            }
            this.exchange(shared, memory, commands);
        }
        this
    }

    /// Works for a while, and tells others what came of it.
    pub(crate) fn tick(&self, shared: &Shared, memory: &ProcessMemory, host: &impl Host, commands: &Commands) {
        let now = host.now();
        self.note_busy(shared.has_work());
        let share = limits::WORK_MS * 1_000 / self.busy.0.get().max(1);
        let end = host.micros().saturating_add(share);
        for _ in 0..limits::WORK_PIECES_MAX {
            if !shared.has_work() || host.micros() >= end {
                break;
            }
            shared.work();
        }
        if shared.uses_vault() && now.abs_diff(self.looked.get()) >= limits::VAULT_MS {
            self.looked.set(now);
            if shared.has_news() || memory.get(&memory.users_changes()).unwrap_or(0) != self.changes.get() {
                self.exchange(shared, memory, commands);
            }
        }
    }

    /// Takes what others have found out, and tells them what is new.
    fn exchange(&self, shared: &Shared, memory: &ProcessMemory, commands: &Commands) {
        let had_news = shared.has_news();
        // As it was before: what changes meanwhile is looked at next time.
        let mut changes = memory.get(&memory.users_changes()).unwrap_or(0);
        let exchange = |stored: &mut Bytes| *stored = shared.exchange_with(stored).into();
        commands.changed(memory.change(&memory.users(), exchange));
        if had_news {
            let counted = memory.change(&memory.users_changes(), |count: &mut u64| {
                let before = *count;
                *count = before.wrapping_add(1);
                before
            });
            // Where nobody else has changed anything, the change that was counted is known here.
            if commands.changed(counted) == Some(changes) {
                changes = changes.wrapping_add(1);
            }
        }
        self.changes.set(changes);
    }

    fn note_busy(&self, is_busy: bool) {
        let plugins = &self.busy.0;
        match (self.is_busy.replace(is_busy), is_busy) {
            (false, true) => plugins.set(plugins.get() + 1),
            (true, false) => plugins.set(plugins.get().saturating_sub(1)),
            _ => {}
        }
    }
}

impl Drop for Passwords {
    fn drop(&mut self) {
        self.note_busy(false);
    }
}
