//! Partitions as things of the cluster: their records, leaders, replicas, sizes and producers.

pub(crate) mod delete_records;
pub(crate) mod elect_leaders;
mod siblings;

#[cfg(test)]
mod testing;
