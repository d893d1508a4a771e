//! What an adversarial reader found: each test is a sentence that does not hold yet, or did not.

use crate::support::{Client, Gate, H2, Origin, Proxy, Reply, date, get, send};

/// An origin whose `/` has an ETag, is to be validated before every use, and never changes.
async fn validated(control: &'static str) -> Origin {
    Origin::serve(move |seen| {
        let reply = match seen.header("if-none-match") {
            Some(_) => Reply::status(304),
            None => Reply::ok("body"),
        };
        reply.header("ETag", "\"v1\"").header("Cache-Control", control)
    })
    .await
}

#[tokio::test]
async fn who_led_a_validation_has_its_answer_whatever_it_carries() {
    for control in ["no-cache", "max-age=0", "public, no-cache", "public, max-age=0"] {
        for field in ["Cookie", "Authorization"] {
            let origin = validated(control).await;
            let proxy = Proxy::before(&origin).await;
            get(&proxy, "/").header(field, "a").await;
            let answer = get(&proxy, "/").header(field, "a").await;
            let got = (answer.status, answer.text());
            assert_eq!(got, (200, "body"), "{control}, {field}: {:?}", answer.cache_status());
            assert_eq!(origin.requests(), 2, "{control}, {field}: one validation is enough");
        }
    }
}

#[tokio::test]
async fn what_was_asked_for_earlier_does_not_replace_what_came_later() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match seen.number {
        1 => Reply::fresh(600, "take 1").gate(&held).body(", end").chunked(),
        n => Reply::fresh(600, format!("take {n}")),
    })
    .await;
    let proxy = Proxy::with(&origin, "[cache]\ncollapse = \"off\"").await;
    let mut first = get(&proxy, "/").arriving().await;
    first.body(6).await;
    proxy.advance(5);
    assert_eq!(get(&proxy, "/").await.text(), "take 2");
    assert_eq!(get(&proxy, "/").await.text(), "take 2");
    gate.open();
    first.end().await.unwrap();
    assert_eq!(get(&proxy, "/").await.text(), "take 2", "RFC 9111 §4: the most recent response");
}

#[tokio::test]
async fn a_304_from_before_a_change_does_not_bring_back_the_old_body() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match seen.number {
        1 => Reply::fresh(10, "v1").header("ETag", "\"v1\""),
        2 => Reply::status(304).header("ETag", "\"v1\"").held(&held),
        _ => Reply::ok("v2").header("Cache-Control", "public, max-age=60").header("ETag", "\"v2\""),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    proxy.advance(10);
    let mut early = get(&proxy, "/").sent().await;
    gate.until_arrived(1).await;
    let later = get(&proxy, "/").header("Authorization", "a").await;
    assert_eq!(later.text(), "v2", "a request with Authorization flies alone");
    assert_eq!(get(&proxy, "/").await.text(), "v2");
    gate.open();
    early.read().await.unwrap();
    assert_eq!(get(&proxy, "/").await.text(), "v2", "v1 was replaced");
}

#[tokio::test]
async fn a_stale_answer_that_the_leader_bought_is_not_given_to_followers() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match seen.number {
        1 => Reply::fresh(10, "old").header("ETag", "\"v1\""),
        _ => Reply::status(503).body("down").held(&held),
    })
    .await;
    let proxy = Proxy::with(&origin, "[cache]\nrequest_cache_control = \"honor\"").await;
    get(&proxy, "/").await;
    proxy.advance(15);
    let _buyer = get(&proxy, "/").header("Cache-Control", "stale-if-error=600").sent().await;
    gate.until_arrived(1).await;
    let mut other = get(&proxy, "/").sent().await;
    proxy.settle().await;
    gate.open();
    let answer = other.read().await.unwrap();
    assert_eq!(answer.status, 503, "nobody allowed it {:?}", answer.text());
}

#[tokio::test]
async fn a_follower_who_may_have_a_stale_answer_gets_it_when_the_fetch_fails() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match seen.number {
        1 => Reply::fresh(10, "old").header("ETag", "\"v1\""),
        _ => Reply::reset().held(&held),
    })
    .await;
    let proxy = Proxy::with(&origin, "[cache]\nrequest_cache_control = \"honor\"").await;
    get(&proxy, "/").await;
    proxy.advance(15);
    let _leader = get(&proxy, "/").sent().await;
    gate.until_arrived(1).await;
    let mut buyer = get(&proxy, "/").header("Cache-Control", "stale-if-error=600").sent().await;
    proxy.settle().await;
    gate.open();
    assert_eq!(buyer.read().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_body_that_found_no_room_does_not_stop_the_next_crowd_from_sharing() {
    let (first, second) = (Gate::new(), Gate::new());
    let (one, two) = (first.clone(), second.clone());
    let kib = || vec![b'x'; 768 << 10];
    let origin = Origin::serve(move |seen| match (seen.target.as_str(), seen.number) {
        ("/hog", _) => Reply::fresh(60, kib()).gate(&one).body("end").chunked(),
        (_, 2) => Reply::fresh(60, kib()).body("end").chunked(),
        _ => Reply::fresh(60, "small").held(&two),
    })
    .await;
    let proxy = Proxy::with(&origin, "[cache.memory]\nmax_in_flight = \"1MiB\"").await;
    let mut hog = get(&proxy, "/hog").arriving().await;
    hog.body(768 << 10).await;
    get(&proxy, "/").await;
    first.open();
    hog.end().await.unwrap();
    let _crowd = [get(&proxy, "/").sent().await, get(&proxy, "/").sent().await];
    second.until_arrived(1).await;
    proxy.settle().await;
    assert_eq!(origin.requests(), 3, "there is room by now, and one fetch is enough");
}

#[tokio::test]
async fn no_more_than_64_orphans_go_on_while_their_bodies_stand_still() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin =
        Origin::serve(move |_| Reply::fresh(60, "first").gate(&held).body("x").chunked()).await;
    let proxy = Proxy::before(&origin).await;
    for n in 0..70 {
        let mut client = get(&proxy, &format!("/{n}")).arriving().await;
        client.body(5).await;
        client.reset();
    }
    origin.until_closed(6).await;
}

#[tokio::test]
async fn a_fetch_does_not_hold_the_place_of_the_connection_that_began_it() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match seen.target.as_str() {
        "/slow" => Reply::fresh(60, "first").gate(&held).body("x").chunked(),
        _ => Reply::fresh(60, "x"),
    })
    .await;
    let proxy = Proxy::with(&origin, "[limits]\nmax_connections = 1").await;
    let mut client = get(&proxy, "/slow").arriving().await;
    client.body(5).await;
    client.reset();
    assert_eq!(get(&proxy, "/").await.status, 200, "nobody else is connected");
    gate.open();
}

#[tokio::test]
async fn a_drain_does_not_wait_for_fetches_that_nobody_waits_for() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin =
        Origin::serve(move |_| Reply::fresh(60, "first").gate(&held).body("x").chunked()).await;
    let proxy = Proxy::before(&origin).await;
    let mut client = get(&proxy, "/").arriving().await;
    client.body(5).await;
    client.reset();
    proxy.settle().await;
    proxy.drain().await;
}

#[tokio::test]
async fn content_location_is_invalidated_where_the_target_had_a_query() {
    let origin = Origin::serve(move |seen| match seen.method.as_str() {
        "GET" => Reply::fresh(600, format!("take {}", seen.number)),
        _ => Reply::status(200).header("Content-Location", "/users/1"),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/users/1").await;
    send(&proxy, "PUT", "/users/1?notify=1").body("new").await;
    assert!(!get(&proxy, "/users/1").await.is_hit(), "the PUT's answer names it");
}

#[tokio::test]
async fn an_unsafe_request_invalidates_for_every_credential() {
    let origin = Origin::always(Reply::fresh(600, "x")).await;
    let proxy = Proxy::with(&origin, "[cache]\nauthorization = \"isolate\"").await;
    for user in ["a", "b"] {
        get(&proxy, "/").header("Authorization", user).await;
    }
    send(&proxy, "PUT", "/").header("Authorization", "a").body("new").await;
    let other = get(&proxy, "/").header("Authorization", "b").await;
    assert!(!other.is_hit(), "RFC 9111 §4.4: the target URI is invalid for everybody");
}

#[tokio::test]
async fn a_204_has_no_content_length() {
    let origin = Origin::always(Reply::status(204).header("Cache-Control", "max-age=60")).await;
    let proxy = Proxy::before(&origin).await;
    let client = H2::connect(&proxy).await;
    let miss = client.get("/", &[]).await.unwrap();
    assert_eq!((miss.status, miss.header("content-length")), (204, None), "RFC 9110 §8.6: miss");
    let hit = client.get("/", &[]).await.unwrap();
    assert_eq!((hit.status, hit.header("content-length")), (204, None), "RFC 9110 §8.6: hit");
    let head = send(&proxy, "HEAD", "/").await;
    assert_eq!((head.status, head.header("content-length")), (204, None), "RFC 9110 §8.6: HEAD");
}

#[tokio::test]
async fn a_tag_of_ours_that_was_handed_out_can_be_used_in_if_match() {
    let origin = Origin::serve(|seen| {
        let reply = match (seen.method.as_str(), seen.header("if-modified-since")) {
            ("PUT", _) => Reply::status(204),
            (_, Some(_)) => Reply::status(304),
            (_, None) => Reply::ok("body"),
        };
        reply.header("Last-Modified", date(-3600)).header("Cache-Control", "no-cache")
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    let tag = get(&proxy, "/").await.header("etag").map(str::to_owned);
    let Some(tag) = tag else { return };
    let put = send(&proxy, "PUT", "/").header("If-Match", &tag).body("new").await;
    assert_eq!(put.status, 204, "nothing has changed since {tag} was handed out");
}

#[tokio::test]
async fn a_cookie_that_the_operator_forbids_from_now_on_is_not_handed_out_any_more() {
    let reply = Reply::fresh(600, "x").header("Set-Cookie", "sid=secret");
    let origin = Origin::always(reply).await;
    let proxy = Proxy::with(&origin, "[cache]\nset_cookie = \"rfc\"").await;
    get(&proxy, "/").await;
    for rule in ["strip", "refuse"] {
        proxy.reload(&format!("[cache]\nset_cookie = \"{rule}\""));
        let answer = get(&proxy, "/").await;
        let leaked = answer.is_hit() && answer.header("set-cookie").is_some();
        assert!(!leaked, "{rule}: {:?}", answer.fields);
    }
}

#[tokio::test]
async fn a_client_s_condition_reaches_the_origin_where_nothing_can_be_shared() {
    let origin = Origin::serve(|seen| {
        let reply = match seen.header("if-none-match") {
            Some(_) => Reply::status(304),
            None => Reply::ok("a long body"),
        };
        reply.header("ETag", "\"v1\"").header("Cache-Control", "private")
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    let mut client = Client::connect(&proxy).await;
    for _ in 0..5 {
        client.ask("GET", "/", &[("If-None-Match", "\"v1\"")]).await;
        assert_eq!(client.read().await.unwrap().status, 304);
    }
    let asked = origin.seen().iter().filter(|it| it.header("if-none-match").is_some()).count();
    let made = origin.connections();
    assert_eq!((asked, made), (5, 1), "else each costs a whole body, and a connection");
}

#[tokio::test]
async fn too_many_requests_neither_drops_what_is_stored_nor_sends_the_crowd_to_the_origin() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match seen.number {
        1 => Reply::fresh(10, "x").header("ETag", "\"v1\""),
        2 => Reply::status(429).body("slow down"),
        _ => Reply::status(304).header("ETag", "\"v1\"").held(&held),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    proxy.advance(10);
    assert_eq!(get(&proxy, "/").await.status, 429);
    let mut crowd = [get(&proxy, "/").sent().await, get(&proxy, "/").sent().await];
    gate.until_arrived(1).await;
    proxy.settle().await;
    assert_eq!(origin.requests(), 3, "one at a time, the more so as it asked us to slow down");
    gate.open();
    for client in &mut crowd {
        assert_eq!(client.read().await.unwrap().text(), "x");
    }
}

#[tokio::test]
async fn what_a_trusted_proxy_passes_on_from_its_client_cannot_poison_the_cache() {
    for field in ["X-Forwarded-Prefix", "X-Forwarded-Port", "X-Original-URL", "X-Rewrite-URL"] {
        let name = field.to_ascii_lowercase();
        let origin = Origin::serve(move |seen| {
            Reply::fresh(60, format!("link to {}", seen.header(&name).unwrap_or("nothing")))
        })
        .await;
        let proxy = Proxy::with(&origin, "trusted_proxies = [\"127.0.0.1/32\"]").await;
        get(&proxy, "/").header(field, "/evil").await;
        assert_eq!(get(&proxy, "/").await.text(), "link to nothing", "{field}");
    }
}

#[tokio::test]
async fn the_log_tells_that_a_client_left_in_the_middle_of_a_body() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match seen.target.as_str() {
        "/left" => Reply::ok("first").gate(&held).body("x").chunked(),
        "/whole" => Reply::fresh(60, "a whole body"),
        _ => Reply::fresh(60, "all").body(" of it").chunked(),
    })
    .await;
    let config = format!("[log]\naccess = \"{}\"", path.display());
    let proxy = Proxy::with(&origin, &config).await;
    let mut client = get(&proxy, "/left").arriving().await;
    client.body(5).await;
    client.reset();
    origin.until_closed(1).await;
    for path in ["/whole", "/whole", "/chunked", "/chunked"] {
        get(&proxy, path).await;
    }
    proxy.drain().await;
    let lines = std::fs::read_to_string(&path).unwrap();
    for line in lines.lines() {
        let torn = line.contains("\"torn\":true");
        assert_eq!(torn, line.contains("/left"), "{line}");
    }
    assert_eq!(lines.lines().count(), 5, "{lines}");
}

#[tokio::test]
async fn max_forwards_is_counted_down_and_ends_at_zero() {
    let origin = Origin::always(Reply::status(204)).await;
    let proxy = Proxy::before(&origin).await;
    send(&proxy, "OPTIONS", "/").header("Max-Forwards", "3").await;
    assert_eq!(origin.last().header("max-forwards"), Some("2"), "RFC 9110 §7.6.2");
    send(&proxy, "OPTIONS", "/").header("Max-Forwards", "0").await;
    assert_eq!(origin.requests(), 1, "RFC 9110 §7.6.2: it must not be forwarded");
}

#[tokio::test]
async fn isolation_looks_at_every_authorization_line() {
    let origin = Origin::serve(|seen| {
        let who = seen.headers("authorization").last().map(|it| (*it).to_owned());
        Reply::fresh(60, format!("hello {}", who.unwrap_or_default()))
    })
    .await;
    let proxy = Proxy::with(&origin, "[cache]\nauthorization = \"isolate\"").await;
    get(&proxy, "/").header("Authorization", "a").header("Authorization", "b").await;
    assert_eq!(get(&proxy, "/").header("Authorization", "a").await.text(), "hello a");
}

#[tokio::test]
async fn a_cookie_set_by_a_304_reaches_its_client() {
    let origin = Origin::serve(|seen| match seen.number {
        1 => Reply::fresh(10, "x").header("ETag", "\"v1\""),
        _ => Reply::status(304).header("ETag", "\"v1\"").header("Set-Cookie", "sid=1"),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    proxy.advance(10);
    let answer = get(&proxy, "/").await;
    assert_eq!((answer.text(), answer.header("set-cookie")), ("x", Some("sid=1")));
}

#[tokio::test]
async fn a_date_says_nothing_of_an_answer_that_is_not_stored() {
    let origin = Origin::serve(|seen| {
        Reply::ok(format!("take {}", seen.number)).header("Cache-Control", "no-store")
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    let answer = get(&proxy, "/").header("If-Modified-Since", &date(5)).await;
    assert_eq!(answer.status, 200, "RFC 9110 §13.1.3: without Last-Modified it is ignored");
}

#[tokio::test]
async fn an_answer_to_a_credential_takes_nothing_from_those_without() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match (seen.number, seen.header("authorization")) {
        (1, _) => Reply::fresh(10, "public").header("ETag", "\"v1\""),
        (_, Some(_)) => Reply::ok("mine").header("Cache-Control", "private"),
        (_, None) => Reply::status(304).header("ETag", "\"v1\"").held(&held),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    proxy.advance(10);
    assert_eq!(get(&proxy, "/").header("Authorization", "a").await.text(), "mine");
    let _crowd = [get(&proxy, "/").sent().await, get(&proxy, "/").sent().await];
    gate.until_arrived(1).await;
    proxy.settle().await;
    assert_eq!(origin.requests(), 3, "one validation for both");
    assert_eq!(origin.last().header("if-none-match"), Some("\"v1\""), "it is still stored");
}

#[tokio::test]
async fn a_torn_answer_takes_nothing_from_the_store() {
    let origin = Origin::serve(|seen| match seen.number {
        1 => Reply::ok("old").header("Cache-Control", "max-age=10, stale-if-error=600"),
        2 => Reply::fresh(10, "a torn body").header("Vary", "Accept").torn_after(4),
        _ => Reply::status(503),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    proxy.advance(10);
    get(&proxy, "/").result().await.unwrap_err();
    let answer = get(&proxy, "/").await;
    assert_eq!((answer.status, answer.text()), (200, "old"), "nothing better has come");
}

#[tokio::test]
async fn an_ignored_cookie_of_a_put_does_not_reach_what_is_shared() {
    let origin = Origin::serve(|seen| match seen.method.as_str() {
        "GET" => Reply::ok(format!("hello {}", seen.header("cookie").unwrap_or("nobody")))
            .header("Last-Modified", date(-3600)),
        _ => Reply::status(204),
    })
    .await;
    let proxy = Proxy::with(&origin, "[cache]\nttl = \"10s\"\ncookies = \"ignore\"").await;
    get(&proxy, "/").await;
    proxy.advance(10);
    let put = send(&proxy, "PUT", "/").header("Cookie", "sid=1");
    put.header("If-Match", "\"larder-0\"").body("new").await;
    assert_eq!(get(&proxy, "/").await.text(), "hello nobody", "what sid=1 is told is not for all");
}

#[tokio::test]
async fn a_stale_tag_is_not_known_to_be_current() {
    let origin = Origin::serve(|seen| match (seen.method.as_str(), seen.number) {
        ("GET", 1) => Reply::fresh(10, "old"),
        ("GET", _) => Reply::status(503),
        _ => Reply::status(204),
    })
    .await;
    let proxy = Proxy::with(&origin, "[cache]\nstale_if_error = \"10m\"").await;
    get(&proxy, "/").await;
    let tag = get(&proxy, "/").await.header("etag").unwrap().to_owned();
    proxy.advance(15);
    let put = send(&proxy, "PUT", "/").header("If-Match", &tag).body("new").await;
    assert_eq!(put.status, 412, "the origin did not say that it is");
}

#[tokio::test]
async fn what_was_changed_under_other_rules_does_not_come_back_with_the_old_ones() {
    let origin = Origin::serve(|seen| match seen.method.as_str() {
        "GET" => Reply::fresh(600, format!("take {}", seen.number)),
        _ => Reply::status(204),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    proxy.reload("[cache]\nset_cookie = \"strip\"");
    send(&proxy, "PUT", "/").body("new").await;
    proxy.reload("");
    assert!(!get(&proxy, "/").await.is_hit(), "RFC 9111 §4.4: it is from before the PUT");
}
