//! Writing to Envoy's buffers. Declared by hand, since the Rust SDK panics where Envoy refuses, and a panic
//! would end all connections of the worker.
#![allow(unsafe_code)]

use proxy_wasm::types::BufferType;

#[link(wasm_import_module = "env")]
extern "C" {
    fn proxy_set_buffer_bytes(buffer: BufferType, start: usize, len: usize, bytes: *const u8, size: usize) -> u32;
}

/// Puts `bytes` in the place of the `len` bytes from `start` on. False: Envoy has no such buffer now.
pub(crate) fn set(buffer: BufferType, start: usize, len: usize, bytes: &[u8]) -> bool {
    // SAFETY: the host reads `size` bytes from `bytes` on, which is all of it.
    let status = unsafe { proxy_set_buffer_bytes(buffer, start, len, bytes.as_ptr(), bytes.len()) };
    if status != 0 {
        log::error!("set_buffer failed: status {status}");
    }
    status == 0
}
