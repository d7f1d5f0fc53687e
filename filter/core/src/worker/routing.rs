//! Where a connection goes, and what was seen of brokers on earlier ones.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use bytes::Bytes;

use crate::brokers::{Address, Advertise, Destination, Route};
use crate::limits::BROKER_STATS_MAX;
use crate::memory::{ProcessMemory, ReachMark};
use crate::own::brokers::Bootstrapped;
use crate::shared::Shared;
use crate::stats::BrokerLabel;

/// Where a connection was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Routed {
    /// The broker that it stands for.
    broker: Option<i32>,
    /// Where it goes. None: the host's configuration says.
    pub(crate) address: Option<Address>,
    /// It stands for a broker of which nothing is known yet.
    pub(crate) bootstrapped: Option<Bootstrapped>,
    /// The broker to the stats.
    pub(crate) label: BrokerLabel,
}

impl Routed {
    /// The broker for access logs, by its id. None: the host's configuration alone knows which one it is.
    pub(crate) fn shown(&self, shared: &Shared) -> Option<String> {
        match self.broker {
            Some(id) => Some(id.to_string()),
            None => (shared.config.advertise != Advertise::Unchanged).then(|| "bootstrap".to_owned()),
        }
    }
}

/// Sends connections to brokers.
#[derive(Debug, Default)]
pub(crate) struct Routing {
    /// Counts connections, so that bootstrap brokers take turns.
    turn: Cell<usize>,
    /// Brokers that have stats of their own.
    labelled: RefCell<HashSet<i32>>,
}

impl Routing {
    /// Where a connection goes that came in at `local_port`, and whose TLS handshake asked for `server_name`.
    pub(crate) fn route(
        &self,
        shared: &Shared,
        memory: &ProcessMemory,
        local_port: Option<u16>,
        server_name: Option<&str>,
    ) -> Routed {
        let config = &shared.config;
        let broker = config.advertise.broker_of(local_port, server_name);
        let known = broker.and_then(|id| memory.get(&memory.broker(id)));
        let is_known = known.is_some();
        if let Some(id) = broker.filter(|id| shared.broker_reached(*id)) {
            memory.put(&memory.reach(id), &ReachMark::Reached);
        }
        self.turn.set(self.turn.get().wrapping_add(1));
        let (address, bootstrapped) = match config.route.destination(broker, known, self.turn.get()) {
            Destination::Envoy => (None, None),
            Destination::Broker { address, .. } => (Some(address), None),
            Destination::Bootstrap { address, stands_for } => {
                let bootstrapped = stands_for.map(|broker| Bootstrapped { broker, connected: address.clone() });
                (Some(address), bootstrapped)
            }
        };
        // Ports and tables are the operator's. What a client asks for by name may be any number.
        let is_named = match config.advertise {
            Advertise::Sni { .. } => is_known,
            _ => matches!(config.route, Route::Envoy) || is_known,
        };
        let label = self.label(broker.filter(|_| is_named), &config.advertise);
        Routed { broker, address, bootstrapped, label }
    }

    /// `broker`: for which a connection stands, if it goes there.
    fn label(&self, broker: Option<i32>, advertise: &Advertise) -> BrokerLabel {
        let mut labelled = self.labelled.borrow_mut();
        match broker {
            Some(id) if labelled.contains(&id) => BrokerLabel::Id(id),
            Some(id) if labelled.len() < BROKER_STATS_MAX => {
                labelled.insert(id);
                BrokerLabel::Id(id)
            }
            None if *advertise != Advertise::Unchanged => BrokerLabel::Bootstrap,
            Some(_) | None => BrokerLabel::Unknown,
        }
    }
}

/// Keeps brokers' addresses for all workers, across changes of the configuration.
pub(crate) fn keep_addresses(memory: &ProcessMemory, brokers: &[(i32, Address)]) {
    brokers.iter().for_each(|(id, address)| memory.put(&memory.broker(*id), address));
}

/// The API versions of the broker that a connection was sent to, from an earlier connection.
pub(crate) fn known_versions(memory: &ProcessMemory, routed: &Routed) -> Option<Bytes> {
    memory.get(&memory.versions(routed.broker))
}

/// Keeps them for later connections.
pub(crate) fn keep_versions(memory: &ProcessMemory, routed: &Routed, versions: &Bytes) {
    memory.put(&memory.versions(routed.broker), versions);
}

/// The line of the log for a broker that no connection of this worker came in for, though clients are told of
/// it. None: another worker knows of one, or has said so.
pub(crate) fn unreached(memory: &ProcessMemory, broker: i32, advertised: &str) -> Option<String> {
    memory.create(&memory.reach(broker), &ReachMark::Said).then(|| {
        format!(
            "clients are told for a while that broker {broker} is at {advertised}, and no connection came in for it: does \
             this name lead to Envoy, and does Envoy listen at this port?"
        )
    })
}
