//! What was not reached by what became invalid before a reload.
//!
//! An unsafe request ends what lies under the keys that its target has by the rules of that moment
//! (RFC 9111 §4.4). Under other rules it has other keys. So what lies there from before, stored by
//! this process when it had those rules the last time, or by another node that has them already, may
//! be out of date when they are taken in.

use super::{Snapshot, keying::by_generation};

/// The generations of the routes on which that may be so after a reload from `previous` to `next`:
/// their sharing is taken in, or their URLs are told apart by another rule, or the scheme of a request
/// is that which somebody else says.
#[must_use]
pub fn unreached(previous: &Snapshot, next: &Snapshot) -> Vec<u64> {
    let known = by_generation(&previous.routes);
    let believes = (&previous.trusted_proxies, &previous.passed_on_by)
        == (&next.trusted_proxies, &next.passed_on_by);
    let routes = next.routes.iter().filter(|route| match known.get(&route.generation) {
        None => next.had.may_include(route.generation),
        Some(before) => !believes || !before.tells_urls_apart_as(route.keying()),
    });
    routes.map(|route| route.generation).collect()
}
