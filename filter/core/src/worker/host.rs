//! What the worker asks of its host in the middle of a call: a connection's buffers, the clock, random bytes.
//!
//! A call is for one connection: the host made it for that, or the worker has [selected](Host::select) it.

use bytes::{Bytes, BytesMut};

use crate::principal::{Peer, Source};
use crate::time::Millis;

/// Which of a connection's two buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Bytes that the client sent, on their way to the broker.
    Client,
    /// Bytes that the broker sent, on their way to the client.
    Broker,
}

/// What the host does with a buffer when a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// All that lies in the buffer goes on, and a stream's end with it. The client's buffer is the worker's
    /// no more, until the client's next bytes.
    Continue,
    /// All stays where it is until [`Host::resume_client`], and the buffer can still be written from other
    /// calls.
    Pause,
}

/// Why a connection came to nothing, in the host's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The client's TLS handshake.
    Handshake(String),
    /// No connection to a broker came about.
    Unreached(String),
}

/// The host of a worker, as the worker sees it during a call.
pub trait Host {
    /// Microseconds of the host's clock, since 1970. It may be set back.
    fn micros(&self) -> u64;

    /// Milliseconds of the same clock.
    fn now(&self) -> Millis {
        self.micros() / 1_000
    }

    /// Unpredictable bytes. None: there are none to be had.
    fn random(&self) -> Option<[u8; 32]>;

    /// Who the connection's client is by TLS, by the field `source` of its certificate. Known from its first
    /// bytes on.
    fn peer(&self, source: Source) -> Peer;

    /// The address of the connection's client, with the port, as the host writes it.
    fn client(&self) -> Option<String>;

    /// The address of the broker that the connection goes to. None: there is no connection to it yet.
    fn broker(&self) -> Option<String>;

    /// Why the connection came to nothing: to be asked at its end.
    fn failure(&self) -> Option<Failure>;

    /// From now on the call is for this connection. False: the connection is gone.
    fn select(&self, context_id: u32) -> bool;

    /// `len` bytes of a buffer from `start` on: one copy.
    fn read(&self, side: Side, start: usize, len: usize) -> Bytes;

    /// Reads `len` bytes of a buffer from `start` on behind those of `out`, which has room for them. Where
    /// the host can, without another copy.
    fn read_behind(&self, side: Side, start: usize, len: usize, out: &mut BytesMut) {
        out.extend_from_slice(&self.read(side, start, len));
    }

    /// Puts `pieces` in the place of the `len` bytes in a buffer, which are all that it holds. False:
    /// something was not written, and the connection cannot go on. The broker's buffer can be written in the
    /// broker's calls only.
    #[must_use]
    fn replace(&self, side: Side, len: usize, pieces: &[Bytes]) -> bool;

    /// Behind this call, all that lies in the client's buffer then goes to the broker, and a stream's end
    /// with it.
    fn resume_client(&self);
}
