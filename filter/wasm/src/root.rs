//! One per plugin and worker, and one per connection of it: what Envoy calls, handed to the core's worker.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use kafka_partition_remapper_core::worker::{Busy, Command, Flow, Handle, Level, Surroundings, Worker};
use proxy_wasm::traits::{Context, RootContext, StreamContext};
use proxy_wasm::types::{Action, ContextType, PeerType};

use crate::host::{self, wasi, Envoy};
use crate::memory;
use crate::metrics::Metrics;

thread_local! {
    /// Of the plugins of this VM.
    static BUSY: Busy = Busy::default();
    static HAS_SERVED: Rc<Cell<bool>> = Rc::default();
}

/// The root context of a plugin.
pub(crate) struct Root {
    context_id: u32,
    plugin: Option<Rc<Plugin>>,
}

struct Plugin {
    worker: Worker,
    metrics: Metrics,
    root_context_id: u32,
}

/// The context of a connection.
struct Stream {
    plugin: Rc<Plugin>,
    handle: Handle,
}

impl Plugin {
    /// Does what the worker wants done.
    fn carry_out(&self) {
        while let Some(command) = self.worker.poll_command() {
            match command {
                Command::Route(address) => host::route_to(&address),
                Command::Identify { context_id, principal, mechanism } => host::on_behalf_of(context_id, || {
                    host::set_filter_state("kafka_principal", &principal);
                    host::set_filter_state("kafka_mechanism", mechanism);
                }),
                Command::Describe { context_id, key, value } => {
                    host::on_behalf_of(context_id, || host::property::describe(key, &value));
                }
                Command::Close(context_id) => host::on_behalf_of(context_id, host::close_downstream),
                Command::Count(stat, n) => self.metrics.count(stat, n),
                Command::Correct(stat, n) => self.metrics.correct(stat, n),
                Command::Set(stat, value) => self.metrics.set(stat, value),
                Command::Clear(name) => self.metrics.clear(&name),
                Command::Log(Level::Info, line) => log::info!("{line}"),
                Command::Log(Level::Warn, line) => log::warn!("{line}"),
                // Envoy drops the call of a connection that ends before the answer is there.
                Command::FetchKeys(endpoint) => host::on_behalf_of(self.root_context_id, || {
                    if let Err(error) = host::fetch(&endpoint) {
                        self.worker.keys_fetched(&Envoy, Err(&error));
                    }
                }),
                Command::Tick(period_ms) => host::tick_each(Duration::from_millis(period_ms)),
            }
        }
    }
}

impl Root {
    pub(crate) fn new(context_id: u32) -> Self {
        Self { context_id, plugin: None }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, _token: u32, headers: usize, body: usize, _trailers: usize) {
        let Some(plugin) = &self.plugin else { return };
        let outcome = host::fetched(headers, body);
        plugin.worker.keys_fetched(&Envoy, outcome.as_deref().map_err(String::as_str));
        plugin.carry_out();
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        let surroundings = Surroundings {
            memory: Box::new(Envoy),
            verifier: Box::new(Envoy),
            live_bytes: Box::new(memory::live_bytes),
            plugin_name: host::plugin("name"),
            root_id: host::plugin("root_id"),
            variables: wasi::environment(),
            busy: BUSY.with(Busy::clone),
            has_served: HAS_SERVED.with(Rc::clone),
        };
        let text = self.get_plugin_configuration().unwrap_or_default();
        let worker = Worker::new(text, surroundings, &Envoy);
        if let Err(error) = &worker {
            log::error!("kafka partition remapper: the configuration is refused: {error}");
        }
        let Ok(worker) = worker else { return false };
        let metrics = Metrics::new(worker.names());
        let plugin = Rc::new(Plugin { worker, metrics, root_context_id: self.context_id });
        plugin.carry_out();
        self.plugin = Some(plugin);
        true
    }

    fn on_tick(&mut self) {
        let Some(plugin) = &self.plugin else { return };
        plugin.worker.tick(&Envoy);
        plugin.carry_out();
    }

    fn create_stream_context(&self, context_id: u32) -> Option<Box<dyn StreamContext>> {
        let plugin = self.plugin.clone()?;
        let handle = plugin.worker.announce(context_id);
        Some(Box::new(Stream { plugin, handle }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::StreamContext)
    }
}

impl Context for Stream {}

impl StreamContext for Stream {
    fn on_new_connection(&mut self) -> Action {
        let (port, name) = (host::local_port(), host::server_name());
        self.plugin.worker.accept(&self.handle, &Envoy, port, name.as_deref());
        self.plugin.carry_out();
        Action::Continue
    }

    fn on_downstream_data(&mut self, len: usize, end_of_stream: bool) -> Action {
        let flow = self.plugin.worker.client_data(&self.handle, &Envoy, len, end_of_stream);
        self.plugin.carry_out();
        match flow {
            Flow::Continue => Action::Continue,
            Flow::Pause => Action::Pause,
        }
    }

    fn on_upstream_data(&mut self, len: usize, _end_of_stream: bool) -> Action {
        self.plugin.worker.broker_data(&self.handle, &Envoy, len);
        self.plugin.carry_out();
        Action::Continue
    }

    fn on_upstream_close(&mut self, _by: PeerType) {
        self.plugin.worker.broker_ended(&self.handle);
    }

    fn on_log(&mut self) {
        self.plugin.worker.end(&self.handle, &Envoy);
        self.plugin.carry_out();
    }
}
