//! A hit in memory: what nothing has to be waited for.
//!
//! Most requests come to no more than this, so none of it builds what only the others need.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use hyper::body::Incoming;

use super::{Proxy, Wish, shaping::name_cut, toll};
use crate::{
    cache_status::{self, CacheStatus},
    config::throttle::Count,
    fields::Upgrade,
    policy::{
        self, Decision,
        asked::Method,
        coding::{Accepts, Coding},
        encoding::{Form, Given},
    },
    reason::Reason,
    reply::{self, Answer},
    snapshot::Route,
    store::{Cut, Entry, Found, Memo, shape::Extent},
    transform::memos::Recipe,
    visit::Visit,
};

/// What comes of a request without waiting.
pub(super) enum AtOnce<T> {
    /// Its answer.
    Answer(T),
    /// Nothing yet; what was found, where it was time to look.
    Wait(Option<Found>),
}

/// A hit whose head is written already.
pub(super) struct InLines {
    /// The status that is written.
    pub(super) status: StatusCode,
    /// What is told of it.
    pub(super) told: CacheStatus,
    /// What comes behind the head.
    pub(super) body: Bytes,
}

impl Proxy {
    /// The answer for which nothing has to be waited for, as it is made of a fresh response from
    /// memory, or of what lies there that was cut out of one. Else what the look has found, where
    /// it is time to look.
    pub(super) fn at_once<T>(
        self: &Arc<Self>,
        visit: &Visit,
        body: Option<&Incoming>,
        make: impl FnOnce(&Entry, Option<&Cut>) -> Option<T>,
    ) -> AtOnce<T> {
        let route = &visit.route;
        let waits = route.throttle.queues(Count::All) || passes_by(visit, route);
        if waits || toll::refuse(visit, body).is_some() {
            return AtOnce::Wait(None);
        }
        let found = self.look(visit);
        let stored = found.stored.as_ref().map_err(|fwd| *fwd);
        let decision = policy::decide(&visit.asked, &route.cache.rules, stored, visit.arrived);
        let Decision::Serve(stored) = decision else { return AtOnce::Wait(Some(found)) };
        let cut = match &visit.wanted {
            None => None,
            Some(wanted) => match self.cut_at_hand(route, wanted, (found.place.key, stored)) {
                Some(cut) => Some(cut),
                None => return AtOnce::Wait(Some(found)),
            },
        };
        match make(cut.as_ref().map_or(stored, Cut::entry), cut.as_ref()) {
            Some(answer) => AtOnce::Answer(answer),
            None => AtOnce::Wait(Some(found)),
        }
    }

    /// A stored response, or what was cut out of one, in a form that lies in memory.
    pub(super) fn hit_at_hand(
        self: &Arc<Self>,
        visit: &Visit,
        (entry, cut): (&Entry, Option<&Cut>),
    ) -> Option<Answer> {
        let accepts = || Accepts::of(&visit.head.headers);
        if let Some(memo) = self.packed_at_hand((visit, accepts), entry) {
            let packed = reply::packed(visit, &entry.head, memo);
            if packed.is_some() {
                return packed;
            }
        }
        let mut answer = self.hit(visit, entry, None);
        self.formed(&visit.route, &Wish::of(visit), &mut answer).ok()?;
        if let (Some(cut), Some(wanted)) = (cut, &visit.wanted) {
            name_cut(&mut answer, cut, wanted);
        }
        Some(answer)
    }

    /// The same, for who gets all of it as it lies there, or has it: the lines of its head are added to
    /// `out`, and nothing is made at all. `accepts`: what the request does.
    pub(super) fn hit_in_lines(
        &self,
        (visit, accepts): (&Visit, Accepts),
        entry: &Entry,
        out: &mut Vec<u8>,
    ) -> Option<InLines> {
        let in_lines = |(status, told), body| InLines { status, told, body };
        if visit.asked.condition {
            let unpacked = visit.asked.unpacked() || visit.wanted.is_some();
            let just = (!unpacked).then(|| reply::is_just_unchanged(visit, entry))?;
            let none = (Extent::NotModified, None, 0);
            let told = just.then(|| reply::written(visit, entry, none, out))??;
            return Some(in_lines(told, Bytes::new()));
        }
        if !is_plain(visit) {
            return None;
        }
        if let Some((coding, body)) = self.packed_at_hand((visit, || accepts), entry) {
            let whole = (Extent::Whole, Some(coding), body.len());
            return Some(in_lines(reply::written(visit, entry, whole, out)?, body));
        }
        let (forms, length) = (&entry.head.forms, entry.body.len());
        let form = forms.given.form(&visit.route.packing, accepts, Some(length as u64));
        if form != Form::AsItCame || forms.escaped {
            return None;
        }
        let told = reply::written(visit, entry, (Extent::Whole, None, length), out)?;
        Some(in_lines(told, entry.body.clone()))
    }

    /// All of a stored response as it was packed before, which is what most ask for: neither its head
    /// nor its body has to be made.
    fn packed_at_hand(
        &self,
        (visit, accepts): (&Visit, impl FnOnce() -> Accepts),
        entry: &Entry,
    ) -> Option<(Coding, Bytes)> {
        let head = &entry.head;
        if !is_plain(visit) || !visit.asked.codings || head.forms.given != Given::Plain {
            return None;
        }
        let length = Some(entry.body.len() as u64);
        let form = head.forms.given.form(&visit.route.packing, accepts(), length);
        let Form::Packed(coding) = form else { return None };
        match self.store.memo(Recipe::Pack(coding).key(&entry.id()))? {
            Memo::Made(body) => Some((coding, body)),
            Memo::TooLong | Memo::Spoilt => None,
        }
    }

    /// What lies in memory for a request.
    pub(super) fn look(&self, visit: &Visit) -> Found {
        self.times.of_l1(|| self.store.get(visit.primary, &visit.head.headers, visit.arrived))
    }

    /// A stored response, as it is.
    pub(super) fn hit(&self, visit: &Visit, stored: &Entry, detail: Option<Reason>) -> Answer {
        let now = visit.arrived;
        let ttl = cache_status::ttl(&stored.head.meta, now);
        reply::stored(visit, stored, now, CacheStatus::Hit { ttl, detail })
    }
}

/// Whether a request is for all of what is stored, in whatever form.
fn is_plain(visit: &Visit) -> bool {
    let asked = &visit.asked;
    let chooses = asked.condition || asked.unpacked();
    asked.method == Method::Get && visit.wanted.is_none() && !chooses
}

/// Whether the cache has no part in a request.
pub(super) fn passes_by(visit: &Visit, route: &Route) -> bool {
    !route.cache.is_on() || visit.upgrade != Upgrade::No || visit.ends_here()
}
