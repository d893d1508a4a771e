//! What was purged, and when: O(1), however many responses are meant.
//!
//! Nothing is searched for. A stored response keeps the moment at which its fetch began and the
//! names it bears; the table keeps the moments at which each name was last purged; who looks it
//! up compares the two. So what is under way is purged as well: it began before. While nothing was
//! purged since it began, a look costs one relaxed load.
//!
//! The table is bounded. The oldest name leaves a full one and folds into the purge of everything:
//! what began before it counts as purged. Whoever makes names in numbers must not get them in here:
//! targets that unsafe requests invalidate have places of their own, which never fold.

mod past;

use std::{
    collections::{HashMap, VecDeque},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use parking_lot::RwLock;

use super::{Name, Named};
use crate::{
    key::{IdentityState, Key},
    policy::Mono,
};
use past::Past;

/// The names that are told apart; the oldest folds into the purge of everything.
const MAX_NAMES: usize = 1 << 16;

/// Where it is written down when targets were last invalidated. Those of the same place go with each
/// other: after 65,536 targets that is one in sixteen.
const PLACES: u32 = 1 << 20;

/// Places whose doubts are remembered; what goes with others is dropped in doubt.
const MAX_DOUBTED: usize = 1 << 16;

/// How many purges came before, on this node and in the cluster: the time by which fetches and
/// purges are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Purges, and invalidations, that this node knew of.
    pub local: u64,
    /// The newest purge of the cluster among them; 0 where there is no cluster.
    pub global: u64,
}

/// What is purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// What was stored on one of these routes.
    Routes(Vec<Name>),
    /// What has one of these URLs.
    Urls(Vec<Name>),
    /// What lies below one of these prefixes.
    Prefixes(Vec<Name>),
    /// What bears one of these tags.
    Tags(Vec<Name>),
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// It is gone.
    #[default]
    Hard,
    /// It is stale from now on.
    Soft,
    /// It may have changed: it is stale from now on, and not served while it is validated. It still
    /// stands in where the origin fails, and for clients that take what is stale.
    Doubt,
}

/// What the purges since a response began mean for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Current,
    /// It has been stale since this moment, whatever it says itself.
    Stale(Mono),
    /// It may have been purged, or replaced, by what was never heard of: it has to be validated,
    /// and counts as stale since this moment.
    Doubted(Mono),
    /// It must not be used.
    Gone,
}

/// When what was last purged.
#[derive(Debug)]
pub(super) struct Generations {
    /// The newest purge or doubt: what began since then pays one load.
    newest: AtomicU64,
    table: RwLock<Table>,
    max_names: usize,
}

#[derive(Debug, Default)]
struct Table {
    newest: Moment,
    of: HashMap<Name, Past, IdentityState>,
    /// The oldest first; a pair that `of` contradicts has been purged again since.
    order: VecDeque<(Name, u64)>,
    /// The purges of everything, and those of names that have left.
    all: Past,
    /// The purges of any tag.
    tags: Past,
    /// What began before this, in the local order, is doubted, and since when.
    doubted: Option<(u64, Mono)>,
    /// Moments that are none of purges.
    marks: u64,
    /// When a target of each place was last invalidated, and one more; 0 where nobody wants to know.
    apart: Vec<u64>,
    /// The doubts of these places since they were last invalidated.
    doubts: HashMap<u32, Past>,
}

/// A target's place.
pub(super) fn place(target: &Key) -> u32 {
    let [a, b, c, d, ..] = *target.as_bytes();
    u32::from_le_bytes([a, b, c, d]) % PLACES
}

impl Standing {
    /// What two kinds of purges mean together.
    fn and(self, other: Standing) -> Standing {
        match (self, other) {
            (Standing::Gone, _) | (_, Standing::Gone) => Standing::Gone,
            (Standing::Doubted(one), Standing::Doubted(other) | Standing::Stale(other))
            | (Standing::Stale(one), Standing::Doubted(other)) => Standing::Doubted(one.min(other)),
            (Standing::Stale(one), Standing::Stale(other)) => Standing::Stale(one.min(other)),
            (Standing::Current, it) | (it, Standing::Current) => it,
        }
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
        self.table.read().newest
    }

    /// Whether anything was ever purged.
    pub(super) fn is_empty(&self) -> bool {
        self.newest.load(Relaxed) == 0
    }

    /// Purges what is meant and began before this moment. `global` is the purge's place in the
    /// cluster's order, where it has one.
    pub(super) fn purge(
        &self,
        scope: &Scope,
        manner: Manner,
        now: Mono,
        global: Option<u64>,
    ) -> Moment {
        let mut table = self.table.write();
        let moment = table.next(global);
        match scope {
            Scope::All => table.all.add(manner, moment, now),
            Scope::Routes(names) | Scope::Urls(names) | Scope::Prefixes(names) => {
                table.add(names, manner, moment, now);
            }
            Scope::Tags(names) => {
                table.tags.add(manner, moment, now);
                table.add(names, manner, moment, now);
            }
        }
        table.fold(self.max_names);
        table.newest = moment;
        // Last, and within the lock: who begins at this moment began after it was known.
        self.newest.store(moment.local, Relaxed);
        moment
    }

    /// What the purges since it began mean for a response.
    pub(super) fn standing(&self, named: &Named) -> Standing {
        if self.newest.load(Relaxed) <= named.began.local {
            return Standing::Current;
        }
        let (table, began) = (self.table.read(), named.began.local);
        if table.is_rewritten(named) {
            return Standing::Gone;
        }
        let doubted = match table.doubted {
            Some((before, since)) if began < before => Standing::Doubted(since),
            _ => Standing::Current,
        };
        doubted.and(table.doubt_of(named)).and(table.standing(named, |purge| purge.local > began))
    }

    /// What the cluster's purges mean for a response that another node fetched. What comes after
    /// that, this node's own order tells.
    pub(super) fn standing_afar(&self, named: &Named) -> Standing {
        let began = named.began.global;
        self.table.read().standing(named, |purge| purge.global > began)
    }

    /// Gives the purges that this node has done already their place in the cluster's order.
    pub(super) fn confirm(&self, scope: &Scope, manner: Manner, global: u64) {
        let mut table = self.table.write();
        table.newest.global = table.newest.global.max(global);
        let Table { of, all, tags, .. } = &mut *table;
        let names = match scope {
            Scope::All => return all.confirm(manner, global),
            Scope::Routes(names) | Scope::Urls(names) | Scope::Prefixes(names) => names,
            Scope::Tags(names) => {
                tags.confirm(manner, global);
                names
            }
        };
        for name in names {
            // What is not there has left, and counts for everything.
            of.get_mut(name).unwrap_or(&mut *all).confirm(manner, global);
        }
    }

    /// A moment of its own: what begins from now on begins after it. It means nothing yet for
    /// what began before.
    pub(super) fn mark(&self) -> u64 {
        self.table.write().mark()
    }

    /// Something is about to begin that goes with its target's place.
    pub(super) fn set_apart(&self, target: &Key) {
        let place = place(target) as usize;
        if self.table.read().is_wanted(place) {
            return;
        }
        let mut table = self.table.write();
        // All of it at once costs nothing before it is used.
        if table.apart.is_empty() {
            table.apart = vec![0; PLACES as usize];
        }
        let last = &mut table.apart[place];
        *last = (*last).max(1);
    }

    /// A target was invalidated: what goes with its place and began before is gone.
    pub(super) fn rewrite(&self, target: &Key) {
        let place = place(target);
        if !self.table.read().is_wanted(place as usize) {
            return;
        }
        let mut table = self.table.write();
        let now = table.mark();
        table.apart[place as usize] = now + 1;
        // What they were of is gone.
        table.doubts.remove(&place);
        self.newest.store(now, Relaxed);
    }

    /// A target may have changed: what goes with its place and began before is validated.
    pub(super) fn doubt_target(&self, target: &Key, now: Mono) {
        let place = place(target);
        if !self.table.read().is_wanted(place as usize) {
            return;
        }
        let mut table = self.table.write();
        let mark = table.mark();
        if table.doubts.len() < MAX_DOUBTED || table.doubts.contains_key(&place) {
            let doubts = table.doubts.entry(place).or_default();
            doubts.add(Manner::Doubt, Moment { local: mark, ..Moment::default() }, now);
        } else {
            table.apart[place as usize] = mark + 1;
        }
        self.newest.store(mark, Relaxed);
    }

    /// Lets what began before a mark be validated; it counts as stale since `since`.
    pub(super) fn doubt(&self, mark: u64, since: Mono) {
        let mut table = self.table.write();
        if table.doubted.is_none_or(|(known, _)| known < mark) {
            table.doubted = Some((mark, since));
        }
        self.newest.fetch_max(mark, Relaxed);
    }

    /// How many purges there were.
    pub(super) fn purges(&self) -> u64 {
        let table = self.table.read();
        table.newest.local - table.marks
    }
}

impl Table {
    fn standing(&self, named: &Named, is_after: impl Fn(Moment) -> bool) -> Standing {
        let tags = if named.crowded { self.tags.standing(&is_after) } else { Standing::Current };
        let pasts = named.names().iter().filter_map(|name| self.of.get(name));
        let all = self.all.standing(&is_after).and(tags);
        pasts.fold(all, |it, past| it.and(past.standing(&is_after)))
    }

    fn is_rewritten(&self, named: &Named) -> bool {
        let place = named.apart.map(|it| it.get() as usize - 1);
        let last = place.and_then(|place| self.apart.get(place)?.checked_sub(1));
        last.is_some_and(|last| last > named.began.local)
    }

    fn doubt_of(&self, named: &Named) -> Standing {
        let past = named.apart.and_then(|place| self.doubts.get(&(place.get() - 1)));
        past.map_or(Standing::Current, |past| {
            past.standing(|doubt| doubt.local > named.began.local)
        })
    }

    fn is_wanted(&self, place: usize) -> bool {
        self.apart.get(place).is_some_and(|last| *last > 0)
    }

    fn mark(&mut self) -> u64 {
        self.newest.local += 1;
        self.marks += 1;
        self.newest.local
    }

    fn next(&self, global: Option<u64>) -> Moment {
        let Moment { local, global: known } = self.newest;
        Moment { local: local + 1, global: global.map_or(known, |it| it.max(known)) }
    }

    fn add(&mut self, names: &[Name], manner: Manner, moment: Moment, now: Mono) {
        for name in names {
            let past = self.of.entry(*name).or_default();
            if past.newest() == moment.local {
                continue;
            }
            past.add(manner, moment, now);
            self.order.push_back((*name, moment.local));
        }
    }

    /// Lets the oldest names leave, and drops what is remembered twice once it is half of all.
    fn fold(&mut self, max_names: usize) {
        while self.of.len() > max_names {
            let Some((name, local)) = self.order.pop_front() else { return };
            if self.of.get(&name).is_some_and(|past| past.newest() == local)
                && let Some(past) = self.of.remove(&name)
            {
                self.all.absorb(past);
            }
        }
        if self.order.len() > 2 * max_names {
            let of = &self.of;
            let current =
                |name: &Name, local| of.get(name).is_some_and(|past| past.newest() == local);
            self.order.retain(|(name, local)| current(name, *local));
        }
    }
}

#[cfg(test)]
mod tests;
