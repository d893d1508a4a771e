//! The head of a stored response, as it is sent: of a hit in one go, else field by field.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::{Answer, Source, wire};
use crate::{
    body::Body,
    cache_status::{self, CacheStatus},
    policy::{Now, asked::Method, coding::Coding, encoding::Given},
    reason::{Reason, Stale},
    store::{
        Entry, Head,
        shape::{Added, Extent},
    },
    visit::Visit,
};

/// An answer without a body that has the head of a stored response.
pub(super) fn headed(
    visit: &Visit,
    (head, source): (&Head, Source),
    extent: Extent,
    (now, status): (Now, CacheStatus),
) -> Answer {
    let at_once = at_once(visit, (head, source), extent, (now, status));
    at_once.unwrap_or_else(|| Answer::of(sent(head, now, status), status, source))
}

/// The head of a hit, or of what a fetch has just brought, all that there is to tell of it included.
fn at_once(
    visit: &Visit,
    (head, source): (&Head, Source),
    extent: Extent,
    (now, status): (Now, CacheStatus),
) -> Option<Answer> {
    let varies = head.forms.given.varies(&visit.route.packing, source.length);
    let added = Added { age: seconds(head, now), told: (status, head.status), varies };
    let (headers, vary_is_due) = match status {
        CacheStatus::Hit { .. } => head.fields.hit(extent, added)?,
        // What is cut out of it varies by its own length.
        CacheStatus::Forwarded(_) if extent == Extent::Whole && visit.wanted.is_none() => {
            fetched(head, added)?
        }
        CacheStatus::Forwarded(_) | CacheStatus::Refused(_) => return None,
    };
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = match extent {
        Extent::Whole => head.status,
        Extent::NotModified => StatusCode::NOT_MODIFIED,
    };
    *response.headers_mut() = headers;
    let source = Some(Source { vary_is_told: !vary_is_due, ..source });
    Some(Answer { response, status, source, is_told: true })
}

/// The answer to who gets all of a stored response, its body as it was packed before; `None` where its
/// head is made field by field.
#[must_use]
pub fn packed(visit: &Visit, head: &Head, (coding, body): (Coding, Bytes)) -> Option<Answer> {
    let now = visit.arrived;
    let status = CacheStatus::Hit { ttl: cache_status::ttl(&head.meta, now), detail: None };
    // Who takes nothing packed would have got another.
    let added = Added { age: seconds(head, now), told: (status, head.status), varies: true };
    let mut response = Response::new(Body::Full(body));
    *response.headers_mut() = head.fields.hit_packed(coding, added)?;
    *response.status_mut() = head.status;
    Some(Answer { response, status, source: None, is_told: true })
}

/// The head of a hit in lines, for who gets all of it, `length` bytes, or has it; `packed`: as what it
/// was packed before. More may be added, and an empty line has to be. `None` where it is not at hand
/// in that form.
pub fn written(
    visit: &Visit,
    entry: &Entry,
    (extent, packed, length): (Extent, Option<Coding>, usize),
    out: &mut Vec<u8>,
) -> Option<(StatusCode, CacheStatus)> {
    let (head, now) = (&entry.head, visit.arrived);
    let told = CacheStatus::Hit { ttl: cache_status::ttl(&head.meta, now), detail: None };
    let stored = Some(entry.body.len() as u64);
    let varies = packed.is_some() || head.forms.given.varies(&visit.route.packing, stored);
    let added = Added { age: seconds(head, now), told: (told, head.status), varies };
    let status = match extent {
        Extent::Whole => head.status,
        Extent::NotModified => StatusCode::NOT_MODIFIED,
    };
    wire::begin(status, out);
    let is_dated = head.fields.write((extent, packed), added, out)?;
    wire::end(status, length, (!is_dated).then_some(now.wall), out);
    Some((status, told))
}

/// The fields of what a fetch has just brought: nobody has asked for them before.
fn fetched(head: &Head, added: Added) -> Option<(HeaderMap, bool)> {
    let (mut headers, vary_is_due) = head.fields.fill(Extent::Whole, added)?;
    if !tells_age(added.age, added.told.0) {
        headers.remove(header::AGE);
    }
    Some((headers, vary_is_due))
}

/// The head of a hit that is told within another answer: no map is made of it.
#[derive(Debug)]
pub struct Lines {
    entry: Entry,
    /// Its entity-tag, where that is another than the stored one.
    tag: Option<HeaderValue>,
    age: HeaderValue,
    told: CacheStatus,
    cache_status: HeaderValue,
    varies: bool,
}

impl Lines {
    /// The head of a hit that goes out as it is stored, to who takes nothing else.
    #[must_use]
    pub fn of(visit: &Visit, entry: &Entry, tag: Option<&HeaderValue>) -> Option<Lines> {
        let (asked, head) = (&visit.asked, &entry.head);
        let plain = matches!(head.forms.given, Given::Plain | Given::Fixed) && !head.forms.escaped;
        if asked.condition || asked.range || asked.method != Method::Get || !plain {
            return None;
        }
        let varies = head.forms.given.varies(&visit.route.packing, Some(entry.body.len() as u64));
        let among = varies && head.fields.get(&header::VARY).is_some();
        if among || head.fields.lines().is_none() {
            return None;
        }
        let (now, ttl) = (visit.arrived, cache_status::ttl(&head.meta, visit.arrived));
        let told = CacheStatus::Hit { ttl, detail: None };
        let cache_status = told.value(head.status);
        let age = cache_status::number(seconds(head, now));
        Some(Lines { entry: entry.clone(), tag: tag.cloned(), age, told, cache_status, varies })
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.entry.head.status
    }

    /// What the cache did for it.
    #[must_use]
    pub fn cache_status(&self) -> CacheStatus {
        self.told
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let stored = self.entry.head.fields.lines().into_iter().flatten();
        let stored = stored.map(|(name, value)| match &self.tag {
            Some(tag) if name == b"etag" => (name, tag.as_bytes()),
            _ => (name, value),
        });
        let varies = self.varies.then_some((&b"vary"[..], &b"accept-encoding"[..]));
        let age = (&b"age"[..], self.age.as_bytes());
        stored.chain([age, (&b"cache-status"[..], self.cache_status.as_bytes())]).chain(varies)
    }
}

/// A stored head as it is sent, without a body.
pub(super) fn sent(head: &Head, now: Now, status: CacheStatus) -> Response<Body> {
    let mut headers = HeaderMap::with_capacity(head.fields.len() + 3);
    head.fields.append_to(&mut headers);
    add_age(&mut headers, head, now, status);
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = head.status;
    *response.headers_mut() = headers;
    response
}

/// Age (RFC 9111 §5.1).
pub(super) fn add_age(headers: &mut HeaderMap, head: &Head, now: Now, status: CacheStatus) {
    let seconds = seconds(head, now);
    if tells_age(seconds, status) {
        headers.insert(header::AGE, cache_status::number(seconds));
    }
}

/// An age of 0 would say that the origin had no part in it (RFC 9111 §4).
fn tells_age(seconds: i64, status: CacheStatus) -> bool {
    let from_store = match status {
        CacheStatus::Hit { .. } => true,
        CacheStatus::Forwarded(told) => told.detail == Some(Reason::Stale(Stale::IfError)),
        CacheStatus::Refused(_) => false,
    };
    seconds > 0 || from_store
}

/// The age in whole seconds.
fn seconds(head: &Head, now: Now) -> i64 {
    (head.meta.age(now) / 1000).max(0)
}
