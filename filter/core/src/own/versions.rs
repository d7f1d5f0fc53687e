//! What brokers understand: asked in the filter's own name, and remembered for clients that may not ask yet.
//!
//! A broker that wants a login takes one good ApiVersions request before it, and any number in a version that
//! it does not know (KIP-511; seen on Kafka 4.3). So until the filter has logged in, carriers are of an
//! unknown version, and clients are told what was learned from the broker before. The first client of all
//! costs the one good request, and has to come again.

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::error::{Fault, Reconnect};
use crate::exchange::action::Action;
use crate::exchange::handler::{read_answer, Context, Upstream};
use crate::exchange::session::Versions;
use crate::wire::rope::Rope;

/// The version in which the filter asks for itself: the oldest that tells features.
pub(crate) const OWN_VERSION: i16 = 3;

/// A version that no broker knows.
const UNKNOWN_VERSION: i16 = i16::MAX;

/// The smallest request that every broker answers: its answer's place is taken by one that is known already.
///
/// # Errors
/// [`Reconnect::Versions`] when the broker takes no further one before a login.
pub(crate) fn carrier(cx: &Context<'_>) -> Result<Upstream, Fault> {
    let version = match cx.session.versions {
        _ if !cx.is_before_login() => 0,
        Versions::Spent(_) => return Err(Fault::Reconnect(Reconnect::Versions)),
        Versions::Unknown | Versions::Known(_) => UNKNOWN_VERSION,
    };
    Ok(Upstream::written::<ApiVersionsRequest>(version, Rope::new()))
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
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION"))),
    };
    Upstream::new(version, &message)
}

/// What the broker's answer to the filter's own request tells.
pub(crate) enum Seen {
    /// All that the client was told of is there.
    AsTold,
    Otherwise,
    /// It does not know the version, and should be asked in this one.
    AskAgain(i16),
}

/// Remembers the broker's answer to [`own_request`] for the connections to come.
///
/// # Errors
/// [`Fault::Broker`]
pub(crate) fn note(cx: &mut Context<'_>, body: Bytes, asked: i16) -> Result<Seen, Fault> {
    if is_unsupported(&body) {
        return if asked > 0 { Ok(Seen::AskAgain(0)) } else { Err(Fault::answer("ApiVersions", "it is malformed")) };
    }
    let answer: ApiVersionsResponse = read_answer(&body, asked)?;
    let mut learned = Rope::new();
    learned.put_message(&answer, OWN_VERSION)?;
    let learned = learned.into_bytes();
    let told = match &cx.session.versions {
        Versions::Known(told) | Versions::Spent(told) if *told != learned => read_answer(told, OWN_VERSION)?,
        Versions::Known(_) | Versions::Spent(_) => return Ok(Seen::AsTold),
        Versions::Unknown => ApiVersionsResponse::default(),
    };
    cx.actions.push_back(Action::VersionsSeen(learned.clone()));
    cx.session.versions = Versions::Spent(learned);
    let holds = |told: &ApiVersion| {
        let now = answer.api_keys.iter().find(|now| now.api_key == told.api_key);
        now.is_some_and(|now| now.min_version <= told.min_version && told.max_version <= now.max_version)
    };
    Ok(if told.api_keys.iter().all(holds) { Seen::AsTold } else { Seen::Otherwise })
}

/// The broker does not know the version in which it was asked.
pub(crate) fn is_unsupported(body: &Bytes) -> bool {
    let error = body.first_chunk().map(|code| i16::from_be_bytes(*code));
    error == Some(ResponseError::UnsupportedVersion.code())
}
