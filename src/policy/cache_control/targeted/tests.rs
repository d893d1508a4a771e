use http::HeaderMap;
use proptest::proptest;

use crate::policy::{
    cache_control::{ResponseDirectives, withheld},
    fixtures::headers,
};

const NONE: ResponseDirectives = ResponseDirectives {
    no_store: false,
    no_cache: false,
    private: false,
    withholds: false,
    targeted: true,
    public: false,
    must_revalidate: false,
    proxy_revalidate: false,
    must_understand: false,
    no_transform: false,
    immutable: false,
    max_age: None,
    s_maxage: None,
    stale_while_revalidate: None,
    stale_if_error: None,
};

fn max_age(seconds: u32) -> ResponseDirectives {
    ResponseDirectives { max_age: Some(seconds), ..NONE }
}

/// A response whose Cache-Control is told apart by its lifetime.
fn with(targeted: &[(&str, &str)]) -> HeaderMap {
    let mut fields = headers(targeted);
    fields.extend(headers(&[("cache-control", "max-age=7")]));
    fields
}

fn read(value: &str) -> ResponseDirectives {
    ResponseDirectives::of(&with(&[("cdn-cache-control", value)]))
}

#[test]
fn the_first_valid_field_of_the_target_list_is_the_policy() {
    const OURS: &str = "larder-cache-control";
    const CDN: &str = "cdn-cache-control";
    type Row<'a> = (&'a [(&'a str, &'a str)], u32, &'a str);
    let rows: [Row<'_>; 10] = [
        (&[], 7, "RFC 9213 §2.2: no targeted field"),
        (&[(CDN, "max-age=60")], 60, "§2.2: in place of Cache-Control"),
        (&[(CDN, "max-age=60"), (OURS, "max-age=61")], 61, "§2.2: in the list's order"),
        (&[(CDN, "max-age=60"), (OURS, "")], 60, "§2.2: an empty one is passed over"),
        (&[(CDN, "max-age=60"), (OURS, "max-age=61, &")], 60, "§2.2: an invalid one, too"),
        (&[(CDN, "max-age=60,"), (OURS, "max-age=")], 7, "§2.1: both are as if not there"),
        (&[("other-cache-control", "max-age=60")], 7, "§2.2: not on our list"),
        (&[("surrogate-control", "max-age=60")], 7, "§2.2: not on our list"),
        (&[(CDN, "max-age=60"), (CDN, "x=1")], 60, "RFC 9651 §4.2: lines are one dictionary"),
        (&[(CDN, "x=\"a"), (CDN, "b\", max-age=60")], 60, "RFC 9651 §4.2: joined, then read"),
    ];
    for (fields, expected, section) in rows {
        let read = ResponseDirectives::of(&with(fields));
        assert_eq!(read.max_age, Some(expected), "{section}: {fields:?}");
        assert_eq!(read.targeted, expected != 7, "{section}: {fields:?}");
    }
}

#[test]
fn directives_have_the_types_of_rfc_9213() {
    let rows = [
        ("max-age=60", max_age(60), "§2.1: an Integer"),
        ("max-age=0", max_age(0), "§2.1"),
        ("max-age=999999999999999", max_age(1 << 31), "RFC 9111 §1.2.2: as great as can be"),
        ("max-age=60;x=1;y", max_age(60), "§2.1: parameters are ignored"),
        ("max-age=60, max-age=5", max_age(5), "RFC 9651 §3.2: the last one counts"),
        ("max-age=5, max-age=60", max_age(60), "RFC 9651 §3.2: the last one counts"),
        ("max-age=60, max-age=\"5\"", NONE, "RFC 9651 §3.2, and §2.1: no Integer"),
        ("max-age=\"60\"", NONE, "§2.1: a String is no Integer"),
        ("max-age=60.0", NONE, "§2.1: a Decimal is no Integer"),
        ("max-age=a60", NONE, "§2.1: a Token is no Integer"),
        ("max-age", NONE, "§2.1: true is no Integer"),
        ("max-age=(60)", NONE, "§2.1: an Inner List is no Integer"),
        ("max-age=-1", NONE, "RFC 9111 §1.2.2: no delta-seconds"),
        ("s-maxage=9", ResponseDirectives { s_maxage: Some(9), ..NONE }, "§2.2"),
        (
            "stale-while-revalidate=3, stale-if-error=4",
            ResponseDirectives { stale_while_revalidate: Some(3), stale_if_error: Some(4), ..NONE },
            "§2.2: extensions, too",
        ),
        ("no-store", ResponseDirectives { no_store: true, ..NONE }, "§2.2"),
        ("no-store=?1", ResponseDirectives { no_store: true, ..NONE }, "§2.1"),
        ("no-store=?0", NONE, "RFC 9651 §3.3.6: false"),
        ("no-store=1", ResponseDirectives { no_store: true, ..NONE }, "to forbid is always safe"),
        ("no-cache", ResponseDirectives { no_cache: true, ..NONE }, "§2.2"),
        ("private", ResponseDirectives { private: true, ..NONE }, "§2.2"),
        ("private=set-cookie", ResponseDirectives { private: true, ..NONE }, "a Token is no list"),
        ("private=?0", NONE, "RFC 9651 §3.3.6: false"),
        ("private=\"x-a\"", ResponseDirectives { withholds: true, ..NONE }, "§2.1: a String"),
        ("must-revalidate", ResponseDirectives { must_revalidate: true, ..NONE }, "§2.2"),
        ("proxy-revalidate", ResponseDirectives { proxy_revalidate: true, ..NONE }, "§2.2"),
        ("no-transform", ResponseDirectives { no_transform: true, ..NONE }, "§2.2"),
        ("public", ResponseDirectives { public: true, ..NONE }, "§2.2"),
        ("public=1", NONE, "§2.1: no Boolean"),
        ("immutable", ResponseDirectives { immutable: true, ..NONE }, "§2.2: extensions, too"),
        ("must-understand", ResponseDirectives { must_understand: true, ..NONE }, "§2.2"),
        ("foo=bar", NONE, "§2.2: unknown directives are ignored, but the field counts"),
    ];
    for (value, expected, section) in rows {
        assert_eq!(read(value), expected, "{section}: {value}");
    }
}

#[test]
fn what_does_not_parse_is_ignored_whole() {
    for value in [
        "",
        " ",
        "max-age=60, &&&",
        "max-age=60,",
        ",max-age=60",
        "max-age=60 no-store",
        "max-age=60; ",
        "max-age = 60",
        "Max-Age=60",
        "max-age=60, x=\"open",
        "max-age=60, x='a'",
        "max-age=9999999999999999",
        "max-age=60, x=\u{e9}",
    ] {
        let read = read(value);
        assert_eq!((read.max_age, read.targeted), (Some(7), false), "RFC 9213 §2.1: {value}");
    }
}

#[test]
fn fields_may_be_withheld_by_a_targeted_field_too() {
    let rows: [(&str, &[&str]); 4] = [
        ("no-cache=\"set-cookie\"", &["set-cookie"]),
        ("no-cache=\"x-a\", private=\"x-b, x-c\"", &["x-a", "x-b", "x-c"]),
        ("private=\"x-a\", private=\"x-b\"", &["x-b"]),
        ("max-age=1", &[]),
    ];
    for (value, expected) in rows {
        let mut fields = with(&[("cdn-cache-control", value)]);
        fields.extend(headers(&[("cache-control", "private=\"x-ignored\"")]));
        assert_eq!(withheld(&fields), expected, "RFC 9213 §2.1, RFC 9111 §5.2.2: {value}");
    }
}

proptest! {
    #[test]
    fn no_value_makes_it_panic_or_exceed_the_bound(value in "[\\t -~]{0,60}") {
        let read = read(&value);
        assert!(read.max_age.is_none_or(|seconds| seconds <= 1 << 31));
    }

    #[test]
    fn one_member_that_does_not_parse_spoils_all(
        members in "([a-z*][a-z0-9_*.-]{0,5}(=[0-9]{1,5}|=\"[a-z ]{0,5}\"|=\\?1)?, ){0,4}",
    ) {
        assert!(read(&format!("{members}max-age=60")).targeted, "{members}");
        let spoilt = read(&format!("{members}max-age=60, &"));
        assert_eq!((spoilt.max_age, spoilt.targeted), (Some(7), false), "{members}");
    }
}
