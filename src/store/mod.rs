//! The store: what the origin said, found by key.
//!
//! One tier today, memory. It decides nothing about freshness: it gives what
//! is there and can still be of use, and the policy judges.

pub mod block;
pub mod entry;
pub mod generations;
mod marks;
pub mod memo;
mod memory;
pub mod part;
mod variant;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use http::{HeaderMap, HeaderName};

pub use block::Block;
pub use entry::{BodyHasher, BodyId, Entry, Head, Turn};
pub use generations::{Moment, Name, Named};
pub use marks::Crowd;
pub use memo::Memo;
pub use part::Part;

use crate::{
    key::Key,
    policy::{Fwd, Now},
};
use generations::Generations;
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
    generations: Generations,
    turns: AtomicU64,
}

/// The variants of one target URI (RFC 9111 §4.1).
#[derive(Clone, Debug)]
pub struct Vary {
    /// Part of every variant's key: who drops the list drops them all.
    epoch: u64,
    /// When the response was asked for that named these fields last.
    asked: Turn,
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

/// What chooses among the responses for one target URI.
#[derive(Debug)]
pub struct Selecting<'a> {
    /// The fields that the response names.
    pub names: Vec<HeaderName>,
    /// The request that brought it.
    pub request: &'a HeaderMap,
    /// When the origin was asked for it.
    pub asked: Turn,
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
        Store {
            memory: Memory::new(max_size),
            marks: Marks::new(),
            generations: Generations::new(),
            turns: AtomicU64::new(0),
        }
    }

    /// Finds the response that a request's target and selecting fields choose.
    #[must_use]
    pub fn get(&self, primary: Key, asked: &HeaderMap, now: Now) -> Found {
        let (vary, (entry, part)) = match self.memory.get(&primary) {
            None => (None, (None, None)),
            Some(Slot::Vary(vary)) => {
                let slot = self.memory.get(&vary.key(primary, asked));
                (Some(vary), slot.map_or((None, None), Slot::into_stored))
            }
            Some(slot) => (None, slot.into_stored()),
        };
        let entry = entry.filter(|entry| self.is_usable(&entry.head, now));
        let part = part.filter(|part| self.is_usable(&part.head, now));
        let miss = match (&part, &vary) {
            (Some(_), _) => Fwd::Partial,
            (None, Some(_)) => Fwd::VaryMiss,
            (None, None) => Fwd::UriMiss,
        };
        let key = vary.as_ref().map_or(primary, |vary| vary.key(primary, asked));
        Found { place: Place { primary, vary, key }, stored: entry.ok_or(miss), part }
    }

    /// The next turn: taken when the origin is asked.
    #[must_use]
    pub fn turn(&self) -> Turn {
        Turn(self.turns.fetch_add(1, Relaxed) + 1)
    }

    /// Where a response that names these selecting fields belongs. From now on, requests for its
    /// target are told apart by them: the newest response's Vary decides (§4.1).
    #[must_use]
    pub fn place(&self, primary: Key, selecting: Selecting<'_>) -> Place {
        let Selecting { names, request, asked } = selecting;
        if names.is_empty() {
            return Place { primary, vary: None, key: primary };
        }
        let vary = self.memory.declare(primary, names, asked);
        Place { primary, key: vary.key(primary, request), vary: Some(vary) }
    }

    /// Stores a response, unless one is stored that was asked for later. One whose variant list
    /// has been dropped since is dropped, too, and so is one that has been invalidated by name.
    pub fn put(&self, place: &Place, entry: Entry, now: Now) {
        if self.is_current(&entry.head.named) && self.list(place, Some(&entry)) {
            self.memory.insert(place.key, Slot::Entry(entry), now);
        }
    }

    /// Stores a part of a response, under the same conditions, unless the whole is there.
    pub fn put_part(&self, place: &Place, part: Part, now: Now) {
        let whole = self.entry(place.key, now).is_some();
        if !whole && self.is_current(&part.head.named) && self.list(place, None) {
            self.memory.insert(place.key, Slot::Part(part), now);
        }
    }

    /// Makes a variant known to its list; `false` where that is gone.
    fn list(&self, place: &Place, entry: Option<&Entry>) -> bool {
        let Some(vary) = &place.vary else { return true };
        self.memory.list(place.primary, vary, Variant::of(place.key, entry))
    }

    /// The whole response that lies under its own key.
    #[must_use]
    pub fn entry(&self, key: Key, now: Now) -> Option<Entry> {
        let (entry, _) = self.memory.get(&key)?.into_stored();
        entry.filter(|entry| self.is_usable(&entry.head, now))
    }

    /// The part of a response that lies under its own key.
    #[must_use]
    pub fn part(&self, key: Key, now: Now) -> Option<Part> {
        let (_, part) = self.memory.get(&key)?.into_stored();
        part.filter(|part| self.is_usable(&part.head, now))
    }

    /// What a recipe made of a body.
    #[must_use]
    pub fn memo(&self, key: Key) -> Option<Memo> {
        match self.memory.get(&key) {
            Some(Slot::Memo(memo)) => Some(memo),
            Some(Slot::Entry(_) | Slot::Part(_) | Slot::Vary(_)) | None => None,
        }
    }

    /// Keeps what a recipe made of a body for as long as it is used.
    pub fn put_memo(&self, key: Key, memo: Memo) {
        self.memory.insert_memo(key, memo);
    }

    /// Drops one response.
    pub fn remove(&self, key: Key) {
        self.memory.remove(&key);
    }

    /// Drops everything that is stored for a target URI (§4.4), all variants at once. Gives the
    /// names that it bore, but for what had been invalidated before: that invalidates no more
    /// (RFC 9875 §2.2.1).
    pub fn invalidate(&self, primary: Key) -> Vec<Name> {
        let slots = match self.memory.get(&primary) {
            None => Vec::new(),
            Some(Slot::Vary(vary)) => {
                vary.variants.iter().filter_map(|it| self.memory.get(&it.key)).collect()
            }
            Some(slot) => vec![slot],
        };
        self.memory.remove(&primary);
        let named = slots.iter().filter_map(Slot::head).map(|head| &head.named);
        let valid = named.filter(|named| self.is_current(named));
        valid.flat_map(|named| named.names()).copied().collect()
    }

    /// Invalidates whatever bears one of these names, what is under way included.
    pub fn invalidate_named(&self, names: &[Name]) {
        self.generations.invalidate(names);
    }

    /// The moment that a fetch which begins now is known by; to be taken before it is sent.
    #[must_use]
    pub fn moment(&self) -> Moment {
        self.generations.now()
    }

    /// Whether a response has not been invalidated by name since its fetch began.
    #[must_use]
    pub fn is_current(&self, named: &Named) -> bool {
        self.generations.is_current(named)
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

    fn is_usable(&self, head: &Head, now: Now) -> bool {
        head.meta.usable_for(now) > 0 && self.is_current(&head.named)
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

#[cfg(test)]
mod tests;
