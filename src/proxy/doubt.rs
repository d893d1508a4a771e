//! What an unsafe request makes invalid (RFC 9111 §4.4; RFC 9875), its outcome known or not.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use http::{HeaderMap, StatusCode, uri::PathAndQuery};

use super::Proxy;
use crate::{
    policy::{asked::Method, groups, invalidation},
    snapshot::Snapshot,
    store::{Manner, Name, Scope},
    visit::Visit,
};

/// Watches over a request whose effect on the origin is not known yet. Where it stays unknown
/// (the client left, the upstream broke off), what is stored for its target is dropped, to be
/// sure.
pub(super) struct Doubt<'a> {
    proxy: &'a Arc<Proxy>,
    visit: &'a Visit,
    snapshot: &'a Arc<Snapshot>,
    sent: &'a AtomicBool,
    settled: bool,
}

impl<'a> Doubt<'a> {
    pub(super) fn new(
        proxy: &'a Arc<Proxy>,
        visit: &'a Visit,
        snapshot: &'a Arc<Snapshot>,
        sent: &'a AtomicBool,
    ) -> Doubt<'a> {
        let settled = visit.asked.method != Method::Unsafe;
        Doubt { proxy, visit, snapshot, sent, settled }
    }

    /// The response's head has come.
    pub(super) fn settle(&mut self, status: StatusCode, headers: &HeaderMap) {
        if self.settled || std::mem::replace(&mut self.settled, true) {
            return;
        }
        if !invalidation::invalidates(&self.visit.asked, status) {
            return;
        }
        let listed = groups::invalidated(&self.visit.asked, status, headers);
        let origin = self.visit.origin();
        let mut names: Vec<Name> = listed.iter().map(|group| Name::tag(origin, group)).collect();
        names.extend(self.invalidate(&self.visit.target));
        let (scheme, authority) = (self.visit.believed.scheme.as_str(), &self.visit.authority);
        let path = self.visit.target.as_str();
        for target in invalidation::also_invalidated(scheme, authority, path, headers) {
            if let Ok(target) = PathAndQuery::try_from(target) {
                names.extend(self.invalidate(&target));
            }
        }
        self.invalidate_groups(names);
    }

    fn invalidate_groups(&self, names: Vec<Name>) {
        if !names.is_empty() {
            let now = self.proxy.clock.now();
            let scope = Scope::Tags(names);
            self.proxy.store.purge(&scope, Manner::Hard, now);
            self.proxy.purge_afar(&scope);
        }
    }

    /// Disown first, remove second: what is under way must not come back. Gives the names that
    /// what was stored shares with others, which are to be invalidated with it (RFC 9875 §2.2.1).
    fn invalidate(&self, target: &PathAndQuery) -> Vec<Name> {
        let now = self.proxy.clock.now();
        let keys = self.visit.get_keys(self.snapshot, target);
        let names = keys.flat_map(|key| {
            self.proxy.in_flight.disown(key);
            self.proxy.invalidate_afar(key);
            self.proxy.store.invalidate(key, now)
        });
        names.collect()
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if !self.settled && self.sent.load(SeqCst) {
            let names = self.invalidate(&self.visit.target);
            self.invalidate_groups(names);
        }
    }
}
