//! Moves a connection's bytes between the host's buffers and the core.
//!
//! The host forgets the client's buffer when a call for the client's bytes ends with [`Flow::Continue`], and
//! then nothing can be sent to the broker in a call for the broker's bytes. So while the core is blocked (a
//! barrier, or too many requests in flight), [`Stream::client_data`] pauses and resumes by call; while the
//! core is not, nothing can become due to the broker before the next client bytes.
//!
//! Bytes that may go on untouched stay in the host's buffer. Everything else is read once, and what comes out
//! is written once. Client bytes that the core does not want yet, or has no room for, stay in the host's
//! buffer as well: when that is full, the host stops reading. Those that lack room are looked at again at the
//! worker's next tick.

use bytes::{Bytes, BytesMut};

use super::host::{Flow, Host, Side};
use crate::connection::{Action, Connection};
use crate::limits::WINDOW_BYTES;
use crate::shared::budget::Holder;
use crate::time::Millis;
use crate::wire::rope::Rope;

/// What is done for a stream beside moving its bytes.
pub(crate) trait Effects {
    /// Keeps bytes for the broker back, for [`Stream::send`] when the time is over. Gives them back where too
    /// many wait.
    fn send_later(&mut self, bytes: Rope, delay_ms: Millis) -> Option<Rope>;

    /// Carries out an action of `connection` that is no bytes.
    fn carry_out(&mut self, action: Action, connection: &Connection);

    /// All actions that were due are carried out.
    fn carried_out(&mut self, connection: &Connection);

    /// The connection is to be closed once the host has taken what was written to it.
    fn close_soon(&mut self);

    /// [`Stream::resume`] is to be called in a moment.
    fn wait_for_room(&mut self);

    /// [`Stream::resume`] is to be called once the token's verdict is there.
    fn wait_for_verdict(&mut self);
}

/// A connection whose first bytes are here.
pub(crate) struct Stream {
    pub(crate) connection: Connection,
    /// Client bytes left in the host's buffer.
    held: usize,
    /// The client has half-closed, and the broker does not know yet.
    owes_end: bool,
    /// For the broker, of a client that has half-closed: the end would go with it, and more is to come.
    stashed: Vec<Bytes>,
    /// Bytes went to the broker. Until then the host has no connection to it, where tcp_proxy waits for the
    /// first ones.
    has_sent: bool,
    is_closed: bool,
}

/// What the core wants written.
#[derive(Default)]
struct Output {
    to_broker: Vec<Bytes>,
    to_client: Vec<Bytes>,
    close: bool,
}

impl Stream {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, held: 0, owes_end: false, stashed: vec![], has_sent: false, is_closed: false }
    }

    /// The client's buffer holds `len` bytes, those that were left in it included.
    pub(crate) fn client_data(
        &mut self,
        host: &impl Host,
        effects: &mut impl Effects,
        len: usize,
        end_of_stream: bool,
    ) -> Flow {
        self.owes_end |= end_of_stream;
        self.held = 0;
        if self.is_closed {
            // It is closing anyway.
            let _ = host.replace(Side::Client, len, &[]);
            return Flow::Pause;
        }
        if end_of_stream {
            self.connection.handle_client_end();
        }
        if !self.connection.wants_client_bytes() {
            return self.hold(effects, len);
        }
        let connection = &mut self.connection;
        let mut stopped_at = Bytes::new();
        let passed = pass(host, Side::Client, len, |window, available| match window {
            None if connection.is_client_streaming() => connection.client_passes(&[], available, 0),
            None => 0,
            Some(_) if connection.holds_client_bytes() => 0,
            Some(window) => {
                stopped_at = window();
                connection.client_passes(&stopped_at, available, host.now())
            }
        });
        if passed == 0 && !connection.has_room_for(&stopped_at) {
            return self.hold(effects, len);
        }
        let mut output = Output::default();
        if passed == len {
            self.drain(effects, &mut output);
            return self.hand_on(host, effects, len > 0);
        }
        if passed > 0 {
            output.to_broker.push(host.read(Side::Client, 0, passed));
        }
        self.take_client(host, passed, len);
        self.drain(effects, &mut output);
        if self.owes_end && self.connection.waits_for_verdict() {
            self.stashed = std::mem::take(&mut output.to_broker);
        }
        output.close |= !host.replace(Side::Client, len, &output.to_broker);
        let flow = self.hand_on(host, effects, !output.to_broker.is_empty());
        self.finish(effects, &output);
        flow
    }

    /// The broker's buffer holds `len` bytes.
    pub(crate) fn broker_data(&mut self, host: &impl Host, effects: &mut impl Effects, len: usize) {
        if self.is_closed {
            let _ = host.replace(Side::Broker, len, &[]);
            return;
        }
        let connection = &mut self.connection;
        let passed = pass(host, Side::Broker, len, |window, available| match window {
            None if connection.is_broker_streaming() => connection.broker_passes(&[], available, 0),
            None => 0,
            Some(_) if connection.holds_broker_bytes() => 0,
            Some(window) => connection.broker_passes(&window(), available, host.now()),
        });
        let mut output = Output::default();
        if passed < len {
            if passed > 0 {
                output.to_client.push(host.read(Side::Broker, 0, passed));
            }
            self.take_broker(host, passed, len);
            self.drain(effects, &mut output);
            output.close |= !host.replace(Side::Broker, len, &output.to_client);
        } else {
            self.drain(effects, &mut output);
        }
        self.pump_client(host, effects, &mut output);
        self.finish(effects, &output);
    }

    /// At a tick: takes up what waited for room, or for a verdict.
    pub(crate) fn resume(&mut self, host: &impl Host, effects: &mut impl Effects) {
        self.go_on(host, effects, |connection| connection.resume(host.now()));
    }

    /// In a call for another connection, or at a tick: goes on with what waited for other connections.
    pub(crate) fn wake(&mut self, host: &impl Host, effects: &mut impl Effects) {
        self.go_on(host, effects, |connection| connection.wake(host.now()));
    }

    fn go_on(&mut self, host: &impl Host, effects: &mut impl Effects, step: impl FnOnce(&mut Connection)) {
        if self.is_closed {
            return;
        }
        step(&mut self.connection);
        let mut output = Output { to_broker: std::mem::take(&mut self.stashed), ..Output::default() };
        self.drain(effects, &mut output);
        self.pump_client(host, effects, &mut output);
        self.finish(effects, &output);
    }

    /// At a tick: sends what was put off. What the client has sent meanwhile is taken out of its way.
    pub(crate) fn send(&mut self, host: &impl Host, effects: &mut impl Effects, bytes: Rope) {
        if self.is_closed {
            return;
        }
        let mut output = Output { to_broker: bytes.into_parts(), ..Output::default() };
        self.pump_client(host, effects, &mut output);
        if output.close {
            self.close(effects);
        }
    }

    /// Ends the connection for the others' sake. The caller closes it.
    pub(crate) fn evict(&mut self, effects: &mut impl Effects) {
        self.connection.evict();
        self.drain(effects, &mut Output::default());
        self.is_closed = true;
    }

    /// The time for proof is over: the caller closes the connection. False: the connection is closing anyway.
    pub(crate) fn expire(&mut self, effects: &mut impl Effects, now: Millis) -> bool {
        if self.is_closed {
            return false;
        }
        self.connection.expire(now);
        self.drain(effects, &mut Output::default());
        self.is_closed = true;
        true
    }

    /// The connection is gone.
    pub(crate) fn end(&mut self, effects: &mut impl Effects) {
        self.connection.handle_gone();
        self.drain(effects, &mut Output::default());
    }

    /// As far as the worker's memory goes. None: it is closing.
    pub(crate) fn holder(&self, context_id: u32) -> Option<Holder> {
        let (held_bytes, gathers_since) = (self.connection.held_bytes(), self.connection.gathers_since());
        (!self.is_closed).then_some(Holder { context_id, held_bytes, gathers_since })
    }

    /// Client bytes wait in the host's buffer.
    #[cfg(test)]
    pub(crate) fn is_holding(&self) -> bool {
        self.held > 0
    }

    /// Hands the bytes of the client's buffer from `start` to `end` to the core.
    fn take_client(&mut self, host: &impl Host, start: usize, end: usize) {
        let fill = |out: &mut BytesMut, n| host.read_behind(Side::Client, start, n, out);
        let start = start + self.connection.fill_client(end - start, fill);
        self.connection.handle_client_bytes(read(host, Side::Client, start, end), host.now());
    }

    /// As [`Self::take_client`], for the bytes of the broker.
    fn take_broker(&mut self, host: &impl Host, start: usize, end: usize) {
        let fill = |out: &mut BytesMut, n| host.read_behind(Side::Broker, start, n, out);
        let start = start + self.connection.fill_broker(end - start, fill);
        self.connection.handle_broker_bytes(read(host, Side::Broker, start, end), host.now());
    }

    /// Leaves all `len` bytes in the client's buffer.
    fn hold(&mut self, effects: &mut impl Effects, len: usize) -> Flow {
        self.held = len;
        self.wait(effects);
        Flow::Pause
    }

    /// Carries out what is not bytes, and collects what is.
    fn drain(&mut self, effects: &mut impl Effects, output: &mut Output) {
        while let Some(action) = self.connection.poll_action() {
            match action {
                Action::ToBroker(rope) => output.to_broker.extend(rope.into_parts()),
                Action::ToClient(rope) => output.to_client.extend(rope.into_parts()),
                Action::ToBrokerLater { bytes, delay_ms, or_close } => match effects.send_later(bytes, delay_ms) {
                    Some(_) if or_close => output.close = true,
                    Some(bytes) => output.to_broker.extend(bytes.into_parts()),
                    None => {}
                },
                Action::Close => output.close = true,
                action => effects.carry_out(action, &self.connection),
            }
        }
        effects.carried_out(&self.connection);
    }

    /// Closes the connection where that has turned out, and says what it waits for where not.
    fn finish(&mut self, effects: &mut impl Effects, output: &Output) {
        if output.close {
            self.close(effects);
        }
        self.wait(effects);
    }

    fn close(&mut self, effects: &mut impl Effects) {
        if !self.is_closed {
            self.is_closed = true;
            effects.close_soon();
        }
    }

    /// Client bytes that lack nothing but room are looked at again in a moment, and a token when its verdict
    /// is there.
    fn wait(&self, effects: &mut impl Effects) {
        if self.is_closed {
            return;
        }
        if self.connection.waits_for_verdict() {
            effects.wait_for_verdict();
        }
        if self.connection.waits_for_room() || (self.held > 0 && self.connection.wants_client_bytes()) {
            effects.wait_for_room();
        }
    }

    /// After broker bytes: writes to the broker, and takes client bytes that may go on now.
    ///
    /// The host resumes behind this call, and then hands on all that lies in the buffer. So what is held
    /// there has to be taken out even when the core can only queue it.
    fn pump_client(&mut self, host: &impl Host, effects: &mut impl Effects, output: &mut Output) {
        let resumes = !output.to_broker.is_empty() || self.takes_held(host);
        let taken = if resumes { std::mem::take(&mut self.held) } else { 0 };
        if taken > 0 {
            self.take_client(host, 0, taken);
            self.drain(effects, output);
        }
        output.close |= !host.replace(Side::Client, taken, &output.to_broker);
        // Whatever is left in the buffer would go to the broker unread.
        let may_end = self.owes_end && self.held == 0 && self.connection.wants_client_bytes();
        if may_end && output.to_broker.is_empty() && !self.has_sent {
            output.close = true;
        } else if !output.to_broker.is_empty() || may_end {
            host.resume_client();
            self.owes_end = false;
            self.has_sent = true;
        }
    }

    /// Whether what is held in the host's buffer can be taken now.
    fn takes_held(&self, host: &impl Host) -> bool {
        self.held > 0
            && self.connection.wants_client_bytes()
            && self.connection.has_room_for(&host.read(Side::Client, 0, self.held.min(WINDOW_BYTES)))
    }

    /// Hands on what lies in the client's buffer, and its end with it. See the top of this file.
    ///
    /// A client that ends its stream before anything was sent to the broker gets no answer, and nobody would
    /// end the connection: a tcp_proxy that waits for the first bytes does not connect for an end alone, and
    /// keeps it for an hour.
    fn hand_on(&mut self, host: &impl Host, effects: &mut impl Effects, something: bool) -> Flow {
        let is_unblocked = self.connection.wants_client_bytes();
        if is_unblocked && self.owes_end && !something && !self.has_sent {
            self.close(effects);
            return Flow::Pause;
        }
        self.has_sent |= something;
        if is_unblocked && (something || self.owes_end) {
            self.owes_end = false;
            return Flow::Continue;
        }
        if something {
            host.resume_client();
            self.owes_end = false;
        }
        Flow::Pause
    }
}

/// The bytes of a buffer from `start` to `end`; no call of the host where these are none.
fn read(host: &impl Host, side: Side, start: usize, end: usize) -> Bytes {
    if start < end {
        host.read(side, start, end - start)
    } else {
        Bytes::new()
    }
}

/// How many of the `len` bytes in a buffer go on untouched. `step` is asked without a window first, since
/// inside a frame that passes none is needed, and with a way to read one where it gave 0.
fn pass(
    host: &impl Host,
    side: Side,
    len: usize,
    mut step: impl FnMut(Option<&dyn Fn() -> Bytes>, usize) -> usize,
) -> usize {
    let mut passed = 0;
    while passed < len {
        let available = len - passed;
        let window = || host.read(side, passed, available.min(WINDOW_BYTES));
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

#[cfg(test)]
mod tests;
