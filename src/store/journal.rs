//! The last purges, in words: which of them took a response, by whom, and when.
//!
//! The [`generations`](super::generations) say whether something was purged, for as long as that
//! matters; this says more, for as long as there is room.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::{Manner, Moment, Name, Named, Scope};
use crate::policy::Wall;

/// Purges that are remembered.
const MAX_PURGES: usize = 256;

/// The longest words that are kept, in bytes.
const MAX_WORDS: usize = 256;

/// What is said of a purge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told<'a> {
    /// By whom.
    pub by: By,
    /// What was purged.
    pub what: &'a str,
}

/// Who purges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// An operator, by whatever way.
    Operator,
    /// An unsafe request, for the groups of what it changed (RFC 9875).
    Group,
    /// An unsafe request whose outcome nobody knows.
    Doubt,
    /// Another node of the cluster.
    Node,
    /// A reload, for what was not ended before by the rules that it brought.
    Reload,
}

/// One purge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    /// Its place in the order of purges.
    pub seq: u64,
    /// When.
    pub at: Wall,
    /// Whether what it named was gone or stale then.
    pub manner: Manner,
    /// Who.
    pub by: By,
    /// What, in words.
    pub what: Box<str>,
    /// `None`: everything.
    names: Option<Box<[Name]>>,
    tags: bool,
}

#[derive(Debug, Default)]
pub(super) struct Journal(Mutex<VecDeque<Purge>>);

impl By {
    /// In a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            By::Operator => "an operator",
            By::Group => "an unsafe request, by a group",
            By::Doubt => "an unsafe request whose outcome is unknown",
            By::Node => "another node",
            By::Reload => "a reload",
        }
    }

    /// How much it is worth to be remembered. What another node did may be any of them.
    fn rank(self) -> u8 {
        match self {
            By::Group | By::Doubt => 0,
            By::Node | By::Reload => 1,
            By::Operator => 2,
        }
    }
}

impl Journal {
    pub(super) fn note(
        &self,
        (scope, manner): (&Scope, Manner),
        (moment, at): (Moment, Wall),
        told: Told<'_>,
    ) {
        let names = match scope {
            Scope::All => None,
            Scope::Routes(names)
            | Scope::Urls(names)
            | Scope::Prefixes(names)
            | Scope::Tags(names) => Some(&names[..]),
        };
        let end = told.what.floor_char_boundary(MAX_WORDS);
        let purge = Purge {
            seq: moment.local,
            at,
            manner,
            by: told.by,
            what: told.what[..end].into(),
            names: names.map(Into::into),
            tags: matches!(scope, Scope::Tags(_)),
        };
        let mut purges = self.0.lock();
        // A reload purges before it and after it.
        let is_again = |it: &Purge| (it.by, &it.names) == (By::Reload, &purge.names);
        if purge.by == By::Reload && purges.back().is_some_and(is_again) {
            purges.pop_back();
        }
        if purges.len() == MAX_PURGES {
            // Requests purge in numbers: they push out each other, and operators' purges last.
            let least = purges.iter().enumerate().min_by_key(|(_, it)| it.by.rank());
            let least = least.map_or(0, |(at, _)| at);
            purges.remove(least);
        }
        purges.push_back(purge);
    }

    /// The first purge since a response began that meant it; of hard ones and soft ones, a hard
    /// one.
    pub(super) fn of(&self, named: &Named) -> Option<Purge> {
        let purges = self.0.lock();
        let mut meant = purges.iter().filter(|it| it.means(named));
        let first = meant.clone().find(|it| it.manner == Manner::Hard);
        first.or_else(|| meant.next()).cloned()
    }
}

impl Purge {
    fn means(&self, named: &Named) -> bool {
        let covers = |names: &[Name]| {
            self.tags && named.crowded || names.iter().any(|it| named.names().contains(it))
        };
        self.seq > named.began.local && self.names.as_deref().is_none_or(covers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Origin, name::Known};

    const ORIGIN: Origin<'static> = Origin { scheme: "http", authority: "a" };

    #[test]
    fn the_first_purge_that_meant_it_is_told() {
        let known = Known {
            generation: 0,
            origin: ORIGIN,
            host: None,
            path: "/u/1",
            query: None,
            tags: &["t".into()],
            groups: &[],
        };
        let began = Moment { local: 3, global: 0 };
        let named = Named::new(began, known);
        let journal = Journal::default();
        let purge = |seq, scope: Scope, manner, what| {
            let (by, moment) = (By::Operator, Moment { local: seq, global: 0 });
            journal.note((&scope, manner), (moment, Wall(0)), Told { by, what });
        };
        purge(3, Scope::All, Manner::Hard, "before it began");
        purge(4, Scope::Tags(vec![Name::tag(ORIGIN, "other")]), Manner::Hard, "another tag");
        assert_eq!(journal.of(&named), None);
        purge(5, Scope::Prefixes(vec![Name::prefix(ORIGIN, "/u")]), Manner::Soft, "soft");
        assert_eq!(&*journal.of(&named).unwrap().what, "soft");
        purge(6, Scope::Tags(vec![Name::tag(ORIGIN, "t")]), Manner::Hard, "hard");
        assert_eq!(&*journal.of(&named).unwrap().what, "hard", "what is gone is no longer stale");
        purge(7, Scope::All, Manner::Hard, "later");
        assert_eq!(journal.of(&named).unwrap().seq, 6);
        for seq in 0..600 {
            let by = if seq < 300 { By::Group } else { By::Node };
            let moment = Moment { local: 10 + seq, global: 0 };
            let scope = Scope::Tags(vec![Name::tag(ORIGIN, "t")]);
            journal.note((&scope, Manner::Hard), (moment, Wall(0)), Told { by, what: "a group" });
        }
        let first = journal.of(&named).unwrap();
        assert_eq!((first.seq, first.by), (6, By::Operator), "by operators, last");
        let long = "é".repeat(200);
        for seq in 0..300 {
            purge(1000 + seq, Scope::All, Manner::Soft, &long);
        }
        let last = journal.of(&named).unwrap();
        assert!(journal.0.lock().len() == MAX_PURGES && last.what.len() == MAX_WORDS);
    }
}
