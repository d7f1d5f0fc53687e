//! How much memory a step takes, against how much it was fed: a length that is only claimed must not reserve
//! any, and work that copies must not grow faster than its input.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting by thread.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

/// Bytes of one thread.
#[derive(Clone, Copy, Default)]
struct Count {
    live: i64,
    live_max: i64,
    /// Ever allocated.
    total: u64,
}

thread_local! {
    static COUNT: Cell<Count> = const { Cell::new(Count { live: 0, live_max: 0, total: 0 }) };
}

fn add(taken: usize, given: usize) {
    // A thread that ends frees what it had when the count is gone.
    let _ = COUNT.try_with(|cell| {
        let mut count = cell.get();
        count.live += taken as i64 - given as i64;
        count.live_max = count.live_max.max(count.live);
        count.total += taken as u64;
        cell.set(count);
    });
}

// SAFETY: each call is handed on as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size(), 0);
        System.alloc(layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size(), 0);
        System.alloc_zeroed(layout)
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        add(0, layout.size());
        System.dealloc(at, layout);
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size, layout.size());
        System.realloc(at, layout, size)
    }
}

/// Bytes that this thread has allocated and not freed, less those that it freed for others.
pub fn live() -> i64 {
    COUNT.get().live
}

/// What `step` gives, the most bytes that were alive in it, and the bytes that were allocated in it in sum.
pub fn measured<T>(step: impl FnOnce() -> T) -> (T, usize, usize) {
    let before = COUNT.get();
    COUNT.set(Count { live_max: before.live, ..before });
    let made = step();
    let after = COUNT.get();
    COUNT.set(Count { live_max: before.live_max.max(after.live_max), ..after });
    let most = usize::try_from(after.live_max - before.live).unwrap_or(0);
    (made, most, (after.total - before.total) as usize)
}

/// What `step` gives, which may hold at most `per_byte` bytes for each of `input`, and a small sum beside;
/// allocated in sum at most four times as much, for what grows by doubling and for copies.
#[track_caller]
pub fn bounded<T>(input: &[u8], per_byte: usize, step: impl FnOnce() -> T) -> T {
    let (made, most, total) = measured(step);
    let bound = per_byte * input.len() + BASE_BYTES;
    assert!(most <= bound, "{most} bytes at a time for {} bytes", input.len());
    assert!(total <= 4 * bound, "{total} bytes in sum for {} bytes", input.len());
    made
}

/// What a step may take whatever it is fed.
const BASE_BYTES: usize = 4 << 10;
