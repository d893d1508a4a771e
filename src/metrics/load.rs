//! What is under way and what waits, at the limits for clients and at the upstreams.

use super::{Scrape, text::Page};

/// Writes all of it.
pub(super) fn write(page: &mut Page, scrape: &Scrape<'_>) {
    page.family("larder_build_info", "gauge", "1, by version.");
    page.sample("larder_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    of_throttles(page, scrape);
    of_upstreams(page, scrape);
}

fn of_throttles(page: &mut Page, scrape: &Scrape<'_>) {
    let name = "larder_throttled_requests_total";
    page.family(name, "counter", "Requests past a limit: refused, queued, or shadowed.");
    let it = scrape.counters;
    for (action, counter) in [
        ("refused", &it.throttled),
        ("queued", &it.throttle_waits),
        ("shadowed", &it.throttle_shadowed),
    ] {
        page.sample(name, &[("action", action)], counter.get());
    }
    let name = "larder_throttle_queue_requests";
    page.family(name, "gauge", "Requests that wait for their turn at a limit.");
    page.sample(name, &[], scrape.queued);
}

fn of_upstreams(page: &mut Page, scrape: &Scrape<'_>) {
    let name = "larder_upstream_first_byte_duration_seconds";
    page.family(name, "histogram", "From a place at an upstream to the head of its answer.");
    for upstream in &scrape.upstreams {
        upstream.first_byte().write(page, name, &[("upstream", &upstream.config().name)]);
    }
    let name = "larder_upstream_requests";
    page.family(name, "gauge", "Requests at an upstream, and those that wait for a place.");
    for upstream in &scrape.upstreams {
        let (active, waiting) = upstream.load();
        for (state, count) in [("active", active), ("waiting", waiting)] {
            page.sample(name, &[("upstream", &upstream.config().name), ("state", state)], count);
        }
    }
}
