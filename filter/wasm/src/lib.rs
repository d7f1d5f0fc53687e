//! The proxy-wasm shell of the Kafka partition remapper: what Envoy tells goes into the core, and what the
//! core wants is done to Envoy.
//!
//! Reading order: `root` (one per plugin and worker, with a context for each connection), `host` (all calls
//! of the host), `metrics` (the core's stats as Envoy's), `memory` (how much of the VM's is in use).

mod host;
mod memory;
mod metrics;
mod root;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Info);
    proxy_wasm::set_root_context(|context_id| Box::new(root::Root::new(context_id)));
}}
