//! The configuration as it is written: serde's view of the JSON, before any value is checked.

use serde::Deserialize;

use super::filler::FillerMode;
use super::json::{Entries, Given, Object, Whole};
use super::security::raw::{PrincipalSection, SaslSection, UpstreamSection};
use super::share::ShareMode;
use crate::remapper::{Layout, OffsetEncoding};

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
    pub(super) filler: FillerMode,
    pub(super) share: ShareMode,
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
