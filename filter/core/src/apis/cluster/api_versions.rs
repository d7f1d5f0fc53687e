//! ApiVersions (KIP-35, KIP-511): what broker, codec and table have in common.
//!
//! The client's own request goes up, so the broker learns the client's software, unless the client has to
//! prove itself first: then the filter asks in its own name, or, where the broker wants a login before, tells
//! what it knows (`own/versions.rs`). The answer loses every key and version that the
//! table does not offer, and every finalised feature that needs a hidden API (KIP-584). An empty intersection
//! is left out: a minimum above its maximum would be a range to no client. The same request, in version 0, is
//! the carrier.

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::{StrBytes, VersionRange};
use kafka_protocol::ResponseError;

use crate::error::Fault;
use crate::exchange::api::{Api, Apis, Offer};
use crate::exchange::handler::{encode, read_answer, Context, Next, Passing, Pending, Plan, Request, Upstream};
use crate::exchange::table::Negotiation;
use crate::limits;
use crate::own::versions::{is_unsupported, note_offers, own_request, told};
use crate::stats::Outcome;
use crate::wire::rope::Rope;

/// What the table has of ApiVersions beside its request half.
pub(crate) const NEGOTIATION: Negotiation = Negotiation { unsupported, refusal };

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: ApiVersionsRequest = request.decode()?;
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
    Ok(Plan::Pass(Passing::Read(Box::new(answer))))
}

/// The answer to a version that nobody knows: the v0 list under UNSUPPORTED_VERSION, as a broker does
/// (KIP-511).
fn unsupported(cx: &mut Context<'_>) -> Result<Plan, Fault> {
    let answer = Answer { version: 0, error: Some(ResponseError::UnsupportedVersion) };
    if cx.is_before_login() {
        return before_login(cx, answer);
    }
    let request = Upstream::written::<ApiVersionsRequest>(0, Rope::new());
    Ok(Plan::Send { requests: vec![request], pending: Box::new(answer), barrier: false })
}

/// The broker cannot be asked yet: it takes one ApiVersions request before a login.
fn before_login(cx: &mut Context<'_>, answer: Answer) -> Result<Plan, Fault> {
    let told = told(cx)?;
    Plan::answer(&answer.offer(cx, told), answer.version)
}

/// A copy, since the name is kept as long as the connection, and must not keep its frame. No client that is
/// known by name has a long one.
fn short(name: &StrBytes) -> StrBytes {
    StrBytes::from_string(name.chars().take(limits::SOFTWARE_NAME_CHARS_MAX).collect())
}

/// Waits for the broker's answer, to rewrite it.
struct Answer {
    version: i16,
    /// What the client is told all the same.
    error: Option<ResponseError>,
}

impl Answer {
    /// What the client is offered of what the broker offers.
    fn offer(&self, cx: &mut Context<'_>, mut answer: ApiVersionsResponse) -> ApiVersionsResponse {
        // Only who would wait for it in silence is offered what is refused.
        let hides_refused = !cx.session.is_librdkafka();
        answer.api_keys.retain_mut(|offer| match cx.apis.find(offer.api_key) {
            Some(Api { offer: Offer::Refusal, .. }) if hides_refused => false,
            Some(api) if api.is_listed(cx.shared) => {
                let ours = VersionRange { min: api.version_min, max: api.version_max };
                let common = ours.intersect(&VersionRange { min: offer.min_version, max: offer.max_version });
                (offer.min_version, offer.max_version) = (common.min, common.max);
                !common.is_empty()
            }
            _ => false,
        });
        if cx.shared.config.sasl.is_some() {
            offer_own(cx.apis, &mut answer);
        }
        answer.finalized_features.retain(|feature| cx.apis.has_feature(&feature.name, cx.shared));
        answer.supported_features.retain(|feature| cx.apis.has_feature(&feature.name, cx.shared));
        if let Some(error) = self.error {
            answer.error_code = error.code();
        }
        // The client asks again in the version that the answer names: part of every beginning.
        let negotiates = answer.error_code == ResponseError::UnsupportedVersion.code();
        cx.note_outcome(if negotiates { Outcome::Retriable } else { Outcome::of(answer.error_code) });
        answer
    }
}

/// What the filter answers by itself is offered whether the broker knows it or not.
fn offer_own(apis: Apis, answer: &mut ApiVersionsResponse) {
    for api in apis.0.iter().filter(|api| api.offer == Offer::Authentication) {
        answer.api_keys.retain(|offer| offer.api_key != api.key);
        let offer = ApiVersion::default().with_api_key(api.key);
        answer.api_keys.push(offer.with_min_version(api.version_min).with_max_version(api.version_max));
    }
}

impl Pending for Answer {
    fn response(mut self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        if is_unsupported(&body) {
            // An older broker that does not know the client's version answers in v0, whatever was asked.
            self.version = 0;
            self.error = Some(ResponseError::UnsupportedVersion);
        }
        let answer: ApiVersionsResponse = read_answer(&body, self.version)?;
        note_offers(cx.session, &answer.api_keys);
        Next::answer(&self.offer(cx, answer), self.version)
    }
}

/// The answer to a client whose connection has to end before anything of it can be let through.
///
/// # Errors
/// [`Fault::Bug`]
fn refusal(version: i16) -> Result<Rope, Fault> {
    let message = ApiVersionsResponse::default().with_error_code(ResponseError::SaslAuthenticationFailed.code());
    encode(&message, version)
}

#[cfg(test)]
mod tests;
