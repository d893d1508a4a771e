//! The store: what the origin said, found by key.
//!
//! Memory, and in [`redis`] what nodes share. It decides nothing about freshness: it gives what
//! is there and can still be of use, and the policy judges.

pub mod block;
mod coherence;
mod cut;
pub mod entry;
pub mod generations;
mod gone;
mod heads;
mod index;
mod journal;
mod marks;
pub mod memo;
mod memory;
pub mod name;
mod near;
pub mod part;
pub mod recall;
mod recent;
pub mod redis;
pub mod shape;
mod variant;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use http::{HeaderMap, HeaderName, header};

pub use block::Block;
pub use coherence::Look;
pub(crate) use coherence::members;
pub use cut::Cut;
pub use entry::{BodyHasher, BodyId, Entry, Head, Turn};
pub use generations::{Manner, Moment, Scope, Standing};
pub use gone::Left;
pub use journal::{By, Purge, Told};
pub use marks::Crowd;
pub use memo::Memo;
pub use name::{Name, Named, Origin};
pub use part::Part;

use crate::{
    key::Key,
    policy::{Fwd, Mono, Now, Wall, cookies::KEY_COOKIES},
    reason::{Field, Miss, Missed},
};
use coherence::Heard;
use generations::Generations;
use gone::Gone;
use journal::Journal;
use marks::Marks;
use memory::{Memory, Slot};
use variant::{Said, Variant};

/// The variants that one list names at most; the oldest leaves first. What leaves is dropped, but
/// where the operator named what tells variants apart.
pub const MAX_VARIANTS: usize = 32;

/// The store; one for the life of the process.
#[derive(Debug)]
pub struct Store {
    memory: Memory,
    marks: Marks,
    gone: Arc<Gone>,
    generations: Generations,
    journal: Journal,
    turns: AtomicU64,
    heard: Heard,
}

/// What there is to tell of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Bytes, as they are counted against the limit.
    pub bytes: u64,
    /// Answers, parts of them, and lists of variants.
    pub entries: u64,
    /// How many of these have left for lack of room.
    pub evictions: u64,
    /// Purges, and invalidations by name.
    pub purges: u64,
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
    /// Why there is nothing; none on a hit.
    pub missed: Option<Missed>,
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
    /// What the request says in the selecting fields, where a response is to be stored by it.
    said: Option<Said>,
}

impl Store {
    /// An empty store of at most `max_size` bytes.
    #[must_use]
    pub fn new(max_size: u64) -> Store {
        let gone = Arc::new(Gone::new());
        Store {
            memory: Memory::new(max_size, gone.clone()),
            marks: Marks::new(),
            gone,
            generations: Generations::new(),
            journal: Journal::default(),
            turns: AtomicU64::new(0),
            heard: Heard::default(),
        }
    }

    /// Finds the response that a request's target and selecting fields choose.
    #[must_use]
    pub fn get(&self, primary: Key, asked: &HeaderMap, now: Now) -> Found {
        let (vary, key, slot) = match self.memory.get(&primary) {
            Some(Slot::Vary(vary)) => {
                let key = vary.key(primary, asked);
                let slot = self.memory.get(&key);
                (Some(vary), key, slot)
            }
            slot => (None, primary, slot),
        };
        let place = Place { primary, vary, key, said: None };
        let (entry, part) = slot.map_or((None, None), Slot::into_stored);
        let useless = match entry.map(|entry| self.usable(entry, now)) {
            Some(Ok(entry)) => {
                return Found { place, stored: Ok(entry), part: None, missed: None };
            }
            Some(Err(why)) => Some(why),
            None => None,
        };
        match part.map(|part| self.usable_part(part, now)) {
            Some(Ok(part)) => self.miss(place, Ok(part), asked, now),
            Some(Err(why)) => self.miss(place, Err(Some(why)), asked, now),
            None => self.miss(place, Err(useless), asked, now),
        }
    }

    /// What there is instead of a response: a part, or nothing, and why what lies there is of no
    /// use.
    fn miss(
        &self,
        mut place: Place,
        part: Result<Part, Option<Miss>>,
        asked: &HeaderMap,
        now: Now,
    ) -> Found {
        place.vary = place.vary.map(|vary| self.without_purged(vary, now));
        let missed = match &part {
            Ok(_) => Missed { why: Miss::Part, field: None },
            Err(Some(why)) => Missed { why: *why, field: None },
            Err(None) => self.absent(&place, asked),
        };
        let part = part.ok();
        let fwd = match (&part, &place.vary) {
            (Some(_), _) => Fwd::Partial,
            (None, Some(_)) => Fwd::VaryMiss,
            (None, None) => Fwd::UriMiss,
        };
        Found { place, stored: Err(fwd), part, missed: Some(missed) }
    }

    /// Why nothing at all lies there.
    fn absent(&self, place: &Place, asked: &HeaderMap) -> Missed {
        let known = self.gone.how(place.key).map_or(Miss::Cold, |left| left.why);
        let Some(vary) = &place.vary else {
            return Missed { why: known, field: None };
        };
        if vary.is_isolated() {
            return Missed { why: Miss::Variant, field: Field::of(&header::AUTHORIZATION) };
        }
        let mut others = vary.variants.iter().filter(|it| self.memory.contains(&it.key)).peekable();
        match others.peek() {
            None => Missed { why: known, field: None },
            Some(_) if known == Miss::Evicted => Missed { why: known, field: None },
            Some(_) => {
                let said = others.filter_map(|it| it.said.as_ref());
                let field = variant::differing(&vary.names, asked, said);
                Missed { why: Miss::Variant, field }
            }
        }
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
            return Place { primary, vary: None, key: primary, said: None };
        }
        let vary = self.memory.declare(primary, names, asked);
        let (key, said) = (vary.key(primary, request), Said::of(&vary.names, request));
        Place { primary, key, vary: Some(vary), said: Some(said) }
    }

    /// Stores a response, unless one is stored that was asked for later. One whose variant list
    /// has been dropped since is dropped, too, and so is one that has been purged; one that was
    /// purged softly is stale already.
    pub fn put(&self, place: &Place, entry: Entry, now: Now) {
        if !self.is_gone(&entry.head.named) && self.list(place, Some(&entry)) {
            // Before: it may leave at once, for lack of room.
            self.gone.forget(place.key);
            if place.key != place.primary {
                self.gone.forget(place.primary);
            }
            self.memory.insert(place.key, Slot::Entry(entry), now);
        }
    }

    /// Stores a part of a response, under the same conditions, unless the whole is there.
    pub fn put_part(&self, place: &Place, part: Part, now: Now) {
        let whole = self.entry(place.key, now).is_some();
        if !whole && !self.is_gone(&part.head.named) && self.list(place, None) {
            self.memory.insert(place.key, Slot::Part(part), now);
        }
    }

    /// Makes a variant known to its list; `false` where that is gone.
    fn list(&self, place: &Place, entry: Option<&Entry>) -> bool {
        let Some(vary) = &place.vary else { return true };
        let variant = Variant::of(place.key, place.said.clone(), entry);
        self.memory.list(place.primary, vary, variant)
    }

    /// Whether anything lies under a key; no sign that it is of use.
    #[must_use]
    pub fn has(&self, key: Key) -> bool {
        self.memory.contains(&key)
    }

    /// The whole response that lies under its own key.
    #[must_use]
    pub fn entry(&self, key: Key, now: Now) -> Option<Entry> {
        let (entry, _) = self.memory.get(&key)?.into_stored();
        self.usable(entry?, now).ok()
    }

    /// The part of a response that lies under its own key.
    #[must_use]
    pub fn part(&self, key: Key, now: Now) -> Option<Part> {
        let (_, part) = self.memory.get(&key)?.into_stored();
        self.usable_part(part?, now).ok()
    }

    /// What a recipe made of a body.
    #[must_use]
    pub fn memo(&self, key: Key) -> Option<Memo> {
        match self.memory.get(&key) {
            Some(Slot::Memo(memo)) => Some(memo),
            Some(Slot::Entry(_) | Slot::Part(_) | Slot::Vary(_) | Slot::Cut(_)) | None => None,
        }
    }

    /// What lies at a key, if it was cut out of this very response for this query.
    #[must_use]
    pub fn cut(&self, key: Key, of: &Entry, asked: (&[u8; 32], &str)) -> Option<Cut> {
        match self.memory.get(&key) {
            Some(Slot::Cut(cut)) => Some(cut).filter(|cut| cut.is_of(of, asked)),
            Some(Slot::Entry(_) | Slot::Part(_) | Slot::Vary(_) | Slot::Memo(_)) | None => None,
        }
    }

    /// Keeps what was cut out of a response for as long as it is used.
    pub fn put_cut(&self, key: Key, cut: Cut) {
        self.memory.insert_made(key, Slot::Cut(cut));
    }

    /// Keeps what a recipe made of a body for as long as it is used.
    pub fn put_memo(&self, key: Key, memo: Memo) {
        self.memory.insert_made(key, Slot::Memo(memo));
    }

    /// Drops one response.
    pub fn remove(&self, key: Key) {
        self.memory.remove(&key);
    }

    /// Whether anything is stored for a target URI; no sign that it is of use.
    #[must_use]
    pub fn holds(&self, primary: Key) -> bool {
        self.memory.contains(&primary)
    }

    /// The groups that what is stored for a target URI is in, but for what has been purged: that
    /// invalidates no more (RFC 9875 §2.2.1).
    #[must_use]
    pub fn groups(&self, primary: Key) -> Vec<Name> {
        self.groups_of(&self.slots(primary))
    }

    /// Drops everything that is stored for a target URI (§4.4), all variants at once. Gives the
    /// groups that it was in. `by` says in a word what did it.
    pub fn invalidate(&self, primary: Key, by: &'static str, at: Wall) -> Vec<Name> {
        // First told, then dropped: what is looked up elsewhere at this moment does not come back.
        self.changed(primary, None);
        let slots = self.slots(primary);
        self.drop_target(primary);
        if !slots.is_empty() {
            self.gone.remember(primary, Left { why: Miss::Invalidated, by, at });
        }
        self.groups_of(&slots)
    }

    /// Drops what lies under a target's key, and what goes with that without lying there.
    fn drop_target(&self, primary: Key) {
        self.memory.remove(&primary);
        self.generations.rewrite(&primary);
    }

    /// Drops what lies under a target's key, and lets what goes with that without lying there be
    /// validated.
    pub fn doubt_target(&self, primary: Key, now: Mono) {
        self.memory.remove(&primary);
        self.generations.doubt_target(&primary, now);
    }

    fn slots(&self, primary: Key) -> Vec<Slot> {
        match self.memory.get(&primary) {
            None => Vec::new(),
            Some(Slot::Vary(vary)) => {
                vary.variants.iter().filter_map(|it| self.memory.get(&it.key)).collect()
            }
            Some(slot) => vec![slot],
        }
    }

    fn groups_of(&self, slots: &[Slot]) -> Vec<Name> {
        let named = slots.iter().filter_map(Slot::head).map(|head| &head.named);
        let valid = named.filter(|named| !self.is_gone(named));
        valid.flat_map(|named| named.groups()).copied().collect()
    }

    /// Purges what is meant, what is under way included; when that was, in the order of purges.
    pub fn purge(&self, scope: &Scope, manner: Manner, now: Now, told: Told<'_>) -> Moment {
        let moment = self.generations.purge(scope, manner, now.mono, None);
        self.journal.note((scope, manner), (moment, now.wall), told);
        moment
    }

    /// How what lay there left, as far as that is remembered.
    #[must_use]
    pub fn how_it_left(&self, place: &Place) -> Option<Left> {
        self.gone.how(place.key)
    }

    /// The purge that took a response, as far as that is remembered.
    #[must_use]
    pub fn purge_of(&self, named: &Named) -> Option<Purge> {
        self.journal.of(named)
    }

    /// The name of what lies under a key, be it of use or not.
    #[must_use]
    pub fn named(&self, key: Key) -> Option<Named> {
        self.memory.get(&key)?.head().map(|head| head.named.clone())
    }

    /// The moment that a fetch which begins now is known by; to be taken before it is sent.
    #[must_use]
    pub fn moment(&self) -> Moment {
        self.generations.now()
    }

    /// A fetch is about to begin whose answer goes with its target's key without lying under it.
    pub fn set_apart(&self, target: Key) {
        self.generations.set_apart(&target);
    }

    /// Whether a response has not been purged since its fetch began, not even softly.
    #[must_use]
    pub fn is_current(&self, named: &Named) -> bool {
        self.generations.standing(named) == Standing::Current
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

    /// What there is to tell of it.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let bytes = self.weight();
        let (entries, evictions) = self.memory.entries_and_evictions();
        Stats { bytes, entries, evictions, purges: self.generations.purges() }
    }

    fn is_gone(&self, named: &Named) -> bool {
        self.generations.standing(named) == Standing::Gone
    }

    /// What of a response the purges since it began have left; else why that is nothing.
    fn usable(&self, entry: Entry, now: Now) -> Result<Entry, Miss> {
        let less = self.judge(&entry.head, now)?;
        Ok(match less {
            Some(head) => entry.under(head),
            None => entry,
        })
    }

    /// The same of a part.
    fn usable_part(&self, part: Part, now: Now) -> Result<Part, Miss> {
        let less = self.judge(&part.head, now)?;
        Ok(match less {
            Some(head) => part.under(head),
            None => part,
        })
    }

    /// The head under which what it heads can still be of use, where that is not its own.
    fn judge(&self, head: &Head, now: Now) -> Result<Option<Head>, Miss> {
        let (less, ended) = match self.generations.standing(&head.named) {
            Standing::Current => (None, Miss::Expired),
            Standing::Stale(since) => (Some(head.stale_since(since)), Miss::Purged),
            Standing::Doubted(since) => (Some(head.doubted_since(since)), Miss::Invalidated),
            Standing::Gone => return Err(self.why_gone(&head.named)),
        };
        let usable = less.as_ref().unwrap_or(head).meta.usable_for(now) > 0;
        if usable { Ok(less) } else { Err(ended) }
    }

    /// What is purged for a group is invalidated by the request that named it.
    fn why_gone(&self, named: &Named) -> Miss {
        match self.journal.of(named).map(|purge| purge.by) {
            Some(By::Operator | By::Node | By::Reload) => Miss::Purged,
            Some(By::Group | By::Doubt) | None => Miss::Invalidated,
        }
    }

    /// A list without the variants that were purged: the origin is not offered their tags.
    fn without_purged(&self, vary: Arc<Vary>, now: Now) -> Arc<Vary> {
        let is_there = |it: &Variant| it.tag.is_none() || self.entry(it.key, now).is_some();
        if self.generations.is_empty() || vary.variants.iter().all(is_there) {
            return vary;
        }
        let variants = vary.variants.iter().filter(|it| is_there(it)).cloned().collect();
        Arc::new(Vary { variants, names: vary.names.clone(), ..*vary })
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

    /// Whether each credential has variants of its own, which are not listed: memory alone bounds
    /// their number.
    fn is_isolated(&self) -> bool {
        self.names.contains(&header::AUTHORIZATION)
    }

    /// How many variants are known.
    #[must_use]
    pub fn listed(&self) -> usize {
        self.variants.len()
    }

    /// Whether the operator named what tells its variants apart: there may be more of them than are
    /// listed, and memory alone bounds their number.
    fn is_keyed(&self) -> bool {
        self.names.contains(&KEY_COOKIES)
    }

    /// The selecting fields.
    #[must_use]
    pub fn names(&self) -> &[HeaderName] {
        &self.names
    }
}

impl Place {
    /// Where another variant of the same list lies.
    #[must_use]
    pub fn beside(&self, key: Key) -> Place {
        Place { key, said: None, ..self.clone() }
    }

    /// Whether a request chooses the same variant.
    #[must_use]
    pub fn is_for(&self, asked: &HeaderMap) -> bool {
        self.vary.as_ref().is_none_or(|vary| vary.key(self.primary, asked) == self.key)
    }
}

#[cfg(test)]
mod tests;
