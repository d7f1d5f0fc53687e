//! The way up: the client's bytes to requests, each to the broker, to its file in `apis/`, or past both.

use std::rc::Rc;

use bytes::Bytes;
use kafka_protocol::messages::ApiKey;

use super::{Action, Connection, Phase};
use crate::apis;
use crate::error::Fault;
use crate::exchange::handler::{Carried, Exchange, Pending, Plan, Refusing, Request, Upstream, OWN_CLIENT_ID};
use crate::exchange::located::Asked;
use crate::limits;
use crate::stats::{Outcome, Stat};
use crate::time::Millis;
use crate::wire::frame;
use crate::wire::header;
use crate::wire::rope::Rope;

impl Connection {
    pub(super) fn advance_client(&mut self, now: Millis) -> Result<(), Fault> {
        self.waits_for_room = false;
        if let Phase::Opening(peer) = &mut self.phase {
            let peer = std::mem::take(peer);
            self.phase = Phase::Open;
            self.identify(&peer)?;
        }
        while !self.client.is_empty() {
            if self.client_stream > 0 {
                let bytes = self.client.take_up_to(self.client_stream);
                self.client_stream -= bytes.len();
                self.has_asked |= self.client_stream == 0;
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
            if !self.admit_frame(len, now)?
                || (self.client.len() >= len && !self.has_room_for_answer(&window, len, now))
            {
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

    /// If the frame that starts in `window` goes on untouched whatever the rest of it holds: opens its exchange and gives
    /// the frame's whole length.
    pub(super) fn sniff(&mut self, window: &[u8], now: Millis) -> Option<usize> {
        let len = frame::checked_len(window.get(..frame::LENGTH_BYTES)?, self.shared.config.limits.frame_bytes).ok()?;
        let head = apis::RequestHead::parse(window.get(frame::LENGTH_BYTES..len.min(window.len()))?)?;
        let api = apis::offered(head.key, head.version, &self.shared)?;
        if !self.session.authentication.is_open(now) || self.must_ask_first(head.key, now) {
            return None;
        }
        let answered = match api.decision.reader(&self.session, &self.shared) {
            None => true,
            Some(_) if head.key == ApiKey::Produce as i16 => {
                apis::records::produce::passes(&head, &self.shared.topics)?
            }
            Some(_) => return None,
        };
        self.count(Stat::Requests { api: api.name }, 1);
        self.count(Stat::UpstreamRequests { api: api.name }, 1);
        if answered {
            let unread = head.key == ApiKey::Produce as i16;
            let pending = if unread { apis::records::produce::unread(&self.shared, head.version) } else { None };
            self.open(Request::headed(api, &head), pending, now);
        }
        Some(len)
    }

    fn handle_request(&mut self, frame: Bytes, now: Millis) -> Result<(), Fault> {
        self.has_asked = true;
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
        let (plan, outcome) = match api.decision.reader(&self.session, &shared) {
            Some(half) => {
                let mut cx = self.context(&shared, now);
                (half(&mut cx, &request)?, cx.outcome)
            }
            None => (Plan::Pass { answered: true }, Outcome::Ok),
        };
        if let Plan::After(topics) = plan {
            self.client.push_front(frame);
            return self.ask_topics(topics, now);
        }
        if matches!(plan, Plan::Wait) {
            self.wait_for_verdict(frame);
            return Ok(());
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
        let plan = apis::cluster::api_versions::unsupported(&mut cx)?;
        let outcome = cx.outcome;
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
            Plan::After(_) | Plan::Wait => Err(Fault::Exchange),
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
                let delay_ms = limits::FAILURE_DELAY_MS.saturating_sub(waited);
                self.answer_later(Box::new(Refusing { answer, fault }), &request, delay_ms, now)
            }
        }
    }

    pub(super) fn send(
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

    pub(super) fn send_upstream(&mut self, upstream: Upstream, request: &Request) -> Result<(), Fault> {
        let api = apis::name(upstream.key);
        let bytes = self.upstream_frame(upstream, request)?;
        self.actions.push_back(Action::ToBroker(bytes));
        self.count(Stat::UpstreamRequests { api }, 1);
        Ok(())
    }

    pub(super) fn open(&mut self, request: Request, pending: Option<Box<dyn Pending>>, now: Millis) {
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

    /// What the filter sends for the sake of `request`. It goes under the client's id, since brokers have quotas for these, but
    /// not before the client has proved itself: a stranger's words are not for brokers.
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
