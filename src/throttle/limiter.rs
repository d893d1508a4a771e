//! One limit's state: governor's arithmetic over buckets of ours, on the clock of ours.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use governor::{
    NotUntil, Quota, RateLimiter,
    middleware::{StateInformationMiddleware, StateSnapshot},
};

use super::{
    buckets::Buckets,
    client::{Client, Sender, Telling},
    lines::Lines,
};
use crate::{
    clock::Clock,
    config::throttle::{self, Part, Prefixes, Rate, Scope},
};

/// What makes two limits the same one, so that a reload keeps what is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    scope: Scope,
    key: Vec<Part>,
    prefixes: Prefixes,
    rate: Rate,
    burst: u32,
}

/// One limit's state.
#[derive(Debug)]
pub(super) struct Limiter {
    core: RateLimiter<Client, Buckets, Clock, StateInformationMiddleware>,
    buckets: Buckets,
    telling: Telling,
    pub(super) lines: Lines,
    pub(super) interval: Duration,
    pub(super) clock: Clock,
}

impl Identity {
    pub(super) fn of(limit: &throttle::Limit) -> Identity {
        Identity {
            scope: limit.scope.clone(),
            key: limit.key.clone(),
            prefixes: limit.prefixes,
            rate: limit.rate,
            burst: limit.burst,
        }
    }
}

impl Limiter {
    /// One that has seen nobody. `waiting` counts those who wait at any limiter.
    pub(super) fn new(
        limit: &throttle::Limit,
        clock: &Clock,
        waiting: Arc<AtomicUsize>,
    ) -> Result<Limiter, String> {
        let interval = limit.rate.interval();
        let quota = Quota::with_period(interval).zip(limit.burst.try_into().ok());
        let (quota, burst) = quota.ok_or("a rate and a burst of 0 let nobody in")?;
        let nanos = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        let buckets = Buckets::new(limit.max_keys, nanos);
        let core = RateLimiter::new(quota.allow_burst(burst), buckets.clone(), clock.clone());
        let seed = std::hash::RandomState::new();
        let telling = Telling { key: limit.key.clone(), prefixes: limit.prefixes, seed };
        let (lines, clock) = (Lines::new(waiting), clock.clone());
        Ok(Limiter { core, buckets, telling, lines, interval, clock })
    }

    /// Changes how many clients are remembered.
    pub(super) fn set_max(&self, max_keys: usize) {
        self.buckets.set_max(max_keys);
    }

    /// Who sent a request.
    pub(super) fn client(&self, sender: Sender<'_>) -> Client {
        self.telling.client(sender)
    }

    /// Charges a client for one request.
    ///
    /// # Errors
    /// How long until it may ask again.
    pub(super) fn check(&self, client: &Client) -> Result<StateSnapshot, Duration> {
        let wait = |until: NotUntil<Instant>| until.wait_time_from(self.clock.instant());
        self.core.check_key(client).map_err(wait)
    }

    /// Gives back what one request was charged; of what has lain there for a while only what the
    /// bucket would not have been full without.
    pub(super) fn give_back(&self, client: &Client, since: Option<Instant>) {
        let waited = since.map(|since| self.clock.instant().saturating_duration_since(since));
        self.buckets.give_back(client, waited.unwrap_or_default());
    }

    /// Clients with a bucket of their own.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.buckets.known()
    }
}

impl governor::clock::Clock for Clock {
    type Instant = Instant;

    fn now(&self) -> Instant {
        self.instant()
    }
}
