//! What the table of APIs is made of: who reads a request of each. The lines themselves are in `apis.rs`.

use bytes::Bytes;

use crate::brokers::Advertise;
use crate::error::Fault;
use crate::exchange::api::{Admission, Api, Apis, Offer};
use crate::exchange::handler::{Context, Passing, Plan, Request};
use crate::exchange::session::Session;
use crate::exchange::words::{self, WithoutDumps, Worded};
use crate::shared::Shared;
use crate::wire::header::RequestHead;
use crate::wire::rope::Rope;

/// A request half: `request` of one file below `apis/`.
pub(crate) type RequestHalf = fn(&mut Context<'_>, &Request) -> Result<Plan, Fault>;

/// Whether a request passes whatever comes behind its first bytes, which stand behind its head.
pub(crate) type EarlyLook = fn(RequestHead, &[u8], &Shared) -> Option<Passing>;

/// The answers of an API by which clients ask what is understood (KIP-511), where there is no request to
/// read.
#[derive(Clone, Copy)]
pub(crate) struct Negotiation {
    /// To a version that nobody knows.
    pub(crate) unsupported: fn(&mut Context<'_>) -> Result<Plan, Fault>,
    /// To a client whose connection ends before anything of it can be let through, in this version.
    pub(crate) refusal: fn(i16) -> Result<Rope, Fault>,
}

/// Takes a SASL token that comes without Kafka's headers (SaslHandshake v0).
pub(crate) type BareToken = fn(&mut Context<'_>, &Bytes) -> Result<Plan, Fault>;

/// What becomes of the requests of an API key.
#[derive(Clone, Copy)]
pub(crate) enum Decision {
    /// A file below `apis/` reads the request, and the answer where it must.
    Rewrite(RequestHalf),
    /// SASL of clients, read as `Rewrite`. Where the filter logs in for clients that prove nothing the API is
    /// not listed, and answered with an error all the same: some clients ask without looking.
    Authenticate(RequestHalf),
    /// Offered, and answered with an error: a client for which the API was hidden would not say why it waits.
    Refuse(RequestHalf),
    /// Names neither partitions nor brokers: goes by untouched in both directions.
    Pass,
    /// Has no rewriting: passes where the configuration maps no topic, is hidden where it maps one.
    PassUnmapped,
    /// Says who may do what, or sets brokers up, in the name that brokers see. Let through where that name is
    /// the client's own, or the configuration lets clients administer in a name that they share; else this
    /// half of `apis/admin/administration.rs` refuses the request.
    Administer(RequestHalf),
    /// Gives the identity that brokers see away. Passes where that was seen to be the client's own, and is
    /// answered with an error elsewhere; hidden where it never can be: where SASL ends in the filter, or the
    /// filter logs in.
    Delegate(RequestHalf),
    /// Neither listed nor let through.
    Hide,
}

impl Decision {
    const fn offer(self) -> Offer {
        match self {
            Self::Rewrite(_) | Self::Administer(_) | Self::Pass => Offer::Always,
            Self::Authenticate(_) => Offer::Authentication,
            Self::Refuse(_) => Offer::Refusal,
            Self::PassUnmapped => Offer::Unmapped,
            Self::Delegate(_) => Offer::BrokersClients,
            Self::Hide => Offer::Never,
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub(crate) api: Api,
    pub(crate) decision: Decision,
    /// Why it is so, and why there are no further versions: for people, in Markdown.
    pub(crate) note: &'static str,
    /// Reads what [`Decision::Administer`] lets through. None: that passes unread.
    pub(crate) administered: Option<RequestHalf>,
    /// Tells requests that may stream from their first bytes on. None: they are read whole, unless they pass
    /// unread.
    pub(crate) early: Option<EarlyLook>,
    /// Of an API whose answers may hold brokers' words that dump a request. None: no broker puts that there.
    pub(crate) without_dumps: Option<WithoutDumps>,
    /// Of an API that is [`Admission::Negotiation`].
    pub(crate) negotiation: Option<Negotiation>,
    /// Of an API that is [`Admission::Token`].
    pub(crate) bare_token: Option<BareToken>,
}

/// A line of the table; methods say what is unusual about it.
pub(crate) const fn api(
    key: i16,
    name: &'static str,
    version_min: i16,
    version_max: i16,
    decision: Decision,
    note: &'static str,
) -> Line {
    let (offer, admission, keeps_frame, optional, feature) = (decision.offer(), Admission::Proven, true, false, None);
    let api = Api { key, name, version_min, version_max, offer, admission, keeps_frame, optional, feature };
    Line {
        api,
        decision,
        note,
        administered: None,
        early: None,
        without_dumps: None,
        negotiation: None,
        bare_token: None,
    }
}

impl Line {
    /// Requests that may stream are told by `early`.
    pub(crate) const fn early(self, early: EarlyLook) -> Self {
        Self { early: Some(early), ..self }
    }

    /// What administrators ask is read by `half`.
    pub(crate) const fn administered(self, half: RequestHalf) -> Self {
        Self { administered: Some(half), ..self }
    }

    /// Its answers, `M`, have brokers' words in them.
    pub(crate) const fn worded<M: Worded>(self) -> Self {
        Self { without_dumps: Some(words::without_dumps::<M>), ..self }
    }

    const fn admission(self, admission: Admission) -> Self {
        Self { api: Api { admission, ..self.api }, ..self }
    }

    /// Clients ask by it what is understood: at any time.
    pub(crate) const fn negotiates(self, negotiation: Negotiation) -> Self {
        Self { negotiation: Some(negotiation), ..self.admission(Admission::Negotiation) }
    }

    /// Begins a proof.
    pub(crate) const fn begins_proof(self) -> Self {
        self.admission(Admission::Handshake)
    }

    /// Carries a proof's tokens, which may also come without Kafka's headers.
    pub(crate) const fn carries_tokens(self, bare_token: BareToken) -> Self {
        Self { bare_token: Some(bare_token), ..self.admission(Admission::Token) }
    }

    /// Only record sets are large: an API whose requests hold some keeps none of them while it waits.
    pub(crate) const fn lets_frame_go(self) -> Self {
        Self { api: Api { keeps_frame: false, ..self.api }, ..self }
    }

    /// Brokers may have it turned off.
    pub(crate) const fn optional(self) -> Self {
        Self { api: Api { optional: true, ..self.api }, ..self }
    }

    /// Clients use `feature` by this API.
    pub(crate) const fn feature(self, feature: &'static str) -> Self {
        Self { api: Api { feature: Some(feature), ..self.api }, ..self }
    }

    /// Who reads a request that is let through. None: nobody, it passes whatever it holds.
    pub(crate) fn reader(&self, session: &Session, shared: &Shared) -> Option<RequestHalf> {
        match self.decision {
            Decision::Rewrite(half) | Decision::Authenticate(half) | Decision::Refuse(half) => Some(half),
            Decision::Administer(_) if session.may_administer(&shared.config) => self.administered,
            Decision::Administer(refusal) => Some(refusal),
            Decision::Delegate(half) => Some(half).filter(|_| !session.authentication.is_brokers_client),
            Decision::Pass | Decision::PassUnmapped | Decision::Hide => None,
        }
    }
}

/// The data of all `lines`, which are `N`.
pub(crate) const fn apis_of<const N: usize>(lines: &[Line]) -> [Api; N] {
    let nothing = api(0, "", 0, -1, Decision::Hide, "").api;
    let mut apis = [nothing; N];
    let (mut from, mut to): (&[Line], &mut [Api]) = (lines, &mut apis);
    while let ([line, lines @ ..], [api, apis @ ..]) = (from, to) {
        *api = line.api;
        (from, to) = (lines, apis);
    }
    apis
}

/// All lines, in the order of their keys, from 0 and without gaps.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    pub(crate) lines: &'static [Line],
    /// Of the same lines.
    pub(crate) apis: Apis,
}

impl Table {
    /// The line of `key`.
    pub(crate) fn find(self, key: i16) -> Option<&'static Line> {
        usize::try_from(key).ok().and_then(|index| self.lines.get(index))
    }

    /// Takes brokers' words that dump a request out of answers to `key`, which name brokers otherwise. None:
    /// clients know these addresses anyway, or no broker puts that there.
    pub(crate) fn without_dumps(self, key: i16, shared: &Shared) -> Option<WithoutDumps> {
        self.find(key)?.without_dumps.filter(|_| shared.config.advertise != Advertise::Unchanged)
    }

    /// The protocol guide's name of `key`.
    pub(crate) fn name(self, key: i16) -> &'static str {
        self.find(key).map_or("unknown", |line| line.api.name)
    }

    /// The line of `key` if `version` of it is let through.
    pub(crate) fn offered(self, key: i16, version: i16, shared: &Shared) -> Option<&'static Line> {
        let line = self.find(key)?;
        let versions = line.api.version_min..=line.api.version_max;
        (line.api.is_offered(shared) && versions.contains(&version)).then_some(line)
    }

    /// The first line that is admitted so.
    pub(crate) fn of_admission(self, admission: Admission) -> Option<&'static Line> {
        self.lines.iter().find(|line| line.api.admission == admission)
    }
}
