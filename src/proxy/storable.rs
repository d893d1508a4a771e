//! The fields of a response, made ready for the store: what is one client's alone and what is not
//! stored comes out, Date is repaired.

use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::{
    fields,
    policy::{Now, cache_control, freshness, rules::SetCookie, storing},
    visit::Visit,
};

/// Takes out what is for the client that asked alone: the fields that the origin names (RFC 9111
/// §5.2.2.4, §5.2.2.7), and what a success says of limits.
pub(super) fn withhold(headers: &mut HeaderMap, status: StatusCode, visit: &Visit) -> HeaderMap {
    let names = cache_control::withheld(headers);
    take_out(headers, names, (status, visit))
}

/// The same, where it is known what the origin names.
pub(super) fn take_out(
    headers: &mut HeaderMap,
    mut names: Vec<HeaderName>,
    (status, visit): (StatusCode, &Visit),
) -> HeaderMap {
    let mut own = HeaderMap::new();
    if status.is_success() {
        names.extend(headers.keys().filter(|name| fields::is_of_this_moment(name)).cloned());
    }
    if names.is_empty() {
        return own;
    }
    fields::remove_hop_by_hop(headers);
    for name in names {
        own.extend(headers.get_all(&name).iter().map(|it| (name.clone(), it.clone())));
        headers.remove(&name);
    }
    strip_cookies(&mut own, visit);
    own
}

/// Takes out what is not stored, and repairs Date (RFC 9110 §6.6.1): it stands there once, and is
/// the one that the age is reckoned by.
pub(super) fn make_storable(headers: &mut HeaderMap, visit: &Visit, received: Now) {
    for name in [header::CONTENT_LENGTH, header::AGE, header::TRAILER] {
        headers.remove(name);
    }
    strip_cookies(headers, visit);
    let single = headers.get_all(header::DATE).iter().nth(1).is_none();
    match freshness::oldest_date(headers, received.wall) {
        Some(_) if single => {}
        Some(oldest) => drop(headers.insert(header::DATE, http_date(oldest))),
        None => drop(headers.insert(header::DATE, http_date(received.wall.seconds()))),
    }
}

pub(super) fn strip_cookies(headers: &mut HeaderMap, visit: &Visit) {
    if visit.route.cache.rules.set_cookie == SetCookie::Strip {
        storing::SET_COOKIE.iter().for_each(|name| drop(headers.remove(name)));
    }
}

fn http_date(seconds: i64) -> HeaderValue {
    let since = Duration::from_secs(seconds.unsigned_abs());
    let text = httpdate::fmt_http_date(UNIX_EPOCH + since);
    HeaderValue::from_str(&text).expect("an HTTP-date is a field value")
}
