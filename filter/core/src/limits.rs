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

/// Largest compiled form of one regex of the configuration, in bytes. A Unicode class takes some 50 KiB; only a counted
/// repetition of large classes goes beyond this, and every worker holds a copy.
pub const REGEX_BYTES_MAX: usize = 1 << 20;

/// Longest topic name in bytes that Kafka accepts (`org.apache.kafka.common.internals.Topic`).
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

/// Topics whose resolution is remembered. Clients choose the names that they ask for, so the cache must not
/// grow with them; real clusters seldom have more topics, and beyond it a topic only costs its regexes again.
pub const TOPIC_CACHE_ENTRIES_MAX: usize = 10_000;

/// Topics of the cluster that a worker remembers from Metadata. Clients can make the broker name no more topics than there
/// are, and forgetting costs a question.
pub const TOPIC_FACTS_MAX: usize = 10_000;

/// Milliseconds after which what a worker knows of a topic has to be asked again: twice the time after which clients refresh
/// their own metadata (`metadata.max.age.ms`), so that where any does, their answers keep it fresh and nothing is asked.
pub const TOPIC_FACT_MS_MAX: u64 = 600_000;

/// Topics in one question of the filter's own. A request of an honest client seldom names more, and a broker answers as many in
/// some milliseconds.
pub const TOPICS_ASKED_MAX: usize = 2_000;

/// Questions of the filter's own before one request is handled: enough for all topics that a worker remembers
/// ([`TOPIC_FACTS_MAX`]). The request is read again after each, so their number must be bounded; topics beyond are refused.
pub const TOPIC_QUESTIONS_MAX: usize = 5;

const _: () = assert!(TOPICS_ASKED_MAX * TOPIC_QUESTIONS_MAX >= TOPIC_FACTS_MAX);

/// Longest host name in bytes (RFC 1035, section 2.3.4, without the root label).
pub const HOST_BYTES_MAX: usize = 253;

/// `limits.frame_bytes` by default: what a broker accepts, too (`socket.request.max.bytes`).
pub const FRAME_BYTES_DEFAULT: usize = 100 << 20;

/// Least `limits.frame_bytes`: a broker's ApiVersions answer takes about half of it, and without that one
/// no connection starts.
pub const FRAME_BYTES_MIN: usize = 1 << 10;

/// Most `limits.frame_bytes`: a frame and its rewritten copy fit the 4 GiB of a wasm memory, with as much
/// again for the other connections of the worker.
pub const FRAME_BYTES_MAX: usize = 1 << 30;

/// `limits.fetch_max_bytes` by default. Kafka's consumers ask for 50 MiB; reading on past siblings holds
/// several answers at once, so a fetch gets a third of that.
pub const FETCH_MAX_BYTES_DEFAULT: i32 = 16 << 20;

/// Least `limits.fetch_max_bytes`: what fits the least `limits.frame_bytes`. A broker sends a first batch
/// that is larger all the same, so a small value costs round trips, never progress.
pub const FETCH_MAX_BYTES_MIN: i32 = 1 << 9;

/// Most `limits.fetch_max_bytes`: half of [`FRAME_BYTES_MAX`]. The other half of a frame is room for the
/// partitions' headers, and for a first batch that passes the limit.
pub const FETCH_MAX_BYTES_MAX: i32 = 1 << 29;

/// `limits.in_flight_requests` by default: an order above what clients pipeline (Java 5, franz-go 20 or so);
/// beyond it the filter stops reading and Envoy holds the client back.
pub const IN_FLIGHT_REQUESTS_DEFAULT: usize = 64;

/// Most `limits.in_flight_requests`: each may hold a frame of its own in memory.
pub const IN_FLIGHT_REQUESTS_MAX: usize = 1_000;

/// Positions behind dropped siblings that one connection remembers. Forgetting one costs a fetch that
/// reads the siblings again, never a record.
pub const SKIP_POSITIONS_MAX: usize = 10_000;

/// Brokers whose address is remembered from Metadata. The largest clusters known have about a thousand.
pub const LEARNED_BROKERS_MAX: usize = 10_000;

/// Milliseconds for which clients must have been told of a broker before it is odd that no connection came in for it.
pub const UNREACHED_MS_MIN: u64 = 60_000;

/// As [`UNREACHED_MS_MIN`], in answers: one client that does not need all of its topic's partitions is no sign.
pub const UNREACHED_ANSWERS_MIN: u32 = 10;

/// One day in milliseconds, the least `shadow_groups.retention_ms`: shorter, and a consumer that rests overnight loses
/// the committed offsets of all lanes but the first.
pub const SHADOW_RETENTION_MS_MIN: i64 = 86_400_000;

/// One year of 365 days in milliseconds, `shadow_groups.retention_ms` by default: a shadow group has no
/// members, so the broker would forget it while its group is still in use.
pub const SHADOW_RETENTION_MS_DEFAULT: i64 = 365 * SHADOW_RETENTION_MS_MIN;

/// A hundred years in milliseconds, the most `shadow_groups.retention_ms`: added to a commit's time it
/// stays far from overflow on the broker.
pub const SHADOW_RETENTION_MS_MAX: i64 = 100 * SHADOW_RETENTION_MS_DEFAULT;

/// Chunks below this many bytes are collected in one buffer instead of being kept one by one: a peer that
/// sends single bytes must not cost a hundred times what it sends.
pub const CHUNK_BYTES_MIN: usize = 1024;

/// Slices below this many bytes are copied into the output; larger ones are worth a call of the host each.
pub const SHARED_BYTES_MIN: usize = 2048;

/// Bytes of a frame that are looked at to decide whether it may go on unread: a request header and the first
/// topic's name nearly always lie within.
pub const WINDOW_BYTES: usize = 512;

/// A broker's answer may be this long whatever `limits.frame_bytes` says: Metadata of a large cluster.
pub const ANSWER_BYTES_MIN: usize = 100 << 20;

/// Bytes of a group id on the wire: a STRING has 16 bits of length.
pub const GROUP_ID_BYTES_MAX: usize = i16::MAX as usize;

/// Lanes whose shadow groups one request may have to be sent for when it names no partition (all offsets of a group, or
/// its deletion). A broker answers a few hundred groups in about 50 ms.
pub const LANES_LISTED_MAX: u32 = 4_096;

/// Bytes of incomplete frames that all connections of a worker may hold together: a wasm VM has 4 GiB at most, and one
/// that runs out ends every connection. Beyond it, a connection that holds much is closed.
pub const HELD_BYTES_MAX: usize = 1 << 30;

/// A connection that holds less than this is not closed for want of memory: it is not the one to blame.
pub const HELD_BYTES_FREE: usize = 1 << 20;

/// Longest SASL message in bytes that is looked at for OAUTHBEARER: the longest token, with as much again for extensions.
pub const OAUTH_MESSAGE_BYTES_MAX: usize = 2 * OAUTH_TOKEN_BYTES_MAX;

/// Longest token in bytes. Tokens are made for HTTP headers, of which servers take 8 to 16 KiB.
pub const OAUTH_TOKEN_BYTES_MAX: usize = 32 << 10;

/// Keys that are tried for a token that names none. Each costs a verification before it is known who asks; providers
/// publish the present, the next and the last key.
pub const OAUTH_KEYS_TRIED_MAX: usize = 16;

/// Latest second that a token's times may name, the end of the year 9999: later ones would overflow as milliseconds.
pub const OAUTH_TIME_S_MAX: u64 = 253_402_300_799;

/// `oauthbearer.clock_skew_s` by default: clocks kept by NTP differ by far less, those of virtual machines not always.
pub const OAUTH_CLOCK_SKEW_S_DEFAULT: u64 = 60;

/// Most `oauthbearer.clock_skew_s`: an expired token is accepted for as long.
pub const OAUTH_CLOCK_SKEW_S_MAX: u64 = 600;

/// Longest JWK Set in bytes. A key with its chain of certificates takes some 5 KiB, and sets hold a handful.
pub const JWKS_BYTES_MAX: usize = 256 << 10;

/// Most keys of a JWK Set: an order above what providers publish.
pub const JWKS_KEYS_MAX: usize = 100;

/// Least bits of an RSA key (RFC 7518, section 3.3).
pub const RSA_BITS_MIN: usize = 2048;

/// Most bits of an RSA key: twice the longest in use. A verification's cost grows with the square.
pub const RSA_BITS_MAX: usize = 8192;

/// Most bits of an RSA key's public exponent, as in BoringSSL: nearly all are 65537, and a verification's cost grows
/// with it.
pub const RSA_EXPONENT_BITS_MAX: usize = 33;

/// Milliseconds after which a fetch of keys without an answer has failed.
pub const JWKS_FETCH_MS_MAX: u64 = 10_000;

/// Milliseconds until the second try after a failed fetch of keys; doubled with each further failure. Clients cannot log
/// in before the first success.
pub const JWKS_RETRY_MS_MIN: u64 = 1_000;

/// Most milliseconds between two tries: a provider that comes back is noticed within a minute.
pub const JWKS_RETRY_MS_MAX: u64 = 60_000;

/// Least milliseconds between two fetches that a token with an unknown key asks for: anybody can make such a token.
pub const JWKS_EARLY_MS_MIN: u64 = 10_000;

/// Least `jwks.http.refresh_s`, in milliseconds: more often than fetches for unknown keys brings nothing.
pub const JWKS_REFRESH_MS_MIN: u64 = JWKS_EARLY_MS_MIN;

/// `jwks.http.refresh_s` by default, in milliseconds: new keys are fetched when a token names one, so this bounds how long a
/// key that was withdrawn is trusted.
pub const JWKS_REFRESH_MS_DEFAULT: u64 = 300_000;

/// Most `jwks.http.refresh_s`, in milliseconds: a day. A key that was withdrawn is trusted for as long.
pub const JWKS_REFRESH_MS_MAX: u64 = 86_400_000;

/// Least PBKDF2 iterations of SCRAM credentials: Kafka's (`ScramMechanism.minIterations`), and RFC 7677's advice.
pub const SCRAM_ITERATIONS_MIN: u32 = 4_096;

/// Most PBKDF2 iterations of SCRAM credentials: Kafka's (`ScramMechanism.maxIterations`). A worker serves nobody else
/// while it computes them, some 10 ms.
pub const SCRAM_ITERATIONS_MAX: u32 = 16_384;

/// Bytes of the salts that the filter makes up: what RFC 8018 (section 4.1) calls enough, with as much again.
pub const SCRAM_SALT_BYTES: usize = 16;

/// Longest salt of SCRAM credentials in bytes. Kafka makes 26 of them; nobody is known to use more than 64.
pub const SCRAM_SALT_BYTES_MAX: usize = 128;

/// Longest part of a SCRAM nonce in bytes that the other side may add. Clients and brokers send 20 to 40.
pub const SCRAM_NONCE_BYTES_MAX: usize = 256;

/// Longest name of a user in bytes, prepared or not. RFC 2595 (section 6) allowed 255; names that are taken from a
/// directory can be longer.
pub const USER_NAME_BYTES_MAX: usize = 1_024;

/// Longest password in bytes: a password may be a signed token, the way cloud brokers use PLAIN.
pub const PASSWORD_BYTES_MAX: usize = 4_096;

/// Longest token of PLAIN in bytes: a name twice, a password, and two separators.
pub const PLAIN_TOKEN_BYTES_MAX: usize = 2 * USER_NAME_BYTES_MAX + PASSWORD_BYTES_MAX + 2;

/// Longest message of SCRAM in bytes: a name twice, each byte escaped in three, and room for nonces and extensions.
pub const SCRAM_TOKEN_BYTES_MAX: usize = 6 * USER_NAME_BYTES_MAX + 2_048;

/// Passwords and names whose PBKDF2 result a worker remembers, for clients. Strangers choose what fills it, so it must be
/// bounded; an entry takes some 300 bytes.
pub const CHECKED_ENTRIES_MAX: usize = 10_000;

/// Salted passwords that a worker remembers, for brokers. Brokers of a cluster share their credentials, so one for each
/// identity is in use.
pub const SALTED_ENTRIES_MAX: usize = 1_000;

/// Longest frame in bytes before the client has authenticated: as much as a broker takes then
/// (`sasl.server.max.receive.size`), and far more than any token needs.
pub const UNAUTHENTICATED_FRAME_BYTES_MAX: usize = 512 << 10;

/// Milliseconds before a failed authentication is answered: the client, who will try again at once, waits, and so does one
/// who guesses. A broker waits 100 ms (`connection.failed.authentication.delay.ms`).
pub const FAILURE_DELAY_MS: u64 = 250;

/// Milliseconds between a connection's last answer and its close: some clients read both together, and then throw the answer
/// away (kafka-python 3).
pub const CLOSE_DELAY_MS: u64 = 50;

/// Failed authentications of a worker that wait to be answered: some 40,000 a second fill it. Beyond it connections are
/// closed at once.
pub const DELAYED_FAILURES_MAX: usize = 10_000;

/// Tokens of one authentication. SCRAM takes two, OAUTHBEARER two when it fails.
pub const SASL_ROUNDS_MAX: usize = 4;

/// Characters of what a broker says about a refused login that go to the log.
pub const BROKER_MESSAGE_CHARS_MAX: usize = 200;

/// Most `sasl.users`: each worker holds them all, and a gateway with more has an identity provider or certificates.
pub const USERS_MAX: usize = 10_000;

/// Least salt of configured SCRAM credentials in bytes (RFC 8018, section 4.1).
pub const SCRAM_SALT_BYTES_MIN: usize = 8;

/// Longest secret in bytes after environment variables were put in: nothing else bounds those. A public key in PEM
/// takes 2 KiB at most.
pub const SECRET_BYTES_MAX: usize = 16 << 10;

/// Most `sasl.max_session_s`: 30 days. Longer, and it ends nothing.
pub const SESSION_S_MAX: u64 = 30 * 86_400;

/// Most `principal.mapping_rules`: they are tried one after the other for each connection.
pub const PRINCIPAL_RULES_MAX: usize = 100;

/// Longest rule of `principal.mapping_rules` in bytes; those in use have some 100.
pub const PRINCIPAL_RULE_BYTES_MAX: usize = 1_024;

/// Longest subject of a certificate, and longest principal made of one, in bytes. X.520 bounds an attribute at 64
/// characters, and subjects have some ten of them.
pub const PRINCIPAL_BYTES_MAX: usize = 4_096;
