//! Who is who among brokers: how a broker is named to clients (`advertise`), which broker a connection
//! stands for, and where it has to go (`route`).

pub mod address;

use std::collections::BTreeMap;

pub use self::address::Address;
use self::address::{AddressTemplate, HostTemplate};

/// How a broker is named to clients in Metadata, FindCoordinator and the like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Advertise {
    /// As the broker names itself; for a sidecar that captures the client's traffic.
    #[default]
    Unchanged,
    /// One port per broker: `host:(base + id)`.
    Ports {
        /// The name or IP address under which clients reach Envoy; an IPv6 address without brackets.
        host: String,
        /// The port of broker 0, 1..=65535.
        base: u16,
    },
    /// One name per broker: the TLS server name says which broker a connection is for.
    Sni {
        /// The name that each broker gets.
        host: HostTemplate,
        /// The port of all brokers, 1..=65535.
        port: u16,
    },
    /// Every broker by hand.
    Table(BTreeMap<i32, Address>),
}

impl Advertise {
    /// The host and port that clients get for the broker that names itself `host:port`. `None` if it has
    /// no name there (not in the table, its port beyond 65535, or a negative id): a client must not be
    /// sent around the filter, so the caller leaves such a broker out.
    pub fn address(&self, broker_id: i32, host: &str, port: i32) -> Option<(String, i32)> {
        match self {
            Self::Unchanged => Some((host.to_owned(), port)),
            Self::Ports { host, base } => {
                let port = u16::try_from(i32::from(*base).checked_add(broker_id)?).ok()?;
                (broker_id >= 0).then(|| (host.clone(), port.into()))
            }
            Self::Sni { host, port } => (broker_id >= 0).then(|| (host.fill(broker_id), i32::from(*port))),
            Self::Table(table) => table.get(&broker_id).map(|address| (address.host.clone(), address.port.into())),
        }
    }

    /// The broker that a connection stands for, from the port that it came in at and the name that its TLS
    /// handshake asked for. `None` for any other port or name: that is the bootstrap. The id may be one
    /// that no broker has.
    pub fn broker_of(&self, local_port: Option<u16>, sni: Option<&str>) -> Option<i32> {
        match self {
            Self::Unchanged => None,
            Self::Ports { base, .. } => local_port?.checked_sub(*base).map(i32::from),
            Self::Sni { host, .. } => host.id_of(sni?),
            Self::Table(table) => broker_in_table(table, local_port, sni),
        }
    }
}

/// The one entry that fits best: by name and port, else by name, else by port. Brokers that share a name
/// differ by port, and the port of the connection need not be the advertised one.
fn broker_in_table(table: &BTreeMap<i32, Address>, local_port: Option<u16>, sni: Option<&str>) -> Option<i32> {
    let has_name = |address: &Address| sni.is_some_and(|sni| sni.eq_ignore_ascii_case(&address.host));
    let has_port = |address: &Address| local_port == Some(address.port);
    only(table, |address| has_name(address) && has_port(address))
        .or_else(|| only(table, has_name))
        .or_else(|| only(table, has_port))
}

/// The id of the one entry that fits; `None` if none or several do.
fn only(table: &BTreeMap<i32, Address>, fits: impl Fn(&Address) -> bool) -> Option<i32> {
    let mut fitting = table.iter().filter(|(_, address)| fits(address));
    let (id, _) = fitting.next()?;
    fitting.next().is_none().then_some(*id)
}

/// Who decides where a client's connection goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// Envoy, by the cluster of the listener.
    #[default]
    Envoy,
    /// The filter, by the broker that the connection stands for.
    Dynamic(DynamicRoute),
}

/// Where the filter finds brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicRoute {
    /// Brokers that are asked first; there is at least one.
    pub bootstrap: Bootstrap,
    /// A broker's address by its id. Without it, brokers are reached as they name themselves.
    pub address: Option<AddressTemplate>,
}

impl DynamicRoute {
    /// Where broker `id` is reached that names itself `known`.
    pub(crate) fn address_of(&self, id: i32, known: Address) -> Address {
        self.address.as_ref().map_or(known, |template| template.fill(id))
    }
}

/// Whether a client that is told `advertised` of broker `id` would reach the broker itself: at the address
/// that it gives itself (`own`), or at which the filter reaches it.
pub(crate) fn leads_around(
    advertise: &Advertise,
    route: &Route,
    id: i32,
    own: (&str, i32),
    advertised: (&str, i32),
) -> bool {
    let is_advertised = |host: &str, port: i32| advertised.1 == port && advertised.0.eq_ignore_ascii_case(host);
    let reached = match (route, Address::of(own.0, own.1)) {
        (Route::Dynamic(route), Some(known)) => Some(route.address_of(id, known)),
        _ => None,
    };
    *advertise != Advertise::Unchanged
        && (is_advertised(own.0, own.1) || reached.is_some_and(|at| is_advertised(&at.host, at.port.into())))
}

/// A list of addresses that is never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// The address that is asked first.
    pub first: Address,
    /// The addresses that are asked after the first, in the order of the configuration.
    pub others: Vec<Address>,
}

impl Bootstrap {
    /// The address whose turn it is, round and round.
    fn at(&self, turn: usize) -> &Address {
        let index = turn % (self.others.len() + 1);
        index.checked_sub(1).and_then(|other| self.others.get(other)).unwrap_or(&self.first)
    }
}

/// Where a connection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Where Envoy's configuration says.
    Envoy,
    /// To the broker that it stands for.
    Broker {
        /// The broker's id, 0 or more.
        id: i32,
        /// Where the filter reaches the broker.
        address: Address,
    },
    /// To any broker.
    Bootstrap {
        /// The bootstrap address whose turn it is.
        address: Address,
        /// The broker that the connection stands for, whose address is not known yet: Metadata must show
        /// whether there is such a broker, and the connection may not stay if there is. `None`: the
        /// connection stands for no broker.
        stands_for: Option<i32>,
    },
}

impl Route {
    /// Where a connection that stands for `broker` goes. `known` is the address that this broker gave
    /// itself in Metadata, if any was seen; `turn` picks the bootstrap address, and a caller that counts it
    /// up passes over a dead one at the next attempt.
    ///
    /// The template alone never decides: it has an address for any id, also for a port that no broker
    /// stands behind and that is meant for the bootstrap.
    pub fn destination(&self, broker: Option<i32>, known: Option<Address>, turn: usize) -> Destination {
        let Self::Dynamic(route) = self else {
            return Destination::Envoy;
        };
        match (broker, known) {
            (Some(id), Some(known)) => Destination::Broker { id, address: route.address_of(id, known) },
            (stands_for, _) => Destination::Bootstrap { address: route.bootstrap.at(turn).clone(), stands_for },
        }
    }
}

#[cfg(test)]
mod tests;
