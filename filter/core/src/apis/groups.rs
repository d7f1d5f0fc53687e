//! Consumer groups, and the shadow groups that hold the offsets of their lanes.

pub(crate) mod codes;
pub(crate) mod consumer_group_heartbeat;
pub(crate) mod delete_groups;
pub(crate) mod describe_groups;
pub(crate) mod heartbeat;
pub(crate) mod join_group;
pub(crate) mod lanes;
pub(crate) mod list_groups;
pub(crate) mod members;
pub(crate) mod offset_commit;
pub(crate) mod offset_delete;
pub(crate) mod offset_fetch;
pub(crate) mod share_group_heartbeat;

#[cfg(test)]
mod testing;
