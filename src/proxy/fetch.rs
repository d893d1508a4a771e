//! One request to the origin whose answer may be shared: what it asks, and how its answer is
//! judged.

use std::sync::Arc;

use http::{HeaderMap, Method, Response, StatusCode, header, request};

use crate::{
    cache_status::{Bypass, CacheStatus, Collapsed, Detail, Forwarded},
    collapse::Outcome,
    fields::{self, Upgrade},
    policy::{
        self, Exchange, Fwd, Now, Received, Unstorable, asked, groups,
        storing::{self, Context, Validating},
        validation,
    },
    reply::Failure,
    store::{Entry, Moment, Named, Place},
    upstream::{self, ResponseBody},
    visit::Visit,
};

/// One request to the origin whose answer may be shared, with all that its task needs to own.
#[derive(Clone, Debug)]
pub(super) struct Fetch {
    /// The client's request that it stands for.
    pub(super) visit: Arc<Visit>,
    /// Where the answer belongs, as far as is known.
    pub(super) place: Place,
    /// The stored response that it would validate.
    pub(super) stored: Option<Entry>,
    /// Why it goes forward.
    pub(super) fwd: Fwd,
    /// When it began, as far as invalidation by name is concerned: set before it is sent.
    pub(super) began: Moment,
    /// Whether it has waited for another client's fetch.
    pub(super) collapsed: Collapsed,
}

/// A response head from the origin, judged.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) response: Response<ResponseBody>,
    pub(super) received: Received,
    pub(super) exchange: Exchange,
}

impl Fetch {
    /// A request to the origin that has not been sent.
    pub(super) fn new(visit: Visit, place: Place, stored: Option<Entry>, fwd: Fwd) -> Fetch {
        let (visit, began) = (Arc::new(visit), Moment::default());
        Fetch { visit, place, stored, fwd, began, collapsed: Collapsed::No }
    }

    /// What Cache-Status says of it so far.
    pub(super) fn told(&self) -> Forwarded {
        Forwarded { collapsed: self.collapsed, ..CacheStatus::forwarded(self.fwd) }
    }

    /// The head of the request to the origin: our conditions in place of the client's.
    pub(super) fn request(&self) -> request::Parts {
        let mut head = self.visit.forwarded();
        head.method = Method::GET;
        let validators = self.stored.as_ref().map(|stored| stored.head.origin_validators());
        validation::make_conditional(&mut head.headers, validators.unwrap_or_default());
        head
    }

    /// What the origin's answer means.
    pub(super) fn judge(
        &self,
        exchange: Exchange,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Received {
        let received = policy::receive(self.context(exchange), status, headers);
        let Received::Storable(_) = received else { return received };
        match self.unsharable(headers) {
            Some(reason) => Received::Unstorable(reason),
            None => received,
        }
    }

    /// Why an answer that HTTP would share depends on what only this hop knows.
    fn unsharable(&self, headers: &HeaderMap) -> Option<Unstorable> {
        let names = match storing::vary(headers) {
            Ok(names) => names,
            Err(reason) => return Some(reason),
        };
        if names.iter().any(fields::is_set_by_us) {
            return Some(Unstorable::VaryStar);
        }
        let trailers = headers.contains_key(header::TRAILER) && self.visit.wants_trailers();
        trailers.then_some(Unstorable::Trailers)
    }

    /// What invalidates the answer by name.
    pub(super) fn named(&self, headers: &HeaderMap) -> Named {
        Named::new(self.began, self.visit.group_names(&groups::groups(headers)))
    }

    /// The stored response, where it may stand in for an origin that fails now (RFC 5861 §4).
    pub(super) fn may_stand_in(&self, now: Now) -> Option<Entry> {
        let exchange = Exchange { request: now, response: now };
        let may = storing::may_stand_in(self.context(exchange));
        self.stored.clone().filter(|_| may)
    }

    /// What followers get where the origin gave no answer.
    pub(super) fn fall_back(&self, failure: Failure, now: Now) -> Outcome {
        match self.may_stand_in(now) {
            Some(entry) => Outcome::Stale { entry, fwd_status: None },
            None => Outcome::Failed(failure),
        }
    }

    /// What followers get where the origin answered with an error and the stored response stands
    /// in.
    pub(super) fn stale(&self, fwd_status: Option<StatusCode>) -> Outcome {
        match self.stored.clone() {
            Some(entry) => Outcome::Stale { entry, fwd_status },
            None => Outcome::NotShared,
        }
    }

    fn context(&self, exchange: Exchange) -> Context<'_> {
        let validating = self.stored.as_ref().map(|stored| Validating {
            meta: &stored.head.meta,
            etag: stored.head.origin_validators().etag,
        });
        let rules = &self.visit.route.cache.rules;
        Context { asked: &self.visit.asked, rules, validating, exchange }
    }
}

/// Which rule kept the cache out of a request.
pub(super) fn why_bypassed(visit: &Visit, fwd: Fwd) -> Option<Bypass> {
    match visit {
        _ if fwd != Fwd::Bypass => None,
        _ if visit.upgrade != Upgrade::No => Some(Bypass::Upgrade),
        _ if !visit.route.cache.on => Some(Bypass::Off),
        _ if visit.asked.content => Some(Bypass::Content),
        _ => Some(Bypass::Authorization),
    }
}

/// Why the answer to a GET or HEAD that was passed was not stored.
pub(super) fn why_passed(
    visit: &Visit,
    fwd: Fwd,
    (status, headers): (StatusCode, &HeaderMap),
    now: Now,
) -> Option<Detail> {
    if let Some(rule) = why_bypassed(visit, fwd) {
        return Some(Detail::Bypassed(rule));
    }
    if !matches!(visit.asked.method, asked::Method::Get | asked::Method::Head) {
        return None;
    }
    let (asked, rules) = (&visit.asked, &visit.route.cache.rules);
    let exchange = Exchange { request: now, response: now };
    match policy::receive(Context { asked, rules, validating: None, exchange }, status, headers) {
        Received::Unstorable(reason) => Some(Detail::NotStored(reason)),
        Received::Storable(_)
        | Received::Validated
        | Received::Mismatched
        | Received::StaleIfError => None,
    }
}

/// Tells the log why an upstream gave no answer.
pub(super) fn report(visit: &Visit, error: upstream::Error) -> Failure {
    let upstream = &visit.route.upstream.config().name;
    let path = visit.head.uri.path();
    match &error {
        upstream::Error::Client(fault) => {
            tracing::debug!(upstream, path, %fault, "request body failed");
        }
        error => tracing::warn!(upstream, path, %error, "upstream failed"),
    }
    Failure::from(error)
}
