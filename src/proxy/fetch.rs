//! One request to the origin whose answer may be shared: what it asks, and how its answer is
//! judged.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method, Response, StatusCode, header, request};

use super::combine::Admitted;
use crate::{
    cache_status::{CacheStatus, Collapsed, Forwarded},
    collapse::Company,
    config::Mode,
    fields::{self, Upgrade},
    key::Key,
    policy::{
        self, Decision, Exchange, Fwd, Meta, Now, Received, Unstorable,
        asked::{self, Exempt},
        cache_control,
        coding::{Accepts, Coding},
        encoding::{self, Forms, UpstreamEncoding},
        groups, partial, ranges,
        storing::{self, Context, Validating},
        tags, validation,
    },
    reason::{Bypass, Missed, Reason},
    reply::Failure,
    store::{
        Block, Entry, Head, Moment, Named, Part, Place, Selecting, Turn, name::Known, redis::Began,
    },
    throttle::Told,
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
    /// Why nothing stored could answer, where that is why.
    pub(super) missed: Option<Missed>,
    /// What of it the origin is told.
    pub(super) asks: Asks,
    /// Whether the client's own Accept-Encoding is to choose the answer, wherever it goes.
    pub(super) as_client: bool,
    /// Whether others may follow it.
    pub(super) company: Company,
    /// Whether it has waited for another client's fetch.
    pub(super) collapsed: Collapsed,
    /// Whether its client was charged for it.
    pub(super) paid: bool,
    /// What its client is told of the limits that charged it.
    pub(super) tells: Option<Told>,
    /// When the origin was asked.
    pub(super) asked: Turn,
    /// The same, in the order of purges: set before it is sent.
    pub(super) began: Moment,
    /// The same, as the shared tier counts.
    pub(super) heard: Began,
    /// The version that was seen in the shared tier, or 0.
    pub(super) seen: u64,
    /// The fencing token of the lease that it is made under, if any.
    pub(super) token: Option<u64>,
    /// When the client asked, in the order of purges.
    pub(super) joined: Moment,
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
pub(super) struct Judged {
    pub(super) response: Response<ResponseBody>,
    pub(super) admitted: Admitted,
    pub(super) exchange: Exchange,
}

impl Fetch {
    /// One that was not sent yet.
    pub(super) fn new(visit: Arc<Visit>, place: Place, stored: Option<Entry>, fwd: Fwd) -> Fetch {
        Fetch {
            visit,
            place,
            stored,
            part: None,
            fwd,
            missed: None,
            asks: Asks::WithWhatIsStored,
            as_client: false,
            company: Company::Welcome,
            collapsed: Collapsed::No,
            paid: false,
            tells: None,
            asked: Turn::default(),
            began: Moment::default(),
            heard: Began::default(),
            seen: 0,
            token: None,
            joined: Moment::default(),
        }
    }

    /// Builds on a stored part, if that begins or ends what is asked for, and is for this client.
    pub(super) fn beside(&mut self, part: Option<Part>, now: Now) {
        self.part = part.filter(|part| is_of_use(&self.visit, part, now));
    }

    /// Forgets what is stored.
    pub(super) fn ask_afresh(&mut self) {
        self.asks = Asks::Afresh;
        (self.stored, self.part) = (None, None);
    }

    /// What Cache-Status says of it so far.
    pub(super) fn told(&self) -> Forwarded {
        let told = CacheStatus::forwarded(self.fwd).missed(self.missed);
        Forwarded { collapsed: self.collapsed, ..told }
    }

    /// The head of the request to the origin: our conditions in place of the client's.
    pub(super) fn request(&self) -> request::Parts {
        self.asking(self.visit.forwarded())
    }

    /// The same for the first time, at less cost: as it was made before of the same, or in the memory
    /// of the client's request, where nobody else holds that.
    pub(super) fn first_request(&mut self) -> request::Parts {
        let builds = self.stored.is_some() || self.part.is_some() || self.place.vary.is_some();
        let encoding = (!builds).then(|| self.encoding());
        if let Some(known) = encoding.and_then(|encoding| self.visit.forwarded_before(encoding)) {
            return known;
        }
        let head = match Arc::get_mut(&mut self.visit) {
            Some(visit) => visit.forward(),
            None => self.visit.forwarded(),
        };
        let head = self.asking(head);
        if let Some(encoding) = encoding {
            self.visit.remember(&head.headers, encoding);
        }
        head
    }

    fn asking(&self, mut head: request::Parts) -> request::Parts {
        head.method = Method::GET;
        if self.visit.is_head() {
            // Range means something to GET alone (RFC 9110 §14.2), which this has just become.
            head.headers.remove(header::RANGE);
            head.headers.remove(header::IF_RANGE);
        }
        let asked = &self.visit.asked;
        let conditional = asked.is_conditional() || (asked.if_range && !self.visit.is_head());
        if self.is_for_one() {
            // The answer is for this client: a 304 may save it the body.
            if conditional {
                let _ = validation::forward_conditions(&Method::GET, &mut head.headers, None);
                forget_dated_range(&self.visit, &mut head.headers);
            }
            encoding::ask_for(&mut head.headers, self.encoding());
            return head;
        }
        encoding::ask_for(&mut head.headers, self.encoding());
        let validators = self.stored.as_ref().map(|stored| stored.head.origin_validators());
        if conditional || validators.is_some() {
            validation::make_conditional(&mut head.headers, validators.unwrap_or_default());
        }
        match &self.part {
            Some(part) => {
                partial::ask_for_rest(&mut head.headers, &part.range, part.head.validators());
            }
            None => validation::offer(&mut head.headers, self.offered().map(|(tag, _)| tag)),
        }
        head
    }

    /// What the origin is asked for. What is stored by the client's own Accept-Encoding is
    /// validated by that; a range is one of the plain bytes; and a 304 is of what its client reads.
    fn encoding(&self) -> UpstreamEncoding {
        let vary = self.place.vary.as_ref().filter(|_| self.stored.is_some());
        let selects = vary.is_some_and(|it| it.names().contains(&header::ACCEPT_ENCODING));
        match self.visit.route.encoding {
            _ if self.as_client || selects => UpstreamEncoding::Client,
            UpstreamEncoding::Gzip if self.part.is_some() => UpstreamEncoding::Identity,
            encoding if self.is_for_one() => for_one(&self.visit, encoding),
            encoding => encoding,
        }
    }

    /// Takes the choice that was not the client's out of the answer's Vary. `false` where the
    /// answer must stay as it is packed (RFC 9110 §7.7): then the client is to choose.
    pub(super) fn settle_encoding(&mut self, response: &mut Response<ResponseBody>) -> bool {
        let encoding = self.encoding();
        let is_bound = match encoding {
            UpstreamEncoding::Client => false,
            UpstreamEncoding::Identity => self.becomes_bound(response),
            UpstreamEncoding::Gzip => {
                encoding::is_bound(response.headers()) || self.becomes_bound(response)
            }
        };
        if is_bound {
            self.as_client = true;
            self.ask_afresh();
            return false;
        }
        let headers = response.headers_mut();
        match encoding {
            UpstreamEncoding::Identity | UpstreamEncoding::Gzip => {
                encoding::forget_in_vary(headers);
                if self.is_for_one() && hangs_on_client(&self.visit) {
                    encoding::add_to_vary(headers);
                }
            }
            UpstreamEncoding::Client if self.as_client => encoding::add_to_vary(headers),
            UpstreamEncoding::Client => {}
        }
        true
    }

    /// Whether a 304 takes the leave to unpack what is stored.
    fn becomes_bound(&self, response: &Response<ResponseBody>) -> bool {
        let is_packed =
            |stored: &Entry| stored.head.fields.get(&header::CONTENT_ENCODING).is_some();
        response.status() == StatusCode::NOT_MODIFIED
            && cache_control::forbids_transform(response.headers())
            && self.stored.as_ref().is_some_and(is_packed)
    }

    /// Whether the origin is asked under the client's own conditions.
    pub(super) fn is_for_one(&self) -> bool {
        self.company == Company::Alone && self.stored.is_none() && self.part.is_none()
    }

    /// The entity-tags of the target's variants that the origin may name in a 304, each with where
    /// its response lies (RFC 9111 §4.3.1).
    ///
    /// None beside a date alone: they would be all that the origin looks at. None among codings:
    /// nginx has one tag for the plain and the packed bytes, and would name the plain ones for all.
    /// None among credentials: no mistake of an origin is to lead to another user's answer. None beside
    /// the client's own conditions: a 304 is then the answer to those.
    pub(super) fn offered(&self) -> impl Iterator<Item = (&[u8], Key)> {
        let dated = |stored: &Entry| stored.head.origin_validators().etag.is_none();
        let by_date = self.stored.as_ref().is_some_and(dated);
        let afresh = self.asks == Asks::Afresh;
        let alone = by_date || self.part.is_some() || afresh || self.is_for_one();
        let vary = self.place.vary.iter().filter(move |_| !alone);
        let rules = &self.visit.route.cache.rules;
        let apart =
            |name: &HeaderName| *name == header::ACCEPT_ENCODING || rules.tells_users_apart(name);
        vary.filter(move |it| !it.names().iter().any(apart)).flat_map(|it| it.tags())
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

    /// The fields that choose among the answers for this target: those of Vary, and those of the
    /// route's key.
    ///
    /// # Errors
    /// Why none of them can be chosen.
    pub(super) fn selecting(&self, headers: &HeaderMap) -> Result<Vec<HeaderName>, Unstorable> {
        let mut names = storing::vary(headers)?;
        for name in self.visit.route.cache.rules.selecting() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// What chooses this answer among those for its target.
    pub(super) fn places(&self, names: Vec<HeaderName>) -> Selecting<'_> {
        Selecting { names, request: &self.visit.head.headers, asked: self.asked }
    }

    /// The head under which an answer is stored.
    pub(super) fn head(&self, meta: Meta, status: StatusCode, headers: &HeaderMap) -> Head {
        let forms = Forms::of(headers, &self.visit.route.packing);
        Head { meta, status, fields: Block::new(headers), named: self.named(headers), forms }
    }

    /// What the answer can be purged by.
    pub(super) fn named(&self, headers: &HeaderMap) -> Named {
        let (visit, groups) = (&self.visit, groups::groups(headers));
        let mut tags = tags::tags(headers);
        tags.extend(visit.route.cache.tags.iter().cloned());
        let (path, query) = (visit.head.uri.path(), visit.head.uri.query());
        let (tags, groups) = (&*tags, &*groups);
        // That one proxy before this writes another Host changes no name that operators know.
        let host = visit.believed.host.as_deref();
        let (generation, origin) = (visit.route.generation, visit.origin());
        let known = Known { generation, origin, host, path, query, tags, groups };
        Named::new(self.began, known).apart((!visit.listed).then(|| visit.bare()))
    }

    /// The stored response, where it may stand in for an origin that fails now (RFC 5861 §4).
    pub(super) fn may_stand_in(&self, now: Now) -> Option<Entry> {
        let exchange = Exchange { request: now, response: now };
        let may = storing::may_stand_in(self.context(exchange));
        self.stored.clone().filter(|_| may)
    }

    pub(super) fn context(&self, exchange: Exchange) -> Context<'_> {
        let validating = self.stored.as_ref().map(|stored| Validating {
            meta: &stored.head.meta,
            validators: stored.head.origin_validators(),
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
        _ if visit.route.cache.mode == Mode::Off => Some(Bypass::Off),
        _ if visit.route.cache.mode == Mode::Shadow => Some(Bypass::Shadow),
        _ => Some(rule_of_bypass(visit)),
    }
}

/// The same, of the rules for single requests.
pub(super) fn rule_of_bypass(visit: &Visit) -> Bypass {
    match visit {
        _ if visit.upgrade != Upgrade::No => Bypass::Upgrade,
        _ if visit.asked.content => Bypass::Content,
        _ => match visit.asked.bypass {
            Some(Exempt::When) => Bypass::When,
            Some(Exempt::Underscore) => Bypass::Underscore,
            None => Bypass::Authorization,
        },
    }
}

/// What the upstream is asked for in a request whose answer is its client's alone. A range is one of
/// the plain bytes.
pub(super) fn for_one(visit: &Visit, encoding: UpstreamEncoding) -> UpstreamEncoding {
    let plain = || !takes_gzip(visit) && hangs_on_client(visit);
    match encoding {
        UpstreamEncoding::Gzip if visit.asked.range || plain() => UpstreamEncoding::Identity,
        encoding => encoding,
    }
}

/// Whether what the upstream is asked for hangs on what the client takes: it has bytes as they came,
/// and whether they came packed their tag does not say. So the upstream is to compare that with the
/// tag of what the client could read. What is cut out of it is never packed as it came.
pub(super) fn hangs_on_client(visit: &Visit) -> bool {
    visit.route.encoding == UpstreamEncoding::Gzip
        && visit.wanted.is_none()
        && visit.asked.is_conditional()
        && validation::names_as_it_came(&visit.head.headers)
}

/// Asks for the whole where a Range goes by a date, and its client would get the whole packed: then
/// the date is that of several sequences of bytes (RFC 9110 §8.8.2.2, §13.1.5).
pub(super) fn forget_dated_range(visit: &Visit, headers: &mut HeaderMap) {
    if !ranges::goes_by_date(headers) {
        return;
    }
    let accepts = Accepts::of(&visit.head.headers);
    if may_come_packed(visit) || accepts.choose(&visit.route.packing.encodings).is_some() {
        headers.remove(header::IF_RANGE);
        headers.remove(header::RANGE);
    }
}

/// Whether the whole may come packed, and go so to this client.
pub(super) fn may_come_packed(visit: &Visit) -> bool {
    visit.route.encoding == UpstreamEncoding::Gzip && takes_gzip(visit)
}

fn takes_gzip(visit: &Visit) -> bool {
    Accepts::of(&visit.head.headers).takes(Coding::Gzip)
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
    fwd: Fwd,
    (status, headers): (StatusCode, &HeaderMap),
    now: Now,
) -> Option<Reason> {
    if let Some(rule) = why_bypassed(visit, fwd) {
        return Some(Reason::Bypassed(rule));
    }
    if !matches!(visit.asked.method, asked::Method::Get | asked::Method::Head) {
        return None;
    }
    let (asked, rules) = (&visit.asked, &visit.route.cache.rules);
    let exchange = Exchange { request: now, response: now };
    match policy::receive(Context { asked, rules, validating: None, exchange }, status, headers) {
        Received::Unstorable(reason) => Some(Reason::NotStored(reason)),
        // What it is passed by then is its own credential: what is stored is not for that.
        Received::Storable(_) if asked.authorization => {
            Some(Reason::NotStored(Unstorable::Authorization))
        }
        Received::Storable(_) if asked.cookie => Some(Reason::NotStored(Unstorable::Cookie)),
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
