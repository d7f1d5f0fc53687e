//! ApiVersions (KIP-35, KIP-511): what broker, codec and table have in common.
//!
//! The client's own request goes up, so the broker learns the client's software, unless the client has to prove itself first:
//! then the filter asks in its own name. The answer loses every key and version
//! that the table does not offer, and every finalised feature that needs a hidden API (KIP-584). An empty intersection is
//! left out: a minimum above its maximum would be a range to no client. The same request, in version 0, is the carrier.
//!
//! A broker that wants a login takes one good ApiVersions request before it, and any number in a version that it does not
//! know (KIP-511; seen on Kafka 4.3). So until the filter has logged in, carriers are of an unknown version, and clients
//! are told what was learned from the broker before. The first client of all costs the one good request, and has to come again.

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::{StrBytes, VersionRange};
use kafka_protocol::ResponseError;

use crate::apis::{self, Api, Decision};
use crate::connection::Action;
use crate::error::Fault;
use crate::exchange::handler::{Context, Next, Pending, Plan, Request, Upstream};
use crate::exchange::located;
use crate::limits;
use crate::stats::Outcome;
use crate::wire::rope::Rope;
use crate::wire::shape;
use crate::Shared;

/// Features whose use needs APIs that are hidden, by the key of one that is: a client that saw them would try. (For
/// group.version that is ConsumerGroupDescribe: ConsumerGroupHeartbeat is refused with words.)
const FEATURE_KEYS: [(&str, i16); 4] =
    [("group.version", 69), ("share.version", 78), ("streams.version", 88), ("transaction.version", 24)];

/// The version in which the filter asks for itself: the oldest that tells features.
pub(crate) const OWN_VERSION: i16 = 3;

/// A version that no broker knows.
const UNKNOWN_VERSION: i16 = i16::MAX;

/// What a connection knows of its broker's API versions before the filter has logged in.
pub(crate) enum Versions {
    Unknown,
    /// An answer's body in [`OWN_VERSION`].
    Known(Bytes),
    /// As [`Self::Known`], but the one good request that the broker takes was spent on it.
    Spent(Bytes),
}

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: ApiVersionsRequest = request.decode(&shape::requests::API_VERSIONS)?;
    if request.version >= 3 {
        cx.session.software = Some(short(&message.client_software_name));
    }
    let answer = Answer { version: request.version, error: None };
    if cx.is_before_login() {
        return before_login(cx, answer);
    }
    if cx.session.authentication.is_closed() {
        let requests = vec![own_request(request.version)?];
        return Ok(Plan::Send { requests, pending: Box::new(answer), barrier: false });
    }
    Ok(Plan::PassUp(Box::new(answer)))
}

/// The answer to a version that nobody knows: the v0 list under UNSUPPORTED_VERSION, as a broker does (KIP-511).
pub(crate) fn unsupported(cx: &mut Context<'_>) -> Result<Plan, Fault> {
    let answer = Answer { version: 0, error: Some(ResponseError::UnsupportedVersion) };
    if cx.is_before_login() {
        return before_login(cx, answer);
    }
    let request = Upstream { key: ApiKey::ApiVersions as i16, version: 0, body: Rope::new() };
    Ok(Plan::Send { requests: vec![request], pending: Box::new(answer), barrier: false })
}

/// The smallest request that every broker answers: its answer's place is taken by one that is known already.
///
/// # Errors
/// [`Fault::VersionsLearned`] when the broker takes no further one before a login.
pub(crate) fn carrier(cx: &Context<'_>) -> Result<Upstream, Fault> {
    let version = match cx.session.versions {
        _ if !cx.is_before_login() => 0,
        Versions::Spent(_) => return Err(Fault::VersionsLearned),
        Versions::Unknown | Versions::Known(_) => UNKNOWN_VERSION,
    };
    Ok(Upstream { key: ApiKey::ApiVersions as i16, version, body: Rope::new() })
}

fn before_login(cx: &mut Context<'_>, mut answer: Answer) -> Result<Plan, Fault> {
    match &cx.session.versions {
        Versions::Known(body) => {
            let body = body.clone();
            answer.told(cx, body).map(Plan::Answer)
        }
        Versions::Spent(_) => Err(Fault::VersionsLearned),
        Versions::Unknown => {
            let pending = Box::new(FirstAnswer { answer, asked: OWN_VERSION });
            Ok(Plan::Send { requests: vec![own_request(OWN_VERSION)?], pending, barrier: true })
        }
    }
}

/// The filter's own request.
///
/// # Errors
/// [`Fault::Encode`]
pub(crate) fn own_request(version: i16) -> Result<Upstream, Fault> {
    let name = StrBytes::from_static_str(env!("CARGO_PKG_NAME"));
    let message = match version {
        ..3 => ApiVersionsRequest::default(),
        _ => ApiVersionsRequest::default()
            .with_client_software_name(name)
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION"))),
    };
    Upstream::new(ApiKey::ApiVersions as i16, version, &message)
}

/// What the broker's answer to the filter's own request tells.
pub(crate) enum Learned {
    /// All that the client was told of is there.
    AsTold,
    Otherwise,
    /// It does not know the version, and should be asked in this one.
    AskAgain(i16),
}

/// Remembers the broker's answer to [`own_request`] for the connections to come.
///
/// # Errors
/// [`Fault::Answer`]
pub(crate) fn learn(cx: &mut Context<'_>, body: Bytes, asked: i16) -> Result<Learned, Fault> {
    if is_unsupported(&body) {
        return if asked > 0 { Ok(Learned::AskAgain(0)) } else { Err(MALFORMED) };
    }
    let answer = decode(body, asked)?;
    let mut learned = Rope::new();
    learned.put_message(&answer, OWN_VERSION)?;
    let learned = learned.into_bytes();
    let told = match &cx.session.versions {
        Versions::Known(told) | Versions::Spent(told) if *told != learned => decode(told.clone(), OWN_VERSION)?,
        Versions::Known(_) | Versions::Spent(_) => return Ok(Learned::AsTold),
        Versions::Unknown => ApiVersionsResponse::default(),
    };
    cx.actions.push_back(Action::LearnVersions(learned.clone()));
    cx.session.versions = Versions::Spent(learned);
    let holds = |told: &ApiVersion| {
        let now = answer.api_keys.iter().find(|now| now.api_key == told.api_key);
        now.is_some_and(|now| now.min_version <= told.min_version && told.max_version <= now.max_version)
    };
    Ok(if told.api_keys.iter().all(holds) { Learned::AsTold } else { Learned::Otherwise })
}

/// The first answer of all: told to the client, and remembered.
struct FirstAnswer {
    answer: Answer,
    asked: i16,
}

impl Pending for FirstAnswer {
    fn response(&mut self, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        if let Learned::AskAgain(version) = learn(cx, body, self.asked)? {
            self.asked = version;
            return Ok(Next::Send(vec![own_request(version)?]));
        }
        let Versions::Spent(body) = &cx.session.versions else { return Err(Fault::Exchange) };
        let body = body.clone();
        self.answer.told(cx, body).map(Next::Answer)
    }
}

fn is_usable(feature: &str, shared: &Shared) -> bool {
    let needed = FEATURE_KEYS.iter().find(|(name, _)| *name == feature);
    needed.and_then(|(_, key)| apis::find(*key)).is_none_or(|api| apis::is_offered(api, shared))
}

/// A copy, since the name is kept as long as the connection, and must not keep its frame. No client that is known by
/// name has a long one.
fn short(name: &StrBytes) -> StrBytes {
    StrBytes::from_string(name.chars().take(limits::SOFTWARE_NAME_CHARS_MAX).collect())
}

struct Answer {
    version: i16,
    error: Option<ResponseError>,
}

impl Answer {
    /// What the client is told, given the broker's answer in [`OWN_VERSION`].
    fn told(&mut self, cx: &mut Context<'_>, body: Bytes) -> Result<Rope, Fault> {
        let answer = decode(body, OWN_VERSION)?;
        self.offer(cx, answer)
    }

    fn offer(&self, cx: &mut Context<'_>, mut answer: ApiVersionsResponse) -> Result<Rope, Fault> {
        let metadata = answer.api_keys.iter().find(|offer| offer.api_key == ApiKey::Metadata as i16);
        cx.session.has_topic_ids =
            metadata.is_some_and(|offer| located::has_topic_ids(offer.min_version, offer.max_version));
        // Only who would wait for it in silence is offered what is refused.
        let hides_refused = !cx.session.is_librdkafka();
        answer.api_keys.retain_mut(|offer| match apis::find(offer.api_key) {
            Some(Api { decision: Decision::Refuse(_), .. }) if hides_refused => false,
            Some(api) if apis::is_listed(api, cx.shared) => {
                let ours = VersionRange { min: api.version_min, max: api.version_max };
                let common = ours.intersect(&VersionRange { min: offer.min_version, max: offer.max_version });
                (offer.min_version, offer.max_version) = (common.min, common.max);
                !common.is_empty()
            }
            _ => false,
        });
        if cx.shared.config.sasl.is_some() {
            offer_own(&mut answer);
        }
        answer.finalized_features.retain(|feature| is_usable(&feature.name, cx.shared));
        answer.supported_features.retain(|feature| is_usable(&feature.name, cx.shared));
        if let Some(error) = self.error {
            answer.error_code = error.code();
        }
        // The client asks again in the version that the answer names: part of every beginning.
        let negotiates = answer.error_code == ResponseError::UnsupportedVersion.code();
        cx.note_outcome(if negotiates { Outcome::Retriable } else { Outcome::of(answer.error_code) });
        let mut out = Rope::new();
        out.put_message(&answer, self.version)?;
        Ok(out)
    }
}

/// What the filter answers by itself is offered whether the broker knows it or not.
fn offer_own(answer: &mut ApiVersionsResponse) {
    for key in [ApiKey::SaslHandshake as i16, ApiKey::SaslAuthenticate as i16] {
        answer.api_keys.retain(|offer| offer.api_key != key);
        if let Some(api) = apis::find(key) {
            let offer = ApiVersion::default().with_api_key(key);
            answer.api_keys.push(offer.with_min_version(api.version_min).with_max_version(api.version_max));
        }
    }
}

impl Pending for Answer {
    fn response(&mut self, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        if is_unsupported(&body) {
            // An older broker that does not know the client's version answers in v0, whatever was asked.
            self.version = 0;
            self.error = Some(ResponseError::UnsupportedVersion);
        }
        let answer = decode(body, self.version)?;
        self.offer(cx, answer).map(Next::Answer)
    }
}

const MALFORMED: Fault = Fault::Answer { api: "ApiVersions", what: "it is malformed" };

fn is_unsupported(body: &Bytes) -> bool {
    let error = body.first_chunk().map(|code| i16::from_be_bytes(*code));
    error == Some(ResponseError::UnsupportedVersion.code())
}

fn decode(body: Bytes, version: i16) -> Result<ApiVersionsResponse, Fault> {
    shape::decode_answer(&shape::responses::API_VERSIONS, &body, version).map_err(|_| MALFORMED)
}

/// The answer to a client whose connection has to end before anything of it can be let through.
///
/// # Errors
/// [`Fault::Encode`]
pub(crate) fn refusal(version: i16) -> Result<Rope, Fault> {
    let message = ApiVersionsResponse::default().with_error_code(ResponseError::SaslAuthenticationFailed.code());
    let mut out = Rope::new();
    out.put_message(&message, version)?;
    Ok(out)
}
