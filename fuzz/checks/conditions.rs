//! Conditional and range requests (RFC 9110 §13, §14).

use http::{HeaderMap, HeaderValue, Method, header};
use larder::policy::{
    coded_tag,
    encoding::Form,
    freshness,
    ranges::{self, Selected},
    validation::{self, Condition, OWN_TAG, Precondition, Validators},
};

use super::{contains, field, number, precondition};

/// Range and If-Range (RFC 9110 §14): length, then If-Range, then Range, a line each.
pub(crate) fn range(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let length = parts.next().map_or(0, number);
    let if_range = parts.next().unwrap_or_default();
    let mut asked = field(header::RANGE, parts.next().unwrap_or_default());
    if let (false, Ok(value)) = (if_range.is_empty(), HeaderValue::from_bytes(if_range)) {
        asked.insert(header::IF_RANGE, value);
    }
    let validators = Validators {
        etag: Some(b"\"a\""),
        last_modified: Some(b"Sun, 06 Nov 1994 08:49:37 GMT"),
        date: Some(b"Sun, 06 Nov 1994 09:49:37 GMT"),
    };
    let selected = ranges::select(&asked, validators, length);
    let within = |span: &ranges::Span| span.first <= span.last && span.last < length;
    match &selected {
        Selected::Whole => {}
        Selected::Part(span) => assert!(within(span), "{span:?} lies within {length}"),
        Selected::Parts(spans) => {
            assert!(spans.iter().all(within), "{spans:?} lie within {length}");
            let mut sorted = spans.clone();
            sorted.sort_by_key(|span| span.first);
            let apart = sorted.windows(2).all(|pair| pair[0].last < pair[1].first);
            assert!(apart && spans.len() <= 16, "{spans:?}: §14.2");
        }
        // Several ranges may overlap in a longer body.
        Selected::Unsatisfiable if asked[header::RANGE].as_bytes().contains(&b',') => {}
        Selected::Unsatisfiable => {
            let zero = ranges::select(&asked, validators, u64::MAX);
            assert_ne!(zero, Selected::Whole, "what is past the end is a range all the same");
        }
    }
    if selected != Selected::Whole {
        let weak = Validators { etag: Some(b"W/\"a\""), last_modified: None, date: None };
        let by_weak = ranges::select(&asked, weak, length);
        if asked.contains_key(header::IF_RANGE) {
            assert_eq!(by_weak, Selected::Whole, "§13.1.5: by the strong comparison alone");
        } else {
            assert_eq!(by_weak, selected, "without If-Range validators do not matter");
        }
    }
}

/// Conditions (RFC 9110 §13): the stored ETag, its Last-Modified, If-None-Match,
/// If-Modified-Since, If-Match, a line each.
pub(crate) fn conditions(data: &[u8]) {
    let mut parts = data.split(|byte| *byte == b'\n');
    let mut part = || parts.next().filter(|part| HeaderValue::from_bytes(part).is_ok());
    let (etag, last_modified) = (part().filter(|it| !it.is_empty()), part());
    let validators = Validators { etag, last_modified, date: None };
    let mut asked = HeaderMap::new();
    let names = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_MATCH];
    for (name, value) in names.into_iter().zip([part(), part(), part()]) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            asked.append(name, HeaderValue::from_bytes(value).expect("just tried"));
        }
    }
    let judged = precondition(&asked, validators);
    let none_match = asked.get(header::IF_NONE_MATCH).cloned();
    if none_match.is_none() && !asked.contains_key(header::IF_MODIFIED_SINCE) {
        assert_eq!(judged, Precondition::Proceed, "no condition, no 304");
    }
    if none_match.as_ref().is_some_and(|value| value == "*") {
        assert_eq!(judged, Precondition::NotModified, "§13.1.2: * names whatever is there");
    }
    if let Some(value) = &none_match {
        let mut alone = HeaderMap::new();
        alone.insert(header::IF_NONE_MATCH, value.clone());
        let alone = precondition(&alone, validators);
        assert_eq!(judged, alone, "§13.2.2: If-Modified-Since is not looked at beside it");
    }
    own_conditions_work(etag, last_modified, &asked);
    forwarded_conditions_have_no_tag_of_ours(&asked);
}

/// A validation that we would send ourselves names what it validates.
fn own_conditions_work(etag: Option<&[u8]>, last_modified: Option<&[u8]>, asked: &HeaderMap) {
    let validators = Validators { etag, last_modified, date: None };
    let mut request = asked.clone();
    validation::make_conditional(&mut request, validators);
    assert!(!request.contains_key(header::IF_MATCH), "the client's own conditions are gone");
    if request.contains_key(header::IF_NONE_MATCH) {
        let sent = request.get_all(header::IF_NONE_MATCH).iter().count();
        assert_eq!(sent, 1);
        // A list cannot name a tag that is none by its grammar.
        let well_formed = etag.is_some_and(is_entity_tag);
        if well_formed {
            let spelled = etag.and_then(|tag| coded_tag::for_clients(tag, Form::AsItCame));
            spelled.map(|tag| request.insert(header::IF_NONE_MATCH, tag));
            let judged = precondition(&request, validators);
            assert_eq!(judged, Precondition::NotModified, "{etag:?} is not named by {request:?}");
        }
    }
    if let Some(since) = request.get(header::IF_MODIFIED_SINCE) {
        assert!(freshness::date(since.as_bytes()).is_some(), "no date that is none is sent");
    }
}

/// What the origin never made: an entity-tag of ours, and that of a cut.
fn forwarded_conditions_have_no_tag_of_ours(asked: &HeaderMap) {
    for method in [Method::GET, Method::PUT] {
        for current in [None, Some(&b"\"larder-1\""[..]), Some(b"\"a\"")] {
            let mut request = asked.clone();
            let condition = validation::forward_conditions(&method, &mut request, current);
            if condition == Condition::Failed {
                continue;
            }
            for name in [header::IF_MATCH, header::IF_NONE_MATCH] {
                let once = request.get(&name).cloned();
                let mut again = request.clone();
                let _ = validation::forward_conditions(&method, &mut again, current);
                let says =
                    |mark: &[u8]| asked.get(&name).is_some_and(|it| contains(it.as_bytes(), mark));
                // One of the origin's that ends like ours has one end more here.
                if !says(b"--") {
                    assert_eq!(again.get(&name), once.as_ref(), "forwarding twice changes nothing");
                }
                let foreign = asked.contains_key(&name) && !says(b"larder") && !says(b"--s");
                assert!(!foreign || once.is_some(), "what the origin made reaches the origin");
            }
        }
    }
}

/// RFC 9110 §8.8.3, and none of ours.
fn is_entity_tag(tag: &[u8]) -> bool {
    let opaque = tag.strip_prefix(b"W/").unwrap_or(tag);
    let inner = opaque.strip_prefix(b"\"").and_then(|it| it.strip_suffix(b"\""));
    inner.is_some_and(|it| !it.contains(&b'"')) && !contains(tag, OWN_TAG.as_bytes())
}
