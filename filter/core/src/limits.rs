//! Every bound of the filter in one place, each with the reason for its value. A peer, or a slip in the
//! configuration, can make the filter spend up to these and no more.

/// Most lanes that a mapping may have. The lane is stored above bit 40 of a producer id that must stay
/// non-negative, which leaves it 23 bits.
pub const LANES_MAX: u32 = (1 << 23) - 1;

/// Smallest `offset_range`: a million records per physical partition. Anything less would overflow within
/// minutes, and is a mistyped number rather than a wish.
pub const OFFSET_RANGE_MIN: i64 = 1 << 20;

/// `offset_range` when the configuration names none: 2^40 records, 35 years at 1,000 records per second,
/// which still leaves room for all of [`LANES_MAX`] lanes in an offset.
pub const OFFSET_RANGE_DEFAULT: i64 = 1 << 40;

/// Longest configuration text in bytes. Ten thousand topics take about half of it; a file beyond it is the
/// wrong file.
pub const CONFIG_BYTES_MAX: usize = 1 << 20;

/// Largest compiled form of one topic regex, in bytes. A Unicode class takes some 50 KiB; only a counted
/// repetition of large classes goes beyond this, and every worker holds a copy.
pub const REGEX_BYTES_MAX: usize = 1 << 20;

/// Longest topic name in bytes that Kafka accepts (`org.apache.kafka.common.internals.Topic`).
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

/// Topics whose resolution is remembered. Clients choose the names that they ask for, so the cache must not
/// grow with them; real clusters seldom have more topics, and beyond it a topic only costs its regexes again.
pub const TOPIC_CACHE_ENTRIES_MAX: usize = 10_000;

/// Longest host name in bytes (RFC 1035, section 2.3.4, without the root label).
pub const HOST_BYTES_MAX: usize = 253;
