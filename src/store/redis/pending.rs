//! What Redis has still to be told: purges and invalidations that it did not confirm.
//!
//! Bounded: what there is no room for becomes a purge of everything. Until a purge is written
//! nothing is read from Redis, and until an invalidation is, nothing under that key.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use parking_lot::Mutex;

use super::Member;
use crate::key::Key;

/// Members of purges that are remembered.
const MAX_PENDING: usize = 16_384;

/// Keys that are remembered: one unsafe request has some.
const MAX_KEYS: usize = 65_536;

#[derive(Debug, Default)]
pub(super) struct Pending {
    state: Mutex<State>,
    /// How many there are, so that a look-up pays one load while there are none.
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    members: Vec<Member>,
    /// Each with a number of its own: invalidated again, it has to be told again.
    keys: HashMap<Key, u64>,
    count: u64,
}

/// What was pending at one moment.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) members: Vec<Member>,
    pub(super) keys: Vec<(Key, u64)>,
}

impl Pending {
    pub(super) fn purge(&self, members: &[Member]) {
        self.change(|state| {
            for member in members {
                if !state.members.contains(member) {
                    state.members.push(*member);
                }
            }
            if state.members.len() > MAX_PENDING {
                state.members = vec![Member::AllHard];
            }
        });
    }

    pub(super) fn invalidate(&self, keys: &[Key]) {
        self.change(|state| {
            for key in keys {
                state.count += 1;
                let count = state.count;
                state.keys.insert(*key, count);
            }
            if state.keys.len() > MAX_KEYS {
                state.keys.clear();
                state.members = vec![Member::AllHard];
            }
        });
    }

    /// Whether nothing under `key` may be read.
    pub(super) fn blocks(&self, key: Key) -> bool {
        if self.waiting.load(Relaxed) == 0 {
            return false;
        }
        let state = self.state.lock();
        !state.members.is_empty() || state.keys.contains_key(&key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.load(Relaxed) == 0
    }

    pub(super) fn batch(&self) -> Batch {
        let state = self.state.lock();
        let keys = state.keys.iter().map(|(key, count)| (*key, *count)).collect();
        Batch { members: state.members.clone(), keys }
    }

    pub(super) fn purged(&self, members: &[Member]) {
        self.change(|state| state.members.retain(|it| !members.contains(it)));
    }

    pub(super) fn invalidated(&self, key: Key, count: u64) {
        self.change(|state| {
            if state.keys.get(&key) == Some(&count) {
                state.keys.remove(&key);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        self.waiting.store(state.members.len() + state.keys.len(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pending_blocks_until_it_is_told() {
        let pending = Pending::default();
        let (a, b) = (Key::of_path("/a"), Key::of_path("/b"));
        pending.invalidate(&[a]);
        assert!(pending.blocks(a) && !pending.blocks(b));
        let (_, first) = pending.batch().keys[0];
        pending.invalidate(&[a]);
        pending.invalidated(a, first);
        assert!(pending.blocks(a), "invalidated again meanwhile");
        let (_, second) = pending.batch().keys[0];
        pending.invalidated(a, second);
        assert!(pending.is_empty());
        pending.purge(&[Member::Soft(1)]);
        assert!(pending.blocks(b), "a purge may be of anything");
        pending.purged(&[Member::Soft(1)]);
        assert!(!pending.blocks(b));
    }

    #[test]
    fn too_much_becomes_everything() {
        let pending = Pending::default();
        for n in 0..=MAX_KEYS {
            pending.invalidate(&[Key::of_path(&n.to_string())]);
        }
        assert_eq!(pending.batch().members, [Member::AllHard]);
        assert!(pending.batch().keys.is_empty());
    }
}
