//! Byte ranges of a stored body (RFC 9110 §14).

use http::{HeaderMap, header};

use super::{
    coded_tag::{Coded, Kind},
    entity_tag::strongly_equal,
    field,
    freshness::date,
    validation::Validators,
};

/// The most ranges of one request that are answered by their parts (§14.2 leaves the limit to
/// the server): many small ones cost more than the whole.
pub const MAX_RANGES: usize = 16;

/// What a request's Range means for a body of a known length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selected {
    /// No Range, one that is not understood, too many or overlapping ranges, or an If-Range that
    /// does not match: 200 with the whole body.
    Whole,
    /// 206 with one part.
    Part(Span),
    /// 206 with several parts, in the order in which they were asked for; none overlaps another.
    Parts(Vec<Span>),
    /// 416: all ranges lie past the end.
    Unsatisfiable,
}

/// The bytes `first..=last` of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub first: u64,
    /// Offset of the last byte.
    pub last: u64,
}

/// Evaluates Range and If-Range (RFC 9110 §13.1.5, §14.2) of a GET for a body of `length` bytes.
#[must_use]
pub fn select(asked: &HeaderMap, stored: Validators<'_>, length: u64) -> Selected {
    let Some(ranges) = field::single(asked, header::RANGE).and_then(byte_ranges) else {
        return Selected::Whole;
    };
    if asked.contains_key(header::IF_RANGE) && !if_range_holds(asked, stored) {
        return Selected::Whole;
    }
    // Satisfiable, but a part of nothing cannot be described (§14.4).
    if length == 0 && ranges.iter().any(ByteRange::is_suffix) {
        return Selected::Whole;
    }
    satisfied(ranges.iter().filter_map(|range| range.within(length)).collect())
}

/// What is left of a range set once those past the end are gone (§14.1.1).
fn satisfied(spans: Vec<Span>) -> Selected {
    match spans[..] {
        [] => Selected::Unsatisfiable,
        [span] => Selected::Part(span),
        _ if overlap(&spans) => Selected::Whole,
        _ => Selected::Parts(spans),
    }
}

/// §14.2: overlapping ranges are a broken client or an attack.
fn overlap(spans: &[Span]) -> bool {
    let mut sorted = spans.to_vec();
    sorted.sort_unstable_by_key(|span| span.first);
    sorted.windows(2).any(|pair| pair[1].first <= pair[0].last)
}

impl Span {
    /// How many bytes it is.
    #[must_use]
    pub fn length(self) -> u64 {
        self.last - self.first + 1
    }
}

/// A `range-spec` of the unit bytes (RFC 9110 §14.1.2).
#[derive(Clone, Copy, Debug)]
enum ByteRange {
    From { first: u64, last: u64 },
    Suffix { length: u64 },
}

impl ByteRange {
    fn is_suffix(&self) -> bool {
        matches!(self, ByteRange::Suffix { length } if *length > 0)
    }

    fn within(&self, length: u64) -> Option<Span> {
        match *self {
            ByteRange::Suffix { length: 0 } => None,
            ByteRange::Suffix { length: suffix } => {
                Some(Span { first: length.saturating_sub(suffix), last: length.checked_sub(1)? })
            }
            ByteRange::From { first, .. } if first >= length => None,
            ByteRange::From { first, last } => Some(Span { first, last: last.min(length - 1) }),
        }
    }
}

/// The ranges of a `ranges-specifier`; `None` where one of them is malformed (§14.1.1: then the
/// whole set is invalid), or there are too many.
fn byte_ranges(value: &[u8]) -> Option<Vec<ByteRange>> {
    let equals = value.iter().position(|byte| *byte == b'=')?;
    let (unit, ranges) = (&value[..equals], &value[equals + 1..]);
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let ranges = ranges.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let ranges = ranges.filter(|range| !range.is_empty());
    let ranges: Vec<ByteRange> =
        ranges.take(MAX_RANGES + 1).map(byte_range).collect::<Option<_>>()?;
    (1..=MAX_RANGES).contains(&ranges.len()).then_some(ranges)
}

fn byte_range(text: &[u8]) -> Option<ByteRange> {
    let dash = text.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (&text[..dash], &text[dash + 1..]);
    if first.is_empty() {
        return Some(ByteRange::Suffix { length: number(last)? });
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    (first <= last).then_some(ByteRange::From { first, last })
}

fn number(text: &[u8]) -> Option<u64> {
    field::digits(text.iter().copied())
}

/// Whether a request's If-Range is a date.
#[must_use]
pub fn goes_by_date(asked: &HeaderMap) -> bool {
    field::single(asked, header::IF_RANGE).and_then(date).is_some()
}

/// RFC 9110 §13.1.5: by the strong comparison with the tag of the whole as it came, or by a
/// Last-Modified that is as good as a strong validator (§8.8.2.2), byte for byte.
fn if_range_holds(asked: &HeaderMap, stored: Validators<'_>) -> bool {
    let Some(validator) = field::single(asked, header::IF_RANGE) else { return false };
    if date(validator).is_none() {
        let named = match Coded::of(validator) {
            Some(coded) if coded.kind == Kind::AsItCame && coded.shape.is_none() => {
                coded.to_origin()
            }
            // Other bytes than these, or nothing that tells which.
            Some(_) | None => return false,
        };
        return stored.etag.is_some_and(|etag| strongly_equal(etag, &named));
    }
    let modified = stored.last_modified.filter(|value| *value == validator).and_then(date);
    let dated = stored.date.and_then(date);
    modified.zip(dated).is_some_and(|(modified, dated)| dated > modified)
}

#[cfg(test)]
mod tests;
