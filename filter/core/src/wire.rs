//! Kafka's bytes: frames, headers, record batches' headers, and the shapes of messages. Knows no
//! configuration.

pub(crate) mod crc;
pub(crate) mod types;

pub(crate) mod batch;
pub mod frame;
pub(crate) mod header;
pub mod inspection;
pub mod rope;
pub mod shape;
