//! What a connection remembers between exchanges.

use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::ResponseError;

use crate::config::Config;
use crate::exchange::authentication::Authentication;
use crate::exchange::fetch_session::FetchSessions;
use crate::exchange::located::Place;
use crate::exchange::renewals::Renewals;
use crate::sasl::Nonces;
use crate::shared::Shared;
use crate::stats::BrokerLabel;
use crate::time::Millis;

/// The filter is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoggedIn {
    /// None: the broker sets no limit.
    pub(crate) renew_at: Option<Millis>,
    /// With an identity of the client's own: what the broker does is done for this client alone.
    pub(crate) is_own: bool,
}

/// An API of which the client was told more than the broker offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lacking {
    pub(crate) key: i16,
    /// The versions that the broker offers: none where `max` is below `min`.
    pub(crate) min: i16,
    pub(crate) max: i16,
}

/// What the broker said of one topic in answer to a question of the filter's own.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told {
    Partitions(usize),
    /// There is no such topic, or none that the caller may see: the broker refuses requests for it, with this
    /// code.
    Absent(ResponseError),
    Unclear,
}

/// What one request of a client still needed when it first came, and what the broker then said.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) told: HashMap<TopicName, Told>,
    pub(crate) questions: usize,
    /// Nothing else counts: what is remembered of topics may be some seconds old, and the request destroys.
    pub(crate) is_certain: bool,
}

/// What a connection knows of its client. All of it may be a stranger's words.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Who<'a> {
    /// The client id of its requests.
    pub(crate) client_id: Option<&'a [u8]>,
    /// Who the client has proved to be.
    pub(crate) principal: Option<&'a [u8]>,
    /// Who it tried to be, in vain or not yet with success.
    pub(crate) tried: Option<&'a [u8]>,
}

/// What a connection remembers between exchanges.
pub(crate) struct Session {
    /// `client_software_name` of ApiVersions v3+ (KIP-511).
    pub(crate) software: Option<StrBytes>,
    /// The client id that came last: exchanges share it.
    client_id: Bytes,
    /// The client id that came first and is not empty: the log and the access log call the client so. A part
    /// of a long one.
    pub(crate) introduced: Option<Box<[u8]>>,
    /// Counts Fetches, so that the position asked first rotates.
    pub(crate) turn: usize,
    /// The worker's number for the connection.
    pub(crate) connection: u32,
    /// Where the connection goes, as far as that tells brokers apart.
    pub(crate) broker: Option<Rc<str>>,
    /// For which broker the connection stands, to the stats.
    pub(crate) broker_label: BrokerLabel,
    /// Where a Fetch of several physical partitions brought something last. The name is no slice of a frame.
    pub(crate) fetched_last: Option<Place>,
    pub(crate) fetch: FetchSessions,
    /// When the members on this connection have their offsets renewed.
    pub(crate) renewals: Renewals,
    pub(crate) authentication: Authentication,
    /// The filter's own session at the broker, once it has logged in (KIP-368).
    pub(crate) login: Option<LoggedIn>,
    pub(crate) nonces: Nonces,
    /// The broker's answer to ApiVersions, in the version in which the filter asks for itself, for clients
    /// that ask before the filter has logged in. None: no connection has asked yet.
    pub(crate) versions: Option<Bytes>,
    /// Where that answer, or the guess in its place, was wrong.
    pub(crate) lacking: Vec<Lacking>,
    /// The broker's Metadata is known to have topic ids.
    pub(crate) has_topic_ids: bool,
    /// The broker is known to take Produce requests that name topics by their ids.
    pub(crate) produces_by_id: bool,
    /// What was asked for the sake of the request that is handled next.
    pub(crate) asked: Asked,
    /// The client sends nothing more. Whatever goes to the broker now takes that end with it.
    pub(crate) client_ended: bool,
}

impl Session {
    pub(crate) fn new(shared: &Shared, connection: u32, entropy: [u8; 32], versions: Option<Bytes>) -> Self {
        Self {
            software: None,
            client_id: Bytes::new(),
            introduced: None,
            turn: 0,
            connection,
            broker: None,
            broker_label: BrokerLabel::default(),
            fetched_last: None,
            fetch: FetchSessions::default(),
            renewals: Renewals::default(),
            authentication: Authentication::new(shared.config.sasl.is_some()),
            login: None,
            nonces: Nonces::new(entropy),
            versions,
            lacking: vec![],
            has_topic_ids: false,
            produces_by_id: false,
            asked: Asked::default(),
            client_ended: false,
        }
    }

    /// What the broker offers of `key`, where the client was told otherwise and `version` is not there.
    pub(crate) fn lacking(&self, key: i16, version: i16) -> Option<Lacking> {
        let is_lacking = |api: &&Lacking| api.key == key && !(api.min..=api.max).contains(&version);
        self.lacking.iter().find(is_lacking).copied()
    }

    /// Whose connection it is.
    pub(crate) fn who(&self) -> Who<'_> {
        Who {
            client_id: self.introduced.as_deref(),
            principal: self.authentication.identity.as_ref().map(|identity| identity.principal.as_bytes()),
            tried: self.authentication.tried.as_deref(),
        }
    }

    /// The client is librdkafka, or a binding that gives a name of its own.
    pub(crate) fn is_librdkafka(&self) -> bool {
        let name = self.software.as_deref().unwrap_or_default();
        name.contains("rdkafka") || name.starts_with("confluent-kafka-")
    }

    /// What tells this client that there are no transactions. Clients stop at UNSUPPORTED_VERSION and show
    /// it, but librdkafka tries again for ever: it stops, and shows the words, only where its transactional
    /// id is not allowed.
    pub(crate) fn no_transactions(&self) -> ResponseError {
        if self.is_librdkafka() {
            ResponseError::TransactionalIdAuthorizationFailed
        } else {
            ResponseError::UnsupportedVersion
        }
    }

    /// This client does not show why it gets no transaction coordinator: sarama tries again for five seconds,
    /// and kafkajs, which tells no name, says that it found no *group* coordinator. Both stop at
    /// InitProducerId's error, and show it.
    pub(crate) fn hides_coordinator_errors(&self) -> bool {
        self.software.as_deref().is_none_or(|name| name == "sarama")
    }

    /// The client may say who may do what, and set brokers up: the name in which brokers do that is its own,
    /// or the configuration lets all do it in the name that they share.
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
