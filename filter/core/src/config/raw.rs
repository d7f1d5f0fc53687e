//! The configuration as it is written: serde's view of the JSON, before any value is checked.
//!
//! A field is either [`Given`] or absent. `null` is refused wherever it stands: a section whose contents
//! got lost, say by a slip of indentation, must not count as left out.

use std::collections::btree_map::{BTreeMap, Entry};
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Unexpected, Visitor};
use serde::Deserialize;

use super::security::raw::{PrincipalSection, SaslSection, UpstreamSection};
use crate::remapper::{Layout, OffsetEncoding};

/// A field that may be absent, but not `null`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<T>(pub(super) Option<T>);

impl<T> Default for Given<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(|value| Self(Some(value)))
    }
}

/// A JSON object. Derived structs would take an array as well, its items in the order of their fields.
#[derive(Debug, Default)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// A JSON object whose keys are not known beforehand, each of them once. JSON leaves open what two entries of one name mean,
/// and of a map serde would take the last in silence.
#[derive(Debug)]
pub(super) struct Entries<T>(pub(super) BTreeMap<String, T>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some((key, value)) = map.next_entry()? {
            match entries.entry(key) {
                Entry::Vacant(place) => place.insert(value),
                Entry::Occupied(place) => {
                    return Err(A::Error::custom(format_args!("{:?} is listed already", place.key())));
                }
            };
        }
        Ok(Entries(entries))
    }
}

/// A whole number. Also written as a float without a fraction: Envoy keeps the numbers of a Struct as
/// doubles, and may write large ones with an exponent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole(pub(super) i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number below 2^63")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Whole, E> {
        Ok(Whole(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Whole, E> {
        i64::try_from(value).map(Whole).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Whole, E> {
        // 2^63 is a float; every smaller whole one is an i64.
        if value.fract() == 0.0 && value.abs() < 9_223_372_036_854_775_808.0 {
            Ok(Whole(value as i64))
        } else {
            Err(E::invalid_value(Unexpected::Float(value), &self))
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Root {
    pub(super) stat_prefix: Given<String>,
    pub(super) mapping: Object<MappingSection>,
    pub(super) advertise: Given<Object<AdvertiseSection>>,
    pub(super) route: Given<Object<RouteSection>>,
    pub(super) shadow_groups: Object<ShadowGroups>,
    pub(super) fetch: Object<Fetch>,
    pub(super) sasl: Given<Object<SaslSection>>,
    pub(super) principal: Given<Object<PrincipalSection>>,
    pub(super) upstream: Given<Object<UpstreamSection>>,
    pub(super) limits: Object<LimitsSection>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MappingSection {
    pub(super) virtual_partitions: Given<Whole>,
    pub(super) physical_partitions: Given<Whole>,
    pub(super) offset_range: Given<Whole>,
    pub(super) layout: Given<Layout>,
    pub(super) offset_encoding: Given<OffsetEncoding>,
    pub(super) topics: Vec<Object<TopicEntry>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TopicEntry {
    pub(super) name: Given<String>,
    pub(super) regex: Given<String>,
    pub(super) passthrough: bool,
    pub(super) virtual_partitions: Given<Whole>,
    pub(super) physical_partitions: Given<Whole>,
    pub(super) offset_range: Given<Whole>,
    pub(super) layout: Given<Layout>,
    pub(super) offset_encoding: Given<OffsetEncoding>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AdvertiseSection {
    pub(super) unchanged: Given<Object<Nothing>>,
    pub(super) ports: Given<Object<PortsSection>>,
    pub(super) sni: Given<Object<SniSection>>,
    pub(super) table: Given<Entries<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PortsSection {
    pub(super) host: String,
    pub(super) base: Whole,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SniSection {
    pub(super) host: String,
    pub(super) port: Whole,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RouteSection {
    pub(super) envoy: Given<Object<Nothing>>,
    pub(super) dynamic: Given<Object<DynamicSection>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DynamicSection {
    pub(super) bootstrap: Vec<String>,
    #[serde(default)]
    pub(super) address: Given<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ShadowGroups {
    pub(super) retention_ms: Given<Whole>,
    pub(super) renew_ms: Given<Whole>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Fetch {
    pub(super) filler: super::FillerMode,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LimitsSection {
    pub(super) frame_bytes: Given<Whole>,
    pub(super) fetch_max_bytes: Given<Whole>,
    pub(super) in_flight_requests: Given<Whole>,
    pub(super) worker_bytes: Given<Whole>,
    pub(super) authentication_ms: Given<Whole>,
}
