//! Records, and offsets in a partition: what producers and consumers do most of the time.

pub(crate) mod fetch;
pub(crate) mod list_offsets;
pub(crate) mod lookup;
pub(crate) mod offset_for_leader_epoch;
pub(crate) mod produce;

#[cfg(test)]
mod testing;
