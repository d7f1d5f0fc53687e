//! The Kafka partition remapper without any input or output: bytes, time and configuration come in
//! as arguments, actions come out. Read the modules in this order; it is the order in which data flows.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

#[cfg(all(test, target_arch = "wasm32"))]
#[macro_use(test)]
extern crate wasm_test;

pub(crate) mod apis;
pub mod batch;
pub mod brokers;
pub mod config;
pub mod connection;
pub(crate) mod crc;
pub mod error;
pub(crate) mod exchange;
pub mod frame;
pub(crate) mod header;
pub mod learn;
pub mod limits;
pub(crate) mod pattern;
pub mod principal;
pub mod remapper;
pub mod rope;
pub(crate) mod rounds;
pub mod sasl;
pub mod shadow;
pub mod shape;
pub mod stats;
#[cfg(test)]
mod testing;
pub mod topics;
pub(crate) mod wire;

pub use exchange::Millis;

/// What all connections of a plugin have in common.
pub struct Shared {
    pub config: config::Config,
    pub topics: topics::TopicRegistry,
    /// Bytes of incomplete frames that the connections hold together.
    held: std::cell::Cell<usize>,
}

impl Shared {
    pub fn new(config: config::Config) -> Self {
        let topics = topics::TopicRegistry::new(&config.mapping);
        Self { config, topics, held: std::cell::Cell::new(0) }
    }
}
