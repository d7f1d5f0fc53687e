//! The way down: the broker's bytes to answers, each to the exchange that it is due to.

use std::rc::Rc;

use bytes::Bytes;

use kafka_protocol::messages::ApiKey;

use super::{Action, Connection};
use crate::apis::cluster::api_versions;
use crate::apis::{self, RequestHead};
use crate::error::Fault;
use crate::exchange::handler::{Carried, Exchange, Next, Request};
use crate::stats::{Outcome, Stat};
use crate::time::Millis;
use crate::wire::frame;
use crate::wire::header;
use crate::wire::rope::Rope;

/// An answer's length field and correlation id, bytes.
const ANSWER_HEAD_BYTES: usize = frame::LENGTH_BYTES + 4;

impl Connection {
    pub(super) fn advance_broker(&mut self, now: Millis) -> Result<(), Fault> {
        while !self.broker.is_empty() {
            if self.broker_stream > 0 {
                let bytes = self.broker.take_up_to(self.broker_stream);
                self.broker_stream -= bytes.len();
                self.pass_down(bytes);
                continue;
            }
            if self.exchanges.is_empty() {
                return Err(Fault::UnsolicitedAnswer);
            }
            let head = self.broker.len().min(ANSWER_HEAD_BYTES);
            let head = self.broker.peek(head).map(Bytes::copy_from_slice).unwrap_or_default();
            if let Some(frame) = self.passing_answer(&head) {
                self.begin_answer_stream(frame, now);
                continue;
            }
            // Only now: an answer that passes may be of any length, wherever its bytes are cut.
            let Some(len) = self.broker.frame_len().map_err(broker_fault)? else { break };
            self.admit_answer(len)?;
            let Some(frame) = self.broker.take(len) else { break };
            self.broker_room = None;
            self.handle_answer(frame, now)?;
        }
        Ok(())
    }

    /// Finds room for the broker's next frame of `len` bytes, which has to be whole.
    fn admit_answer(&mut self, len: usize) -> Result<(), Fault> {
        let left = len.saturating_sub(self.broker.len());
        if self.broker_room.is_none() && left > 0 {
            let room = self.shared.budget.admit_answer(left);
            self.broker_room = Some(room.ok_or(Fault::NoRoomForAnswer { bytes: len })?);
        }
        if let Some(room) = &mut self.broker_room {
            room.set_left(left);
        }
        Ok(())
    }

    /// The whole length of the answer that starts in `window`, if it is due and goes on untouched.
    pub(super) fn passing_answer(&self, window: &[u8]) -> Option<usize> {
        let oldest = self.exchanges.front().filter(|oldest| oldest.pending.is_none())?;
        let len = frame::checked_len(window.get(..frame::LENGTH_BYTES)?, i32::MAX as usize).ok()?;
        if oldest.bare {
            return Some(len);
        }
        let correlation_id = window.get(frame::LENGTH_BYTES..ANSWER_HEAD_BYTES)?.first_chunk()?;
        (len >= ANSWER_HEAD_BYTES && i32::from_be_bytes(*correlation_id) == oldest.correlation_id).then_some(len)
    }

    pub(super) fn begin_answer_stream(&mut self, frame: usize, now: Millis) {
        self.broker_stream = frame;
        if let Some(exchange) = self.exchanges.pop_front() {
            self.count_answer(&exchange, Outcome::Passed, now);
        }
    }

    fn handle_answer(&mut self, frame: Bytes, now: Millis) -> Result<(), Fault> {
        let mut exchange = self.exchanges.pop_front().ok_or(Fault::UnsolicitedAnswer)?;
        let api = exchange.api.name;
        self.shared.budget.note_answer(exchange.api.key, frame.len());
        let mut body = frame.slice(frame::LENGTH_BYTES..);
        let got = body.first_chunk().map(|field| i32::from_be_bytes(*field));
        let got = got.ok_or(Fault::Answer { api, what: "it is too short for a header" })?;
        if got != exchange.correlation_id {
            return Err(Fault::CorrelationId { expected: exchange.correlation_id, got });
        }
        let (key, version) = exchange.awaited.pop_front().ok_or(Fault::Exchange)?;
        let header = header::take_response_header(key, version, &mut body)?;
        header.ok_or(Fault::Answer { api, what: "its header is malformed" })?;
        let mut pending = exchange.pending.take().ok_or(Fault::Exchange)?;
        let shared = Rc::clone(&self.shared);
        let mut cx = self.context(&shared, now);
        let next = pending.response(&mut cx, body)?;
        let outcome = cx.outcome;
        exchange.pending = Some(pending);
        self.go_on(exchange, next, outcome, now)
    }

    fn go_on(&mut self, mut exchange: Exchange, next: Next, outcome: Outcome, now: Millis) -> Result<(), Fault> {
        match next {
            Next::Wait if exchange.awaited.is_empty() => Err(Fault::Exchange),
            Next::Wait => {
                self.exchanges.push_front(exchange);
                Ok(())
            }
            Next::Send(requests) if exchange.barrier && self.exchanges.is_empty() && !requests.is_empty() => {
                let request = Request::of(&exchange);
                for upstream in requests {
                    exchange.awaited.push_back((upstream.key, upstream.version));
                    self.send_upstream(upstream, &request)?;
                }
                self.exchanges.push_front(exchange);
                Ok(())
            }
            Next::Send(_) => Err(Fault::Exchange),
            Next::AnswerLater { answer, delay_ms }
                if exchange.barrier && self.exchanges.is_empty() && exchange.awaited.is_empty() =>
            {
                let awaited = self.carrier_later(&Request::of(&exchange), delay_ms, now)?;
                exchange.awaited.push_back(awaited);
                exchange.pending = Some(Box::new(Carried { body: Some(answer), outcome }));
                self.exchanges.push_front(exchange);
                Ok(())
            }
            Next::AnswerLater { .. } => Err(Fault::Exchange),
            Next::Answer(_) if !exchange.awaited.is_empty() => Err(Fault::Exchange),
            Next::Answer(_) if exchange.own => Ok(()),
            Next::Answer(body) => {
                self.count_answer(&exchange, outcome, now);
                self.answer(&exchange, body)
            }
            Next::Refuse { answer, fault } => {
                if exchange.own {
                    self.refuse_waiting()?;
                } else {
                    self.count_answer(&exchange, Outcome::Error, now);
                    answer.map_or(Ok(()), |body| self.answer(&exchange, body))?;
                }
                Err(fault)
            }
        }
    }

    /// Tells a client that waits with its first request why the connection ends, if that is ApiVersions: its answer has
    /// room for an error in every version.
    fn refuse_waiting(&mut self) -> Result<(), Fault> {
        let Some(len) = self.client.frame_len()? else { return Ok(()) };
        let frame = self.client.take(len).map(|frame| frame.slice(frame::LENGTH_BYTES..)).unwrap_or_default();
        let Some(head) = RequestHead::parse(&frame).filter(|head| head.key == ApiKey::ApiVersions as i16) else {
            return Ok(());
        };
        let Some(api) = apis::offered(head.key, head.version, &self.shared) else { return Ok(()) };
        let body = api_versions::refusal(head.version)?;
        let out = header::answer_frame((api.key, head.version), head.correlation_id, body)?;
        self.count(Stat::BytesSent, out.len());
        self.actions.push_back(Action::ToClient(out));
        Ok(())
    }

    fn answer(&mut self, exchange: &Exchange, body: Rope) -> Result<(), Fault> {
        let out = if exchange.bare {
            header::bare_frame(body)?
        } else {
            header::answer_frame((exchange.api.key, exchange.version), exchange.correlation_id, body)?
        };
        self.count(Stat::BytesSent, out.len());
        self.actions.push_back(Action::ToClient(out));
        Ok(())
    }

    fn count_answer(&mut self, exchange: &Exchange, outcome: Outcome, now: Millis) {
        let api = exchange.api.name;
        self.count(Stat::Responses { api, outcome }, 1);
        let duration_ms = now.saturating_sub(exchange.started);
        self.actions.push_back(Action::Count(Stat::RequestDurationMs { api }, duration_ms));
    }

    fn pass_down(&mut self, bytes: Bytes) {
        self.count(Stat::BytesSent, bytes.len());
        let mut out = Rope::new();
        out.put_bytes(&bytes);
        self.actions.push_back(Action::ToClient(out));
    }
}

/// A length that a client may not send is the broker's fault on its side.
fn broker_fault(_: Fault) -> Fault {
    Fault::Answer { api: "any", what: "its frame length is out of range" }
}
