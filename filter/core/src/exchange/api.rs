//! One line of the table of APIs, and what follows from it. The lines themselves are in `apis.rs`.

use crate::error::Fault;
use crate::exchange::handler::{Context, Passing, Plan, Request};
use crate::exchange::session::Session;
use crate::wire::header::RequestHead;
use crate::Shared;

/// A request half: `request` of one file below `apis/`.
pub(crate) type RequestHalf = fn(&mut Context<'_>, &Request) -> Result<Plan, Fault>;

/// Whether a request passes whatever comes behind its first bytes, which stand behind its head.
pub(crate) type EarlyLook = fn(RequestHead, &[u8], &Shared) -> Option<Passing>;

/// What becomes of the requests of an API key.
#[derive(Clone, Copy)]
pub(crate) enum Decision {
    /// A file below `apis/` reads the request, and the answer where it must.
    Rewrite(RequestHalf),
    /// SASL of clients, read as `Rewrite`. Where the filter logs in for clients that prove nothing the API is not
    /// listed, and answered with an error all the same: some clients ask without looking.
    Authenticate(RequestHalf),
    /// Offered, and answered with an error: a client for which the API was hidden would not say why it waits.
    Refuse(RequestHalf),
    /// Names neither partitions nor brokers: goes by untouched in both directions.
    Pass,
    /// Has no rewriting: passes where the configuration maps no topic, is hidden where it maps one.
    PassUnmapped,
    /// Says who may do what, or sets brokers up, in the name that brokers see. Passes where that name is the client's
    /// own, or the configuration lets clients administer in a name that they share; else a file below `apis/admin/`
    /// reads the request.
    Administer(RequestHalf),
    /// Gives the identity that brokers see away. Passes where that was seen to be the client's own, and is answered
    /// with an error elsewhere; hidden where it never can be: where SASL ends in the filter, or the filter logs in.
    Delegate(RequestHalf),
    /// Neither listed nor let through.
    Hide,
}

/// What an API is for the beginning of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Asks what the broker understands: may come before a proof, and its answer has room for an error in every version.
    Negotiation,
    /// Begins a proof.
    Handshake,
    /// Carries a proof's tokens: comes behind [`Self::Handshake`] alone.
    Token,
    /// Comes when the client has proved who it is.
    Proven,
}

/// One line of the table.
pub(crate) struct Api {
    pub(crate) key: i16,
    /// The name in the protocol guide; also the stats' tag.
    pub(crate) name: &'static str,
    pub(crate) version_min: i16,
    /// Below `version_min` where nothing is offered.
    pub(crate) version_max: i16,
    pub(crate) decision: Decision,
    pub(crate) admission: Admission,
    /// Tells requests that may stream from their first bytes on. None: they are read whole, unless they pass unread.
    pub(crate) early: Option<EarlyLook>,
    /// What waits for the answer may keep slices of the request's frame.
    pub(crate) keeps_frame: bool,
    /// The broker's feature (KIP-584) that clients use by this API: hidden with it.
    pub(crate) feature: Option<&'static str>,
}

impl Api {
    /// Requests that may stream are told by `early`.
    pub(crate) const fn early(self, early: EarlyLook) -> Self {
        Self { early: Some(early), ..self }
    }

    pub(crate) const fn admission(self, admission: Admission) -> Self {
        Self { admission, ..self }
    }

    /// Only record sets are large: an API whose requests hold some keeps none of them while it waits.
    pub(crate) const fn lets_frame_go(self) -> Self {
        Self { keeps_frame: false, ..self }
    }

    pub(crate) const fn feature(self, feature: &'static str) -> Self {
        Self { feature: Some(feature), ..self }
    }

    /// Whether requests of this line are let through under the configuration.
    pub(crate) fn is_offered(&self, shared: &Shared) -> bool {
        match self.decision {
            Decision::Rewrite(_)
            | Decision::Authenticate(_)
            | Decision::Refuse(_)
            | Decision::Administer(_)
            | Decision::Pass => true,
            Decision::PassUnmapped => !shared.topics.maps_anything(),
            Decision::Delegate(_) => shared.config.sasl.is_none() && shared.config.upstream.is_none(),
            Decision::Hide => false,
        }
    }

    /// Whether clients are told of this line.
    pub(crate) fn is_listed(&self, shared: &Shared) -> bool {
        let filter_logs_in = shared.config.upstream.is_some() && shared.config.sasl.is_none();
        self.is_offered(shared) && !(filter_logs_in && matches!(self.decision, Decision::Authenticate(_)))
    }

    /// Who reads a request that is let through. None: nobody, it passes whatever it holds.
    pub(crate) fn reader(&self, session: &Session, shared: &Shared) -> Option<RequestHalf> {
        match self.decision {
            Decision::Rewrite(half) | Decision::Authenticate(half) | Decision::Refuse(half) => Some(half),
            Decision::Administer(half) => Some(half).filter(|_| !session.may_administer(&shared.config)),
            Decision::Delegate(half) => Some(half).filter(|_| !session.authentication.is_brokers_client),
            Decision::Pass | Decision::PassUnmapped | Decision::Hide => None,
        }
    }
}

/// A line of the table; builder methods of [`Api`] say what is unusual about it.
pub(crate) const fn api(key: i16, name: &'static str, version_min: i16, version_max: i16, decision: Decision) -> Api {
    let (admission, early, keeps_frame, feature) = (Admission::Proven, None, true, None);
    Api { key, name, version_min, version_max, decision, admission, early, keeps_frame, feature }
}

/// All lines, in the order of their keys, from 0 and without gaps.
#[derive(Clone, Copy)]
pub(crate) struct Table(pub(crate) &'static [Api]);

impl Table {
    /// The line of `key`.
    pub(crate) fn find(self, key: i16) -> Option<&'static Api> {
        usize::try_from(key).ok().and_then(|index| self.0.get(index))
    }

    /// The protocol guide's name of `key`.
    pub(crate) fn name(self, key: i16) -> &'static str {
        self.find(key).map_or("unknown", |api| api.name)
    }

    /// The line of `key` if `version` of it is let through.
    pub(crate) fn offered(self, key: i16, version: i16, shared: &Shared) -> Option<&'static Api> {
        let api = self.find(key)?;
        (api.is_offered(shared) && (api.version_min..=api.version_max).contains(&version)).then_some(api)
    }

    /// The first line that is admitted so.
    pub(crate) fn of_admission(self, admission: Admission) -> Option<&'static Api> {
        self.0.iter().find(|api| api.admission == admission)
    }

    /// Whether clients may know of a `feature` of the broker's: all APIs that it is used by are offered.
    pub(crate) fn has_feature(self, feature: &str, shared: &Shared) -> bool {
        self.0.iter().filter(|api| api.feature == Some(feature)).all(|api| api.is_offered(shared))
    }
}
