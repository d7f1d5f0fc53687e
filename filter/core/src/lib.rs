//! The Kafka partition remapper without any input or output: bytes, time and configuration come in
//! as arguments, actions come out. Read the modules in this order; it is the order in which data flows.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

pub mod batch;
pub mod limits;
pub mod remapper;
pub mod shape;
pub mod brokers;
pub mod config;
pub mod topics;
