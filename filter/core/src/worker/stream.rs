//! One per connection: moves bytes between Envoy's buffers and the core.
//!
//! Envoy forgets the downstream buffer when `on_downstream_data` returns Continue, and then nothing can be sent to the broker
//! from `on_upstream_data`. So while the core is blocked (a barrier, or too many requests in flight), `on_downstream_data`
//! pauses and resumes by call; while it is not, nothing can become due to the broker before the next client bytes.
//!
//! Bytes that may go on untouched stay in Envoy's buffer. Everything else is read once, and what comes out is written once.
//! Client bytes that the core does not want yet, or has no room for, stay in Envoy's buffer as well: when it is full, Envoy
//! stops reading. For room they wait on the root's timer.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use kafka_partition_remapper_core::connection::retirement::Retirement;
use kafka_partition_remapper_core::connection::{Action, Connection, Opening};
use kafka_partition_remapper_core::limits::WINDOW_BYTES;
use kafka_partition_remapper_core::shared::budget::Holder;
use kafka_partition_remapper_core::stats::Stat;
use kafka_partition_remapper_core::Millis;
use proxy_wasm::traits::{Context, StreamContext};
use proxy_wasm::types::{Action as Verdict, BufferType};

use crate::host;
use crate::root::{Plugin, Sent};

const CLIENT: BufferType = BufferType::DownstreamData;
const BROKER: BufferType = BufferType::UpstreamData;

pub(crate) struct Stream {
    plugin: Rc<Plugin>,
    context_id: u32,
    sent: Option<Sent>,
    /// From the first bytes on: before them the client's certificate is not known.
    connection: Option<Connection>,
    /// Client bytes left in Envoy's buffer.
    held: Cell<usize>,
    /// By which the plugin ends this connection when its configuration is outdated.
    retirement: Rc<Retirement>,
    /// The client has half-closed, and the broker does not know yet.
    owes_end: bool,
    /// For the broker, of a client that has half-closed: the end would go with it, and more is to come.
    stashed: Vec<Bytes>,
    /// Bytes went to the broker. Until then Envoy has no connection to it, where tcp_proxy waits for the first ones.
    has_sent: bool,
    /// The core knows whose connection it is, and the plugin knows that.
    is_proven: bool,
    closed: bool,
    /// What was counted and Envoy was not told yet: a call of the host for each event would cost more than the bytes.
    counts: Vec<(Stat, u64)>,
}

/// Bytes that may have passed before Envoy is told.
const UNTOLD_BYTES_MAX: u64 = 1 << 20;

/// What the core wants written.
#[derive(Default)]
struct Output {
    to_broker: Vec<Bytes>,
    to_client: Vec<Bytes>,
    close: bool,
}

impl Stream {
    pub(crate) fn new(plugin: Rc<Plugin>, context_id: u32) -> Self {
        Self {
            plugin,
            context_id,
            sent: None,
            connection: None,
            held: Cell::new(0),
            retirement: Rc::default(),
            owes_end: false,
            stashed: vec![],
            has_sent: false,
            is_proven: false,
            closed: false,
            counts: vec![],
        }
    }

    fn open(&mut self, end_of_stream: bool) {
        if self.connection.is_some() {
            return;
        }
        let opening = self.sent.as_ref().and_then(|sent| self.plugin.opening(sent, &self.retirement));
        let Some(mut opening) = opening else { return };
        if end_of_stream {
            // Whatever is sent first takes the stream's end with it: a question of ours would keep the client's bytes here.
            opening.learn = None;
        }
        self.connection = Some(Connection::new(Rc::clone(&self.plugin.shared), opening));
    }

    /// Carries out what is not bytes, and collects what is.
    fn drain(&mut self, output: &mut Output) {
        while let Some(action) = self.connection.as_mut().and_then(Connection::poll_action) {
            match action {
                Action::ToBroker(rope) => output.to_broker.extend(rope.into_parts()),
                Action::ToClient(rope) => output.to_client.extend(rope.into_parts()),
                Action::ToBrokerLater { bytes, delay_ms, .. } if self.plugin.has_room_for_later() => {
                    self.plugin.send_later(self.context_id, delay_ms, bytes.into_parts());
                }
                Action::ToBrokerLater { or_close: true, .. } => output.close = true,
                Action::ToBrokerLater { bytes, .. } => output.to_broker.extend(bytes.into_parts()),
                Action::Authenticated { principal, mechanism } => {
                    host::tell("kafka_principal", &principal);
                    host::tell("kafka_mechanism", mechanism);
                }
                Action::Learn(brokers) => self.plugin.learn(&brokers),
                Action::Unreached { broker, advertised } => self.plugin.unreached(broker, &advertised),
                Action::LearnVersions(versions) => {
                    if let Some(sent) = &self.sent {
                        self.plugin.learn_versions(sent, &versions);
                    }
                }
                Action::Count(stat @ Stat::RequestDurationMs { .. }, ms) => self.counts.push((stat, ms)),
                Action::Count(stat, n) => match self.counts.iter_mut().find(|(other, _)| *other == stat) {
                    Some((_, sum)) => *sum += n,
                    None => self.counts.push((stat, n)),
                },
                Action::Inform(text) => self.plugin.inform(&text),
                Action::Warn(text) => self.plugin.warn(&text),
                Action::WarnOfStranger(text) => self.plugin.warn_of_stranger(&text),
                Action::Close => output.close = true,
            }
        }
        if !self.is_proven && self.connection.as_ref().is_some_and(Connection::is_proven) {
            self.is_proven = true;
            self.plugin.proved(self.context_id);
        }
        let may_wait =
            |(stat, n): &(Stat, u64)| matches!(stat, Stat::BytesReceived | Stat::BytesSent) && *n < UNTOLD_BYTES_MAX;
        if !self.counts.iter().all(may_wait) {
            self.tell_counts();
        }
    }

    fn tell_counts(&mut self) {
        for (stat, n) in self.counts.drain(..) {
            self.plugin.metrics.count(stat, i64::try_from(n).unwrap_or(i64::MAX));
        }
    }

    fn close(&mut self) {
        if !self.closed {
            self.closed = true;
            self.plugin.close_soon(self.context_id);
        }
    }

    /// After broker bytes: writes to the broker, and takes client bytes that may go on now.
    ///
    /// Envoy resumes behind this call, and then hands on all that lies in the buffer. So what is held there has to be taken
    /// out even when the core can only queue it.
    fn pump_client(&mut self, output: &mut Output) {
        let resumes = !output.to_broker.is_empty() || self.takes_held();
        let Some(connection) = &mut self.connection else { return };
        let taken = if resumes { self.held.take() } else { 0 };
        if taken > 0 {
            connection.handle_client_bytes(host::read(CLIENT, 0, taken), host::now());
            self.drain(output);
        }
        output.close |= !host::replace(CLIENT, taken, &output.to_broker);
        // Whatever is left in the buffer would go to the broker unread.
        let may_end = self.owes_end && self.held.get() == 0 && self.is_unblocked();
        if may_end && output.to_broker.is_empty() && !self.has_sent {
            output.close = true;
        } else if !output.to_broker.is_empty() || may_end {
            host::resume_downstream();
            self.owes_end = false;
            self.has_sent = true;
        }
    }

    /// Whether what is held in Envoy's buffer can be taken now.
    fn takes_held(&self) -> bool {
        let Some(connection) = self.connection.as_ref().filter(|connection| connection.wants_client_bytes()) else {
            return false;
        };
        self.held.get() > 0 && connection.has_room_for(&host::read(CLIENT, 0, self.held.get().min(WINDOW_BYTES)))
    }

    /// Client bytes that lack nothing but room are looked at again in a moment, and a token when its verdict is there.
    fn wait(&self) {
        if !self.closed && self.connection.as_ref().is_some_and(Connection::waits_for_verdict) {
            self.plugin.wait_for_verdict(self.context_id);
        }
        let waits = |connection: &Connection| {
            connection.waits_for_room() || (self.held.get() > 0 && connection.wants_client_bytes())
        };
        if !self.closed && self.connection.as_ref().is_some_and(waits) {
            self.plugin.wait_for_room(self.context_id);
        }
    }

    /// [`Self::retry`] should be called for the sake of a token.
    pub(crate) fn is_judged(&self, now: Millis) -> bool {
        self.connection.as_ref().is_none_or(|connection| connection.is_judged(now))
    }

    /// From the root's timer: takes up what waited for room, or for a verdict.
    pub(crate) fn retry(&mut self) {
        let Some(connection) = self.connection.as_mut().filter(|_| !self.closed) else { return };
        connection.resume(host::now());
        let mut output = Output { to_broker: std::mem::take(&mut self.stashed), ..Output::default() };
        self.drain(&mut output);
        self.pump_client(&mut output);
        if output.close {
            self.close();
        }
        self.wait();
    }

    /// From the root's timer: sends what was put off. What the client has sent meanwhile is taken out of its way.
    pub(crate) fn send(&mut self, pieces: Vec<Bytes>) {
        if self.closed {
            return;
        }
        let mut output = Output { to_broker: pieces, ..Output::default() };
        self.pump_client(&mut output);
        if output.close {
            self.close();
        }
    }

    /// Ends the connection for the others' sake. The caller closes it.
    pub(crate) fn evict(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.evict();
        }
        self.drain(&mut Output::default());
        self.closed = true;
    }

    /// From the root's timer: the time for proof is over. False: it is closing anyway. The caller closes it.
    pub(crate) fn expire(&mut self) -> bool {
        if self.closed {
            return false;
        }
        let shared = &self.plugin.shared;
        // One that never sent a byte has none yet, and needs no more than to be counted.
        let connection = self.connection.get_or_insert_with(|| Connection::new(Rc::clone(shared), Opening::default()));
        connection.expire(host::now());
        self.drain(&mut Output::default());
        self.closed = true;
        true
    }

    pub(crate) fn holder(&self, context_id: u32) -> Option<Holder> {
        let connection = self.connection.as_ref().filter(|_| !self.closed)?;
        let (held_bytes, gathers_since) = (connection.held_bytes(), connection.gathers_since());
        Some(Holder { context_id, held_bytes, gathers_since })
    }

    fn is_unblocked(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::wants_client_bytes)
    }

    /// Hands on what lies in the downstream buffer, and its end with it. See the top of this file.
    ///
    /// A client that ends its stream before anything was sent to the broker gets no answer, and nobody would end the
    /// connection: a tcp_proxy that waits for the first bytes does not connect for an end alone, and keeps it for an hour.
    fn hand_on(&mut self, something: bool) -> Verdict {
        if self.is_unblocked() && self.owes_end && !something && !self.has_sent {
            self.close();
            return Verdict::Pause;
        }
        self.has_sent |= something;
        if self.is_unblocked() && (something || self.owes_end) {
            self.owes_end = false;
            return Verdict::Continue;
        }
        if something {
            host::resume_downstream();
            self.owes_end = false;
        }
        Verdict::Pause
    }
}

/// How many of the `len` bytes in `buffer` go on untouched. `step` is asked without a window first, since inside a frame
/// that passes none is needed, and with a way to read one where it gave 0.
fn pass(buffer: BufferType, len: usize, mut step: impl FnMut(Option<&dyn Fn() -> Bytes>, usize) -> usize) -> usize {
    let mut passed = 0;
    while passed < len {
        let available = len - passed;
        let window = || host::read(buffer, passed, available.min(WINDOW_BYTES));
        let n = match step(None, available) {
            0 => step(Some(&window), available),
            n => n,
        };
        if n == 0 {
            break;
        }
        passed += n;
    }
    passed
}

impl Stream {
    fn on_new_connection(&mut self) -> Verdict {
        self.sent = Some(self.plugin.route());
        self.plugin.admit(self.context_id, &self.retirement);
        Verdict::Continue
    }

    fn on_downstream_data(&mut self, len: usize, end_of_stream: bool) -> Verdict {
        self.owes_end |= end_of_stream;
        // `len` counts what was held before.
        self.held.set(0);
        if self.closed {
            // It is closing anyway.
            let _ = host::replace(CLIENT, len, &[]);
            return Verdict::Pause;
        }
        self.open(end_of_stream);
        let Some(connection) = &mut self.connection else {
            self.close();
            return Verdict::Pause;
        };
        if end_of_stream {
            connection.handle_client_end();
        }
        if !connection.wants_client_bytes() {
            self.held.set(len);
            self.wait();
            return Verdict::Pause;
        }
        let mut stopped_at = Bytes::new();
        let passed = pass(CLIENT, len, |window, available| match window {
            None if connection.is_client_streaming() => connection.client_passes(&[], available, 0),
            None => 0,
            Some(_) if connection.holds_client_bytes() => 0,
            Some(window) => {
                stopped_at = window();
                connection.client_passes(&stopped_at, available, host::now())
            }
        });
        if passed == 0 && !connection.has_room_for(&stopped_at) {
            self.held.set(len);
            self.wait();
            return Verdict::Pause;
        }
        let mut output = Output::default();
        if passed == len {
            self.drain(&mut output);
            return self.hand_on(len > 0);
        }
        let now = host::now();
        let mut bytes = host::read(CLIENT, 0, len);
        let untouched = bytes.split_to(passed.min(bytes.len()));
        connection.handle_client_bytes(bytes, now);
        if !untouched.is_empty() {
            output.to_broker.push(untouched);
        }
        self.drain(&mut output);
        if self.owes_end && self.connection.as_ref().is_some_and(Connection::waits_for_verdict) {
            self.stashed = std::mem::take(&mut output.to_broker);
        }
        output.close |= !host::replace(CLIENT, len, &output.to_broker);
        let verdict = self.hand_on(!output.to_broker.is_empty());
        if output.close {
            self.close();
        }
        self.wait();
        verdict
    }

    fn on_upstream_data(&mut self, len: usize, _end_of_stream: bool) -> Verdict {
        let Some(connection) = self.connection.as_mut().filter(|_| !self.closed) else {
            // Closing, or nothing was asked yet: a broker speaks only when it is asked.
            let _ = host::replace(BROKER, len, &[]);
            self.close();
            return Verdict::Continue;
        };
        let passed = pass(BROKER, len, |window, available| match window {
            None if connection.is_broker_streaming() => connection.broker_passes(&[], available, 0),
            None => 0,
            Some(_) if connection.holds_broker_bytes() => 0,
            Some(window) => connection.broker_passes(&window(), available, host::now()),
        });
        let mut output = Output::default();
        if passed < len {
            let now = host::now();
            let mut bytes = host::read(BROKER, 0, len);
            let untouched = bytes.split_to(passed.min(bytes.len()));
            connection.handle_broker_bytes(bytes, now);
            if !untouched.is_empty() {
                output.to_client.push(untouched);
            }
            self.drain(&mut output);
            output.close |= !host::replace(BROKER, len, &output.to_client);
        } else {
            self.drain(&mut output);
        }
        self.pump_client(&mut output);
        if output.close {
            self.close();
        }
        self.wait();
        Verdict::Continue
    }

    fn on_log(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.handle_gone();
        }
        self.drain(&mut Output::default());
        self.tell_counts();
        self.connection = None;
        self.plugin.forget(self.context_id);
    }
}

/// The host's hold on a connection. The root's timer has one, too.
pub(crate) struct Handle(pub(crate) Rc<RefCell<Stream>>);

impl Context for Handle {}

/// A stream that is in use already would be a call of the host within a call of its own: Envoy makes none.
impl StreamContext for Handle {
    fn on_new_connection(&mut self) -> Verdict {
        self.0.try_borrow_mut().map_or(Verdict::Continue, |mut stream| stream.on_new_connection())
    }

    fn on_downstream_data(&mut self, len: usize, end_of_stream: bool) -> Verdict {
        self.0.try_borrow_mut().map_or(Verdict::Pause, |mut stream| stream.on_downstream_data(len, end_of_stream))
    }

    fn on_upstream_data(&mut self, len: usize, end_of_stream: bool) -> Verdict {
        self.0.try_borrow_mut().map_or(Verdict::Pause, |mut stream| stream.on_upstream_data(len, end_of_stream))
    }

    fn on_log(&mut self) {
        if let Ok(mut stream) = self.0.try_borrow_mut() {
            stream.on_log();
        }
    }
}
