//! What a worker does for its connections beside moving their bytes: where they go, what falls due, what the
//! workers of a process tell each other. One [`Worker`] per plugin and worker of the host.
//!
//! A shell makes a [`Worker`] from the configuration's text, hands it what happens to connections, and calls
//! [`Worker::tick`] as often as [`Command::Tick`] says. Behind each of these calls it takes the [`Command`]s
//! that have come of it from [`Worker::poll_command`]. What a call needs of the host at once, a connection's
//! buffers and the clock, is a [`Host`].

mod agenda;
mod beginning;
mod command;
mod deadlines;
mod greeting;
mod handle;
mod head;
mod host;
mod instance;
mod passwords;
mod plugin;
mod routing;
mod shown;
pub(crate) mod stream;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

pub use self::command::{Command, Level};
pub use self::handle::Handle;
pub use self::host::{Failure, Flow, Host, Side};
pub use self::passwords::Busy;

use self::agenda::{Agenda, Step};
use self::command::Commands;
use self::handle::{AcceptedConnection, WeakHandle};
use self::instance::{Instance, Usage};
use self::passwords::Passwords;
use self::plugin::Plugin;
use self::routing::Routing;
use self::shown::Display;
use crate::config::Config;
use crate::error::CONFIGURATION;
use crate::fingerprint::Fingerprint;
use crate::limits::SHARED_WOKEN_MAX;
use crate::memory::{Memory, ProcessMemory};
use crate::sasl::oauthbearer::Verifier;
use crate::shared::Shared;
use crate::stats::{Names, Stat};
use crate::time::Millis;
use crate::topics;

/// What a worker is given of its surroundings, for as long as it lives.
pub struct Surroundings {
    /// What all workers of the process remember.
    pub memory: Box<dyn Memory>,
    /// Checks tokens' signatures.
    pub verifier: Box<dyn Verifier>,
    /// How many bytes are alive in the worker's memory.
    pub live_bytes: Box<dyn Fn() -> usize>,
    /// The plugin's name in the host's configuration, or nothing.
    pub plugin_name: String,
    /// The plugin's root id there, or nothing.
    pub root_id: String,
    /// Variables of the environment, as `NAME=value`.
    pub variables: Vec<String>,
    /// The same for all plugins of a sandbox.
    pub busy: Busy,
    /// As well: whether the sandbox has ever served a connection. The host's main thread has sandboxes, too,
    /// whose memory is no worker's.
    pub has_served: Rc<Cell<bool>>,
}

/// A plugin on one worker: its configuration and its connections.
pub struct Worker {
    plugin: Rc<Plugin>,
    /// All connections, by their contexts.
    clients: RefCell<HashMap<u32, WeakHandle>>,
}

impl Worker {
    /// Begins to work with the configuration in `text`.
    ///
    /// # Errors
    /// Why the configuration is refused, or what the host does not give.
    pub fn new(text: Vec<u8>, surroundings: Surroundings, host: &impl Host) -> Result<Self, String> {
        let Surroundings { memory, verifier, live_bytes, plugin_name, root_id, variables, busy, has_served } =
            surroundings;
        let text = Config::text(text).map_err(|error| error.to_string())?;
        let variable = |name: &str| {
            let value = variables.iter().find_map(|variable| variable.strip_prefix(name)?.strip_prefix('='));
            value.map(str::to_owned)
        };
        let config = Config::parse(&text, &variable).map_err(|error| error.to_string())?;
        let [seed, id] = [host.random(), host.random()].map(|bytes| bytes.ok_or("Envoy gives no random bytes"));
        let id = u64::from_be_bytes(*id?.first_chunk().unwrap_or(&[0; 8]));
        let memory = Rc::new(ProcessMemory::new(memory, &config.stat_prefix, &plugin_name, &root_id));
        let (commands, fingerprint) = (Commands::new(&config.stat_prefix), Fingerprint::of(&text));
        let topics = topics::labelled(&config.mapping).map(|(name, _)| name.to_owned()).collect();
        let names = Rc::new(Names::new(&config.stat_prefix, topics));
        let display = Display::new(&config, fingerprint, &names);
        let shown: Vec<Stat> = display.stats().collect();
        let instance = Instance::new(&config, fingerprint, (id, display), &memory, &commands, host.now());
        let instance = instance.map_err(|error| error.to_string())?;
        greeting::greet(&config, fingerprint, &memory, &commands);
        let salts = memory.secret(|| host.random()).ok_or("Envoy keeps no shared data")?;
        let shared = Rc::new(Shared::new(config, seed?, salts, verifier, live_bytes).sharing(&memory, fingerprint));
        beginning::begin(&shared, shown, &commands);
        let passwords = Passwords::begin(busy, &shared, &memory, fingerprint, host, &commands);
        let (agenda, routing, period) = (Agenda::default(), Routing::default(), Cell::new(None));
        let plugin =
            Plugin { shared, memory, commands, agenda, routing, instance, passwords, names, has_served, period };
        plugin.set_period();
        Ok(Self { plugin: Rc::new(plugin), clients: RefCell::default() })
    }

    /// What the host calls the stats.
    pub fn names(&self) -> Rc<Names> {
        Rc::clone(&self.plugin.names)
    }

    /// The next thing that the shell has to do, or None.
    pub fn poll_command(&self) -> Option<Command> {
        self.plugin.commands.pop()
    }

    /// A connection that the host is about to accept.
    pub fn announce(&self, context_id: u32) -> Handle {
        let handle = Handle::new(Rc::clone(&self.plugin), context_id);
        self.clients.borrow_mut().insert(context_id, handle.downgrade());
        handle
    }

    /// The host has accepted the connection at `local_port`; its TLS handshake asked for `server_name`.
    pub fn accept(&self, handle: &Handle, host: &impl Host, local_port: Option<u16>, server_name: Option<&str>) {
        let Some(mut client) = handle.client() else { return };
        let Plugin { shared, memory, routing, commands, has_served, .. } = &*self.plugin;
        has_served.set(true);
        let routed = routing.route(shared, memory, local_port, server_name);
        routed.address.iter().for_each(|address| commands.push(Command::Route(address.clone())));
        if let Some(value) = routed.shown(shared) {
            commands.push(Command::Describe { context_id: handle.context_id, key: "kafka_broker", value });
        }
        client.accepted(host, routed);
    }

    /// The client's buffer holds `len` bytes, those that were left there included; with `end_of_stream` no
    /// more will come.
    pub fn client_data(&self, handle: &Handle, host: &impl Host, len: usize, end_of_stream: bool) -> Flow {
        let flow = handle.client().map_or(Flow::Pause, |mut client| client.client_data(host, len, end_of_stream));
        self.wake_others(host, Some(handle.context_id));
        flow
    }

    /// The broker's buffer holds `len` bytes. What is left in it goes to the client.
    pub fn broker_data(&self, handle: &Handle, host: &impl Host, len: usize) {
        if let Some(mut client) = handle.client() {
            client.broker_data(host, len);
        }
        self.wake_others(host, Some(handle.context_id));
    }

    /// The broker has ended its side of the connection.
    pub fn broker_ended(&self, handle: &Handle) {
        if let Some(mut client) = handle.client() {
            client.broker_ended();
        }
    }

    /// The connection is gone.
    pub fn end(&self, handle: &Handle, host: &impl Host) {
        if let Some(mut client) = handle.client() {
            client.end(host);
        }
        self.clients.borrow_mut().remove(&handle.context_id);
        self.plugin.forget(handle.context_id, host.now());
        self.plugin.tell(self.plugin.shared.tally.take());
        // Who has waited for what it was reading goes on at the next tick.
        self.plugin.set_period();
    }

    /// What came of [`Command::FetchKeys`]: a key set as JSON, or why there is none.
    pub fn keys_fetched(&self, host: &impl Host, outcome: Result<&[u8], &str>) {
        let now = host.now();
        let Some(fetched) = self.plugin.shared.keys_fetched(now, outcome) else { return };
        let text = format!("sasl.oauthbearer.jwks.http: {fetched}");
        if fetched.is_warning() {
            self.plugin.warn(&text, now);
        } else {
            self.plugin.inform(&text, now);
        }
    }
}

/// What falls due. All of it is done outside of the connections' own calls.
impl Worker {
    /// Does what is due.
    pub fn tick(&self, host: &impl Host) {
        self.do_what_is_due(host);
        self.make_room(host);
        self.work_for_passwords(host);
        self.look_after_reads(host);
        self.end_what_is_outdated(host.now());
        self.end_what_is_unproven(host);
        self.plugin.tell(self.plugin.shared.tally.take_due(host.now()));
        if let Some(endpoint) = self.plugin.shared.keys_due(host.now()) {
            self.plugin.commands.push(Command::FetchKeys(endpoint));
        }
        let closing = self.plugin.agenda.take_closing();
        closing.into_iter().for_each(|context_id| self.plugin.commands.push(Command::Close(context_id)));
        self.plugin.set_period();
    }

    /// Sends and closes what was put off.
    fn do_what_is_due(&self, host: &impl Host) {
        for (context_id, step) in self.plugin.agenda.take_due(host.now()) {
            match step {
                Step::Send(bytes) if host.select(context_id) => {
                    self.with_client(context_id, |client| client.send(host, bytes));
                }
                Step::Send(_) => {}
                Step::Close => self.close(context_id),
            }
        }
    }

    /// Lets those take up their bytes that waited for room, and ends a connection where there is none to be
    /// had otherwise.
    fn make_room(&self, host: &impl Host) {
        let waiting = self.plugin.agenda.take_waiting_for_room();
        if waiting.is_empty() {
            return;
        }
        let clients: Vec<WeakHandle> = self.clients.borrow().values().cloned().collect();
        let holders = clients.iter().filter_map(|client| client.with(|client| client.holder()).flatten());
        if let Some(context_id) = self.plugin.shared.budget.culprit(holders, host.now()) {
            host.select(context_id);
            self.with_client(context_id, |client| client.evict(host));
            self.close(context_id);
        }
        waiting.into_iter().for_each(|context_id| self.resume(host, context_id));
    }

    /// A share of the worker's time for clients' passwords, and on with those that waited for it.
    fn work_for_passwords(&self, host: &impl Host) {
        let Plugin { shared, memory, commands, passwords, agenda, .. } = &*self.plugin;
        passwords.tick(shared, memory, host, commands);
        let now = host.now();
        let clients = self.clients.borrow();
        let has_verdict = |context_id: u32| {
            let client = clients.get(&context_id);
            client.is_none_or(|client| client.with(|client| client.has_verdict(now)).unwrap_or(true))
        };
        let ready = agenda.take_with_verdict(has_verdict);
        drop(clients);
        ready.into_iter().for_each(|context_id| self.resume(host, context_id));
    }

    /// Lets those go on that wait for what others read in vain; what is kept of that makes room for who
    /// waits.
    fn look_after_reads(&self, host: &impl Host) {
        let Plugin { shared, agenda, .. } = &*self.plugin;
        shared.reads.tick(host.now(), shared.budget.is_tight() || agenda.is_short_of_room());
        self.wake_others(host, None);
    }

    /// Goes on with the connections for which something has come, in a call for `current`.
    fn wake_others(&self, host: &impl Host, current: Option<u32>) {
        let shared = &self.plugin.shared;
        let mut selected = current;
        for context_id in std::iter::from_fn(|| shared.reads.next_rung()).take(SHARED_WOKEN_MAX) {
            if self.clients.borrow().contains_key(&context_id) && host.select(context_id) {
                selected = Some(context_id);
                self.with_client(context_id, |client| client.wake(host));
            }
        }
        if let Some(current) = current.filter(|current| selected != Some(*current)) {
            host.select(current);
        }
        self.plugin.set_period();
    }

    fn end_what_is_outdated(&self, now: Millis) {
        let Plugin { memory, commands, instance, shared, has_served, .. } = &*self.plugin;
        let usage = || Usage {
            has_served: has_served.get(),
            held: shared.budget.held_bytes(),
            held_limit: shared.config.limits.worker_bytes,
            shared: shared.reads.stored_bytes(),
        };
        for context_id in instance.tick(memory, commands, usage, now) {
            commands.count(Stat::Reconnects { reason: CONFIGURATION }, 1);
            self.close(context_id);
        }
    }

    fn end_what_is_unproven(&self, host: &impl Host) {
        for context_id in self.plugin.agenda.take_late(host.now()) {
            host.select(context_id);
            if self.with_client(context_id, |client| client.expire(host)) == Some(true) {
                self.close(context_id);
            }
        }
    }

    fn resume(&self, host: &impl Host, context_id: u32) {
        if self.clients.borrow().contains_key(&context_id) && host.select(context_id) {
            self.with_client(context_id, |client| client.resume(host));
        }
    }

    fn close(&self, context_id: u32) {
        self.plugin.agenda.close(context_id);
    }

    fn with_client<T>(&self, context_id: u32, step: impl FnOnce(&mut AcceptedConnection) -> T) -> Option<T> {
        let client = self.clients.borrow().get(&context_id)?.clone();
        client.with(step)
    }
}

#[cfg(test)]
mod tests;
