//! How often who may ask: 429 and its fields, queues, shadows, and what counts as a miss.

use crate::support::{Gate, Origin, Proxy, Reply, get, send};

async fn statuses(proxy: &Proxy, n: usize, header: (&str, &str)) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..n {
        statuses.push(get(proxy, "/").header(header.0, header.1).await.status);
    }
    statuses
}

#[tokio::test]
async fn past_the_rate_is_429_until_retry_after() {
    let origin = Origin::always(Reply::fresh(600, "x")).await;
    let proxy = Proxy::with(&origin, "[throttle]\nrate = \"2/min\"\nburst = 3").await;
    for _ in 0..3 {
        let answer = get(&proxy, "/").await;
        assert_eq!((answer.status, answer.header("ratelimit")), (200, None), "on_429");
    }
    let refused = get(&proxy, "/").await;
    assert_eq!(refused.status, 429, "RFC 6585 §4");
    assert_eq!(refused.header("retry-after"), Some("30"));
    assert_eq!(refused.header("ratelimit"), Some("\"default\";r=0;t=30"));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"default\";q=3;w=90"));
    assert_eq!(refused.header("cache-status"), Some("larder; detail=throttled"));
    assert_eq!(proxy.counters().throttled.get(), 1);
    proxy.advance(30);
    assert_eq!(get(&proxy, "/").await.status, 200);
}

#[tokio::test]
async fn an_address_that_the_peer_may_not_tell_is_ignored() {
    let origin = Origin::always(Reply::fresh(600, "x")).await;
    let proxy = Proxy::with(&origin, "[throttle]\nrate = \"1/h\"").await;
    let first = get(&proxy, "/").header("X-Forwarded-For", "192.0.2.1").await;
    assert_eq!(first.status, 200);
    for field in ["X-Forwarded-For", "X-Real-IP", "True-Client-IP"] {
        let spoofed = get(&proxy, "/").header(field, "192.0.2.2").await;
        assert_eq!(spoofed.status, 429, "the same peer, whatever it says: {field}");
    }
    let forwarded = get(&proxy, "/").header("Forwarded", "for=192.0.2.3").await;
    assert_eq!(forwarded.status, 429);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_address_is_read_from_the_right() {
    let origin = Origin::always(Reply::fresh(600, "x")).await;
    let text = "trusted_proxies = [\"127.0.0.0/8\"]\n[throttle]\nrate = \"1/h\"";
    let proxy = Proxy::with(&origin, text).await;
    let ask = |chain: &str| get(&proxy, "/").header("X-Forwarded-For", chain);
    assert_eq!(ask("192.0.2.1").await.status, 200);
    assert_eq!(ask("192.0.2.9, 192.0.2.1").await.status, 429, "what is left of it was claimed");
    assert_eq!(ask("192.0.2.2, 127.0.0.1").await.status, 200);
    assert_eq!(ask("192.0.2.2").await.status, 429);
}

#[tokio::test]
async fn keys_and_cookies_make_clients_too() {
    let origin = Origin::always(Reply::fresh(600, "x")).await;
    let text = "[throttle]\nrate = \"1/h\"\nkey = \"header:X-Api-Key\"";
    let proxy = Proxy::with(&origin, text).await;
    assert_eq!(statuses(&proxy, 2, ("X-Api-Key", "a")).await, [200, 429]);
    assert_eq!(statuses(&proxy, 2, ("X-Api-Key", "b")).await, [200, 429]);
    assert_eq!(statuses(&proxy, 2, ("X-Other", "b")).await, [200, 429], "by address");
    let proxy = Proxy::with(&origin, "[throttle]\nrate = \"1/h\"\nkey = \"cookie:sid\"").await;
    assert_eq!(statuses(&proxy, 2, ("Cookie", "sid=1; a=b")).await, [200, 429]);
    assert_eq!(statuses(&proxy, 2, ("Cookie", "a=c; sid=2")).await, [200, 429]);
}

#[tokio::test]
async fn a_cookie_that_the_api_does_not_see_is_a_key_all_the_same() {
    let origin = Origin::always(Reply::fresh(600, "x")).await;
    let text = "[cache]\ncookies = \"ignore\"\n[throttle]\nrate = \"1/h\"\nkey = \"cookie:sid\"";
    let proxy = Proxy::with(&origin, text).await;
    assert_eq!(statuses(&proxy, 2, ("Cookie", "sid=1")).await, [200, 429]);
    assert_eq!(statuses(&proxy, 2, ("Cookie", "a=b; sid=2")).await, [200, 429], "not by address");
    assert_eq!(origin.last().header("cookie"), None);
}

#[tokio::test]
async fn a_key_that_is_sent_twice_passes_no_limit() {
    let origin = Origin::always(Reply::fresh(600, "x")).await;
    let text = "[throttle]\nrate = \"1/h\"\nkey = \"header:X-Api-Key\"";
    let proxy = Proxy::with(&origin, text).await;
    let mut statuses = Vec::new();
    for junk in ["1", "2", "3", "4"] {
        let twice = get(&proxy, "/").header("X-Api-Key", "k").header("X-Api-Key", junk);
        statuses.push(twice.await.status);
    }
    assert_eq!(statuses, [200, 429, 429, 429], "whichever of them the API takes");
}

#[tokio::test]
async fn several_limits_apply_at_once() {
    let origin = Origin::always(Reply::fresh(600, "x")).await;
    let text = "[[throttle]]\nrate = \"1/s\"\nburst = 2\nheaders = \"always\"\n\
                [[throttle]]\nrate = \"3/h\"\nburst = 3\nheaders = \"always\"";
    let proxy = Proxy::with(&origin, text).await;
    let told =
        |answer: &crate::support::Answer| answer.header("ratelimit").unwrap_or_default().to_owned();
    assert_eq!(told(&get(&proxy, "/").await), "\"default\";r=1;t=1, \"default-2\";r=2;t=1200");
    assert_eq!(get(&proxy, "/").await.status, 200);
    assert_eq!(get(&proxy, "/").await.header("retry-after"), Some("1"), "the first limit");
    proxy.advance(1);
    assert_eq!(get(&proxy, "/").await.status, 200);
    proxy.advance(1);
    let refused = get(&proxy, "/").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1198")), "the second");
}

#[tokio::test]
async fn a_route_has_limits_of_its_own() {
    let origin = Origin::always(Reply::fresh(600, "x")).await;
    let text = "[throttle]\nrate = \"1/h\"\nburst = 2\n\
                [[routes]]\nmatch = { path = \"/a\" }\n\
                [[routes]]\nmatch = { path = \"/own\" }\nthrottle = { rate = \"1/min\" }\n\
                [[routes]]\nmatch = { path = \"/free\" }\nthrottle = []";
    let proxy = Proxy::with(&origin, text).await;
    assert_eq!(get(&proxy, "/a").await.status, 200);
    assert_eq!(get(&proxy, "/b").await.status, 200);
    assert_eq!(get(&proxy, "/a").await.status, 429, "both routes count together");
    assert_eq!(get(&proxy, "/own").await.status, 200);
    assert_eq!(get(&proxy, "/own").await.header("retry-after"), Some("60"));
    for _ in 0..5 {
        assert_eq!(get(&proxy, "/free").await.status, 200);
    }
}

#[tokio::test]
async fn only_who_leads_a_fetch_pays_for_a_miss() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match seen.number {
        1 => Reply::fresh(60, "x").held(&held),
        _ => Reply::fresh(60, "x"),
    })
    .await;
    let text = "[throttle]\nrate = \"1/h\"\nburst = 2\ncount = \"misses\"";
    let proxy = Proxy::with(&origin, text).await;
    let mut crowd = Vec::new();
    for _ in 0..10 {
        crowd.push(get(&proxy, "/").sent().await);
    }
    gate.until_arrived(1).await;
    proxy.settle().await;
    gate.open();
    for client in &mut crowd {
        assert_eq!(client.read().await.unwrap().status, 200, "who follows pays nothing");
    }
    for _ in 0..10 {
        assert!(get(&proxy, "/").await.is_hit(), "hits are free");
    }
    assert_eq!(get(&proxy, "/other").await.status, 200, "the second miss");
    assert_eq!(get(&proxy, "/third").await.status, 429);
    assert_eq!(send(&proxy, "POST", "/").body("x").await.status, 429, "for it the API is asked");
    assert!(get(&proxy, "/").await.is_hit(), "hits are free still");
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn a_refresh_behind_a_stale_answer_is_free() {
    let cache = "max-age=10, stale-while-revalidate=600";
    let origin = Origin::always(Reply::ok("x").header("Cache-Control", cache)).await;
    let text = "[throttle]\nrate = \"1/h\"\ncount = \"misses\"";
    let proxy = Proxy::with(&origin, text).await;
    assert_eq!(get(&proxy, "/").await.status, 200);
    for n in 2..5 {
        proxy.advance(20);
        assert_eq!(get(&proxy, "/").await.status, 200, "a stale answer is no miss");
        origin.until_requests(n).await;
        proxy.settle().await;
    }
}

#[tokio::test]
async fn a_queue_lets_wait_for_a_turn() {
    let origin = Origin::always(Reply::fresh(600, "x")).await;
    let text = "[throttle]\nrate = \"1/s\"\nmode = \"queue\"\nmax_wait = \"2s\"";
    let proxy = Proxy::with(&origin, text).await;
    assert_eq!(get(&proxy, "/").await.status, 200);
    let mut first = get(&proxy, "/").sent().await;
    proxy.until(|counters| counters.throttle_waits.get() == 1).await;
    let mut second = get(&proxy, "/").sent().await;
    proxy.until(|counters| counters.throttle_waits.get() == 2).await;
    assert_eq!(get(&proxy, "/").await.status, 429, "its turn would come after 3 s");
    proxy.let_it_wait(1).await;
    assert_eq!(first.read().await.unwrap().status, 200);
    proxy.let_it_wait(1).await;
    assert_eq!(second.read().await.unwrap().status, 200);
}

#[tokio::test]
async fn who_leaves_the_queue_gives_up_the_place() {
    let origin = Origin::always(Reply::fresh(600, "x")).await;
    let text = "[throttle]\nrate = \"1/s\"\nmode = \"queue\"\nmax_wait = \"2s\"";
    let proxy = Proxy::with(&origin, text).await;
    assert_eq!(get(&proxy, "/").await.status, 200);
    let leaving = get(&proxy, "/").sent().await;
    proxy.until(|counters| counters.throttle_waits.get() == 1).await;
    drop(leaving);
    proxy.settle().await;
    let mut next = get(&proxy, "/").sent().await;
    proxy.until(|counters| counters.throttle_waits.get() == 2).await;
    proxy.let_it_wait(1).await;
    assert_eq!(next.read().await.unwrap().status, 200, "the first place is its");
}

#[tokio::test]
async fn a_shadow_only_counts() {
    let origin = Origin::always(Reply::fresh(600, "x")).await;
    let proxy = Proxy::with(&origin, "[throttle]\nrate = \"1/h\"\nmode = \"shadow\"").await;
    for _ in 0..5 {
        let answer = get(&proxy, "/").await;
        assert_eq!((answer.status, answer.header("ratelimit")), (200, None));
    }
    let counters = proxy.counters();
    assert_eq!((counters.throttle_shadowed.get(), counters.throttled.get()), (4, 0));
}

#[tokio::test]
async fn a_reload_keeps_what_is_known_of_clients() {
    let origin = Origin::always(Reply::fresh(600, "x")).await;
    let proxy = Proxy::with(&origin, "[throttle]\nrate = \"1/h\"").await;
    assert_eq!(get(&proxy, "/").await.status, 200);
    proxy.reload("[throttle]\nrate = \"1/h\"\nheaders = \"off\"");
    let refused = get(&proxy, "/").await;
    assert_eq!((refused.status, refused.header("ratelimit")), (429, None));
    proxy.reload("[throttle]\nrate = \"2/h\"");
    assert_eq!(get(&proxy, "/").await.status, 200, "another rate starts full");
}

#[tokio::test]
async fn what_the_origin_says_of_its_limits_is_for_the_first_client() {
    let fields = ["RateLimit", "RateLimit-Policy", "RateLimit-Reset", "X-RateLimit-Remaining"];
    let reply = fields.iter().fold(Reply::fresh(60, "x"), |it, name| it.header(name, "5"));
    let origin = Origin::always(reply.header("Retry-After", "7")).await;
    let proxy = Proxy::before(&origin).await;
    let first = get(&proxy, "/").await;
    let second = get(&proxy, "/").await;
    assert!(second.is_hit());
    for field in fields.into_iter().chain(["Retry-After"]) {
        assert!(first.header(field).is_some(), "{field} is for who asked");
        assert_eq!(second.header(field), None, "{field} is of another moment");
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_as_a_problem_to_who_takes_json() {
    let origin = Origin::always(Reply::fresh(600, "x")).await;
    let proxy = Proxy::with(&origin, "[throttle]\nrate = \"1/h\"").await;
    get(&proxy, "/").await;
    for accept in ["application/json", "text/html, application/problem+json;q=0.5"] {
        let refused = get(&proxy, "/").header("Accept", accept).await;
        assert_eq!(refused.header("content-type"), Some("application/problem+json"), "RFC 9457");
        let problem: serde_json::Value = serde_json::from_slice(&refused.body).unwrap();
        assert_eq!(problem["status"], 429);
        assert_eq!(problem["title"], "Too Many Requests");
    }
    for accept in ["*/*", "application/json;q=0", "text/plain"] {
        let refused = get(&proxy, "/").header("Accept", accept).await;
        assert_eq!(refused.header("content-type"), Some("text/plain; charset=utf-8"), "{accept}");
    }
    let refused = get(&proxy, "/..").header("Accept", "application/json").await;
    let problem: serde_json::Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!((refused.status, problem["status"].as_u64()), (400, Some(400)));
}
