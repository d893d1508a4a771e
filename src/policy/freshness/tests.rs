use http::HeaderMap;
use proptest::{collection::vec, prelude::any, proptest};

use super::{Lifetime, UNIX_EPOCH, date, date_near, initial_age, lifetime, oldest_date, preferred};
use crate::policy::{
    Exchange, Meta, Mono, Now, Rules, Wall,
    cache_control::ResponseDirectives,
    fixtures::{EPOCH, EPOCH_DATE, at, cached, exchange, headers},
};
use Lifetime::{Explicit, Ours, Unknown};

const NEXT_MINUTE: &str = "Sun, 06 Nov 1994 08:50:37 GMT";
const DAY_BEFORE: &str = "Sat, 05 Nov 1994 08:49:37 GMT";
static EXPIRES: [(&str, &str); 2] = [("date", EPOCH_DATE), ("expires", NEXT_MINUTE)];
static PAST: [(&str, &str); 2] = [("date", EPOCH_DATE), ("expires", DAY_BEFORE)];

fn judge(status: u16, headers: &HeaderMap, rules: &Rules) -> Lifetime {
    lifetime(status, headers, &ResponseDirectives::of(headers), rules, exchange())
}

#[test]
fn what_the_origin_says_is_taken_in_the_order_of_the_rfc() {
    type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)], Lifetime);
    let rows: [Row; 11] = [
        ("§4.2.1: s-maxage for a shared cache", "max-age=1, s-maxage=9", &EXPIRES, Explicit(9)),
        ("§4.2.1: else max-age", "max-age=1", &EXPIRES, Explicit(1)),
        ("§5.3: max-age=0 before Expires", "max-age=0", &EXPIRES, Explicit(0)),
        ("§4.2.1: else Expires less Date", "", &EXPIRES, Explicit(60)),
        ("§4.2.1: Expires in the past", "", &PAST, Explicit(0)),
        ("§5.3: max-age before a past Expires", "max-age=9", &PAST, Explicit(9)),
        ("§5.3: 0 means already expired", "", &[("expires", "0")], Explicit(0)),
        ("§5.3: any invalid value does", "", &[("expires", "tomorrow")], Explicit(0)),
        ("RFC 9110 §6.6.1: without Date, when it came", "", &EXPIRES[1..], Explicit(60)),
        ("§4.2.1: nothing is said", "", &[], Unknown),
        ("§5.2.2.9: public is no lifetime", "public", &[], Unknown),
    ];
    for (section, cache_control, fields, expected) in rows {
        let headers = cached(cache_control, fields);
        assert_eq!(judge(200, &headers, &Rules::default()), expected, "{section}: {headers:?}");
    }
}

#[test]
fn a_repeated_expires_counts_only_where_it_agrees() {
    let twice = [("expires", NEXT_MINUTE), ("expires", NEXT_MINUTE)];
    let differing = [("expires", NEXT_MINUTE), ("expires", "Sun, 06 Nov 1994 09:50:37 GMT")];
    assert_eq!(judge(200, &headers(&twice), &Rules::default()), Explicit(60));
    assert_eq!(judge(200, &headers(&differing), &Rules::default()), Explicit(0), "§4.2.1");
}

#[test]
fn explicit_freshness_needs_no_known_status() {
    for status in [201, 299, 302, 400, 499, 500, 599] {
        assert_eq!(judge(status, &cached("max-age=9", &[]), &Rules::default()), Explicit(9), "§3");
    }
}

#[test]
fn the_operator_speaks_where_the_origin_is_silent() {
    let rules = Rules { ttl: Some(30), status_ttl: vec![(404, 5), (500, 2)], ..Rules::default() };
    let rows = [
        (200, "", Ours(30), "ttl"),
        (404, "", Ours(5), "status_ttl before ttl"),
        (500, "", Ours(2), "status_ttl for a status that HTTP would not cache"),
        (502, "", Unknown, "RFC 9110 §15.1: ttl alone caches no 502"),
        (502, "public", Ours(30), "§4.2.2: but where it is marked as cacheable"),
        (200, "max-age=0", Explicit(0), "the origin has spoken"),
        (404, "max-age=9", Explicit(9), "the origin has spoken"),
        (200, "no-cache", Unknown, "the origin wants it validated"),
        (200, "private", Unknown, "the origin forbids"),
        (200, "no-store", Unknown, "the origin forbids"),
        (200, "must-revalidate", Ours(30), "says nothing of when"),
    ];
    for (status, cache_control, expected, why) in rows {
        let judged = judge(status, &cached(cache_control, &[]), &rules);
        assert_eq!(judged, expected, "{status} {cache_control}: {why}");
    }
}

#[test]
fn an_override_stands_in_place_of_what_the_origin_says() {
    let rules = Rules { override_ttl: Some(30), ttl: Some(1), ..Rules::default() };
    let rows = [
        (200, "max-age=9", Ours(30), "replaced"),
        (500, "max-age=9", Ours(30), "replaced: the origin meant it to be cached"),
        (200, "", Ours(30), "nothing to replace, but it is meant"),
        (500, "", Unknown, "RFC 9110 §15.1: nobody said that an error is to be cached"),
        (200, "max-age=9, private", Explicit(9), "never of what forbids"),
        (200, "max-age=9, no-store", Explicit(9), "never of what forbids"),
        (200, "max-age=9, no-cache", Explicit(9), "never of what forbids"),
    ];
    for (status, cache_control, expected, why) in rows {
        let judged = judge(status, &cached(cache_control, &[]), &rules);
        assert_eq!(judged, expected, "{status} {cache_control}: {why}");
    }
}

#[test]
fn max_ttl_caps_whoever_speaks() {
    let rules = Rules { max_ttl: Some(10), ttl: Some(30), ..Rules::default() };
    let rows = [("max-age=60", Explicit(10)), ("max-age=5", Explicit(5)), ("", Ours(10))];
    for (cache_control, expected) in rows {
        assert_eq!(judge(200, &cached(cache_control, &[]), &rules), expected, "{cache_control}");
    }
}

#[test]
fn the_heuristic_is_a_part_of_the_time_since_last_modified() {
    let rules = Rules { heuristic: Some(10), ..Rules::default() };
    let fields = [("date", EPOCH_DATE), ("last-modified", DAY_BEFORE)];
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
        assert_eq!(judge(status, &headers(&fields), &rules), Ours(8640), "§4.2.2: {status}");
    }
    for status in [201, 202, 302, 403, 500, 502, 503, 504, 599] {
        assert_eq!(judge(status, &headers(&fields), &rules), Unknown, "§4.2.2: {status}");
        let public = cached("public", &fields);
        assert_eq!(judge(status, &public, &rules), Ours(8640), "§4.2.2: public {status}");
    }
    let explicit = cached("max-age=1", &fields);
    assert_eq!(judge(200, &explicit, &rules), Explicit(1), "§4.2.2: MUST NOT where explicit");
    assert_eq!(judge(200, &headers(&fields[..1]), &rules), Unknown, "no Last-Modified");
    let future = [("date", DAY_BEFORE), ("last-modified", EPOCH_DATE)];
    assert_eq!(judge(200, &headers(&future), &rules), Ours(0), "modified after its Date");
    assert_eq!(judge(200, &headers(&fields), &Rules::default()), Unknown, "off by default");
}

fn age(fields: &[(&str, &str)], request: i64, response: i64) -> i64 {
    initial_age(&headers(fields), Exchange { request: at(request), response: at(response) })
}

#[test]
fn the_initial_age_is_the_greater_of_the_two() {
    type Row = (&'static str, &'static [(&'static str, &'static str)], i64, i64, i64);
    let rows: [Row; 18] = [
        ("apparent_age", &[("date", EPOCH_DATE)], 7, 7, 7),
        ("apparent_age is not negative", &[("date", NEXT_MINUTE)], 0, 0, 0),
        ("age_value", &[("date", EPOCH_DATE), ("age", "30")], 0, 0, 30),
        ("corrected_age_value = age_value + response_delay", &[("age", "30")], 0, 5, 35),
        ("response_delay alone", &[], 0, 5, 5),
        ("the greater: apparent", &[("date", EPOCH_DATE), ("age", "3")], 9, 10, 10),
        ("the greater: corrected", &[("date", EPOCH_DATE), ("age", "9")], 9, 10, 10),
        ("§5.1: the first of a list", &[("age", "7, 0")], 0, 0, 7),
        ("§5.1: the first of the lines", &[("age", "7"), ("age", "9")], 0, 0, 7),
        ("§5.1: an invalid one is ignored", &[("age", "-7")], 0, 0, 0),
        ("§5.1: an invalid one is ignored", &[("age", "7.5")], 0, 0, 0),
        ("§5.1: an invalid one is ignored", &[("age", "abc")], 0, 0, 0),
        ("§5.1: an invalid one is ignored", &[("age", "7;foo=9")], 0, 0, 0),
        ("§5.1: after the rest is discarded", &[("age", "abc, 7")], 0, 0, 0),
        ("§5.1: the first of a list", &[("age", "0,7")], 0, 0, 0),
        ("§5.1: the first of the lines", &[("age", "0"), ("age", "7")], 0, 0, 0),
        ("§5.1: the first, though all are the same", &[("age", "7, 7")], 0, 0, 7),
        ("an invalid Date is when it came", &[("date", "now")], 5, 5, 0),
    ];
    for (section, fields, request, response, expected) in rows {
        assert_eq!(age(fields, request, response), expected * 1000, "§4.2.3 {section}: {fields:?}");
    }
    assert_eq!(age(&[("age", "99999999999")], 0, 0), 1000 << 31, "§1.2.2: saturates");
}

#[test]
fn all_three_forms_of_a_date_are_read() {
    let rows = [
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(EPOCH), "§5.6.7: IMF-fixdate"),
        ("Sunday, 06-Nov-94 08:49:37 GMT", Some(EPOCH), "§5.6.7: RFC 850"),
        ("Sun Nov  6 08:49:37 1994", Some(EPOCH), "§5.6.7: asctime"),
        ("SUN, 06 nov 1994 08:49:37 gmt", Some(EPOCH), "RFC 9111 §4.2: in any case"),
        ("sunday, 06-NOV-94 08:49:37 gMT", Some(EPOCH), "RFC 9111 §4.2: in any case"),
        ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0), "the epoch itself"),
        ("Fri, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799), "the last one"),
        ("Sun, 06 Nov 1994 08:49:37 UTC", None, "RFC 9111 §4.2: no zone other than GMT"),
        ("Sun, 06 Nov 1994 08:49:37 +0000", None, "RFC 9111 §4.2"),
        ("Sun, 06 Nov 1994 08:49:37", None, "no zone"),
        ("Sun 06 Nov 1994 08:49:37 GMT", None, "no comma"),
        ("Sun, 06  Nov  1994 08:49:37 GMT", None, "spaces"),
        ("Sun, 06-Nov-1994 08:49:37 GMT", None, "a mixture of forms"),
        ("Sun, 06 Nov 94 08:49:37 GMT", None, "a mixture of forms"),
        ("Sun, 06 Nov 1994 8:49:37 GMT", None, "one digit"),
        ("Sun, 06 Nov 1994 08.49.37 GMT", None, "periods"),
        ("Mon, 06 Nov 1994 08:49:37 GMT", None, "not that day of the week"),
        ("Wed, 31 Feb 1999 08:49:37 GMT", None, "no such day"),
        ("0", None, "RFC 9111 §5.3"),
        ("-1", None, "RFC 9111 §5.3"),
        ("", None, "empty"),
        ("Wednesday, 09-Nov-94 08:49:37 GMT and more", None, "too long"),
    ];
    for (text, expected, why) in rows {
        assert_eq!(date(text.as_bytes()), expected, "RFC 9110 {why}: {text}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_date_panic(bytes in vec(any::<u8>(), 0..40)) {
        let _ = (date(&bytes), date_near(&bytes, Wall(i64::MAX)), date_near(&bytes, Wall(i64::MIN)));
    }

    #[test]
    fn no_text_like_a_date_makes_it_panic(
        text in "[A-Z][a-z]{2,8},? [0-9]{2}[ -][A-Z][a-z]{2}[ -][0-9]{2,4} [0-9:]{8} GMT",
    ) {
        let _ = date(text.as_bytes());
        for now in [i64::MIN, -1, 0, EPOCH, i64::MAX] {
            let _ = date_near(text.as_bytes(), Wall(now));
        }
    }

    #[test]
    fn what_is_written_is_read_again(seconds in 0_u64..253_402_300_800) {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let written = httpdate::fmt_http_date(time);
        assert_eq!(date(written.as_bytes()), i64::try_from(seconds).ok());
    }

    #[test]
    fn the_initial_age_lies_within_its_bounds(
        age in "[0-9]{0,24}",
        wall in any::<i64>(),
        mono in any::<i64>(),
        later in any::<i64>(),
    ) {
        let moment = |mono| Now { wall: Wall(wall), mono: Mono(mono) };
        let exchange = Exchange { request: moment(mono), response: moment(later) };
        let headers = headers(&[("age", &age), ("date", EPOCH_DATE), ("expires", NEXT_MINUTE)]);
        assert!((0..=1000 << 31).contains(&initial_age(&headers, exchange)));
        let directives = ResponseDirectives::default();
        let _ = lifetime(200, &headers, &directives, &Rules::default(), exchange);
    }

    #[test]
    fn the_age_never_decreases_whatever_the_wall_clock_does(
        steps in vec((any::<i64>(), 0_i64..1_000_000), 1..20),
    ) {
        let headers = headers(&[("date", EPOCH_DATE), ("age", "5")]);
        let meta = Meta {
            received: at(0).mono,
            initial_age: initial_age(&headers, exchange()),
            ..Meta::default()
        };
        let (mut mono, mut last) = (0, 0);
        for (wall, step) in steps {
            mono += step;
            let age = meta.age(Now { wall: Wall(wall), mono: Mono(mono) });
            assert_eq!(age, 5000 + mono, "§4.2.3: the resident time is the monotonic clock's");
            assert!(age >= last);
            last = age;
        }
    }

    #[test]
    fn no_meta_however_wrong_makes_the_arithmetic_overflow(
        initial_age in any::<i64>(),
        received in any::<i64>(),
        lifetime in any::<u32>(),
        window in any::<u32>(),
        mono in any::<i64>(),
    ) {
        let now = Now { wall: Wall(0), mono: Mono(mono) };
        let received = Mono(received);
        let meta = Meta { received, initial_age, lifetime, keep: window, ..Meta::default() };
        let fresh_for = meta.fresh_for(now);
        assert!(meta.usable_for(now) >= fresh_for);
        assert!(!(meta.is_stale_within(window, now) && fresh_for > 0));
    }
}

#[test]
fn the_preferred_form_is_read_as_the_others_are() {
    let mut at = 0;
    while at < 253_402_300_799 {
        let text = httpdate::fmt_http_date(UNIX_EPOCH + std::time::Duration::from_secs(at));
        let read = i64::try_from(at).ok();
        assert_eq!(preferred(text.as_bytes()), read, "RFC 9110 §5.6.7: {text}");
        assert_eq!(date(text.to_lowercase().as_bytes()), read, "§4.2: {text}");
        // About 17 days, and never the same time of the day.
        at += 1_500_007;
    }
    for text in [
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:60 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, +6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08-49-37 GMT",
        "Wed, 31 Dec 1969 23:59:59 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
    ] {
        assert_eq!(preferred(text.as_bytes()), None, "{text}");
    }
}

/// RFC 9110 §5.6.7: "MUST interpret a timestamp that appears to be more than 50 years in the future
/// as representing the most recent year in the past that had the same last two digits".
#[test]
fn a_year_of_two_digits_is_no_more_than_fifty_years_ahead() {
    let by = |year: i64, text: &str| {
        let now = Wall((year - 1970) * 31_556_952_000);
        date_near(text.as_bytes(), now).map(|seconds| 1970 + seconds / 31_556_952)
    };
    let rows = [
        (1994, "Sunday, 06-Nov-94 08:49:37 GMT", Some(1994)),
        (2026, "Sunday, 06-Nov-94 08:49:37 GMT", Some(1994)),
        (2026, "Thursday, 06-Nov-70 08:49:37 GMT", Some(2070)),
        (2026, "thursday, 06-nov-70 08:49:37 gmt", Some(2070)),
        (2026, "Sunday, 06-Nov-77 08:49:37 GMT", Some(1977)),
        (2026, "Saturday, 06-Nov-77 08:49:37 GMT", None),
        (2045, "Saturday, 06-Nov-94 08:49:37 GMT", Some(2094)),
        (2045, "Sunday, 06-Nov-94 08:49:37 GMT", Some(1994)),
        (2090, "Thursday, 06-Nov-10 08:49:37 GMT", Some(2110)),
        (2026, "Thu, 06-Nov-70 08:49:37 GMT", None),
        (2026, "Thursday, 06-Nov-70 08:49:37 CET", None),
        (2026, "Thursday, 06-Nov-1970 08:49:37 GMT", None),
    ];
    for (year, text, expected) in rows {
        assert_eq!(by(year, text), expected, "{text} in {year}");
    }
    assert_eq!(date_near(EPOCH_DATE.as_bytes(), Wall(0)), date(EPOCH_DATE.as_bytes()));
}

#[test]
fn of_several_dates_the_oldest_counts() {
    let now = exchange().response.wall;
    let rows: [(&[&str], Option<&str>); 5] = [
        (&[], None),
        (&["now"], None),
        (&[NEXT_MINUTE, DAY_BEFORE], Some(DAY_BEFORE)),
        (&[DAY_BEFORE, NEXT_MINUTE], Some(DAY_BEFORE)),
        (&["now", NEXT_MINUTE], Some(NEXT_MINUTE)),
    ];
    for (lines, expected) in rows {
        let lines: Vec<_> = lines.iter().map(|line| ("date", *line)).collect();
        let read = oldest_date(&headers(&lines), now);
        assert_eq!(read, expected.and_then(|it| date(it.as_bytes())), "§4.2.3: {lines:?}");
    }
}
