//! The proxy-wasm shell of the Kafka partition remapper: Envoy's buffers go into the core, the core's actions into Envoy.
//!
//! Reading order: `root` and `instance` (one per plugin and worker), `stream` (one per connection), `host` (all calls of the
//! host), `memory` (how much of the VM's is in use).

mod host;
#[path = "../../core/src/worker/instance.rs"]
mod instance;
mod memory;
mod metrics;
#[path = "../../core/src/worker/plugin.rs"]
mod root;
#[path = "../../core/src/worker/stream.rs"]
mod stream;
#[path = "../../core/src/worker/passwords.rs"]
mod work;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(root::Root::default()));
}}
