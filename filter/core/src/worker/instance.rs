//! One filter instance among those of its process: what it tells the others, and how its connections end when
//! another instance has taken its place.
//!
//! The host hands a new configuration to a new instance in the same sandbox, and leaves the old instance to
//! its open connections without a word. So instances find each other in the memory that they share.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::command::{Command, Commands};
use crate::config::{Config, ConfigError};
use crate::connection::retirement::{self, Retirement};
use crate::fingerprint::Fingerprint;
use crate::limits::{INSTANCES_LOOK_MS, RETIRING_TICK_MS, SLOW_TICK_MS};
use crate::memory::census::Census;
use crate::memory::generations::Generations;
use crate::memory::placements::Placements;
use crate::memory::ProcessMemory;
use crate::stats::Stat;
use crate::time::Millis;

pub(crate) struct Instance {
    /// Tells instances apart, for the census.
    id: u64,
    fingerprint: Fingerprint,
    /// Those that are open, by their contexts.
    connections: RefCell<HashMap<u32, Rc<Retirement>>>,
    /// What the census has of this instance.
    reported: Cell<u32>,
    is_announced: Cell<bool>,
    outdated_since: Cell<Option<Millis>>,
    /// When was last looked at what others say.
    looked: Cell<Millis>,
}

impl Instance {
    /// Asks whether the configuration agrees with earlier ones, and says what it changes. `id`:
    /// unpredictable.
    ///
    /// The host's main thread tries each configuration in a sandbox of its own first, which sees no
    /// connection and no tick: the only place where it may be refused.
    ///
    /// # Errors
    /// Why it does not agree.
    pub(crate) fn new(
        config: &Config,
        fingerprint: Fingerprint,
        id: u64,
        memory: &ProcessMemory,
        commands: &Commands,
        now: Millis,
    ) -> Result<Self, ConfigError> {
        // Made by the first instance, so that others always find a value with which they can take turns.
        memory.create(&memory.census(), &Census::default());
        memory.create(&memory.generations(), &Generations::default());
        memory.create(&memory.placements(), &Placements::default());
        let accepted =
            memory.change(&memory.placements(), |placements: &mut Placements| placements.accept(&config.mapping, now));
        let accepted = commands.changed(accepted).transpose()?.unwrap_or_default();
        accepted.warnings.into_iter().for_each(|warning| commands.warn(warning));
        accepted.notes.into_iter().for_each(|note| commands.inform(note));
        Ok(Self {
            id,
            fingerprint,
            connections: RefCell::default(),
            reported: Cell::new(0),
            is_announced: Cell::new(false),
            outdated_since: Cell::new(None),
            looked: Cell::new(0),
        })
    }

    /// A new connection, which also tells that this configuration is in force.
    pub(crate) fn admit(
        &self,
        context_id: u32,
        retirement: &Rc<Retirement>,
        memory: &ProcessMemory,
        commands: &Commands,
        now: Millis,
    ) {
        self.announce(memory, commands, now);
        let mut known = memory.get(&memory.generations()).unwrap_or_default();
        let before = known.clone();
        known.connected(self.fingerprint, now);
        if known != before {
            change_generations(memory, commands, |generations| generations.connected(self.fingerprint, now));
        }
        self.connections.borrow_mut().insert(context_id, Rc::clone(retirement));
        commands.count(Stat::ConnectionsTotal, 1);
        commands.count(Stat::ConnectionsActive, 1);
        self.report(memory, commands, now);
    }

    /// A connection is gone.
    pub(crate) fn forget(&self, context_id: u32, memory: &ProcessMemory, commands: &Commands, now: Millis) {
        if self.connections.borrow_mut().remove(&context_id).is_some() {
            commands.count(Stat::ConnectionsActive, -1);
            self.report(memory, commands, now);
        }
    }

    /// The connections that are to be closed now, by their contexts.
    pub(crate) fn tick(&self, memory: &ProcessMemory, commands: &Commands, now: Millis) -> Vec<u32> {
        if now.abs_diff(self.looked.get()) >= INSTANCES_LOOK_MS {
            self.looked.set(now);
            self.announce(memory, commands, now);
            self.report(memory, commands, now);
            self.look(memory, commands, now);
        }
        let connections = self.connections.borrow();
        if let Some(since) = self.outdated_since.get() {
            let is_due = |id: u32| since.saturating_add(retirement::delay_ms(id)) <= now;
            connections.iter().filter(|(id, _)| is_due(**id)).for_each(|(_, retirement)| retirement.ask());
        }
        connections.iter().filter(|(_, retirement)| retirement.is_done(now)).map(|(id, _)| *id).collect()
    }

    fn look(&self, memory: &ProcessMemory, commands: &Commands, now: Millis) {
        let generations = memory.get(&memory.generations()).unwrap_or_default();
        let outdated_since = generations.outdated_since(self.fingerprint, now);
        let connections = self.connections.borrow().len();
        match (self.outdated_since.replace(outdated_since), outdated_since) {
            (None, Some(_)) if connections > 0 => commands.inform(format!(
                "a newer configuration is in force: {connections} connections of this worker end one by one"
            )),
            (Some(_), None) => {
                commands.inform("this configuration is still in force: no more of its connections end".to_owned());
            }
            _ => {}
        }
    }

    /// Milliseconds after which [`Self::tick`] wants to be called again.
    pub(crate) fn period(&self) -> Millis {
        let is_retiring = self.outdated_since.get().is_some() && !self.connections.borrow().is_empty();
        if is_retiring {
            RETIRING_TICK_MS
        } else {
            SLOW_TICK_MS
        }
    }

    /// Others learn of this configuration once this instance works with it.
    fn announce(&self, memory: &ProcessMemory, commands: &Commands, now: Millis) {
        if !self.is_announced.replace(true) {
            change_generations(memory, commands, |generations| generations.loaded(self.fingerprint, now));
        }
    }

    /// A sign of life. Sets the gauge right where others give none any more.
    fn report(&self, memory: &ProcessMemory, commands: &Commands, now: Millis) {
        let connections = u32::try_from(self.connections.borrow().len()).unwrap_or(u32::MAX);
        let report = memory.change(&memory.census(), |census: &mut Census| {
            census.report(self.id, self.reported.get(), connections, now)
        });
        if let Some(report) = commands.changed(report) {
            self.reported.set(report.reported);
            if report.correction != 0 {
                commands.push(Command::Correct(Stat::ConnectionsActive, report.correction));
            }
        }
    }
}

fn change_generations(memory: &ProcessMemory, commands: &Commands, change: impl FnMut(&mut Generations)) {
    commands.changed(memory.change(&memory.generations(), change));
}
