//! An exchange: one client request and all that it takes to answer it.
//!
//! ```text
//!   request ─► Plan::Pass ─────────────► the answer streams by, or is for a Pending
//!         ├──► Plan::Send ─► awaiting n ─► Pending::response ─┬─► Next::Wait    (more answers are due)
//!         ├──► Plan::Answer ► a carrier ─┘                    ├─► Next::Send    (another round goes up)
//!         ├──► Plan::Forget  (acks=0: no answer, no exchange) ├─► Next::Answer  (to the client, in order)
//!         ├──► Plan::After   (a question of the filter's own; │
//!         │                   then the request comes again)   │
//!         ├──► Plan::Wait    (for a PBKDF2; then as well)     │
//!         ├──► Plan::Park ─► Pending::woken ─► Next::Send     │
//!         │      (for what another connection is reading)     │
//!         └──► Plan::Refuse ► a carrier, later ───────────────┴─► Next::Refuse  (the last answer)
//! ```
//!
//! The broker answers a connection's requests in order, so answers always belong to the oldest exchange. One
//! that may send another round after it saw an answer is a barrier: later client frames wait until it is
//! done, so that it is always the youngest exchange while it sends. A broker handles one request per
//! connection at a time, so waiting changes no meaning.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::{self, Encodable, StrBytes};

use crate::brokers;
use crate::error::{Blame, ClientFault, Fault};
use crate::exchange::action::Action;
use crate::exchange::api::{Api, Apis};
use crate::exchange::located::Topic;
use crate::exchange::session::Session;
use crate::shared::Shared;
use crate::stats::{self, Outcome, Stat, TopicLabel};
use crate::time::Millis;
use crate::wire::header::RequestHead;
use crate::wire::rope::Rope;
use crate::wire::shape::{self, Shaped};

/// The client id of what the filter asks in its own name.
pub(crate) const OWN_CLIENT_ID: &[u8] = b"kafka-partition-remapper";

/// Where the answer to a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// To the client, behind Kafka's header.
    Framed,
    /// To the client: a SASL token without Kafka's header (SaslHandshake v0), as the request is one.
    Bare,
    /// The filter itself has asked.
    Own,
}

/// A request, its header read and its body not yet.
pub(crate) struct Request {
    pub(crate) api: &'static Api,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: Option<Bytes>,
    pub(crate) reply: Reply,
    /// Empty where the header alone matters.
    pub(crate) body: Bytes,
}

impl Request {
    /// A request of which only the head was read.
    pub(crate) fn headed(api: &'static Api, head: RequestHead) -> Self {
        let RequestHead { version, correlation_id, .. } = head;
        Self { api, version, correlation_id, client_id: None, reply: Reply::Framed, body: Bytes::new() }
    }

    /// A request without Kafka's header; `reply` tells whose.
    pub(crate) fn headless(api: &'static Api, reply: Reply) -> Self {
        let client_id = Some(Bytes::from_static(OWN_CLIENT_ID));
        Self { api, version: 0, correlation_id: 0, client_id, reply, body: Bytes::new() }
    }

    /// The body as a message of its version.
    ///
    /// # Errors
    /// [`Fault::Client`]: the client's fault.
    pub(crate) fn decode<M: Shaped>(&self) -> Result<M, Fault> {
        shape::decode_request(&self.body, self.version)
            .map_err(|error| Fault::Client(ClientFault::Request { api: self.api.name, at: error.at }))
    }
}

/// A request that the filter sends to the broker.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) key: i16,
    pub(crate) version: i16,
    pub(crate) body: Rope,
}

impl Upstream {
    /// # Errors
    /// [`Fault::Bug`]
    pub(crate) fn new<M: protocol::Request>(version: i16, message: &M) -> Result<Self, Fault> {
        encode(message, version).map(|body| Self::written::<M>(version, body))
    }

    /// `body`: an `M` of this version, written by hand.
    pub(crate) fn written<M: protocol::Request>(version: i16, body: Rope) -> Self {
        Self { key: M::KEY, version, body }
    }
}

/// The body of `message`.
///
/// # Errors
/// [`Fault::Bug`]
pub(crate) fn encode<M: Encodable>(message: &M, version: i16) -> Result<Rope, Fault> {
    let mut body = Rope::new();
    body.put_message(message, version)?;
    Ok(body)
}

/// The body of a broker's answer as a message of its version.
///
/// # Errors
/// [`Fault::Broker`]: the broker's fault.
pub(crate) fn read_answer<M: Shaped>(body: &Bytes, version: i16) -> Result<M, Fault> {
    shape::decode_answer(body, version).map_err(|_| Fault::answer(M::API, "it is malformed"))
}

/// What the filter asks a broker in its own name.
pub(crate) struct Question {
    pub(crate) request: Upstream,
    pub(crate) pending: Box<dyn Pending>,
}

/// What becomes of the answer to a request that goes on untouched.
pub(crate) enum Passing {
    /// There is none (Produce with acks=0).
    Unanswered,
    /// It goes on untouched as well.
    Untouched,
    Read(Box<dyn Pending>),
}

/// What a request half decides.
pub(crate) enum Plan {
    /// The frame goes on untouched.
    Pass(Passing),
    /// These go up instead, one answer each.
    Send { requests: Vec<Upstream>, pending: Box<dyn Pending>, barrier: bool },
    /// These go up instead, and none is answered (Produce with acks=0). `then`: the connection ends behind
    /// them.
    Forget { requests: Vec<Upstream>, then: Option<Fault> },
    /// Nothing yet: what is known does not suffice. The filter asks in its own name, and then the same
    /// request is handled again.
    After(Question),
    /// Nothing yet: what the request asks for is still to be computed. The same request is handled again when
    /// it is.
    Wait,
    /// Nothing: another connection's answer will tell. What the client sends meanwhile waits.
    Park(Box<dyn Pending>),
    /// The answer's body is known already; it rides on a carrier's answer.
    Answer(Rope),
    /// As `Answer`, after a delay; what the client sends meanwhile waits.
    AnswerLater { answer: Rope, delay_ms: Millis },
    /// After a delay this is answered, if anything, and the connection ends with `fault`.
    Refuse { answer: Option<Rope>, fault: Fault },
}

impl Plan {
    /// `message` is the answer.
    ///
    /// # Errors
    /// [`Fault::Bug`]
    pub(crate) fn answer<M: Encodable>(message: &M, version: i16) -> Result<Self, Fault> {
        encode(message, version).map(Self::Answer)
    }
}

/// What a response half decides, and which stage takes the next answer.
pub(crate) enum Next {
    /// More answers are due.
    Wait(Box<dyn Pending>),
    /// Another round goes up: of a barrier only.
    Send(Vec<Upstream>, Box<dyn Pending>),
    /// Nothing goes up: another connection's answer will tell. Of a barrier only.
    Park(Box<dyn Pending>),
    Answer(Rope),
    /// As `Answer`, after a delay: of a barrier only. What the client sends meanwhile waits.
    AnswerLater {
        answer: Rope,
        delay_ms: Millis,
    },
    /// This is answered, if anything, and the connection ends with `fault`.
    Refuse {
        answer: Option<Rope>,
        fault: Fault,
    },
}

impl Next {
    /// `message` is the answer.
    ///
    /// # Errors
    /// [`Fault::Bug`]
    pub(crate) fn answer<M: Encodable>(message: &M, version: i16) -> Result<Self, Fault> {
        encode(message, version).map(Self::Answer)
    }
}

/// The response half of an API: what an exchange remembers between its request and its answers.
pub(crate) trait Pending {
    /// One answer body, in the order of the requests.
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault>;

    /// What it was parked for has come, or will not come: [`Next::Send`] or [`Next::Park`].
    fn woken(self: Box<Self>, _cx: &mut Context<'_>) -> Result<Next, Fault> {
        Err(Fault::bug("a stage that was not parked"))
    }
}

/// What lies in the queue for each request that will be answered.
pub(crate) struct Exchange {
    /// Without its body.
    pub(crate) request: Request,
    pub(crate) started: Millis,
    /// API key and version of the broker's answers that are still due, oldest first.
    pub(crate) awaited: VecDeque<(i16, i16)>,
    pub(crate) barrier: bool,
    /// Bytes of the request's frame that `pending` may keep alive.
    pub(crate) frame_bytes: usize,
    /// None: the answer passes.
    pub(crate) pending: Option<Box<dyn Pending>>,
}

impl Exchange {
    /// One whose request goes on untouched, and whose answer is for `pending`, or passes.
    pub(crate) fn passing(request: Request, pending: Option<Box<dyn Pending>>, now: Millis) -> Self {
        let awaited = pending.iter().map(|_| (request.api.key, request.version)).collect();
        Self { awaited, pending, ..Self::new(request, now) }
    }

    /// One whose answers are for `pending`; which ones are due is told when they are asked for.
    pub(crate) fn asking(request: Request, pending: Box<dyn Pending>, now: Millis) -> Self {
        Self { pending: Some(pending), ..Self::new(request, now) }
    }

    /// Nothing of it is at the broker.
    pub(crate) fn is_parked(&self) -> bool {
        self.pending.is_some() && self.awaited.is_empty()
    }

    fn new(mut request: Request, now: Millis) -> Self {
        request.body = Bytes::new();
        // What follows a token without a header is a token or a request: the answer tells which, or is the
        // last.
        let barrier = request.reply == Reply::Bare;
        Self { request, started: now, awaited: VecDeque::new(), barrier, frame_bytes: 0, pending: None }
    }
}

/// A known answer, waiting for its carrier's.
pub(crate) struct Carried {
    pub(crate) body: Rope,
    pub(crate) outcome: Outcome,
}

impl Pending for Carried {
    fn response(self: Box<Self>, cx: &mut Context<'_>, _body: Bytes) -> Result<Next, Fault> {
        cx.note_outcome(self.outcome);
        Ok(Next::Answer(self.body))
    }
}

/// The end of a connection that was refused, waiting for its carrier's answer.
pub(crate) struct Refusing {
    pub(crate) answer: Option<Rope>,
    pub(crate) fault: Fault,
}

impl Pending for Refusing {
    fn response(self: Box<Self>, cx: &mut Context<'_>, _body: Bytes) -> Result<Next, Fault> {
        cx.note_outcome(Outcome::Error);
        let Self { answer, fault } = *self;
        Ok(Next::Refuse { answer, fault })
    }
}

/// What a request or response half may look at and say.
pub(crate) struct Context<'a> {
    pub(crate) shared: &'a Shared,
    /// Every API that there is: for answers that say what is offered.
    pub(crate) apis: Apis,
    /// Whose request or answer is handled.
    pub(crate) api: &'static Api,
    pub(crate) session: &'a mut Session,
    pub(crate) now: Millis,
    pub(crate) actions: &'a mut VecDeque<Action>,
    /// A broker's answer is handled, and not a request.
    pub(crate) is_answer: bool,
    /// The worst of the error codes put into, or seen in, the answer.
    pub(crate) outcome: Outcome,
}

impl Context<'_> {
    /// Adds to a stat that was counted just now, or next to just now: what is counted for each of 100,000
    /// partitions must not be as many actions.
    pub(crate) fn count(&mut self, stat: Stat, n: usize) {
        let recent = self.actions.iter_mut().rev().take(2).find_map(|action| match action {
            Action::Count(counted, sum) if *counted == stat => Some(sum),
            _ => None,
        });
        match recent {
            Some(sum) => *sum += n as u64,
            None if n > 0 => self.actions.push_back(Action::Count(stat, n as u64)),
            None => {}
        }
    }

    /// Adds to the stat of a mapped topic, of which the host hears later.
    pub(crate) fn tally_topic(&self, label: Option<TopicLabel>, stat: impl FnOnce(TopicLabel) -> Stat, n: usize) {
        if let Some(topic) = label {
            self.shared.tally.add(stat(topic), n);
        }
    }

    /// Counts a request that names a mapped topic, once for all that it says of the topic. `named`: the
    /// topics that it has named before.
    pub(crate) fn count_named(&self, named: &mut HashSet<TopicLabel>, topic: &Topic) {
        let api = self.api.name;
        let label = topic.label.filter(|label| named.insert(*label));
        self.tally_topic(label, |topic| Stat::TopicRequests { api, topic }, 1);
    }

    /// A line of the log, in front of which will stand whose connection this is.
    pub(crate) fn warn(&mut self, text: String) {
        let is_stranger = self.session.authentication.is_closed();
        self.actions.push_back(if is_stranger { Action::WarnOfStranger(text) } else { Action::Warn(text) });
    }

    /// Says in the log what the client is refused: many answers have no room for words, and many libraries do
    /// not show those that they get.
    pub(crate) fn warn_refused(&mut self, why: &str) {
        self.warn(format!("the client was refused {}: {why}", self.api.name));
    }

    /// The broker wants a login that the filter has not made yet: ApiVersions is all that it takes.
    pub(crate) fn is_before_login(&self) -> bool {
        self.shared.config.upstream.is_some() && self.session.login.is_none()
    }

    pub(crate) fn is_mapped(&self, topic: &TopicName) -> bool {
        self.shared.topics.remapper(&topic.0).is_some()
    }

    /// Gives a broker the address under which clients reach it. False when the configuration has none for it:
    /// then it must not be named at all, since its own address would lead around the filter.
    pub(crate) fn readdress(&mut self, id: i32, host: &mut StrBytes, port: &mut i32) -> bool {
        match self.shared.config.advertise.address(id, host, *port) {
            Some((advertised_host, advertised_port)) => {
                let config = &self.shared.config;
                let (own, advertised) = ((&**host, *port), (advertised_host.as_str(), advertised_port));
                if brokers::leads_around(&config.advertise, &config.route, id, own, advertised) {
                    self.count(Stat::AdvertisedAround, 1);
                    self.warn(format!(
                        "advertise gives broker {id} its own address {advertised_host}:{advertised_port}: clients that \
                         connect there go around the filter, unless it is Envoy's as well"
                    ));
                }
                *host = StrBytes::from_string(advertised_host);
                *port = advertised_port;
                true
            }
            None => {
                self.count(Stat::Errors { blame: Blame::Config }, 1);
                self.warn(format!("advertise names no address for broker {id}: clients are not told of it"));
                false
            }
        }
    }

    /// The error code that tells this client that there are no transactions. Some libraries show no more than
    /// that, so the log has the words.
    pub(crate) fn refuse_transactions(&mut self) -> i16 {
        self.warn_refused("transactions are not supported while the partition remapper maps topics");
        let code = self.session.no_transactions().code();
        self.note(code);
        code
    }

    /// Notes an error code of the answer for the stats: each that the answer holds, once. Where a broker's
    /// answer is handled it is the broker's, unless [`Self::note_refusal`] says otherwise.
    pub(crate) fn note(&mut self, error_code: i16) {
        self.note_refusal(error_code);
        if self.is_answer && error_code != 0 && !stats::is_joining(error_code) {
            self.shared.tally.add(Stat::BrokerErrors { broker: self.session.broker_label }, 1);
        }
    }

    /// As [`Self::note`], of an error code that is the filter's own.
    pub(crate) fn note_refusal(&mut self, error_code: i16) {
        self.note_outcome(Outcome::of(error_code));
        if error_code != 0 {
            self.shared.tally.add(Stat::ResponseErrors { api: self.api.name, code: error_code }, 1);
        }
    }

    pub(crate) fn note_outcome(&mut self, outcome: Outcome) {
        self.outcome = self.outcome.max(outcome);
    }
}
