//! Look-ups in the shared tier for many requests at once: one round trip, however many there are.
//!
//! What is found lies in memory from then on, where each request finds it on its own way. One more
//! round trip is needed where a target's list of variants was not known yet.

use super::{Proxy, shared::is_shared};
use crate::{
    policy::{self, Decision, asked::Method, encoding::Forms},
    store::{Place, redis::Looked},
    visit::Visit,
};

impl Proxy {
    /// Looks for what these requests want and memory does not have.
    pub(super) async fn look_ahead(&self, visits: &mut [&mut Visit]) {
        let Some(remote) = &self.remote else { return };
        let look = self.store.look();
        let mut wanted: Vec<(&Visit, Place)> = Vec::new();
        for visit in visits.iter_mut() {
            let Some(place) = self.place_afar(visit) else { continue };
            visit.looked = true;
            wanted.push((visit, place));
        }
        for _ in 0..2 {
            if wanted.is_empty() {
                return;
            }
            let mut keys: Vec<_> = wanted.iter().map(|(_, place)| place.key).collect();
            keys.sort_unstable();
            keys.dedup();
            let found = remote.lookup_all(&keys).await;
            let mut variants = Vec::new();
            for (visit, place) in wanted {
                let Ok(index) = keys.binary_search(&place.key) else { continue };
                match found.get(index) {
                    Some(Looked::Response { head, body }) => {
                        let forms = Forms::of(&head.fields.to_map(), &visit.route.packing);
                        let found = (Clone::clone(&**head), body.clone(), forms);
                        let _ = self.store.put_found(&place, found, look, self.clock.now());
                    }
                    Some(Looked::Vary(vary)) if place.vary.is_none() => {
                        let headers = &visit.head.headers;
                        let place = self.store.adopt(place.primary, vary.clone(), headers, look);
                        variants.extend(place.map(|place| (visit, place)));
                    }
                    Some(Looked::Vary(_) | Looked::Nothing) | None => {}
                }
            }
            wanted = variants;
        }
    }

    /// Where what a request wants may lie in the shared tier, if memory cannot answer it.
    fn place_afar(&self, visit: &Visit) -> Option<Place> {
        let asked = &visit.asked;
        let reads = matches!(asked.method, Method::Get | Method::Head);
        if !visit.route.cache.is_on()
            || !reads
            || asked.content
            || asked.bypass.is_some()
            || !is_shared(visit)
        {
            return None;
        }
        let found = self.store.get(visit.primary, &visit.head.headers, visit.arrived);
        match policy::decide(asked, &visit.route.cache.rules, found.stored, visit.arrived) {
            Decision::Serve(_) | Decision::ServeStale(_) => None,
            Decision::Validate(..)
            | Decision::Fetch(_)
            | Decision::Pass(_)
            | Decision::Unsatisfiable => Some(found.place),
        }
    }
}
