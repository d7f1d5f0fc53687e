//! What brokers understand: asked in the filter's own name, and remembered for clients that may not ask yet.
//!
//! A broker that wants a login takes one good ApiVersions request before it, and any number in a version that
//! it does not know (KIP-511; seen on Kafka 4.3). So until the filter has logged in, carriers are of an
//! unknown version, and clients are told what an earlier connection learned of the broker; of a broker of
//! which nothing is known, what the table offers at most. The filter asks as soon as it has logged in, before
//! any request of the client's goes up. A client that then uses what it was told of and the broker lacks is
//! sent away, and the next connection is told better.

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, ProduceRequest};
use kafka_protocol::protocol::{Request as _, StrBytes, VersionRange};
use kafka_protocol::ResponseError;

use crate::error::Fault;
use crate::exchange::action::Action;
use crate::exchange::api::{Apis, Offer};
use crate::exchange::handler::{read_answer, Context, Upstream};
use crate::exchange::session::{Lacking, Session};
use crate::fingerprint::VERSION;
use crate::own::topics::{has_topic_ids, produces_by_id};
use crate::shared::Shared;
use crate::wire::rope::Rope;

/// The version in which the filter asks for itself: the oldest that tells features.
pub(crate) const OWN_VERSION: i16 = 3;

/// A version that no broker knows.
const UNKNOWN_VERSION: i16 = i16::MAX;

/// The smallest request that every broker answers: its answer's place is taken by one that is known already.
pub(crate) fn carrier(cx: &Context<'_>) -> Upstream {
    let version = if cx.is_before_login() { UNKNOWN_VERSION } else { 0 };
    Upstream::written::<ApiVersionsRequest>(version, Rope::new())
}

/// The filter's own request.
///
/// # Errors
/// [`Fault::Bug`]
pub(crate) fn own_request(version: i16) -> Result<Upstream, Fault> {
    let name = StrBytes::from_static_str(env!("CARGO_PKG_NAME"));
    let message = match version {
        ..3 => ApiVersionsRequest::default(),
        _ => ApiVersionsRequest::default()
            .with_client_software_name(name)
            .with_client_software_version(StrBytes::from_static_str(VERSION)),
    };
    Upstream::new(version, &message)
}

/// What clients are told of before they have proved who they are, in the form of a broker's answer: what an
/// earlier connection learned, or else all that the table has and no broker turns off.
///
/// # Errors
/// [`Fault::Broker`], if what was learned cannot be read.
pub(crate) fn told(cx: &Context<'_>) -> Result<ApiVersionsResponse, Fault> {
    match &cx.session.versions {
        Some(learned) => read_answer(learned, OWN_VERSION),
        None => Ok(guess(cx.apis, cx.shared)),
    }
}

fn guess(apis: Apis, shared: &Shared) -> ApiVersionsResponse {
    let guessed = apis.0.iter().filter(|api| api.is_listed(shared) && !api.optional);
    let offers = guessed.map(|api| {
        let offer = ApiVersion::default().with_api_key(api.key);
        offer.with_min_version(api.version_min).with_max_version(api.version_max)
    });
    ApiVersionsResponse::default().with_api_keys(offers.collect())
}

/// Takes what the broker offers for what the filter may send.
pub(crate) fn note_offers(session: &mut Session, offers: &[ApiVersion]) {
    let of = |key| offers.iter().find(|offer| offer.api_key == key);
    session.has_topic_ids =
        of(MetadataRequest::KEY).is_some_and(|offer| has_topic_ids(offer.min_version, offer.max_version));
    session.produces_by_id = of(ProduceRequest::KEY).is_some_and(|offer| produces_by_id(offer.max_version));
}

/// What the broker's answer to the filter's own request tells.
pub(crate) enum Seen {
    /// What it offers.
    Offers,
    /// It does not know the version, and should be asked in this one.
    AskAgain(i16),
}

/// Remembers the broker's answer to [`own_request`], for this connection and those to come.
///
/// # Errors
/// [`Fault::Broker`]
pub(crate) fn note(cx: &mut Context<'_>, body: Bytes, asked: i16) -> Result<Seen, Fault> {
    if is_unsupported(&body) {
        return if asked > 0 { Ok(Seen::AskAgain(0)) } else { Err(Fault::answer("ApiVersions", "it is malformed")) };
    }
    let answer: ApiVersionsResponse = read_answer(&body, asked)?;
    if answer.error_code != 0 {
        return Err(Fault::answer("ApiVersions", "it is an error"));
    }
    note_offers(cx.session, &answer.api_keys);
    let mut learned = Rope::new();
    learned.put_message(&answer, OWN_VERSION)?;
    let learned = learned.into_bytes();
    if cx.session.versions.as_ref() != Some(&learned) {
        cx.session.lacking = lacking(cx.apis, &told(cx)?.api_keys, &answer.api_keys);
        cx.actions.push_back(Action::VersionsSeen(learned.clone()));
        cx.session.versions = Some(learned);
    }
    Ok(Seen::Offers)
}

/// The APIs of which clients were told more than the broker offers. What the filter answers itself is not
/// among them.
fn lacking(apis: Apis, told: &[ApiVersion], offers: &[ApiVersion]) -> Vec<Lacking> {
    let mut lacking = vec![];
    for told in told {
        let Some(api) = apis.find(told.api_key) else { continue };
        if matches!(api.offer, Offer::Authentication | Offer::Refusal | Offer::Never) {
            continue;
        }
        let ours = VersionRange { min: api.version_min, max: api.version_max };
        let told = ours.intersect(&VersionRange { min: told.min_version, max: told.max_version });
        let offer = offers.iter().find(|offer| offer.api_key == api.key);
        let (min, max) = offer.map_or((0, -1), |offer| (offer.min_version, offer.max_version));
        if !told.is_empty() && (told.min < min || max < told.max) {
            lacking.push(Lacking { key: api.key, min, max });
        }
    }
    lacking
}

/// The broker does not know the version in which it was asked.
pub(crate) fn is_unsupported(body: &Bytes) -> bool {
    let error = body.first_chunk().map(|code| i16::from_be_bytes(*code));
    error == Some(ResponseError::UnsupportedVersion.code())
}
