//! What an unsafe request makes invalid (RFC 9111 §4.4; RFC 9875), its outcome known or not.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use http::{HeaderMap, Method, StatusCode, uri::PathAndQuery};

use super::Proxy;
use crate::{
    key::Key,
    policy::{asked, groups, invalidation},
    snapshot::Snapshot,
    store::{By, Manner, Name, Scope, Told},
    visit::{GetKey, Visit},
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
        let settled = visit.asked.method != asked::Method::Unsafe;
        Doubt { proxy, visit, snapshot, sent, settled }
    }

    /// The response's head has come. Where the request was sent `twice`, an error of the second time
    /// says nothing of the first.
    pub(super) fn settle(&mut self, (status, headers): (StatusCode, &HeaderMap), twice: bool) {
        if self.settled || std::mem::replace(&mut self.settled, true) {
            return;
        }
        if !invalidation::invalidates(&self.visit.asked, status) {
            if twice {
                self.doubt();
            }
            return;
        }
        let listed = groups::invalidated(&self.visit.asked, status, headers);
        let origin = self.visit.origin();
        let mut names: Vec<Name> = listed.iter().map(|group| Name::tag(origin, group)).collect();
        names.extend(self.invalidate(&self.visit.target));
        for target in self.located(headers) {
            names.extend(self.invalidate(&target));
        }
        self.invalidate_groups(names);
    }

    /// The targets that the response names, of the host that the request came for: that of its target
    /// URI, or what a trusted proxy says that the client asked for, which it may have changed.
    fn located(&self, headers: &HeaderMap) -> Vec<PathAndQuery> {
        let (visit, believed) = (self.visit, &self.visit.believed);
        let (scheme, path) = (believed.scheme.as_str(), visit.target.as_str());
        let hosts = [Some(&*visit.authority), believed.host.as_deref()];
        let located = hosts
            .into_iter()
            .flatten()
            .flat_map(|authority| invalidation::also_invalidated(scheme, authority, path, headers));
        let mut targets: Vec<PathAndQuery> =
            located.filter_map(|target| PathAndQuery::try_from(target).ok()).collect();
        // What is relative is of both hosts.
        targets.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        targets.dedup();
        targets
    }

    fn invalidate_groups(&self, names: Vec<Name>) {
        if !names.is_empty() {
            let told = (By::Group, "the groups of");
            self.purge(&Scope::Tags(names), Manner::Hard, told);
        }
    }

    /// Purges for this request, which the journal names.
    fn purge(&self, scope: &Scope, manner: Manner, (by, what): (By, &str)) {
        let (method, path) = (&self.visit.head.method, self.visit.target.path());
        let what = format!("{what} {method} {path}");
        self.proxy.purge_behind(scope, manner, Told { by, what: &what });
    }

    /// Only what is there, or on its way: names are remembered, and whoever made them up in
    /// numbers would push others out.
    fn doubt(&self) {
        let (proxy, target) = (self.proxy, &self.visit.target);
        let keys = self.get_keys(target);
        let is_known = |key: Key| proxy.store.holds(key) || proxy.in_flight.is_under_way(key);
        if !keys.iter().any(|it| is_known(it.key())) {
            // Others may have it, or somebody who has it at hand still, or it lies under a claim that
            // was never heard: to reach it there needs no name that is remembered.
            for it in keys {
                let key = it.key();
                proxy.in_flight.disown(key);
                proxy.invalidate_get_afar(it);
                proxy.store.doubt_target(key, proxy.clock.mono());
            }
            return;
        }
        let urls = Scope::Urls(self.get_names(target));
        let groups: Vec<Name> = keys.iter().flat_map(|it| proxy.store.groups(it.key())).collect();
        let groups = (!groups.is_empty()).then_some(Scope::Tags(groups));
        for scope in groups.into_iter().chain([urls]) {
            self.purge(&scope, Manner::Doubt, (By::Doubt, "the unknown outcome of"));
        }
    }

    fn invalidate(&self, target: &PathAndQuery) -> Vec<Name> {
        let by = word(&self.visit.head.method);
        let keys = self.get_keys(target).into_iter();
        keys.flat_map(|key| self.proxy.invalidate(key, by)).collect()
    }

    fn get_keys(&self, target: &PathAndQuery) -> Vec<GetKey> {
        self.of_both(|snapshot| self.visit.get_keys(snapshot, target))
    }

    fn get_names(&self, target: &PathAndQuery) -> Vec<Name> {
        self.of_both(|snapshot| self.visit.get_names(snapshot, target).collect())
    }

    /// What is of both snapshots, that of the request and that of now; what both have, once.
    fn of_both<T: PartialEq>(&self, of: impl Fn(&Snapshot) -> Vec<T>) -> Vec<T> {
        let mut all = of(self.snapshot);
        if let Some(present) = self.reloaded() {
            let more: Vec<T> = of(&present).into_iter().filter(|it| !all.contains(it)).collect();
            all.extend(more);
        }
        all
    }

    /// The snapshot of now, where the configuration was reloaded since the request came: what was
    /// stored meanwhile lies under keys of that.
    fn reloaded(&self) -> Option<Arc<Snapshot>> {
        let present = self.proxy.snapshot.load_full();
        (!Arc::ptr_eq(&present, self.snapshot)).then_some(present)
    }
}

impl Proxy {
    /// Drops what is stored for a target, here and on the other nodes; `by` says in a word what
    /// did it. Gives the names that it shares with others, which are to be invalidated with it
    /// where that is for a change at the origin (RFC 9875 §2.2.1).
    pub(super) fn invalidate(&self, key: GetKey, by: &'static str) -> Vec<Name> {
        let primary = key.key();
        // Disown first, remove second: what is under way must not come back.
        self.in_flight.disown(primary);
        self.invalidate_get_afar(key);
        let at = self.clock.now().wall;
        let mut names = self.store.invalidate(primary, by, at);
        let shadow = self.shadow().map(|it| it.invalidate(primary, by, at));
        names.extend(shadow.into_iter().flatten());
        names
    }

    /// The same on the other nodes alone: under a claim there is nothing that they share.
    fn invalidate_get_afar(&self, key: GetKey) {
        match key {
            GetKey::Bare(key) => self.invalidate_afar(key),
            GetKey::Claimed(_) => {}
        }
    }
}

/// An unsafe method, in a word that lasts.
fn word(method: &Method) -> &'static str {
    let known = ["POST", "PUT", "PATCH", "DELETE"].into_iter().find(|it| *it == method.as_str());
    known.unwrap_or("another unsafe method")
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if !self.settled && self.sent.load(SeqCst) {
            self.doubt();
        }
    }
}
