//! The core's stats as Envoy's metrics, each defined when it is first counted.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use kafka_partition_remapper_core::stats::{Kind, Names, Stat};

use crate::host;

/// The metrics of one plugin and worker.
pub(crate) struct Metrics {
    names: Rc<Names>,
    ids: RefCell<HashMap<Stat, u32>>,
}

impl Metrics {
    pub(crate) fn new(names: Rc<Names>) -> Self {
        Self { names, ids: RefCell::default() }
    }

    /// Adds `n` to a counter or gauge, or records `n` in a histogram. 0 only makes the metric known: Envoy
    /// refuses to add it to a counter.
    pub(crate) fn count(&self, stat: Stat, n: i64) {
        let Some(id) = self.id(stat) else { return };
        match stat.kind() {
            Kind::Counter | Kind::Gauge if n == 0 => {}
            Kind::Counter | Kind::Gauge => host::add_to_metric(id, n),
            Kind::Histogram => host::record_metric(id, n.unsigned_abs()),
        }
    }

    /// Gives a gauge this value.
    pub(crate) fn set(&self, stat: Stat, value: u64) {
        self.id(stat).into_iter().for_each(|id| host::record_metric(id, value));
    }

    /// Gives the gauge of this full name the value 0.
    pub(crate) fn clear(&self, name: &str) {
        host::define_metric(Kind::Gauge, name).into_iter().for_each(|id| host::record_metric(id, 0));
    }

    /// Adds to a gauge, which never falls below zero: Envoy would take that for a huge number.
    pub(crate) fn correct(&self, stat: Stat, n: i64) {
        let Some(id) = self.id(stat).filter(|_| n != 0) else { return };
        match host::metric(id) {
            Some(value) if n < 0 && value < n.unsigned_abs() => host::record_metric(id, 0),
            _ => host::add_to_metric(id, n),
        }
    }

    fn id(&self, stat: Stat) -> Option<u32> {
        if let Some(id) = self.ids.borrow().get(&stat) {
            return Some(*id);
        }
        let id = host::define_metric(stat.kind(), &self.names.of(stat))?;
        self.ids.borrow_mut().insert(stat, id);
        Some(id)
    }
}
