//! One per plugin and worker: the configuration, and what its connections share.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::rc::{Rc, Weak};
use std::time::Duration;

use bytes::Bytes;
use kafka_partition_remapper_core::brokers::{Address, Destination};
use kafka_partition_remapper_core::config::Config;
use kafka_partition_remapper_core::connection::retirement::Retirement;
use kafka_partition_remapper_core::connection::Opening;
use kafka_partition_remapper_core::own::brokers::Learn;
use kafka_partition_remapper_core::principal::Peer;
use kafka_partition_remapper_core::shared::budget::Holder;
use kafka_partition_remapper_core::stats::Stat;
use kafka_partition_remapper_core::worker::deadlines::Deadlines;
use kafka_partition_remapper_core::{limits, Millis, Shared};
use proxy_wasm::traits::{Context, RootContext, StreamContext};
use proxy_wasm::types::ContextType;

use crate::host::{self, wasi};
use crate::instance::Instance;
use crate::memory;
use crate::metrics::Metrics;
use crate::stream::{Handle, Stream};
use crate::work::Work;

/// How often is looked for what is due, while something waits.
const TICK: Duration = Duration::from_millis(20);

#[derive(Default)]
pub(crate) struct Root {
    plugin: Option<Rc<Plugin>>,
}

/// What the connections of a plugin share within a worker.
pub(crate) struct Plugin {
    pub(crate) shared: Rc<Shared>,
    pub(crate) metrics: Metrics,
    instance: Instance,
    /// How often Envoy calls `on_tick`.
    period: Cell<Duration>,
    /// Counts connections, so that bootstrap brokers take turns.
    turn: Cell<usize>,
    later: RefCell<Vec<Later>>,
    /// All connections, by their contexts.
    streams: RefCell<HashMap<u32, Weak<RefCell<Stream>>>>,
    /// Connections whose bytes wait for room in the worker's memory.
    waiting: RefCell<BTreeSet<u32>>,
    work: Work,
    /// Connections that are nobody's yet.
    unproven: RefCell<Deadlines>,
}

/// What is to be done with a connection at a later time.
struct Later {
    context_id: u32,
    due: Millis,
    deed: Deed,
}

enum Deed {
    /// These bytes go to the broker. What the client has sent meanwhile is taken out of their way.
    Send(Vec<Bytes>),
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
    fn new(config: Config, seed: [u8; 32], salts: [u8; 32], instance: Instance) -> Self {
        let metrics = Metrics::new(&config.stat_prefix);
        let identity = Instance::identity(&config);
        let shared = Shared::new(config, seed, salts, Box::new(host::EnvoyVerifier), Box::new(memory::live_bytes));
        Self {
            work: Work::begin(&shared, &identity, instance.fingerprint()),
            shared: Rc::new(shared),
            metrics,
            instance,
            period: Cell::new(Duration::ZERO),
            turn: Cell::new(0),
            later: RefCell::default(),
            streams: RefCell::default(),
            waiting: RefCell::default(),
            unproven: RefCell::default(),
        }
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
    pub(crate) fn opening(&self, sent: &Sent, retirement: &Rc<Retirement>) -> Option<Opening> {
        let config = &self.shared.config;
        let (sasl, upstream) = (config.sasl.is_some(), config.upstream.is_some());
        Some(Opening {
            learn: sent.learn.clone(),
            retirement: Rc::clone(retirement),
            peer: config
                .principals_by_certificate()
                .map_or(Peer::Anonymous, |principals| host::peer(principals.source)),
            entropy: if sasl || upstream { wasi::random()? } else { [0; 32] },
            versions: if sasl && upstream { host::shared(&self.versions_key(sent)) } else { None },
        })
    }

    pub(crate) fn learn_versions(&self, sent: &Sent, versions: &Bytes) {
        host::share(&self.versions_key(sent), versions);
    }

    /// Whether [`Self::send_later`] may be called.
    pub(crate) fn has_room_for_later(&self) -> bool {
        self.later.borrow().len() < limits::DELAYED_ANSWERS_MAX
    }

    /// Keeps bytes for a broker back.
    pub(crate) fn send_later(&self, context_id: u32, delay_ms: Millis, pieces: Vec<Bytes>) {
        self.put_off(context_id, delay_ms, Deed::Send(pieces));
    }

    /// Closes the connection once Envoy has taken what was written to it.
    pub(crate) fn close_soon(&self, context_id: u32) {
        self.put_off(context_id, limits::CLOSE_DELAY_MS, Deed::Close);
    }

    pub(crate) fn inform(&self, text: &str) {
        if let Some(line) = self.shared.line_for(text, host::now()) {
            log::info!("{line}");
        }
    }

    pub(crate) fn warn(&self, text: &str) {
        if let Some(line) = self.shared.line_for(text, host::now()) {
            log::warn!("{line}");
        }
    }

    /// As [`Self::warn`], about a client that has not proved who it is.
    pub(crate) fn warn_of_stranger(&self, text: &str) {
        if let Some(line) = self.shared.line_for_stranger(text, host::now()) {
            log::warn!("{line}");
        }
    }

    /// [`Stream::retry`] is called for the connection once its token's verdict is there.
    pub(crate) fn wait_for_verdict(&self, context_id: u32) {
        self.work.wait(context_id);
        self.set_tick();
    }

    /// [`Stream::retry`] is called for the connection in a moment.
    pub(crate) fn wait_for_room(&self, context_id: u32) {
        self.waiting.borrow_mut().insert(context_id);
        self.set_tick();
    }

    fn put_off(&self, context_id: u32, delay_ms: Millis, deed: Deed) {
        let due = host::now().saturating_add(delay_ms);
        self.later.borrow_mut().push(Later { context_id, due, deed });
        self.set_tick();
    }

    /// A new connection.
    pub(crate) fn admit(&self, context_id: u32, retirement: &Rc<Retirement>) {
        self.unproven.borrow_mut().set(context_id, host::now() + self.shared.config.limits.authentication_ms);
        self.instance.admit(context_id, retirement, &self.metrics);
    }

    /// It is known whose connection it is: no deadline ends it any more.
    pub(crate) fn proved(&self, context_id: u32) {
        self.unproven.borrow_mut().clear(context_id);
    }

    /// The connection is gone.
    pub(crate) fn forget(&self, context_id: u32) {
        self.unproven.borrow_mut().clear(context_id);
        self.later.borrow_mut().retain(|later| later.context_id != context_id);
        self.streams.borrow_mut().remove(&context_id);
        self.waiting.borrow_mut().remove(&context_id);
        self.work.forget(context_id);
        self.instance.forget(context_id, &self.metrics);
    }

    fn do_what_is_due(&self) {
        let now = host::now();
        let (due, rest): (Vec<Later>, Vec<Later>) = self.later.take().into_iter().partition(|later| later.due <= now);
        self.later.replace(rest);
        for Later { context_id, deed, .. } in due {
            host::on_behalf_of(context_id, || match deed {
                Deed::Send(pieces) => self.with_stream(context_id, |stream| stream.send(pieces)),
                Deed::Close => host::close_downstream(),
            });
        }
    }

    /// A share of the worker's time for clients' passwords, and on with those that waited for it.
    fn judge(&self) {
        self.work.tick(&self.shared, host::now());
        let now = host::now();
        let is_judged = |context_id: u32| {
            let stream = self.streams.borrow().get(&context_id).and_then(Weak::upgrade);
            stream.is_none_or(|stream| stream.try_borrow().is_ok_and(|stream| stream.is_judged(now)))
        };
        for context_id in self.work.take_judged(is_judged) {
            if self.streams.borrow().contains_key(&context_id) {
                host::on_behalf_of(context_id, || self.with_stream(context_id, Stream::retry));
            }
        }
    }

    fn with_stream(&self, context_id: u32, deed: impl FnOnce(&mut Stream)) {
        let stream = self.streams.borrow().get(&context_id).and_then(Weak::upgrade);
        if let Some(Ok(mut stream)) = stream.as_ref().map(|stream| stream.try_borrow_mut()) {
            deed(&mut stream);
        };
    }

    /// Lets those take up their bytes that waited for room, and ends a connection where there is none to be had otherwise.
    fn make_room(&self) {
        let waiting = self.waiting.take();
        if !waiting.is_empty() {
            if let Some(context_id) = self.shared.budget.culprit(self.holders().into_iter(), host::now()) {
                self.with_stream(context_id, Stream::evict);
                host::on_behalf_of(context_id, host::close_downstream);
            }
        }
        for context_id in waiting {
            host::on_behalf_of(context_id, || self.with_stream(context_id, Stream::retry));
        }
    }

    fn holders(&self) -> Vec<Holder> {
        let streams = self.streams.borrow();
        let streams = streams.iter().filter_map(|(context_id, stream)| Some((*context_id, stream.upgrade()?)));
        streams.filter_map(|(context_id, stream)| stream.try_borrow().ok()?.holder(context_id)).collect()
    }

    fn end_what_is_outdated(&self) {
        for context_id in self.instance.tick(host::now(), &self.metrics) {
            host::on_behalf_of(context_id, host::close_downstream);
        }
    }

    fn end_what_is_unproven(&self) {
        let due = self.unproven.borrow_mut().take_due(host::now());
        for context_id in due {
            let mut expired = false;
            self.with_stream(context_id, |stream| expired = stream.expire());
            if expired {
                host::on_behalf_of(context_id, host::close_downstream);
            }
        }
    }

    /// Only when it changes: each call begins the period anew.
    fn set_tick(&self) {
        let is_waiting =
            !self.later.borrow().is_empty() || !self.waiting.borrow().is_empty() || self.work.is_waiting(&self.shared);
        let period = if is_waiting { TICK } else { self.instance.period() };
        if self.period.replace(period) != period {
            host::tick_each(period);
        }
    }

    fn fetch_keys(&self) {
        let Some(endpoint) = self.shared.keys_due(host::now()) else { return };
        if let Err(error) = host::fetch(&endpoint) {
            self.keys_fetched(Err(&error));
        }
    }

    fn keys_fetched(&self, outcome: Result<&[u8], &str>) {
        let Some(fetched) = self.shared.keys_fetched(host::now(), outcome) else { return };
        let text = format!("sasl.oauthbearer.jwks.http: {fetched}");
        if fetched.is_warning() {
            self.warn(&text);
        } else {
            self.inform(&text);
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
        let [seed, id] = [wasi::random(), wasi::random()].map(|bytes| bytes.ok_or("Envoy gives no random bytes"));
        let instance = Instance::new(&config, &text, u64::from_be_bytes(*id?.first_chunk().unwrap_or(&[0; 8])))?;
        let salts = host::process_secret().ok_or("Envoy keeps no shared data")?;
        let plugin = Plugin::new(config, seed?, salts, instance);
        plugin.set_tick();
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
        plugin.make_room();
        plugin.judge();
        plugin.end_what_is_outdated();
        plugin.end_what_is_unproven();
        plugin.fetch_keys();
        plugin.set_tick();
    }

    fn create_stream_context(&self, context_id: u32) -> Option<Box<dyn StreamContext>> {
        let plugin = self.plugin.clone()?;
        let stream = Rc::new(RefCell::new(Stream::new(Rc::clone(&plugin), context_id)));
        plugin.streams.borrow_mut().insert(context_id, Rc::downgrade(&stream));
        Some(Box::new(Handle(stream)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::StreamContext)
    }
}
