//! What an unsafe request makes invalid (RFC 9111 §4.4; RFC 9875), its outcome known or not.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use http::{HeaderMap, StatusCode, uri::PathAndQuery};

use super::Proxy;
use crate::{
    key::Key,
    policy::{asked::Method, groups, invalidation},
    snapshot::Snapshot,
    store::{Name, Scope},
    visit::Visit,
};

/// Watches over a request whose effect on the origin is not known yet. Where it stays unknown
/// (the client left, the upstream broke off), what is stored for its target, and what shares a group
/// with that, is validated before its next use. It is not dropped: who can send a request and leave
/// cannot take anything out of the cache.
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
            self.proxy.purge_behind(&Scope::Tags(names), Manner::Hard);
        }
    }

    /// Only what is there, or on its way: names are remembered, and whoever made them up in
    /// numbers would push others out.
    fn doubt(&self) {
        let (proxy, target) = (self.proxy, &self.visit.target);
        let keys: Vec<Key> = self.visit.get_keys(self.snapshot, target).collect();
        let is_known = |key: &Key| proxy.store.holds(*key) || proxy.in_flight.is_under_way(*key);
        if !keys.iter().any(is_known) {
            return;
        }
        let urls = Scope::Urls(self.visit.get_names(self.snapshot, target).collect());
        let groups: Vec<Name> = keys.iter().flat_map(|key| proxy.store.groups(*key)).collect();
        let groups = (!groups.is_empty()).then_some(Scope::Tags(groups));
        for scope in groups.into_iter().chain([urls]) {
            proxy.purge_behind(&scope, Manner::Soft);
        }
    }

    fn invalidate(&self, target: &PathAndQuery) -> Vec<Name> {
        let keys = self.visit.get_keys(self.snapshot, target);
        keys.flat_map(|key| self.proxy.invalidate(key)).collect()
    }
}

impl Proxy {
    /// Drops what is stored for a target, here and on the other nodes. Gives the names that it
    /// shares with others, which are to be invalidated with it where that is for a change at the
    /// origin (RFC 9875 §2.2.1).
    pub(super) fn invalidate(&self, primary: Key) -> Vec<Name> {
        // Disown first, remove second: what is under way must not come back.
        self.in_flight.disown(primary);
        self.invalidate_afar(primary);
        self.store.invalidate(primary)
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if !self.settled && self.sent.load(SeqCst) {
            self.doubt();
        }
    }
}
