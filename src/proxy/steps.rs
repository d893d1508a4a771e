//! The steps of the journey that need more than a line.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, atomic::Ordering::SeqCst},
};

use http::{HeaderName, Response, StatusCode, header};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;

use super::{Fetch, ORPHAN_WAIT, Proxy, shared::News, storable::make_storable};
use crate::{
    cache_status::CacheStatus,
    collapse::{
        Arrival, Company, Fault, Leader,
        fill::{Fill, Pushed, Spilled, Terms},
    },
    config::Collapse,
    fields,
    policy::{self, Decision, Meta, Now, Unstorable, rules::Authorization},
    reason::{Reason, Stale},
    reply::{self, Answer, Failure},
    server::Peer,
    store::{Crowd, Entry, Head, Place},
    tunnel::Tunnel,
    upstream::ResponseBody,
    visit::Visit,
};

/// A storable response, taken in: what its followers see, and what is left to read.
pub(super) type Taken = (Arc<Arrival>, Fill, ResponseBody);

/// What a storable response needs to be taken in.
pub(super) struct Room {
    pub(super) names: Vec<HeaderName>,
    terms: Terms,
}

impl Proxy {
    /// A stale response in place of the origin's.
    pub(super) fn stand_in(
        &self,
        fetch: &Fetch,
        stored: &Entry,
        fwd_status: Option<StatusCode>,
    ) -> Answer {
        let now = self.clock.now();
        let told = fetch.told().with_status(fwd_status).detail(Reason::Stale(Stale::IfError));
        let status = CacheStatus::Forwarded(told.fresh_for(&stored.head.meta, now));
        reply::stored(&fetch.visit, stored, now, status)
    }

    /// Answers although the origin failed: with the stored response, or with its failure.
    ///
    /// # Errors
    /// How to look again, where its answer was another client's.
    pub(super) fn make_do(
        &self,
        fetch: &Fetch,
        fault: Fault,
        stored: Option<Entry>,
    ) -> Result<Answer, Company> {
        match (stored, fault) {
            (Some(stored), Fault::Answered(status)) => {
                Ok(self.stand_in(fetch, &stored, Some(status)))
            }
            (Some(stored), Fault::Silent(_)) => Ok(self.stand_in(fetch, &stored, None)),
            (None, Fault::Answered(_)) => Err(Company::Alone),
            (None, Fault::Silent(failure)) => Ok(failed(fetch, &failure)),
        }
    }

    /// Whether a fetch may be shared by those who ask at the same time.
    pub(super) fn company(&self, fetch: &Fetch) -> Company {
        let visit = &fetch.visit;
        let crowd = if visit.asked.cookie { Crowd::WithCookie } else { Crowd::All };
        let alone = visit.route.cache.collapse == Collapse::Off
            || is_personal(fetch)
            || !self.store.collapses(fetch.place.key, crowd, visit.arrived)
            || visit.wants_trailers();
        if alone { Company::Alone } else { Company::Welcome }
    }

    /// Whether what another client's fetch brings was purged before this client asked. What began
    /// after that is for it, whatever was purged since.
    pub(super) fn is_outdated(&self, fetch: &Fetch, head: &Head) -> bool {
        head.named.began().local < fetch.joined.local && !self.store.is_current(&head.named)
    }

    /// Looks into the store again; answers if there is a fresh response by now.
    pub(super) fn look_again(&self, fetch: &mut Fetch) -> Option<Answer> {
        let nothing = fetch.stored.is_none() && fetch.part.is_none() && fetch.place.vary.is_none();
        if nothing && !self.store.has(fetch.place.primary) {
            return None;
        }
        let now = self.clock.now();
        let visit = fetch.visit.clone();
        let found = self.store.get(visit.primary, &visit.head.headers, now);
        fetch.place = found.place;
        fetch.part = None;
        match policy::decide(&visit.asked, &visit.route.cache.rules, found.stored, now) {
            Decision::Serve(stored) => return Some(self.hit(&visit, &stored, None)),
            Decision::ServeStale(stored) | Decision::Validate(stored, _) => {
                fetch.stored = Some(stored);
            }
            Decision::Fetch(_) | Decision::Pass(_) | Decision::Unsatisfiable => {
                fetch.stored = None;
                fetch.beside(found.part, now);
            }
        }
        None
    }

    /// Whether what a fetch brought is for this request, too; else how to look again.
    pub(super) fn is_for(&self, visit: &Visit, place: &Place, meta: &Meta) -> Result<(), Company> {
        if !place.is_for(&visit.head.headers) {
            return Err(Company::Welcome);
        }
        let (rules, now) = (&visit.route.cache.rules, self.clock.now());
        let (asked, arrived) = (&visit.asked, visit.arrived);
        let satisfied = policy::reuse::satisfies(asked, rules, arrived, meta, now);
        if satisfied { Ok(()) } else { Err(Company::Alone) }
    }

    /// Resolves once the fetch has nobody to go on for: at once while nothing was sent, after a
    /// while when the head does not come, at once when too many others do the same.
    pub(super) async fn abandoned(&self, leader: &Leader) {
        loop {
            leader.deserted().await;
            if leader.is_kept() {
                std::future::pending::<()>().await;
            }
            let orphaned = leader.sent().load(SeqCst).then(|| leader.orphaned()).flatten();
            if orphaned.is_some() {
                self.clock.sleep(ORPHAN_WAIT).await;
            }
            if leader.give_up() {
                return;
            }
        }
    }

    /// Makes room for a storable response.
    ///
    /// # Errors
    /// Why it cannot be taken in.
    pub(super) fn room_for(
        &self,
        fetch: &Fetch,
        response: &Response<ResponseBody>,
    ) -> Result<Room, Unstorable> {
        let limit = fetch.visit.route.cache.max_object_size;
        let declared = response.body().size_hint().exact();
        let declared = declared.map(|declared| declared.saturating_add(fetch.at_hand()));
        if declared.is_some_and(|declared| declared > limit) {
            return Err(Unstorable::TooLarge);
        }
        let names = fetch.selecting(response.headers())?;
        let claim = self.budget.claim(declared.unwrap_or(0)).ok_or(Unstorable::NoRoom)?;
        let terms = Terms { limit, declared, claim, clock: self.clock.clone() };
        Ok(Room { names, terms })
    }

    /// Takes a storable response in, where it belongs.
    pub(super) fn receive(
        &self,
        fetch: &Fetch,
        response: Response<ResponseBody>,
        meta: Meta,
        room: Room,
    ) -> Taken {
        let status = response.status();
        let (head, place, body) = self.placed(fetch, response, (meta, room.names));
        let (fill, filling) = Fill::new(room.terms);
        (Arc::new(Arrival { head, answered: fetch.answered(status), place, filling }), fill, body)
    }

    /// The head under which a storable response is stored, where it belongs, and its body.
    pub(super) fn placed<B>(
        &self,
        fetch: &Fetch,
        response: Response<B>,
        (meta, names): (Meta, Vec<HeaderName>),
    ) -> (Head, Place, B) {
        let visit = &fetch.visit;
        let (mut parts, body) = response.into_parts();
        make_storable(&mut parts.headers, visit, self.clock.now());
        reply::end_to_end(&mut parts.headers, parts.version);
        let head = fetch.head(meta, parts.status, &parts.headers);
        (head, self.store.place(visit.primary, fetch.places(names)), body)
    }

    /// Ends the body; the entry, if all of it was kept.
    ///
    /// # Errors
    /// Why it was not kept.
    pub(super) fn complete(
        &self,
        fetch: &Fetch,
        arrival: &Arrival,
        fill: Fill,
    ) -> Result<Entry, Unstorable> {
        let coding = arrival.head.fields.get(&header::CONTENT_ENCODING);
        let (body, id) = fill.finish(coding).map_err(|spilled| match spilled {
            Spilled::TooLarge => Unstorable::TooLarge,
            Spilled::NoRoom => Unstorable::NoRoom,
        })?;
        // An identical refetch keeps the body that is stored already.
        let same = fetch.stored.as_ref().filter(|stored| stored.id() == id);
        let body = same.map_or(body, |stored| stored.body.clone());
        Ok(Entry::new(arrival.head.clone(), (body, id), fetch.asked))
    }

    /// Stores an entry, unless it was out of date before it came; and takes it back if it was
    /// purged in that very moment.
    pub(super) fn keep(
        &self,
        (fetch, leader): (&Fetch, &Leader),
        (place, entry): (&Place, &Entry),
        news: News,
    ) {
        if !leader.is_current() {
            return;
        }
        self.store.put(place, entry.clone(), self.clock.now());
        if !leader.is_current() {
            return self.store.remove(place.key);
        }
        self.share(fetch, (place, entry), news);
    }

    /// Takes the moments at which a fetch begins: before it is sent.
    pub(super) fn begin(&self, fetch: &mut Fetch) {
        self.hear(&fetch.visit);
        (fetch.asked, fetch.began) = (self.store.turn(), self.store.moment());
        fetch.heard = self.began_afar();
    }

    /// Makes known what a request is claimed to be: what is stored for it is to be found again by who
    /// invalidates it.
    fn hear(&self, visit: &Visit) {
        let Some(claim) = visit.claim.filter(|_| !visit.listed) else { return };
        self.store.set_apart(visit.bare());
        // Of what other nodes heard none knows.
        if self.remote.is_none() {
            self.snapshot.load().hearsay.hear(claim);
        }
    }

    /// Remembers for who asks why what a fetch brought is not stored, be it that nobody waited for it.
    pub(super) fn not_stored(&self, fetch: &Fetch, reason: Unstorable) {
        let told = fetch.told().detail(Reason::NotStored(reason));
        self.recent.not_stored(fetch.visit.primary, told, self.clock.now().wall);
    }

    /// Draws the consequences of an answer that may not be shared: where the next will not be
    /// either, nobody waits for it, and what was stored before it is out of date.
    pub(super) fn stop_sharing(&self, fetch: &Fetch, reason: Unstorable, now: Now) {
        let key = fetch.place.key;
        if reason == Unstorable::Cookie {
            self.store.stop_collapsing(key, Crowd::WithCookie, now);
        }
        // What a credential is answered says nothing of what the others are.
        if reason.predicts_more() && !is_personal(fetch) {
            self.store.stop_collapsing(key, Crowd::All, now);
            // Mostly nothing does, since the last answer was none for the store.
            if self.store.has(key) {
                self.store.remove(key);
            }
            // Where nothing was found, nothing lies there.
            if fetch.stored.is_some() {
                self.invalidate_afar(key);
            }
        }
    }

    /// Turns both connections into a tunnel, now that the upstream has agreed.
    pub(super) fn tunnel(
        &self,
        (client, peer): (Option<OnUpgrade>, Peer),
        mut response: Response<ResponseBody>,
        status: CacheStatus,
    ) -> Answer {
        if !fields::lists(response.headers(), &header::UPGRADE, "websocket") {
            return reply::refused_upgrade(status);
        }
        let upstream = hyper::upgrade::on(&mut response);
        let (head, place) = response.into_parts();
        let Some(client) = client else { return reply::refused_upgrade(status) };
        let (tenure, clock) = (peer.tenure, self.clock.clone());
        tokio::spawn(Tunnel { client, upstream, place, tenure, clock }.run());
        reply::switching(head, status)
    }
}

/// The answer to a request that the origin gave none to.
pub(super) fn failed(fetch: &Fetch, failure: &Failure) -> Answer {
    let told = fetch.told().detail(Reason::Failed(failure.reason()));
    let response = reply::failed(failure, &fetch.visit.head.headers);
    Answer::new(response, CacheStatus::Forwarded(told))
}

/// Pours a response body into a fill; `false` if it broke off, or nobody is left to go on for.
pub(super) async fn drain(mut body: ResponseBody, fill: &mut Fill, leader: &Leader) -> bool {
    let mut orphaned = None;
    loop {
        let next = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
        let frame = tokio::select! {
            biased;
            frame = next => frame,
            () = leader.abandoned(fill), if orphaned.is_none() && !leader.is_kept() => {
                orphaned = leader.orphaned();
                match orphaned {
                    Some(_) => continue,
                    None => return false,
                }
            }
        };
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                tracing::warn!(%error, "an upstream's response broke off");
                return false;
            }
            None => return true,
        };
        let Ok(chunk) = frame.into_data() else { continue };
        if fill.push(chunk).await == Pushed::Deserted {
            return false;
        }
    }
}

/// Whether it carries a credential that is not part of the key, for what is not known to be shared.
pub(super) fn is_personal(fetch: &Fetch) -> bool {
    let (visit, rules) = (&fetch.visit, &fetch.visit.route.cache.rules);
    let known_shared = fetch.stored.as_ref().is_some_and(|stored| stored.head.meta.shared);
    visit.asked.authorization && rules.authorization != Authorization::Isolate && !known_shared
}
