//! Validation: towards the origin (RFC 9111 §4.3.1, §4.3.4) and for clients (RFC 9110 §13).

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::{
    coded_tag::{self, Coded, Kind, ShapeTag},
    coding::Accepts,
    encoding::Choice,
    entity_tag::{self, is_own, is_strong, strongly_equal, weakly_equal},
    field,
    freshness::date,
};

/// The prefix of the entity-tags that Larder makes where the origin gives none,
/// opening quote included. What follows is the body's hash.
pub const OWN_TAG: &str = "\"larder-";

/// What the request's preconditions say of the selected representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Send it.
    Proceed,
    /// 304.
    NotModified,
}

/// The selected representation's validators, as they stand in its head.
#[derive(Clone, Copy, Debug, Default)]
pub struct Validators<'a> {
    /// ETag.
    pub etag: Option<&'a [u8]>,
    /// Last-Modified.
    pub last_modified: Option<&'a [u8]>,
    /// Date.
    pub date: Option<&'a [u8]>,
}

/// What becomes of a request's conditions on its way to the origin, which knows nothing of the
/// entity-tags that Larder made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Forward the request; the fields that named only our own tags are gone.
    Forward,
    /// If-Match names nothing that is known to be current, or If-None-Match of a method that
    /// changes something names what may be: 412.
    Failed,
}

impl<'a> Validators<'a> {
    /// The validators in a response's head; a field whose lines differ is none.
    #[must_use]
    pub fn of(headers: &'a HeaderMap) -> Validators<'a> {
        Validators {
            etag: field::single(headers, header::ETAG),
            last_modified: field::single(headers, header::LAST_MODIFIED),
            date: field::single(headers, header::DATE),
        }
    }
}

/// Whether a request hangs on an entity-tag of ours, which only we can judge: by If-Match, or, where
/// it is to change something, by If-None-Match.
#[must_use]
pub fn asks_for_ours(method: &Method, request: &HeaderMap) -> bool {
    let is_ours = |line: &HeaderValue| {
        let own = OWN_TAG.as_bytes();
        line.as_bytes().windows(own.len()).any(|window| window == own)
    };
    if selects_nothing(method) {
        return false;
    }
    let none_match = !matches!(*method, Method::GET | Method::HEAD);
    request.get_all(header::IF_MATCH).iter().any(is_ours)
        || (none_match && request.get_all(header::IF_NONE_MATCH).iter().any(is_ours))
}

/// Whether conditions mean nothing beside this method (RFC 9110 §13.2.1).
fn selects_nothing(method: &Method) -> bool {
    matches!(*method, Method::OPTIONS | Method::TRACE | Method::CONNECT)
}

/// Evaluates If-None-Match, or else If-Modified-Since, of a GET or HEAD (RFC 9110 §13.2.2;
/// RFC 9111 §4.3.2). A strong tag counts in any form that the client takes, of those of its choice;
/// a weak one is that of every form.
#[must_use]
pub fn precondition(asked: &HeaderMap, stored: Validators<'_>, choice: Choice<'_>) -> Precondition {
    let has_it = match asked.contains_key(header::IF_NONE_MATCH) {
        true => none_match_names(asked, stored.etag, choice),
        false => is_unmodified(asked, stored),
    };
    match has_it {
        true => Precondition::NotModified,
        false => Precondition::Proceed,
    }
}

fn none_match_names(asked: &HeaderMap, etag: Option<&[u8]>, choice: Choice<'_>) -> bool {
    let accepts = Accepts::of(asked);
    if etag.is_some_and(|etag| names_just(asked, etag)) {
        return Kind::AsItCame.weight(choice, accepts) > 0;
    }
    let names = |tag: &[u8], etag: &[u8]| match Coded::of(tag) {
        Some(coded) => {
            let names_bytes = is_strong(etag) || is_strong(tag) || coded.kind != Kind::AsItCame;
            coded.names(etag) && (!names_bytes || coded.kind.weight(choice, accepts) > 0)
        }
        None => weakly_equal(tag, etag),
    };
    tags(asked, header::IF_NONE_MATCH)
        .any(|tag| tag == b"*" || etag.is_some_and(|etag| names(tag, etag)))
}

/// The client's own spelling of a response's strong entity-tag, if its If-None-Match has one, and
/// which form that names: it is the tag of what the client holds. Of several it is the one whose
/// form the client likes best; of equals that of unpacked bytes, which all can read: beside those,
/// what came was packed.
#[must_use]
pub fn named<'a>(
    asked: &'a HeaderMap,
    etag: &[u8],
    choice: Choice<'_>,
) -> Option<(&'a [u8], Kind)> {
    let accepts = Accepts::of(asked);
    if names_just(asked, etag) {
        let kind = Kind::AsItCame;
        let line = asked.get(header::IF_NONE_MATCH).filter(|_| kind.weight(choice, accepts) > 0);
        return line.map(|line| (line.as_bytes(), kind));
    }
    let weighed = |tag| {
        let coded = Coded::of(tag).filter(|coded| coded.names(etag))?;
        Some((coded.kind.weight(choice, accepts), tag, coded.kind))
    };
    let rank = |(weight, _, kind): &(u16, _, Kind)| (*weight, *kind == Kind::Unpacked);
    let best = |one, other| if rank(&other) > rank(&one) { other } else { one };
    let all = tags(asked, header::IF_NONE_MATCH).filter_map(weighed);
    let (_, tag, kind) = all.reduce(best).filter(|best| best.0 > 0 && is_strong(etag))?;
    // Strong, as a 200 would have it (§15.4.5), though somebody on the way made it weak.
    Some((entity_tag::opaque(tag), kind))
}

/// Whether a 304 to these conditions is that of the stored bytes as they came, and has their tag as it
/// is; others that are one take more to be told.
#[must_use]
pub fn has_just(asked: &HeaderMap, etag: Option<&[u8]>, choice: Choice<'_>) -> bool {
    etag.is_some_and(|etag| is_strong(etag) && names_just(asked, etag))
        && Kind::AsItCame.weight(choice, Accepts::of(asked)) > 0
}

/// Whether If-None-Match is this strong tag of bytes as they came, to the letter, and nothing else.
/// So it is in most requests that have one, and nothing has to be taken apart.
fn names_just(asked: &HeaderMap, etag: &[u8]) -> bool {
    let mut lines = field::lines(asked, header::IF_NONE_MATCH);
    lines.next() == Some(etag) && lines.next().is_none() && coded_tag::is_as_it_came(etag)
}

/// RFC 9110 §13.1.3: what is no date is ignored. A response without Last-Modified was not
/// modified after its Date (RFC 9111 §4.3.2).
fn is_unmodified(asked: &HeaderMap, stored: Validators<'_>) -> bool {
    let Some(since) = field::single(asked, header::IF_MODIFIED_SINCE).and_then(date) else {
        return false;
    };
    let modified = stored.last_modified.and_then(date).or_else(|| stored.date.and_then(date));
    modified.is_some_and(|modified| modified <= since)
}

/// What makes a request conditional or partial (RFC 9110 §13.1, §14.2).
const CONDITIONS: [HeaderName; 6] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    header::RANGE,
];

/// Puts the stored response's validators into a request to the origin (RFC 9111 §4.3.1), in
/// place of the client's own conditions and Range. A tag of ours is not sent. Without validators
/// it makes the request unconditional, as a fetch has to be whose answer is to be stored.
pub fn make_conditional(request: &mut HeaderMap, stored: Validators<'_>) {
    for name in CONDITIONS {
        request.remove(name);
    }
    let etag = stored.etag.filter(|etag| !is_own(etag));
    let last_modified = stored.last_modified.filter(|value| date(value).is_some());
    set(request, header::IF_NONE_MATCH, etag);
    set(request, header::IF_MODIFIED_SINCE, last_modified);
}

/// The origin's own strong entity-tag.
#[must_use]
pub fn strong_tag(validators: Validators<'_>) -> Option<&[u8]> {
    validators.etag.filter(|etag| is_strong(etag) && !is_own(etag))
}

/// What a 200 to HEAD says of the stored response to GET (RFC 9111 §4.3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadSays {
    /// It is the current one.
    Same,
    /// It is not.
    Other,
    /// Nothing: without a validator, the same length is no sign of the same bytes.
    Nothing,
}

/// Compares a 200 to HEAD with the stored response, whose body is of `length` bytes.
#[must_use]
pub fn head_says(stored: Validators<'_>, length: u64, received: &HeaderMap) -> HeadSays {
    let declared = field::single(received, header::CONTENT_LENGTH);
    let declared = declared.and_then(|it| field::digits(it.iter().copied()));
    let known = Validators::of(received);
    let stored_tag = stored.etag.filter(|etag| !is_own(etag));
    let same_tag = known.etag.map(|tag| stored_tag.is_some_and(|own| weakly_equal(own, tag)));
    let same_date = known.last_modified.map(|date| stored.last_modified == Some(date));
    match (same_tag, same_date) {
        _ if declared.is_some_and(|declared| declared != length) => HeadSays::Other,
        (Some(false), _) | (_, Some(false)) => HeadSays::Other,
        (Some(true), _) | (_, Some(true)) => HeadSays::Same,
        (None, None) => HeadSays::Nothing,
    }
}

/// Adds the strong entity-tags of the target's other variants to a validation (RFC 9111 §4.3.1):
/// the origin may name one of them in its 304.
pub fn offer<'a>(request: &mut HeaderMap, tags: impl Iterator<Item = &'a [u8]>) {
    let own = request.get(header::IF_NONE_MATCH).map(|tag| tag.as_bytes().to_vec());
    let mut all: Vec<&[u8]> = own.as_deref().into_iter().collect();
    for tag in tags {
        if !all.contains(&tag) {
            all.push(tag);
        }
    }
    if !all.is_empty() {
        set(request, header::IF_NONE_MATCH, Some(&all.join(&b", "[..])));
    }
}

/// Whether the conditions of a request name bytes as they came, wherever from.
#[must_use]
pub fn names_as_it_came(request: &HeaderMap) -> bool {
    let as_it_came = |tag| Coded::of(tag).is_some_and(|coded| coded.kind == Kind::AsItCame);
    let names = [header::IF_MATCH, header::IF_NONE_MATCH];
    names.into_iter().any(|name| tags(request, name).any(as_it_came))
}

/// Takes our own entity-tags out of the conditions of a request that is forwarded: out of
/// If-None-Match and If-Range (with its Range), and judges them in If-Match against `current`,
/// the tag of the fresh stored response. An If-Range that is neither a date nor a strong tag cannot
/// hold (RFC 9110 §13.1.5), and leaves as well: there are origins that compare it as it stands, and
/// here that is one name for every form.
pub fn forward_conditions(
    method: &Method,
    request: &mut HeaderMap,
    current: Option<&[u8]>,
) -> Condition {
    restore_tags(method, request);
    let can_hold = |it: &[u8]| date(it).is_some() || (is_strong(it) && !is_own(it));
    let if_range = field::single(request, header::IF_RANGE);
    if request.contains_key(header::IF_RANGE) && !if_range.is_some_and(can_hold) {
        request.remove(header::IF_RANGE);
        request.remove(header::RANGE);
    }
    match forward_match(method, request, current) {
        Condition::Forward => forward_none_match(method, request, current),
        Condition::Failed => Condition::Failed,
    }
}

/// Writes the entity-tags in the conditions of a request for a shape as if it were for the whole:
/// those that name another shape, or the whole, name nothing here. There are no parts of shapes.
pub fn ask_for_whole(request: &mut HeaderMap, shape: ShapeTag) {
    request.remove(header::RANGE);
    request.remove(header::IF_RANGE);
    if request.contains_key(header::IF_NONE_MATCH) {
        let known = tags(request, header::IF_NONE_MATCH);
        let known = known.filter_map(|tag| coded_tag::of_whole(tag, shape)).collect();
        set_none_match(request, known);
    }
}

/// What a GET or HEAD says of what its client has already, with the codings that it takes; nothing
/// where it has no such condition.
#[must_use]
pub fn conditions(request: &HeaderMap) -> HeaderMap {
    let mut conditions = HeaderMap::new();
    let names = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::ACCEPT_ENCODING];
    if !names[..2].iter().any(|name| request.contains_key(name)) {
        return conditions;
    }
    for name in names {
        let lines = request.get_all(&name).iter().cloned();
        conditions.extend(lines.map(|line| (name.clone(), line)));
    }
    conditions
}

/// Whether If-None-Match names a shape.
#[must_use]
pub fn names_shape(request: &HeaderMap, shape: ShapeTag) -> bool {
    let is_it = |tag| Coded::of(tag).is_some_and(|coded| coded.shape == Some(shape));
    tags(request, header::IF_NONE_MATCH).any(is_it)
}

/// Takes the conditions out of a request that name no bytes: a date, and `*`. Whether others are
/// left.
pub fn keep_named(request: &mut HeaderMap) -> bool {
    request.remove(header::IF_MODIFIED_SINCE);
    if tags(request, header::IF_NONE_MATCH).any(|tag| tag == b"*") {
        request.remove(header::IF_NONE_MATCH);
    }
    request.contains_key(header::IF_NONE_MATCH)
}

/// An If-Modified-Since that was not to be looked at beside the tags leaves with the last of them.
fn set_none_match(request: &mut HeaderMap, tags: Vec<Vec<u8>>) {
    if tags.is_empty() {
        request.remove(header::IF_NONE_MATCH);
        request.remove(header::IF_MODIFIED_SINCE);
    }
    let tags = (!tags.is_empty()).then(|| tags.join(&b", "[..]));
    set(request, header::IF_NONE_MATCH, tags.as_deref());
}

/// Writes the entity-tags in a request's conditions as the origin does. A part of a body that the
/// client has in another form cannot be continued (§13.1.5). Who has a shape of something does not
/// have the whole, and who has it in a coding that it does not take any more cannot read it: a 304
/// is no answer to them. A change of the whole is one of all of these.
pub fn restore_tags(method: &Method, request: &mut HeaderMap) {
    let coded = field::single(request, header::IF_RANGE).and_then(Coded::of);
    match coded.map(|coded| (coded.kind, coded.shape, coded.to_origin())) {
        Some((Kind::AsItCame, None, tag)) => set(request, header::IF_RANGE, Some(&tag)),
        Some(_) => {
            request.remove(header::IF_RANGE);
            request.remove(header::RANGE);
        }
        None => {}
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        let accepts = Accepts::of(request);
        let refused = |kind| matches!(kind, Kind::Packed(coding) if !accepts.takes(coding));
        let is_other = |coded: Coded<'_>| coded.shape.is_some() || refused(coded.kind);
        let is_other = |tag: &[u8]| Coded::of(tag).is_some_and(is_other);
        if tags(request, header::IF_NONE_MATCH).any(is_other) {
            let of_use = tags(request, header::IF_NONE_MATCH).filter(|tag| !is_other(tag));
            let of_use = of_use.map(<[u8]>::to_vec).collect();
            set_none_match(request, of_use);
        }
    }
    for name in [header::IF_MATCH, header::IF_NONE_MATCH] {
        let changed = |tag: &[u8]| Coded::of(tag).is_some_and(|it| it.to_origin() != tag);
        if !tags(request, name.clone()).any(changed) {
            continue;
        }
        let restored: Vec<Vec<u8>> = tags(request, name.clone())
            .map(|tag| Coded::of(tag).map_or_else(|| tag.to_vec(), Coded::to_origin))
            .collect();
        set(request, name, Some(&restored.join(&b", "[..])));
    }
}

/// RFC 9110 §13.1.1: one tag that matches, by the strong comparison, is enough.
fn forward_match(method: &Method, request: &mut HeaderMap, current: Option<&[u8]>) -> Condition {
    let mut own = tags(request, header::IF_MATCH).filter(|tag| is_own(tag)).peekable();
    if own.peek().is_none() {
        return Condition::Forward;
    }
    let is_current = |tag| current.is_some_and(|current| strongly_equal(tag, current));
    if selects_nothing(method) || own.any(is_current) {
        drop(own);
        request.remove(header::IF_MATCH);
        return Condition::Forward;
    }
    drop(own);
    match foreign_tags(request, header::IF_MATCH) {
        Some(rest) => request.insert(header::IF_MATCH, rest),
        None => return Condition::Failed,
    };
    Condition::Forward
}

/// RFC 9110 §13.1.2. Where nothing is known to be current, a change is not let through: the tag may
/// name what is there, as with If-Match it may name what is not.
///
/// An If-Modified-Since that was not to be looked at beside it leaves with the
/// last tag: the origin would take it for the only condition.
fn forward_none_match(
    method: &Method,
    request: &mut HeaderMap,
    current: Option<&[u8]>,
) -> Condition {
    let own = || tags(request, header::IF_NONE_MATCH).filter(|tag| is_own(tag));
    if own().next().is_none() {
        return Condition::Forward;
    }
    let may_be_current = own().any(|tag| current.is_none_or(|it| weakly_equal(tag, it)));
    let is_read = matches!(*method, Method::GET | Method::HEAD) || selects_nothing(method);
    if may_be_current && !is_read {
        return Condition::Failed;
    }
    match foreign_tags(request, header::IF_NONE_MATCH) {
        Some(rest) => drop(request.insert(header::IF_NONE_MATCH, rest)),
        None => {
            request.remove(header::IF_NONE_MATCH);
            request.remove(header::IF_MODIFIED_SINCE);
        }
    }
    Condition::Forward
}

/// The list without our own tags; `None` where nothing is left.
fn foreign_tags(request: &HeaderMap, name: HeaderName) -> Option<HeaderValue> {
    let rest: Vec<_> = tags(request, name).filter(|tag| !is_own(tag)).collect();
    if rest.is_empty() {
        return None;
    }
    HeaderValue::from_bytes(&rest.join(&b", "[..])).ok()
}

fn tags(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    entity_tag::list(field::lines(headers, name))
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<&[u8]>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_bytes(value).ok()) {
        headers.insert(name, value);
    }
}

/// What tells of the stored bytes, and so stays as it was stored with them: an exception that
/// RFC 9111 §3.2 allows where the integrity of what is stored depends on it. The digests among
/// them are RFC 9530's and its predecessors'; Content-Digest in a 304 is that of its own content,
/// which is none.
const OF_THE_BYTES: [HeaderName; 7] = [
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
];

/// What tells of the message alone: of a 304 that has none there is nothing to take over, and the
/// old message's would make the validated response look old.
const OF_THE_MESSAGE: [HeaderName; 2] = [header::AGE, header::DATE];

/// The stored head with the fields of a 304 taken over (RFC 9111 §3.2, §4.3.4). Both without
/// hop-by-hop fields.
#[must_use]
pub fn freshen(stored: &HeaderMap, received: &HeaderMap) -> HeaderMap {
    let mut head = stored.clone();
    for name in OF_THE_MESSAGE {
        head.remove(name);
    }
    for name in received.keys().filter(|name| is_taken_over(name, stored, received)) {
        head.remove(name);
        for value in received.get_all(name) {
            head.append(name.clone(), value.clone());
        }
    }
    head
}

/// An ETag that differs only in its weakness is not taken over: the bytes are the ones that came
/// with the stored tag.
fn is_taken_over(name: &HeaderName, stored: &HeaderMap, received: &HeaderMap) -> bool {
    if name == header::ETAG {
        let stored = Validators::of(stored).etag;
        let received = Validators::of(received).etag;
        return !stored.zip(received).is_some_and(|(one, other)| weakly_equal(one, other));
    }
    !OF_THE_BYTES.contains(name)
}

#[cfg(test)]
mod tests;
