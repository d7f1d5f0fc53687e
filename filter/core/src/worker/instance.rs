//! One filter instance among those of its process: what it tells the others, and how its connections end when another one has
//! taken its place.
//!
//! Envoy hands a new configuration to a new instance in the same VM, and leaves the old one to its open connections without a
//! word. So instances find each other in shared data.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use kafka_partition_remapper_core::config::Config;
use kafka_partition_remapper_core::connection::retirement::{self, Retirement};
use kafka_partition_remapper_core::fingerprint::Fingerprint;
use kafka_partition_remapper_core::memory::census::Census;
use kafka_partition_remapper_core::memory::generations::Generations;
use kafka_partition_remapper_core::memory::placements::Placements;
use kafka_partition_remapper_core::stats::Stat;
use kafka_partition_remapper_core::Millis;

use crate::host;
use crate::metrics::Metrics;

/// How often an instance gives a sign of life, and looks whether it is outdated.
pub(crate) const SLOW_TICK: Duration = Duration::from_secs(1);

/// Least time between two looks at shared data, in milliseconds: half of a tick, so that no tick is left out.
const LOOK_MS: Millis = 500;

/// How often an outdated instance looks after its connections.
pub(crate) const RETIRING_TICK: Duration = Duration::from_millis(100);

/// Where in shared data instances meet.
struct Keys {
    census: String,
    generations: String,
}

pub(crate) struct Instance {
    /// Tells instances apart, for the census.
    id: u64,
    fingerprint: Fingerprint,
    keys: Keys,
    connections: RefCell<HashMap<u32, Rc<Retirement>>>,
    /// What the census has of this instance.
    told: Cell<u32>,
    is_announced: Cell<bool>,
    outdated_since: Cell<Option<Millis>>,
    /// When shared data was last looked at.
    looked: Cell<Millis>,
}

impl Instance {
    /// Asks whether the configuration agrees with earlier ones, and says what it changes.
    ///
    /// Envoy's main thread tries each configuration in a VM of its own first, which sees no connection and no tick: the only
    /// place where it may be refused.
    ///
    /// # Errors
    /// Why it does not.
    pub(crate) fn new(config: &Config, text: &str, id: u64) -> Result<Self, String> {
        let identity = Self::identity(config);
        let keys = Keys {
            census: format!("kafka_remapper.{}.census", config.stat_prefix),
            generations: format!("kafka_remapper.generations.{identity}"),
        };
        // Made by the first VM, so that workers always find a value with which they can take turns.
        host::create_shared(&keys.census, &Census::default().write());
        host::create_shared(&keys.generations, &Generations::default().write());
        let placements = format!("kafka_remapper.placements.{identity}");
        host::create_shared(&placements, &Placements::default().write());
        let accepted = host::change_shared(&placements, |stored| {
            let mut placements = Placements::read(stored);
            let accepted = placements.accept(&config.mapping, host::now());
            (placements.write(), accepted)
        });
        let accepted = accepted.transpose().map_err(|error| error.to_string())?.unwrap_or_default();
        accepted.warnings.iter().for_each(|warning| log::warn!("{warning}"));
        accepted.notes.iter().for_each(|note| log::info!("{note}"));
        Ok(Self {
            id,
            fingerprint: Fingerprint::of(text),
            keys,
            connections: RefCell::default(),
            told: Cell::new(0),
            is_announced: Cell::new(false),
            outdated_since: Cell::new(None),
            looked: Cell::new(0),
        })
    }

    /// What instances of one plugin have in common, whatever their configurations.
    pub(crate) fn identity(config: &Config) -> String {
        format!("{}.{}.{}", config.stat_prefix, host::plugin("name"), host::plugin("root_id"))
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// A new connection, which also tells that this configuration is in force.
    pub(crate) fn admit(&self, context_id: u32, retirement: &Rc<Retirement>, metrics: &Metrics) {
        let now = host::now();
        self.announce(now);
        let stored = host::shared(&self.keys.generations).unwrap_or_default();
        let mut known = Generations::read(&stored);
        let before = known.clone();
        known.connected(self.fingerprint, now);
        if known != before {
            self.change_generations(|generations| generations.connected(self.fingerprint, now));
        }
        self.connections.borrow_mut().insert(context_id, Rc::clone(retirement));
        metrics.count(Stat::ConnectionsTotal, 1);
        metrics.count(Stat::ConnectionsActive, 1);
        self.report(now, metrics);
    }

    /// A connection is gone.
    pub(crate) fn forget(&self, context_id: u32, metrics: &Metrics) {
        if self.connections.borrow_mut().remove(&context_id).is_some() {
            metrics.count(Stat::ConnectionsActive, -1);
            self.report(host::now(), metrics);
        }
    }

    /// The connections that are to be closed now, by their contexts.
    pub(crate) fn tick(&self, now: Millis, metrics: &Metrics) -> Vec<u32> {
        if now.abs_diff(self.looked.get()) >= LOOK_MS {
            self.looked.set(now);
            self.announce(now);
            self.report(now, metrics);
            self.look(now);
        }
        let connections = self.connections.borrow();
        if let Some(since) = self.outdated_since.get() {
            let is_due = |id: u32| since.saturating_add(retirement::delay_ms(id)) <= now;
            connections.iter().filter(|(id, _)| is_due(**id)).for_each(|(_, retirement)| retirement.ask());
        }
        connections.iter().filter(|(_, retirement)| retirement.is_done(now)).map(|(id, _)| *id).collect()
    }

    fn look(&self, now: Millis) {
        let stored = host::shared(&self.keys.generations).unwrap_or_default();
        let outdated_since = Generations::read(&stored).outdated_since(self.fingerprint, now);
        let connections = self.connections.borrow().len();
        match (self.outdated_since.replace(outdated_since), outdated_since) {
            (None, Some(_)) if connections > 0 => {
                log::info!(
                    "a newer configuration is in force: {connections} connections of this worker end one by one"
                );
            }
            (Some(_), None) => log::info!("this configuration is still in force: no more of its connections end"),
            _ => {}
        }
    }

    /// How soon [`Self::tick`] wants to be called again.
    pub(crate) fn period(&self) -> Duration {
        let is_retiring = self.outdated_since.get().is_some() && !self.connections.borrow().is_empty();
        if is_retiring {
            RETIRING_TICK
        } else {
            SLOW_TICK
        }
    }

    /// Others learn of this configuration once this instance works with it.
    fn announce(&self, now: Millis) {
        if !self.is_announced.replace(true) {
            self.change_generations(|generations| generations.loaded(self.fingerprint, now));
        }
    }

    fn change_generations(&self, change: impl Fn(&mut Generations)) {
        host::change_shared(&self.keys.generations, |stored| {
            let mut generations = Generations::read(stored);
            change(&mut generations);
            (generations.write(), ())
        });
    }

    /// A sign of life. Sets the gauge right where others give none any more.
    fn report(&self, now: Millis, metrics: &Metrics) {
        let connections = u32::try_from(self.connections.borrow().len()).unwrap_or(u32::MAX);
        let report = host::change_shared(&self.keys.census, |stored| {
            let mut census = Census::read(stored);
            let report = census.report(self.id, self.told.get(), connections, now);
            (census.write(), report)
        });
        if let Some(report) = report {
            self.told.set(report.told);
            metrics.correct(Stat::ConnectionsActive, report.correction);
        }
    }
}
