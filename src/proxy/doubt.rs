//! What an unsafe request makes invalid (RFC 9111 §4.4), its outcome known or not.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use http::{HeaderMap, StatusCode, uri::PathAndQuery};

use super::Proxy;
use crate::{
    policy::{asked::Method, invalidation},
    snapshot::Snapshot,
    visit::Visit,
};

/// Watches over a request whose effect on the origin is not known yet. Where it stays unknown
/// (the client left, the upstream broke off), what is stored for its target is dropped, to be
/// sure.
pub(super) struct Doubt<'a> {
    proxy: &'a Proxy,
    visit: &'a Visit,
    snapshot: &'a Arc<Snapshot>,
    sent: &'a AtomicBool,
    settled: bool,
}

impl<'a> Doubt<'a> {
    pub(super) fn new(
        proxy: &'a Proxy,
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
        self.invalidate(&self.visit.target);
        let (scheme, authority) = (self.visit.believed.scheme.as_str(), &self.visit.authority);
        let path = self.visit.target.as_str();
        for target in invalidation::also_invalidated(scheme, authority, path, headers) {
            if let Ok(target) = PathAndQuery::try_from(target) {
                self.invalidate(&target);
            }
        }
    }

    /// Disown first, remove second: what is under way must not come back.
    fn invalidate(&self, target: &PathAndQuery) {
        for key in self.visit.get_keys(self.snapshot, target) {
            self.proxy.in_flight.disown(key);
            self.proxy.store.invalidate(key);
        }
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if !self.settled && self.sent.load(SeqCst) {
            self.invalidate(&self.visit.target);
        }
    }
}
