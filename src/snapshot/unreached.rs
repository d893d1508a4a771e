//! What was not reached by what became invalid before a reload.
//!
//! An unsafe request ends what lies under the keys that its target has by the rules of that moment
//! (RFC 9111 §4.4). Under other rules it has other keys. So what lies there from before, stored by
//! this process when it had those rules the last time, or by another node that has them already, may
//! be out of date when they are taken in.

use super::{Snapshot, keying::by_generation};

/// Generations of routes, by what is to become of what was stored on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unreached {
    /// It may have been shared by rules that others replaced meanwhile: it ends.
    pub taken_in: Vec<u64>,
    /// Its URLs are told apart by another rule: it is validated.
    pub told_apart: Vec<u64>,
}

impl Unreached {
    /// By a reload from `previous` to `next`.
    #[must_use]
    pub fn between(previous: &Snapshot, next: &Snapshot) -> Unreached {
        let mut unreached = Unreached::default();
        let known = by_generation(&previous.routes);
        for route in &next.routes {
            match known.get(&route.generation) {
                None if !next.had.may_include(route.generation) => {}
                None => unreached.taken_in.push(route.generation),
                Some(before) if !before.tells_urls_apart_as(route.keying()) => {
                    unreached.told_apart.push(route.generation);
                }
                Some(_) => {}
            }
        }
        unreached
    }
}
