use proptest::{prelude::any, proptest};

use super::{ContentRange, Unstorable, ask_for_rest, is_same, receive_part};
use crate::policy::{
    Rules,
    fixtures::{EPOCH_DATE, asked, cached, exchange, headers},
    ranges::Span,
    storing::Context,
    validation::Validators,
};

const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn range(first: u64, last: u64, total: u64) -> ContentRange {
    ContentRange { span: Span { first, last }, total }
}

#[test]
fn content_range_is_read_as_the_rfc_says() {
    let rows = [
        ("bytes 0-4/10", Some(range(0, 4, 10)), "§14.4"),
        ("Bytes 5-9/10", Some(range(5, 9, 10)), "§14.1: the unit in any case"),
        ("bytes 0-0/1", Some(range(0, 0, 1)), "§14.4"),
        ("bytes 0-4/*", None, "§14.4: the whole length is unknown"),
        ("bytes */10", None, "§14.4: of a 416"),
        ("bytes 4-3/10", None, "§14.4: last before first is invalid"),
        ("bytes 0-10/10", None, "§14.4: past the end is invalid"),
        ("bytes 0-4", None, "malformed"),
        ("bytes=0-4/10", None, "malformed"),
        ("bytes -4/10", None, "malformed"),
        ("lines 0-4/10", None, "another unit"),
        ("", None, "malformed"),
    ];
    for (value, expected, why) in rows {
        let found = ContentRange::of(&headers(&[("content-range", value)]));
        assert_eq!(found, expected, "RFC 9110 {why}: {value}");
    }
    let twice = headers(&[("content-range", "bytes 0-4/10"), ("content-range", "bytes 5-9/10")]);
    assert_eq!(ContentRange::of(&twice), None, "lines that differ say nothing");
}

#[test]
fn a_part_is_kept_where_a_200_would_be() {
    const FIRST: (&str, &str) = ("content-range", "bytes 0-4/10");
    let rows = [
        ("max-age=60", vec![FIRST, ("etag", "\"a\"")], Some(5), None, "RFC 9111 §3.3"),
        ("max-age=60", vec![FIRST], Some(5), None, "§3.3: a validator is for combining alone"),
        ("max-age=60", vec![FIRST], Some(4), Some(Unstorable::Partial), "shorter than it says"),
        ("max-age=60", vec![FIRST], Some(6), Some(Unstorable::Partial), "longer than it says"),
        ("max-age=60", vec![FIRST], None, Some(Unstorable::Partial), "nobody knows how long"),
        ("max-age=60", vec![], Some(5), Some(Unstorable::Partial), "multipart, or malformed"),
        ("no-store", vec![FIRST], Some(5), Some(Unstorable::NoStore), "§3"),
        ("private", vec![FIRST], Some(5), Some(Unstorable::Private), "§3"),
        ("max-age=60", vec![FIRST, ("vary", "*")], Some(5), Some(Unstorable::VaryStar), "§4.1"),
        ("", vec![FIRST], Some(5), Some(Unstorable::NoFreshness), "§3"),
    ];
    let asked = asked("GET", &[("range", "bytes=0-4")]);
    let rules = Rules::default();
    let context = Context { asked: &asked, rules: &rules, validating: None, exchange: exchange() };
    for (directives, fields, length, refused, why) in rows {
        let judged = receive_part(context, &cached(directives, &fields), length);
        assert_eq!(judged.map(|(_, found)| found).err(), refused, "{why}: {directives} {fields:?}");
    }
}

#[test]
fn only_what_a_strong_validator_ties_together_is_combined() {
    let date = ("date", LATER);
    let rows = [
        (vec![("etag", "\"a\"")], vec![("etag", "\"a\"")], true, "the same strong tag"),
        (vec![("etag", "\"a\"")], vec![("etag", "\"b\"")], false, "another"),
        (vec![("etag", "W/\"a\"")], vec![("etag", "W/\"a\"")], false, "weak"),
        (vec![("etag", "\"a\"")], vec![], false, "the new one has none"),
        (vec![], vec![], false, "none at all"),
        (vec![("etag", "\"larder-0\"")], vec![("etag", "\"larder-0\"")], false, "no origin's"),
        (
            vec![("last-modified", EPOCH_DATE), date],
            vec![("last-modified", EPOCH_DATE), date],
            true,
            "RFC 9110 §8.8.2.2: older than its Date",
        ),
        (
            vec![("last-modified", LATER), date],
            vec![("last-modified", LATER), date],
            false,
            "RFC 9110 §8.8.2.2: of the same second",
        ),
        (
            vec![("etag", "\"a\"")],
            vec![("etag", "\"a\""), ("content-encoding", "br")],
            false,
            "coded otherwise",
        ),
    ];
    for (stored, received, same, why) in rows {
        let (kept, new) = (headers(&stored), headers(&received));
        assert_eq!(is_same(Validators::of(&kept), None, &new), same, "RFC 9111 §3.4: {why}");
    }
}

#[test]
fn the_rest_is_asked_for_under_the_strong_validator() {
    let tagged = [("etag", "\"a\"")];
    let rows = [
        (range(0, 4, 10), &tagged[..], Some("bytes=5-"), Some("\"a\"")),
        (range(6, 9, 10), &tagged[..], Some("bytes=0-5"), Some("\"a\"")),
        (range(2, 4, 10), &tagged[..], None, None),
        (range(0, 9, 10), &tagged[..], None, None),
        (range(0, 4, 10), &[], Some("bytes=5-"), None),
        (range(0, 4, 10), &[("etag", "W/\"a\"")], Some("bytes=5-"), None),
    ];
    for (part, fields, asks, under) in rows {
        let mut request = headers(&[]);
        ask_for_rest(&mut request, &part, Validators::of(&headers(fields)));
        let field = |name| request.get(name).map(|value| value.to_str().expect("text"));
        assert_eq!((field("range"), field("if-range")), (asks, under), "RFC 9111 §3.4: {part:?}");
    }
}

proptest! {
    #[test]
    fn a_part_and_its_rest_are_the_whole(first in 0..20_u64, last in 0..20_u64, total in 1..20_u64) {
        let value = format!("bytes {first}-{last}/{total}");
        let Some(part) = ContentRange::of(&headers(&[("content-range", &value)])) else {
            return Ok(());
        };
        if let Some(rest) = part.rest() {
            assert_eq!(rest.length() + part.span.length(), total, "{value}");
            assert!(part.meets(&ContentRange { span: rest, total }), "{value}");
        }
    }

    #[test]
    fn no_number_makes_it_panic(first in any::<u64>(), last in any::<u64>(), total in any::<u64>()) {
        let value = format!("bytes {first}-{last}/{total}");
        if let Some(part) = ContentRange::of(&headers(&[("content-range", &value)])) {
            assert!(part.rest().is_none_or(|rest| rest.first <= rest.last));
        }
    }
}
