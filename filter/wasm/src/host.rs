//! All calls of the host. What Envoy can and cannot do stands here, once.
//!
//! A failed call is a bug or a connection that is going away: it is logged, and the caller goes on with
//! nothing.

pub(crate) mod buffer;
pub(crate) mod property;
pub(crate) mod wasi;

use std::time::{Duration, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use kafka_partition_remapper_core::brokers::Address;
use kafka_partition_remapper_core::limits;
use kafka_partition_remapper_core::memory::{Cas, Memory};
use kafka_partition_remapper_core::principal::{Peer, Source};
use kafka_partition_remapper_core::sasl::oauthbearer::jwks::Endpoint;
use kafka_partition_remapper_core::sasl::oauthbearer::{SignatureHash, Verifier};
use kafka_partition_remapper_core::stats::Kind;
use kafka_partition_remapper_core::worker::{Failure, Host, Side};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, MetricType, Status};

fn checked<T>(call: &str, outcome: Result<T, Status>) -> Option<T> {
    outcome.inspect_err(|status| log::error!("{call} failed: {status:?}")).ok()
}

/// Envoy, in whose calls the worker runs.
pub(crate) struct Envoy;

impl Host for Envoy {
    fn micros(&self) -> u64 {
        let time = hostcalls::get_current_time().ok();
        let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        since.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    fn random(&self) -> Option<[u8; 32]> {
        wasi::random()
    }

    /// Whether a certificate was shown is asked apart: of one without a name at `source` Envoy tells as
    /// little as of none.
    fn peer(&self, source: Source) -> Peer {
        match checked("get_property", hostcalls::get_property(vec!["connection", "mtls"])).flatten().as_deref() {
            Some([0]) => return Peer::Anonymous,
            Some([1]) => {}
            _ => return Peer::Unknown,
        }
        let property = match source {
            Source::Subject => "subject_peer_certificate",
            Source::SanUri => "uri_san_peer_certificate",
            Source::SanDns => "dns_san_peer_certificate",
        };
        let name = checked("get_property", hostcalls::get_property(vec!["connection", property]));
        let name = name.map(|name| String::from_utf8(name.unwrap_or_default()));
        name.and_then(Result::ok).map_or(Peer::Unknown, Peer::Certified)
    }

    fn client(&self) -> Option<String> {
        let bytes = hostcalls::get_property(vec!["source", "address"]).ok()??;
        String::from_utf8(bytes).ok().filter(|address| !address.is_empty())
    }

    fn broker(&self) -> Option<String> {
        let bytes = hostcalls::get_property(vec!["upstream", "address"]).ok()??;
        String::from_utf8(bytes).ok().filter(|address| !address.is_empty())
    }

    fn failure(&self) -> Option<Failure> {
        let said = text_of("connection", "transport_failure_reason");
        if !said.is_empty() {
            return Some(Failure::Handshake(said));
        }
        let flags = hostcalls::get_property(vec!["response", "flags"]).ok()??;
        let flags = i64::from_le_bytes(*flags.first_chunk()?);
        if flags & CONNECTION_FAILED != 0 {
            let said = text_of("upstream", "transport_failure_reason");
            return Some(Failure::Unreached(if said.is_empty() { "that it failed".to_owned() } else { said }));
        }
        (flags & NO_HOST != 0).then(|| Failure::Unreached("that there is no host: the name is not resolved".to_owned()))
    }

    fn select(&self, context_id: u32) -> bool {
        checked("set_effective_context", hostcalls::set_effective_context(context_id)).is_some()
    }

    fn read(&self, side: Side, start: usize, len: usize) -> Bytes {
        read(buffer_of(side), start, len)
    }

    fn read_behind(&self, side: Side, start: usize, len: usize, out: &mut BytesMut) {
        buffer::read_behind(buffer_of(side), start, len, out);
    }

    /// The ABI writes at the front or at the end only: the first piece replaces, the others are appended.
    fn replace(&self, side: Side, len: usize, pieces: &[Bytes]) -> bool {
        const END: usize = u32::MAX as usize;
        let buffer = buffer_of(side);
        let mut pieces = pieces.iter();
        let first = pieces.next().map(|piece| &piece[..]).unwrap_or_default();
        let begun = (len == 0 && first.is_empty()) || buffer::set(buffer, 0, len, first);
        begun && pieces.all(|piece| buffer::set(buffer, END, 0, piece))
    }

    fn resume_client(&self) {
        checked("resume_downstream", hostcalls::resume_downstream());
    }
}

/// Envoy's response flags UH and UF, as the attribute `response.flags` has them (seen on 1.40).
const NO_HOST: i64 = 0x2;
const CONNECTION_FAILED: i64 = 0x20;

/// An attribute of the connection; empty where there is none.
fn text_of(kind: &str, name: &str) -> String {
    let bytes = hostcalls::get_property(vec![kind, name]).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn buffer_of(side: Side) -> BufferType {
    match side {
        Side::Client => BufferType::DownstreamData,
        Side::Broker => BufferType::UpstreamData,
    }
}

/// One copy into the VM.
fn read(buffer: BufferType, start: usize, len: usize) -> Bytes {
    let bytes = checked("get_buffer", hostcalls::get_buffer(buffer, start, len)).flatten();
    bytes.map(Bytes::from).unwrap_or_default()
}

/// A version of a value in shared data that there will never be (Envoy counts up from 1): with it a value is
/// made where there is none, and none is overwritten.
const NO_VERSION: u32 = u32::MAX;

/// Envoy's shared data.
impl Memory for Envoy {
    fn get(&self, key: &str) -> Option<(Bytes, Cas)> {
        match checked("get_shared_data", hostcalls::get_shared_data(key))? {
            (None, None) => None,
            // Envoy gives an empty value as none, with its version.
            (value, version) => {
                Some((value.map(Bytes::from).unwrap_or_default(), version.map_or(Cas::Missing, Cas::Version)))
            }
        }
    }

    fn set(&self, key: &str, value: &[u8], cas: Option<Cas>) -> bool {
        let version = cas.map(|cas| match cas {
            Cas::Missing => NO_VERSION,
            Cas::Version(version) => version,
        });
        match hostcalls::set_shared_data(key, Some(value), version) {
            Err(Status::CasMismatch) => false,
            outcome => checked("set_shared_data", outcome).is_some(),
        }
    }
}

/// Closes the client's connection behind what was written to it; Envoy then closes the broker's. Only from
/// the root context: inside a connection's own call it takes effect before Envoy takes the bytes that the
/// call leaves, and with the broker's last bytes Envoy would call a context that is gone.
pub(crate) fn close_downstream() {
    checked("close_downstream", hostcalls::close_downstream());
}

/// The local port that the client connected to.
pub(crate) fn local_port() -> Option<u16> {
    let bytes = hostcalls::get_property(vec!["destination", "port"]).ok()??;
    u16::try_from(i64::from_le_bytes(*bytes.first_chunk()?)).ok()
}

/// The name that the client's TLS handshake asked for.
pub(crate) fn server_name() -> Option<String> {
    let bytes = hostcalls::get_property(vec!["connection", "requested_server_name"]).ok()??;
    String::from_utf8(bytes).ok().filter(|name| !name.is_empty())
}

/// The `name` or `root_id` that Envoy's configuration gives this filter; empty if it gives none.
pub(crate) fn plugin(field: &str) -> String {
    let bytes = hostcalls::get_property(vec![&format!("plugin_{field}")]).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Steers Envoy's dynamic forward proxy, which takes the host apart as `host[:port]`.
pub(crate) fn route_to(address: &Address) {
    set_dynamic("envoy.upstream.dynamic_host", &address.bracketed_host());
    set_dynamic("envoy.upstream.dynamic_port", &address.port.to_string());
}

fn set_dynamic(key: &str, value: &str) {
    let outcome = hostcalls::call_foreign_function("set_envoy_filter_state", Some(&filter_state(key, value)));
    checked("set_envoy_filter_state", outcome);
}

/// Envoy's `SetEnvoyFilterStateArguments`: path = 1, value = 2, span = 3 (2: the downstream connection).
fn filter_state(path: &str, value: &str) -> Vec<u8> {
    let mut out = vec![];
    put_field(&mut out, 1, path.as_bytes());
    put_field(&mut out, 2, value.as_bytes());
    out.extend_from_slice(&[0x18, 2]);
    out
}

/// A protobuf field of bytes. `number`: below 16.
fn put_field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    let mut len = bytes.len();
    while len >= 0x80 {
        out.push((len & 0x7f) as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(bytes);
}

/// Envoy's own verification of signatures.
impl Verifier for Envoy {
    /// `VerifySignatureArguments`: hash_function = 1, public_key = 2, signature = 3, text = 4; the result's
    /// field 1 says whether it is good, and is left out where it is not.
    fn verify(&self, key: &[u8], hash: SignatureHash, signature: &[u8], text: &[u8]) -> bool {
        let hash: &[u8] = match hash {
            SignatureHash::Sha256 => b"sha256",
            SignatureHash::Sha384 => b"sha384",
            SignatureHash::Sha512 => b"sha512",
        };
        let mut arguments = vec![];
        for (number, bytes) in [(1, hash), (2, key), (3, signature), (4, text)] {
            put_field(&mut arguments, number, bytes);
        }
        let result = hostcalls::call_foreign_function("verify_signature", Some(&arguments));
        checked("verify_signature", result).flatten().is_some_and(|result| result.starts_with(&[0x08, 1]))
    }
}

/// Filter state `wasm.<name>` of the connection, for access logs and for filters behind this one, which may
/// let clients through by it: where Envoy refuses, the SDK's panic ends the connection.
pub(crate) fn set_filter_state(name: &str, value: &str) {
    checked("set_property", hostcalls::set_property(vec![name], Some(value.as_bytes())));
}

/// Envoy calls `on_tick` of the root context from now on.
pub(crate) fn tick_each(period: Duration) {
    checked("set_tick_period", hostcalls::set_tick_period(period));
}

/// The calls of the host in `calls` are for this context.
pub(crate) fn on_behalf_of(context_id: u32, calls: impl FnOnce()) {
    if Envoy.select(context_id) {
        calls();
    }
}

/// Asks for the keys of an identity provider; the answer comes to the root context.
pub(crate) fn fetch(endpoint: &Endpoint) -> Result<(), String> {
    let headers = vec![
        (":method", "GET"),
        (":path", endpoint.path.as_str()),
        (":authority", endpoint.authority.as_str()),
        ("accept", "application/json"),
    ];
    let timeout = Duration::from_millis(limits::KEYS_FETCH_MS_MAX);
    let outcome = hostcalls::dispatch_http_call(&endpoint.cluster, headers, None, vec![], timeout);
    outcome.map(|_| ()).map_err(|status| format!("cluster {:?} cannot be called: {status:?}", endpoint.cluster))
}

/// The body of the answer to [`fetch`]; `headers` and `body` as the host announces them.
pub(crate) fn fetched(headers: usize, body: usize) -> Result<Bytes, String> {
    if headers == 0 {
        return Err("no answer".to_owned());
    }
    // This one header as bytes: the SDK panics on a whole map that is not UTF-8.
    let status = hostcalls::get_map_value_bytes(MapType::HttpCallResponseHeaders, ":status");
    let status = checked("get_map_value", status).flatten().unwrap_or_default();
    if status != b"200" {
        return Err(format!("the answer's status is {}", String::from_utf8_lossy(&status)));
    }
    if body > limits::JWKS_BYTES_MAX {
        return Err(format!("{body} bytes are more than {}", limits::JWKS_BYTES_MAX));
    }
    Ok(read(BufferType::HttpCallResponseBody, 0, body))
}

/// The id of the metric `name`, new or not.
pub(crate) fn define_metric(kind: Kind, name: &str) -> Option<u32> {
    let kind = match kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
    };
    checked("define_metric", hostcalls::define_metric(kind, name))
}

pub(crate) fn add_to_metric(id: u32, n: i64) {
    checked("increment_metric", hostcalls::increment_metric(id, n));
}

pub(crate) fn metric(id: u32) -> Option<u64> {
    checked("get_metric", hostcalls::get_metric(id))
}

pub(crate) fn record_metric(id: u32, value: u64) {
    checked("record_metric", hostcalls::record_metric(id, value));
}
