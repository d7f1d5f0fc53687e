//! Gauges that say what is configured. Each worker of a process sets the same ones to the same values, and
//! whichever instance puts its configuration in force first sets those to 0 that only the former one had, and
//! that no other plugin of the same `stat_prefix` shows.

use std::cell::Cell;
use std::rc::Rc;

use super::command::{Command, Commands};
use crate::config::Config;
use crate::fingerprint::Fingerprint;
use crate::memory::shown::Shown;
use crate::memory::ProcessMemory;
use crate::stats::{Names, Stat, TopicLabel};
use crate::topics;

/// What one configuration shows.
pub(crate) struct Display {
    gauges: Vec<(Stat, u64)>,
    names: Rc<Names>,
    is_shown: Cell<bool>,
}

impl Display {
    pub(crate) fn new(config: &Config, configuration: Fingerprint, names: &Rc<Names>) -> Self {
        let mut gauges = vec![(Stat::BuildInfo, 1), (Stat::ConfigurationInfo { configuration }, 1)];
        for ((_, mapping), number) in topics::labelled(&config.mapping).zip(0..) {
            let topic = TopicLabel::Named(number);
            let count = |partitions: i32| u64::try_from(partitions).unwrap_or(0);
            gauges.push((Stat::TopicVirtualPartitions { topic }, count(mapping.virtual_partitions())));
            gauges.push((Stat::TopicPhysicalPartitions { topic }, count(mapping.physical_partitions())));
        }
        Self { gauges, names: Rc::clone(names), is_shown: Cell::new(false) }
    }

    /// The gauges, before anything is known of them.
    pub(crate) fn stats(&self) -> impl Iterator<Item = Stat> + '_ {
        self.gauges.iter().map(|(stat, _)| *stat)
    }

    /// To be called once per second or more often: whether the configuration is in force.
    pub(crate) fn look(&self, is_current: bool, memory: &ProcessMemory, commands: &Commands) {
        if !self.is_shown.replace(is_current) && is_current {
            self.show(memory, commands);
        }
    }

    fn show(&self, memory: &ProcessMemory, commands: &Commands) {
        let mine: Vec<String> = self.gauges.iter().map(|(stat, _)| self.names.of(*stat)).collect();
        let gone = memory.change(&memory.shown(), |shown: &mut Shown| shown.show(memory.identity(), &mine));
        let gone = commands.changed(gone).unwrap_or_default();
        gone.into_iter().for_each(|name| commands.push(Command::Clear(name)));
        self.gauges.iter().for_each(|(stat, value)| commands.push(Command::Set(*stat, *value)));
    }
}
