//! Before a request goes on: who the client is, and what the filter has to ask the broker in its own name.

use std::rc::Rc;

use bytes::Bytes;
use kafka_protocol::messages::{ApiKey, TopicName};

use super::{Action, Connection, Phase};
use crate::apis::cluster::api_versions;
use crate::apis::{self, sasl_authenticate, RequestHead};
use crate::error::{Fault, Late};
use crate::exchange::authentication::State;
use crate::exchange::handler::{Exchange, Pending, Plan, Request, Upstream};
use crate::exchange::located::Asking;
use crate::own::brokers::Learner;
use crate::own::login::{Login, NoLogin, OwnLogin};
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
        let principal = principals.of(peer).map_err(Fault::UnmappedCertificate)?;
        let proof = if *peer == Peer::Anonymous { Proof::Nothing } else { Proof::Certificate };
        self.session.authentication.identity = Some(Identity { principal: principal.clone(), proof, ends: None });
        self.actions.push_back(Action::Authenticated { principal, mechanism: proof.name() });
        Ok(())
    }

    /// The connection is somebody's: its client has proved who it is, or, where none has to, has sent a whole request. Once
    /// true, it stays so.
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
        let why = match self.exchanges.front() {
            Some(oldest) if waits(oldest) => Late::Stalled,
            _ if self.shared.config.sasl.is_some() => Late::Unproven,
            _ => Late::Silent,
        };
        self.attempt(|_| Err(Fault::Late { ms, why }));
    }

    /// The filter has a question of its own before a request of `key` may go up.
    pub(super) fn must_ask_first(&self, key: i16, now: Millis) -> bool {
        self.is_login_due(now) || self.is_learning_due(key)
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
    fn is_learning_due(&self, key: i16) -> bool {
        let before = [ApiKey::ApiVersions, ApiKey::SaslHandshake, ApiKey::SaslAuthenticate];
        self.learn.is_some() && !before.iter().any(|before| *before as i16 == key)
    }

    /// Asks what has to be asked before the request whose frame starts in `window`. True: its turn comes after that.
    pub(super) fn ask_first(&mut self, window: &[u8], now: Millis) -> Result<bool, Fault> {
        let Some(head) = window.get(frame::LENGTH_BYTES..).and_then(RequestHead::parse) else { return Ok(false) };
        self.session.authentication.admit(head.key, now)?;
        if self.is_login_due(now) {
            let shared = Rc::clone(&self.shared);
            match Login::start(&mut self.context(&shared, now)) {
                Ok((request, login)) => self.ask(ApiKey::SaslHandshake, request, Box::new(OwnLogin(login)), now)?,
                Err(fault @ Fault::Login { .. }) if self.session.login.is_none() => {
                    let carrier = self.carrier(now)?;
                    self.ask(ApiKey::ApiVersions, carrier, Box::new(NoLogin(Some(fault))), now)?;
                }
                Err(fault) => return Err(fault),
            }
            return Ok(true);
        }
        if self.is_learning_due(head.key) {
            if let Some(learn) = self.learn.take() {
                let (request, pending) = Learner::start(learn)?;
                self.ask(ApiKey::Metadata, request, pending, now)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Asks for topics that a request names; it waits.
    pub(super) fn ask_topics(&mut self, topics: Vec<TopicName>, now: Millis) -> Result<(), Fault> {
        let (request, pending) = Asking::start(topics, self.session.has_topic_ids)?;
        self.ask(ApiKey::Metadata, request, pending, now)
    }

    /// Opens an exchange of the filter's own; what the client sent waits for it.
    fn ask(&mut self, key: ApiKey, upstream: Upstream, pending: Box<dyn Pending>, now: Millis) -> Result<(), Fault> {
        let request = Request::own(apis::find(key as i16).ok_or(Fault::Exchange)?);
        self.send(vec![upstream], &request, now, Some(pending), true)?;
        if let Some(exchange) = self.exchanges.back_mut() {
            exchange.own = true;
        }
        Ok(())
    }

    /// The client's token waits for its verdict: [`Self::resume`] is worth a call once [`Self::is_judged`].
    pub fn waits_for_verdict(&self) -> bool {
        self.waits_for_verdict
    }

    /// The verdict is there, or has been waited for long enough.
    pub fn is_judged(&self, now: Millis) -> bool {
        self.session.authentication.is_judged(&self.shared.authenticator, now)
    }

    /// The connection is gone. To be told last, also where [`Action::Close`] asked for it.
    pub fn handle_gone(&mut self) {
        self.note_abandoned();
        self.phase = Phase::Closed;
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
        let api = apis::find(ApiKey::SaslAuthenticate as i16).ok_or(Fault::Exchange)?;
        let request = Request::own(api);
        if let State::Relaying(left) = &mut self.session.authentication.state {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.session.authentication.state = State::Trusting;
            }
            self.count(Stat::Requests { api: api.name }, 1);
            self.count(Stat::UpstreamRequests { api: api.name }, 1);
            self.pass_up(token);
            self.open(request, None, now);
        } else {
            let shared = Rc::clone(&self.shared);
            let mut cx = self.context(&shared, now);
            let plan = sasl_authenticate::bare_token(&mut cx, &token.slice(frame::LENGTH_BYTES..))?;
            let outcome = cx.outcome;
            if matches!(plan, Plan::Wait) {
                self.wait_for_verdict(token);
                return Ok(());
            }
            self.count(Stat::Requests { api: api.name }, 1);
            self.carry_out(plan, outcome, request, Bytes::new(), now)?;
        }
        if let Some(exchange) = self.exchanges.back_mut() {
            exchange.bare = true;
            // What follows is a token or a request; the answer tells which, or is the last.
            exchange.barrier = true;
        }
        Ok(())
    }

    /// The client's token in `frame` is handled again when its verdict is there.
    pub(super) fn wait_for_verdict(&mut self, frame: Bytes) {
        self.client.push_front(frame);
        self.waits_for_verdict = true;
    }

    pub(super) fn carrier(&mut self, now: Millis) -> Result<Upstream, Fault> {
        let shared = Rc::clone(&self.shared);
        api_versions::carrier(&self.context(&shared, now))
    }

    /// Sends the carrier of an answer after a delay. What the client sends behind its request has to wait.
    pub(super) fn answer_later(
        &mut self,
        pending: Box<dyn Pending>,
        request: &Request,
        delay_ms: Millis,
        now: Millis,
    ) -> Result<(), Fault> {
        let awaited = self.carrier_later(request, delay_ms, now)?;
        self.open(request.without_body(), Some(pending), now);
        if let Some(exchange) = self.exchanges.back_mut() {
            exchange.awaited = [awaited].into();
            exchange.barrier = true;
        }
        Ok(())
    }

    /// A carrier for the answer to `request`, after a delay. Gives its API key and version.
    pub(super) fn carrier_later(
        &mut self,
        request: &Request,
        delay_ms: Millis,
        now: Millis,
    ) -> Result<(i16, i16), Fault> {
        let carrier = self.carrier(now)?;
        let awaited = (carrier.key, carrier.version);
        let bytes = self.upstream_frame(carrier, request)?;
        // Who guesses passwords must not be answered sooner by making many wait.
        let or_close = !self.session.authentication.is_open(now);
        self.actions.push_back(Action::ToBrokerLater { bytes, delay_ms, or_close });
        Ok(awaited)
    }
}
