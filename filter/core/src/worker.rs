//! What a worker does for its connections beside moving their bytes.

pub mod deadlines;
