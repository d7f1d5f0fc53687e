//! The filter's configuration: one JSON object, read once and turned into values that cannot be wrong.
//!
//! An error names the path of the field and what would be right, since the text
//! ends up in the log line with which Envoy refuses a listener. `envoy/filter-config.schema.json`
//! describes the same for editors.

mod brokers;
mod mapping;
mod protobuf;
mod security;

mod error;
mod filler;
mod json;
mod raw;
#[cfg(feature = "schema")]
mod schema;
mod share;

use self::json::{within, Given, Object, Whole};
use self::raw::LimitsSection;
use crate::brokers::{Advertise, Route};
use crate::limits::*;
use crate::principal;
use crate::sasl::identities::BrokerIdentities;
use crate::sasl::Sasl;
use crate::topics::mapping::Mapping;

pub use self::error::ConfigError;
pub(crate) use self::filler::FillerMode;
#[cfg(feature = "schema")]
pub use self::schema::schema;
pub(crate) use self::share::ShareMode;

/// Everything that can be configured, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Keeps this filter's stats apart from those of others: one or more of `[A-Za-z0-9_-]`.
    pub stat_prefix: String,
    /// Which topics are mapped, and how (`mapping`).
    pub mapping: Mapping,
    /// How brokers are named to clients (`advertise`).
    pub advertise: Advertise,
    /// Who decides where connections go (`route`).
    pub route: Route,
    pub(crate) filler: FillerMode,
    pub(crate) share: ShareMode,
    /// What connections may hold, and for how long (`limits`).
    pub limits: Limits,
    /// How long the broker keeps the committed offsets of lanes above 0, in milliseconds from their last
    /// commit or renewal. `None`: as long as those of any group without members.
    pub shadow_retention_ms: Option<i64>,
    /// Milliseconds between two renewals of what a member has committed to lanes above 0.
    pub shadow_renew_ms: u64,
    /// How clients prove who they are. `None`: SASL is between them and the broker.
    pub sasl: Option<Sasl>,
    /// Who clients are by their certificates, where there is no `sasl`. `None`: nobody.
    pub principal: Option<principal::Principals>,
    /// Who the filter is to brokers. `None`: it says nothing of itself.
    pub upstream: Option<BrokerIdentities>,
    /// Clients may administer users, ACLs, quotas and brokers in the name that brokers see for all of them.
    pub shared_administration: bool,
}

/// What a connection, and all of a worker together, may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest frame in bytes, in both directions.
    pub frame_bytes: usize,
    /// Most bytes of records that one upstream fetch asks for; at most half of `frame_bytes`.
    pub fetch_max_bytes: i32,
    /// Requests of one client that wait for an answer; beyond it the filter stops reading.
    pub in_flight_requests: usize,
    /// Bytes that all connections of a worker may hold together.
    pub worker_bytes: usize,
    /// Milliseconds that a connection has to prove who its client is; without `sasl`, to bring its first
    /// request.
    pub authentication_ms: u64,
}

impl Config {
    /// Reads and checks a configuration. Empty text is an empty object: nothing is mapped. `environment`
    /// gives the values of environment variables that secrets name.
    ///
    /// # Errors
    /// On text that is no JSON object, on unknown fields, and on any value out of its range. No secret is
    /// shown.
    pub fn parse(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        if text.len() > CONFIG_BYTES_MAX {
            let len = text.len();
            return Err(ConfigError::new(format!("{len} bytes are more than {CONFIG_BYTES_MAX}")));
        }
        let raw = if text.trim().is_empty() { raw::Root::default() } else { read(text)? };
        let advertise = brokers::advertise(raw.advertise)?;
        let shadow_retention_ms = shadow_retention_ms(raw.shadow_groups.0.retention_ms)?;
        let security = security::security(raw.sasl, raw.principal, raw.upstream, environment)?;
        Ok(Self {
            stat_prefix: stat_prefix(raw.stat_prefix)?,
            mapping: mapping::mapping(raw.mapping.0)?,
            route: brokers::route(raw.route, &advertise)?,
            advertise,
            filler: raw.fetch.0.filler,
            share: raw.fetch.0.share,
            limits: limits(&raw.limits.0)?,
            shadow_retention_ms,
            shadow_renew_ms: shadow_renew_ms(raw.shadow_groups.0.renew_ms, shadow_retention_ms)?,
            sasl: security.sasl,
            principal: security.principal,
            upstream: security.upstream,
            shared_administration: security.shared_administration,
        })
    }

    /// The text of a configuration as the host hands it over: JSON, or a `google.protobuf.Struct`.
    ///
    /// # Errors
    /// Where it is neither.
    pub fn text(given: Vec<u8>) -> Result<String, ConfigError> {
        let json =
            Some(&given).filter(|given| given.len() <= CONFIG_BYTES_MAX).and_then(|given| protobuf::json_of(given));
        match json {
            Some(json) => Ok(json),
            None => String::from_utf8(given).map_err(|_| ConfigError::new("it is not UTF-8")),
        }
    }

    /// How clients are named after their certificates, if they are: where there is `sasl`, it names them.
    pub fn principals_by_certificate(&self) -> Option<&principal::Principals> {
        self.principal.as_ref().filter(|_| self.sasl.is_none())
    }
}

fn read(text: &str) -> Result<raw::Root, ConfigError> {
    let is_object = text.trim_start().starts_with('{');
    let hint = if is_object { "" } else { "; one JSON object is needed, in braces (YAML is not read)" };
    let no_json = |error: &serde_json::Error| ConfigError::new(format!("not valid JSON: {error}{hint}"));
    let mut json = serde_json::Deserializer::from_str(text);
    let root: Object<raw::Root> = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (path, error) = (error.path().to_string(), error.into_inner());
        if !error.is_data() {
            return no_json(&error);
        }
        // The path says where better than a position, which is of no use if Envoy wrote the JSON.
        let text = error.to_string();
        let position = format!(" at line {} column {}", error.line(), error.column());
        let problem = without_value(&path, text.strip_suffix(&position).unwrap_or(&text));
        match path.as_str() {
            "." => ConfigError::new(problem),
            path => ConfigError::at(path, problem),
        }
    })?;
    json.end().map_err(|error| no_json(&error))?;
    Ok(root.0)
}

/// Sections whose values may be shown. The others have secrets among them, perhaps in the wrong place; and
/// the whole configuration would be the value if it were put into quotes.
const SHOWN_SECTIONS: [&str; 7] = ["stat_prefix", "mapping", "advertise", "route", "shadow_groups", "fetch", "limits"];

/// Cuts the value out of `invalid type: string "abc", expected an object`, unless it may be shown.
fn without_value(path: &str, problem: &str) -> String {
    let section = path.split(['.', '[']).next().unwrap_or_default();
    let found = problem.strip_prefix("invalid type: ").or_else(|| problem.strip_prefix("invalid value: "));
    // The value may hold anything, what is expected is one of our own words: so the last one counts.
    let parts = found.and_then(|found| found.rsplit_once(", expected "));
    match parts {
        Some((found, expected)) if !SHOWN_SECTIONS.contains(&section) => {
            let kind = found.split(['`', '"']).next().unwrap_or_default().trim_end();
            format!("invalid type: {kind}, expected {expected}")
        }
        _ => problem.to_owned(),
    }
}

fn stat_prefix(given: Given<String>) -> Result<String, ConfigError> {
    let prefix = given.0.unwrap_or_else(|| "kafka".to_owned());
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if prefix.is_empty() || !prefix.bytes().all(legal) {
        return Err(ConfigError::at("stat_prefix", format_args!("{prefix:?} is not one or more of A-Z a-z 0-9 _ -")));
    }
    Ok(prefix)
}

fn limits(raw: &LimitsSection) -> Result<Limits, ConfigError> {
    let frames = FRAME_BYTES_MIN..=FRAME_BYTES_MAX;
    let frame_bytes = within("limits.frame_bytes", raw.frame_bytes, FRAME_BYTES_DEFAULT, frames)?;
    let fetch_most = i32::try_from(frame_bytes / 2).unwrap_or(FETCH_MAX_BYTES_MAX);
    let fetch_path = "limits.fetch_max_bytes";
    let fetches = FETCH_MAX_BYTES_MIN..=FETCH_MAX_BYTES_MAX;
    let fetch_default = FETCH_MAX_BYTES_DEFAULT.min(fetch_most);
    let fetch_max_bytes = within(fetch_path, raw.fetch_max_bytes, fetch_default, fetches)?;
    if fetch_max_bytes > fetch_most {
        let problem = format_args!("{fetch_max_bytes} is more than {fetch_most}, half of frame_bytes {frame_bytes}");
        return Err(ConfigError::at(fetch_path, problem));
    }
    let requests = 1..=IN_FLIGHT_REQUESTS_MAX;
    let in_flight_requests =
        within("limits.in_flight_requests", raw.in_flight_requests, IN_FLIGHT_REQUESTS_DEFAULT, requests)?;
    let worker_bytes = worker_bytes(raw.worker_bytes, frame_bytes)?;
    let times = AUTHENTICATION_MS_MIN..=AUTHENTICATION_MS_MAX;
    let authentication_ms =
        within("limits.authentication_ms", raw.authentication_ms, AUTHENTICATION_MS_DEFAULT, times)?;
    Ok(Limits { frame_bytes, fetch_max_bytes, in_flight_requests, worker_bytes, authentication_ms })
}

fn worker_bytes(given: Given<Whole>, frame_bytes: usize) -> Result<usize, ConfigError> {
    let path = "limits.worker_bytes";
    let most = worker_bytes_max(frame_bytes);
    let bytes = within(path, given, WORKER_BYTES_DEFAULT.min(most), WORKER_BYTES_MIN..=WORKER_BYTES_MAX)?;
    if bytes > most {
        let problem =
            format_args!("{bytes} is more than {most}, what a VM has left beside frames of {frame_bytes} bytes");
        return Err(ConfigError::at(path, problem));
    }
    Ok(bytes)
}

fn shadow_retention_ms(given: Given<Whole>) -> Result<Option<i64>, ConfigError> {
    let path = "shadow_groups.retention_ms";
    let range = SHADOW_RETENTION_MS_MIN..=SHADOW_RETENTION_MS_MAX;
    given.0.map(|value| within(path, Given(Some(value)), SHADOW_RETENTION_MS_MIN, range)).transpose()
}

fn shadow_renew_ms(given: Given<Whole>, retention_ms: Option<i64>) -> Result<u64, ConfigError> {
    let path = "shadow_groups.renew_ms";
    let renew_ms = within(path, given, RENEW_MS_DEFAULT, RENEW_MS_MIN..=RENEW_MS_MAX)?;
    let most = retention_ms.and_then(|ms| u64::try_from(ms / 2).ok()).unwrap_or(RENEW_MS_MAX);
    if renew_ms > most {
        let problem = format_args!("{renew_ms} is more than {most}, half of retention_ms: offsets would expire before");
        return Err(ConfigError::at(path, problem));
    }
    Ok(renew_ms)
}

#[cfg(test)]
mod tests;
