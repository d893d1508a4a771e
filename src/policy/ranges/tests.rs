use proptest::{option, prelude::any, proptest};

use super::{
    Selected::{self, Parts, Unsatisfiable, Whole},
    Span, select,
};
use crate::policy::{
    fixtures::{EPOCH_DATE, headers},
    validation::Validators,
};

const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

/// One part.
fn part(first: u64, last: u64) -> Selected {
    Selected::Part(Span { first, last })
}

fn several(spans: &[(u64, u64)]) -> Selected {
    Parts(spans.iter().map(|&(first, last)| Span { first, last }).collect())
}

fn ranged(range: &str, length: u64) -> Selected {
    select(&headers(&[("range", range)]), Validators::default(), length)
}

#[test]
fn a_range_selects_as_the_rfc_says() {
    let rows = [
        ("bytes=0-499", 1000, part(0, 499), "§14.1.2: the first 500"),
        ("bytes=500-999", 1000, part(500, 999), "§14.1.2: the second 500"),
        ("bytes=-500", 1000, part(500, 999), "§14.1.2: the final 500"),
        ("bytes=900-", 1000, part(900, 999), "§14.1.2: open"),
        ("bytes=0-0", 1000, part(0, 0), "§14.1.2: one byte"),
        ("bytes=900-5000", 1000, part(900, 999), "§14.1.2: the remainder"),
        ("bytes=-5000", 1000, part(0, 999), "§14.1.2: the entire one"),
        ("Bytes=0-1", 1000, part(0, 1), "§14.1: the unit in any case"),
        ("bytes=0-1,", 1000, part(0, 1), "§5.6.1.2: empty members"),
        ("bytes= ,0-1", 1000, part(0, 1), "§5.6.1.2: empty members"),
        ("bytes=1000-", 1000, Unsatisfiable, "§14.1.2: past the end"),
        ("bytes=-0", 1000, Unsatisfiable, "§14.1.2: a suffix of nothing"),
        ("bytes=0-", 0, Unsatisfiable, "§14.1.2: nothing to select from"),
        ("bytes=-0", 0, Unsatisfiable, "§14.1.2"),
        ("bytes=-5", 0, Whole, "§14.1.2: satisfiable, and empty"),
        ("bytes=5-4", 1000, Whole, "§14.1.1: last before first is invalid"),
        ("bytes=", 1000, Whole, "§14.2: invalid, ignored"),
        ("bytes=-", 1000, Whole, "§14.2: invalid, ignored"),
        ("bytes=a-b", 1000, Whole, "§14.2: invalid, ignored"),
        ("bytes=+1-2", 1000, Whole, "§14.2: invalid, ignored"),
        ("bytes=0 - 1", 1000, Whole, "§14.2: invalid, ignored"),
        ("bytes 0-1", 1000, Whole, "§14.2: invalid, ignored"),
        ("bytes", 1000, Whole, "§14.2: invalid, ignored"),
        ("", 1000, Whole, "§14.2: invalid, ignored"),
        ("lines=0-1", 1000, Whole, "§14.2: a unit that is not understood is ignored"),
        ("bytes=99999999999999999999999-", 1000, Unsatisfiable, "beyond 64 bits"),
        ("bytes=0-99999999999999999999999", 1000, part(0, 999), "beyond 64 bits"),
        ("bytes=-99999999999999999999999", 1000, part(0, 999), "beyond 64 bits"),
        ("bytes=0-", u64::MAX, part(0, u64::MAX - 1), "the longest body"),
    ];
    for (range, length, expected, section) in rows {
        assert_eq!(ranged(range, length), expected, "RFC 9110 {section}: {range} of {length}");
    }
}

#[test]
fn several_ranges_select_as_the_rfc_says() {
    let sixteen = |from: u64| (0..16).map(|n| format!("{0}-{0}", from + 2 * n)).collect::<Vec<_>>();
    let sixteen = sixteen(0).join(",");
    let seventeen = format!("bytes={sixteen},90-90");
    let sixteen = format!("bytes={sixteen}");
    let sixteen_spans: Vec<_> = (0..16).map(|n| (2 * n, 2 * n)).collect();
    let rows: [(&str, u64, Selected, &str); 14] = [
        ("bytes=0-1,5-6", 1000, several(&[(0, 1), (5, 6)]), "§14.1.2"),
        ("bytes=5-6 , 0-1", 1000, several(&[(5, 6), (0, 1)]), "§15.3.7.2: in the order asked"),
        ("bytes=0-0,-1", 1000, several(&[(0, 0), (999, 999)]), "§14.1.2: the first and last byte"),
        ("bytes=0-1,2-3", 1000, several(&[(0, 1), (2, 3)]), "side by side is no overlap"),
        ("bytes=0-1,2000-", 1000, part(0, 1), "§14.1.1: one of them is satisfiable"),
        ("bytes=0-1,-0", 1000, part(0, 1), "§14.1.1: one of them is satisfiable"),
        ("bytes=1000-,2000-", 1000, Unsatisfiable, "§15.5.17: none is"),
        ("bytes=0-1,1-2", 1000, Whole, "§14.2: they overlap"),
        ("bytes=500-,-600", 1000, Whole, "§14.2: they overlap"),
        ("bytes=0-1,0-1", 1000, Whole, "§14.2: they overlap"),
        ("bytes=0-1,x", 1000, Whole, "§14.1.1: one is invalid, so all are"),
        ("bytes=0-1,5-4", 1000, Whole, "§14.1.1: one is invalid, so all are"),
        (&sixteen, 1000, several(&sixteen_spans), "§14.2: sixteen"),
        (&seventeen, 1000, Whole, "§14.2: one more"),
    ];
    for (range, length, expected, section) in rows {
        assert_eq!(ranged(range, length), expected, "RFC 9110 {section}: {range} of {length}");
    }
    assert_eq!(ranged("bytes=0-1,-5", 0), Whole, "§14.4: a part of nothing");
}

#[test]
fn range_lines_that_differ_are_ignored() {
    let asked = headers(&[("range", "bytes=0-1"), ("range", "bytes=2-3")]);
    assert_eq!(select(&asked, Validators::default(), 9), Whole, "RFC 9110 §14.2");
    assert_eq!(select(&headers(&[]), Validators::default(), 9), Whole, "no Range");
}

#[test]
fn if_range_needs_a_strong_validator() {
    let date = Some(EPOCH_DATE);
    let rows = [
        ("\"a\"", Some("\"a\""), None, None, true, "equal and strong"),
        ("\"a\"", Some("\"b\""), None, None, false, "another"),
        ("W/\"a\"", Some("W/\"a\""), None, None, false, "weak"),
        ("\"a\"", Some("W/\"a\""), None, None, false, "weak"),
        ("a", Some("a"), None, None, false, "malformed"),
        ("\"a", Some("\"a"), None, None, false, "malformed"),
        ("\"a\"b\"", Some("\"a\"b\""), None, None, false, "malformed"),
        ("\"a--gzip\"", Some("\"a\""), None, None, false, "another form"),
        ("\"a--s0123456789abcdef\"", Some("\"a\""), None, None, false, "a cut"),
        ("\"a--s0123456789abcdef--id\"", Some("\"a--s0123456789abcdef\""), None, None, true, "id"),
        ("\"a\"", None, None, None, false, "nothing to compare with"),
        (EPOCH_DATE, None, date, Some(LATER), true, "§8.8.2.2: a second before Date"),
        (EPOCH_DATE, None, date, date, false, "§8.8.2.2: the same second is weak"),
        (EPOCH_DATE, None, date, None, false, "§8.8.2.2: no Date"),
        (LATER, None, date, Some(LATER), false, "not exactly the same, though later"),
        ("Sunday, 06-Nov-94 08:49:37 GMT", None, date, Some(LATER), false, "not exactly the same"),
        (EPOCH_DATE, Some("\"a\""), None, Some(LATER), false, "no Last-Modified"),
        ("", Some("\"a\""), None, None, false, "empty"),
    ];
    for (if_range, etag, last_modified, date, holds, why) in rows {
        let asked = headers(&[("range", "bytes=0-1"), ("if-range", if_range)]);
        let stored = Validators {
            etag: etag.map(str::as_bytes),
            last_modified: last_modified.map(str::as_bytes),
            date: date.map(str::as_bytes),
        };
        let expected = if holds { part(0, 1) } else { Whole };
        assert_eq!(select(&asked, stored, 9), expected, "RFC 9110 §13.1.5 {why}: {if_range}");
    }
}

proptest! {
    #[test]
    fn a_part_always_lies_within_the_body(
        first in option::of(any::<u64>()),
        last in option::of(any::<u64>()),
        length in any::<u64>(),
    ) {
        let written = |number: Option<u64>| number.map_or(String::new(), |n| n.to_string());
        let range = format!("bytes={}-{}", written(first), written(last));
        if let Selected::Part(Span { first, last }) = ranged(&range, length) {
            assert!(first <= last && last < length, "{range} of {length}");
        }
    }

    #[test]
    fn parts_lie_within_the_body_and_never_overlap(
        ranges in "bytes=([0-9]{1,2}-[0-9]{0,2},){1,6}", length in 0..100_u64,
    ) {
        if let Parts(spans) = ranged(&ranges, length) {
            assert!(spans.iter().all(|span| span.first <= span.last && span.last < length));
            assert!(spans.iter().map(|span| span.length()).sum::<u64>() <= length, "{ranges}");
        }
    }

    #[test]
    fn no_text_makes_it_panic(range in "bytes=[ -~]{0,20}", length in any::<u64>()) {
        if let Selected::Part(Span { first, last }) = ranged(&range, length) {
            assert!(first <= last && last < length, "{range} of {length}");
        }
    }
}
