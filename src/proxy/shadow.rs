//! `mode = "shadow"`: what the cache would have done, measured on what is relayed anyway.
//!
//! The answers go through the same policy into a store of its own, which keeps their heads and the
//! names of their bodies, but not the bodies; so memory is bounded by [`MAX_SIZE`] and not by what
//! is stored. Nothing is ever served from it. A would-be hit leaves what is stored there as it is,
//! and is compared with what the API said in that moment.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body::Body as _;

use super::{Fetch, Proxy, explain, storable, variants::renewed};
use crate::{
    cache_status::CacheStatus,
    clock::Clock,
    config::Mode,
    metrics::{Metrics, shadow::Compared},
    policy::{
        Exchange, Fwd, Received,
        asked::Method,
        validation::{self, Validators},
    },
    reply,
    store::{BodyHasher, BodyId, Entry, Head, Place, Store},
    upstream::ResponseBody,
    visit::Visit,
};

/// Bytes of heads, as the store counts them.
const MAX_SIZE: u64 = 32 << 20;

/// A relayed request whose response is looked at.
pub(super) struct Watch {
    fetch: Fetch,
    /// What would have been served, and how old it was; `None`: the API would have been asked.
    would: Option<(Entry, Duration)>,
}

/// A relayed response whose body goes by.
#[derive(Debug)]
pub struct Watched {
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    clock: Clock,
    hasher: BodyHasher,
    coding: Option<Vec<u8>>,
    /// Bytes that may still come; `None`: it is too long to be stored.
    left: Option<u64>,
    then: Then,
}

/// What to do with the name of the body.
#[derive(Debug)]
enum Then {
    /// Compare it with what would have been served.
    Compare(Entry, Duration),
    /// Store it under this head.
    Store(Box<(Place, Head, crate::store::Turn)>),
}

impl Proxy {
    /// The store of what would be stored, where any route has needed it yet.
    pub(super) fn shadow(&self) -> Option<&Arc<Store>> {
        self.shadow.get()
    }

    /// Looks at a request on its way, where its route is in shadow mode.
    pub(super) fn watch(&self, visit: &Visit) -> Option<Watch> {
        if visit.route.cache.mode != Mode::Shadow {
            return None;
        }
        let store = self.shadow.get_or_init(|| Arc::new(Store::new(MAX_SIZE)));
        let now = self.clock.now();
        let found = store.get(visit.primary, &visit.head.headers, now);
        let (told, stored) = explain::would_be(visit, &found, now);
        visit.route.metrics.shadow.would(&told);
        if !matches!(visit.asked.method, Method::Get | Method::Head) {
            return None;
        }
        let would = match told {
            CacheStatus::Hit { .. } => stored.clone().map(|entry| {
                let age = u64::try_from(entry.head.meta.age(now)).unwrap_or(0);
                (entry, Duration::from_millis(age))
            }),
            CacheStatus::Forwarded(_) | CacheStatus::Refused(_) => None,
        };
        let stored = stored.filter(|_| would.is_none());
        let mut fetch = Fetch::new(Arc::new(visit.clone()), found.place, stored, Fwd::Bypass);
        if !visit.listed {
            store.set_apart(visit.bare());
        }
        (fetch.asked, fetch.began) = (store.turn(), store.moment());
        Some(Watch { fetch, would })
    }
}

impl Watch {
    /// Judges the head; what is left to do once the body has gone by.
    pub(super) fn judge(
        self,
        proxy: &Proxy,
        exchange: Exchange,
        response: &Response<ResponseBody>,
    ) -> Option<Watched> {
        let store = proxy.shadow()?;
        let metrics = self.fetch.visit.route.metrics.clone();
        let limit = self.fetch.visit.route.cache.max_object_size;
        let then = match &self.would {
            Some((entry, age)) => match compared(entry, *age, &self.fetch.visit, response) {
                Some(compared) => {
                    metrics.shadow.compared(compared);
                    return None;
                }
                None => Then::Compare(entry.clone(), *age),
            },
            None => self.kept(store, exchange, response)?,
        };
        let coding = response.headers().get(header::CONTENT_ENCODING);
        Some(Watched {
            store: store.clone(),
            metrics,
            clock: proxy.clock.clone(),
            hasher: BodyHasher::default(),
            coding: coding.map(|coding| coding.as_bytes().to_vec()),
            left: Some(limit),
            then,
        })
    }

    /// Where a response would be stored; one that freshens what is stored already does so now.
    fn kept(
        self,
        store: &Store,
        exchange: Exchange,
        response: &Response<ResponseBody>,
    ) -> Option<Then> {
        let Watch { mut fetch, .. } = self;
        let stored = fetch.stored.take();
        let status = response.status();
        if status == StatusCode::NOT_MODIFIED {
            let stored = stored.filter(|it| is_same_tag(it, response))?;
            let head = renewed(&fetch, &stored, response, exchange).ok()?;
            store.put(&fetch.place, stored.freshened(head, fetch.asked), exchange.response);
            return None;
        }
        let limit = fetch.visit.route.cache.max_object_size;
        if response.body().size_hint().lower() > limit {
            return None;
        }
        let Received::Storable(meta) = fetch.judge(exchange, status, response.headers()) else {
            return None;
        };
        let names = fetch.selecting(response.headers()).ok()?;
        let mut headers = response.headers().clone();
        let _ = storable::withhold(&mut headers, status, &fetch.visit);
        storable::make_storable(&mut headers, &fetch.visit, exchange.response);
        reply::end_to_end(&mut headers, response.version());
        let head = fetch.head(meta, status, &headers);
        let place = store.place(fetch.visit.primary, fetch.places(names));
        Some(Then::Store(Box::new((place, head, fetch.asked))))
    }
}

/// What can be said before the body has come; `None`: only the body can tell.
fn compared(
    entry: &Entry,
    age: Duration,
    visit: &Visit,
    response: &Response<ResponseBody>,
) -> Option<Compared> {
    match response.status() {
        StatusCode::NOT_MODIFIED if is_same_tag(entry, response) => Some(Compared::Same),
        // What would have been served instead of these may be what is wanted.
        status if status.is_server_error() => Some(Compared::Unknown),
        StatusCode::NOT_MODIFIED | StatusCode::PARTIAL_CONTENT => Some(Compared::Unknown),
        status if status != entry.head.status => Some(Compared::Differs(age)),
        _ if visit.is_head() => Some(Compared::Unknown),
        _ => None,
    }
}

fn is_same_tag(entry: &Entry, response: &Response<ResponseBody>) -> bool {
    let named = Validators::of(response.headers()).etag;
    let own = validation::strong_tag(entry.head.origin_validators());
    named.is_some() && named == own
}

impl Watched {
    /// The next bytes of the body.
    pub fn update(&mut self, chunk: &[u8]) {
        self.left = self.left.and_then(|left| left.checked_sub(chunk.len() as u64));
        if self.left.is_some() {
            self.hasher.update(chunk);
        }
    }

    /// The body has ended, or broken off.
    pub fn finish(mut self, whole: bool) {
        let known = whole && self.left.is_some();
        let id = self.hasher.finish(self.coding.as_deref());
        match self.then {
            Then::Compare(..) if !known => {
                self.metrics.shadow.compared(Compared::Unknown);
            }
            Then::Compare(entry, _) if entry.id() == id => {
                self.metrics.shadow.compared(Compared::Same);
            }
            Then::Compare(_, age) => self.metrics.shadow.compared(Compared::Differs(age)),
            Then::Store(_) if !known => {}
            Then::Store(kept) => {
                let (place, head, asked) = *kept;
                let body: (Bytes, BodyId) = (Bytes::new(), id);
                self.store.put(&place, Entry::new(head, body, asked), self.clock.now());
            }
        }
    }
}
