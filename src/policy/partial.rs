//! Partial content: what of a 206 may be kept, and what it may be combined with (RFC 9111 §3.3,
//! §3.4; RFC 9110 §15.3.7).
//!
//! A part answers ranges that lie within it, and nothing else, until it is whole. Bytes of two
//! messages are put together only where both carry the same strong validator.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    Asked, Meta, Unstorable,
    entity_tag::{is_own, is_strong},
    field,
    freshness::date,
    ranges::Span,
    storing::{self, Context},
    validation::Validators,
};

/// What tells of the content of one message: what is true of a whole is not of its parts, nor of a
/// 304, which has none (RFC 9530 §2, and what came before it).
pub const OF_THE_CONTENT: [HeaderName; 2] =
    [HeaderName::from_static("content-digest"), HeaderName::from_static("content-md5")];

/// What a 206 with one part says of it (RFC 9110 §14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The bytes that it holds.
    pub span: Span,
    /// The length of the whole representation.
    pub total: u64,
}

impl ContentRange {
    /// Reads Content-Range; `None` where it is malformed, of another unit, or does not say the
    /// whole length.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<ContentRange> {
        let value = field::single(headers, header::CONTENT_RANGE)?.trim_ascii();
        let (unit, range) = value.split_at_checked(6)?;
        if !unit.eq_ignore_ascii_case(b"bytes ") {
            return None;
        }
        let slash = range.iter().position(|byte| *byte == b'/')?;
        let dash = range[..slash].iter().position(|byte| *byte == b'-')?;
        let number = |text: &[u8]| field::digits(text.iter().copied());
        let (first, last) = (number(&range[..dash])?, number(&range[dash + 1..slash])?);
        let total = number(&range[slash + 1..])?;
        let valid = first <= last && last < total;
        valid.then_some(ContentRange { span: Span { first, last }, total })
    }

    /// What is missing of the whole, if that is one range: the part begins or ends it.
    #[must_use]
    pub fn rest(&self) -> Option<Span> {
        let Span { first, last } = self.span;
        match (first, last + 1 == self.total) {
            (0, false) => Some(Span { first: last + 1, last: self.total - 1 }),
            (1.., true) => Some(Span { first: 0, last: first - 1 }),
            (0, true) | (1.., false) => None,
        }
    }

    /// Whether it is all there is.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.span.length() == self.total
    }

    /// Whether two parts of the same representation leave nothing out between them.
    #[must_use]
    pub fn meets(&self, other: &ContentRange) -> bool {
        self.total == other.total
            && self.span.first <= other.span.last + 1
            && other.span.first <= self.span.last + 1
    }
}

/// Judges a 206 (RFC 9111 §3.3): it may be kept where a 200 with this head might be stored, and
/// it says what part it is.
///
/// `length` is that of its content, where it is known: a part that is longer or shorter than it
/// says is none.
///
/// # Errors
/// Why not.
pub fn receive_part(
    context: Context<'_>,
    headers: &HeaderMap,
    length: Option<u64>,
) -> Result<(Meta, ContentRange), Unstorable> {
    let range = ContentRange::of(headers).filter(|range| Some(range.span.length()) == length);
    let range = range.ok_or(Unstorable::Partial)?;
    let asked = Asked { range: false, ..*context.asked };
    let meta = storing::storable(Context { asked: &asked, ..context }, 200, headers)?;
    Ok((meta, range))
}

/// Asks for the rest of what a part is of (RFC 9111 §3.4): under its strong validator, where it
/// has one, so that what has changed comes whole.
pub fn ask_for_rest(request: &mut HeaderMap, part: &ContentRange, stored: Validators<'_>) {
    let Some(rest) = part.rest() else { return };
    let range = match rest.first {
        0 => format!("bytes=0-{}", rest.last),
        first => format!("bytes={first}-"),
    };
    request.insert(header::RANGE, HeaderValue::from_str(&range).expect("digits"));
    if let Some(Ok(validator)) = strong(stored).map(HeaderValue::from_bytes) {
        request.insert(header::IF_RANGE, validator);
    }
}

/// Whether a 206 is of the same representation as a stored part, so that their bytes may be put
/// together (RFC 9111 §3.4): both have the same strong validator, and are coded alike.
#[must_use]
pub fn is_same(stored: Validators<'_>, coding: Option<&[u8]>, headers: &HeaderMap) -> bool {
    let received = Validators::of(headers);
    let alike = field::single(headers, header::CONTENT_ENCODING);
    strong(stored).is_some()
        && strong(stored) == strong(received)
        && (alike == coding || (alike.is_none() && !headers.contains_key(header::CONTENT_ENCODING)))
}

/// The strong validator (RFC 9110 §8.8.1): a strong entity-tag of the origin's, or, where there is
/// no tag at all, a Last-Modified older than its Date (§8.8.2.2).
fn strong(validators: Validators<'_>) -> Option<&[u8]> {
    if let Some(etag) = validators.etag.filter(|etag| !is_own(etag)) {
        return Some(etag).filter(|etag| is_strong(etag));
    }
    let modified = validators.last_modified?;
    let dated = validators.date.and_then(date)?;
    (date(modified)? < dated).then_some(modified)
}

#[cfg(test)]
mod tests;
