//! What somebody who proved nothing can feed to the filter, one target per parser, and one for a whole
//! connection.
//!
//! A target is a function of any bytes that panics where the parser is wrong. `fuzz_targets/` gives it to
//! libFuzzer; `tests/bounded.rs` runs it for some seconds on its seeds and on what [`mutate`] makes of them.

// A target is a test: it fails by panicking.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

pub mod bounds;
pub mod input;
pub mod mutate;
pub mod second;
pub mod targets;

/// A target under its name, which is also that of its program and of its directory of seeds.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// Inputs of the bounded run: some seconds in a debug build.
    pub runs: u64,
    /// Longest input of the bounded run, in bytes.
    pub bytes_max: usize,
}

const fn target(name: &'static str, run: fn(&[u8]), runs: u64, bytes_max: usize) -> Target {
    Target { name, run, runs, bytes_max }
}

/// All of them.
pub static TARGETS: [Target; 13] = [
    target("frames", targets::frames::frames, 20_000, 4_096),
    target("bodies", targets::bodies::bodies, 20_000, 4_096),
    target("names", targets::names::names, 20_000, 2_048),
    target("plain_token", targets::plain_token::plain_token, 20_000, 8_192),
    target("scram_client", targets::scram_client::scram_client, 20_000, 8_192),
    target("scram_broker", targets::scram_broker::scram_broker, 4_000, 8_192),
    target("oauth_message", targets::oauth_message::oauth_message, 20_000, 4_096),
    target("oauth_token", targets::oauth_token::oauth_token, 10_000, 4_096),
    target("key_set", targets::key_set::key_set, 10_000, 4_096),
    target("subject", targets::subject::subject, 20_000, 4_096),
    target("mapping_rules", targets::mapping_rules::mapping_rules, 5_000, 5_000),
    target("server_name", targets::server_name::server_name, 20_000, 512),
    target("connection", targets::connection::connection, 2_000, 2_048),
];
