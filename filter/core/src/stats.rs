//! What is counted, and the names under which Envoy shows it.
//!
//! A stat's tags are part of its name (`….api.Produce`); the `stats_tags` of the bootstraps in `envoy/` turn
//! them into tags.

use kafka_protocol::ResponseError;

use crate::error::Blame;

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
        // Not called retriable in Kafka, but as much part of a group's life: the member joins (again).
        let joining = [ResponseError::RebalanceInProgress, ResponseError::MemberIdRequired];
        match ResponseError::try_from_code(error_code) {
            None => Self::Ok,
            Some(error) if error.is_retriable() || joining.contains(&error) => Self::Retriable,
            Some(_) => Self::Error,
        }
    }
}

/// Envoy's kinds of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up only.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution of values.
    Histogram,
}

impl Stat {
    /// Which kind of metric Envoy keeps for it.
    pub fn kind(self) -> Kind {
        match self {
            Stat::ConnectionsActive | Stat::SharedBytes => Kind::Gauge,
            Stat::RequestDurationMs { .. } => Kind::Histogram,
            _ => Kind::Counter,
        }
    }

    /// The full name; `prefix` is the configuration's `stat_prefix`.
    pub fn name(self, prefix: &str) -> String {
        let (base, tags) = self.parts();
        format!("kafka_remapper_{base}.remapper.{prefix}{tags}")
    }

    fn parts(self) -> (&'static str, String) {
        let plain = |base| (base, String::new());
        let api = |base, api: &str| (base, format!(".api.{api}"));
        match self {
            Stat::ConnectionsActive => plain("connections_active"),
            Stat::ConnectionsTotal => plain("connections_total"),
            Stat::Requests { api: name } => api("requests_total", name),
            Stat::Responses { api, outcome } => {
                let outcome = match outcome {
                    Outcome::Passed => "passed",
                    Outcome::Ok => "ok",
                    Outcome::Retriable => "retriable",
                    Outcome::Error => "error",
                };
                ("responses_total", format!(".api.{api}.outcome.{outcome}"))
            }
            Stat::RequestDurationMs { api: name } => api("request_duration_ms", name),
            Stat::BytesReceived => plain("bytes_received_total"),
            Stat::BytesSent => plain("bytes_sent_total"),
            Stat::UpstreamRequests { api: name } => api("upstream_requests_total", name),
            Stat::RemappedPartitions { api: name } => api("remapped_partitions_total", name),
            Stat::BatchesTagged => plain("batches_tagged_total"),
            Stat::BatchesDropped => plain("batches_dropped_total"),
            Stat::BatchesUnknownLane => plain("batches_unknown_lane_total"),
            Stat::FillerBatches => plain("filler_batches_total"),
            Stat::FetchBytesUpstream => plain("fetch_bytes_upstream_total"),
            Stat::FetchBytesDownstream => plain("fetch_bytes_downstream_total"),
            Stat::Errors { blame } => ("errors_total", format!(".blame.{}", blame.as_str())),
            Stat::Reconnects { reason } => ("reconnects_total", format!(".reason.{reason}")),
            Stat::TopicMismatch => plain("topic_mismatch_total"),
            Stat::SharedHits => plain("shared_hits_total"),
            Stat::SharedParked => plain("shared_parked_total"),
            Stat::SharedWoken => plain("shared_woken_total"),
            Stat::SharedDoorbellBytes => plain("shared_doorbell_bytes_total"),
            Stat::SharedBytes => plain("shared_bytes"),
            Stat::AdvertisedAround => plain("advertised_around_total"),
            Stat::AdvertisedUnreached => plain("advertised_unreached_total"),
            Stat::Auth { mechanism, outcome } => ("auth_total", authentication(mechanism, outcome)),
            Stat::UpstreamAuth { mechanism, outcome } => ("upstream_auth_total", authentication(mechanism, outcome)),
        }
    }
}

fn authentication(mechanism: &str, outcome: AuthOutcome) -> String {
    let outcome = match outcome {
        AuthOutcome::Success => "success",
        AuthOutcome::Failure => "failure",
        AuthOutcome::Abandoned => "abandoned",
    };
    format!(".mechanism.{mechanism}.outcome.{outcome}")
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
}
