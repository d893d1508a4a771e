//! A stored part of a representation (RFC 9111 §3.3): one contiguous slice.
//!
//! A type of its own, so that none is ever taken for the whole.

use std::{ops::Deref, sync::Arc};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};

use super::{Head, Turn};
use crate::policy::{
    Meta,
    partial::{self, ContentRange},
    ranges::Span,
};

/// A stored part; a cheap handle.
#[derive(Clone, Debug)]
pub struct Part(Arc<StoredPart>);

/// What a [`Part`] points to.
#[derive(Debug)]
pub struct StoredPart {
    /// The head of the whole, as far as the part's told it: without Content-Range, and 200.
    pub head: Head,
    /// The bytes of `range`.
    pub body: Bytes,
    /// Which bytes of how many.
    pub range: ContentRange,
    /// When the newest bytes were asked for.
    pub asked: Turn,
}

impl Part {
    /// `body` is as long as `range` says.
    #[must_use]
    pub fn new(head: Head, body: Bytes, range: ContentRange, asked: Turn) -> Part {
        debug_assert_eq!(range.span.length(), body.len() as u64);
        Part(Arc::new(StoredPart { head, body, range, asked }))
    }

    /// The same part under another head.
    #[must_use]
    pub fn under(&self, head: Head) -> Part {
        Part::new(head, self.body.clone(), self.range, self.asked)
    }

    /// Whether these bytes are in it.
    #[must_use]
    pub fn holds(&self, span: Span) -> bool {
        let held = self.range.span;
        held.first <= span.first && span.last <= held.last
    }

    /// Whether a 206 is of the same representation (RFC 9111 §3.4).
    #[must_use]
    pub fn continues(&self, headers: &HeaderMap) -> bool {
        let coding = self.head.fields.get(&header::CONTENT_ENCODING);
        partial::is_same(self.head.validators(), coding, headers)
    }

    /// This part and a newer one of the same representation, whose head holds; the newer alone
    /// where there are bytes missing between them.
    #[must_use]
    pub fn joined(&self, newer: Part) -> Part {
        if !self.range.meets(&newer.range) {
            return newer;
        }
        let (older, new) = (self.range.span, newer.range.span);
        let before = offset(new.first.saturating_sub(older.first)).min(self.body.len());
        let after = self.body.len().saturating_sub(offset(older.last.saturating_sub(new.last)));
        let mut body = BytesMut::with_capacity(
            before + newer.body.len() + self.body.len().saturating_sub(after),
        );
        body.extend_from_slice(&self.body[..before]);
        body.extend_from_slice(&newer.body);
        body.extend_from_slice(&self.body[after..]);
        let span = Span { first: older.first.min(new.first), last: older.last.max(new.last) };
        let range = ContentRange { span, total: newer.range.total };
        Part::new(newer.head.clone(), body.freeze(), range, newer.asked)
    }
}

/// Offsets within a body that is in memory.
fn offset(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl Deref for Part {
    type Target = StoredPart;

    fn deref(&self) -> &StoredPart {
        &self.0
    }
}

impl AsRef<Meta> for Part {
    fn as_ref(&self) -> &Meta {
        &self.head.meta
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::{
        policy::encoding::Forms,
        store::{Block, Named},
    };

    const WHOLE: &[u8] = b"0123456789";

    fn part(first: u64, last: u64) -> Part {
        let head = Head {
            meta: Meta::default(),
            status: StatusCode::OK,
            fields: Block::new(&HeaderMap::new()),
            named: Named::default(),
            forms: Forms::default(),
        };
        let body = Bytes::from_static(&WHOLE[offset(first)..=offset(last)]);
        let range = ContentRange { span: Span { first, last }, total: 10 };
        Part::new(head, body, range, Turn::default())
    }

    #[test]
    fn parts_that_meet_are_joined_byte_for_byte() {
        for older in spans() {
            for newer in spans() {
                let joined = part(older.0, older.1).joined(part(newer.0, newer.1));
                let Span { first, last } = joined.range.span;
                assert_eq!(joined.body, WHOLE[offset(first)..=offset(last)], "{older:?} {newer:?}");
                let meet = newer.0 <= older.1 + 1 && older.0 <= newer.1 + 1;
                let both = (older.0.min(newer.0), older.1.max(newer.1));
                assert_eq!((first, last), if meet { both } else { newer }, "{older:?} {newer:?}");
            }
        }
    }

    fn spans() -> impl Iterator<Item = (u64, u64)> {
        (0..10).flat_map(|first| (first..10).map(move |last| (first, last)))
    }

    #[test]
    fn a_part_holds_what_lies_within() {
        let part = part(2, 5);
        for (first, last, held) in [(2, 5, true), (3, 3, true), (1, 5, false), (5, 6, false)] {
            assert_eq!(part.holds(Span { first, last }), held, "{first}-{last}");
        }
    }
}
