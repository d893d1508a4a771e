//! What was invalidated by name, and when: O(1), however many responses bear the name.
//!
//! Nothing is searched for. A stored response keeps the moment at which its fetch began and the
//! names it bears; the table keeps the moment at which each name was last invalidated; who looks
//! it up compares the two. So what is under way is invalidated as well: it began before. While
//! nothing was ever invalidated, a look costs one relaxed load.
//!
//! The table is bounded. The oldest name leaves a full one and folds into the generation of all
//! names: what began before it, and bears any name, counts as invalidated.

use std::{
    collections::{HashMap, VecDeque},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use parking_lot::RwLock;

/// The names that are told apart; the oldest folds into all.
const MAX_NAMES: usize = 1 << 16;

/// The names of one response that are told apart (RFC 9875 §2 asks for 32); one that bears more
/// is invalidated by any name.
pub const MAX_NAMES_OF_ONE: usize = 64;

/// How often anything had been invalidated: the time by which fetches and invalidations are
/// ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

/// A name, by hash: who could make two collide would only invalidate too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Name(u64);

/// What of a stored response says whether it has been invalidated by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// When its fetch, or the validation that last found it good, began.
    began: Moment,
    /// One more than [`MAX_NAMES_OF_ONE`] where there are too many.
    names: Box<[Name]>,
}

/// When which names were last invalidated.
#[derive(Debug)]
pub(super) struct Generations {
    newest: AtomicU64,
    table: RwLock<Table>,
    max_names: usize,
}

#[derive(Debug, Default)]
struct Table {
    of: HashMap<Name, u64>,
    /// The oldest first; a pair that `of` contradicts has been invalidated again since.
    order: VecDeque<(Name, u64)>,
    /// The newest generation of a name that has left.
    of_all: u64,
}

impl Name {
    /// The name of a cache group within its origin (RFC 9875 §2.1).
    #[must_use]
    pub fn group(scheme: &str, authority: &str, group: &str) -> Name {
        Name::hashed([b"group", scheme.as_bytes(), authority.as_bytes(), group.as_bytes()])
    }

    /// No two lists of parts are written alike: each part follows its length.
    fn hashed<const N: usize>(parts: [&[u8]; N]) -> Name {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        let mut first = [0; 8];
        hasher.finalize_xof().fill(&mut first);
        Name(u64::from_le_bytes(first))
    }
}

impl Named {
    /// A response whose fetch began at `began`, and the names it bears.
    #[must_use]
    pub fn new(began: Moment, names: impl Iterator<Item = Name>) -> Named {
        Named { began, names: names.take(MAX_NAMES_OF_ONE + 1).collect() }
    }

    /// The names that are told apart.
    #[must_use]
    pub fn names(&self) -> &[Name] {
        &self.names[..self.names.len().min(MAX_NAMES_OF_ONE)]
    }

    /// The bytes that it keeps.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.names)
    }
}

impl Generations {
    pub(super) fn new() -> Generations {
        Generations::of_at_most(MAX_NAMES)
    }

    fn of_at_most(max_names: usize) -> Generations {
        Generations { newest: AtomicU64::new(0), table: RwLock::default(), max_names }
    }

    /// The moment that a fetch which begins now keeps. Taken before the request is sent.
    pub(super) fn now(&self) -> Moment {
        Moment(self.newest.load(Relaxed))
    }

    /// Invalidates all that bears one of the names and began before this moment.
    pub(super) fn invalidate(&self, names: &[Name]) {
        if names.is_empty() {
            return;
        }
        let mut table = self.table.write();
        let generation = self.newest.load(Relaxed) + 1;
        for name in names {
            table.set(*name, generation);
        }
        table.fold(self.max_names);
        // Last, and within the lock: who begins at this generation began after it was known.
        self.newest.store(generation, Relaxed);
    }

    /// Whether none of the names it bears has been invalidated since it began.
    pub(super) fn is_current(&self, named: &Named) -> bool {
        let nothing_since = self.newest.load(Relaxed) <= named.began.0;
        if nothing_since || named.names.is_empty() {
            return true;
        }
        if named.names.len() > MAX_NAMES_OF_ONE {
            return false;
        }
        let table = self.table.read();
        let since = |generation: &u64| *generation > named.began.0;
        !since(&table.of_all) && !named.names.iter().filter_map(|it| table.of.get(it)).any(since)
    }
}

impl Table {
    fn set(&mut self, name: Name, generation: u64) {
        if self.of.insert(name, generation) != Some(generation) {
            self.order.push_back((name, generation));
        }
    }

    /// Lets the oldest names leave, and drops what is remembered twice once it is half of all.
    fn fold(&mut self, max_names: usize) {
        while self.of.len() > max_names {
            let Some((name, generation)) = self.order.pop_front() else { return };
            if self.of.get(&name) == Some(&generation) {
                self.of.remove(&name);
                self.of_all = self.of_all.max(generation);
            }
        }
        if self.order.len() > 2 * max_names {
            let of = &self.of;
            self.order.retain(|(name, generation)| of.get(name) == Some(generation));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, proptest};

    use super::*;

    fn name(of: &str) -> Name {
        Name::group("http", "api.test", of)
    }

    /// What begins now and bears these names.
    fn born(generations: &Generations, names: &[&str]) -> Named {
        Named::new(generations.now(), names.iter().map(|it| name(it)))
    }

    #[test]
    fn what_began_before_is_invalidated_and_what_begins_after_is_not() {
        let generations = Generations::new();
        let before = born(&generations, &["a", "b"]);
        let other = born(&generations, &["c"]);
        let nameless = born(&generations, &[]);
        assert!(generations.is_current(&before), "nothing was ever invalidated");
        generations.invalidate(&[name("b")]);
        let after = born(&generations, &["b"]);
        assert!(!generations.is_current(&before), "one of its names is enough");
        assert!(generations.is_current(&other), "another name");
        assert!(generations.is_current(&nameless), "no name at all");
        assert!(generations.is_current(&after), "it began later");
        generations.invalidate(&[name("c"), name("b"), name("b")]);
        assert!(!generations.is_current(&after), "invalidated again");
        assert!(!generations.is_current(&other));
    }

    #[test]
    fn a_name_means_something_within_its_origin_alone() {
        let origins = [("http", "a"), ("https", "a"), ("http", "b"), ("http", "a:81")];
        let names = origins.map(|(scheme, authority)| Name::group(scheme, authority, "g"));
        for (at, one) in names.iter().enumerate() {
            assert!(!names[..at].contains(one), "RFC 9875 §2.1: {:?}", origins[at]);
        }
        assert_ne!(Name::group("http", "a", "bc"), Name::group("http", "ab", "c"));
    }

    #[test]
    fn the_oldest_name_folds_into_all() {
        let generations = Generations::of_at_most(2);
        let old = born(&generations, &["x"]);
        let nameless = born(&generations, &[]);
        generations.invalidate(&[name("a")]);
        let between = born(&generations, &["x"]);
        generations.invalidate(&[name("b")]);
        generations.invalidate(&[name("b")]);
        assert!(generations.is_current(&old), "two names have room");
        generations.invalidate(&[name("c")]);
        assert!(!generations.is_current(&old), "`a` has left, and might have been its name");
        assert!(generations.is_current(&between), "it began after `a` was invalidated");
        assert!(generations.is_current(&nameless), "what has no name was not meant");
    }

    #[test]
    fn the_table_stays_within_its_bound() {
        let generations = Generations::of_at_most(8);
        for n in 0..10_000 {
            generations.invalidate(&[name(&format!("{}", n % 11)), name("again")]);
            let table = generations.table.read();
            assert!(table.of.len() <= 8 && table.order.len() <= 17, "{n}: {table:?}");
        }
    }

    #[test]
    fn one_with_too_many_names_is_invalidated_by_any() {
        let generations = Generations::new();
        let names: Vec<String> = (0..65).map(|n| n.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (most, more) = (born(&generations, &names[..64]), born(&generations, &names));
        generations.invalidate(&[name("another")]);
        assert!(generations.is_current(&most), "64 are told apart");
        assert!(!generations.is_current(&more), "65 are not");
        assert_eq!(more.names().len(), 64);
    }

    proptest! {
        /// Against a list of everything that ever happened: never a miss, and no excess while the
        /// table has room.
        #[test]
        fn it_is_the_list_of_all_invalidations(
            steps in vec((0_u8..2, 0_u8..6), 1..60),
            max_names in 1_usize..8,
        ) {
            let generations = Generations::of_at_most(max_names);
            let mut log: Vec<u8> = Vec::new();
            let mut born: Vec<(usize, u8, Named)> = Vec::new();
            for (kind, n) in steps {
                let named = name(&n.to_string());
                match kind {
                    0 => {
                        let it = Named::new(generations.now(), [named].into_iter());
                        born.push((log.len(), n, it));
                    }
                    _ => {
                        generations.invalidate(&[named]);
                        log.push(n);
                    }
                }
                for (began, n, it) in &born {
                    let invalidated = log[*began..].contains(n);
                    let current = generations.is_current(it);
                    assert!(!(invalidated && current), "invalidated and still used");
                    assert!(current || invalidated || max_names < 6, "not invalidated, but lost");
                }
            }
        }
    }
}
