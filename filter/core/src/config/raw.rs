//! The configuration as it is written: serde's view of the JSON, before any value is checked.
//!
//! With the feature `schema` the JSON Schema of `envoy/filter-config.schema.json` is generated from these
//! types: what documents a field here is what editors show.

use serde::Deserialize;

use super::filler::FillerMode;
use super::json::{Entries, Given, Object, Whole};
use super::security::raw::{PrincipalSection, SaslSection, UpstreamSection};
use super::share::ShareMode;
use crate::remapper::{Layout, OffsetEncoding};

#[cfg(feature = "schema")]
use crate::limits::*;

/// Checks the form and the range of each field. What relates fields to each other, such as that
/// physical_partitions divides virtual_partitions, names, variables and rules' patterns, the filter checks
/// when it loads.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(title = "Kafka partition remapper: filter configuration"))]
#[serde(default, deny_unknown_fields)]
pub(super) struct Root {
    /// Tells this filter's stats from those of others, as the value of their remapper tag. What is learned of
    /// brokers is remembered under it as well: each Kafka cluster behind one Envoy needs its own.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[A-Za-z0-9_-]+$"), extend("default" = "kafka")))]
    pub(super) stat_prefix: Given<String>,
    /// Which topics are mapped, and how. Without it every topic passes through. virtual_partitions and
    /// physical_partitions here are for topics that no entry of topics matches.
    pub(super) mapping: Object<MappingSection>,
    /// How brokers are named to clients: one of unchanged, ports, sni and table.
    #[cfg_attr(feature = "schema", schemars(extend("default" = {"unchanged": {}})))]
    pub(super) advertise: Given<Object<AdvertiseSection>>,
    /// How a connection finds its broker: one of envoy and dynamic.
    #[cfg_attr(feature = "schema", schemars(extend("default" = {"envoy": {}})))]
    pub(super) route: Given<Object<RouteSection>>,
    /// How the committed offsets of lanes above 0 stay alive.
    pub(super) shadow_groups: Object<ShadowGroups>,
    /// How records are read.
    pub(super) fetch: Object<Fetch>,
    /// How clients prove to the filter who they are. Without it SASL is between them and the broker.
    pub(super) sasl: Given<Object<SaslSection>>,
    /// Who clients are by their certificates, where there is no sasl.
    pub(super) principal: Given<Object<PrincipalSection>>,
    /// Who the filter is to brokers.
    pub(super) upstream: Given<Object<UpstreamSection>>,
    /// What a connection, and all of a worker together, may hold.
    pub(super) limits: Object<LimitsSection>,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "mapping"))]
#[serde(default, deny_unknown_fields)]
pub(super) struct MappingSection {
    /// Partitions that clients see: a multiple of physical_partitions.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = i32::MAX)))]
    pub(super) virtual_partitions: Given<Whole>,
    /// Partitions that the topic has on the broker.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = i32::MAX)))]
    pub(super) physical_partitions: Given<Whole>,
    /// Physical offsets stay below this. Times virtual_partitions / physical_partitions it is at most 2^63.
    #[cfg_attr(feature = "schema", schemars(
        range(min = OFFSET_RANGE_MIN, max = i64::MAX), extend("default" = OFFSET_RANGE_DEFAULT),
    ))]
    pub(super) offset_range: Given<Whole>,
    /// Which virtual partitions share a physical one: those with the same remainder by physical_partitions,
    /// or neighbours.
    #[cfg_attr(feature = "schema", schemars(extend("default" = "modulo")))]
    pub(super) layout: Given<Layout>,
    /// Whether clients see physical offsets, or offsets that name their lane.
    #[cfg_attr(feature = "schema", schemars(extend("default" = "identity")))]
    pub(super) offset_encoding: Given<OffsetEncoding>,
    /// An exact name goes before any regex; regexes are tried in this order. Topics that start with __ are
    /// never mapped.
    #[cfg_attr(feature = "schema", schemars(extend("default" = [])))]
    pub(super) topics: Vec<Object<TopicEntry>>,
}

/// One topic by name, or all whose whole name the regex matches. What is left out is as at the top of
/// mapping.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "topic", extend(
    "oneOf" = [{"required": ["name"]}, {"required": ["regex"]}],
    "if" = {"required": ["passthrough"], "properties": {"passthrough": {"const": true}}},
    "then" = {"propertyNames": {"enum": ["name", "regex", "passthrough"]}},
)))]
#[serde(default, deny_unknown_fields)]
pub(super) struct TopicEntry {
    /// The topic of this name.
    #[cfg_attr(feature = "schema", schemars(
        length(min = 1, max = TOPIC_NAME_BYTES_MAX),
        regex(pattern = "^[A-Za-z0-9._-]+$"),
        extend("not" = {"pattern": "^(__|\\.{1,2}$)"}),
    ))]
    pub(super) name: Given<String>,
    /// In the syntax of Rust's regex crate: no look-around, no back-references.
    pub(super) regex: Given<String>,
    /// Leaves these topics untouched.
    pub(super) passthrough: bool,
    /// Partitions that clients see: a multiple of physical_partitions.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = i32::MAX)))]
    pub(super) virtual_partitions: Given<Whole>,
    /// Partitions that the topic has on the broker.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = i32::MAX)))]
    pub(super) physical_partitions: Given<Whole>,
    /// Physical offsets stay below this.
    #[cfg_attr(feature = "schema", schemars(range(min = OFFSET_RANGE_MIN, max = i64::MAX)))]
    pub(super) offset_range: Given<Whole>,
    /// Which virtual partitions share a physical one.
    pub(super) layout: Given<Layout>,
    /// Whether clients see physical offsets, or offsets that name their lane.
    pub(super) offset_encoding: Given<OffsetEncoding>,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(
    rename = "advertise", extend("minProperties" = 1, "maxProperties" = 1),
))]
#[serde(default, deny_unknown_fields)]
pub(super) struct AdvertiseSection {
    /// As they name themselves; for a sidecar that captures the client's traffic.
    pub(super) unchanged: Given<Object<Nothing>>,
    /// One port per broker: host:(base + id).
    pub(super) ports: Given<Object<PortsSection>>,
    /// One name per broker, told apart by the TLS server name.
    pub(super) sni: Given<Object<SniSection>>,
    /// Each broker id with its host:port.
    #[cfg_attr(feature = "schema", schemars(extend("minProperties" = 1), schema_with = "super::schema::table"))]
    pub(super) table: Given<Entries<String>>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
#[serde(deny_unknown_fields)]
pub(super) struct PortsSection {
    /// A host name or IP address.
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)$"))
    )]
    pub(super) host: String,
    /// The port of broker 0, whether there is one or not.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = u16::MAX)))]
    pub(super) base: Whole,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
#[serde(deny_unknown_fields)]
pub(super) struct SniSection {
    /// A host name with {id} in it once.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[A-Za-z0-9._-]*\{id\}[A-Za-z0-9._-]*$")))]
    pub(super) host: String,
    /// The port of all brokers.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = u16::MAX)))]
    pub(super) port: Whole,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(
    rename = "route", extend("minProperties" = 1, "maxProperties" = 1),
))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RouteSection {
    /// The listener's cluster decides.
    pub(super) envoy: Given<Object<Nothing>>,
    /// The broker id comes from the local port or the TLS server name, by way of advertise.
    pub(super) dynamic: Given<Object<DynamicSection>>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
#[serde(deny_unknown_fields)]
pub(super) struct DynamicSection {
    /// Brokers that are asked first, in turn.
    #[cfg_attr(feature = "schema", schemars(length(min = 1), schema_with = "super::schema::addresses"))]
    pub(super) bootstrap: Vec<String>,
    /// host:port of a broker, with {id} in the host once. Without it, brokers are reached as they name
    /// themselves.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[A-Za-z0-9._-]*\{id\}[A-Za-z0-9._-]*:[0-9]+$")))]
    #[serde(default)]
    pub(super) address: Given<String>,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "shadow_groups"))]
#[serde(default, deny_unknown_fields)]
pub(super) struct ShadowGroups {
    /// How long the broker keeps the committed offsets of lanes above 0, in milliseconds from their last
    /// commit or renewal: one day to a hundred years. Without it, as long as those of any group without
    /// members (offsets.retention.minutes).
    #[cfg_attr(feature = "schema", schemars(range(min = SHADOW_RETENTION_MS_MIN, max = SHADOW_RETENTION_MS_MAX)))]
    pub(super) retention_ms: Given<Whole>,
    /// Milliseconds between two renewals of what a member has committed to lanes above 0. Must be well below
    /// the brokers' offsets.retention.minutes; at most half of retention_ms.
    #[cfg_attr(feature = "schema", schemars(
        range(min = RENEW_MS_MIN, max = RENEW_MS_MAX), extend("default" = RENEW_MS_DEFAULT),
    ))]
    pub(super) renew_ms: Given<Whole>,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "fetch"))]
#[serde(default, deny_unknown_fields)]
pub(super) struct Fetch {
    /// Whether a control batch moves consumers past the records of trailing siblings: for clients known to
    /// take it well, always or never.
    #[cfg_attr(feature = "schema", schemars(extend("default" = "auto")))]
    pub(super) filler: FillerMode,
    /// Whether a physical partition that several connections of an Envoy worker read is read once for all of
    /// them.
    #[cfg_attr(feature = "schema", schemars(extend("default" = "auto")))]
    pub(super) share: ShareMode,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "limits"))]
#[serde(default, deny_unknown_fields)]
pub(super) struct LimitsSection {
    /// Longest request in bytes; one that has to be rewritten also at most half of worker_bytes, and 256 MiB.
    /// Answers may be of 100 MiB in any case.
    #[cfg_attr(feature = "schema", schemars(
        range(min = FRAME_BYTES_MIN, max = FRAME_BYTES_MAX), extend("default" = FRAME_BYTES_DEFAULT),
    ))]
    pub(super) frame_bytes: Given<Whole>,
    /// Most bytes of records that one upstream fetch asks for; at most half of frame_bytes. Default:
    /// 16777216, or half of frame_bytes if that is less.
    #[cfg_attr(feature = "schema", schemars(range(min = FETCH_MAX_BYTES_MIN, max = FETCH_MAX_BYTES_MAX)))]
    pub(super) fetch_max_bytes: Given<Whole>,
    /// Requests of one client that wait for an answer; beyond it the filter stops reading. What Envoy has
    /// read by then, some 1 MiB, is still handled.
    #[cfg_attr(feature = "schema", schemars(
        range(min = 1, max = IN_FLIGHT_REQUESTS_MAX), extend("default" = IN_FLIGHT_REQUESTS_DEFAULT),
    ))]
    pub(super) in_flight_requests: Given<Whole>,
    /// Bytes of memory that all connections of a worker may hold together. A worker's VM has 1 GiB; twice
    /// frame_bytes (of up to 256 MiB) and 48 MiB of it are left for other things; the default is what
    /// remains, if that is less than 512 MiB.
    #[cfg_attr(feature = "schema", schemars(
        range(min = WORKER_BYTES_MIN, max = WORKER_BYTES_MAX), extend("default" = WORKER_BYTES_DEFAULT),
    ))]
    pub(super) worker_bytes: Given<Whole>,
    /// Milliseconds from a connection's beginning until its client must have proved who it is by SASL, or,
    /// without a section sasl, until its first request must be here. Later the connection is closed.
    /// Authenticating again has no such deadline.
    #[cfg_attr(feature = "schema", schemars(
        range(min = AUTHENTICATION_MS_MIN, max = AUTHENTICATION_MS_MAX),
        extend("default" = AUTHENTICATION_MS_DEFAULT),
    ))]
    pub(super) authentication_ms: Given<Whole>,
}
