//! What is remembered of responses that are gone: why, by what and when, for the next request that
//! misses them and for who asks.

use super::recall::Recall;
use crate::{key::Key, policy::Wall, reason::Miss};

/// Keys that are remembered at the same time.
const MAX_GONE: usize = 8192;

/// How a response left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Why.
    pub why: Miss,
    /// By what: a method, another node, lack of room.
    pub by: &'static str,
    /// When, to the nearest time that something was stored.
    pub at: Wall,
}

#[derive(Debug)]
pub(super) struct Gone(Recall<Left>);

impl Gone {
    pub(super) fn new() -> Gone {
        Gone(Recall::new(MAX_GONE))
    }

    pub(super) fn remember(&self, key: Key, left: Left) {
        self.0.put(key, left);
    }

    /// There is something again.
    pub(super) fn forget(&self, key: Key) {
        self.0.forget(key);
    }

    pub(super) fn how(&self, key: Key) -> Option<Left> {
        self.0.get(key)
    }
}
