//! One request to the origin whose answer may be shared: what it asks, and how its answer is
//! judged.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method, Response, StatusCode, header, request};

use crate::{
    cache_status::{CacheStatus, Forwarded},
    collapse::Company,
    fields::{self, Upgrade},
    policy::{
        self, Exchange, Fwd, Now, Received, Unstorable, asked,
        rules::Authorization,
        storing::{self, Context, Validating},
        validation,
    },
    reply::Failure,
    store::{Entry, Place, Selecting, Turn},
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
    /// Whether others may follow it.
    pub(super) company: Company,
    /// When the origin was asked.
    pub(super) asked: Turn,
}

/// A response head from the origin, judged.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) response: Response<ResponseBody>,
    pub(super) received: Received,
    pub(super) exchange: Exchange,
}

impl Fetch {
    /// One that was not sent yet.
    pub(super) fn new(visit: Visit, place: Place, stored: Option<Entry>, fwd: Fwd) -> Fetch {
        let (visit, company) = (Arc::new(visit), Company::Welcome);
        Fetch { visit, place, stored, fwd, company, asked: Turn::default() }
    }

    /// What Cache-Status says of it so far.
    pub(super) fn told(&self, collapsed: bool) -> Forwarded {
        Forwarded { collapsed, ..CacheStatus::forwarded(self.fwd) }
    }

    /// The head of the request to the origin: our conditions in place of the client's.
    pub(super) fn request(&self) -> request::Parts {
        let mut head = self.visit.forwarded();
        head.method = Method::GET;
        if self.company == Company::Alone && self.stored.is_none() {
            // The answer is for this client: a 304 may save it the body.
            let _ = validation::forward_conditions(&Method::GET, &mut head.headers, None);
            return head;
        }
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

    /// The fields that choose among the answers for this target: those of Vary, and credentials
    /// where the route isolates them.
    ///
    /// # Errors
    /// Why none of them can be chosen.
    pub(super) fn selecting(&self, headers: &HeaderMap) -> Result<Vec<HeaderName>, Unstorable> {
        let mut names = storing::vary(headers)?;
        let isolate = self.visit.route.cache.rules.authorization == Authorization::Isolate;
        if isolate && !names.contains(&header::AUTHORIZATION) {
            names.push(header::AUTHORIZATION);
        }
        Ok(names)
    }

    /// What chooses this answer among those for its target.
    pub(super) fn places(&self, names: Vec<HeaderName>) -> Selecting<'_> {
        Selecting { names, request: &self.visit.head.headers, asked: self.asked }
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

    /// The stored response, where it may stand in for an origin that fails now (RFC 5861 §4).
    pub(super) fn may_stand_in(&self, now: Now) -> Option<Entry> {
        let exchange = Exchange { request: now, response: now };
        let may = storing::may_stand_in(self.context(exchange));
        self.stored.clone().filter(|_| may)
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

/// Why the answer to a GET or HEAD that was passed was not stored.
pub(super) fn why_passed(
    visit: &Visit,
    status: StatusCode,
    headers: &HeaderMap,
    now: Now,
) -> Option<Unstorable> {
    let cacheable = matches!(visit.asked.method, asked::Method::Get | asked::Method::Head);
    if !cacheable || !visit.route.cache.on || visit.upgrade != Upgrade::No {
        return None;
    }
    let (asked, rules) = (&visit.asked, &visit.route.cache.rules);
    let exchange = Exchange { request: now, response: now };
    match policy::receive(Context { asked, rules, validating: None, exchange }, status, headers) {
        Received::Unstorable(reason) => Some(reason),
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
