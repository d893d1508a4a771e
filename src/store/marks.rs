//! Marks of "not shareable" (hit-for-miss): for a while, requests for such a
//! key do not wait for each other.

use std::time::Duration;

use crate::{
    key::{IdentityState, Key},
    policy::{Mono, Now},
};

/// Keys that are marked at the same time; the least used are forgotten first.
const MAX_MARKS: u64 = 65_536;

/// How long a mark lasts, in milliseconds.
const LASTS: i64 = 60_000;

/// Whose requests wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowd {
    /// Everybody's; a mark for all holds for those with a cookie, too.
    All,
    /// Those with a cookie: the others may still share what these may not.
    WithCookie,
}

/// Until when a key is marked, for whom.
#[derive(Clone, Copy, Debug)]
struct Mark {
    all: Mono,
    with_cookie: Mono,
}

#[derive(Debug)]
pub(super) struct Marks(moka::sync::Cache<Key, Mark, IdentityState>);

impl Marks {
    pub(super) fn new() -> Marks {
        let marks = moka::sync::Cache::builder()
            .max_capacity(MAX_MARKS)
            .time_to_live(Duration::from_millis(LASTS.unsigned_abs()));
        Marks(marks.build_with_hasher(IdentityState::default()))
    }

    pub(super) fn set(&self, key: Key, crowd: Crowd, now: Now) {
        let until = Mono(now.mono.0 + LASTS);
        let mark = match crowd {
            Crowd::All => Mark { all: until, with_cookie: until },
            Crowd::WithCookie => {
                let all = self.0.get(&key).map_or(now.mono, |mark| mark.all);
                Mark { all, with_cookie: until }
            }
        };
        self.0.insert(key, mark);
    }

    pub(super) fn is_set(&self, key: Key, crowd: Crowd, now: Now) -> bool {
        self.0.get(&key).is_some_and(|mark| match crowd {
            Crowd::All => now.mono < mark.all,
            Crowd::WithCookie => now.mono < mark.with_cookie,
        })
    }
}
