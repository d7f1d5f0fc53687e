//! What the host has to do for a worker, and has no answer to.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use super::head::Head;
use crate::brokers::Address;
use crate::memory::Contended;
use crate::sasl::oauthbearer::jwks::Endpoint;
use crate::stats::Stat;
use crate::text;
use crate::time::Millis;

/// What a shell has to do, in this order, after each call of the worker.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// The connection that was just accepted goes to this address, and not where the host's configuration
    /// says.
    Route(Address),
    /// The client has proved who it is: for access logs, and for filters behind this one.
    Identify {
        /// Which connection.
        context_id: u32,
        /// The client's name.
        principal: String,
        /// How the client proved it: a SASL mechanism's registered name, `TLS` or `NONE`.
        mechanism: &'static str,
    },
    /// What is known of a connection, for access logs.
    Describe {
        /// Which connection.
        context_id: u32,
        /// What it is that is known: `kafka_client_id` or `kafka_broker`.
        key: &'static str,
        /// Printable, and bounded.
        value: String,
    },
    /// Close the connection behind what was written to it. Not inside one of the connection's own calls.
    Close(u32),
    /// Add to a counter or gauge, or record in a histogram. With 0: let the host know of the stat.
    Count(Stat, i64),
    /// Add to a gauge, which must not fall below zero.
    Correct(Stat, i64),
    /// Give a gauge this value.
    Set(Stat, u64),
    /// Give the gauge of this full name, which a former configuration has set, the value 0.
    Clear(String),
    /// Write a line of the log.
    Log(Level, String),
    /// Ask an identity provider for its keys. What came of it is for [`super::Worker::keys_fetched`].
    FetchKeys(Endpoint),
    /// Call [`super::Worker::tick`] each so many milliseconds from now on.
    Tick(Millis),
}

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Normal life.
    Info,
    /// Somebody has to act.
    Warn,
}

/// Commands that the shell has not taken yet.
#[derive(Debug)]
pub(crate) struct Commands {
    queue: RefCell<VecDeque<Command>>,
    /// At the head of each line of the log.
    stat_prefix: String,
    /// How many changes of shared memory have failed.
    contended: Cell<u64>,
}

impl Commands {
    pub(crate) fn new(stat_prefix: &str) -> Self {
        Self { queue: RefCell::default(), stat_prefix: stat_prefix.to_owned(), contended: Cell::new(0) }
    }

    pub(crate) fn push(&self, command: Command) {
        self.queue.borrow_mut().push_back(command);
    }

    pub(crate) fn pop(&self) -> Option<Command> {
        self.queue.borrow_mut().pop_front()
    }

    pub(crate) fn count(&self, stat: Stat, n: i64) {
        self.push(Command::Count(stat, n));
    }

    /// Logs a sentence that concerns no connection.
    pub(crate) fn inform(&self, sentence: String) {
        self.log(Level::Info, &Head::default(), &sentence);
    }

    /// As [`Self::inform`], where somebody has to act.
    pub(crate) fn warn(&self, sentence: String) {
        self.log(Level::Warn, &Head::default(), &sentence);
    }

    /// Logs a sentence about whom `head` names. The one place where a line of the log is made.
    pub(crate) fn log(&self, level: Level, head: &Head<'_>, sentence: &str) {
        let line = format!("[{}{head}] {}", self.stat_prefix, text::on_one_line(sentence));
        self.push(Command::Log(level, line));
    }

    /// What came of a change of shared memory. Of those that failed the first is logged, the second, the
    /// fourth, and so on: under load that may be each connection's.
    pub(crate) fn changed<T>(&self, outcome: Result<T, Contended>) -> Option<T> {
        let fails = |contended: &Contended| {
            self.contended.set(self.contended.get().saturating_add(1));
            if self.contended.get().is_power_of_two() {
                self.warn(contended.to_string());
            }
        };
        outcome.inspect_err(fails).ok()
    }
}
