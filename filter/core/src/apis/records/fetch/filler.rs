//! Which clients are moved past siblings with a control batch.

use crate::config::FillerMode;
use crate::exchange::handler::Context;

/// `client_software_name`s (KIP-511) of clients that step over a control batch and take its offset as
/// consumed, each seen doing so on real brokers (the bindings of librdkafka give names of their own). Others,
/// and clients that give no name, get no filler under `fetch.filler: auto`.
pub(super) const FILLER_CLIENTS: [&str; 9] = [
    "apache-kafka-java",
    "librdkafka",
    "confluent-kafka-python",
    "confluent-kafka-go",
    "confluent-kafka-dotnet",
    "confluent-kafka-javascript",
    "kafka-python",
    "kgo",
    "sarama",
];

/// Whether this client is moved past siblings with a control batch.
pub(super) fn is_taken(cx: &Context<'_>) -> bool {
    match cx.shared.config.filler {
        FillerMode::Always => true,
        FillerMode::Never => false,
        FillerMode::Auto => {
            cx.session.software.as_ref().is_some_and(|software| FILLER_CLIENTS.contains(&software.as_str()))
        }
    }
}
