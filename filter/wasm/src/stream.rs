//! One per connection: moves bytes between Envoy's buffers and the core.
//!
//! `on_downstream_data` always pauses and resumes by call: Envoy forgets the downstream buffer when it returns Continue, and
//! then nothing could be sent to the broker from `on_upstream_data`.
//!
//! Bytes that may go on untouched stay in Envoy's buffer. Everything else is read once, and what comes out is written once.
//! Client bytes that the core does not want yet stay in Envoy's buffer as well: when it is full, Envoy stops reading.

use std::rc::Rc;

use bytes::Bytes;
use proxy_wasm::traits::{Context, StreamContext};
use proxy_wasm::types::{Action as Verdict, BufferType};
use remapper_core::connection::{Action, Connection};
use remapper_core::limits::WINDOW_BYTES;
use remapper_core::stats::Stat;

use crate::host;
use crate::root::Plugin;

const CLIENT: BufferType = BufferType::DownstreamData;
const BROKER: BufferType = BufferType::UpstreamData;

pub(crate) struct Stream {
    plugin: Rc<Plugin>,
    connection: Option<Connection>,
    /// Client bytes left in Envoy's buffer.
    held: usize,
    client_ended: bool,
    closed: bool,
}

/// What the core wants written.
#[derive(Default)]
struct Output {
    to_broker: Vec<Bytes>,
    to_client: Vec<Bytes>,
    close: bool,
}

impl Stream {
    pub(crate) fn new(plugin: Rc<Plugin>) -> Self {
        Self { plugin, connection: None, held: 0, client_ended: false, closed: false }
    }

    /// Carries out what is not bytes, and collects what is.
    fn drain(&mut self, output: &mut Output) {
        let mut counts: Vec<(Stat, u64)> = vec![];
        while let Some(action) = self.connection.as_mut().and_then(Connection::poll_action) {
            match action {
                Action::ToBroker(rope) => output.to_broker.extend(rope.into_parts()),
                Action::ToClient(rope) => output.to_client.extend(rope.into_parts()),
                Action::Learn(brokers) => self.plugin.learn(&brokers),
                Action::Count(stat @ Stat::RequestDurationMs { .. }, ms) => counts.push((stat, ms)),
                Action::Count(stat, n) => match counts.iter_mut().find(|(other, _)| *other == stat) {
                    Some((_, sum)) => *sum += n,
                    None => counts.push((stat, n)),
                },
                Action::Warn(text) => log::warn!("{text}"),
                Action::Close => output.close = true,
            }
        }
        for (stat, n) in counts {
            self.plugin.metrics.count(stat, i64::try_from(n).unwrap_or(i64::MAX));
        }
    }

    fn close(&mut self) {
        if !self.closed {
            self.closed = true;
            host::close_downstream();
        }
    }

    /// After broker bytes: writes to the broker, and takes client bytes that may go on now.
    ///
    /// Envoy resumes behind this call, and then hands on all that lies in the buffer. So what is held there has to be taken
    /// out even when the core can only queue it.
    fn pump_client(&mut self, output: &mut Output) {
        let Some(connection) = &mut self.connection else { return };
        let resumes = connection.wants_client_bytes() || !output.to_broker.is_empty();
        let taken = if resumes { std::mem::take(&mut self.held) } else { 0 };
        if taken > 0 {
            connection.handle_client_bytes(host::read(CLIENT, 0, taken), host::now());
            self.drain(output);
        }
        host::replace(CLIENT, taken, &output.to_broker);
        if !output.to_broker.is_empty() || self.may_end() {
            host::resume_downstream();
        }
    }

    /// The client has half-closed, and nothing of it waits here: the broker may know.
    fn may_end(&self) -> bool {
        self.client_ended && self.connection.as_ref().is_some_and(Connection::wants_client_bytes)
    }
}

impl Context for Stream {}

impl StreamContext for Stream {
    fn on_new_connection(&mut self) -> Verdict {
        let learn = self.plugin.route();
        self.connection = Some(Connection::new(Rc::clone(&self.plugin.shared), learn));
        self.plugin.metrics.count(Stat::ConnectionsTotal, 1);
        self.plugin.metrics.count(Stat::ConnectionsActive, 1);
        Verdict::Continue
    }

    fn on_downstream_data(&mut self, len: usize, end_of_stream: bool) -> Verdict {
        self.client_ended |= end_of_stream;
        if self.closed {
            host::replace(CLIENT, len, &[]);
            return Verdict::Pause;
        }
        let Some(connection) = &mut self.connection else { return Verdict::Pause };
        if !connection.wants_client_bytes() {
            self.held = len;
            return Verdict::Pause;
        }
        let now = host::now();
        let mut passed = 0;
        while passed < len {
            let window = match connection.is_client_streaming() {
                true => Bytes::new(),
                false => host::read(CLIENT, passed, (len - passed).min(WINDOW_BYTES)),
            };
            match connection.client_passes(&window, len - passed, now) {
                0 => break,
                n => passed += n,
            }
        }
        let mut output = Output::default();
        if passed == len {
            self.drain(&mut output);
            host::resume_downstream();
            return Verdict::Pause;
        }
        let mut bytes = host::read(CLIENT, 0, len);
        let untouched = bytes.split_to(passed.min(bytes.len()));
        connection.handle_client_bytes(bytes, now);
        if !untouched.is_empty() {
            output.to_broker.push(untouched);
        }
        self.drain(&mut output);
        host::replace(CLIENT, len, &output.to_broker);
        if !output.to_broker.is_empty() || self.may_end() {
            host::resume_downstream();
        }
        if output.close {
            self.close();
        }
        Verdict::Pause
    }

    fn on_upstream_data(&mut self, len: usize, _end_of_stream: bool) -> Verdict {
        let Some(connection) = self.connection.as_mut().filter(|_| !self.closed) else { return Verdict::Continue };
        let now = host::now();
        let mut passed = 0;
        while passed < len {
            let window = match connection.is_broker_streaming() {
                true => Bytes::new(),
                false => host::read(BROKER, passed, (len - passed).min(WINDOW_BYTES)),
            };
            match connection.broker_passes(&window, len - passed, now) {
                0 => break,
                n => passed += n,
            }
        }
        let mut output = Output::default();
        if passed < len {
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
        if self.connection.take().is_some() {
            self.plugin.metrics.count(Stat::ConnectionsActive, -1);
        }
    }
}
