//! Bounds on what proves who is who: tokens, keys, passwords, certificates, and what strangers may cost.

/// Longest SASL message in bytes that is looked at for OAUTHBEARER: the longest token, with as much again for
/// extensions.
pub const OAUTH_MESSAGE_BYTES_MAX: usize = 2 * OAUTH_TOKEN_BYTES_MAX;

/// Longest token in bytes. Tokens are made for HTTP headers, of which servers take 8 to 16 KiB.
pub const OAUTH_TOKEN_BYTES_MAX: usize = 32 << 10;

const _: () = assert!(
    OAUTH_TOKEN_BYTES_MAX < OAUTH_MESSAGE_BYTES_MAX && OAUTH_MESSAGE_BYTES_MAX <= UNAUTHENTICATED_FRAME_BYTES_MAX
);

/// Keys that are tried for a token that names none. Each costs a verification before it is known who asks;
/// providers publish the present, the next and the last key.
pub const OAUTH_KEYS_TRIED_MAX: usize = 16;

/// Microseconds of a worker in each millisecond for checks of tokens, which strangers ask for: a fifth, as
/// for passwords.
pub const CHECKS_US_PER_MS: i64 = 200;

const _: () = assert!(CHECKS_US_PER_MS < 1_000);

/// Microseconds of such checks that may come at once: a hundred honest clients that connect together do not
/// wait for each other, and nobody else feels it.
pub const CHECKS_US_MAX: i64 = 20_000;

/// Latest second that a token's times may name, the end of the year 9999: later ones would overflow as
/// milliseconds.
pub const OAUTH_TIME_S_MAX: u64 = 253_402_300_799;

/// `oauthbearer.clock_skew_s` by default: clocks kept by NTP differ by far less, those of virtual machines
/// not always.
pub const OAUTH_CLOCK_SKEW_S_DEFAULT: u64 = 60;

/// Most `oauthbearer.clock_skew_s`: an expired token is accepted for as long.
pub const OAUTH_CLOCK_SKEW_S_MAX: u64 = 600;

const _: () = assert!(OAUTH_CLOCK_SKEW_S_DEFAULT <= OAUTH_CLOCK_SKEW_S_MAX);

/// Longest JWK Set in bytes. A key with its chain of certificates takes some 5 KiB, and sets hold a handful.
pub const JWKS_BYTES_MAX: usize = 256 << 10;

/// Most keys of a JWK Set: an order above what providers publish.
pub const JWKS_KEYS_MAX: usize = 100;

const _: () = assert!(OAUTH_KEYS_TRIED_MAX <= JWKS_KEYS_MAX);

/// Least bits of an RSA key (RFC 7518, section 3.3).
pub const RSA_BITS_MIN: usize = 2048;

/// Most bits of an RSA key: twice the longest in use. A verification's cost grows with the square.
pub const RSA_BITS_MAX: usize = 8192;

const _: () = assert!(RSA_BITS_MIN <= RSA_BITS_MAX);

/// Most bits of an RSA key's public exponent, as in BoringSSL: nearly all are 65537, and a verification's
/// cost grows with it.
pub const RSA_EXPONENT_BITS_MAX: usize = 33;

/// Milliseconds after which a fetch of keys without an answer has failed.
pub const JWKS_FETCH_MS_MAX: u64 = 10_000;

/// Milliseconds until the second try after a failed fetch of keys; doubled with each further failure. Clients
/// cannot log in before the first success.
pub const JWKS_RETRY_MS_MIN: u64 = 1_000;

/// Most milliseconds between two tries: a provider that comes back is noticed within a minute.
pub const JWKS_RETRY_MS_MAX: u64 = 60_000;

const _: () = assert!(JWKS_RETRY_MS_MIN <= JWKS_RETRY_MS_MAX);

/// Least milliseconds between two fetches that a token with an unknown key asks for: anybody can make such a
/// token.
pub const JWKS_EARLY_MS_MIN: u64 = 10_000;

/// Least `jwks.http.refresh_s`, in milliseconds: more often than fetches for unknown keys brings nothing.
pub const JWKS_REFRESH_MS_MIN: u64 = JWKS_EARLY_MS_MIN;

/// `jwks.http.refresh_s` by default, in milliseconds: new keys are fetched when a token names one, so this
/// bounds how long a key that was withdrawn is trusted.
pub const JWKS_REFRESH_MS_DEFAULT: u64 = 300_000;

/// Most `jwks.http.refresh_s`, in milliseconds: a day. A key that was withdrawn is trusted for as long.
pub const JWKS_REFRESH_MS_MAX: u64 = 86_400_000;

const _: () = assert!(JWKS_REFRESH_MS_MIN <= JWKS_REFRESH_MS_DEFAULT && JWKS_REFRESH_MS_DEFAULT <= JWKS_REFRESH_MS_MAX);

/// `jwks.http.max_age_s` by default, in milliseconds: a day. A provider that is away for longer signs no
/// tokens either, and whoever keeps the filter from it keeps a withdrawn key alive for no longer.
pub const JWKS_AGE_MS_DEFAULT: u64 = 86_400_000;

/// Most `jwks.http.max_age_s`, in milliseconds: a week.
pub const JWKS_AGE_MS_MAX: u64 = 604_800_000;

const _: () = assert!(JWKS_AGE_MS_DEFAULT >= JWKS_REFRESH_MS_MAX);
const _: () = assert!(JWKS_AGE_MS_DEFAULT <= JWKS_AGE_MS_MAX);

/// Least PBKDF2 iterations of SCRAM credentials: Kafka's (`ScramMechanism.minIterations`), and RFC 7677's
/// advice.
pub const SCRAM_ITERATIONS_MIN: u32 = 4_096;

/// Most PBKDF2 iterations of SCRAM credentials: Kafka's (`ScramMechanism.maxIterations`). They take some 15
/// ms.
pub const SCRAM_ITERATIONS_MAX: u32 = 16_384;

const _: () = assert!(SCRAM_ITERATIONS_MIN <= SCRAM_ITERATIONS_MAX);

/// Bytes of the salts that the filter makes up: what RFC 8018 (section 4.1) calls enough, with as much again.
pub const SCRAM_SALT_BYTES: usize = 16;

/// Longest salt of SCRAM credentials in bytes. Kafka makes 26 of them; nobody is known to use more than 64.
pub const SCRAM_SALT_BYTES_MAX: usize = 128;

const _: () = assert!(SCRAM_SALT_BYTES_MIN <= SCRAM_SALT_BYTES && SCRAM_SALT_BYTES <= SCRAM_SALT_BYTES_MAX);

/// Longest part of a SCRAM nonce in bytes that the other side may add. Clients and brokers send 20 to 40.
pub const SCRAM_NONCE_BYTES_MAX: usize = 256;

/// Longest name of a user in bytes, prepared or not. RFC 2595 (section 6) allowed 255; names that are taken
/// from a directory can be longer.
pub const USER_NAME_BYTES_MAX: usize = 1_024;

/// Longest password in bytes: a password may be a signed token, the way cloud brokers use PLAIN.
pub const PASSWORD_BYTES_MAX: usize = 4_096;

/// Longest token of PLAIN in bytes: a name twice, a password, and two separators.
pub const PLAIN_TOKEN_BYTES_MAX: usize = 2 * USER_NAME_BYTES_MAX + PASSWORD_BYTES_MAX + 2;

const _: () = assert!(PLAIN_TOKEN_BYTES_MAX <= UNAUTHENTICATED_FRAME_BYTES_MAX);

/// Longest message of SCRAM in bytes: a name twice, each byte escaped in three, and room for nonces and
/// extensions.
pub const SCRAM_TOKEN_BYTES_MAX: usize = 6 * USER_NAME_BYTES_MAX + 2_048;

const _: () = assert!(6 * USER_NAME_BYTES_MAX + 2 * SCRAM_NONCE_BYTES_MAX < SCRAM_TOKEN_BYTES_MAX);
const _: () = assert!(SCRAM_TOKEN_BYTES_MAX <= UNAUTHENTICATED_FRAME_BYTES_MAX);

/// PBKDF2 iterations that are done in one go, a quarter of a millisecond: who looks at the clock between them
/// overruns its time by no more.
pub const WORK_ITERATIONS: u32 = 256;

const _: () = assert!(WORK_ITERATIONS <= SCRAM_ITERATIONS_MIN);

/// Milliseconds of each tick (of 20) that a worker spends on PBKDF2 for clients, at most: so long do its
/// other clients wait for it, and a sixth of the worker's time is all that strangers can make it spend so.
pub const WORK_MS: u64 = 4;

/// As [`WORK_MS`], in pieces of [`WORK_ITERATIONS`]: for a clock that stands still or goes back.
pub const WORK_PIECES_MAX: usize = 64;

/// Milliseconds that Envoy's main thread may spend on a new configuration to derive users' credentials, some
/// 3,000 of them. It serves no clients, and does not do it twice. Where this is not enough, workers go on
/// beside their other work, which takes them six times as long, and SCRAM waits for them.
pub const DERIVE_MS_MAX: u64 = 10_000;

/// Iterations that may wait in a worker for a verdict on PLAIN passwords, of all attempts in sum: 256
/// attempts at 4,096 iterations each. That is some seconds with the worker's share of time, and clients do
/// not wait for much longer.
pub const QUEUED_ITERATIONS_MAX: u32 = 1 << 20;

const _: () = assert!(QUEUED_ITERATIONS_MAX >= SCRAM_ITERATIONS_MAX);

/// Milliseconds that a client waits with a token at most before the filter bids it come again: half of the
/// ten seconds after which the least patient clients give up (kafkajs).
pub const VERDICT_MS_MAX: u64 = 5_000;

const _: () = assert!(VERDICT_MS_MAX < AUTHENTICATION_MS_DEFAULT);

/// Connections that are answered in one tick after they waited for the same: each costs some 50 microseconds.
pub const WOKEN_MAX: usize = 50;

/// Kinds of users, by salts and iterations, that unknown names imitate. Each costs a digest per attempt, some
/// 2 µs; where credentials come from one place there are one or two.
pub const FORMS_MAX: usize = 64;

/// Entries of what the workers of a process share about users: credentials for two hash functions,
/// and the password that was right last. Some 100 bytes each.
pub const VAULT_ENTRIES_MAX: usize = 3 * USERS_MAX;

/// Configurations of which a process remembers that its main thread has tried them: those of a few listeners.
pub const VAULT_TRIED_MAX: usize = 16;

/// Milliseconds after which the same configuration counts as tried anew, and not as taken by a worker that
/// follows.
pub const TRIED_MS: u64 = 10_000;

/// Milliseconds between two looks of a worker at what others have found out about passwords, and between two
/// tellings.
pub const VAULT_MS: u64 = 1_000;

/// Least `sasl.salt_secret` in bytes: 128 bits, if they are random.
pub const SALT_SECRET_BYTES_MIN: usize = 16;

/// Salted passwords that a worker remembers, for brokers. Brokers of a cluster share their credentials, so
/// one for each identity is in use.
pub const SALTED_ENTRIES_MAX: usize = 1_000;

/// Longest frame in bytes before the client has authenticated: as much as a broker takes then
/// (`sasl.server.max.receive.size`), and far more than any token needs.
pub const UNAUTHENTICATED_FRAME_BYTES_MAX: usize = 512 << 10;

/// `limits.authentication_ms` by default: a client proves who it is in a few round trips and, at an identity
/// provider that is slow, some seconds. A connection that says nothing takes a place under Envoy's limit of
/// connections for as long.
pub const AUTHENTICATION_MS_DEFAULT: u64 = 30_000;

/// Least `limits.authentication_ms`: below it clients on slow lines would never get in.
pub const AUTHENTICATION_MS_MIN: u64 = 1_000;

/// Most `limits.authentication_ms`: after this time a broker closes any connection that rests
/// (`connections.max.idle.ms`).
pub const AUTHENTICATION_MS_MAX: u64 = 600_000;

const _: () =
    assert!(AUTHENTICATION_MS_MIN <= AUTHENTICATION_MS_DEFAULT && AUTHENTICATION_MS_DEFAULT <= AUTHENTICATION_MS_MAX);

/// Milliseconds before a failed authentication is answered: the client, who will try again at once, waits,
/// and so does one who guesses. A broker waits 100 ms (`connection.failed.authentication.delay.ms`).
pub const FAILURE_DELAY_MS: u64 = 250;

/// Milliseconds between a connection's last answer and its close: some clients read both together, and then
/// throw the answer away (kafka-python 3).
pub const CLOSE_DELAY_MS: u64 = 50;

const _: () = assert!(FAILURE_DELAY_MS + CLOSE_DELAY_MS < AUTHENTICATION_MS_MIN);

/// Answers of a worker that are held back: some 40,000 failed authentications a second fill it. Beyond it,
/// connections that have not authenticated are closed at once, and others answered at once.
pub const DELAYED_ANSWERS_MAX: usize = 10_000;

/// Tokens of one authentication. SCRAM takes two, OAUTHBEARER two when it fails.
pub const SASL_ROUNDS_MAX: usize = 4;

/// Least time in milliseconds between two logins of the filter's on a connection: a broker takes an earlier
/// one for an error (KIP-368).
pub const RENEWAL_MS_MIN: u64 = 1_000;

/// Characters of what a broker says about a refused login that go to the log.
pub const BROKER_MESSAGE_CHARS_MAX: usize = 200;

/// Most `sasl.users`: each worker holds them all, and a gateway with more has an identity provider or
/// certificates.
pub const USERS_MAX: usize = 10_000;

/// Least salt of configured SCRAM credentials in bytes (RFC 8018, section 4.1).
pub const SCRAM_SALT_BYTES_MIN: usize = 8;

/// Longest secret in bytes after environment variables were put in: nothing else bounds those. A public key
/// in PEM takes 2 KiB at most.
pub const SECRET_BYTES_MAX: usize = 16 << 10;

const _: () = assert!(SALT_SECRET_BYTES_MIN <= SECRET_BYTES_MAX && PASSWORD_BYTES_MAX <= SECRET_BYTES_MAX);

/// Most `sasl.max_session_s`: 30 days. Longer, and it ends nothing.
pub const SESSION_S_MAX: u64 = 30 * 86_400;

/// Most `principal.mapping_rules`: they are tried one after the other for each connection.
pub const PRINCIPAL_RULES_MAX: usize = 100;

/// Longest rule of `principal.mapping_rules` in bytes; those in use have some 100.
pub const PRINCIPAL_RULE_BYTES_MAX: usize = 1_024;

/// Groups and classes of a rule's pattern that may stand within each other: each takes a piece of the stack.
/// Rules in use have three.
pub const PRINCIPAL_RULE_DEPTH_MAX: usize = 50;

const _: () = assert!(PRINCIPAL_RULE_DEPTH_MAX <= PRINCIPAL_RULE_BYTES_MAX);

/// Longest subject of a certificate, and longest principal made of one, in bytes. X.520 bounds an attribute
/// at 64 characters, and subjects have some ten of them.
pub const PRINCIPAL_BYTES_MAX: usize = 4_096;
