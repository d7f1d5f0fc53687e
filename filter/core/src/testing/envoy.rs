//! A host whose buffers behave as Envoy's do, as far as that was seen.
//!
//! - Where a call for the client's bytes ends with [`Flow::Continue`], all that lies in the buffer goes to
//!   the broker, and the buffer cannot be written until the client's next bytes.
//! - A resume takes effect behind the call, takes all that lies in the buffer then, and a stream's end with
//!   it.
//! - The broker's buffer can be written in the broker's calls only; the client's as long as it is paused.
//! - Without bytes a stream's end neither connects to a broker nor closes, where tcp_proxy waits for the
//!   first bytes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use crate::principal::{Peer, Source};
use crate::worker::{Failure, Flow, Host, Side};
use crate::Millis;

/// The host of some connections.
pub(crate) struct Envoy {
    pub(crate) now: Cell<Millis>,
    /// Microseconds that pass whenever somebody looks at the clock.
    pub(crate) look_us: Cell<u64>,
    micros: Cell<u64>,
    pub(crate) peer: RefCell<Peer>,
    pub(crate) failure: RefCell<Option<Failure>>,
    pub(crate) has_entropy: Cell<bool>,
    /// What the next random bytes are made of.
    pub(crate) drawn: Cell<u8>,
    /// Bytes behind the end of a stream are dropped; else they are a fault.
    pub(crate) loses_bytes_behind_end: Cell<bool>,
    wires: RefCell<BTreeMap<u32, Wire>>,
    /// The connection that the call is for.
    current: Cell<u32>,
    /// Calls that read a buffer, and bytes that they copied.
    pub(crate) reads: Cell<usize>,
    pub(crate) read_bytes: Cell<usize>,
    /// Of `read_bytes`: those that were put where the filter wanted them.
    pub(crate) placed_bytes: Cell<usize>,
    pub(crate) writes: Cell<usize>,
}

/// One connection in both directions.
#[derive(Default)]
struct Wire {
    client: Vec<u8>,
    broker: Vec<u8>,
    /// The client's buffer can be written.
    is_paused: bool,
    in_client_call: bool,
    in_broker_call: bool,
    resumes: bool,
    client_ended: bool,
    has_connected: bool,
    end_at_broker: bool,
    /// To which broker it goes.
    reaches: usize,
    up: Vec<u8>,
    down: Vec<u8>,
}

impl Default for Envoy {
    fn default() -> Self {
        Self {
            now: Cell::new(0),
            look_us: Cell::new(0),
            micros: Cell::new(0),
            peer: RefCell::new(Peer::Anonymous),
            failure: RefCell::default(),
            has_entropy: Cell::new(true),
            drawn: Cell::new(0),
            loses_bytes_behind_end: Cell::new(false),
            wires: RefCell::default(),
            current: Cell::new(0),
            reads: Cell::new(0),
            read_bytes: Cell::new(0),
            placed_bytes: Cell::new(0),
            writes: Cell::new(0),
        }
    }
}

impl Envoy {
    /// The client of a connection sends bytes, and ends its stream behind them with `ends`; `call` is the
    /// filter's.
    pub(crate) fn client(&self, id: u32, bytes: &[u8], ends: bool, call: impl FnOnce(usize, bool) -> Flow) {
        let len = self.wire(id, |wire| {
            wire.client.extend_from_slice(bytes);
            (wire.in_client_call, wire.client_ended) = (true, wire.client_ended || ends);
            wire.client.len()
        });
        let flow = call(len, ends);
        self.wire(id, |wire| {
            (wire.in_client_call, wire.is_paused) = (false, flow == Flow::Pause);
            wire.resumes |= flow == Flow::Continue;
        });
        self.settle(id);
    }

    /// The connection goes to this broker.
    pub(crate) fn reaches(&self, id: u32, broker: usize) {
        self.wire(id, |wire| wire.reaches = broker);
    }

    /// The broker sends bytes.
    pub(crate) fn broker(&self, id: u32, bytes: &[u8], call: impl FnOnce(usize)) {
        let len = self.wire(id, |wire| {
            wire.broker.extend_from_slice(bytes);
            wire.in_broker_call = true;
            wire.broker.len()
        });
        call(len);
        self.wire(id, |wire| {
            wire.in_broker_call = false;
            let bytes = std::mem::take(&mut wire.broker);
            wire.down.extend(bytes);
        });
        self.settle(id);
    }

    /// A call of the filter's own, from the timer.
    pub(crate) fn timer(&self, call: impl FnOnce()) {
        call();
        let ids: Vec<u32> = self.wires.borrow().keys().copied().collect();
        ids.into_iter().for_each(|id| self.settle(id));
    }

    /// The connection is gone: it cannot be selected any more.
    pub(crate) fn gone(&self, id: u32) {
        self.wires.borrow_mut().remove(&id);
    }

    /// What reached the broker, and the client, since somebody looked.
    pub(crate) fn take(&self, id: u32, side: Side) -> Vec<u8> {
        self.wire(id, |wire| match side {
            Side::Client => std::mem::take(&mut wire.up),
            Side::Broker => std::mem::take(&mut wire.down),
        })
    }

    /// Bytes of the client that lie in its buffer.
    pub(crate) fn held(&self, id: u32) -> usize {
        self.wire(id, |wire| wire.client.len())
    }

    /// The broker knows that the client has ended its stream.
    pub(crate) fn end_at_broker(&self, id: u32) -> bool {
        self.wire(id, |wire| wire.end_at_broker)
    }

    fn settle(&self, id: u32) {
        self.wire(id, |wire| {
            if std::mem::take(&mut wire.resumes) {
                wire.has_connected |= !wire.client.is_empty();
                let bytes = std::mem::take(&mut wire.client);
                let is_lost = wire.end_at_broker && self.loses_bytes_behind_end.get();
                assert!(bytes.is_empty() || !wire.end_at_broker || is_lost, "bytes behind the end of the stream");
                wire.up.extend(bytes.into_iter().filter(|_| !is_lost));
                wire.end_at_broker = wire.client_ended && wire.has_connected;
            }
        });
    }

    fn wire<T>(&self, id: u32, step: impl FnOnce(&mut Wire) -> T) -> T {
        self.current.set(id);
        step(self.wires.borrow_mut().entry(id).or_default())
    }
}

impl Host for Envoy {
    fn micros(&self) -> u64 {
        self.micros.set(self.micros.get() + self.look_us.get());
        self.now.get() * 1_000 + self.micros.get()
    }

    fn random(&self) -> Option<[u8; 32]> {
        self.drawn.set(self.drawn.get().wrapping_add(1));
        self.has_entropy.get().then_some([self.drawn.get(); 32])
    }

    fn peer(&self, _source: Source) -> Peer {
        self.peer.borrow().clone()
    }

    fn client(&self) -> Option<String> {
        Some(format!("10.0.0.7:{}", 50_000 + self.current.get()))
    }

    fn broker(&self) -> Option<String> {
        Some(format!("broker {}", self.wire(self.current.get(), |wire| wire.reaches)))
    }

    fn failure(&self) -> Option<Failure> {
        self.failure.borrow().clone()
    }

    fn select(&self, context_id: u32) -> bool {
        self.current.set(context_id);
        self.wires.borrow().contains_key(&context_id)
    }

    fn read(&self, side: Side, start: usize, len: usize) -> Bytes {
        let bytes = self.wire(self.current.get(), |wire| {
            let buffer = match side {
                Side::Client => &wire.client,
                Side::Broker => &wire.broker,
            };
            Bytes::copy_from_slice(&buffer[start..start + len])
        });
        self.reads.set(self.reads.get() + 1);
        self.read_bytes.set(self.read_bytes.get() + len);
        bytes
    }

    fn read_behind(&self, side: Side, start: usize, len: usize, out: &mut BytesMut) {
        assert!(out.capacity() - out.len() >= len, "no room for what is read");
        out.extend_from_slice(&self.read(side, start, len));
        self.placed_bytes.set(self.placed_bytes.get() + len);
    }

    fn replace(&self, side: Side, len: usize, pieces: &[Bytes]) -> bool {
        if len == 0 && pieces.is_empty() {
            return true;
        }
        assert!(pieces.iter().all(|piece| !piece.is_empty()), "an empty slice costs a call of the host");
        self.writes.set(self.writes.get() + pieces.len().max(1));
        self.wire(self.current.get(), |wire| {
            let is_writable = match side {
                Side::Client => wire.in_client_call || wire.is_paused,
                Side::Broker => wire.in_broker_call,
            };
            let buffer = match side {
                Side::Client => &mut wire.client,
                Side::Broker => &mut wire.broker,
            };
            if is_writable {
                assert_eq!(buffer.len(), len, "a buffer's bytes that are neither taken nor kept");
                *buffer = pieces.concat();
            }
            is_writable
        })
    }

    fn resume_client(&self) {
        self.wire(self.current.get(), |wire| {
            assert!(wire.in_client_call || wire.is_paused, "Envoy has forgotten the buffer");
            wire.resumes = true;
        });
    }
}
