//! One variant in a target's list: what the origin knows it by, and what tells it from others.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};

use super::Entry;
use crate::{
    key::Key,
    policy::{selecting, validation},
    reason::Field,
};

/// The longest entity-tag that is listed, in bytes: all of them go into one field.
const MAX_TAG: usize = 128;

/// One variant of a target URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    /// Where it lies.
    pub(super) key: Key,
    /// Its strong entity-tag, if it has one of the origin's.
    pub(super) tag: Option<Arc<[u8]>>,
    /// What its selecting fields said, where that is known.
    pub(super) said: Option<Said>,
}

/// What each selecting field of a request said, as a short hash: enough to name the one in which
/// two requests differ, too little to find a response by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said(Arc<[u32]>);

impl Variant {
    /// `entry` is what lies under `key`; a part has no say.
    pub(super) fn of(key: Key, said: Option<Said>, entry: Option<&Entry>) -> Variant {
        let tag = entry.and_then(|entry| validation::strong_tag(entry.head.validators()));
        let tag = tag.filter(|tag| tag.len() <= MAX_TAG).map(Arc::from);
        Variant { key, tag, said }
    }

    pub(super) fn size(&self) -> usize {
        let said = self.said.as_ref().map_or(0, |said| size_of_val(&*said.0));
        size_of::<Variant>() + self.tag.as_ref().map_or(0, |tag| tag.len()) + said
    }
}

impl Said {
    /// What a request says in these fields, in their normal form.
    pub(super) fn of(names: &[HeaderName], asked: &HeaderMap) -> Said {
        Said(names.iter().map(|name| hash(name, asked)).collect())
    }

    /// In how many fields another request says something else.
    fn distance(&self, other: &Said) -> usize {
        self.0.iter().zip(&*other.0).filter(|(one, other)| one != other).count()
    }
}

/// The first field in which a request differs from the nearest of these variants; of several as
/// near, the newest, which is the last.
pub(super) fn differing<'a>(
    names: &[HeaderName],
    asked: &HeaderMap,
    variants: impl Iterator<Item = &'a Said>,
) -> Option<Field> {
    let own = Said::of(names, asked);
    let variants: Vec<&Said> = variants.collect();
    let nearest = variants.into_iter().rev().min_by_key(|said| own.distance(said))?;
    let at = own.0.iter().zip(&*nearest.0).position(|(own, other)| own != other)?;
    Field::of(names.get(at)?)
}

fn hash(name: &HeaderName, asked: &HeaderMap) -> u32 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[u8::from(asked.contains_key(name))]);
    selecting::normalise(asked, name, |piece| {
        hasher.update(piece);
    });
    let mut short = [0; 4];
    hasher.finalize_xof().fill(&mut short);
    u32::from_le_bytes(short)
}
