//! Reading and writing Envoy's buffers. Declared by hand, since the Rust SDK panics where Envoy refuses, and
//! a panic would end all connections of the worker.
//!
//! What Envoy reads out for the filter it puts where the filter's `malloc` says, which is the SDK's, and
//! takes its memory from the global allocator. So the allocator can be lent the place where the bytes are
//! wanted ([`read_behind`]); else each chunk of a frame would have to be copied there.
#![allow(unsafe_code)]

use std::alloc::Layout;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use bytes::BytesMut;
use proxy_wasm::types::BufferType;

#[link(wasm_import_module = "env")]
extern "C" {
    fn proxy_get_buffer_bytes(
        buffer: BufferType,
        start: usize,
        len: usize,
        bytes: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(buffer: BufferType, start: usize, len: usize, bytes: *const u8, size: usize) -> u32;
}

/// What the next allocation of `LENT_BYTES` bytes gets. The VM has one thread.
static LENT: AtomicPtr<u8> = AtomicPtr::new(null_mut());
static LENT_BYTES: AtomicUsize = AtomicUsize::new(0);

/// The place that is lent, if it is just what is asked for: the allocator gives it in the place of memory of
/// its own, once.
pub(crate) fn take_lent(asked: Layout) -> Option<*mut u8> {
    let lent = LENT_BYTES.load(Ordering::Relaxed);
    if lent == 0 || lent != asked.size() || asked.align() != 1 {
        return None;
    }
    LENT_BYTES.store(0, Ordering::Relaxed);
    Some(LENT.swap(null_mut(), Ordering::Relaxed))
}

/// Reads `len` bytes from `start` on behind those of `out`. Nothing where Envoy has no such bytes now.
pub(crate) fn read_behind(buffer: BufferType, start: usize, len: usize, out: &mut BytesMut) {
    out.reserve(len);
    let place = out.spare_capacity_mut().as_mut_ptr().cast::<u8>();
    LENT.store(place, Ordering::Relaxed);
    LENT_BYTES.store(len, Ordering::Relaxed);
    let (mut bytes, mut size) = (null_mut(), 0);
    // SAFETY: the host writes a pointer and a number. In between it calls `malloc` once, for as many bytes as
    // it has to give, and writes them there.
    let status = unsafe { proxy_get_buffer_bytes(buffer, start, len, &mut bytes, &mut size) };
    let is_taken = LENT_BYTES.swap(0, Ordering::Relaxed) == 0;
    if status != 0 {
        log::error!("get_buffer failed: status {status}");
    } else if is_taken && bytes == place && size == len {
        // SAFETY: `out` has room for `len` more bytes at `place`, and all of them were written.
        unsafe { out.set_len(out.len() + len) };
    } else if !bytes.is_null() && bytes != place {
        // SAFETY: the memory is from `malloc`, which gives a boxed slice of `size` bytes.
        out.extend_from_slice(&unsafe { Vec::from_raw_parts(bytes, size, size) });
    }
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
