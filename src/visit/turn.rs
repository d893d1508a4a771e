//! A request that is turned into another by the same sender: all but the target stays as it was found
//! out to be.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, uri::PathAndQuery};

use super::{Visit, apply::apply_query, keys::under, want};
use crate::{
    fields::Upgrade,
    policy::Now,
    snapshot::Snapshot,
    target::{self, Refusal},
};

impl Visit {
    /// Whether a GET of another target on this route by the same sender differs from this in its
    /// target alone: nothing in its head is of this one's, and no rule looks at both.
    #[must_use]
    pub fn can_turn(&self) -> bool {
        let rules = &self.route.cache.rules;
        let plain = self.head.method == Method::GET && self.upgrade == Upgrade::No;
        plain
            && self.asked.bypass.is_none()
            && !(self.content || self.asked.condition || self.asked.range)
            && rules.bypass_when.is_empty()
            && rules.no_store_when.request.is_empty()
    }

    /// Makes this the GET of another target on the same route, where it [can](Self::can_turn) be.
    ///
    /// # Errors
    /// Why that target is not let in; this is none of either then.
    pub fn turn_to(&mut self, target: &PathAndQuery, at: Now) -> Result<(), Refusal> {
        let Visit { head, route, .. } = self;
        head.uri = target.clone().into();
        target::check_target(head)?;
        self.wanted = want(route, target, head);
        apply_query(route, head);
        self.target = target.clone();
        self.primary = under(self.bare(), self.claim);
        self.arrived = at;
        Ok(())
    }

    /// Whether it would take the same route with another target.
    #[must_use]
    pub fn keeps_route(&self, snapshot: &Snapshot, target: &PathAndQuery) -> bool {
        let (host, method) = (target::host(&self.authority), self.head.method.as_str());
        let route = snapshot.route(host, target.path(), method);
        route.is_some_and(|route| std::ptr::eq(&raw const **route, &raw const *self.route))
    }

    /// The same, in memory of its own, where it may be kept for as long as its connection lives: what
    /// hyper has read lies in its buffer, and would keep all of that. `None` where it cannot be.
    #[must_use]
    pub fn kept(mut self) -> Option<Visit> {
        let own = |target: &PathAndQuery| PathAndQuery::try_from(target.as_str().to_owned()).ok();
        // What was taken out of its head is missing for another target.
        if self.wanted.as_ref().is_some_and(|it| it.ranged || !it.conditions.is_empty()) {
            return None;
        }
        self.head.headers = copied(&self.head.headers);
        self.unseen =
            self.unseen.as_ref().and_then(|it| HeaderValue::from_bytes(it.as_bytes()).ok());
        let target = own(&self.target)?;
        if self.can_turn() {
            let at = self.arrived;
            self.turn_to(&target, at).ok()?;
            return Some(self);
        }
        self.head.uri = own(self.head.uri.path_and_query()?)?.into();
        self.target = target;
        self.wanted.is_none().then_some(self)
    }
}

/// The same fields, their values in memory of their own.
fn copied(fields: &HeaderMap) -> HeaderMap {
    let values = fields.values().flat_map(|value| value.as_bytes().iter().copied());
    let mut values = Bytes::from_iter(values);
    let mut own = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::from_maybe_shared(values.split_to(value.len())) {
            own.append(name, value);
        }
    }
    own
}
