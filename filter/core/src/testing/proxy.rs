//! One connection and what came out of it, fed as the shell feeds it.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;

use crate::brokers::Address;
use crate::connection::{Action, Connection, Opening};
use crate::error::Blame;
use crate::limits::WINDOW_BYTES;
use crate::own::brokers::Bootstrapped;
use crate::stats::{AuthOutcome, Stat};
use crate::{Millis, Shared};

/// How bytes reach the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feeding {
    /// All of them are handed in.
    Handed,
    /// What may pass untouched is not handed in, as in Envoy.
    Passing,
}

pub(crate) struct Proxy {
    pub(crate) connection: Connection,
    pub(crate) feeding: Feeding,
    pub(crate) now: Millis,
    /// Bytes to the broker and to the client that nobody has taken yet.
    pub(crate) up: Vec<u8>,
    pub(crate) down: Vec<u8>,
    /// Client bytes that wait in Envoy's buffer.
    held: Vec<u8>,
    /// By name, durations left out: they depend on when bytes come.
    pub(crate) counts: BTreeMap<String, u64>,
    pub(crate) warnings: Vec<String>,
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
            connection: Connection::new(Rc::clone(shared), opening),
            feeding,
            now: 0,
            up: vec![],
            down: vec![],
            held: vec![],
            counts: BTreeMap::new(),
            warnings: vec![],
            learned: vec![],
            unreached: vec![],
            versions: vec![],
            authenticated: vec![],
            delays: vec![],
            closed: false,
        }
    }

    pub(crate) fn client(&mut self, bytes: &[u8]) {
        let mut bytes = [std::mem::take(&mut self.held), bytes.to_vec()].concat();
        if self.feeding == Feeding::Passing {
            if !self.connection.wants_client_bytes() {
                self.held = if self.closed { vec![] } else { bytes };
                return;
            }
            let passed = pass(bytes.len(), |at| {
                let window = window(&bytes[at..], self.connection.is_client_streaming());
                self.connection.client_passes(window, bytes.len() - at, self.now)
            });
            self.up.extend(bytes.drain(..passed));
        }
        if !bytes.is_empty() {
            self.connection.handle_client_bytes(bytes.into(), self.now);
        }
        self.drain();
    }

    pub(crate) fn broker(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        if self.feeding == Feeding::Passing && !self.closed {
            let passed = pass(bytes.len(), |at| {
                let window = window(&bytes[at..], self.connection.is_broker_streaming());
                self.connection.broker_passes(window, bytes.len() - at, self.now)
            });
            self.down.extend(bytes.drain(..passed));
        }
        if !bytes.is_empty() {
            self.connection.handle_broker_bytes(bytes.into(), self.now);
        }
        self.drain();
        if !self.held.is_empty() {
            self.client(&[]);
        }
    }

    /// As the shell's timer does for who waits.
    pub(crate) fn retry(&mut self) {
        self.connection.resume(self.now);
        self.drain();
        if !self.held.is_empty() {
            self.client(&[]);
        }
    }

    /// The connection is gone.
    pub(crate) fn gone(&mut self) {
        self.connection.handle_gone();
        while let Some(action) = self.connection.poll_action() {
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
        self.connection.is_idle() && self.held.is_empty()
    }

    fn drain(&mut self) {
        while let Some(action) = self.connection.poll_action() {
            assert!(!self.closed, "an action after Close: {action:?}");
            match action {
                Action::ToBroker(rope) => extend(&mut self.up, rope.into_parts()),
                Action::ToBrokerLater { bytes, delay_ms, .. } => {
                    self.now += delay_ms;
                    self.delays.push(delay_ms);
                    extend(&mut self.up, bytes.into_parts());
                }
                Action::Authenticated { principal, mechanism } => self.authenticated.push((principal, mechanism)),
                Action::Unreached { broker, .. } => self.unreached.push(broker),
                Action::LearnVersions(versions) => self.versions.push(versions),
                Action::ToClient(rope) => extend(&mut self.down, rope.into_parts()),
                Action::Learn(brokers) => self.learned.push(brokers),
                Action::Count(Stat::RequestDurationMs { .. }, _) => {}
                Action::Count(stat, n) => *self.counts.entry(stat.name("")).or_default() += n,
                Action::Warn(text) | Action::Inform(text) | Action::WarnOfStranger(text) => self.warnings.push(text),
                Action::Close => self.closed = true,
            }
        }
    }
}

fn extend(out: &mut Vec<u8>, parts: Vec<Bytes>) {
    for part in parts {
        assert!(!part.is_empty(), "an empty slice costs a call of the host");
        out.extend_from_slice(&part);
    }
}

fn window(bytes: &[u8], streaming: bool) -> &[u8] {
    if streaming {
        return &[];
    }
    &bytes[..bytes.len().min(WINDOW_BYTES)]
}

/// Asks again and again how many of the bytes from `at` on pass.
fn pass(len: usize, mut passes: impl FnMut(usize) -> usize) -> usize {
    let mut passed = 0;
    while passed < len {
        match passes(passed) {
            0 => break,
            n => passed += n,
        }
    }
    assert!(passed <= len, "more passes than there is");
    passed
}
