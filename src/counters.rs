//! What is counted: plain numbers that only grow, read by tests, logs and metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn one(&self) {
        self.add(1);
    }

    /// `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// So far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Everything that is counted, for the life of the process.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections accepted.
    pub connections: Counter,
    /// Of those, the ones that have ended, or become a tunnel.
    pub connections_ended: Counter,
    /// Connections closed before their first request: their PROXY header or TLS handshake was not
    /// as it must be, not complete within `timeouts.handshake`, or made room for others.
    pub closed_handshake: Counter,
    /// Connections closed because no head was complete within `timeouts.headers`.
    pub closed_headers: Counter,
    /// Connections closed because no request came within `timeouts.idle`.
    pub closed_idle: Counter,
    /// Connections closed, and HTTP/2 streams reset, because no write made progress within
    /// `timeouts.write_idle`.
    pub closed_write_idle: Counter,
    /// Connections closed because of what came on them: not HTTP, or a flood of resets.
    pub closed_protocol: Counter,
    /// Connections and tunnels cut at the drain deadline.
    pub closed_drain: Counter,
    /// Times that `max_connections` were open and the next had to wait.
    pub connections_full: Counter,
    /// Requests refused because their client asks too often, or too many waited.
    pub throttled: Counter,
    /// Requests that would have been refused, but for `mode = "shadow"`.
    pub throttle_shadowed: Counter,
    /// Requests that had to wait for their turn.
    pub throttle_waits: Counter,
    /// Lines that the access log had no room for.
    pub log_dropped: Counter,
    /// No count: the files of certificates, and when each one ends, in seconds since 1970.
    pub certificates: ArcSwap<Vec<(String, i64)>>,
}
