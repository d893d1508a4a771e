//! What a proxy tells of itself: its upstreams' health, and its metrics.

use std::collections::BTreeMap;

use super::Proxy;
use crate::{metrics, upstream::Upstream};

impl Proxy {
    /// The upstreams by name, and what is known of their health.
    #[must_use]
    pub fn upstream_states(&self) -> BTreeMap<String, &'static str> {
        let snapshot = self.snapshot.load();
        let state = |it: &Upstream| (it.config().name.clone(), it.health().state());
        snapshot.upstreams().map(state).collect()
    }

    /// What was counted so far, as Prometheus reads it.
    #[must_use]
    pub fn metrics(&self) -> String {
        let snapshot = self.snapshot.load();
        let routed = snapshot.routes.iter().map(|it| (it.name.as_str(), &*it.metrics));
        metrics::render(&metrics::Scrape {
            routes: routed.chain([("", &*self.unrouted)]).collect(),
            upstreams: snapshot.upstreams().collect(),
            counters: &self.counters,
            memory: self.store.stats(),
            remote: self.remote.as_ref(),
            times: &self.times,
            queued: snapshot.queued(),
        })
    }
}
