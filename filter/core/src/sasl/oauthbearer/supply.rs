//! The keys in use, and when to fetch them anew.
//!
//! ```text
//!            due                    answer, or none for 10 s
//!   waiting ─────► under way ─┬─ a JWK Set ──► waiting, for refresh_ms; the set's keys replace the old ones,
//!      ▲                      │                even if the set has none
//!      │                      └─ none ───────► waiting, for 1 s, 2 s, 4 s … 60 s; the old keys stay in use,
//!      │                                      for max_age_ms
//!      └── a token with an unknown key asks for an earlier fetch, at most each 10 s
//! ```

use std::fmt;
use std::rc::Rc;

use super::jwks::{Endpoint, KeySet, KeySource};
use crate::limits::{JWKS_EARLY_MS_MIN, JWKS_FETCH_MS_MAX, JWKS_RETRY_MS_MAX, JWKS_RETRY_MS_MIN};
use crate::time::Millis;

/// Keys, and where more come from.
#[derive(Debug)]
pub(crate) struct Supply {
    /// None: none were ever fetched.
    keys: Option<Rc<KeySet>>,
    schedule: Option<Schedule>,
}

#[derive(Debug)]
struct Schedule {
    endpoint: Endpoint,
    /// When the next fetch starts.
    due: Millis,
    /// When the last fetch started.
    started: Option<Millis>,
    /// When the keys in use came.
    fetched: Option<Millis>,
    under_way: bool,
    /// Failures since the last success.
    failures: u32,
}

/// What came of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The keys that were in use before.
    Same {
        /// How many keys are in use.
        keys: usize,
    },
    /// Other keys. With none every token is refused.
    Changed {
        /// How many keys are in use from now on.
        keys: usize,
        /// What is wrong with the first of the set's keys that cannot be used.
        problem: Option<String>,
    },
    /// No JWK Set came.
    Failed {
        /// Why, for the log.
        why: String,
        /// For so many milliseconds the keys of the last good fetch stay in use if no other fetch succeeds.
        /// 0: no keys are in use, and no token can be checked.
        keys_left_ms: Millis,
    },
}

impl Fetched {
    /// Whether an operator has to act.
    pub fn is_warning(&self) -> bool {
        !matches!(self, Self::Same { .. } | Self::Changed { keys: 1.., problem: None })
    }
}

impl fmt::Display for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same { keys } => write!(f, "{keys} keys are in use, as before"),
            Self::Changed { keys, problem } => {
                match keys {
                    0 => f.write_str("the provider's new set has no key that can be used: 0 keys are in use, and every token is refused")?,
                    keys => write!(f, "{keys} keys are in use now")?,
                }
                problem.as_ref().map_or(Ok(()), |problem| write!(f, "; one that is not: {problem}"))
            }
            Self::Failed { why, keys_left_ms: 0 } => {
                write!(f, "{why}; no keys are in use, and no token can be checked")
            }
            Self::Failed { why, keys_left_ms } => {
                write!(f, "{why}; keys that were fetched before stay in use for {} seconds", keys_left_ms / 1_000)
            }
        }
    }
}

impl Supply {
    pub(crate) fn new(source: KeySource) -> Self {
        match source {
            KeySource::Fixed(keys) => Self { keys: Some(Rc::new(keys)), schedule: None },
            KeySource::Http(endpoint) => {
                let schedule =
                    Schedule { endpoint, due: 0, started: None, fetched: None, under_way: false, failures: 0 };
                Self { keys: None, schedule: Some(schedule) }
            }
        }
    }

    /// The keys to check tokens by now.
    ///
    /// # Errors
    /// Why no token can be checked now.
    pub(crate) fn keys(&mut self, now: Millis) -> Result<Rc<KeySet>, &'static str> {
        let Some(keys) = &self.keys else { return Err("no keys were fetched yet") };
        match &self.schedule {
            Some(schedule) if schedule.keys_left_ms(now) == 0 => Err("the keys that were fetched last are too old"),
            _ => Ok(Rc::clone(keys)),
        }
    }

    /// Where to fetch keys now; from here on the fetch is under way.
    pub(crate) fn fetch_due(&mut self, now: Millis) -> Option<Endpoint> {
        let schedule = self.schedule.as_mut()?;
        schedule.give_up(now);
        if schedule.under_way || now < schedule.due {
            return None;
        }
        schedule.under_way = true;
        schedule.started = Some(now);
        Some(schedule.endpoint.clone())
    }

    /// Takes the outcome of a fetch: a JWK Set, or why there is none.
    pub(crate) fn fetched(&mut self, now: Millis, outcome: Result<&[u8], &str>) -> Fetched {
        match outcome.map_err(str::to_owned).and_then(KeySet::parse_tolerant) {
            Ok((keys, problem)) => {
                if let Some(schedule) = &mut self.schedule {
                    schedule.succeeded(now);
                }
                let count = keys.len();
                if self.keys.as_deref() == Some(&keys) {
                    return Fetched::Same { keys: count };
                }
                self.keys = Some(Rc::new(keys));
                Fetched::Changed { keys: count, problem }
            }
            Err(why) => {
                let schedule = self.schedule.as_mut().map(|schedule| {
                    schedule.failed(now);
                    schedule.keys_left_ms(now)
                });
                Fetched::Failed { why, keys_left_ms: schedule.unwrap_or_default() }
            }
        }
    }

    /// A token names a key that is not there. True: newer keys are on their way, and may hold it.
    pub(crate) fn missed(&mut self, now: Millis) -> bool {
        self.schedule.as_mut().is_some_and(|schedule| schedule.hurry(now))
    }
}

impl Schedule {
    fn succeeded(&mut self, now: Millis) {
        self.under_way = false;
        self.failures = 0;
        self.fetched = Some(now);
        self.due = now.saturating_add(self.endpoint.refresh_ms);
    }

    /// For how long the keys of the last good fetch may be used.
    fn keys_left_ms(&self, now: Millis) -> Millis {
        self.fetched.map_or(0, |fetched| fetched.saturating_add(self.endpoint.max_age_ms).saturating_sub(now))
    }

    /// Does nothing if the fetch was given up before.
    fn failed(&mut self, now: Millis) {
        if self.under_way {
            let backoff = JWKS_RETRY_MS_MIN.saturating_mul(1 << self.failures.min(16)).min(JWKS_RETRY_MS_MAX);
            self.under_way = false;
            self.failures = self.failures.saturating_add(1);
            self.due = now.saturating_add(backoff);
        }
    }

    /// Counts a fetch without an answer as failed.
    fn give_up(&mut self, now: Millis) {
        if self.started.is_some_and(|started| now.saturating_sub(started) >= JWKS_FETCH_MS_MAX) {
            self.failed(now);
        }
    }

    /// Brings the next fetch forward as far as may be. False: the keys are as new as that allows.
    fn hurry(&mut self, now: Millis) -> bool {
        let earliest = self.started.map_or(now, |started| started.saturating_add(JWKS_EARLY_MS_MIN));
        if !self.under_way && self.failures == 0 && now < earliest {
            return false;
        }
        self.due = self.due.min(earliest.max(now));
        true
    }
}
