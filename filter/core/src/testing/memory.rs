//! A process's memory as a map.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;

use crate::memory::{Cas, Memory, ProcessMemory};

/// What the workers of one process share: a clone is the same memory. It counts versions as Envoy does.
#[derive(Clone, Default)]
pub(crate) struct Process {
    values: Rc<RefCell<BTreeMap<String, (Bytes, u32)>>>,
    /// Before so many writes that name a version, another worker writes the same value once more.
    pub(crate) races: Rc<Cell<usize>>,
    pub(crate) writes: Rc<Cell<usize>>,
    begun: Rc<Cell<u8>>,
    /// The host's counters and gauges, by their full names.
    pub(crate) metrics: Rc<RefCell<BTreeMap<String, i64>>>,
}

impl Process {
    /// A worker of this process, with the plugin `ingress`, root id `r`, whose `stat_prefix` is `k`.
    pub(crate) fn worker(&self) -> ProcessMemory {
        ProcessMemory::new(Box::new(self.clone()), "k", "ingress", "r")
    }

    /// Another worker begins. Gives where its random bytes are to start, so that they are its own.
    pub(crate) fn begin(&self) -> u8 {
        self.begun.set(self.begun.get() + 1);
        self.begun.get() * 16
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.values.borrow().keys().cloned().collect()
    }

    pub(crate) fn value(&self, key: &str) -> Option<Bytes> {
        self.get(key).map(|(value, _)| value)
    }
}

impl Memory for Process {
    fn get(&self, key: &str) -> Option<(Bytes, Cas)> {
        self.values.borrow().get(key).map(|(value, version)| (value.clone(), Cas::Version(*version)))
    }

    fn set(&self, key: &str, value: &[u8], cas: Option<Cas>) -> bool {
        let mut values = self.values.borrow_mut();
        if cas.is_some() && self.races.get() > 0 {
            self.races.set(self.races.get() - 1);
            values.entry(key.to_owned()).or_default().1 += 1;
        }
        let (now, version) = match values.get(key) {
            Some((_, version)) => (Cas::Version(*version), *version),
            None => (Cas::Missing, 0),
        };
        let fits = cas.is_none_or(|cas| cas == now);
        if fits {
            self.writes.set(self.writes.get() + 1);
            values.insert(key.to_owned(), (Bytes::copy_from_slice(value), version + 1));
        }
        fits
    }
}
