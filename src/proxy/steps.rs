//! The steps of the journey that need more than a line.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, atomic::Ordering::SeqCst},
    time::{Duration, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version, header, request};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;

use super::{Duty, Fetch, ORPHAN_WAIT, Proxy, shared::News, variants::merged};
use crate::{
    body::Body,
    cache_status::{self, CacheStatus},
    collapse::{
        Arrival, Company, Fault, Leader, Outcome,
        fill::{Fill, Pushed, Spilled, Terms},
    },
    fields,
    log::Record,
    metrics::Metrics,
    policy::{
        self, Decision, Exchange, Fwd, Meta, Now, Received, Unstorable, Wall, cache_control,
        freshness,
        rules::{Authorization, SetCookie},
        storing,
        validation::{self, Condition, OWN_TAG},
    },
    reason::{Reason, Stale},
    reply::{self, Answer},
    server::{Peer, PeerAddr},
    snapshot::Snapshot,
    store::{Crowd, Entry, Head, Named, Place},
    tunnel::Tunnel,
    upstream::ResponseBody,
    visit::Visit,
};

/// A storable response, taken in: what its followers see, and what is left to read.
pub(super) type Taken = (Arc<Arrival>, Fill, ResponseBody);

/// What a storable response needs to be taken in.
pub(super) struct Room {
    names: Vec<HeaderName>,
    terms: Terms,
}

impl Proxy {
    /// A stored response, as it is.
    pub(super) fn hit(&self, visit: &Visit, stored: &Entry, detail: Option<Reason>) -> Answer {
        let now = visit.arrived;
        let ttl = cache_status::ttl(&stored.head.meta, now);
        reply::stored(visit, stored, now, CacheStatus::Hit { ttl, detail })
    }

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
            (None, Fault::Silent(failure)) => {
                let told = fetch.told().detail(Reason::Failed(failure.reason()));
                let response = reply::failed(&failure, &fetch.visit.head.headers);
                Ok(Answer::new(response, CacheStatus::Forwarded(told)))
            }
        }
    }

    /// Whether a fetch may be shared by those who ask at the same time.
    pub(super) fn company(&self, fetch: &Fetch) -> Company {
        let visit = &fetch.visit;
        let crowd = if visit.asked.cookie { Crowd::WithCookie } else { Crowd::All };
        let alone = !visit.route.cache.collapse
            || is_personal(fetch)
            || visit.wants_trailers()
            || !self.store.collapses(fetch.place.key, crowd, self.clock.now());
        if alone { Company::Alone } else { Company::Welcome }
    }

    /// Whether what another client's fetch brings was purged before this client asked. What began
    /// after that is for it, whatever was purged since.
    pub(super) fn is_outdated(&self, fetch: &Fetch, head: &Head) -> bool {
        head.named.began().local < fetch.joined.local && !self.store.is_current(&head.named)
    }

    /// Looks into the store again; answers if there is a fresh response by now.
    pub(super) fn look_again(&self, fetch: &mut Fetch) -> Option<Answer> {
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
                *fetch = fetch.clone().beside(found.part, now);
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
        let visit = &fetch.visit;
        let (mut parts, body) = response.into_parts();
        make_storable(&mut parts.headers, visit, self.clock.now());
        reply::end_to_end(&mut parts.headers, parts.version);
        let status = parts.status;
        let head = fetch.head(meta, status, &parts.headers);
        let place = self.store.place(visit.primary, fetch.places(room.names));
        let (fill, filling) = Fill::new(room.terms);
        (Arc::new(Arrival { head, answered: fetch.answered(status), place, filling }), fill, body)
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
        let same = fetch.stored.as_ref().filter(|stored| stored.id == id);
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
        (fetch.asked, fetch.began) = (self.store.turn(), self.store.moment());
        fetch.heard = self.began_afar();
    }

    /// Draws the consequences of an answer that may not be shared: where the next will not be
    /// either, nobody waits for it, and what was stored before it is out of date.
    pub(super) fn stop_sharing(&self, fetch: &Fetch, reason: Unstorable) {
        let (key, now) = (fetch.place.key, self.clock.now());
        if reason == Unstorable::Cookie {
            self.store.stop_collapsing(key, Crowd::WithCookie, now);
        }
        // What a credential is answered says nothing of what the others are.
        if reason.predicts_more() && !is_personal(fetch) {
            self.store.stop_collapsing(key, Crowd::All, now);
            self.store.remove(key);
            // Where nothing was found, nothing lies there.
            if fetch.stored.is_some() {
                self.invalidate_afar(key);
            }
        }
    }

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
                let _ = duty.owner.send(answer);
                return;
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
            let _ = duty.owner.send(answer.with(&own));
            return duty.leader.finish(Outcome::Entry { place, entry, fwd_status });
        }
        duty.finish(Outcome::Entry { place, entry, fwd_status });
    }

    /// Takes the entity-tags that are ours out of a request's conditions, or judges them.
    pub(super) async fn settle_conditions(
        self: &Arc<Self>,
        visit: &Visit,
        snapshot: &Snapshot,
        head: &mut request::Parts,
    ) -> Condition {
        let current = match validation::asks_for_ours(&head.headers) {
            true => self.current_tag(visit, snapshot).await,
            false => None,
        };
        let (method, headers) = (head.method.clone(), &mut head.headers);
        validation::forward_conditions(&method, headers, current.as_deref())
    }

    /// The entity-tag of the stored response to a GET of the same target, validated if need be:
    /// only so is it known to be current.
    async fn current_tag(self: &Arc<Self>, visit: &Visit, snapshot: &Snapshot) -> Option<Vec<u8>> {
        let now = self.clock.now();
        let visit = visit.as_get(snapshot)?;
        let found = self.store.get(visit.primary, &visit.head.headers, now);
        // What this client may not have from the cache is nothing to judge its tag by.
        let rules = &visit.route.cache.rules;
        let stored = match policy::decide(&visit.asked, rules, found.stored, now) {
            Decision::Serve(stored) if stored.head.meta.fresh_for(now) > 0 => {
                return stored.head.validators().etag.map(<[u8]>::to_vec);
            }
            Decision::Serve(stored)
            | Decision::ServeStale(stored)
            | Decision::Validate(stored, _) => stored,
            Decision::Fetch(_) | Decision::Pass(_) | Decision::Unsatisfiable => return None,
        };
        let fetch = Fetch::new(Arc::new(visit), found.place, Some(stored), Fwd::Stale);
        // The request for which it is asked has paid.
        let fetch = Fetch { paid: true, ..fetch };
        let answer = Box::pin(self.follow(fetch)).await;
        if answer.status.is_stale() {
            return None;
        }
        let answer = answer.response;
        let tag = answer.headers().get(header::ETAG).filter(|_| answer.status().is_success());
        tag.map(|tag| tag.as_bytes().to_vec())
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

    /// Begins the log's record of a request, if there is a log.
    pub(super) fn record(&self, head: &request::Parts, peer: &Peer, at: Now) -> Option<Record> {
        let host = || {
            let field = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
            field.or(head.uri.authority().map(|it| it.as_str())).unwrap_or_default()
        };
        self.log.is_on().then(|| Record {
            log: self.log.clone(),
            started: at,
            client: match peer.addr {
                PeerAddr::Ip(address) => Some(address),
                PeerAddr::Unix => None,
            },
            method: head.method.clone(),
            host: host().to_owned(),
            path: head.uri.path_and_query().map_or("", |it| it.as_str()).to_owned(),
            status: 0,
            cache: "",
            reason: None,
            missed: None,
            bytes: 0,
            torn: false,
            head_ms: 0,
        })
    }

    /// Counts an answer to a request that came at `at`.
    pub(super) fn counted(&self, answer: Answer, metrics: &Arc<Metrics>, at: Now) -> Answer {
        let Answer { response, status, source } = answer;
        let millis = self.clock.mono().since(at.mono);
        metrics.answered(response.status(), &status, millis);
        Answer { response: response.map(|body| body.counted(metrics)), status, source }
    }

    /// Puts the last hand to an answer: Cache-Status, and the log's record.
    pub(super) fn send(
        &self,
        answer: Answer,
        version: Version,
        record: Option<Record>,
    ) -> Response<Body> {
        let Answer { mut response, status, .. } = answer;
        let value = status.value(response.status());
        response.headers_mut().append(crate::cache_status::NAME, value);
        if version == Version::HTTP_2 {
            response.headers_mut().remove(header::CONNECTION);
        }
        let Some(mut record) = record else { return response };
        record.status = response.status().as_u16();
        record.cache = status.outcome();
        (record.reason, record.missed) = (status.reason(), status.missed());
        record.head_ms = self.clock.now().mono.since(record.started.mono);
        response.map(|body| body.logged(record))
    }
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
fn is_personal(fetch: &Fetch) -> bool {
    let (visit, rules) = (&fetch.visit, &fetch.visit.route.cache.rules);
    let known_shared = fetch.stored.as_ref().is_some_and(|stored| stored.head.meta.shared);
    visit.asked.authorization && rules.authorization != Authorization::Isolate && !known_shared
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

/// Takes out what is for the client that asked alone: the fields that the origin names (RFC 9111
/// §5.2.2.4, §5.2.2.7), and what a success says of limits.
pub(super) fn withhold(headers: &mut HeaderMap, status: StatusCode, visit: &Visit) -> HeaderMap {
    let mut own = HeaderMap::new();
    let mut names = cache_control::withheld(headers);
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

/// Takes out what is not stored, and repairs Date (RFC 9110 §6.6.1).
pub(super) fn make_storable(headers: &mut HeaderMap, visit: &Visit, received: Now) {
    for name in [header::CONTENT_LENGTH, header::AGE, header::TRAILER] {
        headers.remove(name);
    }
    strip_cookies(headers, visit);
    let date = headers.get(header::DATE).map(HeaderValue::as_bytes);
    if date.and_then(freshness::date).is_none() {
        headers.insert(header::DATE, http_date(received.wall));
    }
}

fn strip_cookies(headers: &mut HeaderMap, visit: &Visit) {
    if visit.route.cache.rules.set_cookie == SetCookie::Strip {
        storing::SET_COOKIE.iter().for_each(|name| drop(headers.remove(name)));
    }
}

fn http_date(at: Wall) -> HeaderValue {
    let since = Duration::from_secs(at.seconds().unsigned_abs());
    let text = httpdate::fmt_http_date(UNIX_EPOCH + since);
    HeaderValue::from_str(&text).expect("an HTTP-date is a field value")
}
