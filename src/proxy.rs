//! The journey of one request, top to bottom.
//!
//! Two acts. [`Proxy::handle`] is the client's: let in, look, decide, answer.
//! `Proxy::fetch` is the origin's: ask, store, tell. They meet in
//! [`collapse`](crate::collapse). Nothing is decided here and no field is
//! read: the policy decides, and this acts on it once.

mod ahead;
mod batch;
mod combine;
mod conditions;
mod doubt;
mod fetch;
mod form;
mod freshen;
mod gather;
mod keep;
pub mod purge;
mod report;
mod send;
mod setup;
mod shaping;
mod shared;
mod steps;
mod storable;
mod toll;
mod variants;

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use arc_swap::ArcSwap;
use http::{Request, Response, StatusCode};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use tokio::sync::{Semaphore, oneshot};

use crate::{
    body::Body,
    cache_status::{self, CacheStatus, Collapsed, Forwarded},
    clock::Clock,
    collapse::{Company, Fault, Follower, InFlight, Leader, Outcome, Progress, budget::Budget},
    counters::Counters,
    fields::Upgrade,
    key::Key,
    log::AccessLog,
    metrics::Metrics,
    policy::{
        self, Decision, Exchange, Fwd, Meta, Unstorable,
        encoding::{self, UpstreamEncoding},
        validation::Condition,
    },
    reason::{Reason, Stale, Tier},
    reply::{self, Answer, Failure},
    server::Peer,
    snapshot::{Route, Snapshot},
    store::{Entry, Found, Place, Store, redis::Remote},
    transform::memos::Memos,
    upstream::{Errand, RequestBody, ResponseBody},
    visit::{Arrived, Visit},
};
use combine::Admitted;
use doubt::Doubt;
use fetch::{Fetch, Judged};
use form::Wish;
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

/// All that requests share.
#[derive(Debug)]
pub struct Proxy {
    snapshot: ArcSwap<Snapshot>,
    clock: Clock,
    store: Arc<Store>,
    /// The tier that nodes share, if there is one.
    remote: Option<Remote>,
    memos: Memos,
    /// Leave to pack a body while it arrives.
    streams: Arc<Semaphore>,
    in_flight: Arc<InFlight>,
    budget: Budget,
    log: AccessLog,
    /// What is counted of requests that find no route.
    unrouted: Arc<Metrics>,
    counters: Arc<Counters>,
    /// This node, among those of a cluster.
    node: String,
}

/// The duty to bring what many wait for, and the way to the one client who gets what they may not
/// share.
struct Duty {
    leader: Leader,
    owner: oneshot::Sender<Answer>,
}

/// What of a request is used up by forwarding it.
struct Once {
    /// None in a batch: its items have no content.
    body: Option<Incoming>,
    upgrade: Option<OnUpgrade>,
    peer: Peer,
    snapshot: Arc<Snapshot>,
}

impl Proxy {
    /// Act one: a request arrives, and is answered.
    pub async fn handle(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let at = self.clock.now();
        let (mut head, body) = request.into_parts();
        let version = head.version;
        let content = !http_body::Body::is_end_stream(&body);
        let upgrade = head.extensions.remove::<OnUpgrade>();
        let snapshot = self.snapshot.load_full();
        let mut record = self.record(&head, &peer, at);
        let addr = peer.addr;
        if head.method.as_str() == purge::PURGE {
            let answer = self.purge_requested(&head, addr, &snapshot).await;
            return self.send(self.counted(answer, &self.unrouted, at), version, record);
        }
        if let Some(rules) = snapshot.batch.as_ref().filter(|it| it.path == head.uri.path()) {
            let rules = rules.clone();
            let posted = batch::Posted { head, body, peer, snapshot, rules, at };
            let answer = Box::pin(self.clone().batch(posted)).await;
            return self.send(self.counted(answer, &self.unrouted, at), version, record);
        }
        let answer = match Visit::new(&snapshot, Arrived { head, content, peer: addr, at }) {
            Err(rejected) => {
                let answer = reply::refused(rejected.refusal, &rejected.fields);
                self.counted(answer, &self.unrouted, at)
            }
            Ok(visit) => {
                record.iter_mut().for_each(|it| it.client = visit.believed.client);
                self.visited(visit, Once { body: Some(body), upgrade, peer, snapshot }).await
            }
        };
        self.send(answer, version, record)
    }

    /// The way of a request that was let in, whether it came alone or in a batch.
    async fn visited(self: &Arc<Self>, visit: Visit, once: Once) -> Answer {
        let (wish, wanted) = (Wish::of(&visit), visit.wanted.clone());
        let (route, at) = (visit.route.clone(), visit.arrived);
        let answer = self.let_in(visit, &route, once).await;
        let answer = match wanted {
            None => self.in_form(&route, wish, answer).await,
            Some(wanted) => Box::pin(self.in_shape(&route, (wish, wanted), answer)).await,
        };
        self.counted(answer, &route.metrics, at)
    }

    /// Decides, and does what was decided. A hit waits for nothing.
    async fn answer(self: &Arc<Self>, visit: Visit, route: &Route, once: Once) -> Answer {
        if visit.ends_here() {
            return reply::options();
        }
        if !route.cache.on || visit.upgrade != Upgrade::No {
            let told = CacheStatus::forwarded(Fwd::Bypass);
            return Box::pin(self.pass_for_toll(visit, once, told)).await;
        }
        let Found { place, stored, part, missed } =
            self.store.get(visit.primary, &visit.head.headers, visit.arrived);
        if let Some(answer) = part.as_ref().and_then(|part| self.part_hit(&visit, part)) {
            return answer;
        }
        let now = visit.arrived;
        let fetch = |visit: Visit, stored, fwd| {
            Fetch::new(Arc::new(visit), place.clone(), stored, fwd).missed(missed).beside(part, now)
        };
        match policy::decide(&visit.asked, &route.cache.rules, stored, visit.arrived) {
            Decision::Serve(stored) => self.hit(&visit, &stored, None),
            Decision::ServeStale(stored) => {
                let answer = self.hit(&visit, &stored, Some(Reason::Stale(Stale::WhileRevalidate)));
                self.refresh(fetch(visit, Some(stored), Fwd::Stale));
                answer
            }
            Decision::Validate(stored, fwd) => {
                Box::pin(self.follow(fetch(visit, Some(stored), fwd))).await
            }
            Decision::Fetch(fwd) => Box::pin(self.follow(fetch(visit, None, fwd))).await,
            Decision::Pass(fwd) => {
                if self.remote.is_some()
                    && matches!(fwd, Fwd::UriMiss | Fwd::VaryMiss)
                    && let Some(answer) = Box::pin(self.hit_afar(&visit, &place)).await
                {
                    return answer;
                }
                let told = CacheStatus::forwarded(fwd).missed(missed);
                Box::pin(self.pass_for_toll(visit, once, told)).await
            }
            Decision::Unsatisfiable => {
                let found = Box::pin(self.hit_afar(&visit, &place)).await;
                found.unwrap_or_else(|| reply::only_if_cached(&visit.head.headers))
            }
        }
    }

    /// Follows a fetch, starting it if nobody has, and answers with what it brings; looks again
    /// where that was for others.
    async fn follow(self: &Arc<Self>, mut fetch: Fetch) -> Answer {
        let answer = self.bring(&mut fetch).await;
        answer.telling(fetch.tells)
    }

    async fn bring(self: &Arc<Self>, fetch: &mut Fetch) -> Answer {
        (fetch.company, fetch.joined) = (self.company(fetch), self.store.moment());
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
    async fn wait(
        &self,
        fetch: &Fetch,
        mut follower: Follower,
        own: Option<oneshot::Receiver<Answer>>,
    ) -> Waited {
        let progress = async {
            if let Some(own) = own
                && let Ok(answer) = own.await
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
    fn start(self: &Arc<Self>, fetch: Fetch) -> (Follower, Option<oneshot::Receiver<Answer>>) {
        let Place { primary, key, .. } = fetch.place;
        self.disown_outdated(primary);
        let (follower, leader) = self.in_flight.join(primary, key, fetch.company);
        let own = leader.map(|leader| {
            let (owner, own) = oneshot::channel();
            tokio::spawn(self.clone().fetch(fetch, Duty { leader, owner }));
            own
        });
        (follower, own)
    }

    fn disown_outdated(&self, primary: Key) {
        self.in_flight.disown_arrivals(primary, |head| !self.store.is_current(&head.named));
    }

    /// A refresh behind a stale answer: a fetch without a follower.
    fn refresh(self: &Arc<Self>, fetch: Fetch) {
        let (follower, own) = self.start(fetch);
        if own.is_some() {
            follower.keep();
        }
    }

    /// Act two: the fetch. It belongs to no client, so no client's leaving ends it.
    async fn fetch(self: Arc<Self>, mut fetch: Fetch, duty: Duty) {
        // Another fetch may have stored it since this one's client looked.
        if let Some(answer) = self.look_again(&mut fetch) {
            let _ = duty.owner.send(answer);
            return;
        }
        if let Some(found) = self.look_afar(&mut fetch).await {
            return duty.finish(found);
        }
        let Some(asked) = self.ask(&mut fetch, &duty.leader).await else { return };
        let Judged { response, admitted, exchange } = match asked {
            Ok(judged) => judged,
            Err(failure) => {
                let stale = fetch.may_stand_in(self.clock.now());
                return duty.finish(Outcome::Failed { fault: Fault::Silent(failure), stale });
            }
        };
        match admitted {
            Admitted::Stored(meta, room) => {
                self.take_in(&fetch, duty, response, (meta, room)).await;
            }
            Admitted::Validated => self.freshen(&fetch, duty, &response, exchange),
            Admitted::StaleIfError => {
                let (fault, stale) = (Fault::Answered(response.status()), fetch.stored.clone());
                duty.finish(Outcome::Failed { fault, stale });
            }
            Admitted::Unstorable(reason) => self.give(&fetch, duty.owner, response, reason),
        }
    }

    /// Asks the origin; `None` where all who waited have left, within the bounds of the design.
    async fn ask(&self, fetch: &mut Fetch, leader: &Leader) -> Option<Result<Judged, Failure>> {
        loop {
            let request = self.clock.now();
            self.begin(fetch);
            let head = fetch.request();
            let upstream = &fetch.visit.route.upstream;
            let errand = Errand {
                client: fetch.visit.believed.client,
                stale: fetch.may_stand_in(request).is_some(),
                sent: leader.sent(),
            };
            let response = tokio::select! {
                biased;
                response = upstream.send(head, RequestBody::empty(), errand) => response,
                () = self.abandoned(leader) => return None,
            };
            let exchange = Exchange { request, response: self.clock.now() };
            let response = match response {
                Ok(response) => response,
                Err(error) => return Some(Err(fetch::report(&fetch.visit, error))),
            };
            let Some(mut response) = fetch.combine(response) else {
                fetch.ask_afresh();
                continue;
            };
            if !fetch.settle_encoding(response.headers_mut()) {
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
                Some(admitted) => return Some(Ok(Judged { response, admitted, exchange })),
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
        let Duty { leader, owner } = duty;
        let status = response.status();
        let own = storable::withhold(response.headers_mut(), status, &fetch.visit);
        let (arrival, mut fill, body) = self.receive(fetch, response, meta, room);
        if let Some(reader) = arrival.filling.reader() {
            let (head, now) = (&arrival.head, self.clock.now());
            let answered = Some(arrival.answered);
            let told = fetch.told().stored(&head.meta, now).with_status(answered);
            let status = CacheStatus::Forwarded(told);
            let answer = reply::arriving(&fetch.visit, &arrival, reader, now, status);
            let _ = owner.send(answer.with(&own));
        }
        leader.arriving(arrival.clone());
        if !fetch.pour(body, &mut fill, &leader).await {
            return;
        }
        let place = arrival.place.clone();
        match self.complete(fetch, &arrival, fill) {
            Ok(entry) => {
                self.keep((fetch, &leader), (&place, &entry), News::Whole);
                let fwd_status = Some(arrival.answered);
                leader.finish(Outcome::Entry { place, entry, fwd_status });
            }
            Err(reason) => self.stop_sharing(fetch, reason),
        }
    }

    /// Gives a response that cannot be shared to the client that asked for it.
    fn give(
        &self,
        fetch: &Fetch,
        owner: oneshot::Sender<Answer>,
        response: Response<ResponseBody>,
        reason: Unstorable,
    ) {
        // An error is of this moment: what comes next may be shared again.
        let status = response.status();
        if !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS {
            self.stop_sharing(fetch, reason);
        }
        let told = fetch.told().with_status(Some(response.status()));
        let status = CacheStatus::Forwarded(told.detail(Reason::NotStored(reason)));
        let _ = owner.send(reply::relayed_fetch(&fetch.visit, response, status));
    }

    /// Relays an exchange that the cache has no part in, but for what it makes invalid.
    async fn pass(self: &Arc<Self>, visit: Visit, once: Once, told: Forwarded) -> Answer {
        let mut head = visit.forwarded();
        let condition = self.settle_conditions(&visit, &once.snapshot, &mut head).await;
        if condition == Condition::Failed {
            return reply::precondition_failed(&visit.head.headers);
        }
        let encoding = fetch::encoding_of_pass(&visit, told.fwd);
        encoding::ask_for(&mut head.headers, encoding);
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
        let request = self.clock.now();
        let errand = Errand { client: visit.believed.client, stale: false, sent: &sent };
        let mut response = match visit.route.upstream.send(head, body, errand).await {
            Ok(response) => response,
            Err(error) => {
                let failure = fetch::report(&visit, error);
                let status = CacheStatus::Forwarded(told.detail(Reason::Failed(failure.reason())));
                return Answer::new(reply::failed(&failure, &visit.head.headers), status);
            }
        };
        let exchange = Exchange { request, response: self.clock.now() };
        if encoding != UpstreamEncoding::Client {
            encoding::forget_in_vary(response.headers_mut());
        }
        let kept = keeper.map(|keeper| keeper.judge(self, exchange, &response));
        doubt.settle(response.status(), response.headers());
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
            _ => reply::relayed(&visit, response.map(Body::relayed), status),
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
        drop(self.owner);
        self.leader.finish(outcome);
    }
}
