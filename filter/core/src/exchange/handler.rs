//! An exchange: one client request and all that it takes to answer it.
//!
//! ```text
//!   request ──► Plan::Pass ──────────────► the answer streams by
//!          └──► Plan::Send ──► awaiting n ──► Pending::response ─┬─► Next::Wait     (more answers are due)
//!          └──► Plan::Answer ► a carrier ──┘                     ├─► Next::Send     (another round goes up)
//!          ├──► Plan::Forget   (acks=0: no answer, no exchange)  ├─► Next::Answer   (to the client, in order)
//!          ├──► Plan::After    (a question of the filter's own;  │
//!          │                    then the request comes again)    │
//!          ├──► Plan::Wait     (for a PBKDF2; then as well)  │
//!          └──► Plan::Refuse ► a carrier, later ─────────────────┴─► Next::Refuse   (the last answer)
//! ```
//!
//! The broker answers a connection's requests in order, so answers always belong to the oldest exchange. One that may send
//! another round after it saw an answer is a barrier: later client frames wait until it is done, so that it is always the
//! youngest exchange while it sends. A broker handles one request per connection at a time, so waiting changes no meaning.

use std::collections::VecDeque;

use bytes::Bytes;

use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use kafka_protocol::ResponseError;

use crate::apis::cluster::api_versions::Versions;
use crate::apis::{Api, RequestHead};
use crate::brokers;
use crate::config::Config;
use crate::connection::Action;
use crate::error::{Blame, Fault};
use crate::exchange::authentication::Authentication;
use crate::exchange::located::Asked;
use crate::exchange::renewals::Renewals;
use crate::exchange::rounds;
use crate::own::login::LoggedIn;
use crate::sasl::Nonces;
use crate::stats::{Outcome, Stat};
use crate::time::Millis;
use crate::wire::rope::Rope;
use crate::wire::shape::Shape;
use crate::Shared;

/// The client id of what the filter asks in its own name.
pub(crate) const OWN_CLIENT_ID: &[u8] = b"kafka-partition-remapper";

/// A client request, its header read and its body not yet.
pub(crate) struct Request {
    pub(crate) api: &'static Api,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: Option<Bytes>,
    pub(crate) body: Bytes,
}

impl Request {
    /// A request of which only the head was read.
    pub(crate) fn headed(api: &'static Api, head: &RequestHead<'_>) -> Self {
        Self { api, version: head.version, correlation_id: head.correlation_id, client_id: None, body: Bytes::new() }
    }

    /// A request of the filter's own.
    pub(crate) fn own(api: &'static Api) -> Self {
        Self {
            api,
            version: 0,
            correlation_id: 0,
            client_id: Some(Bytes::from_static(OWN_CLIENT_ID)),
            body: Bytes::new(),
        }
    }

    /// The request that opened `exchange`, without its body.
    pub(crate) fn of(exchange: &Exchange) -> Self {
        let Exchange { api, version, correlation_id, client_id, .. } = exchange;
        Self {
            api,
            version: *version,
            correlation_id: *correlation_id,
            client_id: client_id.clone(),
            body: Bytes::new(),
        }
    }

    pub(crate) fn without_body(&self) -> Self {
        Self {
            api: self.api,
            version: self.version,
            correlation_id: self.correlation_id,
            client_id: self.client_id.clone(),
            body: Bytes::new(),
        }
    }

    /// The body as a message of its version.
    ///
    /// # Errors
    /// [`Fault::Request`]: the client's fault.
    pub(crate) fn decode<M: Decodable>(&self, shape: &Shape) -> Result<M, Fault> {
        crate::wire::shape::decode_request(shape, &self.body, self.version)
            .map_err(|error| Fault::Request { api: self.api.name, at: error.at })
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
    /// [`Fault::Encode`]
    pub(crate) fn new<M: Encodable>(key: i16, version: i16, message: &M) -> Result<Self, Fault> {
        let mut body = Rope::new();
        body.put_message(message, version)?;
        Ok(Self { key, version, body })
    }
}

/// What a request half decides.
pub(crate) enum Plan {
    /// The frame goes on untouched, and so does its answer.
    Pass { answered: bool },
    /// The frame goes on untouched; its answer is for `Pending`.
    PassUp(Box<dyn Pending>),
    /// These go up instead, one answer each.
    Send { requests: Vec<Upstream>, pending: Box<dyn Pending>, barrier: bool },
    /// These go up instead, and none is answered (Produce with acks=0). `then`: the connection ends behind them.
    Forget { requests: Vec<Upstream>, then: Option<Fault> },
    /// Nothing yet: what is known of these topics does not suffice. The filter asks for them in its own name, and then the same
    /// request is handled again.
    After(Vec<TopicName>),
    /// Nothing yet: what the request asks for is still to be computed. The same request is handled again when it is.
    Wait,
    /// The answer's body is known already; it rides on a carrier's answer.
    Answer(Rope),
    /// As `Answer`, after a delay; what the client sends meanwhile waits.
    AnswerLater { answer: Rope, delay_ms: Millis },
    /// After a delay this is answered, if anything, and the connection ends with `fault`.
    Refuse { answer: Option<Rope>, fault: Fault },
}

/// What a response half decides.
pub(crate) enum Next {
    Wait,
    Send(Vec<Upstream>),
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

/// The response half of an API: what an exchange remembers between its request and its answers.
pub(crate) trait Pending {
    /// One answer body, in the order of the requests.
    fn response(&mut self, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault>;
}

/// What lies in the queue for each request that will be answered.
pub(crate) struct Exchange {
    pub(crate) correlation_id: i32,
    pub(crate) api: &'static Api,
    pub(crate) version: i16,
    pub(crate) client_id: Option<Bytes>,
    pub(crate) started: Millis,
    /// API key and version of the broker's answers that are still due, oldest first.
    pub(crate) awaited: VecDeque<(i16, i16)>,
    pub(crate) barrier: bool,
    /// Bytes of the request's frame that `pending` may keep alive.
    pub(crate) frame_bytes: usize,
    /// None: the answer passes.
    pub(crate) pending: Option<Box<dyn Pending>>,
    /// The answer is for the filter itself: nothing goes to the client.
    pub(crate) own: bool,
    /// A SASL token without Kafka's headers (SaslHandshake v0), and so is the answer.
    pub(crate) bare: bool,
}

/// A known answer, waiting for its carrier's.
pub(crate) struct Carried {
    pub(crate) body: Option<Rope>,
    pub(crate) outcome: Outcome,
}

impl Pending for Carried {
    fn response(&mut self, cx: &mut Context<'_>, _body: Bytes) -> Result<Next, Fault> {
        cx.note_outcome(self.outcome);
        self.body.take().map(Next::Answer).ok_or(Fault::Exchange)
    }
}

/// The end of a connection that was refused, waiting for its carrier's answer.
pub(crate) struct Refusing {
    pub(crate) answer: Option<Rope>,
    pub(crate) fault: Fault,
}

impl Pending for Refusing {
    fn response(&mut self, cx: &mut Context<'_>, _body: Bytes) -> Result<Next, Fault> {
        cx.note_outcome(Outcome::Error);
        Ok(Next::Refuse { answer: self.answer.take(), fault: self.fault.clone() })
    }
}

/// What a connection remembers between exchanges.
pub(crate) struct Session {
    /// `client_software_name` of ApiVersions v3+ (KIP-511).
    pub(crate) software: Option<StrBytes>,
    /// The client id that came last: exchanges share it.
    client_id: Bytes,
    /// Counts Fetches, so that the position asked first rotates.
    pub(crate) turn: usize,
    /// Where a Fetch of several physical partitions brought something last. The name is no slice of a frame.
    pub(crate) fetched_last: Option<rounds::Place>,
    /// When the members on this connection have their offsets renewed.
    pub(crate) renewals: Renewals,
    pub(crate) authentication: Authentication,
    /// The filter's own session at the broker, once it has logged in (KIP-368).
    pub(crate) login: Option<LoggedIn>,
    pub(crate) nonces: Nonces,
    /// The broker's answer to ApiVersions, for clients that ask before the filter has logged in.
    pub(crate) versions: Versions,
    /// The broker's Metadata is known to have topic ids.
    pub(crate) has_topic_ids: bool,
    /// What was asked for the sake of the request that is handled next.
    pub(crate) asked: Asked,
    /// The client sends nothing more. Whatever goes to the broker now takes that end with it.
    pub(crate) client_ended: bool,
}

impl Session {
    pub(crate) fn new(shared: &Shared, entropy: [u8; 32], versions: Option<Bytes>) -> Self {
        Self {
            software: None,
            client_id: Bytes::new(),
            turn: 0,
            fetched_last: None,
            renewals: Renewals::default(),
            authentication: Authentication::new(shared.config.sasl.is_some()),
            login: None,
            nonces: Nonces::new(entropy),
            versions: versions.map_or(Versions::Unknown, Versions::Known),
            has_topic_ids: false,
            asked: Asked::default(),
            client_ended: false,
        }
    }
}

impl Session {
    /// The client is librdkafka, or a binding that gives a name of its own.
    pub(crate) fn is_librdkafka(&self) -> bool {
        let name = self.software.as_deref().unwrap_or_default();
        name.contains("rdkafka") || name.starts_with("confluent-kafka-")
    }

    /// What tells this client that there are no transactions. Clients stop at INVALID_REQUEST and show its words, but
    /// librdkafka tries again for ever: it stops, and shows the words, only where its transactional id is not allowed.
    pub(crate) fn no_transactions(&self) -> ResponseError {
        if self.is_librdkafka() {
            ResponseError::TransactionalIdAuthorizationFailed
        } else {
            ResponseError::InvalidRequest
        }
    }
}

impl Session {
    /// The client may say who may do what, and set brokers up: the name in which brokers do that is its own, or the
    /// configuration lets all do it in the name that they share.
    pub(crate) fn may_administer(&self, config: &Config) -> bool {
        let has_own_identity = self.authentication.is_brokers_client || self.login.is_some_and(|login| login.is_own);
        has_own_identity || config.shared_administration
    }

    /// The same bytes as `id`. Clients send the same one with each request: it is kept once.
    pub(crate) fn client_id(&mut self, id: Bytes) -> Bytes {
        if self.client_id != id {
            self.client_id = id;
        }
        self.client_id.clone()
    }
}

/// What a request or response half may look at and say.
pub(crate) struct Context<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) session: &'a mut Session,
    pub(crate) now: Millis,
    pub(crate) actions: &'a mut VecDeque<Action>,
    /// The worst of the error codes put into, or seen in, the answer.
    pub(crate) outcome: Outcome,
}

impl Context<'_> {
    /// Adds to a stat that was counted just now, or next to just now: what is counted for each of 100,000 partitions must
    /// not be as many actions.
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

    pub(crate) fn warn(&mut self, text: String) {
        let is_stranger = self.session.authentication.is_closed();
        self.actions.push_back(if is_stranger { Action::WarnOfStranger(text) } else { Action::Warn(text) });
    }

    /// The broker wants a login that the filter has not made yet: ApiVersions is all that it takes.
    pub(crate) fn is_before_login(&self) -> bool {
        self.shared.config.upstream.is_some() && self.session.login.is_none()
    }

    pub(crate) fn is_mapped(&self, topic: &TopicName) -> bool {
        self.shared.topics.remapper(&topic.0).is_some()
    }

    /// Gives a broker the address under which clients reach it. False when the configuration has none for it: then it
    /// must not be named at all, since its own address would lead around the filter.
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

    /// The error code that tells this client that there are no transactions. Some libraries show no more than that, so the
    /// log has the words.
    pub(crate) fn refuse_transactions(&mut self) -> i16 {
        self.warn("a client asked for transactions: they are not supported while topics are mapped".to_owned());
        let code = self.session.no_transactions().code();
        self.note(code);
        code
    }

    /// Notes an error code of the answer for the stats.
    pub(crate) fn note(&mut self, error_code: i16) {
        self.note_outcome(Outcome::of(error_code));
    }

    pub(crate) fn note_outcome(&mut self, outcome: Outcome) {
        self.outcome = self.outcome.max(outcome);
    }
}
