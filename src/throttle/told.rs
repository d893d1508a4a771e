//! What clients are told of a limit: RateLimit and RateLimit-Policy, as of
//! draft-ietf-httpapi-ratelimit-headers-10.
//!
//! A bucket is told as a quota of `burst` in the time that it takes to fill. `t` is the time until
//! it is full again, or, where nothing is left, until the next request may come.

use std::{fmt::Write, time::Duration};

use http::{HeaderName, HeaderValue};

/// How much is left, and for how long.
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// What is allowed.
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What is told of a route's limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// RateLimit.
    pub limit: HeaderValue,
    /// RateLimit-Policy.
    pub policy: HeaderValue,
}

/// Writes members of both fields, one for each limit that is told.
#[derive(Debug, Default)]
pub(super) struct Telling {
    limit: String,
    policy: String,
}

impl Telling {
    /// The limit at `index` of its list: how much it allows, how much is left, and the time.
    pub(super) fn add(&mut self, index: usize, limit: (u32, Duration), left: (u32, Duration)) {
        let separator = if self.limit.is_empty() { "" } else { ", " };
        let name = if index == 0 { String::new() } else { format!("-{}", index + 1) };
        let ((burst, window), (remaining, until)) = (limit, left);
        let (window, until) = (seconds(window), seconds(until));
        // Writing to a string cannot fail.
        let _ = write!(self.limit, "{separator}\"default{name}\";r={remaining};t={until}");
        let _ = write!(self.policy, "{separator}\"default{name}\";q={burst};w={window}");
    }

    /// Both fields; `None` where there is nothing to tell.
    pub(super) fn finish(self) -> Option<Told> {
        if self.limit.is_empty() {
            return None;
        }
        let value = |text| HeaderValue::try_from(text).ok();
        Some(Told { limit: value(self.limit)?, policy: value(self.policy)? })
    }
}

/// Whole seconds, rounded up: whoever waits for so long does not come too early.
pub fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
