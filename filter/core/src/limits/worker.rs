//! Bounds on what a worker does beside moving bytes: how often it looks after what waits, and how much it
//! keeps back.

/// Milliseconds between two ticks while something waits: a delayed answer, a frame for room, a token for its
/// verdict. A tick that finds nothing costs some microseconds.
pub const TICK_MS: u64 = 20;

/// Milliseconds between two ticks while nothing waits: signs of life, the look whether the configuration is
/// outdated, and identity providers' keys. A new configuration shows within seconds as it is.
pub const SLOW_TICK_MS: u64 = 1_000;

/// Milliseconds between two ticks while connections of an outdated configuration end: some per tick, so that
/// they are spread as [`RETIRE_SPREAD_MS`](super::RETIRE_SPREAD_MS) wants.
pub const RETIRING_TICK_MS: u64 = 100;

/// Milliseconds between two looks of an instance at what others say of themselves, at least: half of a slow
/// tick, so that no slow tick is left out, and most of the faster ones are.
pub const INSTANCES_LOOK_MS: u64 = 500;

const _: () = assert!(2 * INSTANCES_LOOK_MS <= SLOW_TICK_MS);

/// Connections that a tick closes, at most. Envoy ends each with calls of its own into the VM, within the
/// call that has ended the one before: seen on Envoy 1.40, about a thousand of them are more than the stack
/// of V8 takes, and all connections of the worker die. The rest waits for the next tick.
pub const CLOSED_MAX: usize = 64;

/// Bytes that may have passed before the host's counters hear of them: a call of the host for each piece that
/// passes would cost more than the piece.
pub const UNCOUNTED_BYTES_MAX: u64 = 1 << 20;

/// Milliseconds that an identity provider may take to answer. Meanwhile the former keys are in use.
pub const KEYS_FETCH_MS_MAX: u64 = 5_000;

/// Bytes of all variables of the environment together: a host that claims more is not believed. Linux gives a
/// process 2 MiB for these and its arguments, and Envoy hands on those that its configuration lists.
pub const ENVIRONMENT_BYTES_MAX: usize = 1 << 20;

/// Fetch sessions (KIP-227) of a worker's clients take one in so many parts of its memory at most. Beyond it,
/// new clients have none, and name all that they read with each Fetch.
pub const FETCH_SESSION_PARTS: usize = 8;

/// Bytes that one session may take: some 10,000 partitions, about as many as a broker is to have in all. A
/// Fetch of an idle client has a few bytes, and costs what its session's partitions cost, some milliseconds
/// with so many. A client of more names them all with each Fetch.
pub const FETCH_SESSION_BYTES_MAX: usize = 2 << 20;

/// Bytes that a partition takes in a session: 64 of its own, in the nodes of two trees that are half full.
pub const FETCH_SESSION_PARTITION_BYTES: usize = 192;

/// Bytes that a topic takes in a session, beside its name: nodes of two trees, one of them its own.
pub const FETCH_SESSION_TOPIC_BYTES: usize = 320;

/// Milliseconds between two reports of what was counted by topic, broker and error: several topics per
/// request and thousands of requests per second would be as many calls of the host.
pub const TALLY_MS: u64 = INSTANCES_LOOK_MS;

/// Topics that have stats of their own; the configuration's later ones are counted with all others. Nine
/// series each, of some 300 bytes in Envoy: under one MiB, and no more than a Prometheus takes from one
/// process.
pub const TOPIC_STATS_MAX: usize = 256;

const _: () = assert!(TOPIC_STATS_MAX <= u16::MAX as usize);

/// Plugins of one `stat_prefix` of which it is kept which gauges they have set. One beyond takes the place of
/// that which changed the longest time ago, whose gauges stay as they are from then on.
pub const SHOWN_IDENTITIES_MAX: usize = 32;

/// Brokers that have stats of their own; few clusters have more. Of ids that come and go each leaves series
/// behind.
pub const BROKER_STATS_MAX: usize = 128;

/// Entries of the mapping that the line names with which a configuration begins: who has more of them reads
/// the configuration.
pub const GREETING_TOPICS_MAX: usize = 20;
