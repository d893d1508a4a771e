//! What was last decided of a URL, for who asks why: of GET and HEAD, and never on the way of a hit.

use crate::{
    cache_status::{CacheStatus, Forwarded},
    key::Key,
    policy::{Wall, asked::Method},
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
    /// The status that the last client got; 0 where there was none.
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
    /// Remembers an answer, unless it is a hit: what a refresh behind that comes to matters more.
    pub(super) fn note(&self, (key, method): (Key, Method), answer: &Answer, at: Wall) {
        let hit = matches!(answer.status, CacheStatus::Hit { .. });
        if !hit && matches!(method, Method::Get | Method::Head) {
            let (told, status) = (answer.status, answer.response.status().as_u16());
            self.0.put(key, Decided { at, told, status });
        }
    }

    /// Remembers that what a fetch brought is not stored, be it that nobody waited for it.
    pub(super) fn not_stored(&self, key: Key, told: Forwarded, at: Wall) {
        let status = self.0.get(key).map_or(0, |known| known.status);
        self.0.put(key, Decided { at, told: CacheStatus::Forwarded(told), status });
    }

    pub(super) fn of(&self, key: Key) -> Option<Decided> {
        self.0.get(key)
    }
}
