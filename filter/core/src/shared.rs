//! What the connections of a worker have in common.

pub mod budget;
pub(crate) mod facts;
pub(crate) mod reach;
pub(crate) mod reads;
pub(crate) mod sessions;
pub(crate) mod skips;
pub(crate) mod tally;
pub(crate) mod warnings;

use std::collections::HashSet;
use std::rc::Rc;

use kafka_protocol::messages::TopicName;

use crate::config::Config;
use crate::fingerprint::Fingerprint;
use crate::memory::ProcessMemory;
use crate::time::Millis;
use crate::topics::TopicRegistry;
use crate::{limits, sasl};

/// What all connections of a plugin have in common.
pub struct Shared {
    /// What the operator says.
    pub config: Config,
    /// Which topic has which mapping.
    pub topics: TopicRegistry,
    /// What the worker's memory may be used for.
    pub budget: std::rc::Rc<budget::Budget>,
    pub(crate) facts: facts::Facts,
    /// What the process's workers share, and this worker's configuration. None: there are no other workers.
    process: Option<(Rc<ProcessMemory>, Fingerprint)>,
    pub(crate) skips: skips::Skips,
    pub(crate) session_room: sessions::SessionRoom,
    pub(crate) reach: reach::Reach,
    pub(crate) reads: std::rc::Rc<reads::Reads>,
    pub(crate) authenticator: sasl::Authenticator,
    pub(crate) tally: tally::Tally,
    warnings: warnings::Warnings,
    stranger_warnings: warnings::Warnings,
}

impl Shared {
    /// `seed`: unpredictable bytes. `salts`: as well, and the same in all workers of the process for as long
    /// as it lives. `live` tells how many bytes are alive in the worker's memory.
    pub fn new(
        config: Config,
        seed: [u8; 32],
        salts: [u8; 32],
        verifier: Box<dyn sasl::oauthbearer::Verifier>,
        live: Box<dyn Fn() -> usize>,
    ) -> Self {
        let topics = TopicRegistry::new(&config.mapping);
        let authenticator = sasl::Authenticator::new(config.sasl.as_ref(), seed, salts, verifier);
        let budget = budget::Budget::new(config.limits.worker_bytes, config.limits.frame_bytes, live);
        let reads = reads::Reads::new(config.limits.worker_bytes);
        let session_room = sessions::SessionRoom::new(config.limits.worker_bytes);
        Self {
            config,
            topics,
            budget,
            facts: facts::Facts::default(),
            process: None,
            skips: skips::Skips::default(),
            session_room,
            reach: reach::Reach::default(),
            reads,
            authenticator,
            tally: tally::Tally::default(),
            warnings: warnings::Warnings::new(limits::WARNINGS_MAX),
            stranger_warnings: warnings::Warnings::new(limits::STRANGER_WARNINGS_MAX),
        }
    }

    /// The same, of a worker that shares `memory` with others, under the configuration with this fingerprint.
    pub(crate) fn sharing(self, memory: &Rc<ProcessMemory>, configuration: Fingerprint) -> Self {
        let process = Some((Rc::clone(memory), configuration));
        Self { facts: facts::Facts::new(Rc::clone(memory)), process, ..self }
    }

    /// Whether the process works with another configuration than this one by now, as far as can be told: see
    /// [`generations`](crate::memory::generations). Costs a call of the host.
    pub(crate) fn is_replaced(&self, now: Millis) -> bool {
        self.process.as_ref().is_some_and(|(memory, configuration)| {
            memory.get(&memory.generations()).is_some_and(|known| known.is_replaced(*configuration, now))
        })
    }

    /// Forgets all that is remembered of topics that are gone, or are others than they were.
    pub(crate) fn forget_topics(&self, topics: &HashSet<TopicName>, now: Millis) {
        topics.iter().for_each(|topic| self.facts.forget(&topic.0, now));
        self.forget_logs(topics);
    }

    /// Forgets what is remembered of the topics' logs.
    pub(crate) fn forget_logs(&self, topics: &HashSet<TopicName>) {
        if !topics.is_empty() {
            self.skips.forget_topics(topics);
            self.reads.forget_topics(topics);
        }
    }

    /// The line of the log for a warning ([`crate::connection::Action::Warn`]). None: one of its kind was
    /// written a moment ago.
    pub fn line_for(&self, warning: &str, now: Millis) -> Option<String> {
        self.warnings.line(warning, now)
    }

    /// As [`Self::line_for`], for [`crate::connection::Action::WarnOfStranger`]: these have a bound of their
    /// own.
    pub fn line_for_stranger(&self, warning: &str, now: Millis) -> Option<String> {
        self.stranger_warnings.line(warning, now)
    }

    /// Passwords wait for their PBKDF2: [`Self::work`] should be called, a share of the worker's time.
    pub fn has_work(&self) -> bool {
        self.authenticator.users.has_work()
    }

    /// Does some of it, [`limits::WORK_ITERATIONS`]. Connections that wait for the outcome are told by
    /// nobody: see [`crate::connection::Connection::has_verdict`].
    pub fn work(&self) {
        self.authenticator.users.work();
    }

    /// Workers of a process have something to tell each other: see [`Self::begin_with`].
    pub fn uses_vault(&self) -> bool {
        self.authenticator.users.uses_vault()
    }

    /// Some of it is for users whose credentials are not derived yet: SCRAM waits for them.
    pub fn is_deriving(&self) -> bool {
        self.credentials_left() > 0
    }

    /// Credentials that are not derived yet.
    pub fn credentials_left(&self) -> usize {
        self.authenticator.users.credentials_left()
    }

    /// To be called once, with what the workers of a process `stored` for this plugin: takes from it what
    /// other workers, or an earlier configuration, have computed already. Gives what is to be stored instead,
    /// and whether this is the first time that the process tries `configuration`: then nobody is served here,
    /// and the work may be done at once.
    pub fn begin_with(&self, stored: &[u8], configuration: Fingerprint, now: Millis) -> (Vec<u8>, bool) {
        let mut vault = sasl::vault::Vault::read(stored);
        let is_first = vault.is_first_try(configuration, now);
        if is_first {
            self.authenticator.users.tidy(&mut vault);
        }
        self.authenticator.users.exchange(&mut vault);
        (vault.write(), is_first)
    }

    /// Takes from what is `stored` what others have computed, and gives what is to be stored instead.
    pub fn exchange_with(&self, stored: &[u8]) -> Vec<u8> {
        let mut vault = sasl::vault::Vault::read(stored);
        self.authenticator.users.exchange(&mut vault);
        vault.write()
    }

    /// Something was computed that [`Self::exchange_with`] would tell others.
    pub fn has_news(&self) -> bool {
        self.authenticator.users.has_news()
    }

    /// A connection came in that stands for `broker`. True: the first one that this worker sees, or has heard
    /// of.
    pub fn broker_reached(&self, broker: i32) -> bool {
        self.reach.came(broker)
    }

    /// Where the identity provider's keys should be fetched from now, if they should.
    pub fn keys_due(&self, now: Millis) -> Option<sasl::oauthbearer::jwks::Endpoint> {
        self.authenticator.tokens.as_ref()?.fetch_due(now)
    }

    /// Takes what came of it, a key set as JSON or why there is none. `None`: no keys are fetched here.
    pub fn keys_fetched(&self, now: Millis, outcome: Result<&[u8], &str>) -> Option<sasl::oauthbearer::Fetched> {
        self.authenticator.tokens.as_ref().map(|tokens| tokens.fetched(now, outcome))
    }
}
