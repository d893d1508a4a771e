//! Conditions of a request that is forwarded: entity-tags of ours mean nothing to the origin, so
//! they are judged here, by what is stored and known to be current.

use std::sync::Arc;

use http::{header, request};

use super::{Fetch, Proxy};
use crate::{
    policy::{
        self, Decision, Fwd,
        validation::{self, Condition},
    },
    snapshot::Snapshot,
    visit::Visit,
};

impl Proxy {
    /// Takes the entity-tags that are ours out of a request's conditions, or judges them. Where there
    /// is no cache none is ours: one that looks so is of a Larder behind this one.
    pub(super) async fn settle_conditions(
        self: &Arc<Self>,
        visit: &Visit,
        snapshot: &Snapshot,
        head: &mut request::Parts,
    ) -> Condition {
        if !visit.route.cache.is_on() {
            validation::restore_tags(&visit.head.method, &mut head.headers);
            return Condition::Forward;
        }
        let current = match validation::asks_for_ours(&head.method, &head.headers) {
            true => self.current_tag(visit, snapshot).await,
            false => None,
        };
        let (method, headers) = (head.method.clone(), &mut head.headers);
        validation::forward_conditions(&method, headers, current.as_deref())
    }

    /// The entity-tag of the stored response to a GET of the same target, validated if need be:
    /// only so is it known to be current.
    async fn current_tag(self: &Arc<Self>, visit: &Visit, snapshot: &Snapshot) -> Option<Vec<u8>> {
        let now = self.clock.now();
        let visit = visit.as_get(snapshot)?;
        let found = self.store.get(visit.primary, &visit.head.headers, now);
        // What this client may not have from the cache is nothing to judge its tag by.
        let rules = &visit.route.cache.rules;
        let stored = match policy::decide(&visit.asked, rules, found.stored, now) {
            Decision::Serve(stored) if stored.head.meta.fresh_for(now) > 0 => {
                return stored.head.validators().etag.map(<[u8]>::to_vec);
            }
            Decision::Serve(stored)
            | Decision::ServeStale(stored)
            | Decision::Validate(stored, _) => stored,
            Decision::Fetch(_) | Decision::Pass(_) | Decision::Unsatisfiable => return None,
        };
        let fetch = Fetch::new(Arc::new(visit), found.place, Some(stored), Fwd::Stale);
        // The request for which it is asked has paid.
        let fetch = Fetch { paid: true, ..fetch };
        let answer = Box::pin(self.follow(Box::new(fetch))).await;
        if answer.status.is_stale() {
            return None;
        }
        let answer = answer.response;
        let tag = answer.headers().get(header::ETAG).filter(|_| answer.status().is_success());
        tag.map(|tag| tag.as_bytes().to_vec())
    }
}
