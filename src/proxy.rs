//! The journey of one request, top to bottom.
//!
//! Two acts. [`Proxy::handle`] is the client's: let in, look, decide, answer.
//! `Proxy::fetch` is the origin's: ask, store, tell. They meet in
//! [`collapse`](crate::collapse). Nothing is decided here and no field is
//! read: the policy decides, and this acts on it once.
//!
//! A client that says the same again, but for the target, has a shorter way to a hit, by
//! what is known of its first request: `repeat`.

mod ahead;
mod alone;
mod batch;
mod cluster;
mod combine;
mod conditions;
mod doubt;
mod drive;
pub mod explain;
mod fetch;
mod form;
mod freshen;
mod gather;
mod hit;
mod items;
mod keep;
mod passed;
pub mod purge;
mod recent;
mod repeat;
mod report;
mod send;
mod setup;
pub mod shadow;
mod shaping;
mod shared;
mod steps;
mod storable;
mod toll;
mod variants;
mod whole;

use std::{
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};
use futures_util::future::{BoxFuture, Either, FutureExt, Ready, ready};
use http::{Request, Response, StatusCode};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use tokio::sync::Semaphore;

use crate::{
    body::Body,
    cache_status::{self, CacheStatus, Collapsed, Forwarded},
    clock::Clock,
    collapse::{Company, Fault, Follower, InFlight, Leader, Outcome, Progress, budget::Budget},
    config::throttle::Count,
    counters::Counters,
    key::Key,
    metrics::{Metrics, Times},
    policy::{self, Decision, Exchange, Fwd, Meta, Now, Unstorable, validation::Condition},
    reason::{Reason, Stale, Tier},
    reply::{self, Answer, Failure},
    server::{Peer, Way},
    snapshot::{Route, Snapshot},
    store::{
        Cut, Entry, Found, Place, Store,
        redis::{Remote, Taken},
    },
    transform::memos::Memos,
    upstream::{Errand, RequestBody, ResponseBody, SentTwice},
    visit::{Arrived, Visit},
};
use alone::Alone;
use cluster::Turn;
use combine::Admitted;
use doubt::Doubt;
use drive::{Drive, Owner};
use fetch::{Fetch, Judged};
use form::Wish;
use hit::{AtOnce, passes_by};
use recent::Recent;
use send::LastHand;
use shared::News;
use steps::Room;
use variants::Named;

/// How long a client waits for a validation while it could have the stored response
/// (RFC 5861 §4).
pub const STALE_WAIT: Duration = Duration::from_secs(3);

/// How long a fetch that nobody waits for any more may take to bring its head.
pub const ORPHAN_WAIT: Duration = Duration::from_secs(1);

/// How often a request looks again because what it waited for was not for it.
const MAX_LOOKS: usize = 3;

/// An answer: at hand, or as soon as what it waits for has come. Most are at hand, and so that none
/// of them pays for the long journey of the others, that is boxed.
pub type Answering = Either<Ready<Response<Body>>, BoxFuture<'static, Response<Body>>>;

/// The way of a fetch: its client's alone, or one that others may take, too.
type Following<'a> = Either<Alone, BoxFuture<'a, Answer>>;

/// All that requests share.
#[derive(Debug)]
pub struct Proxy {
    snapshot: ArcSwap<Snapshot>,
    clock: Clock,
    store: Arc<Store>,
    /// The tier that nodes share, if there is one.
    remote: Option<Remote>,
    memos: Memos,
    /// How long what is done for requests takes.
    times: Arc<Times>,
    /// Leave to pack a body while it arrives.
    streams: Arc<Semaphore>,
    in_flight: Arc<InFlight>,
    budget: Budget,
    /// What is counted of requests that find no route.
    unrouted: Arc<Metrics>,
    counters: Arc<Counters>,
    /// What a cache in shadow mode would have stored; made when a route needs it.
    shadow: OnceLock<Arc<Store>>,
    /// What was last decided, for who asks.
    recent: Recent,
    /// This node, among those of a cluster.
    node: String,
}

/// The duty to bring what many wait for, and the way to the one client who gets what they may not
/// share.
struct Duty {
    leader: Leader,
    owner: Owner,
}

/// What of a request is used up by forwarding it.
struct Once {
    /// None in a batch: its items have no content.
    body: Option<Incoming>,
    upgrade: Option<OnUpgrade>,
    peer: Peer,
    snapshot: Arc<Snapshot>,
}

/// What a request's journey takes with it beside the request itself: what was found for it, where
/// it was time to look.
type Rest = Box<(Once, Option<Found>)>;

impl Proxy {
    /// Act one: a request arrives, and is answered; at once where nothing has to be waited for.
    pub fn handle(self: &Arc<Self>, request: Request<Incoming>, peer: Peer) -> Answering {
        let at = self.clock.now();
        let (mut head, body) = request.into_parts();
        let version = head.version;
        let content = !http_body::Body::is_end_stream(&body);
        let upgrade = head.extensions.remove::<OnUpgrade>();
        let snapshot = self.snapshot.load();
        let (addr, ids) = (peer.addr, snapshot.naming.of(&head.headers));
        let record = snapshot.log.record(&head, addr, at);
        let (scheme, way) = (peer.way.scheme(), peer.way.clone());
        let mut last = LastHand { version, scheme, ids: ids.clone(), record };
        if way == Way::Redirect {
            let mut answer = reply::to_https(&head, snapshot.https_port());
            self.count(&mut answer, &self.unrouted, at);
            return Either::Left(ready(self.send(answer, last)));
        }
        if head.method.as_str() == purge::PURGE {
            let (proxy, snapshot) = (self.clone(), Guard::into_inner(snapshot));
            let purge = proxy.purge_by_method((head, peer), snapshot, (at, last));
            return Either::Right(Box::pin(purge));
        }
        if let Some(rules) = snapshot.batch.as_ref().filter(|it| it.path == head.uri.path()) {
            let (rules, snapshot) = (rules.clone(), Guard::into_inner(snapshot));
            let posted = batch::Posted { head, body, peer, snapshot, rules, at, ids };
            return Either::Right(Box::pin(self.clone().batch(posted, last)));
        }
        let arrived = Arrived { head, content, peer: addr, way, at, ids };
        let visit = match Visit::new(&snapshot, arrived) {
            Ok(visit) => visit,
            Err(rejected) => {
                let mut answer = reply::refused(rejected.refusal, &rejected.fields);
                self.count(&mut answer, &self.unrouted, at);
                return Either::Left(ready(self.send(answer, last)));
            }
        };
        last.record.iter_mut().for_each(|it| it.client = visit.believed.client);
        let hit = |entry: &Entry, cut: Option<&Cut>| {
            let hit = self.hit_at_hand(&visit, (entry, cut))?;
            self.sell(&visit, hit)
        };
        match self.at_once(&visit, Some(&body), hit) {
            AtOnce::Answer(mut answer) => {
                send::count(&mut answer, &visit.route.metrics, 0);
                if let Some(wanted) = &peer.repeater_wanted {
                    let log = last.record.as_ref().map(|it| it.again());
                    let repeater = self.repeater(visit, &snapshot, (scheme, log));
                    repeater.into_iter().for_each(|it| wanted.meet(it));
                }
                Either::Left(ready(self.send(answer, last)))
            }
            AtOnce::Wait(found) => {
                let snapshot = Guard::into_inner(snapshot);
                let once = Once { body: Some(body), upgrade, peer, snapshot };
                // Who waits for a turn looks when that has come.
                let found = found.filter(|_| visit.route.throttle.is_free(Count::All));
                // Handles, because each step of the journey moves what it is given.
                let (visit, rest) = (Arc::new(visit), Box::new((once, found)));
                Either::Right(Box::pin(self.clone().journey(visit, rest, last)))
            }
        }
    }

    /// The rest of act one, where something has to be waited for.
    async fn journey(
        self: Arc<Self>,
        visit: Arc<Visit>,
        rest: Rest,
        last: LastHand,
    ) -> Response<Body> {
        let answer = self.visited(visit, rest).await;
        self.send(answer, last)
    }

    /// The way of a request that was let in, whether it came alone or in a batch.
    async fn visited(self: &Arc<Self>, mut visit: Arc<Visit>, rest: Rest) -> Answer {
        let (wish, wanted) = (Wish::of(&visit).owned(), visit.wanted.clone());
        if wanted.is_some() {
            Arc::make_mut(&mut visit).put_off_conditions();
        }
        let (route, at) = (visit.route.clone(), visit.arrived);
        let about = (visit.primary, visit.asked.method);
        let mut answer = match self.let_in(&visit, rest.0.body.as_ref()).await {
            Ok(told) => {
                let mut answer = self.answer(visit, &route, rest).await;
                answer.tell(told);
                answer
            }
            Err(refusal) => *refusal,
        };
        match wanted {
            None => {
                if let Err(unmade) = self.formed(&route, &wish, &mut answer) {
                    self.make(unmade, &wish, &mut answer).await;
                }
            }
            Some(wanted) => {
                answer = Box::pin(self.in_shape(&route, (wish, wanted), answer)).await;
            }
        }
        self.recent.note(about, &answer, at.wall);
        self.count(&mut answer, &route.metrics, at);
        answer
    }

    /// Decides, and sets about what was decided. Here and not in what is awaited: nothing of what is
    /// found or used up on the way is carried along then.
    fn answer<'a>(
        self: &'a Arc<Self>,
        mut visit: Arc<Visit>,
        route: &Route,
        rest: Rest,
    ) -> Following<'a> {
        let at_once = |answer| Either::Right(ready(answer).boxed());
        let (once, found) = *rest;
        if found.is_none() {
            // It has waited for its turn since it came.
            Arc::make_mut(&mut visit).arrived = self.clock.now();
        }
        if visit.ends_here() {
            return at_once(reply::options());
        }
        if passes_by(&visit, route) {
            let told = CacheStatus::forwarded(Fwd::Bypass);
            return Either::Right(Box::pin(self.pass_for_toll(visit, once, told)));
        }
        let look = || self.look(&visit);
        let Found { place, stored, part, missed } = found.unwrap_or_else(look);
        if let Some(answer) = part.as_ref().and_then(|part| self.part_hit(&visit, part)) {
            return at_once(answer);
        }
        let now = visit.arrived;
        let decision = policy::decide(&visit.asked, &route.cache.rules, stored, now);
        let fetch = |place, visit, stored, fwd| {
            let mut fetch = Box::new(Fetch::new(visit, place, stored, fwd));
            fetch.missed = missed;
            fetch.beside(part, now);
            fetch
        };
        match decision {
            Decision::Serve(stored) => at_once(self.hit(&visit, &stored, None)),
            Decision::ServeStale(stored) => {
                let answer = self.hit(&visit, &stored, Some(Reason::Stale(Stale::WhileRevalidate)));
                self.refresh(fetch(place, visit, Some(stored), Fwd::Stale));
                at_once(answer)
            }
            Decision::Validate(stored, fwd) => self.follow(fetch(place, visit, Some(stored), fwd)),
            Decision::Fetch(fwd) => self.follow(fetch(place, visit, None, fwd)),
            Decision::Pass(fwd) => {
                let told = CacheStatus::forwarded(fwd).missed(missed);
                Either::Right(Box::pin(self.pass_or_find(visit, place, once, told)))
            }
            Decision::Unsatisfiable => Either::Right(Box::pin(async move {
                let found = self.hit_afar(&visit, &place).await;
                found.unwrap_or_else(|| reply::only_if_cached(&visit.head.headers))
            })),
        }
    }

    /// Follows a fetch, starting it if nobody has, and answers with what it brings; goes alone
    /// where that is known to be nobody else's.
    fn follow<'a>(self: &'a Arc<Self>, mut fetch: Box<Fetch>) -> Following<'a> {
        (fetch.company, fetch.joined) = (self.company(&fetch), self.store.moment());
        if fetch.is_for_one() && fetch.visit.route.throttle.is_free(Count::Misses) {
            return Either::Left(self.fetch_for_one(fetch));
        }
        Either::Right(Box::pin(async move {
            let answer = self.bring(&mut fetch).await;
            answer.telling(fetch.tells)
        }))
    }

    /// Looks again where what was followed was for others.
    async fn bring(self: &Arc<Self>, fetch: &mut Box<Fetch>) -> Answer {
        for look in 1.. {
            let (follower, own) = match self.set_out(fetch).await {
                Ok(started) => started,
                Err(answer) => return answer,
            };
            let leads = own.is_some();
            let shared = match self.wait(fetch, follower, own).await {
                Waited::Own(answer) => return answer,
                Waited::Shared(progress) => progress,
                Waited::Enough(stored) => return self.stand_in(fetch, &stored, None),
            };
            let next = match self.take_part(fetch, shared, leads) {
                Ok(answer) => return answer,
                Err(next) if look < MAX_LOOKS => next,
                Err(_) => Company::Alone,
            };
            if !leads {
                fetch.collapsed = Collapsed::InVain;
            }
            if let Some(answer) = self.look_again(fetch) {
                return answer;
            }
            if fetch.company == Company::Alone {
                break;
            }
            fetch.company = next;
        }
        reply::lost(fetch.told(), &fetch.visit.head.headers)
    }

    /// Waits for the client's own answer or for what all may have; a client that could have a
    /// stale answer (RFC 5861 §4) waits only for so long.
    async fn wait(&self, fetch: &Fetch, mut follower: Follower, own: Option<Drive>) -> Waited {
        let progress = async {
            if let Some(own) = own
                && let Some(answer) = own.answer().await
            {
                return Waited::Own(answer);
            }
            Waited::Shared(follower.wait().await)
        };
        let Some(stored) = fetch.may_stand_in(self.clock.now()) else {
            return progress.await;
        };
        match self.clock.timeout(STALE_WAIT, progress).await {
            Ok(waited) => waited,
            Err(_) => {
                follower.keep();
                Waited::Enough(stored)
            }
        }
    }

    /// Answers with what a shared fetch brought, if it is for this request; else says how to look
    /// again.
    fn take_part(&self, fetch: &Fetch, progress: Progress, leads: bool) -> Result<Answer, Company> {
        // Who leads asked before it was purged; who follows may have asked after.
        if !leads && progress.head().is_some_and(|head| self.is_outdated(fetch, head)) {
            return Err(Company::Welcome);
        }
        let (visit, now) = (&fetch.visit, self.clock.now());
        let told = match leads {
            true => fetch.told(),
            false => Forwarded { collapsed: Collapsed::Yes, ..fetch.told() },
        };
        // What its own request brought is for it in any case.
        let is_for = |place, meta| if leads { Ok(()) } else { self.is_for(visit, place, meta) };
        match progress {
            Progress::Arriving(arrival) => {
                is_for(&arrival.place, &arrival.head.meta)?;
                let reader = arrival.filling.reader().ok_or(Company::Alone)?;
                let told = told.stored(&arrival.head.meta, now);
                let status = CacheStatus::Forwarded(told.with_status(Some(arrival.answered)));
                Ok(reply::arriving(visit, &arrival, reader, now, status))
            }
            Progress::Done(Outcome::Entry { place, entry, fwd_status }) => {
                is_for(&place, &entry.head.meta)?;
                let told = told.stored(&entry.head.meta, now);
                let fwd_status = fwd_status.or(Some(entry.head.status));
                let status = CacheStatus::Forwarded(told.with_status(fwd_status));
                Ok(reply::stored(visit, &entry, now, status))
            }
            Progress::Done(Outcome::Found { place, entry }) => {
                is_for(&place, &entry.head.meta)?;
                let ttl = cache_status::ttl(&entry.head.meta, now);
                let status = CacheStatus::Hit { ttl, detail: Some(Reason::Found(Tier::L2)) };
                Ok(reply::stored(visit, &entry, now, status))
            }
            Progress::Done(Outcome::Failed { fault, stale }) => {
                let stored = fetch.may_stand_in(now).or(stale.filter(|_| leads));
                self.make_do(fetch, fault, stored)
            }
            Progress::Done(Outcome::NotShared) | Progress::Pending => Err(Company::Alone),
        }
    }

    /// Sends a fetch on its way if nobody has; its first client alone gets what cannot be shared.
    fn start(self: &Arc<Self>, fetch: Box<Fetch>) -> (Follower, Option<Drive>) {
        let Place { primary, key, .. } = fetch.place;
        self.disown_outdated(primary);
        let (follower, leader) = self.in_flight.join(primary, key, fetch.company);
        let own = leader
            .map(|leader| Drive::new(|owner| self.clone().fetch(fetch, Duty { leader, owner })));
        (follower, own)
    }

    fn disown_outdated(&self, primary: Key) {
        self.in_flight.disown_arrivals(primary, |head| !self.store.is_current(&head.named));
    }

    /// A refresh behind a stale answer: a fetch without a follower.
    fn refresh(self: &Arc<Self>, fetch: Box<Fetch>) {
        let (follower, own) = self.start(fetch);
        if own.is_some() {
            follower.keep();
        }
    }

    /// Act two: the fetch. It belongs to no client, so no client's leaving ends it.
    async fn fetch(self: Arc<Self>, mut fetch: Box<Fetch>, duty: Duty) {
        // Another fetch, which this one would have joined, may have stored it since its client
        // looked.
        if fetch.company == Company::Welcome
            && let Some(answer) = self.look_again(&mut fetch)
        {
            return duty.owner.give(answer);
        }
        let lease = match &self.remote {
            None => None,
            Some(remote) => {
                match Box::pin(self.take_turn(remote, &mut fetch, &duty.leader)).await {
                    Turn::Ask(lease) => lease,
                    Turn::Found(found) => return duty.finish(found),
                    Turn::Deserted => return,
                }
            }
        };
        let asked = tokio::select! {
            biased;
            asked = self.ask(&mut fetch, duty.leader.sent()) => asked,
            // Within the bounds of the design.
            () = self.abandoned(&duty.leader) => return,
        };
        match asked {
            Ok(judged) => self.conclude(&fetch, duty, judged, lease).await,
            Err(failure) => {
                let stale = fetch.may_stand_in(self.clock.now());
                duty.finish(Outcome::Failed { fault: Fault::Silent(failure), stale });
            }
        }
    }

    /// Does with the origin's answer what was judged.
    async fn conclude(&self, fetch: &Fetch, duty: Duty, judged: Judged, lease: Option<Taken>) {
        let Judged { response, admitted, exchange } = judged;
        match admitted {
            Admitted::Stored(meta, room) => {
                // The others wait for what they can get, and no longer.
                let _lease = lease.filter(|_| self.can_share(&response));
                self.take_in(fetch, duty, response, (meta, room)).await;
            }
            Admitted::Validated => self.freshen(fetch, duty, &response, exchange),
            Admitted::StaleIfError => {
                let (fault, stale) = (Fault::Answered(response.status()), fetch.stored.clone());
                duty.finish(Outcome::Failed { fault, stale });
            }
            Admitted::Unstorable(reason) => {
                self.not_stored(fetch, reason);
                duty.owner.give(self.relay(fetch, (response, exchange.response), reason));
            }
        }
    }

    /// Asks the origin; `sent` becomes true before the request may have reached it.
    async fn ask(&self, fetch: &mut Fetch, sent: &AtomicBool) -> Result<Judged, Failure> {
        loop {
            let request = self.clock.now();
            self.begin(fetch);
            let head = fetch.first_request();
            let again = || fetch.request();
            let upstream = &fetch.visit.route.upstream;
            let errand = Errand {
                client: fetch.visit.believed.client,
                stale: fetch.may_stand_in(request).is_some(),
                sent,
                again: Some(&again),
            };
            let response = upstream.send(head, RequestBody::empty(), errand).await;
            let exchange = Exchange { request, response: self.clock.now() };
            let response = response.map_err(|error| fetch::report(&fetch.visit, error))?;
            let combined = match fetch.part.take() {
                None => Some(response),
                Some(part) => fetch.combine(part, response),
            };
            let Some(mut response) = combined else {
                fetch.ask_afresh();
                continue;
            };
            if !fetch.settle_encoding(&mut response) {
                continue;
            }
            let named = match response.status() {
                StatusCode::NOT_MODIFIED => {
                    self.select(fetch, response.headers(), exchange.response)
                }
                _ => Named::Clear,
            };
            let received = fetch.judge(exchange, response.status(), response.headers());
            let admitted = self.admit(fetch, received, &response);
            match admitted.filter(|_| named == Named::Clear) {
                Some(admitted) => return Ok(Judged { response, admitted, exchange }),
                None => fetch.ask_afresh(),
            }
        }
    }

    /// Takes a storable response in: its followers read along, and once it is whole it is stored.
    async fn take_in(
        &self,
        fetch: &Fetch,
        duty: Duty,
        mut response: Response<ResponseBody>,
        (meta, room): (Meta, Room),
    ) {
        let status = response.status();
        let own = storable::withhold(response.headers_mut(), status, &fetch.visit);
        let (head, body) = response.into_parts();
        let body = match whole::at_hand(fetch, body) {
            Ok(body) => {
                let whole = Response::from_parts(head, body);
                return self.take_whole(fetch, duty, whole, (meta, room, own));
            }
            Err(body) => body,
        };
        let response = Response::from_parts(head, body);
        let Duty { leader, owner } = duty;
        let (arrival, mut fill, body) = self.receive(fetch, response, meta, room);
        if let Some(reader) = arrival.filling.reader() {
            let (head, now) = (&arrival.head, self.clock.now());
            let answered = Some(arrival.answered);
            let told = fetch.told().stored(&head.meta, now).with_status(answered);
            let status = CacheStatus::Forwarded(told);
            let answer = reply::arriving(&fetch.visit, &arrival, reader, now, status);
            owner.give(answer.with(&own));
        }
        leader.arriving(arrival.clone());
        if !fetch.pour(body, &mut fill, &leader).await {
            // The head, and what came after it, is not lost with what did not.
            return owner.has_it().await;
        }
        let place = arrival.place.clone();
        match self.complete(fetch, &arrival, fill) {
            Ok(entry) => {
                self.keep((fetch, &leader), (&place, &entry), News::Whole);
                let fwd_status = Some(arrival.answered);
                leader.finish(Outcome::Entry { place, entry, fwd_status });
            }
            Err(reason) => {
                // What its head has promised is told first.
                owner.has_it().await;
                self.not_stored(fetch, reason);
                self.stop_sharing(fetch, reason, self.clock.now());
            }
        }
    }

    /// Relays a response that cannot be shared to the client that asked for it.
    fn relay(
        &self,
        fetch: &Fetch,
        (response, came): (Response<ResponseBody>, Now),
        reason: Unstorable,
    ) -> Answer {
        // An error is of this moment: what comes next may be shared again.
        let status = response.status();
        if !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS {
            self.stop_sharing(fetch, reason, came);
        }
        let told = fetch.told().with_status(Some(status));
        let status = CacheStatus::Forwarded(told.detail(Reason::NotStored(reason)));
        let response = response.map(|body| Body::relayed(body, &self.budget));
        reply::relayed_fetch(&fetch.visit, response, status)
    }

    /// Relays an exchange that the cache has no part in, but for what it makes invalid.
    async fn pass(self: &Arc<Self>, visit: Arc<Visit>, once: Once, told: Forwarded) -> Answer {
        let mut head = visit.forwarded();
        let condition = self.settle_conditions(&visit, &once.snapshot, &mut head).await;
        if condition == Condition::Failed {
            return reply::precondition_failed(&visit.head.headers);
        }
        let body = match once.body.filter(|_| visit.content) {
            Some(body) => {
                let idle = visit.route.body_idle;
                let body = RequestBody::streamed(body, self.clock.clone(), idle);
                body.at_most(visit.route.validation.max_body())
            }
            None => RequestBody::empty(),
        };
        let sent = AtomicBool::new(false);
        let mut doubt = Doubt::new(self, &visit, &once.snapshot, &sent);
        let keeper = self.keeper(&visit, &once.snapshot);
        let watch = self.watch(&visit);
        let request = self.clock.now();
        let response = match passed::send(&visit, (told.fwd, request), (head, body), &sent).await {
            Ok(response) => response,
            Err(error) => {
                let failure = fetch::report(&visit, error);
                let status = CacheStatus::Forwarded(told.detail(Reason::Failed(failure.reason())));
                return Answer::new(reply::failed(&failure, &visit.head.headers), status);
            }
        };
        let exchange = Exchange { request, response: self.clock.now() };
        let watched = watch.and_then(|watch| watch.judge(self, exchange, &response));
        let kept = keeper.map(|keeper| keeper.judge(self, exchange, &response));
        let twice = response.extensions().get::<SentTwice>().is_some();
        doubt.settle((response.status(), response.headers()), twice);
        let told = told.with_status(Some(response.status()));
        let detail = match kept {
            Some(Ok(kept)) => return self.relay_and_keep(kept, response, (&visit, told)),
            Some(Err(Some(reason))) => Some(Reason::NotStored(reason)),
            Some(Err(None)) | None => {
                let answer = (response.status(), response.headers());
                fetch::why_passed(&visit, told.fwd, answer, exchange.response)
            }
        };
        let status = CacheStatus::Forwarded(Forwarded { detail, ..told });
        match response.status() {
            StatusCode::SWITCHING_PROTOCOLS => {
                self.tunnel((once.upgrade, once.peer), response, status)
            }
            _ => {
                let body = |body| Body::relayed(body, &self.budget).watched(watched);
                reply::relayed(&visit, response.map(body), status)
            }
        }
    }
}

/// What a client's wait came to.
enum Waited {
    /// An answer that is its alone.
    Own(Answer),
    /// What all who followed may have.
    Shared(Progress),
    /// It has waited for long enough, and may have this stale response.
    Enough(Entry),
}

impl Duty {
    /// Ends the fetch with what all who followed may have; its first client is one of them.
    fn finish(self, outcome: Outcome) {
        self.leader.finish(outcome);
    }
}
