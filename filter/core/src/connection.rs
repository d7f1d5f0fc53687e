//! One client connection and its broker connection: bytes, time in; actions out.
//!
//! ```text
//!            client bytes                                   broker bytes
//!   ┌───────────────────────────┐                   ┌───────────────────────────┐
//!   │ client_passes: how many   │                   │ broker_passes             │
//!   │ may go on untouched       │                   │                           │
//!   │ handle_client_bytes ──────┼─► exchanges ◄─────┼─ handle_broker_bytes      │
//!   └─────────────┬─────────────┘    (in order)     └─────────────┬─────────────┘
//!                 └────────────────► poll_action ◄────────────────┘
//! ```

mod answers;
mod gate;
mod queue;
mod requests;
pub mod retirement;
mod room;
mod way;
mod who;

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};

use self::queue::Queue;
use self::way::Way;
use crate::apis;
use crate::connection::retirement::Retirement;
use crate::error::{Blame, Cause, Fault, Reconnect};
pub use crate::exchange::action::Action;
use crate::exchange::api::Api;
use crate::exchange::handler::Context;
use crate::exchange::session::{Session, Who};
use crate::limits;
pub use crate::own::brokers::Bootstrapped;
use crate::principal::Peer;
use crate::shared::Shared;
use crate::stats::{BrokerLabel, HeldSide, Outcome, Stat};
use crate::time::Millis;

/// What is known of a connection when its first bytes come.
#[derive(Debug, Default)]
pub struct Opening {
    /// The connection stands for a broker whose address is not known yet.
    pub bootstrapped: Option<Bootstrapped>,
    /// Who the client is by TLS. Not looked at where
    /// [`Config::principals_by_certificate`](crate::config::Config) gives nothing.
    pub peer: Peer,
    /// Unpredictable bytes that no other connection gets.
    pub entropy: [u8; 32],
    /// What [`Action::VersionsSeen`] told of the broker last.
    pub versions: Option<Bytes>,
    /// By which the connection is asked to end.
    pub retirement: Rc<Retirement>,
    /// The worker's number for the connection.
    pub number: u32,
    /// For which broker the connection stands, to the stats.
    pub broker_label: BrokerLabel,
}

/// ```text
///   Opening ──first client bytes──► Open ──fault──► Closed
/// ```
#[derive(Debug)]
enum Phase {
    /// With what TLS told of the client.
    Opening(Peer),
    Open,
    Closed,
}

/// One client connection and its broker connection.
pub struct Connection {
    shared: Rc<Shared>,
    phase: Phase,
    client: Way,
    broker: Way,
    /// The client's current frame was looked at, and has to be whole before anything else can be said of it.
    gathering: bool,
    exchanges: Queue,
    session: Session,
    /// What has to be found out before requests go up.
    bootstrapped: Option<Bootstrapped>,
    retirement: Rc<Retirement>,
    actions: VecDeque<Action>,
    /// The client's next frame waits for room in the worker's memory.
    waits_for_room: bool,
    /// The client's next request ends the connection, once all before it are answered.
    ends_once_answered: bool,
    /// The client's next frame is a token, and waits for its verdict.
    waits_for_verdict: bool,
    /// For what there was no room when the client's next frame was looked at last.
    held_back: Cell<Option<HeldSide>>,
    /// A whole request of the client's was here.
    has_asked: bool,
    /// The broker has answered more than what every listener answers to everybody.
    is_served: bool,
    /// The broker has ended its stream, and the client had not.
    broker_ended: bool,
}

impl Connection {
    /// A connection whose first bytes are here.
    pub fn new(shared: Rc<Shared>, opening: Opening) -> Self {
        let frame_bytes_max = shared.config.limits.frame_bytes;
        let Opening { bootstrapped, peer, entropy, versions, retirement, number, broker_label } = opening;
        let mut session = Session::new(&shared, number, entropy, versions);
        session.broker_label = broker_label;
        Self {
            session,
            shared,
            phase: Phase::Opening(peer),
            bootstrapped,
            retirement,
            client: Way::new(frame_bytes_max),
            broker: Way::new(frame_bytes_max.max(limits::ANSWER_BYTES_MIN)),
            gathering: false,
            exchanges: Queue::default(),
            actions: VecDeque::new(),
            waits_for_room: false,
            waits_for_verdict: false,
            ends_once_answered: false,
            held_back: Cell::new(None),
            has_asked: false,
            is_served: false,
            broker_ended: false,
        }
    }

    /// False while client bytes are better left where they are (back pressure). The rest of a frame that
    /// passes is always wanted: its exchange may be the one that fills the queue.
    pub fn wants_client_bytes(&self) -> bool {
        let wants = self.client.is_streaming() || (!self.waits_for_room && !self.is_blocked() && !self.is_full());
        !matches!(self.phase, Phase::Closed) && wants
    }

    /// The client has ended its stream. To be told before its last bytes are handed in.
    pub fn handle_client_end(&mut self) {
        self.session.client_ended = true;
    }

    /// The broker has ended its stream.
    pub fn handle_broker_end(&mut self) {
        // A client that sees its connection end ends its side as well, and that is no reason.
        self.broker_ended |= !self.session.client_ended;
    }

    /// The connection goes to `broker`: a name that only connections to the same one have.
    pub fn reaches(&mut self, broker: &str) {
        self.session.broker = Some(broker.into());
    }

    /// Whose connection it is, for the log.
    pub(crate) fn who(&self) -> Who<'_> {
        self.session.who()
    }

    /// It is not known yet where the connection goes.
    pub fn wants_broker(&self) -> bool {
        self.session.broker.is_none()
    }

    /// A request that waits for what other connections read goes on.
    pub fn wake(&mut self, now: Millis) {
        self.attempt(|this| this.advance_parked(now));
        self.moved();
    }

    /// Inside a frame that goes on untouched: [`Self::client_passes`] needs no window.
    pub fn is_client_streaming(&self) -> bool {
        self.client.is_streaming()
    }

    /// As [`Self::is_client_streaming`], for the bytes of the broker.
    pub fn is_broker_streaming(&self) -> bool {
        self.broker.is_streaming()
    }

    /// A part of a frame lies here: what follows has to be handed in.
    pub fn holds_client_bytes(&self) -> bool {
        !self.client.input.is_empty()
    }

    /// As [`Self::holds_client_bytes`], for the bytes of the broker.
    pub fn holds_broker_bytes(&self) -> bool {
        !self.broker.input.is_empty()
    }

    /// No request is unanswered and no byte held back.
    pub fn is_idle(&self) -> bool {
        self.exchanges.is_empty() && self.client.input.is_empty() && self.broker.input.is_empty()
    }

    /// The next thing to do, or None.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// How many of the `available` next client bytes may go on untouched without being handed in; `window`
    /// holds the first of them. To be asked only while no action is waiting.
    pub fn client_passes(&mut self, window: &[u8], available: usize, now: Millis) -> usize {
        if !self.client.is_streaming() {
            let may_begin = self.client.input.is_empty() && matches!(self.phase, Phase::Open);
            if !may_begin || self.is_blocked() || !self.begin_passing(window, now) {
                return 0;
            }
        }
        let n = self.client.pass(available);
        self.client.note_first(window.get(..n).unwrap_or(window));
        self.note_passed();
        self.count(Stat::BytesReceived, n);
        self.moved();
        n
    }

    /// Lets `read` put the next client bytes, of the `available` ones as many as it is told, where the frame
    /// is put together that they are of. Gives how many it has put there. What is behind them, or nothing, is
    /// to be handed to [`Self::handle_client_bytes`] next.
    pub fn fill_client(&mut self, available: usize, read: impl FnOnce(&mut BytesMut, usize)) -> usize {
        let filled = self.client.input.fill(available, read);
        self.count(Stat::BytesReceived, filled);
        filled
    }

    /// As [`Self::fill_client`], for the bytes of the broker.
    pub fn fill_broker(&mut self, available: usize, read: impl FnOnce(&mut BytesMut, usize)) -> usize {
        self.broker.input.fill(available, read)
    }

    /// Client bytes in stream order.
    pub fn handle_client_bytes(&mut self, bytes: Bytes, now: Millis) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        self.count(Stat::BytesReceived, bytes.len());
        self.client.note_first(&bytes);
        self.client.input.push(bytes);
        self.attempt(|this| this.advance_client(now));
        self.attempt(Self::check_pipelined);
        self.moved();
    }

    /// As [`Self::client_passes`], for the bytes of the broker. May free held client frames to go on.
    pub fn broker_passes(&mut self, window: &[u8], available: usize, now: Millis) -> usize {
        if !self.broker.is_streaming() {
            let due = self.broker.input.is_empty() && !matches!(self.phase, Phase::Closed);
            match self.passing_answer(if due { window } else { &[] }) {
                Some(frame) => {
                    self.begin_answer_stream(frame, now);
                    self.attempt(|this| this.advance_client(now));
                }
                None => return 0,
            }
        }
        let n = self.broker.pass(available);
        self.broker.note_first(window.get(..n).unwrap_or(window));
        self.count(Stat::BytesSent, n);
        if !self.broker.is_streaming() {
            self.attempt(|this| this.advance_client(now));
        }
        self.moved();
        n
    }

    /// Broker bytes in stream order. May free held client frames to go on.
    pub fn handle_broker_bytes(&mut self, bytes: Bytes, now: Millis) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        self.broker.note_first(&bytes);
        self.broker.input.push(bytes);
        self.attempt(|this| this.advance_broker(now));
        self.attempt(|this| this.advance_client(now));
        self.moved();
    }

    fn moved(&self) {
        self.retirement.moved(self.owes_answers() || self.client.is_streaming());
    }

    /// Requests of the client's are not answered, or not wholly.
    fn owes_answers(&self) -> bool {
        !self.exchanges.is_empty() || self.broker.is_streaming()
    }

    /// Once a passing request is through, the client has asked something.
    fn note_passed(&mut self) {
        self.has_asked |= !self.client.is_streaming();
    }

    /// No further request is taken up: an answer has to come before, or the connection is about to end.
    fn is_blocked(&self) -> bool {
        let ends_later = self.ends_once_answered && self.owes_answers();
        ends_later || self.waits_for_verdict || self.retirement.is_asked() || self.exchanges.is_blocked()
    }

    /// So many requests wait for their answers that no more are read. Those that were read are handled.
    fn is_full(&self) -> bool {
        self.exchanges.len() >= self.shared.config.limits.in_flight_requests
    }

    fn attempt(&mut self, step: impl FnOnce(&mut Self) -> Result<(), Fault>) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        if let Err(fault) = step(self) {
            let fault = self.in_other_words(fault);
            self.phase = Phase::Closed;
            self.client.clear();
            self.broker.clear();
            self.exchanges = Queue::default();
            match (&fault, fault.cause()) {
                (Fault::Reconnect(Reconnect::Unproven { .. } | Reconnect::Silent { .. }), _)
                | (_, Cause::Blamed(_)) => {
                    self.note_abandoned();
                }
                // The filter sends the client away in the middle of its login, which it takes up again.
                (_, Cause::Reconnect(_)) => drop(self.session.authentication.abandon()),
            }
            let say: fn(String) -> Action = match fault.cause() {
                Cause::Blamed(_) if self.is_stranger() => Action::WarnOfStranger,
                Cause::Blamed(_) => Action::Warn,
                Cause::Reconnect(_) => Action::Inform,
            };
            self.count_fault(&fault);
            self.actions.push_back(say(fault.to_string()));
            self.actions.push_back(Action::Close);
        }
    }

    fn count_fault(&mut self, fault: &Fault) {
        if let Cause::Blamed(blame) = fault.cause() {
            self.count(Stat::Errors { blame }, 1);
            if blame == Blame::Broker {
                self.shared.tally.add(Stat::BrokerErrors { broker: self.session.broker_label }, 1);
            }
        }
        if let Some(reason) = fault.sends_back() {
            self.count(Stat::Reconnects { reason }, 1);
        }
    }

    fn count(&mut self, stat: Stat, n: usize) {
        if n > 0 {
            self.actions.push_back(Action::Count(stat, n as u64));
        }
    }

    /// Lets a handler of `api` decide. Gives what it has decided, and the outcome that it has noted for the
    /// stats.
    fn decide<T>(
        &mut self,
        api: &'static Api,
        now: Millis,
        handler: impl FnOnce(&mut Context<'_>) -> Result<T, Fault>,
    ) -> Result<(T, Outcome), Fault> {
        let mut cx = Context {
            shared: &self.shared,
            apis: apis::TABLE.apis,
            api,
            session: &mut self.session,
            now,
            actions: &mut self.actions,
            is_answer: false,
            outcome: Outcome::Ok,
        };
        let decided = handler(&mut cx)?;
        Ok((decided, cx.outcome))
    }
}

#[cfg(test)]
mod tests;
