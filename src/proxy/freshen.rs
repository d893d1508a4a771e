//! A 304 that validated what is stored (RFC 9111 §4.3.4): the stored response with the fields that
//! came, for all who wait, and for whoever asks next.

use http::{HeaderMap, HeaderValue, Response, header};

use super::{
    Duty, Fetch, Proxy,
    shared::News,
    storable::{make_storable, strip_cookies, withhold},
    variants::merged,
};
use crate::{
    cache_status::CacheStatus,
    collapse::Outcome,
    policy::{Exchange, Meta, Received, freshness, validation::OWN_TAG},
    reason::Reason,
    reply,
    store::{Entry, Head, Named},
    upstream::ResponseBody,
    visit::Visit,
};

impl Proxy {
    /// Freshens the stored response by the 304 that validated it (RFC 9111 §4.3.4).
    pub(super) fn freshen(
        &self,
        fetch: &Fetch,
        duty: Duty,
        response: &Response<ResponseBody>,
        exchange: Exchange,
    ) {
        let Some(stored) = &fetch.stored else { return };
        let (fwd_status, visit) = (Some(response.status()), &fetch.visit);
        let mut fields = freshened(stored, response, visit);
        let meta = match fetch.judge(exchange, stored.head.status, &fields) {
            Received::Storable(meta) => meta,
            received => {
                let mut told = fetch.told().with_status(fwd_status);
                if let Received::Unstorable(reason) = received {
                    self.not_stored(fetch, reason);
                    self.stop_sharing(fetch, reason);
                    told = told.detail(Reason::NotStored(reason));
                }
                let status = CacheStatus::Forwarded(told);
                // Good for the client that asked, and for nobody after it.
                let received = exchange.response.mono;
                let initial_age = freshness::initial_age(&fields, exchange);
                let meta = Meta { received, initial_age, ..stored.head.meta };
                make_storable(&mut fields, visit, exchange.response);
                let head = fetch.head(meta, stored.head.status, &fields);
                let head = Head { named: Named::default(), ..head };
                let entry = stored.freshened(head, fetch.asked);
                let answer = reply::stored(visit, &entry, self.clock.now(), status);
                return duty.owner.give(answer);
            }
        };
        let names = fetch.selecting(&fields).unwrap_or_default();
        let place = self.store.place(visit.primary, fetch.places(names));
        let own = withhold(&mut fields, stored.head.status, visit);
        make_storable(&mut fields, visit, exchange.response);
        let head = fetch.head(meta, stored.head.status, &fields);
        let entry = stored.freshened(head, fetch.asked);
        self.keep((fetch, &duty.leader), (&place, &entry), News::Head);
        self.freshen_others(fetch, &duty.leader, response, exchange);
        if !own.is_empty() {
            let now = self.clock.now();
            let told = fetch.told().stored(&entry.head.meta, now).with_status(fwd_status);
            let answer = reply::stored(visit, &entry, now, CacheStatus::Forwarded(told));
            duty.owner.give(answer.with(&own));
            return duty.leader.finish(Outcome::Entry { place, entry, fwd_status });
        }
        duty.finish(Outcome::Entry { place, entry, fwd_status });
    }
}

/// The stored fields with those of a 304 taken over; no entity-tag of ours among them.
pub(super) fn freshened(
    stored: &Entry,
    response: &Response<ResponseBody>,
    visit: &Visit,
) -> HeaderMap {
    let mut kept = stored.head.fields.to_map();
    let ours = |tag: &HeaderValue| tag.as_bytes().starts_with(OWN_TAG.as_bytes());
    if kept.get(header::ETAG).is_some_and(ours) {
        kept.remove(header::ETAG);
    }
    let mut received = response.headers().clone();
    reply::end_to_end(&mut received, response.version());
    strip_cookies(&mut received, visit);
    merged(&kept, &received)
}
