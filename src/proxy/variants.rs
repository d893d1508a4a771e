//! A target's variants, and what one 304 means to several of them (RFC 9111 §4.3.1, §4.3.4).

use http::{HeaderMap, HeaderName, Response, StatusCode, header};

use super::{
    Fetch, Proxy, freshen::Freshened, keep::is_of_its_own, shared::News, steps::is_personal,
    storable,
};
use crate::{
    collapse::Leader,
    key::Key,
    policy::{
        Exchange, Meta, Now, Received, Unstorable, cache_control,
        encoding::{self, UpstreamEncoding},
        validation::{self, Validators, strong_tag},
    },
    store::{Entry, Head},
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

/// Why a stored response does not go on under the fields of a newer message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unrenewed {
    /// It may not be stored so.
    Unstorable(Unstorable),
    /// Other fields choose it from now on (RFC 9111 §4.1).
    ChosenByOthers,
    /// The message does not say.
    Untold,
}

impl Unrenewed {
    /// Whether what is stored ends by it.
    pub(super) fn ends_it(self) -> bool {
        match self {
            Unrenewed::Unstorable(reason) => is_of_the_resource(reason),
            Unrenewed::ChosenByOthers => true,
            Unrenewed::Untold => false,
        }
    }
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
        for key in others(fetch, named) {
            let Some(stored) = self.store.entry(key, exchange.response) else { continue };
            let place = fetch.place.beside(key);
            match renewed(fetch, &stored, response, exchange) {
                Ok(head) => {
                    let entry = stored.freshened(head, fetch.asked);
                    self.keep((fetch, leader), (&place, &entry), News::Head);
                }
                Err(why) if why.ends_it() => self.forget(key),
                Err(_) => {}
            }
        }
    }

    /// Drops every other stored variant that has the strong validator of what a 304 keeps out of
    /// the store: it is said of them as well.
    pub(super) fn forget_others(&self, fetch: &Fetch, reason: Unstorable) {
        let Some(stored) = &fetch.stored else { return };
        let Some(named) = strong_tag(stored.head.validators()) else { return };
        // What a credential or a cookie is answered says nothing of what the others are.
        let own = is_of_its_own(&fetch.visit, &stored.head.meta);
        if is_of_the_resource(reason) && !is_personal(fetch) && !own {
            others(fetch, named).for_each(|key| self.forget(key));
        }
    }
}

/// Where the other stored variants lie that have this strong validator. None where variants are
/// users': what one is told is said of nobody else's answer.
fn others<'a>(fetch: &'a Fetch, named: &'a [u8]) -> impl Iterator<Item = Key> + 'a {
    let rules = &fetch.visit.route.cache.rules;
    let is_a_users = |name: &HeaderName| rules.tells_users_apart(name);
    let vary = fetch.place.vary.iter().filter(move |it| !it.names().iter().any(is_a_users));
    let same = vary.flat_map(|it| it.tags()).filter(move |(tag, _)| *tag == named);
    same.map(|(_, key)| key).filter(|key| *key != fetch.place.key)
}

/// Whether what keeps one message out of the store is said of the resource, and so keeps every GET's
/// out, too: of a HEAD's 200 (RFC 9111 §4.3.5, RFC 9110 §9.3.2) and of a 304 (§4.3.4).
fn is_of_the_resource(reason: Unstorable) -> bool {
    use Unstorable::{Connection, NoFreshness, NoStore, Private, VaryStar, VaryTooLong};
    matches!(reason, NoStore | Private | Connection | VaryStar | VaryTooLong | NoFreshness)
}

/// The head of a stored response under the fields of a 304 or of a 200 to HEAD; whose request
/// brought it does not change.
///
/// # Errors
/// Why it does not go on so.
pub(super) fn renewed(
    fetch: &Fetch,
    stored: &Entry,
    response: &Response<ResponseBody>,
    exchange: Exchange,
) -> Result<Head, Unrenewed> {
    let mut freshened = Freshened::new(stored, response, &fetch.visit);
    let names = fetch.selecting(freshened.judged()).map_err(Unrenewed::Unstorable)?;
    let meta = match fetch.judge(exchange, StatusCode::OK, freshened.judged()) {
        Received::Storable(meta) => meta,
        Received::Unstorable(reason) => return Err(Unrenewed::Unstorable(reason)),
        Received::Validated | Received::Mismatched | Received::StaleIfError => {
            return Err(Unrenewed::Untold);
        }
    };
    chosen_by(fetch, &names, response.headers())?;
    // What came packed for all, and is to stay so from now on, is for few of them.
    if encoding::is_bound(freshened.judged()) && !names.contains(&header::ACCEPT_ENCODING) {
        return Err(Unrenewed::Untold);
    }
    let Meta { authorized, cookie, .. } = stored.head.meta;
    // What is withheld is for the client that asked, who gets it with the response itself.
    let _ = freshened.withhold(stored.head.status, &fetch.visit);
    let mut fields = freshened.fields;
    storable::make_storable(&mut fields, &fetch.visit, exchange.response);
    let meta = Meta { authorized, cookie, ..meta };
    Ok(fetch.head(meta, stored.head.status, &fields))
}

/// Whether these fields are those that the variants are told apart by.
fn chosen_by(fetch: &Fetch, names: &[HeaderName], received: &HeaderMap) -> Result<(), Unrenewed> {
    let apart = fetch.place.vary.as_ref().map_or(&[][..], |vary| vary.names());
    // Where the coding was not the client's choice, that it is named is nobody's word but ours.
    let ours = fetch.visit.route.encoding != UpstreamEncoding::Client;
    let told = |name: &&HeaderName| !(ours && **name == header::ACCEPT_ENCODING);
    match names == apart {
        true => Ok(()),
        false if !received.contains_key(header::VARY) => Err(Unrenewed::Untold),
        false if names.iter().filter(told).eq(apart.iter().filter(told)) => Err(Unrenewed::Untold),
        false => Err(Unrenewed::ChosenByOthers),
    }
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
