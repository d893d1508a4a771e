use http::{HeaderMap, StatusCode};
use proptest::{collection::vec, proptest, sample::select};

use super::{
    Context, Received, Unstorable, Validating, may_stand_in, receive, receive_posted, vary,
};
use crate::policy::{
    Exchange, Meta, Rules,
    fixtures::{EPOCH_DATE, asked_by, at, cached, exchange, headers},
    rules::{Authorization, Cookies, RequestCacheControl, SetCookie},
    validation::Validators,
};

type Fields<'a> = &'a [(&'a str, &'a str)];

const KEY: (&str, &str) = ("authorization", "Bearer x");
const COOKIE: (&str, &str) = ("cookie", "sid=1");
const SETS: (&str, &str) = ("set-cookie", "sid=1");
const TAG: (&str, &str) = ("etag", "\"a\"");

/// A GET by the given rules, answered with 200.
fn received(rules: &Rules, request: Fields<'_>, response: &HeaderMap) -> Received {
    judge(rules, ("GET", request), None, (200, response))
}

fn judge(
    rules: &Rules,
    (method, fields): (&str, Fields<'_>),
    validating: Option<Validating<'_>>,
    (status, response): (u16, &HeaderMap),
) -> Received {
    let asked = asked_by(rules, method, fields);
    let context = Context { asked: &asked, rules, validating, exchange: exchange() };
    receive(context, StatusCode::from_u16(status).expect("a status"), response)
}

fn stored(rules: &Rules, request: Fields<'_>, response: &HeaderMap) -> Meta {
    match received(rules, request, response) {
        Received::Storable(meta) => meta,
        other => panic!("{response:?} is not stored: {other:?}"),
    }
}

fn reason(received: Received) -> Option<Unstorable> {
    match received {
        Received::Storable(_) => None,
        Received::Unstorable(reason) => Some(reason),
        other => panic!("neither stored nor refused: {other:?}"),
    }
}

fn under(authorization: Authorization) -> Rules {
    Rules { authorization, ..Rules::default() }
}

#[test]
fn the_request_and_the_status_must_allow_it() {
    use Unstorable::{Method, NoStore, Partial, Precondition, RequestNoStore, Status};
    type Row = (&'static str, Fields<'static>, u16, &'static str, Option<Unstorable>, &'static str);
    let rows: [Row; 19] = [
        ("GET", &[], 200, "max-age=9", None, "§3"),
        ("HEAD", &[], 200, "max-age=9", Some(Method), "§3: the method"),
        ("POST", &[], 200, "max-age=9", Some(Method), "§3: the method"),
        ("OPTIONS", &[], 200, "max-age=9", Some(Method), "§3: the method"),
        ("GET", &[], 103, "max-age=9", Some(Status), "§3: not final"),
        ("GET", &[], 304, "max-age=9", Some(Status), "§3: nothing was validated"),
        ("GET", &[], 600, "max-age=9", Some(Status), "RFC 9110 §15: no status"),
        ("GET", &[], 599, "max-age=9", None, "§3: any final status"),
        ("GET", &[], 500, "max-age=9", None, "§3: any final status"),
        ("GET", &[], 206, "max-age=9", Some(Partial), "§3.3"),
        ("GET", &[("range", "bytes=0-1")], 200, "max-age=9", Some(Partial), "answers Range"),
        ("GET", &[("range", "bytes=0-1")], 416, "max-age=9", Some(Partial), "answers Range"),
        ("GET", &[("if-match", "*")], 412, "max-age=9", Some(Precondition), "answers a condition"),
        (
            "GET",
            &[("cache-control", "no-store")],
            200,
            "max-age=9",
            Some(RequestNoStore),
            "§5.2.1.5",
        ),
        ("GET", &[], 200, "no-store, max-age=9", Some(NoStore), "§5.2.2.5"),
        ("GET", &[], 200, "no-store, must-understand, max-age=9", None, "§5.2.2.3"),
        ("GET", &[], 599, "no-store, must-understand, max-age=9", Some(Status), "§5.2.2.3"),
        ("GET", &[], 599, "must-understand, max-age=9", Some(Status), "§3"),
        ("GET", &[], 206, "no-store, must-understand", Some(Partial), "§3.3"),
    ];
    for (method, fields, status, directives, expected, section) in rows {
        let response = cached(directives, &[]);
        let judged = judge(&Rules::default(), (method, fields), None, (status, &response));
        assert_eq!(
            reason(judged),
            expected,
            "{section}: {method} {fields:?} {status} {directives}"
        );
    }
}

#[test]
fn the_response_must_allow_it() {
    use Unstorable::{NoFreshness, NoStore, Private, VaryStar};
    let rows: [(&str, Fields<'_>, Option<Unstorable>, &str); 18] = [
        ("no-store", &[TAG], Some(NoStore), "§5.2.2.5"),
        ("private, max-age=9", &[], Some(Private), "§5.2.2.7"),
        ("private=\"x-user\", max-age=9", &[], None, "§5.2.2.7: all but this field"),
        ("private=\"etag\", max-age=9", &[], Some(Private), "§5.2.2.7: not without this field"),
        ("no-cache=\"x-user\", max-age=9", &[], None, "§5.2.2.4: all but this field"),
        ("no-store, private", &[("vary", "*")], Some(NoStore), "the first reason is named"),
        ("max-age=9", &[("vary", "*")], Some(VaryStar), "§4.1"),
        ("", &[("vary", "*")], Some(VaryStar), "the first reason is named"),
        ("max-age=0", &[], Some(NoFreshness), "nothing could be done with it"),
        ("max-age=0", &[TAG], None, "it can be validated"),
        ("max-age=0", &[("last-modified", EPOCH_DATE)], None, "it can be validated"),
        ("max-age=0", &[("last-modified", "x")], Some(NoFreshness), "no date validates"),
        ("max-age=0", &[("etag", "\"larder-0f\"")], Some(NoFreshness), "ours validates nothing"),
        ("max-age=0, stale-if-error=9", &[], None, "it can stand in"),
        ("no-cache, max-age=9", &[], Some(NoFreshness), "§5.2.2.4: never without validation"),
        ("no-cache", &[TAG], None, "§5.2.2.4"),
        ("", &[TAG], None, "§3: a heuristically cacheable status"),
        ("", &[], Some(NoFreshness), "nothing is said"),
    ];
    for (directives, fields, expected, section) in rows {
        let judged = received(&Rules::default(), &[], &cached(directives, fields));
        assert_eq!(reason(judged), expected, "RFC 9111 {section}: {directives} {fields:?}");
    }
}

const TARGETED: &str = "cdn-cache-control";

#[test]
fn a_targeted_field_is_the_origins_word() {
    use Unstorable::{Authorization, NoFreshness, NoStore, Private, SetCookie};
    type Row<'a> = (&'a str, Fields<'a>, Fields<'a>, Option<Unstorable>, &'a str);
    let rows: [Row<'_>; 12] = [
        ("no-store", &[], &[(TARGETED, "max-age=9")], None, "RFC 9213 §2.2"),
        ("private", &[], &[(TARGETED, "max-age=9")], None, "RFC 9213 §2.2"),
        ("max-age=9", &[], &[(TARGETED, "no-store")], Some(NoStore), "RFC 9213 §2.2"),
        ("max-age=9", &[], &[(TARGETED, "private")], Some(Private), "RFC 9213 §2.2"),
        ("max-age=9", &[], &[(TARGETED, "max-age=\"9\"")], Some(NoFreshness), "RFC 9213 §2.1"),
        ("no-store", &[], &[(TARGETED, "max-age=9,")], Some(NoStore), "RFC 9213 §2.1"),
        ("", &[], &[SETS, (TARGETED, "max-age=9")], None, "it is meant for shared caches"),
        ("", &[], &[SETS, TAG, (TARGETED, "no-cache")], Some(SetCookie), "nothing is said to last"),
        ("", &[KEY], &[(TARGETED, "max-age=9")], Some(Authorization), "§3.5: not among them"),
        ("", &[KEY], &[(TARGETED, "max-age=9, public")], None, "§3.5"),
        ("", &[KEY], &[(TARGETED, "max-age=9, must-revalidate")], None, "§3.5"),
        ("public", &[KEY], &[(TARGETED, "max-age=9")], Some(Authorization), "RFC 9213 §2.2"),
    ];
    for (directives, request, fields, expected, section) in rows {
        let judged = received(&Rules::default(), request, &cached(directives, fields));
        assert_eq!(reason(judged), expected, "{section}: {directives} {fields:?}");
    }
}

#[test]
fn a_targeted_field_stands_in_place_of_expires() {
    let expires = ("expires", "Sun, 06 Nov 1994 08:50:37 GMT");
    let lifetime =
        |fields: Fields<'_>| stored(&Rules::default(), &[], &cached("", fields)).lifetime;
    assert_eq!(lifetime(&[expires]), 60);
    assert_eq!(lifetime(&[expires, (TARGETED, "max-age=9")]), 9, "RFC 9213 §2.2");
    assert_eq!(lifetime(&[expires, TAG, (TARGETED, "public")]), 0, "RFC 9213 §2.2");
}

#[test]
fn a_cookie_that_is_withheld_keeps_nothing_out_but_what_is_ours() {
    let rows = [
        ("max-age=9, no-cache=\"set-cookie\"", None, "§5.2.2.4: the rest is shared"),
        ("max-age=9, private=\"Set-Cookie\"", None, "§5.2.2.7: the rest is shared"),
        ("max-age=9, private=\"x-user\"", Some(Unstorable::SetCookie), "another field"),
        ("private=\"set-cookie\"", Some(Unstorable::SetCookie), "`ttl` is not its word"),
    ];
    let rules = Rules { ttl: Some(9), ..Rules::default() };
    for (directives, expected, section) in rows {
        let judged = received(&rules, &[], &cached(directives, &[SETS]));
        assert_eq!(reason(judged), expected, "{section}: {directives}");
    }
}

#[test]
fn immutable_makes_nothing_fresh_and_nothing_stale_usable() {
    let meta = |text: &str| stored(&Rules::default(), &[], &cached(text, &[TAG]));
    for rest in ["max-age=9", "max-age=0", "no-cache", "max-age=9, must-revalidate", ""] {
        let with = meta(&format!("{rest}, immutable"));
        assert_eq!(with, meta(rest), "RFC 8246 §2: it speaks of the time of freshness: {rest}");
    }
}

#[test]
fn every_final_status_is_stored_with_explicit_freshness_but_four() {
    for status in 200..600 {
        let judged =
            judge(&Rules::default(), ("GET", &[]), None, (status, &cached("max-age=9", &[])));
        let expected = match status {
            206 => Some(Unstorable::Partial),
            304 | 412 | 416 => Some(Unstorable::Status),
            _ => None,
        };
        assert_eq!(reason(judged), expected, "RFC 9111 §3; RFC 9110 §15: {status}");
    }
}

#[test]
fn a_post_is_stored_by_explicit_freshness_alone() {
    let ours = Rules { ttl: Some(60), ..Rules::default() };
    let longer = Rules { override_ttl: Some(60), ..Rules::default() };
    let rows = [
        (Rules::default(), "max-age=9", None, "RFC 9110 §9.3.3"),
        (Rules::default(), "s-maxage=9", None, "RFC 9110 §9.3.3"),
        (Rules::default(), "", Some(Unstorable::NoFreshness), "none"),
        (Rules::default(), "public", Some(Unstorable::NoFreshness), "none"),
        (Rules::default(), "max-age=0", Some(Unstorable::NoFreshness), "over at once"),
        (Rules::default(), "private, max-age=9", Some(Unstorable::Private), "RFC 9111 §3"),
        (Rules::default(), "no-store, max-age=9", Some(Unstorable::NoStore), "RFC 9111 §3"),
        (ours, "", Some(Unstorable::NoFreshness), "ours is not the origin's word"),
        (longer, "max-age=9", Some(Unstorable::NoFreshness), "ours is not the origin's word"),
    ];
    for (rules, directives, expected, why) in rows {
        let asked = asked_by(&rules, "GET", &[]);
        let context =
            Context { asked: &asked, rules: &rules, validating: None, exchange: exchange() };
        let judged = receive_posted(context, &cached(directives, &[TAG]));
        assert_eq!(judged.err(), expected, "{why}: {directives}");
    }
}

#[test]
fn without_freshness_only_some_statuses_are_stored() {
    let rows = [
        (200, "", true),
        (404, "", true),
        (301, "", true),
        (302, "", false),
        (403, "", false),
        (500, "", false),
        (403, "public", true),
        (403, "no-cache", false),
    ];
    for (status, directives, expected) in rows {
        let judged =
            judge(&Rules::default(), ("GET", &[]), None, (status, &cached(directives, &[TAG])));
        let stored = reason(judged).is_none();
        assert_eq!(stored, expected, "§3, RFC 9110 §15.1: {status} {directives}");
    }
}

#[test]
fn a_response_to_authorization_is_stored_where_it_may_be_shared() {
    use Authorization::{Bypass, Isolate, Rfc};
    let rows = [
        (Rfc, "max-age=9", Some(Unstorable::Authorization), "§3.5"),
        (Rfc, "max-age=9, public", None, "§3.5: public"),
        (Rfc, "s-maxage=9", None, "§3.5: s-maxage"),
        (Rfc, "max-age=9, must-revalidate", None, "§3.5: must-revalidate"),
        (Rfc, "max-age=9, proxy-revalidate", Some(Unstorable::Authorization), "§3.5"),
        (Isolate, "max-age=9", None, "the credential's own"),
        (Isolate, "max-age=9, private", Some(Unstorable::Private), "all but private"),
        (Isolate, "no-store", Some(Unstorable::NoStore), "and no-store"),
        (Bypass, "max-age=9, public", Some(Unstorable::Bypassed), "never"),
    ];
    for (mode, directives, expected, section) in rows {
        let judged = received(&under(mode), &[KEY], &cached(directives, &[]));
        assert_eq!(reason(judged), expected, "{section}: {mode:?} {directives}");
    }
}

#[test]
fn a_response_that_sets_a_cookie_is_stored_as_the_operator_says() {
    use SetCookie::{Refuse, Rfc, Strip};
    let rows = [
        (Refuse, "max-age=9", SETS, Some(Unstorable::SetCookie)),
        (Refuse, "max-age=9", ("set-cookie2", "a=b"), Some(Unstorable::SetCookie)),
        (Refuse, "max-age=9, public", SETS, None),
        (Refuse, "s-maxage=9", SETS, None),
        (Rfc, "max-age=9", SETS, None),
        (Strip, "max-age=9", SETS, None),
        (Rfc, "", SETS, Some(Unstorable::SetCookie)),
        (Refuse, "public", SETS, Some(Unstorable::SetCookie)),
        (Strip, "", SETS, None),
    ];
    for (set_cookie, directives, field, expected) in rows {
        let rules = Rules { set_cookie, ttl: Some(30), ..Rules::default() };
        let judged = received(&rules, &[], &cached(directives, &[field]));
        assert_eq!(reason(judged), expected, "§7.3: {set_cookie:?} {directives} {field:?}");
    }
}

#[test]
fn what_is_ours_to_say_is_not_said_of_personal_answers() {
    let ttl = Rules { ttl: Some(30), ..Rules::default() };
    let replaced = Rules { override_ttl: Some(30), ..Rules::default() };
    let isolate = Rules { ttl: Some(30), ..under(Authorization::Isolate) };
    let ignore = Rules { cookies: Cookies::Ignore, ..ttl.clone() };
    let cookie = Some(Unstorable::Cookie);
    let rows: [(&Rules, Fields<'_>, &str, Fields<'_>, Option<Unstorable>); 11] = [
        (&ttl, &[], "", &[], None),
        (&ttl, &[COOKIE], "", &[], cookie),
        (&ttl, &[COOKIE], "max-age=9", &[], None),
        (&ttl, &[COOKIE], "public", &[], cookie),
        (&replaced, &[COOKIE], "max-age=9", &[], cookie),
        (&replaced, &[KEY], "max-age=9, public", &[], Some(Unstorable::Authorization)),
        (&isolate, &[KEY], "", &[], None),
        (&isolate, &[KEY, COOKIE], "", &[], cookie),
        (&ignore, &[COOKIE], "", &[], None),
        (&Rules::default(), &[COOKIE], "", &[TAG], cookie),
        (&Rules::default(), &[COOKIE], "no-cache", &[TAG], None),
    ];
    for (rules, request, directives, response, expected) in rows {
        let judged = received(rules, request, &cached(directives, response));
        assert_eq!(reason(judged), expected, "{request:?} {directives} {response:?}");
    }
}

/// What a plain `max-age=9` leaves behind by [`windowed`] rules.
const PLAIN: Meta = Meta {
    received: crate::policy::Mono(0),
    initial_age: 0,
    lifetime: 9,
    curtailed: 0,
    stale_while_revalidate: 7,
    stale_if_error: 8,
    keep: 5,
    no_cache: false,
    must_revalidate: false,
    ours: false,
    shared: false,
    validator: false,
    authorized: false,
    cookie: false,
};

/// The same where stale use is forbidden.
const FORBIDDEN: Meta = Meta { stale_while_revalidate: 0, stale_if_error: 0, ..PLAIN };

fn windowed() -> Rules {
    Rules { stale_while_revalidate: Some(7), stale_if_error: Some(8), keep: 5, ..Rules::default() }
}

#[test]
fn what_is_remembered_is_what_was_said() {
    let revalidated = Meta { must_revalidate: true, ..FORBIDDEN };
    let rows: [(&str, Fields<'_>, Meta, &str); 8] = [
        ("max-age=9", &[], PLAIN, "the operator's windows"),
        ("max-age=9", &[TAG], Meta { validator: true, ..PLAIN }, "§4.3.1"),
        ("max-age=9", &[("age", "4")], Meta { initial_age: 4000, ..PLAIN }, "§4.2.3"),
        ("max-age=9, public", &[], Meta { shared: true, ..PLAIN }, "§5.2.2.9"),
        ("s-maxage=9", &[], Meta { shared: true, ..revalidated }, "§5.2.2.10"),
        ("max-age=9, proxy-revalidate", &[], revalidated, "§5.2.2.8"),
        (
            "max-age=9, must-revalidate, stale-if-error=2",
            &[],
            Meta { shared: true, ..revalidated },
            "§5.2.2.2",
        ),
        (
            "max-age=9, no-cache",
            &[TAG],
            Meta { no_cache: true, validator: true, ..FORBIDDEN },
            "§5.2.2.4",
        ),
    ];
    for (directives, fields, expected, section) in rows {
        let meta = stored(&windowed(), &[], &cached(directives, fields));
        assert_eq!(meta, expected, "{section}: {directives} {fields:?}");
    }
    let asked = stored(&windowed(), &[KEY, COOKIE], &cached("max-age=9, public", &[]));
    let expected = Meta { shared: true, authorized: true, cookie: true, ..PLAIN };
    assert_eq!(asked, expected, "§3.5: who asked for it");
}

#[test]
fn the_operators_window_follows_freshness_and_makes_none() {
    let never_fresh = Meta { lifetime: 0, stale_while_revalidate: 0, validator: true, ..PLAIN };
    let rows = [
        (
            "max-age=9, stale-while-revalidate=1, stale-if-error=2",
            Meta { stale_while_revalidate: 1, stale_if_error: 2, validator: true, ..PLAIN },
            "RFC 5861 §3, §4: the origin's before",
        ),
        ("max-age=0", never_fresh, "the operator's stale-if-error alone"),
        (
            "max-age=0, stale-while-revalidate=1",
            Meta { stale_while_revalidate: 1, ..never_fresh },
            "RFC 5861 §3: the origin's",
        ),
        ("", Meta { ours: true, ..never_fresh }, "that it may be shared is our conclusion"),
        ("public", Meta { shared: true, ..never_fresh }, "§5.2.2.9: is the origin's word"),
        (
            "no-cache",
            Meta { no_cache: true, stale_if_error: 0, ..never_fresh },
            "§5.2.2.4: is the origin's word",
        ),
    ];
    for (directives, expected, section) in rows {
        let meta = stored(&windowed(), &[], &cached(directives, &[TAG]));
        assert_eq!(meta, expected, "{section}: {directives}");
    }
}

#[test]
fn an_error_does_not_stand_in_for_an_error() {
    let response = cached("max-age=9, stale-if-error=60", &[]);
    for (status, expected) in [(200, 60), (404, 60), (500, 0), (502, 0), (503, 0), (504, 0)] {
        let judged = judge(&Rules::default(), ("GET", &[]), None, (status, &response));
        let Received::Storable(meta) = judged else { panic!("{status}: {judged:?}") };
        assert_eq!(meta.stale_if_error, expected, "RFC 5861 §4: {status}");
    }
}

fn validating<'a>(meta: &'a Meta, etag: Option<&'a str>) -> Option<Validating<'a>> {
    let etag = etag.map(str::as_bytes);
    Some(Validating { meta, validators: Validators { etag, ..Validators::default() } })
}

/// RFC 9111 §4.3.4: "If the new response contains one or more strong validators, then each of those
/// strong validators identifies a selected representation for update. [...] If none of the initial
/// set contains at least one of the same strong validators, then the cache MUST NOT use the new
/// response to update any stored responses. If the new response contains no strong validators but
/// does contain one or more weak validators, and if those validators correspond to one of the
/// initial set's stored responses, then the most recent of those matching stored responses is
/// identified for update."
#[test]
fn a_304_speaks_of_the_response_that_its_validator_names() {
    use Received::{Mismatched, Validated};
    const LATER: &str = "Sun, 06 Nov 1994 08:50:37 GMT";
    let date = ("last-modified", EPOCH_DATE);
    let rows: [(Fields<'_>, Fields<'_>, Received, &str); 20] = [
        (&[TAG], &[TAG], Validated, "the same strong one"),
        (&[TAG], &[TAG, TAG], Validated, "said twice"),
        (&[TAG], &[("etag", "\"b\"")], Mismatched, "another strong one"),
        (&[TAG], &[("etag", "\"b\""), TAG], Mismatched, "several that differ"),
        (&[TAG], &[("etag", "W/\"a\"")], Validated, "a weak one that corresponds"),
        (&[TAG], &[("etag", "W/\"b\"")], Mismatched, "another weak one"),
        (&[("etag", "W/\"a\"")], &[("etag", "W/\"a\"")], Validated, "the same weak one"),
        (&[("etag", "W/\"a\"")], &[TAG], Mismatched, "no stored one is strong"),
        (&[("etag", "a")], &[("etag", "a")], Validated, "the same malformed one"),
        (&[("etag", "\"larder-0f\"")], &[TAG], Mismatched, "ours is none of the origin's"),
        (&[date], &[TAG], Mismatched, "nothing stored has one"),
        (&[date], &[TAG, date], Mismatched, "nothing stored has this strong one"),
        (&[TAG, date], &[TAG, ("last-modified", LATER)], Validated, "the strong one decides"),
        (&[date], &[date], Validated, "the same date"),
        (&[TAG, date], &[date], Validated, "the same date"),
        (&[date], &[("last-modified", LATER)], Mismatched, "another date"),
        (&[date], &[date, ("last-modified", LATER)], Mismatched, "several that differ"),
        (&[TAG], &[date], Mismatched, "nothing stored has one"),
        (&[TAG], &[], Validated, "none: it answers our question"),
        (&[date], &[], Validated, "none: it answers our question"),
    ];
    for (stored, received, expected, why) in rows {
        for method in ["GET", "HEAD"] {
            let (meta, stored) = (Meta { validator: true, ..Meta::default() }, headers(stored));
            let validators = Validators::of(&stored);
            let validating = Some(Validating { meta: &meta, validators });
            let response = (304, &headers(received));
            let judged = judge(&Rules::default(), (method, &[]), validating, response);
            assert_eq!(judged, expected, "§4.3.4 {why}: {method} {stored:?} {received:?}");
        }
    }
}

#[test]
fn a_validation_that_brings_a_new_response_stores_it() {
    let meta = Meta::default();
    let response = cached("max-age=9", &[]);
    for (method, fields) in [("GET", &[][..]), ("HEAD", &[]), ("GET", &[("range", "bytes=0-1")])] {
        let judged =
            judge(&Rules::default(), (method, fields), validating(&meta, None), (200, &response));
        assert!(matches!(judged, Received::Storable(_)), "§4.3.3: {method} {fields:?}: {judged:?}");
    }
}

#[test]
fn a_stale_response_stands_in_for_an_error() {
    let honor = Rules { request_cache_control: RequestCacheControl::Honor, ..Rules::default() };
    let ignore = Rules::default();
    let sie = Meta { lifetime: 10, stale_if_error: 60, ..Meta::default() };
    let none = Meta { stale_if_error: 0, ..sie };
    let rows = [
        (&ignore, "", sie, 70, true, "RFC 5861 §4: within the window"),
        (&ignore, "", sie, 71, false, "RFC 5861 §4: past it"),
        (&ignore, "", none, 10, false, "RFC 5861 §4: no window"),
        (&ignore, "", none, 9, true, "§4.3.3: it is still fresh"),
        (&ignore, "", Meta { must_revalidate: true, ..sie }, 9, true, "§5.2.2.2: fresh"),
        (&ignore, "", Meta { must_revalidate: true, ..sie }, 11, false, "§5.2.2.2"),
        (&ignore, "", Meta { no_cache: true, ..sie }, 11, false, "§4.2.4"),
        (&ignore, "", Meta { no_cache: true, ..sie }, 9, false, "§5.2.2.4"),
        (&ignore, "stale-if-error=60", none, 11, false, "the client's wish is ignored"),
        (&honor, "stale-if-error=60", none, 70, true, "RFC 5861 §4: the client's window"),
        (&honor, "stale-if-error=1", sie, 70, true, "RFC 5861 §4: either allows"),
        (&honor, "stale-if-error=60", Meta { must_revalidate: true, ..none }, 11, false, "§4.2.4"),
    ];
    for (rules, directives, meta, second, expected, section) in rows {
        let asked = asked_by(rules, "GET", &[("cache-control", directives)]);
        let exchange = Exchange { request: at(0), response: at(second) };
        let validating = validating(&meta, None);
        let context = Context { asked: &asked, rules, validating, exchange };
        assert_eq!(may_stand_in(context), expected, "{section}: at {second}: {meta:?}");
        for status in [500, 502, 503, 504] {
            let status = StatusCode::from_u16(status).expect("a status");
            let stands_in = receive(context, status, &headers(&[])) == Received::StaleIfError;
            assert_eq!(stands_in, expected, "{section}: {status} at {second}: {meta:?}");
        }
        for status in [StatusCode::OK, StatusCode::NOT_FOUND, StatusCode::NOT_IMPLEMENTED] {
            let judged = receive(context, status, &headers(&[]));
            assert_ne!(judged, Received::StaleIfError, "RFC 5861 §4: {status}");
        }
        let alone = Context { validating: None, ..context };
        assert!(!may_stand_in(alone), "nothing is stored");
    }
}

#[test]
fn vary_becomes_a_sorted_list_of_names() {
    let names =
        |count: usize| (0..count).map(|n| format!("x-{n:02}")).collect::<Vec<_>>().join(",");
    type Row = (Vec<&'static str>, Result<Vec<&'static str>, Unstorable>, &'static str);
    let rows: [Row; 11] = [
        (vec![], Ok(vec![]), "none"),
        (vec!["Accept"], Ok(vec!["accept"]), "RFC 9110 §5.1: in any case"),
        (vec!["b, A ,b", "a,C"], Ok(vec!["a", "b", "c"]), "RFC 9110 §12.5.5"),
        (vec!["", " , "], Ok(vec![]), "RFC 9110 §5.6.1.2"),
        (vec!["*"], Err(Unstorable::VaryStar), "§4.1"),
        (vec!["*, *"], Err(Unstorable::VaryStar), "§4.1"),
        (vec!["", "*"], Err(Unstorable::VaryStar), "§4.1"),
        (vec!["foo, *"], Err(Unstorable::VaryStar), "§4.1"),
        (vec!["foo bar"], Err(Unstorable::VaryStar), "no field name"),
        (vec!["\"foo\""], Err(Unstorable::VaryStar), "no field name"),
        (vec!["f\u{e9}"], Err(Unstorable::VaryStar), "no field name"),
    ];
    for (lines, expected, section) in rows {
        let fields: Vec<_> = lines.iter().map(|line| ("vary", *line)).collect();
        let read = vary(&headers(&fields));
        let read = read.as_ref().map(|names| names.iter().map(http::HeaderName::as_str).collect());
        assert_eq!(read.map_err(|reason| *reason), expected, "{section}: {lines:?}");
    }
    assert_eq!(vary(&headers(&[("vary", &names(16))])).map(|names| names.len()), Ok(16));
    assert_eq!(vary(&headers(&[("vary", &names(17))])), Err(Unstorable::VaryTooLong));
    let twice = [("vary", names(16)), ("vary", names(16))];
    let twice: Vec<_> = twice.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(vary(&headers(&twice)).map(|names| names.len()), Ok(16), "each once");
    let starred = format!("{},*", names(40));
    assert_eq!(vary(&headers(&[("vary", &starred)])), Err(Unstorable::VaryStar), "wherever");
}

#[test]
fn only_what_the_resource_says_predicts_more() {
    use Unstorable::{
        Authorization, Bypassed, Cookie, Method, NoFreshness, NoRoom, NoStore, Partial, Private,
        RequestNoStore, SetCookie, Status, TooLarge, Trailers, VaryStar, VaryTooLong,
    };
    let resources =
        [NoStore, Private, SetCookie, VaryStar, VaryTooLong, NoFreshness, Bypassed, TooLarge];
    let requests =
        [Method, RequestNoStore, Authorization, Cookie, Partial, Status, Trailers, NoRoom];
    for (reasons, expected) in [(resources, true), (requests, false)] {
        for reason in reasons {
            assert_eq!(reason.predicts_more(), expected, "{}", reason.token());
        }
    }
    assert!(!Unstorable::Precondition.predicts_more(), "of this request alone");
}

proptest! {
    #[test]
    fn no_two_users_share_what_neither_http_nor_the_operator_shares(
        directives in vec(select(&DIRECTIVES[..]), 0..4),
        fields in vec(select(&FIELDS[..]), 0..4),
        status in select(&[200_u16, 203, 299, 302, 404, 500, 503][..]),
    ) {
        let rules = Rules { ttl: Some(30), heuristic: Some(10), ..Rules::default() };
        let directives = directives.join(", ");
        let response = cached(&directives, &fields);
        for request in [&[KEY][..], &[COOKIE], &[KEY, COOKIE]] {
            let judged = judge(&rules, ("GET", request), None, (status, &response));
            let Received::Storable(meta) = judged else { continue };
            let says = |name: &str| directives.contains(name);
            assert!(!says("no-store") && !says("private"), "§3: {directives}");
            assert!(!meta.ours, "safe by default: {request:?} {directives} {fields:?}");
            let shared = says("public") || says("s-maxage") || says("must-revalidate");
            assert!(request == [COOKIE] || shared, "§3.5: {directives}");
        }
    }
}

const DIRECTIVES: [&str; 10] = [
    "no-store",
    "private",
    "public",
    "max-age=9",
    "max-age=0",
    "s-maxage=9",
    "no-cache",
    "must-revalidate",
    "stale-while-revalidate=9",
    "proxy-revalidate",
];

const FIELDS: [(&str, &str); 6] = [
    TAG,
    ("last-modified", EPOCH_DATE),
    ("expires", "0"),
    ("vary", "accept"),
    ("date", EPOCH_DATE),
    SETS,
];
