//! What a request pays before it costs the API anything.
//!
//! Who leads a fetch pays for it; who follows somebody else's does not, nor does a refresh. The
//! wait for a turn is over before a fetch is joined: it never holds one up.

use std::sync::Arc;

use futures_util::FutureExt;
use hyper::body::Incoming;

use super::{Fetch, Once, Proxy, drive::Drive};
use crate::{
    cache_status::Forwarded,
    collapse::{Company, Follower, Progress},
    config::throttle::Count,
    policy::Fwd,
    reply::{self, Answer},
    store::Place,
    throttle::{Told, Toll},
    visit::Visit,
};

/// A fetch that a client follows, and its own way to the answer if it leads.
type Started = (Follower, Option<Drive>);

impl Proxy {
    /// Lets in what its route takes, and as often as it does; what is told of that.
    ///
    /// # Errors
    /// The answer to what is not let in.
    pub(super) async fn let_in(
        &self,
        visit: &Visit,
        body: Option<&Incoming>,
    ) -> Result<Option<Told>, Box<Answer>> {
        if let Some(answer) = refuse(visit, body) {
            return Err(Box::new(answer));
        }
        if visit.route.throttle.is_free(Count::All) {
            return Ok(None);
        }
        match Box::pin(self.charge(visit, Count::All)).await {
            Ok(toll) => Ok(toll.spend()),
            Err(refusal) => Err(Box::new(refusal)),
        }
    }

    /// A hit for what it costs, or the refusal of a request past a limit; `None` where it may have to
    /// wait for its turn.
    pub(super) fn sell(&self, visit: &Visit, hit: Answer) -> Option<Answer> {
        Some(match self.pay(visit)? {
            Ok(told) => hit.telling(told),
            Err(refusal) => refusal,
        })
    }

    /// Charges a request for a hit, and what is told of that; `None` where it may have to wait for its
    /// turn.
    ///
    /// # Errors
    /// The answer to a request past a limit.
    pub(super) fn pay(&self, visit: &Visit) -> Option<Result<Option<Told>, Answer>> {
        if visit.route.throttle.is_free(Count::All) {
            return Some(Ok(None));
        }
        let toll = self.charge(visit, Count::All).now_or_never()?;
        Some(toll.map(Toll::spend).inspect_err(|refusal| {
            let about = (visit.primary, visit.asked.method);
            self.recent.note(about, refusal, visit.arrived.wall);
        }))
    }

    /// Charges a request, when its turn has come.
    ///
    /// # Errors
    /// The answer to a request past a limit.
    pub(super) async fn charge<'a>(
        &self,
        visit: &'a Visit,
        count: Count,
    ) -> Result<Toll<'a>, Answer> {
        let toll = visit.route.throttle.admit(count, visit.sender(), &self.counters).await;
        toll.map_err(|refused| reply::throttled(refused, &visit.head.headers))
    }

    /// Relays an exchange that counts as a miss.
    pub(super) async fn pass_for_toll(
        self: &Arc<Self>,
        visit: Arc<Visit>,
        once: Once,
        told: Forwarded,
    ) -> Answer {
        let limits = match self.charge(&visit, Count::Misses).await {
            Ok(toll) => toll.spend(),
            Err(answer) => return answer,
        };
        self.pass(visit, once, told).await.telling(limits)
    }

    /// Relays an exchange that counts as a miss, unless another node has the answer.
    pub(super) async fn pass_or_find(
        self: &Arc<Self>,
        visit: Arc<Visit>,
        place: Place,
        once: Once,
        told: Forwarded,
    ) -> Answer {
        if self.remote.is_some()
            && matches!(told.fwd, Fwd::UriMiss | Fwd::VaryMiss)
            && let Some(answer) = Box::pin(self.hit_afar(&visit, &place)).await
        {
            return answer;
        }
        self.pass_for_toll(visit, once, told).await
    }

    /// Follows a fetch, or leads one and pays for it, once.
    ///
    /// # Errors
    /// The answer, where there is no need to go or no leave.
    pub(super) async fn set_out(
        self: &Arc<Self>,
        fetch: &mut Box<Fetch>,
    ) -> Result<Started, Answer> {
        let visit = fetch.visit.clone();
        if fetch.paid || visit.route.throttle.is_free(Count::Misses) {
            return Ok(self.start(fetch.clone()));
        }
        if let Some(follower) = self.under_way(fetch) {
            return Ok((follower, None));
        }
        // What another node has stored is a hit, and as free as one.
        if let Some(found) = self.look_afar(fetch).await {
            return match self.take_part(fetch, Progress::Done(found), true) {
                Ok(answer) => Err(answer),
                Err(_) => Ok(self.start(fetch.clone())),
            };
        }
        if let Some(follower) = self.under_way(fetch) {
            return Ok((follower, None));
        }
        let toll = self.charge(&visit, Count::Misses).await?;
        // It may have been stored while this client waited for its turn.
        if let Some(answer) = self.look_again(fetch) {
            return Err(answer);
        }
        let started = self.start(fetch.clone());
        if started.1.is_some() {
            fetch.paid = true;
            fetch.tells = toll.spend();
        }
        Ok(started)
    }

    fn under_way(&self, fetch: &Fetch) -> Option<Follower> {
        self.disown_outdated(fetch.place.primary);
        let joins = fetch.company == Company::Welcome;
        joins.then(|| self.in_flight.follow(fetch.place.primary, fetch.place.key)).flatten()
    }
}

/// The answer to what its route does not take.
pub(super) fn refuse(visit: &Visit, body: Option<&Incoming>) -> Option<Answer> {
    let (validation, head) = (&visit.route.validation, &visit.head);
    let content = body.filter(|_| visit.content).map(|it| http_body::Body::size_hint(it).lower());
    if let Err(invalid) = validation.check(&head.method, &head.headers, content) {
        return Some(reply::invalid(invalid, validation, &head.headers));
    }
    let malformed = visit.wanted.as_ref()?.cut().err()?;
    Some(reply::malformed(malformed))
}
