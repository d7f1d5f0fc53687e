//! One per plugin and worker: the configuration, and what its connections share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use proxy_wasm::traits::{Context, RootContext, StreamContext};
use proxy_wasm::types::ContextType;
use remapper_core::brokers::{Address, Destination};
use remapper_core::config::Config;
use remapper_core::connection::Opening;
use remapper_core::learn::Learn;
use remapper_core::stats::Stat;
use remapper_core::{limits, Millis, Shared};

use crate::host::{self, wasi};
use crate::metrics::Metrics;
use crate::stream::Stream;

/// How often is looked for what is due, while something waits.
const TICK: Duration = Duration::from_millis(20);

/// How often is looked whether keys have to be fetched, while nothing else waits.
const SLOW_TICK: Duration = Duration::from_secs(1);

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
    later: RefCell<Vec<Later>>,
}

/// What is to be done with a connection at a later time.
struct Later {
    context_id: u32,
    due: Millis,
    deed: Deed,
}

enum Deed {
    /// These bytes go to the broker, in the place of all that the client has sent meanwhile (`held`).
    Send {
        pieces: Vec<Bytes>,
        held: Rc<Cell<usize>>,
    },
    Close,
}

/// Where a connection was sent.
#[derive(Clone)]
pub(crate) struct Sent {
    /// The broker that it stands for.
    broker: Option<i32>,
    learn: Option<Learn>,
}

impl Plugin {
    fn new(config: Config, seed: [u8; 32]) -> Self {
        let metrics = Metrics::new(&config.stat_prefix);
        let shared = Rc::new(Shared::new(config, seed, Box::new(host::EnvoyVerifier)));
        Self { shared, metrics, turn: Cell::new(0), later: RefCell::default() }
    }

    /// Sends the connection where it belongs.
    pub(crate) fn route(&self) -> Sent {
        let config = &self.shared.config;
        let broker = config.advertise.broker_of(host::local_port(), host::server_name().as_deref());
        let known = broker.and_then(|id| {
            let address = host::shared(&self.broker_key(id))?;
            std::str::from_utf8(&address).ok()?.parse().ok()
        });
        if let Some(id) = broker.filter(|id| self.shared.broker_reached(*id)) {
            host::share(&self.reach_key(id), b"reached");
        }
        self.turn.set(self.turn.get().wrapping_add(1));
        let learn = match config.route.destination(broker, known, self.turn.get()) {
            Destination::Envoy => None,
            Destination::Broker { address, .. } => {
                host::route_to(&address);
                None
            }
            Destination::Bootstrap { address, learn } => {
                host::route_to(&address);
                learn.map(|broker| Learn { broker, connected: address })
            }
        };
        Sent { broker, learn }
    }

    /// What the core has to know of a connection whose first bytes are here. None: there is no entropy, and no connection.
    pub(crate) fn opening(&self, sent: &Sent) -> Option<Opening> {
        let config = &self.shared.config;
        let (sasl, upstream) = (config.sasl.is_some(), config.upstream.is_some());
        Some(Opening {
            learn: sent.learn.clone(),
            subject: config.principal.as_ref().and_then(|_| host::peer_subject()),
            entropy: if sasl || upstream { wasi::random()? } else { [0; 32] },
            versions: if sasl && upstream { host::shared(&self.versions_key(sent)) } else { None },
        })
    }

    pub(crate) fn learn_versions(&self, sent: &Sent, versions: &Bytes) {
        host::share(&self.versions_key(sent), versions);
    }

    /// Keeps bytes for a broker back. False: too many wait already.
    pub(crate) fn send_later(
        &self,
        context_id: u32,
        delay_ms: Millis,
        pieces: Vec<Bytes>,
        held: &Rc<Cell<usize>>,
    ) -> bool {
        let has_room = self.later.borrow().len() < limits::DELAYED_FAILURES_MAX;
        if has_room {
            self.put_off(context_id, delay_ms, Deed::Send { pieces, held: Rc::clone(held) });
        }
        has_room
    }

    /// Closes the connection once Envoy has taken what was written to it.
    pub(crate) fn close_soon(&self, context_id: u32) {
        self.put_off(context_id, limits::CLOSE_DELAY_MS, Deed::Close);
    }

    fn put_off(&self, context_id: u32, delay_ms: Millis, deed: Deed) {
        let mut later = self.later.borrow_mut();
        if later.is_empty() {
            host::tick_each(TICK);
        }
        later.push(Later { context_id, due: host::now().saturating_add(delay_ms), deed });
    }

    /// The connection is gone.
    pub(crate) fn forget(&self, context_id: u32) {
        self.later.borrow_mut().retain(|later| later.context_id != context_id);
    }

    fn do_what_is_due(&self) {
        let now = host::now();
        let (due, rest): (Vec<Later>, Vec<Later>) = self.later.take().into_iter().partition(|later| later.due <= now);
        if rest.is_empty() {
            host::tick_each(self.slow_tick());
        }
        self.later.replace(rest);
        for Later { context_id, deed, .. } in due {
            host::on_behalf_of(context_id, || match &deed {
                Deed::Send { pieces, held } => {
                    held.set(0);
                    host::send_instead(pieces);
                }
                Deed::Close => host::close_downstream(),
            });
        }
    }

    /// Zero: never.
    fn slow_tick(&self) -> Duration {
        if self.shared.fetches_keys() {
            SLOW_TICK
        } else {
            Duration::ZERO
        }
    }

    fn fetch_keys(&self) {
        let Some(endpoint) = self.shared.keys_due(host::now()) else { return };
        if let Err(error) = host::fetch(&endpoint) {
            self.keys_fetched(Err(&error));
        }
    }

    fn keys_fetched(&self, outcome: Result<&[u8], &str>) {
        match self.shared.keys_fetched(host::now(), outcome) {
            Ok(keys) => log::info!("sasl.oauthbearer.jwks.http: {keys} keys are in use"),
            Err(error) => log::warn!("sasl.oauthbearer.jwks.http: {error}; keys that were fetched before stay in use"),
        }
    }

    /// Keeps brokers' addresses for all workers, across changes of the configuration.
    pub(crate) fn learn(&self, brokers: &[(i32, Address)]) {
        for (id, address) in brokers {
            let (key, value) = (self.broker_key(*id), address.to_string());
            if host::shared(&key).as_deref() != Some(value.as_bytes()) {
                host::share(&key, value.as_bytes());
            }
        }
    }

    /// No connection of this worker came in for a broker that clients are told of. Says so, unless another worker knows of
    /// one, or has said so.
    pub(crate) fn unreached(&self, broker: i32, advertised: &str) {
        let key = self.reach_key(broker);
        if host::shared(&key).is_none() {
            host::share(&key, b"said");
            self.metrics.count(Stat::AdvertisedUnreached, 1);
            log::warn!(
                "clients are told for a while that broker {broker} is at {advertised}, and no connection came in for it, as \
                 others did for other brokers: does Envoy listen there?"
            );
        }
    }

    fn reach_key(&self, id: i32) -> String {
        format!("kafka_remapper.{}.reach.{id}", self.shared.config.stat_prefix)
    }

    fn broker_key(&self, id: i32) -> String {
        format!("kafka_remapper.{}.broker.{id}", self.shared.config.stat_prefix)
    }

    fn versions_key(&self, sent: &Sent) -> String {
        let broker = sent.broker.map_or_else(|| "any".to_owned(), |id| id.to_string());
        format!("kafka_remapper.{}.versions.{broker}", self.shared.config.stat_prefix)
    }
}

impl Root {
    fn configure(&mut self, text: Vec<u8>) -> Result<(), String> {
        let text = String::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())?;
        let variables = wasi::environment();
        let variable = |name: &str| {
            let value = variables.iter().find_map(|variable| variable.strip_prefix(name)?.strip_prefix('='));
            value.map(str::to_owned)
        };
        let config = Config::parse(&text, &variable).map_err(|error| error.to_string())?;
        let seed = wasi::random().ok_or("Envoy gives no random bytes")?;
        let plugin = Plugin::new(config, seed);
        host::tick_each(plugin.slow_tick());
        self.plugin = Some(Rc::new(plugin));
        Ok(())
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, _token: u32, headers: usize, body: usize, _trailers: usize) {
        let Some(plugin) = &self.plugin else { return };
        match host::fetched(headers, body) {
            Ok(keys) => plugin.keys_fetched(Ok(&keys)),
            Err(error) => plugin.keys_fetched(Err(&error)),
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        let outcome = self.configure(text);
        if let Err(error) = &outcome {
            log::error!("kafka partition remapper: the configuration is refused: {error}");
        }
        outcome.is_ok()
    }

    fn on_tick(&mut self) {
        let Some(plugin) = &self.plugin else { return };
        plugin.do_what_is_due();
        plugin.fetch_keys();
    }

    fn create_stream_context(&self, context_id: u32) -> Option<Box<dyn StreamContext>> {
        let plugin = self.plugin.clone()?;
        Some(Box::new(Stream::new(plugin, context_id)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::StreamContext)
    }
}
