//! One filter instance among those of its process: what it tells the others, and how its connections end when
//! another instance has taken its place.
//!
//! The host hands a new configuration to a new instance in the same sandbox, and leaves the old instance to
//! its open connections without a word. So instances find each other in the memory that they share.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::command::{Command, Commands};
use super::shown::Display;
use crate::config::{Config, ConfigError};
use crate::connection::retirement::{self, Retirement};
use crate::fingerprint::Fingerprint;
use crate::limits::{INSTANCES_LOOK_MS, RETIRING_TICK_MS, SLOW_TICK_MS};
use crate::memory::census::{Census, Gauge, Parts};
use crate::memory::generations::Generations;
use crate::memory::placements::Placements;
use crate::memory::{Key, ProcessMemory};
use crate::stats::{BrokerLabel, Stat};
use crate::time::Millis;

/// What a worker's memory is used for, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// The worker takes connections, or has taken some.
    pub(crate) has_served: bool,
    pub(crate) held: usize,
    pub(crate) held_limit: usize,
    pub(crate) shared: usize,
}

pub(crate) struct Instance {
    /// Tells instances apart, for the census.
    id: u64,
    fingerprint: Fingerprint,
    /// Those that are open, by their contexts, with the brokers for which they stand.
    connections: RefCell<HashMap<u32, (Rc<Retirement>, BrokerLabel)>>,
    /// What this instance has added to gauges.
    parts: RefCell<Parts>,
    /// What the census of connections has of that.
    reported: RefCell<Parts>,
    /// What the census of other gauges has of that.
    reported_others: RefCell<Parts>,
    display: Display,
    is_announced: Cell<bool>,
    outdated_since: Cell<Option<Millis>>,
    /// When was last looked at what others say.
    looked: Cell<Millis>,
}

impl Instance {
    /// Asks whether the configuration agrees with earlier ones, and says what it changes. `id`:
    /// unpredictable. `display`: what the configuration shows.
    ///
    /// The host's main thread tries each configuration in a sandbox of its own first, which sees no
    /// connection and no tick: the only place where it may be refused.
    ///
    /// # Errors
    /// Why it does not agree.
    pub(crate) fn new(
        config: &Config,
        fingerprint: Fingerprint,
        (id, display): (u64, Display),
        memory: &ProcessMemory,
        commands: &Commands,
        now: Millis,
    ) -> Result<Self, ConfigError> {
        // Made by the first instance, so that others always find a value with which they can take turns.
        memory.create(&memory.connections(), &Census::default());
        memory.create(&memory.gauges(), &Census::default());
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
            parts: RefCell::default(),
            reported: RefCell::default(),
            reported_others: RefCell::default(),
            display,
            is_announced: Cell::new(false),
            outdated_since: Cell::new(None),
            looked: Cell::new(0),
        })
    }

    /// A new connection for `broker`, which also tells that this configuration is in force.
    pub(crate) fn admit(
        &self,
        (context_id, broker): (u32, BrokerLabel),
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
        self.connections.borrow_mut().insert(context_id, (Rc::clone(retirement), broker));
        commands.count(Stat::ConnectionsTotal, 1);
        self.add(Gauge::Connections, 1, commands);
        self.add(Gauge::BrokerConnections(broker), 1, commands);
        self.report(memory, commands, now);
    }

    /// A connection is gone.
    pub(crate) fn forget(&self, context_id: u32, memory: &ProcessMemory, commands: &Commands, now: Millis) {
        let gone = self.connections.borrow_mut().remove(&context_id);
        if let Some((_, broker)) = gone {
            self.add(Gauge::Connections, -1, commands);
            self.add(Gauge::BrokerConnections(broker), -1, commands);
            self.report(memory, commands, now);
        }
    }

    /// The connections that are to be closed now, by their contexts.
    pub(crate) fn tick(
        &self,
        memory: &ProcessMemory,
        commands: &Commands,
        usage: impl FnOnce() -> Usage,
        now: Millis,
    ) -> Vec<u32> {
        if now.abs_diff(self.looked.get()) >= INSTANCES_LOOK_MS {
            self.looked.set(now);
            self.announce(memory, commands, now);
            let is_current = self.look(memory, commands, now);
            self.display.look(is_current, memory, commands);
            self.use_memory(usage(), is_current, commands);
            self.report(memory, commands, now);
            self.report_others(memory, commands, now);
        }
        let connections = self.connections.borrow();
        if let Some(since) = self.outdated_since.get() {
            let is_due = |id: u32| since.saturating_add(retirement::delay_ms(id)) <= now;
            connections.iter().filter(|(id, _)| is_due(**id)).for_each(|(_, (retirement, _))| retirement.ask());
        }
        connections.iter().filter(|(_, (retirement, _))| retirement.is_done(now)).map(|(id, _)| *id).collect()
    }

    /// Gives whether this configuration is in force.
    fn look(&self, memory: &ProcessMemory, commands: &Commands, now: Millis) -> bool {
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
        generations.is_current(self.fingerprint)
    }

    /// Instances of one plugin in one sandbox see the same memory, which counts once: for the one that is in
    /// force. Two plugins in one sandbox both count it, and nothing tells them of each other.
    fn use_memory(&self, usage: Usage, is_current: bool, commands: &Commands) {
        let Usage { has_served, held, held_limit, shared } = usage;
        let (held, held_limit) = if is_current && has_served { (held, held_limit) } else { (0, 0) };
        for (gauge, bytes) in
            [(Gauge::HeldBytes, held), (Gauge::HeldBytesLimit, held_limit), (Gauge::SharedBytes, shared)]
        {
            let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
            let before = self.parts.borrow().get(gauge);
            self.add(gauge, bytes - before, commands);
        }
    }

    fn add(&self, gauge: Gauge, n: i64, commands: &Commands) {
        if n != 0 {
            self.parts.borrow_mut().add(gauge, n);
            commands.count(gauge.stat(), n);
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

    /// A sign of life. Sets the number of connections right where others give none any more.
    fn report(&self, memory: &ProcessMemory, commands: &Commands, now: Millis) {
        let parts = self.parts.borrow().of(|gauge| gauge == Gauge::Connections);
        Self::report_to((self.id, &memory.connections()), (&self.reported, &parts), memory, commands, now);
    }

    /// As [`Self::report`], for all other gauges. With their labels they are too much to be read and written
    /// with each connection; of a VM that fails, what it added after the last look stays.
    fn report_others(&self, memory: &ProcessMemory, commands: &Commands, now: Millis) {
        let parts = self.parts.borrow().of(|gauge| gauge != Gauge::Connections);
        Self::report_to((self.id, &memory.gauges()), (&self.reported_others, &parts), memory, commands, now);
    }

    fn report_to(
        (id, key): (u64, &Key<Census>),
        (reported, parts): (&RefCell<Parts>, &Parts),
        memory: &ProcessMemory,
        commands: &Commands,
        now: Millis,
    ) {
        let report = memory.change(key, |census: &mut Census| census.report(id, &reported.borrow(), parts, now));
        if let Some(report) = commands.changed(report) {
            reported.replace(report.reported);
            let corrections = report.correction.iter();
            corrections.for_each(|(gauge, n)| commands.push(Command::Correct(gauge.stat(), n)));
        }
    }
}

fn change_generations(memory: &ProcessMemory, commands: &Commands, change: impl FnMut(&mut Generations)) {
    commands.changed(memory.change(&memory.generations(), change));
}
