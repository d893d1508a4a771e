//! The numbers as Prometheus reads them: text format 0.0.4.

use std::fmt::{self, Display, Write};

use super::{
    BUCKETS, Metrics, OUTCOMES, STATUSES, Times, Totals, certificates, load, process, reasons,
    shadow,
};
use crate::{
    counters::Counters,
    store::{self, redis::Remote},
    upstream::Upstream,
};

/// All that there is to be told.
#[derive(Debug)]
pub struct Scrape<'a> {
    /// The routes by name; the empty one: what found none.
    pub routes: Vec<(&'a str, &'a Metrics)>,
    /// The upstreams.
    pub upstreams: Vec<&'a Upstream>,
    /// The process's counters.
    pub counters: &'a Counters,
    /// The memory tier.
    pub memory: store::Stats,
    /// The shared tier, if there is one.
    pub remote: Option<&'a Remote>,
    /// How long things took.
    pub times: &'a Times,
    /// Requests that wait for their turn at a limit.
    pub queued: usize,
}

/// The text of a scrape.
#[must_use]
pub fn render(scrape: &Scrape<'_>) -> String {
    let mut page = Page(String::with_capacity(8 << 10));
    let totals: Vec<(&str, Totals)> =
        scrape.routes.iter().map(|(route, metrics)| (*route, metrics.totals())).collect();
    of_requests(&mut page, &totals);
    of_latency(&mut page, &totals);
    of_the_rest(&mut page, &totals);
    of_the_store(&mut page, &totals, scrape);
    reasons::write(&mut page, scrape.routes.iter().map(|(route, it)| (*route, &it.reasons)));
    shadow::write(&mut page, scrape.routes.iter().map(|(route, it)| (*route, &it.shadow)));
    scrape.times.write(&mut page);
    load::write(&mut page, scrape);
    scrape.remote.iter().for_each(|remote| of_redis(&mut page, remote));
    of_connections(&mut page, scrape.counters);
    page.family("larder_upstream_errors_total", "counter", "Requests that an upstream failed.");
    for upstream in &scrape.upstreams {
        for (error, count) in upstream.health().failures() {
            let labels = [("upstream", upstream.config().name.as_str()), ("error", error)];
            page.sample("larder_upstream_errors_total", &labels, count);
        }
    }
    certificates::write(&mut page, scrape.counters);
    process::write(&mut page, scrape.times.began());
    page.into_text()
}

fn of_requests(page: &mut Page, totals: &[(&str, Totals)]) {
    let name = "larder_requests_total";
    page.family(name, "counter", "Requests answered, by what the cache did (RFC 9211).");
    for (route, totals) in totals {
        for (status, row) in STATUSES.iter().zip(&totals.requests) {
            for (outcome, count) in OUTCOMES.iter().zip(row).filter(|(_, count)| **count > 0) {
                let labels = [("route", *route), ("status", status), ("outcome", outcome)];
                page.sample(name, &labels, count);
            }
        }
    }
}

fn of_latency(page: &mut Page, totals: &[(&str, Totals)]) {
    let name = "larder_request_duration_seconds";
    page.family(name, "histogram", "From a request's head to the head of its answer.");
    for (route, totals) in totals {
        let mut below = 0;
        let bounds = BUCKETS.iter().map(|(_, bound)| *bound).chain(["+Inf"]);
        for (bound, count) in bounds.zip(&totals.latency) {
            below += count;
            page.sample(&format!("{name}_bucket"), &[("route", *route), ("le", bound)], below);
        }
        page.sample(&format!("{name}_sum"), &[("route", *route)], Seconds(totals.millis));
        page.sample(&format!("{name}_count"), &[("route", *route)], below);
    }
}

fn of_the_rest(page: &mut Page, totals: &[(&str, Totals)]) {
    let name = "larder_response_body_bytes_total";
    page.family(name, "counter", "Bytes of bodies handed over to clients' connections.");
    totals.iter().for_each(|(route, it)| page.sample(name, &[("route", *route)], it.bytes));
    let name = "larder_collapsed_requests_total";
    page.family(name, "counter", "Requests answered by another client's fetch.");
    totals.iter().for_each(|(route, it)| page.sample(name, &[("route", *route)], it.collapsed));
    let name = "larder_stale_responses_total";
    page.family(name, "counter", "Stale answers, by what allowed them (RFC 5861).");
    for (route, totals) in totals {
        for (reason, count) in ["stale-while-revalidate", "stale-if-error"].iter().zip(totals.stale)
        {
            page.sample(name, &[("route", *route), ("reason", reason)], count);
        }
    }
}

fn of_the_store(page: &mut Page, totals: &[(&str, Totals)], scrape: &Scrape<'_>) {
    let memory = scrape.memory;
    let asked = |outcome: &str| -> u64 {
        let index = OUTCOMES.iter().position(|it| *it == outcome);
        let rows = totals.iter().flat_map(|(_, it)| &it.requests);
        rows.map(|row| index.map_or(0, |index| row[index])).sum()
    };
    let misses = asked("uri-miss") + asked("vary-miss");
    for (name, kind, help, value) in [
        (
            "larder_store_bytes",
            "gauge",
            "What is stored, as it counts against max_size.",
            memory.bytes,
        ),
        (
            "larder_store_entries",
            "gauge",
            "Answers, parts and lists that are stored.",
            memory.entries,
        ),
        ("larder_store_hits_total", "counter", "Requests answered from a tier.", asked("hit")),
        ("larder_store_misses_total", "counter", "Requests that no stored answer was for.", misses),
        (
            "larder_store_evictions_total",
            "counter",
            "What left for lack of room.",
            memory.evictions,
        ),
    ] {
        page.family(name, kind, help);
        page.sample(name, &[("tier", "l1")], value);
        if let Some(counters) = scrape.remote.map(Remote::counters) {
            match name {
                "larder_store_hits_total" => {
                    page.sample(name, &[("tier", "l2")], counters.hits.get());
                }
                "larder_store_misses_total" => {
                    page.sample(name, &[("tier", "l2")], counters.misses.get());
                }
                _ => {}
            }
        }
    }
    let name = "larder_purges_total";
    page.family(name, "counter", "Purges and invalidations by name.");
    page.sample(name, &[], memory.purges);
}

fn of_redis(page: &mut Page, remote: &Remote) {
    page.family("larder_redis_up", "gauge", "Whether Redis is used at this moment.");
    page.sample("larder_redis_up", &[], u8::from(remote.is_up()));
    let name = "larder_redis_events_total";
    page.family(name, "counter", "What happened between this node and Redis (docs/redis.md).");
    let it = remote.counters();
    for (event, counter) in [
        ("lookup", &it.lookups),
        ("flush", &it.flushes),
        ("skipped", &it.skipped),
        ("unusable", &it.unusable),
        ("late", &it.late),
        ("broken", &it.broken),
        ("refused", &it.refused),
        ("stored", &it.stored),
        ("superseded", &it.superseded),
        ("dropped", &it.dropped),
        ("up", &it.ups),
        ("unmade", &it.unmade),
        ("down", &it.downs),
        ("heard", &it.events),
        ("gap", &it.gaps),
    ] {
        page.sample(name, &[("event", event)], counter.get());
    }
}

fn of_connections(page: &mut Page, counters: &Counters) {
    let (opened, ended) = (counters.connections.get(), counters.connections_ended.get());
    page.family("larder_connections", "gauge", "Client connections that are open.");
    page.sample("larder_connections", &[], opened.saturating_sub(ended));
    page.family("larder_connections_total", "counter", "Client connections accepted.");
    page.sample("larder_connections_total", &[], opened);
    let name = "larder_connections_full_total";
    page.family(name, "counter", "Times that max_connections were open and the next had to wait.");
    page.sample(name, &[], counters.connections_full.get());
    let name = "larder_connections_closed_total";
    page.family(name, "counter", "Client connections closed from this side, by why.");
    for (reason, counter) in [
        ("handshake", &counters.closed_handshake),
        ("headers", &counters.closed_headers),
        ("idle", &counters.closed_idle),
        ("write-idle", &counters.closed_write_idle),
        ("protocol", &counters.closed_protocol),
        ("drain", &counters.closed_drain),
    ] {
        page.sample(name, &[("reason", reason)], counter.get());
    }
    page.family("larder_log_lines_dropped_total", "counter", "Lines of the access log lost.");
    page.sample("larder_log_lines_dropped_total", &[], counters.log_dropped.get());
}

/// The text, as far as it is written.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    pub(super) fn into_text(self) -> String {
        self.0
    }

    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        // A String takes everything.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            self.0.push_str(if index == 0 { "{" } else { "," });
            let _ = write!(self.0, "{label}=\"{}\"", Escaped(value));
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

/// A label's value.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| match char {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            char => f.write_char(char),
        })
    }
}

/// Milliseconds, as seconds.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_written_as_prometheus_reads_it() {
        let mut page = Page(String::new());
        page.sample("a", &[], 1);
        page.sample("b", &[("c", "x\"y\\z\n"), ("d", "")], Seconds(1005));
        assert_eq!(page.0, "a 1\nb{c=\"x\\\"y\\\\z\\n\",d=\"\"} 1.005\n");
    }
}
