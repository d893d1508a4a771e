//! What the policy remembers of a stored response, worked out once, when it is stored.

use super::{Mono, Now};

/// The caching facts of one stored response. All that [`decide`](super::decide)
/// needs, so that a hit parses nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// When the response, or the 304 that last validated it, was received.
    pub received: Mono,
    /// RFC 9111 §4.2.3 `corrected_initial_age`, in milliseconds.
    pub initial_age: i64,
    /// RFC 9111 §4.2.1 `freshness_lifetime`, in seconds.
    pub lifetime: u32,
    /// By how many milliseconds a purge has ended its freshness before that; 0 where none has.
    pub curtailed: i64,
    /// Seconds past freshness in which it may be served while it is refreshed (RFC 5861 §3).
    pub stale_while_revalidate: u32,
    /// Seconds past freshness in which it may be served when the origin fails (RFC 5861 §4).
    pub stale_if_error: u32,
    /// Seconds past all of that in which it is kept, to be validated.
    pub keep: u32,
    /// Validate before every use (`no-cache`, RFC 9111 §5.2.2.4).
    pub no_cache: bool,
    /// Never serve stale (`must-revalidate`, `proxy-revalidate`, `s-maxage`; §4.2.4).
    pub must_revalidate: bool,
    /// That it may be shared is the operator's word (or a heuristic, or the status code alone),
    /// not the origin's explicit one.
    pub ours: bool,
    /// The origin allows it for requests with Authorization (RFC 9111 §3.5).
    pub shared: bool,
    /// It has an ETag or Last-Modified of the origin's, so that it can be validated.
    pub validator: bool,
    /// The request that brought it carried Authorization.
    pub authorized: bool,
    /// The request that brought it carried Cookie, and the operator does not ignore it.
    pub cookie: bool,
}

impl Meta {
    /// RFC 9111 §4.2.3 `current_age`, in milliseconds. Never decreases while it lies here.
    #[must_use]
    pub fn age(&self, now: Now) -> i64 {
        self.initial_age.saturating_add(now.mono.since(self.received))
    }

    /// Milliseconds of freshness left; 0 or less: for how long it has been stale (§4.2).
    #[must_use]
    pub fn fresh_for(&self, now: Now) -> i64 {
        (i64::from(self.lifetime) * 1000)
            .saturating_sub(self.curtailed)
            .saturating_sub(self.age(now))
    }

    /// The same response, whose freshness ended at `since` at the latest. Its stale windows count
    /// from then.
    #[must_use]
    pub fn stale_since(self, since: Mono) -> Meta {
        let left = self.fresh_for(Now { mono: since, ..Now::default() });
        Meta { curtailed: self.curtailed.saturating_add(left.max(0)), ..self }
    }

    /// Whether it is stale, but for no longer than `window` seconds; a window of 0 is none.
    #[must_use]
    pub fn is_stale_within(&self, window: u32, now: Now) -> bool {
        let stale_for = self.fresh_for(now).saturating_neg();
        window > 0 && (0..=i64::from(window) * 1000).contains(&stale_for)
    }

    /// Milliseconds from `now` until nothing can be done with it any more.
    #[must_use]
    pub fn usable_for(&self, now: Now) -> i64 {
        let stale = self.stale_while_revalidate.max(self.stale_if_error);
        let keep = if self.validator { self.keep } else { 0 };
        self.fresh_for(now).saturating_add(i64::from(stale.max(keep)) * 1000)
    }
}

impl AsRef<Meta> for Meta {
    fn as_ref(&self) -> &Meta {
        self
    }
}
