//! The Kafka partition remapper without any input or output: bytes, time and configuration come in
//! as arguments, actions come out. Read the modules in this order; it is the order in which data flows.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

#[cfg(all(test, target_arch = "wasm32"))]
#[macro_use(test)]
extern crate wasm_test;

pub(crate) mod apis;
pub mod brokers;
pub mod config;
pub mod connection;
pub mod error;
pub(crate) mod exchange;
pub mod fingerprint;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod limits;
pub mod memory;
pub mod own;
pub(crate) mod pattern;
pub mod principal;
pub mod remapper;
pub mod sasl;
pub(crate) mod shadow;
pub mod shared;
pub mod stats;
#[cfg(test)]
mod testing;
pub(crate) mod text;
pub mod time;
pub mod topics;
pub mod wire;
pub mod worker;

pub use shared::Shared;
pub use time::Millis;
