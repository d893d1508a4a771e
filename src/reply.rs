//! The heads of all responses to clients; what went wrong is told in [`trouble`].
//!
//! Decides nothing: what is stored, stale, or not modified has been decided.

mod batched;
mod hit;
mod range;
mod source;
mod trouble;
mod unshaped;
mod wire;

use http::{
    HeaderMap, HeaderValue, Response, StatusCode, Version,
    header::{self, HeaderName},
};

use crate::{
    body::Body,
    cache_status::CacheStatus,
    collapse::{Arrival, fill::Reader},
    fields,
    policy::{
        Now,
        asked::Method,
        coding::Accepts,
        encoding::{Choice, Form, Forms, Given, Packing},
        ranges,
        validation::{self, Precondition},
    },
    store::{
        BodyId, Entry, Head,
        block::USED_UP,
        shape::{Extent, NOT_IN_304},
    },
    throttle,
    visit::Visit,
};

pub use batched::{Unbatched, in_place, unbatched};
pub use hit::{Lines, packed, written};
use hit::{add_age, headed, sent};
use range::Held;
pub use range::from_part;
pub use source::{Source, declared_length};
use source::{relayed_304, source, spell};
pub use trouble::{
    Failure, failed, invalid, lost, only_if_cached, options, precondition_failed, refused,
    refused_upgrade, spoilt, throttled, to_https,
};
pub use unshaped::{malformed, too_large, torn, untouched};
pub use wire::write_head;

/// A response to a client, and what the cache did for it.
#[derive(Debug)]
pub struct Answer {
    /// Its head and its body.
    pub response: Response<Body>,
    /// What to say there, and in the log.
    pub status: CacheStatus,
    /// Whose answer it is, as far as the form of its body goes; `None`: ours, or nobody's.
    pub source: Option<Source>,
    /// Whether Cache-Status stands in it already, as it does in most hits.
    pub is_told: bool,
}

impl Answer {
    /// A response, and what the cache did for it.
    #[must_use]
    pub fn new(response: Response<Body>, status: CacheStatus) -> Answer {
        Answer { response, status, source: None, is_told: false }
    }

    /// An upstream's response, which may take another form.
    #[must_use]
    pub fn of(response: Response<Body>, status: CacheStatus, source: Source) -> Answer {
        Answer { response, status, source: Some(source), is_told: false }
    }

    /// With what is told of the limits that the request counted by, in place of what the upstream
    /// says of its own.
    #[must_use]
    pub fn telling(mut self, told: Option<throttle::Told>) -> Answer {
        self.tell(told);
        self
    }

    /// Tells that.
    pub fn tell(&mut self, told: Option<throttle::Told>) {
        if let Some(told) = told {
            let headers = self.response.headers_mut();
            headers.insert(throttle::RATE_LIMIT, told.limit);
            headers.insert(throttle::RATE_LIMIT_POLICY, told.policy);
        }
    }

    /// With fields that are for this client alone.
    #[must_use]
    pub fn with(mut self, own: &HeaderMap) -> Answer {
        for (name, value) in own {
            self.response.headers_mut().append(name.clone(), value.clone());
        }
        self
    }
}

/// A stored response: 304, 206, 416 or whole (RFC 9110 §13.2.2, §14).
#[must_use]
pub fn stored(visit: &Visit, entry: &Entry, now: Now, status: CacheStatus) -> Answer {
    let (asked, head, length) = (&visit.head.headers, &entry.head, entry.body.len() as u64);
    if is_unchanged(visit, (head, Some(length))) {
        let mut answer = not_modified(visit, (head, Some(length)), now, status);
        if visit.wanted.is_some() {
            answer.source.iter_mut().for_each(|source| source.id = entry.known_id());
        }
        return answer;
    }
    if head.status == StatusCode::OK && takes_ranges(visit, (head, length)) {
        let selected = ranges::select(asked, head.validators(), length);
        let part = range::selection(Held::whole(entry), selected, now, status);
        return part.unwrap_or_else(|| whole(visit, entry, now, status));
    }
    whole(visit, entry, now, status)
}

/// Whether the client has it already; conditions mean nothing for what is no success
/// (RFC 9110 §13.2.1). `length` is that of the whole, where it is known.
fn is_unchanged(visit: &Visit, (head, length): (&Head, Option<u64>)) -> bool {
    let (asked, choice) = (&visit.head.headers, choice(visit, (head, length)));
    // Of a cut, too, nothing but Last-Modified is a date, as where it is made anew.
    let known = || {
        let known = head.validators();
        let date = known.date.filter(|_| visit.wanted.is_none());
        validation::Validators { date, ..known }
    };
    let judge = || validation::precondition(asked, known(), choice);
    // The validators must be looked for, and most requests have no condition.
    visit.asked.condition && head.status.is_success() && judge() == Precondition::NotModified
}

/// Whether the client has it already as it is stored, and by a tag that a 304 has just so.
#[must_use]
pub fn is_just_unchanged(visit: &Visit, entry: &Entry) -> bool {
    let (head, choice) = (&entry.head, choice(visit, (&entry.head, Some(entry.body.len() as u64))));
    let has_just = validation::has_just(&visit.head.headers, head.validators().etag, choice);
    has_just && head.status.is_success() && !head.forms.escaped
}

/// Among which forms the client chooses, of what is cut out of a stored response where it wants less
/// than the whole: no cut is packed as it came, and its length is not known here.
fn choice<'a>(visit: &'a Visit, (head, length): (&Head, Option<u64>)) -> Choice<'a> {
    let (given, length) = match (head.forms.given, &visit.wanted) {
        (given @ Given::Packed(_), Some(_)) => (given.cut(), None),
        (given, _) => (given, length),
    };
    let source = Source::of(Forms { given, ..head.forms }, length);
    source.choice(&visit.route.packing, visit.asked.unpacked())
}

/// Whether a range of the stored bytes is one of what the client would get of `length` bytes.
fn takes_ranges(visit: &Visit, (head, length): (&Head, u64)) -> bool {
    let takes = || match head.forms.given {
        Given::Packed(coding) => Accepts::of(&visit.head.headers).likes(coding),
        Given::Plain => !is_of_a_packed(visit, length),
        Given::Fixed => true,
    };
    visit.asked.range && visit.asked.method == Method::Get && takes()
}

/// Whether If-Range goes by a date, while the whole would be packed: then the date is that of two
/// sequences of bytes at least, and so as weak as a validator can be (RFC 9110 §8.8.1, §13.1.5).
fn is_of_a_packed(visit: &Visit, length: u64) -> bool {
    let asked = &visit.head.headers;
    let form = || Given::Plain.form(&visit.route.packing, Accepts::of(asked), Some(length));
    ranges::goes_by_date(asked) && matches!(form(), Form::Packed(_))
}

/// What the body is, where that is known, or where it may be wanted in another form.
fn id(visit: &Visit, entry: &Entry) -> Option<BodyId> {
    let is_packed = || matches!(entry.head.forms.given, Given::Packed(_));
    let may_change = || visit.asked.codings || visit.wanted.is_some() || is_packed();
    entry.known_id().or_else(|| may_change().then(|| entry.id()))
}

fn whole(visit: &Visit, entry: &Entry, now: Now, status: CacheStatus) -> Answer {
    let (head, length) = (&entry.head, Some(entry.body.len() as u64));
    let source = Source { id: id(visit, entry), ..Source::of(head.forms, length) };
    let mut answer = headed(visit, (head, source), Extent::Whole, (now, status));
    let response = &mut answer.response;
    match visit.is_head() {
        true if head.status != StatusCode::NO_CONTENT => {
            let length = HeaderValue::from(entry.body.len());
            response.headers_mut().insert(header::CONTENT_LENGTH, length);
        }
        true => {}
        false => *response.body_mut() = Body::Full(entry.body.clone()),
    }
    answer
}

/// A response that is still arriving, or 304 if the client has it already.
#[must_use]
pub fn arriving(
    visit: &Visit,
    arrival: &Arrival,
    reader: Reader,
    now: Now,
    status: CacheStatus,
) -> Answer {
    let head = &arrival.head;
    let length = http_body::Body::size_hint(&reader).exact();
    if is_unchanged(visit, (head, length)) {
        return not_modified(visit, (head, length), now, status);
    }
    let mut response = sent(head, now, status);
    let source = Source::of(head.forms, length);
    if head.status == StatusCode::NO_CONTENT {
        // With a body, be it an empty one, it would get a length (RFC 9110 §8.6).
        let source = Source { length: Some(0), ..source };
        return Answer::of(response, status, source);
    }
    match visit.is_head() {
        true => {
            let length = length.map(HeaderValue::from);
            length.map(|it| response.headers_mut().insert(header::CONTENT_LENGTH, it));
        }
        false => *response.body_mut() = Body::Arriving(reader),
    }
    Answer::of(response, status, source)
}

/// An upstream's response, for one client, whatever brings its body.
#[must_use]
pub fn relayed(visit: &Visit, mut response: Response<Body>, status: CacheStatus) -> Answer {
    let special = response.headers().keys().any(|name| is_special(name.as_str()));
    pass_on(&mut response, special);
    let source = source(visit, &mut response, status);
    Answer::of(response, status, source)
}

/// Makes a head that of a response to the client; `special`: a field of it [is](is_special).
fn pass_on(response: &mut Response<Body>, special: bool) {
    let version = std::mem::replace(response.version_mut(), Version::HTTP_11);
    *response.extensions_mut() = http::Extensions::new();
    let headers = response.headers_mut();
    if special {
        fields::remove_hop_by_hop(headers);
        USED_UP.iter().for_each(|name| drop(headers.remove(name)));
    }
    headers.append(header::VIA, fields::via(version));
}

/// Whether a field is one that may not go further, as few are: it is for one hop, or its name ends
/// like those of [`USED_UP`].
fn is_special(name: &str) -> bool {
    fields::is_for_one_hop(name)
        || name.ends_with("-cache-control")
        || name.ends_with("-key")
        || name.ends_with("-tag")
}

/// An upstream's response to a fetch that was made without the client's conditions, for that
/// client: they are judged now.
#[must_use]
pub fn relayed_fetch(visit: &Visit, mut response: Response<Body>, status: CacheStatus) -> Answer {
    let (mut special, packing) = (false, &visit.route.packing);
    let forms = Forms::beside(response.headers(), packing, |name| special |= is_special(name));
    pass_on(&mut response, special);
    // Connection may have named what tells of the form.
    let forms = if special { Forms::of(response.headers(), packing) } else { forms };
    // The length of an origin's own 304 is none of the whole.
    let whole = response.status() != StatusCode::NOT_MODIFIED;
    let length = http_body::Body::size_hint(response.body()).exact().filter(|_| whole);
    let source = Source::of(forms, length);
    let choice = source.choice(&visit.route.packing, visit.asked.unpacked());
    // Date stands in for Last-Modified only in what is stored (RFC 9111 §4.3.2).
    let validators =
        || validation::Validators { date: None, ..validation::Validators::of(response.headers()) };
    let judge = || validation::precondition(&visit.head.headers, validators(), choice);
    let unchanged = visit.asked.condition
        && response.status().is_success()
        && judge() == Precondition::NotModified;
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        NOT_IN_304.iter().for_each(|name| drop(response.headers_mut().remove(name)));
    }
    if unchanged || visit.is_head() {
        *response.body_mut() = Body::Empty;
    }
    let source = match response.status() {
        StatusCode::NOT_MODIFIED if unchanged => {
            let named = spell(&visit.head.headers, response.headers_mut(), choice);
            Source { named, ..source }
        }
        StatusCode::NOT_MODIFIED => relayed_304(visit, response.headers_mut(), source),
        _ => source,
    };
    Answer::of(response, status, source)
}

/// Makes a whole answer a 304, where by these conditions its client has it already; `unpacked`:
/// it asks for bytes that nobody packs.
pub fn judge(answer: &mut Answer, (packing, unpacked): (&Packing, bool), asked: &HeaderMap) {
    let response = &mut answer.response;
    let Some(source) = &mut answer.source else { return };
    if asked.is_empty() || response.status() != StatusCode::OK {
        return;
    }
    let known = validation::Validators::of(response.headers());
    let known = validation::Validators { date: None, ..known };
    let choice = source.choice(packing, unpacked);
    if validation::precondition(asked, known, choice) == Precondition::NotModified {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::Empty;
        NOT_IN_304.iter().for_each(|name| drop(response.headers_mut().remove(name)));
        source.named = spell(asked, response.headers_mut(), choice);
    }
}

/// The fields of an upstream's response as they go to clients and into the store.
pub fn end_to_end(headers: &mut HeaderMap, version: Version) {
    fields::remove_hop_by_hop(headers);
    headers.append(header::VIA, fields::via(version));
}

/// `length` is that of the whole, where it is known.
fn not_modified(
    visit: &Visit,
    (head, length): (&Head, Option<u64>),
    now: Now,
    status: CacheStatus,
) -> Answer {
    let source = Source::of(head.forms, length);
    let mut answer = headed(visit, (head, source), Extent::NotModified, (now, status));
    let response = &mut answer.response;
    let choice = choice(visit, (head, length));
    let named = spell(&visit.head.headers, response.headers_mut(), choice);
    answer.source = answer.source.map(|source| Source { named, ..source });
    if !answer.is_told {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        NOT_IN_304.iter().for_each(|name| drop(response.headers_mut().remove(name)));
    }
    answer
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The upstream agreed to another protocol: its own 101, for the client's hop.
#[must_use]
pub fn switching(mut head: http::response::Parts, status: CacheStatus) -> Answer {
    let protocol = head.headers.get(header::UPGRADE).cloned();
    end_to_end(&mut head.headers, head.version);
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = head.headers;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    let protocol = protocol.unwrap_or(HeaderValue::from_static("websocket"));
    response.headers_mut().insert(header::UPGRADE, protocol);
    Answer::new(response, status)
}
