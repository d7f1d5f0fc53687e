//! Time, as the core is told it: nothing here looks at a clock.

/// Milliseconds on a clock that never goes back.
pub type Millis = u64;
