//! Shapes: the names of a stored head's fields, shared by all heads that have just these.
//!
//! To make a `HeaderMap` name by name is most of what a head costs: each name is read, hashed and
//! looked for. The responses of an API have few shapes, so the map of each is made once, with
//! empty values; a hit clones it and fills in values. The table of shapes is bounded, and who finds
//! no room in it makes its maps name by name.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock},
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use parking_lot::Mutex;

use crate::{
    cache_status::{self, CacheStatus},
    key::{self, IdentityState},
    policy::encoding,
};

/// The shapes that are kept at the same time. Each takes some 5 KiB, for ten fields.
const MAX_SHAPES: usize = 256;

/// The fields of a head that has a shape at most.
const MAX_FIELDS: usize = 64;

/// What a 304 does not repeat of the head that it stands for, besides the validators' own
/// (RFC 9110 §15.4.5); Content-* describe a body that it does not have.
pub const NOT_IN_304: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
];

/// What a hit adds to each head.
const ADDED: [HeaderName; 2] = [header::AGE, cache_status::NAME];

static SHAPES: LazyLock<Shapes> = LazyLock::new(Shapes::default);

/// The names that are kept for the life of the process at most, and the length of each.
const MAX_NAMES: usize = 1024;
const MAX_NAME: usize = 64;

/// The shapes that there are.
#[derive(Debug, Default)]
struct Shapes(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    /// By what is made of their names. Of names of which the same is made, the first have a shape.
    shapes: HashMap<u64, Known, IdentityState>,
    names: HashSet<&'static str>,
}

/// A shape, and what it is that of.
type Known = (Box<[HeaderName]>, Arc<Shape>);

/// Which of a stored head's fields a hit sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Those of a whole response.
    Whole,
    /// Those of a 304.
    NotModified,
}

/// What a hit adds to the stored fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// Its age in seconds (RFC 9111 §5.1).
    pub age: i64,
    /// What the cache did (RFC 9211), for an answer of this status.
    pub told: (CacheStatus, StatusCode),
    /// Whether the form depends on Accept-Encoding (RFC 9110 §12.5.5).
    pub varies: bool,
}

/// The names of a head's fields, and the maps for them.
#[derive(Debug)]
pub(super) struct Shape {
    /// By [`Extent`].
    frames: [Frame; 2],
    /// The same with our Vary; none where the origin has one.
    varying: Option<[Frame; 2]>,
}

/// A map with empty values.
#[derive(Debug)]
struct Frame {
    map: HeaderMap,
    /// Which of the stored fields are in it, in order.
    takes: Box<[bool]>,
}

impl Shapes {
    fn of(&self, names: &[&HeaderName]) -> Option<Arc<Shape>> {
        let mixed = names
            .iter()
            .fold(0, |all: u64, name| key::mixed(name.as_str().as_bytes()) ^ all.rotate_left(9));
        let Table { shapes, names: lasting } = &mut *self.0.lock();
        if let Some((known, shape)) = shapes.get(&mixed) {
            return known.iter().eq(names.iter().copied()).then(|| shape.clone());
        }
        if names.len() > MAX_FIELDS || names.iter().any(|it| ADDED.contains(it)) {
            return None;
        }
        if shapes.len() >= MAX_SHAPES {
            shapes.retain(|_, (_, shape)| Arc::strong_count(shape) > 1);
        }
        if shapes.len() >= MAX_SHAPES {
            return None;
        }
        let names: Box<[HeaderName]> = names.iter().map(|name| last(lasting, name)).collect();
        let shape = Arc::new(Shape::new(&names)?);
        shapes.insert(mixed, (names, shape.clone()));
        Some(shape)
    }
}

/// A name that nobody counts the references of: all cores would fight for that count at each hit.
/// So it is never freed, and there is room for so many alone.
fn last(lasting: &mut HashSet<&'static str>, name: &HeaderName) -> HeaderName {
    let text = name.as_str();
    if let Some(known) = lasting.get(text) {
        return HeaderName::from_static(known);
    }
    if lasting.len() >= MAX_NAMES || text.len() > MAX_NAME {
        return name.clone();
    }
    let text: &'static str = Box::leak(text.into());
    lasting.insert(text);
    HeaderName::from_static(text)
}

impl Shape {
    /// The shape of these names, in the order in which a map gives them; `None` where there is no
    /// room for it, or where what a hit adds has to stand beside what is there.
    pub(super) fn of(names: &[&HeaderName]) -> Option<Arc<Shape>> {
        SHAPES.of(names)
    }

    fn new(names: &[HeaderName]) -> Option<Shape> {
        let pair = |vary: Option<HeaderName>| {
            let whole = Frame::new(names, Extent::Whole, vary.clone())?;
            Some([whole, Frame::new(names, Extent::NotModified, vary)?])
        };
        let varying = match names.contains(&header::VARY) {
            true => None,
            false => Some(pair(Some(header::VARY))?),
        };
        Some(Shape { frames: pair(None)?, varying })
    }

    /// The fields of a hit: the stored values, in the order of the names, by what makes one of them,
    /// and what is added; and whether Vary is still to be added to.
    pub(super) fn fill<T>(
        &self,
        extent: Extent,
        (values, value): (impl Iterator<Item = T>, impl Fn(T) -> HeaderValue),
        added: Added,
    ) -> (HeaderMap, bool) {
        let varying = self.varying.as_ref().filter(|_| added.varies);
        let vary = varying.map(|_| encoding::VARY);
        let Frame { map, takes } = &varying.unwrap_or(&self.frames)[extent as usize];
        let mut map = map.clone();
        let taken = values.zip(takes).filter(|(_, takes)| **takes);
        let stored = taken.map(|(it, _)| value(it));
        let added_values = [added.age(), added.cache_status()].into_iter().chain(vary);
        for (place, value) in map.values_mut().zip(stored.chain(added_values)) {
            *place = value;
        }
        (map, added.varies && varying.is_none())
    }
}

impl Added {
    /// Age.
    pub(super) fn age(&self) -> HeaderValue {
        cache_status::number(self.age)
    }

    /// This cache's member of Cache-Status.
    pub(super) fn cache_status(&self) -> HeaderValue {
        let (status, answer) = self.told;
        status.value(answer)
    }
}

impl Frame {
    /// `None` where a map would give these names in another order.
    fn new(names: &[HeaderName], extent: Extent, vary: Option<HeaderName>) -> Option<Frame> {
        let is_sent = |name: &HeaderName| match extent {
            Extent::Whole => true,
            Extent::NotModified => !NOT_IN_304.contains(name),
        };
        let added = ADDED.into_iter().chain(vary);
        let all: Vec<HeaderName> =
            names.iter().filter(|name| is_sent(name)).cloned().chain(added).collect();
        let mut map = HeaderMap::with_capacity(all.len());
        for name in &all {
            map.append(name.clone(), HeaderValue::from_static(""));
        }
        let takes = names.iter().map(is_sent).collect();
        map.iter().map(|(name, _)| name).eq(&all).then_some(Frame { map, takes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Block;

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(*name, HeaderValue::from_static(value));
        }
        fields
    }

    fn hit(block: &Block, extent: Extent, varies: bool) -> Option<(HeaderMap, bool)> {
        let told = (CacheStatus::Hit { ttl: 7, detail: None }, StatusCode::OK);
        block.hit(extent, Added { age: 1, told, varies })
    }

    #[test]
    fn a_hit_has_the_stored_fields_and_what_is_added() {
        let rows: [&[(&str, &str)]; 5] = [
            &[],
            &[("etag", "\"1\""), ("x-caf", "1")],
            &[("set-cookie", "a=1"), ("set-cookie", "b=2"), ("link", "</a>"), ("date", "now")],
            &[("content-type", "text/plain"), ("link", "</a>"), ("content-encoding", "gzip")],
            &[("cache-tag", "a"), ("vary", "accept"), ("vary", "origin"), ("server", "")],
        ];
        for lines in rows {
            let stored = fields(lines);
            let block = Block::new(&stored);
            for (extent, varies) in
                [(Extent::Whole, false), (Extent::Whole, true), (Extent::NotModified, true)]
            {
                let mut expected = HeaderMap::new();
                block.append_to(&mut expected);
                if extent == Extent::NotModified {
                    NOT_IN_304.iter().for_each(|name| drop(expected.remove(name)));
                }
                let own = stored.contains_key(header::VARY);
                let told = "larder; hit; ttl=7";
                let added = [("age", "1"), ("cache-status", told)].into_iter();
                for (name, value) in
                    added.chain((varies && !own).then_some(("vary", "accept-encoding")))
                {
                    expected.append(name, HeaderValue::from_static(value));
                }
                for time in ["first", "second", "third"] {
                    let (found, is_due) = hit(&block, extent, varies).expect("it has a shape");
                    assert_eq!(found, expected, "{time}: {extent:?} {varies} of {lines:?}");
                    assert_eq!(is_due, varies && own, "the origin's own Vary is added to later");
                }
            }
        }
    }

    #[test]
    fn what_is_added_does_not_stand_between_the_origins_own() {
        for name in ["cache-status", "age"] {
            let block = Block::new(&fields(&[("etag", "\"1\""), (name, "x")]));
            assert!(hit(&block, Extent::Whole, false).is_none(), "{name} is made field by field");
        }
    }

    #[test]
    fn heads_of_the_same_names_share_a_shape_and_the_table_is_bounded() {
        let shapes = Shapes::default();
        let name =
            |index: usize| HeaderName::from_bytes(format!("x-{index}").as_bytes()).expect("a name");
        for index in 0..2 * MAX_NAMES {
            assert!(shapes.of(&[&name(index)]).is_some(), "nobody has the shapes before it");
        }
        let held: Vec<_> = (0..MAX_SHAPES).filter_map(|index| shapes.of(&[&name(index)])).collect();
        assert_eq!(held.len(), MAX_SHAPES);
        assert!(shapes.of(&[&name(MAX_SHAPES)]).is_none(), "there is no room");
        let again = shapes.of(&[&name(0)]).expect("it is known");
        assert!(Arc::ptr_eq(&again, &held[0]), "it is shared");
        drop((held, again));
        assert!(shapes.of(&[&name(MAX_SHAPES)]).is_some(), "what nobody has makes room");
        assert_eq!(shapes.0.lock().shapes.len(), 1);
        assert_eq!(shapes.0.lock().names.len(), MAX_NAMES, "what is never freed is bounded");
    }
}
