//! One variant in a target's list, and what the origin knows it by.

use std::sync::Arc;

use super::Entry;
use crate::{key::Key, policy::validation};

/// The longest entity-tag that is listed, in bytes: all of them go into one field.
const MAX_TAG: usize = 128;

/// One variant of a target URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    /// Where it lies.
    pub(super) key: Key,
    /// Its strong entity-tag, if it has one of the origin's.
    pub(super) tag: Option<Arc<[u8]>>,
}

impl Variant {
    /// `entry` is what lies under `key`; a part has no say.
    pub(super) fn of(key: Key, entry: Option<&Entry>) -> Variant {
        let tag = entry.and_then(|entry| validation::strong_tag(entry.head.validators()));
        let tag = tag.filter(|tag| tag.len() <= MAX_TAG).map(Arc::from);
        Variant { key, tag }
    }

    pub(super) fn size(&self) -> usize {
        size_of::<Variant>() + self.tag.as_ref().map_or(0, |tag| tag.len())
    }
}
