use http::{Method, header};
use proptest::{collection::vec, proptest, sample::select};

use super::{
    Condition::{self, Failed, Forward},
    HeadSays,
    Precondition::{self, NotModified, Proceed},
    Validators, asks_for_ours, forward_conditions, freshen, head_says, make_conditional, named,
    offer, precondition,
};
use crate::policy::{
    coding::Coding,
    encoding::{Choice, Given, Packing},
    fixtures::{EPOCH_DATE, headers},
};

const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
const OWN: &str = "\"larder-0f\"";
const WEAK_OWN: &str = "W/\"larder-0f\"";

type Fields<'a> = &'a [(&'a str, &'a str)];

fn judge(asked: Fields<'_>, stored: Fields<'_>) -> Precondition {
    let packing = Packing::default();
    let choice = Choice { given: Given::Plain, packing: &packing, length: None, unpacked: false };
    precondition(&headers(asked), Validators::of(&headers(stored)), choice)
}

#[test]
fn if_none_match_is_judged_by_the_weak_comparison() {
    let rows: [(Fields<'_>, Option<&str>, Precondition, &str); 16] = [
        (&[("if-none-match", "\"a\"")], Some("\"a\""), NotModified, "§13.1.2"),
        (&[("if-none-match", "\"a\"")], Some("\"b\""), Proceed, "§13.1.2"),
        (&[("if-none-match", "W/\"a\"")], Some("\"a\""), NotModified, "§8.8.3.2: weak"),
        (&[("if-none-match", "\"a\"")], Some("W/\"a\""), NotModified, "§8.8.3.2: weak"),
        (&[("if-none-match", "\"x\", \"a\" ,\"y\"")], Some("\"a\""), NotModified, "a list"),
        (&[("if-none-match", "\"x\",")], Some("\"a\""), Proceed, "a list without it"),
        (
            &[("if-none-match", "\"x\""), ("if-none-match", "\"a\"")],
            Some("\"a\""),
            NotModified,
            "§5.3: over lines",
        ),
        (
            &[("if-none-match", "\"x,\\\"\", \"a\"")],
            Some("\"a\""),
            NotModified,
            "no escapes in a tag",
        ),
        (&[("if-none-match", "*")], Some("\"a\""), NotModified, "§13.1.2: any"),
        (&[("if-none-match", "*")], None, NotModified, "§13.1.2: any"),
        (&[("if-none-match", "\"a\"")], None, Proceed, "nothing to compare with"),
        (&[("if-none-match", "a")], Some("a"), NotModified, "malformed, but the same"),
        (&[("if-none-match", "a")], Some("\"a\""), Proceed, "malformed, not the same"),
        (&[("if-none-match", "\"a")], Some("\"a\""), Proceed, "unclosed"),
        (&[("if-none-match", "")], Some("\"a\""), Proceed, "empty"),
        (&[("if-none-match", OWN)], Some(OWN), NotModified, "our own, for clients"),
    ];
    for (asked, etag, expected, section) in rows {
        let stored: Vec<_> = etag.map(|etag| ("etag", etag)).into_iter().collect();
        assert_eq!(judge(asked, &stored), expected, "RFC 9110 {section}: {asked:?} {etag:?}");
    }
}

#[test]
fn a_weak_tag_is_that_of_every_form() {
    let gzip = Given::Packed(Coding::Gzip);
    let rows = [
        ("W/\"a\"", "W/\"a\"", gzip, "", NotModified, "unpacked for it"),
        ("W/\"a\"", "W/\"a\"", gzip, "br, identity;q=0", NotModified, "packed otherwise"),
        ("W/\"a\"", "W/\"a\"", Given::Plain, "br, identity;q=0", NotModified, "packed for it"),
        ("W/\"b\"", "W/\"a\"", gzip, "", Proceed, "another one's"),
        ("\"a\"", "\"a\"", gzip, "", Proceed, "a strong one names gzip"),
        ("W/\"a\"", "\"a\"", gzip, "", Proceed, "a strong one, weakened on its way"),
        ("\"a\"", "W/\"a\"", gzip, "", Proceed, "strong when its client got it"),
        ("W/\"a--gzip\"", "W/\"a\"", Given::Plain, "", Proceed, "strong when it was packed"),
    ];
    for (tag, etag, given, accept, expected, why) in rows {
        let asked = headers(&[("if-none-match", tag), ("accept-encoding", accept)]);
        let stored = headers(&[("etag", etag)]);
        let packing = Packing::default();
        let choice = Choice { given, packing: &packing, length: None, unpacked: false };
        let judged = precondition(&asked, Validators::of(&stored), choice);
        assert_eq!(judged, expected, "RFC 9110 §13.1.2: {why}: {tag} {etag} {accept:?}");
    }
}

#[test]
fn if_modified_since_is_judged_by_last_modified_or_date() {
    let modified = [("last-modified", EPOCH_DATE)];
    let dated = [("date", EPOCH_DATE)];
    let rows: [(Fields<'_>, Fields<'_>, Precondition, &str); 11] = [
        (&[("if-modified-since", EPOCH_DATE)], &modified, NotModified, "§13.1.3: equal"),
        (&[("if-modified-since", LATER)], &modified, NotModified, "§13.1.3: earlier than it"),
        (&[("if-modified-since", EARLIER)], &modified, Proceed, "§13.1.3: later than it"),
        (&[("if-modified-since", "x")], &modified, Proceed, "§13.1.3: no valid date"),
        (
            &[("if-modified-since", EPOCH_DATE), ("if-modified-since", LATER)],
            &modified,
            Proceed,
            "§13.1.3: more than one member",
        ),
        (
            &[("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT")],
            &modified,
            NotModified,
            "§5.6.7: an equivalent date",
        ),
        (&[("if-modified-since", EPOCH_DATE)], &dated, NotModified, "RFC 9111 §4.3.2: Date"),
        (&[("if-modified-since", EARLIER)], &dated, Proceed, "RFC 9111 §4.3.2: Date"),
        (&[("if-modified-since", EPOCH_DATE)], &[], Proceed, "nothing to compare with"),
        (
            &[("if-modified-since", LATER), ("if-none-match", "\"b\"")],
            &[("last-modified", EPOCH_DATE), ("etag", "\"a\"")],
            Proceed,
            "§13.1.3: ignored beside If-None-Match",
        ),
        (
            &[("if-modified-since", EARLIER), ("if-none-match", "\"a\"")],
            &[("last-modified", EPOCH_DATE), ("etag", "\"a\"")],
            NotModified,
            "§13.1.3: ignored beside If-None-Match",
        ),
    ];
    for (asked, stored, expected, section) in rows {
        assert_eq!(judge(asked, stored), expected, "RFC 9110 {section}: {asked:?} {stored:?}");
    }
    assert_eq!(judge(&[], &modified), Proceed, "no condition");
}

#[test]
fn a_validation_carries_the_origins_validators_only() {
    let clients = [
        ("if-match", "\"c\""),
        ("if-none-match", "\"c\""),
        ("if-none-match", "\"d\""),
        ("if-modified-since", EARLIER),
        ("if-unmodified-since", EARLIER),
        ("if-range", "\"c\""),
        ("range", "bytes=0-1"),
        ("accept", "*/*"),
    ];
    let rows: [(Fields<'_>, Fields<'_>, &str); 6] = [
        (
            &[("etag", "\"a\""), ("last-modified", EPOCH_DATE)],
            &[("if-none-match", "\"a\""), ("if-modified-since", EPOCH_DATE)],
            "§4.3.1: both",
        ),
        (&[("etag", "W/\"a\"")], &[("if-none-match", "W/\"a\"")], "§4.3.1: a weak one, too"),
        (
            &[("etag", OWN), ("last-modified", EPOCH_DATE)],
            &[("if-modified-since", EPOCH_DATE)],
            "ours is not the origin's",
        ),
        (&[("etag", WEAK_OWN)], &[], "ours is not the origin's"),
        (&[("last-modified", "yesterday")], &[], "no date"),
        (&[], &[], "a fetch whose answer is to be stored is unconditional"),
    ];
    for (stored, expected, section) in rows {
        let mut request = headers(&clients);
        make_conditional(&mut request, Validators::of(&headers(stored)));
        let mut expected = headers(expected);
        expected.append(header::ACCEPT, "*/*".parse().expect("a value"));
        assert_eq!(request, expected, "RFC 9111 {section}: {stored:?}");
    }
}

type Forwarded =
    (&'static str, Fields<'static>, Option<&'static str>, Condition, Fields<'static>, &'static str);

/// Method, fields, the current tag, and what is to become of them.
fn forwarded_as(rows: &[Forwarded]) {
    for (method, fields, current, expected, left, why) in rows {
        let mut request = headers(fields);
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let condition = forward_conditions(&method, &mut request, current.map(str::as_bytes));
        assert_eq!(condition, *expected, "RFC 9110 {why}: {method} {fields:?} {current:?}");
        if condition == Forward {
            assert_eq!(request, headers(left), "RFC 9110 {why}: {method} {fields:?}");
        }
    }
}

#[test]
fn our_own_tags_leave_if_none_match() {
    forwarded_as(&[
        (
            "GET",
            &[("if-none-match", "\"a\"")],
            None,
            Forward,
            &[("if-none-match", "\"a\"")],
            "as is",
        ),
        (
            "GET",
            &[("if-none-match", "\"a\","), ("if-none-match", "x")],
            None,
            Forward,
            &[("if-none-match", "\"a\","), ("if-none-match", "x")],
            "as it is where nothing is ours",
        ),
        ("GET", &[("if-none-match", OWN)], None, Forward, &[], "ours"),
        ("GET", &[("if-none-match", WEAK_OWN)], None, Forward, &[], "ours, weak"),
        ("HEAD", &[("if-none-match", OWN)], Some(OWN), Forward, &[], "not judged here"),
        (
            "GET",
            &[("if-none-match", "\"a\", \"larder-0f\""), ("if-none-match", "W/\"b\"")],
            None,
            Forward,
            &[("if-none-match", "\"a\", W/\"b\"")],
            "the others stay",
        ),
        (
            "GET",
            &[("if-none-match", OWN), ("if-modified-since", EPOCH_DATE)],
            None,
            Forward,
            &[],
            "§13.1.3: a date that was to be ignored beside it",
        ),
        (
            "GET",
            &[("if-none-match", "\"larder-0f\", *"), ("if-modified-since", EPOCH_DATE)],
            None,
            Forward,
            &[("if-none-match", "*"), ("if-modified-since", EPOCH_DATE)],
            "still a condition",
        ),
        ("PUT", &[("if-none-match", OWN)], Some(OWN), Failed, &[], "§13.1.2: it is current"),
        ("PUT", &[("if-none-match", OWN)], None, Failed, &[], "§13.1.2: it may be current"),
        ("OPTIONS", &[("if-none-match", OWN)], Some(OWN), Forward, &[], "§13.2.1: nothing"),
        ("TRACE", &[("if-none-match", OWN)], None, Forward, &[], "§13.2.1: nothing"),
        ("OPTIONS", &[("if-match", OWN)], None, Forward, &[], "§13.2.1: nothing"),
        ("PUT", &[("if-none-match", OWN)], Some("\"larder-1\""), Forward, &[], "§13.1.2"),
        ("PUT", &[("if-none-match", "*")], None, Forward, &[("if-none-match", "*")], "§13.1.2"),
    ]);
}

#[test]
fn our_own_tags_leave_if_range_with_its_range() {
    forwarded_as(&[
        ("GET", &[("if-range", OWN), ("range", "bytes=0-1")], None, Forward, &[], "§13.1.5: ours"),
        (
            "GET",
            &[("if-range", "\"a\""), ("range", "bytes=0-1")],
            None,
            Forward,
            &[("if-range", "\"a\""), ("range", "bytes=0-1")],
            "§13.1.5: the origin's",
        ),
    ]);
}

#[test]
fn an_if_range_that_cannot_hold_is_not_left_to_the_origin() {
    let rows: [(&[&str], bool, &str); 9] = [
        (&["\"a\""], true, "a strong tag"),
        (&[EPOCH_DATE], true, "a date"),
        (&["W/\"a\""], false, "weak"),
        (&["a"], false, "malformed"),
        (&["\"a"], false, "malformed"),
        (&["\"a\"b\""], false, "malformed"),
        (&["w/\"a\""], false, "malformed"),
        (&[""], false, "nothing"),
        (&["\"a\"", "\"b\""], false, "two are none"),
    ];
    for (values, stays, why) in rows {
        let lines = values.iter().map(|value| ("if-range", *value));
        let fields: Vec<_> = lines.chain([("range", "bytes=0-1")]).collect();
        let mut request = headers(&fields);
        assert_eq!(forward_conditions(&Method::GET, &mut request, None), Forward);
        let left = if stays { headers(&fields) } else { headers(&[]) };
        assert_eq!(request, left, "RFC 9110 §13.1.5: {why}: {values:?}");
    }
}

#[test]
fn ours_are_asked_for_where_something_hangs_on_them() {
    let rows = [
        (Method::PUT, "if-match", true),
        (Method::GET, "if-match", true),
        (Method::PUT, "if-none-match", true),
        (Method::POST, "if-none-match", true),
        (Method::GET, "if-none-match", false),
        (Method::HEAD, "if-none-match", false),
        (Method::PUT, "if-range", false),
        (Method::OPTIONS, "if-match", false),
        (Method::OPTIONS, "if-none-match", false),
    ];
    for (method, name, ours) in rows {
        for tag in [OWN, "\"larder-0f--gzip\""] {
            let asked = headers(&[(name, "\"a\""), (name, tag)]);
            let why = "RFC 9110 §13.1.1, §13.1.2";
            assert_eq!(asks_for_ours(&method, &asked), ours, "{why}: {method} {name}: {tag}");
        }
        assert!(!asks_for_ours(&method, &headers(&[(name, "\"a\"")])), "{method} {name}");
    }
}

#[test]
fn our_own_tags_in_if_match_are_judged_by_us() {
    forwarded_as(&[
        ("PUT", &[("if-match", OWN)], Some(OWN), Forward, &[], "§13.1.1: it is current"),
        ("PUT", &[("if-match", OWN)], Some("\"larder-1\""), Failed, &[], "§13.1.1: it is not"),
        ("PUT", &[("if-match", OWN)], None, Failed, &[], "§13.1.1: nothing is known to be current"),
        ("PUT", &[("if-match", WEAK_OWN)], Some(WEAK_OWN), Failed, &[], "§13.1.1: strong"),
        (
            "PUT",
            &[("if-match", "\"a\""), ("if-match", "\"larder-0f\"")],
            Some(OWN),
            Forward,
            &[],
            "§13.1.1: one that matches is enough",
        ),
        (
            "PUT",
            &[("if-match", "\"larder-1\", \"a\"")],
            Some(OWN),
            Forward,
            &[("if-match", "\"a\"")],
            "§13.1.1: the rest is the origin's to judge",
        ),
        ("PUT", &[("if-match", "\"a\"")], Some(OWN), Forward, &[("if-match", "\"a\"")], "as it is"),
    ]);
}

#[test]
fn a_304_freshens_the_stored_head() {
    let rows: [(Fields<'_>, Fields<'_>, Fields<'_>, &str); 14] = [
        (&[("x-a", "1")], &[], &[("x-a", "1")], "§3.2: what it omits stays"),
        (
            &[("content-md5", "a"), ("repr-digest", "a"), ("digest", "a")],
            &[("content-md5", "b"), ("repr-digest", "b"), ("digest", "b")],
            &[("content-md5", "a"), ("repr-digest", "a"), ("digest", "a")],
            "§3.2: the integrity of the stored bytes",
        ),
        (&[], &[("content-digest", "b")], &[], "RFC 9530 §2: of the 304's own content"),
        (&[("x-a", "1")], &[("x-a", "2")], &[("x-a", "2")], "§3.2: replaced"),
        (&[], &[("x-a", "2")], &[("x-a", "2")], "§3.2: added"),
        (
            &[("link", "<a>"), ("link", "<b>")],
            &[("link", "<c>"), ("link", "<d>")],
            &[("link", "<c>"), ("link", "<d>")],
            "§3.2: every line",
        ),
        (
            &[("content-length", "5")],
            &[("content-length", "0")],
            &[("content-length", "5")],
            "§3.2: but Content-Length",
        ),
        (&[], &[("content-length", "0")], &[], "§3.2: nor added"),
        (
            &[("content-encoding", "gzip")],
            &[("content-encoding", "br")],
            &[("content-encoding", "gzip")],
            "§3.2: to keep the stored bytes readable",
        ),
        (
            &[("content-type", "text/plain")],
            &[("content-type", "text/plain;charset=utf-8")],
            &[("content-type", "text/plain;charset=utf-8")],
            "§3.2: Content- is no sign of an exception",
        ),
        (&[("age", "9"), ("date", EARLIER)], &[], &[], "§4.3.4: of the old message"),
        (
            &[("age", "9"), ("date", EARLIER)],
            &[("age", "1"), ("date", LATER)],
            &[("age", "1"), ("date", LATER)],
            "§4.3.4: of the new one",
        ),
        (
            &[("cache-control", "max-age=9"), ("expires", LATER)],
            &[],
            &[("cache-control", "max-age=9"), ("expires", LATER)],
            "§3.2: what it omits stays",
        ),
        (
            &[("cache-control", "a"), ("cache-control", "b")],
            &[("cache-control", "max-age=9")],
            &[("cache-control", "max-age=9")],
            "§3.2: replaced, every line",
        ),
    ];
    for (stored, received, expected, section) in rows {
        let merged = freshen(&headers(stored), &headers(received));
        assert_eq!(merged, headers(expected), "RFC 9111 {section}: {stored:?} + {received:?}");
    }
}

#[test]
fn a_304_changes_the_tag_only_with_the_representation() {
    let rows = [
        ("\"a\"", "\"a\"", "\"a\""),
        ("\"a\"", "W/\"a\"", "\"a\""),
        ("W/\"a\"", "\"a\"", "W/\"a\""),
        ("W/\"a\"", "W/\"b\"", "W/\"b\""),
        (OWN, "\"a\"", "\"a\""),
    ];
    for (stored, received, expected) in rows {
        let merged = freshen(&headers(&[("etag", stored)]), &headers(&[("etag", received)]));
        assert_eq!(merged, headers(&[("etag", expected)]), "§4.3.4: {stored} + {received}");
    }
}

proptest! {
    #[test]
    fn a_304_is_idempotent(
        stored in vec(select(&FIELDS[..]), 0..8),
        received in vec(select(&FIELDS[..]), 0..8),
    ) {
        let (stored, received) = (headers(&stored), headers(&received));
        let once = freshen(&stored, &received);
        assert_eq!(freshen(&once, &received), once, "§3.2");
    }

    #[test]
    fn a_tag_to_the_letter_means_what_it_means_among_others(
        content in "[a-z,-]{0,5}",
        ending in select(&["", "--gzip", "--id", "--plain", "--none", "--s0123456789abcdef"][..]),
        prefix in select(&["\"", "W/\"", ""][..]),
        accept in select(&["", "gzip", "br", "identity;q=0", "gzip, identity;q=0", "*;q=0"][..]),
        given in select(&[Given::Fixed, Given::Plain, Given::Packed(Coding::Gzip)][..]),
    ) {
        let tag = format!("{prefix}{content}{ending}\"");
        let stored = headers(&[("etag", tag.as_str())]);
        let accept = ("accept-encoding", accept);
        let (alone, other) = (("if-none-match", tag.as_str()), ("if-none-match", "\"!\""));
        let (alone, among) = (headers(&[alone, accept]), headers(&[alone, other, accept]));
        let packing = Packing::default();
        let choice = Choice { given, packing: &packing, length: None, unpacked: false };
        let judged = |asked| precondition(asked, Validators::of(&stored), choice);
        assert_eq!(judged(&alone), judged(&among), "RFC 9110 §13.1.2: a list of one");
        assert_eq!(named(&alone, tag.as_bytes(), choice), named(&among, tag.as_bytes(), choice));
    }

    #[test]
    fn no_tag_of_ours_is_forwarded(tags in vec(select(&TAGS[..]), 1..6), put in 0..2) {
        let lines: Vec<_> =
            tags.iter().flat_map(|tag| [("if-match", *tag), ("if-none-match", *tag)]).collect();
        let mut request = headers(&lines);
        let method = if put == 0 { Method::PUT } else { Method::GET };
        if forward_conditions(&method, &mut request, Some(OWN.as_bytes())) == Forward {
            assert!(!format!("{request:?}").contains("larder-"), "{lines:?}: {request:?}");
        }
    }
}

const TAGS: [&str; 6] = [OWN, WEAK_OWN, "\"larder-1\", \"b\"", "\"a,b\"", "*", "c"];

const FIELDS: [(&str, &str); 9] = [
    ("etag", "\"a\""),
    ("etag", "W/\"a\""),
    ("etag", "\"b\""),
    ("date", EPOCH_DATE),
    ("age", "5"),
    ("link", "<a>"),
    ("link", "<b>"),
    ("content-length", "5"),
    ("content-type", "text/plain"),
];

#[test]
fn a_head_says_whether_the_stored_response_is_current() {
    const LENGTH: (&str, &str) = ("content-length", "4");
    const OTHER_LENGTH: (&str, &str) = ("content-length", "5");
    let (tag, date) = (("etag", "\"a\""), ("last-modified", EPOCH_DATE));
    let (other_tag, other_date) = (("etag", "\"b\""), ("last-modified", "yesterday"));
    let rows: [(Fields<'_>, Fields<'_>, HeadSays, &str); 11] = [
        (&[tag], &[tag, LENGTH], HeadSays::Same, "the same tag and length"),
        (&[tag], &[tag], HeadSays::Same, "it need not say the length"),
        (&[date], &[date, LENGTH], HeadSays::Same, "the same date"),
        (&[tag, date], &[tag, date], HeadSays::Same, "both"),
        (&[tag, date], &[tag, other_date], HeadSays::Other, "any received validator"),
        (&[tag, date], &[other_tag, date], HeadSays::Other, "any received validator"),
        (&[], &[tag], HeadSays::Other, "the stored one has none"),
        (&[("etag", "\"larder-0\"")], &[tag], HeadSays::Other, "ours is none of the origin's"),
        (&[tag], &[tag, OTHER_LENGTH], HeadSays::Other, "another length"),
        (&[], &[OTHER_LENGTH], HeadSays::Other, "another length"),
        (&[tag], &[LENGTH], HeadSays::Nothing, "a length is no validator"),
    ];
    for (stored, received, expected, why) in rows {
        let (stored, received) = (headers(stored), headers(received));
        let says = head_says(Validators::of(&stored), 4, &received);
        assert_eq!(says, expected, "RFC 9111 §4.3.5: {why}: {stored:?} {received:?}");
    }
}

#[test]
fn all_tags_are_offered_once_the_own_one_first() {
    let rows: [(Fields<'_>, &[&str], Option<&str>); 5] = [
        (&[], &[], None),
        (&[], &["\"a\"", "\"b\""], Some("\"a\", \"b\"")),
        (&[("if-none-match", "\"b\"")], &["\"a\"", "\"b\""], Some("\"b\", \"a\"")),
        (&[("if-none-match", "W/\"b\"")], &["\"a\""], Some("W/\"b\", \"a\"")),
        (&[], &["\"a\"", "\"a\""], Some("\"a\"")),
    ];
    for (asked, tags, expected) in rows {
        let mut request = headers(asked);
        offer(&mut request, tags.iter().map(|tag| tag.as_bytes()));
        let offered = request.get("if-none-match").map(|it| it.to_str().expect("text"));
        assert_eq!(offered, expected, "RFC 9111 §4.3.1: {asked:?} {tags:?}");
    }
}
