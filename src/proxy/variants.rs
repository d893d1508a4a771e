//! A target's variants, and what one 304 means to several of them (RFC 9111 §4.3.1, §4.3.4).

use http::{HeaderMap, HeaderName, Response, StatusCode, header};

use super::{Fetch, Proxy, freshen::Freshened, shared::News, storable};
use crate::{
    collapse::Leader,
    policy::{
        Exchange, Meta, Now, Received, Unstorable, cache_control, encoding,
        validation::{self, Validators, strong_tag},
    },
    store::Entry,
    upstream::ResponseBody,
};

/// Whether a 304 says which stored response it speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// It does, and `fetch.stored` is the one; or there is nothing to choose.
    Clear,
    /// It does not, or that one is gone.
    Unclear,
}

impl Proxy {
    /// Takes the variant that a 304 names for the stored response: a strong entity-tag is one
    /// representation's alone, whatever selected it. A 304 that names none means the only one that
    /// it was offered, if there was only one.
    pub(super) fn select(&self, fetch: &mut Fetch, headers: &HeaderMap, now: Now) -> Named {
        let own = fetch.stored.as_ref().map(|stored| stored.head.origin_validators().etag);
        if fetch.offered().all(|(tag, _)| own == Some(Some(tag))) {
            return Named::Clear;
        }
        let named = Validators::of(headers).etag;
        let of_own = own.flatten().zip(named);
        if of_own.is_some_and(|(own, named)| own == named || named.strip_prefix(b"W/") == Some(own))
        {
            return Named::Clear;
        }
        let only = fetch.offered().next().map(|(tag, _)| tag).filter(|only| {
            named.is_none() && own.flatten().is_none() && fetch.offered().all(|it| it.0 == *only)
        });
        let key = strong_tag(Validators::of(headers)).or(only).and_then(|named| {
            let same = fetch.offered().filter(|(tag, _)| *tag == named);
            same.last().map(|(_, key)| key)
        });
        let Some(entry) = key.and_then(|key| self.store.entry(key, now)) else {
            return Named::Unclear;
        };
        fetch.stored = Some(entry);
        Named::Clear
    }

    /// Freshens every other stored variant that has the strong validator of a 304.
    pub(super) fn freshen_others(
        &self,
        fetch: &Fetch,
        leader: &Leader,
        response: &Response<ResponseBody>,
        exchange: Exchange,
    ) {
        let Some(named) = strong_tag(Validators::of(response.headers())) else { return };
        let Some(vary) = &fetch.place.vary else { return };
        // What one user is told prolongs nobody else's answer.
        let rules = &fetch.visit.route.cache.rules;
        if vary.names().iter().any(|name| rules.tells_users_apart(name)) {
            return;
        }
        for (_, key) in vary.tags().filter(|(tag, key)| *tag == named && *key != fetch.place.key) {
            let Some(stored) = self.store.entry(key, exchange.response) else { continue };
            let place = fetch.place.beside(key);
            if let Ok(entry) = renewed(fetch, &stored, response, exchange) {
                self.keep((fetch, leader), (&place, &entry), News::Head);
            }
        }
    }
}

/// A stored response under the fields of a 304 or of a 200 to HEAD; whose request brought it does
/// not change.
///
/// # Errors
/// Why it may not be stored any more; nothing, where the exchange does not say.
pub(super) fn renewed(
    fetch: &Fetch,
    stored: &Entry,
    response: &Response<ResponseBody>,
    exchange: Exchange,
) -> Result<Entry, Option<Unstorable>> {
    let mut freshened = Freshened::new(stored, response, &fetch.visit);
    let names = fetch.selecting(freshened.judged())?;
    let meta = match fetch.judge(exchange, StatusCode::OK, freshened.judged()) {
        Received::Storable(meta) => meta,
        Received::Unstorable(reason) => return Err(Some(reason)),
        Received::Validated | Received::Mismatched | Received::StaleIfError => return Err(None),
    };
    let told_apart_by = fetch.place.vary.as_ref().map_or(&[][..], |vary| vary.names());
    // What came packed for all, and is to stay so from now on, is for few of them.
    let selects = names.contains(&header::ACCEPT_ENCODING);
    if told_apart_by != names || (encoding::is_bound(freshened.judged()) && !selects) {
        return Err(None);
    }
    let Meta { authorized, cookie, .. } = stored.head.meta;
    // What is withheld is for the client that asked, who gets it with the response itself.
    let _ = freshened.withhold(stored.head.status, &fetch.visit);
    let mut fields = freshened.fields;
    storable::make_storable(&mut fields, &fetch.visit, exchange.response);
    let meta = Meta { authorized, cookie, ..meta };
    Ok(stored.freshened(fetch.head(meta, stored.head.status, &fields), fetch.asked))
}

/// A stored head under that of a newer message (RFC 9111 §3.2). What this withholds and does not
/// bring itself is gone: the stored fields came with another client's answer, when nothing said
/// yet that they were for one alone.
pub(super) fn merged(stored: &HeaderMap, received: &HeaderMap) -> HeaderMap {
    let mut fields = validation::freshen(stored, received);
    let names = cache_control::withheld(&fields);
    forget_withheld(&mut fields, names, received);
    fields
}

/// Takes out the stored fields of these names, where the newer message does not bring them itself.
pub(super) fn forget_withheld(
    fields: &mut HeaderMap,
    names: Vec<HeaderName>,
    received: &HeaderMap,
) {
    for name in names {
        if !received.contains_key(&name) {
            fields.remove(name);
        }
    }
}
