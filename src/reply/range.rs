//! Answers to Range from stored bytes: 206 with one part or several, 416 (RFC 9110 §14, §15.3.7).

use std::{
    fmt::Write,
    hash::{BuildHasher, RandomState},
};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use super::{Answer, Source, add_age, is_unchanged, not_modified, put, sent, takes_ranges};
use crate::{
    body::{Body, Pieces},
    cache_status::CacheStatus,
    policy::{
        Now,
        partial::OF_THE_CONTENT,
        ranges::{self, Selected, Span},
    },
    store::{Entry, Head, Part},
    visit::Visit,
};

/// Stored bytes, of the whole representation or of a part.
#[derive(Clone, Copy)]
pub(super) struct Held<'a> {
    head: &'a Head,
    body: &'a Bytes,
    /// Where the bytes begin in the whole.
    first: u64,
    total: u64,
}

impl<'a> Held<'a> {
    pub(super) fn whole(entry: &'a Entry) -> Held<'a> {
        let total = entry.body.len() as u64;
        Held { head: &entry.head, body: &entry.body, first: 0, total }
    }

    fn part(part: &'a Part) -> Held<'a> {
        let first = part.range.span.first;
        Held { head: &part.head, body: &part.body, first, total: part.range.total }
    }

    /// The bytes of a span that is held.
    fn slice(&self, span: Span) -> Bytes {
        let offset = |it: u64| usize::try_from(it.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.body.slice(offset(span.first)..=offset(span.last))
    }

    /// The parts are of the stored bytes, in no other form.
    fn answer(&self, response: http::Response<Body>, status: CacheStatus) -> Answer {
        Answer::of(response, status, Source::of(self.head.forms, Some(self.total)))
    }

    fn content_range(&self, span: Span) -> String {
        format!("bytes {}-{}/{}", span.first, span.last, self.total)
    }
}

/// An answer from a stored part, if all that it takes is there: 304, 206, 416. Never 200.
#[must_use]
pub fn from_part(visit: &Visit, part: &Part, now: Now, status: CacheStatus) -> Option<Answer> {
    if !takes_ranges(visit, (&part.head, part.range.total)) {
        return None;
    }
    let validators = part.head.validators();
    let selected = ranges::select(&visit.head.headers, validators, part.range.total);
    let held = match &selected {
        Selected::Whole => false,
        Selected::Part(span) => part.holds(*span),
        Selected::Parts(spans) => spans.iter().all(|span| part.holds(*span)),
        Selected::Unsatisfiable => true,
    };
    if !held {
        return None;
    }
    let whole = (&part.head, Some(part.range.total));
    if is_unchanged(visit, whole) {
        return Some(not_modified(visit, whole, now, status));
    }
    selection(Held::part(part), selected, now, status)
}

/// The answer to a range; `None` where it is the whole.
pub(super) fn selection(
    held: Held<'_>,
    selected: Selected,
    now: Now,
    status: CacheStatus,
) -> Option<Answer> {
    match selected {
        Selected::Whole => None,
        Selected::Part(span) => Some(one(held, span, now, status)),
        Selected::Parts(spans) => Some(several(held, &spans, now, status)),
        Selected::Unsatisfiable => Some(unsatisfiable(held, now, status)),
    }
}

/// The head of a 206: what tells of the content of the 200 is not true of it (RFC 9530 §2).
fn partial(held: Held<'_>, now: Now, status: CacheStatus) -> http::Response<Body> {
    let mut response = sent(held.head, now, status);
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    OF_THE_CONTENT.iter().for_each(|name| drop(response.headers_mut().remove(name)));
    response
}

fn one(held: Held<'_>, span: Span, now: Now, status: CacheStatus) -> Answer {
    let mut response = partial(held, now, status);
    put(response.headers_mut(), header::CONTENT_RANGE, &held.content_range(span));
    *response.body_mut() = Body::Full(held.slice(span));
    held.answer(response, status)
}

/// RFC 9110 §15.3.7.2: Content-Range and the media type stand in each part, not in the head.
fn several(held: Held<'_>, spans: &[Span], now: Now, status: CacheStatus) -> Answer {
    let boundary = boundary();
    let mut response = partial(held, now, status);
    let of_part = response.headers_mut().remove(header::CONTENT_TYPE);
    // A stray one, that means nothing in the 200 that it came with (§14.4).
    response.headers_mut().remove(header::CONTENT_RANGE);
    let content_type = format!("multipart/byteranges; boundary={boundary}");
    put(response.headers_mut(), header::CONTENT_TYPE, &content_type);
    let mut pieces = Pieces::default();
    for span in spans {
        pieces.push(part_head(&boundary, of_part.as_ref(), &held.content_range(*span)));
        pieces.push(held.slice(*span));
    }
    pieces.push(format!("\r\n--{boundary}--\r\n"));
    *response.body_mut() = Body::Pieces(Box::new(pieces));
    held.answer(response, status)
}

fn part_head(boundary: &str, content_type: Option<&HeaderValue>, range: &str) -> Vec<u8> {
    let mut head = format!("\r\n--{boundary}\r\n").into_bytes();
    if let Some(content_type) = content_type {
        head.extend_from_slice(b"Content-Type: ");
        head.extend_from_slice(content_type.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(format!("Content-Range: {range}\r\n\r\n").as_bytes());
    head
}

/// 128 bits that nobody can know before: who writes the content must not be able to write a part
/// of his own into it. `RandomState` is SipHash under a key of the system's randomness.
fn boundary() -> String {
    let mut boundary = String::with_capacity(32);
    for _ in 0..2 {
        let _ = write!(boundary, "{:016x}", RandomState::new().hash_one(()));
    }
    boundary
}

fn unsatisfiable(held: Held<'_>, now: Now, status: CacheStatus) -> Answer {
    let mut response = http::Response::new(Body::Empty);
    *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
    put(response.headers_mut(), header::CONTENT_RANGE, &format!("bytes */{}", held.total));
    add_age(response.headers_mut(), held.head, now, status);
    Answer::new(response, status)
}
