//! What is known of an API whoever reads its requests: the data of one line of the table in `apis.rs`.

use crate::shared::Shared;

/// What an API is for the beginning of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Asks what the broker understands: may come before a proof, and its answer has room for an error in
    /// every version.
    Negotiation,
    /// Begins a proof.
    Handshake,
    /// Carries a proof's tokens: comes behind [`Self::Handshake`] alone.
    Token,
    /// Comes when the client has proved who it is.
    Proven,
}

/// To whom an API is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    Always,
    /// SASL of clients: let through always, but clients are not told of it where the filter logs in for all
    /// of them.
    Authentication,
    /// Answered with an error: only clients that would wait for the API in silence are told of it.
    Refusal,
    /// Where the configuration maps no topic.
    Unmapped,
    /// Where clients authenticate at the brokers themselves.
    BrokersClients,
    Never,
}

/// The data of one line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Api {
    pub(crate) key: i16,
    /// The name in the protocol guide; also the stats' tag.
    pub(crate) name: &'static str,
    pub(crate) version_min: i16,
    /// Below `version_min` where nothing is offered.
    pub(crate) version_max: i16,
    pub(crate) offer: Offer,
    pub(crate) admission: Admission,
    /// What waits for the answer may keep slices of the request's frame.
    pub(crate) keeps_frame: bool,
    /// Brokers may have it turned off: clients are not told of it before the broker was asked.
    pub(crate) optional: bool,
    /// The broker's feature (KIP-584) that clients use by this API: hidden with it.
    pub(crate) feature: Option<&'static str>,
}

impl Api {
    /// Whether requests of this API are let through under the configuration.
    pub(crate) fn is_offered(&self, shared: &Shared) -> bool {
        match self.offer {
            Offer::Always | Offer::Authentication | Offer::Refusal => true,
            Offer::Unmapped => !shared.topics.maps_anything(),
            Offer::BrokersClients => shared.config.sasl.is_none() && shared.config.upstream.is_none(),
            Offer::Never => false,
        }
    }

    /// Whether clients are told of this API.
    pub(crate) fn is_listed(&self, shared: &Shared) -> bool {
        let filter_logs_in = shared.config.upstream.is_some() && shared.config.sasl.is_none();
        self.is_offered(shared) && !(filter_logs_in && self.offer == Offer::Authentication)
    }
}

/// All APIs, in the order of their keys, from 0 and without gaps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Apis(pub(crate) &'static [Api]);

impl Apis {
    pub(crate) fn find(self, key: i16) -> Option<&'static Api> {
        usize::try_from(key).ok().and_then(|index| self.0.get(index))
    }

    /// Whether clients may know of a `feature` of the broker's: all APIs that it is used by are offered.
    pub(crate) fn has_feature(self, feature: &str, shared: &Shared) -> bool {
        self.0.iter().filter(|api| api.feature == Some(feature)).all(|api| api.is_offered(shared))
    }
}
