//! What the memory tier does with what it hears of other nodes, and with what they stored.
//!
//! A response from the shared tier is judged once by the cluster's order of purges, when it comes
//! in; from then on this node's own order tells, as for all others. What was heard while it was
//! under way is remembered for a moment, so that it cannot bring back what has changed since.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;

use super::{
    By, Entry, Manner, Name, Place, Scope, Standing, Store, Told, Vary,
    memory::Slot,
    redis::{Event, Generations, Member, Shared},
    variant::Said,
};
use crate::{
    key::Key,
    policy::{Mono, Now, encoding::Forms},
};

/// Changes that are remembered; a look-up during which there were more brings nothing.
const MAX_RECENT: usize = 1024;

/// What is known of another node's purge.
const ELSEWHERE: Told<'static> = Told { by: By::Node, what: "what another node named" };

/// What this node has heard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Whether there are other nodes to hear of.
    listens: AtomicBool,
    /// The newest purge, in the order in which all nodes hear them.
    seq: AtomicU64,
    recent: Mutex<Recent>,
    /// Since when nothing is heard, as a moment and as a time.
    silent: Mutex<Option<(u64, Mono)>>,
}

#[derive(Debug, Default)]
struct Recent {
    count: u64,
    /// Each with the version that lies there since, where that is known.
    keys: VecDeque<(Key, Option<u64>)>,
}

/// The moment at which a look into the shared tier begins.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    local: u64,
    changes: u64,
    asked: super::Turn,
}

impl Recent {
    /// Whether one of these was changed since, to something else than this version of it.
    fn has(&self, since: u64, found: [(Key, u64); 2]) -> bool {
        let new = usize::try_from(self.count - since).unwrap_or(usize::MAX);
        let other = |(key, now): &(Key, Option<u64>)| {
            found.iter().any(|(it, version)| it == key && *now != Some(*version))
        };
        new > self.keys.len() || self.keys.iter().rev().take(new).any(other)
    }
}

impl Store {
    /// Acts on what was heard.
    pub fn hear(&self, event: &Event, now: Now) {
        match event {
            Event::Up => *self.heard.silent.lock() = None,
            Event::Down => {
                *self.heard.silent.lock() = Some((self.generations.mark(), now.mono));
            }
            Event::Lost => {
                let mark = self.generations.mark();
                self.generations.doubt(mark, now.mono);
                // Of another set of generations every purge is new.
                self.heard.seq.store(0, Relaxed);
            }
            Event::Generations(found) => {
                self.heard.listens.store(true, Relaxed);
                self.catch_up(found, now);
            }
            Event::Purged { seq, members } => {
                for (scope, manner) in scopes(members) {
                    let moment = self.generations.purge(&scope, manner, now.mono, Some(seq.0));
                    self.journal.note((&scope, manner), (moment, now.wall), ELSEWHERE);
                }
                self.heard.seq.fetch_max(seq.0, Relaxed);
            }
            Event::Told { seq, members } => {
                for (scope, manner) in scopes(members) {
                    self.generations.confirm(&scope, manner, seq.0);
                }
            }
            Event::Changed { key, version } => {
                self.changed(*key, Some(*version));
                self.memory.remove_other(key, *version);
            }
            Event::Invalidated(key) => {
                self.invalidate(*key, "another node", now.wall);
            }
        }
    }

    /// Lets everything from before the silence be validated, where it lasts still; when that
    /// began.
    pub fn doubt_silence(&self, since: Mono) {
        if let Some((mark, began)) = *self.heard.silent.lock()
            && began == since
        {
            self.generations.doubt(mark, began);
        }
    }

    /// The purges that it has not heard of, in their order.
    fn catch_up(&self, found: &Generations, now: Now) {
        let known = self.heard.seq.load(Relaxed);
        let mut missed: Vec<_> = found.members.iter().filter(|(_, seq)| seq.0 > known).collect();
        missed.sort_by_key(|(_, seq)| *seq);
        for (member, seq) in missed {
            // A Seq is a time in microseconds: what is stale has been so since then.
            let at = i64::try_from(seq.0 / 1000).unwrap_or(i64::MAX);
            let since = Mono(now.mono.0.saturating_sub(now.wall.0.saturating_sub(at).max(0)));
            for (scope, manner) in scopes(&[*member]) {
                let moment = self.generations.purge(&scope, manner, since, Some(seq.0));
                self.journal.note((&scope, manner), (moment, now.wall), ELSEWHERE);
            }
        }
        self.heard.seq.fetch_max(found.newest.0, Relaxed);
    }

    /// Remembers a change, where anything is looked up elsewhere at all; and the version that lies
    /// in the shared tier since, if another node has put one there.
    pub(super) fn changed(&self, key: Key, version: Option<u64>) {
        if !self.heard.listens.load(Relaxed) {
            return;
        }
        let mut recent = self.heard.recent.lock();
        recent.count += 1;
        recent.keys.push_back((key, version));
        if recent.keys.len() > MAX_RECENT {
            recent.keys.pop_front();
        }
    }

    /// To be taken before the shared tier is looked into.
    #[must_use]
    pub fn look(&self) -> Look {
        let changes = self.heard.recent.lock().count;
        Look { local: self.moment().local, changes, asked: self.turn() }
    }

    /// Takes over another node's list of variants; where a request's own lies by it. `None` where
    /// something newer is here.
    #[must_use]
    pub fn adopt(&self, primary: Key, vary: Vary, asked: &HeaderMap, look: Look) -> Option<Place> {
        let vary = self.memory.adopt(primary, Vary { asked: look.asked, ..vary })?;
        let (key, said) = (vary.key(primary, asked), Said::of(&vary.names, asked));
        Some(Place { primary, key, vary: Some(vary), said: Some(said) })
    }

    /// The list of a response's variants as it is now, for other nodes.
    #[must_use]
    pub fn listed(&self, place: &Place) -> Option<Arc<Vary>> {
        let own = place.vary.as_ref()?;
        match self.memory.get(&place.primary) {
            Some(Slot::Vary(vary)) if vary.epoch == own.epoch => Some(vary),
            _ => Some(own.clone()),
        }
    }

    /// What of another node's response can be of use here.
    #[must_use]
    pub fn found(
        &self,
        (head, body, forms): (Shared, Bytes, Forms),
        look: Look,
        now: Now,
    ) -> Option<Entry> {
        let entry = head.into_entry(body, forms, (look.local, look.asked));
        let entry = match self.generations.standing_afar(&entry.head.named) {
            Standing::Current => entry,
            Standing::Stale(since) => entry.under(entry.head.stale_since(since)),
            Standing::Doubted(since) => entry.under(entry.head.doubted_since(since)),
            Standing::Gone => return None,
        };
        self.usable(entry, now).ok()
    }

    /// Stores what another node has stored, unless it has been purged or replaced since; gives
    /// what of it can be of use.
    #[must_use]
    pub fn put_found(
        &self,
        place: &Place,
        (head, body, forms): (Shared, Bytes, Forms),
        look: Look,
        now: Now,
    ) -> Option<Entry> {
        let entry = self.found((head, body, forms), look, now)?;
        self.put(place, entry.clone(), now);
        // First stored, then looked: who hears of a change does it the other way round.
        let own = (place.key, entry.version);
        let list = place.vary.as_ref().map_or(own, |vary| (place.primary, vary.epoch));
        if self.heard.recent.lock().has(look.changes, [list, own]) {
            self.memory.remove(&place.key);
            return None;
        }
        Some(entry)
    }
}

impl Slot {
    /// Whether this is what lies in the shared tier under that version.
    pub(super) fn is_version(&self, version: u64) -> bool {
        match self {
            Slot::Entry(entry) => entry.version == version,
            Slot::Vary(vary) => vary.epoch == version,
            Slot::Part(_) | Slot::Memo(_) | Slot::Cut(_) => false,
        }
    }
}

/// A purge as the cluster tells it.
pub(crate) fn members(scope: &Scope, manner: Manner) -> Vec<Member> {
    let member = |name: &Name| match manner {
        Manner::Hard => Member::Hard(name.number()),
        Manner::Soft => Member::Soft(name.number()),
        Manner::Doubt => Member::Doubt(name.number()),
    };
    match (scope, manner) {
        (Scope::All, Manner::Hard) => vec![Member::AllHard],
        (Scope::All, Manner::Doubt) => vec![Member::AllDoubt],
        (Scope::All, Manner::Soft) => vec![Member::AllSoft],
        (Scope::Routes(names) | Scope::Urls(names) | Scope::Prefixes(names), _) => {
            names.iter().map(member).collect()
        }
        (Scope::Tags(names), _) => names.iter().chain([&Name::any_tag()]).map(member).collect(),
    }
}

/// What the cluster tells, as purges of this node.
fn scopes(members: &[Member]) -> Vec<(Scope, Manner)> {
    let (mut hard, mut soft, mut doubt) = (Vec::new(), Vec::new(), Vec::new());
    let mut scopes = Vec::new();
    for member in members {
        match member {
            Member::Hard(number) => hard.push(Name::of_number(*number)),
            Member::Soft(number) => soft.push(Name::of_number(*number)),
            Member::Doubt(number) => doubt.push(Name::of_number(*number)),
            Member::AllHard => scopes.push((Scope::All, Manner::Hard)),
            Member::AllSoft => scopes.push((Scope::All, Manner::Soft)),
            Member::AllDoubt => scopes.push((Scope::All, Manner::Doubt)),
        }
    }
    let any_tag = Name::any_tag();
    for (names, manner) in [(hard, Manner::Hard), (soft, Manner::Soft), (doubt, Manner::Doubt)] {
        match names.contains(&any_tag) {
            _ if names.is_empty() => {}
            true => scopes.push((Scope::Tags(names), manner)),
            false => scopes.push((Scope::Urls(names), manner)),
        }
    }
    scopes
}
