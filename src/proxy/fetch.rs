//! One request to the origin whose answer may be shared: what it asks, and how its answer is
//! judged.

use std::sync::Arc;

use http::{HeaderMap, Method, Response, StatusCode, header, request};

use crate::{
    cache_status::{CacheStatus, Forwarded},
    collapse::Outcome,
    fields::{self, Upgrade},
    key::Key,
    policy::{
        self, Decision, Exchange, Fwd, Now, Received, Unstorable, asked, partial,
        storing::{self, Context, Validating},
        validation,
    },
    reply::Failure,
    store::{Entry, Part, Place},
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
    /// The stored part of what it asks for, that begins or ends it.
    pub(super) part: Option<Part>,
    /// Why it goes forward.
    pub(super) fwd: Fwd,
    /// What of it the origin is told.
    pub(super) asks: Asks,
}

/// Whether a fetch builds on what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// It validates, or asks for the rest.
    WithWhatIsStored,
    /// What is stored has proved of no use: it asks for all of it.
    Afresh,
}

/// A response head from the origin, judged.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) response: Response<ResponseBody>,
    pub(super) received: Received,
    pub(super) exchange: Exchange,
}

impl Fetch {
    /// A fetch of what is not stored.
    pub(super) fn new(visit: Arc<Visit>, place: Place, fwd: Fwd) -> Fetch {
        Fetch { visit, place, stored: None, part: None, fwd, asks: Asks::WithWhatIsStored }
    }

    /// Builds on a stored part, if that begins or ends what is asked for, and is for this client.
    pub(super) fn beside(mut self, part: Option<Part>, now: Now) -> Fetch {
        self.part = part.filter(|part| is_of_use(&self.visit, part, now));
        self
    }

    /// Forgets what is stored.
    pub(super) fn ask_afresh(&mut self) {
        self.asks = Asks::Afresh;
        (self.stored, self.part) = (None, None);
    }

    /// What Cache-Status says of it so far.
    pub(super) fn told(&self, collapsed: bool) -> Forwarded {
        Forwarded { collapsed, ..CacheStatus::forwarded(self.fwd) }
    }

    /// The head of the request to the origin: our conditions in place of the client's.
    pub(super) fn request(&self) -> request::Parts {
        let mut head = self.visit.forwarded();
        head.method = Method::GET;
        let validators = self.stored.as_ref().map(|stored| stored.head.origin_validators());
        validation::make_conditional(&mut head.headers, validators.unwrap_or_default());
        match &self.part {
            Some(part) => {
                partial::ask_for_rest(&mut head.headers, &part.range, part.head.validators());
            }
            None => validation::offer(&mut head.headers, self.offered().map(|(tag, _)| tag)),
        }
        head
    }

    /// The entity-tags of the target's variants that the origin may name in a 304, each with where
    /// its response lies (RFC 9111 §4.3.1).
    ///
    /// None beside a date alone: they would be all that the origin looks at. None among codings:
    /// nginx has one tag for the plain and the packed bytes, and would name the plain ones for all.
    /// None among credentials: no mistake of an origin is to lead to another user's answer.
    pub(super) fn offered(&self) -> impl Iterator<Item = (&[u8], Key)> {
        let dated = |stored: &Entry| stored.head.origin_validators().etag.is_none();
        let by_date = self.stored.as_ref().is_some_and(dated);
        let alone = by_date || self.part.is_some() || self.asks == Asks::Afresh;
        let vary = self.place.vary.iter().filter(move |_| !alone);
        let apart = [header::ACCEPT_ENCODING, header::AUTHORIZATION, header::COOKIE];
        vary.filter(move |it| !apart.iter().any(|name| it.names().contains(name)))
            .flat_map(|it| it.tags())
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
        match unsharable(&self.visit, headers) {
            Some(reason) => Received::Unstorable(reason),
            None => received,
        }
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

    pub(super) fn context(&self, exchange: Exchange) -> Context<'_> {
        let validating = self.stored.as_ref().map(|stored| Validating {
            meta: &stored.head.meta,
            etag: stored.head.origin_validators().etag,
        });
        let rules = &self.visit.route.cache.rules;
        Context { asked: &self.visit.asked, rules, validating, exchange }
    }
}

/// Whether a fetch may build on a stored part.
fn is_of_use(visit: &Visit, part: &Part, now: Now) -> bool {
    let (asked, rules) = (&visit.asked, &visit.route.cache.rules);
    let whole = asked.method == asked::Method::Get && !asked.range && part.range.rest().is_some();
    let permitted = match policy::decide(asked, rules, Ok(part.clone()), now) {
        Decision::Serve(_) | Decision::ServeStale(_) | Decision::Validate(..) => true,
        Decision::Fetch(_) | Decision::Pass(_) | Decision::Unsatisfiable => false,
    };
    whole && permitted
}

/// Why an answer that HTTP would share depends on what only this hop knows.
pub(super) fn unsharable(visit: &Visit, headers: &HeaderMap) -> Option<Unstorable> {
    let names = match storing::vary(headers) {
        Ok(names) => names,
        Err(reason) => return Some(reason),
    };
    if names.iter().any(fields::is_set_by_us) {
        return Some(Unstorable::VaryStar);
    }
    let trailers = headers.contains_key(header::TRAILER) && visit.wants_trailers();
    trailers.then_some(Unstorable::Trailers)
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
