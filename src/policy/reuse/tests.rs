use proptest::{collection::vec, prelude::any, proptest};

use super::{Decision, Fwd, decide, satisfies};
use crate::policy::{
    Meta, Rules,
    fixtures::{asked, asked_by, at},
    rules::{Authorization, Cookies, RequestCacheControl},
};

type Outcome = Decision<()>;
type Fields<'a> = &'a [(&'a str, &'a str)];

const SERVE: Outcome = Decision::Serve(());
const SERVE_STALE: Outcome = Decision::ServeStale(());
const VALIDATE: Outcome = Decision::Validate((), Fwd::Stale);
const VALIDATE_REQUEST: Outcome = Decision::Validate((), Fwd::Request);
const NONE: Outcome = Decision::Unsatisfiable;
const KEY: (&str, &str) = ("authorization", "Bearer x");
const COOKIE: (&str, &str) = ("cookie", "sid=1");

/// Received at 0, fresh until 60, with a validator.
const MINUTE: Meta = Meta {
    received: crate::policy::Mono(0),
    initial_age: 0,
    lifetime: 60,
    curtailed: 0,
    stale_while_revalidate: 0,
    stale_if_error: 0,
    keep: 3600,
    no_cache: false,
    must_revalidate: false,
    ours: false,
    shared: false,
    validator: true,
    authorized: false,
    cookie: false,
};

fn honor() -> Rules {
    Rules { request_cache_control: RequestCacheControl::Honor, ..Rules::default() }
}

fn under(authorization: Authorization) -> Rules {
    Rules { authorization, ..Rules::default() }
}

fn outcome(rules: &Rules, method: &str, fields: Fields<'_>, meta: &Meta, second: i64) -> Outcome {
    let asked = asked_by(rules, method, fields);
    match decide(&asked, rules, Ok(meta), at(second)) {
        Decision::Serve(_) => Decision::Serve(()),
        Decision::ServeStale(_) => Decision::ServeStale(()),
        Decision::Validate(_, fwd) => Decision::Validate((), fwd),
        Decision::Fetch(fwd) => Decision::Fetch(fwd),
        Decision::Pass(fwd) => Decision::Pass(fwd),
        Decision::Unsatisfiable => Decision::Unsatisfiable,
    }
}

fn missed(rules: &Rules, method: &str, fields: Fields<'_>) -> Decision<&'static Meta> {
    decide(&asked_by(rules, method, fields), rules, Err(Fwd::VaryMiss), at(0))
}

#[test]
fn what_is_fresh_is_served_and_what_is_stale_validated() {
    let rows = [
        (MINUTE, 0, SERVE, "§4.2: fresh"),
        (MINUTE, 59, SERVE, "§4.2: fresh"),
        (MINUTE, 60, VALIDATE, "§4.2: fresh while the lifetime is greater than the age"),
        (MINUTE, 99_999, VALIDATE, "§4.3: stale"),
        (Meta { initial_age: 59_999, ..MINUTE }, 0, SERVE, "§4.2.3: its age when it came"),
        (Meta { initial_age: 60_000, ..MINUTE }, 0, VALIDATE, "§4.2.3: its age when it came"),
        (Meta { lifetime: 0, ..MINUTE }, 0, VALIDATE, "§5.2.2.1: max-age=0"),
        (Meta { no_cache: true, ..MINUTE }, 0, VALIDATE, "§5.2.2.4: no-cache"),
        (Meta { must_revalidate: true, ..MINUTE }, 59, SERVE, "§5.2.2.2: once it is stale"),
        (Meta { validator: false, ..MINUTE }, 60, VALIDATE, "for stale-if-error, too"),
    ];
    for (meta, second, expected, section) in rows {
        for method in ["GET", "HEAD"] {
            let outcome = outcome(&Rules::default(), method, &[], &meta, second);
            assert_eq!(outcome, expected, "RFC 9111 {section}: {method} at {second}: {meta:?}");
        }
    }
}

#[test]
fn stale_while_revalidate_ends_with_its_window() {
    let meta = Meta { stale_while_revalidate: 30, ..MINUTE };
    let rows = [
        (meta, 59, SERVE, "RFC 5861 §3: fresh"),
        (meta, 60, SERVE_STALE, "RFC 5861 §3: within"),
        (meta, 90, SERVE_STALE, "RFC 5861 §3: up to the indicated number of seconds"),
        (meta, 91, VALIDATE, "RFC 5861 §3: past it"),
        (Meta { must_revalidate: true, ..meta }, 61, VALIDATE, "§4.2.4: must-revalidate forbids"),
        (Meta { no_cache: true, ..meta }, 61, VALIDATE, "§4.2.4: no-cache forbids"),
        (Meta { no_cache: true, ..meta }, 0, VALIDATE, "§4.2.4: no-cache forbids"),
    ];
    for (meta, second, expected, section) in rows {
        let outcome = outcome(&Rules::default(), "GET", &[], &meta, second);
        assert_eq!(outcome, expected, "{section}: at {second}: {meta:?}");
    }
}

#[test]
fn some_requests_are_always_forwarded() {
    let default = Rules::default();
    let rows: [(&str, Fields<'_>, Fwd, &str); 8] = [
        ("POST", &[], Fwd::Method, "§4: the method"),
        ("OPTIONS", &[], Fwd::Method, "§4: the method"),
        ("DELETE", &[("cache-control", "only-if-cached")], Fwd::Method, "§5.2.1.7 is of GETs"),
        ("GET", &[("cache-control", "no-store")], Fwd::Request, "§5.2.1.5"),
        ("GET", &[("if-match", "\"a\"")], Fwd::Request, "§4.3.2: the origin's to judge"),
        ("GET", &[("if-unmodified-since", "x")], Fwd::Request, "§4.3.2: the origin's to judge"),
        ("HEAD", &[("cache-control", "no-store")], Fwd::Request, "§5.2.1.5"),
        ("HEAD", &[("if-match", "*")], Fwd::Request, "§4.3.2"),
    ];
    for (method, fields, fwd, section) in rows {
        let hit = outcome(&default, method, fields, &MINUTE, 0);
        assert_eq!(hit, Decision::Pass(fwd), "RFC 9111 {section}: {method} {fields:?}");
        assert_eq!(missed(&default, method, fields), Decision::Pass(fwd), "{section}: a miss");
    }
}

#[test]
fn content_and_the_operators_bypass_leave_the_cache_out() {
    let content = crate::policy::Asked { content: true, ..asked("GET", &[]) };
    let decision = decide(&content, &Rules::default(), Ok(&MINUTE), at(0));
    assert_eq!(decision, Decision::Pass(Fwd::Bypass), "what it means is unknown");

    let bypass = under(Authorization::Bypass);
    let passed = outcome(&bypass, "GET", &[KEY], &MINUTE, 0);
    assert_eq!(passed, Decision::Pass(Fwd::Bypass), "authorization = \"bypass\"");
    assert_eq!(outcome(&bypass, "GET", &[], &MINUTE, 0), SERVE, "without Authorization");
}

#[test]
fn a_miss_is_fetched_where_it_can_be_stored() {
    let default = Rules::default();
    let rows: [(&str, Fields<'_>, Decision<&Meta>); 5] = [
        ("GET", &[], Decision::Fetch(Fwd::VaryMiss)),
        ("GET", &[COOKIE], Decision::Fetch(Fwd::VaryMiss)),
        ("GET", &[KEY], Decision::Fetch(Fwd::VaryMiss)),
        ("GET", &[("range", "bytes=0-1")], Decision::Pass(Fwd::VaryMiss)),
        ("HEAD", &[], Decision::Pass(Fwd::VaryMiss)),
    ];
    for (method, fields, expected) in rows {
        assert_eq!(missed(&default, method, fields), expected, "{method} {fields:?}");
    }
    let ranged = [("range", "bytes=0-1")];
    assert_eq!(outcome(&default, "GET", &ranged, &MINUTE, 0), SERVE, "RFC 9110 §14.2");
    assert_eq!(outcome(&default, "GET", &ranged, &MINUTE, 60), VALIDATE, "as without Range");
}

#[test]
fn only_if_cached_never_reaches_the_origin() {
    let swr = Meta { stale_while_revalidate: 30, ..MINUTE };
    let rows: [(Rules, &str, Fields<'_>, Meta, i64, Outcome); 9] = [
        (Rules::default(), "only-if-cached", &[], MINUTE, 0, SERVE),
        (Rules::default(), "only-if-cached", &[], MINUTE, 60, NONE),
        (Rules::default(), "only-if-cached", &[], swr, 61, SERVE),
        (Rules::default(), "only-if-cached, max-stale", &[], MINUTE, 61, NONE),
        (honor(), "only-if-cached, max-stale", &[], MINUTE, 61, SERVE),
        (honor(), "only-if-cached, no-cache", &[], MINUTE, 2, NONE),
        (Rules::default(), "only-if-cached, no-store", &[], MINUTE, 0, NONE),
        (Rules::default(), "only-if-cached", &[("if-match", "*")], MINUTE, 0, NONE),
        (under(Authorization::Bypass), "only-if-cached", &[KEY], MINUTE, 0, NONE),
    ];
    for (rules, directives, others, meta, second, expected) in rows {
        let fields = [&[("cache-control", directives)], others].concat();
        let outcome = outcome(&rules, "GET", &fields, &meta, second);
        assert_eq!(outcome, expected, "§5.2.1.7: {fields:?} at {second}");
    }
    for method in ["GET", "HEAD"] {
        let missed = missed(&Rules::default(), method, &[("cache-control", "only-if-cached")]);
        assert_eq!(missed, Decision::Unsatisfiable, "§5.2.1.7: 504, {method}");
    }
}

#[test]
fn a_client_may_demand_freshness_only_where_the_operator_says_so() {
    let swr = Meta { stale_while_revalidate: 30, ..MINUTE };
    let must = Meta { must_revalidate: true, ..MINUTE };
    let rows = [
        ("no-cache", MINUTE, 2, VALIDATE_REQUEST, SERVE, "§5.2.1.4"),
        ("no-cache", MINUTE, 0, SERVE, SERVE, "at most one validation a second"),
        ("no-cache", MINUTE, 61, VALIDATE, VALIDATE, "§5.2.1.4: it is stale as well"),
        ("no-cache", swr, 61, VALIDATE, SERVE_STALE, "§5.2.1.4"),
        ("max-age=0", MINUTE, 2, VALIDATE_REQUEST, SERVE, "§5.2.1.1"),
        ("max-age=30", MINUTE, 30, SERVE, SERVE, "§5.2.1.1: less or equal"),
        ("max-age=30", MINUTE, 31, VALIDATE_REQUEST, SERVE, "§5.2.1.1"),
        ("max-age=99", swr, 61, VALIDATE, SERVE_STALE, "§5.2.1.1: no stale one"),
        ("max-age=99, max-stale=9", MINUTE, 61, SERVE, VALIDATE, "§5.2.1.1: but with max-stale"),
        ("min-fresh=30", MINUTE, 30, SERVE, SERVE, "§5.2.1.3: at least as long"),
        ("min-fresh=30", MINUTE, 31, VALIDATE_REQUEST, SERVE, "§5.2.1.3"),
        ("min-fresh=30", swr, 61, VALIDATE, SERVE_STALE, "§5.2.1.3"),
        ("max-stale=9", MINUTE, 69, SERVE, VALIDATE, "§5.2.1.2: no more than"),
        ("max-stale=9", MINUTE, 70, VALIDATE, VALIDATE, "§5.2.1.2"),
        ("max-stale", MINUTE, 99_999, SERVE, VALIDATE, "§5.2.1.2: any age"),
        ("max-stale=0", MINUTE, 60, VALIDATE, VALIDATE, "§5.2.1.2"),
        ("max-stale", must, 61, VALIDATE, VALIDATE, "§4.2.4: must-revalidate forbids"),
        ("max-stale", Meta { no_cache: true, ..MINUTE }, 2, VALIDATE, VALIDATE, "§4.2.4"),
    ];
    for (directives, meta, second, honored, ignored, section) in rows {
        let fields = [("cache-control", directives)];
        let by = |rules: &Rules| outcome(rules, "GET", &fields, &meta, second);
        assert_eq!(by(&honor()), honored, "honor {section}: {directives} at {second}");
        assert_eq!(by(&Rules::default()), ignored, "ignore {section}: {directives} at {second}");
    }
}

#[test]
fn freshness_that_is_ours_is_not_for_personal_requests() {
    let ours = Meta { ours: true, ..MINUTE };
    let isolate = under(Authorization::Isolate);
    let ignore = Rules { cookies: Cookies::Ignore, ..Rules::default() };
    let pass = Decision::Pass(Fwd::Request);
    let rows: [(Rules, Fields<'_>, Meta, Outcome, &str); 8] = [
        (Rules::default(), &[], ours, SERVE, "nothing personal"),
        (Rules::default(), &[KEY], ours, pass, "Authorization"),
        (Rules::default(), &[COOKIE], ours, pass, "Cookie"),
        (Rules::default(), &[KEY], MINUTE, SERVE, "§3.5 is of what answered Authorization"),
        (Rules::default(), &[COOKIE], MINUTE, SERVE, "the origin's explicit freshness is shared"),
        (isolate.clone(), &[KEY], ours, SERVE, "the credential is part of the key"),
        (isolate, &[KEY, COOKIE], ours, pass, "but not the cookie"),
        (ignore, &[COOKIE], ours, SERVE, "the cookie is not forwarded"),
    ];
    for (rules, fields, meta, expected, why) in rows {
        assert_eq!(outcome(&rules, "GET", fields, &meta, 0), expected, "{why}: {fields:?}");
    }
}

#[test]
fn what_one_credential_got_is_not_for_another() {
    let theirs = Meta { authorized: true, ..MINUTE };
    let shared = Meta { shared: true, ..theirs };
    let refetch = Decision::Fetch(Fwd::Request);
    let rows: [(Rules, Fields<'_>, Meta, Outcome); 5] = [
        (Rules::default(), &[], theirs, refetch),
        (Rules::default(), &[KEY], theirs, refetch),
        (Rules::default(), &[], shared, SERVE),
        (Rules::default(), &[KEY], shared, SERVE),
        (under(Authorization::Isolate), &[KEY], theirs, SERVE),
    ];
    for (rules, fields, meta, expected) in rows {
        let outcome = outcome(&rules, "GET", fields, &meta, 0);
        assert_eq!(outcome, expected, "§3.5: {fields:?} {meta:?}");
    }
}

#[test]
fn a_follower_takes_what_is_fresh_or_came_after_it_asked() {
    let stale = Meta { lifetime: 0, ..MINUTE };
    let no_cache = Meta { no_cache: true, ..MINUTE };
    let rows: [(Rules, Fields<'_>, Meta, i64, bool, &str); 22] = [
        (Rules::default(), &[], MINUTE, 5, true, "fresh, and older than the request"),
        (Rules::default(), &[], stale, 0, true, "received since it asked"),
        (Rules::default(), &[], stale, -1, true, "received since it asked"),
        (Rules::default(), &[], stale, 1, false, "stale, and older than the request"),
        (Rules::default(), &[], no_cache, 0, true, "received since it asked"),
        (Rules::default(), &[], no_cache, 1, false, "§5.2.2.4"),
        (honor(), &[("cache-control", "no-cache")], MINUTE, 0, true, "as good as its own"),
        (Rules::default(), &[COOKIE], MINUTE, 0, true, "explicitly fresh is shared"),
        (Rules::default(), &[COOKIE], stale, 0, false, "meant to be validated for each"),
        (Rules::default(), &[COOKIE], no_cache, 0, false, "§5.2.2.4"),
        (Rules::default(), &[], Meta { cookie: true, ..no_cache }, 0, false, "the leader's own"),
        (Rules::default(), &[], Meta { cookie: true, ..MINUTE }, 0, true, "explicitly fresh"),
        (Rules::default(), &[COOKIE], Meta { ours: true, ..MINUTE }, 0, false, "ours"),
        (Rules::default(), &[KEY], Meta { ours: true, ..MINUTE }, 0, false, "ours"),
        (Rules::default(), &[KEY], stale, 0, false, "meant to be validated for each"),
        (Rules::default(), &[KEY], Meta { shared: true, ..stale }, 0, false, "§3.5, §4"),
        (Rules::default(), &[], Meta { authorized: true, ..MINUTE }, 0, false, "§3.5"),
        (
            Rules::default(),
            &[],
            Meta { authorized: true, shared: true, ..stale },
            0,
            false,
            "§3.5: must-revalidate lets it be stored, not used as it is",
        ),
        (under(Authorization::Isolate), &[KEY], stale, 0, true, "its own credential's"),
        (
            under(Authorization::Isolate),
            &[KEY],
            Meta { authorized: true, ours: true, ..stale },
            0,
            true,
            "its own credential's",
        ),
        (under(Authorization::Isolate), &[KEY, COOKIE], stale, 0, false, "but not its cookie's"),
        (honor(), &[("cache-control", "min-fresh=99")], MINUTE, 0, true, "it gets no fresher"),
    ];
    for (rules, fields, meta, arrived, expected, why) in rows {
        let asked = asked_by(&rules, "GET", fields);
        let satisfied = satisfies(&asked, &rules, at(arrived), &meta, at(9));
        assert_eq!(satisfied, expected, "§4 {why}: {fields:?} at {arrived}: {meta:?}");
    }
}

#[test]
fn a_follower_is_given_nothing_stale() {
    let asked = asked("GET", &[]);
    let swr = Meta { stale_while_revalidate: 99, ..MINUTE };
    let satisfied = satisfies(&asked, &Rules::default(), at(1), &swr, at(61));
    assert!(!satisfied, "a follower waits for a fetch, and a stale answer is not one");
}

proptest! {
    #[test]
    fn only_if_cached_is_never_forwarded_and_no_cache_never_served(
        flags in vec(any::<bool>(), 7),
        lifetime in 0_u32..100,
        second in 0_i64..200,
    ) {
        let meta = Meta {
            lifetime,
            no_cache: flags[0],
            must_revalidate: flags[1],
            ours: flags[2],
            stale_while_revalidate: if flags[3] { 50 } else { 0 },
            ..MINUTE
        };
        let directives = match (flags[4], flags[5]) {
            (true, true) => "only-if-cached, max-stale",
            (true, false) => "only-if-cached",
            (false, true) => "max-stale=10",
            (false, false) => "max-age=5",
        };
        let rules = if flags[6] { honor() } else { Rules::default() };
        let outcome = outcome(&rules, "GET", &[("cache-control", directives)], &meta, second);
        let served = matches!(outcome, SERVE | SERVE_STALE);
        assert!(!flags[4] || served || outcome == NONE, "§5.2.1.7: {outcome:?}");
        assert!(!(served && meta.no_cache), "§5.2.2.4: {meta:?}");
        let stale = meta.fresh_for(at(second)) <= 0;
        assert!(!(served && stale && meta.must_revalidate), "§5.2.2.2: {meta:?} at {second}");
    }
}
