//! What died with a VM: what gauges have to be corrected by.
//!
//! Gauges live in Envoy and outlive VMs. A VM that fails says no more that its connections are gone. So every
//! filter instance keeps what it has added to gauges in memory that all workers share, together with the time
//! of its last sign of life, and takes from the gauges what those had added that give none any more. One that
//! was only late finds itself missing, and takes back what was taken for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits::{CENSUS_ENTRIES_MAX, CENSUS_SILENT_MS};
use crate::stats::{BrokerLabel, Stat};
use crate::time::Millis;

/// A gauge that is a sum over all filter instances of one `stat_prefix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Gauge {
    #[serde(rename = "c")]
    Connections,
    #[serde(rename = "b")]
    BrokerConnections(BrokerLabel),
    #[serde(rename = "h")]
    HeldBytes,
    #[serde(rename = "l")]
    HeldBytesLimit,
    #[serde(rename = "s")]
    SharedBytes,
}

impl Gauge {
    pub(crate) fn stat(self) -> Stat {
        match self {
            Self::Connections => Stat::ConnectionsActive,
            Self::BrokerConnections(broker) => Stat::BrokerConnectionsActive { broker },
            Self::HeldBytes => Stat::HeldBytes,
            Self::HeldBytesLimit => Stat::HeldBytesLimit,
            Self::SharedBytes => Stat::SharedBytes,
        }
    }
}

/// What one instance, or several, add to gauges. Zeros are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(Gauge, i64)>", into = "Vec<(Gauge, i64)>")]
pub(crate) struct Parts(BTreeMap<Gauge, i64>);

impl Parts {
    pub(crate) fn add(&mut self, gauge: Gauge, n: i64) {
        let sum = self.0.entry(gauge).or_default();
        *sum = sum.saturating_add(n);
        if *sum == 0 {
            self.0.remove(&gauge);
        }
    }

    pub(crate) fn get(&self, gauge: Gauge) -> i64 {
        self.0.get(&gauge).copied().unwrap_or(0)
    }

    /// Those of some gauges.
    pub(crate) fn of(&self, is_wanted: impl Fn(Gauge) -> bool) -> Self {
        Self(self.iter().filter(|(gauge, _)| is_wanted(*gauge)).collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Gauge, i64)> + '_ {
        self.0.iter().map(|(gauge, n)| (*gauge, *n))
    }
}

impl From<Vec<(Gauge, i64)>> for Parts {
    fn from(parts: Vec<(Gauge, i64)>) -> Self {
        Self(parts.into_iter().filter(|(_, n)| *n != 0).collect())
    }
}

impl From<Parts> for Vec<(Gauge, i64)> {
    fn from(parts: Parts) -> Self {
        parts.0.into_iter().collect()
    }
}

/// Filter instances (one per worker and configuration) of one `stat_prefix`, and what they add to gauges.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Census(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    instance: u64,
    parts: Parts,
    seen: Millis,
}

/// What came of [`Census::report`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// To be added to the gauges, once the census has been stored.
    pub(crate) correction: Parts,
    /// What the census has of this instance now, for its next report.
    pub(crate) reported: Parts,
}

impl Census {
    /// From shared memory. What cannot be read counts as nobody's report.
    pub(crate) fn read(stored: &[u8]) -> Self {
        serde_json::from_slice(stored).unwrap_or_default()
    }

    /// For shared memory.
    pub(crate) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// A sign of life of `instance`, which has added `parts` to gauges, and had reported `reported` before.
    pub(crate) fn report(&mut self, instance: u64, reported: &Parts, parts: &Parts, now: Millis) -> Report {
        let mut correction = Parts::default();
        self.0.retain(|entry| {
            let is_alive = entry.instance == instance || now.saturating_sub(entry.seen) < CENSUS_SILENT_MS;
            if !is_alive {
                entry.parts.iter().for_each(|(gauge, n)| correction.add(gauge, -n));
            }
            is_alive
        });
        let fresh = Entry { instance, parts: parts.clone(), seen: now };
        match self.0.iter_mut().find(|entry| entry.instance == instance) {
            Some(entry) => *entry = fresh,
            None => {
                // Somebody took this instance for dead, and took from the gauges what was reported.
                reported.iter().for_each(|(gauge, n)| correction.add(gauge, n));
                if self.0.len() >= CENSUS_ENTRIES_MAX {
                    return Report { correction, reported: Parts::default() };
                }
                self.0.push(fresh);
            }
        }
        Report { correction, reported: parts.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Instances that count connections, over one memory and one gauge, and another gauge that is half of it.
    #[derive(Default)]
    struct World {
        stored: Vec<u8>,
        gauge: i64,
        half: i64,
        instances: Vec<(u32, Parts)>,
    }

    const HALF: Gauge = Gauge::BrokerConnections(BrokerLabel::Id(7));

    fn parts(connections: u32) -> Parts {
        vec![(Gauge::Connections, 2 * i64::from(connections)), (HALF, connections.into())].into()
    }

    impl World {
        fn new(instances: usize) -> Self {
            Self { instances: vec![(0, Parts::default()); instances], ..Self::default() }
        }

        fn report(&mut self, instance: usize, now: Millis) {
            let mut census = Census::read(&self.stored);
            let (connections, reported) = self.instances[instance].clone();
            let report = census.report(instance as u64, &reported, &parts(connections), now);
            self.stored = census.write();
            self.instances[instance].1 = report.reported;
            self.gauge += report.correction.get(Gauge::Connections) / 2;
            self.half += report.correction.get(HALF);
            assert_eq!(self.gauge, self.half);
        }

        /// So many connections come to an instance.
        fn connect(&mut self, instance: usize, connections: u32, now: Millis) {
            self.instances[instance].0 += connections;
            self.gauge += i64::from(connections);
            self.half += i64::from(connections);
            self.report(instance, now);
        }
    }

    const SILENT: Millis = CENSUS_SILENT_MS;

    #[test]
    fn what_a_dead_vm_had_is_taken_from_the_gauge_once() {
        let mut world = World::new(3);
        world.connect(0, 5, 0);
        world.connect(1, 7, 1000);
        world.connect(2, 1, 1000);
        world.report(1, SILENT - 1);
        assert_eq!(world.gauge, 13, "nobody is given up early");
        world.report(1, SILENT);
        world.report(2, SILENT);
        assert_eq!(world.gauge, 8);
        for now in [SILENT + 1000, SILENT + 2000] {
            world.report(1, now);
            world.report(2, now);
        }
        assert_eq!(world.gauge, 8);
    }

    #[test]
    fn a_late_one_takes_back_what_was_taken() {
        let mut world = World::new(2);
        world.connect(0, 5, 0);
        world.connect(1, 7, 0);
        world.report(1, SILENT);
        assert_eq!(world.gauge, 7);
        // Before it looks it may already have more connections, or fewer.
        world.connect(0, 3, SILENT + 10);
        assert_eq!(world.gauge, 15);
        world.report(0, SILENT + 20);
        world.report(1, SILENT + 20);
        assert_eq!(world.gauge, 15);
    }

    #[test]
    fn a_clock_that_jumps_ahead_rights_itself() {
        let mut world = World::new(4);
        (0..4).for_each(|instance| world.connect(instance, 10, 0));
        for now in [1 << 40, (1 << 40) + 1] {
            (0..4).for_each(|instance| world.report(instance, now));
        }
        assert_eq!(world.gauge, 40);
    }

    #[test]
    fn an_instance_without_connections_leaves_no_trace() {
        let mut world = World::new(2);
        world.connect(0, 0, 0);
        world.connect(1, 4, 0);
        world.report(1, SILENT);
        assert_eq!(world.gauge, 4);
        assert_eq!(Census::read(&world.stored).0.len(), 1);
    }

    #[test]
    fn the_memory_is_bounded_and_no_connection_is_counted_twice() {
        let mut world = World::new(CENSUS_ENTRIES_MAX + 1);
        (0..=CENSUS_ENTRIES_MAX).for_each(|instance| world.connect(instance, 1, 0));
        assert_eq!(Census::read(&world.stored).0.len(), CENSUS_ENTRIES_MAX);
        world.report(CENSUS_ENTRIES_MAX, 1);
        assert_eq!(world.gauge, CENSUS_ENTRIES_MAX as i64 + 1);
    }

    #[test]
    fn nonsense_is_nobody_s_report() {
        for stored in ["", "{}", "[1", r#"[{"instance": -1}]"#, r#"[{"instance":1,"connections":3,"seen":9}]"#] {
            assert_eq!(Census::read(stored.as_bytes()), Census::default(), "{stored}");
        }
    }
}
