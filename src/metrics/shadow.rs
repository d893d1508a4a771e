//! What a cache that serves nothing yet would have done (`mode = "shadow"`), by route.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use serde_json::{Value, json};

use super::{OUTCOMES, outcome, text::Page, times::Histogram};
use crate::cache_status::CacheStatus;

/// What a comparison with what was fetched can come to.
const RESULTS: [&str; 3] = ["same", "differs", "unknown"];

/// The counts of one route.
#[derive(Debug)]
pub struct Shadow {
    outcomes: [AtomicU64; OUTCOMES.len()],
    results: [AtomicU64; RESULTS.len()],
    /// How old the answers were that would have been served and were no longer the API's.
    staleness: Histogram,
}

/// How what would have been served compares with what was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// It is the same.
    Same,
    /// It is not, and was so old.
    Differs(Duration),
    /// Nobody can tell: a part, a head alone, an error, a body that broke off.
    Unknown,
}

impl Default for Shadow {
    fn default() -> Shadow {
        let (outcomes, results) = (Default::default(), Default::default());
        Shadow { outcomes, results, staleness: Histogram::ages() }
    }
}

impl Shadow {
    /// Counts a request by what would have become of it.
    pub fn would(&self, told: &CacheStatus) {
        self.outcomes[outcome(told)].fetch_add(1, Relaxed);
    }

    /// Counts what came of a would-be hit.
    pub fn compared(&self, compared: Compared) {
        let result = match compared {
            Compared::Same => 0,
            Compared::Differs(age) => {
                self.staleness.add(age);
                1
            }
            Compared::Unknown => 2,
        };
        self.results[result].fetch_add(1, Relaxed);
    }

    fn requests(&self) -> u64 {
        self.outcomes.iter().map(|it| it.load(Relaxed)).sum()
    }

    /// For who asks; `None` where nothing was counted.
    #[must_use]
    pub fn told(&self) -> Option<Value> {
        let requests = self.requests();
        let of = |count: &AtomicU64, all: u64| match all {
            0 => json!(null),
            // Counts lose nothing that matters here.
            all => json!((count.load(Relaxed) as f64 / all as f64 * 1000.0).round() / 1000.0),
        };
        let [hits, ..] = &self.outcomes;
        let [same, differs, unknown] = self.results.each_ref().map(|it| it.load(Relaxed));
        (requests > 0).then(|| {
            json!({
                "requests": requests,
                "would_hit": hits.load(Relaxed),
                "hit_ratio": of(hits, requests),
                "same": same,
                "differs": differs,
                "unknown": unknown,
                "wrong_ratio": of(&self.results[1], same + differs),
                "mean_age_of_wrong": self.staleness.mean().map(|it| it.as_secs()),
            })
        })
    }
}

/// Writes those of the routes that are in shadow mode, or were.
pub(super) fn write<'a>(page: &mut Page, routes: impl Iterator<Item = (&'a str, &'a Shadow)>) {
    let routes: Vec<_> = routes.filter(|(_, it)| it.requests() > 0).collect();
    let name = "larder_shadow_requests_total";
    page.family(name, "counter", "Requests in shadow mode, by what would have become of them.");
    for (route, shadow) in &routes {
        let counted = OUTCOMES.iter().zip(&shadow.outcomes);
        for (outcome, count) in counted.map(|(word, it)| (word, it.load(Relaxed))) {
            if count > 0 {
                page.sample(name, &[("route", *route), ("outcome", outcome)], count);
            }
        }
    }
    let name = "larder_shadow_compared_total";
    page.family(name, "counter", "Would-be hits, by whether the API still said the same.");
    for (route, shadow) in &routes {
        for (result, count) in RESULTS.iter().zip(&shadow.results) {
            page.sample(name, &[("route", *route), ("result", result)], count.load(Relaxed));
        }
    }
    let name = "larder_shadow_staleness_seconds";
    page.family(name, "histogram", "The age of would-be hits that differed from the API's answer.");
    for (route, shadow) in &routes {
        shadow.staleness.write(page, name, &[("route", *route)]);
    }
}
