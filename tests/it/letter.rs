//! Sentences of the RFCs that a hostile reader found broken.

use http::Request;
use http_body_util::Full;

use crate::support::{Answer, Client, H2, Origin, Proxy, Reply, Seen, date, get, send};

/// An origin that says which Host and which target it was asked for.
async fn by_host() -> (Origin, Proxy) {
    let origin =
        Origin::serve(|seen| Reply::fresh(60, seen.header("host").unwrap_or("-").to_owned())).await;
    let proxy = Proxy::before(&origin).await;
    (origin, proxy)
}

async fn raw(proxy: &Proxy, head: &str) -> Answer {
    let mut client = Client::connect(proxy).await;
    client.write(format!("{head}\r\n\r\n")).await;
    client.read().await.unwrap()
}

/// RFC 9112 §3.2.2, §3.3: the authority of the target counts, whatever the version.
#[tokio::test]
async fn the_authority_of_an_absolute_form_counts_without_host() {
    let (_origin, proxy) = by_host().await;
    for host in ["h1.test", "h2.test"] {
        let answer = raw(&proxy, &format!("GET http://{host}/ten HTTP/1.0")).await;
        assert_eq!(answer.text(), host, "the origin gets it as Host, and hosts do not mix");
        assert!(!answer.is_hit());
        assert!(get(&proxy, "/ten").host(host).await.is_hit(), "it is the same target URI");
    }
    let refused = raw(&proxy, "GET http://h1.test/ten HTTP/1.1").await;
    assert_eq!(refused.status, 400, "RFC 9112 §3.2: HTTP/1.1 has a Host");
}

/// RFC 9110 §7.4: `https` is served by a secured connection alone, and no other scheme is served.
#[tokio::test]
async fn a_target_of_another_scheme_is_refused() {
    let (origin, proxy) = by_host().await;
    get(&proxy, "/abs").host("a.test").await;
    for method in ["GET", "PUT", "HEAD", "OPTIONS"] {
        for (scheme, status) in
            [("https", 421), ("HTTPS", 421), ("ftp", 400), ("foo", 400), ("ws", 400)]
        {
            let mut client = Client::connect(&proxy).await;
            client.expect_answer_to(method);
            let line = format!("{method} {scheme}://a.test/abs HTTP/1.1");
            client.write(format!("{line}\r\nHost: a.test\r\n\r\n")).await;
            assert_eq!(client.read().await.unwrap().status, status, "{line}");
        }
    }
    assert_eq!(origin.requests(), 1);
    let same = raw(&proxy, "GET http://a.test/abs HTTP/1.1\r\nHost: a.test").await;
    assert!(same.is_hit(), "the scheme that it came by");
}

#[tokio::test]
async fn only_a_trusted_proxy_may_speak_http2_of_another_scheme() {
    for (config, status) in [("", 421), ("trusted_proxies = ['127.0.0.1']", 200)] {
        let origin = Origin::always(Reply::ok("x")).await;
        let proxy = Proxy::with(&origin, config).await;
        let client = H2::connect(&proxy).await;
        let ask = Request::get("https://api.test/").body(Full::default()).unwrap();
        let got = client.send(ask).await.unwrap().status;
        assert_eq!(got, status, "RFC 9110 §7.4: {config:?}");
    }
}

/// RFC 9111 §4.4: "A cache MUST invalidate the target URI".
#[tokio::test]
async fn an_unsafe_method_invalidates_its_target_whoever_forwarded_it() {
    for field in ["X-Forwarded-User", "X-Forwarded-Prefix", "X-Forwarded-Host"] {
        for by in ["t2", "t1", ""] {
            let origin = Origin::always(Reply::fresh(60, "x")).await;
            let proxy = Proxy::with(&origin, "trusted_proxies = ['127.0.0.1/32']").await;
            get(&proxy, "/xf").header(field, "t1").await;
            get(&proxy, "/other").header(field, "t1").await;
            assert!(get(&proxy, "/xf").header(field, "t1").await.is_hit());
            let put = send(&proxy, "PUT", "/xf");
            if by.is_empty() {
                put.await
            } else {
                put.header(field, by).await
            };
            let answer = get(&proxy, "/xf").header(field, "t1").await;
            assert!(!answer.is_hit(), "{field}: stored by t1, changed by {by:?}");
            assert!(get(&proxy, "/other").header(field, "t1").await.is_hit(), "{field}");
        }
    }
}

/// An origin whose 200 is `fresh` and whose 304 is `validated`.
async fn changing(fresh: Reply, validated: Reply, config: &str) -> (Origin, Proxy) {
    let origin = Origin::serve(move |seen: Seen| {
        let asks =
            ["if-none-match", "if-modified-since"].iter().any(|it| seen.header(it).is_some());
        if asks { validated.clone() } else { fresh.clone() }
    })
    .await;
    let proxy = Proxy::with(&origin, config).await;
    (origin, proxy)
}

/// RFC 9111 §4.3.4, §3: what Connection names is not stored, and counts all the same, as in a 200.
#[tokio::test]
async fn a_304_is_judged_with_what_connection_names() {
    let said = |field: &str, value: &str| {
        let reply = Reply::status(304).header("ETag", "\"v\"").header("Connection", field);
        reply.header(field, value)
    };
    for (field, value) in [
        ("Cache-Control", "no-cache"),
        ("Cache-Control", "private"),
        ("Cache-Control", "no-store"),
        ("Vary", "*"),
    ] {
        let fresh = Reply::ok("x").header("ETag", "\"v\"").header("Cache-Control", "max-age=10");
        let (_origin, proxy) = changing(fresh, said(field, value), "[cache]\nttl = '10s'").await;
        get(&proxy, "/").await;
        proxy.advance(10);
        get(&proxy, "/").await;
        assert!(!get(&proxy, "/").await.is_hit(), "{field}: {value}");
    }
    let fresh = Reply::fresh(10, "de").header("ETag", "\"v\"");
    let (_origin, proxy) = changing(fresh, said("Vary", "Accept-Language"), "").await;
    let by = |language: &str| get(&proxy, "/").header("Accept-Language", language);
    by("de").await;
    proxy.advance(10);
    by("de").await;
    assert!(!by("fr").await.is_hit(), "§4.1: it varies by then");
    let kept = Reply::fresh(10, "x").header("ETag", "\"v\"").header("X-Own", "stored");
    let (_origin, proxy) = changing(kept, said("X-Own", "this hop's"), "").await;
    get(&proxy, "/").await;
    proxy.advance(10);
    get(&proxy, "/").await;
    let hit = get(&proxy, "/").await;
    assert_eq!(hit.headers("x-own"), ["stored"], "RFC 9110 §7.6.1: it was for this hop alone");
}

/// RFC 9111 §3.1, §4.3.4, §4.3.5: what Connection names is not stored, and a 304 or a HEAD that is
/// silent about it brings nothing in its place. So what is judged by it is not stored.
#[tokio::test]
async fn what_connection_names_is_not_forgotten_by_a_validation() {
    for (field, value) in [
        ("Vary", "Accept-Language"),
        ("Cache-Control", "no-cache"),
        ("Expires", "0"),
        ("CDN-Cache-Control", "no-cache"),
        ("Set-Cookie", "sid=alice"),
    ] {
        let first = Reply::ok("x").header("ETag", "\"v\"").header("Connection", field);
        let first = first.header(field, value);
        let first = match field {
            "Vary" | "Expires" => first.header("Larder-Cache-Control", "public"),
            "Set-Cookie" => first.header("Cache-Control", "public"),
            _ => first,
        };
        let silent = Reply::status(304).header("ETag", "\"v\"");
        let silent = silent.header("Larder-Cache-Control", "max-age=60");
        let (_origin, proxy) = changing(first, silent, "[cache]\nttl = '60s'").await;
        for n in 0..3 {
            let answer = get(&proxy, "/").await;
            assert_eq!(answer.cache_status().detail(), "connection", "{field}, time {n}");
        }
    }
}

/// RFC 9111 §4.3.4: what a 304 says of a strong validator it says of every variant that has it.
#[tokio::test]
async fn a_304_that_forbids_to_store_ends_every_variant_with_its_strong_tag() {
    for (field, value) in
        [("Cache-Control", "private"), ("Cache-Control", "no-store"), ("Vary", "*")]
    {
        let origin = Origin::serve(move |seen: Seen| {
            let of = seen.header("x-v").unwrap_or_default().to_owned();
            let age = if of == "a" { 1 } else { 60 };
            let tag = if of == "c" { "\"other\"" } else { "\"s\"" };
            match seen.header("if-none-match") {
                Some(_) if of == "a" => {
                    let said = Reply::status(304).header("ETag", "\"s\"").header(field, value);
                    if field == "Vary" { said } else { said.header("Vary", "X-V") }
                }
                _ => Reply::fresh(age, of).header("ETag", tag).header("Vary", "X-V"),
            }
        })
        .await;
        let proxy = Proxy::before(&origin).await;
        let by = |value: &str| get(&proxy, "/").header("X-V", value);
        for variant in ["a", "b", "c"] {
            by(variant).await;
        }
        proxy.advance(2);
        assert_eq!(by("a").await.cache_status().fwd_status, Some(304));
        assert!(!by("b").await.is_hit(), "{field}: {value}: the same representation");
        assert!(by("c").await.is_hit(), "{field}: {value}: another one");
    }
}

/// RFC 9111 §5.2.2.7: what is one client's says nothing of what the others have.
#[tokio::test]
async fn a_304_for_a_cookie_ends_nobody_elses_variants() {
    let origin = Origin::serve(|seen: Seen| {
        let of = seen.header("x-v").unwrap_or_default().to_owned();
        let reply = match seen.header("cookie") {
            Some(_) => Reply::status(304).header("Cache-Control", "private"),
            None => Reply::fresh(60, of),
        };
        reply.header("ETag", "\"s\"").header("Vary", "X-V")
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    let by = |value: &str| get(&proxy, "/").header("X-V", value);
    for variant in ["a", "b"] {
        by(variant).await;
    }
    by("c").header("Cookie", "session=1").await;
    assert_eq!(origin.requests(), 3);
    assert!(origin.last().header("if-none-match").is_some(), "their tags were offered");
    for variant in ["a", "b"] {
        assert!(by(variant).await.is_hit(), "{variant}");
    }
}

/// RFC 9111 §4.3.4: "If none of the initial set contains at least one of the same strong
/// validators, then the cache MUST NOT use the new response to update any stored responses."
#[tokio::test]
async fn a_304_of_another_validator_updates_nothing() {
    let modified = |seconds| ("Last-Modified", date(seconds));
    let tag = |tag: &str| ("ETag", tag.to_owned());
    let rows = [
        (vec![modified(-60)], vec![tag("\"v2\"")], "no stored response has this one"),
        (vec![modified(-60)], vec![modified(-30)], "another Last-Modified"),
        (vec![tag("\"a\"")], vec![tag("\"b\""), tag("\"c\"")], "neither is stored"),
        (vec![tag("W/\"a\"")], vec![tag("\"a\"")], "no strong one is stored"),
        (vec![tag("\"a\"")], vec![tag("W/\"b\"")], "it does not correspond"),
    ];
    for (stored, received, why) in rows {
        let with = |reply: Reply, fields: &[(&str, String)]| {
            let reply = reply.header("Cache-Control", "max-age=10");
            fields.iter().fold(reply, |reply, (name, value)| reply.header(name, value))
        };
        let (first, then) = (with(Reply::ok("x"), &stored), with(Reply::status(304), &received));
        let (origin, proxy) = changing(first, then, "").await;
        get(&proxy, "/").await;
        proxy.advance(10);
        let answer = get(&proxy, "/").await;
        assert_eq!((answer.status, answer.text(), origin.requests()), (200, "x", 3), "{why}");
        let kept: Vec<_> = stored.iter().map(|it| it.1.as_str()).collect();
        assert_eq!(get(&proxy, "/").await.headers(stored[0].0), kept, "{why}: asked afresh");
    }
}

/// RFC 9111 §4.3.4: "the most recent of those matching stored responses is identified".
#[tokio::test]
async fn a_304_of_the_same_validator_updates() {
    let modified = date(-60);
    for (stored, received) in [
        (("ETag", "\"a\""), Some(("ETag", "\"a\""))),
        (("ETag", "W/\"a\""), Some(("ETag", "W/\"a\""))),
        (("ETag", "\"a\""), Some(("ETag", "W/\"a\""))),
        (("ETag", "\"a\""), None),
        (("Last-Modified", modified.as_str()), Some(("Last-Modified", modified.as_str()))),
        (("Last-Modified", modified.as_str()), None),
    ] {
        let then = Reply::status(304).header("Cache-Control", "max-age=10");
        let then = received.into_iter().fold(then, |it, (name, value)| it.header(name, value));
        let (origin, proxy) =
            changing(Reply::fresh(10, "x").header(stored.0, stored.1), then, "").await;
        get(&proxy, "/").await;
        proxy.advance(10);
        get(&proxy, "/").await;
        assert!(get(&proxy, "/").await.is_hit(), "{stored:?} by {received:?}");
        assert_eq!(origin.requests(), 2, "{stored:?} by {received:?}: a 304 was enough");
    }
}

/// RFC 9111 §4.3.5: what a HEAD says of the resource is said of its GET.
#[tokio::test]
async fn a_head_that_forbids_to_store_ends_the_stored_get() {
    for tag in ["", "\"v\""] {
        for said in ["private, max-age=60", "no-store"] {
            let tagged = move |it: Reply| if tag.is_empty() { it } else { it.header("ETag", tag) };
            let origin = Origin::serve(move |seen: Seen| match seen.method.as_str() {
                "HEAD" => tagged(Reply::ok("body").header("Cache-Control", said)),
                _ => tagged(Reply::fresh(60, "body")),
            })
            .await;
            let proxy = Proxy::before(&origin).await;
            get(&proxy, "/").await;
            assert!(get(&proxy, "/").await.is_hit());
            send(&proxy, "HEAD", "/").header("If-Match", "\"v\"").await;
            assert!(!get(&proxy, "/").await.is_hit(), "{said} {tag}");
        }
    }
}

/// RFC 9111 §4.3.5: of a part it is said, too.
#[tokio::test]
async fn a_head_is_heard_by_a_stored_part() {
    for (field, value, hit) in [
        ("Cache-Control", "private", false),
        ("Cache-Control", "no-store", false),
        ("Cache-Control", "max-age=10", false),
        ("Vary", "*", false),
        ("ETag", "\"other\"", false),
        ("X-Take", "head", true),
    ] {
        let said = Reply::ok("0123456789").header(field, value);
        let said = if field == "ETag" { said } else { said.header("ETag", "\"v\"") };
        let origin = Origin::serve(move |seen: Seen| match seen.method.as_str() {
            "HEAD" => said.clone(),
            _ => {
                let part = Reply::status(206).body("01234").header("ETag", "\"v\"");
                let part = part.header("Content-Range", "bytes 0-4/10");
                part.header("Cache-Control", "max-age=60")
            }
        })
        .await;
        let proxy = Proxy::before(&origin).await;
        let ask = || get(&proxy, "/").header("Range", "bytes=0-4");
        ask().await;
        assert!(ask().await.is_hit());
        send(&proxy, "HEAD", "/").header("If-Match", "\"v\"").await;
        proxy.advance(11);
        let answer = ask().await;
        assert_eq!((answer.status, answer.is_hit()), (206, hit), "{field}: {value}");
        assert_eq!(answer.header("x-take"), hit.then_some("head"), "its fields are used");
    }
}

/// RFC 9111 §4.3.5, §4.1: it says by what a GET's answer is chosen.
#[tokio::test]
async fn a_head_that_names_other_selecting_fields_ends_the_stored_get() {
    for (vary, encoding, ends) in [
        ("Accept-Language", "identity", true),
        ("Accept-Encoding", "client", true),
        ("Accept-Encoding", "identity", false),
    ] {
        let origin = Origin::serve(move |seen: Seen| {
            let reply = Reply::fresh(60, "body").header("ETag", "\"v\"");
            if seen.method == "HEAD" { reply.header("Vary", vary) } else { reply }
        })
        .await;
        let config = format!("compression.upstream_encoding = '{encoding}'");
        let proxy = Proxy::with(&origin, &config).await;
        get(&proxy, "/").header("Accept-Language", "en").await;
        let head = send(&proxy, "HEAD", "/").header("If-Match", "\"v\"");
        head.header("Accept-Language", "en").await;
        let answer = get(&proxy, "/").header("Accept-Language", "de").await;
        assert_eq!(!answer.is_hit(), ends, "{vary}, {encoding}: whose choice it was");
    }
}

/// RFC 9111 §4.1: of the operator's own field nobody knows what its values mean.
#[tokio::test]
async fn a_field_of_the_key_is_compared_as_it_is() {
    let origin =
        Origin::serve(|seen| Reply::fresh(60, seen.header("x-tenant").unwrap_or("-").to_owned()))
            .await;
    let proxy = Proxy::with(&origin, "[cache]\nkey.headers = ['X-Tenant']").await;
    let values = ["A,B", "A,  B", "A ,B", "A (x,y)", "A (x, y)", "a,b"];
    for value in values.iter().chain(&values) {
        assert_eq!(get(&proxy, "/").header("X-Tenant", value).await.text(), *value);
    }
    assert_eq!(origin.requests(), values.len(), "one for each");
    let split = get(&proxy, "/").header("X-Tenant", "A").header("X-Tenant", "B").await;
    assert_eq!((split.is_hit(), split.text()), (false, "A"), "RFC 9110 §5.3: it may be no list");
}

/// What a cache in front of us made is not ours to judge.
#[tokio::test]
async fn without_a_cache_conditions_are_the_origins() {
    let origin = Origin::always(Reply::ok("x")).await;
    let proxy = Proxy::with(&origin, "[cache]\nmode = 'off'").await;
    let tags = "\"larder-00112233445566778899aabbccddeeff\", \"other\"";
    for (method, name) in [("PUT", "If-Match"), ("PUT", "If-None-Match"), ("GET", "If-None-Match")]
    {
        let answer = send(&proxy, method, "/").header(name, tags).await;
        assert_eq!(answer.status, 200, "{method} {name}: the origin says");
        assert_eq!(origin.last().headers(name), [tags], "{method}: as it came");
    }
    let own = "\"larder-00112233445566778899aabbccddeeff\"";
    get(&proxy, "/").header("Range", "bytes=0-1").header("If-Range", own).await;
    assert_eq!(origin.last().header("if-range"), Some(own));
    send(&proxy, "PUT", "/").header("If-Match", "\"a--gzip\"").await;
    assert_eq!(origin.last().header("if-match"), Some("\"a\""), "a coding's tag is mapped back");
}

/// RFC 9110 §15.3.7.2: "MUST NOT generate a Content-Range header field in the header section of a
/// multiple part response", though §14.4 lets one mean nothing in a 200.
#[tokio::test]
async fn a_stray_content_range_is_in_no_head_of_several_parts() {
    let reply = Reply::fresh(60, "0123456789").header("Content-Range", "bytes 0-9/10");
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    assert!(get(&proxy, "/").await.is_hit());
    let part = get(&proxy, "/").header("Range", "bytes=0-1").await;
    assert_eq!(part.headers("content-range"), ["bytes 0-1/10"]);
    let parts = get(&proxy, "/").header("Range", "bytes=0-1,8-9").await;
    assert_eq!((parts.status, parts.header("content-range")), (206, None), "§15.3.7.2");
}

/// RFC 9110 §6.6.1 has one Date. Of several the oldest is the one that makes nothing fresher.
#[tokio::test]
async fn of_differing_dates_the_oldest_counts_and_stands_alone() {
    for (first, second) in [(0, -40), (-40, 0)] {
        let reply = Reply::fresh(60, "x").undated();
        let reply = reply.header("Date", date(first)).header("Date", date(second));
        let origin = Origin::always(reply).await;
        let proxy = Proxy::before(&origin).await;
        get(&proxy, "/").await;
        let hit = get(&proxy, "/").await;
        assert_eq!(hit.headers("date"), [date(-40)], "{first}, {second}");
        assert_eq!(hit.age(), Some(40), "RFC 9111 §4.2.3: {first}, {second}");
        proxy.advance(21);
        assert!(!get(&proxy, "/").await.is_hit());
    }
}

/// RFC 9110 §5.6.7: two digits of a year mean the past where that is more than 50 years ahead.
#[tokio::test]
async fn a_year_of_two_digits_is_within_fifty_years() {
    for (expires, hits) in [
        ("Thursday, 06-Nov-70 08:49:37 GMT", true),
        ("Friday, 06-Nov-76 08:49:37 GMT", true),
        ("Friday, 06-Nov-26 08:49:37 GMT", false),
        ("Saturday, 06-Nov-77 08:49:37 GMT", false),
        ("Sunday, 06-Nov-77 08:49:37 GMT", false),
        ("Sunday, 06-Nov-94 08:49:37 GMT", false),
    ] {
        let origin = Origin::always(Reply::ok("x").header("Expires", expires)).await;
        let proxy = Proxy::before(&origin).await;
        get(&proxy, "/").await;
        assert_eq!(get(&proxy, "/").await.is_hit(), hits, "{expires}");
    }
}

/// RFC 9111 §3.1 stores every field, but for those that §3.1 and the origin except, and those that
/// are true of one moment.
#[tokio::test]
async fn a_stored_response_has_every_field_that_came() {
    let fields = [
        ("X-RateLimiting", "a"),
        ("X-Unknown", "b"),
        ("Link", "<a>; rel=next"),
        ("Cache-Control", "max-age=60, x-new=\"1\", immutable"),
    ];
    let reply = fields.iter().fold(Reply::ok("x"), |it, (name, value)| it.header(name, *value));
    let reply = ["X-RateLimit-Remaining", "RateLimit", "Retry-After", "Connection"]
        .iter()
        .fold(reply, |it, name| it.header(name, "1"));
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    let hit = get(&proxy, "/").await;
    for (name, value) in fields {
        assert_eq!(hit.headers(name), [value], "§3.1, §5.2: directives are passed on");
    }
    for name in ["X-RateLimit-Remaining", "RateLimit", "Retry-After"] {
        assert_eq!(hit.header(name), None, "what was true of one moment: {name}");
    }
}

/// RFC 9111 §4.2.4: what forbids a stale response, whatever the operator allows.
#[tokio::test]
async fn nothing_stale_is_served_where_a_directive_forbids_it() {
    for (control, status, section) in [
        ("max-age=1", 200, "RFC 5861 §4: the operator allows it"),
        ("max-age=1, must-revalidate", 503, "§5.2.2.2"),
        ("max-age=1, proxy-revalidate", 503, "§5.2.2.8"),
        ("s-maxage=1", 503, "§5.2.2.10"),
        ("no-cache", 503, "§5.2.2.4"),
    ] {
        let first = Reply::ok("x").header("Cache-Control", control).header("ETag", "\"v\"");
        let origin = Origin::serve(move |seen| match seen.number {
            1 => first.clone(),
            _ => Reply::status(503),
        })
        .await;
        let proxy = Proxy::with(&origin, "[cache]\nstale_if_error = '1m'").await;
        get(&proxy, "/").await;
        proxy.advance(2);
        assert_eq!(get(&proxy, "/").await.status, status, "{section}: {control}");
    }
}

/// RFC 9111 §4.3.3: 304 means the stored response, any other full response itself, and a 5xx either
/// itself or what is stored.
#[tokio::test]
async fn what_a_validation_brings_is_used_as_it_says() {
    for (reply, config, expected) in [
        (Reply::status(304), "", (200, "stored")),
        (Reply::ok("new"), "", (200, "new")),
        (Reply::status(404).body("gone"), "", (404, "gone")),
        (Reply::status(503).body("down"), "", (503, "down")),
        (Reply::status(503).body("down"), "[cache]\nstale_if_error = '1m'", (200, "stored")),
    ] {
        let stored = Reply::fresh(10, "stored").header("ETag", "\"v\"");
        let origin = Origin::serve(move |seen| match seen.number {
            1 => stored.clone(),
            _ => reply.clone(),
        })
        .await;
        let proxy = Proxy::with(&origin, config).await;
        get(&proxy, "/").await;
        proxy.advance(10);
        let answer = get(&proxy, "/").await;
        assert_eq!((answer.status, answer.text()), expected, "{config}");
        assert_eq!(origin.last().header("if-none-match"), Some("\"v\""), "§4.3.1");
    }
}

/// RFC 9111 §5.2.2.6.
#[tokio::test]
async fn what_is_not_to_be_transformed_is_not_packed() {
    for (control, coding) in [("max-age=60", Some("gzip")), ("max-age=60, no-transform", None)] {
        let reply = Reply::ok("words ".repeat(1000)).header("Cache-Control", control);
        let origin = Origin::always(reply.header("Content-Type", "text/plain")).await;
        let proxy = Proxy::before(&origin).await;
        get(&proxy, "/").await;
        let hit = get(&proxy, "/").header("Accept-Encoding", "gzip").await;
        assert_eq!((hit.header("content-encoding"), hit.is_hit()), (coding, true), "{control}");
    }
}

/// RFC 9110 §5.6.7: "An HTTP-date value represents time as an instance of UTC".
#[tokio::test]
async fn a_date_in_local_time_makes_nothing_fresh() {
    for zone in ["CET", "EST", "+0100", "UTC", ""] {
        let expires = format!("Sun, 21 Nov 2027 12:00:00 {zone}");
        let origin = Origin::always(Reply::ok("x").header("Expires", expires.trim())).await;
        let proxy = Proxy::before(&origin).await;
        get(&proxy, "/").await;
        assert!(!get(&proxy, "/").await.is_hit(), "RFC 9111 §5.3: {zone} is not GMT");
    }
}
