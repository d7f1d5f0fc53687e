//! The keys in use, and when to fetch them anew.
//!
//! ```text
//!            due                    answer, or none for 10 s
//!   waiting ─────► under way ─┬─ good ──► waiting, for refresh_ms
//!      ▲                      └─ bad ───► waiting, for 1 s, 2 s, 4 s … 60 s; the old keys stay
//!      └── a token with an unknown key asks for an earlier fetch, at most each 10 s
//! ```

use std::rc::Rc;

use super::jwks::{Endpoint, KeySet, KeySource};
use crate::exchange::Millis;
use crate::limits::{JWKS_EARLY_MS_MIN, JWKS_FETCH_MS_MAX, JWKS_RETRY_MS_MAX, JWKS_RETRY_MS_MIN};

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
    under_way: bool,
    /// Failures since the last success.
    failures: u32,
}

impl Supply {
    pub(crate) fn new(source: KeySource) -> Self {
        match source {
            KeySource::Fixed(keys) => Self { keys: Some(Rc::new(keys)), schedule: None },
            KeySource::Http(endpoint) => {
                let schedule = Schedule { endpoint, due: 0, started: None, under_way: false, failures: 0 };
                Self { keys: None, schedule: Some(schedule) }
            }
        }
    }

    pub(crate) fn keys(&self) -> Option<Rc<KeySet>> {
        self.keys.clone()
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

    /// What a fetch brought: the number of keys, or why the old ones stay.
    pub(crate) fn fetched(&mut self, now: Millis, outcome: Result<&[u8], &str>) -> Result<usize, String> {
        let keys = outcome.map_err(str::to_owned).and_then(KeySet::parse_tolerant);
        if let Some(schedule) = &mut self.schedule {
            match &keys {
                Ok(_) => schedule.succeeded(now),
                Err(_) => schedule.failed(now),
            }
        }
        let keys = keys?;
        let count = keys.len();
        self.keys = Some(Rc::new(keys));
        Ok(count)
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
        self.due = now.saturating_add(self.endpoint.refresh_ms);
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
