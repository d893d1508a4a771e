//! What was cut out of a stored response, as a response of its own: its head and its body are ready,
//! so that it is sent like any other.
//!
//! It is found through the response that it is of, and of no use without that: so nothing purges it,
//! and disuse alone ends it. It counts in the memory tier's budget.

use std::sync::{Arc, Weak};

use http::HeaderValue;

use super::{Entry, entry::Stored};

/// A cut of a stored response; a cheap handle.
#[derive(Clone, Debug)]
pub struct Cut(Arc<Made>);

#[derive(Debug)]
struct Made {
    of: Weak<Stored>,
    name: [u8; 32],
    query: Box<str>,
    entry: Entry,
    tag: Option<HeaderValue>,
}

impl Cut {
    /// What a cut of this name makes of a stored response, for who asks by this query: links tell
    /// all of it. `tag` is the entity-tag that it has where it is not packed.
    #[must_use]
    pub fn new(
        of: &Entry,
        (name, query): (&[u8; 32], &str),
        entry: Entry,
        tag: Option<HeaderValue>,
    ) -> Cut {
        Cut(Arc::new(Made { of: of.downgrade(), name: *name, query: query.into(), entry, tag }))
    }

    /// Whether it is that of this very response, by this name, for this query.
    pub(super) fn is_of(&self, of: &Entry, (name, query): (&[u8; 32], &str)) -> bool {
        of.is(&self.0.of) && self.0.name == *name && *self.0.query == *query
    }

    /// It itself, under the entity-tag of the whole.
    #[must_use]
    pub fn entry(&self) -> &Entry {
        &self.0.entry
    }

    /// Its own entity-tag.
    #[must_use]
    pub fn tag(&self) -> Option<&HeaderValue> {
        self.0.tag.as_ref()
    }

    /// The bytes that it keeps.
    pub(super) fn size(&self) -> usize {
        let Made { query, entry, .. } = &*self.0;
        query.len() + entry.body.len() + entry.head.size()
    }
}
