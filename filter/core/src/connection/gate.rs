//! Before a request goes on: who the client is, and what the filter has to ask the broker in its own name.

use bytes::Bytes;

use super::requests::Arrival;
use super::{Action, Connection, Phase};
use crate::apis::TABLE;
use crate::error::{BrokerFault, ClientFault, Fault, Reconnect};
use crate::exchange::api::{Admission, Api};
use crate::exchange::authentication::{kept, State};
use crate::exchange::handler::{Exchange, Passing, Pending, Plan, Question, Reply, Request, Upstream};
use crate::own::brokers::BrokerQuestion;
use crate::own::{login, versions};
use crate::principal::Peer;
use crate::sasl::identity::{Identity, Proof};
use crate::stats::{AuthOutcome, Stat};
use crate::time::Millis;
use crate::wire::frame;

impl Connection {
    /// Names the client after its certificate, where SASL does not.
    pub(super) fn identify(&mut self, peer: &Peer) -> Result<(), Fault> {
        let config = &self.shared.config;
        let Some(principals) = config.principals_by_certificate() else { return Ok(()) };
        let principal = principals.of(peer).map_err(|why| {
            if let Peer::Certified(name) = peer {
                self.session.authentication.tried = Some(kept(name));
            }
            Fault::Client(ClientFault::UnmappedCertificate(why))
        })?;
        let proof = if *peer == Peer::Anonymous { Proof::Nothing } else { Proof::Certificate };
        self.session.authentication.identity = Some(Identity { principal: principal.clone(), proof, ends: None });
        self.actions.push_back(Action::Authenticated { principal, mechanism: proof.name() });
        Ok(())
    }

    /// The connection is somebody's: its client has proved who it is, or, where none has to, has sent a whole
    /// request. Once true, it stays so.
    pub fn is_proven(&self) -> bool {
        match self.shared.config.sasl {
            Some(_) => self.session.authentication.identity.is_some(),
            None => self.has_asked,
        }
    }

    /// Ends a connection that is not [proven](Self::is_proven), when `limits.authentication_ms` is over.
    pub fn expire(&mut self, now: Millis) {
        let ms = self.shared.config.limits.authentication_ms;
        // Who asks just before the end does not make it the broker's fault.
        let waits = |exchange: &Exchange| now.saturating_sub(exchange.started) >= ms / 2;
        let why: Fault = match self.exchanges.oldest() {
            Some(oldest) if waits(oldest) => BrokerFault::Stalled { ms }.into(),
            _ if self.shared.config.sasl.is_some() => Reconnect::Unproven { ms }.into(),
            _ => Reconnect::Silent { ms }.into(),
        };
        self.attempt(|_| Err(why));
    }

    /// Whether [`Self::question_before`] has one.
    pub(super) fn has_question_before(&self, admission: Admission, now: Millis) -> bool {
        self.is_login_due(now) || self.is_broker_unknown(admission)
    }

    /// Where clients prove themselves by SASL, the first login waits for that.
    fn is_login_due(&self, now: Millis) -> bool {
        let config = &self.shared.config;
        match self.session.login {
            None => config.upstream.is_some() && config.sasl.is_none(),
            Some(login) => login.renew_at.is_some_and(|renew_at| renew_at <= now),
        }
    }

    /// A broker that authenticates clients itself would take nothing else before that.
    fn is_broker_unknown(&self, admission: Admission) -> bool {
        self.bootstrapped.is_some() && admission == Admission::Proven
    }

    /// What the filter has to ask, in its own name, before the client's request goes up.
    pub(super) fn question_before(&mut self, arrival: Arrival, now: Millis) -> Result<Option<Question>, Fault> {
        let key = arrival.head.key;
        self.session.authentication.admit(arrival.admission, (TABLE.name(key), key), now)?;
        if self.is_login_due(now) {
            let line = TABLE.of_admission(Admission::Handshake).ok_or(Fault::bug("the table has no handshake"))?;
            return self.decide(&line.api, now, login::question).map(|(question, _)| Some(question));
        }
        if !self.is_broker_unknown(arrival.admission) {
            return Ok(None);
        }
        self.bootstrapped.take().map(BrokerQuestion::question).transpose()
    }

    /// Opens an exchange of the filter's own; what the client sent waits for it.
    pub(super) fn ask(&mut self, question: Question, now: Millis) -> Result<(), Fault> {
        let api = TABLE.apis.find(question.request.key).ok_or(Fault::bug("a question of an unknown API"))?;
        let exchange = Exchange::asking(Request::headless(api, Reply::Own), question.pending, now);
        self.send(vec![question.request], Exchange { barrier: true, ..exchange })
    }

    /// The client's token waits for its verdict: [`Self::resume`] is worth a call once [`Self::has_verdict`].
    pub fn waits_for_verdict(&self) -> bool {
        self.waits_for_verdict
    }

    /// The verdict is there, or has been waited for long enough.
    pub fn has_verdict(&self, now: Millis) -> bool {
        self.session.authentication.has_verdict(&self.shared.authenticator, now)
    }

    /// The connection is gone. To be told last, also where [`Action::Close`] asked for it.
    pub fn handle_gone(&mut self) {
        if self.broker_ended && !self.is_served {
            self.say_unserved();
        }
        self.note_abandoned();
        self.phase = Phase::Closed;
    }

    /// A broker that wants something else first closes without a word. It also closes where the client has
    /// ended its stream, and then that is nobody's fault.
    fn say_unserved(&mut self) {
        let Some(oldest) = self.exchanges.oldest() else { return };
        let api = oldest.request.api.name;
        let text = format!(
            "the broker ended the connection instead of answering the first {api}: does its listener want SASL \
             (sasl of the client's, or upstream.sasl), or TLS (transport_socket of Envoy's cluster)?"
        );
        self.actions.push_back(if self.is_stranger() { Action::WarnOfStranger(text) } else { Action::Warn(text) });
    }

    /// Counts an authentication that was begun, and will not be finished: nothing else of it would show.
    pub(super) fn note_abandoned(&mut self) {
        let Some(mechanism) = self.session.authentication.abandon() else { return };
        let mechanism = mechanism.name();
        self.count(Stat::Auth { mechanism, outcome: AuthOutcome::Abandoned }, 1);
        let text = format!("a client began to authenticate by {mechanism} and did not finish");
        self.actions.push_back(Action::WarnOfStranger(text));
    }

    /// A SASL token without Kafka's headers.
    pub(super) fn handle_token(&mut self, token: Bytes, now: Millis) -> Result<(), Fault> {
        let line = TABLE.of_admission(Admission::Token);
        let line = line.and_then(|line| Some((&line.api, line.bare_token?)));
        let (api, bare_token) = line.ok_or(Fault::bug("the table has no token"))?;
        let request = Request::headless(api, Reply::Bare);
        if let State::Relaying(left) = &mut self.session.authentication.state {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.session.authentication.state = State::Trusting;
            }
            self.pass_up(token);
            self.open_passing(request, Passing::Untouched, now);
            return Ok(());
        }
        let (plan, outcome) = self.decide(api, now, |cx| bare_token(cx, &token.slice(frame::LENGTH_BYTES..)))?;
        if matches!(plan, Plan::Wait) {
            self.wait_for_verdict(token);
            return Ok(());
        }
        self.count(Stat::Requests { api: api.name }, 1);
        self.carry_out(plan, outcome, request, Bytes::new(), now)
    }

    /// The client's token in `frame` is handled again when its verdict is there.
    pub(super) fn wait_for_verdict(&mut self, frame: Bytes) {
        self.client.input.push_front(frame);
        self.waits_for_verdict = true;
    }

    pub(super) fn carrier(&mut self, api: &'static Api, now: Millis) -> Result<Upstream, Fault> {
        self.decide(api, now, |cx| Ok(versions::carrier(cx))).map(|(carrier, _)| carrier)
    }

    /// Sends the carrier of an answer after a delay. What the client sends behind its request has to wait.
    pub(super) fn answer_later(
        &mut self,
        pending: Box<dyn Pending>,
        request: Request,
        delay_ms: Millis,
        now: Millis,
    ) -> Result<(), Fault> {
        let mut exchange = Exchange { barrier: true, ..Exchange::asking(request, pending, now) };
        self.carrier_later(&mut exchange, delay_ms, now)?;
        self.exchanges.push(exchange);
        Ok(())
    }

    /// A carrier for the answer of `exchange`, after a delay.
    pub(super) fn carrier_later(
        &mut self,
        exchange: &mut Exchange,
        delay_ms: Millis,
        now: Millis,
    ) -> Result<(), Fault> {
        let carrier = self.carrier(exchange.request.api, now)?;
        exchange.awaited.push_back((carrier.key, carrier.version));
        let bytes = self.upstream_frame(carrier, &exchange.request)?;
        // Who guesses passwords must not be answered sooner by making many wait.
        let or_close = !self.session.authentication.is_open(now);
        self.actions.push_back(Action::ToBrokerLater { bytes, delay_ms, or_close });
        Ok(())
    }
}
