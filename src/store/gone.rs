//! What is remembered of responses that are gone: why, for the next request that misses them.

use std::time::Duration;

use crate::{
    key::{IdentityState, Key},
    reason::Miss,
};

/// Keys that are remembered at the same time; the least used are forgotten first.
const MAX_GONE: u64 = 16_384;

/// How long they are.
const LASTS: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Gone(moka::sync::Cache<Key, Miss, IdentityState>);

impl Gone {
    pub(super) fn new() -> Gone {
        let gone = moka::sync::Cache::builder().max_capacity(MAX_GONE).time_to_live(LASTS);
        Gone(gone.build_with_hasher(IdentityState::default()))
    }

    pub(super) fn remember(&self, key: Key, why: Miss) {
        self.0.insert(key, why);
    }

    /// There is something again.
    pub(super) fn forget(&self, key: Key) {
        if self.0.contains_key(&key) {
            self.0.invalidate(&key);
        }
    }

    pub(super) fn why(&self, key: Key) -> Option<Miss> {
        self.0.get(&key)
    }
}
