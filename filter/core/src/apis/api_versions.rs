//! ApiVersions (KIP-35, KIP-511): what broker, codec and table have in common.
//!
//! The client's own request goes up, so the broker learns the client's software; the answer loses every key and version
//! that the table does not offer, and every finalised feature that needs a hidden API (KIP-584). An empty intersection is
//! left out: a minimum above its maximum would be a range to no client. The same request, in version 0, is the carrier.

use bytes::Bytes;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::VersionRange;
use kafka_protocol::ResponseError;

use crate::apis;
use crate::error::Fault;
use crate::exchange::{Context, Next, Pending, Plan, Request, Upstream};
use crate::rope::Rope;
use crate::shape;
use crate::Shared;

/// Features whose use needs APIs that are hidden, by the key of one that is: a client that saw them would try.
const FEATURE_KEYS: [(&str, i16); 4] =
    [("group.version", 68), ("share.version", 78), ("streams.version", 88), ("transaction.version", 24)];

pub(crate) fn request(cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    let message: ApiVersionsRequest = request.decode(&shape::requests::API_VERSIONS)?;
    if request.version >= 3 {
        cx.session.software = Some(message.client_software_name);
    }
    Ok(Plan::PassUp(Box::new(Answer { version: request.version, error: None })))
}

/// The smallest request that every broker answers: its answer's place is taken by one that is known already.
pub(crate) fn carrier() -> Upstream {
    Upstream { key: ApiKey::ApiVersions as i16, version: 0, body: Rope::new() }
}

/// The answer to a version that nobody knows: the v0 list under UNSUPPORTED_VERSION, as a broker does (KIP-511).
pub(crate) fn unsupported() -> Box<dyn Pending> {
    Box::new(Answer { version: 0, error: Some(ResponseError::UnsupportedVersion) })
}

fn is_usable(feature: &str, shared: &Shared) -> bool {
    let needed = FEATURE_KEYS.iter().find(|(name, _)| *name == feature);
    needed.and_then(|(_, key)| apis::find(*key)).is_none_or(|api| apis::is_offered(api, shared))
}

struct Answer {
    version: i16,
    error: Option<ResponseError>,
}

impl Pending for Answer {
    fn response(&mut self, cx: &mut Context<'_>, mut body: Bytes) -> Result<Next, Fault> {
        let unsupported = ResponseError::UnsupportedVersion.code();
        if body.first_chunk().map(|code| i16::from_be_bytes(*code)) == Some(unsupported) {
            // An older broker that does not know the client's version answers in v0, whatever was asked.
            self.version = 0;
            self.error = Some(ResponseError::UnsupportedVersion);
        }
        let mut answer: ApiVersionsResponse =
            shape::decode(&shape::responses::API_VERSIONS, &mut body, self.version)
                .map_err(|_| Fault::Answer { api: "ApiVersions", what: "it is malformed" })?;
        answer.api_keys.retain_mut(|offer| match apis::find(offer.api_key) {
            Some(api) if apis::is_offered(api, cx.shared) => {
                let ours = VersionRange { min: api.version_min, max: api.version_max };
                let common = ours.intersect(&VersionRange { min: offer.min_version, max: offer.max_version });
                (offer.min_version, offer.max_version) = (common.min, common.max);
                !common.is_empty()
            }
            _ => false,
        });
        answer.finalized_features.retain(|feature| is_usable(&feature.name, cx.shared));
        answer.supported_features.retain(|feature| is_usable(&feature.name, cx.shared));
        if let Some(error) = self.error {
            answer.error_code = error.code();
        }
        cx.note(answer.error_code);
        let mut out = Rope::new();
        out.put_message(&answer, self.version)?;
        Ok(Next::Answer(out))
    }
}
