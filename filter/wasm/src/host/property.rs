//! Properties of a connection that are only to be shown. Declared by hand, since the Rust SDK panics where
//! Envoy refuses, and a panic would end all connections of the worker.
#![allow(unsafe_code)]

#[link(wasm_import_module = "env")]
extern "C" {
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
}

/// Filter state `wasm.<name>` of the connection, for access logs. Where Envoy refuses, the line lacks it.
pub(crate) fn describe(name: &str, value: &str) {
    // SAFETY: the host reads as many bytes from each as it is told, which are all of them.
    let status = unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
    if status != 0 {
        log::error!("set_property failed: status {status}");
    }
}
