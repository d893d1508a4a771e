//! The memory tier (L1): moka, weighed by what an entry really keeps.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use http::HeaderName;
use moka::{Expiry, notification::RemovalCause, sync::Cache};
use parking_lot::Mutex;

use super::{
    Cut, Entry, Head, Left, MAX_VARIANTS, Memo, Part, Turn, Vary,
    gone::Gone,
    index::Index,
    near::{self, Changes},
    variant::Variant,
};
use crate::{
    counters::Counter,
    key::{IdentityState, Key},
    policy::{Now, Wall},
    reason::Miss,
};

/// What an entry costs beside its bytes: moka's node and queues, the `Arc`, the allocators' slack.
const OVERHEAD: usize = 512;

/// How long what can be of no use any more lies here at most, so that it can be said why it is
/// missed: as long as it was of use, but no longer than this.
const LINGER: Duration = Duration::from_secs(60);

/// moka evicts in batches; once this part of the size has been added, it is made to.
const SETTLE_AFTER: u64 = 32;

/// Locks, by key, of those who change what they have looked at. moka's own way to do that costs as
/// much as all the rest of an insertion.
const TURNS: usize = 64;

/// What lies under a key.
#[derive(Clone, Debug)]
pub(super) enum Slot {
    /// A response.
    Entry(Entry),
    /// A part of one.
    Part(Part),
    /// The list of a target's variants.
    Vary(Arc<Vary>),
    /// What was made of a body.
    Memo(Memo),
    /// What was cut out of a response.
    Cut(Cut),
}

#[derive(Clone, Debug)]
struct Kept {
    slot: Slot,
    /// How long it lies here, from when it was stored; a list, as long as there is room.
    lasts: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Memory {
    cache: Cache<Key, Kept, IdentityState>,
    index: Arc<Index>,
    turns: [Mutex<()>; TURNS],
    changes: Changes,
    max_size: u64,
    /// Bytes inserted since moka last settled.
    unsettled: AtomicU64,
    evictions: Arc<Counter>,
    /// When something was last stored: about when anything leaves.
    newest: Arc<AtomicI64>,
}

/// What is to become of what lies under a key.
enum Change {
    Put(Kept),
    Remove,
    Nothing,
}

/// Collects what can no longer be used; freshness is the policy's.
struct Lasts;

impl Expiry<Key, Kept> for Lasts {
    fn expire_after_create(&self, _: &Key, kept: &Kept, _: Instant) -> Option<Duration> {
        kept.lasts
    }

    fn expire_after_update(
        &self,
        _: &Key,
        kept: &Kept,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        kept.lasts
    }
}

impl Memory {
    pub(super) fn new(max_size: u64, gone: Arc<Gone>) -> Memory {
        let (evictions, newest) = (Arc::<Counter>::default(), Arc::<AtomicI64>::default());
        let (evicted, at) = (evictions.clone(), newest.clone());
        let index = Arc::new(Index::new());
        let indexed = index.clone();
        let cache = Cache::builder()
            .max_capacity(max_size)
            .weigher(|_: &Key, kept: &Kept| kept.slot.weight())
            .expire_after(Lasts)
            .eviction_listener(move |key: Arc<Key>, kept: Kept, cause| {
                if cause == RemovalCause::Size {
                    evicted.one();
                }
                if let (Slot::Entry(entry), true) = (&kept.slot, cause.was_evicted()) {
                    indexed.left(&key, entry);
                }
                let left = how_it_left(&kept.slot, cause, Wall(at.load(Relaxed)));
                left.into_iter().for_each(|left| gone.remember(*key, left));
            })
            .build_with_hasher(IdentityState::default());
        let turns = std::array::from_fn(|_| Mutex::new(()));
        let (changes, unsettled) = (Changes::new(), AtomicU64::new(0));
        Memory { cache, index, turns, changes, max_size, unsettled, evictions, newest }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Slot> {
        let version = self.changes.version(key);
        let entry = near::find(key, version).or_else(|| {
            let entry = self.index.find(key)?;
            near::keep(key, version, &entry);
            Some(entry)
        });
        match entry {
            Some(entry) if !entry.is_to_be_told() => Some(Slot::Entry(entry)),
            Some(_) | None => Some(self.cache.get(key)?.slot),
        }
    }

    /// Whether something lies there; no sign that it is of use.
    pub(super) fn contains(&self, key: &Key) -> bool {
        self.cache.contains_key(key)
    }

    pub(super) fn insert(&self, key: Key, slot: Slot, now: Now) {
        let usable = slot.head().map_or(0, |head| head.meta.usable_for(now));
        let usable = Duration::from_millis(u64::try_from(usable).unwrap_or(0));
        let asked = slot.asked();
        let weight = u64::from(slot.weight());
        self.newest.store(now.wall.0, Relaxed);
        let kept = Kept { slot, lasts: Some(usable.saturating_add(usable.min(LINGER))) };
        self.change(&key, |known| match known {
            Some(known) if known.asked() > asked => Change::Nothing,
            Some(_) | None => Change::Put(kept),
        });
        self.settle(weight);
    }

    /// Changes what lies under a key by what that is, while nobody else does.
    fn change(&self, key: &Key, change: impl FnOnce(Option<Slot>) -> Change) {
        let turn = usize::from(key.as_bytes()[16]) % TURNS;
        let _turn = self.turns[turn].lock();
        let known = if self.contains(key) { self.get(key) } else { None };
        let has_left = known.is_none();
        match change(known) {
            Change::Put(kept) => {
                // Before it is put there: it may leave at once, for lack of room.
                self.index.put(key, &kept.slot);
                self.cache.insert(*key, kept);
            }
            Change::Remove => {
                self.cache.invalidate(key);
                self.index.remove(key);
            }
            Change::Nothing if has_left => self.index.remove(key),
            Change::Nothing => {}
        }
        // In any case: what moka has dropped may be at hand while somebody still sends it.
        self.changes.one(key);
    }

    /// What was made of something stays for as long as there is room, and it is used.
    pub(super) fn insert_made(&self, key: Key, slot: Slot) {
        let weight = u64::from(slot.weight());
        self.cache.insert(key, Kept { slot, lasts: None });
        self.settle(weight);
    }

    pub(super) fn remove(&self, key: &Key) {
        self.change(key, |known| known.map_or(Change::Nothing, |_| Change::Remove));
    }

    pub(super) fn weight(&self) -> u64 {
        self.cache.run_pending_tasks();
        self.cache.weighted_size()
    }

    /// How many things lie here, and how many have left for lack of room.
    pub(super) fn entries_and_evictions(&self) -> (u64, u64) {
        (self.cache.entry_count(), self.evictions.get())
    }

    /// How many responses the index finds.
    #[cfg(test)]
    pub(super) fn indexed(&self) -> usize {
        self.index.len()
    }

    /// Bytes that moka has not weighed yet.
    #[cfg(test)]
    pub(super) fn unsettled(&self) -> u64 {
        self.unsettled.load(Relaxed)
    }

    /// The list of a target's variants, told apart by `names`; a new one where the newest
    /// response names other fields than the last. Where something is stored that was asked for
    /// later, the list is one that nobody will find.
    pub(super) fn declare(&self, primary: Key, names: Vec<HeaderName>, asked: Turn) -> Arc<Vary> {
        let epoch = fastrand::u64(..);
        let fresh = Arc::new(Vary { epoch, asked, names, variants: Vec::new() });
        let mut declared = fresh.clone();
        self.change(&primary, |known| {
            let stored = matches!(known, Some(Slot::Entry(_) | Slot::Part(_)));
            let later = known.as_ref().is_some_and(|slot| slot.asked() > asked);
            let vary = known.and_then(Slot::into_vary).filter(|it| it.names == fresh.names);
            if let Some(vary) = vary {
                declared = vary;
                return Change::Nothing;
            }
            // What is stored without Vary stays until this response is whole.
            if later || stored {
                return Change::Nothing;
            }
            Change::Put(Kept { slot: Slot::Vary(fresh.clone()), lasts: None })
        });
        declared
    }

    /// Takes over another node's list, without the entity-tags of what is not here; `None` where
    /// something newer is here.
    pub(super) fn adopt(&self, primary: Key, mut vary: Vary) -> Option<Arc<Vary>> {
        vary.variants.iter_mut().for_each(|variant| variant.tag = None);
        let vary = Arc::new(vary);
        let mut adopted = None;
        self.change(&primary, |known| match known {
            Some(Slot::Vary(known)) if known.epoch == vary.epoch => {
                adopted = Some(known);
                Change::Nothing
            }
            Some(slot) if slot.asked() > vary.asked => Change::Nothing,
            Some(_) | None => {
                adopted = Some(vary.clone());
                Change::Put(Kept { slot: Slot::Vary(vary.clone()), lasts: None })
            }
        });
        adopted
    }

    /// Drops what lies there, unless it is this version of it.
    pub(super) fn remove_other(&self, key: &Key, version: u64) {
        self.change(key, |known| match known {
            Some(known) if !known.is_version(version) => Change::Remove,
            Some(_) | None => Change::Nothing,
        });
    }

    /// Adds a variant to its list; `false` where the list is gone, and what is there now is not
    /// older. The oldest leaves a full one.
    pub(super) fn list(&self, primary: Key, own: &Vary, variant: Variant) -> bool {
        let (mut listed, mut oldest) = (false, None);
        self.change(&primary, |known| {
            let vary = match known {
                Some(Slot::Vary(vary)) if vary.epoch == own.epoch => vary,
                // It took the place of a response without Vary.
                Some(slot @ (Slot::Entry(_) | Slot::Part(_))) if slot.asked() <= own.asked => {
                    Arc::new(own.clone())
                }
                Some(_) | None => return Change::Nothing,
            };
            listed = true;
            let mut variants = vary.variants.clone();
            if !vary.is_isolated() {
                let known = variants.iter().position(|it| it.key == variant.key);
                let known = known.map(|at| variants.remove(at));
                // What is renewed was selected by what selected it before.
                let said = variant.said.clone().or(known.and_then(|it| it.said));
                oldest = (variants.len() == MAX_VARIANTS).then(|| variants.remove(0).key);
                oldest = oldest.filter(|_| !vary.is_keyed());
                variants.push(Variant { said, ..variant.clone() });
            }
            let vary = Arc::new(Vary { variants, names: vary.names.clone(), ..*vary });
            Change::Put(Kept { slot: Slot::Vary(vary), lasts: None })
        });
        if let Some(oldest) = oldest {
            self.remove(&oldest);
        }
        listed
    }

    /// Makes moka evict once enough has come in, so that a burst of large bodies cannot run ahead
    /// of it.
    fn settle(&self, weight: u64) {
        let before = self.unsettled.fetch_add(weight, Relaxed);
        if before + weight > self.max_size / SETTLE_AFTER {
            self.unsettled.store(0, Relaxed);
            self.cache.run_pending_tasks();
        }
    }
}

/// What to remember of what leaves by itself; a memo is made again, and missed by nobody.
fn how_it_left(slot: &Slot, cause: RemovalCause, at: Wall) -> Option<Left> {
    match (slot, cause) {
        (Slot::Memo(_) | Slot::Cut(_), _) => None,
        (_, RemovalCause::Size) => Some(Left { why: Miss::Evicted, by: "lack of room", at }),
        (_, RemovalCause::Expired) => Some(Left { why: Miss::Expired, by: "its age", at }),
        (_, RemovalCause::Explicit | RemovalCause::Replaced) => None,
    }
}

impl Slot {
    fn weight(&self) -> u32 {
        let bytes = match self {
            Slot::Entry(entry) => entry.body.len() + entry.head.size(),
            Slot::Part(part) => part.body.len() + part.head.size(),
            Slot::Vary(vary) => {
                let variants: usize = vary.variants.iter().map(Variant::size).sum();
                variants + vary.names.len() * 64
            }
            Slot::Memo(memo) => memo.size(),
            Slot::Cut(cut) => cut.size(),
        };
        u32::try_from(bytes + OVERHEAD).unwrap_or(u32::MAX)
    }

    /// When the response was asked for that put it there.
    fn asked(&self) -> Turn {
        match self {
            Slot::Entry(entry) => entry.asked,
            Slot::Part(part) => part.asked,
            Slot::Vary(vary) => vary.asked,
            Slot::Memo(_) | Slot::Cut(_) => Turn::default(),
        }
    }

    /// The head of what lies here.
    pub(super) fn head(&self) -> Option<&Head> {
        match self {
            Slot::Entry(entry) => Some(&entry.head),
            Slot::Part(part) => Some(&part.head),
            Slot::Vary(_) | Slot::Memo(_) | Slot::Cut(_) => None,
        }
    }

    /// The response that lies here, or the part of one.
    pub(super) fn into_stored(self) -> (Option<Entry>, Option<Part>) {
        match self {
            Slot::Entry(entry) => (Some(entry), None),
            Slot::Part(part) => (None, Some(part)),
            Slot::Vary(_) | Slot::Memo(_) | Slot::Cut(_) => (None, None),
        }
    }

    fn into_vary(self) -> Option<Arc<Vary>> {
        match self {
            Slot::Vary(vary) => Some(vary),
            Slot::Entry(_) | Slot::Part(_) | Slot::Memo(_) | Slot::Cut(_) => None,
        }
    }
}
