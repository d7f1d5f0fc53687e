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

use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use kafka_protocol::messages::ApiKey;

use crate::apis::{self, Decision};
use crate::brokers::Address;
use crate::budget::Announced;
use crate::error::{Cause, Fault};
use crate::exchange::{Carried, Context, Exchange, Millis, Pending, Plan, Refusing, Request, Session, Upstream};
use crate::frame::{self, Input};
use crate::header;
use crate::learn::Learn;
use crate::limits;
use crate::located::Asked;
use crate::retirement::Retirement;
use crate::rope::Rope;
use crate::stats::{Outcome, Stat};
use crate::Shared;

/// Bytes that an exchange takes, more or less, beside what it keeps of its frame.
const EXCHANGE_BYTES: usize = 256;

/// What the shell has to do, in this order.
#[derive(Debug)]
pub enum Action {
    ToBroker(Rope),
    /// As [`Self::ToBroker`], but after so many milliseconds. What the client sends meanwhile does not go with it: it is handed in
    /// when the connection wants it again.
    ToBrokerLater {
        bytes: Rope,
        delay_ms: Millis,
        /// Where too many wait already: close the connection, instead of sending at once.
        or_close: bool,
    },
    ToClient(Rope),
    /// The client has proved who it is.
    Authenticated {
        principal: String,
        mechanism: &'static str,
    },
    /// Brokers of the cluster under the addresses that they give themselves.
    Learn(Vec<(i32, Address)>),
    /// Clients are told of this broker, and no connection of this worker came in for it: if none of another worker did
    /// either, somebody should hear of it.
    Unreached {
        broker: i32,
        advertised: String,
    },
    /// The broker's API versions, for [`Opening::versions`] of later connections to it.
    LearnVersions(Bytes),
    Count(Stat, u64),
    /// Normal life; to be logged as [`Shared::line_for`] says.
    Inform(String),
    /// Somebody has to act; to be logged as [`Shared::line_for`] says.
    Warn(String),
    /// Close both sides; what was sent before is flushed. Nothing follows.
    Close,
}

/// What is known of a connection when its first bytes come.
#[derive(Debug, Default)]
pub struct Opening {
    /// The connection stands for a broker whose address is not known yet.
    pub learn: Option<Learn>,
    /// The subject of the client's certificate (RFC 2253).
    pub subject: Option<String>,
    /// Unpredictable bytes that no other connection gets.
    pub entropy: [u8; 32],
    /// What [`Action::LearnVersions`] told of the broker last.
    pub versions: Option<Bytes>,
    /// By which the connection is asked to end.
    pub retirement: Rc<Retirement>,
}

/// ```text
///   Opening ──first client bytes──► Open ──fault──► Closed
/// ```
#[derive(Debug)]
enum Phase {
    /// With the subject of the client's certificate.
    Opening(Option<String>),
    Open,
    Closed,
}

pub struct Connection {
    shared: Rc<Shared>,
    phase: Phase,
    client: Input,
    broker: Input,
    /// The client's current frame was looked at, and has to be whole before anything else can be said of it.
    gathering: bool,
    /// Bytes of the client's (broker's) current frame that still go on untouched.
    client_stream: usize,
    broker_stream: usize,
    exchanges: VecDeque<Exchange>,
    session: Session,
    learn: Option<Learn>,
    retirement: Rc<Retirement>,
    actions: VecDeque<Action>,
    /// Room for the client's (broker's) frame that is being put together, and since when that is.
    client_room: Option<(Announced, Millis)>,
    broker_room: Option<Announced>,
    /// The client's next frame waits for room in the worker's memory.
    waits_for_room: bool,
}

impl Connection {
    pub fn new(shared: Rc<Shared>, opening: Opening) -> Self {
        let frame_bytes_max = shared.config.limits.frame_bytes;
        let Opening { learn, subject, entropy, versions, retirement } = opening;
        Self {
            session: Session::new(&shared, entropy, versions),
            shared,
            phase: Phase::Opening(subject),
            learn,
            retirement,
            client: Input::new(frame_bytes_max),
            broker: Input::new(frame_bytes_max.max(limits::ANSWER_BYTES_MIN)),
            gathering: false,
            client_stream: 0,
            broker_stream: 0,
            exchanges: VecDeque::new(),
            actions: VecDeque::new(),
            client_room: None,
            broker_room: None,
            waits_for_room: false,
        }
    }

    /// False while client bytes are better left where they are (back pressure). The rest of a frame that passes is always
    /// wanted: its exchange may be the one that fills the queue.
    pub fn wants_client_bytes(&self) -> bool {
        let wants = self.client_stream > 0 || (!self.waits_for_room && !self.is_blocked() && !self.is_full());
        !matches!(self.phase, Phase::Closed) && wants
    }

    /// Whether the frame that starts in `window`, and does not pass, can be taken now. If not, its bytes are better left
    /// where they are, and [`Self::resume`] asked from time to time.
    pub fn has_room_for(&self, window: &[u8]) -> bool {
        if !self.client.is_empty() || self.client_stream > 0 {
            return true;
        }
        // What is no frame, or too long a one, is for the core to refuse.
        let bytes = frame::checked_len(window, self.whole_frame_bytes_max()).unwrap_or(0);
        !self.shared.budget.is_tight() && self.shared.budget.has_room(bytes, self.is_stranger())
    }

    /// The client's next frame waits for room: [`Self::resume`] looks whether there is some now.
    pub fn waits_for_room(&self) -> bool {
        self.waits_for_room
    }

    /// Takes up what waited for room.
    pub fn resume(&mut self, now: Millis) {
        self.attempt(|this| this.advance_client(now));
    }

    /// Bytes of the worker's memory that are kept for this connection, more or less.
    pub fn held_bytes(&self) -> usize {
        let pinned: usize = self.exchanges.iter().map(|exchange| EXCHANGE_BYTES + exchange.frame_bytes).sum();
        self.client.len() + self.broker.len() + pinned
    }

    /// Since when a frame of the client's is being put together.
    pub fn gathers_since(&self) -> Option<Millis> {
        self.client_room.as_ref().map(|(_, since)| *since)
    }

    /// Ends the connection to make room for the others of the worker.
    pub fn evict(&mut self) {
        let held = self.held_bytes();
        self.attempt(|_| Err(Fault::Evicted { held }));
    }

    /// The client has ended its stream. To be told before its last bytes are handed in.
    pub fn handle_client_end(&mut self) {
        self.session.client_ended = true;
    }

    /// Inside a frame that goes on untouched: [`Self::client_passes`] needs no window.
    pub fn is_client_streaming(&self) -> bool {
        self.client_stream > 0
    }

    /// As [`Self::is_client_streaming`], for the bytes of the broker.
    pub fn is_broker_streaming(&self) -> bool {
        self.broker_stream > 0
    }

    /// A part of a frame lies here: what follows has to be handed in.
    pub fn holds_client_bytes(&self) -> bool {
        !self.client.is_empty()
    }

    /// As [`Self::holds_client_bytes`], for the bytes of the broker.
    pub fn holds_broker_bytes(&self) -> bool {
        !self.broker.is_empty()
    }

    /// No request is unanswered and no byte held back.
    pub fn is_idle(&self) -> bool {
        self.exchanges.is_empty() && self.client.is_empty() && self.broker.is_empty()
    }

    /// The next thing to do, or None.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// How many of the `available` next client bytes may go on untouched without being handed in; `window` holds the
    /// first of them. To be asked only while no action is waiting.
    pub fn client_passes(&mut self, window: &[u8], available: usize, now: Millis) -> usize {
        if self.client_stream == 0 {
            if !self.client.is_empty() || self.is_blocked() || !matches!(self.phase, Phase::Open) {
                return 0;
            }
            match self.sniff(window, now) {
                Some(frame) => self.client_stream = frame,
                None => return 0,
            }
        }
        let n = self.client_stream.min(available);
        self.client_stream -= n;
        self.count(Stat::BytesReceived, n);
        self.moved();
        n
    }

    /// Client bytes in stream order.
    pub fn handle_client_bytes(&mut self, bytes: Bytes, now: Millis) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        self.count(Stat::BytesReceived, bytes.len());
        self.client.push(bytes);
        self.attempt(|this| this.advance_client(now));
        self.attempt(Self::check_pipelined);
        self.moved();
    }

    /// As [`Self::client_passes`], for the bytes of the broker. May free held client frames to go on.
    pub fn broker_passes(&mut self, window: &[u8], available: usize, now: Millis) -> usize {
        if self.broker_stream == 0 {
            let due = self.broker.is_empty() && !matches!(self.phase, Phase::Closed);
            match self.passing_answer(if due { window } else { &[] }) {
                Some(frame) => {
                    self.begin_answer_stream(frame, now);
                    self.attempt(|this| this.advance_client(now));
                }
                None => return 0,
            }
        }
        let n = self.broker_stream.min(available);
        self.broker_stream -= n;
        self.count(Stat::BytesSent, n);
        self.moved();
        n
    }

    /// Broker bytes in stream order. May free held client frames to go on.
    pub fn handle_broker_bytes(&mut self, bytes: Bytes, now: Millis) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        self.broker.push(bytes);
        self.attempt(|this| this.advance_broker(now));
        self.attempt(|this| this.advance_client(now));
        self.moved();
    }

    fn moved(&self) {
        self.retirement.moved(!self.exchanges.is_empty() || self.client_stream > 0 || self.broker_stream > 0);
    }

    /// What comes behind a request that has to be answered first is not wanted, but it comes: see [`limits::PIPELINED_BYTES_MAX`].
    fn check_pipelined(&mut self) -> Result<(), Fault> {
        let bytes = self.client.len();
        let most = if self.is_stranger() { limits::SMALL_FRAME_BYTES } else { limits::PIPELINED_BYTES_MAX };
        if bytes <= most || !self.is_blocked() {
            return Ok(());
        }
        let next = self.client.frame_len()?.unwrap_or(0);
        if bytes > most + next {
            return Err(Fault::Pipelined { bytes });
        }
        Ok(())
    }

    /// The client has to prove who it is, and has not yet.
    fn is_stranger(&self) -> bool {
        self.session.authentication.is_closed()
    }

    /// No further request is taken up: an answer has to come before, or the connection is about to end.
    fn is_blocked(&self) -> bool {
        self.retirement.is_asked() || self.exchanges.back().is_some_and(|youngest| youngest.barrier)
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
            self.phase = Phase::Closed;
            self.client.clear();
            self.broker.clear();
            self.exchanges.clear();
            (self.client_room, self.broker_room) = (None, None);
            let (stat, say): (Stat, fn(String) -> Action) = match fault.cause() {
                Cause::Blamed(blame) => (Stat::Errors { blame }, Action::Warn),
                Cause::Reconnect(reason) => (Stat::Reconnects { reason }, Action::Inform),
            };
            self.count(stat, 1);
            self.actions.push_back(say(fault.to_string()));
            self.actions.push_back(Action::Close);
        }
    }

    fn advance_client(&mut self, now: Millis) -> Result<(), Fault> {
        self.waits_for_room = false;
        if let Phase::Opening(subject) = &mut self.phase {
            let subject = subject.take();
            self.phase = Phase::Open;
            self.identify(subject.as_deref())?;
        }
        while !self.client.is_empty() {
            if self.client_stream > 0 {
                let bytes = self.client.take_up_to(self.client_stream);
                self.client_stream -= bytes.len();
                self.pass_up(bytes);
                continue;
            }
            if self.is_blocked() {
                break;
            }
            let configured = self.shared.config.limits.frame_bytes;
            self.client.limit_frames(self.session.authentication.frame_bytes_max(configured));
            let Some(len) = self.client.frame_len()? else { break };
            if self.session.authentication.is_token_due() {
                let Some(frame) = self.client.take(len) else { break };
                self.handle_token(frame, now)?;
                continue;
            }
            if let Some((room, _)) = &mut self.client_room {
                room.set_left(len.saturating_sub(self.client.len()));
            }
            if self.gathering && self.client.len() < len {
                break;
            }
            let window = self.client.len().min(limits::WINDOW_BYTES);
            let window = Bytes::copy_from_slice(self.client.peek(window).unwrap_or_default());
            if let Some(frame) = self.sniff(&window, now) {
                self.client_stream = frame;
                continue;
            }
            if !self.admit_frame(len, now)? || (self.client.len() >= len && !self.has_room_for_answer(&window, now)) {
                self.waits_for_room = true;
                break;
            }
            if self.ask_first(&window, now)? {
                continue;
            }
            self.gathering = window.len() == limits::WINDOW_BYTES;
            let Some(frame) = self.client.take(len) else { break };
            self.gathering = false;
            self.client_room = None;
            self.handle_request(frame, now)?;
        }
        Ok(())
    }

    /// Longest frame in bytes, without its length field, that is put together: a longer one would never find room.
    fn whole_frame_bytes_max(&self) -> usize {
        let limits = &self.shared.config.limits;
        limits.frame_bytes.min(limits::WHOLE_FRAME_BYTES_MAX).min(limits.worker_bytes / 2)
    }

    /// Finds room for the client's next frame of `len` bytes, which has to be whole. False: it has to wait.
    fn admit_frame(&mut self, len: usize, now: Millis) -> Result<bool, Fault> {
        let limit = self.whole_frame_bytes_max();
        if len > frame::LENGTH_BYTES + limit {
            return Err(Fault::NoRoomForFrame { bytes: len, limit });
        }
        if self.client_room.is_none() && len > limits::SMALL_FRAME_BYTES {
            let left = len.saturating_sub(self.client.len());
            self.client_room = self.shared.budget.admit(len, self.is_stranger()).map(|mut room| {
                room.set_left(left);
                (room, now)
            });
            return Ok(self.client_room.is_some());
        }
        Ok(true)
    }

    /// Whether the request that starts in `window` may be asked now, by what its answer will probably take.
    fn has_room_for_answer(&self, window: &[u8], now: Millis) -> bool {
        let head = window.get(frame::LENGTH_BYTES..).and_then(apis::RequestHead::parse);
        head.is_none_or(|head| self.shared.budget.has_room_for_answer(head.key, now))
    }

    /// If the frame that starts in `window` goes on untouched whatever the rest of it holds: opens its exchange and gives
    /// the frame's whole length.
    fn sniff(&mut self, window: &[u8], now: Millis) -> Option<usize> {
        let len = frame::checked_len(window.get(..frame::LENGTH_BYTES)?, self.shared.config.limits.frame_bytes).ok()?;
        let head = apis::RequestHead::parse(window.get(frame::LENGTH_BYTES..len.min(window.len()))?)?;
        let api = apis::offered(head.key, head.version, &self.shared)?;
        if !self.session.authentication.is_open(now) || self.must_ask_first(head.key, now) {
            return None;
        }
        let answered = match api.decision {
            Decision::Pass | Decision::PassUnmapped | Decision::PassUnterminated => true,
            Decision::Rewrite(_) if head.key == ApiKey::Produce as i16 => {
                apis::produce::passes(&head, &self.shared.topics)?
            }
            Decision::Rewrite(_) | Decision::Refuse(_) | Decision::Hide => return None,
        };
        self.count(Stat::Requests { api: api.name }, 1);
        self.count(Stat::UpstreamRequests { api: api.name }, 1);
        if answered {
            let unread = head.key == ApiKey::Produce as i16;
            let pending = if unread { apis::produce::unread(&self.shared, head.version) } else { None };
            self.open(Request::headed(api, &head), pending, now);
        }
        Some(len)
    }

    fn handle_request(&mut self, frame: Bytes, now: Millis) -> Result<(), Fault> {
        let mut body = frame.slice(frame::LENGTH_BYTES..);
        let unread = body.clone();
        let head = apis::RequestHead::parse(&unread).ok_or(Fault::RequestHeader)?;
        let shared = Rc::clone(&self.shared);
        self.session.authentication.admit(head.key, now)?;
        if self.is_stranger() && self.exchanges.len() >= limits::STRANGER_REQUESTS_MAX {
            return Err(Fault::Pipelined { bytes: frame.len() });
        }
        let Some(api) = apis::offered(head.key, head.version, &shared) else {
            return self.handle_unoffered(&head, now);
        };
        let mut request = Request::headed(api, &head);
        request.client_id = header::take_request_header(api.key, head.version, &mut body)?;
        request.body = body;
        let (plan, outcome) = match api.decision {
            Decision::Rewrite(half) | Decision::Refuse(half) => {
                let mut cx = self.context(&shared, now);
                (half(&mut cx, &request)?, cx.outcome)
            }
            _ => (Plan::Pass { answered: true }, Outcome::Ok),
        };
        if let Plan::After(topics) = plan {
            self.client.push_front(frame);
            return self.ask_topics(topics, now);
        }
        self.session.asked = Asked::default();
        self.count(Stat::Requests { api: api.name }, 1);
        self.carry_out(plan, outcome, request, frame, now)
    }

    /// A version of ApiVersions that we do not know is answered, as Kafka does; anything else is refused by closing.
    fn handle_unoffered(&mut self, head: &apis::RequestHead, now: Millis) -> Result<(), Fault> {
        let refused = Fault::NotOffered { key: head.key, version: head.version };
        if head.key != ApiKey::ApiVersions as i16 {
            return Err(refused);
        }
        let api = apis::offered(head.key, 0, &self.shared).ok_or(refused)?;
        self.count(Stat::Requests { api: api.name }, 1);
        let mut request = Request::headed(api, head);
        request.version = 0;
        let shared = Rc::clone(&self.shared);
        let mut cx = self.context(&shared, now);
        let plan = apis::api_versions::unsupported(&mut cx)?;
        let outcome = cx.outcome;
        self.carry_out(plan, outcome, request, Bytes::new(), now)
    }

    fn carry_out(
        &mut self,
        plan: Plan,
        outcome: Outcome,
        request: Request,
        frame: Bytes,
        now: Millis,
    ) -> Result<(), Fault> {
        // Only record sets are large, and no exchange keeps one.
        let pending_bytes = if request.api.key == ApiKey::Produce as i16 { 0 } else { frame.len() };
        match plan {
            Plan::Pass { answered } => {
                self.count(Stat::UpstreamRequests { api: request.api.name }, 1);
                self.pass_up(frame);
                if answered {
                    self.open(request, None, now);
                }
                Ok(())
            }
            Plan::PassUp(pending) => {
                self.count(Stat::UpstreamRequests { api: request.api.name }, 1);
                self.pass_up(frame);
                self.open(request, Some(pending), now);
                Ok(())
            }
            Plan::Send { requests, pending, barrier } => {
                self.send(requests, &request, now, Some(pending), barrier)?;
                if let Some(exchange) = self.exchanges.back_mut() {
                    exchange.frame_bytes = pending_bytes;
                }
                Ok(())
            }
            Plan::After(_) => Err(Fault::Exchange),
            Plan::Forget { requests, then } => {
                for upstream in requests {
                    self.send_upstream(upstream, &request)?;
                }
                then.map_or(Ok(()), Err)
            }
            Plan::Answer(body) => {
                let pending = Box::new(Carried { body: Some(body), outcome });
                let carrier = self.carrier(now)?;
                self.send(vec![carrier], &request, now, Some(pending), false)
            }
            Plan::AnswerLater { answer, delay_ms } => {
                let pending = Box::new(Carried { body: Some(answer), outcome: Outcome::Error });
                self.answer_later(pending, &request, delay_ms, now)
            }
            Plan::Refuse { answer, fault } => {
                self.answer_later(Box::new(Refusing { answer, fault }), &request, limits::FAILURE_DELAY_MS, now)
            }
        }
    }

    fn send(
        &mut self,
        requests: Vec<Upstream>,
        request: &Request,
        now: Millis,
        pending: Option<Box<dyn Pending>>,
        barrier: bool,
    ) -> Result<(), Fault> {
        let awaited = requests.iter().map(|upstream| (upstream.key, upstream.version)).collect();
        for upstream in requests {
            self.send_upstream(upstream, request)?;
        }
        self.open(request.without_body(), pending, now);
        if let Some(exchange) = self.exchanges.back_mut() {
            exchange.awaited = awaited;
            exchange.barrier = barrier;
        }
        Ok(())
    }

    fn send_upstream(&mut self, upstream: Upstream, request: &Request) -> Result<(), Fault> {
        let api = apis::name(upstream.key);
        let bytes = upstream_frame(upstream, request)?;
        self.actions.push_back(Action::ToBroker(bytes));
        self.count(Stat::UpstreamRequests { api }, 1);
        Ok(())
    }

    fn open(&mut self, request: Request, pending: Option<Box<dyn Pending>>, now: Millis) {
        let client_id = request.client_id.map(|id| self.session.client_id(id));
        self.exchanges.push_back(Exchange {
            correlation_id: request.correlation_id,
            api: request.api,
            version: request.version,
            client_id,
            started: now,
            awaited: pending.iter().map(|_| (request.api.key, request.version)).collect(),
            barrier: false,
            frame_bytes: 0,
            pending,
            own: false,
            bare: false,
        });
    }

    fn pass_up(&mut self, bytes: Bytes) {
        let mut out = Rope::new();
        out.put_bytes(&bytes);
        self.actions.push_back(Action::ToBroker(out));
    }

    fn count(&mut self, stat: Stat, n: usize) {
        if n > 0 {
            self.actions.push_back(Action::Count(stat, n as u64));
        }
    }

    fn context<'a>(&'a mut self, shared: &'a Shared, now: Millis) -> Context<'a> {
        Context { shared, session: &mut self.session, now, actions: &mut self.actions, outcome: Outcome::Ok }
    }
}

fn upstream_frame(upstream: Upstream, request: &Request) -> Result<Rope, Fault> {
    let Upstream { key, version, body } = upstream;
    header::request_frame((key, version), request.correlation_id, request.client_id.as_deref(), body)
}

#[cfg(test)]
mod tests;
