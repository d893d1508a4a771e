//! What was last decided of a URL, for who asks why: of GET and HEAD, and never on the way of a
//! plain hit.

use crate::{
    cache_status::CacheStatus,
    key::Key,
    policy::{Unstorable, Wall, asked::Method},
    reason::Reason,
    reply::Answer,
    store::recall::Recall,
};

/// URLs that are remembered at the same time, on this node.
const MAX_RECENT: usize = 4096;

/// One decision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decided {
    pub(super) at: Wall,
    pub(super) told: CacheStatus,
    /// The status that the client got.
    pub(super) status: u16,
}

#[derive(Debug)]
pub(super) struct Recent(Recall<Decided>);

impl Default for Recent {
    fn default() -> Recent {
        Recent(Recall::new(MAX_RECENT))
    }
}

impl Recent {
    /// Remembers an answer, unless it is a plain hit.
    pub(super) fn note(&self, (key, method): (Key, Method), answer: &Answer, at: Wall) {
        let plain = matches!(answer.status, CacheStatus::Hit { detail: None, .. });
        if !plain && matches!(method, Method::Get | Method::Head) {
            let (told, status) = (answer.status, answer.response.status().as_u16());
            self.0.put(key, Decided { at, told, status });
        }
    }

    /// Remembers that what was to be stored is not.
    pub(super) fn not_stored(&self, key: Key, reason: Unstorable) {
        if let Some(decided) = self.0.get(key)
            && let CacheStatus::Forwarded(told) = decided.told
        {
            let told = crate::cache_status::Forwarded { stored: false, ttl: None, ..told };
            let told = CacheStatus::Forwarded(told.detail(Reason::NotStored(reason)));
            self.0.put(key, Decided { told, ..decided });
        }
    }

    pub(super) fn of(&self, key: Key) -> Option<Decided> {
        self.0.get(key)
    }
}
