//! Routes that a reload took away, or whose URLs it told apart by another rule.
//!
//! Other nodes may have them still, and hear of what this one's writes make invalid under their own
//! keys alone; and what shares a cache group with what lies under those may lie on any route. So
//! those are told, too, for a while: nodes that are reloaded one after the other
//! differ for some minutes. Bounded in time and number, since each costs every write something.

use std::sync::Arc;

use super::{Keying, Route, Snapshot, keying::by_generation};
use crate::{
    config::{
        Query,
        routes::{Pattern, Table},
    },
    policy::Mono,
    shape::Offer,
};

/// Routes that are remembered: those that left last.
const MAX_FORMER: usize = 16;

/// For how long, in milliseconds.
const LASTS: i64 = 3_600_000;

/// The routes that are remembered.
#[derive(Debug, Default)]
pub(super) struct Former {
    /// The oldest first.
    left: Vec<Left>,
    /// Finds them.
    table: Table,
}

/// What is remembered of a route: nothing that would keep its upstream.
#[derive(Clone, Debug)]
struct Left {
    at: Mono,
    pattern: Pattern,
    name: String,
    generation: u64,
    query: Query,
    shape: Option<Offer>,
}

impl Former {
    /// Those of `previous` that `next` does not have just so.
    pub(super) fn of(previous: Option<&Snapshot>, next: &[Arc<Route>], now: Mono) -> Former {
        let Some(previous) = previous else { return Former::default() };
        let present = by_generation(next);
        let known = previous.former.left.iter().filter(|it| now.since(it.at) < LASTS).cloned();
        let left = known.chain(previous.routes.iter().map(|route| Left::of(route, now)));
        let is_present = |it: &Left| {
            let same = present.get(&it.generation);
            same.is_some_and(|keying| keying.tells_urls_apart_as(it.keying()))
        };
        let mut left: Vec<Left> = left.filter(|it| !is_present(it)).collect();
        left.drain(..left.len().saturating_sub(MAX_FORMER));
        let table = Table::new(&left.iter().map(|it| it.pattern.clone()).collect::<Vec<_>>());
        Former { left, table }
    }

    /// What keys of a target were made of.
    pub(super) fn keyings(
        &self,
        (host, path): (&str, &str),
        now: Mono,
    ) -> impl Iterator<Item = Keying<'_>> {
        let left = self.table.all(host, path).filter_map(|index| self.left.get(index));
        left.filter(move |it| now.since(it.at) < LASTS).map(Left::keying)
    }
}

impl Left {
    fn of(route: &Route, at: Mono) -> Left {
        Left {
            at,
            pattern: route.pattern.clone(),
            name: route.name.clone(),
            generation: route.generation,
            query: route.cache.query.clone(),
            shape: route.shape.clone(),
        }
    }

    fn keying(&self) -> Keying<'_> {
        let Left { name, generation, query, shape, .. } = self;
        Keying { name, generation: *generation, query, shape: shape.as_ref() }
    }
}
