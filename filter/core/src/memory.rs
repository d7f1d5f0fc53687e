//! What all workers of a process remember: values in memory that the host keeps for them.
//!
//! Each worker has a sandbox of its own, and no worker waits for another. So a value is read with its
//! version, and written only where the version is still the same: [`ProcessMemory::change`] tries again where
//! another worker was faster. Two workers over one [`Memory`] are workers of one process; over two, they are
//! as good as two Envoys.
//!
//! Every key is made here. What a key stands for is its type: a value that cannot be read counts as not
//! there. A kind of value that is new (producers' sequences) is one more constructor of
//! [`Key`] and its [`Value`].

pub(crate) mod census;
pub(crate) mod facts;
pub mod generations;
pub mod placements;
pub(crate) mod shown;
mod values;

#[cfg(test)]
mod tests;

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;

pub(crate) use self::values::{ReachMark, Value};
use crate::brokers::Address;
use crate::limits;
use census::Census;
use facts::Slot;
use generations::Generations;
use placements::Placements;
use shown::Shown;

/// Which version of a value somebody has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cas {
    /// There was no value.
    Missing,
    /// The host's number of the version.
    Version(u32),
}

/// Memory that the workers of a process share, as the host has it. It lasts as long as the process.
pub trait Memory {
    /// The value at `key` and its version. None: nobody has written one.
    fn get(&self, key: &str) -> Option<(Bytes, Cas)>;

    /// Writes `value` at `key`: whatever stands there, or where `cas` is given only if that is still the
    /// version. False: it is another one, or the host does not write.
    fn set(&self, key: &str, value: &[u8], cas: Option<Cas>) -> bool;
}

/// The name of a value in [`Memory`], and its type.
pub(crate) struct Key<T> {
    name: String,
    value: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    fn new(name: String) -> Self {
        Self { name, value: PhantomData }
    }
}

/// A value was changed by other workers at each of [`limits::SHARED_TRIES_MAX`] tries, or the host does not
/// write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Contended {
    key: String,
}

impl fmt::Display for Contended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in shared data is changed by others all the time", self.key)
    }
}

/// What the workers of a process remember for one plugin.
pub(crate) struct ProcessMemory {
    memory: Box<dyn Memory>,
    /// `stat_prefix`: stands for a cluster.
    prefix: String,
    /// What instances of one plugin have in common, whatever their configurations.
    identity: String,
}

impl ProcessMemory {
    /// `prefix`: `stat_prefix`. `plugin_name`, `root_id`: as the host's configuration has them, or empty.
    pub(crate) fn new(memory: Box<dyn Memory>, prefix: &str, plugin_name: &str, root_id: &str) -> Self {
        let identity = format!("{prefix}.{plugin_name}.{root_id}");
        Self { memory, prefix: prefix.to_owned(), identity }
    }

    /// How many connections each instance with this prefix has: small, since it changes with each of them.
    /// Filters up to version 0.1.0 keep that in another form, at `….census`.
    pub(crate) fn connections(&self) -> Key<Census> {
        Key::new(format!("kafka_remapper.{}.connections", self.prefix))
    }

    /// What each instance with this prefix adds to other gauges.
    pub(crate) fn gauges(&self) -> Key<Census> {
        Key::new(format!("kafka_remapper.{}.gauges", self.prefix))
    }

    /// Which of the plugin's configurations is in force.
    pub(crate) fn generations(&self) -> Key<Generations> {
        Key::new(format!("kafka_remapper.generations.{}", self.identity))
    }

    /// Which gauges configurations in force have set that have this prefix.
    pub(crate) fn shown(&self) -> Key<Shown> {
        Key::new(format!("kafka_remapper.{}.shown", self.prefix))
    }

    /// What tells the plugin from others of its prefix.
    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    /// The mark of the configuration that was told of last.
    pub(crate) fn greeted(&self) -> Key<u64> {
        Key::new(format!("kafka_remapper.greeted.{}", self.identity))
    }

    /// What must not change about the plugin's mapping.
    pub(crate) fn placements(&self) -> Key<Placements> {
        Key::new(format!("kafka_remapper.placements.{}", self.identity))
    }

    /// What was computed for the plugin's users ([`crate::sasl`]), as it is stored.
    pub(crate) fn users(&self) -> Key<Bytes> {
        Key::new(format!("kafka_remapper.users.{}", self.identity))
    }

    /// How often [`Self::users`] has changed: a look at that is cheap.
    pub(crate) fn users_changes(&self) -> Key<u64> {
        Key::new(format!("kafka_remapper.users.{}.changes", self.identity))
    }

    /// The address that broker `id` gives itself.
    pub(crate) fn broker(&self, id: i32) -> Key<Address> {
        Key::new(format!("kafka_remapper.{}.broker.{id}", self.prefix))
    }

    /// Whether a connection came in for broker `id`, or somebody was told that none did.
    pub(crate) fn reach(&self, id: i32) -> Key<ReachMark> {
        Key::new(format!("kafka_remapper.{}.reach.{id}", self.prefix))
    }

    /// The API versions of broker `id`, or of any broker, as [`crate::connection::Opening::versions`] takes
    /// them.
    pub(crate) fn versions(&self, id: Option<i32>) -> Key<Bytes> {
        let broker = id.map_or_else(|| "any".to_owned(), |id| id.to_string());
        Key::new(format!("kafka_remapper.{}.versions.{broker}", self.prefix))
    }

    /// What is known of `topic`, or of another one that has its slot now.
    pub(crate) fn topic(&self, topic: &str) -> Key<Slot> {
        Key::new(format!("kafka_remapper.{}.topic.{}", self.prefix, facts::slot_of(topic)))
    }

    /// The value at `key`. None: there is none that can be read.
    pub(crate) fn get<T: Value>(&self, key: &Key<T>) -> Option<T> {
        self.memory.get(&key.name).and_then(|(stored, _)| T::read(&stored))
    }

    /// Writes a value whose former one matters to nobody, unless it is there already.
    pub(crate) fn put<T: Value>(&self, key: &Key<T>, value: &T) {
        let value = value.write();
        if self.memory.get(&key.name).is_none_or(|(stored, _)| stored != value) {
            self.memory.set(&key.name, &value, None);
        }
    }

    /// Writes a value where there is none, whoever else does at the same time. True: this one did.
    pub(crate) fn create<T: Value>(&self, key: &Key<T>, value: &T) -> bool {
        self.memory.set(&key.name, &value.write(), Some(Cas::Missing))
    }

    /// Changes a value. `change` is called again, on what another worker has written meanwhile, where that
    /// was faster; where there is no value that can be read, on the default.
    ///
    /// # Errors
    /// It could not be changed.
    pub(crate) fn change<T: Value + Default, R>(
        &self,
        key: &Key<T>,
        mut change: impl FnMut(&mut T) -> R,
    ) -> Result<R, Contended> {
        for _ in 0..limits::SHARED_TRIES_MAX {
            let (before, cas) = self.memory.get(&key.name).unwrap_or((Bytes::new(), Cas::Missing));
            let mut value = T::read(&before).unwrap_or_default();
            let result = change(&mut value);
            let after = value.write();
            if after == before || self.memory.set(&key.name, &after, Some(cas)) {
                return Ok(result);
            }
        }
        Err(Contended { key: key.name.clone() })
    }

    /// 32 bytes that are the same for all workers and configurations of the process: `draw` gives them where
    /// there are none yet. None: no bytes could be drawn, or the host keeps nothing.
    pub(crate) fn secret(&self, draw: impl FnOnce() -> Option<[u8; 32]>) -> Option<[u8; 32]> {
        let key = Key::<[u8; 32]>::new("kafka_remapper.secret".to_owned());
        if let Some(secret) = self.get(&key) {
            return Some(secret);
        }
        self.create(&key, &draw()?);
        self.get(&key)
    }
}
