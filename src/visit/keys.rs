//! The keys of a request's target: what its answer is found by, and what a change of the target
//! makes invalid.

use http::{request, uri::PathAndQuery};

use super::{Visit, apply::keep_query, forget_shape};
use crate::{
    fields::Believed,
    key::{self, Claim, Key},
    snapshot::{Keying, Route, Snapshot},
    store::Name,
    target::{self, Scheme},
};

/// A key under which the answer to a GET may be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GetKey {
    /// Under a claim: in this node's memory alone.
    Claimed(Key),
    /// Under none: wherever anything is stored.
    Bare(Key),
}

impl GetKey {
    /// The key itself.
    #[must_use]
    pub fn key(self) -> Key {
        match self {
            GetKey::Claimed(key) | GetKey::Bare(key) => key,
        }
    }
}

impl Visit {
    /// The keys under which a GET of `path_and_query` on this authority may be stored: some for
    /// each route whose host and path match it (RFC 9111 §4.4). One under each claim that was heard,
    /// and under this one's own: what a trusted proxy says besides the target URI is no reason to stay
    /// valid. That without any claim is the last: who invalidates that looks at the others no more.
    #[must_use]
    pub fn get_keys(&self, snapshot: &Snapshot, path_and_query: &PathAndQuery) -> Vec<GetKey> {
        let mut claims = snapshot.hearsay.claims();
        claims.extend(self.claim.filter(|own| !claims.contains(own)));
        let gets = self.gets(snapshot, path_and_query);
        let bare =
            gets.map(|(keying, head)| by(keying, self.believed.scheme, &self.authority, &head));
        let claimed = |bare: Key| claims.iter().map(move |it| GetKey::Claimed(bare.under(it)));
        bare.flat_map(|bare| claimed(bare).chain([GetKey::Bare(bare)])).collect()
    }

    /// The key of its target URI, whatever is claimed of it.
    #[must_use]
    pub fn bare(&self) -> Key {
        bare(&self.route, self.believed.scheme, &self.authority, &self.head)
    }

    /// The names by which what lies under these keys can be purged.
    pub fn get_names<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        path_and_query: &'a PathAndQuery,
    ) -> impl Iterator<Item = Name> + 'a {
        let gets = self.gets(snapshot, path_and_query);
        gets.map(|(_, head)| Name::url(self.origin(), head.uri.path(), head.uri.query()))
    }

    /// The heads of a GET of `path_and_query`, by each route that may have stored its answer, here or on
    /// another node.
    fn gets<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        path_and_query: &'a PathAndQuery,
    ) -> impl Iterator<Item = (Keying<'a>, request::Parts)> + 'a {
        let place = (target::host(&self.authority), path_and_query.path());
        snapshot.keyings(place, self.arrived.mono).filter_map(move |keying| {
            let mut head = self.head.clone();
            let mut uri = http::uri::Parts::default();
            uri.path_and_query = Some(path_and_query.clone());
            head.uri = http::Uri::from_parts(uri).ok()?;
            forget_shape(keying.shape, &mut head);
            keep_query(keying.query, &mut head);
            Some((keying, head))
        })
    }
}

/// What is believed of a request besides its target URI, where that could change the answer.
pub(super) fn claim(believed: &Believed) -> Option<Claim> {
    match (&believed.host, &believed.besides) {
        (None, None) => None,
        (host, besides) => Some(Claim::new(&format!("{}\n{}", text(host), text(besides)))),
    }
}

/// The key of a target under what is claimed of it.
pub(super) fn under(bare: Key, claim: Option<Claim>) -> Key {
    claim.map_or(bare, |claim| bare.under(&claim))
}

/// The key of a target, whatever is claimed of it.
pub(super) fn bare(route: &Route, scheme: Scheme, authority: &str, head: &request::Parts) -> Key {
    by(route.keying(), scheme, authority, head)
}

fn by(keying: Keying<'_>, scheme: Scheme, authority: &str, head: &request::Parts) -> Key {
    Key::primary(key::Parts {
        route: keying.name,
        scheme: scheme.as_str(),
        authority,
        path: head.uri.path(),
        query: head.uri.query(),
        generation: keying.generation,
    })
}

fn text(optional: &Option<String>) -> &str {
    optional.as_deref().unwrap_or_default()
}
