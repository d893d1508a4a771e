//! How an upstream has been doing: what it failed by, and whether it failed last.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use super::Error;
use crate::counters::Counter;

/// The failures that are told apart, as metrics name them.
pub const FAILURES: [&str; 6] =
    ["busy", "connect-failed", "connect-timeout", "first-byte-timeout", "bad-response", "paused"];

/// What is known of an upstream's health.
#[derive(Debug, Default)]
pub struct Health {
    last: AtomicU8,
    failures: [Counter; FAILURES.len()],
}

impl Health {
    /// Notes that a request was answered.
    pub(super) fn answered(&self) {
        self.last.store(1, Relaxed);
    }

    /// Notes why a request was not, and gives that back.
    pub(super) fn lost(&self, error: Error) -> Error {
        let index = match &error {
            Error::Busy(_) => 0,
            Error::Connect(_) => 1,
            Error::ConnectTimeout(_) => 2,
            Error::FirstByteTimeout(_) => 3,
            Error::Http(_) | Error::Framing(_) => 4,
            Error::Paused(_) => 5,
            Error::Client(_) => return error,
        };
        self.failures[index].one();
        self.last.store(2, Relaxed);
        error
    }

    /// `unknown`, `ok` or `failing`, by its last request.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self.last.load(Relaxed) {
            0 => "unknown",
            1 => "ok",
            _ => "failing",
        }
    }

    /// How often it failed, by [`FAILURES`].
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        FAILURES.into_iter().zip(self.failures.iter().map(Counter::get))
    }
}
