//! Byte ranges of a complete stored body (RFC 9110 §14).

use http::{HeaderMap, header};

use super::{entity_tag::strongly_equal, field, freshness::date, validation::Validators};

/// What a request's Range means for a body of a known length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selected {
    /// No Range, one that is not understood, several ranges, or an If-Range that does not match:
    /// 200 with the whole body.
    Whole,
    /// 206 with `first..=last`, within the body.
    Part {
        /// Offset of the first byte.
        first: u64,
        /// Offset of the last byte.
        last: u64,
    },
    /// 416: the range lies past the end.
    Unsatisfiable,
}

/// Evaluates Range and If-Range (RFC 9110 §13.1.5, §14.2) of a GET for a body of `length` bytes.
#[must_use]
pub fn select(asked: &HeaderMap, stored: Validators<'_>, length: u64) -> Selected {
    let Some(range) = field::single(asked, header::RANGE).and_then(one_range) else {
        return Selected::Whole;
    };
    if asked.contains_key(header::IF_RANGE) && !if_range_holds(asked, stored) {
        return Selected::Whole;
    }
    range.within(length)
}

/// A `range-spec` of the unit bytes (RFC 9110 §14.1.2).
#[derive(Clone, Copy, Debug)]
enum ByteRange {
    From { first: u64, last: u64 },
    Suffix { length: u64 },
}

impl ByteRange {
    fn within(self, length: u64) -> Selected {
        match self {
            ByteRange::Suffix { length: 0 } => Selected::Unsatisfiable,
            // Satisfiable, but a part of nothing cannot be described (§14.4).
            ByteRange::Suffix { .. } if length == 0 => Selected::Whole,
            ByteRange::Suffix { length: suffix } => {
                Selected::Part { first: length.saturating_sub(suffix), last: length - 1 }
            }
            ByteRange::From { first, .. } if first >= length => Selected::Unsatisfiable,
            ByteRange::From { first, last } => Selected::Part { first, last: last.min(length - 1) },
        }
    }
}

/// The only range of a `ranges-specifier`; `None` where it is malformed or there are several.
fn one_range(value: &[u8]) -> Option<ByteRange> {
    let equals = value.iter().position(|byte| *byte == b'=')?;
    let (unit, ranges) = (&value[..equals], &value[equals + 1..]);
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let mut ranges = ranges.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let range = ranges.find(|range| !range.is_empty())?;
    match ranges.all(<[u8]>::is_empty) {
        true => byte_range(range),
        false => None,
    }
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

/// RFC 9110 §13.1.5: by the strong comparison, or by a Last-Modified that is as good as a strong
/// validator (§8.8.2.2), byte for byte.
fn if_range_holds(asked: &HeaderMap, stored: Validators<'_>) -> bool {
    let Some(validator) = field::single(asked, header::IF_RANGE) else { return false };
    if date(validator).is_none() {
        return stored.etag.is_some_and(|etag| strongly_equal(etag, validator));
    }
    let modified = stored.last_modified.filter(|value| *value == validator).and_then(date);
    let dated = stored.date.and_then(date);
    modified.zip(dated).is_some_and(|(modified, dated)| dated > modified)
}

#[cfg(test)]
mod tests;
