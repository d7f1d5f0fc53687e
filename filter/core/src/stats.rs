//! What is counted, and the names under which Envoy shows it.
//!
//! A stat's tags are part of its name (`….api.Produce`); the `stats_tags` of the bootstraps in `envoy/` turn
//! them into tags. The topic's comes last, since its name may have dots in it.

mod document;
mod labels;
mod list;

use kafka_protocol::ResponseError;

pub use self::document::stats_document;
pub use self::labels::{BrokerLabel, HeldSide, Names, TopicLabel};
pub use self::list::Kind;

use self::list::Described;
use crate::error::Blame;
use crate::fingerprint::{Fingerprint, VERSION};

/// One time series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stat {
    /// Client connections that are open.
    ConnectionsActive,
    /// Client connections that were opened.
    ConnectionsTotal,
    /// Requests of clients that were let through or answered.
    Requests {
        /// The API's name in the protocol guide.
        api: &'static str,
    },
    /// Answers to clients.
    Responses {
        /// The API's name in the protocol guide.
        api: &'static str,
        /// How the request ended.
        outcome: Outcome,
    },
    /// Milliseconds from a client's request to its answer.
    RequestDurationMs {
        /// The API's name in the protocol guide.
        api: &'static str,
    },
    /// Bytes from clients.
    BytesReceived,
    /// Bytes to clients.
    BytesSent,
    /// Requests to brokers, the filter's own among them.
    UpstreamRequests {
        /// The API's name in the protocol guide.
        api: &'static str,
    },
    /// Partitions of requests, and of Metadata answers, that were translated.
    RemappedPartitions {
        /// The API's name in the protocol guide.
        api: &'static str,
    },
    /// Record batches of producers that were given a lane.
    BatchesTagged,
    /// Record batches that were read from a broker and are no client's.
    BatchesDropped,
    /// Those of the dropped batches whose lane the mapping does not have.
    BatchesUnknownLane,
    /// Control batches that move a consumer past its siblings' records.
    FillerBatches,
    /// Bytes of records that brokers sent for mapped topics.
    FetchBytesUpstream,
    /// Bytes of records that clients were sent of these.
    FetchBytesDownstream,
    /// Faults that somebody has to do something about.
    Errors {
        /// Who has to.
        blame: Blame,
    },
    /// Connections that ended so that their clients come back, and are then served.
    Reconnects {
        /// Why, in one word.
        reason: &'static str,
    },
    /// Requests that named a topic with another number of partitions than its mapping says.
    TopicMismatch,
    /// Answers that gave a broker its own address, where `advertise` should give another.
    AdvertisedAround,
    /// Fetches that were given records which another connection had read.
    SharedHits,
    /// Fetches that waited for what another connection was reading.
    SharedParked,
    /// Fetches that had waited so, and went on because something had come for them.
    SharedWoken,
    /// Bytes of records that brokers sent when they were asked whether a client may have what another one has
    /// read.
    SharedDoorbellBytes,
    /// Bytes that the stores of shared reads hold.
    SharedBytes,
    /// Brokers that clients are told of, and that no connection comes in for.
    AdvertisedUnreached,
    /// Clients' authentications, and renewals of them.
    Auth {
        /// The mechanism's registered name, or `other`.
        mechanism: &'static str,
        /// How it ended.
        outcome: AuthOutcome,
    },
    /// The filter's own logins at brokers, and renewals of them.
    UpstreamAuth {
        /// The mechanism's registered name.
        mechanism: &'static str,
        /// How it ended.
        outcome: AuthOutcome,
    },
    /// The filter's version: 1.
    BuildInfo,
    /// 1 for the configuration that is in force.
    ConfigurationInfo {
        /// The configuration's mark.
        configuration: Fingerprint,
    },
    /// V of a topic, as configured.
    TopicVirtualPartitions {
        /// Which topic.
        topic: TopicLabel,
    },
    /// P of a topic, as configured.
    TopicPhysicalPartitions {
        /// Which topic.
        topic: TopicLabel,
    },
    /// Requests that name a topic.
    TopicRequests {
        /// The API's name in the protocol guide.
        api: &'static str,
        /// Which topic.
        topic: TopicLabel,
    },
    /// Bytes of records from producers.
    TopicBytesReceived {
        /// Of which topic.
        topic: TopicLabel,
    },
    /// Bytes of records to consumers.
    TopicBytesSent {
        /// Of which topic.
        topic: TopicLabel,
    },
    /// Bytes of records that brokers sent.
    TopicFetchBytesUpstream {
        /// Of which topic.
        topic: TopicLabel,
    },
    /// As [`Self::TopicMismatch`], by topic.
    TopicRefused {
        /// Which topic.
        topic: TopicLabel,
    },
    /// As [`Self::BatchesUnknownLane`], by topic.
    TopicUnknownLaneBatches {
        /// Which topic.
        topic: TopicLabel,
    },
    /// Client connections that are open, by broker.
    BrokerConnectionsActive {
        /// For which broker they stand.
        broker: BrokerLabel,
    },
    /// Requests to a broker.
    BrokerRequests {
        /// Which broker.
        broker: BrokerLabel,
    },
    /// Errors in a broker's answers, and its faults.
    BrokerErrors {
        /// Which broker.
        broker: BrokerLabel,
    },
    /// Errors in answers to clients.
    ResponseErrors {
        /// The API's name in the protocol guide.
        api: &'static str,
        /// Kafka's error code, not 0.
        code: i16,
    },
    /// Bytes of the workers' memory that are in use.
    HeldBytes,
    /// Bytes of the workers' memory that may be used.
    HeldBytesLimit,
    /// Requests that had to wait for room in a worker's memory.
    HeldBack {
        /// For what there was no room.
        side: HeldSide,
    },
    /// Commits to shadow groups that a broker refused.
    ShadowCommitsFailed,
}

/// How an authentication ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthOutcome {
    /// The proof was accepted.
    Success,
    /// The proof was refused.
    Failure,
    /// Begun, and neither of the two: the client left, or sent something else.
    Abandoned,
}

/// How a request ended, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The answer went by untouched; what it says is not looked at.
    Passed,
    /// Answered without an error that the filter wrote or saw.
    Ok,
    /// The answer holds errors, all of a kind at which a client just tries again.
    Retriable,
    /// The answer holds an error of another kind.
    Error,
}

impl Outcome {
    /// Of an answer with this error code.
    pub fn of(error_code: i16) -> Self {
        match ResponseError::try_from_code(error_code) {
            None => Self::Ok,
            Some(error) if error.is_retriable() || is_joining(error_code) => Self::Retriable,
            Some(_) => Self::Error,
        }
    }
}

/// Not called retriable in Kafka, but as much part of a group's life: the member joins (again).
pub(crate) fn is_joining(error_code: i16) -> bool {
    [ResponseError::RebalanceInProgress, ResponseError::MemberIdRequired].iter().any(|error| error.code() == error_code)
}

impl Stat {
    /// Which kind of metric Envoy keeps for it.
    pub fn kind(self) -> Kind {
        self.described().kind
    }

    /// The name under `prefix`, where topics have no names.
    #[cfg(test)]
    pub(crate) fn name(self, prefix: &str) -> String {
        Names::new(prefix, vec![]).of(self)
    }

    /// The names of those that have no labels, as [`Self::name`] makes them.
    #[cfg(test)]
    pub(crate) fn names_without_labels(prefix: &str) -> Vec<String> {
        let all = list::SECTIONS.iter().flat_map(|(_, stats)| *stats).filter(|stat| stat.labels.is_empty());
        all.map(|stat| format!("kafka_remapper_{}.remapper.{prefix}", stat.name)).collect()
    }

    fn described(self) -> Described {
        match self {
            Stat::ConnectionsActive => list::CONNECTIONS_ACTIVE,
            Stat::ConnectionsTotal => list::CONNECTIONS_TOTAL,
            Stat::Requests { .. } => list::REQUESTS,
            Stat::Responses { .. } => list::RESPONSES,
            Stat::RequestDurationMs { .. } => list::REQUEST_DURATION_MS,
            Stat::BytesReceived => list::BYTES_RECEIVED,
            Stat::BytesSent => list::BYTES_SENT,
            Stat::UpstreamRequests { .. } => list::UPSTREAM_REQUESTS,
            Stat::RemappedPartitions { .. } => list::REMAPPED_PARTITIONS,
            Stat::BatchesTagged => list::BATCHES_TAGGED,
            Stat::BatchesDropped => list::BATCHES_DROPPED,
            Stat::BatchesUnknownLane => list::BATCHES_UNKNOWN_LANE,
            Stat::FillerBatches => list::FILLER_BATCHES,
            Stat::FetchBytesUpstream => list::FETCH_BYTES_UPSTREAM,
            Stat::FetchBytesDownstream => list::FETCH_BYTES_DOWNSTREAM,
            Stat::Errors { .. } => list::ERRORS,
            Stat::Reconnects { .. } => list::RECONNECTS,
            Stat::TopicMismatch => list::TOPIC_MISMATCH,
            Stat::SharedHits => list::SHARED_HITS,
            Stat::SharedParked => list::SHARED_PARKED,
            Stat::SharedWoken => list::SHARED_WOKEN,
            Stat::SharedDoorbellBytes => list::SHARED_DOORBELL_BYTES,
            Stat::SharedBytes => list::SHARED_BYTES,
            Stat::AdvertisedAround => list::ADVERTISED_AROUND,
            Stat::AdvertisedUnreached => list::ADVERTISED_UNREACHED,
            Stat::Auth { .. } => list::AUTH,
            Stat::UpstreamAuth { .. } => list::UPSTREAM_AUTH,
            Stat::BuildInfo => list::BUILD_INFO,
            Stat::ConfigurationInfo { .. } => list::CONFIGURATION_INFO,
            Stat::TopicVirtualPartitions { .. } => list::TOPIC_VIRTUAL_PARTITIONS,
            Stat::TopicPhysicalPartitions { .. } => list::TOPIC_PHYSICAL_PARTITIONS,
            Stat::TopicRequests { .. } => list::TOPIC_REQUESTS,
            Stat::TopicBytesReceived { .. } => list::TOPIC_BYTES_RECEIVED,
            Stat::TopicBytesSent { .. } => list::TOPIC_BYTES_SENT,
            Stat::TopicFetchBytesUpstream { .. } => list::TOPIC_FETCH_BYTES_UPSTREAM,
            Stat::TopicRefused { .. } => list::TOPIC_REFUSED,
            Stat::TopicUnknownLaneBatches { .. } => list::TOPIC_UNKNOWN_LANE_BATCHES,
            Stat::BrokerConnectionsActive { .. } => list::BROKER_CONNECTIONS_ACTIVE,
            Stat::BrokerRequests { .. } => list::BROKER_REQUESTS,
            Stat::BrokerErrors { .. } => list::BROKER_ERRORS,
            Stat::ResponseErrors { .. } => list::RESPONSE_ERRORS,
            Stat::HeldBytes => list::HELD_BYTES,
            Stat::HeldBytesLimit => list::HELD_BYTES_LIMIT,
            Stat::HeldBack { .. } => list::HELD_BACK,
            Stat::ShadowCommitsFailed => list::SHADOW_COMMITS_FAILED,
        }
    }

    /// The labels with their values, as a part of the name.
    fn tags(self, names: &Names) -> String {
        let values = self.values(names);
        self.described()
            .labels
            .iter()
            .zip(values)
            .fold(String::new(), |tags, (label, value)| tags + "." + label + "." + &value)
    }

    /// The values of the labels, in their order.
    fn values(self, names: &Names) -> Vec<String> {
        match self {
            Stat::Requests { api }
            | Stat::RequestDurationMs { api }
            | Stat::UpstreamRequests { api }
            | Stat::RemappedPartitions { api } => vec![api.to_owned()],
            Stat::Responses { api, outcome } => vec![api.to_owned(), outcome.text().to_owned()],
            Stat::ResponseErrors { api, code } => vec![api.to_owned(), error_name(code)],
            Stat::Errors { blame } => vec![blame.as_str().to_owned()],
            Stat::Reconnects { reason } => vec![reason.to_owned()],
            Stat::Auth { mechanism, outcome } | Stat::UpstreamAuth { mechanism, outcome } => {
                vec![mechanism.to_owned(), outcome.text().to_owned()]
            }
            Stat::BuildInfo => vec![VERSION.to_owned()],
            Stat::ConfigurationInfo { configuration } => vec![configuration.to_string()],
            Stat::TopicRequests { api, topic } => vec![api.to_owned(), names.topic(topic).to_owned()],
            Stat::TopicVirtualPartitions { topic }
            | Stat::TopicPhysicalPartitions { topic }
            | Stat::TopicBytesReceived { topic }
            | Stat::TopicBytesSent { topic }
            | Stat::TopicFetchBytesUpstream { topic }
            | Stat::TopicRefused { topic }
            | Stat::TopicUnknownLaneBatches { topic } => vec![names.topic(topic).to_owned()],
            Stat::BrokerConnectionsActive { broker }
            | Stat::BrokerRequests { broker }
            | Stat::BrokerErrors { broker } => vec![broker.text()],
            Stat::HeldBack { side } => vec![side.text().to_owned()],
            Stat::ConnectionsActive
            | Stat::ConnectionsTotal
            | Stat::BytesReceived
            | Stat::BytesSent
            | Stat::AdvertisedAround
            | Stat::AdvertisedUnreached
            | Stat::BatchesTagged
            | Stat::BatchesDropped
            | Stat::BatchesUnknownLane
            | Stat::FillerBatches
            | Stat::FetchBytesUpstream
            | Stat::FetchBytesDownstream
            | Stat::TopicMismatch
            | Stat::ShadowCommitsFailed
            | Stat::HeldBytes
            | Stat::HeldBytesLimit
            | Stat::SharedHits
            | Stat::SharedParked
            | Stat::SharedWoken
            | Stat::SharedDoorbellBytes
            | Stat::SharedBytes => vec![],
        }
    }
}

impl Names {
    /// The full name of a stat, its labels in it.
    pub fn of(&self, stat: Stat) -> String {
        format!("kafka_remapper_{}.remapper.{}{}", stat.described().name, self.prefix, stat.tags(self))
    }
}

impl Outcome {
    fn text(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Ok => "ok",
            Outcome::Retriable => "retriable",
            Outcome::Error => "error",
        }
    }
}

impl AuthOutcome {
    fn text(self) -> &'static str {
        match self {
            AuthOutcome::Success => "success",
            AuthOutcome::Failure => "failure",
            AuthOutcome::Abandoned => "abandoned",
        }
    }
}

/// Kafka's name of an error code, NOT_LEADER_OR_FOLLOWER; of one that is newer than the filter, the code.
fn error_name(code: i16) -> String {
    match ResponseError::try_from_code(code) {
        None | Some(ResponseError::Unknown(_)) => format!("code_{code}"),
        Some(error) => {
            let mut name = String::new();
            for letter in error.to_string().chars() {
                if letter.is_ascii_uppercase() && !name.is_empty() {
                    name.push('_');
                }
                name.push(letter.to_ascii_uppercase());
            }
            name
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_at_which_clients_try_again_is_none() {
        for (code, outcome) in [
            (0, Outcome::Ok),
            (15, Outcome::Retriable),
            (6, Outcome::Retriable),
            (27, Outcome::Retriable),
            (79, Outcome::Retriable),
            (17, Outcome::Error),
            (-1, Outcome::Error),
            (29, Outcome::Error),
            (i16::MAX, Outcome::Error),
        ] {
            assert_eq!(Outcome::of(code), outcome, "{code}");
        }
        assert!(Outcome::Ok < Outcome::Retriable && Outcome::Retriable < Outcome::Error);
    }

    #[test]
    fn names_have_all_labels_of_the_list_and_the_topic_comes_last() {
        let names = Names::new("k", vec!["a.outcome.b".to_owned()]);
        let topic = TopicLabel::Named(0);
        for (stat, name) in [
            (Stat::BytesSent, "bytes_sent_total.remapper.k"),
            (
                Stat::TopicRequests { api: "Fetch", topic },
                "topic_requests_total.remapper.k.api.Fetch.topic.a.outcome.b",
            ),
            (Stat::TopicBytesSent { topic: TopicLabel::Others }, "topic_bytes_sent_total.remapper.k.topic.(others)"),
            (
                Stat::ResponseErrors { api: "Fetch", code: 6 },
                "response_errors_total.remapper.k.api.Fetch.error.NOT_LEADER_OR_FOLLOWER",
            ),
            (
                Stat::ResponseErrors { api: "Fetch", code: -1 },
                "response_errors_total.remapper.k.api.Fetch.error.UNKNOWN_SERVER_ERROR",
            ),
            (
                Stat::ResponseErrors { api: "Fetch", code: 999 },
                "response_errors_total.remapper.k.api.Fetch.error.code_999",
            ),
            (Stat::BrokerErrors { broker: BrokerLabel::Id(7) }, "broker_errors_total.remapper.k.broker.7"),
            (Stat::HeldBack { side: HeldSide::Client }, "held_back_total.remapper.k.side.client"),
            (
                Stat::UpstreamAuth { mechanism: "PLAIN", outcome: AuthOutcome::Failure },
                "upstream_auth_total.remapper.k.mechanism.PLAIN.outcome.failure",
            ),
        ] {
            assert_eq!(names.of(stat), format!("kafka_remapper_{name}"));
            assert_eq!(stat.described().labels.len(), stat.values(&names).len());
        }
    }
}
