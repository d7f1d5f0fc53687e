//! A connection as the shell holds it, from the moment when the host accepts it.

use std::cell::{RefCell, RefMut};
use std::rc::{Rc, Weak};

use super::command::{Command, Level};
use super::head::Head;
use super::host::{Failure, Flow, Host, Side};
use super::plugin::Plugin;
use super::routing::Routed;
use super::stream::{Effects, Stream};
use crate::connection::retirement::Retirement;
use crate::connection::{Action, Connection, Opening};
use crate::exchange::session::Who;
use crate::limits::UNCOUNTED_BYTES_MAX;
use crate::shared::budget::Holder;
use crate::stats::Stat;
use crate::text;
use crate::time::Millis;
use crate::wire::rope::Rope;

/// One connection of a worker. The worker has a hold on it, too, for as long as the shell has.
pub struct Handle {
    pub(crate) context_id: u32,
    client: Rc<RefCell<AcceptedConnection>>,
}

/// The worker's hold on a connection.
#[derive(Clone)]
pub(crate) struct WeakHandle(Weak<RefCell<AcceptedConnection>>);

impl Handle {
    pub(crate) fn new(plugin: Rc<Plugin>, context_id: u32) -> Self {
        let upkeep = Upkeep {
            plugin,
            context_id,
            routed: Routed::default(),
            address: None,
            retirement: Rc::default(),
            is_proven: false,
            counts: vec![],
        };
        Self {
            context_id,
            client: Rc::new(RefCell::new(AcceptedConnection {
                upkeep,
                stream: None,
                is_refused: false,
                has_heard: false,
            })),
        }
    }

    pub(crate) fn downgrade(&self) -> WeakHandle {
        WeakHandle(Rc::downgrade(&self.client))
    }

    /// None: the connection is in use already. That would be a call of the host within a call of its own: it
    /// makes none.
    pub(crate) fn client(&self) -> Option<RefMut<'_, AcceptedConnection>> {
        self.client.try_borrow_mut().ok()
    }
}

impl WeakHandle {
    /// None: the connection is gone, or in use.
    pub(crate) fn with<T>(&self, step: impl FnOnce(&mut AcceptedConnection) -> T) -> Option<T> {
        let client = self.0.upgrade()?;
        let mut client = client.try_borrow_mut().ok()?;
        Some(step(&mut client))
    }
}

/// A connection, from its first bytes on with a stream.
pub(crate) struct AcceptedConnection {
    upkeep: Upkeep,
    /// Before the first bytes the client's certificate is not known.
    stream: Option<Stream>,
    /// It is closing, and never had a stream.
    is_refused: bool,
    /// Bytes of a broker came: what the host says of a failure is of an earlier try of its own.
    has_heard: bool,
}

impl AcceptedConnection {
    /// The host has accepted the connection.
    pub(crate) fn accepted(&mut self, host: &impl Host, routed: Routed) {
        self.upkeep.routed = routed;
        let Upkeep { plugin, context_id, routed, retirement, .. } = &self.upkeep;
        plugin.admit(*context_id, routed.label, retirement, host.now());
    }

    /// See [`Stream::client_data`].
    pub(crate) fn client_data(&mut self, host: &impl Host, len: usize, end_of_stream: bool) -> Flow {
        if self.is_refused {
            let _ = host.replace(Side::Client, len, &[]);
            return Flow::Pause;
        }
        if self.stream.is_none() {
            self.open(host, end_of_stream);
        }
        let Some(stream) = &mut self.stream else {
            self.refuse(host);
            return Flow::Pause;
        };
        stream.client_data(host, &mut self.upkeep.during(host), len, end_of_stream)
    }

    /// See [`Stream::broker_data`].
    pub(crate) fn broker_data(&mut self, host: &impl Host, len: usize) {
        self.has_heard |= len > 0;
        if self.is_refused {
            let _ = host.replace(Side::Broker, len, &[]);
            return;
        }
        // A broker speaks only when it is asked. Where nothing was asked yet, the stream says so.
        let stream = self.stream.get_or_insert_with(|| unasked(&self.upkeep));
        if stream.connection.wants_broker() {
            // Envoy knows it once it is connected.
            host.broker().iter().for_each(|broker| stream.connection.reaches(broker));
        }
        stream.broker_data(host, &mut self.upkeep.during(host), len);
    }

    /// See [`Stream::resume`].
    pub(crate) fn resume(&mut self, host: &impl Host) {
        if let Some(stream) = &mut self.stream {
            stream.resume(host, &mut self.upkeep.during(host));
        }
    }

    /// See [`Stream::wake`].
    pub(crate) fn wake(&mut self, host: &impl Host) {
        if let Some(stream) = &mut self.stream {
            stream.wake(host, &mut self.upkeep.during(host));
        }
    }

    /// See [`Stream::send`].
    pub(crate) fn send(&mut self, host: &impl Host, bytes: Rope) {
        if let Some(stream) = &mut self.stream {
            stream.send(host, &mut self.upkeep.during(host), bytes);
        }
    }

    /// Ends the connection for the others' sake. The caller closes it.
    pub(crate) fn evict(&mut self, host: &impl Host) {
        if let Some(stream) = &mut self.stream {
            stream.evict(&mut self.upkeep.during(host));
        }
    }

    /// The time for proof is over: the caller closes the connection. False: the connection is closing anyway.
    pub(crate) fn expire(&mut self, host: &impl Host) -> bool {
        if self.is_refused {
            return false;
        }
        // One that never sent a byte has no stream, and needs no more than to be counted.
        let stream = self.stream.get_or_insert_with(|| unasked(&self.upkeep));
        stream.expire(&mut self.upkeep.during(host), host.now())
    }

    /// The broker has ended its side.
    pub(crate) fn broker_ended(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.connection.handle_broker_end();
        }
    }

    /// The connection is gone.
    pub(crate) fn end(&mut self, host: &impl Host) {
        if !self.is_refused {
            self.say_failure(host);
        }
        if let Some(stream) = &mut self.stream {
            stream.end(&mut self.upkeep.during(host));
        }
        self.upkeep.flush_counts();
        self.stream = None;
    }

    /// [`Self::resume`] is worth a call for the sake of a token.
    pub(crate) fn has_verdict(&self, now: Millis) -> bool {
        self.stream.as_ref().is_none_or(|stream| stream.connection.has_verdict(now))
    }

    /// As far as the worker's memory goes.
    pub(crate) fn holder(&self) -> Option<Holder> {
        self.stream.as_ref()?.holder(self.upkeep.context_id)
    }

    /// What the host alone knows of a connection that came to nothing. Who gets no answer cannot tell the
    /// reasons apart.
    fn say_failure(&mut self, host: &impl Host) {
        let Upkeep { plugin, routed, .. } = &self.upkeep;
        let (line, who) = match (host.failure(), &self.stream) {
            (Some(Failure::Handshake(why)), None) => {
                let speaks_none = ["WRONG_VERSION_NUMBER", "HTTP_REQUEST"].into_iter().any(|sign| why.contains(sign));
                let hint = if speaks_none { NO_TLS } else { "" };
                let text = format!("a client's TLS handshake failed: {hint}Envoy says {}", text::words(&why));
                (plugin.shared.line_for_stranger(&text, host.now()), Who::default())
            }
            (Some(Failure::Unreached(why)), Some(stream)) if !self.has_heard => {
                let address =
                    routed.address.as_ref().map_or("where Envoy's cluster leads".to_owned(), |to| format!("at {to}"));
                let text = format!(
                    "no connection to the broker {address} came about, and its client got no answer: Envoy says {}. Does a \
                     broker listen there, for Envoy to reach, with TLS if Envoy's cluster has TLS?",
                    text::words(&why)
                );
                (plugin.shared.line_for(&text, host.now()), stream.connection.who())
            }
            _ => return,
        };
        self.upkeep.during(host).log(Level::Warn, line, who);
    }

    /// Without random bytes there is no connection.
    fn open(&mut self, host: &impl Host, end_of_stream: bool) {
        let Upkeep { plugin, context_id, routed, retirement, .. } = &self.upkeep;
        let Some(mut opening) = plugin.opening(host, *context_id, routed, retirement) else { return };
        if end_of_stream {
            // Whatever is sent first takes the stream's end with it: a question of ours would keep the
            // client's bytes here.
            opening.bootstrapped = None;
        }
        self.stream = Some(Stream::new(Connection::new(Rc::clone(&plugin.shared), opening)));
    }

    fn refuse(&mut self, host: &impl Host) {
        if !self.is_refused {
            self.is_refused = true;
            self.upkeep.plugin.close_soon(self.upkeep.context_id, host.now());
        }
    }
}

const NO_TLS: &str =
    "this listener wants TLS, and the client speaks none: its security.protocol has to be SSL or SASL_SSL. ";

/// The stream of a connection whose client has sent nothing: it is only to be closed.
fn unasked(upkeep: &Upkeep) -> Stream {
    let opening = Opening { broker_label: upkeep.routed.label, ..Opening::default() };
    Stream::new(Connection::new(Rc::clone(&upkeep.plugin.shared), opening))
}

/// What is done for a connection beside moving its bytes.
struct Upkeep {
    plugin: Rc<Plugin>,
    context_id: u32,
    routed: Routed,
    /// The client's, once a line of the log has asked for it.
    address: Option<String>,
    /// By which the plugin ends this connection when its configuration is outdated.
    retirement: Rc<Retirement>,
    /// The core knows whose connection it is, and the plugin knows that.
    is_proven: bool,
    /// What was counted and the host was not told yet: a command for each event would cost more than the
    /// bytes.
    counts: Vec<(Stat, u64)>,
}

impl Upkeep {
    fn during<'a, H: Host>(&'a mut self, host: &'a H) -> During<'a, H> {
        During { upkeep: self, host }
    }

    fn count(&mut self, stat: Stat, n: u64) {
        let same = self.counts.iter_mut().find(|(other, _)| *other == stat);
        match same {
            Some((_, sum)) if !matches!(stat, Stat::RequestDurationMs { .. }) => *sum += n,
            _ => self.counts.push((stat, n)),
        }
    }

    fn flush_counts(&mut self) {
        for (stat, n) in self.counts.drain(..) {
            self.plugin.commands.count(stat, i64::try_from(n).unwrap_or(i64::MAX));
        }
    }
}

/// [`Upkeep`] during a call, when there is a clock.
struct During<'a, H> {
    upkeep: &'a mut Upkeep,
    host: &'a H,
}

impl<H: Host> During<'_, H> {
    /// Logs a line, if there is one to log, with whose connection it is about at its head.
    fn log(&mut self, level: Level, line: Option<String>, who: Who<'_>) {
        let Some(line) = line else { return };
        let Upkeep { plugin, address, .. } = self.upkeep;
        if address.is_none() {
            *address = self.host.client();
        }
        let address = address.as_deref().unwrap_or("(address unknown)");
        plugin.commands.log(level, &Head { address, who }, &line);
    }
}

impl<H: Host> Effects for During<'_, H> {
    fn send_later(&mut self, bytes: Rope, delay_ms: Millis) -> Option<Rope> {
        let Upkeep { plugin, context_id, .. } = &self.upkeep;
        plugin.send_later(*context_id, self.host.now().saturating_add(delay_ms), bytes)
    }

    fn carry_out(&mut self, action: Action, connection: &Connection) {
        let Upkeep { plugin, context_id, routed, .. } = &self.upkeep;
        match action {
            Action::Authenticated { principal, mechanism } => {
                plugin.commands.push(Command::Identify { context_id: *context_id, principal, mechanism });
            }
            Action::Introduced(value) => {
                plugin.commands.push(Command::Describe { context_id: *context_id, key: "kafka_client_id", value });
            }
            Action::BrokersSeen(brokers) => plugin.brokers_seen(&brokers),
            Action::Unreached { broker, advertised } => plugin.broker_unreached(broker, &advertised),
            Action::VersionsSeen(versions) => plugin.versions_seen(routed, &versions),
            Action::Count(stat, n) => self.upkeep.count(stat, n),
            Action::Inform(text) => {
                let line = plugin.shared.line_for(&text, self.host.now());
                self.log(Level::Info, line, connection.who());
            }
            Action::Warn(text) => {
                let line = plugin.shared.line_for(&text, self.host.now());
                self.log(Level::Warn, line, connection.who());
            }
            Action::WarnOfStranger(text) => {
                let line = plugin.shared.line_for_stranger(&text, self.host.now());
                self.log(Level::Warn, line, connection.who());
            }
            // The stream's own.
            Action::ToBroker(_) | Action::ToBrokerLater { .. } | Action::ToClient(_) | Action::Close => {}
        }
    }

    fn carried_out(&mut self, connection: &Connection) {
        if !self.upkeep.is_proven && connection.is_proven() {
            self.upkeep.is_proven = true;
            self.upkeep.plugin.proven(self.upkeep.context_id);
        }
        let may_wait =
            |(stat, n): &(Stat, u64)| matches!(stat, Stat::BytesReceived | Stat::BytesSent) && *n < UNCOUNTED_BYTES_MAX;
        if !self.upkeep.counts.iter().all(may_wait) {
            self.upkeep.flush_counts();
        }
    }

    fn close_soon(&mut self) {
        self.upkeep.plugin.close_soon(self.upkeep.context_id, self.host.now());
    }

    fn wait_for_room(&mut self) {
        self.upkeep.plugin.wait_for_room(self.upkeep.context_id);
    }

    fn wait_for_verdict(&mut self) {
        self.upkeep.plugin.wait_for_verdict(self.upkeep.context_id);
    }
}
