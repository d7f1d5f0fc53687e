//! The Kafka partition remapper without any input or output: bytes, time and configuration come in
//! as arguments, actions come out. Read the modules in this order; it is the order in which data flows.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

#[cfg(all(test, target_arch = "wasm32"))]
#[macro_use(test)]
extern crate wasm_test;

pub(crate) mod apis;
pub(crate) mod authentication;
pub mod batch;
pub mod brokers;
pub mod budget;
pub mod census;
pub mod config;
pub mod connection;
pub(crate) mod crc;
pub mod deadlines;
pub mod error;
pub(crate) mod exchange;
pub(crate) mod facts;
pub mod frame;
pub mod generations;
pub(crate) mod header;
pub mod learn;
pub mod limits;
pub(crate) mod located;
pub(crate) mod login;
pub(crate) mod pattern;
pub mod placements;
pub mod principal;
pub(crate) mod reach;
pub mod remapper;
pub(crate) mod renewals;
pub mod retirement;
pub mod rope;
pub(crate) mod rounds;
pub mod sasl;
pub mod shadow;
pub mod shape;
pub(crate) mod skips;
pub mod stats;
#[cfg(test)]
mod testing;
pub(crate) mod text;
pub mod topics;
pub(crate) mod warnings;
pub(crate) mod wire;

pub use exchange::Millis;

/// What all connections of a plugin have in common.
pub struct Shared {
    pub config: config::Config,
    pub topics: topics::TopicRegistry,
    pub budget: std::rc::Rc<budget::Budget>,
    pub(crate) facts: facts::Facts,
    pub(crate) skips: skips::Skips,
    pub(crate) reach: reach::Reach,
    pub(crate) judge: sasl::Authenticator,
    warnings: warnings::Warnings,
}

impl Shared {
    /// `seed`: unpredictable bytes. `live` tells how many bytes are alive in the worker's memory.
    pub fn new(
        config: config::Config,
        seed: [u8; 32],
        verifier: Box<dyn sasl::oauthbearer::Verifier>,
        live: Box<dyn Fn() -> usize>,
    ) -> Self {
        let topics = topics::TopicRegistry::new(&config.mapping);
        let judge = sasl::Authenticator::new(&config, seed, verifier);
        let budget = budget::Budget::new(config.limits.worker_bytes, config.limits.frame_bytes, live);
        Self {
            config,
            topics,
            budget,
            facts: facts::Facts::default(),
            skips: skips::Skips::default(),
            reach: reach::Reach::default(),
            judge,
            warnings: warnings::Warnings::default(),
        }
    }

    /// The line of the log for a warning ([`connection::Action::Warn`]). None: one of its kind was written a moment ago.
    pub fn line_for(&self, warning: &str, now: Millis) -> Option<String> {
        self.warnings.line(warning, now)
    }

    /// A connection came in that stands for `broker`. True: the first one that this worker sees, or has heard of.
    pub fn broker_reached(&self, broker: i32) -> bool {
        self.reach.came(broker)
    }

    /// Where the identity provider's keys should be fetched from now, if they should.
    pub fn keys_due(&self, now: Millis) -> Option<sasl::oauthbearer::jwks::Endpoint> {
        self.judge.tokens.as_ref()?.fetch_due(now)
    }

    /// [`Self::keys_due`] has to be asked from time to time.
    pub fn fetches_keys(&self) -> bool {
        let oauthbearer = self.config.sasl.as_ref().and_then(|sasl| sasl.oauthbearer.as_ref());
        oauthbearer.is_some_and(|settings| matches!(settings.keys, sasl::oauthbearer::jwks::KeySource::Http(_)))
    }

    /// What came of it: a key set as JSON, or why there is none. Gives the number of keys.
    ///
    /// # Errors
    /// Why the former keys stay in use.
    pub fn keys_fetched(&self, now: Millis, outcome: Result<&[u8], &str>) -> Result<usize, String> {
        self.judge.tokens.as_ref().map_or(Ok(0), |tokens| tokens.fetched(now, outcome))
    }
}
