//! Names: what a stored response can be purged by.
//!
//! Its route, its URL, each prefix of its path that ends at a segment, its tags. A purge works out the
//! same names and compares. They are worked out once, and those of a response without tags only when it is first
//! looked at after a purge: most are never asked for.

use std::{num::NonZeroU32, sync::OnceLock};

use super::{Moment, generations::place};
use crate::key::Key;

/// The tags of one response that are told apart (RFC 9875 §2 asks for 32 groups); one that bears
/// more is purged by any tag.
pub const MAX_TAGS: usize = 64;

/// The prefixes of one path that are told apart, the empty one among them; a longer prefix means
/// the last of these.
pub const MAX_PREFIXES: usize = 32;

/// The names at most of one response that nodes share, which has one host: its route, its URL, its
/// prefixes, and each tag in its origin and anywhere.
pub const MAX_NAMES_OF_ONE: usize = 2 + MAX_PREFIXES + 2 * MAX_TAGS;

/// A name, by hash: who could make two collide would only purge too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Name(u64);

/// The origin within which a name means something.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Normalised.
    pub authority: &'a str,
}

/// What a response is known by.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The generation of the route that it was stored by.
    pub generation: u64,
    /// Whose it is.
    pub origin: Origin<'a>,
    /// The host that clients ask for it by, where that is another.
    pub host: Option<&'a str>,
    /// The path, as in the key.
    pub path: &'a str,
    /// The query, as in the key.
    pub query: Option<&'a str>,
    /// Tags that mean nothing but to purges.
    pub tags: &'a [String],
    /// Tags that are cache groups: what invalidates one member invalidates all (RFC 9875 §2.2.1).
    pub groups: &'a [String],
}

/// What of a stored response says whether it has been purged.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct Named {
    /// When its fetch, or the validation that last found it good, began.
    pub(super) began: Moment,
    /// The route, the URLs, the prefixes, the tags of any host, the tags; of those the groups last.
    names: Names,
    /// How many of the names are groups.
    groups: u8,
    /// It has more tags than are told apart.
    pub(super) crowded: bool,
    /// Where it is written down that its target was invalidated, if not every one of its keys is
    /// known to who does that.
    pub(super) apart: Option<NonZeroU32>,
}

#[derive(Clone, Debug)]
enum Names {
    Known(Box<[Name]>),
    /// Those of a route and a URL, once anybody has asked for them.
    Of(Name, Url, OnceLock<Box<[Name]>>),
}

/// A URL: scheme, authority, path and query, one behind the other.
#[derive(Clone, Debug)]
struct Url {
    text: Box<str>,
    /// Where the first three of these end.
    ends: [u32; 3],
}

impl Default for Names {
    fn default() -> Names {
        Names::Known(Box::default())
    }
}

impl PartialEq for Named {
    fn eq(&self, other: &Named) -> bool {
        let parts = |it: &Named| (it.began, it.groups, it.crowded, it.apart);
        (parts(self), self.names()) == (parts(other), other.names())
    }
}

impl Eq for Named {}

impl Name {
    /// All that is stored on a route of this generation, which is a hash already.
    #[must_use]
    pub const fn route(generation: u64) -> Name {
        Name(generation)
    }

    /// A tag, or a cache group, within its origin (RFC 9875 §2.1).
    #[must_use]
    pub fn tag(origin: Origin<'_>, tag: &str) -> Name {
        Name::of(b"tag", Some(origin), tag.as_bytes())
    }

    /// The same, of what clients ask for by this host where its own is another. No group is that: what
    /// one API says of its groups is said of no other's (RFC 9875 §2.1).
    #[must_use]
    pub fn tag_asked(origin: Origin<'_>, tag: &str) -> Name {
        Name::of(b"tag asked", Some(origin), tag.as_bytes())
    }

    /// A tag, whoever's it is.
    #[must_use]
    pub fn tag_anywhere(tag: &str) -> Name {
        Name::of(b"tag", None, tag.as_bytes())
    }

    /// One URL.
    #[must_use]
    pub fn url(origin: Origin<'_>, path: &str, query: Option<&str>) -> Name {
        let Some(query) = query else { return Name::of(b"url", Some(origin), path.as_bytes()) };
        Name::of(b"url", Some(origin), format!("{path}?{query}").as_bytes())
    }

    /// All URLs whose paths begin with `prefix` and end there, or go on with another segment.
    #[must_use]
    pub fn prefix(origin: Origin<'_>, prefix: &str) -> Name {
        let last = segments(prefix).last().unwrap_or_default();
        Name::beginning(origin, last)
    }

    /// What [`segments`] gives.
    fn beginning(origin: Origin<'_>, beginning: &str) -> Name {
        Name::of(b"prefix", Some(origin), beginning.as_bytes())
    }

    /// Borne by what has more tags than are told apart; a purge of any tag names it, too.
    pub(in crate::store) fn any_tag() -> Name {
        Name::of(b"tags", None, b"")
    }

    /// As other nodes write it.
    pub(super) const fn number(self) -> u64 {
        self.0
    }

    /// The name that another node wrote so.
    pub(super) const fn of_number(number: u64) -> Name {
        Name(number)
    }

    /// No two lists of parts are written alike: each part follows its length.
    fn of(kind: &[u8], origin: Option<Origin<'_>>, what: &[u8]) -> Name {
        let whose = origin.map_or(0, |it| it.scheme.len() + it.authority.len());
        // At once: most names are short, and a hasher that takes piece by piece is large.
        let mut text = Vec::with_capacity(4 * 8 + kind.len() + whose + what.len());
        let mut add = |part: &[u8]| {
            text.extend_from_slice(&(part.len() as u64).to_le_bytes());
            text.extend_from_slice(part);
        };
        add(kind);
        if let Some(Origin { scheme, authority }) = origin {
            add(scheme.as_bytes());
            add(authority.as_bytes());
        }
        add(what);
        let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(&text).as_bytes();
        Name(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }
}

/// The beginnings of a path that end before a `/`, and the whole of it, without its last slash:
/// of `/a/b/` the empty one, `/a`, and `/a/b`.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let whole = path.strip_suffix('/').unwrap_or(path);
    let ends = whole.match_indices('/').map(|(at, _)| at).chain([whole.len()]);
    ends.map(|end| &whole[..end]).take(MAX_PREFIXES)
}

impl Named {
    /// A response whose fetch began at `began`, and what it is known by.
    #[must_use]
    pub fn new(began: Moment, known: Known<'_>) -> Named {
        let Known { generation, origin, host, path, query, tags, groups } = known;
        let route = Name::route(generation);
        if host.is_none() && tags.is_empty() && groups.is_empty() {
            let names = Names::Of(route, Url::new(origin, path, query), OnceLock::new());
            return Named { began, names, groups: 0, crowded: false, apart: None };
        }
        let crowded = tags.len() + groups.len() > MAX_TAGS;
        let groups = &groups[..groups.len().min(MAX_TAGS)];
        let tags = &tags[..tags.len().min(MAX_TAGS - groups.len())];
        let elsewhere = host.map(|authority| Origin { authority, ..origin });
        // Those of its own origin are the last.
        let origins = || elsewhere.into_iter().chain([origin]);
        let mut names = vec![route];
        names.extend(origins().flat_map(|it| of_url(it, path, query)));
        let bears = || tags.iter().chain(groups);
        names.extend(bears().map(|tag| Name::tag_anywhere(tag)));
        let asked =
            elsewhere.into_iter().flat_map(|it| bears().map(move |tag| Name::tag_asked(it, tag)));
        names.extend(asked);
        names.extend(bears().map(|tag| Name::tag(origin, tag)));
        let names = Names::Known(names.into());
        Named { began, names, groups: count(groups.len()), crowded, apart: None }
    }

    /// The names that it bears.
    pub(super) fn names(&self) -> &[Name] {
        match &self.names {
            Names::Known(names) => names,
            Names::Of(route, url, names) => {
                names.get_or_init(|| [*route].into_iter().chain(url.names()).collect())
            }
        }
    }

    /// What another node told; no more of the names are groups than there are.
    pub(super) fn of_names(
        began: Moment,
        names: Box<[Name]>,
        groups: usize,
        crowded: bool,
    ) -> Named {
        let groups = count(groups.min(names.len()));
        Named { began, names: Names::Known(names), groups, crowded, apart: None }
    }

    /// The same, invalidated with its target's key, too, if that is given.
    #[must_use]
    pub fn apart(self, target: Option<Key>) -> Named {
        Named { apart: target.and_then(|key| NonZeroU32::new(place(&key) + 1)), ..self }
    }

    /// When its fetch, or the validation that last found it good, began.
    #[must_use]
    pub fn began(&self) -> Moment {
        self.began
    }

    /// The cache groups that are told apart.
    #[must_use]
    pub fn groups(&self) -> &[Name] {
        match &self.names {
            Names::Known(names) => &names[names.len() - usize::from(self.groups)..],
            Names::Of(..) => &[],
        }
    }

    /// The bytes that it keeps.
    pub(super) fn size(&self) -> usize {
        match &self.names {
            Names::Known(names) => size_of_val(&**names),
            Names::Of(_, url, _) => url.text.len(),
        }
    }
}

impl Url {
    fn new(origin: Origin<'_>, path: &str, query: Option<&str>) -> Url {
        let Origin { scheme, authority } = origin;
        let (mark, query) = query.map_or(("", ""), |query| ("?", query));
        let text = [scheme, authority, path, mark, query].concat().into_boxed_str();
        let mut end = 0;
        let ends = [scheme, authority, path].map(|part| {
            end += part.len();
            // No part of a request is longer than this can tell.
            u32::try_from(end).unwrap_or(u32::MAX)
        });
        Url { text, ends }
    }

    fn names(&self) -> Vec<Name> {
        let [scheme, authority, path] = self.ends.map(|end| end as usize);
        let part = |from: usize, to: usize| self.text.get(from..to).unwrap_or_default();
        let origin = Origin { scheme: part(0, scheme), authority: part(scheme, authority) };
        let query = part(path, self.text.len()).strip_prefix('?');
        of_url(origin, part(authority, path), query)
    }
}

/// There are no more than [`MAX_NAMES_OF_ONE`].
fn count(groups: usize) -> u8 {
    u8::try_from(groups).unwrap_or(u8::MAX)
}

/// The names of a URL: its own, and those of the prefixes of its path.
fn of_url(origin: Origin<'_>, path: &str, query: Option<&str>) -> Vec<Name> {
    let prefixes = segments(path).map(|it| Name::beginning(origin, it));
    [Name::url(origin, path, query)].into_iter().chain(prefixes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Origin<'static> = Origin { scheme: "http", authority: "a" };

    fn known<'a>(path: &'a str, tags: &'a [String], groups: &'a [String]) -> Named {
        let known =
            Known { generation: 7, origin: ORIGIN, host: None, path, query: None, tags, groups };
        Named::new(Moment::default(), known)
    }

    #[test]
    fn a_prefix_ends_at_a_segment() {
        let rows = [
            ("/", &["/", "/users", "/users/1", "//"][..], &[][..]),
            (
                "/users",
                &["/users", "/users/", "/users/1", "/users/1/", "/users//", "/users/a/b"],
                &["/users1", "/user", "/", "/Users", "/users%2F1", "/x/users"],
            ),
            ("/users/", &["/users", "/users/", "/users/1"], &["/users1", "/"]),
            ("/a/b", &["/a/b", "/a/b/", "/a/b/c"], &["/a", "/a/", "/a/bc", "/a//b"]),
            ("/a//", &["/a//", "/a//b"], &["/a", "/a/b"]),
        ];
        for (prefix, covered, not) in rows {
            let name = Name::prefix(ORIGIN, prefix);
            for (paths, expected) in [(covered, true), (not, false)] {
                for path in paths {
                    let found = known(path, &[], &[]).names().contains(&name);
                    assert_eq!(found, expected, "{prefix} covers {path}");
                }
            }
        }
    }

    #[test]
    fn names_are_the_same_whenever_they_are_worked_out() {
        let tag = ["t".to_owned()];
        for (path, query) in [("/", None), ("/a/b", Some("")), ("/a", Some("b=?")), ("/a?", None)] {
            let of = |tags| Known {
                generation: 7,
                origin: ORIGIN,
                host: None,
                path,
                query,
                tags,
                groups: &[],
            };
            let later = Named::new(Moment::default(), of(&[]));
            let at_once = Named::new(Moment::default(), of(&tag));
            let (later, names) = (later.names(), at_once.names());
            assert_eq!(later, &names[..names.len() - 2], "{path} {query:?}, but for the tag");
            assert_eq!(later[..2], [Name::route(7), Name::url(ORIGIN, path, query)]);
        }
    }

    #[test]
    fn a_deep_prefix_means_the_last_that_is_told_apart() {
        let path = |segments: usize| "/s".repeat(segments);
        let deep = known(&path(100), &[], &[]);
        assert_eq!(deep.names().len(), 2 + MAX_PREFIXES, "the route, the URL, and 32 prefixes");
        for segments in [0, 1, 31, 32, 99, 100] {
            let name = Name::prefix(ORIGIN, &path(segments));
            assert!(deep.names().contains(&name), "{segments} segments");
        }
    }

    #[test]
    fn a_name_means_something_within_its_origin_and_kind_alone() {
        let origins = [("http", "a"), ("https", "a"), ("http", "b"), ("http", "a:81")];
        let mut names = vec![Name::tag_anywhere("g")];
        for (scheme, authority) in origins {
            let origin = Origin { scheme, authority };
            names.extend([Name::tag(origin, "g"), Name::prefix(origin, "/g")]);
            names.extend([Name::url(origin, "/g", None), Name::url(origin, "/g", Some(""))]);
        }
        for (at, one) in names.iter().enumerate() {
            assert!(!names[..at].contains(one), "RFC 9875 §2.1: {at}");
        }
        let origin = Origin { scheme: "http", authority: "ab" };
        assert_ne!(Name::tag(ORIGIN, "bc"), Name::tag(origin, "c"));
    }

    #[test]
    fn sixty_four_tags_are_told_apart_the_groups_first() {
        let tags: Vec<String> = (0..60).map(|n| n.to_string()).collect();
        let named = known("/", &tags, &tags[..4]);
        assert!(!named.crowded, "64 are told apart");
        assert_eq!(
            named.groups(),
            tags[..4].iter().map(|it| Name::tag(ORIGIN, it)).collect::<Vec<_>>()
        );
        let named = known("/", &tags, &tags[..5]);
        assert!(named.crowded, "65 are not");
        assert_eq!((named.groups().len(), named.names().len()), (5, 3 + 2 * MAX_TAGS));
    }

    #[test]
    fn what_is_asked_for_by_another_host_has_the_names_of_both_its_own_groups_last() {
        let elsewhere = Origin { authority: "www", ..ORIGIN };
        let (path, many) = ("/s".repeat(100), (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
        for (tags, groups) in [(&[][..], &[][..]), (&many[..1], &many[1..3]), (&many, &many)] {
            let (path, query) = (&*path, Some("q"));
            let host = Some("www");
            let known = Known { generation: 7, origin: ORIGIN, host, path, query, tags, groups };
            let named = Named::new(Moment::default(), known);
            let most = 1 + 2 * (1 + MAX_PREFIXES) + 3 * MAX_TAGS;
            assert!(named.names().len() <= most, "they are bounded");
            let groups: Vec<&String> = groups.iter().take(MAX_TAGS).collect();
            for (origin, tag) in
                [(ORIGIN, Name::tag as fn(_, _) -> _), (elsewhere, Name::tag_asked)]
            {
                let tags = groups.iter().map(|it| tag(origin, it));
                let urls = [Name::url(origin, path, query), Name::prefix(origin, "/s")];
                for name in tags.chain(urls) {
                    assert!(named.names().contains(&name), "{origin:?}");
                }
            }
            let own = groups.iter().map(|it| Name::tag(ORIGIN, it));
            assert_eq!(named.groups(), own.collect::<Vec<_>>(), "RFC 9875 §2.1: of its origin");
            let foreign = |group: &&String| named.names().contains(&Name::tag(elsewhere, group));
            assert!(!groups.iter().any(foreign), "RFC 9875 §2.1: and of no other's");
        }
    }
}
