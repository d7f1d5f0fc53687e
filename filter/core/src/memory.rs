//! What all workers of a process remember: values in the host's shared data.

pub mod census;
pub mod generations;
pub mod placements;
