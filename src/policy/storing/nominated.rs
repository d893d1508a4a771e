//! What Connection names is for one hop, and not stored (RFC 9111 §3.1). Where that is a field by
//! which the stored response is judged again, at a 304 (§4.3.4) or a HEAD (§4.3.5) that is silent
//! about it, it would be forgotten then: so nothing is stored. No origin should name one of them
//! (RFC 9110 §7.6.1).

use http::{HeaderMap, HeaderName, header};

use super::{SET_COOKIE, Unstorable};
use crate::policy::{cache_control::TARGET_LIST, field, groups, tags};

/// What says for whom it is stored, for how long, and by what it becomes invalid.
fn is_judged_again(name: &HeaderName) -> bool {
    [header::CACHE_CONTROL, header::EXPIRES, header::VARY].contains(name)
        || [groups::CACHE_GROUPS, tags::SURROGATE_KEY, tags::CACHE_TAG].contains(name)
        || SET_COOKIE.contains(name)
        || TARGET_LIST.contains(name)
}

/// Whether all that a response is judged by stays with it.
pub(super) fn allowed_by_connection(headers: &HeaderMap) -> Result<(), Unstorable> {
    let mut named = field::members(headers, header::CONNECTION);
    let is_lost = |name: HeaderName| is_judged_again(&name) && headers.contains_key(name);
    match named.any(|name| HeaderName::from_bytes(name).is_ok_and(is_lost)) {
        true => Err(Unstorable::Connection),
        false => Ok(()),
    }
}
