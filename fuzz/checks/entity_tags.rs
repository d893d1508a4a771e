//! Entity-tags and lists of them (RFC 9110 §8.8.3, §13.1.2), beside a plain reader.

use http::{HeaderMap, HeaderValue, header};
use larder::policy::{
    ranges::{self, Selected},
    validation::{self, HeadSays, OWN_TAG, Precondition, Validators},
};

use super::{contains, field, lines, precondition};

/// The stored ETag, then lines of If-None-Match.
pub(crate) fn entity_tags(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let etag = parts.next().unwrap_or_default();
    let rest = parts.next().unwrap_or_default();
    let asked = field(header::IF_NONE_MATCH, rest);
    // What ends like a tag of a recoded body is spelled otherwise; that has a test of its own.
    if HeaderValue::from_bytes(etag).is_err() || contains(data, b"--") {
        return;
    }
    let stored = Validators { etag: Some(etag), last_modified: None, date: None };
    let names = |asked: &HeaderMap| precondition(asked, stored) == Precondition::NotModified;
    let listed: Option<Vec<Vec<&[u8]>>> =
        asked.values().map(|line| list(line.as_bytes())).collect();
    if let Some(listed) = listed {
        let listed: Vec<&[u8]> = listed.concat();
        let expected = listed.iter().any(|tag| *tag == b"*" || weak(tag) == weak(etag));
        assert_eq!(names(&asked), expected, "§13.1.2: {asked:?} and {etag:?}");
        // A line for each tag says the same as one line of them all, in any order.
        let reversed: Vec<&[u8]> = listed.into_iter().rev().collect();
        let one = field(header::IF_NONE_MATCH, &reversed.join(&b" , "[..]));
        assert_eq!(names(&one), expected, "§13.1.2: in one line, the last one first");
    }
    a_tag_is_itself(etag, &asked, names);
    strong_is_strong(etag, stored);
    offered(rest);
    compared_with_head(etag, &asked);
}

fn a_tag_is_itself(etag: &[u8], asked: &HeaderMap, names: impl Fn(&HeaderMap) -> bool) {
    if tag(etag) != Some(etag) {
        return;
    }
    let named = field(header::IF_NONE_MATCH, etag);
    assert!(names(&named), "§8.8.3.2: {etag:?} is itself");
    let mut named = asked.clone();
    named.append(header::IF_NONE_MATCH, HeaderValue::from_bytes(etag).expect("it is one"));
    assert!(names(&named), "{asked:?} hides {etag:?} on a line of its own");
}

/// §13.1.5, §8.8.1
fn strong_is_strong(etag: &[u8], stored: Validators<'_>) {
    let mut asked = field(header::RANGE, b"bytes=0-0");
    asked.insert(header::IF_RANGE, HeaderValue::from_bytes(etag).expect("just tried"));
    let holds = ranges::select(&asked, stored, 9) != Selected::Whole;
    let strong = validation::strong_tag(stored).is_some();
    if tag(etag) == Some(etag) {
        assert_eq!(holds, etag.starts_with(b"\""), "§13.1.5: {etag:?} by the strong comparison");
    }
    assert!(!strong || holds, "{etag:?}: what is strong is so everywhere");
    let own = weak(etag).starts_with(OWN_TAG.as_bytes());
    assert!(!(strong && own), "{etag:?}: no origin knows a tag of ours");
}

/// RFC 9111 §4.3.1: an offer names all that are offered, each once.
fn offered(rest: &[u8]) {
    let tags: Vec<&[u8]> = lines(rest).filter(|it| tag(it) == Some(it)).collect();
    let mut request = HeaderMap::new();
    validation::offer(&mut request, tags.iter().copied());
    validation::offer(&mut request, tags.iter().copied().take(1));
    let sent: Vec<&[u8]> = request.values().map(HeaderValue::as_bytes).collect();
    assert_eq!(sent.len(), usize::from(!tags.is_empty()), "one line, or none");
    for etag in &tags {
        let stored = Validators { etag: Some(etag), last_modified: None, date: None };
        let named = precondition(&request, stored);
        assert_eq!(named, Precondition::NotModified, "{etag:?} is offered in {sent:?}");
    }
    let named = sent.first().map_or(0, |line| list(line).map_or(usize::MAX, |it| it.len()));
    let mut each = tags;
    each.sort_unstable();
    each.dedup();
    // The second offer finds a list where a tag was, and may name its first once more.
    assert!(named <= each.len() + 1, "{sent:?}: each once");
}

/// RFC 9111 §4.3.5: HEAD says the same of a response as of itself, and a tag decides.
fn compared_with_head(etag: &[u8], asked: &HeaderMap) {
    let received = field(header::ETAG, etag);
    let stored = Validators { etag: Some(etag), last_modified: None, date: None };
    let own = contains(etag, OWN_TAG.as_bytes());
    let said = validation::head_says(stored, 1, &received);
    assert!(said == HeadSays::Same || own, "{etag:?}: {said:?}");
    let mut longer = received.clone();
    longer.insert(header::CONTENT_LENGTH, HeaderValue::from_static("2"));
    assert_eq!(validation::head_says(stored, 1, &longer), HeadSays::Other, "§4.3.5: the length");
    if let Some(other) = asked.values().next().map(HeaderValue::as_bytes) {
        let stored = Validators { etag: Some(other), ..stored };
        let same = validation::head_says(stored, 1, &received) == HeadSays::Same;
        assert!(!same || weak(other) == weak(etag), "{other:?} is not {etag:?}");
    }
}

fn weak(tag: &[u8]) -> &[u8] {
    if tag.starts_with(b"W/") { &tag[2..] } else { tag }
}

/// A list by its grammar; `None` where it is not one.
fn list(line: &[u8]) -> Option<Vec<&[u8]>> {
    let mut rest = line;
    let mut members = Vec::new();
    loop {
        while let [b' ' | b'\t' | b',', after @ ..] = rest {
            rest = after;
        }
        if rest.is_empty() {
            return Some(members);
        }
        let member = if rest[0] == b'*' { &rest[..1] } else { tag(rest)? };
        members.push(member);
        rest = &rest[member.len()..];
        while let [b' ' | b'\t', after @ ..] = rest {
            rest = after;
        }
        if !rest.is_empty() && rest[0] != b',' {
            return None;
        }
    }
}

/// The entity-tag that a text begins with.
fn tag(text: &[u8]) -> Option<&[u8]> {
    let start = if text.starts_with(b"W/") { 3 } else { 1 };
    let etagc = |byte: &u8| *byte == 0x21 || (*byte >= 0x23 && *byte != 0x7f);
    if text.get(start - 1) != Some(&b'"') {
        return None;
    }
    let length = text[start..].iter().take_while(|byte| etagc(byte)).count();
    (text.get(start + length) == Some(&b'"')).then(|| &text[..=start + length])
}
