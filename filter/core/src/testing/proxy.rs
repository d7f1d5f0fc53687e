//! One connection and what came out of it, fed by the worker's own [`Stream`] or directly.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;

use super::envoy::Envoy;
use super::troubleshooting::assert_explained;
use crate::brokers::Address;
use crate::connection::{Action, Connection, Opening};
use crate::error::Blame;
use crate::own::brokers::Bootstrapped;
use crate::stats::{AuthOutcome, Stat};
use crate::wire::rope::Rope;
use crate::worker::stream::{Effects, Stream};
use crate::worker::Side;
use crate::{Millis, Shared};

/// How bytes reach the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feeding {
    /// All of them are handed in.
    Handed,
    /// What may pass untouched is not handed in, as in Envoy.
    Passing,
}

/// The only connection of the host.
const ID: u32 = 1;

pub(crate) struct Proxy {
    pub(crate) stream: Stream,
    host: Envoy,
    pub(crate) feeding: Feeding,
    pub(crate) now: Millis,
    /// Bytes to the broker and to the client that nobody has taken yet.
    pub(crate) up: Vec<u8>,
    pub(crate) down: Vec<u8>,
    /// By name, durations left out: they depend on when bytes come.
    pub(crate) counts: BTreeMap<String, u64>,
    pub(crate) warnings: Vec<String>,
    /// Client ids.
    pub(crate) introduced: Vec<String>,
    pub(crate) learned: Vec<Vec<(i32, Address)>>,
    pub(crate) unreached: Vec<i32>,
    pub(crate) versions: Vec<Bytes>,
    /// Principals and their mechanisms.
    pub(crate) authenticated: Vec<(String, &'static str)>,
    /// How long carriers were held back, ms.
    pub(crate) delays: Vec<Millis>,
    pub(crate) closed: bool,
}

impl Proxy {
    pub(crate) fn new(shared: &Rc<Shared>, feeding: Feeding, learn: Option<Bootstrapped>) -> Self {
        Self::opened(shared, feeding, Opening { bootstrapped: learn, ..Opening::default() })
    }

    pub(crate) fn opened(shared: &Rc<Shared>, feeding: Feeding, opening: Opening) -> Self {
        Self {
            stream: Stream::new(Connection::new(Rc::clone(shared), opening)),
            host: Envoy::default(),
            feeding,
            now: 0,
            up: vec![],
            down: vec![],
            counts: BTreeMap::new(),
            warnings: vec![],
            introduced: vec![],
            learned: vec![],
            unreached: vec![],
            versions: vec![],
            authenticated: vec![],
            delays: vec![],
            closed: false,
        }
    }

    pub(crate) fn client(&mut self, bytes: &[u8]) {
        match self.feeding {
            Feeding::Handed if !bytes.is_empty() => {
                self.stream.connection.handle_client_bytes(Bytes::copy_from_slice(bytes), self.now);
                self.drain();
            }
            Feeding::Passing if !self.closed => self.call(|stream, host, effects| {
                host.client(ID, bytes, false, |len, ends| stream.client_data(host, effects, len, ends));
            }),
            _ => {}
        }
    }

    pub(crate) fn broker(&mut self, bytes: &[u8]) {
        match self.feeding {
            Feeding::Handed => {
                self.stream.connection.handle_broker_bytes(Bytes::copy_from_slice(bytes), self.now);
                self.drain();
            }
            Feeding::Passing => self.call(|stream, host, effects| {
                host.broker(ID, bytes, |len| stream.broker_data(host, effects, len));
            }),
        }
    }

    /// As the worker's tick does for who waits.
    pub(crate) fn retry(&mut self) {
        match self.feeding {
            Feeding::Handed => {
                self.stream.connection.resume(self.now);
                self.drain();
            }
            Feeding::Passing => {
                self.call(|stream, host, effects| host.timer(|| stream.resume(host, effects)));
            }
        }
    }

    /// As the worker does for who was rung.
    pub(crate) fn wake(&mut self) {
        self.call(|stream, host, effects| host.timer(|| stream.wake(host, effects)));
    }

    /// A call of the host, and at once those that were put off in it.
    fn call(&mut self, call: impl FnOnce(&mut Stream, &Envoy, &mut Recorder)) {
        let mut recorder = Recorder::default();
        self.host.now.set(self.now);
        call(&mut self.stream, &self.host, &mut recorder);
        while let Some((bytes, delay_ms)) = recorder.delayed.pop() {
            self.now += delay_ms;
            self.delays.push(delay_ms);
            self.host.now.set(self.now);
            let (stream, host) = (&mut self.stream, &self.host);
            host.timer(|| stream.send(host, &mut recorder, bytes));
        }
        self.up.extend(self.host.take(ID, Side::Client));
        self.down.extend(self.host.take(ID, Side::Broker));
        recorder.actions.into_iter().for_each(|action| self.note(action));
        self.closed |= recorder.closed;
    }

    /// The time for proof is over.
    pub(crate) fn expire(&mut self) {
        self.stream.connection.expire(self.now);
        self.drain();
    }

    /// The connection is gone.
    pub(crate) fn gone(&mut self) {
        self.stream.connection.handle_gone();
        while let Some(action) = self.stream.connection.poll_action() {
            match action {
                Action::Count(stat, n) => *self.counts.entry(stat.name("")).or_default() += n,
                Action::WarnOfStranger(text) => self.warnings.push(text),
                action => panic!("{action:?}"),
            }
        }
    }

    /// How many authentications by `mechanism` ended so.
    pub(crate) fn authentications(&self, mechanism: &'static str, outcome: AuthOutcome) -> u64 {
        self.counts.get(&Stat::Auth { mechanism, outcome }.name("")).copied().unwrap_or(0)
    }

    /// How many faults this side was blamed for.
    pub(crate) fn blamed(&self, blame: Blame) -> u64 {
        self.counts.get(&Stat::Errors { blame }.name("")).copied().unwrap_or(0)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.stream.connection.is_idle() && !self.stream.is_holding()
    }

    fn drain(&mut self) {
        while let Some(action) = self.stream.connection.poll_action() {
            assert!(!self.closed, "an action after Close: {action:?}");
            self.note(action);
        }
    }

    fn note(&mut self, action: Action) {
        match action {
            Action::ToBroker(rope) => extend(&mut self.up, rope.into_parts()),
            Action::ToBrokerLater { bytes, delay_ms, .. } => {
                self.now += delay_ms;
                self.delays.push(delay_ms);
                extend(&mut self.up, bytes.into_parts());
            }
            Action::Authenticated { principal, mechanism } => self.authenticated.push((principal, mechanism)),
            Action::Introduced(client_id) => self.introduced.push(client_id),
            Action::Unreached { broker, .. } => self.unreached.push(broker),
            Action::VersionsSeen(versions) => self.versions.push(versions),
            Action::ToClient(rope) => extend(&mut self.down, rope.into_parts()),
            Action::BrokersSeen(brokers) => self.learned.push(brokers),
            Action::Count(Stat::RequestDurationMs { .. }, _) => {}
            Action::Count(stat, n) => *self.counts.entry(stat.name("")).or_default() += n,
            Action::Warn(text) | Action::Inform(text) | Action::WarnOfStranger(text) => {
                assert_explained(&text);
                self.warnings.push(text);
            }
            Action::Close => self.closed = true,
        }
    }
}

fn extend(out: &mut Vec<u8>, parts: Vec<Bytes>) {
    for part in parts {
        assert!(!part.is_empty(), "an empty slice costs a call of the host");
        out.extend_from_slice(&part);
    }
}

/// What a stream wanted done in a call.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) actions: Vec<Action>,
    pub(crate) delayed: Vec<(Rope, Millis)>,
    /// Too many wait already.
    pub(crate) is_full: bool,
    pub(crate) closed: bool,
    pub(crate) waits_for_room: bool,
    pub(crate) waits_for_verdict: bool,
}

impl Effects for Recorder {
    fn send_later(&mut self, bytes: Rope, delay_ms: Millis) -> Option<Rope> {
        if self.is_full {
            return Some(bytes);
        }
        self.delayed.push((bytes, delay_ms));
        None
    }

    fn carry_out(&mut self, action: Action, _connection: &Connection) {
        self.actions.push(action);
    }

    fn carried_out(&mut self, _connection: &Connection) {}

    fn close_soon(&mut self) {
        self.closed = true;
    }

    fn wait_for_room(&mut self) {
        self.waits_for_room = true;
    }

    fn wait_for_verdict(&mut self) {
        self.waits_for_verdict = true;
    }
}
