//! Marks of "not shareable" (hit-for-miss): for a while, requests for such a
//! key do not wait for each other.

use super::recent::Recent;
use crate::{
    key::Key,
    policy::{Mono, Now},
};

/// Keys that are marked at the same time; the first marked are forgotten first.
const MAX_MARKS: usize = 65_536;

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
pub(super) struct Marks(Recent<Mark>);

impl Marks {
    pub(super) fn new() -> Marks {
        Marks(Recent::new(MAX_MARKS))
    }

    pub(super) fn set(&self, key: Key, crowd: Crowd, now: Now) {
        let until = Mono(now.mono.0 + LASTS);
        self.0.set(key, |known| match crowd {
            Crowd::All => Mark { all: until, with_cookie: until },
            Crowd::WithCookie => {
                Mark { all: known.map_or(now.mono, |mark| mark.all), with_cookie: until }
            }
        });
    }

    pub(super) fn is_set(&self, key: Key, crowd: Crowd, now: Now) -> bool {
        self.0.get(key).is_some_and(|mark| match crowd {
            Crowd::All => now.mono < mark.all,
            Crowd::WithCookie => now.mono < mark.with_cookie,
        })
    }
}
