//! `[throttle]`, `validate` and `quota`: what they become, and what they refuse.

use std::time::Duration;

use super::*;
use crate::config::throttle::{Count, Headers, Limit, Mode, Part, Prefixes, Rate, Scope, Validate};

fn limits(rest: &str) -> Vec<Vec<Limit>> {
    with(rest).unwrap().routes.into_iter().map(|route| route.throttle).collect()
}

fn per(count: u32, seconds: u64) -> Rate {
    Rate { count, per: Duration::from_secs(seconds) }
}

#[test]
fn a_rate_is_enough() {
    let [default] = &limits("[throttle]\nrate = '100/s'")[..] else { panic!("one route") };
    let expected = Limit {
        scope: Scope::Everywhere,
        key: vec![Part::ClientIp],
        prefixes: Prefixes { v4: 32, v6: 64 },
        rate: per(100, 1),
        burst: 100,
        mode: Mode::Reject,
        max_wait: Duration::from_secs(2),
        count: Count::All,
        headers: Headers::On429,
        allow: Vec::new(),
        max_keys: 1_000_000,
    };
    assert_eq!(default[..], [expected]);
    for (text, rate, burst) in [("60/min", per(60, 60), 1), ("7200/h", per(7200, 3600), 2)] {
        let limit = &limits(&format!("[throttle]\nrate = '{text}'"))[0][0];
        assert_eq!((limit.rate, limit.burst), (rate, burst), "one second's, at least 1");
    }
}

#[test]
fn a_route_keeps_what_it_does_not_say() {
    let text = "[throttle]\nrate = '100/s'\nburst = 7\nkey = ['client_ip', 'header:X-Api-Key']\n\
                mode = 'queue'\nprefixes = { ipv6 = 48 }\n\
                [[routes]]\nmatch.path = '/a'\nthrottle = { rate = '5/s' }\n\
                [[routes]]\nmatch.path = '/b'\nthrottle = []\n\
                [[routes]]\nmatch.path = '/c'\n\
                throttle = [{ rate = '1/s' }, { rate = '9/h', key = 'cookie:sid' }]";
    let [a, b, c, all] = &limits(text)[..] else { panic!("four routes") };
    assert_eq!((a[0].rate, a[0].burst, a[0].mode), (per(5, 1), 5, Mode::Queue));
    assert_eq!((&a[0].key, a[0].prefixes), (&all[0].key, Prefixes { v4: 32, v6: 48 }));
    assert_eq!(a[0].scope, Scope::Route("/a".to_owned()), "it counts for itself");
    assert!(b.is_empty());
    assert_eq!((c[0].mode, c[1].key.clone()), (Mode::Reject, vec![Part::Cookie("sid".into())]));
    assert_eq!(all[0].scope, Scope::Everywhere);
}

#[test]
fn mistakes_are_told() {
    let rate = "is not a rate: write a whole number, / and s, min or h, as in \"100/s\"";
    let key = "is nothing that clients are told apart by: write \"client_ip\", \"header:NAME\" or \
               \"cookie:NAME\"";
    let cookie = "p:6: routes.throttle: counts by a cookie, which cache.cookies = \"ignore\" takes \
                  out of requests: change one of them";
    problems(&[
        (
            "[throttle]\nburst = 1",
            &["p:3: throttle.rate: is missing: write how often, as in rate = \"100/s\""],
        ),
        ("[throttle]\nrate = '100'", &[&format!("p:4: throttle.rate: \"100\" {rate}")]),
        ("[throttle]\nrate = '1/day'", &[&format!("p:4: throttle.rate: \"1/day\" {rate}")]),
        (
            "[throttle]\nrate = '0/s'",
            &["p:4: throttle.rate: \"0/s\" is out of range: write 1 to 1000000 in a unit of time"],
        ),
        ("[throttle]\nrate = '1/s'\nkey = 'ip'", &[&format!("p:5: throttle.key: \"ip\" {key}")]),
        (
            "[throttle]\nrate = '1/s'\nburst = 0",
            &["p:5: throttle.burst: \"0\" is out of range: write 1 to 1000000"],
        ),
        (
            "[[throttle]]\nrate = '1/s'\n[[throttle]]\nrate = '1/s'",
            &["p:3: throttle: has the same limit twice: remove one, or change its rate"],
        ),
        (
            "[[routes]]\nmatch.path = '/a'\ncache.cookies = 'ignore'\n\
             throttle = { rate = '1/s', key = 'cookie:sid' }",
            &[cookie],
        ),
        (
            "[upstreams.a]\nurl = 'http://a'\nquota = { follow_headers = false }",
            &["p:5: upstreams.a.quota.rate: is missing: write how often, as in rate = \"100/min\""],
        ),
    ]);
}

#[test]
fn a_route_says_what_it_takes() {
    let text = "[[routes]]\nmatch.path = '/a'\nvalidate = { methods = ['GET'], max_body = '1MiB', \
                content_types = ['Application/JSON'] }";
    let expected = Validate {
        methods: vec!["GET".to_owned()],
        max_body: Some(1 << 20),
        content_types: vec!["application/json".to_owned()],
    };
    let [route, default] = &with(text).unwrap().routes[..] else { panic!("two routes") };
    assert_eq!((&route.validate, &default.validate), (&expected, &Validate::default()));
}

#[test]
fn an_upstream_has_a_quota() {
    let text = "[upstreams.a]\nurl = 'http://a'\nquota = { rate = '100/min' }";
    let quota = with(text).unwrap().upstreams[0].quota;
    assert_eq!(quota, Some(throttle::Quota { rate: per(100, 60), follow_headers: true }));
}
