//! A hit in memory: what nothing has to be waited for.
//!
//! Most requests come to no more than this, so none of it builds what only the others need.

use std::sync::Arc;

use hyper::body::Incoming;

use super::{Proxy, Wish, shaping::name_cut, toll};
use crate::{
    cache_status::{self, CacheStatus},
    config::throttle::Count,
    fields::Upgrade,
    policy::{
        self, Decision,
        asked::Method,
        coding::Accepts,
        encoding::{Form, Given},
    },
    reason::Reason,
    reply::{self, Answer},
    snapshot::Route,
    store::{Cut, Entry, Found, Memo},
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
        if let Some(packed) = self.packed_at_hand(visit, entry) {
            return Some(packed);
        }
        let mut answer = self.hit(visit, entry, None);
        self.formed(&visit.route, &Wish::of(visit), &mut answer).ok()?;
        if let (Some(cut), Some(wanted)) = (cut, &visit.wanted) {
            name_cut(&mut answer, cut, wanted);
        }
        Some(answer)
    }

    /// All of a stored response as it was packed before, which is what most ask for: neither its head
    /// nor its body has to be made.
    fn packed_at_hand(&self, visit: &Visit, entry: &Entry) -> Option<Answer> {
        let (asked, head) = (&visit.asked, &entry.head);
        let chooses = asked.condition || asked.unpacked();
        let plain = asked.method == Method::Get && visit.wanted.is_none() && !chooses;
        if !plain || !asked.codings || head.forms.given != Given::Plain {
            return None;
        }
        let (accepts, length) = (Accepts::of(&visit.head.headers), entry.body.len() as u64);
        let form = head.forms.given.form(&visit.route.packing, accepts, Some(length));
        let Form::Packed(coding) = form else { return None };
        match self.store.memo(Recipe::Pack(coding).key(&entry.id()))? {
            Memo::Made(body) => reply::packed(visit, head, (coding, body)),
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

/// Whether the cache has no part in a request.
pub(super) fn passes_by(visit: &Visit, route: &Route) -> bool {
    !route.cache.is_on() || visit.upgrade != Upgrade::No || visit.ends_here()
}
