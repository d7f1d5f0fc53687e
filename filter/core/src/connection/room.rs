//! What a connection takes of its worker's memory.

use super::requests::Arrival;
use super::Connection;
use crate::error::{ClientFault, Fault};
use crate::exchange::handler::Exchange;
use crate::limits;
use crate::stats::{HeldSide, Stat};
use crate::time::Millis;
use crate::wire::frame;

impl Connection {
    /// Whether the frame that starts in `window`, and does not pass, can be taken now. If not, its bytes are
    /// better left where they are, and [`Self::resume`] asked from time to time.
    pub fn has_room_for(&self, window: &[u8]) -> bool {
        if !self.client.input.is_empty() || self.client.is_streaming() {
            return true;
        }
        // Bytes that begin no frame, or one that is too long, are taken in and refused there.
        let bytes = frame::checked_len(window, self.whole_frame_bytes_max()).unwrap_or(0);
        let has_room = !self.shared.budget.is_tight() && self.shared.budget.has_room(bytes, self.is_stranger());
        if !has_room {
            self.hold_back(HeldSide::Client);
        }
        has_room
    }

    /// Counts, once for each frame and side, that the client's next frame waits for room.
    pub(super) fn hold_back(&self, side: HeldSide) {
        if self.held_back.replace(Some(side)) != Some(side) {
            self.shared.tally.add(Stat::HeldBack { side }, 1);
        }
    }

    /// The client's next frame waits for room: [`Self::resume`] looks whether there is some now.
    pub fn waits_for_room(&self) -> bool {
        self.waits_for_room
    }

    /// Takes up what waited for room, or for a verdict.
    pub fn resume(&mut self, now: Millis) {
        self.waits_for_verdict &= !self.has_verdict(now);
        self.attempt(|this| this.advance_client(now));
    }

    /// Bytes of the worker's memory that are kept for this connection, more or less.
    pub fn held_bytes(&self) -> usize {
        let kept = |exchange: &Exchange| {
            limits::EXCHANGE_BYTES + exchange.frame_bytes + exchange.request.client_id.as_ref().map_or(0, |id| id.len())
        };
        let pinned: usize = self.exchanges.iter().map(kept).sum();
        self.client.input.held_bytes() + self.broker.input.held_bytes() + pinned
    }

    /// Since when a frame of the client's is being put together.
    pub fn gathers_since(&self) -> Option<Millis> {
        self.client.room.as_ref().map(|(_, since)| *since)
    }

    /// Ends the connection to make room for the others of the worker.
    pub fn evict(&mut self) {
        let held = self.held_bytes();
        self.attempt(|_| Err(Fault::Client(ClientFault::Evicted { held })));
    }

    /// What comes behind a request that has to be answered first is not wanted, but it comes: see
    /// [`limits::PIPELINED_BYTES_MAX`].
    pub(super) fn check_pipelined(&mut self) -> Result<(), Fault> {
        let bytes = self.client.input.len();
        let most = if self.is_stranger() { limits::SMALL_FRAME_BYTES } else { limits::PIPELINED_BYTES_MAX };
        if bytes <= most || !self.is_blocked() {
            return Ok(());
        }
        let next = self.client.input.frame_len()?.unwrap_or(0);
        if bytes > most + next {
            return Err(Fault::Client(ClientFault::Pipelined { bytes }));
        }
        Ok(())
    }

    /// The client has to prove who it is, and has not yet.
    pub(super) fn is_stranger(&self) -> bool {
        self.session.authentication.is_closed()
    }

    /// Longest frame in bytes, without its length field, that is put together: a longer one would never find
    /// room.
    fn whole_frame_bytes_max(&self) -> usize {
        let limits = &self.shared.config.limits;
        limits.frame_bytes.min(limits::WHOLE_FRAME_BYTES_MAX).min(limits.worker_bytes / 2)
    }

    /// Finds room for the client's next frame of `len` bytes, which has to be whole. False: it has to wait.
    pub(super) fn admit_frame(&mut self, len: usize, now: Millis) -> Result<bool, Fault> {
        let limit = self.whole_frame_bytes_max();
        if len > frame::LENGTH_BYTES + limit {
            return Err(Fault::Client(ClientFault::NoRoomForFrame { bytes: len, limit }));
        }
        // What is here already is alive, and counted as that.
        let left = len.saturating_sub(self.client.input.len());
        if self.client.room.is_none() && left > 0 && len > limits::SMALL_FRAME_BYTES {
            let room = self.shared.budget.admit(left, self.is_stranger());
            self.client.room = room.map(|room| (room, now));
            return Ok(self.client.room.is_some());
        }
        Ok(true)
    }

    /// Whether the request of `len` bytes may be asked now, by what its answer will probably take. Its own
    /// bytes are let go then.
    pub(super) fn has_room_for_answer(&self, arrival: Option<Arrival>, len: usize, now: Millis) -> bool {
        arrival.is_none_or(|arrival| self.shared.budget.has_room_for_answer(arrival.head.key, len, now))
    }
}
