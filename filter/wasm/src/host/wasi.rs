//! What WASI gives the sandbox: entropy, and the variables of the environment that Envoy's configuration
//! lists.
//!
//! Declared by hand, since the target has no WASI of its own and the Rust SDK does not offer these.
#![allow(unsafe_code)]

use kafka_partition_remapper_core::limits::ENVIRONMENT_BYTES_MAX;

#[link(wasm_import_module = "wasi_snapshot_preview1")]
extern "C" {
    fn random_get(buffer: *mut u8, len: usize) -> i32;
    fn environ_sizes_get(count: *mut usize, bytes: *mut usize) -> i32;
    fn environ_get(pointers: *mut *mut u8, bytes: *mut u8) -> i32;
}

/// Bytes from the cryptographic generator of Envoy's process.
pub(crate) fn random() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    // SAFETY: the host writes `len` bytes from `buffer` on, which is all of `bytes`.
    let status = unsafe { random_get(bytes.as_mut_ptr(), bytes.len()) };
    (status == 0).then_some(bytes)
}

/// The variables as `NAME=value`.
pub(crate) fn environment() -> Vec<String> {
    let (mut count, mut len) = (0, 0);
    // SAFETY: the host writes one number to each place.
    let status = unsafe { environ_sizes_get(&mut count, &mut len) };
    if status != 0 || count == 0 || count > len || len > ENVIRONMENT_BYTES_MAX {
        return vec![];
    }
    let (mut pointers, mut bytes) = (vec![std::ptr::null_mut(); count], vec![0; len]);
    // SAFETY: the host writes as many pointers and bytes as it has just told, and there is room for them.
    let status = unsafe { environ_get(pointers.as_mut_ptr(), bytes.as_mut_ptr()) };
    if status != 0 {
        return vec![];
    }
    let variables = bytes.split(|byte| *byte == 0).filter(|variable| !variable.is_empty());
    variables.map(|variable| String::from_utf8_lossy(variable).into_owned()).collect()
}
