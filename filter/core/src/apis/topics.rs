//! Topics: how they come, grow and go.

pub(crate) mod create_partitions;
pub(crate) mod create_topics;
pub(crate) mod delete_topics;

#[cfg(test)]
mod testing;
