//! Partitions as things of the cluster: their records, leaders, replicas, sizes and producers.

pub(crate) mod alter_partition_reassignments;
pub(crate) mod delete_records;
pub(crate) mod describe_log_dirs;
pub(crate) mod describe_producers;
pub(crate) mod elect_leaders;
pub(crate) mod list_partition_reassignments;
mod siblings;

#[cfg(test)]
mod testing;
