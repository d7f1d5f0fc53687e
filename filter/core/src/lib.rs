//! The Kafka partition remapper without any input or output: bytes, time and configuration come in as
//! arguments, actions come out.
//!
//! A shell makes one [`worker::Worker`] of each plugin and worker, hands it what its host tells, and carries
//! out what [`worker::Worker::poll_command`] asks for; `filter/wasm` is Envoy's. A test may also drive a
//! single [`connection::Connection`].
//!
//! The modules below are in reading order: each floor of the house imports only from those that come after
//! it, which `tests/floors.rs` holds.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![allow(rustdoc::private_intra_doc_links)]
#![cfg_attr(test, allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

#[cfg(all(test, target_arch = "wasm32"))]
#[macro_use(test)]
extern crate wasm_test;

// One per plugin and worker, and one per client.
pub mod worker;

pub mod connection;

// The table, one file for each API that is read, and what the filter asks in its own name.
pub(crate) mod apis;

pub(crate) mod own;

pub(crate) mod exchange;

// What connections of a worker share, what workers of a process do, and what an operator says.
pub mod shared;

pub mod memory;

pub mod config;

// Who is who, what is mapped, and what messages look like in bytes.
pub mod sasl;

pub mod brokers;
pub mod shadow;
pub mod topics;

pub mod wire;

// What everybody names.
pub mod error;
pub mod stats;

pub mod principal;

pub mod remapper;

pub mod fingerprint;
pub mod foreign;
pub(crate) mod pattern;
pub(crate) mod text;
pub mod time;

pub mod limits;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(test)]
mod testing;

pub use apis::apis_document;
pub use shared::Shared;
pub use stats::stats_document;
pub use time::Millis;
