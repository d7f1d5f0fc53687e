//! One per connection: moves bytes between Envoy's buffers and the core.
//!
//! Envoy forgets the downstream buffer when `on_downstream_data` returns Continue, and then nothing can be sent to the broker
//! from `on_upstream_data`. So while the core is blocked (a barrier, or too many requests in flight), `on_downstream_data`
//! pauses and resumes by call; while it is not, nothing can become due to the broker before the next client bytes.
//!
//! Bytes that may go on untouched stay in Envoy's buffer. Everything else is read once, and what comes out is written once.
//! Client bytes that the core does not want yet stay in Envoy's buffer as well: when it is full, Envoy stops reading.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use proxy_wasm::traits::{Context, StreamContext};
use proxy_wasm::types::{Action as Verdict, BufferType};
use remapper_core::connection::{Action, Connection};
use remapper_core::limits::WINDOW_BYTES;
use remapper_core::stats::Stat;

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
    /// Client bytes left in Envoy's buffer. Shared with what the plugin sends later in their place.
    held: Rc<Cell<usize>>,
    /// The client has half-closed, and the broker does not know yet.
    owes_end: bool,
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
            held: Rc::default(),
            owes_end: false,
            closed: false,
            counts: vec![],
        }
    }

    fn open(&mut self, end_of_stream: bool) {
        if self.connection.is_some() {
            return;
        }
        let Some(mut opening) = self.sent.as_ref().and_then(|sent| self.plugin.opening(sent)) else { return };
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
                Action::ToBrokerLater { bytes, delay_ms } => {
                    output.close |= !self.plugin.send_later(self.context_id, delay_ms, bytes.into_parts(), &self.held);
                }
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
                Action::Inform(text) => log::info!("{text}"),
                Action::Warn(text) => log::warn!("{text}"),
                Action::Close => output.close = true,
            }
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
        let Some(connection) = &mut self.connection else { return };
        let resumes = connection.wants_client_bytes() || !output.to_broker.is_empty();
        let taken = if resumes { self.held.take() } else { 0 };
        if taken > 0 {
            connection.handle_client_bytes(host::read(CLIENT, 0, taken), host::now());
            self.drain(output);
        }
        host::replace(CLIENT, taken, &output.to_broker);
        if !output.to_broker.is_empty() || (self.owes_end && self.is_unblocked()) {
            host::resume_downstream();
            self.owes_end = false;
        }
    }

    fn is_unblocked(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::wants_client_bytes)
    }

    /// Hands on what lies in the downstream buffer, and its end with it. See the top of this file.
    fn hand_on(&mut self, something: bool) -> Verdict {
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

impl Context for Stream {}

impl StreamContext for Stream {
    fn on_new_connection(&mut self) -> Verdict {
        self.sent = Some(self.plugin.route());
        self.plugin.metrics.count(Stat::ConnectionsTotal, 1);
        self.plugin.metrics.count(Stat::ConnectionsActive, 1);
        Verdict::Continue
    }

    fn on_downstream_data(&mut self, len: usize, end_of_stream: bool) -> Verdict {
        self.owes_end |= end_of_stream;
        if self.closed {
            host::replace(CLIENT, len, &[]);
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
            return Verdict::Pause;
        }
        let passed = pass(CLIENT, len, |window, available| match window {
            None if connection.is_client_streaming() => connection.client_passes(&[], available, 0),
            None => 0,
            Some(_) if connection.holds_client_bytes() => 0,
            Some(window) => connection.client_passes(&window(), available, host::now()),
        });
        let mut output = Output::default();
        if passed == len {
            self.drain(&mut output);
            return self.hand_on(true);
        }
        let now = host::now();
        let mut bytes = host::read(CLIENT, 0, len);
        let untouched = bytes.split_to(passed.min(bytes.len()));
        connection.handle_client_bytes(bytes, now);
        if !untouched.is_empty() {
            output.to_broker.push(untouched);
        }
        self.drain(&mut output);
        host::replace(CLIENT, len, &output.to_broker);
        let verdict = self.hand_on(!output.to_broker.is_empty());
        if output.close {
            self.close();
        }
        verdict
    }

    fn on_upstream_data(&mut self, len: usize, _end_of_stream: bool) -> Verdict {
        let Some(connection) = self.connection.as_mut().filter(|_| !self.closed) else {
            // Closing, or nothing was asked yet: a broker speaks only when it is asked.
            host::replace(BROKER, len, &[]);
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
            host::replace(BROKER, len, &output.to_client);
        } else {
            self.drain(&mut output);
        }
        self.pump_client(&mut output);
        if output.close {
            self.close();
        }
        Verdict::Continue
    }

    fn on_log(&mut self) {
        self.tell_counts();
        self.connection = None;
        self.plugin.forget(self.context_id);
        if self.sent.take().is_some() {
            self.plugin.metrics.count(Stat::ConnectionsActive, -1);
        }
    }
}
