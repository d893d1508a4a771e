//! What would be done with a request, what was last done with its like, and why.
//!
//! The steps are those of [`Proxy::answer`](Proxy), called with the same inputs, as far as they only
//! look. Nothing is fetched, stored or charged; a look-up counts as one use of what it finds, since
//! moka has no other.

mod words;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, request};
use serde_json::{Value, json};

use super::{Found, Proxy, fetch, purge::Target};
use crate::{
    cache_status::{self, CacheStatus},
    config::Mode,
    fields::Upgrade,
    policy::{self, Decision, Fwd, Now, Wall},
    reason::{Bypass, Miss, Missed, Reason, Refused, Stale, Tier},
    reply,
    server::{PeerAddr, Way},
    snapshot::{Route, Snapshot},
    store::{Entry, Left, Purge},
    target::Scheme,
    visit::{Arrived, Rejected, Visit},
};
use words::{next, why};

/// A request that is not sent.
#[derive(Clone, Debug)]
pub struct Question {
    method: Method,
    scheme: Scheme,
    target: Target,
    headers: HeaderMap,
}

/// What would become of it.
struct Verdict {
    told: CacheStatus,
    /// What the look into memory found.
    found: Option<Found>,
    /// What it would be answered with, or what would be validated.
    stored: Option<Entry>,
}

impl Question {
    /// Reads a method, a URL, and fields as `Name: value`.
    ///
    /// # Errors
    /// What is wrong with them, in a sentence.
    pub fn new(method: &str, url: &str, fields: &[String]) -> Result<Question, String> {
        let method = Method::from_bytes(method.as_bytes());
        let method = method.map_err(|_| "method is none: write it as in GET".to_owned())?;
        let scheme = match url.split_once("://") {
            Some((scheme, _)) => Scheme::parse(scheme).unwrap_or_default(),
            None => Scheme::default(),
        };
        let target = Target::of_url(url).map_err(|why| format!("url {why}"))?;
        let mut headers = HeaderMap::new();
        for field in fields {
            let (name, value) = pair(field)
                .ok_or_else(|| "header is no field: write it as in Accept: text/html".to_owned())?;
            headers.append(name, value);
        }
        if !headers.contains_key(http::header::HOST)
            && let Ok(host) = HeaderValue::from_str(&target.authority)
        {
            headers.insert(http::header::HOST, host);
        }
        Ok(Question { method, scheme, target, headers })
    }

    fn head(&self) -> request::Parts {
        let (mut head, ()) = http::Request::new(()).into_parts();
        head.method = self.method.clone();
        head.uri = self.target.path.clone().into();
        head.headers = self.headers.clone();
        head
    }

    /// Of the client's certificate, as whoever asks says.
    fn subject(&self, snapshot: &Snapshot) -> Option<Arc<HeaderValue>> {
        let field = snapshot.tls.as_ref()?.clients.subject.as_ref()?;
        self.headers.get(field).cloned().map(Arc::new)
    }

    fn has_content(&self) -> bool {
        let length = self.headers.get(http::header::CONTENT_LENGTH);
        length.is_some_and(|length| length != "0")
            || self.headers.contains_key(http::header::TRANSFER_ENCODING)
    }
}

fn pair(field: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = field.split_once(':')?;
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    Some((name, HeaderValue::from_str(value.trim()).ok()?))
}

impl Proxy {
    /// Answers in JSON.
    pub async fn explain(&self, question: &Question) -> Value {
        let (snapshot, now) = (self.snapshot.load_full(), self.clock.now());
        let Question { method, scheme, target, .. } = question;
        let url = format!("{}://{}{}", scheme.as_str(), target.authority, target.path);
        let request = json!({ "method": method.as_str(), "url": url });
        let visit = match question.visit(&snapshot, now) {
            Ok(visit) => visit,
            Err(Rejected { refusal, .. }) => {
                let told = CacheStatus::Refused(Refused::Refusal(refusal));
                return json!({ "request": request, "verdict": verdict(&told, None) });
            }
        };
        let verdict = self.verdict_of(&visit, now).await;
        let last = self.recent.of(visit.primary);
        let not_stored = last.and_then(|last| last.told.reason());
        let mut told = json!({
            "request": request,
            "verdict": self::verdict(&verdict.told, not_stored),
            "route": route(&visit.route),
            "key": key(&visit),
        });
        if visit.route.cache.mode == Mode::Shadow
            && let Some(store) = self.shadow()
        {
            let found = store.get(visit.primary, &visit.head.headers, now);
            told["shadow"] = self::verdict(&would_be(&visit, &found, now).0, None);
        }
        if let Some(found) = &verdict.found {
            told["variant"] = variant(found);
            if let Some(left) = self.store.how_it_left(&found.place) {
                told["left"] = self::left(&left);
            }
            let named = self.store.named(found.place.key);
            if let Some(purge) = named.and_then(|named| self.store.purge_of(&named)) {
                told["purge"] = self::purge(&purge);
            }
        }
        if let Some(entry) = &verdict.stored {
            told["stored"] = stored(entry, tier(&verdict.told), now);
        }
        if let Some(last) = last {
            told["last"] = decided(&last.told, last.status, last.at);
        }
        told
    }

    /// The steps of the journey that only look.
    async fn verdict_of(&self, visit: &Visit, now: Now) -> Verdict {
        let (route, head) = (&visit.route, &visit.head);
        let done = |told| Verdict { told, found: None, stored: None };
        let content = visit.content.then_some(0);
        if let Err(invalid) = route.validation.check(&head.method, &head.headers, content) {
            return done(reply::invalid(invalid, &route.validation, &head.headers).status);
        }
        if visit.ends_here() {
            return done(reply::options().status);
        }
        if !route.cache.is_on() || visit.upgrade != Upgrade::No {
            return done(bypassed(fetch::why_bypassed(visit, Fwd::Bypass)));
        }
        let found = self.store.get(visit.primary, &head.headers, visit.arrived);
        if let Some(answer) = found.part.as_ref().and_then(|part| self.part_hit(visit, part)) {
            return Verdict { told: answer.status, found: Some(found), stored: None };
        }
        let (told, stored) = would_be(visit, &found, now);
        let missed = matches!(told, CacheStatus::Forwarded(it) if it.missed.is_some());
        if missed && let Some(entry) = self.seen_afar(visit, &found.place).await {
            let found = Found { stored: Ok(entry), ..found };
            if let (CacheStatus::Hit { ttl, .. }, stored) = would_be(visit, &found, now) {
                let told = CacheStatus::Hit { ttl, detail: Some(Reason::Found(Tier::L2)) };
                return Verdict { told, found: Some(found), stored };
            }
            return Verdict { told, found: Some(found), stored: None };
        }
        Verdict { told, found: Some(found), stored }
    }
}

/// What would become of a request, by what was found for it.
pub(super) fn would_be(visit: &Visit, found: &Found, now: Now) -> (CacheStatus, Option<Entry>) {
    if visit.upgrade != Upgrade::No {
        return (forwarded(visit, Fwd::Bypass, None), None);
    }
    let (rules, stored) = (&visit.route.cache.rules, found.stored.clone());
    let fresh = |entry: &Entry| cache_status::ttl(&entry.head.meta, now);
    match policy::decide(&visit.asked, rules, stored, now) {
        Decision::Serve(entry) => {
            (CacheStatus::Hit { ttl: fresh(&entry), detail: None }, Some(entry))
        }
        Decision::ServeStale(entry) => {
            let detail = Some(Reason::Stale(Stale::WhileRevalidate));
            (CacheStatus::Hit { ttl: fresh(&entry), detail }, Some(entry))
        }
        Decision::Validate(entry, fwd) => (forwarded(visit, fwd, None), Some(entry)),
        Decision::Fetch(fwd) | Decision::Pass(fwd) => {
            (forwarded(visit, fwd, found.missed), found.stored.clone().ok())
        }
        Decision::Unsatisfiable => (reply::only_if_cached(&visit.head.headers).status, None),
    }
}

/// What goes forward, by the rules for single requests.
fn forwarded(visit: &Visit, fwd: Fwd, missed: Option<Missed>) -> CacheStatus {
    let told = CacheStatus::forwarded(fwd).missed(missed);
    match fwd {
        Fwd::Bypass => bypassed(Some(fetch::rule_of_bypass(visit))),
        _ => CacheStatus::Forwarded(told),
    }
}

fn bypassed(rule: Option<Bypass>) -> CacheStatus {
    let told = CacheStatus::forwarded(Fwd::Bypass);
    CacheStatus::Forwarded(rule.map_or(told, |rule| told.detail(Reason::Bypassed(rule))))
}

impl Question {
    fn visit(&self, snapshot: &Snapshot, at: Now) -> Result<Visit, Rejected> {
        let (head, content) = (self.head(), self.has_content());
        let way = match self.scheme {
            Scheme::Http => Way::Plain,
            Scheme::Https => Way::Secure(self.subject(snapshot)),
        };
        Visit::new(snapshot, Arrived { head, content, peer: PeerAddr::Unix, way, at, ids: None })
    }
}

impl Proxy {
    /// How a route is doing; `None` where there is none of that name.
    #[must_use]
    pub fn explain_route(&self, name: &str) -> Option<Value> {
        let snapshot = self.snapshot.load();
        let found = snapshot.routes.iter().find(|route| route.name == name)?;
        Some(json!({ "route": route(found), "shadow": found.metrics.shadow.told() }))
    }
}

/// What would become of it. `last` is why its like was not stored: of a miss, that says more than
/// that nothing is there.
fn verdict(told: &CacheStatus, last: Option<Reason>) -> Value {
    let cold = told.reason() == Some(Reason::Missed(Miss::Cold));
    let last = last.filter(|last| cold && matches!(last, Reason::NotStored(_)));
    let reason = last.or(told.reason());
    let mut verdict = json!({
        "cache": told.outcome(),
        "class": reason.map_or(told.outcome(), Reason::class),
        "reason": reason.map_or("", Reason::token),
        "why": why(told, reason),
        "next": next(told, reason),
    });
    if let Some(field) = told.missed().and_then(|missed| missed.field) {
        verdict["field"] = json!(field.as_str());
    }
    if let CacheStatus::Hit { ttl, .. } = told {
        verdict["ttl"] = json!(ttl);
    }
    verdict
}

fn route(route: &Route) -> Value {
    let limits = route.throttle.count();
    json!({
        "name": route.name,
        "line": route.line,
        "upstream": route.upstream.config().name,
        "mode": mode(route.cache.mode),
        "limits": limits,
    })
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::On => "on",
        Mode::Off => "off",
        Mode::Shadow => "shadow",
    }
}

fn key(visit: &Visit) -> Value {
    let mut parts = json!({
        "route": visit.route.name,
        "scheme": visit.believed.scheme.as_str(),
        "authority": &*visit.authority,
        "path": visit.head.uri.path(),
        "query": visit.head.uri.query(),
        "generation": visit.route.generation,
        "hash": hash(visit.primary),
    });
    if visit.head.uri.path_and_query() != Some(&visit.target) {
        parts["target"] = json!(visit.target.as_str());
    }
    parts
}

/// The beginning of a key: enough to tell two apart.
fn hash(key: crate::key::Key) -> String {
    key.as_bytes()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn variant(found: &Found) -> Value {
    let Some(vary) = &found.place.vary else { return Value::Null };
    let names: Vec<&str> = vary.names().iter().map(HeaderName::as_str).collect();
    json!({ "by": names, "hash": hash(found.place.key), "listed": vary.listed() })
}

fn tier(told: &CacheStatus) -> &'static str {
    match told.reason() {
        Some(Reason::Found(tier)) => tier.token(),
        _ => "l1",
    }
}

fn stored(entry: &Entry, tier: &str, now: Now) -> Value {
    let meta = &entry.head.meta;
    let text = |bytes: Option<&[u8]>| bytes.map(|it| String::from_utf8_lossy(it).into_owned());
    json!({
        "tier": tier,
        "status": entry.head.status.as_u16(),
        "bytes": entry.body.len(),
        "age": meta.age(now) / 1000,
        "lifetime": meta.lifetime,
        "fresh_for": cache_status::ttl(meta, now),
        "usable_for": meta.usable_for(now).div_euclid(1000),
        "etag": text(entry.head.validators().etag),
    })
}

fn left(left: &Left) -> Value {
    json!({ "why": left.why.token(), "by": left.by, "at": words::time(left.at) })
}

fn purge(purge: &Purge) -> Value {
    json!({
        "seq": purge.seq,
        "what": purge.what,
        "by": purge.by.word(),
        "soft": purge.manner != crate::store::Manner::Hard,
        "at": words::time(purge.at),
    })
}

fn decided(told: &CacheStatus, status: u16, at: Wall) -> Value {
    let mut decided = json!({
        "at": words::time(at),
        "status": status,
        "cache": told.outcome(),
        "reason": told.reason().map_or("", Reason::token),
    });
    if let CacheStatus::Forwarded(forwarded) = told {
        decided["stored"] = json!(forwarded.stored);
    }
    decided
}
