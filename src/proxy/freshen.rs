//! A 304 that validated what is stored (RFC 9111 §4.3.4): the stored response with the fields that
//! came, for all who wait, and for whoever asks next.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::{
    Duty, Fetch, Proxy,
    shared::News,
    storable::{self, make_storable, strip_cookies},
    variants::{forget_withheld, merged},
};
use crate::{
    cache_status::CacheStatus,
    collapse::Outcome,
    policy::{Exchange, Meta, Received, cache_control, freshness, validation::OWN_TAG},
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
        let mut freshened = Freshened::new(stored, response, visit);
        let meta = match fetch.judge(exchange, stored.head.status, freshened.judged()) {
            Received::Storable(meta) => meta,
            received => {
                let mut told = fetch.told().with_status(fwd_status);
                if let Received::Unstorable(reason) = received {
                    self.not_stored(fetch, reason);
                    self.stop_sharing(fetch, reason, exchange.response);
                    self.forget_others(fetch, reason);
                    told = told.detail(Reason::NotStored(reason));
                }
                let status = CacheStatus::Forwarded(told);
                // Good for the client that asked, and for nobody after it.
                let received = exchange.response.mono;
                let initial_age = freshness::initial_age(freshened.judged(), exchange);
                let meta = Meta { received, initial_age, ..stored.head.meta };
                let mut fields = freshened.fields;
                make_storable(&mut fields, visit, exchange.response);
                let head = fetch.head(meta, stored.head.status, &fields);
                let head = Head { named: Named::default(), ..head };
                let entry = stored.freshened(head, fetch.asked);
                let answer = reply::stored(visit, &entry, self.clock.now(), status);
                return duty.owner.give(answer);
            }
        };
        let names = fetch.selecting(freshened.judged()).unwrap_or_default();
        let place = self.store.place(visit.primary, fetch.places(names));
        let own = freshened.withhold(stored.head.status, visit);
        let mut fields = freshened.fields;
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

/// The stored fields with those of a 304, or of a 200 to HEAD, taken over; no entity-tag of ours
/// among them.
pub(super) struct Freshened {
    /// Without what is for one hop alone: that is not stored (RFC 9111 §3.1).
    pub(super) fields: HeaderMap,
    /// With what Connection names, where it names anything.
    all: Option<HeaderMap>,
}

impl Freshened {
    pub(super) fn new(
        stored: &Entry,
        response: &Response<ResponseBody>,
        visit: &Visit,
    ) -> Freshened {
        let mut kept = stored.head.fields.to_map();
        let ours = |tag: &HeaderValue| tag.as_bytes().starts_with(OWN_TAG.as_bytes());
        if kept.get(header::ETAG).is_some_and(ours) {
            kept.remove(header::ETAG);
        }
        let mut received = response.headers().clone();
        let named = received.contains_key(header::CONNECTION);
        let all = named.then(|| merged(&kept, &received));
        reply::end_to_end(&mut received, response.version());
        strip_cookies(&mut received, visit);
        let mut fields = merged(&kept, &received);
        if let Some(all) = &all {
            forget_withheld(&mut fields, cache_control::withheld(all), &received);
        }
        Freshened { fields, all }
    }

    /// What it is judged by: all that came, as a 200 is.
    pub(super) fn judged(&self) -> &HeaderMap {
        self.all.as_ref().unwrap_or(&self.fields)
    }

    /// Takes out what is for the client that asked alone.
    pub(super) fn withhold(&mut self, status: StatusCode, visit: &Visit) -> HeaderMap {
        let names = cache_control::withheld(self.judged());
        storable::take_out(&mut self.fields, names, (status, visit))
    }
}
