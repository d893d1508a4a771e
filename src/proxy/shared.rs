//! The shared tier on a request's way: looked into before the origin is asked, written behind the
//! reply, and told what becomes invalid.
//!
//! Without `[cache.redis]` there is none, and nothing here does anything. With it, a fetch looks
//! there once, however many wait for it; while the link is down that costs a load.

use std::sync::Arc;

use super::{Fetch, Proxy, purge::Purged};
use crate::{
    clock::Clock,
    collapse::{InFlight, Outcome},
    config::Config,
    key::Key,
    policy::{self, Asked, Decision, Fwd, asked::Method, encoding::Forms, rules::Authorization},
    reason::{Reason, Tier},
    reply::Answer,
    store::{
        self, Entry, Manner, Moment, Place, Scope, Told,
        redis::{Began, Counters, Event, Looked, Purging, Remote, Shared, Store, What},
    },
    visit::Visit,
};

/// How long a list of variants lies there at least, in milliseconds: the next variant may be of use
/// for longer than this one.
const LIST_LASTS: i64 = 3_600_000;

/// How long a purge waits for the other nodes to say that they have it.
const ACKNOWLEDGED_WITHIN: std::time::Duration = std::time::Duration::from_secs(1);

/// What of a response is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// All of it.
    Whole,
    /// Its head: a 304, or a 200 to HEAD, has freshened it.
    Head,
}

/// What a look into the shared tier found.
struct Afar {
    /// Where the response lies, or would lie.
    place: Place,
    entry: Option<Entry>,
    /// The version that lies there, of use or not; 0 where there is none.
    seen: u64,
}

/// Begins to use the shared tier, where there is one.
pub(super) fn link(
    config: &Config,
    store: &Arc<store::Store>,
    in_flight: &Arc<InFlight>,
    clock: &Clock,
) -> Result<Option<Remote>, String> {
    let Some(redis) = &config.redis else { return Ok(None) };
    let max_blind = redis.max_blind;
    let (store, in_flight, time) = (store.clone(), in_flight.clone(), clock.clone());
    let handler = move |event: Event| {
        let now = time.now();
        if let Event::Invalidated(key) = &event {
            in_flight.disown(*key);
        }
        store.hear(&event, now);
        if event == Event::Down {
            let (store, time) = (Arc::downgrade(&store), time.clone());
            tokio::spawn(async move {
                time.sleep(max_blind).await;
                store.upgrade().iter().for_each(|store| store.doubt_silence(now.mono));
            });
        }
    };
    Remote::start(redis, clock.clone(), Arc::<Counters>::default(), handler).map(Some)
}

impl Proxy {
    /// Looks into the shared tier for a fetch; what it finds fresh is for all who follow. What is
    /// stale is validated.
    pub(super) async fn look_afar(&self, fetch: &mut Fetch) -> Option<Outcome> {
        match fetch.visit.looked {
            true => None,
            false => self.look_afar_again(fetch).await,
        }
    }

    /// The same, although it was looked for before: another node has been waited for.
    pub(super) async fn look_afar_again(&self, fetch: &mut Fetch) -> Option<Outcome> {
        let visit = fetch.visit.clone();
        let Afar { place, entry, seen } = self.found_afar(&visit, &fetch.place).await?;
        if place.key != fetch.place.key || seen != 0 {
            fetch.seen = seen;
        }
        let Some(entry) = entry else {
            // The target's variants are known now, and that this one is not there.
            if fetch.stored.is_none() && fetch.part.is_none() {
                fetch.place = place;
            }
            return None;
        };
        let rules = &visit.route.cache.rules;
        let (stored, fwd) = match policy::decide(&visit.asked, rules, Ok(entry), self.clock.now()) {
            Decision::Serve(entry) => return Some(Outcome::Found { place, entry }),
            Decision::ServeStale(stored) => (stored, Fwd::Stale),
            Decision::Validate(stored, fwd) => (stored, fwd),
            Decision::Fetch(_) | Decision::Pass(_) | Decision::Unsatisfiable => return None,
        };
        let received = |entry: &Entry| entry.head.meta.received;
        if fetch.stored.as_ref().is_none_or(|known| received(known) < received(&stored)) {
            (fetch.place, fetch.stored, fetch.part, fetch.fwd) = (place, Some(stored), None, fwd);
        }
        None
    }

    /// An answer from the shared tier to a request that no fetch is for.
    pub(super) async fn hit_afar(&self, visit: &Visit, place: &Place) -> Option<Answer> {
        let Asked { method, content, bypass, .. } = visit.asked;
        if !matches!(method, Method::Get | Method::Head)
            || content
            || bypass.is_some()
            || visit.looked
        {
            return None;
        }
        let entry = self.found_afar(visit, place).await?.entry?;
        let rules = &visit.route.cache.rules;
        match policy::decide(&visit.asked, rules, Ok(entry), self.clock.now()) {
            Decision::Serve(entry) => Some(self.hit(visit, &entry, Some(Reason::Found(Tier::L2)))),
            _ => None,
        }
    }

    /// What another node has stored for a request; it lies here, too, from now on.
    async fn found_afar(&self, visit: &Visit, place: &Place) -> Option<Afar> {
        let remote = self.remote.as_ref().filter(|_| is_shared(visit))?;
        let look = self.store.look();
        let (place, looked) = match self.times.of_l2(remote.lookup(place.key)).await {
            Looked::Vary(vary) if place.vary.is_none() => {
                let headers = &visit.head.headers;
                let place = self.store.adopt(place.primary, vary, headers, look)?;
                let looked = self.times.of_l2(remote.lookup(place.key)).await;
                (place, looked)
            }
            looked => (place.clone(), looked),
        };
        let Looked::Response { head, body } = looked else {
            return Some(Afar { place, entry: None, seen: 0 });
        };
        let seen = head.version;
        let forms = Forms::of(&head.fields.to_map(), &visit.route.packing);
        let entry = self.store.put_found(&place, (*head, body, forms), look, self.clock.now());
        Some(Afar { place, entry, seen })
    }

    /// What another node has stored for a request, and nothing of it is kept here.
    pub(super) async fn seen_afar(&self, visit: &Visit, place: &Place) -> Option<Entry> {
        let remote = self.remote.as_ref().filter(|_| is_shared(visit))?;
        let look = self.store.look();
        let found = match remote.lookup(place.key).await {
            Looked::Vary(vary) if place.vary.is_none() => {
                remote.lookup(vary.key(place.primary, &visit.head.headers)).await
            }
            found => found,
        };
        let Looked::Response { head, body } = found else { return None };
        let forms = Forms::of(&head.fields.to_map(), &visit.route.packing);
        self.store.found((*head, body, forms), look, self.clock.now())
    }

    /// When a fetch begins, as the shared tier counts; to be taken before it is sent.
    pub(super) fn began_afar(&self) -> Began {
        self.remote.as_ref().map(Remote::began).unwrap_or_default()
    }

    /// Shares what was stored here, behind the reply.
    pub(super) fn share(&self, fetch: &Fetch, (place, entry): (&Place, &Entry), news: News) {
        let Some(remote) = self.remote.as_ref().filter(|_| is_shared(&fetch.visit)) else { return };
        if !remote.takes(entry.body.len()) {
            // What it replaces must not be found there any more.
            if fetch.stored.is_some() {
                remote.invalidate(&[place.key]);
            }
            return;
        }
        // What was purged while it was fetched is nobody's any more.
        if !self.store.is_current(&entry.head.named) {
            return;
        }
        let (began, token) = (fetch.heard, fetch.token);
        if let Some(vary) = self.store.listed(place) {
            let kept = entry.head.meta.usable_for(self.clock.now()).max(LIST_LASTS);
            let what = What::Vary(store::Vary::clone(&vary), kept.unsigned_abs());
            remote.store(Store { key: place.primary, what, began, token });
        }
        let head = Box::new(Shared::of(entry));
        let what = match news {
            News::Whole => What::Response(head, entry.body.clone()),
            News::Head => What::Head(head, entry.body.clone()),
        };
        remote.store(Store { key: place.key, what, began, token });
    }

    /// Drops what the other nodes have under a key.
    pub(super) fn invalidate_afar(&self, key: Key) {
        if let Some(remote) = &self.remote {
            remote.invalidate(&[key]);
        }
    }

    /// Purges on this node. What it gives is to be held until the others have been told: before
    /// that, what lies in the shared tier cannot be compared with this.
    pub(super) fn purge_here(
        &self,
        scope: &Scope,
        manner: Manner,
        told: Told<'_>,
    ) -> (Moment, Option<Purging>) {
        let purging = self.remote.as_ref().map(Remote::purging);
        let now = self.clock.now();
        let moment = self.store.purge(scope, manner, now, told);
        if let Some(shadow) = self.shadow() {
            let _ = shadow.purge(scope, manner, now, told);
        }
        (moment, purging)
    }

    /// Purges on this node, and tells the others behind the reply.
    pub(super) fn purge_behind(self: &Arc<Self>, scope: &Scope, manner: Manner, told: Told<'_>) {
        let (_, purging) = self.purge_here(scope, manner, told);
        if self.remote.is_some() {
            let members = store::members(scope, manner);
            let proxy = self.clone();
            tokio::spawn(async move {
                if let Some(remote) = &proxy.remote {
                    // What is not written is told later.
                    let _ = remote.purge(&members).await;
                }
                drop(purging);
            });
        }
    }

    /// Whether this is done for the first time, as far as the nodes know.
    pub async fn is_first(&self, what: &[u8; 32]) -> bool {
        match &self.remote {
            Some(remote) => remote.is_first(what).await.unwrap_or(true),
            None => true,
        }
    }

    /// Tells the others of a purge that is done here, and waits until they say that they have it.
    pub(super) async fn purged_by_all(
        self: &Arc<Self>,
        (scope, manner): (&Scope, Manner),
        (here, purging): (Purged, Option<Purging>),
    ) -> Purged {
        if self.remote.is_none() {
            return here;
        }
        let (proxy, members) = (self.clone(), store::members(scope, manner));
        // Whoever asked may leave; that must not leave the others out.
        let told = tokio::spawn(async move {
            let remote = proxy.remote.as_ref()?;
            let told = remote.purge(&members).await;
            drop(purging);
            let seq = told.ok()?;
            Some((seq, remote.acknowledged(seq, ACKNOWLEDGED_WITHIN).await))
        });
        let Ok(Some((seq, acks))) = told.await else { return Purged { written: false, ..here } };
        let mut nodes = acks.acknowledged;
        nodes.extend(
            here.nodes.into_iter().filter(|node| !nodes.contains(node)).collect::<Vec<_>>(),
        );
        let own = |node: &String| self.remote.as_ref().is_some_and(|it| it.node() == node);
        let missing = acks.missing.into_iter().filter(|node| !own(node)).collect();
        Purged { seq: seq.0, nodes, missing, written: true }
    }
}

/// Whether the answer may lie in the shared tier. One user's alone may not: its key is a hash of
/// the credential, and a weak credential could be guessed by it. Nor may what is fetched under a
/// claim of a trusted proxy: another node that invalidates its target does not know that key.
pub(super) fn is_shared(visit: &Visit) -> bool {
    let isolated = visit.route.cache.rules.authorization == Authorization::Isolate;
    visit.claim.is_none() && !(isolated && visit.asked.authorization)
}
