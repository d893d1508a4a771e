//! What a thread found last: a few hundred responses at hand, so that one that is asked for again and
//! again is not searched for each time.
//!
//! A look into the index takes a lock that all cores share. What lies here keeps nothing alive, and
//! is used only while nothing was changed under its key since it was found. What is found is kept
//! here the second time in a row, so that what is asked for but once pushes out nothing.

use std::{
    cell::RefCell,
    sync::{
        Weak,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

use super::{Entry, entry::Stored};
use crate::key::Key;

/// The responses that each thread has at hand.
const AT_HAND: usize = 512;

/// The counts of changes; keys share them.
const COUNTS: usize = 1024;

/// The memories that there were.
static MEMORIES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static PLACES: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
}

/// How often something was changed in one memory.
#[derive(Debug)]
pub(super) struct Changes {
    /// Which memory: each thread has things of all of them.
    memory: u64,
    counts: [AtomicU64; COUNTS],
}

/// The changes that there were under a key, and under those that share its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    memory: u64,
    count: u64,
}

/// A place for one response.
#[derive(Debug, Default)]
struct Place {
    /// A part of the key that was found last.
    last: [u8; 8],
    near: Option<Near>,
}

#[derive(Debug)]
struct Near {
    key: Key,
    version: Version,
    entry: Weak<Stored>,
}

impl Changes {
    pub(super) fn new() -> Changes {
        let counts = std::array::from_fn(|_| AtomicU64::new(0));
        Changes { memory: MEMORIES.fetch_add(1, Relaxed), counts }
    }

    /// To be taken before something is looked for.
    pub(super) fn version(&self, key: &Key) -> Version {
        Version { memory: self.memory, count: self.count(key).load(Acquire) }
    }

    /// Something was changed: to be counted after that was done, and before it is told.
    pub(super) fn one(&self, key: &Key) {
        self.count(key).fetch_add(1, Release);
    }

    fn count(&self, key: &Key) -> &AtomicU64 {
        &self.counts[part(key, 17) % COUNTS]
    }
}

/// What was found of this version on this thread.
pub(super) fn find(key: &Key, version: Version) -> Option<Entry> {
    let found = PLACES.try_with(|places| {
        let places = places.borrow();
        let near = places.get(part(key, 20) % AT_HAND)?.near.as_ref()?;
        if near.key != *key || near.version != version {
            return None;
        }
        Entry::of(&near.entry)
    });
    // A thread that ends has nothing at hand any more.
    found.ok().flatten()
}

/// Keeps at hand what was found, in place of something else, if it was found before that, too.
pub(super) fn keep(key: &Key, version: Version, entry: &Entry) {
    let _ = PLACES.try_with(|places| {
        let mut places = places.borrow_mut();
        if places.is_empty() {
            places.resize_with(AT_HAND, Place::default);
        }
        let place = &mut places[part(key, 20) % AT_HAND];
        let own = key.as_bytes()[24..].as_chunks().0[0];
        if std::mem::replace(&mut place.last, own) == own {
            place.near = Some(Near { key: *key, version, entry: entry.downgrade() });
        }
    });
}

/// Two bytes of a key.
fn part(key: &Key, at: usize) -> usize {
    let bytes = key.as_bytes();
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::entry as made;

    fn entry() -> Entry {
        made("a")
    }

    fn twice(key: &Key, version: Version, entry: &Entry) {
        keep(key, version, entry);
        assert!(find(key, version).is_none(), "it was asked for but once");
        keep(key, version, entry);
    }

    #[test]
    fn what_was_changed_is_not_at_hand() {
        let (changes, others) = (Changes::new(), Changes::new());
        let (key, other, entry) = (Key::of_path("/a"), Key::of_path("/b"), entry());
        let version = changes.version(&key);
        twice(&key, version, &entry);
        assert!(find(&key, version).is_some(), "it is at hand");
        assert!(find(&other, version).is_none(), "another key, if it had the same place");
        assert!(find(&key, others.version(&key)).is_none(), "another memory's");
        changes.one(&key);
        assert!(find(&key, changes.version(&key)).is_none(), "it may be another by now");
    }

    #[test]
    fn nothing_is_kept_alive() {
        let (changes, key, entry) = (Changes::new(), Key::of_path("/d"), entry());
        let version = changes.version(&key);
        twice(&key, version, &entry);
        drop(entry);
        assert!(find(&key, version).is_none(), "it has left memory");
    }
}
