//! The filter's own login at the broker: SaslHandshake and SaslAuthenticate as a client sends them.
//!
//! ```text
//!   no `sasl` section:  first client bytes ─► login ─► the client's requests
//!   `sasl` section:     client proved itself ─► login ─► what does the broker offer?
//!                                                        └─► the answer to its SaslAuthenticate
//! ```
//!
//! A broker that limits sessions (KIP-368) is given a new proof before the time is over.

use bytes::Bytes;
use kafka_protocol::messages::{
    SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::error::{ConfigFault, Fault};
use crate::exchange::handler::{read_answer, Context, Next, Pending, Question, Upstream};
use crate::exchange::session::LoggedIn;
use crate::limits;
use crate::own::versions;
use crate::sasl::client::{Client, ClientStep};
use crate::sasl::Mechanism;
use crate::stats::{AuthOutcome, Stat};
use crate::text;
use crate::time::Millis;
use crate::wire::rope::Rope;

/// Kafka 1.0 and later: tokens in SaslAuthenticate.
const HANDSHAKE_VERSION: i16 = 1;

/// Kafka 2.2 and later: the answer tells for how long.
const AUTHENTICATE_VERSION: i16 = 1;

enum Stage {
    Handshake,
    Tokens,
    /// In this version.
    Versions(i16),
}

/// A login that is under way.
pub(crate) struct Login {
    client: Client,
    mechanism: Mechanism,
    /// As in [`LoggedIn`].
    is_own: bool,
    stage: Stage,
    /// The client was told of API versions before the broker could be asked in this connection.
    told_versions: bool,
}

/// What an answer of the broker leads to.
pub(crate) enum Progress {
    Send(Upstream),
    Done,
    Refused(Fault),
}

impl Login {
    /// The first request of a login as the client's principal.
    ///
    /// # Errors
    /// [`ConfigFault::Login`] where `upstream.sasl` has no identity for the client.
    pub(crate) fn start(cx: &mut Context<'_>) -> Result<(Upstream, Self), Fault> {
        let upstream = cx.shared.config.upstream.as_ref().ok_or(Fault::bug("a login without an upstream section"))?;
        let mechanism = upstream.mechanism;
        let refused = |why: String| Fault::Config(ConfigFault::Login { mechanism: mechanism.name(), why });
        let identity = cx.session.authentication.identity.as_ref();
        let principal = identity.map_or("", |identity| &identity.principal);
        let acting = upstream.identity_for(identity).map_err(|why| refused(format!("{why}, {principal:?}")))?;
        let client = Client::new(mechanism, acting.account, cx.session.nonces.next()).ok_or_else(|| {
            refused(format!("the mechanism cannot carry the name or the password of {:?}", acting.account.username))
        })?;
        let told_versions = cx.shared.config.sasl.is_some() && cx.session.login.is_none();
        let name = StrBytes::from_static_str(mechanism.name());
        let request = SaslHandshakeRequest::default().with_mechanism(name);
        let request = Upstream::new(HANDSHAKE_VERSION, &request)?;
        Ok((request, Self { client, mechanism, is_own: acting.is_own, stage: Stage::Handshake, told_versions }))
    }

    /// Takes the broker's answer to the request that was sent last.
    pub(crate) fn response(&mut self, cx: &mut Context<'_>, body: Bytes) -> Result<Progress, Fault> {
        match self.stage {
            Stage::Handshake => self.handshake_answer(cx, body),
            Stage::Tokens => self.token_answer(cx, body),
            Stage::Versions(version) => match versions::note(cx, body, version)? {
                versions::Seen::AskAgain(version) => {
                    self.stage = Stage::Versions(version);
                    Ok(Progress::Send(versions::own_request(version)?))
                }
                versions::Seen::Offers => Ok(Progress::Done),
            },
        }
    }

    fn handshake_answer(&mut self, cx: &mut Context<'_>, body: Bytes) -> Result<Progress, Fault> {
        let answer: SaslHandshakeResponse = read_answer(&body, HANDSHAKE_VERSION)?;
        if answer.error_code != 0 {
            let known: Vec<&str> = answer.mechanisms.iter().map(|name| &name[..]).collect();
            let why = format!("error {}; the broker takes {}", answer.error_code, known.join(", "));
            return Ok(self.refused(cx, &why));
        }
        self.stage = Stage::Tokens;
        let first = self.client.first();
        token_request(first).map(Progress::Send)
    }

    fn token_answer(&mut self, cx: &mut Context<'_>, body: Bytes) -> Result<Progress, Fault> {
        let answer: SaslAuthenticateResponse = read_answer(&body, AUTHENTICATE_VERSION)?;
        if answer.error_code != 0 {
            let said = answer.error_message.as_deref().unwrap_or_default();
            let why = format!("error {}: {said}", answer.error_code);
            return Ok(self.refused(cx, &why));
        }
        match self.client.step(&cx.shared.authenticator.salted, &answer.auth_bytes) {
            Ok(ClientStep::Send(token)) => token_request(token).map(Progress::Send),
            Ok(ClientStep::Done) => self.logged_in(cx, answer.session_lifetime_ms),
            Err(refused) => Ok(self.refused(cx, refused.0)),
        }
    }

    fn logged_in(&mut self, cx: &mut Context<'_>, lifetime_ms: i64) -> Result<Progress, Fault> {
        cx.count(Stat::UpstreamAuth { mechanism: self.mechanism.name(), outcome: AuthOutcome::Success }, 1);
        let lifetime_ms = Millis::try_from(lifetime_ms).ok().filter(|lifetime_ms| *lifetime_ms > 0);
        // Kafka's own clients renew after 85 % of the time at the earliest.
        let renew_at = lifetime_ms.map(|lifetime_ms| cx.now + (lifetime_ms / 100 * 85).max(limits::RENEWAL_MS_MIN));
        cx.session.login = Some(LoggedIn { renew_at, is_own: self.is_own });
        if self.told_versions {
            let version = versions::OWN_VERSION;
            self.stage = Stage::Versions(version);
            return versions::own_request(version).map(Progress::Send);
        }
        Ok(Progress::Done)
    }

    fn refused(&self, cx: &mut Context<'_>, why: &str) -> Progress {
        let mechanism = self.mechanism.name();
        cx.count(Stat::UpstreamAuth { mechanism, outcome: AuthOutcome::Failure }, 1);
        let why = text::words(why);
        Progress::Refused(Fault::Config(ConfigFault::Login {
            mechanism,
            why: format!("{why} (as {:?})", self.client.username()),
        }))
    }
}

fn token_request(token: Vec<u8>) -> Result<Upstream, Fault> {
    let request = SaslAuthenticateRequest::default().with_auth_bytes(token.into());
    Upstream::new(AUTHENTICATE_VERSION, &request)
}

/// The filter's own login, where no request of the client's is for one.
///
/// # Errors
/// [`ConfigFault::Login`] where `upstream.sasl` has no identity for the client.
pub(crate) fn question(cx: &mut Context<'_>) -> Result<Question, Fault> {
    match Login::start(cx) {
        Ok((request, login)) => Ok(Question { request, pending: Box::new(OwnLogin(login)) }),
        Err(fault @ Fault::Config(ConfigFault::Login { .. })) if cx.session.login.is_none() => {
            Ok(Question { request: versions::carrier(cx), pending: Box::new(NoLogin(fault)) })
        }
        Err(fault) => Err(fault),
    }
}

/// A client for which there is no login: the answer to the filter's own question is the place to say so.
struct NoLogin(Fault);

impl Pending for NoLogin {
    fn response(self: Box<Self>, _: &mut Context<'_>, _: Bytes) -> Result<Next, Fault> {
        Ok(Next::Refuse { answer: None, fault: self.0 })
    }
}

/// A login that no request of the client's waits for.
struct OwnLogin(Login);

impl Pending for OwnLogin {
    fn response(mut self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        Ok(match self.0.response(cx, body)? {
            Progress::Send(request) => Next::Send(vec![request], self),
            Progress::Done => Next::Answer(Rope::new()),
            Progress::Refused(fault) => Next::Refuse { answer: None, fault },
        })
    }
}
