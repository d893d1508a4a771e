//! What the operator says of one route, over the defaults of all; and what no such word can do.

use crate::support::{Answer, Origin, Proxy, Reply, Seen, get};

/// Fields of a message.
type Fields = &'static [(&'static str, &'static str)];

/// One word, said by one route alone.
struct Word {
    /// The defaults of all routes.
    all: &'static str,
    /// What the one route says over them.
    one: &'static str,
    /// What the origin answers with.
    reply: Fields,
    /// Query and fields of a request, and of one that comes 30 s later.
    requests: [(&'static str, Fields); 2],
    /// What becomes of the second: by the defaults, and on the route.
    expected: [&'static str; 2],
}

/// A word about how long an answer is of use.
const fn time(one: &'static str, reply: Fields, expected: [&'static str; 2]) -> Word {
    Word { all: "", one, reply, requests: [("", &[]), ("", &[])], expected }
}

/// A word about who may have an answer: both requests are by the same client.
const fn client(
    (all, one): (&'static str, &'static str),
    asked: Fields,
    reply: Fields,
    expected: [&'static str; 2],
) -> Word {
    Word { all, one, reply, requests: [("", asked), ("", asked)], expected }
}

/// A word about what tells two requests for a fresh answer apart.
const fn part(
    one: &'static str,
    requests: [(&'static str, Fields); 2],
    expected: [&'static str; 2],
) -> Word {
    Word { all: "", one, reply: MINUTE, requests, expected }
}

const MINUTE: Fields = &[("Cache-Control", "max-age=60")];
const BRIEF: Fields = &[("Cache-Control", "max-age=5")];
const TAGGED: Fields = &[("Cache-Control", "max-age=5"), ("ETag", "\"a\"")];
const PUBLIC: Fields = &[("Cache-Control", "public, max-age=60")];
const SETS: Fields = &[("Cache-Control", "max-age=60"), ("Set-Cookie", "a=1")];
const NOT_FOUND: Fields = &[("X-Status", "404")];
/// A thousand seconds before the tests begin.
const OLD: Fields = &[("Last-Modified", "Sat, 21 Nov 2026 11:43:20 GMT")];
const RELOAD: Fields = &[("Cache-Control", "no-cache")];
const KEY: Fields = &[("Authorization", "a")];
const SID: Fields = &[("Cookie", "sid=1")];
const DOWN: Fields = &[("X-Down", "1")];

const WORDS: &[Word] = &[
    time("ttl = '1m'", &[], ["uri-miss no-freshness", "hit"]),
    Word { all: "ttl = '5s'", ..time("ttl = '1m'", &[], ["uri-miss expired", "hit"]) },
    Word { all: "ttl = '1m'", ..time("ttl = 'off'", &[], ["hit", "uri-miss no-freshness"]) },
    time("override_ttl = '1m'", BRIEF, ["uri-miss expired", "hit"]),
    time("max_ttl = '10s'", MINUTE, ["hit", "uri-miss expired"]),
    time("status_ttl = { 404 = '1m' }", NOT_FOUND, ["uri-miss no-freshness", "hit"]),
    time(
        "stale_while_revalidate = '1m'",
        BRIEF,
        ["uri-miss expired", "hit stale-while-revalidate"],
    ),
    Word {
        requests: [("", &[]), ("", DOWN)],
        ..time("stale_if_error = '1m'", BRIEF, ["uri-miss no-freshness", "stale stale-if-error"])
    },
    time("keep = '10s'", TAGGED, ["stale", "uri-miss expired"]),
    time("heuristic = '10%'", OLD, ["stale", "hit"]),
    Word {
        requests: [("", &[]), ("", RELOAD)],
        ..time("request_cache_control = 'honor'", MINUTE, ["hit", "request"])
    },
    Word {
        all: "request_cache_control = 'honor'",
        requests: [("", &[]), ("", RELOAD)],
        ..time("request_cache_control = 'ignore'", MINUTE, ["request", "hit"])
    },
    client(("", "authorization = 'isolate'"), KEY, MINUTE, ["uri-miss authorization", "hit"]),
    client(("", "authorization = 'bypass'"), KEY, PUBLIC, ["hit", "bypass authorization-bypass"]),
    client(
        ("authorization = 'isolate'", "authorization = 'rfc'"),
        KEY,
        MINUTE,
        ["hit", "uri-miss authorization"],
    ),
    client(("ttl = '1m'", "cookies = 'ignore'"), SID, &[], ["uri-miss cookie", "hit"]),
    client(
        ("ttl = '1m'\ncookies = 'ignore'", "cookies = 'rfc'"),
        SID,
        &[],
        ["hit", "uri-miss cookie"],
    ),
    client(("", "set_cookie = 'rfc'"), &[], SETS, ["uri-miss set-cookie", "hit"]),
    client(("", "set_cookie = 'strip'"), &[], SETS, ["uri-miss set-cookie", "hit"]),
    client(
        ("set_cookie = 'rfc'", "set_cookie = 'refuse'"),
        &[],
        SETS,
        ["hit", "uri-miss set-cookie"],
    ),
    client(("", "bypass_when = 'cookie:sid'"), SID, MINUTE, ["hit", "bypass bypass-when"]),
    client(("", "no_store_when = 'cookie:sid'"), SID, MINUTE, ["hit", "uri-miss no-store-when"]),
    client(
        ("", "no_store_when = 'response:ETag'"),
        &[],
        &[("Cache-Control", "max-age=60"), ("ETag", "\"a\"")],
        ["hit", "uri-miss no-store-when"],
    ),
    client(
        ("status_ttl = { 404 = '1m' }", "no_store_when = 'status:4xx'"),
        &[],
        NOT_FOUND,
        ["hit", "uri-miss no-store-when"],
    ),
    part(
        "key.query.include = ['a']",
        [("?a=1&x=1", &[]), ("?x=2&a=1", &[])],
        ["uri-miss cold", "hit"],
    ),
    part(
        "key.query.exclude = ['x']",
        [("?a=1&x=1", &[]), ("?x=2&a=1", &[])],
        ["uri-miss cold", "hit"],
    ),
    part("key.query.sort = true", [("?a=1&x=1", &[]), ("?x=1&a=1", &[])], ["uri-miss cold", "hit"]),
    part(
        "key.headers = ['X-Tenant']",
        [("", &[("X-Tenant", "a")]), ("", &[("X-Tenant", "b")])],
        ["hit", "vary-miss variant:x-tenant"],
    ),
    part(
        "key.cookies = ['lang']",
        [("", &[("Cookie", "lang=de")]), ("", &[("Cookie", "lang=en")])],
        ["hit", "vary-miss variant:cookie"],
    ),
];

fn outcome(answer: &Answer) -> String {
    let status = answer.cache_status();
    let how = if status.hit { "hit" } else { status.fwd() };
    format!("{how} {}", status.detail()).trim_end().to_owned()
}

fn with(ask: crate::support::Ask, fields: Fields) -> crate::support::Ask {
    fields.iter().fold(ask, |ask, (name, value)| ask.header(name, value))
}

fn replied(fields: Fields, seen: &Seen) -> Reply {
    if seen.header("x-down").is_some() {
        return Reply::status(503);
    }
    let status = fields.iter().find(|(name, _)| *name == "X-Status");
    let status = status.map_or(200, |(_, status)| status.parse().unwrap());
    let reply = Reply::status(status).body(format!("take {}", seen.number));
    fields.iter().fold(reply, |reply, (name, value)| reply.header(name, *value))
}

#[tokio::test]
async fn every_word_of_a_route_counts_over_the_defaults() {
    for Word { all, one, reply, requests, expected } in WORDS {
        let origin = Origin::serve(move |seen| replied(reply, &seen)).await;
        let route = format!("[[routes]]\nmatch.path = '/one/**'\ncache = {{ {one} }}");
        let proxy = Proxy::with(&origin, &format!("[cache]\n{all}\n{route}")).await;
        let [first, second] = requests;
        for path in ["/all/x", "/one/x"] {
            with(get(&proxy, &format!("{path}{}", first.0)), first.1).await;
        }
        proxy.advance(30);
        for (path, expected) in ["/all/x", "/one/x"].into_iter().zip(expected) {
            let answer = with(get(&proxy, &format!("{path}{}", second.0)), second.1).await;
            assert_eq!(outcome(&answer), *expected, "{path} under {all:?} and {one:?}");
        }
    }
}

/// Every word that makes something be stored or served for longer, or tells requests apart; none
/// says whose answer is whose.
const NOT_ABOUT_WHO: [&str; 14] = [
    "",
    "ttl = '1m'",
    "override_ttl = '1m'",
    "status_ttl = { 200 = '1m' }",
    "heuristic = '10%'",
    "max_ttl = '1m'",
    "stale_while_revalidate = '1m'",
    "stale_if_error = '1m'",
    "keep = '1d'",
    "request_cache_control = 'honor'",
    "key.query = { include = ['a'], sort = true }",
    "key.headers = ['X-Tenant']",
    "key.cookies = ['lang']",
    "ttl = '1m'\noverride_ttl = '1m'\nstatus_ttl = { 200 = '1m' }\nheuristic = '10%'\n\
     stale_while_revalidate = '1m'\nstale_if_error = '1m'\nkey.headers = ['X-Tenant']\n\
     key.cookies = ['lang']\nno_store_when = ['status:404']",
];

/// Answers that are one client's alone: what is in the request, and what the origin says.
const PERSONAL: [(Fields, Fields, &str); 11] = [
    (&[], &[("Cache-Control", "private")], "RFC 9111 §5.2.2.7"),
    (&[], &[("Cache-Control", "private, max-age=5")], "RFC 9111 §5.2.2.7"),
    (&[], &[("Cache-Control", "no-store")], "RFC 9111 §5.2.2.5"),
    (&[], &[("Cache-Control", "no-store, max-age=5")], "RFC 9111 §5.2.2.5"),
    (KEY, &[], "RFC 9111 §3.5"),
    (KEY, BRIEF, "RFC 9111 §3.5"),
    (KEY, TAGGED, "RFC 9111 §3.5"),
    (SID, &[], "freshness that is ours is for nobody's session"),
    (&[("Cookie", "lang=de; sid=1")], &[], "one cookie in the key leaves the others personal"),
    (&[], &[("Set-Cookie", "sid=1")], "a cookie is one client's"),
    (&[], SETS, "a cookie is one client's"),
];

#[tokio::test]
async fn no_word_but_those_about_who_shares_what_is_personal() {
    for word in NOT_ABOUT_WHO {
        for (asked, reply, why) in PERSONAL {
            let origin = Origin::serve(move |seen| {
                let reply = replied(reply, &seen);
                if seen.header("x-down").is_some() {
                    return reply;
                }
                reply.header("Last-Modified", "Sat, 21 Nov 2026 11:43:20 GMT")
            })
            .await;
            let proxy = Proxy::with(&origin, &format!("[cache]\n{word}")).await;
            let case = format!("{word:?}, asked with {asked:?}, answered with {reply:?}: {why}");
            for n in 1..=2 {
                let answer = with(get(&proxy, "/?a=1"), asked).await;
                assert_eq!(answer.text(), format!("take {n}"), "{case}");
                assert!(!answer.cache_status().stored, "{case}");
            }
            proxy.advance(10);
            let failed = with(get(&proxy, "/?a=1"), asked).header("X-Down", "1").await;
            assert_eq!(failed.status, 503, "{case}: nor when it fails");
        }
    }
}

/// A word that says whose answers are shared, and what is then one of them.
const ABOUT_WHO: [(&str, Fields, Fields); 5] = [
    ("authorization = 'isolate'", KEY, MINUTE),
    ("cookies = 'ignore'\nttl = '1m'", SID, &[]),
    ("set_cookie = 'rfc'", &[], SETS),
    ("set_cookie = 'strip'", &[], SETS),
    ("key.cookies = ['sid']\nttl = '1m'", SID, &[]),
];

#[tokio::test]
async fn the_words_about_who_still_do_not_share_what_is_private_or_not_stored() {
    for (word, asked, reply) in ABOUT_WHO {
        let origin = Origin::serve(move |seen| replied(reply, &seen)).await;
        let proxy = Proxy::with(&origin, &format!("[cache]\n{word}")).await;
        with(get(&proxy, "/"), asked).await;
        let hit = with(get(&proxy, "/"), asked).await;
        assert!(hit.is_hit(), "{word} says so: {:?}", hit.cache_status());
        for control in ["private", "private, max-age=60", "no-store", "no-store, max-age=60"] {
            let origin = Origin::serve(move |seen| {
                Reply::ok(format!("take {}", seen.number)).header("Cache-Control", control)
            })
            .await;
            let proxy =
                Proxy::with(&origin, &format!("[cache]\n{word}\noverride_ttl = '1m'")).await;
            for n in 1..=2 {
                let answer = with(get(&proxy, "/"), asked).await;
                assert_eq!(answer.text(), format!("take {n}"), "{word}, {control}: RFC 9111 §3");
            }
        }
    }
}
