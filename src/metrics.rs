//! What is counted of requests, by route: cheap where it is counted, summed up when it is asked for.
//!
//! A route's numbers are found once, when its snapshot is built. Each thread has a shard of its own,
//! so that a hit costs three additions that no other core waits for.

mod certificates;
mod load;
mod process;
pub mod reasons;
pub mod shadow;
mod text;
pub mod times;

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use http::StatusCode;

use crate::{
    cache_status::{CacheStatus, Collapsed},
    policy::Fwd,
    reason::{Reason, Stale},
};

use reasons::Reasons;
use shadow::Shadow;
pub use text::{Scrape, render};
pub use times::Times;

/// Threads beyond so many share shards.
const MAX_SHARDS: usize = 16;

/// The classes of status codes.
const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What became of a request, in the words of RFC 9211 and of the access log.
const OUTCOMES: [&str; 9] =
    ["hit", "bypass", "method", "uri-miss", "vary-miss", "request", "stale", "partial", "refused"];

/// The upper bounds of the latency histogram, in milliseconds, and as they are written.
const BUCKETS: [(i64, &str); 13] = [
    (1, "0.001"),
    (2, "0.002"),
    (5, "0.005"),
    (10, "0.01"),
    (25, "0.025"),
    (50, "0.05"),
    (100, "0.1"),
    (250, "0.25"),
    (500, "0.5"),
    (1000, "1"),
    (2500, "2.5"),
    (5000, "5"),
    (10_000, "10"),
];

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SHARD: Cell<usize> = Cell::new(THREADS.fetch_add(1, Relaxed));
}

/// What is counted on one route.
#[derive(Debug)]
pub struct Metrics {
    shards: Box<[Shard]>,
    /// Why requests were answered as they were; nothing of it is counted for a plain hit.
    reasons: Reasons,
    /// What the cache would have done, where it is in shadow mode.
    pub shadow: Shadow,
}

/// One thread's part; on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    requests: [[AtomicU64; OUTCOMES.len()]; STATUSES.len()],
    /// The last one: what is above all bounds.
    latency: [AtomicU64; BUCKETS.len() + 1],
    millis: AtomicU64,
    bytes: AtomicU64,
    collapsed: AtomicU64,
    /// While revalidated, and in place of an error.
    stale: [AtomicU64; 2],
}

/// The sums over all shards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Totals {
    requests: [[u64; OUTCOMES.len()]; STATUSES.len()],
    latency: [u64; BUCKETS.len() + 1],
    millis: u64,
    bytes: u64,
    collapsed: u64,
    stale: [u64; 2],
}

impl Default for Metrics {
    fn default() -> Metrics {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let shards = threads.clamp(1, MAX_SHARDS).next_power_of_two();
        let shards = (0..shards).map(|_| Shard::default()).collect();
        Metrics { shards, reasons: Reasons::default(), shadow: Shadow::default() }
    }
}

impl Metrics {
    /// Counts an answer, whose head was ready `millis` after its request's had been read.
    pub fn answered(&self, status: StatusCode, told: &CacheStatus, millis: i64) {
        let shard = self.shard();
        let class = usize::from(status.as_u16() / 100).clamp(1, STATUSES.len()) - 1;
        add(&shard.requests[class][outcome(told)], 1);
        let bucket = BUCKETS.iter().position(|(bound, _)| millis <= *bound);
        add(&shard.latency[bucket.unwrap_or(BUCKETS.len())], 1);
        if millis > 0 {
            add(&shard.millis, millis.unsigned_abs());
        }
        self.reasons.note(told);
        let detail = match told {
            CacheStatus::Hit { detail, .. } => *detail,
            CacheStatus::Forwarded(forwarded) => {
                if forwarded.collapsed == Collapsed::Yes {
                    add(&shard.collapsed, 1);
                }
                forwarded.detail
            }
            CacheStatus::Refused(_) => None,
        };
        match detail {
            Some(Reason::Stale(Stale::WhileRevalidate)) => add(&shard.stale[0], 1),
            Some(Reason::Stale(Stale::IfError)) => add(&shard.stale[1], 1),
            _ => {}
        }
    }

    /// Counts bytes of a body that were handed over.
    pub fn sent(&self, bytes: u64) {
        if bytes > 0 {
            add(&self.shard().bytes, bytes);
        }
    }

    fn shard(&self) -> &Shard {
        // A thread that ends has no number any more.
        let thread = SHARD.try_with(Cell::get).unwrap_or_default();
        &self.shards[thread & (self.shards.len() - 1)]
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for shard in &self.shards {
            let rows = totals.requests.iter_mut().zip(&shard.requests);
            rows.for_each(|(sums, parts)| sum(sums, parts));
            sum(&mut totals.latency, &shard.latency);
            sum(&mut totals.stale, &shard.stale);
            totals.millis += shard.millis.load(Relaxed);
            totals.bytes += shard.bytes.load(Relaxed);
            totals.collapsed += shard.collapsed.load(Relaxed);
        }
        totals
    }
}

fn sum(sums: &mut [u64], parts: &[AtomicU64]) {
    for (sum, part) in sums.iter_mut().zip(parts) {
        *sum += part.load(Relaxed);
    }
}

fn add(to: &AtomicU64, n: u64) {
    to.fetch_add(n, Relaxed);
}

/// The place in [`OUTCOMES`].
fn outcome(told: &CacheStatus) -> usize {
    match told {
        CacheStatus::Hit { .. } => 0,
        CacheStatus::Forwarded(forwarded) => match forwarded.fwd {
            Fwd::Bypass => 1,
            Fwd::Method => 2,
            Fwd::UriMiss => 3,
            Fwd::VaryMiss => 4,
            Fwd::Request => 5,
            Fwd::Stale => 6,
            Fwd::Partial => 7,
        },
        CacheStatus::Refused(_) => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_named_as_in_cache_status() {
        let fwds = [
            Fwd::Bypass,
            Fwd::Method,
            Fwd::UriMiss,
            Fwd::VaryMiss,
            Fwd::Request,
            Fwd::Stale,
            Fwd::Partial,
        ];
        let mut all = vec![CacheStatus::Hit { ttl: 0, detail: None }];
        all.extend(fwds.map(|fwd| CacheStatus::Forwarded(CacheStatus::forwarded(fwd))));
        for told in all {
            assert_eq!(OUTCOMES[outcome(&told)], told.outcome());
        }
    }

    #[test]
    fn threads_count_apart_and_are_summed_up() {
        let metrics = Metrics::default();
        let hit = CacheStatus::Hit { ttl: 1, detail: None };
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| metrics.answered(StatusCode::OK, &hit, 7));
            }
        });
        let totals = metrics.totals();
        assert_eq!((totals.requests[1][0], totals.latency[3], totals.millis), (40, 40, 280));
    }

    #[test]
    fn a_wait_is_counted_below_its_bound() {
        let metrics = Metrics::default();
        let hit = CacheStatus::Hit { ttl: 1, detail: None };
        for millis in [0, 1, 2, 10_000, 10_001] {
            metrics.answered(StatusCode::OK, &hit, millis);
        }
        let latency = metrics.totals().latency;
        assert_eq!((latency[0], latency[1], latency[12], latency[13]), (2, 1, 1, 1));
    }
}
