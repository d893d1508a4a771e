//! What a route makes of a request's head: the query, the cookies and the fields that are forwarded
//! are those that the cache knows its answer by.

use http::{HeaderValue, Method, header, request, uri::PathAndQuery};

use crate::{
    config::{Mode, Query},
    fields, key,
    policy::{
        Asked, asked,
        cookies::{self, KEY_COOKIES},
        rules::{Authorization, Cookies},
        selecting,
    },
    snapshot::Route,
};

pub(super) fn apply_query(route: &Route, head: &mut request::Parts) {
    keep_query(&route.cache.query, head);
}

pub(super) fn keep_query(rule: &Query, head: &mut request::Parts) {
    let Some(query) = head.uri.query() else { return };
    let Some(query) = key::query(rule, query) else { return };
    set_query(head, &query);
}

/// The target is in origin form, and so is nothing else than path and query.
pub(super) fn set_query(head: &mut request::Parts, query: &str) {
    let path = head.uri.path();
    // No longer than it gets, so that it need not be moved.
    let more = if query.is_empty() { 0 } else { 1 + query.len() };
    let mut kept = String::with_capacity(path.len() + more);
    kept.push_str(path);
    if !query.is_empty() {
        kept.push('?');
        kept.push_str(query);
    }
    if let Ok(kept) = PathAndQuery::try_from(kept) {
        head.uri = kept.into();
    }
}

/// Cookies that the operator ignores are not forwarded, and so can select nothing; those of the key
/// are forwarded alone. Gives what is taken out.
pub(super) fn apply_cookies(route: &Route, head: &mut request::Parts) -> Option<HeaderValue> {
    let kept = select_cookies(route, head);
    let ignored = route.cache.rules.cookies == Cookies::Ignore;
    if !ignored || !matches!(head.method, Method::GET | Method::HEAD) {
        return None;
    }
    let unseen = cookies::joined(&head.headers);
    match kept {
        Some(kept) => drop(head.headers.insert(header::COOKIE, kept)),
        None => drop(head.headers.remove(header::COOKIE)),
    }
    unseen
}

/// Makes the cookies of the key one field that selects by them, and gives it. Its fields select by
/// themselves.
pub(super) fn select_cookies(route: &Route, head: &mut request::Parts) -> Option<HeaderValue> {
    let key = &route.cache.rules.key;
    if key.is_empty() {
        return None;
    }
    key.headers.iter().for_each(|name| selecting::compare_as_it_is(&mut head.headers, name));
    let kept = cookies::only(&head.headers, &key.cookies);
    match &kept {
        Some(kept) => drop(head.headers.insert(KEY_COOKIES, kept.clone())),
        None => drop(head.headers.remove(KEY_COOKIES)),
    }
    kept
}

/// Whether the cache has a part in it, or would have but for its mode: it may be answered from the
/// cache, or its answer stored.
pub(super) fn takes_part(route: &Route, asked: &Asked) -> bool {
    let rules = &route.cache.rules;
    let credential = asked.authorization && rules.authorization == Authorization::Bypass;
    let retrieves = matches!(asked.method, asked::Method::Get | asked::Method::Head);
    let caches = route.cache.mode != Mode::Off && asked.bypass.is_none();
    caches && retrieves && !(asked.content || credential)
}

/// Whether it has what an origin may take for a field that chooses among answers, conditions them, or
/// forms them.
pub(super) fn has_aliases(route: &Route, head: &request::Parts) -> bool {
    fields::has_aliases(&head.headers, &route.underscored)
}
