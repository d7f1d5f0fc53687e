//! Every bound of the filter in one place, each with the reason for its value. A peer, or a slip in the
//! configuration, can make the filter spend up to these and no more. Those on what connections read together:
//! `limits/reads.rs`; on who is who: `limits/security.rs`; on what a worker does beside moving bytes:
//! `limits/worker.rs`.

mod reads;
mod security;
mod worker;

pub use self::reads::*;
pub use self::security::*;
pub use self::worker::*;

/// Most lanes that a mapping may have. The lane is stored above bit 40 of a producer id that must stay
/// non-negative, which leaves it 23 bits.
pub const LANES_MAX: u32 = (1 << 23) - 1;

const _: () = assert!((LANES_MAX as i128 + 1) << 40 == 1 << 63);

/// Smallest `offset_range`: a million records per physical partition. Anything less would overflow within
/// minutes, and is a mistyped number rather than a wish.
pub const OFFSET_RANGE_MIN: i64 = 1 << 20;

/// `offset_range` when the configuration names none: 2^40 records, 35 years at 1,000 records per second,
/// which still leaves room for all of [`LANES_MAX`] lanes in an offset.
pub const OFFSET_RANGE_DEFAULT: i64 = 1 << 40;

const _: () = assert!(OFFSET_RANGE_MIN <= OFFSET_RANGE_DEFAULT);
const _: () = assert!(LANES_MAX as i128 * OFFSET_RANGE_DEFAULT as i128 <= 1 << 63);

/// Longest configuration text in bytes. Ten thousand topics take about half of it; a file beyond it is the
/// wrong file.
pub const CONFIG_BYTES_MAX: usize = 1 << 20;

/// Objects and lists inside each other, in a configuration that comes as a `google.protobuf.Struct`: reading
/// recurses. The deepest that means something has six.
pub const CONFIG_DEPTH_MAX: usize = 16;

/// Largest compiled form of one regex of the configuration, in bytes. A Unicode class takes some 50 KiB; only
/// a counted repetition of large classes goes beyond this, and every worker holds a copy.
pub const REGEX_BYTES_MAX: usize = 1 << 20;

/// Longest topic name in bytes that Kafka accepts (`org.apache.kafka.common.internals.Topic`).
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

/// Topics whose resolution is remembered. Clients choose the names that they ask for, so the cache must not
/// grow with them; real clusters seldom have more topics, and beyond it a topic only costs its regexes again.
pub const TOPIC_CACHE_ENTRIES_MAX: usize = 10_000;

/// Structs, strings and tagged fields that the arrays and tag sections of one request may have in sum. Each
/// costs up to some 200 bytes once decoded, so this bounds what a client's frame can turn into at about 40
/// MB; a commit of 190,000 partitions still passes. Numbers of partitions count where each becomes a struct.
pub const ELEMENTS_MAX: usize = 200_000;

/// Numbers that the lists of one request may have in sum, beside those that count as elements: replicas, and
/// partitions whose sizes are asked for. They stay numbers, but a frame of nothing else would be in memory
/// four times over: as it came, decoded, and encoded again while that grows. [`ELEMENTS_MAX`] partitions with
/// five replicas each pass, and that is 16 MB.
pub const NUMBERS_MAX: usize = 1_000_000;

const _: () = assert!(5 * ELEMENTS_MAX <= NUMBERS_MAX);

/// Producers of a physical partition that are shown to further siblings than the first, in one answer to
/// DescribeProducers: transactional ones, whose lanes nobody knows, are copied to each sibling that a request
/// names, at some 50 bytes. A few thousand producers at 20 lanes pass; a request for fewer siblings always
/// does.
pub const PRODUCERS_COPIED_MAX: usize = 200_000;

/// Tagged fields of a request that nobody knows, in sum: more are left out, as the broker does with all of
/// them. Each costs the codec some 70 ns, so that a request of nothing else, 130,000 before any proof, would
/// keep a worker for 10 ms. Honest ones have none or a few.
pub const UNKNOWN_TAGS_MAX: usize = 100;

const _: () = assert!(UNKNOWN_TAGS_MAX < ELEMENTS_MAX);

/// Entries of a refused request whose answers have words: clients show the first, and words for each would
/// make an answer of 20 times the request's bytes.
pub const REFUSAL_WORDS_MAX: usize = 100;

/// Siblings whose numbers stand in one sentence: they show the pattern, and a topic may have millions.
pub const SIBLINGS_NAMED_MAX: usize = 10;

/// Bytes of the replica lists of topics' settings in one answer, in clients' numbering: each of them is up to
/// as many times longer than the brokers' as a mapping has lanes, and a request may ask for one topic's again
/// and again. What was written of one that turned out too long counts too: it was as much work. Those beyond
/// are told as secret. A throttled reassignment of 5,000 replicas at 20 lanes passes.
pub const REPLICA_LISTS_BYTES_MAX: usize = 1 << 20;

/// As [`ELEMENTS_MAX`], for an answer of the own broker, whose size follows from the cluster's: Metadata of
/// 1.5 million partitions passes. What it turns into, some 400 MB, fits a worker's memory once, and is gone
/// when the call ends.
pub const ANSWER_ELEMENTS_MAX: usize = 2_000_000;

const _: () = assert!(ELEMENTS_MAX <= ANSWER_ELEMENTS_MAX);

/// Bytes that strings which are not UTF-8 may grow by in sum when they are put right: U+FFFD takes three
/// bytes, and stands for one at the least. No client is known to send more than a few such strings.
pub const TEXT_GROWTH_MAX: usize = 1 << 20;

/// Longest string of a message in bytes: Kafka takes no longer one in any version, flexible ones included
/// (`MessageGenerator`'s code checks the length).
pub const STRING_BYTES_MAX: usize = i16::MAX as usize;

const _: () = assert!(TOPIC_NAME_BYTES_MAX < STRING_BYTES_MAX && HOST_BYTES_MAX < STRING_BYTES_MAX);

/// Topics of the cluster that a worker remembers from Metadata. Clients can make the broker name no more
/// topics than there are, and forgetting costs a question.
pub const TOPIC_FACTS_MAX: usize = 10_000;

/// Slots in which the workers of a process tell each other of topics: more than clusters have mapped topics,
/// as a rule, and 6 MB at most, since a slot takes 28 bytes, a name and a key.
pub const TOPIC_SLOTS: u64 = 16_384;

const _: () = assert!(TOPIC_SLOTS >= TOPIC_FACTS_MAX as u64);

/// Milliseconds for which a worker goes by what it knows of a topic before it looks at what others know: one
/// call of the host, some microseconds, for each topic in use.
pub const TOPIC_LOOK_MS: u64 = 1_000;

/// Milliseconds after which what the workers of a process know of a topic has to be asked again. Around Envoy
/// a topic may be deleted and made with another number of partitions at any time, and until that is noticed
/// its partitions are taken for those of the old one. A question costs one request that names the topic a
/// round trip, and the broker a tenth of a millisecond.
pub const TOPIC_FACT_MS_MAX: u64 = 10_000;

const _: () = assert!(TOPIC_LOOK_MS < TOPIC_FACT_MS_MAX / 2);

/// Topics in one question of the filter's own. A request of an honest client seldom names more, and a broker
/// answers as many in some milliseconds.
pub const TOPICS_ASKED_MAX: usize = 2_000;

/// Questions of the filter's own before one request is handled: enough for all topics that a worker remembers
/// ([`TOPIC_FACTS_MAX`]). The request is read again after each, so their number must be bounded; topics
/// beyond are refused.
pub const TOPIC_QUESTIONS_MAX: usize = 5;

const _: () = assert!(TOPICS_ASKED_MAX * TOPIC_QUESTIONS_MAX >= TOPIC_FACTS_MAX);

/// Longest line of the log for one warning, in characters: a few names of the usual length, and what to do
/// about them.
pub const WARNING_CHARS_MAX: usize = 1_000;

/// Characters of a client id, a principal or a name that was tried that a line of the log shows: enough to
/// find the program. A line has at most these three and an address, which is shorter, in front of its
/// sentence ([`WARNING_CHARS_MAX`]).
pub const NAME_CHARS_SHOWN: usize = 100;

/// Bytes of such a name that a connection keeps for its lines: as many as the characters may have.
pub const NAME_BYTES_KEPT: usize = 4 * NAME_CHARS_SHOWN;

const _: () = assert!(4 * NAME_CHARS_SHOWN < WARNING_CHARS_MAX);
// A client id is found where a request begins: behind its length, its head and a length of its own.
const _: () = assert!(4 + 8 + 2 + NAME_BYTES_KEPT < WINDOW_BYTES);

/// A request waits for no more room for its answer than one in so many parts of a worker's memory, however
/// long answers were: it would wait for ever.
pub const ANSWER_PARTS: usize = 4;

/// Milliseconds for which a worker may have no memory left before somebody has to go: what is on its way lets
/// some go by itself.
pub const TIGHT_MS_MAX: u64 = 500;

/// Longest host name in bytes (RFC 1035, section 2.3.4, without the root label).
pub const HOST_BYTES_MAX: usize = 253;

/// `limits.frame_bytes` by default: what a broker accepts, too (`socket.request.max.bytes`).
pub const FRAME_BYTES_DEFAULT: usize = 100 << 20;

/// Least `limits.frame_bytes`: a broker's ApiVersions answer takes about half of it, and without that one
/// no connection starts.
pub const FRAME_BYTES_MIN: usize = 1 << 10;

/// Most `limits.frame_bytes`: a frame that passes goes by piece by piece, however long it is.
pub const FRAME_BYTES_MAX: usize = 1 << 30;

const _: () = assert!(FRAME_BYTES_MIN <= FRAME_BYTES_DEFAULT && FRAME_BYTES_DEFAULT <= FRAME_BYTES_MAX);

/// Longest frame in bytes that is ever put together, whatever `limits.frame_bytes` says: its chunks and the
/// whole are both in memory for a moment, beside all else.
pub const WHOLE_FRAME_BYTES_MAX: usize = 256 << 20;

const _: () = assert!(FRAME_BYTES_DEFAULT <= WHOLE_FRAME_BYTES_MAX);

/// Memory of a worker's VM in bytes: V8's limit in Envoy. One that runs out ends all connections of the
/// worker.
pub const VM_BYTES: usize = 1 << 30;

/// Bytes of a VM that are for code, stacks, and the gaps between allocations.
pub const VM_SPARE_BYTES: usize = 48 << 20;

/// `limits.worker_bytes` by default: half of a VM.
pub const WORKER_BYTES_DEFAULT: usize = 512 << 20;

/// Least `limits.worker_bytes`: a handful of connections with frames of 1 MiB.
pub const WORKER_BYTES_MIN: usize = 16 << 20;

/// Most `limits.worker_bytes`: what a VM has beside the spare and one frame of [`FRAME_BYTES_DEFAULT`] in the
/// making.
pub const WORKER_BYTES_MAX: usize = 768 << 20;

const _: () = assert!(WORKER_BYTES_MAX + 2 * FRAME_BYTES_DEFAULT + VM_SPARE_BYTES <= VM_BYTES);
const _: () = assert!(3 * WHOLE_FRAME_BYTES_MAX + VM_SPARE_BYTES <= VM_BYTES);
const _: () = assert!(FRAME_BYTES_DEFAULT <= WORKER_BYTES_DEFAULT);
const _: () = assert!(WORKER_BYTES_MIN <= WORKER_BYTES_DEFAULT && WORKER_BYTES_DEFAULT <= WORKER_BYTES_MAX);

/// Most `limits.worker_bytes` where frames are of up to `frame_bytes`: what a VM has beside one frame that is
/// put together from its chunks, when both are in memory for a moment.
pub(crate) fn worker_bytes_max(frame_bytes: usize) -> usize {
    let whole = frame_bytes.min(WHOLE_FRAME_BYTES_MAX);
    (VM_BYTES - VM_SPARE_BYTES).saturating_sub(2 * whole)
}

/// A client's frame of so many bytes is taken whatever memory is left: two thousand connections hold 32 MiB
/// of such.
pub const SMALL_FRAME_BYTES: usize = 16 << 10;

/// Bytes of larger frames that clients which have not proved who they are may have in a worker together. No
/// honest login needs a larger frame than [`SMALL_FRAME_BYTES`].
pub const STRANGERS_BYTES_MAX: usize = 16 << 20;

const _: () = assert!(STRANGERS_BYTES_MAX >= 8 * UNAUTHENTICATED_FRAME_BYTES_MAX);

/// A Fetch may ask for one in so many parts of the memory that is free: the many that start together after an
/// outage leave something for each other.
pub const FETCH_SHARES: usize = 8;

/// Least bytes that a Fetch asks for, and the room that a request waits for whose answer's size nobody knows:
/// a broker sends one batch whatever was asked for, and most are smaller.
pub const FETCH_SHARE_BYTES_MIN: usize = 256 << 10;

const _: () = assert!(FETCH_SHARES * FETCH_SHARE_BYTES_MIN <= WORKER_BYTES_MIN);
const _: () = assert!(FETCH_SESSION_PARTS * FETCH_SESSION_BYTES_MAX <= WORKER_BYTES_MIN);

/// Milliseconds for which a Fetch counts as if its whole answer were to come. A broker that has data answers
/// sooner; one that waits for some will have little.
pub const PROMISE_MS: u64 = 100;

/// Stretches of [`PROMISE_MS`] in which promises are counted: one counts for a quarter of that time too long
/// at most.
pub const PROMISE_SLOTS: usize = 4;

/// Milliseconds that a frame may take to come while others wait for its room: 100 MiB at 80 Mbit/s.
pub const FRAME_MS_MAX: u64 = 10_000;

/// Bytes that may wait in a worker's memory behind a request which has to be answered first. Envoy hands over
/// what it has read, some 1 MiB, whenever the broker is sent something, so what a client pipelines gathers
/// here.
pub const PIPELINED_BYTES_MAX: usize = 4 << 20;

const _: () = assert!(PIPELINED_BYTES_MAX < WORKER_BYTES_MIN);

/// Requests of a client that has not proved who it is that may wait for an answer. Clients send one at a
/// time.
pub const STRANGER_REQUESTS_MAX: usize = 8;

/// `limits.fetch_max_bytes` by default. Kafka's consumers ask for 50 MiB; reading on past siblings holds
/// several answers at once, so a fetch gets a third of that.
pub const FETCH_MAX_BYTES_DEFAULT: i32 = 16 << 20;

/// Least `limits.fetch_max_bytes`: what fits the least `limits.frame_bytes`. A broker sends a first batch
/// that is larger all the same, so a small value costs round trips, never progress.
pub const FETCH_MAX_BYTES_MIN: i32 = 1 << 9;

/// Most `limits.fetch_max_bytes`: half of [`FRAME_BYTES_MAX`]. The other half of a frame is room for the
/// partitions' headers, and for a first batch that passes the limit. No Fetch gets more than its share of a
/// worker's memory.
pub const FETCH_MAX_BYTES_MAX: i32 = 1 << 29;

const _: () = assert!(2 * FETCH_MAX_BYTES_MAX as usize <= FRAME_BYTES_MAX);
const _: () = assert!(FETCH_MAX_BYTES_MIN <= FETCH_MAX_BYTES_DEFAULT && FETCH_MAX_BYTES_DEFAULT <= FETCH_MAX_BYTES_MAX);
const _: () = assert!(2 * FETCH_MAX_BYTES_MIN as usize <= FRAME_BYTES_MIN);

/// `limits.in_flight_requests` by default: an order above what clients pipeline (Java 5, franz-go 20 or so);
/// beyond it the filter stops reading and Envoy holds the client back.
pub const IN_FLIGHT_REQUESTS_DEFAULT: usize = 64;

/// Most `limits.in_flight_requests`: each may hold a frame of its own in memory.
pub const IN_FLIGHT_REQUESTS_MAX: usize = 1_000;

/// Bytes that an unanswered request takes, more or less, beside what it keeps of its frame.
pub const EXCHANGE_BYTES: usize = 256;

const _: () = assert!(IN_FLIGHT_REQUESTS_DEFAULT <= IN_FLIGHT_REQUESTS_MAX);
// What a connection keeps in flight is nothing beside a frame.
const _: () = assert!(IN_FLIGHT_REQUESTS_MAX * EXCHANGE_BYTES < WORKER_BYTES_MIN);
const _: () = assert!(STRANGER_REQUESTS_MAX <= IN_FLIGHT_REQUESTS_DEFAULT);

/// Lanes of physical partitions of which a worker remembers where nothing of them lies. Forgetting one costs
/// a fetch that reads the siblings again, never a record. A lane's memory takes some 600 bytes at most.
pub const SKIP_LANES_MAX: usize = 8_192;

/// Ranges that are remembered of a lane: half for what was long to find, half for the consumers of the
/// moment.
pub const SKIPS_PER_LANE_MAX: usize = 8;

/// Milliseconds after which a consumer that gets nothing behind a remembered range is no longer answered so
/// without a look at the range's end: a topic that was made again, and is as long as the old one, would else
/// look like the end of the log.
pub const SKIP_UNSEEN_MS_MAX: u64 = 10_000;

/// Bytes of a round that looks at the ends of remembered ranges, and one entry more. It stands between a
/// consumer and its records.
pub const SKIP_PROOF_BYTES_MAX: i32 = 1 << 20;

const _: () = assert!(SKIP_PROOF_BYTES_MAX <= FETCH_MAX_BYTES_DEFAULT);

/// Such rounds of one Fetch. Siblings whose ranges end at yet more places wait for their next Fetch.
pub const SKIP_PROOF_ROUNDS_MAX: usize = 4;

/// Milliseconds for which a Fetch whose answer is nothing but an error that lasts is held back at least,
/// however short the client's wait: such clients ask again at once, for ever.
pub const FETCH_ERROR_MS_MIN: u64 = 100;

/// Milliseconds for which it is held back at most, however long the client's wait: what lasted may be over.
pub const FETCH_ERROR_MS_MAX: u64 = 1_000;

const _: () = assert!(FETCH_ERROR_MS_MIN <= FETCH_ERROR_MS_MAX);

/// Brokers whose address is remembered from Metadata. The largest clusters known have about a thousand.
pub const LEARNED_BROKERS_MAX: usize = 10_000;

/// Milliseconds for which answers must have named a broker to clients before it is odd that no connection
/// came in for it.
pub const UNREACHED_MS_MIN: u64 = 60_000;

/// As [`UNREACHED_MS_MIN`], in answers: one client that does not need all of its topic's partitions is no
/// sign.
pub const UNREACHED_ANSWERS_MIN: u32 = 10;

/// One day in milliseconds, the least `shadow_groups.retention_ms`: shorter, and a consumer that rests
/// overnight loses the committed offsets of all lanes but the first.
pub const SHADOW_RETENTION_MS_MIN: i64 = 86_400_000;

/// A hundred years in milliseconds, the most `shadow_groups.retention_ms`: added to a commit's time it
/// stays far from overflow on the broker.
pub const SHADOW_RETENTION_MS_MAX: i64 = 100 * 365 * SHADOW_RETENTION_MS_MIN;

const _: () = assert!(SHADOW_RETENTION_MS_MIN <= SHADOW_RETENTION_MS_MAX);

/// Characters of a client's software name that are remembered: the longest known has 28.
pub const SOFTWARE_NAME_CHARS_MAX: usize = 64;

/// Chunks below this many bytes are collected in one buffer instead of being kept one by one: a peer that
/// sends single bytes must not cost a hundred times what it sends.
pub const CHUNK_BYTES_MIN: usize = 1024;

/// Memory that is reserved for a frame at once, as a multiple of what of it is here: what a peer only claims
/// reserves none, and next to nothing is copied because a frame has outgrown its memory.
pub const FRAME_AHEAD_TIMES: usize = 16;

/// Slices below this many bytes are copied into the output; larger ones are worth a call of the host each.
pub const SHARED_BYTES_MIN: usize = 2048;

/// Bytes of a frame that are looked at to decide whether it may go on unread: a request header and the first
/// topic's name nearly always lie within.
pub const WINDOW_BYTES: usize = 512;

const _: () = assert!(TOPIC_NAME_BYTES_MAX < WINDOW_BYTES && WINDOW_BYTES < SMALL_FRAME_BYTES);

/// A broker's answer may be this long whatever `limits.frame_bytes` says: Metadata of a large cluster.
pub const ANSWER_BYTES_MIN: usize = 100 << 20;

const _: () = assert!(ANSWER_BYTES_MIN <= WHOLE_FRAME_BYTES_MAX);

/// Longest group id in bytes, on the wire as any string.
pub const GROUP_ID_BYTES_MAX: usize = STRING_BYTES_MAX;

/// Lanes whose shadow groups are looked for when a request names no partition (all offsets of a group, or its
/// deletion): a broker answers some 10,000 groups a second, and more lanes have not been seen.
pub const LANES_LISTED_MAX: u32 = 4_096;

/// Most groups that one request upstream asks for in the name of a client that asks for many: so what is held
/// at a time stays some hundred KiB, whatever the client's request adds up to.
pub const PIECE_GROUPS_MAX: usize = 4_096;

/// Bytes of names behind which such a request takes no further group: a name may have 32 KiB.
pub const PIECE_NAMES_BYTES_MAX: usize = 1 << 20;

const _: () = assert!(GROUP_ID_BYTES_MAX <= PIECE_NAMES_BYTES_MAX);

/// Members of one connection whose offsets are renewed. A client has a connection of its own for its group;
/// beyond it the member that was seen longest ago is forgotten, which costs a renewal before its time.
pub const RENEWED_MEMBERS_MAX: usize = 100;

/// Partitions whose offsets one Heartbeat renews; the next one goes on behind them. A commit for each of
/// their lanes goes up while the client waits for its Heartbeat's answer.
pub const RENEWED_PARTITIONS_MAX: usize = 1_000;

/// Milliseconds within which a member's offsets are renewed first, and again when a renewal has failed: long
/// enough to spread members that start together, and short enough for members that live a few minutes a day.
pub const RENEW_FIRST_MS_MAX: u64 = 60_000;

/// Least `shadow_groups.renew_ms`: a renewal costs four requests and more, in the place of a Heartbeat that
/// comes every three seconds or so.
pub const RENEW_MS_MIN: u64 = 1_000;

/// `shadow_groups.renew_ms` by default, an hour: next to nothing in requests, and next to nothing of the week
/// that brokers keep offsets by default (`offsets.retention.minutes`).
pub const RENEW_MS_DEFAULT: u64 = 3_600_000;

/// Most `shadow_groups.renew_ms`, a day: what brokers kept offsets for before Kafka 2.0.
pub const RENEW_MS_MAX: u64 = 86_400_000;

const _: () = assert!(RENEW_MS_MIN <= RENEW_MS_DEFAULT && RENEW_MS_DEFAULT <= RENEW_MS_MAX);
const _: () = assert!(RENEW_FIRST_MS_MAX <= RENEW_MS_DEFAULT);
const _: () = assert!(2 * RENEW_MS_DEFAULT as i64 <= SHADOW_RETENTION_MS_MIN);

/// Milliseconds between two lines of the log about one kind of warning: often enough to see that it goes on.
pub const WARNING_MS_MIN: u64 = 60_000;

/// Lines of warnings that a worker writes in [`WARNING_MS_MIN`], of whatever kind: clients choose names that
/// stand in them.
pub const WARNINGS_MAX: usize = 200;

/// As [`WARNINGS_MAX`], about clients that have not proved who they are: they must not silence the others.
pub const STRANGER_WARNINGS_MAX: usize = 20;

const _: () = assert!(STRANGER_WARNINGS_MAX < WARNINGS_MAX);

/// Kinds of warnings that a worker remembers to have written, each a line of text.
pub const WARNING_KINDS_MAX: usize = 1_000;

const _: () = assert!(WARNINGS_MAX <= WARNING_KINDS_MAX);

/// Milliseconds from a new configuration's first sign until connections under the former one begin to end: by
/// then all workers have it, and connections that were on their way to the former one have come.
pub const RETIRE_GRACE_MS: u64 = 3_000;

/// Milliseconds over which the connections of an outdated configuration end: thousands of clients that all
/// reconnect at once would be a load of its own for brokers.
pub const RETIRE_SPREAD_MS: u64 = 10_000;

/// Milliseconds without any byte before a retiring connection is closed: its client has read the last answer
/// by then, and the broker has what needs no answer (Produce with acks=0). Clients wait this long with their
/// next request, once.
pub const RETIRE_QUIET_MS: u64 = 250;
const _: () = assert!(2 * RETIRING_TICK_MS <= RETIRE_QUIET_MS);

const _: () = assert!(RETIRE_QUIET_MS < RETIRE_SPREAD_MS);

/// How often an outdated configuration may turn out to be in force before it is believed that several are.
/// One is a roll-back; more within [`TURNS_MS`] are listeners that share an identity.
pub const TURNS_MAX: usize = 2;

/// Milliseconds for which turns are remembered. Two listeners that share an identity lose the connections of
/// a few seconds once per this time, at most.
pub const TURNS_MS: u64 = 3_600_000;

const _: () = assert!(RETIRE_GRACE_MS + RETIRE_SPREAD_MS < TURNS_MS);

/// Filter instances of one `stat_prefix` whose connections are counted apart: some hundred workers with
/// several configurations each. Beyond it those of a VM that fails stay in the gauge.
pub const CENSUS_ENTRIES_MAX: usize = 1_000;

/// Milliseconds without a sign of life after which a filter instance counts as dead: it gives one each
/// second, and no request keeps a worker busy for this long.
pub const CENSUS_SILENT_MS: u64 = 10_000;
const _: () = assert!(10 * SLOW_TICK_MS <= CENSUS_SILENT_MS);
// A fetch of keys is answered, if only by the host giving up, before it counts as lost.
const _: () = assert!(KEYS_FETCH_MS_MAX < JWKS_FETCH_MS_MAX);
const _: () = assert!(WORK_MS < TICK_MS);

/// Entries of mappings that a process remembers, to refuse configurations that contradict them. The largest
/// configuration ([`CONFIG_BYTES_MAX`]) has some 20,000.
pub const PLACEMENTS_MAX: usize = 50_000;

/// Whole mappings of which a process remembers that they were accepted: those of a few listeners and their
/// last changes.
pub const MAPPINGS_MAX: usize = 16;

/// Milliseconds in which what a new mapping changes is logged once: the main thread takes a configuration
/// first, and all workers do within moments.
pub const MAPPING_LOGGED_MS: u64 = 10_000;

/// Changes of a mapping that the log names one by one; the others are a number.
pub const CHANGES_LOGGED_MAX: usize = 10;

const _: () = assert!(CHANGES_LOGGED_MAX < PLACEMENTS_MAX);

/// How often a change of a value in shared data is tried. Workers that change it at the same time each cost
/// one try.
pub const SHARED_TRIES_MAX: usize = 100;

const _: () = assert!(SHARED_PARTS * FETCH_SHARE_BYTES_MIN <= WORKER_BYTES_MIN);
const _: () = assert!(SHARED_PLACES_MAX < SHARED_LOGS_MAX);
const _: () = assert!(SHARED_PARKED_MAX * EXCHANGE_BYTES < WORKER_BYTES_MIN);
const _: () = assert!(SHARED_READ_BYTES_MAX <= FETCH_MAX_BYTES_DEFAULT);
const _: () = assert!(2 * TICK_MS < SHARED_PARK_MS_MIN && SHARED_PARK_MS_MIN < SHARED_WAIT_MS_MIN as u64);
