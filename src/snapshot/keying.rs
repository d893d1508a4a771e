//! What of a route the keys on it are made of.

use std::{collections::HashMap, sync::Arc};

use super::Route;
use crate::{config::Query, shape::Offer};

/// What of a route the keys on it are made of.
#[derive(Clone, Copy, Debug)]
pub struct Keying<'a> {
    /// The route's name.
    pub name: &'a str,
    /// Its generation.
    pub generation: u64,
    /// What of a query is kept.
    pub query: &'a Query,
    /// What of it is taken out before.
    pub shape: Option<&'a Offer>,
}

impl Route {
    /// What the keys on it are made of.
    #[must_use]
    pub fn keying(&self) -> Keying<'_> {
        let Route { name, generation, cache, shape, .. } = self;
        Keying { name, generation: *generation, query: &cache.query, shape: shape.as_ref() }
    }
}

impl Keying<'_> {
    /// Whether every target has the same key by both, their generations aside.
    pub(super) fn tells_urls_apart_as(self, other: Keying<'_>) -> bool {
        let taken = |it: Keying<'_>| {
            it.shape.map(|offer| (offer.fields.clone(), offer.paging, offer.filter.clone()))
        };
        self.query == other.query && taken(self) == taken(other)
    }
}

/// Routes by their generation, which no two of a snapshot share.
pub(super) fn by_generation(routes: &[Arc<Route>]) -> HashMap<u64, Keying<'_>> {
    routes.iter().map(|route| (route.generation, route.keying())).collect()
}
