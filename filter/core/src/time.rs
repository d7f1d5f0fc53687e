//! Time, as the core is told it: nothing here looks at a clock.

/// Milliseconds: a moment on the host's clock, counted from 1970, or how long something takes. The clock may
/// be set back, so a difference of two moments saturates or is taken by `abs_diff`.
pub type Millis = u64;
