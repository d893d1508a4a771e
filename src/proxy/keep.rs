//! What is kept of the exchanges that are relayed: the parts that a Range brings (RFC 9111 §3.3),
//! what a POST says of its own target (RFC 9110 §9.3.3), what a HEAD says of a stored GET
//! (RFC 9111 §4.3.5).

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body::Body as _;

use super::{
    Fetch, Proxy, fetch,
    shared::News,
    steps::{self, Room},
    storable,
    variants::{merged, renewed},
};
use crate::{
    body::Body,
    cache_status::{self, CacheStatus, Forwarded},
    collapse::{Arrival, Company, Leader, fill::Fill},
    fields::Upgrade,
    key::Key,
    policy::{
        self, Asked, Decision, Exchange, Fwd, Meta, Unstorable,
        asked::Method as Cacheable,
        invalidation,
        partial::{self, ContentRange, OF_THE_CONTENT},
        ranges,
        rules::Authorization,
        storing,
        validation::{self, HeadSays},
    },
    reply::{self, Answer},
    snapshot::Snapshot,
    store::{BodyHasher, Entry, Head, Part, Place},
    upstream::ResponseBody,
    visit::Visit,
};

/// Watches a relayed request whose response the cache may learn from. It is known to the others
/// from before it is sent: what they make invalid in the meantime, this one does not bring back.
pub(super) struct Keeper {
    fetch: Fetch,
    leader: Leader,
    learns: Learns,
}

/// What can be learnt from a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Learns {
    /// A part, from the 206 to a GET.
    Part,
    /// The whole, from the 200 to a POST.
    Posted,
    /// What is current, from the 200 to a HEAD.
    Head,
}

/// A relayed response that is stored as it goes by.
pub(super) struct Kept {
    fetch: Fetch,
    leader: Leader,
    meta: Meta,
    room: Room,
    /// Which part it is; `None`: the whole.
    range: Option<ContentRange>,
}

/// A relayed response that is being stored.
struct Learnt {
    fetch: Fetch,
    leader: Leader,
    arrival: Arc<Arrival>,
    range: Option<ContentRange>,
}

impl Proxy {
    /// An answer from a stored part, where that is fresh and holds all that is asked for.
    pub(super) fn part_hit(&self, visit: &Visit, part: &Part) -> Option<Answer> {
        let (asked, rules, now) = (&visit.asked, &visit.route.cache.rules, visit.arrived);
        if !asked.range || asked.method != Cacheable::Get {
            return None;
        }
        // Parts are asked for as they are, wholes are not.
        if ranges::goes_by_date(&visit.head.headers) && fetch::may_come_packed(visit) {
            return None;
        }
        let Decision::Serve(part) = policy::decide(asked, rules, Ok(part.clone()), now) else {
            return None;
        };
        let ttl = cache_status::ttl(&part.head.meta, now);
        reply::from_part(visit, &part, now, CacheStatus::Hit { ttl, detail: None })
    }

    /// Who watches a relayed request, where there is something to learn from its response.
    pub(super) fn keeper(&self, visit: &Visit, snapshot: &Snapshot) -> Option<Keeper> {
        let (asked, route) = (&visit.asked, &visit.route);
        let kept_out = asked.bypass.is_some() || asked.no_store || visit.upgrade != Upgrade::No;
        if !route.cache.is_on() || kept_out {
            return None;
        }
        let learns = match visit.head.method {
            Method::GET if visit.asked.range => Learns::Part,
            Method::HEAD => Learns::Head,
            Method::POST => Learns::Posted,
            _ => return None,
        };
        let visit = match learns {
            Learns::Posted => visit.as_stored_get(snapshot)?,
            // If-Match and If-Unmodified-Since say nothing of what a success may be used for.
            Learns::Head => {
                Visit { asked: Asked { precondition: false, ..visit.asked }, ..visit.clone() }
            }
            Learns::Part => visit.clone(),
        };
        if !visit.route.cache.is_on() || visit.asked.bypass.is_some() || visit.asked.no_store {
            return None;
        }
        let place = self.store.get(visit.primary, &visit.head.headers, visit.arrived).place;
        let leader = self.alone(&place)?;
        let mut fetch = Fetch::new(Arc::new(visit), place, None, Fwd::Method);
        self.begin(&mut fetch);
        Some(Keeper { fetch, leader, learns })
    }

    /// Relays a response to its client, and stores what goes by.
    pub(super) fn relay_and_keep(
        self: &Arc<Self>,
        kept: Kept,
        mut response: Response<ResponseBody>,
        (visit, told): (&Visit, Forwarded),
    ) -> Answer {
        let Kept { mut fetch, mut leader, meta, room, range } = kept;
        if !leader.is_current() {
            // It was so until this response itself invalidated its target (RFC 9111 §4.4).
            leader = self.alone(&fetch.place).unwrap_or(leader);
            (fetch.began, fetch.heard) = (self.store.moment(), self.began_afar());
        }
        let mut head = Response::new(());
        *head.status_mut() = response.status();
        *head.version_mut() = response.version();
        head.headers_mut().clone_from(response.headers());
        // Its client gets them with all the rest.
        let status = response.status();
        let _ = storable::withhold(response.headers_mut(), status, &fetch.visit);
        let (arrival, fill, body) = self.receive(&fetch, response, meta, room);
        let told = told.stored(&arrival.head.meta, self.clock.now());
        let reader = arrival.filling.reader();
        let relayed = head.map(|()| reader.map_or(Body::Empty, Body::Arriving));
        let learnt = Learnt { fetch, leader, arrival, range };
        tokio::spawn(self.clone().learn(learnt, fill, body));
        let status = CacheStatus::Forwarded(told);
        reply::relayed(visit, relayed, status)
    }

    async fn learn(self: Arc<Self>, learnt: Learnt, mut fill: Fill, body: ResponseBody) {
        if !steps::drain(body, &mut fill, &learnt.leader).await {
            return;
        }
        let Learnt { fetch, leader, arrival, range } = &learnt;
        match range {
            Some(range) => {
                if let Ok((body, _)) = fill.finish(None) {
                    self.keep_part(&learnt, body, *range);
                }
            }
            None => {
                if let Ok(entry) = self.complete(fetch, arrival, fill) {
                    self.keep((fetch, leader), (&arrival.place, &entry), News::Whole);
                }
            }
        }
    }

    /// Stores a part, together with what is stored of the same representation (RFC 9111 §3.4).
    fn keep_part(&self, learnt: &Learnt, body: Bytes, range: ContentRange) {
        let Learnt { fetch, leader, arrival, .. } = learnt;
        let (place, now) = (&arrival.place, self.clock.now());
        let fields = arrival.head.fields.to_map();
        let older = self.store.part(place.key, now).filter(|older| older.continues(&fields));
        // An answer to If-Range may leave out what its client knows (RFC 9110 §15.3.7).
        if older.is_none() && fetch.visit.head.headers.contains_key(header::IF_RANGE) {
            return;
        }
        let head = head_of_whole(fetch, &arrival.head, fields, older.as_ref());
        let part = Part::new(head, body, range, fetch.asked);
        let part = older.map_or(part.clone(), |older| older.joined(part));
        if part.range.is_whole() {
            return self.keep((fetch, leader), (place, &whole(&part)), News::Whole);
        }
        self.hold_part(leader, place, part);
    }

    fn hold_part(&self, leader: &Leader, place: &Place, part: Part) {
        if leader.is_current() {
            self.store.put_part(place, part, self.clock.now());
            if !leader.is_current() {
                self.store.remove(place.key);
            }
        }
    }

    /// Updates the stored response, or the part of it, by a 200 to HEAD, or drops it.
    fn learn_from_head(
        &self,
        mut fetch: Fetch,
        leader: &Leader,
        response: &Response<ResponseBody>,
        exchange: Exchange,
    ) {
        let (key, now) = (fetch.place.key, exchange.response);
        let part = self.store.part(key, now);
        let headed =
            || part.as_ref().map(|part| Entry::without_body(part.head.clone(), part.asked));
        let Some(stored) = self.store.entry(key, now).or_else(headed) else { return };
        if stored.head.status != StatusCode::OK
            || stored.head.meta.received > exchange.request.mono
            || stored.asked > fetch.asked
            || is_of_its_own(&fetch.visit, &stored.head.meta)
        {
            return;
        }
        let length = part.as_ref().map_or(stored.body.len() as u64, |part| part.range.total);
        let says = validation::head_says(stored.head.validators(), length, response.headers());
        fetch.stored = Some(stored.clone());
        match (says, renewed(&fetch, &stored, response, exchange)) {
            (HeadSays::Other, _) => self.forget(key),
            (_, Err(why)) if why.ends_it() => self.forget(key),
            (HeadSays::Same, Ok(head)) => match part {
                None => {
                    let entry = stored.freshened(head, fetch.asked);
                    self.keep((&fetch, leader), (&fetch.place, &entry), News::Head);
                }
                Some(part) => self.hold_part(leader, &fetch.place, part.under(head)),
            },
            (HeadSays::Same | HeadSays::Nothing, _) => {}
        }
    }

    /// Drops what is stored under a key, on all nodes.
    pub(super) fn forget(&self, key: Key) {
        self.store.remove(key);
        self.invalidate_afar(key);
    }

    fn alone(&self, place: &Place) -> Option<Leader> {
        self.in_flight.join(place.primary, place.key, Company::Alone).1
    }
}

impl Keeper {
    /// What of a response is to be stored as it goes by. A HEAD's is made use of at once.
    ///
    /// # Errors
    /// Why nothing is, where it might have been.
    pub(super) fn judge(
        self,
        proxy: &Proxy,
        exchange: Exchange,
        response: &Response<ResponseBody>,
    ) -> Result<Kept, Option<Unstorable>> {
        let Keeper { fetch, leader, learns } = self;
        if !leader.is_current() {
            return Err(None);
        }
        let (meta, range) = match (learns, response.status()) {
            (Learns::Part, StatusCode::PARTIAL_CONTENT) => part(&fetch, exchange, response)?,
            (Learns::Posted, StatusCode::OK) => (posted(&fetch, exchange, response)?, None),
            (Learns::Head, StatusCode::OK) => {
                proxy.learn_from_head(fetch, &leader, response, exchange);
                return Err(None);
            }
            (Learns::Part | Learns::Posted | Learns::Head, _) => return Err(None),
        };
        if let Some(reason) = fetch::unsharable(&fetch.visit, response.headers()) {
            return Err(Some(reason));
        }
        // Later it is out of date by what this response itself invalidates, too.
        if !proxy.store.is_current(&fetch.named(response.headers())) {
            return Err(None);
        }
        let room = proxy.room_for(&fetch, response)?;
        Ok(Kept { fetch, leader, meta, room, range })
    }
}

fn part(
    fetch: &Fetch,
    exchange: Exchange,
    response: &Response<ResponseBody>,
) -> Result<(Meta, Option<ContentRange>), Unstorable> {
    let length = response.body().size_hint().exact();
    let context = fetch.context(exchange);
    let (meta, range) = partial::receive_part(context, response.headers(), length)?;
    match range.total <= fetch.visit.route.cache.max_object_size {
        true => Ok((meta, Some(range))),
        false => Err(Unstorable::TooLarge),
    }
}

/// Only what is located at its own target says anything of a later GET.
fn posted(
    fetch: &Fetch,
    exchange: Exchange,
    response: &Response<ResponseBody>,
) -> Result<Meta, Option<Unstorable>> {
    let (visit, headers) = (&fetch.visit, response.headers());
    let (scheme, target) = (visit.believed.scheme.as_str(), visit.target.as_str());
    let located = invalidation::is_located_at(scheme, &visit.authority, target, headers);
    if !located {
        return Err(None);
    }
    Ok(storing::receive_posted(fetch.context(exchange), headers)?)
}

/// Whether what a client's credentials bring may be another thing than what is stored for all.
pub(super) fn is_of_its_own(visit: &Visit, stored: &Meta) -> bool {
    let isolated = visit.route.cache.rules.authorization == Authorization::Isolate;
    let personal = visit.asked.cookie || (visit.asked.authorization && !isolated);
    visit.asked.directives.no_store || (personal && !stored.shared)
}

/// The head under which a part is stored: that of the whole, as far as is known.
fn head_of_whole(fetch: &Fetch, head: &Head, fields: HeaderMap, older: Option<&Part>) -> Head {
    let mut fields = match older {
        Some(older) => merged(&older.head.fields.to_map(), &fields),
        None => fields,
    };
    fields.remove(header::CONTENT_RANGE);
    OF_THE_CONTENT.iter().for_each(|name| drop(fields.remove(name)));
    fetch.head(head.meta, StatusCode::OK, &fields)
}

/// A part that has become the whole.
fn whole(part: &Part) -> Entry {
    let mut hasher = BodyHasher::default();
    hasher.update(&part.body);
    let id = hasher.finish(part.head.fields.get(&header::CONTENT_ENCODING));
    Entry::new(part.head.clone(), (part.body.clone(), id), part.asked)
}
