//! One client's request, as the journey carries it: checked, routed, keyed.

mod apply;
mod keys;
mod turn;

use std::{borrow::Cow, sync::Arc};

use http::{
    HeaderMap, HeaderValue, Method, Request, Uri, Version, header, request, uri::PathAndQuery,
};

use crate::{
    config::Host,
    fields::{self, Believed, Forwarding, Upgrade, believe},
    ids::Ids,
    key::{Claim, Key},
    policy::{Asked, Carried, Now, asked::Exempt, cookies, encoding::UpstreamEncoding, validation},
    server::{PeerAddr, Way},
    shape::{Conditions, Offer, Wanted},
    snapshot::{Route, Snapshot},
    store::Origin,
    target::{self, Refusal},
    throttle::Sender,
};
use apply::{apply_cookies, apply_query, has_aliases, select_cookies, set_query, takes_part};
pub use keys::GetKey;
use keys::{bare, claim, under};

/// What makes a request conditional, and what describes its content.
const CONDITIONS: [http::HeaderName; 9] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    header::RANGE,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
];

/// A request that was let in.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Its head, the target in origin form: what is not believed is gone, and the query is as the
    /// route says.
    pub head: request::Parts,
    /// Path and query as the client sent them.
    pub target: PathAndQuery,
    /// Whether a body comes with it.
    pub content: bool,
    /// What the policy judges by.
    pub asked: Asked,
    /// Its Cookie, where the route ignores it: limits go by it all the same.
    pub unseen: Option<HeaderValue>,
    /// Where it goes.
    pub route: Arc<Route>,
    /// The authority of its target URI, normalised.
    pub authority: Arc<str>,
    /// Who sent it, as far as is believed.
    pub believed: Believed,
    /// What of that is part of its key.
    pub claim: Option<Claim>,
    /// Whether all who invalidate its target know that.
    pub listed: bool,
    /// The peer of the connection that it came on. Not the connection itself: a visit may outlive
    /// it, in a fetch.
    pub peer: PeerAddr,
    /// Whether it asks for another protocol.
    pub upgrade: Upgrade,
    /// What it wants to be cut out of the answer; the rest of it asks for the whole.
    pub wanted: Option<Arc<Wanted>>,
    /// Whether it was looked for in the shared tier before its way began, and is in memory if it was
    /// there.
    pub looked: bool,
    /// The key of its target URI, under what is claimed of it.
    pub primary: Key,
    /// When its head had been read.
    pub arrived: Now,
    /// What it is known by, where anybody wants to know.
    pub ids: Option<Arc<Ids>>,
}

/// A request as the server hands it over.
#[derive(Debug)]
pub struct Arrived {
    /// Its head.
    pub head: request::Parts,
    /// Whether a body comes with it.
    pub content: bool,
    /// The peer of the connection that it came on.
    pub peer: PeerAddr,
    /// How that came in.
    pub way: Way,
    /// When its head had been read.
    pub at: Now,
    /// What it is known by, where anybody wants to know.
    pub ids: Option<Arc<Ids>>,
}

/// A request that was not let in.
#[derive(Debug)]
pub struct Rejected {
    /// Why.
    pub refusal: Refusal,
    /// What its client sent.
    pub fields: HeaderMap,
}

/// What is found out about a request as it is let in.
struct Checked {
    upgrade: Upgrade,
    believed: Believed,
    authority: Arc<str>,
    route: Arc<Route>,
    target: PathAndQuery,
    carried: Carried,
}

impl Visit {
    /// Lets a request in.
    ///
    /// # Errors
    /// Why not.
    pub fn new(snapshot: &Snapshot, arrived: Arrived) -> Result<Visit, Rejected> {
        let Arrived { mut head, content, peer, way, at, ids } = arrived;
        let checked = match check(snapshot, &mut head, (peer, &way)) {
            Ok(checked) => checked,
            Err(refusal) => return Err(Rejected { refusal, fields: head.headers }),
        };
        let Checked { upgrade, believed, authority, route, target, mut carried } = checked;
        let wanted = match route.shape {
            Some(_) if upgrade == Upgrade::No => {
                let wanted = want(&route, &target, &mut head);
                carried = Carried::of(&head.headers);
                wanted
            }
            Some(_) | None => None,
        };
        let mut asked = Asked::of((&head, carried), content, &route.cache.rules);
        let may_have_aliases = carried.has(Carried::UNDERSCORE) || !route.underscored.is_empty();
        if may_have_aliases
            && upgrade == Upgrade::No
            && takes_part(&route, &asked)
            && has_aliases(&route, &head)
        {
            asked.bypass = Some(Exempt::Underscore);
        }
        // What the cache has no part in is forwarded as it came.
        let mut unseen = None;
        if asked.bypass.is_none() {
            apply_query(&route, &mut head);
            unseen = apply_cookies(&route, &mut head);
        }
        let claim = claim(&believed);
        let listed = claim.is_none_or(|claim| snapshot.hearsay.is_known(&claim));
        let bare = bare(&route, believed.scheme, &authority, &head);
        let primary = under(bare, claim);
        let arrived = at;
        Ok(Visit {
            head,
            target,
            content,
            asked,
            unseen,
            route,
            authority,
            believed,
            claim,
            listed,
            peer,
            upgrade,
            wanted,
            looked: false,
            primary,
            arrived,
            ids,
        })
    }

    /// A GET of the same target by the same client, without conditions and without content.
    #[must_use]
    pub fn as_get(&self, snapshot: &Snapshot) -> Option<Visit> {
        let mut visit = self.clone();
        visit.head.method = Method::GET;
        for name in CONDITIONS {
            visit.head.headers.remove(name);
        }
        let mut uri = http::uri::Parts::default();
        uri.path_and_query = Some(self.target.clone());
        visit.head.uri = http::Uri::from_parts(uri).ok()?;
        visit.route = route(snapshot, &visit.head, &self.authority).ok()?;
        (visit.content, visit.upgrade) = (false, Upgrade::No);
        // What is stored is for none that has such.
        if has_aliases(&visit.route, &visit.head) {
            return None;
        }
        forget_shape(visit.route.shape.as_ref(), &mut visit.head);
        visit.asked = Asked::new(&visit.head, false, &visit.route.cache.rules);
        apply_query(&visit.route, &mut visit.head);
        let _ = apply_cookies(&visit.route, &mut visit.head);
        visit.primary = under(visit.bare(), visit.claim);
        Some(visit)
    }

    /// The origin of the target URI.
    #[must_use]
    pub fn origin(&self) -> Origin<'_> {
        Origin { scheme: self.believed.scheme.as_str(), authority: &self.authority }
    }

    /// The GET of the same target, by the route that it takes: what a response to this request may
    /// answer later (RFC 9110 §9.3.3). The fields are this request's own, and so is its Cookie,
    /// which the origin has seen.
    #[must_use]
    pub fn as_stored_get(&self, snapshot: &Snapshot) -> Option<Visit> {
        let mut head = self.head.clone();
        head.method = Method::GET;
        let mut uri = http::uri::Parts::default();
        uri.path_and_query = Some(self.target.clone());
        head.uri = http::Uri::from_parts(uri).ok()?;
        let route = route(snapshot, &head, &self.authority).ok()?;
        // It may have been answered for what no GET is keyed by.
        if has_aliases(&route, &head) {
            return None;
        }
        // What answers it may be less than the whole, or more: nobody knows.
        if route
            .shape
            .as_ref()
            .is_some_and(|offer| head.uri.query().and_then(|it| offer.take(it)).is_some())
        {
            return None;
        }
        let rules = &route.cache.rules;
        let cookie = cookies::has_others(&head.headers, &rules.key.cookies);
        let asked = Asked { cookie, range: false, ..Asked::new(&head, false, rules) };
        apply_query(&route, &mut head);
        let _ = select_cookies(&route, &mut head);
        let primary = under(bare(&route, self.believed.scheme, &self.authority, &head), self.claim);
        Some(Visit { head, content: false, asked, route, primary, ..self.clone() })
    }

    /// Whom its limits count it for.
    #[must_use]
    pub fn sender(&self) -> Sender<'_> {
        let unseen = self.unseen.as_ref();
        Sender { address: self.believed.client, fields: &self.head.headers, unseen }
    }

    /// Leaves aside those of its conditions that say nothing of a cut before it is made: a date, and
    /// `*`, are of whatever the answer turns out to be.
    pub fn put_off_conditions(&mut self) {
        if self.asked.condition {
            self.asked.condition = validation::keep_named(&mut self.head.headers);
        }
    }

    /// Whether the answer goes without a body.
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.head.method == Method::HEAD
    }

    /// Whether it is an OPTIONS that must not go further (RFC 9110 §7.6.2).
    #[must_use]
    pub fn ends_here(&self) -> bool {
        self.head.method == Method::OPTIONS && fields::max_forwards(&self.head.headers) == Some(0)
    }

    /// Whether the client takes trailers (RFC 9110 §6.5.1).
    #[must_use]
    pub fn wants_trailers(&self) -> bool {
        fields::lists(&self.head.headers, &header::TE, "trailers")
    }

    /// The head of the request to the upstream, the client's conditions still in it.
    #[must_use]
    pub fn forwarded(&self) -> request::Parts {
        self.onward(self.head.clone())
    }

    /// The same, in the very memory that the request came in; the copy stays here. It has room for
    /// more fields, and a copy has none.
    #[must_use]
    pub fn forward(&mut self) -> request::Parts {
        let mut head = self.head.clone();
        std::mem::swap(&mut head.headers, &mut self.head.headers);
        self.onward(head)
    }

    /// The head of a plain GET to the upstream, asking for these codings, where the same was made of
    /// the same fields before.
    #[must_use]
    pub fn forwarded_before(&self, encoding: UpstreamEncoding) -> Option<request::Parts> {
        let host = self.host();
        let known = || fields::known(&self.head.headers, self.forwarding(&host), encoding);
        let headers = if self.ids.is_none() { known()? } else { return None };
        let (mut head, ()) = Request::new(()).into_parts();
        (head.uri, head.version, head.headers) =
            (self.head.uri.clone(), self.head.version, headers);
        Some(head)
    }

    /// Remembers the fields of such a head, if they may be.
    pub fn remember(&self, forwarded: &HeaderMap, encoding: UpstreamEncoding) {
        if self.ids.is_none() {
            let host = self.host();
            fields::remember(&self.head.headers, self.forwarding(&host), encoding, forwarded);
        }
    }

    /// The Host to send.
    fn host(&self) -> Cow<'_, str> {
        let upstream = self.route.upstream.config();
        match &upstream.host {
            Host::Preserve if !self.authority.is_empty() => Cow::Borrowed(&*self.authority),
            Host::Preserve | Host::Upstream => Cow::Owned(upstream.address.authority()),
            Host::Named(name) => Cow::Borrowed(&**name),
        }
    }

    fn forwarding<'a>(&'a self, host: &'a str) -> Forwarding<'a> {
        Forwarding {
            peer: self.peer,
            believed: &self.believed,
            authority: &self.authority,
            host,
            version: self.head.version,
            upgrade: self.upgrade,
        }
    }

    fn onward(&self, mut head: request::Parts) -> request::Parts {
        fields::forward(&mut head.headers, self.forwarding(&self.host()));
        self.ids.iter().for_each(|ids| ids.tell(&mut head.headers));
        head.extensions = http::Extensions::new();
        head
    }
}

fn check(
    snapshot: &Snapshot,
    head: &mut request::Parts,
    (peer, way): (PeerAddr, &Way),
) -> Result<Checked, Refusal> {
    target::check_target(head)?;
    let mut carried = Carried::of(&head.headers);
    if carried.has(Carried::TRANSFER_ENCODING) {
        target::check_coding(&head.headers)?;
    }
    let upgrade = match carried.has(Carried::UPGRADE) {
        true => upgrade(head),
        false => Upgrade::No,
    };
    if carried.has(Carried::CONNECTION) {
        keep_te(&mut head.headers);
        carried = Carried::of(&head.headers);
    }
    if carried.has(Carried::COOKIE) {
        fields::join_cookies(&mut head.headers, head.version);
    }
    let trusted = &snapshot.trusted_proxies;
    let mut believed = believe(&mut head.headers, peer, trusted, way.scheme());
    if let Some(field) = snapshot.tls.as_ref().and_then(|tls| tls.clients.subject.as_ref()) {
        fields::vouch(&mut head.headers, field, way.subject());
    }
    target::check_scheme(head, believed.scheme, believed.trusted)?;
    let authority = target::shared_authority(head, believed.scheme)?;
    believed.host = believed.host.filter(|host| **host != *authority);
    let target = origin_form(&head.uri).ok_or(Refusal::Form)?;
    if head.uri.authority().is_some() {
        head.uri = target.clone().into();
    }
    let route = route(snapshot, head, &authority)?;
    Ok(Checked { upgrade, believed, authority, route, target, carried })
}

/// TE is for one hop, but what it asks is answered from end to end; the rest that Connection
/// names goes now, so that the policy judges what the upstream will see.
fn keep_te(fields: &mut HeaderMap) {
    let te: Vec<HeaderValue> = fields.get_all(header::TE).iter().cloned().collect();
    fields::remove_nominated(fields);
    for value in te {
        fields.append(header::TE, value);
    }
}

/// `websocket` on a GET over HTTP/1.1 is the only change of protocol that is let through.
fn upgrade(head: &request::Parts) -> Upgrade {
    let asks = head.version == Version::HTTP_11
        && head.method == Method::GET
        && fields::lists(&head.headers, &header::UPGRADE, "websocket")
        && fields::lists(&head.headers, &header::CONNECTION, "upgrade");
    match asks {
        true => Upgrade::WebSocket,
        false => Upgrade::No,
    }
}

fn route(
    snapshot: &Snapshot,
    head: &request::Parts,
    authority: &str,
) -> Result<Arc<Route>, Refusal> {
    let path = match head.uri.path() {
        "*" => "/",
        path => path,
    };
    let found = snapshot.route(target::host(authority), path, head.method.as_str());
    found.cloned().ok_or(Refusal::NoRoute)
}

/// Takes what a GET or HEAD wants to be cut out of its head, which asks for the whole then. A HEAD
/// becomes a GET: what it is answered is known once that is cut.
fn want(route: &Route, target: &PathAndQuery, head: &mut request::Parts) -> Option<Arc<Wanted>> {
    let is_head = head.method == Method::HEAD;
    if !is_head && head.method != Method::GET {
        return None;
    }
    let query = route.queries.take(route.shape.as_ref()?, head.uri.query()?)?;
    set_query(head, &query.taken.rest);
    head.method = Method::GET;
    let conditions = Conditions::of(&head.headers);
    let ranged = [header::RANGE, header::IF_RANGE].iter().any(|it| head.headers.contains_key(it));
    if let Ok(cut) = &query.taken.cut {
        validation::ask_for_whole(&mut head.headers, cut.tag());
    }
    Some(Arc::new(Wanted { query, is_head, conditions, ranged, target: target.clone() }))
}

/// Makes a target that of the whole.
fn forget_shape(offer: Option<&Offer>, head: &mut request::Parts) {
    let taken = offer.and_then(|offer| offer.take(head.uri.query()?));
    taken.into_iter().for_each(|taken| set_query(head, &taken.rest));
}

/// The target without scheme and authority (RFC 9112 §3.2.1). http's path is empty where only a
/// fragment follows the authority, and an empty target is none.
fn origin_form(uri: &Uri) -> Option<PathAndQuery> {
    let target = uri.path_and_query()?;
    match target.as_str() {
        "/" => Some(PathAndQuery::from_static("/")),
        _ => Some(target.clone()),
    }
}
