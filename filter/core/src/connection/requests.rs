//! The way up: the client's bytes to requests, each to the broker, to its file in `apis/`, or past both.

use bytes::Bytes;

use super::{Action, Connection, Phase};
use crate::apis::TABLE;
use crate::error::{ClientFault, Fault, Reconnect};
use crate::exchange::api::Admission;
use crate::exchange::handler::{
    Carried, Exchange, Next, Passing, Pending, Plan, Refusing, Request, Upstream, OWN_CLIENT_ID,
};
use crate::exchange::session::{Asked, Lacking};
use crate::exchange::table::Line;
use crate::exchange::words::Unread;
use crate::limits;
use crate::stats::{HeldSide, Outcome, Stat};
use crate::time::Millis;
use crate::wire::frame;
use crate::wire::header::{self, RequestHead};
use crate::wire::rope::Rope;

/// The head of a client's request, and the table's line for it.
#[derive(Clone, Copy)]
pub(super) struct Arrival {
    pub(super) head: RequestHead,
    /// None: the API or its version is not offered, or the broker is known to lack it.
    line: Option<&'static Line>,
    pub(super) admission: Admission,
}

impl Connection {
    pub(super) fn advance_client(&mut self, now: Millis) -> Result<(), Fault> {
        self.waits_for_room = false;
        if let Phase::Opening(peer) = &mut self.phase {
            let peer = std::mem::take(peer);
            self.phase = Phase::Open;
            self.identify(&peer)?;
        }
        while !self.client.input.is_empty() {
            if self.client.is_streaming() {
                let bytes = self.client.pass_input();
                self.note_passed();
                self.pass_up(bytes);
                continue;
            }
            if self.is_blocked() {
                break;
            }
            let configured = self.shared.config.limits.frame_bytes;
            self.client.input.limit_frames(self.session.authentication.frame_bytes_max(configured));
            let Some(len) = self.client.input.frame_len()? else { break };
            if self.session.authentication.is_token_due() {
                let Some(frame) = self.client.input.take(len) else { break };
                self.handle_token(frame, now)?;
                continue;
            }
            self.client.note_left(len);
            if self.gathering && self.client.input.len() < len {
                break;
            }
            if !self.take_up(len, now)? {
                break;
            }
        }
        Ok(())
    }

    /// Looks at the client's next frame, of `len` bytes, as far as it is here, and does with it what can be
    /// done now. False: nothing more before something else has come.
    fn take_up(&mut self, len: usize, now: Millis) -> Result<bool, Fault> {
        let window = self.client.input.len().min(limits::WINDOW_BYTES).min(len);
        let window = self.client.input.peek(window).unwrap_or_default();
        let arrival = self.arrival(&window);
        arrival.iter().for_each(|(_, rest)| self.note_client_id(rest));
        if arrival.is_some_and(|(arrival, rest)| self.stream_if_passing(arrival, rest, len, now)) {
            return Ok(true);
        }
        let arrival = arrival.map(|(arrival, _)| arrival);
        // It will end the connection: what was asked before is answered first, as Kafka does.
        if arrival.is_some_and(|arrival| arrival.line.is_none()) && self.owes_answers() {
            self.ends_once_answered = true;
            return Ok(false);
        }
        let is_whole = self.client.input.len() >= len;
        let lacks_room = if !self.admit_frame(len, now)? {
            Some(HeldSide::Client)
        } else if is_whole && !self.has_room_for_answer(arrival, len, now) {
            Some(HeldSide::Broker)
        } else {
            None
        };
        if let Some(side) = lacks_room {
            self.waits_for_room = true;
            self.hold_back(side);
            return Ok(false);
        }
        if let Some(question) = arrival.map(|arrival| self.question_before(arrival, now)).transpose()?.flatten() {
            self.ask(question, now)?;
            return Ok(true);
        }
        self.gathering = window.len() == limits::WINDOW_BYTES;
        drop(window);
        let Some(frame) = self.client.input.take(len) else {
            if self.gathering && len > limits::SMALL_FRAME_BYTES {
                self.client.input.gather(len);
                self.client.note_left(len);
            }
            return Ok(false);
        };
        self.gathering = false;
        self.client.room = None;
        self.handle_request(arrival.ok_or(Fault::Client(ClientFault::RequestHeader))?, frame, now)?;
        Ok(true)
    }

    /// Whose request starts in `window`, and what of it is there behind its head. None while its head is not
    /// complete.
    fn arrival<'w>(&self, window: &'w [u8]) -> Option<(Arrival, &'w [u8])> {
        let (head, rest) = RequestHead::parse(window.get(frame::LENGTH_BYTES..)?)?;
        let admission = TABLE.find(head.key).map_or(Admission::Proven, |line| line.api.admission);
        let line = TABLE.offered(head.key, head.version, &self.shared);
        let line = line.filter(|_| self.session.lacking(head.key, head.version).is_none());
        Some((Arrival { head, line, admission }, rest))
    }

    /// If the frame that starts in `window`, outside this connection, goes on untouched whatever the rest of
    /// it holds: opens its exchange. Tells whether it does.
    pub(super) fn begin_passing(&mut self, window: &[u8], now: Millis) -> bool {
        let Some(prefix) = window.get(..frame::LENGTH_BYTES) else { return false };
        let Ok(len) = frame::checked_len(prefix, self.shared.config.limits.frame_bytes) else { return false };
        let Some((arrival, rest)) = self.arrival(window.get(..len).unwrap_or(window)) else { return false };
        self.note_client_id(rest);
        self.stream_if_passing(arrival, rest, len, now)
    }

    /// If a frame of `len` bytes goes on untouched whatever comes behind `rest`, its first bytes: opens its
    /// exchange, and lets the frame stream. Tells whether it does.
    fn stream_if_passing(&mut self, arrival: Arrival, rest: &[u8], len: usize, now: Millis) -> bool {
        let Some((line, passing)) = self.passing(arrival, rest, now) else { return false };
        self.open_passing(Request::headed(&line.api, arrival.head), passing, now);
        self.client.stream(len);
        true
    }

    /// Whether a request goes on untouched whatever comes behind `rest`, its first bytes.
    fn passing(&self, arrival: Arrival, rest: &[u8], now: Millis) -> Option<(&'static Line, Passing)> {
        let line = arrival.line?;
        if !self.session.authentication.is_open(now) || self.has_question_before(arrival.admission, now) {
            return None;
        }
        let passing = match (line.reader(&self.session, &self.shared), line.early) {
            (None, _) => Passing::Untouched,
            (Some(_), Some(early)) => early(arrival.head, rest, &self.shared)?,
            (Some(_), None) => return None,
        };
        Some((line, passing))
    }

    /// A request goes on untouched: its answer is due.
    pub(super) fn open_passing(&mut self, request: Request, passing: Passing, now: Millis) {
        let api = request.api.name;
        self.held_back.set(None);
        self.count(Stat::Requests { api }, 1);
        self.count_upstream(api);
        self.open(request, passing, now);
    }

    fn handle_request(&mut self, arrival: Arrival, frame: Bytes, now: Millis) -> Result<(), Fault> {
        self.has_asked = true;
        self.held_back.set(None);
        self.ends_once_answered = false;
        let head = arrival.head;
        self.session.authentication.admit(arrival.admission, (TABLE.name(head.key), head.key), now)?;
        if self.is_stranger() && self.exchanges.len() >= limits::STRANGER_REQUESTS_MAX {
            return Err(Fault::Client(ClientFault::Pipelined { bytes: frame.len() }));
        }
        let Some(line) = arrival.line else { return self.handle_unoffered(arrival, now) };
        let api = &line.api;
        let mut request = Request::headed(api, head);
        let (plan, outcome) = match line.reader(&self.session, &self.shared) {
            Some(half) => {
                request.body = frame.slice(frame::LENGTH_BYTES..);
                let client_id = header::take_request_header(api.key, head.version, &mut request.body)?;
                request.client_id = client_id.map(|id| self.session.client_id(id));
                self.decide(api, now, |cx| half(cx, &request))?
            }
            None => (Plan::Pass(Passing::Untouched), Outcome::Ok),
        };
        match plan {
            Plan::After(question) => {
                self.client.input.push_front(frame);
                self.ask(question, now)
            }
            Plan::Wait => {
                self.wait_for_verdict(frame);
                Ok(())
            }
            plan => {
                self.session.asked = Asked::default();
                self.count(Stat::Requests { api: api.name }, 1);
                self.carry_out(plan, outcome, request, frame, now)
            }
        }
    }

    /// A version of ApiVersions that we do not know is answered, as Kafka does; anything else is refused by
    /// closing.
    fn handle_unoffered(&mut self, arrival: Arrival, now: Millis) -> Result<(), Fault> {
        let head = arrival.head;
        let (key, version) = (head.key, head.version);
        let api = TABLE.name(key);
        let refused: Fault = match self.session.lacking(key, version) {
            Some(Lacking { min, max, .. }) => Reconnect::Versions { api, version, min, max }.into(),
            None => ClientFault::NotOffered { api, key, version }.into(),
        };
        let line = TABLE.offered(head.key, 0, &self.shared);
        let Some((line, negotiation)) = line.and_then(|line| Some((line, line.negotiation?))) else {
            return Err(refused);
        };
        let api = &line.api;
        self.count(Stat::Requests { api: api.name }, 1);
        let request = Request::headed(api, RequestHead { version: 0, ..head });
        let (plan, outcome) = self.decide(api, now, negotiation.unsupported)?;
        self.carry_out(plan, outcome, request, Bytes::new(), now)
    }

    pub(super) fn carry_out(
        &mut self,
        plan: Plan,
        outcome: Outcome,
        request: Request,
        frame: Bytes,
        now: Millis,
    ) -> Result<(), Fault> {
        // A token's time is that since it came.
        let waited = self.session.authentication.waits_since.take().map_or(0, |since| now.saturating_sub(since));
        match plan {
            Plan::Pass(passing) => {
                self.count_upstream(request.api.name);
                self.pass_up(frame);
                self.open(request, passing, now);
                Ok(())
            }
            Plan::Send { requests, pending, barrier } => {
                let frame_bytes = if request.api.keeps_frame { frame.len() } else { 0 };
                let exchange = Exchange::asking(request, pending, now);
                let barrier = barrier || exchange.barrier;
                self.send(requests, Exchange { barrier, frame_bytes, ..exchange })
            }
            Plan::Park(pending) => {
                let exchange = Exchange::asking(request, pending, now);
                self.exchanges.push(Exchange { barrier: true, ..exchange });
                Ok(())
            }
            Plan::After(_) | Plan::Wait => Err(Fault::bug("a plan that was to be carried out before")),
            Plan::Forget { requests, then } => {
                for upstream in requests {
                    self.send_upstream(upstream, &request)?;
                }
                then.map_or(Ok(()), Err)
            }
            Plan::Answer(body) => {
                let carrier = self.carrier(request.api, now)?;
                self.send(vec![carrier], Exchange::asking(request, Box::new(Carried { body, outcome }), now))
            }
            Plan::AnswerLater { answer, delay_ms } => {
                let pending = Box::new(Carried { body: answer, outcome: Outcome::Error });
                self.answer_later(pending, request, delay_ms, now)
            }
            Plan::Refuse { answer, fault } => {
                let delay_ms = limits::FAILURE_DELAY_MS.saturating_sub(waited);
                self.answer_later(Box::new(Refusing { answer, fault }), request, delay_ms, now)
            }
        }
    }

    /// Goes on with the request that waits for what other connections read.
    pub(super) fn advance_parked(&mut self, now: Millis) -> Result<(), Fault> {
        let Some(mut exchange) = self.exchanges.take_parked() else { return Ok(()) };
        let pending = exchange.pending.take().ok_or(Fault::bug("an exchange without what waits"))?;
        let (next, _) = self.decide(exchange.request.api, now, |cx| pending.woken(cx))?;
        match next {
            Next::Send(requests, pending) => {
                exchange.pending = Some(pending);
                self.send(requests, exchange)
            }
            Next::Park(pending) => {
                exchange.pending = Some(pending);
                self.exchanges.push(exchange);
                Ok(())
            }
            _ => Err(Fault::bug("a parked stage that neither sends nor waits")),
        }
    }

    /// Sends what `exchange` waits for, and opens it.
    pub(super) fn send(&mut self, requests: Vec<Upstream>, mut exchange: Exchange) -> Result<(), Fault> {
        self.send_round(requests, &mut exchange)?;
        self.exchanges.push(exchange);
        Ok(())
    }

    /// Sends what `exchange` waits for from now on, too.
    pub(super) fn send_round(&mut self, requests: Vec<Upstream>, exchange: &mut Exchange) -> Result<(), Fault> {
        for upstream in requests {
            exchange.awaited.push_back((upstream.key, upstream.version));
            self.send_upstream(upstream, &exchange.request)?;
        }
        Ok(())
    }

    pub(super) fn send_upstream(&mut self, upstream: Upstream, request: &Request) -> Result<(), Fault> {
        let api = TABLE.name(upstream.key);
        let bytes = self.upstream_frame(upstream, request)?;
        self.actions.push_back(Action::ToBroker(bytes));
        self.count_upstream(api);
        Ok(())
    }

    fn count_upstream(&mut self, api: &'static str) {
        self.count(Stat::UpstreamRequests { api }, 1);
        self.shared.tally.add(Stat::BrokerRequests { broker: self.session.broker_label }, 1);
    }

    /// The answer to a request that went on untouched is due.
    fn open(&mut self, request: Request, passing: Passing, now: Millis) {
        let pending = match passing {
            Passing::Unanswered => return,
            Passing::Untouched => {
                let reads = TABLE.without_dumps(request.api.key, &self.shared).is_some();
                reads.then(|| Box::new(Unread) as Box<dyn Pending>)
            }
            Passing::Read(pending) => Some(pending),
        };
        self.exchanges.push(Exchange::passing(request, pending, now));
    }

    /// What the filter sends for the sake of `request`. It goes under the client's id, since brokers have
    /// quotas for these, but not before the client has proved itself: a stranger's words are not for brokers.
    pub(super) fn upstream_frame(&self, upstream: Upstream, request: &Request) -> Result<Rope, Fault> {
        let Upstream { key, version, body } = upstream;
        let client_id =
            if self.session.authentication.is_closed() { Some(OWN_CLIENT_ID) } else { request.client_id.as_deref() };
        header::request_frame((key, version), request.correlation_id, client_id, body)
    }

    pub(super) fn pass_up(&mut self, bytes: Bytes) {
        let mut out = Rope::new();
        out.put_bytes(&bytes);
        self.actions.push_back(Action::ToBroker(out));
    }
}
