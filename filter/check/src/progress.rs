//! What the tool is doing, on standard error, when it takes longer than a second.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The present step. A thread says it once a second at most, until the tool ends.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Mutex<String>>);

impl Progress {
    pub(crate) fn start() -> Self {
        let progress = Self(Arc::default());
        let watched = progress.clone();
        std::thread::spawn(move || {
            let mut last = String::new();
            loop {
                std::thread::sleep(Duration::from_secs(1));
                let step = watched.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if !step.is_empty() && step != last {
                    // Nothing is lost if nobody can read it.
                    let _ = writeln!(std::io::stderr(), "… {step}");
                    last = step;
                }
            }
        });
        progress
    }

    pub(crate) fn step(&self, what: impl Into<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = what.into();
    }
}
