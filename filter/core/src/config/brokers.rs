//! The `advertise` and `route` sections: one of several forms each.

use std::collections::BTreeMap;

use super::error::ConfigError;
use super::json::{within, Entries, Given, Object, Whole};
use super::raw::{AdvertiseSection, DynamicSection, PortsSection, RouteSection, SniSection};
use crate::brokers::address::{parse_host, Address, AddressError};
use crate::brokers::{Advertise, Bootstrap, DynamicRoute, Route};

pub(super) fn advertise(given: Given<Object<AdvertiseSection>>) -> Result<Advertise, ConfigError> {
    let Some(Object(raw)) = given.0 else {
        return Ok(Advertise::default());
    };
    match (raw.unchanged.0, raw.ports.0, raw.sni.0, raw.table.0) {
        (Some(_), None, None, None) => Ok(Advertise::Unchanged),
        (None, Some(Object(ports)), None, None) => advertise_ports(&ports),
        (None, None, Some(Object(sni)), None) => advertise_sni(&sni),
        (None, None, None, Some(Entries(table))) => advertise_table(table),
        _ => Err(ConfigError::at("advertise", "exactly one of unchanged, ports, sni and table is needed")),
    }
}

fn advertise_ports(raw: &PortsSection) -> Result<Advertise, ConfigError> {
    let host = quoting("advertise.ports.host", &raw.host, parse_host)?;
    Ok(Advertise::Ports { host, base: port("advertise.ports.base", raw.base)? })
}

fn advertise_sni(raw: &SniSection) -> Result<Advertise, ConfigError> {
    let host = quoting("advertise.sni.host", &raw.host, str::parse)?;
    Ok(Advertise::Sni { host, port: port("advertise.sni.port", raw.port)? })
}

fn advertise_table(raw: BTreeMap<String, String>) -> Result<Advertise, ConfigError> {
    let mut table = BTreeMap::new();
    // Two brokers under one address would be one broker to a client, and half of its requests lost.
    let mut holders = BTreeMap::new();
    for (key, text) in raw {
        let path = format!("advertise.table.{key}");
        let id = broker_id(&key).ok_or_else(|| ConfigError::at(&path, "the key is no broker id of 0..=2147483647"))?;
        let address: Address = quoting(&path, &text, str::parse)?;
        let named = Address { host: address.host.to_ascii_lowercase(), port: address.port };
        if let Some(other) = holders.insert(named, id) {
            return Err(ConfigError::at(&path, format_args!("{text:?} is the address of broker {other} already")));
        }
        table.insert(id, address);
    }
    if table.is_empty() {
        return Err(ConfigError::at("advertise.table", "at least one broker is needed"));
    }
    Ok(Advertise::Table(table))
}

/// An id in its one decimal spelling, so that no two keys can mean the same broker.
fn broker_id(key: &str) -> Option<i32> {
    key.parse().ok().filter(|id: &i32| *id >= 0 && id.to_string() == key)
}

pub(super) fn route(given: Given<Object<RouteSection>>, advertise: &Advertise) -> Result<Route, ConfigError> {
    let Some(Object(raw)) = given.0 else {
        return Ok(Route::default());
    };
    match (raw.envoy.0, raw.dynamic.0) {
        (Some(_), None) => Ok(Route::Envoy),
        (None, Some(_)) if *advertise == Advertise::Unchanged => Err(ConfigError::at(
            "route.dynamic",
            "needs ports, sni or table in advertise; with unchanged no connection tells which broker it is for",
        )),
        (None, Some(Object(dynamic))) => route_dynamic(&dynamic).map(Route::Dynamic),
        _ => Err(ConfigError::at("route", "exactly one of envoy and dynamic is needed")),
    }
}

fn route_dynamic(raw: &DynamicSection) -> Result<DynamicRoute, ConfigError> {
    let mut addresses = Vec::with_capacity(raw.bootstrap.len());
    for (index, text) in raw.bootstrap.iter().enumerate() {
        addresses.push(quoting(&format!("route.dynamic.bootstrap[{index}]"), text, str::parse)?);
    }
    let mut addresses = addresses.into_iter();
    let first = addresses
        .next()
        .ok_or_else(|| ConfigError::at("route.dynamic.bootstrap", "at least one host:port is needed"))?;
    let template = raw.address.0.as_deref();
    let address = template.map(|text| quoting("route.dynamic.address", text, str::parse)).transpose()?;
    Ok(DynamicRoute { bootstrap: Bootstrap { first, others: addresses.collect() }, address })
}

fn port(path: &str, number: Whole) -> Result<u16, ConfigError> {
    within(path, Given(Some(number)), 1, 1..=u16::MAX)
}

/// Reads a text by `read`; its error gets the path, and the text before what is said about it.
fn quoting<T>(path: &str, text: &str, read: impl Fn(&str) -> Result<T, AddressError>) -> Result<T, ConfigError> {
    read(text).map_err(|error| ConfigError::at(path, format_args!("{text:?} {error}")))
}
