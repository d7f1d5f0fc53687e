//! Bounds on what the connections of a worker read together.

/// Bytes that are kept of what was read, at most: a second or so of a busy worker. Who comes later reads
/// again.
pub const SHARED_BYTES_MAX: usize = 64 << 20;

/// As [`SHARED_BYTES_MAX`], as one in so many parts of `limits.worker_bytes`.
pub const SHARED_PARTS: usize = 8;

/// Milliseconds for which it is kept. Most consumers come back within a second; what nobody has asked for by
/// then only takes memory, and the longer it is kept, the more can have become of its log.
pub const SHARED_MS_MAX: u64 = 3_000;

/// Milliseconds before a request at which the broker may have been asked for what the request is served of,
/// without a proof that the log is still the same one. To delete a topic, make it again and write a record
/// into it takes twice as long at the least: 64 ms, seen on one machine with Kafka 4.3.1.
pub const SHARED_FRESH_MS: u64 = 30;

/// Milliseconds for which a connection counts as a reader of a log after its Fetch has come: above the time
/// for which clients wait for data by default (500) and that many spend on what they got.
pub const SHARED_READER_MS: u64 = 5_000;

/// Readers of a log that are told apart. Beyond so many one more makes no difference.
pub const SHARED_READERS_MAX: usize = 64;

/// Logs that are looked after. A worker that reads more of them at a time reads each for itself.
pub const SHARED_LOGS_MAX: usize = 8_192;

/// Physical partitions of a Fetch that takes part: one of more is that of a client which does not know what
/// it wants, and looking each of them up is work.
pub const SHARED_PLACES_MAX: usize = 1_000;

/// Connections that wait for others at a time. Each tick looks at all of them.
pub const SHARED_PARKED_MAX: usize = 10_000;

/// Pieces of what was read that one Fetch is served from: at the end of a busy log one is a batch. A consumer
/// that is given fewer than came while it was away falls behind.
pub const SHARED_SEGMENTS_MAX: usize = 1_000;

/// Most bytes of a physical partition in one Fetch, where several connections read it: it may bring each of
/// them as much as it wants, up to this.
pub const SHARED_READ_BYTES_MAX: i32 = 4 << 20;

/// Milliseconds for which a Fetch that others wait for may always let the broker wait for data, if its own
/// client waits as long; beyond that no longer than the least patient of them. That long others are held up
/// where its own client has stopped reading.
pub const SHARED_WAIT_MS_MIN: i32 = 500;

/// Milliseconds after that at which its answer is overdue, and others read for themselves.
pub const SHARED_GRACE_MS: u64 = 400;

/// Least milliseconds of a wait for others: less is over at one of the next ticks.
pub const SHARED_PARK_MS_MIN: u64 = 60;

/// Connections that are woken in one call of the host: each costs some 50 microseconds. The others follow at
/// the next tick.
pub const SHARED_WOKEN_MAX: usize = 200;

/// Bytes by which a connection may be ahead of others that read the same log, before it waits for them a
/// moment: what they will want must still be there.
pub const SHARED_LEAD_BYTES: usize = 6 << 20;

/// Milliseconds for which it waits at most.
pub const SHARED_HOLD_MS: u64 = 100;

/// So many times as long nobody waits for a connection that was waited for: who is slow costs who is fast a
/// tenth of its pace at most.
pub const SHARED_HOLD_COST: u64 = 10;

/// Milliseconds of that which a connection may have saved: two waits in a row.
pub const SHARED_HOLD_SAVED_MS: u64 = 2_000;

const _: () = assert!(SHARED_HOLD_SAVED_MS == 2 * SHARED_HOLD_COST * SHARED_HOLD_MS);

/// Milliseconds after its last Fetch for which a connection counts as being in the middle of reading.
pub const SHARED_PACE_MS: u64 = 400;

/// Milliseconds for which nobody waits for a connection whose answer was overdue: its client may have stopped
/// reading its socket, and Envoy then does not read the broker's.
pub const SHARED_SLOW_MS: u64 = 10_000;
