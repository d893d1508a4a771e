//! Keys: what makes two requests the same (RFC 9111 §2, §4.1).
//!
//! BLAKE3, so that nobody who can post content can build a collision. The same
//! key names a response in every tier and the fetch that is under way for it.

use std::{
    cell::RefCell,
    hash::{BuildHasherDefault, Hasher},
};

use blake3::Hasher as Blake3;
use http::{HeaderMap, HeaderName};

use crate::{config::Query, policy::selecting};

/// What comes before the parts of a primary key, in bytes: the generation, and for each part its
/// length and one, or 0 where there is none.
const PREFIX: usize = 8 + 5 * 4;

/// The bytes of an ordinary primary key; longer ones are put together on the heap.
const ORDINARY: usize = 512;

/// The primary keys that each thread remembers.
const REMEMBERED: usize = 512;

thread_local! {
    static LAST: RefCell<Vec<Hashed>> = const { RefCell::new(Vec::new()) };
}

/// What a key was made of, and the key.
#[derive(Clone, Debug)]
struct Hashed {
    /// What was asked for here last, in short.
    last: u64,
    text: Vec<u8>,
    hash: [u8; 32],
}

/// The key of a stored response, or of all the variants of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key([u8; 32]);

/// What a trusted proxy claims of a client's request where it could change the answer, by hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim([u8; 32]);

/// What a primary key is made of.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The route's name: a route may have rules of its own.
    pub route: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The target URI's authority, normalised.
    pub authority: &'a str,
    /// The path as it is forwarded.
    pub path: &'a str,
    /// The query as it is forwarded.
    pub query: Option<&'a str>,
    /// The route's generation: what was stored under other rules of sharing is never found.
    pub generation: u64,
}

impl Claim {
    /// A claim in words.
    #[must_use]
    pub fn new(text: &str) -> Claim {
        Claim(hash(text.as_bytes()))
    }
}

impl Key {
    /// The key of a target URI (§2): the length of each part, then the parts, so that none runs
    /// into the next.
    ///
    /// All of it is hashed at once: piece by piece it took two and a half times as long.
    #[must_use]
    pub fn primary(parts: Parts<'_>) -> Key {
        let Parts { route, scheme, authority, path, query, generation } = parts;
        // No part of a request is longer than this can tell.
        let written = |part: &str| u32::try_from(part.len() + 1).unwrap_or(u32::MAX);
        let optional = |part: Option<&str>| part.map_or(0, written);
        let marks =
            [written(route), written(scheme), written(authority), written(path), optional(query)];
        let texts = [route, scheme, authority, path, query.unwrap_or_default()];
        let length = PREFIX + texts.iter().map(|text| text.len()).sum::<usize>();
        let (mut short, mut long) = ([0; ORDINARY], Vec::new());
        let buffer = match short.get_mut(..length) {
            Some(short) => short,
            None => {
                long.resize(length, 0);
                &mut long[..]
            }
        };
        let (prefix, mut rest) = buffer.split_at_mut(PREFIX);
        let (first, lengths) = prefix.split_at_mut(8);
        first.copy_from_slice(&generation.to_le_bytes());
        for (mark, place) in marks.iter().zip(lengths.as_chunks_mut().0) {
            *place = mark.to_le_bytes();
        }
        for text in texts {
            let (own, left) = rest.split_at_mut(text.len());
            own.copy_from_slice(text.as_bytes());
            rest = left;
        }
        Key(hash(buffer))
    }

    /// The key of the same target under a claim: whoever knows both can tell it, and invalidate it.
    #[must_use]
    pub fn under(self, claim: &Claim) -> Key {
        let mut both = [0; 64];
        both[..32].copy_from_slice(&self.0);
        both[32..].copy_from_slice(&claim.0);
        Key(hash(&both))
    }

    /// The key of what lies beside this under a digest of its own. Who finds something there has to
    /// see what it is.
    #[must_use]
    pub(crate) fn beside(self, digest: &[u8; 32]) -> Key {
        let mut key = self.0;
        key.iter_mut().zip(digest).for_each(|(byte, other)| *byte ^= other);
        Key(key)
    }

    /// The key of what a recipe makes of a body: the body's own name, but for its last byte, so
    /// that no hash has to be worked out. Two names that differ in no other byte are as unlikely
    /// as two equal ones.
    #[must_use]
    pub(crate) fn memo(mut body: [u8; 32], recipe: u8) -> Key {
        body[31] ^= recipe;
        Key(body)
    }

    /// The key that these bytes are, where another tier gives it back.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Key {
        Key(bytes)
    }

    /// Its bytes, for another tier.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key of a path, for tests of what only needs keys.
    #[cfg(test)]
    pub(crate) fn of_path(path: &str) -> Key {
        let (route, scheme, authority) = ("default", "http", "a");
        let (query, generation) = (None, 0);
        Key::primary(Parts { route, scheme, authority, path, query, generation })
    }

    /// The key of the variant that a request's selecting fields choose (§4.1),
    /// in their normal form.
    ///
    /// `epoch` is the variant list's own number: once the list is gone, so are its variants.
    #[must_use]
    pub fn variant(self, epoch: u64, names: &[HeaderName], asked: &HeaderMap) -> Key {
        let mut hasher = Blake3::new();
        hasher.update(&self.0);
        hasher.update(&epoch.to_le_bytes());
        for name in names {
            add(&mut hasher, name.as_str().as_bytes());
            hasher.update(&[u8::from(asked.contains_key(name))]);
            let mut length = 0;
            selecting::normalise(asked, name, |piece| {
                hasher.update(piece);
                length += piece.len();
            });
            hasher.update(&(length as u64).to_le_bytes());
        }
        Key(*hasher.finalize().as_bytes())
    }
}

/// The hash of a text, as this thread worked it out before, or worked out: to compare a text takes a
/// tenth of the time that it takes to hash it so that nobody finds another one like it. A text is
/// remembered the second time in a row, so that those that come but once push out nothing.
fn hash(text: &[u8]) -> [u8; 32] {
    let work_out = || *blake3::hash(text).as_bytes();
    if text.len() > ORDINARY {
        return work_out();
    }
    let known = LAST.try_with(|last| {
        let mut last = last.borrow_mut();
        if last.is_empty() {
            let hash = *blake3::hash(b"").as_bytes();
            last.resize(REMEMBERED, Hashed { last: 0, text: Vec::new(), hash });
        }
        let mixed = mixed(text);
        let known = &mut last[(mixed >> 48) as usize % REMEMBERED];
        if known.text == text {
            return known.hash;
        }
        let hash = work_out();
        if std::mem::replace(&mut known.last, mixed) == mixed {
            known.hash = hash;
            known.text.clear();
            known.text.extend_from_slice(text);
        }
        hash
    });
    // A thread that ends remembers nothing any more.
    known.unwrap_or_else(|_| work_out())
}

/// A number by which a text is remembered. Who finds texts with the same one gains nothing but their
/// hashing.
pub(crate) fn mixed(text: &[u8]) -> u64 {
    let (words, rest) = text.as_chunks::<8>();
    let mix =
        |mixed: u64, word: u64| (mixed.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = words.iter().map(|word| u64::from_le_bytes(*word)).fold(0, mix);
    rest.iter().fold(mixed, |mixed, byte| mix(mixed, u64::from(*byte)))
}

fn add(hasher: &mut Blake3, part: &[u8]) {
    hasher.update(&(part.len() as u64).to_le_bytes());
    hasher.update(part);
}

/// The query as the route says: what is left out is neither forwarded nor part of the key.
/// `None` where it stays as it is.
#[must_use]
pub fn query(rule: &Query, query: &str) -> Option<String> {
    if rule.include.is_empty() && rule.exclude.is_empty() && !rule.sort {
        return None;
    }
    let mut pairs: Vec<&str> =
        query.split('&').filter(|pair| is_kept(rule, parameter(pair))).collect();
    if rule.sort {
        pairs.sort_by_key(|pair| parameter(pair));
    }
    Some(pairs.join("&"))
}

fn parameter(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

/// Whether a parameter is part of the key, and forwarded.
#[must_use]
pub fn is_kept(rule: &Query, name: &str) -> bool {
    let included = rule.include.is_empty() || names(&rule.include, name);
    included && !names(&rule.exclude, name)
}

fn names(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    })
}

/// Takes a key's first bytes for its hash: they are one already.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdentityHasher(u64);

/// Builds [`IdentityHasher`]s.
pub type IdentityState = BuildHasherDefault<IdentityHasher>;

impl Hasher for IdentityHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use std::hash::BuildHasher;

    use super::*;

    const PARTS: Parts<'static> = Parts {
        route: "default",
        scheme: "http",
        authority: "api.example.org",
        path: "/users",
        query: None,
        generation: 0,
    };

    #[test]
    fn every_part_tells_keys_apart() {
        let others = [
            Parts { route: "defaul", scheme: "thttp", ..PARTS },
            Parts { scheme: "https", ..PARTS },
            Parts { authority: "api.example.com", ..PARTS },
            Parts { path: "/users/", ..PARTS },
            Parts { query: Some(""), ..PARTS },
            Parts { query: Some("a=1"), ..PARTS },
            Parts { generation: 1, ..PARTS },
        ];
        let mut keys: Vec<Key> = others.iter().map(|it| Key::primary(*it)).collect();
        keys.push(Key::primary(PARTS));
        keys.extend(["", "a=1"].map(|it| Key::primary(PARTS).under(&Claim::new(it))));
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), others.len() + 3, "no two of them are the same request");
        assert_eq!(Key::primary(PARTS), Key::primary(PARTS));
    }

    #[test]
    fn what_is_remembered_is_what_was_worked_out() {
        let texts: Vec<Vec<u8>> = (0..2 * REMEMBERED).map(|n| vec![7; n]).collect();
        for text in texts.iter().chain(texts.iter().rev()).chain(&texts) {
            assert_eq!(hash(text), *blake3::hash(text).as_bytes(), "{} bytes", text.len());
            for time in ["second", "third"] {
                assert_eq!(hash(text), *blake3::hash(text).as_bytes(), "the {time} time");
            }
        }
    }

    #[test]
    fn variants_follow_the_selecting_fields_alone() {
        let names = [http::header::ACCEPT, http::header::ACCEPT_LANGUAGE];
        let fields = |lines: &[(&'static str, &'static str)]| -> HeaderMap {
            let lines = lines.iter();
            lines.map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).fold(
                HeaderMap::new(),
                |mut map, (n, v)| {
                    map.append(n, v);
                    map
                },
            )
        };
        let key = |lines: &[_]| Key::primary(PARTS).variant(1, &names, &fields(lines));
        assert_eq!(key(&[("accept", "a"), ("cookie", "x")]), key(&[("accept", "a")]));
        assert_ne!(key(&[("accept", "a")]), key(&[("accept", "b")]));
        assert_ne!(key(&[("accept", "a")]), key(&[]), "absent is not empty");
        assert_ne!(key(&[("accept", "")]), key(&[]));
        assert_ne!(key(&[("accept", "ab")]), key(&[("accept", "a"), ("accept", "b")]));
        assert_eq!(key(&[("accept", "a, b")]), key(&[("accept", "a"), ("accept", "b")]));
        assert_eq!(key(&[("accept-language", "EN,de")]), key(&[("accept-language", "en, de")]));
        assert_ne!(key(&[("accept", "x")]), key(&[("accept-language", "x")]));
        let same = fields(&[("accept", "a")]);
        assert_ne!(
            Key::primary(PARTS).variant(1, &names, &same),
            Key::primary(PARTS).variant(2, &names, &same),
            "a new epoch orphans what was stored under the old"
        );
    }

    #[test]
    fn the_query_is_as_the_route_says() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let rule =
            |exclude: &[&str], sort| Query { exclude: names(exclude), sort, ..Query::default() };
        let include = |include: &[&str], exclude: &[&str]| Query {
            include: names(include),
            ..rule(exclude, false)
        };
        let cases = [
            (rule(&[], false), "b=1&a=2", None),
            (rule(&["utm_*"], false), "utm_source=x&b=1&utm_=2&a=2", Some("b=1&a=2")),
            (rule(&["a"], false), "a=1&ab=2&a&b", Some("ab=2&b")),
            (rule(&[], true), "b=1&a=2&a=1&c", Some("a=2&a=1&b=1&c")),
            (rule(&["a"], true), "c&b=%20+&a=1", Some("b=%20+&c")),
            (rule(&["*"], false), "a=1&b", Some("")),
            (include(&["page", "q"], &[]), "x=1&q=a&page=2&q=b&pages=3", Some("q=a&page=2&q=b")),
            (include(&["f_*"], &["f_x"]), "f_x=1&f_y=2&g=3&f_xy", Some("f_y=2&f_xy")),
            (include(&["q"], &[]), "Q=1&%71=2&=q&", Some("")),
        ];
        for (rule, asked, expected) in cases {
            assert_eq!(query(&rule, asked).as_deref(), expected, "{asked} by {rule:?}");
        }
    }

    #[test]
    fn a_keys_hash_is_its_first_bytes() {
        let key = Key::primary(PARTS);
        let hash = IdentityState::default().hash_one(key);
        assert_eq!(hash.to_le_bytes(), key.0[..8]);
    }
}
