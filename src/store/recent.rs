//! A few keys and what is remembered of each: a bounded map that costs a request next to nothing.
//!
//! What was remembered first is forgotten first. It is only ever a hint, so no more is asked of it.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

use crate::key::{IdentityState, Key};

/// Parts with a lock of their own.
const SHARDS: usize = 16;

/// What is remembered of keys.
#[derive(Debug)]
pub(super) struct Recent<V> {
    shards: [Mutex<Shard<V>>; SHARDS],
    /// Keys in one shard.
    max: usize,
}

#[derive(Debug)]
struct Shard<V> {
    of: HashMap<Key, V, IdentityState>,
    /// The oldest first.
    order: VecDeque<Key>,
}

impl<V: Copy> Recent<V> {
    /// Of about `max` keys at the same time.
    pub(super) fn new(max: usize) -> Recent<V> {
        let shard = |_| Mutex::new(Shard { of: HashMap::default(), order: VecDeque::default() });
        Recent { shards: std::array::from_fn(shard), max: max.div_ceil(SHARDS) }
    }

    pub(super) fn get(&self, key: Key) -> Option<V> {
        self.shard(key).lock().of.get(&key).copied()
    }

    /// Remembers what `value` makes of what was known.
    pub(super) fn set(&self, key: Key, value: impl FnOnce(Option<V>) -> V) {
        let mut shard = self.shard(key).lock();
        let known = shard.of.get(&key).copied();
        let value = value(known);
        if known.is_none() {
            if shard.order.len() >= self.max
                && let Some(oldest) = shard.order.pop_front()
            {
                shard.of.remove(&oldest);
            }
            shard.order.push_back(key);
        }
        shard.of.insert(key, value);
    }

    /// By a byte that is no part of the hash.
    fn shard(&self, key: Key) -> &Mutex<Shard<V>> {
        &self.shards[usize::from(key.as_bytes()[16]) % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_remembered_is_the_first_forgotten() {
        let recent = Recent::new(SHARDS * 4);
        let keys: Vec<Key> = (0..1000).map(|n| Key::of_path(&format!("/{n}"))).collect();
        for key in &keys {
            recent.set(*key, |known| known.map_or(1, |n: u32| n + 1));
        }
        assert_eq!(recent.get(keys[0]), None, "others have come since");
        assert_eq!(recent.get(keys[999]), Some(1));
        recent.set(keys[999], |known| known.map_or(1, |n| n + 1));
        assert_eq!(recent.get(keys[999]), Some(2), "what was known is at hand");
        let kept = keys.iter().filter(|key| recent.get(**key).is_some()).count();
        assert_eq!(kept, SHARDS * 4, "it is full, and no more than that");
    }
}
