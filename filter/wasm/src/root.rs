//! One per plugin and worker: the configuration, and what its connections share.

use std::cell::Cell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, RootContext, StreamContext};
use proxy_wasm::types::ContextType;
use remapper_core::brokers::{Address, Destination};
use remapper_core::config::Config;
use remapper_core::learn::Learn;
use remapper_core::Shared;

use crate::host;
use crate::metrics::Metrics;
use crate::stream::Stream;

#[derive(Default)]
pub(crate) struct Root {
    plugin: Option<Rc<Plugin>>,
}

/// What the connections of a plugin share within a worker.
pub(crate) struct Plugin {
    pub(crate) shared: Rc<Shared>,
    pub(crate) metrics: Metrics,
    /// Counts connections, so that bootstrap brokers take turns.
    turn: Cell<usize>,
}

impl Plugin {
    fn new(config: Config) -> Self {
        let metrics = Metrics::new(&config.stat_prefix);
        Self { shared: Rc::new(Shared::new(config)), metrics, turn: Cell::new(0) }
    }

    /// Sends the connection where it belongs; tells what it has to learn first, if anything.
    pub(crate) fn route(&self) -> Option<Learn> {
        let config = &self.shared.config;
        let broker = config.advertise.broker_of(host::local_port(), host::server_name().as_deref());
        let known = broker.and_then(|id| host::shared(&self.broker_key(id))?.parse().ok());
        self.turn.set(self.turn.get().wrapping_add(1));
        match config.route.destination(broker, known, self.turn.get()) {
            Destination::Envoy => None,
            Destination::Broker { address, .. } => {
                host::route_to(&address);
                None
            }
            Destination::Bootstrap { address, learn } => {
                host::route_to(&address);
                learn.map(|broker| Learn { broker, connected: address })
            }
        }
    }

    /// Keeps brokers' addresses for all workers, across changes of the configuration.
    pub(crate) fn learn(&self, brokers: &[(i32, Address)]) {
        for (id, address) in brokers {
            let (key, value) = (self.broker_key(*id), address.to_string());
            if host::shared(&key).as_ref() != Some(&value) {
                host::share(&key, &value);
            }
        }
    }

    fn broker_key(&self, id: i32) -> String {
        format!("kafka_remapper.{}.broker.{id}", self.shared.config.stat_prefix)
    }
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        let config = String::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned());
        match config.and_then(|text| Config::parse(&text, &|_| None).map_err(|error| error.to_string())) {
            Ok(config) => {
                self.plugin = Some(Rc::new(Plugin::new(config)));
                true
            }
            Err(error) => {
                log::error!("kafka partition remapper: the configuration is refused: {error}");
                false
            }
        }
    }

    fn create_stream_context(&self, _context_id: u32) -> Option<Box<dyn StreamContext>> {
        let plugin = self.plugin.clone()?;
        Some(Box::new(Stream::new(plugin)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::StreamContext)
    }
}
