//! Where each response lies: found at the price of a few waits for memory, however many there are.
//!
//! A look into moka goes through five allocations, and moka's work on its log of looks goes through
//! some more. Among a thousand responses all of them lie in the processor's caches; among a million
//! none does. So a response is looked for here first, and moka hears of one look in some: it
//! compares how much its entries are in use, and an even sample says that as well.
//!
//! What lies here keeps nothing alive, and goes when moka says that it has left. Whoever changes what
//! lies under a key changes it here, too, before that is told.

use std::{collections::HashMap, sync::Weak};

use parking_lot::Mutex;

use super::{Entry, entry::Stored, memory::Slot};
use crate::key::{IdentityState, Key};

/// Parts with a lock of their own: each core has one of these to itself, mostly.
const SHARDS: usize = 256;

/// The responses in memory, by key.
#[derive(Debug)]
pub(super) struct Index(Box<[Shard]>);

type Shard = Mutex<HashMap<Key, Weak<Stored>, IdentityState>>;

impl Index {
    pub(super) fn new() -> Index {
        Index((0..SHARDS).map(|_| Shard::default()).collect())
    }

    /// The response that lies there, if it is one.
    pub(super) fn find(&self, key: &Key) -> Option<Entry> {
        Entry::of(self.shard(key).lock().get(key)?)
    }

    /// From now on this lies there; what is no response is not found here.
    pub(super) fn put(&self, key: &Key, slot: &Slot) {
        match slot {
            Slot::Entry(entry) => drop(self.shard(key).lock().insert(*key, entry.downgrade())),
            Slot::Part(_) | Slot::Vary(_) | Slot::Memo(_) | Slot::Cut(_) => self.remove(key),
        }
    }

    /// From now on nothing lies there.
    pub(super) fn remove(&self, key: &Key) {
        self.shard(key).lock().remove(key);
    }

    /// This response has left; what has taken its place has not.
    pub(super) fn left(&self, key: &Key, entry: &Entry) {
        let mut shard = self.shard(key).lock();
        if shard.get(key).is_some_and(|it| entry.is(it)) {
            shard.remove(key);
        }
    }

    /// How many responses lie here.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|shard| shard.lock().len()).sum()
    }

    /// By a byte that is no part of the hash.
    fn shard(&self, key: &Key) -> &Shard {
        &self.0[usize::from(key.as_bytes()[16]) % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::entry;

    #[test]
    fn what_has_left_is_not_found_and_what_took_its_place_is() {
        let (index, key) = (Index::new(), Key::of_path("/a"));
        let (old, new) = (entry("old"), entry("new"));
        index.put(&key, &Slot::Entry(old.clone()));
        index.put(&key, &Slot::Entry(new.clone()));
        index.left(&key, &old);
        assert_eq!(index.find(&key).map(|it| it.body.clone()), Some(new.body.clone()));
        index.left(&key, &new);
        assert!(index.find(&key).is_none(), "it has left");
    }

    #[test]
    fn nothing_is_kept_alive() {
        let (index, key, entry) = (Index::new(), Key::of_path("/a"), entry("a"));
        index.put(&key, &Slot::Entry(entry.clone()));
        drop(entry);
        assert!(index.find(&key).is_none(), "nobody has it any more");
    }
}
