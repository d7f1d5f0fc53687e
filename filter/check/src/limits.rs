//! Every bound of the tool, each with the reason for its value. Brokers are the operator's own, so these keep
//! a large or a sick cluster from making a check endless, rather than an enemy from doing harm.

/// Milliseconds for connecting to one address, TLS and login included: a broker that takes longer is down.
pub(crate) const CONNECT_MS: u64 = 10_000;

/// Milliseconds by default that a broker may take for one answer: the slowest that was seen, a listing of all
/// groups while a coordinator loads, took some seconds.
pub(crate) const ANSWER_MS_DEFAULT: u64 = 30_000;

/// Most `--timeout-s`: an hour is no timeout any more.
pub(crate) const TIMEOUT_S_MAX: u64 = 3_600;

/// Longest answer in bytes: as brokers bound requests by default. Metadata of a million partitions fits.
pub(crate) const ANSWER_BYTES_MAX: usize = 100 << 20;

/// Messages that a login may take: SCRAM takes two.
pub(crate) const LOGIN_ROUNDS_MAX: usize = 4;

/// Longest file with a password or a certificate.
pub(crate) const SECRET_FILE_BYTES_MAX: u64 = 1 << 20;

/// Topics in one question for their settings.
pub(crate) const TOPICS_ASKED_MAX: usize = 200;

/// Partitions in one question for their offsets.
pub(crate) const PARTITIONS_ASKED_MAX: usize = 2_000;

/// Groups whose offsets are read: more take minutes, and the report says that it stops there.
pub(crate) const GROUPS_MAX: usize = 20_000;

/// Groups in one question for their offsets: each may answer with thousands.
pub(crate) const GROUPS_ASKED_MAX: usize = 50;

/// Physical partitions of which batches are sampled; a sample takes some requests each.
pub(crate) const SAMPLED_PARTITIONS_MAX: usize = 1_000;

/// Bytes of batches that are read of each physical partition by default. With the others' it is little even
/// for a thousand of them, and enough for some hundred records of the usual size.
pub(crate) const SAMPLE_BYTES_DEFAULT: i32 = 64 << 10;

/// Most `--sample-bytes`: above it one answer would be as large as brokers send.
pub(crate) const SAMPLE_BYTES_MAX: i32 = 64 << 20;

/// Places of a log at which a sample is read: producers change over time.
pub(crate) const SAMPLE_SPOTS: i64 = 4;

/// Lines of one kind in the report: who has more of them mends the first few and runs the tool again.
pub(crate) const LINES_MAX: usize = 100;

/// Partitions that a line names, of those that it is about.
pub(crate) const NAMED_MAX: usize = 12;

/// Milliseconds that a topic of the tool's own may take to have a leader, and a coordinator to load.
pub(crate) const READY_MS: u64 = 15_000;

const _: () = assert!(CONNECT_MS <= ANSWER_MS_DEFAULT && ANSWER_MS_DEFAULT <= TIMEOUT_S_MAX * 1_000);
const _: () = assert!(SAMPLE_BYTES_DEFAULT <= SAMPLE_BYTES_MAX && SAMPLE_BYTES_MAX as usize <= ANSWER_BYTES_MAX);

/// Levels of a YAML file: Envoy's deepest structures have some forty.
pub(crate) const YAML_DEPTH_MAX: usize = 200;

/// Values of a YAML file with what its aliases stand for: a gateway of a hundred brokers has some 10,000.
pub(crate) const YAML_NODES_MAX: usize = 1_000_000;

/// Bytes of a file that another one names: as Envoy's own bootstraps, which are much smaller.
pub(crate) const ENVOY_FILE_BYTES_MAX: u64 = 16 << 20;

/// Files that name each other in a row: a bootstrap names listeners, and these name filters.
pub(crate) const DISCOVERY_DEPTH_MAX: usize = 4;
