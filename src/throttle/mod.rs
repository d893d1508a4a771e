//! How often who may ask: governor's arithmetic (GCRA) behind one [`Throttle::admit`], and the
//! lines of those who wait.
//!
//! Exact: whatever window one looks at, a client gets no more than rate × window + burst. Bounded:
//! a limit remembers `max_keys` clients and no more. Reads no clock but the one it is given.
//! A limit lives on across reloads as long as its key, rate and burst are the same.

mod buckets;
mod client;
mod limiter;
mod lines;
#[cfg(test)]
mod tests;
mod told;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use governor::middleware::StateSnapshot;

pub use client::Sender;
pub use told::{RATE_LIMIT, RATE_LIMIT_POLICY, Told, seconds};

use crate::{
    clock::Clock,
    config::throttle::{self as config, Count, Headers, Mode},
    counters::Counters,
    reason::Ended,
};
use client::Client;
use limiter::{Identity, Limiter};
use told::Telling;

/// Every limiter of a configuration.
#[derive(Debug)]
pub struct Limiters {
    clock: Clock,
    known: HashMap<Identity, Arc<Limiter>>,
    /// Requests that wait for their turn, at all of them.
    waiting: Arc<AtomicUsize>,
}

/// The limits of one route.
#[derive(Debug, Default)]
pub struct Throttle {
    all: Box<[Limit]>,
    misses: Box<[Limit]>,
}

#[derive(Debug)]
struct Limit {
    limiter: Arc<Limiter>,
    rule: config::Limit,
    /// Its place in the configuration's list.
    index: usize,
}

/// What a request was charged. Given back when it is dropped, unless it was spent.
#[derive(Debug)]
#[must_use]
pub struct Toll<'a> {
    limits: &'a [Limit],
    sender: Sender<'a>,
    /// A bit for each of them that has charged.
    charged: u16,
    /// Since when what is charged waits for a turn at another limit.
    since: Option<Instant>,
    told: Telling,
}

/// A request past a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why: throttled, or the queue is full.
    pub reason: Ended,
    /// When to come again.
    pub after: Duration,
    /// What to tell of the limits.
    pub told: Option<Told>,
}

impl Limiters {
    /// None yet; those who wait at the limiters of `previous` still count.
    #[must_use]
    pub fn new(clock: &Clock, previous: Option<&Limiters>) -> Limiters {
        let waiting = previous.map(|previous| previous.waiting.clone()).unwrap_or_default();
        Limiters { clock: clock.clone(), known: HashMap::new(), waiting }
    }

    /// How many requests wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// The throttle of a route with these limits: those that `previous` has are taken over.
    ///
    /// # Errors
    /// Which limit makes no sense.
    pub fn throttle(
        &mut self,
        limits: &[config::Limit],
        previous: Option<&Limiters>,
    ) -> Result<Throttle, String> {
        let (mut all, mut misses) = (Vec::new(), Vec::new());
        for (index, rule) in limits.iter().enumerate() {
            let limiter = self.limiter(rule, previous)?;
            let limit = Limit { limiter, rule: rule.clone(), index };
            match rule.count {
                Count::All => all.push(limit),
                Count::Misses => misses.push(limit),
            }
        }
        Ok(Throttle { all: all.into(), misses: misses.into() })
    }

    fn limiter(
        &mut self,
        rule: &config::Limit,
        previous: Option<&Limiters>,
    ) -> Result<Arc<Limiter>, String> {
        let identity = Identity::of(rule);
        let known = self.known.get(&identity);
        let known = known.or_else(|| previous?.known.get(&identity)).cloned();
        let limiter = match known {
            Some(known) => known,
            None => Arc::new(Limiter::new(rule, &self.clock, self.waiting.clone())?),
        };
        limiter.set_max(rule.max_keys);
        self.known.insert(identity, limiter.clone());
        Ok(limiter)
    }
}

impl Throttle {
    /// How many limits there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.all.len() + self.misses.len()
    }

    /// Whether requests are counted by nothing.
    #[must_use]
    pub fn is_free(&self, count: Count) -> bool {
        self.limits(count).is_empty()
    }

    /// Whether a request past a limit may wait for its turn.
    #[must_use]
    pub fn queues(&self, count: Count) -> bool {
        self.limits(count).iter().any(|limit| limit.rule.mode == Mode::Queue)
    }

    /// Charges a request for all that it counts by, as soon as its turn has come.
    ///
    /// Whoever drops the future gives up the place in the line, and what was charged so far.
    ///
    /// # Errors
    /// Which limit it is past; nothing is charged then.
    pub async fn admit<'a>(
        &'a self,
        count: Count,
        sender: Sender<'a>,
        counters: &Counters,
    ) -> Result<Toll<'a>, Refused> {
        let limits = self.limits(count);
        let mut toll = Toll::new(limits, sender);
        for (at, limit) in limits.iter().enumerate() {
            if limit.is_for_free(sender.address) {
                continue;
            }
            let client = limit.limiter.client(sender);
            let outcome = match limit.rule.mode {
                Mode::Queue => {
                    toll.wait_at(limit);
                    limit.turn(&client, counters).await
                }
                Mode::Reject | Mode::Shadow => limit.check(&client),
            };
            match outcome {
                Ok(left) => toll.charge(at, &left),
                Err(_) if limit.rule.mode == Mode::Shadow => limit.let_pass(counters),
                Err((reason, after)) => {
                    counters.throttled.one();
                    return Err(toll.refuse(limit, reason, after));
                }
            }
        }
        Ok(toll)
    }

    fn limits(&self, count: Count) -> &[Limit] {
        match count {
            Count::All => &self.all,
            Count::Misses => &self.misses,
        }
    }
}

impl Limit {
    fn is_for_free(&self, address: Option<IpAddr>) -> bool {
        let allow = &self.rule.allow;
        !allow.is_empty()
            && address.is_some_and(|address| allow.iter().any(|net| net.contains(&address)))
    }

    fn check(&self, client: &Client) -> Result<StateSnapshot, (Ended, Duration)> {
        self.limiter.check(client).map_err(|after| (Ended::Throttled, after))
    }

    /// Charges a client when its turn has come: behind those of its own who came before.
    async fn turn(
        &self,
        client: &Client,
        counters: &Counters,
    ) -> Result<StateSnapshot, (Ended, Duration)> {
        let (limiter, max_wait) = (&*self.limiter, self.rule.max_wait);
        let next = match limiter.check(client) {
            Ok(left) if !limiter.lines.has(client.id) => return Ok(left),
            Ok(_) => {
                // It is for those who came before.
                limiter.give_back(client, None);
                Duration::ZERO
            }
            Err(after) => after,
        };
        let Some(place) = limiter.lines.join(client.id) else {
            return Err((Ended::QueueFull, next.max(limiter.interval)));
        };
        let ahead = u32::try_from(place.ahead).unwrap_or(u32::MAX);
        let soonest = next.saturating_add(limiter.interval.saturating_mul(ahead));
        if soonest > max_wait {
            return Err((Ended::Throttled, soonest));
        }
        counters.throttle_waits.one();
        let waiting = async {
            place.first().await;
            loop {
                match limiter.check(client) {
                    Ok(left) => return left,
                    Err(after) => limiter.clock.sleep(after).await,
                }
            }
        };
        let waited = limiter.clock.timeout(max_wait, waiting).await;
        waited.map_err(|_| (Ended::Throttled, limiter.interval))
    }

    fn let_pass(&self, counters: &Counters) {
        counters.throttle_shadowed.one();
        let rate = self.rule.rate;
        tracing::info!(scope = ?self.rule.scope, ?rate, "a request would have been throttled");
    }
}

impl<'a> Toll<'a> {
    fn new(limits: &'a [Limit], sender: Sender<'a>) -> Toll<'a> {
        Toll { limits, sender, charged: 0, since: None, told: Telling::default() }
    }

    /// From now on the charges lie there while the request may wait.
    fn wait_at(&mut self, limit: &Limit) {
        if self.charged != 0 && self.since.is_none() {
            self.since = Some(limit.limiter.clock.instant());
        }
    }

    /// The request is on its way: what it was charged stays so. Gives what its client is told.
    pub fn spend(mut self) -> Option<Told> {
        self.charged = 0;
        std::mem::take(&mut self.told).finish()
    }

    fn charge(&mut self, at: usize, left: &StateSnapshot) {
        self.charged |= 1 << at;
        let limit = &self.limits[at];
        if limit.rule.headers == Headers::Always && limit.rule.mode != Mode::Shadow {
            let remaining = left.remaining_burst_capacity();
            let used = limit.rule.burst.saturating_sub(remaining);
            self.tell(limit, remaining, limit.limiter.interval.saturating_mul(used));
        }
    }

    fn refuse(mut self, limit: &Limit, reason: Ended, after: Duration) -> Refused {
        if limit.rule.headers != Headers::Off {
            self.tell(limit, 0, after);
        }
        let told = std::mem::take(&mut self.told).finish();
        Refused { reason, after, told }
    }

    fn tell(&mut self, limit: &Limit, remaining: u32, until: Duration) {
        let window = limit.limiter.interval.saturating_mul(limit.rule.burst);
        self.told.add(limit.index, (limit.rule.burst, window), (remaining, until));
    }
}

impl Drop for Toll<'_> {
    fn drop(&mut self) {
        for (at, limit) in self.limits.iter().enumerate() {
            if self.charged & (1 << at) != 0 {
                limit.limiter.give_back(&limit.limiter.client(self.sender), self.since);
            }
        }
    }
}
