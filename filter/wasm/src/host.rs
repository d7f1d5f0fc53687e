//! All calls of the host. What Envoy can and cannot do stands here, once.
//!
//! A failed call is a bug or a connection that is going away: it is logged, and the caller goes on with nothing.

use std::time::UNIX_EPOCH;

use bytes::Bytes;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MetricType, Status};
use remapper_core::brokers::Address;
use remapper_core::stats::Kind;
use remapper_core::Millis;

fn checked<T>(call: &str, outcome: Result<T, Status>) -> Option<T> {
    outcome.inspect_err(|status| log::error!("{call} failed: {status:?}")).ok()
}

/// Milliseconds of Envoy's clock.
pub(crate) fn now() -> Millis {
    let time = hostcalls::get_current_time().ok();
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// `len` bytes of a buffer from `start`: one copy into the VM.
pub(crate) fn read(buffer: BufferType, start: usize, len: usize) -> Bytes {
    let bytes = checked("get_buffer", hostcalls::get_buffer(buffer, start, len)).flatten();
    bytes.map(Bytes::from).unwrap_or_default()
}

/// Replaces the first `len` bytes of a buffer that holds no more than those by `pieces`.
///
/// The ABI writes at the front or at the end only: the first piece replaces, the others are appended.
pub(crate) fn replace(buffer: BufferType, len: usize, pieces: &[Bytes]) {
    const END: usize = u32::MAX as usize;
    let mut pieces = pieces.iter();
    let first = pieces.next().map(|piece| &piece[..]).unwrap_or_default();
    if len > 0 || !first.is_empty() {
        checked("set_buffer", hostcalls::set_buffer(buffer, 0, len, first));
    }
    for piece in pieces {
        checked("set_buffer", hostcalls::set_buffer(buffer, END, 0, piece));
    }
}

/// Hands what lies in the downstream buffer on to the broker.
pub(crate) fn resume_downstream() {
    checked("resume_downstream", hostcalls::resume_downstream());
}

/// Closes the client's connection behind what was written to it; Envoy then closes the broker's.
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

/// Steers Envoy's dynamic forward proxy.
pub(crate) fn route_to(address: &Address) {
    set_filter_state("envoy.upstream.dynamic_host", &address.host);
    set_filter_state("envoy.upstream.dynamic_port", &address.port.to_string());
}

fn set_filter_state(key: &str, value: &str) {
    let outcome = hostcalls::call_foreign_function("set_envoy_filter_state", Some(&filter_state(key, value)));
    checked("set_envoy_filter_state", outcome);
}

/// Envoy's `SetEnvoyFilterStateArguments`: path = 1, value = 2, span = 3 (2: the downstream connection).
fn filter_state(path: &str, value: &str) -> Vec<u8> {
    let mut out = vec![];
    for (tag, text) in [(0x0a, path), (0x12, value)] {
        out.push(tag);
        let mut len = text.len();
        while len >= 0x80 {
            out.push((len & 0x7f) as u8 | 0x80);
            len >>= 7;
        }
        out.push(len as u8);
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(&[0x18, 2]);
    out
}

/// A value that all workers of this process share.
pub(crate) fn shared(key: &str) -> Option<String> {
    let (value, _) = checked("get_shared_data", hostcalls::get_shared_data(key))?;
    String::from_utf8(value?).ok()
}

pub(crate) fn share(key: &str, value: &str) {
    checked("set_shared_data", hostcalls::set_shared_data(key, Some(value.as_bytes()), None));
}

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

pub(crate) fn record_metric(id: u32, value: u64) {
    checked("record_metric", hostcalls::record_metric(id, value));
}
