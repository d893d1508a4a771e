//! Which nodes have applied which purge, as they say in the log.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{MAX_NODES, Seq};

/// Which nodes have applied a purge, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acks {
    /// They have said so.
    pub acknowledged: Vec<String>,
    /// They live, and have not.
    pub missing: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct Said {
    newest: Mutex<HashMap<String, Seq>>,
    changed: Notify,
}

impl Said {
    pub(super) fn acknowledge(&self, node: String, seq: Seq) {
        let mut newest = self.newest.lock();
        // Who is asked about then is asked in Redis.
        if newest.len() >= MAX_NODES && !newest.contains_key(&node) {
            newest.clear();
        }
        let known = newest.entry(node).or_default();
        *known = seq.max(*known);
        drop(newest);
        self.changed.notify_waiters();
    }

    /// Returns when every one of `nodes` has applied `seq`.
    pub(super) async fn until(&self, nodes: &[(String, Seq)], seq: Seq) {
        loop {
            let changed = self.changed.notified();
            if self.sort(nodes, seq).missing.is_empty() {
                return;
            }
            changed.await;
        }
    }

    pub(super) fn sort(&self, nodes: &[(String, Seq)], seq: Seq) -> Acks {
        let newest = self.newest.lock();
        let mut acks = Acks::default();
        for (node, known) in nodes {
            let applied = newest.get(node).copied().unwrap_or_default().max(*known) >= seq;
            let list = if applied { &mut acks.acknowledged } else { &mut acks.missing };
            list.push(node.clone());
        }
        acks
    }
}
