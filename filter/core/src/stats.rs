//! What is counted, and the names under which Envoy shows it.
//!
//! A stat's tags are part of its name (`….api.Produce`); the `stats_tags` of the bootstraps in `envoy/` turn them into tags.

use crate::error::Blame;

/// One time series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stat {
    ConnectionsActive,
    ConnectionsTotal,
    Requests {
        api: &'static str,
    },
    Responses {
        api: &'static str,
        outcome: Outcome,
    },
    RequestDurationMs {
        api: &'static str,
    },
    /// Bytes from clients.
    BytesReceived,
    /// Bytes to clients.
    BytesSent,
    UpstreamRequests {
        api: &'static str,
    },
    RemappedPartitions {
        api: &'static str,
    },
    BatchesTagged,
    BatchesDropped,
    /// Those of the dropped batches whose lane the mapping does not have.
    BatchesUnknownLane,
    FillerBatches,
    FetchBytesUpstream,
    FetchBytesDownstream,
    Errors {
        blame: Blame,
    },
    TopicMismatch,
    /// Clients' authentications, and renewals of them.
    Auth {
        mechanism: &'static str,
        outcome: AuthOutcome,
    },
    /// The filter's own logins at brokers, and renewals of them.
    UpstreamAuth {
        mechanism: &'static str,
        outcome: AuthOutcome,
    },
}

/// How an authentication ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthOutcome {
    Success,
    Failure,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The answer went by untouched; what it says is not looked at.
    Passed,
    /// Answered without an error that the filter wrote or saw.
    Ok,
    /// The answer holds at least one error code.
    Error,
}

/// Envoy's kinds of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Stat {
    pub fn kind(self) -> Kind {
        match self {
            Stat::ConnectionsActive => Kind::Gauge,
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
            Stat::TopicMismatch => plain("topic_mismatch_total"),
            Stat::Auth { mechanism, outcome } => ("auth_total", authentication(mechanism, outcome)),
            Stat::UpstreamAuth { mechanism, outcome } => ("upstream_auth_total", authentication(mechanism, outcome)),
        }
    }
}

fn authentication(mechanism: &str, outcome: AuthOutcome) -> String {
    let outcome = match outcome {
        AuthOutcome::Success => "success",
        AuthOutcome::Failure => "failure",
    };
    format!(".mechanism.{mechanism}.outcome.{outcome}")
}
