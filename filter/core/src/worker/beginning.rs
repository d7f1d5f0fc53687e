//! The stats that are there from the start, with 0: so that a rate can be asked for before the first event,
//! and that a look at what is there tells what can be. Those by API come with the first request of each API.

use super::command::Commands;
use crate::brokers::Advertise;
use crate::error::{Blame, RECONNECT_REASONS};
use crate::limits::BROKER_STATS_MAX;
use crate::shared::Shared;
use crate::stats::{AuthOutcome, BrokerLabel, HeldSide, Stat, TopicLabel};
use crate::topics;

/// Those without labels.
const PLAIN: [Stat; 21] = [
    Stat::ConnectionsActive,
    Stat::ConnectionsTotal,
    Stat::BytesReceived,
    Stat::BytesSent,
    Stat::AdvertisedAround,
    Stat::AdvertisedUnreached,
    Stat::BatchesTagged,
    Stat::BatchesDropped,
    Stat::BatchesUnknownLane,
    Stat::FillerBatches,
    Stat::FetchBytesUpstream,
    Stat::FetchBytesDownstream,
    Stat::TopicMismatch,
    Stat::ShadowCommitsFailed,
    Stat::HeldBytes,
    Stat::HeldBytesLimit,
    Stat::SharedHits,
    Stat::SharedParked,
    Stat::SharedWoken,
    Stat::SharedDoorbellBytes,
    Stat::SharedBytes,
];

/// Lets the host know of all stats whose labels are known now.
pub(crate) fn begin(shared: &Shared, shown: Vec<Stat>, commands: &Commands) {
    let mut stats = PLAIN.to_vec();
    stats.extend(shown);
    stats.extend([Blame::Client, Blame::Broker, Blame::Config, Blame::Bug].map(|blame| Stat::Errors { blame }));
    stats.extend(RECONNECT_REASONS.map(|(reason, _)| Stat::Reconnects { reason }));
    stats.extend([HeldSide::Client, HeldSide::Broker].map(|side| Stat::HeldBack { side }));
    stats.extend(brokers(shared));
    stats.extend(topics(shared));
    stats.extend(logins(shared));
    stats.into_iter().for_each(|stat| commands.count(stat, 0));
}

fn brokers(shared: &Shared) -> Vec<Stat> {
    let mut brokers = vec![BrokerLabel::Bootstrap, BrokerLabel::Unknown];
    if let Advertise::Table(table) = &shared.config.advertise {
        brokers.extend(table.keys().map(|id| BrokerLabel::Id(*id)).take(BROKER_STATS_MAX));
    }
    let of = |broker| {
        [Stat::BrokerConnectionsActive { broker }, Stat::BrokerRequests { broker }, Stat::BrokerErrors { broker }]
    };
    brokers.into_iter().flat_map(of).collect()
}

fn topics(shared: &Shared) -> Vec<Stat> {
    let named = topics::labelled(&shared.config.mapping).zip(0..).map(|(_, number)| TopicLabel::Named(number));
    let others = shared.topics.maps_others().then_some(TopicLabel::Others);
    let of = |topic| {
        [
            Stat::TopicRequests { api: "Produce", topic },
            Stat::TopicRequests { api: "Fetch", topic },
            Stat::TopicBytesReceived { topic },
            Stat::TopicBytesSent { topic },
            Stat::TopicFetchBytesUpstream { topic },
            Stat::TopicRefused { topic },
            Stat::TopicUnknownLaneBatches { topic },
        ]
    };
    named.chain(others).flat_map(of).collect()
}

fn logins(shared: &Shared) -> Vec<Stat> {
    let outcomes = [AuthOutcome::Success, AuthOutcome::Failure, AuthOutcome::Abandoned];
    let mut stats = vec![];
    if let Some(sasl) = &shared.config.sasl {
        for mechanism in sasl.mechanisms.iter().map(|mechanism| mechanism.name()) {
            stats.extend(outcomes.map(|outcome| Stat::Auth { mechanism, outcome }));
        }
        stats.push(Stat::Auth { mechanism: "other", outcome: AuthOutcome::Failure });
    }
    if let Some(upstream) = &shared.config.upstream {
        let mechanism = upstream.mechanism.name();
        let outcomes = [AuthOutcome::Success, AuthOutcome::Failure];
        stats.extend(outcomes.map(|outcome| Stat::UpstreamAuth { mechanism, outcome }));
    }
    stats
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_stat_without_labels_is_there_from_the_start() {
        let listed = BTreeSet::from_iter(Stat::names_without_labels("k"));
        assert_eq!(BTreeSet::from_iter(PLAIN.map(|stat| stat.name("k"))), listed);
    }
}
