//! Which answers the client is owed: read from what it sent, without a line of the filter's.

use std::collections::VecDeque;

use crate::second::{self, Wire};

const PRODUCE: i64 = 0;
const SASL_HANDSHAKE: i64 = 17;
/// The first flexible version of Produce (KIP-482).
const PRODUCE_FLEXIBLE: i64 = 9;

/// The answers that are due, by the client's requests in their order.
#[derive(Default)]
pub(super) struct Due {
    /// Client bytes that are no whole frame yet.
    partial: Vec<u8>,
    owed: VecDeque<Owed>,
    /// Bare tokens may follow, or a length that is none: the rest of the stream cannot be read here.
    is_unread: bool,
}

struct Owed {
    correlation_id: i64,
    /// False: nobody can tell whether the request wants an answer.
    is_certain: bool,
}

impl Due {
    /// The client has sent these bytes.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        let taken = std::mem::take(&mut self.partial);
        let (frames, is_broken) = second::frames(&taken, i32::MAX as usize);
        let whole: usize = frames.iter().map(|frame| frame.len()).sum();
        for frame in frames {
            if !self.is_unread {
                self.asked(Wire(&frame[4..]));
            }
        }
        self.partial = taken[whole..].to_vec();
        self.is_unread |= is_broken;
    }

    fn asked(&mut self, mut wire: Wire<'_>) {
        let mut head = || Some((wire.number(2)?, wire.number(2)?, wire.number(4)?));
        let Some((key, version, correlation_id)) = head() else {
            // Too short for a request: the filter has to close.
            self.is_unread = true;
            return;
        };
        self.is_unread |= key == SASL_HANDSHAKE && version == 0;
        let acks = if key == PRODUCE { acks(version, wire) } else { Some(1) };
        if acks != Some(0) {
            self.owed.push_back(Owed { correlation_id, is_certain: acks.is_some() });
        }
    }

    /// The client was given this frame, without its length.
    pub(super) fn answered(&mut self, answer: &[u8]) {
        if self.owed.is_empty() && self.is_unread {
            return;
        }
        let got = Wire(answer).number(4);
        while let Some(owed) = self.owed.pop_front() {
            if got == Some(owed.correlation_id) {
                return;
            }
            assert!(!owed.is_certain, "the answer to {} is due, and {got:?} came", owed.correlation_id);
        }
        panic!("an answer to {got:?}, which nobody asked for");
    }

    /// The client has sent nothing but whole requests.
    pub(super) fn is_read(&self) -> bool {
        !self.is_unread && self.partial.is_empty()
    }

    /// Nothing but requests has come so far, whole or not.
    pub(super) fn has_requests_only(&self) -> bool {
        !self.is_unread
    }

    /// How many requests wait for their answers.
    pub(super) fn len(&self) -> usize {
        self.owed.iter().filter(|owed| owed.is_certain).count()
    }
}

/// `acks` of a Produce request behind its correlation id.
pub(super) fn acks(version: i64, mut wire: Wire<'_>) -> Option<i64> {
    let is_flexible = version >= PRODUCE_FLEXIBLE;
    if let Some(client_id) = wire.length(2, false)? {
        wire.take(client_id)?;
    }
    if is_flexible {
        wire.tags()?;
    }
    if let Some(transactional_id) = wire.length(2, is_flexible)? {
        wire.take(transactional_id)?;
    }
    wire.number(2)
}
