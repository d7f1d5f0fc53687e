//! The way down: the broker's bytes to answers, each to the exchange that it is due to.

use bytes::Bytes;

use super::{Action, Connection};
use crate::apis::TABLE;
use crate::error::{BrokerFault, ConfigFault, Fault};
use crate::exchange::api::Admission;
use crate::exchange::handler::{Carried, Exchange, Next, Reply};
use crate::limits::WHOLE_FRAME_BYTES_MAX;
use crate::stats::{Outcome, Stat};
use crate::time::Millis;
use crate::wire::frame;
use crate::wire::header::{self, RequestHead};
use crate::wire::rope::Rope;

/// An answer's length field and correlation id, bytes.
const ANSWER_HEAD_BYTES: usize = frame::LENGTH_BYTES + 4;

impl Connection {
    pub(super) fn advance_broker(&mut self, now: Millis) -> Result<(), Fault> {
        while !self.broker.input.is_empty() {
            if self.broker.is_streaming() {
                let bytes = self.broker.pass_input();
                self.pass_down(bytes);
                continue;
            }
            let oldest = self.exchanges.oldest().filter(|oldest| !oldest.is_parked());
            let api = oldest.ok_or(Fault::Broker(BrokerFault::UnsolicitedAnswer))?.request.api.name;
            let head = self.broker.input.len().min(ANSWER_HEAD_BYTES);
            let head = self.broker.input.peek(head).unwrap_or_default();
            if let Some(frame) = self.passing_answer(&head) {
                self.begin_answer_stream(frame, now);
                continue;
            }
            // Only now: an answer that passes may be of any length, wherever its bytes are cut.
            drop(head);
            let len = self.broker.input.frame_len();
            let out_of_range = |_| Fault::answer(api, "its frame length is out of range");
            let Some(len) = len.map_err(out_of_range)? else { break };
            self.admit_answer(len, now)?;
            let Some(frame) = self.broker.input.take(len) else {
                self.broker.input.gather(len);
                self.broker.note_left(len);
                break;
            };
            self.broker.room = None;
            self.handle_answer(frame, now)?;
        }
        Ok(())
    }

    /// Finds room for the broker's next frame of `len` bytes, which has to be whole.
    fn admit_answer(&mut self, len: usize, now: Millis) -> Result<(), Fault> {
        // Who waits for the rest of a record of TLS as if it were a frame of 350 MB waits for ever.
        if self.broker.foreign().is_some() && len > WHOLE_FRAME_BYTES_MAX {
            return Err(Fault::Config(ConfigFault::NoRoomForAnswer { bytes: len }));
        }
        let left = len.saturating_sub(self.broker.input.len());
        if self.broker.room.is_none() && left > 0 {
            let room = self.shared.budget.admit_answer(left);
            self.broker.room = Some((room.ok_or(Fault::Config(ConfigFault::NoRoomForAnswer { bytes: len }))?, now));
        }
        self.broker.note_left(len);
        Ok(())
    }

    /// The whole length of the answer that starts in `window`, if it is due and goes on untouched.
    pub(super) fn passing_answer(&self, window: &[u8]) -> Option<usize> {
        let oldest = self.exchanges.oldest().filter(|oldest| oldest.pending.is_none())?;
        let len = frame::checked_len(window.get(..frame::LENGTH_BYTES)?, i32::MAX as usize).ok()?;
        if oldest.request.reply == Reply::Bare {
            return Some(len);
        }
        let correlation_id = window.get(frame::LENGTH_BYTES..ANSWER_HEAD_BYTES)?.first_chunk()?;
        (len >= ANSWER_HEAD_BYTES && i32::from_be_bytes(*correlation_id) == oldest.request.correlation_id)
            .then_some(len)
    }

    pub(super) fn begin_answer_stream(&mut self, frame: usize, now: Millis) {
        self.broker.stream(frame);
        if let Some(exchange) = self.exchanges.take_oldest() {
            self.count_answer(&exchange, Outcome::Passed, now);
        }
    }

    fn handle_answer(&mut self, frame: Bytes, now: Millis) -> Result<(), Fault> {
        let mut exchange = self.exchanges.take_oldest().ok_or(Fault::Broker(BrokerFault::UnsolicitedAnswer))?;
        let api = exchange.request.api.name;
        self.shared.budget.note_answer(exchange.request.api.key, frame.len());
        let mut body = frame.slice(frame::LENGTH_BYTES..);
        let got = body.first_chunk().map(|field| i32::from_be_bytes(*field));
        let got = got.ok_or(Fault::answer(api, "it is too short for a header"))?;
        let expected = exchange.request.correlation_id;
        if got != expected {
            return Err(Fault::Broker(BrokerFault::CorrelationId { api, expected, got }));
        }
        let (key, version) = exchange.awaited.pop_front().ok_or(Fault::bug("an answer without a request"))?;
        let header = header::take_response_header(key, version, &mut body)?;
        header.ok_or(Fault::answer(api, "its header is malformed"))?;
        if let Some(without_dumps) = TABLE.without_dumps(key, &self.shared) {
            body = without_dumps(body, version)?;
        }
        let pending = exchange.pending.take().ok_or(Fault::bug("an exchange without what waits"))?;
        let (next, outcome) = self.decide(exchange.request.api, now, |cx| {
            cx.is_answer = true;
            pending.response(cx, body)
        })?;
        self.go_on(exchange, next, outcome, now)
    }

    fn go_on(&mut self, mut exchange: Exchange, next: Next, outcome: Outcome, now: Millis) -> Result<(), Fault> {
        match next {
            Next::Wait(pending) if !exchange.awaited.is_empty() => {
                exchange.pending = Some(pending);
                self.exchanges.put_back(exchange);
                Ok(())
            }
            Next::Send(requests, pending) if exchange.barrier && self.exchanges.is_empty() && !requests.is_empty() => {
                exchange.pending = Some(pending);
                self.send_round(requests, &mut exchange)?;
                self.exchanges.put_back(exchange);
                Ok(())
            }
            Next::Park(pending) if exchange.barrier && self.exchanges.is_empty() && exchange.awaited.is_empty() => {
                exchange.pending = Some(pending);
                self.exchanges.put_back(exchange);
                Ok(())
            }
            Next::AnswerLater { answer, delay_ms }
                if exchange.barrier && self.exchanges.is_empty() && exchange.awaited.is_empty() =>
            {
                self.carrier_later(&mut exchange, delay_ms, now)?;
                exchange.pending = Some(Box::new(Carried { body: answer, outcome }));
                self.exchanges.put_back(exchange);
                Ok(())
            }
            Next::Wait(_) | Next::Send(..) | Next::Park(_) | Next::AnswerLater { .. } => {
                Err(Fault::bug("a stage that may neither wait nor send"))
            }
            Next::Answer(_) if !exchange.awaited.is_empty() => {
                Err(Fault::bug("a client is answered while answers are due"))
            }
            Next::Answer(body) => {
                self.count_answer(&exchange, outcome, now);
                self.answer(&exchange, body)
            }
            Next::Refuse { answer, fault } => {
                if exchange.request.reply == Reply::Own {
                    self.refuse_waiting()?;
                } else {
                    self.count_answer(&exchange, Outcome::Error, now);
                    answer.map_or(Ok(()), |body| self.answer(&exchange, body))?;
                }
                Err(fault)
            }
        }
    }

    /// Tells a client that waits with its first request why the connection ends, if that is ApiVersions: its
    /// answer has room for an error in every version.
    fn refuse_waiting(&mut self) -> Result<(), Fault> {
        let Some(len) = self.client.input.frame_len()? else { return Ok(()) };
        let frame = self.client.input.take(len).map(|frame| frame.slice(frame::LENGTH_BYTES..)).unwrap_or_default();
        let Some((head, _)) = RequestHead::parse(&frame) else { return Ok(()) };
        let line = TABLE.offered(head.key, head.version, &self.shared);
        let Some(negotiation) = line.and_then(|line| line.negotiation) else { return Ok(()) };
        let body = (negotiation.refusal)(head.version)?;
        let out = header::answer_frame((head.key, head.version), head.correlation_id, body)?;
        self.count(Stat::BytesSent, out.len());
        self.actions.push_back(Action::ToClient(out));
        Ok(())
    }

    fn answer(&mut self, exchange: &Exchange, body: Rope) -> Result<(), Fault> {
        let request = &exchange.request;
        let out = match request.reply {
            Reply::Framed => header::answer_frame((request.api.key, request.version), request.correlation_id, body)?,
            Reply::Bare => header::bare_frame(body)?,
            Reply::Own => return Ok(()),
        };
        self.count(Stat::BytesSent, out.len());
        self.actions.push_back(Action::ToClient(out));
        Ok(())
    }

    fn count_answer(&mut self, exchange: &Exchange, outcome: Outcome, now: Millis) {
        if exchange.request.reply == Reply::Own {
            return;
        }
        self.is_served |= exchange.request.api.admission == Admission::Proven;
        let api = exchange.request.api.name;
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
