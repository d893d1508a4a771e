//! What a success of an unsafe method makes invalid (RFC 9111 §4.4).

use crate::support::{Gate, Origin, Proxy, Reply, get, send};

/// An origin whose GETs are fresh, and which answers everything else by `unsafe_reply`.
async fn before(unsafe_reply: Reply) -> (Origin, Proxy) {
    let origin = Origin::serve(move |seen| match seen.method.as_str() {
        "GET" => Reply::fresh(600, format!("take {}", seen.number)),
        _ => unsafe_reply.clone(),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    (origin, proxy)
}

#[tokio::test]
async fn a_success_of_an_unsafe_method_invalidates_its_target() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "FROB"] {
        for status in [200, 201, 204, 303] {
            let (_origin, proxy) = before(Reply::status(status)).await;
            get(&proxy, "/users?page=1").await;
            send(&proxy, method, "/users?page=1").await;
            let again = get(&proxy, "/users?page=1").await;
            assert_eq!((again.text(), again.is_hit()), ("take 3", false), "{method} {status}");
        }
    }
}

#[tokio::test]
async fn an_error_invalidates_nothing() {
    for status in [400, 404, 412, 500, 503] {
        let (_origin, proxy) = before(Reply::status(status)).await;
        get(&proxy, "/").await;
        send(&proxy, "DELETE", "/").await;
        assert!(get(&proxy, "/").await.is_hit(), "{status} changed nothing");
    }
}

#[tokio::test]
async fn a_safe_method_invalidates_nothing() {
    let (_origin, proxy) = before(Reply::status(200)).await;
    get(&proxy, "/").await;
    for method in ["OPTIONS", "HEAD"] {
        send(&proxy, method, "/").await;
        assert!(get(&proxy, "/").await.is_hit(), "{method} is safe (RFC 9110 §9.2.1)");
    }
}

#[tokio::test]
async fn only_the_target_is_invalidated() {
    let (_origin, proxy) = before(Reply::status(200)).await;
    for path in ["/users/1", "/users/2", "/users/1?x"] {
        get(&proxy, path).await;
    }
    send(&proxy, "DELETE", "/users/1").await;
    assert!(!get(&proxy, "/users/1").await.is_hit());
    assert!(get(&proxy, "/users/2").await.is_hit(), "another path");
    assert!(get(&proxy, "/users/1?x").await.is_hit(), "another query");
}

#[tokio::test]
async fn every_variant_of_the_target_is_invalidated() {
    let origin = Origin::always(Reply::fresh(600, "x").header("Vary", "Accept-Language")).await;
    let proxy = Proxy::before(&origin).await;
    for language in ["de", "en"] {
        get(&proxy, "/").header("Accept-Language", language).await;
    }
    send(&proxy, "PUT", "/").body("new").await;
    for language in ["de", "en"] {
        assert!(!get(&proxy, "/").header("Accept-Language", language).await.is_hit(), "{language}");
    }
}

#[tokio::test]
async fn location_and_content_location_of_the_same_origin_are_invalidated_too() {
    for (field, value) in [
        ("Location", "/users/7"),
        ("Location", "http://api.test/users/7"),
        ("Content-Location", "users/7"),
    ] {
        let (_origin, proxy) = before(Reply::status(201).header(field, value)).await;
        get(&proxy, "/users/7").await;
        send(&proxy, "POST", "/users").await;
        assert!(!get(&proxy, "/users/7").await.is_hit(), "{field}: {value}");
    }
}

#[tokio::test]
async fn a_location_is_resolved_against_the_target_and_its_query() {
    for (value, other) in [("?page=2", "/users?page=2"), ("/users", "/users")] {
        let (_origin, proxy) = before(Reply::status(201).header("Content-Location", value)).await;
        for path in [other, "/users?page=3"] {
            get(&proxy, path).await;
        }
        send(&proxy, "POST", "/users?page=1").await;
        assert!(!get(&proxy, other).await.is_hit(), "RFC 3986 §5.2: {value}");
        assert!(get(&proxy, "/users?page=3").await.is_hit(), "{value}: nothing else");
    }
}

#[tokio::test]
async fn a_location_elsewhere_invalidates_nothing() {
    for value in ["http://other.test/users/7", "https://api.test/users/7", "//other.test/users/7"] {
        let (_origin, proxy) = before(Reply::status(201).header("Location", value)).await;
        get(&proxy, "/users/7").await;
        get(&proxy, "/users/7").host("other.test").await;
        send(&proxy, "POST", "/users").await;
        assert!(get(&proxy, "/users/7").await.is_hit(), "{value} is another origin");
        assert!(get(&proxy, "/users/7").host("other.test").await.is_hit(), "{value}: no say there");
    }
}

#[tokio::test]
async fn a_target_is_invalidated_under_every_route_that_matches_it() {
    let origin = Origin::always(Reply::fresh(600, "x")).await;
    let routes = "[[routes]]\nmatch = { path = \"/**\", methods = [\"GET\"] }\n\
                  upstream = \"{origin}\"\n\
                  [[routes]]\nmatch = { path = \"/**\", methods = [\"DELETE\"] }\n\
                  upstream = \"{origin}\"\n";
    let proxy = Proxy::with(&origin, routes).await;
    get(&proxy, "/users/7").await;
    send(&proxy, "DELETE", "/users/7").await;
    assert!(!get(&proxy, "/users/7").await.is_hit(), "the GET came by another route");
}

#[tokio::test]
async fn a_fetch_that_began_before_the_change_is_not_stored_after_it() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match seen.method.as_str() {
        "GET" => Reply::fresh(600, "old").gate(&held).body(" state"),
        _ => Reply::status(204),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    let mut arriving = get(&proxy, "/").arriving().await;
    arriving.body(3).await;
    send(&proxy, "PUT", "/").body("new").await;
    gate.open();
    assert_eq!(arriving.end().await.unwrap().text(), "old state", "its client gets it");
    assert!(!get(&proxy, "/").await.is_hit(), "nobody else does");
    assert_eq!(origin.requests(), 3);
}

#[tokio::test]
async fn who_asks_after_the_change_does_not_follow_a_fetch_from_before() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match (seen.method.as_str(), seen.number) {
        ("GET", 1) => Reply::fresh(600, "old").gate(&held).body(" state"),
        ("GET", _) => Reply::fresh(600, "new state"),
        _ => Reply::status(204),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    let mut before = get(&proxy, "/").arriving().await;
    before.body(3).await;
    send(&proxy, "PUT", "/").body("new").await;
    assert_eq!(get(&proxy, "/").await.text(), "new state", "a client reads its own writes");
    gate.open();
    before.end().await.unwrap();
    let hit = get(&proxy, "/").await;
    assert_eq!((hit.text(), hit.is_hit()), ("new state", true), "the older one does not win");
}

/// An origin whose GETs can be validated, and whose answers to all else do not come before the
/// gate is open.
async fn silent(gate: &Gate, cache: &'static str) -> Origin {
    let held = gate.clone();
    Origin::serve(move |seen| match seen.method.as_str() {
        "GET" if seen.header("if-none-match") == Some("\"v1\"") => {
            Reply::status(304).header("Cache-Control", cache).header("ETag", "\"v1\"")
        }
        "GET" => Reply::ok("x")
            .header("Cache-Control", cache)
            .header("ETag", "\"v1\"")
            .header("Cache-Groups", "\"users\""),
        _ => Reply::status(200).held(&held),
    })
    .await
}

/// Sends an unsafe request, and leaves once the origin has it.
async fn leave_in_doubt(proxy: &Proxy, origin: &Origin, path: &str) {
    let seen = origin.requests();
    let client = send(proxy, "POST", path).sent().await;
    origin.until_requests(seen + 1).await;
    client.reset();
    origin.until_closed(1).await;
}

#[tokio::test]
async fn what_an_unknown_outcome_may_have_changed_is_validated_and_not_dropped() {
    let gate = Gate::new();
    let origin = silent(&gate, "max-age=600").await;
    let proxy = Proxy::before(&origin).await;
    for path in ["/users/7", "/users/8", "/other"] {
        get(&proxy, path).await;
    }
    leave_in_doubt(&proxy, &origin, "/users/7").await;
    let sent = origin.requests();
    let validated = get(&proxy, "/users/7").await;
    assert_eq!(validated.cache_status().fwd(), "stale", "RFC 9111 §4.3: it may have changed");
    assert_eq!(validated.cache_status().fwd_status, Some(304), "it was there to be validated");
    assert_eq!(get(&proxy, "/users/8").await.cache_status().fwd(), "stale", "it shares a group");
    assert_eq!(origin.requests(), sent + 2);
    for path in ["/users/7", "/users/8"] {
        assert!(get(&proxy, path).await.is_hit(), "{path} is known to be good again");
    }
}

#[tokio::test]
async fn what_is_in_doubt_is_not_served_while_it_is_validated() {
    let gate = Gate::new();
    let origin = silent(&gate, "max-age=600, stale-while-revalidate=600").await;
    let proxy = Proxy::before(&origin).await;
    for path in ["/users/7", "/users/8"] {
        get(&proxy, path).await;
    }
    leave_in_doubt(&proxy, &origin, "/users/7").await;
    for path in ["/users/7", "/users/8"] {
        let validated = get(&proxy, path).await;
        let status = validated.cache_status();
        assert_eq!(status.fwd(), "stale", "{path}: whoever sent it wants to see what it did");
        assert_eq!(status.fwd_status, Some(304), "{path}");
    }
}

#[tokio::test]
async fn every_variant_is_in_doubt() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match seen.method.as_str() {
        "GET" => Reply::fresh(600, "x").header("Vary", "Accept-Language"),
        _ => Reply::status(200).held(&held),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    for language in ["de", "en"] {
        get(&proxy, "/").header("Accept-Language", language).await;
    }
    leave_in_doubt(&proxy, &origin, "/").await;
    for language in ["de", "en"] {
        assert!(!get(&proxy, "/").header("Accept-Language", language).await.is_hit(), "{language}");
    }
}

#[tokio::test]
async fn what_is_being_fetched_is_in_doubt_too() {
    let (gate, unsafe_gate) = (Gate::new(), Gate::new());
    let (held, silent) = (gate.clone(), unsafe_gate.clone());
    let origin = Origin::serve(move |seen| match (seen.method.as_str(), seen.number) {
        ("GET", 1) => Reply::fresh(600, "old").gate(&held).body(" state"),
        ("GET", _) => Reply::fresh(600, "new state"),
        _ => Reply::status(204).held(&silent),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    let mut before = get(&proxy, "/").arriving().await;
    before.body(3).await;
    leave_in_doubt(&proxy, &origin, "/").await;
    gate.open();
    assert_eq!(before.end().await.unwrap().text(), "old state", "its client asked before");
    assert_eq!(get(&proxy, "/").await.text(), "new state", "nobody else gets it unasked");
}

#[tokio::test]
async fn an_origin_that_fails_amid_an_unknown_outcome_leaves_what_may_stand_in() {
    let origin = Origin::serve(move |seen| match (seen.method.as_str(), seen.number) {
        ("GET", 1) => Reply::ok("x").header("Cache-Control", "max-age=600, stale-if-error=600"),
        _ => Reply::reset(),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    assert_eq!(send(&proxy, "DELETE", "/").await.status, 502);
    let stale = get(&proxy, "/").await;
    assert_eq!((stale.status, stale.text()), (200, "x"), "RFC 5861 §4");
    assert_eq!(stale.cache_status().detail.as_deref(), Some("stale-if-error"));
}

#[tokio::test]
async fn an_error_to_the_second_try_says_nothing_of_the_first() {
    let origin = Origin::serve(|seen| match (seen.method.as_str(), seen.number) {
        ("PUT", 2) => Reply::reset(),
        ("PUT", _) => Reply::status(500),
        _ => Reply::fresh(60, seen.number.to_string()),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    assert_eq!(send(&proxy, "PUT", "/").await.status, 500, "it was sent twice, RFC 9110 §9.2.2");
    assert_eq!(origin.requests(), 3);
    let after = get(&proxy, "/").await;
    assert!(!after.is_hit(), "RFC 9111 §4.4: the first PUT may have changed it: {after:?}");
}

/// What is stored meanwhile lies where the request's own configuration knows of nothing.
#[tokio::test]
async fn a_write_that_is_under_way_invalidates_what_a_reload_lets_be_stored() {
    let reloads = [
        "[[routes]]\nname = 'x'\nmatch = { path = '/x/**' }",
        "[cache]\nset_cookie = 'strip'",
        "[cache.key]\nquery = { exclude = ['a'] }",
    ];
    let outcomes = [
        ("/x/1?a=1", Reply::status(204)),
        ("/x/1?a=1", Reply::reset()),
        ("/w", Reply::status(204).header("Content-Location", "/x/1?a=1")),
    ];
    for (words, (target, outcome)) in
        reloads.iter().flat_map(|it| outcomes.iter().map(move |o| (it, o)))
    {
        let (gate, held) = (Gate::new(), outcome.clone());
        let shut = gate.clone();
        let origin = Origin::serve(move |seen| match seen.method.as_str() {
            "GET" => Reply::fresh(600, format!("take {}", seen.number)),
            _ => held.clone().held(&shut),
        })
        .await;
        let proxy = Proxy::before(&origin).await;
        let mut write = send(&proxy, "PUT", target).sent().await;
        gate.until_arrived(1).await;
        proxy.reload(words);
        get(&proxy, "/x/1?a=1").await;
        assert!(get(&proxy, "/x/1?a=1").await.is_hit(), "{words}: it is stored");
        gate.open();
        write.read().await.unwrap();
        let hit = get(&proxy, "/x/1?a=1").await.is_hit();
        assert!(!hit, "RFC 9111 §4.4: {words}, a PUT of {target}, {outcome:?}");
    }
}
