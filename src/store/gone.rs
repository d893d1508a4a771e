//! What is remembered of responses that are gone: why, for the next request that misses them.

use super::recent::Recent;
use crate::{
    key::Key,
    policy::{Mono, Now},
    reason::Miss,
};

/// Keys that are remembered at the same time; the first are forgotten first.
const MAX_GONE: usize = 16_384;

/// How long they are, in milliseconds.
const LASTS: i64 = 60_000;

#[derive(Debug)]
pub(super) struct Gone(Recent<(Miss, Mono)>);

impl Gone {
    pub(super) fn new() -> Gone {
        Gone(Recent::new(MAX_GONE))
    }

    pub(super) fn remember(&self, key: Key, why: Miss, now: Now) {
        self.0.set(key, |_| (why, Mono(now.mono.0 + LASTS)));
    }

    /// There is something again.
    pub(super) fn forget(&self, key: Key) {
        self.0.forget(key);
    }

    pub(super) fn why(&self, key: Key, now: Now) -> Option<Miss> {
        self.0.get(key).filter(|(_, until)| now.mono < *until).map(|(why, _)| why)
    }
}
