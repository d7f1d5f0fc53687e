//! A client's connection: bytes on their way, in pieces and late, from the client to the filter, to its
//! broker and back.

use std::collections::VecDeque;

use super::broker::Session;
use crate::testing::Random;
use crate::Millis;

/// One way of bytes. Pieces keep their order.
#[derive(Default)]
pub(super) struct Way(VecDeque<Piece>);

struct Piece {
    at: Millis,
    bytes: Vec<u8>,
    /// The request that ends with it.
    ends: Option<i32>,
}

impl Way {
    /// Sends bytes in a few pieces, each a little later; with the last one ends request `ends`.
    pub(super) fn send(&mut self, bytes: &[u8], ends: Option<i32>, now: Millis, random: &mut Random) {
        let mut at = self.0.back().map_or(now, |piece| piece.at).max(now);
        let mut rest = bytes;
        while !rest.is_empty() {
            let n = if random.once_in(2) { rest.len() } else { 1 + random.below(rest.len()) };
            at += random.below(15) as Millis;
            let ends = ends.filter(|_| n == rest.len());
            self.0.push_back(Piece { at, bytes: rest[..n].to_vec(), ends });
            rest = &rest[n..];
        }
    }

    pub(super) fn arrived(&mut self, now: Millis) -> Option<(Vec<u8>, Option<i32>)> {
        self.0.front().filter(|piece| piece.at <= now)?;
        self.0.pop_front().map(|piece| (piece.bytes, piece.ends))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

pub(super) struct Link {
    /// The host's name for the connection.
    pub(super) id: u32,
    pub(super) up: Way,
    pub(super) across: Way,
    pub(super) back: Way,
    /// What the filter has written to the client, as far as it is no whole frame.
    pub(super) answers: Vec<u8>,
    pub(super) session: Session,
    /// The client has ended its stream.
    pub(super) is_half_closed: bool,
}

impl Link {
    pub(super) fn new(id: u32, session: Session) -> Self {
        let (up, across, back) = (Way::default(), Way::default(), Way::default());
        Self { id, up, across, back, answers: vec![], session, is_half_closed: false }
    }
}
