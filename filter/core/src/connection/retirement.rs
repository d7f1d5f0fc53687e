//! How a connection under an outdated configuration ends: at a quiet moment, so that its client reconnects as
//! after a broker's restart, and nothing is lost or sent twice.
//!
//! Once asked, the connection takes no further request; what the client sends stays in the host's buffer.
//! What is in flight is answered. When nothing is, and nothing has moved for a moment in which the client
//! reads the last answer, the worker closes it. A request that came meanwhile never reached the broker, and
//! the client sends it again.

use std::cell::Cell;

use crate::limits::{RETIRE_QUIET_MS, RETIRE_SPREAD_MS};
use crate::time::Millis;

/// What a connection and the worker that ends it let each other know.
#[derive(Debug, Default)]
pub struct Retirement {
    is_asked: Cell<bool>,
    /// Requests or parts of frames are on their way.
    is_busy: Cell<bool>,
    /// Grows whenever bytes move.
    moves: Cell<u64>,
    /// [`Self::is_done`] was true.
    is_reported: Cell<bool>,
    /// `moves` when it was last looked at, and since when it has been that.
    seen: Cell<Option<(u64, Millis)>>,
}

impl Retirement {
    /// The connection takes no further request, for good.
    pub fn ask(&self) {
        self.is_asked.set(true);
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.is_asked.get()
    }

    /// The connection has moved bytes.
    pub(crate) fn moved(&self, is_busy: bool) {
        self.is_busy.set(is_busy);
        self.moves.set(self.moves.get().wrapping_add(1));
    }

    /// Whether the connection, which was asked, is to be closed now: true once. To be called a few times per
    /// second.
    pub fn is_done(&self, now: Millis) -> bool {
        if self.is_reported.get() {
            return false;
        }
        let is_done = self.is_quiet(now);
        self.is_reported.set(is_done);
        is_done
    }

    fn is_quiet(&self, now: Millis) -> bool {
        let moves = self.moves.get();
        if !self.is_asked.get() || self.is_busy.get() {
            self.seen.set(None);
            return false;
        }
        match self.seen.get() {
            Some((seen, since)) if seen == moves => now.saturating_sub(since) >= RETIRE_QUIET_MS,
            _ => {
                self.seen.set(Some((moves, now)));
                false
            }
        }
    }
}

/// How many milliseconds a connection goes on after its configuration has become outdated. The same for a
/// context id whenever it is asked; of many connections few go first, so that a configuration that is in
/// force after all gets a new connection, and so shows, before many were closed.
pub fn delay_ms(context_id: u32) -> Millis {
    // Knuth's multiplicative hash; the larger of two numbers is seldom small.
    let hash = u64::from(context_id.wrapping_mul(0x9e37_79b1));
    let of_65536 = (hash >> 16).max(hash & 0xffff);
    (of_65536 * RETIRE_SPREAD_MS) >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_closed_unasked() {
        let retirement = Retirement::default();
        assert!(!retirement.is_done(0));
        assert!(!retirement.is_done(1 << 40));
    }

    #[test]
    fn an_idle_connection_is_done_after_a_quiet_moment() {
        let retirement = Retirement::default();
        retirement.ask();
        assert!(!retirement.is_done(1000));
        assert!(!retirement.is_done(1000 + RETIRE_QUIET_MS - 1));
        assert!(retirement.is_done(1000 + RETIRE_QUIET_MS));
        assert!(!retirement.is_done(1000 + 2 * RETIRE_QUIET_MS), "it is closed once");
    }

    #[test]
    fn what_moves_begins_the_moment_anew() {
        let retirement = Retirement::default();
        retirement.ask();
        assert!(!retirement.is_done(0));
        retirement.moved(false);
        assert!(!retirement.is_done(RETIRE_QUIET_MS));
        assert!(!retirement.is_done(2 * RETIRE_QUIET_MS - 1));
        assert!(retirement.is_done(2 * RETIRE_QUIET_MS));
    }

    #[test]
    fn a_busy_connection_is_waited_for() {
        let retirement = Retirement::default();
        retirement.ask();
        assert!(!retirement.is_done(0));
        retirement.moved(true);
        for now in [RETIRE_QUIET_MS, 1 << 20, 1 << 40] {
            assert!(!retirement.is_done(now), "an exchange of any length is waited for");
        }
        retirement.moved(false);
        assert!(!retirement.is_done(1 << 41));
        assert!(retirement.is_done((1 << 41) + RETIRE_QUIET_MS));
    }

    #[test]
    fn delays_fill_the_spread_and_few_come_first() {
        let delays: Vec<Millis> = (0..10_000).map(delay_ms).collect();
        assert!(delays.iter().all(|delay| *delay < RETIRE_SPREAD_MS));
        let within = |tenths: u64| delays.iter().filter(|delay| **delay < RETIRE_SPREAD_MS * tenths / 10).count();
        assert!(within(1) < 200, "{} of 10000 in the first tenth", within(1));
        assert!((2000..3000).contains(&within(5)), "{} of 10000 in the first half", within(5));
        assert_eq!(delay_ms(17), delay_ms(17));
    }
}
