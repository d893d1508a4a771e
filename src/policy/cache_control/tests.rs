use proptest::{collection::vec, prelude::any, proptest};

use super::{RequestDirectives, ResponseDirectives, withheld};
use crate::policy::fixtures::headers;

const NONE: ResponseDirectives = ResponseDirectives {
    no_store: false,
    no_cache: false,
    private: false,
    withholds: false,
    targeted: false,
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

fn response(line: &str) -> ResponseDirectives {
    ResponseDirectives::parse([line.as_bytes()].into_iter())
}

fn request(line: &str) -> RequestDirectives {
    RequestDirectives::parse([line.as_bytes()].into_iter())
}

#[test]
fn each_response_directive_is_known() {
    let rows = [
        ("max-age=60", "§5.2.2.1", max_age(60)),
        ("must-revalidate", "§5.2.2.2", ResponseDirectives { must_revalidate: true, ..NONE }),
        ("must-understand", "§5.2.2.3", ResponseDirectives { must_understand: true, ..NONE }),
        ("no-cache", "§5.2.2.4", ResponseDirectives { no_cache: true, ..NONE }),
        ("no-store", "§5.2.2.5", ResponseDirectives { no_store: true, ..NONE }),
        ("no-transform", "§5.2.2.6", ResponseDirectives { no_transform: true, ..NONE }),
        ("private", "§5.2.2.7", ResponseDirectives { private: true, ..NONE }),
        ("proxy-revalidate", "§5.2.2.8", ResponseDirectives { proxy_revalidate: true, ..NONE }),
        ("public", "§5.2.2.9", ResponseDirectives { public: true, ..NONE }),
        ("s-maxage=60", "§5.2.2.10", ResponseDirectives { s_maxage: Some(60), ..NONE }),
        ("immutable", "RFC 8246 §2", ResponseDirectives { immutable: true, ..NONE }),
        (
            "stale-while-revalidate=60",
            "RFC 5861 §3",
            ResponseDirectives { stale_while_revalidate: Some(60), ..NONE },
        ),
        (
            "stale-if-error=60",
            "RFC 5861 §4",
            ResponseDirectives { stale_if_error: Some(60), ..NONE },
        ),
        ("max-stale=60, min-fresh=1", "§5.2.1: not in a response", NONE),
    ];
    for (line, section, expected) in rows {
        assert_eq!(response(line), expected, "{section}: {line}");
    }
}

#[test]
fn each_request_directive_is_known() {
    let none = RequestDirectives::default();
    let rows = [
        ("max-age=60", "§5.2.1.1", RequestDirectives { max_age: Some(60), ..none }),
        ("max-stale=60", "§5.2.1.2", RequestDirectives { max_stale: Some(60), ..none }),
        ("max-stale", "§5.2.1.2: any age", RequestDirectives { max_stale: Some(u32::MAX), ..none }),
        ("max-stale, max-stale=5", "smallest", RequestDirectives { max_stale: Some(5), ..none }),
        ("max-stale=5, max-stale", "smallest", RequestDirectives { max_stale: Some(5), ..none }),
        ("max-stale=x", "unreadable: none", RequestDirectives { max_stale: Some(0), ..none }),
        ("min-fresh=60", "§5.2.1.3", RequestDirectives { min_fresh: Some(60), ..none }),
        ("min-fresh=6, min-fresh=9", "greatest", RequestDirectives { min_fresh: Some(9), ..none }),
        ("min-fresh=x", "unreadable: ignored", none),
        ("no-cache", "§5.2.1.4", RequestDirectives { no_cache: true, ..none }),
        ("no-store", "§5.2.1.5", RequestDirectives { no_store: true, ..none }),
        ("no-transform", "§5.2.1.6", RequestDirectives { no_transform: true, ..none }),
        ("only-if-cached", "§5.2.1.7", RequestDirectives { only_if_cached: true, ..none }),
        ("stale-if-error=9", "RFC 5861 §4", RequestDirectives { stale_if_error: Some(9), ..none }),
        ("public, s-maxage=9", "§5.2.2: not in a request", none),
    ];
    for (line, section, expected) in rows {
        assert_eq!(request(line), expected, "{section}: {line}");
    }
}

#[test]
fn the_syntax_is_read_as_it_is_defined() {
    let rows = [
        ("MaX-aGe=60", "§5.2: names are case-insensitive", max_age(60)),
        ("max-age=\"60\"", "§5.2: token and quoted form mean the same", max_age(60)),
        ("max-age=\"6\\0\"", "RFC 9110 §5.6.4: a quoted pair is its octet", max_age(60)),
        (" ,,\tmax-age=60 ,", "RFC 9110 §5.6.1.2: empty members", max_age(60)),
        ("foo, max-age=60, bar=\"x\"", "§5.2.3: unknown directives are ignored", max_age(60)),
        ("x=\"max-age=3600\", max-age=1", "RFC 9110 §5.6.4: a string is no directive", max_age(1)),
        ("max-age=1, x=\"max-age=3600\"", "RFC 9110 §5.6.4", max_age(1)),
        ("x=\"\\\", no-store\", max-age=1", "RFC 9110 §5.6.4: an escaped quote", max_age(1)),
        ("x=\"a\\\\\", max-age=1", "RFC 9110 §5.6.4: an escaped backslash", max_age(1)),
        ("\"no-store\", max-age=1", "a string in no directive's place", max_age(1)),
        ("max-age=003600", "§1.2.2: leading zeros", max_age(3600)),
        ("max-age=2147483648", "§1.2.2", max_age(1 << 31)),
        ("max-age=99999999999999999999", "§1.2.2: too great counts as 2^31", max_age(1 << 31)),
        ("private=\"x-a, x-b\"", "§5.2.2.7", ResponseDirectives { withholds: true, ..NONE }),
        ("no-cache=\"set-cookie\"", "§5.2.2.4", ResponseDirectives { withholds: true, ..NONE }),
        (
            "no-cache=set-cookie",
            "§5.2: either form",
            ResponseDirectives { withholds: true, ..NONE },
        ),
        ("", "an empty field", NONE),
    ];
    for (line, section, expected) in rows {
        assert_eq!(response(line), expected, "{section}: {line}");
    }
}

#[test]
fn directives_with_field_names_withhold_those_fields() {
    let rows: [(&str, &[&str], &str); 17] = [
        ("private=\"X-A, x-b\"", &["x-a", "x-b"], "§5.2.2.7: names are case-insensitive"),
        ("no-cache=\"x-a\", private=\"x-b\"", &["x-a", "x-b"], "§5.2.2.4, §5.2.2.7"),
        ("private=\"x-a\", private=\"x-a,x-b\"", &["x-a", "x-b"], "repeated: all of them"),
        ("no-cache=\" ,x-a ,, x-b\"", &["x-a", "x-b"], "RFC 9110 §5.6.1.2: empty members"),
        ("private=x-a", &["x-a"], "§5.2: token and quoted form mean the same"),
        ("private", &[], "without names: the whole response"),
        ("private=\"\"", &[], "no name is no list"),
        ("private=\" , ,\"", &[], "RFC 9110 §5.6.1.2: 1#field-name has a name"),
        ("private=", &[], "no name is no list"),
        ("private=\"x a\"", &[], "no field name"),
        ("private=\"x-a\\\"\"", &[], "no field name"),
        ("private=\"x-a", &[], "malformed"),
        ("private=\"x-a\"x", &[], "malformed"),
        ("no-cache=\"x-a, content-type\"", &[], "what a stored response needs"),
        ("private=\"ETag\"", &[], "what a stored response needs"),
        ("private=\"cdn-cache-control\"", &[], "what a stored response needs"),
        ("max-age=1", &[], "neither of them"),
    ];
    for (line, expected, section) in rows {
        let (read, names) = (response(line), withheld(&headers(&[("cache-control", line)])));
        assert_eq!(names, expected, "{section}: {line}");
        assert_eq!(read.withholds, !expected.is_empty(), "{section}: {line}");
        let whole = expected.is_empty() && line != "max-age=1";
        assert_eq!(read.private || read.no_cache, whole, "§5.2.2: counts without them: {line}");
    }
    let many: Vec<String> = (0..17).map(|n| format!("x-{n}")).collect();
    let line = format!("private=\"{}\"", many.join(","));
    assert!(response(&line).private, "more than are kept apart");
    assert!(response("private=\"x-a\", private").private, "§5.2.2.7: the whole response as well");
}

#[test]
fn what_cannot_be_read_makes_nothing_fresh() {
    for line in [
        "max-age",
        "max-age=",
        "max-age=\"\"",
        "max-age=-1",
        "max-age=a3600",
        "max-age=3600a",
        "max-age=3600.0",
        "max-age='3600'",
        "max-age =3600",
        "max-age= 3600",
        "max-age=3600 x",
        "max-age=3600=1",
        "max-age=\"3600",
        "max-age=\"3600\"x",
        "max-age=3600;x",
    ] {
        assert_eq!(response(line).max_age, Some(0), "§4.2.1: invalid freshness is stale: {line}");
    }
}

#[test]
fn of_conflicting_directives_the_most_restrictive_counts() {
    let rows = [
        ("max-age=1800, max-age=1", max_age(1)),
        ("max-age=1, max-age=1800", max_age(1)),
        ("max-age=60, max-age=x", max_age(0)),
        ("no-store, public", ResponseDirectives { no_store: true, public: true, ..NONE }),
    ];
    for (line, expected) in rows {
        assert_eq!(response(line), expected, "§4.2.1: {line}");
    }
    let lines = [&b"max-age=1800"[..], b"max-age=1, private"];
    let expected = ResponseDirectives { private: true, ..max_age(1) };
    assert_eq!(ResponseDirectives::parse(lines.into_iter()), expected, "§4.2.1: over lines");
}

#[test]
fn a_malformed_line_loses_no_directive_that_forbids() {
    type Row = (&'static str, fn(&ResponseDirectives) -> bool);
    let rows: [Row; 8] = [
        ("private; max-age=60", |read| read.private),
        ("max-age=60; private", |read| read.private && read.max_age == Some(0)),
        ("max-age=60 no-store", |read| read.no_store && read.max_age == Some(0)),
        ("no-store;", |read| read.no_store),
        ("x=\"unclosed, no-store", |read| read.no_store),
        ("no-store=1", |read| read.no_store),
        ("\u{e9}no-store", |read| read.no_store),
        ("public=\"x\"", |read| !read.public),
    ];
    for (line, holds) in rows {
        assert!(holds(&response(line)), "{line}: {:?}", response(line));
    }
}

#[test]
fn pragma_counts_where_there_is_no_cache_control() {
    let rows: [(&[(&str, &str)], bool); 5] = [
        (&[("pragma", "no-cache")], true),
        (&[("pragma", "x, No-Cache")], true),
        (&[("pragma", "no-cache"), ("cache-control", "max-age=5")], false),
        (&[("pragma", "no-cache"), ("cache-control", "")], false),
        (&[("pragma", "no-store")], false),
    ];
    for (fields, no_cache) in rows {
        let read = RequestDirectives::of(&headers(fields));
        assert_eq!(read.no_cache, no_cache, "§5.4: {fields:?}");
        assert!(!read.no_store, "§5.4 knows only no-cache: {fields:?}");
    }
}

/// RFC 9111 §3.5, §5.2.2.2: it permits to share, and so as it is defined alone, without an argument.
#[test]
fn must_revalidate_with_an_argument_does_not_permit_to_share() {
    let revalidated = ResponseDirectives { proxy_revalidate: true, ..NONE };
    for said in
        ["must-revalidate=0", "must-revalidate=\"x\"", "must-revalidate=", "must-revalidate;a"]
    {
        let read = ResponseDirectives::parse([said.as_bytes()].into_iter());
        let expected = match said.contains('=') {
            true => revalidated,
            false => ResponseDirectives { must_revalidate: true, ..NONE },
        };
        assert_eq!(read, expected, "{said}");
    }
    let both = ResponseDirectives::parse([&b"must-revalidate=0, must-revalidate"[..]].into_iter());
    assert!(both.must_revalidate && both.proxy_revalidate, "one of them is as it is defined");
    for (said, must, proxy) in [
        ("must-revalidate", true, false),
        ("must-revalidate=?0", false, false),
        ("must-revalidate=5", false, true),
        ("must-revalidate=(a)", false, true),
        ("must-revalidate=5, proxy-revalidate=?0", false, true),
        ("must-revalidate=5, must-revalidate", true, false),
    ] {
        let headers = headers(&[("cdn-cache-control", said)]);
        let read = ResponseDirectives::of(&headers);
        assert_eq!(
            (read.must_revalidate, read.proxy_revalidate),
            (must, proxy),
            "RFC 9213: {said}"
        );
    }
}

/// RFC 9110 §5.6.4: what follows a quote that is never closed may all be text.
#[test]
fn nothing_permits_behind_a_quote_that_is_never_closed() {
    let forbidden = ResponseDirectives { max_age: Some(0), ..NONE };
    let revalidated = ResponseDirectives { proxy_revalidate: true, ..NONE };
    let rows: [(&[&str], ResponseDirectives); 14] = [
        (&["x=\"public, max-age=60"], forbidden),
        (&["x=\"", "public, max-age=60"], forbidden),
        (&["max-age=60, public, x=\"y"], ResponseDirectives { public: true, ..max_age(60) }),
        (&["max-age=60, \"max-age=9"], forbidden),
        (&["x=\"s-maxage=60"], ResponseDirectives { proxy_revalidate: true, ..forbidden }),
        (
            &["s-maxage=9, x=\"s-maxage=60"],
            ResponseDirectives { s_maxage: Some(0), proxy_revalidate: true, ..forbidden },
        ),
        (&["x=\"must-revalidate"], revalidated),
        (&["x=\"must-understand"], NONE),
        (&["x=\"immutable"], NONE),
        (
            &["x=\"stale-while-revalidate=9"],
            ResponseDirectives { stale_while_revalidate: Some(0), ..NONE },
        ),
        (&["x=\"stale-if-error=9"], ResponseDirectives { stale_if_error: Some(0), ..NONE }),
        (&["x=\"no-cache=y"], ResponseDirectives { no_cache: true, ..NONE }),
        (&["x=\"private=y"], ResponseDirectives { private: true, ..NONE }),
        (&["x=\"no-transform"], ResponseDirectives { no_transform: true, ..NONE }),
    ];
    for (lines, expected) in rows {
        let read = ResponseDirectives::parse(lines.iter().map(|line| line.as_bytes()));
        assert_eq!(read, expected, "{lines:?}");
    }
    let read = request("x=\"max-stale, stale-if-error=9, min-fresh=9");
    assert_eq!((read.max_stale, read.stale_if_error), (Some(0), Some(0)));
    assert_eq!(read.min_fresh, Some(9), "it asks for more, and permits nothing");
}

#[test]
fn a_line_of_quotes_is_read_once() {
    let line = b"\"\\".repeat(1 << 20);
    assert_eq!(ResponseDirectives::parse([&line[..]].into_iter()), NONE, "and within seconds");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_exceed_the_bound(lines in vec(vec(any::<u8>(), 0..80), 0..4)) {
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let read = ResponseDirectives::parse(lines.iter().copied());
        assert!(read.max_age.is_none_or(|seconds| seconds <= 1 << 31));
        RequestDirectives::parse(lines.iter().copied());
    }

    #[test]
    fn what_forbids_is_found_behind_any_rubbish(rubbish in "[ -~]{0,40}") {
        let read = response(&format!("{rubbish}, no-store"));
        let opened = rubbish.contains('"');
        assert!(read.no_store || opened, "{rubbish}");
    }

    #[test]
    fn any_order_of_lifetimes_gives_the_least(lifetimes in vec(0_u32..5000, 1..6)) {
        let written: Vec<_> = lifetimes.iter().map(|ttl| format!("max-age={ttl}")).collect();
        assert_eq!(response(&written.join(", ")).max_age, lifetimes.iter().min().copied());
    }
}
