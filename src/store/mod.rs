//! The store: what the origin said, found by key.
//!
//! One tier today, memory. It decides nothing about freshness: it gives what
//! is there and can still be of use, and the policy judges.

pub mod block;
pub mod entry;
mod marks;
mod memory;
pub mod part;
mod variant;

use std::sync::Arc;

use http::{HeaderMap, HeaderName};

pub use block::Block;
pub use entry::{BodyHasher, BodyId, Entry, Head};
pub use marks::Crowd;
pub use part::Part;

use crate::{
    key::Key,
    policy::{Fwd, Now},
};
use marks::Marks;
use memory::{Memory, Slot};
use variant::Variant;

/// The variants that one list names at most; the oldest leaves first.
pub const MAX_VARIANTS: usize = 32;

/// The store; one for the life of the process.
#[derive(Debug)]
pub struct Store {
    memory: Memory,
    marks: Marks,
}

/// The variants of one target URI (RFC 9111 §4.1).
#[derive(Debug)]
pub struct Vary {
    /// Part of every variant's key: who drops the list drops them all.
    epoch: u64,
    /// The selecting fields, as the newest response names them.
    names: Vec<HeaderName>,
    /// The oldest first.
    variants: Vec<Variant>,
}

/// What a look into the store found.
#[derive(Debug)]
pub struct Found {
    /// Where the response lies, or would lie, as far as is known.
    pub place: Place,
    /// It, or which kind of miss this is.
    pub stored: Result<Entry, Fwd>,
    /// What there is of it, where that is not all.
    pub part: Option<Part>,
}

/// Where a response is to be stored.
#[derive(Clone, Debug)]
pub struct Place {
    /// The target URI's key.
    pub primary: Key,
    /// The variant list that it is part of, where it has Vary.
    pub vary: Option<Arc<Vary>>,
    /// Its own key: the variant's, or else the primary.
    pub key: Key,
}

impl Store {
    /// An empty store of at most `max_size` bytes.
    #[must_use]
    pub fn new(max_size: u64) -> Store {
        Store { memory: Memory::new(max_size), marks: Marks::new() }
    }

    /// Finds the response that a request's target and selecting fields choose.
    #[must_use]
    pub fn get(&self, primary: Key, asked: &HeaderMap, now: Now) -> Found {
        let (vary, (entry, part)) = match self.memory.get(&primary) {
            None => (None, (None, None)),
            Some(Slot::Entry(entry)) => (None, (Some(entry), None)),
            Some(Slot::Part(part)) => (None, (None, Some(part))),
            Some(Slot::Vary(vary)) => {
                let slot = self.memory.get(&vary.key(primary, asked));
                (Some(vary), slot.map_or((None, None), Slot::into_stored))
            }
        };
        let entry = entry.filter(|entry| usable(&entry.head, now));
        let part = part.filter(|part| usable(&part.head, now));
        let miss = match (&part, &vary) {
            (Some(_), _) => Fwd::Partial,
            (None, Some(_)) => Fwd::VaryMiss,
            (None, None) => Fwd::UriMiss,
        };
        let key = vary.as_ref().map_or(primary, |vary| vary.key(primary, asked));
        Found { place: Place { primary, vary, key }, stored: entry.ok_or(miss), part }
    }

    /// Where a response that names these selecting fields belongs. From now on, requests for its
    /// target are told apart by them: the newest response's Vary decides (§4.1).
    #[must_use]
    pub fn place(&self, primary: Key, names: Vec<HeaderName>, asked: &HeaderMap) -> Place {
        if names.is_empty() {
            return Place { primary, vary: None, key: primary };
        }
        let vary = self.memory.declare(primary, names);
        Place { primary, key: vary.key(primary, asked), vary: Some(vary) }
    }

    /// Stores a response. One whose variant list has been dropped since is dropped, too.
    pub fn put(&self, place: &Place, entry: Entry, now: Now) {
        if self.list(place, Some(&entry)) {
            self.memory.insert(place.key, Slot::Entry(entry), now);
        }
    }

    /// Stores a part of a response, unless the whole is there.
    pub fn put_part(&self, place: &Place, part: Part, now: Now) {
        let whole = self.entry(place.key, now).is_some();
        if !whole && self.list(place, None) {
            self.memory.insert(place.key, Slot::Part(part), now);
        }
    }

    /// Makes a variant known to its list; `false` where that is gone.
    fn list(&self, place: &Place, entry: Option<&Entry>) -> bool {
        let Some(vary) = &place.vary else { return true };
        self.memory.list(place.primary, vary.epoch, Variant::of(place.key, entry))
    }

    /// The whole response that lies under its own key.
    #[must_use]
    pub fn entry(&self, key: Key, now: Now) -> Option<Entry> {
        let (entry, _) = self.memory.get(&key)?.into_stored();
        entry.filter(|entry| usable(&entry.head, now))
    }

    /// The part of a response that lies under its own key.
    #[must_use]
    pub fn part(&self, key: Key, now: Now) -> Option<Part> {
        let (_, part) = self.memory.get(&key)?.into_stored();
        part.filter(|part| usable(&part.head, now))
    }

    /// Drops one response.
    pub fn remove(&self, key: Key) {
        self.memory.remove(&key);
    }

    /// Drops everything that is stored for a target URI (§4.4), all variants at once.
    pub fn invalidate(&self, primary: Key) {
        self.memory.remove(&primary);
    }

    /// Lets a crowd's requests for `key` go alone for a while: what came last was one client's
    /// alone.
    pub fn stop_collapsing(&self, key: Key, crowd: Crowd, now: Now) {
        self.marks.set(key, crowd, now);
    }

    /// Whether a crowd's requests for `key` may wait for each other.
    #[must_use]
    pub fn collapses(&self, key: Key, crowd: Crowd, now: Now) -> bool {
        !self.marks.is_set(key, crowd, now)
    }

    /// Bytes that the stored responses weigh, as they are counted against the limit.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.memory.weight()
    }
}

impl Vary {
    /// The key of the variant that a request chooses.
    #[must_use]
    pub fn key(&self, primary: Key, asked: &HeaderMap) -> Key {
        primary.variant(self.epoch, &self.names, asked)
    }

    /// The strong entity-tags of the target's variants, each with where it lies (RFC 9111 §4.3.1).
    pub fn tags(&self) -> impl Iterator<Item = (&[u8], Key)> {
        self.variants.iter().filter_map(|it| Some((it.tag.as_deref()?, it.key)))
    }

    /// The selecting fields.
    #[must_use]
    pub fn names(&self) -> &[HeaderName] {
        &self.names
    }
}

impl Place {
    /// Whether a request chooses the same variant.
    #[must_use]
    pub fn is_for(&self, asked: &HeaderMap) -> bool {
        self.vary.as_ref().is_none_or(|vary| vary.key(self.primary, asked) == self.key)
    }
}

fn usable(head: &Head, now: Now) -> bool {
    head.meta.usable_for(now) > 0
}

#[cfg(test)]
mod tests;
